"""Dates as schools write them: MM/DD/YYYY, DD.MM.YYYY, D Mon YYYY, 20261113, with or without a time of day behind.

A form says exactly how a date is written, and a cell that is written otherwise is no date: 03/04/2026 is one of two days,
and only the form tells which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

#: A year of two digits below this is one of the years 2000 to 2068, else one of 1969 to 1999, as POSIX has it.
PIVOT = 69

#: The number that a spreadsheet gives to 1 January 1970.
_EPOCH_IN_SHEETS = 25_569

_MONTHS = (
    "january jan januar jänner janvier janv enero ene janeiro gennaio gen januari", "february feb februar février févr fév "
    "febrero fevereiro fev febbraio februari", "march mar märz mär mrz mars marzo março maart mrt", "april apr avril avr abril "
    "abr aprile", "may mai mayo maio maggio mag mei", "june jun juni juin junio junho giugno giu", "july jul juli juillet juil "
    "julio julho luglio lug", "august aug août aou agosto ago augustus", "september sep sept septembre septiembre setembro set "
    "settembre", "october oct oktober okt octobre octubre outubro out ottobre ott", "november nov novembre noviembre novembro",
    "december dec dezember dez décembre déc diciembre dic dezembro dicembre",
)  # fmt: skip

#: Months by name and short name, in English, German, French, Spanish, Portuguese, Italian and Dutch: none is two months.
MONTHS: Mapping[str, str] = MappingProxyType(
    {name: f"{number:02d}" for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
)

_TOKEN = re.compile(r"[Yy]+|[Mm]onth|[Mm]on|[Mm]+|[Dd]+|[Hh]+|[Ss]+|[Aa][Mm](?:/[Pp][Mm])?|\s+|.")

_DAY_PARTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"yyyy": ("year", r"[0-9]{4}"), "yy": ("short", r"[0-9]{2}"), "mm": ("month", r"[0-9]{2}"), "m": ("month", r"[0-9]{1,2}"),
     "dd": ("day", r"[0-9]{2}"), "d": ("day", r"[0-9]{1,2}"), "mon": ("name", r"\pL+\.?"), "month": ("name", r"\pL+\.?"),
     "mmm": ("name", r"\pL+\.?"), "mmmm": ("name", r"\pL+\.?")}
)  # fmt: skip
_TIME_PARTS: Mapping[str, str] = MappingProxyType(
    {"hh": r"[0-9]{2}", "h": r"[0-9]{1,2}", "ss": r"[0-9]{2}(?:[.,][0-9]+)?"}
    | dict.fromkeys(("am", "am/pm"), r"[AaPp]\.?[Mm]\.?")
)


@dataclass(frozen=True, slots=True)
class DayForm:
    """One way of writing a date: the words of a mapping, and the pattern that a cell must fit to its last sign.

    ``YYYY`` ``YY`` ``MM`` ``M`` ``DD`` ``D`` are digits (one letter: one or two), ``Mon`` and ``Month`` the month's name,
    ``hh`` ``h`` ``mm`` ``ss`` ``AM`` a time of day, which is read over. ``Excel`` is the number that a spreadsheet has
    for a day.
    """

    says: str
    pattern: str
    parts: frozenset[str]

    @classmethod
    def of(cls, says: str) -> DayForm:
        """Return the form that the words say; raise :class:`ValueError` where they say none."""
        if says.strip().lower() == "excel":
            return cls(says, r"^[0-9]{4,6}(?:\.[0-9]+)?$", frozenset({"serial"}))
        pattern, parts, in_time = "", [], False
        for part in _TOKEN.findall(says.strip()):
            low = part.lower()
            if low in {"mm", "m"} and in_time:
                pattern += r"[0-9]{2}"
            elif low in _DAY_PARTS:
                name, form = _DAY_PARTS[low]
                pattern, in_time = pattern + f"(?<{name}>{form})", False
                parts.append(name)
            elif low in _TIME_PARTS:
                pattern, in_time = pattern + _TIME_PARTS[low], True
            elif part.isspace():
                pattern += r"\s+"
            elif part.isalpha() and part not in "TZ":
                raise ValueError(f"{part} is no part of a date")
            else:
                pattern += re.escape(part)
        kinds = ["year" if name == "short" else "month" if name == "name" else name for name in parts]
        if sorted(kinds) != ["day", "month", "year"]:
            raise ValueError("a form of dates names a year, a month and a day, each once")
        return cls(says, f"^{pattern}$", frozenset(parts))

    def read(self, cell: pl.Expr) -> pl.Expr:
        """Return text as dates, null where it is not a date written so."""
        if "serial" in self.parts:
            whole = pl.when(cell.str.contains(self.pattern)).then(cell).str.splitn(".", 2).struct.field("field_0")
            return (whole.cast(pl.Int32, strict=False) - _EPOCH_IN_SHEETS).cast(pl.Date)
        found = cell.str.extract_groups(self.pattern)
        year = found.struct.field("year") if "year" in self.parts else _century(found.struct.field("short"))
        month = found.struct.field("month").str.zfill(2) if "month" in self.parts else _month(found.struct.field("name"))
        return pl.concat_str(year, month, found.struct.field("day").str.zfill(2), separator="-").str.to_date(
            "%Y-%m-%d", strict=False
        )


def _century(two: pl.Expr) -> pl.Expr:
    recent = two.cast(pl.Int32, strict=False) < PIVOT
    return pl.when(recent).then(pl.concat_str(pl.lit("20"), two)).otherwise(pl.concat_str(pl.lit("19"), two))


def _month(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().str.strip_suffix(".").replace_strict(dict(MONTHS), default=None, return_dtype=pl.String)

"""How a school's own file is read as canonical tables: columns, dates, codes and units, told by a TOML file.

A mapping says everything and guesses nothing. A code that it does not name, a date that is not written as it says and a
number in another form set their row aside. What it leaves out on purpose is counted and told. ``docs/mapping.md`` is
the page for whoever writes one, and ``homeroom map`` (:mod:`features.drafting`) drafts it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from features.dates import DayForm
from features.layouts import Layout
from features.problems import Problem, Refused
from features.records import digest_of
from features.tables import TABLES, Column, Table

#: The columns by which a row may be joined, and the table whose rows they name.
JOINED: Mapping[str, str] = MappingProxyType(
    {"student_id": "students", "section_id": "sections", "organisation_id": "organisations", "staff_id": "staff",
     "course_id": "courses", "term_id": "terms", "given_by": "staff"}
)  # fmt: skip

#: Columns that are found where a file does not give them: the stay, the class and the school that a row belongs to, and
#: the end of the school year.
FOUND = ("enrolment_id", "section_id", "organisation_id", "planned_end_on")

_VERSION = {"known_on": Column("known_on", pl.Date(), "The day since which it is known.", "internal", "join"),
            "deleted": Column("deleted", pl.Boolean(), "This version deletes the row.", "internal", "join")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Join:
    """By which of its names a row names a student, a class or a school.

    ``kind`` is one of the kinds that the main format knows, or ``any``: then a value must name just one in all kinds
    together. Where ``leading_zeros`` are ignored 00417 is 417, which is what a spreadsheet makes of it.
    """

    kind: str
    ignores_zeros: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number becomes the canonical one: divided by ``per`` (a number or a column of the file), multiplied by ``times``.

    ``rest`` tells that it counts what was attended, so that what was missed is one less it.
    """

    per: float | str = 1.0
    times: float = 1.0
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """What one code says: words of canonical columns as text, or that the row is left out.

    ``otherwise`` are words for columns of which the file's own cell is empty.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    otherwise: Mapping[str, str] = field(default_factory=dict)
    skip: bool = False

    @property
    def gives(self) -> frozenset[str]:
        """The canonical columns that it may fill."""
        return frozenset((*self.words, *self.otherwise))


@dataclass(frozen=True)
class Lookup:
    """Another file whose columns are put beside each row, found by the columns ``by`` that both have."""

    file: str
    by: tuple[str, ...]
    layout: Layout = field(default_factory=Layout)


@dataclass(frozen=True)
class TableMapping:
    """How the rows of one canonical table are read from one file (or several of one form).

    ``columns`` gives for each canonical column the file's own, joined by ``joined_by`` where there are several.
    ``loosely`` compares the file's header and codes as Ed-Fi's names are written: without their references and namespaces.
    """

    table: str
    file: str
    columns: Mapping[str, tuple[str, ...]]
    layout: Layout = field(default_factory=Layout)
    joined_by: str = "-"
    joins: Mapping[str, Join] = field(default_factory=dict)
    dates: Mapping[str, DayForm] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, Code]] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    once: bool = False
    loosely: bool = False

    @property
    def gives(self) -> tuple[str, ...]:
        """The canonical columns that its rows get from the mapping."""
        coded = [name for codes in self.codes.values() for code in codes.values() for name in code.gives]
        order = [*TABLES[self.table].schema, "organisation_id"]
        named = {*self.columns, *coded, *self.values}
        return tuple(dict.fromkeys(name for name in order if name in named))

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the file (or of a lookup) that it names."""
        units = [unit.per for unit in self.units.values() if isinstance(unit.per, str)]
        return tuple(dict.fromkeys([*(name for names in self.columns.values() for name in names), *self.codes, *units]))


@dataclass(frozen=True)
class Mappings:
    """All that one TOML file says, in its order."""

    tables: tuple[TableMapping, ...]
    path: Path
    digest: str


def read(path: Path) -> Mappings:
    """Read a mapping; raise :class:`Refused` with everything that is wrong with it or still to be filled in."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
    except (FileNotFoundError, IsADirectoryError):
        raise Refused([Problem("missing_file", path.name, "there is no such file", "Give the TOML file of the mapping.",
                               file=path.name)], _REFUSED) from None  # fmt: skip
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused([Problem("mapping", path.name, f"it is not TOML in UTF-8 ({error})",
                               "docs/mapping.md shows one.", file=path.name)], _REFUSED) from None  # fmt: skip
    return Mappings(parse(raw, path.name), path, digest_of(text))


_REFUSED = "The mapping cannot be used"


def parse(raw: Mapping[str, Any], file: str, loosely: bool = False) -> tuple[TableMapping, ...]:
    """Return what a mapping says, from its TOML as values; raise :class:`Refused` with all that is wrong with it."""
    faults: list[Problem] = []
    found = []
    for name, parts in raw.items():
        if name not in TABLES:
            faults.append(Problem("mapping", f"{file}, [{name}]", "there is no such table",
                                  f"The tables are: {', '.join(TABLES)}.", file=file))  # fmt: skip
            continue
        for at, part in enumerate(parts if isinstance(parts, list) else [parts], start=1):
            where = f"{name}, number {at}" if isinstance(parts, list) else name
            found.append(_Reader(TABLES[name], file, where, faults, loosely).read(part))
    if not raw:
        faults.append(Problem("mapping", file, "it names no table", "Give a part [attendance], for one.", file=file))
    if faults:
        raise Refused(faults, _REFUSED)
    return tuple(found)


_KEYS = ("file", "separator", "encoding", "header_row", "decimal", "thousands", "missing", "once", "joined_by", "needs",
         "columns", "joins", "dates", "codes", "units", "values", "lookups")  # fmt: skip


class _Reader:
    """Reads one table's part of a mapping, and gathers what is wrong with it."""

    def __init__(self, table: Table, file: str, where: str, faults: list[Problem], loosely: bool) -> None:
        self.table, self.file, self.where, self.faults, self.loosely = table, file, where, faults, loosely
        self.allowed = {column.name: column for column in table.columns} | _VERSION
        self._empty: set[tuple[str, str]] = set()
        if "enrolment_id" in self.allowed and "organisation_id" not in self.allowed:
            # It tells which of two stays a row belongs to, and is not kept.
            self.allowed["organisation_id"] = TABLES["organisations"].column("organisation_id")

    def fault(self, key: str, problem: str, hint: str) -> None:
        where = ", ".join(part for part in (self.file, f"[{self.where}]", key) if part)
        self.faults.append(Problem("mapping", where, problem, hint, file=self.file))

    def read(self, raw: Any) -> TableMapping:
        part = self._table(raw, "")
        for key in part:
            if key not in _KEYS:
                self.fault(key, "there is no such key", f"The keys are: {', '.join(_KEYS)}.")
        columns = {name: names for name, value in self._canonical(part, "columns").items()
                   if (names := self._names(f"columns.{name}", value))}  # fmt: skip
        once = part.get("once", False)
        if not isinstance(once, bool):
            self.fault("once", "this is neither true nor false", "Write once = true, or leave it out.")
        made = TableMapping(
            self.table.name,
            self._file(part, ""),
            columns,
            self._layout(part, ""),
            self._text(part, "joined_by", "-"),
            self._joins(part, columns),
            self._dates(part, columns),
            self._codes(part),
            self._units(part, columns),
            {name: text for name, value in self._canonical(part, "values").items()
             if (text := self._word(f"values.{name}", name, value)) is not None},
            self._needs(part, columns),
            self._lookups(part),
            self._sign(part, "decimal", "."),
            self._sign(part, "thousands", ""),
            self._missing(part),
            once is True,
            self.loosely,
        )  # fmt: skip
        if made.decimal == made.thousands:
            self.fault("thousands", "it is the decimal mark too", "Give two different marks.")
        self._complete(made)
        return made

    # -- parts -----------------------------------------------------------------------------------------------

    def _joins(self, part: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> dict[str, Join]:
        found = {}
        for name, value in self._canonical(part, "joins").items():
            kind, zeros = value, "kept"
            if isinstance(value, dict):
                kind, zeros = value.get("kind"), value.get("leading_zeros", "kept")
                if set(value) - {"kind", "leading_zeros"}:
                    self.fault(f"joins.{name}", "only kind and leading_zeros are known here", _JOIN_HINT)
            if name not in JOINED or (name in self.table.natural_key and JOINED[name] == self.table.name):
                self.fault(f"joins.{name}", "this column is not joined by another name", f"These are: {', '.join(JOINED)}.")
            elif name not in columns:
                self.fault(f"joins.{name}", "no column of the file is given for it", f"Name it under [{self.where}.columns].")
            elif not isinstance(kind, str) or not kind or zeros not in {"kept", "ignored"}:
                self.fault(f"joins.{name}", "this does not say how a row names it", _JOIN_HINT)
            else:
                found[name] = Join(kind, zeros == "ignored")
        return found

    def _dates(self, part: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> dict[str, DayForm]:
        found = {}
        for name, value in self._canonical(part, "dates").items():
            if self.allowed[name].type != pl.Date():
                self.fault(f"dates.{name}", "this column does not hold dates", "Leave it out.")
            elif name not in columns:
                self.fault(f"dates.{name}", "no column of the file is given for it", f"Name it under [{self.where}.columns].")
            elif not isinstance(value, str) or not value:
                self.fault(f"dates.{name}", "the form of its dates is still to be filled in", "Write it like MM/DD/YYYY.")
            else:
                try:
                    found[name] = DayForm.of(value)
                except ValueError as error:
                    self.fault(f"dates.{name}", str(error), "Write it like MM/DD/YYYY, DD.MM.YYYY or D Mon YYYY.")
        return found

    def _codes(self, part: Mapping[str, Any]) -> dict[str, dict[str, Code]]:
        found: dict[str, dict[str, Code]] = {}
        given: dict[str, str] = {}
        for column, codes in self._table(part.get("codes", {}), "codes").items():
            found[column] = {}
            for code, says in self._table(codes, f"codes.{column}").items():
                found[column][code] = self._code(f"codes.{column}.{code or '(empty)'}", says)
            for name in sorted({name for code in found[column].values() for name in code.words}):
                if given.setdefault(name, column) != column:
                    self.fault(f"codes.{column}", f"{name} is given by the codes of {given[name]} too", "Keep one of them.")
        return found

    def _code(self, where: str, says: Any) -> Code:
        if not isinstance(says, dict) or not says:
            self.fault(where, "this code is still to be filled in", 'Write like { status = "absent" }, or { skip = true }.')
            return Code(skip=True)
        for alone in ("skip", "nothing"):
            if alone in says:
                if says != {alone: True}:
                    self.fault(where, f"beside {alone} a code says nothing else", f"Write {{ {alone} = true }} alone.")
                return Code(skip=alone == "skip")
        return Code(self._words(where, {name: value for name, value in says.items() if name != "otherwise"}),
                    self._words(where, self._table(says.get("otherwise", {}), f"{where}.otherwise")))  # fmt: skip

    def _words(self, where: str, says: Mapping[str, Any]) -> dict[str, str]:
        words = {}
        for name, value in says.items():
            if name not in self.allowed:
                self.fault(where, f"table {self.table.name} has no column {name}", self._columns_hint())
            elif (word := self._word(where, name, value)) is not None:
                words[name] = word
            else:
                self._empty.add((where, name))
        return words

    def _units(self, part: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> dict[str, Unit]:
        found = {}
        for name, value in self._canonical(part, "units").items():
            if not self.allowed[name].type.is_numeric():
                self.fault(f"units.{name}", "this column does not hold numbers", "Leave it out.")
            elif name not in columns:
                self.fault(f"units.{name}", "no column of the file is given for it", f"Name it under [{self.where}.columns].")
            elif isinstance(value, dict) and value.get("per") == "":
                self.fault(f"units.{name}", "the unit is still to be filled in", _UNIT_HINT)
            elif (unit := _unit(value)) is None:
                self.fault(f"units.{name}", "this unit is not known here", _UNIT_HINT)
            else:
                found[name] = unit
        return found

    def _needs(self, part: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        names = self._texts(part, "needs")
        for name in names:
            if name not in columns:
                self.fault("needs", f"no column of the file is given for {name}", f"Name it under [{self.where}.columns].")
        return names

    def _lookups(self, part: Mapping[str, Any]) -> tuple[Lookup, ...]:
        found = []
        for name, value in self._table(part.get("lookups", {}), "lookups").items():
            one = self._table(value, f"lookups.{name}")
            for key in set(one) - {"file", "by", "separator", "encoding", "header_row"}:
                self.fault(f"lookups.{name}.{key}", "there is no such key", "The keys are: file, by, separator, encoding, "
                           "header_row.")  # fmt: skip
            by = self._names(f"lookups.{name}.by", one.get("by"))
            found.append(
                Lookup(self._file(one, f"lookups.{name}.") or f"{name}.csv", by, self._layout(one, f"lookups.{name}."))
            )
        return tuple(found)

    def _layout(self, part: Mapping[str, Any], where: str) -> Layout:
        separator, encoding, row = self._text(part, "separator"), self._text(part, "encoding"), part.get("header_row", 0)
        if len(separator.encode()) > 1:
            self.fault(f"{where}separator", "this is not one sign", 'Write it like separator = ";".')
        if encoding:
            try:
                "".encode(encoding)
            except LookupError:
                self.fault(f"{where}encoding", "there is no such encoding", "Write utf-8, cp1252 or utf-16, for one.")
        if isinstance(row, bool) or not isinstance(row, int) or row < 0:
            self.fault(f"{where}header_row", "this is not the number of a row", "Count from 1.")
            row = 0
        return Layout(separator, encoding, row)

    def _file(self, part: Mapping[str, Any], where: str) -> str:
        """Return the name of a file in the export, or beside it; a mapping reads nothing from elsewhere."""
        file = self._text(part, "file")
        if file.startswith(("/", "\\", "~")) or ".." in file or "**" in file or ":" in file:
            self.fault(f"{where}file", "this is not the name of a file in the export or beside it", 'Write it like "Att*.csv".')
            return ""
        return file

    def _missing(self, part: Mapping[str, Any]) -> tuple[str, ...]:
        return self._texts(part, "missing")

    def _sign(self, part: Mapping[str, Any], key: str, default: str) -> str:
        sign = self._text(part, key, default)
        if sign not in {"", ".", ",", "'", " ", "\u00a0", "\u202f", "\u2019"} or (key == "decimal" and sign not in {".", ","}):
            self.fault(key, "this mark is not known here", "Write a point or a comma.")
            return default
        return sign

    def _complete(self, made: TableMapping) -> None:
        """Tell of required columns that nothing gives, and of codes that do not say one that others say."""
        for column in self.table.columns:
            name = column.name
            if not (column.required or column.natural) or (name in FOUND and name != self.table.natural_key[0]):
                continue
            if name in made.columns or name in made.values:
                continue
            coding = [own for own, codes in made.codes.items() if any(name in code.gives for code in codes.values())
                      or any((f"codes.{own}.{code or '(empty)'}", name) in self._empty for code in codes)]  # fmt: skip
            if not coding:
                self.fault("", f"nothing gives {name}", f"It is needed: {column.says} Name its column under "
                           f"[{self.where}.columns], or the same for all rows under [{self.where}.values].")  # fmt: skip
            for own in coding:
                for code, says in made.codes[own].items():
                    where = f"codes.{own}.{code or '(empty)'}"
                    if not says.skip and name not in says.gives and (where, name) not in self._empty:
                        self.fault(where, f"it does not say {name}", f"It is needed: {column.says}")

    # -- values ----------------------------------------------------------------------------------------------

    def _word(self, where: str, name: str, value: Any) -> str | None:
        """Return a value of the mapping as the text of a canonical cell; tell what it is if it is none."""
        if isinstance(value, str) and not value.strip():
            column = self.allowed[name]
            hint = f"Write one of: {', '.join(column.values)}." if column.values else column.says
            self.fault(where, f"{name} is still to be filled in", hint)
            return None
        return self._fitting(where, self.allowed[name], value)

    def _fitting(self, where: str, column: Column, value: Any) -> str | None:
        text, fits = str(value), True
        hint = f"It says: {column.says}"
        if column.type == pl.Boolean():
            fits, text, hint = isinstance(value, bool), str(value).lower(), "Write true or false."
        elif column.type.is_numeric():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            least, most = column.least or 0, float("inf") if column.most is None else column.most
            fits = number and least <= value <= most and (column.type == pl.Float64() or value == int(value))
            hint = f"Write a number. {hint}"
        elif column.type == pl.Date():
            fits, hint = isinstance(value, date) and not isinstance(value, datetime), "Write a day like 2026-09-01."
        elif column.values:
            fits, hint = value in column.values, f"Use one of: {', '.join(column.values)}."
        else:
            fits = isinstance(value, str | int) and not isinstance(value, bool)
        if not fits:
            self.fault(where, f"this does not fit {column.name}", hint)
            return None
        return text

    def _canonical(self, part: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return a part whose keys are canonical columns, without those that are not."""
        found = self._table(part.get(key, {}), key)
        for name in found:
            if name not in self.allowed:
                self.fault(f"{key}.{name}", f"table {self.table.name} has no column {name}", self._columns_hint())
        return {name: value for name, value in found.items() if name in self.allowed}

    def _columns_hint(self) -> str:
        return f"Its columns are: {', '.join(self.allowed)}."

    def _table(self, value: Any, key: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.fault(key, "this is not a part with keys of its own", "docs/mapping.md shows one.")
        return {}

    def _text(self, part: Mapping[str, Any], key: str, default: str = "") -> str:
        value = part.get(key, default)
        if isinstance(value, str):
            return value
        self.fault(key, "this is not text", f'Write it like {key} = "...".')
        return default

    def _texts(self, part: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = part.get(key, [])
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        self.fault(key, "this is not a list of texts", f'Write it like {key} = ["..."].')
        return ()

    def _names(self, where: str, value: Any) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and names and all(isinstance(one, str) and one.strip() for one in names):
            return tuple(name.strip() for name in names)
        self.fault(where, "the file's column is still to be filled in", 'Write it like "Student_Number".')
        return ()


_JOIN_HINT = 'Write "identifier", or { kind = "identifier", leading_zeros = "ignored" }.'
_UNIT_HINT = ('Write "percent", or { per = 390 }, { per = "Max_Points" }, { times = 0.5 }, and counts = "attended" beside it '
              "where it counts what was attended.")  # fmt: skip


def _unit(value: Any) -> Unit | None:
    if value == "percent":
        return Unit(per=100.0)
    if not isinstance(value, dict) or not value or set(value) - {"per", "times", "counts"}:
        return None
    per, times, counts = value.get("per", 1.0), value.get("times", 1.0), value.get("counts", "missed")
    numbers = [one for one in (per, times) if not isinstance(one, str)]
    if any(isinstance(one, bool) or not isinstance(one, int | float) or one <= 0 for one in numbers):
        return None
    if isinstance(times, str) or per == "" or counts not in {"missed", "attended"}:
        return None
    return Unit(per if isinstance(per, str) else float(per), float(times), counts == "attended")

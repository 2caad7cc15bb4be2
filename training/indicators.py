"""Attendance, behaviour, coursework: the published rule, in one place.

Three indicators, each a fact with a line: a tenth of the school days missed, a school day lost to exclusion, a core
course below passing (Balfanz, Herzog and Mac Iver 2007; Allensworth and Easton 2007 for courses; a tenth of the days is
what the US Department of Education and Attendance Works call chronic). The baseline that a model must beat counts them,
and so does the list of a school that has no outcomes to learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.catalog import Catalog
from features.records import SchoolRecords
from features.standard import STANDARD

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sign:
    """One fact by which an indicator is seen: a feature, and the value from which on, or below which, it is met.

    ``line`` says that value in words, to stand beside the student's own.
    """

    feature: str
    value: float
    line: str
    below: bool = False

    def met(self, values: Floats) -> Floats:
        """Return 1 where the line is reached, 0 where it is not, NaN where the value is unknown; of the same shape."""
        reached = values < self.value if self.below else values >= self.value
        return np.where(np.isnan(values), np.nan, reached.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Indicator:
    """One of the three. Of ``signs`` the first that is known of a student counts, and only the first is in the baseline."""

    name: str
    concept: str
    signs: tuple[Sign, ...]

    def tables(self) -> tuple[tuple[str, ...], ...]:
        """Return, for each sign, the tables that it is made of."""
        return tuple(tables_of(sign.feature) for sign in self.signs)


#: Missing a fifth is the line that Balfanz, Herzog and Mac Iver drew: of those who had crossed it by grade 6 one in six
#: graduated on time. The tenth finds students earlier, and many more of them.
SEVERE = Sign("absence_rate", 0.20, "a fifth of the school days")

#: The indicators in the order in which they are told.
INDICATORS: tuple[Indicator, ...] = (
    Indicator("attendance", "attendance", (Sign("absence_rate", 0.10, "a tenth of the school days"),)),
    Indicator("behaviour", "behaviour", (Sign("exclusion_days", 1, "one school day"),)),
    Indicator(
        "coursework",
        "marks",
        (
            Sign("core_classes_below_60", 1, "one core course below 60 of 100"),
            # A school that does not say which courses are core, and one that sends no report cards.
            Sign("classes_below_60", 1, "one course below 60 of 100"),
            Sign("mark_mean", 60, "an average below 60 of 100", below=True),
        ),
    ),
)


def count(values: Callable[[str], Floats]) -> Floats:
    """Return how many of the three are met by their first signs, what is unknown counted as not met.

    ``values`` returns a feature by name, an array of shape ``(rows,)``, NaN where unknown.
    """
    met = [indicator.signs[0].met(values(indicator.signs[0].feature)) for indicator in INDICATORS]
    return np.asarray(np.sum(np.nan_to_num(met, nan=0.0), axis=0), dtype=np.float64)


#: What training needs to know of every row: how far the course or the year has come.
PROGRESS = "elapsed_share"


def tables_of(feature: str, catalog: Catalog = STANDARD) -> tuple[str, ...]:
    """Return the tables without which a feature is unknown, in the order of its ingredients."""
    one = catalog[feature]
    own = one.frame.tables if one.frame is not None else ()
    return tuple(dict.fromkeys([*own, *(table for name in one.needs for table in tables_of(name, catalog))]))


def computable(records: SchoolRecords) -> tuple[Indicator, ...]:
    """Return the indicators with the signs that the tables sent can give; one without any sign is left out."""
    found = []
    for indicator in INDICATORS:
        signs = tuple(sign for sign in indicator.signs if all(records.holds(table) for table in tables_of(sign.feature)))
        if signs:
            found.append(Indicator(indicator.name, indicator.concept, signs))
    return tuple(found)


def catalog_of(indicators: tuple[Indicator, ...], catalog: Catalog = STANDARD) -> Catalog:
    """Return the part of a catalogue that the indicators and their sentences need, without places in the class."""
    wanted: set[str] = set()

    def add(name: str) -> None:
        if name not in wanted:
            wanted.add(name)
            one = catalog[name]
            for other in (*one.needs, *((one.own_earlier,) if one.own_earlier else ()), *_said_with(name, catalog)):
                add(other)

    for indicator in indicators:
        for sign in indicator.signs:
            add(sign.feature)
    return Catalog(tuple(one for one in catalog if one.name in wanted))


def _said_with(name: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the other features that a feature's sentence names."""
    from string import Formatter

    fields = {field for _, field, _, _ in Formatter().parse(catalog[name].words.says) if field}
    return tuple(sorted(field for field in fields if field in catalog and field != name))

"""The list of a school that has no outcomes to learn from: the published rule, and never a prediction.

Three indicators are looked at, attendance, behaviour and coursework (:mod:`training.indicators`), from the features that
models read and with the same cut in time. A check-in is suggested where two are met, or where a fifth of the school days
was missed; one alone is worth keeping an eye on. Any one of the lines of Balfanz, Herzog and Mac Iver (2007) was enough
for their list, but their line of attendance was a fifth: with a tenth, one alone is met by two in five students of the
simulated district in November, and two or the fifth by one in eight.

No row has a probability, a contribution or a model, and every row says ``rule, not a prediction``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import CONCEPTS, Catalog
from features.cohort import enrolled
from features.norms import Norms
from features.phrases import fill
from features.pipeline import FeatureTable, build
from features.problems import NotFound, Problem, Refused
from features.quarantine import guarded
from features.records import Cohort, SchoolRecords
from serving import offers
from serving.answers import Student
from serving.batch import SCHEMA
from serving.scoring import Scoring
from serving.withheld import NOBODY, SAYS, Withheld
from training.abilities import named
from training.evaluate import ties
from training.indicators import INDICATORS, SEVERE, Indicator, Sign, catalog_of, computable

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: What every row of the list says of itself.
BY = "rule, not a prediction"

#: From how many indicators on a check-in is suggested, and from how many on a student is worth keeping an eye on.
CHECK_IN, KEEP_AN_EYE = 2, 1

#: The columns of the list: those of a scored list, the same columns empty that only a model can fill, and four more.
RULE_SCHEMA: Mapping[str, Any] = {
    **SCHEMA, "by": pl.String, "indicators_met": pl.Int32, "indicators_known": pl.Int32, "indicators": pl.List(pl.String),
}  # fmt: skip


@dataclass(frozen=True)
class RuleList:
    """The list: ``frame`` in the columns of :data:`RULE_SCHEMA`, and what it could look at.

    ``looked_at`` names the indicators that the tables sent can give, ``unknown`` says which tables are wanting for the
    others. ``counts`` holds rows by band.
    """

    frame: pl.DataFrame
    as_of: date
    looked_at: tuple[str, ...]
    unknown: tuple[str, ...]
    counts: Mapping[str, int]
    data_through: date | None

    @property
    def rows(self) -> int:
        """Number of stays on the list."""
        return self.frame.height

    @property
    def students(self) -> int:
        """Number of students on the list."""
        return self.frame["student_id"].n_unique()

    def write(self, out: Path) -> None:
        """Write the list whole or not at all: CSV where the name ends so, with texts for lists, else Parquet."""
        out.parent.mkdir(parents=True, exist_ok=True)
        building = out.with_name(f".{out.name}.building")
        if out.suffix.lower() == ".csv":
            _flat(self.frame).write_csv(building, include_bom=True)
        else:
            self.frame.write_parquet(building)
        building.replace(out)


def rule_list(
    records: SchoolRecords,
    as_of: date,
    settings: Scoring | None = None,
    progress: Progress = lambda _step, _done, _of: None,
    withheld: Withheld = NOBODY,
    help_: offers.Help | None = None,
) -> RuleList:
    """Return the list of everybody enrolled on a date, those with most indicators met first.

    Rows with as many stand in an order that means nothing and never changes: it is made of their keys.

    Args:
        records: the school's records.
        as_of: the date to look from; what became known later is not seen.
        settings: how old the newest record may be: where it is older, nothing is said.
        progress: called with a step, how many buckets are done, and of how many.
        withheld: of whom nothing is said by the database; of whom nothing is by the records themselves is found in these.
        help_: the help that there is; without it nothing is recommended.

    Raises:
        Refused: the tables sent give none of the three indicators, or scoring is stopped everywhere.
        NotFound: nobody is enrolled on the date.

    """
    settings = settings or Scoring()
    withheld.refuse_everywhere()
    withheld = withheld.with_records(records, as_of)
    indicators = computable(records)
    if not indicators:
        raise Refused(
            [Problem("missing_table", indicator.name, "none of its facts can be made of these files", _send(records, indicator))
             for indicator in INDICATORS],
            "Neither attendance nor behaviour nor marks are in the records, so there is no rule to go by",
        )  # fmt: skip
    when, catalog = pl.DataFrame({"as_of": [as_of]}), catalog_of(indicators)
    through = records.data_through(as_of)
    old = (as_of - through).days if through is not None else 0
    why = f"The newest record is {old} days older than the date asked about." if old > settings.stale_after_days else ""
    parts = []
    for number in range(records.buckets):
        bucket = records.bucket(number)
        kept, gone = withheld.apart(enrolled(bucket, when), bucket)
        cohort, silent = kept.units("enrolment"), gone.units("enrolment")
        if len(silent):
            parts.append(_silent(silent, withheld))
        if len(cohort):
            parts.append(_rows(build(bucket, cohort, catalog, Norms.none()), indicators, why))
        progress("rule", number + 1, records.buckets)
    if not parts:
        raise NotFound(f"Nobody is enrolled on {as_of}, as far as was known on that day.")
    frame = _sorted(pl.concat(parts))
    if help_ is not None:
        frame = offers.with_recommendations(frame, records, as_of, help_)
    counts = {band: int(rows) for band, rows in frame.group_by("band").len().sort("band").iter_rows()}
    known = {indicator.name for indicator in indicators}
    wanting = tuple(f"{one.name}: {_send(records, one)}" for one in INDICATORS if one.name not in known)
    return RuleList(frame, as_of, tuple(one.name for one in indicators), wanting, counts, through)


def _send(records: SchoolRecords, indicator: Indicator) -> str:
    """Return which tables are wanting, for the sign that wants fewest."""
    absent = [[table for table in tables if not records.holds(table)] for tables in indicator.tables()]
    return f"Send {', '.join(named(table) for table in min(absent, key=len))}."


def _rows(table: FeatureTable, indicators: Sequence[Indicator], why: str) -> pl.DataFrame:
    """Return the list's rows of a feature table; ``why`` tells why nothing can be said, where it cannot."""
    values = {name: table.values[:, at] for at, name in enumerate(table.catalog.names)}
    severe = SEVERE.met(values[SEVERE.feature]) == 1 if SEVERE.feature in values else np.zeros(len(table), dtype=bool)
    found = []
    for at, keys in enumerate(table.keys.iter_rows(named=True)):
        seen = {one.name: _seen(one, values, at) for one in indicators}
        met = [one for one in indicators if seen[one.name] is not None and _is_met(seen[one.name], values, at)]
        known = sum(sign is not None for sign in seen.values())
        silent = bool(why) or not known
        mine = {name: float(column[at]) for name, column in values.items() if not np.isnan(column[at])}
        reasons = [
            _fact(one, SEVERE if one.concept == "attendance" and severe[at] else seen[one.name], table.catalog, mine)
            for one in met
        ]
        found.append({
            "student_id": keys["student_id"], "enrolment_id": keys["enrolment_id"], "section_id": keys["section_id"],
            "as_of": keys["as_of"],
            "status": "stale_data" if why else "rule" if known else "not_enough_data",
            "status_reason": why if why else "" if known else "None of the indicators is known of the student.",
            "band": "not_enough_data" if silent else _band(len(met), bool(severe[at])),
            "reasons": [] if silent else reasons, "strengths": [],
            "unknowns": [CONCEPTS[one.concept][1] for one in INDICATORS if seen.get(one.name) is None],
            "by": BY, "indicators_met": None if silent else len(met), "indicators_known": known,
            "indicators": [] if silent else [one.name for one in met],
        })  # fmt: skip
    return pl.DataFrame([{name: row.get(name) for name in RULE_SCHEMA} for row in found], schema=RULE_SCHEMA)


def _silent(cohort: Cohort, withheld: Withheld) -> pl.DataFrame:
    """Return the rows of those of whom nothing is said, whatever is known of them."""
    found = []
    for keys in cohort.frame.select("student_id", "enrolment_id", "section_id", "as_of").iter_rows(named=True):
        status = withheld.reason(keys["student_id"])
        found.append({**keys, "status": status, "status_reason": SAYS[status], "band": "not_enough_data", "reasons": [],
                      "strengths": [], "unknowns": [], "by": BY, "indicators_known": 0, "indicators": []})  # fmt: skip
    return pl.DataFrame([{name: row.get(name) for name in RULE_SCHEMA} for row in found], schema=RULE_SCHEMA)


def _seen(indicator: Indicator, values: Mapping[str, Floats], at: int) -> Sign | None:
    """Return the first sign of an indicator that is known of a row."""
    return next((sign for sign in indicator.signs if not np.isnan(values[sign.feature][at])), None)


def _is_met(sign: Sign | None, values: Mapping[str, Floats], at: int) -> bool:
    return sign is not None and bool(sign.met(values[sign.feature][at : at + 1])[0] == 1)


def _band(met: int, severe: bool) -> str:
    if met >= CHECK_IN or severe:
        return "check_in_suggested"
    return "keep_an_eye" if met >= KEEP_AN_EYE else "no_extra_signal"


def _fact(indicator: Indicator, sign: Sign | None, catalog: Catalog, values: Mapping[str, float]) -> dict[str, Any]:
    """Return a fact in the feature's own words, beside the line of the rule."""
    assert sign is not None
    value = values[sign.feature]
    said = fill(catalog[sign.feature].words.says, {**values, "value": value})
    text = f"{Student('').called} {said}. The rule's line: {sign.line}."
    return {"concept": indicator.concept, "feature": sign.feature, "value": value, "contribution": None, "text": text}


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows by indicators met, among as many a fifth of the days first, then by a fixed number made of their key."""
    tie = pl.Series("tie", ties(frame["enrolment_id"].to_list()))
    first = (pl.col("band") == "check_in_suggested").alias("first")
    ordered = frame.with_columns(tie, first).sort(
        "indicators_met", "first", "tie", "enrolment_id", descending=[True, True, False, False], nulls_last=True
    )
    return ordered.drop("tie", "first")


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the list as a spreadsheet takes it: sentences in one cell, and no cell that it would run."""
    facts = [pl.col(name).list.eval(pl.element().struct.field("text")).list.join(" ")
             for name in ("reasons", "strengths", "recommendations")]  # fmt: skip
    flat = frame.with_columns(*facts, pl.col("unknowns").list.join(" "), pl.col("indicators").list.join(" "))
    return flat.with_columns(guarded(pl.col(name)).alias(name) for name, kind in flat.schema.items() if kind == pl.String)

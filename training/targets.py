"""What is predicted: one function per target, each naming its unit and its horizon.

An outcome that cannot be observed yet is null, never negative; students who already left are not in a cohort. A
label carries the day on which it became known, so that a split in time can ask what was known when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import polars as pl

from features.records import Cohort, SchoolRecords
from features.tables import GRAIN_KEYS, Grain

#: What a label function returns, beside the cohort's rows in order.
LABEL_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType({"label": pl.Int8(), "known_on": pl.Date(), "value": pl.Float64()})


@dataclass(frozen=True, slots=True)
class Target:
    """One question a model answers.

    ``unit`` is what a row is about, ``horizon`` how far ahead the question reaches, in words. ``happened`` and
    ``did_not`` complete "Of 100 students with a similar pattern in earlier courses, 31 ...; 69 ...".
    ``with_value`` tells that the label comes with a number (an expected score). ``audiences`` may be shown it.
    """

    name: str
    unit: Grain
    horizon: str
    says: str
    happened: str
    did_not: str
    label: Callable[[SchoolRecords, Cohort, float], pl.DataFrame]
    with_value: bool = False

    def labels(self, records: SchoolRecords, cohort: Cohort, pass_mark: float, known_by: date | None = None) -> pl.DataFrame:
        """Return ``label`` (1, 0 or null), ``known_on`` and ``value`` for each row of the cohort, in order.

        Args:
            records: the records, read through their door for labels.
            cohort: the rows asked about.
            pass_mark: share of the best score from which a skill counts as secure; a setting of the source.
            known_by: labels that became known later are null.

        """
        found = self.label(records, cohort, pass_mark).select(pl.col(name).cast(dtype) for name, dtype in LABEL_SCHEMA.items())
        if found.height != len(cohort):
            raise AssertionError(f"{self.name} gave {found.height} labels for {len(cohort)} rows")
        if known_by is None:
            return found
        unknown = (pl.col("known_on") > known_by).fill_null(value=True)
        return found.with_columns(pl.when(~unknown).then(pl.col(name)).alias(name) for name in LABEL_SCHEMA)


def _outcomes(records: SchoolRecords) -> pl.LazyFrame:
    """Return each course's outcome as it was first decided, with the day it became known."""
    return (
        records.labels("outcomes")
        .filter(~pl.col("deleted"))
        .sort("known_on")
        .group_by("enrolment_id", "section_id", maintain_order=True)
        .agg(pl.col("result").first(), pl.col("known_on").first())
    )


def _by_outcome(records: SchoolRecords, cohort: Cohort, positive: tuple[str, ...]) -> pl.DataFrame:
    keys = ["enrolment_id", "section_id"]
    joined = cohort.frame.lazy().join(_outcomes(records), on=keys, how="left", maintain_order="left")
    decided = pl.col("result").is_not_null() & (pl.col("result") != "incomplete")
    return joined.select(
        pl.when(decided).then(pl.col("result").is_in(positive).cast(pl.Int8)).alias("label"),
        pl.when(decided).then(pl.col("known_on")).alias("known_on"),
        pl.lit(None, pl.Float64).alias("value"),
    ).collect()


def dropout(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """Leaves before the planned end: withdrawn after the as-of date, as decided when the course ended."""
    del pass_mark
    return _by_outcome(records, cohort, ("withdrawn",))


def course_failure(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """Does not pass the course: fails it or withdraws from it, as the published studies of OULAD count it."""
    del pass_mark
    return _by_outcome(records, cohort, ("fail", "withdrawn"))


def learning_gap(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """The next evidence of the skill after the as-of date falls below the mark at which it counts as secure.

    ``value`` is that next score, as a share of the best and as it was first known. No later evidence, no label.
    """
    keys = list(GRAIN_KEYS["skill"])
    evidence = (
        records.labels("skill_results")
        .filter(~pl.col("deleted"))
        .select(*keys, "occurred_on", "evidence_id", "score_share", "known_on")
        .sort("occurred_on", "evidence_id", "known_on")
        .unique([*keys, "occurred_on"], keep="first", maintain_order=True)
        .sort("occurred_on")
    )
    asked = cohort.frame.lazy().with_row_index("row").sort("as_of")
    found = asked.join_asof(
        evidence, left_on="as_of", right_on="occurred_on", by=keys, strategy="forward", allow_exact_matches=False,
        check_sortedness=False,
    ).sort("row")  # fmt: skip
    return found.select(
        (pl.col("score_share") < pass_mark).cast(pl.Int8).alias("label"),
        pl.col("known_on"),
        pl.col("score_share").alias("value"),
    ).collect()


#: Every target by name.
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("dropout", "enrolment", "until the planned end of the stay", "leaves before the planned end",
                   "left before the end", "did not", dropout),
            Target("course_failure", "section", "until the end of the course", "does not pass the course",
                   "did not pass the course", "passed", course_failure),
            Target("learning_gap", "skill", "until the next evidence of the skill", "next work on the skill is below the mark",
                   "were below the mark in their next work", "were not", learning_gap, with_value=True),
        )
    }
)  # fmt: skip

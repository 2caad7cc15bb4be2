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

#: How long after a stay a student may come back: by then (1 October, for a school year that ends in June) whoever did
#: not come back has left.
BACK_WITHIN_DAYS = 120

#: Exits by which a student leaves school, unless a new stay begins soon after; and those that leave the question open.
LEAVING = ("dropout", "withdrawn", "expelled")

#: How much of a year's school days missed is called chronic, and from how many days on a year is judged: the
#: definition of the US Department of Education and of California's CALPADS.
CHRONIC_SHARE, CHRONIC_LEAST_DAYS = 0.10, 30

#: What a label function returns, beside the cohort's rows in order.
LABEL_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType({"label": pl.Int8(), "known_on": pl.Date(), "value": pl.Float64()})


@dataclass(frozen=True, slots=True)
class Target:
    """One question a model answers.

    ``unit`` is what a row is about, ``horizon`` how far ahead the question reaches, in words. ``happened`` and
    ``did_not`` complete "Of 100 students with a similar pattern in earlier courses, 31 ...; 69 ...".
    ``needs`` are the tables that the label is made of. ``with_value`` tells that it comes with a number (an expected
    score).
    """

    name: str
    unit: Grain
    horizon: str
    says: str
    happened: str
    did_not: str
    label: Callable[[SchoolRecords, Cohort, float], pl.DataFrame]
    needs: tuple[str, ...]
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
    """Return the outcome of each class and grading period as it was first decided, with the day it became known."""
    periods = records.labels("terms").filter(~pl.col("deleted")).select("term_id", period_ends="ends_on").unique("term_id")
    return (
        records.labels("outcomes")
        .filter(~pl.col("deleted"))
        .sort("known_on")
        .group_by("enrolment_id", "section_id", "term_id", maintain_order=True)
        .agg(pl.col("result").first(), pl.col("known_on").first())
        .join(periods, on="term_id")
        .sort("period_ends")
    )


def _by_outcome(records: SchoolRecords, cohort: Cohort, positive: tuple[str, ...]) -> pl.DataFrame:
    """Label rows by the outcome of the grading period that is running on the as-of date."""
    asked = cohort.frame.lazy().with_row_index("row").sort("as_of")
    joined = asked.join_asof(
        _outcomes(records), left_on="as_of", right_on="period_ends", by=["enrolment_id", "section_id"], strategy="forward",
        check_sortedness=False,
    ).sort("row")  # fmt: skip
    decided = pl.col("result").is_not_null() & (pl.col("result") != "incomplete")
    return joined.select(
        pl.when(decided).then(pl.col("result").is_in(positive).cast(pl.Int8)).alias("label"),
        pl.when(decided).then(pl.col("known_on")).alias("known_on"),
        pl.lit(None, pl.Float64).alias("value"),
    ).collect()


def dropout(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """Leaves before the planned end, or does not come back after it.

    Where a stay is a year of school, exits say it: a leaving exit without a new stay soon after, or a new stay that was
    never taken up (``no_show``). Who moved to another school, or of whom nothing is known, has no label: not every
    exit is a dropout. Where a stay is one course (higher education), the course's outcome says it: withdrawn.
    """
    del pass_mark
    years = records.labels("terms").filter(pl.col("kind") == "school_year").select("term_id")
    stays = records.labels("enrolments").join(years, on="term_id", how="semi").select("enrolment_id").unique().collect()
    if stays.is_empty():
        return _by_outcome(records, cohort, ("withdrawn",))
    found = _by_exit(records, cohort)
    if stays.height == records.labels("enrolments").select(pl.col("enrolment_id").n_unique()).collect().item():
        return found
    by_year = cohort.frame["enrolment_id"].is_in(stays["enrolment_id"].implode()).alias("by_year")
    other = _by_outcome(records, cohort, ("withdrawn",)).select(pl.all().name.prefix("other_"))
    return found.hstack(other).select(
        pl.when(by_year).then(pl.col(name)).otherwise(pl.col(f"other_{name}").cast(dtype)).alias(name)
        for name, dtype in LABEL_SCHEMA.items()
    )


def _by_exit(records: SchoolRecords, cohort: Cohort) -> pl.DataFrame:
    latest = pl.col("known_on") == pl.col("known_on").max().over("enrolment_id")
    stays = records.labels("enrolments").filter(latest, ~pl.col("deleted")).unique("enrolment_id")
    exits = (
        records.labels("exits").filter(latest, ~pl.col("deleted")).unique("enrolment_id")
        .select("enrolment_id", "exited_on", "kind", exit_known_on="known_on")
    )  # fmt: skip
    ends = (
        stays.join(exits, on="enrolment_id", how="left")
        .select("student_id", "enrolment_id", "planned_end_on", "exited_on", "kind", "exit_known_on", "entered_on", "known_on")
        .with_columns(pl.coalesce("exited_on", "planned_end_on").alias("over_on"))
    )
    following = ends.select(
        "student_id", next_on="entered_on", next_kind="kind", next_exit_known_on="exit_known_on", next_known_on="known_on"
    )
    after = (
        ends.join(following, on="student_id")
        .filter(pl.col("next_on") > pl.col("entered_on"))
        .filter((pl.col("next_on") - pl.col("over_on")).dt.total_days().is_between(-30, BACK_WITHIN_DAYS))
        .sort("next_on")
        .group_by("enrolment_id", maintain_order=True)
        .agg(pl.col("next_kind", "next_exit_known_on", "next_known_on").first(), pl.col("next_on").first())
    )
    waited = pl.col("over_on").dt.offset_by(f"{BACK_WITHIN_DAYS}d")
    no_show = pl.col("next_kind") == "no_show"
    back = pl.col("next_on").is_not_null() & ~no_show.fill_null(value=False)
    left = pl.col("kind").is_in(LEAVING) & ~back
    return (
        cohort.frame.lazy()
        .join(ends.join(after, on="enrolment_id", how="left"), on="enrolment_id", how="left", maintain_order="left")
        .select(
            pl.when(pl.col("kind") == "completed").then(0)
            .when(back).then(0)
            .when(left | (no_show & pl.col("kind").is_null())).then(1)
            .alias("label"),
            pl.when(pl.col("kind") == "completed").then(pl.col("exit_known_on"))
            .when(back).then(pl.max_horizontal("next_on", "next_known_on"))
            .when(left).then(pl.max_horizontal(waited, "exit_known_on"))
            .otherwise(pl.col("next_exit_known_on"))
            .alias("known_on"),
            pl.lit(None, pl.Float64).alias("value"),
        )
        .collect()
    )  # fmt: skip


def course_failure(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """Does not pass the class in the grading period that is running: fails it or withdraws from it.

    So the published studies of OULAD count it, where the one period is the presentation of the module.
    """
    del pass_mark
    return _by_outcome(records, cohort, ("fail", "withdrawn"))


def chronic_absence(records: SchoolRecords, cohort: Cohort, pass_mark: float) -> pl.DataFrame:
    """Misses at least a tenth of the school days of the year, whatever the reason; ``value`` is the share missed.

    Home and hospital instruction is presence. A year is judged when attendance is on record to its planned end, for
    students who stayed and were enrolled on at least 30 school days.
    """
    del pass_mark
    latest = pl.col("known_on") == pl.col("known_on").max()
    away = (
        records.labels("attendance")
        .filter(latest.over("enrolment_id", "on"))
        .filter(~pl.col("deleted"), pl.col("mode").fill_null("in_person") != "home_or_hospital")
        .select("enrolment_id", "on", "absent_share")
    )  # fmt: skip
    days = records.labels("calendar").filter(latest.over("organisation_id", "on"), ~pl.col("deleted"), pl.col("instructional"))
    reach = records.labels("attendance").select(pl.col("known_on").max()).collect().item()
    left = records.labels("exits").filter(pl.col("kind") != "completed").select("enrolment_id")
    stays = (
        records.labels("enrolments").filter(latest.over("enrolment_id"), ~pl.col("deleted")).unique("enrolment_id")
        .join(left, on="enrolment_id", how="anti")
        .filter(pl.col("planned_end_on") <= pl.lit(reach, pl.Date))
    )  # fmt: skip
    # A row of a day without school, or outside of the stay, is no absence.
    counted = (
        stays.select("enrolment_id", "organisation_id", "entered_on", "planned_end_on")
        .join(days.select("organisation_id", "on"), on="organisation_id")
        .filter(pl.col("on").is_between(pl.col("entered_on"), pl.col("planned_end_on")))
        .join(away, on=["enrolment_id", "on"], how="left")
        .group_by("enrolment_id", "planned_end_on")
        .agg(pl.len().alias("days"), pl.col("absent_share").sum().alias("missed"))
        .filter(pl.col("days") >= CHRONIC_LEAST_DAYS)
        .with_columns((pl.col("missed") / pl.col("days")).alias("share"))
    )  # fmt: skip
    return (
        cohort.frame.lazy()
        .join(counted, on="enrolment_id", how="left", maintain_order="left")
        .select(
            (pl.col("share") >= CHRONIC_SHARE).cast(pl.Int8).alias("label"),
            # The last day's attendance is known a day later.
            pl.when(pl.col("share").is_not_null()).then(pl.col("planned_end_on").dt.offset_by("1d")).alias("known_on"),
            pl.col("share").alias("value"),
        )
        .collect()
    )


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
            Target("dropout", "enrolment", "until the planned end of the stay, and coming back after it",
                   "leaves before the planned end", "left before the end", "did not", dropout, ("exits",)),
            Target("course_failure", "section", "until the end of the course or grading period", "does not pass the course",
                   "did not pass the course", "passed", course_failure, ("outcomes", "terms")),
            Target("chronic_absence", "enrolment", "until the end of the school year",
                   "misses a tenth of the school days of the year", "missed a tenth of the year's school days", "did not",
                   chronic_absence, ("attendance", "calendar")),
            Target("learning_gap", "skill", "until the next evidence of the skill", "next work on the skill is below the mark",
                   "fell below the mark in their next work", "did not", learning_gap, ("skill_results",), with_value=True),
        )
    }
)  # fmt: skip

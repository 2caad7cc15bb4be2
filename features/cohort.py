"""Who is enrolled on a day: the rows that a target, a batch or a page is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from features.records import COHORT_COLUMNS, Cohort, SchoolRecords
from features.tables import Grain


def on_dates(records: SchoolRecords, dates: Sequence[date], unit: Grain) -> Cohort:
    """Return everybody enrolled on each of ``dates``, as known on that day."""
    return enrolled(records, pl.DataFrame({"as_of": list(dates)}, schema={"as_of": pl.Date})).units(unit)


def on_days_of_term(records: SchoolRecords, days: Sequence[int], unit: Grain, terms: Sequence[str] | None = None) -> Cohort:
    """Return everybody enrolled ``days`` after their term began, for the named terms or all on record.

    Days after a term's end have no cohort.
    """
    listed = records.school_table("terms").select("term_id", "starts_on", "ends_on")
    if terms is not None:
        listed = listed.filter(pl.col("term_id").is_in(list(terms)))
    rows = [
        {"term_id": term, "as_of": starts + timedelta(days=day)}
        for term, starts, ends in listed.iter_rows()
        for day in days
        if starts + timedelta(days=day) <= ends
    ]
    return enrolled(records, pl.DataFrame(rows, schema={"term_id": pl.String, "as_of": pl.Date})).units(unit)


@dataclass(frozen=True)
class Enrolled:
    """Who is enrolled at which date (``stays``), in which class (``seats``), and what classes teach (``teaches``).

    What is taught is worked out when skills are asked about: of a whole school it takes seconds. ``stays`` carries
    ``peers``, the year group: the school and the year of school, where that is on record.
    """

    stays: pl.DataFrame
    seats: pl.DataFrame
    teaches: pl.LazyFrame

    @cached_property
    def taught(self) -> pl.DataFrame:
        """Return the skills of each class and date: ``section_id``, ``skill_id``, ``as_of``."""
        return self.teaches.collect(optimizations=pl.QueryOptFlags() if self.stays.height > 1 else pl.QueryOptFlags.none())

    def units(self, unit: Grain) -> Cohort:
        """Return the cohort of one kind of unit."""
        stays, seats = self.stays, self.seats
        same = stays.height == 1 and seats.height == 1 and stays["enrolment_id"][0] == seats["enrolment_id"][0]
        if same and unit != "student":
            # One student in one class is most of what a request asks: no join is needed to see it.
            return self._of_one(unit)
        if unit == "student":
            found = stays.select("student_id", "as_of").unique().with_columns(pl.lit(None, pl.String).alias("peers"))
        elif unit == "enrolment":
            # A class-relative feature needs to know the class; with several classes there is not one to name.
            single = seats.group_by("enrolment_id", "as_of").agg(
                pl.when(pl.len() == 1).then(pl.col("section_id").first()).alias("section_id")
            )
            found = stays.join(single, on=["enrolment_id", "as_of"], how="left").with_columns(
                pl.coalesce("section_id", "peers").alias("peers")
            )
        else:
            found = stays.drop("peers").join(seats, on=["enrolment_id", "as_of"])
            if unit == "skill":
                found = found.join(self.taught, on=["section_id", "as_of"])
        keys = ["as_of", "student_id", "enrolment_id", "section_id", "skill_id"]
        return Cohort.of(found.sort([key for key in keys if key in found.columns]), unit)

    def _of_one(self, unit: Grain) -> Cohort:
        """Return the units of the only student, who sits in one class; plain values cost a tenth of what joins do."""
        stay, section = self.stays.row(0, named=True), self.seats["section_id"][0]
        skills: list[str | None] = [None]
        if unit == "skill":
            taught = self.taught.filter(pl.col("section_id") == section, pl.col("as_of") == stay["as_of"])
            skills = sorted(taught["skill_id"].to_list())
        keys = {"student_id": stay["student_id"], "enrolment_id": stay["enrolment_id"], "section_id": section}
        columns = {name: [value] * len(skills) for name, value in keys.items()}
        columns |= {"skill_id": skills, "as_of": [stay["as_of"]] * len(skills), "peers": [section] * len(skills)}
        return Cohort(pl.DataFrame(columns, schema=dict(COHORT_COLUMNS)), unit)


#: With nothing on record of the year of school, the whole school stands beside the student.
YEAR_GROUP = pl.concat_str("organisation_id", pl.col("grade_level"), separator="/", ignore_nulls=True).alias("peers")


def enrolled(records: SchoolRecords, when: pl.DataFrame) -> Enrolled:
    """Return who is enrolled at each date of ``when`` (``as_of``, optionally with the ``term_id`` it is for).

    Enrolled means: the enrolment is known, has begun, has not passed its planned end, and no exit up to that day
    is known. Students who have left are not in a cohort.
    """
    dates = when["as_of"].unique().to_list()
    stays = records.visible("enrolments", dates)
    if "term_id" in when.columns:
        stays = stays.join(when.lazy().select("term_id", "as_of").unique(), on=["term_id", "as_of"], how="semi")
    begun = stays.filter(
        pl.col("entered_on").is_null() | (pl.col("entered_on") <= pl.col("as_of")),
        pl.col("planned_end_on") >= pl.col("as_of"),
    )
    gone = records.visible("exits", dates).filter(pl.col("exited_on") <= pl.col("as_of"))
    here = begun.join(gone, on=["enrolment_id", "as_of"], how="anti").select("student_id", "enrolment_id", "as_of", YEAR_GROUP)
    seats = (
        records.visible("rosters", dates)
        .filter(pl.col("begins_on").is_null() | (pl.col("begins_on") <= pl.col("as_of")))
        .filter(pl.col("ends_on").is_null() | (pl.col("ends_on") > pl.col("as_of")))
        .select("enrolment_id", "section_id", "as_of")
    )
    # A class of the first semester is over in the second, though nobody was taken off its roster.
    over = records.visible("sections", dates).filter(pl.col("ends_on") < pl.col("as_of")).select("section_id", "as_of")
    seats = seats.join(over, on=["section_id", "as_of"], how="anti")
    taught = (
        records.visible("assignments", dates)
        .join(records.visible("assignment_skills", dates), on=["assignment_id", "as_of"])
        .select("section_id", "skill_id", "as_of")
        .unique()
    )
    plans = pl.QueryOptFlags.none() if records.few else pl.QueryOptFlags()
    found, seated = pl.collect_all([here, seats], optimizations=plans)
    return Enrolled(found, seated, taught)

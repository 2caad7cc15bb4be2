"""What is known of the stay itself: how far it has gone, how it began, what came before. Context, not behaviour."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from features.attendance import ENOUGH, days_until, school_days, stays, told
from features.catalog import Feature, Frame, derived, feature, of_class
from features.cohort import YEAR_GROUP
from features.coursework import OF_ONE, WHOLE
from features.records import SchoolRecords, Snapshot

FEATURES: list[Feature] = []


def stay(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit: the enrolment, and the class it sits in where there is one."""
    sections = snapshot.reference("sections").select("section_id", "as_of", "starts_on", "ends_on")
    seats = snapshot.table("rosters").select("row", "as_of", "section_id").join(sections, on=["section_id", "as_of"])
    first = seats.group_by("row").agg(pl.col("starts_on").min(), pl.col("ends_on").max())
    return (
        snapshot.table("enrolments")
        .join(first, on="row", how="left")
        .select(
            "row",
            (pl.col("as_of") - pl.col("starts_on")).dt.total_days().alias("elapsed"),
            (pl.col("ends_on") - pl.col("starts_on")).dt.total_days().alias("length"),
            (pl.col("starts_on") - pl.col("entered_on")).dt.total_days().alias("lead"),
            "previous_attempts",
            "credits_load",
        )
    )


def carried_over(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and piece of work whose mark was banked in an earlier attempt."""
    return snapshot.table("results").filter(pl.col("status") == "banked").select("row", "score")


STAY = Frame("stay", ("enrolments", "rosters", "sections"), stay)
CARRIED_OVER = Frame("carried_over", ("results",), carried_over)


@feature(frame=STAY, concept="history", unit="days", range=(-400, 4000), higher="context", modifiable=False,
         name="days since teaching began", says="is {value:n day} into the course", into=FEATURES)  # fmt: skip
def days_elapsed() -> pl.Expr:
    """Days since the first day of teaching, below zero before it."""
    return pl.col("elapsed").max()


@feature(frame=STAY, concept="history", unit="days", range=(0, 4000), higher="context", modifiable=False,
         name="length of the course", into=FEATURES)  # fmt: skip
def course_days() -> pl.Expr:
    """Planned length of the course in days."""
    return pl.col("length").max()


@derived(concept="history", unit="share", range=(-1, 1.5), higher="context", modifiable=False,
         name="share of the course gone", says="is {value:.0%} of the way through the course", model_input=False,
         into=FEATURES)  # fmt: skip
def elapsed_share() -> pl.Expr:
    """Days gone over the course's length."""
    return pl.when(pl.col("course_days") > 0).then(pl.col("days_elapsed") / pl.col("course_days"))


@feature(frame=STAY, concept="history", unit="days", range=(-4000, 4000), higher="context", modifiable=False,
         name="days registered before teaching began", relative_to="section",
         says="registered {value:n day} before teaching began", says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def registered_ahead() -> pl.Expr:
    """Days between registration and the first day of teaching, below zero after it."""
    return pl.col("lead").max()


@feature(frame=STAY, concept="history", unit="attempts", range=(0, 50), higher="context", modifiable=False,
         name="earlier attempts at this course", says="has taken this course {value:n time} before",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def previous_attempts() -> pl.Expr:
    """How often the student took this before."""
    return pl.col("previous_attempts").max()


@feature(frame=STAY, concept="history", unit="credits", range=(0, 2000), higher="context", modifiable=False,
         name="credits studied at the same time", says="studies {value:.0f} credits at the same time",
         says_other="{value:.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def credits_load() -> pl.Expr:
    """Credits studied at the same time."""
    return pl.col("credits_load").max()


@feature(frame=CARRIED_OVER, concept="history", unit="pieces", range=(0, 1000), higher="context", modifiable=False,
         name="marks carried over from an earlier attempt", says="carried {value:n mark} over from an earlier attempt",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def marks_carried_over() -> pl.Expr:
    """Marks banked in an earlier attempt."""
    return pl.len()


# -- the class ---------------------------------------------------------------------------------------------------------

#: How far back a class's leavers are counted, in days; and how many are taken to have left, and to have been there, before
#: anybody is counted, so that the first leaver of a small class says little.
LEFT_WITHIN, LEFT_BEFORE, THERE_BEFORE = 56, 1, 20


def leavers(records: SchoolRecords, keys: pl.DataFrame) -> tuple[list[int], list[int]]:
    """Return for each row of a cohort how many left its class or year group in the last eight weeks, and how many are there.

    Whatever they left for: that is not known on the day. Whoever reached the planned end of a stay has not left it.
    """
    group = ["peers", "as_of"]
    ago = (pl.col("as_of") - pl.col("exited_on")).dt.total_days()
    exits = records.visible("exits", keys["as_of"].unique().to_list()).filter(ago.is_between(0, LEFT_WITHIN - 1))
    gone = exits.select("student_id", "enrolment_id", "as_of", "exited_on").unique(["enrolment_id", "as_of"]).collect()
    gone = gone.sort("enrolment_id", "as_of").with_row_index("row")
    known = records.known_at(gone.select("row", "student_id", "enrolment_id", "as_of"), "enrolment")
    early = known.table("enrolments").join(gone.lazy().select("row", "exited_on"), on="row")
    early = early.filter(pl.col("exited_on") < pl.col("planned_end_on")).select("row", "as_of", YEAR_GROUP)
    seats = known.table("rosters").select("row", "as_of", pl.col("section_id").alias("peers"))
    both = pl.concat([early, seats.join(early, on="row", how="semi")])
    left = both.group_by(group).agg(pl.col("row").n_unique().alias("left"))
    there = keys.lazy().group_by(group).agg(pl.col("student_id").n_unique().alias("there"))
    counted = there.join(left, on=group, how="left").with_columns(pl.col("left").fill_null(0)).collect()
    found = keys.select(group).join(counted, on=group, how="left", maintain_order="left")
    return found["left"].fill_null(0).to_list(), found["there"].fill_null(0).to_list()


@of_class(tables=("exits", "enrolments", "rosters"), concept="history", unit="share", range=(0, 1), into=FEATURES,
          name="share of the class that left in the last eight weeks",
          says="is in a class of which {value:.1%} left in the last eight weeks")  # fmt: skip
def class_left_56d(records: SchoolRecords, keys: pl.DataFrame) -> npt.NDArray[np.float64]:
    """Students who left the class over those there before, in the last eight weeks; of a stay of many classes, the year."""
    left, there = (np.array(counted, dtype=np.float64) for counted in leavers(records, keys))
    before = np.maximum(left + there, 1)
    return np.asarray(left / before, dtype=np.float64)


@of_class(tables=("exits", "enrolments", "rosters"), concept="history", unit="log-odds", range=(-20, 20), into=FEATURES,
          name="how many of the class left in the last eight weeks", model_input=True,
          says="is in a class of which {class_left_56d:.1%} left in the last eight weeks")  # fmt: skip
def class_leaving_56d(records: SchoolRecords, keys: pl.DataFrame) -> npt.NDArray[np.float64]:
    """The same in log-odds, drawn to one in twenty: hazards differ between classes by a factor, which this adds up to."""
    # Python's own logarithm: numpy's may give another last bit to a value by where it stands in an array.
    counts = zip(*leavers(records, keys), strict=True)
    return np.array([math.log(left + LEFT_BEFORE) - math.log(there + THERE_BEFORE - LEFT_BEFORE) for left, there in counts])


# -- the school year --------------------------------------------------------------------------------------------------

#: A school year that ended this long ago at most is the last one: it reaches to the end of this one, and no further back.
LAST_YEAR = 400

#: Three years, in days.
THREE_YEARS = 1096


def last_year(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and enrolment of the school year before: its school ``days``, and basis points ``missed``."""
    ended, columns = _last_year()
    days = school_days(snapshot)
    stay = stays(snapshot, days)
    rows = told(snapshot, days, stay.filter(ended))
    missed = rows.group_by("row", "enrolment_id").agg(pl.len().cast(pl.Int64).alias("told"), pl.col("missed").sum())
    return stay.filter(ended).join(missed, on=["row", "enrolment_id"], how="left").select(columns)


@cache
def _last_year() -> tuple[pl.Expr, list[pl.Expr]]:
    age = (pl.col("as_of") - pl.col("planned_end_on")).dt.total_days()
    by_calendar = (pl.col("last") - pl.col("before")).clip(0)
    columns = [
        pl.col("row"),
        pl.when("every_day").then(pl.col("told").fill_null(0)).otherwise(by_calendar).alias("days"),
        pl.col("missed"),
    ]
    return age.is_between(1, LAST_YEAR), columns


def schooling(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit: the enrolment of this school year.

    ``enrolled``: school days so far. ``ahead``: school days that the year had before the first of them.
    """
    days = school_days(snapshot)
    began = snapshot.reference("terms").select("term_id", "as_of", _schooling()[0])
    rows = stays(snapshot, days).join(began, on=["term_id", "as_of"], how="left")
    return days_until(rows, days, "eve", "at_eve").select(_schooling()[1])


@cache
def _schooling() -> tuple[pl.Expr, list[pl.Expr]]:
    eve = (pl.col("starts_on") - pl.duration(days=1)).alias("eve")
    columns = [
        pl.col("row"),
        (pl.col("last") - pl.col("before")).clip(0).alias("enrolled"),
        (pl.col("before") - pl.col("at_eve")).alias("ahead"),
        pl.col("grade_level"),
        pl.col("repeats_grade"),
    ]
    return eve, columns


def schools(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and enrolment of the last three years: its ``school``."""
    lately = pl.col("planned_end_on") >= pl.col("as_of") - pl.duration(days=THREE_YEARS)
    begun = pl.col("entered_on") <= pl.col("as_of")
    return snapshot.table("enrolments").filter(lately & begun).select("row", pl.col("organisation_id").alias("school"))


LAST_YEAR_AT_SCHOOL = Frame("last_year", ("enrolments", "organisations", "calendar", "attendance"), last_year)
SCHOOLING = Frame("schooling", ("enrolments", "organisations", "terms", "calendar"), schooling)
#: The calendar is what tells a school from a course that is enrolled in by itself, where "schools" would mean nothing.
SCHOOLS = Frame("schools", ("enrolments", "organisations", "calendar"), schools)


@feature(frame=LAST_YEAR_AT_SCHOOL, concept="history", unit="school days", range=(0, 1000), higher="context",
         modifiable=False, grains=("student",), name="school days of last school year", into=FEATURES)  # fmt: skip
def last_year_days() -> pl.Expr:
    """School days on which the student was enrolled in the school year before."""
    return pl.col("days").sum()


@feature(frame=LAST_YEAR_AT_SCHOOL, concept="history", unit="basis points", range=(0, 1000 * WHOLE), higher="context",
         modifiable=False, grains=("student",), name="time missed last school year", into=FEATURES)  # fmt: skip
def last_year_points() -> pl.Expr:
    """Basis points of last year's school days missed."""
    return pl.col("missed").sum()


@derived(concept="history", unit="share", range=(0, 1), higher="context", modifiable=False, grains=("student",),
         name="share of last year's school days missed", says="missed {value:.0%} of last year's school days",
         says_other="{value:.0%}", into=FEATURES)  # fmt: skip
def absence_rate_last_year() -> pl.Expr:
    """Share of last year's school days missed; null where the student was enrolled for fewer than 30 of them."""
    days = pl.col("last_year_days")
    return pl.when(days >= ENOUGH).then(pl.col("last_year_points") / days * OF_ONE)


@feature(frame=SCHOOLS, concept="history", unit="schools", range=(0, 50), higher="context", modifiable=False,
         grains=("student",), name="schools in three years", says="has been at {value:n school} in three years",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def schools_3y() -> pl.Expr:
    """Different schools of the last three years, this one included."""
    return pl.col("school").n_unique()


@feature(frame=SCHOOLING, concept="history", unit="school days", range=(0, 400), higher="context", modifiable=False,
         grains=("enrolment",), name="school days enrolled this year",
         says="has been enrolled here for {value:n school day} this year", says_other="{value:.0f}",
         into=FEATURES)  # fmt: skip
def days_enrolled() -> pl.Expr:
    """School days since the student came to this school this year."""
    return pl.col("enrolled").max()


@feature(frame=SCHOOLING, concept="history", unit="school days", range=(-400, 400), higher="context", modifiable=False,
         grains=("enrolment",), name="school days of this year before the student came", into=FEATURES)  # fmt: skip
def days_before_entry() -> pl.Expr:
    """School days that the year had before the student's first."""
    return pl.col("ahead").max()


@derived(concept="history", unit="yes or no", range=(0, 1), higher="context", modifiable=False, grains=("enrolment",),
         name="came to the school during the year",
         says="came to this school when {days_before_entry:n school day} of the year had gone", says_other="{value:.0f}",
         into=FEATURES)  # fmt: skip
def mid_year_entry() -> pl.Expr:
    """1 where the student came after the first 20 school days of the year, else 0."""
    return (pl.col("days_before_entry") >= 20).cast(pl.Float64)


@feature(frame=SCHOOLING, concept="history", unit="yes or no", range=(0, 1), higher="context", modifiable=False,
         grains=("enrolment",), name="in this year of school for the second time",
         says="has repeated this year of school {value:n time}", says_other="{value:.0f}",
         into=FEATURES)  # fmt: skip
def repeats_grade() -> pl.Expr:
    """1 where the student is in this year of school for the second time, else 0."""
    return pl.col("repeats_grade").cast(pl.Float64).max()


@feature(frame=SCHOOLING, concept="history", unit="year of school", range=(0, 13), higher="context", modifiable=False,
         grains=("enrolment",), name="year of school", says="is in grade {value:.0f}", says_other="{value:.0f}",
         into=FEATURES)  # fmt: skip
def grade_level() -> pl.Expr:
    """Year of school, 0 for kindergarten."""
    return pl.col("grade_level").max()

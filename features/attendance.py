"""Days at school, counted in the school days on which the student was enrolled.

A window of 20 days is the last 20 days of teaching of the student's own school, holidays left out. What was missed
counts, excused or not: lost time is lost time. Teaching at home or in hospital that the school approved is
presence, and why somebody was absent is not read at all. Parts of a day are whole basis points, so that sums are
exact.

A school either records exceptions only or every day (``organisations.attendance_method``). Where it records every
day, a day without a row is unknown and counted neither as missed nor as taught; elsewhere it was an ordinary day.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from features.catalog import Feature, Frame, derived, feature
from features.coursework import OF_ONE, WHOLE, share
from features.records import Snapshot

FEATURES: list[Feature] = []

#: Days until a day's attendance is known (the lag of the table). Windows end before them: a day on which nobody's
#: absence can be known yet would pass for a day at school.
LAG = 1

#: Days of each spell that the trend compares, and how many spells it looks back on at most.
SPELL, SPELLS = 10, 6

#: From this many school days on a share stands for itself; below, it is drawn to 2 in 40, so that one bad first week is
#: not a share of a third.
ENOUGH, DRAWN_DAYS, DRAWN_TO = 30, 40, 2 * WHOLE

SCHOOL = ["organisation_id", "as_of"]


def school_days(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per school, as-of date and school day (``on``) whose attendance can be known, numbered from the first."""
    chosen, number = _school_days()
    return once(snapshot, snapshot.reference("calendar").filter(chosen).sort("on").select(*SCHOOL, "on", number))


def once(snapshot: Snapshot, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows that are read several times, worked out now for a single unit.

    A request's plans are not optimised, so that they would be worked out at every reading: half of its time.
    """
    return rows.collect(optimizations=_AS_IS).lazy() if snapshot.units.height == 1 else rows


_AS_IS = pl.QueryOptFlags.none()


@cache
def _school_days() -> tuple[pl.Expr, pl.Expr]:
    chosen = pl.col("instructional") & (pl.col("on") <= pl.col("as_of") - pl.duration(days=LAG))
    return chosen, pl.col("on").rank("ordinal").over(SCHOOL).cast(pl.Int64).alias("number")


def days_until(rows: pl.LazyFrame, days: pl.LazyFrame, until: str, name: str) -> pl.LazyFrame:
    """Add as ``name`` how many days the school of each row had taught by the end of the day ``until``, itself included."""
    counted = days.rename({"on": "until", "number": name})
    return (
        rows.sort(until)
        .join_asof(counted, left_on=until, right_on="until", by=SCHOOL, check_sortedness=False)
        .with_columns(pl.when(pl.col(until).is_not_null()).then(pl.col(name).fill_null(0)).alias(name))
        .drop("until", strict=False)
    )


def stays(snapshot: Snapshot, days: pl.LazyFrame) -> pl.LazyFrame:
    """One row per unit and enrolment: ``before`` and ``last``, the numbers of the days before its first and at its end.

    The end is the last day whose attendance can be known, or the end of the stay where that is over. ``every_day``:
    the school records presence too.
    """
    method, first, last = _stays()
    schools = snapshot.reference("organisations").select(*SCHOOL, method)
    rows = snapshot.table("enrolments").join(schools, on=SCHOOL, how="left").with_columns(first)
    if snapshot.holds("exits"):
        gone = snapshot.table("exits").select("row", "enrolment_id", "exited_on")
        rows = rows.join(gone, on=["row", "enrolment_id"], how="left").with_columns(last)
    else:
        rows = rows.with_columns(pl.col("planned_end_on").alias("last_on"))
    rows = days_until(rows, days, "first_on", "before")
    return once(snapshot, days_until(rows, days, "last_on", "last"))


@cache
def _stays() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    method = (pl.col("attendance_method") == "positive").fill_null(value=False).alias("every_day")
    first = (pl.col("entered_on") - pl.duration(days=1)).alias("first_on")
    return method, first, pl.min_horizontal("planned_end_on", "exited_on").alias("last_on")


def told(snapshot: Snapshot, days: pl.LazyFrame, stay: pl.LazyFrame) -> pl.LazyFrame:
    """One row per unit and school day that attendance tells of, within the stay.

    ``idays_ago``: school days since, 0 on the last. ``missed``: basis points of the day.
    """
    of_stay, columns = _told()
    mine = stay.select("row", "enrolment_id", "organisation_id", "before", "last")
    rows = snapshot.table("attendance").join(mine, on=["row", "enrolment_id"])
    return rows.join(days, on=[*SCHOOL, "on"]).filter(of_stay).select(columns)


@cache
def _told() -> tuple[pl.Expr, list[pl.Expr]]:
    of_stay = pl.col("number").is_between(pl.col("before") + 1, pl.col("last"))
    elsewhere = (pl.col("mode") == "home_or_hospital").fill_null(value=False)
    missed = pl.when(elsewhere).then(0).otherwise((pl.col("absent_share") * WHOLE).round().cast(pl.Int64))
    columns = [
        pl.col("row"),
        pl.col("enrolment_id"),
        (pl.col("last") - pl.col("number")).alias("idays_ago"),
        (pl.col("number") - pl.col("before")).alias("day"),
        missed.alias("missed"),
        (pl.col("status") == "late").alias("late"),
        pl.col("excused"),
        pl.col("exclusion").fill_null(value=False),
        (pl.col("mode") == "remote").fill_null(value=False).alias("remote"),
        pl.col("on").dt.weekday().is_in([1, 5]).alias("edge"),
    ]
    return of_stay, columns


def attendance(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and school day that attendance tells of, or one for a unit of which it tells nothing.

    ``enrolled``: school days of the stay so far. ``spells``: full spells of it that the trend looks at.
    ``absent_place`` and ``away_place`` number the days missed by half or wholly, the latest first. ``in_a_row``:
    how many days in a row were missed from this one to the latest of its row.
    """
    length, places, in_a_row = _attendance()
    days = school_days(snapshot)
    stay = stays(snapshot, days)
    rows = told(snapshot, days, stay).with_columns(places).with_columns(in_a_row).drop("enrolment_id")
    return stay.select("row", "every_day", *length).join(rows, on="row", how="left")


@cache
def _attendance() -> tuple[list[pl.Expr], list[pl.Expr], pl.Expr]:
    enrolled = (pl.col("last") - pl.col("before")).clip(0)
    length = [enrolled.alias("enrolled"), (enrolled.clip(0, SPELL * SPELLS) // SPELL).alias("spells")]
    absent, away = pl.col("missed") * 2 >= WHOLE, pl.col("missed") >= WHOLE
    places = [
        pl.when(one).then(pl.col("idays_ago")).rank("ordinal").over("row").cast(pl.Int64).alias(name)
        for name, one in {"absent_place": absent, "away_place": away}.items()
    ]
    # Days in a row are as far apart as their places are, so this difference names the row that a day belongs to.
    run = pl.col("idays_ago") - pl.col("absent_place")
    latest = pl.col("idays_ago").min().over("row", run)
    return length, places, pl.when(absent).then(pl.col("idays_ago") - latest + 1).alias("in_a_row")


ATTENDANCE = Frame("attendance", ("enrolments", "organisations", "calendar", "attendance"), attendance)


def lessons(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and lesson on a day at school: ``idays_ago``, and whether it was ``cut`` or ``taken``.

    A day counts as one at school unless it was an absence, a suspension, or taught at home or in hospital.
    """
    not_there, columns = _lessons()
    days = school_days(snapshot)
    mine = stays(snapshot, days).select("row", "enrolment_id", "organisation_id", "before", "last")
    rows = snapshot.table("section_attendance").join(mine, on=["row", "enrolment_id"]).join(days, on=[*SCHOOL, "on"])
    elsewhere = snapshot.table("attendance").filter(not_there).select("row", "enrolment_id", "on")
    rows = rows.join(elsewhere, on=["row", "enrolment_id", "on"], how="anti")
    return rows.filter(pl.col("number").is_between(pl.col("before") + 1, pl.col("last"))).select(columns)


@cache
def _lessons() -> tuple[pl.Expr, list[pl.Expr]]:
    taught_elsewhere = (pl.col("mode") == "home_or_hospital").fill_null(value=False)
    not_there = (pl.col("status") == "absent") | taught_elsewhere | pl.col("exclusion").fill_null(value=False)
    columns = [
        pl.col("row"),
        (pl.col("last") - pl.col("number")).alias("idays_ago"),
        (pl.col("status") == "absent").alias("cut"),
        (pl.col("status") == "present").alias("taken"),
    ]
    return not_there, columns


LESSONS = Frame("lessons", ("enrolments", "organisations", "calendar", "attendance", "section_attendance"), lessons)


def _lately(window: int, before: int = 0) -> pl.Expr:
    """Return whether a row lies in the last ``window`` school days, or in the window that ended ``before`` days ago."""
    return pl.col("idays_ago").is_between(before, before + window - 1)


def _first(window: int) -> pl.Expr:
    """Return whether a row lies in the first ``window`` school days of the stay."""
    return pl.col("day") <= window


def _days(by_calendar: pl.Expr, counted: pl.Expr) -> pl.Expr:
    """Return the school days of a window: those of the calendar, or those told of where every day is."""
    return pl.when(pl.col("every_day").any()).then(counted.sum().cast(pl.Int64)).otherwise(by_calendar)


def _enrolled() -> pl.Expr:
    return pl.col("enrolled").max()


def _days_so_far() -> pl.Expr:
    return _days(_enrolled(), pl.col("day").is_not_null())


def _if_known(what: pl.Expr) -> pl.Expr:
    """Return an aggregate, unknown before the first school day of which anything can be known."""
    return pl.when(_days_so_far() > 0).then(what)


# -- days missed ------------------------------------------------------------------------------------------------------


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 400), higher="context", grains=("enrolment",),
         name="school days so far this year", into=FEATURES, column="school_days")  # fmt: skip
def days_so_far() -> pl.Expr:
    """School days on which the student was enrolled at this school this year."""
    return _days_so_far()


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 45), higher="context", grains=("enrolment",),
         windows=(20, 45), name="school days among the last {window}", into=FEATURES, column="school_days")  # fmt: skip
def days_lately(window: int) -> pl.Expr:
    """School days of the window: fewer than its length early in a stay."""
    return _days(_enrolled().clip(0, window), _lately(window))


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 45), higher="context", grains=("enrolment",),
         windows=(20,), name="school days among the {window} before the last {window}", into=FEATURES,
         column="school_days_before")  # fmt: skip
def days_before(window: int) -> pl.Expr:
    """School days of the window before the last one."""
    return _days((_enrolled() - window).clip(0, window), _lately(window, before=window))


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 45), higher="context", grains=("enrolment",),
         windows=(20,), name="school days among the first {window}", into=FEATURES, column="school_days_first")  # fmt: skip
def days_first(window: int) -> pl.Expr:
    """School days among the first of the stay, once these are over."""
    return pl.when(_enrolled() >= window).then(_days(pl.lit(window), _first(window)))


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 400 * WHOLE), higher="concern",
         grains=("enrolment",), name="time missed so far this year", into=FEATURES, column="missed_points")  # fmt: skip
def missed_so_far() -> pl.Expr:
    """Basis points of school days missed, added up."""
    return pl.col("missed").sum()


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 45 * WHOLE), higher="concern",
         grains=("enrolment",), windows=(20, 45), name="time missed in the last {window} school days", into=FEATURES,
         column="missed_points")  # fmt: skip
def missed_lately(window: int) -> pl.Expr:
    """Basis points of school days missed in the window."""
    return pl.col("missed").filter(_lately(window)).sum()


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 45 * WHOLE), higher="concern",
         grains=("enrolment",), windows=(20,), name="time missed in the {window} school days before the last {window}",
         into=FEATURES, column="missed_points_before")  # fmt: skip
def missed_before(window: int) -> pl.Expr:
    """Basis points of school days missed in the window before the last one."""
    return pl.col("missed").filter(_lately(window, before=window)).sum()


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 45 * WHOLE), higher="concern",
         grains=("enrolment",), windows=(20,), name="time missed in the first {window} school days", into=FEATURES,
         column="missed_points_first")  # fmt: skip
def missed_first(window: int) -> pl.Expr:
    """Basis points of school days missed in the first of the stay."""
    return pl.col("missed").filter(_first(window)).sum()


@derived(concept="attendance", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days missed so far this year",
         says="has missed {value:.3g} of {school_days:n school day} so far this year", says_other="{value:.3g}",
         relative_to="section", model_input=False, monotone=True, into=FEATURES)  # fmt: skip
def absent_days() -> pl.Expr:
    """School days missed this year, excused or not, parts of days added up."""
    return pl.when(pl.col("school_days") > 0).then(pl.col("missed_points") * OF_ONE)


@derived(concept="attendance", unit="school days", range=(0, 45), higher="concern", grains=("enrolment",), windows=(20, 45),
         name="school days missed of the last {window}", into=FEATURES, column="absent_days")  # fmt: skip
def absent_days_lately(window: int) -> pl.Expr:
    """School days missed in the window, parts of days added up."""
    return pl.when(pl.col(f"school_days_{window}d") > 0).then(pl.col(f"missed_points_{window}d") * OF_ONE)


@derived(concept="attendance", unit="school days", range=(0, 45), higher="concern", grains=("enrolment",), windows=(20,),
         name="school days missed of the first {window}",
         says="missed {value:.3g} of the first {school_days_first_{window}d:n school day} this year", says_other="{value:.3g}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def absent_days_first(window: int) -> pl.Expr:
    """School days missed among the first: known once they are over, and telling of the whole year (Olson 2014)."""
    return pl.when(pl.col(f"school_days_first_{window}d") > 0).then(pl.col(f"missed_points_first_{window}d") * OF_ONE)


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",),
         name="share of school days missed so far this year",
         says="has missed {absent_days:.3g} of {school_days:n school day} so far this year",
         says_other="{value:.0%}",
         earlier_label="last school year", own_earlier="absence_rate_last_year", monotone=True, into=FEATURES)  # fmt: skip
def absence_rate() -> pl.Expr:
    """Share of school days missed this year; in the first 30 days drawn towards 2 in 40.

    A share that is drawn to a middle is no fact to compare with a class: :func:`absent_days` is.
    """
    missed, days = pl.col("missed_points"), pl.col("school_days")
    more = days + DRAWN_DAYS
    return pl.when(days >= ENOUGH).then(missed / days * OF_ONE).when(days > 0).then((missed + DRAWN_TO) / more * OF_ONE)


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",), windows=(20,),
         name="share of the {window} school days before the last {window} missed", into=FEATURES)  # fmt: skip
def absence_rate_before(window: int) -> pl.Expr:
    """The same one window earlier: the student's own earlier pattern."""
    return share(f"missed_points_before_{window}d", f"school_days_before_{window}d") * OF_ONE


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",), windows=(20,),
         name="share of the first {window} school days missed", into=FEATURES)  # fmt: skip
def absence_rate_first(window: int) -> pl.Expr:
    """The same in the first days of the stay: how the year began."""
    return share(f"missed_points_first_{window}d", f"school_days_first_{window}d") * OF_ONE


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",), windows=(20,),
         name="share of the last {window} school days missed",
         says="has missed {absent_days_{window}d:.3g} of the last {school_days_{window}d:n school day} ({value:.0%})",
         says_other="{value:.0%}", earlier_label="in the {window} school days before",
         own_earlier="absence_rate_before_{window}d", relative_to="section", monotone=True,
         into=FEATURES, column="absence_rate")  # fmt: skip
def absence_rate_lately(window: int) -> pl.Expr:
    """Share of the last school days missed, excused or not: lost time is lost time."""
    return share(f"missed_points_{window}d", f"school_days_{window}d") * OF_ONE


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",), windows=(45,),
         name="share of the last {window} school days missed",
         says="has missed {absent_days_{window}d:.3g} of the last {school_days_{window}d:n school day} ({value:.0%})",
         says_other="{value:.0%}", earlier_label="in the first 20 school days", own_earlier="absence_rate_first_20d",
         relative_to="section", monotone=True, into=FEATURES, column="absence_rate")  # fmt: skip
def absence_rate_of_term(window: int) -> pl.Expr:
    """The same over about a quarter of the year, beside how the year began."""
    return share(f"missed_points_{window}d", f"school_days_{window}d") * OF_ONE


# -- how the days lie -------------------------------------------------------------------------------------------------


@feature(frame=ATTENDANCE, concept="attendance", unit="spells", range=(0, SPELLS), higher="context", grains=("enrolment",),
         name="full spells of ten school days among the last 60", into=FEATURES)  # fmt: skip
def absence_spells() -> pl.Expr:
    """Spells that the trend compares; null where a school that records every day left out more than one day in ten."""
    length = pl.col("spells").max()
    told = (pl.col("idays_ago") < pl.col("spells") * SPELL).sum().cast(pl.Int64)
    return pl.when(~pl.col("every_day").any() | (10 * told >= 9 * SPELL * length)).then(length)


@feature(frame=ATTENDANCE, concept="attendance", unit="weighted basis points", range=(-1e7, 1e7), higher="concern",
         grains=("enrolment",), name="time missed, counted up in later spells and down in earlier ones",
         into=FEATURES)  # fmt: skip
def absence_trend_points() -> pl.Expr:
    """Time missed times the place of its spell, counted from the middle one: what a slope is made of."""
    weight = pl.col("spells") - 1 - 2 * (pl.col("idays_ago") // SPELL)
    return (pl.col("missed") * weight).filter(pl.col("idays_ago") < pl.col("spells") * SPELL).sum()


@derived(concept="attendance", unit="school days", range=(-10, 10), higher="concern", grains=("enrolment",),
         name="change in days missed per 10 school days, over the last 60",
         says="missed {value:more day} with every 10 school days of the last 60", says_other="{value:more day}",
         relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def absence_trend_60d() -> pl.Expr:
    """Slope of the days missed per ten school days, by least squares over two to six spells."""
    spells = pl.col("absence_spells")
    # The squares of the places from the middle, in halves, add up to spells * (spells**2 - 1) / 3.
    squares = spells * (spells * spells - 1)
    return pl.when(spells >= 2).then(6 * pl.col("absence_trend_points") / squares * OF_ONE)


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 45), higher="concern", grains=("enrolment",),
         windows=(45,), name="most school days missed in a row, of the last {window}",
         says="has missed at most {value:n school day} in a row in the last {window}", says_other="{value:.0f}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def longest_absence_streak(window: int) -> pl.Expr:
    """Most days in a row missed by half or more, within the window."""
    return _if_known(pl.col("in_a_row").filter(_lately(window)).max().fill_null(0))


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days missed in a row, to the last one",
         says="has now missed {value:n school day} in a row", says_other="{value:.0f}", relative_to="section",
         relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def current_absence_streak() -> pl.Expr:
    """Days in a row missed by half or more that reach to the last school day; 0 where that was not missed."""
    return _if_known((pl.col("absent_place") == pl.col("idays_ago") + 1).sum())


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days since the student was last at school",
         says="was last at school {value:n school day} before the latest one", says_other="{value:.0f}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def days_since_present() -> pl.Expr:
    """Whole days in a row missed that reach to the last school day: an hour at school is a day at school here."""
    return _if_known((pl.col("away_place") == pl.col("idays_ago") + 1).sum())


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 400), higher="strength", grains=("enrolment",),
         name="school days without an absence, to the last one",
         says="has gone {value:n school day} without an absence", says_other="{value:.0f}", relative_to="section",
         relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def days_since_absence() -> pl.Expr:
    """School days since any part of one was missed; all of the stay where none was."""
    return _if_known(pl.min_horizontal(pl.col("idays_ago").filter(pl.col("missed") > 0).min(), _enrolled()))


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 400 * WHOLE), higher="context",
         grains=("enrolment",), name="time missed on Mondays and Fridays", into=FEATURES)  # fmt: skip
def missed_points_monday_friday() -> pl.Expr:
    """Basis points of Mondays and Fridays missed this year."""
    return pl.col("missed").filter(pl.col("edge")).sum()


@derived(concept="attendance", unit="share", range=(0, 1), higher="context", grains=("enrolment",),
         name="share of the time missed that was on Mondays and Fridays",
         says="had {value:.0%} of this year's missed time on Mondays and Fridays", says_other="{value:.0%}",
         into=FEATURES)  # fmt: skip
def monday_friday_share() -> pl.Expr:
    """Time missed on Mondays and Fridays over all time missed: a pattern to ask about, neither good nor bad."""
    return share("missed_points_monday_friday", "missed_points")


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 400 * WHOLE), higher="context",
         grains=("enrolment",), name="time missed of which it is noted whether it was excused", into=FEATURES)  # fmt: skip
def noted_points() -> pl.Expr:
    """Time missed with a note on whether the school excused it; a suspension is the school's own doing."""
    return pl.col("missed").filter(pl.col("excused").is_not_null() & ~pl.col("exclusion")).sum()


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 400 * WHOLE), higher="concern",
         grains=("enrolment",), name="time missed that was not excused", into=FEATURES)  # fmt: skip
def unexcused_points() -> pl.Expr:
    """Time missed that the school did not excuse."""
    return pl.col("missed").filter((pl.col("excused") == pl.lit(value=False)) & ~pl.col("exclusion")).sum()


@derived(concept="attendance", unit="school days", range=(0, 400), higher="context", grains=("enrolment",),
         name="school days missed of which it is noted whether they were excused", into=FEATURES)  # fmt: skip
def noted_days() -> pl.Expr:
    """Time missed with a note, in school days."""
    return pl.col("noted_points") * OF_ONE


@derived(concept="attendance", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days missed that were not excused", into=FEATURES)  # fmt: skip
def unexcused_days() -> pl.Expr:
    """Time missed without an excuse, in school days."""
    return pl.col("unexcused_points") * OF_ONE


@derived(concept="attendance", unit="share", range=(0, 1), higher="context", grains=("enrolment",),
         name="share of the time missed that was not excused",
         says="has no excuse on record for {unexcused_days:.3g} of {noted_days:.3g} school days missed this year",
         says_other="{value:.0%}", relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def unexcused_share() -> pl.Expr:
    """Time missed without an excuse over all of which it is noted; null where nothing was missed."""
    return share("unexcused_points", "noted_points")


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 45), higher="concern", grains=("enrolment",),
         windows=(45,), name="school days of the last {window} begun late", into=FEATURES)  # fmt: skip
def late_days(window: int) -> pl.Expr:
    """School days on which the student came late."""
    return (_lately(window) & pl.col("late")).sum()


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", grains=("enrolment",), windows=(45,),
         name="share of the last {window} school days begun late",
         says="came late on {late_days_{window}d:.0f} of the last {school_days_{window}d:n school day} ({value:.0%})",
         says_other="{value:.0%}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def tardy_rate(window: int) -> pl.Expr:
    """Days begun late over the school days of the window."""
    return share(f"late_days_{window}d", f"school_days_{window}d")


# -- taught online, and class by class --------------------------------------------------------------------------------


@feature(frame=ATTENDANCE, concept="attendance", unit="school days", range=(0, 400), higher="context", grains=("enrolment",),
         name="school days taught online this year", into=FEATURES)  # fmt: skip
def remote_days() -> pl.Expr:
    """School days on which the student was to be taught online."""
    return pl.col("remote").sum()


@feature(frame=ATTENDANCE, concept="attendance", unit="basis points", range=(0, 400 * WHOLE), higher="strength",
         grains=("enrolment",), name="time taken part in on days taught online", into=FEATURES)  # fmt: skip
def remote_points() -> pl.Expr:
    """Basis points of days taught online that were not missed."""
    return (WHOLE - pl.col("missed")).filter(pl.col("remote")).sum()


@derived(concept="attendance", unit="school days", range=(0, 400), higher="strength", grains=("enrolment",),
         name="days taught online that the student took part in", into=FEATURES)  # fmt: skip
def remote_days_attended() -> pl.Expr:
    """Time taken part in on days taught online, in school days."""
    return pl.col("remote_points") * OF_ONE


@derived(concept="attendance", unit="share", range=(0, 1), higher="strength", grains=("enrolment",),
         name="share of days taught online that the student took part in",
         says="took part in {remote_days_attended:.3g} of {remote_days:n school day} taught online this year "
              "({value:.0%})",
         says_other="{value:.0%}", relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def remote_participation() -> pl.Expr:
    """Days taught online and taken part in over all that were; null where none was."""
    return share("remote_points", "remote_days") * OF_ONE


@feature(frame=LESSONS, concept="attendance", unit="lessons", range=(0, 1000), higher="context", windows=(45,),
         name="lessons told of on days at school, of the last {window}", into=FEATURES)  # fmt: skip
def lessons_told(window: int) -> pl.Expr:
    """Lessons on record of days on which the student was at school; null where only missed ones are recorded."""
    return pl.when((_lately(window) & pl.col("taken")).any()).then(_lately(window).sum())


@feature(frame=LESSONS, concept="attendance", unit="lessons", range=(0, 1000), higher="concern", windows=(45,),
         name="lessons missed on days at school, of the last {window}",
         says="missed {value:n lesson} on days at school, in the last {window} school days", says_other="{value:.0f}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def lessons_missed(window: int) -> pl.Expr:
    """Lessons missed on days on which the student was at school."""
    return (_lately(window) & pl.col("cut")).sum()


@derived(concept="attendance", unit="share", range=(0, 1), higher="concern", windows=(45,),
         name="share of lessons missed on days at school, of the last {window}",
         says="missed {lessons_missed_{window}d:.0f} of {lessons_told_{window}d:n lesson} on days at school, in the last "
              "{window} school days ({value:.0%})",
         says_other="{value:.0%}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def section_cut_rate(window: int) -> pl.Expr:
    """Lessons missed over lessons held on days at school: of the class where the unit is one, else of all classes."""
    return share(f"lessons_missed_{window}d", f"lessons_told_{window}d")


# -- what the school itself decided -----------------------------------------------------------------------------------


@feature(frame=ATTENDANCE, concept="behaviour", unit="basis points", range=(0, 400 * WHOLE), higher="concern",
         grains=("enrolment",), name="time kept out of school by suspension this year", into=FEATURES)  # fmt: skip
def suspended_points() -> pl.Expr:
    """Basis points of school days on which the school kept the student away."""
    return pl.col("missed").filter(pl.col("exclusion")).sum()


@derived(concept="behaviour", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days kept out of school by suspension this year",
         says="was kept out of school by suspension on {value:.3g} of {school_days:n school day} this year",
         says_other="{value:.3g}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def suspended_days() -> pl.Expr:
    """School days on which the school kept the student away: its own practice, and so its own to change."""
    return pl.when(pl.col("school_days") > 0).then(pl.col("suspended_points") * OF_ONE)

"""Days at school, by hand: a month of a tiny calendar with a holiday, and a term of drawn absences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from features import pipeline
from features.attendance import ATTENDANCE, LAG, LESSONS
from features.catalog import Catalog
from features.norms import Norms
from features.records import Cohort, SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES

MONDAY, FRIDAY, HOLIDAY = date(2026, 1, 5), date(2026, 1, 30), date(2026, 1, 19)

#: What attendance tells of Ana's January: day, status, share missed, excused, mode, suspension, known on, deleted.
JANUARY: tuple[tuple[object, ...], ...] = (
    (6, "absent", 1.0, True, "in_person", False),  # excused
    (9, "late", 0.25, False, "in_person", False),  # late, a Friday
    (12, "absent", 1.0, True, "home_or_hospital", False),  # taught in hospital: presence
    (16, "absent", 0.5, None, "in_person", False),  # a part of a Friday
    (19, "absent", 1.0, False, "in_person", False),  # the holiday
    (20, "absent", 1.0, False, "in_person", False),  # the school day after the 16th
    (28, "absent", 1.0, False, "in_person", True),  # suspended
    (29, "absent", 1.0, False, "in_person", False),
    (30, "absent", 1.0, False, "in_person", False),  # the as-of day: known tomorrow
)

ATTENDED = Catalog(tuple(one for one in STANDARD if one.concept == "attendance" and one.kind != "relative")
                   + tuple(STANDARD[name] for name in ("suspended_points", "suspended_days", "last_year_days",
                                                       "last_year_points", "absence_rate_last_year")))  # fmt: skip


def day(number: int) -> date:
    return date(2026, 1, number)


def school(
    rows: Sequence[Sequence[object]], *, last: date = FRIDAY, entered: date = MONDAY, positive: bool = False
) -> SchoolRecords:
    """One student at one school that teaches on weekdays; rows of attendance may end with known_on and deleted."""
    days = [MONDAY + timedelta(days=at) for at in range((last - MONDAY).days + 1)]
    columns = ["on", "status", "absent_share", "excused", "mode", "exclusion", "known_on", "deleted"]
    told = [dict(zip(columns, row, strict=False)) for row in rows]
    attendance = pl.DataFrame(
        {"student_id": ["ana"] * len(told), "enrolment_id": ["stay"] * len(told)}
        | {name: [row.get(name, False if name == "deleted" else None) for row in told] for name in columns},
        schema={name: kind for name, kind in TABLES["attendance"].schema.items() if name != "tenant"},
    )
    frames = {
        "organisations": pl.DataFrame({"organisation_id": ["lincoln"], "kind": ["school"],
                                       "attendance_method": ["positive" if positive else "negative"]}),
        "calendar": pl.DataFrame({"organisation_id": ["lincoln"] * len(days), "on": days,
                                  "instructional": [one.weekday() < 5 and one != HOLIDAY for one in days]}),
        "enrolments": pl.DataFrame({"enrolment_id": ["stay"], "student_id": ["ana"], "organisation_id": ["lincoln"],
                                    "entered_on": [entered], "planned_end_on": [date(2026, 6, 30)]}),
        "attendance": attendance,
    }  # fmt: skip
    return SchoolRecords.from_frames(frames)


def january(*more: Sequence[object]) -> list[tuple[object, ...]]:
    return [(day(int(str(number))), *row) for number, *row in (*JANUARY, *more)]


def of_ana(records: SchoolRecords, as_of: date = FRIDAY) -> dict[str, float | None]:
    keys = {"student_id": ["ana"], "enrolment_id": ["stay"], "as_of": [as_of]}
    found = pipeline.build(records, Cohort.of(pl.DataFrame(keys), "enrolment"), ATTENDED, Norms.none())
    return found.frame.row(0, named=True)


@pytest.fixture(scope="module")
def month() -> dict[str, float | None]:
    """What is known of Ana at the end of January."""
    return of_ana(school(january()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # 5 to 9, 12 to 16, 20 to 23 and 26 to 29 January.
        ("school_days", 18.0), ("school_days_20d", 18.0), ("school_days_before_20d", 0.0), ("school_days_first_20d", None),
        # 6, a quarter of 9, a half of 16, 20, 28 and 29 January.
        ("absent_days", 4.75), ("absent_days_20d", 4.75), ("absence_rate", 6.75 / 58), ("absence_rate_20d", 4.75 / 18),
        ("absence_rate_before_20d", None), ("absent_days_first_20d", None), ("absence_trend_60d", None),
        # 16 and 20 January are neighbours, and so are 28 and 29.
        ("longest_absence_streak_45d", 2.0), ("current_absence_streak", 2.0), ("days_since_present", 2.0),
        ("days_since_absence", 0.0), ("monday_friday_share", 0.75 / 4.75),
        # Nothing is noted on the 16th, and the suspension is the school's own.
        ("noted_days", 3.25), ("unexcused_days", 2.25), ("unexcused_share", 2.25 / 3.25), ("late_days_45d", 1.0),
        ("tardy_rate_45d", 1 / 18), ("suspended_days", 1.0), ("remote_days", 0.0), ("remote_participation", None),
        ("absence_rate_last_year", None),
    ],
)  # fmt: skip
def test_a_month_by_hand(month: dict[str, float | None], name: str, value: float | None) -> None:
    assert month[name] == (None if value is None else pytest.approx(value, abs=1e-12))


def test_a_row_counts_from_the_day_it_is_known_and_as_it_was_last_told() -> None:
    records = school(
        january(
            (21, "absent", 1.0, None, "in_person", False, day(22)),
            (21, "present", 0.0, None, "in_person", False, day(23)),  # corrected
            (22, "absent", 1.0, None, "in_person", False, day(23)),
            (22, "absent", 1.0, None, "in_person", False, day(24), True),  # deleted
        )
    )
    found = {at: of_ana(records, day(at)) for at in (21, 22, 23, 24)}
    assert [one["school_days"] for one in found.values()] == [11.0, 12.0, 13.0, 14.0]
    assert [one["absent_days"] for one in found.values()] == [2.75, 3.75, 3.75, 2.75]


def test_a_school_that_records_every_day_gives_the_same_numbers() -> None:
    told = {row[0] for row in january()}
    quiet = [(day(at), "present", 0.0, None, "in_person", False) for at in range(5, 31)
             if day(at) not in told and day(at).weekday() < 5]  # fmt: skip
    for as_of in (day(8), day(20), FRIDAY):
        assert of_ana(school(january()), as_of) == of_ana(school([*january(), *quiet], positive=True), as_of)
    assert of_ana(school(january())) == of_ana(school([*january(), *quiet]))


def test_a_day_without_a_row_is_unknown_where_every_day_is_recorded() -> None:
    two = [(day(6), "absent", 1.0, None, None, None), (day(7), "present", 0.0, None, None, None)]
    found = of_ana(school(two, positive=True), day(9))
    assert (found["school_days"], found["absent_days"], found["absence_rate_20d"]) == (2.0, 1.0, 0.5)
    nothing = of_ana(school([], positive=True))
    assert (nothing["absent_days"], nothing["current_absence_streak"], nothing["absence_rate"]) == (None, None, None)
    assert of_ana(school([]))["absence_rate_20d"] == 0.0


def test_days_before_a_student_came_and_before_anything_can_be_known_do_not_count() -> None:
    late = of_ana(school(january(), entered=day(20)))
    assert (late["school_days"], late["absent_days"], late["days_since_absence"]) == (8.0, 3.0, 0.0)
    first = of_ana(school(january()), MONDAY)
    assert (first["school_days"], first["absent_days"], first["days_since_absence"]) == (0.0, None, None)
    never = of_ana(school([]), FRIDAY)
    assert (never["days_since_absence"], never["days_since_present"]) == (18.0, 0.0)


def test_windows_begin_and_end_where_they_say() -> None:
    """Absent on the 1st, 20th, 21st, 40th and 41st school day of 50: each window holds just what lies in it."""
    last = date(2026, 3, 20)
    days = [one for one in (MONDAY + timedelta(days=at) for at in range(75)) if one.weekday() < 5 and one != HOLIDAY]
    away = [(days[at - 1], "absent", 1.0, None, None, None) for at in (1, 20, 21, 40, 41)]
    found = of_ana(school(away, last=last), days[50 - 1] + timedelta(days=LAG))
    assert found["school_days"] == 50.0
    # The last 20 are 31 to 50, those before 11 to 30, the last 45 begin with the 6th.
    assert (found["absent_days_20d"], found["absence_rate_before_20d"], found["absent_days_45d"]) == (2.0, 2 / 20, 4.0)
    assert (found["absent_days_first_20d"], found["absence_rate_first_20d"]) == (2.0, 2 / 20)
    assert (found["longest_absence_streak_45d"], found["days_since_absence"]) == (2.0, 9.0)
    assert found["absence_rate"] == pytest.approx(5 / 50)


@pytest.mark.parametrize("length", [20, 29, 47, 60, 75])
@pytest.mark.parametrize("positive", [False, True])
def test_the_trend_is_the_slope_of_days_missed_in_ten(length: int, positive: bool) -> None:
    rng = np.random.default_rng(length)
    days = [one for one in (MONDAY + timedelta(days=at) for at in range(130)) if one.weekday() < 5 and one != HOLIDAY][:length]
    missed = rng.choice([0.0, 0.25, 1.0], length)
    rows = [(one, "absent", float(share), None, None, None) for one, share in zip(days, missed, strict=True)]
    found = of_ana(school(rows, last=date(2026, 6, 1), positive=positive), days[-1] + timedelta(days=LAG))
    spells = min(length // 10, 6)
    sums = missed[length - 10 * spells :].reshape(spells, 10).sum(axis=1)
    assert found["absence_trend_60d"] == pytest.approx(np.polyfit(range(spells), sums, 1)[0])


def test_a_few_days_left_out_leave_the_trend_and_more_do_not() -> None:
    days = [one for one in (MONDAY + timedelta(days=at) for at in range(30)) if one.weekday() < 5 and one != HOLIDAY][:20]
    rows = [(one, "absent", float(at >= 10), None, None, None) for at, one in enumerate(days)]
    for left_out, trend in ((0, 10.0), (2, 10.0), (3, None)):
        records = school(rows[left_out:], last=date(2026, 3, 2), positive=True)
        assert of_ana(records, days[-1] + timedelta(days=LAG))["absence_trend_60d"] == trend


def test_taking_part_online_is_counted_of_the_days_taught_online() -> None:
    rows = [(day(6), "present", 0.0, None, "remote", None), (day(7), "absent", 1.0, None, "remote", None),
            (day(8), "absent", 0.5, None, "remote", None)]  # fmt: skip
    found = of_ana(school(rows))
    assert (found["remote_days"], found["remote_days_attended"], found["remote_participation"]) == (3.0, 1.5, 0.5)
    assert found["absent_days"] == 1.5


def test_lessons_are_missed_only_on_days_at_school() -> None:
    records = school(january())
    days = [6, 9, 12, 13, 14, 19, 28]  # absent, late, in hospital, there, there, holiday, suspended
    lessons = pl.DataFrame(
        {"student_id": ["ana"] * 7, "enrolment_id": ["stay"] * 7, "section_id": ["algebra"] * 7,
         "on": [day(one) for one in days], "status": ["absent", "late", "absent", "absent", "present", "absent", "absent"]}
    )  # fmt: skip
    frames = {name: records.labels(name).collect() for name in records.parts}
    found = of_ana(SchoolRecords.from_frames(frames | {"section_attendance": lessons}))
    assert (found["lessons_told_45d"], found["lessons_missed_45d"], found["section_cut_rate_45d"]) == (3.0, 1.0, 1 / 3)
    # A school that records missed lessons only tells how many, and not of how many.
    missed = lessons.filter(pl.col("status") != "present")
    found = of_ana(SchoolRecords.from_frames(frames | {"section_attendance": missed}))
    assert (found["lessons_told_45d"], found["lessons_missed_45d"], found["section_cut_rate_45d"]) == (None, 1.0, None)


def test_no_reason_of_an_absence_and_no_unknown_delay_enters() -> None:
    read = {column.name for column in TABLES["attendance"].columns if column.use == "feature"}
    assert read == {"on", "status", "absent_share", "excused", "mode", "exclusion"}
    assert {TABLES[name].lag_days for name in ("attendance", "section_attendance", "incidents")} == {LAG}
    assert "attendance" in ATTENDANCE.tables
    assert "attendance" in LESSONS.tables

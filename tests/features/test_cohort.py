"""Who is looked at on a day."""

from __future__ import annotations

from datetime import date, timedelta

import example_school
import polars as pl
import pytest
from example_school import AUTUMN, SPRING, STUDENTS, TODAY, plus

from features import cohort
from features.records import SchoolRecords
from features.tables import Grain


def students(records: SchoolRecords, day: date, unit: Grain = "enrolment") -> set[str]:
    return set(cohort.on_dates(records, [day], unit).frame["student_id"])


def test_who_has_left_is_not_in_the_cohort_from_that_day(school: SchoolRecords) -> None:
    assert "leo" in students(school, date(2026, 10, 14))
    assert "leo" not in students(school, date(2026, 10, 15))


def test_an_exit_that_is_not_known_yet_keeps_the_student_in() -> None:
    frames = example_school.tables()
    frames["exits"] = frames["exits"].with_columns(known_on=date(2026, 11, 20))
    records = example_school.records(frames)
    assert "leo" in students(records, TODAY)
    assert "leo" not in students(records, date(2026, 11, 20))


def test_an_exit_that_was_taken_back_brings_the_student_back() -> None:
    back = {"enrolment_id": "leo-autumn", "student_id": "leo", "exited_on": date(2026, 10, 15), "kind": "dropout",
            "known_on": date(2026, 11, 1), "deleted": True}  # fmt: skip
    records = example_school.records(plus(example_school.tables(), "exits", back))
    assert "leo" not in students(records, date(2026, 10, 31))
    assert "leo" in students(records, date(2026, 11, 1))


def test_who_comes_later_is_not_in_the_cohort_before(school: SchoolRecords) -> None:
    assert "kim" not in students(school, date(2026, 10, 11))
    assert "kim" in students(school, date(2026, 10, 12))


def test_an_enrolment_that_is_known_and_has_not_begun_is_not_in_the_cohort() -> None:
    frames = example_school.tables()
    frames["enrolments"] = frames["enrolments"].with_columns(known_on=date(2026, 8, 1))
    frames["rosters"] = frames["rosters"].with_columns(known_on=date(2026, 8, 1))
    assert "kim" not in students(example_school.records(frames), date(2026, 10, 11))


@pytest.mark.parametrize(("day", "count"), [(SPRING[0], 10), (SPRING[1], 9), (date(2026, 7, 1), 0), (AUTUMN[1], 11)])
def test_a_stay_is_looked_at_from_its_first_to_its_planned_last_day(school: SchoolRecords, day: date, count: int) -> None:
    assert len(cohort.on_dates(school, [day], "enrolment")) == count
    assert len(cohort.on_dates(school, [AUTUMN[1] + timedelta(days=1)], "enrolment")) == 0


def test_units_are_stays_seats_and_skills(school: SchoolRecords) -> None:
    found = {unit: cohort.on_dates(school, [TODAY], unit).frame for unit in ("student", "enrolment", "section", "skill")}
    assert {unit: frame.height for unit, frame in found.items()} == {"student": 11, "enrolment": 11, "section": 22, "skill": 22}
    assert found["student"]["enrolment_id"].null_count() == 11
    assert found["enrolment"]["section_id"].null_count() == 11, "with two classes there is not one to name"
    assert set(found["section"]["section_id"]) == {"algebra-autumn", "reading-autumn"}
    assert set(found["skill"]["section_id"]) == {"algebra-autumn"}, "reading teaches no skill on record"


def test_a_stay_in_one_class_names_it(school: SchoolRecords) -> None:
    assert set(cohort.on_dates(school, [date(2026, 3, 1)], "enrolment").frame["section_id"]) == {"algebra-spring"}


def peers(records: SchoolRecords, day: date = TODAY, unit: Grain = "enrolment") -> dict[str, str | None]:
    """Return beside whom each student is seen."""
    return dict(cohort.on_dates(records, [day], unit).frame.select("student_id", "peers").iter_rows())


def test_a_stay_in_one_class_is_seen_beside_the_class_and_one_in_several_beside_the_year_group(school: SchoolRecords) -> None:
    assert set(peers(school, date(2026, 3, 1)).values()) == {"algebra-spring"}
    assert set(peers(school).values()) == {"lincoln/9"}
    for unit in ("section", "skill"):
        found = cohort.on_dates(school, [TODAY], unit).frame
        assert found["peers"].equals(found["section_id"].alias("peers"))
    assert set(peers(school, unit="student").values()) == {None}


def test_a_year_group_is_of_one_school_and_one_year_or_of_the_school_where_the_year_is_not_known() -> None:
    frames = example_school.tables()
    who = pl.col("student_id")
    frames["enrolments"] = frames["enrolments"].with_columns(
        grade_level=pl.when(who == "ana").then(8).when(who == "ben").then(None).otherwise("grade_level"),
        organisation_id=pl.when(who == "cal").then(pl.lit("harbor")).otherwise("organisation_id"),
    )
    found = peers(example_school.records(frames))
    told = {student: found[student] for student in ("ana", "ben", "cal", "dee")}
    assert told == {"ana": "lincoln/8", "ben": "lincoln", "cal": "harbor/9", "dee": "lincoln/9"}


def test_who_leaves_the_second_class_is_seen_beside_the_first_from_then_on() -> None:
    left = {"student_id": "ana", "enrolment_id": "ana-autumn", "section_id": "reading-autumn", "begins_on": AUTUMN[0],
            "ends_on": date(2026, 10, 1), "known_on": date(2026, 10, 1)}  # fmt: skip
    records = example_school.records(plus(example_school.tables(), "rosters", left))
    days = (date(2026, 9, 30), date(2026, 10, 1))
    assert [peers(records, day)["ana"] for day in days] == ["lincoln/9", "algebra-autumn"]
    assert [peers(records, day)["ben"] for day in days] == ["lincoln/9", "lincoln/9"]


def test_a_class_that_is_over_leaves_a_stay_in_the_one_that_is_not() -> None:
    frames = example_school.tables()
    over = pl.when(pl.col("section_id") == "reading-autumn").then(pl.lit(date(2026, 10, 30))).otherwise("ends_on")
    frames["sections"] = frames["sections"].with_columns(ends_on=over)
    records = example_school.records(frames)
    assert peers(records, date(2026, 10, 30))["ben"] == "lincoln/9"
    assert peers(records, date(2026, 10, 31))["ben"] == "algebra-autumn"


def test_one_student_asked_about_alone_is_seen_beside_the_same_group(school: SchoolRecords) -> None:
    for day in (date(2026, 3, 1), TODAY):
        together = peers(school, day)
        for student in ("ana", "ben", "hal"):
            frames = {name: frame.filter(student_id=student) if "student_id" in frame.columns else frame
                      for name, frame in example_school.tables().items()}  # fmt: skip
            assert peers(example_school.records(frames), day) == {student: together[student]}


def test_who_leaves_a_class_stays_in_the_school() -> None:
    left = {"student_id": "ana", "enrolment_id": "ana-autumn", "section_id": "reading-autumn", "begins_on": AUTUMN[0],
            "ends_on": date(2026, 10, 1), "known_on": date(2026, 10, 1)}  # fmt: skip
    records = example_school.records(plus(example_school.tables(), "rosters", left))
    classes = {day: set(cohort.on_dates(records, [day], "section").frame.filter(student_id="ana")["section_id"])
               for day in (date(2026, 9, 30), date(2026, 10, 1))}  # fmt: skip
    assert classes[date(2026, 9, 30)] == {"algebra-autumn", "reading-autumn"}
    assert classes[date(2026, 10, 1)] == {"algebra-autumn"}
    assert "ana" in students(records, date(2026, 10, 1))


def test_days_of_term_are_counted_from_each_terms_start_and_end_with_it(school: SchoolRecords) -> None:
    found = cohort.on_days_of_term(school, [0, 42, 120], "enrolment").frame
    assert set(found["as_of"]) == {SPRING[0], SPRING[0] + timedelta(days=42), SPRING[0] + timedelta(days=120),
                                   AUTUMN[0], AUTUMN[0] + timedelta(days=42)}  # fmt: skip
    assert found.filter(pl.col("as_of") < AUTUMN[0])["enrolment_id"].str.ends_with("spring").all()
    one = cohort.on_days_of_term(school, [0, 42], "enrolment", ["autumn"]).frame
    assert set(one["as_of"]) == {AUTUMN[0], AUTUMN[0] + timedelta(days=42)}


def test_a_day_in_two_terms_asks_each_stay_once() -> None:
    frames = example_school.tables()
    summer = {"term_id": "summer", "title": "s", "starts_on": date(2026, 8, 31), "ends_on": date(2026, 12, 1)}
    frames["terms"] = pl.concat([frames["terms"], pl.DataFrame([summer], schema=frames["terms"].schema)])
    found = cohort.on_days_of_term(example_school.records(frames), [14, 15], "enrolment").frame
    autumn = found.filter(pl.col("as_of") >= AUTUMN[0])
    assert set(autumn["as_of"]) == {AUTUMN[0] + timedelta(days=14), AUTUMN[0] + timedelta(days=15)}
    assert autumn.height == autumn.unique().height


def test_a_cohort_is_sorted_whatever_the_order_of_the_records(school: SchoolRecords) -> None:
    frames = {name: frame.reverse() for name, frame in example_school.tables().items()}
    for unit in ("student", "enrolment", "section", "skill"):
        one, other = (
            cohort.on_dates(records, [TODAY, AUTUMN[0]], unit) for records in (school, example_school.records(frames))
        )
        assert one.frame.equals(other.frame)
        assert one.frame["as_of"].is_sorted()
    assert set(STUDENTS) >= set(one.frame["student_id"])

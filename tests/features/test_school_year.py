"""Conduct, report cards, skills, the way through school and access at home, by hand at the example school."""

from __future__ import annotations

from datetime import date
from functools import cache

import example_school
import polars as pl
import pytest
from example_school import TODAY, plus

from features import cohort, pipeline
from features.catalog import HIDDEN
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import Grain

END = date(2026, 12, 18)


@cache
def school() -> SchoolRecords:
    return example_school.records()


def known(student: str, as_of: date = TODAY, unit: Grain = "section", records: SchoolRecords | None = None) -> dict[str, float]:
    return of_the_school(student, as_of, unit) if records is None else told(student, as_of, unit, records)


@cache
def of_the_school(student: str, as_of: date, unit: Grain) -> dict[str, float]:
    """What is known at the example school as it is."""
    return told(student, as_of, unit, school())


def told(student: str, as_of: date, unit: Grain, records: SchoolRecords) -> dict[str, float]:
    row = pipeline.build(records, example_school.one(student, unit, as_of), STANDARD).frame.row(0, named=True)
    return {name: value for name, value in row.items() if name in STANDARD}


def some(found: dict[str, float], *names: str) -> tuple[float | None, ...]:
    return tuple(found[name] for name in names)


# -- conduct ----------------------------------------------------------------------------------------------------------


def test_incidents_are_counted_in_school_days_and_of_the_perpetrator_only() -> None:
    names = ("incidents", "incidents_45d", "exclusion_days", "suspensions", "suspended", "suspended_days")
    assert some(known("ana"), *names) == (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert some(known("ben"), *names) == (1.0, 1.0, 2.0, 1.0, 1.0, 2.0)
    # 9 September is the 6th school day: 45 days or more ago from the 51st on, which is 18 November.
    assert some(known("fay"), *names) == (2.0, 2.0, 0.5, 0.0, 0.0, 0.0)
    assert some(known("fay", date(2026, 11, 18)), *names[:2]) == (2.0, 2.0)
    assert some(known("fay", date(2026, 11, 19)), *names[:2]) == (2.0, 1.0)
    assert some(known("hal"), *names) == (0.0,) * 6


def test_an_incident_of_an_earlier_stay_is_over() -> None:
    row = {"incident_id": "old", "student_id": "hal", "enrolment_id": "hal-spring", "occurred_on": date(2026, 6, 1),
           "role": "perpetrator", "exclusion": "out_of_school", "days_excluded": 5.0}  # fmt: skip
    records = example_school.records(plus(example_school.tables(), "incidents", row))
    assert some(known("hal", records=records), "incidents", "exclusion_days") == (0.0, 0.0)


# -- report cards -----------------------------------------------------------------------------------------------------


def test_report_cards_by_hand() -> None:
    found = known("ana")
    # Spring's algebra is the same course, at 71 and 75.
    assert some(found, "report_mark", "report_mark_earlier", "report_change") == (58.0, 73.0, -15.0)
    assert some(found, "classes_reported", "classes_below_60", "core_classes_below_60", "classes_60_to_69") == (2, 1, 1, 1)
    assert some(found, "report_mean", "report_mean_before", "report_mean_change") == (62.0, 73.0, -11.0)
    assert some(found, "credits_tried", "credits_earned", "credits_share") == (5.0, 5.0, 1.0)
    later = known("ana", END)
    assert some(later, "report_mark", "report_mark_earlier", "report_change") == pytest.approx((50.0, 68.0, -18.0))
    # Algebra at 50, reading at 70; before that 58, 66 and spring's 75.
    assert some(later, "classes_below_60", "classes_60_to_69", "report_mean") == (1, 0, 60.0)
    assert later["report_mean_before"] == pytest.approx((58 + 66 + 75) / 3)
    # Algebra has brought nothing.
    assert some(later, "credits_tried", "credits_earned", "credits_share") == (10.0, 5.0, 0.5)


def test_last_years_report_stands_until_there_is_a_new_one() -> None:
    found = known("ana", date(2026, 9, 16))
    assert some(found, "report_mean", "report_mean_before", "classes_reported", "report_mark") == (75.0, 71.0, 1.0, 75.0)
    assert some(known("kim", date(2026, 10, 16)), "report_mean", "classes_below_60", "credits_share") == (None, None, None)
    reading = example_school.one("ana", as_of=date(2026, 9, 16), section="reading-autumn")
    assert pipeline.build(school(), reading, STANDARD).frame["report_mark"].to_list() == [None]


def test_a_class_without_a_new_mark_keeps_its_last_and_a_class_that_was_left_has_none() -> None:
    frames = example_school.tables()
    mine = (pl.col("student_id") == "ana") & (pl.col("section_id") == "reading-autumn")
    frames["course_marks"] = frames["course_marks"].filter(~(mine & (pl.col("term_id") == "autumn-2")))
    assert some(known("ana", END, records=example_school.records(frames)), "classes_reported", "report_mean") == (2.0, 58.0)
    left = pl.when(mine).then(pl.lit(date(2026, 10, 20))).otherwise("ends_on")
    frames["rosters"] = frames["rosters"].with_columns(ends_on=left)
    assert some(known("ana", END, records=example_school.records(frames)), "classes_reported", "report_mean") == (1.0, 50.0)
    assert some(known("ana", records=example_school.records(frames)), "classes_reported", "report_mean") == (2.0, 62.0)


def test_core_classes_are_counted_where_the_school_says_which_they_are() -> None:
    frames = example_school.tables()
    for core, count in (((True, True), 1.0), ((False, True), 0.0), ((None, None), None)):
        frames["courses"] = frames["courses"].with_columns(core=pl.Series(core, dtype=pl.Boolean))
        assert known("ana", records=example_school.records(frames))["core_classes_below_60"] == count


def test_a_class_taken_for_credit_only_brings_credits_and_no_mark() -> None:
    row = {"student_id": "ana", "enrolment_id": "ana-spring", "section_id": "algebra-spring", "term_id": "autumn-1",
           "mark_share": None, "credits_tried": 2.5, "credits_earned": 2.5, "decided_on": date(2026, 9, 10)}  # fmt: skip
    unknown = row | {"enrolment_id": "ana-autumn", "credits_earned": None}
    records = example_school.records(plus(example_school.tables(), "course_marks", row, unknown))
    found = known("ana", date(2026, 9, 16), records=records)
    assert some(found, "credits_tried", "credits_earned", "report_mean", "classes_reported") == (7.5, 7.5, 75.0, 1.0)


def test_each_report_may_bring_its_part_of_the_credits_or_the_last_one_all_of_them() -> None:
    frames = example_school.tables()
    term = pl.col("term_id")
    spring = term.is_in(["spring-1", "spring-2"])
    parts = frames["course_marks"].with_columns(
        credits_tried=pl.when(spring).then(2.5).otherwise("credits_tried"),
        credits_earned=pl.when(spring).then(2.5).otherwise("credits_earned"),
    )
    names = ("credits_tried", "credits_earned", "credits_share")
    assert some(known("ana", records=example_school.records(frames | {"course_marks": parts})), *names) == (5.0, 5.0, 1.0)
    assert some(known("ana"), *names) == (5.0, 5.0, 1.0)


# -- several classes in one stay --------------------------------------------------------------------------------------


def test_what_is_within_reach_of_several_classes_is_their_average() -> None:
    algebra, stay = known("ana"), known("ana", unit="enrolment")
    reading = pipeline.build(school(), example_school.one("ana", section="reading-autumn"), STANDARD).frame.row(0, named=True)
    assert stay["weight_asked"] == 20_000.0
    assert stay["within_reach"] == pytest.approx((algebra["within_reach"] + reading["within_reach"]) / 2)
    for name in STANDARD.at("enrolment").names:
        value = stay[name]
        assert value is None or STANDARD[name].range[0] <= value <= STANDARD[name].range[1], name


# -- skills -----------------------------------------------------------------------------------------------------------


def test_a_level_weighs_evidence_by_its_age_and_is_drawn_to_one_half() -> None:
    # Ratios: .8 and 60 days ago (weight 2), .5 and 41 (4), .6 and 4 (8): .6 on average, over three occasions.
    found = known("ana", unit="skill")
    assert some(found, "skill_weight", "skill_weighed") == (14.0, 3.0)
    assert found["skill_mastery"] == pytest.approx((3 * 0.6 + 1) / 5)
    old = known("ana", END, "skill")
    assert old["skill_mastery"] != found["skill_mastery"]
    assert known("leo", unit="skill")["skill_mastery"] is not None


def prerequisites(student: str, edges: list[tuple[str, str]], **scores: list[float]) -> tuple[float | None, ...]:
    """What is known of the skills before ratios, from scores in June of some skills."""
    frames = example_school.tables()
    frames["skill_prerequisites"] = pl.DataFrame(edges, schema=["skill_id", "prerequisite_id"], orient="row")
    rows = [
        {"student_id": student, "enrolment_id": f"{student}-spring", "section_id": "algebra-spring", "skill_id": skill,
         "evidence_id": f"{skill}-{at}", "occurred_on": date(2026, 6, 1), "score_share": score}
        for skill, found in scores.items() for at, score in enumerate(found)
    ]  # fmt: skip
    frames["skill_results"] = frames["skill_results"].filter(pl.col("skill_id") == "ratios")
    records = example_school.records(plus(frames, "skill_results", *rows))
    found = known(student, unit="skill", records=records)
    asked = cohort.on_dates(records, [TODAY], "skill")
    together = pipeline.build(records, asked, STANDARD).frame.filter(student_id=student, skill_id="ratios")
    names = ("skill_prereqs_seen", "skill_prereq_gaps", "skill_prereqs_secure")
    assert some(found, *names) == tuple(together.select(names).row(0))
    return some(found, *names)


@pytest.mark.full
def test_skills_before_a_skill_are_found_directly_and_through_others() -> None:
    chain = [("ratios", "fractions"), ("fractions", "counting"), ("counting", "adding"), ("other", "naming")]
    assert prerequisites("ana", chain, adding=[0.2, 0.3], naming=[0.1, 0.1]) == (1.0, 1.0, 0.0)
    both = {"fractions": [0.9, 0.8], "counting": [0.8, 0.79], "adding": [1.0]}
    # Fractions are secure; counting is neither (.6475); adding was shown once, and well.
    assert prerequisites("ana", chain, **both) == (3.0, 0.0, 1.0)
    assert prerequisites("ana", chain) == (0.0, 0.0, 0.0)


def test_a_circle_of_skills_ends_and_a_skill_is_not_before_itself() -> None:
    circle = [("ratios", "fractions"), ("fractions", "counting"), ("counting", "ratios"), ("ratios", "ratios")]
    assert prerequisites("ana", circle, fractions=[0.1], counting=[0.1]) == (2.0, 2.0, 0.0)


# -- the way through school -------------------------------------------------------------------------------------------


def test_the_year_before_and_the_beginning_of_this_one() -> None:
    ana, kim = known("ana"), known("kim")
    spring = example_school.tables()["attendance"].filter(
        pl.col("enrolment_id") == "ana-spring", pl.col("mode") != "home_or_hospital"
    )
    assert ana["last_year_days"] == 105.0  # the weekdays from 2 February to 26 June
    assert ana["absence_rate_last_year"] == pytest.approx(spring["absent_share"].sum() / 105)
    assert some(ana, "days_enrolled", "days_before_entry", "mid_year_entry", "schools_3y") == (47.0, 0.0, 0.0, 1.0)
    # Kim came on 12 October, from a school whose calendar is not known.
    assert some(kim, "days_enrolled", "days_before_entry", "mid_year_entry", "schools_3y") == (19.0, 28.0, 1.0, 2.0)
    assert kim["absence_rate_last_year"] is None
    assert some(known("dee"), "repeats_grade", "grade_level") == (1.0, 9.0)
    assert some(ana, "repeats_grade", "grade_level") == (0.0, 9.0)


def test_a_year_that_ended_early_counts_to_its_exit_and_one_long_ago_not_at_all() -> None:
    # Cal left on 1 April: 43 weekdays.
    assert known("cal")["last_year_days"] == 43.0
    frames = example_school.tables()
    old = pl.when(pl.col("term_id") == "spring").then(pl.lit(date(2025, 10, 8))).otherwise("planned_end_on")
    frames["enrolments"] = frames["enrolments"].with_columns(planned_end_on=old)
    assert known("ana", records=example_school.records(frames))["last_year_days"] == 0.0


# -- access at home ---------------------------------------------------------------------------------------------------


def test_the_latest_record_tells_whether_a_student_can_be_online_and_hides_activity_where_not() -> None:
    online = [one.name for one in STANDARD if one.concept == HIDDEN and one.kind != "relative"]
    before, after = known("eli"), known("eli", END)
    assert (before["engagement_possible"], after["engagement_possible"]) == (1.0, 0.0)
    assert before["actions_all"] > 0
    assert all(after[name] is None for name in online)
    assert some(known("ana", END), "engagement_possible") == (1.0,)
    assert known("ben")["engagement_possible"] == 1.0  # nothing is recorded
    possible = STANDARD["engagement_possible"]
    assert (possible.model_input, possible.said) == (False, False)

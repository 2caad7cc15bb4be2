"""How many left a class: known of the whole class, kept with its norms, and read from there for a student alone."""

from __future__ import annotations

import math
from datetime import date

import example_school
import polars as pl
import pytest
from example_school import TODAY

from features import cohort, pipeline
from features.norms import Norms
from features.pipeline import FeatureTable
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import Grain

LEFT, LEAVING = "class_left_56d", "class_leaving_56d"


def built(records: SchoolRecords, day: date, unit: Grain = "section", norms: Norms | None = None) -> FeatureTable:
    return pipeline.build(records, cohort.on_dates(records, [day], unit), STANDARD, norms, 14)


@pytest.mark.parametrize("unit", ["section", "enrolment"])
def test_leo_counts_from_the_day_he_leaves_for_eight_weeks(school: SchoolRecords, unit: Grain) -> None:
    days = {date(2026, 10, 14): 0, date(2026, 10, 15): 1, date(2026, 12, 9): 1, date(2026, 12, 10): 0}
    for day, left in days.items():
        found = built(school, day, unit).frame
        there = found["student_id"].n_unique()
        assert found[LEFT].unique().to_list() == [pytest.approx(left / (there + left))], day
        assert found[LEAVING][0] == math.log(left + 1) - math.log(there + 19)


def test_whoever_stayed_to_the_planned_end_has_not_left() -> None:
    frames = example_school.tables()
    ends = frames["enrolments"].filter(enrolment_id="leo-autumn")["planned_end_on"][0]
    late = frames["exits"].with_columns(exited_on=ends)
    stayed = built(example_school.records({**frames, "exits": late}), date(2026, 12, 18)).frame[LEFT]
    assert stayed.unique().to_list() == [0.0]


def test_a_student_alone_has_what_the_norms_tell_of_the_class_and_nothing_without_them(school: SchoolRecords) -> None:
    whole = built(school, TODAY)
    again = built(school, TODAY, norms=whole.norms)
    assert again.frame[LEAVING].equals(whole.frame[LEAVING])
    assert built(school, TODAY, norms=Norms.none()).frame[LEAVING].null_count() == len(whole)


def test_of_a_class_of_fewer_than_ten_nothing_is_told() -> None:
    frames = example_school.tables()
    few = list(example_school.STUDENTS[:8])
    small = {name: frame.filter(pl.col("student_id").is_in(few)) if "student_id" in frame.columns else frame
             for name, frame in frames.items()}  # fmt: skip
    found = built(example_school.records(small), TODAY)
    assert len(found) > 0
    assert found.frame[LEAVING].null_count() == len(found)

"""A better last answer never speaks against a student, in the model of skill gaps of a school's records either."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import example_school
import polars as pl
import pytest

from features import pipeline
from features.cohort import on_dates
from features.records import SchoolRecords
from features.standard import STANDARD

if TYPE_CHECKING:
    from training.train import Result

DAY = date(2026, 4, 1)


def test_every_input_that_follows_scores_on_skills_has_a_direction() -> None:
    followed = [one for one in STANDARD if one.concept == "skills" and one.model_input]
    assert {one.name for one in followed if not one.monotone} == {"skill_occasions", "skill_days_since"}


def _with_last(share: float) -> SchoolRecords:
    """The large school, whose students all reached a share of the best in their last work on the skill before the day."""
    frames = example_school.large_school()
    earlier = pl.col("occurred_on") <= DAY
    last = earlier & (pl.col("occurred_on") == pl.col("occurred_on").filter(earlier).max().over("student_id", "skill_id"))
    score = pl.when(last).then(share).otherwise("score_share")
    return SchoolRecords.from_frames({**frames, "skill_results": frames["skill_results"].with_columns(score_share=score)})


@pytest.mark.full
def test_a_better_last_answer_never_raises_the_chance_of_falling_below_the_mark(
    results: Mapping[str, Result], large_records: SchoolRecords
) -> None:
    model = results["learning_gap"].model
    norms = pipeline.build(large_records, on_dates(large_records, [DAY], "skill"), model.catalog).norms
    said = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        records = _with_last(share)
        table = pipeline.build(records, on_dates(records, [DAY], "skill"), model.catalog, norms)
        said.append(model.trees.raw(table.matrix()))
    for worse, better in pairwise(said):
        assert (better <= worse).all()
    assert (said[-1] < said[0]).mean() > 0.9

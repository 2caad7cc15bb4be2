"""The simple lists that a model must beat."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from training.baselines import BASELINES, Sample

RNG = np.random.default_rng(0)


def sample(rows: int = 80, *, school: bool = False, **columns: object) -> Sample:
    label = (np.arange(rows) % 4 == 0).astype(np.int8)
    frame = pl.DataFrame(
        {
            "course_id": ["a", "b"] * (rows // 2),
            "missing_56d": np.where(label, 2.0, 0.0),
            "days_since_active": np.where(label, 20.0, 1.0),
            "mark_mean": np.where(label, 30.0, 80.0),
            "mark_latest": np.where(label, 20.0, 70.0),
            **({"absence_rate": np.where(label, 0.2, 0.01)} if school else {}),
        }
    ).with_columns(
        **{name: pl.lit(value) if not isinstance(value, list) else pl.Series(value) for name, value in columns.items()}
    )
    matrix = np.column_stack(
        [label + RNG.normal(0, 0.3, rows), np.where(np.arange(rows) % 7, label, np.nan), np.full(rows, np.nan)]
    )
    return Sample(frame, matrix, label)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_fits_and_scores_other_rows_higher_is_more_concern(name: str) -> None:
    school = bool(BASELINES[name].needs)
    score = BASELINES[name].fit(sample(school=school))(sample(40, school=school))
    assert score.shape == (40,)
    assert np.isfinite(score).all()
    if name != "course_average":
        label = sample(40).label
        assert score[label == 1].mean() > score[label == 0].mean()
    assert BASELINES[name].says


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_scores_rows_of_which_nothing_is_known(name: str) -> None:
    unknown = sample(
        4, course_id="never seen", **dict.fromkeys(("missing_56d", "days_since_active", "mark_mean", "mark_latest"))
    )
    blank = Sample(unknown.frame.cast({"mark_mean": pl.Float64, "mark_latest": pl.Float64, "missing_56d": pl.Float64,
                                       "days_since_active": pl.Float64}), np.full((4, 3), np.nan), unknown.label)  # fmt: skip
    score = BASELINES[name].fit(sample())(blank)
    assert np.isfinite(score).all()
    assert len(set(score)) == 1


def test_the_rule_counts_one_point_for_each_flag() -> None:
    rows = sample(
        4, missing_56d=[0.0, 1.0, 1.0, 3.0], days_since_active=[14.0, 0.0, 15.0, None], mark_mean=[50.0, None, 80.0, 49.0]
    )
    assert BASELINES["rule"].fit(sample())(rows).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_course_never_seen_gets_the_overall_share() -> None:
    train = sample()
    scored = BASELINES["course_average"].fit(train)(sample(4, course_id=["a", "b", "c", "a"]))
    share = {course: float(train.label[train.frame["course_id"].to_numpy() == course].mean()) for course in ("a", "b")}
    assert scored.tolist() == [share["a"], share["b"], float(train.label.mean()), share["a"]]


def test_the_previous_mark_puts_an_unknown_mark_in_the_middle() -> None:
    train = sample(4, mark_latest=[10.0, 20.0, 90.0, None])
    assert BASELINES["previous_mark"].fit(train)(train).tolist() == [-10.0, -20.0, -90.0, -20.0]
    nothing = sample(4, mark_latest=[None, None, None, None])
    blank = Sample(nothing.frame.cast({"mark_latest": pl.Float64}), nothing.matrix, nothing.label)
    assert BASELINES["previous_mark"].fit(blank)(blank).tolist() == [0.0] * 4


def test_a_rule_over_features_that_are_not_there_flags_only_what_is_absent() -> None:
    bare = Sample(pl.DataFrame({"course_id": ["a"] * 4}), np.zeros((4, 1)), np.zeros(4, np.int8))
    assert BASELINES["rule"].fit(bare)(bare).tolist() == [1.0] * 4, "no activity known, and nothing else"


def test_at_a_school_the_rule_is_attendance_behaviour_and_core_classes() -> None:
    rows = sample(4, absence_rate=[0.09, 0.1, 0.3, None], core_classes_below_60=[0.0, 0.0, 2.0, 1.0],
                  exclusion_days=[0.0, 0.0, 1.0, None])  # fmt: skip
    assert BASELINES["rule"].fit(sample())(rows).tolist() == [0.0, 1.0, 3.0, 1.0]

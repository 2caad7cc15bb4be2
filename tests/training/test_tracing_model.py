"""The model of a log: it ranks better than its baselines, never thinks less of a right answer, and judges only strangers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
import response_logs

from features.problems import NotFound, Refused
from features.responses import ResponseLog
from features.tracing import FACTS
from training.evaluate import auc
from training.tracing import TracingResult, _sides, evaluated, next_responses, train_log
from training.tracing_baselines import BASELINES
from training.tracing_judgement import by_position, compared, measure
from training.tracing_model import DIRECTIONS, Line, TracingModel


@cache
def log() -> ResponseLog:
    with TemporaryDirectory() as folder:
        return response_logs.of(response_logs.frame(students=120), Path(folder))


@cache
def trained() -> TracingResult:
    return train_log(log(), trees=40)


# -- figures ------------------------------------------------------------------------------------------------------------


def test_figures_are_those_done_by_hand() -> None:
    right, chance = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.9, 0.6, 0.6, 0.4])
    found = measure(right, chance)
    assert found.auc == auc(right, chance) == 0.5  # of three pairs one is won, one lost and one level
    assert found.accuracy == 0.5
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.16 + 0.36) / 4)
    assert found.rmse == pytest.approx(found.brier**0.5)
    assert auc(np.ones(3), chance[:3]) is None


def test_probabilities_that_are_frequencies_have_a_slope_of_one() -> None:
    chance = np.random.default_rng(1).uniform(0.05, 0.95, 20_000)
    right = (np.random.default_rng(2).random(20_000) < chance).astype(float)
    found = measure(right, chance)
    assert found.slope == pytest.approx(1.0, abs=0.06)
    assert found.ece < 0.015
    rows = by_position(right, chance, np.arange(20_000) % 300)
    assert sum(row["responses"] for row in rows) == 20_000


def test_the_interval_of_a_gain_is_over_students() -> None:
    rng = np.random.default_rng(3)
    right = rng.integers(0, 2, 2_000).astype(float)
    score = right + rng.normal(0, 1, 2_000)
    gain, low, high = compared(right, score, rng.normal(0, 1, 2_000), np.arange(2_000) // 20)
    assert low < gain < high
    assert low > 0
    assert compared(right, score, score, np.arange(2_000) // 20) == (0.0, 0.0, 0.0)


# -- who judges -----------------------------------------------------------------------------------------------------------


def test_nobody_is_on_both_sides_where_the_log_does_not_say_who_judges() -> None:
    (sides,) = _sides(log(), folds=False)
    assert not set(log().student[sides.learn]) & set(log().student[sides.judge])
    assert sides.learn.sum() + sides.judge.sum() == len(log())


def test_a_given_split_is_kept_and_what_a_judged_student_gave_beside_it_teaches_nothing() -> None:
    by_student = replace(log(), part=(log().student % 4 == 0).astype(np.int64))
    (sides,) = _sides(by_student, folds=False)
    assert np.array_equal(sides.judge, by_student.part == 1)
    assert sides.disjoint
    some = replace(log(), part=((log().student % 4 == 0) & (log().position > 3)).astype(np.int64))
    (sides,) = _sides(some, folds=False)
    assert not set(log().student[sides.learn]) & set(log().student[sides.judge])
    late = replace(log(), part=(log().position > 10).astype(np.int64))
    (sides,) = _sides(late, folds=False)
    assert not sides.disjoint
    assert "on both sides" in sides.says


def test_given_folds_judge_in_turn() -> None:
    rounds = _sides(replace(log(), part=log().student % 3), folds=True)
    assert sum(int(sides.judge.sum()) for sides in rounds) == len(log())
    assert all(not set(log().student[sides.learn]) & set(log().student[sides.judge]) for sides in rounds)


def test_too_few_students_teach_nothing() -> None:
    with pytest.raises(Refused, match="students to be judged on"):
        train_log(log().take(log().student < 12))


# -- the model ------------------------------------------------------------------------------------------------------------


def test_the_weights_of_the_line_have_the_signs_that_are_declared() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(0, 1, (3_000, len(FACTS))).astype(np.float32)
    against = (matrix * -np.array(DIRECTIONS)).sum(axis=1) > 0  # everything speaks against what is declared
    line = Line.fit(matrix, against.astype(float))
    assert (line.weight * np.array(DIRECTIONS) >= 0).all()
    assert np.allclose(line.weight[np.array(DIRECTIONS) != 0], 0)


@pytest.mark.full
def test_a_model_beats_what_it_must_and_says_what_it_was_judged_on() -> None:
    found = trained()
    assert found.metrics.auc is not None
    assert set(found.baselines) == set(BASELINES)
    for name in ("skill_mean", "item_mean", "pfa"):
        assert found.metrics.auc > (found.baselines[name].auc or 1)
    # The log is made as that regression has it; on so few responses its own form cannot be beaten by much.
    assert found.metrics.auc > (found.baselines["best_lr"].auc or 1) - 0.01
    assert found.metrics.ece < 0.05
    assert found.judged.height == found.metrics.responses == found.model.card["test"]["responses"]
    assert found.model.card["user_disjoint"]
    low, high = found.model.card["metrics_interval"]["auc"]
    assert low < found.metrics.auc < high
    students = set(found.judged["student_id"])
    assert len(students) == found.model.card["test"]["students"]


@pytest.mark.full
def test_a_right_answer_in_place_of_a_wrong_one_never_lowers_an_estimate() -> None:
    model, rng = trained().model, np.random.default_rng(5)
    rose = 0
    for student in range(60):
        first, end = log().begins[student], log().begins[student + 1]
        last = int(rng.integers(first, end - 1))
        said = []
        for right in (0.0, 1.0):
            trace = model.student()
            for at in range(first, last + 1):
                skills = log().tag[log().tag_from[at] : log().tag_from[at + 1]].tolist()
                trace.after(skills, right if at == last else log().right[at], int(log().item[at]), log().order[at])
            said.append([model.next(trace, [skill]) for skill in log().skills]
                        + [model.next(trace, [log().skills[one] for one in skills], log().items[log().item[at]])])  # fmt: skip
        assert all(good >= bad for bad, good in zip(*said, strict=True))
        rose += said[1][-1] > said[0][-1]
    assert rose > 50


@pytest.mark.full
def test_a_model_says_the_same_after_it_was_written_and_of_one_student_as_of_all(tmp_path: Path) -> None:
    model = trained().model
    model.write(tmp_path / "m")
    again = TracingModel.read(tmp_path / "m")
    chances = model.chances(log())
    assert np.array_equal(again.chances(log()), chances)
    trace = again.student()
    for at in range(log().begins[5], log().begins[6]):
        skills = log().tag[log().tag_from[at] : log().tag_from[at + 1]].tolist()
        names = [log().skills[one] for one in skills]
        assert again.next(trace, names, log().items[log().item[at]], log().order[at]) == pytest.approx(chances[at], abs=1e-12)
        trace.after(skills, log().right[at], int(log().item[at]), log().order[at],
                    [log().beside["seconds"][at], np.nan, log().beside["hints"][at]])  # fmt: skip
    with pytest.raises(NotFound):
        again.next(trace, ["no such skill"])
    (tmp_path / "m" / "alone.txt").write_text("cut")
    with pytest.raises(Refused):
        TracingModel.read(tmp_path / "m")
    with pytest.raises(NotFound):
        TracingModel.read(tmp_path / "none")


@pytest.mark.full
def test_another_log_is_judged_by_a_model_and_what_comes_next_is_listed() -> None:
    with TemporaryDirectory() as folder:
        other = response_logs.of(response_logs.frame(students=40, seed=9), Path(folder))
    figures, students = evaluated(trained().model, other)
    assert (figures.responses, students) == (len(other), 40)
    from datetime import date

    listed = next_responses(trained().model, other, date(2026, 11, 13))
    assert listed.height == len(np.unique(other.student[other.owner] * 100 + other.tag))
    assert listed["probability"].is_between(0, 1).all()
    assert listed["practised"].sum() == len(other.tag)
    one = listed.filter(pl.col("student_id") == other.students[0])
    assert (one["right"] <= one["practised"]).all()


@pytest.mark.full
def test_from_answers_exchanged_among_responses_nothing_is_learned() -> None:
    turned = replace(log(), right=np.random.default_rng(4).permutation(log().right))
    found = train_log(turned, trees=10, earlier_only=True)
    assert found.metrics.auc == pytest.approx(0.5, abs=0.05)
    assert not found.passed_gate
    assert "earlier responses alone" in found.model.card["difficulty"]


@pytest.mark.full
def test_copies_that_are_not_joined_look_like_knowledge(tmp_path: Path) -> None:
    made = response_logs.frame(students=60).sort("user_id", "order_id", "skill_id")
    twice = made.filter(~pl.col("problem_id").str.contains("-[03]")).with_columns(skill_id=pl.lit("skill 9"))
    copied = pl.concat([made, twice]).sort("user_id", "order_id")
    joined = train_log(response_logs.of(copied, tmp_path), trees=10)
    number = pl.int_range(pl.len())
    numbered = copied.with_columns(order_id=number, problem_id=pl.format("{}.{}", "problem_id", number))
    leaking = train_log(response_logs.of(numbered, tmp_path, copies={"join": False}), trees=10)
    assert (leaking.metrics.auc or 0) > (joined.metrics.auc or 0) + 0.05

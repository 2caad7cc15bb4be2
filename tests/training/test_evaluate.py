"""How good a list is, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import evaluate
from training.evaluate import Gain, Metrics

#: Ten students on each of two days. The list holds the first three of a day.
SCORE = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 5, 5, 5, 4, 4, 3, 3, 2, 2, 1], dtype=np.float64)
LABEL = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0], dtype=np.int8)
DAY = np.repeat([0, 28], 10)
TIE = np.linspace(0.9, 0, 20)
CAPACITY = 0.3


def measured(order: npt.NDArray[Any] | None = None, chance: npt.NDArray[Any] | None = None) -> Metrics:
    at = np.arange(20) if order is None else order
    given = None if chance is None else chance[at]
    return evaluate.measure(SCORE[at], LABEL[at], DAY[at], TIE[at], CAPACITY, given)


def test_precision_and_recall_at_capacity_by_hand() -> None:
    found = measured()
    # Day 0 lists the first three (two of three right); day 28 the three fives (two right). Six outcomes in all.
    assert found.precision_at_capacity == pytest.approx(4 / 6)
    assert found.recall_at_capacity == pytest.approx(4 / 6)
    assert (found.rows, found.positives) == (20, 6)
    assert found.brier is found.ece is None


def test_days_are_never_mixed_when_a_list_is_cut() -> None:
    chosen = evaluate.on_list(SCORE + 100 * (DAY == 0), DAY, TIE, CAPACITY)
    assert [int(chosen[day == DAY].sum()) for day in (0, 28)] == [3, 3]


@pytest.mark.parametrize(
    ("capacity", "students", "room"), [(0.1, 70, 7), (0.1, 71, 8), (0.1, 3, 1), (0.07, 100, 7), (0.29, 100, 29), (1.0, 9, 9)]
)
def test_a_list_holds_its_share_of_the_students_rounded_up(capacity: float, students: int, room: int) -> None:
    """0.1 * 70 is 7.000000000000001 in floating point, and a tenth of seventy is seven."""
    zeros = np.zeros(students)
    assert evaluate.on_list(zeros, zeros, np.arange(students) / students, capacity).sum() == room


def test_ties_at_the_line_are_cut_by_the_fixed_number_and_not_by_row_order() -> None:
    rng = np.random.default_rng(0)
    score, tie = np.zeros(50), evaluate.ties([f"s{at}" for at in range(50)])
    chosen = set(np.flatnonzero(evaluate.on_list(score, np.zeros(50), tie, 0.2)))
    assert chosen == set(np.argsort(tie)[:10])
    for _ in range(5):
        at = rng.permutation(50)
        again = evaluate.on_list(score[at], np.zeros(50), tie[at], 0.2)
        assert set(at[again]) == chosen


@pytest.mark.full
@given(st.permutations(range(20)))
def test_no_figure_depends_on_the_order_of_the_rows(order: list[int]) -> None:
    chance = (SCORE + TIE) / 11
    assert measured(np.array(order), chance).as_dict() == measured(None, chance).as_dict()


def test_a_unit_has_the_same_tie_breaker_everywhere() -> None:
    found = evaluate.ties(["b", "a", "b"])
    assert found[0] == found[2] == evaluate.ties(["b"])[0]
    assert ((found >= 0) & (found < 1)).all()


def test_auc_brier_and_calibration_error_by_hand() -> None:
    score = np.array([0.1, 0.4, 0.35, 0.8])
    label = np.array([0, 0, 1, 1], dtype=np.int8)
    found = evaluate.measure(score, label, np.zeros(4), np.arange(4) / 4, 0.5, score)
    assert found.auc == 0.75
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.brier == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    # Groups of one: .1 against 0, .35 against 1, .4 against 0, .8 against 1.
    assert found.ece == pytest.approx((0.1 + 0.65 + 0.4 + 0.2) / 4)
    # Two groups of two: mean .225 against 1/2, and .6 against 1/2.
    assert evaluate.calibration_error(score, label, 2) == pytest.approx((2 * 0.275 + 2 * 0.1) / 4)


def test_the_first_of_a_list_are_those_of_each_day_whatever_its_size() -> None:
    found = evaluate.measure(SCORE, LABEL, DAY, TIE, CAPACITY, first=1)
    # Day 0 begins with a nine that had it, day 28 with the five of the lowest tie-breaker, which had it not.
    assert (found.precision_at_first, found.recall_at_first) == (0.5, pytest.approx(1 / 6))
    assert evaluate.measure(SCORE, LABEL, DAY, TIE, CAPACITY, first=50).recall_at_first == 1


#: Probabilities that are frequencies, in many groups of a thousand.
FREQUENCY = np.repeat(np.linspace(0.05, 0.95, 19), 1000)
HAPPENED = np.concatenate([np.arange(1000) < round(1000 * one) for one in np.linspace(0.05, 0.95, 19)]).astype(np.int8)


def test_probabilities_that_are_frequencies_have_slope_one_and_intercept_nought() -> None:
    slope, intercept = evaluate.calibration_line(FREQUENCY, HAPPENED)
    assert (slope, intercept) == (pytest.approx(1, abs=1e-3), pytest.approx(0, abs=1e-3))
    curve = evaluate.calibration_curve(FREQUENCY, HAPPENED, 19)
    assert [one["probability"] for one in curve] == pytest.approx([one["share"] for one in curve])


@pytest.mark.parametrize(("steeper", "higher"), [(2.0, 0.0), (0.5, 0.0), (1.0, 0.7), (1.5, -0.4)])
def test_slope_and_intercept_tell_a_known_distortion(steeper: float, higher: float) -> None:
    """Log-odds made steeper by a factor are corrected by its inverse, and made higher by a shift by its opposite."""
    distorted = 1 / (1 + np.exp(-(steeper * evaluate.log_odds(FREQUENCY) + higher)))
    slope, intercept = evaluate.calibration_line(distorted, HAPPENED)
    assert slope == pytest.approx(1 / steeper, abs=1e-3)
    if steeper == 1:
        assert intercept == pytest.approx(-higher, abs=1e-3)
    assert (intercept > 0.05, intercept < -0.05) == (higher < 0, higher > 0)


def test_where_there_is_one_outcome_only_there_is_nothing_to_tell_apart() -> None:
    found = evaluate.measure(np.arange(3.0), np.zeros(3, np.int8), np.zeros(3), np.zeros(3), 0.5)
    assert (found.auc, found.average_precision, found.recall_at_capacity) == (None, None, None)
    assert found.precision_at_capacity == 0
    assert measured().as_dict()["auc"] == round(measured().auc or 0, 6)


# -- gains ------------------------------------------------------------------------------------------------------------

PEOPLE = 600
RNG = np.random.default_rng(2)
TRUTH = (RNG.random(PEOPLE) < 0.2).astype(np.int8)
UNITS = [f"p{at}" for at in range(PEOPLE)] * 2
BOTH = np.concatenate([TRUTH, TRUTH])
WHEN = np.repeat([0, 14], PEOPLE)
GOOD = np.concatenate([TRUTH + RNG.normal(0, 0.5, PEOPLE), TRUTH + RNG.normal(0, 0.4, PEOPLE)])
NOISE = RNG.normal(0, 1, 2 * PEOPLE)


def gain(score: npt.NDArray[Any], other: npt.NDArray[Any], draws: int = 300) -> Gain:
    (found,) = evaluate.gains(score, {"other": other}, BOTH, WHEN, UNITS, 0.1, draws, 5)
    return found


def test_a_clearly_better_list_gains_above_zero() -> None:
    found = gain(GOOD, NOISE)
    assert found.beaten
    assert 0 < found.low <= found.gain <= found.high
    recall = [evaluate.measure(score, BOTH, WHEN, evaluate.ties(UNITS), 0.1).recall_at_capacity or 0 for score in (GOOD, NOISE)]
    assert found.gain == pytest.approx(recall[0] - recall[1])


def test_the_same_list_gains_nothing_and_a_worse_one_less() -> None:
    assert gain(GOOD, GOOD) == Gain("other", 0.0, 0.0, 0.0)
    assert not gain(GOOD, GOOD).beaten
    worse = gain(NOISE, GOOD)
    assert worse.high < 0
    assert not worse.beaten


def test_two_lists_of_the_same_worth_differ_by_an_interval_around_zero() -> None:
    other = np.concatenate([TRUTH + np.random.default_rng(9).normal(0, 0.45, PEOPLE)] * 2)
    found = gain(GOOD, other)
    assert found.low < 0 < found.high
    assert not found.beaten


def test_a_student_is_drawn_with_all_rows_so_more_days_make_an_interval_no_narrower() -> None:
    one, other = GOOD[:PEOPLE], NOISE[:PEOPLE]
    (single,) = evaluate.gains(one, {"o": other}, TRUTH, np.zeros(PEOPLE), UNITS[:PEOPLE], 0.1, 400, 5)
    five = [np.tile(part, 5) for part in (one, other, TRUTH)]
    (many,) = evaluate.gains(five[0], {"o": five[1]}, five[2], np.repeat(range(5), PEOPLE), UNITS[:PEOPLE] * 5, 0.1, 400, 5)
    assert many.high - many.low == pytest.approx(single.high - single.low, rel=0.02)


def test_a_bootstrap_is_the_same_when_done_again() -> None:
    assert gain(GOOD, NOISE, 50) == gain(GOOD, NOISE, 50)

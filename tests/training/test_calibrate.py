"""From a score to a frequency of the past."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import calibrate
from training.calibrate import GROUPS, LEAST_STUDENTS, WIDEST, Calibration

RNG = np.random.default_rng(1)
RAW = RNG.normal(0, 2, 4000)
LABEL = (RNG.random(4000) < 1 / (1 + np.exp(-(0.7 * RAW - 1)))).astype(np.int8)
UNITS = [f"s{at}" for at in range(4000)]
FITTED = calibrate.fit(RAW, LABEL, UNITS)


def test_the_line_that_made_the_labels_is_found_again() -> None:
    assert FITTED.slope == pytest.approx(0.7, abs=0.08)
    assert FITTED.intercept == pytest.approx(-1, abs=0.12)
    assert FITTED.probability(RAW).mean() == pytest.approx(LABEL.mean(), abs=1e-4)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=30))
def test_a_higher_score_never_has_a_lower_probability(raw: list[float]) -> None:
    found = FITTED.probability(np.array(sorted(raw)))
    assert (np.diff(found) >= 0).all()
    assert ((found > 0) & (found < 1)).all()


@given(st.floats(0, 1))
def test_an_interval_holds_its_probability(chance: float) -> None:
    low, high = FITTED.interval(chance)
    assert 0 <= low <= chance <= high <= 1


def test_every_student_is_in_one_group_and_the_outcomes_add_up() -> None:
    assert sum(one.students for one in FITTED.patterns) == len(RAW)
    assert sum(one.happened for one in FITTED.patterns) == LABEL.sum()
    assert len(FITTED.patterns) >= len(GROUPS)
    edges = [one.least for one in FITTED.patterns]
    assert edges == sorted(edges)
    assert edges[0] == 0
    for chance in FITTED.probability(RAW[:50]):
        group = FITTED.pattern(float(chance))
        assert group.least <= chance
        assert group == [one for one in FITTED.patterns if one.least <= chance][-1]


def test_of_an_outcome_that_few_have_no_group_reaches_far_unless_its_half_would_hold_too_few() -> None:
    raw = np.random.default_rng(2).normal(-4, 1.5, 20_000)
    label = (np.random.default_rng(3).random(raw.size) < 1 / (1 + np.exp(-raw))).astype(np.int8)
    found = calibrate.fit(raw, label, [f"s{at}" for at in range(raw.size)])
    chance = found.probability(raw)
    edges = [one.least for one in found.patterns]
    least, below = np.array(edges), np.array([*edges[1:], 1.0])
    assert max(np.quantile(chance, 0.98), 0.1) < edges[-1]
    for low, high in zip(least, below, strict=True):
        mine = chance[(chance >= low) & (chance < high)]
        assert mine.max() - low <= WIDEST + 1e-9 or mine.size < 2 * LEAST_STUDENTS
    assert min(one.students for one in found.patterns) >= LEAST_STUDENTS


def test_frequencies_of_groups_grow_with_their_probability_on_honest_scores() -> None:
    shares = [one.share for one in FITTED.patterns]
    assert np.corrcoef(shares, range(len(shares)))[0, 1] > 0.9
    assert all(0 <= one.happened <= one.students for one in FITTED.patterns)


def test_a_student_seen_on_several_days_counts_once_in_a_group() -> None:
    found = calibrate.fit(np.repeat(RAW, 3), np.repeat(LABEL, 3), [unit for unit in UNITS for _ in range(3)])
    assert [(one.students, one.happened) for one in found.patterns] == [(one.students, one.happened) for one in FITTED.patterns]


def test_a_larger_group_has_a_narrower_interval() -> None:
    few, many = (calibrate.fit(RAW[:size], LABEL[:size], UNITS[:size]) for size in (200, 4000))
    (a, b), (c, d) = few.interval(0.5), many.interval(0.5)
    assert d - c < b - a


def test_scores_that_rank_no_better_than_chance_say_the_base_rate_in_the_same_order() -> None:
    found = calibrate.fit(-RAW, LABEL, UNITS)
    chance = found.probability(np.array([-3.0, 0.0, 3.0]))
    assert chance == pytest.approx([LABEL.mean()] * 3, abs=1e-4)
    assert (np.diff(chance) > 0).all()


def test_a_calibration_is_kept_as_plain_values_bit_for_bit() -> None:
    again = Calibration.from_dict(json.loads(json.dumps(FITTED.as_dict())))
    assert again == FITTED
    assert np.array_equal(again.probability(RAW), FITTED.probability(RAW))


def test_one_value_has_the_same_bits_alone_and_among_many() -> None:
    together = FITTED.probability(RAW[:99])
    assert all(FITTED.probability(RAW[at : at + 1])[0] == together[at] for at in range(99))

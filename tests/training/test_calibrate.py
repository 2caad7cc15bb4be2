"""From a score to a frequency of the past."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import calibrate
from training.calibrate import GROUPS, LEAST_STUDENTS, MOST_SPREAD, WIDEST, Calibration, Shift, Uncertainty

RNG = np.random.default_rng(1)
RAW = RNG.normal(0, 2, 4000)
LABEL = (RNG.random(4000) < 1 / (1 + np.exp(-(0.7 * RAW - 1)))).astype(np.int8)
UNITS = [f"s{at}" for at in range(4000)]
FITTED = calibrate.fit(RAW, LABEL, UNITS)


def shift_of(spread: float) -> Shift:
    return Shift(spread, spread, "terms", 3, 12, 100, 0.6)


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


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, MOST_SPREAD), st.floats(0, 0.25), st.floats(-4, 2), st.integers(20, 400))
def test_a_higher_probability_never_has_a_lower_interval(
    one: float, other: float, spread: float, growth: float, centre: float, students: int
) -> None:
    found = replace(FITTED, uncertainty=Uncertainty(centre, 0.01, growth), shift=shift_of(spread))
    low, high = found.bounds(np.array(sorted((one, other))), students)
    # A bound is a whole number of students, or the probability itself where that lies outside.
    assert low[0] <= low[1] + 1e-12
    assert high[0] <= high[1] + 1e-12
    assert ((low >= 0) & (high <= 1)).all()


def test_from_one_probability_to_the_next_an_interval_moves_by_a_student_of_100() -> None:
    chance = np.linspace(0, 1, 5001)
    for found in (FITTED, replace(FITTED, shift=shift_of(0.5))):
        for bound in found.bounds(chance):
            assert np.diff(bound).max() < 0.011
    low, high = replace(FITTED, uncertainty=None).interval(0.3)
    assert (low, high) == (0.24, 0.36), "what chance alone does among 100: a standard deviation of 4.6, times 1.28"


def test_terms_that_differ_more_have_wider_intervals() -> None:
    widths = [float(np.subtract(*replace(FITTED, shift=shift_of(spread)).interval(0.3)[::-1])) for spread in (0, 0.3, 0.6, 1.2)]
    assert widths == sorted(widths)
    assert widths[-1] > 2 * widths[0]


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
    raw = np.sort(np.random.default_rng(2).normal(-4, 1.5, 20_000))
    # As many of each stretch of scores have the outcome as is likely, so that no group has it less often than a lower one.
    label = np.diff(np.floor(np.cumsum(1 / (1 + np.exp(-raw)))), prepend=0).astype(np.int8)
    found = calibrate.fit(raw, label, [f"s{at}" for at in range(raw.size)])
    chance = found.probability(raw)
    edges = [one.least for one in found.patterns]
    least, below = np.array(edges), np.array([*edges[1:], 1.0])
    assert max(np.quantile(chance, 0.98), 0.1) < edges[-1]
    for low, high in zip(least, below, strict=True):
        mine = chance[(chance >= low) & (chance < high)]
        assert mine.max() - low <= WIDEST + 1e-9 or mine.size < 2 * LEAST_STUDENTS
    assert min(one.students for one in found.patterns) >= LEAST_STUDENTS


def test_a_group_of_higher_probability_never_had_the_outcome_less_often() -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        raw = rng.normal(0, 1, 600)
        label = (rng.random(600) < 1 / (1 + np.exp(-0.3 * raw))).astype(np.int8)
        found = calibrate.fit(raw, label, [f"s{at}" for at in range(600)])
        shares = [one.share for one in found.patterns]
        assert shares == sorted(shares)
        assert len(shares) > 1
        assert sum(one.happened for one in found.patterns) == label.sum()


def test_a_student_seen_on_several_days_counts_once_in_a_group() -> None:
    found = calibrate.fit(np.repeat(RAW, 3), np.repeat(LABEL, 3), [unit for unit in UNITS for _ in range(3)])
    assert [(one.students, one.happened) for one in found.patterns] == [(one.students, one.happened) for one in FITTED.patterns]


def test_a_past_of_more_students_gives_a_narrower_interval() -> None:
    few, many = (calibrate.fit(RAW[:size], LABEL[:size], UNITS[:size]) for size in (60, 4000))
    (a, b), (c, d) = few.interval(0.5), many.interval(0.5)
    assert d - c < b - a


def test_scores_that_rank_no_better_than_chance_say_the_base_rate_in_the_same_order() -> None:
    found = calibrate.fit(-RAW, LABEL, UNITS)
    chance = found.probability(np.array([-3.0, 0.0, 3.0]))
    assert chance == pytest.approx([LABEL.mean()] * 3, abs=1e-4)
    assert (np.diff(chance) > 0).all()


def test_a_calibration_is_kept_as_plain_values_bit_for_bit() -> None:
    for kept in (FITTED, replace(FITTED, shift=shift_of(0.4))):
        again = Calibration.from_dict(json.loads(json.dumps(kept.as_dict())))
        assert again == kept
        assert np.array_equal(again.probability(RAW), kept.probability(RAW))


def test_a_calibration_written_before_terms_were_compared_is_read() -> None:
    old = {key: value for key, value in FITTED.as_dict().items() if key not in ("uncertainty", "shift")}
    again = Calibration.from_dict(json.loads(json.dumps(old)))
    assert np.array_equal(again.probability(RAW), FITTED.probability(RAW))
    assert again.interval(0.3) == (0.24, 0.36)


def test_one_value_has_the_same_bits_alone_and_among_many() -> None:
    together = FITTED.probability(RAW[:99])
    assert all(FITTED.probability(RAW[at : at + 1])[0] == together[at] for at in range(99))
    low, high = FITTED.bounds(together)
    assert all(FITTED.interval(float(one)) == (low[at], high[at]) for at, one in enumerate(together))


# -- what the past leaves open, and how much terms differ ---------------------------------------------------------------


def test_the_uncertainty_is_that_of_the_line_and_counts_a_student_once() -> None:
    """Where the line is right, it is the inverse of what the rows say of it (Fisher's information)."""
    known = FITTED.uncertainty
    assert known is not None
    chance = FITTED.probability(RAW)
    rows = np.column_stack([np.ones(4000), RAW])
    covariance = np.linalg.inv(rows.T @ ((chance * (1 - chance))[:, None] * rows))
    for raw in (-3.0, 0.0, 3.0):
        expected = np.array([1, raw]) @ covariance @ np.array([1, raw])
        found = known.least + known.growth * (FITTED.slope * raw + FITTED.intercept - known.centre) ** 2
        assert found == pytest.approx(expected, rel=0.15)
    thrice = calibrate.fit(np.repeat(RAW, 3), np.repeat(LABEL, 3), [one for one in UNITS for _ in range(3)]).uncertainty
    assert thrice is not None
    assert thrice.least == pytest.approx(known.least, rel=0.01)


def terms(spread: float, places: int, seed: int, each: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return raw scores, labels and places; the log-odds of a place are moved by a draw of this spread."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-0.5, 1, places * each)
    place = np.repeat(np.arange(places), each)
    moved = raw + rng.normal(0, spread, places)[place]
    return raw, (rng.random(raw.size) < 1 / (1 + np.exp(-moved))).astype(np.int8), place


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_how_much_places_differ_is_found_again(spread: float) -> None:
    raw, label, place = terms(spread, 40, 1)
    found = calibrate.shift_between(raw, label, place // 10, place, np.zeros(raw.size), "terms")
    assert found is not None
    assert found.measured == pytest.approx(spread, abs=0.15)
    assert (found.levels, found.places, found.cells) == (4, 40, 80)
    assert found.spread == pytest.approx(found.measured * 1.304 / 1.2816, rel=0.01), "Student's t of 39 degrees"


def test_the_fewer_places_were_compared_the_wider_the_interval() -> None:
    raw, label, place = terms(0.4, 3, 3, each=600)
    found = calibrate.shift_between(raw, label, place, place, np.zeros(raw.size), "courses")
    assert found is not None
    assert found.spread == pytest.approx(min(found.measured * 1.886 / 1.2816, MOST_SPREAD), rel=0.01)


def test_of_one_term_or_too_few_students_nothing_is_said() -> None:
    raw, label, place = terms(0.4, 4, 3)
    same = np.zeros(raw.size)
    assert calibrate.shift_between(raw, label, same, place, same, "terms") is None
    assert calibrate.shift_between(raw[::40], label[::40], place[::40], place[::40], same[::40], "terms") is None
    assert calibrate.shift_between(raw, np.zeros(raw.size, np.int8), place, place, same, "terms") is None

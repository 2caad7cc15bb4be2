"""An expected number and its interval."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.expected import Expected
from training.model import Trees

#: Its interval asks the trees nothing.
NO_TREES = cast("Trees", None)


def draw(size: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return expectations, and numbers that lie further from them the higher they are."""
    rng = np.random.default_rng(seed)
    seen = rng.random(size)
    return seen, np.clip(seen + rng.normal(0, 0.02 + 0.2 * seen), 0, 1)


FITTED = Expected.of(NO_TREES, *draw(2500, 1))


def test_four_of_five_later_numbers_lie_inside_at_low_and_at_high_expectations() -> None:
    seen, truth = draw(4000, 2)
    low, high = FITTED.bounds(seen)
    inside = (low <= truth) & (truth <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    for part in np.array_split(np.argsort(seen), 4):
        assert inside[part].mean() == pytest.approx(0.8, abs=0.06)
    assert (high - low)[seen < 0.2].mean() < (high - low)[seen > 0.6].mean()


def test_of_few_past_numbers_the_interval_is_wider_and_still_holds_four_of_five() -> None:
    """Over many pasts of 60 students, of whom twelve are in each fifth."""
    held = []
    for seed in range(60):
        found = Expected.of(NO_TREES, *draw(60, seed))
        seen, truth = draw(200, 1000 + seed)
        low, high = found.bounds(seen)
        held.append(((low <= truth) & (truth <= high)).mean())
    assert 0.78 < np.mean(held) < 0.86


@given(st.floats(0, 1))
def test_an_interval_holds_its_expectation_and_stays_between_nothing_and_all(value: float) -> None:
    low, high = FITTED.interval(value)
    assert 0 <= low <= value <= high <= 1


def test_an_interval_holds_the_expectation_where_all_expectations_were_too_low() -> None:
    seen = np.linspace(0, 0.5, 100)
    low, high = Expected.of(NO_TREES, seen, seen + 0.3).interval(0.2)
    assert low == 0.2
    assert high == pytest.approx(0.5)


def test_where_many_expect_the_very_least_or_most_there_is_an_interval_for_all() -> None:
    seen = np.concatenate([np.zeros(40), np.linspace(0.1, 0.9, 20), np.ones(40)])
    found = Expected.of(NO_TREES, seen, np.clip(seen + np.tile([-0.1, 0.1], 50), 0, 1))
    assert np.isfinite([*found.low, *found.high]).all()
    assert found.interval(0.0)[1] == pytest.approx(0.1)


def test_one_value_has_the_same_bits_alone_and_among_many() -> None:
    seen, _ = draw(50, 3)
    low, high = FITTED.bounds(seen)
    assert all(FITTED.interval(float(one)) == (low[at], high[at]) for at, one in enumerate(seen))

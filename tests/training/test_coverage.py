"""How often intervals held what came, with and without terms that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from training import calibrate, coverage
from training.calibrate import Calibration

if TYPE_CHECKING:
    from training.train import Result


def draw(places: int, spread: float, seed: int, each: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return raw scores, labels and places; each place has log-odds of its own."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-0.7, 1, places * each)
    place = np.repeat(np.arange(places), each)
    moved = raw + rng.normal(0, spread, places)[place]
    return raw, (rng.random(raw.size) < 1 / (1 + np.exp(-moved))).astype(np.int8), place


@cache
def past(spread: float, seed: int) -> Calibration:
    """Return a calibration of 40 places, that knows how much they differ."""
    raw, label, place = draw(40, spread, seed)
    found = calibrate.fit(raw, label, [str(at) for at in range(raw.size)])
    return replace(found, shift=calibrate.shift_between(raw, label, place % 5, place, np.zeros(raw.size), "terms"))


def share(calibration: Calibration, spread: float, seed: int) -> float:
    raw, label, place = draw(100, spread, seed)
    (found,) = coverage.coverage(
        calibration.probability(raw), calibration.bounds, label, np.full(raw.size, "all"), place
    ).values()
    assert (found.cells, found.left_out, found.rows) == (200, 0, raw.size)
    assert found.share is not None
    return found.share


def test_where_terms_do_not_differ_four_of_five_frequencies_are_held() -> None:
    assert share(past(0.0, 1), 0.0, 2) == pytest.approx(0.8, abs=0.07)


def test_where_terms_differ_an_interval_of_chance_alone_holds_too_few() -> None:
    known = past(0.6, 1)
    assert share(known, 0.6, 2) > 0.7
    assert share(replace(known, shift=None), 0.6, 2) < 0.6


@pytest.mark.full
def test_where_terms_differ_four_of_five_are_held_by_an_interval_that_knows_it() -> None:
    """On average over pasts: 40 places tell how far places lie apart within a sixth or so."""
    assert np.mean([share(past(0.6, seed), 0.6, 9 + seed) for seed in range(8)]) == pytest.approx(0.8, abs=0.05)


def test_a_group_that_is_unlike_the_others_is_held_less_often() -> None:
    raw, label, place = draw(60, 0.0, 5)
    unlike = place < 30
    label = np.where(unlike & (np.random.default_rng(6).random(raw.size) < 0.3), 1, label).astype(np.int8)
    known = past(0.0, 1)
    told = coverage.coverage(known.probability(raw), known.bounds, label, np.where(unlike, "unlike", "like"), place)
    unlike_share, like_share = told["unlike"].share, told["like"].share
    assert unlike_share is not None
    assert like_share is not None
    assert unlike_share < 0.3
    assert like_share > 0.7


def test_a_group_of_too_few_is_counted_and_not_judged() -> None:
    known = past(0.0, 1)
    raw, label, _ = draw(1, 0.0, 7, each=319)
    names = np.array(["many"] * 300 + ["few"] * 19)
    told = coverage.coverage(known.probability(raw), known.bounds, label, names)
    assert (told["few"].cells, told["few"].left_out, told["few"].share, told["few"].mean_width) == (0, 19, None, None)
    assert (told["many"].cells, told["many"].rows) == (3, 300)
    assert told["few"].as_dict()["share"] is None


def test_the_frequency_said_of_100_lies_inside_the_interval_of_nearly_all() -> None:
    known = past(0.0, 1)
    raw, _, _ = draw(20, 0.0, 8)
    assert coverage.agreement(known, known.probability(raw)) > 0.95
    turned = replace(known, patterns=tuple(replace(one, happened=one.students - one.happened) for one in known.patterns))
    assert coverage.agreement(turned, known.probability(raw)) < 0.5


def test_numbers_are_counted_by_group_and_no_share_is_told_of_few() -> None:
    low, high = np.full(50, 0.2), np.full(50, 0.6)
    value = np.where(np.arange(50) % 4 == 0, 0.9, 0.4)
    told = coverage.held(low, high, value, np.where(np.arange(50) < 40, "many", "few"))
    assert told["many"] == {"rows": 40, "share": 0.75, "mean_width": 0.4}
    assert told["few"] == {"rows": 10, "share": None, "mean_width": None}


@pytest.mark.full
def test_a_card_says_what_its_intervals_cover_and_held(results: Mapping[str, Result]) -> None:
    for name, found in results.items():
        told = found.model.card["interval_coverage"]
        assert (told["nominal"], told["of"]) == (0.8, 100)
        assert told["rows"] + told["left_out"] == found.test["rows"]
        assert {one["by"] for one in told["groups"]} == {"score", "day", "place", "seen"}
        for by in ("score", "day"):
            mine = [one for one in told["groups"] if one["by"] == by]
            assert sum(one["rows"] + one["left_out"] for one in mine) == found.test["rows"]
        assert told["past_frequency_inside"] > 0.5, name
        assert told["says"].startswith("Of ")
        assert told["shift"] == found.model.card["calibration"]["shift"]
    told = results["learning_gap"].model.card["expected"]
    assert {one["by"] for one in told["groups"]} == {"expected", "day", "place", "seen"}

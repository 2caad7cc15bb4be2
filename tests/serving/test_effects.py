"""When an effect of a support may be shown: on made students, of whom the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from serving.effects import Estimate, balance, differences, effect_shown, overlap, overlap_ok, weights

DRAWN = Estimate("tutor_hd", 60, 58, "lottery", False, float("nan"), 0.08, 0.02, 0.14, "share of skills secure")
SEEN = replace(DRAWN, design="observed", overlap_ok=True, balance=0.06)


def students(count: int, steep: float, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make students whose need decides the steeper who is offered help: need, chance of the offer, offers, outcomes.

    Help adds .5 to the outcome of everybody, and each unit of need takes 1 away.
    """
    chance = np.random.default_rng(seed)
    need = chance.normal(size=(count, 2))
    propensity = 1 / (1 + np.exp(-steep * need[:, 0]))
    offered = chance.random(count) < propensity
    outcome = 0.5 * offered - need[:, 0] + chance.normal(scale=0.1, size=count)
    return need, propensity, offered, outcome


def test_an_effect_is_shown_from_a_lottery_whatever_was_checked() -> None:
    assert effect_shown(DRAWN).says == "shown"
    assert effect_shown(DRAWN).why is None


def test_an_effect_is_shown_of_what_was_observed_once_both_checks_passed() -> None:
    assert effect_shown(SEEN).says == "shown"


@pytest.mark.parametrize(
    ("estimate", "why"),
    [
        (None, "nothing_compared"),
        (replace(DRAWN, n_control=9), "too_few"),
        (replace(SEEN, n_offered=9), "too_few"),
        (replace(SEEN, overlap_ok=False), "no_overlap"),
        (replace(SEEN, balance=0.1), "not_alike"),
        (replace(SEEN, balance=float("nan")), "not_alike"),
        (replace(DRAWN, low=float("nan")), "no_interval"),
        (replace(SEEN, high=float("inf")), "no_interval"),
        (replace(SEEN, effect=0.2), "no_interval"),
    ],
)
def test_else_it_cannot_be_told_and_the_page_knows_why(estimate: Estimate | None, why: str) -> None:
    verdict = effect_shown(estimate)
    assert (verdict.says, verdict.why) == ("cannot_tell", why)


def test_where_help_goes_to_need_the_two_are_unlike_and_weighting_makes_them_alike() -> None:
    need, propensity, offered, outcome = students(20_000, 1.0)
    before = differences(need, offered, np.ones(len(need)))
    assert before[0] > 0.5
    assert before[1] < 0.05, "what does not decide the offer is alike by itself"
    assert overlap_ok(propensity, offered)
    assert balance(need, offered, propensity) < 0.1
    plain = outcome[offered].mean() - outcome[~offered].mean()
    weight = weights(propensity, offered)
    weighted = outcome[offered].mean() - np.average(outcome[~offered], weights=weight[~offered])
    assert plain < 0, "side by side, help looks as if it did harm"
    assert weighted == pytest.approx(0.5, abs=0.05)


def test_where_need_alone_decides_there_is_nobody_like_those_who_got_it() -> None:
    need, _, _, _ = students(2_000, 1.0)
    offered = need[:, 0] > 0.5
    propensity = 1 / (1 + np.exp(-20 * (need[:, 0] - 0.5)))
    assert overlap(propensity, offered) < 0.2
    assert not overlap_ok(propensity, offered)
    assert balance(need, offered, propensity) > 0.1


def test_a_wrong_model_of_who_was_offered_it_is_found_by_the_balance() -> None:
    need, propensity, offered, _ = students(20_000, 1.0)
    assert balance(need, offered, np.full(len(need), propensity.mean())) > 0.5


def test_one_side_alone_or_a_handful_overlaps_with_nobody() -> None:
    half = np.full(30, 0.5)
    assert overlap(half, np.ones(30, dtype=bool)) == 0
    assert not overlap_ok(half, np.arange(30) < 9)
    assert overlap_ok(half, np.arange(30) < 10)


def test_what_never_varies_is_alike_and_what_only_the_sides_differ_in_is_not() -> None:
    offered = np.arange(20) < 10
    before = np.column_stack([np.ones(20), offered.astype(float)])
    assert differences(before, offered, np.ones(20)).tolist() == [0, np.inf]
    assert balance(before[:, :0], offered, np.full(20, 0.5)) == 0

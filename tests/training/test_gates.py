"""The gates of the audit: limits that can only be tightened, and what counts as evidence that one is passed."""

from __future__ import annotations

import numpy as np
import pytest

from features.problems import Refused
from training import gates as limits
from training.gates import SUMS, Evidence, Gates, Verdict, decided


def verdict(p: float, within: bool = False) -> Verdict:
    return Verdict("recall_ratio", "sex", "female", "list", 0.5, (0.4, 0.6), 0.8, None, within, p)


def evidence(freedom: float = np.inf, **sums: tuple[float, ...]) -> Evidence:
    """Return sums of groups of 400 students, one row each, drawn again as independent students would be."""
    count = len(next(iter(sums.values())))
    plain = {name: np.zeros(count) for name in SUMS} | {"rows": np.full(count, 400.0), "positives": np.full(count, 100.0)}
    plain |= {name: np.array(values, dtype=float) for name, values in sums.items()}
    rng = np.random.default_rng(1)
    drawn = {name: rng.poisson(values, (400, count)).astype(float) for name, values in plain.items()}
    drawn["rows"] = np.maximum(drawn["rows"], drawn["positives"] + 1)
    drawn["hits"] = np.minimum(drawn["hits"], drawn["positives"])
    students = {"rows": plain["rows"], "positives": plain["positives"], "negatives": plain["rows"] - plain["positives"],
                "listed": plain["listed"], "band_listed": plain["band_listed"]}  # fmt: skip
    groups = tuple(f"group {at}" for at in range(count))
    return Evidence("made", groups, plain, drawn, students, np.ones(count, bool), freedom)


def said(found: Evidence, gate: str, settings: Gates | None = None) -> dict[str, Verdict]:
    settings = settings or Gates()
    return {one.group: one for one in decided(limits.tests(found, settings), settings) if one.gate == gate and one.at == "list"}


@pytest.mark.parametrize(
    "told",
    [{"recall_ratio": 0.7}, {"false_positive_difference": 0.06}, {"precision_ratio": 0.5}, {"calibration": 0.1},
     {"not_enough_data_ratio": 2.0}, {"hidden_below": 5}, {"draws": 3}],
)  # fmt: skip
def test_a_limit_cannot_be_loosened(told: dict[str, float]) -> None:
    with pytest.raises(Refused, match=rf"audit\.{next(iter(told))}"):
        Gates(**told)  # type: ignore[arg-type]


def test_every_limit_can_be_tightened_and_all_that_are_loose_are_told_at_once() -> None:
    Gates(recall_ratio=0.9, recall_ratio_low=0.8, false_positive_difference=0.02, precision_ratio=0.9, calibration=0.02)
    with pytest.raises(Refused) as refused:
        Gates(recall_ratio=0.7, calibration=0.2)
    assert len(refused.value.problems) == 2


def test_the_same_evidence_is_an_alarm_alone_and_none_among_a_hundred_others() -> None:
    alone = decided([verdict(0.02)], Gates())[0]
    assert not alone.passed
    assert alone.q == pytest.approx(0.02)
    among = decided([verdict(0.02), *[verdict(0.5)] * 99], Gates())[0]
    assert among.passed
    assert not among.decided, "beyond the limit, and too little to tell"
    assert among.q > 0.05


def test_many_alarms_of_which_few_are_wrong_all_count() -> None:
    """Benjamini and Hochberg's rule: the kth smallest of m counts at k / m of the share that is accepted."""
    found = decided([verdict(p) for p in (0.001, 0.012, 0.024, 0.036, 0.9)], Gates())
    assert [one.passed for one in found] == [False, False, False, False, True]


def test_too_little_to_tell_fails_where_it_was_asked_to() -> None:
    strict = Gates(undecided_fails=True)
    assert not decided([verdict(0.5)], strict)[0].passed
    assert decided([verdict(0.5)], Gates())[0].passed
    assert decided([verdict(0.5, within=True)], strict)[0].passed


def test_a_group_that_is_found_half_as_often_fails_and_one_that_is_as_far_as_chance_goes_does_not() -> None:
    half = said(evidence(listed=(80, 40, 80), hits=(76, 30, 76)), "recall_ratio")
    assert [one.passed for one in half.values()] == [True, False, True]
    near = said(evidence(listed=(80, 70, 80), hits=(60, 45, 58)), "recall_ratio")
    assert all(one.passed for one in near.values())
    assert not near["group 1"].decided
    assert near["group 1"].figure == pytest.approx(0.75)


def test_the_best_of_many_equal_groups_makes_no_other_look_low() -> None:
    rng = np.random.default_rng(3)
    failed = 0
    for _ in range(6):
        hits = tuple(rng.binomial(100, 0.4, 12).astype(float))
        failed += sum(not one.passed for one in said(evidence(listed=(80.0,) * 12, hits=hits), "recall_ratio").values())
    assert failed == 0


def test_a_small_group_without_a_hit_is_not_taken_for_certain() -> None:
    """Resampling none of twenty gives none each time: an error of nothing. The score variance at the limit does not."""
    few = evidence(listed=(60.0, 5.0), hits=(10.0, 0.0), positives=(100.0, 20.0))
    assert said(few, "recall_ratio")["group 1"].passed
    many = evidence(listed=(60.0, 5.0), hits=(40.0, 0.0), positives=(100.0, 60.0))
    assert not said(many, "recall_ratio")["group 1"].passed


def test_the_false_positive_gate_takes_the_looser_of_difference_and_ratio() -> None:
    low = said(evidence(listed=(9.0, 21.0), hits=(0.0, 0.0)), "false_positive_difference")
    assert low["group 1"].passed, "twice as often, and still less than five in a hundred more"
    high = said(evidence(listed=(60.0, 120.0), hits=(0.0, 0.0)), "false_positive_difference")
    assert not high["group 1"].passed
    assert high["group 0"].passed


def test_precision_is_held_against_that_of_the_whole_list_and_too_few_on_it_say_nothing() -> None:
    found = said(evidence(listed=(80.0, 80.0), hits=(70.0, 15.0)), "precision_ratio")
    assert not found["group 1"].passed
    assert found["group 0"].passed
    assert "group 1" not in said(evidence(listed=(80.0, 9.0), hits=(70.0, 0.0)), "precision_ratio")


def test_a_mean_probability_far_from_the_frequency_fails_on_either_side() -> None:
    told = {"listed": (40.0,) * 3, "hits": (20.0,) * 3, "variance": (75.0,) * 3}
    found = said(evidence(probability=(100.0, 150.0, 40.0), **told), "calibration")
    assert [one.passed for one in found.values()] == [True, False, False]


def test_who_cannot_be_scored_far_more_often_fails_unless_it_is_hardly_anybody() -> None:
    told = {"listed": (40.0, 40.0), "hits": (20.0, 20.0)}
    assert not said(evidence(not_enough_data=(4.0, 60.0), **told), "not_enough_data_ratio")["group 1"].passed
    assert said(evidence(not_enough_data=(0.0, 1.0), **told), "not_enough_data_ratio")["group 1"].passed
    assert all(one.decided for one in said(evidence(not_enough_data=(0.0, 0.0), **told), "not_enough_data_ratio").values())


def test_a_group_that_the_published_rule_serves_better_fails() -> None:
    same = {"listed": (60.0, 60.0), "hits": (50.0, 20.0), "rule_listed": (60.0, 60.0)}
    found = said(evidence(rule_hits=(50.0, 48.0), **same), "recall_against_rule")
    assert found["group 0"].passed
    assert not found["group 1"].passed


def test_few_schools_make_an_error_that_is_less_certain() -> None:
    sums = {"listed": (80.0, 62.0), "hits": (60.0, 36.0)}
    sure, rough = (said(evidence(freedom, **sums), "recall_ratio")["group 1"].p for freedom in (np.inf, 5.0))
    assert sure < rough


def test_one_group_has_nothing_to_be_held_against() -> None:
    assert limits.tests(evidence(listed=(80.0,), hits=(60.0,)), Gates()) == []

"""Whether a support helps: from a lottery, from what was observed, and what may be claimed of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from math import isnan

import numpy as np
import numpy.typing as npt
import pytest

from features.problems import Refused
from serving.cases.offers import Offer
from serving.catalogue import SPREAD, Measured, shipped
from serving.estimation import Finding, beside, claimed, from_lottery, from_observed, of_offers
from training import doubly_robust

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TODAY = date(2026, 6, 12)


def lottery(seed: int, effect: float, students: int = 120) -> tuple[Flags, Floats, list[str], Floats, Floats]:
    """Return two draws with different chances, in which the better chance goes with worse outcomes."""
    rng = np.random.default_rng(seed)
    draw = np.where(np.arange(students) < students // 2, "mentor|north", "mentor|south")
    before = rng.normal(size=(students, 2))
    offered, chance = np.zeros(students, bool), np.zeros(students)
    for name, places in (("mentor|north", 30), ("mentor|south", 8)):
        pool = np.flatnonzero(draw == name)
        offered[rng.choice(pool, places, replace=False)] = True
        chance[pool] = places / len(pool)
    days = 12 + 6.0 * (draw == "mentor|north") + 3 * before[:, 0] + rng.normal(size=students) * 2 + effect * offered
    return offered, days, draw.tolist(), chance, before


def test_a_lottery_finds_the_effect_that_is_there_and_not_the_difference_between_draws() -> None:
    offered, days, draw, chance, before = lottery(1, -4.0)
    found = from_lottery("mentor", offered, days, draw, chance, "days", before, deals=499)
    one = found.estimate
    assert one.low < -4.0 < one.high < 0
    assert one.high - one.low < 3
    assert (one.design, one.n_offered, one.n_control, one.unit) == ("lottery", 38, 82, "days")
    assert found.p == pytest.approx(1 / 500)
    assert days[offered].mean() - days[~offered].mean() > -3  # what a plain comparison would have said


def test_what_was_known_before_narrows_the_interval() -> None:
    offered, days, draw, chance, before = lottery(2, -2.0)
    wide = from_lottery("mentor", offered, days, draw, chance, "days", deals=499).estimate
    narrow = from_lottery("mentor", offered, days, draw, chance, "days", before, deals=499).estimate
    assert narrow.high - narrow.low < 0.8 * (wide.high - wide.low)


def test_intervals_of_lotteries_hold_the_truth_as_often_as_they_say() -> None:
    held, claims = [], []
    for seed in range(60):
        offered, days, draw, chance, before = lottery(seed, 0.0)
        found = from_lottery("mentor", offered, days, draw, chance, "days", before, deals=199, seed=seed)
        held.append(found.estimate.low <= 0 <= found.estimate.high)
        claims.append(bool(claimed([found])))
    assert np.mean(held) > 0.88  # 95% less three standard errors
    assert [not one for one in claims] == [one or not two for one, two in zip(held, claims, strict=True)]


def test_the_same_lottery_gives_the_same_interval() -> None:
    told = lottery(3, -1.0)
    assert from_lottery("m", *told[:4], "days", deals=99, seed=5) == from_lottery("m", *told[:4], "days", deals=99, seed=5)


def test_who_was_sure_of_a_place_or_of_none_is_left_out_and_counted() -> None:
    offered, days, draw, chance, _ = lottery(4, -3.0)
    everywhere = from_lottery("m", np.append(offered, [True, True]), np.append(days, [90.0, 90.0]), [*draw, "all", "all"],
                              np.append(chance, [1.0, 1.0]), "days", deals=199)  # fmt: skip
    assert everywhere.left_out == 2
    assert everywhere.estimate == from_lottery("m", offered, days, draw, chance, "days", deals=199).estimate


def test_a_probability_that_contradicts_the_offer_is_refused() -> None:
    offered, days, draw, chance, _ = lottery(5, 0.0)
    chance[np.flatnonzero(offered)[0]] = 0.0
    chance[np.flatnonzero(~offered)[0]] = np.nan
    with pytest.raises(Refused, match="2 offers"):
        from_lottery("m", offered, days, draw, chance, "days")


def test_where_nobody_was_left_to_chance_nothing_is_found_and_nothing_is_shown() -> None:
    everybody = np.ones(20, bool)
    found = from_lottery("m", everybody, np.arange(20.0), ["a"] * 20, np.ones(20), "days")
    assert isnan(found.p)
    assert found.left_out == 20
    assert claimed([found]) == frozenset()
    assert found.measured(1.0, TODAY) is None


def finding(support: str, p: float, n: int = 40) -> Finding:
    offered, days, draw, chance, _ = lottery(6, -1.0)
    one = from_lottery(support, offered, days, draw, chance, "days", deals=99)
    return replace(one, p=p, estimate=replace(one.estimate, n_offered=n))


def test_of_many_that_were_looked_at_together_fewer_are_claimed() -> None:
    alone = finding("mentor", 0.02)
    assert claimed([alone]) == {"mentor"}
    assert claimed([alone, finding("mail", 0.5), finding("text", 0.9)]) == frozenset()
    assert claimed([alone, finding("mail", 0.001), finding("text", 0.9)]) == {"mail", "mentor"}


def test_what_may_not_be_shown_is_never_claimed() -> None:
    assert claimed([finding("mentor", 0.001, n=3)]) == frozenset()


def test_days_missed_that_fall_are_a_gain_in_standard_deviations() -> None:
    offered, days, draw, chance, before = lottery(1, -4.0)
    found = from_lottery("mentor", offered, days, draw, chance, "days", before, deals=499)
    own = found.measured(8.0, TODAY, higher_is_better=False)
    assert own is not None
    assert (own.how, own.students, own.on) == ("lottery", 120, TODAY)
    assert own.size == pytest.approx(-found.estimate.effect / 8)
    assert (own.low, own.high) == pytest.approx((-found.estimate.high / 8, -found.estimate.low / 8))


def test_the_district_s_own_effect_counts_as_much_as_it_is_sure() -> None:
    one = shipped()["att_mail"]
    assert (beside(one).own, beside(one).weight, beside(one).together) == (None, 0.0, one.published)
    error = SPREAD  # as sure as what was published: half and half
    own = Measured(-0.2, -0.2 - 1.96 * error, -0.2 + 1.96 * error, 200, TODAY, "lottery")
    both = beside(replace(one, measured=own))
    assert both.weight == pytest.approx(0.5)
    assert both.together == pytest.approx((one.published - 0.2) / 2)
    assert both.high - both.low == pytest.approx(2 * 1.96 * SPREAD / 2**0.5, rel=1e-3)
    assert "counts 50%" in both.says
    sure = beside(replace(one, measured=replace(own, low=-0.21, high=-0.19)))
    assert sure.weight > 0.99
    assert sure.together == pytest.approx(-0.2, abs=0.01)


def test_offers_on_record_give_what_their_columns_give() -> None:
    offered, days, draw, chance, _ = lottery(7, -3.0)
    at = datetime(2026, 10, 1, 8, tzinfo=UTC)
    rows = [
        Offer(str(n), f"S{n}", "mentor_success", one, 3, float(p), bool(o), at, None, None, None, float(y), "days", TODAY)
        for n, (o, y, one, p) in enumerate(zip(offered, days, draw, chance, strict=True))
    ]
    chosen = replace(rows[0], id="x", probability=None)
    unknown = replace(rows[1], id="y", outcome=None)
    found = of_offers([*rows, chosen, unknown])
    assert found is not None
    assert found.left_out == 2
    assert found.estimate == from_lottery("mentor_success", offered, days, draw, chance, "days").estimate
    assert of_offers([unknown]) is None
    with pytest.raises(Refused):
        of_offers([*rows, replace(rows[0], intervention_id="att_mail")])


@pytest.mark.full
def test_what_was_observed_is_set_right_where_need_decided_who_was_helped() -> None:
    rng = np.random.default_rng(1)
    need = rng.normal(size=(900, 3))
    had = rng.random(900) < 1 / (1 + np.exp(1.5 - need[:, 0]))
    days = 10 + 4 * need[:, 0] + rng.normal(size=900) * 2 - 1.5 * had
    found = from_observed("mentor", had, days, need, "days")
    assert days[had].mean() > days[~had].mean()  # side by side, the mentor seems to do harm
    assert found.estimate.low < -1.5 < found.estimate.high < 0
    assert found.estimate.overlap_ok
    twice = from_observed("mentor", had, days, need, "days", students=np.arange(900) // 2)
    assert twice.estimate.high - twice.estimate.low > 0


@pytest.mark.full
def test_what_need_that_nobody_wrote_down_could_have_made_is_not_claimed() -> None:
    rng = np.random.default_rng(4)
    seen, unseen = rng.normal(size=(800, 2)), rng.normal(size=800)
    had = rng.random(800) < 1 / (1 + np.exp(2 - seen[:, 0] - 0.4 * unseen))
    days = 10 + 3 * seen[:, 0] + 1.5 * unseen + rng.normal(size=800) * 4  # the help does nothing
    found = doubly_robust.estimate(seen, had, days)
    assert found.effect - 1.96 * found.error > 0  # as if all need were on record, it would seem to do harm
    assert found.low < 0 < found.high
    assert found.p > 0.05
    assert not claimed([from_observed("mentor", had, days, seen, "days")])


def test_of_too_few_nothing_is_estimated() -> None:
    had = np.arange(40) < 6
    found = from_observed("mentor", had, np.arange(40.0), np.ones((40, 1)), "days")
    assert isnan(found.estimate.effect)
    assert found.measured(1.0, TODAY) is None

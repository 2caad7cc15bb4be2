"""Whether a support helps here: from a recorded lottery, or doubly robust from what was observed.

**From a lottery.** Places were few, who was offered one was drawn, and each student's probability was recorded. Students of one
draw with one probability are exchangeable, so that the draw itself says what chance could have done: offers are dealt
again within these cells many times, and an effect is in the interval if taking it away leaves nothing that chance would not
do (randomisation inference: Fisher 1935; with what was known before taken out first: Rosenbaum 2002). It is the effect of
being *offered*: who refused counts with those who were offered.

**From what was observed.** :mod:`training.doubly_robust`, of those who had it. Overlap and balance are looked at as
:mod:`serving.effects` asks, which decides whether it may be shown. Neither sees need that is not on record, so the interval
allows for some (:data:`training.doubly_robust.UNSEEN`), and nothing is claimed that such need could have made.

Ten supports looked at once find something in every third school year where there is nothing. So what is called an effect is
chosen among all that were looked at together (:func:`claimed`, Holm 1979).

What was found goes beside the published effect, weighed by how sure each is (:func:`beside`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import isfinite, nan, sqrt

import numpy as np
import numpy.typing as npt

from features.problems import Problem, Refused
from serving import effects
from serving.cases.offers import Offer
from serving.catalogue import SPREAD, How, Intervention, Measured
from serving.effects import Design, Estimate, effect_shown
from serving.suppression import LEAST
from training import doubly_robust

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]

#: How often offers are dealt again, and what share of them an interval lets lie outside.
DEALS, LEVEL = 1_999, 0.05

#: Ends of an interval are found to this share of its width.
_CLOSE = 1e-3

_FARTHEST = 40

#: Standard errors from the middle of a 95% interval to its end.
_ENDS = 1.959964

_HOW: dict[Design, How] = {"lottery": "lottery", "observed": "doubly_robust"}


@dataclass(frozen=True, slots=True)
class Finding:
    """An estimate, and how often chance alone would find as much were there no effect (``p``, not a number where unknown).

    ``left_out`` students were in a draw without chance: everybody was offered a place, or nobody.
    """

    estimate: Estimate
    p: float
    left_out: int = 0

    def measured(self, spread: float, on: date, *, higher_is_better: bool = True) -> Measured | None:
        """Return it as the catalogue takes it: in standard deviations, above zero where it helped.

        Args:
            spread: the standard deviation of the outcome among the students of the district.
            on: the day of the estimate.
            higher_is_better: false for days missed and the like.

        Returns:
            None where the estimate may not be shown: what nobody may see, nothing is ranked by.

        """
        one = self.estimate
        if effect_shown(one).says != "shown" or not spread > 0 or one.low == one.high:
            return None
        ends = sorted((sign := 1 if higher_is_better else -1) * end / spread for end in (one.low, one.high))
        students = one.n_offered + one.n_control
        return Measured(sign * one.effect / spread, ends[0], ends[1], students, on, _HOW[one.design])


# -- from a lottery ---------------------------------------------------------------------------------------------------


def from_lottery(
    support: str, offered: Flags, outcome: Floats, draw: Sequence[str], probability: Floats, unit: str,
    before: Floats | None = None, deals: int = DEALS, seed: int = 0,
) -> Finding:  # fmt: skip
    """Return the effect of being offered a support, from the students among whom its places were drawn.

    Args:
        support: its key.
        offered: per student, whether a place was offered.
        outcome: per student, what came of them; not a number where it is not known, who is then left out.
        draw: per student, which draw they were in, such as support, school and round.
        probability: per student, the recorded probability of being offered a place.
        unit: of the outcome.
        before: what was known before the draw, students by covariates without nulls: taken out of the outcome, it
            narrows the interval and changes nothing else.
        deals: how often offers are dealt again.
        seed: of these deals.

    Raises:
        Refused: a recorded probability is none, or says that somebody could not have been offered what they were.

    """
    wrong = (~np.isfinite(probability)) | (probability < 0) | (probability > 1)
    wrong |= (offered & (probability <= 0)) | (~offered & (probability >= 1))
    if wrong.any():
        problem = Problem("offers", "probability", f"{int(wrong.sum())} offers do not go with their recorded probability",
                          "Record the probability from 0 to 1 before the draw.")  # fmt: skip
        raise Refused([problem], "No effect can be told from this lottery")
    known = np.isfinite(outcome)
    cell, drawn = _cells(offered, draw, probability, known)
    left_out = int((known & ~drawn).sum())
    offered, outcome, cell = offered[drawn], outcome[drawn], cell[drawn]
    rows = None if before is None else before[drawn]
    sides = int(offered.sum()), int((~offered).sum())
    apart = float(effects.differences(rows, offered, _alike(offered, cell)).max(initial=0.0)) if rows is not None and min(
        sides) > 1 else 0.0  # fmt: skip
    if not min(sides):
        return Finding(Estimate(support, *sides, "lottery", True, apart, nan, nan, nan, unit), nan, left_out)
    taken = _taken_out(cell, rows)
    result, had = taken(outcome), taken(offered.astype(np.float64))
    mine = _Deals.of(offered[None, :], cell, result, had)
    found = float(mine.of_result[0] / mine.of_had[0])
    dealt = _Deals.of(_deals(offered, cell, deals, seed), cell, result, had)

    def chance(effect: float) -> float:
        """How often a deal differs by as much, in its own standard errors, once an effect is taken away."""
        seen = mine.differences(effect)[0]
        return float(1 + (dealt.differences(effect) >= seen - 1e-9).sum()) / (1 + deals)

    step = max(float(np.std(dealt.of_result)) / max(abs(float(mine.of_had[0])), 1e-9), 1e-9)
    low, high = (_end(chance, found, way * step) for way in (-1, 1))
    return Finding(Estimate(support, *sides, "lottery", True, apart, found, low, high, unit), chance(0.0), left_out)


def of_offers(offers: Sequence[Offer], before: Mapping[str, Sequence[float]] | None = None, seed: int = 0) -> Finding | None:
    """Return the effect of a support from its draws as they are on record; None where no outcome of them is known.

    Args:
        offers: everybody who was in a draw for it, from :func:`serving.cases.offers.in_draws`. Who was not drawn among others
            (no probability is recorded) tells nothing and is left out.
        before: by student, numbers that were known before the draw; students without are left out where it is given.
        seed: of the deals.

    Raises:
        Refused: these are offers of several supports, or outcomes in several units.

    """
    told = [one for one in offers if one.probability is not None and one.outcome is not None
            and (before is None or one.student_id in before)]  # fmt: skip
    if not told:
        return None
    supports, units = {one.intervention_id for one in told}, {one.outcome_unit or "" for one in told}
    if len(supports) > 1 or len(units) > 1:
        problem = Problem("offers", "supports", "these are of several supports, or in several units", "Ask for each by itself.")
        raise Refused([problem], "No effect can be told from these offers")
    rows = None if before is None else np.array([before[one.student_id] for one in told], dtype=np.float64)
    found = from_lottery(
        supports.pop(), np.array([one.offered for one in told]), np.array([one.outcome for one in told], dtype=np.float64),
        [one.draw for one in told], np.array([one.probability for one in told], dtype=np.float64), units.pop(), rows, seed=seed,
    )  # fmt: skip
    return replace(found, left_out=found.left_out + len(offers) - len(told))


def _cells(offered: Flags, draw: Sequence[str], probability: Floats, known: Flags) -> tuple[Whole, Flags]:
    """Return each student's cell, one draw and one probability, and who is in one in which chance decided."""
    keys = np.array([f"{one}|{chance:.9f}" for one, chance in zip(draw, probability, strict=True)])
    _, cell = np.unique(keys, return_inverse=True)
    some = np.bincount(cell, weights=offered & known, minlength=int(cell.max(initial=-1)) + 1)
    other = np.bincount(cell, weights=~offered & known, minlength=len(some))
    return cell.astype(np.int64), known & (some > 0)[cell] & (other > 0)[cell]


def _taken_out(cell: Whole, before: Floats | None) -> _Residuals:
    """Return what takes out of a column what cells and earlier facts say of it."""
    _, place = np.unique(cell, return_inverse=True)
    dummies = np.eye(int(place.max()) + 1)[place]
    if before is None or not before.shape[1]:
        return _Residuals(dummies)
    spread = before.std(axis=0)
    kept = before[:, spread > 0]
    # No more columns than a tenth of the rows can carry.
    kept = kept[:, : max(len(cell) // 10 - dummies.shape[1], 0)]
    return _Residuals(np.hstack([dummies, (kept - kept.mean(axis=0)) / kept.std(axis=0)]) if kept.shape[1] else dummies)


@dataclass(frozen=True)
class _Residuals:
    columns: Floats

    def __call__(self, values: Floats) -> Floats:
        weights, *_ = np.linalg.lstsq(self.columns, values, rcond=None)
        return np.asarray(values - self.columns @ weights, dtype=np.float64)


def _alike(offered: Flags, cell: Whole) -> Floats:
    """Return weights under which both sides have as much of every cell."""
    total, some = np.bincount(cell), np.bincount(cell, weights=offered)
    share = (some / np.maximum(total, 1))[cell]
    return np.asarray(np.where(offered, 1 / share, 1 / (1 - share)), dtype=np.float64)


def _deals(offered: Flags, cell: Whole, deals: int, seed: int) -> Flags:
    """Return offers dealt again, as many in every cell, shape ``(deals, students)``."""
    rng = np.random.default_rng([seed, len(offered)])
    found = np.empty((deals, len(offered)), bool)
    for one in np.unique(cell):
        mine = np.flatnonzero(cell == one)
        places = int(offered[mine].sum())
        found[:, mine] = rng.random((deals, len(mine))).argsort(axis=1).argsort(axis=1) < places
    return found


@dataclass(frozen=True)
class _Deals:
    """What each deal says: differences of means, cells weighed by their students, and what their error is made of.

    With an effect taken away a student counts ``result - effect * had``, so that differences are a line in the effect and
    squared errors a parabola: ``of_result``, ``of_had`` and the three of ``error`` are all it takes for any effect.
    """

    of_result: Floats
    of_had: Floats
    error: tuple[Floats, Floats, Floats]

    @classmethod
    def of(cls, offered: Flags, cell: Whole, result: Floats, had: Floats) -> _Deals:
        """Sum up deals, shape ``(deals, students)``.

        The two sides may vary differently, as they do where help does more for some: so a difference is told in its own
        standard errors (Wu and Ding 2021), each side's variance being that within its cells.
        """
        _, place = np.unique(cell, return_inverse=True)
        of_cell = np.eye(int(place.max()) + 1)[place]
        share = of_cell.sum(axis=0) / len(cell)
        means = np.zeros((2, offered.shape[0]))
        error = np.zeros((3, offered.shape[0]))
        for sign, side in ((1, offered), (-1, ~offered)):
            weight = side.astype(np.float64)
            count = weight @ of_cell
            first, second = ((weight * of) @ of_cell / count for of in (result, had))
            means += sign * np.stack([first @ share, second @ share])
            free = np.maximum(count.sum(axis=1) - of_cell.shape[1], 1)
            for at, (one, other, middles) in enumerate(((result, result, first * first), (result, had, first * second),
                                                        (had, had, second * second))):  # fmt: skip
                within = (weight @ (one * other) - (count * middles).sum(axis=1)) / free
                error[at] += within * (share**2 / count).sum(axis=1)
        return cls(means[0], means[1], (error[0], error[1], error[2]))

    def differences(self, effect: float) -> Floats:
        """Return how far apart the sides are in standard errors, deal by deal, once an effect is taken away."""
        squared = self.error[0] - 2 * effect * self.error[1] + effect**2 * self.error[2]
        apart = np.abs(self.of_result - effect * self.of_had)
        return np.asarray(apart / np.sqrt(np.maximum(squared, 1e-18)), dtype=np.float64)


def _end(chance: Callable[[float], float], found: float, step: float) -> float:
    """Return where an interval ends on one side: the farthest effect that chance could have hidden."""
    inside, outside = found, found + step
    for _ in range(_FARTHEST):
        if chance(outside) <= LEVEL:
            break
        inside, outside = outside, found + 2 * (outside - found)
    else:
        return float("inf") if step > 0 else float("-inf")
    while abs(outside - inside) > _CLOSE * abs(outside - found):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if chance(middle) <= LEVEL else (middle, outside)
    return outside


# -- from what was observed -------------------------------------------------------------------------------------------


def from_observed(
    support: str, had: Flags, outcome: Floats, before: Floats, unit: str, students: Whole | None = None, seed: int = 0
) -> Finding:
    """Return the effect of a support on those who had it, from students who had it and others.

    Args:
        support: its key.
        had: per row, whether the student had it.
        outcome: what came of each row; not a number where it is not known, which is then left out.
        before: what was known before, rows by covariates without nulls. What is not in it can bias the effect, and
            neither check can tell.
        unit: of the outcome.
        students: whose row each is, where a student has several.
        seed: of the parting into those who teach and those who are predicted.

    """
    known = np.isfinite(outcome)
    had, outcome, before = had[known], outcome[known], before[known]
    sides = int(had.sum()), int((~had).sum())
    if min(sides) < LEAST:
        return Finding(Estimate(support, *sides, "observed", False, nan, nan, nan, nan, unit), nan)
    found = doubly_robust.estimate(before, had, outcome, None if students is None else students[known], seed)
    estimate = Estimate(
        support, *sides, "observed", effects.overlap_ok(found.propensity, had),
        effects.balance(before, had, found.propensity), found.effect, found.low, found.high, unit,
    )  # fmt: skip
    return Finding(estimate, found.p)


# -- what may be said of it -------------------------------------------------------------------------------------------


def claimed(findings: Sequence[Finding], level: float = LEVEL) -> frozenset[str]:
    """Return the supports of which an effect may be claimed, among all that were looked at together.

    Where none has an effect, any is claimed in at most ``level`` of all such looks (Holm 1979). A finding that may not be
    shown is never claimed; it does not count among those looked at either, since nothing of it was seen.
    """
    seen = sorted((one for one in findings if isfinite(one.p) and effect_shown(one.estimate).says == "shown"),
                  key=lambda one: one.p)  # fmt: skip
    found = []
    for at, one in enumerate(seen):
        if one.p > level / (len(seen) - at):
            break
        found.append(one.estimate.support)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is published of a support, what was measured here, and both ``together`` with a 95% interval.

    All in standard deviations, above zero where it helps. ``weight`` is what the district's own effect counts in
    ``together``, from 0 to 1.
    """

    published: float
    own: float | None
    together: float
    low: float
    high: float
    weight: float

    @property
    def says(self) -> str:
        """Say in a sentence what counts how much."""
        if self.own is None:
            return "Nothing was measured here yet: what was published elsewhere counts alone."
        return (f"What was measured here counts {self.weight:.0%}, what was published elsewhere {1 - self.weight:.0%}: "
                f"{self.together:+.2f} standard deviations, from {self.low:+.2f} to {self.high:+.2f}.")  # fmt: skip


def beside(one: Intervention) -> Beside:
    """Return the district's own effect beside the published one, each weighed by how sure it is.

    The published effect is taken as where the true one here lies, give or take :data:`~serving.catalogue.SPREAD`; both are
    normal, so that what is known after is as well. It is the same sum that options are ranked by
    (:attr:`~serving.catalogue.Intervention.expected`).
    """
    prior = 1 / SPREAD**2
    own = 0.0 if one.measured is None else 1 / one.measured.error**2
    error = 1 / sqrt(prior + own)
    return Beside(
        one.published, None if one.measured is None else one.measured.size, one.expected,
        one.expected - _ENDS * error, one.expected + _ENDS * error, own / (prior + own),
    )  # fmt: skip

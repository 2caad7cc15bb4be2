"""Whether an effect of a support may be shown, and the two checks without which it may not.

A support goes to those who need it, so that those who had it and those who had not are unlike from the start: set side by
side they say nothing of the support, and often the wrong thing. An effect is therefore shown only

- from a lottery: places were few, who was offered one was drawn by lot, and the probability of each offer was recorded; or
- from what was observed, once two checks have passed: among those who were not offered it are some like nearly all who were
  (overlap), and after weighting the two are alike in what was known before (balance).

Else the page says that we cannot tell yet, and why. Neither check can see what was not recorded, which is why a lottery
comes first. Overlap: Crump and others (2009), on common support. Balance: Austin (2009), a standardised mean difference
under a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import numpy.typing as npt

from serving.suppression import LEAST

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: The largest standardised mean difference at which two groups count as alike.
MOST_DIFFERENCE = 0.1

#: The share of those who were offered a support for whom somebody like them must be among the others.
LEAST_OVERLAP = 0.95

#: A propensity beyond this is nearly certainty: whoever has it has nobody like them on the other side.
EDGE = 0.05

Design = Literal["lottery", "observed"]

#: Why an effect is not shown.
Why = Literal["nothing_compared", "too_few", "no_overlap", "not_alike", "no_interval"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a support was found to change, and how it was found.

    ``n_offered`` and ``n_control`` are students. ``balance`` is the worst standardised mean difference of what was known
    before, after weighting. ``effect`` is the difference between being offered the support and not, in ``unit``, with its
    95% interval from ``low`` to ``high``. Of a lottery ``overlap_ok`` and ``balance`` are not asked: chance did both.
    """

    support: str
    n_offered: int
    n_control: int
    design: Design
    overlap_ok: bool
    balance: float
    effect: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an effect may be shown; ``why`` not, where it may not."""

    says: Literal["shown", "cannot_tell"]
    why: Why | None = None


def effect_shown(estimate: Estimate | None) -> Verdict:
    """Return whether an effect may be shown to anybody. Without an estimate there is nothing to show."""
    if estimate is None:
        return Verdict("cannot_tell", "nothing_compared")
    if min(estimate.n_offered, estimate.n_control) < LEAST:
        return Verdict("cannot_tell", "too_few")
    if estimate.design == "observed":
        if not estimate.overlap_ok:
            return Verdict("cannot_tell", "no_overlap")
        if not estimate.balance < MOST_DIFFERENCE:  # not a number fails too
            return Verdict("cannot_tell", "not_alike")
    ends = (estimate.low, estimate.effect, estimate.high)
    if not all(map(isfinite, ends)) or not estimate.low <= estimate.effect <= estimate.high:
        return Verdict("cannot_tell", "no_interval")
    return Verdict("shown")


def overlap(propensity: Floats, offered: Flags) -> float:
    """Return the share of those offered a support who have somebody like them among the others.

    Args:
        propensity: per student, how likely the offer was from what was known before it, from 0 to 1.
        offered: per student, whether it was offered.

    Returns:
        The share of those offered whose propensity lies within what both sides reach and is not beyond ``1 - EDGE``; 0 where
        a side is empty. It passes from :data:`LEAST_OVERLAP` on.

    """
    theirs, others = propensity[offered], propensity[~offered]
    if not len(theirs) or not len(others):
        return 0.0
    low, high = max(theirs.min(), others.min()), min(theirs.max(), others.max(), 1 - EDGE)
    return float(np.mean((theirs >= low) & (theirs <= high)))


def overlap_ok(propensity: Floats, offered: Flags) -> bool:
    """Return whether :func:`overlap` is large enough, with at least :data:`LEAST` students on both sides."""
    enough = min(int(offered.sum()), int((~offered).sum())) >= LEAST
    return enough and overlap(propensity, offered) >= LEAST_OVERLAP


def weights(propensity: Floats, offered: Flags) -> Floats:
    """Return what each student counts so that the others come to look like those who were offered it: 1 of these, and of

    those the odds of the offer (the effect on the treated). A propensity of 1 among the others is cut to ``1 - EDGE``.
    """
    cut = np.minimum(propensity, 1 - EDGE)
    return np.where(offered, 1.0, cut / (1 - cut))


def differences(before: Floats, offered: Flags, weight: Floats) -> Floats:
    """Return the standardised mean difference of each thing that was known before.

    Args:
        before: students by covariates, numbers without nulls.
        offered: per student, whether the support was offered.
        weight: per student, from :func:`weights`; ones to see how unlike they are before weighting.

    Returns:
        One absolute difference per covariate, in standard deviations pooled over both sides before weighting, so that
        weighting cannot shrink the measure itself. A covariate that never varies has 0; one that varies only between
        the sides has infinity.

    """
    sides = [(before[side], weight[side]) for side in (offered, ~offered)]
    mean, other = (np.average(rows, axis=0, weights=counts) for rows, counts in sides)
    spread = np.sqrt(sum(rows.var(axis=0, ddof=1) for rows, _ in sides) / 2)
    apart = np.abs(mean - other)
    return np.divide(apart, spread, out=np.where(apart > 0, np.inf, 0.0), where=spread > 0)


def balance(before: Floats, offered: Flags, propensity: Floats) -> float:
    """Return the worst standardised mean difference after weighting; see :func:`differences`. Under a tenth it passes."""
    found = differences(before, offered, weights(propensity, offered))
    return float(found.max()) if len(found) else 0.0

"""How well answers were foreseen: ranking, calibration, from the first response on, skill by skill, and against baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from features.responses import Floats, Ints, ResponseLog
from training.evaluate import Gain, auc, calibration_error, fitted_line

#: Draws of a bootstrap over students.
DRAWS = 200

#: Where groups of responses begin, by how many the student gave before, and how many on the skill.
POSITIONS, PRACTISED = (0, 1, 5, 10, 20, 50, 100, 200), (0, 1, 2, 3, 5, 10, 20)

#: A skill with fewer responses, or fewer of either answer, has no figure of its own.
LEAST_OF_SKILL, LEAST_OF_EACH = 50, 5


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of probabilities. ``ece`` is the mean distance of probability and frequency over ten groups of equal size.

    ``slope`` is that of a logistic regression of the answer on the log-odds: 1 where probabilities are as far apart as
    frequencies are.
    """

    responses: int
    right: float
    auc: float | None
    accuracy: float
    rmse: float
    brier: float
    log_loss: float
    ece: float
    slope: float | None


def measure(right: Floats, chance: Floats) -> Figures:
    """Return the figures of probabilities, shape ``(responses,)``, of answers that are 1 or 0."""
    safe = np.clip(chance, 1e-9, 1 - 1e-9)
    brier = float(((chance - right) ** 2).mean())
    loss = float(-(right * np.log(safe) + (1 - right) * np.log(1 - safe)).mean())
    odds = np.log(safe / (1 - safe))
    slope = fitted_line(odds, right.astype(np.int8))[1] if 0 < right.mean() < 1 and odds.std() >= 1e-9 else None
    return Figures(len(right), float(right.mean()), auc(right, chance), float(((chance >= 0.5) == right).mean()), brier**0.5,
                   brier, loss, calibration_error(chance, right.astype(np.int8)), slope)  # fmt: skip


def compared(right: Floats, score: Floats, other: Floats | None, student: Ints, seed: int = 7) -> tuple[float, ...]:
    """Return the gain in AUC over another score with its 95% interval; without another, the interval of the AUC alone.

    Students are drawn with all their responses. Of scores, a thousandth is enough: they are compared in 2,000 steps.
    """
    names, who = np.unique(student, return_inverse=True)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    mine = _drawn(right, score, who, weights)
    if other is None:
        return tuple(float(one) for one in np.quantile(mine, [0.025, 0.975]))
    difference = mine - _drawn(right, other, who, weights)
    point = (auc(right, score) or 0.5) - (auc(right, other) or 0.5)
    return (point, *(float(one) for one in np.quantile(difference, [0.025, 0.975])))


def _drawn(right: Floats, score: Floats, who: Ints, weights: Ints) -> Floats:
    """Return the AUC of each draw, from counts of right and wrong answers in steps of the score."""
    ranks = rankdata(score, method="average")
    step = np.minimum((ranks * 2000 / (len(ranks) + 1)).astype(np.int64), 1999)
    found = np.empty(len(weights))
    for at, drawn in enumerate(weights):
        weight = drawn[who].astype(np.float64)
        good, bad = np.bincount(step, weight * right, 2000), np.bincount(step, weight * (1 - right), 2000)
        below = np.cumsum(bad) - bad
        found[at] = (good * (below + bad / 2)).sum() / max(good.sum() * bad.sum(), 1e-9)
    return found


def _by(right: Floats, chance: Floats, values: Floats | Ints, edges: Sequence[int], what: str) -> list[dict[str, Any]]:
    place = np.searchsorted(edges, values, side="right") - 1
    found = []
    for at, low in enumerate(edges):
        mine = place == at
        if mine.any():
            one = measure(right[mine], chance[mine])
            high = edges[at + 1] - 1 if at + 1 < len(edges) else None
            found.append({what: [low, high], "responses": one.responses, "right": one.right, "auc": one.auc,
                          "brier": one.brier, "ece": one.ece})  # fmt: skip
    return found


def by_position(right: Floats, chance: Floats, position: Ints) -> list[dict[str, Any]]:
    """Return figures by how many responses the student gave before."""
    return _by(right, chance, position, POSITIONS, "responses_before")


def by_practice(right: Floats, chance: Floats, practised: Floats) -> list[dict[str, Any]]:
    """Return figures by how many responses the student gave on the skill before."""
    return _by(right, chance, practised, PRACTISED, "on_the_skill_before")


def by_skill(right: Floats, chance: Floats, log: ResponseLog, at: Ints) -> list[dict[str, Any]]:
    """Return figures of each skill that has responses enough, by name."""
    place = np.full(len(log), -1)
    place[at] = np.arange(len(at))
    entries = place[log.owner] >= 0
    row, tag = place[log.owner[entries]], log.tag[entries]
    order = np.argsort(tag, kind="stable")
    row, tag = row[order], tag[order]
    found = []
    for part in np.split(np.arange(len(tag)), np.flatnonzero(np.diff(tag)) + 1) if len(tag) else []:
        mine = row[part]
        good = right[mine].sum()
        if len(part) >= LEAST_OF_SKILL and min(good, len(part) - good) >= LEAST_OF_EACH:
            one = measure(right[mine], chance[mine])
            found.append({"skill": log.skills[tag[part[0]]], "responses": one.responses, "right": one.right, "auc": one.auc,
                          "brier": one.brier, "ece": one.ece})  # fmt: skip
    return found


def lines(metrics: Figures, baselines: Mapping[str, Figures], gains: Sequence[Gain]) -> list[str]:
    """Return the figures as lines that people read."""

    def said(one: Figures) -> str:
        ranks = "unknown" if one.auc is None else f"{one.auc:.4f}"
        return f"AUC {ranks}, accuracy {one.accuracy:.4f}, RMSE {one.rmse:.4f}, calibration error {one.ece:.4f}"

    return [
        f"  {said(metrics)}",
        *(f"  {name}: {said(one)}" for name, one in baselines.items()),
        *(f"    against {gain.baseline}: {gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})" for gain in gains),
    ]

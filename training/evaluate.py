"""Judgement: how good a list is at the length that a school can work through, and whether a figure can be trusted.

A list has a capacity, a share of the students looked at on a day. Recall at capacity is the share of those with the
outcome who are on the list; precision at capacity is the share of the list that had it; "at first" is the same of the
first so many of a day, whatever its size. Days are never mixed when a list is cut: each as-of day has its own. Ties at
the line are cut by a fixed hash of the student, never by file order.

A probability is judged by its distance from what happened (Brier), from the frequencies of ten equal groups (ECE), and
by the line that would correct it: a slope under 1 says that it is too sure of itself, and an intercept above 0 that it
says too little overall (Cox 1958; Van Calster and others 2016, where the intercept is taken at slope 1, as here).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one list; null where there is only one outcome to tell apart, or no probability to judge."""

    rows: int
    positives: int
    auc: float | None
    average_precision: float | None
    precision_at_capacity: float | None
    recall_at_capacity: float | None
    brier: float | None = None
    ece: float | None = None
    precision_at_first: float | None = None
    recall_at_first: float | None = None
    calibration_slope: float | None = None
    calibration_intercept: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, rounded to six places."""
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better than a baseline, with a 95% interval: how much more of those with the outcome a list of the same length
    finds, or of answers by how much the AUC is higher.
    """

    baseline: str
    gain: float
    low: float
    high: float

    @property
    def beaten(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


def ties(units: Sequence[str]) -> Floats:
    """Return a fixed number in [0, 1) for each unit, to cut ties at the line by."""
    unique, where = np.unique(np.asarray(units), return_inverse=True)
    numbers = np.array([zlib.crc32(f"tie:{unit}".encode()) / 2**32 for unit in unique])
    return np.asarray(numbers[where], dtype=np.float64)


def on_list(score: Floats, day: npt.NDArray[Any], tie: Floats, capacity: float) -> npt.NDArray[np.bool_]:
    """Return who is on the list: on each day the first ``ceil(capacity * n)`` by score, ties by ``tie``."""
    return _foremost(score, day, tie, lambda students: int(room(capacity, students)))


def among_first(score: Floats, day: npt.NDArray[Any], tie: Floats, first: int) -> npt.NDArray[np.bool_]:
    """Return who is among the first so many of each day by score, ties by ``tie``."""
    return _foremost(score, day, tie, lambda _: first)


def _foremost(
    score: Floats, day: npt.NDArray[Any], tie: Floats, length: Callable[[int], int]
) -> npt.NDArray[np.bool_]:  # fmt: skip
    chosen = np.zeros(len(score), dtype=bool)
    for one in np.unique(day):
        rows = np.flatnonzero(day == one)
        order = rows[np.lexsort((tie[rows], -score[rows]))]
        chosen[order[: length(len(rows))]] = True
    return chosen


def room(capacity: float, students: float | npt.NDArray[Any]) -> Floats:
    """Return how many a list holds: a tenth of 70 is 7, though 0.1 * 70 is 7.000000000000001."""
    return np.asarray(np.ceil(np.round(capacity * np.asarray(students, dtype=np.float64), 9)))


def measure(
    score: Floats, label: Labels, day: npt.NDArray[Any], tie: Floats, capacity: float, chance: Floats | None = None,
    first: int = 20,
) -> Metrics:  # fmt: skip
    """Return the figures of a score.

    Args:
        score: higher means more concern, shape ``(rows,)``.
        label: 0 or 1.
        day: the as-of point of each row; lists are cut within it.
        tie: see :func:`ties`.
        capacity: share of the students of a day that a list holds.
        chance: calibrated probabilities, where the score has them.
        first: how many of a day's list are looked at first.

    """
    positives = int(label.sum())
    both = 0 < positives < len(label)
    chosen = on_list(score, day, tie, capacity)
    hits = int(label[chosen].sum())
    foremost = among_first(score, day, tie, first)
    early = int(label[foremost].sum())
    slope, intercept = calibration_line(chance, label) if chance is not None and both else (None, None)
    return Metrics(
        len(label),
        positives,
        auc(label, score),
        float(average_precision_score(label, score)) if both else None,
        hits / int(chosen.sum()) if chosen.any() else None,
        hits / positives if positives else None,
        float(brier_score_loss(label, chance)) if chance is not None and len(label) else None,
        calibration_error(chance, label) if chance is not None and len(label) else None,
        early / int(foremost.sum()) if foremost.any() else None,
        early / positives if positives else None,
        slope,
        intercept,
    )


def auc(label: npt.NDArray[Any], score: Floats) -> float | None:
    """Return how often one with the outcome has the higher score than one without, None where all are of one kind."""
    return float(roc_auc_score(label, score)) if 0 < label.sum() < len(label) else None


def calibration_error(chance: Floats, label: Labels, groups: int = 10) -> float:
    """Return the mean distance between probability and frequency over groups of equal size (ECE)."""
    parts = alike(chance, groups)
    return float(sum(len(part) * abs(chance[part].mean() - label[part].mean()) for part in parts) / len(label))


def alike(chance: Floats, groups: int = 10) -> list[npt.NDArray[np.intp]]:
    """Return the rows in groups of equal size, the lowest probabilities first."""
    return [part for part in np.array_split(np.argsort(chance, kind="stable"), groups) if len(part)]


def calibration_curve(chance: Floats, label: Labels, groups: int = 10) -> list[dict[str, float]]:
    """Return the mean probability and the frequency of each group of equal size, the lowest first."""
    return [
        {"rows": len(part), "probability": round(float(chance[part].mean()), 6), "share": round(float(label[part].mean()), 6)}
        for part in alike(chance, groups)
    ]


def calibration_line(chance: Floats, label: Labels) -> tuple[float, float]:
    """Return the slope on the log-odds that fits best, and the intercept that fits best at slope 1.

    Of probabilities that are frequencies they are 1 and 0. Both outcomes must be among the labels.
    """
    odds = log_odds(chance)
    share = float(label.mean())
    # Between these bounds every share of at least one in a million is reached.
    intercept = float(brentq(lambda shift: float(expit(odds + shift).mean()) - share, -40.0, 40.0))
    return fitted_line(odds, label)[1], intercept


def fitted_line(odds: Floats, label: Labels) -> tuple[float, float]:
    """Return where the line on the log-odds begins and its slope, fitted together; both outcomes must be there."""
    if not np.ptp(odds):
        return float(logit(label.mean())) - float(odds[0]), 1.0
    line = LogisticRegression(C=np.inf, max_iter=1000).fit(odds[:, None], label)
    return float(line.intercept_[0]), float(line.coef_[0, 0])


def log_odds(chance: Floats) -> Floats:
    """Return log-odds; a probability of 0 or 1 is taken as one in a million from it."""
    return np.asarray(logit(np.clip(chance, 1e-6, 1 - 1e-6)), dtype=np.float64)


def gains(
    score: Floats, baselines: Mapping[str, Floats], label: Labels, day: npt.NDArray[Any], units: Sequence[str],
    capacity: float, draws: int, seed: int,
) -> list[Gain]:  # fmt: skip
    """Return the gain in recall at capacity over each baseline, with a 95% interval by bootstrap over students.

    Each draw resamples students with all their rows, cuts every day's list anew at the same share of the drawn
    students, and compares both lists on the same draw.
    """
    names, who = np.unique(np.asarray(units), return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws).astype(np.float32)
    tie = ties(units)
    model = _recalls(score, label, day, tie, who, drawn, capacity)
    found = []
    for name, other in baselines.items():
        difference = model - _recalls(other, label, day, tie, who, drawn, capacity)
        point = _recall(score, label, day, tie, capacity) - _recall(other, label, day, tie, capacity)
        low, high = np.quantile(difference, [0.025, 0.975])
        found.append(Gain(name, float(point), float(low), float(high)))
    return found


def _recall(score: Floats, label: Labels, day: npt.NDArray[Any], tie: Floats, capacity: float) -> float:
    return float(label[on_list(score, day, tie, capacity)].sum() / max(int(label.sum()), 1))


def _recalls(
    score: Floats, label: Labels, day: npt.NDArray[Any], tie: Floats, who: npt.NDArray[np.intp],
    drawn: npt.NDArray[np.float32], capacity: float,
) -> Floats:  # fmt: skip
    """Return recall at capacity in each draw: rows weighted by how often their student was drawn."""
    hits, positives = np.zeros(len(drawn)), np.zeros(len(drawn))
    for one in np.unique(day):
        rows = np.flatnonzero(day == one)
        order = rows[np.lexsort((tie[rows], -score[rows]))]
        weight = drawn[:, who[order]]
        filled = np.cumsum(weight, axis=1)
        taken = np.clip(room(capacity, filled[:, -1:]) - (filled - weight), 0, weight)
        mine = label[order].astype(np.float32)
        hits += taken @ mine
        positives += weight @ mine
    return np.asarray(hits / np.maximum(positives, 1), dtype=np.float64)

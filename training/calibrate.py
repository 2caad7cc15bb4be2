"""From a model's score to a frequency of the past.

Scores become probabilities by logistic calibration (Platt 1999), fitted on predictions of models that did not see
the student. It is strictly monotone, so it changes no ranking. Beside it stands a plain table of the past: students
in groups of similar scores, how many there were, and how many had the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]

#: Where groups of similar scores begin: tenths, and finer at the top, where lists are cut.
GROUPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

#: A group that reaches over more than this is cut further: of an outcome that few have, the highest fiftieth alone holds
#: students at .06 and at .5, whose past is not alike. Each part keeps so many students that a frequency means something.
WIDEST, LEAST_STUDENTS = 0.05, 40

#: The normal quantile of an 80% interval.
_Z = 1.2815515655446004


@dataclass(frozen=True, slots=True)
class Pattern:
    """Students of the past with similar scores: from this probability on, how many, and how many had the outcome."""

    least: float
    students: int
    happened: int

    @property
    def share(self) -> float:
        """Share that had the outcome."""
        return self.happened / self.students if self.students else 0.0


@dataclass(frozen=True)
class Calibration:
    """``probability = 1 / (1 + exp(-(slope * raw + intercept)))``, and the table of the past.

    The 80% interval is Wilson's (1927) for a share among as many students as there were with similar scores: how far
    a frequency can come out by chance. It does not cover a change of the world; the card shows how often the next
    term's frequencies fell inside.
    """

    slope: float
    intercept: float
    patterns: tuple[Pattern, ...]

    def probability(self, raw: Floats) -> Floats:
        """Return calibrated probabilities of raw scores (log-odds), any shape."""
        return 1.0 / (1.0 + np.exp(-(self.slope * raw + self.intercept)))

    def pattern(self, probability: float) -> Pattern:
        """Return the group of past students that a probability falls in."""
        found = self.patterns[0]
        for pattern in self.patterns:
            if probability >= pattern.least:
                found = pattern
        return found

    def interval(self, probability: float) -> tuple[float, float]:
        """Return the 80% interval around a probability, within [0, 1]."""
        students = max(self.pattern(probability).students, 1)
        middle = (probability + _Z**2 / (2 * students)) / (1 + _Z**2 / students)
        spread = probability * (1 - probability) / students + _Z**2 / (4 * students**2)
        half = _Z * spread**0.5 / (1 + _Z**2 / students)
        return max(0.0, min(middle - half, probability)), min(1.0, max(middle + half, probability))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"slope": self.slope, "intercept": self.intercept, "patterns": [asdict(one) for one in self.patterns]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Calibration:
        """Return what :meth:`as_dict` wrote."""
        return cls(found["slope"], found["intercept"], tuple(Pattern(**one) for one in found["patterns"]))


def fit(raw: Floats, label: npt.NDArray[np.int8], units: Sequence[str]) -> Calibration:
    """Fit the calibration on scores of students whom the scoring model did not see.

    Args:
        raw: scores in log-odds, shape ``(rows,)``.
        label: 0 or 1, shape ``(rows,)``.
        units: whose row it is; a student seen at several dates counts once per group.

    """
    line = LogisticRegression(C=np.inf, max_iter=1000).fit(raw[:, None], label)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope <= 0:  # a model that ranks no better than chance: say the base rate, and keep the order
        rate = float(np.clip(label.mean(), 1e-6, 1 - 1e-6))
        slope, intercept = 1e-6, float(np.log(rate / (1 - rate)))
    chance = 1.0 / (1.0 + np.exp(-(slope * raw + intercept)))
    _, who = np.unique(np.asarray(units), return_inverse=True)
    edges = _cut(np.unique(np.quantile(chance, GROUPS)), chance, who)
    which = np.clip(np.searchsorted(edges, chance, side="right") - 1, 0, None)
    patterns = []
    for number, least in enumerate(edges):
        mine = which == number
        students, first = np.unique(who[mine], return_index=True)
        happened = int(label[mine][first].sum())
        patterns.append(Pattern(float(least) if number else 0.0, len(students), happened))
    return Calibration(slope, intercept, tuple(patterns))


def _cut(edges: Floats, chance: Floats, who: npt.NDArray[np.intp]) -> Floats:
    """Return edges with groups that reach too far cut in two, as long as both parts hold enough students.

    The cut is in the middle, or lower where fewer than enough students lie above it.
    """
    found: list[float] = []
    waiting = list(zip(edges.tolist(), [*edges[1:].tolist(), np.inf], strict=True))
    while waiting:
        least, below = waiting.pop()
        mine = (chance >= least) & (chance < below)
        highest = float(chance[mine].max(initial=least))
        if highest - least > WIDEST:
            at = min((least + highest) / 2, _reached_by(LEAST_STUDENTS, chance[mine], who[mine]))
            if at > least and len(np.unique(who[mine & (chance < at)])) >= LEAST_STUDENTS:
                waiting += [(least, at), (at, below)]
                continue
        found.append(least)
    return np.unique(found)


def _reached_by(students: int, chance: Floats, who: npt.NDArray[np.intp]) -> float:
    """Return the highest chance that this many different students reach, or below zero where there are not so many."""
    best = np.full(int(who.max(initial=-1)) + 1, -1.0)
    np.maximum.at(best, who, chance)
    highest = np.sort(best[best >= 0])[::-1]
    return float(highest[students - 1]) if len(highest) >= students else -1.0

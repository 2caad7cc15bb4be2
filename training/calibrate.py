"""From a model's score to a frequency of the past, and how far the frequency of a later term may lie from it.

Scores become probabilities by logistic calibration (Platt 1999), fitted on predictions of models that did not see
the student. It is strictly monotone, so it changes no ranking; on later terms isotonic regression and Venn-Abers
prediction did worse and beta calibration no better (``docs/calibration.md``). Beside it stands a plain table of the
past: students in groups of similar scores, how many there were, and how many had the outcome.

The interval is one of prediction: in four cases of five, of 100 students with similar scores in one later term and
course or school, so many have the outcome. It adds up what chance does among 100, what the past leaves open about the
line, and how much terms and courses differ where that could be measured (:class:`Shift`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

#: Where groups of similar scores begin: tenths, and finer at the top, where lists are cut.
GROUPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

#: A group that reaches over more than this is cut further: of an outcome that few have, the highest fiftieth alone holds
#: students at .06 and at .5, whose past is not alike. Each part keeps so many students that a frequency means something.
WIDEST, LEAST_STUDENTS = 0.05, 40

#: What share of later frequencies an interval is to hold, and the normal quantile that goes with it.
NOMINAL = 0.8
_Z = 1.2815515655446004

#: Of how many students an interval speaks, and how many rows of one day, term and place a frequency needs to be one.
OF, LEAST_ROWS = 100, 20

#: The largest spread of log-odds that an interval takes in: beyond it, an interval of a higher probability could begin
#: lower. At it, half of 100 reaches from 20 to 80.
MOST_SPREAD = 1.5

#: Fewer frequencies than these say nothing of how much terms differ.
_LEAST_CELLS = 8

_STEPS = np.arange(0.0, MOST_SPREAD + 0.005, 0.01)


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


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The variance of a calibrated probability's log-odds, ``least + growth * (log-odds - centre) ** 2``.

    It is what so many students of the past leave open about the line (White's variance, clustered by student).
    """

    centre: float
    least: float
    growth: float


@dataclass(frozen=True, slots=True)
class Shift:
    """How much the log-odds of similar students differ from one term and course or school to another.

    ``by``: what was left out to measure it, one of ``levels``; ``places``: how many courses or schools of these there
    were; ``cells``: how many frequencies were looked at, ``inside_by_chance`` the share of them that an interval of chance
    alone would have held. ``measured`` is the spread with which 80% lie inside, and ``spread`` that spread times the ratio
    of Student's to the normal quantile, since so few places tell little about how far the next one may lie.
    """

    spread: float
    measured: float
    by: str
    levels: int
    places: int
    cells: int
    inside_by_chance: float


@dataclass(frozen=True)
class Calibration:
    """``probability = 1 / (1 + exp(-(slope * raw + intercept)))``, the table of the past, and what the interval adds up.

    Without a ``shift`` terms and courses could not be compared, and the interval holds chance and the line alone.
    """

    slope: float
    intercept: float
    patterns: tuple[Pattern, ...]
    uncertainty: Uncertainty | None = None
    shift: Shift | None = None

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
        """Return the 80% interval around a probability: of 100 similar students later on, from so many to so many."""
        low, high = self.bounds(np.array([probability]))
        return float(low[0]), float(high[0])

    def bounds(self, probability: Floats, students: Any = OF) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the 80% interval around probabilities, shape ``(rows,)``.

        Args:
            probability: calibrated probabilities, shape ``(rows,)``.
            students: among how many the frequency is, one number or one per row.

        """
        variance = np.full(len(probability), 0.0 if self.shift is None else float(self.shift.spread) ** 2)
        if self.uncertainty is not None:
            inner = np.clip(probability, 1e-9, 1 - 1e-9)
            away = np.log(inner / (1 - inner)) - self.uncertainty.centre
            variance += self.uncertainty.least + self.uncertainty.growth * away**2
        return _bounds(probability, students, np.minimum(variance, MOST_SPREAD**2))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {
            "slope": self.slope,
            "intercept": self.intercept,
            "patterns": [asdict(one) for one in self.patterns],
            "uncertainty": None if self.uncertainty is None else asdict(self.uncertainty),
            "shift": None if self.shift is None else asdict(self.shift),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Calibration:
        """Return what :meth:`as_dict` wrote; models written before terms were compared have neither of the last two."""
        uncertainty, shift = found.get("uncertainty"), found.get("shift")
        return cls(
            found["slope"],
            found["intercept"],
            tuple(Pattern(**one) for one in found["patterns"]),
            None if uncertainty is None else Uncertainty(**uncertainty),
            None if shift is None else Shift(**shift),
        )


def _bounds(chance: Floats, students: Any, variance: Floats) -> tuple[Floats, Floats]:
    """Return bounds of a frequency among so many students whose log-odds vary around the chance's.

    On the scale of ``arcsin(sqrt(p))`` chance has the same variance everywhere, ``1 / (4 n)``, and what varies in log-odds
    has ``p (1 - p) / 4`` of its own. Bounds are whole students, as frequencies are, and hold the chance itself.
    """
    angle = np.arcsin(np.sqrt(chance))
    half = _Z / 2 * np.sqrt(1 / np.asarray(students) + chance * (1 - chance) * variance)
    low = np.round(students * np.sin(np.maximum(angle - half, 0.0)) ** 2) / students
    high = np.round(students * np.sin(np.minimum(angle + half, np.pi / 2)) ** 2) / students
    return np.minimum(low, chance), np.maximum(high, chance)


def fit(raw: Floats, label: Labels, units: Sequence[str]) -> Calibration:
    """Fit the calibration on scores of students whom the scoring model did not see.

    Args:
        raw: scores in log-odds, shape ``(rows,)``.
        label: 0 or 1, shape ``(rows,)``.
        units: whose row it is; a student seen at several dates counts once per group.

    """
    slope, intercept = _line(raw, label)
    chance = 1.0 / (1.0 + np.exp(-(slope * raw + intercept)))
    _, who = np.unique(np.asarray(units), return_inverse=True)
    patterns = _patterns(_cut(np.unique(np.quantile(chance, GROUPS)), chance, who), chance, label, who)
    return Calibration(slope, intercept, patterns, _uncertainty(raw, label, chance, who, slope, intercept))


def _line(raw: Floats, label: Labels) -> tuple[float, float]:
    """Return slope and intercept of the calibration."""
    line = LogisticRegression(C=np.inf, max_iter=1000).fit(raw[:, None], label)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope <= 0:  # a model that ranks no better than chance: say the base rate, and keep the order
        rate = float(np.clip(label.mean(), 1e-6, 1 - 1e-6))
        slope, intercept = 1e-6, float(np.log(rate / (1 - rate)))
    return slope, intercept


def _uncertainty(
    raw: Floats, label: Labels, chance: Floats, who: npt.NDArray[np.intp], slope: float, intercept: float
) -> Uncertainty:
    """Return what the rows leave open about the line; rows of one student count as one."""
    weight = chance * (1 - chance)
    middle = float((weight * raw).sum() / weight.sum())
    away = np.column_stack([np.ones(len(raw)), raw - middle])
    bread = np.linalg.pinv(away.T @ (weight[:, None] * away))
    summed = np.zeros((int(who.max()) + 1, 2))
    np.add.at(summed, who, (label - chance)[:, None] * away)
    variance = bread @ (summed.T @ summed) @ bread
    # The smallest variance lies where the line turns; a slope that says nothing adds nothing that could be relied on.
    turn = -float(variance[0, 1] / variance[1, 1]) if variance[1, 1] > 0 else 0.0
    least = float(variance[0, 0] + turn * variance[0, 1])
    growth = min(float(variance[1, 1]) / slope**2, 0.25)
    return Uncertainty(slope * (middle + turn) + intercept, max(least, 0.0), growth if slope > 1e-6 else 0.0)


def shift_between(
    raw: Floats, label: Labels, level: npt.NDArray[Any], place: npt.NDArray[Any], day: npt.NDArray[Any], by: str
) -> Shift | None:
    """Return how much levels (terms, courses, schools) and their places differ, or None where too few can be compared.

    Each level is calibrated on the others, as a later term is on the past, and its students are put in groups of similar
    scores, of one place and day. The spread is the smallest with which 80% of the groups' frequencies lie inside.

    Args:
        raw: scores by models that saw neither the student nor the level, shape ``(rows,)``.
        label: 0 or 1.
        level: what was left out.
        place: the course or school.
        day: the as-of point: a student is there once.
        by: what the levels are, in words.

    """
    chance = np.full(len(raw), np.nan)
    for one in np.unique(level):
        mine = level == one
        positives = int(label[~mine].sum())
        if min(positives, int((~mine).sum()) - positives) >= LEAST_ROWS:
            slope, intercept = _line(raw[~mine], label[~mine])
            chance[mine] = 1.0 / (1.0 + np.exp(-(slope * raw[mine] + intercept)))
    rows = np.flatnonzero(~np.isnan(chance))
    found = cells(chance[rows], joined(level[rows], place[rows], day[rows]))
    levels, places = np.unique(level[rows]), np.unique(joined(level[rows], place[rows])) if len(rows) else ()
    if len(levels) < 2 or len(found) < _LEAST_CELLS:
        return None
    size, middle, frequency = summed(found, chance[rows], label[rows])
    held = [inside(_bounds(middle, size, np.full(len(found), step**2)), frequency).mean() for step in _STEPS]
    enough = np.flatnonzero(np.array(held) >= NOMINAL)
    measured = float(_STEPS[enough[0]]) if len(enough) else MOST_SPREAD
    spread = min(measured * float(student_t.ppf((1 + NOMINAL) / 2, len(places) - 1)) / _Z, MOST_SPREAD)
    return Shift(spread, measured, by, len(levels), len(places), len(found), float(held[0]))


def cells(chance: Floats, apart: npt.NDArray[Any]) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each cell: about 100 of one group with similar chances, and no cell of fewer than 20."""
    _, which = np.unique(apart, return_inverse=True)
    order = np.lexsort((chance, which))
    starts = np.flatnonzero(np.diff(which[order])) + 1
    found: list[npt.NDArray[np.intp]] = []
    for rows in np.split(order, starts):
        if len(rows) >= LEAST_ROWS:
            found += np.array_split(rows, max(1, round(len(rows) / OF)))
    return found


def summed(parts: Sequence[npt.NDArray[np.intp]], chance: Floats, label: Labels) -> tuple[Floats, Floats, Floats]:
    """Return how many rows each cell has, its mean chance and its frequency."""
    size = np.array([len(rows) for rows in parts], dtype=np.float64)
    middle = np.array([float(chance[rows].mean()) for rows in parts])
    return size, middle, np.array([float(label[rows].mean()) for rows in parts])


def inside(bounds: tuple[Floats, Floats], frequency: Floats) -> npt.NDArray[np.bool_]:
    """Return which frequencies lie inside, both whole numbers of students divided by the same."""
    return np.asarray((bounds[0] <= frequency + 1e-9) & (frequency - 1e-9 <= bounds[1]))


def joined(*parts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one number for each different row of several columns."""
    found = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        names, which = np.unique(part, return_inverse=True)
        found = np.unique(found * len(names) + which, return_inverse=True)[1]
    return np.asarray(found)


def _patterns(edges: Floats, chance: Floats, label: Labels, who: npt.NDArray[np.intp]) -> tuple[Pattern, ...]:
    """Return the groups that begin at these edges, a group of too few students put together with the one below.

    So are neighbours of which the higher had the outcome less often (the pooling of isotonic regression): a higher
    probability is never said of fewer students of 100.
    """
    starts = [0.0, *edges[1:].tolist()]
    while True:
        which = np.clip(np.searchsorted(starts, chance, side="right") - 1, 0, None)
        found = []
        for number, least in enumerate(starts):
            mine = which == number
            students, first = np.unique(who[mine], return_index=True)
            found.append(Pattern(least, len(students), int(label[mine][first].sum())))
        small = [number for number, one in enumerate(found) if one.students < LEAST_STUDENTS]
        if small and len(found) > 1:
            del starts[max(small[-1], 1)]
            continue
        falls = [one.share - other.share for one, other in pairwise(found)]
        if max(falls, default=0.0) <= 0:
            return tuple(found)
        del starts[int(np.argmax(falls)) + 1]


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

"""How far a figure could have come out otherwise: a bootstrap over whole schools, or what stands for them.

Students of one school share its teachers, its rules and its records, so that a hundred schools of ten students say less
than a thousand schools of one: what is drawn again are clusters, with all their rows. Where there are fewer than eight,
percentiles of so few are too narrow; then the spread between draws is taken, freed of its bias, with Student's t for as
many clusters (Cameron and Miller 2015), and the card says that the interval rests on few.

Lists are cut anew in each draw, so that an interval holds the luck of who stands beside whom. Weights do the drawing:
a row counts as often as its cluster was drawn, and no row is copied. Rows are counted in steps along the order, each
row a step of its own at the top and each step a hundredth of the way further down, so that a draw costs hundreds of
additions and not as many as there are rows; what that moves a figure on all rows by is taken off again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import t as student_t

from training import evaluate

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

#: From how many clusters on percentiles of draws are trusted, and below how many nothing is drawn by them.
FEW, FEWEST = 8, 4

#: How many rows of an order are steps of their own; further down a step is this share of the way.
_SINGLE, _STEP = 100, 0.01

#: The figures that lie in [0, 1].
_SHARES = frozenset(
    {"auc", "average_precision", "precision_at_capacity", "recall_at_capacity", "precision_at_first", "recall_at_first",
     "brier", "ece"}
)  # fmt: skip


@dataclass(frozen=True)
class Clusters:
    """What is drawn: ``by`` names it, ``number`` is each row's, shape ``(rows,)``."""

    by: str
    number: npt.NDArray[np.intp]

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.number.max(initial=-1)) + 1

    @property
    def says(self) -> str:
        """What the intervals rest on, in a sentence."""
        if self.by == "student":
            return ("Intervals are drawn over students, since there are fewer than four schools, courses or classes: what "
                    "students of one school share is not in them.")  # fmt: skip
        whole = f"Intervals are drawn over whole {_PLURAL[self.by]}, of which there are {self.count:,}"
        return f"{whole}: so few that they are rough." if self.count < FEW else f"{whole}."

    def take(self, rows: npt.NDArray[Any]) -> Clusters:
        """Return the clusters of some of the rows."""
        return Clusters(self.by, np.unique(self.number[rows], return_inverse=True)[1])


_PLURAL: Mapping[str, str] = {"school": "schools", "course": "courses", "class": "classes", "student": "students"}


def clusters_of(keys: pl.DataFrame) -> Clusters:
    """Return what to draw: schools where there are eight, else courses or year groups, else classes.

    Where none of them has eight, those of which there are most, and students one by one where there are not even four.

    Args:
        keys: ``organisation_id``, ``course_id``, ``peers`` and ``student_id`` of each row.

    """
    found = [
        Clusters(by, np.unique(keys[column].fill_null("").to_numpy(), return_inverse=True)[1])
        for by, column in (("school", "organisation_id"), ("course", "course_id"), ("class", "peers"))
    ]
    enough = next((one for one in found if one.count >= FEW), max(found, key=lambda one: one.count))
    if enough.count >= FEWEST:
        return enough
    return Clusters("student", np.unique(keys["student_id"].to_numpy(), return_inverse=True)[1])


@dataclass(frozen=True)
class Drawn:
    """Intervals at 95% of each figure, of all days together and of each; a figure that cannot be drawn has none."""

    overall: Mapping[str, Interval]
    by_day: Mapping[int, Mapping[str, Interval]]


@dataclass(frozen=True)
class Rows:
    """Scored rows of which the outcome is known; all of shape ``(rows,)``.

    ``raw`` orders, ``chance`` is its probability. ``others`` are the scores of baselines by name.
    """

    raw: Floats
    chance: Floats
    label: npt.NDArray[np.int8]
    day: npt.NDArray[Any]
    tie: Floats
    clusters: Clusters
    others: Mapping[str, Floats]


def drawn(rows: Rows, capacity: float, first: int, draws: int, seed: int) -> Drawn:
    """Return intervals of every figure of :class:`~training.evaluate.Metrics`, and of the lift over each baseline.

    Args:
        rows: what is judged.
        capacity: share of a day's students that a list holds.
        first: how many of a list are looked at first.
        draws: how many draws; fewer than 20 give no interval.
        seed: of the draws.

    """
    clusters = rows.clusters.count
    if draws < 20 or clusters < 2:
        return Drawn({}, {})
    rng = np.random.default_rng(seed)
    again = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    # The first draw is all rows once: what steps and single Newton steps move a figure by is seen there.
    often = np.vstack([np.ones(clusters), again])
    days = [int(one) for one in np.unique(rows.day)]
    lists = {day: _lists(rows, np.flatnonzero(rows.day == day), often, capacity, first) for day in days}
    everything = {name: np.asarray(sum(lists[day][name] for day in days)) for name in lists[days[0]]} if days else {}

    def told(at: npt.NDArray[np.intp], counts: Mapping[str, Floats]) -> dict[str, Interval]:
        found = {**_of_lists(counts, rows.others), **_of_order(rows, at, often), **_of_chance(rows, at, often)}
        point = _point(rows, at, capacity, first)
        intervals = {name: _interval(values, point.get(name), clusters, name) for name, values in found.items()}
        return {name: one for name, one in intervals.items() if one is not None}

    by_day = {day: told(np.flatnonzero(rows.day == day), lists[day]) for day in days}
    return Drawn(told(np.arange(len(rows.label)), everything), by_day)


def lifts(rows: Rows, at: npt.NDArray[np.intp], capacity: float) -> dict[str, float]:
    """Return how many times as many on the list had the outcome as on each baseline's list of the same length."""

    def hits(score: Floats) -> int:
        return int(rows.label[at][evaluate.on_list(score[at], rows.day[at], rows.tie[at], capacity)].sum())

    mine = hits(rows.raw)
    found = {name: hits(score) for name, score in rows.others.items()}
    return {name: mine / theirs for name, theirs in found.items() if theirs}


def _point(rows: Rows, at: npt.NDArray[np.intp], capacity: float, first: int) -> dict[str, float]:
    label, chance = rows.label[at], rows.chance[at]
    found = evaluate.measure(rows.raw[at], label, rows.day[at], rows.tie[at], capacity, chance, first).as_dict()
    more = {f"lift_{name}": value for name, value in lifts(rows, at, capacity).items()}
    return {name: value for name, value in {**found, **more}.items() if isinstance(value, float)}


def _interval(values: Floats, point: float | None, clusters: int, name: str) -> Interval | None:
    """Return the interval, or None where more than one draw in twenty has no figure."""
    first, rest = values[0], values[1:]
    known = rest[np.isfinite(rest)]
    if point is None or not np.isfinite(first) or len(known) < 0.95 * len(rest):
        return None
    if clusters >= FEW:
        low, high = np.quantile(known + (point - first), [0.025, 0.975])
    else:
        half = float(student_t.ppf(0.975, clusters - 1) * known.std() * (clusters / (clusters - 1)) ** 0.5)
        low, high = point - half, point + half
    least, most = (0.0, 1.0) if name in _SHARES else (0.0 if name.startswith("lift_") else -np.inf, np.inf)
    return round(float(np.clip(low, least, most)), 6), round(float(np.clip(high, least, most)), 6)


def _steps(rows: int) -> npt.NDArray[np.intp]:
    """Return where each step of an order ends, as positions after its last row."""
    ends = list(range(1, min(_SINGLE, rows) + 1))
    while ends[-1] < rows:
        ends.append(min(rows, ends[-1] + max(1, int(_STEP * ends[-1]))))
    return np.asarray(ends, dtype=np.intp)


def _counted(rows: Rows, order: npt.NDArray[np.intp], often: Floats) -> tuple[Floats, Floats]:
    """Return how many rows, and how many with the outcome, each step holds in each draw; shape ``(draws, steps)``."""
    step = np.searchsorted(_steps(len(order)), np.arange(len(order)), side="right")
    cell = rows.clusters.number[order] * (step[-1] + 1) + step
    shape, cells = (often.shape[1], step[-1] + 1), often.shape[1] * (step[-1] + 1)
    all_of = np.bincount(cell, minlength=cells).reshape(shape)
    had = np.bincount(cell, rows.label[order], minlength=cells).reshape(shape)
    return often @ all_of, often @ had


def _lists(rows: Rows, at: npt.NDArray[np.intp], often: Floats, capacity: float, first: int) -> dict[str, Floats]:
    """Return, of one day and in each draw: how many are listed and had the outcome, on each list, and in all."""
    found: dict[str, Floats] = {}
    for name, score in {"": rows.raw, **rows.others}.items():
        order = at[np.lexsort((rows.tie[at], -score[at]))]
        count, had = _counted(rows, order, often)
        share = np.divide(had, count, out=np.zeros_like(had), where=count > 0)
        before = np.cumsum(count, axis=1) - count
        taken = np.clip(evaluate.room(capacity, before[:, -1:] + count[:, -1:]) - before, 0, count)
        if name:
            found[f"hits_{name}"] = (taken * share).sum(axis=1)
            continue
        early = np.clip(first - before, 0, count)
        found |= {
            "positives": had.sum(axis=1), "listed": taken.sum(axis=1), "hits": (taken * share).sum(axis=1),
            "foremost": early.sum(axis=1), "early": (early * share).sum(axis=1),
        }  # fmt: skip
    return found


def _of_lists(counts: Mapping[str, Floats], others: Mapping[str, Floats]) -> dict[str, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "precision_at_capacity": counts["hits"] / counts["listed"],
            "recall_at_capacity": counts["hits"] / counts["positives"],
            "precision_at_first": counts["early"] / counts["foremost"],
            "recall_at_first": counts["early"] / counts["positives"],
        }
        return found | {f"lift_{name}": counts["hits"] / counts[f"hits_{name}"] for name in others}


def _of_order(rows: Rows, at: npt.NDArray[np.intp], often: Floats) -> dict[str, Floats]:
    """Return AUC and average precision in each draw; rows of one step are as if their scores were equal."""
    count, had = _counted(rows, at[np.argsort(-rows.raw[at], kind="stable")], often)
    found, right = np.cumsum(count, axis=1), np.cumsum(had, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        area = ((count - had) * (right - had / 2)).sum(axis=1)
        return {
            "auc": area / (right[:, -1] * (found - right)[:, -1]),
            "average_precision": (np.nan_to_num(right / found) * had).sum(axis=1) / right[:, -1],
        }


def _of_chance(rows: Rows, at: npt.NDArray[np.intp], often: Floats) -> dict[str, Floats]:
    """Return Brier, calibration error, slope and intercept in each draw.

    Groups of similar probability stay as they are cut on all rows. Slope and intercept move by one Newton step from
    where they are on all rows, which is as near as a bootstrap of so many rows can tell.
    """
    chance, label, who = rows.chance[at], rows.label[at].astype(np.float64), rows.clusters.number[at]
    names = ("brier", "ece", "calibration_slope", "calibration_intercept")
    if not 0 < label.sum() < len(label):
        return {name: np.full(len(often), np.nan) for name in names}

    def summed(values: Floats) -> Floats:
        """Return sums by draw: added up within clusters first, since a draw weighs these and not rows."""
        return often @ np.bincount(who, values, minlength=often.shape[1])

    total = summed(np.ones(len(at)))
    brier = summed((chance - label) ** 2) / total
    apart = np.zeros(len(often))
    for group in evaluate.alike(chance):
        apart += np.abs(often @ np.bincount(who[group], (chance - label)[group], minlength=often.shape[1]))
    odds = evaluate.log_odds(chance)
    begin, slope = evaluate.fitted_line(odds, rows.label[at])
    _, intercept = evaluate.calibration_line(chance, rows.label[at])
    flat = 1 / (1 + np.exp(-(odds + intercept)))
    shift = summed(label - flat) / np.maximum(summed(flat * (1 - flat)), 1e-12)
    said = 1 / (1 + np.exp(-(begin + slope * odds)))
    sure = said * (1 - said)
    one, two, three = summed(sure), summed(sure * odds), summed(sure * odds**2)
    up, along = summed(label - said), summed((label - said) * odds)
    turn = (one * along - two * up) / np.maximum(one * three - two**2, 1e-12)
    return dict(zip(names, (brier, apart / total, slope + turn, intercept + shift), strict=True))

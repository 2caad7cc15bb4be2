"""How much later terms differ from those learned from, measured on the past: one is left out after the other.

What a model of one term's rows says of the same term's students hides how unlike the next term can be. So the classifier
is refitted without a term (of one closed term: without a school, else without a course) and asked about just that one:
how far its frequencies lie from what is said of it tells how wide an interval must be. Where a later closed term
calibrates, the model never saw it, and its courses or schools are compared without a refit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training import calibrate
from training.calibrate import Shift
from training.run import Run
from training.splits import MOST_LEFT_OUT

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
Names = npt.NDArray[Any]

#: All refits together take no more rows than so many refits of ``refit_rows`` do: a few fits of the classifier.
MOST_REFITS = 5


@dataclass(frozen=True)
class LeftOut:
    """Scores of held rows by models that saw neither the student nor the level; NaN where there is none.

    ``level``: what was left out, ``by`` in words; ``place``: each row's course or school; ``refits``: fits it took.
    """

    raw: Floats
    level: Names
    place: Names
    by: str
    refits: int


def places_of(run: Run) -> Names:
    """Return each row's school, or where all rows are of one school its course."""
    return _places(run)[0]


def _places(run: Run) -> tuple[Names, str]:
    schools = run.schools
    if schools.filter(run.fit).n_unique() > 1:
        return schools.fill_null("").to_numpy(), "schools"
    return run.keys["course_id"].fill_null("").to_numpy(), "courses"


def left_out(run: Run, seen: Floats) -> LeftOut | None:
    """Return scores of held rows by models that did not see their term, school or course; None where there is but one.

    None, too, where fewer than two ``shift_parts`` are asked for.

    Args:
        run: what is learned from.
        seen: scores of the held rows by models that did not see their students.

    """
    place, by_place = _places(run)
    term, course = (run.keys[key].fill_null("").to_numpy() for key in ("term_id", "course_id"))
    if not run.split.cross_fitted:
        held = np.where(run.held, seen, np.nan)
        return LeftOut(held, place, place, f"{by_place} of a later term", 0)
    if run.settings.shift_parts < 2:
        return None
    for level, by in ((term, "terms"), (place, by_place), (course, "courses")):
        if len(np.unique(level[run.fit])) > 1:
            raw, refits = _refitted(run, level)
            return LeftOut(raw, level, place, by, refits)
    return None


def learned(run: Run, seen: Floats) -> Shift | None:
    """Return how much terms, schools or courses of the past differ, or None where they cannot be compared."""
    found = left_out(run, seen)
    if found is None:
        return None
    rows = ~np.isnan(found.raw)
    return calibrate.shift_between(
        found.raw[rows], run.label[rows], found.level[rows], found.place[rows], run.day[rows], found.by
    )


def _refitted(run: Run, level: Names) -> tuple[Floats, int]:
    """Return scores by classifiers fitted without the row's level and student, and how many fits that took."""
    part, parts = _parts(level[run.fit], run.settings.shift_parts)
    mine = np.array([part.get(one, -1) for one in level])
    # Where the same students come back, all of one term are nearly all there are: then it is asked about fold by fold.
    again = _share_seen_again(run.who[run.held], mine[run.held]) > MOST_LEFT_OUT
    asked = [
        rows
        for number in range(parts)
        for rows in ([run.held & (mine == number) & (run.split.folds == fold) for fold in range(run.settings.folds)]
                     if again else [run.held & (mine == number)])
    ]  # fmt: skip
    most = run.settings.refit_rows * MOST_REFITS // max(len(asked), MOST_REFITS)
    rng = np.random.default_rng(run.settings.seed)
    taught: list[tuple[Rows, Rows]] = []
    for rows in asked:
        seen_again = np.bincount(run.who[rows], minlength=int(run.who.max()) + 1) > 0
        others = run.fit & ~np.isin(mine, np.unique(mine[rows])) & ~seen_again[run.who]
        if not rows.any() or len(np.unique(run.label[others])) < 2:
            continue
        if int(others.sum()) > most:
            chosen = rng.choice(np.flatnonzero(others), most, replace=False)
            others = np.zeros(len(others), dtype=bool)
            others[chosen] = True
        taught.append((rows, others))
    raw = np.full(len(run.label), np.nan)
    for (rows, _), trees in zip(taught, run.fitted_each([others for _, others in taught]), strict=True):
        raw[rows] = trees.raw(run.matrix[rows])
    return raw, len(taught)


def _parts(level: Names, most: int) -> tuple[dict[Any, int], int]:
    """Return which levels are left out together, in at most so many parts of similar size, and how many."""
    names, sizes = np.unique(level, return_counts=True)
    load = np.zeros(min(most, len(names)))
    part = {}
    for at in np.argsort(-sizes, kind="stable"):
        least = int(load.argmin())
        part[names[at]] = least
        load[least] += sizes[at]
    return part, len(load)


def _share_seen_again(students: npt.NDArray[np.intp], level: npt.NDArray[np.intp]) -> float:
    """Return the share of rows whose student is in another level too."""
    pairs = np.unique(np.column_stack([students, level]), axis=0)
    who, times = np.unique(pairs[:, 0], return_counts=True)
    several = np.zeros(int(students.max(initial=-1)) + 1, dtype=bool)
    several[who[times > 1]] = True
    return float(several[students].mean())

"""How much of a list, and of the reasons, hangs on whom the model happened to learn from.

Models that are as good as each other can name different students (Bird and others 2021). So the model is fitted again,
several times, each time on a half of the students of its fit rows: a half drawn without return varies a fit as much as
a bootstrap sample does (Buja and Stuetzle 2006), and takes half the time. Then: how much of the list stays, how far
scores near its line lie apart, and which concepts stay among a student's foremost reasons. Nothing here reads an
outcome of the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from training import evaluate
from training.calibrate import Calibration
from training.indicators import PROGRESS
from training.model import Trees
from training.reasons import LEAST_KEPT, MOST_REASONS, foremost, region
from training.run import Run
from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]

#: How many rows a concept must be a foremost reason of, in a region, to be judged there.
LEAST_ROWS = 10

#: Above which shares of its rows the weight of a concept is tried; see :func:`kept`.
_CUTS = (0.0, 0.25, 0.5, 0.75)

#: How near to the line, in log-odds, scores count for its noise.
_NEAR = 0.5


def refitted(run: Run, refits: int, most_rows: int) -> list[Trees]:
    """Return models fitted on a random half of the students each.

    Args:
        run: the run.
        refits: how many.
        most_rows: on how many rows at most; a share of the students is drawn then.

    """
    share = min(0.5, most_rows / max(int(run.fit.sum()), 1))
    rng = np.random.default_rng([run.settings.seed, 5])
    students = int(run.who.max()) + 1
    return run.fitted_each([run.fit & (rng.random(students) < share)[run.who] for _ in range(refits)])


def noise(run: Run, trees: Trees, calibration: Calibration, refits: Sequence[Trees]) -> float | None:
    """Return how far, in log-odds, refits put students who lie near the line of the list; None without any.

    The mean of each refit is taken off first: what moves everybody moves the line too. The line is that of the share of
    students that capacity allows, on the test's rows.
    """
    if not refits:
        return None
    matrix = run.matrix[run.test]
    own = evaluate.log_odds(calibration.probability(trees.raw(matrix)))
    near = np.abs(own - np.quantile(own, 1 - run.settings.capacity)) < _NEAR
    apart = [float((evaluate.log_odds(calibration.probability(one.raw(matrix[near]))) - own[near]).std()) for one in refits]
    return float(np.sqrt(np.mean(np.square(apart))))


def measured(run: Run, model: TrainedModel, refits: Sequence[Trees], explained: int) -> dict[str, Any]:
    """Return what the card says of stability.

    Args:
        run: the run.
        model: the model, with its bands.
        refits: see :func:`refitted`.
        explained: how many rows at most are explained that are on the list, and as many that are not.

    """
    line = model.bands["check_in_suggested"]
    found: dict[str, Any] = {
        "refits": len(refits), "refit_on": "a random half of the students, drawn anew each time",
        "list_overlap": _overlap(run, model, refits), "line": line, "early_until": 1.0, "explained": 0, "concepts": [],
    }  # fmt: skip
    found["says"] = says(found)
    if not refits:
        return found
    at = _explained(run, model, line, explained)
    table = run.table.take(at)
    elapsed = table.values[:, table.catalog.places((PROGRESS,))[0]]
    early_until = float(np.nanmedian(elapsed)) if np.isfinite(elapsed).any() else 1.0
    own = model.score(table)
    where = [
        region(None if np.isnan(gone) else float(gone), float(chance), early_until, line)
        for gone, chance in zip(elapsed, own.probability, strict=True)
    ]
    mine = _foremost(model, own.contributions)
    again = [_foremost(model, replace(model, trees=one).score(table).contributions) for one in refits]
    return {**found, "early_until": early_until, "explained": len(at), "concepts": kept(where, mine, again)}


def _overlap(run: Run, model: TrainedModel, refits: Sequence[Trees]) -> dict[str, float | None]:
    """Return which share of the test's lists stays, in the mean and at least."""
    if not refits:
        return {"mean": None, "least": None}
    day, tie, matrix = run.day[run.test], run.tie[run.test], run.matrix[run.test]
    own = evaluate.on_list(model.trees.raw(matrix), day, tie, run.settings.capacity)
    shares = [
        float((own & evaluate.on_list(one.raw(matrix), day, tie, run.settings.capacity)).sum() / own.sum()) for one in refits
    ]
    return {"mean": round(float(np.mean(shares)), 4), "least": round(min(shares), 4)}


def _explained(run: Run, model: TrainedModel, line: float, most: int) -> npt.NDArray[np.intp]:
    """Return rows of the test to explain: at most so many from the line up, and as many below."""
    test = np.flatnonzero(run.test)
    listed = model.calibration.probability(model.trees.raw(run.matrix[test])) >= line
    rng = np.random.default_rng([run.settings.seed, 6])
    parts = [test[listed], test[~listed]]
    return np.sort(np.concatenate([rng.choice(part, min(most, len(part)), replace=False) for part in parts]))


def _foremost(model: TrainedModel, contributions: Floats) -> list[dict[str, float]]:
    """Return the concepts of each row's foremost reasons, and what each adds, in log-odds."""
    concepts = [model.catalog[name].concept for name in model.inputs]
    named = list(dict.fromkeys(concepts))
    sums = contributions @ (np.array(concepts)[:, None] == np.array(named)[None, :])
    rows = [dict(zip(named, row, strict=True)) for row in sums.tolist()]
    return [{concept: row[concept] for concept in foremost(row)[:MOST_REASONS]} for row in rows]


def kept(
    where: Sequence[str], mine: Sequence[Mapping[str, float]], again: Sequence[Sequence[Iterable[str]]]
) -> list[dict[str, Any]]:
    """Return how often each concept stays among the foremost three, by region, and from which weight on it is told.

    A concept is told in a region from the least weight on from which it stays in four of five refits, over the rows of
    which it is a foremost reason with that weight or more: what hardly adds comes and goes from fit to fit, and must not
    silence what adds much. Of the weights, those at none, one, two and three quarters of the rows are tried. Where a
    region has fewer than ten rows, all regions together are asked; where those have, too, it is told.

    Args:
        where: the region of each row.
        mine: the foremost concepts of each row, of the model, and what each adds.
        again: the foremost concepts of each row, of each refit.

    """
    rows: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for at, concepts in enumerate(mine):
        for concept, weight in concepts.items():
            times = sum(concept in one[at] for one in again)
            for place in (where[at], ""):
                rows.setdefault((place, concept), []).append((weight, times))
    found = []
    for place, concept in sorted(key for key in rows if key[0]):
        judged = next((at for at in (place, "") if len(rows[at, concept]) >= LEAST_ROWS), None)
        told: dict[str, Any] = {"kept": None, "from": 0.0, "shown": True}
        if judged is not None:
            weights, times_kept = np.array(rows[judged, concept]).T
            told = _told(weights, times_kept, len(again))
        found.append({"concept": concept, "region": place, "rows": len(rows[place, concept]), **told})
    return found


def _told(weights: Floats, times: Floats, refits: int) -> dict[str, Any]:
    """Return from which weight on a concept is told, and how often it stays from there on; where never, over all rows."""
    for cut in _CUTS:
        least = float(np.quantile(weights, cut))
        heavy = weights >= least
        share = float(times[heavy].mean()) / refits
        if heavy.sum() >= LEAST_ROWS and share >= LEAST_KEPT:
            return {"kept": round(share, 4), "from": round(least, 6) if cut else 0.0, "shown": True}
    return {"kept": round(float(times.mean()) / refits, 4), "from": None, "shown": False}


def says(told: Mapping[str, Any]) -> str:
    """Return the sentence of a card about what hangs on the draw of the students."""
    if not told["refits"]:
        return "How much the list hangs on whom the model learned from was not measured."
    overlap = told["list_overlap"]
    return (
        f"Fitted again {told['refits']} times on {told['refit_on']}, the model would have listed {overlap['mean']:.0%} of the "
        f"same students in the mean, and {overlap['least']:.0%} at least."
    )

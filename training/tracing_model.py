"""The model of a log of responses: how likely a student's next answer is right, from the student's own past.

A penalised line and trees beside it and beyond it. All of them are held to the directions of :data:`features.tracing.FACTS`:
weights of the line have the sign of the direction, and trees are monotone in it. A sum of such parts is so too, in floating
point as well, since rounding keeps order: a right answer in place of a wrong one never lowers the next estimate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from features.problems import NotFound, Problem, Refused
from features.responses import Floats, ResponseLog
from features.tracing import FACTS, Difficulty, Fact, Numbers, StudentTrace, features_of
from training.model import Trees
from training.trained import read_whole, write_whole

NAMES = tuple(fact.name for fact in FACTS)
DIRECTIONS = tuple(fact.direction for fact in FACTS)

#: What LightGBM is told of trees for ten thousands of responses and more; of fewer, leaves must hold more of the whole.
PARAMETERS: Mapping[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 100, "feature_fraction": 0.4,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "max_bin": 127, "seed": 7,
    "monotone_constraints": list(DIRECTIONS), "monotone_constraints_method": "basic",
}  # fmt: skip

#: Penalty of the line, as if so many responses had spoken for a weight of nothing.
PENALTY = 30.0

#: Responses from which the line is fitted: more say no more of so few weights.
MOST_FOR_LINE = 300_000


@dataclass(frozen=True)
class Line:
    """``intercept + sum(weight * (value - centre) / spread)``; what is unknown counts as the middle."""

    intercept: float
    weight: Floats
    centre: Floats
    spread: Floats

    @classmethod
    def fit(cls, matrix: Numbers, right: Floats, seed: int = 7) -> Line:
        """Fit a penalised logistic line whose weights have the signs of :data:`DIRECTIONS` (L-BFGS with bounds)."""
        if len(matrix) > MOST_FOR_LINE:
            at = np.sort(np.random.default_rng(seed).choice(len(matrix), MOST_FOR_LINE, replace=False))
            matrix, right = matrix[at], right[at]
        known = ~np.isnan(matrix)
        count = np.maximum(known.sum(axis=0), 1)
        values = np.where(known, matrix, 0.0).astype(np.float64)
        centre = values.sum(axis=0) / count
        values = np.where(known, values - centre, 0.0)
        spread = np.sqrt((values**2).sum(axis=0) / count)
        spread = np.where(spread > 1e-9, spread, 1.0)
        values /= spread

        def loss(weights: Floats) -> tuple[float, Floats]:
            odds = values @ weights[1:] + weights[0]
            error = 1 / (1 + np.exp(-odds)) - right
            found = float(np.logaddexp(0, odds).sum() - (right * odds).sum() + PENALTY / 2 * (weights[1:] ** 2).sum())
            return found, np.concatenate([[error.sum()], error @ values + PENALTY * weights[1:]])

        bounds = [(None, None), *((0 if way > 0 else None, 0 if way < 0 else None) for way in DIRECTIONS)]
        found = minimize(loss, np.zeros(values.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds,
                         options={"maxiter": 200}).x  # fmt: skip
        return cls(float(found[0]), found[1:], centre, spread)

    def raw(self, matrix: Numbers) -> Floats:
        """Return log-odds, shape ``(rows,)``, added up input by input, so that a row alone gets the same bits."""
        total = np.full(len(matrix), self.intercept)
        for at in np.flatnonzero(self.weight):
            part = (matrix[:, at].astype(np.float64) - self.centre[at]) / self.spread[at] * self.weight[at]
            total += np.where(np.isnan(part), 0.0, part)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"intercept": self.intercept, **{name: getattr(self, name).tolist() for name in ("weight", "centre", "spread")}}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Line:
        """Return what :meth:`as_dict` wrote."""
        return cls(found["intercept"], *(np.array(found[name], dtype=np.float64) for name in ("weight", "centre", "spread")))


@dataclass(frozen=True)
class Scorer:
    """The score of a response: trees alone by ``share``, the line and the trees beyond it by the rest.

    ``slope`` and ``intercept`` make it mean frequencies, as they were on students that the model did not see.
    """

    line: Line
    alone: Trees
    beyond: Trees
    share: float
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, matrix: Numbers, right: Floats, trees: int, share: float = 0.5) -> Scorer:
        """Fit all parts on responses, shape ``(rows, facts)``, and their answers."""
        line = Line.fit(matrix, right)
        told = {**PARAMETERS, "min_child_samples": int(np.clip(len(right) // 300, 10, 100))}
        many: Any = matrix
        return cls(line, Trees.fit(many, right, NAMES, told, trees),
                   Trees.fit(many, right, NAMES, told, trees, start=line.raw(matrix)), share)  # fmt: skip

    def parts(self, matrix: Numbers) -> tuple[Floats, Floats]:
        """Return the scores of both halves, shape ``(rows,)`` each."""
        many: Any = matrix
        return self.alone.raw(many), self.line.raw(matrix) + self.beyond.raw(many)

    def odds(self, matrix: Numbers) -> Floats:
        """Return calibrated log-odds of a right answer, shape ``(rows,)``."""
        alone, beyond = self.parts(matrix)
        return self.slope * (self.share * alone + (1 - self.share) * beyond) + self.intercept

    def chance(self, matrix: Numbers) -> Floats:
        """Return probabilities of a right answer, shape ``(rows,)``."""
        return 1 / (1 + np.exp(-self.odds(matrix)))


@dataclass(frozen=True)
class TracingModel:
    """A model of a log. ``skills`` and ``items`` are the names by which ``difficulty`` numbers them."""

    name: str
    skills: tuple[str, ...]
    items: tuple[str, ...]
    difficulty: Difficulty
    scorer: Scorer
    card: Mapping[str, Any]

    def chances(self, log: ResponseLog) -> Floats:
        """Return for every response of a log how likely it was right, from what its student had answered before."""
        return self.scorer.chance(features_of(log.named(self.skills, self.items), self.difficulty))

    def student(self) -> StudentTrace:
        """Return the trace of a student who has answered nothing yet."""
        return StudentTrace.of(self.difficulty)

    def places(self, skills: Sequence[str]) -> list[int]:
        """Return the places of skills by their names, in rising order; a skill that was not learned of has none."""
        known = {name: at for at, name in enumerate(self.skills)}
        unknown = [name for name in skills if name not in known]
        if unknown:
            raise NotFound(f"{len(unknown)} of the skills are not among the {len(known)} that the model was trained on.")
        return sorted({known[name] for name in skills})

    def item(self, name: str) -> int:
        """Return the place of an item by its name, -1 where the model was not trained on it."""
        try:
            return self.items.index(name)
        except ValueError:
            return -1

    def next(self, trace: StudentTrace, skills: Sequence[str], item: str = "", order: float = np.nan) -> float:
        """Return how likely the next answer of a student is right.

        Args:
            trace: the student's, after all answers so far.
            skills: the names of the skills that it needs.
            item: the name of the question; of an average one where it is not known.
            order: when, in the log's own order, where that is known.

        """
        found = trace.features(self.places(skills), self.item(item), order)
        return float(self.scorer.chance(found[None, :])[0])

    def write(self, folder: Path) -> None:
        """Write the model's files into a folder, made where there is none."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {"alone.txt": self.scorer.alone.text(), "beyond.txt": self.scorer.beyond.text(),
                 "card.json": json.dumps(dict(self.card), indent=1)}  # fmt: skip
        kept: dict[str, Any] = {
            "format": 2, "kind": "responses", "name": self.name, "skills": list(self.skills), "items": list(self.items),
            "facts": [[fact.name, fact.says, fact.direction] for fact in FACTS], "difficulty": self.difficulty.as_dict(),
            "line": self.scorer.line.as_dict(), "share": self.scorer.share, "slope": self.scorer.slope,
            "intercept": self.scorer.intercept,
        }  # fmt: skip
        write_whole(folder, files, kept)

    @classmethod
    def read(cls, folder: Path) -> TracingModel:
        """Return the model in a folder.

        Raises:
            NotFound: the folder holds no model of a log.
            Refused: a file is not as it was written, or the numbers that it reads are others now.

        """
        if not (folder / "model.json").exists():
            raise NotFound(f"There is no model of a log called {folder.name}. `homeroom train --source responses` makes one.")
        kept = read_whole(folder)
        if kept.get("kind") != "responses":
            raise NotFound(f"The model in {folder.name} was not learned from a log of responses.")
        if tuple(Fact(*one) for one in kept["facts"]) != FACTS:
            what = Problem("feature_changed", "model.json", "it reads other numbers than are made now", "Train it again.")
            raise Refused([what], "The model was trained on other feature definitions")
        alone, beyond = (Trees.from_text((folder / f"{name}.txt").read_text()) for name in ("alone", "beyond"))
        scorer = Scorer(Line.from_dict(kept["line"]), alone, beyond, kept["share"], kept["slope"], kept["intercept"])
        return cls(kept["name"], tuple(kept["skills"]), tuple(kept["items"]), Difficulty.from_dict(kept["difficulty"]), scorer,
                   json.loads((folder / "card.json").read_text()))  # fmt: skip

    def with_card(self, card: Mapping[str, Any]) -> TracingModel:
        """Return the model with its card."""
        return replace(self, card=card)


def calibrated(scorer: Scorer, alone: Floats, beyond: Floats, right: Floats) -> Scorer:
    """Return a scorer with the share and the calibration that suit responses that it did not see.

    ``alone`` and ``beyond`` are the scores of both halves (:meth:`Scorer.parts`).
    """

    def loss(odds: npt.NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, odds).mean() - (right * odds).mean())

    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    share = min(shares, key=lambda one: loss(one * alone + (1 - one) * beyond))
    odds = share * alone + (1 - share) * beyond
    slope, intercept = 1.0, 0.0
    for _ in range(25):  # Newton's method on two numbers
        chance = 1 / (1 + np.exp(-(slope * odds + intercept)))
        bend, error = chance * (1 - chance), right - chance
        matrix = np.array([[(bend * odds * odds).sum(), (bend * odds).sum()], [(bend * odds).sum(), bend.sum()]])
        step = np.linalg.solve(matrix + 1e-9 * np.eye(2), np.array([(error * odds).sum(), error.sum()]))
        slope, intercept = slope + float(step[0]), intercept + float(step[1])
    if not 0.2 < slope < 5.0:  # too few responses to tell: the scores stay as they are
        slope, intercept = 1.0, 0.0
    return replace(scorer, share=share, slope=slope, intercept=intercept)

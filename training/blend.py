"""One score from few rows: trees of several seeds, some of which begin where a straight line ends.

On some hundred rows one ensemble depends on the luck of its draws, and trees approximate a line with many steps. A
weighted mean of several ensembles, one of them fitted to what a penalised line leaves over, errs about as little as the
best of them does on each file (``make bench NAME=tabular``), and which that is differs. A mean of sums is a sum:
contributions of all parts, weighted as the parts are, add up to the score exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from training.explain import Explainer
from training.linear import Linear
from training.model import Trees

Floats = npt.NDArray[np.float64]

#: Up to how many rows a table is small, and takes many ensembles; and up to how many it is not yet so large that a second
#: one would only cost time.
SMALL, LARGE = 3_000, 50_000

#: Ensembles of a small table are given their weights by how well they say what they did not see, in this many parts.
PARTS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One kind of ensemble: LightGBM's parameters, how many trees, of how many seeds, and whether beyond a line."""

    parameters: Mapping[str, Any]
    trees: int
    seeds: int = 1
    beyond_line: bool = False


_ALWAYS: Mapping[str, Any] = {"bagging_freq": 1, "max_bin": 63, "min_data_in_bin": 1, "num_threads": 1, "seed": 7}

#: Deep trees that each see few inputs and are added up to little: best where little can be known.
GENTLE: Mapping[str, Any] = {
    **_ALWAYS, "learning_rate": 0.02, "num_leaves": 63, "max_depth": 12, "min_child_samples": 2, "lambda_l2": 1.0,
    "feature_fraction_bynode": 0.33, "bagging_fraction": 0.6,
}  # fmt: skip

#: The same, seeing fewer inputs still.
NARROW: Mapping[str, Any] = {**GENTLE, "feature_fraction_bynode": 0.2}

#: Shallow trees that are added up to more: best where an earlier measure tells most.
KEEN: Mapping[str, Any] = {
    **_ALWAYS, "learning_rate": 0.03, "num_leaves": 15, "max_depth": 5, "min_child_samples": 10, "lambda_l2": 5.0,
    "feature_fraction_bynode": 0.5, "bagging_fraction": 0.7,
}  # fmt: skip

#: Found among some thirty on the files of Cortez and Silva (2008), on other folds than those of the benchmark.
FEW_ROWS = (Member(GENTLE, 150, 3), Member(NARROW, 200, 3), Member(KEEN, 300, 2), Member(GENTLE, 150, 1, beyond_line=True))

#: Trees for more rows, where each leaf can hold more of them.
BROAD: Mapping[str, Any] = {
    "learning_rate": 0.04, "num_leaves": 31, "max_depth": 6, "min_child_samples": 20, "lambda_l2": 5.0,
    "feature_fraction_bynode": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 7,
}  # fmt: skip
MORE_ROWS = (Member(BROAD, 250), Member(BROAD, 120, beyond_line=True))
MANY_ROWS = (Member(BROAD, 300),)


def members_for(rows: int) -> tuple[Member, ...]:
    """Return what a blend is made of for a table of so many rows."""
    return FEW_ROWS if rows <= SMALL else MORE_ROWS if rows <= LARGE else MANY_ROWS


@dataclass(frozen=True)
class Blend:
    """A score: ``share * line + sum(weight * ensemble)``, in log-odds or in the outcome's unit."""

    line: Linear | None
    share: float
    trees: tuple[Trees, ...]
    weights: tuple[float, ...]

    @cached_property
    def explainers(self) -> tuple[Explainer, ...]:
        """One per ensemble, made when first asked for: most blends are fitted to be judged and explain nothing."""
        return tuple(Explainer(one) for one in self.trees)

    @classmethod
    def fit(cls, matrix: Floats, truth: Floats, names: Sequence[str], binary: bool, members: Sequence[Member]) -> Blend:
        """Fit a blend.

        Args:
            matrix: shape ``(rows, inputs)``, NaN where unknown.
            truth: shape ``(rows,)``; 0 or 1 where ``binary``.
            names: the inputs' names.
            binary: whether the score is log-odds.
            members: see :class:`Member`; their weights are measured on rows that they did not see.

        """
        if len(members) == 1:
            weights = np.ones(1)
        else:
            seen, part = np.zeros((len(truth), len(members))), np.arange(len(truth)) % PARTS
            # Rows in turn from an order of their own: a file sorted by class must not give a part without one.
            part[np.lexsort((np.random.default_rng(7).random(len(truth)), truth))] = np.arange(len(truth)) % PARTS
            for number in range(PARTS):
                apart, rest = part == number, part != number
                for at, one in enumerate(members):
                    # One seed is enough to weigh by, and most of the time is spent here.
                    alone = [replace(one, seeds=1)]
                    seen[apart, at] = cls._of(matrix[rest], truth[rest], names, binary, alone, np.ones(1)).raw(matrix[apart])
            weights = weights_of(seen, truth, binary)
        return cls._of(matrix, truth, names, binary, members, weights)

    @classmethod
    def _of(
        cls, matrix: Floats, truth: Floats, names: Sequence[str], binary: bool, members: Sequence[Member], weights: Floats
    ) -> Blend:
        kept = [(one, float(weight)) for one, weight in zip(members, weights, strict=True) if weight > 0]
        share = sum(weight for one, weight in kept if one.beyond_line)
        line = Linear.fit(matrix, truth, binary) if share else None
        begin = None if line is None else line.raw(matrix)
        trees, each = [], []
        for one, weight in kept:
            for number in range(one.seeds):
                parameters = {**one.parameters, "objective": "binary" if binary else "regression",
                              "seed": one.parameters["seed"] + number}  # fmt: skip
                start = begin if one.beyond_line else None
                trees.append(Trees.fit(matrix, truth, names, parameters, one.trees, start=start))
                each.append(weight / one.seeds)
        return cls(line, share, tuple(trees), tuple(each))

    def raw(self, matrix: Floats) -> Floats:
        """Return scores, shape ``(rows,)``; those of a row do not depend on the rows beside it."""
        found = np.zeros(len(matrix))
        for weight, one in zip(self.weights, self.trees, strict=True):
            found += weight * one.raw(matrix, threads=1)
        return found if self.line is None else found + self.share * self.line.raw(matrix)

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return contributions, shape ``(rows, inputs)``, and base values, shape ``(rows,)``, that add up to the scores."""
        found, base = np.zeros(matrix.shape), np.zeros(len(matrix))
        for weight, one, explainer in zip(self.weights, self.trees, self.explainers, strict=True):
            part, start = explainer.contributions(matrix, one.raw(matrix, threads=1))
            found += weight * part
            base += weight * start
        if self.line is not None:
            found += self.share * self.line.contributions(matrix)
            base += self.share * self.line.intercept
        return found, base

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file; the trees are texts of their own."""
        return {"share": self.share, "line": None if self.line is None else self.line.as_dict(), "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any], trees: Sequence[Trees]) -> Blend:
        """Return what :meth:`as_dict` wrote, with its trees."""
        line = None if found["line"] is None else Linear.from_dict(found["line"])
        return cls(line, found["share"], tuple(trees), tuple(found["weights"]))


def weights_of(seen: Floats, truth: Floats, binary: bool) -> Floats:
    """Return weights, none below 0, that add up to 1 and make the mean of scores err least.

    Found by exponentiated gradient (Kivinen and Warmuth 1997), which stays on the simplex. A weight under 0.02 is none.

    Args:
        seen: scores of rows by models that did not see them, shape ``(rows, models)``.
        truth: shape ``(rows,)``.
        binary: whether scores are log-odds, and the loss is that of a probability.

    """
    weight = np.full(seen.shape[1], 1 / seen.shape[1])
    scale = max(float(truth.var()), 1e-12)
    for _ in range(1000):
        said = seen @ weight
        error = 1 / (1 + np.exp(-said)) - truth if binary else (said - truth) / scale
        slope = error @ seen / len(truth)
        weight = weight * np.exp(-(slope - slope.min()))
        weight /= weight.sum()
    weight = np.where(weight < 0.02, 0.0, weight)
    return np.asarray(weight / weight.sum(), dtype=np.float64)

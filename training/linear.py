"""Penalised linear models: a part of a model of few rows, what such a model must beat, and how classes are calibrated.

On some hundred rows a straight line through a well-chosen number is hard to beat, and trees spend most of their splits
on drawing it. A line's contributions are exact by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, RidgeCV

Floats = npt.NDArray[np.float64]

#: Penalties that a ridge regression chooses from, by the error of leaving one row out.
PENALTIES = tuple(np.logspace(0, 4, 13).tolist())


@dataclass(frozen=True)
class Linear:
    """``intercept + sum(weight * (value - centre))``; an unknown value counts as the middle one.

    For a number the line is in its unit, for an outcome of yes or no in log-odds.
    """

    intercept: float
    weight: Floats
    centre: Floats
    middle: Floats

    @classmethod
    def fit(cls, matrix: Floats, truth: Floats, binary: bool) -> Linear:
        """Fit a ridge regression, or for an outcome of 0 and 1 a penalised logistic one.

        Args:
            matrix: shape ``(rows, inputs)``, NaN where unknown.
            truth: shape ``(rows,)``.
            binary: whether it is 0 or 1.

        """
        middle = middles(matrix)
        filled = np.where(np.isnan(matrix), middle, matrix)
        centre, spread = filled.mean(axis=0), filled.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        if binary:
            # 0.1 is weak enough for a clear line and strong enough for more columns than a hundred rows carry.
            line = LogisticRegression(C=0.1, max_iter=1000).fit((filled - centre) / spread, truth.astype(int))
            weight, intercept = line.coef_[0], float(line.intercept_[0])
        else:
            line = RidgeCV(PENALTIES).fit((filled - centre) / spread, truth)
            weight, intercept = line.coef_, float(line.intercept_)
        return cls(intercept, np.asarray(weight / spread, dtype=np.float64), centre, middle)

    def contributions(self, matrix: Floats) -> Floats:
        """Return what each input adds to the intercept, shape ``(rows, inputs)``."""
        return (np.where(np.isnan(matrix), self.middle, matrix) - self.centre) * self.weight

    def raw(self, matrix: Floats) -> Floats:
        """Return scores, shape ``(rows,)``."""
        # Summed as contributions are, so that both are the same number, row by row.
        return self.intercept + np.array([row.sum() for row in self.contributions(matrix)])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"intercept": self.intercept, **{name: getattr(self, name).tolist() for name in ("weight", "centre", "middle")}}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Linear:
        """Return what :meth:`as_dict` wrote."""
        return cls(found["intercept"], *(np.array(found[name], dtype=np.float64) for name in ("weight", "centre", "middle")))


@dataclass(frozen=True)
class Softmax:
    """Probabilities of classes from one score per class, by multinomial logistic regression on unseen scores.

    ``logits = scores @ weight + intercept``, one column per class, so that what an input adds to a score it adds to a
    logit too.
    """

    weight: Floats
    intercept: Floats

    @classmethod
    def fit(cls, scores: Floats, place: npt.NDArray[np.int64], classes: int) -> Softmax:
        """Fit on scores, shape ``(rows, classes)``, of rows that the scoring models did not see, and their classes."""
        weight, intercept = _multinomial(scores, place, classes, 1.0)
        return cls(weight, intercept)

    def logits(self, scores: Floats) -> Floats:
        """Return logits, shape ``(rows, classes)``, each row by itself, so that it gets the same bits alone."""
        return np.array([row @ self.weight for row in scores]).reshape(scores.shape) + self.intercept

    def probability(self, scores: Floats) -> Floats:
        """Return probabilities that add up to 1, shape ``(rows, classes)``."""
        return shares(self.logits(scores))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"weight": self.weight.tolist(), "intercept": self.intercept.tolist()}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Softmax:
        """Return what :meth:`as_dict` wrote."""
        return cls(np.array(found["weight"]), np.array(found["intercept"]))


@dataclass(frozen=True)
class Multinomial:
    """A penalised multinomial logistic regression on the inputs themselves: what a model of classes must beat."""

    middle: Floats
    centre: Floats
    spread: Floats
    weight: Floats
    intercept: Floats

    @classmethod
    def fit(cls, matrix: Floats, place: npt.NDArray[np.int64], classes: int) -> Multinomial:
        """Fit on rows, NaN where unknown, and the positions of their classes."""
        middle = middles(matrix)
        filled = np.where(np.isnan(matrix), middle, matrix)
        centre, spread = filled.mean(axis=0), filled.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        return cls(middle, centre, spread, *_multinomial((filled - centre) / spread, place, classes, 0.1))

    def probability(self, matrix: Floats) -> Floats:
        """Return probabilities, shape ``(rows, classes)``."""
        filled = np.where(np.isnan(matrix), self.middle, matrix)
        return shares((filled - self.centre) / self.spread @ self.weight + self.intercept)


def _multinomial(matrix: Floats, place: npt.NDArray[np.int64], classes: int, strength: float) -> tuple[Floats, Floats]:
    """Return weights, shape ``(inputs, classes)``, and intercepts; a class without a row is left at nearly nothing."""
    line = LogisticRegression(C=strength, max_iter=2000).fit(matrix, place)
    weight, intercept = np.zeros((matrix.shape[1], classes)), np.full(classes, -20.0)
    if len(line.classes_) == 2:  # scikit-learn then keeps the second class's half alone
        weight[:, line.classes_[1]], intercept[line.classes_] = line.coef_[0], (0.0, float(line.intercept_[0]))
    else:
        weight[:, line.classes_], intercept[line.classes_] = line.coef_.T, line.intercept_
    return weight, intercept


def shares(logits: Floats) -> Floats:
    """Return the softmax of each row."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), dtype=np.float64)


def middles(matrix: Floats) -> Floats:
    """Return the middle of what is known of each column, 0 where nothing is."""
    return np.array([np.median(known) if len(known := column[~np.isnan(column)]) else 0.0 for column in matrix.T])

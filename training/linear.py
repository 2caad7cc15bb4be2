"""Penalised linear models: a part of a model of few rows, what such a model must beat, and how classes are calibrated.

On some hundred rows a straight line through a well-chosen number is hard to beat, and trees spend most of their splits
on drawing it. A line's contributions are exact by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, RidgeCV

Floats = npt.NDArray[np.float64]

#: Penalties that a ridge regression chooses from, by the error of leaving one row out.
PENALTIES = tuple(np.logspace(0, 4, 13).tolist())

#: Of a line beside trees: how weak its penalty is, what share of an input's values is trimmed at either end, and from
#: which share of rows on being unknown is told apart. Leaving out courses within a training term chose the first two.
STRENGTH, TRIMMED, SOMETIMES = 0.001, 0.01, 0.002

#: Beyond any value of an input that is not trimmed.
FAR = 1e9


@dataclass(frozen=True)
class Linear:
    """``intercept + sum(weight * (value - centre))``, with what being ``unknown`` adds where a value is.

    For a number the line is in its unit, for an outcome of yes or no in log-odds. An unknown value counts as the
    middle one; one beyond ``low`` or ``high`` as that, so that nobody's score hangs on one extreme number.
    """

    intercept: float
    weight: Floats
    centre: Floats
    middle: Floats
    low: Floats | None = None
    high: Floats | None = None
    unknown: Floats | None = None

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

    @classmethod
    def held(
        cls, matrix: Floats, truth: npt.NDArray[Any], directions: Sequence[int], given: Mapping[int, float] | None = None,
        strength: float = STRENGTH, trimmed: float = TRIMMED,
    ) -> Linear:  # fmt: skip
        """Fit a penalised logistic regression that goes no way the field is certain is wrong.

        Where an input's weight comes out on the wrong side the input is left out and the rest fitted again, until none
        does. Being unknown has a weight of its own, where that is the case for some rows and not for others.

        Args:
            matrix: shape ``(rows, inputs)``, NaN where unknown.
            truth: 0 or 1, shape ``(rows,)``.
            directions: for each input 1 where its weight may not be negative, -1 where not positive, 0 where either.
            given: weights that are not learned, by the position of their input; its values are not trimmed.
            strength: the inverse of the penalty on weights of inputs in units of their spread.
            trimmed: the share of values at either end that count as the value there.

        """
        gone, inputs = np.isnan(matrix), matrix.shape[1]
        middle = middles(matrix)
        low, high = (_quantiles(matrix, share) for share in (trimmed, 1 - trimmed))
        told = (gone.mean(axis=0) > SOMETIMES) & (gone.mean(axis=0) < 1 - SOMETIMES)
        columns = np.hstack([np.where(gone, middle, np.clip(matrix, low, high)), gone[:, told].astype(np.float64)])
        centre, spread = columns.mean(axis=0), columns.std(axis=0)
        columns -= centre
        columns /= np.where(spread > 0, spread, 1.0)
        sign = np.concatenate([np.asarray(directions), np.zeros(int(told.sum()))])
        given = given or {}
        kept, weight, intercept = spread > 0, np.zeros(len(spread)), 0.0
        kept[list(given)] = False
        # newton-cholesky is quick where rows far outnumber columns, as here; each fit begins where the last one ended.
        line = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100, warm_start=True)
        while True:
            line.fit(columns[:, kept], truth)
            weight[:] = 0.0
            weight[kept], intercept = line.coef_[0], float(line.intercept_[0])
            wrong = weight * sign < 0
            if not wrong.any():
                break
            kept &= ~wrong
            line.coef_ = weight[None, kept]
        weight /= np.where(spread > 0, spread, 1.0)
        unknown = np.zeros(inputs)
        unknown[told] = weight[inputs:]
        for at, one in given.items():
            # Unknown, it adds nothing: the mean of what is known stands for it.
            weight[at], unknown[at], low[at], high[at] = one, 0.0, -FAR, FAR
            centre[at] = middle[at] = _known_mean(matrix[:, at])
        # What being known adds is left in the intercept, so that only an unknown value is told of.
        intercept -= float(weight[inputs:] @ centre[inputs:])
        return cls(intercept, weight[:inputs], centre[:inputs], middle, low, high, unknown)

    def contributions(self, matrix: Floats) -> Floats:
        """Return what each input adds to the intercept, shape ``(rows, inputs)``."""
        gone = np.isnan(matrix)
        within = matrix if self.low is None else np.clip(matrix, self.low, self.high)
        found = (np.where(gone, self.middle, within) - self.centre) * self.weight
        return found if self.unknown is None else found + gone * self.unknown

    def raw(self, matrix: Floats) -> Floats:
        """Return scores, shape ``(rows,)``."""
        # Summed as contributions are, so that both are the same number, row by row.
        return self.intercept + np.array([row.sum() for row in self.contributions(matrix)])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        kept = {name: getattr(self, name) for name in _ARRAYS}
        return {"intercept": self.intercept, **{name: one.tolist() for name, one in kept.items() if one is not None}}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Linear:
        """Return what :meth:`as_dict` wrote; lines written before they trimmed anything are read as they were."""
        return cls(found["intercept"], **{name: np.array(found[name], dtype=np.float64) for name in _ARRAYS if name in found})


_ARRAYS = ("weight", "centre", "middle", "low", "high", "unknown")


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


def _known_mean(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else 0.0


def _quantiles(matrix: Floats, share: float) -> Floats:
    """Return a quantile of what is known of each column, 0 where nothing is."""
    return np.array([np.quantile(known, share) if len(known := column[~np.isnan(column)]) else 0.0 for column in matrix.T])


def middles(matrix: Floats) -> Floats:
    """Return the middle of what is known of each column, 0 where nothing is."""
    return np.array([np.median(known) if len(known := column[~np.isnan(column)]) else 0.0 for column in matrix.T])

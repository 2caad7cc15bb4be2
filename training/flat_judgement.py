"""How good a model of a flat file is: its error, its intervals, what it must beat, and the same by group.

A number is judged by its error (RMSE, MAE), classes by log-loss, accuracy and the mean of the classes' recalls, an
outcome of yes or no as every list is (see :mod:`training.evaluate`). Whether a baseline is beaten is asked of the same
students for both: the whole 95% interval of the difference, drawn over students, must lie on one side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.flat import Label, Outcome
from training import evaluate
from training.linear import Linear, Multinomial, middles

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

#: A group of fewer students is counted and not judged: a figure of them would be chance, and could be somebody's.
LEAST_IN_GROUP = 10


@dataclass(frozen=True, slots=True)
class FlatBaseline:
    """A simple way to say the same. ``fit`` takes inputs and outcomes and returns a function of other inputs' rows.

    What it returns has a column per class for classes, else one: an expected number, or a score that orders rows.
    ``last`` is the position of the input that is the same measure taken last, or None.
    """

    says: str
    fit: Callable[[Floats, Floats, Label, int | None], Callable[[Floats], Floats]]
    needs_last: bool = False


def _mean(_: Floats, truth: Floats, label: Label, last: int | None) -> Callable[[Floats], Floats]:
    del label, last
    middle = float(truth.mean())
    return lambda matrix: np.full((len(matrix), 1), middle)


def _ridge(matrix: Floats, truth: Floats, label: Label, last: int | None) -> Callable[[Floats], Floats]:
    del last
    line = Linear.fit(matrix, truth, binary=label.kind == "binary")
    if label.kind == "binary":
        return lambda other: line.raw(other)[:, None]
    return lambda other: np.clip(line.raw(other), *label.range)[:, None]


def _last(matrix: Floats, truth: Floats, label: Label, last: int | None) -> Callable[[Floats], Floats]:
    """Say the measure taken last again; of an outcome of yes or no, order by it, in the direction that fits."""
    assert last is not None
    middle = float(middles(matrix[:, [last]])[0])
    taken = np.nan_to_num(matrix[:, last], nan=middle)
    up = label.kind != "binary" or float(np.cov(taken, truth)[0, 1]) >= 0
    return lambda other: (1.0 if up else -1.0) * np.nan_to_num(other[:, [last]], nan=middle)


def _class_shares(_: Floats, truth: Floats, label: Label, last: int | None) -> Callable[[Floats], Floats]:
    del last
    shares = np.bincount(truth.astype(int), minlength=len(label.classes)) / len(truth)
    return lambda matrix: np.tile(shares, (len(matrix), 1))


def _multinomial(matrix: Floats, truth: Floats, label: Label, last: int | None) -> Callable[[Floats], Floats]:
    del last
    return Multinomial.fit(matrix, truth.astype(np.int64), len(label.classes)).probability


#: What a model must beat, by the kind of its outcome.
FLAT_BASELINES: Mapping[Outcome, Mapping[str, FlatBaseline]] = MappingProxyType(
    {
        "regression": {
            "mean": FlatBaseline("the mean of the students learned from", _mean),
            "ridge": FlatBaseline("a ridge regression on the same inputs", _ridge),
            "last": FlatBaseline("the same measure taken last, said again", _last, needs_last=True),
        },
        "binary": {
            "logistic": FlatBaseline("a penalised logistic regression on the same inputs", _ridge),
            "last": FlatBaseline("the measure taken last alone", _last, needs_last=True),
        },
        "multiclass": {
            "class_shares": FlatBaseline("each class's share of the students learned from", _class_shares),
            "multinomial": FlatBaseline("a penalised multinomial logistic regression on the same inputs", _multinomial),
        },
    }
)  # fmt: skip


def measure(label: Label, truth: Floats, outcome: Floats, capacity: float, tie: Floats) -> dict[str, float | int | None]:
    """Return the figures of what was said of rows, rounded to six places.

    Args:
        label: what was predicted.
        truth: the outcome; of classes, its position.
        outcome: what was said, one column, or one per class.
        capacity: share of the students that a list holds (an outcome of yes or no).
        tie: see :func:`training.evaluate.ties`.

    """
    found: dict[str, float | int | None] = {"rows": len(truth)}
    if label.kind == "binary":
        happened = truth.astype(np.int8)
        chance = outcome[:, 0] if ((outcome >= 0) & (outcome <= 1)).all() else None
        return evaluate.measure(outcome[:, 0], happened, np.zeros(len(truth)), tie, capacity, chance).as_dict()
    if label.kind == "regression":
        error = truth - outcome[:, 0]
        spread = float(((truth - truth.mean()) ** 2).mean())
        found |= {"rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean()),
                  "r2": 1 - float((error**2).mean()) / spread if spread else None}  # fmt: skip
    else:
        place = truth.astype(int)
        said = outcome.argmax(axis=1)
        recalls = [float((said[place == at] == at).mean()) for at in np.unique(place)]
        errors = [evaluate.calibration_error(outcome[:, at], (place == at).astype(np.int8)) for at in range(outcome.shape[1])]
        found |= {"log_loss": float(losses(label, truth, outcome).mean()), "accuracy": float((said == place).mean()),
                  "macro_recall": float(np.mean(recalls)), "ece": float(np.mean(errors))}  # fmt: skip
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in found.items()}


def losses(label: Label, truth: Floats, outcome: Floats) -> Floats:
    """Return the loss of each row: the squared error of a number, or minus the logarithm of the class's probability."""
    if label.kind == "regression":
        return np.asarray((truth - outcome[:, 0]) ** 2, dtype=np.float64)
    chance = outcome[np.arange(len(truth)), truth.astype(int)]
    return np.asarray(-np.log(np.clip(chance, 1e-12, 1.0)), dtype=np.float64)


#: What the gate compares, by the kind of outcome, in words.
COMPARED: Mapping[Outcome, str] = MappingProxyType(
    {
        "regression": "how much lower the error is (RMSE)",
        "binary": "gain in recall at the same length of list",
        "multiclass": "how much lower the log-loss is",
    }
)


def gains(
    label: Label, truth: Floats, outcome: Floats, others: Mapping[str, Floats], keys: tuple[str, ...], capacity: float,
    draws: int, seed: int,
) -> list[evaluate.Gain]:  # fmt: skip
    """Return how much better the model does than each baseline, with a 95% interval by bootstrap over students."""
    if label.kind == "binary":
        flat = {name: one[:, 0] for name, one in others.items()}
        return evaluate.gains(outcome[:, 0], flat, truth.astype(np.int8), np.zeros(len(truth)), keys, capacity, draws, seed)
    drawn = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=draws)
    weight = np.vstack([np.ones(len(truth)), drawn]) / len(truth)

    def error(said: Floats) -> Floats:
        mean = weight @ losses(label, truth, said)
        return np.asarray(np.sqrt(mean) if label.kind == "regression" else mean)

    mine, found = error(outcome), []
    for name, other in others.items():
        difference = error(other) - mine
        low, high = np.quantile(difference[1:], [0.025, 0.975])
        found.append(evaluate.Gain(name, float(difference[0]), float(low), float(high)))
    return found


def by_group(
    label: Label, truth: Floats, outcome: Floats, concern: Floats, line: float, groups: Mapping[str, pl.Series],
    rows: Rows, capacity: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the same figures for each group of at least :data:`LEAST_IN_GROUP`, and how many of it are on the list.

    Args:
        label: what was predicted.
        truth: the outcome of the judged rows.
        outcome: what was said of them.
        concern: what orders them.
        line: from which concern on a student is on the list.
        groups: the groups of all rows, by what they are told by.
        rows: which of them are judged.
        capacity: share of the students that a list holds.

    """
    found = []
    for name, everybody in groups.items():
        cells = everybody.filter(pl.Series(rows)).fill_null("not recorded")
        for value in cells.unique().sort().to_list():
            mine = (cells == value).to_numpy()
            one: dict[str, Any] = {"group": name, "value": value, "rows": int(mine.sum())}
            if mine.sum() >= LEAST_IN_GROUP:
                figures = measure(label, truth[mine], outcome[mine], capacity, np.zeros(int(mine.sum())))
                one |= figures | {"on_list": round(float((concern[mine] >= line).mean()), 4)}
                if label.kind == "regression":
                    one["mean_error"] = round(float((outcome[mine, 0] - truth[mine]).mean()), 4)
            else:
                one |= {"rows": None, "too_few": True}
            found.append(one)
    return found

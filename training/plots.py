"""Pictures of a judgement, for the registry: ROC, precision and recall, calibration, contributions by concept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]


def draw(label: Labels, chance: Floats, weights: Mapping[str, float], title: str) -> dict[str, bytes]:
    """Return PNG images by file name.

    Args:
        label: outcomes of the test rows.
        chance: their probabilities.
        weights: mean absolute contribution of each concept, in log-odds.
        title: what the pictures are of.

    """
    from matplotlib.figure import Figure

    order = np.argsort(-chance, kind="stable")
    hits = np.cumsum(label[order])
    misses = np.cumsum(1 - label[order])
    recall, fall_out = hits / max(int(hits[-1]), 1), misses / max(int(misses[-1]), 1)
    precision = hits / np.arange(1, len(hits) + 1)
    groups = [part for part in np.array_split(np.argsort(chance, kind="stable"), 10) if len(part)]

    def one(name: str, x: str, y: str) -> tuple[Any, Any]:
        figure = Figure(figsize=(5, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.set(title=f"{title}: {name}", xlabel=x, ylabel=y)
        return figure, axes

    roc, axes = one("ROC", "share of those without the outcome", "share of those with it (recall)")
    axes.plot(fall_out, recall)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    curve, axes = one("precision and recall", "recall", "precision")
    axes.plot(recall, precision)
    calibration, axes = one("calibration", "probability", "frequency on later data")
    axes.plot([chance[part].mean() for part in groups], [label[part].mean() for part in groups], marker="o")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    bars, axes = one("what the score is based on", "mean contribution, log-odds", "")
    names = sorted(weights, key=lambda name: weights[name])
    axes.barh(names, [weights[name] for name in names])
    return {f"{name}.png": _png(figure) for name, figure in
            {"roc": roc, "precision_recall": curve, "calibration": calibration, "contributions": bars}.items()}  # fmt: skip


def _png(figure: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=100)
    return held.getvalue()

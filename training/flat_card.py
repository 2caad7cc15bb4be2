"""What is said otherwise on the card of a flat file's model: its rows, its figures, and its groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What one row is.
ROW = "One row is one student, read from a flat file."

#: How a figure is called on the page.
FIGURES: Mapping[str, str] = {
    "rmse": "error (RMSE)", "mae": "mean absolute error", "r2": "share of the variance explained", "auc": "AUC",
    "average_precision": "average precision", "precision_at_capacity": "precision at capacity",
    "recall_at_capacity": "recall at capacity", "brier": "Brier score", "ece": "calibration error", "log_loss": "log-loss",
    "accuracy": "share told right", "macro_recall": "mean of the classes' recalls",
}  # fmt: skip


def rows(card: Mapping[str, Any]) -> list[str]:
    """Return who taught and who judged."""
    return [
        f"Trained on {card['train']['rows']:,} rows, judged on {card['test']['rows']:,}: {card['judged_on']}",
        "",
        f"{card['unlabelled']:,} rows had no outcome and taught nothing.",
    ]


def figures(card: Mapping[str, Any]) -> list[str]:
    """Return the figures of the model beside those of its baselines, and how often its intervals held."""
    told = {"this model": card["metrics"], **card["baselines"]}
    names = [name for name in FIGURES if any(one.get(name) is not None for one in told.values())]
    lines = ["| | " + " | ".join(FIGURES[name] for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for who, one in told.items():
        cells = ["-" if one.get(name) is None else f"{one[name]:.3f}" for name in names]
        lines.append(f"| {who} | " + " | ".join(cells) + " |")
    interval = card["interval"]
    if interval:
        held = f"Of the intervals meant to hold {interval['nominal']:.0%} of the outcomes, they held {interval['coverage']:.0%}"
        lines += ["", f"{held}; they are {interval['mean_width']:.3g} {card['measured_in']} wide on average."]
    return lines


def groups(card: Mapping[str, Any]) -> list[str]:
    """Return the figures by group, where the file has groups."""
    found = card["groups"]
    if not found:
        return []
    names = [name for name in ("rmse", "mean_error", "auc", "recall_at_capacity", "log_loss", "accuracy", "on_list")
             if any(one.get(name) is not None for one in found)]  # fmt: skip
    lines = ["| group | rows | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for one in found:
        if one.get("too_few"):
            lines.append(f"| {one['group']}: {one['value']} | too few |" + " |" * len(names))
        else:
            cells = ["-" if one.get(name) is None else f"{one[name]:.3f}" for name in names]
            lines.append(f"| {one['group']}: {one['value']} | {one['rows']:,} | " + " | ".join(cells) + " |")
    return lines

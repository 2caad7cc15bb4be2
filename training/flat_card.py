"""The card of a flat file's model as a page of text: the same sections as every card, in the words of its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.card import opening

#: How a figure is called on the page.
FIGURES: Mapping[str, str] = {
    "rmse": "error (RMSE)", "mae": "mean absolute error", "r2": "share of the variance explained", "auc": "AUC",
    "average_precision": "average precision", "precision_at_capacity": "precision at capacity",
    "recall_at_capacity": "recall at capacity", "brier": "Brier score", "ece": "calibration error", "log_loss": "log-loss",
    "accuracy": "share told right", "macro_recall": "mean of the classes' recalls",
}  # fmt: skip


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a page of text."""
    groups, interval = card["groups"], card["interval"]
    lines = [
        *opening(card, "One row is one student, read from a flat file."),
        "## Trained and judged on",
        f"Trained on {card['train']['rows']:,} rows, judged on {card['test']['rows']:,}: {card['judged_on']}",
        f"{card['unlabelled']:,} rows had no outcome and taught nothing.",
        "",
        "## How well it does",
        _figures({"this model": card["metrics"], **card["baselines"]}),
    ]
    if interval:
        held = f"Of the intervals meant to hold {interval['nominal']:.0%} of the outcomes, they held {interval['coverage']:.0%}"
        lines += ["", f"{held}; they are {interval['mean_width']:.3g} {card['measured_in']} wide on average."]
    lines += [
        "",
        "## Against simple ways to say the same",
        f"What is compared: {card['gate']['compared']}, on students the model did not see, with a 95% interval.",
        *[f"- {one['baseline']} ({card['baselines'][one['baseline']]['says']}): {one['gain']:+.3f} ({one['low']:+.3f} to "
          f"{one['high']:+.3f})" for one in card["gate"]["gains"]],
        f"Gate: {'passed' if card['gate']['passed'] else 'not passed: it stays a candidate'}.",
        "",
        "## What it reads",
        *[f"- {one['title']}: {', '.join(each['what'] for each in one['inputs'])}" for one in card["concepts"]],
        "",
        "Never read by the model: " + (", ".join(card["never_read"]) or "no group is in the file") + ".",
        "In the file and not read at all: " + (", ".join(card["left_out"]) or "nothing") + ".",
        "",
    ]  # fmt: skip
    if groups:
        lines += ["## By group", _groups(groups), ""]
    lines += [
        "## How a reason is found",
        card["explanations"],
        "",
        "## Known limits",
        *[f"- {one}" for one in card["limits"]],
        "",
    ]
    return "\n".join(lines)


def _figures(told: Mapping[str, Mapping[str, Any]]) -> str:
    names = [name for name in FIGURES if any(one.get(name) is not None for one in told.values())]
    lines = ["| | " + " | ".join(FIGURES[name] for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for who, one in told.items():
        cells = ["-" if one.get(name) is None else f"{one[name]:.3f}" for name in names]
        lines.append(f"| {who} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _groups(groups: list[Mapping[str, Any]]) -> str:
    names = [name for name in ("rmse", "mean_error", "auc", "recall_at_capacity", "log_loss", "accuracy", "on_list")
             if any(one.get(name) is not None for one in groups)]  # fmt: skip
    lines = ["| group | rows | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for one in groups:
        if one.get("too_few"):
            lines.append(f"| {one['group']}: {one['value']} | too few |" + " |" * len(names))
        else:
            cells = ["-" if one.get(name) is None else f"{one[name]:.3f}" for name in names]
            lines.append(f"| {one['group']}: {one['value']} | {one['rows']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)

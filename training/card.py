"""The model card: what a model is for, on whom it was trained, how well it does, and where it should not be believed.

The sections follow Mitchell et al. (2019). The card is generated from the training run and travels with the model, so
the card of the very version behind a score can always be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.catalog import CONCEPTS, Catalog

OUT_OF_SCOPE = (
    "placement, grading, discipline or admission",
    "judging teachers",
    "insurance or law enforcement",
    "messages sent to students or families without a person's decision",
)

HONEST = "Early warning lists on their own have not been shown to improve outcomes; what adults do next has."


def concepts(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the model's inputs by concept, in the words of a page."""
    found = []
    for concept, (title, _) in CONCEPTS.items():
        mine = [one for one in catalog if one.model_input and one.concept == concept]
        if mine:
            found.append(
                {
                    "concept": concept,
                    "title": title,
                    "inputs": [{"name": one.name, "what": one.words.name, "modifiable": one.modifiable} for one in mine],
                }
            )
    return found


def opening(card: Mapping[str, Any], row: str) -> list[str]:
    """Return how every card begins: what is answered, about which ``row``, and what it is for and not for."""
    return [
        f"# {card['title']}",
        "",
        f"Answers: {card['says']}, {card['horizon']}. {row}",
        "",
        f"**{HONEST}**",
        "",
        "## For and not for",
        "For people who know the student, to decide whom to talk to first. Nothing is decided by it.",
        "Not for: " + "; ".join(card["out_of_scope"]) + ".",
        "",
    ]


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a page of text."""
    test, train = card["test"], card["train"]
    lines = [
        *opening(card, f"One row is one {card['unit']} at one date."),
        "## Trained and judged on",
        f"Trained on {train['rows']:,} rows of {train['units']:,} {card['unit']}s from {train['from']} to {train['to']}, "
        f"{train['positives']:,} of the rows with the outcome.",
        f"Judged on later data: {test['rows']:,} rows from {test['from']} to {test['to']}, {test['positives']:,} with it.",
        card["calibrated_on"],
        *card["notes"],
        "",
        "## How well it does",
        _table(card["by_day"]),
        "",
        f"Among the first {card['capacity']:.0%} of a day's list, {_share(card['metrics']['precision_at_capacity'])} had the "
        f"outcome; they were {_share(card['metrics']['recall_at_capacity'])} of all who had it.",
        "",
        "## Against simple ways to make the list",
        "Gain in recall at the same length of list, on students the model did not see, with a 95% interval:",
        *[
            f"- {one['baseline']}: {one['gain']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
            for one in card["gate"]["gains"]
        ],
        f"Gate: {'passed' if card['gate']['passed'] else 'not passed: it stays a candidate'}.",
        "",
        "## What it reads",
        *[f"- {one['title']}: {', '.join(each['what'] for each in one['inputs'])}" for one in card["concepts"]],
        "",
        "Never read: " + ", ".join(card["never_read"]) + ".",
        "",
        "## How a reason is found",
        card["explanations"],
        "",
        "## Known limits",
        *[f"- {one}" for one in card["limits"]],
        "",
    ]
    return "\n".join(line for line in lines if line is not None)


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.0%}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "| day | rows | with the outcome | AUC | recall at capacity | precision at capacity | Brier | ECE |"
    body = [
        f"| {row['day']} | {row['rows']:,} | {row['positives']:,} | "
        + " | ".join("-" if row[k] is None else f"{row[k]:.3f}"
                     for k in ("auc", "recall_at_capacity", "precision_at_capacity", "brier", "ece")) + " |"
        for row in rows
    ]  # fmt: skip
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *body])

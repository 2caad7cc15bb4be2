"""Which concepts may be given as reasons: those that equally good models agree on, measured once and kept on the card.

A reason that another model, taught by as good a half of the same students, would not have given is an accident of the
fit. How often a concept among a student's foremost three stays among them is measured by region: early or late in the
course, and from the line of the list up or elsewhere. Here is what both the measuring and the telling need; it imports
nothing that is heavy, since every request comes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A concept with a smaller share of all contributions is not worth a teacher's minute, and three are enough.
LEAST_SHARE = 0.1
MOST_REASONS = 3

#: A concept is told where it stays among the foremost in four of five refits.
LEAST_KEPT = 0.8


def foremost(by_concept: Mapping[str, float]) -> list[str]:
    """Return the concepts that a student's reasons are taken from, the weightiest first, none of which is a trifle.

    More than three may be returned: where one has no fact to show, the next takes its place.
    """
    least = LEAST_SHARE * sum(abs(value) for value in by_concept.values())
    adding = sorted(by_concept.items(), key=lambda item: -item[1])
    return [concept for concept, value in adding if value > 0 and value >= least]


def region(elapsed: float | None, probability: float, early_until: float, line: float) -> str:
    """Return the region of a row.

    Args:
        elapsed: how far the course is, a share; one that is not known counts as early.
        probability: the row's; from ``line`` on it is on the list, whoever was on it before.
        early_until: up to which share it is early.
        line: where the list begins.

    """
    when = "late" if elapsed is not None and elapsed > early_until else "early"
    return f"{when}, {'on the list' if probability >= line else 'elsewhere'}"


@dataclass(frozen=True)
class Steadiness:
    """Which concepts are no reasons in which region. An older card says nothing of it, and nothing is hidden."""

    early_until: float
    line: float
    hidden: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Steadiness:
        """Return what a card's ``stability`` says."""
        told = card.get("stability") or {}
        hidden: dict[str, set[str]] = {}
        for one in told.get("concepts", []):
            if not one["shown"]:
                hidden.setdefault(one["region"], set()).add(one["concept"])
        return cls(told.get("early_until", 1.0), told.get("line", 1.0), {name: frozenset(one) for name, one in hidden.items()})

    def hidden_at(self, elapsed: float | None, probability: float) -> frozenset[str]:
        """Return the concepts that are no reasons for a row."""
        if not self.hidden:
            return frozenset()
        return self.hidden.get(region(elapsed, probability, self.early_until, self.line), frozenset())

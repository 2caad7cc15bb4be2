"""Which concepts may be given as reasons: those that equally good models agree on, measured once and kept on the card.

A reason that another model, taught by as good a half of the same students, would not have given is an accident of the
fit. How often a concept among a student's foremost three stays among them is measured by region: early or late in the
course, and from the line of the list up or elsewhere; and by how much it adds, since what hardly adds comes and goes
from fit to fit. Here is what both the measuring and the telling need; it imports
nothing that is heavy, since every request comes by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A concept with a smaller share of all contributions is not worth a teacher's minute, and three are enough.
LEAST_SHARE = 0.1
MOST_REASONS = 3

#: A concept is told from the weight on from which it stays among the foremost in four of five refits.
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
    """From which weight on each concept is a reason in which region; an older card says nothing of it, and hides nothing.

    ``least``: by region and concept, in log-odds: infinite where it never is a reason.
    """

    early_until: float
    line: float
    least: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Steadiness:
        """Return what a card's ``stability`` says."""
        told = card.get("stability") or {}
        least: dict[str, dict[str, float]] = {}
        for one in told.get("concepts", []):
            if not one["shown"] or one.get("from"):
                least.setdefault(one["region"], {})[one["concept"]] = one["from"] if one["shown"] else math.inf
        return cls(told.get("early_until", 1.0), told.get("line", 1.0), least)

    def hidden_at(self, elapsed: float | None, probability: float, by_concept: Mapping[str, float]) -> frozenset[str]:
        """Return the concepts that are no reasons for a row, given what each adds, in log-odds."""
        if not self.least:
            return frozenset()
        least = self.least.get(region(elapsed, probability, self.early_until, self.line), {})
        return frozenset(concept for concept, weight in by_concept.items() if weight < least.get(concept, -math.inf))

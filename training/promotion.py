"""What a version must have before it serves: a complete card, passed gates, and two people who answer for it.

The two are a data scientist, and somebody from education or data protection, with different names. A failed gate of
judgement can be set aside with a reason that is written on the card; a failed proof against leakage, a missing part of
the card, a missing signature, or a model that was trained for comparison only, cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

from features.problems import Problem
from features.validation import day as day_of
from training import card as cards
from training.governance import NOT_STATED, Governance

#: Who may sign, by role.
ROLES: Mapping[str, str] = MappingProxyType(
    {"data_science": "data science", "education": "education", "data_protection": "data protection"}
)

#: Two signatures are needed: one of each group.
NEEDED: tuple[tuple[str, ...], ...] = (("data_science",), ("education", "data_protection"))

#: An impact assessment that is older than this must be looked at again before children are profiled on.
ASSESSED_WITHIN_DAYS = 365


@dataclass(frozen=True, slots=True)
class SignOff:
    """One person's word that a version may serve: in which role, under which name, on which day (YYYY-MM-DD)."""

    role: str
    name: str
    day: str


@dataclass(frozen=True)
class Approval:
    """What is brought to a promotion: the day, who promotes, new signatures, and what the settings state.

    ``despite_gate`` is the reason why a version serves that failed a gate of judgement.
    """

    day: date
    by: str
    signed: tuple[SignOff, ...] = ()
    governance: Governance = field(default_factory=Governance)
    despite_gate: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a target's history: what was done (``signed``, ``promoted``, ``rolled back``, ``stopped``), by whom."""

    day: str
    by: str
    did: str
    version: str
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain values."""
        return asdict(self)


def unfit(sign_off: SignOff) -> list[Problem]:
    """Return what is wrong with a signature by itself."""
    found = []
    if sign_off.role not in ROLES:
        found.append(
            Problem("role", sign_off.role or "role", "nobody signs in this role", f"The roles are {', '.join(ROLES)}.")
        )
    if not sign_off.name.strip():
        found.append(Problem("name", sign_off.role, "a signature needs a name", "Give the name of the person who signs."))
    return found


def unsigned(signed: Sequence[SignOff]) -> list[Problem]:
    """Return what is missing of two signatures by two people; an empty list where nothing is."""
    groups = [[one for one in signed if one.role in group] for group in NEEDED]
    found = [
        Problem("not_signed", " or ".join(group), f"nobody has signed for {' or '.join(ROLES[role] for role in group)}",
                "Sign with `homeroom sign`, or with --signed ROLE=NAME when you promote.")
        for group, theirs in zip(NEEDED, groups, strict=True)
        if not theirs
    ]  # fmt: skip
    names = [{one.name.strip().casefold() for one in theirs} for theirs in groups]
    if not found and not any(one != other for one in names[0] for other in names[1]):
        found.append(Problem("same_person", "signatures", "one person has signed in both roles", "Two people must sign."))
    return found


def refusals(card: Mapping[str, Any], passed_gate: bool, signed: Sequence[SignOff], approval: Approval) -> list[Problem]:
    """Return everything that keeps a version from serving, all at once.

    Args:
        card: the version's card, with what is stated now.
        passed_gate: whether it passed its gates when it was judged.
        signed: all signatures of the version, the new ones among them.
        approval: what is brought to the promotion.

    """
    where = f"{card.get('target', 'the model')} version {card.get('version', '')}".strip()
    found = []
    if card.get("protocol", {}).get("name") == "transfer":
        found.append(Problem("transfer", where, "it was trained on outcomes that nobody knew when its test began",
                             "It is there to be compared with. Train one with `--protocol time`."))  # fmt: skip
    if not card.get("leakage", {}).get("passed", True):
        found.append(Problem("leakage", where, "its proof against leakage failed", "Mend what leaks and train again."))
    if not passed_gate and not approval.despite_gate:
        found += _gates(card, where)
    found += cards.missing(card)
    found += _assessed(card.get("governance", {}).get("dpia_date", NOT_STATED), approval.day)
    return found + [problem for one in signed for problem in unfit(one)] + unsigned(signed)


def failed_gates(card: Mapping[str, Any]) -> list[str]:
    """Return what a version failed, one sentence each."""
    gate = card.get("gate", {})
    behind = [one["baseline"] for one in gate.get("gains", ()) if not one["low"] > 0]
    found = [f"it did not find more students than every simple baseline: {', '.join(behind)}"] if behind else []
    audit = card.get("audit", {})
    found += [
        f"the gate {one['gate']} of the fairness audit failed for {one['attribute']}: {one['group']}"
        for one in audit.get("gates", ())
        if not one["passed"]
    ]
    for name, told in gate.items():
        failed = told.get("passed") is False if isinstance(told, Mapping) else told is False
        if failed and name != "passed" and not (name in ("fairness", "audit") and audit.get("gates")):
            found.append(f"the gate of {name.replace('_', ' ')} failed")
    return found


def _gates(card: Mapping[str, Any], where: str) -> list[Problem]:
    hint = "See its card. To let it serve all the same, say why with --despite-gate."
    told = failed_gates(card) or ["it did not find more students than every simple baseline, or failed another gate"]
    return [Problem("gate_failed", where, one, hint) for one in told]


def _assessed(told: str, today: date) -> list[Problem]:
    """Return a problem where the impact assessment is of no day that counts; one that is missing is told elsewhere."""
    on = day_of(told)
    if on is None or 0 <= (today - on).days <= ASSESSED_WITHIN_DAYS:
        return []
    wrong = "is older than a year" if on < today else "lies in the future"
    return [Problem("dpia", "governance.dpia_date", f"the day of the data protection impact assessment {wrong}",
                    "Assess again and set governance.dpia_date in homeroom.toml.")]  # fmt: skip

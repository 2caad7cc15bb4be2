"""From contributions to sentences that a teacher can check.

A reason is a fact with its window and a comparison: with the student's own earlier time, or with the middle of the
class. It is given only where its concept and the fact itself add to the score **and** the value lies on the concern
side of the comparison that is printed with it. Sentences say what is recorded, never why, and never what will come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from features.catalog import CONCEPTS, Feature
from features.phrases import fill
from serving.scoring import WITHHELD, Risk
from training.indicators import PROGRESS
from training.reasons import MOST_REASONS, foremost

#: What is said of skills where no work leads to one.
NO_SKILLS = "No work of these classes is tagged with a skill, so there is no evidence of skills."

Direction = Literal["adds_concern", "protective"]

#: What is said where reasons would be given that equally good models do not agree on.
NO_RELIABLE_REASON = "Which records weigh most cannot be told reliably here."

MOST_STRENGTHS = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact behind a score, in words.

    ``contribution`` is that of the whole concept, in log-odds, or of the fact alone where the concept pulls the
    other way. ``compared_with`` holds what the value was compared
    with, of which the text prints what lies on its side.
    """

    concept: str
    feature: str
    direction: Direction
    contribution: float
    value: float
    compared_with: Mapping[str, float]
    text: str


def reasons(risk: Risk, name: str) -> list[Reason]:
    """Return at most three reasons, the weightiest concept first, of those that equally good models agree on."""
    hidden = _hidden(risk)
    return adding(
        risk.by_concept, lambda concept: None if concept in hidden else _fact(risk, concept, name, "adds_concern")
    )  # fmt: skip


def strengths(risk: Risk, name: str) -> list[Reason]:
    """Return what speaks for the student: facts that lower the score and lie on the better side of a comparison."""
    return lowering(risk.by_concept, lambda concept: _fact(risk, concept, name, "protective"))


def adding(by_concept: Mapping[str, float], fact: Callable[[str], Reason | None]) -> list[Reason]:
    """Return at most three facts of concepts that add to a score, the weightiest first, none of which is a trifle."""
    found = [one for concept in foremost(by_concept) if (one := fact(concept)) is not None]
    return found[:MOST_REASONS]


def lowering(by_concept: Mapping[str, float], fact: Callable[[str], Reason | None]) -> list[Reason]:
    """Return facts that lower a score, at most two.

    Concepts that lower the score as a whole come first. Where there is none, one fact of another concept is given,
    so that whatever the records hold in a student's favour is not left out.
    """
    found: list[Reason] = []
    for concept, contribution in sorted(by_concept.items(), key=lambda item: item[1]):
        if contribution < 0 or not found:
            one = fact(concept)
            if one is not None:
                found.append(one)
    return found[:MOST_STRENGTHS]


def unknowns(risk: Risk) -> list[str]:
    """Return what is not known, as sentences: it is said, not counted for or against anybody."""
    if risk.status in WITHHELD:  # nobody looked
        return []
    found = []
    for concept, (_, sentence) in CONCEPTS.items():
        facts = [
            one.name
            for one in risk.model.catalog
            if one.concept == concept and one.said and one.kind != "relative" and one.higher != "context"
        ]
        if facts and all(risk.values.get(name) is None for name in facts):
            found.append(sentence)
    if not risk.medians:
        found.append(f"How the {_group(risk)} stands is not known here, so nothing is compared with it.")
    if not _hidden(risk).isdisjoint(foremost(risk.by_concept)) and not reasons(risk, ""):
        found.append(NO_RELIABLE_REASON)
    return found


def _hidden(risk: Risk) -> frozenset[str]:
    """Return the concepts that are no reasons here; see :mod:`training.reasons`."""
    if risk.probability is None:
        return frozenset()
    return risk.model.steadiness.hidden_at(risk.values.get(PROGRESS), risk.probability, risk.by_concept)


def certainty(risk: Risk) -> str:
    """Return how often students with similar scores had the outcome: a frequency of the past, not a forecast."""
    assert risk.probability is not None
    pattern = risk.model.calibration.pattern(risk.probability)
    target = risk.model.target
    happened = of_100(pattern.share)
    earlier = risk.model.card.get("earlier", "courses")
    return (
        f"Of 100 students with a similar pattern in earlier {earlier}, about {happened} {target.happened}; "
        f"{100 - happened} {target.did_not}."
    )


def of_100(share: float) -> int:
    """Return a share as students of 100, never 0 and never 100: that it always happened so far is not that it must."""
    return min(max(round(100 * share), 1), 99)


def headline(band: str, status: str = "scored") -> str:
    """Return a band in words of support."""
    if status in WITHHELD:
        return "Not scored"
    return {
        "check_in_suggested": "A check-in is suggested",
        "keep_an_eye": "Worth keeping an eye on",
        "no_extra_signal": "No extra signal from the data",
    }.get(band, "Not enough data to say")


def _fact(risk: Risk, concept: str, name: str, direction: Direction) -> Reason | None:
    """Return the weightiest fact of a concept that pulls in a direction and can be shown to, or None."""
    sign = 1.0 if direction == "adds_concern" else -1.0
    for base, pull in sorted(_families(risk, concept).items(), key=lambda item: -sign * item[1]):
        if sign * pull <= 0:
            return None
        feature, value = risk.model.catalog[base], risk.values.get(base)
        if value is None or not feature.said or feature.higher == "context":
            continue
        compared = _compared(risk, feature)
        middle = compared.get("class_median")
        if direction == "protective" and middle is not None and feature.on_concern_side(value, middle):
            continue  # better than before and still behind the others: true, and no comfort
        kept = [kind for kind, other in compared.items() if _on_side(feature, value, other, direction)]
        if kept:
            text = _sentence(risk, feature, value, {kind: compared[kind] for kind in kept}, name)
            whole = risk.by_concept[concept]
            return Reason(concept, base, direction, whole if sign * whole > 0 else pull, value, compared, text)
    return None


def _families(risk: Risk, concept: str) -> dict[str, float]:
    """Return contributions of a concept's facts: a value and its place in the class are one fact."""
    found: dict[str, float] = {}
    for name, contribution in risk.contributions.items():
        feature = risk.model.catalog[name]
        if feature.concept == concept:
            base = feature.needs[0] if feature.kind == "relative" else name
            found[base] = found.get(base, 0.0) + contribution
    return found


def _compared(risk: Risk, feature: Feature) -> dict[str, float]:
    compared = {}
    earlier = risk.values.get(feature.own_earlier) if feature.own_earlier else None
    if earlier is not None:
        compared["own_earlier"] = earlier
    if feature.name in risk.medians:
        compared["class_median"] = risk.medians[feature.name]
    return compared


def _on_side(feature: Feature, value: float, other: float, direction: Direction) -> bool:
    """Whether the value lies on the direction's side of the other, also as both are printed."""
    on_side = feature.on_concern_side if direction == "adds_concern" else feature.on_strength_side
    return on_side(value, other) and _said(feature, value) != _said(feature, other)


def _group(risk: Risk) -> str:
    """Return the group beside which the student is seen: a stay of many classes is seen beside the year group."""
    return "year group" if risk.section_id is None else "class"


def _said(feature: Feature, value: float) -> str:
    return fill(feature.words.says_other, {"value": value})


def _sentence(risk: Risk, feature: Feature, value: float, compared: Mapping[str, float], name: str) -> str:
    """Return the fact, and what it is compared with."""
    values = {**{key: v for key, v in risk.values.items() if v is not None}, "value": value}
    parts = [f"{name} {fill(feature.words.says, values)}."]
    if "own_earlier" in compared:
        label = feature.words.earlier_label
        parts.append(f"{label[:1].upper()}{label[1:]}: {_said(feature, compared['own_earlier'])}.")
    if "class_median" in compared:
        parts.append(f"The middle of the {_group(risk)}: {_said(feature, compared['class_median'])}.")
    return " ".join(parts)


def as_text(found: Sequence[Reason]) -> list[str]:
    """Return the sentences alone."""
    return [reason.text for reason in found]

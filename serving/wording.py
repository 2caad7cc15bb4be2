"""From contributions to sentences that a teacher can check.

A reason is a fact with its window and a comparison: with the student's own earlier time, or with the middle of the
class. It is given only where its concept and the fact itself add to the score **and** the value lies on the concern
side of the comparison that is printed with it. Sentences say what is recorded, never why, and never what will come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, Protocol

from features.catalog import CONCEPTS, Feature
from features.phrases import ENGLISH, Language, Sentence, fields, fill
from serving.scoring import WITHHELD, Risk
from training.indicators import PROGRESS
from training.reasons import MOST_REASONS, foremost
from training.targets import TARGETS

#: What is said here in English, by key; the texts of another language stand in ``words/`` under the same keys.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "fact.student": "The student",
        "fact.says": "{name} {fact}.",
        "fact.earlier": "{label}: {other}.",
        "fact.middle_of_class": "The middle of the class: {other}.",
        "fact.middle_of_year_group": "The middle of the year group: {other}.",
        "fact.this_course": "in this course",
        "fact.in_course": "in {course}",
        "per_100.says": "Of 100 students with a similar pattern in earlier {earlier}, about {happened:.0f} {had_it}; "
        "{others:.0f} {did_not}.",
        "per_100.courses": "courses",
        "per_100.years": "years",
        "not_known.skills": "No work of these classes is tagged with a skill, so there is no evidence of skills.",
        "not_known.reasons": "Which records weigh most cannot be told reliably here.",
        "not_known.class": "How the class stands is not known here, so nothing is compared with it.",
        "not_known.year_group": "How the year group stands is not known here, so nothing is compared with it.",
        "headline.check_in_suggested": "A check-in is suggested",
        "headline.keep_an_eye": "Worth keeping an eye on",
        "headline.no_extra_signal": "No extra signal from the data",
        "headline.not_enough_data": "Not enough data to say",
        "headline.withheld": "Not scored",
    }
)

#: What is said of skills where no work leads to one.
NO_SKILLS = SENTENCES["not_known.skills"]

Direction = Literal["adds_concern", "protective"]

#: What is said where reasons would be given that equally good models do not agree on.
NO_RELIABLE_REASON = SENTENCES["not_known.reasons"]

MOST_STRENGTHS = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact behind a score, in words.

    ``contribution`` is that of the whole concept, in log-odds, or of the fact alone where the concept pulls the
    other way. ``compared_with`` holds what the value was compared
    with, of which the text prints what lies on its side. ``told`` is the text in any language, the fact itself first.
    """

    concept: str
    feature: str
    direction: Direction
    contribution: float
    value: float
    compared_with: Mapping[str, float]
    text: str
    told: tuple[Sentence, ...] = field(default=(), compare=False)


class Outcome(Protocol):
    """What may come about: a target, as far as it is spoken of."""

    @property
    def name(self) -> str:
        """The target's identifier."""

    @property
    def happened(self) -> str:
        """What is said of those who had it."""

    @property
    def did_not(self) -> str:
        """What is said of the others."""


def english() -> dict[str, str]:
    """Return what a language says of facts and scores, by key."""
    found = dict(SENTENCES)
    for one in TARGETS.values():
        found |= {f"outcome.{one.name}.happened": one.happened, f"outcome.{one.name}.did_not": one.did_not}
    return found


def sentence(key: str, **values: object) -> Sentence:
    """Return a sentence of :data:`SENTENCES` with its values."""
    return Sentence(key, SENTENCES[key], values)


def outcome(target: Outcome, *, happened: bool = True) -> Sentence:
    """Return what is said of those who had a target's outcome, or of the others."""
    part, told = ("happened", target.happened) if happened else ("did_not", target.did_not)
    return Sentence(f"outcome.{target.name}.{part}", told)


def said(told: Sequence[Sentence], language: Language = ENGLISH, name: str = "", course: str = "") -> str:
    """Return a fact in a language.

    Args:
        told: the fact, and what it is compared with (:attr:`Reason.told`).
        language: the language.
        name: what the student is called; "the student" where it is empty.
        course: what the course is called that a fact is about; "this course" where it is empty.

    """
    whom: object = name or sentence("fact.student")
    parts = [language.say(replace(one, values={**one.values, "name": whom}) if "fact" in one.values else one) for one in told]
    text = " ".join([*parts[:1], *(part[:1].upper() + part[1:] for part in parts[1:])])
    if not course:
        return text
    return text.replace(language.say(sentence("fact.this_course")), language.say(sentence("fact.in_course", course=course)), 1)


def reasons(risk: Risk, name: str, language: Language = ENGLISH) -> list[Reason]:
    """Return at most three reasons, the weightiest concept first, of those that equally good models agree on."""
    hidden = _hidden(risk)
    return adding(
        risk.by_concept, lambda concept: None if concept in hidden else _fact(risk, concept, name, "adds_concern", language)
    )  # fmt: skip


def strengths(risk: Risk, name: str, language: Language = ENGLISH) -> list[Reason]:
    """Return what speaks for the student: facts that lower the score and lie on the better side of a comparison."""
    return lowering(risk.by_concept, lambda concept: _fact(risk, concept, name, "protective", language))


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


def unknowns(risk: Risk, language: Language = ENGLISH) -> list[str]:
    """Return what is not known, as sentences: it is said, not counted for or against anybody."""
    return [language.say(one) for one in told_unknowns(risk)]


def told_unknowns(risk: Risk) -> list[Sentence]:
    """Return what is not known, to be said in any language."""
    if risk.status in WITHHELD:  # nobody looked
        return []
    found = []
    for concept, (_, unknown) in CONCEPTS.items():
        facts = [
            one.name
            for one in risk.model.catalog
            if one.concept == concept and one.said and one.kind != "relative" and one.higher != "context"
        ]
        if facts and all(risk.values.get(name) is None for name in facts):
            found.append(Sentence(f"concept.{concept}.unknown", unknown))
    if not risk.medians:
        found.append(sentence(f"not_known.{_group(risk)}"))
    if not _hidden(risk).isdisjoint(foremost(risk.by_concept)) and not reasons(risk, ""):
        found.append(sentence("not_known.reasons"))
    return found


def _hidden(risk: Risk) -> frozenset[str]:
    """Return the concepts that are no reasons here; see :mod:`training.reasons`."""
    if risk.probability is None:
        return frozenset()
    return risk.model.steadiness.hidden_at(risk.values.get(PROGRESS), risk.probability, risk.by_concept)


def certainty(risk: Risk, language: Language = ENGLISH) -> str:
    """Return how often students with similar scores had the outcome: a frequency of the past, not a forecast."""
    return language.say(told_certainty(risk))


def told_certainty(risk: Risk) -> Sentence:
    """Return how often students with similar scores had the outcome, to be said in any language."""
    assert risk.probability is not None
    pattern = risk.model.calibration.pattern(risk.probability)
    target = risk.model.target
    happened = of_100(pattern.share)
    earlier = sentence(f"per_100.{risk.model.card.get('earlier', 'courses')}")
    return sentence("per_100.says", earlier=earlier, happened=happened, others=100 - happened, had_it=outcome(target),
                    did_not=outcome(target, happened=False))  # fmt: skip


def of_100(share: float) -> int:
    """Return a share as students of 100, never 0 and never 100: that it always happened so far is not that it must."""
    return min(max(round(100 * share), 1), 99)


def headline(band: str, status: str = "scored", language: Language = ENGLISH) -> str:
    """Return a band in words of support."""
    key = "headline.withheld" if status in WITHHELD else f"headline.{band}"
    return language.say(sentence(key if key in SENTENCES else "headline.not_enough_data"))


def _fact(risk: Risk, concept: str, name: str, direction: Direction, language: Language) -> Reason | None:
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
            told = _told(risk, feature, value, {kind: compared[kind] for kind in kept})
            whole = risk.by_concept[concept]
            pulls = whole if sign * whole > 0 else pull
            return Reason(concept, base, direction, pulls, value, compared, said(told, language, name), told)
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
    return "year_group" if risk.section_id is None else "class"


def _said(feature: Feature, value: float) -> str:
    return fill(feature.words.says_other, {"value": value})


def _told(risk: Risk, feature: Feature, value: float, compared: Mapping[str, float]) -> tuple[Sentence, ...]:
    """Return the fact, and what it is compared with. A name is given to it when it is said."""
    words, key = feature.words, f"feature.{feature.name}"
    values = {name: value if name == "value" else risk.values[name] for name in fields(words.says)}
    told = [sentence("fact.says", fact=Sentence(f"{key}.says", words.says, values))]
    other = {kind: Sentence(f"{key}.says_other", words.says_other, {"value": one}) for kind, one in compared.items()}
    if "own_earlier" in compared:
        label = words.earlier_label
        told.append(sentence("fact.earlier", label=Sentence(f"{key}.earlier", label), other=other["own_earlier"]))
    if "class_median" in compared:
        told.append(sentence(f"fact.middle_of_{_group(risk)}", other=other["class_median"]))
    return tuple(told)


def as_text(found: Sequence[Reason]) -> list[str]:
    """Return the sentences alone."""
    return [reason.text for reason in found]

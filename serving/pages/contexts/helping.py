"""What could help one student: at most three things, each with who does how much and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated

from serving.cases.offers import ANSWERS, WHYS, Answer, Why
from serving.cases.told import BARRIERS, BYS, Barrier, By
from serving.pages.contexts.frame import Choice

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "help.barrier": BARRIERS,
        "help.told_by": BYS,
        "help.why": WHYS,
        "help.answer": ANSWERS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something to learn from."""

    title: Annotated[str, "What it is called."]
    language: Annotated[str, "The code of its language; empty where it is not on record."]
    minutes: Annotated[int | None, "How many minutes it takes, where that is on record."]
    offline: Annotated[bool, "It can be used without internet."]
    licence: Annotated[str, "Under what it may be used; empty where that is not on record."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """What to learn one skill from: something that teaches it and something that checks it."""

    skill: Annotated[str, "The skill in the school's words."]
    teaches: Annotated[Resource | None, "What teaches it; None where nothing fits."]
    checks: Annotated[Resource | None, "What checks it; None where nothing fits."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing that could be done."""

    intervention_id: Annotated[str, "Its key in the catalogue."]
    name: Annotated[str, "What it is called."]
    what: Annotated[str, "What happens, as a sentence."]
    answers_to: Annotated[tuple[str, ...], "What it is for, in words."]
    who: Annotated[str, "Who does it."]
    how_much: Annotated[str, "How much of it."]
    start_by: Annotated[date, "The day by which to begin."]
    evidence: Annotated[str, "What is known of it, as sentences."]
    unknown: Annotated[tuple[str, ...], "What is not known, as sentences."]
    learn: Annotated[tuple[Learn, ...], "What there is to learn from, where it is about a skill."]
    asks: Annotated[bool, "It is a talk or a meeting that comes before any help, and is no support itself."]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChosen:
    """Help that answers to something here and was not chosen."""

    name: Annotated[str, "What it is called."]
    why: Annotated[str, "Why not, as a sentence."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A place that was offered to the student."""

    offer_id: Annotated[str, "Its key."]
    name: Annotated[str, "What it is."]
    on: Annotated[date, "The day of the offer."]
    drawn: Annotated[bool, "Who was offered a place was drawn among those who need it alike."]
    answer: Annotated[Answer | None, "What was said to it; None where nothing is on record."]
    why: Annotated[Why | None, "Why it was refused, where somebody said so."]
    planned: Annotated[int | None, "How many minutes were planned, where that is on record."]
    given: Annotated[int | None, "How many minutes were given so far, where that is on record."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What somebody said after they were asked."""

    told_id: Annotated[str, "Its key."]
    barrier: Annotated[Barrier | None, "What stands in the way; None where it is a consent."]
    consent: Annotated[str, "The name of the help that was agreed to; empty where it is a barrier."]
    told_by: Annotated[By, "Who said it."]
    by: Annotated[str, "Who wrote it down; empty where nobody is named."]
    on: Annotated[date, "The day it was written down."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """What could help, what was offered, and what people said of it, cut to the reader."""

    language: Annotated[str, "The code of the language that the sentences are in."]
    broken: Annotated[bool, "The district's own catalogue or library cannot be read, so that nothing is suggested."]
    options: Annotated[tuple[Option, ...], "At most three things, to ask first."]
    owed: Annotated[tuple[Option, ...], "A device or internet that is owed, and never ranked or limited."]
    ask: Annotated[tuple[str, ...], "What is not known of devices and internet and has to be asked, as sentences."]
    not_chosen: Annotated[tuple[NotChosen, ...], "What was not chosen, for whoever may know why."]
    offered: Annotated[tuple[Offered, ...], "Places that were offered, the newest first."]
    told: Annotated[tuple[Told, ...], "What the student or the family said, for whoever works the case."]
    barriers: Annotated[tuple[Barrier, ...], "What can stand in the way, to choose from."]
    consents: Annotated[tuple[Choice, ...], "Help that takes consent, to choose from."]
    bys: Annotated[tuple[By, ...], "Who can have said it, to choose from."]
    whys: Annotated[tuple[Why, ...], "Why help was refused, to choose from."]
    answers: Annotated[tuple[Answer, ...], "What can be said to an offer, to choose from."]

    def __post_init__(self) -> None:
        assert len(self.options) <= 3, "nobody chooses among more than three things"

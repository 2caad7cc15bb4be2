"""A learning plan: the student's goal first, then what is offered, and nothing that they did not agree to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal

from serving.cases.plans import CHOICES, HOWS, RESULTS, STATES, Choice, How, Result, State
from serving.pages.contexts.frame import Frame

#: Who has the plan before them: staff, the student signed in, a guardian, or whoever came by the link.
Reads = Literal["staff", "student", "family", "linked"]

#: What may be done with the plan now, by this reader.
Form = Literal["goal", "option", "choices", "agree", "withdraw", "begin", "end", "link"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"plan.state": STATES, "plan.how": HOWS, "plan.choice": CHOICES, "plan_result": RESULTS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that an adult offered."""

    option_id: Annotated[str, "Its key, by which it is picked or refused."]
    text: Annotated[str, "What is offered."]
    by: Annotated[str, "Who offered it; empty where nobody is named."]
    choice: Annotated[Choice | None, "What the student said to it, if they have said it."]
    how: Annotated[How | None, "How they said it."]
    on: Annotated[date | None, "The day on which they said it."]
    chosen: Annotated[str, "What stands in its field: what was typed, else what was said."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """Help that fits what is known of the student, and could be offered."""

    intervention_id: Annotated[str, "Its key in the catalogue."]
    name: Annotated[str, "What it is called."]
    what: Annotated[str, "What happens, as a sentence."]
    who: Annotated[str, "Who does it."]
    how_much: Annotated[str, "How much of it."]
    evidence: Annotated[str, "What is known of it, as sentences."]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPlan:
    """A plan, for the student, the adult beside them, or somebody who may read it."""

    frame: Annotated[Frame, "What stands around the page."]
    reads: Annotated[Reads, "Who has it before them."]
    student_id: Annotated[str, "The school's key of the student; empty where the page was opened by a link."]
    plan_id: Annotated[str, "The plan's key."]
    name: Annotated[str, "What the student is called; empty where the page was opened by a link, which may be anybody's."]
    version: Annotated[int, "What a form sends back, so that two people do not undo each other's work."]
    state: Annotated[State, "How far it has come."]
    begun_by: Annotated[str, "Who began it; empty where nobody is named."]
    begun_on: Annotated[date, "The day it was begun."]
    goal: Annotated[str, "The goal; empty before it is written."]
    goal_how: Annotated[How | None, "How the student wrote it."]
    goal_on: Annotated[date | None, "The day it was written."]
    offers: Annotated[tuple[Offer, ...], "What is offered, in the order in which it was."]
    suggested: Annotated[tuple[Suggested, ...], "Help that could be offered, for whoever offers."]
    help_language: Annotated[str, "The code of the language that its sentences are in."]
    agreed_how: Annotated[How | None, "How the student agreed; None where they have not."]
    agreed_on: Annotated[date | None, "The day they agreed."]
    review_on: Annotated[date | None, "The day on which both look at it again."]
    ended_on: Annotated[date | None, "The day it ended."]
    result: Annotated[Result | None, "How it ended."]
    forms: Annotated[tuple[Form, ...], "What the reader may do now."]
    results: Annotated[tuple[Result, ...], "How a plan can end, to choose from."]
    typed_goal: Annotated[str, "What stands in the field of the goal."]
    typed_option: Annotated[str, "What stands in the field of an offer."]
    typed_review: Annotated[str, "The day that stands in the field of the next look."]
    typed_result: Annotated[str, "What is chosen in the field of how it ended."]
    link: Annotated[str, "The address that opens this plan once, shown in the moment it was made; else empty."]
    link_days: Annotated[int, "For how many days a link is good that was not used."]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLink:
    """Where a link leads first. A program that looks ahead opens links, and must not use one up: a person presses a button."""

    frame: Annotated[Frame, "What stands around the page."]
    token: Annotated[str, "What the link is made of; empty where it opens nothing."]
    good: Annotated[bool, "It opens a plan, once."]
    minutes: Annotated[int, "For how many minutes the plan stays open."]

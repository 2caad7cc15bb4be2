"""Figures of schools and districts: what is published of groups, goals, needs, and whether supports help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.cases.agreements import KINDS, Kind
from serving.cases.people import Role
from serving.effects import Why
from serving.figures import MEASURES, RECORDED, TOPICS, Topic
from serving.goals import AGREED
from serving.pages.contexts.frame import Choice, Frame

FigureName = Literal[
    "here_in_person",
    "here_online",
    "here_mixed",
    "active_online",
    "most_skills_secure",
    "device",
    "internet",
    "belonging",
    "self_management",
    "social_awareness",
    "growth_mindset",
    "self_efficacy",
    "emotion_regulation",
    "supportive_relationships",
    "check_in",
    "check_in_reached",
    "device_reached",
    "internet_reached",
]
Shown = Literal["share", "low", "high", "withheld", "hidden", "nobody"]
By = Literal["organisation", "year", "access"]
PartKind = Literal["whole", "organisation", "itself", "year", "year_unknown", "access_yes", "access_no", "access_unknown"]
Recorded = Literal["attendance", "submissions", "results", "activity", "skill_results"]
GoalState = Literal["reached", "not_yet", "not_told"]
Way = Literal["more", "fewer"]
Body = Literal["curriculum", "it", "counselors", "families", "students"]
OrganisationKind = Literal["national", "state", "local", "district", "school", "department", "university"]
Effectless = Literal["nothing_compared", "too_few", "no_overlap", "not_alike", "no_interval"]

assert get_args(FigureName) == tuple(MEASURES), "every measure has a name on the pages"
assert (get_args(Recorded), get_args(Body), get_args(Effectless)) == (tuple(RECORDED), AGREED, get_args(Why))

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "figure": get_args(FigureName),
        "topic": TOPICS,
        "shown": get_args(Shown),
        "parted": get_args(By),
        "part": get_args(PartKind),
        "recorded": get_args(Recorded),
        "goal_state": get_args(GoalState),
        "goal_way": get_args(Way),
        "body": get_args(Body),
        "organisation_kind": get_args(OrganisationKind),
        "cannot_tell": get_args(Why),
        "agreed_kind": KINDS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is published of one group and one measure."""

    figure: Annotated[FigureName, "What is measured."]
    said: Annotated[Shown, "What is said of the share, or why nothing is."]
    percent: Annotated[int | None, "The share in whole percent, or the bound that it lies under or over."]
    size: Annotated[int | None, "About how many students it is of, in tens; None where that is not told."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group."""

    kind: Annotated[PartKind, "What the group is."]
    name: Annotated[str, "Its name, where the records have one: a school's, or a year's."]
    organisation_id: Annotated[str, "The organisation whose own page the reader may open; else empty."]
    figures: Annotated[tuple[Figure, ...], "One for each column of the table."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Measures of one topic, of an organisation and of its parts."""

    topic: Annotated[Topic, "What the measures are about."]
    by: Annotated[By, "By what the organisation is parted."]
    columns: Annotated[tuple[FigureName, ...], "The measures."]
    rows: Annotated[tuple[Row, ...], "The organisation itself, then its parts."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A need that is answered with things or time, and what there is of these. Counts are in tens, None where not told."""

    figure: Annotated[FigureName, "The measure of how many of those with the need are reached."]
    support: Annotated[str, "What answers it, by name."]
    need: Annotated[int | None, "About how many have the need."]
    reached: Annotated[int | None, "About how many of them have the support now."]
    places: Annotated[int | None, "How many places were agreed on; None where nobody signed any."]
    short: Annotated[int | None, "About how many more have the need than there are places."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Who agreed to a goal, of one of those who have to."""

    body: Annotated[Body, "For whom they agreed."]
    names: Annotated[tuple[str, ...], "Who it was."]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalRow:
    """A goal that was signed, and how far it is."""

    kind: Annotated[PartKind, "Of whom: of all, or of a year."]
    name: Annotated[str, "The year, where it is of one."]
    school: Annotated[str, "Of which organisation, by name."]
    way: Annotated[Way, "Whether more or fewer is better."]
    target: Annotated[int, "The percentage to reach."]
    by: Annotated[date, "The day by which."]
    next_review: Annotated[date, "The day on which it is looked at again."]
    state: Annotated[GoalState, "How far it is."]
    now: Annotated[Figure, "What is published of it now."]
    agreed: Annotated[tuple[Agreed, ...], "Who agreed to it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Somebody's signature under what is in force."""

    kind: Annotated[Kind, "What was agreed on."]
    version: Annotated[int, "Which version of it."]
    name: Annotated[str, "Who signed."]
    role: Annotated[Role, "As what."]
    on: Annotated[date, "On which day."]
    reason: Annotated[str, "Why, in their words."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is known of whether a support helps. Counts are in tens."""

    support: Annotated[str, "The support, by name."]
    why: Annotated[Effectless | None, "Why nothing can be told yet; None where an effect may be shown."]
    effect: Annotated[float, "The difference that being offered it made."]
    low: Annotated[float, "The least that would have been no surprise."]
    high: Annotated[float, "The most that would have been no surprise."]
    unit: Annotated[str, "In what it is counted."]
    offered: Annotated[int, "About how many were offered it."]
    control: Annotated[int, "About how many were not."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """How far one kind of a school's records reach."""

    school: Annotated[str, "The school's name."]
    source: Annotated[Recorded, "Which records."]
    last_on: Annotated[date | None, "The last day of which there are any."]
    days: Annotated[int, "On how many of the last school days there are any."]
    of: Annotated[int, "How many school days that is of."]


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """An organisation of which the reader may see figures."""

    organisation_id: Annotated[str, "Its key in the records."]
    name: Annotated[str, "Its name."]
    kind: Annotated[OrganisationKind, "What it is."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schools:
    """The organisations of which the reader may see figures."""

    frame: Annotated[Frame, "What stands around the page."]
    as_of: Annotated[date, "The day that figures look from."]
    schools: Annotated[tuple[School, ...], "The organisations, by name."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is published of one organisation."""

    frame: Annotated[Frame, "What stands around the page."]
    as_of: Annotated[date, "The day that figures look from."]
    organisation_id: Annotated[str, "The organisation's key."]
    name: Annotated[str, "The organisation's name."]
    above: Annotated[Choice | None, "The organisation above it, where the reader may see that too."]
    may_export: Annotated[bool, "The reader may take the figures away."]
    tables: Annotated[tuple[Table, ...], "What is measured, by topic."]
    needs: Annotated[tuple[Need, ...], "Needs and what there is to answer them."]
    goals: Annotated[tuple[GoalRow, ...], "The goals in force for it and for what is below it."]
    signed: Annotated[tuple[Signed, ...], "Who signed what is in force."]
    effects: Annotated[tuple[Effect, ...], "Whether supports that run now help."]
    complete: Annotated[tuple[Complete, ...], "How far the records reach."]

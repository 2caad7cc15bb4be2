"""Pages beside the students: the way to one's own record, a record opened in an emergency, and a concern for safety."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.pages.contexts.frame import Frame

Opening = Literal["waiting", "open", "over"]
Stands = Literal["on", "stopped", "stopped_above"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"opening": get_args(Opening), "office.scoring_stands": get_args(Stands)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A record that the reader may open as their own or their child's."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Where a student or a guardian goes on to a record of their own."""

    frame: Annotated[Frame, "What stands around the page."]
    children: Annotated[tuple[Child, ...], "The records that they may open."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """A record that an administrator asked to open, and why."""

    id: Annotated[str, "By which it is approved."]
    student_id: Annotated[str, "The school's key of the student."]
    who: Annotated[str, "Who asked."]
    reason: Annotated[str, "Why, in their words."]
    opening: Annotated[Opening, "How it stands."]
    until: Annotated[date, "The day until which it is open, or waits to be approved."]
    clock: Annotated[str, "The time of that day, in UTC."]
    own: Annotated[bool, "The reader asked for it, so that somebody else has to approve it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Whether scores are made and shown at a school."""

    organisation_id: Annotated[str, "The school, by its key."]
    name: Annotated[str, "Its name."]
    stands: Annotated[Stands, "Whether scoring goes on there, is stopped there, or is stopped above it."]
    reason: Annotated[str, "Why it was stopped there, in somebody's words; else empty."]
    since: Annotated[date | None, "Since when it is stopped there."]
    typed: Annotated[str, "The reason that was typed, where the form was refused."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Records opened in an emergency, for whoever may ask for one or approve it, and the switch of a principal's school."""

    frame: Annotated[Frame, "What stands around the page."]
    may_ask: Annotated[bool, "The reader may ask for a record."]
    emergencies: Annotated[tuple[Emergency, ...], "What was asked for, the newest first."]
    student_id: Annotated[str, "The key that was typed, where the form was refused."]
    reason: Annotated[str, "The reason that was typed, where the form was refused."]
    least: Annotated[int, "How many characters a reason has at least."]
    scoring: Annotated[tuple[Scoring, ...], "The schools whose scoring the reader may stop."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguarding:
    """Where a concern for a child's safety leaves, apart from everything else here."""

    frame: Annotated[Frame, "What stands around the page."]
    taken: Annotated[bool, "The school takes concerns in writing here too; else only by its contact."]
    text: Annotated[str, "What was typed, where the form was refused."]

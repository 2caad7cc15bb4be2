"""The sheet that a team goes through: what a whole group shares first, then one student after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated

from serving.cases.casebook import WHOM, Whom
from serving.pages.contexts.caseload import Band, Case, NoList, Shared, Task
from serving.pages.contexts.frame import Choice, Frame

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType({"meeting.talked": WHOM, "meeting.no_list": ("none_yet", "stopped")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was agreed before."""

    task: Annotated[Task, "What was to be done."]
    due_on: Annotated[date, "By when."]
    who: Annotated[str, "By whom; empty where nobody is named."]
    done_on: Annotated[date | None, "The day it was done; None where it is open."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One student of the sheet."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    pronouns: Annotated[str, "Their pronouns, where they said them."]
    band: Annotated[Band | None, "What the records come to; None where scores are switched off or say nothing."]
    raised: Annotated[bool, "A colleague brought the student up."]
    objected: Annotated[bool, "The student or the family objected to being scored: nothing was computed."]
    reason: Annotated[str, "The weightiest reason as a sentence; empty where there is none to give."]
    supports: Annotated[tuple[str, ...], "The names of the supports that are running."]
    case: Annotated[Case, "How far somebody has come with it."]
    with_whom: Annotated[str, "Who has taken it on; empty where nobody has."]
    steps: Annotated[tuple[Step, ...], "The last steps, those that are open first."]
    talked: Annotated[Whom | None, "With whom the last talk was, if one is written down."]
    talked_on: Annotated[date | None, "Its day."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The sheet of one year of school, cut to what every colleague of these students may read."""

    frame: Annotated[Frame, "What stands around the page."]
    today: Annotated[date, "The day the page is read."]
    as_of: Annotated[date | None, "The day the list looks from; None where none was made."]
    facts_language: Annotated[str, "The code of the language that sentences about students are written in."]
    year: Annotated[str, "The year of school that was chosen; empty where none was."]
    school: Annotated[str, "The school that was chosen, by its key; empty for all."]
    years: Annotated[tuple[Choice, ...], "The years of school to choose from."]
    schools: Annotated[tuple[Choice, ...], "The schools to choose from; empty where there is one."]
    no_list: Annotated[NoList | None, "Why there is no list, if there is none."]
    students: Annotated[int, "How many students of the year the reader may see."]
    shared: Annotated[tuple[Shared, ...], "Groups in which more than a fifth share a concern."]
    items: Annotated[tuple[Item, ...], "The students to talk about."]
    left: Annotated[int, "How many more would follow."]

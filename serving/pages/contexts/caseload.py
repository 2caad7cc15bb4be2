"""The list of whom to see first, of all the students that somebody looks after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.pages.contexts.frame import Choice, Frame

#: A list of students is shown in parts of so many.
MOST_ROWS = 60

#: So many names are shown of a whole caseload; of more than these, a search finds whom one looks for.
MOST_NAMES = 400

Band = Literal["check_in_suggested", "keep_an_eye", "no_extra_signal", "not_enough_data"]
Case = Literal["new", "in_review", "need_info", "support_active", "snoozed", "monitoring", "closed"]
Concern = Literal["attendance", "coursework", "marks", "engagement", "skills", "behaviour", "history"]
Origin = Literal["rule", "colleague"]
Source = Literal["attendance", "coursework", "marks", "engagement", "behaviour"]
Task = Literal["look", "talk", "contact", "check_support", "answer", "look_again"]
Group = Literal["section", "grade", "school"]
Outcome = Literal["left", "did_not_pass", "missed_a_tenth", "below_mark"]
NoList = Literal["none_yet", "stopped"]
When = Literal["due", "new", "waiting"]

BANDS: tuple[Band, ...] = get_args(Band)
CASES: tuple[Case, ...] = get_args(Case)
CONCERNS: tuple[Concern, ...] = get_args(Concern)
WHENS: tuple[When, ...] = get_args(When)

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "band": get_args(Band),
        "case": get_args(Case),
        "concern": get_args(Concern),
        "origin": get_args(Origin),
        "source": get_args(Source),
        "task": get_args(Task),
        "group": get_args(Group),
        "yielded": get_args(Outcome),
        "no_list": get_args(NoList),
        "when": get_args(When),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that was promised for today, or before."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    task: Annotated[Task, "What is to be done."]
    on: Annotated[date, "The day for which it was promised."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """How far one school's records reach."""

    school: Annotated[str, "The school's name."]
    source: Annotated[Source, "Which records."]
    last_on: Annotated[date | None, "The last day of which there are any; None where there are none this term."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A class, a year or a school in which more than a fifth have the same concern: to be looked at before single students."""

    kind: Annotated[Group, "What the group is."]
    group_id: Annotated[str, "Its key, by which the list is cut to it: of a class, a year or a school."]
    name: Annotated[str, "Its name."]
    concern: Annotated[Concern, "What its students share."]
    count: Annotated[int, "How many of them."]
    of: Annotated[int, "How many students there are in it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielded:
    """What a list made in the same way held last year, once its outcomes were known."""

    outcome: Annotated[Outcome, "What the list looks for, of what its reader may know."]
    first: Annotated[int, "How many students from its top are told of."]
    count: Annotated[int, "Of how many of them it came about."]
    low: Annotated[int, "The least that would have been no surprise."]
    high: Annotated[int, "The most that would have been no surprise."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One student of the list."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    pronouns: Annotated[str, "Their pronouns, where they said them."]
    year: Annotated[str, "Their year of school, as the school writes it."]
    school: Annotated[str, "Their school's name; empty where all of the list are at one."]
    band: Annotated[Band | None, "What the records come to; None where scores are switched off, or somebody objected to them."]
    origin: Annotated[Origin | None, "Who put the student on the list where no model did: a published rule, or a colleague."]
    reason: Annotated[str, "The weightiest reason as a sentence with its comparison; empty where there is none to give."]
    changed: Annotated[str, "What changed since the list before, in the page's language; empty where nothing did."]
    supports: Annotated[tuple[str, ...], "The names of the supports that are running."]
    case: Annotated[Case, "How far somebody has come with it."]
    with_whom: Annotated[str, "Who has taken it on; empty where nobody has."]
    waits: Annotated[int, "For how many school days nobody has looked; 0 once somebody has."]
    fresh: Annotated[bool, "It came on the list after the reader's last visit."]
    objected: Annotated[bool, "The student or the family objected to being scored: nothing was computed."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Something that went well for a student."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    text: Annotated[str, "What the records say, as a sentence."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A student of the caseload, whether on the list or not."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    year: Annotated[str, "Their year of school, as the school writes it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """To what the list is cut, and to what it can be. An empty text cuts to nothing."""

    q: Annotated[str, "A part of a name that was searched for."]
    when: Annotated[When | None, "What is due, new or waiting, where only that is wanted."]
    band: Annotated[Band | None, "The one band that is wanted."]
    case: Annotated[Case | None, "The one state of a case that is wanted."]
    concern: Annotated[Concern | None, "The one concern that is wanted."]
    year: Annotated[str, "The one year of school that is wanted, by its key."]
    section: Annotated[str, "The one class that is wanted, by its key."]
    school: Annotated[str, "The one school that is wanted, by its key."]
    bands: Annotated[tuple[Band, ...], "The bands to choose from."]
    cases: Annotated[tuple[Case, ...], "The states of a case to choose from."]
    concerns: Annotated[tuple[Concern, ...], "The concerns to choose from."]
    years: Annotated[tuple[Choice, ...], "The years of school to choose from."]
    sections: Annotated[tuple[Choice, ...], "The classes to choose from."]
    schools: Annotated[tuple[Choice, ...], "The schools to choose from."]
    used: Annotated[bool, "Something cuts the list."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a long list is shown."""

    first: Annotated[int, "The number of its first row, counted from 1."]
    last: Annotated[int, "The number of its last row."]
    of: Annotated[int, "How many rows there are."]
    before: Annotated[int | None, "The number of the part before, if there is one."]
    after: Annotated[int | None, "The number of the part after, if there is one."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caseload:
    """Monday, 7:40: whom to see first, of all the students that somebody looks after.

    ``rows`` are :data:`MOST_ROWS` at most, ``names`` :data:`MOST_NAMES`.
    """

    frame: Annotated[Frame, "What stands around the page."]
    today: Annotated[date, "The day the page is read."]
    as_of: Annotated[date | None, "The day the list looks from; None where none was made."]
    facts_language: Annotated[str, "The code of the language that sentences about students are written in."]
    last_visit: Annotated[date | None, "The day of the reader's last visit before today, if there was one."]
    scope: Annotated[str, "Whose students these are, such as two years of a school."]
    students: Annotated[int, "How many students that is."]
    due: Annotated[tuple[Due, ...], "What is due today, the longest overdue first."]
    fresh: Annotated[int, "How many came on the list since the last visit."]
    waiting: Annotated[int, "How many have waited longer than they should for somebody to look."]
    waiting_days: Annotated[int, "After how many school days a student has waited too long."]
    records: Annotated[tuple[Fresh, ...], "How far each school's records reach, those that stopped first."]
    stopped: Annotated[tuple[Fresh, ...], "Records that have not come as they usually do."]
    shared: Annotated[tuple[Shared, ...], "Groups in which more than a fifth share a concern."]
    no_list: Annotated[NoList | None, "Why there is no list, if there is none."]
    capacity: Annotated[int, "How many students the list is cut to."]
    capacity_set_by: Annotated[str, "Who says how many can be looked after well; empty where nobody was named."]
    left: Annotated[int, "How many more would follow on the list."]
    yielded: Annotated[tuple[Yielded, ...], "What such a list held last year, for each outcome the reader may know of."]
    filters: Annotated[Filters, "To what the list is cut."]
    rows: Annotated[tuple[Row, ...], "The students of the list, in its order."]
    part: Annotated[Part | None, "Which part of the list is shown, where it is shown in parts."]
    colleagues: Annotated[tuple[Choice, ...], "Whom a case can be handed to."]
    may_take_away: Annotated[bool, "The reader may take the list away as a table."]
    last_snooze: Annotated[date, "The last day to which a case may be put off."]
    tip: Annotated[str, "What the reader has not used yet, as a sentence for them alone; empty where there is nothing to say."]
    good: Annotated[tuple[Good, ...], "Who got better."]
    names: Annotated[tuple[Name, ...], "Everybody on the caseload by name; empty where they are too many to show."]

    def __post_init__(self) -> None:
        assert len(self.rows) <= MOST_ROWS, "a long list is shown in parts"
        assert len(self.names) <= MOST_NAMES, "so many names are searched for and not shown"

"""A class, for tomorrow: who works on what with whom, what was seen afterwards, and what is newly secure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.pages.contexts.caseload import Band, Part
from serving.pages.contexts.frame import Choice, Frame
from serving.pages.contexts.helping import Learn

#: So many classes stand on a page: a counselor's students are in a thousand.
MOST_CLASSES = 100

#: What groups are called: trees, and never what somebody can do. ``serving.cases.lessons.NAMES`` are the same.
Tree = Literal[
    "cedar",
    "willow",
    "maple",
    "birch",
    "hazel",
    "rowan",
    "aspen",
    "linden",
    "juniper",
    "oak",
    "olive",
    "alder",
    "walnut",
    "cypress",
    "chestnut",
    "poplar",
]
Work = Literal["group", "alone", "check_first"]
Result = Literal["secure", "not_yet", "not_seen"]
Unit = Literal["term", "section"]
Mode = Literal["lessons", "in_person", "remote", "home_or_hospital", "online"]
View = Literal["print", "projector"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tree": get_args(Tree),
        "work": get_args(Work),
        "work_why": get_args(Work),
        "quick_check": get_args(Result),
        "unit": get_args(Unit),
        "took_part": get_args(Mode),
        "sheet": get_args(View),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLine:
    """One class that the reader may look at."""

    section_id: Annotated[str, "The school's key of the class."]
    title: Annotated[str, "Its name."]
    school: Annotated[str, "Its school's name; empty where all of the list are at one."]
    students: Annotated[int, "How many of its students the reader may see."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes that somebody may look at, by name. Nothing sets one beside another.

    ``classes`` are :data:`MOST_CLASSES` at most.
    """

    frame: Annotated[Frame, "What stands around the page."]
    today: Annotated[date, "The day the page is read."]
    q: Annotated[str, "What was searched for in the names; empty for all."]
    classes: Annotated[tuple[ClassLine, ...], "The classes, by school and name; of many, the part that is shown."]
    part: Annotated[Part | None, "Which part of the classes is shown; None where all are."]

    def __post_init__(self) -> None:
        assert len(self.classes) <= MOST_CLASSES, "many classes are shown in parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A student and what is known of the skill that they work on."""

    number: Annotated[int, "Their number on the page, from 1."]
    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    occasions: Annotated[int, "On how many occasions the records show the skill."]
    last_on: Annotated[date | None, "The day of the newest evidence; None where there is none."]
    checked: Annotated[Result | None, "What a teacher saw last, where that counts beside the records."]
    checked_by: Annotated[str, "Who saw it; empty where nobody is named."]
    moved_on: Annotated[bool, "The skill is secure by now; the group was arranged before."]
    band: Annotated[Band | None, "What the newest list says of this skill, where it says something."]
    typed: Annotated[Result | None, "What was chosen in a form that was refused, so that it need not be chosen again."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Students who work on one skill: in a group, alone, or with a check before anything else."""

    number: Annotated[int, "Its number on the page, from 1."]
    work: Annotated[Work, "How they work."]
    tree: Annotated[Tree | None, "What the group is called, where it is one."]
    skill_id: Annotated[str, "The school's key of the skill."]
    skill: Annotated[str, "The skill in the school's words."]
    members: Annotated[tuple[Member, ...], "Its students, by name."]
    learn: Annotated[tuple[Learn, ...], "What they learn it from together, where the library has something of it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """A student for whom all that the class has come to is secure."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    seen_on: Annotated[date, "The day of the newest evidence that this rests on."]
    skills: Annotated[tuple[str, ...], "What builds on it and could be begun; may be empty."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A student for whom the records lead to no one skill, or who was left out of all groups."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is newly secure for one student."""

    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    skills: Annotated[tuple[str, ...], "The skills, in the school's words."]


@dataclass(frozen=True, slots=True, kw_only=True)
class TookPart:
    """How a class took part in the last four weeks, in one way of being taught."""

    mode: Annotated[Mode, "Which way."]
    came: Annotated[int, "How many lessons or days were come to, or how many students were active."]
    of: Annotated[int, "Of how many."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was sent in a form that was refused; empty texts where none was."""

    student: Annotated[str, "The student who was to be moved."]
    to: Annotated[str, "The group to move to."]
    group: Annotated[str, "The group that was to be changed."]
    called: Annotated[str, "What it was to be called."]
    until: Annotated[str, "The day until which groups were to be kept."]
    on: Annotated[str, "The day of the check."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A class, for tomorrow."""

    frame: Annotated[Frame, "What stands around the page."]
    section_id: Annotated[str, "The school's key of the class."]
    title: Annotated[str, "Its name."]
    today: Annotated[date, "The day the page is read."]
    lesson_on: Annotated[date, "The next day of school, for which the groups are."]
    students: Annotated[int, "How many students of the class the reader may see."]
    skills: Annotated[tuple[str, ...], "The skills that the class has come to; empty where none are mapped to its work."]
    stands_on: Annotated[date | None, "Until when the groups stand that somebody arranged; None where they are made afresh."]
    version: Annotated[int, "The version of the arrangement, which a form sends back; 0 where it is made afresh."]
    blocks: Annotated[tuple[Block, ...], "Who works on what: groups first, then those alone, then those to be checked first."]
    more: Annotated[tuple[More, ...], "Who is ready for more."]
    left: Annotated[tuple[Place, ...], "Who is in none of these."]
    may_change: Annotated[bool, "The reader may change groups and record checks."]
    names: Annotated[tuple[Choice, ...], "All students of the class, by name."]
    trees: Annotated[tuple[Tree, ...], "The groups that there are."]
    free: Annotated[tuple[Tree, ...], "The names that no group has."]
    last_day: Annotated[date, "The last day until which groups may be kept."]
    first_day: Annotated[date, "The first day of which a check may still be written down."]
    typed: Annotated[Typed, "What was sent in a form that was refused."]
    unit: Annotated[Unit, "What began on the day that progress is counted from."]
    unit_name: Annotated[str, "Its name: of a term or of the class."]
    unit_began: Annotated[date, "Its first day."]
    newly_secure: Annotated[int, "How many skills of how many students are newly secure since then, added up."]
    progress: Annotated[tuple[Progress, ...], "For whom something is newly secure, by name."]
    took_part: Annotated[tuple[TookPart, ...], "How the class took part in the last four weeks."]
    without_access: Annotated[int, "For how many students activity online is not counted: no device or internet at home."]
    online_unused: Annotated[bool, "The class hardly uses its online classroom, so that silence there says nothing."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetGroup:
    """A group as everybody in the room may see it."""

    tree: Annotated[Tree, "What it is called."]
    skill: Annotated[str, "What it does tomorrow."]
    names: Annotated[tuple[str, ...], "Who is in it, by name."]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSheet:
    """Tomorrow's groups for the wall or for paper: nothing in it says what anybody can or cannot do."""

    frame: Annotated[Frame, "What stands around the page."]
    view: Annotated[View, "For the wall, or for paper."]
    section_id: Annotated[str, "The school's key of the class."]
    title: Annotated[str, "Its name."]
    lesson_on: Annotated[date, "The day for which the groups are."]
    groups: Annotated[tuple[SheetGroup, ...], "The groups, each of two or more."]
    together: Annotated[tuple[str, ...], "Who begins together with the teacher, whatever the reason."]

"""What a family reads and asks for: the page to print, what can be asked for, and what staff decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.cases import casebook
from serving.cases.people import Role
from serving.pages.charts import CalendarChart, MarksChart, WorkChart
from serving.pages.contexts.caseload import Band, Concern
from serving.pages.contexts.frame import Choice, Frame
from serving.pages.contexts.student import Area, Happened, Missing, NoScore, Reads, SupportEnd, Viewer

#: What a family may say is wrong, in one word each; everything else is asked for in person.
Subject = Literal["missed", "excused", "handed_in", "score", "mark", "year", "given_name", "family_name", "preferred_name",
                  "pronouns", "device", "internet"]  # fmt: skip
#: What a correction is about that was not asked for here.
About = Literal[Subject, "other"]
#: How a value is written.
Kind = Literal["choice", "day", "number", "words"]
CorrectionState = Literal["open", "accepted", "refused", "source_agrees"]
#: Why a day that was asked for is not shown as it was seen.
Unseen = Literal["no_such_list", "words_gone"]
Restriction = Literal["no_contact", "court_order"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "requests.about": (*get_args(Subject), "other"),
        "requests.kind": get_args(Kind),
        "requests.state": get_args(CorrectionState),
        "requests.restriction": get_args(Restriction),
        "family.unseen": get_args(Unseen),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What the records come to in one area, in words and without a number."""

    area: Annotated[Area, "Which area; never the one about leaving."]
    course: Annotated[str, "The course's name, where it is about one; else empty."]
    band: Annotated[Band, "What the records come to."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact behind it, in the sentence that staff read."""

    concern: Annotated[Concern, "What it is about."]
    text: Annotated[str, "The sentence."]
    skill: Annotated[str, "Of which skill it tells, empty where of none."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """A support that was offered."""

    name: Annotated[str, "What it is."]
    since: Annotated[date, "Its first day."]
    until: Annotated[date | None, "Its last day, where it is over."]
    dose: Annotated[str, "How much of it, in words; empty where it is not on record."]
    goal: Annotated[str, "What it is for; empty where it is not on record."]
    result: Annotated[SupportEnd | None, "How it went, where it is over and somebody said so."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Something that somebody decided or did with the case."""

    on: Annotated[date, "The day of it."]
    by: Annotated[str, "Who it was; empty where nobody was signed in."]
    what: Annotated[Happened, "What was done."]
    text: Annotated[str, "The decision and what came of it, where it was written down; else empty."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A talk that somebody of the school had with those who read the page."""

    on: Annotated[date, "The day of it."]
    whom: Annotated[casebook.Whom, "With whom."]
    agreed: Annotated[str, "What was agreed."]
    by: Annotated[str, "Who talked with them."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A correction that somebody asked for."""

    about: Annotated[About, "What is said to be wrong."]
    row: Annotated[str, "Of which day, course or piece of work; empty where there is only one."]
    was: Annotated[str, "What the records said when it was asked; empty for nothing."]
    should: Annotated[str, "What they should say; empty for nothing."]
    on: Annotated[date, "The day it was asked for."]
    due_on: Annotated[date, "The day by which it is decided."]
    state: Annotated[CorrectionState, "What became of it."]
    by: Annotated[str, "Who decided; empty where nobody has yet."]
    decided_on: Annotated[date | None, "The day it was decided."]
    reason: Annotated[str, "Why, as they wrote it; else empty."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the card of a model that is in use says, for a family."""

    area: Annotated[Area, "What the model looks for."]
    listed: Annotated[int, "Of 100 students on such a list in the test, how many had the outcome."]
    found: Annotated[int, "Of 100 students in the test who had the outcome, how many were on such a list."]
    to: Annotated[date, "The last day of the test."]
    erased: Annotated[int | None, "How many students it learned from were erased since; None where that is not known."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One page to print: what staff saw on a day, in the same sentences, and what a family can do about it."""

    frame: Annotated[Frame, "What stands around the page."]
    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called, with the family name."]
    year: Annotated[str, "Their year of school; empty where none is on record."]
    school: Annotated[str, "Their school's name; empty where they are not enrolled."]
    reads: Annotated[Reads, "Who has it before them: staff who print it, the student, or the family."]
    day: Annotated[date, "The day whose records it shows."]
    as_of: Annotated[date | None, "The day that the list looks from; None where none was made."]
    unseen: Annotated[Unseen | None, "Why what was seen on the day asked for is not shown as it was, if it is not."]
    days: Annotated[tuple[date, ...], "The days of lists that are kept, the newest first."]
    wanted_language: Annotated[str, "The family's language by its code, where the page is not there in it; else empty."]
    facts_language: Annotated[str, "The code of the language that sentences about students are written in."]
    strengths: Annotated[tuple[str, ...], "What speaks for the student, as sentences."]
    no_score: Annotated[NoScore | None, "Why nothing is said of what the records come to, if nothing is."]
    says: Annotated[tuple[Says, ...], "What the records come to, area by area."]
    quiet: Annotated[tuple[str, ...], "Courses without an extra signal, by name."]
    facts: Annotated[tuple[Fact, ...], "The facts behind it, three at most."]
    calendar: Annotated[CalendarChart | None, "The school days, where they are on record."]
    work: Annotated[WorkChart | None, "The work, where it is on record."]
    marks: Annotated[MarksChart | None, "The marks by course, where they are on record."]
    unknowns: Annotated[tuple[str, ...], "What is not known, as sentences."]
    missing: Annotated[tuple[Missing, ...], "Records that there are none of."]
    running: Annotated[tuple[Help, ...], "Help that was running on the day."]
    ended: Annotated[tuple[Help, ...], "Help that was over by then."]
    decided: Annotated[tuple[Decided, ...], "Who decided what, the newest first."]
    talks: Annotated[tuple[Talk, ...], "Talks with those who read the page, the newest first."]
    requests: Annotated[tuple[Request, ...], "Corrections that were asked for."]
    objected_on: Annotated[date | None, "Since when somebody objects to scoring by these pages; else None."]
    viewers: Annotated[tuple[Viewer, ...], "Who can see the record."]
    turn_to: Annotated[tuple[str, ...], "Whom to turn to, by name; empty where nobody is on record."]
    due_on: Annotated[date, "By when a correction is decided that is asked for today."]
    may_ask: Annotated[bool, "The reader may ask for a correction here."]
    may_export: Annotated[bool, "The reader may take everything away."]
    models: Annotated[tuple[Learned, ...], "The models behind the sentences."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian:
    """Somebody whom the school may reach about the student, or must not."""

    guardian_id: Annotated[str, "The key of the person."]
    name: Annotated[str, "Their name; else their key."]
    language: Annotated[str, "The code of the language to write in; empty where it is not known."]
    restriction: Annotated[Restriction | None, "Why they must not be reached, if they must not."]
    restriction_id: Annotated[str, "By which a restriction is lifted that staff entered here; else empty."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What can be asked for: a correction, no scoring, everything that is held, and that somebody is not reached."""

    frame: Annotated[Frame, "What stands around the page."]
    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    due_on: Annotated[date, "By when a correction is decided that is asked for today."]
    subjects: Annotated[tuple[Subject, ...], "What of the records can be said to be wrong here."]
    subject: Annotated[Subject | None, "What was chosen, if anything was."]
    rows: Annotated[tuple[Choice, ...], "The days, courses or pieces of work to choose from."]
    kind: Annotated[Kind, "How the value is written."]
    values: Annotated[tuple[Choice, ...], "The values to choose from, where they are to be chosen."]
    because: Annotated[str, "The reader's disagreement that a correction goes with; empty where there is none."]
    typed_row: Annotated[str, "What was chosen in a form that was refused."]
    typed_value: Annotated[str, "The value that was typed in it."]
    typed_why: Annotated[str, "The reason that was typed in it."]
    asked: Annotated[tuple[Request, ...], "What was asked for so far."]
    may_object: Annotated[bool, "The reader may object to scoring, and take it back."]
    objected_on: Annotated[date | None, "Since when an objection is in force that was made here."]
    objected_at_school: Annotated[bool, "An objection stands in the school's own records, where it is taken back too."]
    may_export: Annotated[bool, "The reader may take everything away."]
    shows_guardians: Annotated[bool, "The reader sees whom the school may reach."]
    guardians: Annotated[tuple[Guardian, ...], "Whom the school may reach, and whom it must not."]
    may_restrict: Annotated[bool, "The reader may enter whom the school must not reach."]
    typed_guardian: Annotated[str, "Whom a form named that was refused."]
    typed_restriction: Annotated[str, "The restriction that was chosen in it."]
    turn_to: Annotated[tuple[str, ...], "Whom to turn to with everything else, by name."]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A correction that waits for a decision."""

    correction_id: Annotated[str, "By which it is decided."]
    student_id: Annotated[str, "The school's key of the student."]
    name: Annotated[str, "What the student is called."]
    about: Annotated[About, "What is said to be wrong."]
    row: Annotated[str, "Of which day, course or piece of work; empty where there is only one."]
    was: Annotated[str, "What the records say; empty for nothing."]
    should: Annotated[str, "What they should say; empty for nothing."]
    why: Annotated[str, "How the asker knows, in their words."]
    asked_role: Annotated[Role | None, "Who asked: their role, None where it came by letter or in person."]
    on: Annotated[date, "The day it was asked for."]
    due_on: Annotated[date, "The day by which it is decided."]
    late: Annotated[bool, "That day has passed."]
    own: Annotated[bool, "The reader asked for it, so that a colleague decides."]
    typed: Annotated[str, "The reason that was typed into its form, where it was refused."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """Corrections that wait for the reader's decision, the one that is due first first."""

    frame: Annotated[Frame, "What stands around the page."]
    waiting: Annotated[tuple[OpenRequest, ...], "What waits."]

"""One student: first the person, then what the records say of them, then what adults do, and the model last of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.cases import casebook, families, plans
from serving.cases.access import OfStudent
from serving.pages.charts import CalendarChart, DayState, MarksChart, Weekday, WorkChart
from serving.pages.contexts.caseload import Band, Case, Concern, Task
from serving.pages.contexts.frame import Choice, Frame
from serving.pages.contexts.helping import Help, Learn

#: So many skills are shown of each part of the map; of more, how many there are.
MOST_SKILLS = 12

#: So many notes, contacts and steps of the case's history are shown of each.
MOST_TOLD = 12

#: Concepts that a page has a name for.
NAMED_CONCERNS = frozenset(get_args(Concern))

Reads = Literal["staff", "student", "family"]
Area = Literal["leaving", "attendance", "course", "skills"]
Chart = Literal["attendance", "coursework", "marks"]
NoScore = Literal["no_list", "stopped", "objected", "not_on_list"]
Prompt = Literal["proud_of", "best_qualities", "activities_and_interests", "nervous_or_stressed", "how_i_learn_best",
                 "trusted_adult", "my_goal", "other_share"]  # fmt: skip
SharedWith = Literal["my_teachers", "my_counselor", "only_me"]
Device = Literal["own", "shared", "none", "unknown"]
Internet = Literal["broadband", "mobile_only", "none", "unknown"]
PlanKind = Literal["disability_plan", "reasonable_adjustments", "language_support", "health_plan"]
PlanStatus = Literal["draft", "student_reviewed", "agreed", "active", "completed", "withdrawn"]
SupportEnd = Literal["goal_met", "partly_met", "not_met", "moved_away", "no_longer_needed", "declined", "goal_reached",
                     "some_progress", "no_change", "stopped_early", "left"]  # fmt: skip
Good = Literal["skill", "support", "plan", "work"]
Missing = Literal["calendar", "attendance", "work", "marks", "skills"]
Cause = Literal["did", "late", "model", "records"]
Pull = Literal["more", "less", "same", "nothing", "unknown"]
Next = Literal["talk", "contact", "check_support", "look_again", "look"]
Form = Literal["note", "contact", "disagree", "step", "raise", "claim", "assign", "ask", "answer", "snooze", "resume",
               "monitor", "close", "reopen", "start_support", "end_support", "revise", "review_support", "accept_help",
               "plan_help", "decline_help", "answer_offer", "give_minutes", "tell"]  # fmt: skip
Happened = Literal["open", "raise", "claim", "assign", "ask", "answer", "snooze", "resume", "start_support", "end_support",
                   "end_last_support", "monitor", "close", "reopen", "look", "review_support"]  # fmt: skip

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "student.area": get_args(Area),
        "student.area_card": get_args(Area),
        "student.no_score": get_args(NoScore),
        "student.prompt": get_args(Prompt),
        "student.shared_with": get_args(SharedWith),
        "student.device": get_args(Device),
        "student.internet": get_args(Internet),
        "student.owed_kind": get_args(PlanKind),
        "student.own_plan": get_args(PlanStatus),
        "student.support_end": get_args(SupportEnd),
        "student.went_well": get_args(Good),
        "student.missing": get_args(Missing),
        "student.cause": get_args(Cause),
        "student.pull": get_args(Pull),
        "student.happened": get_args(Happened),
        "student.chart": get_args(Chart),
        "student.day": get_args(DayState),
        "student.weekday": get_args(Weekday),
        "student.viewer": get_args(OfStudent),
        "next_step": get_args(Next),
        "whom": casebook.WHOM,
        "channel": casebook.CHANNELS,
        "disagreed": casebook.DISAGREED,
        "close_reason": casebook.CLOSE_REASONS,
        "support_result": casebook.SUPPORT_RESULTS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who the student is, before anything else."""

    name: Annotated[str, "What the student is called, with the family name."]
    called: Annotated[str, "What the student is called, alone."]
    initials: Annotated[str, "The first letters of both, for where there is no photo."]
    photo: Annotated[bool, "There is a photo that may be shown."]
    pronouns: Annotated[str, "Their pronouns; empty where none are on record."]
    year: Annotated[str, "Their year of school; empty where none is on record."]
    school: Annotated[str, "Their school's name; empty where they are not enrolled."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something that the student wrote, for whom it was written."""

    prompt: Annotated[Prompt, "What was asked."]
    text: Annotated[str, "What the student says, in their own words."]
    shared_with: Annotated[SharedWith, "For whom it was written."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Help that the student has or had."""

    name: Annotated[str, "What it is."]
    since: Annotated[date, "Its first day."]
    dose: Annotated[str, "How much of it, in words; empty where it is not on record."]
    goal: Annotated[str, "What it is for; empty where it is not on record."]
    review_on: Annotated[date | None, "The day on which it is looked at again, where one was set."]
    support_id: Annotated[str, "Its key where it was begun here and can be ended here; else empty."]
    ended_on: Annotated[date | None, "Its last day, where it is over."]
    result: Annotated[SupportEnd | None, "How it went, where it is over and somebody said so."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A plan that the school owes the student."""

    kind: Annotated[PlanKind, "Which one."]
    since: Annotated[date, "Its first day."]
    until: Annotated[date | None, "Its last day, where it has one."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal that the student set."""

    text: Annotated[str, "The goal, in the words it was written in."]
    status: Annotated[PlanStatus, "How far it has come."]
    check_on: Annotated[date | None, "The day on which it is looked at again, where one was set."]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlan:
    """A learning plan that was begun here."""

    plan_id: Annotated[str, "Its key."]
    goal: Annotated[str, "Its goal; empty before the student has written it."]
    state: Annotated[plans.State, "How far it has come."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """Something on record that somebody says is wrong."""

    about: Annotated[str, "What of the records, in words."]
    row: Annotated[str, "Of which day, course or piece of work; empty where there is only one."]
    was: Annotated[str, "What the records said when it was asked; empty for nothing."]
    should: Annotated[str, "What they should say; empty for nothing."]
    refused: Annotated[bool, "Somebody decided that it stays as it is; else it waits for a decision."]


@dataclass(frozen=True, slots=True, kw_only=True)
class WentWell:
    """The newest thing on record that went well."""

    kind: Annotated[Good, "What kind of thing."]
    what: Annotated[str, "What it is called in the records; empty where the kind says all."]
    on: Annotated[date, "The day of it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What the student can learn with at home: a barrier at most, and never a reason."""

    device: Annotated[Device, "The device at home."]
    internet: Annotated[Internet, "The connection at home."]
    on: Annotated[date | None, "The day it was recorded; None where it never was."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What the records come to in one area, in words."""

    area: Annotated[Area, "Which area."]
    course: Annotated[str, "The course's name, where it is about one; else empty."]
    band: Annotated[Band, "What the records come to."]
    sure: Annotated[str, "How often students with similar records had the outcome; empty where nothing was scored."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One of three facts at most behind what the records come to."""

    concern: Annotated[Concern, "What it is about."]
    text: Annotated[str, "The fact with its comparison, as a sentence."]
    chart: Annotated[Chart | None, "Which chart of the facts belongs to it, where there is one not shown above."]
    skill: Annotated[str, "Of which skill it tells, empty where of none."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What a concept adds to a score."""

    concern: Annotated[Concern, "The concept."]
    log_odds: Annotated[float, "What it adds, in log-odds; below 0 where it lowers the score."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The figures behind one area, for counselors."""

    area: Annotated[Area, "Which area."]
    course: Annotated[str, "The course's or the skill's name, where it is about one; else empty."]
    per_100: Annotated[float, "The probability, of 100."]
    low: Annotated[float, "The lower end of its interval, of 100."]
    high: Annotated[float, "The upper end."]
    weights: Annotated[tuple[Weight, ...], "What the facts that are told in words add."]
    version: Annotated[str, "The version of the model."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill, and what it rests on."""

    statement: Annotated[str, "What somebody can do who has it."]
    count: Annotated[int, "On how many occasions there is evidence."]
    on: Annotated[date | None, "The day of the newest evidence; None where there is none."]
    waits_for: Annotated[tuple[str, ...], "What has to be secure before it, by its statement."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """The student's map of skills."""

    secure: Annotated[tuple[Skill, ...], "What is secure, the newest evidence first."]
    secure_more: Annotated[int, "How many more are secure."]
    following: Annotated[tuple[Skill, ...], "What is next to learn."]
    waits: Annotated[tuple[Skill, ...], "What waits for something else."]
    waits_more: Annotated[int, "How many more wait."]
    unclear: Annotated[tuple[Skill, ...], "Of what too little was seen to say."]
    unclear_more: Annotated[int, "Of how many more too little was seen."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What one kept list said of the student in one area."""

    on: Annotated[date, "The day the list looked from."]
    area: Annotated[Area, "Which area."]
    band: Annotated[Band, "What the records came to."]
    per_100: Annotated[float | None, "The probability of 100, for counselors; else None."]
    version: Annotated[str, "The version of the model."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a change between two lists."""

    cause: Annotated[Cause, "What the student did, what arrived late, what the model changed; for the API, all that arrived."]
    pull: Annotated[Pull, "Whether it makes a check-in more called for, less, neither, or nobody can tell."]
    points: Annotated[float | None, "By how much, of 100, for counselors; None for others and where nobody can tell."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Why what the records come to in one area moved between the last two lists."""

    area: Annotated[Area, "Which area."]
    course: Annotated[str, "The course's name, where it is about one; else empty."]
    before: Annotated[Band, "What they came to before."]
    after: Annotated[Band, "What they come to now."]
    parts: Annotated[tuple[Part, ...], "The change in its three parts."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What happened between two lists, as it was recorded."""

    earlier: Annotated[date, "The day of the earlier list."]
    later: Annotated[date, "The day of the later list."]
    missed: Annotated[float, "School days missed in between."]
    handed_in: Annotated[int, "Pieces of work handed in."]
    came_due: Annotated[int, "Pieces of work that came due."]
    arrived_late: Annotated[int, "Rows about earlier days that arrived only after the earlier list."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One wording of a note."""

    text: Annotated[str, "What it says, or its beginning."]
    by: Annotated[str, "Who wrote it."]
    on: Annotated[date, "The day it was written."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note of staff. Of two wordings that were written at once, both stand."""

    note_id: Annotated[str, "Its key."]
    restricted: Annotated[bool, "Only those may read it who may read restricted notes."]
    wordings: Annotated[tuple[Wording, ...], "What it says now."]
    latest: Annotated[Wording, "The newest of them, which a revision begins with."]
    earlier: Annotated[tuple[Wording, ...], "Earlier wordings, where the note is opened."]
    revised: Annotated[int, "How often it was revised."]
    seen: Annotated[int, "The number of its latest wording, which a revision sends back."]
    cut: Annotated[bool, "It is longer than what is shown."]
    opened: Annotated[bool, "It is shown whole, with its earlier wordings."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A talk with the student or the family."""

    on: Annotated[date, "The day of it."]
    whom: Annotated[casebook.Whom, "With whom."]
    channel: Annotated[casebook.Channel, "How."]
    agreed: Annotated[str, "What was agreed."]
    by: Annotated[str, "Who talked with them."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What somebody is to do next."""

    step_id: Annotated[str, "Its key."]
    task: Annotated[Task, "What is to be done."]
    text: Annotated[str, "More of it, in somebody's words; else empty."]
    on: Annotated[date, "By which day."]
    who: Annotated[str, "Who is to do it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One step in the history of the case."""

    on: Annotated[date, "The day of it."]
    by: Annotated[str, "Who did it; empty where nobody was signed in."]
    what: Annotated[Happened, "What was done."]
    text: Annotated[str, "What was said with it; else empty."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objected:
    """Somebody said that what was suggested is not right."""

    kind: Annotated[casebook.Disagreed, "In which way."]
    text: Annotated[str, "What they wrote; else empty."]
    by: Annotated[str, "Who said so."]
    on: Annotated[date, "The day of it."]
    correction: Annotated[families.State | None, "Where the correction stands that was asked for with it, if one was."]
    ask: Annotated[str, "By which the reader, who said so, asks for one; empty where it is not theirs, or was asked for."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed into a form that was refused, so that nothing of it is lost."""

    form: Annotated[Form | None, "Which form it was, if any."]
    text: Annotated[str, "What stood in its field for words."]
    second: Annotated[str, "What stood in its other field for words."]
    third: Annotated[str, "What stood in its third field for words."]
    choice: Annotated[str, "What was chosen in it."]
    other: Annotated[str, "What was chosen in its other select."]
    on: Annotated[str, "The day that stood in it."]
    until: Annotated[str, "The other day that stood in it."]
    ticked: Annotated[bool, "Its box was ticked."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What adults do about it: where it stands, what was done, and the forms for what may be done now."""

    state: Annotated[Case | None, "How far somebody has come with it; None where nothing was begun."]
    with_whom: Annotated[str, "Who has taken it on; empty where nobody has."]
    until: Annotated[date | None, "The day a case comes back that was put off."]
    version: Annotated[int, "What a form sends back, so that two people do not undo each other's work."]
    forms: Annotated[tuple[Form, ...], "The forms whose right the reader has and whose move is possible now."]
    restricted: Annotated[bool, "The reader may write restricted notes."]
    steps: Annotated[tuple[Step, ...], "What is to be done next, the earliest first."]
    notes: Annotated[tuple[Note, ...], "Notes that the reader may read, the newest first."]
    talks: Annotated[tuple[Talk, ...], "Talks, the newest first."]
    objected: Annotated[tuple[Objected, ...], "Who disagreed, and why, the newest first."]
    moves: Annotated[tuple[Moved, ...], "What was done with the case, the newest first."]
    older: Annotated[int, "How much of it is older than a school year, and hidden."]
    shows_older: Annotated[bool, "What is older is shown too."]
    colleagues: Annotated[tuple[Choice, ...], "Whom a case can be handed to."]
    interventions: Annotated[tuple[Choice, ...], "Supports that have a name, to choose from."]
    tasks: Annotated[tuple[Next, ...], "Next steps to choose from."]
    channels: Annotated[tuple[casebook.Channel, ...], "Ways to talk to choose from."]
    kinds: Annotated[tuple[casebook.Disagreed, ...], "Ways to disagree to choose from."]
    close_reasons: Annotated[tuple[casebook.CloseReason, ...], "Reasons to close to choose from."]
    results: Annotated[tuple[casebook.SupportResult, ...], "How a support can have gone, to choose from."]
    next_day: Annotated[date, "The day that a next step is proposed for."]
    last_snooze: Annotated[date, "The last day to which a case may be put off."]
    review_day: Annotated[date, "The day on which a support is proposed to be looked at again."]
    typed: Annotated[Typed, "What was typed into a form that was refused."]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What a score would be were attendance another: it describes the score, and promises nothing."""

    area: Annotated[Area, "Which area."]
    course: Annotated[str, "The course's name, where it is about one; else empty."]
    text: Annotated[str, "What the score would be, in sentences."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody who can see this student."""

    name: Annotated[str, "Their name, as their account has it."]
    stands: Annotated[OfStudent, "How they stand to the student."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What its card says of a model that is in use."""

    area: Annotated[Area, "What the model looks for."]
    listed: Annotated[int, "Of 100 students on such a list in the test, how many had the outcome."]
    found: Annotated[int, "Of 100 students in the test who had the outcome, how many were on such a list."]
    to: Annotated[date, "The last day of the test."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """One student, cut to what the reader may see of them."""

    frame: Annotated[Frame, "What stands around the page."]
    student_id: Annotated[str, "The school's key of the student."]
    today: Annotated[date, "The day the page is read."]
    reads: Annotated[Reads, "Who reads it: staff, the student, or the family."]
    facts_language: Annotated[str, "The code of the language that sentences about students are written in."]
    person: Annotated[Person, "Who the student is."]
    voice: Annotated[tuple[Said, ...], "What the student wrote, as far as it is for the reader."]
    strengths: Annotated[tuple[str, ...], "What speaks for the student, as sentences."]
    went_well: Annotated[WentWell | None, "The newest thing that went well, where one is on record."]
    supports: Annotated[tuple[Support, ...], "Help that runs now."]
    ended: Annotated[tuple[Support, ...], "Help that is over, the latest first."]
    goals: Annotated[tuple[Goal, ...], "Goals that the student set."]
    plans: Annotated[tuple[OwnPlan, ...], "Learning plans that were begun here, the newest first."]
    may_plan: Annotated[bool, "The reader may begin a learning plan."]
    disputed: Annotated[tuple[Disputed, ...], "What somebody says is wrong, beside what is on record."]
    may_ask: Annotated[bool, "The reader may ask for a correction."]
    may_export: Annotated[bool, "The reader may take everything away that is held."]
    owed: Annotated[tuple[Owed, ...], "Plans that the school owes, where the reader may know which."]
    accommodations: Annotated[tuple[str, ...], "What staff are to do so that the student can learn as others do."]
    home: Annotated[Home | None, "What there is to learn with at home, where the reader may know."]
    as_of: Annotated[date | None, "The day the newest list looks from; None where there is none."]
    no_score: Annotated[NoScore | None, "Why nothing is said of what the records come to, if nothing is."]
    says: Annotated[tuple[Says, ...], "What the records come to, area by area, the one to look at first first."]
    quiet: Annotated[tuple[str, ...], "Courses without an extra signal, by name."]
    reasons: Annotated[tuple[Reason, ...], "The facts behind it, three at most."]
    others: Annotated[tuple[Chart, ...], "Charts that belong to no reason."]
    calendar: Annotated[CalendarChart | None, "The school days of the term, where the reader may see facts."]
    work: Annotated[WorkChart | None, "The work of the term, where the reader may see facts."]
    marks: Annotated[MarksChart | None, "The marks by subject, where the reader may see facts."]
    unknowns: Annotated[tuple[str, ...], "What is not known, as sentences."]
    missing: Annotated[tuple[Missing, ...], "Records that there are none of."]
    numbers: Annotated[tuple[Number, ...], "The figures, for counselors only."]
    map: Annotated[Map | None, "The map of skills, where the reader may see facts."]
    past: Annotated[tuple[Past, ...], "What kept lists said, the newest first."]
    shows_numbers: Annotated[bool, "The reader may see the figures."]
    since: Annotated[Since | None, "What happened between the last two lists, where there are two."]
    changes: Annotated[tuple[Change, ...], "Why it moved, area by area."]
    ask_why: Annotated[bool, "Why it moved takes a moment to work out, and is shown when somebody asks."]
    help: Annotated[Help | None, "What could help, where anything may be said of it."]
    learn: Annotated[tuple[Learn, ...], "What to learn the skill from that is next, where there is one."]
    what_ifs: Annotated[tuple[WhatIf, ...], "What scores would be had attendance stayed as in September, for counselors."]
    ask_what_if: Annotated[bool, "That takes a moment to work out, and is shown when somebody asks."]
    asked_what_if: Annotated[bool, "Somebody asked for it."]
    prediction_id: Annotated[str, "Names the newest list's row that a disagreement is about; empty where there is none."]
    case_work: Annotated[Work | None, "What adults do, where the reader may work with it."]
    viewers: Annotated[tuple[Viewer, ...], "Who can see this student."]
    cards: Annotated[tuple[Card, ...], "What the cards of the models in use say."]

    def __post_init__(self) -> None:
        assert len(self.reasons) <= 3, "a reader keeps three reasons at most in mind"
        assert not self.numbers or self.shows_numbers, "figures are for counselors"

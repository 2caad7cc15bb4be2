"""The page of one student in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import get_args

import help_examples

from serving.cases import casebook
from serving.cases.access import OfStudent
from serving.cases.plans import STATES
from serving.pages import charts
from serving.pages.charts import DayState, Mark
from serving.pages.contexts import Context
from serving.pages.contexts import student as shown
from serving.pages.contexts.frame import Choice, Frame, Reader
from serving.pages.contexts.student import Student

TODAY, LIST, BEFORE = date(2026, 11, 16), date(2026, 11, 13), date(2026, 10, 30)
NAME, OTHER = 'Ana "Ani" Ruiz', "Ruth Adeyemi"

FRAME = Frame(
    school="Lincoln High School", reader=Reader(name="Ben Okoro", role="counselor"), places=("caseload",), csrf="t0ken",
    saved=(), refused=(), safeguarding="Ida Lovell, room 12", languages=(),
)  # fmt: skip


def _reader(role: str) -> Frame:
    return replace(FRAME, reader=Reader(name="Kim Sato", role=role), places=())  # type: ignore[arg-type]


_STATES: tuple[DayState, ...] = ("present", "present", "absent", "part", "present", "present", "unknown")
DAYS = {
    day: _STATES[at % 7]
    for at, day in enumerate(date(2026, 9, 1) + timedelta(days=at) for at in range(74))
    if day.weekday() < 5
}  # fmt: skip
CALENDAR = charts.calendar(DAYS)
WORK = charts.work(
    {
        "Algebra 1": ["on_time", "late", "not_in", "in", "excused", "not_due"],
        "A course with a name that is long": ["on_time"] * 20,
        "Nothing yet": [],
    }
)
MARKS = charts.marks(
    [Mark("Algebra 1", 0.58, date(2026, 11, 1), 0.73, 0.7), Mark("Reading", 0.81, date(2026, 11, 1), None, None)]
)

SKILL = shown.Skill(statement="Add fractions", count=3, on=date(2026, 11, 9), waits_for=())
UNTYPED = shown.Typed(form=None, text="", second="", third="", choice="", other="", on="", until="", ticked=False)
WORDING = shown.Wording(text="Ana says the bus is late twice a week.\nShe asked for the time table.", by=OTHER, on=BEFORE)
NOTE = shown.Note(
    note_id="n1", restricted=False, wordings=(WORDING,), latest=WORDING, earlier=(), revised=0, seen=1, cut=False, opened=False,
)  # fmt: skip
OUR_SUPPORT = shown.Support(
    name="A mentor at school", since=BEFORE, dose="twice a week, 20 minutes", goal="at school by nine", review_on=TODAY,
    support_id="s1", ended_on=None, result=None,
)  # fmt: skip
THEIR_SUPPORT = replace(OUR_SUPPORT, name="Tutoring three times a week", dose="", goal="", review_on=None, support_id="")

CASE_WORK = shown.Work(
    state="in_review", with_whom="Ben Okoro", until=None, version=7, forms=get_args(shown.Form), restricted=True,
    steps=(shown.Step(step_id="st1", task="talk", text="Ask about the bus", on=TODAY, who="Ben Okoro"),),
    notes=(NOTE, replace(NOTE, note_id="n2", restricted=True, revised=2, cut=True, wordings=(WORDING, WORDING))),
    talks=(shown.Talk(on=BEFORE, whom="family", channel="phone", agreed="They will call back.", by=OTHER),),
    objected=(
        shown.Objected(kind="context_known", text="The bus line was changed.", by=OTHER, on=BEFORE, correction=None, ask=""),
        shown.Objected(kind="data_wrong", text="She was there.", by=OTHER, on=BEFORE, correction="open", ask=""),
        shown.Objected(kind="data_wrong", text="She was there too.", by=OTHER, on=BEFORE, correction=None, ask="d-1"),
    ),
    moves=tuple(shown.Moved(on=BEFORE, by=OTHER, what=one, text="The bus." if one == "ask" else "")
                for one in get_args(shown.Happened)),
    older=3, shows_older=False, colleagues=(Choice(value="T-2", name=OTHER),),
    interventions=(Choice(value="mentor_success", name="A mentor at school"),), tasks=get_args(shown.Next),
    channels=casebook.CHANNELS, kinds=casebook.DISAGREED, close_reasons=casebook.CLOSE_REASONS,
    results=casebook.SUPPORT_RESULTS, next_day=date(2026, 11, 17), last_snooze=date(2026, 12, 16),
    review_day=date(2026, 12, 28), typed=UNTYPED,
)  # fmt: skip

USUAL = Student(
    frame=FRAME, student_id="S/1 4", today=TODAY, reads="staff", facts_language="en",
    person=shown.Person(name=NAME, called="Ani", initials="AR", photo=False, pronouns="she/her", year="9",
                        school="Lincoln High School"),
    voice=tuple(shown.Said(prompt=prompt, text="drawing maps", shared_with="my_teachers" if at else "my_counselor")
                for at, prompt in enumerate(get_args(shown.Prompt))),
    strengths=("Ani has 81 of 100 in this course on the latest report card. The middle of the class: 74.",),
    went_well=shown.WentWell(kind="skill", what="Add fractions", on=date(2026, 11, 9)),
    supports=(OUR_SUPPORT, THEIR_SUPPORT), ended=(replace(THEIR_SUPPORT, ended_on=BEFORE, result="goal_met"),),
    goals=(shown.Goal(text="Get into the map club", status="active", check_on=TODAY),),
    plans=tuple(shown.OwnPlan(plan_id=f"p{at}", goal="Use ratios" if at else "", state=state)
                for at, state in enumerate(STATES)),
    may_plan=True,
    disputed=tuple(shown.Disputed(about="A mark on a report card", row="Algebra 1" if at else "", was="" if at else "58 of 100",
                                  should="68 of 100" if at else "", refused=bool(at)) for at in range(2)),
    may_ask=True, may_export=False,
    owed=(shown.Owed(kind="disability_plan", since=date(2026, 9, 1), until=date(2027, 6, 1)),),
    accommodations=("Give a quarter more time in tests.",),
    home=shown.Home(device="shared", internet="unknown", on=date(2026, 9, 2)), as_of=LIST, no_score=None,
    says=(
        shown.Says(area="leaving", course="", band="check_in_suggested",
                   sure="Of 100 students with a similar pattern in earlier years, about 5 left before the end; 95 did not."),
        shown.Says(area="attendance", course="", band="keep_an_eye", sure=""),
        shown.Says(area="course", course="Algebra 1", band="not_enough_data", sure=""),
        shown.Says(area="skills", course="", band="no_extra_signal", sure=""),
    ),
    quiet=("Reading", "Art"),
    reasons=(
        shown.Reason(concern="attendance", text="Ani has missed 10 of the last 20 school days (50%).", chart="attendance"),
        shown.Reason(concern="coursework", text="Ani has not handed in 4 of 9 pieces of work.", chart="coursework"),
        shown.Reason(concern="skills", text="Ani is not secure yet in 2 of 4 skills that come before this one.", chart=None,
                     skill="Use ratios to compare"),
    ),
    others=("marks",), calendar=CALENDAR, work=WORK, marks=MARKS,
    unknowns=("Online activity is not in the records, so it is not counted.",), missing=("skills",),
    numbers=(
        shown.Number(area="leaving", course="", per_100=5.4, low=2.1, high=11.9,
                     weights=(shown.Weight(concern="attendance", log_odds=1.24), shown.Weight(concern="marks", log_odds=-0.3)),
                     version="3"),
    ),
    map=shown.Map(secure=(SKILL,), secure_more=4, following=(replace(SKILL, statement="Use ratio reasoning", count=1),),
                  waits=(replace(SKILL, statement="Solve proportions", on=None, count=0, waits_for=("Use ratio reasoning",)),),
                  waits_more=2, unclear=(SKILL,), unclear_more=1),
    past=(
        shown.Past(on=LIST, area="leaving", band="check_in_suggested", per_100=5.4, version="3"),
        shown.Past(on=BEFORE, area="leaving", band="keep_an_eye", per_100=None, version="2"),
    ),
    shows_numbers=True,
    since=shown.Since(earlier=BEFORE, later=LIST, missed=2.5, handed_in=3, came_due=5, arrived_late=1),
    changes=(
        shown.Change(area="leaving", course="", before="keep_an_eye", after="check_in_suggested", parts=(
            shown.Part(cause="did", pull="more", points=2.2), shown.Part(cause="late", pull="same", points=0.1),
            shown.Part(cause="model", pull="unknown", points=None))),
    ),
    ask_why=False, help=help_examples.USUAL, learn=(help_examples.LEARN,),
    what_ifs=(shown.WhatIf(area="leaving", course="", text="The score would stand for 3 of 100. It is no promise."),
              shown.WhatIf(area="course", course="Algebra 1", text="The score would stand for 9 of 100. It is no promise.")),
    ask_what_if=False, asked_what_if=True,
    prediction_id="4be1.leaving", case_work=CASE_WORK,
    viewers=tuple(shown.Viewer(name=f"Person {at}", stands=one) for at, one in enumerate(get_args(OfStudent))),
    cards=(shown.Card(area="leaving", listed=31, found=44, to=date(2026, 1, 26)),),
)  # fmt: skip

NEW = replace(CASE_WORK, state=None, with_whom="", version=0, forms=("note", "contact", "raise"), steps=(), notes=(), talks=(),
              objected=(), moves=(), older=0, colleagues=(), restricted=False)  # fmt: skip
TEACHER = replace(
    USUAL, frame=_reader("teacher"), numbers=(), shows_numbers=False, says=USUAL.says[1:], cards=(), owed=(),
    past=tuple(replace(one, area="attendance", per_100=None) for one in USUAL.past),
    changes=tuple(replace(one, area="attendance", parts=tuple(replace(part, points=None) for part in one.parts))
                  for one in USUAL.changes),
    case_work=NEW, voice=USUAL.voice[1:], help=help_examples.SHORT, what_ifs=(), asked_what_if=False,
)  # fmt: skip
OWN = replace(TEACHER, frame=_reader("student"), reads="student", case_work=None, voice=(), home=None, may_export=True)
BARE = replace(
    TEACHER, voice=(), strengths=(), went_well=None, supports=(), ended=(), goals=(), plans=(),
    may_plan=False, disputed=(), may_ask=False, accommodations=(), home=None, says=(),
    quiet=(), reasons=(), others=(), calendar=None, work=None, marks=None, unknowns=(), missing=("attendance", "work", "marks"),
    map=None, past=(), since=None, changes=(), help=None, learn=(), prediction_id="", case_work=None, viewers=(), as_of=None,
    no_score="no_list", person=replace(USUAL.person, pronouns="", year="", school="", initials=""),
)  # fmt: skip


def typed(form: shown.Form) -> Student:
    """Return the page of a form that was refused, with what was typed in it."""
    told = replace(
        UNTYPED, form=form, text="Typed words & more", second="Typed second", third="Typed third", on="2026-11-20",
        until="2026-11-27", ticked=True,
    )  # fmt: skip
    notes = (replace(NOTE, opened=True, revised=1, earlier=(WORDING,)),)
    chosen = {"accept_help": "tutor_hd", "decline_help": "resource_skill", "answer_offer": "accepted", "tell": "barrier.health"}
    other = {"decline_help": "not_the_need", "answer_offer": "not_the_need", "tell": "student"}
    told = replace(told, choice=chosen.get(form, ""), other=other.get(form, ""),
                   second="o2" if form in ("answer_offer", "give_minutes") else told.second)  # fmt: skip
    work = replace(CASE_WORK, typed=told, notes=notes)
    return replace(USUAL, frame=replace(FRAME, refused=("Choose a day.",)), case_work=work)


EXAMPLES: dict[str, Context] = {
    "student": USUAL,
    "student for a teacher": TEACHER,
    "student own": OWN,
    "student family": replace(OWN, frame=_reader("guardian"), reads="family"),
    "student bare": BARE,
    "student with a photo": replace(
        USUAL, person=replace(USUAL.person, photo=True), help=help_examples.NONE, reasons=(), others=()
    ),
    "student older shown": replace(
        USUAL, case_work=replace(CASE_WORK, older=0, shows_older=True, state="snoozed", until=TODAY)
    ),
    "student without change": replace(USUAL, changes=(), since=None),
    "student of whom a what-if can be asked": replace(USUAL, what_ifs=(), ask_what_if=True, asked_what_if=False),
    "student of whom no what-if can be told": replace(USUAL, what_ifs=()),
    "student who has to ask why": replace(USUAL, changes=(), ask_why=True),
    **{f"student without scores, {one}": replace(
        USUAL, no_score=one, says=(), reasons=(), help=help_examples.BROKEN, numbers=(), what_ifs=(), as_of=None)
       for one in get_args(shown.NoScore)},
    **{f"student typed {one}": typed(one) for one in get_args(shown.Form)},
}  # fmt: skip

"""What a family reads and asks for, in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

from lesson_examples import FRAME, TODAY
from student_examples import CALENDAR, MARKS, WORK

from serving.cases.access import OfStudent
from serving.cases.people import ROLES
from serving.pages.contexts import Context
from serving.pages.contexts import family as shown
from serving.pages.contexts.frame import Choice, Reader
from serving.pages.contexts.student import Happened, Missing, SupportEnd, Viewer

LIST, DUE = date(2026, 11, 13), date(2026, 12, 16)
MARIA = replace(FRAME, reader=Reader(name="Maria Ruiz", role="guardian"), places=("own",))

HELP = shown.Help(name="A mentor at school", since=LIST, until=None, dose="twice a week", goal="at school by nine", result=None)
REQUESTS = tuple(
    shown.Request(about=about, row="November 3, 2026" if at % 2 else "", was="the whole day" if at % 3 else "",
                  should="nothing of the day" if at % 4 else "", on=LIST, due_on=DUE,
                  state=get_args(shown.CorrectionState)[at % 4], by="Ben Okoro" if at % 4 else "",
                  decided_on=TODAY if at % 4 else None, reason="The bus list says so." if at % 4 == 2 else "")
    for at, about in enumerate(get_args(shown.About))
)  # fmt: skip

FAMILY = shown.Family(
    frame=FRAME, student_id="S/1 4", name='Ana "Ani" Ruiz', year="9", school="Lincoln High School", reads="staff", day=TODAY,
    as_of=LIST, unseen=None, days=(LIST, date(2026, 10, 30)), wanted_language="", facts_language="en",
    strengths=("Ani has 81 of 100 in Reading on the latest report card. The middle of the class: 74.",), no_score=None,
    says=(shown.Says(area="attendance", course="", band="keep_an_eye"),
          shown.Says(area="course", course="Algebra 1", band="check_in_suggested"),
          shown.Says(area="skills", course="", band="no_extra_signal")),
    quiet=("Reading", "Art"),
    facts=(shown.Fact(concern="attendance", text="Ani has missed 10 of the last 20 school days (50%)."),
           shown.Fact(concern="coursework", text="Ani has not handed in 4 of 9 pieces of work.")),
    calendar=CALENDAR, work=WORK, marks=MARKS, unknowns=("Online activity is not in the records, so it is not counted.",),
    missing=("skills",), running=(HELP, replace(HELP, dose="", goal="")),
    ended=tuple(replace(HELP, until=TODAY, result=one) for one in (*get_args(SupportEnd), None)),
    decided=tuple(shown.Decided(on=LIST, by="Ben Okoro" if at else "", what=one, text="A mentor." if one == "close" else "")
                  for at, one in enumerate(get_args(Happened))),
    talks=(shown.Talk(on=LIST, whom="family", agreed="They will call back.", by="Ben Okoro"),), requests=REQUESTS,
    objected_on=None, viewers=tuple(Viewer(name=f"Person {at}", stands=one) for at, one in enumerate(get_args(OfStudent))),
    turn_to=("Ben Okoro", "Pia Lind"), due_on=DUE, may_ask=True, may_export=False,
    models=tuple(shown.Learned(area=area, listed=31, found=44, to=date(2026, 1, 26), erased=erased)
                 for area, erased in (("attendance", None), ("course", 0), ("skills", 2))),
)  # fmt: skip

REQUESTS_PAGE = shown.Requests(
    frame=MARIA, student_id="S/1 4", name="Ana Ruiz", due_on=DUE, subjects=get_args(shown.Subject), subject="missed",
    rows=(Choice(value="a1", name="November 3, 2026 (the whole day)"),), kind="choice",
    values=(Choice(value="0", name="nothing of the day"),), typed_row="a1", typed_value="0", typed_why="She was there.",
    asked=REQUESTS, because="", may_object=True, objected_on=None, objected_at_school=False, may_export=True,
    shows_guardians=False,
    guardians=(), may_restrict=False, typed_guardian="", typed_restriction="", turn_to=("Ben Okoro",),
)  # fmt: skip
STAFF = replace(
    REQUESTS_PAGE, frame=FRAME, may_object=False, may_export=False, shows_guardians=True, may_restrict=True,
    guardians=tuple(
        shown.Guardian(guardian_id=f"g{at}", name=f"Person {at}", language="es" if at else "", restriction=kind,
                       restriction_id="r1" if at == 1 else "")
        for at, kind in enumerate((None, *get_args(shown.Restriction)))
    ),
    typed_guardian="g0", typed_restriction="no_contact",
)  # fmt: skip
OPEN = tuple(
    shown.OpenRequest(
        correction_id=f"c{at}", student_id="S/1 4", name="Ana Ruiz", about=about, row="" if at % 2 else "Algebra 1",
        was="62" if at % 3 else "", should="72" if at % 5 else "", why="It was handed in\non paper.",
        asked_role=(*ROLES, None)[at % 9], on=LIST, due_on=DUE, late=at == 1, own=at == 2,
        typed="The list says so." if at == 3 else "",
    )
    for at, about in enumerate(get_args(shown.About))
)  # fmt: skip

#: The same without charts, which the first state shows.
PLAIN = replace(FAMILY, calendar=None, work=None, marks=None, missing=get_args(Missing))

EXAMPLES: dict[str, Context] = {
    "family": FAMILY,
    "family of its own": replace(PLAIN, frame=MARIA, reads="family", may_export=True, objected_on=LIST, turn_to=()),
    "family words gone": replace(
        PLAIN, unseen="words_gone", says=FAMILY.says[:1], facts=(), strengths=(), models=(), no_score=None, wanted_language="vi"
    ),
    "family of whom nothing is known": replace(
        PLAIN, year="", school="", unknowns=(), running=(), ended=(), decided=(), talks=(), requests=(), viewers=(), turn_to=(),
        may_ask=False, models=(), no_score="objected", says=(), quiet=(), facts=(), strengths=(), as_of=None, days=(),
    ),
    "requests": REQUESTS_PAGE,
    "requests after a disagreement": replace(REQUESTS_PAGE, because="d-1"),
    "requests of nothing": replace(REQUESTS_PAGE, subject=None, rows=(), asked=(), objected_on=LIST, turn_to=()),
    "requests without rows": replace(REQUESTS_PAGE, rows=(), objected_at_school=True),
    "requests by day": replace(REQUESTS_PAGE, kind="day", subject="handed_in", typed_value="2026-11-02"),
    "requests by staff": replace(STAFF, kind="number", subject="mark"),
    "requests by a teacher": replace(STAFF, may_restrict=False, guardians=()),
    "corrections": shown.Corrections(frame=FRAME, waiting=OPEN),
    "corrections of nobody": shown.Corrections(frame=FRAME, waiting=()),
}  # fmt: skip

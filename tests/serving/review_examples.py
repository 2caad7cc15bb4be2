"""Pages as they might be, in several states each: what the tests of pages render. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import family_examples
import figures_examples
import lesson_examples
import meeting_examples
import plan_examples
import practice_examples
import student_examples

from serving.pages.contexts import NAMED, Context
from serving.pages.contexts.caseload import (
    MOST_ROWS,
    Caseload,
    Due,
    Filters,
    Fresh,
    Good,
    Name,
    Part,
    Row,
    Shared,
    Yielded,
)
from serving.pages.contexts.frame import Choice, Frame, Reader, Refusal
from serving.pages.contexts.office import Child, Emergency, Office, Own, Safeguarding, Scoring
from serving.pages.contexts.sign_in import Recovery, SecondFactor, SetUp, SignIn

TODAY = date(2026, 11, 16)

REASON = (
    "{} has missed 18.5 of the last 37 school days (50%). In the first 20 school days: 39%. The middle of the year group: 5%."
)
GIVEN = ("Ana", "Mei", "Dean", "Noor", "Tomás", "Ifeoma", "Lena", "Kofi", "Zoë", "Samir")
FAMILY = ("Ruiz", "Okafor", "Lindqvist", "Chen-Barros", "Haddad", "Murphy", "Sato", "Nowak")

STRANGER = Frame(
    school="", reader=None, places=(), csrf="token", saved=(), refused=(), safeguarding="",
    languages=(Choice(value="es", name="Español"),),
)  # fmt: skip
FRAME = Frame(
    school="Lincoln High School", reader=Reader(name="Ben Okoro", role="counselor"), places=("caseload",), csrf="t0ken",
    saved=(), refused=(), safeguarding="Ida Lovell, room 12", languages=(),
)  # fmt: skip
NO_FILTERS = Filters(
    q="", when=None, band=None, case=None, concern=None, year="", section="", school="",
    bands=NAMED["band"], cases=NAMED["case"], concerns=NAMED["concern"],
    years=(Choice(value="9", name="9"), Choice(value="10", name="10")),
    sections=(Choice(value="ALG 1/a", name="Algebra 1"),), schools=(Choice(value="lincoln", name="Lincoln"),), used=False,
)  # fmt: skip


def called(number: int) -> str:
    return f"{GIVEN[number % len(GIVEN)]} {FAMILY[number // 3 % len(FAMILY)]}"


def row(number: int) -> Row:
    name, bands, cases = called(number), NAMED["band"], NAMED["case"]
    return Row(
        student_id=f"S-{number:05}", name=name, pronouns="they/them" if number % 5 == 0 else "", year=str(9 + number % 2),
        school="Lincoln", band=bands[number % 3], origin=(None, None, "rule", "colleague")[number % 4],
        reason=REASON.format(name.split()[0]) if number % 7 else "",
        changed="4 more pieces of work came due and were not handed in." if number % 2 else "",
        supports=("a mentor", "a study period")[: number % 3], case=cases[number % len(cases)],
        with_whom="Ben Okoro" if number % 3 == 1 else "", waits=number % 3 * 3, fresh=number % 4 == 0,
        objected=False,
    )  # fmt: skip


TIP = "You can also bring up a student whom no list suggested."


def caseload(students: int = 12, listed: int = 8) -> Caseload:
    """Return a page of so many students, so many of whom are on the list."""
    return Caseload(
        frame=FRAME, today=TODAY, as_of=date(2026, 11, 13), facts_language="en", last_visit=date(2026, 11, 12),
        scope="years 9 and 10 at Lincoln", students=students,
        due=tuple(Due(student_id=f"S-{at:05}", name=called(at), task=task, on=date(2026, 11, 16 - at))
                  for at, task in enumerate(NAMED["task"])),
        fresh=6, waiting=2, waiting_days=5,
        records=(Fresh(school="Lincoln", source="attendance", last_on=date(2026, 11, 11)),
                 Fresh(school="Lincoln", source="marks", last_on=date(2026, 11, 13)),
                 Fresh(school="Hill", source="behaviour", last_on=None)),
        stopped=(Fresh(school="Lincoln", source="attendance", last_on=date(2026, 11, 11)),
                 Fresh(school="Hill", source="coursework", last_on=None)),
        shared=(Shared(kind="section", group_id="ALG 1/a", name="Algebra 1", concern="coursework", count=7, of=26),
                Shared(kind="grade", group_id="9", name="9", concern="attendance", count=61, of=240),
                Shared(kind="school", group_id="lincoln", name="Lincoln", concern="engagement", count=1312, of=5000)),
        no_list=None, capacity=40, capacity_set_by="the principal", left=23,
        yielded=(Yielded(outcome="left", first=20, count=13, low=9, high=16),
                 Yielded(outcome="did_not_pass", first=20, count=15, low=11, high=18)),
        filters=NO_FILTERS, rows=tuple(row(at) for at in range(listed)), part=None,
        colleagues=(Choice(value="T-2", name="Ruth Adeyemi"),), may_take_away=True, tip=TIP, last_snooze=date(2026, 12, 16),
        good=(Good(student_id="S-00003", name=called(3), text="Noor has been at school on each of the last 20 school days."),),
        names=tuple(Name(student_id=f"S-{at:05}", name=called(at), year=str(9 + at % 2)) for at in range(min(students, 400))),
    )  # fmt: skip


USUAL = caseload()
EMPTY = replace(
    USUAL, students=0, due=(), fresh=0, waiting=0, last_visit=None, records=(), stopped=(), shared=(), yielded=(), rows=(),
    left=0, good=(), names=(), colleagues=(), capacity_set_by="",
)  # fmt: skip
WITHOUT_SCORES = tuple(replace(row(at), band=None, reason="", changed="", origin=None) for at in range(3))
SIGN_IN = SignIn(frame=STRANGER, login="", problem=None, minutes=0, elsewhere=False, then="/review")
SECOND = SecondFactor(frame=STRANGER, problem=None, minutes=0, digits=6, then="/review")
SET_UP = SetUp(
    frame=STRANGER, secret="JBSW Y3DP EHPK 3PXP", picture="M0 0h7v1h-7z", size=29, problem=None, digits=6, then="/review",
)  # fmt: skip
OFFICE = Office(
    frame=FRAME, may_ask=True, student_id="", reason="", least=20,
    emergencies=tuple(
        Emergency(id=f"e{at}", student_id="S-1", who="Ada Lane", reason="The office was called about her.", opening=opening,
                  until=date(2026, 11, 16), clock="08:40", own=own)
        for at, (opening, own) in enumerate((one, own) for one in NAMED["opening"] for own in (True, False))),
    scoring=tuple(
        Scoring(organisation_id=f"s-{at}", name=f"School {at}", stands=stands, reason="A column is wrong." if at else "",
                since=date(2026, 11, 13) if at else None, typed="")
        for at, stands in enumerate(NAMED["office.scoring_stands"])),
)  # fmt: skip

#: Pages by name and state. Every page has its usual state first.
EXAMPLES: dict[str, Context] = {
    # Pages with modules of their own add their states here: **student_examples.EXAMPLES, and so on.
    **practice_examples.EXAMPLES,
    **lesson_examples.EXAMPLES,
    **student_examples.EXAMPLES,
    **meeting_examples.EXAMPLES,
    **figures_examples.EXAMPLES,
    **family_examples.EXAMPLES,
    **plan_examples.EXAMPLES,
    "sign_in": SIGN_IN,
    **{f"sign_in {one}": replace(SIGN_IN, login="b.okoro", problem=one, minutes=7)
       for one in NAMED["sign_in_problem"]},
    "sign_in elsewhere": replace(SIGN_IN, elsewhere=True),
    "second_factor": SECOND,
    **{f"second_factor {one}": replace(SECOND, problem=one, minutes=1)
       for one in NAMED["code_problem"]},
    "set_up": SET_UP,
    "set_up wrong": replace(SET_UP, problem="wrong"),
    "recovery": Recovery(frame=STRANGER, codes=("ab12-cd34-ef56-gh78", "jk12-lm34-np56-qr78"), then="/review"),
    "own": Own(frame=FRAME, children=(Child(student_id="S-1", name="Ana Ruiz"), Child(student_id="S-2", name="Leo Ruiz"))),
    "own nobody": Own(frame=FRAME, children=()),
    "office": OFFICE,
    "office none": replace(OFFICE, may_ask=False, emergencies=(), scoring=()),
    "safeguarding": Safeguarding(frame=FRAME, taken=True, text=""),
    "safeguarding by telephone": Safeguarding(frame=replace(FRAME, safeguarding=""), taken=False, text=""),
    "refusal": Refusal(frame=FRAME, why="not_here", number=""),
    **{f"refusal {one}": Refusal(frame=STRANGER, why=one, number="9f3c1a") for one in NAMED["refusal"]},
    "caseload": USUAL,
    "caseload empty": EMPTY,
    "caseload seen before": replace(USUAL, due=(), fresh=0, waiting=0),
    "caseload nothing found": replace(USUAL, rows=(), filters=replace(NO_FILTERS, q="Zz", band="keep_an_eye", used=True)),
    "caseload of many": replace(caseload(5000, MOST_ROWS), names=(), part=Part(first=61, last=120, of=372, before=1, after=3)),
    "caseload after an action": replace(USUAL, frame=replace(FRAME, saved=("Two students were handed over.",))),
    "caseload after a refusal": replace(USUAL, frame=replace(FRAME, refused=("Say why it is put off.", "Choose a day."))),
    **{f"caseload {one}": replace(USUAL, no_list=one, as_of=None, yielded=(), left=0, rows=WITHOUT_SCORES)
       for one in NAMED["no_list"]},
}  # fmt: skip

"""The class page as it might be, in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

import help_examples

from serving.pages.contexts import Context
from serving.pages.contexts.caseload import Band, Part
from serving.pages.contexts.frame import Choice, Frame, Reader
from serving.pages.contexts.lesson import (
    Block,
    Classes,
    ClassLine,
    Lesson,
    LessonSheet,
    Member,
    Mode,
    More,
    Place,
    Progress,
    SheetGroup,
    TookPart,
    Tree,
    Typed,
)

TODAY, NEXT_DAY = date(2026, 11, 16), date(2026, 11, 17)
NAMES = ("Ana Ruiz", "Mei Okafor", "Dean Lindqvist", "Noor Chen-Barros", "Tomás Haddad", "Ifeoma Murphy", "Lena Sato")
FRAME = Frame(
    school="Lincoln High School", reader=Reader(name="Ruth Adeyemi", role="teacher"), places=("caseload",), csrf="t0ken",
    saved=(), refused=(), safeguarding="Ida Lovell, room 12", languages=(),
)  # fmt: skip
RATIOS, FRACTIONS, LINES = "Use ratios to compare and to scale", "Divide fractions and say what the result means", "Draw a line"
TREES: tuple[Tree, ...] = get_args(Tree)
MODES: tuple[Mode, ...] = get_args(Mode)
BANDS: tuple[Band, ...] = get_args(Band)
NOTHING_TYPED = Typed(student="", to="", group="", called="", until="", on="")


def called(number: int) -> str:
    return f"{NAMES[number % len(NAMES)]}{' ' * (number >= len(NAMES))}{'I' * (number // len(NAMES))}"


def member(number: int) -> Member:
    return Member(
        number=number, student_id=f"S-{number:05}", name=called(number), occasions=number % 5,
        last_on=date(2026, 11, 2 + number % 9) if number % 5 else None, checked=None, checked_by="", moved_on=False,
        band=(None, *BANDS)[number % 5], typed=None,
    )  # fmt: skip


def lesson(students: int = 14) -> Lesson:
    """Return a class of so many students, all but eight of them in groups of up to six."""
    grouped = [range(first, min(first + 6, students)) for first in range(8, students, 6)]
    groups = tuple(
        Block(number=at, work="group", tree=TREES[at], skill_id="MA.6.RATIO", skill=RATIOS, members=tuple(map(member, part)),
              learn=(help_examples.LEARN,))
        for at, part in enumerate(grouped, 1)
    )
    checked = replace(
        member(2), checked="secure", checked_by="Ruth Adeyemi", last_on=date(2026, 11, 13), moved_on=True
    )  # fmt: skip
    others = (
        Block(number=90, work="alone", tree=None, skill_id="MA.7.LINE", skill=LINES, members=(checked,),
              learn=(help_examples.UNFIT,)),
        Block(number=91, work="check_first", tree=None, skill_id="MA.6.FRACTION", skill=FRACTIONS,
              members=(member(3), replace(member(5), checked="not_yet", last_on=date(2026, 11, 12))), learn=()),
    )  # fmt: skip
    return Lesson(
        frame=FRAME, section_id="ALG 1/a", title="Algebra 1", today=TODAY, lesson_on=NEXT_DAY, students=students,
        skills=(RATIOS, FRACTIONS), stands_on=None, version=0, blocks=(*groups, *others),
        more=(More(student_id="S-00000", name=called(0), seen_on=date(2026, 11, 9), skills=(LINES, "Read a graph")),
              More(student_id="S-00001", name=called(1), seen_on=date(2026, 9, 9), skills=())),
        left=(Place(student_id="S-00004", name=called(4)),), may_change=True,
        names=tuple(Choice(value=f"S-{at:05}", name=called(at)) for at in range(students)),
        trees=TREES[1 : len(groups) + 1], free=TREES[len(groups) + 1 :], last_day=date(2026, 11, 30),
        first_day=date(2026, 11, 2), typed=NOTHING_TYPED, unit="term", unit_name="Grading period 2",
        unit_began=date(2026, 10, 31), newly_secure=3,
        progress=(Progress(student_id="S-00002", name=called(2), skills=(RATIOS, FRACTIONS)),
                  Progress(student_id="S-00009", name=called(9), skills=(RATIOS,))),
        took_part=tuple(TookPart(mode=mode, came=90, of=104) for mode in MODES), without_access=2,
        online_unused=False,
    )  # fmt: skip


USUAL = lesson()
NOBODY = replace(USUAL, blocks=(), more=(), left=(), trees=(), free=TREES, progress=(), newly_secure=0, took_part=())
SHEET = LessonSheet(
    frame=FRAME, view="print", section_id="ALG 1/a", title="Algebra 1", lesson_on=NEXT_DAY,
    groups=(SheetGroup(tree="cedar", skill=RATIOS, names=tuple(map(called, range(5)))),
            SheetGroup(tree="olive", skill=FRACTIONS, names=tuple(map(called, range(5, 7))))),
    together=(called(7), called(8)),
)  # fmt: skip
CLASSES = Classes(
    frame=FRAME, today=TODAY, q="", part=None,
    classes=(ClassLine(section_id="ALG 1/a", title="Algebra 1", school="Hill", students=26),
             ClassLine(section_id="ALG 1/b", title="Algebra 1, second class", school="", students=1)),
)  # fmt: skip

EXAMPLES: dict[str, Context] = {
    "classes": CLASSES,
    "classes none": replace(CLASSES, classes=()),
    "classes in parts": replace(CLASSES, part=Part(first=101, last=102, of=302, before=1, after=3)),
    "classes searched": replace(CLASSES, q="alg"),
    "classes not found": replace(CLASSES, q="zoo", classes=()),
    "lesson": USUAL,
    "lesson arranged": replace(USUAL, stands_on=date(2026, 11, 20), version=3),
    "lesson of nobody": NOBODY,
    "lesson without skills": replace(NOBODY, skills=(), unit="section", unit_name="Algebra 1", online_unused=True,
                                     without_access=0),
    "lesson of a counselor": replace(USUAL, may_change=False, unit="section", unit_name="Algebra 1"),
    "lesson after a refusal": replace(
        USUAL, frame=replace(FRAME, refused=("Choose a student of the class.",)),
        typed=Typed(student="S-00003", to="new", group="willow", called="poplar", until="2026-11-19", on="2026-11-13"),
        blocks=tuple(replace(one, members=tuple(replace(who, typed="secure") for who in one.members)) for one in USUAL.blocks),
    ),
    "lesson_sheet": SHEET,
    "lesson_sheet for the wall": replace(SHEET, view="projector"),
    "lesson_sheet of nobody": replace(SHEET, groups=(), together=()),
}  # fmt: skip

"""The sheet of a team meeting as it might be, in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from lesson_examples import FRAME, TODAY, called

from serving.pages.contexts import Context
from serving.pages.contexts.caseload import BANDS, CASES, Shared
from serving.pages.contexts.frame import Choice
from serving.pages.contexts.meeting import Item, Meeting, Step


def item(number: int) -> Item:
    name = called(number)
    return Item(
        student_id=f"S-{number:05}", name=name, pronouns="they/them" if number % 3 == 0 else "",
        band=(*BANDS, None)[number % 5], raised=number % 4 == 1, objected=number % 5 == 4,
        reason=f"{name} has missed 8 of the last 37 school days (22%)." if number % 3 else "",
        supports=("a mentor", "a study period")[: number % 3], case=CASES[number % 6],
        with_whom="Ben Okoro" if number % 2 else "",
        steps=(Step(task="talk", due_on=date(2026, 11, 18), who="Ben Okoro", done_on=None),
               Step(task="contact", due_on=date(2026, 11, 4), who="", done_on=date(2026, 11, 5)))[: number % 3],
        talked=(None, "student", "family")[number % 3], talked_on=date(2026, 11, 11) if number % 3 else None,
    )  # fmt: skip


MEETING = Meeting(
    frame=FRAME, today=TODAY, as_of=date(2026, 11, 13), facts_language="en", year="9", school="lincoln",
    years=(Choice(value="9", name="9"), Choice(value="10", name="10")),
    schools=(Choice(value="lincoln", name="Lincoln"), Choice(value="hill", name="Hill")), no_list=None, students=240,
    shared=(Shared(kind="section", group_id="ALG 1/a", name="Algebra 1", concern="coursework", count=7, of=26),
            Shared(kind="grade", group_id="9", name="9", concern="attendance", count=61, of=240)),
    items=tuple(map(item, range(20))), left=12,
)  # fmt: skip

EXAMPLES: dict[str, Context] = {
    "meeting": MEETING,
    "meeting of nobody": replace(MEETING, items=(), shared=(), left=0, schools=()),
    "meeting without scores": replace(
        MEETING, no_list="stopped", as_of=None, shared=(), items=tuple(replace(item(at), band=None, reason="") for at in (1, 2))
    ),
    "meeting without a list": replace(MEETING, no_list="none_yet", as_of=None, shared=(), items=()),
    "meeting to choose": replace(MEETING, year="", school="", students=0, shared=(), items=(), left=0),
}

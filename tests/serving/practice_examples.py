"""The practice in several states."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

from serving.pages.contexts import Context
from serving.pages.contexts.frame import Frame, Reader
from serving.pages.contexts.practice import Exercise, Option, Practice
from serving.review.practice import FIGURES, REPLIES, SEVERAL, WRITES

FRAME = Frame(
    school="Lincoln High School", reader=Reader(name="Ben Okoro", role="counselor"), places=("caseload",), csrf="t0ken",
    saved=(), refused=(), safeguarding="Ida Lovell, room 12", languages=(),
)  # fmt: skip


def practice(exercise: Exercise, *, answered: bool = False) -> Practice:
    """Return an exercise of those of all roles together, the second reply chosen once it is answered."""
    number = get_args(Exercise).index(exercise) + 1
    names = REPLIES[exercise]
    return Practice(
        frame=FRAME, exercise=exercise, number=number, of=len(get_args(Exercise)), several=exercise in SEVERAL,
        writes=exercise in WRITES, written="Away until 6 March; new dates were agreed." if answered else "",
        options=tuple(Option(name=one, chosen=answered and at == 1) for at, one in enumerate(names)),
        figures=FIGURES if exercise == "suppressed" else (), answered=answered,
        given=("reason_days", *([names[1]] if answered else [])), done_on=None,
    )  # fmt: skip


EXAMPLES: dict[str, Context] = {
    "practice": practice("reason"),
    **{f"practice {one}": practice(one) for one in get_args(Exercise)[1:]},
    **{f"practice {one} answered": practice(one, answered=True) for one in get_args(Exercise)},
    "practice again": replace(practice("reason"), done_on=date(2026, 11, 16), given=()),
    "practice after a refusal": replace(
        practice("disagree"), written="He was away.", frame=replace(FRAME, refused=("Choose a reply first.",))
    ),
}

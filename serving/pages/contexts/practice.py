"""The practice on simulated students that comes before real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.pages.contexts.frame import Frame

Exercise = Literal["reason", "disagree", "personalise", "suppressed", "safeguarding"]
Reply = Literal[
    "reason_days", "reason_more", "reason_ill", "reason_end",
    "disagree_context", "disagree_data", "disagree_wait", "disagree_accept",
    "personalise_hands", "personalise_aloud", "personalise_time", "personalise_film",
    "suppressed_unknown", "suppressed_subtract", "suppressed_names", "suppressed_none",
    "safeguarding_path", "safeguarding_note", "safeguarding_list", "safeguarding_promise",
]  # fmt: skip
Hidden = Literal["small", "with_small"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "practice_title": get_args(Exercise),
        "practice_case": get_args(Exercise),
        "practice_question": get_args(Exercise),
        "practice_after": get_args(Exercise),
        "practice_reply": get_args(Reply),
        "practice_says": get_args(Reply),
        "practice_hidden": get_args(Hidden),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the replies to choose from."""

    name: Annotated[Reply, "Which one."]
    chosen: Annotated[bool, "Whether the reader chose it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of a made-up table in which some numbers are hidden."""

    year: Annotated[str, "The year of school."]
    of: Annotated[int, "How many students there are in it."]
    reached: Annotated[int | None, "How many of them had the support; None where that is hidden."]
    hidden: Annotated[Hidden | None, "Why it is hidden, where it is."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """One exercise, before it is answered or after. Every student in it is made up."""

    frame: Annotated[Frame, "What stands around the page."]
    exercise: Annotated[Exercise, "Which one."]
    number: Annotated[int, "Which one of the reader's own, from 1 on."]
    of: Annotated[int, "How many there are for the reader's role."]
    several: Annotated[bool, "Whether more than one reply may be chosen."]
    writes: Annotated[bool, "Whether words of the reader's own are asked for."]
    written: Annotated[str, "What the reader wrote, so that it need not be typed again. It is not kept."]
    options: Annotated[tuple[Option, ...], "The replies to choose from."]
    figures: Annotated[tuple[Figure, ...], "The rows of a table to read; empty where there is none."]
    answered: Annotated[bool, "Whether the page says what is to be said of the replies."]
    given: Annotated[tuple[Reply, ...], "The replies to this and earlier exercises, to be sent on; they are kept nowhere else."]
    done_on: Annotated[date | None, "The day on which the reader finished before, if they did. Nobody else is shown it."]

"""What stands around every page, and what is shown in the place of one that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.cases.people import ROLES, Role

Place = Literal["caseload", "classes", "meeting", "schools", "corrections", "own", "office", "safeguarding"]
Why = Literal["not_here", "not_yours", "too_old", "too_many", "not_now"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"role": ROLES, "place": get_args(Place), "refusal": get_args(Why), "refusal_title": get_args(Why)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several values that a field can have."""

    value: Annotated[str, "What is sent when it is chosen."]
    name: Annotated[str, "What is shown: a name from the records."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads the page."""

    name: Annotated[str, "Their name, as their account has it."]
    role: Annotated[Role, "What they are at the school."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around every page."""

    school: Annotated[str, "The school's or district's name; empty before anybody has signed in."]
    reader: Annotated[Reader | None, "Who is signed in, if anybody is."]
    places: Annotated[tuple[Place, ...], "The pages that the reader may go to from here."]
    csrf: Annotated[str, "The token that every form sends back, so that no other site can send it."]
    saved: Annotated[tuple[str, ...], "What the last action came to, as sentences in the page's language."]
    refused: Annotated[tuple[str, ...], "Why the last action was refused, as sentences in the page's language."]
    safeguarding: Annotated[str, "Whom to turn to when a child may not be safe, as the school wrote it; else empty."]
    languages: Annotated[tuple[Choice, ...], "Other languages to read this page in, by code; empty where none is offered."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What is shown in the place of a page that cannot be. It says the same of a student who is not there and of another's."""

    frame: Annotated[Frame, "What stands around the page."]
    why: Annotated[Why, "Why the page is not shown."]
    number: Annotated[
        str, "The number of the request, by which an administrator finds it in the log; empty where none is needed."
    ]

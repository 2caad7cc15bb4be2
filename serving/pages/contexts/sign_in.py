"""Where somebody says who they are, and proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from serving.pages.contexts.frame import Frame

SignInProblem = Literal["wrong", "locked", "expired", "signed_out", "unavailable"]
CodeProblem = Literal["wrong", "used", "locked"]

NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"sign_in_problem": get_args(SignInProblem), "code_problem": get_args(CodeProblem)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Where somebody says who they are."""

    frame: Annotated[Frame, "What stands around the page."]
    login: Annotated[str, "The name that was typed, so that it need not be typed again."]
    problem: Annotated[SignInProblem | None, "Why the page is shown again, if it is. Never whether an account exists."]
    minutes: Annotated[int, "In how many minutes to try again; 0 unless there were too many tries."]
    elsewhere: Annotated[bool, "The school has a sign-in of its own that can be used in the place of this one."]
    then: Annotated[str, "The page of this service to show afterwards, as a path that was checked to be one."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """Where somebody proves by a second thing that it is them."""

    frame: Annotated[Frame, "What stands around the page."]
    problem: Annotated[CodeProblem | None, "Why the page is shown again, if it is."]
    minutes: Annotated[int, "In how many minutes to try again; 0 unless there were too many tries."]
    digits: Annotated[int, "How many digits a code has."]
    then: Annotated[str, "The page of this service to show afterwards, as a path that was checked to be one."]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """Where somebody sets up what makes their codes."""

    frame: Annotated[Frame, "What stands around the page."]
    secret: Annotated[str, "The secret to type into an app, in groups of four."]
    picture: Annotated[str, "The same as a picture to scan: the path of an SVG of one colour; empty where none was drawn."]
    size: Annotated[int, "How many modules the picture is wide and high."]
    problem: Annotated[CodeProblem | None, "Why the page is shown again, if it is."]
    digits: Annotated[int, "How many digits a code has."]
    then: Annotated[str, "The page of this service to show afterwards, as a path that was checked to be one."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The codes that let somebody in who lost what makes their codes, shown once."""

    frame: Annotated[Frame, "What stands around the page."]
    codes: Annotated[tuple[str, ...], "The codes; each is good once."]
    then: Annotated[str, "The page of this service to go on to, as a path that was checked to be one."]

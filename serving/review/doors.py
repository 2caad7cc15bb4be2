"""Signing in and out: the pages that come before anybody is known.

The form of the sign-in page carries a random word that its browser also has in a cookie, so that no other site can sign
somebody in as somebody else. What is said of a failure never tells whether there is such an account.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import segno

from features.problems import Refused
from serving.cases import people, sessions
from serving.cases.database import Engine
from serving.cases.people import LOCKED_FOR
from serving.cases.sessions import SignedIn
from serving.pages.contexts import Context
from serving.pages.contexts.frame import Frame
from serving.pages.contexts.sign_in import CodeProblem, Recovery, SecondFactor, SetUp, SignIn, SignInProblem
from serving.review.room import sent

#: How many passwords a worker proves at a time: each takes 64 MiB and most of a core for a tenth of a second.
AT_ONCE = 2
#: How long somebody waits for their turn, in seconds, before they are told to come back.
PATIENCE = 8.0

DIGITS = 6
HOME = "/review"

_OWN = re.compile(r"/review(?:[/?][\w\-.~%/?=&+]*)?", re.ASCII)
_TURNS = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has begun, or gone on: the token for the browser, who it is, and recovery codes to show this once."""

    token: str
    signed_in: SignedIn
    codes: tuple[str, ...] = ()


def own_path(asked: str) -> str:
    """Return a page of ours to go on to, the first one for whatever is not plainly one.

    >>> own_path("/review/students/S-1"), own_path("//elsewhere.example"), own_path("/review/../score")
    ('/review/students/S-1', '/review', '/review')
    """
    return asked if _OWN.fullmatch(asked) and ".." not in asked and "//" not in asked else HOME


def form_word() -> str:
    """Return a new word that a form and its browser share before anybody has signed in."""
    return secrets.token_urlsafe(32)


def form_matches(kept: str, sent: str) -> bool:
    """Return whether a form came from the browser that was given it."""
    return bool(kept) and hmac.compare_digest(kept.encode(errors="replace"), sent.encode(errors="replace"))


def sign_in_page(
    frame: Frame, then: str, problem: SignInProblem | None = None, login: str = "", *, elsewhere: bool = False
) -> SignIn:
    """Return the page where somebody says who they are; ``elsewhere`` where the school's own sign-in will do too."""
    minutes = int(LOCKED_FOR.total_seconds() // 60)
    return SignIn(frame=frame, login=login[:200], problem=problem, minutes=minutes if problem == "locked" else 0,
                  elsewhere=elsewhere, then=then)  # fmt: skip


def sign_in(db: Engine, tenant: str, form: Mapping[str, tuple[str, ...]], now: datetime) -> Opened | SignInProblem:
    """Prove a password, or return why nobody is signed in."""
    if not _TURNS.acquire(timeout=PATIENCE):
        return "unavailable"
    try:
        token, signed_in = sessions.sign_in(db, tenant, sent(form, "login"), next(iter(form.get("password", ())), ""), now)
    except Refused:
        return "wrong"
    finally:
        _TURNS.release()
    return Opened(token, signed_in)


def code_page(frame: Frame, then: str, problem: CodeProblem | None = None) -> SecondFactor:
    """Return the page where somebody gives the code of their second factor."""
    return SecondFactor(frame=frame, problem=problem, minutes=0, digits=DIGITS, then=then)


def pass_code(db: Engine, signed_in: SignedIn, form: Mapping[str, tuple[str, ...]], now: datetime) -> Opened | CodeProblem:
    """Prove a code, or return why it was not taken."""
    try:
        token, renewed = sessions.pass_second_factor(db, signed_in, sent(form, "code"), now)
    except Refused:
        return "wrong"
    return Opened(token, renewed)


def set_up_page(db: Engine, signed_in: SignedIn, frame: Frame, then: str, now: datetime, problem: CodeProblem | None) -> SetUp:
    """Return the page where a second factor is set up, with a new secret: one that was shown before is worth nothing."""
    account = signed_in.account
    made = people.begin_second_factor(db, account.tenant, account.id, now)
    picture, size = _drawn(made.uri)
    grouped = " ".join(made.secret[at : at + 4] for at in range(0, len(made.secret), 4))
    return SetUp(frame=frame, secret=grouped, picture=picture, size=size, problem=problem, digits=DIGITS, then=then)


def take_code(db: Engine, signed_in: SignedIn, form: Mapping[str, tuple[str, ...]], now: datetime) -> Opened | CodeProblem:
    """Take the secret that was shown into use, or return why not."""
    try:
        token, renewed, codes = sessions.confirm_second_factor(db, signed_in, sent(form, "code"), now)
    except Refused:
        return "wrong"
    return Opened(token, renewed, codes)


def recovery_page(frame: Frame, codes: tuple[str, ...], then: str) -> Context:
    """Return the page that shows the recovery codes, this once."""
    return Recovery(frame=frame, codes=codes, then=then)


def _drawn(address: str) -> tuple[str, int]:
    """Return a QR code as the path of an SVG, with the quiet border that readers ask for, and its width."""
    code = segno.make(address, error="m", micro=False)
    rows = list(code.matrix_iter(border=4))
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return path, len(rows)

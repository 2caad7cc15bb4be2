"""The casebook: what adults do about a student, who did it, when, and what came of it.

A student has one case. It is opened by a list or a colleague, moved on by people, closed, and opened again on new
evidence only; :data:`MOVES` is every step that there is, and what is not in it is refused. Notes, contacts, next steps
and disagreements stand beside it and are only ever added, so that nobody's words are lost.

Two people may work on one case at once. Whoever moves it on sends the ``version`` that they saw; a stale one is
refused. What is only added asks for no version, and a note that was revised twice at once keeps both.

Every action is one transaction with its line in the trail. Nothing here looks at who may do what to whom: that is
:mod:`serving.cases.access`, and was asked before.
"""

from __future__ import annotations

import json
import re
import secrets
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, get_args

import polars as pl
from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.access import RIGHTS
from serving.cases.database import writing
from serving.cases.people import Account, Role
from serving.cases.schema import (
    ACCOUNTS,
    CASE_CONTACTS,
    CASE_DISAGREEMENTS,
    CASE_MOVES,
    CASE_NOTE_REVISIONS,
    CASE_NOTES,
    CASE_STEPS,
    CASE_SUPPORTS,
    CASE_VISITS,
    CASES,
)

#: How far a case has come.
State = Literal["new", "in_review", "need_info", "support_active", "snoozed", "monitoring", "closed"]
STATES: tuple[State, ...] = get_args(State)

#: What moves a case, or is done to it. ``end_last_support`` is ``end_support`` where no other support runs.
Move = Literal[
    "open",
    "raise",
    "claim",
    "assign",
    "ask",
    "answer",
    "snooze",
    "resume",
    "start_support",
    "end_support",
    "end_last_support",
    "monitor",
    "close",
    "reopen",
]
ALL_MOVES: tuple[Move, ...] = get_args(Move)

#: Every step that there is: from where (None where there is no case yet), by which move, to where.
MOVES: Mapping[tuple[State | None, Move], State] = MappingProxyType(
    {
        (None, "open"): "new",
        (None, "raise"): "new",
        ("new", "raise"): "new",
        ("new", "claim"): "in_review",
        ("new", "assign"): "in_review",
        ("new", "ask"): "need_info",
        ("new", "snooze"): "snoozed",
        ("new", "start_support"): "support_active",
        ("new", "close"): "closed",
        ("in_review", "raise"): "in_review",
        ("in_review", "claim"): "in_review",
        ("in_review", "assign"): "in_review",
        ("in_review", "ask"): "need_info",
        ("in_review", "snooze"): "snoozed",
        ("in_review", "start_support"): "support_active",
        ("in_review", "end_support"): "in_review",
        ("in_review", "end_last_support"): "in_review",
        ("in_review", "close"): "closed",
        ("need_info", "raise"): "need_info",
        ("need_info", "claim"): "need_info",
        ("need_info", "assign"): "need_info",
        ("need_info", "ask"): "need_info",
        ("need_info", "answer"): "in_review",
        ("need_info", "start_support"): "support_active",
        ("need_info", "end_support"): "need_info",
        ("need_info", "end_last_support"): "need_info",
        ("need_info", "close"): "closed",
        ("snoozed", "raise"): "in_review",
        ("snoozed", "claim"): "in_review",
        ("snoozed", "assign"): "in_review",
        ("snoozed", "resume"): "in_review",
        ("snoozed", "ask"): "need_info",
        ("snoozed", "start_support"): "support_active",
        ("snoozed", "end_support"): "snoozed",
        ("snoozed", "end_last_support"): "snoozed",
        ("snoozed", "close"): "closed",
        ("support_active", "raise"): "support_active",
        ("support_active", "claim"): "support_active",
        ("support_active", "assign"): "support_active",
        ("support_active", "start_support"): "support_active",
        ("support_active", "end_support"): "support_active",
        ("support_active", "end_last_support"): "monitoring",
        ("support_active", "monitor"): "monitoring",
        ("support_active", "close"): "closed",
        ("monitoring", "raise"): "in_review",
        ("monitoring", "claim"): "monitoring",
        ("monitoring", "assign"): "monitoring",
        ("monitoring", "resume"): "in_review",
        ("monitoring", "start_support"): "support_active",
        ("monitoring", "end_support"): "monitoring",
        ("monitoring", "end_last_support"): "monitoring",
        ("monitoring", "close"): "closed",
        ("closed", "raise"): "new",
        ("closed", "reopen"): "new",
    }
)

Origin = Literal["list", "rule", "colleague"]
CloseReason = Literal["no_action", "goal_reached", "left", "other"]
CLOSE_REASONS: tuple[CloseReason, ...] = get_args(CloseReason)
#: How a support went, in the words of the records (``features.tables.SUPPORT_RESULTS``).
SupportResult = Literal["goal_met", "partly_met", "not_met", "moved_away", "no_longer_needed", "declined"]
SUPPORT_RESULTS: tuple[SupportResult, ...] = get_args(SupportResult)
Disagreed = Literal["data_wrong", "already_supported", "context_known", "temporary", "not_the_real_need", "other"]
DISAGREED: tuple[Disagreed, ...] = get_args(Disagreed)
Whom = Literal["student", "family"]
WHOM: tuple[Whom, ...] = get_args(Whom)
Channel = Literal["in_person", "phone", "message", "email", "letter", "video", "home_visit"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
#: What is to be done next. ``answer`` comes of a question, ``look`` of a case that somebody was asked to take on.
Task = Literal["look", "talk", "contact", "check_support", "answer", "look_again"]
#: What somebody may write down as the next step.
NEXT_STEPS: tuple[Task, ...] = ("talk", "contact", "check_support", "look_again", "look")

#: How long a case may be put off, in days.
LONGEST_SNOOZE = 30
#: How long a text may be: a note, a reason, a goal.
LONGEST_NOTE = 10_000
LONGEST_LINE = 1_000
#: How far ahead a day may be that something is promised for.
LONGEST_AHEAD = timedelta(days=366)

#: Who takes cases on, and who writes down what is to be done: whoever may, of whichever student.
WORKERS: frozenset[Role] = frozenset(role for role, _ in RIGHTS["work_case"])
WRITERS: frozenset[Role] = frozenset(role for role, _ in RIGHTS["write_note"])


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something. ``name`` is empty where the account was erased since, or nobody was signed in."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Case:
    """A student's case as it stands.

    ``version`` is what an action sends back. ``round`` counts how often it was opened. ``evidence`` are the concepts that it
    was opened for this time, and was closed on. ``opened_at`` is of this round, and so is ``first_look_at``: waiting is the
    time between the two, or until now. ``until`` is the day a snoozed case comes back; ``next_review_on`` the day on which a
    closed one is looked at again. ``reason`` is the last one that was given: of the colleague who raised it, for putting it
    off, or the name of why it was closed.
    """

    student_id: str
    version: int
    round: int
    state: State
    origin: Origin
    evidence: tuple[str, ...]
    opened_at: datetime
    first_look_at: datetime | None
    moved_at: datetime
    assignee: Person | None
    until: date | None
    next_review_on: date | None
    reason: str

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.state != "closed"


@dataclass(frozen=True, slots=True)
class Moved:
    """One step of a case. ``action`` is a :data:`Move` or ``look``; ``details`` are its own fields as plain text.

    ``details`` may have: ``reason`` (of raise and snooze; of close one of :data:`CLOSE_REASONS`), ``decision``, ``outcome``,
    ``consulted`` (yes or no), ``next_review_on``, ``until``, ``to`` (an account), ``question``, ``answer``, ``due_on``,
    ``support_id``, ``review_on``, ``result``, ``evidence`` (concepts, with blanks between). ``look`` and ``review_support``
    are told here too, and move nothing.
    """

    at: datetime
    by: Person
    action: str
    before: State | None
    after: State
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Revision:
    """One wording of a note. ``follows`` is the number of the one that its writer saw, 0 for the first."""

    number: int
    follows: int
    text: str
    at: datetime
    by: Person

    @property
    def beside(self) -> bool:
        """Whether somebody else revised the note while this was being written, so that both stand."""
        return self.follows != self.number - 1


@dataclass(frozen=True, slots=True)
class Note:
    """A note, with every wording that it ever had, the oldest first."""

    id: str
    restricted: bool
    revisions: tuple[Revision, ...]

    @property
    def current(self) -> tuple[Revision, ...]:
        """The wordings that no other one follows: one, or as many as were written at once."""
        followed = {one.follows for one in self.revisions}
        return tuple(one for one in self.revisions if one.number not in followed)

    @property
    def latest(self) -> int:
        """The number that a revision sends back as ``seen``."""
        return self.revisions[-1].number


@dataclass(frozen=True, slots=True)
class Contact:
    """A talk with the student or the family. ``language`` is its code; ``on`` the day of the talk."""

    id: str
    whom: Whom
    channel: Channel
    language: str
    on: date
    agreed: str
    at: datetime
    by: Person


@dataclass(frozen=True, slots=True)
class Support:
    """Help that was begun here. The records may hold more. It runs while ``ended_on`` is None."""

    id: str
    student_id: str
    intervention_id: str
    name: str
    dose: str
    goal: str
    begins_on: date
    review_on: date
    by: Person
    ended_on: date | None
    result: SupportResult | None

    @property
    def running(self) -> bool:
        """Whether it has not been ended."""
        return self.ended_on is None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Somebody said that what a list suggested is not right. ``correction_id`` is of the correction that it led to."""

    id: str
    kind: Disagreed
    reason: str
    prediction_id: str
    model_version: str
    correction_id: str | None
    at: datetime
    by: Person


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody is to do by a day. ``text`` is the question of an ``answer``; ``answer`` what came of it."""

    id: str
    student_id: str
    task: Task
    text: str
    due_on: date
    who: Person
    by: Person
    at: datetime
    done_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything that the casebook holds of a student, each part the newest first. ``case`` is None before the first one."""

    student_id: str
    case: Case | None
    moves: tuple[Moved, ...]
    notes: tuple[Note, ...]
    contacts: tuple[Contact, ...]
    supports: tuple[Support, ...]
    disagreements: tuple[Disagreement, ...]
    steps: tuple[Step, ...]

    def legal(self) -> tuple[Move, ...]:
        """Return the moves that this case may make now; see :func:`legal`."""
        return legal(self.case, self.supports)


@dataclass(frozen=True, slots=True)
class Promised:
    """Something that somebody has to do today, or should have done before.

    ``id`` is of the step or the support; empty where it is the case itself that comes back.
    """

    student_id: str
    task: Task
    on: date
    text: str
    id: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a case where there is none: the origin, the concepts, and the rows of the list that say so.

    A list opens none by itself: the first who does something with a student opens it. ``since`` is the day from which the
    list had them without a break, so that how long they waited can be told.
    """

    origin: Origin
    evidence: tuple[str, ...] = ()
    prediction_ids: tuple[str, ...] = ()
    since: date | None = None


def legal(case: Case | None, supports: Iterable[Support] = ()) -> tuple[Move, ...]:
    """Return the moves that a case may make now, in the order of :data:`ALL_MOVES`, as :data:`MOVES` has them.

    Where there is no case, what can be done to a new one is told too: it is opened first. ``end_support`` is told where a
    support runs, and ``end_last_support`` never; ``close`` is told while one runs too, for a student who left.
    """
    states: tuple[State | None, ...] = (case.state,) if case else (None, "new")
    runs = any(one.running for one in supports)
    told = [move for move in ALL_MOVES if any((state, move) in MOVES for state in states) and move != "end_last_support"]
    return tuple(move for move in told if move != "end_support" or runs)


# -- the case itself ----------------------------------------------------------------------------------------------------


def raise_student(db: Engine, account: Account, student_id: str, reason: str, today: date, now: datetime) -> None:
    """Ask for a look at a student whom no list suggested: open a case, or a closed one for a new reason, or end a pause.

    Raises :class:`~features.problems.Refused`: ``reason`` (none was given), ``same_evidence`` (a case was closed after it was
    raised in the same words).
    """
    problems: list[Problem] = []
    said = _text(problems, "reason", reason, LONGEST_LINE)
    _refuse(problems, "The student was not raised")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _locked(at, student_id)
        if row is None:
            row = _first(at, student_id, Opening("colleague"), "raise", {"reason": said})
            done = ("case_raise", student_id, "to new")
        else:
            if row.state == "closed" and _plain(said) in _raised_before(at, row):
                _refuse([_SAME_EVIDENCE], "The student was not raised")
            # What a case was closed on stays what it rests on: the list must not open it again on the same once more.
            again = {"round": row.round + 1, "opened_at": now, "first_look_at": None, "next_review_on": None}
            values = {"origin": "colleague", "reason": said, "until": None, **(again if row.state == "closed" else {})}
            done = _moved(at, row, "raise", {"reason": said}, values)
        trail.append(connection, account.tenant, account, *done, now)


def reopen(db: Engine, account: Account, student_id: str, seen: int, opening: Opening, today: date, now: datetime) -> None:
    """Open a closed case again, on a concept that it was not closed on, or on the day that was set for another look.

    Raises Refused: ``same_evidence``, ``illegal_move``, ``case_changed``.
    """
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _locked(at, student_id)
        _unchanged(row, seen)
        if row is None or row.state != "closed":
            raise Refused([_ILLEGAL], _NOT_MOVED)
        done = _opened(at, student_id, row, opening)
        trail.append(connection, account.tenant, account, *done, now)


def note_look(db: Engine, account: Account, student_id: str, now: datetime) -> bool:
    """Note that somebody who works cases looked at one that nobody had looked at, and return whether that was so.

    It changes no version: to look is no reason why a colleague should have to begin again.
    """
    if account.role not in WORKERS:
        return False
    waits = _of(CASES, account.tenant, student_id) & CASES.c.first_look_at.is_(None) & (CASES.c.state != "closed")
    with db.connect() as connection:
        if connection.execute(select(CASES.c.version).where(waits)).first() is None:
            return False
    with writing(db) as connection:
        row = connection.execute(select(CASES).where(waits).with_for_update()).first()
        if row is None:
            return False
        at = _At(connection, account.tenant, account, now.date(), now)
        connection.execute(update(CASES).where(waits).values(first_look_at=now))
        _note_move(at, student_id, row.round, "look", row.state, row.state, {})
        trail.append(connection, account.tenant, account, "case_look", student_id, "", now)
    return True


def claim(
    db: Engine, account: Account, student_id: str, seen: int, today: date, now: datetime, *, opening: Opening | None = None
) -> None:
    """Take a case on. Raises Refused: ``illegal_move``, ``case_changed``.

    Here and below, ``seen`` is the version that was seen, 0 where there was no case; ``opening`` then opens one first.
    """
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, opening)
        done = _moved(at, row, "claim", {}, {"assignee_id": account.id, "until": None})
        trail.append(connection, account.tenant, account, *done, now)


def assign(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    to: str,
    today: date,
    now: datetime,
    *,
    opening: Opening | None = None,
) -> None:
    """Ask a colleague (an account's id) to take a case on. Whether they see the student was asked before.

    Raises Refused: ``assignee`` (nobody of this tenant who works cases), ``illegal_move``, ``case_changed``.
    """
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        _refuse(_nobody(at, to, WORKERS), "The case was not handed on")
        row = _ready(at, student_id, seen, opening)
        done = _moved(at, row, "assign", {"to": to}, {"assignee_id": to, "until": None})
        trail.append(connection, account.tenant, account, *done, now)


def ask(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    question: str,
    due_on: date | None,
    today: date,
    now: datetime,
    *,
    of: str = "",
    opening: Opening | None = None,
) -> str:
    """Ask a question that has to be answered first, of an account (else of oneself), and return the step's id.

    Raises Refused: ``question``, ``due_on``, ``assignee``, ``illegal_move``, ``case_changed``.
    """
    problems: list[Problem] = []
    said = _text(problems, "question", question, LONGEST_LINE)
    by = _day(problems, "due_on", due_on, today, today + LONGEST_AHEAD)
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        _refuse([*problems, *_nobody(at, of or account.id, WRITERS)], "The question was not asked")
        row = _ready(at, student_id, seen, opening)
        details = {"question": said, "due_on": by.isoformat(), "to": of or account.id}
        done = _moved(at, row, "ask", details, {"until": None})
        step = _step(at, student_id, "answer", said, by, of or account.id)
        trail.append(connection, account.tenant, account, *done, now)
    return step


def answer(db: Engine, account: Account, student_id: str, seen: int, text: str, today: date, now: datetime) -> None:
    """Answer the open questions of a case. Raises Refused: ``answer``, ``illegal_move``, ``case_changed``."""
    problems: list[Problem] = []
    said = _text(problems, "answer", text, LONGEST_NOTE)
    _refuse(problems, "The answer was not saved")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, None)
        done = _moved(at, row, "answer", {"answer": said}, {})
        _finish_questions(at, student_id, said)
        trail.append(connection, account.tenant, account, *done, now)


def snooze(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    until: date | None,
    reason: str,
    today: date,
    now: datetime,
    *,
    opening: Opening | None = None,
) -> None:
    """Put a case off, 30 days at most. Raises Refused: ``until``, ``reason``, ``illegal_move``, ``case_changed``."""
    day, said = _pause(until, reason, today)
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, opening)
        done = _moved(at, row, "snooze", {"until": day.isoformat(), "reason": said}, {"until": day, "reason": said})
        trail.append(connection, account.tenant, account, *done, now)


def resume(db: Engine, account: Account, student_id: str, seen: int, today: date, now: datetime) -> None:
    """Take a case up again that was put off, or only watched. Raises Refused: ``illegal_move``, ``case_changed``."""
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, None)
        done = _moved(at, row, "resume", {}, {"until": None})
        trail.append(connection, account.tenant, account, *done, now)


def monitor(db: Engine, account: Account, student_id: str, seen: int, today: date, now: datetime) -> None:
    """Only watch from now on. Raises Refused: ``illegal_move``, ``case_changed``."""
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, None)
        done = _moved(at, row, "monitor", {}, {})
        trail.append(connection, account.tenant, account, *done, now)


def close(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    reason: str,
    decision: str,
    consulted: bool | None,
    today: date,
    now: datetime,
    *,
    outcome: str = "",
    next_review_on: date | None = None,
    evidence: Iterable[str] = (),
    opening: Opening | None = None,
) -> None:
    """Close a case: why, what was decided, whether the student was consulted, and the outcome or the day of the next look.

    ``evidence`` are the concepts that are known today: the case is not opened again on any of these.

    Raises Refused: ``close_reason``, ``decision``, ``consulted``, ``outcome`` (neither it nor a day), ``next_review_on``,
    ``support_runs`` (unless the student left: then what runs is ended as ``moved_away``), ``illegal_move``,
    ``case_changed``.
    """
    problems: list[Problem] = []
    _one_of(problems, "close_reason", reason, CLOSE_REASONS)
    decided = _text(problems, "decision", decision, LONGEST_LINE)
    came_of_it = _text(problems, "outcome", outcome, LONGEST_LINE, required=next_review_on is None)
    if consulted is None:
        problems.append(_problem("consulted", "It is not said whether the student was consulted", "Choose yes or no."))
    if next_review_on is not None:
        _day(problems, "next_review_on", next_review_on, today + _DAY, today + LONGEST_AHEAD)
    _refuse(problems, "The case was not closed")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, opening)
        runs = _of(CASE_SUPPORTS, account.tenant, student_id) & CASE_SUPPORTS.c.ended_on.is_(None)
        if reason == "left":
            ended = {"ended_on": today, "result": "moved_away", "ended_by": account.id, "ended_at": now}
            connection.execute(update(CASE_SUPPORTS).where(runs).values(ended))
        elif connection.execute(select(CASE_SUPPORTS.c.id).where(runs).limit(1)).first() is not None:
            hint = "End it first and say how it went."
            _refuse([_problem("support_runs", "A support still runs", hint)], "The case was not closed")
        again = next_review_on.isoformat() if next_review_on else ""
        details = {"reason": reason, "decision": decided, "consulted": "yes" if consulted else "no", "outcome": came_of_it}
        values = {
            "evidence": _json(sorted({*json.loads(row.evidence), *evidence})), "next_review_on": next_review_on, "until": None,
            "reason": reason,
        }  # fmt: skip
        done = _moved(at, row, "close", {**details, "next_review_on": again}, values)
        _finish_questions(at, student_id, "")
        trail.append(connection, account.tenant, account, *done, now)


def start_support(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    *,
    intervention_id: str,
    name: str,
    dose: str,
    goal: str,
    begins_on: date | None,
    review_on: date | None,
    today: date,
    now: datetime,
    opening: Opening | None = None,
    beside: Callable[[Connection], object] | None = None,
) -> str:
    """Begin a support and return its id. ``beside`` is done in the same transaction, wholly or not at all.

    Raises Refused: ``intervention``, ``dose``, ``goal``, ``begins_on``, ``review_on``, ``illegal_move``, ``case_changed``.
    """
    problems: list[Problem] = []
    known_as = _text(problems, "intervention", name or intervention_id, LONGEST_LINE)
    how_much = _text(problems, "dose", dose, LONGEST_LINE)
    wanted = _text(problems, "goal", goal, LONGEST_LINE)
    if len(intervention_id) > _LONGEST_KEY or not intervention_id.isprintable():
        problems.append(_problem("intervention", "This is the key of no support", "Choose one from the list."))
    first = _day(problems, "begins_on", begins_on, today - LONGEST_AHEAD, today + LONGEST_AHEAD)
    check = _day(problems, "review_on", review_on, max(first, today) + _DAY, max(first, today) + LONGEST_AHEAD)
    _refuse(problems, "The support was not begun")
    support_id = _new_id()
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, opening)
        done = _moved(at, row, "start_support", {"support_id": support_id}, {"until": None})
        connection.execute(
            insert(CASE_SUPPORTS).values(
                id=support_id, tenant_id=account.tenant, student_id=student_id, intervention_id=intervention_id.strip(),
                name=known_as, dose=how_much, goal=wanted, begins_on=first, review_on=check, at=now, account_id=account.id,
            )
        )  # fmt: skip
        _finish_questions(at, student_id, "")
        if beside is not None:
            beside(connection)
        trail.append(connection, account.tenant, account, *done, now)
    return support_id


def review_support(
    db: Engine, account: Account, student_id: str, support_id: str, review_on: date | None, today: date, now: datetime
) -> None:
    """Note that a support was looked at and goes on, until the next look. It asks for no version: nothing else changes by it.

    Raises Refused: ``review_on``, ``support`` (none such runs).
    """
    problems: list[Problem] = []
    check = _day(problems, "review_on", review_on, today + _DAY, today + LONGEST_AHEAD)
    _refuse(problems, "The support was not looked at")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _locked(at, student_id)
        _running(at, student_id, support_id)
        connection.execute(update(CASE_SUPPORTS).where(CASE_SUPPORTS.c.id == support_id).values(review_on=check))
        if row is not None:
            details = {"support_id": support_id, "review_on": check.isoformat()}
            _note_move(at, student_id, row.round, "review_support", row.state, row.state, details)
        trail.append(connection, account.tenant, account, "support_reviewed", student_id, "", now)


def end_support(
    db: Engine,
    account: Account,
    student_id: str,
    seen: int,
    support_id: str,
    result: str,
    ended_on: date | None,
    today: date,
    now: datetime,
) -> None:
    """End a support. After the last one the case is only watched.

    Raises Refused: ``result``, ``ended_on``, ``support`` (none such runs), ``illegal_move``, ``case_changed``.
    """
    problems: list[Problem] = []
    _one_of(problems, "result", result, SUPPORT_RESULTS)
    last = _day(problems, "ended_on", ended_on, today - LONGEST_AHEAD, today)
    _refuse(problems, "The support was not ended")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        row = _ready(at, student_id, seen, None)
        support = _running(at, student_id, support_id)
        if last < support.begins_on:
            hint = "Give a day from its first day to today."
            _refuse([_problem("ended_on", "It ends before it begins", hint)], "The support was not ended")
        others = _of(CASE_SUPPORTS, account.tenant, student_id) & CASE_SUPPORTS.c.ended_on.is_(None)
        more = connection.execute(select(func.count()).where(others & (CASE_SUPPORTS.c.id != support_id))).scalar_one()
        ended = {"ended_on": last, "result": result, "ended_by": account.id, "ended_at": now}
        connection.execute(update(CASE_SUPPORTS).where(CASE_SUPPORTS.c.id == support_id).values(ended))
        details = {"support_id": support_id, "result": result}
        done = _moved(at, row, "end_support" if more else "end_last_support", details, {})
        trail.append(connection, account.tenant, account, *done, now)


def act_on_many(
    db: Engine,
    account: Account,
    action: str,
    students: Mapping[str, Opening],
    today: date,
    now: datetime,
    *,
    to: str = "",
    until: date | None = None,
    reason: str = "",
) -> int:
    """Do one thing to many students' cases, to all of them or to none, and return how many: claim, assign or snooze.

    ``students`` says for each what opens a case where none is open; a closed one is opened again on new evidence only. What a
    colleague has taken on is not claimed from here. Raises Refused as the single actions do; ``illegal_move``,
    ``same_evidence`` and ``taken`` tell of how many students (``rows``).
    """
    details: dict[str, str] = {}
    values: dict[str, Any] = {"until": None}
    problems: list[Problem] = []
    _one_of(problems, "action", action, ("claim", "assign", "snooze"))
    if not students:
        problems.append(_problem("nobody_chosen", "Nobody was chosen", "Choose at least one student."))
    _refuse(problems, _NOT_MOVED)
    if action == "snooze":
        day, said = _pause(until, reason, today)
        details, values = {"until": day.isoformat(), "reason": said}, {"until": day, "reason": said}
    elif action == "assign":
        details, values = {"to": to}, {"assignee_id": to, "until": None}
    else:
        values = {"assignee_id": account.id, "until": None}
    move: Move = "claim" if action == "claim" else "assign" if action == "assign" else "snooze"
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        _refuse(_nobody(at, to, WORKERS) if action == "assign" else [], _NOT_MOVED)
        done, against = [], dict[str, int]()
        for student_id in sorted(students):  # everybody locks in the same order, so that nobody waits in a circle
            row = _locked(at, student_id)
            if row is None or row.state == "closed":
                if row is not None and not _new_evidence(row, students[student_id], today):
                    against[_SAME_EVIDENCE.code] = against.get(_SAME_EVIDENCE.code, 0) + 1
                    continue
                done.append(_opened(at, student_id, row, students[student_id]))
                row = _locked(at, student_id)
                assert row is not None, "it was opened in this transaction"
            if move == "claim" and row.assignee_id not in (None, account.id):
                against["taken"] = against.get("taken", 0) + 1
            elif (row.state, move) not in MOVES:
                against[_ILLEGAL.code] = against.get(_ILLEGAL.code, 0) + 1
            else:
                done.append(_moved(at, row, move, details, values))
        _refuse([_told(code, count) for code, count in sorted(against.items())], _NOT_MOVED)
        trail.append_all(connection, account.tenant, account, done, now)
    return len(students)


# -- what stands beside it ------------------------------------------------------------------------------------------------


def add_note(
    db: Engine,
    account: Account,
    student_id: str,
    text: str,
    today: date,
    now: datetime,
    *,
    restricted: bool = False,
    task: str = "",
    due_on: date | None = None,
    who: str = "",
) -> str:
    """Add a note, and with ``task`` and ``due_on`` a next step in the same action; return the note's id.

    ``who`` is the account that is to do it, else the writer. Raises Refused: ``text``, ``task``, ``due_on``, ``assignee``.
    """
    problems: list[Problem] = []
    said = _text(problems, "text", text, LONGEST_NOTE)
    day = _next_step(problems, task, due_on, today) if task or due_on else None
    note_id = _new_id()
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        _refuse([*problems, *(_nobody(at, who, WRITERS) if who else [])], "The note was not saved")
        connection.execute(
            insert(CASE_NOTES).values(id=note_id, tenant_id=account.tenant, student_id=student_id, restricted=restricted)
        )
        _revision(at, note_id, 1, 0, said)
        if day is not None:
            _step(at, student_id, task, "", day, who or account.id)
        why = " ".join([*(["restricted"] if restricted else []), *(["with a next step"] if day else [])])
        trail.append(connection, account.tenant, account, "note_added", student_id, why, now)
    return note_id


def revise_note(
    db: Engine,
    account: Account,
    student_id: str,
    note_id: str,
    seen: int,
    text: str,
    now: datetime,
    *,
    restricted: bool = False,
) -> bool:
    """Give a note another wording; return False where somebody else did meanwhile, and both wordings stand.

    ``seen`` is the number of the revision that the writer had before them; ``restricted`` says that they may read restricted
    notes. Raises NotFound where they see no such note, Refused: ``text``.
    """
    problems: list[Problem] = []
    said = _text(problems, "text", text, LONGEST_NOTE)
    _refuse(problems, "The note was not saved")
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, now.date(), now)
        this = _of(CASE_NOTES, account.tenant, student_id) & (CASE_NOTES.c.id == note_id)
        row = connection.execute(select(CASE_NOTES).where(this).with_for_update()).first()
        if row is None or (row.restricted and not restricted):
            raise NotFound("There is no such note among those that you see.")
        of_note = CASE_NOTE_REVISIONS.c.note_id == note_id
        last = connection.execute(select(func.max(CASE_NOTE_REVISIONS.c.number)).where(of_note)).scalar_one()
        follows = seen if 1 <= seen <= last else last
        _revision(at, note_id, last + 1, follows, said)
        why = "" if follows == last else "beside another"
        trail.append(connection, account.tenant, account, "note_revised", student_id, why, now)
    return bool(follows == last)


def record_contact(
    db: Engine,
    account: Account,
    student_id: str,
    *,
    whom: str,
    channel: str,
    language: str,
    on: date | None,
    agreed: str,
    today: date,
    now: datetime,
) -> str:
    """Record a talk with the student or the family, and return its id. ``agreed`` may be empty: not every talk comes to that.

    Raises Refused: ``whom``, ``channel``, ``language``, ``on``, ``agreed``.
    """
    problems: list[Problem] = []
    _one_of(problems, "whom", whom, WHOM)
    _one_of(problems, "channel", channel, CHANNELS)
    if not _LANGUAGE.fullmatch(language):
        problems.append(_problem("language", "This is not the name of a language", "Write it like en, es or es-MX."))
    day = _day(problems, "on", on, today - LONGEST_AHEAD, today)
    said = _text(problems, "agreed", agreed, LONGEST_NOTE, required=False)
    _refuse(problems, "The contact was not recorded")
    contact_id = _new_id()
    with writing(db) as connection:
        connection.execute(
            insert(CASE_CONTACTS).values(
                id=contact_id, tenant_id=account.tenant, student_id=student_id, whom=whom, channel=channel, language=language,
                contact_on=day, agreed=said, at=now, account_id=account.id,
            )
        )  # fmt: skip
        trail.append(connection, account.tenant, account, "contact_recorded", student_id, whom, now)
    return contact_id


def disagree(
    db: Engine,
    account: Account,
    student_id: str,
    kind: str,
    now: datetime,
    *,
    reason: str = "",
    prediction_id: str = "",
    model_version: str = "",
) -> str:
    """Say that what was suggested is not right, and return the disagreement's id.

    Raises Refused: ``disagreed`` (no such kind), ``reason`` (``data_wrong`` and ``other`` say what).
    """
    problems: list[Problem] = []
    _one_of(problems, "disagreed", kind, DISAGREED)
    said = _text(problems, "reason", reason, LONGEST_LINE, required=kind in ("data_wrong", "other"))
    _refuse(problems, "The disagreement was not saved")
    made = _new_id()
    with writing(db) as connection:
        connection.execute(
            insert(CASE_DISAGREEMENTS).values(
                id=made, tenant_id=account.tenant, student_id=student_id, kind=kind, reason=said, prediction_id=prediction_id,
                model_version=model_version, at=now, account_id=account.id,
            )
        )  # fmt: skip
        trail.append(connection, account.tenant, account, "disagreed", student_id, kind, now)
    return made


def waits_for_correction(db: Engine, account: Account, student_id: str, disagreement_id: str) -> bool:
    """Whether somebody said that the data of a student are wrong, and asked for no correction with it so far."""
    with db.connect() as connection:
        this = _own_disagreement(account, student_id, disagreement_id)
        return connection.execute(select(CASE_DISAGREEMENTS.c.id).where(this)).first() is not None


def link_correction(
    connection: Connection, account: Account, student_id: str, disagreement_id: str, correction_id: str
) -> None:
    """Note which correction a disagreement led to, inside the transaction that asks for it and writes to the trail.

    Raises NotFound where they did not disagree so about this student, or a correction was asked for with it already.
    """
    this = _own_disagreement(account, student_id, disagreement_id)
    if not connection.execute(update(CASE_DISAGREEMENTS).where(this).values(correction_id=correction_id)).rowcount:
        raise NotFound("There is no such disagreement.")


def _own_disagreement(account: Account, student_id: str, disagreement_id: str) -> ColumnElement[bool]:
    mine = _of(CASE_DISAGREEMENTS, account.tenant, student_id) & (CASE_DISAGREEMENTS.c.account_id == account.id)
    wrong = (CASE_DISAGREEMENTS.c.kind == "data_wrong") & CASE_DISAGREEMENTS.c.correction_id.is_(None)
    return mine & wrong & (CASE_DISAGREEMENTS.c.id == disagreement_id)


def add_step(
    db: Engine,
    account: Account,
    student_id: str,
    task: str,
    due_on: date | None,
    today: date,
    now: datetime,
    *,
    who: str = "",
    text: str = "",
) -> str:
    """Write down what somebody (else oneself) is to do next, by a day.

    Raises Refused: ``task``, ``due_on``, ``assignee``, ``text``.
    """
    problems: list[Problem] = []
    day = _next_step(problems, task, due_on, today)
    said = _text(problems, "text", text, LONGEST_LINE, required=False)
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, today, now)
        _refuse([*problems, *(_nobody(at, who, WRITERS) if who else [])], "The next step was not saved")
        step = _step(at, student_id, task, said, day, who or account.id)
        trail.append(connection, account.tenant, account, "step_added", student_id, task, now)
    return step


def finish_step(db: Engine, account: Account, student_id: str, step_id: str, now: datetime) -> None:
    """Note that a next step was done. Doing it twice keeps the first time. Raises NotFound where there is none such.

    A question is finished by its :func:`answer`.
    """
    with writing(db) as connection:
        this = _of(CASE_STEPS, account.tenant, student_id) & (CASE_STEPS.c.id == step_id) & (CASE_STEPS.c.task != "answer")
        row = connection.execute(select(CASE_STEPS).where(this).with_for_update()).first()
        if row is None:
            raise NotFound("There is no such step.")
        if row.done_at is None:
            connection.execute(update(CASE_STEPS).where(this).values(done_at=now, done_by=account.id))
            trail.append(connection, account.tenant, account, "step_done", student_id, row.task, now)


def note_visit(db: Engine, account: Account, today: date, now: datetime) -> None:
    """Note that somebody opened their list today. It is about nobody but themselves, so no line of the trail is written."""
    this = CASE_VISITS.c.account_id == account.id
    with db.connect() as connection:
        last = connection.execute(select(CASE_VISITS.c.last_on).where(this)).scalar()
    if last is not None and last >= today:
        return
    with writing(db) as connection:
        new = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
        first = {"account_id": account.id, "tenant_id": account.tenant, "last_on": today, "before_on": None, "at": now}
        connection.execute(new(CASE_VISITS).values(first).on_conflict_do_nothing())
        later = this & (CASE_VISITS.c.last_on < today)
        connection.execute(update(CASE_VISITS).where(later).values(before_on=CASE_VISITS.c.last_on, last_on=today, at=now))


# -- what pages read ------------------------------------------------------------------------------------------------------


def cases_of(db: Engine, tenant: str, student_ids: Iterable[str]) -> Mapping[str, Case]:
    """Return the cases of students, of those that have one."""
    found: dict[str, Case] = {}
    wanted = set(student_ids)
    with db.connect() as connection:
        for these in _among(CASES.c, tenant, wanted):
            asked = select(*_CASE, ACCOUNTS.c.name).outerjoin(ACCOUNTS, _named(CASES.c.assignee_id, tenant))
            for row in connection.execute(asked.where(these)).all():
                found[row[0]] = _case(row[:-1], row[-1] or "")
    return _only(found, wanted)


def file_of(db: Engine, tenant: str, student_id: str, *, restricted: bool = False) -> CaseFile:
    """Return what is held of a student. Restricted notes are in it only where they are asked for."""
    with db.connect() as connection:
        held = _held(connection, tenant, student_id, restricted=restricted)
        names = _names(connection, tenant, held)
    return CaseFile(
        student_id,
        next((_case([row._mapping[one] for one in _CASE], names.get(row.assignee_id or "", "")) for row in held.cases), None),
        tuple(_moved_of(row, names) for row in held.moves),
        tuple(_note(one, revisions, names) for one, revisions in _by_note(held)),
        tuple(_contact(row, names) for row in held.contacts),
        tuple(_support(row, names.get(row.account_id, "")) for row in held.supports),
        tuple(_disagreement(row, names) for row in held.disagreements),
        tuple(_step_of(row, names) for row in held.steps),
    )


def due(db: Engine, tenant: str, account_id: str, today: date) -> tuple[Promised, ...]:
    """Return what somebody has to do by today, the oldest first.

    That is: their steps and the questions to them, their cases that come back, those that a colleague asked them to take on,
    and the supports to check of their cases, or that they began in a case that is nobody's.
    """
    found: list[Promised] = []
    mine = (CASES.c.tenant_id == tenant) & (CASES.c.assignee_id == account_id)
    handed = (CASES.c.last_move == "assign") & (CASES.c.moved_by != account_id)
    back = ((CASES.c.state == "snoozed") & (CASES.c.until <= today)) | (
        (CASES.c.state == "closed") & (CASES.c.next_review_on <= today)
    )
    steps = (CASE_STEPS.c.tenant_id == tenant) & (CASE_STEPS.c.who_id == account_id) & CASE_STEPS.c.done_at.is_(None)
    case = (CASES.c.tenant_id == CASE_SUPPORTS.c.tenant_id) & (CASES.c.student_id == CASE_SUPPORTS.c.student_id)
    checks = (CASE_SUPPORTS.c.tenant_id == tenant) & CASE_SUPPORTS.c.ended_on.is_(None) & (CASE_SUPPORTS.c.review_on <= today)
    whose = func.coalesce(CASES.c.assignee_id, CASE_SUPPORTS.c.account_id) == account_id
    with db.connect() as connection:
        asked = connection.execute(select(CASE_STEPS).where(steps & (CASE_STEPS.c.due_on <= today)))
        found += [Promised(row.student_id, row.task, row.due_on, row.text, row.id) for row in asked]
        for row in connection.execute(select(CASES).where(mine & or_(back, handed))):
            if row.last_move == "assign":
                found.append(Promised(row.student_id, "look", row.moved_at.date(), row.reason, ""))
            else:
                found.append(Promised(row.student_id, "look_again", row.until or row.next_review_on, row.reason, ""))
        runs = connection.execute(select(CASE_SUPPORTS).outerjoin(CASES, case).where(checks & whose))
        found += [Promised(row.student_id, "check_support", row.review_on, row.name, row.id) for row in runs]
    return tuple(sorted(found, key=lambda one: (one.on, one.student_id, one.task, one.id)))


def running_supports(db: Engine, tenant: str, student_ids: Iterable[str]) -> Mapping[str, tuple[Support, ...]]:
    """Return the supports that run, by student, the oldest first; students without one are not in it."""
    found: dict[str, list[Support]] = {}
    wanted = set(student_ids)
    with db.connect() as connection:
        for some in _among(CASE_SUPPORTS.c, tenant, wanted):
            these = some & CASE_SUPPORTS.c.ended_on.is_(None)
            asked = select(CASE_SUPPORTS, ACCOUNTS.c.name.label("by_name")).outerjoin(
                ACCOUNTS, _named(CASE_SUPPORTS.c.account_id, tenant)
            )
            for row in connection.execute(asked.where(these).order_by(CASE_SUPPORTS.c.begins_on, CASE_SUPPORTS.c.id)):
                found.setdefault(row.student_id, []).append(_support(row, row.by_name or ""))
    return _only({student_id: tuple(supports) for student_id, supports in found.items()}, wanted)


def last_visit(db: Engine, account_id: str, today: date) -> date | None:
    """Return the last day before today on which somebody opened their list, None before the first."""
    with db.connect() as connection:
        row = connection.execute(select(CASE_VISITS).where(CASE_VISITS.c.account_id == account_id)).first()
    if row is None:
        return None
    found: date | None = row.last_on if row.last_on < today else row.before_on
    return found


# -- what feeds monitoring ------------------------------------------------------------------------------------------------


def reviews(db: Engine, tenant: str) -> pl.DataFrame:
    """Return ``prediction_id`` and ``agrees``, as :func:`serving.reviews.overrides` takes them; never a label.

    Every kind of disagreement is a no. A yes is a support that was begun in a case which rests on the prediction: somebody
    looked, and did what the list is for. To claim a case is neither, for it is said before anybody has looked, and so are
    putting it off, watching and closing it. Where both were said the no counts: it was said in words.
    """
    said: dict[str, bool] = {}
    rests_on: dict[tuple[str, int], list[str]] = {}
    moves = select(CASE_MOVES.c.student_id, CASE_MOVES.c.round, CASE_MOVES.c.action, CASE_MOVES.c.prediction_ids).where(
        (CASE_MOVES.c.tenant_id == tenant) & CASE_MOVES.c.action.in_(("open", "reopen", "start_support"))
    )
    against = select(CASE_DISAGREEMENTS.c.prediction_id).where(
        (CASE_DISAGREEMENTS.c.tenant_id == tenant) & (CASE_DISAGREEMENTS.c.prediction_id != "")
    )
    with db.connect() as connection:
        for row in connection.execute(moves.order_by(CASE_MOVES.c.student_id, CASE_MOVES.c.number)):
            if row.action == "start_support":
                said.update(dict.fromkeys(rests_on.get((row.student_id, row.round), ()), True))
            else:
                rests_on[row.student_id, row.round] = json.loads(row.prediction_ids)
        said.update(dict.fromkeys(connection.execute(against).scalars(), False))
    schema = {"prediction_id": pl.String, "agrees": pl.Boolean}
    return pl.DataFrame(sorted(said.items()), schema=schema, orient="row")


#: No figure of fewer cases than this is told, of no group.
LEAST_IN_GROUP = 10
#: Within so many school days somebody should have looked.
LOOK_WITHIN = 5
#: Within so many days of the calendar a support should run where one is needed.
SUPPORT_WITHIN = timedelta(days=15)

_LEVELS: Mapping[str, Any] = MappingProxyType(
    {
        "group": pl.String,
        "cases": pl.Int64,
        "days_to_first_look": pl.Float64,
        "looked_within_5_days": pl.Float64,
        "talked_with_student": pl.Float64,
        "support_within_15_days": pl.Float64,
        "reopened": pl.Float64,
    }
)


#: Of which column of a round a figure is, and what of it.
_FIGURES: Mapping[str, tuple[str, Callable[[pl.Expr], pl.Expr]]] = MappingProxyType(
    {
        "days_to_first_look": ("days", pl.Expr.median),
        "looked_within_5_days": ("looked", pl.Expr.mean),
        "talked_with_student": ("talked", pl.Expr.mean),
        "support_within_15_days": ("supported", pl.Expr.mean),
        "reopened": ("again", pl.Expr.mean),
    }
)


#: The school days of a student's school, in order; None where there is no calendar of them.
SchoolDays = Callable[[str], Sequence[date] | None]


def school_days_between(days: Sequence[date] | None, begun: date, until: date) -> int:
    """Return how many school days came after a day, the last one counted; weekdays where there is no calendar.

    >>> school_days_between(None, date(2026, 11, 13), date(2026, 11, 16))
    1
    """
    if days is not None:
        return max(bisect_right(days, until) - bisect_right(days, begun), 0)
    each = (begun + timedelta(days=at) for at in range(1, (until - begun).days + 1))
    return sum(day.weekday() < 5 for day in each)


def service_levels(
    db: Engine, tenant: str, groups: pl.DataFrame, today: date, whole: str = "", school_days: SchoolDays | None = None
) -> pl.DataFrame:
    """Return how soon and how cases are looked after, by group.

    Args:
        db: the database.
        tenant: the school.
        groups: ``student_id`` and ``group``: schools, years, or groups of an audit, and never who teaches whom.
        today: the day to look from.
        whole: what all groups together are called in a row of their own, the first; no such row where it is empty.
        school_days: the days on which a student's school taught; weekdays without it.

    Returns:
        ``group``, ``cases`` (how often one was opened), ``days_to_first_look`` (the middle one, in school days, from the day
        on which a student came on the list or was brought up; who does something where nobody looked has looked by that),
        ``looked_within_5_days`` and ``support_within_15_days`` (shares of the cases that are as old), ``talked_with_student``
        (share) and ``reopened`` (share of the closed ones). Groups with cases of fewer than ten students are left out, and
        a share of fewer than ten cases is null. Of all groups together a figure is told only where it gives nothing away of a
        group for which it is not: where it is told of each, or is kept of two or more, of ten together.

    """
    opened, closed, talks = _rounds(db, tenant)

    def waited(student_id: str, begun: date, until: date) -> int:
        return school_days_between(school_days(student_id) if school_days else None, begun, until)

    frame = pl.DataFrame(
        [
            (
                student_id,
                waited(student_id, begun, first) if first else None,
                _within(waited(student_id, begun, first or today), LOOK_WITHIN, done=first is not None),
                any(begun <= on and (until is None or on < until) for on in talks.get(student_id, ())),
                _within((support or today) - begun, SUPPORT_WITHIN, done=support is not None),
                (until is not None) if (student_id, number) in closed else None,
            )
            for (student_id, number), (begun, first, support, until) in opened.items()
        ],
        schema={"student_id": pl.String, "days": pl.Float64, "looked": pl.Boolean, "talked": pl.Boolean,
                "supported": pl.Boolean, "again": pl.Boolean},
        orient="row",
    )  # fmt: skip

    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.group_by("group").agg(
            pl.col("student_id").n_unique().alias("students"),
            pl.len().alias("cases"),
            *(pl.col(column).count().alias(f"{name} of") for name, (column, _) in _FIGURES.items()),
            *(figure(pl.col(column)).alias(name) for name, (column, figure) in _FIGURES.items()),
        )

    parts = groups.select("student_id", "group").unique()
    each = counted(frame.join(parts, on="student_id"))
    nothing = parts.select("group").unique().join(each, on="group", how="anti")
    each = pl.concat([each, nothing], how="diagonal").with_columns(pl.col("students").fill_null(0))
    told = _told_of(each)
    if not whole:
        return told.sort("group")
    together = counted(frame.join(parts, on="student_id", how="semi").with_columns(pl.lit(whole).alias("group")))
    for name in _FIGURES:
        kept = each.filter((pl.col("students") < LEAST_IN_GROUP) | (pl.col(f"{name} of").fill_null(0) < LEAST_IN_GROUP))
        if kept.height == 1 or (kept.height and (kept[f"{name} of"].sum() or 0) < LEAST_IN_GROUP):
            together = together.with_columns(pl.lit(0, pl.UInt32).alias(f"{name} of"))
    few = each.filter(pl.col("students") < LEAST_IN_GROUP)
    if few.height == 1 or (few.height and few["students"].sum() < LEAST_IN_GROUP):
        together = together.clear()  # how many cases there are in all would tell how many there are in that group
    return pl.concat([_told_of(together), told.sort("group")])


def _told_of(counted: pl.DataFrame) -> pl.DataFrame:
    """Return what is told of groups: of those with ten students, each figure that is of ten cases."""
    enough = counted.filter(pl.col("students") >= LEAST_IN_GROUP)
    kept = [pl.when(pl.col(f"{name} of") >= LEAST_IN_GROUP).then(pl.col(name)).alias(name) for name in _FIGURES]
    return enough.with_columns(kept).select(pl.col(name).cast(kind) for name, kind in _LEVELS.items())


_Round = tuple[date, date | None, date | None, date | None]


def _rounds(db: Engine, tenant: str) -> tuple[dict[tuple[str, int], _Round], set[tuple[str, int]], dict[str, list[date]]]:
    """Return every opening of a case (since when, first look, first support, opened again), the closed ones, days of talks."""
    opened: dict[tuple[str, int], _Round] = {}
    closed: set[tuple[str, int]] = set()
    talks: dict[str, list[date]] = {}
    moves = select(
        CASE_MOVES.c.student_id, CASE_MOVES.c.round, CASE_MOVES.c.at, CASE_MOVES.c.action, CASE_MOVES.c.details
    )
    contacts = select(CASE_CONTACTS.c.student_id, CASE_CONTACTS.c.contact_on)
    with db.connect() as connection:
        ordered = moves.where(CASE_MOVES.c.tenant_id == tenant).order_by(CASE_MOVES.c.student_id, CASE_MOVES.c.number)
        for row in connection.execute(ordered):
            this, on = (row.student_id, row.round), row.at.date()
            if this not in opened:
                since = json.loads(row.details).get("since")
                opened[this] = (min(date.fromisoformat(since), on) if since else on, None, None, None)
                before = (row.student_id, row.round - 1)
                if before in opened:
                    opened[before] = (*opened[before][:3], on)
                continue
            begun, first, support, until = opened[this]
            first = first or (on if row.action != "raise" else None)
            support = support or (on if row.action == "start_support" else None)
            opened[this] = (begun, first, support, until)
            if row.action == "close":
                closed.add(this)
        whom = (CASE_CONTACTS.c.tenant_id == tenant) & (CASE_CONTACTS.c.whom == "student")
        for student_id, on in connection.execute(contacts.where(whom)):
            talks.setdefault(student_id, []).append(on)
    return opened, closed, talks


def _within[Time: (int, timedelta)](took: Time, most: Time, *, done: bool) -> bool | None:
    """Whether something came soon enough, None while there is time left for it. ``took`` is until now if it is not ``done``."""
    return (True if done else None) if took <= most else False


# -- what is held, and its end --------------------------------------------------------------------------------------------


def export(connection: Connection, tenant: str, student_id: str, *, restricted: bool) -> Mapping[str, Any]:
    """Return everything held of a student as plain values: texts, numbers, lists; restricted notes only where asked for.

    Who did it is told by name; days and moments are in ISO 8601.
    """
    held = _held(connection, tenant, student_id, restricted=restricted)
    names = _names(connection, tenant, held)
    revisions = {one.id: [_plainly(row, names) for row in rows] for one, rows in _by_note(held)}
    return {
        "case": next((_plainly(row, names) for row in held.cases), None),
        "moves": [_plainly(row, names) for row in held.moves],
        "notes": [{"restricted": one.restricted, "revisions": revisions[one.id]} for one in held.notes],
        "contacts": [_plainly(row, names) for row in held.contacts],
        "supports": [_plainly(row, names) for row in held.supports],
        "disagreements": [_plainly(row, names) for row in held.disagreements],
        "steps": [_plainly(row, names) for row in held.steps],
    }


def erase(connection: Connection, tenant: str, student_id: str) -> int:
    """Delete everything of a student inside a transaction that writes, and return how many rows that were."""
    connection.execute(select(CASES.c.version).where(_of(CASES, tenant, student_id)).with_for_update())
    theirs = select(CASE_NOTES.c.id).where(_of(CASE_NOTES, tenant, student_id))
    erased = connection.execute(delete(CASE_NOTE_REVISIONS).where(CASE_NOTE_REVISIONS.c.note_id.in_(theirs))).rowcount
    for table in (CASE_NOTES, CASE_CONTACTS, CASE_SUPPORTS, CASE_DISAGREEMENTS, CASE_STEPS, CASE_MOVES, CASES):
        erased += connection.execute(delete(table).where(_of(table, tenant, student_id))).rowcount
    return int(erased)


# -- steps of a move --------------------------------------------------------------------------------------------------------

_NOT_MOVED = "The case was not changed"
_DAY = timedelta(days=1)
_LONGEST_KEY = 200
#: More keys than these are not handed over one by one.
_MOST_KEYS = 2_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")

#: What the trail is told of an action: its name, the student, and a word of ours.
_Done = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _At:
    """The transaction that an action runs in, who does it, and when."""

    connection: Connection
    tenant: str
    account: Account | None
    today: date
    now: datetime

    @property
    def by(self) -> str:
        return self.account.id if self.account else ""


def _problem(code: str, problem: str, hint: str, rows: int = 1) -> Problem:
    return Problem(code, code.replace("_", " "), problem, hint, rows=rows)


_ILLEGAL = _problem("illegal_move", "This cannot be done to the case as it stands", "Load the page again to see what can.")
_CHANGED = _problem("case_changed", "Somebody changed the case meanwhile", "Look at what changed, then do it again.")
_SAME_EVIDENCE = _problem(
    "same_evidence", "The case was closed on the same evidence", "Open it again when there is something new, or say what is."
)
_TAKEN = _problem("taken", "A colleague has taken the case on", "Ask them, or open the student's page.")


def _told(code: str, count: int) -> Problem:
    one = next(one for one in (_ILLEGAL, _SAME_EVIDENCE, _TAKEN) if one.code == code)
    return _problem(one.code, one.problem, one.hint, rows=count)


def _refuse(problems: Sequence[Problem], what: str) -> None:
    if problems:
        raise Refused(problems, what)


def _of(table: Table, tenant: str, student_id: str) -> ColumnElement[bool]:
    return (table.c.tenant_id == tenant) & (table.c.student_id == student_id)


def _locked(at: _At, student_id: str) -> Row[Any] | None:
    """Return the case's row, locked until the transaction ends: on SQLite whoever writes holds the whole file already."""
    return at.connection.execute(select(CASES).where(_of(CASES, at.tenant, student_id)).with_for_update()).first()


def _unchanged(row: Row[Any] | None, seen: int) -> None:
    if (row.version if row is not None else 0) != seen:
        _refuse([_CHANGED], _NOT_MOVED)


def _ready(at: _At, student_id: str, seen: int, opening: Opening | None) -> Row[Any]:
    """Return the case's row, locked, as it was seen; opened first where there is none and that is what is to be done."""
    row = _locked(at, student_id)
    _unchanged(row, seen)
    if row is None:
        if opening is None:
            raise Refused([_ILLEGAL], _NOT_MOVED)
        row = _first(at, student_id, opening, "open", {})
    return row


def _first(at: _At, student_id: str, opening: Opening, move: Move, details: Mapping[str, str]) -> Row[Any]:
    """Make a student's case and return its row. Of two who do it at once, the later one is told that it was changed."""
    evidence = _concepts(opening.evidence)
    values = {
        "tenant_id": at.tenant, "student_id": student_id, "version": 1, "round": 1, "state": MOVES[None, move],
        "origin": opening.origin, "evidence": _json(evidence), "opened_at": at.now, "moved_at": at.now, "moved_by": at.by,
        "last_move": move, "reason": details.get("reason", ""),
    }  # fmt: skip
    new = sqlite_insert if at.connection.dialect.name == "sqlite" else postgresql_insert
    made = new(CASES).values(values).on_conflict_do_nothing().returning(CASES.c.version)  # INSERT tells no count of rows
    if at.connection.execute(made).first() is None:
        _refuse([_CHANGED], _NOT_MOVED)
    told = {**details, **({"evidence": " ".join(evidence)} if evidence else {}), **_listed_since(opening)}
    _note_move(at, student_id, 1, move, None, MOVES[None, move], told, opening.prediction_ids)
    row = _locked(at, student_id)
    assert row is not None, "it was made in this transaction"
    return row


def _opened(at: _At, student_id: str, row: Row[Any] | None, opening: Opening) -> _Done:
    """Open a case where there is none, or a closed one on new evidence."""
    if row is None:
        _first(at, student_id, opening, "open", {})
        return "case_open", student_id, "to new"
    if not _new_evidence(row, opening, at.today):
        _refuse([_SAME_EVIDENCE], "The case was not opened again")
    evidence = _concepts({*opening.evidence} or json.loads(row.evidence))
    values = {
        "round": row.round + 1, "origin": opening.origin, "evidence": _json(evidence), "opened_at": at.now,
        "first_look_at": None, "until": None, "next_review_on": None, "reason": "",
    }  # fmt: skip
    return _moved(
        at, row, "reopen", {"evidence": " ".join(evidence), **_listed_since(opening)}, values, opening.prediction_ids
    )


def _listed_since(opening: Opening) -> Mapping[str, str]:
    return {"since": opening.since.isoformat()} if opening.since else {}


def _new_evidence(row: Row[Any], opening: Opening, today: date) -> bool:
    planned = row.next_review_on is not None and row.next_review_on <= today
    return planned or bool({*opening.evidence} - {*json.loads(row.evidence)})


def _raised_before(at: _At, row: Row[Any]) -> set[str]:
    """Return the reasons for which a case was raised until it was closed, without case and blanks."""
    raised = _of(CASE_MOVES, at.tenant, row.student_id) & (CASE_MOVES.c.action == "raise") & (CASE_MOVES.c.round == row.round)
    found = at.connection.execute(select(CASE_MOVES.c.details).where(raised)).scalars()
    return {_plain(json.loads(details)["reason"]) for details in found}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _moved(
    at: _At,
    row: Row[Any],
    move: Move,
    details: Mapping[str, str],
    values: Mapping[str, Any],
    prediction_ids: Iterable[str] = (),
) -> _Done:
    """Make one step of :data:`MOVES` and return what the trail is told of it."""
    after = MOVES.get((row.state, move))
    if after is None:
        raise Refused([_ILLEGAL], _NOT_MOVED)
    made = {"version": row.version + 1, "state": after, "moved_at": at.now, "moved_by": at.by, "last_move": move}
    if move not in ("raise", "reopen") and row.first_look_at is None:
        made["first_look_at"] = at.now
    at.connection.execute(update(CASES).where(_of(CASES, at.tenant, row.student_id)).values({**made, **values}))
    number = {**values}.get("round", row.round)
    _note_move(at, row.student_id, number, move, row.state, after, details, prediction_ids)
    return f"case_{move}", row.student_id, f"{row.state} to {after}"


def _note_move(
    at: _At,
    student_id: str,
    number_of_round: int,
    action: str,
    before: str | None,
    after: str,
    details: Mapping[str, str],
    prediction_ids: Iterable[str] = (),
) -> None:
    """Write a step into the case's history. The case is locked, so that nobody else takes the number."""
    so_far = select(func.coalesce(func.max(CASE_MOVES.c.number), 0)).where(_of(CASE_MOVES, at.tenant, student_id))
    at.connection.execute(
        insert(CASE_MOVES).values(
            tenant_id=at.tenant, student_id=student_id, number=so_far.scalar_subquery() + 1, round=number_of_round, at=at.now,
            account_id=at.by, action=action, before=before, after=after,
            details=_json({name: said for name, said in details.items() if said}), prediction_ids=_json(sorted(prediction_ids)),
        )
    )  # fmt: skip


def _nobody(at: _At, account_id: str, roles: frozenset[Role]) -> list[Problem]:
    """Return what is wrong with an account that is to do something: nothing where the tenant has it with such a role."""
    this = (ACCOUNTS.c.id == account_id) & (ACCOUNTS.c.tenant_id == at.tenant) & ACCOUNTS.c.disabled_at.is_(None)
    role = at.connection.execute(select(ACCOUNTS.c.role).where(this)).scalar()
    return [] if role in roles else [_problem("assignee", "Nobody here who may do this was chosen", "Choose a colleague.")]


def _running(at: _At, student_id: str, support_id: str) -> Row[Any]:
    this = _of(CASE_SUPPORTS, at.tenant, student_id) & (CASE_SUPPORTS.c.id == support_id) & CASE_SUPPORTS.c.ended_on.is_(None)
    row = at.connection.execute(select(CASE_SUPPORTS).where(this).with_for_update()).first()
    if row is None:
        raise Refused([_problem("support", "No such support runs", "Load the page again to see which do.")], _NOT_MOVED)
    return row


def _revision(at: _At, note_id: str, number: int, follows: int, text: str) -> None:
    at.connection.execute(
        insert(CASE_NOTE_REVISIONS).values(
            note_id=note_id, number=number, follows=follows, text=text, at=at.now, account_id=at.by
        )
    )


def _step(at: _At, student_id: str, task: str, text: str, due_on: date, who: str) -> str:
    step = _new_id()
    at.connection.execute(
        insert(CASE_STEPS).values(
            id=step, tenant_id=at.tenant, student_id=student_id, task=task, text=text, due_on=due_on, who_id=who, at=at.now,
            account_id=at.by, answer="",
        )
    )  # fmt: skip
    return step


def _finish_questions(at: _At, student_id: str, said: str) -> None:
    """Answer what is open, or, with nothing said, let it rest: the case went on without."""
    still = _of(CASE_STEPS, at.tenant, student_id) & (CASE_STEPS.c.task == "answer") & CASE_STEPS.c.done_at.is_(None)
    at.connection.execute(update(CASE_STEPS).where(still).values(done_at=at.now, done_by=at.by, answer=said))


# -- what was typed ---------------------------------------------------------------------------------------------------------


def _text(problems: list[Problem], code: str, said: str, longest: int, *, required: bool = True) -> str:
    """Return a text without the blanks around it; what is wrong with it goes to ``problems``."""
    text = said.strip()
    if required and not text:
        problems.append(_problem(code, "Nothing was written here", "Write it."))
    elif len(text) > longest:
        problems.append(_problem(code, f"It is longer than {longest:,} characters", "Shorten it."))
    elif "\0" in text:
        problems.append(_problem(code, "It holds a sign that cannot be kept", "Type it again."))
    return text


def _one_of(problems: list[Problem], code: str, said: str, names: Sequence[str]) -> None:
    if said not in names:
        problems.append(_problem(code, "None of the answers was chosen", "Choose one."))


def _day(problems: list[Problem], code: str, said: date | None, first: date, last: date) -> date:
    """Return a day of a range; one that is missing or out of it goes to ``problems``, and its place is held by another."""
    if said is not None and first <= said <= last:
        return said
    problems.append(_problem(code, "No day was chosen that this can be", f"Choose a day from {first} to {last}."))
    return first


def _pause(until: date | None, reason: str, today: date) -> tuple[date, str]:
    problems: list[Problem] = []
    day = _day(problems, "until", until, today + _DAY, today + timedelta(days=LONGEST_SNOOZE))
    said = _text(problems, "reason", reason, LONGEST_LINE)
    _refuse(problems, "The case was not put off")
    return day, said


def _next_step(problems: list[Problem], task: str, due_on: date | None, today: date) -> date:
    _one_of(problems, "task", task, NEXT_STEPS)
    return _day(problems, "due_on", due_on, today, today + LONGEST_AHEAD)


def _concepts(names: Iterable[str]) -> list[str]:
    found = sorted(set(names))
    assert all(_CONCEPT.fullmatch(name) for name in found), "evidence is told by concept"
    return found


_CONCEPT = re.compile(r"[a-z][a-z_]{0,39}")


def _new_id() -> str:
    return secrets.token_hex(6)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


# -- rows as values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """The rows of one student, table by table, the newest first."""

    cases: Sequence[Row[Any]] = field(default=())
    moves: Sequence[Row[Any]] = field(default=())
    notes: Sequence[Row[Any]] = field(default=())
    revisions: Sequence[Row[Any]] = field(default=())
    contacts: Sequence[Row[Any]] = field(default=())
    supports: Sequence[Row[Any]] = field(default=())
    disagreements: Sequence[Row[Any]] = field(default=())
    steps: Sequence[Row[Any]] = field(default=())


def _held(connection: Connection, tenant: str, student_id: str, *, restricted: bool) -> _Held:
    def rows(table: Table, *order: ColumnElement[Any]) -> Sequence[Row[Any]]:
        return connection.execute(select(table).where(_of(table, tenant, student_id)).order_by(*order)).all()

    open_to_reader = _of(CASE_NOTES, tenant, student_id)
    if not restricted:
        open_to_reader &= ~CASE_NOTES.c.restricted
    worded = select(CASE_NOTE_REVISIONS, CASE_NOTES.c.id, CASE_NOTES.c.restricted).join(CASE_NOTES).where(open_to_reader)
    revisions = connection.execute(worded.order_by(CASE_NOTE_REVISIONS.c.note_id, CASE_NOTE_REVISIONS.c.number)).all()
    first = sorted((one for one in revisions if one.number == 1), key=lambda one: (one.at, one.id), reverse=True)
    return _Held(
        rows(CASES),
        rows(CASE_MOVES, CASE_MOVES.c.number.desc()),
        first,
        revisions,
        rows(CASE_CONTACTS, CASE_CONTACTS.c.contact_on.desc(), CASE_CONTACTS.c.at.desc(), CASE_CONTACTS.c.id),
        rows(CASE_SUPPORTS, CASE_SUPPORTS.c.begins_on.desc(), CASE_SUPPORTS.c.at.desc(), CASE_SUPPORTS.c.id),
        rows(CASE_DISAGREEMENTS, CASE_DISAGREEMENTS.c.at.desc(), CASE_DISAGREEMENTS.c.id),
        rows(CASE_STEPS, CASE_STEPS.c.due_on.desc(), CASE_STEPS.c.at.desc(), CASE_STEPS.c.id),
    )


def _by_note(held: _Held) -> list[tuple[Row[Any], list[Row[Any]]]]:
    worded: dict[str, list[Row[Any]]] = {}
    for row in held.revisions:
        worded.setdefault(row.id, []).append(row)
    return [(one, worded[one.id]) for one in held.notes]


#: Columns that name an account.
_ACCOUNT_COLUMNS = ("account_id", "assignee_id", "moved_by", "who_id", "ended_by", "done_by")


def _names(connection: Connection, tenant: str, held: _Held) -> Mapping[str, str]:
    """Return what the people are called who did something for a student, by the id of their account."""
    parts = (held.cases, held.moves, held.revisions, held.contacts, held.supports, held.disagreements, held.steps)
    told = {row._mapping[column] for rows in parts for row in rows for column in _ACCOUNT_COLUMNS if column in row._mapping} - {
        None,
        "",
    }
    if not told:
        return {}
    these = (ACCOUNTS.c.tenant_id == tenant) & ACCOUNTS.c.id.in_(sorted(told))
    return {row.id: row.name for row in connection.execute(select(ACCOUNTS.c.id, ACCOUNTS.c.name).where(these))}


def _named(column: ColumnElement[Any], tenant: str) -> ColumnElement[bool]:
    return (ACCOUNTS.c.id == column) & (ACCOUNTS.c.tenant_id == tenant)


def _among(columns: Any, tenant: str, wanted: Collection[str]) -> Iterator[ColumnElement[bool]]:
    """Yield what cuts rows to some students: by their keys, and where they are very many by the tenant alone.

    To hand over thousands of keys takes longer than to read every case that there is; :func:`_only` cuts what is found.
    """
    if len(wanted) > _MOST_KEYS:
        yield columns.tenant_id == tenant
    elif wanted:
        yield (columns.tenant_id == tenant) & columns.student_id.in_(sorted(wanted))


def _only[Found](found: Mapping[str, Found], wanted: Collection[str]) -> Mapping[str, Found]:
    """Return what was found of these students and of nobody else."""
    return {student_id: one for student_id, one in found.items() if student_id in wanted}


def _person(account_id: str, names: Mapping[str, str]) -> Person:
    return Person(account_id, names.get(account_id, ""))


#: What of a case's row is told, in the order of :class:`Case`.
_CASE = (
    CASES.c.student_id, CASES.c.version, CASES.c.round, CASES.c.state, CASES.c.origin, CASES.c.evidence, CASES.c.opened_at,
    CASES.c.first_look_at, CASES.c.moved_at, CASES.c.assignee_id, CASES.c.until, CASES.c.next_review_on, CASES.c.reason,
)  # fmt: skip


def _case(told: Sequence[Any], assignee: str) -> Case:
    """Return a case of its columns. A list has hundreds: to unpack them costs half of what asking for each by name does."""
    student, version, number, state, origin, evidence, opened, looked, moved, who, until, again, reason = told
    return Case(
        student, version, number, state, origin, _evidence(evidence), opened, looked, moved,
        Person(who, assignee) if who else None, until, again, reason,
    )  # fmt: skip


@lru_cache(maxsize=1_000)  # the same few concepts stand in hundreds of cases
def _evidence(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _moved_of(row: Row[Any], names: Mapping[str, str]) -> Moved:
    by = _person(row.account_id, names)
    return Moved(row.at, by, row.action, row.before, row.after, MappingProxyType(json.loads(row.details)))


def _note(one: Row[Any], revisions: Sequence[Row[Any]], names: Mapping[str, str]) -> Note:
    worded = tuple(Revision(row.number, row.follows, row.text, row.at, _person(row.account_id, names)) for row in revisions)
    return Note(one.id, one.restricted, worded)


def _contact(row: Row[Any], names: Mapping[str, str]) -> Contact:
    by = _person(row.account_id, names)
    return Contact(row.id, row.whom, row.channel, row.language, row.contact_on, row.agreed, row.at, by)


def _support(row: Row[Any], by: str) -> Support:
    return Support(
        row.id, row.student_id, row.intervention_id, row.name, row.dose, row.goal, row.begins_on, row.review_on,
        Person(row.account_id, by), row.ended_on, row.result,
    )  # fmt: skip


def _disagreement(row: Row[Any], names: Mapping[str, str]) -> Disagreement:
    return Disagreement(
        row.id, row.kind, row.reason, row.prediction_id, row.model_version, row.correction_id, row.at,
        _person(row.account_id, names),
    )  # fmt: skip


def _step_of(row: Row[Any], names: Mapping[str, str]) -> Step:
    return Step(
        row.id, row.student_id, row.task, row.text, row.due_on, _person(row.who_id, names), _person(row.account_id, names),
        row.at, row.done_at, row.answer,
    )  # fmt: skip


def _plainly(row: Row[Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row's values as JSON has them, people by their names and without what only names the row."""
    found: dict[str, Any] = {}
    for name, value in row._mapping.items():
        if name in ("id", "note_id", "tenant_id", "student_id", "restricted"):
            continue
        if name in _ACCOUNT_COLUMNS:
            found[_SAID_BY[name]] = names.get(value, "") if value else None
        elif name in ("evidence", "details", "prediction_ids"):
            found[name] = json.loads(value)
        else:
            found[name] = value.isoformat() if isinstance(value, date) else value
    return found


_SAID_BY = {"account_id": "by", "assignee_id": "assignee", "moved_by": "moved_by", "who_id": "who", "ended_by": "ended_by",
            "done_by": "done_by"}  # fmt: skip

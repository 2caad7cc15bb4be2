"""Learning plans: what a student wants to learn next, and what they picked of what adults offered.

Any student may have one. The goal is the student's and comes first: before it nothing can be picked. Adults offer, the
student picks or refuses each offer, and agrees to the whole; without that no plan is active, which a constraint of the
table holds too. Whoever changes the goal or the offers afterwards takes the agreement back.

A student writes with an account of their own, beside an adult, whose account then says so, or by a link that opens this
one plan once, for an hour, without an account. Of the link, as of what it opens, only the digest is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, insert, select, update

from features.problems import NotFound, Problem, Refused
from serving.cases import offers, trail
from serving.cases.casebook import LONGEST_AHEAD, LONGEST_LINE, Person
from serving.cases.database import writing
from serving.cases.people import Account
from serving.cases.schema import (
    ACCOUNTS,
    LEARNING_PLAN_LINKS,
    LEARNING_PLAN_OPTIONS,
    LEARNING_PLAN_SESSIONS,
    LEARNING_PLANS,
)

State = Literal["draft", "agreed", "active", "ended"]
STATES: tuple[State, ...] = get_args(State)
#: How a student wrote: with an account of their own, beside an adult with theirs, or by a link.
How = Literal["account", "beside", "link"]
HOWS: tuple[How, ...] = get_args(How)
Choice = Literal["picked", "refused"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
Result = Literal["reached", "partly", "not_reached", "changed_mind", "left"]
RESULTS: tuple[Result, ...] = get_args(Result)

#: How long a link that was not used stays good, and how long what it opened.
LINK_FOR = timedelta(days=7)
LINKED_FOR = timedelta(minutes=60)

#: A plan that offers more than this offers nothing.
MOST_OPTIONS = 20

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LinkedPlan:
    """Somebody who came by a link: the one plan that they may see and write in, as its student.

    ``token`` is for the browser alone and empty when the session was found again; ``csrf`` is what a form sends back.
    """

    tenant: str
    student_id: str
    plan_id: str
    token: str
    csrf: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Option:
    """Something an adult offered. ``choice`` is None until the student picked or refused it."""

    id: str
    text: str
    offered_by: Person
    offered_at: datetime
    choice: Choice | None
    chosen_at: datetime | None
    chosen_how: How | None
    chosen_by: Person | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A learning plan. ``version`` is what an action sends back. Of each part it says who wrote it, when and how.

    Where ``how`` is ``beside``, the person is the adult beside whom the student sat; where it is ``link``, nobody.
    """

    id: str
    student_id: str
    version: int
    state: State
    begun_by: Person
    begun_at: datetime
    goal: str
    goal_by: Person | None
    goal_how: How | None
    goal_at: datetime | None
    options: tuple[Option, ...]
    agreed_at: datetime | None
    agreed_how: How | None
    agreed_by: Person | None
    active_since: datetime | None
    review_on: date | None
    ended_at: datetime | None
    result: Result | None


@dataclass(frozen=True, slots=True)
class Beside:
    """An adult at whose side the student sits and says what is written."""

    account: Account


#: Who speaks for a student: the student's own account, an adult beside them, or whoever came by the link.
Student = Account | Beside | LinkedPlan


def begin_plan(db: Engine, account: Account, student_id: str, now: datetime) -> str:
    """Begin an empty plan and return its id."""
    plan_id = secrets.token_hex(6)
    with writing(db) as connection:
        connection.execute(
            insert(LEARNING_PLANS).values(
                id=plan_id, tenant_id=account.tenant, student_id=student_id, version=1, state="draft", begun_at=now,
                begun_by=account.id,
            )
        )  # fmt: skip
        trail.append(connection, account.tenant, account, "plan_begun", student_id, "", now)
    return plan_id


def write_goal(db: Engine, student: Student, student_id: str, plan_id: str, seen: int, goal: str, now: datetime) -> None:
    """Write the goal, in the student's words. An agreement there was is taken back.

    Raises Refused: ``goal``, ``plan_changed``, ``plan_has_ended``, ``not_the_student``; NotFound where there is no such plan.
    """
    problems: list[Problem] = []
    said = _text(problems, "goal", goal)
    _refuse(problems)
    with writing(db) as connection:
        at = _spoken(connection, student, student_id, plan_id, now)
        row = _ready(at, seen)
        _change(at, row, {"goal": said, "goal_at": now, "goal_by": at.by, "goal_how": at.how, **_NO_LONGER_AGREED})
        at.note("plan_goal_written")


def offer(
    db: Engine, account: Account, student_id: str, plan_id: str, seen: int | None, text: str, now: datetime,
    intervention_id: str = "",
) -> str:  # fmt: skip
    """Offer something to pick, and return the option's id. An agreement there was is taken back.

    ``intervention_id`` names help of the catalogue: what the student says to it is then kept with the offers of help.

    Raises Refused: ``option``, ``options`` (too many), ``plan_changed``, ``plan_has_ended``; NotFound where there is no such
    plan.
    """
    problems: list[Problem] = []
    said = _text(problems, "option", text)
    _refuse(problems)
    option_id = secrets.token_hex(6)
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, "account", student_id, plan_id, now)
        row = _ready(at, seen)
        count = connection.execute(select(func.count()).where(LEARNING_PLAN_OPTIONS.c.plan_id == plan_id)).scalar_one()
        if count >= MOST_OPTIONS:
            _refuse([_problem("options", f"A plan offers at most {MOST_OPTIONS} things", "Begin another plan.")])
        connection.execute(
            insert(LEARNING_PLAN_OPTIONS).values(
                id=option_id, plan_id=plan_id, number=count + 1, text=said, offered_at=now, offered_by=account.id,
                offer_id=offers.put(connection, account, student_id, intervention_id, now) if intervention_id else None,
            )
        )  # fmt: skip
        _change(at, row, _NO_LONGER_AGREED)
        at.note("plan_option_offered")
    return option_id


def choose(
    db: Engine, student: Student, student_id: str, plan_id: str, seen: int, choices: Mapping[str, str], now: datetime
) -> None:
    """Pick or refuse options, by their ids. An agreement there was is taken back where a choice is another than before.

    Raises Refused: ``goal_first`` (nothing can be picked before the goal is written), ``choice`` (none of these options, or
    neither picked nor refused), ``plan_changed``, ``plan_has_ended``, ``not_the_student``; NotFound.
    """
    with writing(db) as connection:
        at = _spoken(connection, student, student_id, plan_id, now)
        row = _ready(at, seen)
        if row.goal is None:
            _refuse([_problem("goal_first", "The goal is not written yet", "Write it first: the rest follows from it.")])
        of_plan = LEARNING_PLAN_OPTIONS.c.plan_id == plan_id
        columns = LEARNING_PLAN_OPTIONS.c.id, LEARNING_PLAN_OPTIONS.c.choice, LEARNING_PLAN_OPTIONS.c.offer_id
        found = connection.execute(select(*columns).where(of_plan)).all()
        before: dict[str, str | None] = {row.id: row.choice for row in found}
        of_help: dict[str, str] = {row.id: row.offer_id for row in found if row.offer_id}
        if not choices or not set(choices) <= set(before) or not set(choices.values()) <= set(CHOICES):
            _refuse([_problem("choice", "Nothing that is offered here was picked or refused", "Choose for each one.")])
        changed = {option: choice for option, choice in sorted(choices.items()) if before[option] != choice}
        for option, choice in changed.items():
            made = {"choice": choice, "chosen_at": now, "chosen_by": at.by, "chosen_how": at.how}
            connection.execute(
                update(LEARNING_PLAN_OPTIONS).where(of_plan & (LEARNING_PLAN_OPTIONS.c.id == option)).values(made)
            )
            if option in of_help:
                said: offers.Answer = "accepted" if choice == "picked" else "refused"
                offers.reply(connection, at.tenant, of_help[option], said, at.by, now)
        if changed:
            _change(at, row, _NO_LONGER_AGREED)
            at.note("plan_options_chosen")


def agree(db: Engine, student: Student, student_id: str, plan_id: str, seen: int, now: datetime) -> None:
    """Agree to the goal and to what was picked.

    Raises Refused: ``goal_first``, ``undecided`` (an option was neither picked nor refused), ``nothing_picked``,
    ``plan_changed``, ``plan_has_ended``, ``not_the_student``; NotFound.
    """
    with writing(db) as connection:
        at = _spoken(connection, student, student_id, plan_id, now)
        row = _ready(at, seen)
        choices = connection.execute(
            select(LEARNING_PLAN_OPTIONS.c.choice).where(LEARNING_PLAN_OPTIONS.c.plan_id == plan_id)
        ).scalars().all()  # fmt: skip
        problems = []
        if row.goal is None:
            problems.append(_problem("goal_first", "The goal is not written yet", "Write it first: the rest follows from it."))
        if None in choices:
            problems.append(_problem("undecided", "Something is neither picked nor refused", "Choose for each one."))
        elif "picked" not in choices:
            problems.append(_problem("nothing_picked", "Nothing is picked", "Pick something, or ask for another offer."))
        _refuse(problems)
        _change(at, row, {"state": "agreed", "agreed_at": now, "agreed_by": at.by, "agreed_how": at.how})
        at.note("plan_agreed")


def withdraw(db: Engine, student: Student, student_id: str, plan_id: str, seen: int, now: datetime) -> None:
    """Take an agreement back, at any time and without a reason; the plan is a draft again.

    Raises Refused: ``not_agreed``, ``plan_changed``, ``plan_has_ended``, ``not_the_student``; NotFound.
    """
    with writing(db) as connection:
        at = _spoken(connection, student, student_id, plan_id, now)
        row = _ready(at, seen)
        _refuse([_NOT_AGREED] if row.agreed_at is None else [])
        _change(at, row, _NO_LONGER_AGREED)
        at.note("plan_agreement_withdrawn")


def activate(
    db: Engine, account: Account, student_id: str, plan_id: str, seen: int, review_on: date | None, today: date, now: datetime
) -> None:
    """Begin to work by a plan that the student agreed to, until a day on which both look at it again.

    Raises Refused: ``review_on``, ``not_agreed``, ``plan_changed``, ``plan_has_ended``; NotFound.
    """
    if review_on is None or not today < review_on <= today + LONGEST_AHEAD:
        hint = f"Choose a day from {today + _DAY} to {today + LONGEST_AHEAD}."
        _refuse([_problem("review_on", "No day was chosen that this can be", hint)])
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, "account", student_id, plan_id, now)
        row = _ready(at, seen)
        _refuse([_NOT_AGREED] if row.state not in ("agreed", "active") else [])
        _change(at, row, {"state": "active", "active_since": row.active_since or now, "review_on": review_on})
        at.note("plan_active")


def end_plan(db: Engine, account: Account, student_id: str, plan_id: str, seen: int, result: str, now: datetime) -> None:
    """End a plan, and every way into it. Raises Refused: ``plan_result``, ``plan_changed``, ``plan_has_ended``; NotFound."""
    if result not in RESULTS:
        _refuse([_problem("plan_result", "None of the answers was chosen", "Choose one.")])
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, "account", student_id, plan_id, now)
        row = _ready(at, seen)
        _change(at, row, {"state": "ended", "ended_at": now, "ended_by": account.id, "result": result})
        _end_links(at)
        at.note("plan_ended")


# -- the link ---------------------------------------------------------------------------------------------------------------


def make_link(db: Engine, account: Account, student_id: str, plan_id: str, now: datetime) -> str:
    """Return a new token that opens the plan once, within seven days. It is shown this once; links before it end.

    Raises Refused: ``plan_has_ended``; NotFound where there is no such plan.
    """
    token = secrets.token_urlsafe(32)
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, "account", student_id, plan_id, now)
        _ready(at, None)
        _end_links(at)
        connection.execute(
            insert(LEARNING_PLAN_LINKS).values(
                digest=_digest(token), plan_id=plan_id, made_by=account.id, made_at=now, expires_at=now + LINK_FOR
            )
        )
        at.note("plan_link_made")
    return token


def end_links(db: Engine, account: Account, student_id: str, plan_id: str, now: datetime) -> None:
    """Let no link open a plan any more, and end what one opened. Raises NotFound where there is no such plan."""
    with writing(db) as connection:
        at = _At(connection, account.tenant, account, "account", student_id, plan_id, now)
        _locked(at)
        _end_links(at)
        at.note("plan_links_ended")


def link_is_good(db: Engine, token: str, now: datetime) -> bool:
    """Return whether a link would open a plan. To ask uses nothing up: programs that look ahead follow links by themselves."""
    if not _TOKEN.fullmatch(token):
        return False
    with db.connect() as connection:
        return connection.execute(select(LEARNING_PLAN_LINKS.c.plan_id).where(_good(token, now))).first() is not None


def open_by_link(db: Engine, token: str, now: datetime) -> LinkedPlan:
    """Use a link up and return the hour with its plan that it opens.

    Raises NotFound, in the same words, for a link that was never made, was used, is too old or was ended.
    """
    gone = NotFound("This link opens nothing: it was used, is older than seven days, or was ended. Ask for a new one.")
    if not _TOKEN.fullmatch(token):
        raise gone
    session, csrf, expires_at = secrets.token_urlsafe(32), secrets.token_urlsafe(32), now + LINKED_FOR
    with writing(db) as connection:
        plan_id = connection.execute(select(LEARNING_PLAN_LINKS.c.plan_id).where(_good(token, now))).scalar()
        # The plan is locked before the link, here and where links end. Of two who use it at once, one finds it used.
        plan = select(LEARNING_PLANS).where(LEARNING_PLANS.c.id == plan_id).with_for_update()
        row = connection.execute(plan).first() if plan_id else None
        used = connection.execute(update(LEARNING_PLAN_LINKS).where(_good(token, now)).values(used_at=now)).rowcount
        if row is None or not used:
            raise gone
        old = (LEARNING_PLAN_SESSIONS.c.plan_id == plan_id) | (LEARNING_PLAN_SESSIONS.c.expires_at <= now)
        connection.execute(delete(LEARNING_PLAN_SESSIONS).where(old))
        connection.execute(
            insert(LEARNING_PLAN_SESSIONS).values(
                digest=_digest(session), plan_id=row.id, csrf=csrf, created_at=now, expires_at=expires_at
            )
        )
        trail.append(connection, row.tenant_id, None, "plan_link_opened", row.student_id, "link", now)
    return LinkedPlan(row.tenant_id, row.student_id, row.id, session, csrf, expires_at)


def leave(db: Engine, plan: LinkedPlan, now: datetime) -> None:
    """End what a link opened, before its hour is over."""
    with writing(db) as connection:
        mine = (LEARNING_PLAN_SESSIONS.c.plan_id == plan.plan_id) & (LEARNING_PLAN_SESSIONS.c.csrf == plan.csrf)
        connection.execute(delete(LEARNING_PLAN_SESSIONS).where(mine))
        trail.append(connection, plan.tenant, None, "plan_link_left", plan.student_id, "link", now)


def linked(db: Engine, token: str, now: datetime) -> LinkedPlan | None:
    """Return the plan that somebody has open by a link, or None where nobody has, any more or at all."""
    if not _TOKEN.fullmatch(token):
        return None
    this = (LEARNING_PLAN_SESSIONS.c.digest == _digest(token)) & (LEARNING_PLAN_SESSIONS.c.expires_at > now)
    asked = select(LEARNING_PLAN_SESSIONS, LEARNING_PLANS.c.tenant_id, LEARNING_PLANS.c.student_id).join(LEARNING_PLANS)
    with db.connect() as connection:
        row = connection.execute(asked.where(this)).first()
    if row is None:
        return None
    return LinkedPlan(row.tenant_id, row.student_id, row.plan_id, "", row.csrf, row.expires_at)


def link_csrf_matches(plan: LinkedPlan, sent: str) -> bool:
    """Return whether what a form sent is this session's own word, in the same time whatever was sent."""
    return hmac.compare_digest(plan.csrf.encode(), sent.encode(errors="replace"))


# -- what pages read --------------------------------------------------------------------------------------------------------


def plans_of(db: Engine, tenant: str, student_id: str) -> tuple[Plan, ...]:
    """Return a student's plans, the newest first."""
    with db.connect() as connection:
        return _plans(connection, tenant, student_id)


def plan_of(db: Engine, tenant: str, student_id: str, plan_id: str) -> Plan:
    """Return one plan of a student. Raises NotFound."""
    found = next((one for one in plans_of(db, tenant, student_id) if one.id == plan_id), None)
    if found is None:
        raise NotFound(_NO_PLAN)
    return found


def export(connection: Connection, tenant: str, student_id: str, *, restricted: bool = False) -> list[Mapping[str, Any]]:
    """Return a student's plans as plain values; days and moments are in ISO 8601. Nothing in them is restricted."""
    return [_plainly(one) for one in _plans(connection, tenant, student_id)]


def erase(connection: Connection, tenant: str, student_id: str) -> int:
    """Delete every plan of a student inside a transaction that writes, and return how many rows that were."""
    of_student = (LEARNING_PLANS.c.tenant_id == tenant) & (LEARNING_PLANS.c.student_id == student_id)
    locked = select(LEARNING_PLANS.c.id).where(of_student).order_by(LEARNING_PLANS.c.id).with_for_update()
    theirs = connection.execute(locked).scalars().all()
    erased = 0
    for table in (LEARNING_PLAN_SESSIONS, LEARNING_PLAN_LINKS, LEARNING_PLAN_OPTIONS):
        erased += connection.execute(delete(table).where(table.c.plan_id.in_(theirs))).rowcount
    return int(erased + connection.execute(delete(LEARNING_PLANS).where(of_student)).rowcount)


# -- steps of an action -------------------------------------------------------------------------------------------------------

_NO_PLAN = "There is no such plan."
_NOT_CHANGED = "The plan was not changed"
_NO_LONGER_AGREED: Mapping[str, Any] = {
    "state": "draft", "agreed_at": None, "agreed_by": None, "agreed_how": None, "active_since": None,
}  # fmt: skip


def _problem(code: str, problem: str, hint: str) -> Problem:
    return Problem(code, code.replace("_", " "), problem, hint)


_NOT_AGREED = _problem("not_agreed", "The student has not agreed to this plan", "Ask the student.")
_CHANGED = _problem("plan_changed", "Somebody changed the plan meanwhile", "Look at what changed, then do it again.")


def _refuse(problems: Iterable[Problem]) -> None:
    if found := list(problems):
        raise Refused(found, _NOT_CHANGED)


@dataclass(frozen=True, slots=True)
class _At:
    """The transaction that an action runs in, on which plan, by whom and how."""

    connection: Connection
    tenant: str
    account: Account | None
    how: How
    student_id: str
    plan_id: str
    now: datetime

    @property
    def by(self) -> str:
        return self.account.id if self.account else ""

    def note(self, action: str) -> None:
        """Write the line of the trail, the last thing of the transaction."""
        trail.append(self.connection, self.tenant, self.account, action, self.student_id, self.how, self.now)


def _spoken(connection: Connection, student: Student, student_id: str, plan_id: str, now: datetime) -> _At:
    """Return who speaks for a student, and refuse whoever is neither the student nor beside them."""
    if isinstance(student, LinkedPlan):
        if (student.student_id, student.plan_id) != (student_id, plan_id):
            raise NotFound(_NO_PLAN)
        return _At(connection, student.tenant, None, "link", student_id, plan_id, now)
    if isinstance(student, Beside):
        if student.account.role == "student":
            _refuse([_NOT_THE_STUDENT])
        return _At(connection, student.account.tenant, student.account, "beside", student_id, plan_id, now)
    if student.role != "student" or student.person_id != student_id:
        _refuse([_NOT_THE_STUDENT])
    return _At(connection, student.tenant, student, "account", student_id, plan_id, now)


_NOT_THE_STUDENT = _problem("not_the_student", "Only the student can say this", "Sit down beside them, and say so.")


def _locked(at: _At) -> Row[Any]:
    this = (LEARNING_PLANS.c.tenant_id == at.tenant) & (LEARNING_PLANS.c.student_id == at.student_id)
    asked = select(LEARNING_PLANS).where(this & (LEARNING_PLANS.c.id == at.plan_id)).with_for_update()
    row = at.connection.execute(asked).first()
    if row is None:
        raise NotFound(_NO_PLAN)
    return row


def _ready(at: _At, seen: int | None) -> Row[Any]:
    """Return the plan's row, locked, as it was seen. None sees whatever there is."""
    row = _locked(at)
    _refuse([_CHANGED] if seen is not None and row.version != seen else [])
    if row.state == "ended":
        _refuse([_problem("plan_has_ended", "The plan has ended", "Begin another one.")])
    return row


def _change(at: _At, row: Row[Any], values: Mapping[str, Any]) -> None:
    changed = {"version": row.version + 1, **values}
    at.connection.execute(update(LEARNING_PLANS).where(LEARNING_PLANS.c.id == row.id).values(changed))


def _end_links(at: _At) -> None:
    unused = (LEARNING_PLAN_LINKS.c.plan_id == at.plan_id) & LEARNING_PLAN_LINKS.c.used_at.is_(None)
    unused &= LEARNING_PLAN_LINKS.c.revoked_at.is_(None)
    at.connection.execute(update(LEARNING_PLAN_LINKS).where(unused).values(revoked_at=at.now))
    at.connection.execute(delete(LEARNING_PLAN_SESSIONS).where(LEARNING_PLAN_SESSIONS.c.plan_id == at.plan_id))


def _good(token: str, now: datetime) -> ColumnElement[bool]:
    unused = LEARNING_PLAN_LINKS.c.used_at.is_(None) & LEARNING_PLAN_LINKS.c.revoked_at.is_(None)
    return (LEARNING_PLAN_LINKS.c.digest == _digest(token)) & unused & (LEARNING_PLAN_LINKS.c.expires_at > now)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _text(problems: list[Problem], code: str, said: str) -> str:
    text = said.strip()
    if not text:
        problems.append(_problem(code, "Nothing was written here", "Write it."))
    elif len(text) > LONGEST_LINE:
        problems.append(_problem(code, f"It is longer than {LONGEST_LINE:,} characters", "Shorten it."))
    elif "\0" in text:
        problems.append(_problem(code, "It holds a sign that cannot be kept", "Type it again."))
    return text


# -- rows as values -----------------------------------------------------------------------------------------------------------


def _plans(connection: Connection, tenant: str, student_id: str) -> tuple[Plan, ...]:
    of_student = (LEARNING_PLANS.c.tenant_id == tenant) & (LEARNING_PLANS.c.student_id == student_id)
    newest = LEARNING_PLANS.c.begun_at.desc(), LEARNING_PLANS.c.id
    rows = connection.execute(select(LEARNING_PLANS).where(of_student).order_by(*newest)).all()
    if not rows:
        return ()
    of_plans = LEARNING_PLAN_OPTIONS.c.plan_id.in_([row.id for row in rows])
    asked = select(LEARNING_PLAN_OPTIONS).where(of_plans).order_by(LEARNING_PLAN_OPTIONS.c.number)
    options = connection.execute(asked).all()
    told = {one for row in rows for one in (row.begun_by, row.goal_by, row.agreed_by)}
    told |= {one for row in options for one in (row.offered_by, row.chosen_by)}
    these = (ACCOUNTS.c.tenant_id == tenant) & ACCOUNTS.c.id.in_(sorted(told - {None, ""}))
    names = {row.id: row.name for row in connection.execute(select(ACCOUNTS.c.id, ACCOUNTS.c.name).where(these))}

    def person(account_id: str | None) -> Person | None:
        return Person(account_id, names.get(account_id, "")) if account_id else None

    def option(row: Row[Any]) -> Option:
        return Option(
            row.id, row.text, Person(row.offered_by, names.get(row.offered_by, "")), row.offered_at, row.choice, row.chosen_at,
            row.chosen_how, person(row.chosen_by),
        )  # fmt: skip

    return tuple(
        Plan(
            row.id, row.student_id, row.version, row.state, Person(row.begun_by, names.get(row.begun_by, "")), row.begun_at,
            row.goal or "", person(row.goal_by), row.goal_how, row.goal_at,
            tuple(option(one) for one in options if one.plan_id == row.id),
            row.agreed_at, row.agreed_how, person(row.agreed_by), row.active_since, row.review_on, row.ended_at, row.result,
        )
        for row in rows
    )  # fmt: skip


def _plainly(plan: Plan) -> Mapping[str, Any]:
    def value(one: Any) -> Any:
        return one.isoformat() if isinstance(one, date) else one.name if isinstance(one, Person) else one

    names = [name for name in Plan.__slots__ if name not in ("id", "student_id", "version", "options")]
    offered = [name for name in Option.__slots__ if name != "id"]
    options = [{name: value(getattr(one, name)) for name in offered} for one in plan.options]
    return {**{name: value(getattr(plan, name)) for name in names}, "options": options}

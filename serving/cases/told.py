"""What people said of help after they were asked: what stands in a student's way, and which help was agreed to.

No record shows it, and nothing infers it: health, the way to school, things at home. A barrier is told to a counselor and
decides which help is looked for; a consent opens help that needs one. Both hold until they are taken back, and neither is
ever an input of a model. A concern for a child's safety is none of these: it leaves by its own path and is not kept here.

:func:`helped` is what the database knows of help by student, which :mod:`serving.offers` lays beside the records.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Engine, Table, insert, select, update

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.people import Account
from serving.cases.schema import ACCOUNTS, CASE_SUPPORTS, OFFERS, TOLD

Kind = Literal["barrier", "consent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: What can stand in somebody's way that only people can name.
Barrier = Literal["transport", "health", "family", "belonging", "wellbeing", "advising"]
BARRIERS: tuple[Barrier, ...] = get_args(Barrier)

#: Who said it.
By = Literal["student", "family"]
BYS: tuple[By, ...] = get_args(By)

#: Help that was accepted counts as running for so long, unless it was ended before: somebody forgot to say so.
ACCEPTED_FOR = timedelta(days=366)

_LONGEST = 200
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was said. ``what`` is one of :data:`BARRIERS`, or the key of the help that was agreed to."""

    id: str
    kind: Kind
    what: str
    told_by: By
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Helped:
    """What the database knows of one student's help.

    ``running`` runs now, ``tried`` ended or was refused on a day, ``consents`` was agreed to, ``barriers`` stands in the way.
    """

    running: frozenset[str] = frozenset()
    tried: Mapping[str, date] = field(default_factory=dict)
    consents: frozenset[str] = frozenset()
    barriers: frozenset[str] = frozenset()


NOTHING = Helped()


def tell(
    db: Engine, account: Account, student_id: str, kind: str, what: str, told_by: str, now: datetime, known: Collection[str]
) -> str:
    """Write down what was said, and return its id; what stands already is written once.

    Args:
        db: the database.
        account: who writes it down.
        student_id: of whom.
        kind: one of :data:`KINDS`.
        what: one of :data:`BARRIERS`, or of a consent the key of help.
        told_by: one of :data:`BYS`.
        now: the moment.
        known: the keys of help that consent can be given to.

    Raises:
        Refused: ``told_kind``, ``told_what``, ``told_by``.

    """
    problems = []
    if kind not in KINDS:
        problems.append(_problem("told_kind", "This is nothing that can be said here", f"One of: {', '.join(KINDS)}."))
    if what not in (BARRIERS if kind == "barrier" else known) or len(what) > _LONGEST:
        problems.append(_problem("told_what", "It is not said what", "Choose it from the list."))
    if told_by not in BYS:
        problems.append(_problem("told_by", "It is not said who said it", f"One of: {', '.join(BYS)}."))
    _refuse(problems)
    told_id = secrets.token_hex(6)
    with writing(db) as connection:
        same = _of(TOLD, account.tenant, student_id) & TOLD.c.ended_at.is_(None) & (TOLD.c.kind == kind) & (TOLD.c.what == what)
        found = connection.execute(select(TOLD.c.id).where(same)).scalar()
        if found is not None:
            return str(found)
        row = {"id": told_id, "tenant_id": account.tenant, "student_id": student_id, "kind": kind, "what": what,
               "told_by": told_by, "at": now, "account_id": account.id}  # fmt: skip
        connection.execute(insert(TOLD).values(row))
        trail.append(connection, account.tenant, account, f"{kind}_told", student_id, "", now)
    return told_id


def take_back(db: Engine, account: Account, student_id: str, told_id: str, now: datetime) -> None:
    """Note that something does not hold any more. Raises NotFound where nothing of the kind stands."""
    mine = _of(TOLD, account.tenant, student_id) & (TOLD.c.id == told_id) & TOLD.c.ended_at.is_(None)
    with writing(db) as connection:
        kind = connection.execute(select(TOLD.c.kind).where(mine)).scalar()
        if kind is None:
            raise NotFound("Nothing of this kind stands any more.")
        connection.execute(update(TOLD).where(mine).values(ended_at=now, ended_by=account.id))
        trail.append(connection, account.tenant, account, f"{kind}_ended", student_id, "", now)


def of(db: Engine, tenant: str, student_id: str) -> tuple[Told, ...]:
    """Return what was said of a student and holds, the newest first."""
    mine = _of(TOLD, tenant, student_id) & TOLD.c.ended_at.is_(None)
    named = TOLD.outerjoin(ACCOUNTS, (ACCOUNTS.c.id == TOLD.c.account_id) & (ACCOUNTS.c.tenant_id == tenant))
    asked = select(TOLD, ACCOUNTS.c.name).select_from(named).where(mine).order_by(TOLD.c.at.desc(), TOLD.c.kind, TOLD.c.what)
    with db.connect() as connection:
        return tuple(
            Told(row.id, row.kind, row.what, row.told_by, row.at, row.name or "") for row in connection.execute(asked)
        )


def helped(db: Engine, tenant: str, today: date, student_ids: Sequence[str] | None = None) -> Mapping[str, Helped]:
    """Return what the database knows of help, by student; of some, or of everybody of whom it knows anything.

    Args:
        db: the database.
        tenant: whose students they are.
        today: the day from which it is looked at: what was accepted long before is taken to be over.
        student_ids: of whom; None for everybody.

    """
    running: dict[str, set[str]] = {}
    tried: dict[str, dict[str, date]] = {}
    said: dict[str, dict[str, set[str]]] = {}
    accepted: list[tuple[str, str, date]] = []
    with db.connect() as connection:
        for these in _among(CASE_SUPPORTS, tenant, student_ids):
            supports = select(CASE_SUPPORTS.c.student_id, CASE_SUPPORTS.c.intervention_id, CASE_SUPPORTS.c.ended_on)
            for who, key, ended_on in connection.execute(supports.where(these, CASE_SUPPORTS.c.intervention_id != "")):
                if ended_on is None:
                    running.setdefault(who, set()).add(key)
                else:
                    _later(tried.setdefault(who, {}), key, ended_on)
        for these in _among(OFFERS, tenant, student_ids):
            offered = select(OFFERS.c.student_id, OFFERS.c.intervention_id, OFFERS.c.answer, OFFERS.c.answered_at)
            for who, key, answer, at in connection.execute(offered.where(these, OFFERS.c.answer.is_not(None))):
                if answer == "refused":
                    _later(tried.setdefault(who, {}), key, at.date())
                elif answer == "accepted":
                    accepted.append((who, key, at.date()))
        for these in _among(TOLD, tenant, student_ids):
            heard = select(TOLD.c.student_id, TOLD.c.kind, TOLD.c.what)
            for who, kind, what in connection.execute(heard.where(these, TOLD.c.ended_at.is_(None))):
                said.setdefault(who, {}).setdefault(kind, set()).add(what)
    for who, key, on in accepted:
        ended = tried.get(who, {}).get(key)
        if (ended is None or ended < on) and today - on <= ACCEPTED_FOR:
            running.setdefault(who, set()).add(key)
    everybody = {*running, *tried, *said}
    return MappingProxyType({
        who: Helped(frozenset(running.get(who, ())), tried.get(who, {}), frozenset(said.get(who, {}).get("consent", ())),
                    frozenset(said.get(who, {}).get("barrier", ())))
        for who in sorted(everybody)
    })  # fmt: skip


def export(connection: Connection, tenant: str, student_id: str, *, barriers: bool) -> list[dict[str, Any]]:
    """Return what was said of a student as plain values; ``barriers`` says that the reader may have these too."""
    left_out = {"tenant_id", "student_id", "account_id", "ended_by"}
    columns = [column for column in TOLD.c if column.name not in left_out]
    mine = _of(TOLD, tenant, student_id)
    mine &= TOLD.c.kind.in_(KINDS if barriers else ("consent",))
    ordered = TOLD.c.at, TOLD.c.kind, TOLD.c.what, TOLD.c.id
    return [dict(row) for row in connection.execute(select(*columns).where(mine).order_by(*ordered)).mappings()]


def _later(found: dict[str, date], key: str, on: date) -> None:
    found[key] = max(on, found.get(key, on))


def _of(table: Table, tenant: str, student_id: str) -> ColumnElement[bool]:
    return (table.c.tenant_id == tenant) & (table.c.student_id == student_id)


def _among(table: Table, tenant: str, student_ids: Sequence[str] | None) -> Iterator[ColumnElement[bool]]:
    """Yield what asks a table for some students, so many at once as every database takes; for everybody where None."""
    if student_ids is None:
        yield table.c.tenant_id == tenant
        return
    for at in range(0, len(student_ids), _AT_ONCE):
        yield (table.c.tenant_id == tenant) & table.c.student_id.in_(student_ids[at : at + _AT_ONCE])


def _problem(code: str, problem: str, hint: str) -> Problem:
    return Problem(code, code.replace("_", " "), problem, hint)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems, "It was not written down")

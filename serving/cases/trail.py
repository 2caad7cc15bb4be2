"""The trail: who saw which student, who did what, when and why. It is only ever added to.

Every row's digest covers the row and the digest before it, tenant by tenant, so that a row that was changed, left out
or put in is found by :func:`verify`; triggers refuse UPDATE and DELETE in the first place. Somebody who may rewrite
the whole database could still write a whole new trail: a :class:`Head` that was noted elsewhere shows that as well.

A student stands in it under a pseudonym, made with a random key of that student's own. To destroy the key
(:func:`unlink`) is to make it impossible to tell whose rows those are, while the chain stays whole. Nothing that a
person wrote freely goes into a row, for it could not be erased again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from serving.cases.database import writing
from serving.cases.schema import ACCOUNTS, TRAIL, TRAIL_HEADS, TRAIL_KEYS

if TYPE_CHECKING:  # people write to the trail, and would import it while it imports them
    from serving.cases.people import Account

#: What the first row of a trail follows.
_BEGINNING = "0" * 64

_ACTION = re.compile(r"[a-z][a-z_]{0,39}")
_MOST_WHY = 200
_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Viewing:
    """One thing that somebody did with a student's record. ``name`` is empty when the account was erased since."""

    at: datetime
    account_id: str
    name: str
    role: str
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a trail ends: how many rows it has, and the last one's digest. Worth noting outside the database."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place at which a trail is not what was written."""

    number: int
    problem: str


def record(
    db: Engine, tenant: str, account: Account | None, action: str, student_id: str | None, why: str, now: datetime
) -> int:
    """Add a row and return its number, from 1 on. ``account`` is ``None`` for what was done on the command line.

    ``why`` is a short word of ours, such as the rule that let somebody in, never what a person wrote.
    """
    with writing(db) as connection:
        return append(connection, tenant, account, action, student_id, why, now)


def record_all(
    db: Engine, tenant: str, account: Account | None, action: str, student_ids: Iterable[str], why: str, now: datetime
) -> int:
    """Add a row for each of a page's students and return the last one's number: one transaction, however many they are."""
    with writing(db) as connection:
        return append_all(connection, tenant, account, [(action, student_id, why) for student_id in student_ids], now)


def append(
    connection: Connection, tenant: str, account: Account | None, action: str, student_id: str | None, why: str, now: datetime
) -> int:
    """Add a row inside a transaction of :func:`serving.cases.database.writing`, so that an act and its row are one.

    Call it last. It locks the end of the trail until the transaction is over; whoever locked something else
    afterwards could wait for somebody who waits for them.
    """
    return append_all(connection, tenant, account, [(action, student_id, why)], now)


def append_all(
    connection: Connection, tenant: str, account: Account | None, acts: Sequence[tuple[str, str | None, str]], now: datetime
) -> int:
    """Do the same with a row for each of several acts, told as action, student and reason: the end is locked once for all."""
    for action, _, why in acts:
        assert _ACTION.fullmatch(action), "an action is a short word in small letters"
        assert len(why) <= _MOST_WHY, "a reason in the trail is a short word"
    last = _lock_head(connection, tenant)
    if not acts:
        return last.number
    keys = _keys_for(connection, tenant, {student_id for _, student_id, _ in acts if student_id is not None})
    rows = []
    for action, student_id, why in acts:
        row: dict[str, object] = {
            "tenant_id": tenant,
            "number": last.number + 1,
            "at": now.astimezone(UTC),
            "account_id": account.id if account else "",
            "role": account.role if account else "",
            "action": action,
            "student": "" if student_id is None else _pseudonym(tenant, student_id, keys[student_id]),
            "why": why,
        }
        last = Head(last.number + 1, _digest(last.digest, row))
        rows.append({**row, "digest": last.digest})
    connection.execute(insert(TRAIL), rows)
    this = TRAIL_HEADS.c.tenant_id == tenant
    connection.execute(update(TRAIL_HEADS).where(this).values(number=last.number, digest=last.digest))
    return last.number


def who_viewed(db: Engine, tenant: str, student_id: str) -> tuple[Viewing, ...]:
    """Return everything that was recorded about a student, the newest first."""
    with db.connect() as connection:
        key = _key_of(connection, tenant, student_id)
        if key is None:
            return ()
        of_student = (TRAIL.c.tenant_id == tenant) & (TRAIL.c.student == _pseudonym(tenant, student_id, key))
        account = (ACCOUNTS.c.id == TRAIL.c.account_id) & (ACCOUNTS.c.tenant_id == tenant)
        found = connection.execute(
            select(TRAIL, ACCOUNTS.c.name).outerjoin(ACCOUNTS, account).where(of_student).order_by(TRAIL.c.number.desc())
        ).mappings()
        return tuple(
            Viewing(row["at"], row["account_id"], row["name"] or "", row["role"], row["action"], row["why"]) for row in found
        )


def actions_of(db: Engine, account: Account, actions: Iterable[str]) -> frozenset[str]:
    """Return which of some actions an account has ever done."""
    mine = (TRAIL.c.tenant_id == account.tenant) & (TRAIL.c.account_id == account.id)
    with db.connect() as connection:
        return frozenset(
            one
            for one in actions
            if connection.execute(select(TRAIL.c.number).where(mine & (TRAIL.c.action == one)).limit(1)).first()
        )


def head(db: Engine, tenant: str) -> Head:
    """Return where the trail ends now. One that nobody has written to has no rows."""
    with db.connect() as connection:
        return _head(connection, tenant)


def verify(db: Engine, tenant: str, known: Head | None = None) -> Broken | None:
    """Return the first place at which the trail is not what was written, or ``None`` when it is whole.

    ``known`` is a head that was noted before, outside the database: the trail must still pass through it. Reads every
    row once.
    """
    last = Head(0, _BEGINNING)
    with db.connect() as connection:
        end = _head(connection, tenant)
        # Rows that are written meanwhile come after the end that was read, and are left to the next time.
        asked = select(TRAIL).where((TRAIL.c.tenant_id == tenant) & (TRAIL.c.number <= end.number)).order_by(TRAIL.c.number)
        for row in connection.execute(asked, execution_options={"yield_per": _ROWS_AT_ONCE}).mappings():
            problem = _problem(last, row, known)
            if problem:
                return Broken(last.number + 1, problem)
            last = Head(row["number"], row["digest"])
        of_tenant = TRAIL.c.tenant_id == tenant
        after = connection.execute(select(func.min(TRAIL.c.number)).where(of_tenant & (TRAIL.c.number > end.number))).scalar()
        if after is not None and _head(connection, tenant) == end:
            return Broken(after, "this row was put in")
    if last != end or (known and known.number > last.number):
        return Broken(last.number + 1, "the trail's end is missing")
    return None


def _problem(last: Head, row: RowMapping, known: Head | None) -> str:
    """Return what is wrong with a row that should follow the last one, nothing if it does."""
    if row["number"] != last.number + 1:
        return "this row is missing"
    if not hmac.compare_digest(row["digest"], _digest(last.digest, row)):
        return "this row was changed, or the one before it"
    if known and known.number == row["number"] and known.digest != row["digest"]:
        return "the trail was written anew up to here"
    return ""


def unlink(connection: Connection, tenant: str, student_id: str) -> bool:
    """Destroy the key of a student's pseudonym, in the transaction that erases the student; return whether there was one.

    From then on nobody can tell whose rows those are; rows written later for the same student get a new key. Call
    :func:`serving.cases.database.leave_no_traces` once the transaction is over: until then the file still has the key.
    """
    return connection.execute(delete(TRAIL_KEYS).where(_is_key(tenant, student_id))).rowcount > 0


def _lock_head(connection: Connection, tenant: str) -> Head:
    """Return where the trail ends, and keep everybody else from adding to it until the transaction is over."""
    # SQLite holds its one write lock already; PostgreSQL locks the row, which has to be there.
    new = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    connection.execute(new(TRAIL_HEADS).values(tenant_id=tenant, number=0, digest=_BEGINNING).on_conflict_do_nothing())
    row = connection.execute(
        select(TRAIL_HEADS.c.number, TRAIL_HEADS.c.digest).where(TRAIL_HEADS.c.tenant_id == tenant).with_for_update()
    ).one()
    return Head(row.number, row.digest)


def _head(connection: Connection, tenant: str) -> Head:
    row = connection.execute(
        select(TRAIL_HEADS.c.number, TRAIL_HEADS.c.digest).where(TRAIL_HEADS.c.tenant_id == tenant)
    ).first()
    return Head(row.number, row.digest) if row else Head(0, _BEGINNING)


def _is_key(tenant: str, student_id: str) -> ColumnElement[bool]:
    return (TRAIL_KEYS.c.tenant_id == tenant) & (TRAIL_KEYS.c.student_id == student_id)


def _key_of(connection: Connection, tenant: str, student_id: str) -> str | None:
    return connection.execute(select(TRAIL_KEYS.c.key).where(_is_key(tenant, student_id))).scalar()


def _keys_for(connection: Connection, tenant: str, student_ids: Set[str]) -> dict[str, str]:
    """Return the keys of students' pseudonyms, made when they are first needed. The head is locked: nobody else makes one."""
    wanted, keys = sorted(student_ids), dict[str, str]()
    columns = TRAIL_KEYS.c.student_id, TRAIL_KEYS.c.key
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        some = TRAIL_KEYS.c.student_id.in_(wanted[start : start + _ROWS_AT_ONCE])
        found = connection.execute(select(*columns).where((TRAIL_KEYS.c.tenant_id == tenant) & some))
        keys.update((row.student_id, row.key) for row in found)
    new = {student_id: secrets.token_hex(32) for student_id in wanted if student_id not in keys}
    if new:
        rows = [{"tenant_id": tenant, "student_id": student_id, "key": key} for student_id, key in new.items()]
        connection.execute(insert(TRAIL_KEYS), rows)
    return keys | new


def _pseudonym(tenant: str, student_id: str, key: str) -> str:
    return hmac.new(bytes.fromhex(key), f"{tenant}\n{student_id}".encode(), hashlib.sha256).hexdigest()


def _digest(before: str, row: Mapping[Any, Any]) -> str:
    """Return the digest of a row and of everything before it. A list in JSON tells fields apart, whatever is in them."""
    at = row["at"]
    assert isinstance(at, datetime)
    fields = [row[name] for name in ("tenant_id", "number", "account_id", "role", "action", "student", "why")]
    covered = json.dumps([before, at.astimezone(UTC).isoformat(timespec="microseconds"), *fields], separators=(",", ":"))
    return hashlib.sha256(covered.encode()).hexdigest()

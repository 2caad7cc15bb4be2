"""What the database holds of students who were erased: nothing of theirs, and a tombstone by which they stay out.

Every table that has a ``student_id`` is emptied of the student's rows, today's tables and later ones; what hangs on them
by another key is the business of the rooms in :data:`ERASED_BY`. The trail keeps its rows, of which nobody can tell any
longer whose they are, because the key of their pseudonym is destroyed with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime
from importlib import import_module
from importlib.util import find_spec

from sqlalchemy import Connection, delete, insert, select

from features.problems import NotFound
from serving.cases import trail
from serving.cases.database import Database, leave_no_traces, writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import ACCOUNTS, ERASURES, METADATA, TOMBSTONES, TRAIL_KEYS

Erase = Callable[[Connection, str, str], object]

#: The rooms that hold rows of a student under another key than the student's own, each with a function
#: ``erase(connection, tenant, student_id)``. They are asked first, in this order.
ERASED_BY: tuple[str, ...] = ("serving.cases.plans", "serving.cases.lessons", "serving.cases.casebook")


def tombstones(db: Database, tenant: str) -> frozenset[str]:
    """Return what is left of the students of a tenant who were erased, or whose erasure was begun."""
    with db.connect() as connection:
        asked = select(TOMBSTONES.c.digest).where(TOMBSTONES.c.tenant_id == tenant)
        return frozenset(connection.execute(asked).scalars())


def begun(db: Database, tenant: str) -> tuple[str, ...]:
    """Return the students whose erasure was begun and did not end."""
    with db.connect() as connection:
        asked = select(ERASURES.c.student_id).where(ERASURES.c.tenant_id == tenant).order_by(ERASURES.c.begun_at)
        return tuple(connection.execute(asked).scalars())


def begin(db: Database, tenant: str, student_id: str, digests: Iterable[str], now: datetime, today: date) -> None:
    """Keep the student out from now on, and remember that the rest is still to be done."""
    create_tenant(db, tenant)
    with writing(db) as connection:
        known = set(connection.execute(select(TOMBSTONES.c.digest).where(TOMBSTONES.c.tenant_id == tenant)).scalars())
        rows = [{"tenant_id": tenant, "digest": one, "erased_on": today} for one in sorted(set(digests) - known)]
        if rows:
            connection.execute(insert(TOMBSTONES), rows)
        mine = (ERASURES.c.tenant_id == tenant) & (ERASURES.c.student_id == student_id)
        if connection.execute(select(ERASURES.c.student_id).where(mine)).first() is None:
            connection.execute(insert(ERASURES).values(tenant_id=tenant, student_id=student_id, begun_at=now))


def erase_rows(
    db: Database, tenant: str, student_id: str, guardians: Collection[str], now: datetime, *, by: Account | None
) -> tuple[int, bool]:
    """Delete everything that the database holds of a student, in one transaction, and then its traces in the files.

    Args:
        db: the database.
        tenant: whose student it is.
        student_id: the student's key.
        guardians: keys of persons who are guardians of this student and of nobody else: their accounts go too.
        now: the moment.
        by: who does it, ``None`` for the command line.

    Returns:
        how many accounts went, and whether nothing is left in the database's files (see
        :func:`serving.cases.database.leave_no_traces`).

    Raises:
        NotFound: a room that must be asked has no ``erase``: better to stop than to leave its rows behind.

    """
    with writing(db) as connection:
        for room in ERASED_BY:
            if find_spec(room) is not None:
                erase: Erase | None = getattr(import_module(room), "erase", None)
                if erase is None:
                    raise NotFound(f"{room} does not say how a student is erased from it.")
                erase(connection, tenant, student_id)
        for table in reversed(METADATA.sorted_tables):
            if table.name != TRAIL_KEYS.name and {"tenant_id", "student_id"} <= set(table.c.keys()):
                connection.execute(delete(table).where((table.c.tenant_id == tenant) & (table.c.student_id == student_id)))
        people = {("student", student_id), *(("guardian", one) for one in guardians)}
        rows = connection.execute(
            select(ACCOUNTS.c.id, ACCOUNTS.c.role, ACCOUNTS.c.person_id).where(
                (ACCOUNTS.c.tenant_id == tenant) & ACCOUNTS.c.person_id.in_([one for _, one in people])
            )
        )
        gone = [account for account, role, person in rows if (role, person) in people]
        for table in reversed(METADATA.sorted_tables):  # what is signed in with them, and what lets them in
            if gone and any(key.column is ACCOUNTS.c.id and key.parent.name == "account_id" for key in table.foreign_keys):
                connection.execute(delete(table).where(table.c.account_id.in_(gone)))
        if gone:
            connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id.in_(gone)))
        trail.unlink(connection, tenant, student_id)
        trail.append(connection, tenant, by, "student_erased", None, "", now)
    return len(gone), leave_no_traces(db)

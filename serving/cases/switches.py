"""The switch: no scores of a school, or of nobody at all, and every case goes on.

To stop a school is to stop all that lies below it. Nothing is deleted: whoever computes or shows scores asks
:func:`stopped` first, a server every few seconds, so that a stop holds within a minute. A model is taken out of use by
another command, ``homeroom stop``, which is about one target everywhere.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, insert, select, update

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import SCORING_STOPS

_MOST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Stop:
    """Scoring that is stopped: where (``None``: everywhere), why, since when and by which account (empty: command line)."""

    organisation_id: str | None
    reason: str
    stopped_at: datetime
    stopped_by: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where scoring is stopped: ``everywhere``, or at these ``organisations`` and all below them."""

    everywhere: bool = False
    organisations: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.organisations)


def stop(db: Engine, tenant: str, account: Account | None, organisation_id: str | None, reason: str, now: datetime) -> Stop:
    """Stop scoring and hide scores, at an organisation and all below it or, with ``None``, everywhere.

    What is stopped already stays as it is. Raises :class:`Refused` without a reason: people will ask for it.
    """
    reason = reason.strip()
    if not reason or len(reason) > _MOST_REASON:
        raise Refused(
            [Problem("stop_reason", "reason", f"it takes a reason of at most {_MOST_REASON:,} characters",
                     "Say why in a sentence: everybody who works with the list will ask.")],
            "Scoring was not stopped",
        )  # fmt: skip
    create_tenant(db, tenant)
    with writing(db) as connection:
        found = _standing(connection, tenant, organisation_id)
        if found is not None:
            return _stop(found)
        row = {"id": secrets.token_hex(6), "tenant_id": tenant, "organisation_id": organisation_id, "reason": reason,
               "stopped_at": now, "stopped_by": account.id if account else ""}  # fmt: skip
        connection.execute(insert(SCORING_STOPS).values(**row))
        trail.append(connection, tenant, account, "scoring_stopped", None, _where(organisation_id), now)
    return Stop(organisation_id, reason, now, account.id if account else "")


def start(db: Engine, tenant: str, account: Account | None, organisation_id: str | None, now: datetime) -> None:
    """Let scoring go on where it was stopped; raise :class:`NotFound` where it was not.

    A school that is stopped by itself stays so when everywhere is started again.
    """
    with writing(db) as connection:
        if _standing(connection, tenant, organisation_id) is None:
            raise NotFound("Scoring is not stopped there.")
        done = {"started_at": now, "started_by": account.id if account else ""}
        connection.execute(update(SCORING_STOPS).where(_stands(tenant, organisation_id)).values(done))
        trail.append(connection, tenant, account, "scoring_started", None, _where(organisation_id), now)


def stops(db: Engine, tenant: str) -> tuple[Stop, ...]:
    """Return every stop that is in force, the oldest first."""
    with db.connect() as connection:
        standing = (SCORING_STOPS.c.tenant_id == tenant) & SCORING_STOPS.c.started_at.is_(None)
        rows = connection.execute(select(SCORING_STOPS).where(standing).order_by(SCORING_STOPS.c.stopped_at)).mappings()
        return tuple(map(_stop, rows))


def stopped(db: Engine, tenant: str) -> Stopped:
    """Return where scoring is stopped now. Cheap enough to be asked with every page."""
    where = [one.organisation_id for one in stops(db, tenant)]
    return Stopped(None in where, frozenset(one for one in where if one is not None))


def _standing(connection: Connection, tenant: str, organisation_id: str | None) -> RowMapping | None:
    asked = select(SCORING_STOPS).where(_stands(tenant, organisation_id)).with_for_update()
    return connection.execute(asked).mappings().first()


def _stands(tenant: str, organisation_id: str | None) -> ColumnElement[bool]:
    column = SCORING_STOPS.c.organisation_id
    there = column.is_(None) if organisation_id is None else column == organisation_id
    return (SCORING_STOPS.c.tenant_id == tenant) & there & SCORING_STOPS.c.started_at.is_(None)


def _stop(row: RowMapping) -> Stop:
    return Stop(row["organisation_id"], row["reason"], row["stopped_at"], row["stopped_by"])


def _where(organisation_id: str | None) -> str:
    return "everywhere" if organisation_id is None else f"organisation {organisation_id}"[:200]

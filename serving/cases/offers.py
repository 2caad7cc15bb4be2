"""Offers of support: who could have been offered a place, who was, what they said, what they were given, what came of it.

A row is one student and one support in one draw, **whether or not a place was offered**: without those who were not offered
one nobody could ever say whether it helped. The probability is that with which the place would have been offered, recorded
with the draw and never changed. A refusal is an answer like any other and is never held against anybody.

Rows are written in the order in which things happen: the draw, then the answer, then what was delivered, then the outcome.
What was once recorded of a draw stays; an answer and a delivery may be corrected, and the trail says by whom. Nothing here
looks at who may do what to whom: that is :mod:`serving.cases.access`, and was asked before.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.people import Account
from serving.cases.schema import OFFERS

#: What was said to an offer.
Answer = Literal["accepted", "refused", "no_answer"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

#: A school year has fewer minutes of lessons than this.
MOST_MINUTES = 100_000

_AT_ONCE = 500
_LONGEST_DRAW, _LONGEST_UNIT = 100, 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A student in a draw. ``probability`` is None where nobody drew: a person decided, or the hours that there are."""

    student_id: str
    intervention_id: str
    probability: float | None
    offered: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A student in a draw, and what came after. What is None has not happened, or was not recorded.

    ``draw`` names who were drawn among, such as support, school and round; ``seed`` is the lottery's. Minutes are those that
    were planned and those that the student was given; ``outcome`` is in ``outcome_unit``, as known on ``outcome_on``.
    """

    id: str
    student_id: str
    intervention_id: str
    draw: str
    seed: int
    probability: float | None
    offered: bool
    at: datetime
    answer: Answer | None
    planned_minutes: int | None
    delivered_minutes: int | None
    outcome: float | None
    outcome_unit: str | None
    outcome_on: date | None

    @property
    def dose(self) -> float | None:
        """The share of the planned minutes that was given: 0 where it was refused, None where it is not known."""
        if self.answer == "refused":
            return 0.0
        if not self.planned_minutes or self.delivered_minutes is None:
            return None
        return self.delivered_minutes / self.planned_minutes


def record(
    db: Engine, tenant: str, account: Account | None, draw: str, seed: int, rows: Sequence[Drawn], now: datetime
) -> tuple[str, ...]:
    """Record everybody who was in a draw, all or nobody, and return the ids in their order.

    Args:
        db: the database.
        tenant: whose students they are.
        account: who gave the places out; None on the command line.
        draw: names it, once and for all: a draw that is on record is refused.
        seed: of the lottery.
        rows: each student and support once.
        now: the moment.

    Raises:
        Refused: nobody is in it, a probability is none or contradicts the offer, or somebody is in it twice; or the draw is on
            record already.

    """
    problems = []
    if not draw.strip() or len(draw) > _LONGEST_DRAW:
        hint = f"Give up to {_LONGEST_DRAW} characters: support, school and round."
        problems.append(Problem("offers", "draw", "it has no name, or a long one", hint))
    if not rows:
        problems.append(Problem("offers", "draw", "nobody is in it", "Record those who were not offered a place too."))
    if wrong := sum(not _possible(one) for one in rows):
        hint = "It lies from 0 to 1, above 0 where a place was offered and below 1 where none was."
        problems.append(Problem("offers", "probability", f"{wrong} do not go with what was offered", hint))
    if len({(one.student_id, one.intervention_id) for one in rows}) < len(rows):
        problems.append(Problem("offers", "draw", "somebody is in it twice for one support", "Record each once."))
    _refuse(problems)
    ids = tuple(secrets.token_hex(6) for _ in rows)
    with writing(db) as connection:
        of_draw = (OFFERS.c.tenant_id == tenant) & (OFFERS.c.draw == draw)
        if connection.execute(select(OFFERS.c.id).where(of_draw).limit(1)).first() is not None:
            _refuse([Problem("offers", "draw", "it is on record already", "A draw is recorded once; name another.")])
        who = account.id if account else ""
        connection.execute(insert(OFFERS), [
            {"id": key, "tenant_id": tenant, "student_id": one.student_id, "intervention_id": one.intervention_id, "draw": draw,
             "seed": seed, "probability": one.probability, "offered": one.offered, "at": now, "account_id": who}
            for key, one in zip(ids, rows, strict=True)
        ])  # fmt: skip
        acts = [("support_offered" if one.offered else "support_not_drawn", one.student_id, "") for one in rows]
        trail.append_all(connection, tenant, account, acts, now)
    return ids


def answer(db: Engine, account: Account, offer_id: str, said: str, now: datetime) -> None:
    """Record what a student or family said to an offer; a later answer takes the place of an earlier one.

    Raises:
        NotFound: the tenant has no such offer.
        Refused: there is no such answer, or no place was offered.

    """
    if said not in ANSWERS:
        _refuse([Problem("offers", "answer", "there is no such answer", f"They are: {', '.join(ANSWERS)}.")])
    _change(db, account, offer_id, "offer_answered", {"answer": said, "answered_at": now, "answered_by": account.id}, now)


def deliver(db: Engine, account: Account, offer_id: str, minutes: int, planned: int, now: datetime) -> None:
    """Record how many minutes were given so far, of how many that were planned.

    Raises:
        NotFound: the tenant has no such offer.
        Refused: minutes that cannot be, or no place was offered, or it was refused.

    """
    if not 0 <= minutes <= MOST_MINUTES or not 0 < planned <= MOST_MINUTES:
        _refuse([Problem("offers", "minutes", "they cannot be", f"Give 0 to {MOST_MINUTES:,}, and planned ones above 0.")])
    values = {"delivered_minutes": minutes, "planned_minutes": planned, "delivered_at": now, "delivered_by": account.id}
    _change(db, account, offer_id, "offer_delivered", values, now)


def came(
    db: Engine, tenant: str, account: Account | None, outcomes: Mapping[str, float], unit: str, on: date, now: datetime
) -> int:
    """Record what came of those in a draw, offered or not, as known on a day; return how many there were.

    Args:
        db: the database.
        tenant: whose students they are.
        account: who records it; None on the command line.
        outcomes: by offer id, in ``unit``; read from the school's records, where outcomes are.
        unit: what they are in, such as ``days_missed``.
        on: the day on which they were known.
        now: the moment.

    Raises:
        NotFound: the tenant has not all of these offers.
        Refused: an outcome is no number, or has no unit.

    """
    problems = []
    if not unit.strip() or len(unit) > _LONGEST_UNIT:
        problems.append(Problem("offers", "unit", "it is missing or long", f"Give up to {_LONGEST_UNIT} characters."))
    if any(not math.isfinite(one) for one in outcomes.values()):
        problems.append(Problem("offers", "outcome", "one of them is no number", "Leave out whose outcome is not known."))
    _refuse(problems)
    with writing(db) as connection:
        known: dict[str, str] = {}
        for some in _parts(sorted(outcomes)):
            asked = select(OFFERS.c.id, OFFERS.c.student_id).where((OFFERS.c.tenant_id == tenant) & OFFERS.c.id.in_(some))
            known |= {row.id: row.student_id for row in connection.execute(asked)}
        if len(known) < len(outcomes):
            raise NotFound(f"{len(outcomes) - len(known)} of these offers are not on record.")
        for key, one in outcomes.items():
            values = {"outcome": one, "outcome_unit": unit, "outcome_on": on}
            connection.execute(update(OFFERS).where(OFFERS.c.id == key).values(**values))
        acts = [("offer_outcome", who, "") for who in known.values()]
        trail.append_all(connection, tenant, account, acts, now)
    return len(known)


def of(db: Engine, tenant: str, student_id: str) -> tuple[Offer, ...]:
    """Return every draw that a student was in, the newest first."""
    asked = select(OFFERS).where((OFFERS.c.tenant_id == tenant) & (OFFERS.c.student_id == student_id))
    with db.connect() as connection:
        found = [_offer(row) for row in connection.execute(asked.order_by(OFFERS.c.at.desc(), OFFERS.c.id))]
    return tuple(found)


def in_draws(db: Engine, tenant: str, intervention_id: str) -> tuple[Offer, ...]:
    """Return everybody who was ever in a draw for a support, by draw and student: what its effect is estimated from."""
    asked = select(OFFERS).where((OFFERS.c.tenant_id == tenant) & (OFFERS.c.intervention_id == intervention_id))
    with db.connect() as connection:
        found = [_offer(row) for row in connection.execute(asked.order_by(OFFERS.c.draw, OFFERS.c.student_id))]
    return tuple(found)


def erase(connection: Connection, tenant: str, student_id: str) -> int:
    """Remove everything that is kept of a student here, in the transaction that erases them; return how many rows went."""
    mine = (OFFERS.c.tenant_id == tenant) & (OFFERS.c.student_id == student_id)
    return connection.execute(delete(OFFERS).where(mine)).rowcount


def export(connection: Connection, tenant: str, student_id: str) -> list[dict[str, object]]:
    """Return everything that is kept of a student here, as plain values."""
    mine = (OFFERS.c.tenant_id == tenant) & (OFFERS.c.student_id == student_id)
    left_out = {"tenant_id", "student_id"}
    columns = [column for column in OFFERS.c if column.name not in left_out]
    return [dict(row) for row in connection.execute(select(*columns).where(mine).order_by(OFFERS.c.at, OFFERS.c.id)).mappings()]


def _possible(one: Drawn) -> bool:
    if one.probability is None:
        return True
    chance = one.probability
    return 0 <= chance <= 1 and (chance > 0 if one.offered else chance < 1)


def _change(db: Engine, account: Account, offer_id: str, action: str, values: Mapping[str, Any], now: datetime) -> None:
    mine = (OFFERS.c.tenant_id == account.tenant) & (OFFERS.c.id == offer_id)
    with writing(db) as connection:
        row = connection.execute(select(OFFERS).where(mine).with_for_update()).first()
        if row is None:
            raise NotFound("There is no such offer.")
        if not row.offered:
            _refuse([Problem("offers", "offer", "no place was offered", "Only what was offered is answered or given.")])
        if "delivered_minutes" in values and values["delivered_minutes"] and row.answer == "refused":
            _refuse([Problem("offers", "minutes", "it was refused", "Correct the answer first, if it was accepted after all.")])
        connection.execute(update(OFFERS).where(mine).values(**values))
        trail.append(connection, account.tenant, account, action, row.student_id, "", now)


def _offer(row: Row[Any]) -> Offer:
    return Offer(
        row.id, row.student_id, row.intervention_id, row.draw, row.seed, row.probability, bool(row.offered), row.at, row.answer,
        row.planned_minutes, row.delivered_minutes, row.outcome, row.outcome_unit, row.outcome_on,
    )  # fmt: skip


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems, "Nothing was recorded")


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))

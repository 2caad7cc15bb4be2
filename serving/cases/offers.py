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

#: Why an offer was refused, as whoever writes it down heard it.
Why = Literal["student", "family", "not_the_need", "tried_before", "other"]
WHYS: tuple[Why, ...] = get_args(Why)

#: How long the words beside a reason may be.
LONGEST_WORDS = 1_000

#: A school year has fewer minutes of lessons than this.
MOST_MINUTES = 100_000

_AT_ONCE = 500
_LONGEST_DRAW, _LONGEST_UNIT = 100, 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A student in a draw. ``probability`` is None where nobody drew: a person decided, or the hours that there are.

    ``among`` tells apart those who drew for other places in the same round; only whoever has the same can be compared.
    """

    student_id: str
    intervention_id: str
    probability: float | None
    offered: bool
    among: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A student in a draw, and what came after. What is None has not happened, or was not recorded.

    ``draw`` names who were drawn among, such as support, school and round; ``seed`` is the lottery's. Minutes are those that
    were planned and those that the student was given; ``outcome`` is in ``outcome_unit``, as known on ``outcome_on``.
    ``reason`` and ``words`` say why it was refused.
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
    reason: Why | None = None
    words: str = ""

    @property
    def dose(self) -> float | None:
        """The share of the planned minutes that was given: 0 where it was refused, None where it is not known."""
        if self.answer == "refused":
            return 0.0
        if not self.planned_minutes or self.delivered_minutes is None:
            return None
        return self.delivered_minutes / self.planned_minutes


def record(
    db: Engine, tenant: str, account: Account | None, draw: str, seed: int, rows: Sequence[Drawn], now: datetime,
    *, released: str = "",
) -> tuple[str, ...]:  # fmt: skip
    """Record everybody who was in a draw, all or nobody, and return the ids in their order.

    Args:
        db: the database.
        tenant: whose students they are.
        account: who gave the places out; None on the command line.
        draw: names it, once and for all: a draw that is on record is refused.
        seed: of the lottery.
        rows: each student and support once.
        now: the moment.
        released: what stands in the trail of its release, of no student; nothing stands there where it is empty.

    Raises:
        Refused: nobody is in it, a probability is none or contradicts the offer, or somebody is in it twice; or the draw is on
            record already.

    """
    problems = []
    names = {one: f"{draw}/{one}" if one else draw for one in ("", *(row.among for row in rows))}
    if not draw.strip() or max(map(len, names.values())) > _LONGEST_DRAW:
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
        if _recorded(connection, tenant, names.values()):
            _refuse([Problem("offers", "draw", "it is on record already", "A draw is recorded once; name another.")])
        who = account.id if account else ""
        connection.execute(insert(OFFERS), [
            {"id": key, "tenant_id": tenant, "student_id": one.student_id, "intervention_id": one.intervention_id,
             "draw": names[one.among],
             "seed": seed, "probability": one.probability, "offered": one.offered, "at": now, "account_id": who}
            for key, one in zip(ids, rows, strict=True)
        ])  # fmt: skip
        acts: list[tuple[str, str | None, str]] = [("allocation_released", None, released)] if released else []
        acts += [("support_offered" if one.offered else "support_not_drawn", one.student_id, "") for one in rows]
        trail.append_all(connection, tenant, account, acts, now)
    return ids


def recorded(db: Engine, tenant: str, draw: str, among: Iterable[str] = ()) -> bool:
    """Return whether a draw is on record; ``among`` as in its rows."""
    with db.connect() as connection:
        return _recorded(connection, tenant, {draw, *(f"{draw}/{one}" for one in among if one)})


def _recorded(connection: Connection, tenant: str, names: Iterable[str]) -> bool:
    for some in _parts(sorted(set(names))):
        of_draw = (OFFERS.c.tenant_id == tenant) & OFFERS.c.draw.in_(some)
        if connection.execute(select(OFFERS.c.id).where(of_draw).limit(1)).first() is not None:
            return True
    return False


def made(db: Engine, tenant: str, since: datetime) -> Mapping[str, tuple[Offer, ...]]:
    """Return the places that were offered since a moment, refused ones among them, by student."""
    asked = select(OFFERS).where((OFFERS.c.tenant_id == tenant) & OFFERS.c.offered & (OFFERS.c.at >= since))
    found: dict[str, list[Offer]] = {}
    with db.connect() as connection:
        for row in connection.execute(asked.order_by(OFFERS.c.student_id, OFFERS.c.at, OFFERS.c.id)):
            found.setdefault(row.student_id, []).append(_offer(row))
    return {who: tuple(each) for who, each in found.items()}


def put(
    connection: Connection, account: Account, student_id: str, intervention_id: str, now: datetime, *,
    said: Answer | None = None, why: Why | None = None, words: str = "",
) -> str:  # fmt: skip
    """Record, inside a transaction that writes, that a person offered help and what was said to it; return the offer's id.

    Nobody drew, so that it has no probability and no effect is ever estimated from it. The line of the trail is the caller's.
    """
    offer_id = secrets.token_hex(6)
    row = {"id": offer_id, "tenant_id": account.tenant, "student_id": student_id, "intervention_id": intervention_id,
           "draw": f"by hand, {offer_id}", "seed": 0, "probability": None, "offered": True, "at": now, "account_id": account.id,
           "answer": said, "answered_at": now if said else None, "answered_by": account.id if said else None, "reason": why,
           "words": words.strip() or None}  # fmt: skip
    connection.execute(insert(OFFERS).values(row))
    return offer_id


def decline(
    db: Engine, account: Account, student_id: str, intervention_id: str, why: str, words: str, now: datetime
) -> str:
    """Record that help was spoken of and refused, or is not what is needed, and return the offer's id. Nobody is held to it.

    Raises Refused: ``declined_why`` (none was chosen), ``declined_words`` (they are long).
    """
    reason = _why(why, words)
    with writing(db) as connection:
        offer_id = put(connection, account, student_id, intervention_id, now, said="refused", why=reason, words=words)
        trail.append(connection, account.tenant, account, "help_declined", student_id, "", now)
    return offer_id


def reply(connection: Connection, tenant: str, offer_id: str, said: Answer, by: str, now: datetime) -> None:
    """Record, inside a transaction that writes, what a student picked or refused in a plan that the offer stands in."""
    mine = (OFFERS.c.tenant_id == tenant) & (OFFERS.c.id == offer_id)
    connection.execute(update(OFFERS).where(mine).values(answer=said, answered_at=now, answered_by=by))


def answer(
    db: Engine, account: Account, offer_id: str, said: str, now: datetime, *, student_id: str = "", why: str = "",
    words: str = "",
) -> None:  # fmt: skip
    """Record what a student or family said to an offer; a later answer takes the place of an earlier one.

    ``student_id`` is whose offer it must be, where that was not asked before; ``why`` and ``words`` say why it was refused.

    Raises:
        NotFound: the tenant has no such offer, or it is somebody else's.
        Refused: there is no such answer or reason, or no place was offered.

    """
    if said not in ANSWERS:
        _refuse([Problem("offers", "answer", "there is no such answer", f"They are: {', '.join(ANSWERS)}.")])
    reason = _why(why, words) if said == "refused" and (why or words) else None
    values = {"answer": said, "answered_at": now, "answered_by": account.id, "reason": reason,
              "words": (words.strip() or None) if reason else None}  # fmt: skip
    _change(db, account, offer_id, "offer_answered", values, now, student_id)


def deliver(
    db: Engine, account: Account, offer_id: str, minutes: int, planned: int, now: datetime, *, student_id: str = ""
) -> None:
    """Record how many minutes were given so far, of how many that were planned. ``student_id`` is as for :func:`answer`.

    Raises:
        NotFound: the tenant has no such offer.
        Refused: minutes that cannot be, or no place was offered, or it was refused.

    """
    if not 0 <= minutes <= MOST_MINUTES or not 0 < planned <= MOST_MINUTES:
        _refuse([Problem("offers", "minutes", "they cannot be", f"Give 0 to {MOST_MINUTES:,}, and planned ones above 0.")])
    values = {"delivered_minutes": minutes, "planned_minutes": planned, "delivered_at": now, "delivered_by": account.id}
    _change(db, account, offer_id, "offer_delivered", values, now, student_id)


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


def _why(why: str, words: str) -> Why:
    problems = []
    reason = next((one for one in WHYS if one == why), None)
    if reason is None:
        problems.append(Problem("declined_why", "reason", "none was chosen", f"They are: {', '.join(WHYS)}."))
    if len(words) > LONGEST_WORDS or "\0" in words:
        problems.append(Problem("declined_words", "words", "they are long", f"Write up to {LONGEST_WORDS:,} characters."))
    _refuse(problems)
    assert reason is not None, "else it was refused"
    return reason


def _change(
    db: Engine, account: Account, offer_id: str, action: str, values: Mapping[str, Any], now: datetime, student_id: str = ""
) -> None:
    mine = (OFFERS.c.tenant_id == account.tenant) & (OFFERS.c.id == offer_id)
    if student_id:
        mine &= OFFERS.c.student_id == student_id
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
        row.planned_minutes, row.delivered_minutes, row.outcome, row.outcome_unit, row.outcome_on, row.reason, row.words or "",
    )  # fmt: skip


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems, "Nothing was recorded")


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))

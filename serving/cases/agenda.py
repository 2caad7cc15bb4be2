"""What was agreed about students lately, of many at once: for a sheet that a team goes through, name by name.

No free text is read here, and no restricted note: what somebody wrote in confidence does not lie on a table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, select

from serving.cases.casebook import Task, Whom
from serving.cases.schema import ACCOUNTS, CASE_CONTACTS, CASE_STEPS

#: So many steps of a student are told, those that are open first.
MOST_STEPS = 3

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Agreed:
    """What somebody is to do, or has done. ``who`` is empty where the account was erased since."""

    task: Task
    due_on: date
    who: str
    done_on: date | None


@dataclass(frozen=True, slots=True)
class Talked:
    """The last talk with the student or the family."""

    whom: Whom
    on: date


def last_steps(db: Engine, tenant: str, student_ids: Collection[str]) -> Mapping[str, tuple[Agreed, ...]]:
    """Return the last steps of students, by student: those that are open by their day, then what was done, the newest first."""
    found: dict[str, list[Agreed]] = {}
    columns, wanted = CASE_STEPS.c, sorted(set(student_ids))
    account = (ACCOUNTS.c.id == columns.who_id) & (ACCOUNTS.c.tenant_id == tenant)
    with db.connect() as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = (columns.tenant_id == tenant) & columns.student_id.in_(wanted[start : start + _AT_ONCE])
            asked = select(columns.student_id, columns.task, columns.due_on, columns.done_at, ACCOUNTS.c.name)
            for row in connection.execute(asked.outerjoin(ACCOUNTS, account).where(some)):
                done = row.done_at.date() if row.done_at else None
                found.setdefault(row.student_id, []).append(Agreed(row.task, row.due_on, row.name or "", done))
    return {who: tuple(sorted(steps, key=_order)[:MOST_STEPS]) for who, steps in found.items()}


def last_talks(db: Engine, tenant: str, student_ids: Collection[str]) -> Mapping[str, Talked]:
    """Return the last talk that is written down, by student; students without one are not in it."""
    found: dict[str, Talked] = {}
    columns, wanted = CASE_CONTACTS.c, sorted(set(student_ids))
    with db.connect() as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = (columns.tenant_id == tenant) & columns.student_id.in_(wanted[start : start + _AT_ONCE])
            asked = select(columns.student_id, columns.whom, columns.contact_on).where(some)
            for row in connection.execute(asked.order_by(columns.contact_on, columns.at, columns.id)):
                found[row.student_id] = Talked(row.whom, row.contact_on)
    return found


def _order(one: Agreed) -> tuple[bool, int, str, str]:
    day = one.done_on or one.due_on
    return one.done_on is not None, -day.toordinal() if one.done_on else day.toordinal(), one.task, one.who

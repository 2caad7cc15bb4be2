"""Lessons: how a teacher arranged a class for tomorrow, and what was seen in a quick check afterwards.

Groups are suggested anew every day from the map of skills (:mod:`serving.skills`); only what somebody changed is kept here, and
only until the day that they said. An arrangement is kept whole, with a version: who changed one that a colleague has changed
meanwhile is refused, and neither's work is lost. Checks are added and never changed; the newest counts.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from features.problems import Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.people import Account
from serving.cases.schema import ACCOUNTS, LESSON_CHECKS, LESSON_GROUPS, LESSON_MEMBERS, LESSON_PLANS
from serving.skills import RESULTS, Check, Result, Skill, SkillMap

#: What a group may be called: never by what its students can or cannot do, and by nothing that somebody writes.
NAMES = (
    "cedar", "willow", "maple", "birch", "hazel", "rowan", "aspen", "linden", "juniper", "oak", "olive", "alder", "walnut",
    "cypress", "chestnut", "poplar",
)  # fmt: skip

#: A group that talks together has so many at most.
MOST_IN_GROUP = 6

#: So many days ahead an arrangement may be kept: after that the map is another.
LONGEST = timedelta(days=14)

#: So many days back a check may be written down.
LATEST = timedelta(days=14)

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Students who work on one skill together. ``name`` is one of :data:`NAMES`."""

    name: str
    skill_id: str
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arranged:
    """How a class is arranged, until the end of ``stands_on``. ``version`` 0 is the suggestion, which nobody has changed."""

    version: int
    stands_on: date | None
    groups: tuple[Group, ...]


# -- what is suggested -------------------------------------------------------------------------------------------------


def suggested(maps: Mapping[str, SkillMap]) -> tuple[Group, ...]:
    """Return groups of two to six by the next skill that each student is ready for; the same maps give the same groups.

    Somebody who would be alone joins those of another skill that they are ready for, where there are any. Who is in none is
    alone with their skill, ready for more, or to be checked first. A class of many has as many groups as there are names.
    """
    together: dict[str, list[str]] = {}
    skills: dict[str, Skill] = {}
    for who in sorted(maps):
        skills |= {one.skill.skill_id: one.skill for one in maps[who].next}
        if first := maps[who].ready_for:
            together.setdefault(first.skill.skill_id, []).append(who)
    for skill_id in sorted(together, key=lambda one: skills[one].place):
        if len(together[skill_id]) == 1:
            (who,) = together[skill_id]
            others = [one.skill.skill_id for one in maps[who].next[1:] if together.get(one.skill.skill_id)]
            if others:
                together[skill_id] = []
                together[others[0]].append(who)
    groups: list[Group] = []
    for skill_id in sorted(together, key=lambda one: skills[one].place):
        students = sorted(together[skill_id])
        parts = -(-len(students) // MOST_IN_GROUP)
        for part in range(parts if len(students) > 1 else 0):
            if len(groups) < len(NAMES):
                groups.append(Group(_name_for(skill_id, groups), skill_id, tuple(students[part::parts])))
    return _in_order(groups)


def _name_for(skill_id: str, groups: Collection[Group]) -> str:
    """Return a name that is free: mostly the same for a skill from day to day, so that children find their place."""
    taken, first = {one.name for one in groups}, zlib.crc32(skill_id.encode()) % len(NAMES)
    return next(name for name in (*NAMES[first:], *NAMES[:first]) if name not in taken)


def _in_order(groups: Collection[Group]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda one: NAMES.index(one.name)))


# -- changes to an arrangement, which keep nothing yet -----------------------------------------------------------------


def moved(groups: Sequence[Group], student_id: str, to: str, skill_id: str = "") -> tuple[Group, ...]:
    """Return the groups with a student in the group ``to``, or in none where it is empty.

    A name that no group has makes a new one, for which ``skill_id`` is needed. Groups that are left empty go. Raises
    :class:`~features.problems.Refused` where the group is full, or there is no such name.
    """
    without = [replace(one, students=tuple(s for s in one.students if s != student_id)) for one in groups]
    if to:
        if to not in NAMES:
            raise _refused("no_such_group", "to", "There is no such group", "Choose one of the groups shown.")
        if to not in {one.name for one in without}:
            assert skill_id, "a new group needs a skill"
            without.append(Group(to, skill_id, ()))
        if len(next(one for one in without if one.name == to).students) >= MOST_IN_GROUP:
            hint = "Move somebody out first, or make a group of its own."
            raise _refused("group_full", "to", f"A group has {MOST_IN_GROUP} students at most", hint)
        without = [replace(one, students=(*one.students, student_id)) if one.name == to else one for one in without]
    return _in_order([one for one in without if one.students])


def renamed(groups: Sequence[Group], name: str, to: str) -> tuple[Group, ...]:
    """Return the groups with one called otherwise; raise :class:`~features.problems.Refused` where that name is taken."""
    _one_of(groups, name)
    if to not in NAMES:
        raise _refused("no_such_name", "called", "There is no such name", "Choose one of the names shown.")
    if to != name and to in {one.name for one in groups}:
        raise _refused("name_taken", "called", "Another group is called so", "Choose another name.")
    return _in_order([replace(one, name=to) if one.name == name else one for one in groups])


def dissolved(groups: Sequence[Group], name: str) -> tuple[Group, ...]:
    """Return the groups without one; its students are then in none."""
    _one_of(groups, name)
    return tuple(one for one in groups if one.name != name)


def free_name(groups: Collection[Group], skill_id: str) -> str:
    """Return a name for a new group; raise :class:`~features.problems.Refused` where all are taken."""
    if len(groups) < len(NAMES):
        return _name_for(skill_id, groups)
    raise _refused("too_many_groups", "to", "There are no more names for groups", "Dissolve a group first.")


def _one_of(groups: Sequence[Group], name: str) -> Group:
    for one in groups:
        if one.name == name:
            return one
    raise _refused("no_such_group", "group", "There is no such group", "Choose one of the groups shown.")


# -- what is kept -----------------------------------------------------------------------------------------------------


def arranged(db: Engine, tenant: str, section_id: str, today: date) -> Arranged | None:
    """Return how somebody arranged a class, None where nothing stands today and a suggestion is to be shown."""
    with db.connect() as connection:
        row = connection.execute(select(LESSON_PLANS).where(_of(LESSON_PLANS, tenant, section_id))).mappings().first()
        if row is None or not _stands(row, today):
            return None
        return Arranged(row["version"], row["stands_on"], _groups(connection, tenant, section_id))


def arrange(
    db: Engine, tenant: str, account: Account, section_id: str, version: int, groups: Sequence[Group], stands_on: date,
    touched: Collection[str], what: str, today: date, now: datetime,
) -> Arranged:  # fmt: skip
    """Keep an arrangement of a class in the place of the one that the account saw, and return it.

    Args:
        db: the service's database.
        tenant: whose class it is.
        account: who changed it.
        section_id: the class.
        version: the version that they changed, 0 for the suggestion.
        groups: all of its groups; nobody may be in two of them.
        stands_on: the last day on which it stands.
        touched: the students whom the change was about, for the trail.
        what: the change in a word of ours, for the trail.
        today: the day it is.
        now: the moment that is written down.

    Raises:
        Refused: ``changed_meanwhile`` where somebody else changed it first, ``bad_day`` where it would stand for no day to
            come or for too long.

    """
    everybody = [student_id for one in groups for student_id in one.students]
    assert len(everybody) == len(set(everybody)), "nobody is in two groups"
    assert len(groups) == len({one.name for one in groups}), "no two groups have one name"
    _check_day(stands_on, today)
    with writing(db) as connection:
        kept = _next(connection, tenant, account, section_id, version, stands_on, today, now)
        _clear(connection, tenant, section_id)
        keys = {"tenant_id": tenant, "section_id": section_id}
        if groups:
            connection.execute(insert(LESSON_GROUPS), [{**keys, "name": one.name, "skill_id": one.skill_id} for one in groups])
        if everybody:
            members = [{**keys, "name": one.name, "student_id": who} for one in groups for who in one.students]
            connection.execute(insert(LESSON_MEMBERS), members)
        _append(connection, tenant, account, "arrange_lesson", touched, what, now)
    return Arranged(kept, stands_on, tuple(groups))


def afresh(db: Engine, tenant: str, account: Account, section_id: str, version: int, today: date, now: datetime) -> None:
    """Give up an arrangement, so that groups are suggested again from the map.

    Raises :class:`~features.problems.Refused` where somebody else has changed it meanwhile.
    """
    with writing(db) as connection:
        _next(connection, tenant, account, section_id, version, None, today, now)
        _clear(connection, tenant, section_id)
        _append(connection, tenant, account, "arrange_lesson", (), "afresh", now)


def record_checks(
    db: Engine, tenant: str, account: Account, section_id: str, skill_id: str, results: Mapping[str, Result], seen_on: date,
    today: date, now: datetime,
) -> int:  # fmt: skip
    """Write down what was seen of students in a quick check, and return of how many something new was.

    The same form sent twice writes nothing twice. Raises :class:`~features.problems.Refused`: ``nothing_checked`` where
    nothing was said of anybody, ``bad_day`` for a day to come or long past, ``no_such_result``.
    """
    problems = []
    if not results:
        problems.append(Problem("nothing_checked", "result", "Nothing was said of anybody", "Choose what you saw of somebody."))
    if not all(one in RESULTS for one in results.values()):
        problems.append(Problem("no_such_result", "result", "There is no such result", f"One of: {', '.join(RESULTS)}."))
    if not today - LATEST <= seen_on <= today:
        hint = f"Choose a day of the last {LATEST.days} days."
        problems.append(Problem("bad_day", "on", "A check is of a day that was, and not long ago", hint))
    if problems:
        raise Refused(problems, "The check was not kept")
    columns = LESSON_CHECKS.c
    with writing(db) as connection:
        # SQLite writes alone; on PostgreSQL two copies of one form must wait for each other to be seen as one.
        _locked(connection, tenant, account, section_id, now)
        same = (columns.tenant_id == tenant) & (columns.skill_id == skill_id) & (columns.seen_on == seen_on)
        found = connection.execute(
            select(columns.student_id, columns.result)
            .where(same & (columns.section_id == section_id) & columns.student_id.in_(list(results)))
            .order_by(columns.number)
        )
        newest = {row.student_id: row.result for row in found}
        new = {who: result for who, result in results.items() if newest.get(who) != result}
        if new:
            row = {"tenant_id": tenant, "section_id": section_id, "skill_id": skill_id, "seen_on": seen_on}
            of_class = (columns.tenant_id == tenant) & (columns.section_id == section_id)
            last = connection.execute(select(func.max(columns.number)).where(of_class)).scalar() or 0
            row |= {"account_id": account.id, "at": now, "number": last + 1}
            rows = [{**row, "id": secrets.token_hex(6), "student_id": who, "result": result} for who, result in new.items()]
            connection.execute(insert(LESSON_CHECKS), rows)
            _append(connection, tenant, account, "record_check", new, "own_class", now)
    return len(new)


def checks_of(db: Engine, tenant: str, student_ids: Collection[str]) -> tuple[Check, ...]:
    """Return every check of students, the oldest first, as :func:`serving.skills.skill_map` takes them.

    ``by`` is empty where the account was erased since.
    """
    wanted, rows = sorted(set(student_ids)), list[Any]()
    columns = LESSON_CHECKS.c
    account = (ACCOUNTS.c.id == columns.account_id) & (ACCOUNTS.c.tenant_id == tenant)
    with db.connect() as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = (columns.tenant_id == tenant) & columns.student_id.in_(wanted[start : start + _AT_ONCE])
            asked = select(LESSON_CHECKS, ACCOUNTS.c.name.label("by")).outerjoin(ACCOUNTS, account).where(some)
            rows += connection.execute(asked).mappings().all()
    rows.sort(key=lambda row: (row["seen_on"], row["at"], row["number"], row["id"]))
    return tuple(Check(row["student_id"], row["skill_id"], row["seen_on"], row["result"], row["by"] or "") for row in rows)


def erase(connection: Connection, tenant: str, student_id: str) -> int:
    """Remove everything that is kept of a student here, in the transaction that erases them; return how many rows went."""
    gone = 0
    for table in (LESSON_MEMBERS, LESSON_CHECKS):
        whose = (table.c.tenant_id == tenant) & (table.c.student_id == student_id)
        gone += connection.execute(delete(table).where(whose)).rowcount
    return gone


def export(connection: Connection, tenant: str, student_id: str) -> dict[str, list[dict[str, object]]]:
    """Return everything that is kept of a student here, as plain values: which group they are in, and every check."""

    def rows(table: Table, *columns: str) -> list[dict[str, object]]:
        whose = (table.c.tenant_id == tenant) & (table.c.student_id == student_id)
        found = connection.execute(select(*(table.c[name] for name in columns)).where(whose)).mappings()
        return sorted((dict(row) for row in found), key=lambda row: [str(value) for value in row.values()])

    return {
        "lesson_groups": rows(LESSON_MEMBERS, "section_id", "name"),
        "lesson_checks": rows(LESSON_CHECKS, "seen_on", "at", "section_id", "skill_id", "result", "account_id"),
    }


def _check_day(stands_on: date, today: date) -> None:
    if not today <= stands_on <= today + LONGEST:
        hint = f"Choose a day of the next {LONGEST.days} days."
        raise _refused("bad_day", "until", "Groups are kept for a day to come, and not for long", hint)


def _next(
    connection: Connection, tenant: str, account: Account, section_id: str, version: int, stands_on: date | None, today: date,
    now: datetime,
) -> int:  # fmt: skip
    """Raise the version of a class's arrangement, if it is still the one that somebody saw, and return it."""
    row = _locked(connection, tenant, account, section_id, now)
    if version != (row["version"] if _stands(row, today) else 0):
        hint = "Look at the groups as they are now, and change them again."
        raise _refused("changed_meanwhile", "groups", "Somebody else has changed these groups meanwhile", hint)
    values: dict[str, Any] = {
        "version": row["version"] + 1,
        "stands_on": stands_on,
        "changed_by": account.id,
        "changed_at": now,
    }
    connection.execute(update(LESSON_PLANS).where(_of(LESSON_PLANS, tenant, section_id)).values(values))
    return int(values["version"])


def _locked(connection: Connection, tenant: str, account: Account, section_id: str, now: datetime) -> Mapping[Any, Any]:
    """Return the row of a class, made where there is none, and keep everybody else from it until the transaction is over."""
    new = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    row = {"tenant_id": tenant, "section_id": section_id, "version": 0, "stands_on": None}
    row |= {"changed_by": account.id, "changed_at": now}
    connection.execute(new(LESSON_PLANS).values(row).on_conflict_do_nothing())
    return (
        connection.execute(select(LESSON_PLANS).where(_of(LESSON_PLANS, tenant, section_id)).with_for_update()).mappings().one()
    )


def _clear(connection: Connection, tenant: str, section_id: str) -> None:
    for table in (LESSON_MEMBERS, LESSON_GROUPS):
        connection.execute(delete(table).where(_of(table, tenant, section_id)))


def _groups(connection: Connection, tenant: str, section_id: str) -> tuple[Group, ...]:
    members: dict[str, list[str]] = {}
    found = connection.execute(select(LESSON_MEMBERS).where(_of(LESSON_MEMBERS, tenant, section_id))).mappings()
    for row in sorted(found, key=lambda one: str(one["student_id"])):
        members.setdefault(row["name"], []).append(row["student_id"])
    groups = connection.execute(select(LESSON_GROUPS).where(_of(LESSON_GROUPS, tenant, section_id))).mappings()
    named = sorted(groups, key=lambda one: NAMES.index(one["name"]))
    return tuple(Group(row["name"], row["skill_id"], tuple(members[row["name"]])) for row in named if row["name"] in members)


def _append(
    connection: Connection, tenant: str, account: Account, action: str, students: Collection[str], why: str, now: datetime
) -> None:
    whom: list[str | None] = [*sorted(students)]
    for student_id in whom or [None]:
        trail.append(connection, tenant, account, action, student_id, why, now)


def _stands(row: Mapping[Any, Any], today: date) -> bool:
    return row["stands_on"] is not None and row["stands_on"] >= today


def _of(table: Table, tenant: str, section_id: str) -> ColumnElement[bool]:
    return (table.c.tenant_id == tenant) & (table.c.section_id == section_id)


def _refused(code: str, where: str, problem: str, hint: str) -> Refused:
    return Refused([Problem(code, where, problem, hint)], "The groups were not changed")

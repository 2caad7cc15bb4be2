"""What a student or a family may ask for: to be left out of scoring, a correction, and that somebody is not reached.

An objection stops scoring and nothing else, and is in force until the family takes it back. A correction is decided by
a named person within a month (GDPR 12(3)); one that was accepted is laid over every export that is read, as a version
known from the day of the decision, until the school's own system says the same (:mod:`serving.corrections`). A contact
restriction that staff were told holds beside those of the records.
"""

from __future__ import annotations

import calendar
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal

import polars as pl
from sqlalchemy import ColumnElement, Engine, RowMapping, insert, select, update

from features.problems import NotFound, Problem, Refused
from features.records import SchoolRecords
from features.tables import CONTACT_RESTRICTIONS as RESTRICTION_KINDS
from features.tables import TABLES, Column, Table
from features.validation import day as day_of
from serving.cases import casebook, trail
from serving.cases.access import Visible
from serving.cases.database import writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import CONTACT_RESTRICTIONS, CORRECTIONS, OBJECTIONS

#: ``open`` until somebody decides. ``source_agrees``: accepted, and the school's own system says the same by now.
State = Literal["open", "accepted", "refused", "source_agrees"]

#: What stands beside a record of which somebody said that it is wrong.
DISPUTED: tuple[State, ...] = ("open", "refused")

_MOST_TEXT = 4_000
_MOST_NAME = 200


# -- objections -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Objection:
    """An objection to being scored: who wrote it down, in which role, and since when; ``said_by`` who came in person."""

    id: str
    student_id: str
    recorded_at: datetime
    account_id: str
    role: str
    said_by: str
    withdrawn_at: datetime | None

    @property
    def in_force(self) -> bool:
        """Whether nobody has taken it back."""
        return self.withdrawn_at is None


def object_to_scoring(
    db: Engine, tenant: str, student_id: str, now: datetime, *, by: Account | None, said_by: str = ""
) -> Objection:
    """Stop scoring of a student from now on. One that is in force already is returned as it is.

    ``by`` is of the family, or ``None`` for the command line, which must then say who came (``said_by``). Raises
    :class:`Refused` for a name that is missing or too long.
    """
    said_by = said_by.strip()
    if (by is None and not said_by) or len(said_by) > _MOST_NAME:
        hint = f"Say who asked, in at most {_MOST_NAME} characters."
        raise Refused([Problem("said_by", "said by", "it must be known whose objection it is", hint)],
                      "The objection was not recorded")  # fmt: skip
    create_tenant(db, tenant)
    with writing(db) as connection:
        standing = _of(OBJECTIONS.c, tenant, student_id) & OBJECTIONS.c.withdrawn_at.is_(None)
        found = connection.execute(select(OBJECTIONS).where(standing)).mappings().first()
        if found is not None:
            return _objection(found)
        row = {"id": secrets.token_hex(6), "tenant_id": tenant, "student_id": student_id, "recorded_at": now,
               "account_id": by.id if by else "", "role": by.role if by else "", "said_by": said_by}  # fmt: skip
        connection.execute(insert(OBJECTIONS).values(**row))
        trail.append(connection, tenant, by, "objected", student_id, "", now)
    return _objection({**row, "withdrawn_at": None})


def withdraw_objection(db: Engine, tenant: str, student_id: str, now: datetime, *, by: Account | None) -> None:
    """Take an objection back, as only the family may; raise :class:`NotFound` where none is in force."""
    with writing(db) as connection:
        standing = _of(OBJECTIONS.c, tenant, student_id) & OBJECTIONS.c.withdrawn_at.is_(None)
        done = {"withdrawn_at": now, "withdrawn_by": by.id if by else ""}
        if not connection.execute(update(OBJECTIONS).where(standing).values(done)).rowcount:
            raise NotFound("No objection is in force here. One that stands in the school's own records is withdrawn there.")
        trail.append(connection, tenant, by, "objection_withdrawn", student_id, "", now)


def objections(db: Engine, tenant: str, student_id: str) -> tuple[Objection, ...]:
    """Return every objection of a student, the newest first."""
    with db.connect() as connection:
        asked = select(OBJECTIONS).where(_of(OBJECTIONS.c, tenant, student_id)).order_by(OBJECTIONS.c.recorded_at.desc())
        return tuple(map(_objection, connection.execute(asked).mappings()))


def objected(db: Engine, tenant: str) -> frozenset[str]:
    """Return the students of whom an objection is in force."""
    with db.connect() as connection:
        standing = (OBJECTIONS.c.tenant_id == tenant) & OBJECTIONS.c.withdrawn_at.is_(None)
        return frozenset(connection.execute(select(OBJECTIONS.c.student_id).where(standing)).scalars())


def _objection(row: Mapping[Any, Any] | RowMapping) -> Objection:
    names = ("id", "student_id", "recorded_at", "account_id", "role", "said_by", "withdrawn_at")
    return Objection(*(row[name] for name in names))


# -- corrections ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Correction:
    """A value that somebody asked to be corrected, and what became of it.

    ``key`` names the row by its natural key; ``was`` is what the records said when it was asked, ``value`` what they should
    say, as text, ``None`` for nothing. ``decided_name`` is the person who answers for the decision.
    """

    id: str
    student_id: str
    table: str
    key: Mapping[str, str]
    column: str
    was: str | None
    value: str | None
    why: str
    asked_at: datetime
    asked_by: str
    asked_role: str
    due_on: date
    state: State
    decided_at: datetime | None = None
    decided_on: date | None = None
    decided_by: str | None = None
    decided_name: str | None = None
    reason: str | None = None
    agreed_on: date | None = None

    def about(self, table: str, row: Mapping[str, Any]) -> bool:
        """Whether it is about a row of a table, as a page has it."""
        return self.table == table and all(name in row and as_text(row[name]) == said for name, said in self.key.items())


def ask_correction(
    db: Engine,
    records: SchoolRecords,
    student_id: str,
    table: str,
    key: Mapping[str, str],
    column: str,
    value: str | None,
    why: str,
    now: datetime,
    today: date,
    *,
    by: Account | None,
    because: str = "",
) -> Correction:
    """Ask that one value of one row be corrected.

    Args:
        db: the database.
        records: the records as they are kept, which must have the row on that day.
        student_id: whose row it is.
        table: the canonical table.
        key: the row's natural key; ``student_id`` may be left out.
        column: what is wrong; no key can be corrected here, since a row with another key is another row.
        value: what it should say, in the notation of a CSV; ``None`` for nothing.
        why: how the asker knows, in their words.
        now: the moment.
        today: the day, from which the month is counted.
        by: who asks, ``None`` for the command line.
        because: their disagreement with a suggestion that it goes with (:func:`serving.cases.casebook.disagree`), if any.

    Raises:
        Refused: naming everything that is wrong with what was asked.
        NotFound: they did not disagree so about this student.

    """
    whole = {"student_id": student_id, **{name: str(said).strip() for name, said in key.items()}}
    why = why.strip()
    value = value.strip() if value is not None and value.strip() else None
    problems, was = _problems(records, student_id, table, whole, column, value, today)
    if not why or len(why) > _MOST_TEXT:
        problems.append(Problem("correction_why", "why", f"it takes a reason of at most {_MOST_TEXT:,} characters",
                                "Say what is wrong, and how it is known."))  # fmt: skip
    if problems:
        raise Refused(problems, "The correction was not asked for")
    create_tenant(db, records.tenant)
    named = {name: whole[name] for name in TABLES[table].natural_key}
    row = {
        "id": secrets.token_hex(6), "tenant_id": records.tenant, "student_id": student_id, "table_name": table,
        "row_key": json.dumps(named, sort_keys=True), "column_name": column, "was": was, "value": value, "why": why,
        "asked_at": now, "asked_by": by.id if by else "", "asked_role": by.role if by else "",
        "due_on": a_month_after(today), "state": "open",
    }  # fmt: skip
    with writing(db) as connection:
        connection.execute(insert(CORRECTIONS).values(**row))
        if because and by:
            casebook.link_correction(connection, by, student_id, because, str(row["id"]))
        trail.append(connection, records.tenant, by, "correction_asked", student_id, f"{table}.{column}", now)
    return find_correction(db, records.tenant, str(row["id"]))


def decide_correction(
    db: Engine, tenant: str, correction_id: str, accepted: bool, reason: str, now: datetime, today: date, *, by: Account
) -> Correction:
    """Accept or refuse a correction, once, as a named person who did not ask for it.

    Raises:
        NotFound: there is no such correction.
        Refused: it was decided before, the one who decides has asked for it, or a refusal has no reason.

    """
    reason = reason.strip()
    with writing(db) as connection:
        mine = (CORRECTIONS.c.tenant_id == tenant) & (CORRECTIONS.c.id == correction_id)
        found = connection.execute(select(CORRECTIONS).where(mine).with_for_update()).mappings().first()
        if found is None:
            raise NotFound("There is no such correction.")
        problems = []
        if found["state"] != "open":
            problems.append(Problem("correction_decided", "correction", "it was decided before", "Ask for another one."))
        if found["asked_by"] == by.id or by.role in ("student", "guardian"):
            said = "it is decided by a member of staff who did not ask for it"
            problems.append(Problem("correction_decider", "correction", said, "Ask a colleague to decide."))
        if (not accepted and not reason) or len(reason) > _MOST_TEXT:
            said = f"a refusal takes a reason of at most {_MOST_TEXT:,} characters"
            problems.append(Problem("correction_reason", "reason", said, "Say why: the family reads it."))
        if problems:
            raise Refused(problems, "The correction was not decided")
        state: State = "accepted" if accepted else "refused"
        done = {"state": state, "decided_at": now, "decided_on": today, "decided_by": by.id, "decided_name": by.name,
                "reason": reason or None}  # fmt: skip
        connection.execute(update(CORRECTIONS).where(mine).values(done))
        trail.append(connection, tenant, by, f"correction_{state}", found["student_id"],
                     f"{found['table_name']}.{found['column_name']}", now)  # fmt: skip
    return find_correction(db, tenant, correction_id)


def find_correction(db: Engine, tenant: str, correction_id: str) -> Correction:
    """Return one correction; raise :class:`NotFound`, in the same words when another tenant has it."""
    with db.connect() as connection:
        mine = (CORRECTIONS.c.tenant_id == tenant) & (CORRECTIONS.c.id == correction_id)
        row = connection.execute(select(CORRECTIONS).where(mine)).mappings().first()
    if row is None:
        raise NotFound("There is no such correction.")
    return _correction(row)


def corrections(db: Engine, tenant: str, student_id: str | None = None, states: Iterable[State] = ()) -> tuple[Correction, ...]:
    """Return corrections in the order in which they were asked for, of one student or all, in some states or all."""
    asked = select(CORRECTIONS).where(CORRECTIONS.c.tenant_id == tenant).order_by(CORRECTIONS.c.asked_at, CORRECTIONS.c.id)
    if student_id is not None:
        asked = asked.where(CORRECTIONS.c.student_id == student_id)
    if states:
        asked = asked.where(CORRECTIONS.c.state.in_(list(states)))
    with db.connect() as connection:
        return tuple(map(_correction, connection.execute(asked).mappings()))


def disputed(db: Engine, tenant: str, student_id: str) -> tuple[Correction, ...]:
    """Return what somebody says is wrong and still stands: a page shows a note of it beside the record."""
    return corrections(db, tenant, student_id, DISPUTED)


def note_agreement(db: Engine, tenant: str, agreed: Iterable[str], again: Iterable[str], today: date) -> None:
    """Let those corrections rest with which an export agrees by now, and wake those whose old mistake came back."""
    with writing(db) as connection:
        for ids, state, on in ((list(agreed), "source_agrees", today), (list(again), "accepted", None)):
            if ids:
                mine = (CORRECTIONS.c.tenant_id == tenant) & CORRECTIONS.c.id.in_(ids)
                connection.execute(update(CORRECTIONS).where(mine).values(state=state, agreed_on=on))


def a_month_after(day: date) -> date:
    """Return the same day of the next month, or the last one that it has.

    >>> a_month_after(date(2026, 1, 31)), a_month_after(date(2026, 12, 5))
    (datetime.date(2026, 2, 28), datetime.date(2027, 1, 5))
    """
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _correction(row: RowMapping) -> Correction:
    return Correction(
        row["id"], row["student_id"], row["table_name"], MappingProxyType(json.loads(row["row_key"])), row["column_name"],
        row["was"], row["value"], row["why"], row["asked_at"], row["asked_by"], row["asked_role"], row["due_on"], row["state"],
        row["decided_at"], row["decided_on"], row["decided_by"], row["decided_name"], row["reason"], row["agreed_on"],
    )  # fmt: skip


def _problems(
    records: SchoolRecords, student_id: str, table: str, key: Mapping[str, str], column: str, value: str | None, today: date
) -> tuple[list[Problem], str | None]:
    """Return what is wrong with what was asked, and what the records say now."""
    hint = "Name a table of students, the key of one of its rows and a column that is no key: see docs/records.md."
    found = TABLES.get(table)
    if found is None or not found.by_student:
        return [Problem("correction_table", "table", "it holds no records of students", hint)], None
    lacking = [name for name in found.natural_key if not key.get(name)]
    lacking += [name for name in found.natural_key if key.get(name) and not _is_value(found.column(name), key[name])]
    if lacking:
        return [Problem("correction_key", name, "the row's key is not whole", hint) for name in lacking], None
    known = {one.name: one for one in found.columns}
    if column not in known or known[column].natural or column == "student_id":
        return [Problem("correction_column", "column", "there is no such column, or it is a key", hint)], None
    problems = []
    try:
        typed(known[column], value)
    except ValueError as error:
        problems.append(Problem("correction_value", column, str(error), "Write it as docs/records.md says."))
    row = _row(records, found, key, today).filter(pl.col("student_id") == student_id)
    if row.height != 1:
        problems.append(Problem("correction_row", "row", "there is no such row of this student", hint))
        return problems, None
    was = as_text(row[column][0])
    if not problems and was == as_text(typed(known[column], value)):
        problems.append(Problem("correction_same", column, "the records say so already", "There is nothing to correct."))
    return problems, was


def _row(records: SchoolRecords, table: Table, key: Mapping[str, str], today: date) -> pl.DataFrame:
    rows = records.visible(table.name, [today])
    return rows.filter(is_row(table, key)).collect()


def is_row(table: Table, key: Mapping[str, str]) -> pl.Expr:
    """Return the expression that finds a row by its natural key, told as text."""
    return pl.all_horizontal(
        pl.col(name) == pl.lit(typed(table.column(name), key[name]), table.column(name).type) for name in table.natural_key
    )


def _is_value(column: Column, said: str) -> bool:
    try:
        return typed(column, said) is not None
    except ValueError:
        return False


_YES, _NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def typed(column: Column, said: str | None) -> Any:
    """Return a value of a column from its text; raise :class:`ValueError` in words where the column cannot hold it."""
    if said is None:
        if column.required:
            raise ValueError("it must have a value")
        return None
    value: Any = said
    try:
        if column.type == pl.Date():
            value = day_of(said)
        elif column.type == pl.Int32():
            value = int(said)
        elif column.type == pl.Float64():
            value = float(said)
        elif column.type == pl.Boolean():
            value = True if said.lower() in _YES else False if said.lower() in _NO else None
    except ValueError:
        value = None
    if value is None or value != value:  # noqa: PLR0124 (not a number)
        raise ValueError(f"this is no {_KINDS[str(column.type)]}")
    if column.values and value not in column.values:
        raise ValueError(f"it must be one of {', '.join(column.values)}")
    if (column.least is not None and value < column.least) or (column.most is not None and value > column.most):
        raise ValueError("it lies outside what the column may hold")
    if len(said) > _MOST_TEXT:
        raise ValueError("it is too long")
    return value


_KINDS = {"Date": "date of the form YYYY-MM-DD", "Int32": "whole number", "Float64": "number", "Boolean": "yes or no",
          "String": "text"}  # fmt: skip


def as_text(value: Any) -> str | None:
    """Return a value in the notation of a CSV, ``None`` for nothing."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


# -- whom the school must not reach -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restriction:
    """Somebody whom the school must not reach about a student, as staff entered it."""

    id: str
    student_id: str
    guardian_id: str
    kind: str
    entered_at: datetime
    entered_on: date
    entered_by: str


def restrict_contact(
    db: Engine, tenant: str, student_id: str, guardian_id: str, kind: str, now: datetime, today: date, *, by: Account
) -> Restriction:
    """Note that a guardian must not be reached: ``no_contact`` or ``court_order``. It holds at once, until it is lifted."""
    if kind not in RESTRICTION_KINDS or kind == "none":
        raise Refused([Problem("restriction_kind", "kind", "there is no such restriction", "It is no_contact or court_order.")],
                      "The restriction was not entered")  # fmt: skip
    row = {"id": secrets.token_hex(6), "tenant_id": tenant, "student_id": student_id, "guardian_id": guardian_id,
           "kind": kind, "entered_at": now, "entered_on": today, "entered_by": by.id}  # fmt: skip
    with writing(db) as connection:
        connection.execute(insert(CONTACT_RESTRICTIONS).values(**row))
        trail.append(connection, tenant, by, "contact_restricted", student_id, kind, now)
    return _restriction(row)


def lift_restriction(db: Engine, tenant: str, restriction_id: str, now: datetime, *, by: Account) -> None:
    """End a restriction that staff entered; raise :class:`NotFound` where there is none."""
    with writing(db) as connection:
        mine = (CONTACT_RESTRICTIONS.c.tenant_id == tenant) & (CONTACT_RESTRICTIONS.c.id == restriction_id)
        standing = mine & CONTACT_RESTRICTIONS.c.lifted_at.is_(None)
        student = connection.execute(select(CONTACT_RESTRICTIONS.c.student_id).where(standing).with_for_update()).scalar()
        if student is None:
            raise NotFound("There is no such restriction.")
        connection.execute(update(CONTACT_RESTRICTIONS).where(mine).values(lifted_at=now, lifted_by=by.id))
        trail.append(connection, tenant, by, "contact_restriction_lifted", student, "", now)


def restrictions(db: Engine, tenant: str) -> tuple[Restriction, ...]:
    """Return the restrictions in force that staff entered."""
    with db.connect() as connection:
        standing = (CONTACT_RESTRICTIONS.c.tenant_id == tenant) & CONTACT_RESTRICTIONS.c.lifted_at.is_(None)
        rows = connection.execute(select(CONTACT_RESTRICTIONS).where(standing).order_by(CONTACT_RESTRICTIONS.c.entered_at))
        return tuple(map(_restriction, rows.mappings()))


def holding(seen: Visible, restricted: Iterable[Restriction]) -> Visible:
    """Return whom an account sees, without the children of whom it must not be reached, whatever the records say yet."""
    if seen.account.role != "guardian":
        return seen
    closed = [one.student_id for one in restricted if one.guardian_id == seen.account.person_id]
    return Visible(seen.account, seen.as_of, seen.students.filter(~pl.col("student_id").is_in(closed)))


def reachable(guardians: pl.DataFrame, restricted: Iterable[Restriction], may_know: bool) -> pl.DataFrame:
    """Return rows of ``guardians`` (as :func:`access.read` gives them) with the restrictions that staff entered.

    Those who have to know (``may_know``: ``see_contact_restriction``) see the restriction in its column, nobody else the row.
    """
    told = {(one.student_id, one.guardian_id): one.kind for one in restricted}
    kinds = [
        told.get((student, guardian), known)
        for student, guardian, known in guardians.select("student_id", "guardian_id", "contact_restriction").iter_rows()
    ]
    rows = guardians.with_columns(contact_restriction=pl.Series("contact_restriction", kinds, dtype=pl.String))
    return rows if may_know else rows.filter(pl.col("contact_restriction").fill_null("none") == "none")


def _restriction(row: Mapping[Any, Any] | RowMapping) -> Restriction:
    names = ("id", "student_id", "guardian_id", "kind", "entered_at", "entered_on", "entered_by")
    return Restriction(*(row[name] for name in names))


def _of(columns: Any, tenant: str, student_id: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = (columns.tenant_id == tenant) & (columns.student_id == student_id)
    return found

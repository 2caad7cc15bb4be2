"""Help that was given through Homeroom, laid over the school's records: what the room began, and places that were delivered.

Whoever learns from the records has to know of it: a student who was helped in time avoids the outcome, so that their row
teaches that its pattern ends well (:mod:`training.treated`), and what came of help is looked for among those who had it
(:mod:`serving.learned`). No feature is made of help, so that a score does not change by it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import select

from features.records import SchoolRecords, with_versions
from features.tables import TABLES
from serving.cases.database import Database
from serving.cases.schema import CASE_SUPPORTS, OFFERS
from serving.catalogue import Catalogue

#: A help that ended without anybody having said how.
_NO_RESULT = "no_longer_needed"


def with_given(records: SchoolRecords, db: Database | None, tenant: str, catalogue: Catalogue) -> SchoolRecords:
    """Return the records with the help of the casebook and the places that were delivered among ``supports``.

    A place counts from the day on which its answer was written down, or else its first minutes, and only once minutes were
    given. Help was known on the day on which it was written down. How intensive it is stands in the catalogue.
    """
    begun, ended = ([], []) if db is None else _rows(db, tenant, catalogue)
    laid = _laid(records, tenant, "supports", begun)
    return _laid(laid, tenant, "support_ends", ended)


def _rows(db: Database, tenant: str, catalogue: Catalogue) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    begun: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []

    def begins(key: str, who: str, support: str, on: date, known_on: date) -> None:
        tier = catalogue[support].tier if support in catalogue else None
        begun.append({"support_id": key, "student_id": who, "intervention_id": support, "begins_on": on, "tier": tier,
                      "known_on": known_on})  # fmt: skip

    with db.connect() as connection:
        mine = (CASE_SUPPORTS.c.tenant_id == tenant) & (CASE_SUPPORTS.c.intervention_id != "")
        for row in connection.execute(select(CASE_SUPPORTS).where(mine).order_by(CASE_SUPPORTS.c.id)):
            begins(f"case-{row.id}", row.student_id, row.intervention_id, row.begins_on, row.at.date())
            if row.ended_on is not None:
                known_on = max(row.ended_at.date() if row.ended_at else row.ended_on, row.ended_on)
                ended.append({"support_id": f"case-{row.id}", "student_id": row.student_id, "ended_on": row.ended_on,
                              "result": row.result or _NO_RESULT, "known_on": known_on})  # fmt: skip
        given = (OFFERS.c.tenant_id == tenant) & (OFFERS.c.delivered_minutes > 0)
        for row in connection.execute(select(OFFERS).where(given).order_by(OFFERS.c.id)):
            on = (row.answered_at or row.delivered_at).date()
            begins(f"offer-{row.id}", row.student_id, row.intervention_id, on, row.delivered_at.date())
    return begun, ended


def _laid(records: SchoolRecords, tenant: str, table: str, rows: list[dict[str, Any]]) -> SchoolRecords:
    """Return the records with more rows of a table of students, each in its student's bucket."""
    if not rows:
        return records
    schema: Mapping[str, Any] = {**TABLES[table].schema}
    frame = with_versions(pl.DataFrame(rows, schema={name: schema[name] for name in rows[0]}), TABLES[table], tenant)
    count = records.buckets
    held = records.parts.get(table) or tuple(frame.clear().lazy() for _ in range(count))
    number = [zlib.crc32(who.encode()) % len(held) for who in frame["student_id"].to_list()]
    where = pl.Series(number, dtype=pl.Int64)
    parts = tuple(
        pl.concat([part, frame.filter(where == at).lazy()], how="vertical_relaxed") for at, part in enumerate(held)
    )
    return replace(records, parts={**records.parts, table: parts})

"""Everything that is held of a student, for the student or a guardian to take away: one JSON, and its tables as CSV.

It is the right of access (GDPR 15; FERPA, 34 CFR 99.10), so it holds more than any page shows: every version of every row,
demographics, the open notes of staff, which are personal data of the student, and who looked at the record. It leaves out
what belongs to somebody else or was said to be for nobody, and says what that is:

- words that the student wrote for others than the reader;
- what a counselor was told of things that stand in the way, where somebody else than the student reads;
- other guardians, and whom the school must not reach, which could put somebody in danger;
- restricted notes (GDPR 15(4)), probabilities, and what is suggested about leaving school: a counselor opens these with
  the family.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from features.quarantine import guarded_text
from features.records import SchoolRecords
from features.tables import TABLES
from serving import lists, photos
from serving.cases import casebook, families, lessons, offers, plans, told, trail
from serving.cases.access import VOICE, Visible
from serving.cases.database import Database
from serving.store import Store

#: The target that a family is told of by a counselor and not by a file.
_NOT_TOLD = "dropout"

#: What of a scored row is told. Numbers of the model are not among it.
_TOLD = ("as_of", "target", "status", "status_reason", "band", "per_100", "unknowns", "model_version", "correction")

WITHHELD = (
    "Restricted notes of staff, the probability behind a suggestion, and what is suggested about leaving school before the "
    "end are not in this file. Ask the student's counselor to open them with you.",
    "What the student or the family told a counselor stands in the way of school is in the student's own file alone.",
    "What the student wrote for others than you, other guardians, and whom the school must not reach are not in this file.",
)


def everything(
    db: Database, store: Store, records: SchoolRecords, seen: Visible, student_id: str, now: datetime
) -> dict[str, Any]:
    """Return everything that is held of a student as plain values, cut to what the reader may take away.

    Raises :class:`NotFound` or :class:`Refused` where the reader may not (``export_own``). The trail gets its line.
    """
    seen.require(student_id, "export_own")
    tenant, account = records.tenant, seen.account
    with db.connect() as connection:
        cases = casebook.export(connection, tenant, student_id, restricted=False)
        learning_plans = plans.export(connection, tenant, student_id)
        taught = lessons.export(connection, tenant, student_id)
        offered = offers.export(connection, tenant, student_id)
        said = told.export(connection, tenant, student_id, barriers=account.role == "student")
    found = {
        "student_id": student_id,
        "made_at": now.isoformat(),
        "made_for": account.role,
        "not_in_this_file": list(WITHHELD),
        "records": _records(records, seen, student_id),
        "scores": _scores(store, student_id),
        "earlier_lists": _earlier(store, student_id),
        "cases": cases,
        "learning_plans": learning_plans,
        "lessons": taught,
        "offers_of_help": [_plainly(one) for one in offered],
        "told": said,
        "objections": [_plain(one) for one in families.objections(db, tenant, student_id)],
        "corrections": [_plain(one) for one in families.corrections(db, tenant, student_id)],
        "who_looked": _viewers(db, tenant, seen, student_id),
    }
    trail.record(db, tenant, account, "exported_own", student_id, "", now)
    return found


def photo_of(store: Store, found: Mapping[str, Any]) -> Path | None:
    """Return where the student's photo lies that is held, None where none is."""
    rows = found["records"].get("photos", [])
    places = (photos.place(store, row["path"]) for row in reversed(rows) if row["path"])
    return next((one for one in places if one is not None and one.is_file()), None)


def as_zip(found: Mapping[str, Any], photo: Path | None = None) -> bytes:
    """Return the same as a zip: the whole as ``everything.json``, each list of rows as CSV beside it, and the photo."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("everything.json", json.dumps(found, ensure_ascii=False, indent=1, default=str))
        for name, rows in found["records"].items():
            file.writestr(f"records/{name}.csv", _csv(rows))
        for name in ("scores", "earlier_lists", "who_looked"):
            file.writestr(f"{name}.csv", _csv(found[name]))
        if photo is not None:
            file.write(photo, f"photo{photo.suffix.lower()}")
    return packed.getvalue()


def _plainly(row: Mapping[str, Any]) -> dict[str, Any]:
    # Who did it is told in the trail, by name; accounts are nothing to a family.
    return {name: value for name, value in row.items() if name not in ("account_id", "answered_by", "delivered_by")}


def _records(records: SchoolRecords, seen: Visible, student_id: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name in records.parts:
        if TABLES[name].by_student:
            rows = _cut(name, records.everything_of(name, student_id), seen, student_id).drop("tenant")
            found[name] = rows.sort("known_on", *(key for key in TABLES[name].natural_key if key in rows.columns)).to_dicts()
    return found


def _cut(table: str, rows: pl.DataFrame, seen: Visible, student_id: str) -> pl.DataFrame:
    if table == "student_voice":
        open_to = [said for said, action in VOICE.items() if seen.may(student_id, action)]
        return rows.filter(pl.col("shared_with").is_in(open_to))
    if table == "guardians":
        own = pl.col("guardian_id") == pl.lit(seen.account.person_id or "", pl.String)
        mine = own if seen.account.role == "guardian" else pl.lit(value=False)
        return rows.filter(mine).drop("contact_restriction")
    return rows


def _scores(store: Store, student_id: str) -> list[dict[str, Any]]:
    latest = store.latest()
    scored = store.scored(latest) if latest else None
    if scored is None:
        return []
    mine = scored.filter(pl.col("student_id") == student_id, pl.col("target") != _NOT_TOLD)
    texts = [pl.col(name).list.eval(pl.element().struct.field("text")).alias(name) for name in ("reasons", "strengths")]
    return mine.select(*_TOLD, *texts).to_dicts()


def _earlier(store: Store, student_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in lists.kept(store):
        mine = one.rows.filter(pl.col("student_id") == student_id, pl.col("target") != _NOT_TOLD)
        found += mine.select("as_of", "target", "status", "band", "model_version").to_dicts()
    return found


def _viewers(db: Database, tenant: str, seen: Visible, student_id: str) -> list[dict[str, Any]]:
    """Return who did what with the record, newest first. Of another guardian only the role is told."""
    return [
        {
            "on": one.at.date().isoformat(),
            "who": one.name if one.role != "guardian" or one.account_id == seen.account.id else "",
            "role": one.role,
            "did": one.action,
            "why": one.why,
        }
        for one in trail.who_viewed(db, tenant, student_id)
    ]


def _plain(one: families.Objection | families.Correction) -> dict[str, Any]:
    # Who decided is told by name; accounts are nothing to a family.
    left_out = {"asked_by", "decided_by", "account_id", "student_id"}
    names = [name for name in one.__dataclass_fields__ if name not in left_out]
    values = {name: getattr(one, name) for name in names}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, with no cell that a spreadsheet would run."""
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    told = "" if value is None else str(value)
    return guarded_text(told) if isinstance(value, str) else told

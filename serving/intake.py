"""What happens to every export between its reading and its keeping: erased students stay out, corrections are laid over it.

The one way in. Rows of students who were erased are dropped, from the tables and from what was set aside; values that a
named person has corrected take their place, as versions known from the day of the decision, so that what was seen on
earlier days stays as it was; and persons whom the school must not reach are marked. When the school's own system says the
same, the correction rests; when its old mistake comes back, the correction is laid again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from features.records import ROWS_PER_GROUP, SchoolRecords, digest_of, with_versions
from features.tables import TABLES, Table
from features.validation import Reading
from serving.cases import families
from serving.cases.database import Database
from serving.cases.erased import tombstones
from serving.cases.families import Correction, Restriction, as_text, is_row, typed
from serving.store import Store

#: The file of the secret that tombstones are made with. Without it nobody can try keys against them.
TOMBSTONE_SECRET = "tombstone-secret"  # noqa: S105 (the name of a file)

#: What parts the cells of a row in any of the files that schools send.
_PARTS = re.compile(r"[\s,;|\"']+")


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is laid over a row from a day on, by the identifier of what asks for it."""

    id: str
    table: str
    key: Mapping[str, str]
    column: str
    value: str | None
    on: date

    @classmethod
    def of(cls, asked: Correction | Restriction) -> Change:
        """Return what an accepted correction, or a restriction of contact, lays over the records."""
        if isinstance(asked, Correction):
            assert asked.decided_on is not None, "a correction is laid once it is accepted"
            return cls(asked.id, asked.table, asked.key, asked.column, asked.value, asked.decided_on)
        key = {"student_id": asked.student_id, "guardian_id": asked.guardian_id}
        return cls(asked.id, "guardians", key, "contact_restriction", asked.kind, asked.entered_on)


@dataclass(frozen=True)
class Door:
    """What stands between an export and the records: accepted corrections, restrictions, and who was erased."""

    corrections: tuple[Correction, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    erased: frozenset[str] = frozenset()

    @classmethod
    def of(cls, db: Database | None, tenant: str) -> Door:
        """Return the door as it stands now; without a database it is open."""
        if db is None:
            return cls()
        held = families.corrections(db, tenant, states=("accepted", "source_agrees"))
        return cls(held, families.restrictions(db, tenant), tombstones(db, tenant))

    def digest(self, export: str) -> str:
        """Return what names records that were made of an export behind this door; the export's own name comes first."""
        laid = [one.id for one in self.corrections if one.state == "accepted"]
        laid = sorted([*laid, *(one.id for one in self.restrictions)])
        return f"{export}+{digest_of(laid, sorted(self.erased))}" if laid or self.erased else export


@dataclass(frozen=True)
class Kept:
    """Records as they were kept, how many rows of how many erased students were left out, and which corrections rest."""

    records: SchoolRecords
    dropped_rows: int
    dropped_students: int
    agreed: tuple[str, ...]
    again: tuple[str, ...]


def keep(store: Store, reading: Reading, tenant: str, db: Database | None, today: date) -> Kept:
    """Write an export's records into the store behind the door, and what was set aside beside them.

    Args:
        store: where they are kept.
        reading: the export as it was read.
        tenant: whose it is.
        db: where corrections, restrictions and tombstones are kept, if there is one yet.
        today: the day on which corrections rest with which the export agrees.

    """
    door = Door.of(db, tenant)
    reading, rows, students = without_erased(reading, store, door.erased)
    tables, agreed, again = laid_over(reading.tables, tenant, door)
    if db is not None and (agreed or again):
        families.note_agreement(db, tenant, agreed, again, today)
        door = Door.of(db, tenant)
    records = SchoolRecords.from_frames(tables, tenant, door.digest(reading.digest)).write(store.records_folder)
    store.keep_accounts(reading.digest, reading.accounts)
    reading.write_quarantine(store.folder / "quarantine")
    return Kept(records, rows, students, agreed, again)


# -- who stays out ----------------------------------------------------------------------------------------------------


def tombstone(store: Store, key: str) -> str:
    """Return what is kept of an erased student's identifier: HMAC-SHA-256 under a secret of its own."""
    return hmac.new(store.secret(TOMBSTONE_SECRET), key.encode(), hashlib.sha256).hexdigest()


def erased_among(store: Store, keys: Iterable[str], erased: frozenset[str]) -> frozenset[str]:
    """Return those of some identifiers that are of erased students."""
    if not erased:
        return frozenset()
    secret = store.secret(TOMBSTONE_SECRET)
    return frozenset(key for key in keys if hmac.new(secret, key.encode(), hashlib.sha256).hexdigest() in erased)


def without_erased(reading: Reading, store: Store, erased: frozenset[str]) -> tuple[Reading, int, int]:
    """Return a reading without rows of erased students, how many rows that were, and how many students.

    A row that was set aside goes where any cell of it is an identifier of theirs.
    """
    if not erased:
        return reading, 0, 0
    own = {name: frame for name, frame in reading.tables.items() if "student_id" in frame.columns}
    keys = {key for frame in own.values() for key in frame["student_id"].unique().to_list() if key is not None}
    gone = erased_among(store, keys, erased)
    tables, rows = dict(reading.tables), 0
    for name, frame in own.items():
        tables[name] = frame.filter(~pl.col("student_id").is_in(list(gone)) | pl.col("student_id").is_null())
        rows += frame.height - tables[name].height
    quarantine = {name: _without_cells(frame, store, erased) for name, frame in reading.quarantine.items()}
    rows += sum(frame.height - quarantine[name].height for name, frame in reading.quarantine.items())
    return replace(reading, tables=tables, quarantine=quarantine), rows, len(gone)


def _without_cells(frame: pl.DataFrame, store: Store, erased: frozenset[str]) -> pl.DataFrame:
    text = [name for name, kind in frame.schema.items() if kind == pl.String]
    # Whole cells, and the words of a row that could not be cut into cells.
    words = {cell: {cell, *_PARTS.split(cell)} for name in text for cell in frame[name].unique().to_list() if cell}
    gone = erased_among(store, {word for found in words.values() for word in found}, erased)
    cells = [cell for cell, found in words.items() if found & gone]
    hit = pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_in(cells).fill_null(value=False) for name in text))
    return frame.filter(~hit)


# -- corrections ------------------------------------------------------------------------------------------------------


def laid_over(
    tables: Mapping[str, pl.DataFrame], tenant: str, door: Door
) -> tuple[dict[str, pl.DataFrame], tuple[str, ...], tuple[str, ...]]:
    """Return an export's tables with corrections and restrictions laid over them.

    Returns:
        the tables, the accepted corrections with which the export agrees by itself, and those that rested and whose old
        mistake the export makes again.

    """
    found, agreed, again = dict(tables), list[str](), list[str]()
    changes = [Change.of(one) for one in door.restrictions]
    for one in door.corrections:
        if one.table not in tables:
            continue
        change = Change.of(one)
        says = _says(with_versions(found[one.table], TABLES[one.table], tenant), change)
        if one.state == "accepted" and says == (True, one.value):
            agreed.append(one.id)
        elif one.state == "accepted":
            changes.append(change)
        elif says == (True, one.was) and one.was != one.value:
            again.append(one.id)
            changes.append(change)
    for change in changes:
        if change.table in found:
            found[change.table] = laid(with_versions(found[change.table], TABLES[change.table], tenant), change)
    return found, tuple(agreed), tuple(again)


def _says(frame: pl.DataFrame, change: Change) -> tuple[bool, str | None]:
    """Return whether a table has the row of a change and, by its newest version, what it says there."""
    rows = frame.filter(is_row(TABLES[change.table], change.key)).sort("known_on")
    if rows.is_empty() or rows["deleted"][-1]:
        return False, None
    said = as_text(rows[change.column][-1])
    column = TABLES[change.table].column(change.column)
    return True, as_text(typed(column, said)) if said is not None else None


def laid(frame: pl.DataFrame, change: Change) -> pl.DataFrame:
    """Return a table, its version columns among it, with one value laid over one row from a day on.

    Versions known before that day stay. The newest of them is repeated with the value, known on the day, and every later
    version of the source has the value too: it is not taken back by an export that does not know of it.
    """
    table: Table = TABLES[change.table]
    mine = is_row(table, change.key)
    rows = frame.filter(mine).sort("known_on")
    before, after = rows.filter(pl.col("known_on") < change.on), rows.filter(pl.col("known_on") >= change.on)
    value = pl.lit(typed(table.column(change.column), change.value), table.column(change.column).type).alias(change.column)
    same_day = not after.filter(pl.col("known_on") == change.on).is_empty()
    new = before.tail(0 if same_day else 1).filter(~pl.col("deleted"))
    new = new.with_columns(value, pl.lit(change.on, pl.Date).alias("known_on"))
    return pl.concat([frame.filter(~mine.fill_null(value=False)), before, new, after.with_columns(value)])


def lay_over_kept(store: Store, door: Door, change: Change) -> SchoolRecords:
    """Lay one change over the records that are kept, at once, and return these; ``door`` is as it stands with the change.

    Only the files of its table are written anew. The manifest comes last: a run that is killed before leaves records that
    the next reading of the export does not take for its own.
    """
    folder = store.records_folder
    records = SchoolRecords.open(folder)
    if records.holds(change.table):
        for path in sorted((folder / change.table).glob("bucket-*.parquet")):
            frame = pl.read_parquet(path)
            if frame.filter(is_row(TABLES[change.table], change.key)).height:
                write_anew(laid(frame, change).sort("student_id", maintain_order=True), path)
    name_kept(store, door, {change.table} if records.holds(change.table) else set())
    return SchoolRecords.open(folder)


def name_kept(store: Store, door: Door, versioned: set[str]) -> None:
    """Name the records that are kept by the door as it stands, and the tables that have versions by now."""
    manifest = store.records_folder / "manifest.json"
    told = json.loads(manifest.read_text())
    told["digest"] = door.digest(told["digest"].partition("+")[0])
    told["versioned"] = sorted({*told["versioned"], *versioned})
    building = manifest.with_name(".manifest.json.building")
    building.write_text(json.dumps(told, indent=1, sort_keys=True))
    building.replace(manifest)


def write_anew(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file in the place of another, whole or not at all, with what was noted in it."""
    noted = {key: text for key, text in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
    building = path.with_name(f".{path.name}.building")
    frame.write_parquet(building, metadata=noted, row_group_size=ROWS_PER_GROUP)
    building.replace(path)

"""Erasure: of a student who is erased nothing is left in the state folder but a tombstone that keeps them out.

The student is first kept out of every later export (:mod:`serving.intake`), then every file of the tenant is written anew
without their rows, then the database forgets them, the key of their pseudonym in the trail with the rest. A run that is
killed in between is taken up again by the same call; nothing of what is done has to be undone.

What a class was measured by goes with the student, too: its grid holds values that somebody has. Until the next scoring
nobody of that class is compared with it. What models learned stays in them until they are trained anew; their cards say of
how many erased students that is true.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from features import quarantine
from features.problems import NotFound, Problem, Refused
from features.records import SchoolRecords, digest_of
from features.tables import TABLES
from serving import photos
from serving.cases import erased
from serving.cases.database import Database
from serving.cases.people import Account
from serving.intake import Door, name_kept, tombstone, write_anew
from serving.store import Store

#: Tables that say which rows elsewhere are the student's: erased last, so that a run that was killed can be ended.
_LAST = ("photos", "guardians", "enrolments", "identities", "students")

#: The folder in which it is kept who was among the students that a version was made from.
MEMBERS = "trained"

#: Lists that were written into the state folder are recognised by this column.
_LISTED = "prediction_id"


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a student can be found: keys, enrolments, the classes they were in, pictures, and guardians of nobody else."""

    student_id: str
    source_ids: tuple[str, ...]
    enrolments: frozenset[str]
    photos: tuple[str, ...]
    guardians: frozenset[str]

    @property
    def keys(self) -> frozenset[str]:
        """The identifiers by which the row of a file is known to be the student's."""
        return frozenset({self.student_id, *self.source_ids}) | self.enrolments


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: rows and accounts that went, and what is not in our hands.

    ``left`` names files of the state folder that still hold an identifier: copies of the school's own export, say, which
    it has to remove itself. ``clean`` tells whether the database's own files hold nothing any more (SQLite; of PostgreSQL
    see :func:`serving.cases.database.leave_no_traces`).
    """

    rows: int
    accounts: int
    left: tuple[str, ...]
    clean: bool


def erase(
    home: Path, store: Store, db: Database, student_id: str, now: datetime, today: date, *, by: Account | None = None
) -> Erased:
    """Erase a student from the state folder and from the database. Nothing brings them back.

    No scoring of the tenant may run meanwhile: it would write files anew that it had begun before.

    Args:
        home: the state folder.
        store: the tenant's part of it; its folder's name is the tenant's.
        db: the database.
        student_id: the student's key.
        now: the moment.
        today: the day that the tombstone bears.
        by: who does it, ``None`` for the command line.

    Raises:
        NotFound: there is no such student, and no erasure of theirs was begun.

    """
    tenant = store.folder.name
    records = _records(store)
    traces = _traces(records, student_id)
    known = records is not None and not records.everything_of("students", student_id).is_empty()
    if not known and student_id not in erased.begun(db, tenant) and not _somewhere(store, student_id):
        raise NotFound("There is no such student in the records that are kept here.")
    digests = [tombstone(store, key) for key in (student_id, *traces.source_ids)]
    erased.begin(db, tenant, student_id, digests, now, today)
    rows = _erase_files(home, store, records, traces)
    accounts, clean = erased.erase_rows(db, tenant, student_id, traces.guardians, now, by=by)
    if records is not None:
        name_kept(store, Door.of(db, tenant), set())  # last: what was laid over the student's rows is gone by now
    return Erased(rows, accounts, tuple(_left(home, store, traces)), clean)


def _records(store: Store) -> SchoolRecords | None:
    try:
        return store.records()
    except NotFound:
        return None


def _traces(records: SchoolRecords | None, student_id: str) -> Traces:
    if records is None:
        return Traces(student_id, (), frozenset(), (), frozenset())

    def column(table: str, name: str) -> list[str]:
        return records.everything_of(table, student_id)[name].drop_nulls().unique().to_list() if records.holds(table) else []

    mine = set(column("guardians", "guardian_id"))
    others: set[str] = set()
    if mine:
        rows = records.labels("guardians").filter(pl.col("guardian_id").is_in(list(mine)), pl.col("student_id") != student_id)
        others = set(rows.select("guardian_id").collect()["guardian_id"])
    return Traces(student_id, tuple(column("identities", "source_id")), frozenset(column("enrolments", "enrolment_id")),
                  tuple(column("photos", "path")), frozenset(mine - others))  # fmt: skip


def _somewhere(store: Store, student_id: str) -> bool:
    """Whether some file of the tenant knows the student, though the records do not."""
    return any("student_id" in frame.columns and (frame["student_id"] == student_id).any()
               for frame in map(pl.read_parquet, _parquet(store.folder)))  # fmt: skip


# -- files ------------------------------------------------------------------------------------------------------------


def _erase_files(home: Path, store: Store, records: SchoolRecords | None, traces: Traces) -> int:
    folder = store.folder
    groups = _groups(folder, traces)
    rows = 0
    for path in _parquet(folder):
        if path.is_relative_to(store.norms_folder):
            rows += _without(path, pl.col("group").is_in(list(groups)))
        elif not path.is_relative_to(store.records_folder):
            rows += _without(path, _is_of(path, traces))
    for path in _parquet(home):
        if not path.is_relative_to(home / "data") and _LISTED in pl.read_parquet_schema(path):
            rows += _without(path, _is_of(path, traces))
    rows += _erase_set_aside(folder / "quarantine", traces)
    _erase_pictures(store, traces)
    if records is not None:
        rows += _erase_records(store, records, traces)
    _name_anew(store)
    return rows


def _erase_records(store: Store, records: SchoolRecords, traces: Traces) -> int:
    rows = 0
    for name in sorted(records.parts, key=lambda one: (_LAST.index(one) if one in _LAST else -1, one)):
        if TABLES[name].by_student:
            for path in sorted((store.records_folder / name).glob("*.parquet")):
                rows += _without(path, pl.col("student_id") == traces.student_id)
    _count_anew(store)
    return rows


def _erase_pictures(store: Store, traces: Traces) -> None:
    """Remove the pictures of a student, by every name that a row gave them, and what a taking in left that was killed."""
    for name in traces.photos:
        found = [photos.place(store, name)]  # a row may write a name in another way than the folder does
        for root in (store.folder / photos.FOLDER, store.folder):
            picture = (root / name).resolve()
            found += [picture] if picture.is_relative_to(root.resolve()) else []
        for one in found:
            for path in () if one is None else (one, one.with_name(f".{one.name}.building")):
                if path.is_file():
                    path.unlink()


def _parquet(folder: Path) -> Iterator[Path]:
    """Yield every Parquet file below a folder, those half written too."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and ".parquet" in path.name)


def _is_of(path: Path, traces: Traces) -> pl.Expr | None:
    columns = pl.read_parquet_schema(path)
    found = [pl.col("student_id") == traces.student_id] if "student_id" in columns else []
    if "enrolment_id" in columns and traces.enrolments:
        found.append(pl.col("enrolment_id").is_in(list(traces.enrolments)))
    return pl.any_horizontal(found) if found else None


def _without(path: Path, theirs: pl.Expr | None) -> int:
    """Write a file anew without the rows of the student, where it has any; return how many those were."""
    if theirs is None:
        return 0
    if path.name.endswith(".building"):  # of a run that was killed: nobody will read it
        path.unlink()
        return 0
    frame = pl.read_parquet(path)
    kept = frame.filter(~theirs.fill_null(value=False))
    if kept.height < frame.height:
        write_anew(kept, path)
    return frame.height - kept.height


def _groups(folder: Path, traces: Traces) -> frozenset[str]:
    """Return the classes and year groups beside which the student was ever seen."""
    found: set[str] = set()
    for path in _parquet(folder / "snapshots"):
        if "peers" in pl.read_parquet_schema(path):
            mine = pl.scan_parquet(path).filter(pl.col("student_id") == traces.student_id)
            found |= set(mine.select("peers").collect()["peers"].drop_nulls())
    return frozenset(found)


def _erase_set_aside(folder: Path, traces: Traces) -> int:
    """Drop what was set aside of the student.

    Where any of it is, all that was written there is removed: `homeroom check` writes what is of others again. In files that
    somebody has begun to mend, the student's rows alone go.
    """
    files = sorted(folder.rglob("*.csv"))
    if not any(_csv_without(path, traces, only_count=True) for path in files):
        return 0
    found = sum(_csv_without(path, traces, only_count=True) for path in files)
    quarantine.write(folder, (), (), {})
    for path in files:
        if path.exists():
            _csv_without(path, traces)
    return found


def _csv_without(path: Path, traces: Traces, only_count: bool = False) -> int:
    """Drop the rows that name the student in any cell, or only count them."""
    named = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(traces.keys)))})(?!\w)")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    kept = [row for at, row in enumerate(rows) if at == 0 or not any(named.search(cell) for cell in row)]
    if len(kept) < len(rows) and not only_count:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(kept)
        building = path.with_name(f".{path.name}.building")
        building.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
        building.replace(path)
    return len(rows) - len(kept)


def _count_anew(store: Store) -> None:
    manifest = store.records_folder / "manifest.json"
    told = json.loads(manifest.read_text())
    told["rows"] = {
        name: pl.scan_parquet(store.records_folder / name / "*.parquet").select(pl.len()).collect().item()
        for name in told["rows"]
    }
    building = manifest.with_name(".manifest.json.building")
    building.write_text(json.dumps(told, indent=1, sort_keys=True))
    building.replace(manifest)


def _name_anew(store: Store) -> None:
    """Give the newest scoring another token, so that whoever holds it in memory reads it again."""
    latest = store.folder / "latest.json"
    if latest.exists():
        told = json.loads(latest.read_text())
        told["token"] = digest_of(told["token"], "erased")
        building = latest.with_name(".latest-erased.json")
        building.write_text(json.dumps(told, indent=1, sort_keys=True))
        building.replace(latest)


def _left(home: Path, store: Store, traces: Traces) -> Iterator[str]:
    """Yield the files of the state folder, but those of other tenants, in which an identifier of the student still stands."""
    keys = [key.encode() for key in (traces.student_id, *traces.source_ids) if key]
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        if path.is_relative_to(home / "data") and not path.is_relative_to(store.folder):
            continue
        if path.suffix == ".parquet":
            columns = pl.read_parquet_schema(path)
            frame = pl.read_parquet(path, columns=["student_id"]) if "student_id" in columns else pl.DataFrame()
            found = "student_id" in frame.columns and bool((frame["student_id"] == traces.student_id).any())
        elif path.suffix in (".db", ".db-wal", ".db-shm", ".zip"):
            continue  # the database says itself whether it is clean, and a packed file is the school's own
        else:
            content = path.read_bytes()
            found = any(key in content for key in keys)
        if found:
            yield str(path.relative_to(home))


# -- what models learned ----------------------------------------------------------------------------------------------


def note_members(store: Store, records: SchoolRecords, versions: Mapping[str, str]) -> None:
    """Keep who was among the students that versions (by target) were made from, as digests that only erasure can read."""
    students = records.labels("students").select("student_id").unique().collect()["student_id"].sort()
    digests = pl.DataFrame({"digest": [tombstone(store, key) for key in students]}, schema={"digest": pl.String})
    folder = store.folder / MEMBERS
    folder.mkdir(parents=True, exist_ok=True)
    for target, version in versions.items():
        building = folder / f".{target}-{version}.building"
        digests.write_parquet(building)
        building.replace(folder / f"{target}-{version}.parquet")


def erased_members(store: Store, db: Database | None, target: str, version: str) -> int | None:
    """Return how many students were erased whose records a version was made from, ``None`` where that was not kept."""
    path = store.folder / MEMBERS / f"{target}-{version}.parquet"
    if db is None or not path.exists():
        return None
    gone = erased.tombstones(db, store.folder.name)
    return int(pl.read_parquet(path)["digest"].is_in(list(gone)).sum())


def with_erased(card: Mapping[str, object], students: int | None) -> dict[str, object]:
    """Return a model's card with what it has to say of students who were erased since it was made."""
    if students is None:
        return dict(card)
    says = (
        "No student whose records this version was made from was erased since."
        if students == 0
        else f"{students:,} {'student' if students == 1 else 'students'} whose records this version was made from "
        f"{'was' if students == 1 else 'were'} erased since; they leave it at the next training."
    )
    limits = card.get("limits", ())
    assert isinstance(limits, list | tuple)
    return {**card, "erased_since": {"students": students, "says": says}, "limits": [*limits, *([says] if students else [])]}


def confirm(student_id: str, again: str) -> None:
    """Raise :class:`Refused` unless the key was typed twice alike: there is no way back."""
    if student_id != again:
        raise Refused([Problem("erase_confirm", "--confirm", "it is not the same key", "Type the student's key once more.")],
                      "Nobody was erased")  # fmt: skip



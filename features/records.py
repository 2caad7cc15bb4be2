"""A school's records, and the one gate of time.

:class:`SchoolRecords` holds the canonical tables, lazily, in buckets by student. :meth:`SchoolRecords.known_at` is
the only way from records to features: of every row it lets through the latest version known by the end of the
as-of day, and nothing later. Labels leave by another door, :meth:`SchoolRecords.labels`, group facts by a third,
:meth:`SchoolRecords.audit`, and what people read but no model does, such as a name, by a fourth,
:meth:`SchoolRecords.shown`; a fifth, :meth:`SchoolRecords.everything_of`, gives a family everything that is held of one
student. None of them can be reached from a snapshot.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from features.problems import NotFound, Problem, Refused
from features.tables import GRAIN_KEYS, TABLES, VERSION_COLUMNS, Grain, Table, Use

if TYPE_CHECKING:
    import pandas as pd

#: The cut in time: what was known by the end of the as-of day.
_SEEN = pl.col("known_on") <= pl.col("as_of")

#: Known since before anybody asked: what is published ahead of enrolment.
EVER = date(1900, 1, 1)

#: About how many rows of its largest table one bucket holds: small enough for a laptop, large enough to be quick.
ROWS_PER_BUCKET = 5_000_000

#: Rows that are read together. The page of one student of 5,000 reads two or three such groups of each table, and no more.
ROWS_PER_GROUP = 32_768


#: A table of students of no more rows is held in memory for pages: of 5,000 students nineteen of twenty-seven, some 35 MB.
ROWS_AT_HAND = 250_000

#: The columns of a cohort: the keys of the finest unit, the date, and the group beside which a unit is seen.
COHORT_COLUMNS: Mapping[str, pl.DataType] = MappingProxyType(
    {**dict.fromkeys(GRAIN_KEYS["skill"], pl.String()), "as_of": pl.Date(), "peers": pl.String()}
)


#: Tables of which people are shown what the models read too: the facts behind a sentence. Of every other table only what is
#: there to be shown leaves by :meth:`SchoolRecords.shown`.
FACTS = frozenset(
    {"enrolments", "rosters", "attendance", "submissions", "results", "course_marks", "skill_results", "digital_access"}
)


@dataclass(frozen=True)
class Cohort:
    """Who is looked at and when: one row per unit and as-of date.

    ``frame`` has ``student_id``, ``enrolment_id``, ``section_id``, ``skill_id`` (null where the unit is coarser),
    ``as_of`` and ``peers``: the group beside which the unit is seen. That is the class where the unit has just one,
    else the year group of its school. A single student at one date is a cohort of one row.
    """

    frame: pl.DataFrame
    unit: Grain

    def __len__(self) -> int:
        return self.frame.height

    @classmethod
    def of(cls, frame: pl.DataFrame, unit: Grain) -> Cohort:
        """Return a cohort with its columns in order; raise :class:`ValueError` where a key of the unit is missing."""
        missing = [name for name in (*GRAIN_KEYS[unit], "as_of") if name not in frame.columns]
        if missing:
            raise ValueError(f"a cohort of {unit}s needs {', '.join(missing)}")
        absent = [pl.lit(None, pl.String).alias(name) for name in GRAIN_KEYS["skill"] if name not in frame.columns]
        complete = frame.with_columns(absent)
        if "peers" not in complete.columns:
            complete = complete.with_columns(pl.col("section_id").alias("peers"))
        return cls(complete.select(list(COHORT_COLUMNS)), unit)


@dataclass(frozen=True)
class SchoolRecords:
    """The canonical tables of one tenant.

    ``parts`` holds, for each table, one lazy frame per bucket (one in all for tables that belong to no student).
    ``versioned`` names the tables in which some row has more than one version or a deletion: the others need no
    search for the latest. ``single_section`` tells that every row of an enrolment is of one class, as in OULAD,
    where a module presentation is both. ``few`` tells that the rows are those of a request, so few that optimising a
    query plan takes longer than running it.
    """

    tenant: str
    parts: Mapping[str, tuple[pl.LazyFrame, ...]]
    versioned: frozenset[str]
    single_section: bool
    digest: str = ""
    few: bool = False

    # -- making ----------------------------------------------------------------------------------------------

    @classmethod
    def from_frames(cls, tables: Mapping[str, pl.DataFrame], tenant: str = "default", digest: str = "") -> SchoolRecords:
        """Return records over frames in memory, in one bucket. The frames are trusted: a source has checked them.

        Version columns that are absent are filled: ``known_on`` with the event's date plus the table's lag.
        """
        complete = {name: with_versions(frame, TABLES[name], tenant) for name, frame in tables.items()}
        versioned = frozenset(name for name, frame in complete.items() if _has_versions(frame, TABLES[name]))
        return cls(
            tenant,
            {name: (frame.lazy(),) for name, frame in complete.items()},
            versioned,
            _single_section(complete),
            digest,
        )

    @classmethod
    def from_pandas(cls, tables: Mapping[str, pd.DataFrame], tenant: str = "default") -> SchoolRecords:
        """Return records from pandas frames in the canonical columns, checked as a file would be.

        Raises :class:`Refused` with every problem at once: nothing is quarantined in silence on this way in.
        """
        from features.sources.tables import check_frames

        return check_frames({name: pl.from_pandas(frame) for name, frame in tables.items()}, tenant)

    def write(self, folder: Path, buckets: int | None = None) -> SchoolRecords:
        """Write the records as Parquet in buckets by student and return them opened from there.

        The folder appears complete or not at all: a killed run leaves nothing that could be mistaken for records.
        """
        tables = {name: pl.concat(list(parts)).collect() for name, parts in self.parts.items()}
        largest = max((frame.height for frame in tables.values()), default=0)
        count = buckets or max(1, -(-largest // ROWS_PER_BUCKET))
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, frame in tables.items():
                (building / name).mkdir()
                if count > 1 and TABLES[name].by_student:
                    numbers = frame.select("student_id").unique().with_columns(bucket=_bucket_numbers(count))
                    split = frame.join(numbers, on="student_id").partition_by("bucket", as_dict=True, include_key=False)
                    for number in range(count):
                        _write_part(split.get((number,), frame.clear()), name, building, number)
                else:
                    _write_part(frame, name, building, 0)
            manifest = {
                "tenant": self.tenant,
                "tables": _shape(),
                "buckets": count,
                "versioned": sorted(self.versioned),
                "single_section": self.single_section,
                "digest": self.digest,
                "rows": {name: frame.height for name, frame in tables.items()},
            }
            (building / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
            if folder.exists():
                shutil.rmtree(folder)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return self.open(folder)

    @classmethod
    def open(cls, folder: Path) -> SchoolRecords:
        """Return the records that lie in ``folder``; raise :class:`NotFound` where there are none of today's tables."""
        try:
            manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        except FileNotFoundError:
            raise NotFound(f"There are no records in {folder.name}. Read an export into it first.") from None
        if manifest.get("tables") != _shape():
            raise NotFound(f"The records in {folder.name} were kept by a release with other tables. Read the export again.")
        parts = {
            name: tuple(pl.scan_parquet(path) for path in sorted((folder / name).glob("bucket-*.parquet")))
            for name in manifest["rows"]
        }
        return cls(manifest["tenant"], parts, frozenset(manifest["versioned"]), manifest["single_section"], manifest["digest"])

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def buckets(self) -> int:
        """Number of buckets: independent units of work, since a student's features need that student's rows only."""
        return max((len(parts) for parts in self.parts.values()), default=1)

    def bucket(self, number: int) -> SchoolRecords:
        """Return the records of the students of one bucket, with what belongs to no student."""
        return replace(self, parts={n: (p[number if len(p) > 1 else 0],) for n, p in self.parts.items()})

    def of_student(self, student_id: str, tables: Collection[str] = tuple(TABLES)) -> SchoolRecords:
        """Return the records of one student, read at once, with what belongs to no student; of ``tables`` only, where told.

        A page reads some twenty tables of the same student: one pass over the student's bucket costs a third of twenty.
        """
        number = zlib.crc32(student_id.encode()) % self.buckets
        held = {name: parts for name, parts in self.parts.items() if name in tables}
        theirs = [name for name in held if TABLES[name].by_student]
        lazy = [held[name][number if len(held[name]) > 1 else 0].filter(pl.col("student_id") == student_id) for name in theirs]
        read = dict(zip(theirs, pl.collect_all(lazy), strict=True))
        parts = {name: (read[name].lazy(),) if name in read else found for name, found in held.items()}
        return replace(self, parts=parts, digest="", few=True)

    def at_hand(self, most: int = ROWS_AT_HAND) -> SchoolRecords:
        """Return the same records with those tables of students in memory that have no more than ``most`` rows, in order.

        Of a small table of one student, a page spends more on opening the file than on all that stands in it.
        """
        parts = dict(self.parts)
        for name, found in self.parts.items():
            if TABLES[name].by_student and self._rows(name).select(pl.len()).collect().item() <= most:
                parts[name] = tuple(one.sort("student_id", maintain_order=True).collect().lazy() for one in found)
        return replace(self, parts=parts)

    def arrived_late(self, earlier: date, later: date) -> int:
        """Return how many rows about students, such as a model reads, arrived between two days and are about the time before.

        A row is late where it became known later than its own table says: a day's attendance, known a day later, is not.
        """
        read = {name: table for name, table in TABLES.items() if table.event and table.by_student and table.used_for("feature")}
        late = [
            self._rows(name).filter(_late(table, earlier, later)).select(pl.len())
            for name, table in read.items()
            if self.holds(name)
        ]
        return sum(frame.item() for frame in pl.collect_all(late))

    def as_if_known(self, earlier: date, later: date) -> SchoolRecords:
        """Return the records as they would have been on a day, had what arrived late until another day been there by then."""
        parts = {
            name: tuple(
                part.with_columns(known_on=pl.when(_late(table, earlier, later)).then(pl.lit(earlier)).otherwise("known_on"))
                for part in found
            )
            if (table := TABLES[name]).event and table.by_student
            else found
            for name, found in self.parts.items()
        }
        return replace(self, parts=parts, digest="")

    def holds(self, table: str) -> bool:
        """Whether the school sent this table at all. One that was sent empty is held; one not sent is unknown."""
        return table in self.parts

    def _rows(self, table: str) -> pl.LazyFrame:
        if table not in self.parts:
            return pl.LazyFrame(schema=TABLES[table].schema)
        parts = self.parts[table]
        return parts[0] if len(parts) == 1 else pl.concat(list(parts))

    def known_at(self, cohort: pl.DataFrame, grain: Grain) -> Snapshot:
        """Return what was known of each unit by the end of its as-of day. This is the only cut in time.

        ``cohort`` has ``row``, the keys of ``grain`` and ``as_of``, each row once.
        """
        dates = cohort["as_of"].unique().to_list() if cohort.height > 1 else cohort["as_of"].to_list()
        return Snapshot(self, cohort, dates, grain)

    def visible(self, table: str, dates: Sequence[date]) -> pl.LazyFrame:
        """Return the rows of ``table`` known at each of ``dates`` (column ``as_of``), for all students.

        This is the same gate as :meth:`known_at`, for tables that are read whole: who is enrolled, what is due.
        """
        rows = self._rows(table)
        if len(dates) == 1:
            rows = rows.with_columns(pl.lit(dates[0], pl.Date).alias("as_of"))
        else:
            rows = rows.join(pl.LazyFrame({"as_of": dates}, schema={"as_of": pl.Date}), how="cross")
        return self._known(table, rows, ("as_of",))

    def _known(self, table: str, rows: pl.LazyFrame, each: tuple[str, ...]) -> pl.LazyFrame:
        """Cut rows that carry ``as_of`` to the versions known by the end of that day."""
        seen = rows.filter(_SEEN)
        if table in self.versioned:
            # A deletion is a version: it must win over what it deletes before it is dropped itself.
            key = [*each, *TABLES[table].natural_key]
            seen = seen.filter(pl.col("known_on") == pl.col("known_on").max().over(key)).filter(~pl.col("deleted"))
        return seen.drop("tenant", "known_on", "deleted")

    def labels(self, table: str) -> pl.LazyFrame:
        """Return a table with its label columns and ``known_on``, every version, for targets only."""
        return self._rows(table)

    def audit(self, table: str, as_of: date) -> pl.DataFrame:
        """Return group facts as known at a date. Only the fairness audit calls this (a test sees to it)."""
        return self.visible(table, [as_of]).collect()

    def shown(self, table: str, as_of: date) -> pl.LazyFrame:
        """Return what pages may show of a table as known at a date, with the keys that join it, and nothing else of it.

        Of the tables of :data:`FACTS` that is what the models read too, so that a sentence can be checked. Only
        :mod:`serving.cases.access` calls this, which cuts the rows to those whom a reader may see (a test sees to it). Raises
        :class:`Refused` where nothing of the table is there to be shown: demographics, for one.
        """
        columns = TABLES[table]
        if not columns.used_for("display_only") and table not in FACTS:
            raise Refused(
                [
                    Problem(
                        "use_not_permitted",
                        f"table {table}",
                        "no column of it may be shown",
                        "Its columns are for joining, features, labels or the audit: see features/tables.py.",
                    )
                ],
                "A page asked for what no page may show",
            )
        uses: tuple[Use, ...] = ("display_only", "join", "feature") if table in FACTS else ("display_only", "join")
        return self.visible(table, [as_of]).select(columns.used_for(*uses))

    def everything_of(self, table: str, student_id: str) -> pl.DataFrame:
        """Return everything that a table holds of one student: every column and every version, demographics too.

        Only what gives a family its own records, and what erases them, calls this (a test sees to it).
        """
        return self._rows(table).filter(pl.col("student_id") == student_id).collect()

    def school_table(self, table: str) -> pl.DataFrame:
        """Return a table that belongs to no student, such as sections, every version with its ``known_on``."""
        if TABLES[table].by_student:
            raise ValueError(f"{table} holds students' rows: read it through known_at")
        return self._rows(table).collect()

    def data_through(self, as_of: date) -> date | None:
        """Return the day of the newest thing on record by a date: how far the records reach, None if nowhere."""
        newest = [
            self._rows(name).filter(pl.col("known_on") <= as_of, pl.col(table.event) <= as_of).select(pl.col(table.event).max())
            for name, table in TABLES.items()
            if table.event
            and name not in _SAYS_NOTHING_OF_TODAY
            and self.holds(name)
            and (name == "exits" or table.used_for("feature"))
        ]
        days = [frame.item() for frame in pl.collect_all(newest)]
        return max((day for day in days if day is not None), default=None)

    def reference(self, table: str, as_of: date) -> pl.DataFrame:
        """Return a table that belongs to no student, such as sections, as known at a date."""
        if TABLES[table].by_student:
            raise ValueError(f"{table} holds students' rows: read it through known_at")
        return self.visible(table, [as_of]).drop("as_of").collect()


#: Tables whose rows are dated by a plan or by the end of a period, so that a new one is no sign of fresh records.
_SAYS_NOTHING_OF_TODAY = frozenset({"enrolments", "rosters", "outcomes"})


@dataclass(frozen=True)
class Snapshot:
    """What was known of each unit of a cohort at its as-of date."""

    records: SchoolRecords
    units: pl.DataFrame
    dates: Sequence[date]
    grain: Grain

    def holds(self, table: str) -> bool:
        """Whether the school sent this table."""
        return self.records.holds(table)

    def table(self, name: str) -> pl.LazyFrame:
        """Return the rows of a table known to each unit: ``row``, ``as_of`` and the columns a feature may read.

        Rows join on the keys that table and unit share, the keys stay. Raises :class:`Refused` where the table
        holds nothing that a feature may read: demographics, for one.
        """
        keys, columns = _columns(name, self.grain)
        rows = self.records._rows(name)
        if self.units.height == 1:
            # A join of one unit is a filter, which is half of what a single student's request would spend here.
            one = self.units.row(0, named=True)
            mine = rows.filter(pl.col(key) == pl.lit(one[key], pl.String) for key in keys)
            head = [pl.lit(one["row"], pl.UInt32).alias("row"), pl.lit(one["as_of"], pl.Date).alias("as_of")]
            return self.records._known(name, mine.select(*head, *columns), ("row",))
        joined = self.units.lazy().select("row", "as_of", *keys).join(rows.select(columns), on=list(keys))
        return self.records._known(name, joined, ("row",))

    def reference(self, name: str) -> pl.LazyFrame:
        """Return the rows of a table of no student, such as assignments, known at each as-of date (``as_of``)."""
        columns = _school_columns(name)
        return self.records.visible(name, self.dates).select(columns)


@cache
def _columns(name: str, grain: Grain) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys that a unit shares with a table of students, and all that is read of it."""
    table = _readable(name)
    if not table.by_student:
        raise ValueError(f"{name} belongs to no student: read it through reference()")
    keys = tuple(key for key in GRAIN_KEYS[grain] if any(column.name == key for column in table.columns))
    allowed = [column for column in table.used_for("feature", "join") if column not in keys]
    return keys, (*keys, *allowed, *VERSION_COLUMNS)


@cache
def _school_columns(name: str) -> tuple[str, ...]:
    """Return what is read of a table that belongs to no student."""
    table = _readable(name)
    if table.by_student:
        raise ValueError(f"{name} holds students' rows: read it through table()")
    return ("as_of", *table.used_for("feature", "join"))


def _readable(name: str) -> Table:
    table = TABLES[name]
    if table.used_for("feature") or name in _STRUCTURE:
        return table
    raise Refused(
        [
            Problem(
                "use_not_permitted",
                f"table {name}",
                "no column of it may be used by a feature",
                "Its columns are for joining, labels, display or the audit: see features/tables.py.",
            )
        ],
        "A feature asked for what no feature may see",
    )


#: Tables without a feature of their own that features need to join through. ``digital_access`` is among them because
#: silence online says nothing of a student who cannot be online: it hides features and is never one.
_STRUCTURE = frozenset(
    {"rosters", "exits", "assignment_skills", "organisations", "terms", "skill_prerequisites", "digital_access"}
)


def _late(table: Table, earlier: date, later: date) -> pl.Expr:
    """Whether a row is about the time until a day and should have been known by it, and was known only until a later one."""
    due = pl.col(str(table.event)) + pl.duration(days=table.lag_days)
    return (due <= earlier) & (pl.col("known_on") > earlier) & (pl.col("known_on") <= later)


def with_versions(frame: pl.DataFrame, table: Table, tenant: str) -> pl.DataFrame:
    """Return a table's frame with every column of its schema, the version columns filled where absent."""
    known = (
        (pl.col(table.event) + pl.duration(days=table.lag_days)).fill_null(EVER)
        if table.event and table.event in frame.columns
        else pl.lit(EVER)
    )
    filled = frame.with_columns(
        *([] if "tenant" in frame.columns else [pl.lit(tenant).alias("tenant")]),
        *([known.cast(pl.Date).alias("known_on")] if "known_on" not in frame.columns
          else [pl.col("known_on").fill_null(known)]),
        *([] if "deleted" in frame.columns else [pl.lit(value=False).alias("deleted")]),
    )  # fmt: skip
    return filled.select(
        (pl.col(name) if name in filled.columns else pl.lit(None).alias(name)).cast(dtype)
        for name, dtype in table.schema.items()
    )


def digest_of(*parts: object) -> str:
    """Return a short digest of values, for naming what was made from them."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _shape() -> str:
    """Return what changes when a table gains, loses or changes a column."""
    return digest_of({name: {one: str(kind) for one, kind in table.schema.items()} for name, table in TABLES.items()})


def _has_versions(frame: pl.DataFrame, table: Table) -> bool:
    if frame["deleted"].any():
        return True
    key = list(table.natural_key)
    return bool(key) and frame.height > 1 and bool(frame.select(pl.struct(key).is_duplicated().any()).item())


def _single_section(tables: Mapping[str, pl.DataFrame]) -> bool:
    """Return whether no enrolment has rows of two classes, in any table and any version."""
    if tables.get("rosters", pl.DataFrame()).is_empty():
        return False
    keys = ("enrolment_id", "section_id")
    pairs = [frame.select(keys).unique() for frame in tables.values() if set(keys) <= set(frame.columns)]
    return bool(pl.concat(pairs).unique()["enrolment_id"].is_unique().all())


def _bucket_numbers(count: int) -> pl.Expr:
    """Number students by CRC-32, which is the same on every machine and in every version, unlike a frame's hash."""
    return pl.col("student_id").map_elements(lambda key: zlib.crc32(key.encode()) % count, return_dtype=pl.Int64)


def _write_part(frame: pl.DataFrame, table: str, folder: Path, number: int) -> None:
    """Write a bucket of a table, students one after another, so that to read one of them is to read one group of rows."""
    rows = frame.sort("student_id", maintain_order=True) if TABLES[table].by_student else frame
    path = folder / table / f"bucket-{number:04d}.parquet"
    rows.write_parquet(path, metadata=_labels_of(table), row_group_size=ROWS_PER_GROUP)


def _labels_of(table: str) -> dict[str, str]:
    """Return the sensitivity and use of each column, to travel in the file's own metadata."""
    return {column.name: f"{column.sensitivity};{column.use}" for column in TABLES[table].columns}

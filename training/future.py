"""The records as they stood on a day, and as they would stand if something else had come after it.

A leak is a number that changes with what is not known yet. So the same rows are built from records of which the future
is cut off before anything reads them, and from records with another future, in which rows known later say something
else, come twice, are gone, are invented, or correct and delete what is known already. Both must give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from features.cohort import YEAR_GROUP, enrolled
from features.pipeline import FeatureTable, build
from features.records import Cohort, SchoolRecords
from features.tables import TABLES, Column, Table
from training.run import Run
from training.splits import fold_of

Frames = Mapping[str, pl.DataFrame]

#: About how many rows of a day are built again: whole classes, in which a student's place is measured.
ROWS_A_DAY = 300

#: Into how many parts classes are cut to choose some.
_PARTS = 10_000

#: For so many days after a stay was to end, its student may still count for the group that it was in.
_LATELY_DAYS = 120

#: By how many days a date of another future is moved, so that it lies in what is past.
_EARLIER_DAYS = 200


@dataclass(frozen=True)
class Sampled:
    """Rows of a run on one day: their positions, and the groups, whole, that they are."""

    as_of: date
    rows: pl.Series
    groups: tuple[str, ...]


def sampled(run: Run, dates: int) -> list[Sampled]:
    """Return rows to build again: of dates spread over all that the run learned from or was judged on, some whole groups."""
    used = run.keys.with_row_index("at").filter(pl.Series(run.fit | run.held | run.test))
    days = used["as_of"].unique().sort().to_list()
    chosen = dict.fromkeys(days[(2 * at + 1) * len(days) // (2 * max(dates, 1))] for at in range(max(dates, 1)))
    # A group is built whole, with those of its students of whom no outcome is known.
    everybody = run.keys.select("as_of", pl.col("peers").fill_null("")).with_row_index("at")
    found = []
    for day in chosen:
        there = everybody.filter(pl.col("as_of") == day)
        mine = used.filter(pl.col("as_of") == day).select(pl.col("peers").fill_null(""))
        sizes = there.join(mine.unique(), on="peers", how="semi").group_by("peers").len()
        order = sizes.with_columns(order=fold_of(sizes["peers"], _PARTS, f"proof of {day}")).sort("order", "peers")
        groups = order.filter(pl.col("len").cum_sum() - pl.col("len") < ROWS_A_DAY)["peers"]
        found.append(Sampled(day, there.filter(pl.col("peers").is_in(groups.implode()))["at"], tuple(groups)))
    return found


def gathered(run: Run, samples: Sequence[Sampled]) -> list[Frames]:
    """Return for each sample every version of the rows of whoever ever was in its groups, and of what is nobody's.

    A student's features need that student's rows and what is measured of the class, no more. Whoever was in a group is
    there, not only those whom the run has, so that somebody left out because of what came later is missed. Names and who
    a student is by group stay where they are.
    """
    everybody = pl.concat([run.keys[one.rows.to_list()] for one in samples])
    students = _ever_in(everybody, run.records.labels("enrolments"), run.records.labels("rosters")).lazy()
    lazy = {
        name: run.records.labels(name).join(students, on="student_id", how="semi")
        if TABLES[name].by_student
        else run.records.labels(name)
        for name in run.records.parts
        if not any(column.use == "audit_only" or column.sensitivity == "identity" for column in TABLES[name].columns)
    }
    frames = dict(zip(lazy, pl.collect_all(list(lazy.values()), engine="streaming"), strict=True))
    found: list[Frames] = []
    for one in samples:
        mine = _ever_in(run.keys[one.rows.to_list()], frames["enrolments"].lazy(), run.records.labels("rosters"))
        found.append({name: frame.join(mine, on="student_id", how="semi") if TABLES[name].by_student else frame
                      for name, frame in frames.items()})  # fmt: skip
    return found


def _ever_in(rows: pl.DataFrame, stays: pl.LazyFrame, rosters: pl.LazyFrame) -> pl.DataFrame:
    """Return the students of some rows with all who ever sat in their classes, or were in their year groups that year."""
    groups = rows["peers"].fill_null("").unique().implode()
    days = rows["as_of"].unique().sort().to_list()
    # Who left lately is a fact of a class or year group too, some months into the next year.
    then = pl.col("planned_end_on") >= days[0] - timedelta(days=_LATELY_DAYS)
    there = then & (pl.col("entered_on") <= days[-1]).fill_null(value=True)
    found = [
        rows.lazy().select("student_id"),
        rosters.filter(pl.col("section_id").is_in(groups)).select("student_id"),
        stays.filter(there).select("student_id", YEAR_GROUP).filter(pl.col("peers").is_in(groups)).select("student_id"),
    ]
    return pl.concat(found).unique().collect()


def cut(frames: Frames, day: date) -> SchoolRecords:
    """Return records without a row that became known after a day: nothing that reads them can find one."""
    return SchoolRecords.from_frames({name: _past(frame, day) for name, frame in frames.items()})


def other_future(frames: Frames, day: date) -> SchoolRecords:
    """Return records whose past is as it was by the end of a day, and whose future is another."""
    return SchoolRecords.from_frames(
        {name: pl.concat([_past(frame, day), *_invented(TABLES[name], frame, day)]) for name, frame in frames.items()}
    )


def later_rows(frames: Frames, day: date) -> int:
    """Return how many rows became known after a day."""
    return sum(frame.select((pl.col("known_on") > day).sum()).item() for frame in frames.values())


def _past(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    return frame.filter(pl.col("known_on") <= day)


def _invented(table: Table, frame: pl.DataFrame, day: date) -> list[pl.DataFrame]:
    """Return rows known after a day: what came later changed, doubled or dropped, and what was known before gainsaid."""
    past, later = _past(frame, day), frame.filter(pl.col("known_on") > day)
    at, tomorrow = pl.int_range(pl.len()) % 4, pl.lit(day + timedelta(days=1), pl.Date)
    said = [_otherwise(column) for column in table.columns if _free(column)]
    stranger = [
        pl.col(column.name).shift(-1, fill_value=pl.col(column.name).first()) for column in table.columns if _whose(column)
    ]
    moved = [_otherwise(column) for column in table.columns if column.type == pl.Date()]
    found = [
        later.filter(at < 2).with_columns(said),
        later.filter(at == 2),
        later.filter(at == 2).with_columns(*said, known_on=pl.col("known_on").dt.offset_by("1d")),
        later.filter(at == 1).with_columns(deleted=pl.lit(value=True), known_on=pl.col("known_on").dt.offset_by("2d")),
        past.with_columns(*said, known_on=tomorrow),
        past.filter(at == 1).with_columns(deleted=pl.lit(value=True), known_on=tomorrow.dt.offset_by("1d")),
        past.with_columns(*stranger, known_on=tomorrow),
        pl.concat([past, later]).with_columns(*moved, known_on=tomorrow),
    ]
    return [one.select(frame.columns) for one in found]


def _whose(column: Column) -> bool:
    return column.name in ("student_id", "enrolment_id", "section_id")


def _free(column: Column) -> bool:
    """Whether a column says something of its row: it is not a key, and points to no other row."""
    return not (column.natural or column.references or column.name.endswith("_id"))


def _otherwise(column: Column) -> pl.Expr:
    """Return other values of a column: the next word of those it may hold, another number, an earlier day."""
    value = pl.col(column.name)
    if column.values:
        following = dict(zip(column.values, (*column.values[1:], column.values[0]), strict=True))
        return value.replace_strict(following, default=column.values[0], return_dtype=column.type)
    if column.type == pl.Date():
        return value.dt.offset_by(f"-{_EARLIER_DAYS}d")
    if column.type == pl.Boolean():
        return value.not_().fill_null(value=True)
    if column.type == pl.String():
        return pl.lit("other", pl.String()).alias(column.name)
    return (value.fill_null(0) + 7).cast(column.type)


def rebuilt(run: Run, records: SchoolRecords, sample: Sampled) -> FeatureTable:
    """Return the rows of a sample as these records give them, those who are enrolled by them among it."""
    when = run.keys.filter(pl.col("as_of") == sample.as_of).select("term_id", "as_of").unique()
    units = enrolled(records, when).units(run.target.unit).frame
    mine = units.filter(pl.col("peers").fill_null("").is_in(list(sample.groups)))
    return build(records, Cohort(mine, run.target.unit), run.table.catalog)

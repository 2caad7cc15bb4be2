"""What stops a run: something that was known of nearly everybody when the model was made, and is now known of nobody.

An export that lost a column scores without a word: every student has one fact less, and the list is another. A table
that came without rows of a school is worse, since of no rows the count is none, and nobody there has missed a day. So
before anything is scored, each school is held against the reference that the models carry, on the same day of the
term, and a run that finds either is refused whole, with what is gone, where, and since when it was known. A list that
leaves out one school silently would be believed; the list before it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import Catalog
from features.pipeline import FeatureTable
from features.problems import Problem, Refused
from features.records import SchoolRecords
from features.tables import TABLES
from training.drift import LEAST_STUDENTS, Day, watched
from training.indicators import tables_of
from training.trained import TrainedModel

#: Known of nearly everybody, and of nearly nobody.
NEARLY_ALL, NEARLY_NONE = 0.95, 0.05

#: Where no single value was ever had by more than this share of a school, fifty students who all have one are no chance:
#: one in a hundred thousand. So many inputs of a table, all of them, must have become one value.
VARIED, LEAST_SILENT = 0.8, 2

#: Inputs named in one problem.
NAMED = 3

EVERYWHERE = ""


def stays_at(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    """Return every stay that is known, also those that are over, with its school and the day of its term.

    The columns are ``student_id``, ``enrolment_id``, ``organisation_id`` and ``day``, which counts from the first day of
    the stay's term and is null where it has none.
    """
    terms = records.visible("terms", [as_of]).select("term_id", "starts_on")
    day = (pl.lit(as_of) - pl.col("starts_on")).dt.total_days().alias("day")
    stays = records.visible("enrolments", [as_of]).join(terms, on="term_id", how="left")
    kept = stays.select("student_id", "enrolment_id", pl.col("organisation_id").fill_null(""), day)
    return kept.unique("enrolment_id").collect()


@dataclass
class _Seen:
    """What was seen of the inputs at one school on one day of the reference; the columns are the inputs."""

    rows: int
    known: npt.NDArray[np.int64]
    least: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    students: set[str] = field(default_factory=set)

    def add(self, matrix: npt.NDArray[np.float64], students: Iterable[str]) -> None:
        known = ~np.isnan(matrix)
        self.rows += len(matrix)
        self.known += known.sum(axis=0)
        self.least = np.fmin(self.least, np.where(known, matrix, np.inf).min(axis=0))
        self.most = np.fmax(self.most, np.where(known, matrix, -np.inf).max(axis=0))
        self.students.update(students)


def refuse(
    records: SchoolRecords, as_of: date, models: Sequence[TrainedModel],
    tables: Callable[[TrainedModel], Iterable[FeatureTable]], accepted: Sequence[str] = (),
) -> None:  # fmt: skip
    """Refuse to score where what models read is newly missing, at a school or at all of them.

    Args:
        records: the school's records.
        as_of: the day that is looked from.
        models: the models; one without a reference is not checked.
        tables: returns the feature tables that a model is to score, one per bucket.
        accepted: inputs and tables whose absence is known of: what hangs on them is scored without.

    Raises:
        Refused: naming every school, what is missing there, and the tables that it comes from.

    """
    stays, problems = stays_at(records, as_of), dict[str, Problem]()
    for model in models:
        if model.reference is None or not model.reference.days:
            continue
        mine = model.catalog.at(model.target.unit)
        # What is made of no table is measured on whole classes, later than this.
        names = tuple(name for name in watched(model.catalog) if name in mine and tables_of(name, mine))
        seen = _seen(model, names, tables(model), stays)
        gone = {where: _gone(model, names, *where, one) for where, one in seen.items() if len(one.students) >= LEAST_STUDENTS}
        for (school, day), missing in gone.items():
            if school != EVERYWHERE and set(missing) <= set(gone.get((EVERYWHERE, day), ())):
                continue
            there = stays if school == EVERYWHERE else stays.filter(pl.col("organisation_id") == school)
            for one in _problems(model, school, missing, seen[school, day], partial(_why, records, there, as_of), accepted):
                problems.setdefault(one.where, one)
    if problems:
        raise Refused(problems.values(), "Nothing was scored: what the models read is missing, and the last list stays")


def _seen(
    model: TrainedModel, names: tuple[str, ...], tables: Iterable[FeatureTable], stays: pl.DataFrame
) -> dict[tuple[str, int], _Seen]:
    assert model.reference is not None
    found: dict[tuple[str, int], _Seen] = {}
    for table in tables:
        keys = table.keys.join(stays.drop("student_id"), on="enrolment_id", how="left", maintain_order="left")
        # What is known on a later day of the term need not be known yet: the last day that the reference knows counts.
        passed = {day: around[0].day for day in keys["day"].drop_nulls().unique() if (around := model.reference.around(day))}
        day = keys["day"].replace_strict(passed, default=None, return_dtype=pl.Int64)
        parts = keys.select("student_id", "organisation_id", day).with_row_index("at")
        matrix = table.matrix(names)
        for (school, on), part in parts.drop_nulls().group_by("organisation_id", "day"):
            for where in dict.fromkeys((EVERYWHERE, str(school))):
                at = (where, int(str(on)))
                if at not in found:
                    none = np.full(len(names), np.inf)
                    found[at] = _Seen(0, np.zeros(len(names), np.int64), none, -none)
                found[at].add(matrix[part["at"].to_numpy()], part["student_id"].to_list())
    return found


@dataclass(frozen=True, slots=True)
class _Gone:
    """One input that is missing now: the shares known, or ``silent``, where everybody has the same value."""

    before: float
    now: float
    silent: bool


def _gone(model: TrainedModel, names: tuple[str, ...], school: str, day: int, seen: _Seen) -> dict[str, _Gone]:
    """Return what is newly missing at one school (or at all): by input."""
    assert model.reference is not None
    # Known, or different between students, on the last day of the reference and on the next: so in between as well.
    around = model.reference.around(day)
    reference = around[0]
    missing: dict[str, _Gone] = {}
    # By prepared rows, not by table: last year's attendance varies, whatever became of this year's.
    groups: dict[frozenset[str], dict[str, bool]] = {}
    for at, name in enumerate(names):
        if name not in reference.inputs:
            continue
        before, now = min(one.known(name, school) for one in around if name in one.inputs), float(seen.known[at]) / seen.rows
        if before >= NEARLY_ALL and now <= NEARLY_NONE:
            missing[name] = _Gone(before, now, silent=False)
        elif all(_varied(one, name) for one in around if name in one.inputs):
            frames = _frames(name, model.catalog)
            groups.setdefault(frames, {})[name] = bool(seen.known[at] == 0 or seen.least[at] == seen.most[at])
    for found in groups.values():
        if len(found) >= LEAST_SILENT and all(found.values()):
            missing |= {name: _Gone(reference.known(name, school), 1.0, silent=True) for name in found}
    return missing


def _frames(name: str, catalog: Catalog) -> frozenset[str]:
    """Return the names of the prepared rows that an input is made of."""
    one = catalog[name]
    own = frozenset({one.frame.name} if one.frame is not None else ())
    return own.union(*(_frames(other, catalog) for other in one.needs))


def _varied(reference: Day, name: str) -> bool:
    """Whether an input never was one value for nearly a whole school."""
    return reference.inputs[name].described and reference.inputs[name].same <= VARIED


def _problems(
    model: TrainedModel, school: str, missing: Mapping[str, _Gone], seen: _Seen, why: Callable[[str], str],
    accepted: Sequence[str],
) -> list[Problem]:  # fmt: skip
    """Return one problem per table that something is missing of; ``why`` tells what is wrong with a table."""
    catalog = model.catalog
    by_table: dict[str, list[str]] = {}
    for name in missing:
        if name not in accepted and not set(tables_of(name, catalog)) & set(accepted):
            by_table.setdefault(_source(name, missing, catalog), []).append(name)
    where = f"school {school}" if school else "every school"
    found = []
    for table, names in by_table.items():
        said = ", ".join(catalog[name].words.name for name in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        first, students = missing[names[0]], f"{len(seen.students):,}"
        if first.silent:
            what = f"{said}{more}: the same for all {students} students, as never before"
        else:
            what = (f"{said}{more}: known of {first.before:.0%} of students on this day of the term when the model was made, "
                    f"now of {first.now:.0%} of {students}")  # fmt: skip
        found.append(
            Problem("newly_missing", f"table {table} of {where}", what,
                    f"{why(table)} To score without it knowingly: --set 'monitor.accept_missing=[\"{table}\"]'.")
        )  # fmt: skip
    return found


def _source(name: str, missing: Mapping[str, _Gone], catalog: Catalog) -> str:
    """Return which of an input's tables is at fault: the one of whose inputs the largest part is missing."""
    inputs = watched(catalog)

    def part(table: str) -> float:
        mine = [one for one in inputs if table in tables_of(one, catalog)]
        return sum(one in missing for one in mine) / len(mine)

    return max(tables_of(name, catalog), key=part)


def _why(records: SchoolRecords, stays: pl.DataFrame, as_of: date, table: str) -> str:
    """Return what is wrong with a table: not sent, no rows of these stays in this term, or columns that are empty."""
    if not records.holds(table):
        return f"The table {table} was not sent."
    told = TABLES[table]
    rows = records.visible(table, [as_of])
    if told.by_student:
        keys = [key for key in ("enrolment_id", "student_id") if key in told.schema][:1]
        rows = rows.join(stays.lazy().select(keys), on=keys, how="semi")
    began = as_of - timedelta(days=int(str(stays.filter(pl.col("day") >= 0)["day"].min())))
    lately = pl.col(told.event) >= began if told.event else pl.lit(value=True)
    columns = [column.name for column in told.columns if column.use == "feature"]
    filled = [pl.col(column).is_not_null().mean().alias(column) for column in columns]
    now, before = (rows.filter(part).select(pl.len().alias("rows"), *filled).collect().row(0, named=True)
                   for part in (lately, ~lately))  # fmt: skip
    if not now["rows"]:
        return f"The table {table} holds nothing of them since the term began: check that the file is whole."
    # A column that never was filled is not what is missing.
    empty = [one for one in columns if now[one] <= NEARLY_NONE and (not before["rows"] or before[one] > NEARLY_NONE)]
    if empty:
        return f"In the table {table} nothing is in {', '.join(empty)}: check the file, and its mapping."
    return f"Check the file of the table {table}, and that it reaches to {as_of}."

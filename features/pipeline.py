"""From records to the feature table: one pass per frame, the same code for training, batch and request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import BEGUN, BEGUN_DAYS, LEAST_USE, POSSIBLE, USED, Catalog, Feature, Frame
from features.norms import Floats, Norms, measure
from features.problems import Problem, Refused
from features.records import COHORT_COLUMNS, Cohort, SchoolRecords
from features.tables import GRAIN_KEYS, TABLES, Grain

if TYPE_CHECKING:
    import pandas as pd

#: Above this many rows the streaming engine is quicker and keeps memory flat; below it, its start costs 2 ms.
STREAM_FROM = 2_000

_ORDER: tuple[Grain, ...] = ("student", "enrolment", "section", "skill")
KEYS = tuple(COHORT_COLUMNS)

Memo = dict[object, pl.DataFrame]


@dataclass(frozen=True)
class FeatureTable:
    """One row per unit and as-of date, in the cohort's order.

    ``keys`` has the columns of a cohort; ``values`` is an array of shape ``(rows, features)``, one column per feature of
    ``catalog``, NaN where unknown. ``norms`` are those that placed the students in their classes. ``frame`` holds the
    same as a frame, null where unknown.
    """

    keys: pl.DataFrame
    values: Floats
    catalog: Catalog
    unit: Grain
    norms: Norms

    def __len__(self) -> int:
        return self.keys.height

    @classmethod
    def of(cls, frame: pl.DataFrame, catalog: Catalog, unit: Grain, norms: Norms) -> FeatureTable:
        """Return the table of a frame that has the keys and every feature of the catalogue, such as a stored one."""
        values = frame.select(catalog.names).fill_null(float("nan")).to_numpy(writable=True)
        return cls(frame.select(KEYS), np.ascontiguousarray(values, dtype=np.float64), catalog, unit, norms)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Return keys and features as one frame."""
        if not self.catalog.names:
            return self.keys
        return self.keys.hstack(pl.from_numpy(self.values, list(self.catalog.names)).fill_nan(None))

    def matrix(self, names: Sequence[str] | None = None) -> Floats:
        """Return the model's inputs, or the named features, as an array of shape ``(rows, inputs)``, NaN where unknown."""
        return np.ascontiguousarray(self.values[:, self.catalog.places(self.catalog.inputs if names is None else tuple(names))])

    def take(self, rows: npt.NDArray[np.intp]) -> FeatureTable:
        """Return some of the rows, by position."""
        return replace(self, keys=self.keys[rows], values=self.values[rows])

    def to_pandas(self) -> pd.DataFrame:
        """Return the model's inputs as pandas, indexed by the keys that the unit has, for notebooks."""
        keys = [*GRAIN_KEYS[self.unit], "as_of"]
        return self.frame.select(*keys, *self.catalog.inputs).to_pandas().set_index(keys)


def build(
    records: SchoolRecords,
    cohort: Cohort,
    catalog: Catalog,
    norms: Norms | None = None,
    stale_days: int = 0,
    memo: Memo | None = None,
) -> FeatureTable:
    """Build the feature table of a cohort from what was known at each as-of date.

    Args:
        records: the school's records.
        cohort: whom to look at and when.
        catalog: what to compute; features finer than the cohort's unit are left out.
        norms: where classes stood. By default they are measured on the cohort itself, which must then hold whole
            classes, as :func:`features.cohort.enrolled` gives them.
        stale_days: how old norms may be.
        memo: shared between calls on the same records to aggregate the same units once.

    Raises:
        Refused: a feature reads a column that no feature may read.

    """
    mine = catalog.at(cohort.unit)
    base = _aggregated(records, cohort, mine, memo)
    for step in _derivations(mine):
        base = base.with_columns(step)
    known = tuple(one.name for one in mine if one.kind in {"aggregate", "derived"})
    values = np.full((len(cohort), len(mine)), np.nan)
    if known:  # none is of a student apart from any stay
        values[:, mine.places(known)] = _numbers(base.select(known))
    if POSSIBLE in mine:
        shut_out = values[:, mine.places((POSSIBLE,))[0]] == 0
        values[np.ix_(shut_out, mine.places(mine.hidden))] = np.nan
    table = FeatureTable(cohort.frame, values, mine, cohort.unit, Norms.none())
    return placed(table, class_norms(table, records) if norms is None else norms, stale_days)


def _numbers(frame: pl.DataFrame) -> Floats:
    """Return numbers with NaN for null. One row goes through a tuple: a question to each column costs a request 1 ms."""
    if frame.height == 1:
        return np.array([frame.row(0)], dtype=np.float64)
    return frame.fill_null(float("nan")).to_numpy()


def _derivations(catalog: Catalog) -> list[list[pl.Expr]]:
    """Return the expressions of the derived features, step by step, worked out once."""
    if "derivations" not in catalog.worked_out:
        catalog.worked_out["derivations"] = [
            [one.expr.cast(pl.Float64).alias(one.name) for one in step if one.expr is not None]
            for step in catalog.derived_in_steps
        ]
    steps: list[list[pl.Expr]] = catalog.worked_out["derivations"]
    return steps


def placed(table: FeatureTable, norms: Norms, stale_days: int = 0) -> FeatureTable:
    """Return a feature table with every student placed in the class by ``norms``, and with what they tell of the class."""
    relative, facts = table.catalog.relative, tuple(one.name for one in table.catalog.of_class)
    if not (relative or facts) or not norms.grids:
        return replace(table, norms=norms)
    needed = tuple(one.needs[0] for one in relative)
    values = table.values.copy()
    if facts:
        values[:, table.catalog.places(facts)] = norms.told(table.keys, facts, stale_days)
    places = norms.place(table.keys, needed, table.values[:, table.catalog.places(needed)], stale_days)
    values[:, table.catalog.places(tuple(one.name for one in relative))] = places
    if USED in norms.features and BEGUN in table.catalog:
        unused = norms.below(table.keys, USED, LEAST_USE, 1.0, stale_days)
        unused &= values[:, table.catalog.places((BEGUN,))[0]] >= BEGUN_DAYS
        values[np.ix_(unused, table.catalog.places(table.catalog.hidden))] = np.nan
    return replace(table, values=values, norms=norms)


def class_norms(table: FeatureTable, records: SchoolRecords) -> Norms:
    """Return the norms of the whole classes in a table (its places in the class are not read), with facts of the classes.

    ``records`` are those of the whole school, though the table may have come bucket by bucket.
    """
    wanted = dict.fromkeys(one.needs[0] for one in table.catalog.relative)
    values = {name: table.values[:, table.catalog.places((name,))[0]] for name in wanted}
    for one in table.catalog.of_class:
        held = one.measured is not None and all(records.holds(name) for name in one.tables)
        values[one.name] = one.measured(records, table.keys) if held else np.full(len(table), np.nan)  # type: ignore[misc]
    return measure(table.keys, values)


def joined(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Return tables of the same features, such as those of several buckets, as one."""
    return replace(tables[0], keys=pl.concat([one.keys for one in tables]), values=np.vstack([one.values for one in tables]))


@dataclass(frozen=True)
class _Pass:
    """One query: the aggregates over one kind of prepared rows, at one grain.

    Frames that differ only in the tables they need share their rows, and so a query, where all of these are held.
    """

    frame: Frame
    grain: Grain
    names: tuple[str, ...]
    definitions: tuple[str, ...]
    exprs: tuple[pl.Expr, ...]

    def held_by(self, records: SchoolRecords) -> bool:
        """Whether the school sent what the frame needs; where not, its features are unknown."""
        return all(records.holds(table) for table in self.frame.tables)


def _passes(catalog: Catalog, cohort: Cohort, records: SchoolRecords) -> tuple[_Pass, ...]:
    """Return the queries that a catalogue needs, worked out once."""
    held, unit = frozenset(table for table in TABLES if records.holds(table)), cohort.unit
    # A unit whose class is not known yet has no rows at the grain of a class.
    single_section = records.single_section and not cohort.frame["section_id"].has_nulls()
    key = ("passes", unit, single_section, held)
    if key not in catalog.worked_out:
        wanted: dict[tuple[object, Grain], list[Feature]] = {}
        for one in catalog:
            if one.frame is not None:
                rows = one.frame.prepare if held.issuperset(one.frame.tables) else one.frame.name
                wanted.setdefault((rows, _grain(one, unit, single_section)), []).append(one)
        catalog.worked_out[key] = tuple(
            _Pass(
                features[0].frame,  # type: ignore[arg-type]  # aggregates have a frame
                grain,
                tuple(one.name for one in features),
                tuple(one.fingerprint for one in features),
                tuple(_checked(one).cast(pl.Float64).alias(one.name) for one in features),
            )
            for (_, grain), features in wanted.items()
        )
    passes: tuple[_Pass, ...] = catalog.worked_out[key]
    return passes


def _aggregated(records: SchoolRecords, cohort: Cohort, catalog: Catalog, memo: Memo | None) -> pl.DataFrame:
    """Return the cohort with every aggregate: one query per frame and grain, run together."""
    passes = _passes(catalog, cohort, records)
    memo = {} if memo is None else memo
    units = {
        grain: _units(cohort.frame.select(*GRAIN_KEYS[grain], "as_of")) for grain in dict.fromkeys(one.grain for one in passes)
    }
    tokens = {grain: _token(frame) for grain, frame in units.items()}
    missing = [one for one in passes if one.held_by(records) and (one.names, one.definitions, tokens[one.grain]) not in memo]
    queries = []
    for one in missing:
        prepared = one.frame.prepare(records.known_at(units[one.grain], one.grain))
        if units[one.grain].height == 1:  # no grouping for a single student: half the time of a request
            queries.append(prepared.select(one.exprs))
        else:
            queries.append(prepared.group_by("row").agg(pl.lit(value=True).alias("seen"), *one.exprs))
    # Optimising the plans of a few rows takes longer than running them.
    small = len(cohort) <= STREAM_FROM
    collected = pl.collect_all(
        queries,
        engine="in-memory" if small else "streaming",
        optimizations=pl.QueryOptFlags.none() if small else pl.QueryOptFlags(),
    )
    for one, found in zip(missing, collected, strict=True):
        memo[one.names, one.definitions, tokens[one.grain]] = _complete(found, units[one.grain], one, records, catalog)
    columns: list[pl.DataFrame] = [cohort.frame]
    for one in passes:
        if not one.held_by(records):
            columns.append(
                pl.DataFrame({name: [None] * len(cohort) for name in one.names}, schema=dict.fromkeys(one.names, pl.Float64))
            )
            continue
        aggregates, keys = memo[one.names, one.definitions, tokens[one.grain]], [*GRAIN_KEYS[one.grain], "as_of"]
        if aggregates.height != len(cohort):  # a coarser unit's features are carried down to the finer
            at = cohort.frame.join(units[one.grain], on=keys, how="left", maintain_order="left")["row"]
            aggregates = aggregates[at]
        columns.append(aggregates)
    return pl.concat(columns, how="horizontal")


def _complete(found: pl.DataFrame, units: pl.DataFrame, one: _Pass, records: SchoolRecords, catalog: Catalog) -> pl.DataFrame:
    """Return one row per unit in order; a unit without events gets what the aggregates say of no events."""
    if units.height == 1:
        return found
    if found.height == units.height:
        return found.sort("row").select(one.names)
    key = ("nothing", one.frame.name, one.names)
    if key not in catalog.worked_out:
        empty = one.frame.prepare(records.known_at(units.clear(), one.grain)).select(one.exprs)
        catalog.worked_out[key] = empty.collect().row(0, named=True)
    nothing = catalog.worked_out[key]
    joined = units.select("row").join(found, on="row", how="left", maintain_order="left")
    return joined.select(
        pl.when(pl.col("seen")).then(pl.col(name)).otherwise(pl.lit(nothing[name], pl.Float64)).alias(name)
        for name in one.names
    )


def _grain(one: Feature, unit: Grain, single_section: bool) -> Grain:
    """Return the grain at which a feature is computed for a unit: the finest it has that the unit can carry."""
    fine = _ORDER.index(unit)
    grain = max((grain for grain in one.grains if _ORDER.index(grain) <= fine), key=_ORDER.index)
    # Where an enrolment is one class, both grains hold the same rows, and one name lets targets share the work.
    return "section" if grain == "enrolment" and single_section else grain


def _units(keys: pl.DataFrame) -> pl.DataFrame:
    """Return each unit once, numbered by ``row``."""
    return (keys if keys.height == 1 else keys.unique(maintain_order=True)).with_row_index("row")


def _token(units: pl.DataFrame) -> object:
    return units.row(0) if units.height == 1 else (units.height, int(units.hash_rows(seed=7).sum()))


def _checked(one: Feature) -> pl.Expr:
    """Return a feature's expression; refuse one that reads a column only meant for joining or worse."""
    assert one.frame is not None
    assert one.expr is not None
    forbidden = [name for name in one.expr.meta.root_names() if name in _FORBIDDEN]
    if forbidden:
        raise Refused(
            [
                Problem("use_not_permitted", f"feature {one.name}", f"it reads {name}, whose permitted use is not `feature`",
                        "Only columns whose use is `feature` may be read: see features/tables.py.", column=name)
                for name in forbidden
            ],
            "A feature reads what no feature may read",
        )  # fmt: skip
    return one.expr


def _forbidden() -> frozenset[str]:
    allowed = {column.name for table in TABLES.values() for column in table.columns if column.use == "feature"}
    every = {column.name for table in TABLES.values() for column in table.columns}
    return frozenset(every - allowed)


_FORBIDDEN = _forbidden()

"""From records to the feature table: one pass per frame, the same code for training, batch and request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from features.catalog import Catalog, Feature, Frame
from features.norms import Floats, Norms, measure
from features.problems import Problem, Refused
from features.records import Cohort, SchoolRecords
from features.tables import GRAIN_KEYS, Grain

if TYPE_CHECKING:
    import pandas as pd

#: Above this many rows the streaming engine is quicker and keeps memory flat; below it, its start costs 2 ms.
STREAM_FROM = 2_000

_ORDER: tuple[Grain, ...] = ("student", "enrolment", "section", "skill")
KEYS = (*GRAIN_KEYS["skill"], "as_of")

Memo = dict[object, pl.DataFrame]


@dataclass(frozen=True)
class FeatureTable:
    """One row per unit and as-of date, in the cohort's order.

    ``frame`` has the five key columns and then every feature of ``catalog`` as Float64, null where unknown.
    ``norms`` are those that placed the students in their classes.
    """

    frame: pl.DataFrame
    catalog: Catalog
    unit: Grain
    norms: Norms

    def __len__(self) -> int:
        return self.frame.height

    def matrix(self, names: Sequence[str] | None = None) -> Floats:
        """Return the model's inputs as an array of shape ``(rows, inputs)``, NaN where unknown."""
        chosen = self.catalog.inputs if names is None else names
        return self.frame.select(chosen).fill_null(float("nan")).to_numpy(order="c")

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
    for one in mine:
        if one.kind == "derived":
            assert one.expr is not None
            base = base.with_columns(one.expr.cast(pl.Float64).alias(one.name))
    if norms is None:
        norms = class_norms(base, mine)
    placed = [
        pl.Series(one.name, norms.place(base, one.needs[0], _values(base, one.needs[0]), stale_days), nan_to_null=True)
        for one in mine.relative
    ]
    frame = base.with_columns(placed).select(*KEYS, *mine.names)
    return FeatureTable(frame, mine, cohort.unit, norms)


def class_norms(base: pl.DataFrame, catalog: Catalog) -> Norms:
    """Return the norms of the whole classes in a table of features (places in the class not needed)."""
    wanted = list(dict.fromkeys(one.needs[0] for one in catalog.relative))
    return measure(base, {name: _values(base, name) for name in wanted})


def _values(frame: pl.DataFrame, name: str) -> Floats:
    return frame[name].fill_null(float("nan")).to_numpy()


def _aggregated(records: SchoolRecords, cohort: Cohort, catalog: Catalog, memo: Memo | None) -> pl.DataFrame:
    """Return the cohort with every aggregate: one query per frame and grain, run together."""
    wanted: dict[tuple[str, Grain], list[Feature]] = {}
    frames: dict[str, Frame] = {}
    for one in catalog:
        if one.kind == "aggregate":
            assert one.frame is not None
            frames[one.frame.name] = one.frame
            wanted.setdefault((one.frame.name, _grain(one, cohort.unit, records)), []).append(one)
    units: dict[Grain, pl.DataFrame] = {}
    queries: list[pl.LazyFrame] = []
    parts: list[tuple[object, Grain, Frame, list[Feature]]] = []
    memo = {} if memo is None else memo
    for (name, grain), features in wanted.items():
        if grain not in units:
            units[grain] = cohort.frame.select(*GRAIN_KEYS[grain], "as_of").unique(maintain_order=True).with_row_index("row")
        token: object = (
            name,
            grain,
            tuple(one.name for one in features),
            _token(units[grain]) if len(cohort) > 1 else id(cohort),
        )
        parts.append((token, grain, frames[name], features))
        if token not in memo and all(records.holds(table) for table in frames[name].tables):
            prepared = frames[name].prepare(records.known_at(units[grain], grain))
            exprs = [_checked(one).cast(pl.Float64).alias(one.name) for one in features]
            if units[grain].height == 1:  # no grouping for a single student: half the time of a request
                queries.append(prepared.select(pl.len().alias("seen"), *exprs))
            else:
                queries.append(prepared.group_by("row").agg(pl.lit(value=True).alias("seen"), *exprs))
            memo[token] = pl.DataFrame()
    engine = "streaming" if len(cohort) > STREAM_FROM else "in-memory"
    found = iter(pl.collect_all(queries, engine=engine))  # type: ignore[call-overload]
    table = cohort.frame
    rows: dict[Grain, pl.DataFrame] = {}
    for mine, grain, frame, features in parts:
        if grain not in rows:
            keys = [*GRAIN_KEYS[grain], "as_of"]
            whole = len(units[grain]) == len(cohort)
            rows[grain] = units[grain] if whole else cohort.frame.join(units[grain], on=keys, how="left", maintain_order="left")
        names = [one.name for one in features]
        if not all(records.holds(name) for name in frame.tables):
            table = table.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
            continue
        if memo[mine].width == 0:
            memo[mine] = _complete(next(found), units[grain], names, frame, features, records, grain)
        aggregates = memo[mine]
        at = rows[grain]["row"]
        table = table.with_columns(aggregates[at, names] if len(units[grain]) != len(cohort) else aggregates.select(names))
    return table


def _complete(
    found: pl.DataFrame, units: pl.DataFrame, names: list[str], frame: Frame, features: list[Feature],
    records: SchoolRecords, grain: Grain,
) -> pl.DataFrame:  # fmt: skip
    """Return one row per unit in order; a unit without events gets what the aggregates say of no events."""
    if units.height == 1:
        return found.select(names)
    empty = frame.prepare(records.known_at(units.clear(), grain)).select(
        _checked(one).cast(pl.Float64).alias(one.name) for one in features
    )
    nothing = empty.collect().row(0, named=True)
    joined = units.select("row").join(found, on="row", how="left", maintain_order="left")
    return joined.select(
        pl.when(pl.col("seen")).then(pl.col(name)).otherwise(pl.lit(nothing[name], pl.Float64)).alias(name) for name in names
    )


def _grain(one: Feature, unit: Grain, records: SchoolRecords) -> Grain:
    """Return the grain at which a feature is computed for a unit: the finest it has that the unit can carry."""
    fine = _ORDER.index(unit)
    grain = max((grain for grain in one.grains if _ORDER.index(grain) <= fine), key=_ORDER.index)
    # Where an enrolment is one class, both grains hold the same rows, and one name lets targets share the work.
    return "section" if grain == "enrolment" and records.single_section else grain


def _token(units: pl.DataFrame) -> tuple[int, int]:
    return units.height, int(units.hash_rows(seed=7).sum())


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
    from features.tables import TABLES

    allowed = {column.name for table in TABLES.values() for column in table.columns if column.use == "feature"}
    every = {column.name for table in TABLES.values() for column in table.columns}
    return frozenset(every - allowed)


_FORBIDDEN = _forbidden()

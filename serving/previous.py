"""Who was on the newest list of an earlier day; see :mod:`serving.listed` for what follows from it.

A list made again on the same day looks back to the same earlier day, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from serving.listed import Listed
from serving.lists import COLUMNS
from serving.store import Store
from training.trained import CHECK_IN, TrainedModel

#: What names a unit on a list.
UNIT = ("student_id", "enrolment_id", "section_id", "skill_id")


def newest_before(store: Store, as_of: date) -> Path | None:
    """Return the file of the newest list of an earlier day; of lists by several models of one day, the last made."""
    found = [(path.name[:10], path.stat().st_mtime_ns, path.name, path) for path in (store.folder / "lists").glob("*.parquet")]
    earlier = [one for one in found if date.fromisoformat(one[0]) < as_of]
    return max(earlier)[-1] if earlier else None


def rows_before(store: Store, as_of: date, students: Sequence[str] | None = None) -> pl.LazyFrame:
    """Return the rows of the newest list of an earlier day, of some students or all; none where there is no such list."""
    path = newest_before(store, as_of)
    if path is None:
        types = {"as_of": pl.Date, "probability": pl.Float64}
        return pl.LazyFrame(schema={name: types.get(name, pl.String) for name in COLUMNS})
    rows = pl.scan_parquet(path)
    return rows if students is None else rows.filter(pl.col("student_id").is_in(list(students)))


def listed_before(store: Store, as_of: date, students: Sequence[str] | None = None) -> pl.DataFrame:
    """Return ``target`` and the unit's keys of those who were on the newest list of an earlier day, of some or all."""
    return on_list(rows_before(store, as_of, students)).collect()


def on_list[Frame: (pl.DataFrame, pl.LazyFrame)](rows: Frame) -> Frame:
    """Return ``target`` and the unit's keys of the rows of those who were on the list."""
    return rows.filter(pl.col("band") == CHECK_IN).select("target", *UNIT)


def by_student(rows: pl.DataFrame) -> dict[str, list[Listed]]:
    """Return the same by student."""
    found: dict[str, list[Listed]] = {}
    for target, student, *unit in rows.iter_rows():
        found.setdefault(student, []).append(Listed(target, *unit))
    return found


def kept_on(rows: pl.DataFrame, models: Sequence[TrainedModel], before: pl.DataFrame) -> pl.DataFrame:
    """Return a scored list on which those stay who were on it before and have not fallen below the lower line."""
    if before.is_empty():
        return rows
    lower = {model.target.name: model.bands.get("check_in_kept", model.bands[CHECK_IN]) for model in models}
    line = pl.col("target").replace_strict(lower, default=None, return_dtype=pl.Float64)
    was_on = rows.with_row_index("at").join(before, on=["target", *UNIT], how="semi", nulls_equal=True)
    staying = was_on.filter(pl.col("probability") >= line)["at"]
    return (
        rows.with_row_index("at")
        .with_columns(band=pl.when(pl.col("at").is_in(staying.implode())).then(pl.lit(CHECK_IN)).otherwise("band"))
        .drop("at")
    )

"""Why what the records come to moved between two lists: what the student did, what arrived late, what the model changed.

The three parts are found by working the score out again, one step at a time: by the old model from what was known then; by the
old model from what is known today of the time until then; by the old model from the newer list's inputs; and the newer score
itself. A step that cannot be worked out again, such as of a model that is no longer kept, has no figure, and neither has what
only follows from it: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

from features.cohort import enrolled
from features.norms import Norms
from features.pipeline import FeatureTable
from features.records import SchoolRecords
from features.tables import Grain
from serving import lists
from serving.pages.contexts.caseload import Band
from serving.pages.contexts.student import Pull
from serving.scoring import Scoring, feature_tables
from serving.store import Store
from training.trained import TrainedModel

if TYPE_CHECKING:
    from serving.review.room import Room

#: So many kept lists are looked back at.
MOST_LISTS = 8

#: A change of less than half in a hundred is none that anybody should read something into.
LEAST_POINTS = 0.005

#: A score that was worked out again is the one that was given, to so much.
SAME = 1e-6

_UNIT = ("enrolment_id", "section_id", "skill_id")

Row = Mapping[str, Any]
Key = tuple[str, str | None, str | None, str | None]


@runtime_checkable
class Models(Protocol):
    """Where models are, of today and of earlier."""

    def model(self, target: str, version: str, tenant: str) -> TrainedModel | None:
        """Return a version of a model, None where it is no longer kept or no longer what it was."""


@dataclass(frozen=True)
class History:
    """Rows of one student on kept lists, and the days and files of the lists, all of them the newest first."""

    rows: tuple[Row, ...] = ()
    days: tuple[date, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Split:
    """A change of probability in three parts; None where nobody can tell. ``before`` is the band of the earlier list."""

    before: Band
    did: float | None
    late: float | None
    model: float | None


def history(store: Store, student_id: str, until: date) -> History:
    """Return what the newest kept lists until a day say of a student; of several lists of one day, the last one made."""
    made: dict[date, tuple[int, Path]] = {}
    for path in lists.folder_of(store).glob("*.parquet"):
        day = date.fromisoformat(path.name[:10])
        made[day] = max(made.get(day, (-1, path)), (path.stat().st_mtime_ns, path))
    days = sorted((day for day in made if day <= until), reverse=True)[:MOST_LISTS]
    if not days:
        return History()
    found = pl.collect_all([pl.scan_parquet(made[day][1]).filter(pl.col("student_id") == student_id) for day in days])
    rows = tuple(row for frame in found for row in frame.iter_rows(named=True))
    return History(rows, tuple(days), tuple(made[day][1] for day in days))


def pull(points: float | None) -> Pull:
    """Return which way a part goes, in a word."""
    if points is None:
        return "unknown"
    if points == 0.0:
        return "nothing"
    return "same" if abs(points) < LEAST_POINTS else "more" if points > 0 else "less"


def splits(room: Room, mine: SchoolRecords, past: History, rows: Sequence[Row], *, late: bool) -> list[Split | None]:
    """Return why rows of the newest list differ from those of the same units on the list before.

    Args:
        room: what the page is made with.
        mine: the records of this student alone, every table.
        past: what :func:`history` found.
        rows: rows of the newest list.
        late: whether anything arrived between the last two lists that is about the time before.

    Returns:
        one for each row, None where its unit was not on the list before, or either list has no score of it.

    """
    if len(past.days) < 2:
        return [None for _ in rows]
    later, earlier = past.days[0], past.days[1]
    before = {_key(one): one for one in past.rows if one["as_of"] == earlier and one["probability"] is not None}
    pairs = [(row, before[_key(row)]) for row in rows if _compared(row, later) and _key(row) in before]
    # Looking for a model takes long, and most often there is nothing to ask it.
    asked = [was for row, was in pairs if late or was["model_version"] != row["model_version"]]
    old = {was["target"]: _model(room, was["target"], was["model_version"]) for was in asked}
    moved_late = _late(room, mine, old, past, [was for _, was in pairs]) if late else {}
    found: dict[Key, Split] = {}
    for row, was in pairs:
        changed: float | None = 0.0
        if was["model_version"] != row["model_version"]:
            by_old = _by_old_model(room, old[row["target"]], row)
            changed = None if by_old is None else row["probability"] - by_old
        came_late = moved_late.get(_key(row)) if late else 0.0
        total = row["probability"] - was["probability"]
        did = None if changed is None or came_late is None else total - changed - came_late
        found[_key(row)] = Split(was["band"], did, came_late, changed)
    return [found.get(_key(row)) for row in rows]


def _key(row: Row) -> Key:
    return row["target"], row["enrolment_id"], row["section_id"], row["skill_id"]


def _compared(row: Row, later: date) -> bool:
    return row["probability"] is not None and row["as_of"] == later


def _model(room: Room, target: str, version: str) -> TrainedModel | None:
    return room.desk.model(target, version, room.tenant) if isinstance(room.desk, Models) else None


def _by_old_model(room: Room, old: TrainedModel | None, row: Row) -> float | None:
    """Return what an old model says of the newest list's inputs."""
    if old is None or room.latest is None or row["target"] not in room.latest.snapshots:
        return None
    rows = room.store.snapshot(room.latest, row["target"])
    mine = rows.filter(pl.col("student_id") == row["student_id"], *_of_unit(row)).collect()
    found = by_old_model(old, mine)
    return found[0] if found is not None and len(found) == 1 else None


def by_old_model(old: TrainedModel | None, rows: pl.DataFrame) -> list[float] | None:
    """Return what an old model says of rows of a newer snapshot, None where it is gone or reads what these do not hold."""
    if old is None:
        return None
    catalog, unit = old.catalog.at(old.target.unit), old.target.unit
    if not set(catalog.names) <= set(rows.columns):
        return None  # the newer model reads other features, and these were not computed
    return [float(one) for one in old.score(FeatureTable.of(rows, catalog, unit, Norms.none())).probability]


def _late(
    room: Room, mine: SchoolRecords, old: Mapping[str, TrainedModel | None], past: History, before: Sequence[Row]
) -> dict[Key, float]:
    """Return what old models make of rows that arrived late: the earlier day worked out with them, less without them.

    What does not come out as it was given then is left out: it would be told as the student's doing.
    """
    later, earlier = past.days[0], past.days[1]
    models = [model for model in old.values() if model is not None]
    norms = _norms_of(room.store, f"{earlier}-{lists.token_of(past.files[1])}", models)
    models = [model for model in models if model.target.unit in norms]
    if not models:
        return {}
    then, now = (_again(one, models, norms, earlier) for one in (mine, mine.as_if_known(earlier, later)))
    given = {_key(one): one["probability"] for one in before}
    return {key: now[key] - then[key] for key in given if key in then and key in now and abs(then[key] - given[key]) <= SAME}


def _again(records: SchoolRecords, models: Sequence[TrainedModel], norms: Mapping[Grain, Norms], day: date) -> dict[Key, float]:
    """Return what models say of every unit of a student on a day, worked out from records."""
    units = enrolled(records, pl.DataFrame({"as_of": [day]}, schema={"as_of": pl.Date}))
    if units.stays.is_empty():
        return {}
    tables = feature_tables(records, units, models, norms, Scoring())
    found: dict[Key, float] = {}
    for model in models:
        target, table = model.target.name, tables[model.target.name]
        for row, probability in zip(table.keys.iter_rows(named=True), model.score(table).probability, strict=True):
            found[_key({**row, "target": target})] = float(probability)
    return found


def _of_unit(row: Row) -> list[pl.Expr]:
    return [pl.col(key).eq_missing(pl.lit(row[key], pl.String)) for key in _UNIT]


def _norms_of(store: Store, snapshot: str, models: Sequence[TrainedModel]) -> dict[Grain, Norms]:
    """Return the norms that placed the students of a scoring, by unit; those only that are still kept."""
    path = store.folder / "snapshots" / snapshot / "scored.parquet"
    if not path.exists():
        return {}
    named = pl.scan_parquet(path).select("target", "norms").drop_nulls().unique("target").collect()
    digests: dict[str, str] = dict(named.iter_rows())
    paths = {model.target.unit: store.norms_folder / f"{digests.get(model.target.name)}.parquet" for model in models}
    return {unit: _read_norms(path) for unit, path in paths.items() if path.exists()}


@lru_cache(maxsize=6)  # of two scorings; a digest names what is in the file
def _read_norms(path: Path) -> Norms:
    return Norms.read(path)

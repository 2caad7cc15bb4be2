"""Where a class stood at a date, so that a student can be placed beside it without ranking anybody.

For each group (a class), as-of date and feature, a table keeps how many values there were and a fixed grid of
their quantiles, from records known at that date. Training, batch and request all place a value by interpolation in
that table. Nobody's rank is computed anywhere, and a request needs no classmates' rows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from features.problems import NotFound

Floats = npt.NDArray[np.float64]

#: Quantiles kept per group and feature: hundredths, the ends included.
GRID = 101

#: A group with fewer values has no norms: its quantiles would be single students.
LEAST = 10


@dataclass(frozen=True)
class Norms:
    """Quantile grids by group, as-of date and feature.

    ``grids[(group, as_of)]`` is an array of one row per feature of ``features`` and :data:`GRID` columns, rows of
    NaN where fewer than :data:`LEAST` values were known. ``digest`` names the content: same norms, same digest.
    """

    features: tuple[str, ...]
    grids: Mapping[tuple[str, date], Floats]
    digest: str
    _row: Mapping[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_row", {name: row for row, name in enumerate(self.features)})

    def newest(self, group: str | None, as_of: date, stale_days: int) -> date | None:
        """Return the date of the newest norms of a group that are known by ``as_of`` and not stale, if any."""
        dates = [day for one, day in self.grids if one == group and day <= as_of and (as_of - day).days <= stale_days]
        return max(dates, default=None)

    def grid(self, group: str, day: date, feature: str) -> Floats | None:
        """Return a feature's grid (shape: :data:`GRID`) in a group on a day; None where there are no norms."""
        block, row = self.grids.get((group, day)), self._row.get(feature)
        if block is None or row is None or np.isnan(block[row, 0]):
            return None
        grid: Floats = block[row]
        return grid

    def medians(self, group: str, day: date, features: Sequence[str]) -> dict[str, float]:
        """Return the middle of the class for each of the features that it has norms of."""
        middle = self.grids[group, day][:, GRID // 2]
        at = {name: self._row[name] for name in features if name in self._row}
        return {name: float(middle[row]) for name, row in at.items() if not np.isnan(middle[row])}

    def place(self, keys: pl.DataFrame, features: Sequence[str], values: Floats, stale_days: int = 0) -> Floats:
        """Return the share of each row's class that lies below its values, ties counted half.

        Args:
            keys: one row per row of values, with ``peers`` and ``as_of``.
            features: the features that the columns of ``values`` are of.
            values: shape ``(rows, features)``, NaN where unknown.
            stale_days: how many days old the norms may be.

        Returns:
            the shape of ``values``, in [0, 1]; NaN where the value or the norms are unknown.

        """
        placed = np.full(values.shape, np.nan)
        # Where the norms hold a feature, and where it stands among the columns.
        found = [(self._row[name], at) for at, name in enumerate(features) if name in self._row]
        if not found:
            return placed
        held, columns = (np.array(part) for part in zip(*found, strict=True))
        for group, as_of, rows in _groups(keys):
            day = self.newest(group, as_of, stale_days)
            if day is not None and group is not None:
                at = np.ix_(rows, columns)
                placed[at] = position(self.grids[group, day][held], values[at])
        return placed

    def told(self, keys: pl.DataFrame, features: tuple[str, ...], stale_days: int = 0) -> Floats:
        """Return for each row the facts of its class, shape ``(rows, features)``: every point of their grid is the fact."""
        found = np.full((keys.height, len(features)), np.nan)
        for group, as_of, rows in _groups(keys):
            day = self.newest(group, as_of, stale_days)
            for at, name in enumerate(features):
                grid = None if day is None or group is None else self.grid(group, day, name)
                if grid is not None:
                    found[rows, at] = grid[0]
        return found

    def below(self, keys: pl.DataFrame, feature: str, share: float, value: float, stale_days: int = 0) -> npt.NDArray[np.bool_]:
        """Return for each row whether fewer than ``share`` of its class reach ``value``; False where that is not known."""
        found = np.zeros(keys.height, dtype=np.bool_)
        at = round((1.0 - share) * (GRID - 1))
        for group, as_of, rows in _groups(keys):
            day = self.newest(group, as_of, stale_days)
            grid = None if day is None or group is None else self.grid(group, day, feature)
            if grid is not None:
                found[rows] = grid[at] < value
        return found

    def write(self, folder: Path) -> Path:
        """Write the norms under their digest; writing the same norms again changes nothing."""
        path = folder / f"{self.digest}.parquet"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rows = [
                {"group": group, "as_of": day, "feature": name, "grid": block[row].tolist()}
                for (group, day), block in self.grids.items()
                for row, name in enumerate(self.features)
            ]
            schema: dict[str, pl.DataType | type[pl.DataType]] = {
                "group": pl.String,
                "as_of": pl.Date,
                "feature": pl.String,
                "grid": pl.List(pl.Float64),
            }
            building = path.with_suffix(f".{os.getpid()}.building")
            pl.DataFrame(rows, schema=schema).write_parquet(building)
            building.rename(path)
        return path

    @classmethod
    def read(cls, path: Path) -> Norms:
        """Return stored norms; raise :class:`NotFound` where there are none."""
        if not path.exists():
            raise NotFound(f"There are no norms {path.stem}. Score the class once, and they are stored.")
        frame = pl.read_parquet(path)
        features = tuple(frame["feature"].unique(maintain_order=True))
        grids = {
            (group, day): np.asarray(part["grid"].to_list(), dtype=np.float64)
            for (group, day), part in frame.group_by(["group", "as_of"], maintain_order=True)
        }
        return cls(features, grids, path.stem)

    @classmethod
    def none(cls) -> Norms:
        """Return norms of nobody: every place in the class is unknown."""
        return cls((), {}, "none")

    def joined(self, other: Norms) -> Norms:
        """Return both, the other's where they overlap; they must place the same features."""
        if not self.grids:
            return other
        if not other.grids:
            return self
        if self.features != other.features:
            raise ValueError("norms of different features cannot be joined")
        return _named(self.features, {**self.grids, **other.grids})


def measure(keys: pl.DataFrame, values: Mapping[str, Floats]) -> Norms:
    """Return the norms of whole classes.

    Args:
        keys: one row per student in a class (or per student and skill), with ``student_id``, ``peers`` and
            ``as_of``; the whole class must be there.
        values: for each feature, an array of shape ``(rows,)``, NaN where unknown.

    """
    features = tuple(values)
    if not features:
        return Norms.none()
    matrix = np.column_stack([values[name] for name in features])
    steps = np.linspace(0.0, 1.0, GRID)[:, None]
    grids: dict[tuple[str, date], Floats] = {}
    who = keys["student_id"].rank("dense").to_numpy()
    for group, as_of, rows in _groups(keys):
        if group is None:
            continue
        ordered = np.sort(matrix[rows], axis=0) + 0.0  # NaN last; no zero below zero, which would be another digest
        known = np.count_nonzero(~np.isnan(ordered), axis=0)
        # The nearest value that somebody has, not a mean of two: whole counts stay whole in a sentence.
        nearest = np.floor(steps * np.maximum(known - 1, 0) + 0.5).astype(np.intp)
        grid = np.take_along_axis(ordered, nearest, axis=0).T.copy()
        grid[known < LEAST] = np.nan
        if len(np.unique(who[rows])) < len(rows):  # rows of several skills: two students must not pass for ten
            students = [len(np.unique(who[rows][~np.isnan(column)])) for column in matrix[rows].T]
            grid[np.array(students) < LEAST] = np.nan
        grids[group, as_of] = grid
    return _named(features, grids)


def position(grids: Floats, values: Floats) -> Floats:
    """Return where values lie in quantile grids, in [0, 1], ties at their middle; NaN stays NaN.

    Args:
        grids: one ascending grid per feature, shape ``(features, points)``; NaN where there are no norms.
        values: shape ``(rows, features)``.

    >>> grid = np.arange(101.0)[None, :]
    >>> position(grid, np.array([[-5.0], [50.0], [50.5], [100.0]])).ravel().tolist()
    [0.0, 0.5, 0.505, 1.0]
    """
    last = grids.shape[1] - 1
    below, upto = _counts(grids, values)
    at = np.arange(grids.shape[0])
    left, right = np.clip(below - 1, 0, last), np.clip(below, 0, last)
    start = grids[at, left]
    step = grids[at, right] - start
    part = np.divide(values - start, step, out=np.zeros_like(values), where=step > 0)
    between = (left + np.clip(part, 0.0, 1.0)) / last
    tied = (below + upto - 1) / 2 / last
    placed = np.where(upto > below, tied, np.where(below == 0, 0.0, np.where(below > last, 1.0, between)))
    placed[np.isnan(values) | np.isnan(grids[:, 0])] = np.nan
    return placed


def _counts(grids: Floats, values: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return how many points of its grid lie below each value, and how many do not lie above it."""
    if len(values) <= 16:  # comparing everything at once is quicker than a search per feature; the counts are the same
        wide = values[:, :, None]
        return np.count_nonzero(grids < wide, axis=2), np.count_nonzero(grids <= wide, axis=2)
    below = np.empty(values.shape, dtype=np.intp)
    upto = np.empty(values.shape, dtype=np.intp)
    for at, grid in enumerate(grids):
        below[:, at] = np.searchsorted(grid, values[:, at], side="left")
        upto[:, at] = np.searchsorted(grid, values[:, at], side="right")
    return below, upto


def _groups(keys: pl.DataFrame) -> Sequence[tuple[str | None, date, npt.NDArray[np.uint32]]]:
    if keys.height == 1:
        return [(keys["peers"][0], keys["as_of"][0], np.zeros(1, dtype=np.uint32))]
    parts = keys.select("peers", "as_of").with_row_index("at").group_by("peers", "as_of").agg("at")
    return [(group, day, np.asarray(at, dtype=np.uint32)) for group, day, at in parts.sort("peers", "as_of").iter_rows()]


def _named(features: tuple[str, ...], grids: Mapping[tuple[str, date], Floats]) -> Norms:
    content = hashlib.sha256("\n".join(features).encode())
    for group, day in sorted(grids):
        content.update(f"{group}|{day}".encode())
        content.update(np.ascontiguousarray(grids[group, day]).tobytes())
    return Norms(features, grids, content.hexdigest()[:16])

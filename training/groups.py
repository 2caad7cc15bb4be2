"""Who belongs to which group, and what is added up of each: the arithmetic of the fairness audit, which reads no records.

Sums are kept per cluster (a school, a course, a student), so that a draw of the bootstrap weighs clusters and copies no
row. The list stays the one that was made: a draw asks who could have been on the roll, not which list they would have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from training.gates import SUMS, Evidence, Gates

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

#: Whoever has no value on record where others have: a group of its own.
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Attribute:
    """An attribute by which students are told apart: each row's group, as a position in ``groups``."""

    name: str
    groups: tuple[str, ...]
    code: Codes

    @classmethod
    def of(cls, name: str, values: npt.NDArray[Any]) -> Attribute:
        """Return the attribute of rows' values, None where nothing is on record."""
        told = np.array([NOT_RECORDED if value is None else _text(value) for value in values.tolist()], dtype=np.str_)
        groups, code = np.unique(told, return_inverse=True)
        return cls(name, tuple(groups.tolist()), code.astype(np.intp))

    def crossed(self, other: Attribute) -> Attribute:
        """Return the two-way intersection: every pair of groups, whether anybody is in it or not."""
        groups = tuple(f"{mine} & {theirs}" for mine in self.groups for theirs in other.groups)
        return Attribute(f"{self.name} & {other.name}", groups, self.code * len(other.groups) + other.code)

    def take(self, rows: Bools) -> Attribute:
        """Return the attribute of some of the rows."""
        return Attribute(self.name, self.groups, self.code[rows])


def _text(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Drawing:
    """What is drawn again and how often: ``number`` is each row's cluster, ``often`` has a row per draw.

    ``by`` names the clusters. ``freedom``: degrees of freedom of an error that is measured on so many clusters.
    """

    by: str
    number: Codes
    often: npt.NDArray[np.float32]

    @classmethod
    def of(cls, by: str, keys: npt.NDArray[Any], draws: int, seed: int) -> Drawing:
        """Return draws of as many clusters as there are, each with the same chance."""
        unique, number = np.unique(keys, return_inverse=True)
        count = len(unique)
        often = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float32)
        return cls(by, number.astype(np.intp), often)

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.often.shape[1])

    @property
    def freedom(self) -> float:
        """Degrees of freedom: of thousands of students it makes no difference."""
        return max(float(self.count - 1), 1.0) if self.by != "student" else np.inf


@dataclass(frozen=True)
class Table:
    """What is added up, by name of :data:`~training.gates.SUMS`: a column per name, shape ``(rows, names)``; and whose
    rows they are (``student``).
    """

    columns: Floats
    student: Codes

    def column(self, name: str) -> Floats:
        """Return one of the columns."""
        return self.columns[:, SUMS.index(name)]


def evidence(table: Table, attribute: Attribute, drawing: Drawing, gates: Gates) -> Evidence:
    """Return the sums of an attribute's groups, as they are and in each draw."""
    count, names = len(attribute.groups), len(SUMS)
    places = (attribute.code[:, None] + np.arange(names) * count).ravel()
    clusters = np.repeat(drawing.number, names)
    by_cluster = sparse.csr_matrix((table.columns.ravel(), (clusters, places)), shape=(drawing.count, names * count))
    sums = np.asarray(by_cluster.sum(axis=0)).reshape(names, count)
    drawn = (drawing.often @ by_cluster).reshape(-1, names, count)
    students = students_of(table, attribute)
    least = gates.least_positives
    assessed = (students["rows"] >= gates.least_students) & (students["positives"] >= least) & (students["negatives"] >= least)
    return Evidence(
        attribute.name, attribute.groups, dict(zip(SUMS, sums, strict=True)),
        {name: drawn[:, at] for at, name in enumerate(SUMS)}, students, assessed, drawing.freedom,
    )  # fmt: skip


def students_of(table: Table, attribute: Attribute) -> Mapping[str, Floats]:
    """Return how many different students there are by group: in all, with and without the outcome, and on the list."""
    count = len(attribute.groups)
    each = table.student * count + attribute.code

    def different(rows: Bools | slice) -> Floats:
        return np.bincount(np.unique(each[rows]) % count, minlength=count).astype(np.float64)

    label = table.column("positives") > 0
    return {"rows": different(slice(None)), "positives": different(label), "negatives": different(~label),
            **{name: different(table.column(name) > 0) for name in ("listed", "band_listed")}}  # fmt: skip


def clusters_per_group(attribute: Attribute, number: Codes) -> npt.NDArray[np.intp]:
    """Return how many clusters the students of each group are in."""
    count = len(attribute.groups)
    return np.bincount(np.unique(number * count + attribute.code) % count, minlength=count)

"""A log of responses: who answered what, on which skills, right or not, in which order.

Tutoring systems publish such logs, one row per response and often one per response and skill: a question that is tagged
with three skills then stands there three times with one and the same answer. Read row by row, the copy of an answer is
history for itself, and a model that looks one row back seems to know what it was told (Xiong et al. 2016, Gervet et al.
2020, Badran and Preisach 2024: an AUC of .82 falls to .76 to .78 without them). A :class:`ResponseLog` therefore holds a
response once, with all its skills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.bool_]

#: What a log may tell of a response beside its answer: it is known of the past only, and says nothing of the response itself.
BESIDE = ("seconds", "attempts", "hints")


@dataclass(frozen=True)
class ResponseLog:
    """Responses in the order of their students, and of each student in the order in which they were given.

    ``students``, ``skills`` and ``items`` are names; ``student``, ``item`` (-1 where unknown) and ``tag`` are places among
    them. The skills of response ``at`` are ``tag[tag_from[at]:tag_from[at + 1]]``, each once and in order; there may be none.
    ``order`` is a time in seconds where ``dated``, else the log's own running number. ``right`` is 1 or 0, and 0 where it is
    still to be given. ``part`` is what the log says of who judges (-1 where it says nothing). ``beside`` holds columns of
    :data:`BESIDE`, NaN where unknown. ``row`` is the row of the file in which the response stands first.
    """

    students: tuple[str, ...]
    skills: tuple[str, ...]
    items: tuple[str, ...]
    student: Ints
    order: Floats
    right: Floats
    item: Ints
    tag: Ints
    tag_from: Ints
    part: Ints
    row: Ints
    beside: dict[str, Floats]
    dated: bool = False

    def __len__(self) -> int:
        return len(self.student)

    @cached_property
    def tags(self) -> Ints:
        """How many skills each response has."""
        return np.diff(self.tag_from)

    @cached_property
    def owner(self) -> Ints:
        """The response of each entry of ``tag``."""
        return np.repeat(np.arange(len(self)), self.tags)

    @cached_property
    def begins(self) -> Ints:
        """Where the responses of each student begin, and where those of the last one end."""
        counts = np.bincount(self.student, minlength=len(self.students))
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def position(self) -> Ints:
        """How many responses of the same student come before each."""
        return np.arange(len(self)) - self.begins[self.student]

    @cached_property
    def practised(self) -> Ints:
        """For each entry of ``tag``, how many earlier responses of the same student have that skill."""
        return earlier(self.student[self.owner] * max(len(self.skills), 1) + self.tag)

    @cached_property
    def mean_of_tags(self) -> Floats:
        """What each entry of ``tag`` weighs in a mean over the skills of its response."""
        return 1.0 / np.maximum(self.tags, 1)[self.owner]

    def over_tags(self, values: Floats) -> Floats:
        """Return the mean over the skills of each response, of one value per entry of ``tag``; 0 where it has none."""
        return np.bincount(self.owner, values * self.mean_of_tags, len(self))

    def take(self, kept: Rows) -> ResponseLog:
        """Return some responses, of students, skills and items under the same numbers."""
        entries = kept[self.owner]
        return replace(
            self, student=self.student[kept], order=self.order[kept], right=self.right[kept], item=self.item[kept],
            tag=self.tag[entries], tag_from=np.concatenate([[0], np.cumsum(self.tags[kept])]), part=self.part[kept],
            row=self.row[kept], beside={name: one[kept] for name, one in self.beside.items()},
        )  # fmt: skip

    def named(self, skills: Sequence[str], items: Sequence[str]) -> ResponseLog:
        """Return the log with skills and items numbered as they are elsewhere; those unknown there follow after.

        An item that is not known there is -1: nothing is known of it.
        """
        skill_at = {name: at for at, name in enumerate(skills)}
        new = [name for name in self.skills if name not in skill_at]
        skill_at |= {name: at for at, name in enumerate(new, len(skills))}
        item_at = {name: at for at, name in enumerate(items)}
        tag_to = np.array([skill_at[name] for name in self.skills], dtype=np.int64)
        item_to = np.array([*(item_at.get(name, -1) for name in self.items), -1], dtype=np.int64)
        return replace(self, skills=(*skills, *new), items=tuple(items), tag=tag_to[self.tag], item=item_to[self.item])


def earlier(keys: Ints) -> Ints:
    """Return for each entry how many entries before it have the same key.

    >>> earlier(np.array([4, 7, 4, 4, 7]))
    array([0, 0, 1, 2, 1])
    """
    if not len(keys):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = np.arange(len(keys)) - np.repeat(first, np.diff(np.concatenate([first, [len(keys)]])))
    return found

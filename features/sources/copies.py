"""Rows of a log that are the same answer for another skill, and how they are told from answers of their own.

Two answers to two questions agree in five to seven of ten, copies of one answer always do. So rows that share an order, or
that follow each other on one item or on a certain pair of skills, are taken for copies only where all such rows agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.responses import Floats, Ints, Rows

#: Rows are copies where so many of their kind agree, of at least ``LEAST_PAIRS``: fewer can agree by chance alone.
AGREE, LEAST_PAIRS = 0.98, 20

#: Of rows that two skills alone tell, some may be answers of their own: three in four must agree beyond what chance gives,
#: by so many standard deviations. Answers of one student to two questions go beyond it too, but by one in four.
BEYOND_CHANCE, CERTAIN = 0.75, 5.0

#: Where more rows than this share an order on average, it is a day or the like, and tells no response from another.
COARSE = 2.5


@dataclass(frozen=True)
class Entries:
    """Rows in the order of students and time. ``tag`` is the first skill of each, -1 where it has none."""

    student: Ints
    order: Floats
    right: Floats
    item: Ints
    response: Ints
    tag: Ints


def repeated(rows: Entries, number: Ints) -> int:
    """Return how many rows name a skill of their response that another row of it has named."""
    if not len(number):
        return 0
    pairs = number * (int(rows.tag.max()) + 2) + rows.tag + 1
    return len(pairs) - len(np.unique(pairs))


def copies_of(rows: Entries, keyed: bool, ordered: bool, with_items: bool) -> tuple[Ints, str]:
    """Return a number per row, the same for rows that are one response, and how these were told.

    Args:
        rows: the rows in the order of students and time; those that share an order stand together by item.
        keyed: whether the log names the response of each row.
        ordered: whether its order is more than the order of its rows.
        with_items: whether it names items.

    """
    ways: list[str] = []
    count = len(rows.student)
    if not count:
        return np.empty(0, dtype=np.int64), ""
    new = np.ones(count, dtype=bool)  # where another response begins
    same = _as_before(rows.student)
    agrees = _as_before(rows.right)
    if keyed:
        new[same & _as_before(rows.response) & (rows.response >= 0) & agrees] = False
        if not new.all():
            ways.append("by the key of the response")
    elif ordered:
        tie = same & _as_before(rows.order)
        like = tie & _as_before(rows.item)
        fine = with_items or count <= COARSE * (~tie).sum()
        if like.any() and fine and agrees[like].mean() >= AGREE:
            new[like & agrees] = False
            ways.append("by their order" + (" and item" if with_items else ""))
    link = _following(rows, same & new, agrees, with_items)
    if link.any():
        new[link] = False
        ways.append("by rows that follow each other and always agree")
    return np.cumsum(new), " and ".join(ways)


def _as_before(values: Floats | Ints) -> Rows:
    """Return where a value is the same as the one before it."""
    return np.concatenate([[False], values[1:] == values[:-1]])


def _following(rows: Entries, begins: Rows, agrees: Rows, with_items: bool) -> Rows:
    """Return which rows continue the response of the row before, though its order is another."""
    candidates = begins & ~_as_before(rows.tag) & (rows.tag >= 0) & (np.roll(rows.tag, 1) >= 0)
    if with_items:
        candidates &= _as_before(rows.item) & (rows.item >= 0)
        if candidates.sum() < LEAST_PAIRS or agrees[candidates].mean() < AGREE:
            return np.zeros(len(begins), dtype=bool)
        link = candidates & agrees
    else:
        link = _constant_pairs(rows, candidates, agrees)
    # A skill stands once in a response: where it comes again, another response has begun.
    while True:
        _, first = np.unique(np.cumsum(~link) * (int(rows.tag.max()) + 2) + rows.tag + 1, return_index=True)
        again = link.copy()
        again[first] = False
        if not again.any():
            return link
        link &= ~again


def _constant_pairs(rows: Entries, candidates: Rows, agrees: Rows) -> Rows:
    """Return the candidates whose two skills, in this order, hardly ever disagree, though by chance they would."""
    at = np.flatnonzero(candidates)
    link = np.zeros(len(candidates), dtype=bool)
    if len(at) < LEAST_PAIRS:
        return link
    width = int(rows.tag.max()) + 1
    names, pair = np.unique(rows.tag[at - 1] * width + rows.tag[at], return_inverse=True)
    count = np.bincount(pair)
    agreed = np.bincount(pair, agrees[at])
    easy = np.bincount(rows.tag[rows.tag >= 0], rows.right[rows.tag >= 0], width) / np.maximum(
        np.bincount(rows.tag[rows.tag >= 0], minlength=width), 1)  # fmt: skip
    one, two = easy[names // width], easy[names % width]
    chance = np.clip(one * two + (1 - one) * (1 - two), 0.01, 0.99)
    beyond = agreed / count - chance
    spread = np.sqrt(chance * (1 - chance) / count)
    certain = (count >= LEAST_PAIRS) & (beyond >= BEYOND_CHANCE * (1 - chance)) & (beyond > CERTAIN * spread)
    link[at] = certain[pair] & agrees[at]
    return link

"""Which figures of groups can be published together, so that no small group can be worked out of them.

The groups of one measure are a tree: organisations below organisations, and below each school its parts, by one or more
dimensions of which each sums up to the school. A group has ``size`` students of whom the measure is known and ``yes`` who
have it. What is published of all groups is decided together: a page shows a cut of it, so two pages side by side show no
more than was audited, and neither does a total less its parts.

Three things can be said of a group: its size and share; its size, and of its share at most that it is low or high; or
nothing. The rules:

- A group under :data:`LEAST` is not published at all, nor is any group below it.
- A share is said only where at least :data:`LEAST` students have it and as many have it not, and where it is no lower than
  :data:`BOTTOM` and no higher than 1 - ``BOTTOM``. Else it is coded: "under", "over", or withheld. So no count under ten
  can be read from a percentage either.
- Complementary suppression goes on until somebody who knows every published number exactly, and that parts sum up to
  their whole, is left with at least :data:`LEAST` possible values of each count that is not published, and with
  at least two groups and ten students wherever sizes are withheld: what remains of a total is never one group, and never
  fewer than ten. Shares are published as whole percent and sizes as whole tens, which blurs them further, between two
  measures and between two days too; the audit does not count on it.

Constraints that form a tree are bounded exactly by passing intervals up and down it, which is why this needs no solver; a
test holds every bound to linear programming. Fischetti and Salazar-González (2000) describe the problem, the FERPA guidance
on minimum group sizes (PTAC 2012) and OSSE's n < 10 the thresholds. The package that wraps tau-Argus keeps its state in
the process and has not validated calls side by side, which a service makes; so the method is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Literal

#: The smallest group, and the smallest count of a group, that is told.
LEAST = 10

#: The lowest share that is told as a number; 1 less it is the highest.
BOTTOM = 0.05

#: What is said of a group: its share; that it is low, or high; its size alone; nothing.
Said = Literal["share", "low", "high", "withheld", "hidden"]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of students. ``above`` is the key of the group that it is a part of, ``dimension`` by what that is parted.

    All groups with the same ``above`` and ``dimension`` sum up to that group, in ``size`` and in ``yes``.
    """

    key: str
    above: str | None
    dimension: str
    size: int
    yes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What is published of a group.

    ``size`` is rounded to tens, None where it is hidden. ``percent`` is the share in whole percent where one is ``said``;
    for ``low`` and ``high`` the bound below or above which it lies. ``count`` and ``without`` are about how many
    have it and how many have it not, in tens, where the share is said.
    """

    said: Said
    size: int | None = None
    percent: int | None = None
    count: int | None = None
    without: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that a count can be for somebody who knows all that is published."""

    low: int
    high: int

    @property
    def values(self) -> int:
        """How many values the count can have."""
        return self.high - self.low + 1


HIDDEN = Cell("hidden")


def tens(number: float) -> int:
    """Return a number rounded to tens, halves up."""
    return int((number + 5) // 10) * 10


def coded(cell: Cell) -> Cell:
    """Return a cell as a share is shown: low or high beyond what is told as a number, whatever was published of its count."""
    bound, percent = round(100 * BOTTOM), cell.percent
    if percent is None or bound <= percent <= 100 - bound:
        return cell
    if cell.said == "low" or (cell.said == "share" and percent < bound):
        return Cell("low", cell.size, max(percent, bound))
    return Cell("high", cell.size, min(percent, 100 - bound))


def suppress(groups: Sequence[Group], never: Collection[str] = (), bottom: float = BOTTOM) -> Mapping[str, Cell]:
    """Return what may be published of every group, by its key.

    Args:
        groups: one tree or several; parts that are empty are left out. Parts must sum up to their whole.
        never: groups of which nothing may be published, whatever their size, such as those whose size is itself a count
            that another measure does not publish. Nothing below them is published either.
        bottom: the lowest share that is told; 0 where counts are decided on, and only small counts are withheld.

    Raises:
        ValueError: parts do not sum up, or a group is part of one that is not there.

    """
    return _Publication(groups, never, bottom).cells()


def bounds(groups: Sequence[Group], never: Collection[str] = (), bottom: float = BOTTOM) -> Mapping[str, Bounds]:
    """Return what can be worked out of ``yes`` of every group whose size is published, once :func:`suppress` is done."""
    publication = _Publication(groups, never, bottom)
    return MappingProxyType({key: publication.known[key] for key in publication.groups if key not in publication.hidden})


class _Publication:
    """What is withheld so far, and what can be worked out from the rest."""

    def __init__(self, groups: Sequence[Group], never: Collection[str], bottom: float) -> None:
        self.bottom = bottom
        self.groups = {one.key: one for one in sorted(groups, key=lambda one: one.key) if one.size > 0}
        self.families: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for one in self.groups.values():
            if one.above is not None:
                self.families[one.above][one.dimension].append(one.key)
        self.order = self._top_down()
        self._check()
        #: Groups of which nothing is said, and groups of which the share is not: what the rules code is among these.
        self.hidden: set[str] = set()
        self.coded: dict[str, Said] = {}
        self.known: dict[str, Bounds] = {}
        for key in self.order:
            above = self.groups[key].above
            if key in never or self.groups[key].size < LEAST or above in self.hidden:
                self.hidden.add(key)
        self._hide_complements()
        for key in self.order:
            if (said := _said(self.groups[key], self.bottom)) != "share":
                self.coded[key] = said
        self._withhold_complements()

    def cells(self) -> Mapping[str, Cell]:
        return MappingProxyType({key: self._cell(key) for key in self.groups})

    def _cell(self, key: str) -> Cell:
        if key in self.hidden:
            return HIDDEN
        one, said = self.groups[key], self.coded.get(key, "share")
        limit = _limit(one.size, self.bottom)
        percent = {"share": round(100 * one.yes / one.size), "low": limit, "high": 100 - limit, "withheld": None}[said]
        counts = (tens(one.yes), tens(one.size - one.yes)) if said == "share" else (None, None)
        return Cell(said, tens(one.size), percent, *counts)

    def _top_down(self) -> list[str]:
        order = [key for key, one in self.groups.items() if one.above is None]
        for key in order:
            order += [part for parts in self.families[key].values() for part in parts]
        return order

    def _check(self) -> None:
        if len(self.order) != len(self.groups):
            raise ValueError("a group is part of one that is not there")
        for above, dimensions in self.families.items():
            whole = self.groups[above]
            for dimension, parts in dimensions.items():
                size, yes = (sum(getattr(self.groups[part], name) for part in parts) for name in ("size", "yes"))
                if (size, yes) != (whole.size, whole.yes):
                    raise ValueError(f"the parts by {dimension} of a group do not sum up to it")

    def _by_size(self, key: str) -> tuple[int, str]:
        return self.groups[key].size, key

    # -- sizes ----------------------------------------------------------------------------------------------------

    def _hide(self, key: str) -> None:
        """Hide a group and all below it: what is below would tell of it."""
        below = [key]
        for one in below:
            self.hidden.add(one)
            below += [part for parts in self.families[one].values() for part in parts]

    def _rest(self, parts: Sequence[str]) -> list[str]:
        return [part for part in parts if part in self.hidden]

    def _hide_complements(self) -> None:
        """Hide parts until what remains of every total is at least two groups and ten students."""
        while sum(self._hide_beside(key, parts) for key in self.order for parts in self.families[key].values()):
            pass  # what was hidden may leave a neighbour alone, above it or below

    def _hide_beside(self, key: str, parts: Sequence[str]) -> bool:
        """Hide the smallest parts of a whole until the hidden ones protect one another; return whether any had to be."""
        rest = self._rest(parts)
        if key in self.hidden or not rest:
            return False
        if len(parts) == 1:
            self._hide(key)  # the only part is the whole by another name
            return True
        # The smallest part that is left tells the least: its loss is the cheapest.
        left, before = sorted((part for part in parts if part not in self.hidden), key=self._by_size), len(rest)
        while left and (len(rest) < 2 or sum(self.groups[part].size for part in rest) < LEAST):
            self._hide(left.pop(0))
            rest = self._rest(parts)
        return len(rest) > before

    # -- shares ---------------------------------------------------------------------------------------------------

    def _box(self, key: str) -> Bounds:
        """Return what is said of a count itself."""
        one = self.groups[key]
        match self.coded.get(key, "share"):
            case "share":
                return Bounds(one.yes, one.yes)
            case "low":
                return Bounds(0, _most_low(one.size, self.bottom))
            case "high":
                return Bounds(one.size - _most_low(one.size, self.bottom), one.size)
        return Bounds(0, one.size)

    def _work_out(self) -> None:
        """Find what can be worked out of each count: from the parts up, then from the whole down.

        Passing intervals over a tree of sums is exact. What is hidden of a family counts as one part, whose size is known.
        """
        up: dict[str, Bounds] = {}
        for key in reversed(self.order):
            if key in self.hidden:
                continue
            found = self._box(key)
            for parts in self.families[key].values():
                low, high = self._sum(parts, up)
                found = Bounds(max(found.low, low), min(found.high, high))
            up[key] = found
        self.known = dict(up)
        for key in self.order:
            if key in self.hidden:
                continue
            for parts in self.families[key].values():
                low, high = self._sum(parts, up)
                for part in parts:
                    if part not in self.hidden:
                        least = self.known[key].low - (high - up[part].high)
                        most = self.known[key].high - (low - up[part].low)
                        self.known[part] = Bounds(max(up[part].low, least), min(up[part].high, most))
        self.up = up

    def _sum(self, parts: Sequence[str], up: Mapping[str, Bounds]) -> tuple[int, int]:
        seen = [up[part] for part in parts if part not in self.hidden]
        rest = sum(self.groups[part].size for part in self._rest(parts))
        return sum(one.low for one in seen), sum(one.high for one in seen) + rest

    def _withhold_complements(self) -> None:
        while True:
            self._work_out()
            changed: set[str] = set()
            # What was withheld for one may do for its neighbours too, so that these wait for the next round.
            for key, family in self._wanting():
                near = self._near(key, family)
                if changed.isdisjoint(one for places in near for one in places):
                    changed |= self._withhold(near)
            if not changed:
                return

    def _wanting(self) -> list[tuple[str, Sequence[str]]]:
        """Return the groups of which too much can be worked out, or of whose hidden parts: then with the family of these."""
        found: list[tuple[str, Sequence[str]]] = []
        for key in self.order:
            if key in self.hidden:
                continue
            if key in self.coded and self.known[key].values < LEAST:
                found.append((key, ()))
            for parts in self.families[key].values():
                rest = sum(self.groups[part].size for part in self._rest(parts))
                if rest and not _safe(self._left(key, parts, rest), rest):
                    found.append((key, parts))
        return found

    def _left(self, key: str, parts: Sequence[str], rest: int) -> Bounds:
        """Return what can be worked out of all hidden parts of a family together."""
        low, high = self._sum(parts, self.up)
        return Bounds(max(self.known[key].low - (high - rest), 0), min(self.known[key].high - low, rest))

    def _near(self, key: str, family: Sequence[str]) -> list[Sequence[str]]:
        """Return where one more share may be withheld so that less can be worked out, the best places first."""
        if family:
            return [family, [key]]
        one = self.groups[key]
        above = [] if one.above is None else [one.above]
        beside = [part for whole in above for part in self.families[whole][one.dimension] if part != key]
        below = [part for parts in self.families[key].values() for part in parts]
        return [below, beside, above] if self.up[key].values < LEAST else [beside, above, below]

    def _withhold(self, near: Sequence[Sequence[str]]) -> set[str]:
        """Withhold one more share, of the smallest group of the best place that has one; return whose, if any is left."""
        for told in (("share",), ("share", "low", "high")):
            for places in (*near, self.order) if told[1:] else near:
                found = [one for one in places if one not in self.hidden and self.coded.get(one, "share") in told]
                if found:
                    chosen = min(found, key=self._by_size)
                    self.coded[chosen] = "withheld"
                    return {chosen}
        return set()


def _safe(count: Bounds, size: int) -> bool:
    """Return whether so much may be known of several groups together: that it is not few, or not which of ten numbers it is."""
    return count.values >= LEAST or (count.low >= LEAST and size - count.high >= LEAST)


def _said(group: Group, bottom: float) -> Said:
    """Return what the rules let be said of a share, before others have to be protected."""
    most = _most_low(group.size, bottom)
    low, high = group.yes <= most, group.size - group.yes <= most
    if group.size < 2 * LEAST or (low and high):
        return "withheld"  # to say which of the two it is would tell who is few
    return "low" if low else "high" if high else "share"


def _most_low(size: int, bottom: float) -> int:
    """Return the largest count that is coded as low in a group of a size."""
    return max(LEAST - 1, ceil(bottom * size) - 1)


def _limit(size: int, bottom: float) -> int:
    """Return the percentage that a low share lies under: that of the smallest count which is told."""
    return round(100 * bottom) if bottom * size >= LEAST else ceil(100 * LEAST / size)

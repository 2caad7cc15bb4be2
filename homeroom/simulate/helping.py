"""What help would do: a school year of a simulated district run again, on the same luck, under any way of giving help.

The truth in a district's folder tells of each support alone. To judge a whole plan, in which somebody may get two supports, or
be offered one and refuse, the year itself is needed again: it is kept in memory while the district is made, and nothing of it
is ever on record. Help begins in October, or with the month in which somebody comes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from homeroom.simulate import causes, truth
from homeroom.simulate.curriculum import GRADES
from homeroom.simulate.days import Missed, Names
from homeroom.simulate.run import simulate
from homeroom.simulate.seasons import NEVER, ROUNDS, Given, Season
from homeroom.simulate.students import Real, Whole, Yes
from homeroom.simulate.truth import Luck, Seen
from homeroom.simulate.work import Marked
from homeroom.simulate.world import World


@dataclass(frozen=True, eq=False)
class Replay:
    """One school year of one zone, to be run again.

    ``enrolments`` and ``students`` are keys, ``schools`` the keys of first semester, one each per student.
    """

    world: World
    year: str
    enrolments: tuple[str, ...]
    students: tuple[str, ...]
    schools: tuple[str, ...]
    _season: Season
    _marked: Marked
    _luck: Luck

    def __len__(self) -> int:
        return len(self.enrolments)

    @property
    def supports(self) -> tuple[str, ...]:
        """The supports of the world, in the order in which plans name them."""
        return tuple(self.world.supports)

    @property
    def grades(self) -> Whole:
        """The grade level of each student."""
        return np.array(GRADES)[self._season.grade]

    def outcome(self, gets: Yes | Real) -> Seen:
        """Return what would have come of the year, had these supports and no others been given.

        Args:
            gets: by student and support, whether it is given, or which share of its dose from 0 to 1.

        """
        entered = np.where(self._season.counts.any(axis=1), self._season.counts.argmax(axis=1), 0)
        begins = np.maximum(ROUNDS[0], entered)
        dose = np.asarray(gets, np.float32)
        parts: list[causes.Effects] = []
        for at, (name, told) in enumerate(self.world.supports.items()):
            some = dose[:, at] > 0
            if some.any():
                sizes = np.where(some, self._season.given[name].sizes * dose[:, at], np.float32(0))
                parts.append(causes.given(told, np.where(some, begins, NEVER), sizes))
        course = causes.course(self.world, self._season.before, causes.together(parts))
        return truth.seen_with(self.world, self._season, course, self._marked, self._luck)

    def as_given(self, but: str = "") -> Seen:
        """Return what came of the year as help was given in it, or would have come without one support of it.

        Args:
            but: the support that is taken away; none by default.

        """
        parts: list[causes.Effects] = [
            causes.given(told, self._season.given[name].begins, self._season.given[name].sizes)
            for name, told in self.world.supports.items() if name != but
        ]  # fmt: skip
        course = causes.course(self.world, self._season.before, causes.together(parts))
        return truth.seen_with(self.world, self._season, course, self._marked, self._luck)

    def foreseen(self) -> Replay:
        """Return the year as somebody could expect it on 1 October who knew all of every student, and nothing yet to come.

        Later strain falls back to the student's level, nothing that is planted for later has begun, and everybody answers to
        help as the average does. No recommendation can be expected to do better than the best plan for this year.
        """
        before, season = self._season.before, self._season
        first = ROUNDS[0]
        ahead = np.arange(before.strain.shape[1] - first)
        fades = (self.world.traits.strain_memory**ahead).astype(np.float32)
        strain = before.strain.copy()
        strain[:, first:] = before.level[:, None] + fades * (before.strain[:, first] - before.level)[:, None]
        later = before.planted_from > first
        calm = dataclasses.replace(before, strain=strain, planted=np.where(later, -1, before.planted))
        alike = {name: Given(one.begins, np.ones_like(one.sizes)) for name, one in season.given.items()}
        return dataclasses.replace(self, _season=dataclasses.replace(season, before=calm, given=alike))

    def alone(self) -> dict[str, Seen]:
        """Return what would have come of the year with each support alone, given to everybody."""
        each = np.eye(len(self.supports), dtype=bool)
        return {name: self.outcome(np.broadcast_to(each[at], (len(self), len(each)))) for at, name in enumerate(self.supports)}


def replays(world: World, students: int, seed: int, out: Path, years: Sequence[int] = (-1,)) -> Mapping[int, Replay]:
    """Make a district and return some of its school years to be run again, by their number.

    Args:
        world: what is true.
        students: about how many; they must fit one zone.
        seed: of the simulation.
        out: where the records go.
        years: which school years, counted from the first, or back from the last.

    Raises:
        ValueError: so many students are more than one zone.

    """
    kept: dict[int, Replay] = {}
    wanted = {year % world.years.count: year for year in years}

    def keep(zone: int, season: Season, lost: Missed, marked: Marked, names: Names) -> None:
        if zone:
            raise ValueError("these are more students than one zone has")
        if season.at in wanted:
            here = np.flatnonzero(~season.no_show)
            mine, mine_marked, mine_lost = (truth.only(season, here), truth.only(marked, here), truth.only(lost, here))
            kept[wanted[season.at]] = Replay(
                world, season.year.key, tuple(names.stays[at] for at in mine.stay[:, 0].tolist()),
                tuple(names.students[at] for at in mine.who.tolist()), tuple(str(at) for at in mine.school[:, 0].tolist()),
                mine, mine_marked, truth.luck_of(world, mine, mine_lost, mine_marked),
            )  # fmt: skip

    simulate(students, seed, out, world, workers=1, told=keep)
    return kept

"""Who the students of a zone are: traits that nobody sees, groups, access at home, and when each of them comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from homeroom.simulate import people
from homeroom.simulate.curriculum import CORE, GRADES, SKILLS
from homeroom.simulate.layout import Draws, Zone
from homeroom.simulate.world import World

Whole = npt.NDArray[np.integer[Any]]
Real = npt.NDArray[np.floating[Any]]
Yes = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Students:
    """The students of a zone, one entry each, whenever they come.

    ``health_plan``: the school has agreed on one. ``comes``: school year (from 0) in which each first enrols; ``grade``:
    place of the grade then; ``moved_in``: came from elsewhere; ``enters``: how far into that year (0 on the first
    day, below 1). ``middle`` and ``high`` are schools.
    Traits are in standard deviations; ``habit_...`` are a student's own lasting part of a log-odds.
    """

    keys: list[str]
    comes: Whole
    grade: Whole
    moved_in: Yes
    enters: Real
    middle: Whole
    high: Whole
    group: Whole
    low_income: Yes
    sex: Whole
    disability: Yes
    culture: Whole
    name: Whole
    language: Whole
    ability: Real
    connection: Real
    stability: Real
    health: Real
    strain_level: Real
    habit_absence: Real
    habit_work: Real
    habit_online: Real
    habit_conduct: Real
    no_device: Yes
    no_internet: Yes
    unrecorded: Real
    health_plan: Yes

    def __len__(self) -> int:
        return len(self.keys)


def draw(world: World, place: Zone, years: int, draws: Draws) -> Students:
    """Draw everybody who is ever at a school of the zone."""
    told, grades = world.schools, len(GRADES)
    rng = draws("who comes")
    # Who moves in comes on top of the classes that go up: together they are the zone's students.
    seats = max(grades, round(place.students / (1 + told.moves_in)))
    planned = [seats * (at + 1) // grades - seats * at // grades for at in range(grades)]
    comes, grade, moved = [np.zeros(seats, np.int64)], [np.repeat(np.arange(grades), planned)], [0] * seats
    for year in range(years):
        if year:
            comes.append(np.full(planned[0], year))
            grade.append(np.zeros(planned[0], np.int64))
            moved += [0] * planned[0]
        more = round(place.students * told.moves_in)
        comes.append(np.full(more, year))
        grade.append(rng.integers(0, grades, more))
        moved += [1] * more
    comes_, grade_, moved_in = np.concatenate(comes), np.concatenate(grade), np.array(moved, dtype=bool)
    count = len(comes_)
    order = rng.permutation(count)  # a key must not tell when somebody came
    comes_, grade_, moved_in = comes_[order], grade_[order], moved_in[order]
    # Half of those who move in do so in summer, the others in the first eight tenths of the year.
    enters = np.where(moved_in & (rng.random(count) < 0.5), rng.random(count) * 0.8, 0.0)

    rng = draws("groups")
    groups = tuple(world.groups.values())
    group = rng.choice(len(groups), count, p=np.array([one.share for one in groups]) / sum(one.share for one in groups))
    of_group = {name: np.array([getattr(one, name) for one in groups])[group]
                for name in ("low_income", "stability", "connection", "no_device", "no_internet", "unrecorded")}  # fmt: skip
    low_income = rng.random(count) < of_group["low_income"]
    culture = np.where(rng.random(count) < 0.5, group % len(people.NAMES), rng.integers(0, len(people.NAMES), count))
    starts = np.array(people.STARTS)
    name = starts[culture] + (rng.random(count) * (starts[culture + 1] - starts[culture])).astype(np.int64)
    at_home = rng.random(count)
    spoken = np.array(people.SPOKEN)[culture]
    language = np.where(at_home < 0.35, 0, spoken[np.arange(count), (rng.random(count) < 0.5).astype(int)])

    traits = world.traits
    rng = draws("traits")
    normal = rng.standard_normal((count, 12), dtype=np.float32)
    general = normal[:, 0]
    shared = np.sqrt(traits.shared_ability)
    ability = shared * general[:, None] + np.sqrt(1 - traits.shared_ability) * normal[:, 1 : 1 + CORE]
    tie = traits.ability_connection
    connection = tie * general + np.sqrt(1 - tie * tie) * normal[:, 5] + of_group["connection"]
    stability = normal[:, 6] + traits.low_income_stability * low_income + of_group["stability"]
    health = normal[:, 7]
    return Students(
        [f"S{place.number + 1:03d}{at + 1:05d}" for at in range(count)],
        comes_, grade_, moved_in, enters.astype(np.float32),
        rng.integers(0, place.middles, count), place.middles + rng.integers(0, place.highs, count),
        group, low_income, rng.choice(3, count, p=[0.49, 0.49, 0.02]), rng.random(count) < 0.14, culture, name, language,
        ability.astype(np.float32), connection.astype(np.float32), stability.astype(np.float32), health,
        (traits.stability_strain * stability + traits.health_strain * health).astype(np.float32),
        np.float32(world.attendance.habit) * normal[:, 8], np.float32(world.coursework.habit) * normal[:, 9],
        np.float32(world.online.habit) * normal[:, 10], np.float32(world.conduct.habit) * normal[:, 11],
        rng.random(count) < logistic(world.access.no_device + world.access.low_income * low_income + of_group["no_device"]),
        rng.random(count)
        < logistic(world.access.no_internet + world.access.low_income * low_income + of_group["no_internet"]),
        of_group["unrecorded"].astype(np.float32), (health < -1.5) & (draws("health plan").random(count) < 0.5),
    )  # fmt: skip


def first_mastery(world: World, students: Students, draws: Draws) -> Real:
    """Return the mastery of every skill, in log-odds, that students bring along: of earlier grades only."""
    rng = draws("first mastery")
    subject = np.array([skill.subject for skill in SKILLS])
    noise = rng.standard_normal((len(students), len(SKILLS)), dtype=np.float32)
    told = world.learning
    brought = told.start + told.ability * students.ability[:, subject] + 7 * told.practice + told.own * noise
    return np.asarray(brought, np.float32)


def logistic(x: Real) -> Real:
    """Return the probability of log-odds."""
    return 1 / (1 + np.exp(-x))

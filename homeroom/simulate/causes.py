"""What causes what: from traits, strain and supports to absence, work, learning, conduct and the hazard of leaving.

This is the whole of the causal structure, once; ``docs/simulation.md`` draws it. Everything here is linear in strain,
connection and the effects of supports, month by month, so that what would have happened under another support is the
same lines run again, and the chance of leaving seen from a day has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from homeroom.simulate.curriculum import CORE, GRADES
from homeroom.simulate.students import Real, Whole, Yes, logistic
from homeroom.simulate.world import CAUSES, Support, World
from homeroom.simulate.years import MONTHS

#: What a support can act on, as it is named in a world.
ACTS_ON = ("absence", "work", "learning", "strain", "connection", "conduct", "leaving")

#: How likely a spell of absence is to last longer than 0, 1, 2 ... days.
SPELL = np.array([1.0, 0.6, 0.35, 0.15, 0.05], dtype=np.float32)

#: The share of a score that anybody gets who hands something in.
FLOOR = 0.5

Effects = Mapping[str, Real]


@dataclass(frozen=True, eq=False)
class Before:
    """What is settled before a school year's supports: by student, and by student and month where it says so.

    ``strain``: by month, without supports. ``planted``: the cause that is at work (-1 for none), and ``planted_from`` the
    month from which it is; ``haunted``: last year's absence is the cause. ``lacks_device`` and ``lacks_internet`` are as
    the year begins. Strain swings about ``level`` with a standard deviation of ``swing``.
    """

    grade: Whole
    ability: Real
    connection: Real
    health: Real
    habit_absence: Real
    habit_work: Real
    habit_online: Real
    habit_conduct: Real
    strain: Real
    failed: Real
    over_age: Yes
    planted: Whole
    planted_from: Whole
    haunted: Yes
    lacks_device: Yes
    lacks_internet: Yes
    level: Real
    swing: Real

    def __len__(self) -> int:
        return len(self.grade)


@dataclass(frozen=True, eq=False)
class Course:
    """A school year's course by student and month: log-odds, logs and shifts, with the supports that were given.

    ``absence``: of missing a day; ``work``: of handing in; ``online``: of being active; ``conduct``: log of incidents;
    ``learning``: what supports added to mastery by the month; ``marks``: what is added to every score; ``leaving``: log of
    the hazard; ``no_device`` and ``no_internet``: the lack as it is in the month.
    """

    absence: Real
    work: Real
    online: Real
    conduct: Real
    learning: Real
    marks: Real
    leaving: Real
    strain: Real
    no_device: Yes
    no_internet: Yes


def given(support: Support, begins: Whole, sizes: Real) -> dict[str, Real]:
    """Return what a support does by student and month.

    Args:
        support: what it is.
        begins: the month in which it begins for each student, ``MONTHS`` where it is not given.
        sizes: how strongly each student responds, 1 on average.

    """
    months = np.arange(MONTHS)
    lasts = (months >= begins[:, None]) & (months < begins[:, None] + support.months)
    felt = lasts * sizes[:, None].astype(np.float32)
    found: dict[str, Real] = {name: np.float32(getattr(support, name)) * felt for name in ACTS_ON
                              if getattr(support, name) and name != "learning"}  # fmt: skip
    if support.learning:
        found["learning"] = np.cumsum(np.float32(support.learning) * felt, axis=1)
    after = months >= begins[:, None]
    if support.gives_device:
        found["device"] = after.astype(np.float32)
    if support.gives_internet:
        found["internet"] = after.astype(np.float32)
    return found


def together(parts: list[Effects]) -> dict[str, Real]:
    """Return what several supports do together: their sum."""
    found: dict[str, Real] = {}
    for part in parts:
        for name, size in part.items():
            found[name] = found[name] + size if name in found else size
    return found


def course(world: World, before: Before, effects: Effects) -> Course:
    """Return how the year goes with these effects of supports."""
    none = np.zeros((len(before), MONTHS), np.float32)
    act = {name: effects.get(name, none) for name in (*ACTS_ON, "device", "internet")}
    strain = before.strain + act["strain"]
    connection = before.connection[:, None] + act["connection"]
    grade: Real = np.array(GRADES, np.float32)[before.grade][:, None]
    ability = before.ability.mean(axis=1)[:, None]
    started = np.arange(MONTHS) >= before.planted_from[:, None]
    cause = {name: ((before.planted[:, None] == at) & started).astype(np.float32) for at, name in enumerate(CAUSES)}
    told, sown = world.attendance, world.planted

    from_base = (
        told.by_grade * (grade - 9) + told.strain * strain + told.connection * connection
        + told.health * before.health[:, None] + before.habit_absence[:, None] + act["absence"]
        + sown.absence * cause["attendance_collapse"] + 0.8 * sown.absence * cause["prior_year_absence"]
    )  # fmt: skip
    no_device = before.lacks_device[:, None] & (act["device"] == 0)
    no_internet = before.lacks_internet[:, None] & (act["internet"] == 0)
    handing = world.coursework
    work_from_base = (
        handing.strain * strain + handing.connection * connection
        + handing.ability * ability + before.habit_work[:, None] + act["work"]
        + handing.no_device * (no_device | no_internet) + sown.work * cause["missing_work"]
    )  # fmt: skip
    online = (
        world.online.base + world.online.strain * strain + world.online.connection * connection
        + before.habit_online[:, None] + sown.activity * cause["inactivity"]
    )  # fmt: skip
    conduct_from_base = (
        world.conduct.strain * strain + world.conduct.connection * connection + before.habit_conduct[:, None] + act["conduct"]
    )
    conduct = world.conduct.base + conduct_from_base + sown.conduct * cause["incidents"]
    leave = world.leaving
    planted = started & (before.planted[:, None] >= 0) & (cause["prior_year_absence"] == 0) | before.haunted[:, None]
    # A planted cause acts on leaving by its own strength alone: what it does to absence or work is its sign.
    sign = sown.absence * cause["attendance_collapse"] + 0.8 * sown.absence * cause["prior_year_absence"]
    leaving = (
        leave.base + np.where(grade < 9, np.float32(leave.middle_school), leave.by_grade * (grade - 9)) + leave.strain * strain
        + leave.connection * connection + leave.ability * ability
        + leave.absence * (from_base - sign) + leave.work * (work_from_base - sown.work * cause["missing_work"])
        + leave.conduct * conduct_from_base
        + leave.failed * before.failed[:, None] + leave.over_age * before.over_age[:, None]
        + sown.leaving * planted + act["leaving"]
    )  # fmt: skip
    return Course(
        _small(told.base + from_base), _small(handing.base + work_from_base), _small(online), _small(conduct),
        _small(act["learning"]), _small(sown.marks * cause["marks_falling"]), _small(leaving), _small(strain),
        no_device, no_internet,
    )  # fmt: skip


def _small(values: Real) -> Real:
    return np.asarray(values, np.float32)


def strain_in_leaving(world: World) -> float:
    """Return by how much a standard deviation of strain raises the log of the hazard, on every way there is."""
    leave = world.leaving
    return (leave.strain + leave.absence * world.attendance.strain + leave.work * world.coursework.strain
            + leave.conduct * world.conduct.strain)  # fmt: skip


def strain_path(world: World, last: Real, level: Real, shocks: Real) -> Real:
    """Return strain by month: an autoregression about each student's level, started from last year's end."""
    memory = np.float32(world.traits.strain_memory)
    spread = np.sqrt(1 - memory * memory)
    path = np.empty(shocks.shape, np.float32)
    now = last - level
    for month in range(shocks.shape[1]):
        now = memory * now + spread * shocks[:, month]
        path[:, month] = now + level
    return path


def hazard(leaving: Real) -> Real:
    """Return the probability of leaving in a month."""
    return np.asarray(1 - np.exp(-np.exp(leaving)), np.float32)


def leaving_seen_from(world: World, before: Before, found: Course, counts: Yes, summer: Real) -> tuple[Real, Real]:
    """Return the probability of leaving in the rest of the year, seen at the beginning of each month, and with the summer.

    What is known then is everything up to and with that month's strain; later strain is expected to fall back to
    the student's level, with the spread that chance gives it. ``counts`` tells which months count for a student,
    ``summer`` for how many months of June the summer after counts. Both are by student and month.
    """
    weight, memory = strain_in_leaving(world), world.traits.strain_memory
    seen = np.zeros(found.leaving.shape, np.float32)
    with_summer = np.zeros(found.leaving.shape, np.float32)
    surprise = before.strain - before.level[:, None]
    spread = (weight * before.swing) ** 2
    for month in range(MONTHS):
        total = np.zeros(len(before))
        for later in range(month, MONTHS):
            step = memory ** (later - month)
            expected = found.leaving[:, later] - weight * (surprise[:, later] - step * surprise[:, month])
            hazards = np.exp(expected + 0.5 * spread * (1 - step * step))
            total += counts[:, later] * hazards
        seen[:, month] = 1 - np.exp(-total)
        with_summer[:, month] = 1 - np.exp(-total - summer * hazards)
    return seen, with_summer


def daily(world: World, absence: Real) -> tuple[Real, Real]:
    """Return the chance of missing a single day, and of a spell's beginning, for log-odds of missing a day."""
    share = np.minimum(logistic(absence), 0.95)
    in_spells = share * world.attendance.in_spells
    return np.asarray((share - in_spells) / (1 - in_spells), np.float32), np.asarray(in_spells / SPELL.sum(), np.float32)


def expected_absence(world: World, absence: Real, days: npt.NDArray[Any]) -> tuple[Real, Real]:
    """Return mean and variance of the days missed, of log-odds by student and month and days by month (or both)."""
    single, begins = daily(world, absence)
    there = 1 - single
    for lasts in SPELL:
        there *= 1 - begins * lasts
    missed = 1 - there
    whole = 1 - 0.5 * world.attendance.part_day
    # A spell brings its days together: the variance is that of fewer, longer draws.
    together_ = 1 + world.attendance.in_spells * 1.6
    mean = (missed * whole * days).sum(axis=1)
    spread = (missed * (1 - missed) * together_ * days).sum(axis=1)
    return np.asarray(mean, np.float32), np.asarray(np.maximum(spread, 1e-6), np.float32)


def absence_seen_from(world: World, before: Before, found: Course, month: int, days: npt.NDArray[Any]) -> tuple[Real, Real]:
    """Return mean and variance of the days missed from a month on, of ``days`` by student and month, as seen from it.

    As for leaving, later strain is expected to fall back to the student's level, and adds to the variance what chance
    can make of it.
    """
    told, memory = world.attendance, world.traits.strain_memory
    surprise = before.strain - before.level[:, None]
    ahead = np.arange(MONTHS - month)
    step = (memory**ahead).astype(np.float32)
    absence = found.absence[:, month:] - told.strain * (surprise[:, month:] - step * surprise[:, month, None])
    mean, spread = expected_absence(world, absence, days[:, month:])
    share = logistic(absence)
    bend = told.strain * before.swing[:, None]
    moves = days[:, month:] * share * (1 - share) * bend
    # The mean of a bent line is not the line at the mean.
    mean = mean + (0.5 * moves * bend * (1 - 2 * share) * (1 - step**2)).sum(axis=1)
    # Each month's shock lives on in the months after it: what it moves is gathered from the last month back.
    chance, moved = np.zeros(len(before), np.float32), np.zeros(len(before), np.float32)
    for later in range(MONTHS - month - 1, 0, -1):
        moved = moves[:, later] + np.float32(memory) * moved
        chance += moved * moved
    return _small(mean), _small(spread + (1 - memory * memory) * chance)


def expected_mark(world: World, work: Real, score: Real, pieces: int, uneven: float = 1.3) -> tuple[Real, Real]:
    """Return mean and spread of a report-card mark for log-odds of handing in and the expected share of a score.

    ``uneven``: how much more a few heavy pieces make it vary than as many equal ones would.
    """
    handed = logistic(work)
    missing = world.coursework.missing_counts
    mean = handed * score + (1 - handed) * missing
    variance = handed * (1 - handed) * (score - missing) ** 2 + handed * world.coursework.noise**2
    return np.asarray(mean, np.float32), np.asarray(np.sqrt(uneven * variance / pieces) + 1e-4, np.float32)


def score_of(mastery: Real) -> Real:
    """Return the expected share of the best score for mastery in log-odds."""
    return np.asarray(FLOOR + (1 - FLOOR) * logistic(mastery), np.float32)


def below(mark: Real | float, mean: Real, spread: Real | float) -> Real:
    """Return the probability of falling below a mark."""
    return np.asarray(ndtr((mark - mean) / spread), np.float32)


def general_ability(before: Before) -> Real:
    """Return what a student brings to an elective: the mean ability and some of the connection."""
    assert before.ability.shape[1] == CORE
    return np.asarray(0.8 + 0.5 * before.ability.mean(axis=1) + 0.3 * before.connection, np.float32)

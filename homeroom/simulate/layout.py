"""The lie of the land: zones, schools and their classes, the same for every school year.

A zone holds the schools that feed each other and is one bucket: everything about its students is made from the seed
and the zone's number, so that no zone waits for another.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from homeroom.simulate.curriculum import CORE, COURSES, ELECTIVES, GRADES, PER_SEMESTER, TAKEN
from homeroom.simulate.world import World
from homeroom.simulate.years import Year

MIDDLE_GRADES, HIGH_GRADES = GRADES[:3], GRADES[3:]
REGIONS = ("North", "East", "South", "West")


class Draws:
    """Random numbers by purpose: drawing more for one thing leaves what is drawn for another as it is."""

    def __init__(self, seed: int, zone: int) -> None:
        self.seed, self.zone = seed, zone

    def __call__(self, what: str, year: int = 0) -> np.random.Generator:
        """Return the numbers of one purpose in one school year."""
        return np.random.default_rng([self.seed, self.zone, zlib.crc32(what.encode()), year])


@dataclass(frozen=True, eq=False)
class Zone:
    """One zone: its schools, and how many classes they have.

    ``students``: about how many of a school year. Schools are numbered middle schools first. ``sizes``: students per
    grade, by school and grade (none where it does not teach the grade). ``classes``: sections of a course in a semester,
    by school, grade and course.
    """

    number: int
    students: int
    middles: int
    highs: int
    names: tuple[str, ...]
    keys: tuple[str, ...]
    positive: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]

    @property
    def schools(self) -> int:
        """Number of schools."""
        return self.middles + self.highs

    @property
    def region(self) -> str:
        """The region that the zone lies in."""
        return REGIONS[self.number % len(REGIONS)]

    def place(self, school: int) -> str:
        """Return what a world file calls a school: ``middle 1``, ``high 2``."""
        return f"middle {school + 1}" if school < self.middles else f"high {school - self.middles + 1}"


@dataclass(frozen=True, eq=False)
class Sections:
    """The classes of a zone: number them by year, semester, school, grade and course, then the class itself.

    ``base`` holds the number of the first class of each; ``school``, ``grade``, ``course``, ``year``, ``semester`` and
    ``pick`` are by class.
    """

    base: npt.NDArray[np.int64]
    school: npt.NDArray[np.int64]
    grade: npt.NDArray[np.int64]
    course: npt.NDArray[np.int64]
    year: npt.NDArray[np.int64]
    semester: npt.NDArray[np.int64]
    pick: npt.NDArray[np.int64]
    keys: list[str]
    work: list[str]

    def __len__(self) -> int:
        return len(self.keys)


def zones(world: World, students: int) -> list[tuple[int, int]]:
    """Return number and size of each zone of a district of ``students``."""
    count = max(1, round(students / world.schools.zone_students))
    return [(at, students * (at + 1) // count - students * at // count) for at in range(count)]


def zone(world: World, number: int, students: int, draws: Draws) -> Zone:
    """Lay out one zone."""
    told = world.schools
    middles = max(1, round(students * len(MIDDLE_GRADES) / len(GRADES) / told.middle_size))
    highs = max(1, round(students * len(HIGH_GRADES) / len(GRADES) / told.high_size))
    schools = middles + highs
    rng = draws("zone")
    sizes = np.zeros((schools, len(GRADES)))
    sizes[:middles, :3] = students / len(GRADES) / middles
    sizes[middles:, 3:] = students / len(GRADES) / highs
    classes = np.maximum(1, np.round(sizes / told.class_size)).astype(np.int64)[:, :, None].repeat(len(COURSES), axis=2)
    # Two electives of four are taken: half as many classes of each.
    classes[:, :, CORE:] = np.maximum(1, np.round(sizes * (TAKEN - CORE) / len(ELECTIVES) / told.class_size))[:, :, None]
    classes[sizes == 0] = 0
    keys = tuple(f"{'M' if at < middles else 'H'}{number + 1:03d}{at + 1 if at < middles else at - middles + 1}"
                 for at in range(schools))  # fmt: skip
    positive = rng.random(schools) < told.positive_share
    if number == 0 and told.positive_share > 0:
        positive[-1] = True  # a small district has one too, so that both ways of recording are always there
        positive[0] = False
    first = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Linden", "Maple", "Oak", "Rowan", "Spruce", "Willow")
    second = ("Creek", "Field", "Grove", "Hill", "Lake", "Park", "Ridge", "Valley")
    names = tuple(
        f"{first[(number * schools + at) % 12]} {second[(number * schools + at) // 12 % 8]} "
        f"{'Middle School' if at < middles else 'High School'}"
        for at in range(schools)
    )
    return Zone(number, students, middles, highs, names, keys, positive, sizes, classes)


def sections(place: Zone, years: tuple[Year, ...]) -> Sections:
    """Number the classes of a zone, every school year and semester."""
    per = np.broadcast_to(place.classes, (len(years), 2, *place.classes.shape))
    flat = per.ravel()
    base = np.concatenate([[0], np.cumsum(flat)[:-1]])
    of = np.repeat(np.arange(len(flat)), flat)
    year, semester, school, grade, course = np.unravel_index(of, per.shape)
    pick = np.arange(len(of)) - base[of]
    keys = [
        f"{place.keys[s]}-{years[y].first % 100:02d}{'AB'[h]}-{COURSES[c][0]}{GRADES[g]}-{p + 1}"
        for y, h, s, g, c, p in zip(year.tolist(), semester.tolist(), school.tolist(), grade.tolist(), course.tolist(),
                                    pick.tolist(), strict=True)
    ]  # fmt: skip
    pieces = [f"-{at + 1:02d}" for at in range(PER_SEMESTER)]
    work = [key + piece for key in keys for piece in pieces]
    return Sections(base.reshape(per.shape), school, grade, course, year, semester, pick, keys, work)

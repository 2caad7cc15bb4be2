"""What was true all along: kept apart from the records, for judging and for nothing else.

A truth lies in ``truth/`` inside a simulated district. No reader of exports looks there, and nothing below the roof
may: a model is judged by it and must never see it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from features.problems import NotFound
from homeroom.simulate import causes
from homeroom.simulate.causes import Before, Course
from homeroom.simulate.curriculum import CORE, GRADES
from homeroom.simulate.days import Missed, Names
from homeroom.simulate.parts import Column, Maybe, Rows, Text
from homeroom.simulate.seasons import EXITS, NEVER, ROUNDS, Season
from homeroom.simulate.students import Real, Students, Whole, Yes
from homeroom.simulate.work import Marked
from homeroom.simulate.world import CAUSES, World
from homeroom.simulate.years import MONTHS, number

FOLDER = "truth"

#: What the truth holds: each table, and what a row of it is.
TABLES: Mapping[str, str] = MappingProxyType({
    "students": "a student's traits, in standard deviations, and lacks at home",
    "years": "a student's school year: what it was like in the middle, and the planted cause if there is one",
    "leaving": "a stay on the first day of a month: the probability of leaving before its end (with_summer: or of not "
               "coming back), and whether it came to that",
    "absence": "a stay on the first day of a month: the probability of missing a tenth of the year, and whether it came to it",
    "courses": "a student's class and grading period: the probability of failing",
    "evidence": "one piece of evidence of a skill: the probability that it falls below .8",
    "supports": "a student's school year and support: what would have happened with it alone, and with none",
})  # fmt: skip

#: What would have happened is told of these.
TARGETS = ("dropout", "chronic_absence", "core_failure")
#: A year is one of chronic absence from this share of days missed.
CHRONIC = 0.1


@dataclass(frozen=True)
class Truth:
    """The truth of one simulated district, read when asked for."""

    folder: Path

    def table(self, name: str) -> pl.DataFrame:
        """Return one table of :data:`TABLES`; raise :class:`KeyError` where there is none of the name."""
        if name not in TABLES:
            raise KeyError(f"the truth has no table {name}: it has {', '.join(TABLES)}")
        return pl.read_parquet(sorted((self.folder / name).glob("part-*.parquet")))


def open_truth(folder: Path) -> Truth:
    """Return the truth of the simulated district in ``folder``; raise :class:`NotFound` where there is none."""
    found = folder / FOLDER
    if not all(any((found / name).glob("part-*.parquet")) for name in TABLES):
        raise NotFound(f"There is no truth in {folder.name}: it is no simulated district, or not a whole one.")
    return Truth(found)


def of_students(students: Students, come: Whole, names: Names, rows: Rows) -> None:
    """Keep the traits of everybody on record."""
    rows.add("truth/students", {
        "student_id": Text(come, names.students),
        **{f"ability_{name}": students.ability[come, at] for at, name in
           enumerate(("english", "mathematics", "science", "social_studies"))},
        "connection": students.connection[come], "stability": students.stability[come], "health": students.health[come],
        "no_device": students.no_device[come], "no_internet": students.no_internet[come],
        "habit_absence": students.habit_absence[come], "habit_work": students.habit_work[come],
    })  # fmt: skip


def of_season(world: World, season: Season, lost: Missed, marked: Marked, section: Whole, names: Names, rows: Rows,
              watched: Yes) -> None:  # fmt: skip
    """Keep what was true in one school year."""
    _years(season, names, rows)
    _by_month(world, season, lost, names, rows)
    _courses(world, season, marked, section, names, rows, watched)
    _supports(world, season, lost, marked, names, rows, watched)


def _years(season: Season, names: Names, rows: Rows) -> None:
    planted = season.before.planted
    begins = season.year.days[season.year.first_day_of_month()[np.minimum(season.before.planted_from, MONTHS - 1)]]
    # Last year's absence shows its effect in the year after: there the cause is at work from the first day.
    haunted = season.before.haunted
    prior = CAUSES.index("prior_year_absence")
    cause = np.where(haunted, prior, np.where(planted == prior, -1, planted))
    on = np.where(haunted, number(season.year.starts_on), begins)
    rows.add("truth/years", {
        "student_id": Text(season.who, names.students),
        "enrolment_id": Text(season.stay[:, 0], names.stays),
        "school_year": Text(np.zeros(len(season), int), [season.year.key]),
        "grade_level": np.array(GRADES)[season.grade],
        "strain": season.course.strain.mean(axis=1),
        "absence_log_odds": season.course.absence.mean(axis=1),
        "work_log_odds": season.course.work.mean(axis=1),
        "planted_cause": Text(cause, CAUSES),
        "planted_on": Maybe(on.astype("datetime64[D]"), cause < 0),
        "exit": Text(season.exit, EXITS),
    })  # fmt: skip


def _by_month(world: World, season: Season, lost: Missed, names: Names, rows: Rows) -> None:
    year = season.year
    # Who is in the last grade does not come back for another reason.
    summer = np.where(season.grade == len(GRADES) - 1, 0.0, world.leaving.summer)
    seen, with_summer = causes.leaving_seen_from(world, season.before, season.course, season.counts, summer)
    left_in = _left_in(season, season.course)
    starts = np.array([number(on) for on in year.month_starts()])
    first = year.first_day_of_month()
    in_month, missed = _days(season), np.add.reduceat(lost.share, first[:-1], axis=1)
    total = season.present.sum(axis=1)
    done = np.cumsum(missed, axis=1) - missed
    whole = missed.sum(axis=1)
    there = season.counts & (season.leaves[:, None] > first[:-1]) & (season.enters[:, None] <= first[:-1])
    stay = season.stay[:, (starts >= number(year.semesters[1][0])).astype(int)]
    for month in range(MONTHS):
        mean, spread = causes.absence_seen_from(world, season.before, season.course, month, in_month)
        of = np.maximum(total, 1)
        chronic = 1 - causes.below(CHRONIC, (done[:, month] + mean) / of, np.sqrt(spread) / of)
        kept = np.flatnonzero(there[:, month])
        base: dict[str, Column] = {
            "enrolment_id": Text(stay[kept, month], names.stays),
            "as_of": np.full(len(kept), starts[month]).astype("datetime64[D]"),
        }
        # A transfer hides whether somebody would have left: the truth knows.
        rows.add("truth/leaving", {**base, "probability": seen[kept, month], "with_summer": with_summer[kept, month],
                                   "outcome": (left_in[kept] >= month) & (left_in[kept] < NEVER)})  # fmt: skip
        rows.add("truth/absence", {**base, "probability": chronic[kept], "outcome": whole[kept] >= CHRONIC * total[kept]})


def _days(season: Season) -> Whole:
    """Return the days of each month that a student can miss: those taught elsewhere cannot be missed."""
    return np.asarray(np.add.reduceat(season.at_school, season.year.first_day_of_month()[:-1], axis=1, dtype=np.int32))


def _left_in(season: Season, course: Course) -> Whole:
    goes = season.counts & (season.luck < causes.hazard(course.leaving))
    return np.where(goes.any(axis=1), goes.argmax(axis=1), NEVER)


def _courses(world: World, season: Season, marked: Marked, section: Whole, names: Names, rows: Rows, watched: Yes) -> None:
    kept = marked.decided & watched[season.who][:, None, None]
    i, course, period = np.nonzero(kept)
    # Marks are rounded to thousandths, and fail below the pass mark.
    probability = causes.below(world.coursework.pass_mark - 0.0005, marked.expected, marked.spread)
    rows.add("truth/courses", {
        "enrolment_id": Text(season.stay[i, period // 2], names.stays),
        "section_id": Text(section[i, course, period // 2], names.sections),
        "term_id": Text(period, [f"{season.year.key}-Q{at + 1}" for at in range(4)]),
        "probability": probability[i, course, period],
        "outcome": marked.marks[i, course, period] < world.coursework.pass_mark,
    })  # fmt: skip


@dataclass(frozen=True, eq=False)
class Seen:
    """What came of a year by student, had it gone one way: probability and outcome by target, days missed and core marks.

    ``expected_days`` and ``expected_failed`` (core marks below passing, of four courses in four periods) were to be
    expected; ``days`` and ``mark`` (the mean core mark, none where there is none) it came to on the luck of the year.
    """

    probability: Real
    outcome: Yes
    expected_days: Real
    days: Real
    expected_failed: Real
    mark: Real


def _supports(world: World, season: Season, lost: Missed, marked: Marked, names: Names, rows: Rows, watched: Yes) -> None:
    """Run the year again without any support, and with each alone, on the same luck."""
    kept = np.flatnonzero(watched[season.who] & ~season.no_show)
    # Only of whom the truth is kept is anything run again: it would cost more than the year itself.
    season, marked = only(season, kept), only(marked, kept)
    lost = only(lost, kept)
    luck = luck_of(world, season, lost, marked)
    without = seen_with(world, season, causes.course(world, season.before, {}), marked, luck)
    entered_in = np.where(season.counts.any(axis=1), season.counts.argmax(axis=1), 0)
    for at, (name, told) in enumerate(world.supports.items()):
        got = season.given[name]
        # Who did not get it is asked from the first round at which they could have.
        begins = np.where(got.begins < NEVER, got.begins, np.maximum(ROUNDS[0], entered_in))
        with_ = seen_with(
            world, season, causes.course(world, season.before, causes.given(told, begins, got.sizes)), marked, luck
        )
        for target in range(len(TARGETS)):
            rows.add("truth/supports", {
                "student_id": Text(season.who, names.students),
                "enrolment_id": Text(season.stay[:, 0], names.stays),
                "school_year": Text(np.zeros(len(season), int), [season.year.key]),
                "support": Text(np.full(len(season), at), list(world.supports)),
                "received": got.begins < NEVER,
                "target": Text(np.full(len(season), target), TARGETS),
                "with_probability": with_.probability[:, target],
                "without_probability": without.probability[:, target],
                "with_outcome": with_.outcome[:, target],
                "without_outcome": without.outcome[:, target],
            })  # fmt: skip


def only[Holder](holder: Holder, kept: Whole) -> Holder:
    """Return a holder of arrays by student with those of some students only."""
    found: dict[str, Any] = {}
    for one in dataclasses.fields(holder):  # type: ignore[arg-type]
        value = getattr(holder, one.name)
        if isinstance(value, np.ndarray):
            found[one.name] = value[kept]
        elif isinstance(value, Before | Course):
            found[one.name] = only(value, kept)
        elif isinstance(value, Mapping):
            found[one.name] = {name: only(inner, kept) for name, inner in value.items()}
    return dataclasses.replace(holder, **found)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Luck:
    """What chance added to what was expected, in standard deviations: of days missed, and of each core mark.

    ``days``: those that can be missed, by student and month; ``total``: all that count, by student.
    """

    days: Real
    total: Real
    absence: Real
    marks: Real


def luck_of(world: World, season: Season, lost: Missed, marked: Marked) -> Luck:
    """Return what chance added in a year that is over."""
    days = _days(season).astype(np.float32)
    mean, spread = causes.expected_absence(world, season.course.absence, days)
    marks, sizes = _core_marks(world, season, season.course, marked)
    core = marked.marks[:, :CORE]
    total = np.maximum(season.present.sum(axis=1), 1).astype(np.float32)
    return Luck(days, total, (lost.share.sum(axis=1) - mean) / np.sqrt(spread), (core - marks) / sizes)


def seen_with(world: World, season: Season, course: Course, marked: Marked, luck: Luck) -> Seen:
    """Return what would have come of a year had it gone like ``course``, on the same luck."""
    probability = np.empty((len(season), len(TARGETS)), np.float32)
    outcome = np.empty(probability.shape, bool)
    risk = np.where(season.counts, causes.hazard(course.leaving), 0)
    probability[:, 0] = 1 - np.prod(1 - risk, axis=1)
    outcome[:, 0] = _left_in(season, course) < NEVER
    mean, spread = causes.expected_absence(world, course.absence, luck.days)
    probability[:, 1] = 1 - causes.below(CHRONIC, mean / luck.total, np.sqrt(spread) / luck.total)
    days = mean + luck.absence * np.sqrt(spread)
    outcome[:, 1] = days >= CHRONIC * luck.total
    marks, sizes = _core_marks(world, season, course, marked)
    fails = np.where(marked.decided[:, :CORE], causes.below(world.coursework.pass_mark, marks, sizes), 0)
    probability[:, 2] = 1 - np.prod(1 - fails, axis=(1, 2))
    decided, came = marked.decided[:, :CORE], marks + luck.marks * sizes
    outcome[:, 2] = ((came < world.coursework.pass_mark - 1e-6) & decided).any(axis=(1, 2))
    count = decided.sum(axis=(1, 2))
    mark = np.where(count > 0, np.where(decided, came, 0).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)
    return Seen(probability, outcome, mean, days, fails.sum(axis=(1, 2)), mark)


def _core_marks(world: World, season: Season, course: Course, marked: Marked) -> tuple[Real, Real]:
    """Return mean and spread of core marks by student, course and period, had the year gone like ``course``."""
    months = [np.unique(season.year.month[season.year.period == period]).tolist() for period in range(4)]
    learned = course.learning - season.course.learning
    work, more = (np.stack([sum(of[:, month] for month in each) / np.float32(len(each)) for each in months], axis=1)
                  for of in (course.work, learned))  # fmt: skip
    # One more of mastery's log-odds moves a score by (1 - floor) p (1 - p), where floor + (1 - floor) p is the score.
    free = 1 - causes.FLOOR
    share = np.clip((marked.score[:, :CORE] - causes.FLOOR) / free, 0.02, 0.98)
    score = np.clip(marked.score[:, :CORE] + free * share * (1 - share) * more[:, None, :], 0, 1)
    return causes.expected_mark(world, np.broadcast_to(work[:, None, :], score.shape), score, 6)

"""Coursework: what is handed in, what it is marked, which skills it shows, and the marks and outcomes of each period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from homeroom.simulate import causes
from homeroom.simulate.curriculum import (
    CORE,
    GRADES,
    NEW,
    PER_PERIOD,
    PER_SEMESTER,
    PER_YEAR,
    PRIMARY,
    SECOND,
    SKILL_AT,
    SKILLS,
    TAKEN,
    WORK,
    course_skills,
)
from homeroom.simulate.days import Missed, Names
from homeroom.simulate.layout import Draws, Sections, Zone
from homeroom.simulate.parts import Maybe, Rows, Text
from homeroom.simulate.seasons import Season, State
from homeroom.simulate.students import Real, Students, Whole, Yes, logistic
from homeroom.simulate.world import World
from homeroom.simulate.years import MONTHS, Year, number

STATUSES = ("graded", "exempt", "not_submitted")
RESULTS = ("pass", "fail", "incomplete")
LETTERS = ("F", "D-", "D", "D+", "C-", "C", "C+", "B-", "B", "B+", "A-", "A")
CUTS = np.array([0.6, 0.63, 0.67, 0.7, 0.73, 0.77, 0.8, 0.83, 0.87, 0.9, 0.93])
#: Days after a grading period's end on which its marks are decided.
DECIDED = 5
#: Classes differ in the day on which work is due by up to this many days.
STAGGER = 4

#: How much a student's handing in differs between courses, in log-odds.
HABIT = np.float32(0.35)

_KIND = np.tile(np.arange(PER_SEMESTER), 2)
_EXAM = np.array([kind == "exam" for kind, *_ in WORK] * 2)
_AT_SCHOOL = np.array([kind in {"exam", "quiz"} for kind, *_ in WORK] * 2)
_WEIGHT = np.array([weight for _, weight, *_ in WORK] * 2, dtype=np.float32)
_BEST = np.array([best for _, _, best, *_ in WORK] * 2, dtype=np.float32)
_SOONEST = np.array([least for *_, least, _ in WORK] * 2, dtype=np.int32)
_LATEST = np.array([most for *_, most in WORK] * 2, dtype=np.float32)
_SEMESTER = np.repeat([0, 1], PER_SEMESTER)
_PERIOD = np.repeat(np.arange(4), PER_PERIOD)

#: The skills of a core course, by subject and grade.
COURSE_SKILLS = np.array([[course_skills(subject, grade) for grade in GRADES] for subject in range(CORE)])


@dataclass(frozen=True, eq=False)
class Classes:
    """Which classes the students of a year sit in, and what is peculiar to a class.

    ``section``: number of the class by student, course and semester. ``course``: which course each of the six is.
    """

    section: Whole
    course: Whole


@dataclass(frozen=True, eq=False)
class Marked:
    """What a year's work came to.

    ``marks``: by student, course and grading period (none where there was none to give); ``expected`` and ``spread`` say
    what they were expected to be. ``score``: the expected share of a score by student, course and period.
    """

    marks: Real
    decided: Yes
    expected: Real
    spread: Real
    score: Real

    def core_means(self) -> Real:
        """Return the mean mark of the year by student and core course; .75 where there is none yet."""
        given = self.decided[:, :CORE]
        total = np.where(given, self.marks[:, :CORE], 0).sum(axis=2)
        count = given.sum(axis=2)
        return np.where(count > 0, total / np.maximum(count, 1), 0.75)


def classes(season: Season, sections: Sections, students: Students, draws: Draws) -> Classes:
    """Seat every student: the same class all year, unless the student changes school."""
    rng = draws("classes", season.at)
    count = len(students)
    lots = rng.random((count, TAKEN))[season.who]
    pair = rng.integers(0, 6, count)[season.who]
    chosen = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])[pair] + CORE
    course = np.concatenate([np.tile(np.arange(CORE), (len(season), 1)), chosen], axis=1)
    ends = np.append(sections.base.ravel()[1:], len(sections)).reshape(sections.base.shape)
    found = np.empty((len(season), TAKEN, 2), np.int32)
    for semester in range(2):
        at = (season.at, semester, season.school[:, semester][:, None], season.grade[:, None], course)
        base = sections.base[at]
        found[:, :, semester] = base + (lots * (ends[at] - base)).astype(np.int64)
    return Classes(found, course)


def due_days(year: Year) -> npt.NDArray[np.int32]:
    """Return at which instructional day each piece of a year is due, by the class's stagger."""
    found = np.empty((PER_YEAR, STAGGER), np.int32)
    for period in range(4):
        days = np.flatnonzero(year.period == period)
        spaced = np.linspace(0, len(days) - 1 - STAGGER, PER_PERIOD + 1)[1:].astype(int)
        for stagger in range(STAGGER):
            found[period * PER_PERIOD : (period + 1) * PER_PERIOD, stagger] = days[spaced + stagger]
    return found


def taught(world: World, place: Zone, season: Season, students: Students, seated: Classes, lost: Missed, state: State,
           names: Names, rows: Rows, draws: Draws, through: int, watched: Yes) -> Marked:  # fmt: skip
    """Let a year's work be set, done and marked, write it down, and let the students learn by it.

    Args:
        world: what is true.
        place: the zone.
        season: the year.
        students: everybody of the zone.
        seated: who sits where.
        lost: what was missed of each day.
        state: mastery is changed by what is learned.
        names: the texts of keys.
        rows: where rows go.
        draws: random numbers by purpose.
        through: the last day anything is known of.
        watched: of which students of the zone the truth behind each evidence is kept.

    """
    rng = draws("work", season.at)
    year, told, n = season.year, world.coursework, len(season)
    section = seated.section
    shape = (n, TAKEN, PER_YEAR)
    of_semester = section[:, :, _SEMESTER]
    due = due_days(year)[np.arange(PER_YEAR), of_semester % STAGGER]
    rows_of = np.arange(n)[:, None, None]
    flat = rows_of * len(year.days) + due
    by_month = rows_of * MONTHS + year.month[due]
    asked = np.take(season.present, flat) & (due >= season.enters[:, None, None] + 2)
    away = np.take(lost.share, flat) > 0.5
    odds = np.take(season.course.work, by_month)
    habit = draws("course habit", season.at).standard_normal((len(students), TAKEN, 1), dtype=np.float32)[season.who]
    odds = odds + HABIT * habit
    odds = np.where(_AT_SCHOOL, odds + np.float32(1.2), odds - np.float32(0.15)) + np.float32(told.absent) * away
    spared = told.exempt * (1 + 2 * students.disability[season.who])
    exempt = asked & (rng.random(shape, dtype=np.float32) < spared[:, None, None])
    handed = asked & ~exempt & (rng.random(shape, dtype=np.float32) < logistic(odds))

    quality = np.repeat(causes.general_ability(season.before)[:, None, None], TAKEN, axis=1).repeat(PER_YEAR, axis=2)
    mastery, halfway = _learn(world, season, lost, state, handed, draws)
    quality[:, :CORE] = mastery
    first = causes.score_of(quality)
    second = first.copy()
    has_second = np.broadcast_to(SECOND >= 0, shape).copy()
    has_second[:, CORE:] = False
    for at in np.flatnonzero(SECOND >= 0):
        second[:, :CORE, at] = causes.score_of(halfway[:, :, SECOND[at]])
    has_second &= ~((season.grade == 0)[:, None, None] & ((SECOND == NEW) | (PRIMARY == NEW)))
    severity = np.float32(told.severity) * draws("severity").standard_normal(1 << 10, dtype=np.float32)
    bias = np.array([world.bias.marks.get(place.place(one), 0.0) for one in range(place.schools)], np.float32)
    by_class, by_school = severity[section % (1 << 10)][:, :, _SEMESTER], bias[season.school][:, _SEMESTER][:, None, :]
    shift = by_class + by_school + np.take(season.course.marks, by_month)
    noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(told.noise)
    clean = np.where(has_second, (first + second) / 2, first)
    share = np.clip(clean + shift + noise, 0, 1)
    share = np.round(share * _BEST) / _BEST

    dice = rng.random((3, *shape), dtype=np.float32)
    due_on = year.days[due]
    late = handed & (dice[0] < told.late * np.exp(0.4 * np.take(season.course.strain, by_month))) & ~_EXAM
    early = np.where(_AT_SCHOOL, np.int32(0), -(dice[1] * 3).astype(np.int32))
    delay = np.where(late, 1 + (dice[1] * 9).astype(np.int32), early)
    delay = np.where(away & _AT_SCHOOL, 2 + (dice[1] * 5).astype(np.int32), delay)  # made up after coming back
    handed_on = np.maximum(due_on + delay, year.days[0])
    takes = _SOONEST + (dice[2] * (_LATEST - _SOONEST.astype(np.float32) + 1)).astype(np.int32)
    marked_on = np.maximum(handed_on, due_on * ~_AT_SCHOOL) + takes

    piece = of_semester * np.int32(PER_SEMESTER) + _KIND.astype(np.int32)
    _write_work(place, season, asked, exempt, handed, handed_on, marked_on, due_on, share, piece, names, rows, through)
    _write_skills(world, season, handed, handed_on, marked_on, first, second, shift, noise, has_second, of_semester, piece,
                  names, rows, draws, through, watched)  # fmt: skip
    return _mark(world, season, asked & ~exempt, handed, share, odds, clean + shift, section, names, rows, through, draws)


def _learn(world: World, season: Season, lost: Missed, state: State, handed: Yes, draws: Draws) -> tuple[Real, Real]:
    """Return mastery behind each piece of the core courses, and of each course's four skills at its middle.

    A skill starts from ability and what comes before it, and grows with each piece that is handed in.
    """
    told, n = world.learning, len(season)
    prerequisites = [[SKILL_AT[before] for skill, before in told.prerequisites if SKILL_AT[skill] == at]
                     for at in range(len(SKILLS))]  # fmt: skip
    skills = COURSE_SKILLS[:, season.grade].transpose(1, 0, 2)  # student, subject, slot
    usual = told.start + 7 * told.practice
    noise = draws("new skills", season.at).standard_normal((len(state.grade), CORE, NEW), dtype=np.float32)[season.who]
    mine = state.mastery[season.who]
    rows_of = np.arange(n)
    for grade in np.unique(season.grade):
        those = rows_of[season.grade == grade]
        for subject in range(CORE):
            ability = season.before.ability[those, subject]
            for slot in range(NEW):
                skill = COURSE_SKILLS[subject, grade, slot]
                rests = prerequisites[skill]
                lift = (mine[np.ix_(those, rests)].mean(axis=1) - usual) if rests else np.zeros(len(those), np.float32)
                mine[those, skill] = (told.start + told.ability * ability + told.prerequisite * lift
                                      + told.own * noise[those, subject, slot])  # fmt: skip
    start = np.take_along_axis(mine[:, None, :].repeat(CORE, axis=1), skills, axis=2)
    rate = lost.share.sum(axis=1) / np.maximum(season.present.sum(axis=1), 1)
    step = told.practice * np.exp(0.25 * season.before.ability) * np.exp(told.absence * rate)[:, None]
    help_ = season.course.learning
    by_piece = np.linspace(0, help_.shape[1] - 1, PER_YEAR).astype(int)
    found = np.empty((n, CORE, PER_YEAR), np.float32)
    final = np.empty((n, CORE, NEW + 1), np.float32)
    for slot in range(NEW + 1):
        at = np.flatnonzero(slot == PRIMARY)
        done = np.cumsum(handed[:, :CORE][:, :, at], axis=2)
        before = done - handed[:, :CORE][:, :, at]
        found[:, :, at] = start[:, :, slot, None] + step[:, :, None] * before + help_[:, by_piece[at]][:, None, :]
        final[:, :, slot] = start[:, :, slot] + step * done[:, :, -1] + help_[:, -1][:, None]
    for slot in range(NEW):
        np.put_along_axis(mine, skills[:, :, slot], final[:, :, slot], axis=1)
    state.mastery[season.who] = mine
    return found, (start + final) / 2


def _write_work(place: Zone, season: Season, asked: Yes, exempt: Yes, handed: Yes, handed_on: Whole, marked_on: Whole,
                due_on: Whole, share: Real, piece: Whole, names: Names, rows: Rows, through: int) -> None:  # fmt: skip
    flat = np.flatnonzero(handed & (handed_on <= through))
    base = _base(season, flat, piece, names)
    rows.add("submissions", {**base, "submitted_on": handed_on.ravel()[flat]})
    # Schools that record every day also write down that work never came.
    absent = asked & ~handed & ~exempt & place.positive[season.school][:, _SEMESTER][:, None, :]
    status = np.where(handed, 0, np.where(exempt, 1, 2))
    on = np.where(handed, marked_on, np.where(exempt, due_on, due_on + 10))
    flat = np.flatnonzero((handed | exempt | absent) & (on <= through))
    graded = handed.ravel()[flat]
    best = np.broadcast_to(_BEST, asked.shape).ravel()[flat]
    rows.add("results", {
        **_base(season, flat, piece, names),
        "status": Text(status.ravel()[flat], STATUSES),
        "score": Maybe(np.round(share.ravel()[flat] * best).astype(np.float64), ~graded),
        "marked_on": on.ravel()[flat],
    })  # fmt: skip


def _base(season: Season, flat: Whole, piece: Whole, names: Names) -> dict[str, Text]:
    """Return the keys of pieces of work, given as places in the array of student, course and piece."""
    i, at = flat // (TAKEN * PER_YEAR), flat % PER_YEAR
    return {
        "student_id": Text(season.who[i], names.students),
        "enrolment_id": Text(season.stay[i, _SEMESTER[at]], names.stays),
        "assignment_id": Text(piece.ravel()[flat], names.work),
    }


def _write_skills(world: World, season: Season, handed: Yes, handed_on: Whole, marked_on: Whole, first: Real, second: Real,
                  shift: Real, noise: Real, has_second: Yes, section: Whole, piece: Whole, names: Names, rows: Rows,
                  draws: Draws, through: int, watched: Yes) -> None:  # fmt: skip
    rng = draws("evidence", season.at)
    skills = COURSE_SKILLS[:, season.grade].transpose(1, 0, 2)
    core = np.zeros((1, TAKEN, 1), bool)
    core[:, :CORE] = True
    spread = world.coursework.noise
    keys = [skill.key for skill in SKILLS]
    for mean, slots, there in ((first, PRIMARY, handed & core), (second, SECOND, handed & has_second)):
        flat = np.flatnonzero(there & (marked_on <= through))
        i, rest = np.divmod(flat, TAKEN * PER_YEAR)
        course, at = np.divmod(rest, PER_YEAR)
        both = has_second.ravel()[flat]
        expected = mean.ravel()[flat] + shift.ravel()[flat]
        # A piece about one skill shows that skill; of two, each is read off with some error of its own.
        own = rng.standard_normal(len(flat), dtype=np.float32) * np.float32(spread)
        score = np.clip(expected + np.where(both, own, noise.ravel()[flat]), 0, 1)
        best = np.where(both, 20, _BEST[at])
        columns = {
            "student_id": Text(season.who[i], names.students),
            "enrolment_id": Text(season.stay[i, _SEMESTER[at]], names.stays),
            "section_id": Text(section.ravel()[flat], names.sections),
            "skill_id": Text(skills[i, course, slots[at]], keys),
            "evidence_id": Text(piece.ravel()[flat], names.work),
        }
        rows.add("skill_results", {
            **columns,
            "occurred_on": handed_on.ravel()[flat],
            "score_share": np.round(score * best) / best,
            "known_on": marked_on.ravel()[flat],
        })  # fmt: skip
        kept = np.flatnonzero(watched[season.who[i]])
        # Scores are rounded to whole points: below .8 means below the middle between .8 and the next point down.
        probability = causes.below(0.8 - 0.5 / best[kept], expected[kept], spread)
        rows.add("truth/evidence", {
            **{name: Text(column.codes[kept], column.words) for name, column in columns.items()},
            "probability_below": probability,
        })  # fmt: skip


def _mark(world: World, season: Season, counted: Yes, handed: Yes, share: Real, odds: Real, clean: Real, section: Whole,
          names: Names, rows: Rows, through: int, draws: Draws) -> Marked:  # fmt: skip
    """Give report-card marks, write down marks and outcomes, and return them with what was to be expected."""
    told, year, n = world.coursework, season.year, len(season)
    by_period = (n, TAKEN, 4, PER_PERIOD)
    weight = np.where(counted, _WEIGHT, np.float32(0)).reshape(by_period)
    worth = np.where(handed, share, np.float32(told.missing_counts)).reshape(by_period)
    total = weight.sum(axis=3)
    safe = np.maximum(total, 1)
    marks = np.round((weight * worth).sum(axis=3) / safe, 3)
    likely = logistic(odds).reshape(by_period)
    score = np.clip(clean, 0, 1).reshape(by_period)
    mean = (weight * (likely * score + (1 - likely) * told.missing_counts)).sum(axis=3) / safe
    variance = likely * (1 - likely) * (score - told.missing_counts) ** 2 + likely * told.noise**2
    spread = np.sqrt((weight**2 * variance).sum(axis=3)) / safe + 1e-4
    ends = np.array([number(last) for _, last in year.periods])
    last_day = np.searchsorted(year.days, ends, side="right")  # instructional days up to the period's end
    decided = (total > _WEIGHT[:2].sum()) & (season.leaves[:, None, None] >= last_day)
    on = np.broadcast_to(ends + DECIDED, marks.shape)
    flat = np.flatnonzero(decided & (on <= through))
    i, rest = np.divmod(flat, TAKEN * 4)
    course, period = np.divmod(rest, 4)
    semester = period // 2
    incomplete = draws("incomplete", season.at).random(len(flat)) < 0.004
    got = marks.ravel()[flat]
    passed = got >= told.pass_mark
    base = {
        "student_id": Text(season.who[i], names.students),
        "enrolment_id": Text(season.stay[i, semester], names.stays),
        "section_id": Text(section[i, course, semester], names.sections),
        "term_id": Text(period, [f"{year.key}-Q{at + 1}" for at in range(4)]),
    }
    days = on.ravel()[flat]
    rows.add("course_marks", {
        **base,
        "mark_share": Maybe(got.astype(np.float64), incomplete),
        "letter": Text(np.where(incomplete, -1, np.searchsorted(CUTS, got, side="right")), LETTERS),
        "credits_tried": np.full(len(flat), 0.25),
        "credits_earned": np.where(passed & ~incomplete, 0.25, 0.0),
        "decided_on": days,
    })  # fmt: skip
    rows.add("outcomes", {
        **base,
        "result": Text(np.where(incomplete, 2, np.where(passed, 0, 1)), RESULTS),
        "decided_on": days,
    })  # fmt: skip
    return Marked(marks, decided, mean, spread, score.mean(axis=3))

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
from homeroom.simulate.layout import MIDDLE_GRADES, Draws, Sections, Zone
from homeroom.simulate.parts import Maybe, Rows, Text
from homeroom.simulate.seasons import Season, State
from homeroom.simulate.students import Real, Students, Whole, Yes, logistic
from homeroom.simulate.world import World
from homeroom.simulate.years import MONTHS, Year, number

STATUSES = ("graded", "exempt", "not_submitted")
RESULTS = ("pass", "fail", "incomplete")
LETTERS = ("F", "D-", "D", "D+", "C-", "C", "C+", "B-", "B", "B+", "A-", "A")
CUTS = np.array([0.6, 0.63, 0.67, 0.7, 0.73, 0.77, 0.8, 0.83, 0.87, 0.9, 0.93])
#: What one semester of a class of high school brings who passes it: a whole credit for the year.
CREDIT = 0.5
#: Days after a grading period's end on which its marks are decided.
DECIDED = 5
#: Classes differ in the day on which work is due by up to this many days.
STAGGER = 4

#: How much a student's handing in differs between courses, in log-odds.
HABIT = np.float32(0.35)

_KIND = np.tile(np.arange(PER_SEMESTER, dtype=np.int32), 2)
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


def _due(year: Year, section: Whole) -> tuple[Whole, Whole]:
    """Return by student, course and piece of the year the instructional day on which it is due, and the day's month."""
    days = due_days(year)
    at = np.repeat(section % STAGGER, PER_SEMESTER, axis=2) + np.arange(PER_YEAR) * STAGGER
    return np.take(days, at), np.take(year.month[days], at)


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
    of_semester = np.repeat(section, PER_SEMESTER, axis=2)
    due, month = _due(year, section)
    flat = np.arange(n)[:, None, None] * len(year.days) + due
    by_month = np.arange(n)[:, None, None] * MONTHS + month
    asked = np.take(season.present, flat) & (due >= season.enters[:, None, None] + 2)
    away = np.take(lost.share, flat) > 0.5
    odds = np.take(season.course.work, by_month)
    habit = draws("course habit", season.at).standard_normal((len(students), TAKEN, 1), dtype=np.float32)[season.who]
    odds = odds + HABIT * habit
    likely = logistic(odds + np.where(_AT_SCHOOL, np.float32(1.2), np.float32(-0.15)) + np.float32(told.absent) * away)
    spared = told.exempt * (1 + 2 * students.disability[season.who])
    exempt = asked & (rng.random(shape, dtype=np.float32) < spared[:, None, None].astype(np.float32))
    handed = asked & ~exempt & (rng.random(shape, dtype=np.float32) < likely)

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
    shift = np.repeat(severity[section % (1 << 10)] + bias[season.school][:, None, :], PER_SEMESTER, axis=2)
    if season.course.marks.any():
        shift += np.take(season.course.marks, by_month)
    noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(told.noise)
    clean = np.where(has_second, (first + second) / 2, first)
    share = np.clip(clean + shift + noise, 0, 1)
    share = np.round(share * _BEST) / _BEST

    dice = rng.random((3, *shape), dtype=np.float32)
    due_on = year.days[due]
    late = handed & (dice[0] < np.take(told.late * np.exp(0.4 * season.course.strain), by_month)) & ~_EXAM
    early = np.where(_AT_SCHOOL, np.int32(0), -(dice[1] * 3).astype(np.int32))
    delay = np.where(late, 1 + (dice[1] * 9).astype(np.int32), early)
    delay = np.where(away & _AT_SCHOOL, 2 + (dice[1] * 5).astype(np.int32), delay)  # made up after coming back
    handed_on = np.maximum(due_on + delay, year.days[0])
    takes = _SOONEST + (dice[2] * (_LATEST - _SOONEST.astype(np.float32) + 1)).astype(np.int32)
    marked_on = np.maximum(handed_on, due_on * ~_AT_SCHOOL) + takes

    piece = of_semester * np.int32(PER_SEMESTER) + _KIND
    expected = clean + shift
    written, told_as, shift = _as_written(world, students, season, handed, share, shift, draws)
    _write_work(place, season, asked, exempt, written, handed_on, marked_on, due_on, told_as, piece, names, rows, through)
    _write_skills(world, season, handed, written, handed_on, marked_on, first, second, shift, noise, has_second, of_semester,
                  piece, names, rows, draws, through, watched)  # fmt: skip
    return _mark(world, season, asked & ~exempt, handed, share, likely, expected, section, names, rows, through, draws)


def _learn(world: World, season: Season, lost: Missed, state: State, handed: Yes, draws: Draws) -> tuple[Real, Real]:
    """Return mastery behind each piece of the core courses, and of each course's four skills at its middle.

    A skill starts from ability and what comes before it, and grows with each piece that is handed in.
    """
    told, n = world.learning, len(season)
    prerequisites: list[list[int]] = [[] for _ in SKILLS]
    for after, before in told.prerequisites:
        prerequisites[SKILL_AT[after]].append(SKILL_AT[before])
    skills = COURSE_SKILLS[:, season.grade].transpose(1, 0, 2)  # student, subject, slot
    usual = told.start + 7 * told.practice
    noise = draws("new skills", season.at).standard_normal((len(state.grade), CORE, NEW), dtype=np.float32)[season.who]
    mine = np.ascontiguousarray(state.mastery[season.who].T)  # skill, student
    rows_of = np.arange(n)
    for grade in np.unique(season.grade):
        those = rows_of[season.grade == grade]
        for subject in range(CORE):
            ability = season.before.ability[those, subject]
            for slot in range(NEW):
                skill = COURSE_SKILLS[subject, grade, slot]
                rests = prerequisites[skill]
                lift = sum(mine[one, those] for one in rests) / len(rests) - usual if rests else 0.0
                mine[skill, those] = (told.start + told.ability * ability + told.prerequisite * lift
                                      + told.own * noise[those, subject, slot])  # fmt: skip
    start = mine[skills, rows_of[:, None, None]]
    rate = lost.share.sum(axis=1) / np.maximum(season.present.sum(axis=1), 1)
    step = told.practice * np.exp(0.25 * season.before.ability) * np.exp(told.absence * rate)[:, None]
    help_ = season.course.learning
    by_piece = np.linspace(0, help_.shape[1] - 1, PER_YEAR).astype(int)
    found = np.empty((n, CORE, PER_YEAR), np.float32)
    final = np.empty((n, CORE, NEW + 1), np.float32)
    for slot in range(NEW + 1):
        grown = start[:, :, slot].copy()
        for at in np.flatnonzero(slot == PRIMARY):
            found[:, :, at] = grown + help_[:, by_piece[at], None]
            grown += step * handed[:, :CORE, at]
        final[:, :, slot] = grown + help_[:, -1][:, None]
    mine[skills[:, :, :NEW], rows_of[:, None, None]] = final[:, :, :NEW]
    state.mastery[season.who] = mine.T
    return found, (start + final) / 2


def _as_written(world: World, students: Students, season: Season, handed: Yes, share: Real, shift: Real,
                draws: Draws) -> tuple[Yes, Real, Real]:  # fmt: skip
    """Return which work is written down as handed in, with what score, and by how much that is shifted.

    Of a group in which a bias is planted it may be less work, and another score.
    """
    bias = world.bias
    lost, added = (np.array([of.get(name, 0.0) for name in world.groups], np.float32)[students.group[season.who]][:, None, None]
                   for of in (bias.lost_work, bias.written_marks))  # fmt: skip
    if bias.lost_work:
        handed = handed & (draws("lost work", season.at).random(handed.shape, dtype=np.float32) >= lost)
    if not bias.written_marks:
        return handed, share, shift
    return handed, np.clip(share + added, 0, 1), shift + added


def _write_work(place: Zone, season: Season, asked: Yes, exempt: Yes, handed: Yes, handed_on: Whole, marked_on: Whole,
                due_on: Whole, share: Real, piece: Whole, names: Names, rows: Rows, through: int) -> None:  # fmt: skip
    flat = np.flatnonzero(handed & (handed_on <= through))
    base = _base(season, flat, piece, names)
    rows.add("submissions", {**base, "submitted_on": handed_on.ravel()[flat]})
    # Schools that record every day also write down that work never came.
    absent = asked & ~handed & ~exempt & place.positive[season.school][:, _SEMESTER][:, None, :]
    status = np.where(handed, np.int8(0), np.where(exempt, np.int8(1), np.int8(2)))
    on = np.where(handed, marked_on, np.where(exempt, due_on, due_on + 10))
    flat = np.flatnonzero((handed | exempt | absent) & (on <= through))
    graded = handed.ravel()[flat]
    best = np.take(_BEST, flat % PER_YEAR)
    rows.add("results", {
        **_base(season, flat, piece, names),
        "status": Text(status.ravel()[flat], STATUSES),
        "score": Maybe(np.round(share.ravel()[flat] * best).astype(np.float64), ~graded),
        "marked_on": on.ravel()[flat],
    })  # fmt: skip


def _base(season: Season, flat: Whole, piece: Whole, names: Names) -> dict[str, Text]:
    """Return the keys of pieces of work, given as places in the array of student, course and piece."""
    half = flat // PER_SEMESTER  # student, course and semester
    i = half // (2 * TAKEN)
    return {
        "student_id": Text(season.who[i], names.students),
        "enrolment_id": Text(np.take(season.stay, 2 * i + half % 2), names.stays),
        "assignment_id": Text(np.take(piece, flat), names.work),
    }


def _write_skills(world: World, season: Season, handed: Yes, written: Yes, handed_on: Whole, marked_on: Whole, first: Real,
                  second: Real, shift: Real, noise: Real, has_second: Yes, section: Whole, piece: Whole, names: Names,
                  rows: Rows, draws: Draws, through: int, watched: Yes) -> None:  # fmt: skip
    rng = draws("evidence", season.at)
    skills = np.ascontiguousarray(COURSE_SKILLS[:, season.grade].transpose(1, 0, 2), np.int32)
    core = np.zeros((1, TAKEN, 1), bool)
    core[:, :CORE] = True
    spread = world.coursework.noise
    keys = [skill.key for skill in SKILLS]
    for mean, slots, there in ((first, PRIMARY, handed & core), (second, SECOND, handed & has_second)):
        flat = np.flatnonzero(there & (marked_on <= through))
        both = np.take(has_second, flat)
        # A piece about one skill shows that skill; of two, each is read off with some error of its own.
        error = np.take(noise, flat)
        error[both] = rng.standard_normal(int(both.sum()), dtype=np.float32) * np.float32(spread)
        if written is not handed:  # lost after the draw, so that nobody else's luck is another for it
            left = np.take(written, flat)
            flat, both, error = flat[left], both[left], error[left]
        a_class = flat // PER_YEAR
        at = flat - a_class * PER_YEAR
        i = a_class // TAKEN
        expected = np.take(mean, flat) + np.take(shift, flat)
        score = np.clip(expected + error, 0, 1)
        best = np.where(both, np.float32(20), _BEST[at])
        skill = np.take(skills, (i * CORE + (a_class - i * TAKEN)) * (NEW + 1) + slots[at])
        columns = {
            "student_id": Text(season.who[i], names.students),
            "enrolment_id": Text(np.take(season.stay, 2 * i + (at >= PER_SEMESTER)), names.stays),
            "section_id": Text(np.take(section, flat), names.sections),
            "skill_id": Text(skill, keys),
            "evidence_id": Text(np.take(piece, flat), names.work),
        }
        rows.add("skill_results", {
            **columns,
            "occurred_on": np.take(handed_on, flat),
            "score_share": np.round(score * best) / best,
            "known_on": np.take(marked_on, flat),
        })  # fmt: skip
        kept = np.flatnonzero(watched[season.who[i]])
        # Scores are rounded to whole points: below .8 means below the middle between .8 and the next point down.
        probability = causes.below(0.8 - 0.5 / best[kept], expected[kept], spread)
        rows.add("truth/evidence", {
            **{name: Text(column.codes[kept], column.words) for name, column in columns.items()},
            "probability_below": probability,
        })  # fmt: skip


def _mark(world: World, season: Season, counted: Yes, handed: Yes, share: Real, likely: Real, clean: Real, section: Whole,
          names: Names, rows: Rows, through: int, draws: Draws) -> Marked:  # fmt: skip
    """Give report-card marks, write down marks and outcomes, and return them with what was to be expected."""
    told, year, n = world.coursework, season.year, len(season)
    by_period = (n, TAKEN, 4, PER_PERIOD)
    weight = np.where(counted, _WEIGHT, np.float32(0)).reshape(by_period)
    worth = np.where(handed, share, np.float32(told.missing_counts)).reshape(by_period)
    total = _summed(weight)
    safe = np.maximum(total, 1)
    marks = np.round(_summed(weight * worth) / safe, 3)
    likely = likely.reshape(by_period)
    score = np.clip(clean, 0, 1).reshape(by_period)
    mean = _summed(weight * (likely * score + (1 - likely) * told.missing_counts)) / safe
    variance = likely * (1 - likely) * (score - told.missing_counts) ** 2 + likely * told.noise**2
    spread = np.sqrt(_summed(weight**2 * variance)) / safe + 1e-4
    ends = np.array([number(last) for _, last in year.periods])
    last_day = np.searchsorted(year.days, ends, side="right")  # instructional days up to the period's end
    decided = (total > _WEIGHT[:2].sum()) & (season.leaves[:, None, None] >= last_day)
    on = np.broadcast_to(ends + DECIDED, marks.shape)
    flat = np.flatnonzero(decided & (on <= through))
    a_class = flat // 4
    period = flat - a_class * 4
    i = a_class // TAKEN
    course = a_class - i * TAKEN
    semester = period // 2
    incomplete = draws("incomplete", season.at).random(len(flat)) < 0.004
    got = marks.ravel()[flat]
    passed = got >= told.pass_mark
    # In high school half a credit comes with each semester that passes; what is written down before says nothing of it.
    whole = decided.reshape(n, TAKEN, 2, 2)
    means = np.where(whole, marks.reshape(n, TAKEN, 2, 2), 0).sum(axis=3) / np.maximum(whole.sum(axis=3), 1)
    credited = (period % 2 == 1) & (season.grade >= len(MIDDLE_GRADES))[i]
    earned = (means[i, course, semester] >= told.pass_mark) & ~incomplete
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
        "credits_tried": Maybe(np.full(len(flat), CREDIT), ~credited),
        "credits_earned": Maybe(np.where(earned, CREDIT, 0.0), ~credited),
        "decided_on": days,
    })  # fmt: skip
    rows.add("outcomes", {
        **base,
        "result": Text(np.where(incomplete, 2, np.where(passed, 0, 1)), RESULTS),
        "decided_on": days,
    })  # fmt: skip
    return Marked(marks, decided, mean, spread, _summed(score) / PER_PERIOD)


def _summed(by_piece: Real) -> Real:
    """Return the sums over the last axis, which is a grading period's pieces: numpy is slow where an axis is short."""
    return np.asarray(sum(by_piece[..., at] for at in range(PER_PERIOD)))

"""One school year of a zone: who is there, what happens to them month by month, who gets help, and who leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from homeroom.simulate import causes
from homeroom.simulate.causes import Before, Course
from homeroom.simulate.curriculum import GRADES
from homeroom.simulate.layout import MIDDLE_GRADES, Draws, Zone
from homeroom.simulate.students import Real, Students, Whole, Yes, first_mastery
from homeroom.simulate.world import CAUSES, World
from homeroom.simulate.years import MONTHS, Year

#: Months in which supports are given out: October and February.
ROUNDS = (1, 5)

NEVER = MONTHS

#: Share of those who left for good that is back a year later.
COMES_BACK = 0.06

#: How far strain swings in a year in which a planted cause is to be the only one.
CALM_SWING = np.float32(0.3)

EXITS = ("dropout", "withdrawn", "unknown", "expelled", "transferred", "no_show", "completed")
ENTRIES = ("new", "next_year", "re_entry", "transfer")


class State:
    """What a zone's students carry from one school year into the next."""

    def __init__(self, world: World, students: Students, draws: Draws) -> None:
        count = len(students)
        self.grade = students.grade.copy()
        self.here = np.zeros(count, bool)
        self.gone = np.zeros(count, bool)
        self.left = np.zeros(count, bool)
        self.vanished = np.zeros(count, bool)
        self.strain = students.strain_level + draws("first strain").standard_normal(count, dtype=np.float32)
        self.repeats = np.zeros(count, bool)
        self.over_age = draws("over age").random(count) < 0.06
        self.failed = np.zeros(count, np.float32)
        self.mastery = first_mastery(world, students, draws)
        self.planted_once = np.zeros(count, bool)
        self.haunted = np.zeros(count, bool)
        self.no_device = students.no_device.copy()
        self.no_internet = students.no_internet.copy()


@dataclass(frozen=True, eq=False)
class Given:
    """One support as it was given in a year: for each student the month it begins, ``NEVER`` for who did not get it."""

    begins: Whole
    sizes: Real


@dataclass(frozen=True, eq=False)
class Season:
    """One school year of a zone.

    ``who``: places of its students among the zone's. ``school``: by student and semester. ``enters`` and ``leaves``: the
    first instructional day, and the first that is no longer theirs. ``moves``: changes school within the zone between
    the semesters. ``exit``: how the stay ends early, as a place in ``EXITS`` (-1: it does not). ``present``: by
    student and instructional day; ``elsewhere``: of these days those taught at home or in hospital. ``counts``: which
    months are of the stay, by student. ``stay``: the number of the enrolment, by student and semester. ``luck``: what
    decides month by month whether somebody leaves.
    """

    at: int
    year: Year
    who: Whole
    grade: Whole
    school: Whole
    repeats: Yes
    entry: Whole
    enters: Whole
    leaves: Whole
    lag: Whole
    moves: Yes
    exit: Whole
    no_show: Yes
    present: Yes
    elsewhere: Yes
    counts: Yes
    before: Before
    course: Course
    given: Mapping[str, Given]
    luck: Real
    stay: Whole

    def __len__(self) -> int:
        return len(self.who)

    @property
    def at_school(self) -> Yes:
        """The days on which each student is expected at school, or in a class from afar."""
        return self.present & ~self.elsewhere


def begin(world: World, place: Zone, students: Students, state: State, year: Year, at: int, draws: Draws,
          stays: int) -> Season:  # fmt: skip
    """Let one school year happen up to who leaves when.

    Args:
        world: what is true.
        place: the zone.
        students: everybody who is ever there.
        state: what they carry from the year before.
        year: the school year, and ``at`` its number from 0.
        at: see ``year``.
        draws: random numbers by purpose.
        stays: how many enrolments there were before: numbers go on from there.

    """
    rng = draws("who is here", at)
    count = len(students)
    lots = rng.random((count, 2))
    comes = students.comes == at
    back = state.left & (lots[:, 0] < COMES_BACK)
    state.left &= ~back
    who = np.flatnonzero((state.here | comes | back | state.vanished) & ~state.gone).astype(np.int32)
    grade, no_show = state.grade[who], state.vanished[who]
    high = grade >= len(MIDDLE_GRADES)
    school = np.where(high, students.high[who], students.middle[who])
    entry = np.where(comes[who], np.where(students.moved_in[who], 3, 0), np.where(back[who], 2, 1))
    if at == 0:  # who was there before the first year on record simply goes on
        entry = np.where(comes[who] & ~students.moved_in[who] & (grade > 0), 1, entry)
    days = len(year.days)
    enters = np.where(comes[who], (students.enters[who] * days).astype(np.int64), 0)
    entered_in = year.month[np.minimum(enters, days - 1)]
    before = _before(world, students, state, who, enters, no_show, year, at, draws)
    state.haunted[who] = before.planted == CAUSES.index("prior_year_absence")

    # Who gets help is decided by what staff see, which is the course of the year without any.
    seen = causes.course(world, before, {})
    supports = _give(world, place, before, seen, school, entered_in, no_show, at, who, count, draws)
    found = causes.course(world, before, causes.together([
        causes.given(world.supports[name], one.begins, one.sizes) for name, one in supports.items()
    ]))  # fmt: skip
    for name, one in supports.items():
        if world.supports[name].gives_device:
            state.no_device[who[one.begins < NEVER]] = False
        if world.supports[name].gives_internet:
            state.no_internet[who[one.begins < NEVER]] = False

    gone = _departures(world, found, year, enters, entered_in, no_show, count, who, draws, at)
    # A second school of the kind is needed to move within the zone, and who leaves at once has not moved.
    schools = np.where(high, place.highs, place.middles)
    turn = int(np.searchsorted(year.semester, 1))
    moves = ((lots[who, 1] < world.schools.moves_within) & (schools > 1) & (enters < turn) & (gone.leaves > turn + 5)
             & ~no_show)  # fmt: skip
    first = np.where(high, place.middles, 0)
    other = first + (school - first + 1) % schools
    on = np.arange(days)
    present = (on >= enters[:, None]) & (on < gone.leaves[:, None]) & ~no_show[:, None]
    stay = stays + np.arange(len(who))
    second = stays + len(who) + np.cumsum(moves) - 1
    season = Season(
        at, year, who, grade, np.stack([school, np.where(moves, other, school)], axis=1), state.repeats[who], entry, enters,
        gone.leaves, gone.lag, moves, gone.exit, no_show, present,
        present & _elsewhere(world, students, who, enters, days, draws, at), gone.counts, before, found, supports, gone.luck,
        np.stack([stay, np.where(moves, second, stay)], axis=1).astype(np.int32),
    )  # fmt: skip
    state.here[:] = False
    state.vanished[:] = False
    return season


def _elsewhere(world: World, students: Students, who: Whole, enters: Whole, days: int, draws: Draws, at: int) -> Yes:
    """Return on which days somebody with a health plan is taught at home or in hospital: some weeks in a row."""
    lots = draws("taught elsewhere", at).random((len(students), 3))[who]
    chosen = students.health_plan[who] & (lots[:, 0] < world.attendance.elsewhere)
    lasts = 10 + (lots[:, 1] * 31).astype(np.int64)
    begins = np.maximum((lots[:, 2] * (days - lasts)).astype(np.int64), enters + 10)
    on = np.arange(days)
    return chosen[:, None] & (on >= begins[:, None]) & (on < (begins + lasts)[:, None])


def _before(world: World, students: Students, state: State, who: Whole, enters: Whole, no_show: Yes, year: Year, at: int,
            draws: Draws) -> Before:  # fmt: skip
    """Settle what a year's supports do not change; the strain at its end is kept for the next."""
    grade = state.grade[who]
    planted, planted_from = _planted(world, state, who, grade, enters, no_show, year, at, draws)
    calm = ((planted >= 0) | state.haunted[who]) & world.planted.alone
    shocks = draws("strain", at).standard_normal((len(students), MONTHS), dtype=np.float32)[who]
    level = students.strain_level[who]
    path = causes.strain_path(world, state.strain[who], level, shocks)
    quiet = causes.strain_path(world, shocks[:, 0] * 0, level * 0, shocks)
    state.strain[who] = path[:, -1]
    return Before(
        grade, _calmed(students.ability[who], calm[:, None]), _calmed(students.connection[who], calm),
        _calmed(students.health[who], calm), -_calmed(-students.habit_absence[who], calm),
        _calmed(students.habit_work[who], calm), _calmed(students.habit_online[who], calm),
        -_calmed(-students.habit_conduct[who], calm), np.where(calm[:, None], CALM_SWING * quiet - CALM_SWING, path),
        np.where(calm, 0, state.failed[who]).astype(np.float32), state.over_age[who] & ~calm,
        planted, planted_from, state.haunted[who], state.no_device[who], state.no_internet[who],
        np.where(calm, -CALM_SWING, level).astype(np.float32), np.where(calm, CALM_SWING, 1).astype(np.float32),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Gone:
    """Who leaves when and how; see :class:`Season`, which takes all of it."""

    leaves: Whole
    lag: Whole
    exit: Whole
    counts: Yes
    luck: Real


def _departures(world: World, found: Course, year: Year, enters: Whole, entered_in: Whole, no_show: Yes, count: int, who: Whole,
                draws: Draws, at: int) -> _Gone:  # fmt: skip
    """Draw who leaves, month by month; a transfer competes with leaving for good, and hides what would have come."""
    rng = draws("leaving", at)
    luck = rng.random((count, MONTHS), dtype=np.float32)[who]
    moving = rng.random((count, MONTHS), dtype=np.float32)[who]
    drawn = rng.random((count, 3))[who]
    days = len(year.days)
    counts = (np.arange(MONTHS) >= entered_in[:, None]) & ~no_show[:, None]
    left_in = _first(counts & (luck < causes.hazard(found.leaving)))
    # Six in ten of those who move away do so during the year, the others over the summer.
    monthly = 1 - (1 - 0.6 * world.schools.moves_out) ** (1 / MONTHS)
    moved_in = _first(counts & (moving < monthly) & (np.arange(MONTHS) > entered_in[:, None]))
    ends_in = np.minimum(left_in, moved_in)
    begins = year.first_day_of_month()
    start = np.maximum(begins[ends_in], enters + 2)
    room = np.maximum(np.append(begins[1:], days)[ends_in] - start, 1)
    leaves = np.where(ends_in < NEVER, np.minimum(start + (drawn[:, 0] * room).astype(np.int64), days - 1), days)
    leaves = np.where(no_show, 4, leaves)
    conduct = found.conduct[np.arange(len(who)), np.minimum(ends_in, MONTHS - 1)]
    kind = np.select(
        [no_show, ends_in == NEVER, moved_in < left_in, drawn[:, 1] < world.records.exits_unknown,
         conduct > world.conduct.base + 3.2, drawn[:, 1] > 0.75],
        [EXITS.index("no_show"), -1, EXITS.index("transferred"), EXITS.index("unknown"), EXITS.index("expelled"),
         EXITS.index("withdrawn")], EXITS.index("dropout"),
    )  # fmt: skip
    lag = np.where(kind == EXITS.index("transferred"), 0, 2 + (drawn[:, 2] * 19).astype(np.int64))
    return _Gone(leaves, lag, kind, counts, luck)


def _first(happens: Yes) -> Whole:
    """Return the first month in which something happens, ``NEVER`` where it does not."""
    return np.where(happens.any(axis=1), happens.argmax(axis=1), NEVER)


def end(world: World, students: Students, state: State, season: Season, core_marks: Real, draws: Draws) -> Whole:
    """Let a school year end: who graduates, goes up, repeats, or does not come back.

    Args:
        world: what is true.
        students: everybody of the zone.
        state: what they carry on; changed.
        season: the year.
        core_marks: mean mark of the year by student and core course.
        draws: random numbers by purpose.

    Returns:
        for each student of the season 1 where they graduate and 2 where they move away over the summer, else 0.

    """
    who, n = season.who, len(season)
    drawn = draws("summer", season.at).random((len(students), 4))[who]
    stayed = (season.exit < 0) & ~season.no_show
    failed = (core_marks < world.coursework.pass_mark).sum(axis=1)
    weak = core_marks.mean(axis=1) < world.leaving.repeats_below
    leave = world.leaving
    eta = season.course.leaving[:, -1]
    vanishes = stayed & (drawn[:, 0] < 1 - np.exp(-leave.summer * np.exp(eta)))
    moves_away = stayed & ~vanishes & (drawn[:, 1] < world.schools.moves_out * 0.4)
    top = season.grade == len(GRADES) - 1
    repeats = stayed & weak & (drawn[:, 2] < leave.repeats)
    graduates = stayed & top & ~repeats
    moves_away &= ~graduates
    vanishes &= ~graduates
    comes_back = stayed & ~graduates & ~moves_away & ~vanishes
    state.failed[who] = failed
    state.repeats[who] = repeats
    state.over_age[who] |= repeats
    state.grade[who] = np.where(stayed & ~repeats & ~top, season.grade + 1, season.grade)
    state.here[who] = comes_back
    state.vanished[who] = vanishes
    left = ~stayed & np.isin(season.exit, [EXITS.index(kind) for kind in ("dropout", "withdrawn", "unknown")])
    state.left[who] = left
    state.gone[who] = ~comes_back & ~vanishes & ~left
    return np.where(graduates, 1, np.where(moves_away, 2, 0)) if n else np.zeros(0, np.int64)


def _calmed(trait: Real, calm: npt.NDArray[np.bool_]) -> Real:
    """Return a trait, on its good side for who has a planted cause: nothing else is to be a reason."""
    return np.asarray(np.where(calm, np.abs(trait) * np.float32(0.5) + np.float32(0.2), trait), np.float32)


def _planted(world: World, state: State, who: Whole, grade: Whole, enters: Whole, no_show: Yes, year: Year, at: int,
             draws: Draws) -> tuple[Whole, Whole]:  # fmt: skip
    """Return each student's planted cause (-1 for none) and the month from which it is at work."""
    told = world.planted
    rng = draws("planted", at)
    count = len(state.grade)
    lots, months = rng.random(count)[who], rng.random(count)[who]
    which = rng.integers(0, max(1, len(told.causes)), count)[who]
    able = (~state.planted_once[who] & (np.array(GRADES)[grade] >= told.lowest_grade) & (enters == 0) & ~no_show
            & ~state.haunted[who])  # fmt: skip
    chosen = able & (lots < told.share) & bool(told.causes)
    state.planted_once[who] |= chosen
    names = np.array([CAUSES.index(one) for one in told.causes] or [0])
    planted = np.where(chosen, names[which], -1)
    # November to March; a cause of the year before is at work from the first day.
    begins = 2 + (months * 4).astype(np.int64)
    last = _months_known(world, year)
    begins = np.minimum(begins, max(1, last - 3))
    begins = np.where(planted == CAUSES.index("prior_year_absence"), 0, begins)
    return planted, np.where(chosen, begins, NEVER)


def _months_known(world: World, year: Year) -> int:
    """Return how many months of a year have begun by the last day that anything is known of."""
    through = world.years.through
    return MONTHS if not through else sum(str(on) <= through for on in year.month_starts())


def _give(world: World, place: Zone, before: Before, seen: Course, school: Whole, entered_in: Whole, no_show: Yes, at: int,
          who: Whole, count: int, draws: Draws) -> dict[str, Given]:  # fmt: skip
    """Return who gets which support from when: by the need that staff see, within each school's places."""
    base = {"attendance": (seen.absence, world.attendance.base, 0.75), "coursework": (-seen.work, -world.coursework.base, 0.8),
            "conduct": (seen.conduct, world.conduct.base, 0.9)}  # fmt: skip
    lacks = {"device": before.lacks_device, "internet": before.lacks_internet}
    pupils = [school == one for one in range(place.schools)]
    found = {}
    for name, support in world.supports.items():
        rng = draws(f"support {name}", at)
        shown = rng.standard_normal((count, len(ROUNDS)), dtype=np.float32)[who]
        lots = rng.random((count, len(ROUNDS), 2), dtype=np.float32)[who]
        response = draws(f"response {name}").standard_normal(count, dtype=np.float32)[who]
        begins = np.full(len(before), NEVER)
        taught = np.isin(GRADES, support.grades)[before.grade] & ~no_show
        for number, month in enumerate(ROUNDS):
            if support.need in base:
                log_odds, usual, spread = base[support.need]
                need = (log_odds[:, :month].mean(axis=1) - usual) / spread + 0.5 * shown[:, number]
            elif support.need == "learning":
                need = -before.ability.mean(axis=1) / 0.8 + 0.4 * shown[:, number]
            elif support.need == "belonging":
                need = -before.connection + 0.5 * shown[:, number]
            elif support.need == "any":
                need = (seen.strain[:, month - 1] - before.connection) / 1.5 + 0.5 * shown[:, number]
            else:
                need = np.where(lacks[support.need], 3.0, -3.0)
            able = taught & (entered_in <= month) & (begins == NEVER)
            wants = able & (need > support.threshold) & (lots[:, number, 0] < support.given)
            for mine in pupils:
                places = round(support.places_per_100 / 100 * mine.sum() / len(ROUNDS))
                by_lot = round(places * support.by_lot)
                for pool, rooms in ((wants & mine, places - by_lot), (able & mine & ~wants, by_lot)):
                    begins[_drawn(np.flatnonzero(pool), lots[:, number, 1], rooms)] = month
        found[name] = Given(begins, np.asarray(1 + support.spread * response, np.float32))
    return found


def _drawn(line: Whole, lots: Real, rooms: int) -> Whole:
    """Return those of a line with the lowest lots, as many as there are rooms."""
    if len(line) <= rooms:
        return line
    mine = lots[line]
    return line[mine <= np.partition(mine, rooms - 1)[rooms - 1]][:rooms] if rooms else line[:0]

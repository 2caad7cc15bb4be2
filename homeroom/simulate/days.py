"""What happens on days: attendance and how it is recorded, activity online, and incidents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from homeroom.simulate import causes
from homeroom.simulate.causes import SPELL
from homeroom.simulate.curriculum import CORE, TAKEN
from homeroom.simulate.layout import Draws, Zone
from homeroom.simulate.parts import Column, Maybe, Rows, Text
from homeroom.simulate.seasons import Season
from homeroom.simulate.students import Real, Students, Whole, Yes, logistic
from homeroom.simulate.world import World
from homeroom.simulate.years import MONTHS, Year

PRESENCE = ("present", "absent", "late")
MODES = ("in_person", "remote", "home_or_hospital")
KINDS = ("content", "quiz", "discussion", "navigation", "live")
#: What share of the activity comes before each kind but the first.
OF_KINDS = (0.5, 0.72, 0.84, 0.96)
CONDUCTS = ("code_of_conduct", "school_violation", "state_offence", "other")
ROLES = ("perpetrator", "victim", "witness")
EXCLUSIONS = ("none", "in_school", "out_of_school")
#: Days on which a class uses the online classroom: every third, from the class's own first.
EVERY = 3


@dataclass(frozen=True, eq=False)
class Missed:
    """What was missed, as it was: the share of each day by student and instructional day, and whether it was in a spell."""

    share: Real
    spell: Yes


@dataclass(frozen=True, eq=False)
class Names:
    """The texts that columns of keys stand for."""

    students: list[str]
    stays: list[str]
    sections: list[str]
    work: list[str]


def excluded(world: World, students: Students, season: Season, names: Names, rows: Rows, draws: Draws, part: int,
             through: int) -> Yes:  # fmt: skip
    """Let incidents happen, write down what is written down of them, and return the days of exclusion.

    Returns:
        by student and instructional day whether the school kept the student away.

    """
    rng = draws("incidents", season.at)
    year, n = season.year, len(season)
    there = season.at_school
    out = np.zeros(there.shape, bool)
    rates = np.exp(season.course.conduct) * season.counts
    happened = rng.poisson(np.minimum(rates, 8))
    times = np.array([world.bias.incidents.get(name, 1.0) for name in world.groups])[students.group[season.who]]
    # Written down at 70% for everybody, times the planted bias: the same behaviour, another record.
    written = rng.binomial(happened, np.minimum(0.7 * times, 1.0)[:, None])
    i, month = np.nonzero(written)
    again = written[i, month]
    i, month = np.repeat(i, again), np.repeat(month, again)
    first = year.first_day_of_month()
    day = first[month] + (rng.random(len(i)) * np.maximum(first[month + 1] - first[month], 1)).astype(np.int64)
    lots = rng.random((len(i), 5))
    severity = rng.choice(4, len(i), p=[0.62, 0.27, 0.05, 0.06])
    keep = (day < len(year.days)) & there[i, np.minimum(day, len(year.days) - 1)]
    i, day, lots, severity = i[keep], day[keep], lots[keep], severity[keep]
    out_share, in_share = world.conduct.out_of_school, world.conduct.in_school
    severe = np.array([0.6, 1.4, 3.0, 0.4])[severity]
    exclusion = np.where(lots[:, 0] < out_share * severe, 2, np.where(lots[:, 0] < (out_share + in_share) * severe, 1, 0))
    lasts = np.where(exclusion == 2, 1 + (lots[:, 1] * 4).astype(np.int64), np.where(exclusion == 1, 1, 0))
    for after in range(1, 5):
        held = (exclusion == 2) & (lasts >= after) & (day + after < len(year.days))
        out[i[held], day[held] + after] = True
    out &= there
    # Some incidents have somebody else in them, who did nothing.
    other = np.flatnonzero((lots[:, 2] < 0.3) & (severity > 0))
    them = (lots[other, 3] * n).astype(np.int64)
    fits = (them != i[other]) & there[them, day[other]]
    other, them = other[fits], them[fits]
    whom = np.concatenate([i, them])
    on = year.days[np.concatenate([day, day[other]])]
    kept = on + 1 <= through
    which = np.concatenate([np.arange(len(i)), other])
    semester = year.semester[np.concatenate([day, day[other]])]
    keys = [f"I{part + 1:03d}{year.first % 100:02d}{at + 1:05d}" for at in range(len(i))]
    own = np.arange(len(whom)) < len(i)
    rows.add("incidents", {
        "incident_id": Text(which[kept], keys),
        "student_id": Text(season.who[whom[kept]], names.students),
        "enrolment_id": Text(season.stay[whom[kept], semester[kept]], names.stays),
        "occurred_on": on[kept],
        "conduct": Text(severity[which[kept]], CONDUCTS),
        "role": Text(np.where(own, 0, np.where(lots[which, 4] < 0.6, 1, 2))[kept], ROLES),
        "exclusion": Text(np.where(own, exclusion[which], 0)[kept], EXCLUSIONS),
        "days_excluded": np.where(own, lasts[which], 0)[kept],
    })  # fmt: skip
    return out


def missed(world: World, season: Season, out: Yes, draws: Draws) -> Missed:
    """Draw what each student missed of each day; exclusion and spells included."""
    rng = draws("attendance", season.at)
    year, n = season.year, len(season)
    days = len(year.days)
    edge = np.isin(year.weekday, (0, 4))
    # Mondays and Fridays up, the other days down, so that the week as a whole stays.
    tilt = (world.attendance.monday_friday * np.where(edge, 0.6, -0.4)).astype(np.float32)
    single, begins = causes.daily(world, season.course.absence)
    absent = rng.random((n, days), dtype=np.float32) < by_day(single, year) * np.exp(tilt)
    starts = np.flatnonzero(rng.random((n, days), dtype=np.float32) < by_day(begins, year))
    long = np.zeros(n * days, bool)
    length = np.searchsorted(-SPELL, -rng.random(len(starts)), side="left")
    left = days - starts % days
    for after in range(len(SPELL)):
        long[starts[(length > after) & (after < left)] + after] = True
    spell = long.reshape(n, days)
    absent |= spell | out
    absent &= season.at_school
    part = rng.random((n, days), dtype=np.float32) < world.attendance.part_day
    share = absent.astype(np.float32)
    share[absent & part & ~out & ~spell] = 0.5
    return Missed(share, spell)


def by_day[Kind: np.generic](values: npt.NDArray[Kind], year: Year) -> npt.NDArray[Kind]:
    """Return values by student and month by student and instructional day."""
    return np.repeat(values, np.bincount(year.month, minlength=MONTHS), axis=1)


def _by_day_of_semester[Kind: np.generic](values: npt.NDArray[Kind], year: Year) -> npt.NDArray[Kind]:
    """Return values by student and semester by student and instructional day."""
    return np.repeat(values, np.bincount(year.semester, minlength=2), axis=1)


def attendance(world: World, place: Zone, students: Students, season: Season, lost: Missed, out: Yes, names: Names, rows: Rows,
               draws: Draws, through: int) -> None:  # fmt: skip
    """Write down attendance as schools do: exceptions only, or every day; with gaps, corrections and deletions."""
    told, year = world.attendance, season.year
    rng = draws("attendance records", season.at)
    n, days = season.present.shape
    dice = rng.random((n, days), dtype=np.float32)
    absent = lost.share > 0
    late = season.at_school & ~absent & (dice < by_day(logistic(told.late + 0.5 * season.course.strain), year))
    by_school = draws("gaps").random(place.schools)
    # Gaps: everybody's, the worse schools', and those of groups that the records reach less.
    gap = (told.unrecorded + told.unrecorded_worst_school * by_school[season.school] ** 4
           + students.unrecorded[season.who][:, None])  # fmt: skip
    # Days taught elsewhere are written down everywhere: otherwise nobody would know that they were.
    every = _by_day_of_semester(place.positive[season.school], year) | year.remote | season.elsewhere
    told_of = season.present & (absent | late | every) & (year.days + 1 <= through)
    told_of &= rng.random((n, days), dtype=np.float32) >= _by_day_of_semester(gap.astype(np.float32), year)
    flat = np.flatnonzero(told_of)
    i = flat // days
    day = flat - i * days
    on = year.days[day]
    share = lost.share.ravel()[flat]
    lots = rng.random((len(flat), 3), dtype=np.float32)
    no_access = (season.before.lacks_internet | season.before.lacks_device)[i]
    elsewhere = season.elsewhere.ravel()[flat]
    remote = year.remote[day] & ~elsewhere
    mode = np.where(elsewhere, 2, remote)
    # From afar, who has no way to take part is missed on many days on which they would have come.
    cut_off = remote & (share == 0) & no_access & (lots[:, 0] < 0.45)
    share = np.where(cut_off, np.float32(1), share)
    status = np.where(share > 0, 1, np.where(late.ravel()[flat], 2, 0))
    kept_away = out.ravel()[flat]
    excused = kept_away | (lots[:, 1] < np.where(lost.spell.ravel()[flat], 0.85, told.excused * 0.75))
    base: dict[str, Column] = {
        "student_id": Text(season.who[i], names.students),
        "enrolment_id": Text(np.take(season.stay, 2 * i + year.semester[day]), names.stays),
        "on": on,
    }
    rows.add("attendance", {
        **base,
        "status": Text(status, PRESENCE),
        "absent_share": share,
        "excused": Maybe(excused, share == 0),
        "mode": Text(mode, MODES),
        "exclusion": kept_away,
        "known_on": on + 1,
        "deleted": np.zeros(len(on), bool),
    })  # fmt: skip
    # A later version: the family wrote a note, the student was there after all, or the row was a mistake.
    again = np.flatnonzero((lots[:, 2] < told.corrected + told.deleted) & (share > 0) & ~kept_away)
    known = on[again] + 3 + (lots[again, 0] * 15).astype(np.int32)
    again, known = again[known <= through], known[known <= through]
    gone = lots[again, 2] < told.deleted
    there = ~gone & (lots[again, 1] < 0.3)
    rows.add("attendance", {
        "student_id": Text(season.who[i[again]], names.students),
        "enrolment_id": Text(season.stay[i[again], year.semester[day[again]]], names.stays),
        "on": on[again],
        "status": Text(np.where(there, 2, status[again]), PRESENCE),
        "absent_share": np.where(there, np.float32(0), share[again]),
        "excused": Maybe(np.ones(len(again), bool), there),
        "mode": Text(mode[again], MODES),
        "exclusion": np.zeros(len(again), bool),
        "known_on": known,
        "deleted": gone,
    })  # fmt: skip


def cuts(place: Zone, season: Season, lost: Missed, section: Whole, names: Names, rows: Rows, draws: Draws,
         through: int) -> None:  # fmt: skip
    """Write down the classes missed by students who were at school, at schools that record every day."""
    if not place.positive.any():
        return
    rng = draws("cuts", season.at)
    n, days = season.present.shape
    year = season.year
    rate = by_day(np.float32(0.25) * logistic(season.course.absence), year)
    cut = (rng.random((n, days), dtype=np.float32) < rate) & season.at_school & (lost.share == 0) & ~year.remote
    cut &= _by_day_of_semester(place.positive[season.school], year)
    flat = np.flatnonzero(cut)
    i = flat // days
    day = flat - i * days
    on = year.days[day]
    kept = on + 1 <= through
    i, day, on = i[kept], day[kept], on[kept]
    which = rng.integers(0, TAKEN, len(i))
    semester = year.semester[day]
    rows.add("section_attendance", {
        "student_id": Text(season.who[i], names.students),
        "enrolment_id": Text(season.stay[i, semester], names.stays),
        "section_id": Text(section[i, which, semester], names.sections),
        "on": on,
        "status": Text(np.where(rng.random(len(i)) < 0.7, 1, 2), PRESENCE),
    })  # fmt: skip


def online(world: World, season: Season, lost: Missed, section: Whole, uses: Yes, names: Names, rows: Rows, draws: Draws,
           through: int) -> None:  # fmt: skip
    """Write down activity in the online classroom, where the class uses it and the student can."""
    rng = draws("online", season.at)
    told, year, n = world.online, season.year, len(season)
    slots = np.arange(len(year.days) // EVERY)
    days = len(slots) * EVERY
    cut_off = season.course.no_device | season.course.no_internet
    chance = logistic(season.course.online)
    chance = np.where(cut_off, chance * told.at_school_only, chance).astype(np.float32)
    from_home = np.where(cut_off, 0, chance * np.exp(told.absent)).astype(np.float32)
    likely = np.where(lost.share > 0, by_day(from_home, year), by_day(chance, year))
    likely *= season.present & (year.days <= through)
    # By the first, second or third of every three days: a class uses the tool on one of these.
    by_turn = np.ascontiguousarray(likely[:, :days].reshape(n, len(slots), EVERY).transpose(0, 2, 1))
    for course in range(TAKEN):
        turn = section[:, course, 0] % EVERY
        flat = np.flatnonzero(rng.random((n, len(slots)), dtype=np.float32) < by_turn[np.arange(n), turn])
        i = flat // len(slots)
        on_day = (flat - i * len(slots)) * EVERY + turn[i]
        seat = np.take(section[:, course], 2 * i + year.semester[on_day])
        used = uses[seat]
        i, on_day, seat = i[used], on_day[used], seat[used]
        on = year.days[on_day]
        dice = rng.random((3, len(i)), dtype=np.float32)
        actions = 1 + (-np.log(dice[0] + 1e-7) * (9 if course < CORE else 5)).astype(np.int32)
        rows.add("activity", {
            "student_id": Text(season.who[i], names.students),
            "enrolment_id": Text(np.take(season.stay, 2 * i + year.semester[on_day]), names.stays),
            "section_id": Text(seat, names.sections),
            "on": on,
            "kind": Text(sum((dice[1] > least).astype(np.int8) for least in OF_KINDS), KINDS),
            "actions": actions,
            "resources": np.minimum(actions, 1 + (dice[2] * 4).astype(np.int32)),
        })  # fmt: skip

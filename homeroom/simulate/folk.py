"""What the records hold of people beside school days: stays, names, families, voices, access, plans and help."""

from __future__ import annotations

import numpy as np

from homeroom.simulate import people
from homeroom.simulate.curriculum import CORE, GRADES, SKILLS, TAKEN
from homeroom.simulate.days import Names
from homeroom.simulate.layout import Draws, Zone
from homeroom.simulate.parts import Maybe, Rows, Text
from homeroom.simulate.seasons import ENTRIES, EXITS, NEVER, Season, State
from homeroom.simulate.students import Real, Students, Whole
from homeroom.simulate.work import COURSE_SKILLS
from homeroom.simulate.world import World
from homeroom.simulate.years import number

DEVICES = ("own", "shared", "none", "unknown")
CONNECTIONS = ("broadband", "mobile_only", "none", "unknown")
ASKED = ("belonging", "self_management", "growth_mindset", "supportive_relationships")
ENDS = ("goal_met", "partly_met", "not_met", "no_longer_needed", "declined", "moved_away")
SHARED = ("my_teachers", "my_counselor", "only_me")
SCOPES = ("profiling", "photo", "sharing")
LANGUAGES = people.LANGUAGES


def stays(place: Zone, season: Season, summer: Whole, names: Names, rows: Rows, through: int) -> None:
    """Write down enrolments and exits of a year.

    Only who finishes grade 12, and who leaves early or for good, has an exit; an ordinary year just ends.
    """
    year = season.year
    first, last = number(year.starts_on), number(year.ends_on)
    turn = number(year.semesters[1][0])
    entered = np.where(season.enters == 0, first, year.days[np.minimum(season.enters, len(year.days) - 1)])
    moved = np.flatnonzero(season.moves)
    whom = np.concatenate([np.arange(len(season)), moved])
    again = np.arange(len(whom)) >= len(season)
    semester = again.astype(int)
    begins = np.where(again, turn, entered[whom])
    known = begins <= through
    whom, again, semester, begins = whom[known], again[known], semester[known], begins[known]
    rows.add("enrolments", {
        "enrolment_id": Text(season.stay[whom, semester], names.stays),
        "student_id": Text(season.who[whom], names.students),
        "organisation_id": Text(season.school[whom, semester], place.keys),
        "term_id": Text(np.zeros(len(whom), np.int64), [year.key]),
        "entered_on": begins,
        "planned_end_on": np.full(len(whom), last),
        "previous_attempts": season.repeats[whom].astype(np.int32),
        "grade_level": np.array(GRADES)[season.grade[whom]],
        "repeats_grade": season.repeats[whom],
        "entry_type": Text(np.where(again, 3, season.entry[whom]), ENTRIES),
    })  # fmt: skip
    kind = np.select([season.exit >= 0, summer == 1, summer == 2], [season.exit, 6, 4], -1)
    leaves = np.flatnonzero(kind >= 0)
    early = season.exit[leaves] >= 0
    day = np.where(early, year.days[np.minimum(season.leaves[leaves], len(year.days) - 1)], last)
    stay = np.where(season.leaves[leaves] > np.searchsorted(year.semester, 1), season.stay[leaves, 1], season.stay[leaves, 0])
    lag = np.where(early, season.lag[leaves], 0)
    # Who changes school within the district leaves one school and enters the other.
    within = moved
    whom = np.concatenate([leaves, within])
    stay = np.concatenate([stay, season.stay[within, 0]])
    kinds = np.concatenate([kind[leaves], np.full(len(within), 4)])
    on = np.concatenate([day, np.full(len(within), number(year.semesters[0][1]))])
    known = on + np.concatenate([lag, np.zeros(len(within), np.int64)])
    kept = known <= through
    rows.add("exits", {
        "enrolment_id": Text(stay[kept], names.stays),
        "student_id": Text(season.who[whom[kept]], names.students),
        "exited_on": on[kept],
        "kind": Text(kinds[kept], EXITS),
        "known_on": known[kept],
    })  # fmt: skip


def seats(season: Season, section: Whole, names: Names, rows: Rows, through: int) -> None:
    """Write down who sits in which class."""
    year = season.year
    turn = int(np.searchsorted(year.semester, 1))
    for semester, (begins, _) in enumerate(year.semesters):
        opens, closes = (0, turn) if semester == 0 else (turn, len(year.days))
        there = np.flatnonzero((season.enters < closes) & (season.leaves > opens) & ~season.no_show)
        entered = year.days[np.minimum(season.enters[there], len(year.days) - 1)]
        on = np.where(season.enters[there] > opens, entered, number(begins))
        there, on = there[on <= through], on[on <= through]
        # An end that is not the class's own is a version of its own, known when the exit is.
        left = year.days[np.minimum(season.leaves[there], len(year.days) - 1)]
        known = left + season.lag[there]
        early = (season.leaves[there] < closes) & (known <= through)
        every = np.ones(len(there), bool)
        for those, since, over in ((every, on, False), (early, known, True)):
            whom = there[those]
            rows.add("rosters", {
                "student_id": Text(np.repeat(season.who[whom], TAKEN), names.students),
                "enrolment_id": Text(np.repeat(season.stay[whom, semester], TAKEN), names.stays),
                "section_id": Text(section[whom][:, :, semester].ravel(), names.sections),
                "begins_on": np.repeat(on[those], TAKEN),
                "ends_on": Maybe(np.repeat(left[those], TAKEN), np.full(len(whom) * TAKEN, not over)),
                "known_on": np.repeat(since[those], TAKEN),
            })  # fmt: skip


def families(world: World, students: Students, come: Whole, names: Names, rows: Rows, draws: Draws, part: int) -> None:
    """Write down once what belongs to a student and no year.

    Args:
        world: what is true.
        students: everybody of the zone.
        come: the students who are on record at all, in order.
        names: the texts of keys.
        rows: where rows go.
        draws: random numbers by purpose.
        part: number of the zone.

    """
    rng = draws("families")
    told, count = world.records, len(students)
    dice = rng.random((count, 16))[come]
    n = len(come)
    one = {"student_id": Text(come, names.students)}
    rows.add("students", one)
    preferred = np.where(dice[:, 0] < 0.12, (dice[:, 1] * len(people.PREFERRED)).astype(int), -1)
    pronouns = np.where(dice[:, 2] < 0.35, np.where(dice[:, 3] < 0.08, 2, students.sex[come] % 2), -1)
    rows.add("identities", {
        **one,
        "source_id": Text(np.arange(n), [f"{700_000 + part * 10_000 + at * 7 % 10_000:07d}" for at in come.tolist()]),
        "given_name": Text(students.name[come], people.GIVEN),
        "family_name": Text(students.name[come], people.FAMILY),
        "preferred_name": Text(preferred, people.PREFERRED),
        "pronouns": Text(pronouns, people.PRONOUNS),
    })  # fmt: skip
    blank = dice[:, 4] < 0.03
    rows.add("demographics", {
        **one,
        "sex": Text(students.sex[come], ("female", "male", "unspecified")),
        "disability": Maybe(students.disability[come], blank),
        "deprivation_band": Text(np.clip(np.floor(2.5 - students.stability[come]), 0, 4).astype(int),
                                 ("least deprived", "second", "third", "fourth", "most deprived")),
        "region": Text(np.full(n, part % 4), ("North", "East", "South", "West")),
        "ethnicity": Text(np.where(blank, -1, students.group[come]), tuple(world.groups)),
        "home_language": Text(students.language[come], LANGUAGES),
        "low_income": Maybe(students.low_income[come], blank),
    })  # fmt: skip
    two = dice[:, 5] < 0.7
    for number_, there in ((1, np.ones(n, bool)), (2, two)):
        whom = np.flatnonzero(there)
        restricted = (dice[whom, 6] < told.contact_restricted) & (number_ == 2)
        rows.add("guardians", {
            "student_id": Text(come[whom], names.students),
            "guardian_id": Text(np.arange(len(whom)), [f"G{names.students[at][1:]}-{number_}" for at in come[whom].tolist()]),
            "relation": Text((dice[whom, 6 + number_] * len(people.RELATIONS)).astype(int), people.RELATIONS),
            "name": Text(_relative(students, come[whom], dice[whom, 8 + number_]), [f"{g} {f}" for g, f in people.PAIRS]),
            "language": Text(students.language[come[whom]], LANGUAGES),
            "primary": np.full(len(whom), number_ == 1),
            "contact_restriction": Text(np.where(restricted, np.where(dice[whom, 12] < 0.4, 2, 1), 0),
                                        ("none", "no_contact", "court_order")),
        })  # fmt: skip


def _relative(students: Students, come: Whole, dice: Real) -> Whole:
    """Return a pair of names with the student's family name and another given name of the same culture."""
    families = np.array([len(family) for _, family in people.NAMES])[students.culture[come]]
    given = np.array([len(given) for given, _ in people.NAMES])[students.culture[come]]
    start = np.array(people.STARTS)[students.culture[come]]
    family = (students.name[come] - start) % families
    return np.asarray(start + (dice * given).astype(np.int64) * families + family)


def joins(world: World, students: Students, season: Season, names: Names, rows: Rows, draws: Draws, through: int) -> None:
    """Write down what is asked when somebody first comes: photo, plans, accommodations, objections, voice."""
    year, told = season.year, world.records
    rng = draws("joins", season.at)
    count = len(students)
    dice, voice = rng.random((count, 12)), rng.random((count, len(people.VOICE), 3))
    new = np.flatnonzero((students.comes[season.who] == season.at) & ~season.no_show)
    whom = season.who[new]
    first = year.days[np.minimum(season.enters[new], len(year.days) - 1)]
    came = np.where(season.enters[new] == 0, number(year.starts_on), first)
    here = came <= through
    whom, came = whom[here], came[here]
    dice, voice = dice[whom], voice[whom]

    on = came + 1 + (dice[:, 0] * 20).astype(int)
    asked = (dice[:, 1] < told.photo_asked) & (on <= through)
    yes = dice[:, 2] < told.photo_consent
    rows.add("photos", {
        "student_id": Text(whom[asked], names.students),
        "path": Text(np.where(yes[asked], np.arange(asked.sum()), -1),
                     [f"photos/{names.students[at]}.svg" for at in whom[asked].tolist()]),
        "consent": yes[asked],
        "consented_on": on[asked],
    })  # fmt: skip

    kinds = ("disability_plan", "reasonable_adjustments", "language_support", "health_plan")
    foreign = (students.language[whom] > 0) & (dice[:, 5] < 0.4)
    has = np.stack([students.disability[whom] & (dice[:, 3] < 0.75), students.disability[whom] & (dice[:, 3] >= 0.75),
                    foreign, students.health_plan[whom]], axis=1)  # fmt: skip
    i, kind = np.nonzero(has & (came + 10 <= through)[:, None])
    keys = [f"P{names.students[student][1:]}-{code + 1}" for student, code in zip(whom[i].tolist(), kind.tolist(), strict=True)]
    rows.add("plans", {
        "plan_id": Text(np.arange(len(i)), keys),
        "student_id": Text(whom[i], names.students),
        "plan_kind": Text(kind, kinds),
        "begins_on": came[i] + 10,
        "expires_on": Maybe(came[i] + 10 + 3 * 365, kind == 1),
    })  # fmt: skip
    gives = [[at for at, (_, _, plan) in enumerate(people.ACCOMMODATIONS) if plan == kind_] for kind_ in kinds]
    which = np.array([gives[k][int(u * len(gives[k]))] for k, u in zip(kind.tolist(), dice[i, 6].tolist(), strict=True)], int)
    rows.add("accommodations", {
        "student_id": Text(whom[i], names.students),
        "accommodation": Text(which, [name for name, *_ in people.ACCOMMODATIONS]),
        "plan_id": Text(np.arange(len(i)), keys),
        "says": Text(which, [says for _, says, _ in people.ACCOMMODATIONS]),
        "known_on": came[i] + 10,
    })  # fmt: skip

    on = came + 5 + (dice[:, 7] * 100).astype(int)
    objects = (dice[:, 8] < told.objections) & (on <= through)
    back = on + 120
    taken_back = objects & (dice[:, 10] >= 0.8) & (back <= through)
    for those, since, over in ((objects, on, False), (taken_back, back, True)):
        rows.add("objections", {
            "student_id": Text(whom[those], names.students),
            "recorded_on": on[those],
            "scope": Text((dice[those, 9] * 3).astype(int), SCOPES),
            "withdrawn_on": Maybe(back[those], np.full(those.sum(), not over)),
            "known_on": since[those],
        })  # fmt: skip

    on = came + 14 + (dice[:, 11] * 30).astype(int)
    speaks = (dice[:, 9] < told.voice) & (on <= through)
    for prompt, (name, texts) in enumerate(people.VOICE):
        says = speaks & (voice[:, prompt, 0] < 0.6)
        private = name in {"nervous_or_stressed", "trusted_adult", "other_share"}
        cuts = (0.45, 0.93) if private else (0.88, 0.98)
        rows.add("student_voice", {
            "student_id": Text(whom[says], names.students),
            "prompt": Text(np.zeros(says.sum(), int), [name]),
            "says": Text((voice[says, prompt, 1] * len(texts)).astype(int), texts),
            "shared_with": Text(np.searchsorted(cuts, voice[says, prompt, 2]), SHARED),
            "recorded_on": on[says],
        })  # fmt: skip


def asked(world: World, students: Students, season: Season, names: Names, rows: Rows, draws: Draws, through: int) -> None:
    """Write down what is asked every year: device and internet each autumn, a survey in autumn and in spring."""
    year, n = season.year, len(season)
    told = world.access
    rng = draws("asked", season.at)
    count = len(students)
    dice = rng.random((count, 6))[season.who]
    kinds = draws("kinds of access").random((count, 2))[season.who]  # shared or mobile: the same every year
    skipped = students.unrecorded[season.who]
    on = np.maximum(year.days[10] + (dice[:, 0] * 20).astype(int), year.days[np.minimum(season.enters + 1, len(year.days) - 1)])
    there = (dice[:, 1] >= told.unrecorded + skipped) & (on <= through) & (season.leaves > 30) & ~season.no_show
    whom = np.flatnonzero(there)
    device = np.where(season.before.lacks_device, 2, np.where(kinds[:, 0] < told.shared_device, 1, 0))
    internet = np.where(season.before.lacks_internet, 2, np.where(kinds[:, 1] < told.mobile_only, 1, 0))
    device = np.where(dice[:, 2] < told.unknown, 3, device)
    internet = np.where(dice[:, 3] < told.unknown, 3, internet)
    rows.add("digital_access", {
        "student_id": Text(season.who[whom], names.students),
        "recorded_on": on[whom],
        "device": Text(device[whom], DEVICES),
        "internet": Text(internet[whom], CONNECTIONS),
        "source": Text((dice[whom, 4] * 3).astype(int), ("survey", "family", "staff")),
    })  # fmt: skip
    for wave, month in (("autumn", 1), ("spring", 6)):
        answers = rng.random((count, 2 + len(ASKED)))[season.who]
        noise = rng.standard_normal((count, len(ASKED)))[season.who]
        day = year.first_day_of_month()[month] + (answers[:, 0] * 8).astype(int)
        on = year.days[day]
        there = (season.present[np.arange(n), day] & (on <= through)
                 & (answers[:, 1] >= world.records.survey_nonresponse + skipped))  # fmt: skip
        whom = np.flatnonzero(there)
        connection, strain = season.before.connection, season.course.strain[:, month]
        about = np.stack([connection, -0.6 * strain + 0.3 * season.before.ability.mean(axis=1), -0.4 * strain,
                          0.8 * connection], axis=1)  # fmt: skip
        scale = np.clip(np.round((3.6 + 0.55 * about + 0.45 * noise) * 4) / 4, 1, 5)
        declined = answers[:, 2:] < world.records.survey_declined
        rows.add("surveys", {
            "student_id": Text(np.repeat(season.who[whom], len(ASKED)), names.students),
            "enrolment_id": Text(np.repeat(season.stay[whom, year.semester[day[whom]]], len(ASKED)), names.stays),
            "wave": Text(np.zeros(len(whom) * len(ASKED), int), [f"{year.key} {wave}"]),
            "construct": Text(np.tile(np.arange(len(ASKED)), len(whom)), ASKED),
            "scale_mean": Maybe(scale[whom].ravel(), declined[whom].ravel()),
            "answered_on": np.repeat(on[whom], len(ASKED)),
            "declined": declined[whom].ravel(),
        })  # fmt: skip


def helped(world: World, season: Season, givers: list[list[int]], staff: list[str], names: Names, rows: Rows, draws: Draws,
           through: int) -> None:  # fmt: skip
    """Write down the supports given, and how they ended."""
    rng = draws("supports", season.at)
    year = season.year
    begins_at = year.first_day_of_month()
    catalogue = list(world.supports)
    for at, (name, one) in enumerate(season.given.items()):
        told = world.supports[name]
        dice = rng.random((len(season), 4))
        earliest = begins_at[np.minimum(one.begins, NEVER - 1)]
        # Who comes in the very month gets it from the day they come: nobody is helped who is not there.
        day = np.maximum(earliest + (dice[:, 0] * 3).astype(int), season.enters)
        whom = np.flatnonzero((one.begins < NEVER) & (season.leaves > np.maximum(earliest + 3, day)))
        month = one.begins[whom]
        on = year.days[day[whom]]
        whom, month, on = whom[on <= through], month[on <= through], on[on <= through]
        dice = dice[whom]
        semester = year.semester[np.searchsorted(year.days, on)]
        last = begins_at[np.minimum(month + told.months, NEVER)] - 1
        last = np.minimum(last, season.leaves[whom] - 1)
        ended = year.days[np.maximum(last, np.searchsorted(year.days, on))]
        keys = [f"{stay}-{at + 1:02d}" for stay in (names.stays[code] for code in season.stay[whom, 0].tolist())]
        giver = np.array(
            [
                givers[school][int(u * len(givers[school]))]
                for school, u in zip(season.school[whom, semester].tolist(), dice[:, 1].tolist(), strict=True)
            ],
            int,
        )
        rows.add("supports", {
            "support_id": Text(np.arange(len(whom)), keys),
            "student_id": Text(season.who[whom], names.students),
            "enrolment_id": Text(season.stay[whom, semester], names.stays),
            "intervention_id": Text(np.full(len(whom), at), catalogue),
            "begins_on": on,
            "tier": np.full(len(whom), told.tier),
            "given_by": Text(giver, staff),
        })  # fmt: skip
        over = ended <= through
        gone = season.leaves[whom] - 1 == last
        how = np.where(gone & (last < len(year.days) - 1), 5, np.searchsorted([0.38, 0.68, 0.88, 0.95], dice[:, 2]))
        rows.add("support_ends", {
            "support_id": Text(np.flatnonzero(over), keys),
            "student_id": Text(season.who[whom[over]], names.students),
            "ended_on": ended[over],
            "result": Text(how[over], ENDS),
        })  # fmt: skip


def plans_to_learn(season: Season, state: State, names: Names, rows: Rows, draws: Draws, through: int) -> None:
    """Write down goals that students set for a skill, and how far each has come."""
    rng = draws("learning plans", season.at)
    year = season.year
    dice = rng.random((len(state.grade), 7))[season.who]
    chosen = dice[:, 0] < 0.06
    month = 1 + (dice[:, 1] * 7).astype(int)
    begins_at = year.first_day_of_month()
    on = year.days[begins_at[month]]
    chosen &= season.present[np.arange(len(season)), begins_at[month]] & (on <= through)
    whom = np.flatnonzero(chosen)
    subject = (dice[whom, 2] * CORE).astype(int)
    skill = COURSE_SKILLS[subject, season.grade[whom], (dice[whom, 3] * 3).astype(int)]
    own = [f"{goal}: {skill_.statement[0].lower()}{skill_.statement[1:]}." for skill_ in SKILLS for goal in people.GOALS]
    keys = [f"L{names.stays[stay][1:]}" for stay in season.stay[whom, 0].tolist()]
    agreed = on[whom] + 6
    done = on[whom] + 70
    status = np.where(done <= through, np.where(dice[whom, 4] < 0.6, 4, np.where(dice[whom, 4] < 0.85, 3, 5)), 0)
    first = {
        "learning_plan_id": Text(np.arange(len(whom)), keys),
        "student_id": Text(season.who[whom], names.students),
        "skill_id": Text(skill, [one.key for one in SKILLS]),
        "goal": Text(skill * len(people.GOALS) + (dice[whom, 5] * len(people.GOALS)).astype(int), own),
        "goal_author": Text(np.searchsorted([0.5, 0.9], dice[whom, 6]), ("student", "joint", "staff")),
    }
    statuses = ("draft", "student_reviewed", "agreed", "active", "completed", "withdrawn")
    for how, recorded in ((np.where(agreed <= through, 2, 0), on[whom]), (status, done)):
        # Two versions of one plan: as it was agreed, and as it stands after ten weeks.
        kept = recorded <= through if recorded is not done else (done <= through)
        seen_on = np.where(how == 2, agreed, recorded)
        rows.add("learning_plans", {
            **{name: Text(column.codes[kept], column.words) for name, column in first.items()},
            "status": Text(how[kept], statuses),
            "recorded_on": seen_on[kept],
            "known_on": seen_on[kept],
            "agreed_on": Maybe(agreed[kept], agreed[kept] > through),
            "next_check_on": Maybe(seen_on[kept] + 28, how[kept] >= 4),
        })  # fmt: skip

"""What a zone holds beside students: schools, calendar, staff and classes; and what the whole district shares."""

from __future__ import annotations

import numpy as np

from homeroom.simulate import people
from homeroom.simulate.curriculum import (
    CORE,
    COURSES,
    GRADES,
    NEW,
    PER_SEMESTER,
    PRIMARY,
    SECOND,
    SKILL_AT,
    SKILLS,
    SUBJECTS,
    WORK,
)
from homeroom.simulate.layout import HIGH_GRADES, MIDDLE_GRADES, REGIONS, Draws, Sections, Zone
from homeroom.simulate.parts import Maybe, Rows, Text
from homeroom.simulate.seasons import Season
from homeroom.simulate.students import Students, Whole, Yes
from homeroom.simulate.work import COURSE_SKILLS, STAGGER, due_days
from homeroom.simulate.world import World
from homeroom.simulate.years import Year, number

DISTRICT = "D001"
#: Classes that one teacher takes at a time, and students of one counselor.
LOAD, PER_COUNSELOR = 5, 350
LETTERS = ("A", "H", "P", "Zz")


def district(world: World, years: tuple[Year, ...], zones: int, rows: Rows) -> None:
    """Write down what belongs to no zone: the district, terms, courses, skills and resources."""
    names = _districts(world, zones)
    rows.add("organisations", {
        "organisation_id": Text(np.arange(len(names)), [f"D{at + 1:03d}" for at in range(len(names))]),
        "name": Text(np.arange(len(names)), names),
        "kind": Text(np.zeros(len(names), int), ["district"]),
        "parent_id": Text(np.full(len(names), -1), [""]),
        "region": Text(np.full(len(names), -1), [""]),
        "attendance_method": Text(np.full(len(names), -1), [""]),
    })  # fmt: skip
    terms: list[tuple[str, str, int, int, int, int]] = []
    at = {}
    for year in years:
        at[year.key] = len(terms)
        terms.append((year.key, f"School year {year.key}", number(year.starts_on), number(year.ends_on), 0, -1))
        for half, (first, last) in enumerate(year.semesters):
            key = f"{year.key}-S{half + 1}"
            at[key] = len(terms)
            terms.append((key, f"Semester {half + 1}, {year.key}", number(first), number(last), 1, at[year.key]))
            for quarter in (2 * half, 2 * half + 1):
                begins, ends = year.periods[quarter]
                terms.append((f"{year.key}-Q{quarter + 1}", f"Grading period {quarter + 1}, {year.key}", number(begins),
                              number(ends), 2, at[key]))  # fmt: skip
    keys = [one[0] for one in terms]
    every = np.arange(len(terms))
    rows.add("terms", {
        "term_id": Text(every, keys),
        "title": Text(every, [one[1] for one in terms]),
        "starts_on": np.array([one[2] for one in terms]),
        "ends_on": np.array([one[3] for one in terms]),
        "kind": Text(np.array([one[4] for one in terms]), ("school_year", "semester", "grading_period")),
        "parent_id": Text(np.array([one[5] for one in terms]), keys),
    })  # fmt: skip
    courses = [(code, grade, title) for code, _, title in COURSES for grade in GRADES]
    every = np.arange(len(courses))
    rows.add("courses", {
        "course_id": Text(every, [f"{code}{grade}" for code, grade, _ in courses]),
        "title": Text(every, [f"{title} {grade}" for _, grade, title in courses]),
        "subject": Text(every // len(GRADES), [subject for _, subject, _ in COURSES]),
        "core": every // len(GRADES) < CORE,
    })  # fmt: skip
    every = np.arange(len(SKILLS))
    keys = [skill.key for skill in SKILLS]
    rows.add("skills", {
        "skill_id": Text(every, keys),
        "statement": Text(every, [skill.statement for skill in SKILLS]),
        "subject": Text(np.array([skill.subject for skill in SKILLS]), [subject for _, subject, _ in SUBJECTS]),
        "grade_level": np.array([skill.grade for skill in SKILLS]),
    })  # fmt: skip
    pairs = world.learning.prerequisites
    rows.add("skill_prerequisites", {
        "skill_id": Text(np.array([SKILL_AT[skill] for skill, _ in pairs], int), keys),
        "prerequisite_id": Text(np.array([SKILL_AT[before] for _, before in pairs], int), keys),
    })  # fmt: skip
    _resources(rows)


def districts(world: World, zones: int) -> int:
    """Return how many districts there are: one, and above a size one for each region."""
    return len(_districts(world, zones))


def _districts(world: World, zones: int) -> list[str]:
    if zones * world.schools.zone_students < world.schools.district_from:
        return ["Three Rivers School District"]
    return [f"{region} Rivers School District" for region in REGIONS[: min(len(REGIONS), zones)]]


def _resources(rows: Rows) -> None:
    """Write down things to learn from, all of our own making (CC0 1.0): of each form one for each skill, a film or a game.

    Those in Spanish are of English and mathematics alone, so that not everything is there for everybody.
    """
    made = [(at, form) for at, skill in enumerate(SKILLS) for form in people.RESOURCES
            if form[0] != ("film", "game")[at % 2] and (form[4] == "en" or skill.subject < 2)]  # fmt: skip
    every = np.arange(len(made))
    keys = [f"R{at + 1:03d}" for at in every.tolist()]
    skills = [skill for skill, _ in made]
    relations = ("teaches", "assesses")
    rows.add("resources", {
        "resource_id": Text(every, keys),
        "title": Text(every, [f"{SKILLS[skill].statement}: {form[0]}" for skill, form in made]),
        "language": Text(every, [form[4] for _, form in made]),
        "format": Text(every, [form[0] for _, form in made]),
        "url_path": Text(every, [f"library/{SKILLS[skill].key.lower().replace('.', '/')}/{form[0]}" for skill, form in made]),
        "minutes": np.array([form[1] for _, form in made]),
        "offline": np.array([form[2] for _, form in made]),
        "accessible": Text(every, [form[3] for _, form in made]),
        "level": np.array([SKILLS[skill].grade for skill in skills]),
    })  # fmt: skip
    rows.add("resource_skills", {
        "resource_id": Text(every, keys),
        "skill_id": Text(np.array(skills), [skill.key for skill in SKILLS]),
        "relation": Text(np.array([relations.index(form[5]) for _, form in made]), relations),
    })  # fmt: skip


def school_rows(world: World, place: Zone, sections: Sections, years: tuple[Year, ...], districts_: int, rows: Rows,
                draws: Draws, through: int) -> tuple[list[list[int]], list[str]]:  # fmt: skip
    """Write down the schools of a zone with their calendar, classes, work, staff and teams.

    Returns:
        for each school the staff (as places in the list) who give supports, and the keys of all staff.

    """
    each = np.arange(place.schools)
    rows.add("organisations", {
        "organisation_id": Text(each, place.keys),
        "name": Text(each, place.names),
        "kind": Text(each * 0, ["school"]),
        "parent_id": Text(each * 0, [f"D{place.number % districts_ + 1:03d}"]),
        "region": Text(each * 0, [place.region]),
        "attendance_method": Text(place.positive.astype(int), ("negative", "positive")),
    })  # fmt: skip
    for year in years:
        span = number(year.ends_on) - number(year.starts_on) + 1
        on = number(year.starts_on) + np.arange(span)
        taught = np.isin(on, year.days)
        rows.add("calendar", {
            "organisation_id": Text(np.repeat(each, span), place.keys),
            "on": np.tile(on, place.schools),
            "instructional": np.tile(taught, place.schools),
        })  # fmt: skip
    _class_rows(place, sections, years, rows, through)
    return _staff_rows(place, sections, years, rows, draws, through)


def _class_rows(place: Zone, sections: Sections, years: tuple[Year, ...], rows: Rows, through: int) -> None:
    begins = np.array([[number(first) for first, _ in year.semesters] for year in years])
    ends = np.array([[number(last) for _, last in year.semesters] for year in years])
    kept = np.flatnonzero(begins[sections.year, sections.semester] <= through)
    year, semester = sections.year[kept], sections.semester[kept]
    course = sections.course[kept] * len(GRADES) + sections.grade[kept]
    titles = [f"{title} {grade}" for _, _, title in COURSES for grade in GRADES]
    rows.add("sections", {
        "section_id": Text(kept, sections.keys),
        "course_id": Text(course, [f"{code}{grade}" for code, _, _ in COURSES for grade in GRADES]),
        "term_id": Text(2 * year + semester, [f"{one.key}-S{half}" for one in years for half in (1, 2)]),
        "organisation_id": Text(sections.school[kept], place.keys),
        "title": Text(course, titles),
        "starts_on": begins[year, semester],
        "ends_on": ends[year, semester],
    })  # fmt: skip
    due = np.stack([one.days[due_days(one)] for one in years])  # year, piece of the year, stagger
    piece = np.arange(PER_SEMESTER)
    of_year = semester[:, None] * PER_SEMESTER + piece
    on = due[year[:, None], of_year, (kept % STAGGER)[:, None]]
    total = sum(weight for _, weight, *_ in WORK)
    every = np.tile(piece, len(kept))
    titles = [f"{_TITLES[kind]} {at + 1}" for at, (kind, *_) in enumerate(WORK)]
    keys = (kept[:, None] * PER_SEMESTER + piece).ravel()
    rows.add("assignments", {
        "assignment_id": Text(keys, sections.work),
        "section_id": Text(np.repeat(kept, PER_SEMESTER), sections.keys),
        "title": Text(every, titles),
        "kind": Text(every, [kind for kind, *_ in WORK]),
        "due_on": on.ravel(),
        "weight": np.array([round(100 * weight / total, 4) for _, weight, *_ in WORK])[every],
        "max_score": np.array([best for _, _, best, *_ in WORK])[every],
    })  # fmt: skip
    core = sections.course[kept] < CORE
    skills = COURSE_SKILLS[np.minimum(sections.course[kept], CORE - 1), sections.grade[kept]]  # class, slot
    of_year, keys = of_year[core], keys.reshape(-1, PER_SEMESTER)[core]
    first_grade = (sections.grade[kept] == 0)[core]
    skill_keys = [skill.key for skill in SKILLS]
    for slots in (PRIMARY, SECOND):
        slot = slots[of_year]
        # The youngest have no grade before them here: their fourth skill is their first.
        there = slot >= 0
        if slots is SECOND:
            there &= ~(first_grade[:, None] & ((slot == NEW) | (PRIMARY[of_year] == NEW)))
        which = np.take_along_axis(skills[core], np.maximum(slot, 0), axis=1)
        rows.add("assignment_skills", {
            "assignment_id": Text(keys[there], sections.work),
            "skill_id": Text(which[there], skill_keys),
        })  # fmt: skip


_TITLES = {"homework": "Homework", "quiz": "Quiz", "tutor_marked": "Written work", "computer_marked": "Online exercise",
           "exam": "Test", "project": "Project"}  # fmt: skip


def _staff_rows(place: Zone, sections: Sections, years: tuple[Year, ...], rows: Rows, draws: Draws,
                through: int) -> tuple[list[list[int]], list[str]]:  # fmt: skip
    rng = draws("staff")
    keys: list[str] = []
    roles: list[tuple[int, int, int]] = []
    teachers: list[list[int]] = []
    givers: list[list[int]] = []
    counselors: list[list[int]] = []
    members: list[tuple[int, int]] = []
    teams: list[tuple[str, int, int]] = []
    one_semester = (sections.year == 0) & (sections.semester == 0)
    for school in range(place.schools):

        def hire(role: int, count: int, at: int = school) -> list[int]:
            hired = list(range(len(keys), len(keys) + count))
            keys.extend(f"T{place.keys[at]}-{person - hired[0] + 1:03d}{'tcpai'[role]}" for person in hired)
            roles.extend((person, at, role) for person in hired)
            return hired

        students = place.sizes[school].sum()
        teachers.append(hire(0, max(4, -(-int((one_semester & (sections.school == school)).sum()) // LOAD))))
        counselors.append(hire(1, max(1, round(students / PER_COUNSELOR))))
        hire(2, 1)
        hire(3, 1)
        givers.append([*counselors[-1], *hire(4, max(1, round(students / 400)))])
        for at, grade in enumerate(MIDDLE_GRADES if school < place.middles else HIGH_GRADES):
            teams.append((f"{place.keys[school]}-G{grade}", school, grade))
            members += [(len(teams) - 1, person) for person in teachers[-1][at::4][:5]]
            members.append((len(teams) - 1, counselors[-1][at % len(counselors[-1])]))
    count = len(keys)
    pair = rng.integers(0, len(people.PAIRS), count)
    begins = number(years[0].starts_on)
    rows.add("staff", {
        "staff_id": Text(np.arange(count), keys),
        "given_name": Text(pair, people.GIVEN),
        "family_name": Text(pair, people.FAMILY),
        "email": Text(np.arange(count), [f"{key.lower()}@district.example" for key in keys]),
    })  # fmt: skip
    found = np.array(roles)
    rows.add("staff_roles", {
        "staff_id": Text(found[:, 0], keys),
        "organisation_id": Text(found[:, 1], place.keys),
        "role": Text(found[:, 2], ("teacher", "counselor", "principal", "administrator", "interventionist")),
        "begins_on": np.full(len(found), begins),
    })  # fmt: skip
    if place.number == 0:
        # Who works for the district and for no school.
        rows.add("staff", {
            "staff_id": Text(np.arange(2), ["TD001-001", "TD001-002"]),
            "given_name": Text(rng.integers(0, len(people.PAIRS), 2), people.GIVEN),
            "family_name": Text(rng.integers(0, len(people.PAIRS), 2), people.FAMILY),
            "email": Text(np.arange(2), ["analyst@district.example", "science@district.example"]),
        })  # fmt: skip
        rows.add("staff_roles", {
            "staff_id": Text(np.arange(2), ["TD001-001", "TD001-002"]),
            "organisation_id": Text(np.zeros(2, int), [DISTRICT]),
            "role": Text(np.arange(2), ("district_analyst", "data_scientist")),
            "begins_on": np.full(2, begins),
        })  # fmt: skip
    starts = np.array([[number(first) for first, _ in year.semesters] for year in years])
    kept = np.flatnonzero(starts[sections.year, sections.semester] <= through)
    who = np.empty(len(kept), int)
    for school in range(place.schools):
        mine = np.flatnonzero(sections.school[kept] == school)
        each = kept[mine]
        # A teacher keeps to a subject: classes are dealt out in its order, the same in every semester.
        order = sections.course[each] * 1_000 + sections.grade[each] * 100 + sections.pick[each]
        for turn in np.unique(sections.year[each] * 2 + sections.semester[each]):
            those = np.flatnonzero(sections.year[each] * 2 + sections.semester[each] == turn)
            ranked = those[np.argsort(order[those], kind="stable")]
            who[mine[ranked]] = np.array(teachers[school])[np.arange(len(ranked)) * len(teachers[school]) // len(ranked)]
    rows.add("teaching", {
        "staff_id": Text(who, keys),
        "section_id": Text(kept, sections.keys),
        "begins_on": starts[sections.year[kept], sections.semester[kept]],
    })  # fmt: skip
    rows.add("teams", {
        "team_id": Text(np.arange(len(teams)), [key for key, _, _ in teams]),
        "organisation_id": Text(np.array([school for _, school, _ in teams]), place.keys),
        "title": Text(np.arange(len(teams)), [f"Grade {grade} team" for _, _, grade in teams]),
        "grade_level": np.array([grade for _, _, grade in teams]),
    })  # fmt: skip
    pairs = np.array(sorted(set(members)))
    rows.add("team_members", {
        "team_id": Text(pairs[:, 0], [key for key, _, _ in teams]),
        "staff_id": Text(pairs[:, 1], keys),
    })  # fmt: skip
    return givers, keys


def caseload_rows(place: Zone, students: Students, last: Season, come: Yes, staff: list[str], givers: list[list[int]],
                  rows: Rows) -> None:  # fmt: skip
    """Write down whom counselors look after in the last year: by list, by grade or by surname, one way a school."""
    family = np.array([people.FAMILY[name] for name in students.name[last.who].tolist()])
    caseloads: list[tuple[str, int, int, int, int, int, int]] = []
    listed: list[tuple[int, Whole]] = []
    for school in range(place.schools):
        mine = [person for person in givers[school] if staff[person].endswith("c")]
        # By turns over schools and zones, so that a small district has all three ways as far as it has schools.
        way = (school + place.number) % 3
        here = np.flatnonzero((last.school[:, 1] == school) & (last.exit < 0) & ~last.no_show & come[last.who])
        here = here[np.argsort(family[here], kind="stable")]
        if way == 1:
            for at, grade in enumerate(MIDDLE_GRADES if school < place.middles else HIGH_GRADES):
                caseloads.append((f"C{place.keys[school]}-{grade}", mine[at % len(mine)], school, 1, grade, -1, -1))
        elif way == 2:
            cuts = [chr(ord("A") + 26 * at // len(mine)) for at in range(len(mine) + 1)]
            for at, person in enumerate(mine):
                upto = chr(ord(cuts[at + 1]) - 1) if at + 1 < len(mine) else "Z"
                caseloads.append((f"C{place.keys[school]}-{at + 1}", person, school, 2, -1, ord(cuts[at]) - 65, ord(upto) - 65))
        else:
            for at, person in enumerate(mine):
                listed.append((len(caseloads), last.who[here[at :: len(mine)]]))
                caseloads.append((f"C{place.keys[school]}-{at + 1}", person, school, 0, -1, -1, -1))
    found = np.array([one[1:] for one in caseloads])
    keys = [one[0] for one in caseloads]
    alphabet = [chr(65 + at) for at in range(26)]
    rows.add("caseloads", {
        "caseload_id": Text(np.arange(len(keys)), keys),
        "staff_id": Text(found[:, 0], staff),
        "organisation_id": Text(found[:, 1], place.keys),
        "by": Text(found[:, 2], ("student", "grade", "surname")),
        "grade_level": Maybe(found[:, 3], found[:, 3] < 0),
        "surname_from": Text(found[:, 4], alphabet),
        "surname_to": Text(found[:, 5], alphabet),
    })  # fmt: skip
    none = np.zeros(0, int)
    rows.add("caseload_students", {
        "caseload_id": Text(np.concatenate([none, *(np.full(len(whom), at) for at, whom in listed)]), keys),
        "student_id": Text(np.concatenate([none, *(whom for _, whom in listed)]), students.keys),
    })  # fmt: skip

"""The example school: twelve students, two terms, and one student, Ana, whose autumn is told by hand.

Spring 2026 is over; autumn 2026 runs from 1 September to 18 December. Everybody takes algebra; in autumn everybody
takes reading too, so that an enrolment is not a class. Leo leaves on 15 October, Kim comes on 12 October. Everything
that is not written out for Ana follows from a student's number, so that no two students are alike; Hal's mark of a2 is carried
over from an earlier attempt, Kim came from another school, and Eli has no internet at home since 1 December.

The school teaches on weekdays but for 7 September and the last week of October, and records exceptions only. On 14
October everybody but Ana is taught online.

:func:`tables` gives the school as frames, :func:`records` as records, :func:`export` as files. :func:`large_school`
is a school of the same tables that is large enough to train on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from features.records import Cohort, SchoolRecords, with_versions
from features.tables import GRAIN_KEYS, TABLES, Grain

Frames = dict[str, pl.DataFrame]

STUDENTS = ("ana", "ben", "cal", "dee", "eli", "fay", "gus", "hal", "ida", "jon", "kim", "leo")
SPRING, AUTUMN = (date(2026, 2, 2), date(2026, 6, 26)), (date(2026, 9, 1), date(2026, 12, 18))

#: The day on which most tests look at the school.
TODAY = date(2026, 11, 13)

#: Autumn's work: class, piece, kind, due, weight, best score.
WORK = (
    ("algebra-autumn", "a1", "tutor_marked", date(2026, 9, 15), 10.0, 20.0),
    ("algebra-autumn", "a2", "computer_marked", date(2026, 10, 1), 20.0, 100.0),
    ("algebra-autumn", "a3", "tutor_marked", date(2026, 10, 20), 20.0, 100.0),
    ("algebra-autumn", "a4", "computer_marked", date(2026, 11, 10), 20.0, 100.0),
    ("algebra-autumn", "a5", "tutor_marked", date(2026, 12, 1), 30.0, 100.0),
    ("algebra-autumn", "a-exam", "exam", date(2026, 12, 15), 100.0, 100.0),
    ("reading-autumn", "r1", "homework", date(2026, 10, 5), 50.0, 10.0),
    ("reading-autumn", "r2", "homework", date(2026, 11, 20), 50.0, 10.0),
    ("algebra-spring", "s1", "tutor_marked", date(2026, 3, 2), 50.0, 100.0),
    ("algebra-spring", "s2", "tutor_marked", date(2026, 5, 4), 50.0, 100.0),
)

#: Which skills a piece of work shows.
SKILLS = {"a1": ("ratios",), "a2": ("ratios", "fractions"), "a3": ("ratios",), "a4": ("ratios",), "a5": ("ratios",)}

#: What Ana handed in, and the mark it got: piece, handed in, score, marked.
ANA = (
    ("a1", date(2026, 9, 14), 16.0, date(2026, 9, 22)),  # a day early, 80 of 100
    ("a2", date(2026, 10, 3), 50.0, date(2026, 10, 3)),  # two days late
    ("a4", date(2026, 11, 9), 60.0, date(2026, 11, 9)),  # a3 is missing
    ("r1", date(2026, 10, 5), 9.0, date(2026, 10, 12)),
    ("a5", date(2026, 11, 30), 30.0, date(2026, 12, 8)),  # after TODAY
)

#: The days on which Ana was online in algebra: day, kind, clicks, pages.
ANA_ONLINE = (
    (date(2026, 8, 28), "content", 3, 2),  # before teaching began
    (date(2026, 9, 2), "content", 10, 4),
    (date(2026, 10, 20), "content", 5, 2),
    (date(2026, 11, 2), "discussion", 7, 3),
    (date(2026, 11, 2), "content", 2, 1),
    (date(2026, 11, 13), "quiz", 4, 1),
    (date(2026, 11, 14), "quiz", 40, 9),  # after TODAY
)

#: Days without teaching in autumn: a holiday, and a week of them.
HOLIDAYS = (date(2026, 9, 7), *(date(2026, 10, day) for day in range(26, 31)))

#: Ana's days that were not ordinary: day, status, share missed, excused, mode, suspension.
ANA_AWAY = (
    (date(2026, 9, 4), "absent", 1.0, False, "in_person", False),  # the 4th school day, a Friday
    (date(2026, 9, 16), "late", 0.1, False, "in_person", False),
    (date(2026, 10, 5), "absent", 1.0, True, "home_or_hospital", False),  # taught in hospital
    (date(2026, 10, 6), "absent", 1.0, True, "home_or_hospital", False),
    (date(2026, 10, 21), "present", 0.0, None, "remote", False),
    (date(2026, 10, 22), "absent", 1.0, False, "remote", False),
    (date(2026, 11, 3), "late", 0.0, None, "in_person", False),
    (date(2026, 11, 9), "absent", 0.5, True, "in_person", False),  # a part of a day, a Monday
    (date(2026, 11, 10), "absent", 1.0, True, "in_person", False),
    (date(2026, 11, 11), "absent", 1.0, False, "in_person", True),  # suspended
    (date(2026, 11, 13), "absent", 1.0, False, "in_person", False),  # TODAY: known tomorrow
)

#: Grading periods: first day, last day, and the half of the year that they are a part of.
PERIODS = {
    "spring-1": (date(2026, 2, 2), date(2026, 4, 17), "spring"),
    "spring-2": (date(2026, 4, 18), date(2026, 6, 26), "spring"),
    "autumn-1": (date(2026, 9, 1), date(2026, 10, 30), "autumn"),
    "autumn-2": (date(2026, 10, 31), date(2026, 12, 18), "autumn"),
}

#: Ana's report cards: class, grading period, mark.
ANA_REPORTS = (
    ("algebra-spring", "spring-1", 0.71),
    ("algebra-spring", "spring-2", 0.75),
    ("algebra-autumn", "autumn-1", 0.58),
    ("reading-autumn", "autumn-1", 0.66),
    ("algebra-autumn", "autumn-2", 0.5),  # after TODAY
    ("reading-autumn", "autumn-2", 0.7),
)

#: Incidents: which, who, day, part in it, exclusion, days lost.
INCIDENTS = (
    ("i1", "ben", date(2026, 10, 6), "perpetrator", "out_of_school", 2.0),
    ("i1", "ana", date(2026, 10, 6), "victim", "none", None),
    ("i2", "gus", date(2026, 11, 3), "perpetrator", "none", None),
    ("i3", "fay", date(2026, 9, 9), "perpetrator", "in_school", 0.5),
    ("i4", "fay", date(2026, 10, 31), "perpetrator", "none", None),  # a Saturday
    ("i5", "ana", date(2026, 11, 10), "perpetrator", "out_of_school", 1.0),
)

#: Which outcomes are not a pass.
SPRING_RESULTS = {"ben": "fail", "cal": "withdrawn", "dee": "incomplete"}
AUTUMN_RESULTS = {"ana": "fail", "leo": "withdrawn"}


def enrolment(student: str, term: str = "autumn") -> str:
    """Return the key of a student's stay."""
    return f"{student}-{term}"


def tables() -> Frames:
    """Return the school's tables, without the columns of versions."""
    return dict(_tables())


@cache
def _tables() -> Mapping[str, pl.DataFrame]:
    present = {"spring": STUDENTS[:10], "autumn": STUDENTS}
    stays = [(student, term) for term, students in present.items() for student in students]
    span = {"spring": SPRING, "autumn": AUTUMN}
    classes = {"spring": ("algebra-spring",), "autumn": ("algebra-autumn", "reading-autumn")}
    entered = {("kim", "autumn"): date(2026, 10, 12)}
    handed = [row for student, term in stays for row in _handed_in(student, term)]
    graded = [row for row in handed if row[4] is not None]
    best = {piece: most for _, piece, _, _, _, most in WORK}
    rows: dict[str, list[tuple[object, ...]]] = {
        "organisations": [("lincoln", "Lincoln School", "school", None), ("harbor", "Harbor School", "school", None)],
        "terms": [(term, term, *span[term], "semester") for term in span]
        + [(period, period, first, last, "grading_period", term) for period, (first, last, term) in PERIODS.items()],
        "calendar": [("lincoln", day, day.weekday() < 5 and day not in HOLIDAYS)
                     for first, last in span.values() for day in _days(first, last)],
        "courses": [("algebra", "Algebra", "mathematics", True), ("reading", "Reading", "language", True)],
        "sections": [
            (section, section.split("-")[0], term, "lincoln", section, *span[term])
            for term in span
            for section in classes[term]
        ],
        "students": [(student,) for student in STUDENTS],
        "identities": [(s, f"LIN-{n:04d}", s.title(), "Okafor", None, None) for n, s in enumerate(STUDENTS)],
        "demographics": [(s, "female" if n % 2 else "male", "11-15", n % 5 == 0, "3", "north", None)
                         for n, s in enumerate(STUDENTS)],
        "enrolments": [
            (enrolment(s, t), s, "lincoln", t, entered.get((s, t), span[t][0]), span[t][1], n % 2, 30.0 + 10 * (n % 3), 9,
             s == "dee" and t == "autumn")
            for n, (s, t) in enumerate(stays)
        ] + [("kim-harbor", "kim", "harbor", None, date(2025, 9, 1), date(2026, 1, 30), 0, None, 9)],
        "exits": [("leo-autumn", "leo", date(2026, 10, 15), "dropout"), ("cal-spring", "cal", date(2026, 4, 1), "withdrawn")],
        "rosters": [
            (s, enrolment(s, t), section, entered.get((s, t), span[t][0]), None) for s, t in stays for section in classes[t]
        ],
        "assignments": [(piece, section, piece.title(), kind, due, weight, most)
                        for section, piece, kind, due, weight, most in WORK],
        "submissions": [row[:4] for row in handed],
        "results": [(s, e, piece, "banked" if (s, piece) == ("hal", "a2") else "graded", score, marked)
                    for s, e, piece, _, score, marked in graded],
        "attendance": [row for s, t in stays for row in _away(s, t, entered.get((s, t), span[t][0]), span[t][1])],
        "section_attendance": [row for s, t in stays for section in classes[t]
                               for row in _lessons(s, t, section, entered.get((s, t), span[t][0]), span[t][1])],
        "incidents": [(one, s, enrolment(s), day, "school_violation", role, exclusion, lost)
                      for one, s, day, role, exclusion, lost in INCIDENTS],
        "activity": [row for student, term in stays for row in _online(student, term)],
        "course_marks": [row for s, t in stays for row in _reports(s, t, classes[t])],
        "digital_access": [("eli", date(2026, 9, 2), "own", "broadband", "family"),
                           ("eli", date(2026, 12, 1), "own", "none", "family"),
                           ("ana", date(2026, 9, 2), "shared", "mobile_only", "family")],
        "skills": [("ratios", "Use ratio reasoning", "mathematics"), ("fractions", "Add fractions", "mathematics"),
                   ("counting", "Count in steps", "mathematics")],
        "skill_prerequisites": [("ratios", "fractions"), ("fractions", "counting")],
        "assignment_skills": [(piece, skill) for piece, skills in SKILLS.items() for skill in skills],
        "skill_results": [
            (s, e, "algebra-autumn", skill, piece, day, score / best[piece])
            for s, e, piece, day, score, _ in graded
            for skill in SKILLS.get(piece, ())
        ]
        + [(s, enrolment(s, "spring"), "algebra-spring", "counting", f"test-{at}", date(2026, 5, 4) + timedelta(days=14 * at),
            (60 + (n * 13 + at * 7) % 40) / 100) for n, s in enumerate(present["spring"]) for at in range(2)],
        "outcomes": [(s, enrolment(s, "spring"), "algebra-spring", "spring", SPRING_RESULTS.get(s, "pass"), SPRING[1])
                     for s in present["spring"]]
        + [(s, enrolment(s), section, "autumn", AUTUMN_RESULTS.get(s, "pass"), AUTUMN[1])
           for s in STUDENTS for section in classes["autumn"]],
    }  # fmt: skip
    return {name: _frame(name, found) for name, found in rows.items()}


def _frame(name: str, rows: list[tuple[object, ...]]) -> pl.DataFrame:
    """Return rows as a frame; the last columns of a table may be left out of them, and are then empty."""
    schema = {column.name: column.type for column in TABLES[name].columns}
    return pl.DataFrame([(*row, *[None] * (len(schema) - len(row))) for row in rows], schema=schema, orient="row")


def _days(first: date, last: date) -> list[date]:
    """Return all days from the first to the last."""
    return [first + timedelta(days=at) for at in range((last - first).days + 1)]


def _away(student: str, term: str, first: date, last: date) -> list[tuple[object, ...]]:
    """Return student, enrolment, day, status, share missed, excused, mode and suspension of days that were not ordinary."""
    if student == "ana" and term == "autumn":
        return [("ana", "ana-autumn", *row) for row in ANA_AWAY]
    kinds: tuple[tuple[object, ...], ...] = (
        ("absent", 1.0, False, "in_person", False),
        ("late", 0.1, False, "in_person", False),
        ("absent", 1.0, True, "in_person", False),
        ("absent", 0.5, None, "in_person", False),
        ("absent", 1.0, True, "home_or_hospital", False),
        ("present", 0.0, None, "remote", False),
        ("absent", 1.0, False, "remote", False),
    )
    number = STUDENTS.index(student)
    known: dict[date, tuple[object, ...]] = {date(2026, 10, 14): kinds[6 if number % 3 == 1 else 5]}
    if student == "ben":
        known |= dict.fromkeys((date(2026, 10, 7), date(2026, 10, 8)), ("absent", 1.0, False, "in_person", True))
    return [
        (student, enrolment(student, term), day, *known.get(day, kinds[(at + number) % len(kinds)]))
        for at, day in enumerate(_days(first, last))
        if day.weekday() < 5 and day not in HOLIDAYS and ((at + number) % (4 + number) == 0 or day in known)
    ]


def _lessons(student: str, term: str, section: str, first: date, last: date) -> list[tuple[object, ...]]:
    """Return student, enrolment, class, day and status of one lesson a week."""
    number = STUDENTS.index(student)
    return [
        (student, enrolment(student, term), section, day, "absent" if (at // 7 * 3 + number) % 8 == 0 else "present")
        for at, day in enumerate(_days(first, last))
        if day.weekday() == 2
    ]


def _reports(student: str, term: str, sections: tuple[str, ...]) -> list[tuple[object, ...]]:
    """Return student, enrolment, class, grading period, mark, its letter, credits tried and earned, and the day."""
    number, found = STUDENTS.index(student), []
    written = {(section, period): mark for section, period, mark in ANA_REPORTS} if student == "ana" else {}
    for at, (period, (_, last, of)) in enumerate(PERIODS.items()):
        for section in sections if of == term else ():
            mark = written.get((section, period), (40 + (number * 11 + at * 17 + len(section) * 7) % 55) / 100)
            done = period == "spring-2" or (period == "autumn-2" and section.startswith("algebra"))
            worth: tuple[float | None, ...] = (5.0, 5.0 if mark >= 0.6 else 0.0) if done else (None, None)
            found.append((student, enrolment(student, term), section, period, mark, None, *worth, last))
    return found


def _handed_in(student: str, term: str) -> list[tuple[str, str, str, date, float | None, date]]:
    """Return student, enrolment, piece, day, score (or none yet) and day of the mark."""
    if student == "ana" and term == "autumn":
        return [("ana", "ana-autumn", *row) for row in ANA]
    number = STUDENTS.index(student)
    found: list[tuple[str, str, str, date, float | None, date]] = []
    for at, (section, piece, kind, due, _, best) in enumerate(WORK):
        if not section.endswith(term) or (number * 5 + at * 3) % 7 == 0 or (student == "leo" and due > date(2026, 10, 15)):
            continue
        handed = due - timedelta(days=(number * 2 + at) % 5 - 1)
        marked = handed if kind == "computer_marked" else max(due, handed) + timedelta(days=7)
        share = ((number * 17 + at * 29) % 75 + 25) / 100
        found.append((student, enrolment(student, term), piece, handed, round(share * best, 1), marked))
    return found


def _online(student: str, term: str) -> list[tuple[object, ...]]:
    """Return student, enrolment, class, day, kind, clicks and pages."""
    section = f"algebra-{term}"
    if student == "ana" and term == "autumn":
        return [("ana", "ana-autumn", section, *row) for row in ANA_ONLINE]
    number, start = STUDENTS.index(student), {"spring": SPRING, "autumn": AUTUMN}[term][0]
    kinds = ("content", "discussion", "quiz", "navigation", "live", "other")
    return [
        (student, enrolment(student, term), section, start + timedelta(days=day), kinds[(day + number) % 6],
         1 + (day * number) % 23, 1 + day % 4)
        for day in range(-5, 100, 2 + number)
    ]  # fmt: skip


@cache
def _records() -> SchoolRecords:
    return SchoolRecords.from_frames(tables())


def records(frames: Mapping[str, pl.DataFrame] | None = None) -> SchoolRecords:
    """Return the school's records, or those of changed frames."""
    return _records() if frames is None else SchoolRecords.from_frames(frames)


def export(folder: Path, frames: Mapping[str, pl.DataFrame] | None = None, *, parquet: bool = False) -> Path:
    """Write the school as an export in the canonical tables and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (tables() if frames is None else frames).items():
        if parquet:
            frame.write_parquet(folder / f"{name}.parquet")
        else:
            frame.write_csv(folder / f"{name}.csv")
    return folder


def one(student: str, unit: Grain = "section", as_of: date = TODAY, section: str = "algebra-autumn") -> Cohort:
    """Return a cohort of one row."""
    keys = dict(zip(GRAIN_KEYS["skill"], (student, enrolment(student), section, "ratios"), strict=True))
    return Cohort.of(pl.DataFrame({**{key: keys[key] for key in GRAIN_KEYS[unit]}, "as_of": [as_of]}), unit)


def plus(frames: Mapping[str, pl.DataFrame], table: str, *rows: Mapping[str, object]) -> Frames:
    """Return the frames with more rows in a table, each with the version columns that it gives."""
    given = {name: [row.get(name) for row in rows] for name in set().union(*rows)}
    more = pl.DataFrame(given, schema={name: TABLES[table].schema[name] for name in given})
    if "deleted" in given:
        more = more.with_columns(pl.col("deleted").fill_null(value=False))
    versions = [with_versions(part, TABLES[table], "default") for part in (frames[table], more)]
    return {**frames, table: pl.concat(versions)}


def large_school(students: int = 240, seed: int = 5) -> Frames:
    """Return a school of three terms, one class each, whose students' outcomes follow from what they hand in."""
    rng = np.random.default_rng(seed)
    starts = {"t1": date(2025, 1, 6), "t2": date(2025, 7, 7), "t3": date(2026, 1, 5)}
    length, dues = timedelta(days=150), (10, 24, 38, 52, 66, 80, 94, 108, 122)
    rows: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for term, starts_on in starts.items():
        section = f"biology-{term}"
        for number in range(students):
            student = f"pupil-{term}-{number:04d}-zq"
            stay, diligence = f"stay-{student}", float(rng.beta(2, 1.2))
            leaves = int(rng.integers(30, 140)) if rng.random() < 0.8 * (1 - diligence) else None
            last = 150 if leaves is None else leaves
            rows["students"].append((student,))
            rows["enrolments"].append((stay, student, "lincoln", term, starts_on, starts_on + length, 0, 30.0))
            rows["rosters"].append((student, stay, section, starts_on, None))
            total = 0.0
            for at, due in enumerate(dues):
                if due > last or rng.random() > diligence + 0.2:
                    continue
                score = round(float(np.clip(diligence * 80 + rng.normal(0, 15), 0, 100)), 1)
                total += score / len(dues)
                piece, day = f"w{at}-{term}", starts_on + timedelta(days=due - int(rng.integers(0, 4)))
                marked = day + timedelta(days=7)
                rows["submissions"].append((student, stay, piece, day))
                rows["results"].append((student, stay, piece, "graded", score, marked))
                rows["skill_results"].append((student, stay, section, "cells", piece, day, score / 100))
            rows["activity"] += [
                (student, stay, section, starts_on + timedelta(days=day), "content", int(rng.integers(1, 30)), 2)
                for day in range(last)
                if rng.random() < diligence / 3
            ]
            if leaves is not None:
                rows["exits"].append((stay, student, starts_on + timedelta(days=leaves), "dropout"))
            result = "withdrawn" if leaves is not None else "pass" if total >= 40 else "fail"
            rows["outcomes"].append((student, stay, section, term, result, starts_on + length))
    rows |= {
        "organisations": [("lincoln", "Lincoln School", "school", None)],
        "terms": [(term, term, day, day + length) for term, day in starts.items()],
        "courses": [("biology", "Biology", "science")],
        "sections": [(f"biology-{t}", "biology", t, "lincoln", t, day, day + length) for t, day in starts.items()],
        "assignments": [(f"w{at}-{t}", f"biology-{t}", f"W{at}", "tutor_marked", day + timedelta(days=due), 10.0, 100.0)
                        for t, day in starts.items() for at, due in enumerate(dues)],
        "skills": [("cells", "Tell how cells divide", "science")],
        "assignment_skills": [(f"w{at}-{t}", "cells") for t in starts for at in range(len(dues))],
    }  # fmt: skip
    return {name: _frame(name, found) for name, found in rows.items()}

"""The example school: twelve students, two terms, and one student, Ana, whose autumn is told by hand.

Spring 2026 is over; autumn 2026 runs from 1 September to 18 December. Everybody takes algebra; in autumn everybody
takes reading too, so that an enrolment is not a class. Leo leaves on 15 October, Kim comes on 12 October. Everything
that is not written out for Ana follows from a student's number, so that no two students are alike; Hal's mark of a2 is carried
over from an earlier attempt.

:func:`tables` gives the school as frames, :func:`records` as records, :func:`export` as files. :func:`large_school`
is a school of the same tables that is large enough to train on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
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

#: Which outcomes are not a pass.
SPRING_RESULTS = {"ben": "fail", "cal": "withdrawn", "dee": "incomplete"}
AUTUMN_RESULTS = {"ana": "fail", "leo": "withdrawn"}


def enrolment(student: str, term: str = "autumn") -> str:
    """Return the key of a student's stay."""
    return f"{student}-{term}"


def tables() -> Frames:
    """Return the school's tables, without the columns of versions."""
    present = {"spring": STUDENTS[:10], "autumn": STUDENTS}
    stays = [(student, term) for term, students in present.items() for student in students]
    span = {"spring": SPRING, "autumn": AUTUMN}
    classes = {"spring": ("algebra-spring",), "autumn": ("algebra-autumn", "reading-autumn")}
    entered = {("kim", "autumn"): date(2026, 10, 12)}
    handed = [row for student, term in stays for row in _handed_in(student, term)]
    graded = [row for row in handed if row[4] is not None]
    best = {piece: most for _, piece, _, _, _, most in WORK}
    rows: dict[str, list[tuple[object, ...]]] = {
        "organisations": [("lincoln", "Lincoln School", "school", None)],
        "terms": [(term, term, *span[term]) for term in span],
        "courses": [("algebra", "Algebra", "mathematics"), ("reading", "Reading", "language")],
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
            (enrolment(s, t), s, "lincoln", t, entered.get((s, t), span[t][0]), span[t][1], n % 2, 30.0 + 10 * (n % 3))
            for n, (s, t) in enumerate(stays)
        ],
        "exits": [("leo-autumn", "leo", date(2026, 10, 15), "dropout"), ("cal-spring", "cal", date(2026, 4, 1), "withdrawn")],
        "rosters": [
            (s, enrolment(s, t), section, entered.get((s, t), span[t][0]), None) for s, t in stays for section in classes[t]
        ],
        "assignments": [(piece, section, piece.title(), kind, due, weight, most)
                        for section, piece, kind, due, weight, most in WORK],
        "submissions": [row[:4] for row in handed],
        "results": [(s, e, piece, "banked" if (s, piece) == ("hal", "a2") else "graded", score, marked)
                    for s, e, piece, _, score, marked in graded],
        "activity": [row for student, term in stays for row in _online(student, term)],
        "skills": [("ratios", "Use ratio reasoning", "mathematics"), ("fractions", "Add fractions", "mathematics")],
        "assignment_skills": [(piece, skill) for piece, skills in SKILLS.items() for skill in skills],
        "skill_results": [
            (s, e, "algebra-autumn", skill, piece, day, score / best[piece])
            for s, e, piece, day, score, _ in graded
            for skill in SKILLS.get(piece, ())
        ],
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


def records(frames: Mapping[str, pl.DataFrame] | None = None) -> SchoolRecords:
    """Return the school's records, or those of changed frames."""
    return SchoolRecords.from_frames(tables() if frames is None else frames)


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

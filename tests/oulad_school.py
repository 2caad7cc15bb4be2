"""A school large enough to train on, as an export in the Open University's own files.

Two modules, each taught in spring 2013 and again in spring 2014, some six hundred students. How diligent a student is
decides what is handed in, what marks it gets, and who leaves, so that there is something to learn. A few are never
seen online, a few have no day of registration, a few bring a mark from an earlier attempt, and eight of each term
take both modules. Everything follows from a seed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features import sources
from features.records import SchoolRecords
from features.sources.oulad import Oulad

MODULES, TERMS = ("AAA", "BBB"), ("2013B", "2014B")
LENGTH, DUES = 200, (15, 30, 45, 60, 75, 90, 105, 120, 135, 150)

#: The first day of the later term, and the day on which most tests look at the school: ten weeks into it.
BEGINS, TODAY = date(2014, 2, 1), date(2014, 4, 12)

_ENROLMENT = ["code_module", "code_presentation", "id_student"]
_COLUMNS: Mapping[str, list[str]] = {
    "courses": ["code_module", "code_presentation", "module_presentation_length"],
    "assessments": ["code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight"],
    "vle": ["id_site", "code_module", "code_presentation", "activity_type"],
    "studentInfo": [*_ENROLMENT, "gender", "region", "highest_education", "imd_band", "age_band", "num_of_prev_attempts",
                    "studied_credits", "disability", "final_result"],
    "studentRegistration": [*_ENROLMENT, "date_registration", "date_unregistration"],
    "studentAssessment": ["id_assessment", "id_student", "date_submitted", "is_banked", "score"],
    "studentVle": [*_ENROLMENT, "id_site", "date", "sum_click"],
}  # fmt: skip

_Rows = dict[str, list[tuple[object, ...]]]


def export(folder: Path, each: int = 150, seed: int = 11) -> Path:
    """Write the school and return its folder; ``each`` is the number of students of a module in a term."""
    rng, number = np.random.default_rng(seed), 1000
    rows: _Rows = defaultdict(list)
    for at, here in enumerate((module, term) for term in TERMS for module in MODULES):
        work, pages = 100 * (at + 1), [10 * (at + 1) + page for page in range(4)]
        rows["courses"].append((*here, LENGTH))
        rows["assessments"] += [
            (*here, work + n, "CMA" if n % 3 == 2 else "TMA", due, 10.0 if n % 2 else 8.0) for n, due in enumerate(DUES)
        ]
        rows["assessments"].append((*here, work + 50, "Exam", None, 100.0))
        kinds = ("oucontent", "forumng", "quiz", "homepage")
        rows["vle"] += [(page, *here, kind) for page, kind in zip(pages, kinds, strict=True)]
        both = range(number - each, number - each + 8) if here[0] == "BBB" else ()
        for student in (*range(number, number + each), *both):
            _add(rng, rows, here, student, work, pages)
        number += each
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in _COLUMNS.items():
        pl.DataFrame(rows[name], schema=columns, orient="row").write_parquet(folder / f"{name}.parquet")
    return folder


def _add(rng: np.random.Generator, rows: _Rows, here: tuple[str, str], student: int, work: int, pages: Sequence[int]) -> None:
    diligence = float(rng.beta(2, 1.3))
    leaves = int(rng.integers(5, 190)) if rng.random() < 0.75 * (1 - diligence) else None
    last = LENGTH if leaves is None else leaves
    marks: list[float] = []
    for at, due in enumerate(DUES):
        if due > last or rng.random() > diligence + 0.25:
            continue
        score = float(np.clip(round(diligence * 75 + rng.normal(5, 18)), 0, 100))
        marks.append(score)
        banked = int(at == 0 and student % 37 == 0)
        handed = -1 if banked else due - int(rng.integers(-3, 9))
        rows["studentAssessment"].append((work + at, student, handed, banked, score))
    if student % 29:
        for day in np.flatnonzero(rng.random(last + 15) < 0.1 + 0.4 * diligence) - 15:
            for page in pages[: 1 + int(rng.integers(0, 4))]:
                rows["studentVle"].append((*here, student, page, int(day), int(rng.integers(1, 25))))
    result = "Withdrawn" if leaves is not None else "Pass" if sum(marks) / len(DUES) >= 40 else "Fail"
    ahead = None if student % 41 == 0 else -int(rng.integers(5, 90))
    rows["studentInfo"].append(
        (*here, student, "MF"[student % 2], "North", "A Level", "20-30%", "0-35", student % 3, 60, "N", result)
    )
    rows["studentRegistration"].append((*here, student, ahead, leaves))


def records_of(folder: Path) -> SchoolRecords:
    """Return the records of the export. A tutor's mark is known two weeks late, so events and knowledge differ."""
    reading = sources.read("oulad", folder, Oulad())
    assert not reading.problems
    return SchoolRecords.from_frames(reading.tables, digest=reading.digest)

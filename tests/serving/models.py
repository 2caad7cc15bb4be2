"""A school large enough to train on, and its models: what the tests of scores share.

The school is an export in the Open University's own files: two modules, each taught in spring 2013 and again in
spring 2014, some six hundred students. How diligent a student is decides what is handed in, what marks it gets, and
who leaves, so that there is something to learn. Everything follows from a seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features import sources
from features.catalog import Catalog
from features.problems import NotFound
from features.records import SchoolRecords
from features.sources.oulad import Oulad
from serving.requests import STUDENT_TABLES
from serving.scoring import Risk
from training.targets import TARGETS
from training.train import Training, train
from training.trained import TrainedModel

MODULES, TERMS = ("AAA", "BBB"), ("2013B", "2014B")
LENGTH, DUES = 200, (15, 30, 45, 60, 75, 90, 105, 120, 135, 150)

#: The day on which most tests look at the school: ten weeks into the spring of 2014.
TODAY = date(2014, 4, 12)

#: Few days, few trees, few draws: enough for every code path.
SETTINGS = Training(days=(0, 28, 56, 84), judged_days=(28, 56, 84), trees=25, bootstrap_draws=20)

_START = {"2013B": date(2013, 2, 1), "2014B": date(2014, 2, 1)}


def export(folder: Path, each: int = 150, seed: int = 11) -> Path:
    """Write the school as an export of the Open University's and return its folder."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in _COLUMNS}
    number = 1000
    for at, (module, term) in enumerate((module, term) for term in TERMS for module in MODULES):
        here = (module, term)
        work, pages = 100 * (at + 1), [10 * (at + 1) + page for page in range(4)]
        rows["courses"].append((*here, LENGTH))
        rows["assessments"] += [
            (*here, work + n, "CMA" if n % 3 == 2 else "TMA", due, 10.0 if n % 2 else 8.0) for n, due in enumerate(DUES)
        ]
        rows["assessments"].append((*here, work + 50, "Exam", None, 100.0))
        kinds = ("oucontent", "forumng", "quiz", "homepage")
        rows["vle"] += [(page, *here, kind) for page, kind in zip(pages, kinds, strict=True)]
        for student in range(number, number + each):
            _student(rng, rows, here, student, work, pages)
        if module == "BBB":  # some take both modules of a term
            for student in range(number - each, number - each + 8):
                _student(rng, rows, here, student, work, pages)
        number += each
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in _COLUMNS.items():
        pl.DataFrame(rows[name], schema=columns, orient="row").write_parquet(folder / f"{name}.parquet")
    return folder


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


def _student(
    rng: np.random.Generator, rows: dict[str, list[tuple[object, ...]]], here: tuple[str, str], student: int, work: int,
    pages: Sequence[int],
) -> None:  # fmt: skip
    """Add one student's stay: diligence decides nearly everything, chance the rest."""
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
        rows["studentAssessment"].append((work + at, student, -1 if banked else due - int(rng.integers(-3, 9)), banked, score))
    if student % 29:  # a few are never seen online
        for day in np.flatnonzero(rng.random(last + 15) < 0.1 + 0.4 * diligence) - 15:
            for page in pages[: 1 + int(rng.integers(0, 4))]:
                rows["studentVle"].append((*here, student, page, int(day), int(rng.integers(1, 25))))
    result = "Withdrawn" if leaves is not None else "Pass" if sum(marks) / len(DUES) >= 40 else "Fail"
    if result == "Pass" and diligence > 0.9:
        result = "Distinction"
    rows["studentInfo"].append((*here, student, "MF"[student % 2], "North", "A Level", "20-30%", "0-35", student % 3, 60, "N",
                                result))  # fmt: skip
    rows["studentRegistration"].append((*here, student, None if student % 41 == 0 else -int(rng.integers(5, 90)), leaves))


def records_of(folder: Path) -> SchoolRecords:
    """Return the records of an export; a tutor's mark is known two weeks late, so events and knowledge differ."""
    reading = sources.read("oulad", folder, Oulad())
    assert not reading.problems
    return SchoolRecords.from_frames(reading.tables, digest=reading.digest)


def train_on(records: SchoolRecords) -> tuple[TrainedModel, ...]:
    """Return a small model of every target, as the registry's version 1."""
    results = train(records, tuple(TARGETS), SETTINGS)
    return tuple(one.model.with_version("1") for one in results)


# -- requests -----------------------------------------------------------------------------------------------------


def students_on(records: SchoolRecords, as_of: date, count: int, seed: int = 3) -> list[str]:
    """Return some students who are enrolled on a day, in no order."""
    from features.cohort import on_dates

    everybody = sorted(on_dates(records, [as_of], "student").frame["student_id"])
    chosen = np.random.default_rng(seed).permutation(len(everybody))[:count]
    return [everybody[at] for at in chosen]


def rows_of(records: SchoolRecords, table: str, students: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return students' rows of a table as they would be sent, by student: every version, known yet or not."""
    wanted = sorted(students)
    found: dict[str, list[dict[str, Any]]] = {student: [] for student in wanted}
    rows = pl.concat(list(records.parts[table])).filter(pl.col("student_id").is_in(wanted)).collect()
    rows = rows.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).drop("tenant", "deleted")
    for row in rows.iter_rows(named=True):
        found[row["student_id"]].append({name: value for name, value in row.items() if value is not None})
    return found


def body_of(records: SchoolRecords, students: Sequence[str], as_of: date) -> dict[str, Any]:
    """Return a request that holds everything the school has of some students."""
    held = [table for table in STUDENT_TABLES if records.holds(table)]
    rows = {table: rows_of(records, table, students) for table in held}
    through = records.data_through(as_of)
    return {
        "as_of": as_of.isoformat(),
        "data_through": None if through is None else through.isoformat(),
        "students": [{"student_id": one, **{table: rows[table][one] for table in held}} for one in students],
    }


def bits(risk: Risk) -> dict[str, object]:
    """Return everything that a model says of a unit, numbers down to the last bit."""

    def exact(value: object) -> object:
        if isinstance(value, float):
            return value.hex()
        if isinstance(value, Mapping):
            return {name: exact(one) for name, one in value.items()}
        return tuple(map(exact, value)) if isinstance(value, tuple) else value

    names = ("student_id", "enrolment_id", "section_id", "skill_id", "as_of", "status", "status_reason", "values", "medians",
             "contributions", "by_concept", "base", "raw", "probability", "interval", "band", "expected",
             "expected_interval")  # fmt: skip
    return {name: exact(getattr(risk, name)) for name in names}


def key_of(risk: Risk) -> tuple[str, ...]:
    """Return what a score is about."""
    return (risk.model.target.name, risk.student_id, *(str(one) for one in (risk.enrolment_id, risk.section_id, risk.skill_id)))


# -- a registry of plain folders --------------------------------------------------------------------------------------


@dataclass
class Shelves:
    """What the registry of plain folders holds, for all tenants; a test promotes here."""

    folder: Path
    champions: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def put(self, model: TrainedModel, tenant: str = "default") -> None:
        """Keep a model under its version and promote it."""
        place = self.folder / tenant / model.target.name / model.version
        place.mkdir(parents=True, exist_ok=True)
        model.write(place)
        self.champions[tenant, model.target.name] = model.version

    def registry(self, folder: Path, tenant: str = "default", uri: str = "") -> FolderRegistry:
        """Stand in for the class ``Registry``."""
        del folder, uri
        return FolderRegistry(self, tenant)


@dataclass
class FolderRegistry:
    """A registry that needs no MLflow: the same questions, answered from folders."""

    shelves: Shelves
    tenant: str

    def champion(self, target: str) -> str | None:
        return self.shelves.champions.get((self.tenant, target))

    def tenants(self) -> list[str]:
        return sorted({tenant for tenant, _ in self.shelves.champions})

    def load(self, target: str, code: Catalog, version: str = "champion") -> TrainedModel:
        number = self.champion(target) if version == "champion" else version
        if number is None or number in self.shelves.broken:
            raise NotFound(f"{target}: there is no version {number}")
        return TrainedModel.read(self.shelves.folder / self.tenant / target / number, code, number)


def day_of(term: str, day: int) -> date:
    """Return a day of a term."""
    return _START[term] + timedelta(days=day)

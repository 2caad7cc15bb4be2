"""What is left out to learn how much terms differ: models that saw neither the student nor the term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from features.pipeline import FeatureTable
from features.records import SchoolRecords
from training import shift
from training.model import Trees
from training.run import Run, Training
from training.splits import Split
from training.targets import TARGETS

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Watched(Run):
    """A run whose classifier says nothing, and which keeps the rows that it was fitted on and asked about."""

    fitted_on: list[Array] = field(default_factory=list)
    asked: list[Array] = field(default_factory=list)

    def fitted_each(self, parts: Sequence[Array]) -> list[Trees]:
        return [self.fitted(rows) for rows in parts]

    def fitted(self, rows: Array, label: Array | None = None, unread: Sequence[int] = ()) -> Trees:
        self.fitted_on.append(np.flatnonzero(rows))

        def raw(matrix: Array) -> Array:
            self.asked.append(matrix[:, 0].astype(int))
            return np.zeros(len(matrix))

        return cast("Trees", SimpleNamespace(raw=raw))


def watched(
    students: Array, terms: Array, courses: Array, schools: Array, settings: Training, later: Array | None = None
) -> Watched:
    """Return a run of rows of which seven in eleven are learned from."""
    rows = len(students)
    at = [str(number) for number in range(rows)]
    stays = pl.LazyFrame({"enrolment_id": at, "organisation_id": schools.astype(str)})
    records = cast("SchoolRecords", SimpleNamespace(labels=lambda _table: stays))
    keys = pl.DataFrame(
        {"student_id": students.astype(str), "enrolment_id": at, "term_id": terms.astype(str), "course_id": courses.astype(str)}
    )
    learned = np.arange(rows) * 7 % 11 > 3
    fit, held = (learned, learned) if later is None else (learned & ~later, learned & later)
    folds = (students % settings.folds).astype(np.int64)
    split = Split(fit, None if later is None else held, ~learned, folds, date(2025, 1, 1), date(2025, 6, 1), 0)
    table = cast("FeatureTable", SimpleNamespace(matrix=lambda: np.arange(rows, dtype=float)[:, None]))
    none, nothing = np.zeros(rows, dtype=bool), np.zeros(rows)
    given: dict[str, Any] = {
        "records": records, "target": TARGETS["dropout"], "settings": settings, "table": table, "keys": keys, "split": split,
        "label": (np.arange(rows) % 2).astype(np.int8), "units": students.astype(str), "fit": fit, "held": held,
        "test": ~learned, "day": nothing,
    }  # fmt: skip
    # Whatever else a run knows of its rows is not asked for here.
    rest = {one.name: none for one in fields(Run) if one.name not in given}
    return Watched(**given, **rest)


ROWS = np.arange(600)


def refitted(run: Watched, level: Array) -> None:
    """Assert that whoever was asked about was in no fit, nor their level, and that every held row was asked about once."""
    students = run.keys["student_id"].to_numpy()
    assert sorted(np.concatenate(run.asked).tolist()) == np.flatnonzero(run.held).tolist()
    for rows, asked in zip(run.fitted_on, run.asked, strict=True):
        assert run.fit[rows].all()
        assert not set(students[rows]) & set(students[asked])
        assert not set(level[rows]) & set(level[asked])


def test_of_several_terms_each_is_left_out_with_the_students_asked_about() -> None:
    run = watched(ROWS % 200, ROWS // 200, ROWS % 5, ROWS % 2, Training(folds=3))
    found = shift.left_out(run, np.zeros(600))
    assert found is not None
    assert (found.by, found.refits) == ("terms", 9), "the same students come back, so each term is asked about fold by fold"
    refitted(run, ROWS // 200)
    assert set(found.place) == {"0", "1"}
    assert np.array_equal(~np.isnan(found.raw), run.held)


def test_of_one_term_schools_are_left_out_and_of_one_school_courses() -> None:
    schools = watched(ROWS, ROWS * 0, ROWS % 6, ROWS % 4, Training())
    found = shift.left_out(schools, np.zeros(600))
    assert found is not None
    assert (found.by, found.refits) == ("schools", 4)
    refitted(schools, ROWS % 4)
    courses = watched(ROWS, ROWS * 0, ROWS % 7, ROWS * 0, Training())
    found = shift.left_out(courses, np.zeros(600))
    assert found is not None
    assert (found.by, found.refits) == ("courses", 5), "seven courses in at most five parts"
    assert set(found.place) == {str(course) for course in range(7)}
    refitted(courses, ROWS % 7)


def test_refits_take_no_more_rows_than_a_few_refits_do() -> None:
    run = watched(ROWS, ROWS % 3, ROWS * 0, ROWS * 0, Training(refit_rows=100))
    assert shift.left_out(run, np.zeros(600)) is not None
    assert [len(rows) for rows in run.fitted_on] == [100] * 3


def test_a_later_term_that_calibrates_needs_no_refit() -> None:
    seen = np.arange(600.0)
    run = watched(ROWS, ROWS // 300, ROWS % 5, ROWS % 2, Training(), later=ROWS >= 300)
    found = shift.left_out(run, seen)
    assert found is not None
    assert (found.refits, run.fitted_on) == (0, [])
    assert np.array_equal(found.raw[run.held], seen[run.held])
    assert np.isnan(found.raw[~run.held]).all()


@pytest.mark.parametrize("settings", [Training(), Training(shift_parts=0)])
def test_where_there_is_nothing_to_compare_nothing_is_said(settings: Training) -> None:
    apart = ROWS % 4 if settings.shift_parts == 0 else ROWS * 0
    run = watched(ROWS, apart, apart, apart, settings)
    assert shift.left_out(run, np.zeros(600)) is None
    assert shift.learned(run, np.zeros(600)) is None
    assert run.fitted_on == []

"""The reference of a model: what it holds and does not hold, what it finds, and what leaves it quiet."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from training import drift
from training.drift import LEAST_IN_CELL, LEAST_STUDENTS, Limits, Reference, Rows

INPUTS = ("mark", "absences", "left", "rare", "clock")
TERMS, EACH = ("a", "b", "c"), 240


def rows(seed: int, terms: tuple[str, ...] = TERMS, days: tuple[int, ...] = (30, 60), each: int = EACH) -> Rows:
    """Rows of two schools: a mark, a count with many zeros, yes or no, a rare yes, and the day itself."""
    rng = np.random.default_rng(seed)
    parts, students, schools, named, when = [], [], [], [], []
    for term in terms:
        for day in days:
            mark = rng.normal(60, 15, each)
            absent = rng.poisson(day / 40, each).astype(float)
            left = (rng.random(each) < 0.25).astype(float)
            rare = (rng.random(each) < 0.01).astype(float)
            parts.append(np.column_stack([mark, absent, left, rare, np.full(each, float(day))]))
            students += [f"{term}-{number}" for number in range(each)]
            schools += ["north" if number % 2 else "south" for number in range(each)]
            named += [term] * each
            when += [day] * each
    return Rows(INPUTS, np.vstack(parts), np.array(students), np.array(schools), np.array(named), np.array(when))


def changed(found: Rows, name: str, values: np.ndarray) -> Rows:
    matrix = found.matrix.copy()
    matrix[:, INPUTS.index(name)] = values
    return replace(found, matrix=matrix)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return drift.described(rows(1))


def test_a_term_like_those_before_is_quiet(reference: Reference) -> None:
    alarms = 0
    for seed in range(20):
        for day in (30, 60):
            changes = drift.compare(reference, rows(100 + seed, ("d",), (day,)), Limits())
            assert len(changes) == len(INPUTS)
            alarms += any(one.drifted or one.missing for one in changes)
    assert alarms <= 4  # of 40: the limit is one in twenty


def test_the_index_alone_would_cry_wolf_in_a_small_school(reference: Reference) -> None:
    few = [drift.compare(reference, rows(100 + seed, ("d",), (30,), 60), Limits()) for seed in range(20)]
    marks = [one for changes in few for one in changes if one.name == "mark"]
    assert sum((one.index or 0) > 0.2 for one in marks) > 5
    assert sum(one.drifted for one in marks) <= 1


@pytest.mark.parametrize("name", ["mark", "absences", "left", "rare"])
def test_a_planted_shift_is_found_and_nothing_else(reference: Reference, name: str) -> None:
    now = rows(7, ("d",), (30,))
    values = now.matrix[:, INPUTS.index(name)]
    wrong = {"mark": values / 100, "absences": values + 3, "left": 1 - values, "rare": 1 - values}[name]
    assert [one.name for one in drift.compare(reference, changed(now, name, wrong), Limits()) if one.drifted] == [name]


def test_an_input_that_is_unknown_of_more_students_is_found(reference: Reference) -> None:
    now = rows(7, ("d",), (30,))
    marks = now.matrix[:, 0].copy()
    marks[::3] = np.nan
    [found] = [one for one in drift.compare(reference, changed(now, "mark", marks), Limits()) if one.missing]
    assert (found.name, found.known_before) == ("mark", 1.0)
    assert found.known_now == pytest.approx(2 / 3)


def test_what_one_school_alone_does_is_told_of_that_school(reference: Reference) -> None:
    now = rows(7, ("d",), (30,))
    marks = np.where(now.schools == "north", now.matrix[:, 0] / 100, now.matrix[:, 0])
    wrong = changed(now, "mark", marks)
    found = drift.compare_schools(reference, wrong, Limits(), ())
    assert [(one.school, one.name) for one in found] == [("north", "mark")]
    assert found[0].shift < -2
    assert drift.compare_schools(reference, now, Limits(), ()) == []


def test_between_two_days_of_the_reference_what_moves_with_the_calendar_is_no_change(reference: Reference) -> None:
    now = rows(7, ("d",), (45,))
    assert not [one for one in drift.compare(reference, now, Limits()) if one.drifted]
    wrong = changed(now, "mark", now.matrix[:, 0] / 100)
    assert [one.name for one in drift.compare(reference, wrong, Limits()) if one.drifted] == ["mark"]


def test_terms_that_differed_before_may_differ_again() -> None:
    before = rows(1)
    level = np.array([{"a": 0.0, "b": 12.0, "c": -12.0}[term] for term in before.terms])
    unsteady = drift.described(changed(before, "mark", before.matrix[:, 0] + level))
    now = rows(7, ("d",), (30,))
    shifted = changed(now, "mark", now.matrix[:, 0] + 12)
    assert unsteady.days[30].inputs["mark"].years > 0.1
    assert not any(one.drifted for one in drift.compare(unsteady, shifted, Limits()))
    assert any(one.drifted for one in drift.compare(drift.described(before), shifted, Limits()))


def test_a_reference_holds_no_students_value_and_no_cell_of_fewer_than_ten() -> None:
    before = rows(1, days=(30,))
    found = drift.described(before)
    for name, shape in found.days[30].inputs.items():
        values = before.matrix[:, INPUTS.index(name)]
        once = {value for value in values if (values == value).sum() < LEAST_IN_CELL}
        assert not once & set(shape.edges)
        counts = np.bincount(np.searchsorted(shape.edges, values), minlength=len(shape.shares))
        few = counts < LEAST_IN_CELL
        assert np.allclose(np.array(shape.shares)[few], LEAST_IN_CELL / 2 / len(values), rtol=1e-3)
    whole = json.dumps(found.as_dict())
    assert not [who for who in before.students if f'"{who}"' in whole]


def test_an_input_that_too_few_students_have_is_not_described() -> None:
    before = rows(1, days=(30,))
    marks = np.full(len(before.day), np.nan)
    marks[: LEAST_STUDENTS - 1] = 50.0
    shape = drift.described(changed(before, "mark", marks)).days[30].inputs["mark"]
    assert not shape.described
    assert drift.described(rows(1, ("a",), (30,), LEAST_STUDENTS - 1)).days == {}


def test_a_share_known_that_would_tell_of_a_few_is_told_as_all_or_none() -> None:
    before = rows(1, ("a",), (30,))
    marks = before.matrix[:, 0].copy()
    marks[:3] = np.nan
    assert drift.described(changed(before, "mark", marks)).days[30].inputs["mark"].known == 1.0


def test_a_reference_is_read_as_it_was_written(reference: Reference) -> None:
    assert Reference.from_dict(json.loads(json.dumps(reference.as_dict()))) == reference


def test_students_in_several_classes_are_counted_once(reference: Reference) -> None:
    now = rows(7, ("d",), (30,), 60)
    six = now.take(np.repeat(np.arange(60), 6))
    once, often = (drift.compare(reference, part, Limits())[0] for part in (now, six))
    assert (once.students, once.limit) == (often.students, often.limit)

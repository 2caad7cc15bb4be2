"""What a student's past tells: only the past, in one direction, the same bits one by one, at a cost that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import response_logs
from hypothesis import given
from hypothesis import strategies as st

from features.responses import BESIDE, ResponseLog
from features.tracing import FACTS, Difficulty, Numbers, StudentTrace, features_of, next_of


@cache
def log() -> ResponseLog:
    with TemporaryDirectory() as folder:
        return response_logs.of(response_logs.frame(students=24, length=20), Path(folder))


@cache
def difficulty() -> Difficulty:
    return Difficulty.fit(log(), log().student % 2 == 0)


@cache
def numbers() -> Numbers:
    return features_of(log(), difficulty())


def fact(name: str) -> int:
    return [one.name for one in FACTS].index(name)


def same(one: Numbers, other: Numbers) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def responses(of: ResponseLog, student: int) -> Iterator[tuple[int, list[int]]]:
    for at in range(of.begins[student], of.begins[student + 1]):
        yield at, of.tag[of.tag_from[at] : of.tag_from[at + 1]].tolist()


def told(trace: StudentTrace, of: ResponseLog, at: int, skills: list[int], right: float | None = None) -> None:
    noted = [of.beside[name][at] if name in of.beside else np.nan for name in BESIDE]
    trace.after(skills, of.right[at] if right is None else right, int(of.item[at]), of.order[at], noted)


# -- one by one -------------------------------------------------------------------------------------------------------


def test_one_student_traced_response_by_response_gets_the_bits_of_all_traced_together() -> None:
    for student in range(2):
        trace = StudentTrace.of(difficulty())
        for at, skills in responses(log(), student):
            assert same(trace.features(skills, int(log().item[at]), log().order[at]), numbers()[at])
            told(trace, log(), at, skills)


def test_a_next_response_is_the_same_for_one_student_and_for_all() -> None:
    trace = StudentTrace.of(difficulty())
    for at, skills in responses(log(), 3):
        told(trace, log(), at, skills)
    skills = np.arange(len(log().skills))
    found = next_of(log(), difficulty(), np.full(len(skills), 3), skills)
    assert all(same(trace.features([skill]), found[skill]) for skill in skills)


def test_the_order_in_which_students_are_followed_changes_no_bit() -> None:
    some = np.array([7, 2, 11])
    found = features_of(log(), difficulty(), some)
    rows = np.isin(log().student, some)
    assert same(found[rows], numbers()[rows])
    assert np.isnan(found[~rows]).all()


class Counted(np.ndarray):  # type: ignore[type-arg]
    """An array that counts how many cells are read from it and written to it."""

    cells = 0

    def __getitem__(self, key: object) -> object:
        found = super().__getitem__(key)  # type: ignore[index]
        Counted.cells += np.size(found)
        return np.asarray(found)

    def __setitem__(self, key: object, value: object) -> None:
        Counted.cells += np.size(value)
        super().__setitem__(key, value)  # type: ignore[index]


def test_one_more_response_touches_as_many_cells_after_a_hundred_as_after_ten() -> None:
    trace = StudentTrace.of(difficulty())
    touched = []
    for at in range(100):
        state = trace.trace
        state.students, state.skills = state.students.view(Counted), state.skills.view(Counted)
        Counted.cells = 0
        trace.features([at % 5], at % 30, float(at))
        trace.after([at % 5], at % 3 == 0, at % 30, float(at))
        touched.append(Counted.cells)
    assert touched[10] == touched[-1] > 0
    assert trace.trace.students.shape == StudentTrace.of(difficulty()).trace.students.shape
    assert trace.trace.skills.shape == StudentTrace.of(difficulty()).trace.skills.shape
    assert trace.trace.items.shape[1] == 32  # one place per item answered, twice as many where they run out


# -- only the past ------------------------------------------------------------------------------------------------------


def test_no_later_answer_changes_what_is_known_of_a_response() -> None:
    late = log().position > 6
    turned = replace(log(), right=np.where(late, 1 - log().right, log().right))
    early = log().position <= 7  # the seventh sees six answers, and all of them stayed
    assert same(features_of(turned, difficulty())[early], numbers()[early])
    assert not same(features_of(turned, difficulty()), numbers())


def test_without_what_came_later_all_is_as_it_was() -> None:
    early = log().take(log().position < 8)
    assert same(features_of(early, difficulty()), numbers()[log().position < 8])


def test_another_student_s_answers_change_nothing() -> None:
    others = log().student != 4
    turned = replace(log(), right=np.where(others, 1 - log().right, log().right))
    assert same(features_of(turned, difficulty(), np.array([4]))[~others], numbers()[~others])


def test_what_is_noted_beside_an_answer_is_read_of_earlier_ones_alone() -> None:
    longer = replace(log(), beside={**log().beside, "seconds": log().beside["seconds"] + 100.0})
    found = features_of(longer, difficulty())
    first = log().position == 0
    assert same(found[first], numbers()[first])
    later = log().position == 1
    assert np.allclose(found[later, fact("seconds")], numbers()[later, fact("seconds")] + 100, rtol=1e-5)


def test_difficulty_can_be_that_of_earlier_responses_alone() -> None:
    middle = float(np.quantile(log().order, 0.5))
    before = Difficulty.fit(log(), log().order < middle)
    nothing = Difficulty.fit(log(), np.zeros(len(log()), dtype=bool))
    found = features_of(log(), nothing, later=[(middle, before)])
    early = log().order < middle
    assert len(np.unique(found[early, fact("skill")])) == 1
    assert same(found[~early][:, [fact("skill"), fact("item")]],
                features_of(log(), before)[~early][:, [fact("skill"), fact("item")]])  # fmt: skip
    turned = replace(log(), right=np.where(early, log().right, 1 - log().right))
    assert Difficulty.fit(turned, early).as_dict() == before.as_dict()


# -- direction ----------------------------------------------------------------------------------------------------------


@given(student=st.integers(0, 23), at=st.integers(0, 18), skill=st.integers(0, 7), item=st.integers(-1, 30))
def test_a_right_last_answer_moves_every_number_the_way_that_is_declared(student: int, at: int, skill: int, item: int) -> None:
    found = []
    for right in (0.0, 1.0):
        trace = StudentTrace.of(difficulty())
        for n, (row, skills) in enumerate(responses(log(), student)):
            told(trace, log(), row, skills, right if n == at else None)
            if n == at:
                break
        asked = (trace.features([skill], item, log().order[row] + 5), trace.features(skills, int(log().item[row])))
        found.append(np.stack(asked))
    wrong, good = found
    for n, one in enumerate(FACTS):
        assert np.array_equal(np.isnan(wrong[:, n]), np.isnan(good[:, n])), one.name
        known = ~np.isnan(wrong[:, n])
        if one.direction == 0:
            assert (wrong[known, n] == good[known, n]).all(), one.name
        else:
            assert ((good[known, n] - wrong[known, n]) * one.direction >= 0).all(), one.name


@pytest.mark.full
def test_every_number_that_follows_answers_notices_one() -> None:
    noticed = set()
    for student in range(12):
        rows = list(responses(log(), student))
        last = rows[-1]
        found = []
        for right in (0.0, 1.0):
            trace = StudentTrace.of(difficulty())
            for row, skills in rows:
                told(trace, log(), row, skills, right if row == last[0] else None)
            more = next((one for one in range(len(log().skills)) if difficulty().before_weight[one] @
                         np.isin(difficulty().before[one], last[1]) > 0), last[1][0])  # fmt: skip
            found.append(np.stack([trace.features(last[1], int(log().item[last[0]])), trace.features([more])]))
        noticed |= {FACTS[n].name for n in np.flatnonzero((np.nan_to_num(found[0]) != np.nan_to_num(found[1])).any(axis=0))}
    late = {"second", "third", "skill_second", "above_new"}  # these follow an answer one or two responses later, or a first one
    assert {one.name for one in FACTS if one.direction} - noticed <= late
    assert not noticed & {one.name for one in FACTS if not one.direction}


# -- difficulty ---------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_difficulty_finds_which_skills_and_items_are_easy(tmp_path: Path) -> None:
    many = response_logs.of(response_logs.frame(students=150), tmp_path)
    found = Difficulty.fit(many, np.ones(len(many), dtype=bool))
    rng = np.random.default_rng(3)
    rng.normal(0, 1, 150)
    ease, hardness = rng.normal(0.4, 0.8, 8), rng.normal(0, 0.8, (8, 5))
    assert np.corrcoef(found.skill, [ease[int(name[-1])] - hardness[int(name[-1])].mean() for name in many.skills])[0, 1] > 0.8
    planted = [-hardness[int(name[1]), int(name[3])] + hardness[int(name[1])].mean() for name in many.items]
    assert np.corrcoef(found.item, planted)[0, 1] > 0.8
    assert found.general_curve[-1] > found.general_curve[0]
    assert found.spread > 0.3


def test_of_a_skill_never_seen_nothing_is_known_but_the_usual() -> None:
    more = difficulty().extended(len(log().skills) + 2)
    assert more.skill[-2:].tolist() == [0.0, 0.0]
    assert np.allclose(more.curve[-1], difficulty().general_curve)
    assert more.near_weight[-1].sum() == 0
    wider = replace(log(), skills=(*log().skills, "new"), tag=np.where(log().tag == 0, len(log().skills), log().tag))
    assert np.isfinite(features_of(wider, difficulty())[:, fact("odds")]).all()


def test_difficulty_is_the_same_after_it_was_written_down() -> None:
    again = Difficulty.from_dict(difficulty().as_dict())
    assert same(features_of(log(), again), numbers())


@pytest.mark.parametrize("students", [0, 1])
def test_an_empty_log_and_one_response_are_read(students: int, tmp_path: Path) -> None:
    made = response_logs.of(response_logs.frame().filter(response_logs.frame()["order_id"] == 1_005).head(students), tmp_path)
    found = features_of(made, Difficulty.fit(made, np.ones(len(made), dtype=bool)))
    assert found.shape == (students, len(FACTS))

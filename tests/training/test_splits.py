"""Who teaches and who judges: what was known before the test begins, and nobody twice."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.problems import Refused
from training.splits import LEAST_OF_EACH, Split, by_time, fold_of

STARTS = {"t1": date(2024, 1, 1), "t2": date(2024, 7, 1), "t3": date(2025, 1, 1), "t4": date(2025, 7, 1)}
LENGTH = 150
TERMS = pl.DataFrame(
    [(term, day, day + timedelta(days=LENGTH)) for term, day in STARTS.items()],
    schema=["term_id", "starts_on", "ends_on"],
    orient="row",
)


def rows(*terms: str, students: int = 150, again: int = 0, lag: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return keys and labels: each student of a term on two days; ``again`` of them are in every term."""
    keys, labels = [], []
    for term in terms:
        for number in range(students):
            student = f"all-{number}" if number < again else f"{term}-{number}"
            for day in (0, 28):
                keys.append((student, STARTS[term] + timedelta(days=day), term))
                labels.append((number % 2, STARTS[term] + timedelta(days=LENGTH + lag)))
    return (
        pl.DataFrame(keys, schema=["student_id", "as_of", "term_id"], orient="row"),
        pl.DataFrame(labels, schema={"label": pl.Int8, "known_on": pl.Date}, orient="row"),
    )


def terms_of(keys: pl.DataFrame, mask: np.ndarray) -> set[str]:
    return set(keys.filter(pl.Series(mask))["term_id"])


def students_of(keys: pl.DataFrame, mask: np.ndarray) -> set[str]:
    return set(keys.filter(pl.Series(mask))["student_id"])


def sound(split: Split, keys: pl.DataFrame, labels: pl.DataFrame) -> None:
    """What must hold of every split."""
    known = labels["known_on"]
    assert known.filter(pl.Series(split.fit)).max() < split.test_from  # type: ignore[operator]
    parts = [split.fit, split.test]
    if split.calibrate is not None:
        assert known.filter(pl.Series(split.calibrate)).max() < split.test_from  # type: ignore[operator]
        first = keys.filter(pl.Series(split.calibrate))["as_of"].min()
        assert known.filter(pl.Series(split.fit)).max() < first  # type: ignore[operator]
        parts.append(split.calibrate)
    for at, part in enumerate(parts):
        assert labels["label"].filter(pl.Series(part)).null_count() == 0
        for other in parts[at + 1 :]:
            assert not (part & other).any()
            assert not students_of(keys, part) & students_of(keys, other)


def test_one_closed_term_is_cross_fitted() -> None:
    keys, labels = rows("t1", "t2")
    split = by_time(keys, labels, TERMS, STARTS["t2"], 3)
    sound(split, keys, labels)
    assert split.cross_fitted
    assert (terms_of(keys, split.fit), terms_of(keys, split.test)) == ({"t1"}, {"t2"})
    assert (split.test_from, split.test_to) == (STARTS["t2"], STARTS["t2"] + timedelta(days=28))


def test_of_two_closed_terms_the_later_calibrates_and_the_fit_was_known_before_it() -> None:
    keys, labels = rows("t1", "t2", "t3")
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    sound(split, keys, labels)
    assert split.calibrate is not None
    assert not split.cross_fitted
    assert (terms_of(keys, split.fit), terms_of(keys, split.calibrate)) == ({"t1"}, {"t2"})


def test_a_term_whose_outcomes_are_late_is_not_closed() -> None:
    """An outcome known a month after the next term began taught nobody when that term began."""
    keys, labels = rows("t1", "t2", "t3", lag=60)
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    sound(split, keys, labels)
    assert split.cross_fitted
    assert terms_of(keys, split.fit) == {"t1"}


def test_a_closed_term_does_not_calibrate_what_was_learned_from_outcomes_of_its_own_time() -> None:
    """Outcomes of t1 came when t2 had begun: both are closed when t4 begins, but t1 could not have served t2."""
    keys, labels = rows("t1", "t2", "t3", "t4", lag=60)
    split = by_time(keys, labels, TERMS, STARTS["t4"], 3)
    sound(split, keys, labels)
    assert split.cross_fitted
    assert terms_of(keys, split.fit) == {"t1", "t2"}


def test_the_latest_term_with_outcomes_is_the_test_unless_a_day_is_given() -> None:
    keys, labels = rows("t1", "t2", "t3", "t4")
    labels = labels.with_columns(label=pl.when(keys["term_id"] == "t4").then(None).otherwise("label"))
    split = by_time(keys, labels, TERMS, None, 3)
    assert terms_of(keys, split.test) == {"t3"}
    assert split.test_from == STARTS["t3"]


def test_only_the_first_term_from_the_day_on_is_the_test() -> None:
    keys, labels = rows("t1", "t2", "t3", "t4")
    split = by_time(keys, labels, TERMS, STARTS["t2"] - timedelta(days=10), 3)
    assert terms_of(keys, split.test) == {"t2"}
    assert terms_of(keys, split.fit) == {"t1"}
    assert split.test_from == STARTS["t2"]


def test_students_of_the_test_teach_nothing_and_are_counted() -> None:
    keys, labels = rows("t1", "t2", again=20)
    split = by_time(keys, labels, TERMS, STARTS["t2"], 3)
    sound(split, keys, labels)
    assert split.apart == 40
    assert students_of(keys, split.test) >= {f"all-{number}" for number in range(20)}


def test_students_of_the_calibration_do_not_teach_either() -> None:
    keys, labels = rows("t1", "t2", "t3", again=20)
    keys = keys.with_columns(
        student_id=pl.when(pl.col("term_id") == "t3").then("student_id" + pl.lit("-other")).otherwise("student_id")
    )
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    sound(split, keys, labels)
    assert split.calibrate is not None
    assert split.apart == 0


def test_a_term_does_not_calibrate_where_too_few_others_are_left_to_learn_from() -> None:
    """Everybody of t1 is in t2 as well: without them nothing is left to fit on, so the terms are learned together."""
    keys, labels = rows("t1", "t2", "t3", again=150)
    keys = keys.with_columns(
        student_id=pl.when(pl.col("term_id") == "t3").then("student_id" + pl.lit("-other")).otherwise("student_id")
    )
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    sound(split, keys, labels)
    assert split.cross_fitted
    assert terms_of(keys, split.fit) == {"t1", "t2"}


def test_rows_without_a_label_are_in_nothing() -> None:
    keys, labels = rows("t1", "t2", students=240)
    labels = labels.with_columns(label=pl.when(pl.int_range(pl.len()) % 3 > 0).then("label"))
    split = by_time(keys, labels, TERMS, STARTS["t2"], 3)
    sound(split, keys, labels)


@pytest.mark.parametrize(
    ("terms", "test_from", "students", "said"),
    [
        (("t1", "t2"), date(2030, 1, 1), 150, "no term begins on or after"),
        (("t1", "t2"), STARTS["t1"], 150, "fewer than 50 outcomes of each kind were known before 2024-01-01"),
        (("t1", "t2"), STARTS["t2"], LEAST_OF_EACH - 2, "fewer than 50 outcomes of each kind"),
        (("t1", "t2"), STARTS["t3"], 150, "no outcome of the test term is on record"),
        ((), None, 0, "no term begins"),
    ],
)
def test_records_that_cannot_be_split_are_refused_with_a_way_out(
    terms: tuple[str, ...], test_from: date | None, students: int, said: str
) -> None:
    keys, labels = rows(*terms, students=students)
    if not terms:
        keys, labels = (frame.clear() for frame in rows("t1", students=2))
    with pytest.raises(Refused, match=said) as refused:
        by_time(keys, labels, TERMS, test_from, 3)
    assert refused.value.problems[0].hint


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=60), st.integers(2, 5))
def test_a_student_is_in_one_fold_whatever_the_order(students: list[str], folds: int) -> None:
    found = fold_of(pl.Series(students), folds)
    assert set(found) <= set(range(folds))
    assert list(fold_of(pl.Series(students[::-1]), folds)) == list(found[::-1])
    assert all(len({fold for name, fold in zip(students, found, strict=True) if name == student}) == 1 for student in students)


def test_folds_are_of_about_the_same_size() -> None:
    found = fold_of(pl.Series([f"student-{number}" for number in range(3000)]), 3)
    assert np.bincount(found).min() > 900


def test_where_the_same_students_come_back_a_third_is_held_out_and_judged_on() -> None:
    keys, labels = rows("t1", "t2", "t3", students=900, again=900)
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    assert split.held_out
    assert terms_of(keys, split.test) == {"t3"}
    tested, taught = students_of(keys, split.test), students_of(keys, split.fit)
    assert not tested & taught
    assert 0.28 < len(tested) / 900 < 0.38
    assert tested | taught == students_of(keys, np.ones(len(keys), dtype=bool))
    assert split.apart == sum(keys.filter(pl.col("term_id") != "t3")["student_id"].is_in(list(tested)))


def test_few_who_come_back_are_left_out_of_training_and_all_are_judged_on() -> None:
    keys, labels = rows("t1", "t2", "t3", students=300, again=60)
    split = by_time(keys, labels, TERMS, STARTS["t3"], 3)
    assert not split.held_out
    assert len(students_of(keys, split.test)) == 300


def test_an_outcome_known_before_the_first_judged_day_of_the_test_teaches() -> None:
    keys, labels = rows("t1", "t2", lag=50)
    known = labels["known_on"][0]
    assert STARTS["t2"] <= known < STARTS["t2"] + timedelta(days=28)
    with pytest.raises(Refused, match="outcomes of each kind were known"):
        by_time(keys, labels, TERMS, STARTS["t2"], 3)
    judged = (keys["as_of"] - keys["term_id"].replace_strict(STARTS, return_dtype=pl.Date)).dt.total_days().to_numpy() == 28
    split = by_time(keys, labels, TERMS, STARTS["t2"], 3, judged)
    assert split.fit.any()
    assert keys.filter(pl.Series(split.test))["as_of"].min() == STARTS["t2"] + timedelta(days=28)

"""Labels by hand on the example school; what cannot be observed yet is null, never negative."""

from __future__ import annotations

from datetime import date

import example_school
import polars as pl
import pytest
from example_school import AUTUMN, SPRING, TODAY, one, plus
from trainings import COURSE_TARGETS

from features import cohort
from features.records import Cohort, SchoolRecords
from features.tables import GRAIN_KEYS, Grain
from training.targets import TARGETS, Target

PASS_MARK = 0.4


def labels(records: SchoolRecords, name: str, asked: Cohort, known_by: date | None = None) -> list[tuple[object, ...]]:
    return TARGETS[name].labels(records, asked, PASS_MARK, known_by).rows()


def by_student(records: SchoolRecords, name: str, day: date, unit: Grain) -> dict[str, int | None]:
    asked = cohort.on_dates(records, [day], unit)
    found = TARGETS[name].labels(records, asked, PASS_MARK)["label"]
    return dict(zip(asked.frame["student_id"], found, strict=True))


def test_failing_is_not_leaving_and_both_are_not_passing(school: SchoolRecords) -> None:
    day = date(2026, 3, 1)
    assert by_student(school, "dropout", day, "enrolment") == {
        **dict.fromkeys(("ana", "ben", "eli", "fay", "gus", "hal", "ida", "jon"), 0), "cal": 1, "dee": None,
    }  # fmt: skip
    assert by_student(school, "course_failure", day, "section") == {
        **dict.fromkeys(("ana", "eli", "fay", "gus", "hal", "ida", "jon"), 0), "ben": 1, "cal": 1, "dee": None,
    }  # fmt: skip


def test_a_label_tells_the_day_on_which_it_was_known(school: SchoolRecords) -> None:
    asked = one("ana")
    assert labels(school, "course_failure", asked) == [(1, AUTUMN[1], None)]
    assert labels(school, "course_failure", asked, known_by=AUTUMN[1]) == [(1, AUTUMN[1], None)]
    assert labels(school, "course_failure", asked, known_by=date(2026, 12, 17)) == [(None, None, None)]


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_on_record_is_null_and_never_negative(name: str) -> None:
    frames = example_school.tables()
    told = ("outcomes", "skill_results", "attendance")
    for table in told:
        frames[table] = frames[table].filter(pl.lit(value=False))
    empty = example_school.records(frames)
    without = example_school.records({n: f for n, f in frames.items() if n not in told})
    for records in (empty, without):
        asked = cohort.on_dates(records, [TODAY], TARGETS[name].unit)
        assert len(asked) > 10
        assert set(labels(records, name, asked)) == {(None, None, None)}


def test_an_outcome_counts_as_it_was_first_decided() -> None:
    row = {"student_id": "ana", "enrolment_id": "ana-autumn", "section_id": "algebra-autumn", "term_id": "autumn",
           "result": "pass", "decided_on": AUTUMN[1]}  # fmt: skip
    changed = plus(
        example_school.tables(), "outcomes", row | {"known_on": date(2027, 2, 1)},
        row | {"known_on": date(2027, 3, 1), "deleted": True},
    )  # fmt: skip
    assert labels(example_school.records(changed), "course_failure", one("ana")) == [(1, AUTUMN[1], None)]


@pytest.mark.parametrize(
    ("as_of", "label", "score", "known"),
    [
        (date(2026, 9, 1), 0, 0.8, date(2026, 9, 14)),  # a1 at .8
        (date(2026, 9, 13), 0, 0.8, date(2026, 9, 14)),
        (date(2026, 9, 14), 0, 0.5, date(2026, 10, 3)),  # a1 is of that day, so a2 is next
        (TODAY, 1, 0.3, date(2026, 11, 30)),  # a5 at .3
        (date(2026, 11, 29), 1, 0.3, date(2026, 11, 30)),
        (date(2026, 11, 30), None, None, None),  # nothing more
    ],
)
def test_a_gap_is_about_the_next_evidence_after_the_day(
    school: SchoolRecords, as_of: date, label: int | None, score: float | None, known: date | None
) -> None:
    assert labels(school, "learning_gap", one("ana", "skill", as_of)) == [(label, known, score)]


def test_a_gap_is_judged_by_the_pass_mark_of_the_source(school: SchoolRecords) -> None:
    asked = one("ana", "skill", date(2026, 9, 14))
    found = {mark: TARGETS["learning_gap"].labels(school, asked, mark)["label"].item() for mark in (0.4, 0.5, 0.51, 0.8)}
    assert found == {0.4: 0, 0.5: 0, 0.51: 1, 0.8: 1}


def test_the_next_evidence_counts_as_it_was_first_known_whatever_the_order_of_the_rows() -> None:
    last = pl.col("evidence_id") == "a5", pl.col("student_id") == "ana"
    row = example_school.tables()["skill_results"].filter(*last).row(0, named=True)
    row |= {"score_share": 0.9, "known_on": date(2026, 12, 20)}
    frames = plus(example_school.tables(), "skill_results", row)
    for changed in (frames, {**frames, "skill_results": frames["skill_results"].reverse()}):
        assert labels(example_school.records(changed), "learning_gap", one("ana", "skill")) == [(1, date(2026, 11, 30), 0.3)]


def test_evidence_of_another_skill_or_student_is_none_of_this_one(school: SchoolRecords) -> None:
    found = cohort.on_dates(school, [TODAY], "skill")
    rows = TARGETS["learning_gap"].labels(school, found, PASS_MARK)
    evidence = example_school.tables()["skill_results"].filter(pl.col("occurred_on") > TODAY)
    assert rows["label"].count() == evidence["student_id"].n_unique()
    other = found.frame.with_columns(skill_id=pl.lit("other"))
    assert TARGETS["learning_gap"].labels(school, Cohort(other, "skill"), PASS_MARK)["label"].count() == 0


@pytest.mark.parametrize("name", COURSE_TARGETS)
def test_labels_come_in_the_order_of_the_cohort(school: SchoolRecords, name: str) -> None:
    asked = cohort.on_dates(school, [SPRING[0], date(2026, 9, 10), TODAY], TARGETS[name].unit)
    rows = asked.frame.with_columns(TARGETS[name].labels(school, asked, PASS_MARK))
    mixed = Cohort(asked.frame.sample(fraction=1, shuffle=True, seed=4), asked.unit)
    again = mixed.frame.with_columns(TARGETS[name].labels(school, mixed, PASS_MARK))
    keys = ["as_of", *GRAIN_KEYS[asked.unit]]
    assert again.sort(keys).equals(rows.sort(keys))
    assert rows["label"].count() > 0


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_target_has_words_for_what_happened_and_what_did_not(target: Target) -> None:
    assert all((target.says, target.horizon, target.happened, target.did_not))
    assert target.label.__doc__


def test_a_target_that_gives_too_few_labels_is_a_fault_of_ours(school: SchoolRecords) -> None:
    def short(records: SchoolRecords, asked: Cohort, pass_mark: float) -> pl.DataFrame:
        return TARGETS["dropout"].label(records, asked, pass_mark).head(1)

    target = Target("short", "section", "x", "x", "x", "x", short, ())
    with pytest.raises(AssertionError, match="short gave 1 labels for 22 rows"):
        target.labels(school, cohort.on_dates(school, [TODAY], "section"), PASS_MARK)

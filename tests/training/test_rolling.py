"""One origin after another: what each model knew, whom it is judged on, and what can never serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_splits import STARTS, TERMS, rows, sound, students_of, terms_of
from trainings import QUICK

from features.problems import Refused
from features.records import SchoolRecords
from training import rolling, splits
from training.rolling import InTime, Protocol, Schedule
from training.train import Result, train


def timed(
    keys: pl.DataFrame, labels: pl.DataFrame, test_from: date, schedule: Schedule | None = None, protocol: Protocol = "time"
) -> InTime:
    schedule, judged = schedule or Schedule(), np.ones(keys.height, dtype=bool)
    split = splits.by_time(keys, labels, TERMS, test_from, 3, judged, schedule.back_days, protocol == "transfer")
    return rolling.in_time(split, keys, labels, TERMS, schedule, protocol, 3, judged)


FOUR = rows("t1", "t2", "t3", "t4")


def test_at_every_origin_all_outcomes_learned_from_were_known_before_the_test_and_nobody_is_in_both() -> None:
    keys, labels = rows("t1", "t2", "t3", "t4", again=20)
    found = timed(keys, labels, STARTS["t4"]).origins
    assert [one.test_from for one in found] == [STARTS["t4"], STARTS["t3"], STARTS["t2"]]
    for number, one in enumerate(found):
        sound(one.split, keys, labels)
        begins = keys.filter(pl.Series(one.split.test))["as_of"].min()
        learned = one.split.fit if one.split.calibrate is None else one.split.fit | one.split.calibrate
        known = labels["known_on"].filter(pl.Series(learned))
        assert one.split.known_by == known.max()
        assert known.max() < begins  # type: ignore[operator]
        assert not students_of(keys, learned) & students_of(keys, one.split.test)
        assert terms_of(keys, one.split.test) == {f"t{4 - number}"}


def test_outcomes_that_take_longer_leave_fewer_origins() -> None:
    keys, labels = rows("t1", "t2", "t3", "t4", lag=60)
    assert [one.test_from for one in timed(keys, labels, STARTS["t4"]).origins] == [STARTS["t4"], STARTS["t3"]]


@pytest.mark.parametrize(
    ("schedule", "tested"),
    [(Schedule(every=2), ["t4", "t2"]), (Schedule(origins=2), ["t4", "t3"]), (Schedule(origins=1), ["t4"]),
     (Schedule(every=3), ["t4"])],
)  # fmt: skip
def test_a_schedule_says_how_often_a_model_is_trained_and_how_many_tests_there_are(
    schedule: Schedule, tested: list[str]
) -> None:
    assert [one.test_from for one in timed(*FOUR, STARTS["t4"], schedule).origins] == [STARTS[term] for term in tested]


def test_rows_from_too_far_back_are_not_learned_from() -> None:
    keys, labels = FOUR
    back = (STARTS["t4"] - STARTS["t2"]).days
    for days, learned in ((0, {"t1", "t2", "t3"}), (back, {"t2", "t3"})):
        split = splits.by_time(keys, labels, TERMS, STARTS["t4"], 3, back_days=days)
        sound(split, keys, labels)
        assert split.calibrate is not None
        assert terms_of(keys, split.fit | split.calibrate) == learned


def test_only_transfer_learns_from_outcomes_that_were_not_known_and_it_has_one_test() -> None:
    keys, labels = rows("t1", "t2", "t3", lag=60, again=10)
    by_time = timed(keys, labels, STARTS["t3"])
    transfer = timed(keys, labels, STARTS["t3"], protocol="transfer")
    assert terms_of(keys, by_time.origins[0].split.fit) == {"t1"}
    (only,) = transfer.origins
    assert terms_of(keys, only.split.fit) == {"t1", "t2"}
    assert only.split.known_by is not None
    assert only.split.known_by > STARTS["t3"]
    assert not students_of(keys, only.split.fit) & students_of(keys, only.split.test)
    assert only.split.cross_fitted


def test_a_schedule_that_cannot_be_is_refused_with_every_fault() -> None:
    with pytest.raises(Refused) as refused:
        Schedule(every=0, back_days=-1, group="town").check()
    assert {one.where for one in refused.value.problems} == {"schedule.every", "schedule.back_days", "schedule.group"}
    Schedule(group="course").check()


# -- in a training run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dropout", "course_failure"])
def test_a_card_tells_of_every_origin_the_models_own_first(results: Mapping[str, Result], name: str) -> None:
    card = results[name].model.card
    told = card["protocol"]
    assert told["name"] == "time"
    own, earlier = told["origins"]
    assert (own["rows"], own["auc"]) == (card["test"]["rows"], card["metrics"]["auc"])
    for one in told["origins"]:
        assert one["train_to"] < one["outcomes_known_by"] < one["test_from"] <= one["test_to"]
    assert earlier["test_to"] < own["test_from"]
    assert 0 < earlier["positives"] < earlier["rows"]
    assert earlier["auc"] not in (None, own["auc"]), "another model, judged on another term"
    assert "2 origins" in told["says"]


@pytest.fixture(scope="module")
def transfer(large_records: SchoolRecords) -> Result:
    (found,) = train(large_records, ["dropout"], QUICK, pass_mark=0.5, protocol="transfer", test_from=date(2025, 7, 7))
    return found


@pytest.mark.full
def test_what_was_trained_for_comparison_says_so_and_passes_no_gate(transfer: Result) -> None:
    told = transfer.model.card["protocol"]
    assert (transfer.protocol, told["name"], transfer.passed_gate) == ("transfer", "transfer", False)
    assert "never serve" in told["says"]
    assert transfer.model.card["gate"]["passed"] is False


@pytest.mark.full
def test_on_schools_never_seen_a_model_is_judged_by_one_that_had_not_seen_them(large_records: SchoolRecords) -> None:
    """Pupils are put into four schools by their number; one of them turns every outcome around."""
    frames = {name: large_records.labels(name).collect() for name in large_records.parts}
    number = pl.col("student_id").str.extract(r"-(\d{4})-").cast(pl.Int64)
    frames["enrolments"] = frames["enrolments"].with_columns(organisation_id=pl.format("school-{}", number % 4))
    turned = {"pass": "fail", "fail": "pass", "withdrawn": "pass"}
    odd = number % 4 == 3
    frames["outcomes"] = frames["outcomes"].with_columns(
        result=pl.when(odd).then(pl.col("result").replace_strict(turned)).otherwise("result")
    )
    records = SchoolRecords.from_frames(frames)
    (found,) = train(records, ["course_failure"], QUICK, schedule=Schedule(group="school", parts=4, origins=1))
    told: dict[str, Any] = found.model.card["protocol"]["transport"]
    assert (told["by"], told["groups"], told["fits"]) == ("school", 4, 4)
    each = {one["group"]: one for one in told["each"]}
    assert each["school-3"]["auc_unseen"] < 0.5 < min(each[f"school-{one}"]["auc_unseen"] for one in range(3))
    one_school = train(
        large_records, ["course_failure"], replace(QUICK, refits=0), schedule=Schedule(group="school", origins=1)
    )
    assert one_school[0].model.card["protocol"]["transport"]["groups"] == 1


def test_terms_that_begin_on_one_day_are_one_origin() -> None:
    keys, labels = FOUR
    twin = TERMS.vstack(TERMS.filter(term_id="t2").with_columns(term_id=pl.lit("t2b")))
    judged = np.ones(keys.height, dtype=bool)
    split = splits.by_time(keys, labels, twin, STARTS["t4"], 3, judged)
    found = rolling.in_time(split, keys, labels, twin, Schedule(), "time", 3, judged)
    assert [one.test_from for one in found.origins] == [STARTS["t4"], STARTS["t3"], STARTS["t2"]]
    assert STARTS["t2"] + timedelta(days=1) not in {one.test_from for one in found.origins}

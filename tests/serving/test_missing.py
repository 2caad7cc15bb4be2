"""A run stops where something is missing that was always known, says where and why, and stops for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from features.cohort import on_dates
from features.pipeline import build
from features.problems import Refused
from features.records import SchoolRecords
from features.standard import STANDARD
from serving import missing
from training import drift
from training.drift import Rows, watched
from training.targets import TARGETS
from training.trained import TrainedModel

BEGINS, AS_OF = date(2025, 9, 1), date(2025, 11, 10)
SCHOOLS = {"north": "negative", "south": "positive"}
EACH = 60


def tables(each: int = EACH) -> dict[str, pl.DataFrame]:
    """Two schools, one that records absences alone and one that records every day."""
    rng = np.random.default_rng(3)
    ends = BEGINS + timedelta(days=280)
    days = [BEGINS + timedelta(days=at) for at in range((AS_OF - BEGINS).days)]
    days = [day for day in days if day.weekday() < 5]
    pupils = [(f"{school}-{number}", school) for school in SCHOOLS for number in range(each)]
    away = [
        (pupil, day, absent)
        for pupil, school in pupils
        for day, absent in zip(days, rng.random(len(days)) < rng.uniform(0.02, 0.2), strict=True)
        if absent or SCHOOLS[school] == "positive"
    ]
    attendance = pl.DataFrame(away, schema={"student_id": pl.String, "on": pl.Date, "absent": pl.Boolean}, orient="row")
    return {
        "organisations": pl.DataFrame({"organisation_id": list(SCHOOLS), "attendance_method": list(SCHOOLS.values())})
        .with_columns(kind=pl.lit("school")),
        "terms": pl.DataFrame({"term_id": ["2025"], "starts_on": [BEGINS], "ends_on": [ends], "kind": ["school_year"]}),
        "calendar": pl.DataFrame([(school, day, True) for school in SCHOOLS for day in days], orient="row",
                                 schema={"organisation_id": pl.String, "on": pl.Date, "instructional": pl.Boolean}),
        "enrolments": pl.DataFrame(pupils, schema=["student_id", "organisation_id"], orient="row").with_columns(
            enrolment_id="student_id", term_id=pl.lit("2025"), entered_on=pl.lit(BEGINS), planned_end_on=pl.lit(ends),
            grade_level=pl.lit(9),
        ),
        "attendance": attendance.select(
            "student_id", "on", enrolment_id="student_id", absent_share=pl.col("absent").cast(pl.Float64),
            status=pl.when("absent").then(pl.lit("absent")).otherwise(pl.lit("present")),
        ),
    }  # fmt: skip


def records(**other: pl.DataFrame) -> SchoolRecords:
    return SchoolRecords.from_frames({**tables(), **other})


def model(each: int = EACH) -> TrainedModel:
    """All of a model that is looked at here: what it reads, and a reference made of the whole school."""
    whole = SchoolRecords.from_frames(tables(each))
    catalog = STANDARD.within(frozenset(whole.parts))
    table = build(whole, on_dates(whole, [AS_OF], "enrolment"), catalog)
    names, who = watched(table.catalog), table.keys["student_id"]
    rows = Rows(names, table.matrix(names), who.to_numpy(), who.str.split("-").list.first().to_numpy(),
                np.zeros(len(who)), np.full(len(who), (AS_OF - BEGINS).days))  # fmt: skip
    made = SimpleNamespace(reference=drift.described(rows), catalog=catalog, target=TARGETS["dropout"])
    return cast("TrainedModel", made)


@pytest.fixture(scope="module")
def made() -> TrainedModel:
    return model()


def check(model: TrainedModel, found: SchoolRecords, accepted: Sequence[str] = ()) -> None:
    def built(one: Any) -> list[Any]:
        return [build(found, on_dates(found, [AS_OF], "enrolment"), one.catalog)]

    missing.refuse(found, AS_OF, [model], built, accepted)


def of_school(school: str) -> pl.Expr:
    return pl.col("student_id").str.starts_with(school)


def test_the_very_records_of_the_reference_are_scored(made: TrainedModel) -> None:
    check(made, records())


@pytest.mark.parametrize("school", SCHOOLS)  # without rows of absences nobody is absent; of a daily roll nothing is known
def test_a_school_whose_attendance_did_not_come_stops_the_run(made: TrainedModel, school: str) -> None:
    sent = tables()["attendance"].filter(~of_school(school))
    with pytest.raises(Refused) as why:
        check(made, records(attendance=sent))
    [problem] = why.value.problems
    assert problem.where == f"table attendance of school {school}"
    assert "holds nothing of them since the term began" in problem.hint
    assert str(EACH) in problem.problem
    assert "monitor.accept_missing" in problem.hint


def test_an_empty_column_is_named(made: TrainedModel) -> None:
    sent = tables()["attendance"].with_columns(absent_share=pl.lit(None, pl.Float64))
    with pytest.raises(Refused) as why:
        check(made, records(attendance=sent))
    [problem] = why.value.problems
    assert problem.where == "table attendance of every school"
    assert "nothing is in absent_share" in problem.hint


def test_a_table_that_was_not_sent_is_told_of_every_school_at_once(made: TrainedModel) -> None:
    sent = {name: frame for name, frame in tables().items() if name != "attendance"}
    with pytest.raises(Refused) as why:
        check(made, SchoolRecords.from_frames(sent))
    assert [(one.where, one.hint.partition(".")[0]) for one in why.value.problems] == [
        ("table attendance of every school", "The table attendance was not sent")
    ]


def test_what_is_known_to_be_missing_is_accepted_by_name(made: TrainedModel) -> None:
    sent = tables()["attendance"].filter(~of_school("south"))
    check(made, records(attendance=sent), ["attendance"])
    with pytest.raises(Refused):
        check(made, records(attendance=sent), ["activity"])


def test_what_is_said_holds_no_student(made: TrainedModel) -> None:
    sent = tables()["attendance"].filter(~of_school("south"))
    with pytest.raises(Refused) as why:
        check(made, records(attendance=sent))
    assert "south-" not in str(why.value)


def test_a_school_of_too_few_students_stops_nothing() -> None:
    few = tables(20)
    sent = few["attendance"].filter(~of_school("south"))
    check(model(20), SchoolRecords.from_frames({**few, "attendance": sent}))


def test_a_model_without_a_reference_is_not_checked(made: TrainedModel) -> None:
    bare = cast("TrainedModel", SimpleNamespace(reference=None, catalog=made.catalog, target=made.target))
    sent = tables()["attendance"].clear()
    check(bare, records(attendance=sent))

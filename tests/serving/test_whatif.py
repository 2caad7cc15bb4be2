"""What a score would be: worked out as if the records were so, within what training saw, and told without a promise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import example_school as school
import numpy as np
import polars as pl
import pytest

from features.cohort import enrolled
from features.norms import Norms
from features.pipeline import FeatureTable, build
from features.records import SchoolRecords
from features.standard import STANDARD
from serving import whatif
from serving.scoring import Risk
from serving.whatif import WhatIf, september, what_if
from training.trained import Population, TrainedModel

TODAY = school.TODAY
INPUTS = ("absence_rate", "absence_rate_45d", "absence_rate_45d_vs_class", "current_absence_streak", "previous_attempts",
          "handed_in_share")  # fmt: skip


@dataclass
class Line:
    """A model that is one line of the days missed, so that what it should say can be worked out by hand."""

    inputs: tuple[str, ...] = INPUTS
    population: Population = field(
        default_factory=lambda: Population(dict.fromkeys(INPUTS, 0.0), dict.fromkeys(INPUTS, 1.0), ())
    )
    target: Any = field(default_factory=lambda: SimpleNamespace(name="chronic_absence", happened="missed a tenth of the days"))

    def score(self, table: FeatureTable, explain: bool = True) -> Any:
        assert not explain
        return SimpleNamespace(probability=np.clip(table.matrix(("absence_rate_45d",))[:, 0], 0, 1))

    def band(self, probability: float) -> str:
        return "check_in_suggested" if probability >= 0.2 else "no_extra_signal"


def away(who: str, days: list[date]) -> list[dict[str, Any]]:
    return [{"student_id": who, "enrolment_id": f"{who}-autumn", "on": day, "status": "absent", "absent_share": 1.0,
             "excused": False, "mode": "in_person", "exclusion": False} for day in days]  # fmt: skip


def taught() -> list[date]:
    calendar = school.tables()["calendar"].filter(
        pl.col("instructional"), pl.col("on") >= school.AUTUMN[0], pl.col("on") < TODAY
    )
    return sorted(calendar["on"].to_list())


def missing(who: str, days: list[date]) -> SchoolRecords:
    """Return the example school in which one student missed just these days."""
    tables = school.tables()
    frame = tables["attendance"].filter(pl.col("student_id") != who)
    mine = pl.DataFrame(away(who, days), schema_overrides=frame.schema) if days else frame.clear()
    return school.records({**tables, "attendance": pl.concat([frame, mine.select(frame.columns)])})


def table_of(records: SchoolRecords) -> FeatureTable:
    cohort = enrolled(records, pl.DataFrame({"as_of": [TODAY]})).units("enrolment")
    return build(records, cohort, STANDARD)


def asked(table: FeatureTable, who: str, model: Any = None, **known: Any) -> tuple[Risk, int]:
    """Return what the line says of a student, and where they stand in the table."""
    model = model or Line()
    row = table.keys["student_id"].to_list().index(who)
    values = {name: None if math.isnan(value) else value for name, value in
              zip(table.catalog.names, table.values[row].tolist(), strict=True)}  # fmt: skip
    risk = Risk(cast("TrainedModel", model), who, f"{who}-autumn", None, None, TODAY, "scored", "", values, {}, {}, {},
                probability=values["absence_rate_45d"])  # fmt: skip
    return replace(risk, **known), row


#: One day of the first twenty, and eleven of the thirty or so since.
FEW_THEN_MANY = [*taught()[3:4], *taught()[-11:]]


def told(records: SchoolRecords, who: str = "ben", model: Any = None, **known: Any) -> WhatIf:
    table = table_of(records)
    risk, row = asked(table, who, model, **known)
    return september(risk, table, row)


# -- worked out as if the records were so -----------------------------------------------------------------------------


def test_the_score_is_that_of_the_days_missed_as_rarely_as_in_september() -> None:
    found = told(missing("ben", FEW_THEN_MANY))
    assert found.before == pytest.approx(11 / 45, abs=0.03)
    assert found.probability == pytest.approx(0.05, abs=1e-4)  # one of twenty days
    assert found.band == "no_extra_signal"
    assert found.changed["absence_rate_45d"][1] == pytest.approx(0.05, abs=1e-4)
    assert found.changed["current_absence_streak"] == (11.0, 1.0)
    assert set(found.changed) <= set(INPUTS) - {"previous_attempts", "handed_in_share"}


def test_everything_changed_is_what_records_with_so_few_days_would_give() -> None:
    """Ben misses every twentieth day: the row that is worked out is the row of records in which that is so."""
    days = taught()
    even = [days[at] for at in range(10, len(days), 20)]
    records = missing("ben", [days[10], *days[-8:]])
    now, then = table_of(records), table_of(missing("ben", even))
    risk, row = asked(now, "ben")
    values = dict(risk.values)
    changed = whatif._changed(  # the row itself, which a score is worked out of
        now.take(np.array([row])), whatif._as_in_september(values, 0.05), whatif.Scoring()
    )
    assert changed is not None
    at = then.keys["student_id"].to_list().index("ben")
    names = ("absence_rate", "absent_days", "absence_rate_20d", "absence_rate_45d", "absence_rate_before_20d", "school_days",
             "handed_in_share", "mark_mean", "previous_attempts", "absence_rate_45d_vs_class")  # fmt: skip
    for name in names:
        mine, theirs = changed.values[0, now.catalog.places((name,))[0]], then.values[at, then.catalog.places((name,))[0]]
        # A day or its half more or less: the twentieth days do not fall into windows by exact shares.
        room = {"absent_days": 0.8, "absence_rate_45d_vs_class": 0.15}.get(name, 0.06)
        assert (np.isnan(mine) and np.isnan(theirs)) or mine == pytest.approx(theirs, abs=room), name


def test_windows_sums_and_shares_say_the_same_after_the_change() -> None:
    records = missing("ben", FEW_THEN_MANY)
    table = table_of(records)
    risk, row = asked(table, "ben")
    found = whatif._changed(table.take(np.array([row])), whatif._as_in_september(risk.values, 0.05), whatif.Scoring())
    assert found is not None
    value = dict(zip(found.catalog.names, found.values[0].tolist(), strict=True))
    assert value["absence_rate_20d"] == pytest.approx(0.05)
    assert value["absence_rate_45d"] == pytest.approx(0.05, abs=1e-4)
    assert value["absent_days"] == pytest.approx(value["absence_rate"] * value["school_days"], abs=0.01)
    assert value["absence_rate"] == pytest.approx(0.05, abs=1e-3)
    assert value["absence_trend_60d"] == 0
    assert value["longest_absence_streak_45d"] <= value["absent_days_45d"] + 1
    assert value["unexcused_days"] <= value["absent_days"]
    assert value["absence_rate_45d_vs_class"] < table.values[row, table.catalog.places(("absence_rate_45d_vs_class",))[0]]


# -- what is not told -------------------------------------------------------------------------------------------------


def test_where_attendance_has_not_fallen_nothing_is_told() -> None:
    found = told(missing("ben", [*taught()[:4], *taught()[-3:]]))
    assert found.probability is None
    assert found.text == "Attendance has not fallen since the first school days."


def test_where_there_is_no_score_nothing_is_told() -> None:
    found = told(missing("ben", FEW_THEN_MANY), status="not_enough_data", probability=None)
    assert (found.probability, found.changed) == (None, {})


def test_too_early_in_the_year_nothing_is_told() -> None:
    table = table_of(missing("ben", FEW_THEN_MANY))
    risk, row = asked(table, "ben")
    early = replace(risk, values={**risk.values, "school_days": 39.0})
    assert september(early, table, row).text.startswith("Too little is known")
    unknown = replace(risk, values={**risk.values, "absence_rate_first_20d": None})
    assert september(unknown, table, row).text.startswith("Too little is known")


def test_what_no_student_of_the_training_was_like_is_not_told() -> None:
    narrow = Population(dict.fromkeys(INPUTS, 0.0) | {"absence_rate_45d": 0.1}, dict.fromkeys(INPUTS, 1.0), ())
    found = told(missing("ben", FEW_THEN_MANY), model=Line(population=narrow))
    assert found.probability is None
    assert "No student that the model learned from" in found.text


@pytest.mark.parametrize("name", ["previous_attempts", "days_elapsed", "absence_rate_45d_vs_class", "sex"])
def test_what_nobody_can_change_is_not_asked(name: str) -> None:
    table = table_of(missing("ben", FEW_THEN_MANY))
    risk, row = asked(table, "ben")
    found = what_if(risk, table, row, {name: 0.0}, "Had it been another")
    assert found.probability is None
    assert "nothing that anybody could change" in found.text


def test_what_the_model_does_not_read_changes_nothing() -> None:
    found = told(missing("ben", FEW_THEN_MANY), model=Line(inputs=("handed_in_share",)))
    assert found.text == "The model does not read what would change."


def test_without_norms_a_place_in_the_class_is_not_made_up() -> None:
    table = replace(table_of(missing("ben", FEW_THEN_MANY)), norms=Norms.none())
    risk, row = asked(table, "ben")
    assert september(risk, table, row).text.startswith("Where the class stands is not known")


# -- words ------------------------------------------------------------------------------------------------------------


def test_it_describes_the_score_and_promises_nothing() -> None:
    found = told(missing("ben", FEW_THEN_MANY))
    assert found.text.startswith("Had the student missed no more school since then than in the first 20 school days (5%")
    assert "5 of 100 who missed a tenth of the days" in found.text
    assert found.words.endswith("the score would be lower. " + whatif.SENTENCES["what_if.says"])
    assert "no promise" in found.text
    assert not any(sign.isdigit() for sign in found.words.split("the score")[1])
    for text in (found.text, found.words):
        assert "risk" not in text.casefold()
        assert " will " not in text


def test_only_rows_to_which_attendance_adds_concern_are_asked_about() -> None:
    table = table_of(missing("ben", FEW_THEN_MANY))
    each = [asked(table, who)[0] for who in table.keys["student_id"]]
    concerned = [replace(one, band="check_in_suggested", by_concept={"attendance": 0.7}) for one in each]
    assert "ben" in {student for _, student, _, _ in whatif.where_it_matters(concerned, table)}
    for change in ({"band": "no_extra_signal"}, {"by_concept": {"attendance": -0.1}}):
        assert whatif.where_it_matters([replace(one, **change) for one in concerned], table) == {}


def test_the_row_that_was_asked_about_stays_as_it_was() -> None:
    table = table_of(missing("ben", FEW_THEN_MANY))
    before = table.values.copy()
    risk, row = asked(table, "ben")
    assert september(risk, table, row).probability is not None
    assert np.array_equal(before, table.values, equal_nan=True)

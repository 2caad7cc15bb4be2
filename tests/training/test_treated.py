"""Help that runs after the as-of day sets a row apart; help that nobody had noted in time does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import example_school
import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from trainings import QUICK

from features.problems import Refused
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES
from training import card as cards
from training import treated
from training.run import Run, Training, rows_of
from training.splits import by_time
from training.targets import TARGETS

AS_OF, OUTCOME = date(2026, 10, 1), date(2026, 12, 18)
KEYS = pl.DataFrame({"student_id": ["ana", "ben"], "as_of": [AS_OF, AS_OF]})
BEFORE, AFTER = date(2026, 9, 10), date(2026, 10, 20)
SETTINGS = replace(QUICK, days=(28, 56), judged_days=(28, 56), trees=6)


def support(begins_on: date, **other: object) -> dict[str, object]:
    plain: dict[str, object] = {"support_id": "s1", "student_id": "ana", "enrolment_id": "ana-autumn",
                                "intervention_id": "mentor", "begins_on": begins_on, "tier": 2, "given_by": None,
                                "known_on": begins_on, "deleted": False}  # fmt: skip
    return {**plain, **other}


def end(ended_on: date, known_on: date) -> dict[str, object]:
    return {"support_id": "s1", "student_id": "ana", "ended_on": ended_on, "result": "completed", "known_on": known_on,
            "deleted": False}  # fmt: skip


def helped(supports: list[dict[str, object]], ends: list[dict[str, object]] | None = None) -> list[bool]:
    frames = {}
    for name, rows in (("supports", supports), ("support_ends", ends or [])):
        frames[name] = pl.DataFrame(rows, schema=_schema(name))
    given = SchoolRecords.from_frames(frames)
    return treated.helped(given, KEYS, pl.Series([OUTCOME, OUTCOME])).tolist()


@pytest.mark.parametrize(
    ("supports", "ends", "counts"),
    [
        ([support(BEFORE)], [], True),
        ([support(AFTER)], [], True),
        ([support(OUTCOME)], [], True),
        ([support(OUTCOME + timedelta(days=1))], [], False),
        ([support(BEFORE)], [end(AS_OF, AS_OF)], False),
        ([support(BEFORE)], [end(AS_OF + timedelta(days=1), AFTER)], True),
        ([support(BEFORE, tier=1)], [], False),
        ([support(BEFORE, tier=None)], [], True),
        ([support(BEFORE, enrolment_id="ana-elsewhere")], [], True),
        # Written down after the outcome was known: nobody could have left the row out then.
        ([support(AFTER, known_on=OUTCOME + timedelta(days=1))], [], False),
        ([support(BEFORE)], [end(AS_OF, OUTCOME + timedelta(days=1))], True),
        # The latest version counts.
        ([support(BEFORE), support(BEFORE, known_on=AFTER, deleted=True)], [], False),
        ([support(BEFORE, tier=1), support(BEFORE, known_on=AFTER, tier=3)], [], True),
    ],
)  # fmt: skip
def test_a_row_is_treated_where_help_runs_after_the_as_of_day(
    supports: list[dict[str, object]], ends: list[dict[str, object]], counts: bool
) -> None:
    assert helped(supports, ends) == [counts, False]


def test_a_row_without_a_known_outcome_is_not_treated() -> None:
    given = SchoolRecords.from_frames({"supports": pl.DataFrame([support(BEFORE)], schema=_schema("supports")),
                                       "support_ends": pl.DataFrame([], schema=_schema("support_ends"))})  # fmt: skip
    assert not treated.helped(given, KEYS, pl.Series([None, OUTCOME], dtype=pl.Date)).any()


def _schema(name: str) -> dict[str, Any]:
    return {one: kind for one, kind in TABLES[name].schema.items() if one != "tenant"}


@cache
def frames(share: float) -> example_school.Frames:
    """The large school, where a share of each term's students have a mentor from the fortieth day on."""
    found = example_school.large_school(150)
    if not share:
        return found
    stays = found["enrolments"].filter(pl.int_range(pl.len()).over("term_id") < 150 * share)
    rows = stays.select(
        support_id=pl.concat_str(pl.lit("s-"), "enrolment_id"), student_id="student_id", enrolment_id="enrolment_id",
        intervention_id=pl.lit("mentor"), begins_on=pl.col("entered_on").dt.offset_by("40d"), tier=pl.lit(2, pl.Int64),
        given_by=pl.lit(None, pl.String),
    )  # fmt: skip
    return {**found, "supports": rows}


def run(share: float, settings: Training = SETTINGS) -> Run:
    given = SchoolRecords.from_frames(frames(share))
    table, keys, labels, terms = rows_of(given, TARGETS["dropout"], settings, None, 0.5, STANDARD.within(set(given.parts)), {})
    return Run.of(given, TARGETS["dropout"], settings, table, keys, labels, by_time(keys, labels, terms, None, 2))


@cache
def kept(share: float) -> Run:
    return run(share)


def section(of: Run) -> dict[str, Any]:
    raw = of.fitted(of.fit).raw(of.matrix[of.test])
    found = treated.section(of, raw, 1 / (1 + np.exp(-raw)))
    rules = {**cards.schema()["properties"]["treated"], "$defs": cards.schema()["$defs"]}
    assert list(Draft202012Validator(rules).iter_errors(found)) == []
    return found


@pytest.mark.full
def test_help_is_no_input_and_changes_nothing_that_a_model_learns() -> None:
    without, with_help = kept(0), kept(0.12)
    assert with_help.helped.any()
    assert with_help.table.catalog.inputs == without.table.catalog.inputs
    assert with_help.fitted(with_help.fit).text() == without.fitted(without.fit).text()


def test_where_no_help_is_on_record_the_card_says_so() -> None:
    found = section(kept(0))
    assert found["recorded"] is False
    assert "no help" in found["says"]


def test_the_card_tells_the_share_of_helped_students_and_figures_without_them() -> None:
    found = section(kept(0.12))
    assert found["way"] == "keep"
    assert 0.08 < found["judged_on"]["share"] < 0.16
    assert found["learned_from"]["left_out"] == 0
    assert found["all"]["rows"] > found["untreated"]["rows"] == found["judged_on"]["rows"] - found["judged_on"]["treated"]
    assert {"auc", "recall_at_capacity", "precision_at_capacity", "ece", "brier"} <= set(found["untreated"])


def test_of_fewer_than_ten_helped_students_nothing_is_told() -> None:
    found = section(kept(0.04))
    assert (found["judged_on"]["treated"], found["judged_on"]["share"], found["untreated"]) == (None, None, None)


def test_rows_left_out_teach_nothing_and_calibrate_and_judge_all_the_same() -> None:
    plain, left = kept(0.12), run(0.12, replace(SETTINGS, treated="leave_out"))
    assert left.fit.sum() < plain.fit.sum()
    assert not (left.fit & left.helped).any()
    assert (left.fit | (plain.fit & plain.helped)).tolist() == plain.fit.tolist()
    assert (left.held == plain.held).all()
    assert (left.test == plain.test).all()
    told = section(left)["learned_from"]
    assert (told["left_out"], told["rows"]) == (int((plain.fit & plain.helped).sum()), int(plain.fit.sum()))


def test_where_too_little_is_left_the_run_is_refused_with_a_way_out() -> None:
    with pytest.raises(Refused, match=r"train\.treated"):
        run(0.9, replace(SETTINGS, treated="leave_out"))
    with pytest.raises(Refused, match="keep, leave_out"):
        replace(SETTINGS, treated="drop").check()

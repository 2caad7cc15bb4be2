"""The fairness audit: what it finds, what it leaves alone, what it does not tell, and who alone reads groups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import example_school
import numpy as np
import polars as pl
import pytest
from trainings import QUICK

from features.cohort import on_dates
from features.pipeline import build
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES
from training import evaluate, fairness
from training.calibrate import Calibration
from training.fairness import Judged, Weighed, attributes, completeness, measured, weighed
from training.gates import Gates
from training.groups import NOT_RECORDED, Attribute, Drawing, evidence
from training.train import Result, train
from training.trained import Phase, Population

GATES = Gates(draws=60)
DAYS = 2


def judged(rng: np.random.Generator, students: int = 2_000, overlooked: Any = False, listed_for_nothing: Any = False) -> Judged:
    """Return rows of students seen on two days; the score of some is too low or too high for what happens to them.

    Args:
        rng: random numbers.
        students: how many.
        overlooked: whose score is too low, by student.
        listed_for_nothing: whose score is too high.

    """
    need = rng.standard_normal(students)
    label = (rng.random(students) < 1 / (1 + np.exp(2.2 - 1.6 * need))).astype(np.int8)
    true = 1.5 * need + 0.9 * rng.standard_normal(students)
    raw = np.tile(true - 2.4, DAYS) + 0.2 * rng.standard_normal(students * DAYS)
    begin, slope = evaluate.fitted_line(raw, np.tile(label, DAYS))
    chance = 1 / (1 + np.exp(-slope * raw - begin))
    raw = raw + np.tile(np.full(students, 2.0) * listed_for_nothing - np.full(students, 2.0) * overlooked, DAYS)
    keys = pl.DataFrame({"student_id": np.tile(np.arange(students).astype(str), DAYS),
                         "as_of": np.repeat([date(2025, 11, 1), date(2026, 2, 1)], students)})  # fmt: skip
    day, tie = np.repeat([42, 98], students), np.tile(rng.random(students), DAYS)
    rule = np.tile(np.round(need + rng.standard_normal(students)), DAYS)
    return Judged(keys, np.tile(label, DAYS), day, tie, raw, chance, np.ones(len(raw)), rule, 0.15, 0.5)


def in_groups(rng: np.random.Generator, students: int, **shares: float) -> np.ndarray[Any, np.dtype[np.str_]]:
    return rng.choice(list(shares), students, p=list(shares.values()))


def over_days(name: str, groups: Any) -> Attribute:
    return Attribute.of(name, np.tile(np.asarray(groups, dtype=object), DAYS))


def failed(seen: Weighed) -> set[tuple[str, str, str]]:
    return {(one.gate, one.attribute, one.group) for one in (*seen.verdicts, *seen.among) if not one.passed}


def of(told: Mapping[str, Any], group: str) -> dict[str, Any]:
    [found] = [one for one in told["groups"] if one["group"] == group]
    return dict(found)


# -- what it finds ----------------------------------------------------------------------------------------------------


def test_a_group_that_is_overlooked_is_found_and_named() -> None:
    rng = np.random.default_rng(1)
    group = in_groups(rng, 2_000, east=0.7, west=0.3)
    rows, side = judged(rng, overlooked=group == "west"), over_days("side", group)
    found = failed(weighed(rows, [side], GATES, 1))
    assert ("recall_ratio", "side", "west") in found
    assert ("recall_ratio", "side", "east") not in found
    told = measured(rows, [side], GATES, 1)
    assert not told["passed"]
    assert ("recall_ratio", "west") in {(one["gate"], one["group"]) for one in told["gates"] if not one["passed"]}
    assert any("side: west" in line for line in told["says"])
    assert of(told, "west")["recall"] < 0.8 * of(told, "east")["recall"]


def test_a_group_that_is_listed_for_nothing_is_found_by_false_positives_and_false_alarms() -> None:
    rng = np.random.default_rng(2)
    group = in_groups(rng, 2_000, east=0.7, west=0.3)
    found = failed(weighed(judged(rng, listed_for_nothing=group == "west"), [over_days("side", group)], GATES, 1))
    assert ("false_positive_difference", "side", "west") in found
    assert ("recall_ratio", "side", "east") in found, "a place on a list is taken from somebody"


@pytest.mark.full
def test_where_nothing_is_planted_nothing_is_found() -> None:
    alarms = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found = [over_days("side", in_groups(rng, 2_000, east=0.5, west=0.3, north=0.2)),
                 over_days("size", in_groups(rng, 2_000, large=0.9, small=0.1))]  # fmt: skip
        seen = weighed(judged(rng), found, GATES, seed)
        alarms += bool(failed(seen))
        assert len(seen.verdicts) >= 35
    assert alarms == 0


@pytest.mark.full
def test_it_is_told_of_each_group_how_often_the_interval_held() -> None:
    rng = np.random.default_rng(11)
    group = in_groups(rng, 4_000, east=0.5, west=0.5)
    rows = judged(rng, 4_000)
    assert of(measured(rows, [over_days("side", group)], GATES, 1), "west")["interval_held"] is None
    # Of the west twice as many have the outcome as is said, so that no interval that is right for the east holds there.
    more = np.tile(group == "west", DAYS) & (rng.random(len(rows.label)) < 0.25)
    label = np.where(more, 1, rows.label).astype(np.int8)
    bounds = Calibration(1.0, 0.0, ()).bounds
    told = measured(Judged(**{**vars(rows), "label": label, "bounds": bounds}), [over_days("side", group)], GATES, 1)
    east, west = (of(told, name) for name in ("east", "west"))
    assert min(east["interval_cells"], west["interval_cells"]) > 20
    assert east["interval_held"] > 0.6
    assert west["interval_held"] < 0.3


def test_a_gap_that_only_an_intersection_has_is_found_there() -> None:
    rng = np.random.default_rng(4)
    side, age = in_groups(rng, 4_000, east=0.5, west=0.5), in_groups(rng, 4_000, old=0.5, young=0.5)
    low = (side == "west") & (age == "old")
    seen = weighed(judged(rng, 4_000, overlooked=low), [over_days("side", side), over_days("age", age)], GATES, 1)
    assert ("recall_ratio", "side & age", "west & old") in failed(seen)
    assert seen.crossed[0].groups == ("east & old", "east & young", "west & old", "west & young")


def test_figures_are_those_of_the_list_as_it_was_made() -> None:
    rng = np.random.default_rng(5)
    group = in_groups(rng, 2_000, east=0.6, west=0.4)
    rows = judged(rng, 2_000)
    told = of(measured(rows, [over_days("side", group)], GATES, 1), "west")
    listed = evaluate.on_list(rows.raw, rows.day, rows.tie, rows.capacity)
    mine, label = np.tile(group == "west", DAYS), rows.label == 1
    assert told["n"] == (group == "west").sum()
    assert told["positives"] == (rows.label[:2_000][group == "west"] == 1).sum()
    for name, figure in {
        "base_rate": label[mine].mean(),
        "list_rate": listed[mine].mean(),
        "recall": listed[mine & label].mean(),
        "false_positive_rate": listed[mine & ~label].mean(),
        "false_alarm_rate": 1 - label[mine & listed].mean(),
        "negative_predictive_value": 1 - label[mine & ~listed].mean(),
        "calibration": rows.chance[mine].mean() - label[mine].mean(),
    }.items():
        assert told[name] == pytest.approx(figure, abs=1e-4), name
        if f"{name}_interval" in told:
            low, high = told[f"{name}_interval"]
            assert low <= told[name] <= high
    band = rows.chance >= rows.band
    assert told["band"]["recall"] == pytest.approx(band[mine & label].mean(), abs=1e-4)
    assert [one["day"] for one in told["by_day"]] == [42, 98]


def test_rows_of_which_too_little_is_known_are_in_no_band_and_are_counted_by_group() -> None:
    rng = np.random.default_rng(6)
    group = in_groups(rng, 2_000, east=0.6, west=0.4)
    rows = judged(rng, 2_000)
    unknown = np.tile((group == "west") & (rng.random(2_000) < 0.3), DAYS)
    rows = Judged(**{**vars(rows), "complete": np.where(unknown, 0.2, 1.0)})
    assert not rows.listed("band")[unknown].any()
    seen = weighed(rows, [over_days("side", group)], GATES, 1)
    assert ("not_enough_data_ratio", "side", "west") in failed(seen)
    sums = {name: values[seen.attributes[0].groups.index("west")] for name, values in seen.attributes[0].sums.items()}
    assert sums["not_enough_data"] == unknown.sum()
    assert sums["lacking"] == pytest.approx(0.8 * unknown.sum())


# -- what it does not tell --------------------------------------------------------------------------------------------


def test_a_group_that_is_too_small_is_said_to_be_and_a_handful_is_not_counted() -> None:
    rng = np.random.default_rng(7)
    group = np.array(["many"] * 1_200 + ["some"] * 700 + ["few"] * 60 + ["four"] * 4, dtype=object)
    told = measured(judged(rng, len(group)), [over_days("side", group)], GATES, 1)
    few, four = of(told, "few"), of(told, "four")
    assert (few["assessed"], few["why"]) == (four["assessed"], four["why"]) == (False, "too few to assess")
    assert not {"recall", "false_positive_rate", "calibration", "base_rate"} & set(few)
    assert four["n"] is None
    assert four["positives"] is None
    assert few["n"] is None, "with one count hidden, the next smallest is hidden too: else the whole would give it away"
    assert of(told, "many")["n"] == 1_200
    assert {one["group"] for one in told["gates"]} == {"many", "some"}


def test_counts_of_intersections_do_not_give_away_a_smaller_one() -> None:
    rng = np.random.default_rng(8)
    side = np.array(["east"] * 1_000 + ["west"] * 503, dtype=object)
    size = np.array((["small"] * 400 + ["large"] * 600) + (["small"] * 3 + ["large"] * 500), dtype=object)
    told = measured(judged(rng, len(side)), [over_days("side", side), over_days("size", size)], GATES, 1)
    assert all(one["n"] % 10 == 0 for one in told["intersections"])
    assert told["too_few"] == [{"attribute": "side & size", "groups": ["west & small"], "why": "too few to assess"}]
    assert "west & small" not in json.dumps(told["intersections"])


def test_with_groups_too_small_to_compare_it_says_that_nothing_was_tested() -> None:
    rng = np.random.default_rng(9)
    told = measured(judged(rng, 80), [over_days("side", in_groups(rng, 80, east=0.5, west=0.5))], GATES, 1)
    assert told["passed"]
    assert told["counts"]["groups"]["tested"] == 0
    assert "not the same as nothing found" in told["says"][0]


def test_the_audit_is_plain_values_without_a_student_in_them() -> None:
    rng = np.random.default_rng(10)
    rows = judged(rng, 1_000)
    rows = Judged(**{**vars(rows), "keys": rows.keys.with_columns("Zq7-" + pl.col("student_id"))})
    told = json.dumps(measured(rows, [over_days("side", in_groups(rng, 1_000, east=0.5, west=0.5))], GATES, 1))
    assert "Zq7-" not in told


# -- what is drawn ----------------------------------------------------------------------------------------------------


def test_whole_schools_are_drawn_where_there_are_enough_and_students_where_there_are_not() -> None:
    rng = np.random.default_rng(11)
    rows, side = judged(rng, 1_000), over_days("side", in_groups(rng, 1_000, east=0.5, west=0.5))
    for schools, by in ((12, {"school": 12, "student": 1_000}), (3, {"student": 1_000})):
        school = np.tile(rng.integers(0, schools, 1_000), DAYS)
        assert {one.by: one.count for one in weighed(rows, [side], GATES, 1, school).drawings} == by


def test_groups_that_are_schools_are_not_drawn_by_school() -> None:
    rng = np.random.default_rng(12)
    rows, school = judged(rng, 3_000), np.tile(rng.integers(0, 12, 3_000), DAYS)
    [seen] = weighed(rows, [Attribute.of("school", school.astype(str))], GATES, 1, school).attributes
    assert (seen.drawn["positives"].std(axis=0) > 1).all(), "one school drawn again is the same school, with nothing between"
    listed = seen.drawn["listed"] / np.maximum(seen.drawn["rows"], 1)
    assert (listed.std(axis=0) > 0.01).all()


def test_a_draw_weighs_clusters_and_adds_up_what_they_hold() -> None:
    rng = np.random.default_rng(13)
    rows, side = judged(rng, 300), over_days("side", in_groups(rng, 300, east=0.5, west=0.5))
    drawing = Drawing.of("student", rows.keys["student_id"].to_numpy(), 20, 1)
    found = evidence(rows.table(), side, drawing, GATES)
    weight = drawing.often[7][drawing.number]
    for at in range(2):
        mine = side.code == at
        assert found.drawn["positives"][7, at] == pytest.approx((weight * rows.label)[mine].sum())
        assert found.sums["rows"][at] == mine.sum()


# -- who is in which group --------------------------------------------------------------------------------------------


def test_groups_come_from_the_columns_kept_for_the_audit_and_from_school_and_access(school: SchoolRecords) -> None:
    keys = on_dates(school, [example_school.TODAY], "enrolment").frame
    found = {one.name: one for one in attributes(school, keys)}
    assert {"sex", "disability"} <= set(found)
    assert set(found) <= {*TABLES["demographics"].used_for("audit_only"), "school", "district", "entry", "device", "internet"}
    assert found["disability"].groups == ("no", "yes")
    eli = keys["student_id"].to_list().index("eli")
    told = {name: one.groups[one.code[eli]] for name, one in found.items()}
    assert told["sex"] == "male"


def test_what_is_not_on_record_of_some_is_a_group_and_of_all_is_no_attribute() -> None:
    some = Attribute.of("language", np.array(["a", None, "b", None], dtype=object))
    assert some.groups == ("a", "b", NOT_RECORDED)
    assert Attribute.of("disability", np.array([True, False, None], dtype=object)).groups == ("no", NOT_RECORDED, "yes")


def test_who_somebody_is_changes_nothing_that_a_model_reads(school: SchoolRecords) -> None:
    """The counterfactual twin: the same records, every demographic another."""
    frames = {name: school.labels(name).collect() for name in school.parts}
    other = {"sex": "female", "age_band": "over 80", "region": "elsewhere"}
    frames["demographics"] = frames["demographics"].with_columns(
        *(pl.lit(value).alias(name) for name, value in other.items()), disability=~pl.col("disability")
    )
    twins = SchoolRecords.from_frames(frames)
    cohort = on_dates(school, [example_school.TODAY], "section")
    assert build(twins, cohort, STANDARD).frame.equals(build(school, cohort, STANDARD).frame)
    assert attributes(twins, cohort.frame)[0].groups != attributes(school, cohort.frame)[0].groups


def test_the_share_of_what_is_usually_known_is_that_by_which_rows_are_scored() -> None:
    rng = np.random.default_rng(14)
    inputs = ("a", "b", "c", "d")
    population = Population({}, {}, (Phase(0.3, ("a",)), Phase(0.7, ("a", "b", "d")), Phase(1.0, ())))
    matrix = np.where(rng.random((50, 4)) < 0.4, np.nan, 1.0)
    elapsed = np.append(rng.random(48), [np.nan, 1.4])
    found = completeness(population, matrix, inputs, elapsed)
    for at, row in enumerate(matrix):
        known = dict(zip(inputs, (~np.isnan(row)).tolist(), strict=True))
        assert found[at] == population.completeness(known, None if np.isnan(elapsed[at]) else float(elapsed[at]))


# -- in a training run ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(large_records: SchoolRecords) -> Result:
    """A model of a school that has groups on record: by sex, which nothing depends on, and by a language that few speak."""
    frames = {name: large_records.labels(name).collect() for name in large_records.parts}
    students = frames["students"]["student_id"]
    rng = np.random.default_rng(15)
    frames["demographics"] = pl.DataFrame({
        "student_id": students, "sex": rng.choice(["female", "male"], len(students)),
        "home_language": rng.choice(["one", "other"], len(students), p=[0.99, 0.01]), "tenant": "default",
        "known_on": date(2024, 1, 1), "deleted": False,
    })  # fmt: skip
    [found] = train(SchoolRecords.from_frames(frames), ["course_failure"], QUICK, pass_mark=0.5)
    return found


@pytest.mark.full
def test_a_model_carries_its_audit(trained: Result) -> None:
    audit = trained.model.card["audit"]
    by_name = {(one["attribute"], one["group"]): one for one in audit["groups"]}
    assert by_name["sex", "female"]["assessed"]
    assert not by_name["home_language", "other"]["assessed"]
    assert trained.as_dict()["groups"] == audit["groups"]
    assert audit["overall"]["recall"] == pytest.approx(trained.metrics.recall_at_capacity, abs=1e-4)


def test_every_model_is_held_back_by_its_audit(results: Mapping[str, Result]) -> None:
    for found in results.values():
        audit = found.model.card["audit"]
        assert found.as_dict()["groups"] == audit["groups"]
        assert found.model.card["gate"]["fairness"]["passed"] == audit["passed"]
        assert audit["passed"] or not found.passed_gate
        json.dumps(audit)


@pytest.mark.full
def test_what_demographics_would_add_is_told_and_the_model_that_read_them_is_gone(trained: Result) -> None:
    audit = trained.model.card["audit"]
    assert set(audit["ablation"]["added"]) == {"sex", "home_language"}
    assert audit["ablation"]["without"]["auc"] == pytest.approx(trained.metrics.auc, abs=0.03)
    assert audit["ablation"]["with"]["auc"] == pytest.approx(trained.metrics.auc, abs=0.05)
    assert not any(name.startswith("group_") for name in trained.model.inputs)
    assert not set(TABLES["demographics"].used_for("audit_only")) & set(trained.model.inputs)
    [sex] = [one for one in audit["proxies"] if one["attribute"] == "sex"]
    assert sex["auc"] == pytest.approx(0.5, abs=0.12), "drawn by lot, it follows from nothing"


def test_what_can_be_compared_is_asked_of_the_audit(school: SchoolRecords) -> None:
    outcome = pl.DataFrame({"student_id": list(example_school.STUDENTS), "label": [1, 0] * 6})
    assert fairness.comparable(school, outcome, 2, 0)
    assert not fairness.comparable(school, outcome, 100, 20)

"""The report after a scoring: quiet where nothing changed, plain where something did, and without any student in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import models
import numpy as np
import oulad_school
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scipy.special import expit, logit

from features.cohort import on_dates
from features.problems import NotFound, Refused
from features.records import Cohort, SchoolRecords
from serving import batch, lists, monitor, monitor_page
from serving.lists import Kept, Outcome
from serving.measures import Measures
from serving.monitor import Monitoring, Report
from serving.reviews import read_reviews
from serving.store import Store
from training.targets import TARGETS
from training.trained import TrainedModel

Load = Callable[[str, str], TrainedModel]


def load(target: str, version: str) -> TrainedModel:
    return models.model(target).with_version(version)


def scored(records: SchoolRecords, folder: Path, as_of: date = models.TODAY, accept: tuple[str, ...] = ()) -> Store:
    store = Store.of(folder, "default")
    store.folder.mkdir(parents=True, exist_ok=True)
    given = [models.model("dropout"), models.model("course_failure")]
    batch.run(records, given, as_of, store, folder / "out.parquet", monitoring=Monitoring(accept_missing=accept), pass_mark=0.4)
    return store


def with_results(change: pl.Expr) -> SchoolRecords:
    """The school with other marks."""
    school = models.school()
    tables = {name: pl.concat(list(parts)).collect() for name, parts in school.parts.items()}
    tables["results"] = tables["results"].with_columns(change)
    return SchoolRecords.from_frames(tables, digest="other marks")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return scored(models.school(), tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="module")
def report(store: Store) -> Report:
    return monitor.report(store, models.school(), load)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Report:
    records = with_results(pl.col("score") / 100)
    return monitor.report(scored(records, tmp_path_factory.mktemp("shifted")), records, load)


@pytest.mark.full
def test_the_term_that_the_model_was_judged_on_is_quiet(report: Report) -> None:
    for one in report.targets:
        assert one.compared > 50
        assert [finding.kind for finding in one.findings if finding.kind != "input"] == []
        assert len(one.changes) <= 2


@pytest.mark.full
def test_marks_sent_as_shares_are_named_first(shifted: Report) -> None:
    for one in shifted.targets:
        assert {"mark_mean_weighted", "mark_latest"} <= {change.name for change in one.changes if change.drifted}
        assert one.findings[0].kind in ("inputs", "scores")
        assert not one.findings[0].retrain  # one list may be a holiday, or an export
    told = "\n".join(monitor_page.lines(shifted))
    assert "look at the export first" in told


@pytest.mark.full
def test_what_two_lists_in_a_row_say_asks_for_a_new_model(tmp_path: Path) -> None:
    records = with_results(pl.col("score") / 100)
    for as_of in (models.TODAY - timedelta(days=14), models.TODAY):
        store = scored(records, tmp_path, as_of)
        found = monitor.report(store, records, load)
        monitor.keep(store, found, "")
    assert all(any(finding.retrain for finding in one.findings) for one in found.targets)
    assert any(line.strip().startswith("retrain: ") for line in monitor_page.lines(found))
    again = monitor.report(store, records, load)
    assert again.as_dict() == found.as_dict()


@pytest.mark.full
def test_a_run_that_would_score_without_marks_writes_nothing(store: Store, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in store.folder.glob("latest.json")}
    kept = sorted((store.folder / "lists").iterdir())
    records = with_results(pl.when(pl.col("known_on") < oulad_school.BEGINS).then("score").alias("score"))
    with pytest.raises(Refused, match="table results of every school") as why:
        batch.run(records, [models.model("dropout")], models.TODAY, store, tmp_path / "out.parquet")
    assert "nothing is in score" in str(why.value)
    assert not (tmp_path / "out.parquet").exists()
    assert {path: path.read_bytes() for path in before} == before
    assert sorted((store.folder / "lists").iterdir()) == kept
    scored(records, tmp_path, accept=("results",))
    assert (tmp_path / "out.parquet").exists()


@pytest.mark.full
def test_the_page_loads_nothing_and_names_no_student(report: Report, shifted: Report, store: Store) -> None:
    students = set(lists.kept(store)[0].rows["student_id"])
    for one in (report, shifted):
        page = monitor_page.page(one)
        assert page.startswith("<!doctype html>")
        assert '<html lang="en">' in page
        assert not re.search(r"https?:|src=|href=|<script|<link|@import|url\(", page)
        whole = page + json.dumps(one.as_dict()) + "\n".join(monitor_page.lines(one))
        assert not {who for who in students if re.search(rf"(?<![\d.,]){re.escape(who)}\b", whole)}
        assert "risk" not in whole.lower()


@pytest.mark.full
def test_gauges_are_by_target_version_and_measure_and_name_nobody(report: Report, store: Store) -> None:
    monitor.keep(store, report, monitor_page.page(report))
    text = Measures(store.folder.parent.parent).page()[0].decode()
    [family] = [one for one in text_string_to_metric_families(text) if one.name == "homeroom_monitor"]
    assert {frozenset(sample.labels) for sample in family.samples} == {frozenset({"district", "target", "version", "measure"})}
    assert {sample.labels["target"] for sample in family.samples} == {"dropout", "course_failure"}
    assert {sample.labels["version"] for sample in family.samples} == {"1"}
    measures = {sample.labels["measure"] for sample in family.samples}
    assert {"rows", "inputs_changed", "score_index", "listed_share", "retrain"} <= measures
    assert all(re.fullmatch(r"[a-z_]+", measure) for measure in measures)
    [district] = {sample.labels["district"] for sample in family.samples}
    assert re.fullmatch(r"[0-9a-f]{8}", district)


def test_without_a_report_there_are_no_gauges(tmp_path: Path) -> None:
    assert "homeroom_monitor{" not in Measures(tmp_path).page()[0].decode()


def test_before_anything_is_scored_there_is_nothing_to_compare(tmp_path: Path) -> None:
    store = Store.of(tmp_path, "default")
    with pytest.raises(NotFound, match="Nothing has been scored"):
        monitor.report(store, SchoolRecords.from_frames({}), load)


# -- outcomes -----------------------------------------------------------------------------------------------------------


def a_list(sharper: float = 1.0, made_to: str = "2013-12-31") -> Kept:
    """A list whose probabilities are the frequencies of two groups, or sharper by a factor of the log-odds."""
    records = models.school()
    rows = on_dates(records, [models.TODAY], "enrolment").frame
    label = TARGETS["dropout"].labels(records, Cohort.of(rows, "enrolment"), 0.4)["label"]
    known = rows.with_columns(label).filter(pl.col("label").is_not_null()).sort("label", "student_id")
    rng = np.random.default_rng(5)
    group = np.abs(known["label"].to_numpy() - (rng.random(known.height) < 0.2))
    share = np.array([known["label"].to_numpy()[group == one].mean() for one in range(2)])
    chance = expit(sharper * logit(share[group]))
    rows = known.select(
        pl.concat_str(pl.lit("p-"), "student_id", "enrolment_id").alias("prediction_id"), pl.lit("dropout").alias("target"),
        "student_id", "enrolment_id", "section_id", "skill_id", "as_of", pl.lit("scored").alias("status"),
        pl.Series("band", np.where(group == 1, "check_in_suggested", "no_extra_signal")), pl.Series("probability", chance),
        pl.lit("1").alias("model_version"),
    )  # fmt: skip
    promised = {"version": "1", "made_to": made_to, "precision": 0.5, "by_day": {}, "rows": 40, "labelled": {}}
    return Kept(models.TODAY, "token", rows, 0.4, {"dropout": promised})


def outcome(kept: Kept, records: SchoolRecords | None = None) -> Outcome:
    [found] = lists.outcomes(records or models.school(), [kept])
    return found


def test_outcomes_that_arrive_give_calibration_and_what_became_of_the_list() -> None:
    kept = a_list()
    found = outcome(kept)
    assert found.settled
    assert found.known == 1.0
    assert found.frequency == pytest.approx(found.probability, abs=0.02)
    assert found.slope is not None
    assert found.slope == pytest.approx(1.0, abs=0.15)
    assert found.listed == kept.rows.filter(pl.col("band") == "check_in_suggested").height
    assert found.share == pytest.approx((found.had_it or 0) / (found.listed or 1), abs=1e-4)
    assert found.promised == 0.5


def test_probabilities_twice_as_sure_as_they_should_be_have_half_the_slope() -> None:
    found = outcome(a_list(sharper=2.0))
    assert found.slope == pytest.approx(0.5, abs=0.1)
    assert found.slope_interval is not None
    assert found.slope_interval[1] < 1
    for lists_known, retrain in ((1, False), (2, True)):  # one list alone may lie off by its year
        says = monitor._of_slopes([found] * lists_known, Monitoring())
        assert [(one.kind, one.retrain) for one in says] == [("calibration", retrain)]
    assert monitor._of_slopes([outcome(a_list())], Monitoring()) == []
    told = replace(found, slope_promised=(1.1, 0.2))
    assert "it was 1.10 when the model was judged" in monitor._of_slopes([told], Monitoring())[0].says
    assert monitor._of_slopes([replace(found, slope_promised=(0.55, 0.2))], Monitoring()) == [], "the card said so"


def test_a_list_keeps_the_slopes_that_the_card_found_by_day_of_the_term() -> None:
    card = {**models.model("dropout").card, "by_day": [
        {"day": 42, "rows": 100, "precision_at_capacity": 0.5, "calibration_slope": 0.8,
         "interval": {"calibration_slope": [0.6, 1.1]}},
        {"day": 84, "rows": 100, "precision_at_capacity": 0.5, "calibration_slope": None, "interval": {}},
    ]}  # fmt: skip
    told = lists.promised(replace(models.model("dropout"), card=card))
    assert told["slopes"] == {"42": (0.8, 0.6, 1.1)}
    kept = a_list()
    again = replace(kept, promised={"dropout": {**kept.promised["dropout"], "slopes": told["slopes"]}})
    assert outcome(again).slope_promised == (0.8, 0.25)


def test_a_list_is_not_judged_before_its_outcomes_are_known() -> None:
    records = models.school()
    tables = {name: pl.concat(list(parts)).collect() for name, parts in records.parts.items()}
    early = tables["outcomes"].filter(pl.col("known_on") <= models.TODAY + timedelta(days=30))
    found = outcome(a_list(), SchoolRecords.from_frames({**tables, "outcomes": early}))
    assert found.known < 0.5
    assert not found.settled
    assert found.frequency is None
    assert found.slope is None


def test_a_model_that_may_have_learned_from_the_outcomes_is_told_apart() -> None:
    assert not outcome(a_list()).hindsight
    assert outcome(a_list(made_to="2014-06-01")).hindsight


def test_lists_are_kept_by_day_and_versions_and_forgotten_in_time(tmp_path: Path) -> None:
    store, given = Store.of(tmp_path, "default"), models.trained()
    rows = pl.DataFrame(schema=batch.SCHEMA)
    for day in (date(2014, 4, 12), date(2014, 4, 12), date(2014, 5, 1)):
        lists.keep(store, rows, given, day, "token", 0.4, 800)
    lists.keep(store, rows, [one.with_version("2") for one in given], date(2014, 5, 1), "token", 0.4, 800)
    assert [one.as_of for one in lists.kept(store)] == [date(2014, 4, 12), date(2014, 5, 1), date(2014, 5, 1)]
    lists.keep(store, rows, given, date(2016, 7, 1), "token", 0.4, 800)
    assert [one.as_of for one in lists.kept(store)] == [date(2014, 5, 1), date(2014, 5, 1), date(2016, 7, 1)]


# -- reviews --------------------------------------------------------------------------------------------------------------


def test_disagreement_is_told_by_band_and_never_of_fewer_than_ten(tmp_path: Path) -> None:
    kept = a_list()
    rows = kept.rows.filter(pl.col("band") == "check_in_suggested")["prediction_id"].to_list()[:40]
    lines = [f"{one},{'no' if at % 4 == 0 else 'Yes'}" for at, one in enumerate(rows)]
    other = kept.rows.filter(pl.col("band") != "check_in_suggested")["prediction_id"].to_list()[:9]
    (tmp_path / "reviews.csv").write_text("\n".join(["prediction_id,agrees", *lines, *(f"{one},no" for one in other), "x,no"]))
    found = monitor.overrides([kept], read_reviews(tmp_path / "reviews.csv"))
    assert found["targets"] == [
        {"target": "dropout", "band": "check_in_suggested", "reviews": 40, "rate": 0.25},
        {"target": "dropout", "band": "no_extra_signal", "reviews": None, "rate": None},
    ]
    assert "1 are of none that is kept" in found["says"]


def test_without_reviews_it_says_so() -> None:
    assert "No reviews are recorded yet" in monitor.overrides([a_list()], None)["says"]


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2", "column is missing"), ("prediction_id,agrees\np,perhaps", "neither yes")]
)
def test_reviews_that_say_something_else_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "reviews.csv").write_text(text)
    with pytest.raises(Refused, match=said) as why:
        read_reviews(tmp_path / "reviews.csv")
    assert "perhaps" not in str(why.value)


def test_a_target_report_keeps_small_counts_to_itself() -> None:
    told = monitor.TargetReport("dropout", "leaves", "1", 100, {"scored": 96, "stale_data": 4}, monitor.Scores(96), 0, (), (),
                                (), (), (), {}, {})  # fmt: skip
    assert told.as_dict()["status"] == {"scored": 96, "stale_data": None}
    assert told.as_dict()["not_scored"] is None
    assert replace(told, status={"scored": 80, "stale_data": 20}).as_dict()["not_scored"] == 0.2

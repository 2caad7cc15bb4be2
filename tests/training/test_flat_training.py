"""Training on a flat file: who judges, what is beaten, what is said of a model, and what it carries."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path

import flat_files
import numpy as np
import polars as pl
import pytest

from features.flat import describe, rows_of
from features.problems import NotFound, Refused
from training.flat import FlatResult, train_flat
from training.flat_judgement import FLAT_BASELINES
from training.flat_model import FlatModel
from training.run import Training

pytestmark = pytest.mark.full  # all of them train

KINDS = ("regression", "binary", "multiclass")
EVERY = pytest.mark.parametrize("kind", KINDS)
SETTINGS = Training(bootstrap_draws=60)
THREE = "\n[folds]\nnumber = 3\n"
SPLIT = '\n[split]\ncolumn = "part"\ntrain = ["train"]\ntest = ["test"]\n'
TIME = '\n[time]\ncolumn = "year"\n'


@cache
def result(kind: str, plan: str = THREE) -> FlatResult:
    """Return a quick training, one per kind and plan for all tests."""
    return train_flat(flat_files.table(kind, plan), SETTINGS, left_out=("hobby",), members=flat_files.QUICK)


@EVERY
def test_a_model_of_each_kind_learns_what_there_is_to_learn(kind: str) -> None:
    found = result(kind)
    assert set(found.baselines) == set(FLAT_BASELINES[kind])  # type: ignore[index]
    if kind == "regression":
        assert (found.metrics["rmse"] or 99) < 0.6 * (found.baselines["mean"]["rmse"] or 0)
    elif kind == "binary":
        assert (found.metrics["auc"] or 0) > 0.85
    else:
        assert (found.metrics["log_loss"] or 99) < 0.8 * (found.baselines["class_shares"]["log_loss"] or 0)
        assert (found.metrics["macro_recall"] or 0) > 0.6


@EVERY
def test_shuffled_outcomes_teach_nothing(kind: str) -> None:
    found = train_flat(flat_files.table(kind, THREE), SETTINGS, members=flat_files.QUICK, shuffle_labels=True)
    assert not found.passed_gate
    if kind == "regression":
        assert (found.metrics["r2"] or 0) < 0.05
    elif kind == "binary":
        assert abs((found.metrics["auc"] or 0) - 0.5) < 0.12
    else:
        assert (found.metrics["log_loss"] or 0) > 0.97 * (found.baselines["class_shares"]["log_loss"] or 0)


@EVERY
def test_contributions_add_up_to_the_score_and_a_row_has_the_same_bits_alone(kind: str) -> None:
    model, table = result(kind).model, flat_files.table(kind)
    whole = model.score(table)
    np.testing.assert_allclose(whole.base + whole.contributions.sum(axis=1), whole.raw, atol=1e-9)
    for at in (0, 7, 101):
        alone = model.score_matrix(table.values[at : at + 1])
        assert alone.raw[0] == whole.raw[at]
        assert alone.outcome[0].tolist() == whole.outcome[at].tolist()
        assert alone.contributions[0].tolist() == whole.contributions[at].tolist()


@EVERY
def test_a_gate_is_passed_only_when_every_baseline_is_beaten(kind: str) -> None:
    found = result(kind)
    assert found.passed_gate == all(one.low > 0 for one in found.gains) == found.model.card["gate"]["passed"]
    assert {one.baseline for one in found.gains} == set(found.baselines)


@EVERY
def test_folds_never_claim_to_be_later(kind: str) -> None:
    card = result(kind).model.card
    assert "not judged on later data" in card["judged_on"]
    assert card["later"] is False
    assert result(kind, TIME).model.card["later"] is True


@pytest.mark.parametrize("plan", [SPLIT, TIME])
def test_who_judges_taught_nothing(plan: str) -> None:
    """Whatever the judges' outcomes had been, the model would be the same."""
    apart = "part" if plan == SPLIT else "year"
    judging = pl.col(apart) == ("test" if plan == SPLIT else "2024")
    frame = flat_files.frame()
    other = frame.with_columns(pl.when(judging).then(pl.lit("0")).otherwise("points").alias("points"))
    first, second = (
        train_flat(flat_files.table("regression", plan, one), SETTINGS, members=flat_files.QUICK) for one in (frame, other)
    )
    matrix = flat_files.table("regression").values
    np.testing.assert_array_equal(first.model.score_matrix(matrix).raw, second.model.score_matrix(matrix).raw)
    assert first.metrics != second.metrics
    assert first.model.bands == second.model.bands
    assert [one.low for one in first.gains] == [one.low for one in second.gains]
    assert first.train["rows"] + first.test["rows"] == flat_files.ROWS


def test_groups_reach_no_model_and_each_is_judged() -> None:
    found = result("regression")
    swapped = flat_files.frame().with_columns(pl.Series("sex", ["X"] * flat_files.ROWS))
    other = train_flat(flat_files.table("regression", THREE, swapped), SETTINGS, members=flat_files.QUICK)
    matrix = flat_files.table("regression").values
    np.testing.assert_array_equal(found.model.score_matrix(matrix).raw, other.model.score_matrix(matrix).raw)
    assert [(one["group"], one["value"]) for one in found.groups] == [("sex", "F"), ("sex", "M")]
    assert sum(one["rows"] for one in found.groups) == flat_files.ROWS
    assert all("rmse" in one and "on_list" in one for one in found.groups)


def test_a_group_of_few_is_not_judged_and_not_counted() -> None:
    few = flat_files.frame().with_columns(pl.Series("sex", ["A"] * 5 + ["B"] * (flat_files.ROWS - 5)))
    found = train_flat(flat_files.table("binary", THREE, few), SETTINGS, members=flat_files.QUICK).groups
    assert found[0] == {"group": "sex", "value": "A", "rows": None, "too_few": True}


def test_a_file_without_groups_is_trained_on_and_says_so(tmp_path: Path) -> None:
    raw = tomllib.loads(flat_files.text("regression", THREE))
    del raw["groups"]
    table = rows_of(flat_files.frame(), describe(raw), "students.csv", labelled=True)[1]
    found = train_flat(table, SETTINGS, members=flat_files.QUICK)
    assert found.groups == []
    found.model.write(tmp_path)
    assert "no group is in the file" in (tmp_path / "card.md").read_text()


def test_rows_without_an_outcome_teach_nothing_and_are_counted() -> None:
    unknown = pl.when(pl.int_range(pl.len()) < 40).then(pl.lit("")).otherwise("points")
    some = flat_files.frame().with_columns(unknown.alias("points"))
    found = train_flat(flat_files.table("regression", THREE, some), SETTINGS, members=flat_files.QUICK)
    assert found.train["rows"] == flat_files.ROWS - 40
    assert found.model.card["unlabelled"] == 40


@pytest.mark.parametrize(("kind", "count"), [("regression", 40), ("binary", 70), ("multiclass", 70)])
def test_too_little_is_refused_and_not_guessed_from(kind: str, count: int) -> None:
    with pytest.raises(Refused) as caught:
        train_flat(flat_files.table(kind, "", flat_files.frame().filter(pl.col("end") == "H").head(count)), SETTINGS)
    assert {problem.code for problem in caught.value.problems} == {"too_few"}


def test_the_name_of_another_kind_of_model_is_refused() -> None:
    raw = tomllib.loads(flat_files.text("binary"))
    raw["label"]["name"] = "dropout"
    table = rows_of(flat_files.frame(), describe(raw), "students.csv", labelled=True)[1]
    with pytest.raises(Refused):
        train_flat(table, SETTINGS)


@EVERY
def test_a_model_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    model, table = result(kind).model, flat_files.table(kind)
    model.write(tmp_path)
    again = FlatModel.read(tmp_path, "3")
    assert again.version == "3"
    assert again.description == model.description
    assert (again.bands, again.middles, again.card) == (model.bands, model.middles, model.card)
    for name in ("raw", "outcome", "contributions", "concern"):
        np.testing.assert_array_equal(getattr(again.score(table), name), getattr(model.score(table), name))
    page = (tmp_path / "card.md").read_text()
    assert "not judged on later data" in page
    assert "Never read: sex." in page
    assert "In the file and not read at all: hobby." in page


def test_a_feature_that_is_made_in_another_way_now_is_refused(tmp_path: Path) -> None:
    result("binary").model.write(tmp_path)
    kept = json.loads((tmp_path / "model.json").read_text())
    kept["catalog"][2]["fingerprint"] = "0" * 16
    (tmp_path / "model.json").write_text(json.dumps(kept))
    with pytest.raises(Refused) as caught:
        FlatModel.read(tmp_path)
    assert [problem.where for problem in caught.value.problems] == ["feature club"]


def test_a_damaged_ensemble_is_refused_by_its_name(tmp_path: Path) -> None:
    result("binary").model.write(tmp_path)
    (tmp_path / "model-0-0.txt").write_text("tree\n")
    with pytest.raises(Refused) as caught:
        FlatModel.read(tmp_path)
    assert [problem.file for problem in caught.value.problems] == ["model-0-0.txt"]
    with pytest.raises(NotFound):
        FlatModel.read(tmp_path / "nowhere")


@EVERY
def test_what_is_printed_is_plain_and_bands_are_in_order(kind: str) -> None:
    found = result(kind)
    assert json.loads(json.dumps(found.as_dict()))["kind"] == kind
    assert found.model.bands["keep_an_eye"] <= found.model.bands["check_in_suggested"]
    table = flat_files.table(kind)
    bands = [found.model.band(float(one)) for one in found.model.score(table).concern]
    assert 0 < bands.count("check_in_suggested") < 0.25 * len(bands)


def test_the_past_is_told_in_groups_that_add_up() -> None:
    for kind in KINDS:
        calibration = result(kind).model.calibration
        assert calibration is not None
        assert sum(one.students for one in calibration.patterns) == flat_files.ROWS
        assert calibration.patterns[-1].share > calibration.patterns[0].share


def test_intervals_hold_about_as_many_as_they_are_meant_to() -> None:
    assert result("regression").model.card["interval"]["coverage"] == pytest.approx(0.8, abs=0.1)


@pytest.mark.usefixtures("pupils")
@pytest.mark.parametrize(("subject", "setup"), [("mathematics", "A"), ("mathematics", "B"), ("portuguese", "A")])
def test_the_published_error_is_beaten_without_a_demographic(subject: str, setup: str) -> None:
    """One run of the paper's twenty, in the set-ups where a single run tells."""
    from benchmarks.tabular import PUBLISHED, one_run

    assert one_run(subject, setup, False, 0) < PUBLISHED[subject, setup]

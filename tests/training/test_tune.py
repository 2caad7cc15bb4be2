"""A search goes on where it was stopped, is the same when done again, and is never worse in its folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import example_school
import numpy as np
import pytest
from approvals import PROVENANCE
from jsonschema import Draft202012Validator
from trainings import QUICK

from features.problems import Refused, Unavailable
from features.records import SchoolRecords
from features.standard import STANDARD
from training import card as cards
from training import tune
from training.model import Trees
from training.registry import Registry
from training.run import PARAMETERS_OF, Run, Training, rows_of
from training.splits import by_time
from training.targets import TARGETS
from training.train import train
from training.tune import Search, Tuned, tuned

SETTINGS = replace(QUICK, days=(56,), judged_days=(56,), trees=6)


@cache
def run(target: str = "dropout") -> Run:
    given = SchoolRecords.from_frames(example_school.large_school(150))
    table, keys, labels, terms = rows_of(given, TARGETS[target], SETTINGS, None, 0.5, STANDARD.within(set(given.parts)), {})
    return Run.of(given, TARGETS[target], SETTINGS, table, keys, labels, by_time(keys, labels, terms, None, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Tuned:
    """A search of a few trials, in one go."""
    return tuned(run(), Search(4, folder))


def present(of: Run) -> dict[str, Any]:
    told = of.parameters
    names = ("learning_rate", "num_leaves", "min_child_samples", "feature_fraction", "lambda_l2")
    return {**{name: told[name] for name in names}, "trees": of.settings.trees, "line": of.settings.line}


@pytest.mark.full
def test_the_first_trial_is_the_parameters_as_they_are(whole: Tuned, tmp_path: Path) -> None:
    assert whole.trials[0].parameters == present(run())
    other = run("course_failure")
    first = tuned(other, Search(1, tmp_path))
    assert first.trials[0].parameters == present(other)
    assert first.trials[0].parameters["num_leaves"] == PARAMETERS_OF["course_failure"]["num_leaves"]
    assert first.run.parameters == other.parameters


@pytest.mark.full
def test_what_is_found_is_never_worse_in_the_folds(whole: Tuned) -> None:
    assert len({one.value for one in whole.trials}) > 2, "parameters make a difference"
    assert whole.best.value == max(one.value for one in whole.trials) >= whole.trials[0].value


def test_what_is_found_is_what_the_model_is_fitted_with(whole: Tuned) -> None:
    told = whole.run.algorithm
    assert {name: told[name] for name in whole.best.parameters} == whole.best.parameters
    fitted = whole.run.fitted(whole.run.fit)
    assert (fitted.booster.num_trees(), fitted.share) == (whole.best.parameters["trees"], whole.best.parameters["line"])


def test_a_search_done_again_makes_no_trial_and_finds_the_same(
    whole: Tuned, folder: Path
) -> None:
    before = [(one.name, one.read_bytes()) for one in folder.iterdir()]
    told: list[str] = []
    again = tuned(run(), Search(4, folder), told.append)
    assert (again.trials, told) == (whole.trials, [])
    assert [(one.name, one.read_bytes()) for one in folder.iterdir()] == before


@pytest.mark.full
def test_a_search_in_another_place_makes_the_same_trials_whether_or_not_it_was_killed(
    whole: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten are drawn at random, the others from those before them.
    clean = tuned(run(), Search(12, tmp_path / "clean")).trials
    fitted, fits = Run.fitted, iter(range(1000))

    def killed(self: Run, rows: Any, label: Any = None) -> Trees:
        # In the first trial, after one of its folds, and in the eleventh, the first that is drawn from those before it.
        if next(fits) in (1, 23):
            raise KeyboardInterrupt
        return fitted(self, rows, label)

    monkeypatch.setattr(Run, "fitted", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tuned(run(), Search(12, tmp_path))
    told: list[str] = []
    found = tuned(run(), Search(12, tmp_path), told.append)
    assert 0 < len(told) < 6, "what was finished is not done again"
    assert found.trials == clean
    assert tuned(run(), Search(4, tmp_path)).trials == whole.trials == clean[:4]


def test_rows_that_judge_and_rows_that_calibrate_are_never_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = run()
    taught: list[np.ndarray] = []
    fitted = Run.fitted
    monkeypatch.setattr(Run, "fitted", lambda self, rows, label=None: (taught.append(rows), fitted(self, rows, label))[1])
    label = np.where(asked.fit, asked.label, 1 - asked.label).astype(np.int8)
    turned = replace(asked, label=label, learned=np.where(asked.fit[:, None], asked.learned, 0.0))
    turned.__dict__["matrix"] = np.where(asked.fit[:, None], asked.matrix, 0.0)
    assert tuned(turned, Search(1, tmp_path)).trials == tuned(asked, Search(1, tmp_path)).trials
    assert len(taught) == asked.settings.folds, "the rows are the same, and so is the search: it was not made anew"
    students = asked.keys["student_id"].to_numpy()
    for rows in taught:
        assert not (rows & ~asked.fit).any()
        unseen = asked.fit & ~rows
        assert unseen.any()
        assert not set(students[unseen]) & set(students[rows])


def test_a_sample_is_of_whole_students_and_a_search_of_other_rows_is_another(whole: Tuned, tmp_path: Path) -> None:
    fewer = replace(run(), settings=replace(SETTINGS, tune_rows=int(run().fit.sum()) // 2))
    found = tuned(fewer, Search(1, tmp_path))
    assert 0.3 * whole.rows < found.rows < 0.7 * whole.rows
    tuned(run(), Search(1, tmp_path))
    assert len([one for one in tmp_path.iterdir() if one.suffix == ".log"]) == 2


def test_a_line_that_was_turned_off_stays_off(tmp_path: Path) -> None:
    without = replace(run(), settings=replace(SETTINGS, line=0.0))
    found = tuned(without, Search(2, tmp_path))
    assert "line" not in found.best.parameters
    assert found.run.settings.line == 0.0
    assert found.run.algorithm["class_weight"] is None


def test_what_is_kept_holds_no_student(whole: Tuned, folder: Path) -> None:
    (file,) = (one for one in folder.iterdir() if one.suffix == ".log")
    assert file.name.startswith("dropout-")
    assert "pupil" not in file.read_text()


def test_trials_that_cannot_be_read_are_told_by_the_name_of_their_file(tmp_path: Path) -> None:
    tuned(run(), Search(1, tmp_path))
    (file,) = (one for one in tmp_path.iterdir() if one.suffix == ".log")
    file.write_text("not a trial\n" * 2)
    with pytest.raises(Unavailable, match=file.name):
        tuned(run(), Search(1, tmp_path))
    with pytest.raises(Refused, match="at least one trial"):
        tuned(run(), Search(0, tmp_path))


def test_the_card_tells_of_the_search_in_the_form_that_the_schema_asks_for(whole: Tuned) -> None:
    told = whole.as_dict()
    rules = {**cards.schema()["properties"]["tuning"], "$defs": cards.schema()["$defs"]}
    assert list(Draft202012Validator(rules).iter_errors(told)) == []
    assert (told["trials"], told["parameters"]) == (4, whole.best.parameters)
    assert told["before"] <= told["after"]
    assert ("The same rows calibrate and gate" in told["says"]) == run().split.cross_fitted


def test_auc_counts_a_tie_as_a_half() -> None:
    assert tune._auc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0, 0, 1, 1], dtype=np.int8)) == 0.875
    assert tune._auc(np.array([0.1, 0.5]), np.array([1, 1], dtype=np.int8)) is None


@pytest.mark.full
def test_trials_are_runs_within_the_training_run_that_took_the_best(
    large_records: SchoolRecords, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    registry = Registry(tmp_path / "models", "lincoln-high")
    settings: Training = replace(QUICK, trees=8, shift_parts=0)
    said: list[str] = []
    (found,) = train(large_records, ["dropout"], settings, pass_mark=0.5, registry=registry, provenance=PROVENANCE,
                     progress=said.append, search=Search(3, tmp_path / "models" / "tuning"))  # fmt: skip
    told: Mapping[str, Any] = found.model.card["tuning"]
    assert sum("trial" in one for one in said) == 3
    assert found.as_dict()["tuning"] == told
    assert found.model.card["algorithm"]["trees"] == told["parameters"]["trees"]
    assert cards.missing(found.model.card) == []
    client = MlflowClient(f"sqlite:///{tmp_path / 'models' / 'mlflow.db'}")
    parent = client.get_run(found.run_id)
    runs: Sequence[Any] = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{found.run_id}'", order_by=["attributes.run_name"]
    )
    assert [one.info.run_name for one in runs] == ["trial 1", "trial 2", "trial 3"]
    assert {one.info.status for one in runs} == {"FINISHED"}
    assert runs[0].data.metrics["auc_in_folds"] == pytest.approx(told["before"], abs=1e-6)
    assert max(one.data.metrics["auc_in_folds"] for one in runs) == pytest.approx(told["after"], abs=1e-6)
    assert parent.data.params["trials"] == "3"
    assert [one.run_id for one in registry.versions("dropout")] == [found.run_id], "a trial is no version"

"""Every candidate is kept, one version serves, and no student is in the store."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from approvals import APPROVED, DAY, DESPITE, GOVERNANCE, PROVENANCE, SIGNED, whole
from trainings import QUICK

from features import cohort, pipeline
from features.problems import NotFound, Refused, Unavailable
from features.records import SchoolRecords
from features.standard import STANDARD
from training import card as cards
from training.governance import Governance
from training.promotion import SignOff
from training.registry import Registry
from training.train import Result, train

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "models"


@pytest.fixture(scope="module")
def registry(store: Path) -> Registry:
    return Registry(store, "lincoln-high")


@pytest.fixture(scope="module")
def kept(registry: Registry, large_records: SchoolRecords) -> Mapping[str, list[Result]]:
    """Three versions of dropout and one of learning_gap, in a store of their own."""
    targets = ["dropout", "dropout", "dropout", "learning_gap"]
    found: dict[str, list[Result]] = {}
    for target in targets:
        made = train(large_records, [target], QUICK, pass_mark=0.5, registry=registry, provenance=PROVENANCE)
        found.setdefault(target, []).extend(made)
    return found


def record(registry: Registry, result: Result, passed: bool) -> str:
    model = replace(result.model, card=whole(result.model.card))
    version, _ = registry.record(model, {"auc": 0.5}, {"trees": 1}, {}, {}, passed)
    return version


def test_before_anything_is_promoted_nothing_serves(tmp_path: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(tmp_path / "empty")
    assert registry.versions() == []
    assert registry.champion("dropout") is None
    version = record(registry, results["dropout"], passed=True)
    assert registry.champion("dropout") is None
    for load in (lambda: registry.load("dropout", STANDARD), lambda: registry.rollback("dropout", DAY, "a test")):
        with pytest.raises(NotFound, match="no version is promoted"):
            load()
    with pytest.raises(NotFound, match="there is no version 9"):
        registry.load("dropout", STANDARD, "9")
    with pytest.raises(NotFound, match="has no version 9"):
        registry.promote("dropout", "9", APPROVED)
    assert registry.load("dropout", STANDARD, version).version == version


def test_every_run_is_kept_with_its_figures(registry: Registry, kept: Mapping[str, list[Result]]) -> None:
    found = registry.versions("dropout")
    assert [one.version for one in found] == ["3", "2", "1"]
    assert [one.version for one in registry.versions()] == ["3", "2", "1", "1"]
    newest, result = found[0], kept["dropout"][2]
    assert newest.run_id == result.run_id
    assert newest.passed_gate == result.passed_gate
    assert newest.metrics["auc"] == pytest.approx(result.metrics.auc, abs=1e-6)
    assert not any(one.champion for one in found)
    assert result.model.version == "3"
    assert result.model.card["run_id"] == result.run_id


def test_a_model_that_was_kept_scores_with_the_same_bits(
    registry: Registry, kept: Mapping[str, list[Result]], large_records: SchoolRecords
) -> None:
    for target, unit in (("dropout", "enrolment"), ("learning_gap", "skill")):
        table = pipeline.build(large_records, cohort.on_days_of_term(large_records, [56], unit, ["t3"]), STANDARD)  # type: ignore[arg-type]
        trained = kept[target][0].model
        loaded = registry.load(target, STANDARD, "1")
        assert np.array_equal(trained.score(table).contributions, loaded.score(table).contributions)
        assert np.array_equal(trained.score(table).probability, loaded.score(table).probability)


@pytest.fixture(scope="module")
def steps(store: Path, results: Mapping[str, Result]) -> Registry:
    """Three versions of dropout that lack nothing; the second failed its gate."""
    registry = Registry(store, "steps")
    for passed in (True, False, True):
        record(registry, results["dropout"], passed)
    return registry


def test_versions_are_promoted_rolled_back_and_stopped_step_by_step(steps: Registry) -> None:
    backs = [steps.promote("dropout", version, DESPITE) for version in ("1", "2", "3")]
    assert backs == [None, "1", "2"]
    assert steps.promote("dropout", "3", DESPITE) == "2"  # promoting what serves is no step
    assert [one.version for one in steps.versions("dropout") if one.champion] == ["3"]
    assert steps.load("dropout", STANDARD).version == "3"
    assert steps.load("dropout", STANDARD).card["rollback_to"] == "2"
    assert steps.rollback("dropout", DAY, "Ida Lovell", "too long a list") == "2"
    assert steps.rollback("dropout", DAY, "Ida Lovell") == "1"
    with pytest.raises(NotFound, match="no version served before"):
        steps.rollback("dropout", DAY, "Ida Lovell")
    assert steps.champion("learning_gap") is None, "each target has its own"
    assert steps.stop("dropout", DAY, "Ben Okoro", "the export was wrong") == "1"
    assert steps.champion("dropout") is None
    for ask in (lambda: steps.stop("dropout", DAY, "Ben Okoro", "again"), lambda: steps.load("dropout", STANDARD)):
        with pytest.raises(NotFound, match="no version is promoted"):
            ask()
    assert steps.promote("dropout", "1", replace(DESPITE, signed=())) is None, "what was signed stays signed"
    told = [(one.did, one.version, one.by, one.why) for one in steps.history("dropout")]
    assert told[:3] == [("signed", "1", "a test", "Ida Lovell for data_science"),
                        ("signed", "1", "a test", "Ben Okoro for education"),
                        ("promoted", "1", "a test", "it is a test")]  # fmt: skip
    assert told[-4:] == [("rolled back", "2", "Ida Lovell", "too long a list"), ("rolled back", "1", "Ida Lovell", ""),
                         ("stopped", "1", "Ben Okoro", "the export was wrong"),
                         ("promoted", "1", "a test", "it is a test")]  # fmt: skip
    assert {one.day for one in steps.history("dropout")} == {DAY.isoformat()}


def test_what_a_promotion_lacks_is_told_at_once_and_nothing_of_it_is_kept(store: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(store, "gate")
    bare = replace(results["dropout"].model, card={**whole(results["dropout"].model.card), "governance": {}})
    version, _ = registry.record(bare, {"auc": 0.5}, {}, {}, {}, passed_gate=False)
    with pytest.raises(Refused, match="did not find more students than every simple baseline") as refused:
        registry.promote("dropout", version, replace(APPROVED, signed=SIGNED[:1], governance=Governance()))
    assert {one.code for one in refused.value.problems} == {"gate_failed", "card_incomplete", "not_signed"}
    assert "governance.owner" in {one.where for one in refused.value.problems}
    assert registry.champion("dropout") is None
    assert registry.history("dropout") == []
    registry.sign("dropout", version, SIGNED[:1], "a test")
    registry.promote("dropout", version, replace(DESPITE, signed=SIGNED[1:]))
    card = registry.card("dropout")
    assert card["governance"]["owner"] == GOVERNANCE.owner, "stated when it was promoted"
    assert card["contest"]["contact"] == GOVERNANCE.contest_contact
    assert card["despite_gate"] == "it is a test"
    assert {one["name"] for one in card["sign_offs"]} == {one.name for one in SIGNED}
    assert cards.missing(card) == []
    (listed,) = registry.versions("dropout")
    assert (listed.despite_gate, set(listed.sign_offs)) == ("it is a test", set(SIGNED))


def test_a_signature_of_nobody_or_of_no_version_is_refused(store: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(store, "signed")
    version = record(registry, results["dropout"], passed=True)
    with pytest.raises(Refused, match="nobody signs in this role"):
        registry.sign("dropout", version, [SignOff("friend", "Ann", "2026-11-22")], "a test")
    with pytest.raises(NotFound, match="no version 9"):
        registry.sign("dropout", "9", SIGNED, "a test")
    assert registry.versions("dropout")[0].sign_offs == ()


def test_a_card_tells_what_changed_against_the_version_that_served_before(store: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(store, "changes")
    first = record(registry, results["dropout"], passed=True)
    card = whole(results["dropout"].model.card)
    fewer = {**card, "concepts": card["concepts"][1:], "metrics": {**card["metrics"], "auc": 0.9}}
    second, _ = registry.record(replace(results["dropout"].model, card=fewer), {"auc": 0.9}, {}, {}, {}, passed_gate=True)
    registry.promote("dropout", first, APPROVED)
    assert registry.card("dropout")["changes"]["against"] is None
    registry.promote("dropout", second, APPROVED)
    told = registry.card("dropout")["changes"]
    assert told["against"] == first
    assert next(one["now"] for one in told["metrics"] if one["metric"] == "auc") == 0.9
    assert told["inputs_added"] == []
    assert told["inputs_removed"] == [one["what"] for one in card["concepts"][0]["inputs"]]
    assert registry.card("dropout", first)["changes"]["against"] is None, "an earlier version keeps its own"


def test_a_model_whose_proof_failed_or_whose_card_is_malformed_is_not_registered(
    store: Path, results: Mapping[str, Result]
) -> None:
    registry = Registry(store, "proof")
    card = whole(results["dropout"].model.card)
    leaking = {"passed": False, "checks": [{"name": "future_rows", "passed": False, "says": "A feature reads a later row"}]}
    for wrong, said in (({"leakage": leaking}, "A feature reads a later row"), ({"capacity": "all"}, "capacity")):
        with pytest.raises(Refused, match=said):
            registry.record(replace(results["dropout"].model, card={**card, **wrong}), {}, {}, {}, {}, passed_gate=True)
    assert registry.versions() == []


def test_two_stores_in_one_process_keep_what_they_are_given(tmp_path: Path, results: Mapping[str, Result]) -> None:
    stores = [Registry(tmp_path / name) for name in ("one", "two")]
    for at in (0, 1, 0, 1, 1):
        record(stores[at], results["dropout"], passed=True)
    assert [[one.version for one in store.versions()] for store in stores] == [["2", "1"], ["3", "2", "1"]]


def test_tenants_do_not_see_each_others_models(store: Path, kept: Mapping[str, list[Result]]) -> None:
    stranger = Registry(store, "lincoln")
    assert stranger.versions() == []
    assert stranger.champion("dropout") is None
    with pytest.raises(NotFound):
        stranger.load("dropout", STANDARD, "1")


def test_a_registry_that_is_broken_is_not_taken_for_an_empty_one(tmp_path: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(tmp_path / "models")
    version = record(registry, results["dropout"], passed=True)
    registry.promote("dropout", version, APPROVED)
    (tmp_path / "new").mkdir()
    for folder in ("models", "new"):
        for path in (tmp_path / folder).glob("mlflow.db-*"):
            path.unlink()
        (tmp_path / folder / "mlflow.db").write_bytes(b"not a database " * 1000)
        broken = Registry(tmp_path / folder)
        for ask in (
            lambda at: at.champion("dropout"),
            lambda at: at.load("dropout", STANDARD),
            lambda at: at.load("dropout", STANDARD, "1"),
            lambda at: at.versions(),
            lambda at: at.tenants(),
            lambda at: at.promote("dropout", "1", APPROVED),
        ):
            with pytest.raises(Unavailable, match=f"in the folder {folder} cannot be reached or read.*not a database"):
                ask(broken)


def test_a_folder_that_cannot_be_used_is_said_as_such(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(Unavailable, match="folder models"):
        Registry(tmp_path / "models").champion("dropout")


@pytest.mark.parametrize("uri", ["http://mona:secret@127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_server_that_cannot_be_reached_is_said_as_such_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(tmp_path / "models", uri=uri)
    for ask in (lambda: registry.champion("dropout"), lambda: registry.load("dropout", STANDARD, "1")):
        with pytest.raises(Unavailable, match="The MLflow server") as unreachable:
            ask()
        assert "secret" not in str(unreachable.value)


def test_a_version_whose_files_are_gone_is_said_as_such(tmp_path: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(tmp_path / "models")
    version = record(registry, results["dropout"], passed=True)
    registry.promote("dropout", version, APPROVED)
    shutil.rmtree(tmp_path / "models" / "artifacts")
    assert registry.champion("dropout") == version
    with pytest.raises(Unavailable, match="dropout: version 1 is registered, but its files cannot be fetched"):
        registry.load("dropout", STANDARD)


@pytest.mark.parametrize("word", ["seven", "", "-1", "1; --", "99"])
def test_a_version_that_is_no_number_of_ours_is_not_found(
    kept: Mapping[str, list[Result]], registry: Registry, word: str
) -> None:
    with pytest.raises(NotFound, match="there is no version"):
        registry.load("dropout", STANDARD, word)


def test_a_folder_that_was_moved_has_its_models_and_takes_new_ones(tmp_path: Path, results: Mapping[str, Result]) -> None:
    old, new = tmp_path / "old" / "models", tmp_path / "restored" / "models"
    first = Registry(old)
    first.promote("dropout", record(first, results["dropout"], passed=True), APPROVED)
    new.parent.mkdir()
    old.parent.joinpath("models").rename(new)
    moved = Registry(new)
    assert moved.champion("dropout") == "1"
    loaded = moved.load("dropout", STANDARD)
    assert loaded.trees.text() == results["dropout"].model.trees.text()
    for number in ("2", "3"):
        assert record(moved, results["dropout"], passed=True) == number
        assert moved.load("dropout", STANDARD, number).version == number
    assert not old.exists(), "nothing is written where the folder was"
    assert [one.version for one in moved.versions()] == ["3", "2", "1"]
    names = sorted(one.name for one in moved._client.search_experiments())
    assert names == ["Default", "default", "default (moved, 1)"]


def test_a_copy_reads_its_own_files_and_not_those_it_was_copied_from(tmp_path: Path, results: Mapping[str, Result]) -> None:
    registry = Registry(tmp_path / "models")
    record(registry, results["dropout"], passed=True)
    shutil.copytree(tmp_path / "models", tmp_path / "copy")
    for card in (tmp_path / "models").rglob("card.md"):
        card.write_text("changed")
    with pytest.raises(Refused, match=r"card\.md"):
        registry.load("dropout", STANDARD, "1")
    assert Registry(tmp_path / "copy").load("dropout", STANDARD, "1").version == "1"


def test_no_student_of_the_training_data_is_in_any_file_of_the_store(
    store: Path, kept: Mapping[str, list[Result]], large_records: SchoolRecords
) -> None:
    keys = large_records.labels("enrolments").select("student_id", "enrolment_id").collect()
    files = [path for path in store.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".db", ".txt", ".json", ".png"}
    content = b"\n".join(path.read_bytes() for path in files) + "\n".join(str(path) for path in files).encode()
    assert b"dropout" in content
    assert b"pupil-" not in content, "every key of a student begins so"
    assert b"stay-" not in content
    assert not any(key.encode() in content for key in [*keys["student_id"][:50], *keys["enrolment_id"][:50]])


def test_nothing_in_the_store_is_pickled(store: Path, kept: Mapping[str, list[Result]]) -> None:
    suffixes = {path.suffix for path in store.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".cloudpickle", ".bin"}

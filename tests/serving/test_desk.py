"""The desk: models are taken into use while it works, schools are kept apart, and a failure changes nothing."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import models
import pytest
from approvals import APPROVED, DAY, DESPITE, whole
from models import FolderDesk, desk_of

from features.catalog import Catalog
from features.norms import Norms
from features.problems import NotFound, Refused, Unavailable
from serving import desk as room
from serving.answers import version_in
from serving.contract import SCORE_EXAMPLE, NoModel, ServeSettings
from serving.desk import open_desk
from serving.store import Latest, Store
from training.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {"scored", "not_enough_data", "stale_data", "outside_training_population"}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let desks look every 20 ms, and leave their threads nothing to look at once a test is over."""
    monkeypatch.setattr(room, "LOOK_EVERY", 0.02)
    yield
    for opened in FolderDesk.opened:
        opened._shelves.clear()


@pytest.fixture
def desk(tmp_path: Path) -> FolderDesk:
    return desk_of(tmp_path, models.trained())


def score(at: room.Desk, tenant: str = "default", audience: str = "teacher") -> dict[str, Any]:
    """Score the example, and return the answer on its one student."""
    found = at.score(dict(SCORE_EXAMPLE), tenant, audience)
    assert found["as_of"] == SCORE_EXAMPLE["as_of"]
    (one,) = found["scores"]  # type: ignore[misc]
    return dict(one)


def until(what: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait until something is so; the desk looks every 20 ms."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.01)
    return False


# -- models come and go ---------------------------------------------------------------------------------------------


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    for ask in (
        lambda at: at.score(dict(SCORE_EXAMPLE), "default", "teacher"),
        lambda at: at.score_stored(["S-104"], "default", "teacher"),
        lambda at: at.model_card("dropout", None, "default"),
        lambda at: at.example(),
    ):
        with pytest.raises(NoModel, match="homeroom train"):
            ask(desk_of(tmp_path))


def test_the_example_of_the_reference_is_scored(desk: FolderDesk) -> None:
    desk.example()
    found = score(desk, audience="counselor")
    assert found["student_id"] == "S-104"
    assert {risk["target"] for risk in found["risks"]} == {"dropout", "course_failure"}
    for risk in found["risks"]:
        assert risk["status"] in STATUSES
        assert ("probability" in risk) is (risk["status"] == "scored")
        assert all(reason["text"].startswith("Ana ") for reason in risk["reasons"])


def test_it_is_told_how_long_each_stage_took(desk: FolderDesk) -> None:
    _, seconds = desk.score_timed(dict(SCORE_EXAMPLE), "default", "teacher")
    assert list(seconds) == ["parse", "features", "score and explain", "words"]
    assert all(took >= 0 for took in seconds.values())


def test_a_version_promoted_while_it_works_is_taken_into_use(desk: FolderDesk) -> None:
    assert score(desk)["model"]["dropout"] == "1"
    desk.registry.put(models.model("dropout").with_version("2"))
    assert until(lambda: score(desk)["model"]["dropout"] == "2")
    assert score(desk)["model"]["course_failure"] == "1"
    desk.registry.champions["default", "dropout"] = "1"  # and rolled back
    assert until(lambda: score(desk)["model"]["dropout"] == "1")


def test_a_first_model_promoted_while_it_works_is_taken_into_use(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    with pytest.raises(NoModel):
        score(desk)
    desk.registry.put(models.model("dropout"))

    def served() -> bool:
        try:
            return bool(score(desk)["model"] == {"dropout": "1"})
        except NoModel:
            return False

    assert until(served)


@pytest.mark.parametrize("file", ["model.json", pytest.param("card.json", marks=pytest.mark.full)])
def test_a_version_that_cannot_be_read_leaves_the_old_in_use_and_logs_no_value(
    desk: FolderDesk, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    before = score(desk)
    broken = models.model("dropout").with_version("2")
    desk.registry.put(broken, promote=False)
    place = desk.registry.folder / "default" / "dropout" / "2" / file
    whole = place.read_text()
    place.write_text("Zephyrine " + whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, "homeroom.desk"):
        desk.registry.champions["default", "dropout"] = "2"
        assert until(lambda: len(caplog.records) >= 2)  # it goes on looking
    assert score(desk) == before
    assert "could not be taken into use" in caplog.text
    for value in ("Zephyrine", "S-104", "Traceback"):
        assert value not in caplog.text
    place.write_text(whole)
    assert until(lambda: score(desk)["model"]["dropout"] == "2")


#: Reads a model from each folder in a child of its own, and prints how each child ended.
READ = """
import os, sys
from pathlib import Path
from features.problems import HomeroomError
from features.standard import STANDARD
from training.trained import TrainedModel

for folder in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            TrainedModel.read(Path(folder), STANDARD)
        except HomeroomError:
            os._exit(7)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.full
def test_trees_that_are_cut_short_are_refused_and_do_not_end_the_process(tmp_path: Path) -> None:
    # In processes of their own: LightGBM aborts the process that hands it half a model, and would take the server with it.
    folders = [tmp_path / name for name in ("whole", "model.txt", "expected.txt")]
    for folder in folders:
        folder.mkdir()
        models.model("learning_gap").write(folder)
        if (folder / folder.name).exists():
            whole = (folder / folder.name).read_text()
            (folder / folder.name).write_text(whole[: len(whole) // 2])
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, folders)], cwd=ROOT, capture_output=True, check=True
    )  # as bytes: what LightGBM prints before it aborts is not always UTF-8
    assert [int(line) for line in done.stdout.split()] == [0, 7, 7]


def test_a_registry_that_cannot_be_reached_leaves_the_models_in_use(
    desk: FolderDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = score(desk)

    def unreachable(*_: object) -> None:
        raise Unavailable("The MLflow server cannot be reached")

    monkeypatch.setattr(models.FolderRegistry, "champion", unreachable)
    with caplog.at_level(logging.WARNING, "homeroom.desk"):
        assert until(lambda: len(caplog.records) >= 2)
    assert score(desk) == before


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the registry away, whatever it is asked."""

    def unreachable(*_: object, **__: object) -> None:
        raise Unavailable("The MLflow server cannot be reached")

    for name in ("champion", "tenants", "load"):
        monkeypatch.setattr(models.FolderRegistry, name, unreachable)


def test_a_desk_with_models_stays_ready_while_the_registry_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tenant in ("default", "lincoln"):
        opened = desk_of(tmp_path / tenant, models.trained()[:1], tenant)
        opened.example()  # ready, with the models of whichever school has some
        with monkeypatch.context() as patch:
            away(patch)
            opened.example()
            assert score(opened, tenant)["model"]
        opened.example()


def test_a_desk_without_models_is_not_ready_while_the_registry_is_away_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = desk_of(tmp_path, models.trained()[:1])
    with monkeypatch.context() as patch:
        away(patch)
        with pytest.raises(Unavailable, match="cannot be reached"):
            opened.example()
    opened.example()


def test_a_version_that_is_gone_leaves_the_old_in_use(desk: FolderDesk, caplog: pytest.LogCaptureFixture) -> None:
    before = score(desk)
    with caplog.at_level(logging.WARNING, "homeroom.desk"):
        desk.registry.champions["default", "learning_gap"] = "9"
        assert until(lambda: bool(caplog.records))
    assert score(desk) == before


@pytest.mark.full
def test_a_request_is_answered_by_one_set_of_models_whatever_is_promoted_meanwhile(desk: FolderDesk) -> None:
    for version in ("2", "3"):
        for one in models.trained():
            desk.registry.put(one.with_version(version), promote=False)
    score(desk)
    stop, mixed = threading.Event(), []

    def promote() -> None:
        at = 0
        while not stop.is_set():
            at += 1
            version = "123"[at % 3]
            # All three at once, as far as anybody can see who reads a whole dictionary.
            desk.registry.champions = dict.fromkeys(desk.registry.champions, version)
            time.sleep(0.03)

    thread = threading.Thread(target=promote)
    thread.start()
    try:
        seen = set()
        for _ in range(12):
            found = score(desk)
            seen.add(found["model"]["dropout"])
            named = {target: version_in(found["prediction_id"], target) for target in found["model"]}
            mixed += [found["model"]] if named != found["model"] else []
    finally:
        stop.set()
        thread.join()
    assert mixed == []
    assert len(seen) > 1


@pytest.mark.full
def test_one_thread_watches_for_all_schools(desk: FolderDesk) -> None:
    for tenant in ("default", "lincoln", "douglass"):
        for one in models.trained()[:1]:
            if tenant != "default":
                desk.registry.of(tenant).put(one)
        score(desk, tenant)
    watching = desk._watching
    assert watching
    desk.registry.of("lincoln").put(models.model("dropout").with_version("2"))
    assert until(lambda: score(desk, "lincoln")["model"] == {"dropout": "2"})
    assert score(desk, "douglass")["model"] == {"dropout": "1"}


# -- schools are kept apart -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored_desk() -> FolderDesk:
    """A desk whose tenant ``default`` was scored last night; ``lincoln`` has models and no scoring."""
    opened = desk_of(models.scored().home, models.trained())
    for one in models.trained():
        opened.registry.of("lincoln").put(one)
    return opened


def test_stored_students_are_scored_for_their_own_school_only(scored_desk: FolderDesk) -> None:
    students = models.students_on(models.school(), models.TODAY, 3)
    found = scored_desk.score_stored(students, "default", "teacher")
    assert found["as_of"] == models.TODAY.isoformat()
    assert [one["student_id"] for one in found["scores"]] == students  # type: ignore[attr-defined]
    with pytest.raises(NotFound, match="homeroom score"):
        scored_desk.score_stored(students, "lincoln", "teacher")
    lincoln = Store.of(models.scored().home, "lincoln")
    lincoln.folder.mkdir(parents=True, exist_ok=True)
    assert lincoln.latest() is None


@pytest.mark.full
def test_another_schools_scoring_does_not_hold_our_students(tmp_path: Path) -> None:
    import example_school

    opened = desk_of(tmp_path, models.trained())
    models.score_school(example_school.records(), models.trained(), example_school.TODAY, tmp_path)
    student = models.students_on(models.school(), models.TODAY, 1)[0]
    with pytest.raises(Refused):
        opened.score_stored([student], "default", "teacher")
    assert opened.score_stored(["ana"], "default", "teacher")


def test_students_who_are_not_there_are_told_by_their_place_only(scored_desk: FolderDesk) -> None:
    known = models.students_on(models.school(), models.TODAY, 2)
    with pytest.raises(Refused) as refused:
        scored_desk.score_stored([known[0], "pupil-Qx7", known[1], "pupil-Vw3"], "default", "counselor")
    assert [problem.where for problem in refused.value.problems] == ["student_ids[1]", "student_ids[3]"]
    assert "pupil" not in str(refused.value)
    assert known[0] not in str(refused.value)


def test_a_student_asked_for_twice_is_answered_once(scored_desk: FolderDesk) -> None:
    (student,) = models.students_on(models.school(), models.TODAY, 1)
    found = scored_desk.score_stored([student, student], "default", "teacher")
    assert [one["student_id"] for one in found["scores"]] == [student]  # type: ignore[attr-defined]


def test_what_is_stored_answers_as_the_same_records_in_a_request_do(scored_desk: FolderDesk) -> None:
    students = models.students_on(models.school(), models.TODAY, 4)
    stored = scored_desk.score_stored(students, "default", "counselor")["scores"]
    sent = scored_desk.score(models.body_of(models.school(), students, models.TODAY), "default", "counselor")["scores"]
    assert stored == sent


def test_an_answer_is_said_in_the_language_that_is_asked_for_and_is_otherwise_the_same(scored_desk: FolderDesk) -> None:
    students = models.students_on(models.school(), models.TODAY, 4)
    body = models.body_of(models.school(), students, models.TODAY)
    english, spanish = (scored_desk.score({**body, "language": code}, "default", "counselor") for code in ("en", "es"))
    assert english == scored_desk.score(body, "default", "counselor")
    assert spanish["scores"] == scored_desk.score_stored(students, "default", "counselor", "es")["scores"]
    both = [(one, two) for one, two in zip(_leaves(english), _leaves(spanish), strict=True) if one != two]
    assert len(both) > 20
    assert all(isinstance(one, str) and isinstance(two, str) and " " in one for one, two in both), "words alone differ"
    assert [two for _, two in both if two.startswith("De 100 estudiantes con un patrón parecido")]
    for code in ("xx", "de", 3, None):
        with pytest.raises(Refused, match="language"):
            scored_desk.score({**body, "language": code}, "default", "teacher")


def _leaves(found: object) -> list[object]:
    """Return every value of an answer, in order."""
    if isinstance(found, dict):
        return [leaf for key in sorted(found) for leaf in _leaves(found[key])]
    return [leaf for one in found for leaf in _leaves(one)] if isinstance(found, list) else [found]


@pytest.mark.full
def test_a_scoring_that_lacks_what_a_newer_version_reads_is_not_used(tmp_path: Path) -> None:
    import example_school

    opened = desk_of(tmp_path, models.trained())
    models.score_school(example_school.records(), models.trained(), example_school.TODAY, tmp_path)
    assert opened.score_stored(["ana"], "default", "teacher")
    model = models.model("dropout")
    fewer = Catalog(tuple(one for one in model.catalog if one.name != "active_weeks" and "active_weeks" not in one.needs))
    changed = replace(model, catalog=fewer).with_version("2")
    with pytest.raises(ValueError, match="no such features"):
        fewer.with_inputs(["active_weeks_vs_class"])
    shelf = opened._shelf("default")
    opened._shelves["default"] = replace(shelf, models=(changed, *shelf.models[1:]))
    with pytest.raises(NotFound, match="homeroom score"):
        opened.score_stored(["ana"], "default", "teacher")


@pytest.mark.full
def test_a_new_scoring_is_taken_into_use_while_it_works(tmp_path: Path) -> None:
    import example_school

    opened = desk_of(tmp_path, models.trained())
    score(opened)
    with pytest.raises(NotFound, match="homeroom score"):
        opened.score_stored(["ana"], "default", "teacher")
    models.score_school(example_school.records(), models.trained(), example_school.TODAY, tmp_path)

    def there() -> bool:
        try:
            return bool(opened.score_stored(["ana"], "default", "teacher"))
        except NotFound:
            return False

    assert until(there)


def test_a_scoring_whose_norms_are_gone_leaves_the_old_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened = desk_of(tmp_path, models.trained())
    before = score(opened)
    with caplog.at_level(logging.WARNING, "homeroom.desk"):
        Store.of(tmp_path, "default").name_latest(Latest(date(2026, 11, 13), None, {"section": "gone"}, {}, "another", {}))
        assert until(lambda: bool(caplog.records))
    assert score(opened) == before


# -- model cards ----------------------------------------------------------------------------------------------------


def test_the_card_is_that_of_the_model_in_use(desk: FolderDesk) -> None:
    card = desk.model_card("dropout", None, "default")
    assert (card["target"], card["version"]) == ("dropout", "1")
    assert card["decision_support_only"] is True
    json.dumps(card)


def test_a_predictions_card_is_that_of_the_version_that_made_it(desk: FolderDesk) -> None:
    made = score(desk)["prediction_id"]
    second = replace(models.model("dropout"), card={**models.model("dropout").card, "title": "another card"})
    desk.registry.put(second.with_version("2"))
    assert until(lambda: desk.model_card("dropout", None, "default")["version"] == "2")
    assert desk.model_card("dropout", None, "default")["title"] == "another card"
    old = desk.model_card("dropout", made, "default")
    assert (old["version"], old["title"]) == ("1", "Whether a student leaves before the planned end")


@pytest.mark.parametrize(
    ("target", "prediction"),
    [
        ("weather", None),
        ("dropout", "x.course_failure-1"),
        ("dropout", "nonsense"),
        ("dropout", "x.dropout-99"),
        ("dropout", ""),
    ],
)
def test_a_card_that_does_not_exist_is_not_found(desk: FolderDesk, target: str, prediction: str | None) -> None:
    with pytest.raises((NotFound, FileNotFoundError)) as missing:
        desk.model_card(target, prediction, "default")
    assert isinstance(missing.value, NotFound)


def test_another_schools_version_is_not_found(desk: FolderDesk) -> None:
    desk.registry.of("lincoln").put(models.model("dropout").with_version("7"))
    made = score(desk, "lincoln")["prediction_id"]
    assert desk.model_card("dropout", made, "lincoln")["version"] == "7"
    with pytest.raises(NotFound):
        desk.model_card("dropout", made, "default")


# -- the desk as the server opens it --------------------------------------------------------------------------------


def test_the_server_opens_it_with_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ServeSettings(tmp_path, stale_after_days=3, norms_stale_after_days=5)
    monkeypatch.setenv("HOMEROOM_SERVE", told.as_json())
    opened = open_desk(tmp_path)
    assert (opened._scoring.stale_after_days, opened._scoring.norms_stale_after_days) == (3, 5)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose models lie in a real registry, promoted despite their gate."""
    home = tmp_path_factory.mktemp("registered")
    registry = Registry(home / "models")
    for one in models.trained():
        version, _ = registry.record(replace(one, card=whole(one.card)), {"auc": 0.8}, {}, {}, {}, passed_gate=False)
        registry.promote(one.target.name, version, DESPITE)
    return home


@pytest.mark.full
def test_with_the_real_registry_versions_are_served_promoted_and_found_again(registered: Path) -> None:
    opened, registry = room.Desk(registered, registered / "models"), Registry(registered / "models")
    opened.example()
    first = opened.score(dict(SCORE_EXAMPLE), "default", "counselor")["scores"][0]  # type: ignore[index]
    assert first["model"] == {"dropout": "1", "course_failure": "1"}  # the example has no skill
    second = replace(models.model("dropout"), card=whole(models.model("dropout").card))
    version, _ = registry.record(second, {"auc": 0.8}, {}, {}, {}, passed_gate=True)
    registry.promote("dropout", version, APPROVED)
    assert until(lambda: opened.model_card("dropout", None, "default")["version"] == "2", 20)
    assert opened.model_card("dropout", first["prediction_id"], "default")["version"] == "1"
    again = opened.score(dict(SCORE_EXAMPLE), "default", "counselor")["scores"][0]  # type: ignore[index]
    assert again["model"]["dropout"] == "2"
    assert [risk.get("probability") for risk in again["risks"]] == [risk.get("probability") for risk in first["risks"]]
    with pytest.raises(NoModel):
        opened.score(dict(SCORE_EXAMPLE), "lincoln", "teacher")
    assert opened.model_card("dropout", first["prediction_id"], "default")["despite_gate"] == "it is a test"
    assert {one["version"] for one in opened.system_card("default")["models"]} == {"1", "2"}
    registry.rollback("dropout", DAY, "a test")
    assert until(lambda: opened.model_card("dropout", None, "default")["version"] == "1", 20)


@pytest.mark.full
def test_a_stopped_model_gives_no_score_within_moments_and_the_last_one_closes_the_desk(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for one in models.trained():
        version, _ = registry.record(replace(one, card=whole(one.card)), {"auc": 0.8}, {}, {}, {}, passed_gate=True)
        registry.promote(one.target.name, version, APPROVED)
    opened = room.Desk(tmp_path, tmp_path / "models")
    assert "dropout" in score(opened)["model"]
    registry.stop("dropout", DAY, "a test", "the export was wrong")
    assert until(lambda: "dropout" not in score(opened)["model"], 20)
    with pytest.raises(NotFound, match="No dropout model is in use"):
        opened.model_card("dropout", None, "default")
    for name in ("course_failure", "learning_gap"):
        registry.stop(name, DAY, "a test", "the export was wrong")

    def closed() -> bool:
        try:
            opened.example()
        except NoModel:
            return True
        return False

    assert until(closed, 20)


@pytest.mark.full
def test_a_model_from_the_registry_scores_as_the_one_that_was_trained(registered: Path) -> None:
    from features.standard import STANDARD
    from serving.scoring import score as score_table

    records, registry = models.school(), Registry(registered / "models")
    units = room.enrolled(records, models.pl.DataFrame({"as_of": [models.TODAY]}))
    for one in models.trained():
        loaded = registry.load(one.target.name, STANDARD, "1")
        tables = room.feature_tables(records, units, [one], {one.target.unit: Norms.none()})
        mine, theirs = (score_table(tables[one.target.name], model) for model in (one, loaded))
        assert [models.bits(risk) for risk in mine] == [models.bits(risk) for risk in theirs]

"""Settings: read once, an unknown key refused, the command line last."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from features.problems import Refused
from features.sources.oulad import Oulad
from features.sources.tables import Tables
from homeroom import settings
from homeroom.settings import PLAIN, SECTIONS, Settings, read
from serving.contract import ServeSettings
from serving.scoring import Scoring
from training.run import PARAMETERS, Training


def write(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / "homeroom.toml").write_text(text)
    return home


def refused(home: Path, *sets: str) -> str:
    with pytest.raises(Refused) as said:
        read(str(home), sets)
    return str(said.value)


def test_the_first_command_makes_the_folder_with_every_setting_explained(tmp_path: Path) -> None:
    found = read(str(tmp_path / "new" / "home"))
    text = (tmp_path / "new" / "home" / "homeroom.toml").read_text()
    assert all(name in text for name in (*PLAIN, *(f"[{section}]" for section in SECTIONS)))
    assert (found.tenant, found.mlflow_uri) == ("default", "")
    assert found.database_url == f"sqlite:///{tmp_path / 'new' / 'home' / 'homeroom.db'}"
    assert found.section("source", Oulad) == Oulad()
    assert found.section("train", Training) == Training()
    assert found.section("score", Scoring) == Scoring()


def test_the_folder_that_is_named_wins_over_the_environment_and_that_over_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOMEROOM_HOME", raising=False)
    assert read().home == tmp_path / ".homeroom"
    monkeypatch.setenv("HOMEROOM_HOME", str(tmp_path / "theirs"))
    assert read().home == tmp_path / "theirs"
    assert read(str(tmp_path / "ours")).home == tmp_path / "ours"
    assert read("~/school").home == tmp_path / "tester" / "school"


@pytest.fixture(autouse=True)
def _no_home_of_the_tester(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "tester"))


def test_a_file_that_was_changed_by_hand_is_left_as_it_is(tmp_path: Path) -> None:
    home = write(tmp_path, '# mine\ntenant = "lincoln"\n')
    assert read(str(home)).tenant == "lincoln"
    assert (home / "homeroom.toml").read_text() == '# mine\ntenant = "lincoln"\n'


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    home = write(tmp_path, 'tenant = "lincoln"\n[source]\nmarking_lag_days = 7\n[score]\nstale_after_days = 3\n')
    found = read(str(home), ["source.marking_lag_days=0", "tenant=douglass", "train.capacity=0.2"])
    assert found.tenant == "douglass"
    assert found.section("source", Oulad) == Oulad(marking_lag_days=0)
    assert found.section("score", Scoring) == Scoring(stale_after_days=3)
    assert found.section("train", Training).capacity == 0.2


@pytest.mark.parametrize(
    ("pair", "section", "kind", "name", "value"),
    [
        ("source.marking_lag_days=0", "source", Oulad, "marking_lag_days", 0),
        ("source.pass_mark=0.6", "source", Tables, "pass_mark", 0.6),
        ("source.pass_mark=1", "source", Tables, "pass_mark", 1.0),
        ("train.days=[0, 28]", "train", Training, "days", (0, 28)),
        ("train.trees=12", "train", Training, "trees", 12),
        ("train.parameters={num_threads = 1}", "train", Training, "parameters", {"num_threads": 1}),
    ],
)
def test_a_value_is_read_in_its_own_kind(tmp_path: Path, pair: str, section: str, kind: type, name: str, value: object) -> None:
    found = getattr(read(str(tmp_path), [pair]).section(section, kind), name)
    assert found == value
    assert type(found) is type(value)


def test_a_tenant_whose_name_is_a_number_is_still_a_name(tmp_path: Path) -> None:
    assert read(str(tmp_path), ["tenant=2026"]).tenant == "2026"


def test_an_unknown_key_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    for said in (refused(tmp_path, "colour=red"), refused(write(tmp_path / "file", 'colour = "red"\n'))):
        assert "colour: there is no such setting" in said
        assert all(name in said for name in (*PLAIN, *SECTIONS))
    both = refused(tmp_path, "colour=red", "size.width=3")
    assert "colour" in both
    assert "size" in both


def test_an_unknown_key_of_a_section_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    found = read(str(tmp_path), ["source.lag=3", "source.colour=1"])
    with pytest.raises(Refused) as said:
        found.section("source", Oulad)
    text = str(said.value)
    assert "source.lag: there is no such setting" in text
    assert "source.colour" in text
    assert "source.marking_lag_days, source.pass_mark" in text


@pytest.mark.parametrize(
    "pair",
    ["source.marking_lag_days=soon", "source.marking_lag_days=1.5", "source.marking_lag_days=true", "source.pass_mark=high",
     "source.pass_mark=true", "source.pass_mark=[1]"],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(tmp_path: Path, pair: str) -> None:
    with pytest.raises(Refused, match=pair.partition("=")[0]):
        read(str(tmp_path), [pair]).section("source", Oulad)


@pytest.mark.parametrize("pair", ["train.days=5", 'train.days=["a"]', "train.parameters=5", "train.trees=[1]"])
def test_a_list_or_a_table_of_another_kind_is_refused(tmp_path: Path, pair: str) -> None:
    with pytest.raises(Refused, match=pair.partition("=")[0]):
        read(str(tmp_path), [pair]).section("train", Training)


def test_all_values_of_a_wrong_kind_are_told_at_once(tmp_path: Path) -> None:
    found = read(str(tmp_path), ["source.marking_lag_days=soon", "source.pass_mark=high"])
    with pytest.raises(Refused) as said:
        found.section("source", Oulad)
    assert [problem.where for problem in said.value.problems] == ["source.marking_lag_days", "source.pass_mark"]


@pytest.mark.parametrize("pair", ["colour", "=3", "tenant.x=1", "source=3", "source.pass_mark.x=1", "tenant=[", ""])
def test_what_is_not_a_setting_is_refused_and_not_a_crash(tmp_path: Path, pair: str) -> None:
    home = write(tmp_path, 'tenant = "lincoln"\n[source]\npass_mark = 0.4\n')
    assert "problem" in refused(home, pair)


@pytest.mark.parametrize(
    "text", ["tenant = 5", "source = 3", "[tenant]\nname = 1", "tenant =", 'database_url = ["a"]', "[[source]]\npass_mark = 1"]
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    assert refused(write(tmp_path / "home", text))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    home = write(tmp_path / "home", "")
    (home / "homeroom.toml").write_bytes('tenant = "Düsseldorf"'.encode("latin-1"))
    assert "UTF-8" in refused(home)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--home" in refused(tmp_path / "file")
    assert "--home" in refused(tmp_path / "file" / "deeper")


@pytest.mark.parametrize(
    "tenant", ["../lincoln", "", "/etc", "a/b", "..", ".hidden", "a" * 65, "a b", "a\n", "lincoln.", "st.marys"]
)
def test_a_tenant_that_would_lead_elsewhere_is_refused(tmp_path: Path, tenant: str) -> None:
    assert "tenant" in refused(tmp_path, f"tenant={tenant}")


def test_the_server_is_told_what_is_set_for_it_and_for_scoring(tmp_path: Path) -> None:
    home = write(tmp_path, 'mlflow_uri = "http://models"\n[score]\nstale_after_days = 3\n[serve]\nworkers = 2\n')
    told = ServeSettings.from_mapping(read(str(home)).serve())
    assert (told.home, told.workers, told.stale_after_days, told.mlflow_uri) == (home, 2, 3, "http://models")
    assert told.database_url == f"sqlite:///{home / 'homeroom.db'}"
    with pytest.raises(Refused, match="colour"):
        ServeSettings.from_mapping(read(str(home), ["serve.colour=1"]).serve())


def test_every_setting_of_scoring_is_one_of_the_server(tmp_path: Path) -> None:
    given = {"score": {"stale_after_days": 1, "norms_stale_after_days": 2}}
    told = ServeSettings.from_mapping(Settings(tmp_path, given).serve())
    assert (told.stale_after_days, told.norms_stale_after_days) == (1, 2)


def test_the_parameters_of_lightgbm_are_replaced_as_a_whole(tmp_path: Path) -> None:
    assert read(str(tmp_path)).section("train", Training).parameters == PARAMETERS
    assert read(str(tmp_path), ["train.parameters={}"]).section("train", Training).parameters == {}


def test_every_line_of_the_template_is_a_setting_once_its_mark_is_taken_away() -> None:
    lines = [line.removeprefix("# ") if " = " in line else line for line in settings.TEMPLATE.split("\n")]
    given = tomllib.loads("\n".join(lines))
    assert set(given) == {*SECTIONS, *PLAIN}
    told = Settings(Path(), given)
    assert told.section("source", Oulad) == Oulad()
    assert told.section("train", Training) == Training()
    assert told.section("score", Scoring) == Scoring()
    assert all(given[section] for section in SECTIONS)

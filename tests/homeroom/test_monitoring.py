"""The command that compares the newest list with its models' cards: what it says, and what it leaves behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner

from features.problems import Refused
from homeroom import settings
from homeroom.cli import Say, main
from homeroom.monitoring import monitor

if TYPE_CHECKING:
    from training.registry import Registry

sys.path.append(str(Path(__file__).resolve().parents[1] / "serving"))


def said(home: Path, *words: str, code: int) -> str:
    done = CliRunner().invoke(main, ["monitor", "--home", str(home), *words])
    assert done.exit_code == code, done.output
    return done.output


def test_without_records_it_says_what_to_do_first(tmp_path: Path) -> None:
    assert "Read an export into it first" in said(tmp_path, code=1)


def test_a_format_without_a_path_is_wrong_usage(tmp_path: Path) -> None:
    assert "go together" in said(tmp_path, "--source", "oulad", code=2)


def test_settings_of_monitoring_are_read_and_misspellings_refused(tmp_path: Path) -> None:
    from serving.monitor import Monitoring

    told = settings.read(str(tmp_path), ['monitor.accept_missing=["attendance"]', "monitor.index=0.3"])
    found = told.section("monitor", Monitoring)
    assert (found.accept_missing, found.index) == (("attendance",), 0.3)
    assert found.limits.index == 0.3
    with pytest.raises(Refused, match=r"monitor\.indx"):
        settings.read(str(tmp_path), ["monitor.indx=0.3"]).section("monitor", Monitoring)


@pytest.mark.full
def test_the_command_writes_the_page_and_the_figures_and_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import models

    from serving import batch
    from serving.monitor import FIGURES, PAGE, Monitoring
    from serving.store import Store

    given, store = models.trained(), Store.of(tmp_path, "default")
    store.folder.mkdir(parents=True)
    registry = models.FolderRegistry(tmp_path / "models")
    for one in given:
        registry.put(one)
    records = models.school()
    batch.run(records, given, models.TODAY, store, tmp_path / "out.parquet", pass_mark=0.4)
    out = tmp_path / "pages" / "report.html"
    monitor(Say(as_json=True), store, cast("Registry", registry), records, Monitoring(), 0.4, None, out)
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["page"] == str(out)
    assert [one["target"] for one in found["targets"]] == ["course_failure", "dropout", "learning_gap"]
    assert all(one["compared"] for one in found["targets"])
    assert out.read_text() == (store.folder / PAGE).read_text()
    kept = json.loads((store.folder / FIGURES).read_text())
    assert {**kept, "page": str(out)} == found

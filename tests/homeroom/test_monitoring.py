"""The command that compares the newest list with its models' cards: what it says, and what it leaves behind."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from features.problems import Refused
from homeroom import settings
from homeroom.cli import Say, main
from homeroom.monitoring import monitor
from serving.cases import casebook, people
from serving.cases.casebook import LEAST_IN_GROUP
from serving.cases.database import open_database
from serving.cases.keys import create_tenant

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


def people_and_cases(db: Engine, listed: pl.DataFrame) -> int:
    """Let a counselor disagree with everything that a list says of leaving, and return how often that was."""
    create_tenant(db, "default")
    now = datetime(2026, 11, 16, tzinfo=UTC)
    ruth = people.create_account(db, "default", login="ruth", name="Ruth", role="counselor", password="five quiet otters cross",
                                 now=now, person_id="C-1")  # fmt: skip
    rows = listed.filter(pl.col("target") == "dropout", pl.col("band") == "no_extra_signal").head(LEAST_IN_GROUP)
    for student, prediction in rows.select("student_id", "prediction_id").iter_rows():
        casebook.disagree(db, ruth, student, "temporary", now, prediction_id=prediction)
    return rows.height


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
    monitor(Say(as_json=True), store, cast("Registry", registry), records, Monitoring(), 0.4, None, out, None, "default",
            models.TODAY)  # fmt: skip
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["page"] == str(out)
    assert [one["target"] for one in found["targets"]] == ["course_failure", "dropout", "learning_gap"]
    assert all(one["compared"] for one in found["targets"])
    assert (found["overrides"]["available"], found["service_levels"]) == (False, [])
    db = open_database(f"sqlite:///{tmp_path / 'homeroom.db'}")
    told = people_and_cases(db, pl.read_parquet(tmp_path / "out.parquet"))
    monitor(Say(as_json=True), store, cast("Registry", registry), records, Monitoring(), 0.4, None, out, db, "default",
            models.TODAY)  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert sum(one["reviews"] or 0 for one in found["overrides"]["targets"]) == told
    assert {one["rate"] for one in found["overrides"]["targets"] if one["reviews"]} == {1.0}
    assert "No reviews are recorded yet" not in out.read_text()
    assert out.read_text() == (store.folder / PAGE).read_text()
    kept = json.loads((store.folder / FIGURES).read_text())
    assert {**kept, "page": str(out)} == found

"""The commands on a log of responses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import response_logs
from click.testing import CliRunner

from homeroom.cli import main


def run(home: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*words, "--home", str(home)])
    assert done.exit_code == code, done.output
    return done.output


def test_a_log_is_drafted_and_checked(tmp_path: Path) -> None:
    file, mapping = response_logs.write(tmp_path), tmp_path / "m.toml"
    run(tmp_path / "home", "map", str(file), "--source", "responses", "--out", str(mapping))
    said = json.loads(run(tmp_path / "home", "check", "--source", "responses", str(file), "--mapping", str(mapping), "--json"))
    assert said["accounts"][0]["read"] == said["accounts"][0]["kept"] == response_logs.frame().height
    assert said["responses"] + said["merged"]["copies"] == response_logs.frame().height
    assert "joined to it" in run(tmp_path / "home", "check", "--source", "responses", str(file), "--mapping", str(mapping))
    assert "--mapping" in run(tmp_path / "home", "check", "--source", "responses", str(file), code=2)


@pytest.mark.full
def test_a_log_goes_from_training_to_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import tracing

    monkeypatch.setattr(tracing, "PARTS", 2)
    file = response_logs.write(tmp_path, response_logs.frame(students=120))
    mapping, home = tmp_path / "m.toml", tmp_path / "home"
    mapping.write_text(response_logs.text())
    given = ("--source", "responses", str(file), "--mapping", str(mapping))
    assert "no model of a log" in run(home, "evaluate", *given, code=1)
    said = json.loads(run(home, "train", *given, "--json"))
    assert said["metrics"]["auc"] > 0.6
    judged = pl.read_parquet(Path(said["out"]) / "judged.parquet")
    assert judged.height == said["test"]["responses"]
    again = json.loads(run(home, "evaluate", *given, "--json"))
    assert again["metrics"]["responses"] == said["train"]["responses"] + said["test"]["responses"]
    out = tmp_path / "next.parquet"
    score = ("score", *given, "--as-of", "2026-11-13", "--out", str(out))
    assert "impact assessment" in run(home, *score, code=1)
    today = date.today().isoformat()  # noqa: DTZ011
    assert "no dates" in run(home, *score, "--set", "governance.dpia_id=DPIA-7", "--set", f'governance.dpia_date="{today}"')
    assert set(pl.read_parquet(out).columns) == {"student_id", "skill_id", "probability", "practised", "right"}
    run(home, "features", *given, "--as-of", "2026-11-13", "--out", str(out))
    assert pl.read_parquet(out).height == again["metrics"]["responses"]

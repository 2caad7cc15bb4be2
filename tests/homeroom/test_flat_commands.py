"""The commands on a flat file, and the page about them, run as written."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import flat_files
import polars as pl
import pytest
from click.testing import CliRunner
from test_documents import run as shell
from test_documents import stated, until_ready

from homeroom.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tabular.md").read_text()


def run(home: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*words, "--home", str(home)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "m.toml").write_text(flat_files.text("binary", "\n[folds]\nnumber = 2\n"))
    return ("--source", "tabular", str(flat_files.write(tmp_path)), "--mapping", str(tmp_path / "m.toml"))


def test_a_check_names_what_is_read_by_whom_and_what_is_not(tmp_path: Path, files: tuple[str, ...]) -> None:
    said = json.loads(run(tmp_path / "home", "check", *files, "--json"))
    assert said["groups"] == ["sex"]
    assert said["left_out"] == ["hobby", "year", "part", "points", "end"]
    assert said["accounts"] == [{"file": "students.csv", "read": 240, "kept": 240, "quarantined": 0}]


def test_rows_at_fault_are_written_down_to_be_mended(tmp_path: Path, files: tuple[str, ...]) -> None:
    bad = pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("many")).otherwise("missed")
    flat_files.write(tmp_path, flat_files.frame().with_columns(bad.alias("missed")))
    said = json.loads(run(tmp_path / "home", "check", *files, "--json"))
    assert said["accounts"][0]["quarantined"] == 3
    assert b"many" in Path(said["quarantine"][0]).read_bytes()


def test_a_flat_file_needs_a_mapping_which_says_all_that_is_to_be_said(tmp_path: Path, files: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    assert "--mapping" in run(home, "check", *files[:3], code=2)
    assert "description" in run(home, "train", *files, "--test-from", "2025-01-01", code=2)
    assert "not a name" in run(home, "promote", "../x", "1", code=2)


def test_the_order_of_options_does_not_matter(tmp_path: Path, files: tuple[str, ...]) -> None:
    turned = ("--mapping", files[4], files[2], "--source", "tabular")
    assert run(tmp_path / "home", "check", *turned) == run(tmp_path / "home", "check", *files)


def test_a_description_is_refused_at_once_with_its_file(tmp_path: Path, files: tuple[str, ...]) -> None:
    (tmp_path / "m.toml").write_text(flat_files.text("binary").replace('higher = "concern"', ""))
    assert "m.toml, columns.missed.higher" in run(tmp_path / "home", "check", *files, code=1)


def test_features_are_written_without_outcome_or_groups(tmp_path: Path, files: tuple[str, ...]) -> None:
    out = tmp_path / "f.parquet"
    run(tmp_path / "home", "features", *files, "--as-of", "2026-11-13", "--out", str(out))
    assert pl.read_parquet(out).columns == ["student_id", "mark", "missed", "club", "way_to_school__near", "way_to_school__far"]


@pytest.mark.full
def test_a_flat_file_goes_from_training_to_a_list_and_back(
    tmp_path: Path, files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import flat as story

    monkeypatch.setattr(story, "members_for", lambda _rows: flat_files.QUICK)
    home, out = tmp_path / "home", tmp_path / "list.parquet"
    home.mkdir()
    (home / "homeroom.toml").write_text(stated())
    signed = ("--signed", "data_science=Ida Lovell", "--signed", "data_protection=Ben Okoro")
    for version in ("1", "2"):
        said = json.loads(run(home, "train", *files, "--json", "--set", "train.bootstrap_draws=20"))
        assert (said["target"], said["model_version"], said["kind"]) == ("left_early", version, "binary")
        run(home, "promote", "left_early", version, "--despite-gate", "to be tried", *signed)
    said_of = run(home, "models", "left_early")
    assert "left_early version 2: AUC" in said_of
    assert "signed by Ida Lovell, Ben Okoro" in said_of.replace("Ben Okoro, Ida Lovell", "Ida Lovell, Ben Okoro")
    assert "promoted version 2: to be tried" in said_of
    listed = json.loads(run(home, "score", *files, "--as-of", "2026-11-13", "--out", str(out), "--json"))
    assert (listed["rows"], listed["model"]) == (240, {"left_early": "2"})
    # The words of the file may change after training; what a model means by a column does not.
    mapping = Path(files[4])
    mapping.write_text(mapping.read_text().replace('says = "had ', 'says = "got '))
    before = out.read_bytes()
    run(home, "score", *files, "--as-of", "2026-11-13", "--out", str(out))
    assert out.read_bytes() == before
    assert "version 1 serves again" in run(home, "rollback", "left_early")
    assert "no version" in run(home, "promote", "right_late", "1", code=1)


# -- the page -------------------------------------------------------------------------------------------------------


def block(name: str) -> str:
    found = re.search(rf"<!-- run: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block {name}"
    return found.group(1)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_page_works_as_written(pupils: Path, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    shutil.copy(pupils / "student-mat.csv", tmp_path)
    (tmp_path / ".homeroom").mkdir()
    (tmp_path / ".homeroom" / "homeroom.toml").write_text(stated())
    said = shell(block("train"), tmp_path)
    assert "395 rows read = 395 kept + 0 set aside" in said
    assert "gate passed" in said
    assert pl.read_parquet(tmp_path / "grades.parquet").height == 395
    assert '"sex" = "sex"' in shell(f".venv/bin/python - <<'PYTHON'\n{block('draft')}\nPYTHON", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    key, serve = block("serve").strip().splitlines()
    script = f"{key}\necho $HOMEROOM_KEY > key\nexec {serve.replace('3000', port)}"
    server = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_ready(port)
        curl = block("curl").replace("3000", port).replace("curl ", "curl -s ", 1)
        answer = json.loads(shell(f"export HOMEROOM_KEY=$(cat key)\n{curl}", tmp_path))
        ask = f"curl -s http://127.0.0.1:{port}/model-card/final_grade"
        card = shell(f'{ask} -H "Authorization: Bearer $(cat key)"', tmp_path)
    finally:
        server.terminate()
        server.wait(timeout=120)
    (risk,) = answer["scores"][0]["risks"]
    assert risk["status"] == "scored"
    assert risk["interval"][0] <= risk["expected"] <= risk["interval"][1]
    assert any("Ana had 6 of 20 points in the second period" in reason["text"] for reason in risk["reasons"])
    assert json.loads(card)["kind"] == "regression"

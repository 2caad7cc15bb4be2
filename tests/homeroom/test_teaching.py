"""``homeroom resources`` and ``homeroom lessons``: a file is taken whole or not at all, and a class is told in groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import example_school
import pytest
from click.testing import CliRunner

from homeroom.cli import main
from serving.resources import FOLDER
from serving.store import Store

Run = Callable[..., str]

SHEETS = """resource_id,title,teaches,assesses,language,minutes,offline,licence
sheet,Steps at home,counting,,en,15,yes,CC0-1.0
check,Steps: a check,,counting,en,5,yes,CC0-1.0
elsewhere,Of another map,algebra-9,,en,5,yes,CC0-1.0
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    example_school.records().write(Store.of(tmp_path / "home", "default").records_folder)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    def one(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*map(str, words), "--as-of", str(example_school.TODAY), "--home", str(home)])
        assert done.exit_code == code, done.output
        return done.output

    return one


@pytest.mark.full
def test_a_file_of_resources_is_taken_whole_or_refused_with_everything_wrong(run: Run, home: Path, tmp_path: Path) -> None:
    file, folder = tmp_path / "sheets.csv", Store.of(home, "default").folder / FOLDER
    file.write_text(SHEETS)
    first = json.loads(run("resources", file, "--json"))
    assert (first["taken"], first["unknown_skills"]) == (3, {"algebra-9": 1})
    assert json.loads(run("resources", file, "--json")) == first, "to take it again changes nothing"
    again = tmp_path / "more.csv"
    again.write_text(SHEETS.replace("15,yes", "secret,perhaps"))
    said = run("resources", again, code=1)
    assert "row 2, minutes" in said
    assert "row 2, offline" in said
    assert "secret" not in said
    again.write_text(SHEETS)
    assert "another resource has this key" in run("resources", again, code=1), "keys of two files are told apart"
    assert [one.name for one in folder.iterdir()] == ["sheets.csv"]


@pytest.mark.full
def test_a_class_is_grouped_by_the_skill_each_is_ready_for_with_what_fits_all_of_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sheets.csv").write_text(SHEETS)
    run("resources", tmp_path / "sheets.csv")
    told = json.loads(run("lessons", "algebra-autumn", "--json"))
    grouped = [who for one in told["lessons"] for who in one["student_ids"]]
    assert len(grouped) == len(set(grouped)) > 1
    assert set(grouped) <= set(example_school.STUDENTS)
    first = told["lessons"][0]
    assert {one["relation"]: one["resource_id"] for one in first["resources"]} == {"teaches": "sheet", "assesses": "check"}
    text = run("lessons", "algebra-autumn")
    assert "learn from: Steps at home (en, 15 min, offline, CC0-1.0)" in text
    assert "No student sits in this class" in run("lessons", "geometry", code=1)

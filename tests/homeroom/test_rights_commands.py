"""The commands for families and the switch."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path

import example_school
import polars as pl
import pytest
from click.testing import CliRunner

from homeroom.cli import main
from homeroom.settings import read
from serving.store import Store

sys.path.append(str(Path(__file__).resolve().parents[1] / "serving"))

COURSES = ("organisations", "terms", "courses", "sections", "students", "enrolments", "rosters", "assignments", "results",
           "attendance")  # fmt: skip


def run(home: Path, *words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*map(str, words), "--home", str(home)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


@pytest.fixture
def home(tmp_path: Path) -> Path:
    example_school.records().write(Store.of(tmp_path / "home", "default").records_folder)
    return tmp_path / "home"


def test_scoring_is_paused_at_a_school_with_a_reason_and_resumed(home: Path) -> None:
    assert "nowhere" in run(home, "pause")
    assert "no such school" in run(home, "pause", "--school", "linkoln", "--why", "bells", code=1)
    assert "At lincoln" in run(home, "pause", "--school", "lincoln", "--why", "wrong bell times")
    assert "wrong bell times" in run(home, "pause")
    assert json.loads(run(home, "pause", "--json"))["school"] == "lincoln"
    assert "at lincoln" in run(home, "resume", "--school", "lincoln")
    assert "not stopped" in run(home, "resume", code=1)
    assert "nowhere" in run(home, "pause")


def test_an_objection_is_written_down_and_taken_back(home: Path) -> None:
    assert "no such student" in run(home, "families", "object", "anna", "--said-by", "the mother", code=1)
    assert "Every support stays open" in run(home, "families", "object", "ana", "--said-by", "the mother, by letter")
    assert "taken back" in run(home, "families", "withdraw", "ana")
    assert "No objection" in run(home, "families", "withdraw", "ana", code=1)
    assert "No correction" in run(home, "families", "corrections")


@pytest.mark.full
def test_a_student_is_erased_and_a_later_export_leaves_them_out(home: Path, tmp_path: Path) -> None:
    frames = example_school.tables()
    export = example_school.export(tmp_path / "export", {name: frames[name] for name in COURSES})
    score = ("score", "--source", "tables", export, "--as-of", example_school.TODAY, "--out", tmp_path / "list.parquet")
    run(home, *score)
    assert "ana" in set(pl.read_parquet(tmp_path / "list.parquet")["student_id"])
    assert "not the same key" in run(home, "families", "erase", "ana", "--confirm", "anna", code=1)
    assert "No later export" in run(home, "families", "erase", "ana", "--confirm", "ana")
    (export / "students.csv").touch()
    said = run(home, *score)
    assert "their students were erased (1)" in said
    assert "ana" not in set(pl.read_parquet(tmp_path / "list.parquet")["student_id"])
    assert "ana" not in set(Store.of(home, "default").records().labels("students").collect()["student_id"])
    assert "no such student" in run(home, "families", "erase", "ana", "--confirm", "ana", code=1)


@pytest.mark.full
def test_a_photo_that_was_taken_in_is_served_where_it_was_agreed_to_and_goes_with_the_student(tmp_path: Path) -> None:
    from PIL import Image
    from review_school import School
    from test_access import records, the_school

    rows = the_school()
    rows["photos"] = [{**rows["photos"][0], "student_id": student, "path": path, "consent": agreed}
                      for student, path, agreed in (("ana", r"photos\ana.jpg", True), ("ben", "ben.jpg", False))]  # fmt: skip
    school = School.of(tmp_path / "home", records(rows))
    store = Store.of(school.home, "default")
    brought = tmp_path / "brought"
    brought.mkdir()
    for name in ("ana", "ben"):
        Image.new("RGB", (800, 600), (200, 30, 30)).save(brought / f"{name}.jpg", comment=b"Maple Street 5")
    assert "1 photos were taken in" in run(school.home, "photos", brought)
    (kept,) = (store.folder / "photos").glob("*")
    drawn = kept.read_bytes()
    assert b"Maple Street 5" in (brought / "ana.jpg").read_bytes()
    assert b"Maple Street 5" not in drawn
    counselor = school.browser(school.account("counselor", "cora"))
    served = counselor.get("/review/students/ana/photo")
    assert (served.status_code, served.headers["content-type"], served.content) == (200, "image/jpeg", drawn)
    assert "/review/students/ana/photo" in counselor.get("/review/students/ana").text
    (store.folder / "photos" / "ben.jpg").write_bytes(drawn)  # as one lies there until the command runs again
    assert counselor.get("/review/students/ben/photo").status_code == 404
    assert "/review/students/ben/photo" not in counselor.get("/review/students/ben").text
    assert school.stranger().get("/review/students/ana/photo").content != drawn
    kept.with_name(f".{kept.name}.building").write_bytes(drawn)
    run(school.home, "families", "erase", "ana", "--confirm", "ana")
    assert [one.name for one in (store.folder / "photos").rglob("*")] == ["ben.jpg"]
    school.db.dispose()


def test_real_students_are_scored_under_a_current_assessment_alone(tmp_path: Path) -> None:
    from features.problems import Refused
    from homeroom import promoting, rights

    today = promoting.today()
    stated = {"old": today - timedelta(days=366), "new": today}
    for age, told in stated.items():
        sets = ["governance.dpia_id=DPIA-7", f'governance.dpia_date="{told}"']
        settings = read(str(tmp_path / age), sets)
        if age == "old":
            with pytest.raises(Refused, match="impact assessment"):
                rights.assess(settings, "tables", tmp_path)
            assert rights.assess(settings, "oulad", tmp_path) == "public"
        else:
            assert rights.assess(settings, "tables", tmp_path) == ""
            assert settings.serve()["dpia_date"] == str(told)
    with pytest.raises(Refused, match="impact assessment"):
        rights.assess(read(str(tmp_path / "none")), "tables", tmp_path)
    assert rights.assess(read(str(tmp_path / "none"), ["review.simulated=true"]), "tables", tmp_path) == "simulated"
    assert len(rights.not_assessed(read(str(tmp_path / "none")), "tables", tmp_path)) == 2
    assert isinstance(today, date)

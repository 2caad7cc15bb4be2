"""The day-one story: a OneRoster zip from the student information system, and attendance in a CSV that matches nothing.

Three commands lead from there to a list: draft a mapping, check, score. No outcome is known yet, so the list is that of the
published rule.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from homeroom.cli import main
from homeroom.simulate import oneroster
from homeroom.simulate.run import simulate
from homeroom.simulate.world import World

pytestmark = pytest.mark.full

#: The first autumn of a school: nobody has left or failed a year yet.
AUTUMN = {"years": {"first": 2025, "count": 1, "through": "2025-11-14"}}

#: What the school's own codes mean, as somebody in its office would fill them in.
CODES = {
    "UX": '{ status = "absent", absent_share = 1.0, excused = false }',
    "AE": '{ status = "absent", absent_share = 1.0, excused = true }',
    "T": '{ status = "late", absent_share = 0.0 }',
}


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``export.zip`` and ``Attendance.csv``, as a student information system writes them."""
    folder = tmp_path_factory.mktemp("office")
    made = simulate(60, 11, folder / "district", World.of(AUTUMN))
    written = oneroster.write(made.folder, folder / "made", version="1.1")
    (folder / "desk").mkdir()
    shutil.copy(written.bundle, folder / "desk" / "export.zip")
    numbers = pl.read_parquet(made.folder / "identities" / "*.parquet").select("student_id", "source_id")
    rows = pl.read_parquet(made.folder / "attendance" / "*.parquet").filter(pl.col("status") != "present")
    whole = (pl.col("status") == "absent") & (pl.col("absent_share") == 1)
    local = (
        rows.filter(whole | (pl.col("status") == "late"))
        .join(numbers, on="student_id")
        .select(
            pl.col("source_id").alias("Student_Number"),
            pl.col("on").dt.strftime("%m/%d/%Y").alias("Att_Date"),
            pl.when(pl.col("status") == "late").then(pl.lit("T")).when(pl.col("excused")).then(pl.lit("AE"))
            .otherwise(pl.lit("UX")).alias("Att_Code"),
        )
    )  # fmt: skip
    strangers = pl.DataFrame({"Student_Number": ["990001", "990002"], "Att_Date": ["09/22/2025"] * 2, "Att_Code": ["UX"] * 2})
    pl.concat([local, strangers]).write_csv(folder / "desk" / "Attendance.csv")
    return folder / "desk"


def filled(mapping: Path) -> None:
    """Fill what the draft leaves empty: what each code means."""
    text = mapping.read_text()
    for code, says in CODES.items():
        text = re.sub(rf'^"?{code}"? = .*$', f"{code} = {says}", text, flags=re.MULTILINE)
    mapping.write_text(text)


def of_the_readme() -> list[list[str]]:
    """Return the three commands as the README gives them, without the program's name."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    found = re.search(r"<!-- run: own -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found
    return [shlex.split(line, comments=True)[1:] for line in found[1].splitlines()]


def test_a_zip_and_a_local_file_become_a_list_in_three_commands(
    office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(office, tmp_path / "office")
    monkeypatch.chdir(folder)
    home, (draft, check, score) = ("--home", tmp_path / "home"), of_the_readme()

    said = run(*draft, *home)
    assert "student_id is Student_Number" in said
    assert "To be filled in" in said
    assert "Att_Code" in run(*check, *home, code=1)
    filled(folder / "attendance.toml")
    checked = run(*check, *home)
    rows = pl.read_csv(folder / "Attendance.csv", infer_schema=False)
    # Two rows are of students whom nobody knows; who changed schools on a day has two rows of it, of which one is kept.
    aside = 2 + rows.height - rows.n_unique(["Student_Number", "Att_Date"])
    assert f"Attendance.csv: {rows.height:,} rows read = {rows.height - aside:,} kept + {aside:,} set aside" in checked
    assert "What these files can give:" in checked
    assert "990001" not in checked

    assert "Rule, not a prediction" in run(*score, *home)
    listed = pl.read_parquet(folder / "list.parquet")
    assert set(listed["by"]) == {"rule, not a prediction"}
    assert listed["probability"].null_count() == listed.height > 40
    first = listed.row(0, named=True)
    assert first["band"] == "check_in_suggested"
    assert re.search(r"missed [\d.]+ of \d+ school days", first["reasons"][0]["text"])


def test_what_an_edited_mapping_says_is_read_anew(office: Path, tmp_path: Path) -> None:
    home, mapping = ("--home", tmp_path / "home"), tmp_path / "attendance.toml"
    export = ("--source", "oneroster", office / "export.zip")
    run("map", office / "Attendance.csv", *export, "--out", mapping, *home)
    filled(mapping)
    asked = (*export, "--mapping", mapping, "--as-of", "2025-11-14", "--out", tmp_path / "list.parquet", *home)
    before = json.loads(run("score", *asked, "--json"))["counts"]
    mapping.write_text(mapping.read_text().replace(CODES["UX"], "{ skip = true }").replace(CODES["AE"], "{ skip = true }"))
    after = json.loads(run("score", *asked, "--json"))["counts"]
    assert after.get("check_in_suggested", 0) < before["check_in_suggested"]


def test_a_draft_is_not_written_over_a_mapping_that_somebody_filled(office: Path, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("mine")
    said = run("map", office / "Attendance.csv", "--out", tmp_path / "m.toml", "--home", tmp_path / "home", code=2)
    assert "is there already" in said
    assert (tmp_path / "m.toml").read_text() == "mine"

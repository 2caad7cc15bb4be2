"""What is set aside is written so that people can mend it, and comes in again once they have."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import sources
from features.problems import Refused
from features.quarantine import corrected_stem, guarded, guarded_text, unguarded
from features.sources.tables import Tables
from features.tables import Column, Table
from features.validation import Account, Checked, Reading, check, load, read_files

PARTY = Table(
    "party",
    "Guests.",
    (
        Column("guest", pl.String(), "Who.", "confidential", "join", natural=True, required=True),
        Column("on", pl.Date(), "When.", "internal", "feature", required=True),
        Column("says", pl.String(), "What they say.", "internal", "feature"),
    ),
)
HEADER = "guest,on,says"
ROWS = ("g1,2026-05-01,hello", "g2,tomorrow,=1+1", "g3,2026-05-03,-5", "g4,never,@home")


def wrote(folder: Path, rows: Sequence[str] = ROWS, header: str = HEADER) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "party.csv").write_text("\n".join([header, *rows, ""]))
    return folder


def read(folder: Path, unique: Sequence[str] | None = None) -> tuple[Checked, Reading]:
    """Read the one file of a folder and return what the check and what a source makes of it."""
    file, frame = read_files(folder, {"party": PARTY}, ["party"])["party"]
    found = check(frame, PARTY, file, unique=unique)
    return found, Reading({"party": found.kept}, (found.account,), found.problems, {file: found.quarantined})


def aside(folder: Path, to: Path) -> list[dict[str, str]]:
    """Set the bad rows of a folder aside and return them as they are written."""
    path = to / "party.quarantined.csv"
    assert read(folder)[1].write_quarantine(to)[0] == path
    return sheet(path)


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def mended(rows: list[dict[str, str]], to: Path, **dialect: str) -> Path:
    """Write rows as somebody who has mended them would."""
    encoding = dialect.pop("encoding", "utf-8")
    with to.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), **dialect)  # type: ignore[arg-type]
        writer.writeheader()
        writer.writerows(rows)
    return to


def guests(found: Checked) -> list[str]:
    return found.kept["guest"].to_list()


def test_what_is_set_aside_is_written_with_row_reasons_and_a_name_of_its_content(tmp_path: Path) -> None:
    rows = aside(wrote(tmp_path / "in"), tmp_path / "out")
    assert list(rows[0]) == ["homeroom.row", "homeroom.reasons", "homeroom.content", "guest", "on", "says"]
    assert [(row["homeroom.row"], row["guest"], row["on"]) for row in rows] == [("3", "g2", "tomorrow"), ("5", "g4", "never")]
    assert rows[0]["homeroom.reasons"] == "on: bad_value: this is not a date"
    assert len({row["homeroom.content"] for row in rows}) == 2
    assert (tmp_path / "out" / "party.quarantined.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "for programs of tables"


def test_rows_that_were_mended_come_in_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = aside(folder, tmp_path / "out")
    rows[0]["on"] = "2026-05-02"
    mended(rows, folder / "party.quarantined.csv")
    for _ in range(2):
        found, reading = read(folder)
        assert guests(found) == ["g1", "g2", "g3"]
        assert found.kept["says"].to_list() == ["hello", "=1+1", "-5"], "as it was before an apostrophe stood before it"
        assert found.account == Account("party.csv", 4, 3, 1, corrected=1)
        assert str(found.account).endswith("; by corrections beside it 1 mended, 0 added")
        (left,) = sheet(reading.write_quarantine(tmp_path / "out")[0])
        assert left == rows[1], "what nobody mended is set aside as it was, once"


def test_a_row_that_is_mended_in_two_steps_is_one_row(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in", ["g1,tomorrow,hello"])
    (row,) = aside(folder, tmp_path / "out")
    for on, kept in (("the day after", 0), ("2026-05-02", 1)):
        mended([row | {"on": on}], folder / "party.quarantined.csv")
        found, reading = read(folder)
        assert found.account == Account("party.csv", 1, kept, 1 - kept, corrected=1)
        if not kept:
            (row,) = sheet(reading.write_quarantine(tmp_path / "out")[0])
            assert row["on"] == on


def test_a_later_file_of_corrections_stands_beside_the_earlier_one(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = aside(folder, tmp_path / "out")
    mended([rows[0] | {"on": "2026-05-02"}, rows[1]], folder / "party.quarantined.csv")
    (left,) = sheet(read(folder)[1].write_quarantine(tmp_path / "out")[0])
    mended([left | {"on": "2026-05-04"}], folder / "party.quarantined-2.csv")
    found, _ = read(folder)
    assert guests(found) == ["g1", "g2", "g3", "g4"]
    assert found.account == Account("party.csv", 4, 4, 0, corrected=2)


def test_a_row_is_found_again_wherever_the_file_has_it_now(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = [row | {"on": "2026-05-09"} for row in aside(folder, tmp_path / "out")]
    mended(rows, folder / "party.quarantined.csv")
    wrote(folder, ["g0,2026-04-30,,x", *reversed([f"{row},x" for row in ROWS])], "guest,on,says,new")
    found, _ = read(folder)
    assert guests(found) == ["g0", "g4", "g3", "g2", "g1"]
    assert found.account == Account("party.csv", 5, 5, 0, corrected=2)


def test_a_row_that_the_file_has_no_more_is_added_unless_its_key_is_there(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = [row | {"on": "2026-05-09"} for row in aside(folder, tmp_path / "out")]
    mended(rows, folder / "party.quarantined.csv")
    wrote(folder, [ROWS[0], "g4,2026-05-04,@home"])
    for _ in range(2):
        found, _ = read(folder)
        assert guests(found) == ["g1", "g4", "g2"]
        assert found.kept["on"].dt.day().to_list() == [1, 4, 9], "the file's own row of a key is the one that counts"
        why = "corrections that the file has already, or that nobody made"
        assert found.account == Account("party.csv", 4, 3, 0, 1, why, added=2)


def test_rows_without_a_key_are_the_same_where_all_their_cells_are(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = [row | {"on": "2026-05-09"} for row in aside(folder, tmp_path / "out")]
    mended(rows, folder / "party.quarantined.csv")
    wrote(folder, [ROWS[0], ROWS[0], "g4,2026-05-09,@home"])
    found, _ = read(folder, unique=())
    assert guests(found) == ["g1", "g1", "g4", "g2"]
    assert (found.account.left_out, found.account.added) == (1, 2)


def test_of_two_rows_that_are_alike_the_one_that_was_set_aside_is_mended(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in", ["g1,2026-05-01,a", "g2,2026-05-01,b", "g1,2026-05-01,a", "g1,2026-05-01,a"])
    rows = aside(folder, tmp_path / "out")
    assert [row["homeroom.row"] for row in rows] == ["4", "5"]
    rows[0]["guest"] = "g3"
    mended(rows, folder / "party.quarantined.csv")
    assert guests(read(folder)[0]) == ["g1", "g2", "g3"]
    wrote(folder, ["g2,2026-05-01,b", "g1,2026-05-01,a", "g1,2026-05-01,a", "g1,2026-05-01,a"])
    found, _ = read(folder)
    assert sorted(guests(found)) == ["g1", "g2", "g3"]
    assert found.account == Account("party.csv", 4, 3, 1, corrected=1)


@pytest.mark.parametrize("bad", ["g2,2026-05-02", '"g2,2026-05-02,secret', "g2,2026-05-02,a,b,c", "g\0,2026-05-02,x"])
def test_a_row_that_was_none_is_mended_by_filling_in_its_cells(tmp_path: Path, bad: str) -> None:
    folder = wrote(tmp_path / "in", [ROWS[0], bad, ROWS[2]])
    (row,) = aside(folder, tmp_path / "out")
    assert (row["guest"], row["homeroom.raw"]) == ("", bad.replace("\0", "\u2400"))
    correction = mended([row], folder / "party.quarantined.csv")
    for _ in range(2):
        found, reading = read(folder)
        assert found.account == Account("party.csv", 3, 2, 1)
        assert sheet(reading.write_quarantine(tmp_path / "out")[0]) == [row], "nobody has filled in anything"
    mended([row | {"guest": "g2", "on": "2026-05-02"}], correction)
    found, _ = read(folder)
    assert guests(found) == ["g1", "g2", "g3"]
    assert found.account == Account("party.csv", 3, 3, 0, corrected=1)
    wrote(folder, [ROWS[0]])
    assert guests(read(folder)[0]) == ["g1", "g2"]
    mended([row], correction)
    assert read(folder)[0].account == Account(
        "party.csv", 2, 1, 0, 1, "corrections that the file has already, or that nobody made", added=1
    )


def test_a_row_of_the_corrections_that_is_none_is_set_aside_itself(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    rows = aside(folder, tmp_path / "out")
    path = mended(rows, folder / "party.quarantined.csv")
    path.write_text(path.read_text() + "3,too,few\n")
    found, _ = read(folder)
    assert guests(found) == ["g1", "g3"]
    assert found.account == Account("party.csv", 5, 2, 3, added=1)
    assert {problem.code for problem in found.problems} == {"bad_value", "wrong_number_of_cells"}


def test_a_row_that_somebody_wrote_anew_is_added(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in", [ROWS[0]])
    mended([{"homeroom.row": "", "homeroom.content": "", "guest": "g9", "on": "2026-05-09"}], folder / "party.quarantined.csv")
    assert guests(read(folder)[0]) == ["g1", "g9"]


@pytest.mark.parametrize(
    "dialect", [{"encoding": "utf-8-sig"}, {"delimiter": ";", "encoding": "cp1252"}, {"delimiter": "\t", "encoding": "utf-16"}]
)
def test_corrections_are_read_as_any_program_for_tables_saves_them(tmp_path: Path, dialect: dict[str, str]) -> None:
    folder = wrote(tmp_path / "in", ["g1,tomorrow,Zoë"])
    rows = [row | {"on": "2026-05-01"} for row in aside(folder, tmp_path / "out")]
    mended(rows, folder / "party.quarantined.csv", **dialect)
    assert read(folder)[0].kept["says"].to_list() == ["Zoë"]


@pytest.mark.parametrize(
    ("header", "code"), [("guest,on", "missing_column"), ("guest,guest,homeroom.row,homeroom.content", "duplicate_column")]
)
def test_corrections_without_what_says_which_row_is_which_are_refused(tmp_path: Path, header: str, code: str) -> None:
    folder = wrote(tmp_path / "in")
    (folder / "party.quarantined.csv").write_text(f"{header}\nsecret,x\n")
    with pytest.raises(Refused) as refused:
        read(folder)
    assert {problem.code for problem in refused.value.problems} == {code}
    assert all(problem.file == "party.quarantined.csv" for problem in refused.value.problems)
    assert "secret" not in str(refused.value)


def test_corrections_beside_nothing_that_they_could_correct_are_refused(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in")
    (folder / "parties.quarantined.csv").write_text("homeroom.row,homeroom.content\n")
    with pytest.raises(Refused) as refused:
        read(folder)
    assert [problem.file for problem in refused.value.problems] == ["parties.quarantined.csv"]


def test_columns_of_ours_are_never_content(tmp_path: Path) -> None:
    folder = wrote(tmp_path / "in", ["g1,2026-05-01,x,9,bad"], f"{HEADER},homeroom.row,homeroom.fault")
    assert load(folder / "party.csv", PARTY).columns == ["guest", "on", "says"]
    assert load(folder / "party.csv", None).columns == ["guest", "on", "says"]
    pl.DataFrame({"guest": ["g1"], "on": ["2026-05-01"], "homeroom.fault": ["bad"]}).write_parquet(folder / "party.parquet")
    assert load(folder / "party.parquet", None).columns == ["guest", "on"]


def test_rows_of_parquet_are_mended_in_the_same_way(tmp_path: Path) -> None:
    frame = pl.DataFrame({"guest": [17.0, 18.0], "on": ["2026-05-01", "tomorrow"], "says": [None, "x"]})
    (tmp_path / "in").mkdir()
    frame.write_parquet(tmp_path / "in" / "party.parquet")
    (row,) = aside(tmp_path / "in", tmp_path / "out")
    mended([row | {"on": "2026-05-02"}], tmp_path / "in" / "party.quarantined.csv")
    found, _ = read(tmp_path / "in")
    assert found.kept["on"].dt.day().to_list() == [1, 2]
    assert found.account == Account("party.parquet", 2, 2, 0, corrected=1)


def test_rows_go_out_of_a_zip_and_in_again_beside_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "export.zip", "w") as packed:
        packed.writestr("party.csv", "\n".join([HEADER, *ROWS]))
    rows = [row | {"on": "2026-05-09"} for row in aside(tmp_path / "in" / "export.zip", tmp_path / "out")]
    mended(rows, tmp_path / "in" / "party.quarantined.csv")
    assert guests(read(tmp_path / "in" / "export.zip")[0]) == ["g1", "g2", "g3", "g4"]


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_is_another_once_corrections_lie_beside_it(tmp_path: Path, packed: bool) -> None:
    folder = wrote(tmp_path / "in")
    path = folder
    if packed:
        path = folder / "export.zip"
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("party.csv", "x")
    seen = {sources.digest("tables", path, Tables())}
    for text in ("mine", "newer"):
        (folder / "party.quarantined.csv").write_text(text)
        seen.add(sources.digest("tables", path, Tables()))
    assert len(seen) == 3


# -- cells that a program for tables would run -------------------------------------------------------------------------

RUNS = re.compile(r"[\t\r]|\s*[=+\-@]")
NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+([eE][+-]?[0-9]+)?")


def through(expr: Callable[[pl.Expr], pl.Expr], *cells: str) -> list[str]:
    return pl.DataFrame({"x": cells}, schema={"x": pl.String}).select(expr(pl.col("x"))).to_series().to_list()


@given(st.lists(st.text("'=+-@\t\r\n 15.,eA\uff1d", max_size=6), min_size=1))
def test_no_cell_runs_and_every_cell_comes_back_as_it_was(cells: list[str]) -> None:
    written = through(guarded, *cells)
    assert through(unguarded, *written) == cells
    assert not [cell for cell in written if RUNS.match(cell) and not NUMBER.fullmatch(cell)]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"), ("-5", "-5"), ("+49 171", "'+49 171"),
     ("-2.5e3", "-2.5e3"), ("'=1", "''=1"), ("'tis", "'tis"), ("-", "'-"), ("hello", "hello"), ("", ""), (" =1", "' =1"),
     ("\uff1d1", "'\uff1d1")],
)  # fmt: skip
def test_an_apostrophe_stands_before_what_runs_and_before_nothing_else(cell: str, written: str) -> None:
    assert through(guarded, cell) == [written]
    assert guarded_text(cell) == written


def test_names_of_columns_and_raw_rows_do_not_run_either(tmp_path: Path) -> None:
    frame = pl.DataFrame({"row": [2], "reasons": [["=1: x: y"]], "=cmd": ["a"], "homeroom.content": ["h-1"],
                          "homeroom.raw": ["@cmd"]})  # fmt: skip
    path, _ = Reading({}, (), (), {"x.csv": frame}).write_quarantine(tmp_path)
    assert sheet(path) == [{"homeroom.row": "2", "homeroom.reasons": "'=1: x: y", "homeroom.content": "h-1", "'=cmd": "a",
                            "homeroom.raw": "'@cmd"}]  # fmt: skip


# -- the summary ------------------------------------------------------------------------------------------------------


def test_the_summary_tells_counts_reasons_rows_and_hints_and_no_cell(tmp_path: Path) -> None:
    rows = ["g1,2026-05-01,x", *[f"g{at},Zq7Wvk|{at},y" for at in range(2, 9)], "g9,2026-05-01", "g1,2026-05-01,Xy3Qpl"]
    _, reading = read(wrote(tmp_path / "in", rows))
    *_, summary = reading.write_quarantine(tmp_path / "out")
    text = summary.read_text()
    assert summary.name == "summary.md"
    assert "| party.csv | 10 | 1 | 9 | 0 |" in text
    assert "`party.quarantined.csv`" in text
    assert "| 7 | on | this is not a date | bad_value | 3, 4, 5, 6, 7 ... | Write dates as YYYY-MM-DD. |" in text
    assert "| 1 | (the whole row) | this row has more or fewer cells than the header | wrong_number_of_cells | 10 | " in text
    assert "| 1 | guest | another row has the same key | duplicate_key | 11 | Keep one of them. |" in text
    assert not any(cell in text for cell in ("Zq7Wvk", "Xy3Qpl", "2026-05-01"))


# -- whose files are whose --------------------------------------------------------------------------------------------


def setting_aside(**files: int) -> Reading:
    """Return a reading that set aside some rows of some files."""
    frames = {f"{name}.csv": pl.DataFrame({"row": range(rows), "reasons": [["odd"]] * rows}) for name, rows in files.items()}
    return Reading({}, (), (), frames)


def test_the_quarantine_holds_what_this_reading_set_aside_and_nothing_older(tmp_path: Path) -> None:
    setting_aside(results=3, exits=1).write_quarantine(tmp_path)
    written = setting_aside(results=2, rosters=0, activity=5).write_quarantine(tmp_path)
    assert [path.name for path in written] == ["results.quarantined.csv", "activity.quarantined.csv", "summary.md"]
    assert set(tmp_path.iterdir()) == set(written)
    assert len(sheet(tmp_path / "results.quarantined.csv")) == 2
    assert setting_aside().write_quarantine(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_files_of_somebody_elses_in_the_quarantine_stay_as_they_are(tmp_path: Path) -> None:
    setting_aside(exits=1).write_quarantine(tmp_path)
    theirs = ["results.quarantined.csv", "mended.quarantined.csv", "exits.csv", "notes.txt", "summary-9.md"]
    for name in theirs:
        (tmp_path / name).write_text("mine")
    for _ in range(2):
        path, summary = setting_aside(results=2).write_quarantine(tmp_path)
        assert (path.name, summary.name) == ("results.quarantined-2.csv", "summary.md")
        assert len(sheet(path)) == 2
        assert {one.name for one in tmp_path.iterdir()} == {*theirs, path.name, summary.name}
    assert {(tmp_path / name).read_text() for name in theirs} == {"mine"}


def test_what_somebody_has_begun_to_mend_is_not_written_over(tmp_path: Path) -> None:
    path, summary = setting_aside(results=2).write_quarantine(tmp_path)
    path.write_text(path.read_text() + "9,mine,,\n")
    summary.write_text("# my notes")
    begun = path.read_text()
    again, _ = setting_aside(results=3).write_quarantine(tmp_path)
    assert again.name == "results.quarantined-2.csv"
    assert (path.read_text(), summary.read_text()) == (begun, "# my notes")


def test_rows_of_a_package_lie_in_a_folder_of_its_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"row": [2], "reasons": [["odd"]]})
    names = ("users.csv", "delta-1.zip/users.csv", "../users.csv")
    written = Reading({}, (), (), dict.fromkeys(names, frame)).write_quarantine(tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "users.quarantined.csv", "delta-1/users.quarantined.csv", "users.quarantined-2.csv", "summary.md",
    ]  # fmt: skip
    assert setting_aside().write_quarantine(tmp_path / "out") == []
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_quarantine_that_cannot_be_written_leaves_the_one_before_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting_aside(results=3, exits=1).write_quarantine(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real, written = pl.DataFrame.write_csv, []

    def torn(frame: pl.DataFrame, path: Path, **given: object) -> None:
        written.append(path)
        if len(written) == 2:
            path.write_bytes(b"homeroom.row and no more")
            raise OSError("no space left")
        real(frame, path, **given)  # type: ignore[call-overload]

    monkeypatch.setattr(pl.DataFrame, "write_csv", torn)
    with pytest.raises(OSError, match="no space"):
        setting_aside(results=1, activity=2).write_quarantine(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_corrections_are_known_by_their_names() -> None:
    names = {
        "a.quarantined.csv": "a",
        "a.b.QUARANTINED-12.CSV": "a.b",
        "a.csv": "",
        "a.quarantined.parquet": "",
        ".quarantined.csv": "",
    }
    assert {name: corrected_stem(Path(name)) for name in names} == names

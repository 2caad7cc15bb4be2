"""Every source gives canonical tables; the Open University's own files in particular."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import edfi_json
import example_school
import oneroster_export
import oulad_export
import polars as pl
import pytest

from features import cohort, pipeline, sources
from features.problems import Refused
from features.records import EVER, SchoolRecords
from features.sources import SOURCES
from features.sources.oulad import FILES, Oulad
from features.sources.tables import REQUIRED, Tables
from features.standard import STANDARD
from features.tables import TABLES, Column, Table
from features.validation import Reading, check

#: An example export of every source. A new source needs one here, and every test on this page then reads it.
EXPORTS: dict[str, Callable[[Path], Path]] = {"edfi": edfi_json.export, "oneroster": oneroster_export.write,
                                              "oulad": oulad_export.write, "tables": example_school.export}  # fmt: skip
EVERY = pytest.mark.parametrize("name", SOURCES)


Exported = dict[str, tuple[Path, Reading]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The example export of every source, and what was read of it."""
    folders = {name: write(tmp_path_factory.mktemp(name)) for name, write in EXPORTS.items()}
    return {name: (folder, sources.read(name, folder, SOURCES[name].settings(), "lincoln")) for name, folder in folders.items()}


def test_every_source_has_an_example_export() -> None:
    assert set(EXPORTS) == set(SOURCES)
    assert all(source.says for source in SOURCES.values())


@pytest.mark.full
@EVERY
def test_what_a_source_gives_passes_the_checks_of_the_canonical_tables(name: str, exported: Exported) -> None:
    _, reading = exported[name]
    assert reading.problems == ()
    known: dict[str, pl.Series] = {}
    for table in TABLES:
        if table not in reading.tables:
            continue
        frame = reading.tables[table]
        assert dict(frame.schema) == TABLES[table].schema
        assert set(frame["tenant"]) <= {"lincoln"}
        assert frame["known_on"].null_count() == frame["deleted"].null_count() == 0
        assert check(frame.drop("tenant"), TABLES[table], table, known).problems == ()
        if len(TABLES[table].natural_key) == 1:
            known[table] = frame[TABLES[table].natural_key[0]]


def _height(path: Path) -> int:
    if path.suffix == ".csv":
        return pl.read_csv(path, infer_schema=False).height
    return len(json.loads(path.read_text())) if path.suffix == ".json" else len(path.read_text().splitlines())


@EVERY
def test_a_source_accounts_for_every_row_it_read(name: str, exported: Exported, tmp_path: Path) -> None:
    folder, reading = exported[name]
    assert {account.file.partition(" (")[0] for account in reading.accounts} == {path.name for path in folder.iterdir()}
    for account in reading.accounts:
        assert account.read == account.kept
        if "(school years)" not in account.file:  # made of the sessions of a year
            assert account.read == _height(folder / account.file.partition(" (")[0])
    assert reading.write_quarantine(tmp_path / "aside") == []
    assert not (tmp_path / "aside").exists()


@EVERY
def test_a_source_names_an_export_by_its_content(name: str, exported: Exported, tmp_path: Path) -> None:
    folder, reading = exported[name]
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert reading.digest == sources.digest(name, copy, SOURCES[name].settings()) != ""
    largest = max(copy.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_text(largest.read_text() + "\n")
    assert sources.digest(name, copy, SOURCES[name].settings()) != reading.digest


@EVERY
def test_what_an_older_reader_made_of_the_same_files_is_not_taken_for_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EXPORTS[name](tmp_path)
    before = sources.digest(name, tmp_path, SOURCES[name].settings())
    monkeypatch.setattr(sources, "FORMAT", sources.FORMAT + 1)
    assert sources.digest(name, tmp_path, SOURCES[name].settings()) != before


@EVERY
def test_features_can_be_built_from_what_a_source_gives(name: str, exported: Exported) -> None:
    records = SchoolRecords.from_frames(exported[name][1].tables)
    everybody = cohort.on_days_of_term(records, [28], "section")
    table = pipeline.build(records, everybody, STANDARD)
    assert len(table) == len(everybody) > 20
    assert table.frame["active_days_28d"].sum() > 0
    assert table.frame["handed_in"].sum() > 0


@EVERY
def test_a_source_takes_its_settings_as_a_value_with_a_pass_mark(name: str) -> None:
    assert 0 < SOURCES[name].settings().pass_mark < 1


def test_the_tables_source_refuses_all_at_once_what_it_cannot_read(tmp_path: Path) -> None:
    example_school.export(tmp_path)
    (tmp_path / "enrolments.csv").unlink()
    (tmp_path / "rosters.csv").write_text("student_id\nana\n")
    (tmp_path / "enrolment.csv").write_text("x\n1\n")
    with pytest.raises(Refused) as refused:
        sources.read("tables", tmp_path, Tables())
    assert {(p.code, p.file) for p in refused.value.problems} == {
        ("missing_file", "enrolments.csv"), ("missing_column", "rosters.csv"), ("unknown_table", "enrolment.csv"),
    }  # fmt: skip


def test_only_three_tables_are_required_and_the_others_are_then_unknown(tmp_path: Path) -> None:
    frames = {name: frame for name, frame in example_school.tables().items() if name in REQUIRED}
    reading = sources.read("tables", example_school.export(tmp_path, frames), Tables())
    records = SchoolRecords.from_frames(reading.tables)
    assert {name for name in TABLES if records.holds(name)} == set(REQUIRED)


def test_a_row_whose_student_was_set_aside_is_set_aside_with_it(tmp_path: Path) -> None:
    frames = example_school.tables()
    frames["enrolments"] = frames["enrolments"].with_columns(
        previous_attempts=pl.when(pl.col("enrolment_id") == "ben-autumn").then(-1).otherwise("previous_attempts")
    )
    reading = sources.read("tables", example_school.export(tmp_path, frames), Tables())
    assert {problem.code for problem in reading.problems} == {"out_of_range", "unknown_enrolments"}
    for table in reading.tables.values():
        assert "enrolment_id" not in table.columns or "ben-autumn" not in set(table["enrolment_id"])


@cache
def one_row_of_every_table() -> Mapping[str, pl.DataFrame]:
    """Return a school whose every table has one row, and every column a value that it may hold."""
    plain = {pl.Date(): date(2026, 9, 1), pl.Boolean(): True, pl.Int32(): 1, pl.Float64(): 1.0}

    def cell(table: Table, column: Column) -> object:
        if column.values:
            return column.values[0]
        return plain.get(column.type, f"the {column.references or table.name}")

    return {name: pl.DataFrame({column.name: [cell(table, column)] for column in table.columns}, schema={
        column.name: column.type for column in table.columns}) for name, table in TABLES.items()}  # fmt: skip


@pytest.mark.parametrize("parquet", [False, True])
def test_the_tables_source_reads_every_table(tmp_path: Path, parquet: bool) -> None:
    frames = one_row_of_every_table()
    reading = sources.read("tables", example_school.export(tmp_path, frames, parquet=parquet), Tables())
    assert reading.problems == ()
    assert list(reading.tables) == list(TABLES)
    for name, frame in frames.items():
        assert reading.tables[name].select(frame.columns).equals(frame)
    records = SchoolRecords.from_frames(reading.tables)
    opened = records.write(tmp_path / "records", 2)
    assert all(opened.labels(name).collect().equals(records.labels(name).collect()) for name in TABLES)


LINKS = [(table, column.name) for table, held in TABLES.items() for column in held.columns if column.references]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """A school whose every table has its one sound row, and for each of its links a row that refers to nothing there."""
    frames = {}
    for name, row in one_row_of_every_table().items():
        rows = [row]
        for column in (column for table, column in LINKS if table == name):
            own = [
                c.name
                for c in TABLES[name].columns
                if c.natural and not c.references and c.type == pl.String() and not c.values
            ]
            rows.append(row.with_columns(pl.lit(f"of {column}").alias(one) for one in own).with_columns(nobody(column)))
        frames[name] = pl.concat(rows)
    return sources.read("tables", example_school.export(tmp_path_factory.mktemp("broken"), frames), Tables())


def nobody(column: str) -> pl.Expr:
    return pl.lit("nobody").alias(column)


@pytest.mark.parametrize(("table", "column"), LINKS)
def test_a_row_that_refers_to_nothing_is_set_aside(broken: Reading, table: str, column: str) -> None:
    assert broken.tables[table].height == 1, "the sound row is kept"
    links = [link for of, link in LINKS if of == table]
    row = broken.quarantine[f"{table}.csv"].filter(row=3 + links.index(column))
    (reasons,) = row["reasons"].to_list()
    assert [reason for reason in reasons if reason.startswith(f"{column}: unknown_{TABLES[table].column(column).references}: ")]
    assert not [reason for reason in reasons if "unknown_" in reason and not reason.startswith(f"{column}: ")]


def test_a_student_may_object_to_two_things_on_one_day(tmp_path: Path) -> None:
    frames = dict(one_row_of_every_table())
    scopes = pl.DataFrame({"scope": ["profiling", "photo"]})
    frames["objections"] = frames["objections"].drop("scope").join(scopes, how="cross")
    reading = sources.read("tables", example_school.export(tmp_path, frames), Tables())
    assert (reading.problems, reading.tables["objections"].height) == ((), 2)


def test_dates_that_end_before_they_begin_are_set_aside(tmp_path: Path) -> None:
    frames = example_school.tables()
    frames["sections"] = frames["sections"].with_columns(ends_on=pl.col("starts_on") - pl.duration(days=1))
    reading = sources.read("tables", example_school.export(tmp_path, frames), Tables())
    assert ("ends_before_start", "sections.csv") in {(p.code, p.file) for p in reading.problems}
    assert reading.tables["sections"].is_empty()


# -- the Open University's own files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(exported: Exported) -> dict[str, pl.DataFrame]:
    return {name: frame.with_columns(tenant=pl.lit("default")) for name, frame in exported["oulad"][1].tables.items()}


@pytest.mark.parametrize("form", [{"parquet": True}, {"encoding": "latin-1"}, {"encoding": "utf-8-sig"}], ids=str)
def test_parquet_and_csv_in_any_encoding_give_the_same_tables(
    small: dict[str, pl.DataFrame], tmp_path: Path, form: dict
) -> None:
    reading = sources.read("oulad", oulad_export.write(tmp_path, **form), Oulad())
    assert reading.problems == ()
    assert set(reading.tables) == set(small)
    for name, frame in small.items():
        assert frame.equals(reading.tables[name]), name
    assert "Région" in set(small["demographics"]["region"])


B_START, J_START = date(2013, 2, 1), date(2013, 10, 1)


def known(frame: pl.DataFrame, **keys: str) -> dict[str, object]:
    found = frame.filter(*(pl.col(name) == value for name, value in keys.items()))
    assert found.height == 1
    return found.row(0, named=True)


@pytest.mark.parametrize(
    ("piece", "lag", "day"),
    [
        ("101", 14, B_START + timedelta(days=20 + 14)),  # tutor-marked, handed in early: from the due date
        ("101", 0, B_START + timedelta(days=20)),
        ("102", 14, B_START + timedelta(days=45)),  # computer-marked: the day it was handed in, late or not
        ("103", 14, B_START + timedelta(days=240 + 14)),  # an exam without a date is due at the module's end
        ("201", 14, J_START),  # banked: when the module starts
    ],
)
def test_a_mark_is_known_when_somebody_could_have_given_it(tmp_path: Path, piece: str, lag: int, day: date) -> None:
    reading = sources.read("oulad", oulad_export.write(tmp_path), Oulad(marking_lag_days=lag))
    row = known(reading.tables["results"], student_id="1", assignment_id=piece)
    assert row["known_on"] == row["marked_on"] == day
    assert row["status"] == ("banked" if piece == "201" else "graded")


def test_a_hand_in_is_known_that_day_and_a_banked_one_is_none(small: dict[str, pl.DataFrame]) -> None:
    handed = small["submissions"].filter(pl.col("student_id") == "1").sort("assignment_id")
    assert handed["assignment_id"].to_list() == ["101", "102", "103", "202"]
    assert handed["known_on"].to_list() == handed["submitted_on"].to_list()
    assert handed["submitted_on"][1] == B_START + timedelta(days=45)
    evidence = small["skill_results"].filter(pl.col("student_id") == "1")
    assert set(evidence["evidence_id"]) == {"101", "102", "103"}, "neither the banked score nor the missing one"


def test_an_outcome_is_known_at_the_modules_end_and_an_exit_on_its_day(small: dict[str, pl.DataFrame]) -> None:
    ends = {"AAA-2013B": B_START + timedelta(days=240), "BBB-2013J": J_START + timedelta(days=234)}
    outcomes = small["outcomes"]
    assert outcomes.height == 30
    assert all(row["section_id"].endswith(row["term_id"]) for row in outcomes.iter_rows(named=True))
    assert all(row["known_on"] == ends[row["section_id"]] for row in outcomes.iter_rows(named=True))
    gone = known(small["exits"], enrolment_id="AAA-2013B-3")
    assert gone["known_on"] == gone["exited_on"] == B_START + timedelta(days=60)


def test_a_registration_without_a_date_is_known_from_the_modules_start(small: dict[str, pl.DataFrame]) -> None:
    for table, column in (("enrolments", "entered_on"), ("rosters", "begins_on")):
        row = known(small[table], enrolment_id="AAA-2013B-5")
        assert row[column] is None
        assert row["known_on"] == B_START
        assert known(small[table], enrolment_id="AAA-2013B-6")["known_on"] == B_START - timedelta(days=24)


def test_an_exam_without_a_date_is_due_at_the_modules_end(small: dict[str, pl.DataFrame]) -> None:
    exam = known(small["assignments"], assignment_id="103")
    assert exam["due_on"] == B_START + timedelta(days=240)
    assert exam["known_on"] == EVER
    assert exam["kind"] == "exam"


def test_clicks_are_folded_by_day_and_kind_and_none_is_lost(small: dict[str, pl.DataFrame]) -> None:
    clicks = oulad_export.frames()["studentVle"]
    activity = small["activity"]
    assert activity["actions"].sum() == clicks["sum_click"].sum()
    twice = activity.filter(pl.col("actions") == 2 * clicks["sum_click"][0], pl.col("student_id") == "1").row(0, named=True)
    assert twice["resources"] == 1
    assert set(activity.filter(pl.col("section_id") == "BBB-2013J")["kind"]) == {"quiz", "other"}


def test_an_unknown_student_is_set_aside_with_every_row(tmp_path: Path) -> None:
    files = oulad_export.frames()
    stranger = {"studentVle": [*oulad_export.AAA, 999, 11, 3, 4], "studentAssessment": [101, 999, 3, 0, 50.0],
                "studentRegistration": [*oulad_export.AAA, 999, -3, None]}  # fmt: skip
    for name, row in stranger.items():
        more = pl.DataFrame([row], schema=files[name].schema, orient="row")
        files[name] = pl.concat([files[name], more, more.clear()])
    # Known, but not in this presentation.
    elsewhere = pl.DataFrame([(201, 2, 3, 0, 50.0)], schema=files["studentAssessment"].schema, orient="row")
    files["studentAssessment"] = pl.concat([files["studentAssessment"], elsewhere])
    reading = sources.read("oulad", oulad_export.write(tmp_path, files), Oulad())
    assert [(p.code, p.file, p.rows) for p in reading.problems] == [
        ("unknown_student", "studentRegistration.csv", 1),
        ("unknown_student", "studentAssessment.csv", 2),
        ("unknown_student", "studentVle.csv", 1),
    ]
    assert reading.quarantine["studentVle.csv"]["id_student"].to_list() == ["999"]
    assert all("999" not in str(problem) or problem.value_shape for problem in reading.problems)
    assert "999" not in set(reading.tables["students"]["student_id"])


def test_missing_files_and_wrong_headers_are_told_together(tmp_path: Path) -> None:
    files = oulad_export.frames()
    del files["vle"], files["courses"]
    files["studentInfo"] = files["studentInfo"].drop("id_student", "studied_credits")
    with pytest.raises(Refused) as refused:
        sources.read("oulad", oulad_export.write(tmp_path, files), Oulad())
    assert sorted((p.code, p.file, p.column) for p in refused.value.problems) == [
        ("missing_column", "studentInfo.csv", "id_student"), ("missing_column", "studentInfo.csv", "studied_credits"),
        ("missing_file", "courses.csv", ""), ("missing_file", "vle.csv", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "column", "value", "code"),
    [
        ("courses", "code_presentation", "13J", "unknown_word"),
        ("assessments", "assessment_type", "Quiz", "unknown_word"),
        ("assessments", "code_module", "CCC", "unknown_course"),
        ("studentAssessment", "score", 101.0, "out_of_range"),
        ("studentAssessment", "date_submitted", 2_000_000_000, "out_of_range"),
        ("studentVle", "id_site", 77, "unknown_page"),
        ("studentVle", "sum_click", -1, "out_of_range"),
        ("studentRegistration", "date_unregistration", -2_000_000_000, "out_of_range"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside(tmp_path: Path, file: str, column: str, value: object, code: str) -> None:
    files = oulad_export.frames()
    cells = [value, *files[file][column].to_list()[1:]]
    files[file] = files[file].with_columns(pl.Series(column, cells))
    reading = sources.read("oulad", oulad_export.write(tmp_path, files), Oulad())
    assert (code, f"{file}.csv") in {(problem.code, problem.file) for problem in reading.problems}
    assert reading.quarantine[f"{file}.csv"]["row"][0] == 2


@pytest.mark.full
def test_every_row_of_the_real_data_is_accounted_for(oulad_reading: Reading) -> None:
    assert set(FILES) == {Path(account.file).stem for account in oulad_reading.accounts}
    read = {Path(account.file).stem: account for account in oulad_reading.accounts}
    assert read["studentVle"].read == 7_035_828
    assert read["studentInfo"].read == 21_333
    assert read["studentAssessment"].read == 121_738
    assert oulad_reading.quarantined == 0
    assert oulad_reading.problems == ()


def test_a_row_that_names_a_student_and_the_enrolment_of_another_is_set_aside(tmp_path: Path) -> None:
    frames = example_school.tables()
    swapped = pl.when(pl.col("enrolment_id") == "ben-autumn").then(pl.lit("ana")).otherwise("student_id").alias("student_id")
    frames["submissions"] = frames["submissions"].with_columns(swapped)
    reading = sources.read("tables", example_school.export(tmp_path, frames), Tables())
    (problem,) = reading.problems
    assert (problem.code, problem.file) == ("mismatched_reference", "submissions.csv")
    assert problem.rows == reading.quarantined > 0

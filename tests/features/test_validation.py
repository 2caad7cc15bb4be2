"""The door: what comes in, what is set aside, and that every row is accounted for."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from features.delimited import FAULT, LONGEST_CELL, RAW
from features.problems import Problem, Refused
from features.tables import TABLES, Column, Table
from features.validation import LONGEST, Account, Found, Origin, Rule, check, day, load, own_columns, read_files, row_numbers

PARTY = Table(
    "party",
    "Guests.",
    (
        Column("guest", pl.String(), "Who.", "confidential", "join", natural=True, required=True),
        Column("host", pl.String(), "Of whom.", "confidential", "join", references="hosts"),
        Column("on", pl.Date(), "When.", "internal", "feature", required=True),
        Column("chairs", pl.Int32(), "How many.", "internal", "feature", least=0, most=9),
        Column("price", pl.Float64(), "How dear.", "internal", "feature", least=0),
        Column("vegan", pl.Boolean(), "Yes or no.", "internal", "feature"),
        Column("mood", pl.String(), "How it was.", "internal", "feature", values=("good", "bad")),
    ),
)
GOOD = {"guest": "g1", "host": "h1", "on": "2026-05-01", "chairs": "3", "price": "2.5", "vegan": "yes", "mood": "good"}


def checked(*rows: dict[str, str | None], rules: tuple[Rule, ...] = ()) -> tuple[pl.DataFrame, pl.DataFrame, list[Problem]]:
    frame = pl.DataFrame([GOOD | row for row in rows], schema=dict.fromkeys(GOOD, pl.String))
    found = check(frame, PARTY, "party.csv", {"hosts": pl.Series(["h1", "h2"])}, rules)
    assert found.account == Account("party.csv", len(rows), found.kept.height, found.quarantined.height)
    return found.kept, found.quarantined, list(found.problems)


def test_a_good_row_comes_in_typed() -> None:
    kept, aside, problems = checked({}, {"guest": " g2 ", "chairs": "?", "vegan": "N", "host": "", "price": "1e2"})
    assert problems == []
    assert aside.is_empty()
    assert kept["guest"].to_list() == ["g1", "g2"]
    assert kept["chairs"].to_list() == [3, None]
    assert kept["vegan"].to_list() == [True, False]
    assert kept["host"].to_list() == ["h1", None]
    assert kept["price"].to_list() == [2.5, 100.0]
    assert kept.schema == pl.Schema({column.name: column.type for column in PARTY.columns})


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("on", "01/05/2026", "bad_value"),
        ("on", "2026-5-1", "bad_value"),
        ("on", "2026-02-30", "bad_value"),
        ("on", "2026-05-01T10:00", "bad_value"),
        ("on", "0026-05-01", "bad_value"),
        ("on", "", "missing_value"),
        ("chairs", "3.5", "bad_value"),
        ("chairs", "three", "bad_value"),
        ("chairs", "12345678901", "bad_value"),
        ("chairs", "nan", "bad_value"),
        ("chairs", "-1", "out_of_range"),
        ("chairs", "10", "out_of_range"),
        ("price", "2,5", "bad_value"),
        ("price", "NaN", "bad_value"),
        ("price", "inf", "bad_value"),
        ("price", "-0.1", "out_of_range"),
        ("vegan", "maybe", "bad_value"),
        ("mood", "Good", "unknown_word"),
        ("host", "h3", "unknown_hosts"),
        ("guest", "?", "missing_value"),
        ("guest", "g" * (LONGEST + 1), "too_long"),
    ],
)
def test_a_bad_cell_is_named_by_file_row_column_shape_and_hint(column: str, value: str, code: str) -> None:
    kept, aside, problems = checked({}, {"guest": "g2", column: value})
    (problem,) = problems
    assert (problem.code, problem.file, problem.row, problem.column) == (code, "party.csv", 3, column)
    assert problem.where == f"party.csv, row 3, column {column}"
    assert problem.hint
    assert len(value) < 2 or value not in str(problem)
    assert kept["guest"].to_list() == ["g1"]
    assert aside["row"].to_list() == [3]
    assert aside[column].to_list() == [value]


def test_every_problem_of_every_row_is_told_at_once() -> None:
    kept, aside, problems = checked(
        {"on": "soon"}, {"guest": "g2", "on": "later", "mood": "odd"}, {"guest": "g3", "host": "nobody"}, {"guest": "g4"}
    )
    assert [(p.code, p.row, p.rows) for p in problems] == [("bad_value", 2, 2), ("unknown_hosts", 4, 1),
                                                           ("unknown_word", 3, 1)]  # fmt: skip
    assert kept["guest"].to_list() == ["g4"]
    assert aside["row"].to_list() == [2, 3, 4]
    assert [len(reasons) for reasons in aside["reasons"].to_list()] == [1, 2, 1]
    assert aside["mood"].to_list() == ["good", "odd", "good"]


def test_the_second_row_of_a_key_is_set_aside_unless_it_is_another_version() -> None:
    _, aside, problems = checked({}, {"chairs": "4"}, {"guest": "g2"})
    assert [problem.code for problem in problems] == ["duplicate_key"]
    assert aside["row"].to_list() == [3]
    frame = pl.DataFrame([GOOD | {"known_on": "2026-05-02"}, GOOD | {"known_on": "2026-05-03", "deleted": "true"}])
    found = check(frame, PARTY, "party.csv")
    assert found.problems == ()
    assert found.kept["deleted"].to_list() == [None, True]


def test_a_rule_across_columns_sets_a_row_aside() -> None:
    rule = Rule(
        "lonely", "chairs, host", "a host with no chair", "Bring one.", (pl.col("chairs") == 0) & (pl.col("host") == "h1")
    )
    _, aside, (problem,) = checked({}, {"guest": "g2", "chairs": "0"}, rules=(rule,))
    assert (problem.code, problem.row, problem.value_shape) == ("lonely", 3, "9, x9")
    assert aside["reasons"].to_list() == [["chairs, host: lonely: a host with no chair"]]


HANDED_IN = pl.DataFrame(
    {
        "student_id": ["ana", "ben", "ana", "cal", None, "zoe"],
        "enrolment_id": ["ana-1", "ana-1", "ana-2", "nobodys", "ana-1", "ana-1"],
        "assignment_id": ["a1", "a1", "a2", "a1", "a1", "a1"],
        "submitted_on": ["2026-05-01"] * 6,
    }
)
OWNERS = pl.DataFrame({"enrolment_id": ["ana-1", "ana-2", "ben-1"], "student_id": ["ana", "ana", "ben"]})


def test_a_row_that_names_a_student_and_the_enrolment_of_another_is_set_aside() -> None:
    known = {"students": pl.Series(["ana", "ben", "cal"]), "enrolments": OWNERS["enrolment_id"]}
    found = check(HANDED_IN, TABLES["submissions"], "submissions.csv", known, owners=OWNERS)
    (problem,) = [one for one in found.problems if one.code == "mismatched_reference"]
    assert (problem.row, problem.rows, problem.column) == (3, 1, "enrolment_id, student_id")
    assert problem.value_shape == "xxx-9, xxx"
    assert "ben" not in str(problem)
    # A key that nobody knows, or none at all, is told as that and not a second time.
    assert {one.code for one in found.problems} == {
        "mismatched_reference", "missing_value", "unknown_students", "unknown_enrolments",
    }  # fmt: skip
    assert found.kept["student_id"].to_list() == ["ana", "ana"]
    assert found.quarantined.filter(pl.col("row") == 3)["reasons"].to_list() == [
        ["enrolment_id, student_id: mismatched_reference: this enrolment is another student's"]
    ]


@pytest.mark.parametrize("table", [t.name for t in TABLES.values() if {"student_id", "enrolment_id"} <= t.schema.keys()])
def test_every_table_that_names_both_is_looked_at_for_whose_the_enrolment_is(table: str) -> None:
    row = {column.name: "?" for column in TABLES[table].columns} | {"student_id": "ben", "enrolment_id": "ana-1"}
    found = check(pl.DataFrame([row]), TABLES[table], table, owners=OWNERS)
    assert "mismatched_reference" in {problem.code for problem in found.problems}
    own = check(pl.DataFrame([row | {"student_id": "ana"}]), TABLES[table], table, owners=OWNERS)
    assert "mismatched_reference" not in {problem.code for problem in own.problems}


@pytest.mark.parametrize(
    "text",
    ["20261113", "2026-W46-5", "2026-11-13T00:00", "2026-11-13 ", "2026-1-13", "0026-11-13", "9999-01-01", "2026-02-30", ""],
)
def test_only_year_month_and_day_between_dashes_is_a_date(text: str) -> None:
    assert day(text) is None
    assert day("2026-11-13") == date(2026, 11, 13)


def test_an_account_that_does_not_add_up_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="3 rows read"):
        Account("a.csv", 3, 1, 1)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("on", [20260501]),
        pl.Series("on", [[1, 2]]),
        pl.Series("price", [float("nan")]),
        pl.Series("price", [float("inf")]),
        pl.Series("chairs", [2.5]),
        pl.Series("chairs", [b"\xff"]),
        pl.Series("vegan", [7]),
        pl.Series("mood", [{"a": 1}]),
    ],
    ids=lambda column: f"{column.name} {column.dtype}",
)
def test_typed_cells_that_do_not_fit_are_set_aside_with_their_content(column: pl.Series) -> None:
    frame = pl.DataFrame([GOOD]).with_columns(column)
    found = check(frame, PARTY, "party.parquet")
    assert found.kept.is_empty()
    assert found.problems[0].code == "bad_value"
    assert found.problems[0].row == 1
    assert found.quarantined[column.name][0]


def test_a_key_that_went_through_pandas_as_a_number_is_the_same_key() -> None:
    frame = pl.DataFrame([GOOD, GOOD]).with_columns(pl.Series("guest", [17.0, None]), pl.Series("chairs", [3.0, 4.0]))
    found = check(frame, PARTY, "party")
    assert found.kept["guest"].to_list() == ["17"]
    assert found.kept["chairs"].to_list() == [3]


# -- rows that were made of others ----------------------------------------------------------------------------------------

SEATING = pl.DataFrame({"Guest No": ["7", "8", "9", "10"], "Seat": ["A", "X", "A", "A"], "row": ["1", "2", "3", "x"]})


def seated(**origin: object) -> Origin:
    rows = pl.Series([12, 14, 15, 20])
    return Origin(SEATING, rows, {"guest": "Guest No", "mood": "Seat", "chairs": "row"}, **origin)  # type: ignore[arg-type]


def test_problems_and_quarantine_speak_of_the_rows_columns_and_cells_of_the_file() -> None:
    made = pl.DataFrame({"guest": ["g7", "g8", "g9", "g10"], "on": ["2026-05-01"] * 4, "mood": ["good", None, "good", "odd"],
                         "chairs": ["1", "2", "3", "x"]})  # fmt: skip
    unknown = Found("unknown_code", "Seat", "the mapping does not name this code", "Name it.", SEATING["Seat"] == "X")
    found = check(made, PARTY, "seats.csv", origin=seated(found=(unknown,), left_out=3, why="empty seats"))
    assert found.account == Account("seats.csv", 7, 2, 2, 3, "empty seats")
    assert str(found.account) == "seats.csv: 7 rows read = 2 kept + 2 set aside + 3 left out (empty seats)"
    assert {(p.code, p.row, p.column, p.value_shape) for p in found.problems} == {
        ("unknown_code", 14, "Seat", "X"), ("unknown_word", 20, "Seat", "X"), ("bad_value", 20, "row", "x"),
    }  # fmt: skip
    assert found.taken.to_list() == [True, False, True, False]
    assert found.quarantined["row"].to_list() == [14, 20]
    assert found.quarantined["Guest No"].to_list() == ["8", "10"]
    assert found.quarantined["homeroom.own.row"].to_list() == ["2", "x"]


def test_a_cell_that_is_bad_because_of_another_is_not_told_beside_it() -> None:
    made = pl.DataFrame({"guest": ["g7", None, None, "g10"], "on": ["2026-05-01", None, "2026-05-01", None]})
    nobody = Found("unknown_student", "Guest No", "nobody has this number", "Send them.", made["guest"].is_null())
    found = check(made, PARTY, "seats.csv", origin=seated(found=(nobody,)))
    assert [(p.code, p.row, p.rows) for p in found.problems] == [("unknown_student", 14, 2), ("missing_value", 20, 1)]


def test_what_is_checked_must_be_as_high_as_what_the_file_holds() -> None:
    with pytest.raises(AssertionError, match="as high"):
        check(pl.DataFrame({"guest": ["g1"], "on": ["2026-05-01"]}), PARTY, "seats.csv", origin=seated())


# -- files ------------------------------------------------------------------------------------------------------------

TWO = {
    "party": PARTY,
    "hosts": Table("hosts", "Hosts.", (Column("host", pl.String(), "Who.", "internal", "join", natural=True),)),
}


def test_a_missing_file_and_a_wrong_header_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "party.csv").write_text("guest,When\ng1,2026-05-01\n")
    with pytest.raises(Refused) as refused:
        read_files(tmp_path, TWO, TWO)
    assert [(p.code, p.file, p.column) for p in refused.value.problems] == [
        ("missing_column", "party.csv", "on"), ("missing_file", "hosts.csv", ""),
    ]  # fmt: skip


def test_a_missing_folder_is_refused_and_its_whole_path_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_files(tmp_path / "nowhere", TWO, TWO)
    assert [p.code for p in refused.value.problems] == ["missing_folder"]
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_csv_is_read_in_every_encoding_and_with_every_line_end(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join(["guest, on ,colour", "Zoë,2026-05-01,red", 'Ana,2026-05-02,"red, blue"', ""])
    (tmp_path / "party.csv").write_bytes(text.encode(encoding))
    frame = load(tmp_path / "party.csv", PARTY)
    assert frame.select("guest", "on").to_dict(as_series=False) == {
        "guest": ["Zoë", "Ana"], "on": ["2026-05-01", "2026-05-02"],
    }  # fmt: skip
    assert own_columns(frame) == ["guest", "on"]


def of(tmp_path: Path, content: bytes, file: str = "party.csv") -> pl.DataFrame:
    (tmp_path / file).write_bytes(content)
    return load(tmp_path / file, PARTY)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"g2", "wrong_number_of_cells"),
        (b"g2,2026-05-02,3,secret", "wrong_number_of_cells"),
        (b'"g2,2026-05-02,3', "broken_quotes"),
        (b'"g2" secret,2026-05-02,3', "broken_quotes"),
        (b"g2,2026-05-02," + b"9" * (LONGEST_CELL + 1), "huge_cell"),
        (b"\0" * 300_000, "broken_text"),
        (b"g\0,2026-05-02,3", "broken_text"),
        (b"g\xff,2026-05-02,3", "broken_text"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_row_that_is_none_costs_itself_and_no_other(tmp_path: Path, row: bytes, code: str) -> None:
    first, last = "Zoë,2026-05-01,3".encode(), b'Ana,2026-05-02,"4"'
    frame = of(tmp_path, b"\n".join([b"guest,on,chairs", first, row, last, b""]))
    assert frame[FAULT].to_list() == [None, code, None]
    assert row.decode(errors="replace").replace("\0", "\u2400").startswith(frame[RAW][1][:1_000])
    found = check(frame, PARTY, "party.csv")
    (problem,) = found.problems
    assert (problem.code, problem.row, problem.column, problem.rows) == (code, 3, "", 1)
    assert "secret" not in str(problem)
    assert found.kept["guest"].to_list() == ["Zoë", "Ana"]
    assert found.quarantined["row"].to_list() == [3]
    assert found.quarantined["reasons"][0][0].startswith(f"(the whole row): {code}: ")
    assert found.taken.to_list() == [True, False, True]


def test_what_is_not_a_row_is_not_counted_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    frame = of(tmp_path, b"\n\nguest,on,,\n\ng1,2026-05-01\n\n   \ng2,2026-05-02,,\ng3,2026-05-03,,,\n\n\x1a")
    assert frame["guest"].to_list() == ["g1", "g2", "g3"]
    assert row_numbers(frame, "party.csv").to_list() == [5, 8, 9]
    assert frame[FAULT].null_count() == 3


def test_line_breaks_and_quotation_marks_within_cells_belong_to_them(tmp_path: Path) -> None:
    frame = of(tmp_path, b'guest;on\n"a\r\nb;""c""";2026-05-01\n5" d;2026-05-02\n')
    assert frame["guest"].to_list() == ['a\r\nb;"c"', '5" d']


def test_separator_encoding_and_header_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "party.csv").write_bytes("Lincoln,School\n\nguest|on,x\nZoë|2026-05-01\n".encode("cp850"))
    frame = load(tmp_path / "party.csv", None, separator="|", encoding="cp850", header_row=3)
    assert frame.select(own_columns(frame)).rows() == [("Zoë", "2026-05-01")]
    assert own_columns(frame) == ["guest", "on,x"]
    assert row_numbers(frame, "party.csv").to_list() == [4]
    for encoding, code in (("utf-8", "unreadable_file"), ("klingon", "unknown_encoding")):
        with pytest.raises(Refused) as refused:
            load(tmp_path / "party.csv", None, encoding=encoding)
        assert [problem.code for problem in refused.value.problems] == [code]


def test_of_a_row_that_is_none_nothing_is_kept_where_the_file_has_a_column_for_nobody(tmp_path: Path) -> None:
    table = Table("users", "Users.", (Column("id", pl.String(), "Key.", "internal", "join", natural=True, required=True),
                                      Column("password", pl.String(), "Never.", "restricted", "never")))  # fmt: skip
    (tmp_path / "users.csv").write_text("id,password\nu1,secret\nu2,two,secret\n")
    frame = load(tmp_path / "users.csv", table)
    assert own_columns(frame) == ["id"]
    assert frame[FAULT].to_list() == [None, "wrong_number_of_cells"]
    assert "secret" not in str(frame.to_dict(as_series=False))


def test_a_name_in_other_capitals_is_understood_and_told_and_two_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Party.CSV").write_text("guest,on\ng1,2026-05-01\n")
    assert [(name, file) for name, (file, _) in read_files(tmp_path, {"party": PARTY}, ["party"]).items()] == [
        ("party", "Party.CSV")
    ]
    (tmp_path / "party.csv").write_text("guest,on\ng1,2026-05-01\n")
    with pytest.raises(Refused) as refused:
        read_files(tmp_path, {"party": PARTY}, ["party"])
    assert [problem.code for problem in refused.value.problems] == ["ambiguous_file"]


def test_a_zip_is_read_as_the_folder_that_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr("export/party.csv", "guest,on\ng1,2026-05-01\n")
    file, frame = read_files(tmp_path / "export.zip", {"party": PARTY}, ["party"])["party"]
    assert (file, frame.rows()) == ("party.csv", [("g1", "2026-05-01")])


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("party.csv", b'guest,"on\nsecret,2026-05-01\n', "unreadable_file"),
        ("party.csv", b"guest,on," + b",".join(b"c%d" % at for at in range(2000)) + b"\n", "too_many_columns"),
        ("party.csv", b"guest,on\n" + b'"open\n' * 1200, "unreadable_file"),
        ("party.csv", b"guest,on,on\ng1,2026-05-01,2026-05-02\n", "duplicate_column"),
        ("party.csv", b"guest,on, on\ng1,2026-05-01,2026-05-02\n", "duplicate_column"),
        ("party.csv", b"", "missing_column"),
        ("party.csv", b"\n\n", "missing_column"),
        ("party.parquet", b"secret", "unreadable_file"),
        ("party.parquet", b"", "unreadable_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_without_what_it_holds(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as refused:
        load(tmp_path / name, PARTY)
    assert {problem.code for problem in refused.value.problems} == {code}
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None, "the cause quotes cells"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_file_cannot_say_which_school_it_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "party.csv").write_text("tenant,guest,on,known_on\nother,g1,2026-05-01,2026-05-02\n")
    assert load(tmp_path / "party.csv", PARTY).columns == ["guest", "on", "known_on"]

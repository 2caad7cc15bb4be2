"""A mapping says how a school's own file is read, and guesses nothing."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features import layouts
from features.dates import DayForm
from features.mapping import TableMapping, parse, read
from features.problems import Refused
from features.translation import Beside, Translated, translate

ROOT = Path(__file__).resolve().parents[2]

ATTENDANCE = """
[attendance]
file = "Attendance.csv"
[attendance.columns]
student_id = "Nr"
on = "Day"
[attendance.dates]
on = "MM/DD/YYYY"
[attendance.codes.Code]
A = { status = "absent", absent_share = 1.0, excused = false }
T = { status = "late", absent_share = 0.0 }
P = { skip = true }
"""


def one(text: str) -> TableMapping:
    return parse(tomllib.loads(text), "M.toml")[0]


def translated(text: str, raw: dict[str, list[Any]], *beside: Beside) -> Translated:
    return translate(pl.DataFrame(raw, dict.fromkeys(raw, pl.String)), one(text), "Attendance.csv", beside)


def refused(text: str) -> str:
    with pytest.raises(Refused) as caught:
        parse(tomllib.loads(text), "M.toml")
    return str(caught.value)


def codes(found: Translated) -> list[tuple[str, str, list[bool]]]:
    return [(fault.code, fault.column, fault.rows.to_list()) for fault in found.origin.found]


# -- what a mapping does -------------------------------------------------------------------------------------


def test_columns_dates_and_codes_become_canonical() -> None:
    found = translated(ATTENDANCE, {"Nr": [" 17 ", "18"], "Day": ["09/05/2026", "12/31/2026"], "Code": ["A", "T"]})
    assert found.frame.to_dicts() == [
        {"student_id": "17", "on": date(2026, 9, 5), "status": "absent", "absent_share": "1.0", "excused": "false"},
        {"student_id": "18", "on": date(2026, 12, 31), "status": "late", "absent_share": "0.0", "excused": None},
    ]
    assert found.origin.names["on"] == "Day"
    assert found.origin.names["status"] == "Code"
    assert found.origin.found == ()


def test_a_code_that_the_mapping_does_not_name_is_a_fault_of_its_row() -> None:
    found = translated(ATTENDANCE, {"Nr": ["1", "2"], "Day": ["09/05/2026"] * 2, "Code": ["a", "A"]})
    assert codes(found) == [("unknown_code", "Code", [True, False])]


def test_rows_that_the_mapping_skips_are_counted_and_told_why() -> None:
    found = translated(
        ATTENDANCE, {"Nr": ["1", "2", "3"], "Day": ["09/05/2026", "nonsense", "09/06/2026"], "Code": ["A", "P", "P"]}
    )
    assert found.frame.height == found.origin.content.height == 1
    assert (found.origin.left_out, found.origin.why) == (2, "2 with Code P")
    assert found.origin.rows.to_list() == [2]


def test_a_date_written_otherwise_is_a_fault_and_never_another_date() -> None:
    found = translated(
        ATTENDANCE, {"Nr": ["1"] * 4, "Day": ["9/5/2026", "13/01/2026", "02/30/2026", "2026-09-05"], "Code": ["A"] * 4}
    )
    assert codes(found) == [("bad_value", "Day", [True] * 4)]
    assert found.frame["on"].null_count() == 4


@pytest.mark.parametrize(
    ("says", "cell", "expected"),
    [
        ("MM/DD/YYYY", "03/04/2026", date(2026, 3, 4)),
        ("DD.MM.YYYY", "03.04.2026", date(2026, 4, 3)),
        ("M/D/YY", "3/14/26", date(2026, 3, 14)),
        ("M/D/YY", "3/14/68", date(2068, 3, 14)),
        ("M/D/YY", "3/14/69", date(1969, 3, 14)),
        ("YYYYMMDD", "20260314", date(2026, 3, 14)),
        ("D Mon YYYY", "4 Mar 2026", date(2026, 3, 4)),
        ("D. Month YYYY", "4. März 2026", date(2026, 3, 4)),
        ("DD-Mon-YY", "04-DEC-26", date(2026, 12, 4)),
        ("Mon D, YYYY", "Aug 9, 2026", date(2026, 8, 9)),
        ("MM/DD/YYYY hh:mm", "03/04/2026 08:15", date(2026, 3, 4)),
        ("MM/DD/YYYY h:mm AM", "03/04/2026 8:15 pm", date(2026, 3, 4)),
        ("YYYY-MM-DDThh:mm:ssZ", "2026-03-04T08:15:00.000Z", date(2026, 3, 4)),
        ("Excel", "46085", date(2026, 3, 4)),
        ("MM/DD/YYYY", "03/04/2026 08:15", None),
        ("MM/DD/YYYY", "03/04/26", None),
        ("DD.MM.YYYY", "31.04.2026", None),
        ("D Mon YYYY", "4 Foo 2026", None),
        ("YYYY-MM-DD", "2026/03/04", None),
    ],
)
def test_dates_are_read_as_schools_write_them(says: str, cell: str, expected: date | None) -> None:
    assert pl.DataFrame({"cell": [cell]}).select(DayForm.of(says).read(pl.col("cell"))).item() == expected


@pytest.mark.parametrize("says", ["MM/YYYY", "MM/DD", "DD/DD/YYYY", "MM/DD/QQQQ", "YYYYY", "month"])
def test_a_form_of_dates_names_year_month_and_day_once(says: str) -> None:
    with pytest.raises(ValueError, match=r"date|year"):
        DayForm.of(says)


@pytest.mark.parametrize(
    ("unit", "marks", "cells", "expected"),
    [
        ('"percent"', "", ["85", "85.5%", "100 %"], [0.85, 0.855, 1.0]),
        ("{ per = 7 }", "", ["7", "3.5"], [1.0, 0.5]),
        ('{ per = 7, counts = "attended" }', "", ["7", "0"], [0.0, 1.0]),
        ("{ times = 0.5 }", "", ["1"], [0.5]),
        ('{ per = "Of" }', "", ["10", "5"], [0.5, 0.25]),
        ("{ per = 390 }", 'decimal = ","', ["97,5"], [0.25]),
        ('"percent"', 'decimal = ","\nthousands = "."', ["1.000", "12,5"], [10.0, 0.125]),
    ],
)
def test_numbers_become_canonical_in_their_unit(unit: str, marks: str, cells: list[str], expected: list[float]) -> None:
    text = f"""[attendance]\n{marks}
        columns = {{ student_id = "Nr", on = "Day", absent_share = "Missed" }}
        units = {{ absent_share = {unit} }}
        values = {{ status = "absent" }}"""
    rows = {"Nr": ["1"] * len(cells), "Day": ["2026-09-01"] * len(cells), "Missed": cells, "Of": ["20"] * len(cells)}
    found = translated(text, rows)
    assert found.frame["absent_share"].to_list() == pytest.approx(expected)
    assert codes(found) == []


@pytest.mark.parametrize("cell", ["1,5", "1.5.2", "x", "1e3", "NaN", "--1", "1.50"])
def test_a_number_with_other_marks_than_the_mapping_says_is_a_fault(cell: str) -> None:
    text = """[attendance]
        decimal = ","
        thousands = "."
        columns = { student_id = "Nr", on = "Day", absent_share = "Missed" }
        values = { status = "absent" }"""
    found = translated(text, {"Nr": ["1"], "Day": ["2026-09-01"], "Missed": [cell]})
    assert codes(found) == ([] if cell == "1,5" else [("bad_value", "Missed", [True])])


def test_what_is_divided_by_nothing_is_a_fault() -> None:
    text = '[attendance]\ncolumns = { student_id = "Nr", on = "Day", absent_share = "Missed" }\n' \
           'units = { absent_share = { per = "Of" } }\nvalues = { status = "absent" }'  # fmt: skip
    rows = {"Nr": ["1", "1"], "Day": ["2026-09-01", "2026-09-02"], "Missed": ["1", "1"], "Of": ["0", None]}
    assert codes(translated(text, rows)) == [("bad_value", "Missed", [True, True])]


def test_a_code_wins_over_the_cell_and_the_cell_over_what_stands_otherwise() -> None:
    text = """[attendance]
        columns = { student_id = "Nr", on = "Day", absent_share = "Missed" }
        values = { mode = "in_person" }
        [attendance.codes.Code]
        A = { status = "absent", otherwise = { absent_share = 1.0 } }
        T = { status = "late", absent_share = 0.0 }"""
    rows = {"Nr": ["1"] * 3, "Day": ["2026-09-01"] * 3, "Missed": ["0.5", None, "0.9"], "Code": ["A", "A", "T"]}
    found = translated(text, rows)
    assert found.frame["absent_share"].to_list() == ["0.5", "1.0", "0.0"]
    assert found.frame["mode"].to_list() == ["in_person"] * 3


def test_a_value_fills_only_cells_that_are_empty() -> None:
    text = '[students]\ncolumns = { student_id = "Nr", known_on = "Seen" }\nvalues = { known_on = 2026-09-01 }\n' \
           'dates = { known_on = "MM/DD/YYYY" }'  # fmt: skip
    found = translated(text, {"Nr": ["1", "2", "3"], "Seen": ["10/01/2026", None, "nonsense"]})
    assert found.frame["known_on"].to_list() == [date(2026, 10, 1), date(2026, 9, 1), None]
    assert codes(found) == [("bad_value", "Seen", [False, False, True])]


def test_a_key_is_joined_of_several_columns() -> None:
    text = '[students]\njoined_by = "/"\ncolumns = { student_id = ["School", "Nr"] }'
    found = translated(text, {"School": ["east", "west"], "Nr": ["1", None]})
    assert found.frame["student_id"].to_list() == ["east/1", None]


def test_rows_that_say_the_same_are_taken_once_only_where_the_mapping_says_so() -> None:
    rows = {"Nr": ["1", "1", "2"], "Name": ["a", "b", "c"]}
    text = '[students]\ncolumns = { student_id = "Nr" }'
    assert translated(text, rows).frame.height == 3
    once = translated(text.replace("[students]", "[students]\nonce = true"), rows)
    assert once.frame["student_id"].to_list() == ["1", "2"]
    assert (once.origin.left_out, once.origin.why) == (1, "1 rows that say again what another says")


def test_faulty_rows_are_never_left_out_as_repeated() -> None:
    text = '[exits]\nonce = true\ncolumns = { student_id = "Nr", enrolment_id = "E", exited_on = "Out" }\n' \
           'dates = { exited_on = "MM/DD/YYYY" }\nvalues = { kind = "unknown" }'  # fmt: skip
    found = translated(text, {"Nr": ["1", "1"], "E": ["e", "e"], "Out": ["x", "y"]})
    assert found.frame.height == 2
    assert codes(found) == [("bad_value", "Out", [True, True])]


def test_rows_without_what_they_need_are_left_out() -> None:
    text = '[exits]\nneeds = ["exited_on"]\ncolumns = { student_id = "Nr", enrolment_id = "E", exited_on = "Out" }\n' \
           'values = { kind = "unknown" }'  # fmt: skip
    found = translated(text, {"Nr": ["1", "2"], "E": ["e", "f"], "Out": ["2026-09-01", None]})
    assert found.frame["student_id"].to_list() == ["1"]
    assert (found.origin.left_out, found.origin.why) == (1, "1 without Out")


def test_words_for_missing_are_missing() -> None:
    text = '[students]\nmissing = ["N/A", "-"]\ncolumns = { student_id = "Nr" }'
    assert translated(text, {"Nr": ["N/A", "-", "?", "7"]}).frame["student_id"].to_list() == [None, None, None, "7"]


LOOKUP = """[attendance]
columns = { student_id = "Nr", on = "Day" }
[attendance.lookups.Days]
by = ["Session"]
[attendance.codes.Code]
A = { status = "absent", absent_share = 1.0 }
"""


def test_a_lookup_puts_another_files_columns_beside_each_row() -> None:
    sessions = Beside("Days.csv", pl.DataFrame({"Session": ["s1", "s2"], "Day": ["2026-09-01", "2026-09-02"]}), ("Session",))
    found = translated(LOOKUP, {"Nr": ["1", "2", "3"], "Session": ["s2", "s1", "s9"], "Code": ["A"] * 3}, sessions)
    assert found.frame["on"].to_list() == ["2026-09-02", "2026-09-01", None]
    assert codes(found) == []


def test_a_lookup_with_two_answers_gives_none() -> None:
    rows = pl.DataFrame({"Session": ["s1", "s1", "s2", "s2"], "Day": ["2026-09-01", "2026-09-02", "2026-09-03", "2026-09-03"]})
    found = translated(
        LOOKUP, {"Nr": ["1", "2"], "Session": ["s1", "s2"], "Code": ["A"] * 2}, Beside("Days.csv", rows, ("Session",))
    )
    assert codes(found) == [("ambiguous_lookup", "Session", [True, False])]


def test_a_column_that_the_file_has_not_refuses_the_file() -> None:
    with pytest.raises(Refused) as caught:
        translated(ATTENDANCE, {"Nr": ["1"], "Datum": ["09/05/2026"]})
    assert {problem.column for problem in caught.value.problems} == {"Day", "Code"}
    assert "The file has: Nr, Datum." in str(caught.value)


# -- how a file is laid out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_encoding_and_header_are_seen(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = [
        "Lincoln High, attendance; made in spring",
        "",
        separator.join(["Nr", "Näme", "Day"]),
        separator.join(["17", "Zoë", "09/05/2026"]),
    ]
    path = tmp_path / "a.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    raw = layouts.read(path, names=("Nr", "Day"))
    assert raw.select("Nr", "Näme", "Day").rows() == [("17", "Zoë", "09/05/2026")]
    assert raw["homeroom.row"].to_list() == [4]


def test_what_the_mapping_says_of_the_layout_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b;c\nNr,x;Day\n1,2;3\n")
    assert layouts.read(path, layouts.Layout(";", "utf-8", 2)).columns[:2] == ["Nr,x", "Day"]
    assert layouts.seen(path, layouts.Layout(separator=",")).header_row == 1


# -- what is refused -----------------------------------------------------------------------------------------


def test_every_fault_of_a_mapping_is_told_at_once() -> None:
    told = refused("""
        [attendence]
        [attendance]
        flie = "x"
        separator = ";;"
        encoding = "latin-99"
        header_row = -1
        once = 1
        columns = { student_id = "Nr", day = "Day", on = "" }
        joins = { on = "identifier", section_id = "classCode", student_id = 3 }
        dates = { on = "MM/YYYY", status = "MM/DD/YYYY" }
        units = { absent_share = "percent", status = "percent" }
        values = { mode = "on the moon", excused = "no" }
        needs = ["excused"]
        [attendance.codes.Code]
        A = { status = "away", absent_share = 2 }
        B = { skip = true, status = "late" }
        C = 3
    """)
    for said in (
        "[attendence]: there is no such table", "flie: there is no such key", "separator: this is not one sign",
        "encoding: there is no such encoding", "header_row: this is not the number of a row", "once: this is neither",
        "columns.day: table attendance has no column day", "columns.on: the file's column is still to be filled in",
        "joins.on: this column is not joined", "joins.student_id: this does not say",
        "dates.status: this column does not hold dates", "units.status: this column does not hold numbers",
        "units.absent_share: no column of the file is given", "values.mode: this does not fit mode",
        "values.excused: this does not fit excused", "needs: no column of the file is given for excused",
        "codes.Code.A: this does not fit status", "codes.Code.A: this does not fit absent_share",
        "codes.Code.B: beside skip a code says nothing else", "codes.Code.C: this code is still to be filled in",
    ):  # fmt: skip
        assert said in told


def test_what_is_still_to_be_filled_in_is_listed_code_by_code() -> None:
    told = refused("""
        [attendance]
        columns = { student_id = "Nr", on = "Day" }
        dates = { on = "" }
        units = { }
        [attendance.codes.Code]
        A = { status = "absent", absent_share = 1.0 }
        UX = { status = "", absent_share = "" }
        Z = { status = "late" }
    """)
    assert "3 problems" not in told
    for said in ("dates.on: the form of its dates is still to be filled in", "codes.Code.UX: status is still to be filled in",
                 "codes.Code.UX: absent_share is still to be filled in",
                 "codes.Code.Z: it does not say absent_share"):  # fmt: skip
        assert said in told
    assert "4 problems" in told


def test_a_mapping_that_gives_no_required_column_is_refused() -> None:
    told = refused('[attendance]\ncolumns = { student_id = "Nr" }')
    assert all(f"nothing gives {name}" in told for name in ("on", "status", "absent_share"))
    assert "nothing gives enrolment_id" not in told


def test_two_codes_for_one_column_are_refused() -> None:
    told = refused("""[attendance]
        columns = { student_id = "Nr", on = "Day" }
        [attendance.codes.One]
        A = { status = "absent", absent_share = 1.0 }
        [attendance.codes.Two]
        A = { status = "late" }""")
    assert "status is given by the codes of One too" in told


@pytest.mark.parametrize("file", ["/etc/passwd", "../other.csv", "**/x", "C:\\\\x.csv", "~/x.csv"])
def test_a_mapping_reads_no_file_from_elsewhere(file: str) -> None:
    said = f'file = "{file}"\ncolumns = {{ skill_id = "a" }}'
    assert "[skills], file: this is not the name of a file" in refused(f"[skills]\n{said}")
    lookup = f'[skills]\ncolumns = {{ skill_id = "a" }}\n[skills.lookups.x]\nby = ["a"]\nfile = "{file}"'
    assert "lookups.x.file: this is not the name of a file" in refused(lookup)


@pytest.mark.parametrize("text", ["", "attendance = 3", "[attendance", "[attendance]\ncolumns = 3"])
def test_a_mapping_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "M.toml"
    path.write_text(text)
    with pytest.raises(Refused):
        read(path)


def test_a_mapping_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        read(tmp_path / "M.toml")


def test_two_mappings_have_one_digest_only_where_they_say_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(ATTENDANCE)
    second.write_text(ATTENDANCE)
    assert read(first).digest == read(second).digest
    second.write_text(ATTENDANCE.replace("absent_share = 1.0", "absent_share = 0.5"))
    assert read(first).digest != read(second).digest


def test_several_files_may_give_one_table() -> None:
    text = (
        ATTENDANCE.replace("[attendance", "[[attendance")
        .replace("[[attendance.", "[attendance.")
        .replace("[[attendance]", "[[attendance]]")
    )
    assert len(parse(tomllib.loads(text + text), "M.toml")) == 2


# -- the page that says all this -----------------------------------------------------------------------------


def test_every_example_of_the_page_is_a_mapping() -> None:
    page = (ROOT / "docs" / "mapping.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 8
    for example in examples:
        assert parse(tomllib.loads(example), "docs/mapping.md")

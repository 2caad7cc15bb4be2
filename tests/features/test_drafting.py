"""A drafted mapping says what a file shows and leaves what it does not show to be filled in."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import oneroster_export
import polars as pl
import pytest

from features import mapping
from features.drafting import Draft, draft, forms_of
from features.problems import Refused
from features.sources import oneroster
from features.validation import Reading

NUMBERS = {one: f"{400 + at:06d}" for at, one in enumerate(oneroster_export.STUDENTS)}
KNOWN = pl.DataFrame(
    [("identifier", number, one) for one, number in NUMBERS.items()] + [("username", f"name{one}", one) for one in NUMBERS],
    {"kind": pl.String, "value": pl.String, "student_id": pl.String}, orient="row",
)  # fmt: skip

#: What a system like PowerSchool exports: rows of a student, a day and a code, with more than anybody needs.
HEADER = "Student_Number,LastFirst,SchoolID,Grade_Level,Att_Date,Att_Code,Periods,Comment"


def local(folder: Path) -> Path:
    lines = []
    for at, (one, number) in enumerate(NUMBERS.items()):
        for step in range(4):
            day = date(2026, 9, 1) + timedelta(days=at + 7 * step)
            code = ("UX", "AE", "T", "ACT")[(at + step) % 4]
            lines.append(f'{int(number)},"Family{one}, Given",42,9,{day:%m/%d/%Y},{code},{(7, 3.5, 1, 0)[(at + step) % 4]},')
    lines += ['99999,"Gone, Al",42,9,10/14/2026,UX,7,', '400,"Familyu01, Given",42,9,10/14/2026,QQ,7,called home twice']
    path = folder / "Attendance export.csv"
    path.write_bytes(("\ufeff" + "\r\n".join([HEADER, *lines]) + "\r\n").encode())
    return path


FILLED = {
    'UX = { status = "" }': 'UX = { status = "absent", excused = false }',
    'AE = { status = "" }': 'AE = { status = "absent", excused = true }',
    'T = { status = "" }': 'T = { status = "late", absent_share = 0.0 }',
    'ACT = { status = "" }': "ACT = { skip = true }",
    'QQ = { status = "" }  # 1 rows': "",
    'absent_share = { per = "" }': "absent_share = { per = 7 }",
}


def drafted(
    folder: Path, header: str, *lines: str, known: pl.DataFrame | None = None, name: str = "file.csv", table: str = ""
) -> Draft:
    (folder / name).write_text("\n".join([header, *lines]) + "\n")
    return draft(folder / name, known=known, table=table)


def refused(folder: Path, text: str) -> str:
    (folder / "M.toml").write_text(text)
    with pytest.raises(Refused) as caught:
        mapping.read(folder / "M.toml")
    return str(caught.value)


def test_a_local_export_of_attendance_goes_from_its_zip_into_the_records(tmp_path: Path) -> None:
    made = oneroster_export.files()
    made["users"] = made["users"].with_columns(
        pl.col("sourcedId").replace_strict(NUMBERS, default=pl.col("identifier")).alias("identifier"))  # fmt: skip
    oneroster_export.packed(oneroster_export.write(tmp_path / "unpacked", made), tmp_path / "export.zip")
    found = draft(local(tmp_path), known=KNOWN)
    assert found.tables == ("attendance",)
    assert dict(found.columns) == {"student_id": "Student_Number", "on": "Att_Date", "absent_share": "Periods",
                                   "status": "Att_Code"}  # fmt: skip
    assert 'on = "MM/DD/YYYY"' in found.text
    assert 'student_id = { kind = "identifier", leading_zeros = "ignored" }' in found.text
    assert (found.matches[0].found, found.matches[0].without_zeros, found.matches[0].of) == (0, 30, 31)
    assert "Given" not in found.text
    assert "called home" not in found.text

    told = refused(tmp_path, found.text)
    assert all(f"codes.Att_Code.{code}: status is still to be filled in" in told for code in ("UX", "AE", "T", "ACT", "QQ"))
    assert "units.absent_share: the unit is still to be filled in" in told

    text = found.text
    for empty, said in FILLED.items():
        assert f"\n{empty}" in text
        text = text.replace(f"\n{empty}", f"\n{said}")
    (tmp_path / "M.toml").write_text(text)
    reading: Reading = oneroster.read(tmp_path / "export.zip", oneroster.OneRoster(), "lincoln", tmp_path / "M.toml")
    account = next(one for one in reading.accounts if one.file == "Attendance export.csv")
    assert (account.read, account.kept, account.quarantined, account.left_out) == (122, 90, 2, 30)
    assert sorted(problem.code for problem in reading.problems if problem.file == account.file) == [
        "unknown_code",
        "unknown_student",
    ]
    attendance = reading.tables["attendance"]
    assert dict(attendance.group_by("status").len().rows()) == {"absent": 60, "late": 30}
    assert attendance.filter(pl.col("excused"))["absent_share"].unique().to_list() == [0.5]
    assert set(attendance["student_id"]) == set(reading.tables["students"]["student_id"])


# -- codes ---------------------------------------------------------------------------------------------------


def test_no_code_is_given_a_meaning_but_words_that_say_it_are_proposed(tmp_path: Path) -> None:
    rows = ["1,09/15/2026,A", "2,09/15/2026,Tardy", "3,09/16/2026,Unexcused Absence", "4,09/16/2026,Tardy", "5,09/17/2026,"]
    found = drafted(tmp_path, "Student_ID,Att_Date,Absence Type", *rows)
    assert 'A = { status = "", absent_share = "" }  # 1 rows' in found.text
    assert 'Tardy = { status = "late", absent_share = 0.0 }  # 2 rows, proposed from the word: please check' in found.text
    assert '"Unexcused Absence" = { status = "absent", excused = false, absent_share = "" }  # 1 rows, proposed' in found.text
    assert '"" = { status = "", absent_share = "" }  # 1 rows without a code' in found.text
    told = refused(tmp_path, found.text)
    assert "Tardy" not in told
    assert "codes.Absence Type.A: status" in told
    assert "codes.Absence Type.Unexcused Absence: absent_share" in told


def test_canonical_words_need_no_codes(tmp_path: Path) -> None:
    found = drafted(tmp_path, "student_id,on,status,absent_share", "1,2026-09-15,absent,0.5", "2,2026-09-15,late,0")
    assert found.to_fill == ()
    (tmp_path / "M.toml").write_text(found.text)
    assert mapping.read(tmp_path / "M.toml").tables[0].gives == ("student_id", "on", "status", "absent_share")


def test_words_too_many_to_be_codes_are_not_written_down(tmp_path: Path) -> None:
    lines = [f"{number},2026-09-15,private {number}" for number in range(60)]
    found = drafted(tmp_path, "student_id,date,status", *lines)
    assert "private" not in found.text + "".join(found.told)
    assert "60 different words" in found.text
    assert "is still to be filled in" in refused(tmp_path, found.text)


def test_grades_in_words_become_codes(tmp_path: Path) -> None:
    found = drafted(
        tmp_path,
        "student_id,school,entry date,exit date,exit code,grade",
        "1,s,09/15/2026,,,K",
        "2,s,09/16/2026,10/30/2026,W1,09",
    )
    assert found.tables == ("enrolments", "exits")
    assert "K = { grade_level = 0 }" in found.text
    assert "09 = { grade_level = 9 }" in found.text
    assert 'enrolment_id = ["student_id", "school", "entry date"]' in found.text
    assert 'needs = ["exited_on"]' in found.text
    assert 'W1 = { kind = "" }' in found.text


# -- dates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "forms"),
    [
        (["09/15/2026", "10/02/2026"], ["MM/DD/YYYY"]),
        (["9/15/2026", "10/2/2026"], ["M/D/YYYY"]),
        (["15.09.2026", "02.10.2026"], ["DD.MM.YYYY"]),
        (["09/05/2026", "10/02/2026"], ["MM/DD/YYYY", "DD/MM/YYYY"]),
        (["9/5/26"], ["M/D/YY", "D/M/YY"]),
        (["2026-09-15"], ["YYYY-MM-DD"]),
        (["20260915"], ["YYYYMMDD"]),
        (["15 Sep 2026", "02 Oct 2026"], ["DD Mon YYYY"]),
        (["Sep 5, 2026"], ["Mon D, YYYY"]),
        (["46270"], ["Excel"]),
        (["09/15/2026 08:15", "09/16/2026 08:15"], ["MM/DD/YYYY h:mm"]),
        (["2026-09-15T08:15:00Z"], ["YYYY-MM-DDTh:mm:ssZ"]),
        (["9/15/2026 8:15 AM"], ["M/D/YYYY h:mm AM"]),
        (["soon", "later"], []),
        ([], []),
    ],
)
def test_forms_of_dates_are_tried_on_every_cell(cells: list[str], forms: list[str]) -> None:
    assert forms_of(pl.Series("on", cells, dtype=pl.String))[0] == forms


def test_one_late_cell_tells_two_forms_apart() -> None:
    cells = pl.Series("on", [f"{1 + at % 12:02d}/{1 + at // 12 % 12:02d}/2026" for at in range(144)] + ["01/31/2026"])
    assert forms_of(cells.head(144))[0] == ["MM/DD/YYYY", "DD/MM/YYYY"]
    assert forms_of(cells) == (["MM/DD/YYYY"], 145)


def test_dates_of_two_forms_are_left_as_a_choice(tmp_path: Path) -> None:
    found = drafted(tmp_path, "student_id,on,status,absent_share", "1,09/05/2026,absent,1", "2,10/02/2026,late,0")
    assert "every date could be MM/DD/YYYY or DD/MM/YYYY. Which is it?" in found.text
    assert "dates.on: the form of its dates is still to be filled in" in refused(tmp_path, found.text)


# -- numbers -------------------------------------------------------------------------------------------------


def test_marks_and_units_are_seen_or_asked_for(tmp_path: Path) -> None:
    header = "student_id;section_id;term_id;percent;decided_on"
    found = drafted(tmp_path, header, "1;c;t;85,5;2026-12-01", "2;c;t;90;2026-12-01", name="marks.csv", table="course_marks")
    assert 'separator = ";"' in found.text
    assert 'decimal = ","' in found.text
    assert 'mark_share = "percent"' in found.text
    assert found.to_fill == ()
    asked = drafted(tmp_path, header, "1;c;t;1,500;2026-12-01", name="marks.csv", table="course_marks")
    assert any("decimal mark" in what for what in asked.to_fill)


# -- whose rows ----------------------------------------------------------------------------------------------


def test_the_column_that_the_export_knows_is_the_students_whatever_its_name(tmp_path: Path) -> None:
    lines = [f"{number},{at % 7},2026-09-15,absent,1" for at, number in enumerate(NUMBERS.values())]
    found = drafted(tmp_path, "Kennung,Student_ID,on,status,absent_share", *lines, known=KNOWN)
    assert found.columns["student_id"] == "Kennung"
    assert 'student_id = "identifier"' in found.text
    assert "# identifier: 30 of 30 different values are in the export" in found.text
    assert found.matches[0].kind == "identifier"


def test_an_export_that_knows_nobody_is_told(tmp_path: Path) -> None:
    found = drafted(tmp_path, "student_id,on,status,absent_share", "x1,2026-09-15,absent,1", known=KNOWN)
    assert found.matches == ()
    assert any("no identifier of the export is found" in what for what in found.to_fill)


def test_rows_of_one_key_are_counted(tmp_path: Path) -> None:
    lines = ["1,2026-09-15,absent,1", "1,2026-09-15,late,0", "2,2026-09-15,late,0"]
    found = drafted(tmp_path, "student_id,on,status,absent_share", *lines)
    assert found.duplicates == 1
    assert "1 rows have the student_id, on of another row" in found.text


def test_a_file_of_lessons_is_one_of_lessons(tmp_path: Path) -> None:
    found = drafted(
        tmp_path, "Student_Number,Class Code,Att_Date,Att_Code", "1,ALG-1,09/15/2026,A", name="attendance by period.csv"
    )
    assert found.tables == ("section_attendance",)
    assert 'A = { status = "" }' in found.text


def test_columns_that_are_not_used_are_told_with_the_reason(tmp_path: Path) -> None:
    rows = ["1,2026-09-15,absent,1,Neill,,2026,4", "2,2026-09-15,late,0,Okafor,,2026,5"]
    found = drafted(tmp_path, "student_id,on,status,absent_share,Last Name,Blank,Year,Bus", *rows)
    assert {one.column: one.why for one in found.unmatched} == {
        "Last Name": "it says who somebody is, and nothing here needs that", "Blank": "it is empty in every row",
        "Year": "it is the same in every row", "Bus": "no column of the table is known by this name"}  # fmt: skip


def test_a_file_of_no_table_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Say which table it is"):
        drafted(tmp_path, "colour,taste", "red,sweet")
    found = drafted(tmp_path, "colour,taste", "red,sweet", table="attendance")
    assert {what.split(":")[0] for what in found.to_fill} == {f"[attendance.columns] {name}" for name in
                                                             ("student_id", "on", "status", "absent_share")}  # fmt: skip
    assert "columns.student_id: the file's column is still to be filled in" in refused(tmp_path, found.text)


def test_names_that_toml_would_stumble_over_are_quoted(tmp_path: Path) -> None:
    found = drafted(
        tmp_path, "student_id,on,status,absent_share", '1,2026-09-15,"say ""x""",1', "2,2026-09-15,b\\c,1", name="att [1].csv"
    )
    text = found.text.replace('status = ""', 'status = "absent"')
    (tmp_path / "M.toml").write_text(text)
    one = mapping.read(tmp_path / "M.toml").tables[0]
    assert set(one.codes["status"]) == {'say "x"', "b\\c"}
    assert list(tmp_path.glob(one.file)) == [tmp_path / "att [1].csv"]

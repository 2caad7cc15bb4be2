"""Companion tables are found, translated and joined to what the main format knows; nothing is lost on the way."""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import example_school
import polars as pl
import pytest

from features import mapping, sources
from features.problems import Refused
from features.sources import companions, tables
from features.sources.companions import Given, Known
from features.sources.tables import Parts, Tables, school_days
from features.validation import Reading

ROOT = Path(__file__).resolve().parents[2]

YEAR = (date(2026, 9, 1), date(2027, 6, 25))


def known(**more: pl.DataFrame) -> Known:
    """A main format's school: two students, known by four kinds of names, and one class."""
    frames = {
        "organisations": pl.DataFrame({"organisation_id": ["east"], "kind": ["school"], "name": ["East High"]}),
        "terms": pl.DataFrame({"term_id": ["y26"], "starts_on": [YEAR[0]], "ends_on": [YEAR[1]], "kind": ["school_year"]}),
        "courses": pl.DataFrame({"course_id": ["alg"]}),
        "sections": pl.DataFrame({"section_id": ["c1"], "course_id": ["alg"], "term_id": ["y26"], "organisation_id": ["east"],
                                  "starts_on": [YEAR[0]], "ends_on": [YEAR[1]]}),
        "students": pl.DataFrame({"student_id": ["u1", "u2"]}),
        "enrolments": pl.DataFrame({"enrolment_id": ["u1-y26", "u2-y26"], "student_id": ["u1", "u2"],
                                    "organisation_id": ["east"] * 2, "entered_on": [YEAR[0]] * 2,
                                    "planned_end_on": [YEAR[1]] * 2}),
        "rosters": pl.DataFrame({"student_id": ["u1", "u2"], "enrolment_id": ["u1-y26", "u2-y26"], "section_id": ["c1"] * 2,
                                 "begins_on": [YEAR[0]] * 2}),
    }  # fmt: skip
    names = [("source_id", "u1", "u1"), ("source_id", "u1-old", "u1"), ("source_id", "u2", "u2"), ("identifier", "00417", "u1"),
             ("identifier", "00500", "u2"), ("email", "Ana@school.example", "u1"), ("userIds.lunch", "7", "u1"),
             ("userIds.lunch", "7", "u2"), ("userIds.bus", "00417", "u2")]  # fmt: skip
    return Known(
        pl.DataFrame(names, {"kind": pl.String, "value": pl.String, "student_id": pl.String}, orient="row"),
        frames | more,
        pl.DataFrame({"kind": ["classCode"], "value": ["ALG-1"], "section_id": ["c1"]}),
    )


MAPPED = """[attendance]
file = "att*.csv"
[attendance.columns]
student_id = "Nr"
on = "Day"
[attendance.joins]
student_id = {join}
[attendance.dates]
on = "MM/DD/YYYY"
[attendance.codes.Code]
A = {{ status = "absent", absent_share = 1.0 }}
P = {{ skip = true }}
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def complete(
    folder: Path, files: Mapping[str, str], said: str = "", of: Known | None = None, beside: Sequence[Path] = ()
) -> Parts:
    write(folder, files)
    if said:
        (folder / "M.toml").write_text(said)
    mappings = mapping.read(folder / "M.toml") if said else None
    return tables.complete(folder, mappings, of or known(), "lincoln", ("users.csv",), beside)


def reasons(parts: Parts | Reading, file: str) -> list[list[str]]:
    return [[re.sub(r": [^:]*$", "", one) for one in row] for row in parts.quarantine[file]["reasons"].to_list()]


def accounted(parts: Parts | Reading) -> bool:
    return all(one.read == one.kept + one.quarantined + one.left_out for one in parts.accounts)


# -- whose row it is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("join", "number", "reason"),
    [
        ('"identifier"', "00417", ""),
        ('"identifier"', "417", "Nr: unknown_student"),
        ('{ kind = "identifier", leading_zeros = "ignored" }', "417", ""),
        ('"email"', "ANA@SCHOOL.EXAMPLE", ""),
        ('"source_id"', "u1-old", ""),
        ('"student_id"', "u1", ""),
        ('"userIds.lunch"', "7", "Nr: ambiguous_student"),
        ('"any"', "u1-old", ""),
        ('"any"', "00417", "Nr: ambiguous_student"),
        ('"any"', "nobody", "Nr: unknown_student"),
    ],
)
def test_a_row_is_joined_by_the_identifier_that_the_mapping_names(tmp_path: Path, join: str, number: str, reason: str) -> None:
    parts = complete(tmp_path, {"att.csv": f"Nr,Day,Code\n{number},09/02/2026,A\n"}, MAPPED.format(join=join))
    if reason:
        assert reasons(parts, "att.csv") == [[reason]]
        assert number not in str([str(problem) for problem in parts.problems])
    else:
        row = parts.tables["attendance"].row(0, named=True)
        assert (row["student_id"], row["enrolment_id"], row["on"]) == ("u1", "u1-y26", date(2026, 9, 2))
        assert (row["known_on"], row["tenant"]) == (date(2026, 9, 3), "lincoln")


def test_a_kind_of_identifier_that_the_export_has_not_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"gives no lasid.*email, identifier, source_id"):
        complete(tmp_path, {"att.csv": "Nr,Day,Code\n1,09/02/2026,A\n"}, MAPPED.format(join='"lasid"'))


def test_rows_without_a_student_or_a_stay_are_counted_and_have_one_reason(tmp_path: Path) -> None:
    rows = [
        "00417,09/02/2026,A",
        "999,09/02/2026,A",
        "00417,07/04/2026,A",
        "00417,2026-09-04,A",
        "00417,09/05/2026,X",
        "00417,,P",
    ]
    text = "\n".join(["Nr,Day,Code", *rows, ",09/02/2026,A", ""])
    parts = complete(tmp_path, {"att.csv": text}, MAPPED.format(join='"identifier"'))
    account = parts.accounts[0]
    assert (account.file, account.read, account.kept, account.quarantined, account.left_out) == ("att.csv", 7, 1, 5, 1)
    assert reasons(parts, "att.csv") == [
        ["Nr: unknown_student"], ["Nr, Day: no_enrolment_on_that_day"], ["Day: bad_value"], ["Code: unknown_code"],
        ["Nr: missing_value"],
    ]  # fmt: skip
    assert parts.quarantine["att.csv"]["row"].to_list() == [3, 4, 5, 6, 8]
    assert parts.quarantine["att.csv"].columns[2:5] == ["Nr", "Day", "Code"]


def test_a_day_that_is_none_is_told_as_such_and_not_as_a_missing_stay(tmp_path: Path) -> None:
    text = "student_id,on,status,absent_share\nu1,2026-99-02,absent,1\nu1,,absent,1\n"
    parts = complete(tmp_path, {"attendance.csv": text})
    assert reasons(parts, "attendance.csv") == [["on: bad_value"], ["on: missing_value"]]


def test_corrected_rows_of_a_mapped_file_come_in_with_the_next_load(tmp_path: Path) -> None:
    files = {"att.csv": "Nr,Day,Code\n00417,09/02/2026,A\n999,09/03/2026,A\n"}
    first = complete(tmp_path / "in", files, MAPPED.format(join='"identifier"'))
    reading = Reading(first.tables, first.accounts, first.problems, first.quarantine)
    aside = next(path for path in reading.write_quarantine(tmp_path / "aside") if path.suffix == ".csv")
    (tmp_path / "in" / aside.name).write_text(aside.read_text().replace("999", "00500"))
    second = complete(tmp_path / "in", files, MAPPED.format(join='"identifier"'))
    assert second.accounts[0].corrected == 1
    assert second.tables["attendance"]["student_id"].to_list() == ["u1", "u2"]


# -- what is found -------------------------------------------------------------------------------------------


def test_a_canonical_companion_needs_no_mapping_and_no_stay(tmp_path: Path) -> None:
    text = "student_id,on,status,absent_share\nu1-old,2026-09-02,absent,1\nu2,2026-09-02,late,0\nu3,2026-09-02,late,0\n"
    parts = complete(tmp_path, {"attendance.csv": text, "users.csv": "not,ours\n"})
    assert parts.tables["attendance"].select("student_id", "enrolment_id").rows() == [("u1", "u1-y26"), ("u2", "u2-y26")]
    assert reasons(parts, "attendance.csv") == [["student_id: unknown_student"]]


def test_a_class_is_joined_and_its_roster_tells_the_stay(tmp_path: Path) -> None:
    said = """[course_marks]
        file = "marks.csv"
        columns = { student_id = "Nr", section_id = "Class", mark_share = "Mark", decided_on = "On" }
        joins = { student_id = "identifier", section_id = "classCode" }
        units = { mark_share = "percent" }
        values = { term_id = "y26" }"""
    parts = complete(tmp_path, {"marks.csv": "Nr,Class,Mark,On\n00417,ALG-1,85%,2027-07-05\n00417,ALG-9,85,2027-07-05\n"}, said)
    row = parts.tables["course_marks"].row(0, named=True)
    assert (row["enrolment_id"], row["section_id"], row["mark_share"]) == ("u1-y26", "c1", 0.85)
    assert reasons(parts, "marks.csv") == [["Class: unknown_section"]]


def test_a_school_that_only_helps_to_find_the_stay_may_be_unknown(tmp_path: Path) -> None:
    said = MAPPED.format(join='"identifier"').replace('on = "Day"', 'on = "Day"\norganisation_id = "School"')
    parts = complete(tmp_path, {"att.csv": "Nr,School,Day,Code\n00417,42,09/02/2026,A\n"}, said)
    assert parts.tables["attendance"]["enrolment_id"].to_list() == ["u1-y26"]


def test_the_only_school_and_the_end_of_the_school_year_are_found(tmp_path: Path) -> None:
    files = {
        "calendar.csv": "on,instructional\n2026-09-01,true\n",
        "enrolments.csv": "enrolment_id,student_id,entered_on\ne1,u1,2026-10-01\ne2,u2,2031-01-01\n",
    }
    parts = complete(tmp_path, files)
    assert parts.tables["calendar"]["organisation_id"].to_list() == ["east"]
    assert parts.tables["enrolments"].select("enrolment_id", "planned_end_on").rows() == [("e1", YEAR[1])]
    assert reasons(parts, "enrolments.csv") == [["entered_on: no_school_year"]]


def test_terms_up_to_the_long_break_make_a_school_year_where_none_is_named(tmp_path: Path) -> None:
    days = [(date(2025, 9, 1), date(2025, 12, 19)), (date(2026, 1, 5), date(2026, 6, 12)),
            (date(2026, 8, 24), date(2026, 12, 18)), (date(2027, 1, 4), date(2027, 6, 11))]  # fmt: skip
    terms = pl.DataFrame({"term_id": list("abcd"), "starts_on": [one for one, _ in days], "ends_on": [one for _, one in days]})
    text = "enrolment_id,student_id,entered_on\ne1,u1,2025-10-01\ne2,u2,2026-08-20\n"
    parts = complete(tmp_path, {"enrolments.csv": text}, of=known(terms=terms))
    assert parts.tables["enrolments"]["planned_end_on"].to_list() == [days[1][1], days[3][1]]


def test_evidence_of_a_skill_belongs_to_the_class_of_its_assignment(tmp_path: Path) -> None:
    work = pl.DataFrame({"assignment_id": ["a1"], "section_id": ["c1"], "kind": ["quiz"]})
    files = {
        "skills.csv": "skill_id\nratios\n",
        "skill_results.csv": "student_id,skill_id,evidence_id,occurred_on,score_share\nu1,ratios,a1,2026-09-20,0.5\n",
    }
    parts = complete(tmp_path, files, of=known(assignments=work))
    assert parts.tables["skill_results"].select("section_id", "enrolment_id").rows() == [("c1", "u1-y26")]


# -- beside the main format ----------------------------------------------------------------------------------


def test_companion_rows_win_by_their_key_and_others_stay(tmp_path: Path) -> None:
    theirs = pl.DataFrame({"skill_id": ["ratios", "sums"], "statement": ["old", "kept"]})
    parts = complete(tmp_path, {"skills.csv": "skill_id,statement\nratios,new\n"}, of=known(skills=theirs))
    assert dict(parts.tables["skills"].select("skill_id", "statement").rows()) == {"ratios": "new", "sums": "kept"}


def test_stays_of_a_companion_take_the_place_of_derived_ones(tmp_path: Path) -> None:
    theirs = pl.DataFrame({"student_id": ["u1", "u2"], "enrolment_id": ["u1-y26", "u2-y26"], "assignment_id": ["a1", "a1"],
                           "submitted_on": [date(2026, 9, 20)] * 2})  # fmt: skip
    work = pl.DataFrame({"assignment_id": ["a1"], "section_id": ["c1"], "kind": ["quiz"]})
    stays = "enrolment_id,student_id,organisation_id,entered_on,planned_end_on\nnew,u1,east,2026-09-01,2027-06-25\n"
    parts = complete(tmp_path, {"enrolments.csv": stays}, of=known(submissions=theirs, assignments=work))
    assert parts.tables["enrolments"]["enrolment_id"].to_list() == ["new"]
    assert parts.tables["submissions"].select("student_id", "enrolment_id").rows() == [("u1", "new")]
    assert parts.tables["rosters"]["enrolment_id"].to_list() == ["new"]
    told = {one.file: (one.read, one.kept, one.quarantined) for one in parts.accounts}
    assert told == {"enrolments.csv": (1, 1, 0), "rosters of the export": (2, 1, 1), "submissions of the export": (2, 1, 1)}
    assert parts.quarantine["submissions of the export"]["student_id"].to_list() == ["u2"]


def test_rows_that_become_one_in_the_stays_sent_are_told(tmp_path: Path) -> None:
    of = known()
    seats = of.tables["rosters"]
    twice = pl.concat([seats, seats.with_columns(enrolment_id=pl.col("enrolment_id") + "-b")])
    stays = "enrolment_id,student_id,entered_on\nnew,u1,2026-09-01\nnew2,u2,2026-09-01\n"
    parts = complete(tmp_path, {"enrolments.csv": stays}, of=known(rosters=twice))
    account = parts.accounts[1]
    assert (account.file, account.read, account.kept, account.left_out) == ("rosters of the export", 4, 2, 2)


def test_one_file_may_give_two_tables_and_has_one_quarantine(tmp_path: Path) -> None:
    text = ("StudentUniqueId,SchoolId,EntryDate,EntryGradeLevel,ExitWithdrawDate,ExitWithdrawType\n"
            "00417,east,2026-09-01,uri://ed-fi.org/GradeLevelDescriptor#Ninth grade,2026-12-01,Dropout\n"
            "00500,east,2026-09-01,Tenth grade,,\n"
            "00500,east,2026-13-01,Tenth grade,2026-12-01,Vanished\n")  # fmt: skip
    of = known()
    of = Known(of.identifiers.filter(pl.col("kind") == "identifier"), of.tables, of.sections)
    parts = complete(tmp_path, {"StudentSchoolAssociation.csv": text}, of=of)
    stays = parts.tables["enrolments"]
    assert stays.select("enrolment_id", "student_id", "grade_level", "planned_end_on").rows() == [
        ("00417-east-2026-09-01", "u1", 9, YEAR[1]), ("00500-east-2026-09-01", "u2", 10, YEAR[1])]  # fmt: skip
    assert parts.tables["exits"].select("enrolment_id", "kind").rows() == [("00417-east-2026-09-01", "dropout")]
    told = {one.file: (one.read, one.kept, one.quarantined, one.left_out) for one in parts.accounts[:2]}
    assert told == {"StudentSchoolAssociation.csv": (3, 2, 1, 0), "StudentSchoolAssociation.csv (exits)": (3, 1, 1, 1)}
    assert parts.quarantine["StudentSchoolAssociation.csv"].height == 1
    assert len(parts.quarantine["StudentSchoolAssociation.csv"]["reasons"][0]) == 3


def test_rows_of_two_files_of_one_table_have_different_keys(tmp_path: Path) -> None:
    day = "Nr,Day,Code\n00417,09/02/2026,A\n"
    parts = complete(
        tmp_path, {"att-1.csv": day, "att-2.csv": day + "00500,09/02/2026,A\n"}, MAPPED.format(join='"identifier"')
    )
    assert [(one.file, one.kept, one.quarantined) for one in parts.accounts] == [("att-1.csv", 1, 0), ("att-2.csv", 1, 1)]
    assert reasons(parts, "att-2.csv") == [["Nr, enrolment_id, Day: duplicate_key"]]


def test_makers_are_given_the_tables_before_theirs() -> None:
    seen: list[set[str]] = []

    def make(so_far: Mapping[str, pl.DataFrame]) -> list[Given]:
        seen.append(set(so_far))
        return [Given("exits.csv", pl.DataFrame({"enrolment_id": ["u1-y26"], "student_id": ["u1"], "exited_on": ["2026-10-01"],
                                                 "kind": ["withdrawn"]}))]  # fmt: skip

    parts = tables.check_all({"exits": [make]}, known().tables, "lincoln")
    assert {"enrolments", "students"} <= seen[0]
    assert parts.tables["exits"]["exited_on"].to_list() == [date(2026, 10, 1)]


# -- Ed-Fi's names -------------------------------------------------------------------------------------------


def test_attendance_under_its_ed_fi_name_needs_no_mapping(tmp_path: Path) -> None:
    url = "uri://ed-fi.org/AttendanceEventCategoryDescriptor#"
    text = ("studentReference.studentUniqueId,schoolReference.schoolId,eventDate,attendanceEventCategoryDescriptor,"
            f"eventDuration\nu1,east,2026-09-02,{url}Excused Absence,\nu1,east,2026-09-03,{url}Unexcused Absence,0.5\n"
            "u1,east,2026-09-04,Tardy,\n"
            f"u1,east,2026-09-08,{url}Partial,\nu1,east,2026-09-09,{url}Field Trip,\n")  # fmt: skip
    parts = complete(tmp_path, {"studentSchoolAttendanceEvents.csv": text})
    rows = parts.tables["attendance"].select("on", "status", "absent_share", "excused").rows()
    assert rows == [(date(2026, 9, 2), "absent", 1.0, True), (date(2026, 9, 3), "absent", 0.5, False),
                    (date(2026, 9, 4), "late", 0.0, None)]  # fmt: skip
    assert reasons(parts, "studentSchoolAttendanceEvents.csv") == [
        ["eventDuration, attendanceEventCategoryDescriptor: missing_value"],
        ["attendanceEventCategoryDescriptor: unknown_code"],
    ]


def test_conduct_is_dated_by_its_incident_and_followed_by_its_action(tmp_path: Path) -> None:
    files = {
        "StudentDisciplineIncidentBehaviorAssociation.csv": "StudentUniqueId,IncidentIdentifier,SchoolId,Behavior\n"
        "u1,i1,east,State Offense\nu2,i1,east,School Violation\nu2,i9,east,Other\n",
        "DisciplineIncident.csv": "IncidentIdentifier,SchoolId,IncidentDate\ni1,east,2026-09-10\n",
        "DisciplineAction.csv": "StudentUniqueId,IncidentIdentifier,Discipline,ActualDisciplineActionLength\n"
        "u1,i1,uri://ed-fi.org/DisciplineDescriptor#Out of School Suspension,3\n",
    }
    parts = complete(tmp_path, files)
    assert parts.tables["incidents"].select("student_id", "occurred_on", "conduct", "exclusion", "days_excluded").rows() == [
        ("u1", date(2026, 9, 10), "state_offence", "out_of_school", 3.0),
        ("u2", date(2026, 9, 10), "school_violation", "none", None),
    ]
    assert {one.file: one.read for one in parts.accounts}["DisciplineAction.csv"] == 1
    assert accounted(parts)


def test_a_school_in_ed_fis_own_names_is_read_by_the_tables_source(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "School.csv": "SchoolId,NameOfInstitution\n77,Lincoln\n",
            "Session.csv": "SchoolId,SchoolYear,SessionName,BeginDate,EndDate\n77,2027,Fall,2026-08-24,2026-12-18\n",
            "Course.csv": "CourseCode,CourseTitle\nALG,Algebra\n",
            "Section.csv": "SectionIdentifier,LocalCourseCode,SchoolId,SchoolYear,SessionName\nS1,ALG,77,2027,Fall\n",
            "Student.csv": "StudentUniqueId,FirstName,LastSurname\n1,Ana,Okafor\n2,Ben,Okafor\n",
            "Staff.csv": "StaffUniqueId,FirstName\nt,Tom\n",
            "StudentSchoolAssociation.csv": "StudentUniqueId,SchoolId,EntryDate,EntryGradeLevel\n"
            "1,77,2026-08-24,Ninth grade\n2,77,2026-08-24,\n",
            "StudentSectionAssociation.csv": "StudentUniqueId,SectionIdentifier,BeginDate\n1,S1,2026-08-24\n3,S1,2026-08-24\n",
            "StaffSectionAssociation.csv": "StaffUniqueId,SectionIdentifier,BeginDate\nt,S1,2026-08-24\n",
            "CalendarDate.csv": "SchoolId,Date,CalendarEvent\n"
            "77,2026-08-24,uri://ed-fi.org/CalendarEventDescriptor#Instructional day\n",
            "GradebookEntry.csv": "GradebookEntryIdentifier,SectionIdentifier,Title,DueDate,MaxPoints,GradebookEntryType\n"
            "g1,S1,One,2026-09-01,20,Quiz\n",
            "StudentGradebookEntry.csv": "StudentUniqueId,GradebookEntryIdentifier,DateFulfilled,PointsEarned,"
            "SubmissionStatus\n"
            "1,g1,2026-09-01,15,Graded\n2,g1,,,Not Submitted\n",
            "LearningStandard.csv": "LearningStandardId,Description,AcademicSubject\n"
            "6.RP.3,Ratios,uri://ed-fi.org/AcademicSubjectDescriptor#Mathematics\n",
            "StudentEducationOrganizationAssociation.csv": "StudentUniqueId,LastModifiedDate,PrimaryLearningDeviceAccess,"
            "PrimaryLearningDeviceAwayFromSchool,InternetAccessTypeInResidence\n"
            "1,2026-08-24T10:00:00Z,,None,Cellular Network\n",
        },
    )
    reading = tables.read(tmp_path, Tables(), "lincoln")
    assert [str(problem) for problem in reading.problems if problem.code != "unknown_student"] == []
    assert accounted(reading)
    heights = {name: frame.height for name, frame in reading.tables.items()}
    assert heights == {
        "organisations": 1, "terms": 1, "calendar": 1, "courses": 1, "sections": 1, "students": 2, "identities": 2,
        "enrolments": 2,
        "rosters": 1, "assignments": 1, "submissions": 1, "results": 1, "skills": 1, "digital_access": 1, "staff": 1,
        "teaching": 1,
    }  # fmt: skip
    access = reading.tables["digital_access"].row(0, named=True)
    assert (access["device"], access["internet"], access["recorded_on"]) == ("none", "mobile_only", date(2026, 8, 24))
    assert reading.tables["skills"]["subject"].to_list() == ["Mathematics"]
    assert reading.tables["enrolments"]["planned_end_on"].to_list() == [date(2026, 12, 18)] * 2


def test_a_mapping_takes_the_place_of_ed_fis(tmp_path: Path) -> None:
    said = '[calendar]\ncolumns = { on = "Date", organisation_id = "SchoolId" }\n[calendar.codes.CalendarEvent]\n' \
           '"Field day" = { instructional = true }'  # fmt: skip
    parts = complete(tmp_path, {"CalendarDate.csv": "SchoolId,Date,CalendarEvent\neast,2026-09-02,Field day\n"}, said)
    assert parts.tables["calendar"]["instructional"].to_list() == [True]


def test_every_ed_fi_mapping_reads_tables_that_there_are() -> None:
    tables_read = [one.table for ones in companions.edfi_mappings().values() for one in ones]
    assert len(tables_read) == len(set(tables_read)) >= 20


@pytest.mark.full
def test_attendance_of_the_ed_fi_sample_is_read_to_the_last_row(edfi_sample: Path, tmp_path: Path) -> None:
    text = (edfi_sample / "StudentSchoolAttendance.xml").read_text()
    rows = []
    for event in re.findall(r"<StudentSchoolAttendanceEvent>(.*?)</StudentSchoolAttendanceEvent>", text, re.DOTALL):
        cells = [re.search(f"<{name}>([^<]*)<", event) for name in ("StudentUniqueId", "SchoolId", "EventDate",
                                                                   "AttendanceEventCategory", "EventDuration")]  # fmt: skip
        rows.append([cell[1] if cell else None for cell in cells])
    names = ["StudentUniqueId", "SchoolId", "EventDate", "AttendanceEventCategory", "EventDuration"]
    frame = pl.DataFrame(rows, names, orient="row", infer_schema_length=None)
    frame.write_csv(tmp_path / "StudentSchoolAttendanceEvent.csv")
    students = frame.select(pl.col("StudentUniqueId").alias("student_id")).unique()
    schools = frame.select(pl.col("SchoolId").alias("organisation_id"), pl.lit("school").alias("kind")).unique()
    stays = (
        frame.select("StudentUniqueId", "SchoolId")
        .unique()
        .select(
            pl.concat_str("StudentUniqueId", "SchoolId", separator="-").alias("enrolment_id"),
            pl.col("StudentUniqueId").alias("student_id"),
            pl.col("SchoolId").alias("organisation_id"),
            pl.lit("2021-08-23").alias("entered_on"),
            pl.lit("2022-05-27").alias("planned_end_on"),
        )
    )
    for name, one in (("students", students), ("organisations", schools), ("enrolments", stays)):
        one.write_csv(tmp_path / f"{name}.csv")
    reading = tables.read(tmp_path, Tables(), "lincoln")
    account = {one.file: one for one in reading.accounts}["StudentSchoolAttendanceEvent.csv"]
    assert (account.read, account.left_out) == (1917, 0)
    assert {code for row in reasons(reading, account.file) for code in row} <= {
        "EventDuration, AttendanceEventCategory: missing_value",
        "StudentUniqueId, enrolment_id, EventDate: duplicate_key",
    }
    counts = dict(reading.tables["attendance"].group_by("status").len().rows())
    assert counts["absent"] + counts["late"] == account.kept >= 1900


# -- files ---------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_files_is_told_at_once(tmp_path: Path) -> None:
    files = {"attendance.csv": "student_id,on\n", "StudentSchoolAttendanceEvent.csv": "StudentUniqueId\n"}
    with pytest.raises(Refused) as caught:
        complete(tmp_path / "a", files, '[skills]\nfile = "Standards.csv"\ncolumns = { skill_id = "Code" }')
    assert {problem.code for problem in caught.value.problems} == {"two_files", "missing_file"}
    files = {"attendance.csv": "student_id,on\n", "skills.csv": "statement\n"}
    with pytest.raises(Refused) as caught:
        complete(tmp_path / "b", files)
    assert {(problem.file, problem.column) for problem in caught.value.problems} == {
        ("attendance.csv", "status"), ("attendance.csv", "absent_share"), ("skills.csv", "skill_id")}  # fmt: skip


def test_strangers_are_named_and_taken_files_are_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"users.csv": "", "notes.csv": "a\n", "Skills.CSV": "skill_id\n", "notes.quarantined.csv": "a\n", "read.me": ""},
    )
    found = companions.find(tmp_path, None, taken=("Users.csv",))
    assert [one.table for one in found.files] == ["skills"]
    assert [path.name for path in found.strangers] == ["notes.csv"]


def test_a_file_that_the_mapping_names_may_lie_beside_the_export(tmp_path: Path) -> None:
    export = example_school.export(tmp_path / "export")
    (export / "attendance.csv").unlink()
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in export.iterdir():
            archive.write(path, path.name)
    write(tmp_path, {"att.csv": "Nr,Day,Code\nLIN-0000,09/02/2026,A\n"})
    said = tmp_path / "elsewhere" / "M.toml"
    said.parent.mkdir()
    said.write_text(MAPPED.format(join='"source_id"'))
    reading = tables.read(packed, Tables(), "lincoln", said)
    assert reading.tables["attendance"]["student_id"].to_list() == ["ana"]
    assert reading.problems == ()
    assert accounted(reading)
    assert set(companions.mapped_files(packed, said)) == {said, tmp_path / "att.csv"}


def test_the_tables_source_refuses_files_that_nobody_reads(tmp_path: Path) -> None:
    export = example_school.export(tmp_path)
    write(export, {"Attendance_local.csv": "Nr\n"})
    with pytest.raises(Refused, match="no table has this name"):
        tables.read(export, Tables(), "lincoln")


def test_of_both_endings_the_parquet_file_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"skill_id": ["sums"]}).write_parquet(tmp_path / "skills.parquet")
    parts = complete(tmp_path, {"skills.csv": "skill_id\nratios\n"})
    assert parts.tables["skills"]["skill_id"].to_list() == ["sums"]


@pytest.mark.full
@pytest.mark.parametrize("seed", range(8))
def test_damaged_cells_never_lose_a_row(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    junk = [
        "",
        "?",
        "é",
        "=1+1",
        "1e999",
        "NaN",
        "٣",
        "2026-02-30",
        "00/00/0000",
        "null",
        "{",
        "\\",
        "uri://x#Tardy",
        "x" * 2_000,
    ]
    for _ in range(10):
        rows = [[number, f"09/{day:02d}/2026", "AP"[day % 2]] for number in ("00417", "00500", "999") for day in range(1, 15)]
        for _ in range(chance.randint(1, 30)):
            rows[chance.randrange(len(rows))][chance.randrange(3)] = chance.choice(junk)
        rows += chance.sample(rows, 3)
        text = "\n".join(["Nr,Day,Code", *map(",".join, rows)]) + "\n"
        join = chance.choice(['"identifier"', '"any"', '{ kind = "identifier", leading_zeros = "ignored" }'])
        parts = complete(tmp_path, {"att.csv": text}, MAPPED.format(join=join))
        account = parts.accounts[0]
        assert account.read == len(rows) == account.kept + account.quarantined + account.left_out
        aside = parts.quarantine["att.csv"]
        assert aside.height == account.quarantined
        assert aside.is_empty() or aside["reasons"].list.len().to_list().count(0) == 0
        assert parts.tables["attendance"].height == account.kept


def test_a_school_that_sends_no_calendar_taught_on_the_days_of_its_attendance(tmp_path: Path) -> None:
    frames = example_school.tables()
    stay = frames["enrolments"].row(0, named=True)
    day = date(2026, 9, 1)
    days = [day + timedelta(days=at) for at in range(20)]
    rows = pl.DataFrame({"student_id": stay["student_id"], "enrolment_id": stay["enrolment_id"], "on": days,
                         "status": "present", "absent_share": 0.0})  # fmt: skip
    for name, frame in {**frames, "attendance": rows}.items():
        if name != "calendar":
            frame.write_csv(tmp_path / f"{name}.csv")
    found = sources.read("tables", tmp_path, Tables())
    assert found.tables["calendar"]["on"].to_list() == days
    assert found.tables["calendar"]["known_on"].to_list() == [one + timedelta(days=1) for one in days]
    assert found.tables["calendar"]["instructional"].all()
    assert any("No calendar was sent" in note for note in found.notes)


def test_a_day_with_next_to_no_rows_is_no_day_of_teaching() -> None:
    busy = [(f"s{at}", date(2026, 9, 1) + timedelta(days=day)) for day in range(5) for at in range(40)]
    slip = [("s1", date(2026, 9, 6))]
    rows = pl.DataFrame([*busy, *slip], schema=["enrolment_id", "on"], orient="row")
    stays = pl.DataFrame({"enrolment_id": [f"s{at}" for at in range(40)], "organisation_id": "lincoln"})
    found = school_days(rows.with_columns(known_on=pl.col("on"), deleted=pl.lit(value=False)), stays)
    assert found["on"].to_list() == [date(2026, 9, 1) + timedelta(days=day) for day in range(5)]


def test_a_stay_that_names_no_term_belongs_to_the_school_year_in_which_it_began(tmp_path: Path) -> None:
    frames = example_school.tables()
    years = pl.DataFrame({"term_id": ["y25", "y26"], "starts_on": [date(2025, 8, 20), date(2026, 8, 20)],
                          "ends_on": [date(2026, 6, 5), date(2027, 6, 4)], "kind": "school_year"})  # fmt: skip
    stays = frames["enrolments"].drop("term_id", "planned_end_on")
    for name, frame in {"organisations": frames["organisations"], "terms": years, "students": frames["students"],
                        "enrolments": stays}.items():  # fmt: skip
        frame.write_csv(tmp_path / f"{name}.csv")
    found = sources.read("tables", tmp_path, Tables()).tables["enrolments"]
    entered = pl.col("entered_on") > date(2026, 6, 5)
    assert found.filter(entered)["term_id"].unique().to_list() == ["y26"]
    assert found.filter(~entered)["term_id"].unique().to_list() in ([], ["y25"])
    assert found.filter(entered)["planned_end_on"].unique().to_list() == [date(2027, 6, 4)]

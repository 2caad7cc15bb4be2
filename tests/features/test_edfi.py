"""Ed-Fi's resources as JSON: alone, beside another format, and the sample's 960 students."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import edfi_json
import polars as pl
import pytest
from edfi_json import SECTION_ID, descriptor, school, student, write

from features import sources
from features.problems import Refused
from features.sources import tables
from features.sources.companions import Known
from features.sources.edfi import EdFi
from features.sources.tables import Parts
from features.validation import Reading

#: Every test reads files; the quick run has those that read every source alike.
pytestmark = pytest.mark.full


def read(folder: Path) -> Reading:
    return sources.read("edfi", folder, EdFi(), "lincoln")


def accounts(reading: Reading | Parts) -> dict[str, tuple[int, int, int, int]]:
    for one in reading.accounts:
        assert one.read == one.kept + one.quarantined + one.left_out
    return {one.file: (one.read, one.kept, one.quarantined, one.left_out) for one in reading.accounts}


def reasons(reading: Reading | Parts, file: str) -> list[list[str]]:
    return [[re.sub(r": [^:]*$", "", one) for one in row] for row in reading.quarantine[file]["reasons"].to_list()]


def changed(folder: Path, change: Callable[[dict[str, list[dict[str, Any]]]], object]) -> Path:
    files = school()
    change(files)
    return write(folder, files)


# -- alone -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return read(write(tmp_path_factory.mktemp("edfi"), school()))


def rows(reading: Reading, table: str, *columns: str) -> list[tuple[object, ...]]:
    return reading.tables[table].select(columns).rows()


def test_every_object_is_accounted_for(reading: Reading) -> None:
    told = accounts(reading)
    assert reading.problems == reading.notes == ()
    assert {file.partition(" ")[0] for file in told} == {f"{name}.json" for name in school()}
    assert {name: told[f"{name}.json"][0] for name in school()} == {name: len(objects) for name, objects in school().items()}


def test_keys_are_the_parts_of_the_natural_key(reading: Reading) -> None:
    assert rows(reading, "sections", "section_id", "course_id", "term_id", "organisation_id", "starts_on") == [
        (SECTION_ID, "7|ALGEBRA", "77|2027|Fall", "77", date(2026, 8, 24))]  # fmt: skip
    assert rows(reading, "enrolments", "enrolment_id", "grade_level", "repeats_grade", "planned_end_on") == [
        ("1|77|2026-08-24", 9, False, date(2026, 12, 18)), ("2|77|2026-08-24", 9, None, date(2026, 12, 18))]  # fmt: skip
    assert rows(reading, "exits", "enrolment_id", "exited_on", "kind") == [
        ("2|77|2026-08-24", date(2026, 11, 20), "transferred")]  # fmt: skip
    assert rows(reading, "organisations", "organisation_id", "kind", "parent_id") == [
        ("77", "school", "7"), ("7", "district", None)]  # fmt: skip


def test_a_course_is_core_where_its_subject_is(reading: Reading) -> None:
    assert rows(reading, "courses", "course_id", "title", "subject", "core") == [
        ("7|ALGEBRA", "Algebra I", "Mathematics", True)]  # fmt: skip


def test_students_stay_for_the_school_year_that_the_sessions_make(reading: Reading) -> None:
    assert rows(reading, "terms", "term_id", "title", "kind", "parent_id", "ends_on") == [
        ("77|2027|Fall", "Fall", "semester", "77|2027", date(2026, 12, 18)),
        ("77|2027", "2027", "school_year", None, date(2026, 12, 18))]  # fmt: skip
    assert set(reading.tables["enrolments"]["term_id"]) == {"77|2027"}


def test_several_events_of_a_day_that_say_the_same_are_one(reading: Reading) -> None:
    assert rows(reading, "calendar", "on", "instructional") == [
        (date(2026, 8, 24), True), (date(2026, 9, 7), False), (date(2026, 9, 8), True)]  # fmt: skip


def test_attendance_has_its_stay_and_share(reading: Reading) -> None:
    assert rows(reading, "attendance", "enrolment_id", "status", "absent_share", "excused", "known_on") == [
        ("1|77|2026-08-24", "absent", 1.0, True, date(2026, 9, 3)),
        ("2|77|2026-08-24", "absent", 0.5, False, date(2026, 9, 4))]  # fmt: skip
    assert rows(reading, "section_attendance", "section_id", "status") == [(SECTION_ID, "late")]


def test_the_gravest_action_counts_with_the_days_of_all_that_kept_from_class(reading: Reading) -> None:
    assert rows(reading, "incidents", "incident_id", "student_id", "occurred_on", "role", "exclusion", "days_excluded") == [
        ("77|i1", "1", date(2026, 9, 10), "perpetrator", "out_of_school", 3.5),
        ("77|i1", "2", date(2026, 9, 10), "victim", "none", None)]  # fmt: skip


def test_marks_skills_and_evidence_are_joined(reading: Reading) -> None:
    assert rows(reading, "assignments", "assignment_id", "kind", "max_score") == [("g1|uri://gb", "quiz", 20.0)]
    assert rows(reading, "results", "student_id", "score", "marked_on") == [("1", 15.0, date(2026, 9, 1))]
    assert rows(reading, "assignment_skills", "assignment_id", "skill_id") == [("g1|uri://gb", "6.RP.3")]
    assert rows(reading, "skills", "skill_id", "grade_level") == [("6.RP.3", 6), ("5.NF.4", None)]
    assert rows(reading, "skill_prerequisites", "skill_id", "prerequisite_id") == [("6.RP.3", "5.NF.4")]
    assert rows(reading, "skill_results", "section_id", "skill_id", "evidence_id", "occurred_on", "score_share") == [
        (SECTION_ID, "6.RP.3", "a1|MP", date(2026, 10, 1), 0.5),
        (SECTION_ID, "5.NF.4", "a1|MP", date(2026, 10, 1), 0.0)]  # fmt: skip


def test_access_is_read_only_of_whom_something_is_said(reading: Reading) -> None:
    assert rows(reading, "digital_access", "student_id", "recorded_on", "device", "internet") == [
        ("1", date(2026, 8, 24), "none", "none")]  # fmt: skip
    assert accounts(reading)["studentEducationOrganizationAssociations.json"] == (2, 1, 0, 1)


def test_what_nobody_uses_is_kept_nowhere(tmp_path: Path) -> None:
    def bad(files: dict[str, list[dict[str, Any]]]) -> None:
        files["students"][0]["studentUniqueId"] = None

    found = read(changed(tmp_path, bad))
    assert accounts(found)["students.json"] == (2, 1, 1, 0)
    kept = str([frame.rows() for frame in (*found.tables.values(), *found.quarantine.values())])
    assert "Okafor" in kept
    assert not any(word in kept for word in ("999-99-9999", "2011-03-01", "A. Body"))
    assert "Okafor" not in str([*found.problems, *found.accounts])


def test_objects_line_by_line_and_a_zip_are_read_alike(tmp_path: Path, reading: Reading) -> None:
    folder = write(tmp_path / "lines", {f"{name[0].upper()}{name[1:]}.jsonl": objects for name, objects in school().items()})
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"edfi/{path.name}")
    found = read(packed)
    assert {name: frame.rows() for name, frame in found.tables.items()} == {
        name: frame.rows() for name, frame in reading.tables.items()}  # fmt: skip


def test_a_mark_without_a_day_is_known_when_its_row_was_last_changed(tmp_path: Path) -> None:
    def change(files: dict[str, list[dict[str, Any]]]) -> None:
        del files["studentGradebookEntries"][0]["dateFulfilled"]
        files["studentGradebookEntries"][0]["_lastModifiedDate"] = "2026-09-05T08:00:00Z"

    found = read(changed(tmp_path / "a", change))
    assert rows(found, "results", "marked_on", "known_on") == [(date(2026, 9, 5),) * 2]
    assert "submissions" not in found.tables
    found = read(changed(tmp_path / "b", lambda files: files["studentGradebookEntries"][0].pop("dateFulfilled")))
    assert accounts(found)["studentGradebookEntries.json"] == (1, 0, 0, 1)
    assert "results" not in found.tables


def test_what_the_api_has_besides_is_named(tmp_path: Path) -> None:
    found = read(write(tmp_path, {**school(), "bellSchedules": []}))
    assert found.notes == ("bellSchedules.json is no resource that is read here.",)


def test_students_are_known_by_their_unique_id(tmp_path: Path) -> None:
    folder = write(tmp_path, {name: objects for name, objects in school().items() if name != "studentSchoolAttendanceEvents"})
    (folder / "att.csv").write_text("Nr,Day\n1,2026-09-02\n9,2026-09-02\n")
    mapping = tmp_path / "M.toml"
    mapping.write_text('[attendance]\nfile = "att.csv"\ncolumns = { student_id = "Nr", on = "Day" }\n'
                       'joins = { student_id = "studentUniqueId" }\n'
                       'values = { status = "absent", absent_share = 1.0 }\n')  # fmt: skip
    found = sources.read("edfi", folder, EdFi(), "lincoln", mapping)
    assert rows(found, "attendance", "student_id") == [("1",)]
    assert reasons(found, "att.csv") == [["Nr: unknown_student"]]


# -- faults ------------------------------------------------------------------------------------------------------------


def test_row_faults_have_file_place_and_field(tmp_path: Path) -> None:
    def change(files: dict[str, list[dict[str, Any]]]) -> None:
        events = files["studentSchoolAttendanceEvents"]
        good = events[0]
        events += [
            {**good, **student(9), "eventDate": "2026-09-09"},
            {**good, "eventDate": "09/10/2026"},
            {**good, "eventDate": "2026-09-11", "attendanceEventCategoryDescriptor": descriptor("X", "Field Trip")},
            {**good, "eventDate": "2026-07-11"},
            {**good, "eventDate": {"secret": "Ana"}},
            {**good, "studentReference": "Ana"},
            {**good, "eventDate": "2026-09-12", "eventDuration": 7},
        ]

    found = read(changed(tmp_path, change))
    name = "studentSchoolAttendanceEvents.json"
    assert accounts(found)[name] == (9, 2, 7, 0)
    assert found.quarantine[name]["row"].to_list() == [3, 4, 5, 6, 7, 8, 9]
    who, day, code = "studentReference.studentUniqueId", "eventDate", "attendanceEventCategoryDescriptor"
    assert reasons(found, name) == [
        [f"{who}: unknown_student"], [f"{day}: bad_value"], [f"{code}: unknown_code"],
        [f"{who}, {day}: no_enrolment_on_that_day"], [f"{day}: bad_value"], [f"{who}: bad_value"],
        [f"eventDuration, {code}: out_of_range"]]  # fmt: skip
    assert not any(word in str(problem) for problem in found.problems for word in ("Ana", "secret", "Field Trip"))


def test_a_class_without_its_session_is_set_aside_with_all_of_it(tmp_path: Path) -> None:
    def change(files: dict[str, list[dict[str, Any]]]) -> None:
        files["sections"].append({"sectionIdentifier": "S2",
                                  "courseOfferingReference": {**edfi_json.OFFERING, "sessionName": "Spring"}})  # fmt: skip

    found = read(changed(tmp_path, change))
    assert accounts(found)["sections.json"] == (2, 1, 1, 0)
    assert [one.rpartition(": ")[2] for one in reasons(found, "sections.json")[0]] == ["unknown_session"]


def test_corrected_rows_come_in_again(tmp_path: Path) -> None:
    def change(files: dict[str, list[dict[str, Any]]]) -> None:
        files["studentSchoolAttendanceEvents"][1]["eventDate"] = "2026-13-03"

    folder = changed(tmp_path / "export", change)
    found = read(folder)
    found.write_quarantine(tmp_path / "aside")
    sheet = tmp_path / "aside" / "studentSchoolAttendanceEvents.quarantined.csv"
    (folder / sheet.name).write_text(sheet.read_text("utf-8-sig").replace("2026-13-03", "2026-09-03"))
    again = read(folder)
    assert accounts(again)["studentSchoolAttendanceEvents.json"] == (2, 2, 0, 0)
    assert rows(again, "attendance", "on") == [(date(2026, 9, 2),), (date(2026, 9, 3),)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"), ("[{}, 5]", "not_an_object"), ("[{}", "not_json"), ("[{} {}]", "not_json"), ("[{}] x", "not_json"),
        ('{"a": 1}\n{"a":\n', "not_json"), ("nothing", "not_json"), ('"text"', "not_json"), ("[NaN]", "not_json"),
        ("[" * 100_000, "not_json"), ("[{}]", "missing_column"), ('[{"schoolId": null}]', "missing_column"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_its_name_says_refuses_the_export(tmp_path: Path, text: str, code: str) -> None:
    write(tmp_path, school())
    (tmp_path / "schools.json").write_text(text)
    with pytest.raises(Refused) as caught:
        read(tmp_path)
    assert {(one.file, one.code) for one in caught.value.problems} == {("schools.json", code)}


def test_all_faults_of_structure_are_told_at_once(tmp_path: Path) -> None:
    files = school()
    del files["students"]
    write(tmp_path, {**files, "courses": [{}], "calendarDates.jsonl": []})
    (tmp_path / "disciplineIncidents.json").write_bytes(b"\xff\x00[")
    (tmp_path / "nothing.quarantined.csv").write_text("a\n")
    with pytest.raises(Refused) as caught:
        read(tmp_path)
    found = {(one.file, one.code) for one in caught.value.problems}
    assert {("students.json", "missing_file"), ("courses.json", "missing_column"), ("calendarDates.jsonl", "two_files"),
            ("disciplineIncidents.json", "unreadable_file"), ("nothing.quarantined.csv", "missing_file")} <= found  # fmt: skip


def test_two_files_of_one_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, school())
    (tmp_path / "attendance.csv").write_text("student_id,on,status,absent_share\n1,2026-09-02,absent,1\n")
    with pytest.raises(Refused, match="another file gives attendance too"):
        read(tmp_path)


# -- beside another format ---------------------------------------------------------------------------------------------


def known() -> Known:
    """A main format's own keys: a student by number, a class by its code, a school by its number."""
    days = {"starts_on": [date(2026, 8, 24)], "ends_on": [date(2026, 12, 18)]}
    frames = {
        "organisations": pl.DataFrame({"organisation_id": ["east"], "kind": ["school"]}),
        "terms": pl.DataFrame({"term_id": ["f26"], **days}),
        "courses": pl.DataFrame({"course_id": ["alg"]}),
        "sections": pl.DataFrame({"section_id": ["c1"], "course_id": ["alg"], "term_id": ["f26"], "organisation_id": ["east"],
                                  **days}),
        "students": pl.DataFrame({"student_id": ["u1"]}),
        "enrolments": pl.DataFrame({"enrolment_id": ["e1"], "student_id": ["u1"], "organisation_id": ["east"],
                                    "entered_on": [date(2026, 8, 24)], "planned_end_on": [date(2026, 12, 18)]}),
    }  # fmt: skip
    one = {"kind": ["identifier"]}
    return Known(pl.DataFrame({**one, "value": ["1"], "student_id": ["u1"]}), frames,
                 pl.DataFrame({"kind": ["classCode"], "value": ["S1"], "section_id": ["c1"]}),
                 {"organisation_id": pl.DataFrame({**one, "value": ["77"], "organisation_id": ["east"]})})  # fmt: skip


def test_beside_another_format_rows_get_its_keys(tmp_path: Path) -> None:
    names = ("studentSchoolAttendanceEvents", "studentSectionAttendanceEvents", "sections", "students", "gradebookEntries")
    write(tmp_path, {name: school()[name] for name in names})
    (tmp_path / "skills.csv").write_text("skill_id\n6.RP.3\n")
    parts = tables.complete(tmp_path, None, known(), "lincoln")
    assert parts.tables["attendance"].select("student_id", "enrolment_id").rows() == [("u1", "e1")]
    assert parts.tables["section_attendance"].select("student_id", "section_id").rows() == [("u1", "c1")]
    assert parts.tables["assignments"]["section_id"].to_list() == ["c1"]
    assert parts.tables["students"]["student_id"].to_list() == ["u1"]
    told = accounts(parts)
    assert (told["students.json"], told["sections.json"]) == ((2, 0, 0, 2), (1, 0, 0, 1))
    assert told["studentSchoolAttendanceEvents.json"] == (2, 1, 1, 0)


# -- the sample --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(edfi_sample: Path) -> list[Path]:
    return sorted(edfi_sample.glob("*.xml"))


@pytest.mark.full
def test_the_sample_of_960_students_is_read_to_the_last_row(sample: list[Path], tmp_path: Path) -> None:
    """The sample has no stays and no class lists: they are made here, one stay for each student and school spoken of."""
    files = edfi_json.from_xml(sample)
    spoken = {(one["studentReference"]["studentUniqueId"], one["schoolReference"]["schoolId"])
              for one in files["studentSchoolAttendanceEvents"]}  # fmt: skip
    of = dict(spoken)
    files["studentSchoolAssociations"] = [
        {"studentReference": {"studentUniqueId": who}, "schoolReference": {"schoolId": of.get(who, "255901001")},
         "entryDate": day} for who in (one["studentUniqueId"] for one in files["students"])
        for day in ("2020-08-20", "2021-08-23")]  # fmt: skip
    # A test of April 2021 was taken in a class of that spring.
    files["sessions"].append({**files["sessions"][0], "sessionName": "2020-2021", "schoolYearTypeReference":
                              {"schoolYear": "2020-2021"}, "beginDate": "2020-08-20", "endDate": "2021-05-28"})  # fmt: skip
    where = {"schoolId": "255901001", "schoolYear": "2020-2021", "sessionName": "2020-2021", "localCourseCode": "ALG-1"}
    files["sections"].append({"sectionIdentifier": "math", "courseOfferingReference": where})
    tested = {one["studentReference"]["studentUniqueId"] for one in files["studentAssessments"]}
    files["studentSectionAssociations"] = [
        {"studentReference": {"studentUniqueId": who}, "beginDate": "2020-08-20",
         "sectionReference": {**where, "sectionIdentifier": "math"}} for who in sorted(tested)]  # fmt: skip
    found = read(write(tmp_path, files))
    told = accounts(found)
    assert {name.removesuffix(".json"): of_them for name, of_them in told.items()} == {
        "schools": (3, 3, 0, 0), "localEducationAgencies": (1, 1, 0, 0), "sessions": (7, 7, 0, 0),
        "sessions.json (school years)": (4, 4, 0, 0),
        "calendarDates": (2, 2, 0, 0), "courses": (84, 84, 0, 0), "courseOfferings": (169, 169, 0, 0),
        "sections": (533, 533, 0, 0), "students": (960, 960, 0, 0), "students.json (identities)": (960, 960, 0, 0),
        "studentSchoolAssociations": (1920, 1920, 0, 0), "studentSectionAssociations": (len(tested), len(tested), 0, 0),
        "studentSchoolAttendanceEvents": (1917, 1916, 1, 0), "disciplineIncidents": (21, 21, 0, 0),
        "studentDisciplineIncidentBehaviorAssociations": (21, 21, 0, 0), "disciplineActions": (25, 25, 0, 0),
        "studentDisciplineIncidentNonOffenderAssociations": (2, 0, 0, 2), "gradebookEntries": (10, 10, 0, 0),
        "studentGradebookEntries": (250, 0, 0, 250), "assessments": (1, 1, 0, 0), "assessmentItems": (25, 25, 0, 0),
        "objectiveAssessments": (12, 12, 0, 0), "studentAssessments": (116, 82, 0, 34),
    }  # fmt: skip
    assert {code for row in reasons(found, "studentSchoolAttendanceEvents.json") for code in row} == {
        "eventDuration, attendanceEventCategoryDescriptor: missing_value",
        "studentReference.studentUniqueId, enrolment_id, eventDate: duplicate_key"}  # fmt: skip
    standards = {one["learningStandards"][0]["learningStandardReference"]["learningStandardId"]
                 for one in files["assessmentItems"]}  # fmt: skip
    evidence = found.tables["skill_results"]
    assert evidence.height == 82 * len(standards)
    assert set(evidence["skill_id"]) == set(found.tables["skills"]["skill_id"]) == standards
    points = {at: sum(float(item["rawScoreResult"]) for item in one["items"]) for at, one in
              enumerate(files["studentAssessments"]) if "items" in one}  # fmt: skip
    most: dict[str, float] = {}
    for item in files["assessmentItems"]:
        about = item["learningStandards"][0]["learningStandardReference"]["learningStandardId"]
        most[about] = most.get(about, 0) + float(item["maxRawScore"])
    reached = evidence.select((pl.col("score_share") * pl.col("skill_id").replace_strict(most)).sum()).item()
    assert reached == pytest.approx(sum(points.values()))
    incidents = found.tables["incidents"]
    assert incidents["exclusion"].value_counts().sort("exclusion").rows() == [("in_school", 20), ("out_of_school", 1)]
    assert json.loads((tmp_path / "studentSchoolAttendanceEvents.json").read_text())[0]["eventDate"] == "2021-08-31"

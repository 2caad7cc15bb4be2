"""Ed-Fi's resources as its API gives them: a small school, and the sample's XML in that form."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import example_school

D = "uri://ed-fi.org/"


def descriptor(kind: str, word: str) -> str:
    return f"{D}{kind}Descriptor#{word}"


def write(folder: Path, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Write one file for each resource: an array, or one object a line where the name ends so."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, objects in files.items():
        path = folder / (name if "." in name else f"{name}.json")
        lines = "\n".join(json.dumps(one) for one in objects)
        path.write_text(json.dumps(objects) if path.suffix == ".json" else lines)
    return folder


SESSION = {"schoolId": 77, "schoolYear": 2027, "sessionName": "Fall"}
OFFERING = {**SESSION, "localCourseCode": "ALG"}
SECTION = {**OFFERING, "sectionIdentifier": "S1"}
SECTION_ID = "77|2027|Fall|ALG|S1"


def student(number: int) -> dict[str, Any]:
    return {"studentReference": {"studentUniqueId": str(number), "link": {"rel": "Student", "href": "/ed-fi/students/x"}}}


def part(word: str) -> list[dict[str, str]]:
    kind = "DisciplineIncidentParticipationCode"
    return [{f"d{kind[1:]}Descriptor": descriptor(kind, word)}]


def school() -> dict[str, list[dict[str, Any]]]:
    """Two students in one class of algebra, in fall 2026."""
    here = {"schoolReference": {"schoolId": 77}}
    incident = {"incidentIdentifier": "i1", "schoolId": 77}
    left = {"exitWithdrawTypeDescriptor": descriptor("ExitWithdrawType", "Transferred")}
    return {
        "localEducationAgencies": [{"localEducationAgencyId": 7, "nameOfInstitution": "Grand District"}],
        "schools": [{"schoolId": 77, "nameOfInstitution": "Lincoln",
                     "localEducationAgencyReference": {"localEducationAgencyId": 7}}],
        "sessions": [{**here, "schoolYearTypeReference": {"schoolYear": 2027}, "sessionName": "Fall",
                      "beginDate": "2026-08-24", "endDate": "2026-12-18",
                      "termDescriptor": descriptor("Term", "Fall Semester")}],
        "calendarDates": [{"calendarReference": {"calendarCode": "c", "schoolId": 77, "schoolYear": 2027}, "date": day,
                           "calendarEvents": [{"calendarEventDescriptor": descriptor("CalendarEvent", word)} for word in words]}
                          for day, words in (("2026-08-24", ["Instructional day"]), ("2026-09-07", ["Holiday"]),
                                             ("2026-09-08", ["Instructional day", "Student late arrival/early dismissal"]))],
        "courses": [{"courseCode": "ALGEBRA", "educationOrganizationReference": {"educationOrganizationId": 7},
                     "courseTitle": "Algebra I",
                     "academicSubjects": [{"academicSubjectDescriptor": descriptor("AcademicSubject", "Mathematics")}]}],
        "courseOfferings": [{"localCourseCode": "ALG", "sessionReference": SESSION, **here,
                             "courseReference": {"courseCode": "ALGEBRA", "educationOrganizationId": 7}}],
        "sections": [{"sectionIdentifier": "S1", "courseOfferingReference": OFFERING, "sectionName": "Algebra, first period"}],
        "students": [{"studentUniqueId": "1", "firstName": "Ana", "lastSurname": "Okafor", "birthDate": "2011-03-01",
                      "socialSecurityNumber": "999-99-9999"}, {"studentUniqueId": "2", "firstName": "Ben"}],
        "studentSchoolAssociations": [
            {**student(number), **here, "entryDate": "2026-08-24",
             "entryGradeLevelDescriptor": descriptor("GradeLevel", "Ninth grade"), **more}
            for number, more in ((1, {"repeatGradeIndicator": False}), (2, {"exitWithdrawDate": "2026-11-20", **left}))],
        "studentSectionAssociations": [{**student(number), "sectionReference": SECTION, "beginDate": "2026-08-24"}
                                       for number in (1, 2)],
        "studentSchoolAttendanceEvents": [
            {**student(1), **here, "sessionReference": SESSION, "eventDate": "2026-09-02",
             "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", "Excused Absence")},
            {**student(2), **here, "sessionReference": SESSION, "eventDate": "2026-09-03", "eventDuration": 0.5,
             "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", "Unexcused Absence")}],
        "studentSectionAttendanceEvents": [
            {**student(1), "sectionReference": SECTION, "eventDate": "2026-09-04",
             "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", "Tardy")}],
        "disciplineIncidents": [{"incidentIdentifier": "i1", **here, "incidentDate": "2026-09-10", "reporterName": "A. Body"}],
        "studentDisciplineIncidentBehaviorAssociations": [
            {**student(1), "disciplineIncidentReference": incident,
             "behaviorDescriptor": descriptor("Behavior", word),
             "disciplineIncidentParticipationCodes": part("Perpetrator")}
            for word in ("School Violation", "Other")],
        "studentDisciplineIncidentNonOffenderAssociations": [
            {**student(2), "disciplineIncidentReference": incident, "disciplineIncidentParticipationCodes": part("Victim")}],
        "disciplineActions": [
            {**student(1), "disciplineActionIdentifier": str(at), "disciplineDate": "2026-09-11",
             "disciplines": [{"disciplineDescriptor": descriptor("Discipline", word)}], "actualDisciplineActionLength": length,
             "studentDisciplineIncidentBehaviorAssociations": [{"studentDisciplineIncidentBehaviorAssociationReference": {
                 **student(1)["studentReference"], **incident, "behaviorDescriptor": descriptor("Behavior", "Other")}}]}
            for at, (word, length) in enumerate((("In School Suspension", 1), ("Out of School Suspension", 2.5),
                                                 ("Community Service", 10)))],
        "learningStandards": [
            {"learningStandardId": "6.RP.3", "description": "Use ratios", "namespace": "uri://ed-fi.org",
             "academicSubjects": [{"academicSubjectDescriptor": descriptor("AcademicSubject", "Mathematics")}],
             "gradeLevels": [{"gradeLevelDescriptor": descriptor("GradeLevel", "Sixth grade")}],
             "prerequisiteLearningStandards": [{"learningStandardReference": {"learningStandardId": "5.NF.4"}}]},
            {"learningStandardId": "5.NF.4", "description": "Multiply fractions", "namespace": "uri://ed-fi.org"}],
        "gradebookEntries": [{"gradebookEntryIdentifier": "g1", "namespace": "uri://gb", "sectionReference": SECTION,
                              "title": "One", "dateAssigned": "2026-08-25", "dueDate": "2026-09-01", "maxPoints": 20,
                              "gradebookEntryTypeDescriptor": descriptor("GradebookEntryType", "Quiz"),
                              "learningStandards": [{"learningStandardReference": {"learningStandardId": "6.RP.3"}}]}],
        "studentGradebookEntries": [
            {**student(1), "gradebookEntryReference": {"gradebookEntryIdentifier": "g1", "namespace": "uri://gb"},
             "dateFulfilled": "2026-09-01", "pointsEarned": 15,
             "submissionStatusDescriptor": descriptor("SubmissionStatus", "Graded")}],
        "studentEducationOrganizationAssociations": [
            {**student(1), "educationOrganizationReference": {"educationOrganizationId": 77}, "sexDescriptor": "x",
             "primaryLearningDeviceAwayFromSchoolDescriptor": descriptor("PrimaryLearningDeviceAwayFromSchool", "None"),
             "internetAccessInResidence": False, "_lastModifiedDate": "2026-08-24T10:00:00.12345Z"},
            {**student(2), "educationOrganizationReference": {"educationOrganizationId": 77},
             "_lastModifiedDate": "2026-08-24T10:00:00Z"}],
        "staffs": [{"staffUniqueId": "t", "firstName": "Tom",
                    "electronicMails": [{"electronicMailAddress": "tom@lincoln.example"}]}],
        "staffSectionAssociations": [{"staffReference": {"staffUniqueId": "t"}, "sectionReference": SECTION,
                                      "beginDate": "2026-08-24"}],
        "assessments": [{"assessmentIdentifier": "MP", "namespace": "uri://a",
                         "academicSubjects": [{"academicSubjectDescriptor": descriptor("AcademicSubject", "Mathematics")}]}],
        "assessmentItems": [{"identificationCode": f"q{at}", "maxRawScore": most,
                             "assessmentReference": {"assessmentIdentifier": "MP", "namespace": "uri://a"},
                             "learningStandards": [{"learningStandardReference": {"learningStandardId": about}}]}
                            for at, (most, about) in enumerate(((1.5, "6.RP.3"), (2.5, "6.RP.3"), (1, "5.NF.4")))],
        "studentAssessments": [{**student(1), "studentAssessmentIdentifier": "a1", "administrationDate": "2026-10-01T09:00:00Z",
                                "assessmentReference": {"assessmentIdentifier": "MP", "namespace": "uri://a"},
                                "items": [{"assessmentItemReference": {"assessmentIdentifier": "MP", "namespace": "uri://a",
                                                                       "identificationCode": f"q{at}"}, "rawScoreResult": got}
                                          for at, got in enumerate((1.5, 0.5, 0))]}],
    }  # fmt: skip


# -- the example school -------------------------------------------------------------------------------------------------


def export(folder: Path) -> Path:
    """Write the example school as resources of Ed-Fi, and its activity as events of Caliper."""
    frames = {name: frame.to_dicts() for name, frame in example_school.tables().items()}
    sections = {one["section_id"]: one for one in frames["sections"]}
    entered = {one["enrolment_id"]: one["entered_on"] for one in frames["enrolments"]}
    sessions = {one["term_id"]: one for one in frames["terms"]}

    def year(term: str) -> int:
        starts = sessions[term]["starts_on"]
        return int(starts.year) + (starts.month > 6)

    def offering(section: str) -> dict[str, Any]:
        one = sections[section]
        return {"schoolId": one["organisation_id"], "schoolYear": year(one["term_id"]), "sessionName": one["term_id"],
                "localCourseCode": one["course_id"]}  # fmt: skip

    def whole(section: str) -> dict[str, Any]:
        return {"sectionReference": {**offering(section), "sectionIdentifier": section}}

    def who(one: Mapping[str, Any]) -> dict[str, Any]:
        return {"studentReference": {"studentUniqueId": one["student_id"]}}

    def began(one: Mapping[str, Any]) -> object:
        return one["begins_on"] or max(sections[one["section_id"]]["starts_on"], entered[one["enrolment_id"]])

    def school_of(key: str) -> dict[str, Any]:
        return {"schoolReference": {"schoolId": key}}

    write(folder, {
        "schools": [{"schoolId": one["organisation_id"], "nameOfInstitution": one["name"]} for one in frames["organisations"]
                    if one["kind"] == "school"],
        "sessions": [{**school_of(school), "schoolYearTypeReference": {"schoolYear": year(term)}, "sessionName": term,
                      "beginDate": str(sessions[term]["starts_on"]), "endDate": str(sessions[term]["ends_on"])}
                     for school, term in sorted({(one["organisation_id"], one["term_id"]) for one in sections.values()})],
        "courses": [{"courseCode": one["course_id"], "courseTitle": one["title"],
                     "educationOrganizationReference": {"educationOrganizationId": "lincoln"}} for one in frames["courses"]],
        "courseOfferings": [{"sessionReference": {name: key for name, key in made.items() if name != "localCourseCode"},
                             "localCourseCode": made["localCourseCode"],
                             "courseReference": {"courseCode": made["localCourseCode"], "educationOrganizationId": "lincoln"}}
                            for made in map(offering, sections)],
        "sections": [{"sectionIdentifier": key, "courseOfferingReference": offering(key)} for key in sections],
        "students": [{"studentUniqueId": one["student_id"]} for one in frames["students"]],
        "studentSchoolAssociations": [{**who(one), **school_of(one["organisation_id"]), "entryDate": str(one["entered_on"])}
                                      for one in frames["enrolments"]],
        "studentSectionAssociations": [{**who(one), **whole(one["section_id"]), "beginDate": str(began(one))}
                                       for one in frames["rosters"]],
        "gradebookEntries": [{"gradebookEntryIdentifier": one["assignment_id"], **whole(one["section_id"]),
                              "title": one["title"], "dueDate": str(one["due_on"]), "maxPoints": one["max_score"]}
                             for one in frames["assignments"]],
        "studentGradebookEntries": [
            {**who(one), "gradebookEntryReference": {"gradebookEntryIdentifier": one["assignment_id"]},
             "dateFulfilled": str(one["submitted_on"])} for one in frames["submissions"]],
        "events.jsonl": [
            {"id": f"urn:uuid:{at}-{number}", "type": "ViewEvent", "action": "Viewed", "actor": one["student_id"],
             "object": f"urn:page:{number}", "eventTime": f"{one['on']}T10:00:00.000Z", "group": one["section_id"]}
            for at, one in enumerate(frames["activity"]) for number in range(one["actions"])],
    })  # fmt: skip
    return folder


# -- the sample's XML --------------------------------------------------------------------------------------------------

#: Parts of the XML that the API lays flat, and those that it has in lists, by the name of the list.
_FLAT = ("AttendanceEvent", "Name")
_LISTS = {"AcademicSubject": "academicSubjects", "CalendarEvent": "calendarEvents", "Discipline": "disciplines",
          "DisciplineIncidentParticipationCode": "disciplineIncidentParticipationCodes", "ScoreResult": "scoreResults",
          "StudentAssessmentItem": "items", "StudentObjectiveAssessment": "studentObjectiveAssessments",
          "LearningStandardReference": "learningStandards",
          "StudentDisciplineIncidentBehaviorAssociationReference": "studentDisciplineIncidentBehaviorAssociations"}  # fmt: skip
_KEYS = frozenset(
    {
        "StudentUniqueId",
        "SchoolId",
        "SchoolYear",
        "SessionName",
        "LocalCourseCode",
        "CourseCode",
        "Namespace",
        "EducationOrganizationId",
        "SectionIdentifier",
        "GradebookEntryIdentifier",
        "AssessmentIdentifier",
        "IdentificationCode",
        "CalendarCode",
        "LocalEducationAgencyId",
        "LearningStandardId",
        "IncidentIdentifier",
        "EducationServiceCenterId",
        "GradingPeriodName",
        "StaffUniqueId",
    }
)
_PLURALS = {"LocalEducationAgency": "localEducationAgencies", "GradebookEntry": "gradebookEntries",
            "StudentGradebookEntry": "studentGradebookEntries"}  # fmt: skip


def from_xml(paths: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of all files by the resource's name in the API; references by ``ref`` are followed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        root = ET.parse(path).getroot()
        by_id = {one.get("id"): one for one in root if one.get("id")}
        for one in root:
            name = _tag(one)
            made = _object(one, by_id)
            if name in {"Session", "GradingPeriod"}:
                made["schoolYearTypeReference"] = {"schoolYear": made.pop("schoolYear")}
            plural = _PLURALS.get(name, f"{name}s")
            found.setdefault(plural[0].lower() + plural[1:], []).append(made)
    return found


def _tag(one: ET.Element) -> str:
    return one.tag.rpartition("}")[2]


def _object(one: ET.Element, by_id: Mapping[str | None, ET.Element]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in one:
        name = _tag(part)
        if name in _FLAT:
            made |= _object(part, by_id)
        elif name.endswith("Reference") and name not in _LISTS:
            made[name[0].lower() + name[1:]] = _reference(part, by_id)
        elif name in _LISTS:
            inner = _reference(part, by_id) if name.endswith("Reference") else _object(part, by_id)
            told = {_lower(name, part.text): part.text.strip()} if not len(part) and part.text else inner
            made.setdefault(_LISTS[name], []).append(
                {name[0].lower() + name[1:]: told} if name.endswith("Reference") else told)  # fmt: skip
        elif len(part):
            made.setdefault(f"{name[0].lower()}{name[1:]}s", []).append(_object(part, by_id))
        elif part.text and part.text.strip():
            made[_lower(name, part.text)] = part.text.strip()
    return made


def _lower(name: str, text: str | None) -> str:
    ending = "Descriptor" if re.match(r"\s*uri://[^#]*Descriptor#", text or "") else ""
    return f"{name[0].lower()}{name[1:]}{ending}"


def _reference(part: ET.Element, by_id: Mapping[str | None, ET.Element]) -> dict[str, Any]:
    """Return the keys that a reference holds, laid flat as in the API."""
    target = by_id.get(part.get("ref"), part) if part.get("ref") else part
    return {_lower(_tag(one), one.text): one.text.strip() for one in target.iter()
            if not len(one) and one.text and one.text.strip() and _tag(one) in _KEYS}  # fmt: skip

"""Ed-Fi's resources as its API gives them (Data Standard 5; fields of 3 and 4 where they differ): one file of JSON for each.

The words of Ed-Fi's descriptors are those of the mappings in ``features/sources/edfi``, which read the same resources from
CSV. Keys are the natural keys of the API, their parts joined by ``|`` from the widest to the narrowest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType

import polars as pl

from features.delimited import own_columns
from features.mapping import JOINED, Code, Join, TableMapping
from features.sources.companions import Given, Known, Maker, edfi_mappings, joined, names_of
from features.sources.doors.documents import SEVERAL, Field, Rows, rows
from features.sources.stays import latest
from features.tables import TABLES
from features.translation import Translated, plain, translate
from features.validation import Account, Found

#: Between the parts of a key.
SEPARATOR = "|"

_STUDENT = Field("studentReference.studentUniqueId", required=True)
_SCHOOL = Field("schoolReference.schoolId", required=True)
_PARTS = ("schoolId", "schoolYear", "sessionName", "localCourseCode", "sectionIdentifier")
_CHANGED = Field("_lastModifiedDate")


def _within(reference: str, *names: str, required: bool = True) -> tuple[Field, ...]:
    return tuple(Field(f"{reference}.{name}", required=required) for name in names)


@dataclass(frozen=True)
class Resource:
    """A resource of the API: the fields that are read, and the tables that its objects are rows of.

    ``columns`` gives for each table the fields that make its columns, and ``each`` the list of which every element is a row
    of a table. ``first``: such tables are the main format's own where there is one, and the file is then not read.
    A resource of no table helps to read another.
    """

    fields: tuple[Field, ...]
    columns: Mapping[str, Mapping[str, str | tuple[str, ...]]] = field(default_factory=dict)
    each: Mapping[str, str] = field(default_factory=dict)
    first: bool = False


_EVENT = (Field("eventDate", required=True), Field("attendanceEventCategoryDescriptor", required=True))
_PART_IN_IT = "disciplineIncidentParticipationCodes.disciplineIncidentParticipationCodeDescriptor"
_INCIDENT = ("schoolId", "incidentIdentifier")
_OFFENCES = "studentDisciplineIncidentBehaviorAssociations"
_OTHERS = "studentDisciplineIncidentNonOffenderAssociations"

#: Every resource that is read, by its name in the API.
RESOURCES: Mapping[str, Resource] = MappingProxyType({
    "schools": Resource(
        (Field("schoolId", required=True), Field("nameOfInstitution"),
         Field("localEducationAgencyReference.localEducationAgencyId")),
        {"organisations": {"organisation_id": "schoolId", "name": "nameOfInstitution", "parent_id": "localEducationAgencyId"}},
        first=True),
    "localEducationAgencies": Resource(
        (Field("localEducationAgencyId", required=True), Field("nameOfInstitution")),
        {"organisations": {"organisation_id": "localEducationAgencyId", "name": "nameOfInstitution"}}, first=True),
    "sessions": Resource(
        (Field("schoolReference.schoolId", required=True), Field("schoolYearTypeReference.schoolYear", required=True),
         Field("sessionName", required=True), Field("beginDate", required=True), Field("endDate", required=True),
         Field("termDescriptor")),
        {"terms": {"term_id": _PARTS[:3], "title": "sessionName", "starts_on": "beginDate", "ends_on": "endDate"}}, first=True),
    "calendarDates": Resource(
        (Field("calendarReference.schoolId", required=True), Field("date", required=True),
         Field("calendarEvents.calendarEventDescriptor", required=True)),
        {"calendar": {"organisation_id": "schoolId", "on": "date"}}),
    "courses": Resource(
        (Field("educationOrganizationReference.educationOrganizationId", required=True), Field("courseCode", required=True),
         Field("courseTitle"), Field("academicSubjects.academicSubjectDescriptor", either="academicSubjectDescriptor")),
        {"courses": {"course_id": ("educationOrganizationId", "courseCode"), "title": "courseTitle",
                     "subject": "academicSubject"}}, first=True),
    "courseOfferings": Resource(
        (*_within("sessionReference", *_PARTS[:3]), Field("localCourseCode", required=True),
         *_within("courseReference", "educationOrganizationId", "courseCode"))),
    "sections": Resource(
        (*_within("courseOfferingReference", *_PARTS[:4]), Field("sectionIdentifier", required=True), Field("sectionName")),
        {"sections": {"section_id": _PARTS, "term_id": _PARTS[:3], "course_id": ("schoolId", "localCourseCode"),
                      "organisation_id": "schoolId", "title": "sectionName"}}, first=True),
    "students": Resource(
        (Field("studentUniqueId", required=True), Field("firstName"), Field("lastSurname"), Field("preferredFirstName")),
        {"students": {"student_id": "studentUniqueId"},
         "identities": {"student_id": "studentUniqueId", "source_id": "studentUniqueId", "given_name": "firstName",
                        "family_name": "lastSurname", "preferred_name": "preferredFirstName"}}, first=True),
    "studentSchoolAssociations": Resource(
        (_STUDENT, _SCHOOL, Field("entryDate", required=True), Field("entryGradeLevelDescriptor"),
         Field("repeatGradeIndicator"), Field("exitWithdrawDate"), Field("exitWithdrawTypeDescriptor")),
        {"enrolments": {"enrolment_id": ("studentUniqueId", "schoolId", "entryDate"), "student_id": "studentUniqueId",
                        "organisation_id": "schoolId", "entered_on": "entryDate", "repeats_grade": "repeatGradeIndicator"},
         "exits": {"enrolment_id": ("studentUniqueId", "schoolId", "entryDate"), "student_id": "studentUniqueId",
                   "exited_on": "exitWithdrawDate"}}),
    "studentSectionAssociations": Resource(
        (_STUDENT, *_within("sectionReference", *_PARTS), Field("beginDate"), Field("endDate")),
        {"rosters": {"student_id": "studentUniqueId", "section_id": _PARTS, "organisation_id": "schoolId",
                     "begins_on": "beginDate", "ends_on": "endDate"}}),
    "studentSchoolAttendanceEvents": Resource(
        (_STUDENT, _SCHOOL, *_EVENT, Field("eventDuration")),
        {"attendance": {"student_id": "studentUniqueId", "on": "eventDate", "organisation_id": "schoolId",
                        "absent_share": "eventDuration"}}),
    "studentSectionAttendanceEvents": Resource(
        (_STUDENT, *_within("sectionReference", *_PARTS), *_EVENT),
        {"section_attendance": {"student_id": "studentUniqueId", "section_id": _PARTS, "on": "eventDate",
                                "organisation_id": "schoolId"}}),
    "disciplineIncidents": Resource((_SCHOOL, Field("incidentIdentifier", required=True),
                                     Field("incidentDate", required=True))),
    "disciplineActions": Resource(
        (_STUDENT, Field("disciplineDate"), Field("disciplines.disciplineDescriptor", required=True),
         Field("actualDisciplineActionLength"), Field("disciplineActionLength"),
         *(Field(f"studentDisciplineIncidentBehaviorAssociations.studentDisciplineIncidentBehaviorAssociationReference.{name}",
                 either=f"studentDisciplineIncidentAssociations.studentDisciplineIncidentAssociationReference.{name}")
           for name in _INCIDENT))),
    _OFFENCES: Resource(
        (_STUDENT, *_within("disciplineIncidentReference", *_INCIDENT), Field("behaviorDescriptor"), Field(_PART_IN_IT)),
        {"incidents": {"incident_id": _INCIDENT, "student_id": "studentUniqueId", "organisation_id": "schoolId"}}),
    _OTHERS: Resource(
        (_STUDENT, *_within("disciplineIncidentReference", *_INCIDENT), Field(_PART_IN_IT)),
        {"incidents": {"incident_id": _INCIDENT, "student_id": "studentUniqueId", "organisation_id": "schoolId"}}),
    "learningStandards": Resource(
        (Field("learningStandardId", required=True), Field("description"), Field("gradeLevels.gradeLevelDescriptor"),
         Field("academicSubjects.academicSubjectDescriptor", either="academicSubjectDescriptor"),
         Field("prerequisiteLearningStandards.learningStandardReference.learningStandardId")),
        {"skills": {"skill_id": "learningStandardId", "statement": "description", "subject": "academicSubject"},
         "skill_prerequisites": {"skill_id": "learningStandardId", "prerequisite_id":
                                 "prerequisiteLearningStandards.learningStandardReference.learningStandardId"}},
        {"skill_prerequisites": "prerequisiteLearningStandards"}),
    "gradebookEntries": Resource(
        (Field("gradebookEntryIdentifier", required=True), Field("namespace"),
         *_within("sectionReference", *_PARTS, required=False), Field("title"), Field("dueDate"), Field("maxPoints"),
         Field("gradebookEntryTypeDescriptor"), Field("learningStandards.learningStandardReference.learningStandardId")),
        {"assignments": {"assignment_id": ("gradebookEntryIdentifier", "namespace"), "section_id": _PARTS, "title": "title",
                         "due_on": "dueDate", "max_score": "maxPoints"},
         "assignment_skills": {"assignment_id": ("gradebookEntryIdentifier", "namespace"), "skill_id": "learningStandardId"}},
        {"assignment_skills": "learningStandards"}),
    "studentGradebookEntries": Resource(
        (_STUDENT, *_within("gradebookEntryReference", "gradebookEntryIdentifier"),
         Field("gradebookEntryReference.namespace"), Field("dateFulfilled"), Field("pointsEarned"),
         Field("submissionStatusDescriptor"), _CHANGED),
        {"submissions": {"student_id": "studentUniqueId", "assignment_id": ("gradebookEntryIdentifier", "namespace"),
                         "submitted_on": "dateFulfilled"},
         "results": {"student_id": "studentUniqueId", "assignment_id": ("gradebookEntryIdentifier", "namespace"),
                     "score": "pointsEarned", "marked_on": "markedOn"}}),
    "studentEducationOrganizationAssociations": Resource(
        (_STUDENT, Field("primaryLearningDeviceAccessDescriptor"), Field("primaryLearningDeviceAwayFromSchoolDescriptor"),
         Field("internetAccessInResidence"), Field("internetAccessTypeInResidenceDescriptor"), _CHANGED),
        {"digital_access": {"student_id": "studentUniqueId", "recorded_on": "_lastModifiedDate"}}),
    "staffs": Resource(
        (Field("staffUniqueId", required=True), Field("firstName"), Field("lastSurname"),
         Field("electronicMails.electronicMailAddress")),
        {"staff": {"staff_id": "staffUniqueId", "given_name": "firstName", "family_name": "lastSurname",
                   "email": "electronicMailAddress"}}, first=True),
    "staffSectionAssociations": Resource(
        (Field("staffReference.staffUniqueId", required=True), *_within("sectionReference", *_PARTS), Field("beginDate"),
         Field("endDate")),
        {"teaching": {"staff_id": "staffUniqueId", "section_id": _PARTS, "begins_on": "beginDate", "ends_on": "endDate"}}),
    "assessments": Resource((Field("assessmentIdentifier", required=True), Field("namespace"),
                             Field("academicSubjects.academicSubjectDescriptor"))),
    "objectiveAssessments": Resource((Field("identificationCode", required=True),)),
    "assessmentItems": Resource((Field("identificationCode", required=True),)),
    "studentAssessments": Resource((Field("studentAssessmentIdentifier", required=True),), {"skill_results": {}}),
})  # fmt: skip

#: What a table of a resource needs to have any row: without it the table is not given, and nothing is said of it.
_NEEDS: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType({
    ("studentSchoolAssociations", "exits"): ("exitWithdrawDate",),
    ("studentGradebookEntries", "submissions"): ("dateFulfilled",),
    ("studentGradebookEntries", "results"): ("markedOn",),
    ("studentEducationOrganizationAssociations", "digital_access"): ("_lastModifiedDate",),
    (_OTHERS, "incidents"): (_PART_IN_IT,),
    ("gradebookEntries", "assignments"): ("sectionReference.sectionIdentifier",),
    ("gradebookEntries", "assignment_skills"): ("learningStandards.learningStandardReference.learningStandardId",),
    ("learningStandards", "skill_prerequisites"):
        ("prerequisiteLearningStandards.learningStandardReference.learningStandardId",),
})  # fmt: skip

#: Tables that a row gives only where it says one of these, and what is said of the others.
_SAYS: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType({
    "digital_access": (("primaryLearningDeviceAccessDescriptor", "primaryLearningDeviceAwayFromSchoolDescriptor",
                        "internetAccessInResidence", "internetAccessTypeInResidenceDescriptor"),
                       "that say nothing of a device or a connection"),
})  # fmt: skip

#: What part of a year a session is; of other words nothing is said.
_SESSIONS = MappingProxyType({
    "semester": "semester", "fallsemester": "semester", "springsemester": "semester", "summersemester": "semester",
    "wintersemester": "semester", "trimester": "term", "firsttrimester": "term", "secondtrimester": "term",
    "thirdtrimester": "term", "quarter": "term", "firstquarter": "term", "secondquarter": "term", "thirdquarter": "term",
    "fourthquarter": "term", "quinmester": "term", "miniterm": "term", "yearround": "term", "fullyear": "term",
})  # fmt: skip

#: Subjects whose courses are of English, mathematics, science or social studies.
_CORE = tuple(plain(f"://#{name}") for name in (
    "English", "English Language Arts", "Reading", "Writing", "Mathematics", "Science", "Life and Physical Sciences",
    "Social Studies", "Social Sciences and History"))  # fmt: skip

#: What keeps a student from class, the gravest first.
_GRAVEST = ("out_of_school", "in_school")


def resource_of(stem: str) -> str:
    """Return the name in the API of the resource that a file's name means, or nothing; capitals do not count."""
    return _NAMED.get(plain(stem), "")


_NAMED = {plain(form): name for name in RESOURCES for form in (name, name.removesuffix("s"))} | {
    "localeducationagency": "localEducationAgencies", "gradebookentry": "gradebookEntries",
    "studentgradebookentry": "studentGradebookEntries"}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The files of an export by the resource that each holds, each read once for all who ask."""

    paths: Mapping[str, Path]

    @cached_property
    def _read(self) -> dict[tuple[str, str], Rows]:
        return {}

    def rows(self, name: str, each: str = "") -> Rows | None:
        """Return the rows of a resource, or nothing where there is no file of it."""
        path = self.paths.get(name)
        if path is None:
            return None
        if (name, each) not in self._read:
            self._read[name, each] = rows(path, RESOURCES[name].fields, each)
        return self._read[name, each]

    def makers(self, known: Known) -> dict[str, list[Maker]]:
        """Return for each table what makes its rows, once the tables before it are known."""
        found: dict[str, list[Maker]] = {}
        for name in self.read_for(known):
            for table in RESOURCES[name].columns:
                if table != "skill_results":
                    found.setdefault(table, []).append(partial(_made, self, name, table, known))
        return found

    def read_for(self, known: Known) -> list[str]:
        """Return the resources whose tables are read: not those that a main format has under its own keys."""
        ours = {name for name, one in RESOURCES.items() if one.first and set(one.columns) & set(known.tables)}
        return [name for name in RESOURCES if name in self.paths and name not in ours]

    def unread(self, known: Known, accounts: Iterable[Account]) -> list[Account]:
        """Return the accounts of the files whose rows are of no table: what helped to read others, and what is left out."""
        told = {one.file for one in accounts}
        found = []
        for name, path in self.paths.items():
            one = self.rows(name) if path.name not in told else None
            if one is None:
                continue
            height, tables = one.frame.height, RESOURCES[name].columns
            if name not in self.read_for(known):
                why = f"{height:,} of what the main format holds itself"
            elif tables:
                needed = ", ".join(dict.fromkeys(need for table in tables for need in _NEEDS.get((name, table), ())))
                why = f"{height:,} without {needed.replace('markedOn', '_lastModifiedDate')}"
            else:
                why = ""
            found.append(Account(path.name, height, 0 if why else height, 0, height if why else 0, why if height else ""))
        return found


def _mapping(name: str, table: str) -> TableMapping:
    """Return how the rows of a table are read: the words of the mapping for CSV, the fields of the API."""
    stem = plain(name)
    known = [one for key in (_SAME_AS.get(name, stem), stem.removesuffix("s"), f"{stem.removesuffix('ies')}y")
             for one in edfi_mappings().get(key, ()) if one.table == table]  # fmt: skip
    columns = {column: (one,) if isinstance(one, str) else one for column, one in RESOURCES[name].columns[table].items()}
    own = known[0] if known else TableMapping(table, "", columns, loosely=True)
    codes, values = dict(own.codes), dict(own.values)
    if name == "localEducationAgencies":
        values["kind"] = "district"
    if name == _OTHERS:
        del values["role"]
    if table == "incidents":
        codes = {column: one for column, one in codes.items() if column != "Discipline"}
    if table == "digital_access":
        codes |= {"InternetAccessInResidence": {"true": Code(), "false": Code(otherwise={"internet": "none"}), "": Code()}}
    return replace(own, columns=columns, joined_by=SEPARATOR, lookups=(), needs=own.needs, codes=codes, values=values)


_SAME_AS = {_OTHERS: "studentdisciplineincidentbehaviorassociation",
            "localEducationAgencies": "school"}  # fmt: skip


def _made(files: Files, name: str, table: str, known: Known, tables: Mapping[str, pl.DataFrame]) -> list[Given]:
    """Return a resource's rows of a table in canonical columns with the keys of the main format."""
    resource = RESOURCES[name]
    read = files.rows(name, resource.each.get(table, ""))
    if read is None or (table in resource.each and read.frame.is_empty()):
        return []
    raw = _marked(read.frame) if table == "results" else read.frame
    if any(path not in raw.columns for path in _NEEDS.get((name, table), ())):
        return []
    known = replace(known, tables=tables)
    mapping = _agreed(_mapping(name, table), raw)
    frame, left = _saying(raw, table)
    made = _without_marked(translate(_single(frame, mapping), mapping, read.file))
    made = Translated(made.frame, replace(
        made.origin, found=(*made.origin.found, *read.faults(made.origin)), left_out=made.origin.left_out + left[0],
        why="; ".join(part for part in (made.origin.why, left[1]) if part)))  # fmt: skip
    if table in _FINISH:
        made = _FINISH[table](made, files, known, name)
    # What is read only where there is no other main format names others by Ed-Fi's own keys.
    joins = {column: Join("any") for column in JOINED if column in made.frame.columns and not resource.first}
    if "section_id" in made.frame.columns and table != "sections":
        made = _by_section(made, known)
    made = joined(made, TABLES[table], joins, known, read.file)
    given = Given(read.file, made.frame, made.origin)
    return [given, _years(read)] if table == "terms" else [given]


#: The day of a mark: that on which the work was handed in, else the one on which the row was last changed, since nothing of it
#: was known as it is now before.
_MARKED = ("dateFulfilled", "_lastModifiedDate")


def _marked(frame: pl.DataFrame) -> pl.DataFrame:
    days = [pl.col(name) for name in _MARKED if name in frame.columns]
    return frame.with_columns(pl.coalesce(days).alias("markedOn")) if days else frame


def _without_marked(made: Translated) -> Translated:
    """Return rows whose content is what their file holds: the day of a mark was made of two fields."""
    if "markedOn" not in made.origin.content.columns:
        return made
    content = made.origin.content.drop("markedOn")
    names = {**made.origin.names, "marked_on": ", ".join(name for name in _MARKED if name in content.columns)}
    why = made.origin.why.replace("markedOn", " or ".join(_MARKED))
    return replace(made, origin=replace(made.origin, content=content, names=names, why=why))


def _agreed(mapping: TableMapping, frame: pl.DataFrame) -> TableMapping:
    """Return a mapping without the columns of which the file has no field; a namespace that nobody gives parts nothing."""
    header = {plain(own) for own in own_columns(frame)}
    columns = {column: tuple(one for one in own if one != "namespace" or one in header)
               for column, own in mapping.columns.items()}  # fmt: skip
    return replace(mapping, columns={column: own for column, own in columns.items() if {plain(one) for one in own} <= header})


def _saying(frame: pl.DataFrame, table: str) -> tuple[pl.DataFrame, tuple[int, str]]:
    if table not in _SAYS:
        return frame, (0, "")
    paths, why = _SAYS[table]
    told = [pl.col(path).is_not_null() for path in paths if path in frame.columns]
    says = frame.filter(pl.any_horizontal(pl.lit(value=False), *told))
    silent = frame.height - says.height
    return says, (silent, f"{silent:,} {why}" if silent else "")


def _single(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """Return rows in which several codes that say the same are one; those that do not stay as they are, and are unknown.

    Of a student's parts in an incident the first that is not that of a reporter counts, the perpetrator's before all.
    """
    for own, codes in mapping.codes.items():
        path = next((name for name in own_columns(frame) if plain(name) == plain(own)), "")
        if not path or not frame[path].str.contains(SEVERAL, literal=True).any():
            continue
        words = {plain(f"://#{code}"): says for code, says in codes.items()}
        order = list(words)

        def one(cell: str, words: Mapping[str, Code] = words, order: list[str] = order, own: str = own) -> str:
            parts = cell.split(SEVERAL)
            keys = [plain(part if "://" in part else f"://#{part}") for part in parts]
            if any(key not in words for key in keys):
                return cell
            said = {key: words[key] for key in keys if not words[key].skip} or dict.fromkeys(keys[:1], words[keys[0]])
            if own == _PARTICIPATION or len({tuple(sorted(says.words.items())) for says in said.values()}) == 1:
                return parts[keys.index(min(said, key=order.index))]
            return cell

        told = frame[path].drop_nulls().unique()
        several = told.filter(told.str.contains(SEVERAL, literal=True)).to_list()
        frame = frame.with_columns(pl.col(path).replace({cell: one(cell) for cell in several}))
    return frame


_PARTICIPATION = "DisciplineIncidentParticipationCode"


def _by_section(made: Translated, known: Known) -> Translated:
    """Return rows whose class the main format knows by its own identifier alone under that."""
    content = made.origin.content
    path = next((name for name in own_columns(content) if plain(name) == "sectionidentifier"), "")
    names = set(names_of("section_id", known).filter(~pl.col("kind").is_in(["title", "name"]))["value"])
    if not path or not names:
        return made
    whole, bare = made.frame["section_id"], content[path]
    known_whole = whole.is_in(list(names)).fill_null(value=False)
    known_bare = bare.is_in(list(names)).fill_null(value=False)
    return replace(made, frame=made.frame.with_columns(
        bare.zip_with(~known_whole & known_bare, whole).alias("section_id")))  # fmt: skip


# -- what another resource tells --------------------------------------------------------------------------------------


def _key(frame: pl.DataFrame, *names: str) -> pl.Expr:
    """Return the key that fields make, found by the last part of their paths."""
    own = {plain(name): name for name in reversed(own_columns(frame))}
    return pl.concat_str([pl.col(own[plain(name)]) if plain(name) in own else pl.lit(None, pl.String) for name in names],
                         separator=SEPARATOR)  # fmt: skip


def section_key(frame: pl.DataFrame) -> pl.Expr:
    """Return the key of the class of each row."""
    return _key(frame, *_PARTS)


def _sections(made: Translated, files: Files, known: Known, _: str) -> Translated:
    """Add the days of the session, and the course that is offered; without offerings a course has its local code."""
    frame = made.frame
    offered = files.rows("courseOfferings")
    if offered is not None:
        courses = offered.frame.select(
            _key(offered.frame, *_PARTS[:4]).alias("key"),
            _key(offered.frame, "educationOrganizationId", "courseCode").alias("course"),
        ).drop_nulls().unique("key", maintain_order=True)  # fmt: skip
        keys = made.origin.content.select(_key(made.origin.content, *_PARTS[:4]).alias("key"))
        course = keys.join(courses, on="key", how="left", maintain_order="left")["course"]
        frame = frame.with_columns(course.zip_with(course.is_not_null(), frame["course_id"]).alias("course_id"))
    if "terms" not in known.tables:
        return replace(made, frame=frame)
    days = latest(known.tables["terms"], ["term_id"]).select("term_id", "starts_on", "ends_on")
    frame = frame.join(days, on="term_id", how="left", maintain_order="left")
    names = dict(made.origin.names)
    names |= {"starts_on": names["term_id"], "ends_on": names["term_id"]}
    unknown = frame["starts_on"].is_null() & frame["term_id"].is_not_null()
    fault = Found("unknown_session", names["term_id"], "no session that was read is named so",
                  "Send it with the sessions, or correct it.", unknown)  # fmt: skip
    found = (*made.origin.found, fault) if unknown.any() else made.origin.found
    return Translated(frame, replace(made.origin, names=names, found=found))


def _years(read: Rows) -> Given:
    """Return the school years that the sessions of a school make: students stay for a year, and not for a session."""
    frame = read.frame
    begins, ends = (pl.col(name).str.to_date("%Y-%m-%d", strict=False) for name in ("beginDate", "endDate"))
    years = (
        frame.select(
            _key(frame, *_PARTS[:2]).alias("term_id"),
            pl.col("schoolYearTypeReference.schoolYear").alias("title"),
            begins.alias("starts_on"),
            ends.alias("ends_on"),
        )
        .drop_nulls()
        .group_by("term_id", "title", maintain_order=True)
        .agg(pl.col("starts_on").min(), pl.col("ends_on").max())
        .with_columns(pl.lit("school_year").alias("kind"))
    )
    return Given(f"{read.file} (school years)", years)


def _enrolments(made: Translated, _: Files, known: Known, __: str) -> Translated:
    """Add the school year in which a stay begins, of the stay's own school where years are a school's own."""
    terms = known.tables.get("terms")
    if terms is None or "kind" not in terms.columns:
        return made
    years = latest(terms, ["term_id"]).filter(pl.col("kind") == "school_year").select("term_id", "ends_on").sort("ends_on")
    content = made.origin.content
    stays = pl.DataFrame({"school": content["schoolReference.schoolId"], "on": content["entryDate"]}).with_columns(
        pl.col("on").str.replace(_TIME, "$1").str.to_date("%Y-%m-%d", strict=False)).with_row_index("row")  # fmt: skip
    pairs = stays.drop_nulls().join_where(years, pl.col("on") <= pl.col("ends_on"))
    own = pl.col("term_id").str.starts_with(pl.col("school") + SEPARATOR)
    shared = ~pl.col("term_id").str.contains(SEPARATOR, literal=True)
    first = pairs.filter(own | shared).sort("ends_on", "term_id").unique("row", keep="first", maintain_order=True)
    found = stays.join(first.select("row", "term_id", "ends_on"), on="row", how="left", maintain_order="left")
    return replace(
        made, frame=made.frame.with_columns(found["term_id"], found["ends_on"].cast(pl.String).alias("planned_end_on"))
    )


def _terms(made: Translated, _: Files, __: Known, ___: str) -> Translated:
    """Say what year a session is of, and what part of it, where its word is one of Ed-Fi's."""
    content = made.origin.content
    made = replace(made, frame=made.frame.with_columns(content.select(_key(content, *_PARTS[:2]).alias("parent_id"))))
    if "termDescriptor" not in content.columns:
        return made
    kind = content.select(_code("termDescriptor").replace_strict(dict(_SESSIONS), default=None)).to_series()
    return replace(made, frame=made.frame.with_columns(kind.alias("kind")))


def _code(path: str) -> pl.Expr:
    """Return a descriptor without its namespace and its spelling."""
    return pl.col(path).str.replace(r"^.*://[^#|]*#", "").str.to_lowercase().str.replace_all(r"[^a-z0-9|]", "")


def _courses(made: Translated, _: Files, __: Known, ___: str) -> Translated:
    """Say which courses are of English, mathematics, science or social studies; of others nobody says that they are not."""
    if "subject" not in made.frame.columns:
        return made
    core = pl.when(_code("subject").is_in(list(_CORE))).then(pl.lit("true")).otherwise(pl.lit(None, pl.String))
    return replace(made, frame=made.frame.with_columns(core.alias("core")))


def _skills(made: Translated, _: Files, __: Known, ___: str) -> Translated:
    """Add the year of school of a standard that is for one year alone."""
    content = made.origin.content
    path = next((name for name in own_columns(content) if plain(name) == "gradelevel"), "")
    if not path:
        return made
    codes = edfi_mappings()["studentschoolassociation"][0].codes["EntryGradeLevel"]
    levels = {plain(f"://#{code}"): says.words["grade_level"] for code, says in codes.items() if "grade_level" in says.words}
    level = content.select(_code(path).replace_strict(levels, default=None))
    return replace(made, frame=made.frame.with_columns(level.to_series().alias("grade_level")))


def _prerequisites(made: Translated, _: Files, __: Known, ___: str) -> Translated:
    """Take the standard that comes before from its reference: both are called ``learningStandardId``."""
    path = _NEEDS["learningStandards", "skill_prerequisites"][0]
    before = made.origin.content[path].alias("prerequisite_id")
    names = {**made.origin.names, "prerequisite_id": path}
    return Translated(made.frame.with_columns(before), replace(made.origin, names=names))


def _incidents(made: Translated, files: Files, _: Known, name: str) -> Translated:
    """Add the day of the incident, and what followed: the gravest of the actions, and the days of all that kept from class."""
    names = dict(made.origin.names) | {"occurred_on": made.origin.names["incident_id"]}
    frame = made.frame
    dated = files.rows("disciplineIncidents")
    if dated is not None and dated.frame.height:
        days = dated.frame.select(
            _key(dated.frame, *_INCIDENT).alias("incident_id"),
            pl.col("incidentDate").str.replace(_TIME, "$1").alias("occurred_on"),
        ).drop_nulls("incident_id").unique("incident_id", maintain_order=True)  # fmt: skip
        frame = frame.join(days, on="incident_id", how="left", maintain_order="left")
    else:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("occurred_on"))
    none = frame["occurred_on"].is_null() & frame["incident_id"].is_not_null()
    fault = Found("unknown_incident", names["incident_id"], "no incident with a date is named so",
                  "Send it with disciplineIncidents, or correct it.", none)  # fmt: skip
    found = [*made.origin.found, *([fault] if none.any() else [])]
    frame = frame.join(_actions(files), on=["incident_id", "student_id"], how="left", maintain_order="left")
    offends = (pl.col("role") == "perpetrator").fill_null(value=False)
    frame = frame.with_columns(
        pl.when(offends).then(pl.col("followed").fill_null("none")).otherwise(pl.lit("none")).alias("exclusion"),
        pl.when(offends & pl.col("followed").is_not_null()).then("days_excluded").alias("days_excluded"),
    ).drop("followed")  # fmt: skip
    # A student who broke two rules in one incident, or was hurt in it too, has two rows of it, and is in it once.
    more = frame.select(pl.struct("incident_id", "student_id").is_first_distinct()).to_series()
    if name == _OTHERS and (offences := files.rows(_OFFENCES)) is not None:
        told = offences.frame.select(
            _key(offences.frame, *_INCIDENT).alias("incident_id"), _key(offences.frame, "studentUniqueId").alias("student_id")
        ).unique().with_columns(told=pl.lit(value=True))  # fmt: skip
        more &= frame.join(told, on=["incident_id", "student_id"], how="left", maintain_order="left")["told"].is_null()
    more |= frame["incident_id"].is_null() | frame["student_id"].is_null()
    kept = [Found(one.code, one.column, one.problem, one.hint, one.rows.filter(more)) for one in found]
    again = int((~more).sum())
    why = "; ".join(part for part in (made.origin.why, f"{again:,} that tell more of the same incident" if again else "")
                    if part)  # fmt: skip
    origin = replace(made.origin, content=made.origin.content.filter(more), rows=made.origin.rows.filter(more), names=names,
                     found=tuple(kept), left_out=made.origin.left_out + again, why=why)  # fmt: skip
    return Translated(frame.filter(more), origin)


#: A moment of ISO 8601, of which the day is kept.
_TIME = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T[0-9:.]+(?:Z|[-+][0-9:]+)?$"


def _actions(files: Files) -> pl.DataFrame:
    """Return what followed for a student in an incident: ``followed`` (what kept from class) and ``days_excluded``."""
    schema = {"incident_id": pl.String, "student_id": pl.String, "followed": pl.String, "days_excluded": pl.String}
    read = files.rows("disciplineActions")
    if read is None or "disciplines.disciplineDescriptor" not in read.frame.columns:
        return pl.DataFrame(schema=schema)
    codes = next(one for one in edfi_mappings()["studentdisciplineincidentbehaviorassociation"]).codes["Discipline"]
    words = {plain(f"://#{code}"): says.words.get("exclusion", "none") for code, says in codes.items()}
    made: dict[tuple[str, str], list[tuple[str, float]]] = {}
    own = {plain(name): name for name in own_columns(read.frame)}
    for row in read.frame.iter_rows(named=True):
        told = [words.get(plain(part if "://" in part else f"://#{part}"), "none")
                for part in (row["disciplines.disciplineDescriptor"] or "").split(SEVERAL)]  # fmt: skip
        what = next((word for word in _GRAVEST if word in told), "")
        length = next((row[own[name]] for name in ("actualdisciplineactionlength", "disciplineactionlength")
                       if name in own and row[own[name]]), "")  # fmt: skip
        schools = (row[own["schoolid"]] or "").split(SEVERAL) if "schoolid" in own else []
        incidents = (row[own["incidentidentifier"]] or "").split(SEVERAL) if "incidentidentifier" in own else []
        student = row.get("studentReference.studentUniqueId")
        for at, incident in enumerate(incidents):
            if what and student and incident and schools:
                school = schools[at] if len(schools) == len(incidents) else schools[0]
                # The days of an action for several incidents are counted once.
                days = _number(length) if at == 0 else 0.0
                made.setdefault((f"{school}{SEPARATOR}{incident}", student), []).append((what, days))
    lines = []
    for (incident, student), kinds in made.items():
        gravest = next(word for word in _GRAVEST if any(word == kind for kind, _ in kinds))
        days = sum(length for _, length in kinds)
        lines.append((incident, student, gravest, f"{days:g}" if days else None))
    return pl.DataFrame(lines, schema=schema, orient="row")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


_FINISH: Mapping[str, Callable[[Translated, Files, Known, str], Translated]] = MappingProxyType(
    {
        "terms": _terms,
        "enrolments": _enrolments,
        "sections": _sections,
        "courses": _courses,
        "skills": _skills,
        "skill_prerequisites": _prerequisites,
        "incidents": _incidents,
    }
)

"""The files and columns of the OneRoster CSV binding, 1.1 and 1.2.1, and what becomes of each here.

Every file is a :class:`~features.tables.Table` whose columns stand in the binding's order. A column's ``says`` tells what
is made of it. ``use`` is ``never`` for columns that are not read beyond the header; of these, passwords and credentials
must not be. ``required`` marks the cells without which a row cannot be placed. The binding asks for a few more to be filled
(:data:`ASKED`): where these are empty the reading says so and goes on.

Sources: 1EdTech OneRoster 1.1 and 1.2 CSV bindings, as read by the public implementations of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from features.tables import Column, Table

TEXT, DAY, REAL, YES = pl.String(), pl.Date(), pl.Float64(), pl.Boolean()

#: The versions that are known, as ``oneroster.version`` of the manifest gives them.
VERSIONS = ("1.1", "1.2")

#: Without these nobody can be placed in a class: the first package must hold them.
REQUIRED = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")

#: A file of people's accounts and how they sign in: it is not opened.
SEALED = ("userProfiles",)

#: Columns that nobody reads, whichever file they are in: of a row that holds one nothing is kept but what is read.
SECRETS = ("password", "credentialType")

#: Files that are read, counted and left out, and why.
NO_PLACE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("classResources", "courseResources", "userResources"),
                  "the canonical tables tie a resource to skills, not to classes, courses or users")
)  # fmt: skip

STATUSES = ("active", "tobedeleted", "inactive")
ORG_TYPES = ("department", "school", "district", "local", "state", "national")
SESSION_TYPES = ("gradingPeriod", "semester", "schoolYear", "term")
USER_ROLES = ("administrator", "aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor",
              "relative", "siteAdministrator", "student", "systemAdministrator", "teacher")  # fmt: skip
ENROLLMENT_ROLES = ("administrator", "aide", "proctor", "student", "teacher")
SEXES = ("male", "female", "unspecified", "other")
SCORE_STATUSES = ("exempt", "fully graded", "not submitted", "partially graded", "submitted")
RACES: Mapping[str, str] = MappingProxyType(
    {
        "americanIndianOrAlaskaNative": "american indian or alaska native",
        "asian": "asian",
        "blackOrAfricanAmerican": "black or african american",
        "nativeHawaiianOrOtherPacificIslander": "native hawaiian or other pacific islander",
        "white": "white",
        "demographicRaceTwoOrMoreRaces": "two or more",
    }
)


def _col(name: str, says: str, dtype: pl.DataType = TEXT, *, required: bool = False, values: tuple[str, ...] = (),
         references: str = "", least: float | None = None) -> Column:  # fmt: skip
    return Column(name, dtype, says, "confidential", "join", required=required, values=values, references=references,
                  least=least)  # fmt: skip


def _unread(*names: str, says: str = "Not read.") -> tuple[Column, ...]:
    return tuple(Column(name, TEXT, says, "identity", "never") for name in names)


#: The three columns that every file begins with. In bulk files the last two should be empty; filled ones do no harm.
COMMON = (
    Column("sourcedId", TEXT, "Key of the row: a later package changes or deletes by it.", "confidential", "join",
           natural=True, required=True),
    _col("status", "`tobedeleted` deletes the row; `inactive`, of older exports, is read as the same.", values=STATUSES),
    _col("dateLastModified", "The day, in UTC, since which a later package's row is known; not read in the first package.",
         DAY),
)  # fmt: skip


def _file(name: str, says: str, *columns: Column) -> Table:
    return Table(name, says, (*COMMON, *columns))


def _ref(name: str, to: str, says: str, *, required: bool = True) -> Column:
    return _col(name, says, required=required, references=to if required else "")


_CLASS = _ref("classSourcedId", "classes", "The class.")
_LINE_ITEM = _ref("lineItemSourcedId", "lineItems", "The piece of work.")
_SCALE = _ref("scoreScaleSourcedId", "scoreScales", "The scale.")
_SOURCE = _col("source", "Not told apart: the id is the same skill.", values=("case", "unknown"))
_OBJECTIVE = _col("learningObjectiveId", "`skills`: the id, without `urn:uuid:`.", required=True)

_NAMES = (
    _col("givenName", "`identities`, `staff`, the name in `guardians`."),
    _col("familyName", "`identities`, `staff`, the name in `guardians`."),
    *_unread("middleName"),
    _col("identifier", "`identities.source_id`; joins companion tables; the same one on two rows is one person."),
    _col("email", "`staff.email`; joins companion tables."),
    *_unread("sms", "phone"),
    _col("agentSourcedIds", "`guardians`: from the student's row to the adult's, or the other way round."),
    _col("grades", "`enrolments.grade_level` of the latest year, in the codes of CEDS."),
    *_unread("password", says="Never read."),
)

_FILES_1_2 = (
    _file("orgs", "Schools and what is above them.",
        _col("name", "`organisations.name`."),
        _col("type", "`organisations.kind`.", required=True, values=ORG_TYPES),
        _col("identifier", "Joins companion tables."),
        _ref("parentSourcedId", "orgs", "`organisations.parent_id`.", required=False)),
    _file("academicSessions", "School years and their parts.",
        _col("title", "`terms.title`."),
        _col("type", "`terms.kind`.", required=True, values=SESSION_TYPES),
        _col("startDate", "`terms.starts_on`.", DAY, required=True),
        _col("endDate", "`terms.ends_on`: the last day, see the setting `exclusive_ends`.", DAY, required=True),
        _ref("parentSourcedId", "academicSessions", "`terms.parent_id`.", required=False),
        _col("schoolYear", "Tells the school year where no session of type schoolYear is above.")),
    _file("courses", "What is taught.",
        *_unread("schoolYearSourcedId"),
        _col("title", "`courses.title`."),
        *_unread("courseCode", "grades", "orgSourcedId"),
        _col("subjects", "`courses.subject`, the first; `courses.core` where the word is certain."),
        _col("subjectCodes", "`courses.core`, from the subject area of a SCED code.")),
    _file("classes", "Classes.",
        _col("title", "`sections.title`."),
        *_unread("grades"),
        _ref("courseSourcedId", "courses", "`sections.course_id`."),
        _col("classCode", "Joins companion tables."),
        *_unread("classType", "location"),
        _ref("schoolSourcedId", "orgs", "`sections.organisation_id`."),
        _col("termSourcedIds", "`sections.term_id`: the shortest session that covers them all; the days of the class.",
             required=True),
        *_unread("subjects", "subjectCodes", "periods")),
    _file("users", "People, one row for each, or one for each of their schools.",
        *_unread("enabledUser"),
        _col("username", "Joins companion tables."),
        _col("userIds", "Joins companion tables; the same one on two rows is one person."),
        *_NAMES,
        _col("userMasterIdentifier", "Joins companion tables; the same one on two rows is one person."),
        _col("preferredGivenName", "`identities.preferred_name`."),
        *_unread("preferredMiddleName", "preferredFamilyName", "primaryOrgSourcedId"),
        _col("pronouns", "`identities.pronouns`.")),
    _file("roles", "What somebody is, and where.",
        _ref("userSourcedId", "users", "Whose role it is."),
        *_unread("roleType"),
        _col("role", "Student, `staff_roles.role`, or `guardians.relation`.", required=True, values=USER_ROLES),
        _col("beginDate", "`staff_roles.begins_on`.", DAY),
        _col("endDate", "`staff_roles.ends_on`.", DAY),
        _ref("orgSourcedId", "orgs", "`staff_roles.organisation_id`."),
        *_unread("userProfileSourcedId")),
    _file("userProfiles", "Accounts and how people sign in: not opened.",
        *_unread("userSourcedId", "profileType", "vendorId", "applicationId", "description", says="The file is not opened."),
        *_unread("credentialType", "username", "password", says="Never read.")),
    _file("enrollments", "Who learns or teaches in which class.",
        _CLASS,
        *_unread("schoolSourcedId", says="Not read: the class names its school."),
        _ref("userSourcedId", "users", "`rosters` and `enrolments` of a student, `teaching` of a teacher."),
        _col("role", "`student` and `teacher`; rows of other roles are left out.", required=True, values=ENROLLMENT_ROLES),
        *_unread("primary"),
        _col("beginDate", "`rosters.begins_on`, or the first day of the class; `teaching.begins_on`; the earliest is "
             "`enrolments.entered_on`.", DAY),
        _col("endDate", "`rosters.ends_on`, `teaching.ends_on`: the last day, see the setting `exclusive_ends`.", DAY)),
    _file("demographics", "Groups, for the fairness audit alone.",
        _col("birthDate", "`demographics.age_band` at the start of the school year; tells people apart.", DAY),
        _col("sex", "`demographics.sex`.", values=SEXES),
        *(_col(name, "`demographics.ethnicity`.", YES) for name in RACES),
        _col("hispanicOrLatinoEthnicity", "`demographics.ethnicity`.", YES),
        *_unread("countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus")),
    _file("categories", "Kinds of work, and how much they count.",
        _col("title", "`assignments.kind` where the word is certain, else `other`."),
        _col("weight", "`assignments.weight`: spread over the category's work in a class, by its best score.", REAL, least=0)),
    _file("lineItems", "Pieces of work.",
        _col("title", "`assignments.title`."),
        *_unread("description", "assignDate"),
        _col("dueDate", "`assignments.due_on`.", DAY),
        _CLASS,
        _ref("categorySourcedId", "categories", "`assignments.kind` and `weight`.", required=False),
        *_unread("academicSessionSourcedId"),
        _col("resultValueMin", "The least score that a result may have.", REAL),
        _col("resultValueMax", "`assignments.max_score`: the best score.", REAL, least=0),
        *_unread("schoolSourcedId", says="Not read: the class names its school.")),
    _file("scoreScales", "What a mark in words is worth.",
        *_unread("title", "type", "orgSourcedId", "courseSourcedId"),
        _ref("classSourcedId", "classes", "The class that it is for, where no piece of work names a scale.", required=False),
        _col("scoreScaleValue", "A number for a word, such as `{A:94},{B:84}`; anything else is no number.", required=True)),
    _file("lineItemScoreScales", "The scale of a piece of work.", *_unread("title"), _LINE_ITEM, _SCALE),
    _file("results", "What became of a piece of work.",
        _LINE_ITEM,
        _ref("studentSourcedId", "users", "The student."),
        _col("scoreStatus", "`results.status`, `submissions`.", required=True, values=SCORE_STATUSES),
        _col("score", "`results.score`.", REAL),
        _col("scoreDate", "`results.marked_on`: nothing of the row is known before.", DAY, required=True),
        *_unread("comment"),
        _col("textScore", "`results.score` where there is no score and a scale gives a number for it."),
        _ref("classSourcedId", "classes", "Must be the class of the piece of work.", required=False),
        *_unread("inProgress", "incomplete"),
        _col("late", "`submissions.submitted_on` is then the day after the work was due.", YES),
        _col("missing", "`results.status` is then not_submitted, without a score.", YES)),
    _file("resultScoreScales", "The scale of a mark.", *_unread("title"),
        _ref("resultSourcedId", "results", "The result."), _SCALE),
    _file("lineItemLearningObjectiveIds", "The skills of work: `assignment_skills`.", _LINE_ITEM, _SOURCE, _OBJECTIVE),
    _file("resultLearningObjectiveIds", "Marks for single skills: `skill_results`.",
        _ref("resultSourcedId", "results", "The result."), _SOURCE, _OBJECTIVE,
        _col("score", "`skill_results.score_share`, of the best score of the piece of work.", REAL),
        _col("textScore", "The same, where a scale gives a number for it.")),
    _file("resources", "Things to learn from.",
        _col("vendorResourceId", "`resources.title` where there is none."),
        _col("title", "`resources.title`."),
        *_unread("roles", "importance", "vendorId", "applicationId")),
    _file("classResources", "Which class uses a resource.", *_unread("title", "classSourcedId", "resourceSourcedId")),
    _file("courseResources", "Which course uses a resource.", *_unread("title", "courseSourcedId", "resourceSourcedId")),
    _file("userResources", "Who uses a resource.",
        *_unread("userSourcedId", "orgSourcedId", "classSourcedId", "resourceSourcedId")),
)  # fmt: skip


def _older(table: Table) -> Table:
    """Return a file of 1.2 as 1.1 has it."""
    by_name = {column.name: column for column in table.columns}
    match table.name:
        case "users":
            columns = (
                *COMMON,
                by_name["enabledUser"],
                _col("orgSourcedIds", "`staff_roles.organisation_id`, one role in each."),
                _col("role", "Student, `staff_roles.role`, or `guardians.relation`.", required=True, values=USER_ROLES),
                by_name["username"],
                by_name["userIds"],
                *_NAMES,
            )
        case "categories":
            columns = (*COMMON, by_name["title"])
        case "lineItems":
            columns = tuple(
                _unread("gradingPeriodSourcedId")[0] if one.name == "academicSessionSourcedId" else one
                for one in table.columns
                if one.name != "schoolSourcedId"
            )
        case "results":
            columns = tuple(one for one in table.columns if one.name not in _NEW_IN_RESULTS)
        case _:
            columns = table.columns
    return Table(table.name, table.says, columns)


_NEW_IN_RESULTS = ("textScore", "classSourcedId", "inProgress", "incomplete", "late", "missing")
_NEW_FILES = ("roles", "userProfiles", "scoreScales", "lineItemScoreScales", "resultScoreScales",
              "lineItemLearningObjectiveIds", "resultLearningObjectiveIds", "userResources")  # fmt: skip

#: The files of each version by name, in the order in which they are read: what is referred to comes first.
FILES: Mapping[str, Mapping[str, Table]] = MappingProxyType(
    {
        "1.1": MappingProxyType({one.name: _older(one) for one in _FILES_1_2 if one.name not in _NEW_FILES}),
        "1.2": MappingProxyType({one.name: one for one in _FILES_1_2}),
    }
)

#: Cells that the binding wants filled and that are read, but whose absence makes no row wrong.
ASKED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "orgs": ("name",), "academicSessions": ("title", "schoolYear"), "courses": ("title",), "classes": ("title",),
        "users": ("username", "givenName", "familyName"), "categories": ("title",),
        "lineItems": ("title", "dueDate", "categorySourcedId"), "resources": ("vendorResourceId",),
    }
)  # fmt: skip

#: Lists of references: where some of the rows that they name are not there, the others are used.
LISTS: Mapping[str, Mapping[str, str]] = MappingProxyType({"classes": MappingProxyType({"termSourcedIds": "academicSessions"})})

#: References without which a row can be placed all the same: one to nothing is told, and taken for none.
LOOSE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "orgs": {"parentSourcedId": "orgs"},
        "academicSessions": {"parentSourcedId": "academicSessions"},
        "lineItems": {"categorySourcedId": "categories"},
        "scoreScales": {"classSourcedId": "classes"},
    }
)


def read_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns of a file that are read at all."""
    return tuple(column for column in table.columns if column.use != "never")


def as_markdown() -> str:
    """Return the tables of ``docs/oneroster.md``: every file and column, and what is made of it."""
    lines: list[str] = []
    for name, table in FILES["1.2"].items():
        older = FILES["1.1"].get(name)
        lines += [f"### {name}.csv", "", f"{table.says}{'' if older else ' Only in 1.2.'}", ""]
        lines += ["| column | what is made of it | in |", "|---|---|---|"]
        mine = {column.name: column for column in table.columns}
        theirs = {column.name: column for column in older.columns} if older else {}
        for column in (*table.columns[3:], *(one for one in theirs.values() if one.name not in mine)):
            where = "both" if column.name in mine and column.name in theirs else "1.2" if column.name in mine else "1.1"
            bold = f"**`{column.name}`**" if column.required else f"`{column.name}`"
            lines.append(f"| {bold} | {column.says} | {where} |")
        lines.append("")
    return "\n".join(lines)

"""How student information systems name their columns, and words that say by themselves what they mean.

Names are compared in small letters and digits alone. What is here is only ever a proposal: a school office looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_STUDENT = ("student number", "student id", "student", "stu id", "stu num", "student no", "student nbr", "local id", "lasid",
            "local student id", "student local id", "sis id", "pupil id", "pupil number", "learner id", "student unique id",
            "student code", "perm id", "permanent number", "sasid", "state student id", "upn", "schuelernummer", "schuelerid",
            "numero eleve", "matricula", "leerlingnummer")  # fmt: skip
_SCHOOL = ("school id", "school", "school code", "school number", "school name", "building", "building code", "campus",
           "campus id", "site", "org id", "schule")  # fmt: skip
_SECTION = ("section id", "section", "section number", "class id", "class code", "class", "course section", "crn", "klasse",
            "section code")  # fmt: skip
_COURSE = ("course id", "course number", "course code", "course", "course no")
_TERM = ("term id", "term", "marking period", "grading period", "store code", "quarter", "semester", "term code")
_STAFF = ("teacher id", "staff id", "teacher number", "employee id", "staff number", "teacher")
_WORK = ("assignment id", "assignment", "line item id", "task id", "assessment id")
_DAY = ("date", "day", "datum", "fecha", "data", "cal date", "calendar date")

#: For each column of any table, the names that systems give it.
COMMON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"student_id": _STUDENT, "organisation_id": _SCHOOL, "section_id": _SECTION, "course_id": _COURSE, "term_id": _TERM,
     "staff_id": _STAFF, "assignment_id": _WORK,
     "known_on": ("entered on", "date entered", "last modified", "last modified date", "when created", "created on",
                  "created date", "modified on", "date created")}
)  # fmt: skip

#: For columns of one table, further names.
OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "attendance": {
            "on": ("att date", "attendance date", "absence date", "event date", *_DAY),
            "status": ("att code", "attendance code", "absence type", "absence code", "attendance type", "attendance status",
                       "code", "status", "presence", "attendance event category", "daily code", "reason code"),
            "absent_share": ("periods missed", "periods", "minutes", "periods absent", "minutes absent", "minutes missed",
                             "hours absent",
                             "hours missed", "days absent", "absence value", "absence amount", "day portion", "portion",
                             "event duration", "absent share", "fehlstunden"),
            "excused": ("excused", "is excused", "excused flag", "entschuldigt"),
        },
        "section_attendance": {
            "on": ("att date", "attendance date", "absence date", "event date", *_DAY),
            "status": ("att code", "attendance code", "absence type", "absence code", "attendance type", "attendance status",
                       "code", "status", "presence", "attendance event category", "period code"),
        },
        "calendar": {
            "on": _DAY, "instructional": ("in session", "school day", "day type", "instructional day", "insession",
                  "membership"),
        },
        "enrolments": {
            "enrolment_id": ("enrollment id", "enrolment id"),
            "entered_on": ("entry date", "enroll date", "enrollment date", "enrolment date", "start date", "admit date",
                           "admission date", "begin date", "date enrolled"),
            "planned_end_on": ("expected exit date", "planned end date", "expected end date", "expected leaving date"),
            "grade_level": ("grade level", "grade", "year level", "year group", "grade lvl", "klassenstufe"),
            "entry_type": ("entry code", "entry type", "enrollment code"),
            "repeats_grade": ("repeat grade", "retained", "repeating", "repeat grade indicator"),
        },
        "exits": {
            "enrolment_id": ("enrollment id", "enrolment id"),
            "exited_on": ("exit date", "withdrawal date", "withdraw date", "leave date", "leaving date", "end date",
                          "date left"),
            "kind": ("exit code", "exit reason", "exit type", "withdrawal code", "withdrawal reason", "withdraw code",
                     "leave reason", "exit withdraw type", "reason for leaving"),
        },
        "rosters": {
            "begins_on": ("date enrolled", "start date", "begin date", "entry date"),
            "ends_on": ("date left", "end date", "drop date", "exit date"),
        },
        "incidents": {
            "incident_id": ("incident id", "incident number", "referral id", "referral number", "incident no"),
            "occurred_on": ("incident date", "referral date", "offense date", *_DAY),
            "conduct": ("behavior", "behaviour", "behavior code", "offense", "offense code", "infraction", "incident type"),
            "role": ("role", "participation", "participant role", "incident role"),
            "exclusion": ("action", "action code", "consequence", "discipline", "disposition", "sanction", "action taken"),
            "days_excluded": ("days suspended", "suspension days", "action days", "days excluded", "duration days", "days"),
        },
        "assignments": {
            "title": ("assignment name", "title", "name", "description"),
            "kind": ("category", "assignment type", "type", "category name"),
            "due_on": ("due date", "date due"),
            "weight": ("weight", "weighting"),
            "max_score": ("points possible", "max points", "max score", "total points", "out of"),
        },
        "submissions": {"submitted_on": ("submitted date", "submission date", "date submitted", "turned in", "handed in")},
        "results": {
            "status": ("score status", "status", "submission status"),
            "score": ("score", "points", "points earned", "score points", "mark"),
            "marked_on": ("score date", "scored date", "graded date", "date graded", "score entry date", "mark date"),
        },
        "activity": {
            "on": ("activity date", "event date", "login date", *_DAY),
            "kind": ("event type", "activity type", "tool", "kind", "resource type"),
            "actions": ("clicks", "events", "actions", "page views", "count", "views", "hits"),
            "resources": ("resources", "unique resources", "pages", "items"),
        },
        "course_marks": {
            "mark_share": ("percent", "percentage", "grade percent", "numeric grade", "final percent", "final numerical grade",
                           "mark", "numeric grade earned", "average"),
            "letter": ("letter grade", "grade", "final grade", "letter", "letter grade earned"),
            "credits_tried": ("potential credits", "potential cr hrs", "credits attempted", "attempted credits"),
            "credits_earned": ("earned credits", "earned cr hrs", "credits earned"),
            "decided_on": ("stored date", "date stored", "grade date", "posted date", "report date", "date posted"),
        },
        "outcomes": {
            "result": ("result", "outcome", "pass fail", "final result", "course attempt result"),
            "decided_on": ("stored date", "date stored", "grade date", "posted date", "report date"),
        },
        "skill_results": {
            "skill_id": ("standard", "standard id", "standard code", "skill", "learning standard id", "objective"),
            "evidence_id": ("assignment id", "assessment id", "evidence id"),
            "occurred_on": ("assessment date", "test date", "administration date", *_DAY),
            "score_share": ("percent", "score percent", "percent correct", "percentage"),
        },
        "identities": {
            "source_id": ("source id", "sourced id", "dcid", "state id"),
            "given_name": ("first name", "given name", "forename", "first", "vorname", "legal first name"),
            "family_name": ("last name", "family name", "surname", "last", "nachname", "legal last name"),
            "preferred_name": ("preferred name", "nickname", "preferred first name"),
        },
        "demographics": {
            "sex": ("gender", "sex"), "ethnicity": ("ethnicity", "race", "race ethnicity", "ethnic group", "fed ethnicity"),
            "home_language": ("home language", "primary language", "language", "muttersprache"),
            "low_income": ("low income", "frl", "free reduced lunch", "economically disadvantaged", "lunch status",
                           "pupil premium"),
            "disability": ("disability", "special education", "sped", "iep", "sen"),
        },
        "digital_access": {
            "recorded_on": ("date recorded", "survey date", "recorded on", *_DAY),
            "device": ("device", "home device", "device access", "device at home"),
            "internet": ("internet", "home internet", "internet access", "connection"),
        },
    }
)  # fmt: skip

#: Parts of a file's name that speak of a table.
FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"attendance": ("attend", "absen", "fehl"), "section_attendance": ("period", "class att", "section att"),
     "calendar": ("calend",), "enrolments": ("enrol",), "exits": ("exit", "withdraw", "leaver"), "rosters": ("roster",),
     "incidents": ("incid", "discipl", "behav", "referral", "conduct"), "assignments": ("assignment",),
     "results": ("score", "result"), "submissions": ("submission",), "course_marks": ("mark", "grade", "storedgrade", "report"),
     "outcomes": ("outcome", "final"), "activity": ("activity", "lms", "login", "click"), "skill_results": ("standard",
                  "skill"),
     "identities": ("student", "pupil"), "demographics": ("demogr",), "digital_access": ("device", "internet", "access")}
)  # fmt: skip

_ABSENT, _WHOLE = {"status": "absent"}, {"absent_share": 1.0}
_LATE, _PRESENT = {"status": "late", "absent_share": 0.0}, {"status": "present", "absent_share": 0.0}

#: For each column, words that say what they mean: spelt out, so that nobody need guess.
WORDS: Mapping[str, Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "status": {
            "present": _PRESENT, "in attendance": _PRESENT, "tardy": _LATE, "late": _LATE, "absent": _ABSENT,
                       "absence": _ABSENT,
            "excused absence": _ABSENT | {"excused": True}, "absent excused": _ABSENT | {"excused": True},
            "excused": _ABSENT | {"excused": True}, "unexcused absence": _ABSENT | {"excused": False},
            "absent unexcused": _ABSENT | {"excused": False}, "unexcused": _ABSENT | {"excused": False},
            "anwesend": _PRESENT, "abwesend": _ABSENT, "entschuldigt": _ABSENT | {"excused": True},
            "unentschuldigt": _ABSENT | {"excused": False}, "absence justifiee": _ABSENT | {"excused": True},
                              "ausente": _ABSENT,
            "presente": _PRESENT,
        },
        "kind": {
            "graduated": {"kind": "completed"}, "graduate": {"kind": "completed"}, "end of school year": {"kind": "completed"},
            "drop out": {"kind": "dropout"}, "dropped out": {"kind": "dropout"}, "transfer": {"kind": "transferred"},
            "transferred out": {"kind": "transferred"}, "withdrew": {"kind": "withdrawn"}, "withdrawal": {"kind": "withdrawn"},
            "died": {"kind": "deceased"}, "expulsion": {"kind": "expelled"}, "noshow": {"kind": "no_show"},
        },
        "conduct": {
            "state offense": {"conduct": "state_offence"}, "school code of conduct": {"conduct": "code_of_conduct"},
        },
        "exclusion": {
            "in school suspension": {"exclusion": "in_school"}, "out of school suspension": {"exclusion": "out_of_school"},
            "expulsion": {"exclusion": "out_of_school"}, "no action for incident": {"exclusion": "none"},
        },
        "result": {"passed": {"result": "pass"}, "failed": {"result": "fail"}},
        "instructional": {
            "instructional day": {"instructional": True}, "make up day": {"instructional": True},
                                 "holiday": {"instructional": False},
            "non instructional day": {"instructional": False}, "weekend": {"instructional": False},
        },
        "grade_level": {
            "k": {"grade_level": 0}, "kg": {"grade_level": 0}, "kindergarten": {"grade_level": 0},
        },
    }
)  # fmt: skip

#: Columns that say who somebody is. Where a table has no place for them they are left where they are.
NAMES = ("first name", "last name", "middle name", "student name", "name", "full name", "surname", "given name", "family name",
         "email", "phone", "address", "street", "guardian", "parent", "ssn", "dob", "birth date", "birthdate", "date of birth",
         "last first", "lastfirst")  # fmt: skip

"""The canonical tables: what a school's records may hold, and what each column may be used for.

A table is a value: columns with a type, a key role, a sensitivity label and **one permitted use**. The use is
what the rest of the house obeys: only ``feature`` columns may be read by a feature, only ``label`` columns by a
target, only the audit reads ``audit_only``, and ``never`` is not kept at all.

One row is one thing learned at one time. A hand-in, its mark, and an exit are rows of their own, so that each can
be known on its own day. Every table also holds the three columns of :data:`VERSION_COLUMNS`: whose row it is
(``tenant``), since when it is known (``known_on``), and whether this version deletes the row (``deleted``).

The names follow Ed-Fi and OneRoster where these have one; the shape is that of ``docs/records.md``, which is
generated from this file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import polars as pl

Sensitivity = Literal["internal", "confidential", "restricted", "identity"]
Use = Literal["feature", "label", "join", "display_only", "audit_only", "never"]
Grain = Literal["student", "enrolment", "section", "skill"]

#: The key columns of each grain, coarse to fine. A skill is learned in a section, so its unit carries the section.
GRAIN_KEYS: Mapping[Grain, tuple[str, ...]] = MappingProxyType(
    {
        "student": ("student_id",),
        "enrolment": ("student_id", "enrolment_id"),
        "section": ("student_id", "enrolment_id", "section_id"),
        "skill": ("student_id", "enrolment_id", "section_id", "skill_id"),
    }
)

#: Columns that every stored row has beside its own.
VERSION_COLUMNS: Mapping[str, pl.DataType] = MappingProxyType(
    {"tenant": pl.String(), "known_on": pl.Date(), "deleted": pl.Boolean()}
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    ``key`` is ``natural`` for the columns that together name a row (versions of the row share them), or
    ``references`` names the table in which the value must be found. ``values`` lists the only words allowed;
    ``least`` and ``most`` bound a number.
    """

    name: str
    type: pl.DataType
    says: str
    sensitivity: Sensitivity
    use: Use
    natural: bool = False
    references: str = ""
    required: bool = False
    values: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One canonical table.

    ``event`` names the column that dates what happened; on a first import a row is known ``lag_days`` after it,
    unless the row says otherwise. A table without ``event`` holds what is published before anybody enrols.
    """

    name: str
    says: str
    columns: tuple[Column, ...]
    event: str = ""
    lag_days: int = 0

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The columns that name a row, whichever its version."""
        return tuple(column.name for column in self.columns if column.natural)

    @property
    def by_student(self) -> bool:
        """Whether a row belongs to one student, and so lies in that student's bucket."""
        return any(column.name == "student_id" for column in self.columns)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column names and types as they lie on disk, the version columns included."""
        return {column.name: column.type for column in self.columns} | dict(VERSION_COLUMNS)

    def column(self, name: str) -> Column:
        """Return a column by name; raise :class:`KeyError` where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    def used_for(self, *uses: Use) -> tuple[str, ...]:
        """Return the names of the columns whose permitted use is one of ``uses``."""
        return tuple(column.name for column in self.columns if column.use in uses)


TEXT, DAY, WHOLE, REAL, YES = pl.String(), pl.Date(), pl.Int32(), pl.Float64(), pl.Boolean()


def _student(*, natural: bool = False) -> Column:
    return Column("student_id", TEXT, "The school's pseudonymous key of the student.", "confidential", "join",
                  natural=natural, references="students", required=True)  # fmt: skip


def _enrolment(*, natural: bool = False, references: str = "enrolments") -> Column:
    return Column("enrolment_id", TEXT, "The stay at a school (or on a module) that this belongs to.", "confidential",
                  "join", natural=natural, references=references, required=True)  # fmt: skip


def _section(*, natural: bool = False) -> Column:
    return Column("section_id", TEXT, "The class: one course, in one term, with one roster.", "internal", "join",
                  natural=natural, references="sections", required=True)  # fmt: skip


def _organisation(*, natural: bool = False) -> Column:
    return Column("organisation_id", TEXT, "The school or district.", "internal", "join", natural=natural,
                  references="organisations", required=True)  # fmt: skip


def _term() -> Column:
    return Column("term_id", TEXT, "The grading period that it is for.", "internal", "join", natural=True, references="terms",
                  required=True)  # fmt: skip


def _staff(*, natural: bool = False) -> Column:
    return Column("staff_id", TEXT, "Who works at the school.", "confidential", "join", natural=natural, references="staff",
                  required=True)  # fmt: skip


def _skill(name: str, says: str) -> Column:
    return Column(name, TEXT, says, "internal", "join", natural=True, references="skills", required=True)


def _grade(says: str, use: Use, sensitivity: Sensitivity = "internal") -> Column:
    return Column("grade_level", WHOLE, says, sensitivity, use, least=0, most=13)


#: A number of clicks, points or percent above this is a slip of the keyboard.
MOST = 1_000_000

EXIT_KINDS = ("completed", "withdrawn", "dropout", "transferred", "expelled", "no_show", "deceased", "other", "unknown")
ASSIGNMENT_KINDS = ("tutor_marked", "computer_marked", "exam", "homework", "quiz", "project", "other")
ACTIVITY_KINDS = ("content", "discussion", "quiz", "navigation", "live", "other")
RESULT_STATUSES = ("graded", "exempt", "banked", "submitted", "not_submitted", "partial")
COURSE_RESULTS = ("pass", "distinction", "fail", "withdrawn", "incomplete")
TERM_KINDS = ("school_year", "semester", "term", "grading_period")
ENTRY_TYPES = ("new", "next_year", "re_entry", "transfer", "other")
PRESENCE = ("present", "absent", "late")
MODES = ("in_person", "remote", "home_or_hospital")
CONDUCTS = ("state_offence", "school_violation", "code_of_conduct", "other")
INCIDENT_ROLES = ("perpetrator", "victim", "witness", "bystander")
EXCLUSIONS = ("none", "in_school", "out_of_school")
CONSTRUCTS = ("belonging", "self_management", "social_awareness", "growth_mindset", "self_efficacy", "emotion_regulation",
              "supportive_relationships")  # fmt: skip
DEVICES = ("own", "shared", "none", "unknown")
CONNECTIONS = ("broadband", "mobile_only", "none", "unknown")
PLAN_KINDS = ("disability_plan", "reasonable_adjustments", "language_support", "health_plan")
CONTACT_RESTRICTIONS = ("none", "no_contact", "court_order")
STAFF_ROLES = ("teacher", "counselor", "principal", "district_analyst", "ministry_analyst", "data_scientist", "administrator",
               "interventionist")  # fmt: skip
PROMPTS = ("proud_of", "best_qualities", "activities_and_interests", "nervous_or_stressed", "how_i_learn_best",
           "trusted_adult", "my_goal", "other_share")  # fmt: skip
SUPPORT_RESULTS = ("goal_met", "partly_met", "not_met", "moved_away", "no_longer_needed", "declined")
LEARNING_PLAN_STATUSES = ("draft", "student_reviewed", "agreed", "active", "completed", "withdrawn")

_TABLES = (
    Table(
        "organisations",
        "A ministry, district or school.",
        (
            Column("organisation_id", TEXT, "Key of the organisation.", "internal", "join", natural=True, required=True),
            Column("name", TEXT, "Its name.", "internal", "display_only"),
            Column("kind", TEXT, "What it is.", "internal", "join", required=True,
                   values=("national", "state", "local", "district", "school", "department", "university")),
            Column("parent_id", TEXT, "The organisation above it.", "internal", "join"),
            Column("region", TEXT, "The district or region by which schools are compared.", "internal", "join"),
            Column("attendance_method", TEXT, "Whether only exceptions are recorded, or every day.", "internal", "join",
                   values=("negative", "positive")),
        ),
    ),
    Table(
        "terms",
        "A teaching period with a beginning and an end.",
        (
            Column("term_id", TEXT, "Key of the term.", "internal", "join", natural=True, required=True),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            Column("starts_on", DAY, "First day.", "internal", "join", required=True),
            Column("ends_on", DAY, "Last day.", "internal", "join", required=True),
            Column("kind", TEXT, "What part of a year it is.", "internal", "join", values=TERM_KINDS),
            Column("parent_id", TEXT, "The longer term that it is part of.", "internal", "join"),
        ),
    ),
    Table(
        "calendar",
        "The days of a school, and whether it teaches on them: what attendance is counted of.",
        (
            _organisation(natural=True),
            Column("on", DAY, "The day.", "internal", "feature", natural=True, required=True),
            Column("instructional", YES, "The school teaches on this day.", "internal", "feature", required=True),
        ),
    ),
    Table(
        "courses",
        "What is taught, whoever teaches it and whenever.",
        (
            Column("course_id", TEXT, "Key of the course.", "internal", "join", natural=True, required=True),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            Column("subject", TEXT, "Its subject.", "internal", "join"),
            Column("core", YES, "It is a course of English, mathematics, science or social studies.", "internal", "feature"),
        ),
    ),
    Table(
        "sections",
        "A class: one course, in one term, with one roster.",
        (
            Column("section_id", TEXT, "Key of the class.", "internal", "join", natural=True, required=True),
            Column("course_id", TEXT, "The course it teaches.", "internal", "join", references="courses", required=True),
            Column("term_id", TEXT, "The term it runs in.", "internal", "join", references="terms", required=True),
            Column("organisation_id", TEXT, "The school that runs it.", "internal", "join", references="organisations",
                   required=True),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            Column("starts_on", DAY, "First day of teaching.", "internal", "feature", required=True),
            Column("ends_on", DAY, "Planned last day.", "internal", "feature", required=True),
        ),
    ),
    Table(
        "students",
        "Who learns. A key and nothing else: names are in identities, demographics in demographics.",
        (
            Column("student_id", TEXT, "The school's pseudonymous key of the student.", "confidential", "join",
                   natural=True, required=True),
        ),
    ),
    Table(
        "identities",
        "Names and the school's own numbers, apart from everything else.",
        (
            _student(natural=True),
            Column("source_id", TEXT, "The identifier in the school's own system.", "identity", "display_only"),
            Column("given_name", TEXT, "Given name.", "identity", "display_only"),
            Column("family_name", TEXT, "Family name.", "identity", "display_only"),
            Column("preferred_name", TEXT, "The name the student wants to be called.", "identity", "display_only"),
            Column("pronouns", TEXT, "The pronouns the student uses.", "identity", "display_only"),
        ),
    ),
    Table(
        "demographics",
        "Who the student is by group: read by the fairness audit and by nothing else.",
        (
            _student(natural=True),
            Column("sex", TEXT, "Sex as recorded.", "restricted", "audit_only"),
            Column("age_band", TEXT, "Age in bands.", "restricted", "audit_only"),
            Column("disability", YES, "A disability is recorded.", "restricted", "audit_only"),
            Column("deprivation_band", TEXT, "Band of the neighbourhood's deprivation index.", "restricted", "audit_only"),
            Column("region", TEXT, "Region of the home.", "restricted", "audit_only"),
            Column("prior_education", TEXT, "Highest education before this.", "restricted", "audit_only"),
            Column("ethnicity", TEXT, "Ethnic group as the student or family gave it.", "restricted", "audit_only"),
            Column("home_language", TEXT, "The language spoken at home.", "restricted", "audit_only"),
            Column("low_income", YES, "The family is recorded as one of low income.", "restricted", "audit_only"),
        ),
    ),
    Table(
        "enrolments",
        "A student's stay at a school, or on a module.",
        (
            _enrolment(natural=True, references=""),
            _student(),
            Column("organisation_id", TEXT, "The school.", "internal", "join", references="organisations", required=True),
            Column("term_id", TEXT, "The term or school year it belongs to.", "internal", "join", references="terms"),
            Column("entered_on", DAY, "The day it began.", "confidential", "feature"),
            Column("planned_end_on", DAY, "The day it is planned to end.", "confidential", "join", required=True),
            Column("previous_attempts", WHOLE, "How often the student took this before.", "confidential", "feature", least=0,
                   most=50),
            Column("credits_load", REAL, "Credits studied at the same time.", "confidential", "feature", least=0, most=2_000),
            _grade("The year of school, 0 for kindergarten.", "feature", "confidential"),
            Column("repeats_grade", YES, "The student is in this year of school for the second time.", "confidential",
                   "feature"),
            Column("entry_type", TEXT, "How the student came to the school.", "confidential", "join", values=ENTRY_TYPES),
        ),
        event="entered_on",
    ),
    Table(
        "exits",
        "The end of a stay before or at its plan.",
        (
            _enrolment(natural=True),
            _student(),
            Column("exited_on", DAY, "The day the student left.", "confidential", "join", required=True),
            Column("kind", TEXT, "How the stay ended.", "restricted", "label", required=True, values=EXIT_KINDS),
        ),
        event="exited_on",
    ),
    Table(
        "rosters",
        "Who sits in which class.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            Column("begins_on", DAY, "First day in this class.", "confidential", "join"),
            Column("ends_on", DAY, "Last day in this class, once known.", "confidential", "join"),
        ),
        event="begins_on",
    ),
    Table(
        "attendance",
        "A day that was not an ordinary full day in person, or every day at a school that records presence.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            Column("on", DAY, "The day.", "confidential", "feature", natural=True, required=True),
            Column("status", TEXT, "Present, absent or late.", "confidential", "feature", required=True, values=PRESENCE),
            Column("absent_share", REAL, "Share of the school day that was missed.", "confidential", "feature", required=True,
                   least=0, most=1),
            Column("excused", YES, "The school excused the absence.", "confidential", "feature"),
            Column("mode", TEXT, "Where the student was taught.", "confidential", "feature", values=MODES),
            Column("exclusion", YES, "The school kept the student away: a suspension out of school.", "confidential",
                   "feature"),
        ),
        event="on",
        lag_days=1,
    ),
    Table(
        "section_attendance",
        "A class that a student came to or missed, at a school that records it by class.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            Column("on", DAY, "The day.", "confidential", "feature", natural=True, required=True),
            Column("status", TEXT, "Present, absent or late.", "confidential", "feature", required=True, values=PRESENCE),
        ),
        event="on",
        lag_days=1,
    ),
    Table(
        "incidents",
        "A student's part in an incident of conduct, without its story. A feature counts rows of a perpetrator only.",
        (
            Column("incident_id", TEXT, "Key of the incident.", "confidential", "join", natural=True, required=True),
            _student(natural=True),
            _enrolment(),
            Column("occurred_on", DAY, "The day it happened.", "confidential", "feature", required=True),
            Column("conduct", TEXT, "Which rule it broke.", "restricted", "display_only", values=CONDUCTS),
            Column("role", TEXT, "The student's part in it.", "restricted", "join", required=True, values=INCIDENT_ROLES),
            Column("exclusion", TEXT, "Whether the student was kept from class, and where.", "confidential", "feature",
                   required=True, values=EXCLUSIONS),
            Column("days_excluded", REAL, "School days lost to the exclusion.", "confidential", "feature", least=0, most=366),
        ),
        event="occurred_on",
        lag_days=1,
    ),
    Table(
        "assignments",
        "Work that a class is asked to hand in, and exams.",
        (
            Column("assignment_id", TEXT, "Key of the piece of work.", "internal", "join", natural=True, required=True),
            _section(),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            Column("kind", TEXT, "How it is marked.", "internal", "feature", required=True, values=ASSIGNMENT_KINDS),
            Column("due_on", DAY, "The day it is due.", "internal", "feature"),
            Column("weight", REAL, "Its weight in the course mark, in percent.", "internal", "feature", least=0, most=MOST),
            Column("max_score", REAL, "The best score there is.", "internal", "feature", least=0, most=MOST),
        ),
    ),
    Table(
        "submissions",
        "Work that was handed in.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            Column("assignment_id", TEXT, "The piece of work.", "internal", "join", natural=True, references="assignments",
                   required=True),
            Column("submitted_on", DAY, "The day it was handed in.", "confidential", "feature", required=True),
        ),
        event="submitted_on",
    ),
    Table(
        "results",
        "What a marker said of a piece of work.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            Column("assignment_id", TEXT, "The piece of work.", "internal", "join", natural=True, references="assignments",
                   required=True),
            Column("status", TEXT, "Graded, or why not.", "confidential", "feature", required=True, values=RESULT_STATUSES),
            Column("score", REAL, "The score, out of the assignment's best.", "confidential", "feature", least=0, most=MOST),
            Column("marked_on", DAY, "The day the mark was given.", "confidential", "feature", required=True),
        ),
        event="marked_on",
    ),
    Table(
        "activity",
        "What a student did in an online classroom, by day and kind.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            Column("on", DAY, "The day.", "confidential", "feature", natural=True, required=True),
            Column("kind", TEXT, "The kind of thing opened.", "confidential", "feature", natural=True, required=True,
                   values=ACTIVITY_KINDS),
            Column("actions", WHOLE, "Clicks or events.", "confidential", "feature", required=True, least=0, most=MOST),
            Column("resources", WHOLE, "Different things opened.", "confidential", "feature", required=True, least=0,
                   most=MOST),
        ),
        event="on",
    ),
    Table(
        "course_marks",
        "A report-card mark: what a class gave a student for a grading period.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            _term(),
            Column("mark_share", REAL, "The mark as a share of the best there is.", "confidential", "feature", least=0, most=1),
            Column("letter", TEXT, "The mark as it was written.", "confidential", "display_only"),
            Column("credits_tried", REAL, "Credits that the course was taken for.", "confidential", "feature", least=0,
                   most=2_000),
            Column("credits_earned", REAL, "Credits that it brought.", "confidential", "feature", least=0, most=2_000),
            Column("decided_on", DAY, "The day it was decided.", "confidential", "feature", required=True),
        ),
        event="decided_on",
    ),
    Table(
        "skills",
        "What is to be learned (a CASE item where there is one).",
        (
            Column("skill_id", TEXT, "Key of the skill.", "internal", "join", natural=True, required=True),
            Column("statement", TEXT, "What a student can do who has it.", "internal", "display_only"),
            Column("subject", TEXT, "Its subject.", "internal", "join"),
            _grade("The year of school in which it is taught, 0 for kindergarten.", "join"),
        ),
    ),
    Table(
        "skill_prerequisites",
        "Which skills come before a skill.",
        (
            _skill("skill_id", "The skill."),
            _skill("prerequisite_id", "A skill that is learned before it."),
        ),
    ),
    Table(
        "assignment_skills",
        "Which skills a piece of work gives evidence of.",
        (
            Column("assignment_id", TEXT, "The piece of work.", "internal", "join", natural=True, references="assignments",
                   required=True),
            Column("skill_id", TEXT, "The skill.", "internal", "join", natural=True, references="skills", required=True),
        ),
    ),
    Table(
        "skill_results",
        "Evidence of one skill on one occasion.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            Column("skill_id", TEXT, "The skill.", "internal", "join", natural=True, references="skills", required=True),
            Column("evidence_id", TEXT, "What gave the evidence, such as an assignment.", "internal", "join", natural=True,
                   required=True),
            Column("occurred_on", DAY, "The day the student showed it.", "confidential", "feature", required=True),
            Column("score_share", REAL, "Score as a share of the best there is.", "confidential", "feature", required=True,
                   least=0, most=1),
        ),
        event="occurred_on",
    ),
    Table(
        "outcomes",
        "How a course ended for a student in a grading period, as the school decided it.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            _term(),
            Column("result", TEXT, "Passed or not.", "restricted", "label", required=True, values=COURSE_RESULTS),
            Column("decided_on", DAY, "The day it was decided.", "confidential", "label", required=True),
        ),
        event="decided_on",
    ),
    Table(
        "surveys",
        "What a student said of their own wellbeing in a wave of a survey: for adults to read, never for a model.",
        (
            _student(natural=True),
            _enrolment(),
            Column("wave", TEXT, "The wave of the survey.", "internal", "display_only", natural=True, required=True),
            Column("construct", TEXT, "What was asked about.", "restricted", "display_only", natural=True, required=True,
                   values=CONSTRUCTS),
            Column("scale_mean", REAL, "Mean of the answers.", "restricted", "display_only", least=1, most=5),
            Column("answered_on", DAY, "The day of the answer, or of declining.", "confidential", "display_only",
                   required=True),
            Column("declined", YES, "The student chose not to answer.", "restricted", "display_only"),
        ),
        event="answered_on",
    ),
    Table(
        "digital_access",
        "What a student can learn with at home: it tells when silence online says nothing, and is no sign of risk.",
        (
            _student(natural=True),
            Column("recorded_on", DAY, "The day it was recorded.", "confidential", "join", natural=True, required=True),
            Column("device", TEXT, "The device at home.", "restricted", "join", required=True, values=DEVICES),
            Column("internet", TEXT, "The connection at home.", "restricted", "join", required=True, values=CONNECTIONS),
            Column("source", TEXT, "Who said so.", "confidential", "join", values=("survey", "family", "staff")),
        ),
        event="recorded_on",
    ),
    Table(
        "plans",
        "A plan that the school owes a student by law or has promised.",
        (
            Column("plan_id", TEXT, "Key of the plan.", "restricted", "join", natural=True, required=True),
            _student(),
            Column("plan_kind", TEXT, "What it is.", "restricted", "display_only", required=True, values=PLAN_KINDS),
            Column("begins_on", DAY, "First day.", "restricted", "display_only", required=True),
            Column("expires_on", DAY, "Last day, where there is one.", "restricted", "display_only"),
        ),
        event="begins_on",
    ),
    Table(
        "accommodations",
        "What a student is to be given so that they can learn as others do.",
        (
            _student(natural=True),
            Column("accommodation", TEXT, "Which one, in a word or two.", "restricted", "display_only", natural=True,
                   required=True),
            Column("plan_id", TEXT, "The plan that names it.", "restricted", "join", references="plans"),
            Column("says", TEXT, "What staff are to do.", "restricted", "display_only"),
        ),
    ),
    Table(
        "guardians",
        "Whom the school may reach about a student, and whom it may not.",
        (
            _student(natural=True),
            Column("guardian_id", TEXT, "Key of the person.", "identity", "display_only", natural=True, required=True),
            Column("relation", TEXT, "Who this is to the student.", "confidential", "display_only"),
            Column("name", TEXT, "Name.", "identity", "display_only"),
            Column("language", TEXT, "The language to write in.", "confidential", "display_only"),
            Column("primary", YES, "The first to be reached.", "confidential", "display_only"),
            Column("contact_restriction", TEXT, "Whether this person must not be reached, and why not.", "restricted",
                   "display_only", values=CONTACT_RESTRICTIONS),
        ),
    ),
    Table(
        "student_voice",
        "What a student wants the adults at school to know, in their own words.",
        (
            _student(natural=True),
            Column("prompt", TEXT, "What was asked.", "confidential", "display_only", natural=True, required=True,
                   values=PROMPTS),
            Column("says", TEXT, "What the student says.", "restricted", "display_only", required=True),
            Column("shared_with", TEXT, "Who may read it.", "confidential", "display_only", required=True,
                   values=("my_teachers", "my_counselor", "only_me")),
            Column("recorded_on", DAY, "The day it was written.", "confidential", "display_only", required=True),
        ),
        event="recorded_on",
    ),
    Table(
        "photos",
        "A student's photo, shown only with consent.",
        (
            _student(natural=True),
            Column("path", TEXT, "Where the picture lies.", "identity", "display_only"),
            Column("consent", YES, "It may be shown.", "confidential", "display_only", required=True),
            Column("consented_on", DAY, "The day consent was given or refused.", "confidential", "display_only", required=True),
        ),
        event="consented_on",
    ),
    Table(
        "objections",
        "A student's or family's objection to how records are used.",
        (
            _student(natural=True),
            Column("recorded_on", DAY, "The day it was made.", "restricted", "join", natural=True, required=True),
            Column("scope", TEXT, "What it is about.", "restricted", "join", natural=True, required=True,
                   values=("profiling", "photo", "sharing")),
            Column("withdrawn_on", DAY, "The day it was taken back.", "restricted", "join"),
        ),
        event="recorded_on",
    ),
    Table(
        "staff",
        "Who works at the school.",
        (
            Column("staff_id", TEXT, "The school's key of the person.", "confidential", "join", natural=True, required=True),
            Column("given_name", TEXT, "Given name.", "identity", "display_only"),
            Column("family_name", TEXT, "Family name.", "identity", "display_only"),
            Column("email", TEXT, "Where to write to.", "identity", "display_only"),
        ),
    ),
    Table(
        "staff_roles",
        "What somebody's work is, and where: it says whose records they may see.",
        (
            _staff(natural=True),
            _organisation(natural=True),
            Column("role", TEXT, "The work.", "internal", "join", natural=True, required=True, values=STAFF_ROLES),
            Column("begins_on", DAY, "First day.", "internal", "join"),
            Column("ends_on", DAY, "Last day, once known.", "internal", "join"),
        ),
    ),
    Table(
        "teaching",
        "Who teaches which class.",
        (
            _staff(natural=True),
            _section(natural=True),
            Column("begins_on", DAY, "First day.", "internal", "join"),
            Column("ends_on", DAY, "Last day, once known.", "internal", "join"),
        ),
    ),
    Table(
        "teams",
        "Staff who look after students together.",
        (
            Column("team_id", TEXT, "Key of the team.", "internal", "join", natural=True, required=True),
            _organisation(),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            _grade("The year of school that it looks after, 0 for kindergarten.", "join"),
        ),
    ),
    Table(
        "team_members",
        "Who is in which team.",
        (
            Column("team_id", TEXT, "The team.", "internal", "join", natural=True, references="teams", required=True),
            _staff(natural=True),
        ),
    ),
    Table(
        "caseloads",
        "Which students somebody looks after: a list of them, a year of school, or a part of the alphabet.",
        (
            Column("caseload_id", TEXT, "Key of the caseload.", "internal", "join", natural=True, required=True),
            _staff(),
            _organisation(),
            Column("by", TEXT, "How its students are named.", "internal", "join", required=True,
                   values=("student", "grade", "surname")),
            _grade("The year of school, 0 for kindergarten.", "join"),
            Column("surname_from", TEXT, "The first letters of the first surname.", "internal", "join"),
            Column("surname_to", TEXT, "The first letters of the last surname.", "internal", "join"),
        ),
    ),
    Table(
        "caseload_students",
        "The students of a caseload that is a list.",
        (
            Column("caseload_id", TEXT, "The caseload.", "internal", "join", natural=True, references="caseloads",
                   required=True),
            _student(natural=True),
        ),
    ),
    Table(
        "supports",
        "Help that a student was given, from its first day.",
        (
            Column("support_id", TEXT, "Key of this help to this student.", "confidential", "join", natural=True,
                   required=True),
            _student(),
            _enrolment(),
            Column("intervention_id", TEXT, "What it is, in the catalogue of interventions.", "internal", "join",
                   required=True),
            Column("begins_on", DAY, "First day.", "confidential", "join", required=True),
            Column("tier", WHOLE, "How intensive it is: 1 for everybody, 3 for one student.", "confidential", "display_only",
                   least=1, most=3),
            Column("given_by", TEXT, "Who gives it.", "confidential", "display_only", references="staff"),
        ),
        event="begins_on",
    ),
    Table(
        "support_ends",
        "The end of a help, and how it went.",
        (
            Column("support_id", TEXT, "The help that ended.", "confidential", "join", natural=True, references="supports",
                   required=True),
            _student(),
            Column("ended_on", DAY, "Last day.", "confidential", "join", required=True),
            Column("result", TEXT, "How it went.", "confidential", "display_only", required=True, values=SUPPORT_RESULTS),
        ),
        event="ended_on",
    ),
    Table(
        "learning_plans",
        "A goal that a student set, alone or with others, and how far it has come.",
        (
            Column("learning_plan_id", TEXT, "Key of the plan.", "confidential", "join", natural=True, required=True),
            _student(),
            Column("skill_id", TEXT, "The skill that it is about.", "internal", "join", references="skills"),
            Column("goal", TEXT, "The goal in the student's words.", "restricted", "display_only", required=True),
            Column("goal_author", TEXT, "Who wrote it.", "confidential", "display_only", values=("student", "joint", "staff")),
            Column("status", TEXT, "How far it has come.", "confidential", "display_only", required=True,
                   values=LEARNING_PLAN_STATUSES),
            Column("recorded_on", DAY, "The day it was written, or last changed.", "confidential", "display_only",
                   required=True),
            Column("agreed_on", DAY, "The day the student agreed to it.", "confidential", "display_only"),
            Column("next_check_on", DAY, "The day on which it is looked at again.", "confidential", "display_only"),
        ),
        event="recorded_on",
    ),
    Table(
        "resources",
        "Something to learn from.",
        (
            Column("resource_id", TEXT, "Key of the resource.", "internal", "join", natural=True, required=True),
            Column("title", TEXT, "Its name.", "internal", "display_only", required=True),
            Column("language", TEXT, "The language it is in.", "internal", "join"),
            Column("format", TEXT, "What it is, such as a text, a film or an exercise.", "internal", "display_only"),
            Column("url_path", TEXT, "Where it lies in the school's own library.", "internal", "display_only"),
            Column("minutes", WHOLE, "How long it takes.", "internal", "join", least=0, most=10_000),
            Column("offline", YES, "It can be used without internet.", "internal", "join"),
            Column("accessible", TEXT, "What makes it usable for everybody, such as captions.", "internal", "join"),
            Column("level", WHOLE, "The year of school that it is written for, 0 for kindergarten.", "internal", "join",
                   least=0, most=13),
        ),
    ),
    Table(
        "resource_skills",
        "What a resource has to do with a skill.",
        (
            Column("resource_id", TEXT, "The resource.", "internal", "join", natural=True, references="resources",
                   required=True),
            _skill("skill_id", "The skill."),
            Column("relation", TEXT, "Whether it teaches, assesses or requires the skill.", "internal", "join", natural=True,
                   required=True, values=("teaches", "assesses", "requires")),
        ),
    ),
)  # fmt: skip

#: Every canonical table by name.
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})


def as_markdown() -> str:
    """Return the page ``docs/records.md``: every table with its columns, and what each may be used for."""
    lines = [
        "# Records",
        "",
        "The tables that a school's export becomes. `python -m features.tables > docs/records.md` writes this page.",
        "",
        "Every table has three more columns: `tenant` (whose row it is), `known_on` (the day since which it is known) and",
        "`deleted` (this version deletes the row). Rows with the same key are versions of one row; the version seen on a",
        "day is the latest one known by its end. A file may give `known_on` and `deleted`, and need not.",
        "",
        "Only columns whose use is `feature` are read by features, only `label` columns by targets; `join` columns connect",
        "tables, `display_only` ones are shown, and `audit_only` ones are read by the fairness audit and nothing else.",
        "",
    ]
    for table in TABLES.values():
        known = f"A row is known from `{table.event}`" if table.event else "A row is known from the beginning"
        lag = f", {table.lag_days} days later" if table.lag_days else ""
        lines += [f"## {table.name}", "", f"{table.says} {known}{lag}, unless it says otherwise.", ""]
        lines += ["| column | type | what it is | use | sensitivity |", "|---|---|---|---|---|"]
        lines += [f"| {_marked(one)} | {_KINDS[type(one.type)]} | {_told(one)} | {one.use} | {one.sensitivity} |"
                  for one in table.columns]  # fmt: skip
        lines.append("")
    return "\n".join(lines)


_KINDS: Mapping[type[pl.DataType], str] = {
    pl.String: "text", pl.Date: "date", pl.Int32: "whole number", pl.Float64: "number", pl.Boolean: "yes or no",
}  # fmt: skip


def _marked(column: Column) -> str:
    return f"**`{column.name}`** (key)" if column.natural else f"`{column.name}`"


def _told(column: Column) -> str:
    told = [column.says]
    if column.values:
        told.append("One of " + ", ".join(f"`{word}`" for word in column.values) + ".")
    if column.least is not None:
        told.append(f"At least {column.least:g}." if column.most is None else f"From {column.least:g} to {column.most:,g}.")
    if column.references:
        told.append(f"One of `{column.references}`.")
    if column.required and not column.natural:
        told.append("Required.")
    return " ".join(told)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())

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


#: A number of clicks, points or percent above this is a slip of the keyboard.
MOST = 1_000_000

EXIT_KINDS = ("completed", "withdrawn", "dropout", "transferred", "expelled", "no_show", "deceased", "other", "unknown")
ASSIGNMENT_KINDS = ("tutor_marked", "computer_marked", "exam", "homework", "quiz", "project", "other")
ACTIVITY_KINDS = ("content", "discussion", "quiz", "navigation", "live", "other")
RESULT_STATUSES = ("graded", "exempt", "banked", "submitted", "not_submitted", "partial")
COURSE_RESULTS = ("pass", "distinction", "fail", "withdrawn", "incomplete")

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
        ),
    ),
    Table(
        "courses",
        "What is taught, whoever teaches it and whenever.",
        (
            Column("course_id", TEXT, "Key of the course.", "internal", "join", natural=True, required=True),
            Column("title", TEXT, "Its name.", "internal", "display_only"),
            Column("subject", TEXT, "Its subject.", "internal", "join"),
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
        "skills",
        "What is to be learned (a CASE item where there is one).",
        (
            Column("skill_id", TEXT, "Key of the skill.", "internal", "join", natural=True, required=True),
            Column("statement", TEXT, "What a student can do who has it.", "internal", "display_only"),
            Column("subject", TEXT, "Its subject.", "internal", "join"),
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
        "How a course ended for a student, as the school decided it.",
        (
            _student(natural=True),
            _enrolment(natural=True),
            _section(natural=True),
            Column("result", TEXT, "Passed or not.", "restricted", "label", required=True, values=COURSE_RESULTS),
            Column("decided_on", DAY, "The day it was decided.", "confidential", "label", required=True),
        ),
        event="decided_on",
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

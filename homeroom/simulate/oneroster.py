"""A simulated district as a school system exports it: a OneRoster bundle, and beside it the tables that OneRoster lacks.

What the binding carries goes into ``oneroster.zip``. What it does not carry, or only in part, lies beside it under the
canonical names, so that reading the zip gives back the district:

* ``enrolments`` and ``submissions``: the binding has neither a day of entry to a school nor a day of handing in;
* ``skill_results``: it dates evidence by the day of the mark;
* ``organisations``, ``demographics``, ``guardians``, ``staff_roles``, ``skills`` and ``resources``: some of their columns;
* every table of which it knows nothing, from attendance to surveys.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.problems import Problem, Refused
from features.sources.oneroster.binding import FILES, VERSIONS
from features.tables import TABLES

#: The bundle's name, and the tables that it carries whole.
BUNDLE = "oneroster.zip"
CARRIED = ("terms", "courses", "sections", "students", "identities", "rosters", "assignments", "results", "assignment_skills",
           "staff", "teaching")  # fmt: skip

#: What 1.1 has no file for.
_NOT_IN_1_1 = ("assignment_skills",)

#: Entries of a zip are dated, and its bytes should not depend on the day.
_MADE = (1980, 1, 1, 0, 0, 0)

_KINDS = {"school_year": "schoolYear", "semester": "semester", "term": "term", "grading_period": "gradingPeriod"}
#: Whatever else somebody does at a school, the binding knows them as an aide: a word that opens no records.
_ROLES = {"teacher": "teacher", "counselor": "counselor", "principal": "principal", "administrator": "siteAdministrator"}
_ROLES_1_1 = {"teacher": "teacher", "administrator": "administrator"}
_STATUSES = {"graded": "fully graded", "partial": "partially graded", "exempt": "exempt", "not_submitted": "not submitted",
             "submitted": "submitted"}  # fmt: skip
_RELATIONS = {"mother": "parent", "father": "parent", "parent": "parent", "guardian": "guardian"}


@dataclass(frozen=True)
class Written:
    """What was written: the bundle, the number of rows of each of its files, and the tables beside it."""

    bundle: Path
    rows: Mapping[str, int]
    companions: tuple[str, ...]


def write(district: Path, out: Path, version: str = "1.2") -> Written:
    """Write a district as a OneRoster bundle and companion tables.

    Args:
        district: a folder of canonical tables, one Parquet file or a folder of parts each, as :func:`.run.simulate` makes it.
        out: the folder to write to; it is made, and what of these names is there is replaced.
        version: that of the binding, 1.1 or 1.2. In 1.1 the skills of a piece of work are a companion, and so are all roles
            of staff but teachers and administrators.

    Raises:
        Refused: the version is not known, or the folder holds no district.

    """
    if version not in VERSIONS:
        raise Refused(
            [Problem("simulate", "version", "no such version of OneRoster is known", f"Known are: {', '.join(VERSIONS)}.")],
            "Nothing was written",
        )
    tables = {name: path for name in TABLES if (path := _parts(district, name))}
    lacking = [name for name in ("organisations", "terms", "enrolments", "rosters") if name not in tables]
    if lacking:
        raise Refused([Problem("simulate", district.name, f"it has no table {name}", "Give the folder of a district.")
                       for name in lacking], "Nothing was written")  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    beside = tuple(name for name in tables if name not in CARRIED or (version == "1.1" and name in _NOT_IN_1_1))
    with tempfile.TemporaryDirectory(prefix=".oneroster-", dir=out) as made:
        folder = Path(made)
        rows = _bundle(tables, folder / BUNDLE, version)
        (folder / BUNDLE).replace(out / BUNDLE)
    for name in beside:
        _copy(tables[name], out / name)
    return Written(out / BUNDLE, rows, beside)


def _parts(district: Path, name: str) -> list[Path]:
    if (district / f"{name}.parquet").is_file():
        return [district / f"{name}.parquet"]
    return sorted((district / name).glob("*.parquet"))


def _copy(parts: list[Path], to: Path) -> None:
    if to.is_dir():
        shutil.rmtree(to)
    to.mkdir()
    for part in parts:
        shutil.copyfile(part, to / part.name)


class _Tables:
    """The district's tables, lazily: a large one is read and written part by part."""

    def __init__(self, parts: Mapping[str, list[Path]]) -> None:
        self._parts = parts

    def __call__(self, name: str) -> pl.DataFrame:
        """Return the latest version of a table's rows, empty where there is no such table."""
        frames = self.parts(name)
        return pl.concat(frames) if frames else self._empty(name)

    def parts(self, name: str) -> list[pl.DataFrame]:
        """Return the latest version of a table's rows, part by part: versions of a row lie in one part."""
        return [_latest(pl.read_parquet(part), name) for part in self._parts.get(name, [])]

    def _empty(self, name: str) -> pl.DataFrame:
        return pl.DataFrame(schema={column.name: column.type for column in TABLES[name].columns})


def _latest(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the newest version of each row in the table's columns, those that are deleted left out."""
    table = TABLES[name]
    if "known_on" in frame.columns:
        frame = frame.sort("known_on", maintain_order=True).unique(table.natural_key, keep="last", maintain_order=True)
    if "deleted" in frame.columns:
        frame = frame.filter(~pl.col("deleted"))
    return frame.select(
        (pl.col(one.name) if one.name in frame.columns else pl.lit(None).alias(one.name)).cast(one.type)
        for one in table.columns
    )


def _bundle(parts: Mapping[str, list[Path]], path: Path, version: str) -> dict[str, int]:
    """Write the zip and return the number of rows of each file."""
    tables = _Tables(parts)
    counts: dict[str, int] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, frames in _files(tables, version).items():
            columns = [column.name for column in FILES[version][name].columns]
            with packed.open(_entry(f"{name}.csv"), "w", force_zip64=True) as file:
                for at, frame in enumerate(frames):
                    absent = [pl.lit(None, pl.String).alias(one) for one in columns if one not in frame.columns]
                    rows = frame.with_columns(absent).select(columns)
                    file.write(rows.write_csv(include_header=at == 0, line_terminator="\r\n").encode())
                    counts[name] = counts.get(name, 0) + rows.height
        text = io.StringIO(newline="")
        lines = csv.writer(text)
        lines.writerows([("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", version)])
        lines.writerows((f"file.{name}", "bulk" if name in counts else "absent") for name in FILES[version])
        lines.writerow(("source.systemName", "Homeroom's simulated district"))
        packed.writestr(_entry("manifest.csv"), text.getvalue())
    return counts


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MADE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _files(tables: _Tables, version: str) -> dict[str, list[pl.DataFrame]]:
    """Return the files of the binding, each in parts."""
    terms, sections = tables("terms"), tables("sections")
    years = _years(terms)
    stays = tables("enrolments")
    users, roles = _users(tables, stays, version)
    work = tables("assignments")
    found: dict[str, list[pl.DataFrame]] = {
        "orgs": [tables("organisations").select(
            pl.col("organisation_id").alias("sourcedId"), "name", pl.col("kind").alias("type"),
            pl.col("parent_id").alias("parentSourcedId"))],
        "academicSessions": [terms.join(years, on="term_id").select(
            pl.col("term_id").alias("sourcedId"), "title", pl.col("kind").replace_strict(_KINDS, default="term").alias("type"),
            pl.col("starts_on").alias("startDate"), pl.col("ends_on").alias("endDate"),
            pl.col("parent_id").alias("parentSourcedId"), "schoolYear")],
        "courses": [tables("courses").select(
            pl.col("course_id").alias("sourcedId"), "title", pl.lit(_district(tables)).alias("orgSourcedId"),
            pl.col("subject").alias("subjects"),
            pl.col("subject").replace_strict(_AREAS, default=None, return_dtype=pl.String).alias("subjectCodes"))],
        "classes": [sections.select(
            pl.col("section_id").alias("sourcedId"), "title", pl.col("course_id").alias("courseSourcedId"),
            pl.col("section_id").alias("classCode"), pl.lit("scheduled").alias("classType"),
            pl.col("organisation_id").alias("schoolSourcedId"), pl.col("term_id").alias("termSourcedIds"))],
        "users": [users],
        "roles": [roles],
        "enrollments": _seats(tables, sections),
        "categories": [_categories(work).select(
            pl.col("category").alias("sourcedId"), pl.col("kind").str.replace_all("_", " ").alias("title"), "weight")],
        "lineItems": [_line_items(work, sections)],
        "results": [_results(one) for one in tables.parts("results")],
    }  # fmt: skip
    if version == "1.2":
        tags = tables("assignment_skills")
        found["lineItemLearningObjectiveIds"] = [tags.select(
            pl.concat_str("assignment_id", "skill_id", separator="/").alias("sourcedId"),
            pl.col("assignment_id").alias("lineItemSourcedId"), pl.lit("unknown").alias("source"),
            pl.col("skill_id").alias("learningObjectiveId"))]  # fmt: skip
    return {name: found[name] for name in FILES[version] if name in found}


#: Subjects of the simulated courses that are core, as areas of SCED.
_AREAS = {
    "english": "01",
    "mathematics": "02",
    "science": "03",
    "social_studies": "04",
    "social studies": "04",
    "history": "04",
}


def _district(tables: _Tables) -> str | None:
    found = tables("organisations").filter(pl.col("kind") == "district")["organisation_id"].sort()
    return found[0] if len(found) else None


def _years(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the number of each term's school year: that in which it ends."""
    tops = terms.select(pl.col("term_id").alias("at"), pl.col("parent_id").alias("up"), "ends_on")
    found = terms.select("term_id", pl.col("term_id").alias("at"))
    for _ in range(3):  # a grading period, its semester, its year
        climbed = found.join(tops.select("at", "up"), on="at", how="left")
        found = climbed.select("term_id", pl.coalesce("up", "at").alias("at"))
    return found.join(tops, on="at").select("term_id", pl.col("ends_on").dt.year().alias("schoolYear"))


def _users(tables: _Tables, stays: pl.DataFrame, version: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of users, and of roles."""
    names = tables("identities")
    latest = stays.sort("entered_on", "enrolment_id").unique("student_id", keep="last", maintain_order=True)
    grade = pl.when(pl.col("grade_level") == 0).then(pl.lit("KG")).otherwise(pl.col("grade_level").cast(pl.String).str.zfill(2))
    adults = tables("guardians")
    agents = adults.group_by("student_id").agg(pl.col("guardian_id").sort().str.join(",").alias("agentSourcedIds"))
    students = (
        tables("students")
        .join(names, on="student_id", how="left")
        .join(latest.select("student_id", "organisation_id", grade.alias("grades")), on="student_id", how="left")
        .join(agents, on="student_id", how="left")
        .select(
            pl.col("student_id").alias("sourcedId"), pl.lit("student").alias("role"), "organisation_id",
            pl.col("student_id").str.to_lowercase().alias("username"), pl.col("source_id").alias("identifier"),
            pl.col("given_name").alias("givenName"), pl.col("family_name").alias("familyName"),
            pl.col("preferred_name").alias("preferredGivenName"), "pronouns", "agentSourcedIds", "grades",
        )
    )  # fmt: skip
    split = pl.col("name").str.splitn(" ", 2)
    parents = (
        adults.join(latest.select("student_id", "organisation_id"), on="student_id", how="left")
        .select(
            pl.col("guardian_id").alias("sourcedId"),
            pl.col("relation").replace_strict(_RELATIONS, default="relative", return_dtype=pl.String).alias("role"),
            "organisation_id",
            pl.col("guardian_id").str.to_lowercase().alias("username"),
            split.struct.field("field_0").alias("givenName"),
            split.struct.field("field_1").alias("familyName"),
        )
        .unique("sourcedId", keep="first", maintain_order=True)
    )
    words = _ROLES if version == "1.2" else _ROLES_1_1
    word = pl.col("role").replace_strict(words, default="aide", return_dtype=pl.String).alias("role")
    held = tables("staff_roles").with_columns(word)
    at = tables("staff").join(
        held.unique("staff_id", keep="first", maintain_order=True).drop("begins_on", "ends_on"), on="staff_id"
    )
    staff = at.select(
        pl.col("staff_id").alias("sourcedId"), "role", "organisation_id",
        pl.col("staff_id").str.to_lowercase().alias("username"), pl.col("given_name").alias("givenName"),
        pl.col("family_name").alias("familyName"), "email",
    )  # fmt: skip
    users = pl.concat([students, parents, staff], how="diagonal").with_columns(
        pl.lit("true").alias("enabledUser"), pl.col("organisation_id").alias("orgSourcedIds"),
        pl.col("organisation_id").alias("primaryOrgSourcedId"))  # fmt: skip
    days = held.select(pl.col("staff_id").alias("userSourcedId"), "role",
                       pl.col("organisation_id").alias("orgSourcedId"), pl.col("begins_on").alias("beginDate"),
                       pl.col("ends_on").alias("endDate"))  # fmt: skip
    others = pl.concat([students, parents], how="diagonal").select(
        pl.col("sourcedId").alias("userSourcedId"), "role", pl.col("organisation_id").alias("orgSourcedId"))  # fmt: skip
    roles = pl.concat([others, days], how="diagonal").with_columns(
        pl.concat_str("userSourcedId", "orgSourcedId", "role", separator="/").alias("sourcedId"),
        pl.lit("primary").alias("roleType"))  # fmt: skip
    return users, roles.filter(pl.col("orgSourcedId").is_not_null())


def _seats(tables: _Tables, sections: pl.DataFrame) -> list[pl.DataFrame]:
    school = sections.select("section_id", pl.col("organisation_id").alias("schoolSourcedId"))

    def rows(frame: pl.DataFrame, who: str, role: str) -> pl.DataFrame:
        return frame.join(school, on="section_id").select(
            pl.concat_str(pl.lit(role), who, "section_id", separator="/").alias("sourcedId"),
            pl.col("section_id").alias("classSourcedId"), "schoolSourcedId", pl.col(who).alias("userSourcedId"),
            pl.lit(role).alias("role"), pl.lit("true" if role == "teacher" else None, pl.String).alias("primary"),
            pl.col("begins_on").alias("beginDate"), pl.col("ends_on").alias("endDate"),
        )  # fmt: skip

    seats = [rows(part, "student_id", "student") for part in tables.parts("rosters")]
    return [*seats, rows(tables("teaching"), "staff_id", "teacher")]


def _categories(work: pl.DataFrame) -> pl.DataFrame:
    """Return a category for each kind of work and what it counts for in a class: ``category``, ``kind``, ``weight``."""
    sums = work.group_by("section_id", "kind").agg(pl.col("weight").sum())
    whole = sums.select("kind", "weight").unique().sort("kind", "weight")
    named = pl.concat_str(pl.col("kind"), pl.col("weight").cast(pl.String).str.strip_suffix(".0"), separator="-")
    return whole.select(named.alias("category"), "kind", "weight")


def _line_items(work: pl.DataFrame, sections: pl.DataFrame) -> pl.DataFrame:
    sums = work.with_columns(pl.col("weight").sum().over("section_id", "kind").alias("whole"))
    of = sums.join(_categories(work), left_on=["kind", "whole"], right_on=["kind", "weight"]).join(
        sections.select("section_id", "organisation_id", "term_id", "starts_on"), on="section_id")  # fmt: skip
    return of.select(
        pl.col("assignment_id").alias("sourcedId"), "title", pl.col("starts_on").alias("assignDate"),
        pl.col("due_on").alias("dueDate"), pl.col("section_id").alias("classSourcedId"),
        pl.col("category").alias("categorySourcedId"), pl.col("term_id").alias("academicSessionSourcedId"),
        pl.col("term_id").alias("gradingPeriodSourcedId"), pl.lit(0).alias("resultValueMin"),
        pl.col("max_score").alias("resultValueMax"), pl.col("organisation_id").alias("schoolSourcedId"),
    )  # fmt: skip


def _results(part: pl.DataFrame) -> pl.DataFrame:
    return part.select(
        pl.concat_str("student_id", "assignment_id", separator="/").alias("sourcedId"),
        pl.col("assignment_id").alias("lineItemSourcedId"), pl.col("student_id").alias("studentSourcedId"),
        pl.col("status").replace_strict(_STATUSES, default="fully graded", return_dtype=pl.String).alias("scoreStatus"),
        "score", pl.col("marked_on").alias("scoreDate"),
    )  # fmt: skip

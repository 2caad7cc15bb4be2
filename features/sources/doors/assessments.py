"""Ed-Fi's student assessments as evidence of skills: what a student reached of the points that were about a standard.

A result is about a standard where the question is (``assessmentItems``), or else the part of the test
(``objectiveAssessments``). A test belongs to no class; the evidence is that of the class of its subject in which the
student sat on that day. Where there is none, or more than one, nobody can say whose evidence it is, and the row is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from types import MappingProxyType
from typing import Any

import polars as pl

from features.delimited import ROW
from features.mapping import Join
from features.problems import Problem
from features.records import with_versions
from features.sources.companions import Known, joined
from features.sources.doors.documents import Field, made, objects, value, values
from features.sources.doors.resources import SEPARATOR, Files
from features.sources.stays import latest
from features.tables import TABLES, Column, Table
from features.translation import Translated, plain
from features.validation import Account, Found, Origin, check

_SEEN = Table("student assessments", "A test that a student took.", (
    Column("student_id", pl.String(), "Who took it.", "confidential", "join", references="students", required=True),
    Column("occurred_on", pl.Date(), "The day on which it was taken.", "confidential", "feature", required=True),
    Column("evidence_id", pl.String(), "Key of the result.", "internal", "join", natural=True, required=True),
), event="occurred_on")  # fmt: skip

_FIELDS = (Field("studentReference.studentUniqueId", required=True), Field("administrationDate", required=True),
           Field("assessmentReference.assessmentIdentifier", required=True),
           Field("studentAssessmentIdentifier", required=True))  # fmt: skip

_ABOUT = "learningStandards.learningStandardReference.learningStandardId"

#: What an item's result says where it has no points.
_RESULTS: Mapping[str, float] = MappingProxyType({"correct": 1.0, "incorrect": 0.0})


@dataclass(frozen=True)
class Evidence:
    """What a file of student assessments gives: rows of ``skill_results`` and the skills that they name."""

    results: pl.DataFrame
    skills: pl.DataFrame
    account: Account
    problems: tuple[Problem, ...]
    quarantine: pl.DataFrame


@dataclass(frozen=True)
class _Part:
    """A question or a part of a test: the standards that it is about and its best score, where it is known."""

    about: tuple[str, ...]
    most: float | None


def read(files: Files, known: Known, codes: Mapping[str, str], tenant: str) -> Evidence | None:
    """Return the evidence in ``studentAssessments``, or nothing where there is no such file.

    ``codes`` leads from a standard's code to the skill that is known under another key. Raises :class:`Refused` where a
    file cannot be read.
    """
    path = files.paths.get("studentAssessments")
    if path is None:
        return None
    items, parts = _parts(files, "assessmentItems"), _parts(files, "objectiveAssessments")
    cells: dict[str, list[str | None]] = {one.path: [] for one in _FIELDS}
    points: dict[int, dict[str, tuple[float, float]]] = {}
    wrong: dict[str, set[int]] = {}
    places, beyond = [], set()
    for place, one in objects(path):
        places.append(place)
        for taken in _FIELDS:
            told, right = values(one, taken.path)
            if not right or len(told) > 1:
                wrong.setdefault(taken.path, set()).add(place)
            cells[taken.path].append(told[0] if right and len(told) == 1 else None)
        points[place], too_many = _points(one, items, parts)
        if too_many:
            beyond.add(place)
    rows = made(path, cells, places, _FIELDS, wrong)
    content = rows.frame
    names = {"student_id": _FIELDS[0].path, "occurred_on": _FIELDS[1].path,
             "evidence_id": f"{_FIELDS[3].path}, {_FIELDS[2].path}"}  # fmt: skip
    frame = content.select(
        pl.col(_FIELDS[0].path).alias("student_id"),
        pl.col(_FIELDS[1].path).str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T[0-9:.]+(?:Z|[-+][0-9:]+)?$", "$1")
        .alias("occurred_on"),
        pl.concat_str(_FIELDS[3].path, _FIELDS[2].path, separator=SEPARATOR).alias("evidence_id"),
    )  # fmt: skip
    origin = Origin(content, content[ROW], names)
    over = Found("out_of_range", "items", "a result is above the best score of its question", "Correct one of the two.",
                 origin.rows.is_in(list(beyond)))  # fmt: skip
    origin = replace(origin, found=(*rows.faults(origin), *([over] if beyond else [])))
    ours = joined(Translated(frame, origin), _SEEN, {"student_id": Join("any")}, known, path.name)
    keys = {name: table[TABLES[name].natural_key[0]] for name, table in known.tables.items() if name == "students"}
    checked = check(ours.frame, _SEEN, path.name, keys, origin=ours.origin)
    kept = checked.kept.with_columns(ours.origin.rows.filter(checked.taken).alias("place"))
    subjects = _subjects(files)
    kept = kept.with_columns(
        content[_FIELDS[2].path].filter(checked.taken).replace_strict(subjects, default=None, return_dtype=pl.String)
        .alias("subject"))  # fmt: skip
    return _evidence(kept, points, codes, known, checked.account, checked.problems, checked.quarantined, tenant)


def _evidence(
    kept: pl.DataFrame, points: Mapping[int, Mapping[str, tuple[float, float]]], codes: Mapping[str, str], known: Known,
    account: Account, problems: tuple[Problem, ...], aside: pl.DataFrame, tenant: str,
) -> Evidence:  # fmt: skip
    silent = kept.filter(~pl.col("place").is_in([place for place, about in points.items() if about]))
    placed = kept.join(silent, on="place", how="anti").join(_classes(known), on=["student_id", "subject"]).filter(
        pl.col("occurred_on").is_between(pl.col("first"), pl.col("last")))  # fmt: skip
    placed = placed.filter(pl.struct("place").count().over("place") == 1)
    shares = pl.DataFrame(
        [(place, codes.get(skill, skill), got / most)
         for place, about in points.items() for skill, (got, most) in about.items()],
        schema={"place": pl.Int64, "skill_id": pl.String, "score_share": pl.Float64}, orient="row",
    )  # fmt: skip
    results = placed.join(shares, on="place").unique(list(TABLES["skill_results"].natural_key), maintain_order=True)
    nowhere = kept.height - silent.height - placed.height
    told = [(account.left_out, account.why), (silent.height, f"{silent.height:,} without a result for a learning standard"),
            (nowhere, f"{nowhere:,} of a subject in which the student had not one class on that day")]  # fmt: skip
    account = replace(account, kept=placed.height, left_out=sum(count for count, _ in told),
                      why="; ".join(why for count, why in told if count))  # fmt: skip
    made_of = with_versions(results, TABLES["skill_results"], tenant)
    skills = with_versions(results.select("skill_id").unique(maintain_order=True), TABLES["skills"], tenant)
    return Evidence(made_of, skills, account, problems, aside)


def _parts(files: Files, name: str) -> dict[tuple[str, str], _Part]:
    path = files.paths.get(name)
    found = {}
    for _, one in objects(path) if path is not None else ():
        about, _ = values(one, _ABOUT)
        key = (value(one, "assessmentReference.assessmentIdentifier"), value(one, "identificationCode"))
        found[key] = _Part(tuple(about), _number(value(one, "maxRawScore")))
    return found


def _subjects(files: Files) -> dict[str, str]:
    read = files.rows("assessments")
    if read is None or "academicSubjects.academicSubjectDescriptor" not in read.frame.columns:
        return {}
    rows = read.frame.select("assessmentIdentifier", "academicSubjects.academicSubjectDescriptor").drop_nulls()
    return {key: plain(subject if "://" in subject else f"://#{subject}") for key, subject in rows.iter_rows()}


def _classes(known: Known) -> pl.DataFrame:
    """Return the classes of each student by subject, with the days on which the student sat in them."""
    schema = {"student_id": pl.String, "enrolment_id": pl.String, "section_id": pl.String, "subject": pl.String,
              "first": pl.Date, "last": pl.Date}  # fmt: skip
    if any(name not in known.tables for name in ("rosters", "sections", "courses")):
        return pl.DataFrame(schema=schema)
    courses = latest(known.tables["courses"], ["course_id"]).select("course_id", "subject").drop_nulls()
    plainly = {subject: plain(f"://#{subject.rpartition('#')[2]}") for subject in courses["subject"].unique()}
    sections = latest(known.tables["sections"], ["section_id"]).select("section_id", "course_id", "starts_on", "ends_on")
    seats = latest(known.tables["rosters"], list(TABLES["rosters"].natural_key)).rename({"ends_on": "until"})
    return (
        seats.join(sections, on="section_id").join(courses, on="course_id")
        .select("student_id", "enrolment_id", "section_id",
                pl.col("subject").replace_strict(plainly, default=None, return_dtype=pl.String),
                pl.coalesce("begins_on", "starts_on").alias("first"), pl.coalesce("until", "ends_on").alias("last"))
    )  # fmt: skip


def _points(
    one: Mapping[str, Any], items: Mapping[tuple[str, str], _Part], parts: Mapping[tuple[str, str], _Part]
) -> tuple[dict[str, tuple[float, float]], bool]:
    """Return for each standard the points reached and the points there were, and whether more were reached than there were.

    Where a question is about a standard its part of the test is not counted again.
    """
    found = list(_scored(one, "items", "assessmentItemReference", items))
    if not found:
        found = list(_scored(one, "studentObjectiveAssessments", "objectiveAssessmentReference", parts))
    points: dict[str, tuple[float, float]] = {}
    for part, got in found:
        for skill in part.about:
            before = points.get(skill, (0.0, 0.0))
            points[skill] = (before[0] + got, before[1] + (part.most or 1.0))
    return points, any(got < 0 or got > (part.most or 1.0) for part, got in found)


def _scored(
    one: Mapping[str, Any], name: str, reference: str, known: Mapping[tuple[str, str], _Part]
) -> Iterator[tuple[_Part, float]]:
    inner = one.get(name)
    for each in inner if isinstance(inner, list) else ():
        key = (value(each, f"{reference}.assessmentIdentifier"), value(each, f"{reference}.identificationCode"))
        part = known.get(key)
        if part is None or not part.about:
            continue
        raw = _raw(each)
        word = _RESULTS.get(plain(value(each, "assessmentItemResultDescriptor")))
        if raw is not None and part.most:
            yield part, raw
        elif word is not None:
            yield part, word * (part.most or 1.0)


def _raw(each: Mapping[str, Any]) -> float | None:
    """Return the raw score of an item, or of a part of a test."""
    scores = each.get("scoreResults")
    for score in scores if isinstance(scores, list) else ():
        if plain(value(score, "assessmentReportingMethodDescriptor")) == "rawscore":
            return _number(value(score, "result"))
    return _number(value(each, "rawScoreResult"))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None

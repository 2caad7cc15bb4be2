"""The Open University Learning Analytics Dataset (Kuzilek, Hlosta and Zdrahal 2017), in its own files.

Days are counted from a module's start; they become dates here, with presentations ``B`` starting on 1 February and
``J`` on 1 October. A module presentation is an enrolment and a class at once.

What is known when, since the dataset publishes no day of marking:

* ``date_submitted`` dates the hand-in. A computer-marked score is known that day; a tutor-marked one (and an
  exam's) ``marking_lag_days`` after the later of hand-in and due date; a banked one, carried over from an earlier
  presentation, at the start.
* ``final_result`` is decided at the module's end. A withdrawal is known on ``date_unregistration``.
* A missing date of registration is unknown; such an enrolment is known from the module's start. An exam without a
  date is due at the module's end, as the dataset's description says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from features.records import with_versions
from features.tables import TABLES, Column, Table
from features.validation import Checked, Reading, Rule, check, read_files


@dataclass(frozen=True)
class Oulad:
    """Settings of the ``oulad`` source.

    ``marking_lag_days``: days from the later of hand-in and due date until a tutor's mark is known (the Open
    University asks its tutors for two weeks; 0 is what published studies assume). ``pass_mark``: share of the best
    score from which work counts as passed.
    """

    marking_lag_days: int = 14
    pass_mark: float = 0.4


_STARTS: Mapping[str, tuple[int, int]] = MappingProxyType({"B": (2, 1), "J": (10, 1)})

#: The dataset's twenty kinds of page, in the canonical words.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("oucontent", "resource", "url", "subpage", "page", "glossary", "sharedsubpage", "folder",
                         "dataplus", "htmlactivity"), "content"),
        **dict.fromkeys(("forumng", "ouwiki"), "discussion"),
        **dict.fromkeys(("quiz", "externalquiz", "questionnaire", "repeatactivity"), "quiz"),
        **dict.fromkeys(("homepage", "dualpane"), "navigation"),
        **dict.fromkeys(("ouelluminate", "oucollaborate"), "live"),
    }
)  # fmt: skip

_TEXT, _WHOLE, _REAL = pl.String(), pl.Int32(), pl.Float64()

#: No day of the dataset lies further from a module's start than ten years, and no page took more clicks in a day.
_DAYS, _MOST_CLICKS = 3_650, 100_000


def _col(name: str, dtype: pl.DataType, says: str, *, required: bool = True, values: tuple[str, ...] = (),
         least: float | None = None, most: float | None = None) -> Column:  # fmt: skip
    return Column(name, dtype, says, "confidential", "join", required=required, values=values, least=least, most=most)


_MODULE = _col("code_module", _TEXT, "The module's code.")
_PRESENTATION = _col("code_presentation", _TEXT, "Year and B (February) or J (October).")
_STUDENT = _col("id_student", _WHOLE, "The student's number.")


def _day(name: str, says: str, *, required: bool = True) -> Column:
    return _col(name, _WHOLE, says, required=required, least=-_DAYS, most=_DAYS)


FILES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("courses", "Module presentations.", (
                _MODULE, _PRESENTATION,
                _col("module_presentation_length", _WHOLE, "Length in days.", least=1, most=1000))),
            Table("assessments", "Assessments of a presentation.", (
                _MODULE, _PRESENTATION, _col("id_assessment", _WHOLE, "The assessment's number."),
                _col("assessment_type", _TEXT, "TMA, CMA or Exam.", values=("TMA", "CMA", "Exam")),
                _day("date", "Day it is due.", required=False),
                _col("weight", _REAL, "Weight in percent.", least=0, most=100))),
            Table("vle", "Pages of the online classroom.", (
                _col("id_site", _WHOLE, "The page's number."), _MODULE, _PRESENTATION,
                _col("activity_type", _TEXT, "Its kind."))),
            Table("studentInfo", "Students of a presentation.", (
                _MODULE, _PRESENTATION, _STUDENT, _col("gender", _TEXT, "M or F.", required=False),
                _col("region", _TEXT, "Region.", required=False),
                _col("highest_education", _TEXT, "Education before.", required=False),
                _col("imd_band", _TEXT, "Deprivation band.", required=False),
                _col("age_band", _TEXT, "Age band.", required=False),
                _col("num_of_prev_attempts", _WHOLE, "Earlier attempts.", least=0),
                _col("studied_credits", _WHOLE, "Credits studied.", least=0),
                _col("disability", _TEXT, "Y or N.", required=False, values=("Y", "N")),
                _col("final_result", _TEXT, "How it ended.", required=False,
                     values=("Pass", "Distinction", "Fail", "Withdrawn")))),
            Table("studentRegistration", "Registrations.", (
                _MODULE, _PRESENTATION, _STUDENT, _day("date_registration", "Day.", required=False),
                _day("date_unregistration", "Day.", required=False))),
            Table("studentAssessment", "Hand-ins and scores.", (
                _col("id_assessment", _WHOLE, "The assessment's number."), _STUDENT,
                _day("date_submitted", "Day of the hand-in."),
                _col("is_banked", _WHOLE, "1 where carried over.", least=0, most=1),
                _col("score", _REAL, "Score of 100.", required=False, least=0, most=100))),
            Table("studentVle", "Clicks per day and page.", (
                _MODULE, _PRESENTATION, _STUDENT, _col("id_site", _WHOLE, "The page's number."),
                _day("date", "Day."), _col("sum_click", _WHOLE, "Clicks.", least=0, most=_MOST_CLICKS))),
        )
    }
)  # fmt: skip

_PRES = ["code_module", "code_presentation"]
_ENROLMENT = [*_PRES, "id_student"]
_UNIQUE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "courses": tuple(_PRES), "assessments": ("id_assessment",), "vle": ("id_site",),
        "studentInfo": tuple(_ENROLMENT), "studentRegistration": tuple(_ENROLMENT),
        "studentAssessment": ("id_assessment", "id_student"),
        "studentVle": (),  # one page may be listed several times a day: the dataset counts visits in pieces
    }
)  # fmt: skip


def read(path: Path, settings: Oulad, tenant: str = "default") -> Reading:
    """Read the dataset's seven files, CSV or Parquet, from one folder.

    Returns:
        the canonical tables, and the account of every row of every file.

    Raises:
        Refused: a file or a required column is missing; all of them are named at once.

    """
    raw = read_files(path, FILES, FILES)
    files = {name: file for name, (file, _) in raw.items()}
    checked: dict[str, Checked] = {}
    for name in FILES:
        file, frame = raw.pop(name)
        absent = [column for column in FILES[name].columns if column.name not in frame.columns]  # none of them is required
        frame = frame.with_columns(pl.lit(None, column.type).alias(column.name) for column in absent)
        checked[name] = check(frame, FILES[name], file, {}, _rules(name, checked), _UNIQUE[name])
    tables = _canonical({name: one.kept for name, one in checked.items()}, settings)
    return Reading(
        {name: with_versions(frame, TABLES[name], tenant) for name, frame in tables.items()},
        tuple(one.account for one in checked.values()),
        tuple(problem for one in checked.values() for problem in one.problems),
        {files[name]: one.quarantined for name, one in checked.items()},
    )


def _rules(name: str, before: Mapping[str, Checked]) -> tuple[Rule, ...]:
    """Return the checks of one file against those read before it."""
    if name == "courses":
        form = ~pl.col("code_presentation").str.contains(r"^20\d{2}[BJ]$")
        return (Rule("unknown_word", "code_presentation", "this is not a year and B or J", "Write it like 2013J.", form),)

    def among(code: str, keys: list[str], file: str, problem: str) -> Rule:
        return Rule(code, ", ".join(keys), problem, f"Add it to {file}, or correct it.", _absent(before[file].kept, keys))

    match name:
        case "assessments" | "vle" | "studentInfo":
            return (among("unknown_course", _PRES, "courses", "no such module presentation was read"),)
        case "studentAssessment":
            work = before["assessments"].kept.select("id_assessment", *_PRES)
            sat = before["studentInfo"].kept.select(_ENROLMENT).join(work, on=_PRES).select("id_assessment", "id_student")
            return (
                among("unknown_assessment", ["id_assessment"], "assessments", "no such assessment was read"),
                Rule("unknown_student", "id_student", "no such student of the assessment's presentation was read",
                     "Add the student to studentInfo, or correct it.", _absent(sat, ["id_assessment", "id_student"])),
            )  # fmt: skip
        case _:
            student = among("unknown_student", _ENROLMENT, "studentInfo", "no such student of this presentation was read")
            page = [among("unknown_page", ["id_site"], "vle", "no such page was read")] if name == "studentVle" else []
            return (student, *page)


def _absent(known: pl.DataFrame, keys: list[str]) -> pl.Expr:
    """Return an expression that is true where no row of ``known`` has these keys; a row without keys is not judged.

    Values are numbered first: comparing one whole number per row is ten times as fast as comparing structs.
    """
    if len(keys) == 1:
        return ~pl.col(keys[0]).is_in(known[keys[0]].unique().implode())
    numbers = known.select(keys).unique().with_columns(pl.lit(value=True).alias("known"))

    def missing(parts: pl.Series) -> pl.Series:
        rows = parts.struct.unnest()
        found = rows.join(numbers, on=keys, how="left", maintain_order="left")["known"].is_null()
        return found & ~rows.select(pl.any_horizontal(pl.col(keys).is_null())).to_series()

    return pl.struct(keys).map_batches(missing, return_dtype=pl.Boolean)


def _canonical(raw: Mapping[str, pl.DataFrame], settings: Oulad) -> dict[str, pl.DataFrame]:
    year = pl.col("code_presentation").str.slice(0, 4).cast(pl.Int32)
    letter = pl.col("code_presentation").str.slice(4, 1)
    starts = pl.date(year, letter.replace_strict({k: m for k, (m, _) in _STARTS.items()}, return_dtype=pl.Int8), 1)
    sections = raw["courses"].select(
        *_PRES,
        pl.concat_str(_PRES, separator="-").alias("section_id"),
        starts.alias("starts_on"),
        (starts + pl.duration(days=pl.col("module_presentation_length"))).alias("ends_on"),
    )
    stays = (
        raw["studentInfo"]
        .join(raw["studentRegistration"], on=_ENROLMENT, how="left")
        .join(sections, on=_PRES)
        .with_columns(
            pl.col("id_student").cast(pl.String).alias("student_id"),
            pl.concat_str([*_PRES, "id_student"], separator="-").alias("enrolment_id"),
            (pl.col("starts_on") + pl.duration(days=pl.col("date_registration"))).alias("entered_on"),
        )
        .with_columns(pl.coalesce("entered_on", "starts_on").alias("known_on"))
    )
    keys = stays.select(*_ENROLMENT, "student_id", "enrolment_id", "section_id", "starts_on", "ends_on")
    work = _assignments(raw["assessments"], sections)
    scored = _scored(raw["studentAssessment"], work, keys, settings)
    results = scored.filter(pl.col("score").is_not_null())
    return {
        "organisations": pl.DataFrame({"organisation_id": ["open-university"], "name": ["The Open University"],
                                       "kind": ["university"]}),
        "terms": sections.group_by(pl.col("code_presentation").alias("term_id")).agg(
            pl.col("starts_on").min(), pl.col("ends_on").max()).with_columns(title="term_id").sort("term_id"),
        "courses": sections.select(pl.col("code_module").alias("course_id"), pl.col("code_module").alias("title"))
            .unique().sort("course_id"),
        "sections": sections.select("section_id", pl.col("code_module").alias("course_id"),
            pl.col("code_presentation").alias("term_id"), pl.lit("open-university").alias("organisation_id"),
            pl.concat_str(_PRES, separator=" ").alias("title"), "starts_on", "ends_on"),
        "students": stays.select("student_id").unique().sort("student_id"),
        "demographics": stays.select(
            "student_id", pl.col("gender").replace({"M": "male", "F": "female"}).alias("sex"), "age_band",
            (pl.col("disability") == "Y").alias("disability"), pl.col("imd_band").alias("deprivation_band"), "region",
            pl.col("highest_education").alias("prior_education"), "known_on",
        ).unique(["student_id", "known_on"], keep="first", maintain_order=True),
        "enrolments": stays.select("enrolment_id", "student_id", pl.lit("open-university").alias("organisation_id"),
            pl.col("code_presentation").alias("term_id"), "entered_on", pl.col("ends_on").alias("planned_end_on"),
            pl.col("num_of_prev_attempts").alias("previous_attempts"), pl.col("studied_credits").alias("credits_load"),
            "known_on"),
        # Every unregistration is an exit; that it ended as Withdrawn is known only with the outcome, at the end.
        "exits": stays.filter(pl.col("date_unregistration").is_not_null()).select(
            "enrolment_id", "student_id", pl.lit("withdrawn").alias("kind"),
            (pl.col("starts_on") + pl.duration(days=pl.col("date_unregistration"))).alias("exited_on")),
        "rosters": stays.select("student_id", "enrolment_id", "section_id", pl.col("entered_on").alias("begins_on"),
                                "known_on"),
        "assignments": work.select("assignment_id", "section_id", pl.col("assignment_id").alias("title"), "kind",
                                   "due_on", "weight", pl.lit(100.0).alias("max_score")),
        "submissions": scored.filter(pl.col("is_banked") == 0).select(
            "student_id", "enrolment_id", "assignment_id", "submitted_on"),
        "results": results.select("student_id", "enrolment_id", "assignment_id",
            pl.when(pl.col("is_banked") == 1).then(pl.lit("banked")).otherwise(pl.lit("graded")).alias("status"),
            "score", "marked_on"),
        "activity": _activity(raw["studentVle"], raw["vle"], keys),
        "skills": sections.select(pl.col("code_module").alias("skill_id"),
            pl.concat_str(pl.lit("Pass the work of module "), "code_module").alias("statement"),
            pl.col("code_module").alias("subject")).unique().sort("skill_id"),
        "assignment_skills": work.select("assignment_id", pl.col("code_module").alias("skill_id")),
        "skill_results": results.filter(pl.col("is_banked") == 0).select("student_id", "enrolment_id", "section_id",
            pl.col("code_module").alias("skill_id"), pl.col("assignment_id").alias("evidence_id"),
            pl.col("submitted_on").alias("occurred_on"), (pl.col("score") / 100).alias("score_share"),
            pl.col("marked_on").alias("known_on")),
        "outcomes": stays.filter(pl.col("final_result").is_not_null()).select("student_id", "enrolment_id", "section_id",
            pl.col("code_presentation").alias("term_id"), pl.col("final_result").str.to_lowercase().alias("result"),
            pl.col("ends_on").alias("decided_on")),
    }  # fmt: skip


def _assignments(assessments: pl.DataFrame, sections: pl.DataFrame) -> pl.DataFrame:
    return assessments.join(sections, on=_PRES).with_columns(
        pl.col("id_assessment").cast(pl.String).alias("assignment_id"),
        pl.col("assessment_type")
        .replace_strict({"TMA": "tutor_marked", "CMA": "computer_marked", "Exam": "exam"})
        .alias("kind"),
        pl.coalesce(pl.col("starts_on") + pl.duration(days=pl.col("date")), "ends_on").alias("due_on"),
    )


def _scored(rows: pl.DataFrame, work: pl.DataFrame, keys: pl.DataFrame, settings: Oulad) -> pl.DataFrame:
    """Return hand-ins with the day on which their score becomes known."""
    lag = pl.duration(days=settings.marking_lag_days)
    joined = rows.join(work.select("id_assessment", "assignment_id", *_PRES, "kind", "due_on"), on="id_assessment").join(
        keys, on=_ENROLMENT
    )
    submitted = pl.col("starts_on") + pl.duration(days=pl.col("date_submitted"))
    return joined.with_columns(submitted.alias("submitted_on")).with_columns(
        pl.when(pl.col("is_banked") == 1)
        .then(pl.col("starts_on"))
        .when(pl.col("kind") == "computer_marked")
        .then(pl.col("submitted_on"))
        .otherwise(pl.max_horizontal("due_on", "submitted_on") + lag)
        .alias("marked_on")
    )


def _activity(clicks: pl.DataFrame, pages: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Fold clicks per page into actions and different pages per day and kind: 7 million rows become 2."""
    kinds = pages.select("id_site", pl.col("activity_type").replace_strict(_KINDS, default="other").alias("kind"))
    stays = keys.with_row_index("stay")
    numbered = clicks.lazy().join(stays.lazy().select(*_ENROLMENT, "stay"), on=_ENROLMENT)
    kind_words = pl.Enum(TABLES["activity"].column("kind").values)
    daily = (
        numbered.join(kinds.lazy().with_columns(pl.col("kind").cast(kind_words)), on="id_site")
        .group_by("stay", "date", "kind")
        .agg(
            pl.col("sum_click").sum().cast(pl.Int32).alias("actions"),
            pl.col("id_site").n_unique().cast(pl.Int32).alias("resources"),
        )
        .collect(engine="streaming")
    )
    return (
        daily.join(stays, on="stay")
        .sort("stay", "date", "kind")
        .select("student_id", "enrolment_id", "section_id",
                (pl.col("starts_on") + pl.duration(days=pl.col("date"))).alias("on"),
                pl.col("kind").cast(pl.String), "actions", "resources")
    )  # fmt: skip

"""Schools, terms, courses and classes; who sits in which class, who teaches it, and the stays that follow from that."""

from __future__ import annotations

import polars as pl

from features.sources.oneroster.rows import STAMP, State, listed

#: Words of the binding in the canonical ones.
TERM_KINDS = {"schoolYear": "school_year", "semester": "semester", "term": "term", "gradingPeriod": "grading_period"}

#: Subject areas of the School Courses for the Exchange of Data (SCED, NCES): English, mathematics, science, social studies,
#: of secondary schools and of those before. Every other area of two digits is something else.
CORE_AREAS = ("01", "02", "03", "04", "51", "52", "53", "54")

#: An area alone, or a course code of five digits, with or without level, credits and sequence.
_SCED = r"^([0-9]{2})(?:[0-9]{3}(?:[A-Z].*|[0-9]{7})?)?$"

_CORE_WORDS = (
    "english", "english language arts", "language arts", "ela", "literature", "reading", "writing", "mathematics", "math",
    "maths", "algebra", "algebra i", "algebra ii", "geometry", "calculus", "statistics", "science", "sciences", "biology",
    "chemistry", "physics", "earth science", "life science", "physical science", "social studies", "social science",
    "social sciences", "history", "us history", "world history", "geography", "civics", "government", "economics",
)  # fmt: skip
_OTHER_WORDS = (
    "art", "arts", "visual arts", "fine arts", "music", "band", "choir", "orchestra", "dance", "drama", "theatre", "theater",
    "physical education", "pe", "health", "homeroom", "advisory", "study hall", "lunch", "foreign language", "world languages",
    "spanish", "french", "german", "latin", "mandarin", "computer science", "computing", "business",
    "career and technical education",
)  # fmt: skip

#: No school's sessions are nested deeper.
_DEEPEST = 8


def organisations(state: State) -> pl.DataFrame:
    """Return the schools and what is above them."""
    return state["orgs"].select(
        pl.col("sourcedId").alias("organisation_id"), "name", pl.col("type").alias("kind"),
        pl.col("parentSourcedId").alias("parent_id"), "identifier", STAMP,
    )  # fmt: skip


def terms(state: State, exclusive_ends: bool) -> pl.DataFrame:
    """Return the terms; where ends are exclusive the last day is the one before."""
    return state["academicSessions"].select(
        pl.col("sourcedId").alias("term_id"), "title", pl.col("startDate").alias("starts_on"),
        _last("startDate", "endDate", exclusive_ends).alias("ends_on"),
        pl.col("type").replace_strict(TERM_KINDS, default=None, return_dtype=pl.String).alias("kind"),
        pl.col("parentSourcedId").alias("parent_id"), "schoolYear", STAMP,
    )  # fmt: skip


def _last(first: str, last: str, exclusive: bool) -> pl.Expr:
    if not exclusive:
        return pl.col(last)
    return pl.max_horizontal(first, pl.col(last) - pl.duration(days=1))


def courses(state: State) -> pl.DataFrame:
    """Return the courses; ``core`` is null unless a subject's code or word leaves no doubt."""
    rows = state["courses"].with_columns(_first("subjects").alias("subject"))
    areas = listed(rows.select("sourcedId", "subjectCodes"), "subjectCodes").select(
        "sourcedId", pl.col("subjectCodes").str.to_uppercase().str.extract(_SCED).alias("area"))  # fmt: skip
    by_code = areas.drop_nulls().group_by("sourcedId").agg(pl.col("area").is_in(CORE_AREAS).any().alias("by_code"))
    words = listed(rows.select("sourcedId", "subjects"), "subjects").with_columns(
        pl.col("subjects")
        .str.to_lowercase()
        .str.replace_all("[_/-]", " ")
        .str.replace_all(r"[^a-z ]", "")
        .str.strip_chars()
        .alias("word")
    )
    core, other = (pl.col("word").is_in(each) for each in (_CORE_WORDS, _OTHER_WORDS))
    by_word = words.group_by("sourcedId").agg(
        pl.when(core.any()).then(True).when(other.all()).then(False).otherwise(None).alias("by_word")
    )
    joined = rows.join(by_code, on="sourcedId", how="left").join(by_word, on="sourcedId", how="left")
    return joined.select(pl.col("sourcedId").alias("course_id"), "title", "subject",
                         pl.coalesce("by_code", "by_word").alias("core"), STAMP)  # fmt: skip


def _first(column: str) -> pl.Expr:
    return pl.col(column).str.split(",").list.first().str.strip_chars()


def sections(state: State, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the classes with their term, the shortest that covers all they name, and ``year``, the key of the school year."""
    named = listed(state["classes"].select("sourcedId", "termSourcedIds"), "termSourcedIds")
    spans = (
        named.join(with_years(terms), left_on="termSourcedIds", right_on="term_id")
        .group_by("sourcedId")
        .agg(
            pl.col("starts_on").min(),
            pl.col("ends_on").max(),
            pl.len().alias("named"),
            pl.col("termSourcedIds").first().alias("one"),
            *(
                pl.col(one).sort_by("starts_on", "termSourcedIds").first()
                for one in ("year", "year_starts_on", "year_ends_on", "year_term")
            ),
        )
    )
    several = spans.filter(pl.col("named") > 1).select("starts_on", "ends_on").unique()
    covering = several.join(
        terms.select("term_id", pl.col("starts_on").alias("from"), pl.col("ends_on").alias("to")), how="cross"
    ).filter(pl.col("from") <= pl.col("starts_on"), pl.col("to") >= pl.col("ends_on"))
    shortest = covering.sort(pl.col("to") - pl.col("from"), "term_id").unique(
        ["starts_on", "ends_on"], keep="first", maintain_order=True)  # fmt: skip
    placed = spans.join(shortest.select("starts_on", "ends_on", "term_id"), on=["starts_on", "ends_on"], how="left")
    # Where no session covers them the class runs in the first that it names.
    term = pl.when(pl.col("named") == 1).then(pl.col("one")).otherwise(pl.coalesce("term_id", "one"))
    known = state["classes"].join(
        state["courses"].select("sourcedId"), left_on="courseSourcedId", right_on="sourcedId", how="semi"
    )
    known = known.join(state["orgs"].select("sourcedId"), left_on="schoolSourcedId", right_on="sourcedId", how="semi")
    return known.join(placed.with_columns(term.alias("term_id")), on="sourcedId").select(
        pl.col("sourcedId").alias("section_id"), pl.col("courseSourcedId").alias("course_id"), "term_id",
        pl.col("schoolSourcedId").alias("organisation_id"), "title", "starts_on", "ends_on", "classCode",
        "year", "year_term", "year_starts_on", "year_ends_on", STAMP,
    )  # fmt: skip


def with_years(terms: pl.DataFrame) -> pl.DataFrame:
    """Return each term with its school year: ``year`` (a key), ``year_term``, ``year_starts_on``, ``year_ends_on``.

    It is the session of type schoolYear above it; else the one with the same ``schoolYear``; else all sessions with the same
    ``schoolYear`` together, and then the year has no term of its own unless it has just one session.
    """
    own = terms.select("term_id", "kind", "parent_id", "schoolYear", "starts_on", "ends_on")
    climbing = own.select("term_id", pl.col("term_id").alias("at"))
    parents = own.select(pl.col("term_id").alias("at"), "parent_id", "kind")
    above: list[pl.DataFrame] = []
    for _ in range(_DEEPEST):
        here = climbing.join(parents, on="at")
        above.append(here.filter(pl.col("kind") == "school_year").select("term_id", pl.col("at").alias("year_term")))
        climbing = here.filter(pl.col("kind").ne_missing("school_year") & pl.col("parent_id").is_not_null()).select(
            "term_id", pl.col("parent_id").alias("at"))  # fmt: skip
        if climbing.is_empty():
            break
    found = own.join(pl.concat(above).unique("term_id", keep="first", maintain_order=True), on="term_id", how="left")
    same = own.filter(pl.col("kind") == "school_year", pl.col("schoolYear").is_not_null()).sort("starts_on", "term_id")
    same = same.unique("schoolYear", keep="first", maintain_order=True)
    found = found.join(same.select("schoolYear", pl.col("term_id").alias("by_number")), on="schoolYear", how="left")
    found = found.with_columns(pl.coalesce("year_term", "by_number").alias("year_term"))
    number = pl.coalesce("year_term", "schoolYear", "term_id")
    spans = own.select(pl.col("term_id").alias("year_term"), pl.col("starts_on").alias("y0"), pl.col("ends_on").alias("y1"))
    found = found.with_columns(number.alias("year")).join(spans, on="year_term", how="left")
    lone = (pl.len().over("year") == 1) & pl.col("year_term").is_null()
    return found.select(
        "term_id", "starts_on", "ends_on", "year",
        pl.when(lone).then(pl.col("term_id")).otherwise(pl.col("year_term")).alias("year_term"),
        pl.coalesce("y0", pl.col("starts_on").min().over("year")).alias("year_starts_on"),
        pl.coalesce("y1", pl.col("ends_on").max().over("year")).alias("year_ends_on"),
    )  # fmt: skip


def seats(state: State, persons: pl.DataFrame, sections: pl.DataFrame, role: str, exclusive_ends: bool) -> pl.DataFrame:
    """Return who learns or teaches in which class: one row per person and class, of several the earliest and the latest day.

    A last day is known only where every row has one: a person who came back is still there.
    """
    rows = state["enrollments"].filter(pl.col("role") == role).join(persons, left_on="userSourcedId", right_on="sourcedId")
    rows = rows.join(sections.drop(STAMP), left_on="classSourcedId", right_on="section_id").with_columns(
        pl.col("ends_on").alias("class_ends_on"), _last("beginDate", "endDate", exclusive_ends).alias("endDate"))  # fmt: skip
    return (
        rows.group_by("person", pl.col("classSourcedId").alias("section_id"))
        .agg(
            pl.when(pl.col("beginDate").null_count() == 0).then(pl.col("beginDate").min()).alias("begins_on"),
            pl.when(pl.col("endDate").null_count() == 0).then(pl.col("endDate").max()).alias("ends_on"),
            pl.coalesce("beginDate", "starts_on").min().alias("entered_on"),
            *(
                pl.col(one).first()
                for one in ("class_ends_on", "organisation_id", "year", "year_term", "year_starts_on", "year_ends_on")
            ),
            pl.col(STAMP).max(),
        )
        .with_columns(
            pl.concat_str(pl.col("person"), pl.col("organisation_id"), pl.col("year"), separator="/").alias("enrolment_id")
        )
    )


def enrolments(seated: pl.DataFrame, grades: pl.DataFrame) -> pl.DataFrame:
    """Return the stays: one per student, school and school year, from the first day in a class of it.

    The grade that a user row gives is today's, so it is that of the student's latest year only.
    """
    stays = seated.group_by("enrolment_id", pl.col("person").alias("student_id"), "organisation_id").agg(
        pl.col("year_term").first().alias("term_id"),
        pl.col("entered_on").min(),
        pl.max_horizontal(pl.col("year_ends_on").max(), pl.col("entered_on").min()).alias("planned_end_on"),
        pl.col("year_starts_on").min(),
        pl.col(STAMP).max(),
    )
    latest = pl.col("year_starts_on") == pl.col("year_starts_on").max().over("student_id")
    graded = stays.join(grades.rename({"person": "student_id"}), on="student_id", how="left")
    return graded.with_columns(pl.when(latest).then(pl.col("grade_level")).alias("grade_level")).sort("enrolment_id")


def rosters(seated: pl.DataFrame) -> pl.DataFrame:
    """Return who sits in which class, where no day of it is told from the first day of the class.

    That somebody left before the class ended was not known when they came: such a seat has a second version, of the day on
    which they left.
    """
    seats = seated.select(
        pl.col("person").alias("student_id"),
        "enrolment_id",
        "section_id",
        pl.col("entered_on").alias("begins_on"),
        "ends_on",
        "class_ends_on",
        pl.col("entered_on").alias("known_on"),
        STAMP,
    )
    left = pl.col("ends_on") < pl.col("class_ends_on")
    sat = seats.with_columns(pl.when(~left.fill_null(value=False)).then(pl.col("ends_on")).alias("ends_on"))
    gone = seats.filter(left).with_columns(pl.max_horizontal("known_on", "ends_on").alias("known_on"))
    key = ["student_id", "enrolment_id", "section_id", "known_on"]
    return pl.concat([sat, gone]).unique(key, keep="last", maintain_order=True).drop("class_ends_on")

"""Pieces of work, what became of them, and which skills they show.

What OneRoster does not say is not made up:

* It has no day of handing in. A hand-in is known from the day of its result. It is dated where the export says something
  of it: ``late`` true is read as the day after the work was due, the least that the word says; ``late`` false, and work
  ``submitted`` of which nothing more is said, as the day it was due, or that of the result where this is earlier. A mark
  alone, as in 1.1, is proof of a hand-in and says nothing of its day: there is then no row in ``submissions``.
* A result without a number is no mark: a mark in words counts where a scale of the export gives a number for it.
* Work has the skills that the export ties to it, and a mark for it is evidence of each, unless the export marks the skills
  themselves. Work without skills is no evidence of any.
"""

from __future__ import annotations

import polars as pl

from features.sources.oneroster.rows import STAMP, State
from features.tables import ASSIGNMENT_KINDS

#: Titles of categories that leave no doubt; every other is ``other``.
_KINDS = {
    "homework": "homework",
    "quiz": "quiz",
    "quizzes": "quiz",
    "exam": "exam",
    "exams": "exam",
    "final exam": "exam",
    "project": "project",
    "projects": "project",
} | {kind.replace("_", " "): kind for kind in ASSIGNMENT_KINDS}

_STATUSES = {"fully graded": "graded", "partially graded": "partial", "exempt": "exempt", "submitted": "submitted",
             "not submitted": "not_submitted"}  # fmt: skip

_PAIR = r"\{[^{}:]+:[^{}]+\}"


def assignments(state: State, sections: pl.DataFrame) -> pl.DataFrame:
    """Return the pieces of work.

    A category's weight is spread over its work in a class by the best score of each piece, as points within a category
    count; equally, where a piece has none. Where a piece of a class has no category with a weight, no piece of it has one.
    """
    kinds = state["categories"].select(
        pl.col("sourcedId").alias("categorySourcedId"), pl.col("weight").alias("category_weight"),
        pl.col("title").str.to_lowercase().str.replace_all("[_-]", " ").str.strip_chars()
        .replace_strict(_KINDS, default="other", return_dtype=pl.String).alias("kind"),
    )  # fmt: skip
    rows = state["lineItems"].join(sections.select("section_id"), left_on="classSourcedId", right_on="section_id", how="semi")
    rows = rows.join(kinds, on="categorySourcedId", how="left", maintain_order="left")
    within = ["classSourcedId", "categorySourcedId"]
    best = pl.col("resultValueMax")
    by_points = ((best > 0).fill_null(value=False).all()).over(within)
    share = pl.when(by_points).then(best / best.sum().over(within)).otherwise(1 / pl.len().over(within))
    weighed = pl.col("category_weight").is_not_null().all().over("classSourcedId")
    return rows.select(
        pl.col("sourcedId").alias("assignment_id"), pl.col("classSourcedId").alias("section_id"), "title",
        pl.col("kind").fill_null("other"), pl.col("dueDate").alias("due_on"),
        pl.when(weighed).then(pl.col("category_weight") * share).alias("weight"), best.alias("max_score"), STAMP,
    )  # fmt: skip


def results(state: State, persons: pl.DataFrame, work: pl.DataFrame, seated: pl.DataFrame) -> pl.DataFrame:
    """Return results with their student, stay, class and number: what marks, hand-ins and evidence are made of."""
    rows = state["results"].join(persons, left_on="studentSourcedId", right_on="sourcedId")
    rows = rows.join(work.select("assignment_id", "section_id", "due_on", "max_score"), left_on="lineItemSourcedId",
                     right_on="assignment_id")  # fmt: skip
    rows = rows.join(seated.select("person", "section_id", "enrolment_id"), on=["person", "section_id"])
    missing = pl.col("missing").fill_null(value=False)
    status = pl.when(missing).then(pl.lit("not_submitted")).otherwise(
        pl.col("scoreStatus").replace_strict(_STATUSES, return_dtype=pl.String))  # fmt: skip
    marked = status.is_in(["graded", "partial"])
    scaled = rows.join(_scaled(state, rows), on="sourcedId", how="left", maintain_order="left")
    fits = pl.col("scaled") <= pl.col("max_score").fill_null(float("inf"))
    found = scaled.with_columns(
        status.alias("status"),
        pl.when(marked).then(pl.coalesce("score", pl.when(fits).then(pl.col("scaled")))).alias("score"),
    )
    # Of two on one day for one piece of work the better one counts. There seldom are two, and sorting costs more than asking.
    key = ["person", "lineItemSourcedId", "scoreDate"]
    if found.select(pl.struct(key).n_unique()).item() == found.height:
        return found
    return found.sort(*key, "score", "status", "sourcedId", nulls_last=False).unique(key, keep="last", maintain_order=True)


def wordy(rows: pl.DataFrame) -> int:
    """Return how many marks are in words for which no scale gives a number."""
    return rows.filter(
        pl.col("status").is_in(["graded", "partial"]), pl.col("score").is_null(), pl.col("textScore").is_not_null()
    ).height


def _scaled(state: State, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the number that a scale gives for each mark in words: ``sourcedId``, ``scaled``.

    The scale is the result's own, else its line item's, else the only one of its class.
    """
    values = scale_values(state)
    empty = pl.DataFrame(schema={"sourcedId": pl.String, "scaled": pl.Float64})
    if values.is_empty():
        return empty
    worded = rows.filter(pl.col("textScore").is_not_null()).select("sourcedId", "lineItemSourcedId", "section_id", "textScore")
    return worded.join(_scale_of(state, worded), on="sourcedId").with_columns(
        pl.col("textScore").str.to_lowercase().alias("word")).join(values, on=["scale", "word"]).select(
        "sourcedId", pl.col("number").alias("scaled"))  # fmt: skip


def scale_values(state: State) -> pl.DataFrame:
    """Return the numbers of the scales: ``scale``, ``word``, ``number``; words for which a scale gives none are left out."""
    entries = state["scoreScales"].select(
        pl.col("sourcedId").alias("scale"), pl.col("scoreScaleValue").str.extract_all(_PAIR).alias("entry")
    ).explode("entry", empty_as_null=True)  # fmt: skip
    return entries.select(
        "scale",
        pl.col("entry").str.extract(r"\{([^{}:]+):").str.strip_chars().str.to_lowercase().alias("word"),
        pl.col("entry").str.extract(r":([^{}]+)\}").str.strip_chars().cast(pl.Float64, strict=False).alias("number"),
    ).filter(pl.col("number").is_finite()).unique(["scale", "word"], keep="first", maintain_order=True)  # fmt: skip


def _scale_of(state: State, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the scale of each row: ``sourcedId``, ``scale``. ``rows`` has ``lineItemSourcedId`` and ``section_id``."""
    own = state["resultScoreScales"].select(
        pl.col("resultSourcedId").alias("sourcedId"), pl.col("scoreScaleSourcedId").alias("own")
    )
    item = state["lineItemScoreScales"].select("lineItemSourcedId", pl.col("scoreScaleSourcedId").alias("item"))
    classes = state["scoreScales"].filter(pl.col("classSourcedId").is_not_null(), pl.len().over("classSourcedId") == 1).select(
        pl.col("classSourcedId").alias("section_id"), pl.col("sourcedId").alias("class"))  # fmt: skip
    found = rows.select("sourcedId", "lineItemSourcedId", "section_id")
    for scales, key in ((own, "sourcedId"), (item, "lineItemSourcedId"), (classes, "section_id")):
        found = found.join(scales.unique(key, keep="first", maintain_order=True), on=key, how="left")
    return found.select("sourcedId", pl.coalesce("own", "item", "class").alias("scale")).drop_nulls()


def marks(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical results."""
    return rows.select(
        pl.col("person").alias("student_id"), "enrolment_id", pl.col("lineItemSourcedId").alias("assignment_id"), "status",
        "score", pl.col("scoreDate").alias("marked_on"), STAMP,
    )  # fmt: skip


def hand_ins(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the hand-ins of which the export says something (see the head of this page)."""
    handed = pl.col("status").is_in(["graded", "partial", "submitted"])
    told = pl.col("late").is_not_null() | (pl.col("status") == "submitted") | pl.col("score").is_null()
    graded_on, due = pl.col("scoreDate"), pl.coalesce("due_on", "scoreDate")
    on = (
        pl.when(pl.col("late").fill_null(value=False))
        .then(due + pl.duration(days=1))
        .otherwise(pl.min_horizontal(due, graded_on))
    )
    return rows.filter(handed & told).select(
        pl.col("person").alias("student_id"), "enrolment_id", pl.col("lineItemSourcedId").alias("assignment_id"),
        on.alias("submitted_on"), pl.max_horizontal(graded_on, on).alias("known_on"), STAMP,
    ).unique(["student_id", "enrolment_id", "assignment_id", "known_on"], keep="first", maintain_order=True)  # fmt: skip


def assignment_skills(state: State, work: pl.DataFrame) -> pl.DataFrame:
    """Return which skills a piece of work shows."""
    rows = state["lineItemLearningObjectiveIds"].join(work.select("assignment_id"), left_on="lineItemSourcedId",
                                                      right_on="assignment_id", how="semi")  # fmt: skip
    return rows.group_by(pl.col("lineItemSourcedId").alias("assignment_id"), _skill().alias("skill_id")).agg(
        pl.col(STAMP).max()
    )


def _skill() -> pl.Expr:
    return pl.col("learningObjectiveId").str.strip_prefix("urn:uuid:")


def skills(state: State) -> pl.DataFrame:
    """Return the skills that the export names. What they are it does not say, so the id stands for the statement."""
    named = pl.concat([
        state[name].select(_skill().alias("skill_id"), STAMP)
        for name in ("lineItemLearningObjectiveIds", "resultLearningObjectiveIds")
    ])  # fmt: skip
    return (
        named.group_by("skill_id").agg(pl.col(STAMP).min()).with_columns(pl.col("skill_id").alias("statement")).sort("skill_id")
    )


def skill_results(state: State, rows: pl.DataFrame, tagged: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return evidence of skills, and how many marks of tagged work have no best score to be a share of."""
    base = rows.filter(pl.col("status").is_in(["graded", "partial"])).select(
        "sourcedId", "person", "enrolment_id", "section_id", "lineItemSourcedId", "scoreDate", "max_score", "score", STAMP
    )
    own = state["resultLearningObjectiveIds"].select(
        pl.col("resultSourcedId").alias("sourcedId"), _skill().alias("skill_id"), pl.col("score").alias("own"),
        pl.col("textScore"), pl.col(STAMP).alias("own_stamp"),
    ).join(base, on="sourcedId")  # fmt: skip
    values = scale_values(state)
    if not values.is_empty() and own.height:
        scaled = own.join(_scale_of(state, own.unique("sourcedId")), on="sourcedId", how="left").with_columns(
            pl.col("textScore").str.to_lowercase().alias("word")).join(values, on=["scale", "word"], how="left")  # fmt: skip
        own = scaled.with_columns(pl.coalesce("own", "number").alias("own"))
    of_skill = own.select(*base.columns[:-1], "skill_id", pl.col("own").alias("value"),
                          pl.max_horizontal(STAMP, "own_stamp").alias(STAMP))  # fmt: skip
    whole = base.join(tagged.select(pl.col("assignment_id").alias("lineItemSourcedId"), "skill_id"), on="lineItemSourcedId")
    whole = whole.join(own.select("sourcedId").unique(), on="sourcedId", how="anti").with_columns(
        pl.col("score").alias("value")
    )
    of_skill = of_skill.sort("value", nulls_last=False).unique(["sourcedId", "skill_id"], keep="last", maintain_order=True)
    found = pl.concat([of_skill, whole.select(of_skill.columns)]).filter(pl.col("value").is_not_null())
    measured = found.filter(pl.col("max_score") > 0)
    share = (pl.col("value") / pl.col("max_score")).alias("score_share")
    return measured.select(
        pl.col("person").alias("student_id"), "enrolment_id", "section_id", "skill_id",
        pl.col("lineItemSourcedId").alias("evidence_id"), pl.col("scoreDate").alias("occurred_on"), share, STAMP,
    ).filter(pl.col("score_share").is_between(0, 1)), found.height - measured.height  # fmt: skip


def resources(state: State) -> pl.DataFrame:
    """Return what there is to learn from."""
    return state["resources"].select(
        pl.col("sourcedId").alias("resource_id"), pl.coalesce("title", "vendorResourceId", "sourcedId").alias("title"), STAMP
    )

"""Which stay a row belongs to, where its file does not say: few systems give a stay a key, and every row has a day."""

from __future__ import annotations

import polars as pl

#: The end of a stay that nobody ended, and the beginning of one of which nobody knows it.
_ALWAYS = pl.date(2999, 12, 31)
_EVER = pl.date(1900, 1, 1)


def enrolment_of(rows: pl.DataFrame, enrolments: pl.DataFrame, exits: pl.DataFrame | None = None) -> pl.Series:
    """Return the ``enrolment_id`` of the student's stay that covers each row's day, null where none does.

    Args:
        rows: ``student_id``, ``on`` (a date, or null where the row has no day) and, where it is known, ``organisation_id``.
        enrolments: the stays, as the canonical table has them; of several versions the latest counts.
        exits: the exits known, as the canonical table has them: a stay that ended early covers no day after its exit.

    Returns:
        one value per row, in the rows' order. Where two stays cover the day it is the one at the row's school, else the
        one entered later. A row without a day is of the student's only stay, if there is only one.

    """
    school = pl.col("organisation_id") if "organisation_id" in rows.columns else pl.lit(None, pl.String)
    asked = rows.select("student_id", "on", school.alias("school")).with_row_index("row")
    pairs = asked.lazy().join(_stays(enrolments, exits).lazy(), on="student_id")
    covering = pairs.filter(pl.when(pl.col("on").is_null()).then(pl.col("only")).otherwise(
        pl.col("on").is_between(pl.col("first"), pl.col("last")))).with_columns(
        (pl.col("school") == pl.col("stay_school")).fill_null(value=False).alias("here"))  # fmt: skip
    best = covering.sort("row", "here", "first", "enrolment_id").group_by("row", maintain_order=True).last()
    found = asked.lazy().select("row").join(best.select("row", "enrolment_id"), on="row", how="left", maintain_order="left")
    return found.collect()["enrolment_id"]


def _stays(enrolments: pl.DataFrame, exits: pl.DataFrame | None) -> pl.DataFrame:
    stays = latest(enrolments, ["enrolment_id"])
    entered = pl.col("entered_on") if "entered_on" in stays.columns else pl.lit(None, pl.Date)
    if exits is None or exits.is_empty():
        ends = stays.with_columns(pl.lit(None, pl.Date).alias("exited_on"))
    else:
        left = latest(exits, ["enrolment_id"]).select("enrolment_id", "exited_on")
        ends = stays.join(left, on="enrolment_id", how="left")
    return ends.select(
        "student_id",
        "enrolment_id",
        pl.col("organisation_id").alias("stay_school"),
        entered.fill_null(_EVER).alias("first"),
        pl.coalesce("exited_on", "planned_end_on", _ALWAYS).alias("last"),
        (pl.len().over("student_id") == 1).alias("only"),
    )


def latest(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return the latest version of each row, without those that a later version deletes."""
    if "known_on" in frame.columns:
        frame = frame.sort("known_on", nulls_last=False, maintain_order=True)
    newest = frame.unique(key, keep="last", maintain_order=True)
    return newest.filter(~pl.col("deleted").fill_null(value=False)) if "deleted" in newest.columns else newest

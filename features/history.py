"""What is known of the stay itself: how far it has gone, how it began, what came before. Context, not behaviour."""

from __future__ import annotations

import polars as pl

from features.catalog import Feature, Frame, derived, feature
from features.records import Snapshot

FEATURES: list[Feature] = []


def stay(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit: the enrolment, and the class it sits in where there is one."""
    sections = snapshot.reference("sections").select("section_id", "as_of", "starts_on", "ends_on")
    seats = snapshot.table("rosters").select("row", "as_of", "section_id").join(sections, on=["section_id", "as_of"])
    first = seats.group_by("row").agg(pl.col("starts_on").min(), pl.col("ends_on").max())
    return (
        snapshot.table("enrolments")
        .join(first, on="row", how="left")
        .select(
            "row",
            (pl.col("as_of") - pl.col("starts_on")).dt.total_days().alias("elapsed"),
            (pl.col("ends_on") - pl.col("starts_on")).dt.total_days().alias("length"),
            (pl.col("starts_on") - pl.col("entered_on")).dt.total_days().alias("lead"),
            "previous_attempts",
            "credits_load",
        )
    )


def carried_over(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and piece of work whose mark was banked in an earlier attempt."""
    return snapshot.table("results").filter(pl.col("status") == "banked").select("row", "score")


STAY = Frame("stay", ("enrolments", "rosters", "sections"), stay)
CARRIED_OVER = Frame("carried_over", ("results",), carried_over)


@feature(frame=STAY, concept="history", unit="days", range=(-400, 4000), higher="context", modifiable=False,
         name="days since teaching began", says="is {value:n day} into the course", into=FEATURES)  # fmt: skip
def days_elapsed() -> pl.Expr:
    """Days since the first day of teaching, below zero before it."""
    return pl.col("elapsed").max()


@feature(frame=STAY, concept="history", unit="days", range=(0, 4000), higher="context", modifiable=False,
         name="length of the course", into=FEATURES)  # fmt: skip
def course_days() -> pl.Expr:
    """Planned length of the course in days."""
    return pl.col("length").max()


@derived(concept="history", unit="share", range=(-1, 1.5), higher="context", modifiable=False,
         name="share of the course gone", says="is {value:.0%} of the way through the course", model_input=False,
         into=FEATURES)  # fmt: skip
def elapsed_share() -> pl.Expr:
    """Days gone over the course's length."""
    return pl.when(pl.col("course_days") > 0).then(pl.col("days_elapsed") / pl.col("course_days"))


@feature(frame=STAY, concept="history", unit="days", range=(-4000, 4000), higher="context", modifiable=False,
         name="days registered before teaching began", relative_to="section",
         says="registered {value:n day} before teaching began", says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def registered_ahead() -> pl.Expr:
    """Days between registration and the first day of teaching, below zero after it."""
    return pl.col("lead").max()


@feature(frame=STAY, concept="history", unit="attempts", range=(0, 50), higher="context", modifiable=False,
         name="earlier attempts at this course", says="has taken this course {value:n time} before",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def previous_attempts() -> pl.Expr:
    """How often the student took this before."""
    return pl.col("previous_attempts").max()


@feature(frame=STAY, concept="history", unit="credits", range=(0, 2000), higher="context", modifiable=False,
         name="credits studied at the same time", says="studies {value:.0f} credits at the same time",
         says_other="{value:.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def credits_load() -> pl.Expr:
    """Credits studied at the same time."""
    return pl.col("credits_load").max()


@feature(frame=CARRIED_OVER, concept="history", unit="pieces", range=(0, 1000), higher="context", modifiable=False,
         name="marks carried over from an earlier attempt", says="carried {value:n mark} over from an earlier attempt",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def marks_carried_over() -> pl.Expr:
    """Marks banked in an earlier attempt."""
    return pl.len()

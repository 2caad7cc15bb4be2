"""Incidents of conduct that a student had a part in, and the school days that an exclusion cost.

Only the perpetrator's part counts: who was hurt or looked on is nobody's risk. What happened, and which rule it broke,
is not read. An exclusion is what the school did, so it is the school's to change. Nothing of earlier years is read.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from features.attendance import days_until, school_days, stays
from features.catalog import Feature, Frame, derived, feature
from features.records import Snapshot

FEATURES: list[Feature] = []

#: Days lost are counted in hundredths: whole numbers, so that their sum does not depend on the order of the rows.
PARTS, OF_PARTS = 100, 0.01


def incidents(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and incident of the stay: ``idays_ago``, and the exclusion that followed.

    An incident on a day without teaching is as old as the last school day before it.
    """
    part, columns = _incidents()
    days = school_days(snapshot)
    mine = stays(snapshot, days).select("row", "enrolment_id", "organisation_id", "last")
    rows = snapshot.table("incidents").filter(part).join(mine, on=["row", "enrolment_id"])
    return days_until(rows, days, "occurred_on", "number").select(columns)


@cache
def _incidents() -> tuple[pl.Expr, list[pl.Expr]]:
    columns = [
        pl.col("row"),
        (pl.col("last") - pl.col("number")).alias("idays_ago"),
        (pl.col("exclusion") == "out_of_school").alias("out_of_school"),
        (pl.col("days_excluded") * PARTS).round().cast(pl.Int64).alias("lost"),
    ]
    return pl.col("role") == "perpetrator", columns


INCIDENTS = Frame("incidents", ("enrolments", "organisations", "calendar", "incidents"), incidents)


@feature(frame=INCIDENTS, concept="behaviour", unit="incidents", range=(0, 1000), higher="concern", grains=("enrolment",),
         name="incidents so far this year", says="has {value:n incident} on record so far this year", says_other="{value:.0f}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES, column="incidents")  # fmt: skip
def incidents_so_far() -> pl.Expr:
    """Incidents of this year at this school."""
    return pl.len()


@feature(frame=INCIDENTS, concept="behaviour", unit="incidents", range=(0, 1000), higher="concern", grains=("enrolment",),
         windows=(45,), name="incidents in the last {window} school days",
         says="has {value:n incident} on record in the last {window} school days", says_other="{value:.0f}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES, column="incidents")  # fmt: skip
def incidents_lately(window: int) -> pl.Expr:
    """Incidents of the window."""
    return (pl.col("idays_ago") < window).sum()


@feature(frame=INCIDENTS, concept="behaviour", unit="hundredths of days", range=(0, 400 * PARTS), higher="concern",
         grains=("enrolment",), name="time lost to exclusion this year", into=FEATURES)  # fmt: skip
def exclusion_parts() -> pl.Expr:
    """Hundredths of school days lost to exclusion, in school and out of it."""
    return pl.col("lost").sum()


@derived(concept="behaviour", unit="school days", range=(0, 400), higher="concern", grains=("enrolment",),
         name="school days lost to exclusion this year",
         says="has been kept from class for {value:.3g} of this year's school days", says_other="{value:.3g}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def exclusion_days() -> pl.Expr:
    """School days that exclusions cost, in school and out of it: the school's practice."""
    return pl.col("exclusion_parts") * OF_PARTS


@feature(frame=INCIDENTS, concept="behaviour", unit="suspensions", range=(0, 1000), higher="concern", grains=("enrolment",),
         name="suspensions out of school this year", into=FEATURES)  # fmt: skip
def suspensions() -> pl.Expr:
    """Incidents after which the school kept the student out of school."""
    return pl.col("out_of_school").sum()


@derived(concept="behaviour", unit="yes or no", range=(0, 1), higher="concern", grains=("enrolment",),
         name="suspended out of school this year", says="has been kept out of school by {suspensions:n suspension} this year",
         says_other="{value:.0f}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def suspended() -> pl.Expr:
    """1 where the school kept the student out of school this year, else 0."""
    return (pl.col("suspensions") > 0).cast(pl.Float64)

"""Evidence of one skill: how often, how lately, how well."""

from __future__ import annotations

import polars as pl

from features.catalog import Feature, Frame, derived, feature
from features.records import Snapshot

FEATURES: list[Feature] = []

WHOLE = 10_000

#: Basis points to a share: see :mod:`features.coursework` for why it is multiplied by.
OF_ONE = 0.0001


def evidence(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and occasion: ``age`` in days, ``score`` in basis points of the best."""
    return snapshot.table("skill_results").select(
        "row",
        (pl.col("as_of") - pl.col("occurred_on")).dt.total_days().cast(pl.Int64).alias("age"),
        (pl.col("score_share") * WHOLE).round().cast(pl.Int64).alias("score"),
    )


EVIDENCE = Frame("evidence", ("skill_results",), evidence)


@feature(frame=EVIDENCE, concept="skills", unit="occasions", range=(0, 10_000), higher="context", grains=("skill",),
         name="occasions with evidence of the skill", says="has shown this skill on {value:n occasion}",
         says_other="{value:.0f}", into=FEATURES)  # fmt: skip
def skill_occasions() -> pl.Expr:
    """Pieces of evidence known."""
    return pl.len()


@feature(frame=EVIDENCE, concept="skills", unit="days", range=(0, 4000), higher="context", grains=("skill",),
         name="days since the latest evidence", says="showed this skill {value:n day} ago for the last time",
         says_other="{value:n day}", into=FEATURES)  # fmt: skip
def skill_days_since() -> pl.Expr:
    """Days since the latest evidence: what is old says less."""
    return pl.col("age").min()


@feature(frame=EVIDENCE, concept="skills", unit="basis points", range=(0, WHOLE), higher="strength", grains=("skill",),
         name="average score on the skill, in basis points", into=FEATURES)  # fmt: skip
def skill_points_mean() -> pl.Expr:
    """Average over all evidence: one exact sum, one division."""
    return pl.col("score").mean()


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",), name="average score on the skill",
         says="has reached {value:.0%} of the best score on this skill, over {skill_occasions:n occasion}",
         says_other="{value:.0%}", relative_to="section", into=FEATURES)  # fmt: skip
def skill_mean() -> pl.Expr:
    """Average share of the best score, over all evidence."""
    return pl.col("skill_points_mean") * OF_ONE


@feature(frame=EVIDENCE, concept="skills", unit="basis points", range=(0, WHOLE), higher="strength", grains=("skill",),
         name="latest score on the skill, in basis points", into=FEATURES)  # fmt: skip
def skill_points_latest() -> pl.Expr:
    """Score of the latest occasion; of several on one day, the best."""
    return pl.col("score").filter(pl.col("age") == pl.col("age").min()).max()


@feature(frame=EVIDENCE, concept="skills", unit="basis points", range=(0, WHOLE), higher="strength", grains=("skill",),
         name="average score before the latest, in basis points", into=FEATURES)  # fmt: skip
def skill_points_earlier() -> pl.Expr:
    """Average score of the occasions before the latest day."""
    return pl.col("score").filter(pl.col("age") > pl.col("age").min()).mean()


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",),
         name="average score on the skill before the latest occasion", into=FEATURES)  # fmt: skip
def skill_earlier() -> pl.Expr:
    """The student's own earlier level on the skill."""
    return pl.col("skill_points_earlier") * OF_ONE


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",), name="latest score on the skill",
         says="reached {value:.0%} of the best score on the latest occasion", says_other="{value:.0%}",
         earlier_label="on average before", own_earlier="skill_earlier", relative_to="section", into=FEATURES)  # fmt: skip
def skill_latest() -> pl.Expr:
    """Share of the best score on the latest occasion."""
    return pl.col("skill_points_latest") * OF_ONE


@feature(frame=EVIDENCE, concept="skills", unit="basis points", range=(0, WHOLE), higher="strength", grains=("skill",),
         name="lowest score on the skill, in basis points", into=FEATURES)  # fmt: skip
def skill_points_lowest() -> pl.Expr:
    """Lowest score over all evidence."""
    return pl.col("score").min()


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",), name="lowest score on the skill",
         says="has a lowest score of {value:.0%} on this skill", says_other="{value:.0%}", relative_to="section",
         into=FEATURES)  # fmt: skip
def skill_lowest() -> pl.Expr:
    """Lowest share of the best score."""
    return pl.col("skill_points_lowest") * OF_ONE

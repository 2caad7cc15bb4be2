"""Evidence of one skill: how often, how lately, how well."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

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
         says_other="{value:.0%}", relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
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
         earlier_label="on average before", own_earlier="skill_earlier", relative_to="section", monotone=True,
         into=FEATURES)  # fmt: skip
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
         monotone=True, into=FEATURES)  # fmt: skip
def skill_lowest() -> pl.Expr:
    """Lowest share of the best score."""
    return pl.col("skill_points_lowest") * OF_ONE


# -- where skills are mapped ------------------------------------------------------------------------------------------

#: What a piece of evidence weighs by its age in days; what is older weighs 1. Whole numbers, so that sums are exact.
WEIGHTS, OLDEST = ((28, 8), (56, 4), (84, 2)), 1

#: Two occasions of which one went well stand before any evidence (a Beta prior), so that one good day is not mastery.
PRIOR_GOOD, PRIOR_ALL = 1, 2

#: In parts of the best: below ``GAP`` a skill is a gap; from ``SECURE`` on, over two occasions, it is secure.
GAP, SECURE = 6_000, 8_000


def _weight() -> pl.Expr:
    """Return the weight of evidence by its ``age``."""
    weight = pl.lit(OLDEST, pl.Int64)
    for days, heavier in reversed(WEIGHTS):
        weight = pl.when(pl.col("age") < days).then(pl.lit(heavier, pl.Int64)).otherwise(weight)
    return weight


def weighed(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and occasion: the ``weight`` of the evidence, and its ``points``, weight times basis points."""
    return evidence(snapshot).select("row", *_weighed())


@cache
def _weighed() -> tuple[pl.Expr, pl.Expr]:
    return _weight().alias("weight"), (_weight() * pl.col("score")).alias("points")


def prerequisites(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and skill that comes before the unit's, directly or through others, with evidence of the student.

    Evidence of other classes and other years counts: where a skill was shown does not matter.
    """
    keys = ["skill_id", "as_of"]
    before = _all_before(snapshot.reference("skill_prerequisites").collect(), snapshot.units.select(keys).unique())
    mine = snapshot.units.lazy().select("row", *keys).join(before.lazy(), on=keys).select("row", "prerequisite_id")
    shown = replace(snapshot, grain="student").table("skill_results").select("row", "skill_id", *_shown())
    rows = shown.join(mine, left_on=["row", "skill_id"], right_on=["row", "prerequisite_id"], how="semi")
    return (
        rows.select("row", "skill_id", *_weighed())
        .group_by("row", "skill_id")
        .agg(pl.col("weight").sum(), pl.col("points").sum(), pl.len().alias("occasions"))
        .drop("skill_id")
    )


@cache
def _shown() -> tuple[pl.Expr, pl.Expr]:
    age = (pl.col("as_of") - pl.col("occurred_on")).dt.total_days().cast(pl.Int64)
    return age.alias("age"), (pl.col("score_share") * WHOLE).round().cast(pl.Int64).alias("score")


def _all_before(steps: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return every skill that comes before each wanted one, step by step until nothing is new; a circle ends too."""
    keys = ["skill_id", "as_of", "prerequisite_id"]
    found = wanted.join(steps, on=["skill_id", "as_of"]).select(keys).unique()
    newest = found
    onward = steps.rename({"skill_id": "prerequisite_id", "prerequisite_id": "next_id"})
    while newest.height:
        reached = newest.join(onward, on=["prerequisite_id", "as_of"]).select("skill_id", "as_of", "next_id")
        newest = reached.rename({"next_id": "prerequisite_id"}).unique().join(found, on=keys, how="anti")
        found = pl.concat([found, newest])
    return found.filter(pl.col("prerequisite_id") != pl.col("skill_id"))


def all_skills(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and occasion on any skill, in any class and any year: where something was shown does not matter."""
    return replace(snapshot, grain="student").table("skill_results").select("row", *_shown()).select("row", *_weighed())


#: A map of skills tells that a skill is one, and not the name of a whole course.
WEIGHED = Frame("weighed_evidence", ("skill_results", "skill_prerequisites"), weighed)
PREREQUISITES = Frame("prerequisites", ("skill_results", "skill_prerequisites"), prerequisites)
ALL_SKILLS = Frame("all_skills", ("skill_results", "skill_prerequisites"), all_skills)


@feature(frame=WEIGHED, concept="skills", unit="weights", range=(0, 1e5), higher="context", grains=("skill",),
         name="evidence of the skill, new counting more", into=FEATURES)  # fmt: skip
def skill_weight() -> pl.Expr:
    """Weight of all evidence."""
    return pl.col("weight").sum()


@feature(frame=WEIGHED, concept="skills", unit="weighted basis points", range=(0, 1e9), higher="strength", grains=("skill",),
         name="scores times weights", into=FEATURES)  # fmt: skip
def skill_weighted_points() -> pl.Expr:
    """Scores times weights, added up."""
    return pl.col("points").sum()


@feature(frame=WEIGHED, concept="skills", unit="occasions", range=(0, 10_000), higher="context", grains=("skill",),
         name="occasions that the level rests on", into=FEATURES)  # fmt: skip
def skill_weighed() -> pl.Expr:
    """Pieces of evidence that were weighed."""
    return pl.len()


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",),
         name="level on the skill, recent evidence counting more",
         says="shows a level of {value:.0%} on this skill over {skill_occasions:n occasion}, recent ones counting more",
         says_other="{value:.0%}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def skill_mastery() -> pl.Expr:
    """Share of the best score, weighed by recency and drawn to one half by two occasions; null without evidence.

    Old evidence weighs less beside new evidence, but is not forgotten where there is no other: the prior counts
    occasions and not weights.
    """
    weight, occasions = pl.col("skill_weight"), pl.col("skill_weighed")
    reached = occasions * pl.col("skill_weighted_points") + PRIOR_GOOD * WHOLE * weight
    whole = weight * (occasions + PRIOR_ALL)
    return pl.when(weight > 0).then(reached / whole * OF_ONE)


@feature(frame=PREREQUISITES, concept="skills", unit="skills", range=(0, 10_000), higher="context", grains=("skill",),
         name="skills before this one with evidence", into=FEATURES)  # fmt: skip
def skill_prereqs_seen() -> pl.Expr:
    """Skills that come before this one and of which there is evidence."""
    return pl.len()


@feature(frame=PREREQUISITES, concept="skills", unit="skills", range=(0, 10_000), higher="concern", grains=("skill",),
         name="skills before this one that are not secure",
         says="is not secure yet in {value:.0f} of {skill_prereqs_seen:n skill} that come before this one",
         says_other="{value:.0f}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def skill_prereq_gaps() -> pl.Expr:
    """Skills before this one, directly or through others, whose level (as in skill_mastery) is below .6."""
    # The level without its division: whole numbers on both sides.
    occasions = pl.col("occasions").cast(pl.Int64)
    reached = occasions * pl.col("points") + PRIOR_GOOD * WHOLE * pl.col("weight")
    return (reached < GAP * pl.col("weight") * (occasions + PRIOR_ALL)).sum()


@feature(frame=PREREQUISITES, concept="skills", unit="skills", range=(0, 10_000), higher="strength", grains=("skill",),
         name="skills before this one that are secure",
         says="looks secure in {value:.0f} of {skill_prereqs_seen:n skill} that come before this one",
         says_other="{value:.0f}", monotone=True, into=FEATURES)  # fmt: skip
def skill_prereqs_secure() -> pl.Expr:
    """Skills before this one with .8 or more of the best score over two occasions or more, recent ones counting more."""
    return ((pl.col("points") >= SECURE * pl.col("weight")) & (pl.col("occasions") >= 2)).sum()


@feature(frame=ALL_SKILLS, concept="skills", unit="occasions", range=(0, 100_000), higher="context", grains=("skill",),
         name="occasions with evidence of any skill", into=FEATURES)  # fmt: skip
def skills_weighed() -> pl.Expr:
    """Pieces of evidence of all skills."""
    return pl.len()


@feature(frame=ALL_SKILLS, concept="skills", unit="weights", range=(0, 1e6), higher="context", grains=("skill",),
         name="evidence of all skills, new counting more", into=FEATURES)  # fmt: skip
def skills_weight() -> pl.Expr:
    """Weight of all evidence of all skills."""
    return pl.col("weight").sum()


@feature(frame=ALL_SKILLS, concept="skills", unit="weighted basis points", range=(0, 1e10), higher="strength",
         grains=("skill",), name="scores on all skills times weights", into=FEATURES)  # fmt: skip
def skills_weighted_points() -> pl.Expr:
    """Scores on all skills times weights, added up."""
    return pl.col("points").sum()


@derived(concept="skills", unit="share", range=(0, 1), higher="strength", grains=("skill",),
         name="level over all skills, recent evidence counting more",
         says="shows a level of {value:.0%} over all skills, recent work counting more", says_other="{value:.0%}",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def skills_level() -> pl.Expr:
    """Share of the best score over all skills, weighed and drawn to one half as in skill_mastery."""
    weight, occasions = pl.col("skills_weight"), pl.col("skills_weighed")
    reached = occasions * pl.col("skills_weighted_points") + PRIOR_GOOD * WHOLE * weight
    whole = weight * (occasions + PRIOR_ALL)
    return pl.when(weight > 0).then(reached / whole * OF_ONE)

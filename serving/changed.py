"""What an answer says of the list before: what the records came to then, and what most of the difference comes from.

Of a stored student that is the newest list of an earlier day. Here two parts are told apart, the records that arrived since and
the model; the page of a student tells, when somebody asks, which of the records are about the time before
(:mod:`serving.review.moved`, whose steps these are). Of a student who comes with a request it is what the request brings of an
earlier answer: what made the difference is then not known, and not said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from serving import whatif
from serving.listed import Before, Changed
from serving.pages.contexts.student import Cause, Pull
from serving.pages.words import Words
from serving.review import moved
from serving.scoring import Risk
from training.trained import TrainedModel

#: A row of a kept list by the unit that it is about.
Was = Mapping[whatif.Key, Mapping[str, Any]]


def scored_before(rows: pl.DataFrame) -> Was:
    """Return rows of an earlier list by their unit, those with a probability; skills are left out."""
    rows = rows.filter(pl.col("probability").is_not_null(), pl.col("skill_id").is_null())
    unit = ("target", "student_id", "enrolment_id", "section_id")
    return {tuple(one[key] for key in unit): one for one in rows.iter_rows(named=True)}


def since_list(
    risks: Sequence[Risk], rows: pl.DataFrame, was: Was, earlier: Callable[[str, str], TrainedModel | None], words: Words
) -> dict[whatif.Key, Changed]:
    """Return what changed since the list before, of those units that both lists have a score of.

    Args:
        risks: what a model says now, one for each row.
        rows: the rows of the snapshot that it read.
        was: what :func:`scored_before` found.
        earlier: returns a version of a model by its target and version, None where it is no longer kept.
        words: what it is said in.

    """
    pairs = [(at, risk, was[whatif.key(risk)]) for at, risk in enumerate(risks) if _scored(risk) and whatif.key(risk) in was]
    by_old: dict[int, float] = {}
    others = {row["model_version"] for _, risk, row in pairs if row["model_version"] != risk.model.version}
    for version in others:
        mine = [at for at, _, row in pairs if row["model_version"] == version]
        again = moved.by_old_model(earlier(risks[0].model.target.name, version), rows[mine])
        by_old |= dict(zip(mine, again, strict=True)) if again is not None else {}
    found: dict[whatif.Key, Changed] = {}
    for at, risk, row in pairs:
        now, before = risk.probability, row["probability"]
        assert now is not None
        model: float | None = 0.0
        if row["model_version"] != risk.model.version:
            model = now - by_old[at] if at in by_old else None
        cause, pull = _most(now - before, model)
        told = (_from_to(row["band"], risk.band, words), words.named("student.cause", cause), words.named("student.pull", pull))
        found[whatif.key(risk)] = Changed(row["as_of"], row["band"], before, " ".join(told))
    return found


def since_sent(risk: Risk, before: Sequence[Before], words: Words) -> Changed | None:
    """Return what changed since the earlier answer that a request brings, None where it has nothing scored of this unit."""
    one = next((one for one in before if one.unit.fits(risk) and one.band != "not_enough_data"), None)
    if one is None or not _scored(risk):
        return None
    return Changed(one.as_of, one.band, one.probability, _from_to(one.band, risk.band, words))


def _scored(risk: Risk) -> bool:
    return risk.status == "scored" and risk.probability is not None and risk.skill_id is None


def _from_to(before: str, after: str, words: Words) -> str:
    return words.say("student.past.from_to", before=words.named("band", before), after=words.named("band", after))


def _most(total: float, model: float | None) -> tuple[Cause, Pull]:
    """Return which part of a difference is the larger, and which way it goes."""
    if model is None:
        return "model", "unknown"
    records = total - model
    cause: Cause = "model" if abs(model) > abs(records) else "records"
    points = model if cause == "model" else records
    pull = moved.pull(points)
    return cause, "same" if pull == "nothing" else pull

"""The one path from features to a score: request, batch and page all come through here and get the same bits.

A score is never given where it would be a guess: too little known, records that end too long before the as-of date,
or a student unlike any that the model was trained on. Such a row has a status and a reason instead of a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

import numpy as np
import polars as pl

from features.catalog import Catalog
from features.cohort import Enrolled
from features.norms import Norms
from features.phrases import ENGLISH, Sentence
from features.pipeline import KEYS, FeatureTable, Memo, build
from features.records import SchoolRecords
from features.tables import Grain
from training.trained import LEAST_KNOWN, TrainedModel

Status = Literal["scored", "not_enough_data", "stale_data", "outside_training_population", "objected", "stopped"]

#: Nothing was computed: somebody objected, or scoring is stopped at the school (see :mod:`serving.withheld`).
OBJECTED: Literal["objected"] = "objected"
STOPPED: Literal["stopped"] = "stopped"
WITHHELD: frozenset[str] = frozenset({OBJECTED, STOPPED})

#: Why nothing is said of a row, in English, by key.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "status.stale_data": "The newest record is {days} days older than the date asked about.",
        "status.further_on": "The course is further on than any the model was trained on.",
        "status.not_begun": "The course has not begun on that day.",
        "status.not_enough_data": "Of what is usually known by now, {share:.0%} is in the records.",
        "status.outside": "Too much is unlike the students that the model was trained on.",
    }
)

#: From this share of a row's inputs on, being far outside the trained ranges is more than one odd number.
MOST_OUTSIDE = 0.1


@dataclass(frozen=True, slots=True)
class Scoring:
    """Settings of scoring. ``stale_after_days``: how old the newest record may be. ``norms_stale_after_days``: how old
    the class's norms may be before a student is no longer compared with them.
    """

    stale_after_days: int = 14
    norms_stale_after_days: int = 14


@dataclass(frozen=True)
class Risk:
    """What one model says of one unit at one date.

    ``values`` are the row's features by name (None where unknown), words' ingredients included; ``contributions``
    those of the model's inputs, in log-odds; ``by_concept`` their sums. ``medians`` are the middle of the class for
    the features that are compared with it. Without a status of ``scored`` there is no number in it. ``status_told`` is the
    reason of the status in any language.
    """

    model: TrainedModel
    student_id: str
    enrolment_id: str | None
    section_id: str | None
    skill_id: str | None
    as_of: date
    status: Status
    status_reason: str
    values: Mapping[str, float | None]
    medians: Mapping[str, float]
    contributions: Mapping[str, float]
    by_concept: Mapping[str, float]
    base: float = 0.0
    raw: float | None = None
    probability: float | None = None
    interval: tuple[float, float] | None = None
    band: str = "not_enough_data"
    expected: float | None = None
    expected_interval: tuple[float, float] | None = None
    status_told: Sentence | None = None


def feature_tables(
    records: SchoolRecords,
    enrolled: Enrolled,
    models: Sequence[TrainedModel],
    norms: Mapping[Grain, Norms] | None = None,
    settings: Scoring | None = None,
) -> dict[str, FeatureTable]:
    """Build what each model reads, by target; what several read is built once.

    Args:
        records: the records of the students, and of their classes where ``norms`` are to be measured.
        enrolled: who is looked at and when.
        models: the models.
        norms: where classes stood, by unit; measured on the students themselves where not given, who must then be
            whole classes.
        settings: see :class:`Scoring`.

    """
    settings = settings or Scoring()
    memo: Memo = {}
    built: dict[tuple[Grain, tuple[str, ...]], FeatureTable] = {}
    found: dict[str, FeatureTable] = {}
    # Fine units first: where a class teaches one skill, its row holds what the class's row needs.
    for model in sorted(models, key=lambda one: ("skill", "section", "enrolment", "student").index(one.target.unit)):
        unit, definitions = model.target.unit, tuple(one.fingerprint for one in model.catalog)
        if (unit, definitions) not in built:
            cohort = enrolled.units(unit)
            catalog = model.catalog.at(unit)
            finer = next((one for one in found.values() if _serves(one, cohort.frame, catalog, records)), None)
            if finer is not None:
                values = finer.values[:, finer.catalog.places(catalog.names)]
                table = FeatureTable(cohort.frame, values, catalog, unit, finer.norms)
            else:
                stale = settings.norms_stale_after_days if norms is not None else 0
                known = None if norms is None else norms.get(unit, Norms.none())
                table = build(records, cohort, model.catalog, known, stale, memo)
            built[unit, definitions] = table
        found[model.target.name] = built[unit, definitions]
    return found


def _serves(table: FeatureTable, units: pl.DataFrame, catalog: Catalog, records: SchoolRecords) -> bool:
    """Whether a finer table has just the rows of these units, computed at the same grain by the same definitions."""
    if not records.single_section or len(table) != units.height:
        return False
    if not table.catalog.defines(catalog):
        return False
    if units.height == 1:  # plain values: what frames would be asked takes a request 0.5 ms
        return all(mine is None or mine == theirs for mine, theirs in zip(units.row(0), table.keys.row(0), strict=True))
    keys = [name for name in KEYS if units[name].null_count() == 0]
    return table.keys.select(keys).equals(units.select(keys))


def score(
    table: FeatureTable, model: TrainedModel, data_through: date | None = None, settings: Scoring | None = None
) -> list[Risk]:
    """Score and explain every row of a feature table.

    Args:
        table: features of the model's unit.
        model: the model.
        data_through: the day up to which the records are complete, where it is known.
        settings: see :class:`Scoring`.

    Returns:
        one :class:`Risk` per row, in order.

    """
    settings = settings or Scoring()
    scored = model.score(table)
    expected = model.expected.value(scored.matrix) if model.expected is not None else None
    names, inputs = table.catalog.names, model.inputs
    concepts = [model.catalog[name].concept for name in inputs]
    compared = [one.needs[0] for one in table.catalog.relative]
    found = []
    for at, (row, features) in enumerate(zip(table.keys.iter_rows(), table.values.tolist(), strict=True)):
        keys = dict(zip(KEYS, row, strict=True))
        values = {name: None if math.isnan(value) else value for name, value in zip(names, features, strict=True)}
        status, why = _status(model, scored.matrix[at], values, keys["as_of"], data_through, settings)
        contributions = dict(zip(inputs, scored.contributions[at].tolist(), strict=True))
        by_concept: dict[str, float] = {}
        for name, concept in zip(inputs, concepts, strict=True):
            by_concept[concept] = by_concept.get(concept, 0.0) + contributions[name]
        medians = _medians(table, keys["peers"], keys["as_of"], compared, settings)
        known = {
            "model": model, "student_id": keys["student_id"], "enrolment_id": keys["enrolment_id"],
            "section_id": keys["section_id"], "skill_id": keys["skill_id"], "as_of": keys["as_of"], "status": status,
            "status_reason": "" if why is None else ENGLISH.say(why), "values": values, "medians": medians, "status_told": why,
        }  # fmt: skip
        if status != "scored":
            found.append(Risk(**known, contributions={}, by_concept={}))
            continue
        probability = float(scored.probability[at])
        guess = None if expected is None else float(expected[at])
        found.append(
            Risk(
                **known,
                contributions=contributions,
                by_concept=by_concept,
                base=float(scored.base[at]),
                raw=float(scored.raw[at]),
                probability=probability,
                interval=model.calibration.interval(probability),
                band=model.band(probability),
                expected=guess,
                expected_interval=None if guess is None or model.expected is None else model.expected.interval(guess),
            )
        )
    return found


def _status(
    model: TrainedModel, matrix: np.ndarray[tuple[int], np.dtype[np.float64]], values: Mapping[str, float | None],
    as_of: date, data_through: date | None, settings: Scoring,
) -> tuple[Status, Sentence | None]:  # fmt: skip
    if data_through is not None and (as_of - data_through).days > settings.stale_after_days:
        days = (as_of - data_through).days
        return "stale_data", _told("stale_data", days=days)
    elapsed, day = values.get("elapsed_share"), values.get("days_elapsed")
    if elapsed is not None and elapsed > model.population.phases[-1].until + 0.1:
        return "outside_training_population", _told("further_on")
    if day is not None and day < model.population.least.get("days_elapsed", day):
        return "outside_training_population", _told("not_begun")
    known = dict(zip(model.inputs, (~np.isnan(matrix)).tolist(), strict=True))
    share = model.population.completeness(known, elapsed)
    if share < LEAST_KNOWN:
        return "not_enough_data", _told("not_enough_data", share=share)
    far = model.population.outside({name: float(matrix[at]) for at, name in enumerate(model.inputs) if known[name]})
    if len(far) > MOST_OUTSIDE * max(sum(known.values()), 1):
        return "outside_training_population", _told("outside")
    return "scored", None


def _told(key: str, **values: object) -> Sentence:
    return Sentence(f"status.{key}", SENTENCES[f"status.{key}"], values)


def _medians(
    table: FeatureTable, peers: str | None, as_of: date, features: Sequence[str], settings: Scoring
) -> dict[str, float]:
    if peers is None:
        return {}
    day = table.norms.newest(peers, as_of, settings.norms_stale_after_days)
    if day is None:
        return {}
    return table.norms.medians(peers, day, features)

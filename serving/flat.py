"""The one path from a flat file's row to what is said of a student: a list and a request both come through here.

A row of a flat file has no class, no earlier time and no day: it is compared with the middle of the students that the
model learned from. Everything else is as with every other score: no score where it would be a guess, reasons that a
person can check, and each audience its own part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.catalog import Higher
from features.flat import FlatTable, Given
from features.phrases import fill
from serving import wording
from serving.answers import RIGHTS, WITH_NUMBERS, Student, first_step, plain_reason, prediction_id, pseudonym
from serving.scoring import MOST_OUTSIDE, WITHHELD, Status
from serving.withheld import NOBODY, SAYS, Withheld
from serving.wording import Direction, Reason
from training.flat_model import FlatModel
from training.trained import LEAST_KNOWN

_REASONS = pl.List(pl.Struct({"concept": pl.String, "feature": pl.String, "value": pl.Float64, "contribution": pl.Float64,
                              "text": pl.String}))  # fmt: skip

#: The columns of a scored list. ``classes`` hold the probability of each class, ``expected`` a number.
SCHEMA: Mapping[str, Any] = {
    "prediction_id": pl.String, "student_id": pl.String, "target": pl.String, "as_of": pl.Date, "status": pl.String,
    "status_reason": pl.String, "band": pl.String, "probability": pl.Float64, "interval_low": pl.Float64,
    "interval_high": pl.Float64, "expected": pl.Float64, "expected_low": pl.Float64, "expected_high": pl.Float64,
    "classes": pl.List(pl.Struct({"class": pl.String, "probability": pl.Float64})), "per_100": pl.String,
    "reasons": _REASONS, "strengths": _REASONS, "unknowns": pl.List(pl.String), "model_version": pl.String, "raw": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Outlook:
    """What a flat file's model says of one student.

    ``values`` are the features by name (None where unknown); ``contributions`` add up, with ``base``, to ``raw``.
    ``probability`` is that of the outcome of concern, ``classes`` that of each class, ``expected`` a number in the
    outcome's unit. Without a status of ``scored`` there is no number in it.
    """

    model: FlatModel
    student_id: str
    as_of: date
    status: Status
    status_reason: str
    values: Mapping[str, float | None]
    contributions: Mapping[str, float]
    base: float = 0.0
    raw: float | None = None
    concern: float | None = None
    band: str = "not_enough_data"
    probability: float | None = None
    interval: tuple[float, float] | None = None
    expected: float | None = None
    expected_interval: tuple[float, float] | None = None
    classes: Mapping[str, float] | None = None
    enrolment_id: None = None
    skill_id: None = None

    @property
    def by_concept(self) -> Mapping[str, float]:
        """What each concept adds to the concern: the contributions, turned where a higher score is less of it."""
        found: dict[str, float] = {}
        for name, value in self.contributions.items():
            concept = self.model.catalog[name].concept
            found[concept] = found.get(concept, 0.0) + self.model.sign * value
        return found


def score(table: FlatTable, model: FlatModel, as_of: date, withheld: Withheld = NOBODY) -> list[Outlook]:
    """Score and explain every row but those of students who are withheld.

    Args:
        table: rows made by the model's own description.
        model: the model.
        as_of: the day that the list is of; it enters no number.
        withheld: who is not scored. A flat file knows no school, so that only a stop everywhere counts here.

    Returns:
        one :class:`Outlook` per row, in order.

    """
    silent = {key: status for key in table.keys if (status := withheld.status(key)) is not None}
    if silent:
        kept = [at for at, key in enumerate(table.keys) if key not in silent]
        told = iter(score(table.take(kept), model, as_of) if kept else ())
        return [
            Outlook(model, key, as_of, silent[key], SAYS[silent[key]], {}, {}) if key in silent else next(told)
            for key in table.keys
        ]
    scored = model.score(table)
    label, names = model.description.label, model.inputs
    found = []
    for at, (key, row) in enumerate(zip(table.keys, table.values.tolist(), strict=True)):
        values = {name: None if math.isnan(value) else value for name, value in zip(names, row, strict=True)}
        status, why = _status(model, values)
        if status != "scored":
            found.append(Outlook(model, key, as_of, status, why, values, {}))
            continue
        concern, outcome = float(scored.concern[at]), [float(one) for one in scored.outcome[at]]
        chance = None if label.kind == "regression" else concern
        found.append(
            Outlook(
                model, key, as_of, status, why, values,
                dict(zip(names, scored.contributions[at].tolist(), strict=True)),
                base=float(scored.base[at]), raw=float(scored.raw[at]), concern=concern, band=model.band(concern),
                probability=chance,
                interval=None if chance is None or model.calibration is None else model.calibration.interval(chance),
                expected=outcome[0] if label.kind == "regression" else None,
                expected_interval=None if model.spread is None else model.spread.interval(outcome[0]),
                classes=dict(zip(label.classes, outcome, strict=True)) if label.kind == "multiclass" else None,
            )
        )  # fmt: skip
    return found


def _status(model: FlatModel, values: Mapping[str, float | None]) -> tuple[Status, str]:
    known = {name: value is not None for name, value in values.items()}
    share = model.population.completeness(known, None)
    if share < LEAST_KNOWN:
        return "not_enough_data", f"Of what is usually known, {share:.0%} is in the row."
    far = model.population.outside({name: value for name, value in values.items() if value is not None})
    if len(far) > MOST_OUTSIDE * max(sum(known.values()), 1):
        return "outside_training_population", "Too much is unlike the students that the model was trained on."
    return "scored", ""


# -- words ----------------------------------------------------------------------------------------------------------


def reasons(outlook: Outlook, name: str) -> list[Reason]:
    """Return at most three facts that add to the concern, of the weightiest concept first."""
    return wording.adding(outlook.by_concept, lambda concept: _fact(outlook, concept, name, "adds_concern"))


def strengths(outlook: Outlook, name: str) -> list[Reason]:
    """Return what speaks for the student: facts that lower the concern and lie on the better side."""
    return wording.lowering(outlook.by_concept, lambda concept: _fact(outlook, concept, name, "protective"))


def unknowns(outlook: Outlook) -> list[str]:
    """Return what is not known, as one sentence at most: it is said, not counted for or against anybody."""
    if outlook.status in WITHHELD:  # nobody looked
        return []
    missing = [one.name for one in outlook.model.description.columns
               if all(outlook.values[feature.name] is None for feature in one.shelf())]  # fmt: skip
    return [f"Not known, so not counted: {', '.join(missing)}."] if missing else []


def certainty(outlook: Outlook) -> str:
    """Return how often earlier students with similar scores had the outcome of concern; nothing where it has no line."""
    calibration, target = outlook.model.calibration, outlook.model.target
    if calibration is None or outlook.concern is None:
        return ""
    happened = wording.of_100(calibration.pattern(outlook.concern).share)
    did, did_not = f"{happened} {target.happened}", f"{100 - happened} {target.did_not}"
    return f"Of 100 earlier students with a similar pattern, about {did}; {did_not}."


def _fact(outlook: Outlook, concept: str, name: str, direction: Direction) -> Reason | None:
    """Return the weightiest fact of a concept that pulls in a direction and can be shown to, or None."""
    side = 1.0 if direction == "adds_concern" else -1.0
    pulls = []
    for given in outlook.model.description.columns:
        if given.concept == concept:
            added = sum(outlook.contributions[feature.name] for feature in given.shelf())
            pulls.append((outlook.model.sign * added, added, given))
    for pull, added, given in sorted(pulls, key=lambda item: -side * item[0]):
        if side * pull <= 0:
            return None
        said = _said(outlook, given, direction, name)
        if said is not None:
            feature, value, compared, text = said
            whole = outlook.by_concept[concept]
            told = outlook.model.sign * whole if side * whole > 0 else added
            return Reason(concept, feature, direction, told, value, compared, text)
    return None


def _said(outlook: Outlook, given: Given, direction: Direction, name: str) -> tuple[str, float, dict[str, float], str] | None:
    """Return a column's feature, value, comparison and sentence, where the value lies on the direction's side."""
    wanted: Higher = "concern" if direction == "adds_concern" else "strength"
    shelf = given.shelf()
    if given.kind == "category":
        shelf = [one for one in shelf if outlook.values[one.name] == 1.0]
    if not shelf:
        return None
    feature = shelf[0]
    value, middle = outlook.values[feature.name], outlook.model.middles[feature.name]
    if value is None or feature.higher == "context":
        return None
    compared = {"earlier_students": middle}
    if given.kind == "number":
        there = feature.on_concern_side if wanted == "concern" else feature.on_strength_side
        own, others = (fill(feature.words.says_other, {"value": one}) for one in (value, middle))
        if not there(value, middle) or own == others:
            return None
        text = f"{name} {fill(given.says, {'value': value})}. The middle of earlier students: {others}."
        return feature.name, value, compared, text
    says = feature.words.says if value == 1.0 else given.says_not
    if not says or (feature.higher == wanted) != (value == 1.0):
        return None
    alike = wording.of_100(middle if value == 1.0 else 1 - middle)
    return feature.name, value, compared, f"{name} {says}. So it was for {alike} of 100 earlier students."


# -- what goes back -------------------------------------------------------------------------------------------------


def answer(student: Student, outlook: Outlook, audience: str, secret: bytes) -> dict[str, Any]:
    """Return what is said of one student, cut to an audience: numbers only for those who may have them."""
    scientist = audience == "scientist"
    called = "The student" if scientist else student.called
    found: dict[str, Any] = {
        "prediction_id": prediction_id(student, outlook.as_of, [outlook], secret),
        "student_id": pseudonym(student.student_id, secret) if scientist else student.student_id,
        "as_of": outlook.as_of.isoformat(),
        "decision_support_only": True,
        "risks": [_one(outlook, called, audience)],
        "gaps": [],
        "recommendations": [],
        "model": {outlook.model.target.name: outlook.model.version},
    }
    if outlook.band in ("check_in_suggested", "keep_an_eye"):
        found["recommendations"] = [first_step([one.concept for one in reasons(outlook, called)], called)]
    if audience == "family":
        found["rights"] = RIGHTS
        del found["model"]
    return found


def _one(outlook: Outlook, called: str, audience: str) -> dict[str, Any]:
    target = outlook.model.target
    found: dict[str, Any] = {
        "target": target.name,
        "says": f"{target.says}, {target.horizon}",
        "status": outlook.status,
        "band": outlook.band,
        "headline": wording.headline(outlook.band, outlook.status),
        "changed_since": None,  # no list of these is kept
    }
    if outlook.status != "scored":
        nothing: dict[str, Any] = {"reasons": [], "strengths": [], "unknowns": unknowns(outlook)}
        return found | {"status_reason": outlook.status_reason} | nothing
    if audience in WITH_NUMBERS:
        found |= _numbers(outlook)
    words = {
        "per_100": certainty(outlook),
        "reasons": [plain_reason(one, audience) for one in reasons(outlook, called)],
        "strengths": [plain_reason(one, audience) for one in strengths(outlook, called)],
        "unknowns": unknowns(outlook),
    }
    return found | words


def _numbers(outlook: Outlook) -> dict[str, Any]:
    if outlook.expected is not None and outlook.expected_interval is not None:
        return {"expected": outlook.expected, "interval": list(outlook.expected_interval),
                "unit": outlook.model.description.label.unit}  # fmt: skip
    assert outlook.interval is not None
    found: dict[str, Any] = {"probability": outlook.probability, "interval": list(outlook.interval)}
    if outlook.classes is not None:
        found["classes"] = [{"class": name, "says": outlook.model.description.label.classes[name], "probability": chance}
                            for name, chance in outlook.classes.items()]  # fmt: skip
    return found


def run(
    table: FlatTable, model: FlatModel, as_of: date, out: Path, secret: bytes, withheld: Withheld = NOBODY
) -> pl.DataFrame:
    """Score every row, write the list to ``out`` as Parquet, whole or not at all, and return it."""
    listed = pl.DataFrame([_row(one, secret) for one in score(table, model, as_of, withheld)], schema=SCHEMA)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".{out.name}.building")
    listed.write_parquet(building)
    building.replace(out)
    return listed


def _row(outlook: Outlook, secret: bytes) -> dict[str, Any]:
    student = Student(outlook.student_id)
    low, high = outlook.interval or (None, None)
    expected_low, expected_high = outlook.expected_interval or (None, None)
    classes = None if outlook.classes is None else [
        {"class": name, "probability": chance} for name, chance in outlook.classes.items()
    ]  # fmt: skip
    return {
        "prediction_id": prediction_id(student, outlook.as_of, [outlook], secret), "student_id": outlook.student_id,
        "target": outlook.model.target.name, "as_of": outlook.as_of, "status": outlook.status,
        "status_reason": outlook.status_reason, "band": outlook.band, "probability": outlook.probability,
        "interval_low": low, "interval_high": high, "expected": outlook.expected, "expected_low": expected_low,
        "expected_high": expected_high, "classes": classes, "per_100": certainty(outlook) or None,
        "reasons": _facts(reasons(outlook, student.called)) if outlook.contributions else [],
        "strengths": _facts(strengths(outlook, student.called)) if outlook.contributions else [],
        "unknowns": unknowns(outlook), "model_version": outlook.model.version, "raw": outlook.raw,
    }  # fmt: skip


def _facts(found: Sequence[Reason]) -> list[dict[str, Any]]:
    return [
        {"concept": one.concept, "feature": one.feature, "value": one.value, "contribution": one.contribution, "text": one.text}
        for one in found
    ]


def example(model: FlatModel) -> dict[str, object]:
    """Return a request about nobody: every number in the middle, every word the first one."""
    row: dict[str, object] = {}
    for given in model.description.columns:
        row[given.column] = given.words[0] if given.words else model.middles[given.shelf()[0].name]
    student = {"student_id": "S-104", "name": "Ana", "row": row}
    return {"as_of": "2026-11-13", "target": model.target.name, "students": [student]}

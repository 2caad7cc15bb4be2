"""What a score would be if something that can change were another: the model asked again, and what it says described.

It describes the score and promises nothing: a model learned from what went together, and not from what was done. So only
features that can change are changed, all that hang together at once, and only to values that the model has seen in training;
otherwise nothing is told, and why.

:func:`september` is the question that people ask: had the days missed since the first :data:`FIRST` school days of the year
been as rare as in these. Everything made of days missed is set to that, sums and windows first, and the rest is worked out of
them by the features' own definitions, places in the class among it. How the days lie in a row is set to the most that so few
days allow, or left where it was less. Marks, work and conduct stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import polars as pl

from features.catalog import Catalog
from features.phrases import ENGLISH, Language, Sentence
from features.pipeline import FeatureTable
from serving import wording
from serving.needs import CONCERNED
from serving.scoring import Risk, Scoring
from training.trained import TrainedModel

#: The school days of the year that stand for September, and the least days since then of which anything is asked.
FIRST, LEAST_SINCE = 20, 20

#: Basis points of a school day.
_WHOLE = 10_000

#: A change of the score by less than this is none.
_SAME = 0.005

#: What names a unit that a target is asked of: the target, the student, the stay and the class.
Key = tuple[str, str, str | None, str | None]

#: What is said here in English, by key.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "what_if.says": "That describes the score, from what went together before. It is no promise of what would happen.",
        "what_if.no_score": "There is no score to begin with.",
        "what_if.too_little": "Too little is known of the first school days, or too few have passed since then.",
        "what_if.not_fallen": "Attendance has not fallen since the first school days.",
        "what_if.september": "Had the student missed no more school since then than in the first {first:n school day} "
        "({share:.0%} of the days)",
        "what_if.not_modifiable": "It is nothing that anybody could change, so nothing is told of it.",
        "what_if.class_unknown": "Where the class stands is not known here, so the score cannot be worked out anew.",
        "what_if.not_read": "The model does not read what would change.",
        "what_if.not_seen": "No student that the model learned from was like that, so nothing is told of it.",
        "what_if.text": "{told}, the score would stand for {then:.0f} of 100 who {happened}, where it now stands for "
        "{now:.0f}. {says}",
        "what_if.words": "{told}, the score would be {way}. {says}",
        "what_if.same": "about the same",
        "what_if.lower": "lower",
        "what_if.higher": "higher",
    }
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What the score of a target would be. Without a ``probability`` nothing can be told, and ``text`` says why.

    ``before`` and ``probability`` are the calibrated ones, ``changed`` holds what was changed, from and to, for the model's
    inputs. ``text`` names both as numbers of 100; ``words`` has none, for who does not see numbers.
    """

    target: str
    text: str
    words: str
    before: float | None = None
    probability: float | None = None
    band: str = ""
    changed: Mapping[str, tuple[float, float]] = MappingProxyType({})


def key(risk: Risk) -> Key:
    """Return what names a risk's unit: the target, the student, the stay and the class."""
    return risk.model.target.name, risk.student_id, risk.enrolment_id, risk.section_id


def where_it_matters(
    risks: Sequence[Risk], table: FeatureTable, settings: Scoring | None = None, language: Language = ENGLISH
) -> dict[Key, WhatIf]:  # fmt: skip
    """Return what there is to tell of scored rows, in the order of the table, to which attendance adds concern."""
    found = {}
    for row, risk in enumerate(risks):
        if risk.band in CONCERNED and risk.by_concept.get("attendance", 0.0) > 0:
            told = september(risk, table, row, settings, language)
            if told.probability is not None:
                found[key(risk)] = told
    return found


def september(
    risk: Risk, table: FeatureTable, row: int, settings: Scoring | None = None, language: Language = ENGLISH
) -> WhatIf:  # fmt: skip
    """Return what a score would be had attendance stayed as it was in the first school days of the year.

    Args:
        risk: what the model says of the row.
        table: the features that it was scored on, with the norms of the class.
        row: where the row stands in the table.
        settings: see :class:`~serving.scoring.Scoring`: how old norms may be.
        language: what it is said in.

    """
    values = risk.values
    first, since = values.get("absence_rate_first_20d"), values.get("school_days")
    if risk.status != "scored":
        return _none(risk, "no_score", language)
    if first is None or since is None or since - FIRST < LEAST_SINCE:
        return _none(risk, "too_little", language)
    if values["missed_points"] is None or values["missed_points"] - _first(values) <= first * (since - FIRST) * _WHOLE:
        return _none(risk, "not_fallen", language)
    changes = _as_in_september(values, first)
    return what_if(risk, table, row, changes, _told("september", first=FIRST, share=first), settings, language)


def what_if(
    risk: Risk, table: FeatureTable, row: int, changes: Mapping[str, float], told: Sentence | str,
    settings: Scoring | None = None, language: Language = ENGLISH,
) -> WhatIf:  # fmt: skip
    """Return what a score would be were some features another.

    Args:
        risk: what the model says of the row.
        table: the features that it was scored on, with the norms of the class.
        row: where the row stands in the table.
        changes: the new values of features that are given by the records; what is worked out of them follows.
        told: how the sentence begins: what would be another, in the language where it is text.
        settings: how old norms may be.
        language: what it is said in.

    """
    model, catalog = risk.model, table.catalog
    if risk.status != "scored" or risk.probability is None:
        return _none(risk, "no_score", language)
    fixed = [one for one in changes if one not in catalog or not catalog[one].modifiable or catalog[one].kind == "relative"]
    if fixed:
        return _none(risk, "not_modifiable", language)
    now = table.take(np.array([row], dtype=np.intp))
    then = _changed(now, changes, settings or Scoring())
    if then is None:
        return _none(risk, "class_unknown", language)
    before, after = now.matrix(model.inputs)[0], then.matrix(model.inputs)[0]
    moved = {
        one: (float(old), float(new))
        for one, old, new in zip(model.inputs, before, after, strict=True)
        if not (old == new or (math.isnan(old) and math.isnan(new)))
    }
    if not moved:
        return _none(risk, "not_read", language)
    if not _seen(model, {one: new for one, (_, new) in moved.items()}):
        return _none(risk, "not_seen", language)
    probability = float(model.score(then, explain=False).probability[0])
    says = _told("says")
    text = _told(
        "text", told=told, happened=wording.outcome(model.target), says=says, then=wording.of_100(probability),
        now=wording.of_100(risk.probability),
    )  # fmt: skip
    words = _told("words", told=told, way=_told(_way(probability - risk.probability)), says=says)
    band = model.band(probability)
    return WhatIf(
        model.target.name, language.say(text), language.say(words), risk.probability, probability, band, MappingProxyType(moved)
    )  # fmt: skip


def _way(change: float) -> str:
    return "same" if abs(change) < _SAME else "lower" if change < 0 else "higher"


def _seen(model: TrainedModel, values: Mapping[str, float]) -> bool:
    """Whether every value lies within what training saw; what is not known there, no student of it had."""
    least, most = model.population.least, model.population.most
    return all(math.isnan(new) or (name in least and least[name] <= new <= most[name]) for name, new in values.items())


def _none(risk: Risk, key: str, language: Language) -> WhatIf:
    why = language.say(_told(key))
    return WhatIf(risk.model.target.name, why, why)


def _told(key: str, **values: object) -> Sentence:
    return Sentence(f"what_if.{key}", SENTENCES[f"what_if.{key}"], values)


# -- what hangs together ----------------------------------------------------------------------------------------------


def _first(values: Mapping[str, float | None]) -> float:
    return values.get("missed_points_first_20d") or 0.0


def _as_in_september(values: Mapping[str, float | None], rate: float) -> dict[str, float]:
    """Return everything that is made of days missed, had each day since the first missed the same share of school."""
    known = {name: value for name, value in values.items() if value is not None}
    days, old = known["school_days"], known["missed_points"]
    new = _first(values) + rate * (days - FIRST) * _WHOLE
    new = float(round(max(new, known.get("suspended_points", 0.0))))  # days that the school itself took stay taken
    found = {"missed_points": new}
    for window in ("20d", "45d", "before_20d"):
        if f"missed_points_{window}" in known:
            found[f"missed_points_{window}"] = float(round(rate * known[f"school_days_{window}"] * _WHOLE))
    # What is told of the missed days, such as how many were excused, is told of as large a part of the fewer days.
    for name in ("missed_points_monday_friday", "noted_points", "unexcused_points"):
        if name in known:
            found[name] = float(round(known[name] * new / old))
    if "absence_trend_points" in known:
        found["absence_trend_points"] = 0.0
    fewest = {"longest_absence_streak_45d": known.get("school_days_45d", 0.0), "current_absence_streak": FIRST,
              "days_since_present": FIRST}  # fmt: skip
    for name, within in fewest.items():
        if name in known:
            found[name] = min(known[name], float(math.floor(rate * within)))
    if "days_since_absence" in known:
        between = days - FIRST if rate == 0 else min(round(1 / rate), days)
        found["days_since_absence"] = max(known["days_since_absence"], float(between))
    return found


def _changed(now: FeatureTable, changes: Mapping[str, float], settings: Scoring) -> FeatureTable | None:
    """Return a row with some values changed, and all that is worked out of them; None where a place cannot be found anew."""
    catalog = now.catalog
    values = now.values.copy()
    for name, value in changes.items():
        values[:, catalog.places((name,))[0]] = value
    moved = _touched(catalog, changes)
    steps = [[(one.name, one.expr) for one in step if one.name in moved and one.expr is not None]
             for step in catalog.derived_in_steps]  # fmt: skip
    # Of some hundred columns an expression reads a few: a frame of all of them takes ten times as long.
    read = sorted({root for step in steps for _, expr in step for root in expr.meta.root_names() if root in catalog})
    frame = now.keys.hstack(pl.from_numpy(values[:, catalog.places(tuple(read))], read).fill_nan(None)) if read else now.keys
    for step in steps:
        frame = frame.with_columns(expr.cast(pl.Float64).alias(name) for name, expr in step)
    derived = tuple(one.name for one in catalog if one.kind == "derived" and one.name in moved)
    if derived:
        values[:, catalog.places(derived)] = frame.select(derived).fill_null(float("nan")).to_numpy()
    relative = [one for one in catalog.relative if one.needs[0] in moved]
    if relative:
        names = tuple(one.name for one in relative)
        at, needed = catalog.places(names), tuple(one.needs[0] for one in relative)
        stale = settings.norms_stale_after_days
        places = now.norms.place(now.keys, needed, values[:, catalog.places(needed)], stale) if now.norms.grids else None
        was_known = ~np.isnan(values[:, at])
        if places is None:
            if was_known.any():
                return None
        elif (was_known & np.isnan(places) & ~np.isnan(values[:, catalog.places(needed)])).any():
            return None
        else:
            values[:, at] = np.where(was_known, places, values[:, at])
    return replace(now, values=values)


def _touched(catalog: Catalog, changes: Mapping[str, float]) -> frozenset[str]:
    """Return the features that change with others: themselves, and all that is worked out of them."""
    found = set(changes)
    for step in catalog.derived_in_steps:
        found |= {one.name for one in step if not found.isdisjoint(one.needs)}
    return frozenset(found)

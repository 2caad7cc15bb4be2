"""Judgement of a list on rows whose outcome is known: one path for a training run and for other data later.

What comes out is plain: figures of all days and of each, with intervals, the curve of calibration, and how many times
as many a list finds as each baseline's list of the same length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from features.problems import Problem, Refused
from features.records import SchoolRecords
from training import capacity, evaluate, intervals
from training.baselines import BASELINES, Sample
from training.evaluate import Metrics
from training.intervals import Rows
from training.run import Training, rows_of, with_days, with_schools
from training.trained import TrainedModel


@dataclass(frozen=True)
class Judgement:
    """How a score did. ``rests_on`` says what its intervals were drawn over."""

    metrics: Metrics
    interval: Mapping[str, intervals.Interval]
    lift: Mapping[str, float]
    by_day: Sequence[Mapping[str, Any]]
    baselines: Mapping[str, Metrics]
    reliability: Sequence[Mapping[str, float]]
    rests_on: str

    @property
    def figures(self) -> dict[str, Any]:
        """Return what a card and a command tell of it, as plain values."""
        return {
            "metrics": self.metrics.as_dict(),
            # Without draws there are none, and a card without them is not complete.
            **({"metrics_interval": {name: list(one) for name, one in self.interval.items()}} if self.interval else {}),
            "intervals_rest_on": self.rests_on,
            "lift": dict(self.lift),
            "by_day": [dict(one) for one in self.by_day],
            "reliability": [dict(one) for one in self.reliability],
        }


def judged(rows: Rows, capacity: float, first: int, draws: int, seed: int) -> Judgement:
    """Judge scored rows.

    Args:
        rows: the rows, with the scores of baselines.
        capacity: share of a day's students that a list holds.
        first: how many of a list are looked at first.
        draws: how many draws the intervals rest on.
        seed: of the draws.

    """
    drawn = intervals.drawn(rows, capacity, first, draws, seed)
    by_day = []
    for day in np.unique(rows.day):
        at = np.flatnonzero(rows.day == day)
        found = evaluate.measure(rows.raw[at], rows.label[at], rows.day[at], rows.tie[at], capacity, rows.chance[at], first)
        known = {name: list(one) for name, one in drawn.by_day.get(int(day), {}).items()}
        lift = _rounded(intervals.lifts(rows, at, capacity))
        by_day.append({"day": int(day), **found.as_dict(), "lift": lift, "interval": known})
    everywhere = np.arange(len(rows.label))
    return Judgement(
        evaluate.measure(rows.raw, rows.label, rows.day, rows.tie, capacity, rows.chance, first),
        drawn.overall,
        _rounded(intervals.lifts(rows, everywhere, capacity)),
        by_day,
        {
            name: evaluate.measure(score, rows.label, rows.day, rows.tie, capacity, first=first)
            for name, score in rows.others.items()
        },
        evaluate.calibration_curve(rows.chance, rows.label) if len(rows.label) else [],
        rows.clusters.says,
    )


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found.items()}


@dataclass(frozen=True)
class Elsewhere:
    """How a registered model did on other data: the rows, its judgement, and what its lists held."""

    model: TrainedModel
    rows: int
    positives: int
    begins: date
    ends: date
    judgement: Judgement
    lists: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``homeroom evaluate --json`` prints."""
        told = self.judgement.figures
        return {
            "target": self.model.target.name,
            "model_version": self.model.version,
            "test": {"rows": self.rows, "positives": self.positives, "from": str(self.begins), "to": str(self.ends)},
            **{name: value for name, value in told.items() if name != "by_day"},
            "by_as_of": told["by_day"],
            "baselines": {name: one.as_dict() for name, one in self.judgement.baselines.items()},
            "list": dict(self.lists),
        }


#: The baselines that are fitted on nothing, so that other data can be judged against them.
_UNFITTED = ("rule",)


def elsewhere(
    records: SchoolRecords, model: TrainedModel, settings: Training, pass_mark: float, test_from: date | None = None
) -> Elsewhere:
    """Judge a model on records that it was not trained on.

    Every term that begins on ``test_from`` or later and has known outcomes judges; without a date every term that begins
    after the last row that the model learned from. Students whom the model knows from earlier terms are among them: their
    names are not kept with it.

    Args:
        records: the records.
        model: the model, with its card.
        settings: on which days it is judged, with which capacity, and how many draws intervals rest on.
        pass_mark: share of the best score from which a skill counts as secure.
        test_from: see above.

    Raises:
        Refused: the records lack what the outcome is made of, or no term with known outcomes begins then.

    """
    lacking = [table for table in (*model.target.needs, "terms") if not records.holds(table)]
    if lacking:
        hint = "Send the table."
        problems = [Problem("missing_table", one, f"{model.target.name} cannot be judged without it", hint) for one in lacking]
        raise Refused(problems, "The records do not hold what the target is made of")
    settings = with_days(settings, records)
    settings = replace(settings, days=settings.judged_days)
    after = date.fromisoformat(model.card["train"]["to"])
    table, keys, labels, _ = rows_of(records, model.target, settings, None, pass_mark, model.catalog, {})
    begins = pl.col("term_start") >= test_from if test_from else pl.col("term_start") > after
    at = keys.select(begins.fill_null(value=False)).to_series().to_numpy() & labels["label"].is_not_null().to_numpy()
    if not at.any():
        first = test_from or f"the day after {after}, up to which the model learned"
        raise Refused(
            [Problem("split", "--test-from", f"no term with known outcomes begins on or after {first}",
                     "Give an earlier --test-from, if the model did not learn from these records.")],
            "There is nothing to judge on",
        )  # fmt: skip
    label = labels["label"].fill_null(0).to_numpy().astype(np.int8)
    day = keys["day"].to_numpy()
    units = keys.select(pl.concat_str("student_id", pl.col("section_id").fill_null(""), separator="|")).to_series()
    tie = evaluate.ties(units.to_list())
    scored = model.score(table.take(np.flatnonzero(at)), explain=False)
    sample = Sample(table.frame.with_columns(keys["course_id"]).filter(pl.Series(at)), scored.matrix, label[at])
    others = {name: BASELINES[name].fit(sample)(sample) for name in _UNFITTED}
    keys = with_schools(records, keys)
    clusters = intervals.clusters_of(keys.filter(pl.Series(at)))
    rows = Rows(scored.raw, scored.probability, label[at], day[at], tie[at], clusters, others)
    found = judged(rows, settings.capacity, settings.first, settings.bootstrap_draws, settings.seed)
    said = model.card.get("list", {})
    lists: dict[str, Any] = {}
    if said:
        before = capacity.Past(said["first"], said["each_place"], ())
        held = capacity.scored(keys, keys["organisation_id"], at, label, tie, scored.probability)
        after_all = capacity.later(held, before, model.bands["check_in_suggested"])
        lists = {"says": said["says"], "on_later_data": capacity.found_inside(after_all, said)}
    judged_rows = keys.filter(pl.Series(at))
    return Elsewhere(
        model, int(at.sum()), int(label[at].sum()), judged_rows["as_of"].min(), judged_rows["as_of"].max(),  # type: ignore[arg-type]
        found, lists,
    )  # fmt: skip

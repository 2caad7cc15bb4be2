"""The story of a training run, top to bottom: features, labels, split, fit, calibrate, judge, gate, card, register."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import Catalog
from features.cohort import on_days_of_term
from features.pipeline import FeatureTable, Memo, build
from features.records import SchoolRecords, digest_of
from features.standard import STANDARD
from features.tables import GRAIN_KEYS, TABLES
from training import calibrate, card, evaluate, splits
from training.baselines import BASELINES, Sample
from training.model import Trees
from training.registry import Registry
from training.splits import Split
from training.targets import TARGETS, Target
from training.trained import Expected, Population, TrainedModel

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
Progress = Callable[[str], None]

#: LightGBM's parameters: shallow, slow and many trees, with few inputs and random thresholds (``extra_trees``), so that
#: no single course's habits win. Leaving one course out within the training term chose them, not the test.
PARAMETERS: Mapping[str, Any] = {
    "learning_rate": 0.04,
    "num_leaves": 15,
    "max_depth": 5,
    "min_child_samples": 100,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "extra_trees": True,
    "seed": 7,
}

#: What differs for one target: where more is known, larger trees help.
PARAMETERS_OF: Mapping[str, Mapping[str, Any]] = {
    "course_failure": {"learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 50, "feature_fraction": 0.5,
                       "feature_fraction_bynode": 0.5},
}  # fmt: skip


@dataclass(frozen=True)
class Training:
    """Settings of training.

    ``days``: as-of points after a term's start on which the model learns, one model for all. ``judged_days``: those
    on which it is judged. ``capacity``: share of the students of a day that a school can look at.
    ``norms_hidden``: share of training rows whose place in the class is hidden, so that its absence is learned.
    """

    days: tuple[int, ...] = tuple(range(0, 113, 14))
    judged_days: tuple[int, ...] = (0, 14, 28, 56, 84, 112)
    capacity: float = 0.10
    folds: int = 3
    trees: int = 250
    norms_hidden: float = 0.07
    bootstrap_draws: int = 500
    seed: int = 7
    parameters: Mapping[str, Any] = field(default_factory=lambda: dict(PARAMETERS))


@dataclass(frozen=True)
class Result:
    """What one target's training gave."""

    model: TrainedModel
    run_id: str
    passed_gate: bool
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    metrics: evaluate.Metrics
    by_day: Sequence[Mapping[str, Any]]
    baselines: Mapping[str, evaluate.Metrics]
    gains: Sequence[evaluate.Gain]
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``homeroom train --json`` prints."""
        return {
            "target": self.model.target.name,
            "model_version": self.model.version,
            "run_id": self.run_id,
            "passed_gate": self.passed_gate,
            "train": dict(self.train),
            "test": dict(self.test),
            "metrics": self.metrics.as_dict(),
            "by_as_of": [dict(one) for one in self.by_day],
            "baselines": {name: one.as_dict() for name, one in self.baselines.items()},
            "gate": [asdict(one) for one in self.gains],
            "groups": [],
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
        }


def train(
    records: SchoolRecords,
    targets: Sequence[str] = tuple(TARGETS),
    settings: Training | None = None,
    test_from: date | None = None,
    pass_mark: float = 0.4,
    registry: Registry | None = None,
    catalog: Catalog = STANDARD,
    progress: Progress = lambda _: None,
    shuffle_labels: bool = False,
) -> list[Result]:
    """Train, judge and register a model for each target.

    Args:
        records: the school's records.
        targets: names of :data:`~training.targets.TARGETS`.
        settings: see :class:`Training`.
        test_from: first day of the test term; by default that of the latest term with known outcomes.
        pass_mark: share of the best score from which a skill counts as secure.
        registry: where candidates are kept; without one, nothing is registered.
        catalog: the features to compute.
        progress: called with a sentence when a step begins.
        shuffle_labels: train on labels shuffled among students, to show that nothing but the labels is learned from:
            such a model must do no better than chance.

    Raises:
        Refused: the records cannot be split in time at ``test_from``.

    """
    settings = settings or Training()
    memo: Memo = {}
    results = []
    for name in targets:
        started = time.perf_counter()
        target = TARGETS[name]
        progress(f"{name}: features")
        table, keys, labels, terms = _rows(records, target, settings, test_from, pass_mark, catalog, memo)
        if shuffle_labels:
            labels = _shuffled(labels, keys, settings.seed)
        split = splits.by_time(keys, labels, terms, test_from, settings.folds)
        ready = time.perf_counter()
        results.append(_one(records, target, table, keys, labels, split, settings, registry, progress, started, ready))
    return results


def _rows(
    records: SchoolRecords, target: Target, settings: Training, test_from: date | None, pass_mark: float,
    catalog: Catalog, memo: Memo,
) -> tuple[FeatureTable, pl.DataFrame, pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return features, keys, labels and terms: every term up to the test, on the days that it is needed for."""
    terms = records.labels("terms").collect().sort("starts_on")
    if test_from is not None:
        first = terms.filter(pl.col("starts_on") >= test_from)["starts_on"].min()
        terms = terms.filter(pl.col("starts_on") <= first) if first is not None else terms
    days = sorted({*settings.days, *settings.judged_days})
    cohort = on_days_of_term(records, days, target.unit, terms["term_id"].to_list())
    table = build(records, cohort, catalog, memo=memo)
    starts = records.labels("sections").collect().select("section_id", "term_id", "course_id")
    starts = starts.join(terms.select("term_id", term_start="starts_on"), on="term_id")
    keys = table.frame.select(*GRAIN_KEYS["skill"], "as_of").join(starts, on="section_id", how="left", maintain_order="left")
    keys = keys.with_columns((pl.col("as_of") - pl.col("term_start")).dt.total_days().alias("day"))
    return table, keys, target.labels(records, cohort, pass_mark), terms


def _one(
    records: SchoolRecords, target: Target, table: FeatureTable, keys: pl.DataFrame, labels: pl.DataFrame,
    split: Split, settings: Training, registry: Registry | None, progress: Progress, started: float, ready: float,
) -> Result:  # fmt: skip
    progress(f"{target.name}: fitting")
    inputs = table.catalog.inputs
    matrix = _hide_norms(table, keys, settings)
    label = labels["label"].fill_null(0).to_numpy().astype(np.int8)
    day = keys["day"].to_numpy()
    fit = split.fit & np.isin(day, settings.days)
    judged = np.isin(day, settings.judged_days)
    units = keys.select(pl.concat_str("student_id", pl.col("section_id").fill_null(""), separator="|")).to_series().to_list()

    def fitted(rows: Rows, what: npt.NDArray[Any], objective: str) -> Trees:
        return Trees.fit(
            matrix[rows],
            what[rows],
            inputs,
            {"objective": objective, **settings.parameters, **PARAMETERS_OF.get(target.name, {})},
            settings.trees,
        )

    trees = fitted(fit, label, "binary")
    # Rows that calibrate and gate: predictions of models that did not see the student.
    held = (split.calibrate if split.calibrate is not None else split.fit) & judged
    seen = _unseen(held, fit, split, trees, table.matrix(), lambda rows: fitted(rows, label, "binary"), settings)
    calibration = calibrate.fit(seen[held], label[held], [units[at] for at in np.flatnonzero(held)])
    expected = None
    if target.with_value:
        value = labels["value"].fill_null(0.0).to_numpy()
        guess = fitted(fit, value, "regression")
        out = _unseen(held, fit, split, guess, table.matrix(), lambda rows: fitted(rows, value, "regression"), settings)
        expected = Expected.of(guess, np.clip(out[held], 0, 1), value[held])
    done = time.perf_counter()

    progress(f"{target.name}: judging against the baselines")
    frame = table.frame.with_columns(keys["course_id"])
    gate_scores, test_scores = {}, {}
    for name, baseline in BASELINES.items():
        thin = fit & judged
        scores = np.zeros(len(label))
        if split.cross_fitted:
            for fold in range(settings.folds):
                mine = held & (split.folds == fold)
                scores[mine] = baseline.fit(_sample(frame, table, label, thin & (split.folds != fold)))(
                    _sample(frame, table, label, mine)
                )
        else:
            scores[held] = baseline.fit(_sample(frame, table, label, thin))(_sample(frame, table, label, held))
        gate_scores[name] = scores[held]
        test = split.test & judged
        test_scores[name] = baseline.fit(_sample(frame, table, label, thin))(_sample(frame, table, label, test))
    gains = evaluate.gains(seen[held], gate_scores, label[held], day[held], [units[at] for at in np.flatnonzero(held)],
                           settings.capacity, settings.bootstrap_draws, settings.seed)  # fmt: skip
    passed = all(one.beaten for one in gains)

    test = split.test & judged
    tie = evaluate.ties(units)
    raw = trees.raw(table.matrix()[test])
    chance = calibration.probability(raw)
    judge = _Judge(label[test], day[test], tie[test], settings.capacity)
    metrics = judge(raw, chance)
    by_day = [{"day": int(one), **judge.on(int(one), raw, chance).as_dict()} for one in np.unique(day[test])]
    against = {name: judge(score) for name, score in test_scores.items()}
    bands = _bands(calibration.probability(seen[held]), label[held], day[held], tie[held], settings.capacity)

    progress(f"{target.name}: explaining")
    model = TrainedModel(
        target, trees, table.catalog, calibration,
        Population.of(matrix[fit], inputs, _elapsed(table.frame.filter(pl.Series(fit)))), bands, {}, expected,
    )  # fmt: skip
    weights = _weights(model, table, test, settings.seed)
    explained = time.perf_counter()

    facts = {
        "train": _facts(keys, label, fit, units, target),
        "test": _facts(keys, label, test, units, target),
    }
    whole = _card(model, split, settings, facts, metrics, by_day, against, gains, passed, weights, labels, table, test, judge)
    model = replace(model, card=whole)
    run_id = ""
    if registry is not None:
        progress(f"{target.name}: registering")
        version, run_id = _register(
            registry,
            model,
            records,
            split,
            settings,
            metrics,
            by_day,
            against,
            gains,
            passed,
            weights,
            label[test],
            chance,
        )
        model = replace(model, version=version, card={**whole, "version": version, "run_id": run_id})
    seconds = {"features": ready - started, "fit": done - ready, "explain": explained - done,
               "total": time.perf_counter() - started}  # fmt: skip
    return Result(model, run_id, passed, facts["train"], facts["test"], metrics, by_day, against, gains, seconds)


@dataclass(frozen=True)
class _Judge:
    """The test rows, ready to measure any score of them."""

    label: npt.NDArray[np.int8]
    day: npt.NDArray[Any]
    tie: Floats
    capacity: float

    def __call__(self, score: Floats, chance: Floats | None = None) -> evaluate.Metrics:
        return evaluate.measure(score, self.label, self.day, self.tie, self.capacity, chance)

    def on(self, day: int, score: Floats, chance: Floats) -> evaluate.Metrics:
        rows = self.day == day
        return evaluate.measure(score[rows], self.label[rows], self.day[rows], self.tie[rows], self.capacity, chance[rows])


def _unseen(
    held: Rows,
    fit: Rows,
    split: Split,
    trees: Trees,
    matrix: Floats,
    fitted: Callable[[Rows], Trees],
    settings: Training,
) -> Floats:
    """Return predictions for the held rows by models that did not see their students."""
    seen = np.zeros(len(matrix))
    if not split.cross_fitted:
        seen[held] = trees.raw(matrix[held])
        return seen
    for fold in range(settings.folds):
        mine = held & (split.folds == fold)
        if mine.any():
            seen[mine] = fitted(fit & (split.folds != fold)).raw(matrix[mine])
    return seen


def _hide_norms(table: FeatureTable, keys: pl.DataFrame, settings: Training) -> Floats:
    """Return the inputs with the place in the class hidden in some rows: a request may come without classmates."""
    matrix = table.matrix().copy()
    relative = [at for at, name in enumerate(table.catalog.inputs) if table.catalog[name].kind == "relative"]
    hidden = np.random.default_rng(settings.seed).random(keys.height) < settings.norms_hidden
    matrix[np.ix_(hidden, relative)] = np.nan
    return matrix


def _shuffled(labels: pl.DataFrame, keys: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return labels with outcomes exchanged among the students of a day, who knew what when left in place."""
    rng = np.random.default_rng(seed)
    label = labels["label"].to_numpy().copy()
    for rows in keys.with_row_index("at").group_by("as_of", maintain_order=True).agg("at")["at"]:
        at = rows.to_numpy()
        at = at[~np.isnan(label[at])]
        label[at] = label[rng.permutation(at)]
    return labels.with_columns(pl.Series("label", label, nan_to_null=True).cast(pl.Int8))


def _sample(frame: pl.DataFrame, table: FeatureTable, label: npt.NDArray[np.int8], rows: Rows) -> Sample:
    part = frame.filter(pl.Series(rows))
    return Sample(part, part.select(table.catalog.inputs).fill_null(float("nan")).to_numpy(), label[rows])


def _bands(
    chance: Floats, label: npt.NDArray[np.int8], day: npt.NDArray[Any], tie: Floats, capacity: float
) -> dict[str, float]:
    """Return where the bands begin: the last on a list of capacity, and the list that finds four of five."""
    on = evaluate.on_list(chance, day, tie, capacity)
    ordered = np.sort(chance[label == 1])[::-1]
    four_of_five = ordered[min(int(np.ceil(0.8 * len(ordered))) - 1, len(ordered) - 1)]
    check_in = float(chance[on].min())
    return {"check_in_suggested": check_in, "keep_an_eye": float(min(four_of_five, check_in))}


def _elapsed(frame: pl.DataFrame) -> Floats:
    return frame["elapsed_share"].fill_null(0.0).to_numpy()


def _weights(model: TrainedModel, table: FeatureTable, rows: Rows, seed: int) -> dict[str, float]:
    """Return each concept's mean absolute contribution over at most 400 test rows."""
    at = np.flatnonzero(rows)
    at = np.sort(np.random.default_rng(seed).choice(at, min(400, len(at)), replace=False))
    part = FeatureTable(table.frame[at], table.catalog, table.unit, table.norms)
    found = model.score(part).contributions
    weights: dict[str, float] = {}
    for column, name in enumerate(model.inputs):
        weights.setdefault(model.catalog[name].concept, 0.0)
        weights[model.catalog[name].concept] += float(np.abs(found[:, column]).mean())
    return weights


def _facts(keys: pl.DataFrame, label: npt.NDArray[np.int8], rows: Rows, units: Sequence[str], target: Target) -> dict[str, Any]:
    part = keys.filter(pl.Series(rows))
    return {
        "rows": int(rows.sum()),
        "positives": int(label[rows].sum()),
        "from": str(part["as_of"].min()),
        "to": str(part["as_of"].max()),
        "units": len({units[int(at)] for at in np.flatnonzero(rows)}),
        "courses": part["course_id"].unique().sort().to_list(),
    }


def _card(
    model: TrainedModel, split: Split, settings: Training, facts: Mapping[str, Any], metrics: evaluate.Metrics,
    by_day: Sequence[Mapping[str, Any]], against: Mapping[str, evaluate.Metrics], gains: Sequence[evaluate.Gain],
    passed: bool, weights: Mapping[str, float], labels: pl.DataFrame, table: FeatureTable, test: Rows, judge: _Judge,
) -> dict[str, Any]:  # fmt: skip
    target = model.target
    if split.cross_fitted:
        calibrated = (f"Only one closed term was there to learn from, so calibration and gate use {settings.folds}-fold "
                      "cross-fitting grouped by student, not a later term.")  # fmt: skip
    else:
        calibrated = "Calibration and gate use a closed term later than the one the model was fitted on."
    notes = [f"{split.apart:,} closed rows of students who are also in the test were left out of training."]
    new = sorted(set(facts["test"]["courses"]) - set(facts["train"]["courses"]))
    if new:
        notes.append(f"Courses in the test that training never saw: {', '.join(new)}.")
    raw = model.trees.raw(table.matrix()[test])
    chance = model.calibration.probability(raw)
    intervals = _interval_coverage(model, chance, judge.label)
    found: dict[str, Any] = {
        "title": f"{target.name} model",
        "target": target.name,
        "version": "",
        "says": target.says,
        "unit": target.unit,
        "horizon": target.horizon,
        "decision_support_only": True,
        "out_of_scope": list(card.OUT_OF_SCOPE),
        "honest": card.HONEST,
        "train": dict(facts["train"]),
        "test": dict(facts["test"]),
        "calibrated_on": calibrated,
        "notes": notes,
        "metrics": metrics.as_dict(),
        "by_day": [dict(one) for one in by_day],
        "baselines": {name: {"says": BASELINES[name].says, **one.as_dict()} for name, one in against.items()},
        "gate": {"passed": passed, "gains": [asdict(one) for one in gains]},
        "capacity": settings.capacity,
        "bands": dict(model.bands),
        "concepts": card.concepts(table.catalog),
        "weights": {name: round(value, 4) for name, value in weights.items()},
        "never_read": [f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns if c.use == "audit_only"],
        "algorithm": {"name": "LightGBM", "trees": settings.trees, **settings.parameters},
        "calibration": {"method": "logistic (Platt)", **model.calibration.as_dict()},
        "interval_coverage": intervals,
        "explanations": "Exact TreeSHAP of the row that was scored, summed by concept. A reason is shown only where it "
                        "adds to the score and the value is on the concern side of the comparison printed with it.",
        "limits": [
            "Least reliable near the line of the list.",
            "Terms, courses or schools unlike those it was trained on: see the test's courses above.",
            "Says what past students with similar records did, never what this student will do.",
            "Group-by-group figures are not on this card yet.",
        ],
    }  # fmt: skip
    if model.expected is not None:
        value = labels["value"].fill_null(0.0).to_numpy()[test]
        guess = model.expected.value(table.matrix()[test])
        bounds = np.array([model.expected.interval(float(one)) for one in guess])
        inside = (bounds[:, 0] <= value) & (value <= bounds[:, 1])
        found["expected"] = {
            "mean_absolute_error": round(float(np.abs(guess - value).mean()), 4),
            "interval": 0.8,
            "coverage_on_later_data": round(float(inside.mean()), 4),
            "mean_width": round(float((bounds[:, 1] - bounds[:, 0]).mean()), 4),
        }
    return found


def _interval_coverage(model: TrainedModel, chance: Floats, label: npt.NDArray[np.int8]) -> dict[str, Any]:
    """Return in how many groups of later students the frequency fell inside the mean interval given to them."""
    groups = [part for part in np.array_split(np.argsort(chance, kind="stable"), 20) if len(part)]
    inside = 0
    for part in groups:
        bounds = np.array([model.calibration.interval(float(one)) for one in chance[part]])
        inside += bool(bounds[:, 0].mean() <= label[part].mean() <= bounds[:, 1].mean())
    return {"nominal": 0.8, "groups": len(groups), "groups_inside_on_later_data": inside}


def _register(
    registry: Registry, model: TrainedModel, records: SchoolRecords, split: Split, settings: Training,
    metrics: evaluate.Metrics, by_day: Sequence[Mapping[str, Any]], against: Mapping[str, evaluate.Metrics],
    gains: Sequence[evaluate.Gain], passed: bool, weights: Mapping[str, float], label: npt.NDArray[np.int8], chance: Floats,
) -> tuple[str, str]:  # fmt: skip
    from training.plots import draw

    numbers: dict[str, float] = {k: v for k, v in metrics.as_dict().items() if v is not None}
    for one in by_day:
        numbers |= {f"day_{one['day']}/{k}": v for k, v in one.items() if v is not None and k != "day"}
    for name, other in against.items():
        numbers |= {f"baseline_{name}/{k}": v for k, v in other.as_dict().items() if v is not None}
    for gain in gains:
        numbers |= {f"gate_{gain.baseline}/{k}": float(getattr(gain, k)) for k in ("gain", "low", "high")}
    parameters = {
        **settings.parameters, "trees": settings.trees, "days": settings.days, "capacity": settings.capacity,
        "folds": settings.folds, "norms_hidden": settings.norms_hidden, "test_from": split.test_from,
        "inputs": len(model.inputs), "cross_fitted": split.cross_fitted,
    }  # fmt: skip
    tags = {
        "records_digest": records.digest,
        "catalog_digest": digest_of(*(one.fingerprint for one in model.catalog)),
        "passed_gate": str(passed).lower(),
    }
    plots = draw(label, chance, weights, model.target.name)
    return registry.record(model, numbers, parameters, plots, tags, passed)

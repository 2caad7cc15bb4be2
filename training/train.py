"""The story of a training run, top to bottom: features, labels, split, fit, calibrate, judge, gate, card, register."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import Catalog
from features.pipeline import Memo
from features.problems import Problem, Refused
from features.records import SchoolRecords, digest_of
from features.standard import STANDARD
from features.tables import TABLES
from training import (
    calibrate,
    capacity,
    card,
    coverage,
    data_sheet,
    drift,
    evaluate,
    fairness,
    intervals,
    leakage,
    rolling,
    shift,
    splits,
    stability,
    treated,
    tune,
)
from training import judgement as judging
from training.baselines import BASELINES
from training.expected import Expected
from training.gates import Gates
from training.governance import Provenance
from training.indicators import PROGRESS, tables_of
from training.intervals import clusters_of
from training.model import Trees
from training.registry import Registry
from training.run import Run, Training, rows_of, shuffled, with_days
from training.targets import TARGETS
from training.trained import Population, TrainedModel

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
Progress = Callable[[str], None]


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

    @property
    def protocol(self) -> str:
        """How it was trained and judged: ``time``, or ``transfer``, which can never serve."""
        return str(self.model.card["protocol"]["name"])

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
            "groups": list(self.model.card["audit"]["groups"]),
            **{name: self.model.card.get(name) for name in ("metrics_interval", "lift", "protocol", "stability", "list")},
            "leakage": self.model.card["leakage"],
            "treated": self.model.card["treated"],
            "tuning": self.model.card.get("tuning"),
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
        }


def train(
    records: SchoolRecords,
    targets: Sequence[str] = (),
    settings: Training | None = None,
    test_from: date | None = None,
    pass_mark: float = 0.4,
    registry: Registry | None = None,
    catalog: Catalog = STANDARD,
    progress: Progress = lambda _: None,
    shuffle_labels: bool = False,
    left_out: Callable[[str, Refused], None] = lambda _target, _why: None,
    provenance: Provenance | None = None,
    protocol: rolling.Protocol = "time",
    schedule: rolling.Schedule | None = None,
    gates: Gates | None = None,
    search: tune.Search | None = None,
) -> list[Result]:
    """Train, judge and register a model for each target.

    Args:
        records: the school's records.
        targets: names of :data:`~training.targets.TARGETS`. By default all for which the school sent what it takes;
            one of which too few outcomes are known is then left out, and ``left_out`` is told.
        settings: see :class:`Training`.
        test_from: first day of the test term; by default that of the latest term with known outcomes.
        pass_mark: share of the best score from which a skill counts as secure.
        registry: where candidates are kept; without one, nothing is registered.
        catalog: the features to compute.
        progress: called with a sentence when a step begins.
        left_out: called with a target that cannot be learned from these records, and why.
        shuffle_labels: train on labels shuffled among students, to show that nothing but the labels is learned from:
            such a model must do no better than chance.
        provenance: the day, the source and who answers for the models; a card without it is not complete.
        protocol: ``transfer`` learns from terms whose outcomes were not known when the test began, for comparison only.
        schedule: how it is judged at earlier origins, and on schools or courses never seen.
        gates: the limits of the fairness audit.
        search: how many sets of parameters to try before fitting, and where trials are kept; none by default.

    Raises:
        Refused: the records cannot be split in time at ``test_from``, or lack a table that a target is made of, or a
            setting is none of those that there are.

    """
    settings = with_days(settings or Training(), records)
    schedule = schedule or rolling.Schedule()
    schedule.check()
    settings.check()
    names = targets or [name for name in TARGETS if not _lacking(records, name)]
    _refuse_impossible(records, names)
    catalog = catalog.within(frozenset(records.parts))
    memo: Memo = {}
    provenance = provenance or Provenance()
    sheet = data_sheet.of_records(records, provenance)
    results = []
    refused: list[Problem] = []
    for name in names:
        started = time.perf_counter()
        document = partial(data_sheet.documented, sheet=sheet, provenance=provenance, since=time.process_time())
        target = TARGETS[name]
        progress(f"{name}: features")
        table, keys, labels, terms = rows_of(records, target, settings, test_from, pass_mark, catalog, memo)
        if shuffle_labels:
            labels = shuffled(labels, keys, settings.seed)
        judged = keys["day"].is_in(settings.judged_days).to_numpy()
        try:
            split = splits.by_time(
                keys, labels, terms, test_from, settings.folds, judged, schedule.back_days, protocol == "transfer"
            )
            run = Run.of(records, target, settings, table, keys, labels, split)
        except Refused as why:
            if targets:
                raise
            refused += why.problems
            left_out(name, why)
            continue
        how = rolling.in_time(split, keys, labels, terms, schedule, protocol, settings.folds, judged)
        results.append(_one(run, how, gates or Gates(), registry, progress, started, document, search))
    if not results:
        raise Refused(refused, "Nothing can be learned from these records")
    return results


def _refuse_impossible(records: SchoolRecords, targets: Sequence[str]) -> None:
    """Refuse targets that are made of tables that the school did not send, all at once."""
    problems = [
        Problem("missing_table", table, f"{name} cannot be learned without it", "Send the table, or leave the target out.")
        for name in targets
        for table in _lacking(records, name)
    ]
    if problems:
        raise Refused(problems, "The records do not hold what the targets are made of")


def _lacking(records: SchoolRecords, target: str) -> list[str]:
    """Return the tables that were not sent and without which there is no label, or nobody knows how far a stay has come."""
    needed = dict.fromkeys((*TARGETS[target].needs, "terms", *tables_of(PROGRESS)))
    return [table for table in needed if not records.holds(table)]


@dataclass(frozen=True)
class _Judgement:
    """How the model and the baselines did: on the test, and at the gate; ``audit`` comes once there is a model."""

    on_test: judging.Judgement
    gains: Sequence[evaluate.Gain]
    raw: Floats
    chance: Floats
    protocol: str
    audit: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the model finds more students than every baseline does, knew only what could be known, and is fair."""
        return self.protocol == "time" and all(one.beaten for one in self.gains) and bool(self.audit["passed"])


def _one(
    run: Run, how: rolling.InTime, gates: Gates, registry: Registry | None, progress: Progress, started: float,
    document: Callable[..., dict[str, Any]], search: tune.Search | None = None,
) -> Result:  # fmt: skip
    """Tell the story of one target from the rows to a registered candidate."""
    ready = time.perf_counter()
    found = None if search is None else tune.tuned(run, search, progress)
    run = run if found is None else found.run
    progress(f"{run.target.name}: fitting")
    trees = run.fitted(run.fit)
    seen = _unseen(run, trees, run.fitted_each)
    calibration = calibrate.fit(seen[run.held], run.label[run.held], run.units[run.held].tolist())
    calibration = replace(calibration, shift=shift.learned(run, seen))
    expected = _expected(run) if run.target.with_value else None
    fitted = time.perf_counter()

    progress(f"{run.target.name}: judging against the baselines")
    judgement = _judge(run, trees, calibration, seen, how)
    proof = leakage.prove(run, trees, in_time=how.protocol == "time")
    if registry is not None:
        proof.refuse()
    refits = stability.refitted(run, run.settings.refits, run.settings.refit_rows)
    unseen = calibration.probability(seen[run.held])
    noise = stability.noise(run, trees, calibration, refits)
    bands = capacity.bands(unseen, run.label[run.held], run.settings.capacity, run.settings.least_odds, noise)

    progress(f"{run.target.name}: explaining")
    elapsed = run.table.frame.filter(pl.Series(run.fit))[PROGRESS].fill_null(0.0).to_numpy()
    population = Population.of(run.learned[run.fit], run.table.catalog.inputs, elapsed)
    model = TrainedModel(run.target, trees, run.table.catalog, calibration, population, bands, {}, expected)
    weights = _weights(run, model)
    judgement = replace(judgement, audit=fairness.of_run(run, model, gates))
    in_practice = _in_practice(run, model, judgement, unseen, refits, how)
    model = replace(model, reference=drift.reference_of(run, model))
    explained = time.perf_counter()

    facts = {"train": _facts(run, run.fit), "test": _facts(run, run.test)}
    tuning = {} if found is None else {"tuning": found.as_dict()}
    told = {**_card(run, model, facts, judgement, weights), **in_practice, "leakage": proof.as_dict(),
            "audit": dict(judgement.audit), **tuning}  # fmt: skip
    model = replace(model, card=told)
    model = replace(model, card={**told, **document(run, model, judgement.chance)})
    card.check(model.card)
    run_id = ""
    if registry is not None:
        progress(f"{run.target.name}: registering")
        version, run_id = _register(run, registry, model, judgement, weights)
        registry.record_trials(run_id, [] if found is None else found.trials)
        model = replace(model, version=version, card={**model.card, "version": version, "run_id": run_id})
    seconds = {"features": ready - started, "fit": fitted - ready, "explain": explained - fitted,
               "total": time.perf_counter() - started}  # fmt: skip
    return Result(
        model, run_id, judgement.passed, facts["train"], facts["test"], judgement.on_test.metrics,
        judgement.on_test.by_day, judgement.on_test.baselines, judgement.gains, seconds,
    )  # fmt: skip


def _unseen(run: Run, trees: Trees, fitted: Callable[[Sequence[Rows]], Sequence[Trees]]) -> Floats:
    """Return predictions for the held rows by models that did not see their students."""
    seen = np.zeros(len(run.label))
    if not run.split.cross_fitted:
        seen[run.held] = trees.raw(run.matrix[run.held])
        return seen
    asked = [fold for fold in range(run.settings.folds) if (run.held & (run.split.folds == fold)).any()]
    for fold, one in zip(asked, fitted([run.fit & (run.split.folds != fold) for fold in asked]), strict=True):
        mine = run.held & (run.split.folds == fold)
        seen[mine] = one.raw(run.matrix[mine])
    return seen


def _expected(run: Run) -> Expected:
    """Return the model of the number that comes with the label, with its interval."""
    trees = run.trees(run.fit, run.value, "regression")
    seen = _unseen(run, trees, lambda parts: [run.trees(rows, run.value, "regression") for rows in parts])
    return Expected.of(trees, np.clip(seen[run.held], 0, 1), run.value[run.held])


def _judge(
    run: Run, trees: Trees, calibration: calibrate.Calibration, seen: Floats, how: rolling.InTime
) -> _Judgement:  # fmt: skip
    """Measure the model on the test, and against the baselines on held rows: the gate must not use the test."""
    settings = run.settings
    raw = trees.raw(run.matrix[run.test])
    chance = calibration.probability(raw)
    at_gate, at_test = _baselines(run)
    gains = evaluate.gains(
        seen[run.held], at_gate, run.label[run.held], run.day[run.held], run.units[run.held].tolist(),
        settings.capacity, settings.bootstrap_draws, settings.seed,
    )  # fmt: skip
    clusters = clusters_of(run.keys.with_columns(run.schools).filter(pl.Series(run.test)))
    rows = intervals.Rows(raw, chance, run.label[run.test], run.day[run.test], run.tie[run.test], clusters, at_test)
    found = judging.judged(rows, settings.capacity, settings.first, settings.bootstrap_draws, settings.seed)
    return _Judgement(found, gains, raw, chance, how.protocol)


def _in_practice(
    run: Run, model: TrainedModel, judgement: _Judgement, unseen: Floats, refits: Sequence[Trees], how: rolling.InTime
) -> dict[str, Any]:
    """Return what the card says of lists: what the first of them held, what stays of them, and at earlier origins."""
    line, schools = model.bands["check_in_suggested"], run.schools
    part = capacity.part_of_all(run)
    held = capacity.scored(run.keys, schools, run.held, run.label, run.tie, unseen, part)
    before = capacity.past(held, run.settings.first, line)
    when = capacity.when_of(_earlier(run), len(np.unique(held.term)))
    told = capacity.told(before, when, run.target.happened)
    tested = capacity.scored(run.keys, schools, run.test, run.label, run.tie, judgement.chance, part)
    after = capacity.later(tested, before, line)
    return {
        "list": {**told, "on_later_data": capacity.found_inside(after, told)},
        "stability": stability.measured(run, model, refits, run.settings.explained),
        "protocol": rolling.judged_in_turn(run, schools, judgement.raw, how),
    }


def _earlier(run: Run) -> str:
    """Return what went before, in words: years of school, or courses."""
    return "years" if run.by_years else "courses"


def _baselines(run: Run) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return each baseline's scores of the held rows, by one that did not see the student, and of the test rows."""
    teaching = run.fit & np.isin(run.day, run.settings.judged_days)
    held, test = run.sample(run.held), run.sample(run.test)
    at_gate, at_test = {}, {}
    for name, baseline in BASELINES.items():
        if baseline.needs and baseline.needs not in run.table.catalog:
            continue
        whole = baseline.fit(run.sample(teaching))
        at_test[name] = whole(test)
        if not run.split.cross_fitted:
            at_gate[name] = whole(held)
            continue
        scores = np.zeros(len(run.label))
        for fold in range(run.settings.folds):
            mine = run.held & (run.split.folds == fold)
            if mine.any():
                scores[mine] = baseline.fit(run.sample(teaching & (run.split.folds != fold)))(run.sample(mine))
        at_gate[name] = scores[run.held]
    return at_gate, at_test


def _weights(run: Run, model: TrainedModel) -> dict[str, float]:
    """Return each concept's mean absolute contribution over at most 400 test rows."""
    at = np.flatnonzero(run.test)
    at = np.sort(np.random.default_rng(run.settings.seed).choice(at, min(400, len(at)), replace=False))
    found = model.score(run.table.take(at)).contributions
    weights: dict[str, float] = {}
    for column, name in enumerate(model.inputs):
        weights.setdefault(model.catalog[name].concept, 0.0)
        weights[model.catalog[name].concept] += float(np.abs(found[:, column]).mean())
    return weights


def _facts(run: Run, rows: Rows) -> dict[str, Any]:
    part = run.keys.filter(pl.Series(rows))
    return {
        "rows": int(rows.sum()),
        "positives": int(run.label[rows].sum()),
        "from": str(part["as_of"].min()),
        "to": str(part["as_of"].max()),
        "units": len(np.unique(run.units[rows])),
        "courses": part["course_id"].unique().sort().to_list(),
    }


def _card(
    run: Run, model: TrainedModel, facts: Mapping[str, Any], judgement: _Judgement, weights: Mapping[str, float]
) -> dict[str, Any]:
    target, settings, split = run.target, run.settings, run.split
    if split.cross_fitted:
        calibrated = (f"Only one closed term was there to learn from, so calibration and gate use {settings.folds}-fold "
                      "cross-fitting grouped by student, not a later term.")  # fmt: skip
    else:
        calibrated = "Calibration and gate use a closed term later than the one the model was fitted on."
    notes = [f"{split.apart:,} closed rows of students who are also in the test were left out of training."]
    if split.held_out:
        notes = [f"Students come back every year, so a third of them was held out: the test is of them, and their "
                 f"{split.apart:,} closed rows were left out of training."]  # fmt: skip
    new = sorted(set(facts["test"]["courses"]) - set(facts["train"]["courses"]))
    if new:
        notes.append(f"Courses in the test that training never saw: {', '.join(new)}.")
    found: dict[str, Any] = {
        **card.opening(target.says, target.unit),
        "target": target.name,
        "version": "",
        "says": target.says,
        "unit": target.unit,
        "horizon": target.horizon,
        "earlier": _earlier(run),
        "train": dict(facts["train"]),
        "test": dict(facts["test"]),
        "calibrated_on": calibrated,
        "notes": notes,
        **judgement.on_test.figures,
        "baselines": {n: {"says": BASELINES[n].says, **one.as_dict()} for n, one in judgement.on_test.baselines.items()},
        "gate": {"passed": judgement.passed, "gains": [asdict(one) for one in judgement.gains],
                 "fairness": {"passed": judgement.audit["passed"]}},
        "capacity": settings.capacity,
        "first": settings.first,
        "bands": dict(model.bands),
        "concepts": card.concepts(model.catalog),
        "weights": {name: round(value, 4) for name, value in weights.items()},
        "never_read": [f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns if c.use == "audit_only"],
        "algorithm": {"name": "LightGBM", **run.algorithm},
        "treated": treated.section(run, judgement.raw, judgement.chance),
        "calibration": {"method": "logistic (Platt)", **model.calibration.as_dict()},
        "interval_coverage": coverage.of_probability(run, model.calibration, judgement.chance),
        "explanations": "Exact TreeSHAP of the row that was scored, summed by concept. A reason is shown only where it "
                        "adds to the score and the value is on the concern side of the comparison printed with it.",
        "limits": card.limits(judgement.on_test.by_day),
    }  # fmt: skip
    if model.expected is not None:
        found["expected"] = coverage.of_expected(run, model.expected)
    return found


def _register(
    run: Run, registry: Registry, model: TrainedModel, judgement: _Judgement, weights: Mapping[str, float]
) -> tuple[str, str]:
    from training.plots import draw

    settings = run.settings
    numbers: dict[str, float] = {k: v for k, v in judgement.on_test.metrics.as_dict().items() if v is not None}
    for one in judgement.on_test.by_day:
        numbers |= {f"day_{one['day']}/{k}": v for k, v in one.items() if isinstance(v, int | float) and k != "day"}
    for name, other in judgement.on_test.baselines.items():
        numbers |= {f"baseline_{name}/{k}": v for k, v in other.as_dict().items() if v is not None}
    for gain in judgement.gains:
        numbers |= {f"gate_{gain.baseline}/{k}": float(getattr(gain, k)) for k in ("gain", "low", "high")}
    parameters = {
        **run.algorithm, "treated": settings.treated, "trials": model.card.get("tuning", {}).get("trials", 0),
        "days": settings.days, "capacity": settings.capacity,
        "folds": settings.folds, "norms_hidden": settings.norms_hidden, "test_from": run.split.test_from,
        "inputs": len(model.inputs), "cross_fitted": run.split.cross_fitted, "protocol": judgement.protocol,
    }  # fmt: skip
    tags = {
        "records_digest": run.records.digest,
        "catalog_digest": digest_of(*(one.fingerprint for one in model.catalog)),
        "passed_gate": str(judgement.passed).lower(),
        "protocol": judgement.protocol,
    }
    plots = draw(run.label[run.test], judgement.chance, weights, run.target.name)
    return registry.record(model, numbers, parameters, plots, tags, judgement.passed)

"""The same story for a flat file: rows, split, fit, calibrate, judge, gate, card, register.

What differs is told by the file's description: a number, an outcome of yes or no, or classes; judged on later rows, on
given ones, or in folds. Whoever is judged was not seen by the model that is judged, nor by what calibrates it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.flat import FlatTable, Label, moments
from features.problems import Problem, Refused
from features.records import digest_of
from training import calibrate, card, evaluate, splits
from training import flat_judgement as judging
from training.blend import Blend, Member, members_for
from training.calibrate import Calibration, Pattern
from training.flat_model import FlatModel, Spread
from training.governance import Provenance
from training.linear import Softmax, middles
from training.registry import Registry
from training.run import Training
from training.targets import TARGETS
from training.trained import Population

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
Progress = Callable[[str], None]

#: Fewer rows, or fewer of a class, cannot teach anything and judge it too.
LEAST_ROWS, LEAST_OF_EACH = 60, 15

#: Students of the past are grouped so that a share of them is one of so many at least.
LEAST_IN_PATTERN = 25

#: Above this many rows ten folds tell no more than five, in twice the time.
TEN_FOLDS_UP_TO = 3_000

#: Of times that are many, such as days, the last fifth judges; of few, such as years, the last one.
FEW_TIMES, LATEST = 20, 0.2


@dataclass(frozen=True)
class FlatResult:
    """What training on a flat file gave."""

    model: FlatModel
    run_id: str
    passed_gate: bool
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    metrics: Mapping[str, float | int | None]
    baselines: Mapping[str, Mapping[str, float | int | None]]
    gains: Sequence[evaluate.Gain]
    groups: Sequence[Mapping[str, Any]]
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``homeroom train --json`` prints."""
        return {
            "target": self.model.target.name,
            "kind": self.model.description.label.kind,
            "model_version": self.model.version,
            "run_id": self.run_id,
            "passed_gate": self.passed_gate,
            "judged_on": self.model.card["judged_on"],
            "train": dict(self.train),
            "test": dict(self.test),
            "metrics": dict(self.metrics),
            "baselines": {name: dict(one) for name, one in self.baselines.items()},
            "gate": [asdict(one) for one in self.gains],
            "groups": [dict(one) for one in self.groups],
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
        }


@dataclass(frozen=True)
class Judges:
    """Who judges: rows apart (``test``), or each in turn by ``folds`` where ``test`` is None. ``says`` tells it in words."""

    fit: Rows
    test: Rows | None
    folds: npt.NDArray[np.int64]
    says: str


def train_flat(
    table: FlatTable,
    settings: Training | None = None,
    registry: Registry | None = None,
    left_out: Sequence[str] = (),
    digest: str = "",
    progress: Progress = lambda _: None,
    members: Sequence[Member] = (),
    shuffle_labels: bool = False,
    provenance: Provenance | None = None,
) -> FlatResult:
    """Train, judge and register a model of a flat file's outcome.

    Args:
        table: its rows; those without an outcome teach and judge nothing.
        settings: ``capacity``, ``bootstrap_draws`` and ``seed`` are heeded; see :class:`~training.run.Training`.
        registry: where the candidate is kept; without one, nothing is registered.
        left_out: columns of the file that the description does not name, for the card.
        digest: what names the file.
        progress: called with a sentence when a step begins.
        members: what a blend is made of; by default what suits the number of rows.
        shuffle_labels: exchange outcomes among students, to show that nothing but them is learned from.
        provenance: the day, the source and who answers for the model; a card without it is not complete.

    Raises:
        Refused: too little is known to learn from, or the model's name is that of another kind of model.

    """
    started, since = time.perf_counter(), time.process_time()
    settings = settings or Training()
    _refuse_taken(table)
    known = ~np.isnan(table.label)
    rows = _Rows(table.description.label, table.values[known], table.label[known], _kept(table, known))
    if shuffle_labels:
        rows = replace(rows, truth=np.random.default_rng(settings.seed).permutation(rows.truth))
    _refuse_few(rows)
    judges = _judges(table, known, rows)
    made = tuple(members) or members_for(int(judges.fit.sum()))
    names = table.catalog.inputs

    progress(f"{rows.label.name}: fitting")
    seen = _unseen(rows, judges, names, made, progress)
    model = _model(table, rows, judges.fit, seen.scores, names, made, settings)
    fitted = time.perf_counter()

    progress(f"{rows.label.name}: judging against the baselines")
    judgement = _judge(table, rows, judges, seen, model, settings, known)
    weights = _weights(model, rows, judges, settings)
    explained = time.perf_counter()

    facts = {"train": _facts(rows, judges.fit), "test": _facts(rows, judges.fit if judges.test is None else judges.test)}
    model = replace(model, card=_card(model, facts, judges, judgement, weights, left_out, made, settings,
                                      int((~known).sum())))  # fmt: skip
    model = replace(model, card={**model.card, **_documented(table, model, rows, judges, provenance or Provenance(), since)})
    card.check(model.card)
    run_id = ""
    if registry is not None:
        progress(f"{rows.label.name}: registering")
        version, run_id = _register(registry, model, judgement, digest, settings)
        model = replace(model, version=version, card={**model.card, "version": version, "run_id": run_id})
    seconds = {"features": 0.0, "fit": fitted - started, "explain": explained - fitted,
               "total": time.perf_counter() - started}  # fmt: skip
    return FlatResult(model, run_id, judgement.passed, facts["train"], facts["test"], judgement.metrics, judgement.baselines,
                      judgement.gains, judgement.groups, seconds)  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """The rows whose outcome is known."""

    label: Label
    matrix: Floats
    truth: Floats
    keys: tuple[str, ...]

    @property
    def outputs(self) -> list[Floats]:
        """What each score is fitted to: the outcome, or for each class whether it is this one."""
        if self.label.kind != "multiclass":
            return [self.truth]
        return [(self.truth == at).astype(np.float64) for at in range(len(self.label.classes))]

    @property
    def of_concern(self) -> Floats | None:
        """Who had the outcome that is a concern, as 1 or 0; None for a number without a line."""
        label = self.label
        if label.kind == "binary":
            return self.truth
        if label.kind == "multiclass":
            return np.isin(self.truth, [at for at, name in enumerate(label.classes) if name in label.concern]).astype(float)
        if label.line is None:
            return None
        return (self.truth < label.line if label.higher == "strength" else self.truth > label.line).astype(np.float64)


def _kept(table: FlatTable, rows: Rows) -> tuple[str, ...]:
    return tuple(key for key, kept in zip(table.keys, rows, strict=True) if kept)


def _refuse_taken(table: FlatTable) -> None:
    name = table.description.label.name
    if name in TARGETS:
        raise Refused([Problem("mapping", "label.name", f"{name} is the name of a model of a school's records",
                               "Give this outcome another name.")], "The description of the file was refused")  # fmt: skip


def _refuse_few(rows: _Rows) -> None:
    problems = []
    if len(rows.truth) < LEAST_ROWS:
        problems.append(f"the outcome of only {len(rows.truth)} rows is known, and it takes {LEAST_ROWS}")
    if rows.label.kind == "binary":
        few = min(int(rows.truth.sum()), int((1 - rows.truth).sum()))
        if few < LEAST_OF_EACH:
            problems.append(f"the rarer outcome is there {few} times, and it takes {LEAST_OF_EACH}")
    for one, name in zip(rows.outputs, rows.label.classes, strict=False):
        if one.sum() < LEAST_OF_EACH:
            problems.append(f"a class is there {int(one.sum())} times, and it takes {LEAST_OF_EACH}: {name}")
    if rows.label.kind == "regression" and len(rows.truth) and not rows.truth.std():
        problems.append("the outcome is the same in every row")
    if problems:
        hint = "Send more rows, or join classes in the file and in its description."
        raise Refused([Problem("too_few", "label", one, hint) for one in problems], "Nothing can be learned from these rows")


# -- who judges -----------------------------------------------------------------------------------------------------


def _judges(table: FlatTable, known: Rows, rows: _Rows) -> Judges:
    """Return who judges, as the description says."""
    plan, count = table.description.plan, len(rows.truth)
    cells = None if table.plan is None else table.plan.filter(pl.Series(known))
    parts = plan.parts or (10 if count <= TEN_FOLDS_UP_TO else 5)
    folds = splits.fold_of(pl.Series(rows.keys), parts)
    everybody = np.ones(count, dtype=bool)
    if plan.how == "given_folds" and cells is not None:
        names = {name: at for at, name in enumerate(cells.unique().sort().to_list())}
        folds = cells.replace_strict(names, return_dtype=pl.Int64).to_numpy()
        return _enough(rows, Judges(everybody, None, folds, f"{len(names)} folds that the file gives. {_NOT_LATER}"))
    if plan.how == "split" and cells is not None:
        test = cells.is_in(list(plan.test)).to_numpy()
        return _enough(rows, Judges(~test, test, folds, "rows that the file sets apart. Whether they are later in time it "
                                                        "does not say."))  # fmt: skip
    if plan.how == "time" and cells is not None:
        test, since = _later(cells, plan.test_from)
        return _enough(rows, Judges(~test, test, folds, f"later rows: those from {since} on, by {plan.column}."))
    says = f"{parts} folds of students, cut by a digest of their keys. {_NOT_LATER}"
    return _enough(rows, Judges(everybody, None, folds, says))


_NOT_LATER = ("Each student was judged by a model that had not seen them. It was not judged on later data: how well it does "
              "on students of another year is not known.")  # fmt: skip


def _later(cells: pl.Series, test_from: str) -> tuple[Rows, str]:
    """Return which rows are later, and since when."""
    when = moments(cells)
    if when is None:
        what = Problem("bad_value", "time.column", "some of its cells are neither dates nor numbers",
                       "Write YYYY-MM-DD, or numbers that grow with time.")  # fmt: skip
        raise Refused([what], "The rows cannot be split in time")
    times = np.unique(when)
    if test_from:
        told = moments(pl.Series([test_from]))
        line = float(told[0]) if told is not None else float("inf")
    elif len(times) <= FEW_TIMES:
        line = float(times[-1])
    else:
        line = float(np.quantile(when, 1 - LATEST, method="higher"))
    test = when >= line
    return test, str(cells.filter(pl.Series(test)).gather(int(np.argmin(when[test])))[0]) if test.any() else test_from


def _enough(rows: _Rows, judges: Judges) -> Judges:
    """Refuse a split that leaves too little on a side, or folds of which one holds everybody."""
    problems = []
    if judges.test is not None and (judges.fit.sum() < LEAST_ROWS or judges.test.sum() < LEAST_OF_EACH):
        problems.append(f"it leaves {int(judges.fit.sum())} rows to learn from and {int(judges.test.sum())} to judge")
    if len(np.unique(judges.folds[judges.fit])) < 2:
        problems.append("all rows that are learned from are in one fold")
    for number in np.unique(judges.folds[judges.fit]) if rows.label.kind != "regression" else ():
        rest = judges.fit & (judges.folds != number)
        if any(not 0 < one[rest].sum() < rest.sum() for one in rows.outputs):
            problems.append("without one of the folds, a class or outcome is not there to be learned")
            break
    if problems:
        hint = "Correct [time], [split] or [folds] in the description."
        raise Refused([Problem("split", "mapping", one, hint) for one in problems], "The rows cannot be split")
    return judges


# -- fitting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """Scores of the rows that are learned from, and what baselines say of them, by models that did not see them."""

    scores: Floats
    baselines: Mapping[str, Floats]


def _last(rows: _Rows, names: Sequence[str]) -> int | None:
    from features.flat import slug

    return names.index(slug(rows.label.last)) if rows.label.last else None


def _baselines(rows: _Rows, at: Rows, names: Sequence[str]) -> dict[str, Callable[[Floats], Floats]]:
    last = _last(rows, names)
    return {
        name: one.fit(rows.matrix[at], rows.truth[at], rows.label, last)
        for name, one in judging.FLAT_BASELINES[rows.label.kind].items()
        if last is not None or not one.needs_last
    }


def _blends(rows: _Rows, at: Rows, names: Sequence[str], members: Sequence[Member]) -> tuple[Blend, ...]:
    binary = rows.label.kind != "regression"
    return tuple(Blend.fit(rows.matrix[at], truth[at], names, binary, members) for truth in rows.outputs)


def _unseen(rows: _Rows, judges: Judges, names: Sequence[str], members: Sequence[Member], progress: Progress) -> _Seen:
    scores = np.full((len(rows.truth), len(rows.outputs)), np.nan)
    others: dict[str, Floats] = {}
    numbers = np.unique(judges.folds[judges.fit])
    for done, number in enumerate(numbers, 1):
        progress(f"{rows.label.name}: fold {done} of {len(numbers)}")
        mine, rest = judges.fit & (judges.folds == number), judges.fit & (judges.folds != number)
        for at, blend in enumerate(_blends(rows, rest, names, members)):
            scores[mine, at] = blend.raw(rows.matrix[mine])
        for name, said in _baselines(rows, rest, names).items():
            found = said(rows.matrix[mine])
            others.setdefault(name, np.full((len(rows.truth), found.shape[1]), np.nan))[mine] = found
    return _Seen(scores, others)


def _model(
    table: FlatTable, rows: _Rows, at: Rows, scores: Floats, names: Sequence[str], members: Sequence[Member], settings: Training
) -> FlatModel:
    """Return the model of all rows that are learned from, calibrated by scores of models that did not see them."""
    matrix = rows.matrix[at]
    population = Population.of(matrix, names, np.zeros(len(matrix)))
    middle = middles(matrix)
    mean = np.array([float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else 0.0 for column in matrix.T])
    yes = [table.catalog[name].words.unit == "yes or no" for name in names]
    told = {name: float(mean[n] if yes[n] else middle[n]) for n, name in enumerate(names)}
    bare = FlatModel(table.description, (), None, None, None, population, told, {}, {})
    model = replace(bare, blends=_blends(rows, at, names, members), **_said_of(rows, at, scores))
    _, concern = model.outcome_of(scores[at])
    return replace(model, bands=_bands(rows, at, concern, settings), calibration=_patterns(model, rows, at, concern))


def _said_of(rows: _Rows, at: Rows, scores: Floats) -> dict[str, Any]:
    """Return what makes outcomes of scores, fitted on scores of rows that their models did not see."""
    if rows.label.kind == "regression":
        seen = np.clip(scores[at, 0], *rows.label.range)
        return {"spread": Spread.of(seen, rows.truth[at], rows.label.range)}
    if rows.label.kind == "multiclass":
        return {"softmax": Softmax.fit(scores[at], rows.truth[at].astype(np.int64), len(rows.label.classes))}
    keys = [key for key, kept in zip(rows.keys, at, strict=True) if kept]
    return {"calibration": calibrate.fit(scores[at, 0], rows.truth[at].astype(np.int8), keys)}


def _patterns(model: FlatModel, rows: _Rows, at: Rows, concern: Floats) -> Calibration | None:
    """Return the table of the past: groups of similar concern, how many there were, and of how many it came true."""
    happened = rows.of_concern
    if happened is None:
        return None
    order = np.argsort(concern, kind="stable")
    parts = int(np.clip(len(order) // LEAST_IN_PATTERN, 1, 10))
    edges = np.unique([concern[part[0]] for part in np.array_split(order, parts)])
    which = np.clip(np.searchsorted(edges, concern, side="right") - 1, 0, None)
    mine = happened[at]
    found = tuple(
        Pattern(float(least), int((which == number).sum()), int(mine[which == number].sum()))
        for number, least in enumerate(edges)
    )
    return Calibration(1.0, 0.0, found) if model.calibration is None else replace(model.calibration, patterns=found)


def _bands(rows: _Rows, at: Rows, concern: Floats, settings: Training) -> dict[str, float]:
    """Return where bands begin: with the share of students that capacity allows, and where four of five are found.

    Of a number without a line, the second band is twice as long as the first.
    """
    check_in = float(np.quantile(concern, 1 - settings.capacity))
    happened = rows.of_concern
    if happened is None or not happened[at].any():
        return {"check_in_suggested": check_in, "keep_an_eye": float(np.quantile(concern, 1 - 2 * settings.capacity))}
    ordered = np.sort(concern[happened[at] == 1])[::-1]
    four_of_five = float(ordered[int(np.ceil(0.8 * len(ordered))) - 1])
    return {"check_in_suggested": check_in, "keep_an_eye": min(four_of_five, check_in)}


# -- judging --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judgement:
    metrics: Mapping[str, float | int | None]
    baselines: Mapping[str, Mapping[str, float | int | None]]
    gains: Sequence[evaluate.Gain]
    groups: Sequence[Mapping[str, Any]]
    judged: Rows
    outcome: Floats
    interval: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether the model errs less, or finds more, than every baseline does."""
        return all(one.beaten for one in self.gains)


def _judge(
    table: FlatTable, rows: _Rows, judges: Judges, seen: _Seen, model: FlatModel, settings: Training, known: Rows
) -> _Judgement:
    """Measure on who judges; the gate asks the rows that were learned from, by models that did not see them."""
    count, names = len(rows.truth), table.catalog.inputs
    apart = _crossed(rows, judges, seen.scores, model)
    outcome, bounds = apart.outcome, apart.bounds
    said: dict[str, Floats] = dict(seen.baselines)
    judged = judges.fit
    if judges.test is not None:
        judged = judges.test
        scored = model.score_matrix(rows.matrix[judged], explain=False)
        outcome, bounds = np.full(outcome.shape, np.nan), np.full((count, 2), np.nan)
        outcome[judged] = scored.outcome
        if model.spread is not None:
            bounds[judged] = [model.spread.interval(float(one)) for one in scored.outcome[:, 0]]
        for name, baseline in _baselines(rows, judges.fit, names).items():
            found = baseline(rows.matrix[judged])
            said[name] = np.full((count, found.shape[1]), np.nan)
            said[name][judged] = found
    tie = evaluate.ties(rows.keys)
    metrics = judging.measure(rows.label, rows.truth[judged], outcome[judged], settings.capacity, tie[judged])
    interval: dict[str, float] = {}
    if model.spread is not None:
        inside = (bounds[judged, 0] <= rows.truth[judged]) & (rows.truth[judged] <= bounds[judged, 1])
        interval = {"nominal": 0.8, "coverage": round(float(inside.mean()), 4),
                    "mean_width": round(float((bounds[judged, 1] - bounds[judged, 0]).mean()), 4)}  # fmt: skip
    gate_keys = tuple(key for key, kept in zip(rows.keys, judges.fit, strict=True) if kept)
    gains = judging.gains(
        rows.label, rows.truth[judges.fit], apart.outcome[judges.fit],
        {name: one[judges.fit] for name, one in seen.baselines.items()}, gate_keys, settings.capacity,
        settings.bootstrap_draws, settings.seed,
    )  # fmt: skip
    concern = _concern(model, outcome[judged])
    groups = judging.by_group(rows.label, rows.truth[judged], outcome[judged], concern, model.bands["check_in_suggested"],
                              {one.name: one.filter(pl.Series(known)) for one in table.groups}, judged,
                              settings.capacity)  # fmt: skip
    against = {
        name: judging.measure(rows.label, rows.truth[judged], one[judged], settings.capacity, tie[judged])
        for name, one in said.items()
    }
    return _Judgement(metrics, against, gains, groups, judged, outcome, interval)


def _concern(model: FlatModel, outcome: Floats) -> Floats:
    if model.softmax is not None:
        return np.asarray(outcome[:, model.of_concern].sum(axis=1), dtype=np.float64)
    return (model.sign if model.spread is not None else 1.0) * outcome[:, 0]


@dataclass(frozen=True)
class _Crossed:
    outcome: Floats
    bounds: Floats


def _crossed(rows: _Rows, judges: Judges, scores: Floats, model: FlatModel) -> _Crossed:
    """Return outcomes of unseen rows, made of their scores by a calibration that did not see them either."""
    outcome = np.full(scores.shape, np.nan)
    bounds = np.full((len(scores), 2), np.nan)
    for number in np.unique(judges.folds[judges.fit]):
        mine, rest = judges.fit & (judges.folds == number), judges.fit & (judges.folds != number)
        one = replace(model, **_said_of(rows, rest, scores))
        outcome[mine] = one.outcome_of(scores[mine])[0]
        if one.spread is not None:
            bounds[mine] = [one.spread.interval(float(value)) for value in outcome[mine, 0]]
    return _Crossed(outcome, bounds)


def _weights(model: FlatModel, rows: _Rows, judges: Judges, settings: Training) -> dict[str, float]:
    """Return each concept's mean absolute contribution over at most 100 of the judged rows."""
    at = np.flatnonzero(judges.fit if judges.test is None else judges.test)
    at = np.sort(np.random.default_rng(settings.seed).choice(at, min(100, len(at)), replace=False))
    found = np.abs(model.score_matrix(rows.matrix[at]).contributions).mean(axis=0)
    weights: dict[str, float] = {}
    for name, value in zip(model.inputs, found, strict=True):
        concept = model.catalog[name].concept
        weights[concept] = weights.get(concept, 0.0) + float(value)
    return weights


def _facts(rows: _Rows, at: Rows) -> dict[str, Any]:
    truth, label = rows.truth[at], rows.label
    found: dict[str, Any] = {"rows": int(at.sum())}
    if label.kind == "regression":
        return found | {"mean": round(float(truth.mean()), 4), "deviation": round(float(truth.std()), 4)}
    if label.kind == "binary":
        return found | {"positives": int(truth.sum())}
    return found | {"classes": {name: int((truth == at).sum()) for at, name in enumerate(label.classes)}}


# -- card and registry ----------------------------------------------------------------------------------------------


def _card(
    model: FlatModel, facts: Mapping[str, Any], judges: Judges, judgement: _Judgement, weights: Mapping[str, float],
    left_out: Sequence[str], members: Sequence[Member], settings: Training, unlabelled: int,
) -> dict[str, Any]:  # fmt: skip
    label = model.description.label
    baselines = judging.FLAT_BASELINES[label.kind]
    return {
        **card.opening(label.says),
        "target": label.name,
        "made_from": "flat file",
        "kind": label.kind,
        "version": "",
        "says": label.says,
        "unit": "student",
        "horizon": label.horizon,
        "measured_in": label.unit,
        "train": dict(facts["train"]),
        "test": dict(facts["test"]),
        "unlabelled": unlabelled,
        "judged_on": judges.says,
        "later": model.description.plan.how == "time",
        "metrics": dict(judgement.metrics),
        "interval": dict(judgement.interval),
        "baselines": {name: {"says": baselines[name].says, **one} for name, one in judgement.baselines.items()},
        "gate": {"passed": judgement.passed, "compared": judging.COMPARED[label.kind],
                 "gains": [asdict(one) for one in judgement.gains]},
        "capacity": settings.capacity,
        "bands": dict(model.bands),
        "concepts": card.concepts(model.catalog),
        "weights": {name: round(value, 4) for name, value in weights.items()},
        "never_read": list(model.description.groups),
        "left_out": list(left_out),
        "groups": [dict(one) for one in judgement.groups],
        "algorithm": {
            "name": "LightGBM ensembles, some of them beyond a penalised line",
            "members": [{"trees": one.trees, "seeds": one.seeds, "beyond_line": one.beyond_line, **one.parameters}
                        for one in members],
            "weights": [list(one.weights) for one in model.blends],
            "share_of_the_line": [one.share for one in model.blends],
        },
        "explanations": "Exact TreeSHAP of the row that was scored plus the line's own terms, weighted as the parts are. A "
                        "reason is shown only where it adds to the concern and the value is on the concern side of the middle "
                        "of the students that were learned from.",
        "limits": card.limits((), ["Students unlike those in the file it was trained on."]),
    }  # fmt: skip


def _documented(
    table: FlatTable, model: FlatModel, rows: _Rows, judges: Judges, provenance: Provenance, since: float
) -> dict[str, Any]:
    """Return what a run adds to its card: data, provenance, cost, and what nobody has said yet."""
    unknown, label = np.isnan(rows.matrix[judges.fit]), model.description.label
    concept = np.array([model.catalog[name].concept for name in model.inputs])
    by_concept = {one: round(float(unknown[:, concept == one].mean()), 4) for one in sorted(set(concept.tolist()))}
    unlabelled = int(np.isnan(table.label).sum())
    return {
        **card.stated(provenance),
        "label": {"definition": f"{label.says}, from the column {label.column}", "version": digest_of(label)},
        "exclusions": [f"{unlabelled:,} rows without an outcome taught nothing."],
        "excluded": card.excluded(model.catalog),
        "data_sheet": {
            "source": provenance.source,
            "standard": provenance.standard,
            "legal_basis": provenance.governance.legal_basis,
            "rows": {"students": len(table)},
            "missing": {"inputs": round(float(unknown.mean()), 4), "by_concept": by_concept},
            "accounts": provenance.read_accounts(),
        },
        "environmental_cost": card.environmental_cost(time.process_time() - since),
    }


def _register(registry: Registry, model: FlatModel, judgement: _Judgement, digest: str, settings: Training) -> tuple[str, str]:
    numbers = {key: float(value) for key, value in judgement.metrics.items() if value is not None}
    for name, other in judgement.baselines.items():
        numbers |= {f"baseline_{name}/{key}": float(value) for key, value in other.items() if value is not None}
    for gain in judgement.gains:
        numbers |= {f"gate_{gain.baseline}/{key}": float(getattr(gain, key)) for key in ("gain", "low", "high")}
    numbers |= {f"interval/{key}": value for key, value in judgement.interval.items()}
    told = {"kind": model.description.label.kind, "judged_by": model.description.plan.how, "inputs": len(model.inputs),
            "capacity": settings.capacity, "ensembles": sum(len(one.trees) for one in model.blends)}  # fmt: skip
    tags = {
        "source": "tabular",
        "records_digest": digest,
        "catalog_digest": digest_of(*(one.fingerprint for one in model.catalog)),
        "passed_gate": str(judgement.passed).lower(),
    }
    return registry.record(model, numbers, told, {}, tags, judgement.passed)

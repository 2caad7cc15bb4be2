"""A search of parameters within the training period. The only file that imports Optuna.

Each trial fits the target's classifier on all but one fold of the students that it learns from and ranks the fold that was
left out; what counts is the AUC within a day, in the mean of days and folds, since a list is cut within a day. Rows are
those of the fit alone: never the test's, and where a later term calibrates and gates, never that one's. Where one closed
term is all there is, that term fits, calibrates and gates by cross-fitting, and is searched on as well: in folds of its own,
and the card says so.

The first trial is the parameters as they are, so that what is found is never worse in these folds. Every other is drawn by
a tree-structured Parzen estimator (Bergstra and others 2011) from a generator of its own, seeded by the settings and the
number of trials before it: so a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from features.problems import Problem, Refused, Unavailable
from features.records import digest_of
from training import splits
from training.run import Run

if TYPE_CHECKING:
    import optuna

Rows = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OBJECTIVE = "mean AUC within a day, over folds of students within the rows that are learned from"

#: Students in so many parts, of which a share is looked at.
_PARTS = 10_000

#: Raised when trials of before would be worth something else now.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Search:
    """How many trials to make, and the folder in which they are kept."""

    trials: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters and what it was worth."""

    parameters: Mapping[str, Any]
    value: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found: the run with the best parameters, all trials in order, and the rows that were looked at."""

    run: Run
    trials: Sequence[Trial]
    rows: int

    @property
    def best(self) -> Trial:
        """The best trial, of equals the earliest."""
        return max(self.trials, key=lambda one: one.value)

    def as_dict(self) -> dict[str, Any]:
        """Return the card's section."""
        before, after = self.trials[0].value, self.best.value
        shared = (" The same rows calibrate and gate, in other folds: only one closed term was there."
                  if self.run.split.cross_fitted else "")  # fmt: skip
        return {
            "trials": len(self.trials),
            "objective": OBJECTIVE,
            "rows": self.rows,
            "before": round(before, 6),
            "after": round(after, 6),
            "parameters": dict(self.best.parameters),
            "says": f"Of {len(self.trials):,} sets of parameters the best was taken, by the {OBJECTIVE} ({self.rows:,} rows): "
                    f"{after:.4f}, against {before:.4f} as they were. The best of many looks better than it is.{shared}",
        }  # fmt: skip


def tuned(run: Run, search: Search, progress: Callable[[str], None] = lambda _: None) -> Tuned:
    """Search the parameters of a target's classifier, going on with the trials that are already kept.

    Args:
        run: what is learned from.
        search: how many trials in all; with those kept of an earlier search of the same, only what lacks is made.
        progress: called with a sentence before each trial.

    Returns:
        the run with the best of the first so many trials; the same again where nothing has changed.

    Raises:
        Refused: fewer than one trial is asked for, or no fold has students of both outcomes.
        Unavailable: the trials kept cannot be read, or the folder cannot be written.

    """
    if search.trials < 1:
        raise Refused([Problem("tune", "--tune", "a search needs at least one trial", "Give a whole number from 1 on.")],
                      "The parameters cannot be searched")  # fmt: skip
    rows = _looked_at(run)
    fold = splits.fold_of(run.keys["student_id"], run.settings.folds, "tune")
    file = search.folder / f"{run.target.name}-{_digest(run, rows, fold)}.log"
    matrix = run.matrix
    with _kept(file):
        import optuna
        from optuna.storages.journal import JournalFileBackend

        space = _space(run, optuna)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(file)))
        # Asked for first: to create what exists already would write to the file.
        exists = any(one.study_name == file.stem for one in storage.get_all_studies())
        study = (optuna.load_study(study_name=file.stem, storage=storage) if exists
                 else optuna.create_study(storage=storage, study_name=file.stem, direction="maximize"))  # fmt: skip
        while (made := len(done := _finished(study, optuna))) < search.trials:
            best = f", best AUC so far {max(one.value for one in done):.4f}" if done else ""
            progress(f"{run.target.name}: trial {made + 1} of {search.trials}{best}")
            if not done:
                study.enqueue_trial({name: now for name, (now, _) in space.items()})
            # Not lied to of trials under way: one that was killed stays under way for ever, and would move the next.
            study.sampler = optuna.samplers.TPESampler(
                seed=run.settings.seed + made, multivariate=True, constant_liar=False
            )  # fmt: skip
            drawn = study.ask({name: distribution for name, (_, distribution) in space.items()})
            value = _worth(with_parameters(run, drawn.params), rows, fold, matrix)
            study.tell(drawn, value)
        done = done[: search.trials]
    found = Tuned(run, done, int(rows.sum()))
    return replace(found, run=with_parameters(run, found.best.parameters))


def with_parameters(run: Run, parameters: Mapping[str, Any]) -> Run:
    """Return the run with parameters of a trial: the number of trees, the line's share, and LightGBM's own."""
    own = {name: value for name, value in parameters.items() if name not in ("trees", "line")}
    settings = replace(run.settings, **{name: value for name, value in parameters.items() if name not in own})
    return replace(run, settings=settings, tuned={**run.tuned, **own})


def _looked_at(run: Run) -> Rows:
    """Return at most about ``tune_rows`` of the rows of the fit, whole students."""
    share = run.settings.tune_rows / max(int(run.fit.sum()), 1)
    if share >= 1:
        return run.fit
    return np.asarray(run.fit & (splits.fold_of(run.keys["student_id"], _PARTS, "tuned on") < share * _PARTS), dtype=np.bool_)


def _space(run: Run, optuna: Any) -> dict[str, tuple[Any, optuna.distributions.BaseDistribution]]:
    """Return each parameter as it is, which first trial is made with, and where it is searched: around that.

    What is not set is as LightGBM has it. A line that somebody turned off stays off: with it the weight that is given to a
    class would come and go.
    """
    whole, part = optuna.distributions.IntDistribution, optuna.distributions.FloatDistribution
    told = run.parameters
    rate, leaves = float(told.get("learning_rate", 0.1)), int(told.get("num_leaves", 31))
    least, features = int(told.get("min_child_samples", 20)), float(told.get("feature_fraction", 1.0))
    penalty, trees, line = float(told.get("lambda_l2", 0.0)), run.settings.trees, run.settings.line
    found = {
        "learning_rate": (rate, part(rate / 3, rate * 3, log=True)),
        # More leaves than these, and an exact explanation takes longer than a page may.
        "num_leaves": (leaves, whole(min(4, leaves), max(31, leaves))),
        "min_child_samples": (least, whole(max(1, least // 4), max(4, least * 4), log=True)),
        "feature_fraction": (features, part(min(0.1, features), 1.0)),
        "lambda_l2": (penalty, part(0.0, max(40.0, penalty * 4))),
        "trees": (trees, whole(max(1, trees // 3), trees * 2, log=True)),
    }
    return found if not line else {**found, "line": (line, part(min(0.1, line), max(0.8, line)))}


def _worth(run: Run, rows: Rows, fold: npt.NDArray[np.int64], matrix: Floats) -> float:
    """Return the mean over folds, and over days within each, of the AUC of students that the fitted model did not see."""
    parts = [(rows & (fold != one), rows & (fold == one)) for one in range(run.settings.folds)]
    parts = [(learned, mine) for learned, mine in parts if mine.any() and len(np.unique(run.label[learned])) > 1]
    found = []
    for (_, mine), trees in zip(parts, run.fitted_each([learned for learned, _ in parts]), strict=True):
        raw, label, day = trees.raw(matrix[mine]), run.label[mine], run.day[mine]
        daily = [_auc(raw[day == each], label[day == each]) for each in np.unique(day)]
        told = [each for each in daily if each is not None]
        if told:
            found.append(float(np.mean(told)))
    if not found:
        raise Refused([Problem("tune", "--tune", "no fold has students of both outcomes on a day", "Train without --tune.")],
                      "The parameters cannot be searched")  # fmt: skip
    return float(np.mean(found))


def _auc(score: Floats, label: npt.NDArray[np.int8]) -> float | None:
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return None
    return float((rankdata(score)[label == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _finished(study: optuna.Study, optuna: Any) -> list[Trial]:
    """Return the trials that came to an end, in order; one that was killed under way is made anew."""
    found = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    return [Trial(dict(one.params), float(one.value or 0.0)) for one in sorted(found, key=lambda one: one.number)]


def _digest(run: Run, rows: Rows, fold: npt.NDArray[np.int64]) -> str:
    """Return what names a search: the records, the target, the catalogue, the settings, and the very rows."""
    settings, catalog = run.settings, run.table.catalog
    content = hashlib.sha256()
    for part in (run.learned[rows], run.matrix[rows], run.label[rows], run.day[rows].astype(np.int64), fold[rows]):
        content.update(np.ascontiguousarray(part).tobytes())
    told = json.dumps(run.algorithm, sort_keys=True, default=str)
    return digest_of(_FORMAT, run.records.digest, run.target.name, [one.fingerprint for one in catalog], told, settings.folds,
                     settings.seed, content.hexdigest())  # fmt: skip


@contextmanager
def _kept(file: Path) -> Iterator[None]:
    """Keep Optuna's lines and its notes on what is experimental out of a terminal, and say which file cannot be used."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            file.parent.mkdir(parents=True, exist_ok=True)
            yield
    except (OSError, json.JSONDecodeError) as error:
        raise Unavailable(f"The trials in {file.name} cannot be read or written. Remove the file to search anew.") from error
    finally:
        optuna.logging.set_verbosity(before)

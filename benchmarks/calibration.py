"""Which calibration says what later terms do, and how often intervals hold what came: OULAD and simulated districts.

Each target is fitted once, as training does it; scores, labels and what was left out are kept as arrays (``--arrays``
keeps them between runs), and the methods are compared on these. All judge the same later rows, which none has seen.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from betacal import BetaCalibration
from crepes import ConformalPredictiveSystem
from mapie.regression import ConformalizedQuantileRegressor
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from venn_abers import VennAbers

from features.problems import Refused
from features.records import SchoolRecords
from features.sources import oulad, read, tables
from features.standard import STANDARD
from homeroom.simulate.run import simulate
from training import calibrate, coverage, fairness, shift, splits
from training.calibrate import Calibration
from training.evaluate import calibration_error
from training.expected import Expected
from training.model import Trees
from training.run import Run, Training, rows_of, with_days
from training.targets import TARGETS
from training.train import _lacking, _unseen

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

#: OULAD's two tests, by the first day of each, and the simulated districts.
OULAD = {"OULAD 2013J": date(2013, 10, 1), "OULAD 2014B": date(2014, 2, 1)}
SEEDS, STUDENTS = (1, 2, 3), 1000

#: Above so many rows a share of the classes stands for all, as in training, where the limit is higher.
MOST_ROWS = 60_000

#: Attributes of OULAD and of the districts whose groups' coverage is told; smaller groups have too few similar students.
ATTRIBUTES = ("sex", "age_band", "disability", "deprivation_band", "ethnicity", "low_income")


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print tables, and return every figure."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(told.arrays or folder)
        kept.mkdir(parents=True, exist_ok=True)
        everything = {name: np.load(path) for name, path in _collected(kept, told.oulad)}
        found = {"methods": _methods(everything), "intervals": _intervals(everything), "expected": _expected(everything)}
    platt = found["methods"]["mean"]["logistic"]["log_loss"]
    others = {name: one["log_loss"] for name, one in found["methods"]["mean"].items() if name not in ("logistic", "none")}
    found["ratio"] = round(platt / min(others.values()), 4)
    return found


# -- arrays ------------------------------------------------------------------------------------------------------------


def _collected(kept: Path, oulad_folder: str) -> Iterator[tuple[str, Path]]:
    """Fit what is not kept yet, and return the file of each source and target."""
    for name, first in OULAD.items():
        yield from _arrays(kept, name, lambda: read("oulad", Path(oulad_folder), oulad.Oulad()), first, oulad.Oulad().pass_mark)
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:

            def district(folder: str = folder, seed: int = seed) -> Any:
                simulate(STUDENTS, seed, Path(folder) / "district")
                return read("tables", Path(folder) / "district", tables.Tables())

            yield from _arrays(kept, f"district {seed}", district, None, tables.Tables().pass_mark)


def _arrays(kept: Path, name: str, reading: Callable[[], Any], first: date | None, mark: float) -> Iterator[tuple[str, Path]]:
    done = kept / f"{name}.done"
    if not done.exists():
        found = reading()
        records = SchoolRecords.from_frames(found.tables, digest=found.digest)
        for target in TARGETS:
            if not _lacking(records, target):
                _one(kept / f"{name} {target}.npz", records, target, first, mark)
        done.touch()
    for target in TARGETS:
        if (path := kept / f"{name} {target}.npz").exists():
            yield f"{name} {target}", path


def _one(path: Path, records: SchoolRecords, name: str, first: date | None, mark: float) -> None:
    """Fit one target as training does, and keep what the methods are compared on."""
    settings, target = Training() if first else Training(most_rows=MOST_ROWS), TARGETS[name]
    settings = with_days(settings, records)
    table, keys, labels, terms = rows_of(records, target, settings, first, mark, STANDARD.within(frozenset(records.parts)), {})
    judged = keys["day"].is_in(settings.judged_days).to_numpy()
    try:
        split = splits.by_time(keys, labels, terms, first, settings.folds, judged)
    except Refused as why:
        print(f"{path.stem}: {why}")
        return
    mine = Run.of(records, target, settings, table, keys, labels, split)
    trees = mine.fitted(mine.fit)
    seen = _unseen(mine, trees, mine.fitted_each)
    found: dict[str, Any] = {
        "label": mine.label, "day": mine.day, "units": mine.units.astype(str), "held": mine.held, "test": mine.test,
        "fit": mine.fit, "seen": seen, "raw": trees.raw(mine.matrix), "place": shift.places_of(mine).astype(str),
    }  # fmt: skip
    out = shift.left_out(mine, seen)
    if out is not None:
        found |= {"out": out.raw, "level": out.level.astype(str), "by": np.array([out.by])}
    if target.with_value:
        found["value"] = mine.value
        for part, objective in (("mean", {"objective": "regression"}), ("q10", {"objective": "quantile", "alpha": 0.1}),
                                ("q90", {"objective": "quantile", "alpha": 0.9})):  # fmt: skip

            given: dict[str, Any] = {**mine.parameters, **objective}

            def fitted(parts: Sequence[npt.NDArray[np.bool_]], given: Mapping[str, Any] = given) -> list[Trees]:
                return [Trees.fit(mine.learned[rows], mine.value[rows], mine.table.catalog.inputs, given, settings.trees)
                        for rows in parts]  # fmt: skip

            [whole] = fitted([mine.fit])
            found |= {f"{part}_seen": _unseen(mine, whole, fitted), f"{part}_raw": whole.raw(mine.matrix)}
    for one in fairness.attributes(records, keys):
        if one.name in ATTRIBUTES:
            found[f"group_{one.name}"] = np.array(one.groups)[one.code]
    np.savez(path, **found)
    print(f"{path.stem}: {int(mine.held.sum()):,} held rows, {int(mine.test.sum()):,} of the test", flush=True)


# -- methods -----------------------------------------------------------------------------------------------------------


def _probability(raw: Floats) -> Floats:
    return 1 / (1 + np.exp(-raw))


def _platt(raw: Floats, label: Any) -> Callable[[Floats], Floats]:
    return calibrate.fit(raw, label, [str(at) for at in range(len(raw))]).probability


def _beta(raw: Floats, label: Any) -> Callable[[Floats], Floats]:
    with warnings.catch_warnings():  # betacal silences warnings for the whole process
        fitted = BetaCalibration("abm").fit(_probability(raw), label)
    return lambda other: np.asarray(fitted.predict(_probability(other)))


def _isotonic(raw: Floats, label: Any) -> Callable[[Floats], Floats]:
    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw, label)
    return lambda other: np.asarray(fitted.predict(other))


def _venn(raw: Floats, label: Any) -> VennAbers:
    fitted, chance = VennAbers(), _probability(raw)
    fitted.fit(np.column_stack([1 - chance, chance]), label)
    return fitted


def _venn_abers(raw: Floats, label: Any) -> Callable[[Floats], Floats]:
    fitted = _venn(raw, label)

    def said(other: Floats) -> Floats:
        chance = _probability(other)
        return np.asarray(fitted.predict_proba(np.column_stack([1 - chance, chance]))[0][:, 1])

    return said


Method = Callable[[Floats, Any], Callable[[Floats], Floats]]

METHODS: Mapping[str, Method] = {
    "none": lambda _raw, _label: _probability,
    "logistic": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
    "Venn-Abers": _venn_abers,
}


def _said(method: Method, one: Arrays, by_day: bool) -> Floats:
    """Return probabilities of the test rows, calibrated on all held rows or on those of the same day."""
    held, test = one["held"], one["test"]
    if not by_day:
        return method(one["seen"][held], one["label"][held])(one["raw"][test])
    found, day = np.empty(int(test.sum())), one["day"][test]
    for at in np.unique(day):
        mine = held & (one["day"] == at)
        if min(np.bincount(one["label"][mine], minlength=2)) < calibrate.LEAST_ROWS:  # one day has too few with the outcome
            mine = held
        found[day == at] = method(one["seen"][mine], one["label"][mine])(one["raw"][test][day == at])
    return found


def _figures(chance: Floats, label: Any, day: Any) -> dict[str, float]:
    inner = np.clip(chance, 1e-4, 1 - 1e-4)
    log_odds = np.log(inner / (1 - inner))[:, None]
    tenths = np.array_split(np.argsort(chance, kind="stable"), 10)
    days = [at for at in np.unique(day) if 0 < label[day == at].mean() < 1]
    return {
        "brier": float(brier_score_loss(label, chance)),
        "log_loss": float(log_loss(label, inner)),
        "ece": calibration_error(chance, label),
        "ece_by_day": float(np.mean([calibration_error(chance[day == at], label[day == at]) for at in np.unique(day)])),
        "slope": float(LogisticRegression(C=np.inf, max_iter=1000).fit(log_odds, label).coef_[0, 0]),
        "worst_tenth": max(abs(float(chance[rows].mean() - label[rows].mean())) for rows in tenths),
        "auc_by_day": float(np.mean([roc_auc_score(label[day == at], chance[day == at]) for at in days])),
        "different": len(np.unique(chance)) / len(chance),
    }


def _methods(everything: Mapping[str, Arrays]) -> dict[str, Any]:
    asked = {**{name: (method, False) for name, method in METHODS.items()},
             "logistic by day": (_platt, True), "beta by day": (_beta, True)}  # fmt: skip
    found: dict[str, Any] = {}
    for name, one in everything.items():
        test = one["test"]
        found[name] = {
            said: _figures(_said(method, one, by_day), one["label"][test], one["day"][test])
            for said, (method, by_day) in asked.items()
        }
    found["mean"] = {said: {figure: float(np.mean([found[name][said][figure] for name in everything]))
                            for figure in found[next(iter(everything))][said]} for said in asked}  # fmt: skip
    print(f"{'on later data':32} {'method':16} {'Brier':>8} {'log loss':>8} {'ECE':>7} {'by day':>7} {'slope':>6} {'worst':>6} "
          f"{'AUC':>7} {'different':>9}")  # fmt: skip
    for name, methods in found.items():
        for said, one in methods.items():
            print(f"{name:32} {said:16} {one['brier']:8.5f} {one['log_loss']:8.5f} {one['ece']:7.4f} {one['ece_by_day']:7.4f} "
                  f"{one['slope']:6.3f} {one['worst_tenth']:6.4f} {one['auc_by_day']:7.4f} {one['different']:9.3f}")
    return {name: {said: {k: round(v, 6) for k, v in one.items()} for said, one in methods.items()}
            for name, methods in found.items()}  # fmt: skip


# -- intervals ---------------------------------------------------------------------------------------------------------


def _calibration(one: Arrays) -> Calibration:
    """Return the calibration as training makes it."""
    held = one["held"]
    found = calibrate.fit(one["seen"][held], one["label"][held], one["units"][held].tolist())
    if "out" not in one:
        return found
    rows = ~np.isnan(one["out"])
    by = str(one["by"][0])
    level, place, day = (one[name][rows] for name in ("level", "place", "day"))
    return replace(found, shift=calibrate.shift_between(one["out"][rows], one["label"][rows], level, place, day, by))


def _venn_bounds(one: Arrays, cells: list[npt.NDArray[np.intp]], frequency: Floats) -> float:
    """Return how many frequencies lie between the mean of Venn-Abers' two probabilities."""
    held, test = one["held"], one["test"]
    chance = _probability(one["raw"][test])
    both = _venn(one["seen"][held], one["label"][held]).predict_proba(np.column_stack([1 - chance, chance]))[1]
    low, high = (np.array([both[rows, at].mean() for rows in cells]) for at in (0, 1))
    return float(((low <= frequency) & (frequency <= high)).mean())


def _intervals(everything: Mapping[str, Arrays]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    print(f"\n{'80% intervals on later data':32} {'cells':>5} {'held':>6} {'width':>6} {'chance':>6} {'Venn-A':>6} "
          f"{'spread':>6} {'seen':>6} {'new':>6} {'past':>6}  learned by leaving out")  # fmt: skip
    for name, one in everything.items():
        test = one["test"]
        calibration = _calibration(one)
        label, day, place = (one[key][test] for key in ("label", "day", "place"))
        chance = calibration.probability(one["raw"][test])
        within = calibrate.joined(place, day)
        new = np.where(np.isin(place, np.unique(one["place"][one["fit"]])), "seen", "new")
        groups = {"all": np.full(len(label), "all"), "day": day, "place": place, "training": new,
                  "score": np.searchsorted(np.quantile(chance, [0.2, 0.4, 0.6, 0.8]), chance)}  # fmt: skip
        groups |= {key.removeprefix("group_"): one[key][test] for key in one if key.startswith("group_")}
        told = {by: {key: each.as_dict() for key, each in
                     coverage.coverage(chance, calibration.bounds, label, names, within).items()}
                for by, names in groups.items()}  # fmt: skip
        plain = coverage.coverage(chance, replace(calibration, shift=None).bounds, label, groups["all"], within)["all"]
        cells = calibrate.cells(chance, within)
        found[name] = {
            **told["all"]["all"],
            "with_chance_alone": plain.as_dict()["share"],
            "venn_abers": round(_venn_bounds(one, cells, calibrate.summed(cells, chance, label)[2]), 4),
            "past_frequency_inside": round(coverage.agreement(calibration, chance), 4),
            "spread": None if calibration.shift is None else round(calibration.shift.spread, 4),
            "left_out": None if calibration.shift is None else f"{calibration.shift.levels} {calibration.shift.by}",
            "groups": {by: told[by] for by in told if by != "all"},
        }
        mine = found[name]
        by_training = [told["training"].get(key, {}).get("share") for key in ("seen", "new")]
        figures = (mine["share"], mine["mean_width"], mine["with_chance_alone"], mine["venn_abers"], mine["spread"],
                   *by_training, mine["past_frequency_inside"])  # fmt: skip
        print(f"{name:32} {mine['cells']:5} " + " ".join(f"{'-' if one is None else f'{one:.3f}':>6}" for one in figures)
              + f"  {mine['left_out']}")  # fmt: skip
    print("\nby group, share of the cells held (cells), each over all sources and targets:")
    for by in dict.fromkeys(by for one in found.values() for by in one["groups"] if by not in ("place", "training")):
        parts: dict[str, list[int]] = {}
        for name, one in found.items():
            for key, each in one["groups"].get(by, {}).items():
                cell = parts.setdefault(f"{name.split()[0]} {key}", [0, 0])
                cell[0] += each["inside"]
                cell[1] += each["cells"]
        print(f"  {by}: " + ", ".join(f"{key} {held / cells:.2f} ({cells})" for key, (held, cells) in parts.items() if cells))
    return found


# -- expected numbers --------------------------------------------------------------------------------------------------


class _Column(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted model whose predictions are a column of what it is given."""

    def __init__(self, at: int = 0) -> None:
        self.at = at

    def fit(self, matrix: Floats, truth: Floats) -> _Column:
        """Learn nothing."""
        del matrix, truth
        self.fitted_ = True
        return self

    def predict(self, matrix: Floats) -> Floats:
        """Return the column."""
        return np.asarray(matrix[:, self.at])


def _quantile_regression(one: Arrays) -> tuple[Floats, Floats]:
    """Return conformalised quantile regression (Romano, Patterson and Candes 2019), by mapie."""
    parts = ("q10", "q90", "mean")
    columns = [_Column(at).fit(np.empty(0), np.empty(0)) for at in range(3)]
    fitted = ConformalizedQuantileRegressor(columns, confidence_level=calibrate.NOMINAL, prefit=True)
    held, test = one["held"], one["test"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of quantiles that cross
        fitted.conformalize(np.column_stack([one[f"{part}_seen"][held] for part in parts]), one["value"][held])
        found = fitted.predict_interval(np.column_stack([one[f"{part}_raw"][test] for part in parts]))[1][:, :, 0]
    return found[:, 0], found[:, 1]


def _predictive_system(one: Arrays) -> tuple[Floats, Floats]:
    """Return a Mondrian conformal predictive system by fifths of the expectation, by crepes."""
    seen, value = np.clip(one["mean_seen"][one["held"]], 0, 1), one["value"][one["held"]]
    guess = np.clip(one["mean_raw"][one["test"]], 0, 1)
    edges = np.quantile(seen, [0.2, 0.4, 0.6, 0.8])
    fitted = ConformalPredictiveSystem().fit(value - seen, bins=np.searchsorted(edges, seen, side="right"), seed=7)
    bounds = fitted.predict_int(guess, bins=np.searchsorted(edges, guess, side="right"), confidence=calibrate.NOMINAL)
    return bounds[:, 0], bounds[:, 1]


def _expected(everything: Mapping[str, Arrays]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    print(f"\n{'expected score, 80% intervals':32} {'method':34} {'held':>6} {'width':>6} {'below':>6} {'above':>6}  "
          "least and most held, by day; by place; by fifth")  # fmt: skip
    for name, one in everything.items():
        if "value" not in one:
            continue
        held, test = one["held"], one["test"]
        value, guess = one["value"][test], np.clip(one["mean_raw"][test], 0, 1)
        ours = Expected.of(None, np.clip(one["mean_seen"][held], 0, 1), one["value"][held])  # type: ignore[arg-type]
        ways = {"split conformal by fifths (ours)": ours.bounds(guess), "the same by crepes": _predictive_system(one),
                "conformalised quantiles (mapie)": _quantile_regression(one)}  # fmt: skip
        fifth = np.searchsorted(np.quantile(guess, [0.2, 0.4, 0.6, 0.8]), guess)
        groups = {"day": one["day"][test], "place": one["place"][test], "fifth": fifth}
        groups |= {key.removeprefix("group_"): one[key][test] for key in one if key.startswith("group_")}
        found[name] = {}
        for way, bounds in ways.items():
            low, high = (np.clip(one, 0, 1) for one in bounds)
            inside = (low <= value) & (value <= high)
            told = {by: coverage.held(low, high, value, names) for by, names in groups.items()}
            found[name][way] = {
                "held": round(float(inside.mean()), 4), "width": round(float((high - low).mean()), 4),
                "below": round(float((value < low).mean()), 4), "above": round(float((value > high).mean()), 4),
                "groups": {by: dict(parts) for by, parts in told.items()},
            }  # fmt: skip
            mine = found[name][way]
            shares = {by: [each["share"] for each in told[by].values() if each["share"] is not None] for by in groups}
            spans = "; ".join(f"{min(shares[by]):.2f} {max(shares[by]):.2f}" for by in ("day", "place", "fifth"))
            print(f"{name:32} {way:34} {mine['held']:6.3f} {mine['width']:6.3f} {mine['below']:6.3f} "
                  f"{mine['above']:6.3f}  {spans}")
    return found

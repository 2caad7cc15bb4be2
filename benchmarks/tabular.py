"""The tabular source against Cortez and Silva (2008), Table 5: the error of the final grade in six set-ups.

The paper's protocol: 20 runs of 10-fold cross-validation, the root mean squared error of each run over all students,
and the mean of the runs with a 95% interval. Set-up A reads both earlier periods' marks, B the first one alone, C none.
What ships reads no sex, no age and nothing of the family; only here, for the comparison, the same is printed with them.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from features.flat import Description, FlatTable, describe, read_description
from features.sources.tabular import read
from training.blend import Blend, members_for

DESCRIPTION = Path(__file__).resolve().parents[1] / "docs" / "mappings" / "uci_student_performance.toml"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "uci_student_performance"

#: The best of the paper's five methods in each set-up.
PUBLISHED = {
    ("mathematics", "A"): 1.75, ("mathematics", "B"): 2.46, ("mathematics", "C"): 3.90,
    ("portuguese", "A"): 1.32, ("portuguese", "B"): 1.78, ("portuguese", "C"): 2.67,
}  # fmt: skip
FILES = {"mathematics": "student-mat.csv", "portuguese": "student-por.csv"}
WITHOUT = {"A": (), "B": ("G2",), "C": ("G1", "G2")}
FOLDS = 10


def described(setup: str) -> Description:
    """Return the description without the marks that a set-up leaves out."""
    raw = dict(read_description(DESCRIPTION).raw)
    raw["columns"] = {name: one for name, one in raw["columns"].items() if name not in WITHOUT[setup]}
    raw["label"] = {key: value for key, value in raw["label"].items() if key != "last" or value not in WITHOUT[setup]}
    return describe(raw)


def with_demographics(table: FlatTable) -> np.ndarray[Any, Any]:
    """Return the inputs with every group beside them, as numbers or one column per value: in no model but this one."""
    columns = [table.values]
    for name in table.groups.columns:
        numbers = table.groups[name].cast(pl.Float64, strict=False)
        if numbers.null_count() == 0:
            columns.append(numbers.to_numpy()[:, None])
        else:
            columns += [(table.groups[name] == value).to_numpy().astype(float)[:, None]
                        for value in table.groups[name].unique().sort()]  # fmt: skip
    return np.hstack(columns)


def one_run(subject: str, setup: str, demographics: bool, run_number: int) -> float:
    """Return the error of one 10-fold cross-validation over all students."""
    table = read(DATA / FILES[subject], described(setup)).table
    table = replace(table, values=with_demographics(table)) if demographics else table
    matrix, truth = table.values, table.label
    names = [f"input_{at}" for at in range(matrix.shape[1])]
    part = np.random.default_rng(run_number).permutation(len(truth)) % FOLDS
    said = np.zeros(len(truth))
    for number in range(FOLDS):
        rest = part != number
        blend = Blend.fit(matrix[rest], truth[rest], names, False, members_for(int(rest.sum())))
        said[~rest] = np.clip(blend.raw(matrix[~rest]), *table.description.label.range)
    return float(np.sqrt(((said - truth) ** 2).mean()))


def half_interval(errors: np.ndarray[Any, Any]) -> float | None:
    """Return half of the 95% interval of a mean over runs (Student's t), None of a single run."""
    if len(errors) < 2:
        return None
    return round(float(stats.t.ppf(0.975, len(errors) - 1) * errors.std(ddof=1) / np.sqrt(len(errors))), 4)


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    runs, found = told.runs, []
    print(f"{'subject':12} {'set-up':6} {'published':>9} {'without demographics':>22} {'with':>16}")
    # Spawned, not forked: LightGBM's threads do not survive a fork.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        asked = {
            (*key, demographics): [pool.submit(one_run, *key, demographics, number) for number in range(runs)]
            for demographics in (False, True) for key in PUBLISHED
        }  # fmt: skip
        beaten = 0
        for (subject, setup), best in PUBLISHED.items():
            figures = {}
            for demographics in (False, True):
                errors = np.array([one.result() for one in asked[subject, setup, demographics]])
                figures[demographics] = (round(float(errors.mean()), 4), half_interval(errors))
            (plain, half), (other, other_half) = figures[False], figures[True]
            spread, other_spread = ("" if one is None else f"+- {one:.3f}" for one in (half, other_half))
            print(f"{subject:12} {setup:6} {best:9.2f} {plain:13.3f} {spread:8} {other:9.3f} {other_spread}", flush=True)
            beaten += plain < best
            found.append({"subject": subject, "setup": setup, "published": best, "rmse": plain, "half_interval": half,
                          "rmse_with_demographics": other, "ratio": round(plain / best, 4)})  # fmt: skip
    print(f"below the published best in {beaten} of {len(found)} set-ups, without demographics")
    return {"runs": runs, "setups": found, "beaten": beaten}

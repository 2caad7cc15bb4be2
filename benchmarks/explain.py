"""Exact contributions of one student after another, against LightGBM's own TreeSHAP on the same rows."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks import school
from features.cohort import on_dates
from features.pipeline import build


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    model = school.trained(told.oulad)[0].model
    table = build(
        school.records(told.oulad), on_dates(school.records(told.oulad), [school.AS_OF], model.target.unit), model.catalog
    )
    matrix = table.matrix(model.inputs)[:400]
    raw = model.trees.raw(matrix, threads=1)
    ours = _seconds(lambda: [model.explainer.contributions(matrix[at : at + 1], raw[at : at + 1]) for at in range(len(matrix))])
    peer = _seconds(lambda: [model.trees.own_contributions(matrix[at : at + 1]) for at in range(len(matrix))])
    found = model.explainer.contributions(matrix, raw)[0]
    worst = float(np.abs(found - model.trees.own_contributions(matrix)[:, :-1]).max())
    per_row = {"quadrature": 1000 * ours / len(matrix), "pred_contrib": 1000 * peer / len(matrix)}
    for name, value in per_row.items():
        print(f"{name:16} {value:8.3f} ms a student")
    print(f"largest difference {worst:.1e}")
    return {"ms_per_row": per_row, "peer": "lightgbm pred_contrib", "ratio": peer / ours, "largest_difference": worst}


def _seconds(work: Any) -> float:
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

"""The feature table of everybody on six days, against the same active-day counts written in pandas."""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import pandas as pd

from benchmarks import school
from features.cohort import on_days_of_term
from features.pipeline import build
from features.standard import STANDARD

DAYS = (0, 14, 28, 56, 84, 112)


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    records = school.records(told.oulad)
    started = time.perf_counter()
    cohort = on_days_of_term(records, DAYS, "section")
    table = build(records, cohort, STANDARD.within(frozenset(records.parts)))
    ours = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    activity = records._rows("activity").select("enrolment_id", "on").collect().to_pandas()
    units = cohort.frame.select("enrolment_id", "as_of").to_pandas()
    started = time.perf_counter()
    theirs = _pandas(activity, units)
    peer = time.perf_counter() - started
    same = bool((theirs.to_numpy() == table.matrix(["active_days_7d", "active_days_14d", "active_days_28d"])).all())
    print(f"{len(table):,} rows of {len(table.catalog)} features: {ours:.1f} s, peak {peak:.1f} GB")
    print(f"3 of these features in pandas: {peer:.1f} s (equal: {same})")
    each, each_peer = ours / len(table.catalog), peer / 3
    return {"seconds": ours, "features": len(table.catalog), "rows": len(table), "peak_gb": peak, "peer": "pandas, 3 features",
            "peer_seconds": peer, "ratio_per_feature": each_peer / each, "equal": same}  # fmt: skip


def _pandas(activity: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    units = units.reset_index(names="row")
    rows = units.merge(activity.drop_duplicates(), on="enrolment_id")
    age = (rows["as_of"] - rows["on"]).dt.days
    counts = {f"active_days_{window}d": rows[age.between(0, window - 1)].groupby("row").size() for window in (7, 14, 28)}
    return pd.DataFrame(counts).reindex(units["row"]).fillna(0.0)

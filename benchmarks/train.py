"""A whole training run, reading included, in a process of its own, against its budget of 90 s and 3 GB."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

BUDGET_SECONDS, BUDGET_GB = 90, 3.0


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "homeroom.cli", "train", "--source", "oulad", told.oulad, "--test-from", "2013-10-01",
                   "--home", home, "--json"]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for one in results:
        print(f"{one['target']:16} " + " ".join(f"day {row['day']}: {row['auc']:.3f}" for row in one["by_as_of"]))
    print(f"whole command: {seconds:.1f} s (budget {BUDGET_SECONDS}), peak {peak:.1f} GB (budget {BUDGET_GB})")
    auc = {one["target"]: [row["auc"] for row in one["by_as_of"]] for one in results}
    budget = {"seconds": BUDGET_SECONDS, "peak_gb": BUDGET_GB}
    return {"seconds": seconds, "peak_gb": peak, "budget": budget, "ratio": seconds / BUDGET_SECONDS, "auc": auc}

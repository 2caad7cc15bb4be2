"""A simulated district of 100,000 students, against the budget of a minute."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from homeroom.simulate.run import simulate

BUDGET = 60.0


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    del told
    found: dict[str, Any] = {"budget_seconds": BUDGET, "districts": {}}
    print("students        rows  seconds  of a core   bytes a row")
    for students in (2_000, 20_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            began, used = time.perf_counter(), time.process_time()
            made = simulate(students, 7, Path(folder) / "district")
            seconds, core = time.perf_counter() - began, time.process_time() - used
            rows = sum(made.rows.values())
            size = sum(path.stat().st_size for path in made.folder.glob("*/part-*.parquet"))
        found["districts"][str(students)] = {"rows": rows, "seconds": seconds, "core_seconds": core, "bytes": size}
        print(f"{students:8,} {rows:11,} {seconds:8.1f} {core:10.1f} {size / rows:13.1f}")
    found["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found["ratio"] = found["districts"]["100000"]["seconds"] / BUDGET
    print(f"peak memory {found['peak_gigabytes']:.1f} GB; {found['ratio']:.2f} of the budget of {BUDGET:.0f} s")
    return found

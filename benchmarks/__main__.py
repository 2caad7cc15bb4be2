"""`make bench NAME=request`: prints a table for people and, as its last line, one JSON object with every figure."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks import (
    allocate,
    calibration,
    explain,
    fairness,
    features,
    monitor,
    pages,
    planted,
    recommend,
    request,
    simulate,
    tabular,
    tracing,
    train,
)

#: Every benchmark by name.
BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "allocate": allocate.run,
    "calibration": calibration.run,
    "explain": explain.run,
    "fairness": fairness.run,
    "features": features.run,
    "monitor": monitor.run,
    "pages": pages.run,
    "planted": planted.run,
    "recommend": recommend.run,
    "request": request.run,
    "simulate": simulate.run,
    "tabular": tabular.run,
    "tracing": tracing.run,
    "train": train.run,
}

#: Those that make and learn from many districts: they take longer than ten minutes, and are run by name.
LONG = ("calibration", "fairness", "monitor", "planted", "recommend")


def main() -> None:
    """Run one benchmark, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--oulad", default="../shared/data/oulad", help="the folder with the dataset")
    parser.add_argument("--requests", type=int, default=1000, help="requests to send (request); a fiftieth a page (pages)")
    parser.add_argument("--runs", type=int, default=20, help="runs of cross-validation, of the paper's 20 (tabular)")
    parser.add_argument("--arrays", default="", help="a folder that keeps what was fitted between runs (calibration)")
    parser.add_argument("--students", type=int, default=4_000, help="students of the simulated log (tracing)")
    parser.add_argument("--seeds", type=int, default=20, help="districts to make (monitor, recommend)")
    parser.add_argument("--districts", type=int, default=200, help="districts of each world, a seed each (fairness)")
    parser.add_argument("--allocated", type=int, default=10_000, help="students to allocate places to (allocate)")
    told = parser.parse_args()
    for name in [one for one in BENCHMARKS if one not in LONG] if told.name == "all" else [told.name]:
        found = BENCHMARKS[name](told)
        machine = {"cores": os.cpu_count(), "system": platform.system(), "python": sys.version.split()[0]}
        versions = {package: version(package) for package in ("polars", "lightgbm", "shapiq", "bentoml", "mlflow")}
        print(json.dumps({"benchmark": name, **found, "machine": machine, "versions": versions}))


if __name__ == "__main__":
    main()

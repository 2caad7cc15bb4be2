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

from benchmarks import explain, features, planted, request, simulate, tabular, train

#: Every benchmark by name.
BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "explain": explain.run,
    "features": features.run,
    "planted": planted.run,
    "request": request.run,
    "simulate": simulate.run,
    "tabular": tabular.run,
    "train": train.run,
}


def main() -> None:
    """Run one benchmark, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--oulad", default="../shared/data/oulad", help="the folder with the dataset")
    parser.add_argument("--requests", type=int, default=1000, help="requests to send (request)")
    parser.add_argument("--runs", type=int, default=20, help="runs of cross-validation, of the paper's 20 (tabular)")
    told = parser.parse_args()
    for name in BENCHMARKS if told.name == "all" else [told.name]:
        found = BENCHMARKS[name](told)
        machine = {"cores": os.cpu_count(), "system": platform.system(), "python": sys.version.split()[0]}
        versions = {package: version(package) for package in ("polars", "lightgbm", "shapiq", "bentoml", "mlflow")}
        print(json.dumps({"benchmark": name, **found, "machine": machine, "versions": versions}))


if __name__ == "__main__":
    main()

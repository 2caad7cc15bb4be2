"""Whether a planted cause comes out as the first reason, against the goal of 95 in 100 of whom it was planted for."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from homeroom.simulate.planted import CONCEPT_OF, planted_world, shown
from homeroom.simulate.world import World

GOAL = 0.95
SEED = 23

#: Worlds by name, with the number of students: all causes at once, each alone, and all among whatever else makes leave.
WORLDS: dict[str, tuple[World, int]] = {
    "all": (planted_world(), 4_000),
    **{cause: (planted_world([cause]), 2_000) for cause in CONCEPT_OF},
    "among others": (planted_world(others=True), 4_000),
}


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    del told
    found: dict[str, Any] = {"goal": GOAL, "worlds": {}}
    print(f"{'world':20} {'cause':20} {'students':>8} {'first':>6} {'among':>6} {'silent':>6} {'unseen':>6}")
    for name, (world, students) in WORLDS.items():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rows = shown(world, students, SEED, Path(folder))
        if len(rows) == 2:  # one cause, and the same again as all
            rows = rows[:1]
        for one in rows:
            print(f"{name:20} {one.cause:20} {one.students:8,} {one.first:6.3f} {one.among:6.3f} {one.silent:6.3f} "
                  f"{one.unseen:6}")  # fmt: skip
        seconds = time.perf_counter() - began
        found["worlds"][name] = {"students": students, "seconds": seconds, "causes": [one.as_dict() for one in rows]}
    found["ratio"] = found["worlds"]["all"]["causes"][-1]["first"] / GOAL
    print(f"first in the world of all causes: {found['ratio']:.2f} of the goal of {GOAL:.0%}")
    return found

"""Whether the fairness audit finds what was planted and stays quiet where nothing was: both error rates over many seeds."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from features.standard import STANDARD
from homeroom.simulate.biased import DAY, OVER, UNDER, Found, audited, even_world, rates, trained, uneven_world
from homeroom.simulate.world import World
from training.gates import Gates
from training.run import PARAMETERS, Training
from training.trained import TrainedModel

#: Students of a district that teaches, and of each that is audited; the seed of the first, and from where on the others'.
TAUGHT, AUDITED, TEACHES, FIRST = 4_000, 1_600, 1, 1_000

#: Each rate is to be below this.
GOAL = 0.05

#: Each world and the groups in which something is planted.
WORLDS: dict[str, tuple[Callable[..., World], tuple[str, ...]]] = {
    "even": (even_world, ()), "uneven": (uneven_world, (OVER, UNDER)),
}  # fmt: skip

_ONE_THREAD = {**PARAMETERS, "num_threads": 1}
TEACHING = Training(days=(DAY,), judged_days=(DAY,), refits=0, explained=20, proof_rows=4_000, bootstrap_draws=40,
                    parameters=_ONE_THREAD)  # fmt: skip
LOOKING = Training(days=(DAY,), judged_days=(DAY,), parameters=_ONE_THREAD)


def one(folder: str, name: str, seed: int) -> Found:
    """Simulate and audit the district of one seed."""
    world, _ = WORLDS[name]
    return audited(TrainedModel.read(Path(folder), STANDARD), world(), AUDITED, seed, Gates(refits=False, draws=300), LOOKING)


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    found: dict[str, Any] = {"goal": GOAL, "students": AUDITED, "districts": told.districts, "worlds": {}}
    for name, (world, planted) in WORLDS.items():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "model"
            folder.mkdir()
            model = trained(world, TAUGHT, TEACHES, Path(place), TEACHING)
            model.write(folder)
            # Spawned, not forked: threads of Polars and LightGBM do not survive a fork, and waiting for them never ends.
            with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
                audits = list(pool.map(partial(one, str(folder), name), range(FIRST, FIRST + told.districts)))
        measured = rates(name, audits, planted)
        auc = model.card["metrics"]["auc"]
        gates = sum(each.tested for each in audits) / told.districts
        print(f"{name:8} {measured.districts} districts, {gates:,.0f} gates each: a wrong alarm in {measured.alarmed:.1%}"
              + "".join(f", {group} missed in {share:.1%}" for group, share in measured.missed.items())
              + f"; too little to tell of {measured.undecided:.1%} of the gates; AUC {auc:.3f}")  # fmt: skip
        seconds = time.perf_counter() - began
        found["worlds"][name] = {**measured.as_dict(), "auc": auc, "seconds": seconds}
    worst = max([one["alarmed"] for one in found["worlds"].values()] + list(found["worlds"]["uneven"]["missed"].values()))
    found["ratio"] = worst / GOAL
    return found

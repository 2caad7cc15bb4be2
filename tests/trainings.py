"""Settings of training for tests, apart from ``conftest``: importing what trains takes seconds, and few tests train."""

from __future__ import annotations

from training.gates import Gates
from training.run import PARAMETERS, Training

#: What the large example school has records for; it takes no attendance.
COURSE_TARGETS = ("dropout", "course_failure", "learning_gap")

#: One thread: two on a machine whose cores are busy take twenty times as long as one.
_ONE_THREAD = {**PARAMETERS, "num_threads": 1}

#: A training that takes a second: few trees, few days, few draws.
QUICK = Training(days=(0, 28, 56, 84), judged_days=(28, 56, 84), folds=2, trees=30, bootstrap_draws=40, refits=2,
                 explained=40, proof_dates=1, parameters={**_ONE_THREAD, "min_child_samples": 20})  # fmt: skip

#: A real model: of all that is told of it beside how well it ranks, only what costs no further fit.
REAL = Training(parameters=_ONE_THREAD, refits=0, shift_parts=0, bootstrap_draws=20, proof_dates=1, proof_rows=2_000,
                explained=20)  # fmt: skip
FEW_GATES = Gates(refits=False)
REAL_GATES = Gates(refits=False, draws=20)

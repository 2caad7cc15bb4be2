"""A line beside the trees: what it adds is exact, and neither goes a way that the field is certain is wrong."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

from features.standard import STANDARD
from training.explain import Explainer
from training.linear import Linear
from training.model import Trees
from training.run import constraints

Floats = npt.NDArray[np.float64]
NAMES = ("held", "free", "given", "gaps", "constant", "empty")
DIRECTIONS = (1, 0, 0, 0, 0, 0)
QUIET = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.2, "min_child_samples": 5, "seed": 1, "num_threads": 1,
         "extra_trees": True, "feature_fraction_bynode": 0.5}  # fmt: skip


def rows(count: int, seed: int) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Rows in which more of ``held`` goes with fewer outcomes in the middle, and with more beyond."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 1, (count, len(NAMES)))
    sides = np.where(np.abs(matrix[:, 0]) < 0.8, -2 * matrix[:, 0], matrix[:, 0])
    label = (sides + matrix[:, 1] + rng.normal(0, 0.5, count) > 0).astype(np.int8)
    matrix[rng.random(count) < 0.3, 3] = np.nan
    matrix[:, 4], matrix[:, 5] = 2.0, np.nan
    return matrix, label


@pytest.fixture(scope="module")
def both() -> Trees:
    matrix, label = rows(1500, 1)
    parameters = {**QUIET, "monotone_constraints": list(DIRECTIONS), "monotone_constraints_method": "basic"}
    line = Linear.held(matrix, label, DIRECTIONS, {2: 0.5})
    return Trees.fit(matrix, label, NAMES, parameters, 40).beside(line, 0.4)


def test_contributions_of_trees_and_line_add_up_to_the_score_whatever_is_missing(both: Trees) -> None:
    matrix, _ = rows(80, 2)
    matrix[np.random.default_rng(3).random(matrix.shape) < 0.2] = np.nan
    raw = both.raw(matrix, threads=1)
    found, base = Explainer(both).contributions(matrix, raw)
    assert np.abs(base + found.sum(axis=1) - raw).max() < 1e-9
    assert np.abs(found - both.own_contributions(matrix)[:, :-1]).max() < 1e-9


def test_a_row_alone_gets_the_bits_that_it_gets_among_others(both: Trees) -> None:
    matrix, _ = rows(20, 4)
    raw, explainer = both.raw(matrix, threads=1), Explainer(both)
    found, _ = explainer.contributions(matrix, raw)
    for at in range(len(matrix)):
        assert both.raw(matrix[at : at + 1], threads=1)[0] == raw[at]
        assert (explainer.contributions(matrix[at : at + 1], raw[at : at + 1])[0] == found[at]).all()


def test_more_of_what_is_certain_never_lowers_a_score_though_the_rows_say_so(both: Trees) -> None:
    matrix, label = rows(300, 5)
    free = Trees.fit(*rows(1500, 1), NAMES, QUIET, 40)
    falls = 0
    for step in (0.05, 0.3, 1.0):
        more = matrix.copy()
        more[:, 0] += step
        assert (both.raw(more) >= both.raw(matrix) - 1e-12).all()
        falls += int((free.raw(more) < free.raw(matrix) - 1e-6).sum())
    assert falls > 50, "without being held to it, the trees do go the other way"
    assert Linear.held(matrix, label, (-1, 0, 0, 0, 0, 0)).weight[0] <= 0


def test_a_given_weight_is_kept_and_an_unknown_value_of_it_adds_nothing(both: Trees) -> None:
    assert both.line is not None
    assert both.line.weight[2] == 0.5
    matrix, _ = rows(3, 6)
    matrix[:, 2] = (np.nan, 40.0, 41.0)
    found = both.line.contributions(matrix)[:, 2]
    assert found[0] == 0
    assert found[2] - found[1] == pytest.approx(0.5), "beyond what training saw, too"


def test_a_line_is_read_back_to_the_last_bit_and_so_is_one_that_trims_nothing() -> None:
    matrix, label = rows(400, 7)
    filled = np.where(np.isnan(matrix), 0.0, matrix)
    for line in (Linear.held(matrix, label, DIRECTIONS), Linear.fit(filled, label.astype(np.float64), binary=True)):
        again = Linear.from_dict(json.loads(json.dumps(line.as_dict())))
        assert (again.raw(matrix) == line.raw(matrix)).all()


def test_the_catalogue_is_certain_of_absence_missing_work_and_marks_and_of_nothing_about_the_stay() -> None:
    sides = {name: STANDARD[name].direction for name in ("absence_rate", "missing", "mark_latest", "days_since_absence")}
    assert sides == {"absence_rate": 1, "missing": 1, "mark_latest": -1, "days_since_absence": -1}
    assert not any(one.direction for one in STANDARD if one.concept in {"history", "engagement"})
    told = constraints(STANDARD)["monotone_constraints"]
    assert told[STANDARD.inputs.index("missing")] == 1
    assert constraints(STANDARD, -1)["monotone_constraints"] == [-one for one in told]

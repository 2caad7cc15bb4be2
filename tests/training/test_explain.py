"""Contributions are exact, for the very row that was scored, with whatever is missing in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from features.problems import Refused
from training import explain
from training.explain import Explainer
from training.model import Trees

Floats = npt.NDArray[np.float64]
NAMES = ("complete", "also_complete", "gaps", "many_gaps", "constant", "empty", "whole_numbers")
QUIET = {"objective": "binary", "num_leaves": 31, "max_depth": 5, "learning_rate": 0.2, "min_child_samples": 5, "seed": 1,
         "num_threads": 1}  # fmt: skip


def rows(count: int, seed: int) -> tuple[Floats, npt.NDArray[np.int8]]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 1, (count, len(NAMES)))
    label = (matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + rng.normal(0, 0.5, count) > 0).astype(np.int8)
    matrix[rng.random(count) < 0.2, 2] = np.nan
    matrix[rng.random(count) < 0.7, 3] = np.nan
    matrix[:, 4] = 3.0
    matrix[:, 5] = np.nan
    matrix[:, 6] = np.round(matrix[:, 6] * 3)
    return matrix, label


def fitted(objective: str = "binary", **parameters: Any) -> Trees:
    matrix, label = rows(1200, 1)
    return Trees.fit(matrix, label, NAMES, {**QUIET, "objective": objective, **parameters}, 40)


@pytest.fixture(scope="module", params=["binary", "regression"])
def trees(request: pytest.FixtureRequest) -> Trees:
    return fitted(request.param)


@pytest.fixture(scope="module")
def holed() -> Floats:
    """Rows with a value missing in every column in turn, those included that were complete at training."""
    matrix, _ = rows(160, 2)
    rng = np.random.default_rng(3)
    matrix[rng.random(matrix.shape) < 0.25] = np.nan
    for column in range(len(NAMES)):
        matrix[column, column] = np.nan
    matrix[20] = np.nan
    matrix[21] = 0.0
    matrix[22] = 1e30
    return matrix


def test_contributions_are_lightgbms_own_where_anything_may_be_missing(trees: Trees, holed: Floats) -> None:
    raw = trees.raw(holed, threads=1)
    found, base = Explainer(trees).contributions(holed, raw)
    own = trees.own_contributions(holed)
    assert np.isnan(holed).any(axis=0).all()
    assert np.abs(found - own[:, :-1]).max() < 1e-9
    assert np.abs(base - own[:, -1]).max() < 1e-9


def test_base_and_contributions_add_up_to_the_raw_score(trees: Trees, holed: Floats) -> None:
    raw = trees.raw(holed, threads=1)
    found, base = Explainer(trees).contributions(holed, raw)
    assert np.abs(base + found.sum(axis=1) - raw).max() < 1e-9


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:LightGBM binary classifier")
def test_contributions_are_those_of_the_shap_package(trees: Trees, holed: Floats) -> None:
    import shap

    other = shap.TreeExplainer(trees.booster).shap_values(holed)
    other = np.asarray(other[-1] if isinstance(other, list) else other)
    found, _ = Explainer(trees).contributions(holed, trees.raw(holed, threads=1))
    assert np.abs(found - other).max() < 1e-9


def test_a_row_has_the_same_bits_alone_and_among_many(trees: Trees, holed: Floats) -> None:
    explainer, raw = Explainer(trees), trees.raw(holed, threads=1)
    together, base = explainer.contributions(holed, raw)
    for at in range(0, len(holed), 7):
        one = holed[at : at + 1]
        assert np.array_equal(trees.raw(one, threads=1), raw[at : at + 1])
        alone, alone_base = explainer.contributions(one, raw[at : at + 1])
        assert np.array_equal(alone, together[at : at + 1])
        assert np.array_equal(alone_base, base[at : at + 1])


def test_the_same_holds_of_a_model_that_was_written_and_read(trees: Trees, holed: Floats) -> None:
    again = Trees.from_text(trees.text())
    assert again.text() == trees.text()
    raw = trees.raw(holed, threads=1)
    assert np.array_equal(again.raw(holed, threads=1), raw)
    one, other = (Explainer(each).contributions(holed, raw) for each in (trees, again))
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])


def test_which_columns_were_complete_at_training_is_read_from_the_trees(trees: Trees) -> None:
    complete = dict(zip(NAMES, trees.complete_at_training(), strict=True))
    assert complete["complete"]
    assert complete["also_complete"]
    assert not complete["gaps"]


def test_quadrature_alone_is_wrong_on_what_was_complete_at_training(
    trees: Trees, holed: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for reading such cells as zero, and for the check: without either, rows are off by far more than 1e-9."""
    explainer = Explainer(trees)
    object.__setattr__(explainer, "_complete", np.zeros(len(NAMES), dtype=bool))
    monkeypatch.setattr(explain, "TOLERANCE", np.inf)
    found, _ = explainer.contributions(holed, trees.raw(holed, threads=1))
    assert np.abs(found - trees.own_contributions(holed)[:, :-1]).max() > 0.01


class Broken:
    """A quadrature that gives something, and not the truth."""

    empty_prediction = 0.25

    def explain(self, row: Floats) -> Broken:
        return self

    def get_n_order_values(self, order: int) -> Floats:
        return np.full(len(NAMES), 0.125)


def test_lightgbms_own_values_are_used_where_the_sum_does_not_hold(trees: Trees, holed: Floats) -> None:
    explainer = Explainer(trees)
    object.__setattr__(explainer, "_quadrature", Broken())
    found, base = explainer.contributions(holed, trees.raw(holed, threads=1))
    own = trees.own_contributions(holed)
    assert np.array_equal(found, own[:, :-1])
    assert np.array_equal(base, own[:, -1])


@pytest.mark.parametrize("setting", [{"zero_as_missing": True}, {"use_missing": False}, {"linear_tree": True}], ids=str)
def test_a_model_that_cannot_be_explained_exactly_is_refused(setting: dict[str, bool]) -> None:
    made = fitted(**setting)
    (name,) = setting
    for each in (made, Trees.from_text(made.text())):
        with pytest.raises(Refused, match=f"fitted with {name}="):
            Explainer(each)


def test_fitting_again_gives_the_same_model() -> None:
    assert fitted().text() == fitted().text()

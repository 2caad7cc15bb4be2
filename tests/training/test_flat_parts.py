"""The parts of a flat file's model: who judges, a line, weights, classes, intervals and figures."""

from __future__ import annotations

import json

import flat_files
import numpy as np
import polars as pl
import pytest

from features.flat import FlatTable
from training.blend import Blend, weights_of
from training.flat import _judges, _kept, _Rows
from training.flat_judgement import losses, measure
from training.flat_model import Spread
from training.linear import Linear, Multinomial, Softmax

THREE = "\n[folds]\nnumber = 3\n"
TIME = '\n[time]\ncolumn = "year"\n'


def rows(table: FlatTable) -> _Rows:
    known = ~np.isnan(table.label)
    return _Rows(table.description.label, table.values[known], table.label[known], _kept(table, known))


def test_of_few_times_the_last_one_judges_and_of_many_the_last_fifth() -> None:
    by_year = flat_files.table("regression", TIME)
    judges = _judges(by_year, np.ones(len(by_year), dtype=bool), rows(by_year))
    assert by_year.plan is not None
    assert judges.test is not None
    assert set(by_year.plan.filter(pl.Series(judges.test))) == {"2024"}
    assert "2024" in judges.says
    days = flat_files.frame().with_columns(pl.Series("year", [str(number) for number in range(flat_files.ROWS)]))
    by_day = flat_files.table("regression", TIME, days)
    judges = _judges(by_day, np.ones(len(by_day), dtype=bool), rows(by_day))
    assert judges.test is not None
    assert judges.test.sum() == pytest.approx(flat_files.ROWS / 5, abs=2)


def test_given_folds_are_the_files_own() -> None:
    table = flat_files.table("binary", '\n[folds]\ncolumn = "year"\n')
    judges = _judges(table, np.ones(len(table), dtype=bool), rows(table))
    assert table.plan is not None
    assert judges.test is None
    assert len(set(zip(judges.folds.tolist(), table.plan.to_list(), strict=True))) == 4


def test_folds_depend_on_keys_and_not_on_the_order_of_rows() -> None:
    turned = flat_files.frame().reverse()
    one, other = (flat_files.table("binary", THREE, frame) for frame in (flat_files.frame(), turned))
    found = [dict(zip(table.keys, _judges(table, np.ones(len(table), dtype=bool), rows(table)).folds.tolist(), strict=True))
             for table in (one, other)]  # fmt: skip
    assert found[0] == found[1]


def test_an_interval_holds_its_expectation_and_stays_in_range() -> None:
    spread = Spread.of(np.linspace(0, 20, 200), np.linspace(0, 20, 200) + np.tile([-3.0, 4.0], 100), (0, 20))
    for value in (0.0, 0.5, 10.0, 19.9, 20.0):
        low, high = spread.interval(value)
        assert 0 <= low <= value <= high <= 20


def test_a_line_is_the_sum_of_its_terms_and_survives_what_is_unknown() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(200, 3))
    truth = 2 * matrix[:, 0] - matrix[:, 1] + 5
    matrix[::7, 2] = np.nan
    line = Linear.fit(matrix, truth, binary=False)
    np.testing.assert_allclose(line.intercept + line.contributions(matrix).sum(axis=1), line.raw(matrix), atol=1e-12)
    assert np.abs(line.raw(matrix) - truth).max() < 0.2
    again = Linear.from_dict(json.loads(json.dumps(line.as_dict())))
    np.testing.assert_array_equal(again.raw(matrix), line.raw(matrix))


def test_weights_go_to_the_scores_that_are_right() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=300)
    seen = np.column_stack([truth + rng.normal(size=300) * 3, truth + rng.normal(size=300) * 0.1])
    weight = weights_of(seen, truth, binary=False)
    assert weight.sum() == pytest.approx(1)
    assert weight[1] > 0.95
    noise = np.column_stack([truth + rng.normal(size=300), truth + rng.normal(size=300)])
    np.testing.assert_allclose(weights_of(noise, truth, binary=False), 0.5, atol=0.2)


def test_a_blend_of_a_file_sorted_by_outcome_has_both_outcomes_in_every_part() -> None:
    matrix = np.linspace(0, 1, 90)[:, None]
    truth = (np.arange(90) >= 84).astype(float)
    blend = Blend.fit(matrix, truth, ["x"], True, flat_files.QUICK)
    assert np.isfinite(blend.raw(matrix)).all()


def test_probabilities_of_classes_add_up_and_a_class_without_rows_has_next_to_none() -> None:
    rng = np.random.default_rng(3)
    place = rng.integers(0, 2, 120)
    matrix = place[:, None] + rng.normal(size=(120, 2)) * 0.3
    for chances in (Multinomial.fit(matrix, place, 3).probability(matrix),
                    Softmax.fit(np.column_stack([matrix, matrix[:, 0]]), place, 3).probability(
                        np.column_stack([matrix, matrix[:, 0]]))):  # fmt: skip
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        assert chances[:, 2].max() < 1e-3
        assert (chances.argmax(axis=1) == place).mean() > 0.9


def test_figures_of_a_number_and_of_classes_are_the_fields_own() -> None:
    label = flat_files.description("regression").label
    found = measure(label, np.array([1.0, 2.0, 6.0]), np.array([[1.0], [4.0], [6.0]]), 0.1, np.zeros(3))
    assert (found["rmse"], found["mae"]) == (pytest.approx(np.sqrt(4 / 3), abs=1e-6), pytest.approx(2 / 3, abs=1e-6))
    classes = flat_files.description("multiclass").label
    said = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]])
    found = measure(classes, np.array([0.0, 2.0, 1.0, 1.0]), said, 0.1, np.zeros(4))
    assert found["accuracy"] == 0.75
    assert found["macro_recall"] == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-6)
    np.testing.assert_allclose(losses(classes, np.array([0.0, 2.0, 1.0, 1.0]), said), -np.log([0.5, 0.8, 0.7, 0.2]))

"""The published rule: one definition, for the baseline and for the list."""

from __future__ import annotations

import example_school
import numpy as np
import polars as pl

from features.cohort import on_dates
from features.norms import Norms
from features.pipeline import build
from features.standard import STANDARD
from features.tables import TABLES
from training.baselines import BASELINES, Sample
from training.indicators import INDICATORS, catalog_of, computable, count, tables_of

RNG = np.random.default_rng(4)


def test_the_baseline_counts_just_these_indicators() -> None:
    rows = 400
    frame = pl.DataFrame(
        {
            "absence_rate": RNG.choice([0.0, 0.0999, 0.1, 0.3, np.nan], rows),
            "core_classes_below_60": RNG.choice([0.0, 1.0, 3.0, np.nan], rows),
            "exclusion_days": RNG.choice([0.0, 0.5, 1.0, 4.0, np.nan], rows),
            "course_id": ["a"] * rows,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    sample = Sample(frame, np.zeros((rows, 1)), np.zeros(rows, dtype=np.int8))
    counted = count(lambda name: frame[name].fill_null(float("nan")).to_numpy())
    assert np.array_equal(BASELINES["rule"].fit(sample)(sample), counted)
    assert set(counted) == {0.0, 1.0, 2.0, 3.0}


def test_what_is_unknown_is_neither_met_nor_not() -> None:
    for indicator in INDICATORS:
        for sign in indicator.signs:
            met = sign.met(np.array([np.nan, sign.value, sign.value - 0.01]))
            assert np.isnan(met[0])
            assert list(met[1:]) == ([0.0, 1.0] if sign.below else [1.0, 0.0])
            assert STANDARD[sign.feature].said


def test_tables_of_a_feature_are_those_without_which_it_is_unknown() -> None:
    frames = example_school.tables()
    for sign in (sign for indicator in INDICATORS for sign in indicator.signs):
        for table in tables_of(sign.feature):
            cut = example_school.records({name: frame for name, frame in frames.items() if name != table})
            left = [one.feature for indicator in computable(cut) for one in indicator.signs]
            assert sign.feature not in left
            assert table in TABLES


def test_the_small_catalogue_gives_the_same_numbers_as_the_whole_one() -> None:
    records = example_school.records()
    cohort = on_dates(records, [example_school.TODAY], "enrolment")
    small = build(records, cohort, catalog_of(computable(records)), Norms.none())
    whole = build(records, cohort, STANDARD)
    names = tuple(small.catalog.names)
    assert np.array_equal(small.values, whole.values[:, whole.catalog.places(names)], equal_nan=True)

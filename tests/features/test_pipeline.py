"""One pass for a student and for a school, and the doors in and out of it."""

from __future__ import annotations

from datetime import date

import example_school
import numpy as np
import polars as pl
import pytest
from example_school import TODAY

from features import cohort, pipeline
from features.catalog import Catalog, Feature, Frame, derived, feature
from features.norms import LEAST, Norms
from features.pipeline import KEYS, FeatureTable, Memo
from features.problems import Refused
from features.records import Cohort, SchoolRecords, Snapshot
from features.standard import STANDARD
from features.tables import GRAIN_KEYS, Grain

UNITS: tuple[Grain, ...] = ("student", "enrolment", "section", "skill")


@pytest.fixture(scope="module")
def whole(school: SchoolRecords) -> dict[Grain, FeatureTable]:
    days = [date(2026, 10, 16), TODAY]
    return {unit: pipeline.build(school, cohort.on_dates(school, days, unit), STANDARD) for unit in UNITS}


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("unit", UNITS)
def test_a_student_alone_gets_the_bits_of_the_student_in_the_school(
    school: SchoolRecords, whole: dict[Grain, FeatureTable], unit: Grain, every: int
) -> None:
    together = whole[unit]
    for at in range(0, len(together), every):
        alone = pipeline.build(school, Cohort(together.frame[at].select(KEYS), unit), STANDARD, together.norms)
        assert alone.frame.equals(together.frame[at])


def test_a_student_with_only_the_own_records_gets_the_same_bits(
    school: SchoolRecords, whole: dict[Grain, FeatureTable]
) -> None:
    """A request brings the records of one student, and the norms of the class."""
    together = whole["section"]
    frames = {name: frame.filter(student_id="ana") if "student_id" in frame.columns else frame
              for name, frame in example_school.tables().items()}  # fmt: skip
    alone = pipeline.build(example_school.records(frames), example_school.one("ana"), STANDARD, together.norms)
    assert alone.frame.equals(together.frame.filter(student_id="ana", section_id="algebra-autumn", as_of=TODAY))


@pytest.mark.parametrize("unit", UNITS)
def test_a_table_has_the_cohorts_rows_in_order_and_the_catalogues_columns(
    school: SchoolRecords, whole: dict[Grain, FeatureTable], unit: Grain
) -> None:
    asked = cohort.on_dates(school, [date(2026, 10, 16), TODAY], unit)
    table = whole[unit]
    assert table.frame.select(KEYS).equals(asked.frame)
    assert table.frame.columns == [*KEYS, *STANDARD.at(unit).names]
    assert set(table.frame.dtypes[len(KEYS) :]) <= {pl.Float64()}
    assert table.values.shape == (len(asked), len(STANDARD.at(unit)))
    shuffled = Cohort(asked.frame.sample(fraction=1, shuffle=True, seed=2), unit)
    again = pipeline.build(school, shuffled, STANDARD)
    assert again.frame.select(KEYS).equals(shuffled.frame)
    order = [key for key in KEYS if asked.frame[key].null_count() == 0]
    assert again.frame.sort(order).equals(table.frame.sort(order))


def test_a_coarser_units_features_are_carried_down_to_the_finer(school: SchoolRecords) -> None:
    section = pipeline.build(school, example_school.one("ana"), STANDARD).frame.row(0, named=True)
    skill = pipeline.build(school, example_school.one("ana", "skill"), STANDARD).frame.row(0, named=True)
    shared = STANDARD.at("section").names
    assert {name: skill[name] for name in shared} == {name: section[name] for name in shared}


def test_nobody_to_look_at_gives_no_rows(school: SchoolRecords) -> None:
    for unit in UNITS:
        empty = cohort.on_dates(school, [date(1999, 1, 1)], unit)
        assert pipeline.build(school, empty, STANDARD).frame.shape == (0, len(KEYS) + len(STANDARD.at(unit)))


@pytest.mark.full
def test_a_shared_memo_changes_no_bit_whoever_asks_first(school: SchoolRecords) -> None:
    asked = [example_school.one("ana"), example_school.one("ben"), cohort.on_dates(school, [TODAY], "section"),
             example_school.one("ana", as_of=date(2026, 10, 16)), cohort.on_dates(school, [TODAY], "enrolment")]  # fmt: skip
    own = [pipeline.build(school, one, STANDARD, Norms.none()).frame for one in asked]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        memo: Memo = {}
        for at in order:
            assert pipeline.build(school, asked[at], STANDARD, Norms.none(), memo=memo).frame.equals(own[at])


def test_places_need_norms_and_a_class_of_ten(school: SchoolRecords, whole: dict[Grain, FeatureTable]) -> None:
    alone = pipeline.build(school, example_school.one("ana"), STANDARD)
    assert all(alone.frame[one.name].null_count() == 1 for one in alone.catalog.relative)
    table = whole["section"].frame.filter(as_of=TODAY, section_id="algebra-autumn")
    assert table.height >= LEAST
    values, places = table["actions_all"], table["actions_all_vs_class"]
    assert places.null_count() == 0
    assert table.sort("actions_all")["actions_all_vs_class"].is_sorted()
    assert places[values.arg_max()] > 0.9  # type: ignore[index]
    assert places.is_between(0, 1).all()


# -- doors ------------------------------------------------------------------------------------------------------------


def test_a_matrix_has_the_inputs_in_order_and_nan_where_unknown(whole: dict[Grain, FeatureTable]) -> None:
    table = whole["section"]
    matrix = table.matrix()
    assert matrix.shape == (len(table), len(table.catalog.inputs))
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    at = table.catalog.inputs.index("mark_latest")
    assert np.array_equal(np.isnan(matrix[:, at]), table.frame["mark_latest"].is_null().to_numpy())
    assert np.array_equal(table.matrix(["mark_latest"])[:, 0], matrix[:, at], equal_nan=True)


@pytest.mark.parametrize("unit", ["section", "skill"])
def test_a_table_goes_to_pandas_indexed_by_its_unit(whole: dict[Grain, FeatureTable], unit: Grain) -> None:
    frame = whole[unit].to_pandas()
    assert list(frame.index.names) == [*GRAIN_KEYS[unit], "as_of"]
    assert tuple(frame.columns) == whole[unit].catalog.inputs
    assert np.array_equal(frame.to_numpy(), whole[unit].matrix(), equal_nan=True)


def submitted(snapshot: Snapshot) -> pl.LazyFrame:
    return snapshot.table("submissions")


SUBMITTED = Frame("submitted", ("submissions",), submitted)


@pytest.mark.parametrize("column", ["assignment_id", "enrolment_id", "exited_on", "sex", "result"])
def test_a_feature_that_reads_a_column_that_only_joins_is_refused(school: SchoolRecords, column: str) -> None:
    shelf: list[Feature] = []

    @feature(frame=SUBMITTED, concept="coursework", unit="", range=(0, 1), higher="context", name="x", into=shelf)
    def nosy() -> pl.Expr:
        return pl.col(column).n_unique()

    with pytest.raises(Refused, match=rf"feature nosy: it reads {column}, whose permitted use is not `feature`"):
        pipeline.build(school, example_school.one("ana"), Catalog.of(shelf))


def test_a_catalogue_of_ones_own_is_computed_like_the_standard_one(school: SchoolRecords) -> None:
    shelf: list[Feature] = []

    @feature(frame=SUBMITTED, concept="coursework", unit="pieces", range=(0, 99), higher="strength", name="hand-ins",
             says="handed in {value:.0f}", relative_to="section", into=shelf)  # fmt: skip
    def hand_ins() -> pl.Expr:
        return pl.len()

    @derived(concept="coursework", unit="pieces", range=(0, 99), higher="strength", name="twice", says="{value}", into=shelf)
    def twice() -> pl.Expr:
        return pl.col("hand_ins") * 2

    @derived(concept="coursework", unit="pieces", range=(0, 99), higher="strength", name="more", says="{value}", into=shelf)
    def more() -> pl.Expr:
        return pl.col("twice") + pl.col("hand_ins")

    table = pipeline.build(school, cohort.on_dates(school, [TODAY], "enrolment"), Catalog.of(shelf))
    ana = table.frame.filter(student_id="ana").row(0, named=True)
    assert (ana["hand_ins"], ana["twice"], ana["more"]) == (4.0, 8.0, 12.0)
    assert table.catalog.inputs == ("hand_ins", "hand_ins_vs_class", "twice", "more")


def test_a_cohort_must_have_the_keys_of_its_unit() -> None:
    with pytest.raises(ValueError, match="a cohort of sections needs enrolment_id, section_id"):
        Cohort.of(pl.DataFrame({"student_id": ["ana"], "as_of": [TODAY]}), "section")

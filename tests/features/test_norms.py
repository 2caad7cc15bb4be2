"""Where a class stood: grids of quantiles, and a student's place in them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.norms import GRID, LEAST, Norms, measure, position
from features.problems import NotFound

DAY = date(2026, 11, 13)
SOME = st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float), min_size=LEAST, max_size=60)


def keys(count: int, section: str | None = "s", day: date = DAY, students: int | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"student_id": [f"p{at % (students or count)}" for at in range(count)], "peers": [section] * count,
         "as_of": [day] * count},
        schema={"student_id": pl.String, "peers": pl.String, "as_of": pl.Date},
    )  # fmt: skip


def norms_of(values: list[float], **named: object) -> Norms:
    return measure(keys(len(values), **named), {"x": np.array(values)})  # type: ignore[arg-type]


def place(norms: Norms, values: list[float], day: date = DAY, stale_days: int = 0, section: str | None = "s") -> list[float]:
    rows = keys(len(values), section, day)
    return norms.place(rows, ["x"], np.array(values)[:, None], stale_days)[:, 0].tolist()


@given(SOME, st.lists(st.floats(-2e6, 2e6), min_size=1, max_size=20))
def test_a_place_lies_between_0_and_1_and_grows_with_the_value(group: list[float], asked: list[float]) -> None:
    found = place(norms_of(group), sorted(asked))
    assert all(0 <= one <= 1 for one in found)
    assert found == sorted(found)


@given(SOME)
def test_a_value_far_below_or_above_everybody_is_at_the_ends(group: list[float]) -> None:
    assert place(norms_of(group), [min(group) - 1e3, max(group) + 1e3, -np.inf, np.inf]) == [0.0, 1.0, 0.0, 1.0]


@given(SOME, st.integers(0, 59))
def test_a_member_of_the_class_is_close_to_its_mid_rank(group: list[float], which: int) -> None:
    value = group[which % len(group)]
    below = sum(one < value for one in group)
    among = sum(one == value for one in group)
    middle = (below + (among - 1) / 2) / (len(group) - 1)
    assert abs(place(norms_of(group), [value])[0] - middle) <= 1 / len(group) + 0.02


@pytest.mark.parametrize("count", [3, 40])  # one way for a few rows, another for many: the same bits
def test_ties_lie_at_their_middle_and_what_is_unknown_stays_unknown(count: int) -> None:
    norms = norms_of([0.0] * 50 + [1.0] * 51)
    found = place(norms, [0.0, 1.0, float("nan")] * count)
    assert found[:2] == [0.245, 0.75]
    assert np.isnan(found[2])
    assert place(norms_of([4.0] * 12), [4.0, 3.0, 5.0]) == [0.5, 0.0, 1.0]


@given(SOME, st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float), min_size=17, max_size=40))
def test_a_row_gets_the_same_bits_alone_and_among_many(group: list[float], asked: list[float]) -> None:
    norms = norms_of(group)
    assert place(norms, asked) == [place(norms, [one])[0] for one in asked]


def test_a_group_of_fewer_than_ten_has_no_norms_and_nobody_in_it_a_place() -> None:
    norms = norms_of([1.0] * (LEAST - 1) + [float("nan")] * 5)
    assert norms.grid("s", DAY, "x") is None
    assert norms.medians("s", DAY, ["x"]) == {}
    assert np.isnan(place(norms, [1.0])).all()
    assert place(norms_of([1.0] * LEAST), [1.0]) == [0.5]


def test_ten_rows_of_two_students_are_a_group_of_two() -> None:
    assert np.isnan(place(norms_of([1.0] * 20, students=2), [1.0])).all()
    assert place(norms_of([1.0] * 20, students=10), [1.0]) == [0.5]


def test_the_middle_of_a_class_is_a_value_that_somebody_has() -> None:
    counts = [0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 6.0, 7.0, 9.0]
    norms = norms_of(counts)
    grid = norms.grid("s", DAY, "x")
    assert grid is not None
    assert grid.shape == (GRID,)
    assert set(grid) == set(counts)
    assert (grid[0], grid[-1]) == (0.0, 9.0)
    assert norms.medians("s", DAY, ["x", "y"]) == {"x": 5.0}


def test_norms_are_of_one_group_and_what_has_no_group_has_none() -> None:
    norms = measure(pl.concat([keys(10), keys(10, "t"), keys(10, None)]), {"x": np.arange(30.0)})
    assert set(norms.grids) == {("s", DAY), ("t", DAY)}
    assert place(norms, [5.0], section="s") != place(norms, [5.0], section="t") == [0.0]
    assert np.isnan(place(norms, [5.0], section=None)).all()
    assert np.isnan(place(norms, [5.0], section="unknown")).all()
    assert np.isnan(norms.place(keys(1), ["y"], np.array([[5.0]]))).all()


@pytest.mark.parametrize(
    ("asked", "stale_days", "known"), [(0, 0, True), (3, 0, False), (3, 3, True), (4, 3, False), (-1, 30, False)]
)
def test_stale_norms_and_those_of_a_later_day_place_nobody(asked: int, stale_days: int, known: bool) -> None:
    found = place(norms_of([1.0] * 10), [1.0], DAY + timedelta(days=asked), stale_days)
    assert (not np.isnan(found[0])) == known


def test_the_newest_norms_are_used() -> None:
    norms = norms_of([1.0] * 10, day=DAY - timedelta(days=7)).joined(norms_of([5.0] * 10))
    assert norms.newest("s", DAY + timedelta(days=1), 30) == DAY
    assert place(norms, [2.0], DAY + timedelta(days=1), 30) == [0.0]
    assert place(norms, [2.0], DAY - timedelta(days=1), 30) == [1.0]


# -- how many of a class reach a value --------------------------------------------------------------------------------


def reached(norms: Norms, share: float, day: date = DAY, section: str | None = "s", feature: str = "x", stale: int = 0) -> bool:
    """Whether fewer than a share of the class have a value of 1 or more, for each of two students alike."""
    first, second = norms.below(keys(2, section, day), feature, share, 1.0, stale).tolist()
    assert first == second
    return bool(first)


@pytest.mark.parametrize("size", [10, 11, 25])
def test_fewer_than_a_share_of_the_class_reach_a_value(size: int) -> None:
    least = next(many for many in range(size + 1) if not reached(norms_of([0.0] * (size - many) + [1.0] * many), 0.6))
    assert abs(least - 0.6 * size) <= 1
    for many in range(size + 1):
        assert reached(norms_of([0.0] * (size - many) + [3.0] * many), 0.6) == (many < least)


def test_who_reaches_a_value_is_counted_of_those_of_whom_it_is_known() -> None:
    unknown = [float("nan")] * 40
    assert not reached(norms_of([0.0] * 4 + [1.0] * 8 + unknown), 0.6)
    assert reached(norms_of([0.0] * 8 + [1.0] * 4 + unknown), 0.6)


def test_of_a_class_without_norms_nothing_is_said_about_how_many_reach_a_value() -> None:
    nobody = norms_of([0.0] * 20)
    assert reached(nobody, 0.6)
    assert not reached(nobody, 0.6, section=None)
    assert not reached(nobody, 0.6, section="another")
    assert not reached(nobody, 0.6, feature="y")
    assert not reached(nobody, 0.6, day=DAY - timedelta(days=1), stale=30)
    assert [reached(nobody, 0.6, day=DAY + timedelta(days=late), stale=3) for late in (0, 3, 4)] == [True, True, False]
    assert not reached(norms_of([0.0] * (LEAST - 1)), 0.6)
    assert not reached(Norms.none(), 0.6)


def test_each_row_is_asked_about_its_own_class_and_day() -> None:
    two = measure(pl.concat([keys(10), keys(10, "t")]), {"x": np.array([0.0] * 10 + [1.0] * 10)})
    rows = pl.concat([keys(1, "t"), keys(2, "s"), keys(1, None), keys(1, "s", DAY - timedelta(days=1)), keys(1, "t")])
    assert two.below(rows, "x", 0.6, 1.0).tolist() == [False, True, True, False, False, False]


def test_norms_of_other_features_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="different features"):
        norms_of([1.0] * 10).joined(measure(keys(10), {"y": np.ones(10)}))
    assert Norms.none().joined(norms_of([1.0] * 10)).digest == norms_of([1.0] * 10).joined(Norms.none()).digest


@given(SOME, SOME)
@example([0.0, 1.0, -0.0, *[0.0] * 7], [0.0] * 10)
def test_the_same_content_has_the_same_digest_and_other_content_another(one: list[float], other: list[float]) -> None:
    first, again, second = norms_of(one), norms_of(list(reversed(one))), norms_of(other)
    assert first.digest == again.digest
    same = np.array_equal(first.grids["s", DAY], second.grids["s", DAY])
    assert (first.digest == second.digest) == same


def test_a_digest_tells_groups_days_and_features_apart() -> None:
    values = np.ones(10)
    digests = {measure(keys(10, section, day), {name: values}).digest for section in ("s", "t") for name in ("x", "y")
               for day in (DAY, DAY + timedelta(days=1))}  # fmt: skip
    assert len(digests) == 8


def test_norms_written_and_read_are_the_same(tmp_path: Path) -> None:
    values = {"x": np.arange(24.0), "few": np.array([1.0] * 9 + [np.nan] * 15)}
    norms = measure(pl.concat([keys(12), keys(12, "t")]), values)
    path = norms.write(tmp_path / "norms")
    stamp = path.stat().st_mtime_ns
    assert norms.write(tmp_path / "norms") == path
    assert path.stat().st_mtime_ns == stamp
    assert [one.name for one in (tmp_path / "norms").iterdir()] == [f"{norms.digest}.parquet"]
    read = Norms.read(path)
    assert (read.digest, read.features) == (norms.digest, norms.features)
    assert set(read.grids) == set(norms.grids)
    for group, grid in norms.grids.items():
        assert np.array_equal(read.grids[group], grid, equal_nan=True)


def test_norms_that_are_not_stored_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no norms abc"):
        Norms.read(tmp_path / "abc.parquet")


def test_a_position_in_a_grid_without_norms_is_unknown() -> None:
    grids = np.stack([np.full(GRID, np.nan), np.arange(float(GRID))])
    assert np.isnan(position(grids, np.array([[50.0, 50.0]]))).tolist() == [[True, False]]

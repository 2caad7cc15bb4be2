"""Intervals by whole clusters: beside a bootstrap that copies rows, and where clusters are few."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from training import evaluate
from training.intervals import Clusters, Rows, clusters_of, drawn, lifts

CAPACITY, FIRST = 0.1, 20


def made(people: int = 480, schools: int = 12, apart: float = 0.0, seed: int = 3) -> Rows:
    """Return rows of two days whose schools differ by ``apart`` in log-odds, each with as many students."""
    rng = np.random.default_rng(seed)
    school = np.arange(people) % schools
    odds = rng.normal(-1.5, 1, people)
    label = (rng.random(people) < 1 / (1 + np.exp(-(odds + apart * rng.normal(0, 1, schools)[school])))).astype(np.int8)
    raw = np.concatenate([odds + rng.normal(0, 0.7, people) for _ in range(2)])
    other = np.concatenate([odds + rng.normal(0, 2.0, people) for _ in range(2)])
    return Rows(
        raw, 1 / (1 + np.exp(-raw)), np.tile(label, 2), np.repeat([0, 28], people), rng.random(2 * people),
        Clusters("school", np.tile(school, 2)), {"other": other},
    )  # fmt: skip


def copied(rows: Rows, draws: int) -> dict[str, list[float]]:
    """Return every figure in each draw of a bootstrap that copies the rows of the schools that were drawn."""
    rng, found = np.random.default_rng(11), dict[str, list[float]]()
    members = [np.flatnonzero(rows.clusters.number == one) for one in range(rows.clusters.count)]
    for _ in range(draws):
        at = np.concatenate([members[one] for one in rng.integers(0, len(members), len(members))])
        told = evaluate.measure(rows.raw[at], rows.label[at], rows.day[at], rows.tie[at], CAPACITY, rows.chance[at], FIRST)
        drawn_rows = replace(rows, raw=rows.raw[at], label=rows.label[at], day=rows.day[at], tie=rows.tie[at],
                             others={"other": rows.others["other"][at]})  # fmt: skip
        lift = lifts(drawn_rows, np.arange(len(at)), CAPACITY)["other"]
        for name, value in {**told.as_dict(), "lift_other": lift}.items():
            found.setdefault(name, []).append(float(value))
    return found


@pytest.mark.full
def test_intervals_are_those_of_a_bootstrap_that_copies_rows() -> None:
    rows = made(800, 16, 0.5)
    known, slow = drawn(rows, CAPACITY, FIRST, 1000, 7).overall, copied(rows, 120)
    assert set(known) == {*slow} - {"rows", "positives"}
    for name, (low, high) in known.items():
        spread = float(np.std(slow[name]))
        theirs = np.quantile(slow[name], [0.025, 0.975])
        assert np.abs(theirs - [low, high]).max() < 0.8 * spread, name
        assert high - low == pytest.approx(theirs[1] - theirs[0], rel=0.25), name


def test_every_figure_has_an_interval_around_it_of_all_days_and_of_each() -> None:
    rows = made(1200)
    found = drawn(rows, CAPACITY, FIRST, 60, 7)
    assert set(found.by_day) == {0, 28}
    point = evaluate.measure(rows.raw, rows.label, rows.day, rows.tie, CAPACITY, rows.chance, FIRST).as_dict()
    for name in ("auc", "average_precision", "precision_at_capacity", "recall_at_capacity", "brier", "calibration_slope"):
        low, high = found.overall[name]
        assert low < point[name] < high
        assert found.by_day[28][name][1] > found.by_day[28][name][0]
    assert found.overall["lift_other"][0] > 1


@pytest.mark.full
def test_schools_that_differ_widen_an_interval_by_schools_and_not_one_by_students() -> None:
    width: dict[tuple[float, str], float] = {}
    for apart in (0.0, 1.5):
        rows = made(1200, apart=apart)
        people = Clusters("student", np.tile(np.arange(1200), 2))
        for clusters in (rows.clusters, people):
            low, high = drawn(replace(rows, clusters=clusters), CAPACITY, FIRST, 100, 7).overall["calibration_intercept"]
            width[apart, clusters.by] = high - low
    assert width[1.5, "school"] > 2 * width[0.0, "school"]
    assert width[1.5, "student"] < 1.3 * width[0.0, "student"]


@pytest.mark.full
def test_few_clusters_widen_an_interval_and_none_leave_it_out() -> None:
    many = made(schools=40)
    few = replace(many, clusters=Clusters("school", many.clusters.number % 4))
    (low, high), (least, most) = (drawn(one, CAPACITY, FIRST, 100, 7).overall["auc"] for one in (many, few))
    assert most - least > high - low
    middle = evaluate.measure(many.raw, many.label, many.day, many.tie, CAPACITY).auc
    assert (least + most) / 2 == pytest.approx(middle, abs=1e-5), "Student's t is taken around the figure itself"
    assert "rough" in few.clusters.says
    assert "rough" not in many.clusters.says
    assert drawn(replace(many, clusters=Clusters("school", many.clusters.number * 0)), CAPACITY, FIRST, 100, 7).overall == {}


@pytest.mark.full
def test_intervals_are_the_same_when_drawn_again_and_in_any_order_of_rows() -> None:
    rows = made()
    at = np.random.default_rng(0).permutation(len(rows.label))
    turned = Rows(rows.raw[at], rows.chance[at], rows.label[at], rows.day[at], rows.tie[at], rows.clusters.take(at),
                  {"other": rows.others["other"][at]})  # fmt: skip
    first, again = (drawn(one, CAPACITY, FIRST, 40, 7) for one in (rows, turned))
    assert first.overall == drawn(rows, CAPACITY, FIRST, 40, 7).overall
    for name, interval in first.overall.items():
        assert again.overall[name] == pytest.approx(interval, abs=2e-6), name


def keys(schools: int, courses: int, classes: int, people: int = 400) -> pl.DataFrame:
    at = np.arange(people)
    return pl.DataFrame({"organisation_id": at % schools, "course_id": at % courses, "peers": at % classes, "student_id": at})\
        .cast(pl.String)  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "by"),
    [((8, 90, 200), "school"), ((7, 9, 200), "course"), ((1, 7, 90), "class"), ((5, 2, 6), "class"), ((6, 5, 4), "school"),
     ((1, 2, 3), "student")],
)  # fmt: skip
def test_what_is_drawn_are_schools_or_what_there_are_enough_of(counts: tuple[int, int, int], by: str) -> None:
    found = clusters_of(keys(*counts))
    assert found.by == by
    assert found.count == {"student": 400, **dict(zip(("school", "course", "class"), counts, strict=True))}[by]


def test_a_cluster_without_a_name_is_one_cluster() -> None:
    rows: Any = keys(8, 1, 1).with_columns(organisation_id=pl.when(pl.col("organisation_id") != "0").then("organisation_id"))
    assert clusters_of(rows).count == 8

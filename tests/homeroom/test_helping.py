"""A school year run again under other help: what it promises of its effects, and that nobody below the roof can ask it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homeroom.simulate.helping import Replay, replays
from homeroom.simulate.truth import open_truth
from homeroom.simulate.world import World

ROOT = Path(__file__).resolve().parents[2]
WORLD = World.of({"schools": {"zone_students": 200}, "years": {"first": 2024, "count": 2, "through": "2026-02-13"}})


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return replays(WORLD, 200, 3, tmp_path_factory.mktemp("helped") / "district")[-1]


def test_each_support_alone_is_what_the_truth_tells_of_it(tmp_path: Path) -> None:
    year = replays(WORLD, 120, 5, tmp_path / "district")[-1]
    told = open_truth(tmp_path / "district").table("supports").filter(pl.col("school_year") == year.year)
    late = told.filter(~pl.col("received"), pl.col("support") == "mentor_success", pl.col("target") == "chronic_absence")
    alone, none = year.alone()["mentor_success"], year.outcome(np.zeros((len(year), len(year.supports)), bool))
    rows = {key: at for at, key in enumerate(year.enrolments)}
    at = [rows[key] for key in late["enrolment_id"].cast(pl.String)]
    assert len(at) > 50
    assert alone.probability[at, 1] == pytest.approx(late["with_probability"].to_numpy(), abs=1e-6)
    assert none.probability[at, 1] == pytest.approx(late["without_probability"].to_numpy(), abs=1e-6)


def test_two_supports_do_more_than_either_and_half_a_dose_less(year: Replay) -> None:
    def missed(*names: str, dose: float = 1.0) -> float:
        gets = np.zeros((len(year), len(year.supports)))
        gets[:, [year.supports.index(name) for name in names]] = dose
        return float(year.outcome(gets).expected_days.sum())

    both, home, mentor = missed("att_home", "mentor_success"), missed("att_home"), missed("mentor_success")
    assert both < min(home, mentor) < missed("att_home", dose=0.5) < missed()
    assert missed() - both < (missed() - home) + (missed() - mentor)


def test_where_supports_do_nothing_no_plan_changes_anything(tmp_path: Path) -> None:
    nothing = World.read(ROOT / "homeroom" / "simulate" / "worlds" / "null_effects.toml")
    world = World.of({"schools": {"zone_students": 200}, "years": {"first": 2025, "count": 1, "through": "2026-02-13"}})
    year = replays(type(world)(**{**{name: getattr(world, name) for name in world.__dataclass_fields__},
                                  "supports": nothing.supports}), 120, 3, tmp_path / "d")[-1]  # fmt: skip
    gets = np.random.default_rng(1).random((len(year), len(year.supports))) < 0.5
    assert np.array_equal(year.outcome(gets).probability, year.outcome(np.zeros_like(gets)).probability)


def test_what_is_foreseen_knows_nothing_that_comes_after_october(year: Replay) -> None:
    seen = year.foreseen()
    assert len(seen) == len(year)
    planted, first = year._season.before.planted_from, 1
    assert not (seen._season.before.planted[planted > first] >= 0).any()
    assert all((one.sizes == 1).all() for one in seen._season.given.values())
    assert np.array_equal(seen._season.before.strain[:, : first + 1], year._season.before.strain[:, : first + 1])


def test_more_students_than_one_zone_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one zone"):
        replays(WORLD, 600, 1, tmp_path / "district")


@pytest.mark.full
def test_nothing_below_the_roof_names_the_year_that_is_run_again() -> None:
    for room in ("features", "training", "serving"):
        for path in (ROOT / room).rglob("*.py"):
            names = {
                name
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in [getattr(node, "module", None) or "", *(one.name for one in node.names)]
            }
            assert not any("simulate" in name for name in names), path

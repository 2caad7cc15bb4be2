"""The demonstration on a small district: everything that `make demo` does but opening a browser."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from homeroom.cli import main

pytestmark = pytest.mark.full


#: A training that is quick, since what it learns is judged elsewhere.
QUICK = ("--students", "600", "--set", "train.trees=30", "--set", "train.most_rows=20000", "--set", "train.bootstrap_draws=20")


def demo(home: Path, *more: str) -> str:
    told = CliRunner().invoke(main, ["demo", "--home", str(home), "--no-serve", *QUICK, *more])
    assert told.exit_code == 0, told.output
    return told.output


def test_a_district_is_simulated_learned_from_and_scored_and_a_second_run_does_nothing_again(tmp_path: Path) -> None:
    printed = demo(tmp_path)
    line = next(one for one in printed.splitlines() if "curl" in one)
    assert "http://127.0.0.1:3000/students/score" in line
    assert line.rpartition('["')[2].startswith("S")
    assert "training: learning_gap: registering" in printed
    scores = pl.read_parquet(tmp_path / "demo" / "scores.parquet")
    assert {"course_failure", "learning_gap", "chronic_absence"} <= set(scores["target"])
    assert scores.filter(pl.col("band") == "check_in_suggested", pl.col("reasons").list.len() > 0).height > 0
    again = json.loads(demo(tmp_path, "--json").splitlines()[-1])
    assert again["students"] == scores["student_id"].n_unique() > 400
    assert set(again["versions"].values()) == {"1"}
    assert pl.read_parquet(again["scores"]).equals(scores)
    assert again["key"] not in printed

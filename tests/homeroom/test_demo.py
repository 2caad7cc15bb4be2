"""The demonstration on a small district: everything that `make demo` does but opening a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from features.problems import Refused
from homeroom import examples
from homeroom.cli import main
from homeroom.examples import choose
from homeroom.simulate import judge

#: A training that is quick, since what it learns is judged elsewhere.
SETTINGS = ("train.trees=30", "train.most_rows=20000", "train.bootstrap_draws=20", "train.refits=1", "train.shift_parts=2",
            "train.proof_dates=1", "train.explained=50", "audit.draws=20")  # fmt: skip
QUICK = ("--students", "600", *(word for one in SETTINGS for word in ("--set", one)))

#: Who somebody is, and what is not said to people about people: the same words as in the tests of sentences.
WHO = re.compile(
    r"\b(sex|gender|male|female|boys?|girls?|disab\w*|depriv\w*|imd|region\w*|age|ages|aged|ethnic\w*|race|religion|income|"
    r"poor|poverty|prior education|home internet|internet|devices?|laptops?|phones?)\b",
    re.IGNORECASE,
)
UNSAID = re.compile(
    r"\b(flag\w*|risk\w*|dropout|course_failure|learning_gap|will|predict\w*|fail(s|ed|ure)?|at-risk)\b", re.IGNORECASE
)
UNFIT = re.compile(r"[{}]|\bnan\b|\bNone\b|\binf\b|  |(?<![\w.])-0(?![.\d]*[1-9])| [.,;:]|\.\.", re.IGNORECASE)


def demo(home: Path, *more: str) -> str:
    told = CliRunner().invoke(main, ["demo", "--home", str(home), "--no-serve", *QUICK, *more])
    assert told.exit_code == 0, told.output
    return told.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demonstration, and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    return home, demo(home)


@pytest.mark.full
def test_a_district_is_simulated_learned_from_and_scored_and_a_second_run_does_nothing_again(made: tuple[Path, str]) -> None:
    home, printed = made
    line = next(one for one in printed.splitlines() if "curl" in one)
    assert "http://127.0.0.1:3000/students/score" in line
    assert line.rpartition('["')[2].startswith("S")
    assert "training: learning_gap: registering" in printed
    scores = pl.read_parquet(home / "demo" / "scores.parquet")
    assert {"course_failure", "learning_gap", "chronic_absence"} <= set(scores["target"])
    assert scores.filter(pl.col("band") == "check_in_suggested", pl.col("reasons").list.len() > 0).height > 0
    again = json.loads(demo(home, "--json").splitlines()[-1])
    assert again["students"] == scores["student_id"].n_unique() > 400
    assert set(again["versions"].values()) == {"1"}
    assert pl.read_parquet(again["scores"]).equals(scores)
    assert again["key"] not in printed


@pytest.mark.full
def test_the_page_of_five_students_says_nothing_that_is_not_to_be_said(
    made: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    home = made[0] / "demo"
    assert examples.main([str(home)]) == 0
    text = capsys.readouterr().out
    words, _, answer = text.partition("```json\n")
    told = json.loads(answer.removesuffix("\n```\n"))
    assert text.count("\n## ") == 6
    names = re.findall(r"^## (\w+)$", words, re.MULTILINE)
    identities = pl.read_parquet(home / "district" / "identities" / "*.parquet")
    assert set(names) <= {*identities["given_name"], *identities["preferred_name"]}
    said = [line for line in words.splitlines() if line.startswith("- ")]
    assert len(said) > 20
    facts = [line for line in said if re.match(r"- [A-Z][\w ]+: [A-Z]", line)]
    assert len(facts) > 10
    assert [line for line in facts if WHO.search(line)] == []
    own = re.sub(r"^\*\*.*?\*\*", "", words, flags=re.MULTILINE)  # a skill is named by the school
    assert [line for line in own.splitlines() if UNSAID.search(line)] == []
    assert [line for line in words.splitlines() if UNFIT.search(line)] == []
    of_help = "- **"  # what the catalogue says of everybody
    assert [line for line in words.splitlines() if "The student" in line and not line.startswith(of_help)] == []
    assert told["student_id"].startswith("S")
    assert {risk["target"] for risk in told["risks"]} <= set(examples.HEADS)
    assert len(told["gaps"]) <= examples.MOST_SKILLS


@pytest.mark.full
def test_the_models_of_a_demonstration_are_judged_beside_the_truth(
    made: tuple[Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = made[0] / "demo"
    assert judge.main([str(home / "district"), str(home), "--json"]) == 0
    found = {one["target"]: one for one in json.loads(capsys.readouterr().out)}
    assert {"course_failure", "learning_gap", "chronic_absence"} <= set(found)
    for one in found.values():
        assert one["rows"] > 100
        assert 2 <= len(one["days"]) <= 4
    assert found["course_failure"]["best_auc"] > found["course_failure"]["auc"] > 0.7
    another = tmp_path / "another"
    CliRunner().invoke(main, ["simulate", "--students", "40", "--seed", "1", "--out", str(another), "--home", str(tmp_path)])
    assert judge.main([str(another), str(home)]) == 1
    assert "not those of another" in capsys.readouterr().err


def test_no_page_is_written_of_anybody_who_was_not_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "district").mkdir()
    (tmp_path / "district" / "simulation.json").write_text('{"made_by": "a school"}')
    assert examples.main([str(tmp_path)]) == 1
    assert "was not simulated" in capsys.readouterr().err
    assert examples.main([]) == 2
    with pytest.raises(Refused):
        examples.page(tmp_path)


def test_students_are_chosen_by_rule_and_each_once() -> None:
    scores = pl.DataFrame({
        "target": ["dropout"] * 7 + ["chronic_absence"],
        "student_id": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "probability": [0.5, 0.1, 0.2, 0.3, 0.4, 0.05, None, 0.99],
        "unknowns": [[]] * 8,
    })  # fmt: skip
    access = pl.DataFrame({"student_id": ["a", "b", "c"], "internet": ["none", "none", "broadband"]})
    assert [one.student_id for one in choose(scores, access)] == ["a", "c", "f", "g", "b"]

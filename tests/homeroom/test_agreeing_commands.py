"""Goals and capacity at the command line: checked whole, signed in somebody's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import example_school
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from click.testing import CliRunner

from homeroom.cli import AGREED_KINDS, main
from serving.cases import people
from serving.cases.agreements import KINDS, history
from serving.cases.database import open_database
from serving.cases.people import create_account
from serving.catalogue import FILE
from serving.goals import AGREED
from serving.store import Store

Run = Callable[..., tuple[int, str, str]]

NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
GOAL = (
    '[[goal]]\nid = "skills"\nmeasure = "most_skills_secure"\npopulation = "{}"\ntarget = 60\nby = 2027-06-30\n'
    "next_review = 2027-01-31\n[goal.agreed_by]\n" + "".join(f'{body} = ["Ida Lovell"]\n' for body in AGREED)
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
    home = tmp_path / "home"
    example_school.records().write(Store.of(home, "default").records_folder)
    db = open_database(f"sqlite:///{home}/homeroom.db")
    for login, role in (("ida", "principal"), ("ben", "teacher")):
        create_account(db, "default", login=login, name=login.title(), role=role, password="paper boats at noon", now=NOW,  # type: ignore[arg-type]
                       person_id=login)  # fmt: skip
    db.dispose()
    return home


@pytest.fixture
def run(home: Path) -> Run:
    def one(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, [*words, "--home", str(home)])
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        return done.exit_code, done.stdout, done.stderr

    return one


def school() -> str:
    return str(example_school.records().school_table("organisations")["organisation_id"][0])


def test_the_kinds_of_the_command_are_those_that_there_are() -> None:
    assert AGREED_KINDS == KINDS


@pytest.mark.full
def test_goals_are_signed_in_somebodys_name_and_told(run: Run, home: Path) -> None:
    assert "There is no goals.toml" in run("goals")[1]
    (home / "goals.toml").write_text(GOAL.format(school()))
    assert "goals.toml: 1 goals, not signed as they are written." in run("goals")[1]
    code, out, _ = run("agree", "goals", "--as", "ida", "--reason", "a new year")
    assert (code, out.split(" on ")[0]) == (0, "goals: version 1, signed by Ida (principal)")
    said = run("goals")[1]
    assert "goals.toml: 1 goals, as signed." in said
    assert "capacity: nothing is signed." in said
    (told, *_) = [json.loads(line) for line in run("goals", "--json")[1].splitlines()]
    assert (told["kind"], told["version"], told["signed"][0]["reason"]) == ("goals", 1, "a new year")


@pytest.mark.full
def test_a_catalogue_is_signed_from_where_the_district_keeps_it(run: Run, home: Path) -> None:
    own = Store.of(home, "default").folder / FILE
    own.write_text('[withdraw.att_mail]\nreason = "Stopped by the board."\non = 2026-09-01\n')
    assert f"{FILE}: no catalogue was ever signed, so it is read as it is." in run("goals")[1]
    code, out, _ = run("agree", "catalogue", "--as", "ida", "--reason", "a new year")
    assert (code, out.split(" on ")[0]) == (0, "catalogue: version 1, signed by Ida (principal)")
    assert f"{FILE}: as signed." in run("goals")[1]
    own.write_text('[withdraw.att_home]\nreason = "Nobody edits this alone."\non = 2026-09-01\n')
    assert f"{FILE}: not signed as it is written" in run("goals")[1]


@pytest.mark.full
def test_what_cannot_be_agreed_on_is_refused_with_all_its_faults_and_nothing_is_signed(run: Run, home: Path) -> None:
    (home / "goals.toml").write_text(GOAL.format("nowhere").replace("target = 60", "target = 3"))
    code, _, complaint = run("agree", "goals", "--as", "ida", "--reason", "a new year")
    assert code == 1
    assert "goal 1, population" in complaint
    assert "goal 1, target" in complaint
    assert run("goals")[0] == 1
    (home / "goals.toml").write_text(GOAL.format(school()))
    for words, says in ((("--as", "nobody"), "No account has the login nobody"), (("--as", "ben"), "not among them")):
        code, _, complaint = run("agree", "goals", *words, "--reason", "a new year")
        assert (code, says in complaint) == (1, True)
    assert "There is no capacity.toml" in run("agree", "capacity", "--as", "ida", "--reason", "why")[2]
    db = open_database(f"sqlite:///{home}/homeroom.db")
    assert history(db, "default") == ()
    db.dispose()

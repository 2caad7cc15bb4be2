"""Accounts and the trail at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import example_school
import polars as pl
import pyotp
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from click.testing import CliRunner
from sqlalchemy import Engine, text

from features.records import SchoolRecords, with_versions
from features.tables import TABLES
from homeroom.cli import ROLE_NAMES, main
from serving.cases import people, trail
from serving.cases.database import open_database
from serving.cases.people import ROLES
from serving.store import Store

Run = Callable[..., Any]

ADD = ("add", "ruth.okoro@lincoln.example", "--name", "Ruth Okoro", "--role", "counselor")
LOGIN = ADD[1]
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    """Run a command of accounts, or another family's, and return its exit code, what it printed and what it complained of."""

    def one(*words: str, of: str = "accounts", typed: str = "") -> tuple[int, str, str]:
        done = CliRunner().invoke(main, [of, *words, "--home", str(home)], input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        return done.exit_code, done.stdout, done.stderr

    return one


@pytest.fixture
def db(home: Path) -> Iterator[Engine]:
    home.mkdir()
    engine = open_database(f"sqlite:///{home}/homeroom.db")
    yield engine
    engine.dispose()


def told(run: Run, *words: str, of: str = "accounts") -> list[Any]:
    """Return what a command prints for a machine: one object a line, and nothing else."""
    code, out, _ = run(*words, "--json", of=of)
    assert code == 0, out
    return [json.loads(line) for line in out.splitlines()]


def enter(db: Engine, password: str, login: str = LOGIN) -> bool:
    return people.prove_password(db, "default", login, password, NOW) is not None


def test_the_roles_are_those_of_accounts() -> None:
    assert ROLE_NAMES == ROLES


def test_a_password_that_was_made_is_shown_once_and_lets_in(run: Run, db: Engine) -> None:
    code, out, _ = run(*ADD)
    assert code == 0
    assert f"{LOGIN} is made, counselor." in out
    password = out.partition("shown this once: ")[2].strip()
    assert enter(db, password)
    assert password not in run("list")[1]
    (account,) = told(run, "list")
    assert {"login": LOGIN, "name": "Ruth Okoro", "role": "counselor", "second_factor": False, "disabled": False}.items() <= (
        account.items()
    )


def test_a_password_that_was_asked_for_is_typed_twice_and_never_shown(run: Run, db: Engine) -> None:
    code, out, said = run(*ADD, "--ask-password", typed="violet tram under snow\nviolet tram under snow\n")
    assert code == 0
    assert "violet" not in out + said
    assert enter(db, "violet tram under snow")


def test_no_password_is_an_option_that_everybody_on_the_machine_could_read(run: Run) -> None:
    assert run(*ADD, "--password", "violet tram under snow")[0] == 2


def test_every_fault_of_an_account_is_told_at_once_and_nothing_is_made(run: Run, db: Engine) -> None:
    code, out, said = run("add", "x", "--name", " ", "--role", "teacher", "--ask-password", typed="short\nshort\n")
    assert (code, out) == (1, "")
    assert [word for word in ("login", "name", "person_id", "password") if word in said] == [
        "login", "name", "person_id", "password",
    ]  # fmt: skip
    assert people.accounts(db, "default") == []


def test_a_login_is_taken_once(run: Run) -> None:
    assert run(*ADD)[0] == 0
    code, _, said = run("add", LOGIN.upper(), *ADD[2:])
    assert code == 1
    assert "There is an account with this login" in said


@pytest.mark.parametrize(
    ("role", "known", "unknown"), [("student", "ana", "Zephyrine"), ("teacher", "T-1", "T-404"), ("guardian", "G-1", "ana")]
)
def test_somebody_of_the_records_is_looked_for_there(run: Run, home: Path, role: str, known: str, unknown: str) -> None:
    rows = {"staff": {"staff_id": "T-1"}, "guardians": {"student_id": "ana", "guardian_id": "G-1"}}
    frames = {**example_school.tables()}
    frames |= {name: with_versions(pl.DataFrame(row), TABLES[name], "default") for name, row in rows.items()}
    SchoolRecords.from_frames(frames).write(Store.of(home, "default").records_folder)
    code, out, said = run("add", "one", "--name", "One", "--role", role, "--person", unknown)
    assert (code, out) == (1, "")
    assert unknown not in said, "a key that was typed wrong may be somebody's name"
    assert f"The records know no {role} by this key" in said
    assert run("add", "one", "--name", "One", "--role", role, "--person", known)[0] == 0


def test_where_there_are_no_records_it_is_said_that_nothing_was_checked(run: Run) -> None:
    code, out, _ = run(*ADD, "--person", "T-1")
    assert code == 0
    assert "No records are here yet, so the key was not checked against them." in out


def test_a_disabled_account_lets_nobody_in_until_it_is_enabled(run: Run, db: Engine) -> None:
    (made,) = told(run, *ADD)
    assert run("disable", LOGIN.upper())[0] == 0
    assert not enter(db, made["password"])
    assert "disabled" in run("list")[1]
    assert run("enable", LOGIN)[0] == 0
    assert enter(db, made["password"])


def test_another_password_takes_the_place_of_the_first(run: Run, db: Engine) -> None:
    (made,) = told(run, *ADD)
    (other,) = told(run, "password", LOGIN)
    assert not enter(db, made["password"])
    assert enter(db, other["password"])
    assert run("password", LOGIN, "--ask-password", typed="ruth okoro 2026\nruth okoro 2026\n")[0] == 1
    assert enter(db, other["password"])


def test_a_second_factor_that_was_lost_is_forgotten(run: Run, db: Engine) -> None:
    (made,) = told(run, *ADD)
    totp = pyotp.TOTP(people.begin_second_factor(db, "default", made["id"], NOW).secret)
    people.confirm_second_factor(db, "default", made["id"], totp.at(NOW), NOW)
    assert "second factor" in run("list")[1]
    assert "sets up another when they next sign in" in run("second-factor-reset", LOGIN)[1]
    assert not people.has_second_factor(db, "default", made["id"])


@pytest.mark.parametrize("command", ["disable", "enable", "password", "second-factor-reset"])
def test_nobody_is_changed_who_has_no_account(run: Run, command: str) -> None:
    code, out, said = run(command, "nobody@lincoln.example")
    assert (code, out) == (1, "")
    assert "There is no account with this login" in said


def test_nothing_here_tells_who_has_practised(run: Run, db: Engine) -> None:
    (made,) = told(run, *ADD)
    before = run("list")[1], told(run, "list")
    people.note_practice(db, "default", made["id"], NOW.date())
    assert (run("list")[1], told(run, "list")) == before


def test_what_all_commands_are_told_stands_before_a_familys_own_or_after_it(home: Path) -> None:
    for words in (["accounts", "--home", str(home), "--json", *ADD], ["accounts", "list", "--home", str(home), "--json"]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0
        assert f'"login":"{LOGIN}"' in done.stdout
    assert (home / "homeroom.db").exists()


# -- the trail ----------------------------------------------------------------------------------------------------


def test_a_whole_trail_is_told_with_its_end_and_passes_through_one_that_was_noted(run: Run) -> None:
    run(*ADD)
    noted = run("head", of="trail")[1].strip()
    run("disable", LOGIN)
    code, out, _ = run("verify", "--known", noted, of="trail")
    assert code == 0
    assert "The trail is whole: 2 rows, through row 1 as it was noted." in out
    (end,) = told(run, "verify", of="trail")
    assert end["whole"]
    assert noted.startswith("1:")
    assert told(run, "head", of="trail") == [{"number": 2, "digest": end["digest"]}]


def test_a_trail_that_was_changed_is_refused_with_the_place(run: Run, db: Engine) -> None:
    run(*ADD)
    run("disable", LOGIN)
    with db.connect() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("UPDATE trail SET why = 'nothing' WHERE number = 2"))
        connection.commit()
    code, out, said = run("verify", of="trail")
    assert (code, out) == (1, "")
    assert "row 2: this row was changed" in said


def test_an_end_that_was_noted_of_another_trail_is_refused(run: Run) -> None:
    run(*ADD)
    assert run("verify", "--known", f"1:{'0' * 64}", of="trail")[0] == 1
    assert run("verify", "--known", f"7:{'0' * 64}", of="trail")[0] == 1
    assert run("verify", "--known", "the first", of="trail")[0] == 2


def test_who_looked_at_a_student_is_told_and_that_it_was_asked(run: Run, db: Engine) -> None:
    (made,) = told(run, *ADD)
    account = people.find(db, "default", made["id"])
    trail.record(db, "default", account, "see_student", "S-1", "caseload", NOW)
    code, out, _ = run("views", "S-1", of="trail")
    assert code == 0
    assert "Ruth Okoro, counselor: see_student (caseload)" in out
    again = told(run, "views", "S-1", of="trail")
    assert [one["action"] for one in again] == ["views_read", "see_student"]
    assert run("views", "S-2", of="trail")[0] == 1
    assert trail.verify(db, "default") is None

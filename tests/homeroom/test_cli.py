"""The command line: every command, its exit codes, and what it says to people and to machines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import example_school
import oulad_school
import polars as pl
import pytest
from click.testing import CliRunner, Result
from test_documents import stated
from trainings import COURSE_TARGETS

from features.records import SchoolRecords
from features.sources import SOURCES
from features.standard import STANDARD
from homeroom.cli import SOURCE_NAMES, TARGET_NAMES, main
from homeroom.flat import FLAT
from homeroom.responses import RESPONSES
from serving.answers import AUDIENCES
from serving.batch import SCHEMA
from serving.cases.database import open_database
from serving.cases.keys import create_key, find_key
from training.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
TODAY = oulad_school.TODAY.isoformat()

COMMANDS = {"check", "features", "train", "models", "card", "sign", "promote", "rollback", "stop", "score", "serve", "key",
            "keys", "revoke", "simulate", "demo", "map", "audit", "evaluate", "monitor", "accounts", "trail",
            "pause", "resume", "families", "goals", "agree", "allocate", "access", "delivered", "effects",
            "resources", "lessons", "photos"}  # fmt: skip

#: The tables of a school that tells of its courses and nothing else: to read every other takes as long again.
COURSES = {"organisations", "terms", "courses", "sections", "students", "enrolments", "exits", "rosters", "assignments",
           "submissions", "results", "activity", "skills", "assignment_skills", "skill_results", "outcomes"}  # fmt: skip

#: What must not be imported to print a line of help.
HEAVY = ("polars", "lightgbm", "mlflow", "bentoml", "pandas", "sklearn", "numpy", "shapiq", "matplotlib", "sqlalchemy")


@dataclass
class Said:
    """What a command said, and how it ended."""

    exit: int
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """What it printed for a machine: one object a line, and nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Said]


def running(home: Path) -> Run:
    """Return a way to run commands in a state folder."""

    def run(*words: object, code: int = 0, home: Path | None = home) -> Said:
        where = ["--home", str(home)] if home else []
        name, *rest = map(str, words)
        done: Result = CliRunner().invoke(main, [name, *where, *rest], catch_exceptions=True)
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        assert done.exit_code == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.output
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return running(tmp_path / "home")


@pytest.fixture(scope="module")
def oulad_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few students in the Open University's own files."""
    return oulad_school.export(tmp_path_factory.mktemp("oulad"), each=12)


@pytest.fixture(scope="module")
def tables_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example school's courses in the canonical tables."""
    courses = {name: frame for name, frame in example_school.tables().items() if name in COURSES}
    return example_school.export(tmp_path_factory.mktemp("tables") / "export", courses)


@pytest.fixture
def export(tables_export: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(tables_export, tmp_path / "export")


# -- help -----------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_in_a_line_each() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    listed = {line.split()[0] for line in done.output.partition("Commands:")[2].splitlines() if line.strip()}
    assert listed == set(main.commands) == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_the_options_that_all_have(command: str) -> None:
    for flag in ("--help", "-h"):
        done = CliRunner().invoke(main, [command, flag])
        assert done.exit_code == 0
        for option in ("--json", "--set KEY=VALUE", "--home DIR"):
            assert option in done.output
        assert main.commands[command].help


def test_the_words_for_sources_targets_and_audiences_are_those_of_the_floors_below() -> None:
    assert set(SOURCE_NAMES) == {*SOURCES, FLAT, RESPONSES}  # a flat file and a log are no exports of a school's records
    assert set(TARGET_NAMES) == set(TARGETS)
    audience = next(option for option in main.commands["key"].params if option.name == "audience")
    assert set(audience.type.choices) == set(AUDIENCES)  # type: ignore[attr-defined]


@pytest.mark.full
@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["score", "-h"], ["--version"], ["train"], ["nonsense"]])
def test_help_and_wrong_usage_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom homeroom.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "heavy:"


# -- exit codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["check", "somewhere"],
        ["check", "--source", "excel", "somewhere"],
        ["check", "--source", "oulad"],
        ["features", "--source", "oulad", "x", "--out", "y"],
        ["features", "--source", "oulad", "x", "--as-of", "12.04.2014", "--out", "y"],
        ["score", "--source", "oulad", "x", "--as-of", "2014-02-30", "--out", "y"],
        ["score", "--source", "oulad", "x", "--as-of", "20140412", "--out", "y"],
        ["train", "--source", "oulad", "x", "--test-from", "2014-W15-6"],
        ["train", "--source", "oulad", "x", "--target", "weather"],
        ["promote", "dropout"],
        ["rollback", "The weather"],
        ["key", "--audience", "everybody"],
        ["keys", "--colour"],
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_is_wrong(run: Run, tmp_path: Path, words: list[str]) -> None:
    said = run(*words, code=2)
    assert "Error" in said.err
    assert not (tmp_path / "home").exists()


def test_what_is_refused_ends_with_one_and_says_why(run: Run, tmp_path: Path) -> None:
    for words in (
        ["check", "--source", "oulad", tmp_path / "nowhere"],
        ["revoke", "nosuchky"],
        ["keys", "--set", "colour=red"],
        ["features", "--source", "tables", tmp_path, "--as-of", TODAY, "--out", tmp_path / "f.parquet"],
    ):
        said = run(*words, code=1)
        assert said.err.strip()
        assert said.out == ""
        (error,) = run(*words, "--json", code=1).objects
        assert set(error) == {"error"}
        assert error["error"]["message"]
        assert isinstance(error["error"]["problems"], list)


def test_what_is_done_ends_with_nought(run: Run) -> None:
    assert run("keys").out == ""


# -- check ----------------------------------------------------------------------------------------------------------


def test_check_accounts_for_every_row(run: Run, oulad_export: Path) -> None:
    said = run("check", "--source", "oulad", oulad_export)
    for file in oulad_export.iterdir():
        rows = pl.read_parquet(file).height
        assert f"{file.name}: {rows:,} rows read = {rows:,} kept + 0 set aside" in said.out
    (found,) = run("check", "--source", "oulad", oulad_export, "--json").objects
    assert set(found) == {"abilities", "accounts", "notes", "problems", "quarantine"}
    assert {one["file"] for one in found["accounts"]} == {file.name for file in oulad_export.iterdir()}
    assert (found["problems"], found["quarantine"]) == ([], [])


def test_check_lists_every_missing_file_and_every_wrong_header_at_once(run: Run, export: Path) -> None:
    (export / "organisations.csv").unlink()
    (export / "students.csv").unlink()
    for name, wrong, right in (("activity", "clicks", "actions"), ("results", "mark_date", "marked_on")):
        text = (export / f"{name}.csv").read_text()
        (export / f"{name}.csv").write_text(text.replace(right, wrong, 1))
    (export / "atendance.csv").write_text("student_id\nana\n")
    said = run("check", "--source", "tables", export, code=1)
    expected = ("organisations.csv", "students.csv", "actions", "marked_on", "atendance.csv")
    assert all(name in said.err for name in expected)
    (error,) = run("check", "--source", "tables", export, "--json", code=1).objects
    assert len(error["error"]["problems"]) == len(expected)
    for problem in error["error"]["problems"]:
        assert set(problem) >= {"where", "problem", "hint"}


def test_check_sets_bad_rows_aside_and_says_where_they_are(run: Run, export: Path, tmp_path: Path) -> None:
    with (export / "activity.csv").open("a") as file:
        file.write("ana,ana-autumn,algebra-autumn,Zephyrine,quiz,1,1\nana,ana-autumn,algebra-autumn,2026-10-09,quiz,-1,1\n")
    said = run("check", "--source", "tables", export)
    assert "kept + 2 set aside" in said.out
    assert "Zephyrine" not in said.out
    (found,) = run("check", "--source", "tables", export, "--json").objects
    assert {problem["code"] for problem in found["problems"]} == {"bad_value", "out_of_range"}
    file_of, summary = found["quarantine"]
    assert pl.read_csv(file_of).height == 2
    assert "activity.quarantined.csv" in Path(summary).read_text()
    assert str(tmp_path / "home") in file_of


def test_a_problem_names_file_row_and_column_and_a_way_out(run: Run, export: Path) -> None:
    lines = (export / "outcomes.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[4], "Zephyrine")
    (export / "outcomes.csv").write_text("\n".join(lines) + "\n")
    said = run("check", "--source", "tables", export)
    assert "outcomes.csv, row 4, column result" in said.out
    assert "Use one of:" in said.out


# -- features, and the settings that reach them ---------------------------------------------------------------------


def test_features_writes_a_row_per_enrolment_and_date(run: Run, oulad_export: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "features.parquet"
    days = ["2014-03-01", TODAY]
    said = run("features", "--source", "oulad", oulad_export, "--as-of", days[0], "--as-of", days[1], "--out", out, "--json")
    (told,) = said.objects
    table = pl.read_parquet(out)
    assert told["rows"] == table.height > 20
    assert told["features"] == len(STANDARD.at("enrolment"))
    assert sorted(table["as_of"].unique().dt.to_string("%Y-%m-%d")) == days
    assert table.select("enrolment_id", "as_of").is_unique().all()


@pytest.mark.full
def test_a_setting_of_the_source_reaches_it(run: Run, oulad_export: Path, tmp_path: Path) -> None:
    def marks(*sets: str) -> float:
        out = tmp_path / "features.parquet"
        run("features", "--source", "oulad", oulad_export, "--as-of", TODAY, "--out", out, *sets)
        return float(pl.read_parquet(out)["marks_known"].sum())

    usual, at_once = marks(), marks("--set", "source.marking_lag_days=0")
    assert marks("--set", "source.marking_lag_days=14") == usual < at_once
    assert marks("--set", "source.marking_lag_days=60") < usual


def test_an_unknown_setting_is_refused_with_those_that_there_are(run: Run, oulad_export: Path) -> None:
    said = run("check", "--source", "oulad", oulad_export, "--set", "source.lag=0", code=1)
    assert "source.lag: there is no such setting" in said.err
    assert "source.marking_lag_days, source.pass_mark" in said.err
    said = run("check", "--source", "oulad", oulad_export, "--set", "lag=0", code=1)
    assert "tenant, database_url, mlflow_uri" in said.err


def test_a_file_of_settings_with_an_unknown_key_is_refused(run: Run, tmp_path: Path, oulad_export: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "homeroom.toml").write_text("[source]\nmarking_lag = 3\n")
    said = run("check", "--source", "oulad", oulad_export, code=1)
    assert "source.marking_lag: there is no such setting" in said.err


def test_the_state_is_where_it_is_told_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = running(tmp_path / "named")
    monkeypatch.setenv("HOMEROOM_HOME", str(tmp_path / "environment"))
    run("key")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["named"]
    run("key", home=None)
    assert (tmp_path / "environment" / "homeroom.db").exists()
    monkeypatch.delenv("HOMEROOM_HOME")
    run("key", home=None)
    assert (tmp_path / ".homeroom" / "homeroom.db").exists()


@pytest.mark.full
def test_an_export_that_has_not_changed_is_read_once_and_one_that_has_is_read_again(
    run: Run, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "f.parquet"
    written = 0
    real = SchoolRecords.write

    def counted(*given: Any) -> SchoolRecords:
        nonlocal written
        written += 1
        return real(*given)

    monkeypatch.setattr(SchoolRecords, "write", counted)
    words = ("features", "--source", "tables", export, "--as-of", example_school.TODAY.isoformat(), "--out", out)
    for expected in (1, 1):
        run(*words)
        assert written == expected
    with (export / "activity.csv").open("a") as file:
        file.write("ben,ben-autumn,algebra-autumn,2026-11-12,quiz,1,1\n")
    run(*words)
    assert written == 2
    run(*words, "--set", "source.pass_mark=0.5")
    assert written == 3


# -- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_is_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'home' / 'homeroom.db'}")
    secret = run("key").out.strip()
    found = find_key(db, secret)
    assert found is not None
    assert (found.tenant, found.audience) == ("default", "teacher")
    (made,) = run("key", "--audience", "counselor", "--label", "the office", "--json").objects
    assert set(made) == {"key", "audience", "tenant"}
    listed = run("keys", "--json").objects
    assert [(one["audience"], one["label"]) for one in listed] == [("teacher", ""), ("counselor", "the office")]
    assert secret not in run("keys").out
    assert len(run("keys").out.splitlines()) == 2
    run("revoke", found.id)
    assert find_key(db, secret) is None
    assert find_key(db, made["key"]) is not None


def test_a_key_of_another_tenant_is_neither_listed_nor_revoked(run: Run, tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'home' / 'homeroom.db'}")
    secret = create_key(db, "lincoln")
    assert run("keys").out == ""
    theirs = find_key(db, secret)
    assert theirs is not None
    assert theirs.id in run("revoke", theirs.id, code=1).err
    assert find_key(db, secret) is not None
    run("revoke", theirs.id, "--set", "tenant=lincoln")
    assert find_key(db, secret) is None


# -- from an export to a list ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, Path, list[Any]]:
    """A state folder in which a model of every target was trained from the command line: how to run, home, export, results."""
    home = tmp_path_factory.mktemp("trained")
    export = oulad_school.export(home / "export")
    (home / "homeroom.toml").write_text(
        "[train]\ntrees = 10\ndays = [0, 28, 56]\njudged_days = [28, 56]\nbootstrap_draws = 20\nrefits = 2\nexplained = 20\n"
        "parameters = {num_leaves = 7, num_threads = 1, min_child_samples = 20}\n"
        f"{stated()}"
    )
    run = running(home)
    return run, home, export, run("train", "--source", "oulad", export, "--json").objects


@pytest.mark.full
def test_train_prints_one_object_per_target_as_promised(trained: tuple[Run, Path, Path, list[Any]]) -> None:
    _, _, _, results = trained
    assert [one["target"] for one in results] == list(COURSE_TARGETS), "the Open University takes no attendance"
    promised = {"target", "model_version", "run_id", "passed_gate", "train", "test", "metrics", "by_as_of", "baselines",
                "groups", "seconds"}  # fmt: skip
    for one in results:
        assert set(one) >= promised
        assert one["model_version"] == "1"
        assert set(one["train"]) >= {"rows", "positives", "from", "to"}
        assert set(one["metrics"]) >= {
            "auc",
            "average_precision",
            "brier",
            "ece",
            "precision_at_capacity",
            "recall_at_capacity",
        }
        assert set(one["seconds"]) == {"features", "fit", "explain", "total"}
        assert one["train"]["to"] < one["test"]["from"]


@pytest.mark.full
def test_a_version_is_promoted_scores_and_is_rolled_back(trained: tuple[Run, Path, Path, list[Any]], tmp_path: Path) -> None:
    run, home, export, results = trained
    out = tmp_path / "scores.parquet"
    score = ("score", "--source", "oulad", export, "--as-of", TODAY, "--out", out)
    assert "promote" in run(*score, code=1).err  # nothing serves yet
    assert "no version" in run("promote", "dropout", "9", code=1).err
    for one in results:
        refused = run("promote", one["target"], "1", code=1)
        assert "homeroom sign" in refused.err, "nobody has signed"
        assert ("--despite-gate" in refused.err) is not one["passed_gate"]
        run("sign", one["target"], "1", "--role", "education", "--name", "Ben Okoro")
        run(
            "promote",
            one["target"],
            "1",
            "--despite-gate",
            "it is a test",
            "--signed",
            "data_science=Ida Lovell",
            "--by",
            "Ann",
        )
    listed = run("models", "--json").objects
    assert {one["target"]: (one["version"], one["champion"]) for one in listed} == dict.fromkeys(COURSE_TARGETS, ("1", True))
    told = run("models", "dropout").out.splitlines()
    assert "serves despite its gate: it is a test" in told[0]
    assert told[1].endswith("signed version 1: Ben Okoro for education")
    assert told[3].endswith("Ann: promoted version 1: it is a test")
    (card,) = run("card", "dropout", "--json").objects
    assert (card["version"], card["data_sheet"]["source"]) == ("1", "oulad")
    assert [one["file"] for one in card["data_sheet"]["accounts"]], "read from the export of this training"
    page = tmp_path / "family.html"
    run("card", "dropout", "--audience", "family", "--out", page)
    assert "How your school uses this score" in page.read_text()
    assert "Who decides" in run("card", "--audience", "public").out

    (told,) = run(*score, "--json").objects
    first = out.read_bytes()
    table = pl.read_parquet(out)
    assert list(table.columns) == list(SCHEMA)
    assert told["rows"] == table.height == sum(sum(one.values()) for one in told["counts"].values())
    assert told["students"] == table["student_id"].n_unique() > 200
    assert set(told["counts"]) == set(COURSE_TARGETS)
    (again,) = run(*score, "--json").objects
    assert again["parts_found"] == again["parts"]
    assert out.read_bytes() == first
    assert f"{told['rows']:,} rows" in run(*score).out

    (second,) = run("train", "--source", "oulad", export, "--target", "dropout", "--set", "train.trees=5", "--json").objects
    assert second["model_version"] == "2"
    assert "lacks: signature: data_science" in run("models", "dropout").out
    promoted = ("promote", "dropout", "2", "--despite-gate", "it is a test", "--signed", "data_science=Ida Lovell")
    assert "not ROLE=NAME" in run(*promoted, "--signed", "Ben", code=1).err
    assert "brings back version 1" in run(*promoted, "--signed", "data_protection=Ben Okoro").out
    (newer,) = run(*score, "--json").objects
    assert newer["parts_found"] == 0
    assert set(pl.read_parquet(out).filter(pl.col("target") == "dropout")["model_version"]) == {"2"}
    run("rollback", "dropout")
    run(*score)
    assert out.read_bytes() == first
    assert "no version" in run("rollback", "dropout", code=1).err
    assert "out of use" in run("stop", "dropout", "--why", "the export was wrong").out
    (without,) = run(*score, "--json").objects
    assert set(without["counts"]) == {*COURSE_TARGETS} - {"dropout"}
    run("promote", "dropout", "1", "--despite-gate", "it is a test")  # what was signed stays signed
    assert (home / "models" / "mlflow.db").exists()


@pytest.mark.full
def test_people_are_told_what_was_learned_and_how_well(trained: tuple[Run, Path, Path, list[Any]], tmp_path: Path) -> None:
    _, home, export, _ = trained
    other = running(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "homeroom.toml").write_text((home / "homeroom.toml").read_text())
    said = other("train", "--source", "oulad", export, "--target", "dropout").out
    for word in ("dropout version 1", "trained on", "AUC", "precision", "recall", "against rule", "gate"):
        assert word in said
    assert "nan" not in said
    listed = other("models").out
    assert "dropout version 1: AUC" in listed


@pytest.mark.full
def test_a_registered_model_is_judged_on_the_terms_after_what_it_learned_from_as_it_was_when_it_was_trained(
    trained: tuple[Run, Path, Path, list[Any]],
) -> None:
    run, _, export, results = trained
    ask = ("evaluate", "--source", "oulad", export, "--target", "dropout", "--model", "1")
    (found,) = run(*ask, "--json").objects
    (known,) = (one for one in results if one["target"] == "dropout")
    assert (found["target"], found["model_version"]) == ("dropout", "1")
    assert found["test"] == {key: known["test"][key] for key in ("rows", "positives", "from", "to")}
    assert found["metrics"] == known["metrics"]
    assert found["metrics_interval"]["auc"] == known["metrics_interval"]["auc"]
    said = run(*ask).out
    assert f"{found['metrics']['auc']:.3f} ({found['metrics_interval']['auc'][0]:.3f}" in said
    assert "plausible range" in said
    assert "no term with known outcomes" in run(*ask, "--test-from", "2031-01-01", code=1).err
    assert "no version 9" in run(*ask[:-1], "9", code=1).err.lower()


@pytest.mark.full
def test_a_model_trained_for_comparison_is_kept_and_never_serves(trained: tuple[Run, Path, Path, list[Any]]) -> None:
    run, _, export, _ = trained
    (found,) = run(
        "train", "--source", "oulad", export, "--target", "course_failure", "--protocol", "transfer", "--json"
    ).objects
    assert (found["protocol"]["name"], found["passed_gate"]) == ("transfer", False)
    signed = ("--signed", "data_science=Ida Lovell", "--signed", "education=Ben Okoro")
    refused = run("promote", "course_failure", found["model_version"], "--despite-gate", "it is a test", *signed, code=1)
    assert "nobody knew when its test began" in refused.err


@pytest.mark.full
def test_a_day_that_cannot_be_tested_on_is_refused(trained: tuple[Run, Path, Path, list[Any]]) -> None:
    run, _, export, _ = trained
    late = (oulad_school.BEGINS + timedelta(days=900)).isoformat()
    assert "--test-from" in run("train", "--source", "oulad", export, "--test-from", late, code=1).err


@pytest.mark.full
def test_where_there_is_nothing_to_learn_from_the_published_rule_makes_the_list(
    run: Run, tables_export: Path, tmp_path: Path
) -> None:
    words = ("score", "--source", "tables", tables_export, "--as-of", "2026-11-13", "--out", tmp_path / "s.parquet")
    assert "Rule, not a prediction" in run(*words).out
    (found,) = run(*words, "--json").objects
    listed = pl.read_parquet(tmp_path / "s.parquet")
    assert (found["by"], found["rows"]) == ("rule, not a prediction", listed.height)
    assert listed["probability"].is_null().all()


@pytest.mark.full
def test_without_a_model_people_are_told_how_to_make_one(run: Run, tmp_path: Path) -> None:
    assert "homeroom train" in run("models").out
    assert run("models", "--json").out == ""
    for name, frame in example_school.large_school().items():
        (tmp_path / "export").mkdir(exist_ok=True)
        frame.write_csv(tmp_path / "export" / f"{name}.csv")
    words = ("score", "--source", "tables", tmp_path / "export", "--as-of", "2026-11-13", "--out", tmp_path / "s.parquet")
    assert "homeroom train" in run(*words, code=1).err
    assert "dropout" in run("rollback", "dropout", code=1).err

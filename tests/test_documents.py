"""What the documents say is what happens: their commands and code are run, as written."""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
STORIES = [
    str(path.relative_to(ROOT).with_suffix("")).replace(os.sep, ".")
    for floor in ("features", "training", "serving", "homeroom")
    for path in sorted((ROOT / floor).rglob("*.py"))
    if ">>>" in path.read_text()
]


def block(name: str) -> str:
    """Return the README's commands under a mark."""
    found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block {name}"
    return found.group(1)


def stated() -> str:
    """Return what the README states of who answers for the models, as of today: a reader comes on another day."""
    found = re.search(r"<!-- state: governance -->\n```toml\n(.*?)```", README, re.DOTALL)
    assert found
    return re.sub(r'dpia_date = "[0-9-]+"', f'dpia_date = "{datetime.now(UTC).date().isoformat()}"', found.group(1))


@pytest.mark.parametrize("module", STORIES)
def test_docstrings_tell_what_happens(module: str) -> None:
    assert doctest.testmod(import_module(module)).failed == 0


def test_there_are_docstrings_that_tell_stories() -> None:
    assert len(STORIES) >= 4


def test_every_command_in_the_readme_exists() -> None:
    from homeroom.cli import main

    named = set(re.findall(r"bin/homeroom (\w+)", README))
    assert named
    assert named <= set(main.commands)


def test_the_readme_links_to_files_that_are_there() -> None:
    named = re.findall(r"`((?:docs/)?\w+\.md)`", README)
    assert named
    for file in named:
        assert (ROOT / file).exists(), file


#: Documents whose commands are those of whoever runs the pages.
OF_OPERATORS = ("review", "sign_in", "families", "goals", "monitoring")


def commands_in(text: str) -> list[list[str]]:
    """Return the commands of a document's blocks, as a shell would split them; the end of the trail stands for a noted one."""
    blocks = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).replace("$KNOWN", f"1:{'0' * 64}")
    return [shlex.split(one, comments=True) for one in re.findall(r"^homeroom (.*)", blocks, re.MULTILINE)]


def test_every_command_of_whoever_runs_the_pages_is_one_that_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeroom.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").touch()
    (tmp_path / "LATER_EXPORT").mkdir()
    (tmp_path / "EXPORT").mkdir()
    for name in OF_OPERATORS:
        told = commands_in((ROOT / "docs" / f"{name}.md").read_text())
        assert told or name not in ("review", "goals", "monitoring"), name
        for words in map(list, told):
            command: click.Command = main
            above = click.Context(main, info_name="homeroom", **main.context_settings)  # -h is kept as first asked for
            while isinstance(command, click.Group):
                assert words[0] in command.commands, f"{name}: {words}"
                command = command.commands[words.pop(0)]
            command.make_context(command.name or "", words, parent=above)  # raises for an option or a word too many


@pytest.mark.full
def test_the_page_of_benchmarks_names_each_and_those_that_take_long() -> None:
    from benchmarks.__main__ import BENCHMARKS, LONG

    told = (ROOT / "docs" / "benchmarks.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)) == set(BENCHMARKS)
    assert set(re.findall(r"`(\w+)`", told.partition("ten minutes:")[2].partition(".")[0])) == set(LONG)


@pytest.mark.full
def test_the_commands_about_people_work_before_there_is_a_model(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    said = run(block("people"), tmp_path)
    assert "ruth.okoro@lincoln.example is made, counselor." in said
    assert "password" in said.lower()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, some_oulad: Path) -> Path:
    """A folder as a reader of the README has it, with fewer students and a smaller model: it must not take all day."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "oulad").symlink_to(some_oulad)
    (folder / ".homeroom").mkdir()
    (folder / ".homeroom" / "homeroom.toml").write_text(
        "[train]\ntrees = 30\nbootstrap_draws = 50\ndays = [0, 28, 112]\njudged_days = [28, 112]\n"
        "refits = 1\nshift_parts = 2\nproof_dates = 1\nexplained = 50\n"
        f"[audit]\ndraws = 50\n{stated()}"
    )
    return folder


def run(script: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_commands_of_the_readme_work_in_order(place: Path) -> None:
    assert "studentVle" in run(block("train"), place)
    assert "wrote" not in run(block("promote"), place)
    assert (place / "scores.parquet").exists()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    key, serve = block("serve").strip().splitlines()
    script = f"{key}\necho $HOMEROOM_KEY > key\nexec {serve.replace('3000', port)}"
    server = subprocess.Popen(["bash", "-c", script], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_ready(port)
        curl = block("curl").replace("3000", port)
        answer = json.loads(run(f"export HOMEROOM_KEY=$(cat key)\n{curl.replace('curl ', 'curl -s ', 1)}", place))
    finally:
        server.terminate()
        server.wait(timeout=120)
    (score,) = answer["scores"]
    assert score["student_id"] == "S-104"
    assert {risk["status"] for risk in score["risks"]} <= {"scored", "not_enough_data"}
    assert "probability" not in json.dumps(answer)


def until_ready(port: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail("the server was not ready after two minutes")

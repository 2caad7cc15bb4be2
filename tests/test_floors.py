"""The floors of the house: imports only run downward, and each heavy framework has one place."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([tool, "--no-cache"], capture_output=True, text=True, check=False, cwd=folder,
                          env={"PYTHONPATH": str(folder), "PATH": ""})  # fmt: skip


def test_there_is_a_contract_for_the_floors_and_for_each_heavy_framework() -> None:
    layers = next(one for one in CONTRACTS if one["type"] == "layers")
    assert layers["layers"] == ["homeroom", "serving", "training", "features"]
    kept_apart = {module for one in CONTRACTS if one["type"] == "forbidden" for module in one["forbidden_modules"]}
    assert kept_apart >= {"lightgbm", "mlflow", "shapiq", "sklearn", "matplotlib", "bentoml", "sqlalchemy", "argon2", "authlib",
                          "babel", "jinja2", "pyotp", "segno", "starlette", "serving.review", "serving.pages"}  # fmt: skip
    for one in CONTRACTS:
        assert one.get("source_modules", one.get("layers")), one["name"]


@pytest.mark.full
def test_every_contract_is_kept() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in found.stdout


@pytest.mark.full
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("features/norms.py", "import training.model"),
        ("training/evaluate.py", "import serving.contract"),
        ("training/evaluate.py", "import lightgbm"),
        ("features/pipeline.py", "import sklearn.metrics"),
        ("serving/contract.py", "import mlflow"),
        ("serving/cases/trail.py", "import serving.pages.words"),
        ("serving/pages/render.py", "import serving.review.room"),
        ("serving/review/room.py", "import sqlalchemy"),
    ],
)
def test_an_import_that_runs_upward_or_elsewhere_breaks_a_contract(tmp_path: Path, file: str, line: str) -> None:
    for name in ("features", "training", "serving", "homeroom"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text() + f"\n{line}\n")
    found = lint(tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 broken" in found.stdout or "2 broken" in found.stdout

"""Logs of responses made up for tests: students of several abilities on skills and items of several difficulties."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from features.responses import ResponseLog
from features.sources.responses import LogDescription, describe, read

#: What the columns of :func:`frame` are.
COLUMNS = {"student": "user_id", "skill": "skill_id", "correct": "correct", "order": "order_id", "item": "problem_id",
           "milliseconds": "ms_first_response", "hints": "hint_count"}  # fmt: skip


@cache
def frame(students: int = 16, seed: int = 3, skills: int = 8, length: int = 40) -> pl.DataFrame:
    """A log with a row per response and skill, as public ones have it: some items need two skills, and stand there twice."""
    rng = np.random.default_rng(seed)
    ability, ease = rng.normal(0, 1, students), rng.normal(0.4, 0.8, skills)
    hardness = rng.normal(0, 0.8, (skills, 5))
    rows = []
    for student in range(students):
        practised, skill = np.zeros(skills), int(rng.integers(skills))
        for _ in range(int(rng.integers(length // 2, 2 * length))):
            skill = int(rng.integers(skills)) if rng.random() < 0.2 else skill
            which = int(rng.integers(5))
            odds = ability[student] + ease[skill] + 0.25 * practised[skill] - hardness[skill, which]
            right = int(rng.random() < 1 / (1 + np.exp(-odds)))
            practised[skill] += 1
            more = [(skill + 3) % skills] if which == 4 and skill % 2 == 0 else []
            rows.append((f"U{student:03d}", [skill, *more], right, f"P{skill}-{which}", int(rng.integers(2, 60)) * 1000, 0))
    columns = ["user_id", "skill_id", "correct", "problem_id", "ms_first_response", "hint_count"]
    made = pl.DataFrame(rows, schema=columns, orient="row").with_columns(order_id=pl.int_range(pl.len()) + 1_000)
    # By skill, as some logs are sorted: copies of an answer then lie far from each other.
    made = made.explode("skill_id").with_columns(pl.format("skill {}", "skill_id").alias("skill_id"))
    return made.sort("skill_id", "order_id")


def write(folder: Path, made: pl.DataFrame | None = None, name: str = "log.csv") -> Path:
    """Write a log, and return its path."""
    path = folder / name
    (frame() if made is None else made).write_csv(path)
    return path


def described(**parts: dict[str, object]) -> LogDescription:
    """The description of :func:`frame`, with parts of its own."""
    return describe({"columns": COLUMNS, **parts})


def of(made: pl.DataFrame, folder: Path, **parts: dict[str, object]) -> ResponseLog:
    """Read a frame as a log."""
    return read(write(folder, made), described(**parts)).log


def text() -> str:
    """The description as TOML."""
    return "[columns]\n" + "".join(f'{role} = "{name}"\n' for role, name in COLUMNS.items())

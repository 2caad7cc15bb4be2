"""Flat files made up for tests, one row per student, and the descriptions of what their columns mean."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from features.flat import Description, FlatTable, describe, rows_of
from training.blend import KEEN, Member

ROWS = 240

#: Two small members, one of them beyond a line: enough for every code path.
QUICK = (Member(KEEN, 20), Member(KEEN, 20, beyond_line=True))

COLUMNS = """
[columns.mark]
name = "mark"
says = "had {value:.0f} of 100 points"
says_other = "{value:.0f}"
unit = "points"
range = [0, 100]
higher = "strength"
concept = "marks"

[columns.missed]
name = "days missed"
says = "missed {value:n day}"
says_other = "{value:.0f}"
unit = "days"
range = [0, 60]
higher = "concern"
concept = "attendance"

[columns.club]
name = "club"
kind = "yes_no"
yes = ["yes"]
no = ["no"]
says = "is in a club"
says_not = "is in no club"
higher = "strength"
concept = "engagement"

[columns."Way to school"]
name = "way to school"
kind = "category"
concept = "access"
concern = ["far"]
[columns."Way to school".values]
near = "lives near the school"
far = "lives far from the school"

[groups]
sex = "sex"
"""

LABELS = {
    "regression": """
[label]
name = "final_points"
column = "points"
kind = "regression"
says = "the final points"
horizon = "at the end of the year"
unit = "points"
range = [0, 100]
higher = "strength"
line = 40
happened = "ended below 40"
did_not = "ended with 40 or more"
last = "mark"
""",
    "binary": """
[label]
name = "left_early"
column = "left"
kind = "binary"
says = "leaving before the end"
horizon = "within the year"
happened = "left"
did_not = "stayed"
positive = ["yes"]
negative = ["no"]
last = "mark"
""",
    "multiclass": """
[label]
name = "end_of_year"
column = "end"
kind = "multiclass"
says = "how the year ends"
horizon = "at the end of the year"
happened = "ended in the low group"
did_not = "did not"
concern = ["L"]
[label.classes]
L = "ended low"
M = "ended in the middle"
H = "ended high"
""",
}

FILE = '[file]\nseparator = ";"\ndecimal = ","\nmissing = ["n/a"]\nkey = "id"\n'


def description(kind: str, more: str = "") -> Description:
    """Return the description of the file for one kind of outcome."""
    import tomllib

    return describe(tomllib.loads(text(kind, more)))


def text(kind: str, more: str = "") -> str:
    """Return the same as TOML."""
    return f"{FILE}{LABELS[kind]}{COLUMNS}{more}"


@cache
def frame(rows: int = ROWS, seed: int = 3) -> pl.DataFrame:
    """Return the rows as a file holds them, all of them text: marks and days missed tell most of how the year ends."""
    rng = np.random.default_rng(seed)
    mark, missed = rng.uniform(10, 95, rows).round(1), rng.integers(0, 40, rows)
    points = np.clip(mark - missed + rng.normal(0, 8, rows), 0, 100).round(1)
    club, far = rng.random(rows) < 0.3, rng.random(rows) < 0.4
    end = np.where(points < 25, "L", np.where(points < 55, "M", "H"))
    return pl.DataFrame(
        {
            "id": [f"S{number:04}" for number in range(rows)],
            "mark": [f"{value}".replace(".", ",") if rng.random() > 0.05 else "n/a" for value in mark],
            "missed": [str(value) for value in missed],
            "club": np.where(club, "yes", "no").tolist(),
            "Way to school": np.where(far, "far", "near").tolist(),
            "sex": np.where(rng.random(rows) < 0.5, "F", "M").tolist(),
            "hobby": ["reading"] * rows,
            "year": [str(2021 + 4 * number // rows) for number in range(rows)],
            "part": ["test" if number % 4 == 0 else "train" for number in range(rows)],
            "points": [f"{value}".replace(".", ",") for value in points],
            "left": np.where(points + rng.normal(0, 5, rows) < 30, "yes", "no").tolist(),
            "end": end.tolist(),
        }
    )


def write(folder: Path, rows: pl.DataFrame | None = None) -> Path:
    """Write the file."""
    path = folder / "students.csv"
    (frame() if rows is None else rows).write_csv(path, separator=";")
    return path


def table(kind: str, more: str = "", rows: pl.DataFrame | None = None) -> FlatTable:
    """Return the rows as numbers."""
    return rows_of(frame() if rows is None else rows, description(kind, more), "students.csv", labelled=True)[1]

"""What people thought of a score: how often they disagreed with it, from a table of reviews.

Disagreement is information about the model and about the records, and nothing is held against anybody for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from features.problems import Problem, Refused
from serving.lists import COLUMNS, Kept
from training.drift import LEAST_IN_CELL

NONE_YET = "No reviews are recorded yet: how often people disagreed cannot be told."

_YES_OR_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def read_reviews(path: Path) -> pl.DataFrame:
    """Return a table of reviews, CSV or Parquet: ``prediction_id`` of a list, and ``agrees`` (yes or no).

    Raises:
        Refused: it cannot be read, lacks a column, or says something else than yes or no.

    """
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError):
        raise _refused(path, [("unreadable", "it cannot be read as a table", "Send a CSV or Parquet file.", "")]) from None
    lacking = [name for name in ("prediction_id", "agrees") if name not in frame.columns]
    if lacking:
        hint = "Send the columns prediction_id and agrees."
        raise _refused(path, [("missing_column", "the column is missing", hint, name) for name in lacking])
    said = frame["agrees"].cast(pl.String).str.to_lowercase().replace_strict(_YES_OR_NO, default=None, return_dtype=pl.Boolean)
    wrong = said.is_null().arg_true().to_list()
    if wrong:
        line = wrong[0] + 2  # the first line names the columns
        raise _refused(path, [("code", "this is neither yes nor no", "Write yes or no.", "agrees")], line, len(wrong))
    return pl.DataFrame({"prediction_id": frame["prediction_id"].cast(pl.String), "agrees": said})


def _refused(path: Path, wrong: Sequence[tuple[str, str, str, str]], row: int | None = None, rows: int = 1) -> Refused:
    problems = [
        Problem(code, f"{path.name} {column}".strip(), problem, hint, file=path.name, row=row, column=column, rows=rows)
        for code, problem, hint, column in wrong
    ]
    return Refused(problems, "The reviews were refused")


def overrides(kept: Sequence[Kept], reviews: pl.DataFrame | None) -> dict[str, Any]:
    """Return how often people disagreed, by target and band of the lists that are kept; no figure of fewer than ten."""
    if reviews is None:
        return {"available": False, "says": NONE_YET, "targets": []}
    nothing = pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    rows = pl.concat([one.rows for one in kept]).unique("prediction_id") if kept else nothing
    joined = reviews.unique("prediction_id", keep="last").join(rows, on="prediction_id")
    counted = joined.group_by("target", "band").agg(pl.len().alias("reviews"), (~pl.col("agrees")).sum().alias("against"))
    found = []
    for target, band, count, against in counted.sort("target", "band").iter_rows():
        enough = count >= LEAST_IN_CELL
        rate = round(against / count, 4) if enough else None
        found.append({"target": target, "band": band, "reviews": count if enough else None, "rate": rate})
    unknown = reviews.height - joined.height
    says = f"{joined.height:,} reviews of kept lists" + (f"; {unknown:,} are of none that is kept" if unknown else "")
    return {"available": True, "says": says, "targets": found}

"""What people thought of a score, and how soon they looked: from the casebook, or from a table of reviews.

Disagreement is information about the model and about the records, and nothing is held against anybody for it. How soon
somebody looked is told of schools, never of who looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.cohort import enrolled
from features.problems import Problem, Refused
from features.records import SchoolRecords
from serving.cases import casebook
from serving.cases.database import Engine
from serving.lists import COLUMNS, Kept
from training.drift import LEAST_IN_CELL

NONE_YET = "No reviews are recorded yet: how often people disagreed cannot be told."

#: What all schools together are called.
TOGETHER = "all schools"

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


def of_casebook(db: Engine | None, tenant: str) -> pl.DataFrame | None:
    """Return what the casebook says that people thought; None while it says nothing, or there is none."""
    found = None if db is None else casebook.reviews(db, tenant)
    return found if found is not None and found.height else None


def looked_after(db: Engine | None, tenant: str, records: SchoolRecords, as_of: date, today: date) -> pl.DataFrame | None:
    """Return how soon cases were looked at by school, and by all together, as :func:`serving.cases.casebook.service_levels`.

    ``as_of`` is the day whose enrolments say which school a student is at, ``today`` the day that the casebook is looked at.
    A school is called by its name, where no other has it, else by its key. None where there is no casebook yet.
    """
    if db is None:
        return None
    when = pl.DataFrame({"as_of": [as_of]}, schema={"as_of": pl.Date})
    here = enrolled(records, when).stays.lazy().select("enrolment_id")
    stays = records.visible("enrolments", [as_of]).join(here, on="enrolment_id", how="semi")
    groups = stays.select("student_id", pl.col("organisation_id").alias("group")).drop_nulls().unique().collect()
    taught = _taught(records, today)
    school = dict(groups.sort("student_id", "group", descending=True).iter_rows())
    found = casebook.service_levels(db, tenant, groups, today, TOGETHER, lambda student: taught.get(school.get(student, "")))
    if not records.holds("organisations"):
        return found
    named = records.reference("organisations", as_of).select("organisation_id", pl.col("name").alias("called"))
    once = named.filter(pl.col("called").is_unique() & pl.col("called").is_not_null())
    called = pl.coalesce("called", "group").alias("group")
    return found.join(once, left_on="group", right_on="organisation_id", how="left").with_columns(called).drop("called")


def _taught(records: SchoolRecords, today: date) -> Mapping[str, Sequence[date]]:
    """Return the days on which each school taught until a day, in order, of those whose calendar is on record."""
    if not records.holds("calendar"):
        return {}
    held = records.reference("calendar", today).filter(pl.col("instructional"), pl.col("on") <= today).sort("on")
    return {str(school): one["on"].to_list() for (school,), one in held.group_by("organisation_id", maintain_order=True)}


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

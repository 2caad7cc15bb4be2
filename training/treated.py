"""Students who were given help: which rows they are, and how a model does without them.

Whoever is helped in time avoids the outcome, so that a row of theirs teaches that its pattern ends well. A row counts as
treated where help of its student runs after the as-of day: help that runs on that day and goes on, and help that begins
between it and the day on which the outcome became known. Help that was over by the as-of day does not count: the records
show what it did. Nor does what everybody gets (tier 1), which sets nobody apart. Any help of the student counts, whichever
stay it is noted on: a mentor in one course is a mentor in the next.

Only what was on record when the outcome became known is counted, so that a split in time holds for this too: help that was
written down later cannot choose the rows that a model learns from. Nothing here is an input of a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.records import SchoolRecords
from training import evaluate

if TYPE_CHECKING:
    from training.run import Run

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

#: What to do with treated rows when a model is fitted. They always calibrate, gate and judge.
WAYS = ("keep", "leave_out")

#: Help of this tier is for everybody.
EVERYBODY = 1

#: A share of fewer students is not told; figures of fewer rows, or of fewer with either outcome, say nothing.
LEAST_SHOWN, LEAST_ROWS, LEAST_OF_EACH = 10, 100, 20

#: The figures that are told of all rows and of those without help.
_TOLD = ("rows", "positives", "auc", "recall_at_capacity", "precision_at_capacity", "brier", "ece", "calibration_slope",
         "calibration_intercept")  # fmt: skip


def helped(records: SchoolRecords, keys: pl.DataFrame, known_on: pl.Series) -> Rows:
    """Return which rows are treated.

    Args:
        records: the records, read through their door for labels.
        keys: ``student_id`` and ``as_of`` of each row.
        known_on: the day on which each row's outcome became known; a row without one is not treated.

    Returns:
        a mask, shape ``(rows,)``; nobody is treated where the school sent no table ``supports``.

    """
    found = np.zeros(keys.height, dtype=bool)
    if not records.holds("supports"):
        return found
    rows = keys.lazy().select("student_id", "as_of").with_columns(known_on.alias("outcome_on")).with_row_index("row")
    given = _as_known(rows, records, "supports", ("begins_on", "tier"))
    ends = _as_known(rows, records, "support_ends", ("ended_on",)).select("row", "support_id", "ended_on")
    running = (
        given.filter(pl.col("tier").is_null() | (pl.col("tier") > EVERYBODY), pl.col("begins_on") <= pl.col("outcome_on"))
        .join(ends, on=["row", "support_id"], how="left")
        .filter(pl.col("ended_on").is_null() | (pl.col("ended_on") > pl.col("as_of")))
    )
    found[running.select(pl.col("row").unique()).collect()["row"].to_numpy()] = True
    return found


def _as_known(rows: pl.LazyFrame, records: SchoolRecords, table: str, columns: tuple[str, ...]) -> pl.LazyFrame:
    """Return a table's rows beside each row of its student, in the version known when the outcome became known."""
    versions = records.labels(table).select("student_id", "support_id", *columns, "known_on", "deleted")
    return (
        rows.join(versions, on="student_id")
        .filter(pl.col("known_on") <= pl.col("outcome_on"))
        .filter(pl.col("known_on") == pl.col("known_on").max().over("row", "support_id"))
        .filter(~pl.col("deleted"))
    )


def section(run: Run, raw: Floats, chance: Floats) -> dict[str, Any]:
    """Return the card's section on students who were given help.

    Args:
        run: what was learned from; its test rows are judged.
        raw: scores of the test rows.
        chance: their calibrated probabilities.

    """
    if not run.records.holds("supports"):
        return {"recorded": False, "says": "The records tell of no help that students were given: nobody is set apart by it."}
    teaching = run.split.fit & np.isin(run.day, run.settings.days)
    learned, judged = _counts(run, teaching), _counts(run, run.test)
    learned["left_out"] = None if learned["treated"] is None else int((teaching & run.left_out).sum())
    without = ~run.helped[run.test]
    return {
        "recorded": True,
        "way": run.settings.treated,
        "learned_from": learned,
        "judged_on": judged,
        "all": _figures(run, raw, chance, np.ones(len(raw), dtype=bool)),
        "untreated": _figures(run, raw, chance, without) if judged["treated"] is not None else None,
        "says": _says(run, learned, judged),
    }


def _counts(run: Run, rows: Rows) -> dict[str, Any]:
    """Return how many rows are treated; nothing of fewer than ten students, or of all but so few."""
    both = [run.keys["student_id"].filter(pl.Series(rows & one)).n_unique() for one in (run.helped, ~run.helped)]
    told = all(count == 0 or count >= LEAST_SHOWN for count in both)
    treated, count = int((run.helped & rows).sum()), int(rows.sum())
    return {"rows": count, "treated": treated if told else None, "share": round(treated / max(count, 1), 4) if told else None}


def _figures(run: Run, raw: Floats, chance: Floats, chosen: Rows) -> dict[str, Any] | None:
    """Return figures of some test rows, whose list is cut among them alone; None where they are too few."""
    label = run.label[run.test][chosen]
    positives = int(label.sum())
    if len(label) < LEAST_ROWS or min(positives, len(label) - positives) < LEAST_OF_EACH:
        return None
    day, tie = run.day[run.test][chosen], run.tie[run.test][chosen]
    found = evaluate.measure(raw[chosen], label, day, tie, run.settings.capacity, chance[chosen], run.settings.first).as_dict()
    return {name: found[name] for name in _TOLD}


def _says(run: Run, learned: dict[str, Any], judged: dict[str, Any]) -> str:
    """Return in a sentence or two whose students were helped, and what was done with their rows."""
    if learned["share"] is None or judged["share"] is None:
        counted = f"Those who were given help, or who were not, are fewer than {LEAST_SHOWN} students."
    else:
        counted = (f"Help ran after the day of {learned['share']:.1%} of the rows of earlier students, and of "
                   f"{judged['share']:.1%} of those judged on.")  # fmt: skip
    if run.settings.treated == "leave_out":
        return f"{counted} Rows of helped students were left out of the fit, and calibrate and judge all the same."
    return f"{counted} They are learned from like all others: a score says what comes with the help that is usual here."

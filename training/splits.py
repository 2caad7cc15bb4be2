"""Who teaches the model and who judges it, by time.

The outcome of every training row is known before the first test day, and nobody is in both. Where the same students
come back year after year, leaving out everybody of the test would leave nobody to learn from: then a third of the
students is held out of training and the test is made of them alone. What is left for
calibration and gate must be disjoint from fit and test: a later closed term where there is one, else cross-fitting
over folds of students within the only closed term, and then the card says so.

Only ``transfer`` breaks the first rule: it learns from every earlier term, whether or not its outcomes were known when
the test began. Nobody could have had such a model; its figures are there to be compared with those of others.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from features.problems import Problem, Refused

Rows = npt.NDArray[np.bool_]

#: Where leaving out the test's students would cost more of the closed rows than this, a third of all is held out.
MOST_LEFT_OUT = 0.5
HELD_OUT_PARTS = 3

#: A term is closed when more than this share of its rows have a known outcome.
LEAST_CLOSED = 0.5

#: A term with fewer labelled rows of either kind cannot judge anything.
LEAST_OF_EACH = 50


@dataclass(frozen=True)
class Split:
    """Masks over the rows of a feature table.

    ``calibrate`` is None where a single closed term was there: calibration and gate then use predictions of models
    that did not see the student (``folds`` numbers each row's fold, by student). ``apart`` counts the closed rows left
    out of training because their students are in the test; ``held_out`` tells that these are a third of all students.
    ``known_by`` is the day on which the last outcome became known of a row that is learned from or held.
    """

    fit: Rows
    calibrate: Rows | None
    test: Rows
    folds: npt.NDArray[np.int64]
    test_from: date
    test_to: date
    apart: int
    held_out: bool = False
    known_by: date | None = None

    @property
    def cross_fitted(self) -> bool:
        """Whether calibration and gate rest on cross-fitting."""
        return self.calibrate is None


def by_time(
    keys: pl.DataFrame, labels: pl.DataFrame, terms: pl.DataFrame, test_from: date | None, folds: int,
    judged: Rows | None = None, back_days: int = 0, transfer: bool = False,
) -> Split:  # fmt: skip
    """Split rows at ``test_from``.

    Args:
        keys: the feature table's keys, with ``term_id``.
        labels: ``label`` and ``known_on``, row by row.
        terms: ``term_id``, ``starts_on``, ``ends_on``.
        test_from: the first day of the test; the first term that begins on or after it is the test. By default
            the latest term of which most outcomes are known: those known early are not like the rest.
        folds: number of folds of students for cross-fitting.
        judged: the rows that may be judged on; all by default. The first of the test's is the day by which a training
            outcome must be known.
        back_days: rows older than this before the first test day are not learned from; 0 takes all.
        transfer: learn from earlier terms whatever was known of them, for comparison only.

    Raises:
        Refused: no term begins on or after the date, or no outcome was known before it.

    """
    rows = keys.select("student_id", "as_of", "term_id").with_columns(labels["label"], labels["known_on"])
    starts = terms.select("term_id", "starts_on", "ends_on").sort("starts_on", "term_id")
    labelled = rows["label"].is_not_null().to_numpy()
    if test_from is None:
        known = rows.group_by("term_id").agg(pl.col("label").is_not_null().mean().alias("share"))
        closed_terms = starts.join(known.filter(pl.col("share") > LEAST_CLOSED), on="term_id", how="semi")
        test_from = closed_terms["starts_on"].max()  # type: ignore[assignment]
    later = starts.filter(pl.col("starts_on") >= test_from) if test_from else starts.clear()
    if later.is_empty() or test_from is None:
        raise _refused("no term begins on or after the first test day", "Give an earlier --test-from.")
    first = later["starts_on"].min()
    in_test = rows["term_id"].is_in(later.filter(pl.col("starts_on") == first)["term_id"].implode()).to_numpy()
    test = in_test & labelled if judged is None else in_test & labelled & judged
    begins = max(test_from, rows.filter(pl.Series(test))["as_of"].min() or test_from)
    closed = (rows["known_on"] < begins).fill_null(value=False).to_numpy() & labelled & ~in_test
    if transfer:
        earlier = rows["term_id"].is_in(starts.filter(pl.col("starts_on") < first)["term_id"].implode()).to_numpy()
        closed = earlier & labelled
    if back_days:
        recent = pl.col("as_of") >= pl.lit(begins).dt.offset_by(f"-{back_days}d")
        closed &= rows.select(recent).to_series().to_numpy()
    tested = rows["student_id"].is_in(rows.filter(pl.Series(test))["student_id"].unique().implode()).to_numpy()
    held_out = bool((closed & tested).sum() > MOST_LEFT_OUT * closed.sum())
    if held_out:
        tested = fold_of(rows["student_id"], HELD_OUT_PARTS, "held out") == 0
        test &= tested
    fit = closed & ~tested
    label = rows["label"].fill_null(0).to_numpy().astype(bool)
    if not _enough(label, fit):
        raise _refused(
            f"fewer than {LEAST_OF_EACH} outcomes of each kind were known before {test_from}",
            "Give a later --test-from, or records of earlier terms.",
        )
    if not test.any():
        raise _refused("no outcome of the test term is on record", "Give an earlier --test-from.")
    fit, calibrate = (fit, None) if transfer else _apart(rows, label, fit, starts)
    known_by = rows.filter(pl.Series(fit if calibrate is None else fit | calibrate))["known_on"].max()
    return Split(fit, calibrate, test, fold_of(rows["student_id"], folds), first,  # type: ignore[arg-type]
                 rows.filter(pl.Series(test))["as_of"].max(), int((closed & tested).sum()), held_out, known_by)  # type: ignore[arg-type]  # fmt: skip


def _apart(rows: pl.DataFrame, label: Rows, closed: Rows, starts: pl.DataFrame) -> tuple[Rows, Rows | None]:
    """Return rows to fit on and rows to calibrate on.

    The latest closed term calibrates, if enough outcomes of other students were known before its first row to fit
    on; where no term does, everything is for the fit. So it is, too, where the same students come back: those who did
    not are unlike the rest, and must not be all that is learned from.
    """
    for term in reversed(starts["term_id"].to_list()):
        within: Rows = closed & (rows["term_id"] == term).to_numpy()
        if not _enough(label, within):
            continue
        there = rows.filter(pl.Series(within))
        known_before = (rows["known_on"] < there["as_of"].min()).fill_null(value=False).to_numpy()
        others = ~rows["student_id"].is_in(there["student_id"].unique().implode()).to_numpy()
        fit: Rows = closed & known_before & others
        if _enough(label, fit) and fit.sum() >= (1 - MOST_LEFT_OUT) * (closed & known_before).sum():
            return fit, within
    return closed, None


def refuse_too_few(label: npt.NDArray[np.int8], rows: Rows) -> None:
    """Raise :class:`Refused` where rows without those of helped students have too few outcomes of either kind."""
    if not _enough(label.astype(bool), rows):
        raise Refused(
            [Problem("split", "train.treated", f"fewer than {LEAST_OF_EACH} outcomes of each kind are left without the rows "
                     "of students who were given help", "Set train.treated to keep.")],
            "Too little is left to learn from",
        )  # fmt: skip


def _enough(label: Rows, rows: Rows) -> bool:
    positives = int((label & rows).sum())
    return min(positives, int(rows.sum()) - positives) >= LEAST_OF_EACH


def fold_of(students: pl.Series, folds: int, purpose: str = "fold") -> npt.NDArray[np.int64]:
    """Return each row's fold, the same for all rows of a student and on every machine, and another for each purpose."""
    unique: Sequence[str] = students.unique().to_list()
    numbers = {student: zlib.crc32(f"{purpose}:{student}".encode()) % folds for student in unique}
    return students.replace_strict(numbers, return_dtype=pl.Int64).to_numpy()


def _refused(problem: str, hint: str) -> Refused:
    return Refused([Problem("split", "--test-from", problem, hint)], "The records cannot be split in time")

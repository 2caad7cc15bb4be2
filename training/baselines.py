"""What LightGBM must beat: a rule, one number, an average, and a penalised linear model.

Cattell and Bruch (REL 2021-126) found simple flags of prior performance as accurate as machine learning at the same
length of list. A model that does not find more students than each of these stays a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.indicators import count

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows for a baseline: the whole feature table with ``course_id``, the model's inputs, and the labels."""

    frame: pl.DataFrame
    matrix: Floats
    label: Labels


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple way to make the same list. ``fit`` takes training rows and returns a function that scores others.

    ``needs`` names the feature without which there is no such list.
    """

    says: str
    fit: Callable[[Sample], Callable[[Sample], Floats]]
    needs: str = ""


def _values(sample: Sample, name: str) -> Floats:
    if name not in sample.frame.columns:
        return np.full(sample.frame.height, np.nan)
    return sample.frame[name].fill_null(float("nan")).to_numpy()


def rule(_: Sample) -> Callable[[Sample], Floats]:
    """Count flags, each where its records are held.

    Of a school: a tenth of the school days missed, a core class below passing, a day lost to exclusion (attendance,
    behaviour, coursework: Balfanz, Herzog and Mac Iver 2007). Of a course: work of the last eight weeks missing, two
    weeks without activity, an average below 50.
    """

    def score(sample: Sample) -> Floats:
        if "absence_rate" in sample.frame.columns:
            return count(lambda name: _values(sample, name))
        missing = _values(sample, "missing_56d") >= 1
        away = ~(_values(sample, "days_since_active") <= 14)
        low = _values(sample, "mark_mean") < 50
        return missing.astype(np.float64) + away + low

    return score


def absence_so_far(train: Sample) -> Callable[[Sample], Floats]:
    """The share of the year's school days missed so far alone; the middle where it is not known."""
    shares = _values(train, "absence_rate")
    middle = float(np.nanmedian(shares)) if np.isfinite(shares).any() else 0.0
    return lambda sample: np.nan_to_num(_values(sample, "absence_rate"), nan=middle)


def previous_mark(train: Sample) -> Callable[[Sample], Floats]:
    """The latest mark alone, the lower the more concern; the middle mark where none is known."""
    marks = _values(train, "mark_latest")
    middle = float(np.nanmedian(marks)) if np.isfinite(marks).any() else 0.0
    return lambda sample: -np.nan_to_num(_values(sample, "mark_latest"), nan=middle)


def course_average(train: Sample) -> Callable[[Sample], Floats]:
    """The share that had the outcome in the same course before; the overall share for a course never seen."""
    means = (
        train.frame.select("course_id")
        .with_columns(label=pl.Series(train.label))
        .group_by("course_id")
        .agg(pl.col("label").mean())
    )
    overall = float(train.label.mean())
    return lambda sample: (
        sample.frame.select("course_id").join(means, on="course_id", how="left", maintain_order="left")["label"]
        .fill_null(overall).to_numpy()
    )  # fmt: skip


def logistic(train: Sample) -> Callable[[Sample], Floats]:
    """Penalised logistic regression on all inputs, the middle put where a value is unknown, and a mark that it was."""
    pipeline = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        # newton-cholesky is quick where rows far outnumber columns, as here.
        LogisticRegression(C=0.01, solver="newton-cholesky", max_iter=100),
    ).fit(train.matrix, train.label)
    return lambda sample: np.asarray(pipeline.decision_function(sample.matrix), dtype=np.float64)


#: Every baseline by name.
BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "rule": Baseline(
            "absence, core classes below passing, exclusion (or missing work, no activity, low average): one point each", rule
        ),
        "absence_so_far": Baseline("the share of school days missed so far alone", absence_so_far, "absence_rate"),
        "previous_mark": Baseline("the latest mark alone", previous_mark),
        "course_average": Baseline("the course's own earlier average alone", course_average),
        "logistic": Baseline("penalised logistic regression on the same inputs", logistic),
    }
)

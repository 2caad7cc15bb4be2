"""The effect of a help on those who had it, from what was observed, estimated twice over: by DoubleML, the only file that does.

Two models are learned from what was known before: how likely somebody was to have the help, and what would have come of them
without it. The estimate stands if either is right (Robins, Rotnitzky and Zhao 1994), and as each student is predicted by
models that never saw them (cross-fitting, Chernozhukov and others 2018), the learners may be penalised ones. Both are linear:
a district's year holds tens of students with a given help, which is too few for trees to draw lines in.

Of the three libraries that were weighed, DoubleML fits the versions that Homeroom is locked to and brings no compiler or
second boosting library along, as econml (numba) and causalml (xgboost) do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Parts that are predicted by models of the others, and how often the students are parted anew: the median counts.
FOLDS, TIMES = 5, 3

#: Nobody counts as surer to have the help, or to be without it, than this.
CUT = 0.02


@dataclass(frozen=True)
class DoublyRobust:
    """``effect`` on those who had the help with its standard ``error``; ``p``: the chance of as much were there none.

    ``propensity``: how likely each student was to have it, by models that never saw them.
    """

    effect: float
    error: float
    low: float
    high: float
    p: float
    propensity: Floats


def estimate(before: Floats, had: Flags, outcome: Floats, students: npt.NDArray[np.int64] | None = None,
             seed: int = 0) -> DoublyRobust:  # fmt: skip
    """Return the effect on those who had a help.

    Args:
        before: what was known before it, rows by covariates, without nulls.
        had: which rows had it; at least ``FOLDS`` on either side.
        outcome: what came of each row.
        students: whose row each is, where somebody has more than one: rows of one student are never apart, and the error
            counts them together.
        seed: of the parting; the same seed gives the same numbers.

    """
    import doubleml
    from doubleml.utils import PSProcessorConfig
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    varies = before.std(axis=0) > 0
    known = before[:, varies]
    whose = np.arange(len(had)) if students is None else students
    repeated = len(np.unique(whose)) < len(whose)
    data = doubleml.DoubleMLData.from_arrays(known, outcome, had.astype(float), cluster_vars=whose if repeated else None)
    model = doubleml.DoubleMLIRM(
        data, make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11))),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=1000)), n_folds=FOLDS, n_rep=TIMES, score="ATTE",
        ps_processor_config=PSProcessorConfig(clipping_threshold=CUT), draw_sample_splitting=False,
    )  # fmt: skip
    parts = StratifiedGroupKFold if repeated else StratifiedKFold
    groups = whose if repeated else None
    splits = [list(parts(FOLDS, shuffle=True, random_state=seed + time).split(known, had, groups)) for time in range(TIMES)]
    if repeated:
        of_students = [[tuple([np.unique(whose[side])] for side in fold) for fold in one] for one in splits]
        model.set_sample_splitting(splits, of_students)
    else:
        model.set_sample_splitting(splits)
    model.fit(store_predictions=True)
    low, high = model.confint(level=0.95).to_numpy()[0]
    propensity = np.clip(model.predictions["ml_m"][:, :, 0].mean(axis=1), 0.0, 1.0)
    return DoublyRobust(float(model.coef[0]), float(model.se[0]), float(low), float(high), float(model.pval[0]), propensity)

"""The effect of a help on those who had it, from what was observed, estimated twice over: by DoubleML, the only file that does.

Two models are learned from what was known before: how likely somebody was to have the help, and what would have come of them
without it. The estimate stands if either is right (Robins, Rotnitzky and Zhao 1994), and as each student is predicted by
models that never saw them (cross-fitting, Chernozhukov and others 2018), the learners may be penalised ones. Both are linear:
a district's year holds tens of students with a given help, which is too few for trees to draw lines in.

Staff give help by what they see, and records hold a part of it. So the interval allows for need that is not on record, as
strong as to explain :data:`UNSEEN` of what is left unexplained both of who had the help and of what came of them, all to one
side (Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis 2022). Whether it is stronger than that no record can tell.

Of the three libraries that were weighed, DoubleML fits the versions that Homeroom is locked to and brings no compiler or
second boosting library along, as econml (numba) and causalml (xgboost) do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Parts that are predicted by models of the others, and how often the students are parted anew: the median counts.
FOLDS, TIMES = 5, 3

#: The share of what is left unexplained that unseen need is allowed to explain.
UNSEEN = 0.05

#: Nobody counts as surer to have the help, or to be without it, than this.
CUT = 0.02


@dataclass(frozen=True)
class DoublyRobust:
    """``effect`` on those who had the help with its standard ``error``.

    ``low`` and ``high`` are the ends of the 95% interval that allows for unseen need, and ``p`` the chance of as much were
    there none and such need as bad as it is allowed to be. ``propensity``: how likely each student was to have it, by models
    that never saw them.
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
    model.sensitivity_analysis(cf_y=UNSEEN, cf_d=UNSEEN, rho=1.0, level=0.975)  # of one side, so 95% of both
    found = model.sensitivity_params
    low, high = (float(found["ci"][end][0]) for end in ("lower", "upper"))
    # In standard errors, how far from nothing the effect is where unseen need has done all that it is allowed to.
    sides = ((sign * found["theta"][end][0] / found["se"][end][0]) for sign, end in ((1, "lower"), (-1, "upper")))
    least = max(0.0, *(float(one) for one in sides))
    propensity = np.clip(model.predictions["ml_m"][:, :, 0].mean(axis=1), 0.0, 1.0)
    return DoublyRobust(float(model.coef[0]), float(model.se[0]), low, high, 2 * NormalDist().cdf(-least), propensity)

"""What a model of responses must beat: the skill, the item, and two published ways to trace knowledge.

Each is fitted on the same responses as the model and reads the same log. ``pfa`` is Performance Factors Analysis (Pavlik,
Cen and Koedinger 2009), ``best_lr`` the logistic regression that rivals deep models (Gervet et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from features.responses import Floats, Ints, ResponseLog, earlier

#: Fitted on some responses of a log, a baseline says how likely others are right.
Said = Callable[[Ints], Floats]


@dataclass(frozen=True)
class Baseline:
    """One way to foresee an answer. ``needs_items``: whether it reads which item was asked."""

    says: str
    fit: Callable[[ResponseLog, Ints], Said]
    needs_items: bool = False


def _skill(log: ResponseLog, rows: Ints) -> Said:
    """Return the share of right answers on the skills of each response."""
    share = float(log.right[rows].mean())
    mine = np.isin(log.owner, rows)
    seen = np.bincount(log.tag[mine], minlength=len(log.skills))
    good = np.bincount(log.tag[mine], log.right[log.owner[mine]], len(log.skills))
    chance = log.over_tags(((good + 5 * share) / (seen + 5))[log.tag])
    return lambda at: chance[at]


def _item(log: ResponseLog, rows: Ints) -> Said:
    """Return the share of right answers to the item, drawn to that of its skill."""
    usual = _skill(log, rows)(np.arange(len(log)))
    item, count = log.item[rows], len(log.items) + 1
    seen = np.bincount(item, minlength=count)[:count] if (item >= 0).all() else np.bincount(item[item >= 0], minlength=count)
    good = np.bincount(item[item >= 0], log.right[rows][item >= 0], count)

    def said(at: Ints) -> Floats:
        mine = np.where(log.item[at] >= 0, log.item[at], count - 1)
        return np.asarray((good[mine] + 5 * usual[at]) / (seen[mine] + 5), dtype=np.float64)

    return said


def _before(keys: Ints, owner: Ints, right: Floats) -> tuple[Floats, Floats]:
    """Return for each entry how many earlier entries of the same key are of right answers, and of wrong ones."""
    if not len(keys):
        return np.empty(0), np.empty(0)
    count = earlier(keys).astype(np.float64)
    order = np.argsort(keys, kind="stable")
    good = right[owner][order]
    total = np.cumsum(good) - good
    ordered = keys[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    base = np.repeat(total[first], np.diff(np.concatenate([first, [len(keys)]])))
    found = np.empty(len(keys))
    found[order] = total - base
    return found, count - found


def _pfa(log: ResponseLog, rows: Ints) -> Said:
    """Return PFA: each skill's easiness, and what a right and a wrong answer on it add."""
    good, bad = _before(log.student[log.owner] * len(log.skills) + log.tag, log.owner, log.right)
    shape = (len(log), len(log.skills))
    ones = np.ones(len(log.tag))
    matrix = hstack([csr_matrix((values, (log.owner, log.tag)), shape) for values in (ones, good, bad)]).tocsr()
    return _logistic(matrix, log.right, rows)


def _best_lr(log: ResponseLog, rows: Ints) -> Said:
    """Return Best-LR: skill and item, and logarithms of right and wrong answers, over all, on the skill and on the item."""
    everybody = np.arange(len(log))
    good, bad = _before(log.student[log.owner] * len(log.skills) + log.tag, log.owner, log.right)
    total = _before(log.student, everybody, log.right)
    counts = [*total, log.over_tags(good), log.over_tags(bad)]
    parts = [csr_matrix((np.ones(len(log.tag)), (log.owner, log.tag)), (len(log), len(log.skills)))]
    if log.items:
        known = np.flatnonzero(log.item >= 0)
        parts.append(csr_matrix((np.ones(len(known)), (known, log.item[known])), (len(log), len(log.items))))
        keys = np.where(log.item >= 0, log.student * len(log.items) + log.item, -1 - everybody)
        counts += _before(keys, everybody, log.right)
    parts.append(csr_matrix(np.log1p(np.stack(counts, axis=1))))
    return _logistic(hstack(parts).tocsr(), log.right, rows)


def _logistic(matrix: csr_matrix, right: Floats, rows: Ints) -> Said:
    """Return a logistic regression with a light penalty on all but the intercept."""
    mine, answers = matrix[rows], right[rows]
    across = mine.T.tocsr()

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = mine @ weights[1:] + weights[0]
        error = 1 / (1 + np.exp(-np.clip(odds, -30, 30))) - answers
        found = float(np.logaddexp(0, odds).sum() - (answers * odds).sum() + 0.5 * (weights[1:] ** 2).sum())
        return found, np.concatenate([[error.sum()], across @ error + weights[1:]])

    found = minimize(loss, np.zeros(matrix.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 150}).x
    return lambda at: np.asarray(1 / (1 + np.exp(-np.clip(matrix[at] @ found[1:] + found[0], -30, 30))), dtype=np.float64)


#: What a response must be judged by, from the simplest on.
BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "skill_mean": Baseline("the share of right answers on the skill", _skill),
        "item_mean": Baseline("the share of right answers to the item", _item, needs_items=True),
        "pfa": Baseline("Performance Factors Analysis", _pfa),
        "best_lr": Baseline("the logistic regression of Gervet et al. (2020)", _best_lr),
    }
)

"""The gates of the fairness audit: limits on how unequal errors may be, and when evidence says that one is passed.

A limit is put to a test, group by group: is the figure beyond it by more than chance? Each gate is a difference that is
zero at the limit and below zero beyond it; its error is the larger of what resampling whole schools (or students) shows
and of the score variance at the limit (Wilson 1927), which does not vanish where a small group has no hits at all. Over
all groups of an audit the share of wrong alarms is held by Benjamini and Hochberg's (1995) step-up rule.

So a gate has three answers. **Failed**: the evidence says that the limit is passed. **Passed**: the figure is within the
limit, for recall with an interval that ends above the lower limit. Between the two it is **too little to tell**, which
is said and not hidden. To fail a gate on the bare figure would stop every model of a small school by chance alone; to
ask for evidence without counting the groups would stop one in two of a large one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import false_discovery_control, t

from features.problems import Problem, Refused

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Gates:
    """Settings of the fairness audit (section ``audit``). A limit can be tightened and not loosened.

    ``least_students`` and ``least_positives``: a group of fewer (or with fewer without the outcome) is too small to
    assess. ``hidden_below``: a count of fewer students is not published. ``least_clusters``: with fewer schools (courses,
    where there is one school) students are drawn instead. ``false_discoveries``: the share of wrong alarms among all that
    is accepted. ``undecided_fails``: whether too little to tell fails, as the plain reading of the gate for recall asks.
    ``proxy_auc``: from which AUC on an attribute is called predictable from the inputs. ``draws``: of the bootstrap.
    ``refits``: whether models are fitted for the comparisons with demographics, without proxies and without behaviour;
    ``most_rows``: on at most about so many rows.
    """

    recall_ratio: float = 0.80
    recall_ratio_low: float = 0.70
    false_positive_difference: float = 0.05
    false_positive_ratio: float = 1.25
    precision_ratio: float = 0.75
    calibration: float = 0.03
    not_enough_data_ratio: float = 1.5
    least_students: int = 100
    least_positives: int = 20
    hidden_below: int = 10
    least_clusters: int = 10
    false_discoveries: float = 0.05
    undecided_fails: bool = False
    proxy_auc: float = 0.7
    draws: int = 500
    refits: bool = True
    most_rows: int = 40_000

    def __post_init__(self) -> None:
        problems = [
            Problem("settings", f"audit.{one.name}", f"it is looser than {one.default}", "A limit may be tightened only.")
            for one in fields(self)
            if one.name in _TIGHTER and _TIGHTER[one.name] * (getattr(self, one.name) - float(one.default)) < 0  # type: ignore[arg-type]
        ]
        if self.draws < _LEAST_DRAWS:
            few = "these are too few to tell an error"
            problems.append(Problem("settings", "audit.draws", few, f"Draw {_LEAST_DRAWS} or more."))
        if problems:
            raise Refused(problems, "The gates of the audit were refused")


#: Which way each limit is tightened: +1 where a larger number asks for more.
_TIGHTER: Mapping[str, int] = MappingProxyType({
    "recall_ratio": 1, "recall_ratio_low": 1, "false_positive_difference": -1, "false_positive_ratio": -1,
    "precision_ratio": 1, "calibration": -1, "not_enough_data_ratio": -1, "hidden_below": 1,
})  # fmt: skip

_LEAST_DRAWS = 20

#: What is summed over rows, by group: everything that a gate or an interval is made of. ``listed`` and ``hits`` are of the
#: list that capacity allows, with ``band_`` before them of the band, with ``rule_`` of the published rule's list.
SUMS = ("rows", "positives", "probability", "variance", "not_enough_data", "lacking", "listed", "hits", "band_listed",
        "band_hits", "rule_listed", "rule_hits")  # fmt: skip

#: The operating points, and what stands before their sums.
POINTS: Mapping[str, str] = MappingProxyType({"list": "", "band": "band_"})

Sums = Mapping[str, Floats]

#: A figure of sums; with ``by`` of the band, or of the published rule's list.
Figure = Callable[[Sums, str], Floats]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one group at one operating point. ``decided`` is false where there is too little to tell.

    ``figure`` and its 95% ``interval`` are on the scale of ``limit``; ``rule`` is the same figure of the published rule's
    list. ``q`` is the share of wrong alarms that an alarm here would accept (Benjamini and Hochberg).
    """

    gate: str
    attribute: str
    group: str
    at: str
    figure: float | None
    interval: tuple[float, float] | None
    limit: float
    rule: float | None
    within: bool
    p: float
    q: float = 1.0
    passed: bool = True
    decided: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, rounded to four places."""
        found = asdict(self)
        del found["p"], found["within"]
        for name in ("figure", "limit", "rule", "q"):
            found[name] = None if found[name] is None else round(found[name], 4)
        found["interval"] = None if self.interval is None else [round(one, 4) for one in self.interval]
        return found


@dataclass(frozen=True)
class Evidence:
    """Sums by group, as they are and in each draw, and how many students stand behind them.

    ``sums``: by name of :data:`SUMS`, shape ``(groups,)``; ``drawn``: the same, shape ``(draws, groups)``. ``students``:
    different students by group, in all (``rows``), with the outcome (``positives``), without it (``negatives``), on the
    list (``listed``) and in the band (``band_listed``). ``assessed``: which groups are large enough. ``freedom``: degrees
    of freedom of the errors.
    """

    attribute: str
    groups: tuple[str, ...]
    sums: Sums
    drawn: Sums
    students: Sums
    assessed: Bools
    freedom: float


def share(part: Floats, whole: Floats) -> Floats:
    """Return a share, NaN where there is nothing that it could be of."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    found: Floats = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def recall(sums: Sums, by: str = "") -> Floats:
    """Return the share of those with the outcome who are on the list."""
    return share(sums[f"{by}hits"], sums["positives"])


def false_positive_rate(sums: Sums, by: str = "") -> Floats:
    """Return the share of those without the outcome who are on the list."""
    return share(sums[f"{by}listed"] - sums[f"{by}hits"], sums["rows"] - sums["positives"])


def precision(sums: Sums, by: str = "") -> Floats:
    """Return the share of the list that had the outcome: one less the false-alarm rate."""
    return share(sums[f"{by}hits"], sums[f"{by}listed"])


def calibration(sums: Sums, by: str = "") -> Floats:
    """Return the mean probability less the frequency, which no list changes."""
    del by
    return share(sums["probability"] - sums["positives"], sums["rows"])


def not_enough_data(sums: Sums, by: str = "") -> Floats:
    """Return the share of rows that cannot be scored, which no list changes."""
    del by
    return share(sums["not_enough_data"], sums["rows"])


def tests(found: Evidence, gates: Gates) -> list[Verdict]:
    """Put every limit to the test for every group of an attribute that can be assessed; nothing is adjusted yet."""
    if found.assessed.sum() < 2:
        return []
    whole = {name: values.sum(axis=-1) for name, values in found.sums.items()}
    drawn = {name: values.sum(axis=-1) for name, values in found.drawn.items()}
    verdicts: list[Verdict | None] = []
    for at, by in POINTS.items():
        recalls = _recalls(found, gates, at, by)
        for group in np.flatnonzero(found.assessed).tolist():
            one = _Group(found, group, gates, at, by, whole, drawn)
            verdicts += [recalls.get(group), one.false_positives(), one.precision()]
            if not by:
                verdicts += [one.calibration(), one.not_enough_data(), *one.against_rule()]
    return [one for one in verdicts if one is not None]


def _recalls(found: Evidence, gates: Gates, at: str, by: str) -> dict[int, Verdict]:
    """Test each group's recall against that of every other group: the best is known only as well as they are.

    Held against the highest figure alone, one of many equal groups would look low by chance; so it is the smallest of the
    tests against each other group that counts, times their number (Bonferroni).
    """
    groups = np.flatnonzero(found.assessed)
    limit, mine, drawn = gates.recall_ratio, recall(found.sums, by)[groups], recall(found.drawn, by)[:, groups]
    students = effective(mine, drawn, found.students["positives"][groups], found.sums["positives"][groups])
    best = int(np.argmax(mine))
    if mine[best] <= 0:
        return {}  # nobody with the outcome is on any list: there is nothing to be unequal
    rule = recall(found.sums, "rule_")[groups]
    verdicts = {}
    for place, group in enumerate(groups.tolist()):
        others = np.arange(len(groups)) != place
        spread = np.nanvar(drawn[:, [place]] - limit * drawn[:, others], axis=0)
        chance = score_variance(limit * mine[others], students[place])
        chance = chance + limit**2 * score_variance(mine[others], students[others])
        p = tail(mine[place] - limit * mine[others], np.maximum(spread, chance), found.freedom)
        ratio = float(mine[place] / mine[best])
        interval = (1.0, 1.0) if place == best else interval_of(share(drawn[:, place], drawn[:, best]))
        within = ratio >= limit and (interval is None or interval[0] >= gates.recall_ratio_low)
        verdicts[group] = Verdict(
            "recall_ratio", found.attribute, found.groups[group], at, ratio, interval, limit,
            None if by or not rule.max() > 0 else float(rule[place] / rule.max()), within, min(1.0, float(p.min()) * len(p)),
        )  # fmt: skip
    return verdicts


class _Group:
    """One group before its gates, beside everybody else."""

    def __init__(self, found: Evidence, group: int, gates: Gates, at: str, by: str, whole: Sums, drawn: Sums) -> None:
        self.found, self.group, self.gates, self.at, self.by = found, group, gates, at, by
        self.mine = {name: values[group] for name, values in found.sums.items()}
        self.drawn = {name: values[:, group] for name, values in found.drawn.items()}
        self.whole, self.whole_drawn = whole, drawn
        self.rest = {name: whole[name] - values for name, values in self.mine.items()}
        self.rest_drawn = {name: drawn[name] - values for name, values in self.drawn.items()}
        self.students = {name: float(values[group]) for name, values in found.students.items()}
        self.others = {name: float(values.sum() - values[group]) for name, values in found.students.items()}

    def false_positives(self) -> Verdict | None:
        """Test the false-positive rate against everybody else's: by difference and by ratio, whichever is looser."""
        gates, mine, rest = self.gates, self._of(false_positive_rate, self.mine), self._of(false_positive_rate, self.rest)
        drawn, others = false_positive_rate(self.drawn, self.by), false_positive_rate(self.rest_drawn, self.by)
        if np.isnan(rest):
            return None
        least, ratio = gates.false_positive_difference, gates.false_positive_ratio
        students = self._students(mine, drawn, "negatives")
        theirs = score_variance(rest, self._students(rest, others, "negatives", self.others, self.rest))
        by_difference = self._p(least - (mine - rest), drawn - others, score_variance(rest + least, students) + theirs)
        by_ratio = self._p(ratio * rest - mine, ratio * others - drawn,
                           score_variance(ratio * rest, students) + ratio**2 * theirs)  # fmt: skip
        limit = max(gates.false_positive_difference, (ratio - 1) * rest)
        rule = self._of(false_positive_rate, self.mine, "rule_") - self._of(false_positive_rate, self.rest, "rule_")
        return self._verdict("false_positive_difference", mine - rest, interval_of(drawn - others), limit,
                             None if self.by else rule, mine - rest <= limit, max(by_difference, by_ratio))  # fmt: skip

    def precision(self) -> Verdict | None:
        """Test the precision against that of the whole list; a list with too few of the group says nothing of it."""
        limit, mine, whole = self.gates.precision_ratio, self._of(precision, self.mine), self._of(precision, self.whole)
        if self.students[f"{self.by}listed"] < self.gates.hidden_below or not whole > 0:
            return None
        drawn, all_drawn = precision(self.drawn, self.by), precision(self.whole_drawn, self.by)
        students = self._students(mine, drawn, f"{self.by}listed")
        p = self._p(mine - limit * whole, drawn - limit * all_drawn, score_variance(limit * whole, students))
        of_all = self._of(precision, self.whole, "rule_")
        rule = self._of(precision, self.mine, "rule_") / of_all if of_all > 0 and not self.by else None
        return self._verdict("precision_ratio", mine / whole, interval_of(share(drawn, all_drawn)), limit, rule,
                             mine >= limit * whole, p)  # fmt: skip

    def calibration(self) -> Verdict:
        """Test how far the mean probability is from the frequency."""
        limit, mine, drawn = self.gates.calibration, self._of(calibration, self.mine), calibration(self.drawn)
        p = self._p(limit - abs(mine), drawn, np.asarray(self.mine["variance"] / self.mine["rows"] ** 2))
        interval = interval_of(drawn)
        within = abs(mine) <= limit or interval is None or interval[0] <= 0 <= interval[1]
        return self._verdict("calibration", mine, interval, limit, None, within, p)

    def not_enough_data(self) -> Verdict:
        """Test how much more often a row of the group cannot be scored than a row of everybody else."""
        limit, mine = self.gates.not_enough_data_ratio, self._of(not_enough_data, self.mine)
        rest = self._of(not_enough_data, self.rest)
        drawn, others = not_enough_data(self.drawn), not_enough_data(self.rest_drawn)
        students, their = self._students(mine, drawn, "rows"), self._students(rest, others, "rows", self.others, self.rest)
        chance = score_variance(limit * rest, students) + limit**2 * score_variance(rest, their)
        p = self._p(limit * rest - mine, limit * others - drawn, chance)
        ratio = 1.0 if mine == rest else min(mine / rest, _MOST_RATIO) if rest > 0 else _MOST_RATIO
        interval = interval_of(np.minimum(share(drawn, others), _MOST_RATIO))
        return self._verdict("not_enough_data_ratio", ratio, interval, limit, None, ratio <= limit, p)

    def against_rule(self) -> list[Verdict]:
        """Test whether the group is worse served than by the rule's list of the same length, on the same students."""
        found = []
        for name, figure, sign, of in (("recall", recall, 1, "positives"), ("precision", precision, 1, "listed"),
                                       ("false_positive", false_positive_rate, -1, "negatives")):  # fmt: skip
            mine, rule = self._of(figure, self.mine), self._of(figure, self.mine, "rule_")
            if np.isnan(mine) or np.isnan(rule):
                continue
            gain = sign * (mine - rule)
            drawn = sign * (figure(self.drawn, "") - figure(self.drawn, "rule_"))
            # Of two lists at least as many rows differ as their figures do (McNemar 1947).
            least = abs(gain) / max(self._rows(of, self.mine), 1.0)
            p = self._p(gain, drawn, np.asarray(least))
            found.append(self._verdict(f"{name}_against_rule", gain, interval_of(drawn), 0.0, None, gain >= 0, p))
        return found

    def _of(self, figure: Figure, sums: Sums, by: str | None = None) -> float:
        return float(figure(sums, self.by if by is None else by))

    def _students(
        self, value: float, drawn: Floats, of: str, students: Mapping[str, float] | None = None, sums: Sums | None = None
    ) -> float:
        """Return how many independent students a share of the group, or of the rest, is worth."""
        least = (students or self.students)[of]
        most = self._rows(of, sums or self.mine)
        return float(effective(np.array([value]), drawn[:, None], np.array([least]), np.array([most]))[0])

    @staticmethod
    def _rows(of: str, sums: Sums) -> float:
        return float(sums["rows"] - sums["positives"] if of == "negatives" else sums[of])

    def _p(self, difference: float, drawn: Floats, chance: Floats) -> float:
        """Return the chance of so low a difference at the limit: by what the draws show, or by the variance there."""
        spread = float(np.nanvar(drawn)) if np.isfinite(drawn).any() else 0.0
        return float(tail(np.array([difference]), np.array([max(spread, float(chance))]), self.found.freedom)[0])

    def _verdict(self, gate: str, figure: float, interval: tuple[float, float] | None, limit: float, rule: float | None,
                 within: bool, p: float) -> Verdict:  # fmt: skip
        told = None if rule is None or not np.isfinite(rule) else float(rule)
        group, number = self.found.groups[self.group], float(figure) if np.isfinite(figure) else None
        return Verdict(gate, self.found.attribute, group, self.at, number, interval, float(limit), told, bool(within), p)


#: A ratio to next to nothing is told as this.
_MOST_RATIO = 99.0


def effective(value: Floats, drawn: Floats, students: Floats, rows: Floats) -> Floats:
    """Return how many independent students each share is worth, by how far it moves between draws.

    A student has several rows that say nearly the same: they are worth at least as much as one row each, and at most as
    much as all rows. A share of nothing or of all does not move, and is taken at the least.

    Args:
        value: shares, shape ``(groups,)``.
        drawn: the same in each draw, shape ``(draws, groups)``.
        students: how many students each is of.
        rows: how many rows.

    """
    spread = np.nanvar(drawn, axis=0)
    worth = np.divide(value * (1 - value), spread, out=np.zeros(len(value)), where=spread > 0)
    return np.clip(worth, students, np.maximum(rows, students))


def score_variance(value: Floats | float, students: Floats | float) -> Floats:
    """Return the variance of a share of this value among as many students; a share of none is one not yet seen."""
    least = 1 / (np.maximum(students, 1.0) + 1)
    kept = np.clip(value, least, 1 - least)
    return np.asarray(kept * (1 - kept) / np.maximum(students, 1.0), dtype=np.float64)


def tail(difference: Floats, variance: Floats, freedom: float) -> Floats:
    """Return the chance of a difference as low as this where the limit is just kept; 1 where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = difference / np.sqrt(variance)
    found = t.cdf(score, freedom) if np.isfinite(freedom) else ndtr(score)
    return np.nan_to_num(np.asarray(found, dtype=np.float64), nan=1.0)


def interval_of(drawn: Floats) -> tuple[float, float] | None:
    """Return the 95% interval of draws, None where fewer than nine in ten of them gave a figure."""
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.9 * len(drawn):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def decided(verdicts: Sequence[Verdict], gates: Gates) -> list[Verdict]:
    """Return the verdicts of one audit with ``q`` and what follows, all their groups and gates counted together."""
    if not verdicts:
        return []
    q = false_discovery_control([one.p for one in verdicts])
    found = []
    for one, value in zip(verdicts, q, strict=True):
        failed = bool(value <= gates.false_discoveries) and not one.within
        known = one.within or failed
        found.append(replace(one, q=float(value), decided=known, passed=not (failed if known else gates.undecided_fails)))
    return found

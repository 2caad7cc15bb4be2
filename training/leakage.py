"""The proof that a model learned nothing that was not known on the day, made anew for every model and kept on its card.

Some leaks show in what a feature reads: rows are built again without the future and with another one, and must be the
same to the last bit. Others lie in the records, where no rebuilding finds them: a system that stamps late knowledge with
an early day, a column filled in only for those who left. They show in what they can do, so an input that alone tells
the outcome apart is an alarm, and so is a model that is too good. The kinds of leak are those of Kaufman et al. (2012)
and of Kapoor and Narayanan (2023).

A failed check refuses the model: see :meth:`Proof.refuse`. ``docs/leakage.md`` says what each check catches and cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import brentq
from scipy.stats import binomtest, rankdata

from features.problems import Problem, Refused
from features.records import Cohort, SchoolRecords
from features.tables import TABLES
from training import future
from training.future import Sampled
from training.indicators import PROGRESS
from training.model import Trees
from training.run import Run
from training.splits import fold_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = Bools
Labels = npt.NDArray[np.int8]

#: How many standard errors from .5 a model of exchanged outcomes may lie: by chance one proof in 16,000 does not.
MOST_ERRORS = 4.0

#: Share of the rows of a table that may be stamped as known before they happened: an absence is at times announced.
MOST_ANNOUNCED = 0.01

#: Share of the training rows whose outcome may have been corrected after the test began: registers are, now and then.
MOST_CORRECTED = 0.01

#: From which share on an outcome is all but certain: where an input is known for hardly anybody else, it was filled in
#: because of it. Unless more than this share of all the others have the outcome too.
ALMOST_ALL, MOST_OF_OTHERS = 0.9, 0.75

#: What an outcome is counted up from: a model that knows how it stands so far may rank very well, late in the period.
RUNNING: Mapping[str, str] = MappingProxyType({"chronic_absence": "absence_rate", "course_failure": "mark_mean_weighted"})

#: What share of the pairs that such a count has out of order must be left by a model that ranks well because of it; and from
#: which share of the period on it explains: a later day's knowledge stamped with an early one would show in the first days too.
LEFT_OUT_OF_ORDER, LEAST_ELAPSED = 0.5, 0.25

#: An input is cut into at most so many groups, to find one that tells the outcome without rising or falling with it.
GROUPS = 20

#: Where fewer students than this had the outcome, or had it not, an AUC is no figure to print if there is a better founded one.
LEAST_STUDENTS = 20

_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the proof: what was measured, what it may be at most, and what that says.

    ``alarm`` marks a figure that somebody should look at though the check is passed; ``hint`` is what to do if it failed.
    ``figure`` is None where there was too little to measure.
    """

    name: str
    passed: bool
    figure: float | None
    limit: float
    says: str
    hint: str = ""
    alarm: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, rounded to four places."""
        figure = None if self.figure is None else round(float(self.figure), 4)
        return {"name": self.name, "passed": self.passed, "figure": figure, "limit": round(float(self.limit), 4),
                "alarm": self.alarm, "says": self.says}  # fmt: skip


@dataclass(frozen=True)
class Proof:
    """All checks of one model."""

    target: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(one.passed for one in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return the card's section ``leakage``."""
        return {"passed": self.passed, "checks": [one.as_dict() for one in self.checks]}

    def refuse(self) -> None:
        """Raise :class:`Refused` where a check failed, with every one that did: such a model is not to be kept."""
        failed = [one for one in self.checks if not one.passed]
        problems = [Problem("leak", f"{self.target}: {one.name}", one.says.rstrip("."), one.hint) for one in failed]
        if problems:
            raise Refused(problems, f"The proof that {self.target} reads nothing of the future failed")


def lines(section: Mapping[str, Any]) -> list[str]:
    """Return a card's section ``leakage`` as lines to read."""
    checks = section["checks"]
    told = [f"Proof against leakage: {'passed' if section['passed'] else 'FAILED'}, {len(checks)} checks."]
    for one in checks:
        word = "look at this" if one["passed"] and one.get("alarm") else "passed" if one["passed"] else "FAILED"
        told.append(f"- {one['name']}: {word}. {one['says']}")
    return told


def prove(run: Run, trees: Trees, in_time: bool = True) -> Proof:
    """Return the proof of one model: ten checks, for the cost of three to four fits on a sample and of some rebuilding.

    Args:
        run: what the model was learned from and judged on. Its settings say how much is done: ``proof_rows`` for refits
            and inputs, ``proof_dates`` to rebuild, and the limits ``proof_auc`` and ``proof_gap``.
        trees: the run's classifier.
        in_time: whether it was to learn from outcomes that were known before the test; a model that was not, for
            comparison, can never serve.

    """
    about = _About.of(run, trees)
    return Proof(
        run.target.name,
        (
            *_rebuilding(run),
            _stamps(run.records),
            _apart(run),
            _known_before(run, in_time),
            _exchanged(about),
            _random_split(about),
            _too_good(about),
            *_inputs(about),
        ),
    )


# -- what a feature reads -----------------------------------------------------------------------------------------------


def _rebuilding(run: Run) -> list[Check]:
    """Build rows again from records without the future, and from records with another one."""
    samples = future.sampled(run, run.settings.proof_dates)
    frames = future.gathered(run, samples)
    later = sum(future.later_rows(mine, one.as_of) for one, mine in zip(samples, frames, strict=True))
    rows = sum(len(one.rows) for one in samples)
    values = rows * len(run.table.catalog)
    done = f"{rows:,} rows on {len(samples)} day{'s' if len(samples) > 1 else ''} ({values:,} values)"
    hint = "Let the feature read through the snapshot it is given, which holds what was known on the day and nothing else."
    found = []
    for name, made, how in (
        ("future_cut", future.cut, "built again from records of which everything later was cut off"),
        ("future_changed", future.other_future, "built again with another future in the records"),
    ):
        unlike: dict[str, int] = {}
        for one, mine in zip(samples, frames, strict=True):
            for feature, count in _unlike(run, made(mine, one.as_of), one).items():
                unlike[feature] = unlike.get(feature, 0) + count
        differ = sum(unlike.values())
        if not later:
            says = f"No row of the records became known after the days that were looked at, so {done} prove nothing."
        elif differ:
            says = f"{done} were {how} ({later:,} rows): {differ:,} values differ, in {_named(unlike)}."
        else:
            says = f"{done} were {how} ({later:,} rows): every bit is the same."
        found.append(Check(name, bool(later) and not differ, float(differ), 0.0, says, hint))
    return found


def _unlike(run: Run, records: SchoolRecords, sample: Sampled) -> dict[str, int]:
    """Return how many values of each feature differ from the run's; every value of a row that only one of them has."""
    mine, other = run.table.take(sample.rows.to_numpy().astype(np.intp)), future.rebuilt(run, records, sample)
    if not mine.keys.equals(other.keys):
        rows = len(mine.keys.join(other.keys, on=mine.keys.columns, how="anti", nulls_equal=True))
        rows += len(other.keys.join(mine.keys, on=mine.keys.columns, how="anti", nulls_equal=True))
        return {"who is enrolled": max(rows, 1) * len(run.table.catalog)}
    one, another = mine.values.view(np.int64), other.values.view(np.int64)
    same = (one == another) | (np.isnan(mine.values) & np.isnan(other.values))
    return {name: int(count) for name, count in zip(mine.catalog.names, (~same).sum(axis=0), strict=True) if count}


def _named(counts: Mapping[str, int]) -> str:
    most = sorted(counts, key=lambda name: (-counts[name], name))
    return ", ".join(most[:5]) + (f" and {len(most) - 5} more" if len(most) > 5 else "")


def _stamps(records: SchoolRecords) -> Check:
    """Look for rows of what happened that claim to have been known before it did."""
    tables = [TABLES[name] for name in _HAPPENED if records.holds(name)]
    ahead = [(pl.col("known_on") < pl.col(table.event)).sum().alias("early") for table in tables]
    early = [records.labels(table.name).select(pl.len().alias("rows"), one) for table, one in zip(tables, ahead, strict=True)]
    shares = {
        table.name: found["early"][0] / found["rows"][0]
        for table, found in zip(tables, pl.collect_all(early, engine="streaming"), strict=True)
        if found["rows"][0]
    }
    if not shares:
        return Check("stamps", True, None, MOST_ANNOUNCED, "The records hold no event of which it could be told.")
    worst = max(shares, key=lambda name: shares[name])
    says = f"Of {len(shares)} tables of what happened, no row is stamped as known before it did."
    if shares[worst]:
        says = f"Of the rows of {worst}, {shares[worst]:.2%} are stamped as known before they happened; of no other table more."
    return Check("stamps", shares[worst] <= MOST_ANNOUNCED, shares[worst], MOST_ANNOUNCED, says,
                 "Stamp a row with the day since which it can be known, or leave `known_on` out.")  # fmt: skip


#: Tables of what happened: unlike a stay, a class or an exit, none of it is planned ahead.
_HAPPENED = ("attendance", "section_attendance", "incidents", "submissions", "results", "activity", "course_marks",
             "skill_results", "outcomes")  # fmt: skip


# -- who teaches and who judges -----------------------------------------------------------------------------------------


def _apart(run: Run) -> Check:
    """Count the students who are both among those that taught (or calibrated) and among those that judge."""
    students = run.keys["student_id"]
    both = set(students.filter(pl.Series(run.fit | run.held))) & set(students.filter(pl.Series(run.test)))
    says = f"{len(both) or 'No'} student{' is' if len(both) == 1 else 's are'} both in what was learned from and in the test."
    return Check("students_apart", not both, float(len(both)), 0.0, says,
                 "Leave the students of the test out of training: see training/splits.py.")  # fmt: skip


def _known_before(run: Run, in_time: bool) -> Check:
    """Make the outcomes that were learned from again, of records cut off on the day before the first test row."""
    rows = pl.Series(run.fit | run.held)
    begins = run.keys.filter(pl.Series(run.test))["as_of"].to_list()
    last = min(begins) - timedelta(days=1)
    parts = {name: tuple(one.filter(pl.col("known_on") <= last) for one in held) for name, held in run.records.parts.items()}
    records = replace(run.records, parts=parts)
    cohort = Cohort(run.table.keys.filter(rows), run.target.unit)
    # The number, where there is one, does not depend on the mark from which it counts as secure, which a run has not kept.
    again = run.target.labels(records, cohort, 0.5)
    what, mine = ("value", run.value) if run.target.with_value else ("label", run.label.astype(np.float64))
    made = again[what].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    share = float(np.mean(made != mine[rows.to_numpy()]))
    says = (f"The outcomes of {len(cohort):,} rows that were learned from were made again from what was known before the test "
            f"began on {min(begins)}: {'all' if not share else f'{1 - share:.2%}'} are the same.")  # fmt: skip
    if not in_time:
        says += " It was trained for comparison, on outcomes that nobody knew yet."
    return Check("outcomes_known", share <= MOST_CORRECTED or not in_time, share, MOST_CORRECTED, says,
                 "Learn from outcomes that were known before the test, as they were known.", alarm=not in_time)  # fmt: skip


# -- what a model can do ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _About:
    """A run with the samples that figures are measured on."""

    run: Run
    trees: Trees
    fit: Rows
    test: Rows
    elapsed: Floats

    @classmethod
    def of(cls, run: Run, trees: Trees) -> _About:
        place = fold_of(run.keys["student_id"], _PARTS, "proof")
        most = run.settings.proof_rows

        def some(rows: Rows) -> Rows:
            return rows & (place < _PARTS * min(1.0, most / max(int(rows.sum()), 1)))

        return cls(run, trees, some(run.fit), some(run.test), _elapsed(run))

    def part(self, rows: Rows, score: Floats, label: Labels | None = None) -> _Ranked:
        """Return how a score ranks some rows, day by day."""
        mine = (self.run.label if label is None else label)[rows]
        return _Ranked.of(score, mine, self.run.keys["as_of"].to_physical().to_numpy()[rows], self.run.who[rows])


@dataclass(frozen=True)
class _Ranked:
    """The AUC within days, the days weighted by their pairs; ``by_row`` is what each row moves it by.

    ``error`` counts a student's rows as one (DeLong, DeLong and Clarke-Pearson 1988; Obuchowski 1997), and is at least what
    pure chance gives (Mann and Whitney 1947).
    """

    auc: float | None
    error: float
    by_row: Floats
    who: npt.NDArray[np.intp]

    @classmethod
    def of(cls, score: Floats, label: Labels, day: npt.NDArray[Any], who: npt.NDArray[np.intp]) -> _Ranked:
        total, weight, chance, by_row = 0.0, 0.0, 0.0, np.zeros(len(score))
        for rows in _parts(day):
            yes = label[rows] == 1
            p, n = int(yes.sum()), int((~yes).sum())
            if not p or not n:
                continue
            # The share of the others that each row lies above, or below.
            ranks = rankdata(score[rows])
            own = np.where(yes, _ranks_within(score[rows], yes), _ranks_within(score[rows], ~yes))
            beats = np.where(yes, (ranks - own) / n, 1 - (ranks - own) / p)
            auc = float(beats[yes].mean())
            by_row[rows] = np.where(yes, (beats - auc) * n, (beats - auc) * p)
            total, weight, chance = total + auc * p * n, weight + p * n, chance + p * n * (p + n + 1) / 12
        if not weight:
            return cls(None, float("nan"), by_row, who)
        by_row /= weight
        return cls(total / weight, max(_error(by_row, who), float(np.sqrt(chance) / weight)), by_row, who)


def _ranks_within(score: Floats, rows: Bools) -> Floats:
    """Return the rank of each of some rows among them; 0 for the others."""
    found = np.zeros(len(score))
    found[rows] = rankdata(score[rows])
    return found


def _error(by_row: Floats, who: npt.NDArray[np.intp]) -> float:
    """Return the standard error of a sum of rows, those of a student taken together."""
    sums = np.bincount(np.unique(who, return_inverse=True)[1], weights=by_row)
    return float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)))


def _parts(day: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.intp]]:
    for one in np.unique(day):
        yield np.flatnonzero(day == one)


def _exchanged(about: _About) -> Check:
    """Fit on outcomes exchanged among the students of a day, and judge by outcomes exchanged in the same way.

    Each student draws a number once (in each class and skill that is asked about); on every day those with the lowest have
    the outcome, as many as had it. So a student in both training and test keeps it, and whatever lets the model know a
    student or a test row again shows as rank.
    """
    run = about.run
    unit = run.keys.select(pl.struct("student_id", "section_id", "skill_id").rank("dense")).to_series().to_numpy()
    number = np.random.default_rng(run.settings.seed).random(int(unit.max(initial=0)) + 1)[unit]
    label = np.zeros(len(run.label), dtype=np.int8)
    for rows in _parts(np.where(about.fit | about.test, run.keys["as_of"].to_physical().to_numpy(), np.iinfo(np.int32).min)):
        if (about.fit | about.test)[rows[0]]:
            label[rows[np.argsort(number[rows], kind="stable")[: int(run.label[rows].sum())]]] = 1
    trees = run.fitted(about.fit, label)
    found = about.part(about.test, trees.raw(run.matrix[about.test]), label)
    limit = 0.5 + MOST_ERRORS * found.error
    if found.auc is None or limit >= 1:
        return _too_few("shuffled_labels", 1.0)
    says = (f"Fitted on outcomes exchanged among the students of a day, the model ranks the test at AUC {found.auc:.3f}; "
            f"chance alone gives .5, within {MOST_ERRORS * found.error:.3f}.")  # fmt: skip
    return Check("shuffled_labels", abs(found.auc - 0.5) <= limit - 0.5, found.auc, limit, says,
                 "Something lets the model know rows of the test again: look at the split and at the fit.")  # fmt: skip


def _random_split(about: _About) -> Check:
    """Compare with what a split at random would have promised, on the same rows and from as many.

    First with other students of the test's own term to learn from, then with the same students on other days as well.
    """
    run, settings = about.run, about.run.settings
    rng = np.random.default_rng(settings.seed)
    of_student = rng.random(int(about.run.who.max(initial=0)) + 1)[about.run.who]
    beside = about.test & (of_student < 1 / 3)
    judged = about.test & ~beside & (rng.random(len(run.label)) < 0.5)
    same = about.test & ~beside & ~judged
    order = rng.permutation(len(run.label))

    def as_many(rows: Rows) -> Rows:
        chosen = np.zeros(len(rows), dtype=bool)
        chosen[order[rows[order]][: int(about.fit.sum())]] = True
        return chosen

    def ranked(trees: Trees) -> _Ranked:
        return about.part(judged, trees.raw(run.matrix[judged]))

    asked = [about.fit, as_many(about.fit | beside), as_many(about.fit | beside | same)]
    whole = about.fit.sum() == run.fit.sum()
    fits = [about.trees, *run.fitted_each(asked[1:])] if whole else run.fitted_each(asked)
    in_time, term, rows = (ranked(one) for one in fits)
    if in_time.auc is None:
        return _too_few("random_split", settings.proof_gap)
    assert term.auc is not None
    assert rows.auc is not None
    gap, error = rows.auc - in_time.auc, _error(rows.by_row - in_time.by_row, in_time.who)
    low, high = gap - 1.96 * error, gap + 1.96 * error
    alarm = low > settings.proof_gap
    says = (f"Split at random by rows the AUC would be {rows.auc:.3f}, by students {term.auc:.3f}; split in time it is "
            f"{in_time.auc:.3f} on the same rows. The gap is {gap:+.3f} ({low:+.3f} to {high:+.3f})")  # fmt: skip
    if alarm:
        of_term = term.auc - in_time.auc > rows.auc - term.auc
        says += (", most of it since the term is another than those that taught" if of_term
                 else ", most of it since inputs tell who a student is") + ": believe the split in time alone"  # fmt: skip
    says += "."
    return Check("random_split", True, gap, settings.proof_gap, says, alarm=alarm)


def _too_good(about: _About) -> Check:
    """Sound an alarm where the model ranks the students of a day better than can be believed."""
    run, limit = about.run, about.run.settings.proof_auc
    tested = np.flatnonzero(run.test)
    score, found = about.trees.raw(run.matrix[run.test]), []
    for at in _parts(run.day[tested]):
        rows, yes = tested[at], run.label[tested[at]] == 1
        if yes.any() and not yes.all():
            one = _Found.of(f"day {run.day[rows[0]]}", _auc(score[at], yes), yes, about.run.who[rows], limit)
            found.append(one.explained(_running(about, rows)))
    return _verdict("auc", about, found, "The model ranks the students of {where} at AUC {auc:.3f}")


@dataclass(frozen=True)
class _Found:
    """An AUC somewhere, the least that it can be believed to be, and the AUC of the outcome's own count so far there."""

    where: str
    auc: float
    least: float
    students: int
    running: float | None = None

    @classmethod
    def of(cls, where: str, auc: float, yes: Bools, who: npt.NDArray[np.intp], limit: float) -> _Found:
        students = (len(np.unique(who[yes])), len(np.unique(who[~yes]))) if auc > limit else (int(yes.sum()), int((~yes).sum()))
        return cls(where, auc, least(auc, *students) if auc > limit else auc, min(students))

    def explained(self, running: float | None) -> _Found:
        return _Found(self.where, self.auc, self.least, self.students, running)

    @property
    def excused(self) -> bool:
        """Whether the count so far, known on the day, ranks about as well: then the definition says so much."""
        return self.running is not None and 1 - self.auc >= LEFT_OUT_OF_ORDER * (1 - self.running)


def _auc(score: Floats, yes: Bools) -> float:
    """Return the AUC of a score; there must be both outcomes."""
    p = int(yes.sum())
    return float((rankdata(score)[yes].sum() - p * (p + 1) / 2) / (p * (len(yes) - p)))


def _either(auc: float) -> float:
    return max(auc, 1 - auc)


def least(auc: float, positives: int, negatives: int) -> float:
    """Return the lower end of the 95% interval of an AUC, by Newcombe's (2006) fifth method.

    It holds for few students and where nobody is out of order, where an error worked out from the rows would be nought.

    >>> round(least(1.0, 5, 100), 2), round(least(1.0, 100, 100), 2), round(least(0.97, 400, 3000), 2)
    (0.8, 0.98, 0.96)
    """
    middle = (positives + negatives) / 2 - 1

    def beyond(true: float) -> float:
        spread = 1 + middle * (1 - true) / (2 - true) + middle * true / (1 + true)
        return auc - true - 1.96 * float(np.sqrt(true * (1 - true) * spread / (positives * negatives)))

    return float(brentq(beyond, 0.0, auc - 1e-9)) if auc > 0 else 0.0


def _verdict(name: str, about: _About, found: Sequence[_Found], told: str) -> Check:
    """Return the check of many AUCs: failed by any that is surely above the limit and not a fact of the definition."""
    settings = about.run.settings
    limit, accepted = settings.proof_auc, settings.alarm_accepted
    if not found:
        return _too_few(name, limit)
    high = [one for one in found if one.least > limit]
    failing = [one for one in high if not one.excused]
    enough = [one for one in found if one.students >= LEAST_STUDENTS]
    worst = max(failing or enough or found, key=lambda one: (one.least, one.auc))
    says = told.format(where=worst.where, auc=worst.auc)
    if failing:
        says += f", which is more than {limit:g}" + (f", and {len(failing) - 1} more like it" if len(failing) > 1 else "")
        says += f". Accepted: {accepted}." if accepted else "."
    elif high:
        says += (f". Above {limit:g} it is little better than the outcome's own count so far, known on the day, which alone "
                 f"reaches {max(one.running or 0.0 for one in high):.3f}: a fact of the definition.")  # fmt: skip
    else:
        says += f", and nothing is surely above {limit:g}."
    hint = ("Find what says it so well: a code written with the outcome, a field filled in after it, a day stamped too early. "
            "Leave it out; or, where it is honest, say who found it so and why in train.alarm_accepted.")  # fmt: skip
    return Check(name, not failing or bool(accepted), worst.auc, limit, says, hint, alarm=bool(high))


def _too_few(name: str, limit: float) -> Check:
    return Check(name, True, None, limit, "There are too few students of either outcome to tell.")


def _running(about: _About, rows: npt.NDArray[Any]) -> float | None:
    """Return the AUC of the outcome's own count so far, where there is one and enough of the period has gone."""
    feature = RUNNING.get(about.run.target.name, "")
    if feature not in about.run.table.catalog or not np.nanmedian(about.elapsed[rows]) >= LEAST_ELAPSED:
        return None
    values = about.run.table.values[rows, about.run.table.catalog.places((feature,))[0]]
    yes = about.run.label[rows] == 1
    if np.isnan(values).all() or yes.all() or not yes.any():
        return None
    return _either(_auc(np.nan_to_num(values, nan=float(np.nanmedian(values))), yes))


def _elapsed(run: Run) -> Floats:
    """Return how much of what the outcome is counted over has gone, a share: of the grading period, or of the stay."""
    if "outcomes" not in run.target.needs:
        return run.table.values[:, run.table.catalog.places((PROGRESS,))[0]]
    judged = run.records.labels("outcomes").select("term_id").unique()
    periods = run.records.labels("terms").join(judged, on="term_id", how="semi").select("starts_on", "ends_on").unique()
    dates = run.keys.select("as_of").unique().join(periods.collect(), how="cross")
    running = dates.filter(pl.col("as_of").is_between("starts_on", "ends_on"))
    # The period that is running; of several at once the one of which the least has gone.
    gone = (pl.col("as_of") - pl.col("starts_on")).dt.total_days() / (pl.col("ends_on") - pl.col("starts_on")).dt.total_days()
    share = running.group_by("as_of").agg(gone.min().alias("gone"))
    found = run.keys.select("as_of").join(share, on="as_of", how="left", maintain_order="left")["gone"]
    return found.cast(pl.Float64).fill_null(0.0).to_numpy()


# -- what one input can do ----------------------------------------------------------------------------------------------


def _inputs(about: _About) -> list[Check]:
    """Look at each input alone, on each day: its value in either direction, its groups, and whether it is known at all."""
    run, limit, inputs = about.run, about.run.settings.proof_auc, about.run.table.catalog.inputs
    place, share = _grouped(about)
    values: list[_Found] = []
    unknown: list[_Found] = []
    filled: list[_Filled] = []
    for day, rows in _days(about):
        yes, who, running = run.label[rows] == 1, about.run.who[rows], _running(about, rows)
        known = ~np.isnan(run.matrix[rows])
        had, others = known[yes].sum(axis=0), known[~yes].sum(axis=0)
        everybody = np.full(len(had), min(int(yes.sum()), int((~yes).sum())))
        by_group = _aucs_of_groups(place[rows], share, yes)
        by_value = _aucs_of_known(run.matrix[rows], known, yes)
        by_known = 0.5 + np.abs(had / yes.sum() - others / (~yes).sum()) / 2
        told = [_Found.of(f"{inputs[at]} on {day}", by_group[at], yes, who, limit) for at in _worth(by_group, everybody, limit)]
        for at in _worth(by_value, np.minimum(had, others), limit):
            mine = known[:, at]
            told.append(_Found.of(f"{inputs[at]} on {day}", by_value[at], yes[mine], who[mine], limit))
        values += [one.explained(running) for one in told]
        unknown += [_Found.of(f"{inputs[at]} on {day}", by_known[at], yes, who, limit)
                    for at in _worth(by_known, everybody, limit)]  # fmt: skip
        for place_of in np.flatnonzero((had >= ALMOST_ALL * (had + others)) & (had > 0)):
            filled += _Filled.of(f"{inputs[place_of]} on {day}", yes, known[:, place_of], who)
    single = _verdict("single_input", about, values, "The input that tells the most alone is {where}, with AUC {auc:.3f}")
    return [single, _missingness(about, unknown, filled)]


def _worth(auc: Floats, students: npt.NDArray[np.intp], limit: float) -> Iterator[int]:
    """Yield which of many AUCs are worth a look: those above the limit, and the highest that is not of a few."""
    high = set(np.flatnonzero(auc > limit).tolist())
    enough = np.where(np.isnan(auc) | (students < LEAST_STUDENTS), -1.0, auc)
    yield from sorted(high | ({int(enough.argmax())} if enough.max(initial=-1.0) >= 0 else set()))


def _days(about: _About) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """Yield the rows of each judged day on which both outcomes are there: of those learned from, and of the test."""
    run = about.run
    judged = np.isin(run.day, run.settings.judged_days)
    for part, name in ((about.fit & judged, "those learned from"), (about.test, "the test")):
        for day in np.unique(run.day[part]):
            rows = np.flatnonzero(part & (run.day == day))
            if 0 < run.label[rows].sum() < len(rows):
                yield f"day {day} of {name}", rows


@dataclass(frozen=True)
class _Filled:
    """How many of those of whom an input is known had the outcome, and the least share that can be believed."""

    where: str
    students: int
    share: float
    least: float

    @classmethod
    def of(cls, where: str, yes: Bools, known: Bools, who: npt.NDArray[np.intp]) -> list[_Filled]:
        """Return what is known of hardly anybody but those with the outcome; nothing where most have it in any case."""
        of_others = yes[~known].mean() if not known.all() else 1.0
        students, had = len(np.unique(who[known])), len(np.unique(who[known & yes]))
        low = float(binomtest(had, students).proportion_ci(0.95, "wilson").low)
        return [cls(where, students, had / students, low)] if low > ALMOST_ALL and of_others < MOST_OF_OTHERS else []


def _missingness(about: _About, unknown: Sequence[_Found], filled: Sequence[_Filled]) -> Check:
    """Return the check of what is known of whom: whether it tells the outcome, or is known of hardly anybody else."""
    check = _verdict("missingness", about, unknown, "Whether {where} is known at all tells the outcome with AUC {auc:.3f}")
    if not check.passed or not filled:
        return check
    worst, accepted = max(filled, key=lambda one: (one.least, one.students)), about.run.settings.alarm_accepted
    says = (f"Of the {worst.students:,} students of whom {worst.where} is known, {worst.share:.0%} had the outcome: it was "
            "filled in because of it" + (f", and {len(filled) - 1} more like it." if len(filled) > 1 else "."))  # fmt: skip
    hint = "Leave out a field that is filled in only once the outcome is known, or stamp it with that day."
    return Check("missingness", bool(accepted), worst.share, ALMOST_ALL, says + (f" Accepted: {accepted}." if accepted else ""),
                 hint, alarm=True)  # fmt: skip


def _grouped(about: _About) -> tuple[npt.NDArray[np.intp], Floats]:
    """Cut each input into groups of similar value, the unknown a group too, and return the outcome's share in each.

    It finds an input that tells the outcome without rising or falling with it, such as the code of a reason.

    Returns:
        the group of each row, shape ``(rows, inputs)``, and the share of its training rows that had the outcome, shape
        ``(inputs, groups)``.

    """
    run, overall = about.run, float(about.run.label[about.fit].mean())
    used = np.flatnonzero(about.fit | about.test)
    fit, label = about.fit[used], run.label[used][about.fit[used]]
    place = np.zeros(run.matrix.shape, dtype=np.intp)
    share = np.empty((run.matrix.shape[1], GROUPS + 3))
    for at, column in enumerate(run.matrix[used].T):
        known = column[fit & ~np.isnan(column)]
        edges = np.unique(known)
        if len(edges) > GROUPS:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)))
        group = np.where(np.isnan(column), 0, np.searchsorted(edges, column, side="right") + 1)
        place[used, at] = group
        count = np.bincount(group[fit], minlength=share.shape[1])
        had = np.bincount(group[fit], weights=label, minlength=share.shape[1])
        share[at] = (had + overall) / (count + 1)
    return place, share


def _aucs_of_groups(group: npt.NDArray[np.intp], score: Floats, yes: Bools) -> Floats:
    """Return for each input the AUC of rows that are scored by their group: from counts, which costs no sorting."""
    inputs, groups = score.shape
    cell = group + groups * np.arange(inputs)
    had = np.bincount(cell[yes].ravel(), minlength=score.size).reshape(score.shape)
    others = np.bincount(cell[~yes].ravel(), minlength=score.size).reshape(score.shape)
    order = np.argsort(score, axis=1, kind="stable")
    had, others = np.take_along_axis(had, order, axis=1), np.take_along_axis(others, order, axis=1)
    pairs = (had * (np.cumsum(others, axis=1) - others / 2)).sum(axis=1)
    return np.asarray(pairs / (yes.sum() * (~yes).sum()), dtype=np.float64)


def _aucs_of_known(matrix: Floats, known: Bools, yes: Bools) -> Floats:
    """Return for each input the AUC of its known values, in the better direction; NaN where they have one outcome only."""
    # What is not known ranks last, so that the ranks of what is are as without it.
    ranks = rankdata(np.where(known, matrix, np.inf), axis=0)
    had, others = known[yes].sum(axis=0), known[~yes].sum(axis=0)
    pairs = (ranks * (known & yes[:, None])).sum(axis=0) - had * (had + 1) / 2
    auc = np.divide(pairs, had * others, out=np.full(len(had), np.nan), where=had * others > 0)
    return np.asarray(np.maximum(auc, 1 - auc), dtype=np.float64)

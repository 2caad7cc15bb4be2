"""What came in and went out, beside what the model's card and its reference say: after every scoring, and once outcomes come.

A report names what is other than before, the most important first, and says plainly what it cannot tell. It holds
counts of at least ten students and no student's value. What it measures is kept beside the records, for the gauges
that Prometheus reads.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chi2, norm

from features.problems import NotFound
from features.records import SchoolRecords
from serving import lists
from serving.lists import LISTED, Kept, Outcome
from serving.measures import FIGURES
from serving.missing import stays_at
from serving.reviews import overrides
from serving.store import Latest, Store
from training.drift import (
    LEAST_IN_CELL,
    LEAST_STUDENTS,
    Change,
    Day,
    Elsewhere,
    Limits,
    Rows,
    compare,
    compare_schools,
    stability_index,
    watched,
)
from training.trained import TrainedModel

#: Where the last report lies as a page in a tenant's folder.
PAGE = "monitor.html"

#: How many lists back what was found is remembered.
REMEMBERED = 12


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Settings of monitoring.

    ``index``: population stability index from which on an input or the scores count as changed. ``missing``: change of
    the share of students of whom an input is known. ``school_shift``: how many standard deviations a school's mean may
    move. ``false_alarms``: share of reports that may name a changed input where only chance is at work. ``years``: how
    many times what earlier terms differed by is nothing new. ``list_rate``: how many times longer or shorter a list
    may become. ``not_scored``: share of students without a score. ``precision``: how far the share of a list that had the
    outcome may lie below what the card promised. ``slope_low`` and ``slope_high`` bound the
    calibration slope. ``retrain_weight``: from this share of what moves the scores on (or of all inputs), changed inputs are
    told first, and ask for a new model where they were so on the list before.
    ``accept_missing``: inputs or tables whose absence is known of, so that a run does not stop. ``keep_lists_days``: how
    long lists are kept to be held against their outcomes.
    """

    index: float = 0.2
    missing: float = 0.1
    school_shift: float = 1.0
    false_alarms: float = 0.05
    years: float = 2.0
    list_rate: float = 2.0
    not_scored: float = 0.1
    precision: float = 0.1
    slope_low: float = 0.8
    slope_high: float = 1.2
    retrain_weight: float = 0.1
    accept_missing: tuple[str, ...] = ()
    keep_lists_days: int = 800

    @property
    def limits(self) -> Limits:
        """What drift is held against."""
        return Limits(self.index, self.missing, self.school_shift, self.false_alarms, self.years)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is other than it was. ``retrain`` tells that it asks for a new model; ``weight`` sorts the report."""

    kind: str
    says: str
    weight: float
    retrain: bool = False


@dataclass(frozen=True)
class Scores:
    """How the scores of a list lie beside those of the students whom the model was judged on.

    ``index`` beyond ``limit`` is a change; ``listed`` is the share of scored rows on the list, ``listed_before`` the
    model's own. None where there are too few students, or no reference.
    """

    students: int
    mean: float | None = None
    index: float | None = None
    limit: float | None = None
    listed: float | None = None
    listed_before: float | None = None
    listed_limits: tuple[float, float] | None = None

    @property
    def drifted(self) -> bool:
        """Whether the probabilities are spread otherwise than before."""
        return self.index is not None and self.limit is not None and self.index > self.limit

    @property
    def other_length(self) -> bool:
        """Whether the list is longer or shorter than before."""
        if self.listed is None or self.listed_limits is None:
            return False
        return not self.listed_limits[0] <= self.listed <= self.listed_limits[1]


@dataclass(frozen=True)
class TargetReport:
    """What monitoring found of one target. ``says`` completes what is predicted, in words; ``names`` say the inputs."""

    target: str
    says: str
    version: str
    rows: int
    status: Mapping[str, int]
    scores: Scores
    compared: int
    changes: Sequence[Change]
    schools: Sequence[Elsewhere]
    outcomes: Sequence[Outcome]
    findings: Sequence[Finding]
    notes: Sequence[str]
    weights: Mapping[str, float]
    names: Mapping[str, str]

    @property
    def not_scored(self) -> float:
        """Share of rows without a score."""
        return 1 - self.status.get("scored", 0) / self.rows if self.rows else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, no count of fewer than ten students among them."""
        return {
            "target": self.target, "version": self.version, "rows": self.rows,
            "status": {name: _count(count) for name, count in self.status.items()},
            "not_scored": round(self.not_scored, 4) if all(_count(one) is not None for one in self.status.values()) else None,
            "scores": asdict(self.scores), "compared": self.compared,
            "inputs": [{**_finite(asdict(one)), "what": self.names[one.name], "weight": self.weights.get(one.name)}
                       for one in self.changes],
            "schools": [{**_finite(asdict(one)), "what": self.names[one.name]} for one in self.schools],
            "outcomes": [{**asdict(one), "as_of": one.as_of.isoformat()} for one in self.outcomes],
            "retrain": [one.says for one in self.findings if one.retrain],
            "findings": [asdict(one) for one in self.findings], "notes": list(self.notes),
        }  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What monitoring found of the newest list of a tenant, and of the lists before it whose outcomes have come."""

    as_of: date
    data_through: date | None
    targets: Sequence[TargetReport]
    overrides: Mapping[str, Any]
    history: Mapping[str, Sequence[Mapping[str, Any]]]
    district: str = field(repr=False, default="")
    looked_after: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``homeroom monitor --json`` prints and that is kept for the gauges."""
        return {
            "as_of": self.as_of.isoformat(),
            "data_through": self.data_through.isoformat() if self.data_through else None,
            "district": self.district,
            "targets": [one.as_dict() for one in self.targets],
            "overrides": dict(self.overrides),
            "service_levels": [dict(one) for one in self.looked_after],
            "history": {name: list(found) for name, found in self.history.items()},
            "gauges": [{"target": target, "version": version, "measure": measure, "value": value}
                       for target, version, measure, value in gauges(self)],
        }  # fmt: skip


def report(
    store: Store,
    records: SchoolRecords,
    load: Callable[[str, str], TrainedModel],
    settings: Monitoring | None = None,
    pass_mark: float | None = None,
    reviews: pl.DataFrame | None = None,
    looked_after: pl.DataFrame | None = None,
) -> Report:
    """Return what the newest scoring looks like beside the reference, and what became of the lists before it.

    Args:
        store: where the scoring, its snapshot and the lists are kept.
        records: the newest records: those that were scored, or a later export that holds more outcomes.
        load: returns the model of a target and version.
        settings: see :class:`Monitoring`.
        pass_mark: share of the best score from which a skill counts as secure; by default what each list was made with.
        reviews: what people thought of scores: ``prediction_id`` and ``agrees``.
        looked_after: how soon cases were looked at, by school (:func:`serving.reviews.looked_after`).

    Raises:
        NotFound: nothing has been scored yet.
        Refused: ``reviews`` does not have the columns it should.

    """
    settings = settings or Monitoring()
    latest = store.latest()
    kept = lists.kept(store)
    newest = next((one for one in reversed(kept) if latest is not None and one.token == latest.token), None)
    if latest is None or newest is None:
        raise NotFound("Nothing has been scored yet that could be compared. Run `homeroom score`, then this.")
    found = lists.outcomes(records, kept, pass_mark)
    stays, history = stays_at(records, latest.as_of), _history(store)
    targets = [
        _target(store, latest, newest, load(name, newest.promised[name]["version"]), stays, settings,
                [one for one in found if one.target == name], history.get(name, ()))
        for name in sorted(latest.snapshots)
    ]  # fmt: skip
    now = {one.target: _remembered(history.get(one.target, ()), one, latest.as_of) for one in targets}
    levels = () if looked_after is None else looked_after.to_dicts()
    return Report(
        latest.as_of, latest.data_through, targets, overrides(kept, reviews), {**history, **now}, _opaque(store), levels
    )  # fmt: skip


def _history(store: Store) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return what the reports before this one found other than before, by target, the oldest first."""
    path = store.folder / FIGURES
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    history: Mapping[str, Sequence[Mapping[str, Any]]] = found.get("history", {})
    return history


def _remembered(history: Sequence[Mapping[str, Any]], one: TargetReport, as_of: date) -> list[Mapping[str, Any]]:
    """Return a target's history with this report; of a list reported again the later report stays."""
    day = as_of.isoformat()
    mine = {"as_of": day, "version": one.version, "scores": one.scores.drifted,
            "inputs": sorted({change.name for change in one.changes})}  # fmt: skip
    return [*(other for other in history if other["as_of"] < day), mine][-REMEMBERED:]


def _before(history: Sequence[Mapping[str, Any]], version: str, as_of: date) -> Mapping[str, Any] | None:
    """Return what was found on the list before this one, by the same version, a week earlier or more."""
    latest = (as_of - timedelta(days=7)).isoformat()
    found = [one for one in history if one["version"] == version and one["as_of"] <= latest]
    return found[-1] if found else None


def _opaque(store: Store) -> str:
    """Return a name of the tenant that says nothing to a stranger: /metrics is read without a key."""
    return hmac.new(store.secret(), b"monitor", hashlib.sha256).hexdigest()[:8]


def _target(
    store: Store, latest: Latest, newest: Kept, model: TrainedModel, stays: pl.DataFrame, settings: Monitoring,
    outcomes: Sequence[Outcome], history: Sequence[Mapping[str, Any]],
) -> TargetReport:  # fmt: skip
    name = model.target.name
    mine = newest.rows.filter(pl.col("target") == name)
    status = {str(one): int(count) for one, count in mine.group_by("status").len().sort("status").iter_rows()}
    notes: list[str] = []
    changes: list[Change] = []
    schools: list[Elsewhere] = []
    weights: Mapping[str, float] = {}
    scores = Scores(mine["student_id"].n_unique())
    if model.reference is None or not model.reference.days:
        notes.append("The model carries no reference: it was made by an earlier release, or of fewer than "
                     f"{LEAST_STUDENTS} students. Inputs and scores are not compared.")  # fmt: skip
    else:
        weights = model.reference.weights
        rows = _rows(store.snapshot(latest, name).collect(), watched(model.catalog), stays)
        changes = compare(model.reference, rows, settings.limits)
        schools = compare_schools(model.reference, rows, settings.limits, changes)
        notes += _notes(model, rows, changes)
        scores = _scores(model, mine, stays, settings)
    found = TargetReport(
        name, model.target.says, model.version, mine.height, status, scores, len(changes),
        sorted((one for one in changes if one.drifted or one.missing), key=lambda one: -_matters(one, weights)),
        sorted(schools, key=lambda one: -abs(one.shift)), outcomes, (), notes, weights,
        {one.name: one.words.name for one in model.catalog},
    )  # fmt: skip
    return replace(found, findings=_findings(found, settings, _before(history, model.version, latest.as_of)))


def _matters(change: Change, weights: Mapping[str, float]) -> float:
    """Return how much a change matters: how far beyond its limit it is, and how much of the scores hangs on it."""
    return min(change.excess, 10.0) * (weights.get(change.name, 0.0) + 0.002)


def _rows(frame: pl.DataFrame, names: tuple[str, ...], stays: pl.DataFrame) -> Rows:
    """Return the rows of a snapshot with school and day of the term; those without a term are left out."""
    keyed = frame.join(stays.drop("student_id"), on="enrolment_id", how="left").filter(pl.col("day").is_not_null())
    held = tuple(name for name in names if name in frame.columns)
    return Rows(
        held, keyed.select(held).fill_null(float("nan")).to_numpy().astype(np.float64), keyed["student_id"].to_numpy(),
        keyed["organisation_id"].fill_null("").to_numpy(), np.zeros(keyed.height, dtype=np.intp), keyed["day"].to_numpy(),
    )  # fmt: skip


def _notes(model: TrainedModel, rows: Rows, changes: Sequence[Change]) -> list[str]:
    assert model.reference is not None
    if not changes:
        return [f"Fewer than {LEAST_STUDENTS} students are at one point of their term: inputs are not compared."]
    notes = []
    nearest = model.reference.nearest(int(np.median(rows.day)))
    away = abs(int(np.median(rows.day)) - nearest.day)
    if away > 7:
        notes.append(f"The list lies {away} days from the nearest day of the reference (day {nearest.day} of the term): "
                     "only large changes can be told from what the calendar brings.")  # fmt: skip
    if nearest.terms == 1:
        notes.append("The model was made of one term: how much terms differ is not known, and more may look changed than is.")
    return notes


def _scores(model: TrainedModel, mine: pl.DataFrame, stays: pl.DataFrame, settings: Monitoring) -> Scores:
    """Compare the probabilities of a list, and its length, with those of the test on the nearest day."""
    assert model.reference is not None
    days = {day: one for day, one in model.reference.days.items() if one.scores is not None}
    scored = mine.filter(pl.col("status") == "scored").join(stays.drop("student_id"), on="enrolment_id", how="left")
    students = scored["student_id"].n_unique()
    if not days or students < LEAST_STUDENTS or scored["day"].is_null().all():
        return Scores(students)
    middle = float(str(scored["day"].median()))
    before = days[min(days, key=lambda day: abs(day - middle))]
    chance = scored["probability"].to_numpy()
    listed = int((scored["band"] == LISTED).sum()) / scored.height
    return _beside(before, chance, students, listed, settings)


def _beside(before: Day, chance: np.ndarray[Any, Any], students: int, listed: float, settings: Monitoring) -> Scores:
    assert before.scores is not None
    assert before.listed is not None
    shape = before.scores
    counts = np.bincount(np.searchsorted(shape.edges, chance), minlength=len(shape.shares)).astype(np.float64)
    index = stability_index(np.array(shape.shares), counts, float(shape.students))
    both = 1 / students + 1 / shape.students
    limit = max(settings.index, both * float(chi2.isf(settings.false_alarms, len(shape.shares) - 1)))
    rate = max(before.listed, LEAST_IN_CELL / 2 / shape.students)
    slack = float(norm.isf(settings.false_alarms / 2)) * math.sqrt(rate * (1 - rate) * both)
    bounds = (min(rate / settings.list_rate, rate - slack), max(rate * settings.list_rate, rate + slack))
    return Scores(
        students, round(float(chance.mean()), 4), round(index, 4), round(limit, 4), round(listed, 4), before.listed,
        (round(max(bounds[0], 0.0), 4), round(bounds[1], 4)),
    )  # fmt: skip


# -- what is said of it -------------------------------------------------------------------------------------------------


def _findings(found: TargetReport, settings: Monitoring, before: Mapping[str, Any] | None) -> tuple[Finding, ...]:
    """Return everything that is other than before, the most important first.

    A holiday that lies elsewhere than in earlier years moves a dozen inputs for a week. So inputs and scores ask for a
    new model only when the list before this one said the same.
    """
    says = [*_of_outcomes(found, settings), *_of_scores(found, settings, before), *_of_inputs(found, settings, before)]
    return tuple(sorted(says, key=lambda one: (not one.retrain, -one.weight)))


def _of_outcomes(found: TargetReport, settings: Monitoring) -> list[Finding]:
    settled = [one for one in found.outcomes if one.settled and not one.hindsight]
    says = [*_of_slopes([one for one in settled if one.version == found.version], settings)]
    for one in settled:
        if one.share is None or one.listed is None or one.promised is None:
            continue
        # The card's figure is itself a share of so many, and of a small test it may well be all of them.
        both = 1 / one.listed + 1 / max(one.promised_of, 1)
        middle = (one.share * one.listed + one.promised * one.promised_of) / (one.listed + one.promised_of)
        error = math.sqrt(middle * (1 - middle) * both)
        short = one.promised - one.share
        if short > max(settings.precision, float(norm.isf(settings.false_alarms / 2 / len(settled))) * error):
            text = (f"the list of {one.as_of}: {one.share:.0%} of those on it had the outcome, and the card promised "
                    f"{one.promised:.0%}{_of_help(one)}")  # fmt: skip
            says.append(Finding("precision", text, 90 + short))
    return says


#: A slope is other than before from three standard errors on, which is so much of half a 95% interval: every year is a little
#: unlike the last, and lists of one year are off together.
_SURE = 3 / 1.96


def _of_slopes(settled: Sequence[Outcome], settings: Monitoring) -> list[Finding]:
    """Return what the calibration slopes of a version's lists say together: a single list may lie off by its year.

    One calibration serves all days, so that early in a term the slope may lie off for good: the card says so, and what it
    said then is nothing new.
    """
    slopes = [(one.slope, one.slope_interval[1] - one.slope_interval[0], one.slope_promised or (1.0, 0.0))
              for one in settled if one.slope is not None and one.slope_interval is not None]  # fmt: skip
    if not slopes:
        return []
    # The lists of a year are of the same students, so that together they are no surer than one of them.
    weight = sum(width**-2 for _, width, _ in slopes)
    slope = sum(one / width**2 for one, width, _ in slopes) / weight
    before = sum(one / width**2 for _, width, (one, _) in slopes) / weight
    half = sum(width for _, width, _ in slopes) / len(slopes) / 2
    before_half = sum(one for _, _, (_, one) in slopes) / len(slopes)
    inside = settings.slope_low <= slope <= settings.slope_high or abs(slope - 1) <= _SURE * half
    if inside or abs(slope - before) <= _SURE * math.hypot(half, before_half):
        return []
    lists_said = "one list" if len(slopes) == 1 else f"{len(slopes)} lists"
    text = (f"the calibration slope of {lists_said} is {slope:.2f} ({slope - half:.2f} to {slope + half:.2f}), outside "
            f"{settings.slope_low:g} to {settings.slope_high:g}")  # fmt: skip
    if any(one.slope_promised for one in settled):
        text += f"; on such days it was {before:.2f} when the model was judged"
    return [Finding("calibration", text, 100 + abs(math.log(max(slope, 0.01))), retrain=len(slopes) > 1)]


def _of_help(one: Outcome) -> str:
    if one.helped is None or one.unhelped_share is None:
        return ""
    return f"; of those who were given no help after it, {one.unhelped_share:.0%}"


def _of_scores(found: TargetReport, settings: Monitoring, before: Mapping[str, Any] | None) -> list[Finding]:
    says, scores = [], found.scores
    if scores.drifted:
        says.append(
            Finding("scores", f"the probabilities are spread otherwise: index {scores.index:.2f}, limit {scores.limit:.2f}",
                    80 + (scores.index or 0.0), retrain=before is not None and bool(before["scores"]))
        )  # fmt: skip
    if scores.other_length:
        says.append(
            Finding("list", f"{scores.listed:.0%} of students are on the list, where {scores.listed_before:.0%} were when the "
                            "model was made", 70.0)
        )  # fmt: skip
    if found.not_scored > settings.not_scored and found.rows - found.status.get("scored", 0) >= LEAST_IN_CELL:
        why = ", ".join(f"{_said(count)} {name}" for name, count in found.status.items() if name != "scored")
        says.append(Finding("not_scored", f"{found.not_scored:.0%} of {found.rows:,} rows have no score: {why}", 60.0))
    return says


def _of_inputs(found: TargetReport, settings: Monitoring, before: Mapping[str, Any] | None) -> list[Finding]:
    says = []
    names = {one.name for one in found.changes}
    weight, again = (
        sum(found.weights.get(name, 0.0) for name in some) for some in (names, names & set(before["inputs"] if before else ()))
    )
    if again >= settings.retrain_weight:
        text = f"inputs on which {again:.0%} of what moves the scores hangs are not what they were, as on the list before"
        says.append(Finding("inputs", text, 50 + again, retrain=True))
    elif max(weight, len(names) / max(found.compared, 1)) >= settings.retrain_weight:
        text = (f"{len(names)} inputs, on which {weight:.0%} of what moves the scores hangs, are not what they were: look at "
                "the export first, and whether the next list says the same")  # fmt: skip
        says.append(Finding("inputs", text, 50 + weight))
    for one in found.changes:
        what = found.names[one.name]
        if one.missing:
            text = f"{what}: known of {one.known_now:.0%} of students, earlier of {one.known_before:.0%}"
        else:
            text = f"{what}: index {one.index:.2f}, limit {one.limit:.2f}"
        says.append(Finding("input", text, _matters(one, found.weights)))
    by_school: dict[str, list[Elsewhere]] = {}
    for other in found.schools:
        by_school.setdefault(other.school, []).append(other)
    for school, others in by_school.items():
        named = "; ".join(_at_school(one, found.names[one.name]) for one in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        text = f"school {school}, {len(others)} inputs: {named}{more}"
        hangs = sum(found.weights.get(one.name, 0.0) for one in others)
        # As of all schools together: one input of a hundred moves somewhere every week, and is named after those that matter.
        loud = max(hangs, len(others) / max(found.compared, 1)) >= settings.retrain_weight
        says.append(Finding("school", text, 20.0 + hangs) if loud else Finding("input", text, hangs))
    return says


def _at_school(one: Elsewhere, what: str) -> str:
    if abs(one.known_now - one.known_before) > one.known_limit:
        return f"{what} known of {one.known_now:.0%}, earlier of {one.known_before:.0%}"
    return f"{what} {abs(one.shift):.1f} standard deviations {'higher' if one.shift > 0 else 'lower'}"


def _count(count: int) -> int | None:
    """Return a count, None where it is of fewer than ten students and more than none."""
    return None if 0 < count < LEAST_IN_CELL else count


def _said(count: int) -> str:
    return "fewer than 10" if _count(count) is None else f"{count:,}"


def _finite(found: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in found.items()}


# -- what is kept and drawn -----------------------------------------------------------------------------------------------


def gauges(found: Report) -> list[tuple[str, str, str, float]]:
    """Return target, version, measure and value of everything that Prometheus reads: of all schools together, no names."""
    figures: list[tuple[str, str, str, float | None]] = []
    for one in found.targets:
        told: dict[str, float | None] = {
            "rows": one.rows, "not_scored_share": one.as_dict()["not_scored"], "inputs_compared": one.compared,
            "inputs_changed": len(one.changes), "schools_changed": len({other.school for other in one.schools}),
            "retrain": sum(finding.retrain for finding in one.findings),
            "index_highest": max((change.index for change in one.changes if change.index is not None), default=0.0),
            "score_mean": one.scores.mean, "score_index": one.scores.index, "score_index_limit": one.scores.limit,
            "listed_share": one.scores.listed, "listed_share_before": one.scores.listed_before,
        }  # fmt: skip
        settled = [other for other in one.outcomes if other.settled and not other.hindsight]
        if settled:
            last = max(settled, key=lambda other: other.as_of)
            told |= {
                "outcome_share": last.frequency, "outcome_probability": last.probability, "brier": last.brier,
                "calibration_slope": last.slope, "list_precision": last.share, "list_precision_promised": last.promised,
            }  # fmt: skip
        figures += [(one.target, one.version, name, value) for name, value in told.items()]
    for rate in found.overrides["targets"]:
        version = next((one.version for one in found.targets if one.target == rate["target"]), "")
        figures.append((rate["target"], version, f"override_share_{rate['band']}", rate["rate"]))
    return [(target, version, name, float(value)) for target, version, name, value in figures if value is not None]


def keep(store: Store, found: Report, page: str) -> None:
    """Keep a report in the tenant's folder, each file whole or not at all: figures for the gauges, and the page."""
    for name, content in ((FIGURES, json.dumps(found.as_dict())), (PAGE, page)):
        building = store.folder / f".{name}.{os.getpid()}"
        building.write_text(content, encoding="utf-8")
        building.replace(store.folder / name)

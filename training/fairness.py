"""The fairness audit: who is found, who is listed for nothing, and of whom too little is known, group by group.

It looks at the lists as they are used: the share of a day's students that capacity allows, and the band from which a
check-in is suggested. It is the only reader of groups: :meth:`~features.records.SchoolRecords.audit` gives them to this
file alone, they join nothing that learns or scores, and what leaves it are figures of many students. Groups of fewer
than 100 students, or 20 with the outcome, are named as too few to assess; a count under ten is not told at all.

What matters first is written down in ``docs/fairness.md``: equal recall and calibration within each group, since help is
what a list leads to, and the share listed for nothing as a guard. All at once cannot be had where base rates differ
(Kleinberg, Mullainathan and Raghavan 2017; Chouldechova 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.cohort import on_days_of_term
from features.pipeline import FeatureTable, build
from features.problems import Problem, Refused
from features.records import SchoolRecords
from features.tables import TABLES
from training import evaluate
from training import gates as limits
from training.ablation import comparisons
from training.baselines import BASELINES, Sample
from training.coverage import Bounds, coverage
from training.gates import POINTS, Evidence, Figure, Gates, Verdict
from training.groups import NOT_RECORDED, Attribute, Drawing, Table, clusters_per_group, evidence
from training.indicators import PROGRESS
from training.run import Run, Training, on_record, sampled, terms_of, with_days
from training.trained import LEAST_KNOWN, Population, TrainedModel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Attributes of where somebody is and not of who: they are judged alone, and not crossed with others.
PLACES = ("school", "district")

#: The figures of a list, by their name on a card.
OF_A_LIST: Mapping[str, Figure] = {
    "list_rate": lambda sums, by: limits.share(sums[f"{by}listed"], sums["rows"]),
    "recall": limits.recall,
    "false_positive_rate": limits.false_positive_rate,
    "false_alarm_rate": lambda sums, by: 1 - limits.precision(sums, by),
}

#: Those with an interval; the first and the last are the same whatever is listed.
FIGURES: Mapping[str, Figure] = {
    "base_rate": lambda sums, _: limits.share(sums["positives"], sums["rows"]), **OF_A_LIST, "calibration": limits.calibration,
}  # fmt: skip

#: Those that have one even where there are very many groups: what gates are made of.
WITH_INTERVAL = {name: FIGURES[name] for name in ("recall", "false_positive_rate", "false_alarm_rate", "calibration")}

#: What is told of a group that is too small to assess.
TOO_FEW = "too few to assess"


@dataclass(frozen=True)
class Judged:
    """Scored rows whose outcome is known, all of shape ``(rows,)``: what an audit is made of.

    ``raw`` orders a day's list, ``chance`` is its probability; ``complete`` is the share of what is usually known by then
    that the records hold. ``rule`` is the score of the published rule. ``band`` is the least probability of the band.
    ``keys`` has ``student_id`` and ``as_of``, and where the unit has them ``enrolment_id`` and ``course_id``. ``bounds`` gives
    the interval of probabilities, None where there is none.
    """

    keys: pl.DataFrame
    label: npt.NDArray[np.int8]
    day: npt.NDArray[Any]
    tie: Floats
    raw: Floats
    chance: Floats
    complete: Floats
    rule: Floats
    capacity: float
    band: float
    bounds: Bounds | None = None

    def listed(self, at: str) -> Bools:
        """Return who is on the list at an operating point. A row of which too little is known is in no band."""
        if at == "band":
            return (self.chance >= self.band) & (self.complete >= LEAST_KNOWN)
        return evaluate.on_list(self.raw, self.day, self.tie, self.capacity)

    def table(self) -> Table:
        """Return what is added up of each row."""
        label = self.label == 1
        lists = {by: self.listed(at) for at, by in POINTS.items()}
        lists["rule_"] = evaluate.on_list(self.rule, self.day, self.tie, self.capacity)
        columns = {
            "rows": np.ones(len(label)), "positives": label, "probability": self.chance,
            "variance": self.chance * (1 - self.chance),
            "not_enough_data": self.complete < LEAST_KNOWN, "lacking": 1 - self.complete,
            **{f"{by}listed": listed for by, listed in lists.items()},
            **{f"{by}hits": listed & label for by, listed in lists.items()},
        }  # fmt: skip
        student = np.unique(self.keys["student_id"].to_numpy(), return_inverse=True)[1].astype(np.intp)
        return Table(np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in limits.SUMS]), student)


# -- who is in which group --------------------------------------------------------------------------------------------


def attributes(records: SchoolRecords, keys: pl.DataFrame) -> list[Attribute]:
    """Return every attribute that the school has on record of these rows, as known on the last of their days.

    Columns of the tables whose one permitted use is the audit; the school and, where they are told apart, its district;
    how the student came to the school; device and internet at home. An attribute with one group tells nobody apart and
    is left out.

    Args:
        records: the school's records.
        keys: ``student_id`` and ``as_of`` of each row, and ``enrolment_id`` where the unit has it.

    """
    last = keys["as_of"].max()
    assert isinstance(last, date)
    stay = ["enrolment_id"] if "enrolment_id" in keys.columns else []
    rows = keys.select("student_id", "as_of", *stay).with_row_index("at")
    found: dict[str, pl.Series] = {}
    for facts in _facts(records, last):
        told = rows.join(facts, on="student_id", how="left").sort("at")
        found |= {column: told[column] for column in facts.columns if column != "student_id"}
    found |= _places(records, rows, last) | _access(records, rows, last)
    each = [Attribute.of(name, values.to_numpy()) for name, values in found.items() if values.null_count() < len(values)]
    return [one for one in each if len(one.groups) > 1]


def _facts(records: SchoolRecords, last: date) -> list[pl.DataFrame]:
    """Return what is on record of who a student is: a frame per table that holds columns for the audit alone."""
    return [
        records.audit(name, last).select("student_id", *columns).unique("student_id", keep="last")
        for name, table in TABLES.items()
        if (columns := table.used_for("audit_only")) and records.holds(name)
    ]


def comparable(records: SchoolRecords, outcome: pl.DataFrame, students: float, positives: float) -> bool:
    """Return whether some attribute has two groups that are large enough to be compared.

    Args:
        records: the school's records.
        outcome: ``student_id`` and ``label`` of rows whose outcome is known.
        students: how many a group must have.
        positives: how many of them with the outcome.

    """
    each = outcome.group_by("student_id").agg(pl.col("label").max())
    for facts in _facts(records, date.max):
        told = each.join(facts, on="student_id")
        for column in facts.columns[1:]:
            sizes = told.drop_nulls(column).group_by(column).agg(pl.len().alias("all"), pl.col("label").sum())
            if sizes.filter(pl.col("all") >= students, pl.col("label") >= positives).height >= 2:
                return True
    return False


def _places(records: SchoolRecords, rows: pl.DataFrame, last: date) -> dict[str, pl.Series]:
    """Return the school, its district, and how the student came to it."""
    if "enrolment_id" not in rows.columns or not records.holds("enrolments"):
        return {}
    stays = records.audit("enrolments", last).select("enrolment_id", "organisation_id", "entry_type").unique("enrolment_id")
    schools = records.audit("organisations", last).select("organisation_id", "region").unique("organisation_id")
    told = (
        rows.join(stays, on="enrolment_id", how="left").join(schools, on="organisation_id", how="left").sort("at")
    )
    return {"school": told["organisation_id"], "district": told["region"], "entry": told["entry_type"]}


def _access(records: SchoolRecords, rows: pl.DataFrame, last: date) -> dict[str, pl.Series]:
    """Return the device and the connection at home, as last recorded by each row's day."""
    if not records.holds("digital_access"):
        return {}
    known = (
        records.audit("digital_access", last)
        .select("student_id", "recorded_on", pl.col("device", "internet").replace("unknown", None))
        .sort("recorded_on")
    )
    told = rows.sort("as_of").join_asof(
        known, left_on="as_of", right_on="recorded_on", by="student_id", strategy="backward", check_sortedness=False
    ).sort("at")  # fmt: skip
    return {"device": told["device"], "internet": told["internet"]}


# -- the report -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighed:
    """The sums of each attribute's groups and of two-way intersections, and what every gate says of them."""

    attributes: Sequence[Evidence]
    crossed: Sequence[Evidence]
    verdicts: Sequence[Verdict]
    among: Sequence[Verdict]
    drawings: Sequence[Drawing]


def weighed(judged: Judged, found: Sequence[Attribute], gates: Gates, seed: int, schools: npt.NDArray[Any] | None = None,
            courses: npt.NDArray[Any] | None = None) -> Weighed:  # fmt: skip
    """Put every gate to the test; see :func:`measured`."""
    table, drawings = judged.table(), _drawings(judged, gates, seed, schools, courses)
    people = [one for one in found if one.name not in PLACES]
    crossed = [one.crossed(other) for one, other in combinations(people, 2)]
    groups, among = (
        [evidence(table, one, _drawing_for(one, drawings, gates), gates) for one in every] for every in (found, crossed)
    )
    alone, both = (limits.decided([one for seen in every for one in limits.tests(seen, gates)], gates)
                   for every in (groups, among))  # fmt: skip
    return Weighed(groups, among, alone, both, drawings)


def measured(judged: Judged, found: Sequence[Attribute], gates: Gates, seed: int, schools: npt.NDArray[Any] | None = None,
             courses: npt.NDArray[Any] | None = None) -> dict[str, Any]:  # fmt: skip
    """Return the audit of scored rows: figures by group and two-way intersection, and every gate.

    Args:
        judged: the rows.
        found: the attributes of the rows.
        gates: the settings.
        seed: of the draws.
        schools: each row's school; without, or where there are too few, courses or students are drawn.
        courses: each row's course, where a student has one.

    Returns:
        plain values, as they stand on a card under ``audit``.

    """
    seen, table = weighed(judged, found, gates, seed, schools, courses), judged.table()
    everybody = Attribute("everybody", ("everybody",), np.zeros(len(judged.label), np.intp))
    whole = replace(evidence(table, everybody, seen.drawings[-1], gates), assessed=np.array([len(judged.label) > 0]))
    lists = of_lists([whole, *seen.attributes])
    few = [
        {"attribute": one.attribute, "groups": names, "why": TOO_FEW}
        for one in seen.crossed
        if (names := [group for group, assessed in zip(one.groups, one.assessed, strict=True) if not assessed])
    ]
    every = [*seen.verdicts, *seen.among]
    return {
        "passed": all(one.passed for one in every),
        "operating_point": {
            "list": f"the first {judged.capacity:.0%} of each day's students",
            "band": f"check_in_suggested: a probability of {judged.band:.3f} and more",
            "capacity": judged.capacity,
        },
        "drawn": {one.by: one.count for one in seen.drawings},
        "overall": {**_figures(judged, everybody, whole, 0, lists), **_missing(whole, 0),
                    "n": int(whole.students["rows"][0]), "rows": len(judged.label)},
        "groups": [row for attribute, one in zip(found, seen.attributes, strict=True)
                   for row in _groups(judged, table, attribute, one, lists, gates)],
        "intersections": [_intersection(one, at) for one in seen.crossed for at in np.flatnonzero(one.assessed).tolist()],
        "too_few": few,
        "gates": [one.as_dict() for one in (*seen.verdicts, *(one for one in seen.among if not one.passed))],
        "counts": {"groups": _counts(seen.verdicts), "intersections": _counts(seen.among)},
        "limits": {name: getattr(gates, name) for name in _LIMITS},
        "says": _sentences(seen.verdicts, seen.among),
    }  # fmt: skip


_LIMITS = (
    "recall_ratio", "recall_ratio_low", "false_positive_difference", "false_positive_ratio", "precision_ratio", "calibration",
    "not_enough_data_ratio", "least_students", "least_positives", "false_discoveries", "undecided_fails",
)  # fmt: skip


def _drawings(judged: Judged, gates: Gates, seed: int, schools: npt.NDArray[Any] | None,
              courses: npt.NDArray[Any] | None) -> list[Drawing]:  # fmt: skip
    """Return what can be drawn: whole schools (courses, where there is one school) if enough, and always students."""
    found = []
    for by, keys in (("school", schools), ("course", courses)):
        count = 0 if keys is None else len(np.unique(keys))
        if keys is not None and count >= gates.least_clusters:
            found.append(Drawing.of(by, keys, gates.draws, seed))
        if count > 1:
            break
    return [*found, Drawing.of("student", judged.keys["student_id"].to_numpy(), gates.draws, seed)]


def _drawing_for(attribute: Attribute, drawings: Sequence[Drawing], gates: Gates) -> Drawing:
    """Return what is drawn for an attribute: groups that lie in few schools cannot be drawn by school."""
    for drawing in drawings[:-1]:
        if np.median(clusters_per_group(attribute, drawing.number)) >= gates.least_clusters:
            return drawing
    return drawings[-1]


def _groups(judged: Judged, table: Table, attribute: Attribute, found: Evidence, lists: Lists,
            gates: Gates) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row of the card for each group of an attribute."""
    told = []
    for at, group in enumerate(attribute.groups):
        row: dict[str, Any] = {"attribute": attribute.name, "group": group, "assessed": bool(found.assessed[at]),
                               **_counted(found, at, gates)}  # fmt: skip
        if not found.assessed[at]:
            told.append({**row, "why": TOO_FEW})
            continue
        figures = _figures(judged, attribute, found, at, lists)
        row |= {"why": "", **figures, **_intervals(found, at, FIGURES), **_missing(found, at),
                "band": {**figures["band"], **_intervals(found, at, OF_A_LIST, "band_")},
                "by_day": _by_day(judged, table, attribute, at, gates)}  # fmt: skip
        told.append(row)
    return _one_more_hidden(told)


def _intersection(found: Evidence, at: int) -> dict[str, Any]:
    """Return the row of the card of an intersection, its counts to the nearest ten.

    Exact ones would tell, beside those of the groups that it is cut from, how many are in one too small to be told.
    """
    mine = {name: values[at] for name, values in found.sums.items()}
    figures = {name: _rounded(float(figure(mine, ""))) for name, figure in FIGURES.items()}
    return {"attribute": found.attribute, "group": found.groups[at], "assessed": True,
            **{name: round(found.students[of][at] / 10) * 10 for name, of in (("n", "rows"), ("positives", "positives"))},
            "why": "", **figures, **_intervals(found, at, WITH_INTERVAL), **_missing(found, at)}  # fmt: skip


def _counted(found: Evidence, at: int, gates: Gates) -> dict[str, int | None]:
    """Return how many there are, None where it is fewer than may be told.

    Who has not the outcome can be worked out from who has: few without are hidden as few with it are.
    """
    n, positives, negatives = (int(found.students[name][at]) for name in ("rows", "positives", "negatives"))
    few = min(positives, negatives) < gates.hidden_below
    return {"n": None if n < gates.hidden_below else n, "positives": None if few else positives}


def _one_more_hidden(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hide the count of one more group where just one of an attribute is hidden: it would follow from the whole."""
    for name in ("n", "positives"):
        hidden = [one for one in told if one[name] is None]
        others = [one for one in told if one[name] is not None]
        if len(hidden) == 1 and others:
            least = min(others, key=lambda one: int(one[name]))
            told = [{**one, name: None} if one is least else one for one in told]
    return told


#: Figures of a list by attribute, the group's position, and the operating point.
Lists = Mapping[tuple[str, int, str], Mapping[str, float | None]]


def _figures(judged: Judged, attribute: Attribute, found: Evidence, at: int, lists: Lists) -> dict[str, Any]:
    """Return the figures of a group, of its probabilities and of both lists."""
    from sklearn.metrics import roc_auc_score

    rows = attribute.code == at
    label, chance = judged.label[rows], judged.chance[rows]
    both = 0 < label.sum() < len(label)
    held = None
    if judged.bounds is not None:
        held = coverage(chance, judged.bounds, label, np.full(len(label), "all"), judged.day[rows])["all"]
    return {
        "base_rate": _rounded(label.mean()), "calibration": _rounded(chance.mean() - label.mean()),
        "calibration_slope": _rounded(evaluate.fitted_line(evaluate.log_odds(chance), label)[1]) if both else None,
        "brier": _rounded(((chance - label) ** 2).mean()),
        "auc": _rounded(roc_auc_score(label, judged.raw[rows])) if both else None,
        "interval_held": None if held is None or held.share is None else _rounded(held.share),
        "interval_cells": 0 if held is None else held.cells,
        **lists[found.attribute, at, "list"], "band": dict(lists[found.attribute, at, "band"]),
    }  # fmt: skip


def of_lists(found: Sequence[Evidence]) -> Lists:
    """Return the figures of every list for the groups that are assessed, by fairlearn.

    It is given the four cells of outcome and list of each group, with their counts as weights: row by row it takes a
    hundred times as long.
    """
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import precision_score

    def false_alarm_rate(truth: npt.NDArray[Any], said: npt.NDArray[Any], sample_weight: Floats) -> float:
        return 1 - float(precision_score(truth, said, sample_weight=sample_weight, zero_division=np.nan))

    def negative_predictive_value(truth: npt.NDArray[Any], said: npt.NDArray[Any], sample_weight: Floats) -> float:
        return float(precision_score(1 - truth, 1 - said, sample_weight=sample_weight, zero_division=np.nan))

    metrics = {"list_rate": selection_rate, "recall": true_positive_rate, "false_positive_rate": false_positive_rate,
               "false_alarm_rate": false_alarm_rate, "negative_predictive_value": negative_predictive_value}  # fmt: skip
    names, cells = [], []
    for one in found:
        for at in np.flatnonzero(one.assessed).tolist():
            sums = {name: float(values[at]) for name, values in one.sums.items()}
            for point, by in POINTS.items():
                hits, listed, positives = sums[f"{by}hits"], sums[f"{by}listed"], sums["positives"]
                names.append((one.attribute, at, point))
                cells.append([hits, positives - hits, listed - hits, sums["rows"] - positives - listed + hits])
    if not names:
        return {}
    made = MetricFrame(
        metrics=metrics, y_true=np.tile([1, 1, 0, 0], len(names)), y_pred=np.tile([1, 0, 1, 0], len(names)),
        sensitive_features=np.repeat(np.arange(len(names)), 4),
        sample_params={name: {"sample_weight": np.ravel(cells)} for name in metrics},
    )  # fmt: skip
    return {names[int(at)]: {name: _rounded(value) for name, value in row.items()} for at, row in made.by_group.iterrows()}


def _intervals(found: Evidence, at: int, figures: Mapping[str, Figure], by: str = "") -> dict[str, list[float] | None]:
    """Return the 95% interval of each figure."""
    told: dict[str, list[float] | None] = {}
    mine = {name: drawn[:, at] for name, drawn in found.drawn.items()}
    for name, figure in figures.items():
        interval = limits.interval_of(figure(mine, by))
        told[f"{name}_interval"] = None if interval is None else [round(one, 4) for one in interval]
    return told


def _missing(found: Evidence, at: int) -> dict[str, float]:
    """Return how often no score is given, and the share of what is usually known that is not on record."""
    rows = max(float(found.sums["rows"][at]), 1.0)
    return {"missing": round(float(found.sums["lacking"][at]) / rows, 4),
            "not_enough_data": round(float(found.sums["not_enough_data"][at]) / rows, 4)}  # fmt: skip


def _by_day(judged: Judged, table: Table, attribute: Attribute, at: int, gates: Gates) -> list[dict[str, Any]]:
    """Return the figures of a group on each day on which it is large enough."""
    found = []
    for day in np.unique(judged.day):
        rows = (attribute.code == at) & (judged.day == day)
        sums = dict(zip(limits.SUMS, table.columns[rows].sum(axis=0), strict=True))
        least = min(sums["positives"], sums["rows"] - sums["positives"])
        if least >= gates.least_positives and sums["rows"] >= gates.least_students:
            found.append({"day": int(day), **{name: _rounded(float(figure(sums, ""))) for name, figure in FIGURES.items()}})
    return found


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _counts(of: Sequence[Verdict]) -> dict[str, int]:
    return {"tested": len(of), "failed": sum(not one.passed for one in of), "undecided": sum(not one.decided for one in of)}


def _sentences(verdicts: Sequence[Verdict], among: Sequence[Verdict]) -> list[str]:
    """Return what the gates say, for people: intersections by their number, groups by name."""
    if not verdicts and not among:
        return ["Too few of any two groups to compare: nothing was tested, which is not the same as nothing found."]
    told = []
    for name, every in (("groups", verdicts), ("two-way intersections", among)):
        counts = _counts(every)
        told.append(f"{counts['tested']:,} figures of {name} were held against their limits: {counts['failed']:,} are beyond "
                    f"them by more than chance, and of {counts['undecided']:,} there is too little to tell.")  # fmt: skip
    return told + [f"{SAYS[one.gate]} ({one.attribute}: {one.group}, {'band' if one.at == 'band' else 'list'}): "
                   f"{_figure(one)}, limit {one.limit:.3f}." for one in verdicts if not one.passed]  # fmt: skip


def _figure(one: Verdict) -> str:
    if one.figure is None:
        return "unknown"
    return f"{one.figure:.3f}" + ("" if one.interval is None else f" ({one.interval[0]:.3f} to {one.interval[1]:.3f})")


#: What each gate compares, in words.
SAYS: Mapping[str, str] = {
    "recall_ratio": "Recall beside that of the group that is found best",
    "false_positive_difference": "Share listed of those without the outcome, less that of everybody else",
    "precision_ratio": "Precision beside that of the whole list",
    "calibration": "Mean probability less the frequency",
    "not_enough_data_ratio": "Share that cannot be scored beside that of everybody else",
    "recall_against_rule": "Recall less that of the published rule's list",
    "precision_against_rule": "Precision less that of the published rule's list",
    "false_positive_against_rule": "Share listed without the outcome by the published rule, less that by the model",
}


# -- where audits come from --------------------------------------------------------------------------------------------


def completeness(population: Population, matrix: Floats, inputs: Sequence[str], elapsed: Floats) -> Floats:
    """Return the share of what is usually known that each row has, as :meth:`Population.completeness` does for one."""
    known, untils = ~np.isnan(matrix), np.array([one.until for one in population.phases])
    phase = np.minimum(np.searchsorted(untils, np.nan_to_num(elapsed, nan=np.inf)), len(untils) - 1)
    found = np.ones(len(matrix))
    for at, one in enumerate(population.phases):
        places = [inputs.index(name) for name in one.expected]
        if places:
            found[phase == at] = known[np.ix_(phase == at, places)].mean(axis=1)
    return found


def judged_rows(model: TrainedModel, table: FeatureTable, keys: pl.DataFrame, label: npt.NDArray[np.int8], tie: Floats,
                capacity: float) -> Judged:  # fmt: skip
    """Score rows as they are served, and return what an audit is made of.

    Args:
        model: the model.
        table: the features of the rows.
        keys: the table's keys, with ``day`` and ``course_id``.
        label: 0 or 1.
        tie: see :func:`training.evaluate.ties`.
        capacity: share of a day's students that a list holds.

    """
    scored = model.score(table, explain=False)
    elapsed = table.frame[PROGRESS].fill_null(float("nan")).to_numpy()
    frame = table.frame.with_columns(keys["course_id"])
    rule = BASELINES["rule"].fit(Sample(frame, scored.matrix, label))(Sample(frame, scored.matrix, label))
    return Judged(
        keys, label, keys["day"].to_numpy(), tie, scored.raw, scored.probability,
        completeness(model.population, scored.matrix, model.inputs, elapsed), rule, capacity, model.bands["check_in_suggested"],
        model.calibration.bounds,
    )  # fmt: skip


def of_run(run: Run, model: TrainedModel, gates: Gates) -> dict[str, Any]:
    """Return the audit of a training run's model on its test: what stands on the card under ``audit``.

    With ``gates.refits`` it also tells what demographics would have added, which inputs give groups away, and what
    behaviour does for each group. Models that read a group are fitted here, measured and thrown away.
    """
    rows = np.flatnonzero(run.test)
    keys = run.keys[rows]
    judged = judged_rows(model, run.table.take(rows), keys, run.label[rows], run.tie[rows], run.settings.capacity)
    found = attributes(run.records, keys)
    told = measured(judged, found, gates, run.settings.seed, _school(found), _course(run.records, keys))
    if gates.refits and found:
        assessed = {(one["attribute"], one["group"]) for one in told["groups"] if one["assessed"]}
        learned = _same(attributes(run.records, run.keys.filter(pl.Series(run.fit))), found)
        names = {one.name for one in learned}
        told |= comparisons(run, [one for one in found if one.name in names], learned, assessed, gates)
    return told


def of_export(records: SchoolRecords, model: TrainedModel, settings: Training, gates: Gates, pass_mark: float,
              test_from: date | None = None) -> dict[str, Any]:  # fmt: skip
    """Return the audit of a registered model on other records, as it stands on a card; see :func:`rows_of_export`."""
    judged, found = rows_of_export(records, model, settings, pass_mark, test_from)
    told = measured(judged, found, gates, settings.seed, _school(found), _course(records, judged.keys))
    return {**told, "rows_from": str(judged.keys["as_of"].min()), "rows_to": str(judged.keys["as_of"].max())}


def rows_of_export(records: SchoolRecords, model: TrainedModel, settings: Training, pass_mark: float,
                   test_from: date | None = None) -> tuple[Judged, list[Attribute]]:  # fmt: skip
    """Return the scored rows of other records than a model was trained on, and who is in which group.

    Every row counts whose outcome is known, of the terms that begin on ``test_from`` or later; without a date, of those
    that begin after the last row that the model learned from.

    Raises:
        Refused: no term with known outcomes begins then.

    """
    after = date.fromisoformat(model.card["train"]["to"]) if test_from is None else test_from - timedelta(days=1)
    terms = terms_of(records).filter(pl.col("starts_on") > after)
    settings = with_days(settings, records)
    cohort = on_days_of_term(records, settings.judged_days, model.target.unit, terms["term_id"].to_list())
    cohort = sampled(on_record(records, cohort), settings)
    labels = model.target.labels(records, cohort, pass_mark)
    known = labels["label"].is_not_null().to_numpy()
    if not known.any():
        hint = "Give an earlier --test-from, if the model did not learn from these records."
        problem = Problem("split", "--test-from", f"no term with known outcomes begins after {after}", hint)
        raise Refused([problem], "There is nothing to audit")
    table = build(records, cohort, model.catalog)
    sections = records.labels("sections").select("section_id", "course_id").collect().unique("section_id")
    stays = records.labels("enrolments").select("enrolment_id", "term_id").unique("enrolment_id").collect()
    starts = stays.join(terms.select("term_id", "starts_on"), on="term_id").select("enrolment_id", "starts_on")
    keys = (
        table.keys.join(sections, on="section_id", how="left", maintain_order="left")
        .join(starts, on="enrolment_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("course_id", "peers").alias("course_id"),
                      (pl.col("as_of") - pl.col("starts_on")).dt.total_days().alias("day"))
    )  # fmt: skip
    rows = np.flatnonzero(known)
    part = keys[rows]
    units = part.select(pl.concat_str("student_id", pl.col("section_id").fill_null(""), separator="|")).to_series()
    label = labels["label"].to_numpy()[rows].astype(np.int8)
    judged = judged_rows(model, table.take(rows), part, label, evaluate.ties(units.to_list()), settings.capacity)
    return judged, attributes(records, part)


def _school(found: Sequence[Attribute]) -> npt.NDArray[Any] | None:
    return next((one.code for one in found if one.name == "school"), None)


def _course(records: SchoolRecords, keys: pl.DataFrame) -> npt.NDArray[Any] | None:
    """Return each row's course where a student has one at a time: else a student's rows would lie in many clusters."""
    return keys["course_id"].fill_null("").to_numpy() if records.single_section else None


def _same(theirs: Sequence[Attribute], mine: Sequence[Attribute]) -> list[Attribute]:
    """Return attributes of other rows with the groups in the same order; a group not known here is not recorded."""
    by_name = {one.name: one for one in theirs}
    found = []
    for one in mine:
        other = by_name.get(one.name)
        if other is None:
            continue
        place = {group: at for at, group in enumerate(one.groups)}
        new = np.array([place.get(group, place.get(NOT_RECORDED, -1)) for group in other.groups], np.intp)
        found.append(Attribute(one.name, one.groups, new[other.code]))
    return found

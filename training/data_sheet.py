"""The data behind a model: how many rows, how late they are known, what is missing where, whose outcome nobody knows.

Counts and shares only, and those of fewer than :data:`LEAST_SHOWN` students are not told: no value of a student's is on
a card.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import CONCEPTS
from features.records import SchoolRecords
from features.tables import TABLES
from training import card as cards
from training import evaluate, splits
from training.governance import Provenance
from training.run import Run
from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]

#: A share of fewer students is not told, and figures of fewer rows, or of fewer with the outcome, say nothing.
LEAST_SHOWN, LEAST_ROWS, LEAST_POSITIVES = 10, 100, 20

#: As many rows of unknown outcome are scored at most, to see how much they could move the figures.
MOST_UNKNOWN = 20_000


def of_records(records: SchoolRecords, provenance: Provenance) -> dict[str, Any]:
    """Return the part of a data sheet that is alike for every target: sources, rows, delays, what was set aside."""
    rows = {name: int(records.labels(name).select(pl.len()).collect().item()) for name in TABLES if records.holds(name)}
    return {
        "source": provenance.source,
        "standard": provenance.standard,
        "digest": records.digest,
        "legal_basis": provenance.governance.legal_basis,
        "rows": rows,
        "lag": {name: told for name in rows if (told := _lag(records, name)) is not None},
        "accounts": provenance.read_accounts(),
    }


def _lag(records: SchoolRecords, name: str) -> dict[str, float] | None:
    """Return after how many days half and nine in ten of a table's rows were known, by its ``known_on``."""
    table = TABLES[name]
    if not table.event:
        return None
    # Counted by day, since there are millions of rows and a few dozen different delays.
    days = (pl.col("known_on") - pl.col(table.event)).dt.total_days()
    dated = records.labels(name).filter(pl.col(table.event).is_not_null())
    found = dated.group_by(days.alias("days")).len().sort("days").collect()
    if found.is_empty() or found["len"].sum() < LEAST_SHOWN:
        return None
    below = found["len"].cum_sum() / found["len"].sum()
    median, ninetieth = (float(found["days"][int((below < part).sum())]) for part in (0.5, 0.9))
    return {"median_days": median, "ninetieth_days": ninetieth}


def of_run(run: Run) -> dict[str, Any]:
    """Return what is missing in the rows that one target is learned from: by concept, and by school."""
    known = ~np.isnan(run.matrix[run.fit])
    inputs = run.table.catalog.inputs
    concept = np.array([run.table.catalog[name].concept for name in inputs])
    schools = _beside(run)["organisation_id"].filter(pl.Series(run.fit)).fill_null("not recorded")
    students = run.keys["student_id"].filter(pl.Series(run.fit))
    by_school = []
    for (school,), at in _places(schools):
        enough = students.gather(at).n_unique() >= LEAST_SHOWN
        share = round(float(1 - known[at].mean()), 4) if enough else None
        by_school.append({"school": str(school), "missing": share, "rows": len(at) if enough else None})
    told = [one for one in CONCEPTS if (concept == one).any()]
    return {
        "inputs": round(float(1 - known.mean()), 4),
        "by_concept": {one: round(float(1 - known[:, concept == one].mean()), 4) for one in told},
        "by_school": sorted(by_school, key=lambda one: one["school"]),
    }


def _places(cells: pl.Series) -> list[tuple[tuple[Any, ...], list[int]]]:
    frame = cells.to_frame("cell").with_row_index("at")
    return [(key, group["at"].to_list()) for key, group in frame.group_by("cell", maintain_order=True)]


def _beside(run: Run) -> pl.DataFrame:
    """Return the school of each row, its kind, and the year of school, as the newest version of the stay tells them."""
    stays = (
        run.records.labels("enrolments").sort("known_on").unique("enrolment_id", keep="last")
        .select("enrolment_id", "organisation_id", "grade_level")
    )  # fmt: skip
    kinds = run.records.labels("organisations").sort("known_on").unique("organisation_id", keep="last")
    beside = stays.join(kinds.select("organisation_id", "kind"), on="organisation_id", how="left").collect()
    return run.keys.select("enrolment_id").join(beside, on="enrolment_id", how="left", maintain_order="left")


def cohort(run: Run, rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return which terms and how many schools some rows are of, and how common the outcome is among them."""
    terms = run.keys["term_id"].filter(pl.Series(rows)).drop_nulls().unique().sort().to_list()
    schools = _beside(run)["organisation_id"].filter(pl.Series(rows)).n_unique()
    return {"cohorts": terms, "schools": schools, "base_rate": round(float(run.label[rows].mean()), 4) if rows.any() else 0.0}


def unknown_outcomes(run: Run, model: TrainedModel, chance: Floats) -> dict[str, Any]:
    """Return how many rows have no known outcome, and how the figures of the test move if all of them had it, or none.

    Args:
        run: the rows.
        model: the model that is judged.
        chance: its probabilities of the test rows, in order.

    """
    days, terms = run.day, run.keys["term_id"]
    of_fit = terms.is_in(terms.filter(pl.Series(run.fit)).unique().implode()).fill_null(value=False).to_numpy()
    asked = of_fit & np.isin(days, run.settings.days)
    blank = asked & ~run.known
    of_test = terms.is_in(terms.filter(pl.Series(run.test)).unique().implode()).fill_null(value=False).to_numpy()
    open_ = of_test & np.isin(days, run.settings.judged_days) & ~run.known
    if run.split.held_out:
        open_ &= splits.fold_of(run.keys["student_id"], splits.HELD_OUT_PARTS, "held out") == 0
    count = int(open_.sum())
    judged: dict[str, Any] = {"rows": count, "share": _part(count, count + int(run.test.sum()))}
    if count:
        at = np.flatnonzero(open_)
        if count > MOST_UNKNOWN:
            at = np.sort(np.random.default_rng(run.settings.seed).choice(at, MOST_UNKNOWN, replace=False))
        said = model.score(run.table.take(at), explain=False).probability
        rows = np.concatenate([np.flatnonzero(run.test), at])
        for name, value in (("if_all", 1), ("if_none", 0)):
            label = np.concatenate([run.label[run.test], np.full(len(at), value, dtype=np.int8)])
            score = np.concatenate([chance, said])
            found = evaluate.measure(score, label, days[rows], run.tie[rows], run.settings.capacity, score)
            judged[name] = found.as_dict()
    return {"learned_from": {"rows": int(blank.sum()), "share": _part(int(blank.sum()), int(asked.sum()))}, "judged_on": judged}


def _part(some: int, of: int) -> float:
    return round(some / of, 4) if of else 0.0


def by_kind(run: Run, chance: Floats) -> list[dict[str, Any]]:
    """Return the figures of the test by year of school and kind of school, where the records tell these."""
    beside = _beside(run).filter(pl.Series(run.test))
    label, day, tie = run.label[run.test], run.day[run.test], run.tie[run.test]
    found: list[dict[str, Any]] = []
    for by, column in (("year of school", "grade_level"), ("kind of school", "kind")):
        cells = beside[column]
        if cells.drop_nulls().n_unique() < 2:
            continue
        for (value,), places in sorted(_places(cells), key=lambda item: (item[0][0] is None, item[0][0])):
            at = np.array(places)
            positives = int(label[at].sum())
            enough = len(at) >= LEAST_ROWS and LEAST_POSITIVES <= positives <= len(at) - LEAST_POSITIVES
            one: dict[str, Any] = {"by": by, "of": "not recorded" if value is None else str(value),
                                   "rows": len(at) if len(at) >= LEAST_SHOWN else None, "assessed": enough}  # fmt: skip
            if enough:
                told = evaluate.measure(chance[at], label[at], day[at], tie[at], run.settings.capacity, chance[at]).as_dict()
                one |= {name: told[name] for name in ("auc", "precision_at_capacity", "recall_at_capacity", "ece")}
            found.append(one)
    return found


def documented(
    run: Run, model: TrainedModel, chance: Floats, sheet: Mapping[str, Any], provenance: Provenance, since: float
) -> dict[str, Any]:
    """Return what a run adds to the card that its story has written: data, provenance, cost, and what nobody has said.

    Args:
        run: the rows.
        model: the model, with the card so far.
        chance: its probabilities of the test rows, in order.
        sheet: what :func:`of_records` found, once for all targets.
        provenance: what the roof knows of the records and of who answers for the model.
        since: this process's processor time when the target's training began, in seconds.

    """
    told, unknown = model.card, unknown_outcomes(run, model, chance)
    learned = unknown["learned_from"]
    blank = f"{learned['rows']:,} rows of the terms learned from ({learned['share']:.0%}) have no known outcome."
    exclusions = [*told.get("notes", ()), *([blank] if learned["rows"] else [])]
    return {
        **cards.stated(provenance),
        "made_from": "records",
        "label": cards.definition_of(run.target.label),
        "train": {**told["train"], **cohort(run, run.fit)},
        "test": {**told["test"], **cohort(run, run.test)},
        "exclusions": exclusions,
        "excluded": cards.excluded(model.catalog),
        "unknown_outcomes": unknown,
        "by_kind": by_kind(run, chance),
        "data_sheet": {**sheet, "missing": of_run(run)},
        "environmental_cost": cards.environmental_cost(time.process_time() - since),
    }

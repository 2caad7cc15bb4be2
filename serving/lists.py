"""Lists that were made, kept until their outcomes are known, and then held against what the model's card promised.

Nobody writes outcomes back: they come as records in a later export, and a list is judged by the very labels that a
model would learn from. Each scoring leaves a row per unit here, without reasons and values. A list whose outcomes are
not all known yet is not judged: those who left early are known first, and are not like the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit
from scipy.stats import binomtest

from features.records import Cohort, SchoolRecords, digest_of
from serving.missing import stays_at
from serving.store import Store
from training import evaluate
from training.drift import LEAST_IN_CELL, LEAST_STUDENTS
from training.targets import TARGETS
from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]

#: What is kept of a row.
COLUMNS = ("prediction_id", "target", "student_id", "enrolment_id", "section_id", "skill_id", "as_of", "status", "band",
           "probability", "model_version")  # fmt: skip

#: The band that is the list.
LISTED = "check_in_suggested"

#: Of the share of outcomes that were known in training, so much must be known before a list is judged.
ENOUGH_KNOWN = 0.9

_NOTE = "homeroom"

#: Rows of a list that are read together: a page that asks what eight lists said of one student reads eight such groups.
_ROWS_PER_GROUP = 8_192


@dataclass(frozen=True)
class Kept:
    """A list as it was made: its rows, the pass mark then in force, and what each model's card promised, by target.

    ``token`` names the scoring that made it.
    """

    as_of: date
    token: str
    rows: pl.DataFrame
    pass_mark: float | None
    promised: Mapping[str, Mapping[str, Any]]


def folder_of(store: Store) -> Path:
    """Return where a tenant's lists lie."""
    return store.folder / "lists"


def keep(
    store: Store, rows: pl.DataFrame, models: Sequence[TrainedModel], as_of: date, token: str, pass_mark: float | None,
    days: int,
) -> Path:  # fmt: skip
    """Keep a list that was made, and remove those whose day lies more than ``days`` before it.

    A list made again on the same day by the same models takes the place of the first.
    """
    folder = folder_of(store)
    folder.mkdir(parents=True, exist_ok=True)
    versions = sorted((one.target.name, one.version) for one in models)
    path = folder / f"{as_of}-{digest_of(*versions)}.parquet"
    building = path.with_name(f".{path.name}.building")
    note = {"token": token, "pass_mark": pass_mark, "promised": {one.target.name: promised(one) for one in models}}
    ordered = rows.select(COLUMNS).sort("student_id", maintain_order=True)
    ordered.write_parquet(building, metadata={_NOTE: json.dumps(note)}, row_group_size=_ROWS_PER_GROUP)
    building.replace(path)
    for other in folder.glob("*.parquet"):
        if date.fromisoformat(other.name[:10]) < as_of - timedelta(days=days):
            other.unlink(missing_ok=True)
    return path


def promised(model: TrainedModel) -> dict[str, Any]:
    """Return what a model's card says of its list, and by which day it had learned all that it knows."""
    card = model.card
    return {
        "version": model.version,
        "made_to": card["test"]["to"],
        "precision": card["metrics"]["precision_at_capacity"],
        "by_day": {str(one["day"]): (one["precision_at_capacity"], round(one["rows"] * card["capacity"]))
                   for one in card["by_day"]},
        "slopes": {str(one["day"]): (one["calibration_slope"], *one["interval"]["calibration_slope"])
                   for one in card["by_day"] if one.get("calibration_slope") is not None
                   and (one.get("interval") or {}).get("calibration_slope")},
        "rows": round(card["metrics"]["rows"] * card["capacity"]),
        "labelled": {str(one.day): one.labelled for one in model.reference.days.values()} if model.reference else {},
    }  # fmt: skip


def kept(store: Store) -> list[Kept]:
    """Return the lists that are kept, the oldest first."""
    found = []
    for path in sorted(folder_of(store).glob("*.parquet")):
        note = json.loads(pl.read_parquet_metadata(path)[_NOTE])
        day = date.fromisoformat(path.name[:10])
        found.append(Kept(day, note["token"], pl.read_parquet(path), note["pass_mark"], note["promised"]))
    return found


def token_of(path: Path) -> str:
    """Return which scoring made a list, without reading its rows."""
    return str(json.loads(pl.read_parquet_metadata(path)[_NOTE])["token"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the students of one list of one target.

    ``known`` is the share of scored rows whose outcome is known, of the ``expected`` that ever will be. ``settled`` tells
    that enough are. Everything after it is None until then, or where there are too few students.
    ``slope`` is that of the log-odds, 1 where probabilities are frequencies, with its 95% interval, and ``slope_promised``
    what the card found on later data on that day of the term, with half of its interval.
    ``had_it`` of ``listed`` rows of the list had the outcome, with the 95% interval of that share beside ``promised``, what
    the card found on ``promised_of`` rows of later data. ``helped`` of them were given help after that day; of the
    others ``unhelped_share`` had it: help that works lowers the share, and must not be taken for a worse model.
    """

    target: str
    as_of: date
    version: str
    rows: int
    students: int
    known: float
    expected: float
    settled: bool
    hindsight: bool
    frequency: float | None = None
    probability: float | None = None
    brier: float | None = None
    slope: float | None = None
    slope_interval: tuple[float, float] | None = None
    slope_promised: tuple[float, float] | None = None
    listed: int | None = None
    had_it: int | None = None
    share: float | None = None
    share_interval: tuple[float, float] | None = None
    promised: float | None = None
    promised_of: int = 0
    helped: int | None = None
    unhelped_share: float | None = None


def outcomes(records: SchoolRecords, lists: Sequence[Kept], pass_mark: float | None = None) -> list[Outcome]:
    """Return what became of every list, target by target, from the records of a later export.

    Args:
        records: the newest records.
        lists: the lists that were kept.
        pass_mark: share of the best score from which a skill counts as secure; by default what each list was made with.

    """
    found = []
    for one in lists:
        mark = one.pass_mark if pass_mark is None else pass_mark
        for name in sorted(one.promised):
            target = TARGETS[name]
            rows = one.rows.filter(pl.col("target") == name, pl.col("status") == "scored")
            if rows.is_empty() or (target.with_value and mark is None) or not all(map(records.holds, target.needs)):
                continue
            cohort = Cohort.of(rows.select("student_id", "enrolment_id", "section_id", "skill_id", "as_of"), target.unit)
            label = target.labels(records, cohort, 0.0 if mark is None else mark)["label"]
            found.append(_outcome(records, one, name, rows.with_columns(label)))
    return found


def _outcome(records: SchoolRecords, of: Kept, target: str, rows: pl.DataFrame) -> Outcome:
    told = of.promised[target]
    by_day = {int(day): share for day, share in told["labelled"].items()}
    expected = min(by_day.values(), default=1.0)
    known = rows.filter(pl.col("label").is_not_null())
    students = known["student_id"].n_unique()
    share = known.height / rows.height
    settled = share >= ENOUGH_KNOWN * expected
    # A model that was made after this day may have learned from these very outcomes.
    hindsight = date.fromisoformat(told["made_to"]) >= of.as_of
    bare = Outcome(target, of.as_of, told["version"], rows.height, rows["student_id"].n_unique(), round(share, 4),
                   round(expected, 4), settled, hindsight)  # fmt: skip
    if not settled or students < LEAST_STUDENTS:
        return bare
    middle = stays_at(records, of.as_of)["day"].median()
    day = None if middle is None else float(str(middle))
    label = known["label"].to_numpy().astype(np.int8)
    chance = known["probability"].to_numpy()
    weight = students / known.height
    found = replace(
        bare, frequency=round(float(label.mean()), 4), probability=round(float(chance.mean()), 4),
        brier=round(float(((chance - label) ** 2).mean()), 4),
    )  # fmt: skip
    if min(label.sum(), (1 - label).sum()) * weight >= LEAST_IN_CELL:
        slope, low, high = slope_of(chance, label, weight)
        found = replace(
            found, slope=round(slope, 3), slope_interval=(round(low, 3), round(high, 3)),
            slope_promised=_slope_promised(told, day),
        )  # fmt: skip
    listed = known.filter(pl.col("band") == LISTED)
    if listed["student_id"].n_unique() < LEAST_IN_CELL:
        return found
    had_it = int(listed["label"].sum())
    apart = listed["student_id"].n_unique() / listed.height  # a student in six classes is one student
    interval = binomtest(round(had_it * apart), round(listed.height * apart)).proportion_ci(method="wilson")
    promise, promised_of = _promise(told, day)
    found = replace(
        found, listed=listed.height, had_it=had_it, share=round(had_it / listed.height, 4),
        share_interval=(round(float(interval.low), 4), round(float(interval.high), 4)), promised=promise,
        promised_of=promised_of,
    )  # fmt: skip
    return _with_help(records, of, listed, found)


def _promise(told: Mapping[str, Any], day: float | None) -> tuple[float | None, int]:
    """Return the precision that the card gives for the day of the term nearest to that of the list, and of how many rows."""
    found = _nearest({at: one for at, one in told["by_day"].items() if one[0] is not None}, day)
    return (told["precision"], told["rows"]) if found is None else tuple(found)


def _slope_promised(told: Mapping[str, Any], day: float | None) -> tuple[float, float] | None:
    """Return the slope that the card found on the nearest day of the term, and half of its interval."""
    found = _nearest(told.get("slopes", {}), day)
    if found is None:
        return None
    slope, low, high = found
    return round(slope, 3), round((high - low) / 2, 3)


def _nearest(by_day: Mapping[str, Any], day: float | None) -> Any:
    """Return what was found on the day of the term nearest to a day, None where either is not known."""
    return by_day[min(by_day, key=lambda one: abs(int(one) - day))] if by_day and day is not None else None


def _with_help(records: SchoolRecords, of: Kept, listed: pl.DataFrame, found: Outcome) -> Outcome:
    """Return an outcome with what became of those on the list who were given no help after its day."""
    if not records.holds("supports"):
        return found
    rows = records.labels("supports").filter(~pl.col("deleted"), pl.col("begins_on") > of.as_of).select("enrolment_id")
    begun = rows.unique().collect()
    helped = listed.join(begun, on="enrolment_id", how="semi")
    others = listed.join(begun, on="enrolment_id", how="anti")
    if min(helped["student_id"].n_unique(), others["student_id"].n_unique()) < LEAST_IN_CELL:
        return found
    return replace(found, helped=helped.height, unhelped_share=round(int(others["label"].sum()) / others.height, 4))


def slope_of(chance: Floats, label: npt.NDArray[np.int8], weight: float = 1.0) -> tuple[float, float, float]:
    """Return the calibration slope with its 95% interval.

    Args:
        chance: probabilities that were given.
        label: what came, 0 or 1; both must be there.
        weight: how many students stand behind a row, at most 1.

    """
    odds = evaluate.log_odds(chance)
    intercept, slope = evaluate.fitted_line(odds, label)
    spread = expit(intercept + slope * odds)
    spread = spread * (1 - spread) * weight
    middle = float((spread * odds).sum() / spread.sum())
    error = 1 / math.sqrt(max(float((spread * (odds - middle) ** 2).sum()), 1e-12))
    return slope, slope - 1.96 * error, slope + 1.96 * error

"""How often monitoring cries wolf over a year like the last, and how often it finds what was planted.

Small districts of five school years, each of other years and another seed. A model is trained on the first three and judged
on the fourth; the fifth is scored three times as it is, and once with each thing wrong that an export can have wrong. What
is measured is what people are told: the run that stops, or the report's first lines.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from features.problems import Refused
from features.records import SchoolRecords
from features.sources import SOURCES, read
from homeroom.simulate.run import simulate
from homeroom.simulate.world import World
from serving import batch, monitor, monitor_page
from serving.monitor import Report
from serving.store import Store
from training.gates import Gates
from training.run import Training
from training.train import train
from training.trained import TrainedModel

STUDENTS = 600

#: What so small a district has enough outcomes of.
TARGET = "chronic_absence"

#: Days of the school year on which lists are made: two of the reference's own, and one between them.
DAYS, PLANTED_ON = (42, 98, 105), 98

Frames = Mapping[str, pl.DataFrame]

#: What is told apart from a changed input that is only named in the table.
LOUD = ("calibration", "precision", "scores", "list", "not_scored", "inputs", "school")


def _changed(frame: pl.DataFrame, column: str, where: pl.Expr, into: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(pl.when(where).then(into).otherwise(pl.col(column)).alias(column))


def _of(tables: Frames, school: str) -> pl.Expr:
    """Return which rows are of a school's stays."""
    stays = tables["enrolments"].filter(pl.col("organisation_id") == school)["enrolment_id"]
    return pl.col("enrolment_id").is_in(stays.implode())


def _marks_as_shares(tables: Frames, since: date, school: str) -> Frames:
    del school
    return {"results": _changed(tables["results"], "score", pl.col("known_on") >= since, pl.col("score") / 100)}


def _marks_of_one_school(tables: Frames, since: date, school: str) -> Frames:
    where = (pl.col("known_on") >= since) & _of(tables, school)
    return {"results": _changed(tables["results"], "score", where, pl.col("score") / 100)}


def _attendance_of_one_school_not_sent(tables: Frames, since: date, school: str) -> Frames:
    return {"attendance": tables["attendance"].filter((pl.col("on") < since) | ~_of(tables, school))}


def _scores_empty(tables: Frames, since: date, school: str) -> Frames:
    del school
    return {"results": _changed(tables["results"], "score", pl.col("known_on") >= since, pl.lit(None))}


def _activity_not_sent(tables: Frames, since: date, school: str) -> Frames:
    del school
    return {"activity": tables["activity"].filter(pl.col("on") < since)}


def _absent_and_present_swapped(tables: Frames, since: date, school: str) -> Frames:
    del school
    where = pl.col("on") >= since
    return {"attendance": _changed(tables["attendance"], "absent_share", where, 1 - pl.col("absent_share"))}


def _year_dated_four_weeks_early(tables: Frames, since: date, school: str) -> Frames:
    del school
    first, earlier = pl.col("starts_on") == since, pl.col("starts_on").dt.offset_by("-28d")
    return {name: _changed(tables[name], "starts_on", first, earlier) for name in ("terms", "sections")}


#: What is planted, by name: a function of the tables, the first day of the year, and a school.
PLANTED: Mapping[str, Callable[[Frames, date, str], Frames]] = {
    "marks sent as shares": _marks_as_shares,
    "marks of one school sent as shares": _marks_of_one_school,
    "attendance of one school not sent": _attendance_of_one_school_not_sent,
    "scores empty": _scores_empty,
    "activity not sent": _activity_not_sent,
    "absent and present swapped": _absent_and_present_swapped,
    "year dated four weeks early": _year_dated_four_weeks_early,
}

#: The models are those of any training; what else is proved of them costs more, and is not looked at here.
SETTINGS = Training(days=(42, 98, 154), judged_days=(42, 98, 154), bootstrap_draws=20, refits=0, proof_dates=1, shift_parts=0)
FEW_GATES = Gates(refits=False)


def records_of(tables: Frames, name: str) -> SchoolRecords:
    """Return tables as records, named by what was planted."""
    return SchoolRecords.from_frames(dict(tables), "default", name)


def told(records: SchoolRecords, model: TrainedModel, as_of: date, store: Store, out: Path) -> Report | Refused:
    """Return what people are told of a list: the report, or why none was made."""
    try:
        batch.run(records, [model], as_of, store, out, pass_mark=0.8)
    except Refused as why:
        return why
    found = monitor.report(store, records, lambda _target, _version: model)
    monitor.keep(store, found, monitor_page.page(found))
    return found


def loud(found: Report | Refused) -> list[str]:
    """Return the kinds of what is told."""
    if isinstance(found, Refused):
        return ["stopped"]
    return sorted({one.kind for target in found.targets for one in target.findings if one.kind in LOUD})


def named(found: Report | Refused) -> int:
    """Return how many inputs are named as other than before."""
    return 0 if isinstance(found, Refused) else sum(len(target.changes) for target in found.targets)


def district(seed: int, folder: Path, students: int = STUDENTS) -> tuple[Frames, list[date]]:
    """Make a district of five years, which years they are depending on the seed; return its tables, and where years begin."""
    years = {"first": 2000 + seed, "count": 5, "through": "", "remote_from": "", "remote_to": ""}
    simulate(students, seed, folder, World.of({"years": years}))
    reading = read("tables", folder, SOURCES["tables"].settings(), "default", None)
    begins = reading.tables["terms"].filter(pl.col("kind") == "school_year")["starts_on"].unique().sort().to_list()
    return reading.tables, begins


def one(seed: int, folder: Path, target: str) -> dict[str, Any]:
    """Return what is told of a district's fifth year, as it is and with each thing planted."""
    tables, begins = district(seed, folder / "district")
    records = records_of(tables, "whole")
    [result] = train(records, [target], SETTINGS, test_from=begins[3], pass_mark=0.8, gates=FEW_GATES)
    model, found = result.model.with_version("1"), {}
    store = Store(folder / "clean")
    store.folder.mkdir()
    for day in DAYS:
        report = told(records, model, begins[4] + timedelta(days=day), store, folder / "out.parquet")
        found[f"clean {day}"] = {"loud": loud(report), "named": named(report), "retrain": _retrain(report)}
    school = tables["organisations"].filter(pl.col("kind") == "school")["organisation_id"].sort()[0]
    for name, plant in PLANTED.items():
        wrong, as_of = plant(tables, begins[4], school), begins[4] + timedelta(days=PLANTED_ON)
        if "year dated" in name:
            as_of -= timedelta(days=28)
        store = Store(folder / name.replace(" ", "-"))
        store.folder.mkdir()
        report = told(records_of({**tables, **wrong}, name), model, as_of, store, folder / "out.parquet")
        found[name] = {"loud": loud(report), "named": named(report), "retrain": False}
    return found


def _retrain(found: Report | Refused) -> bool:
    return not isinstance(found, Refused) and any(one.retrain for target in found.targets for one in target.findings)


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    kinds: dict[str, Counter[str]] = {}
    inputs: dict[str, list[int]] = {}
    began = time.process_time()
    for seed in range(1, given.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            for name, what in one(seed, Path(folder), TARGET).items():
                kinds.setdefault(name, Counter()).update([*what["loud"], *(["told"] if what["loud"] else []),
                                                          *(["retrain"] if what["retrain"] else [])])  # fmt: skip
                inputs.setdefault(name, []).append(what["named"])
                print(f"district {seed}: {name}: {', '.join(what['loud']) or 'quiet'}; {what['named']} inputs", file=sys.stderr)
    print(f"{given.seeds} districts of {STUDENTS} students, {time.process_time() - began:.0f} s")
    print(f"{'the fifth year':36} {'told':>6} {'retrain':>8} {'stopped':>8} {'inputs':>7}  by what")
    rows = {}
    for name, counted in kinds.items():
        share = {kind: round(count / given.seeds, 3) for kind, count in sorted(counted.items())}
        mean = sum(inputs[name]) / given.seeds
        rows[name] = {"shares": share, "inputs_named": mean}
        why = ", ".join(f"{kind} {value:.2f}" for kind, value in share.items() if kind not in ("told", "retrain", "stopped"))
        print(f"{name:36} {share.get('told', 0.0):6.2f} {share.get('retrain', 0.0):8.2f} {share.get('stopped', 0.0):8.2f} "
              f"{mean:7.1f}  {why}")  # fmt: skip
    clean = [kinds[f"clean {day}"]["told"] / given.seeds for day in DAYS]
    found = [kinds[name]["told"] / given.seeds for name in PLANTED]
    return {"seeds": given.seeds, "students": STUDENTS, "rows": rows, "false_alarms": sum(clean) / len(clean),
            "found": sum(found) / len(found)}  # fmt: skip

"""The canonical tables as files: ``enrolments.csv`` or ``enrolments.parquet``, one per table, in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.problems import Problem, Refused
from features.records import SchoolRecords, with_versions
from features.tables import TABLES
from features.validation import Checked, Reading, Rule, check, missing_columns, read_files

#: Without these there is nobody to look at; every other table may be absent, and is then unknown.
REQUIRED = ("organisations", "students", "enrolments")


@dataclass(frozen=True)
class Tables:
    """Settings of the ``tables`` source. ``pass_mark`` is the share of the best score from which a skill is secure."""

    pass_mark: float = 0.8


def read(path: Path, settings: Tables, tenant: str = "default") -> Reading:
    """Read a folder of canonical tables.

    Tables are checked in the order of :data:`~features.tables.TABLES`, so that a row whose student was set aside
    is set aside with it, and the account says why.
    """
    del settings  # nothing in the reading depends on it: it tells the targets where a skill counts as secure
    problems = _strangers(path)
    try:
        frames = read_files(path, TABLES, REQUIRED)
    except Refused as refused:
        raise Refused([*problems, *refused.problems], refused.what) from None
    if problems:
        raise Refused(problems, "The export cannot be read")
    checked = _check_all(frames)
    return Reading(
        {name: with_versions(one.kept, TABLES[name], tenant) for name, one in checked.items()},
        tuple(one.account for one in checked.values()),
        tuple(problem for one in checked.values() for problem in one.problems),
        {frames[name][0]: one.quarantined for name, one in checked.items()},
    )


def check_frames(frames: Mapping[str, pl.DataFrame], tenant: str) -> SchoolRecords:
    """Return records over frames given by a program; refuse with every problem, setting nothing aside in silence."""
    strangers = [name for name in frames if name not in TABLES]
    problems = [
        Problem("unknown_table", name, "there is no such table", f"The tables are: {', '.join(TABLES)}.") for name in strangers
    ]
    known = {name: (name, frame.rename(str.strip)) for name, frame in frames.items() if name in TABLES}
    for name, (_, frame) in known.items():
        problems += missing_columns(frame.columns, TABLES[name], name)
    if problems:
        raise Refused(problems)
    checked = _check_all(known)
    problems += [problem for one in checked.values() for problem in one.problems]
    if problems:
        raise Refused(problems)
    return SchoolRecords.from_frames({name: one.kept for name, one in checked.items()}, tenant)


def _check_all(frames: Mapping[str, tuple[str, pl.DataFrame]]) -> dict[str, Checked]:
    checked: dict[str, Checked] = {}
    known: dict[str, pl.Series] = {}
    for name, table in TABLES.items():
        if name not in frames:
            continue
        file, frame = frames[name]
        owners = checked["enrolments"].kept if "enrolments" in checked else None
        checked[name] = check(frame, table, file, known, _rules(name, frame), owners=owners)
        key = table.natural_key
        if len(key) == 1:
            known[name] = checked[name].kept[key[0]].unique()
    return checked


def _rules(name: str, frame: pl.DataFrame) -> tuple[Rule, ...]:
    pairs = {"terms": ("starts_on", "ends_on"), "sections": ("starts_on", "ends_on"),
             "enrolments": ("entered_on", "planned_end_on"), "rosters": ("begins_on", "ends_on"),
             "staff_roles": ("begins_on", "ends_on"), "teaching": ("begins_on", "ends_on"),
             "plans": ("begins_on", "expires_on"), "objections": ("recorded_on", "withdrawn_on")}  # fmt: skip
    if name not in pairs or not set(pairs[name]) <= set(frame.columns):
        return ()
    first, last = pairs[name]
    return (
        Rule(
            "ends_before_start",
            last,
            f"it is before {first}",
            "Correct one of the two dates.",
            pl.col(last) < pl.col(first),
        ),
    )


def _strangers(path: Path) -> list[Problem]:
    """Return files that look like tables and are not: a misspelt name would otherwise be ignored in silence."""
    names = sorted(file.name for file in path.glob("*") if file.suffix in {".csv", ".parquet"} and file.stem not in TABLES)
    hint = f"The tables are: {', '.join(TABLES)}."
    return [Problem("unknown_table", name, "no table has this name", hint, file=name) for name in names]

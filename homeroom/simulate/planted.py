"""Whether the cause that was planted for a student is the first thing that is said of them.

In a planted world one sign shows in some students' records from a day on, and leaving becomes likelier for them. A model
learns from the years before; in the last year each of these students is scored when four school weeks of the sign can be
on record, and the reasons are read as a counselor would read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from features.catalog import POSSIBLE
from features.cohort import enrolled
from features.records import SchoolRecords
from features.sources import read
from features.sources.tables import Tables
from homeroom.simulate.run import simulate
from homeroom.simulate.truth import open_truth
from homeroom.simulate.world import World
from homeroom.simulate.years import of_world
from serving import wording
from serving.scoring import Risk, feature_tables, score
from training.run import Training
from training.train import train
from training.trained import TrainedModel

#: What each planted cause shows in. Last year's absence is left out: what came before is context, never a reason.
CONCEPT_OF: Mapping[str, str] = MappingProxyType({
    "attendance_collapse": "attendance",
    "missing_work": "coursework",
    "marks_falling": "marks",
    "inactivity": "engagement",
    "incidents": "behaviour",
})  # fmt: skip

#: A student is looked at once this many school days of the sign can be on record: four weeks.
SCHOOL_DAYS = 20

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """How often a cause was said of those for whom it was planted: shares of ``students``.

    ``first``: it is the first reason. ``among``: it is one of the reasons. ``silent``: there is no reason at all.
    ``unseen`` counts those who were left out: inactive online, but without a device or internet at home on record, where
    silence is not read as a sign.
    """

    cause: str
    students: int
    first: float
    among: float
    silent: float
    unseen: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, rounded to four places."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def planted_world(causes: Sequence[str] = tuple(CONCEPT_OF), *, others: bool = False, **told: Any) -> World:
    """Return a world of four whole years in which one student in eight gets a planted cause in a year.

    Traits, strain, absence and work go on as ever, but lead to nothing: whoever has a planted cause is a student like any
    other but for it, and a model that says anything else is wrong. Every grade is alike. Missing work hardly counts in
    a report-card mark, so that it is one cause and not two. The signs are strong: with those of the default world many
    students have nothing unusual on record after four weeks, and what is not on record is nobody's reason.

    Args:
        causes: which causes are planted.
        others: let everything that makes anybody leave in the default world do so here as well.
        told: other settings of ``[planted]``.

    """
    nothing = dict.fromkeys(("middle_school", "by_grade", "strain", "connection", "ability", "absence", "work", "conduct",
                             "failed", "over_age"), 0.0)  # fmt: skip
    planted = {"share": 0.12, "causes": list(causes), "alone": False, "lowest_grade": 6, "absence": 4.0, "work": -5.0,
               "marks": -0.45, "activity": -4.5, "conduct": 7.0, **told}  # fmt: skip
    return World.of({"name": "planted", "years": {"through": ""}, "truth_students": 0, "leaving": {} if others else nothing,
                     "coursework": {"missing_counts": 0.75}, "planted": planted})  # fmt: skip


def shown(
    world: World, students: int, seed: int, folder: Path, progress: Progress = lambda _: None, settings: Training | None = None
) -> list[Shown]:
    """Simulate, learn from the years before the last, and count what is said of whom something was planted for.

    Args:
        world: a world with planted causes whose every year is complete.
        students: how many students the district has.
        seed: of the simulation.
        folder: where the district and its records are written.
        progress: called with a sentence when a step begins.
        settings: of training; the usual ones where none are given.

    Returns:
        the shares by cause, and those of all together as ``all``.

    """
    progress("simulating")
    simulate(students, seed, folder / "district", world)
    progress("reading the records")
    reading = read("tables", folder / "district", Tables())
    records = SchoolRecords.from_frames(reading.tables, "default", reading.digest).write(folder / "records")
    last = of_world(world.years)[-1]
    [result] = train(records, ["dropout"], settings or Training(), last.starts_on, Tables().pass_mark,
                     progress=lambda step: progress(f"training: {step}"))  # fmt: skip
    progress("scoring")
    return counted(said(folder / "district", records, result.model))


def said(district: Path, records: SchoolRecords, model: TrainedModel) -> pl.DataFrame:
    """Return a row per student for whom a cause was planted in the last year and who is still there four weeks on.

    Returns:
        ``student_id``, ``cause``, ``as_of``, ``seen`` (false where the cause cannot show by design), and of the reasons,
        the first one first, ``concepts`` and ``features``.

    """
    rows = []
    for risk, cause in _risks(records, model, looked_at(district, records)):
        reasons = wording.reasons(risk, "The student")
        rows.append({
            "student_id": risk.student_id, "cause": cause, "as_of": risk.as_of,
            "seen": cause != "inactivity" or risk.values.get(POSSIBLE) != 0,
            "concepts": [one.concept for one in reasons], "features": [one.feature for one in reasons],
        })  # fmt: skip
    schema: dict[str, Any] = {"student_id": pl.String, "cause": pl.String, "as_of": pl.Date, "seen": pl.Boolean,
                              "concepts": pl.List(pl.String), "features": pl.List(pl.String)}  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def looked_at(district: Path, records: SchoolRecords) -> pl.DataFrame:
    """Return whom something was planted for in the last year, and the day on which each is looked at.

    Returns:
        ``student_id``, ``cause`` and ``as_of``: the day after ``SCHOOL_DAYS`` school days that begin with the cause.

    """
    years = open_truth(district).table("years").filter(pl.col("planted_cause").is_in(list(CONCEPT_OF)))
    years = years.filter(pl.col("school_year") == pl.col("school_year").max())
    taught = records.school_table("calendar").filter("instructional")["on"].unique().sort().to_list()
    days: dict[date, date] = {}
    for on in years["planted_on"].unique().to_list():
        after = [one for one in taught if one >= on]
        if len(after) >= SCHOOL_DAYS:
            days[on] = after[SCHOOL_DAYS - 1] + timedelta(days=1)
    return years.filter(pl.col("planted_on").is_in(list(days))).select(
        "student_id", pl.col("planted_cause").alias("cause"),
        pl.col("planted_on").replace_strict(days, return_dtype=pl.Date).alias("as_of"),
    )  # fmt: skip


def _risks(records: SchoolRecords, model: TrainedModel, whom: pl.DataFrame) -> list[tuple[Risk, str]]:
    """Build the features of everybody on each day, for the year groups' sake, and score those asked about."""
    when = whom.select("as_of").unique().sort("as_of")
    table = feature_tables(records, enrolled(records, when), [model])[model.target.name]
    causes = {(student, on): cause for student, cause, on in whom.select("student_id", "cause", "as_of").iter_rows()}
    keys = table.keys.select("student_id", "as_of").iter_rows()
    rows = np.array([at for at, key in enumerate(keys) if key in causes], np.intp)
    return [(risk, causes[risk.student_id, risk.as_of]) for risk in score(table.take(rows), model)]


def counted(rows: pl.DataFrame) -> list[Shown]:
    """Return the shares by cause of the rows of :func:`said`, and those of all together as ``all``."""
    concept = pl.col("cause").replace_strict(dict(CONCEPT_OF), return_dtype=pl.String)
    told = rows.select(
        "cause", "seen",
        (pl.col("concepts").list.first() == concept).fill_null(value=False).alias("first"),
        pl.col("concepts").list.contains(concept).alias("among"),
        (pl.col("concepts").list.len() == 0).alias("silent"),
    )  # fmt: skip
    found = []
    for cause, part in [*((cause, told.filter(pl.col("cause") == cause)) for cause in CONCEPT_OF), ("all", told)]:
        of = part.filter("seen")
        if of.height:
            first, among, silent = (float(of[name].sum()) / of.height for name in ("first", "among", "silent"))
            found.append(Shown(cause, of.height, first, among, silent, part.height - of.height))
    return found

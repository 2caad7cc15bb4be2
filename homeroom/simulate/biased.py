"""Whether the fairness audit finds an inequality that was planted, and stays quiet where there is none.

Two worlds. In the **even** one every group of families is like every other, and nothing about a student's group, means,
stability at home, school or way of coming to it changes anything: whatever an audit finds there is wrong. In the
**uneven** one the same students do the same, but the records of two groups are not like the others': much of what
Valley hands in never reaches them, so that it looks missing, and the work of Island is written down with better marks
than the report card then counts. So a model learns to list students of Valley for
nothing and to overlook those of Island, which is what the audit has to find, and nothing else.

One model is trained per world, on a district of its own. Then districts are simulated that it has never seen, one per
seed, read as any export is, scored on a day of their last year and audited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from features.records import SchoolRecords
from features.sources import read
from features.sources.tables import Tables
from homeroom.simulate.run import simulate
from homeroom.simulate.world import World
from homeroom.simulate.years import of_world
from training import fairness
from training.gates import Gates
from training.run import Training
from training.train import train
from training.trained import TrainedModel

TARGET = "course_failure"

#: How long into the year the students are looked at: before the first mark of the year, so that work is what tells most.
DAY = 42

#: Where students are listed for nothing, and where they are overlooked, in the uneven world.
OVER, UNDER = "Valley", "Island"

#: By which gate each is to be found.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    OVER: ("false_positive_difference", "precision_ratio", "calibration"),
    UNDER: ("recall_ratio", "calibration"),
}

Progress = Callable[[str], None]


def even_world(years: int = 1, **told: Any) -> World:
    """Return a world in which no attribute that an audit reads makes any difference.

    Args:
        years: how many school years there are.
        told: other settings of the world.

    """
    groups = {name: {"share": share, "low_income": 0.4, "stability": 0.0, "connection": 0.0, "no_device": 0.0,
                     "no_internet": 0.0, "unrecorded": 0.0}
              for name, share in ((name, 0.25) for name in ("Coastal", "Highland", "Valley", "Island"))}  # fmt: skip
    return World.of({
        "name": "even", "truth_students": 0, "years": {"first": 2022, "count": years, "through": ""}, "groups": groups,
        "schools": {"positive_share": 0.0, "moves_in": 0.0, "moves_out": 0.0, "moves_within": 0.0},
        "traits": {"low_income_stability": 0.0, "stability_strain": 0.0}, "access": {"low_income": 0.0},
        "attendance": {"unrecorded_worst_school": 0.01, "elsewhere": 0.0},
        "coursework": {"no_device": 0.0, "exempt": 0.0, "severity": 0.0}, **told,
    })  # fmt: skip


def uneven_world(years: int = 1, lost: float = 0.5, kinder: float = 0.15) -> World:
    """Return the even world with two groups whose records are not as the others' are."""
    return even_world(years, name="uneven", bias={"lost_work": {OVER: lost}, "written_marks": {UNDER: kinder}})


@dataclass(frozen=True, slots=True)
class Found:
    """What one audit said of one district: the gates that failed, as attribute, group, gate and operating point."""

    seed: int
    tested: int
    undecided: int
    failed: tuple[tuple[str, str, str, str], ...]

    def found(self, group: str) -> bool:
        """Whether a planted inequality was found, by a gate that is to find it."""
        return any(name == "ethnicity" and who == group and gate in EXPECTED[group] for name, who, gate, _ in self.failed)

    def wrong(self, planted: bool) -> tuple[tuple[str, str, str, str], ...]:
        """What failed of attributes in which nothing was planted: of all, where nothing was planted at all."""
        return tuple(one for one in self.failed if not (planted and "ethnicity" in one[0]))


def trained(world: Callable[[int], World], students: int, seed: int, folder: Path, settings: Training) -> TrainedModel:
    """Return a model of a world, trained on the first of two school years of a district of its own."""
    made = world(2)
    simulate(students, seed, folder / "taught", made)
    records = records_of(folder / "taught")
    [result] = train(records, [TARGET], settings, of_world(made.years)[-1].starts_on, Tables().pass_mark)
    return result.model


def records_of(district: Path) -> SchoolRecords:
    """Return the records of a district, read as an export is."""
    reading = read("tables", district, Tables())
    return SchoolRecords.from_frames(reading.tables, "default", reading.digest)


def audited(model: TrainedModel, world: World, students: int, seed: int, gates: Gates, settings: Training) -> Found:
    """Simulate a district, score it with a model that has never seen it, and put every gate to the test.

    How a student came to the school is left out: whoever is new has less on record, which is so in every world.
    """
    with TemporaryDirectory() as folder:
        district = Path(folder) / "district"
        simulate(students, seed, district, world)
        judged, found = fairness.rows_of_export(records_of(district), model, settings, Tables().pass_mark,
                                                of_world(world.years)[-1].starts_on)  # fmt: skip
    seen = fairness.weighed(judged, [one for one in found if one.name != "entry"], gates, seed)
    every = [*seen.verdicts, *seen.among]
    failed = tuple((one.attribute, one.group, one.gate, one.at) for one in every if not one.passed)
    return Found(seed, len(every), sum(not one.decided for one in every), failed)


@dataclass(frozen=True, slots=True)
class Rates:
    """The error rates of an audit over many districts of a world, each a share of ``districts``.

    ``missed``: by planted group, where no gate that is to find it failed (nothing in the even world). ``alarmed``:
    any gate failed for an attribute, or an intersection of attributes, in which nothing was planted.
    """

    world: str
    districts: int
    missed: Mapping[str, float]
    alarmed: float
    undecided: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def rates(world: str, found: Sequence[Found], planted: Iterable[str]) -> Rates:
    """Return the error rates over the audits of many districts."""
    share, names = 1 / max(len(found), 1), tuple(planted)
    return Rates(
        world, len(found), {group: share * sum(not one.found(group) for one in found) for group in names},
        share * sum(bool(one.wrong(bool(names))) for one in found),
        float(np.mean([one.undecided / max(one.tested, 1) for one in found])),
    )  # fmt: skip

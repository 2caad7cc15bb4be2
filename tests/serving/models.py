"""Small trained models, a desk that serves them, and requests made of a school's own records."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import oulad_school
import polars as pl
import pytest
from approvals import PROVENANCE
from trainings import FEW_GATES

from features.catalog import Catalog
from features.cohort import on_dates
from features.problems import NotFound
from features.records import SchoolRecords
from features.tables import TABLES
from serving import batch, desk
from serving.desk import Desk
from serving.requests import STUDENT_TABLES
from serving.scoring import Risk
from serving.store import Store
from training import train as story
from training.flat_model import FlatModel
from training.run import PARAMETERS, Training
from training.targets import TARGETS
from training.train import train
from training.trained import TrainedModel

TODAY = oulad_school.TODAY

#: Few days, few trees, few draws: enough for every code path. One thread: on busy cores, two wait for each other.
SETTINGS = Training(
    days=(0, 42, 84), judged_days=(42, 84), trees=15, folds=2, bootstrap_draws=10, refits=2, explained=20, proof_dates=1,
    parameters={**PARAMETERS, "num_threads": 1},
)

Key = tuple[str, ...]

_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def folder() -> Path:
    """Return a folder that lives as long as the tests, for what several files of tests share."""
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="homeroom-tests-"))
    return Path(_FOLDERS[-1].name)


# -- models ---------------------------------------------------------------------------------------------------------


@cache
def school() -> SchoolRecords:
    """Return the records of the school that the models are trained on."""
    return oulad_school.records_of(oulad_school.export(folder(), each=110))


@cache
def trained() -> tuple[TrainedModel, ...]:
    """Return a small model of every target, trained once per run, as version 1.

    They are compared with the simplest rule alone: what it takes to fit the others, nothing here would notice.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "BASELINES", {"rule": story.BASELINES["rule"]})
        found = train(school(), settings=SETTINGS, provenance=PROVENANCE, gates=FEW_GATES)
    return tuple(one.model.with_version("1") for one in found)


def model(target: str) -> TrainedModel:
    """Return the small model of a target."""
    return next(one for one in trained() if one.target.name == target)


@dataclass
class FolderRegistry:
    """A registry that needs no MLflow: the same questions, answered from plain folders."""

    folder: Path
    tenant: str = "default"
    champions: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, tenant: str) -> FolderRegistry:
        return FolderRegistry(self.folder, tenant, self.champions)

    def put(self, given: TrainedModel, promote: bool = True) -> None:
        place = self.folder / self.tenant / given.target.name / given.version
        shutil.copytree(_written(given), place)
        if promote:
            self.champions[self.tenant, given.target.name] = given.version

    def champion(self, target: str) -> str | None:
        return self.champions.get((self.tenant, target))

    def card(self, target: str, version: str) -> dict[str, Any]:
        place = self.folder / self.tenant / target / version
        if not place.is_dir():
            raise NotFound(f"{target}: there is no version {version}")
        return {**json.loads((place / "card.json").read_text()), "version": version}

    def flat(self) -> dict[str, str]:
        return {name: version for (tenant, name), version in self.champions.items()
                if tenant == self.tenant and name not in TARGETS}  # fmt: skip

    def load_flat(self, name: str, version: str = "champion") -> FlatModel:
        number = self.champion(name) if version == "champion" else version
        if number is None:
            raise NotFound(f"{name}: no version is promoted")
        return FlatModel.read(self.folder / self.tenant / name / number, number)

    def put_flat(self, given: FlatModel) -> None:
        place = self.folder / self.tenant / given.target.name / given.version
        place.mkdir(parents=True)
        given.write(place)
        self.champions[self.tenant, given.target.name] = given.version

    def tenants(self) -> list[str]:
        return sorted({tenant for tenant, _ in self.champions})

    def load(self, target: str, code: Catalog, version: str = "champion") -> TrainedModel:
        number = self.champion(target) if version == "champion" else version
        if number is None:
            raise NotFound(f"{target}: no version is promoted")
        return _read(self.folder / self.tenant / target / number, code, number)


#: Folders that hold a model, by what it is made of, which is kept too; and models that were read, by what was read.
#: Dozens of desks serve the same few models, and to write one and read it again takes a twentieth of a second.
_WRITTEN: dict[tuple[int, ...], tuple[TrainedModel, Path]] = {}
_READ: dict[tuple[object, ...], TrainedModel] = {}


def _written(given: TrainedModel) -> Path:
    """Return a folder with the model's files. A version is not among them: it is the name of the folder."""
    made_of = tuple(id(getattr(given, name)) for name in ("target", "trees", "catalog", "calibration", "population", "bands",
                                                          "card", "expected"))  # fmt: skip
    if made_of not in _WRITTEN:
        _WRITTEN[made_of] = (given, folder())
        given.write(_WRITTEN[made_of][1])
    return _WRITTEN[made_of][1]


def _read(place: Path, code: Catalog, number: str) -> TrainedModel:
    """Return the model in a folder; the very same files are read once."""
    files = tuple((path.name, path.read_bytes()) for path in sorted(place.iterdir())) if place.is_dir() else ()
    key = (hashlib.sha256(repr(files).encode()).hexdigest(), id(code), number)
    if key not in _READ:
        _READ[key] = TrainedModel.read(place, code, number)
    return _READ[key]


class FolderDesk(Desk):
    """Homeroom's own desk, with its models in plain folders."""

    opened: ClassVar[list[FolderDesk]] = []

    def __init__(self, home: Path) -> None:
        super().__init__(home, home / "models")
        self.opened.append(self)
        self.registry = FolderRegistry(folder())

    def _registry(self, tenant: str) -> Any:
        return self.registry.of(tenant)


def desk_of(home: Path, models: Sequence[TrainedModel] = (), tenant: str = "default") -> FolderDesk:
    """Return a desk whose registry has these models promoted."""
    opened = FolderDesk(home)
    for one in models:
        opened.registry.of(tenant).put(one)
    return opened


# -- a school that has been scored ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scored:
    """A school after its nightly run: where it lies, the run, the list it wrote, and what every model said."""

    home: Path
    run: batch.Run
    out: Path
    risks: Mapping[Key, Risk]

    @property
    def store(self) -> Store:
        return Store.of(self.home, "default")


def score_school(records: SchoolRecords, models: Sequence[TrainedModel], as_of: date, home: Path) -> Scored:
    """Score a whole school as the nightly run does, and keep what every model said of everybody."""
    store = Store.of(home, "default")
    records = records.write(store.records_folder)
    with overheard(batch, "score", lambda risks: risks) as risks:
        done = batch.run(records, models, as_of, store, home / "out.parquet")
    return Scored(home, done, home / "out.parquet", risks)


@cache
def scored() -> Scored:
    """Return the school, scored on :data:`TODAY`."""
    return score_school(school(), trained(), TODAY, folder())


#: Two classes of the Open University's of spring 2014, and the day on which they are looked at.
SOME_CLASSES, SOME_DAY = ("EEE-2014B", "GGG-2014B"), date(2014, 4, 26)


def some_classes(records: SchoolRecords) -> SchoolRecords:
    """Return the records of the students of two classes, small enough to be scored in seconds."""
    stays = records.labels("rosters").filter(pl.col("section_id").is_in(SOME_CLASSES)).select("enrolment_id", "student_id")
    stays = stays.unique().collect()
    tables = {}
    for name in records.parts:
        rows = records.labels(name)
        keys = [key for key in ("enrolment_id", "student_id") if key in TABLES[name].schema]
        tables[name] = (rows.join(stays.lazy(), on=keys[:1], how="semi") if keys else rows).collect()
    return SchoolRecords.from_frames(tables, digest=records.digest)


_SOME: list[tuple[SchoolRecords, Scored]] = []


def some_scored(records: SchoolRecords) -> tuple[SchoolRecords, Scored]:
    """Return the two classes and their scoring by the small models, made once per run."""
    if not _SOME:
        classes = some_classes(records)
        _SOME.append((classes, score_school(classes, trained(), SOME_DAY, folder())))
    return _SOME[0]


@contextmanager
def overheard(room: Any, name: str, risks_in: Any) -> Iterator[dict[Key, Risk]]:
    """Listen at a function of a room: yield the risks that ``risks_in`` finds in what it returned, by what they are of."""
    heard: dict[Key, Risk] = {}
    real = getattr(room, name)

    def listening(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        heard.update({key_of(risk): risk for risk in risks_in(found)})
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, name, listening)
        yield heard


def risks_of(at: Desk, body: Mapping[str, Any], tenant: str = "default") -> dict[Key, Risk]:
    """Return what every model says of the students of a request."""
    with overheard(desk, "score", lambda risks: risks) as heard:
        at.score(dict(body), tenant, "teacher")
    return heard


def stored_risks_of(at: Desk, students: Sequence[str], tenant: str = "default") -> dict[Key, Risk]:
    """Return what every model says of students from the newest scoring."""
    with overheard(desk, "score", lambda risks: risks) as heard:
        at.score_stored(list(students), tenant, "teacher")
    return heard


def key_of(risk: Risk) -> Key:
    """Return what a score is about."""
    return (risk.model.target.name, risk.student_id, *(str(one) for one in (risk.enrolment_id, risk.section_id, risk.skill_id)))


def bits(risk: Risk) -> dict[str, object]:
    """Return everything that a model says of a unit, numbers down to the last bit."""

    def exact(value: object) -> object:
        if isinstance(value, float):
            return value.hex()
        if isinstance(value, Mapping):
            return {name: exact(one) for name, one in value.items()}
        return tuple(map(exact, value)) if isinstance(value, tuple) else value

    names = ("student_id", "enrolment_id", "section_id", "skill_id", "as_of", "status", "status_reason", "values", "medians",
             "contributions", "by_concept", "base", "raw", "probability", "interval", "band", "expected",
             "expected_interval")  # fmt: skip
    return {name: exact(getattr(risk, name)) for name in names}


def different(one: Mapping[Key, Risk], other: Mapping[Key, Risk]) -> list[tuple[object, ...]]:
    """Return where two sets of scores of the same units differ in any bit: the unit, the field, and the features."""
    found: list[tuple[object, ...]] = []
    for key, risk in one.items():
        mine, theirs = bits(risk), bits(other[key])
        for name, value in mine.items():
            told = theirs[name]
            if isinstance(value, dict) and isinstance(told, dict):
                unlike = [at for at in {**value, **told} if value.get(at) != told.get(at)]
                if unlike:
                    found.append((*key, name, unlike))
            elif value != told:
                found.append((*key, name, value, told))
    return found


# -- requests -------------------------------------------------------------------------------------------------------


def students_on(records: SchoolRecords, as_of: date, count: int, seed: int = 3) -> list[str]:
    """Return some students who are enrolled on a day, in no order."""
    everybody = sorted(set(on_dates(records, [as_of], "enrolment").frame["student_id"]))
    return [everybody[at] for at in np.random.default_rng(seed).permutation(len(everybody))[:count]]


def rows_of(records: SchoolRecords, table: str, students: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return rows of a table as they would be sent, every version, known yet or not."""
    rows = pl.concat(list(records.parts[table]))
    if students is not None:
        rows = rows.filter(pl.col("student_id").is_in(list(students)))
    plain = rows.collect().with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).drop("tenant", "deleted")
    return [{name: value for name, value in row.items() if value is not None} for row in plain.iter_rows(named=True)]


def body_of(records: SchoolRecords, students: Sequence[str], as_of: date) -> dict[str, Any]:
    """Return a request that holds everything the school has of some students, in the school's own order."""
    held: dict[str, dict[str, list[dict[str, Any]]]] = {
        one: {table: [] for table in STUDENT_TABLES if records.holds(table)} for one in students
    }
    for table in STUDENT_TABLES:
        if records.holds(table):
            for row in rows_of(records, table, students):
                held[row["student_id"]][table].append(row)
    through = records.data_through(as_of)
    return {
        "as_of": as_of.isoformat(),
        "data_through": None if through is None else through.isoformat(),
        "students": [{"student_id": one, **tables} for one, tables in held.items()],
    }

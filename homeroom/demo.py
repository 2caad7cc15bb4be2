"""All of it on a simulated district: its export, records, models, scores, and a server to look at them.

Nothing here is special to the demonstration but the district: every step is the command of the same name. A step whose
result is there already is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from features.records import SchoolRecords, digest_of
from features.sources import digest, read
from features.sources.oneroster import OneRoster
from features.standard import STANDARD
from homeroom import promoting
from homeroom.simulate import oneroster
from homeroom.simulate.run import FORMAT, MANIFEST, simulate
from homeroom.simulate.world import World
from serving.batch import run
from serving.cases.database import open_database
from serving.cases.keys import create_key, list_keys, revoke_key
from serving.scoring import Scoring
from serving.store import Store
from training.governance import Governance, Provenance
from training.promotion import Approval, SignOff
from training.registry import Registry
from training.run import Training
from training.targets import TARGETS
from training.train import Result, train

Progress = Callable[..., None]

#: Why a model that does not beat every simple baseline serves here all the same; kept with the version.
REASON = "shown in the demonstration, on a simulated district"
LABEL = "demo"

#: Who answers for the models here: nobody, since nobody's records are read. A school states its own in ``homeroom.toml``.
GOVERNANCE = Governance(
    owner="the demonstration, for a simulated district",
    licence="Apache-2.0",
    legal_basis="none is needed: the students are simulated",
    contest_contact="nobody: the students are simulated",
    incident_contact="nobody: the students are simulated",
    dpia_id="none is needed: the students are simulated",
    capacity_set_by="the demonstration, by the setting train.capacity",
    training_required="none: nobody works with this list",
    retention="the folder of the demonstration can be removed at any time",
)

#: Who signs here, by role: two names that say that nobody has.
SIGNERS = (("data_science", "Demonstration, data science"), ("education", "Demonstration, education"))

#: Rows that a target is learned from here, unless ``train.most_rows`` says otherwise: a third of the usual, so that all of
#: it takes a few minutes. The figures are within .01 of AUC of those of all classes.
ROWS = 80_000


@dataclass(frozen=True)
class Shown:
    """What the demonstration made: its folder, the day it looks from, models by target, the list and a key."""

    home: Path
    as_of: date
    district: Path
    versions: dict[str, str]
    results: tuple[Result, ...]
    scores: Path
    students: int
    key: str
    example: str


def prepare(home: Path, students: int, seed: int, training: Training, progress: Progress) -> Shown:
    """Simulate, read, train, promote and score; what is there already is kept.

    Args:
        home: the state folder of the demonstration.
        students: how many students the district has.
        seed: of the simulation.
        training: how models are trained.
        progress: called with a step, and how much of it is done.

    """
    world, store, registry = World(), Store.of(home, "default"), Registry(home / "models")
    district = home / "district"
    _simulated(district, students, seed, world, progress)
    _exported(district, home / "export", progress)
    progress("reading the OneRoster export and the tables beside it")
    records = _records(home / "export", store)
    results = _trained(home, records, store, registry, training, progress)
    models = [registry.load(target, STANDARD) for target in TARGETS if registry.champion(target) is not None]
    as_of = date.fromisoformat(world.years.through)
    scores = home / "scores.parquet"
    done = run(records, models, as_of, store, scores, Scoring(), lambda step, at, of: progress(f"scoring: {step}", at, of))
    return Shown(
        home, as_of, district, {one.target.name: one.version for one in models}, tuple(results), scores, done.students,
        _key(home), _example(scores),
    )  # fmt: skip


def told(shown: Shown) -> list[str]:
    """Return what a person is told at the end: how many were scored, and what the lists say."""
    listed = pl.read_parquet(shown.scores, columns=["target", "band", "status"])
    lines = [f"{shown.students:,} students scored as of {shown.as_of}:"]
    for target in shown.versions:
        mine = listed.filter(pl.col("target") == target)
        counts = {band: int((mine["band"] == band).sum()) for band in ("check_in_suggested", "keep_an_eye", "no_extra_signal")}
        lines.append(
            f"  {target}: {counts['check_in_suggested']:,} check-ins suggested, {counts['keep_an_eye']:,} worth keeping an eye "
            f"on, {counts['no_extra_signal']:,} without extra signal, {int((mine['status'] != 'scored').sum()):,} not scored"
        )
    return lines


def curl(shown: Shown, host: str, port: int) -> str:
    """Return a command line that asks the server for one student's scores."""
    return (
        f"curl -s http://{host}:{port}/students/score -H 'Authorization: Bearer {shown.key}' "
        f"-H 'Content-Type: application/json' -d '{{\"student_ids\": [\"{shown.example}\"]}}'"
    )


def _simulated(folder: Path, students: int, seed: int, world: World, progress: Progress) -> None:
    wanted = {"students": students, "seed": seed, "world_digest": world.digest, "format": FORMAT}
    try:
        made = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        made = {}
    if any(made.get(key) != value for key, value in wanted.items()):
        simulate(students, seed, folder, world, progress=lambda step, at, of: progress(f"simulating: {step}", at, of))


def _exported(district: Path, export: Path, progress: Progress) -> None:
    """Write the district as its schools' system would export it, unless that was done."""
    made = (district / MANIFEST).read_bytes()
    stamp = export / MANIFEST
    if not stamp.exists() or stamp.read_bytes() != made:
        progress("writing the export of the schools' system")
        stamp.unlink(missing_ok=True)
        oneroster.write(district, export)
        stamp.write_bytes(made)


def _records(export: Path, store: Store) -> SchoolRecords:
    told, made = OneRoster(), store.records_folder
    if (made / "manifest.json").exists():
        kept = store.records()
        if kept.digest == digest("oneroster", export, told):
            return kept
    reading = read("oneroster", export, told)
    records = SchoolRecords.from_frames(reading.tables, "default", reading.digest).write(made)
    store.keep_accounts(reading.digest, reading.accounts)
    return records


def _trained(
    home: Path, records: SchoolRecords, store: Store, registry: Registry, training: Training, progress: Progress
) -> list[Result]:
    """Train and promote, unless models of these records and these definitions serve already."""
    catalog = digest_of(*((one.name, one.fingerprint) for one in STANDARD))
    day = promoting.today()
    standard = "OneRoster 1.2, and the canonical tables beside it, of a simulated district"
    governance = replace(GOVERNANCE, dpia_date=day.isoformat())
    provenance = Provenance(day.isoformat(), "oneroster", standard, store.accounts(records.digest), governance)
    stamp = home / "trained.json"
    wanted = {"records": records.digest, "catalog": catalog, "training": digest_of(training)}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return []
    results = train(records, settings=training, pass_mark=OneRoster().pass_mark, registry=registry,
                    progress=lambda step: progress(f"training: {step}"), provenance=provenance,
                    left_out=lambda target, why: progress(f"{target} is left out: {why.problems[0].problem}"))  # fmt: skip
    for result in results:
        approval = Approval(day, "the demonstration", tuple(SignOff(role, name, day.isoformat()) for role, name in SIGNERS),
                            governance, "" if result.passed_gate else REASON)  # fmt: skip
        registry.promote(result.model.target.name, result.model.version, approval)
    stamp.write_text(json.dumps(wanted))
    return results


def _key(home: Path) -> str:
    """Return a new counselor's key; the one that an earlier run printed is revoked, since nobody can read it again."""
    database = open_database(f"sqlite:///{(home / 'homeroom.db').resolve()}")
    for one in list_keys(database, "default"):
        if one.label == LABEL and one.revoked_at is None:
            revoke_key(database, "default", one.id)
    return create_key(database, "default", "counselor", LABEL)


def _example(scores: Path) -> str:
    """Return the student whose check-in is the first that is suggested."""
    listed = pl.read_parquet(scores, columns=["student_id", "target", "probability"])
    first = listed.filter(pl.col("probability").is_not_null()).sort("target", "probability", descending=[False, True]).head(1)
    return str(first["student_id"].item())

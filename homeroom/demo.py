"""All of it on a simulated district: its export, records, models, scores, and a server to look at them.

Nothing here is special to the demonstration but the district: every step is the command of the same name. A step whose
result is there already is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

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
from serving.cases.access import ties
from serving.cases.database import Database, open_database
from serving.cases.keys import create_key, list_keys, revoke_key
from serving.cases.people import (
    Account,
    Role,
    accounts,
    begin_second_factor,
    change_password,
    confirm_second_factor,
    create_account,
    has_second_factor,
    made_password,
    needs_second_factor,
    remove_second_factor,
    shown_code,
)
from serving.erasure import note_members
from serving.intake import Door, keep
from serving.scoring import Scoring
from serving.skills import skills_of
from serving.store import Store
from serving.withheld import Withheld
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
class Entrance:
    """How somebody of the demonstration signs in. ``codes`` stand in for the app that makes codes; each is good once."""

    role: Role
    login: str
    password: str
    codes: tuple[str, ...]
    students: int


@dataclass(frozen=True)
class Shown:
    """What the demonstration made: its folder, the day it looks from, models by target, the list, a key, who signs in."""

    home: Path
    as_of: date
    district: Path
    versions: dict[str, str]
    results: tuple[Result, ...]
    scores: Path
    students: int
    key: str
    example: str
    entrances: tuple[Entrance, ...]


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
    records = _records(home / "export", store, _database(home))
    results = _trained(home, records, store, registry, training, progress)
    models = [registry.load(target, STANDARD) for target in TARGETS if registry.champion(target) is not None]
    as_of = date.fromisoformat(world.years.through)
    scores = home / "scores.parquet"
    done = run(records, models, as_of, store, scores, Scoring(), lambda step, at, of: progress(f"scoring: {step}", at, of),
               withheld=Withheld.of(_database(home), "default"), exempt="simulated", db=_database(home))  # fmt: skip
    return Shown(
        home, as_of, district, {one.target.name: one.version for one in models}, tuple(results), scores, done.students,
        _key(home), _example(scores), entrances(home, records, as_of, datetime.now(UTC)),
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


def _records(export: Path, store: Store, db: Database) -> SchoolRecords:
    told, made = OneRoster(), store.records_folder
    if (made / "manifest.json").exists():
        kept = store.records()
        if kept.digest == Door.of(db, "default").digest(digest("oneroster", export, told)):
            return kept
    return keep(store, read("oneroster", export, told), "default", db, promoting.today()).records


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
    note_members(store, records, {result.model.target.name: result.model.version for result in results})
    for result in results:
        approval = Approval(day, "the demonstration", tuple(SignOff(role, name, day.isoformat()) for role, name in SIGNERS),
                            governance, "" if result.passed_gate else REASON)  # fmt: skip
        registry.promote(result.model.target.name, result.model.version, approval)
    stamp.write_text(json.dumps(wanted))
    return results


def _database(home: Path) -> Database:
    home.mkdir(parents=True, exist_ok=True)
    return open_database(f"sqlite:///{(home / 'homeroom.db').resolve()}")


def _key(home: Path) -> str:
    """Return a new counselor's key; the one that an earlier run printed is revoked, since nobody can read it again."""
    database = _database(home)
    for one in list_keys(database, "default"):
        if one.label == LABEL and one.revoked_at is None:
            revoke_key(database, "default", one.id)
    return create_key(database, "default", "counselor", LABEL)


def _example(scores: Path) -> str:
    """Return the student whose check-in is the first that is suggested."""
    listed = pl.read_parquet(scores, columns=["student_id", "target", "probability"])
    first = listed.filter(pl.col("probability").is_not_null()).sort("target", "probability", descending=[False, True]).head(1)
    return str(first["student_id"].item())


#: Who can sign in here.
SHOWN_ROLES: tuple[Role, ...] = ("counselor", "teacher", "principal")


def entrances(home: Path, records: SchoolRecords, as_of: date, now: datetime) -> tuple[Entrance, ...]:
    """Return how one of each role signs in: with a new password each time, since nobody can read the last one again.

    Of those on record it is the one who sees the most students; of teachers, of those whose classes have skills to group by.
    """
    database = _database(home)
    kept = {one.login: one for one in accounts(database, "default")}
    found = []
    for role in SHOWN_ROLES:
        mine = ties(records, as_of).frame.filter(pl.col("role") == role)
        counted = mine.group_by("person_id").agg(pl.col("student_id").n_unique().alias("students"))
        ranked = counted.sort("students", "person_id", descending=[True, False]).rows()
        shown = (one for one in ranked if role != "teacher" or _teaches_skills(records, one[0], as_of))
        person, students = next(shown, ranked[0])
        login, password = f"{role}@demo.example", made_password()
        account = kept.get(login)
        if account is None:
            account = create_account(
                database, "default", login=login, name=_called(records, person), role=role, person_id=person,
                password=password, now=now,
            )  # fmt: skip
        else:
            change_password(database, "default", account.id, password, now)
        found.append(Entrance(role, login, password, _codes(database, account, now), students))
    return tuple(found)


def _teaches_skills(records: SchoolRecords, staff_id: str, as_of: date) -> bool:
    """Whether a teacher has a class on a day whose work shows skills."""
    taught = records.reference("teaching", as_of).filter(pl.col("staff_id") == staff_id).select("section_id")
    begun = pl.col("starts_on") <= as_of, pl.col("ends_on") >= as_of
    running = records.reference("sections", as_of).filter(*begun).join(taught, on="section_id", how="semi")
    return any(skills_of(records, section, as_of) for section in running["section_id"].sort())


def _codes(database: Database, account: Account, now: datetime) -> tuple[str, ...]:
    """Return new recovery codes for a role that signs in with two factors: who looks at a demonstration has no app for it."""
    if not needs_second_factor(account):
        return ()
    if has_second_factor(database, "default", account.id):
        remove_second_factor(database, "default", account.id, now)
    made = begin_second_factor(database, "default", account.id, now)
    return confirm_second_factor(database, "default", account.id, shown_code(made.secret, now), now)


def _called(records: SchoolRecords, staff_id: str) -> str:
    row = records.school_table("staff").filter(pl.col("staff_id") == staff_id).row(0, named=True)
    return f"{row['given_name']} {row['family_name']}"


def doors(shown: Shown, host: str, port: int) -> list[str]:
    """Return what a person is told of signing in."""
    lines = [f"Sign in at http://{host}:{port}/review:"]
    for one in shown.entrances:
        codes = f", and where a code is asked for one of: {'  '.join(one.codes[:3])}" if one.codes else ""
        lines.append(f"  {one.role} ({one.students} students): {one.login}, password {one.password}{codes}")
    return lines


def serving(shown: Shown, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server of the demonstration is told: the pages are read as the day on which its records end."""
    review = {
        "today": shown.as_of.isoformat(), "simulated": True, "safeguarding": "nobody: the students are simulated",
        "capacity_set_by": "the demonstration",
    }  # fmt: skip
    return {**told, "review": {**review, **told.get("review", {})}}

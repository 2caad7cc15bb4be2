"""What is done here for families and about scoring as a whole: objections, erasure, corrections, and the switch.

Families do most of it on their own page; the commands are for those who come in person, write a letter, or have no account.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from homeroom import promoting

if TYPE_CHECKING:
    from features.records import SchoolRecords
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.assessed import Assessment
    from serving.cases.database import Database
    from serving.store import Store
    from serving.withheld import Withheld


def _now() -> datetime:
    return datetime.now(UTC)


def cases(settings: Settings) -> Database | None:
    """Return the service's database, ``None`` where none was made yet: then nobody has asked for anything."""
    url = settings.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return None
    return _opened(settings)


def _opened(settings: Settings) -> Database:
    from serving.cases.database import open_database

    return open_database(settings.database_url)


def withheld(settings: Settings) -> Withheld:
    """Return who is not scored by the database; the records themselves are asked by whoever scores."""
    from serving.withheld import Withheld

    return Withheld.of(cases(settings), settings.tenant)


def _assessment(settings: Settings) -> Assessment:
    from serving.assessed import Assessment
    from training.governance import Governance

    told = settings.section("governance", Governance)
    return Assessment(told.dpia_id, told.dpia_date)


def exempt(settings: Settings, source: str, path: Path) -> str:
    """Return why scoring an export takes no impact assessment, nothing where it takes one."""
    from serving.assessed import exempt_of

    return exempt_of(source, path, settings.given.get("review", {}).get("simulated") is True)


def assess(settings: Settings, source: str, path: Path) -> str:
    """Refuse to score real students without a current impact assessment; return why none is needed, where that is so."""
    found = exempt(settings, source, path)
    _assessment(settings).refuse(found, promoting.today())
    return found


def not_assessed(settings: Settings, source: str, path: Path) -> list[str]:
    """Return what is wrong with the impact assessment, as lines for whoever makes a list that is no score."""
    if exempt(settings, source, path):
        return []
    return [f"Before a model scores these students: {one.problem}. {one.hint}"
            for one in _assessment(settings).problems(promoting.today())]  # fmt: skip


# -- the switch -------------------------------------------------------------------------------------------------------


def pause(say: Say, settings: Settings, school: str | None, why: str | None) -> None:
    """Stop scoring at a school or everywhere; without a reason, tell where it is stopped."""
    from serving.cases.switches import stop, stops

    if why is None:
        known = cases(settings)
        found = stops(known, settings.tenant) if known is not None else ()
        for one in found:
            say.lines(f"{one.organisation_id or 'everywhere'}: since {one.stopped_at:%Y-%m-%d %H:%M} UTC. {one.reason}")
            say.result({"school": one.organisation_id, "since": one.stopped_at, "why": one.reason})
        if not found:
            say.lines("Scoring is stopped nowhere.")
        return
    _check_school(settings, say, school)
    done = stop(_opened(settings), settings.tenant, None, school, why, _now())
    where = f"At {school} and below" if school else "Everywhere"
    say.lines(f"{where}, no list is made and scores are hidden; a service that runs does so within seconds. Cases go on.")
    say.result({"stopped": school, "since": done.stopped_at})


def _check_school(settings: Settings, say: Say, school: str | None) -> None:
    """Refuse a school that nobody knows: a stop that is misspelt would stop nothing."""
    from features.problems import NotFound, Problem, Refused
    from serving.store import Store

    if school is None:
        return
    try:
        records = Store.of(settings.home, settings.tenant).records()
    except NotFound:
        say.lines("No records are kept here yet, so whether there is such a school is not known.")
        return
    if school not in set(records.school_table("organisations")["organisation_id"]):
        raise Refused([Problem("unknown_school", "--school", "there is no such school in the records",
                               "Give its organisation_id.")], "Scoring was not stopped")  # fmt: skip


def resume(say: Say, settings: Settings, school: str | None) -> None:
    """Let scoring go on where it was stopped."""
    from serving.cases.switches import start

    start(_opened(settings), settings.tenant, None, school, _now())
    say.lines(f"Scoring goes on {f'at {school}' if school else 'wherever no school is stopped by itself'}.")
    say.result({"resumed": school})


# -- families ---------------------------------------------------------------------------------------------------------


def object_(say: Say, settings: Settings, store: Store, student: str, said_by: str) -> None:
    """Write down an objection that somebody brought in person or by letter."""
    from serving.cases.families import object_to_scoring

    _known(store, student)
    object_to_scoring(_opened(settings), settings.tenant, student, _now(), by=None, said_by=said_by)
    say.lines("The student is not scored from now on, until the family takes that back. Every support stays open to them.")
    say.result({"objected": True})


def withdraw(say: Say, settings: Settings, student: str) -> None:
    """Take back an objection, as the family asked."""
    from serving.cases.families import withdraw_objection

    withdraw_objection(_opened(settings), settings.tenant, student, _now(), by=None)
    say.lines("The objection is taken back: the next list has the student on it again.")
    say.result({"objected": False})


def erase(say: Say, settings: Settings, store: Store, student: str, again: str) -> None:
    """Erase a student."""
    from serving.erasure import confirm
    from serving.erasure import erase as run

    confirm(student, again)
    done = run(settings.home, store, _opened(settings), student, _now(), promoting.today())
    say.lines(
        f"Erased: {done.rows:,} rows of files, {done.accounts} accounts, and all of the student's rows in the database.",
        "No later export brings the student back. What models learned leaves them at the next training; their cards say so.",
        *([] if done.clean else ["The database's own files may hold traces still: stop the service, and run it again."]),
        *(f"This file still names the student, and is yours to remove: {name}" for name in done.left),
    )
    say.result({"rows": done.rows, "accounts": done.accounts, "clean": done.clean, "left": done.left})


def corrections(say: Say, settings: Settings) -> None:
    """List the corrections that wait for a decision, those due first."""
    from serving.cases.families import corrections as found

    known = cases(settings)
    waiting = sorted(found(known, settings.tenant, states=("open",)) if known is not None else (), key=lambda one: one.due_on)
    for one in waiting:
        say.lines(f"{one.id}: {one.table}.{one.column} of {one.student_id}, asked {one.asked_at:%Y-%m-%d}, due {one.due_on}")
        say.result({"id": one.id, "table": one.table, "column": one.column, "student_id": one.student_id, "due_on": one.due_on})
    if not waiting:
        say.lines("No correction waits for a decision.")


def photos(say: Say, store: Store, folder: Path) -> None:
    """Take in the photos that the records name and that were agreed to."""
    from serving.photos import take_in

    taken = take_in(store, store.records(), folder, promoting.today())
    say.lines(f"{taken.kept:,} photos were taken in, {taken.removed:,} that are agreed to no longer were removed, "
              f"{taken.missing:,} that the records name are not in the folder.")  # fmt: skip
    say.result({"kept": taken.kept, "removed": taken.removed, "missing": taken.missing})


def _known(store: Store, student: str) -> SchoolRecords:
    import polars as pl

    from features.problems import NotFound

    records = store.records()
    if records.labels("students").filter(pl.col("student_id") == student).collect().is_empty():
        raise NotFound("There is no such student in the records that are kept here.")
    return records

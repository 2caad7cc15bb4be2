"""What ``homeroom goals`` and ``homeroom agree`` do: read what a school wrote down, and sign it in somebody's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.cases.agreements import Kind, Version


def goals(settings: Settings, say: Say) -> None:
    """Check ``goals.toml`` and tell what is in force and who signed it. Raises Refused with all that is wrong with the file."""
    from serving import catalogue
    from serving.cases.agreements import KINDS, in_force, verify
    from serving.cases.database import open_database
    from serving.goals import FILE, check, read
    from serving.store import Store

    db, today = open_database(settings.database_url), datetime.now(UTC).date()
    path = settings.home / FILE
    if path.exists():
        written = check("goals", read(path), _organisations(settings))
        signed = in_force(db, settings.tenant, "goals", today)
        same = signed is not None and signed.content == written
        say.lines(f"{FILE}: {len(written['goal'])} goals, " + ("as signed." if same else "not signed as they are written."))
    else:
        say.lines(f"There is no {FILE} in the state folder. docs/goals.md shows one.")
    own = Store.of(settings.home, settings.tenant).folder / catalogue.FILE
    if own.exists():
        agreed = in_force(db, settings.tenant, "catalogue", today)
        if agreed is None:
            told = "no catalogue was ever signed, so it is read as it is."
        else:
            same = agreed.content == check("catalogue", read(own), ())
            told = "as signed." if same else "not signed as it is written: what was signed is in force."
        say.lines(f"{own.name}: {told}")
    broken = verify(db, settings.tenant)
    for kind in KINDS:
        version = in_force(db, settings.tenant, kind, today)
        say.lines(f"{kind}: {_told(version)}" if version else f"{kind}: nothing is signed.")
        say.result({"kind": kind, **(_plain(version) if version else {"version": None})})
    if broken is not None:
        say.lines(f"The history is not what was written, from row {broken.number} on: {broken.problem}.")
        say.result({"broken": broken.number, "problem": broken.problem})


def agree(settings: Settings, say: Say, kind: Kind, file: Path | None, login: str, reason: str) -> None:
    """Sign a file as the new version of what is agreed on, in the name of an account.

    Raises:
        NotFound: no account has this login, or there is no such file.
        Refused: what the file says cannot be agreed on, or the account may not sign.

    """
    from features.problems import NotFound
    from serving import catalogue
    from serving.cases.agreements import agree as sign
    from serving.cases.database import open_database
    from serving.cases.people import find_login
    from serving.goals import FILE, check, read
    from serving.store import Store

    db = open_database(settings.database_url)
    account = find_login(db, settings.tenant, login)
    if account is None:
        raise NotFound(f"No account has the login {login}. `homeroom accounts list` tells which there are.")
    own = {"goals": settings.home / FILE, "catalogue": Store.of(settings.home, settings.tenant).folder / catalogue.FILE}
    path = file or own.get(kind, settings.home / f"{kind}.toml")
    content = check(kind, read(path), _organisations(settings))
    version = sign(db, settings.tenant, account, kind, content, reason, datetime.now(UTC))
    say.lines(f"{kind}: {_told(version)}")
    say.result({"kind": kind, **_plain(version)})


def _organisations(settings: Settings) -> Sequence[str]:
    """Return the organisations of the last export by key. Raises NotFound where none was read yet."""
    from serving.store import Store

    records = Store.of(settings.home, settings.tenant).records()
    return sorted(set(records.school_table("organisations")["organisation_id"]) if records.holds("organisations") else ())


def _told(version: Version) -> str:
    names = ", ".join(f"{one.name} ({one.role}) on {one.at.date()}" for one in version.signed)
    return f"version {version.number}, signed by {names}"


def _plain(version: Version) -> dict[str, object]:
    signed = [{"name": one.name, "role": one.role, "at": one.at.isoformat(), "reason": one.reason} for one in version.signed]
    return {"version": version.number, "digest": version.digest, "signed": signed}

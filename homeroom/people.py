"""What ``homeroom accounts`` and ``homeroom trail`` do: people who sign in, and the trail of what they saw and did.

What is done here is in the trail as done on the command line: by nobody with an account. A password is asked for on the
terminal, or made here and shown once; it is no option of a command, where everybody on the machine could read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.cases.database import Engine
    from serving.cases.people import Account, Role

#: The table that knows somebody of a role, and their key there. Of a data scientist and an administrator none need to.
_KNOWN_IN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("teacher", "counselor", "principal", "district_analyst", "ministry"), ("staff", "staff_id")),
        "student": ("students", "student_id"),
        "guardian": ("guardians", "guardian_id"),
    }
)


def add(
    say: Say, settings: Settings, login: str, name: str, role: str, person: str | None, organisation: str | None,
    language: str, password: str | None,
) -> None:  # fmt: skip
    """Make an account; without a password one is made for it, and shown once."""
    from serving.cases.people import create_account, made_password

    unchecked = _check_on_record(settings, role, person)
    made = password or made_password()
    account = create_account(
        _db(settings), settings.tenant, login=login, name=name, role=cast("Role", role), password=made, now=_now(),
        person_id=person, organisation_id=organisation, language=language,
    )  # fmt: skip
    say.lines(f"{account.login} is made, {_called(role)}.", *unchecked, *_shown(password, made))
    say.result({**_plain(account), **({} if password else {"password": made})})


def list_(say: Say, settings: Settings) -> None:
    """List the accounts. Who has practised is not among it: that is nobody's but their own."""
    from serving.cases.people import accounts, has_second_factor

    db = _db(settings)
    for account in accounts(db, settings.tenant):
        second = has_second_factor(db, settings.tenant, account.id)
        marks = [_called(account.role), *([account.person_id] if account.person_id else []),
                 *(["second factor"] if second else []), *(["disabled"] if account.disabled else [])]  # fmt: skip
        say.lines(f"{account.login}  {account.name}  {', '.join(marks)}")
        say.result({**_plain(account), "second_factor": second})


def disable(say: Say, settings: Settings, login: str) -> None:
    """Let nobody in with an account any more."""
    from serving.cases import people

    db, account = _found(settings, login)
    people.disable(db, settings.tenant, account.id, _now())
    say.lines(f"{account.login} is disabled; nobody is signed in with it any more.")
    say.result({"login": account.login, "disabled": True})


def enable(say: Say, settings: Settings, login: str) -> None:
    """Let a disabled account sign in again."""
    from serving.cases import people

    db, account = _found(settings, login)
    people.enable(db, settings.tenant, account.id, _now())
    say.lines(f"{account.login} can sign in.")
    say.result({"login": account.login, "disabled": False})


def password(say: Say, settings: Settings, login: str, given: str | None) -> None:
    """Set another password, the one given or one that is made and shown once."""
    from serving.cases.people import change_password, made_password

    db, account = _found(settings, login)
    made = given or made_password()
    change_password(db, settings.tenant, account.id, made, _now())
    say.lines(f"{account.login} has another password.", *_shown(given, made))
    say.result({"login": account.login, **({} if given else {"password": made})})


def reset_second_factor(say: Say, settings: Settings, login: str) -> None:
    """Forget a second factor that was lost."""
    from serving.cases.people import needs_second_factor, remove_second_factor

    db, account = _found(settings, login)
    remove_second_factor(db, settings.tenant, account.id, _now())
    then = "sets up another when they next sign in" if needs_second_factor(account) else "may set up another"
    say.lines(f"{account.login} has no second factor any more, and {then}.")
    say.result({"login": account.login, "second_factor": False})


def verify(say: Say, settings: Settings, known: tuple[int, str] | None) -> None:
    """Check the trail from its first row to its last. Refused with the first place that is not what was written."""
    from features.problems import Problem, Refused
    from serving.cases import trail

    db = _db(settings)
    broken = trail.verify(db, settings.tenant, trail.Head(*known) if known else None)
    if broken is not None:
        hint = "Keep the database as it is, compare it with a backup, and tell whoever answers for the data."
        raise Refused([Problem("trail", f"row {broken.number}", broken.problem, hint)], "The trail is not what was written")
    end = trail.head(db, settings.tenant)
    through = f", through row {known[0]:,} as it was noted" if known else ""
    say.lines(f"The trail is whole: {end.number:,} rows{through}.", f"It ends at {end.number}:{end.digest}")
    say.result({"whole": True, "number": end.number, "digest": end.digest})


def head(say: Say, settings: Settings) -> None:
    """Tell where the trail ends, so that it can be noted where nobody who has the database can change it."""
    from serving.cases import trail

    end = trail.head(_db(settings), settings.tenant)
    say.lines(f"{end.number}:{end.digest}")
    say.result({"number": end.number, "digest": end.digest})


def views(say: Say, settings: Settings, student: str) -> None:
    """Tell what was recorded about a student. That it was read is recorded too."""
    from features.problems import NotFound
    from serving.cases import trail

    db = _db(settings)
    found = trail.who_viewed(db, settings.tenant, student)
    if not found:
        raise NotFound("Nothing is recorded of such a student: nobody looked, or there is no such key.")
    trail.record(db, settings.tenant, None, "views_read", student, "command line", _now())
    for one in found:
        who = f"{one.name or one.account_id}, {_called(one.role)}" if one.account_id else "command line"
        say.lines(f"{one.at:%Y-%m-%d %H:%M} UTC  {who}: {one.action}{f' ({one.why})' if one.why else ''}")
        say.result({"at": one.at.isoformat(), "account": one.account_id, "name": one.name, "role": one.role,
                    "action": one.action, "why": one.why})  # fmt: skip


def _check_on_record(settings: Settings, role: str, person: str | None) -> tuple[str, ...]:
    """Refuse a key that the records do not have; return what is to be said where there is nothing to check it against."""
    import polars as pl

    from features.problems import NotFound, Problem, Refused
    from serving.store import Store

    if person is None or role not in _KNOWN_IN:
        return ()
    table, key = _KNOWN_IN[role]
    try:
        records = Store.of(settings.home, settings.tenant).records()
    except NotFound:
        return ("No records are here yet, so the key was not checked against them.",)
    if not records.holds(table):
        return (f"The records hold no table of {table}, so the key was not checked against them.",)
    known = records.visible(table, [_now().date()]).filter(pl.col(key) == person).limit(1).collect()
    if known.is_empty():
        hint = f"Copy it from the column {key} of {table}."
        raise Refused([Problem("person_id", "--person", f"The records know no {_called(role)} by this key", hint)],
                      "The account was not made")  # fmt: skip
    return ()


def _found(settings: Settings, login: str) -> tuple[Engine, Account]:
    """Return the database and the account with a login, however it is typed."""
    from features.problems import NotFound
    from serving.cases.people import find_login

    db = _db(settings)
    account = find_login(db, settings.tenant, login)
    if account is None:
        raise NotFound("There is no account with this login. `homeroom accounts list` tells which there are.")
    return db, account


def _db(settings: Settings) -> Engine:
    from serving.cases.database import open_database

    return open_database(settings.database_url)


def _now() -> datetime:
    return datetime.now(UTC)


def _called(role: str) -> str:
    return role.replace("_", " ")


def _shown(given: str | None, made: str) -> tuple[str, ...]:
    return () if given else (f"Password, shown this once: {made}",)


def _plain(account: Account) -> dict[str, object]:
    return {"id": account.id, "login": account.login, "name": account.name, "role": account.role,
            "person_id": account.person_id, "organisation_id": account.organisation_id, "language": account.language,
            "disabled": account.disabled}  # fmt: skip

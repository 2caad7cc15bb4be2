"""Accounts: the people of a school who sign in, what each is there, and how they prove that it is them.

A password is kept as its Argon2id hash, whatever parameters the library holds right today; one that was made with
others is hashed anew when its owner next signs in. The second factor is a one-time code of RFC 6238, each good once,
or one of ten recovery codes. Wrong passwords and wrong codes are counted together: ten within 15 minutes lock the
account for 15 minutes (OWASP, Authentication Cheat Sheet). A try is counted before it is looked at, so that many at
the same moment are no way around.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.keys import create_tenant
from serving.cases.schema import ACCOUNTS, RECOVERY_CODES, SESSIONS

#: What somebody is at a school. Which students that lets them see is decided in :mod:`serving.cases.access`.
Role = Literal[
    "teacher",
    "counselor",
    "principal",
    "district_analyst",
    "ministry",
    "student",
    "guardian",
    "data_scientist",
    "administrator",
]
ROLES: tuple[Role, ...] = get_args(Role)

#: Who must have a second factor: whoever sees a whole school, or makes accounts.
SECOND_FACTOR_ROLES: frozenset[Role] = frozenset({"counselor", "principal", "administrator"})

#: Who sees nothing unless the records know who they are.
PERSON_ROLES: frozenset[Role] = frozenset({"teacher", "student", "guardian"})

MOST_TRIES = 10
LOCKED_FOR = timedelta(minutes=15)
RECOVERY_CODE_COUNT = 10

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
#: How many signs of a password must be a surprise after the words and runs that everybody tries first.
_SURPRISES = 6

#: No letters or digits that are mistaken for one another on paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LOGIN = re.compile(r"\S{3,200}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CODE = re.compile(r"[0-9]{6}")

#: What people take when a long password is asked of them, apart from what the runs below find.
_COMMON = (
    "password", "passwort", "contraseña", "letmein", "welcome", "changeme", "iloveyou", "administrator", "admin", "teacher",
    "student", "school", "homeroom", "sunshine", "princess", "football", "baseball", "dragon", "monkey", "superman", "secret",
    "1q2w3e4r5t6y", "q1w2e3r4t5y6", "1qaz2wsx3edc4rfv", "zaq12wsx", "p@ssw0rd", "passw0rd", "trustno1",
    "correcthorsebatterystaple",
)  # fmt: skip
_RUNS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyui")
_NEIGHBOURS = frozenset(pair for run in _RUNS for way in (run, run[::-1]) for pair in pairwise(way))

_HASHER = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in. ``person_id`` is their key in the records: of a member of staff, a student or a guardian."""

    id: str
    tenant: str
    login: str
    name: str
    role: Role
    person_id: str | None
    organisation_id: str | None
    language: str = "en"
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What an authenticator app needs to make codes, shown once: the secret to type, and the same as an address to scan."""

    secret: str
    uri: str


def create_account(
    db: Engine,
    tenant: str,
    *,
    login: str,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    person_id: str | None = None,
    organisation_id: str | None = None,
    language: str = "en",
    by: Account | None = None,
) -> Account:
    """Make an account and return it. A tenant that is new is made with it.

    ``by`` is who made it, ``None`` for the command line; the trail says so. Raises
    :class:`~features.problems.Refused` with everything that is wrong, a login that is taken among it.
    """
    login = _login(login)
    problems = _account_problems(login, name, role, person_id, organisation_id, language)
    problems += password_problems(password, login=login, name=name, tenant=tenant)
    if problems:
        raise Refused(problems, "The account was not made")
    create_tenant(db, tenant)
    account = Account(_random(12), tenant, login, name, role, person_id, organisation_id, language)
    row = {
        "id": account.id, "tenant_id": tenant, "login": login, "name": name, "role": role, "person_id": person_id,
        "organisation_id": organisation_id, "language": language, "password_hash": _hash(password), "created_at": now,
        "failed_attempts": 0,
    }  # fmt: skip
    try:
        with writing(db) as connection:
            connection.execute(insert(ACCOUNTS).values(**row))
            trail.append(connection, tenant, by, "account_created", None, f"account {account.id}", now)
    except IntegrityError as error:
        taken = Problem("login_taken", "login", "There is an account with this login", "Choose another one.")
        raise Refused([taken], "The account was not made") from error
    return account


def accounts(db: Engine, tenant: str) -> list[Account]:
    """Return a tenant's accounts by login, the disabled ones too."""
    with db.connect() as connection:
        rows = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.tenant_id == tenant).order_by(ACCOUNTS.c.login))
        return [account_of(row) for row in rows.mappings()]


def find_login(db: Engine, tenant: str, login: str) -> Account | None:
    """Return the account with a login, however that is typed; ``None`` where there is none."""
    of_login = (ACCOUNTS.c.tenant_id == tenant) & (ACCOUNTS.c.login == _login(login))
    with db.connect() as connection:
        row = connection.execute(select(ACCOUNTS).where(of_login)).mappings().first()
        return account_of(row) if row else None


def find(db: Engine, tenant: str, account_id: str) -> Account:
    """Return one account. Raises :class:`~features.problems.NotFound`, in the same words when another tenant has it."""
    with db.connect() as connection:
        return account_of(_row(connection, tenant, account_id))


def change_password(
    db: Engine, tenant: str, account_id: str, password: str, now: datetime, *, old: str | None = None, by: Account | None = None
) -> None:
    """Set another password, open a locked account, and end everything that is signed in with it.

    Whoever changes their own gives the ``old`` one, and a wrong one counts as a wrong try; an administrator gives
    none. Raises :class:`~features.problems.Refused` for a wrong old password and for a new one that will not do.
    """
    with writing(db) as connection:
        row = _row(connection, tenant, account_id, lock=True)
        let_try = old is None or _count_try(connection, row, now)
    problems = password_problems(password, login=row["login"], name=row["name"], tenant=tenant)
    if old is not None and not (_matches(row["password_hash"], old) and let_try):
        said = f"It is not the present one, or there were more than {MOST_TRIES} wrong tries in 15 minutes"
        problems.insert(0, Problem("old_password", "old password", said, "Check it, or wait 15 minutes."))
    elif old is not None and normalised(old) == normalised(password):
        problems.append(Problem("same_password", "password", "It is the present one", "Choose another one."))
    if problems:
        raise Refused(problems, "The password was not changed")
    fresh = {"password_hash": _hash(password), "failed_attempts": 0, "failed_since": None, "locked_until": None}
    with writing(db) as connection:
        connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(fresh))
        connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id))
        trail.append(connection, tenant, by, "password_changed", None, f"account {account_id}", now)


def disable(db: Engine, tenant: str, account_id: str, now: datetime, *, by: Account | None = None) -> None:
    """Let nobody in with this account any more, and end what is signed in with it. Disabling twice keeps the first time."""
    with writing(db) as connection:
        if _row(connection, tenant, account_id, lock=True)["disabled_at"] is None:
            connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(disabled_at=now))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id))
            trail.append(connection, tenant, by, "account_disabled", None, f"account {account_id}", now)


def enable(db: Engine, tenant: str, account_id: str, now: datetime, *, by: Account | None = None) -> None:
    """Let a disabled account sign in again."""
    with writing(db) as connection:
        if _row(connection, tenant, account_id, lock=True)["disabled_at"] is not None:
            connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(disabled_at=None))
            trail.append(connection, tenant, by, "account_enabled", None, f"account {account_id}", now)


def needs_second_factor(account: Account) -> bool:
    """Return whether this account may see nothing before a second factor was set up and passed."""
    return account.role in SECOND_FACTOR_ROLES


def has_second_factor(db: Engine, tenant: str, account_id: str) -> bool:
    """Return whether a second factor was set up, so that signing in asks for a code."""
    with db.connect() as connection:
        return _row(connection, tenant, account_id)["totp_secret"] is not None


def begin_second_factor(
    db: Engine, tenant: str, account_id: str, now: datetime, *, code: str | None = None, issuer: str = "Homeroom"
) -> SecondFactor:
    """Return a new secret for an authenticator app. It counts for nothing until :func:`confirm_second_factor`.

    An account that has a second factor must pass it once more with ``code``: a stolen browser could otherwise put its
    own in the place of it. Raises :class:`~features.problems.Refused` when that code is wrong.
    """
    if has_second_factor(db, tenant, account_id) and not prove_second_factor(db, tenant, account_id, code or "", now):
        raise Refused([wrong_code()], "The second factor was not changed")
    secret = pyotp.random_base32()
    with writing(db) as connection:
        login = _row(connection, tenant, account_id, lock=True)["login"]
        connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(totp_pending=secret))
    return SecondFactor(secret, pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer))


def confirm_second_factor(
    db: Engine, tenant: str, account_id: str, code: str, now: datetime, *, by: Account | None = None
) -> tuple[str, ...]:
    """Take the secret that was begun into use, once a code shows that the app has it; return the new recovery codes.

    They are shown this once, and earlier ones are worth nothing from now on. Raises
    :class:`~features.problems.Refused` when nothing was begun or the code is wrong; that counts as a wrong try.
    """
    with writing(db) as connection:
        codes = take_second_factor(connection, tenant, account_id, code, now)
        if codes:
            trail.append(connection, tenant, by, "second_factor_set_up", None, f"account {account_id}", now)
    if not codes:
        raise Refused([wrong_code()], "The second factor was not set up")
    return codes


def shown_code(secret: str, now: datetime) -> str:
    """Return the code that an app shows of a secret at a moment, for a demonstration, which has no app."""
    return pyotp.TOTP(secret).at(now)


def take_second_factor(connection: Connection, tenant: str, account_id: str, code: str, now: datetime) -> tuple[str, ...]:
    """Do what :func:`confirm_second_factor` does inside a transaction that writes; no codes when the code was wrong."""
    row = _row(connection, tenant, account_id, lock=True)
    let_try = _count_try(connection, row, now)
    counter = _counter(row["totp_pending"], code, now) if let_try and row["totp_pending"] else None
    if counter is None:
        return ()
    _give_back(connection, tenant, account_id)
    taken = {"totp_secret": row["totp_pending"], "totp_pending": None, "totp_counter": counter}
    connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(taken))
    connection.execute(delete(RECOVERY_CODES).where(RECOVERY_CODES.c.account_id == account_id))
    codes = tuple("-".join(_random(4) for _ in range(4)) for _ in range(RECOVERY_CODE_COUNT))
    connection.execute(insert(RECOVERY_CODES), [{"account_id": account_id, "digest": _code_digest(one)} for one in codes])
    return codes


def remove_second_factor(db: Engine, tenant: str, account_id: str, now: datetime, *, by: Account | None = None) -> None:
    """Forget a second factor whose owner lost it and the recovery codes, and end what is signed in with the account."""
    with writing(db) as connection:
        _row(connection, tenant, account_id, lock=True)
        gone = {"totp_secret": None, "totp_pending": None, "totp_counter": None}
        connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(gone))
        connection.execute(delete(RECOVERY_CODES).where(RECOVERY_CODES.c.account_id == account_id))
        connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id))
        trail.append(connection, tenant, by, "second_factor_removed", None, f"account {account_id}", now)


def note_practice(db: Engine, tenant: str, account_id: str, on: date) -> None:
    """Note the day on which somebody finished the practice that opens real students to them."""
    with writing(db) as connection:
        _row(connection, tenant, account_id, lock=True)
        connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(practised_on=on))


def practised_on(db: Engine, tenant: str, account_id: str) -> date | None:
    """Return the day of the practice, ``None`` before it."""
    with db.connect() as connection:
        found: date | None = _row(connection, tenant, account_id)["practised_on"]
        return found


def prove_password(db: Engine, tenant: str, login: str, password: str, now: datetime) -> Account | None:
    """Return the account behind a login and its password, or ``None`` when it is not let in.

    The same work is done for a login that does not exist, for a locked account and for a wrong password: two short
    transactions and one hash. A right password gives back the try that it was counted as, and no more: codes that
    were guessed wrong stay counted until the whole sign-in is done (:func:`clear_tries`).
    """
    with writing(db) as connection:
        of_login = (ACCOUNTS.c.tenant_id == tenant) & (ACCOUNTS.c.login == _login(login))
        row = connection.execute(select(ACCOUNTS).where(of_login).with_for_update(key_share=True)).mappings().first()
        let_try = _count_try(connection, row or {"id": "", "tenant_id": "", "failed_attempts": 0}, now)
    nobodys = _nobodys_hash(_HASHER)  # made whoever asks: the first who asks for nobody would wait for it
    good = _matches(row["password_hash"] if row else nobodys, password)
    let_in = row is not None and row["disabled_at"] is None and let_try and good
    renewed = _hash(password) if row and let_in and _HASHER.check_needs_rehash(row["password_hash"]) else None
    with writing(db) as connection:
        _give_back(connection, tenant, row["id"] if row and let_in else "")
        if row and renewed:
            unchanged = _is(tenant, row["id"]) & (ACCOUNTS.c.password_hash == row["password_hash"])
            connection.execute(update(ACCOUNTS).where(unchanged).values(password_hash=renewed))
    return account_of(row) if row and let_in else None


def prove_second_factor(db: Engine, tenant: str, account_id: str, code: str, now: datetime) -> bool:
    """Return whether a one-time code or a recovery code is good, and spend it. A wrong one counts as a wrong try.

    The app's clock may be half a minute off, either way (RFC 6238, 5.2).
    """
    with writing(db) as connection:
        row = _row(connection, tenant, account_id, lock=True)
        if not _count_try(connection, row, now) or row["totp_secret"] is None or row["disabled_at"] is not None:
            return False
        counter = _counter(row["totp_secret"], code, now)
        if counter is not None and counter > (row["totp_counter"] or 0):
            spent = True
            connection.execute(update(ACCOUNTS).where(_is(tenant, account_id)).values(totp_counter=counter))
        else:
            this = (RECOVERY_CODES.c.account_id == account_id) & (RECOVERY_CODES.c.digest == _code_digest(code))
            spent = connection.execute(delete(RECOVERY_CODES).where(this)).rowcount > 0
        if spent:
            _give_back(connection, tenant, account_id)
        return spent


def clear_tries(connection: Connection, account: Account) -> None:
    """Forget the wrong tries of somebody who has proved everything, inside a transaction that writes."""
    fresh = {"failed_attempts": 0, "failed_since": None, "locked_until": None}
    connection.execute(update(ACCOUNTS).where(_is(account.tenant, account.id)).values(fresh))


def let_in(connection: Connection, account: Account) -> Account | None:
    """Return an account as it is now, locked until the end of a transaction that writes; ``None`` once it is disabled."""
    found = account_of(_row(connection, account.tenant, account.id, lock=True))
    return None if found.disabled else found


def password_problems(password: str, *, login: str = "", name: str = "", tenant: str = "") -> list[Problem]:
    """Return what is wrong with a password, nothing if it will do.

    Long, and not what anybody would try first; no rule asks for digits or signs, which only makes people write the
    same password in a guessable way (NIST SP 800-63B, 3.1.1.2).
    """
    found = normalised(password)
    if len(found) < SHORTEST_PASSWORD:
        hint = "Three or four words that have nothing to do with each other are easy to remember."
        return [Problem("short", "password", f"It has fewer than {SHORTEST_PASSWORD} characters", hint)]
    if len(found) > LONGEST_PASSWORD:
        return [Problem("long", "password", f"It has more than {LONGEST_PASSWORD} characters", "Shorten it.")]
    left = found.casefold()
    own = {login, login.partition("@")[0], tenant, *name.casefold().split()}
    for word in sorted({*_COMMON, *(word.casefold() for word in own if len(word) > 2)}, key=len, reverse=True):
        left = left.replace(word, " ")
    # What repeats the sign before it, or follows it in the alphabet or on the keyboard, surprises nobody; nor a repetition.
    surprises = {pair for pair in pairwise(" " + left) if pair[1] not in (" ", pair[0]) and pair not in _NEIGHBOURS}
    if len(surprises) < _SURPRISES:
        said = "It is among the first that anybody would try: a common word, the login, a name, the school's, or a run of keys"
        return [Problem("guessable", "password", said, "Use words that nobody would connect with you or with each other.")]
    return []


def made_password() -> str:
    """Return a password that nobody chose, of 79 random bits, in signs that are not mistaken for one another on paper."""
    return "-".join(_random(4) for _ in range(4))


def normalised(password: str) -> str:
    """Return a password in the one form in which every keyboard's way to write it is the same (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def wrong_code() -> Problem:
    """Return what is said of a code that is not taken, whatever the reason."""
    said = "The code is not right, was used before, or there were too many tries"
    hint = "Wait for the app's next code; its clock must be right. One of the recovery codes will do as well, each once."
    return Problem("code", "code", said, hint)


def account_of(row: Mapping[Any, Any]) -> Account:
    """Return the account of a row of the table."""
    return Account(
        id=row["id"],
        tenant=row["tenant_id"],
        login=row["login"],
        name=row["name"],
        role=row["role"],
        person_id=row["person_id"],
        organisation_id=row["organisation_id"],
        language=row["language"],
        disabled=row["disabled_at"] is not None,
    )


def _account_problems(
    login: str, name: str, role: str, person_id: str | None, organisation_id: str | None, language: str
) -> list[Problem]:
    problems = []
    if not login:
        hint = "Use 3 to 200 characters without blanks; the address of an e-mail will do."
        problems.append(Problem("login", "login", "This cannot be a login", hint))
    if not name.isprintable() or not 1 <= len(name.strip()) <= 200:
        problems.append(Problem("name", "name", "A name has 1 to 200 characters, on one line", "Say who it is."))
    if role not in ROLES:
        problems.append(Problem("role", "role", "There is no such role", f"Use one of {', '.join(ROLES)}."))
    if role in PERSON_ROLES and not person_id:
        hint = "Give the key that the records have for the teacher, student or guardian."
        problems.append(Problem("person_id", "person_id", f"A {role} sees nothing unless the records know who it is", hint))
    for where, value in (("person_id", person_id), ("organisation_id", organisation_id)):
        if value is not None and (not value.isprintable() or not 1 <= len(value) <= 200):
            problems.append(Problem(where, where, "A key has 1 to 200 characters, on one line", "Copy it from the records."))
    if not _LANGUAGE.fullmatch(language) or len(language) > 35:
        problems.append(Problem("language", "language", "This is not the name of a language", "Write it like en, es or es-MX."))
    return problems


def _login(written: str) -> str:
    """Return a login in the form in which it is kept, or nothing for what cannot be one."""
    login = unicodedata.normalize("NFKC", written).strip().casefold()
    return login if _LOGIN.fullmatch(login) and login.isprintable() else ""


def _row(connection: Connection, tenant: str, account_id: str, *, lock: bool = False) -> Mapping[Any, Any]:
    """Return an account's row, locked until the end of the transaction where that is asked for.

    Whatever is locked in one transaction is locked in one order, here and in the other files: the account, what belongs
    to it, the end of the trail. ``key_share`` lets a session be begun, which points at the account, meanwhile.
    """
    asked = select(ACCOUNTS).where(_is(tenant, account_id))
    row = connection.execute(asked.with_for_update(key_share=True) if lock else asked).mappings().first()
    if row is None:
        raise NotFound(f"The tenant {tenant} has no account {account_id}.")
    return row


def _is(tenant: str, account_id: str) -> ColumnElement[bool]:
    return (ACCOUNTS.c.id == account_id) & (ACCOUNTS.c.tenant_id == tenant)


def _count_try(connection: Connection, row: Mapping[Any, Any], now: datetime) -> bool:
    """Count a try before it is looked at, and return whether it may be looked at.

    The row is locked, so that tries at the same moment are counted one after another. The last try that is allowed
    locks the account; if it turns out right, giving it back opens it again.
    """
    locked_until, since, count = row.get("locked_until"), row.get("failed_since"), row["failed_attempts"]
    let_try = locked_until is None or now >= locked_until
    if since is None or now - since >= LOCKED_FOR:
        since, count = now, 0
    counted = count + 1 if let_try else count
    values = {
        "failed_attempts": counted,
        "failed_since": since,
        "locked_until": now + LOCKED_FOR if let_try and counted >= MOST_TRIES else locked_until if not let_try else None,
    }
    connection.execute(update(ACCOUNTS).where(_is(row["tenant_id"], row["id"])).values(values))
    return let_try


def _give_back(connection: Connection, tenant: str, account_id: str) -> None:
    """Take back one counted try that was right."""
    values = {"failed_attempts": ACCOUNTS.c.failed_attempts - 1, "locked_until": None}
    connection.execute(update(ACCOUNTS).where(_is(tenant, account_id) & (ACCOUNTS.c.failed_attempts > 0)).values(values))


def _counter(secret: str, code: str, now: datetime) -> int | None:
    """Return the half minute whose code this is, the present one or a neighbour, or ``None``."""
    code = code.replace(" ", "")
    if not _CODE.fullmatch(code):
        return None
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=now, valid_window=1)
    except pyotp.OTPVerificationError:
        return None


def _code_digest(code: str) -> str:
    """Return the digest of a recovery code, however it is spaced. It is 79 random bits: there is nothing to guess."""
    plain = re.sub(r"[\s-]", "", code).casefold()
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()


def _hash(password: str) -> str:
    return _HASHER.hash(_bytes(password))


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    return normalised(password).encode(errors="surrogatepass")


@cache
def _nobodys_hash(hasher: PasswordHasher) -> str:
    """Return a hash that no password has, for logins that do not exist."""
    return hasher.hash(secrets.token_bytes(32))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))

"""Who is signed in, from the password to the moment they leave.

The browser holds a token of 256 random bits; the database holds its digest, which signs nobody in. Somebody who does
nothing for 30 minutes, and everybody after 12 hours, signs in again (NIST SP 800-63B, 2.2.3: at the second level at
most 24 hours, and an hour without activity). Until the second factor is passed a session opens nothing and lasts 15
minutes; passing it gives a new token, so that one which was planted before is worth nothing afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, insert, select, update

from features.problems import NotFound, Problem, Refused
from serving.cases import people, trail
from serving.cases.access import OPEN_FOR, Action, Grant, may, refusal
from serving.cases.database import writing
from serving.cases.people import LOCKED_FOR, MOST_TRIES, Account
from serving.cases.schema import ACCOUNTS, BREAK_GLASS, SESSIONS

IDLE_FOR = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
#: How long somebody may take between the password and the second factor, or to set one up.
UNPROVEN_FOR = timedelta(minutes=15)
#: How often at most a session that is in use is written to.
SLIDES_EVERY = timedelta(minutes=1)

#: How long somebody else has to approve what an administrator asks to see.
ASKED_FOR = timedelta(hours=24)
SHORTEST_REASON = 20
LONGEST_REASON = 1_000

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in. Pages open only when nothing is ``missing``.

    ``missing`` is ``"code"`` while a second factor has to be passed, and ``"set_up"`` while a role that must have one
    has none yet. ``second_factor`` says that one was passed.
    """

    account: Account
    token_digest: str
    csrf: str
    signed_in_at: datetime
    expires_at: datetime
    second_factor: bool
    missing: Literal["", "code", "set_up"] = ""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What an administrator asked to see, and why; once ``approved_by`` somebody else it is open until ``expires_at``."""

    id: str
    account_id: str
    student_id: str
    reason: str
    asked_at: datetime
    approved_by: str | None
    granted_at: datetime | None
    expires_at: datetime


def sign_in(db: Engine, tenant: str, login: str, password: str, now: datetime) -> tuple[str, SignedIn]:
    """Return a new token, for the browser alone, and who is signed in with it.

    Raises :class:`~features.problems.Refused` in the same words, after the same work, whether there is no such
    login, the password is wrong, the account is disabled, or it is locked after too many tries.
    """
    account = people.prove_password(db, tenant, login, password, now)
    if account is None:
        minutes = LOCKED_FOR // timedelta(minutes=1)
        said = "The login or the password is not right, or there were too many tries"
        hint = f"Check both. After {MOST_TRIES} wrong tries within {minutes} minutes nobody gets in for {minutes} minutes."
        raise Refused([Problem("sign_in", "sign-in", said, hint)], "You are not signed in")
    _sweep(db, tenant, now)
    with writing(db) as connection:
        token, digest = _begin(connection, account, created_at=now, second_factor_at=None, now=now)
        signed_in = _required(connection, digest)
        if not signed_in.missing:
            people.clear_tries(connection, account)
        trail.append(connection, tenant, account, "sign_in", None, signed_in.missing, now)
    return token, signed_in


def sign_in_by_provider(db: Engine, tenant: str, login: str, now: datetime, *, second_factor: bool) -> tuple[str, SignedIn]:
    """Return a new token for somebody whose login the school's provider proved, and who is signed in with it.

    ``second_factor`` says that one was passed there, and then none is asked for here. Wrong passwords that somebody else
    tried keep nobody out who needs none. Raises :class:`~features.problems.Refused` in the same words whether there is no
    such account or it is disabled: a provider makes no account.
    """
    account = people.find_login(db, tenant, login)
    _sweep(db, tenant, now)
    with writing(db) as connection:
        row = people.let_in(connection, account) if account else None
        if row is None:
            unknown = Problem("oidc_unknown", "sign-in", "Nobody here has this login", "Ask your school's administrator.")
            raise Refused([unknown], "You are not signed in")
        token, digest = _begin(connection, row, created_at=now, second_factor_at=now if second_factor else None, now=now)
        signed_in = _required(connection, digest)
        if not signed_in.missing:
            people.clear_tries(connection, row)
        trail.append(connection, tenant, row, "sign_in", None, f"provider {signed_in.missing}".strip(), now)
    return token, signed_in


def pass_second_factor(db: Engine, signed_in: SignedIn, code: str, now: datetime) -> tuple[str, SignedIn]:
    """Return a new token once a one-time code or a recovery code was right; the token before is worth nothing then.

    Raises :class:`~features.problems.Refused` for a wrong code, and for too many of them in the same words.
    """
    account = signed_in.account
    if not people.prove_second_factor(db, account.tenant, account.id, code, now):
        raise Refused([people.wrong_code()], "You are not signed in")
    with writing(db) as connection:
        renewed = _renew(connection, signed_in, now)
        trail.append(connection, account.tenant, account, "second_factor_passed", None, "", now)
    return renewed


def confirm_second_factor(db: Engine, signed_in: SignedIn, code: str, now: datetime) -> tuple[str, SignedIn, tuple[str, ...]]:
    """Set the second factor up that was begun, and count it as passed: a new token, who is signed in, the recovery codes.

    Raises :class:`~features.problems.Refused` when the code is wrong. All of it happens or none of it.
    """
    account = signed_in.account
    with writing(db) as connection:
        codes = people.take_second_factor(connection, account.tenant, account.id, code, now)
        if codes:
            token, renewed = _renew(connection, signed_in, now)
            trail.append(connection, account.tenant, account, "second_factor_set_up", None, f"account {account.id}", now)
    if not codes:
        raise Refused([people.wrong_code()], "The second factor was not set up")
    return token, renewed, codes


def find(db: Engine, token: str, now: datetime) -> SignedIn | None:
    """Return who is signed in with a token, or ``None`` when nobody is, any more or at all.

    What the session holds, its role among it, is read anew each time. Use keeps it open; that is written down at most
    once a minute.
    """
    if not _TOKEN.fullmatch(token):
        return None
    with db.connect() as connection:
        row = _row(connection, _digest(token))
    if row is None or row["expires_at"] <= now or row["disabled_at"] is not None:
        return None
    if now - row["last_seen_at"] >= SLIDES_EVERY:
        expires_at = _expires(row["created_at"], now, missing=_missing(row))
        with writing(db) as connection:
            # Only forward: of two requests at once the later one counts. A session that was ended stays ended.
            this = (SESSIONS.c.digest == row["digest"]) & (SESSIONS.c.last_seen_at < now)
            connection.execute(update(SESSIONS).where(this).values(last_seen_at=now, expires_at=expires_at))
        return _signed_in({**row, "expires_at": expires_at})
    return _signed_in(row)


def sign_out(db: Engine, signed_in: SignedIn, now: datetime) -> None:
    """End a session, and close what its administrator had open in an emergency. Doing it twice does no harm."""
    account = signed_in.account
    with writing(db) as connection:
        ended = connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == signed_in.token_digest)).rowcount
        _close_break_glass(connection, account.id, now)
        if ended:
            trail.append(connection, account.tenant, account, "sign_out", None, "", now)


def sign_out_everywhere(db: Engine, account: Account, now: datetime, *, by: Account | None = None) -> int:
    """End every session of an account, on whatever machine, and return how many there were."""
    with writing(db) as connection:
        of_account = (SESSIONS.c.account_id == account.id) & (SESSIONS.c.tenant_id == account.tenant)
        ended = connection.execute(delete(SESSIONS).where(of_account)).rowcount
        _close_break_glass(connection, account.id, now)
        trail.append(connection, account.tenant, by or account, "sign_out_everywhere", None, f"account {account.id}", now)
    return ended


def csrf_matches(signed_in: SignedIn, sent: str) -> bool:
    """Return whether what a form sent is this session's own word, in the same time whatever was sent."""
    return hmac.compare_digest(signed_in.csrf.encode(), sent.encode(errors="replace"))


def ask_break_glass(db: Engine, signed_in: SignedIn, student_id: str, reason: str, now: datetime) -> BreakGlass:
    """Ask to see one student for an hour. Somebody else has to approve it within a day; the trail notes both.

    Raises :class:`~features.problems.Refused` for a role that may not, before everything was proved, and for a reason
    that is missing or too short to tell anybody anything.
    """
    account, said = signed_in.account, reason.strip()
    problems = _break_glass_problems(signed_in, "ask_break_glass")
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON or "\0" in said:
        wanted = f"A reason has {SHORTEST_REASON} to {LONGEST_REASON:,} characters"
        problems.append(Problem("reason", "reason", wanted, "Say what happened and what has to be looked at."))
    if problems:
        raise Refused(problems, "The student's record stays closed")
    asked = BreakGlass(secrets.token_hex(6), account.id, student_id, said, now, None, None, now + ASKED_FOR)
    salt = secrets.token_bytes(32)
    covered = hmac.new(salt, said.encode(), hashlib.sha256).hexdigest()
    row = {**asdict(asked), "tenant_id": account.tenant, "salt": salt.hex()}
    with writing(db) as connection:
        connection.execute(insert(BREAK_GLASS).values(**row))
        trail.append(connection, account.tenant, account, "break_glass_asked", student_id, f"{asked.id} {covered}", now)
    return asked


def approve_break_glass(db: Engine, signed_in: SignedIn, break_glass_id: str, now: datetime) -> BreakGlass:
    """Open the record that somebody else asked for, for an hour from now.

    Raises :class:`~features.problems.Refused` for a role that may not and for one's own question, and
    :class:`~features.problems.NotFound` when nothing of the kind is waiting.
    """
    account = signed_in.account
    problems = _break_glass_problems(signed_in, "approve_break_glass")
    if problems:
        raise Refused(problems, "The student's record stays closed")
    with writing(db) as connection:
        this = (BREAK_GLASS.c.id == break_glass_id) & (BREAK_GLASS.c.tenant_id == account.tenant)
        waiting = this & BREAK_GLASS.c.granted_at.is_(None) & (BREAK_GLASS.c.expires_at > now)
        row = connection.execute(select(BREAK_GLASS).where(waiting).with_for_update()).mappings().first()
        if row is None:
            raise NotFound("Nobody is waiting for this: it was approved, or it was asked more than a day ago.")
        if row["account_id"] == account.id:
            own = Problem("own", "approval", "This is your own question", "Somebody else has to approve it.")
            raise Refused([own], "The student's record stays closed")
        opened = {"approved_by": account.id, "granted_at": now, "expires_at": now + OPEN_FOR}
        connection.execute(update(BREAK_GLASS).where(this).values(opened))
        trail.append(connection, account.tenant, account, "break_glass_approved", row["student_id"], break_glass_id, now)
    return _break_glass_of({**row, **opened})


def grants(db: Engine, account: Account, now: datetime) -> tuple[Grant, ...]:
    """Return which records an administrator has open at this moment, as :func:`serving.cases.access.visible` takes them."""
    of_account = (BREAK_GLASS.c.account_id == account.id) & (BREAK_GLASS.c.tenant_id == account.tenant)
    is_open = of_account & (BREAK_GLASS.c.granted_at <= now) & (BREAK_GLASS.c.expires_at > now)
    with db.connect() as connection:
        rows = connection.execute(select(BREAK_GLASS).where(is_open).order_by(BREAK_GLASS.c.granted_at)).mappings()
        return tuple(
            Grant(row["account_id"], row["student_id"], row["reason"], row["approved_by"], row["granted_at"]) for row in rows
        )


def all_break_glass(db: Engine, tenant: str) -> list[BreakGlass]:
    """Return everything that was asked for or opened in an emergency, newest first, for whoever watches over the data."""
    with db.connect() as connection:
        asked = select(BREAK_GLASS).where(BREAK_GLASS.c.tenant_id == tenant).order_by(BREAK_GLASS.c.asked_at.desc())
        return [_break_glass_of(row) for row in connection.execute(asked).mappings()]


def _break_glass_problems(signed_in: SignedIn, action: Action) -> list[Problem]:
    account = signed_in.account
    problems = []
    if not may(account.role, None, action):
        problems.append(Problem("role", "role", "This is not among your rights", refusal(account.role, None, action)))
    if signed_in.missing or not signed_in.second_factor:
        problems.append(Problem("second_factor", "sign-in", "Your second factor was not passed", "Sign in with a code."))
    return problems


def _begin(
    connection: Connection, account: Account, *, created_at: datetime, second_factor_at: datetime | None, now: datetime
) -> tuple[str, str]:
    """Store a new session and return its token and digest."""
    token = secrets.token_urlsafe(32)
    digest = _digest(token)
    row = {
        "digest": digest, "tenant_id": account.tenant, "account_id": account.id, "csrf": secrets.token_urlsafe(32),
        "created_at": created_at, "last_seen_at": now, "expires_at": now, "second_factor_at": second_factor_at,
    }  # fmt: skip
    connection.execute(insert(SESSIONS).values(**row))
    stored = _row(connection, digest)
    assert stored is not None
    expires_at = _expires(created_at, now, missing=_missing(stored))
    connection.execute(update(SESSIONS).where(SESSIONS.c.digest == digest).values(expires_at=expires_at))
    return token, digest


def _renew(connection: Connection, signed_in: SignedIn, now: datetime) -> tuple[str, SignedIn]:
    """Put a new session that has passed the second factor in the place of one that had not."""
    account = signed_in.account
    people.clear_tries(connection, account)
    gone = connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == signed_in.token_digest)).rowcount
    if not gone:
        raise Refused([Problem("ended", "sign-in", "This was ended meanwhile", "Sign in again.")], "You are not signed in")
    token, digest = _begin(connection, account, created_at=signed_in.signed_in_at, second_factor_at=now, now=now)
    return token, _required(connection, digest)


def _row(connection: Connection, digest: str) -> Mapping[Any, Any] | None:
    """Return a session with its account. The account's times and names do not collide with the session's."""
    columns = *SESSIONS.c, *(column for column in ACCOUNTS.c if column.name not in ("created_at", "tenant_id"))
    asked = select(*columns).join(ACCOUNTS, ACCOUNTS.c.id == SESSIONS.c.account_id).where(SESSIONS.c.digest == digest)
    return connection.execute(asked).mappings().first()


def _required(connection: Connection, digest: str) -> SignedIn:
    row = _row(connection, digest)
    assert row is not None, "a session that was stored in this transaction is not there"
    return _signed_in(row)


def _signed_in(row: Mapping[Any, Any]) -> SignedIn:
    return SignedIn(
        account=people.account_of(row),
        token_digest=row["digest"],
        csrf=row["csrf"],
        signed_in_at=row["created_at"],
        expires_at=row["expires_at"],
        second_factor=row["second_factor_at"] is not None,
        missing=_missing(row),
    )


def _missing(row: Mapping[Any, Any]) -> Literal["", "code", "set_up"]:
    if row["second_factor_at"] is not None:  # passed here, or at the school's provider by whoever has none here
        return ""
    if row["totp_secret"] is not None:
        return "code"
    return "set_up" if row["role"] in people.SECOND_FACTOR_ROLES else ""


def _expires(created_at: datetime, now: datetime, *, missing: str) -> datetime:
    return created_at + UNPROVEN_FOR if missing else min(now + IDLE_FOR, created_at + LONGEST)


def _sweep(db: Engine, tenant: str, now: datetime) -> None:
    """Remove sessions that are over, so that the table holds about as many rows as there are people at work."""
    over = select(SESSIONS.c.digest).where((SESSIONS.c.tenant_id == tenant) & (SESSIONS.c.expires_at <= now))
    with writing(db) as connection:
        # What somebody else is removing is left to them: two who waited for each other's rows would wait for ever.
        connection.execute(delete(SESSIONS).where(SESSIONS.c.digest.in_(over.with_for_update(skip_locked=True))))


def _close_break_glass(connection: Connection, account_id: str, now: datetime) -> None:
    valid = (BREAK_GLASS.c.account_id == account_id) & (BREAK_GLASS.c.granted_at <= now) & (BREAK_GLASS.c.expires_at > now)
    connection.execute(update(BREAK_GLASS).where(valid).values(expires_at=now))


def _break_glass_of(row: Mapping[Any, Any]) -> BreakGlass:
    return BreakGlass(**{field.name: row[field.name] for field in fields(BreakGlass)})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""API keys: who is asking, for which school, and in which role.

A key reads ``hr_<id>_<secret>``. The id finds the row, the secret proves the holder. The secret is 256 random bits,
so its plain SHA-256 is as good as any slow password hash would be: there is nothing to guess, and a slow hash would
only cost every request its speed. The secret is shown once, when it is made, and is kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from features import tenants
from features.problems import NotFound, Problem, Refused
from serving.cases.database import open_database, writing
from serving.cases.schema import API_KEYS, TENANTS

#: Who an answer is written for. Only a counselor and a scientist receive numbers about a student.
AUDIENCES = ("teacher", "counselor", "scientist", "family")

#: No letters or digits that are mistaken for one another when an id is read over the telephone.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_FORM = re.compile(r"hr_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that was found good: whose it is and what its holder may see."""

    id: str
    tenant: str
    audience: str
    label: str


@dataclass(frozen=True, slots=True)
class KeyListing:
    """A key as its school sees it in a list: everything but the secret, which nobody has."""

    id: str
    tenant: str
    prefix: str
    audience: str
    label: str
    created_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None


def create_tenant(db: Engine, tenant: str, name: str = "") -> None:
    """Make the tenant unless it is there. Safe when two processes do it at once."""
    if not tenants.NAME.fullmatch(tenant):
        raise Refused([Problem("tenant", "tenant", "this cannot be a tenant's key", tenants.HINT)], "The tenant was not made")
    with db.connect() as connection:
        if connection.execute(select(TENANTS.c.id).where(TENANTS.c.id == tenant)).first():
            return
    try:
        with writing(db) as connection:
            connection.execute(insert(TENANTS).values(id=tenant, name=name or tenant, created_at=datetime.now(UTC)))
    except IntegrityError:
        return  # somebody else made the same tenant in this very moment, which is what was wanted


def create_key(db: Engine, tenant: str, audience: str = "teacher", label: str = "") -> str:
    """Make a key and return its secret, which cannot be read again. A tenant that is new is made with it."""
    problems = []
    if audience not in AUDIENCES:
        problems.append(Problem("audience", "audience", "There is no such audience", f"Use one of {', '.join(AUDIENCES)}."))
    if len(label) > 200:
        problems.append(Problem("label", "label", "A label has at most 200 characters", "Shorten it."))
    if problems:
        raise Refused(problems, "The key was not made")
    create_tenant(db, tenant)
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = f"hr_{key_id}_{secrets.token_urlsafe(32)}"
    with writing(db) as connection:
        connection.execute(
            insert(API_KEYS).values(
                id=key_id,
                tenant_id=tenant,
                prefix=f"hr_{key_id}",
                hash=_digest(secret),
                audience=audience,
                label=label,
                created_at=datetime.now(UTC),
            )
        )
    return secret


def find_key(db: Engine, secret: str) -> ApiKey | None:
    """Return the key behind a secret, or ``None`` when there is none, when it is wrong or when it was revoked.

    Notes the day on which the key was used, at most once a day, so that a school can see which keys are forgotten.
    """
    parts = _FORM.fullmatch(secret)
    if not parts:
        return None
    with db.connect() as connection:
        row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == parts[1])).mappings().first()
    # Compared in constant time even where there is no row: the time of an answer should not tell which ids exist.
    expected = row["hash"] if row else "0" * 64
    if not hmac.compare_digest(expected, _digest(secret)) or row is None or row["revoked_at"] is not None:
        return None
    today = datetime.now(UTC).date()
    if row["last_used_on"] != today:
        with writing(db) as connection:
            connection.execute(update(API_KEYS).where(API_KEYS.c.id == row["id"]).values(last_used_on=today))
    return ApiKey(id=row["id"], tenant=row["tenant_id"], audience=row["audience"], label=row["label"])


def list_keys(db: Engine, tenant: str) -> list[KeyListing]:
    """Return a tenant's keys, oldest first, the revoked ones too: a school must be able to see what it revoked."""
    order = (API_KEYS.c.created_at, API_KEYS.c.id)
    with db.connect() as connection:
        rows = connection.execute(select(API_KEYS).where(API_KEYS.c.tenant_id == tenant).order_by(*order)).mappings()
        return [
            KeyListing(
                id=row["id"],
                tenant=row["tenant_id"],
                prefix=row["prefix"],
                audience=row["audience"],
                label=row["label"],
                created_at=_utc(row["created_at"]),
                last_used_on=row["last_used_on"],
                revoked_at=_utc(row["revoked_at"]) if row["revoked_at"] else None,
            )
            for row in rows
        ]


def revoke_key(db: Engine, tenant: str, key_id: str) -> None:
    """Make a key of a tenant's worthless from now on (in a running service: within :class:`Keyring`'s 30 seconds).

    Revoking twice keeps the first time. Raises :class:`~features.problems.NotFound` for an id that the tenant does
    not have, in the same words whether another tenant has it or nobody.
    """
    theirs = (API_KEYS.c.id == key_id) & (API_KEYS.c.tenant_id == tenant)
    with writing(db) as connection:
        if connection.execute(select(API_KEYS.c.id).where(theirs)).first() is None:
            raise NotFound(f"The tenant {tenant} has no key {key_id}. `homeroom keys` lists those it has.")
        still_good = theirs & API_KEYS.c.revoked_at.is_(None)
        connection.execute(update(API_KEYS).where(still_good).values(revoked_at=datetime.now(UTC)))


class Keyring:
    """The keys that a running service has seen lately, so that a request usually costs no query.

    A good key is remembered for 30 seconds under its digest, never under the secret. That is also how long a revoked
    key may live on. Bad keys are not remembered: nobody could fill the memory with them.
    """

    def __init__(self, url: str, *, keep_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._db: Engine | None = None
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def open(self) -> Engine:
        """Open the database, migrating it where needed, and return it. Later calls return the same engine."""
        if self._db is None:
            self._db = open_database(self._url)
        return self._db

    def remembered(self, secret: str) -> ApiKey | None:
        """Return a key from memory alone, or ``None`` when the database has to be asked."""
        found = self._known.get(_digest(secret))
        return found[1] if found and found[0] > self._clock() else None

    def find(self, secret: str) -> ApiKey | None:
        """Return the key behind a secret, from memory or from the database."""
        known = self.remembered(secret)
        if known:
            return known
        found = find_key(self.open(), secret)
        digest = _digest(secret)
        if found is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (self._clock() + self._keep_seconds, found)
        return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _utc(moment: datetime) -> datetime:
    """Return a stored time with its zone: SQLite keeps the time and drops the zone, PostgreSQL answers in its own."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

"""What a school agreed on: goals, capacity, thresholds and the catalogue of supports, in one history of signed versions.

A version is proposed, and it is in force from when somebody signs it who may. Both are rows of one chain, tenant by tenant,
which is only ever added to: every row's digest covers the row, what it agrees on, and the digest before it, so that
:func:`verify` finds what was changed, left out or put in. Triggers refuse UPDATE and DELETE in the first place.

Who signs names the digest of what they read, so that nobody signs what somebody else put in its place meanwhile. Signatures
keep the signer's name. A reason says why the school wants this; it is not the place to write of a student.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from features.problems import NotFound, Problem, Refused
from serving.cases import trail
from serving.cases.database import writing
from serving.cases.people import Account, Role
from serving.cases.schema import AGREEMENT_HEADS, AGREEMENTS
from serving.cases.trail import Broken, Head

#: What a school agrees on.
Kind = Literal["goals", "capacity", "thresholds", "catalogue"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Who may sign for a school or a district. Anybody who works there may propose.
SIGNERS: frozenset[Role] = frozenset({"principal", "district_analyst", "ministry", "administrator"})
PROPOSERS: frozenset[Role] = SIGNERS | {"teacher", "counselor", "data_scientist"}

MOST_REASON = 500

#: What the first row of a history follows.
_BEGINNING = "0" * 64

_FIELDS = ("tenant_id", "number", "kind", "version", "act", "content", "content_digest", "account_id", "name", "role", "reason")


@dataclass(frozen=True, slots=True)
class Signature:
    """Who put their name under a version, as what, when and why."""

    account_id: str
    name: str
    role: Role
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of what is agreed. ``digest`` names its content; ``proposed`` says who wrote it, ``signed`` who agreed.

    ``number`` counts the versions of the kind from 1.
    """

    kind: Kind
    number: int
    content: Mapping[str, Any]
    digest: str
    proposed: Signature
    signed: tuple[Signature, ...]


def propose(
    db: Engine, tenant: str, account: Account, kind: Kind, content: Mapping[str, Any], reason: str, now: datetime
) -> Version:
    """Add a version that is not in force before somebody signs it, and return it. ``content`` is what JSON can hold.

    Raises :class:`~features.problems.Refused` where the account may not, or no reason is given.
    """
    _refuse(_problems(account, tenant, PROPOSERS, reason))
    with writing(db) as connection:
        version = _propose(connection, tenant, account, kind, content, reason, now)
        trail.append(connection, tenant, account, "agreement_proposed", None, f"{kind} {version}", now)
    return _one(db, tenant, kind, version)


def sign(
    db: Engine, tenant: str, account: Account, kind: Kind, version: int, digest: str, reason: str, now: datetime
) -> Version:
    """Sign a version, by which it is in force, and return it.

    Raises:
        NotFound: there is no such version.
        Refused: the account may not sign, a newer version was proposed, ``digest`` is not that of the version's content,
            or the account signed it already.

    """
    _refuse(_problems(account, tenant, SIGNERS, reason))
    with writing(db) as connection:
        _sign(connection, tenant, account, kind, version, digest, reason, now)
        trail.append(connection, tenant, account, "agreement_signed", None, f"{kind} {version}", now)
    return _one(db, tenant, kind, version)


def agree(
    db: Engine, tenant: str, account: Account, kind: Kind, content: Mapping[str, Any], reason: str, now: datetime
) -> Version:
    """Propose a version and sign it at once, wholly or not at all; see :func:`propose` and :func:`sign`."""
    _refuse(_problems(account, tenant, SIGNERS, reason))
    with writing(db) as connection:
        version = _propose(connection, tenant, account, kind, content, reason, now)
        _sign(connection, tenant, account, kind, version, _content(content)[1], reason, now)
        trail.append(connection, tenant, account, "agreement_signed", None, f"{kind} {version}", now)
    return _one(db, tenant, kind, version)


def in_force(db: Engine, tenant: str, kind: Kind, today: date) -> Version | None:
    """Return the newest version of a kind that was signed by the end of a day (UTC), None where there is none."""
    end = datetime.combine(today, time.max, UTC)
    for version in history(db, tenant, kind):
        if any(one.at <= end for one in version.signed):
            return version
    return None


def history(db: Engine, tenant: str, kind: Kind | None = None) -> tuple[Version, ...]:
    """Return every version, of one kind or of all, the newest first."""
    asked = select(AGREEMENTS).where(AGREEMENTS.c.tenant_id == tenant).order_by(AGREEMENTS.c.number)
    if kind is not None:
        asked = asked.where(AGREEMENTS.c.kind == kind)
    found: dict[tuple[str, int], Version] = {}
    with db.connect() as connection:
        for row in connection.execute(asked).mappings():
            key, name = (row["kind"], row["version"]), _signature(row)
            if row["act"] == "proposed":
                found[key] = Version(row["kind"], row["version"], json.loads(row["content"]), row["content_digest"], name, ())
            elif key in found:
                one = found[key]
                found[key] = Version(one.kind, one.number, one.content, one.digest, one.proposed, (*one.signed, name))
    return tuple(reversed(found.values()))


def head(db: Engine, tenant: str) -> Head:
    """Return where the history ends now. Worth noting outside the database."""
    with db.connect() as connection:
        return _head(connection, tenant)


def verify(db: Engine, tenant: str, known: Head | None = None) -> Broken | None:
    """Return the first place at which the history is not what was written, or ``None`` when it is whole.

    ``known`` is a head that was noted before: the history must still pass through it.
    """
    last = Head(0, _BEGINNING)
    with db.connect() as connection:
        end = _head(connection, tenant)
        asked = select(AGREEMENTS).where(AGREEMENTS.c.tenant_id == tenant).order_by(AGREEMENTS.c.number)
        for row in connection.execute(asked).mappings():
            if row["number"] > end.number:
                # Whoever agrees on something meanwhile moves the end; a row beyond one that stays was put in.
                return Broken(row["number"], "this row was put in") if _head(connection, tenant) == end else None
            problem = _problem(last, row, known)
            if problem:
                return Broken(last.number + 1, problem)
            last = Head(row["number"], row["digest"])
    if last != end or (known and known.number > last.number):
        return Broken(last.number + 1, "the history's end is missing")
    return None


def _problem(last: Head, row: RowMapping, known: Head | None) -> str:
    if row["number"] != last.number + 1:
        return "this row is missing"
    if not hmac.compare_digest(row["digest"], _digest(last.digest, row)):
        return "this row was changed, or the one before it"
    if row["act"] == "proposed" and not hmac.compare_digest(row["content_digest"], _hash(row["content"])):
        return "what this row agrees on was changed"
    if known and known.number == row["number"] and known.digest != row["digest"]:
        return "the history was written anew up to here"
    return ""


def _problems(account: Account, tenant: str, may: frozenset[Role], reason: str) -> list[Problem]:
    found = []
    if account.disabled or account.tenant != tenant or account.role not in may:
        hint = f"It takes one of: {', '.join(sorted(may))}."
        found.append(Problem("not_permitted", "your rights", "this is not among them", hint))
    if not reason.strip() or len(reason) > MOST_REASON:
        hint = f"Say in up to {MOST_REASON} characters why the school wants this."
        found.append(Problem("agreement_reason", "reason", "it is empty or too long", hint))
    return found


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems, "Nothing was agreed")


def _propose(
    connection: Connection, tenant: str, account: Account, kind: Kind, content: Mapping[str, Any], reason: str, now: datetime
) -> int:
    last = _lock_head(connection, tenant)
    version = _newest(connection, tenant, kind) + 1
    text, digest = _content(content)
    _add(connection, last, account, now, {"tenant_id": tenant, "kind": kind, "version": version, "act": "proposed",
                                          "content": text, "content_digest": digest, "reason": reason.strip()})  # fmt: skip
    return version


def _sign(
    connection: Connection, tenant: str, account: Account, kind: Kind, version: int, digest: str, reason: str, now: datetime
) -> None:
    last = _lock_head(connection, tenant)
    of_version = (AGREEMENTS.c.tenant_id == tenant) & (AGREEMENTS.c.kind == kind) & (AGREEMENTS.c.version == version)
    rows = connection.execute(select(AGREEMENTS).where(of_version).order_by(AGREEMENTS.c.number)).mappings().all()
    if not rows:
        raise NotFound(f"There is no version {version} of {kind}.")
    problems = []
    if version != (newest := _newest(connection, tenant, kind)):
        said = f"version {newest} was proposed since"
        problems.append(Problem("agreement_not_newest", kind, said, "Read the newest and sign that."))
    if not hmac.compare_digest(rows[0]["content_digest"], digest):
        problems.append(Problem("agreement_other_content", kind, "it is not what you read", "Read it again, then sign."))
    if any(row["act"] == "signed" and row["account_id"] == account.id for row in rows):
        problems.append(Problem("agreement_signed_already", kind, "you signed this version already", "Nothing is left to do."))
    _refuse(problems)
    _add(connection, last, account, now, {"tenant_id": tenant, "kind": kind, "version": version, "act": "signed", "content": "",
                                          "content_digest": rows[0]["content_digest"], "reason": reason.strip()})  # fmt: skip


def _add(connection: Connection, last: Head, account: Account, now: datetime, row: Mapping[str, object]) -> None:
    who = {"account_id": account.id, "name": account.name, "role": account.role}
    whole = {**row, **who, "number": last.number + 1, "at": now.astimezone(UTC)}
    digest = _digest(last.digest, whole)
    connection.execute(insert(AGREEMENTS).values(**whole, digest=digest))
    this = AGREEMENT_HEADS.c.tenant_id == row["tenant_id"]
    connection.execute(update(AGREEMENT_HEADS).where(this).values(number=last.number + 1, digest=digest))


def _newest(connection: Connection, tenant: str, kind: Kind) -> int:
    of_kind = (AGREEMENTS.c.tenant_id == tenant) & (AGREEMENTS.c.kind == kind)
    return connection.execute(select(func.max(AGREEMENTS.c.version)).where(of_kind)).scalar() or 0


def _one(db: Engine, tenant: str, kind: Kind, version: int) -> Version:
    return next(one for one in history(db, tenant, kind) if one.number == version)


def _signature(row: RowMapping) -> Signature:
    return Signature(row["account_id"], row["name"], row["role"], row["at"], row["reason"])


def _lock_head(connection: Connection, tenant: str) -> Head:
    """Return where the history ends, and keep everybody else from adding to it until the transaction is over."""
    new = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    connection.execute(new(AGREEMENT_HEADS).values(tenant_id=tenant, number=0, digest=_BEGINNING).on_conflict_do_nothing())
    row = connection.execute(
        select(AGREEMENT_HEADS.c.number, AGREEMENT_HEADS.c.digest)
        .where(AGREEMENT_HEADS.c.tenant_id == tenant)
        .with_for_update()
    ).one()
    return Head(row.number, row.digest)


def _head(connection: Connection, tenant: str) -> Head:
    row = connection.execute(
        select(AGREEMENT_HEADS.c.number, AGREEMENT_HEADS.c.digest).where(AGREEMENT_HEADS.c.tenant_id == tenant)
    ).first()
    return Head(row.number, row.digest) if row else Head(0, _BEGINNING)


def _content(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return content as text, the same for the same content whatever its order, and what names it."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text, _hash(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(before: str, row: Mapping[Any, Any]) -> str:
    """Return the digest of a row and of everything before it. A list in JSON tells fields apart, whatever is in them."""
    at = row["at"]
    assert isinstance(at, datetime)
    fields = [row[name] for name in _FIELDS]
    return _hash(json.dumps([before, at.astimezone(UTC).isoformat(timespec="microseconds"), *fields], separators=(",", ":")))

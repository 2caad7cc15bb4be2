"""The tables of the service's own database. ``serving/migrations`` makes them; a test holds the two equal.

Every table that will ever hold something of a school names its tenant, from the first day on: adding a tenant to
rows that have none is guesswork.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import override

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Moment(TypeDecorator[datetime]):
    """A point in time, always in UTC: SQLite drops a zone and compares what is left as text, PostgreSQL answers in its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC. One without a zone would be anybody's guess."""
        assert value is None or value.tzinfo is not None, "a moment without its zone"
        return value and value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


#: Named constraints, because a constraint without a name cannot be changed by a later migration on every database.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A school (or district) whose records and keys are apart from everybody else's.
TENANTS = Table(
    "tenant",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

#: A key that a program or a person signs in with. The secret itself is never here, only its digest.
API_KEYS = Table(
    "api_key",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("prefix", String(11), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("audience", String(20), nullable=False),
    Column("label", String(200), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_on", Date, nullable=True),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Index("ix_api_key_tenant_id", "tenant_id"),
)

#: Somebody who may sign in. A password is here as its Argon2 hash; the second factor's secret as it is, since both sides
#: of a one-time code must know it: whoever can read this table needs the password still.
ACCOUNTS = Table(
    "account",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("login", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("person_id", String(200), nullable=True),
    Column("organisation_id", String(200), nullable=True),
    Column("language", String(35), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("totp_secret", String(64), nullable=True),
    Column("totp_pending", String(64), nullable=True),  # shown, but no code of it was given back yet
    Column("totp_counter", BigInteger, nullable=True),  # the half minute of the last code that was taken: each is good once
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment, nullable=True),
    Column("failed_attempts", Integer, nullable=False),
    Column("failed_since", Moment, nullable=True),
    Column("locked_until", Moment, nullable=True),
    Column("practised_on", Date, nullable=True),
    UniqueConstraint("tenant_id", "login"),
)

#: What lets somebody in who lost what makes their codes. Each is good once and then gone.
RECOVERY_CODES = Table(
    "recovery_code",
    METADATA,
    Column("account_id", String(12), ForeignKey("account.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
)

#: Who is signed in. What the browser sends is 256 random bits; only their digest is here.
SESSIONS = Table(
    "session",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("account_id", String(12), ForeignKey("account.id"), nullable=False),
    Column("csrf", String(43), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("second_factor_at", Moment, nullable=True),
    Index("ix_session_account_id", "account_id"),
    Index("ix_session_expires_at", "expires_at"),
)

#: An hour in which an administrator may see one student, for a reason that somebody else approved. The trail holds a
#: digest of the reason, so that the reason itself can be erased with the student.
BREAK_GLASS = Table(
    "break_glass",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("account_id", String(12), ForeignKey("account.id"), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("approved_by", String(12), ForeignKey("account.id"), nullable=True),
    Column("granted_at", Moment, nullable=True),
    Column("expires_at", Moment, nullable=False),  # of the question, until it is approved
    Index("ix_break_glass_account_id", "account_id"),
)

#: Who saw or did what, and why. Triggers refuse to change or delete a row. An account is no foreign key: it may be
#: erased, the trail may not.
TRAIL = Table(
    "trail",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("role", String(20), nullable=False),
    Column("action", String(40), nullable=False),
    Column("student", String(64), nullable=False),
    Column("why", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_trail_student", "tenant_id", "student"),
)

#: Where each trail ends, so that rows missing at its end are noticed; locking it puts those who write in a line.
TRAIL_HEADS = Table(
    "trail_head",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

#: The random key that a student's pseudonym in the trail is made with. Without it nobody can tell whose rows those are.
TRAIL_KEYS = Table(
    "trail_key",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("student_id", String(200), primary_key=True),
    Column("key", String(64), nullable=False),
)

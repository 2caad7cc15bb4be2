"""The tables of the service's own database. ``serving/migrations`` makes them; a test holds the two equal.

Every table that will ever hold something of a school names its tenant, from the first day on: adding a tenant to
rows that have none is guesswork.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, DateTime, ForeignKey, Index, MetaData, String, Table

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

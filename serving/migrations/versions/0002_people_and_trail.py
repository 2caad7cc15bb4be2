"""Accounts, who is signed in, and the trail of who saw what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the trail is only added to'); END"

_TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER trail_no_update BEFORE UPDATE ON trail {_REFUSE}",
        f"CREATE TRIGGER trail_no_delete BEFORE DELETE ON trail {_REFUSE}",
        # REPLACE removes a row without asking the trigger on DELETE, so that it has to be refused as an insertion.
        """CREATE TRIGGER trail_no_replace BEFORE INSERT ON trail
        WHEN EXISTS (SELECT 1 FROM trail WHERE tenant_id = NEW.tenant_id AND number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'the trail is only added to'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION trail_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the trail is only added to' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER trail_no_change BEFORE UPDATE OR DELETE ON trail
        FOR EACH ROW EXECUTE FUNCTION trail_only_added_to()""",
        """CREATE TRIGGER trail_no_truncate BEFORE TRUNCATE ON trail
        FOR EACH STATEMENT EXECUTE FUNCTION trail_only_added_to()""",
    ),
}


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("login", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("person_id", sa.String(200), nullable=True),
        sa.Column("organisation_id", sa.String(200), nullable=True),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("totp_secret", sa.String(64), nullable=True),
        sa.Column("totp_pending", sa.String(64), nullable=True),
        sa.Column("totp_counter", sa.BigInteger(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("disabled_at", _MOMENT, nullable=True),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("failed_since", _MOMENT, nullable=True),
        sa.Column("locked_until", _MOMENT, nullable=True),
        sa.Column("practised_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_account_tenant_id_tenant"),
        sa.UniqueConstraint("tenant_id", "login", name="uq_account_tenant_id"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "digest", name="pk_recovery_code"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_recovery_code_account_id_account"),
    )
    op.create_table(
        "session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("csrf", sa.String(43), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("second_factor_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_session_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_session_account_id_account"),
    )
    op.create_index("ix_session_account_id", "session", ["account_id"])
    op.create_index("ix_session_expires_at", "session", ["expires_at"])
    op.create_table(
        "break_glass",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("approved_by", sa.String(12), nullable=True),
        sa.Column("granted_at", _MOMENT, nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_break_glass"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_break_glass_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_break_glass_account_id_account"),
        sa.ForeignKeyConstraint(["approved_by"], ["account.id"], name="fk_break_glass_approved_by_account"),
    )
    op.create_index("ix_break_glass_account_id", "break_glass", ["account_id"])
    op.create_table(
        "trail",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("student", sa.String(64), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "number", name="pk_trail"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_trail_tenant_id_tenant"),
    )
    op.create_index("ix_trail_student", "trail", ["tenant_id", "student"])
    op.create_table(
        "trail_head",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_trail_head"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_trail_head_tenant_id_tenant"),
    )
    op.create_table(
        "trail_key",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "student_id", name="pk_trail_key"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_trail_key_tenant_id_tenant"),
    )
    for statement in _TRIGGERS[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in ("trail_key", "trail_head", "trail", "break_glass", "session", "recovery_code", "account"):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION trail_only_added_to()")

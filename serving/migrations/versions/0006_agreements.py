"""What a school agreed on: goals, capacity, thresholds and catalogue, each version proposed and signed.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'what was agreed is only added to'); END"

_TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER agreement_no_update BEFORE UPDATE ON agreement {_REFUSE}",
        f"CREATE TRIGGER agreement_no_delete BEFORE DELETE ON agreement {_REFUSE}",
        # REPLACE removes a row without asking the trigger on DELETE, so that it has to be refused as an insertion.
        """CREATE TRIGGER agreement_no_replace BEFORE INSERT ON agreement
        WHEN EXISTS (SELECT 1 FROM agreement WHERE tenant_id = NEW.tenant_id AND number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'what was agreed is only added to'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION agreement_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'what was agreed is only added to' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER agreement_no_change BEFORE UPDATE OR DELETE ON agreement
        FOR EACH ROW EXECUTE FUNCTION agreement_only_added_to()""",
        """CREATE TRIGGER agreement_no_truncate BEFORE TRUNCATE ON agreement
        FOR EACH STATEMENT EXECUTE FUNCTION agreement_only_added_to()""",
    ),
}


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(10), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "number", name="pk_agreement"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_agreement_tenant_id_tenant"),
    )
    op.create_index("ix_agreement_kind", "agreement", ["tenant_id", "kind", "version"])
    op.create_table(
        "agreement_head",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_agreement_head"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_agreement_head_tenant_id_tenant"),
    )
    for statement in _TRIGGERS[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in ("agreement_head", "agreement"):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION agreement_only_added_to()")

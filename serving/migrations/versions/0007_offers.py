"""Offers of support: who was in a draw, who was offered a place, what they said, what they were given and what came of it.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "support_offer",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("intervention_id", sa.String(200), nullable=False),
        sa.Column("draw", sa.String(100), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("offered", sa.Boolean(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("answer", sa.String(20), nullable=True),
        sa.Column("answered_at", _MOMENT, nullable=True),
        sa.Column("answered_by", sa.String(12), nullable=True),
        sa.Column("planned_minutes", sa.Integer(), nullable=True),
        sa.Column("delivered_minutes", sa.Integer(), nullable=True),
        sa.Column("delivered_at", _MOMENT, nullable=True),
        sa.Column("delivered_by", sa.String(12), nullable=True),
        sa.Column("outcome", sa.Float(), nullable=True),
        sa.Column("outcome_unit", sa.String(40), nullable=True),
        sa.Column("outcome_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "probability IS NULL OR (probability >= 0 AND probability <= 1)", name="ck_support_offer_probability"
        ),
        sa.CheckConstraint("answer IS NULL OR offered", name="ck_support_offer_answer"),
        sa.PrimaryKeyConstraint("id", name="pk_support_offer"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_support_offer_tenant_id_tenant"),
        sa.UniqueConstraint("tenant_id", "draw", "intervention_id", "student_id", name="uq_support_offer_tenant_id"),
    )
    op.create_index("ix_support_offer_student_id", "support_offer", ["tenant_id", "student_id"])
    op.create_index("ix_support_offer_intervention_id", "support_offer", ["tenant_id", "intervention_id"])


def downgrade() -> None:
    op.drop_table("support_offer")

"""What people said of help: barriers and consents, why an offer was refused, and which option of a plan is an offer.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "case_told",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("told_by", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(12), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_case_told"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_told_tenant_id_tenant"),
    )
    op.create_index("ix_case_told_student_id", "case_told", ["tenant_id", "student_id"])
    op.add_column("support_offer", sa.Column("reason", sa.String(20), nullable=True))
    op.add_column("support_offer", sa.Column("words", sa.Text(), nullable=True))
    op.add_column("learning_plan_option", sa.Column("offer_id", sa.String(12), nullable=True))


def downgrade() -> None:
    op.drop_column("learning_plan_option", "offer_id")
    op.drop_column("support_offer", "words")
    op.drop_column("support_offer", "reason")
    op.drop_table("case_told")

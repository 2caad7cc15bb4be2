"""Objections, corrections, contact restrictions, stops of scoring, and what is left of students who were erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "objection",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("said_by", sa.String(200), nullable=False),
        sa.Column("withdrawn_at", _MOMENT, nullable=True),
        sa.Column("withdrawn_by", sa.String(12), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_objection"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_objection_tenant_id_tenant"),
    )
    op.create_index("ix_objection_student_id", "objection", ["tenant_id", "student_id"])
    op.create_table(
        "correction",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("table_name", sa.String(60), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("column_name", sa.String(60), nullable=False),
        sa.Column("was", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("asked_by", sa.String(12), nullable=False),
        sa.Column("asked_role", sa.String(20), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("decided_by", sa.String(12), nullable=True),
        sa.Column("decided_name", sa.String(200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("agreed_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_correction"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_correction_tenant_id_tenant"),
    )
    op.create_index("ix_correction_student_id", "correction", ["tenant_id", "student_id"])
    op.create_table(
        "contact_restriction",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("guardian_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("entered_at", _MOMENT, nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("entered_by", sa.String(12), nullable=False),
        sa.Column("lifted_at", _MOMENT, nullable=True),
        sa.Column("lifted_by", sa.String(12), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_contact_restriction"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_contact_restriction_tenant_id_tenant"),
    )
    op.create_index("ix_contact_restriction_student_id", "contact_restriction", ["tenant_id", "student_id"])
    op.create_table(
        "scoring_stop",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("organisation_id", sa.String(200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stopped_at", _MOMENT, nullable=False),
        sa.Column("stopped_by", sa.String(12), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=True),
        sa.Column("started_by", sa.String(12), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scoring_stop"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_scoring_stop_tenant_id_tenant"),
    )
    op.create_index("ix_scoring_stop_tenant_id", "scoring_stop", ["tenant_id"])
    op.create_table(
        "erasure",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("begun_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "student_id", name="pk_erasure"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_erasure_tenant_id_tenant"),
    )
    op.create_table(
        "tombstone",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("erased_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_tombstone"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tombstone_tenant_id_tenant"),
    )


def downgrade() -> None:
    for table in ("tombstone", "erasure", "scoring_stop", "contact_restriction", "correction", "objection"):
        op.drop_table(table)

"""Groups for tomorrow's lesson, and quick checks after it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "lesson_plan",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("section_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stands_on", sa.Date(), nullable=True),
        sa.Column("changed_by", sa.String(12), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "section_id", name="pk_lesson_plan"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_lesson_plan_tenant_id_tenant"),
    )
    op.create_table(
        "lesson_group",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("section_id", sa.String(200), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("skill_id", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "section_id", "name", name="pk_lesson_group"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "section_id"], ["lesson_plan.tenant_id", "lesson_plan.section_id"],
            name="fk_lesson_group_tenant_id_lesson_plan",
        ),
    )  # fmt: skip
    op.create_table(
        "lesson_member",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("section_id", sa.String(200), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "section_id", "student_id", name="pk_lesson_member"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "section_id", "name"],
            ["lesson_group.tenant_id", "lesson_group.section_id", "lesson_group.name"],
            name="fk_lesson_member_tenant_id_lesson_group",
        ),
    )
    op.create_index("ix_lesson_member_student_id", "lesson_member", ["tenant_id", "student_id"])
    op.create_table(
        "lesson_check",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("section_id", sa.String(200), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("skill_id", sa.String(200), nullable=False),
        sa.Column("seen_on", sa.Date(), nullable=False),
        sa.Column("result", sa.String(10), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lesson_check"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_lesson_check_tenant_id_tenant"),
    )
    op.create_index("ix_lesson_check_section_id", "lesson_check", ["tenant_id", "section_id"])
    op.create_index("ix_lesson_check_student_id", "lesson_check", ["tenant_id", "student_id"])


def downgrade() -> None:
    for table in ("lesson_check", "lesson_member", "lesson_group", "lesson_plan"):
        op.drop_table(table)

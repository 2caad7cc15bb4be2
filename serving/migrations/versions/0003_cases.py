"""Cases, what stands beside them, and learning plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

_TABLES = (
    "student_case",
    "case_move",
    "case_note",
    "case_note_revision",
    "case_contact",
    "case_support",
    "case_disagreement",
    "case_step",
    "case_visit",
    "learning_plan",
    "learning_plan_option",
    "learning_plan_link",
    "learning_plan_session",
)


def upgrade() -> None:
    op.create_table(
        "student_case",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("first_look_at", _MOMENT, nullable=True),
        sa.Column("moved_at", _MOMENT, nullable=False),
        sa.Column("moved_by", sa.String(12), nullable=False),
        sa.Column("last_move", sa.String(20), nullable=False),
        sa.Column("assignee_id", sa.String(12), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("next_review_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "student_id", name="pk_student_case"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_student_case_tenant_id_tenant"),
    )
    op.create_index("ix_student_case_assignee_id", "student_case", ["tenant_id", "assignee_id"])
    op.create_table(
        "case_move",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("before", sa.String(20), nullable=True),
        sa.Column("after", sa.String(20), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("prediction_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "student_id", "number", name="pk_case_move"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_move_tenant_id_tenant"),
    )
    op.create_table(
        "case_note",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_note"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_note_tenant_id_tenant"),
    )
    op.create_index("ix_case_note_student_id", "case_note", ["tenant_id", "student_id"])
    op.create_table(
        "case_note_revision",
        sa.Column("note_id", sa.String(12), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("note_id", "number", name="pk_case_note_revision"),
        sa.ForeignKeyConstraint(["note_id"], ["case_note.id"], name="fk_case_note_revision_note_id_case_note"),
    )
    op.create_table(
        "case_contact",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("whom", sa.String(20), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("contact_on", sa.Date(), nullable=False),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_contact"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_contact_tenant_id_tenant"),
    )
    op.create_index("ix_case_contact_student_id", "case_contact", ["tenant_id", "student_id"])
    op.create_table(
        "case_support",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("intervention_id", sa.String(200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dose", sa.Text(), nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("result", sa.String(20), nullable=True),
        sa.Column("ended_by", sa.String(12), nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_case_support"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_support_tenant_id_tenant"),
    )
    op.create_index("ix_case_support_student_id", "case_support", ["tenant_id", "student_id"])
    op.create_table(
        "case_disagreement",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("prediction_id", sa.String(200), nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("correction_id", sa.String(40), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_disagreement"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_disagreement_tenant_id_tenant"),
    )
    op.create_index("ix_case_disagreement_student_id", "case_disagreement", ["tenant_id", "student_id"])
    op.create_table(
        "case_step",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("task", sa.String(20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("who_id", sa.String(12), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.Column("done_by", sa.String(12), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_step"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_step_tenant_id_tenant"),
    )
    op.create_index("ix_case_step_student_id", "case_step", ["tenant_id", "student_id"])
    op.create_index("ix_case_step_who_id", "case_step", ["tenant_id", "who_id", "done_at"])
    op.create_table(
        "case_visit",
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("before_on", sa.Date(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_case_visit"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_case_visit_tenant_id_tenant"),
    )
    op.create_table(
        "learning_plan",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("student_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("begun_at", _MOMENT, nullable=False),
        sa.Column("begun_by", sa.String(12), nullable=False),
        sa.Column("goal", sa.Text(), nullable=True),
        sa.Column("goal_at", _MOMENT, nullable=True),
        sa.Column("goal_by", sa.String(12), nullable=True),
        sa.Column("goal_how", sa.String(20), nullable=True),
        sa.Column("agreed_at", _MOMENT, nullable=True),
        sa.Column("agreed_by", sa.String(12), nullable=True),
        sa.Column("agreed_how", sa.String(20), nullable=True),
        sa.Column("active_since", _MOMENT, nullable=True),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(12), nullable=True),
        sa.Column("result", sa.String(20), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_learning_plan"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_learning_plan_tenant_id_tenant"),
        sa.CheckConstraint(
            "state NOT IN ('agreed', 'active') OR (agreed_at IS NOT NULL AND goal IS NOT NULL)",
            name="ck_learning_plan_agreed",
        ),
    )
    op.create_index("ix_learning_plan_student_id", "learning_plan", ["tenant_id", "student_id"])
    op.create_table(
        "learning_plan_option",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("plan_id", sa.String(12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("offered_at", _MOMENT, nullable=False),
        sa.Column("offered_by", sa.String(12), nullable=False),
        sa.Column("choice", sa.String(20), nullable=True),
        sa.Column("chosen_at", _MOMENT, nullable=True),
        sa.Column("chosen_by", sa.String(12), nullable=True),
        sa.Column("chosen_how", sa.String(20), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_learning_plan_option"),
        sa.ForeignKeyConstraint(["plan_id"], ["learning_plan.id"], name="fk_learning_plan_option_plan_id_learning_plan"),
    )
    op.create_index("ix_learning_plan_option_plan_id", "learning_plan_option", ["plan_id"])
    op.create_table(
        "learning_plan_link",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("plan_id", sa.String(12), nullable=False),
        sa.Column("made_by", sa.String(12), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_learning_plan_link"),
        sa.ForeignKeyConstraint(["plan_id"], ["learning_plan.id"], name="fk_learning_plan_link_plan_id_learning_plan"),
    )
    op.create_index("ix_learning_plan_link_plan_id", "learning_plan_link", ["plan_id"])
    op.create_table(
        "learning_plan_session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("plan_id", sa.String(12), nullable=False),
        sa.Column("csrf", sa.String(43), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_learning_plan_session"),
        sa.ForeignKeyConstraint(["plan_id"], ["learning_plan.id"], name="fk_learning_plan_session_plan_id_learning_plan"),
    )
    op.create_index("ix_learning_plan_session_plan_id", "learning_plan_session", ["plan_id"])
    op.create_index("ix_trail_account", "trail", ["tenant_id", "account_id", "action"])


def downgrade() -> None:
    op.drop_index("ix_trail_account", "trail")
    for table in reversed(_TABLES):
        op.drop_table(table)

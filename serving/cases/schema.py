"""The tables of the service's own database. ``serving/migrations`` makes them; a test holds the two equal.

Every table that will ever hold something of a school names its tenant, from the first day on: adding a tenant to
rows that have none is guesswork.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import override

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
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
    Index("ix_trail_account", "tenant_id", "account_id", "action"),
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

# -- cases and learning plans (serving.cases.casebook, serving.cases.plans) ---------------------------------------------
#
# An account is no foreign key in what follows: it may be erased, and what its owner did for a student stays.


def _of_student(*, key: bool = False) -> tuple[Column[str], Column[str]]:
    return (
        Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=key, nullable=False),
        Column("student_id", String(200), primary_key=key, nullable=False),
    )


#: A student's case. There is one for each student at most, so that two people cannot open two.
CASES = Table(
    "student_case",
    METADATA,
    *_of_student(key=True),
    Column("version", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("origin", String(20), nullable=False),
    Column("evidence", Text, nullable=False),  # concepts, as a list in JSON
    Column("opened_at", Moment, nullable=False),
    Column("first_look_at", Moment, nullable=True),
    Column("moved_at", Moment, nullable=False),
    Column("moved_by", String(12), nullable=False),
    Column("last_move", String(20), nullable=False),
    Column("assignee_id", String(12), nullable=True),
    Column("until", Date, nullable=True),
    Column("next_review_on", Date, nullable=True),
    Column("reason", Text, nullable=False),
    Index("ix_student_case_assignee_id", "tenant_id", "assignee_id"),
)

#: Every step of every case, by whom and why. It is only added to, until the student is erased.
CASE_MOVES = Table(
    "case_move",
    METADATA,
    *_of_student(key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("round", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("action", String(20), nullable=False),
    Column("before", String(20), nullable=True),
    Column("after", String(20), nullable=False),
    Column("details", Text, nullable=False),  # an object of texts in JSON
    Column("prediction_ids", Text, nullable=False),  # the rows of the list that it rests on, as a list in JSON
)

#: A note. What it says is in its revisions, of which none is ever changed.
CASE_NOTES = Table(
    "case_note",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("restricted", Boolean, nullable=False),
    Index("ix_case_note_student_id", "tenant_id", "student_id"),
)

CASE_NOTE_REVISIONS = Table(
    "case_note_revision",
    METADATA,
    Column("note_id", String(12), ForeignKey("case_note.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("follows", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
)

CASE_CONTACTS = Table(
    "case_contact",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("whom", String(20), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("language", String(35), nullable=False),
    Column("contact_on", Date, nullable=False),
    Column("agreed", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Index("ix_case_contact_student_id", "tenant_id", "student_id"),
)

CASE_SUPPORTS = Table(
    "case_support",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("intervention_id", String(200), nullable=False),
    Column("name", Text, nullable=False),
    Column("dose", Text, nullable=False),
    Column("goal", Text, nullable=False),
    Column("begins_on", Date, nullable=False),
    Column("review_on", Date, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("ended_on", Date, nullable=True),
    Column("result", String(20), nullable=True),
    Column("ended_by", String(12), nullable=True),
    Column("ended_at", Moment, nullable=True),
    Index("ix_case_support_student_id", "tenant_id", "student_id"),
)

CASE_DISAGREEMENTS = Table(
    "case_disagreement",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("kind", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("prediction_id", String(200), nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("correction_id", String(40), nullable=True),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Index("ix_case_disagreement_student_id", "tenant_id", "student_id"),
)

#: What somebody is to do by a day; a question and its answer are one too.
CASE_STEPS = Table(
    "case_step",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("task", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("who_id", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("done_at", Moment, nullable=True),
    Column("done_by", String(12), nullable=True),
    Column("answer", Text, nullable=False),
    Index("ix_case_step_student_id", "tenant_id", "student_id"),
    Index("ix_case_step_who_id", "tenant_id", "who_id", "done_at"),
)

#: When somebody last opened their list, and the day before that on which they did.
CASE_VISITS = Table(
    "case_visit",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("last_on", Date, nullable=False),
    Column("before_on", Date, nullable=True),
    Column("at", Moment, nullable=False),
)

#: A learning plan. The last constraint holds whatever the code does: no plan is agreed or active unless the student agreed.
LEARNING_PLANS = Table(
    "learning_plan",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("version", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("begun_by", String(12), nullable=False),
    Column("goal", Text, nullable=True),
    Column("goal_at", Moment, nullable=True),
    Column("goal_by", String(12), nullable=True),
    Column("goal_how", String(20), nullable=True),
    Column("agreed_at", Moment, nullable=True),
    Column("agreed_by", String(12), nullable=True),
    Column("agreed_how", String(20), nullable=True),
    Column("active_since", Moment, nullable=True),
    Column("review_on", Date, nullable=True),
    Column("ended_at", Moment, nullable=True),
    Column("ended_by", String(12), nullable=True),
    Column("result", String(20), nullable=True),
    CheckConstraint(
        "state NOT IN ('agreed', 'active') OR (agreed_at IS NOT NULL AND goal IS NOT NULL)", name="ck_learning_plan_agreed"
    ),
    Index("ix_learning_plan_student_id", "tenant_id", "student_id"),
)

LEARNING_PLAN_OPTIONS = Table(
    "learning_plan_option",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("plan_id", String(12), ForeignKey("learning_plan.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("offered_at", Moment, nullable=False),
    Column("offered_by", String(12), nullable=False),
    Column("choice", String(20), nullable=True),
    Column("chosen_at", Moment, nullable=True),
    Column("chosen_by", String(12), nullable=True),
    Column("chosen_how", String(20), nullable=True),
    Column("offer_id", String(12), nullable=True),  # of support_offer, where it is help of the catalogue
    Index("ix_learning_plan_option_plan_id", "plan_id"),
)

#: A link that opens one plan once. Whoever reads this table cannot follow it: only the digest of its 256 bits is here.
LEARNING_PLAN_LINKS = Table(
    "learning_plan_link",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("plan_id", String(12), ForeignKey("learning_plan.id"), nullable=False),
    Column("made_by", String(12), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=True),
    Column("revoked_at", Moment, nullable=True),
    Index("ix_learning_plan_link_plan_id", "plan_id"),
)

#: What a link opened: an hour with one plan, without an account.
LEARNING_PLAN_SESSIONS = Table(
    "learning_plan_session",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("plan_id", String(12), ForeignKey("learning_plan.id"), nullable=False),
    Column("csrf", String(43), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_learning_plan_session_plan_id", "plan_id"),
)

# -- rights of families, and the switch ---------------------------------------------------------------------------------

#: A student's or family's objection to being scored. In force until it is withdrawn; ``said_by`` is who came without an
#: account, as whoever wrote it down names them.
OBJECTIONS = Table(
    "objection",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),  # empty: written down on the command line
    Column("role", String(20), nullable=False),
    Column("said_by", String(200), nullable=False),
    Column("withdrawn_at", Moment, nullable=True),
    Column("withdrawn_by", String(12), nullable=True),
    Index("ix_objection_student_id", "tenant_id", "student_id"),
)

#: A record that a student, a family or staff ask to be corrected. ``row_key`` names the row (JSON), ``was`` is what it said
#: then, ``value`` what it should say, both as text; NULL is nothing.
CORRECTIONS = Table(
    "correction",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("table_name", String(60), nullable=False),
    Column("row_key", Text, nullable=False),
    Column("column_name", String(60), nullable=False),
    Column("was", Text, nullable=True),
    Column("value", Text, nullable=True),
    Column("why", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", String(12), nullable=False),
    Column("asked_role", String(20), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("state", String(20), nullable=False),
    Column("decided_at", Moment, nullable=True),
    Column("decided_on", Date, nullable=True),
    Column("decided_by", String(12), nullable=True),
    Column("decided_name", String(200), nullable=True),
    Column("reason", Text, nullable=True),
    Column("agreed_on", Date, nullable=True),  # the day on which an export was first read that says the same
    Index("ix_correction_student_id", "tenant_id", "student_id"),
)

#: A person whom the school must not reach about a student, as staff were told before the records say so.
CONTACT_RESTRICTIONS = Table(
    "contact_restriction",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("guardian_id", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("entered_at", Moment, nullable=False),
    Column("entered_on", Date, nullable=False),
    Column("entered_by", String(12), nullable=False),
    Column("lifted_at", Moment, nullable=True),
    Column("lifted_by", String(12), nullable=True),
    Index("ix_contact_restriction_student_id", "tenant_id", "student_id"),
)

#: Scoring that was stopped at a school, or everywhere where no organisation is named.
SCORING_STOPS = Table(
    "scoring_stop",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("organisation_id", String(200), nullable=True),
    Column("reason", Text, nullable=False),
    Column("stopped_at", Moment, nullable=False),
    Column("stopped_by", String(12), nullable=False),
    Column("started_at", Moment, nullable=True),
    Column("started_by", String(12), nullable=True),
    Index("ix_scoring_stop_tenant_id", "tenant_id"),
)

#: Students whose erasure was begun and is not done yet, so that it can be ended after a crash.
ERASURES = Table(
    "erasure",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("student_id", String(200), primary_key=True),
    Column("begun_at", Moment, nullable=False),
)

#: What is left of students who were erased: a digest under a secret that lies elsewhere, so that no later export brings
#: them back. A student has one for each identifier that the records had.
TOMBSTONES = Table(
    "tombstone",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("erased_on", Date, nullable=False),
)

# -- lessons: groups for tomorrow, and what was seen in a quick check ------------------------------------------------

#: How a teacher arranged a class, for as long as it stands. The version rises with every change. Who changed it is no foreign
#: key: an account may be erased, the groups stand.
LESSON_PLANS = Table(
    "lesson_plan",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("section_id", String(200), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("stands_on", Date, nullable=True),  # the last day on which it stands; null where it never did
    Column("changed_by", String(12), nullable=False),
    Column("changed_at", Moment, nullable=False),
)

#: The groups of an arrangement. A name is one of ours, so that nothing that somebody wrote of a child is ever in it.
LESSON_GROUPS = Table(
    "lesson_group",
    METADATA,
    Column("tenant_id", String(64), primary_key=True),
    Column("section_id", String(200), primary_key=True),
    Column("name", String(20), primary_key=True),
    Column("skill_id", String(200), nullable=False),
    ForeignKeyConstraint(["tenant_id", "section_id"], ["lesson_plan.tenant_id", "lesson_plan.section_id"]),
)

#: Who is in which group of a class; nobody is in two.
LESSON_MEMBERS = Table(
    "lesson_member",
    METADATA,
    Column("tenant_id", String(64), primary_key=True),
    Column("section_id", String(200), primary_key=True),
    Column("student_id", String(200), primary_key=True),
    Column("name", String(20), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "section_id", "name"], ["lesson_group.tenant_id", "lesson_group.section_id", "lesson_group.name"]
    ),
    Index("ix_lesson_member_student_id", "tenant_id", "student_id"),
)

#: What a teacher saw of a student and a skill after a lesson. Rows are added and never changed: the newest counts.
LESSON_CHECKS = Table(
    "lesson_check",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenant.id"), nullable=False),
    Column("section_id", String(200), nullable=False),
    Column("student_id", String(200), nullable=False),
    Column("skill_id", String(200), nullable=False),
    Column("seen_on", Date, nullable=False),
    Column("result", String(10), nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("number", Integer, nullable=False),  # rises within a class, so that two checks of one moment have an order
    Index("ix_lesson_check_section_id", "tenant_id", "section_id"),
    Index("ix_lesson_check_student_id", "tenant_id", "student_id"),
)

# -- what a school agreed on ------------------------------------------------------------------------------------------

#: Goals, capacity, thresholds and catalogue: every version that was proposed, and every signature under one. Triggers refuse
#: to change or delete a row. Who signed stands here by name, since an account may be erased and a signature may not.
AGREEMENTS = Table(
    "agreement",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("act", String(10), nullable=False),
    Column("content", Text, nullable=False),  # empty under a signature, which names it by its digest
    Column("content_digest", String(64), nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_agreement_kind", "tenant_id", "kind", "version"),
)

#: Where what was agreed ends, so that rows missing at its end are noticed; locking it puts those who write in a line.
AGREEMENT_HEADS = Table(
    "agreement_head",
    METADATA,
    Column("tenant_id", String(64), ForeignKey("tenant.id"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

# -- offers of support (serving.cases.offers) -------------------------------------------------------------------------

#: Everybody among whom places of a support were given out, whether or not one was offered, with the probability recorded
#: before it was. Who gave it out is no foreign key: an account may be erased, what was done for a student stays.
OFFERS = Table(
    "support_offer",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("intervention_id", String(200), nullable=False),
    Column("draw", String(100), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("probability", Float, nullable=True),  # null where nobody drew: a person decided, or hours did
    Column("offered", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),  # empty: on the command line
    Column("answer", String(20), nullable=True),
    Column("answered_at", Moment, nullable=True),
    Column("answered_by", String(12), nullable=True),
    Column("reason", String(20), nullable=True),  # why it was refused, by name, and in somebody's words
    Column("words", Text, nullable=True),
    Column("planned_minutes", Integer, nullable=True),
    Column("delivered_minutes", Integer, nullable=True),
    Column("delivered_at", Moment, nullable=True),
    Column("delivered_by", String(12), nullable=True),
    Column("outcome", Float, nullable=True),
    Column("outcome_unit", String(40), nullable=True),
    Column("outcome_on", Date, nullable=True),
    UniqueConstraint("tenant_id", "draw", "intervention_id", "student_id"),
    CheckConstraint("probability IS NULL OR (probability >= 0 AND probability <= 1)", name="ck_support_offer_probability"),
    CheckConstraint("answer IS NULL OR offered", name="ck_support_offer_answer"),
    Index("ix_support_offer_student_id", "tenant_id", "student_id"),
    Index("ix_support_offer_intervention_id", "tenant_id", "intervention_id"),
)

# -- what people said of help, after they were asked (serving.cases.told) ------------------------------------------------

#: What stands in a student's way, and which help was agreed to: what no record shows. It holds until it is taken back.
TOLD = Table(
    "case_told",
    METADATA,
    Column("id", String(12), primary_key=True),
    *_of_student(),
    Column("kind", String(20), nullable=False),
    Column("what", String(200), nullable=False),
    Column("told_by", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String(12), nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("ended_by", String(12), nullable=True),
    Index("ix_case_told_student_id", "tenant_id", "student_id"),
)

"""Who may see what of which student: from rosters, roles and caseloads as known on a day, and from nothing else.

Two steps. :func:`visible` finds in the records how an account stands to each student on a day, its relation; when a class
ends, a caseload is handed over or a student leaves, the relation goes with it. :data:`RIGHTS` says what somebody of that
role and relation may see and do. It is the whole policy: ``docs/access.md`` is written from it, and what it does not
grant is refused. :func:`read` is the door by which pages get rows of students, cut to both.

A district analyst, a ministry and a data scientist have no relation to any student. Which organisation an account names
opens no student either: what is written in an account does not follow the records when they change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Literal, get_args

import polars as pl

from features.cohort import Enrolled, enrolled
from features.problems import NotFound, Problem, Refused
from features.records import SchoolRecords
from features.tables import TABLES
from serving.cases.people import ROLES, Account, Role

#: How an account stands to a student.
Relation = Literal["own_class", "caseload", "school", "self", "own_child", "break_glass"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)

#: A role and its relation to a student; without a relation, what the role may do that is about no student.
Standing = tuple[Role, Relation | None]

TEACHER: Standing = ("teacher", "own_class")
CASELOAD: Standing = ("counselor", "caseload")
SCHOOL_COUNSELOR: Standing = ("counselor", "school")
PRINCIPAL: Standing = ("principal", "school")
STUDENT: Standing = ("student", "self")
GUARDIAN: Standing = ("guardian", "own_child")
BREAK_GLASS: Standing = ("administrator", "break_glass")

COUNSELORS = (CASELOAD, SCHOOL_COUNSELOR)
STAFF = (TEACHER, *COUNSELORS, PRINCIPAL)
FAMILY = (STUDENT, GUARDIAN)

#: Every relation that a role can have to a student, and in which words it is told.
STANDINGS: Mapping[Standing, str] = MappingProxyType(
    {
        TEACHER: "teaches a class that the student is in now",
        CASELOAD: "has the student on their caseload",
        SCHOOL_COUNSELOR: "is a counselor of the student's school, which keeps no caseloads",
        PRINCIPAL: "is the principal of the student's school",
        STUDENT: "is the student",
        GUARDIAN: "is a guardian of the student, and nothing on record keeps them apart",
        BREAK_GLASS: "opened this record for an hour, with a reason that somebody else approved",
    }
)

#: What is said to somebody who asks for a student whom they do not see, whether or not there is such a student.
REACH: Mapping[Role, str] = MappingProxyType(
    {
        "teacher": "A teacher sees the students of the classes that they teach now.",
        "counselor": "A counselor sees the students of their caseload, or of their school where it keeps no caseloads.",
        "principal": "A principal sees the students of their school.",
        "district_analyst": "A district analyst sees figures of groups, never a student.",
        "ministry": "A ministry sees figures of groups, never a student.",
        "student": "A student sees their own record.",
        "guardian": "A guardian sees the records of their own children.",
        "data_scientist": "A data scientist reads scores under a key, never who the student is.",
        "administrator": "An administrator sees accounts, and no student without a reason that somebody else approved.",
    }
)

Action = Literal[
    "see_identity",
    "see_photo",
    "see_words",
    "see_numbers",
    "see_dropout",
    "see_facts",
    "see_conduct",
    "see_survey",
    "see_access",
    "see_accommodations",
    "see_plans",
    "see_supports",
    "see_learning_plan",
    "see_voice_for_teachers",
    "see_voice_for_counselor",
    "see_voice_for_nobody",
    "see_contact",
    "see_contact_restriction",
    "see_note",
    "see_restricted_note",
    "see_viewers",
    "raise_student",
    "write_note",
    "write_restricted_note",
    "record_contact",
    "disagree",
    "record_check",
    "claim",
    "assign",
    "work_case",
    "start_support",
    "write_learning_plan",
    "agree_learning_plan",
    "ask_correction",
    "decide_correction",
    "object",
    "restrict_contact",
    "export_case",
    "export_list",
    "export_own",
    "see_aggregates",
    "export_aggregates",
    "see_pseudonymous",
    "raise_safeguarding",
    "practise",
    "administer_accounts",
    "ask_break_glass",
    "approve_break_glass",
    "stop_scoring",
    "read_log",
]
ACTIONS: tuple[Action, ...] = get_args(Action)


def _roles(*roles: Role) -> tuple[Standing, ...]:
    """Return roles that have a right without a relation to anybody."""
    return tuple((role, None) for role in roles)


_POLICY: tuple[tuple[Action, str, tuple[Standing, ...]], ...] = (
    # What is seen of a student.
    ("see_identity", "See the name, the preferred name and the pronouns.", (*STAFF, *FAMILY, BREAK_GLASS)),
    ("see_photo", "See the photo, where it was agreed to.", (*STAFF, *FAMILY)),
    ("see_words", "Read in words what is suggested, why, and what is not known.", (*STAFF, *FAMILY, BREAK_GLASS)),
    ("see_numbers", "Open the probability and what went into it.", COUNSELORS),
    ("see_dropout", "Read what is suggested about leaving school before the end.", COUNSELORS),
    ("see_facts", "See the facts behind the words: attendance, work, marks and skills.", (*STAFF, *FAMILY)),
    ("see_conduct", "See which kind of incident it was, and not only how many.", (*COUNSELORS, PRINCIPAL, *FAMILY)),
    ("see_survey", "Read what the student answered about their own wellbeing.", (*COUNSELORS, *FAMILY)),
    ("see_access", "See whether there is a device, and internet, at home.", (*STAFF, *FAMILY)),
    ("see_accommodations", "See what staff are to do so that the student can learn as others do.", (*STAFF, *FAMILY)),
    ("see_plans", "See which plan the school owes the student.", (*COUNSELORS, PRINCIPAL, *FAMILY)),
    ("see_supports", "See which help the student has had.", (*STAFF, *FAMILY)),
    ("see_learning_plan", "See the goal that the student set, and how far it has come.", (*STAFF, *FAMILY)),
    ("see_voice_for_teachers", "Read what the student wrote for teachers and counselor.", (TEACHER, *COUNSELORS, STUDENT)),
    ("see_voice_for_counselor", "Read what the student wrote for their counselor.", (*COUNSELORS, STUDENT)),
    ("see_voice_for_nobody", "Read what the student wrote for nobody else.", (STUDENT,)),
    ("see_contact", "See whom the school may reach at home, and in which language.", (*STAFF, BREAK_GLASS)),
    ("see_contact_restriction", "See whom the school must not reach.", (*COUNSELORS, PRINCIPAL, BREAK_GLASS)),
    ("see_note", "Read the open notes of staff.", STAFF),
    ("see_restricted_note", "Read restricted notes.", COUNSELORS),
    ("see_viewers", "See who can see this student.", (*STAFF, *FAMILY)),
    # What is done about a student.
    ("raise_student", "Ask for a look at a student whom no list suggested.", STAFF),
    ("write_note", "Write a note.", STAFF),
    ("write_restricted_note", "Write a restricted note.", COUNSELORS),
    ("record_contact", "Record a talk with the student or the family.", STAFF),
    ("disagree", "Say that a suggestion is not right, and why.", STAFF),
    ("record_check", "Record a quick check of a skill after a lesson.", (TEACHER,)),
    ("claim", "Take on a case.", COUNSELORS),
    ("assign", "Ask a colleague to take on a case.", (*COUNSELORS, PRINCIPAL)),
    ("work_case", "Move a case on: ask for more, put it off, watch, or close it.", COUNSELORS),
    ("start_support", "Start and end a support.", (*COUNSELORS, PRINCIPAL)),
    ("write_learning_plan", "Write a learning plan, the student's goal first.", (TEACHER, *COUNSELORS, STUDENT)),
    ("agree_learning_plan", "Agree to a learning plan, without which none is active.", (STUDENT,)),
    ("ask_correction", "Ask that a record be corrected.", (*STAFF, *FAMILY)),
    ("decide_correction", "Decide a correction that somebody else asked for.", (*COUNSELORS, PRINCIPAL)),
    ("object", "Object to how the records are used, and take it back.", FAMILY),
    ("restrict_contact", "Enter whom the school must not reach, and lift it.", (*COUNSELORS, PRINCIPAL)),
    ("export_case", "Take away or print the sheet of a case.", COUNSELORS),
    ("export_list", "Take away a list of students, no more of each than can be seen.", (*COUNSELORS, PRINCIPAL)),
    ("export_own", "Take away what is held of the student, as far as it may be seen.", FAMILY),
    # What is about no student, or shows nothing of one.
    ("see_aggregates", "See figures of groups, none of them of fewer than ten.",
     _roles("counselor", "principal", "district_analyst", "ministry")),
    ("export_aggregates", "Take away figures of groups.", _roles("principal", "district_analyst", "ministry")),
    ("see_pseudonymous", "Read probabilities and what went into them under a key, with nothing that says who it is.",
     _roles("data_scientist")),
    ("raise_safeguarding", "Raise a concern for a student's safety. It leaves by its own path, and nobody reads it here.",
     _roles("teacher", "counselor", "principal", "student", "guardian", "administrator")),
    ("practise", "Practise on made-up students before seeing real ones, or figures of them.",
     _roles("teacher", "counselor", "principal", "district_analyst", "ministry")),
    ("administer_accounts", "Make, change and close accounts.", _roles("administrator")),
    ("ask_break_glass", "Ask to open one student's record in an emergency, with a reason.", _roles("administrator")),
    ("approve_break_glass", "Let somebody else open one student's record for an hour.", _roles("principal", "administrator")),
    ("stop_scoring", "Stop all scoring at the own school, and let it go on.", _roles("principal")),
    ("read_log", "Read who looked at which record, and when, by key.", _roles("administrator")),
)  # fmt: skip

#: The policy: who may do what. What is not here is refused.
RIGHTS: Mapping[Action, frozenset[Standing]] = MappingProxyType({action: frozenset(to) for action, _, to in _POLICY})

#: Every action in one sentence.
SAYS: Mapping[Action, str] = MappingProxyType({action: says for action, says, _ in _POLICY})

#: Actions that are about no student, or show nothing of one: the role alone grants them.
WITHOUT_A_STUDENT: frozenset[Action] = frozenset(
    action for action, to in RIGHTS.items() if all(relation is None for _, relation in to)
)

#: What a student may say of whom their words are for, and the right that reading them takes.
VOICE: Mapping[str, Action] = MappingProxyType(
    {
        "my_teachers": "see_voice_for_teachers",
        "my_counselor": "see_voice_for_counselor",
        "only_me": "see_voice_for_nobody",
    }
)

#: The tables that are shown of a student, and the right that each takes. Voice takes one by what the student said.
SHOWN: Mapping[str, Action] = MappingProxyType(
    {
        "identities": "see_identity",
        "photos": "see_photo",
        "enrolments": "see_identity",
        "rosters": "see_facts",
        "attendance": "see_facts",
        "submissions": "see_facts",
        "results": "see_facts",
        "course_marks": "see_facts",
        "skill_results": "see_facts",
        "digital_access": "see_access",
        "incidents": "see_conduct",
        "surveys": "see_survey",
        "accommodations": "see_accommodations",
        "plans": "see_plans",
        "supports": "see_supports",
        "support_ends": "see_supports",
        "learning_plans": "see_learning_plan",
        "guardians": "see_contact",
    }
)

#: A class has a middle that may be shown from so many students on.
LEAST_OF_CLASS = 10

#: How long a record stays open that was opened in an emergency.
OPEN_FOR = timedelta(hours=1)


def may(role: Role, relation: Relation | None, action: Action) -> bool:
    """Return whether somebody of a role, who stands so to a student, may do something."""
    return (role, None if action in WITHOUT_A_STUDENT else relation) in RIGHTS[action]


def require_role(role: Role, action: Action) -> None:
    """Do nothing where a role alone gives a right to somebody or something. Raises Refused (``not_permitted``) where not."""
    if not any(may(role, relation, action) for relation in (None, *RELATIONS)):
        raise Refused([Problem("not_permitted", "your rights", "this is not among them", REACH[role])], "This was not done")


def allowed(role: Role, relation: Relation | None) -> tuple[Action, ...]:
    """Return everything that somebody may see and do, in the policy's order."""
    return tuple(action for action in RIGHTS if may(role, relation, action))


def refusal(role: Role, relation: Relation | None, action: Action) -> str:
    """Return in plain words why something is refused. Raises :class:`ValueError` where it is not.

    Somebody without a relation is told whom their role sees, and so not whether there is such a student.

    >>> refusal("teacher", "own_class", "see_restricted_note")
    "Only the student's counselor may read restricted notes."
    >>> refusal("ministry", None, "see_identity")
    'A ministry sees figures of groups, never a student.'
    """
    if may(role, relation, action):
        raise ValueError(f"a {role} may {action}: nothing is refused")
    if relation is None and action not in WITHOUT_A_STUDENT:
        return REACH[role]
    held = RIGHTS[action]
    who = list(dict.fromkeys(words for standing, words in _CALLED.items() if standing in held))
    named = who[0] if len(who) == 1 else f"{', '.join(who[:-1])} and {who[-1]}"
    does = SAYS[action].split(". ")[0].removesuffix(".")
    return f"Only {named} may {does[0].lower()}{does[1:]}."


#: Who has a right, as a refusal names them.
_CALLED: Mapping[Standing, str] = MappingProxyType(
    {
        TEACHER: "teachers of the student's classes",
        CASELOAD: "the student's counselor",
        SCHOOL_COUNSELOR: "the student's counselor",
        PRINCIPAL: "the principal of the student's school",
        STUDENT: "the student",
        GUARDIAN: "the student's guardians",
        BREAK_GLASS: "an administrator in an emergency",
        ("teacher", None): "teachers",
        ("counselor", None): "counselors",
        ("principal", None): "principals",
        ("student", None): "students",
        ("guardian", None): "guardians",
        ("district_analyst", None): "district analysts",
        ("ministry", None): "a ministry",
        ("data_scientist", None): "data scientists",
        ("administrator", None): "administrators",
    }
)


# -- who stands how to whom -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grant:
    """One record that an administrator opened in an emergency: why, who approved it, and since when it is open."""

    account_id: str
    student_id: str
    reason: str
    approved_by: str
    granted_at: datetime

    def live(self, account: Account, now: datetime) -> bool:
        """Whether it opens the record to an account at a moment: for an hour, and never by the reader's own approval."""
        approved = bool(self.reason.strip()) and self.approved_by not in ("", self.account_id)
        return approved and account.id == self.account_id and self.granted_at <= now < self.granted_at + OPEN_FOR


@dataclass(frozen=True)
class Ties:
    """How everybody on record stands to every student on a day.

    ``frame`` has ``person_id`` (of staff, a student or a guardian), ``role``, ``student_id`` and ``relation``, each row
    once. ``students`` has the ``student_id`` of everybody on record. ``oversight`` has ``person_id``, ``role`` and
    ``organisation_id``: of which organisations somebody may see figures.
    """

    as_of: date
    frame: pl.DataFrame
    students: pl.DataFrame
    oversight: pl.DataFrame


@dataclass(frozen=True)
class Visible:
    """The students whom an account may see on a day. ``students`` has ``student_id`` and ``relation``, in order."""

    account: Account
    as_of: date
    students: pl.DataFrame

    def __len__(self) -> int:
        return self.students.height

    def __iter__(self) -> Iterator[str]:
        return iter(self.students["student_id"].to_list())

    @cached_property
    def relations(self) -> Mapping[str, Relation]:
        """How the account stands to each of them, by student."""
        return MappingProxyType(dict(self.students.select("student_id", "relation").iter_rows()))

    def relation(self, student_id: str) -> Relation | None:
        """Return how the account stands to a student, ``None`` where it may not see them or there is no such student."""
        return self.relations.get(student_id)

    def may(self, student_id: str, action: Action) -> bool:
        """Return whether the account may do something with a student."""
        return may(self.account.role, self.relation(student_id), action)

    def require(self, student_id: str, action: Action) -> Relation | None:
        """Return how the account stands to a student, if it may do this.

        Raises:
            NotFound: the account does not see the student. It says the same of one who does not exist.
            Refused: it sees the student and has not this right.

        """
        relation = self.relation(student_id)
        if may(self.account.role, relation, action):
            return relation
        words = refusal(self.account.role, relation, action)
        if relation is None and action not in WITHOUT_A_STUDENT:
            raise NotFound(f"There is no such student among those whom you see. {words}")
        raise Refused([Problem("not_permitted", "your rights", "this is not among them", words)], "This was not done")


#: How somebody stands to a student, in one word for the catalogues of pages.
OfStudent = Literal[
    "teacher", "counselor", "counselor_of_school", "principal", "the_student", "a_guardian", "opened"
]  # fmt: skip
CALLED: Mapping[Standing, OfStudent] = MappingProxyType(dict(zip(STANDINGS, get_args(OfStudent), strict=True)))


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who can see a student, how they stand to them, and the sentence that says so."""

    account: Account
    relation: Relation
    sentence: str


def visible(
    records: SchoolRecords, account: Account, as_of: date, *, grants: Iterable[Grant] = (), now: datetime | None = None
) -> Visible:
    """Return the students whom an account may see on a day, each with its relation, as known on that day.

    A grant counts only where ``now`` is told. An account that is disabled, of another tenant or of nobody on record
    sees nobody.
    """
    known = ties(records, as_of)
    if account.disabled or account.tenant != records.tenant:
        return Visible(account, as_of, known.frame.clear().select("student_id", "relation"))
    if account.role == "administrator":
        opened = [grant.student_id for grant in grants if now is not None and grant.live(account, now)]
        found = known.students.filter(pl.col("student_id").is_in(opened)).with_columns(relation=pl.lit("break_glass"))
    else:
        mine = pl.col("person_id") == pl.lit(account.person_id, pl.String), pl.col("role") == account.role
        found = known.frame.filter(*mine)
    return Visible(account, as_of, found.select("student_id", "relation").sort("student_id"))


def relation(
    records: SchoolRecords,
    account: Account,
    student_id: str,
    as_of: date,
    *,
    grants: Iterable[Grant] = (),
    now: datetime | None = None,
) -> Relation | None:
    """Return how an account stands to one student on a day; see :func:`visible`."""
    return visible(records, account, as_of, grants=grants, now=now).relation(student_id)


def who_can_see(
    records: SchoolRecords,
    accounts: Iterable[Account],
    student_id: str,
    as_of: date,
    *,
    grants: Sequence[Grant] = (),
    now: datetime | None = None,
    reader: Account | None = None,
) -> list[Viewer]:
    """Return who of ``accounts`` can see a student on a day, staff first, by role and name.

    Where ``reader`` is of the family, other guardians are left out: a list must not tell one of them of another.
    """
    known = ties(records, as_of)
    held = known.frame.filter(pl.col("student_id") == student_id).select("person_id", "role", "relation")
    relations: Mapping[tuple[str, str], Relation] = {(person, role): tie for person, role, tie in held.iter_rows()}
    family, reader_id = (reader.role in ("student", "guardian"), reader.id) if reader else (False, "")
    found: list[Viewer] = []
    for account in accounts:
        if account.disabled or account.tenant != records.tenant:
            continue
        if account.role == "administrator":
            tie = relation(records, account, student_id, as_of, grants=grants, now=now)
        else:
            tie = relations.get((account.person_id or "", account.role))
        if family and account.role == "guardian" and account.id != reader_id:
            continue
        if tie is not None:
            found.append(Viewer(account, tie, f"{account.name} {STANDINGS[account.role, tie]}."))
    order = {standing: at for at, standing in enumerate(STANDINGS)}
    return sorted(found, key=lambda one: (order[one.account.role, one.relation], one.account.name, one.account.id))


def overseen(records: SchoolRecords, account: Account, as_of: date) -> frozenset[str]:
    """Return the organisations of which an account may see figures of groups on a day.

    A district analyst and a ministry see those below their own too, a counselor and a principal their own schools. Of
    somebody who is nobody on record, as a ministry's people are for a school, the account names the organisation.
    """
    if account.disabled or account.tenant != records.tenant or not may(account.role, None, "see_aggregates"):
        return frozenset()
    if account.person_id is not None:
        mine = pl.col("person_id") == account.person_id, pl.col("role") == account.role
        return frozenset(ties(records, as_of).oversight.filter(*mine)["organisation_id"])
    if account.role not in _LOOKS_DOWN or account.organisation_id is None:
        return frozenset()
    pairs = _within(records, as_of)
    return frozenset(pairs.filter(pl.col("above") == account.organisation_id)["school"])


def read(records: SchoolRecords, seen: Visible, table: str, student_id: str | None = None) -> pl.DataFrame:
    """Return the rows of a table that an account may be shown, of all whom it sees or of one student.

    The columns are those of :meth:`SchoolRecords.shown`. Rows are left out that need a right which the account lacks:
    words by whom the student wrote them for, guardians whom the school must not reach, a photo that was not agreed to or
    was objected to, and a survey that the student declined. Raises :class:`ValueError` for a table that is not shown.
    """
    role, day = seen.account.role, seen.as_of
    if table != "student_voice" and table not in SHOWN:
        raise ValueError(f"nothing of {table} is shown of a student")
    rows = records.shown(table, day)
    if student_id is not None:
        rows = rows.filter(pl.col("student_id") == student_id)

    def those(action: Action) -> pl.DataFrame:
        granted = [tie for held, tie in RIGHTS[action] if held == role and tie is not None]
        return seen.students.filter(pl.col("relation").is_in(granted)).select("student_id")

    def only(rows: pl.LazyFrame, action: Action) -> pl.LazyFrame:
        if student_id is not None:  # a page of one student asks for twenty tables, and a join costs more than all their rows
            return rows if may(role, seen.relation(student_id), action) else rows.head(0)
        return rows.join(those(action).lazy(), on="student_id", how="semi")

    if table == "student_voice":
        rows = pl.concat([only(rows.filter(pl.col("shared_with") == said), action) for said, action in VOICE.items()])
    else:
        rows = only(rows, SHOWN[table])
    if table == "guardians":
        open_to_all = rows.filter(~_RESTRICTED)
        rows = pl.concat([open_to_all, only(rows.filter(_RESTRICTED), "see_contact_restriction")])
    elif table == "photos":
        no = records.visible("objections", [day]).filter(pl.col("scope") == "photo", _stands(day))
        rows = rows.filter(pl.col("consent")).join(no, on="student_id", how="anti")
    elif table == "surveys":
        rows = rows.filter(~pl.col("declined").fill_null(value=False))
    return rows.sort(TABLES[table].natural_key).collect()


def objected(records: SchoolRecords, student_id: str, as_of: date, scope: str) -> bool:
    """Return whether the student or the family objects to a use of the records, such as ``profiling``, on a day."""
    said = records.visible("objections", [as_of]).filter(
        pl.col("student_id") == student_id, pl.col("scope") == scope, _stands(as_of)
    )
    return not said.collect().is_empty()


def class_middles(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    """Return the middle mark of every class and grading period as known on a day: ``section_id``, ``term_id``, ``middle``.

    Classes of fewer than :data:`LEAST_OF_CLASS` have none: a student's neighbours must not be worked out from it. It is
    worked out once for records that have a digest.
    """
    if not records.digest:
        return _middles(records, as_of)
    return _remembered_middles(_Kept(records.tenant, records.digest, records.buckets, records), as_of)


@lru_cache(maxsize=8)  # 13,000 classes and periods of 5,000 students: about 1 MB
def _remembered_middles(kept: _Kept, as_of: date) -> pl.DataFrame:
    return _middles(kept.records, as_of)


def _middles(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    marks = records.shown("course_marks", as_of).filter(pl.col("mark_share").is_not_null())
    classes = marks.group_by("section_id", "term_id").agg(
        pl.col("mark_share").median().alias("middle"), pl.col("student_id").n_unique().alias("students")
    )
    return classes.filter(pl.col("students") >= LEAST_OF_CLASS).drop("students").sort("section_id", "term_id").collect()


# -- the records ------------------------------------------------------------------------------------------------------

#: Roles of the account in the words of the records, of those whose rights come from a role there.
_ON_RECORD: Mapping[str, Role] = MappingProxyType(
    {
        "teacher": "teacher",
        "counselor": "counselor",
        "principal": "principal",
        "district_analyst": "district_analyst",
        "ministry_analyst": "ministry",
    }
)

#: Roles that see figures of every organisation below their own.
_LOOKS_DOWN: tuple[Role, ...] = ("district_analyst", "ministry")

#: A person whom the school must not reach. Where nothing is said, nothing stands.
_RESTRICTED = pl.col("contact_restriction").fill_null("none") != "none"

#: Where a guardian has no right of their own: at a university the records are the student's (34 CFR 99.5).
_STUDENTS_OWN = "university"


@dataclass(frozen=True)
class _Kept:
    """Records by the digest that names them, so that what was worked out of them can be found again."""

    tenant: str
    digest: str
    buckets: int
    records: SchoolRecords = field(compare=False)


def ties(records: SchoolRecords, as_of: date) -> Ties:
    """Return how everybody stands to every student on a day, worked out once for records that have a digest.

    ``records`` are those of the whole school, not of a bucket.
    """
    if not records.digest:
        return _ties(records, as_of)
    return _remembered(_Kept(records.tenant, records.digest, records.buckets, records), as_of)


@lru_cache(maxsize=8)  # a few days of a few schools: about 5 MB for 5,000 students
def _remembered(kept: _Kept, as_of: date) -> Ties:
    return _ties(kept.records, as_of)


def _ties(records: SchoolRecords, as_of: date) -> Ties:
    here = _enrolled(records, as_of)
    within = _within(records, as_of).lazy()

    def known(table: str) -> pl.LazyFrame:
        return records.visible(table, [as_of])

    # What several parts read is read once.
    stays, roles, caseloads, students = (
        frame.lazy()
        for frame in pl.collect_all(
            [
                known("enrolments")
                .join(here.stays.lazy(), on="enrolment_id", how="semi")
                .select("student_id", "enrolment_id", "organisation_id", "grade_level"),
                known("staff_roles").filter(_in_force(as_of)).select("staff_id", "organisation_id", "role"),
                known("caseloads").join(within, left_on="organisation_id", right_on="above"),
                known("students").select("student_id"),
            ]
        )
    )
    teaching = known("teaching").filter(_in_force(as_of)).select("staff_id", "section_id")
    if records.holds("staff_roles"):
        # A table that was never sent says nothing; one that was sent says who no longer teaches here.
        teaching = teaching.join(roles.filter(pl.col("role") == "teacher"), on="staff_id", how="semi")
    parts = [
        here.seats.lazy().join(stays, on="enrolment_id").join(teaching, on="section_id").select(_TO_STAFF, *_as(TEACHER)),
        *_of_caseloads(records, caseloads, roles.join(within, left_on="organisation_id", right_on="above"), stays, as_of),
        roles.filter(pl.col("role") == "principal").join(stays, on="organisation_id").select(_TO_STAFF, *_as(PRINCIPAL)),
        # Handing a caseload over must take students away and never open the whole school instead. So it is the school that
        # keeps caseloads or does not, not the counselor.
        roles.filter(pl.col("role") == "counselor")
        .join(caseloads, left_on="organisation_id", right_on="school", how="anti")
        .join(stays, on="organisation_id")
        .select(_TO_STAFF, *_as(SCHOOL_COUNSELOR)),
        students.select(pl.col("student_id").alias("person_id"), *_as(STUDENT)),
        _of_guardians(records, within, as_of),
    ]
    frame = pl.concat(parts).join(students, on="student_id", how="semi").unique()
    found, everybody, oversight = pl.collect_all([frame, students, _oversight(roles, within)])
    return Ties(as_of, found, everybody, oversight)


def _enrolled(records: SchoolRecords, as_of: date) -> Enrolled:
    """Return who is enrolled on a day, and in which classes.

    Finding the latest version of every seat of past years would be four fifths of the whole cost. Versions of a row share its
    key, so the seats of other stays can go before that is done.
    """
    when = pl.DataFrame({"as_of": [as_of]}, schema={"as_of": pl.Date})
    rosters = records.parts.get("rosters", ())
    unseated = replace(records, parts={name: parts for name, parts in records.parts.items() if name != "rosters"})
    stays = enrolled(unseated, when).stays.lazy()
    theirs = tuple(part.join(stays, on="enrolment_id", how="semi") for part in rosters)
    return enrolled(replace(records, parts={**unseated.parts, "rosters": theirs}), when) if rosters else enrolled(records, when)


_TO_STAFF = pl.col("staff_id").alias("person_id")


def _as(standing: Standing) -> tuple[pl.Expr, ...]:
    """Return the other columns of :class:`Ties` for people who all stand alike."""
    role, tie = standing
    return pl.lit(role).alias("role"), pl.col("student_id"), pl.lit(tie).alias("relation")


def _in_force(as_of: date) -> pl.Expr:
    """Begun, and not ended before the day: the last day is one of work."""
    begun = pl.col("begins_on").is_null() | (pl.col("begins_on") <= as_of)
    return begun & (pl.col("ends_on").is_null() | (pl.col("ends_on") >= as_of))


def _stands(as_of: date) -> pl.Expr:
    """Objected, and not taken back by the day."""
    return (pl.col("recorded_on") <= as_of) & (pl.col("withdrawn_on").is_null() | (pl.col("withdrawn_on") > as_of))


def _of_caseloads(
    records: SchoolRecords, caseloads: pl.LazyFrame, roles: pl.LazyFrame, stays: pl.LazyFrame, as_of: date
) -> list[pl.LazyFrame]:
    """Return the students of caseloads, in whichever of three ways these name them.

    ``caseloads`` has a row for each ``school`` that one is for, ``roles`` for each school that one is held at: a caseload
    gives nothing to somebody who is no counselor there. One that does not say which grade or letters covers nobody.
    """
    held = caseloads.join(roles.filter(pl.col("role") == "counselor"), on=["staff_id", "school"], how="semi")
    named = records.visible("caseload_students", [as_of]).select("caseload_id", "student_id")
    listed = held.filter(pl.col("by") == "student").join(named, on="caseload_id")
    listed = listed.join(stays, left_on=["student_id", "school"], right_on=["student_id", "organisation_id"], how="semi")
    graded = held.filter(pl.col("by") == "grade").join(
        stays, left_on=["school", "grade_level"], right_on=["organisation_id", "grade_level"]
    )
    names = records.shown("identities", as_of).select("student_id", _letters("family_name").alias("surname"))
    lettered = (
        held.filter(pl.col("by") == "surname")
        .select("staff_id", "school", _letters("surname_from").alias("first"), _letters("surname_to").alias("last"))
        .join(stays.join(names, on="student_id"), left_on="school", right_on="organisation_id")
        .filter(_begins_like("first") >= pl.col("first"), _begins_like("last") <= pl.col("last"))
    )
    return [part.select(_TO_STAFF, *_as(CASELOAD)) for part in (listed, graded, lettered)]


def _letters(column: str) -> pl.Expr:
    """A name's letters as a file of cards is sorted: without case, accents, blanks and signs. Null where none are left."""
    plain = pl.col(column).str.normalize("NFKD").str.to_uppercase().str.replace_all(r"[^\p{L}]", "")
    return pl.when(plain.str.len_chars() > 0).then(plain)


def _begins_like(bound: str) -> pl.Expr:
    return pl.col("surname").str.head(pl.col(bound).str.len_chars())


def _of_guardians(records: SchoolRecords, within: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    kinds = records.visible("organisations", [as_of]).filter(pl.col("kind") == _STUDENTS_OWN)
    theirs = within.join(kinds, left_on="above", right_on="organisation_id", how="semi")
    stays = records.visible("enrolments", [as_of]).join(theirs, left_on="organisation_id", right_on="school", how="semi")
    adults = records.shown("guardians", as_of).filter(~_RESTRICTED).join(stays, on="student_id", how="anti")
    return adults.select(pl.col("guardian_id").alias("person_id"), *_as(GUARDIAN))


def _oversight(roles: pl.LazyFrame, within: pl.LazyFrame) -> pl.LazyFrame:
    said = roles.filter(pl.col("role").is_in(list(_ON_RECORD))).with_columns(pl.col("role").replace_strict(_ON_RECORD))
    down = said.filter(pl.col("role").is_in(list(_LOOKS_DOWN))).join(within, left_on="organisation_id", right_on="above")
    own = said.filter(~pl.col("role").is_in(list(_LOOKS_DOWN)))
    below = down.select(_TO_STAFF, "role", pl.col("school").alias("organisation_id"))
    return pl.concat([below, own.select(_TO_STAFF, "role", "organisation_id")]).unique()


def _within(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    """Return every organisation with itself and each one above it: ``above``, ``school``."""
    parents: dict[str, str | None] = dict(
        records.reference("organisations", as_of).select("organisation_id", "parent_id").iter_rows()
    )
    pairs: list[tuple[str, str]] = []
    for organisation in parents:
        up: list[str] = []
        at: str | None = organisation
        while at is not None and at not in up:  # records may run in a circle, and must not take the page with them
            up.append(at)
            at = parents.get(at)
        pairs += [(above, organisation) for above in up]
    return pl.DataFrame(pairs, schema={"above": pl.String, "school": pl.String}, orient="row")


# -- the page ---------------------------------------------------------------------------------------------------------


def as_markdown() -> str:
    """Return the page ``docs/access.md``: the policy as a table, and the rules by which records give a relation."""
    of_students = [action for action in RIGHTS if action not in WITHOUT_A_STUDENT]
    of_none = [action for action in RIGHTS if action in WITHOUT_A_STUDENT]
    heads: Mapping[Standing, str] = {
        TEACHER: "teacher",
        CASELOAD: "counselor, caseload",
        SCHOOL_COUNSELOR: "counselor, school",
        PRINCIPAL: "principal",
        STUDENT: "student",
        GUARDIAN: "guardian",
        BREAK_GLASS: "administrator, opened",
    }
    roles: Mapping[Standing, str] = {(role, None): role.replace("_", " ") for role in ROLES}
    return "\n".join(
        [
            "# Who sees what",
            "",
            "`python -m serving.cases.access > docs/access.md` writes this page; a test holds the two equal.",
            "",
            "What is not granted here is refused. Rights follow the records as known on the day: somebody sees a student as",
            "long as the records say how the two stand to each other, and no longer.",
            "",
            *(f"- {REACH[role]}" for role in ROLES),
            "",
            "## What of a student",
            "",
            *_table(of_students, heads),
            "",
            "## Without a student",
            "",
            *_table(of_none, roles),
            "",
            *_RULES,
            "",
        ]
    )


def _table(actions: Sequence[Action], heads: Mapping[Standing, str]) -> list[str]:
    rows = [["right", "what it lets somebody do", *heads.values()]]
    rows += [[f"`{action}`", SAYS[action], *("yes" if one in RIGHTS[action] else "" for one in heads)] for action in actions]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


_RULES = (
    "## How the records say it",
    "",
    "- **Teacher**: a row of `teaching` in force, for a class that is not over, and a student who is enrolled and on its",
    "  roster. Where the school sends `staff_roles`, the role of a teacher must be in force too.",
    "- **Counselor**: the role in force at the student's school or above it, and a row of `caseloads` that covers the student:",
    "  in the list, in the year of school, or by the first letters of the family name (without case and accents; a caseload",
    "  that does not say both ends covers nobody). Only where a school keeps no caseload at all does its counselor see the",
    "  school: handing a caseload over takes students away, and opens nothing instead.",
    "- **Principal**: the role in force at the very school. The role at a district opens no school.",
    "- **Student**: the own record, after leaving too.",
    "- **Guardian**: the children to whom `guardians` names them, unless a contact restriction stands. At a university the",
    "  records are the student's alone (34 CFR 99.5). From the age of eighteen they are too, of which these records hold no",
    "  day: there a school takes the guardian out of its table.",
    "- **Administrator**: no student, but for one at a time, for an hour, with a reason, approved by somebody else.",
    "- A student who is no longer on record is seen by nobody. An account that is disabled or of another tenant sees nobody.",
    "",
    "## What is cut further, row by row",
    "",
    "- What students wrote is read by those for whom they wrote it. What is for teachers their counselor reads too; neither a",
    "  principal nor a guardian reads any of it.",
    "- A photo is shown where it was agreed to and nobody objected to it. A survey that was declined is not shown.",
    "- People whom the school must not reach are shown only to those who have to know. The list of who can see a student",
    "  tells a family of no other guardian.",
    "- Groups that a student belongs to (`demographics`) are shown on no page. A concern for safety leaves by its own path",
    "  and is read by nobody here.",
)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())

"""The map of skills: what a student has secured, what they are ready for next, and what that waits for.

One rule for every page. A skill is secure from :data:`MARK` of the best score on, over two occasions or more, recent ones
counting more: as ``features.skills`` says it in sentences. Somebody is ready for a skill that is not secure and before which
everything is. Which skills those are is found from what is asked about downwards, step by step along
``skill_prerequisites``; below a secure skill nobody looks, so that nobody is sent back to what they have long built on. With
fewer than two occasions nothing is said of a skill, neither good nor bad.

What a teacher saw in a quick check counts beside the records: it decides until they hold evidence of a later day. It is
never a label that a model learns from, because no target reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, get_args

import polars as pl

from features.records import SchoolRecords
from features.skills import OLDEST, SECURE, WEIGHTS, WHOLE

#: What is known of one skill of one student.
State = Literal["secure", "not_yet", "not_enough_evidence"]

#: What a teacher can say after a quick check.
Result = Literal["secure", "not_yet", "not_seen"]
RESULTS: tuple[Result, ...] = get_args(Result)

#: Share of the best score from which a skill is secure. The pass mark that a target is asked about is another: it says what
#: a single next piece of work should reach.
MARK = SECURE / WHOLE

#: One good day is not mastery, and one bad day no need.
LEAST_OCCASIONS = 2

#: Where nobody says which skills, those of the last twelve months are asked about.
RECENT = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill as the school's own tables have it. ``depth`` is how many steps stand below it, the longest way down."""

    skill_id: str
    statement: str
    subject: str
    grade_level: int | None
    depth: int

    @property
    def place(self) -> tuple[int, int, str]:
        """By what the lowest skill is told: how much stands below it, then its year of school."""
        return self.depth, -1 if self.grade_level is None else self.grade_level, self.skill_id


@dataclass(frozen=True, slots=True)
class Check:
    """What somebody saw of one student and skill on a day, as they wrote it down."""

    student_id: str
    skill_id: str
    on: date
    result: Result
    by: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one skill of a student on a day.

    ``occasions`` are those on record, the latest on ``last_on``, and ``level`` their average share of the best score, recent
    ones counting more; without any, both are None. ``check`` is the teacher's check that decides the state, where one does.
    """

    skill: Skill
    state: State
    occasions: int
    last_on: date | None
    level: float | None
    check: Check | None = None

    @property
    def seen_on(self) -> date | None:
        """The day of the newest evidence that the state rests on."""
        return self.check.on if self.check else self.last_on


@dataclass(frozen=True, slots=True)
class Waiting:
    """A skill that is not secure, and what has to be secure before it."""

    known: Known
    waits_for: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class SkillMap:
    """One student's map on a day, each part with the lowest skill first.

    ``next`` is what they are ready to learn: not secure, with everything before it secure. ``waits`` is what has to wait, and
    for what. ``not_enough_evidence`` would be next, but too little was seen of it to say whether it is secure already.
    ``more`` builds on what is secure and was not asked about.
    """

    student_id: str
    secure: tuple[Known, ...]
    next: tuple[Known, ...]
    waits: tuple[Waiting, ...]
    not_enough_evidence: tuple[Known, ...]
    more: tuple[Known, ...]

    @property
    def ready_for(self) -> Known | None:
        """The lowest skill that the student is ready to learn, None where none is known."""
        return self.next[0] if self.next else None

    @property
    def ready_for_more(self) -> bool:
        """Whether everything that was asked about is secure, and something was."""
        return bool(self.secure) and not (self.next or self.waits or self.not_enough_evidence)


def skill_map(
    records: SchoolRecords,
    student_ids: Collection[str],
    as_of: date,
    *,
    skills: Collection[str] | None = None,
    checks: Iterable[Check] = (),
    mark: float = MARK,
    school: SchoolRecords | None = None,
) -> dict[str, SkillMap]:
    """Return the maps of one student or of many, by their key, as known on a day.

    Args:
        records: those of the whole school; what was worked out of them for a day is kept by their digest.
        student_ids: whose maps; each gets one, if only an empty one.
        as_of: the day to look from.
        skills: which skills to ask about, such as those of a class (:func:`skills_of`); without any, those of which there is
            evidence of each student from the last twelve months.
        checks: teachers' checks; those after ``as_of`` are left out.
        mark: share of the best score from which a skill is secure.
        school: the records of the whole school, where ``records`` are those of the student alone.

    """
    since = as_of - RECENT
    found = {}
    for student_id, mine in _each(records, student_ids, as_of, checks, mark, school).items():
        recent = {skill for skill, (_, last_on, _) in mine.shown.items() if last_on >= since} | set(mine.checks)
        found[student_id] = mine.map(student_id, recent if skills is None else skills)
    return found


def known(
    records: SchoolRecords,
    student_ids: Collection[str],
    skills: Collection[str],
    as_of: date,
    *,
    checks: Iterable[Check] = (),
    mark: float = MARK,
) -> dict[str, dict[str, Known]]:
    """Return what is known of given skills of each student on a day, without looking at what comes before them."""
    each = _each(records, student_ids, as_of, checks, mark)
    return {who: {one: mine.known(one) for one in skills if one in mine.tree.skills} for who, mine in each.items()}


def every_skill(records: SchoolRecords, as_of: date) -> Mapping[str, Skill]:
    """Return all skills on record by key."""
    return _tree(records, as_of).skills


def skills_of(records: SchoolRecords, section_id: str, as_of: date) -> tuple[Skill, ...]:
    """Return the skills that a class has come to by a day: those of work that was due, or of which it gave evidence."""
    here = pl.col("section_id") == section_id
    due = records.visible("assignments", [as_of]).filter(here, pl.col("due_on").is_null() | (pl.col("due_on") <= as_of))
    of_work = due.join(records.visible("assignment_skills", [as_of]), on="assignment_id").select("skill_id")
    seen = records.visible("skill_results", [as_of]).filter(here).select("skill_id")
    tree = _tree(records, as_of)
    found = pl.concat([of_work, seen]).unique().collect()["skill_id"].to_list()
    return tuple(sorted((tree.skills[one] for one in found if one in tree.skills), key=lambda one: one.place))


# -- what is on record ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """Records by the digest that names them, so that what was worked out of them can be found again."""

    tenant: str
    digest: str
    buckets: int
    records: SchoolRecords = field(compare=False)


@dataclass(frozen=True)
class _Tree:
    """The skills by key, and of each what comes directly before it and after it, without circles."""

    skills: Mapping[str, Skill]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]


def _evidence(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    """Return ``student_id``, ``skill_id``, ``occasions``, ``last_on`` and ``level`` of all evidence known on a day."""
    if not records.digest:
        return _levels(records, as_of)
    return _remembered_levels(_Kept(records.tenant, records.digest, records.buckets, records), as_of)


@lru_cache(maxsize=8)  # a few days of a few schools: about 5 MB for 5,000 students
def _remembered_levels(kept: _Kept, as_of: date) -> pl.DataFrame:
    return _levels(kept.records, as_of)


def _levels(records: SchoolRecords, as_of: date) -> pl.DataFrame:
    age = (pl.col("as_of") - pl.col("occurred_on")).dt.total_days()
    weight = pl.lit(OLDEST, pl.Int64)
    for days, heavier in reversed(WEIGHTS):
        weight = pl.when(age < days).then(pl.lit(heavier, pl.Int64)).otherwise(weight)
    score = (pl.col("score_share") * WHOLE).round().cast(pl.Int64)
    return (
        records.visible("skill_results", [as_of])
        .filter(pl.col("occurred_on") <= as_of)
        .select("student_id", "skill_id", "occurred_on", weight.alias("weight"), (weight * score).alias("points"))
        .group_by("student_id", "skill_id")
        .agg(pl.len().alias("occasions"), pl.col("occurred_on").max().alias("last_on"), pl.col("weight", "points").sum())
        .select("student_id", "skill_id", "occasions", "last_on", (pl.col("points") / pl.col("weight") / WHOLE).alias("level"))
        .sort("student_id", "skill_id")
        .collect()
    )


def _tree(records: SchoolRecords, as_of: date) -> _Tree:
    if not records.digest:
        return _grown(records, as_of)
    return _remembered_tree(_Kept(records.tenant, records.digest, records.buckets, records), as_of)


@lru_cache(maxsize=8)
def _remembered_tree(kept: _Kept, as_of: date) -> _Tree:
    return _grown(kept.records, as_of)


def _grown(records: SchoolRecords, as_of: date) -> _Tree:
    rows = records.reference("skills", as_of).select("skill_id", "statement", "subject", "grade_level").sort("skill_id")
    steps: dict[str, list[str]] = {skill_id: [] for skill_id in rows["skill_id"]}
    for skill_id, earlier in records.reference("skill_prerequisites", as_of).sort("skill_id", "prerequisite_id").iter_rows():
        if skill_id in steps and earlier in steps:
            steps[skill_id].append(earlier)
    depths: dict[str, int] = {}
    before: dict[str, tuple[str, ...]] = {}

    def settle(skill_id: str, above: tuple[str, ...]) -> int:
        if skill_id not in depths:
            way = (*above, skill_id)
            # Records may run in a circle: the step that closes it is left out, or nobody would ever be ready for anything.
            kept = tuple(one for one in steps[skill_id] if one not in way)
            before[skill_id] = kept
            depths[skill_id] = max((settle(one, way) + 1 for one in kept), default=0)
        return depths[skill_id]

    for skill_id in steps:
        settle(skill_id, ())
    after: dict[str, list[str]] = {skill_id: [] for skill_id in steps}
    for skill_id, earlier_ones in before.items():
        for one in earlier_ones:
            after[one].append(skill_id)
    skills = {
        skill_id: Skill(skill_id, statement or skill_id, subject or "", grade_level, depths[skill_id])
        for skill_id, statement, subject, grade_level in rows.iter_rows()
    }
    return _Tree(skills, before, {skill_id: tuple(later) for skill_id, later in after.items()})


# -- one student ------------------------------------------------------------------------------------------------------


def _each(
    records: SchoolRecords, student_ids: Collection[str], as_of: date, checks: Iterable[Check], mark: float,
    school: SchoolRecords | None = None,
) -> dict[str, _Mine]:
    """Return what is on record of each student, and what was seen of them in checks up to a day."""
    tree = _tree(school or records, as_of)
    wanted = sorted(set(student_ids))
    shown: dict[str, dict[str, tuple[int, date, float]]] = {student_id: {} for student_id in wanted}
    rows = _evidence(records, as_of).filter(pl.col("student_id").is_in(wanted))
    for student_id, skill_id, occasions, last_on, level in rows.iter_rows():
        shown[student_id][skill_id] = (occasions, last_on, level)
    newest: dict[str, dict[str, Check]] = {student_id: {} for student_id in wanted}
    for check in sorted(checks, key=lambda one: one.on):
        if check.on <= as_of and check.result != "not_seen" and check.student_id in newest and check.skill_id in tree.skills:
            newest[check.student_id][check.skill_id] = check
    return {student_id: _Mine(tree, shown[student_id], newest[student_id], mark) for student_id in wanted}


@dataclass(frozen=True)
class _Mine:
    """What is on record of one student, and what was seen in checks."""

    tree: _Tree
    shown: Mapping[str, tuple[int, date, float]]
    checks: Mapping[str, Check]
    mark: float

    def known(self, skill_id: str) -> Known:
        """Return what is known of a skill."""
        skill, check = self.tree.skills[skill_id], self.checks.get(skill_id)
        occasions, last_on, level = self.shown.get(skill_id, (0, None, None))
        if check and (last_on is None or check.on >= last_on):
            state: State = "secure" if check.result == "secure" else "not_yet"
            return Known(skill, state, occasions, last_on, level, check)
        if level is None or occasions < LEAST_OCCASIONS:
            return Known(skill, "not_enough_evidence", occasions, last_on, level)
        return Known(skill, "secure" if level >= self.mark else "not_yet", occasions, last_on, level)

    def map(self, student_id: str, asked: Collection[str]) -> SkillMap:
        """Return the map, found from the skills asked about downwards."""
        looked: dict[str, Known] = {}
        waits: dict[str, tuple[Known, ...]] = {}
        below = [skill_id for skill_id in asked if skill_id in self.tree.skills]
        while below:
            skill_id = below.pop()
            if skill_id in looked:
                continue
            looked[skill_id] = known = self.known(skill_id)
            if known.state == "secure":
                continue
            before = [self.known(one) for one in self.tree.before[skill_id]]
            waits[skill_id] = _in_order(one for one in before if one.state != "secure")
            below += [one.skill.skill_id for one in before]
        found = _in_order(looked.values())
        secure = tuple(one for one in found if one.state == "secure")
        open_now = [one for one in found if one.state != "secure" and not waits[one.skill.skill_id]]
        return SkillMap(
            student_id,
            secure,
            tuple(one for one in open_now if one.state == "not_yet"),
            tuple(Waiting(one, waits[one.skill.skill_id]) for one in found if waits.get(one.skill.skill_id)),
            tuple(one for one in open_now if one.state == "not_enough_evidence"),
            self._more(looked, secure),
        )

    def _more(self, looked: Mapping[str, Known], secure: Iterable[Known]) -> tuple[Known, ...]:
        """Return what builds on secure skills alone, and was not looked at."""
        onward = {later for one in secure for later in self.tree.after[one.skill.skill_id]} - set(looked)
        ready = (one for one in onward if all(self.known(before).state == "secure" for before in self.tree.before[one]))
        return _in_order(known for known in map(self.known, ready) if known.state != "secure")


def _in_order(found: Iterable[Known]) -> tuple[Known, ...]:
    return tuple(sorted(found, key=lambda one: one.skill.place))

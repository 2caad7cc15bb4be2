"""The class page: tomorrow's groups, the quick check after the lesson, and what is newly secure since the unit began.

Nothing here sets a class beside another, or a teacher beside anybody. A teacher opens the classes that they teach, a counselor
and a principal those of their students; each sees the students whom they may see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import get_args

import polars as pl

from features.catalog import LEAST_USE
from features.problems import NotFound, Problem, Refused
from features.records import SchoolRecords
from serving.cases import lessons
from serving.cases.access import read
from serving.cases.lessons import Arranged, Group
from serving.pages.contexts.caseload import Band
from serving.pages.contexts.frame import Choice
from serving.pages.contexts.lesson import (
    MOST_CLASSES,
    Block,
    Classes,
    ClassLine,
    Lesson,
    LessonSheet,
    Member,
    Mode,
    More,
    Place,
    Progress,
    Result,
    SheetGroup,
    TookPart,
    Tree,
    Typed,
    Unit,
    View,
    Work,
)
from serving.pages.render import at
from serving.review import helping
from serving.review.room import Asked, Go, Room, Shows, part_of
from serving.skills import Check, Known, Skill, SkillMap, every_skill, known, skill_map, skills_of

#: How the class took part is told of four weeks.
LATELY = timedelta(days=28)

#: The target whose rows are of a skill.
_OF_SKILLS = "learning_gap"

#: What a field of the check form is called, before the student's key.
_RESULT = "result."

#: Ways of being taught that attendance tells of, other than at school.
_ELSEWHERE: tuple[Mode, ...] = ("remote", "home_or_hospital")

_TREES: tuple[Tree, ...] = get_args(Tree)
_VIEWS: tuple[View, ...] = get_args(View)
_RESULTS: tuple[Result, ...] = get_args(Result)


def classes(room: Room, asked: Asked) -> Classes:
    """Return the classes that somebody may look at: of a teacher those that they teach, else those of their students."""
    day = room.day(asked.today)
    theirs = {student for student in asked.seen if asked.seen.may(student, "see_facts")}
    seats = day.seats.filter(pl.col("student_id").is_in(list(theirs)))
    counts = dict(seats.group_by("section_id").len().iter_rows())
    if asked.account.role == "teacher":
        taught = _taught(room, asked)
        counts = {section: count for section, count in counts.items() if section in taught}
    where = dict(room.records.reference("sections", asked.today).select("section_id", "organisation_id").iter_rows())
    named = {one: day.schools.get(where.get(one, ""), "") for one in counts}
    single = len(set(named.values())) == 1
    q = asked.query.get("q", "").strip()[:100]
    lines = [
        ClassLine(section_id=one, title=title, school=school, students=counts[one])
        for one in counts
        for title, school in [(day.class_name(one, asked.words), "" if single else named[one])]
        if q.casefold() in f"{title} {one} {school}".casefold()
    ]
    ordered = sorted(lines, key=lambda one: (one.school, *day.place_of(one.section_id)))
    part = part_of(asked.query.get("part", ""), len(ordered), MOST_CLASSES)
    cut = ordered[part.first - 1 : part.last] if part else ordered
    return Classes(frame=asked.frame, today=asked.today, q=q, classes=tuple(cut), part=part)


def page(room: Room, asked: Asked) -> Shows:
    """Return a class as its teacher works with it, or with ``view`` as a sheet for the wall or for paper."""
    here = _class_of(room, asked)
    wanted = asked.query.get("view", "")
    found = _sheet(room, asked, here, wanted) if wanted in _VIEWS else _lesson(room, asked, here)
    return Shows(found, here.shown)


def change(room: Room, asked: Asked) -> Go:
    """Change the groups: ``action`` is move (``student``, ``to``), name (``group``, ``called``), dissolve (``group``), keep or
    afresh. ``until`` is the last day on which they stand. ``version`` is the one that the form showed.

    Raises :class:`~features.problems.Refused` with what was wrong, and where a colleague was quicker.
    """  # fmt: skip
    here = _class_of(room, asked)
    version = int(asked.sent("version")) if asked.sent("version").isdecimal() else -1
    tenant, account, section = room.tenant, asked.account, here.section_id
    action = asked.sent("action")
    if action == "afresh":
        lessons.afresh(room.db, tenant, account, section, version, asked.today, asked.now)
        return Go(at("lesson", section_id=section), "lesson_afresh")
    touched: tuple[str, ...] = ()
    groups, stands_on = here.groups.groups, here.groups.stands_on or min(here.lesson_on, asked.today + lessons.LONGEST)
    if action == "move":
        student = asked.sent("student")
        if student not in here.shown:
            raise _refused("no_such_student", "student", "There is no such student in the class", "Choose one of those shown.")
        groups, touched = _moved(here, groups, student, asked.sent("to")), (student,)
    elif action == "name":
        groups = lessons.renamed(groups, asked.sent("group"), asked.sent("called"))
    elif action == "dissolve":
        touched = next((one.students for one in groups if one.name == asked.sent("group")), ())
        groups = lessons.dissolved(groups, asked.sent("group"))
    elif action == "keep":
        stands_on = _day(asked.sent("until"), "until")
    else:
        raise _refused("no_such_action", "action", "There is nothing of that kind to do", "Use the buttons of the page.")
    lessons.arrange(
        room.db, tenant, account, section, version, groups, stands_on, touched, action, asked.today, asked.now
    )  # fmt: skip
    return Go(at("lesson", section_id=section), "lesson_arranged")


def check(room: Room, asked: Asked) -> Go:
    """Write down a quick check: ``skill``, ``on``, and ``result.<student>`` for each of whom something was seen.

    Raises :class:`~features.problems.Refused` with everything that was wrong.
    """
    here = _class_of(room, asked)
    skill = asked.sent("skill")
    results = {name.removeprefix(_RESULT): asked.sent(name) for name in asked.form if name.startswith(_RESULT)}
    results = {student: result for student, result in results.items() if result}
    problems = []
    if skill not in every_skill(room.records, asked.today):
        problems.append(Problem("no_such_skill", "skill", "There is no such skill", "Choose one that the class works on."))
    if not all(student in here.shown and asked.seen.may(student, "record_check") for student in results):
        hint = "Choose a student of the class."
        problems.append(Problem("no_such_student", "student", "There is no such student in the class", hint))
    if not set(results.values()) <= set(_RESULTS):
        problems.append(Problem("no_such_result", "result", "There is no such result", f"One of: {', '.join(_RESULTS)}."))
    if problems:
        raise Refused(problems, "The check was not kept")
    seen: dict[str, Result] = {student: one for student, told in results.items() for one in _RESULTS if one == told}
    day = _day(asked.sent("on"), "on")
    section = here.section_id
    count = lessons.record_checks(
        room.db, room.tenant, asked.account, section, skill, seen, day, asked.today, asked.now
    )  # fmt: skip
    return Go(at("lesson", section_id=section), "lesson_checked", count)


# -- a class ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Class:
    """A class on a day: all its students, those whom the reader may see by name, its skills, its maps and its groups.

    ``groups`` are of the whole class, whoever reads, so that everybody reads the same ones; what is shown of them is cut.
    """

    section_id: str
    title: str
    shown: tuple[str, ...]
    names: Mapping[str, str]
    skills: tuple[Skill, ...]
    checks: tuple[Check, ...]
    maps: Mapping[str, SkillMap]
    groups: Arranged
    lesson_on: date

    def cut(self, students: Iterable[str]) -> list[str]:
        """Return those of some students whom the reader may see, by name."""
        return sorted((one for one in students if one in self.names), key=lambda one: (self.names[one].casefold(), one))


def _class_of(room: Room, asked: Asked) -> _Class:
    """Return a class as far as the reader may see it; raise NotFound where they may not, or it is not theirs."""
    section, today, records = asked.parts["section_id"], asked.today, room.records
    day = room.day(today)
    everybody = day.students_of(section)
    shown = tuple(one for one in everybody if asked.seen.may(one, "see_facts"))
    if not shown or (asked.account.role == "teacher" and section not in _taught(room, asked)):
        raise NotFound("There is no such class among those that are yours.")
    skills = skills_of(records, section, today)
    checks = lessons.checks_of(room.db, room.tenant, everybody)
    maps = skill_map(records, everybody, today, skills=[one.skill_id for one in skills], checks=checks)
    groups = lessons.arranged(room.db, room.tenant, section, today)
    if groups is None:
        groups = Arranged(0, None, lessons.suggested(maps))
    else:
        here = {who: one.name for one in groups.groups for who in one.students if who in everybody}
        kept = (replace(one, students=tuple(who for who in one.students if who in here)) for one in groups.groups)
        groups = replace(groups, groups=tuple(one for one in kept if one.students))
    names = _names(room, asked, shown)
    return _Class(
        section, day.class_name(section, asked.words), shown, names, skills, checks, maps, groups,
        _next_day(room, section, today),
    )  # fmt: skip


def _taught(room: Room, asked: Asked) -> frozenset[str]:
    """Return the classes that somebody teaches on the day."""
    today = asked.today
    mine = pl.col("staff_id") == pl.lit(asked.account.person_id, pl.String)
    begun = pl.col("begins_on").is_null() | (pl.col("begins_on") <= today)
    lasts = pl.col("ends_on").is_null() | (pl.col("ends_on") >= today)
    found = room.records.visible("teaching", [today]).filter(mine, begun, lasts).select("section_id").collect()
    return frozenset(found["section_id"])


def _names(room: Room, asked: Asked, students: Sequence[str]) -> dict[str, str]:
    """Return what students are called; where their names are not for the reader, by key."""
    few = replace(asked.seen, students=asked.seen.students.filter(pl.col("student_id").is_in(list(students))))
    rows = read(room.records, few, "identities").select("student_id", "preferred_name", "given_name", "family_name")
    found = {
        student: " ".join(part for part in (preferred or given, family) if part)
        for student, preferred, given, family in rows.iter_rows()
    }
    return {student: found.get(student) or student for student in students}


def _next_day(room: Room, section_id: str, today: date) -> date:
    """Return the next day on which the school of a class teaches; without a calendar, the next weekday."""
    sections = room.records.reference("sections", today).filter(pl.col("section_id") == section_id)
    days = room.records.reference("calendar", today).filter(
        pl.col("organisation_id").is_in(sections["organisation_id"].to_list()), pl.col("instructional"), pl.col("on") > today
    )
    found = days["on"].min()
    if isinstance(found, date):
        return found
    later = today + timedelta(days=1)
    while later.isoweekday() > 5:
        later += timedelta(days=1)
    return later


def _moved(here: _Class, groups: Sequence[Group], student: str, to: str) -> tuple[Group, ...]:
    if to == "none":
        return lessons.moved(groups, student, "")
    if to == "new":
        mine = here.maps[student]
        ready = next(iter((*mine.next, *mine.not_enough_evidence, *mine.more)), None)
        skill = ready.skill if ready else next(iter(here.skills), None)
        if skill is None:
            raise _refused("no_such_skill", "to", "The class has no skills to work on", "Map skills to its work first.")
        return lessons.moved(groups, student, lessons.free_name(groups, skill.skill_id), skill.skill_id)
    if to not in {one.name for one in groups}:
        raise _refused("no_such_group", "to", "There is no such group", "Choose one of the groups shown.")
    return lessons.moved(groups, student, to)


# -- the page ---------------------------------------------------------------------------------------------------------


def _lesson(room: Room, asked: Asked, here: _Class) -> Lesson:
    unit, unit_name, began = _unit(room, here, asked.today)
    progress = _progress(room, asked, here, began)
    took_part, without_access, unused = _took_part(room, here, asked.today)
    blocks = _blocks(room, asked, here)
    placed = {one.student_id for block in blocks for one in block.members}
    more = _more(here, placed)
    placed |= {one.student_id for one in more}
    trees = tuple(one for one in _TREES if one in {group.name for group in here.groups.groups})
    fields = ("student", "to", "group", "called", "until", "on")
    return Lesson(
        frame=asked.frame, section_id=here.section_id, title=here.title, today=asked.today, lesson_on=here.lesson_on,
        students=len(here.shown), skills=tuple(one.statement for one in here.skills), stands_on=here.groups.stands_on,
        version=here.groups.version, blocks=blocks, more=more,
        left=tuple(Place(student_id=one, name=here.names[one]) for one in here.cut(set(here.shown) - placed)),
        may_change=any(asked.seen.may(one, "record_check") for one in here.shown),
        names=tuple(Choice(value=one, name=here.names[one]) for one in here.cut(here.shown)), trees=trees,
        free=tuple(one for one in _TREES if one not in trees), last_day=asked.today + lessons.LONGEST,
        first_day=asked.today - lessons.LATEST, typed=Typed(**{one: asked.sent(one) for one in fields}), unit=unit,
        unit_name=unit_name, unit_began=began, newly_secure=sum(len(one.skills) for one in progress), progress=progress,
        took_part=took_part, without_access=without_access, online_unused=unused,
    )  # fmt: skip


def _blocks(room: Room, asked: Asked, here: _Class) -> tuple[Block, ...]:
    """Return who works on what: groups first, then skills that only somebody in no group is ready for, then checks."""
    skills, grouped = every_skill(room.records, asked.today), set[str]()
    found: list[tuple[Work, Tree | None, Skill, list[str]]] = []
    for group in here.groups.groups:
        grouped |= set(group.students)
        members = here.cut(group.students)
        if members and group.skill_id in skills:
            tree = next(one for one in _TREES if one == group.name)
            found.append(("group", tree, skills[group.skill_id], members))
    alone: dict[str, list[str]] = {}
    first: dict[str, list[str]] = {}
    for who in here.cut(set(here.shown) - grouped):
        mine = here.maps[who]
        if mine.ready_for:
            alone.setdefault(mine.ready_for.skill.skill_id, []).append(who)
        elif mine.not_enough_evidence:
            first.setdefault(mine.not_enough_evidence[0].skill.skill_id, []).append(who)
    found += [("alone", None, skills[one], alone[one]) for one in sorted(alone, key=lambda one: skills[one].place)]
    found += [("check_first", None, skills[one], first[one]) for one in sorted(first, key=lambda one: skills[one].place)]
    wanted = {skill.skill_id for _, _, skill, _ in found}
    states = known(room.records, here.shown, wanted, asked.today, checks=here.checks)
    bands = _bands(room, asked, here)
    typed = {name.removeprefix(_RESULT): asked.sent(name) for name in asked.form if name.startswith(_RESULT)}
    of = asked.sent("skill")
    numbers = {who: number for number, who in enumerate((who for *_, members in found for who in members), 1)}

    def member(who: str, skill_id: str) -> Member:
        said = typed.get(who, "") if of == skill_id else ""
        return _member(here, numbers[who], who, states[who][skill_id], bands.get((who, skill_id)), said)

    return tuple(
        Block(
            number=number, work=work, tree=tree, skill_id=skill.skill_id, skill=skill.statement,
            members=tuple(member(who, skill.skill_id) for who in members),
            learn=helping.together(room, asked.today, skill, {who: here.maps[who] for who in members}),
        )
        for number, (work, tree, skill, members) in enumerate(found, 1)
    )  # fmt: skip


def _member(here: _Class, number: int, who: str, one: Known, band: Band | None, typed: str) -> Member:
    return Member(
        number=number, student_id=who, name=here.names[who], occasions=one.occasions, last_on=one.seen_on,
        checked=one.check.result if one.check else None, checked_by=one.check.by if one.check else "",
        moved_on=one.state == "secure", band=band, typed=next((result for result in _RESULTS if result == typed), None),
    )  # fmt: skip


def _bands(room: Room, asked: Asked, here: _Class) -> dict[tuple[str, str], Band]:
    """Return what the newest list says of each student and skill of the class, of those whose words the reader may read."""
    stopped, objected = room.hidden(asked.today), room.objected(asked.today)
    stays = room.day(asked.today).stays.filter(pl.col("student_id").is_in(list(here.names)))
    if room.scored is None or stopped & set(stays["organisation_id"]):
        return {}
    rows = room.scored.filter(
        pl.col("target") == _OF_SKILLS, pl.col("section_id") == here.section_id, pl.col("status") == "scored"
    ).select("student_id", "skill_id", "band")
    bands: tuple[Band, ...] = get_args(Band)
    return {
        (who, skill): one
        for who, skill, told in rows.iter_rows()
        for one in bands
        if one == told and who in here.names and who not in objected and asked.seen.may(who, "see_words")
    }


def _more(here: _Class, placed: Collection[str]) -> tuple[More, ...]:
    found = []
    for who in here.cut(set(here.shown) - set(placed)):
        mine = here.maps[who]
        seen_on = [one.seen_on for one in mine.secure if one.seen_on]
        if mine.ready_for_more and seen_on:
            builds = tuple(one.skill.statement for one in mine.more)
            found.append(More(student_id=who, name=here.names[who], seen_on=max(seen_on), skills=builds))
    return tuple(found)


def _sheet(room: Room, asked: Asked, here: _Class, wanted: str) -> LessonSheet:
    """Return the groups for everybody's eyes. Nobody is alone beside a skill: who is in no group begins with the teacher."""
    skills, groups, placed = every_skill(room.records, asked.today), [], set[str]()
    for group in here.groups.groups:
        members = here.cut(group.students)
        if len(members) > 1 and group.skill_id in skills:
            tree = next(one for one in _TREES if one == group.name)
            names = tuple(here.names[one] for one in members)
            groups.append(SheetGroup(tree=tree, skill=skills[group.skill_id].statement, names=names))
            placed |= set(members)
    return LessonSheet(
        frame=asked.frame, view=next(one for one in _VIEWS if one == wanted), section_id=here.section_id, title=here.title,
        lesson_on=here.lesson_on, groups=tuple(groups),
        together=tuple(here.names[one] for one in here.cut(set(here.shown) - placed)),
    )  # fmt: skip


# -- what happened ----------------------------------------------------------------------------------------------------


def _unit(room: Room, here: _Class, today: date) -> tuple[Unit, str, date]:
    """Return since when progress is counted: since the shortest term began that runs, or the class if that was later."""
    section = room.records.reference("sections", today).filter(pl.col("section_id") == here.section_id).row(0, named=True)
    running = room.records.reference("terms", today).filter(pl.col("starts_on") <= today, pl.col("ends_on") >= today)
    if running.height:
        term = running.sort("starts_on", "term_id").row(-1, named=True)
        if section["starts_on"] is None or term["starts_on"] > section["starts_on"]:
            return "term", term["title"] or term["term_id"], term["starts_on"]
    return "section", here.title, section["starts_on"]


def _progress(room: Room, asked: Asked, here: _Class, began: date) -> tuple[Progress, ...]:
    """Return what is secure today and was not known to be on the day before the unit began."""
    before = began - timedelta(days=1)
    now = {who: {one.skill.skill_id: one.skill for one in here.maps[who].secure} for who in here.shown}
    wanted = set().union(*now.values())
    then = known(room.records, here.shown, wanted, before, checks=here.checks)
    found = []
    for who in here.cut(here.shown):
        was = {skill_id for skill_id, one in then[who].items() if one.state == "secure"}
        new = [skill for skill_id, skill in now[who].items() if skill_id not in was]
        if new:
            statements = tuple(skill.statement for skill in sorted(new, key=lambda one: one.place))
            found.append(Progress(student_id=who, name=here.names[who], skills=statements))
    return tuple(found)


def _took_part(room: Room, here: _Class, today: date) -> tuple[tuple[TookPart, ...], int, bool]:
    """Return how the class took part, of how many nothing is told online, and whether it is told of nobody.

    Online only those are counted who can be there, and only where enough of them were: elsewhere silence says nothing
    (``features.engagement``).
    """
    records, shown, lately = room.records, list(here.shown), _lately(room.records, today)
    theirs, of_class = pl.col("student_id").is_in(shown), pl.col("section_id") == here.section_id
    held, days = lately.lessons.filter(of_class, theirs), lately.days.filter(theirs)
    found: list[TookPart] = []
    if held.height:
        found.append(TookPart(mode="lessons", came=int(held["came"].sum()), of=int(held["of"].sum())))
    elif records.holds("attendance"):
        elsewhere = pl.col("mode").is_in(_ELSEWHERE)
        taught = _days_taught(room, here, today) * len(shown) - int(days.filter(elsewhere)["of"].sum())
        missed = float(days.filter(~elsewhere)["missed"].sum())
        if taught > 0:
            found.append(TookPart(mode="in_person", came=taught - round(missed), of=taught))
    for mode in _ELSEWHERE:
        rows = days.filter(pl.col("mode") == mode)
        if rows.height:
            found.append(TookPart(mode=mode, came=int(rows["came"].sum()), of=int(rows["of"].sum())))
    if not records.holds("activity"):
        return tuple(found), 0, False
    can = [one for one in shown if one not in lately.cut_off]
    active = lately.active.filter(of_class, pl.col("student_id").is_in(can)).height
    unused = active < LEAST_USE * len(can)
    if can and not unused:
        found.append(TookPart(mode="online", came=active, of=len(can)))
    return tuple(found), 0 if unused else len(shown) - len(can), unused


@dataclass(frozen=True)
class _Lately:
    """How everybody took part in four weeks.

    ``lessons`` has ``student_id``, ``section_id``, ``came`` and ``of``; ``days`` has ``student_id``, ``mode``, ``came``, ``of``
    and ``missed`` in days; ``active`` has ``student_id`` and ``section_id`` of those who were active online. ``cut_off`` are
    the students with no device or no internet at home.
    """

    lessons: pl.DataFrame
    days: pl.DataFrame
    active: pl.DataFrame
    cut_off: frozenset[str]


@dataclass(frozen=True)
class _Kept:
    """Records by the digest that names them, so that what was worked out of them can be found again."""

    tenant: str
    digest: str
    buckets: int
    records: SchoolRecords = field(compare=False)


def _lately(records: SchoolRecords, today: date) -> _Lately:
    """Return how everybody took part, worked out once a day for records that have a digest."""
    if not records.digest:
        return _of_four_weeks(records, today)
    return _remembered(_Kept(records.tenant, records.digest, records.buckets, records), today)


@lru_cache(maxsize=4)
def _remembered(kept: _Kept, today: date) -> _Lately:
    return _of_four_weeks(kept.records, today)


def _of_four_weeks(records: SchoolRecords, today: date) -> _Lately:
    lately = pl.col("on").is_between(today - LATELY, today, closed="right")
    came, of = (pl.col("status") != "absent").sum().alias("came"), pl.len().alias("of")
    held, days, active, access = pl.collect_all(
        [
            records.visible("section_attendance", [today]).filter(lately).group_by("student_id", "section_id").agg(came, of),
            records.visible("attendance", [today]).filter(lately)
            .group_by("student_id", pl.col("mode").fill_null("in_person"))
            .agg(came, of, pl.col("absent_share").sum().alias("missed")),
            records.visible("activity", [today]).filter(lately).select("student_id", "section_id").unique(),
            records.visible("digital_access", [today])
            .sort("recorded_on").group_by("student_id").agg(pl.col("device", "internet").last()),
        ]
    )  # fmt: skip
    none = access.filter((pl.col("device") == "none") | (pl.col("internet") == "none"))
    return _Lately(held, days, active, frozenset(none["student_id"]))


def _days_taught(room: Room, here: _Class, today: date) -> int:
    """Return on how many days of the last four weeks the school of a class taught."""
    sections = room.records.reference("sections", today).filter(pl.col("section_id") == here.section_id)
    return (
        room.records.reference("calendar", today)
        .filter(pl.col("organisation_id").is_in(sections["organisation_id"].to_list()), pl.col("instructional"))
        .filter(pl.col("on").is_between(today - LATELY, today, closed="right"))
        .height
    )


def _day(told: str, where: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError:
        raise _refused("bad_day", where, "This is no day", "Write it as YYYY-MM-DD.") from None


def _refused(code: str, where: str, problem: str, hint: str) -> Refused:
    return Refused([Problem(code, where, problem, hint)], "This was not done")

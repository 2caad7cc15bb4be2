"""The sheet that the team of a year of school goes through: groups first, then students, with lines to write on.

A sheet lies on a table, so it holds what every colleague of these students may read, whoever makes it: nothing about leaving
school, no numbers, no notes. And it holds no student whom its maker may not see.
"""

from __future__ import annotations

import polars as pl

from features.phrases import Language
from serving.cases import casebook
from serving.cases.agenda import last_steps, last_talks
from serving.cases.casebook import Case
from serving.pages.contexts.caseload import BANDS
from serving.pages.contexts.frame import Choice
from serving.pages.contexts.meeting import Item, Meeting, Step
from serving.review.listing import Listed, spoken
from serving.review.room import Asked, Room, Shows


def page(room: Room, asked: Asked) -> Shows:
    """Return the sheet of ``year``, of one ``school`` where that is asked for; without a year, the years to choose from."""
    seen, day = asked.seen, room.day(asked.today)
    mine = [one for one in seen if seen.may(one, "see_words")]
    stays = day.stays.filter(pl.col("student_id").is_in(mine)).unique("student_id", keep="first").sort("student_id")
    year, school = asked.query.get("year", ""), asked.query.get("school", "")
    chosen = stays.filter(
        pl.col("grade_level").cast(pl.String) == year, pl.lit(value=not school) | (pl.col("organisation_id") == school)
    )
    where = dict(chosen.select("student_id", "organisation_id").iter_rows())
    hidden, objected = room.hidden(asked.today), room.objected(asked.today)
    schools = set(where.values()) or set(stays["organisation_id"])
    stopped = bool(schools) and schools <= hidden
    made = None if stopped else room.listing
    cases = casebook.cases_of(room.db, room.tenant, where)
    found: list[tuple[str, Listed | None, Case | None]] = []
    for student, place in where.items():
        listed = made.of(student, leaving=False) if made and place not in hidden and student not in objected else None
        case = cases.get(student)
        if (listed and listed.band == BANDS[0]) or (case and case.open):
            found.append((student, listed, case))
    names = room.names(asked)
    found.sort(key=lambda one: _place(one[1], one[2], names.get(one[0], (one[0], ""))[0]))
    capacity, _ = room.capacity(asked.today)
    facts = spoken([listed for _, listed, _ in found[:capacity]], asked.words.facts)
    items = _items(room, asked, found[:capacity], objected, facts)
    grades = sorted(one for one in stays["grade_level"].unique().to_list() if one is not None)
    several = sorted(stays["organisation_id"].unique().to_list(), key=lambda one: day.schools.get(one, one))
    open_to = [student for student, place in where.items() if place not in hidden]
    context = Meeting(
        frame=asked.frame, today=asked.today, as_of=room.as_of if made else None, facts_language=facts.code, year=year,
        school=school,
        years=tuple(Choice(value=str(one), name=str(one)) for one in grades),
        schools=tuple(Choice(value=one, name=day.schools.get(one, one)) for one in several) if len(several) > 1 else (),
        no_list="stopped" if stopped else None if made else "none_yet", students=len(where),
        shared=made.shared(day, open_to, asked.words, objected) if made and year else (), items=items,
        left=max(len(found) - capacity, 0),
    )  # fmt: skip
    return Shows(context, tuple(one.student_id for one in items))


def _items(
    room: Room, asked: Asked, found: list[tuple[str, Listed | None, Case | None]], objected: frozenset[str],
    facts: Language,
) -> tuple[Item, ...]:  # fmt: skip
    names, supports, classes = room.names(asked), room.supports(asked), room.day(asked.today).sections
    ids = [student for student, _, _ in found]
    noted = [student for student in ids if asked.seen.may(student, "see_note")]
    steps, talks = last_steps(room.db, room.tenant, noted), last_talks(room.db, room.tenant, noted)
    items = []
    for student, listed, case in found:
        name, pronouns = names.get(student, (student, ""))
        talk = talks.get(student)
        items.append(Item(
            student_id=student, name=name, pronouns=pronouns, band=listed.band if listed else None,
            raised=bool(case and case.open and case.origin == "colleague"),
            objected=student in objected, reason=listed.told(name, classes, facts) if listed else "",
            supports=supports.get(student, ()), case=case.state if case and case.open else "new",
            with_whom=case.assignee.name if case and case.open and case.assignee else "",
            steps=tuple(Step(task=one.task, due_on=one.due_on, who=one.who, done_on=one.done_on)
                        for one in steps.get(student, ())),
            talked=talk.whom if talk else None, talked_on=talk.on if talk else None,
        ))  # fmt: skip
    return tuple(items)


def _place(listed: Listed | None, case: Case | None, name: str) -> tuple[bool, int, float, str]:
    """Return where a student stands on the sheet: whom a colleague brought up first, then the list in its order."""
    raised = bool(case and case.open and case.origin == "colleague" and case.state == "new")
    return not raised, BANDS.index(listed.band) if listed else len(BANDS), -(listed.place if listed else 0.0), name

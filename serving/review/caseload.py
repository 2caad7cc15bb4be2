"""Monday, 7:40: the page that says whom to see first, and its list to take away.

It shows no more of a student than its reader may see, and no student whom they may not; what is seen in it is written into
the trail, student by student.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from features.phrases import Language
from features.quarantine import guarded_text
from serving.cases import casebook, people
from serving.cases.access import may
from serving.cases.casebook import LONGEST_SNOOZE, Case
from serving.pages.contexts.caseload import (
    BANDS,
    CASES,
    CONCERNS,
    MOST_NAMES,
    MOST_ROWS,
    WHENS,
    Caseload,
    Due,
    Filters,
    Fresh,
    Good,
    Name,
    Row,
)
from serving.pages.contexts.frame import Choice
from serving.pages.words import Words
from serving.review import listing, practice
from serving.review.listing import Listed, Listing, waited
from serving.review.room import Asked, File, Room, Shows, part_of

#: So many pieces of good news are shown.
MOST_GOOD = 12

#: So many classes are offered to choose from, those with most of the reader's students: a large school has a thousand.
MOST_CLASSES = 60

LISTED = BANDS[0]


class _One(NamedTuple):
    """A student of the reader's, with everything that a row may need: of a whole school 5,000 are made for each page."""

    student_id: str
    name: str
    pronouns: str
    year: str
    school_id: str
    school: str
    listed: Listed | None
    case: Case | None
    supports: tuple[str, ...]
    waits: int
    fresh: bool
    objected: bool

    @property
    def on_list(self) -> bool:
        """Whether the newest list has them, or somebody has begun something with them."""
        return (self.listed is not None and self.listed.band == LISTED) or (self.case is not None and self.case.open)


def page(room: Room, asked: Asked) -> Shows:
    """Return the caseload of whoever asks, cut to what they may see and to what they chose."""
    hidden, visit = room.hidden(asked.today), casebook.last_visit(room.db, asked.account.id, asked.today)
    found = _students(room, asked, hidden, visit)
    filters, chosen = _cut(room, asked, found)
    day = room.day(asked.today)
    capacity, set_by = room.capacity(asked.today)
    listed = sorted((one for one in found if one.on_list), key=_place)
    first = {one.student_id for one in listed[:capacity]} | {one.student_id for one in listed if one.case and one.case.open}
    rows = sorted(chosen, key=_place) if filters.used else [one for one in listed if one.student_id in first]
    part = part_of(asked.query.get("part", ""), len(rows), MOST_ROWS)
    shown = rows[(part.first - 1 if part else 0) :][:MOST_ROWS]
    schools = sorted({one.school for one in found})
    casebook.note_visit(room.db, asked.account, asked.today, asked.now)
    counsels = asked.account.role == "counselor"
    # A reader of several schools keeps the list of those that are not switched off.
    stopped = bool(found) and all(one.school_id in hidden for one in found)
    made = None if stopped else room.listing
    due = _due(room, asked, found)
    open_to = [one.student_id for one in found if one.school_id not in hidden]
    better = _better(found) if made else []
    facts = listing.spoken([one.listed for one in (*shown, *better)], asked.words.facts)
    good = tuple(Good(student_id=one.student_id, name=one.name, text=one.listed.good(one.name, facts))
                 for one in better if one.listed)  # fmt: skip
    reaches = room.freshness(asked.today)
    here = [school for school in reaches if day.schools.get(school, school) in schools]
    waiting_days = room.waiting_days(asked.today)
    by_name = sorted(found, key=lambda one: (one.name, one.student_id)) if len(found) <= MOST_NAMES else []
    context = Caseload(
        frame=asked.frame,
        today=asked.today,
        as_of=room.as_of if made else None,
        facts_language=facts.code,
        last_visit=visit,
        scope=", ".join(schools),
        students=len(found),
        due=due,
        fresh=sum(one.fresh for one in listed),
        waiting=sum(one.waits > waiting_days for one in listed),
        waiting_days=waiting_days,
        records=_in_order(reaches[school] for school in here),
        stopped=_in_order(room.stopped_records(asked.today)[school] for school in here),
        shared=made.shared(day, open_to, asked.words, room.objected(asked.today)) if made else (),
        no_list="stopped" if stopped else None if made else "none_yet",
        capacity=capacity,
        capacity_set_by=set_by,
        left=max(sum(one.listed is not None and one.listed.band == LISTED for one in listed) - capacity, 0),
        yielded=made.yielded(min(capacity, 20), leaving=counsels) if made else (),
        filters=filters,
        rows=tuple(_row(one, schools, day.sections, asked.words, facts) for one in shown),
        part=part,
        colleagues=_colleagues(room, asked),
        may_take_away=any(asked.seen.may(one.student_id, "export_list") for one in shown),
        tip=asked.words.say(tip) if (tip := practice.tip(room.db, asked.account)) else "",
        last_snooze=asked.today + timedelta(days=LONGEST_SNOOZE),
        good=good,
        names=tuple(Name(student_id=one.student_id, name=one.name, year=one.year) for one in by_name),
    )
    seen = [*(one.student_id for one in shown), *(one.student_id for one in due), *(one.student_id for one in good)]
    return Shows(context, tuple(dict.fromkeys(seen)))


def take_away(room: Room, asked: Asked) -> File:
    """Return everybody on the list, or those who were chosen, as CSV: what the reader may export, and what it is not for."""
    visit = casebook.last_visit(room.db, asked.account.id, asked.today)
    found = _students(room, asked, room.hidden(asked.today), visit)
    filters, chosen = _cut(room, asked, found)
    rows = sorted((one for one in chosen if filters.used or one.on_list), key=_place)
    rows = [one for one in rows if asked.seen.may(one.student_id, "export_list")]
    words = asked.words
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([words.say("export.column_student"), words.say("export.column_name"), words.say("export.column_year"),
                     words.say("export.column_band"), words.say("export.column_reason"), words.say("export.column_supports"),
                     words.say("export.column_case")])  # fmt: skip
    for one in rows:
        row = _row(one, [], room.day(asked.today).sections, words, words.facts)
        band = words.named("band", row.band) if row.band else words.say("list.objected") if row.objected else ""
        writer.writerow([guarded_text(text) for text in (one.student_id, one.name, one.year, band, row.reason,
                                                   words.listed(row.supports) if row.supports else "",
                                                   words.named("case", row.case))])  # fmt: skip
    writer.writerow([])
    writer.writerow([f"{words.say('frame.supports')} {words.say('frame.not_for')}"])
    name, everybody = f"students-{asked.today}.csv", tuple(one.student_id for one in rows)
    return File(out.getvalue().encode("utf-8-sig"), "text/csv; charset=utf-8", name, everybody)


# -- the students -----------------------------------------------------------------------------------------------------


def _students(room: Room, asked: Asked, hidden: frozenset[str], visit: date | None) -> list[_One]:
    """Return every student of the reader's as they are today; ``hidden`` are schools without scores, ``visit`` was the last."""
    seen, day = asked.seen, room.day(asked.today)
    role = asked.account.role
    ids = list(seen.relations)
    names = room.names(asked)
    stays = day.stays.select("student_id", "organisation_id", "grade_level").unique("student_id", keep="first")
    where = {student: (school, grade) for student, school, grade in stays.iter_rows()}
    cases = casebook.cases_of(room.db, room.tenant, ids)
    supports = room.supports(asked)
    open_days = room.school_days(asked.today)
    knows = {tie: may(role, tie, "see_dropout") for tie in set(seen.relations.values())}
    newest, objected = room.listing, room.objected(asked.today)
    found = []
    for student, tie in seen.relations.items():
        leaving = knows[tie]
        school, grade = where.get(student, ("", None))
        made = None if school in hidden or student in objected else newest
        listed = made.of(student, leaving=leaving) if made else None
        case = cases.get(student)
        name, pronouns = names.get(student, (student, ""))
        since = _since(made, student, listed, case, leaving=leaving) if listed or case else None
        looked = case is not None and (case.first_look_at is not None or case.state not in ("new", "closed"))
        waits = waited(open_days.get(school, ()), since, asked.today) if since and not looked else 0
        found.append(_One(
            student, name, pronouns, "" if grade is None else str(grade), school, day.schools.get(school, school), listed, case,
            supports.get(student, ()), waits, bool(since and visit and since > visit), student in objected,
        ))  # fmt: skip
    return found


def _since(made: Listing | None, student: str, listed: Listed | None, case: Case | None, *, leaving: bool) -> date | None:
    """Return since when a student waits to be looked at: on the list, or brought up by a colleague."""
    if not (case and case.open) and not (listed and listed.band == LISTED):
        return None
    days = []
    if made and listed and listed.band == LISTED:
        areas = [one for one in listing.OUTCOMES if leaving or one != listing.LEAVING]
        days += [made.first_listed[student, one] for one in areas if (student, one) in made.first_listed]
    if case and case.open:
        days.append(case.opened_at.date())
    return min(days, default=None)


def _place(one: _One) -> tuple[int, int, float, str]:
    """Return where a student stands: the list first, in its order; then what has begun."""
    band = BANDS.index(one.listed.band) if one.listed else len(BANDS)
    raised = one.case is not None and one.case.open and one.case.origin == "colleague" and one.case.state == "new"
    return (0 if raised else 1, band, -(one.listed.place if one.listed else 0.0), one.name)


def _row(one: _One, schools: Sequence[str], classes: Mapping[str, str], words: Words, facts: Language) -> Row:
    listed = one.listed
    case = one.case.state if one.case and one.case.state != "closed" else "new"
    changed = ""
    if listed and listed.before and listed.before != listed.band:
        changed = words.say("changed.band", before=words.named("band", listed.before), now=words.named("band", listed.band))
    return Row(
        student_id=one.student_id, name=one.name, pronouns=one.pronouns, year=one.year,
        school=one.school if len(schools) > 1 else "", band=listed.band if listed else None,
        origin="colleague" if one.case and one.case.open and one.case.origin == "colleague" else None,
        reason=listed.told(one.name, classes, facts) if listed else "", changed=changed, supports=one.supports, case=case,
        with_whom=one.case.assignee.name if one.case and one.case.open and one.case.assignee else "",
        waits=one.waits, fresh=one.fresh, objected=one.objected,
    )  # fmt: skip


# -- what the page is cut to --------------------------------------------------------------------------------------------


def _cut(room: Room, asked: Asked, found: Sequence[_One]) -> tuple[Filters, list[_One]]:
    """Return to what the list is cut, and those who are left."""
    day, query = room.day(asked.today), asked.query
    mine = {one.student_id for one in found}
    seats = day.seats.filter(pl.col("student_id").is_in(sorted(mine)))
    most = seats.group_by("section_id").len().sort(["len", "section_id"], descending=[True, False])["section_id"].to_list()
    sections = {section: day.class_name(section, asked.words) for section in most}
    called_so = {one.school for one in found}
    schools = {school: name for school, name in day.schools.items() if name in called_so}
    years = sorted({one.year for one in found if one.year}, key=lambda year: (len(year), year))

    def one_of[Name: str](name: str, known: Iterable[Name]) -> Name | None:
        return next((one for one in known if one == query.get(name)), None)

    q = query.get("q", "").strip()[:100]
    when, band, case = one_of("when", WHENS), one_of("band", BANDS), one_of("case", CASES)
    concern, year = one_of("concern", CONCERNS), one_of("year", years)
    section, school = one_of("section", sections), one_of("school", schools)
    chosen = list(found)
    if q:
        chosen = [one for one in chosen if q.casefold() in one.name.casefold()]
    if when == "due":
        due = {one.student_id for one in casebook.due(room.db, room.tenant, asked.account.id, asked.today)}
        chosen = [one for one in chosen if one.student_id in due]
    elif when == "new":
        chosen = [one for one in chosen if one.fresh]
    elif when == "waiting":
        limit = room.waiting_days(asked.today)
        chosen = [one for one in chosen if one.waits > limit]
    if band:
        chosen = [one for one in chosen if one.listed and one.listed.band == band]
    if case:
        chosen = [one for one in chosen if (one.case.state if one.case else None) == case
                  or (case == "new" and one.case is None and one.on_list)]  # fmt: skip
    if concern:
        chosen = [one for one in chosen if one.listed and one.listed.concern == concern]
    if year:
        chosen = [one for one in chosen if one.year == year]
    if section:
        inside = set(day.students_of(section))
        chosen = [one for one in chosen if one.student_id in inside]
    if school:
        chosen = [one for one in chosen if one.school == schools[school]]
    offered = dict.fromkeys((*most[:MOST_CLASSES], *([section] if section else ())))
    filters = Filters(
        q=q, when=when, band=band, case=case, concern=concern, year=year or "", section=section or "", school=school or "",
        bands=BANDS, cases=CASES, concerns=CONCERNS, years=tuple(Choice(value=one, name=one) for one in years),
        sections=tuple(Choice(value=one, name=sections[one]) for one in sorted(offered, key=day.place_of)),
        schools=_choices(schools) if len(schools) > 1 else (),
        used=any((q, when, band, case, concern, year, section, school)),
    )  # fmt: skip
    return filters, chosen


def _choices(names: Mapping[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(value=key, name=name) for key, name in sorted(names.items(), key=lambda one: (one[1], one[0])))


# -- beside the list ----------------------------------------------------------------------------------------------------


def _due(room: Room, asked: Asked, found: Sequence[_One]) -> tuple[Due, ...]:
    names = {one.student_id: one.name for one in found}
    promised = casebook.due(room.db, room.tenant, asked.account.id, asked.today)
    return tuple(
        Due(student_id=one.student_id, name=names[one.student_id], task=one.task, on=one.on)
        for one in promised
        if one.student_id in names
    )


def _better(found: Sequence[_One]) -> list[_One]:
    """Return who got better: left the list since the one before, and something on record speaks for them."""
    better = [
        one for one in found
        if one.listed and one.listed.before == LISTED and one.listed.band in BANDS[1:3] and one.listed.strength
    ]  # fmt: skip
    return sorted(better, key=lambda one: one.name)[:MOST_GOOD]


def _colleagues(room: Room, asked: Asked) -> tuple[Choice, ...]:
    """Return whom a case can be handed to: everybody else here who works cases."""
    if asked.account.role not in ("counselor", "principal"):
        return ()
    return tuple(
        Choice(value=one.id, name=one.name)
        for one in sorted(people.accounts(room.db, room.tenant), key=lambda one: one.name)
        if one.role == "counselor" and not one.disabled and one.id != asked.account.id
    )


def _in_order(told: Iterable[tuple[Fresh, ...]]) -> tuple[Fresh, ...]:
    """Return how far records reach, those that stopped first first."""
    flat = [one for part in told for one in part]
    return tuple(sorted(flat, key=lambda one: (one.last_on or date.min, one.school, one.source)))

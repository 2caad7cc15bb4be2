"""What a family reads and asks for: the page that staff print for them, corrections, an objection, and the export.

The page shows what staff saw in the same sentences, cut to what a family may read, whoever prints it: nothing of it hangs on
who of the staff does. A day of the past is shown as it was where the list of that day is still kept with its words; else the
page says that it cannot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

import polars as pl

from features.problems import NotFound, Problem, Refused
from features.tables import TABLES
from serving import family_export, lists
from serving.cases import access, casebook, families, people
from serving.cases.access import Visible
from serving.cases.casebook import CaseFile
from serving.cases.families import a_month_after
from serving.cases.people import ROLES
from serving.pages.contexts import family as shown
from serving.pages.contexts.frame import Choice
from serving.pages.contexts.student import Happened, Reads, Support
from serving.pages.render import at
from serving.pages.words import Words, chosen
from serving.review import corrected
from serving.review import student as student_page
from serving.review.room import Answer, Asked, File, Go, Room, Shows
from serving.review.student import Summary
from serving.store import Latest

Row = Mapping[str, Any]

#: So many rows are offered to choose from, the newest first.
MOST_ROWS = 200

#: So many decisions and talks are told, the newest first.
MOST_TOLD = 20

#: Work, marks and days of the last year can be said to be wrong here; for earlier ones somebody is asked in person.
_YEAR = timedelta(days=365)

#: Who of those that see a student is turned to.
_TURN_TO = ("counselor", "counselor_of_school", "principal")

#: What is told of the history of a case: what somebody decided, and no look.
_DECISIONS = tuple(one for one in get_args(Happened) if one != "look")

@runtime_checkable
class Corrects(Protocol):
    """Where an accepted correction is laid over the records, and its student scored again."""

    def corrected(self, tenant: str, asked: Any, today: date) -> int:
        """Return how many rows of the newest list were made anew."""


# -- the page to print ------------------------------------------------------------------------------------------------


def page(room: Room, asked: Asked) -> Answer:
    """Return the family's page, of today or of the day of a kept list, in the family's language where it is there."""
    student = asked.parts["student_id"]
    language, wanted = _language(room, asked, student)
    days = tuple(sorted({_day_of(path) for path in lists.folder_of(room.store).glob("*.parquet")}, reverse=True))
    then, day, unseen = _room_of(room, asked, days)
    told = student_page.summary(then, _as_family(room, asked, student, day, room.words[language]))
    file = casebook.file_of(room.db, room.tenant, student)
    says = tuple(shown.Says(area=one.area, course=one.course, band=one.band) for one in told.says)
    withheld = told.no_score in ("objected", "stopped")
    if unseen == "words_gone" and not withheld:
        says = _bands(room, student, day)
    helped = tuple(_help(one, day) for one in (*told.supports, *told.ended) if one.since <= day)
    objected = next((one for one in families.objections(room.db, room.tenant, student) if one.in_force), None)
    context = shown.Family(
        frame=replace(
            asked.frame,
            saved=() if language != asked.words.language else asked.frame.saved,
            languages=tuple(Choice(value=code, name=one.name) for code, one in room.words.items() if code != language),
        ),
        student_id=student, name=told.person.name, year=told.person.year, school=told.person.school, reads=_reads(asked),
        day=day, as_of=told.as_of, unseen=unseen, days=days[:MOST_TOLD], wanted_language=wanted,
        facts_language=told.facts_language, strengths=told.strengths,
        no_score=told.no_score if withheld or unseen != "words_gone" else None, says=says, quiet=told.quiet,
        facts=tuple(shown.Fact(concern=one.concern, text=one.text, skill=one.skill) for one in told.reasons),
        calendar=told.calendar, work=told.work, marks=told.marks, unknowns=told.unknowns, missing=told.missing,
        running=tuple(one for one in helped if one.until is None), ended=tuple(one for one in helped if one.until),
        decided=_decided(file, day), talks=_talks(file, asked, day),
        requests=tuple(
            corrected.request(room, asked, room.words[language], one)
            for one in families.corrections(room.db, room.tenant, student)
            if one.asked_at.date() <= day and corrected.readable(asked, student, one)
        ),
        objected_on=objected.recorded_at.date() if objected else None, viewers=told.viewers, turn_to=_turn_to(told),
        due_on=a_month_after(asked.today), may_ask=asked.seen.may(student, "ask_correction"),
        may_export=asked.seen.may(student, "export_own"), models=_models(room, told),
    )  # fmt: skip
    return Shows(context, language=language)


def _reads(asked: Asked) -> Reads:
    return "student" if asked.account.role == "student" else "family" if asked.account.role == "guardian" else "staff"


def _language(room: Room, asked: Asked, student: str) -> tuple[str, str]:
    """Return the language of the page, and the family's own where there is no page in it.

    Whoever asks for a language gets it, and a family reads in the language they chose. For staff it is the language in
    which the records say that the family is written to, of those whom the school may reach.
    """
    if "language" in asked.query or _reads(asked) != "staff":
        return asked.words.language, ""
    rows = access.read(room.of_student(student), asked.seen, "guardians", student)
    rows = families.reachable(rows, families.restrictions(room.db, room.tenant), may_know=False)
    first = rows.sort("primary", "guardian_id", descending=[True, False], nulls_last=True).drop_nulls("language")
    spoken = first["language"].to_list()[:1]
    for code in spoken:
        found = chosen(room.words, [code])
        if found.partition("_")[0] == code.replace("-", "_").partition("_")[0].lower():
            return found, ""
    return asked.words.language, next(iter(spoken), "")


def _as_family(room: Room, asked: Asked, student: str, day: date, words: Words) -> Asked:
    """Return the same request as a guardian of the student would make it on a day."""
    guardian = replace(asked.account, role="guardian")
    whom = pl.DataFrame({"student_id": [student], "relation": ["own_child"]})
    return replace(
        asked, signed_in=replace(asked.signed_in, account=guardian), seen=Visible(guardian, day, whom), words=words, today=day,
        query={}, form={},
    )  # fmt: skip


def _room_of(room: Room, asked: Asked, days: Sequence[date]) -> tuple[Room, date, shown.Unseen | None]:
    """Return what pages were made with on the day of a kept list, the day, and why it is not shown as it was, if it is not."""
    said = asked.query.get("as_of", "")
    day = next((one for one in days if one.isoformat() == said), None)
    if day is None:
        return room, asked.today, "no_such_list" if said else None
    latest = room.latest
    if latest is not None and latest.as_of == day:
        return room, day, None
    for path in _lists_of(room, day):
        words = Path("snapshots") / f"{day}-{lists.token_of(path)}" / "scored.parquet"
        if (room.store.folder / words).exists():
            return replace(room, latest=_then(latest, day, str(words))), day, None
    return replace(room, latest=None), day, "words_gone"


def _then(latest: Latest | None, day: date, scored: str) -> Latest:
    """Return a scoring of the past as far as its words go."""
    if latest is None:
        return Latest(day, None, {}, {}, "", {}, scored)
    return replace(latest, as_of=day, snapshots={}, scored=scored)


def _lists_of(room: Room, day: date) -> list[Path]:
    """Return the lists of a day, the one that was made last first."""
    found = [path for path in lists.folder_of(room.store).glob("*.parquet") if _day_of(path) == day]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _day_of(path: Path) -> date:
    return date.fromisoformat(path.name[:10])


def _bands(room: Room, student: str, day: date) -> tuple[shown.Says, ...]:
    """Return what a kept list said of a student whose words are gone: the band of each area that a family may know of."""
    rows = pl.read_parquet(_lists_of(room, day)[0]).filter(pl.col("student_id") == student, pl.col("band").is_not_null())
    found: dict[tuple[str, str], shown.Says] = {}
    for one in rows.iter_rows(named=True):
        area = student_page.AREAS.get(one["target"])
        if area is None or area == "leaving":
            continue
        course = room.day(day).sections.get(one["section_id"] or "", "") if area == "course" else ""
        says, before = shown.Says(area=area, course=course, band=one["band"]), found.get((area, course))
        if before is None or student_page.BANDS.index(says.band) < student_page.BANDS.index(before.band):
            found[area, course] = says
    return tuple(sorted(found.values(), key=lambda one: (student_page.BANDS.index(one.band), one.area, one.course)))


def _help(one: Support, day: date) -> shown.Help:
    over = one.ended_on is not None and one.ended_on <= day
    return shown.Help(
        name=one.name, since=one.since, until=one.ended_on if over else None, dose=one.dose, goal=one.goal,
        result=one.result if over else None,
    )  # fmt: skip


def _decided(file: CaseFile, day: date) -> tuple[shown.Decided, ...]:
    """Return who decided what until a day. Of what was written only the decision and its outcome are told here."""
    found = []
    for one in file.moves:
        if one.action in _DECISIONS and one.at.date() <= day:
            text = " ".join(one.details[name] for name in ("decision", "outcome") if one.details.get(name))
            what: Any = one.action
            found.append(shown.Decided(on=one.at.date(), by=one.by.name, what=what, text=text))
    return tuple(found[:MOST_TOLD])


def _talks(file: CaseFile, asked: Asked, day: date) -> tuple[shown.Talk, ...]:
    """Return the talks with those who read the page: a student's own are not told to the family, nor the family's to them."""
    whom: casebook.Whom = "student" if asked.account.role == "student" else "family"
    mine = [one for one in file.contacts if one.whom == whom and one.on <= day]
    return tuple(shown.Talk(on=one.on, whom=one.whom, agreed=one.agreed, by=one.by.name) for one in mine[:MOST_TOLD])


def _turn_to(told: Summary) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in told.viewers if one.stands in _TURN_TO))


def _models(room: Room, told: Summary) -> tuple[shown.Learned, ...]:
    """Return what the cards say, and how many students they learned from were erased since."""
    targets = {area: target for target, area in student_page.AREAS.items()}
    found = []
    for one in told.cards:
        card: Any = room.desk.model_card(targets[one.area], None, room.tenant)
        erased = card.get("erased_since")
        found.append(
            shown.Learned(area=one.area, listed=one.listed, found=one.found, to=one.to,
                          erased=erased["students"] if erased else None)
        )  # fmt: skip
    return tuple(found)


# -- what can be asked for --------------------------------------------------------------------------------------------


def requests(room: Room, asked: Asked) -> shown.Requests:
    """Return the page of what can be asked for, with what was asked so far."""
    student = asked.parts["student_id"]
    said = asked.sent("subject") or asked.query.get("about", "")
    subject = next((one for one in corrected.FIELDS if one == said), None)
    rows = _rows(room, asked, subject) if subject else {}
    objected = next((one for one in families.objections(room.db, room.tenant, student) if one.in_force), None)
    guardians = asked.seen.may(student, "see_contact")
    return shown.Requests(
        frame=asked.frame, student_id=student, name=room.names(asked).get(student, (student, ""))[0],
        due_on=a_month_after(asked.today), subjects=_subjects(room, asked), subject=subject,
        rows=tuple(Choice(value=value, name=one.name) for value, one in rows.items()),
        kind=corrected.FIELDS[subject].kind if subject else "words", values=_values(asked.words, subject),
        because=_because(room, asked), typed_row=asked.sent("row"),
        typed_value=asked.sent("value"), typed_why=asked.sent("why"),
        asked=tuple(
            corrected.request(room, asked, asked.words, one)
            for one in families.corrections(room.db, room.tenant, student) if corrected.readable(asked, student, one)
        ),
        may_object=asked.seen.may(student, "object"),
        objected_on=objected.recorded_at.date() if objected else None,
        objected_at_school=access.objected(room.records, student, asked.today, "profiling"),
        may_export=asked.seen.may(student, "export_own"), shows_guardians=guardians,
        guardians=_guardians(room, asked, student) if guardians else (),
        may_restrict=asked.seen.may(student, "restrict_contact"), typed_guardian=asked.sent("guardian"),
        typed_restriction=asked.sent("restriction"), turn_to=_whom(room, asked, student),
    )  # fmt: skip


def _because(room: Room, asked: Asked) -> str:
    """Return the disagreement of the reader that a correction would go with, if one waits for it."""
    because = asked.sent("because") or asked.query.get("because", "")
    waits = because and casebook.waits_for_correction(room.db, asked.account, asked.parts["student_id"], because)
    return because if waits else ""


def ask_correction(room: Room, asked: Asked) -> Answer:
    """Ask that one value be corrected, of a row that the reader may see."""
    student = asked.parts["student_id"]
    subject = next((one for one in corrected.FIELDS if one == asked.sent("subject")), None)
    row = _rows(room, asked, subject).get(asked.sent("row")) if subject else None
    if subject is None or row is None:
        raise Refused([Problem("correction_row", "row", "nothing was chosen", "Choose what is wrong.")],
                      "The correction was not asked for")  # fmt: skip
    field = corrected.FIELDS[subject]
    families.ask_correction(
        room.db, room.records, student, field.table, row.key, field.column, _value(subject, asked.sent("value")),
        asked.sent("why"), asked.now, asked.today, by=asked.account, because=asked.sent("because"),
    )  # fmt: skip
    return Go(at("requests", student_id=student), "correction_asked")


def object_to_scoring(room: Room, asked: Asked) -> Answer:
    """Object to being scored; every support goes on."""
    student = asked.parts["student_id"]
    families.object_to_scoring(room.db, room.tenant, student, asked.now, by=asked.account)
    return Go(at("requests", student_id=student), "objected")


def withdraw_objection(room: Room, asked: Asked) -> Answer:
    """Take an objection back."""
    student = asked.parts["student_id"]
    families.withdraw_objection(room.db, room.tenant, student, asked.now, by=asked.account)
    return Go(at("requests", student_id=student), "objection_withdrawn")


def restrict(room: Room, asked: Asked) -> Answer:
    """Enter whom the school must not reach about the student."""
    student = asked.parts["student_id"]
    known = {one.guardian_id for one in _guardians(room, asked, student)}
    if asked.sent("guardian") not in known:
        raise Refused([Problem("guardian", "person", "nobody of the family was chosen", "Choose whom.")],
                      "The restriction was not entered")  # fmt: skip
    entered = families.restrict_contact(
        room.db, room.tenant, student, asked.sent("guardian"), asked.sent("restriction"), asked.now, asked.today,
        by=asked.account,
    )  # fmt: skip
    _lay_over(room, entered, asked.today)
    return Go(at("requests", student_id=student), "restricted")


def lift_restriction(room: Room, asked: Asked) -> Answer:
    """End a restriction of this student that staff entered."""
    student, restriction = asked.parts["student_id"], asked.parts["restriction_id"]
    if restriction not in {one.id for one in families.restrictions(room.db, room.tenant) if one.student_id == student}:
        raise NotFound("There is no such restriction.")
    families.lift_restriction(room.db, room.tenant, restriction, asked.now, by=asked.account)
    return Go(at("requests", student_id=student), "restriction_lifted")


def export(room: Room, asked: Asked) -> File:
    """Return everything that is held of the student, for the student or a guardian to take away. The trail has its line."""
    student = asked.parts["student_id"]
    found = family_export.everything(room.db, room.store, room.records, asked.seen, student, asked.now)
    packed = family_export.as_zip(found, family_export.photo_of(room.store, found))
    return File(packed, "application/zip", "homeroom-record.zip")


# -- what staff decide ------------------------------------------------------------------------------------------------


def corrections(room: Room, asked: Asked) -> Answer:
    """Return the corrections that wait for the reader's decision, the one that is due first first."""
    names = room.names(asked)
    waiting = [
        one for one in families.corrections(room.db, room.tenant, states=["open"])
        if asked.seen.may(one.student_id, "decide_correction") and corrected.readable(asked, one.student_id, one)
    ]  # fmt: skip
    waiting.sort(key=lambda one: (one.due_on, one.asked_at, one.id))
    typed = asked.parts.get("correction_id", "")
    words = asked.words
    found = tuple(
        shown.OpenRequest(
            correction_id=one.id, student_id=one.student_id, name=names.get(one.student_id, (one.student_id, ""))[0],
            about=corrected.about(one), row=corrected.row_name(room, asked, words, one),
            was=corrected.in_words(words, corrected.about(one), one.was),
            should=corrected.in_words(words, corrected.about(one), one.value), why=one.why,
            asked_role=next((role for role in ROLES if role == one.asked_role), None), on=one.asked_at.date(),
            due_on=one.due_on, late=one.due_on < asked.today, own=one.asked_by == asked.account.id,
            typed=asked.sent("reason") if one.id == typed else "",
        )
        for one in waiting
    )  # fmt: skip
    return Shows(shown.Corrections(frame=asked.frame, waiting=found), tuple(dict.fromkeys(one.student_id for one in waiting)))


def decide_correction(room: Room, asked: Asked) -> Answer:
    """Accept or refuse a correction; what was accepted is laid over the records, and the student is scored again."""
    found = families.find_correction(room.db, room.tenant, asked.parts["correction_id"])
    if found.student_id != asked.parts["student_id"] or not corrected.readable(asked, found.student_id, found):
        raise NotFound("There is no such correction.")
    decision = asked.sent("decision")
    if decision not in ("accept", "refuse"):
        raise Refused([Problem("correction_choice", "decision", "neither was chosen", "Accept or refuse it.")],
                      "The correction was not decided")  # fmt: skip
    decided = families.decide_correction(
        room.db, room.tenant, found.id, decision == "accept", asked.sent("reason"), asked.now, asked.today, by=asked.account
    )
    if decision == "accept":
        _lay_over(room, decided, asked.today)
    return Go(at("corrections"), "correction_accepted" if decision == "accept" else "correction_refused")


def _lay_over(room: Room, decided: Any, today: date) -> None:
    """Lay what was decided over the records that are kept. Where that cannot be done now, the next export has it."""
    if isinstance(room.desk, Corrects):
        try:
            room.desk.corrected(room.tenant, decided, today)
        except NotFound:
            return


# -- corrections in words ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Offered:
    """A row to choose from: what it is called, and its natural key."""

    name: str
    key: Mapping[str, str]


def _subjects(room: Room, asked: Asked) -> tuple[shown.Subject, ...]:
    """Return what of the records can be said to be wrong: what is there, and what the reader may see."""
    return tuple(
        one for one, field in corrected.FIELDS.items()
        if room.records.holds(field.table) and asked.seen.may(asked.parts["student_id"], access.SHOWN[field.table])
    )  # fmt: skip


def _rows(room: Room, asked: Asked, subject: shown.Subject) -> dict[str, _Offered]:
    """Return the rows of the last year that the reader may see, by a digest of their keys, the newest first."""
    student, field = asked.parts["student_id"], corrected.FIELDS[subject]
    table = TABLES[field.table]
    found = access.read(room.of_student(student), asked.seen, field.table, student)
    if table.event in found.columns:
        found = found.filter(pl.col(table.event) >= asked.today - _YEAR).sort(table.event, descending=True)
    rows = list(found.head(MOST_ROWS).iter_rows(named=True))
    if subject in ("year", "device", "internet"):
        rows = rows[:1]  # what counts is what was recorded last
    titles = corrected.titles(room, asked.today, [one["assignment_id"] for one in rows if "assignment_id" in one])
    offered = {}
    for one in rows:
        key = {name: families.as_text(one[name]) or "" for name in table.natural_key}
        was = corrected.in_words(asked.words, subject, families.as_text(one[field.column]))
        which = corrected.which(room, asked.words, asked.today, titles, key)
        name = asked.words.say("requests.row", row=which, was=was) if which else was
        digest = hashlib.sha256(json.dumps([field.table, key], sort_keys=True).encode()).hexdigest()[:16]
        offered[digest] = _Offered(name or asked.words.say("requests.nothing"), key)
    return offered


def _values(words: Words, subject: shown.Subject | None) -> tuple[Choice, ...]:
    """Return the values to choose from, in words."""
    known: Iterable[str] = ()
    if subject == "missed":
        known = corrected.SHARES
    elif subject == "excused":
        known = corrected.ANSWERS
    elif subject in ("device", "internet"):
        known = TABLES[corrected.FIELDS[subject].table].column(corrected.FIELDS[subject].column).values
    return tuple(Choice(value=one, name=corrected.in_words(words, subject or "other", one)) for one in known)


def _value(subject: shown.Subject, sent: str) -> str | None:
    """Return a value in the notation of the records: a mark is asked for of 100 and kept as a share."""
    if subject != "mark" or not sent:
        return sent or None
    try:
        return str(round(float(sent.replace(",", ".")) / 100, 6))
    except ValueError:
        return sent  # refused as what it is


# -- whom the school may reach ----------------------------------------------------------------------------------------


def _guardians(room: Room, asked: Asked, student: str) -> tuple[shown.Guardian, ...]:
    """Return whom the school may reach, and whom it must not to those who have to know."""
    rows = access.read(room.of_student(student), asked.seen, "guardians", student)
    entered = [one for one in families.restrictions(room.db, room.tenant) if one.student_id == student]
    rows = families.reachable(rows, entered, asked.seen.may(student, "see_contact_restriction"))
    ids = {one.guardian_id: one.id for one in entered}
    kinds = {kind: kind for kind in get_args(shown.Restriction)}
    return tuple(
        shown.Guardian(
            guardian_id=one["guardian_id"], name=one["name"] or one["guardian_id"], language=one["language"] or "",
            restriction=kinds.get(one["contact_restriction"]), restriction_id=ids.get(one["guardian_id"], ""),
        )
        for one in rows.sort("guardian_id").iter_rows(named=True)
    )  # fmt: skip


def _whom(room: Room, asked: Asked, student: str) -> tuple[str, ...]:
    """Return whom to turn to at school, by name."""
    known = people.accounts(room.db, room.tenant)
    viewers = access.who_can_see(room.records, known, student, asked.today, now=asked.now, reader=asked.account)
    found = [one.account.name for one in viewers if access.CALLED[one.account.role, one.relation] in _TURN_TO]
    return tuple(dict.fromkeys(found))

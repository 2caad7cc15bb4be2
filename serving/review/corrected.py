"""Corrections in plain words: what of the records can be said to be wrong, where it stands, and how a page says its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from features.tables import TABLES
from serving.cases import access, families
from serving.cases.families import Correction
from serving.pages.contexts import family as shown
from serving.pages.words import Words
from serving.review.room import Asked, Room

#: Values in the notation of the records, and the phrases that say them.
SHARES: Mapping[str, str] = {"0": "requests.share.none", "0.5": "requests.share.half", "1": "requests.share.whole"}
ANSWERS: Mapping[str, str] = {"true": "requests.answer.yes", "false": "requests.answer.no"}


@dataclass(frozen=True)
class Field:
    """Where a subject stands in the records, and how its value is written."""

    table: str
    column: str
    kind: shown.Kind


#: Every subject of a correction, in the order in which they are offered.
FIELDS: Mapping[shown.Subject, Field] = {
    "missed": Field("attendance", "absent_share", "choice"),
    "excused": Field("attendance", "excused", "choice"),
    "handed_in": Field("submissions", "submitted_on", "day"),
    "score": Field("results", "score", "number"),
    "mark": Field("course_marks", "mark_share", "number"),
    "year": Field("enrolments", "grade_level", "number"),
    "given_name": Field("identities", "given_name", "words"),
    "family_name": Field("identities", "family_name", "words"),
    "preferred_name": Field("identities", "preferred_name", "words"),
    "pronouns": Field("identities", "pronouns", "words"),
    "device": Field("digital_access", "device", "choice"),
    "internet": Field("digital_access", "internet", "choice"),
}

#: The same by where it stands.
_SUBJECTS: Mapping[tuple[str, str], shown.Subject] = {(one.table, one.column): name for name, one in FIELDS.items()}


def about(one: Correction) -> shown.About:
    """Return what a correction is about, in one word."""
    return _SUBJECTS.get((one.table, one.column), "other")


def which(room: Room, words: Words, day: date, titles: Mapping[str, str], key: Mapping[str, str]) -> str:
    """Return of which day, piece of work or class a row is; nothing where there is only one."""
    if "on" in key:
        return words.say("requests.on", on=date.fromisoformat(key["on"]))
    if "assignment_id" in key:
        return titles.get(key["assignment_id"], key["assignment_id"])
    if "section_id" in key:
        return room.day(day).sections.get(key["section_id"], key["section_id"])
    return ""


def titles(room: Room, day: date, assignments: Sequence[str]) -> Mapping[str, str]:
    """Return what pieces of work are called: their class, and their title where they have one."""
    if not assignments or not room.records.holds("assignments"):
        return {}
    rows = room.records.visible("assignments", [day]).filter(pl.col("assignment_id").is_in(list(assignments)))
    sections = room.day(day).sections
    found = {}
    for one, section, title in rows.select("assignment_id", "section_id", "title").collect().iter_rows():
        found[one] = ": ".join(part for part in (sections.get(section, ""), title or one) if part)
    return found


def row_name(room: Room, asked: Asked, words: Words, one: Correction) -> str:
    """Return of which day, piece of work or class a correction is; nothing where there is only one."""
    work = [one.key["assignment_id"]] if "assignment_id" in one.key else []
    return which(room, words, asked.today, titles(room, asked.today, work), one.key)


def request(room: Room, asked: Asked, words: Words, one: Correction) -> shown.Request:
    """Return a correction as a page has it."""
    what = about(one)
    return shown.Request(
        about=what, row=row_name(room, asked, words, one), was=in_words(words, what, one.was),
        should=in_words(words, what, one.value), on=one.asked_at.date(), due_on=one.due_on, state=one.state,
        by=one.decided_name or "", decided_on=one.decided_on, reason=one.reason or "",
    )  # fmt: skip


def disputes(room: Room, asked: Asked, student: str) -> tuple[shown.Request, ...]:
    """Return what somebody says is wrong with the record and still stands as it was: a note of it stands beside the record."""
    found = families.disputed(room.db, room.tenant, student)
    return tuple(request(room, asked, asked.words, one) for one in found if readable(asked, student, one))


def readable(asked: Asked, student: str, one: Correction) -> bool:
    """Whether the reader may see the table that a correction is about; some tables are shown to nobody."""
    right = access.SHOWN.get(one.table)
    return right is not None and asked.seen.may(student, right)


def in_words(words: Words, what: shown.About, value: str | None) -> str:
    """Return a value of the records as a page says it; empty for nothing."""
    if value is None or what == "other":
        return value or ""
    field = FIELDS[what]
    kept = families.typed(TABLES[field.table].column(field.column), value)  # a day or a yes may be written in several ways
    match what:
        case "missed" | "mark":
            phrase = next((one for said, one in SHARES.items() if what == "missed" and float(said) == kept), "")
            return words.say(phrase) if phrase else words.say("requests.of_100", number=round(100 * kept, 1))
        case "excused":
            return words.say(ANSWERS[families.as_text(kept) or ""])
        case "handed_in":
            return words.say("requests.on", on=kept)
        case "device" | "internet":
            return words.named(f"student.{what}", kept)
    return value

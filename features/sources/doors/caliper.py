"""Caliper 1.1 and 1.2: what people did in an online classroom, event by event, as rows of ``activity`` by day and kind.

A file holds events, or envelopes with events in them, one a line or in one array. An event is a student's where its actor is
known by one of the names that the export has for students, and of a class where its group is. The day is the one that
``eventTime`` is written in, which is UTC. Only events of learners in a class are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from features.delimited import ROW
from features.problems import Problem
from features.records import with_versions
from features.sources.companions import Known, joined, names_of
from features.sources.doors.documents import SEVERAL, Field, made, objects, value, values
from features.tables import TABLES, Column
from features.translation import Translated
from features.validation import Account, Found, Origin, check

_TABLE = TABLES["activity"]

#: An event that is counted: as a row of ``activity``, and which one it is.
EVENTS = replace(_TABLE, columns=(
    *(replace(column, natural=False) for column in _TABLE.columns if column.name not in {"actions", "resources"}),
    Column("event_id", pl.String(), "Key of the event.", "internal", "join"),
    Column("object", pl.String(), "What was opened.", "internal", "join", required=True),
))  # fmt: skip

_ACTOR, _GROUP = "actor.otherIdentifiers", "group.otherIdentifiers"

_FIELDS = tuple(Field(path) for path in ("id", "type", "action", "eventTime", "actor.id", "actor.type", _ACTOR, "object.id",
                                         "object.type", "group.id", _GROUP, "membership.roles"))  # fmt: skip

#: What kind of thing an object is, by its type.
_OBJECTS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("Assessment", "AssessmentItem", "Attempt", "Response", "FillinBlankResponse", "MultipleChoiceResponse",
                   "MultipleResponseResponse", "SelectTextResponse", "TrueFalseResponse", "Result"), "quiz")
    | dict.fromkeys(("Forum", "Thread", "Message"), "discussion")
    | dict.fromkeys(("Page", "WebPage", "Document", "Chapter", "Frame", "Link", "DigitalResource", "EpubChapter", "EpubPart",
                     "EpubSubChapter", "EpubVolume", "Reading", "MediaObject", "AudioObject", "VideoObject", "ImageObject",
                     "MediaLocation", "Annotation", "BookmarkAnnotation", "HighlightAnnotation", "TagAnnotation",
                     "SharedAnnotation"), "content")
    | dict.fromkeys(("DigitalResourceCollection", "CourseSection", "CourseOffering", "Course", "Group", "Organization",
                     "Session", "LtiSession", "SearchResponse", "Query"), "navigation")
)  # fmt: skip

#: The kind of an event whose type says more than that of its object.
_TYPES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("AssessmentEvent", "AssessmentItemEvent"), "quiz")
    | dict.fromkeys(("ForumEvent", "ThreadEvent", "MessageEvent"), "discussion")
    | dict.fromkeys(("MediaEvent", "ReadingEvent", "AnnotationEvent"), "content")
    | dict.fromkeys(("SessionEvent", "SearchEvent"), "navigation")
    | dict.fromkeys(("ToolUseEvent", "ToolLaunchEvent", "FeedbackEvent", "SurveyEvent", "SurveyInvitationEvent",
                     "QuestionnaireEvent", "QuestionnaireItemEvent", "ResourceManagementEvent"), "other")
)  # fmt: skip

#: Events about work that is marked: the actor gives the mark, or is a program.
_MARKS = ("GradeEvent", "OutcomeEvent")

_PERSONS = ("", "Person", "Agent", "Entity")

#: Names in the extensions of Canvas and others by which a school's own system knows somebody or something.
_SCHOOLS_OWN = ("sis_id", "sis_source_id", "sissourceid", "user_login", "user_sis_id", "context_sis_source_id")

_LEFT = {
    "entity": "that describe and tell of nothing done", "again": "sent more than once", "marks": "that give a mark",
    "program": "of programs and groups", "staff": "of others than learners", "elsewhere": "outside of a class",
}  # fmt: skip


@dataclass(frozen=True)
class Activity:
    """What files of events give: rows of ``activity``, the account of every event, and what was set aside."""

    rows: pl.DataFrame
    accounts: tuple[Account, ...]
    problems: tuple[Problem, ...]
    quarantine: Mapping[str, pl.DataFrame]


def is_caliper(text: str) -> bool:
    """Return whether the beginning of a file is that of events: they have a time, and an actor or an envelope."""
    return '"eventTime"' in text or ("caliper" in text and '"data"' in text and '"sensor"' in text)


def read(paths: Sequence[Path], known: Known, tenant: str) -> Activity:
    """Return the activity that events tell of.

    Args:
        paths: the files; an event that is in several of them, by its id, is counted once.
        known: the main format's names and tables, with all companions.
        tenant: whose rows they are.

    Raises:
        Refused: a file is not JSON, or holds no objects.

    """
    seen: set[str] = set()
    checked = [_read(path, known, seen) for path in paths]
    kept = pl.concat([one.kept for one, _ in checked]) if checked else pl.DataFrame(schema=EVENTS.schema)
    rows = kept.group_by(_TABLE.natural_key, maintain_order=True).agg(
        pl.len().cast(pl.Int32).alias("actions"), pl.col("object").n_unique().cast(pl.Int32).alias("resources"))  # fmt: skip
    return Activity(
        with_versions(rows, _TABLE, tenant),
        tuple(one.account for one, _ in checked),
        tuple(problem for one, _ in checked for problem in one.problems),
        {file: one.quarantined for one, file in checked},
    )


def _read(path: Path, known: Known, seen: set[str]) -> tuple[Any, str]:
    cells: dict[str, list[str | None]] = {one.path: [] for one in _FIELDS}
    wrong: dict[str, set[int]] = {}
    places: list[int] = []
    entities = 0
    for place, one in enumerate(_events(path), start=1):
        if one is None:
            entities += 1
            continue
        places.append(place)
        for name, cell in one.items():
            if cell is _WRONG:
                wrong.setdefault(name, set()).add(place)
            cells[name].append(None if cell is _WRONG else cell or None)
    rows = made(path, cells, places, _FIELDS, wrong)
    content = rows.frame.with_columns(pl.lit(None, pl.String).alias(one.path) for one in _FIELDS
                                      if one.path not in rows.frame.columns)  # fmt: skip
    left = _left_out(content, known, seen)
    counted = content.filter(left.is_null())
    told = {"entity": entities} | {str(why): count for why, count in left.drop_nulls().value_counts().iter_rows()}
    why = "; ".join(f"{told[name]:,} {says}" for name, says in _LEFT.items() if told.get(name))
    students, faults = _whose(counted, "student_id", "actor.id", _ACTOR, known)
    classes, more = _whose(counted, "section_id", "group.id", _GROUP, known)
    kind = pl.coalesce(
        _tail("type").replace_strict(dict(_TYPES), default=None, return_dtype=pl.String),
        _tail("object.type").replace_strict(dict(_OBJECTS), default="other", return_dtype=pl.String),
    )
    frame = counted.select(
        pl.lit(students).alias("student_id"), pl.lit(classes).alias("section_id"),
        pl.col("eventTime").str.replace(_MOMENT, "$1").alias("on"), kind.alias("kind"), pl.col("id").alias("event_id"),
        pl.col("object.id").alias("object"),
    )  # fmt: skip
    names = {"student_id": "actor.id", "section_id": "group.id", "on": "eventTime", "kind": "type", "event_id": "id",
             "object": "object.id", "enrolment_id": "actor.id, eventTime"}  # fmt: skip
    origin = Origin(counted, counted[ROW], names, (), entities + left.len() - left.null_count(), why)
    origin = replace(origin, found=(*rows.faults(origin), *faults, *more))
    ours = joined(Translated(frame, origin), EVENTS, {}, known, path.name)
    keys = {name: known.tables[name][TABLES[name].natural_key[0]] for name in ("students", "enrolments", "sections")
            if name in known.tables}  # fmt: skip
    owners = known.tables.get("enrolments")
    return check(ours.frame, EVENTS, path.name, keys, (), ["event_id"], owners, ours.origin), path.name


#: A moment as Caliper writes it, of which the day is kept; anything else is told as no date.
_MOMENT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[-+][0-9]{2}:?[0-9]{2})?$"

_WRONG = "\0wrong"


def _tail(path: str) -> pl.Expr:
    """Return a type without the address that Caliper 1.0 puts before it."""
    return pl.col(path).fill_null("").str.replace(r"^.*[/#]", "")


# -- events ------------------------------------------------------------------------------------------------------------


def _events(path: Path) -> Iterator[dict[str, str] | None]:
    """Yield the fields of every event, and nothing for an entity that is only described."""
    for _, one in objects(path):
        data = one.get("data")
        if not isinstance(data, list) or "eventTime" in one:
            yield _event(one, {})
            continue
        things = {each["id"]: each for each in data
                  if isinstance(each, dict) and isinstance(each.get("id"), str) and "eventTime" not in each}  # fmt: skip
        for each in data:
            yield _event(each, things) if isinstance(each, dict) else dict.fromkeys((one.path for one in _FIELDS), _WRONG)


def _event(one: Mapping[str, Any], things: Mapping[str, Any]) -> dict[str, str] | None:
    if "eventTime" not in one and "action" not in one:
        return None
    found = {}
    for path in ("id", "type", "action", "eventTime"):
        told, right = values(one, path)
        found[path] = told[0] if right and len(told) == 1 else _WRONG if told or not right else ""
    for name in ("actor", "object", "group"):
        thing = _thing(one.get(name), things)
        if name == "group" and thing is None:
            member = _thing(one.get("membership"), things)
            thing = _thing(member.get("organization"), things) if isinstance(member, dict) else None
        if name == "group":
            thing = _class(thing, things)
        key = value(thing, "id") if isinstance(thing, dict) else ""
        found[f"{name}.id"] = _WRONG if thing is not None and not key else key
        if name != "group":
            found[f"{name}.type"] = value(thing, "type")
        if name != "object":
            found[f"{name}.otherIdentifiers"] = SEVERAL.join(_others(thing))
    member = _thing(one.get("membership"), things)
    found["membership.roles"] = SEVERAL.join(values(member, "roles")[0]) if member is not None else ""
    return found


def _thing(given: object, things: Mapping[str, Any]) -> Any:
    """Return what is spoken of: an entity, or one of the same envelope where only its id is given."""
    return things.get(given, {"id": given}) if isinstance(given, str) and given else given


def _class(group: Any, things: Mapping[str, Any]) -> Any:
    """Return the class that a group is of: a team in a class is not what has a roster."""
    at, steps = group, 0
    while isinstance(at, dict) and value(at, "type") != "CourseSection" and steps < len(_LEFT):
        at, steps = _thing(at.get("subOrganizationOf"), things), steps + 1
    return at if isinstance(at, dict) else group


def _others(thing: object) -> list[str]:
    """Return the other identifiers of somebody or something: those of Caliper 1.2, and those of a school's own system."""
    found = values(thing, "otherIdentifiers.identifier")[0] + values(thing, "courseNumber")[0]
    extensions = thing.get("extensions") if isinstance(thing, dict) else None
    for one in (extensions, *(extensions.values() if isinstance(extensions, dict) else ())):
        if isinstance(one, dict):
            found += [text for name in one if name.lower() in _SCHOOLS_OWN for text in values(one, name)[0]]
    return list(dict.fromkeys(text for text in found if SEVERAL not in text))


def _left_out(content: pl.DataFrame, known: Known, seen: set[str]) -> pl.Series:
    """Return for each event why it is not counted, null where it is; ``seen`` gets the ids of this file."""
    again = content["id"].is_not_null() & (content["id"].is_in(list(seen)) | ~content["id"].is_first_distinct())
    seen.update(content["id"].drop_nulls())
    staff = names_of("staff_id", known).filter(~pl.col("kind").is_in(_TITLES))
    students = names_of("student_id", known)
    theirs = staff.filter(~pl.col("value").is_in(students["value"].implode()))["value"]
    who = content.select("actor.id", _ACTOR).unique()
    ids = [key for key, others in who.iter_rows()
           if key and {key, _end(key), *(others or "").split(SEVERAL)} & set(theirs)]  # fmt: skip
    roles = pl.col("membership.roles")
    why = content.select(
        pl.when(pl.lit(again)).then(pl.lit("again"))
        .when(pl.col("actor.id").is_null() | pl.col("eventTime").is_null()).then(None)
        .when(_tail("type").is_in(_MARKS)).then(pl.lit("marks"))
        .when(~_tail("actor.type").is_in(_PERSONS)).then(pl.lit("program"))
        .when((roles.is_not_null() & ~roles.str.contains("Learner")) | pl.col("actor.id").is_in(ids)).then(pl.lit("staff"))
        .when(pl.col("group.id").is_null()).then(pl.lit("elsewhere"))
        .otherwise(None).cast(pl.String).alias("why")
    )  # fmt: skip
    return why.to_series()


# -- names -------------------------------------------------------------------------------------------------------------

#: Kinds of names that are no identifiers.
_TITLES = ("title", "name")

_ONE = {"student_id": "student", "section_id": "section"}


def _end(key: str) -> str:
    """Return the last part of an address or a name: ``554433`` of ``https://example.edu/users/554433``."""
    return min((key.rstrip("/").rpartition(sign)[2] for sign in "/:#="), key=len)


def _whose(content: pl.DataFrame, column: str, own: str, others: str, known: Known) -> tuple[pl.Series, list[Found]]:
    """Return the key that each row's actor or group has in the export, and the faults of those that have none or several.

    A name counts as a whole first, with the other identifiers beside it. Where none of these is known its last part is
    looked up, in one kind of identifiers for all names that begin alike: the one that knows most of them.
    """
    names = names_of(column, known).filter(~pl.col("kind").is_in(_TITLES))
    whole: dict[str, set[str]] = {}
    by_kind: dict[str, dict[str, set[str]]] = {}
    for kind, text, key in names.sort("kind", "value", "key").iter_rows():
        whole.setdefault(text, set()).add(key)
        by_kind.setdefault(kind, {}).setdefault(text, set()).add(key)
    found: dict[tuple[str, str], set[str]] = {}
    ends: dict[str, list[tuple[tuple[str, str], str]]] = {}
    for one, more in content.select(own, others).unique(maintain_order=True).iter_rows():
        who = (one or "", more or "")
        told = [text for text in (who[0], *who[1].split(SEVERAL)) if text]
        keys = {key for text in told for form in (text, text.lower()) for key in whole.get(form, ())}
        if keys or not who[0]:
            found[who] = keys
        else:
            end = _end(who[0])
            ends.setdefault(who[0].rstrip("/").removesuffix(end), []).append((who, end))
    for alike in ends.values():
        known_by = {kind: sum(end in of or end.lower() in of for _, end in alike) for kind, of in by_kind.items()}
        best = by_kind[max(known_by, key=lambda kind: known_by[kind])] if known_by else {}
        for who, end in alike:
            found[who] = best.get(end) or best.get(end.lower()) or set()
    pairs = [found[one or "", more or ""] for one, more in content.select(own, others).iter_rows()]
    keys_of = pl.Series([next(iter(keys)) if len(keys) == 1 else None for keys in pairs], dtype=pl.String)
    given = content[own].is_not_null()
    what = _ONE[column]
    faults = [
        Found(f"unknown_{what}", own, f"no {what} of the export is named so", "Send the identifiers with the export.",
              given & pl.Series([not keys for keys in pairs], dtype=pl.Boolean)),
        Found(f"ambiguous_{what}", own, f"more than one {what} of the export is named so", "Send an identifier of one alone.",
              given & pl.Series([len(keys) > 1 for keys in pairs], dtype=pl.Boolean)),
    ]  # fmt: skip
    return keys_of, [one for one in faults if one.rows.any()]

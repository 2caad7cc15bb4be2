"""The sheet of a team meeting: cut to what every colleague may read, groups first, with lines to write on."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import example_school as school
import polars as pl
import pytest
from lesson_examples import FRAME
from meeting_examples import MEETING
from postgres import BOTH, migrated_database
from sqlalchemy import Engine

from features.records import SchoolRecords
from serving.batch import SCHEMA
from serving.cases import agenda, casebook
from serving.cases.access import visible
from serving.cases.database import open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import ACCOUNTS
from serving.pages.contexts.meeting import Meeting
from serving.pages.render import Pages
from serving.pages.words import open_words
from serving.review import meeting
from serving.review.room import Asked, Room
from serving.review.settings import ReviewSettings
from serving.store import Latest, Store

WORDS = open_words()
TODAY = school.TODAY
NOW = datetime(2026, 11, 13, 15, 30, tzinfo=UTC)
RUTH = Account("ruth", "default", "ruth", "Ruth Okoro", "teacher", "T-1", None)
IDA = Account("ida", "default", "ida", "Ida Lovell", "counselor", "C-1", None)
PAT = Account("pat", "default", "pat", "Pat Chen", "principal", "P-1", None)


@cache
def records() -> SchoolRecords:
    staff = {
        "teaching": pl.DataFrame({"staff_id": ["T-1"], "section_id": ["algebra-autumn"]}),
        "staff_roles": pl.DataFrame({"staff_id": ["T-1", "C-1", "P-1"], "organisation_id": ["lincoln"] * 3,
                                     "role": ["teacher", "counselor", "principal"]}),
    }  # fmt: skip
    return replace(SchoolRecords.from_frames({**school.tables(), **staff}), digest="the example school of the meeting")


def row(student: str, target: str, band: str, probability: float, concept: str) -> dict[str, Any]:
    reason = {
        "concept": concept,
        "feature": "x",
        "value": 1.0,
        "contribution": 0.4,
        "text": f"The student has {concept} on record.",
    }
    return {
        **dict.fromkeys(SCHEMA), "prediction_id": f"{student}{target}", "student_id": student, "target": target,
        "enrolment_id": f"{student}-autumn", "as_of": TODAY, "status": "scored", "band": band, "probability": probability,
        "reasons": [reason], "strengths": [], "unknowns": [], "model_version": "1",
    }  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Engine:
    return opened("sqlite", tmp_path)


def opened(kind: str, folder: Path) -> Engine:
    engine = open_database(migrated_database(kind, folder))
    create_tenant(engine, "default")
    with writing(engine) as connection:
        for one in (RUTH, IDA, PAT):
            connection.execute(ACCOUNTS.insert().values(
                id=one.id, tenant_id="default", login=one.login, name=one.name, role=one.role, language="en", password_hash="",
                created_at=NOW, failed_attempts=0, person_id=one.person_id,
            ))  # fmt: skip
    return engine


@pytest.fixture
def room(db: Engine, tmp_path: Path) -> Room:
    rows = [
        row("ana", "dropout", "check_in_suggested", 0.9, "attendance"),
        row("ana", "chronic_absence", "no_extra_signal", 0.1, "coursework"),
        *(row(who, "chronic_absence", "check_in_suggested", 0.5 + at / 100, "attendance")
          for at, who in enumerate(("ben", "cal", "dee"))),
        row("eli", "chronic_absence", "keep_an_eye", 0.3, "attendance"),
        *(row(who, "chronic_absence", "no_extra_signal", 0.05, "attendance") for who in ("fay", "gus", "hal")),
    ]  # fmt: skip
    store = Store(tmp_path)
    pl.DataFrame(rows, schema=dict(SCHEMA)).write_parquet(tmp_path / "scored.parquet")
    latest = Latest(TODAY, TODAY, {}, {}, "t", {}, "scored.parquet")
    return Room("default", db, store, records(), latest, cast(Any, None), WORDS, ReviewSettings(capacity=20))


def asked(account: Account, **query: str) -> Asked:
    signed_in = cast(Any, SimpleNamespace(account=account))
    return Asked(signed_in, visible(records(), account, TODAY), FRAME, WORDS["en"], TODAY, NOW, {}, query, {})


def sheet(room: Room, account: Account = IDA, **query: str) -> Meeting:
    found = meeting.page(room, asked(account, **{"year": "9", **query})).page
    assert isinstance(found, Meeting)
    return found


@pytest.mark.full
def test_the_sheet_holds_who_is_on_the_list_by_a_reason_that_every_colleague_may_know(room: Room) -> None:
    for account in (IDA, PAT, RUTH):
        found = sheet(room, account)
        assert [one.student_id for one in found.items] == ["dee", "cal", "ben"], "Ana is there for counselors alone"
        assert found.items[0].reason == "Dee Okafor has attendance on record."
    html = Pages(WORDS["en"]).render(sheet(room))
    assert not re.search(r"probabilit|0\.\d\d|leaving|dropout", html)


@pytest.mark.full
def test_groups_that_share_a_concern_come_before_any_student(room: Room) -> None:
    found = sheet(room)
    assert {(one.kind, one.concern, one.count) for one in found.shared} >= {("grade", "attendance", 4)}
    html = Pages(WORDS["en"]).render(found)
    assert html.index('id="h-shared"') < html.index('id="h-items"')


@pytest.mark.full
def test_whom_a_colleague_brought_up_comes_first_and_what_was_agreed_is_told_without_a_note(room: Room) -> None:
    casebook.raise_student(room.db, RUTH, "gus", "He sits alone.", TODAY, NOW)
    casebook.add_note(room.db, IDA, "gus", "A word in confidence.", TODAY, NOW, restricted=True)
    casebook.add_step(room.db, IDA, "gus", "talk", TODAY + timedelta(days=3), TODAY, NOW)
    casebook.record_contact(room.db, IDA, "gus", whom="family", channel="phone", language="en", on=TODAY,
                            agreed="Agreed in confidence.", today=TODAY, now=NOW)  # fmt: skip
    found = sheet(room)
    first = found.items[0]
    assert (first.student_id, first.raised, first.case) == ("gus", True, "new")
    assert [(one.task, one.due_on, one.who, one.done_on) for one in first.steps] == [
        ("talk", TODAY + timedelta(days=3), "Ida Lovell", None)
    ]
    assert (first.talked, first.talked_on) == ("family", TODAY)
    assert "confidence" not in Pages(WORDS["en"]).render(found)


def test_a_sheet_is_cut_to_what_can_be_talked_about_and_says_how_many_would_follow(room: Room) -> None:
    found = sheet(replace(room, settings=ReviewSettings(capacity=2)))
    assert ([one.student_id for one in found.items], found.left) == (["dee", "cal"], 1)


def test_nobody_is_on_the_sheet_whom_its_maker_may_not_see(room: Room) -> None:
    stranger = replace(RUTH, id="zed", person_id="T-9")
    assert (sheet(room, stranger).items, sheet(room, stranger).students) == ((), 0)
    assert sheet(room, year="12").items == ()
    assert sheet(room, school="harbor").students == 0


def test_everybody_on_the_sheet_is_named_for_the_trail(room: Room) -> None:
    assert meeting.page(room, asked(IDA, year="9")).student_ids == ("dee", "cal", "ben")


def test_without_a_year_there_is_nobody_and_without_a_list_what_has_begun(room: Room) -> None:
    empty = sheet(room, year="")
    assert (empty.items, empty.shared, [one.value for one in empty.years]) == ((), (), ["9"])
    casebook.raise_student(room.db, RUTH, "gus", "He sits alone.", TODAY, NOW)
    found = sheet(replace(room, latest=None))
    assert (found.no_list, [one.student_id for one in found.items]) == ("none_yet", ["gus"])


@pytest.mark.full
def test_every_student_has_lines_for_a_decision_who_and_by_when() -> None:
    html = Pages(WORDS["en"]).render(MEETING)
    lines = "<li>Decision</li><li>Who</li><li>By when</li>"
    assert html.count(lines) == len(MEETING.items) + len(MEETING.shared)
    assert WORDS["en"].say("meeting.cut") in html


@pytest.mark.parametrize("kind", BOTH)
def test_open_steps_come_by_their_day_and_then_what_was_done_last(kind: str, tmp_path: Path) -> None:
    db = opened(kind, tmp_path)
    for at, task in enumerate(("contact", "talk", "look", "talk")):
        casebook.add_step(db, IDA, "gus", task, date(2026, 12, 20 - at), TODAY, NOW)
    steps = agenda.last_steps(db, "default", ["gus", "ana"])
    assert list(steps) == ["gus"]
    assert [one.due_on.day for one in steps["gus"]] == [17, 18, 19]
    for step in casebook.file_of(db, "default", "gus").steps:
        if step.due_on.day != 20:
            casebook.finish_step(db, IDA, "gus", step.id, NOW)
    found = agenda.last_steps(db, "default", ["gus"])["gus"]
    assert (found[0].due_on.day, found[0].done_on) == (20, None)
    assert [one.done_on for one in found][1:] == [NOW.date(), NOW.date()]
    assert agenda.last_talks(db, "default", ["gus"]) == {}
    assert agenda.last_steps(db, "roosevelt", ["gus"]) == {}
    db.dispose()

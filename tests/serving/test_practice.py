"""The practice on made-up students, that nobody learns of who did it, and the tips that come later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from fake_desk import FakeDesk
from postgres import BOTH, migrated_database
from practice_examples import FRAME
from sqlalchemy import Engine

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from serving.cases import people, sessions, trail
from serving.cases.access import Visible, may
from serving.cases.database import open_database
from serving.cases.people import PERSON_ROLES, ROLES, Account, Role
from serving.pages.contexts.practice import NAMED, Exercise, Practice, Reply
from serving.pages.render import Pages
from serving.pages.words import open_words
from serving.review.practice import EXERCISES, REPLIES, SEVERAL, TIPS, WRITES, act, page, practised, tip
from serving.review.room import Asked, Go, Room
from serving.review.settings import ReviewSettings
from serving.store import Store

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
WORDS = open_words()


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def room(db: Engine, tmp_path: Path) -> Room:
    records = SchoolRecords.from_frames({}, tenant="lincoln")
    return Room("lincoln", db, Store.of(tmp_path, "lincoln"), records, None, FakeDesk(tmp_path), WORDS, ReviewSettings())


def account(db: Engine, role: Role, login: str = "ruth") -> Account:
    return people.create_account(
        db, "lincoln", login=login, name="Ruth Okoro", role=role, password="violet tram under snow", now=NOW,
        person_id="T-1" if role in PERSON_ROLES else None,
    )  # fmt: skip


def asked(db: Engine, who: Account, **form: str | tuple[str, ...]) -> Asked:
    _, signed_in = sessions.sign_in_by_provider(db, "lincoln", who.login, NOW, second_factor=True)
    seen = Visible(who, NOW.date(), pl.DataFrame(schema={"student_id": pl.String, "relation": pl.String}))
    told = {name: one if isinstance(one, tuple) else (one,) for name, one in form.items()}
    return Asked(signed_in, seen, FRAME, WORDS["en"], date(2026, 2, 13), NOW, form=told)


def fill(found: Practice) -> dict[str, str | tuple[str, ...]]:
    """Return what the form of an exercise sends for its first reply."""
    words = {"written": "He was away until March."} if found.writes else {}
    return {"exercise": found.exercise, "do": "answer", "given": found.given, "reply": found.options[0].name, **words}


def whole(room: Room, who: Account) -> list[Practice]:
    """Do the whole practice as a browser does, by what the pages send, and return every page."""
    shown: list[Practice] = [page(room, asked(room.db, who))]
    for _ in range(20):
        last = shown[-1]
        form = {"do": "go_on", "given": last.given} if last.answered else fill(last)
        found = act(room, asked(room.db, who, **form))
        if isinstance(found, Go):
            assert found == Go("/review/practice", "practised")
            return shown
        shown.append(found)
    pytest.fail("the practice has no end")


# -- what is practised ------------------------------------------------------------------------------------------------


def test_every_role_that_works_with_students_or_figures_has_exercises_and_the_right_to_them() -> None:
    assert {role for role in ROLES if may(role, None, "practise")} == set(EXERCISES)
    everybody = set(EXERCISES["teacher"]) & set(EXERCISES["counselor"])
    assert everybody == {"reason", "disagree", "personalise"}
    assert "safeguarding" in EXERCISES["counselor"]
    assert all("suppressed" in EXERCISES[role] for role in ("principal", "district_analyst", "ministry"))
    assert all(len(set(mine)) == len(mine) for mine in EXERCISES.values())
    assert set().union(*EXERCISES.values()) == set(get_args(Exercise))


def test_every_exercise_has_replies_of_its_own() -> None:
    assert sorted(one for replies in REPLIES.values() for one in replies) == sorted(get_args(Reply))
    assert all(len(replies) == 4 for replies in REPLIES.values())
    assert SEVERAL.isdisjoint(WRITES)


@pytest.mark.parametrize("role", EXERCISES)
def test_the_practice_is_done_exercise_by_exercise_and_its_day_is_noted_once_all_are_answered(room: Room, role: Role) -> None:
    who = account(room.db, role)
    shown = whole(room, who)
    mine = EXERCISES[role]
    assert [(one.exercise, one.answered) for one in shown] == [(one, answered) for one in mine for answered in (False, True)]
    assert [one.number for one in shown[::2]] == list(range(1, len(mine) + 1))
    assert {one.of for one in shown} == {len(mine)}
    assert people.practised_on(room.db, "lincoln", who.id) == NOW.date(), "the day it is, not the day that records are read as"
    assert practised(room.db, who)


def test_it_is_not_done_before_everything_is_answered(room: Room) -> None:
    who = account(room.db, "teacher")
    some = "reason_days", "disagree_data"
    for given in ((), some[:1], some, ("personalise_film",), ("nonsense", "suppressed_none")):
        assert isinstance(act(room, asked(room.db, who, do="go_on", given=given)), Practice)
        assert not practised(room.db, who)
    both = ("reason_days", "disagree_data", "disagree_wait", "personalise_film")
    found = act(room, asked(room.db, who, do="go_on", given=both))
    assert isinstance(found, Practice)
    assert found.exercise == "disagree", "two replies where there can be one are none"


def test_any_reply_will_do_and_none_is_counted(room: Room) -> None:
    who = account(room.db, "counselor")
    worst = ("reason_end", "disagree_wait", "personalise_aloud", "safeguarding_promise")
    assert isinstance(act(room, asked(room.db, who, do="go_on", given=worst)), Go)
    assert practised(room.db, who)
    text = " ".join(" ".join(WORDS["en"].say(f"{group}.{one}") for one in names) for group, names in NAMED.items())
    assert not re.search(r"\b(points?|score[ds]?|correct answers?|grade[ds]?|%\s+right)\b", text)


@pytest.mark.full
def test_something_is_said_of_every_reply_whichever_was_chosen(room: Room) -> None:
    who = account(room.db, "teacher")
    found = act(room, asked(room.db, who, exercise="reason", do="answer", reply=("reason_ill", "reason_days")))
    assert isinstance(found, Practice)
    assert [one.name for one in found.options if one.chosen] == ["reason_days", "reason_ill"]
    said = Pages(WORDS["en"]).render(found)
    assert said.count("<mark>") == 2
    for one in REPLIES["reason"]:
        assert WORDS["en"].say(f"practice_says.{one}") in said.replace("&#39;", "'")


def test_an_exercise_without_a_reply_is_shown_again_with_what_was_typed(room: Room) -> None:
    who = account(room.db, "teacher")
    for form, codes in (
        ({"written": "He was away."}, ["practice_reply"]),
        ({"reply": "disagree_data"}, ["practice_words"]),
        ({}, ["practice_reply", "practice_words"]),
        ({"reply": ("disagree_data", "disagree_wait"), "written": "x"}, ["practice_reply"]),
        ({"reply": "reason_days", "written": "x"}, ["practice_reply"]),
    ):
        sent: Any = asked(room.db, who, exercise="disagree", do="answer", given="reason_days", **form)  # type: ignore[arg-type]
        with pytest.raises(Refused) as refused:
            act(room, sent)
        assert [one.code for one in refused.value.problems] == codes
        assert all(f"problem.{code}" in WORDS["en"].phrases for code in codes)
        again = page(room, sent)
        assert (again.exercise, again.given, again.written) == ("disagree", ("reason_days",), form.get("written", ""))
        replies = form.get("reply", ())
        assert {one.name for one in again.options if one.chosen} == set(REPLIES["disagree"]) & (
            {replies} if isinstance(replies, str) else set(replies)
        )


def test_who_has_nothing_to_practise_needs_none_and_has_no_such_page(room: Room) -> None:
    for role in sorted(set(ROLES) - set(EXERCISES)):
        who = account(room.db, cast(Role, role), login=f"one-{role}")
        assert practised(room.db, who)
        with pytest.raises(NotFound):
            page(room, asked(room.db, who))
        with pytest.raises(NotFound):
            act(room, asked(room.db, who, do="go_on"))
        assert people.practised_on(room.db, "lincoln", who.id) is None


@pytest.mark.full
def test_it_can_be_done_again_and_says_when_it_was_done(room: Room) -> None:
    who = account(room.db, "principal")
    assert page(room, asked(room.db, who)).done_on is None
    whole(room, who)
    again = page(room, asked(room.db, who))
    assert (again.done_on, again.exercise, again.given) == (NOW.date(), "reason", ())
    assert "November 16, 2026" in Pages(WORDS["en"]).render(again)


def test_what_was_written_is_kept_nowhere(room: Room, tmp_path: Path) -> None:
    if room.db.dialect.name == "sqlite":
        whole(room, account(room.db, "teacher"))
        room.db.dispose()
        assert not any(b"He was away" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_that_somebody_has_practised_is_in_no_trail(room: Room) -> None:
    who = account(room.db, "teacher")
    asked(room.db, who)  # signing in is in the trail
    page(room, asked(room.db, who))
    before = trail.head(room.db, "lincoln").number
    form = asked(room.db, who, do="go_on", given=("reason_days", "disagree_data", "personalise_film"))
    signed_in = trail.head(room.db, "lincoln").number
    assert isinstance(act(room, form), Go)
    assert (before, trail.head(room.db, "lincoln").number) == (signed_in - 1, signed_in)


def test_nobody_but_the_account_itself_is_told_that_it_has_practised() -> None:
    assert "practised" not in " ".join(field.name for field in fields(Account))
    sources = [path for folder in ("serving", "homeroom") for path in (ROOT / folder).rglob("*.py")]
    asks = {path.name for path in sources if "practised_on" in path.read_text()}
    keeps = {"schema.py", "0002_people_and_trail.py", "people.py"}
    # The practice shows the day to whoever did it; the reception asks of whoever stands before it.
    assert {"practice.py"} <= asks - keeps <= {"practice.py", "reception.py"}


# -- tips --------------------------------------------------------------------------------------------------------------


def test_a_tip_tells_of_what_somebody_has_not_used_and_of_nothing_once_all_is_used(db: Engine) -> None:
    who, other = account(db, "teacher"), account(db, "counselor", login="ben")
    mine = [one for one in TIPS if "teacher" in one.roles]
    for one in mine:
        assert tip(db, who) == one.phrase
        trail.record(db, "lincoln", who, one.action, "S-1", "", NOW)
    assert tip(db, who) is None
    assert tip(db, other) == TIPS[0].phrase, "what somebody else did is theirs"
    assert all(one.phrase in words.phrases for words in WORDS.values() for one in TIPS)


def test_a_family_and_an_analyst_are_given_no_tips(db: Engine) -> None:
    for role in ("student", "guardian", "district_analyst", "ministry", "data_scientist", "administrator"):
        assert tip(db, account(db, cast(Role, role), login=f"one-{role}")) is None


def test_a_tip_is_of_an_action_that_the_cases_write_down() -> None:
    written = "".join(path.read_text() for path in (ROOT / "serving").rglob("*.py") if path.name != "practice.py")
    for one in TIPS:
        assert f'"{one.action}"' in written

"""What people said of help, and what the casebook knows of it: kept once, taken back, heeded, and gone with who is erased."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from postgres import BOTH, migrated_database
from sqlalchemy import Engine

from features.problems import NotFound, Refused
from serving.answers import AUDIENCES
from serving.cases import agreements, erased, offers, plans, told, trail
from serving.cases.casebook import Opening, end_support, file_of, start_support
from serving.cases.database import open_database
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.plans import Beside
from serving.cases.told import Helped, helped
from serving.catalogue import FILE, shipped
from serving.goals import check
from serving.offers import Help, heeded, plain, stamp
from serving.recommend import Need, consider

pytestmark = pytest.mark.full

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
TODAY = NOW.date()
BEN = Account("ben", "lincoln", "ben", "Ben Hale", "counselor", "T-2", None)
IDA = Account("ida", "lincoln", "ida", "Ida Lovell", "principal", "T-1", None)


def opened(kind: str, folder: Path) -> Engine:
    engine = open_database(migrated_database(kind, folder))
    create_tenant(engine, "lincoln")
    return engine


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Engine]:
    engine = opened("sqlite", tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture(params=BOTH)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = opened(request.param, tmp_path)
    yield engine
    engine.dispose()


def of(db: Engine, student: str = "ana") -> Helped:
    return helped(db, "lincoln", TODAY).get(student, told.NOTHING)


def codes(error: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [one.code for one in error.value.problems]


def test_what_was_said_holds_until_it_is_taken_back_and_is_kept_once(either: Engine) -> None:
    known = ["mentor_youth"]
    first = told.tell(either, BEN, "ana", "barrier", "transport", "student", NOW, known)
    assert told.tell(either, BEN, "ana", "barrier", "transport", "family", NOW, known) == first
    told.tell(either, BEN, "ana", "consent", "mentor_youth", "family", NOW, known)
    assert of(either) == Helped(consents=frozenset({"mentor_youth"}), barriers=frozenset({"transport"}))
    assert {(one.kind, one.what, one.told_by) for one in told.of(either, "lincoln", "ana")} == {
        ("barrier", "transport", "student"), ("consent", "mentor_youth", "family")
    }  # fmt: skip
    told.take_back(either, BEN, "ana", first, NOW)
    assert of(either).barriers == frozenset()
    with pytest.raises(NotFound):
        told.take_back(either, BEN, "ana", first, NOW)
    with pytest.raises(Refused) as error:
        told.tell(either, BEN, "ana", "safety", "x", "somebody", NOW, known)
    assert codes(error) == ["told_kind", "told_what", "told_by"]
    lines = [one.action for one in trail.who_viewed(either, "lincoln", "ana")]
    assert lines == ["barrier_ended", "consent_told", "barrier_told"]


def test_what_was_declined_or_ended_was_tried_and_what_was_accepted_runs(db: Engine) -> None:
    offers.decline(db, BEN, "ana", "att_home", "student", "Not at home, please", NOW)
    running = start_support(
        db, BEN, "ana", 0, intervention_id="tutor_hd", name="A tutor", dose="Weekly", goal="Ratios", begins_on=TODAY,
        review_on=TODAY + timedelta(days=28), today=TODAY, now=NOW, opening=Opening("colleague"),
    )  # fmt: skip
    assert of(db) == Helped(frozenset({"tutor_hd"}), {"att_home": TODAY})
    case = file_of(db, "lincoln", "ana").case
    assert case is not None
    end_support(db, BEN, "ana", case.version, running, "not_met", TODAY, TODAY, NOW)
    assert of(db) == Helped(frozenset(), {"att_home": TODAY, "tutor_hd": TODAY})
    (mine,) = offers.of(db, "lincoln", "ana")
    assert (mine.answer, mine.reason, mine.words, mine.probability) == ("refused", "student", "Not at home, please", None)
    with pytest.raises(Refused) as error:
        offers.decline(db, BEN, "ana", "att_home", "", "x" * 1_001, NOW)
    assert codes(error) == ["declined_why", "declined_words"]


def test_help_in_a_plan_is_answered_by_the_student_who_picks_or_refuses(db: Engine) -> None:
    plan = plans.begin_plan(db, BEN, "ana", NOW)
    plans.write_goal(db, Beside(BEN), "ana", plan, 1, "Use ratios", NOW)
    one = plans.offer(db, BEN, "ana", plan, None, "A tutor.", NOW, "tutor_hd")
    two = plans.offer(db, BEN, "ana", plan, None, "Something else.", NOW)
    assert of(db) == told.NOTHING
    seen = plans.plan_of(db, "lincoln", "ana", plan).version
    plans.choose(db, Beside(BEN), "ana", plan, seen, {one: "refused", two: "picked"}, NOW)
    assert of(db) == Helped(tried={"tutor_hd": TODAY})
    plans.choose(db, Beside(BEN), "ana", plan, seen + 1, {one: "picked"}, NOW + timedelta(days=1))
    assert of(db).running == {"tutor_hd"}


def test_an_offer_of_somebody_else_is_not_answered(either: Engine) -> None:
    (mine,) = offers.record(either, "lincoln", BEN, "a draw", 7, [offers.Drawn("ana", "tutor_hd", 0.5, True)], NOW)
    with pytest.raises(NotFound):
        offers.answer(either, BEN, mine, "accepted", NOW, student_id="bo")
    offers.answer(either, BEN, mine, "refused", NOW, student_id="ana", why="family")
    assert of(either).tried == {"tutor_hd": TODAY}
    assert helped(either, "lincoln", TODAY, ["bo"]) == {}


def test_the_next_list_heeds_what_the_casebook_knows(db: Engine) -> None:
    need = Need("ana", {"attendance_chronic": 1.0}, 9, contact_restricted=False, plan_team=False)
    first = consider(need, shipped(), TODAY).options[1].intervention_id
    offers.decline(db, BEN, "ana", first, "family", "", NOW)
    told.tell(db, BEN, "ana", "barrier", "transport", "student", NOW, [])
    told.tell(db, BEN, "ana", "barrier", "family", "student", NOW, [])
    after = heeded(need, of(db))
    assert after.factors == {"attendance_chronic": 1.0, "transport": 1.0}
    found = consider(after, shipped(), TODAY)
    assert first not in [one.intervention_id for one in found.options]
    assert {one.reason for one in found.not_chosen if one.intervention_id == first} == {"tried"}
    later = consider(after, shipped(), TODAY + timedelta(days=shipped()[first].again_after_days))
    assert first in [one.intervention_id for one in later.possible]


def test_an_answer_tells_a_teacher_and_a_family_nothing_that_a_counselor_was_told() -> None:
    barriers = {"health": 1.0, "transport": 1.0}
    found = consider(Need("ana", barriers, 9, contact_restricted=False, plan_team=True, accommodations=("a",),
                          consents=frozenset({"health_link"})), shipped(), TODAY)  # fmt: skip
    told_of = {audience: [one["intervention_id"] for one in plain(found, audience, {})] for audience in AUDIENCES}
    assert told_of["counselor"][:2] == ["plan_team", "conversation"]
    assert len(told_of["counselor"]) == 3
    assert told_of["teacher"] == told_of["scientist"] == ["conversation"]
    assert told_of["family"] == ["plan_team", "conversation"]
    for audience in ("teacher", "family", "scientist"):
        assert not any(set(one["for"]) & set(barriers) for one in plain(found, audience, {}))


def test_nothing_is_left_of_who_was_erased(db: Engine) -> None:
    told.tell(db, BEN, "ana", "barrier", "health", "student", NOW, [])
    offers.decline(db, BEN, "ana", "att_home", "other", "words", NOW)
    erased.begin(db, "lincoln", "ana", ["d"], NOW, TODAY)
    erased.erase_rows(db, "lincoln", "ana", (), NOW, by=None)
    assert of(db) == told.NOTHING
    assert told.of(db, "lincoln", "ana") == offers.of(db, "lincoln", "ana") == ()


def test_a_catalogue_is_in_force_from_when_it_is_signed_and_an_edit_changes_nothing_then(db: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "lincoln"
    folder.mkdir()
    own = '[withdraw.att_mail]\nreason = "Stopped by the board."\non = 2026-09-01\n'
    (folder / FILE).write_text(own)
    assert "att_mail" not in Help.of(folder, None, db=db).catalogue
    before = stamp(folder, db)
    content = check("catalogue", {"change": {"tutor_hd": {"minutes_per_week": 135}},
                                  "measured": {"att_text": {"size": 0.02, "low": -0.05, "high": 0.09, "students": 412,
                                                            "on": date(2026, 6, 30), "how": "lottery"}}}, [])  # fmt: skip
    agreements.agree(db, "lincoln", IDA, "catalogue", content, "The new year", NOW)
    found = Help.of(folder, None, db=db).catalogue
    assert found["tutor_hd"].minutes_per_week == 135
    assert found["att_text"].measured is not None
    assert "att_mail" in found, "an unsigned file takes nothing out once a catalogue was signed"
    assert stamp(folder, db) != before

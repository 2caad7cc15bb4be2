"""Offers of support on record: a draw once and whole, answers, doses and outcomes, and nothing left of who was erased."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from features.problems import NotFound, Refused
from serving.cases import offers, trail
from serving.cases.database import open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.offers import Drawn
from serving.cases.people import Account

NOW = datetime(2026, 10, 1, 9, tzinfo=UTC)
BEN = Account("ben", "lincoln", "ben", "Ben Hale", "counselor", "T-2", None)
EVE = Account("eve", "roosevelt", "eve", "Eve Marsh", "counselor", "T-9", None)
DRAW = "mentor_success, north, October"
ROWS = [
    Drawn("ana", "mentor_success", 0.5, True),
    Drawn("bo", "mentor_success", 0.5, False),
    Drawn("cy", "mentor_success", 1.0, True),
    Drawn("dee", "mentor_success", None, True),
]


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    for tenant in ("lincoln", "roosevelt"):
        create_tenant(engine, tenant)
    yield engine
    engine.dispose()


def drawn(db: Engine) -> tuple[str, ...]:
    return offers.record(db, "lincoln", BEN, DRAW, 7, ROWS, NOW)


def test_everybody_in_a_draw_is_on_record_with_the_chance_they_had(db: Engine) -> None:
    ids = drawn(db)
    assert len(set(ids)) == 4
    found = offers.in_draws(db, "lincoln", "mentor_success")
    assert [(one.student_id, one.probability, one.offered) for one in found] == [
        (one.student_id, one.probability, one.offered) for one in ROWS
    ]
    assert {(one.draw, one.seed, one.at) for one in found} == {(DRAW, 7, NOW)}
    assert offers.in_draws(db, "roosevelt", "mentor_success") == ()
    assert [one.action for one in trail.who_viewed(db, "lincoln", "bo")] == ["support_not_drawn"]


def test_those_who_drew_for_other_places_in_a_round_are_kept_apart(db: Engine) -> None:
    rows = [Drawn("ana", "tutor_hd", 0.5, True, "tutor_hd/0"), Drawn("bo", "tutor_hd", 0.5, False, "tutor_hd/1"),
            Drawn("ana", "mentor_success", 1.0, True)]  # fmt: skip
    assert not offers.recorded(db, "lincoln", "round", ["tutor_hd/1"])
    offers.record(db, "lincoln", BEN, "round", 7, rows, NOW, released="round, note 12")
    assert [one.draw for one in offers.in_draws(db, "lincoln", "tutor_hd")] == ["round/tutor_hd/0", "round/tutor_hd/1"]
    assert offers.recorded(db, "lincoln", "round", ["tutor_hd/1"])
    assert not offers.recorded(db, "roosevelt", "round", ["tutor_hd/1"])
    with pytest.raises(Refused, match="on record already"):
        offers.record(db, "lincoln", BEN, "round", 7, rows[1:2], NOW)
    made = offers.made(db, "lincoln", NOW)
    assert {who: {one.intervention_id for one in each} for who, each in made.items()} == {"ana": {"mentor_success", "tutor_hd"}}
    assert trail.actions_of(db, BEN, ["allocation_released"]) == {"allocation_released"}


def test_a_draw_is_recorded_once_and_only_as_it_can_have_been(db: Engine) -> None:
    drawn(db)
    with pytest.raises(Refused, match="on record already"):
        drawn(db)
    with pytest.raises(Refused) as error:
        offers.record(db, "lincoln", BEN, " ", 7, [Drawn("ana", "a", 0.0, True), Drawn("ana", "a", 1.5, False)], NOW)
    assert [one.where for one in error.value.problems] == ["draw", "probability", "draw"]
    with pytest.raises(Refused, match="nobody is in it"):
        offers.record(db, "lincoln", BEN, "another", 7, [], NOW)
    assert len(offers.in_draws(db, "lincoln", "mentor_success")) == 4


def test_an_answer_a_dose_and_an_outcome_follow(db: Engine) -> None:
    ana, bo, cy, _ = drawn(db)
    offers.answer(db, BEN, ana, "accepted", NOW)
    offers.deliver(db, BEN, ana, 90, 120, NOW)
    offers.answer(db, BEN, cy, "refused", NOW)
    assert offers.came(db, "lincoln", BEN, {ana: 4.5, bo: 9.0}, "days_missed", date(2027, 6, 11), NOW) == 2
    (one,) = offers.of(db, "lincoln", "ana")
    assert (one.answer, one.dose, one.outcome, one.outcome_unit) == ("accepted", 0.75, 4.5, "days_missed")
    assert offers.of(db, "lincoln", "cy")[0].dose == 0.0
    assert offers.of(db, "lincoln", "bo")[0].dose is None
    assert [one.action for one in trail.who_viewed(db, "lincoln", "ana")] == [
        "offer_outcome", "offer_delivered", "offer_answered", "support_offered",
    ]  # fmt: skip


def test_what_was_not_offered_is_neither_answered_nor_given(db: Engine) -> None:
    ana, bo, *_ = drawn(db)
    for key, said in ((bo, "accepted"), (ana, "maybe")):
        with pytest.raises(Refused):
            offers.answer(db, BEN, key, said, NOW)
    for key, minutes, planned in ((bo, 10, 20), (ana, -1, 20), (ana, 10, 0)):
        with pytest.raises(Refused):
            offers.deliver(db, BEN, key, minutes, planned, NOW)
    offers.answer(db, BEN, ana, "refused", NOW)
    with pytest.raises(Refused, match="it was refused"):
        offers.deliver(db, BEN, ana, 10, 20, NOW)
    with pytest.raises(NotFound):
        offers.answer(db, EVE, ana, "accepted", NOW)
    with pytest.raises(NotFound):
        offers.came(db, "roosevelt", EVE, {ana: 1.0}, "days_missed", NOW.date(), NOW)
    with pytest.raises(Refused):
        offers.came(db, "lincoln", BEN, {ana: float("nan")}, "", NOW.date(), NOW)


def test_the_database_itself_refuses_a_chance_that_is_none_and_an_answer_to_nothing(db: Engine) -> None:
    drawn(db)
    for change in ("probability = 1.5", "answer = 'accepted'"):
        with pytest.raises(IntegrityError), writing(db) as connection:
            connection.execute(text(f"UPDATE support_offer SET {change} WHERE student_id = 'bo'"))


def test_a_student_takes_all_of_it_away_and_nothing_is_left_once_erased(db: Engine) -> None:
    ana, *_ = drawn(db)
    offers.answer(db, BEN, ana, "accepted", NOW)
    with db.connect() as connection:
        (row,) = offers.export(connection, "lincoln", "ana")
    assert (row["intervention_id"], row["probability"], row["answer"], row["draw"]) == ("mentor_success", 0.5, "accepted", DRAW)
    assert "tenant_id" not in row
    with writing(db) as connection:
        assert offers.erase(connection, "lincoln", "ana") == 1
    assert offers.of(db, "lincoln", "ana") == ()
    assert len(offers.in_draws(db, "lincoln", "mentor_success")) == 3

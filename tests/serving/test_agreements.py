"""What a school agreed on: signed versions, only added to, and telling when they were not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from features.problems import NotFound, Refused
from serving.cases import trail
from serving.cases.agreements import KINDS, agree, head, history, in_force, propose, sign, verify
from serving.cases.database import open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.trail import Broken, Head

NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
RUTH = Account("ruth", "lincoln", "ruth", "Ruth Okoro", "principal", "T-1", None)
BEN = Account("ben", "lincoln", "ben", "Ben Hale", "counselor", "T-2", None)
IDA = Account("ida", "lincoln", "ida", "Ida Lovell", "administrator", None, None)
TWENTY, THIRTY = {"students": 20, "set_by": "the principal"}, {"students": 30, "set_by": "the principal"}


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    create_tenant(engine, "lincoln")
    yield engine
    engine.dispose()


def without_triggers(db: Engine) -> None:
    """Let what was agreed be changed as somebody can who owns the database."""
    with writing(db) as connection:
        if db.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE agreement DISABLE TRIGGER USER"))
        else:
            for name in ("no_update", "no_delete", "no_replace"):
                connection.execute(text(f"DROP TRIGGER agreement_{name}"))


def changed(db: Engine, statement: str) -> None:
    with writing(db) as connection:
        connection.execute(text(statement))


def agreed(db: Engine, times: int = 3) -> None:
    for number in range(times):
        agree(db, "lincoln", RUTH, "capacity", {"students": 20 + number}, "more rooms", NOW + timedelta(days=number))


def codes(error: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [one.code for one in error.value.problems]


def test_a_version_is_in_force_from_its_signature_on(db: Engine) -> None:
    first = propose(db, "lincoln", BEN, "capacity", TWENTY, "two counselors", NOW)
    assert (first.number, first.content, first.signed, first.proposed.name) == (1, TWENTY, (), "Ben Hale")
    assert in_force(db, "lincoln", "capacity", NOW.date()) is None
    later = NOW + timedelta(days=2)
    signed = sign(db, "lincoln", RUTH, "capacity", 1, first.digest, "as agreed in the team", later)
    (name,) = signed.signed
    assert (name.name, name.role, name.at, name.reason) == ("Ruth Okoro", "principal", later, "as agreed in the team")
    assert in_force(db, "lincoln", "capacity", date(2026, 11, 17)) is None
    assert in_force(db, "lincoln", "capacity", date(2026, 11, 18)) == signed
    assert in_force(db, "lincoln", "goals", date(2026, 11, 18)) is None
    assert verify(db, "lincoln") is None


def test_a_new_proposal_leaves_the_signed_one_in_force(db: Engine) -> None:
    first = agree(db, "lincoln", RUTH, "capacity", TWENTY, "two counselors", NOW)
    propose(db, "lincoln", BEN, "capacity", THIRTY, "a third counselor", NOW)
    assert in_force(db, "lincoln", "capacity", NOW.date()) == first
    assert [one.number for one in history(db, "lincoln", "capacity")] == [2, 1]


def test_all_kinds_stand_in_one_history_and_count_their_own_versions(db: Engine) -> None:
    for kind in KINDS:
        assert agree(db, "lincoln", RUTH, kind, {}, "a beginning", NOW).number == 1
    assert [one.kind for one in history(db, "lincoln")] == list(reversed(KINDS))
    assert head(db, "lincoln").number == 2 * len(KINDS)


def test_who_agreed_stands_in_the_trail_too(db: Engine) -> None:
    agreed(db, 1)
    assert trail.head(db, "lincoln").number == 1
    with db.connect() as connection:
        row = connection.execute(text("SELECT action, why, account_id FROM trail")).one()
    assert tuple(row) == ("agreement_signed", "capacity 1", "ruth")


def test_somebody_who_may_not_sign_is_refused_and_nothing_is_written(db: Engine) -> None:
    first = propose(db, "lincoln", BEN, "capacity", TWENTY, "two counselors", NOW)
    for account in (BEN, replace(RUTH, disabled=True), replace(RUTH, tenant="roosevelt"), replace(RUTH, role="guardian")):
        with pytest.raises(Refused) as error:
            sign(db, "lincoln", account, "capacity", 1, first.digest, " ", NOW)
        assert codes(error) == ["not_permitted", "agreement_reason"]
    with pytest.raises(Refused):
        propose(db, "lincoln", replace(BEN, role="student"), "capacity", TWENTY, "why", NOW)
    assert head(db, "lincoln").number == 1


def test_nobody_signs_what_they_did_not_read_what_is_old_or_the_same_twice(db: Engine) -> None:
    first = agree(db, "lincoln", RUTH, "capacity", TWENTY, "two counselors", NOW)
    with pytest.raises(Refused) as error:
        sign(db, "lincoln", RUTH, "capacity", 1, "0" * 64, "again", NOW)
    assert codes(error) == ["agreement_other_content", "agreement_signed_already"]
    assert len(sign(db, "lincoln", IDA, "capacity", 1, first.digest, "seen", NOW).signed) == 2
    propose(db, "lincoln", BEN, "capacity", THIRTY, "a third counselor", NOW)
    with pytest.raises(Refused) as error:
        sign(db, "lincoln", replace(RUTH, id="rut2"), "capacity", 1, first.digest, "again", NOW)
    assert codes(error) == ["agreement_not_newest"]
    with pytest.raises(NotFound):
        sign(db, "lincoln", RUTH, "goals", 7, first.digest, "why", NOW)


def test_the_same_content_has_the_same_digest_in_whatever_order_it_is_written(db: Engine) -> None:
    first = propose(db, "lincoln", BEN, "capacity", {"a": 1, "b": "ñ"}, "why", NOW)
    assert propose(db, "lincoln", BEN, "capacity", {"b": "ñ", "a": 1}, "why", NOW).digest == first.digest


def test_tenants_agree_for_themselves(db: Engine) -> None:
    create_tenant(db, "roosevelt")
    agreed(db)
    assert history(db, "roosevelt") == ()
    assert agree(db, "roosevelt", replace(RUTH, tenant="roosevelt"), "capacity", TWENTY, "why", NOW).number == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE agreement SET content = ''", "DELETE FROM agreement WHERE number = 2", "DELETE FROM agreement"]
)
def test_the_database_refuses_to_change_or_delete_what_was_agreed(db: Engine, statement: str) -> None:
    agreed(db)
    with pytest.raises(IntegrityError, match="only added to"):
        changed(db, statement)
    assert verify(db, "lincoln") is None


def test_a_row_can_be_replaced_by_no_other_way(db: Engine) -> None:
    agreed(db)
    ways = {
        "sqlite": "INSERT OR REPLACE INTO agreement SELECT * FROM agreement WHERE number = 2",
        "postgresql": "TRUNCATE agreement",
    }
    with pytest.raises(IntegrityError, match="only added to"):
        changed(db, ways[db.dialect.name])
    assert verify(db, "lincoln") is None


@pytest.mark.parametrize(
    "change",
    [
        "content = '{}'", "content_digest = '0'", "kind = 'goals'", "version = 9", "act = 'signed'", "account_id = 'ben'",
        "name = 'Ben Hale'", "role = 'teacher'", "reason = ''", "digest = '0'", "at = '2026-11-16 07:00:00'",
    ],
)  # fmt: skip
def test_the_first_row_that_was_changed_is_found(db: Engine, change: str) -> None:
    agreed(db)
    without_triggers(db)
    changed(db, f"UPDATE agreement SET {change} WHERE number >= 3")
    assert verify(db, "lincoln") == Broken(3, "this row was changed, or the one before it")


def test_rows_that_are_missing_or_were_put_in_are_found(db: Engine) -> None:
    agreed(db)
    known = head(db, "lincoln")
    without_triggers(db)
    changed(db, "INSERT INTO agreement SELECT tenant_id, 7, kind, 9, act, content, content_digest, account_id, name, role,"
                " reason, at, digest FROM agreement WHERE number = 6")  # fmt: skip
    assert verify(db, "lincoln") == Broken(7, "this row was put in")
    changed(db, "DELETE FROM agreement WHERE number >= 6")
    assert verify(db, "lincoln") == Broken(6, "the history's end is missing")
    changed(db, "DELETE FROM agreement WHERE number = 2")
    assert verify(db, "lincoln") == Broken(2, "this row is missing")
    assert known.number == 6


def test_a_history_that_was_written_anew_is_found_by_a_head_that_was_noted(db: Engine) -> None:
    agreed(db)
    known = head(db, "lincoln")
    assert verify(db, "lincoln", known) is None
    assert verify(db, "lincoln", Head(known.number, "f" * 64)) == Broken(6, "the history was written anew up to here")
    assert verify(db, "lincoln", Head(8, known.digest)) == Broken(7, "the history's end is missing")


@pytest.mark.full
def test_people_who_propose_at_the_same_moment_lose_nothing(db: Engine) -> None:
    def one(number: int) -> int:
        return propose(db, "lincoln", BEN, "capacity", {"students": number}, "why", NOW).number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(12))) == list(range(1, 13))
    assert verify(db, "lincoln") is None

"""Accounts, and how people prove that it is them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pyotp
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY
from hypothesis import given
from hypothesis import strategies as st
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, select

from features.problems import NotFound, Refused
from serving.cases import people, trail
from serving.cases.database import leave_no_traces, open_database
from serving.cases.people import (
    LOCKED_FOR,
    MOST_TRIES,
    RECOVERY_CODE_COUNT,
    ROLES,
    SECOND_FACTOR_ROLES,
    Account,
    Role,
    begin_second_factor,
    change_password,
    confirm_second_factor,
    create_account,
    password_problems,
    prove_password,
    prove_second_factor,
)
from serving.cases.schema import ACCOUNTS, RECOVERY_CODES, TRAIL

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PASSWORD = "violet tram under snow"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hash cost a millisecond: what is tested here does not hang on how dear it is."""
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


def account(db: Engine, login: str = "ruth", role: Role = "counselor", tenant: str = "lincoln") -> Account:
    return create_account(
        db, tenant, login=login, name="Ruth Okoro", role=role, password=PASSWORD, now=NOW, person_id=f"T-{login}"
    )


def enter(db: Engine, password: str = PASSWORD, now: datetime = NOW, login: str = "ruth") -> Account | None:
    return prove_password(db, "lincoln", login, password, now)


def stored(db: Engine, column: str) -> object:
    with db.connect() as connection:
        return connection.execute(select(ACCOUNTS.c[column])).scalar_one()


def test_an_account_is_found_and_listed_as_it_was_made(db: Engine) -> None:
    made = create_account(
        db, "lincoln", login="Ruth@Lincoln.example", name="Ruth Okoro", role="counselor", password=PASSWORD, now=NOW,
        person_id="T-1", organisation_id="lincoln-middle", language="es-MX",
    )  # fmt: skip
    assert made == Account(
        made.id, "lincoln", "ruth@lincoln.example", "Ruth Okoro", "counselor", "T-1", "lincoln-middle", "es-MX", disabled=False
    )
    other = account(db, "ben", "teacher")
    assert people.find(db, "lincoln", made.id) == made
    assert people.accounts(db, "lincoln") == [other, made]
    assert people.accounts(db, "roosevelt") == []


def test_another_tenants_account_is_not_there_in_the_words_for_one_that_nobody_has(db: Engine) -> None:
    made = account(db)
    said = []
    for account_id in (made.id, "nosuchid"):
        with pytest.raises(NotFound) as refused:
            people.find(db, "roosevelt", account_id)
        said.append(str(refused.value).replace(account_id, "..."))
    assert said[0] == said[1]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_have_an_account(db: Engine, role: Role) -> None:
    assert people.find(db, "lincoln", account(db, role=role).id).role == role


def test_everything_that_is_wrong_with_an_account_is_said_at_once(db: Engine) -> None:
    with pytest.raises(Refused) as refused:
        create_account(
            db, "lincoln", login="a b", name="two\nlines", role="teacher", password="short", now=NOW, organisation_id="",
            language="English!",
        )  # fmt: skip
    where = [problem.where for problem in refused.value.problems]
    assert where == ["login", "name", "person_id", "organisation_id", "language", "password"]
    with pytest.raises(Refused, match="no such role"):
        create_account(db, "lincoln", login="ruth", name="Ruth", role="owner", password=PASSWORD, now=NOW)  # type: ignore[arg-type]
    assert people.accounts(db, "lincoln") == []


def test_a_login_is_taken_however_it_is_written_and_only_in_its_own_tenant(db: Engine) -> None:
    account(db, "ruth")
    with pytest.raises(Refused, match="There is an account with this login"):
        account(db, " RUTH ")
    account(db, "ruth", tenant="roosevelt")
    assert len(people.accounts(db, "lincoln")) == 1
    assert trail.head(db, "lincoln").number == 1


@pytest.mark.parametrize(
    "password",
    [
        "", "elevensigns", "password1234", "P@ssw0rd2026!", "aaaaaaaaaaaa", "abababababab", "123412341234", "qwertyuiop12",
        "1q2w3e4r5t6y", "zyxwvutsrqpo", "Ruth.Okoro.2026", "okoro-okoro-okoro", "lincoln-lincoln", "homeroom2026!",
        "letmeinplease", "x" * 257, "asdfghjklasdfghjkl", "correcthorsebatterystaple",
    ],
)  # fmt: skip
def test_what_anybody_would_try_first_is_no_password(password: str) -> None:
    assert password_problems(password, login="ruth.okoro@lincoln.example", name="Ruth Okoro", tenant="lincoln")


@pytest.mark.parametrize(
    "password", [PASSWORD, "blue kettle 9", "ключ под ковриком", "tulpen und regen", "x7!kQ2pZr9#w", "鍵は三つ目の花の下にある"]
)
def test_long_and_unlike_anything_known_is_enough(password: str) -> None:
    assert password_problems(password, login="ruth.okoro@lincoln.example", name="Ruth Okoro", tenant="lincoln") == []


@given(st.text(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_judged_and_never_quoted(password: str, login: str, name: str) -> None:
    for problem in password_problems(password, login=login, name=name):
        assert len(password) < 6 or password not in str(problem)


def test_a_password_lets_in_however_the_login_and_its_accents_are_typed(db: Engine) -> None:
    made = create_account(
        db, "lincoln", login="zoë", name="Zoë Hale", role="principal", password="caf\u00e9 under the elms", now=NOW
    )
    assert enter(db, "cafe\u0301 under the elms", login=" ZOE\u0308 ") == made
    assert enter(db, "cafe under the elms", login="zoë") is None


@pytest.mark.parametrize("login", ["nobody", "", "r\0uth", "\ud800", "x" * 10_000])
def test_a_login_that_does_not_exist_lets_nobody_in(db: Engine, login: str) -> None:
    account(db)
    assert enter(db, login=login) is None
    assert enter(db, "\ud800\0" * 9) is None
    assert prove_password(db, "roosevelt", "ruth", PASSWORD, NOW) is None


@pytest.mark.full
def test_outside_of_tests_a_hash_costs_what_rfc_9106_asks_for() -> None:
    """Tests hash at the least cost, so that another process is asked."""
    code = "from serving.cases.people import _HASHER as one; print(one.type.name, one.memory_cost, one.time_cost)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    kind, *costs = told
    least = RFC_9106_LOW_MEMORY.memory_cost, RFC_9106_LOW_MEMORY.time_cost
    assert kind == "ID"
    assert all(int(one) >= other for one, other in zip(costs, least, strict=True))


def test_the_password_is_nowhere_in_the_folder(tmp_path: Path) -> None:
    db = open_database(migrated_database("sqlite", tmp_path))
    account(db)
    assert str(stored(db, "password_hash")).startswith("$argon2id$")
    leave_no_traces(db)
    for path in tmp_path.rglob("*.db*"):
        assert PASSWORD.encode() not in path.read_bytes()
    db.dispose()


def test_passwords_are_hashed_with_the_librarys_own_parameters() -> None:
    fresh = PasswordHasher()
    made = people.PasswordHasher()
    assert (made.type, made.time_cost, made.memory_cost) == (fresh.type, fresh.time_cost, fresh.memory_cost)
    assert fresh.memory_cost >= 19 * 1024, "OWASP asks for 19 MiB at least"


def test_a_hash_of_older_parameters_is_made_anew_when_its_owner_signs_in(db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    account(db)
    before = stored(db, "password_hash")
    assert enter(db)
    assert stored(db, "password_hash") == before
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(replace(CHEAPEST, time_cost=2)))
    assert enter(db, "something else entirely") is None
    assert stored(db, "password_hash") == before
    assert enter(db)
    assert "t=2" in str(stored(db, "password_hash"))
    assert enter(db)


def test_ten_wrong_tries_lock_the_account_for_a_quarter_of_an_hour_and_no_longer(db: Engine) -> None:
    account(db)
    for _ in range(MOST_TRIES - 1):
        assert enter(db, "wrong") is None
    assert enter(db)
    assert enter(db, "wrong") is None
    assert enter(db) is None
    assert enter(db, now=NOW + LOCKED_FOR - timedelta(seconds=1)) is None
    assert enter(db, now=NOW + LOCKED_FOR)


def test_tries_while_an_account_is_locked_do_not_lock_it_for_longer(db: Engine) -> None:
    account(db)
    for minute in range(15):
        enter(db, "wrong", NOW + minute * MINUTE / 5)
    for minute in range(4, 16):
        assert enter(db, "wrong", NOW + minute * MINUTE) is None
    assert enter(db, now=NOW + 9 * MINUTE / 5 + LOCKED_FOR)


def test_wrong_tries_of_the_last_hour_are_forgotten(db: Engine) -> None:
    account(db)
    for _ in range(MOST_TRIES - 1):
        enter(db, "wrong")
    assert enter(db, "wrong", NOW + LOCKED_FOR) is None
    assert enter(db, now=NOW + LOCKED_FOR)


def test_one_accounts_wrong_tries_lock_no_other(db: Engine) -> None:
    account(db)
    account(db, "ben", "teacher")
    for _ in range(MOST_TRIES):
        enter(db, "wrong", login="ben")
    assert enter(db)


def test_tries_at_the_same_moment_are_counted_one_by_one(db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    account(db)
    at_once = Barrier(MOST_TRIES + 2)
    plain = people._matches

    def together(kept: str, password: str) -> bool:
        at_once.wait(timeout=120)
        return plain(kept, password)

    monkeypatch.setattr(people, "_matches", together)
    with ThreadPoolExecutor(MOST_TRIES + 2) as pool:
        found = list(pool.map(lambda n: enter(db, PASSWORD if n >= MOST_TRIES else "wrong"), range(MOST_TRIES + 2)))
    assert found[:MOST_TRIES] == [None] * MOST_TRIES
    assert stored(db, "failed_attempts") == MOST_TRIES - sum(one is not None for one in found)


def second_factor(db: Engine, made: Account, now: datetime = NOW) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    totp = pyotp.TOTP(begin_second_factor(db, "lincoln", made.id, now).secret)
    return totp, confirm_second_factor(db, "lincoln", made.id, totp.at(now), now, by=made)


def wrong(totp: pyotp.TOTP, now: datetime) -> str:
    """Return a code that is none of those that are good about now."""
    good = {totp.at(now + step * MINUTE / 2) for step in range(-2, 3)}
    return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in good)


def test_a_second_factor_counts_once_a_code_has_shown_that_the_app_has_it(db: Engine) -> None:
    made = account(db)
    begun = begin_second_factor(db, "lincoln", made.id, NOW)
    assert begun.uri == f"otpauth://totp/Homeroom:ruth?secret={begun.secret}&issuer=Homeroom"
    assert not people.has_second_factor(db, "lincoln", made.id)
    with pytest.raises(Refused, match="code"):
        confirm_second_factor(db, "lincoln", made.id, wrong(pyotp.TOTP(begun.secret), NOW), NOW)
    assert not people.has_second_factor(db, "lincoln", made.id)
    codes = confirm_second_factor(db, "lincoln", made.id, pyotp.TOTP(begun.secret).at(NOW), NOW)
    assert len(set(codes)) == RECOVERY_CODE_COUNT
    assert people.has_second_factor(db, "lincoln", made.id)


def test_nothing_that_was_not_begun_is_confirmed(db: Engine) -> None:
    made = account(db)
    with pytest.raises(Refused):
        confirm_second_factor(db, "lincoln", made.id, "123456", NOW)
    totp, _ = second_factor(db, made)
    with pytest.raises(Refused):
        confirm_second_factor(db, "lincoln", made.id, totp.at(NOW + MINUTE), NOW + MINUTE)


def test_a_code_is_good_once_and_half_a_minute_off_at_most(db: Engine) -> None:
    made = account(db)
    totp, _ = second_factor(db, made, NOW - 10 * MINUTE)
    half = MINUTE / 2
    for too_far in (NOW - MINUTE, NOW + MINUTE):
        assert not prove_second_factor(db, "lincoln", made.id, totp.at(too_far), NOW)
    code = totp.at(NOW)
    assert prove_second_factor(db, "lincoln", made.id, f"{code[:3]} {code[3:]}", NOW)
    assert not prove_second_factor(db, "lincoln", made.id, code, NOW)
    assert not prove_second_factor(db, "lincoln", made.id, totp.at(NOW - half), NOW)
    assert prove_second_factor(db, "lincoln", made.id, totp.at(NOW + half), NOW)


def test_the_code_that_confirmed_is_spent(db: Engine) -> None:
    made = account(db)
    totp, _ = second_factor(db, made)
    assert not prove_second_factor(db, "lincoln", made.id, totp.at(NOW), NOW)


def test_one_code_sent_twice_at_once_is_taken_once(db: Engine) -> None:
    made = account(db)
    totp, (recovery, *_) = second_factor(db, made)
    later = NOW + MINUTE
    for code in (totp.at(later), recovery):
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda _, code=code: prove_second_factor(db, "lincoln", made.id, code, later), range(4)))
        assert sorted(taken) == [False, False, False, True]


def test_a_recovery_code_is_good_once_however_it_is_spaced_and_kept_as_its_digest(db: Engine) -> None:
    made = account(db)
    _, codes = second_factor(db, made)
    with db.connect() as connection:
        kept = connection.execute(select(RECOVERY_CODES.c.digest)).scalars().all()
    assert not {code.replace("-", "") for code in codes} & set(kept)
    assert prove_second_factor(db, "lincoln", made.id, f" {codes[0].upper().replace('-', ' ')} ", NOW)
    assert not prove_second_factor(db, "lincoln", made.id, codes[0], NOW)
    assert prove_second_factor(db, "lincoln", made.id, codes[1], NOW)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16", "\0", "\ud800"])
def test_what_is_no_code_is_a_wrong_one(db: Engine, code: str) -> None:
    made = account(db)
    second_factor(db, made)
    assert not prove_second_factor(db, "lincoln", made.id, code, NOW + MINUTE)


def test_wrong_codes_lock_the_account_whether_or_not_the_password_is_given_again_between_them(db: Engine) -> None:
    made = account(db)
    totp, _ = second_factor(db, made)
    for _ in range(MOST_TRIES):
        assert enter(db)
        assert not prove_second_factor(db, "lincoln", made.id, wrong(totp, NOW), NOW)
    assert not prove_second_factor(db, "lincoln", made.id, totp.at(NOW + MINUTE), NOW + MINUTE)
    assert enter(db, now=NOW + MINUTE) is None


def test_a_second_factor_is_replaced_only_by_whoever_has_it(db: Engine) -> None:
    made = account(db)
    totp, codes = second_factor(db, made)
    later = NOW + MINUTE
    for code in (None, wrong(totp, later), totp.at(NOW)):
        with pytest.raises(Refused):
            begin_second_factor(db, "lincoln", made.id, later, code=code)
    new = pyotp.TOTP(begin_second_factor(db, "lincoln", made.id, later, code=totp.at(later)).secret)
    assert prove_second_factor(db, "lincoln", made.id, codes[0], later), "until it is confirmed the first one counts"
    confirm_second_factor(db, "lincoln", made.id, new.at(later), later)
    much_later = NOW + 10 * MINUTE
    assert not prove_second_factor(db, "lincoln", made.id, totp.at(much_later), much_later)
    assert not prove_second_factor(db, "lincoln", made.id, codes[1], much_later)
    assert prove_second_factor(db, "lincoln", made.id, new.at(much_later), much_later)


def test_a_second_factor_that_was_lost_can_be_removed(db: Engine) -> None:
    made = account(db)
    _, codes = second_factor(db, made)
    people.remove_second_factor(db, "lincoln", made.id, NOW)
    assert not people.has_second_factor(db, "lincoln", made.id)
    assert not prove_second_factor(db, "lincoln", made.id, codes[0], NOW)
    second_factor(db, made)


def test_counselors_principals_and_administrators_must_have_a_second_factor(db: Engine) -> None:
    assert {"counselor", "principal", "administrator"} == SECOND_FACTOR_ROLES
    assert people.needs_second_factor(account(db))
    assert not people.needs_second_factor(account(db, "ben", "teacher"))


def test_a_changed_password_is_the_only_one_that_lets_in(db: Engine) -> None:
    made = account(db)
    change_password(db, "lincoln", made.id, "seven herons at dusk", NOW, old=PASSWORD, by=made)
    assert enter(db) is None
    assert enter(db, "seven herons at dusk") == made


def test_a_password_is_not_changed_by_whoever_does_not_know_it_nor_to_a_worse_or_the_same_one(db: Engine) -> None:
    made = account(db)
    for old, new, where in (
        ("wrong", "seven herons at dusk", ["old password"]),
        ("wrong", "short", ["old password", "password"]),
        (PASSWORD, "ruth okoro 2026", ["password"]),
        (PASSWORD, PASSWORD, ["password"]),
    ):
        with pytest.raises(Refused) as refused:
            change_password(db, "lincoln", made.id, new, NOW, old=old)
        assert [problem.where for problem in refused.value.problems] == where
    assert enter(db)


def test_wrong_old_passwords_are_counted_with_the_other_tries(db: Engine) -> None:
    made = account(db)
    for _ in range(MOST_TRIES):
        with pytest.raises(Refused):
            change_password(db, "lincoln", made.id, "seven herons at dusk", NOW, old="wrong")
    with pytest.raises(Refused):
        change_password(db, "lincoln", made.id, "seven herons at dusk", NOW, old=PASSWORD)
    assert enter(db) is None


def test_a_password_that_an_administrator_sets_opens_a_locked_account(db: Engine) -> None:
    made = account(db)
    for _ in range(MOST_TRIES):
        enter(db, "wrong")
    change_password(db, "lincoln", made.id, "seven herons at dusk", NOW)
    assert enter(db, "seven herons at dusk") == made


def test_a_disabled_account_lets_nobody_in_until_it_is_enabled(db: Engine) -> None:
    made = account(db)
    _, codes = second_factor(db, made)
    for _ in range(2):
        people.disable(db, "lincoln", made.id, NOW)
    assert people.find(db, "lincoln", made.id).disabled
    assert enter(db) is None
    assert not prove_second_factor(db, "lincoln", made.id, codes[0], NOW)
    for _ in range(2):
        people.enable(db, "lincoln", made.id, NOW)
    assert enter(db) == made
    with pytest.raises(NotFound):
        people.disable(db, "roosevelt", made.id, NOW)


def test_the_day_of_the_practice_is_kept(db: Engine) -> None:
    made = account(db)
    assert people.practised_on(db, "lincoln", made.id) is None
    people.note_practice(db, "lincoln", made.id, date(2026, 11, 13))
    assert people.practised_on(db, "lincoln", made.id) == date(2026, 11, 13)


def test_what_is_done_to_accounts_is_in_the_trail(db: Engine) -> None:
    boss = account(db, "boss", "administrator")
    made = account(db)
    second_factor(db, made)
    change_password(db, "lincoln", made.id, "seven herons at dusk", NOW, by=boss)
    people.remove_second_factor(db, "lincoln", made.id, NOW, by=boss)
    for _ in range(2):  # what changes nothing is no act
        people.disable(db, "lincoln", made.id, NOW, by=boss)
        people.enable(db, "lincoln", made.id, NOW, by=boss)
    with db.connect() as connection:
        rows = connection.execute(select(TRAIL.c.action, TRAIL.c.account_id, TRAIL.c.why).order_by(TRAIL.c.number)).all()
    theirs = f"account {made.id}"
    assert [tuple(row) for row in rows] == [
        ("account_created", "", f"account {boss.id}"),
        ("account_created", "", theirs),
        ("second_factor_set_up", made.id, theirs),
        ("password_changed", boss.id, theirs),
        ("second_factor_removed", boss.id, theirs),
        ("account_disabled", boss.id, theirs),
        ("account_enabled", boss.id, theirs),
        ("account_disabled", boss.id, theirs),
        ("account_enabled", boss.id, theirs),
    ]
    assert trail.verify(db, "lincoln") is None

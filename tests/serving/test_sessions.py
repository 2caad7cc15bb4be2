"""Who is signed in, and who is no longer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, event, select, update

from features.problems import NotFound, Refused
from serving.cases import people, sessions, trail
from serving.cases.access import OPEN_FOR
from serving.cases.database import leave_no_traces, open_database, writing
from serving.cases.people import LOCKED_FOR, MOST_TRIES, ROLES, SECOND_FACTOR_ROLES, Account, Role, create_account
from serving.cases.schema import ACCOUNTS, BREAK_GLASS, SESSIONS, TRAIL
from serving.cases.sessions import (
    ASKED_FOR,
    IDLE_FOR,
    LONGEST,
    UNPROVEN_FOR,
    SignedIn,
    approve_break_glass,
    ask_break_glass,
    csrf_matches,
    find,
    grants,
    sign_in,
    sign_out,
    sign_out_everywhere,
)

NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
PASSWORD = "violet tram under snow"
REASON = "The bus did not come back, and the school office is closed."


class Counting(PasswordHasher):
    """A hasher that counts what it is asked to check."""

    checked = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002 - its name
        self.checked += 1
        return super().verify(hash, password)


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Let a hash cost a millisecond, and be counted."""
    cheap = {"time_cost": CHEAPEST.time_cost, "memory_cost": CHEAPEST.memory_cost, "parallelism": CHEAPEST.parallelism}
    counting = Counting(**cheap)
    monkeypatch.setattr(people, "_HASHER", counting)
    return counting


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


def account(db: Engine, login: str = "ben", role: Role = "teacher") -> Account:
    return create_account(
        db, "lincoln", login=login, name="Ben Hale", role=role, password=PASSWORD, now=NOW, person_id=f"T-{login}"
    )


def enter(db: Engine, login: str = "ben", now: datetime = NOW) -> tuple[str, SignedIn]:
    return sign_in(db, "lincoln", login, PASSWORD, now)


def enter_fully(db: Engine, made: Account, now: datetime = NOW) -> tuple[str, SignedIn, pyotp.TOTP]:
    """Sign in somebody who has to set a second factor up, and do it."""
    _, signed_in = enter(db, made.login, now)
    totp = pyotp.TOTP(people.begin_second_factor(db, "lincoln", made.id, now).secret)
    token, signed_in, _ = sessions.confirm_second_factor(db, signed_in, totp.at(now), now)
    return token, signed_in, totp


@contextmanager
def statements(db: Engine) -> Iterator[list[str]]:
    """Collect what is asked of the database."""
    said: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        said.append(statement)

    event.listen(db, "before_cursor_execute", note)
    yield said
    event.remove(db, "before_cursor_execute", note)


def actions(db: Engine) -> list[str]:
    with db.connect() as connection:
        return list(connection.execute(select(TRAIL.c.action).order_by(TRAIL.c.number)).scalars())


def test_a_token_finds_who_signed_in_with_it(db: Engine) -> None:
    made = account(db)
    token, signed_in = enter(db)
    assert signed_in.account == made
    assert (signed_in.signed_in_at, signed_in.expires_at) == (NOW, NOW + IDLE_FOR)
    assert (signed_in.second_factor, signed_in.missing) == (False, "")
    assert find(db, token, NOW) == signed_in
    assert enter(db)[0] != token
    assert actions(db) == ["account_created", "sign_in", "sign_in"]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 44, "é" * 43, "\0" * 43, "A" * 42 + "\n"])
def test_what_is_no_token_finds_nobody(db: Engine, token: str) -> None:
    account(db)
    enter(db)
    assert find(db, token, NOW) is None


def test_the_token_is_nowhere_in_the_folder_and_neither_digest_nor_the_word_for_forms_stands_for_it(tmp_path: Path) -> None:
    db = open_database(migrated_database("sqlite", tmp_path))
    account(db)
    token, signed_in = enter(db)
    leave_no_traces(db)
    for path in tmp_path.rglob("*.db*"):
        content = path.read_bytes()
        assert token.encode() not in content
        assert signed_in.token_digest.encode() in content or path.suffix != ".db"
    assert signed_in.csrf != token
    assert find(db, signed_in.csrf, NOW) is None
    assert find(db, signed_in.token_digest[:43], NOW) is None
    db.dispose()


def refused_words(db: Engine, login: str, password: str, now: datetime = NOW) -> str:
    with pytest.raises(Refused) as refused:
        sign_in(db, "lincoln", login, password, now)
    return str(refused.value)


def test_the_words_are_the_same_for_no_such_login_a_wrong_password_a_locked_and_a_disabled_account(db: Engine) -> None:
    account(db)
    account(db, "gone")
    people.disable(db, "lincoln", people.accounts(db, "lincoln")[1].id, NOW)
    said = [refused_words(db, "nobody", PASSWORD), refused_words(db, "gone", PASSWORD), refused_words(db, "ben", "wrong")]
    said += [refused_words(db, "ben", "wrong") for _ in range(MOST_TRIES - 1)]
    said.append(refused_words(db, "ben", PASSWORD))
    assert len(set(said)) == 1
    assert "After 10 wrong tries within 15 minutes nobody gets in for 15 minutes" in said[0]
    assert enter(db, now=NOW + LOCKED_FOR)


def test_the_work_is_the_same_whether_or_not_the_login_exists(db: Engine, hasher: Counting) -> None:
    account(db)
    done = []
    for login, password in (("ben", "wrong"), ("nobody", "wrong"), ("ben", "wrong"), ("nobody", PASSWORD)):
        before = hasher.checked
        with statements(db) as said:
            refused_words(db, login, password)
        done.append((hasher.checked - before, tuple(said)))
    for _ in range(MOST_TRIES):
        refused_words(db, "ben", "wrong")
    before = hasher.checked
    with statements(db) as said:
        refused_words(db, "ben", PASSWORD)
    done.append((hasher.checked - before, tuple(said)))
    assert [checked for checked, _ in done] == [1] * 5
    assert len({asked for _, asked in done}) == 1


def test_half_an_hour_without_anything_ends_it_and_use_keeps_it_open(db: Engine) -> None:
    account(db)
    token, _ = enter(db)
    assert find(db, token, NOW + IDLE_FOR - SECOND)
    assert find(db, token, NOW + 2 * IDLE_FOR - 2 * SECOND)
    assert find(db, token, NOW + 3 * IDLE_FOR - 2 * SECOND) is None
    idle, _ = enter(db)
    assert find(db, idle, NOW + IDLE_FOR) is None


def test_twelve_hours_end_it_however_much_it_is_used(db: Engine) -> None:
    account(db)
    token, _ = enter(db)
    moment = NOW
    while moment + 20 * MINUTE < NOW + LONGEST:
        moment += 20 * MINUTE
        found = find(db, token, moment)
        assert found is not None
        assert found.expires_at <= NOW + LONGEST
    assert find(db, token, NOW + LONGEST - SECOND)
    assert find(db, token, NOW + LONGEST) is None


def test_use_is_written_down_once_a_minute_at_most(db: Engine) -> None:
    account(db)
    token, _ = enter(db)
    with statements(db) as said:
        for second in range(120):
            find(db, token, NOW + second * SECOND)
    assert len([one for one in said if one.startswith("UPDATE")]) == 1
    assert len([one for one in said if one.startswith("SELECT")]) == 120


def test_the_use_of_one_keeps_no_other_open(db: Engine) -> None:
    account(db)
    (used, _), (left, _) = enter(db), enter(db)
    assert find(db, used, NOW + 20 * MINUTE)
    assert find(db, used, NOW + 40 * MINUTE)
    assert find(db, left, NOW + 40 * MINUTE) is None


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_must_have_a_second_factor_has_to_set_one_up_first(db: Engine, role: Role) -> None:
    made = account(db, role=role)
    first, signed_in = enter(db)
    assert signed_in.missing == ("set_up" if role in SECOND_FACTOR_ROLES else "")
    if signed_in.missing:
        token, signed_in, _ = enter_fully(db, made)
        assert (signed_in.missing, signed_in.second_factor) == ("", True)
        assert find(db, token, NOW) == signed_in
        assert actions(db)[-1] == "second_factor_set_up"
        assert find(db, first, NOW) is not None, "another browser's sign-in is not this one's"
        assert find(db, first, NOW).missing == "code"  # type: ignore[union-attr]


def test_whoever_has_a_second_factor_gives_a_code_and_gets_a_new_token_for_it(db: Engine) -> None:
    made = account(db)  # a teacher may have one too
    _, _, totp = enter_fully(db, made)
    later = NOW + 10 * MINUTE
    token, signed_in = enter(db, now=later)
    assert (signed_in.missing, signed_in.second_factor) == ("code", False)
    with pytest.raises(Refused, match="code"):
        sessions.pass_second_factor(db, signed_in, totp.at(NOW), later)
    new, passed = sessions.pass_second_factor(db, signed_in, totp.at(later), later)
    assert new != token
    assert passed.csrf != signed_in.csrf
    assert (passed.missing, passed.second_factor, passed.signed_in_at) == ("", True, later)
    assert find(db, token, later) is None
    assert find(db, new, later + 20 * MINUTE)
    assert actions(db)[-2:] == ["sign_in", "second_factor_passed"]


def test_what_is_not_proved_ends_after_a_quarter_of_an_hour_however_much_it_is_used(db: Engine) -> None:
    account(db, role="counselor")
    token, signed_in = enter(db)
    assert signed_in.expires_at == NOW + UNPROVEN_FOR
    for minute in range(1, 15):
        assert find(db, token, NOW + minute * MINUTE)
    assert find(db, token, NOW + UNPROVEN_FOR) is None


def wrong(totp: pyotp.TOTP, now: datetime) -> str:
    """Return a code that is none of those that are good about now."""
    good = {totp.at(now + step * MINUTE / 2) for step in range(-2, 3)}
    return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in good)


def test_the_twelve_hours_begin_with_the_password_and_not_with_the_code(db: Engine) -> None:
    made = account(db)
    _, _, totp = enter_fully(db, made, NOW - 20 * MINUTE)
    _, signed_in = enter(db)
    _, passed = sessions.pass_second_factor(db, signed_in, totp.at(NOW + 5 * MINUTE), NOW + 5 * MINUTE)
    assert (passed.signed_in_at, passed.expires_at) == (NOW, NOW + 5 * MINUTE + IDLE_FOR)


def test_whoever_has_the_password_alone_is_locked_out_after_ten_wrong_codes_however_often_they_sign_in(db: Engine) -> None:
    made = account(db)
    _, _, totp = enter_fully(db, made, NOW - 20 * MINUTE)
    for _ in range(MOST_TRIES):
        _, signed_in = enter(db)
        with pytest.raises(Refused):
            sessions.pass_second_factor(db, signed_in, wrong(totp, NOW), NOW)
    with pytest.raises(Refused):
        sessions.pass_second_factor(db, signed_in, totp.at(NOW), NOW)
    refused_words(db, "ben", PASSWORD)


def test_a_right_code_forgets_the_wrong_ones_before_it(db: Engine) -> None:
    made = account(db)
    _, _, totp = enter_fully(db, made, NOW - 20 * MINUTE)
    for half_minute in range(3):
        moment = NOW + half_minute * MINUTE / 2
        _, signed_in = enter(db, now=moment)
        for _ in range(MOST_TRIES - 1):
            with pytest.raises(Refused):
                sessions.pass_second_factor(db, signed_in, wrong(totp, moment), moment)
        sessions.pass_second_factor(db, signed_in, totp.at(moment), moment)


def test_a_code_does_not_bring_back_what_was_ended_meanwhile(db: Engine) -> None:
    made = account(db)
    _, _, totp = enter_fully(db, made)
    later = NOW + 10 * MINUTE
    _, signed_in = enter(db, now=later)
    sign_out_everywhere(db, made, later)
    with pytest.raises(Refused, match="ended meanwhile"):
        sessions.pass_second_factor(db, signed_in, totp.at(later), later)


def test_a_wrong_code_at_the_setting_up_is_counted_and_sets_nothing_up(db: Engine) -> None:
    made = account(db, role="principal")
    _, signed_in = enter(db)
    people.begin_second_factor(db, "lincoln", made.id, NOW)
    for _ in range(MOST_TRIES):
        with pytest.raises(Refused, match="not set up"):
            sessions.confirm_second_factor(db, signed_in, "no code", NOW)
    assert not people.has_second_factor(db, "lincoln", made.id)
    refused_words(db, "ben", PASSWORD)


def test_a_whole_sign_in_forgets_the_wrong_tries_before_it(db: Engine) -> None:
    account(db)
    for _ in range(3):
        for _ in range(MOST_TRIES - 1):
            refused_words(db, "ben", "wrong")
        enter(db)


def test_signing_out_ends_this_one_and_signing_out_everywhere_ends_all(db: Engine) -> None:
    made = account(db)
    (one, signed_in), (two, _), (three, _) = enter(db), enter(db), enter(db)
    for _ in range(2):
        sign_out(db, signed_in, NOW)
    assert [find(db, token, NOW) is None for token in (one, two, three)] == [True, False, False]
    assert sign_out_everywhere(db, made, NOW) == 2
    assert [find(db, token, NOW) for token in (two, three)] == [None, None]
    assert actions(db)[-2:] == ["sign_out", "sign_out_everywhere"]


@pytest.mark.parametrize("act", ["disable", "change_password", "remove_second_factor"])
def test_what_closes_an_account_ends_what_is_signed_in_with_it(db: Engine, act: str) -> None:
    made, other = account(db), account(db, "ruth")
    (token, _), (theirs, _) = enter(db), enter(db, other.login)
    if act == "change_password":
        people.change_password(db, "lincoln", made.id, "seven herons at dusk", NOW)
    else:
        getattr(people, act)(db, "lincoln", made.id, NOW)
    assert find(db, token, NOW) is None
    assert find(db, theirs, NOW)


def test_a_disabled_account_is_out_though_its_session_is_stored(db: Engine) -> None:
    account(db)
    token, _ = enter(db)
    with writing(db) as connection:
        connection.execute(update(ACCOUNTS).values(disabled_at=NOW))
    assert find(db, token, NOW) is None


def test_a_role_that_was_changed_counts_from_the_next_request(db: Engine) -> None:
    account(db)
    token, _ = enter(db)
    with writing(db) as connection:
        connection.execute(update(ACCOUNTS).values(role="counselor"))
    found = find(db, token, NOW)
    assert found is not None
    assert (found.account.role, found.missing) == ("counselor", "set_up")


def test_the_word_for_forms_matches_itself_alone(db: Engine) -> None:
    account(db)
    (_, signed_in), (_, other) = enter(db), enter(db)
    assert csrf_matches(signed_in, signed_in.csrf)
    for sent in ("", other.csrf, signed_in.csrf[:-1], signed_in.csrf + "x", "é", "\ud800"):
        assert not csrf_matches(signed_in, sent)


def test_signing_in_removes_sessions_that_are_over(db: Engine) -> None:
    account(db)
    for _ in range(3):
        enter(db)
    enter(db, now=NOW + IDLE_FOR)
    with db.connect() as connection:
        assert len(connection.execute(select(SESSIONS.c.digest)).all()) == 1


def test_signing_in_and_out_everywhere_at_once_waits_for_nobody_for_ever(db: Engine) -> None:
    made = account(db)

    def act(number: int) -> None:
        if number % 3 == 0:
            sign_out_everywhere(db, made, NOW)
        elif number % 3 == 1:
            enter(db, now=NOW + number * 10 * MINUTE)
        else:
            _, signed_in = enter(db)
            sign_out(db, signed_in, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(act, range(48)))
    assert trail.verify(db, "lincoln") is None


def administrators(db: Engine) -> tuple[SignedIn, SignedIn]:
    boss, other = account(db, "boss", "administrator"), account(db, "other", "principal")
    return enter_fully(db, boss)[1], enter_fully(db, other)[1]


def test_a_record_that_somebody_else_approved_is_open_for_an_hour(db: Engine) -> None:
    boss, other = administrators(db)
    asked = ask_break_glass(db, boss, "S-1", f"  {REASON} ", NOW)
    assert grants(db, boss.account, NOW) == ()
    opened = approve_break_glass(db, other, asked.id, NOW + MINUTE)
    assert (opened.reason, opened.approved_by, opened.expires_at) == (REASON, other.account.id, NOW + MINUTE + OPEN_FOR)
    for moment, count in ((NOW, 0), (NOW + MINUTE, 1), (opened.expires_at - SECOND, 1), (opened.expires_at, 0)):
        assert len(grants(db, boss.account, moment)) == count
    (grant,) = grants(db, boss.account, NOW + MINUTE)
    assert (grant.student_id, grant.live(boss.account, NOW + MINUTE)) == ("S-1", True)
    assert grants(db, other.account, NOW + MINUTE) == ()
    assert sessions.all_break_glass(db, "lincoln") == [opened]
    assert [(seen.action, seen.account_id) for seen in trail.who_viewed(db, "lincoln", "S-1")] == [
        ("break_glass_approved", other.account.id),
        ("break_glass_asked", boss.account.id),
    ]


def test_nobody_approves_their_own_question_nor_one_of_yesterday_nor_twice(db: Engine) -> None:
    boss, other = administrators(db)
    asked = ask_break_glass(db, boss, "S-1", REASON, NOW)
    with pytest.raises(Refused, match="own question"):
        approve_break_glass(db, boss, asked.id, NOW)
    with pytest.raises(NotFound):
        approve_break_glass(db, other, asked.id, NOW + ASKED_FOR)
    with pytest.raises(NotFound):
        approve_break_glass(db, other, "nosuchid", NOW)
    approve_break_glass(db, other, asked.id, NOW)
    with pytest.raises(NotFound):
        approve_break_glass(db, other, asked.id, NOW)


def test_only_an_administrator_who_passed_everything_and_says_why_may_ask(db: Engine) -> None:
    boss, other = administrators(db)
    cases = (
        (other, REASON, ["role"]),
        (boss, "because", ["reason"]),
        (boss, "x" * 1_001, ["reason"]),
        (boss, "\0" * 30, ["reason"]),
        (replace(boss, second_factor=False, missing="code"), REASON, ["sign-in"]),
        (replace(boss, second_factor=False, missing="set_up"), " ", ["sign-in", "reason"]),
    )
    for signed_in, reason, where in cases:
        with pytest.raises(Refused) as refused:
            ask_break_glass(db, signed_in, "S-1", reason, NOW)
        assert [problem.where for problem in refused.value.problems] == where
    teacher = enter(db, account(db).login)[1]
    asked = ask_break_glass(db, boss, "S-1", REASON, NOW)
    with pytest.raises(Refused, match="rights"):
        approve_break_glass(db, teacher, asked.id, NOW)
    assert sessions.all_break_glass(db, "lincoln") == [asked]


def test_signing_out_closes_what_was_open(db: Engine) -> None:
    boss, other = administrators(db)
    for student, end in (("S-1", sign_out), ("S-2", None)):
        approve_break_glass(db, other, ask_break_glass(db, boss, student, REASON, NOW).id, NOW)
        assert len(grants(db, boss.account, NOW)) == 1
        if end:
            end(db, boss, NOW)
        else:
            sign_out_everywhere(db, boss.account, NOW)
        assert grants(db, boss.account, NOW) == ()


def test_the_reason_is_in_the_trail_as_what_shows_that_it_was_not_changed_and_no_more(db: Engine) -> None:
    boss, _ = administrators(db)
    asked = ask_break_glass(db, boss, "S-1", REASON, NOW)
    (seen,) = trail.who_viewed(db, "lincoln", "S-1")
    with db.connect() as connection:
        salt = connection.execute(select(BREAK_GLASS.c.salt)).scalar_one()
    assert seen.why == f"{asked.id} {hmac.new(bytes.fromhex(salt), REASON.encode(), hashlib.sha256).hexdigest()}"

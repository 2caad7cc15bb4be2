"""The trail of who saw what: only added to, and telling when it was not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from serving.cases import trail
from serving.cases.database import leave_no_traces, open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import TRAIL, TRAIL_HEADS, TRAIL_KEYS
from serving.cases.trail import Broken, Head, Viewing, append, head, record, unlink, verify, who_viewed

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
RUTH = Account("ruth", "lincoln", "ruth", "Ruth Okoro", "counselor", "T-1", None)
BEN = Account("ben", "lincoln", "ben", "Ben Hale", "teacher", "T-2", None)


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    create_tenant(engine, "lincoln")
    yield engine
    engine.dispose()


def viewed(db: Engine, count: int, tenant: str = "lincoln") -> None:
    for number in range(count):
        record(db, tenant, RUTH, "view", f"S-{number % 3}", "caseload", NOW + timedelta(minutes=number))


def without_triggers(db: Engine) -> None:
    """Let the trail be changed as somebody can who owns the database."""
    with writing(db) as connection:
        if db.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE trail DISABLE TRIGGER USER"))
        else:
            for name in ("no_update", "no_delete", "no_replace"):
                connection.execute(text(f"DROP TRIGGER trail_{name}"))


def changed(db: Engine, statement: str) -> None:
    with writing(db) as connection:
        connection.execute(text(statement))


def test_rows_are_numbered_from_one_and_the_trail_is_whole(db: Engine) -> None:
    assert verify(db, "lincoln") is None
    assert [record(db, "lincoln", RUTH, "view", "S-1", "caseload", NOW) for _ in range(3)] == [1, 2, 3]
    assert record(db, "lincoln", None, "account_created", None, "", NOW) == 4
    assert head(db, "lincoln").number == 4
    assert verify(db, "lincoln") is None


def test_who_saw_a_student_is_told_newest_first_and_by_name_where_the_account_is_there(db: Engine) -> None:
    with writing(db) as connection:
        connection.execute(
            text("INSERT INTO account (id, tenant_id, login, name, role, language, password_hash, created_at, failed_attempts)"
                 " VALUES ('ruth', 'lincoln', 'ruth', 'Ruth Okoro', 'counselor', 'en', '', '2026-11-01 00:00:00', 0)")
        )  # fmt: skip
    record(db, "lincoln", RUTH, "view", "S-1", "caseload", NOW)
    record(db, "lincoln", BEN, "view", "S-2", "own_class", NOW)
    record(db, "lincoln", BEN, "note", "S-1", "own_class", NOW + timedelta(hours=1))
    assert who_viewed(db, "lincoln", "S-1") == (
        Viewing(NOW + timedelta(hours=1), "ben", "", "teacher", "note", "own_class"),
        Viewing(NOW, "ruth", "Ruth Okoro", "counselor", "view", "caseload"),
    )
    assert who_viewed(db, "lincoln", "S-9") == ()


def test_a_moment_is_told_in_utc_wherever_it_was_written(db: Engine) -> None:
    from zoneinfo import ZoneInfo

    record(db, "lincoln", RUTH, "view", "S-1", "caseload", NOW.astimezone(ZoneInfo("America/Chicago")))
    (seen,) = who_viewed(db, "lincoln", "S-1")
    assert (seen.at, seen.at.tzinfo) == (NOW, UTC)
    assert verify(db, "lincoln") is None


def test_a_tenants_trail_is_its_own(db: Engine) -> None:
    create_tenant(db, "roosevelt")
    viewed(db, 3)
    assert record(db, "roosevelt", RUTH, "view", "S-1", "caseload", NOW) == 1
    assert len(who_viewed(db, "roosevelt", "S-1")) == 1
    with db.connect() as connection:
        rows = connection.execute(select(TRAIL.c.tenant_id, TRAIL.c.student)).all()
    pseudonyms = {tenant: {row.student for row in rows if row.tenant_id == tenant} for tenant in ("lincoln", "roosevelt")}
    assert len(pseudonyms["lincoln"]) == 3
    assert pseudonyms["lincoln"].isdisjoint(pseudonyms["roosevelt"])


def test_a_student_is_in_the_trail_under_a_pseudonym_alone(db: Engine) -> None:
    viewed(db, 6)
    with db.connect() as connection:
        rows = connection.execute(select(TRAIL)).mappings().all()
    assert len({row["student"] for row in rows}) == 3
    assert not any("S-" in str(value) for row in rows for value in row.values())


def test_students_who_are_seen_on_one_page_have_a_pseudonym_each(db: Engine) -> None:
    trail.record_all(db, "lincoln", RUTH, "list", ["S-1", "S-2", "S-1"], "caseload", NOW)
    with db.connect() as connection:
        first, second, third = connection.execute(select(TRAIL.c.student).order_by(TRAIL.c.number)).scalars()
    assert first == third != second


@pytest.mark.parametrize("statement", ["UPDATE trail SET why = ''", "DELETE FROM trail WHERE number = 2", "DELETE FROM trail"])
def test_the_database_refuses_to_change_or_delete_a_row(db: Engine, statement: str) -> None:
    viewed(db, 3)
    with pytest.raises(IntegrityError, match="only added to"):
        changed(db, statement)
    assert verify(db, "lincoln") is None


def test_a_row_can_be_replaced_by_no_other_way(db: Engine) -> None:
    viewed(db, 3)
    ways = {
        "sqlite": "INSERT OR REPLACE INTO trail SELECT * FROM trail WHERE number = 2",
        "postgresql": "TRUNCATE trail",
    }
    with pytest.raises(IntegrityError, match="only added to"):
        changed(db, ways[db.dialect.name])
    assert verify(db, "lincoln") is None


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-11-16 07:00:00+00:00'", "account_id = 'ben'", "role = 'teacher'", "action = 'note'", "why = ''",
        "student = ''", "digest = '0'",
    ],
)  # fmt: skip
def test_the_first_row_that_was_changed_is_found(db: Engine, change: str) -> None:
    viewed(db, 6)
    without_triggers(db)
    changed(db, f"UPDATE trail SET {change.replace('+00:00', '') if db.dialect.name == 'sqlite' else change} WHERE number >= 4")
    assert verify(db, "lincoln") == Broken(4, "this row was changed, or the one before it")


def test_a_row_that_is_missing_is_found_wherever_it_was(db: Engine) -> None:
    viewed(db, 6)
    without_triggers(db)
    changed(db, "DELETE FROM trail WHERE number = 6")
    assert verify(db, "lincoln") == Broken(6, "the trail's end is missing")
    changed(db, "DELETE FROM trail WHERE number = 3")
    assert verify(db, "lincoln") == Broken(3, "this row is missing")
    changed(db, "DELETE FROM trail WHERE number = 1")
    assert verify(db, "lincoln") == Broken(1, "this row is missing")


def test_a_row_that_was_put_in_is_found(db: Engine) -> None:
    viewed(db, 3)
    known = head(db, "lincoln")
    row = {"tenant_id": "lincoln", "number": 4, "at": NOW, "account_id": "ben", "role": "teacher", "action": "view"}
    row |= {"student": "", "why": ""}
    with writing(db) as connection:
        connection.execute(insert(TRAIL).values(**row, digest=trail._digest(known.digest, row)))
    assert verify(db, "lincoln") == Broken(4, "this row was put in")


def test_a_trail_that_was_written_anew_with_right_digests_is_found_by_a_head_that_was_noted(db: Engine) -> None:
    viewed(db, 4)
    known = head(db, "lincoln")
    viewed(db, 2)
    assert verify(db, "lincoln", known) is None
    without_triggers(db)
    before = "0" * 64
    with writing(db) as connection:
        for row in connection.execute(select(TRAIL).order_by(TRAIL.c.number)).mappings().all():
            forged = {**row, "account_id": "ben"}
            before = trail._digest(before, forged)
            connection.execute(update(TRAIL).where(TRAIL.c.number == row["number"]).values(account_id="ben", digest=before))
        connection.execute(update(TRAIL_HEADS).values(digest=before))
    assert verify(db, "lincoln") is None
    assert verify(db, "lincoln", known) == Broken(4, "the trail was written anew up to here")
    assert verify(db, "lincoln", Head(9, "0" * 64)) == Broken(7, "the trail's end is missing")


def test_when_the_key_is_destroyed_nobody_can_tell_whose_rows_those_were(db: Engine) -> None:
    viewed(db, 6)
    with db.connect() as connection:
        before = connection.execute(select(TRAIL.c.student).where(TRAIL.c.number == 2)).scalar_one()
    with writing(db) as connection:
        assert unlink(connection, "lincoln", "S-1")
        assert not unlink(connection, "lincoln", "S-1")
    assert who_viewed(db, "lincoln", "S-1") == ()
    assert len(who_viewed(db, "lincoln", "S-2")) == 2
    assert verify(db, "lincoln") is None
    number = record(db, "lincoln", RUTH, "view", "S-1", "caseload", NOW)
    with db.connect() as connection:
        assert connection.execute(select(TRAIL.c.student).where(TRAIL.c.number == number)).scalar_one() != before
    assert len(who_viewed(db, "lincoln", "S-1")) == 1


def test_a_destroyed_key_is_in_no_byte_of_the_folder(tmp_path: Path) -> None:
    db = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(db, "lincoln")
    for number in range(200):
        record(db, "lincoln", RUTH, "view", f"STUDENT-{number:03}", "caseload", NOW)
    with db.connect() as connection:
        key = connection.execute(select(TRAIL_KEYS.c.key).where(TRAIL_KEYS.c.student_id == "STUDENT-077")).scalar_one()
    with writing(db) as connection:
        unlink(connection, "lincoln", "STUDENT-077")
    held = [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert held, "the write-ahead log has it still, which is what makes this a test"
    assert leave_no_traces(db)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert key.encode() not in content, path
            assert b"STUDENT-077" not in content, path
    db.dispose()


def test_a_page_of_students_is_recorded_as_each_of_them_would_be(db: Engine) -> None:
    students = [f"S-{number}" for number in range(2_500)]
    assert trail.record_all(db, "lincoln", RUTH, "list", students[:2], "caseload", NOW) == 2
    assert trail.record_all(db, "lincoln", RUTH, "list", students, "caseload", NOW) == 2_502
    assert trail.record_all(db, "lincoln", RUTH, "list", iter(()), "caseload", NOW) == 2_502
    assert [len(who_viewed(db, "lincoln", student)) for student in ("S-1", "S-2", "S-2499")] == [2, 1, 1]
    assert verify(db, "lincoln") is None


def test_what_an_act_says_in_the_trail_goes_with_the_act(db: Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(db) as connection:  # noqa: PT012 - the row, then what fails after it
        append(connection, "lincoln", RUTH, "note", "S-1", "caseload", NOW)
        _ = 1 / 0
    assert head(db, "lincoln") == Head(0, "0" * 64)
    assert who_viewed(db, "lincoln", "S-1") == ()


def test_threads_that_write_at_once_lose_no_row(db: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda n: record(db, "lincoln", RUTH, "view", f"S-{n % 5}", "caseload", NOW), range(60)))
    assert sorted(numbers) == list(range(1, 61))
    assert verify(db, "lincoln") is None
    assert sum(len(who_viewed(db, "lincoln", f"S-{n}")) for n in range(5)) == 60


_WRITER = """
import sys
from datetime import UTC, datetime
from serving.cases.database import open_database
from serving.cases.trail import record
db = open_database(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    record(db, "lincoln", None, "view", f"S-{number % 3}", "", datetime(2026, 11, 16, tzinfo=UTC))
"""


def writers(db: Engine, count: int, rows: int) -> list[subprocess.Popen[str]]:
    url = db.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _WRITER, url, str(rows)]
    return [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(count)]


@pytest.mark.full
def test_processes_that_write_at_once_lose_no_row(db: Engine) -> None:
    started = writers(db, 2, 100)
    assert [process.communicate(timeout=180) and process.returncode for process in started] == [0, 0]
    assert head(db, "lincoln").number == 200
    assert verify(db, "lincoln") is None


@pytest.mark.full
def test_a_process_that_is_killed_while_it_writes_leaves_the_trail_whole(db: Engine) -> None:
    (writer,) = writers(db, 1, 1_000_000)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    for count in (1, 20):
        while head(db, "lincoln").number < count:
            assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=180)
    record(db, "lincoln", RUTH, "view", "S-1", "caseload", NOW)
    assert verify(db, "lincoln") is None

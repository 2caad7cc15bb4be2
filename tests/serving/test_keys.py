"""Keys, and the database that they are kept in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import BOTH, migrated_database, new_database
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from features.problems import NotFound, Refused, Unavailable
from serving.cases import database
from serving.cases.database import MIGRATIONS, open_database, writing
from serving.cases.keys import AUDIENCES, Keyring, create_key, create_tenant, find_key, list_keys, revoke_key
from serving.cases.schema import API_KEYS, METADATA

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return migrated_database(request.param, tmp_path)


@pytest.fixture
def db(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def in_sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(new_database("sqlite", tmp_path))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("kind", BOTH)
def test_an_empty_database_is_brought_to_the_head_and_opening_it_again_changes_nothing(kind: str, tmp_path: Path) -> None:
    url = new_database(kind, tmp_path)
    for _ in range(2):
        engine = open_database(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == database.HEAD
        engine.dispose()


def test_the_head_in_the_code_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD


def test_the_migrated_tables_are_those_of_the_metadata(db: Engine) -> None:
    with db.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("kind", BOTH)
def test_every_migration_keeps_what_there_is_and_can_be_undone(kind: str, tmp_path: Path) -> None:
    url = new_database(kind, tmp_path)
    db = open_database(url)
    secret = create_key(db, "lincoln", "counselor", "gradebook")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    for revision in ("0001", "head"):
        with writing(db) as connection:
            config.attributes["connection"] = connection
            (command.upgrade if revision == "head" else command.downgrade)(config, revision)
            assert connection.execute(text("SELECT label FROM api_key")).scalar_one() == "gradebook"
    with db.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
    assert find_key(db, secret) is not None
    db.dispose()


def test_a_migrated_database_opens_within_50_ms(in_sqlite: Engine) -> None:
    took = []
    for _ in range(5):
        start = time.perf_counter()
        open_database(str(in_sqlite.url))
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


@pytest.mark.full
@pytest.mark.parametrize(("kind", "count"), [("sqlite", 2), ("sqlite", 6), ("postgresql", 3)])
def test_processes_that_start_at_once_migrate_once(kind: str, count: int, tmp_path: Path) -> None:
    url = new_database(kind, tmp_path)
    code = f"from serving.cases.database import open_database; open_database({url!r})"
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(count)
    ]
    said = [process.communicate(timeout=180)[1] for process in started]
    assert [process.returncode for process in started] == [0] * count, said


def test_a_database_of_a_newer_version_is_refused_with_a_way_out(db: Engine, url: str) -> None:
    with writing(db) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match="9999") as refused:
        open_database(url)
    assert "Install" in str(refused.value)


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer") as refused:
        open_database(f"postgresql+psycopg://homeroom:hunter2@/homeroom?host={tmp_path}")
    assert "hunter2" not in str(refused.value)


@pytest.mark.full
def test_nobody_waits_for_a_lock_of_postgresql_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1.0)
    db = open_database(migrated_database("postgresql", tmp_path))
    create_tenant(db, "lincoln")
    with writing(db) as one, pytest.raises(OperationalError, match="lock timeout"), writing(db) as two:  # noqa: PT012 - two at once
        one.execute(text("UPDATE tenant SET name = 'one'"))
        two.execute(text("UPDATE tenant SET name = 'two'"))
    db.dispose()


def test_sqlite_writes_ahead_and_checks_foreign_keys(in_sqlite: Engine) -> None:
    with in_sqlite.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 15_000
        assert connection.execute(text("PRAGMA secure_delete")).scalar() == 1


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_key_is_found_by_its_secret(db: Engine, audience: str) -> None:
    secret = create_key(db, "lincoln", audience, "gradebook")
    assert (secret[:3], secret[11], len(secret)) == ("hr_", "_", 55)
    found = find_key(db, secret)
    assert found is not None
    assert (found.tenant, found.audience, found.label) == ("lincoln", audience, "gradebook")


def test_the_secret_is_nowhere_in_the_file(in_sqlite: Engine, tmp_path: Path) -> None:
    secret = create_key(in_sqlite, "lincoln")
    with in_sqlite.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint"))
    for file in (tmp_path / "new folder").iterdir():
        content = file.read_bytes()
        assert secret.encode() not in content
        assert secret[12:].encode() not in content


def test_a_wrong_secret_finds_nothing(db: Engine) -> None:
    secret = create_key(db, "lincoln")
    last = "A" if secret[-1] != "A" else "B"
    for wrong in ("", "hr_", secret[:-1], secret + "x", secret[:-1] + last, secret.upper(), secret + "\n", "é" * 55):
        assert find_key(db, wrong) is None
    assert find_key(db, secret) is not None


def test_a_revoked_key_finds_nothing_and_stays_in_the_list(db: Engine) -> None:
    secret = create_key(db, "lincoln")
    (listed,) = list_keys(db, "lincoln")
    revoke_key(db, "lincoln", listed.id)
    assert find_key(db, secret) is None
    (first,) = list_keys(db, "lincoln")
    assert first.revoked_at is not None
    revoke_key(db, "lincoln", listed.id)
    assert list_keys(db, "lincoln") == [first]


def test_revoking_a_key_that_does_not_exist_says_so(db: Engine) -> None:
    with pytest.raises(NotFound):
        revoke_key(db, "lincoln", "nosuchid")


def test_a_school_cannot_revoke_another_schools_key_nor_learn_that_there_is_one(db: Engine) -> None:
    secret = create_key(db, "roosevelt")
    (theirs,) = list_keys(db, "roosevelt")
    said = []
    for key_id in (theirs.id, "nosuchid"):
        with pytest.raises(NotFound) as refused:
            revoke_key(db, "lincoln", key_id)
        said.append(str(refused.value).replace(key_id, "..."))
    assert said[0] == said[1]
    assert find_key(db, secret) is not None
    assert list_keys(db, "roosevelt")[0].revoked_at is None


def test_a_school_sees_only_its_own_keys(db: Engine) -> None:
    create_key(db, "lincoln", label="one")
    create_key(db, "lincoln", label="two")
    create_key(db, "roosevelt")
    listed = list_keys(db, "lincoln")
    assert [key.label for key in listed] == ["one", "two"]
    assert all(key.prefix == f"hr_{key.id}" and key.tenant == "lincoln" for key in listed)
    assert all(abs((datetime.now(UTC) - key.created_at).total_seconds()) < 60 for key in listed)


def test_the_day_of_the_last_use_is_noted(db: Engine) -> None:
    secret = create_key(db, "lincoln")
    assert list_keys(db, "lincoln")[0].last_used_on is None
    find_key(db, secret)
    assert list_keys(db, "lincoln")[0].last_used_on == datetime.now(UTC).date()


def test_an_unknown_audience_and_an_endless_label_are_refused_together(db: Engine) -> None:
    with pytest.raises(Refused) as refused:
        create_key(db, "lincoln", "principal", "x" * 201)
    assert [problem.where for problem in refused.value.problems] == ["audience", "label"]


def test_making_a_tenant_twice_keeps_the_first(db: Engine) -> None:
    create_tenant(db, "lincoln", "Lincoln Middle School")
    create_tenant(db, "lincoln", "Somebody else")
    with db.connect() as connection:
        assert connection.execute(text("SELECT name FROM tenant")).scalars().all() == ["Lincoln Middle School"]


@pytest.mark.parametrize("tenant", ["", "../lincoln", "a/b", "lincoln.", "a b", "a\n", "-a", "_a", "é", "a" * 65])
def test_a_tenant_whose_name_cannot_name_a_folder_is_not_made(db: Engine, tenant: str) -> None:
    with pytest.raises(Refused, match="letters, digits, dashes and underscores"):
        create_key(db, tenant)
    with db.connect() as connection:
        assert connection.execute(text("SELECT id FROM tenant")).all() == []


@pytest.mark.parametrize("tenant", ["default", "lincoln-high", "2026", "North_District-7", "a" * 64])
def test_letters_digits_dashes_and_underscores_name_a_tenant(db: Engine, tenant: str) -> None:
    assert find_key(db, create_key(db, tenant)) is not None


def test_a_key_of_no_tenant_cannot_be_stored(db: Engine) -> None:
    create_key(db, "lincoln")
    with pytest.raises(IntegrityError), writing(db) as connection:
        connection.execute(text("UPDATE api_key SET tenant_id = 'nobody'"))


def test_the_keyring_remembers_a_key_for_thirty_seconds_and_then_sees_that_it_was_revoked(db: Engine, url: str) -> None:
    now = [0.0]
    ring = Keyring(url, clock=lambda: now[0])
    secret = create_key(db, "lincoln", "counselor")
    assert ring.remembered(secret) is None
    found = ring.find(secret)
    assert found is not None
    revoke_key(db, "lincoln", found.id)
    now[0] = 29.9
    assert ring.remembered(secret) == ring.find(secret) == found
    now[0] = 30.1
    assert ring.remembered(secret) is None
    assert ring.find(secret) is None


def test_the_keyring_does_not_remember_bad_keys(db: Engine, url: str) -> None:
    ring = Keyring(url)
    secret = create_key(db, "lincoln")
    with writing(db) as connection:
        kept = connection.execute(text("SELECT hash FROM api_key")).scalar()
        connection.execute(update(API_KEYS).values(hash="0" * 64))
    assert ring.find(secret) is None
    with writing(db) as connection:
        connection.execute(update(API_KEYS).values(hash=kept))
    assert ring.find(secret) is not None

"""Opens the service's database, SQLite or PostgreSQL, and brings it to the newest shape before anybody reads it.

Several workers start at the same moment. The first one migrates while holding a lock of the database itself, the
others wait for it and then find nothing to do. A database that is already at the head costs one query, and Alembic
is not even imported.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from features.problems import Problem, Refused, Unavailable

#: What is passed around of an open database: only this folder knows what it is.
type Database = Engine

#: ``Engine`` is named here for rooms that hold a database and speak no SQL.
__all__ = ["BUSY_SECONDS", "HEAD", "MIGRATIONS", "Engine", "leave_no_traces", "open_database", "writing"]

#: The revision that this code was written for. A test holds it equal to the newest file in ``serving/migrations``.
HEAD = "0008"

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

#: How long a connection waits for another one's write, and how long a worker waits for another one's migration.
BUSY_SECONDS = 15.0

#: Any number will do that no other program uses on the same PostgreSQL server.
_ADVISORY_LOCK = 7_466_137_204


def open_database(url: str) -> Engine:
    """Return an engine on the database at ``url``, whose tables are those of :mod:`serving.cases.schema`.

    Raises :class:`~features.problems.Refused` when the database was made by a newer Homeroom: going on would mean
    to guess what its columns mean; :class:`~features.problems.Unavailable` when its server does not answer.
    """
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            found = _revision(connection)
    except OperationalError as error:
        if engine.dialect.name == "sqlite":
            raise
        where = engine.url.render_as_string(hide_password=True)
        raise Unavailable(f"The database at {where} does not answer. Check database_url, and that its server runs.") from error
    if found == HEAD:
        return engine
    with _alone(engine) as connection:
        found = _revision(connection)
        if found != HEAD:
            _upgrade(connection, found)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection for a transaction that will write; it commits at the end and rolls back on an error.

    On SQLite the write lock is taken at the beginning. A transaction that reads first and asks for the lock later is
    refused at once, whatever the busy timeout, when somebody wrote in between.
    """
    with engine.execution_options(homeroom_writes=True).begin() as connection:
        yield connection


def leave_no_traces(engine: Engine) -> bool:
    """Make what was deleted unreadable in the files too, and return whether that was done.

    In SQLite a deleted row is overwritten (``secure_delete``), but older pages stay in the write-ahead log until it is
    folded into the database and cut to nothing, which has to wait for every reader; ``False`` means that one was
    reading for longer than ``BUSY_SECONDS``. PostgreSQL reuses the space of deleted rows at its own pace, and its
    backups and its log are its administrator's: there the answer is always ``False``.
    """
    if engine.dialect.name != "sqlite":
        return False
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar() == 0


def _engine(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        engine = create_engine(address, pool_pre_ping=True, connect_args={"connect_timeout": int(BUSY_SECONDS)})

        @event.listens_for(engine, "connect")
        def wait_no_longer(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
            # A worker that waits for a lock for ever would take its place in the pool with it.
            cursor = connection.cursor()
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS:.0f}s'")
            cursor.close()
            connection.commit()

        return engine
    if address.database and address.database != ":memory:":
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's driver would otherwise begin transactions by itself, too late for DDL and for the write lock.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")  # safe with a write-ahead log, and several times faster
        cursor.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, not only let go
        cursor.close()
        _write_ahead(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("homeroom_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: DBAPIConnection) -> None:
    """Put the file into write-ahead mode, in which readers do not wait for a writer. It stays so for good.

    The switch itself does not honour the busy timeout, so that two processes which meet on a new file must try again.
    """
    cursor = connection.cursor()
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            cursor.close()
            return


def _revision(connection: Connection) -> str | None:
    """Return the revision the tables are at, or ``None`` for a database that has none of them."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside a transaction that only one process at a time can be in."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        yield connection


def _upgrade(connection: Connection, found: str | None) -> None:
    # Alembic costs 100 ms of import, which only the first start has to pay.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        if found is not None:
            ScriptDirectory.from_config(config).get_revision(found)
        command.upgrade(config, "head")
    except CommandError as error:
        raise Refused(
            [
                Problem(
                    code="newer_database",
                    where="database",
                    problem=f"Its revision {found} is not known to this version of Homeroom, which knows {HEAD}",
                    hint="Install the version of Homeroom that made it, or restore a backup from before the upgrade.",
                )
            ],
            "The database cannot be opened",
        ) from error

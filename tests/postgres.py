"""Databases for tests, of SQLite and of a real PostgreSQL: started when a test first asks, stopped when all are over."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from serving.cases.database import open_database

#: A parameter for every test that runs on both databases.
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)]

#: Nothing in it has to outlive the machine, and a test waits for no disk.
_QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB -c max_connections=60"

_NUMBERS = count(1)


def new_database(kind: str, folder: Path) -> str:
    """Return the address of a database that nobody has opened yet."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/new folder/homeroom.db"
    return _create("template0")


def migrated_database(kind: str, folder: Path) -> str:
    """Return the address of a database at the head: a copy of one that was brought there, which is quicker."""
    if kind == "postgresql":
        return _create(_template())
    url = new_database(kind, folder)
    file = Path(str(make_url(url).database))
    file.parent.mkdir()
    file.write_bytes(_file())
    return url


@cache
def binaries() -> Path:
    """Return the folder of PostgreSQL's programs; without it fail where everything must be tested, else skip with a word."""
    on_path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if on_path or installed:
        return (Path(on_path) if on_path else installed[-1]).resolve().parent
    said = "There is no PostgreSQL on this machine (apt install postgresql), so nothing is tested on it."
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


@cache
def _server() -> str:
    """Start a server on a socket in a folder of its own and return the folder: no port can be taken by somebody else."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="homeroom-postgres-", dir="/tmp"))  # a socket's path has at most 107 characters
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")  # PostgreSQL refuses to run as root
    data = folder / "data"
    _run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", f"{_QUICK} -k {folder} -h ''", "start")

    def stop() -> None:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)

    atexit.register(stop)
    return str(folder)


def _run(*command: str | Path) -> None:
    as_somebody = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # Into a file and no pipe: the server would keep the pipe open, and whoever reads it would wait for the server.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run([*as_somebody, *command], stdout=said, stderr=said, cwd="/", check=False)
        said.seek(0)
        assert done.returncode == 0, said.read().decode()


def _url(database: str) -> str:
    return f"postgresql+psycopg://postgres@/{database}?host={_server()}"


def _create(template: str) -> str:
    name = f"test_{next(_NUMBERS)}"
    engine = create_engine(_url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    engine.dispose()
    return _url(name)


@cache
def _template() -> str:
    url = _create("template0")
    open_database(url).dispose()  # nobody may be connected to what is copied
    return str(make_url(url).database)


@cache
def _file() -> bytes:
    """Return SQLite's file at the head."""
    with tempfile.TemporaryDirectory() as folder:
        url = new_database("sqlite", Path(folder))
        open_database(url).dispose()  # whoever closes it last folds the write-ahead log into the file
        return Path(str(make_url(url).database)).read_bytes()

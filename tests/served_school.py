"""A small simulated district on the real service, over HTTP, with people who can sign in: what browsers are pointed at.

Everything is made by the demonstration's own steps: simulated, exported, read, learned from, promoted and scored, with a
training of seconds. Nothing stands in for a part of the service.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyotp
import pytest
from trainings import QUICK

from features.records import SchoolRecords
from homeroom import demo
from serving.cases import people, sessions
from serving.cases.access import ties
from serving.cases.database import Engine, open_database
from serving.cases.people import Account, Role
from serving.contract import ServeSettings
from serving.launch import server_command
from serving.review.reception import SESSION
from serving.store import Store

ROOT = Path(__file__).resolve().parents[1]

#: So many students: enough for every area to be learned but leaving school, in half a minute.
STUDENTS, SEED = 240, 7

#: What the service shows matters here, and not how good it is: that is judged elsewhere.
TRAINING = replace(QUICK, trees=15, most_rows=6000, bootstrap_draws=20, explained=20, refits=0, shift_parts=0)

PASSWORD = "seven quiet otters cross"


@dataclass
class Served:
    """A service as a test holds it, and who can sign in to it.

    ``secrets`` are those of second factors, by login.
    """

    url: str
    home: Path
    db: Engine
    records: SchoolRecords
    today: date
    process: subprocess.Popen[bytes]
    said: Path
    secrets: dict[str, str] = field(default_factory=dict)
    _recovery: dict[str, list[str]] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def account(self, role: Role, person: str | None, login: str, name: str) -> Account:
        """Make an account, with a second factor where the role needs one."""
        now = datetime.now(UTC)
        made = people.create_account(
            self.db, "default", login=login, name=name, role=role, person_id=person, password=PASSWORD, now=now
        )
        if people.needs_second_factor(made):
            # A code is good once: those of this moment are left to whoever signs in.
            earlier = now - timedelta(seconds=60)
            begun = people.begin_second_factor(self.db, "default", made.id, earlier)
            code = pyotp.TOTP(begun.secret).at(earlier)
            self._recovery[login] = list(people.confirm_second_factor(self.db, "default", made.id, code, earlier))
            self.secrets[login] = begun.secret
        return made

    def cookie(self, account: Account) -> Mapping[str, Any]:
        """Return the cookie of somebody who has signed in, as Playwright takes it."""
        if account.login not in self._tokens:
            now = datetime.now(UTC)
            token, signed_in = sessions.sign_in(self.db, "default", account.login, PASSWORD, now)
            if signed_in.missing:
                code = self._recovery[account.login].pop()
                token, _ = sessions.pass_second_factor(self.db, signed_in, code, now)
            self._tokens[account.login] = token
        # A cookie of this name has no domain, and is for a secure connection: that to this machine counts as one.
        return {"name": SESSION, "value": self._tokens[account.login], "url": self.url.replace("http:", "https:"),
                "secure": True, "httpOnly": True, "sameSite": "Lax"}  # fmt: skip

    def person(self, role: Role, most: int = 1_000_000) -> str:
        """Return who of a role is tied to the most students, of those with at most so many."""
        mine = ties(self.records, self.today).frame.filter(pl.col("role") == role)
        counted = mine.group_by("person_id").agg(pl.col("student_id").n_unique().alias("students"))
        few = counted.filter(pl.col("students") <= most).sort("students", "person_id", descending=[True, False])
        return str(few["person_id"][0])


def make(home: Path) -> demo.Shown:
    """Make the district and everything that the service needs, in a folder."""
    return demo.prepare(home, STUDENTS, SEED, TRAINING, lambda *_: None)


def start(home: Path, today: date, **review: object) -> Served:
    """Start the service on a folder, read as on a day, and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"today": today.isoformat(), "simulated": True, "capacity": 12, "capacity_set_by": "Pia Lund",
            "safeguarding": "Ida Berg, room 12", **review}  # fmt: skip
    settings = ServeSettings.from_mapping({"home": str(home), "review": told})
    command, environment = server_command(settings, "127.0.0.1", port)
    said = home.parent / f"{home.name}.said"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, env={**environment, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    store = Store.of(home, "default")
    found = Served(
        f"http://127.0.0.1:{port}", home, open_database(settings.database_url), SchoolRecords.open(store.records_folder),
        today, process, said,
    )  # fmt: skip
    deadline = time.monotonic() + 180  # a machine busy with other tests
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{found.url}/livez").status_code == 200:
                return found
        except httpx.TransportError:
            time.sleep(0.1)
    stop(found)
    pytest.fail(f"the server did not start: {said.read_text()}")


def stop(served: Served) -> None:
    """Stop the service, and kill it where it does not."""
    if served.process.poll() is None:
        served.process.send_signal(signal.SIGTERM)
        try:
            served.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(served.process.pid, signal.SIGKILL)
            served.process.wait()

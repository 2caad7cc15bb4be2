"""A school with its people signed in, whose pages are asked for as a browser asks, through the guard and without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import anyio
import httpx
import polars as pl
import pyotp
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Starred

from features.records import SchoolRecords
from serving import lists
from serving.batch import SCHEMA
from serving.cases import people, sessions
from serving.cases.database import open_database
from serving.cases.oidc import Provider
from serving.cases.people import Role
from serving.contract import Desk, ServeSettings
from serving.guard import CALL, Boundary, Entry, Guard
from serving.review.reception import SESSION, Reception, addresses
from serving.review.routes import ROUTES, Route
from serving.review.settings import ReviewSettings
from serving.store import Latest, Store

PASSWORD = "seven quiet otters cross"
MOMENT = datetime(2026, 11, 13, 7, 40, tzinfo=UTC)
SETTINGS = ReviewSettings(today="2026-11-13", simulated=True, capacity=2, capacity_set_by="Pia", safeguarding="Ida, room 12")


class NoKeys:
    def remembered(self, secret: str) -> None:
        return None

    def find(self, secret: str) -> None:
        return None


@dataclass
class Browser:
    """Somebody at the pages. It keeps cookies, also those that are for a secure connection only, and follows nothing."""

    app: Guard
    cookies: dict[str, str]
    csrf: str = ""

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self._ask("GET", address, None, headers)

    def post(self, address: str, form: Mapping[str, str | Sequence[str]] | None = None, **headers: str) -> httpx.Response:
        sent = {"csrf": self.csrf, **(form or {})}
        return self._ask("POST", address, urlencode(sent, doseq=True).encode(), headers)

    def _ask(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        told = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        if body is not None:
            told.setdefault("Content-Type", "application/x-www-form-urlencoded")

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=cast("object", self.app))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="https://school.example") as client:
                return await client.request(method, address, content=body, headers=told)

        answer = anyio.run(ask)
        for one in answer.headers.get_list("set-cookie"):
            name, _, rest = one.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value and "Max-Age=0" not in one:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer


@dataclass
class School:
    """A school, its database and its reception."""

    home: Path
    db: Engine
    reception: Reception
    app: Guard

    @classmethod
    def of(
        cls, home: Path, records: SchoolRecords, *, settings: ReviewSettings = SETTINGS, routes: Sequence[Route] = ROUTES,
        desk: Desk | None = None, now: datetime = MOMENT, provider: Provider | None = None,
    ) -> School:  # fmt: skip
        # Under a name of its own, what is worked out of records is worked out once.
        named = replace(records, digest=records.digest or str(home))
        named.write(Store.of(home, "default").records_folder)
        db = open_database(f"sqlite:///{home / 'homeroom.db'}")
        reception = Reception(home, "default", lambda: db, lambda: cast("Desk", desk), settings, lambda: now, provider, routes)

        def answer(request: Request) -> Response:
            call = CALL.get()
            with Boundary(call):
                return reception.answer(request, call.form, call.request_id)
            return Response(status_code=500)

        app = Guard(
            Starlette(routes=[Starred("/{rest:path}", answer, methods=["GET", "POST"])]),
            settings=ServeSettings.from_mapping({"home": str(home)}), keys=NoKeys(), measure=lambda *_: None,
            entries=tuple(Entry(path, method, page=True) for path, method in addresses()), refused=reception.refused,
        )  # fmt: skip
        return cls(home, db, reception, app)

    def account(self, role: Role, person: str | None, organisation: str | None = None, login: str = "") -> people.Account:
        return people.create_account(
            self.db, "default", login=login or f"{role}-{person}", name=f"{role} {person}", role=role, person_id=person,
            organisation_id=organisation, password=PASSWORD, now=MOMENT,
        )  # fmt: skip

    def stranger(self) -> Browser:
        return Browser(self.app, {})

    def browser(self, account: people.Account) -> Browser:
        """Return the browser of somebody who has signed in, with a second factor where their role must have one."""
        token, signed_in = sessions.sign_in(self.db, account.tenant, account.login, PASSWORD, MOMENT)
        if signed_in.missing == "set_up":
            made = people.begin_second_factor(self.db, account.tenant, account.id, MOMENT)
            code = pyotp.TOTP(made.secret).at(MOMENT)
            token, signed_in, _ = sessions.confirm_second_factor(self.db, signed_in, code, MOMENT)
        return Browser(self.app, {SESSION: token}, signed_in.csrf)


def csrf_in(text: str) -> str:
    """Return the word of the first form on a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found, "the page has no form with a word"
    return found[1]


@cache
def part_names(path: str) -> tuple[str, ...]:
    """Return the names of the parts of an address."""
    return tuple(re.findall(r"\{(\w+)\}", path))


def scored(student: str, target: str = "course_failure", band: str = "check_in_suggested", **told: object) -> dict[str, object]:
    """Return a row of a list: of a student, an area and a band, with one reason."""
    concept = str(told.pop("concept", "coursework"))
    text = told.pop("text", "The student has 3 of the last 4 pieces of work not in. The middle of the class: 0.")
    reason = {"concept": concept, "feature": "f", "value": 1.0, "contribution": 1.0, "text": text}
    strength = told.pop("strength", None)
    praised = [{"concept": "marks", "feature": "g", "value": 1.0, "contribution": -1.0, "text": strength}] if strength else []
    return {
        "prediction_id": f"p-{student}.{target}-1", "student_id": student, "target": target, "enrolment_id": f"e-{student}",
        "section_id": "lincoln-algebra", "skill_id": None, "as_of": MOMENT.date(), "status": "scored", "status_reason": "",
        "band": band, "probability": 0.5, "interval_low": 0.4, "interval_high": 0.6, "per_100": "Of 100 ..., about 50.",
        "reasons": [reason], "strengths": praised, "unknowns": [], "model_version": "1", "norms": "", "raw": 0.0, **told,
    }  # fmt: skip


def list_students(home: Path, rows: Sequence[Mapping[str, object]], before: Sequence[Mapping[str, object]] = ()) -> None:
    """Make rows the newest list of a school, and others that of two weeks before."""
    store = Store.of(home, "default")
    frame = pl.DataFrame(list(rows), schema=SCHEMA)
    (store.folder / "lists").mkdir(parents=True, exist_ok=True)
    promised = {"precision": 0.6, "rows": 100, "version": "1", "made_to": "2025-06-01", "by_day": {}, "labelled": {}}
    areas = ("dropout", "course_failure", "chronic_absence")
    note = {"token": "t", "pass_mark": 0.8, "promised": dict.fromkeys(areas, promised)}
    for day, told in ((MOMENT.date() - timedelta(days=14), before), (MOMENT.date(), rows)):
        listed = pl.DataFrame(list(told), schema=SCHEMA).select(lists.COLUMNS)
        if told:
            listed.write_parquet(store.folder / "lists" / f"{day}-x.parquet", metadata={"homeroom": json.dumps(note)})
    frame.write_parquet(store.folder / "scored.parquet")
    store.name_latest(Latest(MOMENT.date(), MOMENT.date(), {}, {}, "t", {}, "scored.parquet"))

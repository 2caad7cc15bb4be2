"""The guard before an application that misbehaves in every way that BentoML might."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from features.problems import Refused, Unavailable
from serving.cases.keys import ApiKey
from serving.contract import ServeSettings
from serving.failures import WithoutValues, failure_of_error, places
from serving.guard import CALL, ENTRIES, Boundary, Call, Guard, check_score
from serving.launch import server_command

KEY = ApiKey("abcdefgh", "lincoln", "teacher", "")
BODY = {"as_of": "2026-11-13", "students": [{"student_id": "S-104"}]}
App = Callable[[Scope, Receive, Send], Any]


class Keys:
    """Knows one key, and notes how it was asked."""

    def __init__(self) -> None:
        self.searched = 0

    def remembered(self, secret: str) -> ApiKey | None:
        return None

    def find(self, secret: str) -> ApiKey | None:
        self.searched += 1
        return KEY if secret == "good" else None


def says(status: int, content: bytes, **headers: str) -> App:
    """Return an application that answers this and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content[:3], "more_body": True})
        await send({"type": "http.response.body", "body": content[3:]})

    return app


def guard(app: App, noted: list[tuple[str, int]] | None = None, **settings: object) -> Guard:
    def measure(route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        if noted is not None:
            noted.append((route, status))

    return Guard(app, settings=ServeSettings.from_mapping(settings), keys=Keys(), measure=measure)


def ask(app: Guard, method: str = "POST", path: str = "/score", **sent: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, headers={"Authorization": "Bearer good"}, **sent)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "becomes", "code"),
    [(400, 400, "malformed"), (404, 404, "unknown_route"), (405, 405, "wrong_method"), (415, 400, "malformed"),
     (429, 429, "too_many"), (500, 500, "internal"), (502, 500, "internal"), (503, 503, "not_ready"),
     (504, 504, "too_slow")],
)  # fmt: skip
def test_a_refusal_from_behind_is_rewritten_and_its_words_are_dropped(status: int, becomes: int, code: str) -> None:
    answer = ask(guard(says(status, b'{"detail": "input_value=Ana"}', server="BentoML")), json=BODY)
    assert answer.status_code == becomes
    assert answer.json()["error"]["code"] == code
    assert "Ana" not in answer.text
    assert "server" not in answer.headers


def test_an_exception_from_behind_becomes_a_clean_500_and_its_words_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret Ana Smith")

    with caplog.at_level(logging.DEBUG):
        answer = ask(guard(app), json=BODY)
    assert answer.status_code == 500
    assert answer.json()["error"]["request_id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "Ana" not in caplog.text + answer.text


def test_an_answer_that_ends_in_nothing_is_a_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    assert ask(guard(app), json=BODY).json()["error"]["code"] == "internal"


def test_the_parsed_body_is_in_the_call_and_the_application_reads_an_empty_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        call = CALL.get()
        assert call.caller == KEY
        await says(200, json.dumps(call.body).encode())(scope, receive, send)

    assert ask(guard(app), json=BODY | {"more": 1}).json() == BODY | {"more": 1}


def test_a_sender_that_never_ends_is_given_up() -> None:
    sent: list[Message] = []

    async def run() -> None:
        async def receive() -> Message:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"authorization", b"Bearer good"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/score", "headers": headers, "query_string": b""}
        await guard(says(200, b"never"), timeout_s=0.2)(scope, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 408


def test_a_sender_that_hangs_up_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            return

        headers = [(b"authorization", b"Bearer good"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/score", "headers": headers, "query_string": b""}
        await guard(says(200, b"never"))(scope, receive, send)

    asyncio.run(run())
    assert not caplog.records


def test_work_that_was_given_up_keeps_its_place_until_it_is_done() -> None:
    async def run() -> list[int]:
        finish = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await finish.wait()  # as a thread does that cannot be stopped

        transport = httpx.ASGITransport(app=guard(app, timeout_s=0.1, max_waiting=1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            client.headers["Authorization"] = "Bearer good"
            statuses = [(await client.post("/score", json=BODY)).status_code for _ in range(2)]
            finish.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return [*statuses, (await client.post("/score", json=BODY)).status_code]

    assert asyncio.run(run()) == [504, 429, 504]


def test_what_is_measured_is_the_route_as_written() -> None:
    noted: list[tuple[str, int]] = []
    app = guard(says(200, b"fine"), noted)
    ask(app, "GET", "/model-card/dropout")
    ask(app, "GET", "/model-card/S-104")
    ask(app, "GET", "/S-104")
    ask(app, json=BODY)
    assert noted == [("/model-card/{target}", 200), ("/model-card/{target}", 200), ("unknown", 404), ("/score", 200)]


def test_every_route_that_takes_a_body_asks_for_a_key() -> None:
    assert all(entry.key for entry in ENTRIES if entry.check or entry.method == "POST")


def test_a_page_may_bring_its_own_policy_and_gets_ours_otherwise() -> None:
    own = {"content-security-policy": "default-src 'self'"}
    assert ask(guard(says(200, b"page", **own)), "GET", "/").headers["content-security-policy"] == "default-src 'self'"
    assert "'none'" in ask(guard(says(200, b"page")), "GET", "/").headers["content-security-policy"]


def test_a_websocket_is_closed() -> None:
    sent: list[Message] = []

    async def run() -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await guard(says(200, b"never"))({"type": "websocket", "path": "/score"}, receive, send)

    asyncio.run(run())
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_boundary_lets_the_process_be_stopped() -> None:
    with pytest.raises(KeyboardInterrupt), Boundary(Call("x")):
        raise KeyboardInterrupt


def test_the_log_filter_takes_the_words_out_of_any_exception() -> None:
    try:
        raise ValueError("input_value='Ana Smith'")
    except ValueError as error:
        record = logging.LogRecord(
            "bentoml",
            logging.ERROR,
            "x.py",
            1,
            "Exception on %s",
            ("/S-104",),
            (type(error), error, error.__traceback__),
        )
    assert WithoutValues().filter(record)
    said = logging.Formatter().format(record)
    assert "Ana" not in said
    assert "S-104" not in said
    assert "ValueError at serving/test_guard.py:" in said


def test_places_name_the_causes_too() -> None:
    try:
        try:
            raise KeyError("Ana")
        except KeyError as cause:
            raise RuntimeError("Ana") from cause
    except RuntimeError as error:
        told = places(error)
    assert told.startswith("builtins.RuntimeError at ")
    assert "after builtins.KeyError at " in told
    assert "Ana" not in told


# ---- settings -------------------------------------------------------------------------------------------------------


def test_settings_survive_the_way_through_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ServeSettings.from_mapping({"home": str(tmp_path), "timeout_s": 2.5, "workers": 2})
    assert told.database_url == f"sqlite:///{tmp_path}/homeroom.db"
    command, environment = server_command(told, "127.0.0.1", 3000)
    monkeypatch.setenv("HOMEROOM_SERVE", environment["HOMEROOM_SERVE"])
    assert ServeSettings.from_environment() == told
    assert command[-6:-2] == ["--host", "127.0.0.1", "--port", "3000"]
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["BENTOML_HOME"] != server_command(told, "127.0.0.1", 3001)[1]["BENTOML_HOME"]


def test_relative_paths_mean_the_folder_in_which_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = ServeSettings.from_mapping({"home": "school", "database_url": "sqlite:///data/keys.db"})
    assert told.home == tmp_path / "school"
    assert told.database_url == f"sqlite:///{tmp_path}/data/keys.db"


def test_unknown_and_impossible_settings_are_refused_together() -> None:
    with pytest.raises(Refused) as refused:
        ServeSettings.from_mapping({"wrokers": 2, "workers": 0, "timeout_s": "long", "max_students": True})
    assert [problem.where for problem in refused.value.problems] == [
        "serve.wrokers", "serve.workers", "serve.timeout_s", "serve.max_students",
    ]  # fmt: skip


def test_a_registry_that_cannot_be_reached_is_a_503_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "homeroom.serving"):
        failure = failure_of_error(Unavailable("The registry at http://models.lincoln.example cannot be reached"), "x-17")
    assert (failure.status, failure.code) == (503, "unavailable")
    assert b"lincoln.example" not in failure.body("x-17")
    assert "x-17" in caplog.text
    assert "Unavailable" in caplog.text
    assert "lincoln.example" not in caplog.text


@pytest.mark.parametrize("as_of", ["20261113", "2026-W46-5", "2026-11-13T00:00", "2026-1-13", "13.11.2026", "0026-11-13"])
def test_a_day_that_is_not_written_as_year_month_day_is_refused(as_of: str) -> None:
    (problem,) = check_score({**BODY, "as_of": as_of}, ServeSettings())
    assert (problem.where, problem.problem) == ("as_of", "This is not a date")
    assert check_score(BODY, ServeSettings()) == []


def test_an_error_of_a_lookup_says_its_words_to_the_one_who_asked() -> None:
    assert failure_of_error(Refused([], "The class is too small"), "x").message == "The class is too small."

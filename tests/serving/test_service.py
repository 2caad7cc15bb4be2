"""The real service over HTTP, with a desk of cardboard behind it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.cases.database import open_database
from serving.cases.keys import create_key, list_keys, revoke_key
from serving.contract import SCORE_EXAMPLE, STORED_EXAMPLE
from serving.requests import PREVIOUS_KEYS

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 10_000_000
TIMEOUT = 2.0


@dataclass
class Server:
    """A server as a test holds it."""

    url: str
    home: Path
    said: Path
    process: subprocess.Popen[bytes]
    keys: dict[str, str]

    def key(self, audience: str = "teacher", tenant: str = "lincoln") -> str:
        return create_key(open_database(f"sqlite:///{self.home}/homeroom.db"), tenant, audience)

    def client(self, key: str | None = None) -> httpx.Client:
        key = self.keys["teacher"] if key is None else key
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def workers(self) -> list[int]:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]


def start(home: Path, **settings: object) -> Server:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"home": str(home), "timeout_s": TIMEOUT, **settings}
    code = f"from serving.launch import serve; serve({told!r}, '127.0.0.1', {port})"
    said = home.parent / f"{home.name}.said"
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]),
        "HOMEROOM_DESK": "fake_desk:open_desk",
    }
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=home.parent, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}", home, said, process, {})
    deadline = time.monotonic() + 120  # two workers on a machine busy with other tests
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/livez").status_code == 200:
                return server
        except httpx.TransportError:
            time.sleep(0.1)
    stop(server)
    pytest.fail(f"the server did not start: {said.read_text()}")


def stop(server: Server) -> None:
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = start(tmp_path_factory.mktemp("serving") / "home", max_students=20, max_waiting=2)
    found.keys = {audience: found.key(audience) for audience in ("teacher", "counselor")}
    yield found
    stop(found)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


def body(student_id: str = "S-104", **more: object) -> dict[str, object]:
    return {"as_of": "2026-11-13", "students": [{"student_id": student_id, **more}]}


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a refusal in our shape, and return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert list(said) == ["error"]
    error = said["error"]
    assert set(error) == {"code", "message", "hint", "problems", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert error["hint"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert all(problem["where"] and problem["problem"] and problem["hint"] for problem in error["problems"])
    assert "Traceback" not in answer.text
    found: dict[str, Any] = error
    return found


def where(error: dict[str, Any]) -> list[str]:
    return [problem["where"] for problem in error["problems"]]


# ---- what is let in -------------------------------------------------------------------------------------------------


def test_a_score_is_answered_and_other_keys_of_the_body_reach_the_desk(client: httpx.Client) -> None:
    answer = client.post("/score", json=body() | {"norms": "sent along"})
    assert answer.status_code == 200
    assert answer.json()["keys"] == ["as_of", "norms", "students"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


@pytest.mark.parametrize("audience", ["teacher", "counselor"])
def test_the_desk_learns_tenant_and_audience_from_the_key_and_from_nothing_else(server: Server, audience: str) -> None:
    claims = {"X-Tenant": "roosevelt", "X-Audience": "scientist", "tenant": "roosevelt", "audience": "scientist"}
    with server.client(server.keys[audience]) as client:
        scored = client.post("/score?tenant=roosevelt&audience=scientist", json=body() | claims, headers=claims).json()
        sent = {"student_ids": ["S-1", "S-2"], "language": "es", **claims}
        stored = client.post("/students/score", json=sent, headers=claims).json()
    assert (scored["tenant"], scored["audience"]) == ("lincoln", audience)
    assert stored == {"tenant": "lincoln", "audience": audience, "student_ids": ["S-1", "S-2"], "language": "es"}


def test_requests_of_two_schools_at_once_are_not_mixed_up(server: Server) -> None:
    keys = {tenant: server.key(tenant=tenant) for tenant in ("lincoln", "roosevelt")}

    def ask(tenant: str) -> bool:
        with server.client(keys[tenant]) as client:
            return all(client.post("/score", json=body()).json()["tenant"] == tenant for _ in range(40))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, keys)) == [True, True]


def test_a_model_card_is_answered_for_a_target_and_for_a_prediction(client: httpx.Client) -> None:
    assert client.get("/model-card/dropout").json() == {"target": "dropout", "prediction_id": None, "tenant": "lincoln"}
    assert client.get("/model-card/dropout?prediction_id=01JCN").json()["prediction_id"] == "01JCN"


def test_cards_are_pages_for_whom_they_are_asked(server: Server, client: httpx.Client) -> None:
    page = client.get("/model-card/whole", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<h1>Whether a student leaves before the planned end</h1>" in page.text
    assert "What a list made this way came to" in page.text, "a teacher's key reads the counselor's page"
    family = client.get("/model-card/whole?format=md&audience=family")
    assert family.headers["content-type"].startswith("text/markdown")
    assert family.text.startswith("# How your school uses this score")
    assert client.get("/model-card/whole").json()["governance"]["dpia_id"] == "DPIA-7"
    assert client.get("/system-card").json()["owner"] == "lincoln"
    assert "Who decides" in client.get("/system-card?format=html").text
    refused = refusal(client.get("/model-card/whole?format=pdf&audience=press"), 422, "refused")
    assert where(refused) == ["format", "audience"]
    assert httpx.get(f"{server.url}/system-card").status_code == 401


def test_a_content_type_with_a_charset_is_json_too(client: httpx.Client) -> None:
    content, kind = json.dumps(body()), {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/score", content=content, headers=kind).status_code == 200


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("POST", "/score"), ("POST", "/students/score"), ("GET", "/model-card/x")])
def test_no_key_is_refused_and_no_body_is_read_for_it(server: Server, method: str, path: str) -> None:
    answer = httpx.request(method, server.url + path, content=b"not even json" if method == "POST" else None)
    assert "Authorization: Bearer" in refusal(answer, 401, "no_key")["hint"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic dGVhY2hlcjp4", "Bearer", "hr_abcdefgh_x"])
def test_another_kind_of_authorization_is_no_key(server: Server, header: str) -> None:
    answer = httpx.post(server.url + "/score", json=body(), headers={"Authorization": header})
    refusal(answer, 401, "no_key")


def test_bad_keys_are_refused(server: Server) -> None:
    good = server.keys["teacher"]
    for bad in ("x", good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), good + "x", "hr_zzzzzzzz" + good[11:]):
        with server.client(bad) as client:
            refusal(client.post("/score", json=body()), 401, "bad_key")


def test_a_revoked_key_is_refused(server: Server) -> None:
    db = open_database(f"sqlite:///{server.home}/homeroom.db")
    secret = create_key(db, "closed-school")
    revoke_key(db, "closed-school", list_keys(db, "closed-school")[0].id)
    with server.client(secret) as client:
        refusal(client.post("/score", json=body()), 401, "bad_key")


def test_keys_are_hashed_at_rest(server: Server) -> None:
    files = list(server.home.glob("homeroom.db*"))
    assert files
    for file in files:
        assert server.keys["teacher"][12:].encode() not in file.read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[1]", b'"text"', b"{'a': 1}", b'{"as_of": "\xff"}', b'{"a": NaN}', b"[" * 5000]
)
def test_what_is_not_a_json_object_is_malformed(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/score", content=content, headers={"Content-Type": "application/json"})
    refusal(answer, 400, "malformed")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/vnd.bentoml+pickle", ""])
def test_another_content_type_is_refused_with_the_one_to_send(client: httpx.Client, kind: str) -> None:
    answer = client.post("/score", content=json.dumps(body()), headers={"Content-Type": kind})
    assert "application/json" in refusal(answer, 400, "not_json")["hint"]


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/score", content=b"x", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    refusal(answer, 400, "compressed")


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        ({"as_of": "2026-11-13", "students": []}, ["students"]),
        ({"as_of": "2026-11-13", "students": {"student_id": "S-104"}}, ["students"]),
        ({"as_of": "2026-11-13", "students": "S-104"}, ["students"]),
        ({"as_of": "2026-11-13"}, ["students"]),
        (
            {"as_of": "2026-11-13", "students": [{"student_id": "a"}, 1, None, {}]},
            ["students[1]", "students[2]", "students[3]"],
        ),
        ({"as_of": "2026-11-13", "students": [{"student_id": "a"}] * 21}, ["students"]),
        ({"students": [{"student_id": "a"}]}, ["as_of"]),
        ({}, ["as_of", "students"]),
    ],
)
def test_records_of_a_wrong_outer_form_are_refused_with_every_place(
    client: httpx.Client, sent: dict[str, object], places: list[str]
) -> None:
    assert where(refusal(client.post("/score", json=sent), 422, "refused")) == places


@pytest.mark.parametrize("as_of", ["2026-13-13", "2026-02-30", "13.11.2026", "20261113", "2026-W46-5", "", 20261113, None])
def test_an_as_of_that_is_not_a_date_is_refused(client: httpx.Client, as_of: object) -> None:
    assert where(refusal(client.post("/score", json=body() | {"as_of": as_of}), 422, "refused")) == ["as_of"]


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        ({"student_ids": []}, ["student_ids"]),
        ({"student_ids": "S-104"}, ["student_ids"]),
        ({"student_ids": ["S-1", "", 3, None]}, ["student_ids[1]", "student_ids[2]", "student_ids[3]"]),
        ({"student_ids": ["S-1"] * 21}, ["student_ids"]),
        ({}, ["student_ids"]),
    ],
)
def test_student_ids_of_a_wrong_form_are_refused_with_every_place(
    client: httpx.Client, sent: dict[str, object], places: list[str]
) -> None:
    assert where(refusal(client.post("/students/score", json=sent), 422, "refused")) == places


def peak_memory_mb(server: Server) -> float:
    (worker,) = server.workers()
    status = Path(f"/proc/{worker}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.parametrize("headers", [{"Content-Length": "100000000"}, {}], ids=["with a length", "chunked"])
def test_a_body_of_100_mb_is_refused_without_being_kept(server: Server, client: httpx.Client, headers: dict[str, str]) -> None:
    before = peak_memory_mb(server)
    million = b"x" * 1_000_000
    sent = client.post("/score", content=(million for _ in range(100)), headers={"Content-Type": "application/json", **headers})
    assert "10,000,000" in refusal(sent, 413, "too_large")["message"]
    assert peak_memory_mb(server) - before < 40
    assert client.post("/score", json=body()).status_code == 200


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_the_limit_is_to_the_byte(client: httpx.Client, size: int, status: int) -> None:
    start, end = json.dumps(body())[:-1].encode() + b', "padding": "', b'"}'
    content = start + b"x" * (size - len(start) - len(end)) + end
    assert client.post("/score", content=content, headers={"Content-Type": "application/json"}).status_code == status


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/score/", "/model-card", "/model-card/", "/model-card/a/b", "/schema.json", "/healthz", "/docs",
     "/static_content/swagger-ui.css", "/static_content/", "/livez/x", "/score/submit", "/..%2f", "/openapi.json"],
)  # fmt: skip
def test_what_is_not_ours_does_not_exist(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        refusal(client.request(method, path), 404, "unknown_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/score", "POST"), ("PUT", "/students/score", "POST"), ("POST", "/", "GET"),
     ("POST", "/model-card/x", "GET"), ("DELETE", "/livez", "GET"), ("OPTIONS", "/score", "POST"),
     ("POST", "/metrics", "GET")],
)  # fmt: skip
def test_a_wrong_method_is_refused_with_the_right_one(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    refusal(answer, 405, "wrong_method")
    assert answer.headers["allow"] == allowed


def test_every_problem_that_the_desk_finds_is_in_the_answer(client: httpx.Client) -> None:
    error = refusal(client.post("/score", json=body("refuse")), 422, "refused")
    assert where(error) == ["students[0].attendance[3].date", "students[0].colour"]
    assert error["problems"][0]["value_shape"] == "99"


def test_what_belongs_to_somebody_else_is_403_and_an_unknown_model_404(client: httpx.Client) -> None:
    refusal(client.post("/score", json=body("theirs")), 403, "not_yours")
    assert "target" in refusal(client.get("/model-card/luck"), 404, "not_found")["message"]


@pytest.mark.parametrize("how", ["explode", "validate"])
def test_a_fault_of_ours_says_nothing_of_a_student_in_the_answer_or_in_the_log(
    server: Server, client: httpx.Client, how: str
) -> None:
    answer = client.post("/score", json=body(how, name="Ana Smith"))
    error = refusal(answer, 500, "internal")
    assert error["request_id"] in error["hint"]
    assert "Ana" not in answer.text
    said = server.said.read_text()
    assert "Ana" not in said
    (line,) = [line for line in said.splitlines() if error["request_id"] in line]
    assert "Error" in line
    assert re.search(r"fake_desk\.py:\d+", line)


def test_without_a_model_the_service_says_503_and_recovers(server: Server, client: httpx.Client) -> None:
    assert client.get("/readyz").status_code == 200
    switch = server.home / "no-model"
    switch.touch()
    try:
        for answer in (client.post("/score", json=body()), client.post("/students/score", json=STORED_EXAMPLE)):
            assert "promote" in refusal(answer, 503, "no_model")["hint"]
        assert "No model" in refusal(client.get("/readyz"), 503, "no_model")["message"]
        assert client.get("/livez").status_code == 200
    finally:
        switch.unlink()
    assert client.get("/readyz").status_code == 200


def test_a_model_that_fails_makes_the_service_not_ready_and_says_no_more(server: Server, client: httpx.Client) -> None:
    switch = server.home / "broken-model"
    switch.touch()
    try:
        answer = client.get("/readyz")
        refusal(answer, 503, "not_ready")
        assert "Ana" not in answer.text + server.said.read_text()
    finally:
        switch.unlink()


def test_more_requests_than_may_wait_are_sent_away(server: Server) -> None:
    def ask(_: int) -> int:
        with server.client() as client:
            answer = client.post("/score", json=body("slow", seconds=0.5))
            if answer.status_code != 200:
                refusal(answer, 429, "too_many")
                assert answer.headers["retry-after"] == "1"
            return answer.status_code

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(ask, range(3))) == [200, 200, 429]


def test_what_takes_too_long_is_given_up_while_the_rest_goes_on(server: Server, client: httpx.Client) -> None:
    started = time.monotonic()
    refusal(client.post("/score", json=body("slow", seconds=TIMEOUT + 0.5)), 504, "too_slow")
    assert time.monotonic() - started < TIMEOUT + 0.4
    assert client.get("/livez").status_code == 200
    assert client.post("/score", json=body()).status_code == 200


# ---- pages, reference, metrics --------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a browser would load or follow, and the example."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.code = ""
        self._in_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in_code = tag == "code"
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "srcset"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        self._in_code = False

    def handle_data(self, data: str) -> None:
        self.code += data if self._in_code else ""


def read(server: Server, **headers: str) -> tuple[httpx.Response, Page]:
    answer = httpx.get(server.url, headers=headers)
    page = Page()
    page.feed(answer.text)
    return answer, page


def test_the_home_page_runs_no_script_and_loads_nothing(server: Server) -> None:
    answer, page = read(server)
    assert answer.status_code == 200
    assert not page.tags & {"script", "iframe", "img", "link", "object", "embed", "form"}
    assert not page.handlers
    assert set(page.addresses) == {"/docs.json", "/readyz", "/review"}
    assert "@import" not in answer.text
    assert "url(" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "never makes one" in answer.text


def test_a_host_that_is_none_is_not_repeated(server: Server) -> None:
    answer, _ = read(server, Host="<b>evil</b>")
    assert "evil" not in answer.text


@pytest.mark.skipif(not shutil.which("curl"), reason="the example is a curl command")
def test_the_example_on_the_home_page_works_with_a_key_in_the_environment(server: Server) -> None:
    _, page = read(server)
    ran = subprocess.run(
        ["sh", "-c", page.code],
        env=dict(os.environ) | {"HOMEROOM_KEY": server.keys["teacher"]},
        capture_output=True,
        check=True,
    )
    assert json.loads(ran.stdout)["n"] == 1


def test_the_reference_lists_every_route_and_its_examples_are_answered(server: Server, client: httpx.Client) -> None:
    found = httpx.get(f"{server.url}/docs.json").json()
    paths = found["paths"]
    assert set(paths) == {
        "/",
        "/livez",
        "/readyz",
        "/metrics",
        "/docs.json",
        "/score",
        "/students/score",
        "/model-card/{target}",
        "/system-card",
    }
    for path, example in (("/score", SCORE_EXAMPLE), ("/students/score", STORED_EXAMPLE)):
        post = paths[path]["post"]
        content = post["requestBody"]["content"]["application/json"]
        assert content["example"] == example
        assert content["schema"]["required"]
        assert len(post["description"]) > 40
        assert client.post(path, json=content["example"]).status_code == 200
        assert {"200", "400", "401", "413", "422", "429", "500", "503"} <= set(post["responses"])
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found)):
        assert name in found["components"]["schemas"]
    assert "bentoml.com" not in json.dumps(found)
    student = paths["/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["students"]["items"]
    earlier = student["properties"]["previous_bands"]["items"]["properties"]
    assert set(earlier) == set(PREVIOUS_KEYS)
    for path in ("/score", "/students/score"):
        answered = paths[path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["scores"]
        told = answered["items"]["properties"]["risks"]["items"]["properties"]["changed_since"]["properties"]
        assert set(told) == {"as_of", "probability", "band", "text"}


def test_metrics_count_by_route_and_never_by_what_was_asked_for(server: Server, client: httpx.Client) -> None:
    for path in ("dropout", "x"):
        client.get(f"/model-card/{path}")
    client.get("/nothing")
    client.get("/metrics")
    before = client.get("/metrics").text
    for number in range(50):
        client.get(f"/model-card/target-{number}?prediction_id=secret-{number}")
        client.get(f"/unknown/secret-{number}")
    after = client.get("/metrics").text
    assert "target-" not in after
    assert "secret-" not in after
    assert {line.rpartition(" ")[0] for line in after.splitlines()} == {line.rpartition(" ")[0] for line in before.splitlines()}

    def count(text: str) -> float:
        (line,) = [line for line in text.splitlines() if 'route="/model-card/{target}",status="404"' in line]
        return float(line.split()[-1])

    assert count(after) - count(before) == 50


def test_health_needs_no_key(server: Server) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/docs.json", "/"):
        assert httpx.get(server.url + path).status_code == 200
        assert httpx.head(server.url + path).status_code == 200


def test_no_request_is_logged(server: Server, client: httpx.Client) -> None:
    client.post("/score", json=body("S-no-such-line"))
    client.get("/model-card/dropout?prediction_id=S-no-such-line")
    client.get("/S-no-such-line")
    said = server.said.read_text()
    assert "S-no-such-line" not in said
    assert "/model-card" not in said


# ---- start and end --------------------------------------------------------------------------------------------------


def test_two_workers_start_without_a_model_count_together_and_finish_their_work_when_told_to_stop(
    tmp_path: Path,
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "no-model").touch()
    server = start(tmp_path / "home", workers=2)
    try:
        refusal(httpx.get(f"{server.url}/readyz"), 503, "no_model")
        (tmp_path / "home" / "no-model").unlink()
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        key = server.key()
        assert len(server.workers()) == 2

        def ask(_: int) -> int:
            who = {"Authorization": f"Bearer {key}"}
            return httpx.post(f"{server.url}/score", json=body(), headers=who, timeout=60).status_code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(ask, range(40))) == {200}
            counted = 'homeroom_requests_total{route="/score",status="200"} 40.0'
            assert counted in httpx.get(f"{server.url}/metrics").text
            with server.client(key) as client:
                last = pool.submit(client.post, "/score", json=body("slow", seconds=1.5))
                time.sleep(0.4)
                server.process.send_signal(signal.SIGTERM)
                assert last.result().status_code == 200
        assert server.process.wait(timeout=60) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/livez")
    finally:
        stop(server)

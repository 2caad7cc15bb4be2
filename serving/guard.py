"""The one place where a request is let in or refused, and where every refusal gets its words.

BentoML reads any body of any size and of any content type, answers errors in four shapes and knows no keys. The
guard stands before it. It knows every route there is (:data:`ENTRIES`): what is not in that table does not exist,
whatever BentoML would serve there. It checks method, key, content type, size and outer form, in this order, so that
a stranger cannot make the service read a body; and it rewrites whatever refusal comes out from behind it.

The body is parsed here, once, and handed on in the :class:`Call`. BentoML's own parsing never sees it, so that no
validation error can quote it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Literal, Protocol
from urllib.parse import parse_qsl

import anyio.to_thread
import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.problems import Problem, Refused, shape_of
from features.validation import day
from serving.cases.keys import ApiKey
from serving.contract import ServeSettings
from serving.failures import (
    BAD_KEY,
    BUSY,
    COMPRESSED,
    NO_KEY,
    NO_ROUTE,
    NOT_FORM_TYPE,
    NOT_JSON_TYPE,
    SLOW_SENDER,
    TOO_SLOW,
    Failure,
    failure_of_error,
    failure_of_status,
    too_large,
    wrong_method,
)

#: Said with every answer. Pages may bring a policy of their own; what brings none may load nothing at all.
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


_FORM = "application/x-www-form-urlencoded"

#: Says a refusal as a page: its bytes and its headers.
RefusedPage = Callable[[Failure, str], tuple[bytes, Mapping[str, str]]]


def check_score(body: Mapping[str, object], settings: ServeSettings) -> list[Problem]:
    """Return what is wrong with the outer form of a request to score records; their content is the desk's to judge."""
    problems = []
    as_of = body.get("as_of")
    if not isinstance(as_of, str) or day(as_of) is None:
        problems.append(
            Problem(
                "as_of",
                "as_of",
                "This is not a date" if "as_of" in body else "The date is missing",
                "Send the day to look at the records from, as YYYY-MM-DD.",
                value_shape=shape_of(as_of) if isinstance(as_of, str) else "",
            )
        )
    return problems + _check_list(body, "students", dict, "an object with a student_id", settings.max_students)


def check_stored(body: Mapping[str, object], settings: ServeSettings) -> list[Problem]:
    """Return what is wrong with the outer form of a request to score stored students."""
    return _check_list(body, "student_ids", str, "text that is not empty", settings.max_students)


@dataclass(frozen=True, slots=True)
class Entry:
    """One address and method. Whoever adds a route adds a line to :data:`ENTRIES`; without it there is a 404.

    ``{name}`` in a path stands for one segment and ``{name:path}`` for the rest. The path as written here is also
    the label in the metrics, so that no id of a student or a prediction becomes one. ``check`` says that a JSON body
    is wanted and finds what is wrong with its form. ``key`` asks for a key and keeps answers out of every cache. ``page``
    is for people with a browser: what is sent there is a form, what comes back is HTML, refusals too, and who is asking is
    found out by :mod:`serving.review.reception`.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    key: bool = False
    page: bool = False
    check: Callable[[Mapping[str, object], ServeSettings], list[Problem]] | None = None
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = re.split(r"(\{\w+(?::path)?\})", self.path)
        wild = {part: ".+" if ":path}" in part else "[^/]+" for part in parts if part.startswith("{")}
        pattern = "".join(wild.get(part) or re.escape(part) for part in parts)
        object.__setattr__(self, "pattern", re.compile(pattern))


#: Everything that can be asked for. Nothing else that BentoML has to offer (its page at /, /static_content,
#: /schema.json, /healthz) can be reached: its page loads a tracker of another company.
ENTRIES: tuple[Entry, ...] = (
    Entry("/"),
    Entry("/livez"),
    Entry("/readyz"),
    Entry("/metrics"),
    Entry("/docs.json"),
    Entry("/score", "POST", key=True, check=check_score),
    Entry("/students/score", "POST", key=True, check=check_stored),
    Entry("/model-card/{target}", key=True),
    Entry("/system-card", key=True),
)

#: Below this address everything is for people with a browser, what is not there too.
PEOPLES = ("/review", "/plan")

#: A form of a page is never larger: a note, and the names of those it is about.
MOST_FORM_BYTES = 200_000
MOST_FORM_FIELDS = 2_000


@dataclass(slots=True)
class Call:
    """One request as the service sees it: who asks, what was sent, and what went wrong if something did.

    ``for_people`` says that whatever is answered is a page.
    """

    request_id: str
    entry: Entry | None = None
    key: ApiKey | None = None
    body: dict[str, object] = field(default_factory=dict)
    form: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failure: Failure | None = None
    for_people: bool = False

    @property
    def caller(self) -> ApiKey:
        """Whose request it is. Only routes that ask for a key may ask this."""
        assert self.key is not None, "a route without a key asked who is calling"
        return self.key


#: The call that is being worked on. A context variable, and no header: what a client sends cannot be mistaken for it.
CALL: ContextVar[Call] = ContextVar("homeroom_call")


class Boundary:
    """Where exceptions end. What leaves the block as an exception stays in the call as a failure.

    This is the server's one boundary: every exception that is raised on behalf of a request is caught here, meant
    or not, so that none of their words reach an answer or the log.
    """

    def __init__(self, call: Call) -> None:
        self.call = call

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False  # no error at all, or the process being told to stop
        self.call.failure = failure_of_error(error, self.call.request_id)
        return True


class Keys(Protocol):
    """Where the guard looks keys up: quickly from memory, slowly from the database."""

    def remembered(self, secret: str) -> ApiKey | None:
        """Return a key that was seen lately."""

    def find(self, secret: str) -> ApiKey | None:
        """Return a key, asking the database where needed."""


class Guard:
    """The middleware before everything else. One per worker.

    BentoML puts middlewares of a service inside its own timeout, concurrency limit and metrics, whose answers could
    not be rewritten and whose labels are raw paths. The guard therefore has all three itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServeSettings,
        keys: Keys,
        measure: Callable[[str, int, float], None],
        entries: Sequence[Entry] = ENTRIES,
        refused: RefusedPage | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._measure = measure
        self._refused = refused
        self._exact: Mapping[tuple[str, str], Entry] = {(entry.path, entry.method): entry for entry in entries}
        self._entries = entries
        self._busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = perf_counter()
        call = Call(secrets.token_hex(8))
        CALL.set(call)
        answer = _Answer(send, call, self._refused)
        with Boundary(call):
            call.failure = self._find_entry(scope, call)
            call.for_people = call.entry.page if call.entry else scope["path"].startswith(PEOPLES)
            if call.failure is None:
                await self._let_in(scope, receive, answer, call)
        if not answer.started:
            await answer.refuse(call.failure or failure_of_status(500, call.request_id))
        self._measure(call.entry.path if call.entry else "unknown", answer.status, perf_counter() - started)

    def _find_entry(self, scope: Scope, call: Call) -> Failure | None:
        path: str = scope["path"]
        method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
        call.entry = self._exact.get((path, method))
        if call.entry:
            return None
        # A key of a school may hold a stroke. In the address of a page it is written as %2F, and stays within its part.
        raw = scope.get("raw_path", b"").decode("ascii", "replace") or path
        here = [entry for entry in self._entries if entry.pattern.fullmatch(raw if entry.page else path)]
        call.entry = next((entry for entry in here if entry.method == method), None)
        if call.entry:
            return None
        return wrong_method([entry.method for entry in here]) if here else NO_ROUTE

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer, call: Call) -> None:
        entry = call.entry
        assert entry is not None
        if not entry.key and not entry.page:
            await self._in_time(asyncio.ensure_future(self._app(scope, receive, answer.send)), answer, call)
            return
        headers = Headers(scope=scope)
        call.failure = await self._know(headers, call) if entry.key else None
        if call.failure:
            return
        if self._busy >= self._settings.max_waiting:
            call.failure = BUSY
            return
        self._busy += 1
        work: asyncio.Future[None] | None = None
        try:
            if entry.check or (entry.page and entry.method == "POST"):
                call.failure = await self._read(headers, receive, call)
                receive = _nothing_more(receive)
            if call.failure is None:
                work = asyncio.ensure_future(self._app(scope, receive, answer.send))
                await self._in_time(work, answer, call)
        finally:
            # Work that was given up goes on until its thread is done, and is waited for: its place is not free yet.
            if work is None or work.done():
                self._busy -= 1
            else:
                work.add_done_callback(self._make_room)

    async def _know(self, headers: Headers, call: Call) -> Failure | None:
        """Find out who is asking."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return NO_KEY
        secret = secret.strip()
        call.key = self._keys.remembered(secret) or await anyio.to_thread.run_sync(self._keys.find, secret)
        return None if call.key else BAD_KEY

    async def _read(self, headers: Headers, receive: Receive, call: Call) -> Failure | None:
        """Read the body, and no more of it than is allowed, whatever its headers promise."""
        assert call.entry is not None
        kind, wanted = headers.get("content-type", "").partition(";")[0].strip().lower(), "application/json"
        if kind != (_FORM if call.entry.page else wanted):
            return NOT_FORM_TYPE if call.entry.page else NOT_JSON_TYPE
        if headers.get("content-encoding", "identity").lower() != "identity":
            return COMPRESSED
        limit = MOST_FORM_BYTES if call.entry.page else self._settings.max_body_bytes
        promised = headers.get("content-length", "")
        if promised.isdecimal() and int(promised) > limit:
            return too_large(limit)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                body = await _body(receive, limit)
        except (TimeoutError, ConnectionAbortedError):
            return SLOW_SENDER  # whoever hung up will not read it, and nothing of ours went wrong
        return too_large(limit) if body is None else self._understand(body, call)

    def _understand(self, body: bytearray, call: Call) -> Failure | None:
        """Parse the body and check its outer form."""
        assert call.entry is not None
        if call.entry.page:
            return _understand_form(body, call)
        assert call.entry.check is not None
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            return Failure(400, "malformed", f"The body is not JSON in UTF-8 ({where}).", "Check it with a JSON tool.")
        if not isinstance(parsed, dict):
            return Failure(400, "malformed", "The body is not a JSON object.", "It begins with { and ends with }.")
        problems = call.entry.check(parsed, self._settings)
        if problems:
            return failure_of_error(Refused(problems, "The request was refused"), call.request_id)
        call.body = parsed
        return None

    async def _in_time(self, work: asyncio.Future[None], answer: _Answer, call: Call) -> None:
        """Wait for the answer, but not for ever."""
        try:
            await asyncio.wait({work}, timeout=self._settings.timeout_s)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if work.done():
            work.result()
        elif not answer.started:
            answer.muted = True
            call.failure = TOO_SLOW
            work.add_done_callback(_look_at)
            work.cancel()
        else:
            await work  # the answer is on its way: cutting it off helps nobody

    def _make_room(self, _: asyncio.Future[None]) -> None:
        self._busy -= 1


class _Answer:
    """Passes an answer on with our headers, and holds back what comes with a status of 400 or more."""

    def __init__(self, send: Send, call: Call, refused: RefusedPage | None = None) -> None:
        self._send = send
        self._call = call
        self._refused = refused
        self.started = False
        self.muted = False
        self.status = 500

    async def send(self, message: Message) -> None:
        """Take a message of the application behind the guard."""
        if self.muted:
            return
        if message["type"] == "http.response.start":
            if message["status"] >= 400 and not self._is_page(message):
                self.muted = True
                self._call.failure = self._call.failure or failure_of_status(message["status"], self._call.request_id)
                return
            self._begin(message)
        await self._send(message)

    def _is_page(self, message: Message) -> bool:
        """Whether this is a page that says itself what went wrong."""
        return self._call.for_people and Headers(raw=message.get("headers", [])).get("content-type", "").startswith("text/html")

    async def refuse(self, failure: Failure) -> None:
        """Send a refusal, complete: as a page where a page was asked for."""
        if self._refused is not None and self._call.for_people:
            body, told = self._refused(failure, self._call.request_id)
            headers = MutableHeaders(headers={**told, "content-length": str(len(body))})
        else:
            body = failure.body(self._call.request_id)
            headers = MutableHeaders(headers={"content-type": "application/json", "content-length": str(len(body))})
        for name, value in failure.headers.items():
            headers[name] = value
        message = {"type": "http.response.start", "status": failure.status, "headers": headers.raw}
        self._begin(message)
        await self._send(message)
        await self._send({"type": "http.response.body", "body": body})

    def _begin(self, message: Message) -> None:
        self.started = True
        self.status = message["status"]
        headers = MutableHeaders(raw=list(message.get("headers", [])))
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = self._call.request_id
        if self._call.entry is None or self._call.entry.key or self.status >= 400:
            headers["Cache-Control"] = "no-store"
        if "server" in headers:
            del headers["server"]
        message["headers"] = headers.raw


def _look_at(work: asyncio.Future[None]) -> None:
    """Take note of how work ended that was given up: asyncio would log an exception that nobody looks at."""
    if not work.cancelled():
        work.exception()


async def _body(receive: Receive, limit: int) -> bytearray | None:
    """Return the whole body, or ``None`` as soon as it turns out to be above the limit."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError
        part = message.get("body", b"")
        if len(body) + len(part) > limit:
            return None
        body += part
        if not message.get("more_body", False):
            return body


def _understand_form(body: bytearray, call: Call) -> Failure | None:
    """Read what a form sent. Each field keeps all its values, the empty ones too."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=False, encoding="utf-8", errors="strict",
            max_num_fields=MOST_FORM_FIELDS,
        )  # fmt: skip
    except ValueError:
        return Failure(400, "malformed", "The form could not be read.", "Go back, load the page again and repeat what you did.")
    form: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        form[name] = (*form.get(name, ()), value)
    call.form = form
    return None


def _nothing_more(receive: Receive) -> Receive:
    """Return a receive that has an empty body: the real one has been read."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return replay


def _check_list(body: Mapping[str, object], name: str, kind: type, wanted: str, most: int) -> list[Problem]:
    found = body.get(name)
    if not isinstance(found, list):
        said = "This is not a list" if name in body else "The list is missing"
        return [Problem("list", name, said, f"Send a list, each entry {wanted}.")]
    if not found:
        return [Problem("empty", name, "The list is empty", "Send at least one student.")]
    if len(found) > most:
        said = f"There are {len(found):,} students; one request may hold {most:,}"
        return [Problem("too_many_students", name, said, "Send them in several requests.")]
    return [
        Problem("entry", f"{name}[{index}]", f"This is not {wanted}", f"Send {wanted}.")
        for index, entry in enumerate(found)
        if not isinstance(entry, kind) or not entry
    ]

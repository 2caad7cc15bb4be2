"""Where requests for pages are answered: who it is, whether they may, and only then what they asked for.

Everything that must hold for every page is done here, once, by what the table of routes says: a session, both factors, the
practice, the word of a form, the right, and the line in the trail. What answers can take all of it as given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict
from urllib.parse import parse_qsl, quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from features.problems import NotFound, Refused, Unavailable
from features.records import SchoolRecords
from serving.cases import access, families, plans, sessions, trail
from serving.cases.access import Visible, overseen, visible
from serving.cases.database import Engine
from serving.cases.oidc import Provider
from serving.cases.plans import LinkedPlan
from serving.cases.sessions import SignedIn
from serving.contract import Desk
from serving.failures import Failure, Outlived, log
from serving.pages.contexts import Context
from serving.pages.contexts.frame import Choice, Frame, Reader, Refusal, Why
from serving.pages.render import ADDRESSES, HEADERS, STYLE, STYLE_HEADERS, Pages
from serving.pages.words import Words, chosen, open_words
from serving.review import doors, figures, oidc, practice, student
from serving.review.doors import Opened
from serving.review.room import Answer, Asked, ByLink, File, Go, Gone, Linked, Opens, Room, Shows, sent
from serving.review.routes import FIRST, METHODS, OPEN, PLACES, ROUTES, Method, Open, Route, patterned
from serving.review.settings import ReviewSettings
from serving.store import Store

SESSION = "__Host-homeroom"
FORM = "__Host-homeroom-form"
PLAN = "__Host-homeroom-plan"
LANGUAGE = "__Host-homeroom-language"

#: Addresses that nobody has to be signed in for.
DOORS = ("sign_in", "second_factor", "set_up", "sign_out")

#: Addresses that lead to the school's own sign-in and back. Without one they lead to ours.
AWAY = ("oidc", "oidc_back")

#: What a failure is called on a page, by its status.
_WHY: Mapping[int, Why] = {403: "not_yours", 404: "not_here", 405: "not_here", 429: "too_many"}

_STUDENT = "student_id"

#: Where somebody proves what is still missing after the password.
_PROOFS: Mapping[str, str] = {"code": "second_factor", "set_up": "set_up"}


class _Kept(TypedDict):
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["lax"]


#: How every cookie is kept: for this service alone, on an encrypted connection, out of reach of scripts.
_KEPT: _Kept = {"path": "/", "secure": True, "httponly": True, "samesite": "lax"}


def addresses() -> tuple[tuple[str, Method], ...]:
    """Return every address with its method, for the guard: what is not here does not exist."""
    style: list[tuple[str, Method]] = [(ADDRESSES["style"], "GET")]
    before: list[tuple[str, Method]] = [(ADDRESSES[name], method) for name in DOORS for method in METHODS]
    before.remove((ADDRESSES["sign_out"], "GET"))
    before += [(ADDRESSES[name], "GET") for name in AWAY]
    by_link = ((way.path, way.method) for way in OPEN)
    return (*style, *before, *by_link, *dict.fromkeys((route.path, route.method) for route in ROUTES))


@dataclass(frozen=True)
class _Opened:
    """A room, and what it was opened from."""

    state: object
    room: Room


class Reception:
    """Answers requests for pages. One per worker.

    Args:
        home: the state folder.
        tenant: whose people sign in here.
        database: returns the service's database.
        desk: returns the desk that knows the models in use.
        settings: what the school says of its review.
        clock: says what moment it is, in UTC.
        provider: the school's own sign-in, if it has one.
        routes: every route; the tests put others in their place.
        warms: work out ahead, in a thread, what the first reader of a new list or export would wait for.

    """

    def __init__(
        self,
        home: Path,
        tenant: str,
        database: Callable[[], Engine],
        desk: Callable[[], Desk],
        settings: ReviewSettings,
        clock: Callable[[], datetime],
        provider: Provider | None = None,
        routes: Sequence[Route] = ROUTES,
        *,
        warms: bool = False,
    ) -> None:
        self._home, self._tenant, self._database, self._desk = home, tenant, database, desk
        self._settings, self._clock, self.provider = settings, clock, provider
        self._warms = warms
        self._words: Mapping[str, Words] | None = None
        self._pages: dict[str, Pages] = {}
        self._rooms: dict[str, _Opened] = {}
        self._lock = threading.Lock()
        self._patterns = [(route, patterned(route.path)) for route in routes]
        self._by_link = [(way, patterned(way.path)) for way in OPEN]

    # -- one request -----------------------------------------------------------------------------------------

    def answer(self, request: Request, form: Mapping[str, tuple[str, ...]], request_id: str) -> Response:
        """Return the answer to a request that the guard let through; ``form`` is what it sent, if it is a POST."""
        raw = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path
        method = "GET" if request.method == "HEAD" else request.method
        if raw == ADDRESSES["style"]:
            return Response(STYLE, headers=dict(STYLE_HEADERS))
        query = dict(parse_qsl(request.url.query, max_num_fields=50))
        visit = _Visit(self, request, query, form, self._clock(), request_id)
        for name in DOORS:
            if raw == ADDRESSES[name]:
                return visit.at_the_door(name, method)
        if raw in (ADDRESSES["oidc"], ADDRESSES["oidc_back"]):
            return visit.away(back=raw == ADDRESSES["oidc_back"])
        for way, opens in self._by_link:
            found = opens.fullmatch(raw) if way.method == method else None
            if found:
                return visit.by_link(way, {name: unquote(part) for name, part in found.groupdict().items()})
        for route, pattern in self._patterns:
            found = pattern.fullmatch(raw) if route.method == method else None
            if found:
                return visit.to(route, {name: unquote(part) for name, part in found.groupdict().items()})
        return visit.refused("not_here", 404)

    def refused(self, failure: Failure, request_id: str) -> tuple[bytes, Mapping[str, str]]:
        """Return what the guard says in the place of a page: of a form too large, of a failure of ours, of too many at once."""
        why = _WHY.get(failure.status, "too_old" if failure.status < 500 else "not_now")
        number = request_id if failure.status >= 500 else ""
        page = Refusal(frame=self.frame(None, ""), why=why, number=number)
        return self.pages("en").render(page).encode(), {**HEADERS, **failure.headers}

    # -- what a page is made with ----------------------------------------------------------------------------

    @property
    def words(self) -> Mapping[str, Words]:
        """The languages that there are, the school's own words among them."""
        if self._words is None:
            self._words = open_words(self._home / "words")
        return self._words

    def pages(self, language: str) -> Pages:
        """Return the pages in a language, made when first asked for."""
        if language not in self._pages:
            self._pages[language] = Pages(self.words[language])
        return self._pages[language]

    def frame(self, signed_in: SignedIn | None, csrf: str, here: str = "") -> Frame:
        """Return what stands around a page."""
        account = signed_in.account if signed_in and not signed_in.missing else None
        other = tuple(Choice(value=code, name=one.name) for code, one in self.words.items() if code != here)
        return Frame(
            school=self._school() if account else "",
            reader=Reader(name=account.name, role=account.role) if account else None,
            places=tuple(place for place, roles in PLACES.items() if account and account.role in roles),
            csrf=signed_in.csrf if signed_in else csrf,
            saved=(),
            refused=(),
            safeguarding=self._settings.safeguarding,
            languages=other,
        )

    def _school(self) -> str:
        """Return what the school or district is called, as its records say; nothing where there are none yet."""
        opened = self._rooms.get(self._tenant)
        return opened.room.name if opened else ""

    def room(self, tenant: str) -> Room:
        """Return what pages are made with, opened anew when another export was read or another list was made.

        Raises :class:`~features.problems.NotFound` where no export was read yet.
        """
        store = Store.of(self._home, tenant)
        state = (_written(store.folder / "latest.json"), _written(store.records_folder / "manifest.json"))
        opened = self._rooms.get(tenant)
        if opened is None or opened.state != state:
            with self._lock:
                opened = self._rooms.get(tenant)
                if opened is None or opened.state != state:
                    room = Room(
                        tenant, self._database(), store, SchoolRecords.open(store.records_folder), store.latest(), self._desk(),
                        self.words, self._settings,
                    )  # fmt: skip
                    self._rooms[tenant] = opened = _Opened(state, room)
                    if self._warms:
                        threading.Thread(target=_warmed, args=(room, self.day_of(self._clock())), daemon=True).start()
        return opened.room

    def open(self) -> None:
        """Open the room ahead of the first reader, where an export was read already."""
        with suppress(NotFound):
            self.room(self._tenant)

    def shown_by(self, name: str) -> Route:
        """Return the route that shows a page."""
        return next(one for one, _ in self._patterns if one.name == name and one.method == "GET")

    def day_of(self, now: datetime) -> date:
        """Return the day that the pages are read as."""
        return date.fromisoformat(self._settings.today) if self._settings.today else now.astimezone().date()

    @property
    def db(self) -> Engine:
        """The service's database."""
        return self._database()

    @property
    def tenant(self) -> str:
        """Whose people sign in here."""
        return self._tenant

    @property
    def settings(self) -> ReviewSettings:
        """What the school says of its review."""
        return self._settings


class _Visit:
    """One request on its way through the reception."""

    def __init__(
        self, at: Reception, request: Request, query: Mapping[str, str], form: Mapping[str, tuple[str, ...]], now: datetime,
        request_id: str,
    ) -> None:  # fmt: skip
        self._at, self._request, self._query, self._form, self._now = at, request, query, form, now
        self._request_id = request_id
        token = request.cookies.get(SESSION, "")
        self._signed_in = sessions.find(at.db, token, now) if token else None
        account = self._signed_in.account if self._signed_in else None
        spoken = [one.partition(";")[0].strip() for one in request.headers.get("accept-language", "").split(",")]
        wanted = [query.get("language", ""), request.cookies.get(LANGUAGE, ""), account.language if account else "", *spoken]
        self._language = chosen(at.words, [one for one in wanted if one])
        self._cookies: list[tuple[str, str]] = []
        if query.get("language") == self._language:
            self._cookies.append((LANGUAGE, self._language))

    # -- the doors -------------------------------------------------------------------------------------------

    def at_the_door(self, name: str, method: str) -> Response:
        """Return the answer of one of the pages before anybody is known."""
        if name == "sign_in":
            return self._sign_in() if method == "POST" else self._show_sign_in(None)
        if self._signed_in is None:
            return self._to_sign_in()
        if method == "POST" and not sessions.csrf_matches(self._signed_in, self._sent("csrf")):
            return self.refused("too_old", 403)
        if name == "sign_out":
            sessions.sign_out(self._at.db, self._signed_in, self._now)
            self._signed_in = None
            return self._go(f"{ADDRESSES['sign_in']}?signed_out=1", forget=True)
        if name != _PROOFS.get(self._signed_in.missing):
            return self._go(doors.HOME)
        return self._prove(name) if method == "POST" else self._show_proof(name, None)

    def away(self, *, back: bool) -> Response:
        """Lead to the school's own sign-in, or take up whoever comes back from it."""
        provider = self._at.provider
        if provider is None:
            return self._go(ADDRESSES["sign_in"])
        try:
            if not back:
                left = oidc.leave(provider, self._then(), self._now)
                response = self._go(left.address)
                response.set_cookie(oidc.COOKIE, left.cookie, max_age=oidc.COOKIE_SECONDS, **_KEPT)
                return response
            kept = self._request.cookies.get(oidc.COOKIE, "")
            found = oidc.back(self._at.db, self._at.tenant, provider, kept, self._query, self._now)
        except Refused as error:
            response = self._show_sign_in(None, refused=_problems(self._at.words[self._language], error))
        except Unavailable:
            response = self._show_sign_in("unavailable")
        else:
            response = self._begun(Opened(found.token, found.signed_in), doors.own_path(found.then))
        response.delete_cookie(oidc.COOKIE, **_KEPT)
        return response

    def _show_sign_in(self, problem: Any, login: str = "", refused: tuple[str, ...] = ()) -> Response:
        word = doors.form_word()
        self._cookies.append((FORM, word))
        if problem is None and "signed_out" in self._query:
            problem = "signed_out"
        if problem is None and "expired" in self._query:
            problem = "expired"
        frame = replace(self._at.frame(None, word, self._language), refused=refused)
        page = doors.sign_in_page(frame, self._then(), problem, login, elsewhere=self._at.provider is not None)
        return self._page(page, 422 if problem in ("wrong", "unavailable") or refused else 200)

    def _sign_in(self) -> Response:
        if not doors.form_matches(self._request.cookies.get(FORM, ""), self._sent("csrf")):
            return self.refused("too_old", 403)
        opened = doors.sign_in(self._at.db, self._at.tenant, self._form, self._now)
        if not isinstance(opened, Opened):
            return self._show_sign_in(opened, self._sent("login"))
        return self._begun(opened)

    def _show_proof(self, name: str, problem: Any) -> Response:
        assert self._signed_in is not None
        frame = self._at.frame(self._signed_in, "", self._language)
        status = 422 if problem else 200
        if name == "second_factor":
            return self._page(doors.code_page(frame, self._then(), problem), status)
        return self._page(doors.set_up_page(self._at.db, self._signed_in, frame, self._then(), self._now, problem), status)

    def _prove(self, name: str) -> Response:
        assert self._signed_in is not None
        prove = doors.pass_code if name == "second_factor" else doors.take_code
        opened = prove(self._at.db, self._signed_in, self._form, self._now)
        return self._begun(opened) if isinstance(opened, Opened) else self._show_proof(name, opened)

    def _begun(self, opened: Opened, then: str = "") -> Response:
        """Give the browser its token, and go on to what is still missing or to what was wanted."""
        self._signed_in = opened.signed_in
        self._cookies.append((SESSION, opened.token))
        if opened.codes:
            frame = self._at.frame(opened.signed_in, "", self._language)
            return self._page(doors.recovery_page(frame, opened.codes, self._then()))
        missing = _PROOFS.get(opened.signed_in.missing)
        then = then or self._then()
        return self._go(f"{ADDRESSES[missing]}?then={quote(then, safe='')}" if missing else then)

    def _to_sign_in(self) -> Response:
        had = "&expired=1" if self._request.cookies.get(SESSION) else ""
        asked = self._request.url.path + (f"?{self._request.url.query}" if self._request.url.query else "")
        then = doors.own_path(asked) if self._request.method in ("GET", "HEAD") else doors.HOME
        return self._go(f"{ADDRESSES['sign_in']}?then={quote(then, safe='')}{had}")

    def _then(self) -> str:
        return doors.own_path(self._sent("then") or self._query.get("then", ""))

    # -- by a link -------------------------------------------------------------------------------------------

    def by_link(self, way: Open, parts: Mapping[str, str]) -> Response:
        """Return the answer of an address that somebody without an account reaches by a link to one plan."""
        token = self._request.cookies.get(PLAN, "")
        opened = plans.linked(self._at.db, token, self._now) if way.opened and token else None
        if opened is not None and opened.tenant != self._at.tenant:
            opened = None
        # Where a session was asked for and is over, nothing is done, and the page says why: a form's word says nothing then.
        if way.method == "POST" and (opened is not None or not way.opened) and not self._own_form(opened):
            return self.refused("too_old", 403)
        if opened is None and way.method == "GET":
            self._cookies.append((FORM, word := doors.form_word()))
        else:
            word = opened.csrf if opened else ""
        try:
            room = self._at.room(self._at.tenant)
        except NotFound:
            return self.refused("not_now", 503)
        words = self._at.words[self._language]
        frame = replace(self._at.frame(None, word, self._language), saved=self._said(words))
        linked = Linked(opened, frame, words, self._at.day_of(self._now), self._now, parts, self._query, self._form)
        try:
            return self._opened(way.answer(room, linked))
        except NotFound:
            return self.refused("not_here", 404)
        except Refused as error:
            before = next(one for one in OPEN if one.name == way.again and one.method == "GET")
            again = replace(linked, frame=replace(frame, refused=_problems(words, error), saved=()))
            return self._opened(before.answer(room, again), 422)

    def _own_form(self, opened: LinkedPlan | None) -> bool:
        """Whether a form came from the page that this browser was given."""
        if opened is not None:
            return plans.link_csrf_matches(opened, self._sent("csrf"))
        return doors.form_matches(self._request.cookies.get(FORM, ""), self._sent("csrf"))

    def _opened(self, found: ByLink, status: int = 200) -> Response:
        if isinstance(found, Opens):
            response = self._go(found.address)
            if found.token:
                response.set_cookie(PLAN, found.token, **_KEPT)
            else:
                response.delete_cookie(PLAN, **_KEPT)
            return response
        if isinstance(found, Go):
            return self._go(f"{found.address}?said={found.said}")
        if isinstance(found, Gone):
            return self._page(found.page, 410)
        return self._page(found, status)

    # -- the rooms -------------------------------------------------------------------------------------------

    def to(self, route: Route, parts: Mapping[str, str]) -> Response:
        """Return the answer of a route to somebody who is signed in; lead others to what is still to be done."""
        if self._signed_in is None:
            return self._to_sign_in()
        if self._signed_in.missing:
            return self._go(ADDRESSES[_PROOFS[self._signed_in.missing]])
        return self._inside(route, parts, self._signed_in)

    def _inside(self, route: Route, parts: Mapping[str, str], signed_in: SignedIn) -> Response:
        """Return the answer of a route, after everything that it asks for was checked."""
        if route.method == "POST" and not sessions.csrf_matches(signed_in, self._sent("csrf")):
            return self.refused("too_old", 403)
        try:
            room = self._at.room(signed_in.account.tenant)
        except NotFound:
            return self.refused("not_now", 503)
        asked = self._asked(room, signed_in, parts)
        elsewhere = self._elsewhere(route, asked)
        if elsewhere:
            return self._go(ADDRESSES[elsewhere])
        try:
            why = _checked(room, route, asked)
            if route.sees:
                trail.record(room.db, room.tenant, asked.account, "see_student", parts[_STUDENT], why, self._now)
            return self._shown(room, route, asked, route.answer(room, asked))
        except NotFound:
            return self.refused("not_here", 404)
        except Refused as error:
            return self._not_done(room, route, asked, error)

    def _elsewhere(self, route: Route, asked: Asked) -> str:
        """Return the page that somebody is led to in the place of the one asked for; nothing where it is theirs to see."""
        if route.name == "caseload" and asked.account.role in FIRST:
            return FIRST[asked.account.role]
        return "practice" if route.practised and not self._practised(asked) else ""

    def _not_done(self, room: Room, route: Route, asked: Asked, error: Refused) -> Response:
        """Return what is said where something was refused: that it is not theirs, or the page again with what was typed."""
        if any(one.code == "not_permitted" for one in error.problems):
            return self.refused("not_yours", 403)
        if not route.again:
            raise error
        return self._again(room, route, asked, error)

    def _asked(self, room: Room, signed_in: SignedIn, parts: Mapping[str, str]) -> Asked:
        account, today = signed_in.account, self._at.day_of(self._now)
        opened = sessions.grants(room.db, account, self._now) if account.role == "administrator" else ()
        seen = visible(room.records, account, today, grants=opened, now=self._now)
        # What staff wrote down since the last export holds beside what the records say.
        seen = families.holding(seen, families.restrictions(room.db, room.tenant))
        words = self._at.words[self._language]
        frame = replace(self._at.frame(signed_in, "", self._language), saved=self._said(words))
        return Asked(signed_in, seen, frame, words, today, self._now, parts, self._query, self._form)

    def _said(self, words: Words) -> tuple[str, ...]:
        """Return what the last action came to, where the address says so and the catalogue knows it."""
        said, count = f"said.{self._query.get('said', '')}", self._query.get("n", "1")
        if said not in words.phrases or not words.phrases[said].names <= {"count"}:
            return ()
        return (words.say(said, count=int(count) if count.isdecimal() and len(count) < 5 else 1),)

    def _practised(self, asked: Asked) -> bool:
        settings = self._at.settings
        return not settings.practice or settings.simulated or practice.practised(self._at.db, asked.account)

    def _again(self, room: Room, route: Route, asked: Asked, error: Refused) -> Response:
        """Return the page of a form that was refused, with what was typed and why it was not taken."""
        before = self._at.shown_by(route.again)
        again = replace(asked, frame=replace(asked.frame, refused=_problems(asked.words, error), saved=()))
        return self._shown(room, before, again, before.answer(room, again), 422)

    def _shown(self, room: Room, route: Route, asked: Asked, found: Answer, status: int = 200) -> Response:
        if isinstance(found, Go):
            mark = "&" if "?" in found.address else "?"
            return self._go(f"{found.address}{mark}said={found.said}&n={found.count}" if found.said else found.address)
        if isinstance(found, File):
            if found.student_ids:
                trail.record_all(room.db, room.tenant, asked.account, "take_away", found.student_ids, route.name, self._now)
            kind = "inline" if found.shown else "attachment"
            told = {"Content-Disposition": f'{kind}; filename="{found.name}"', "Cache-Control": "no-store"}
            return Response(found.content, media_type=found.media_type, headers=told)
        if isinstance(found, Shows):
            if found.student_ids:
                trail.record_all(room.db, room.tenant, asked.account, "see_in_list", found.student_ids, route.name, self._now)
            if found.language:  # what is printed for somebody else in their language leaves the reader's own as it is
                self._cookies = [one for one in self._cookies if one[0] != LANGUAGE]
            return self._page(found.page, status, found.language)
        return self._page(found, status)

    # -- answers ---------------------------------------------------------------------------------------------

    def refused(self, why: Why, status: int) -> Response:
        """Return a page that says why there is none."""
        number = self._request_id if status >= 500 else ""
        return self._page(Refusal(frame=self._at.frame(self._signed_in, "", self._language), why=why, number=number), status)

    def _page(self, page: Context, status: int = 200, language: str = "") -> Response:
        text = self._at.pages(language or self._language).render(page)
        return self._with_cookies(Response(text, status, headers=dict(HEADERS)))

    def _go(self, address: str, *, forget: bool = False) -> Response:
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        if forget:
            response.delete_cookie(SESSION, **_KEPT)
        return self._with_cookies(response)

    def _with_cookies(self, response: Response) -> Response:
        for name, value in self._cookies:
            response.set_cookie(name, value, **_KEPT)
        return response

    def _sent(self, name: str) -> str:
        return sent(self._form, name)


def _problems(words: Words, error: Refused) -> tuple[str, ...]:
    """Return why something was refused, each reason once."""
    return tuple(dict.fromkeys(words.say(f"problem.{one.code}") for one in error.problems))


def _checked(room: Room, route: Route, asked: Asked) -> str:
    """Return how the reader stands to what a route is about, for the trail.

    Raises:
        NotFound: the reader does not see it, or there is no such thing: the answer is the same.
        Refused: it is not among the reader's rights.

    """
    role, seen = asked.account.role, asked.seen
    if route.about == "student":
        return f"{route.name} {seen.require(asked.parts[_STUDENT], route.right)}"
    access.require_role(role, route.right)
    if route.about == "section" and not _teaches_or_sees(room, seen, asked.parts["section_id"], route):
        raise NotFound("There is no such class among those whose students you see.")
    if route.about == "organisation" and asked.parts["organisation_id"] not in _overseen(room, asked):
        raise NotFound("There is no such school among those whose figures you see.")
    return route.name


def _teaches_or_sees(room: Room, seen: Visible, section_id: str, route: Route) -> bool:
    """Whether the reader may do what a route does with some student of a class."""
    students = room.day(seen.as_of).students_of(section_id)
    return any(seen.may(student_id, route.right) for student_id in students if student_id in seen.relations)


def _warmed(room: Room, today: date) -> None:
    """Work out what pages read of a whole school: seconds of a large one, that no reader should wait for.

    What goes wrong here goes wrong again, and is told, when a page is asked for.
    """
    with Outlived(log, "The pages could not be warmed: %s"):
        access.ties(room.records, today)
        if room.listing is not None:
            room.listing.of("", leaving=False)
        room.stopped_records(today)
        access.class_middles(room.records, today)
        student.warm(room, today)
        if room.latest is not None:
            figures.publish(room, today)


def _overseen(room: Room, asked: Asked) -> frozenset[str]:
    return overseen(room.records, asked.account, asked.today)


def _written(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size

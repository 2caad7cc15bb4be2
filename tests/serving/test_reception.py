"""Who gets in, how far, and what is written down of it: every route as every role and every relation to a student."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pyotp
import pytest
from review_school import MOMENT, PASSWORD, SETTINGS, Browser, School, csrf_in, part_names
from test_access import COLUMNS, page_grants, records, the_school

from serving.cases import access, people, sessions, trail
from serving.cases.access import RELATIONS, Relation
from serving.cases.people import ROLES, Account, Role
from serving.pages.render import ADDRESSES, STYLE, at
from serving.review.doors import own_path
from serving.review.reception import AWAY, DOORS, SESSION, addresses
from serving.review.room import Answer, Asked, Go, Room
from serving.review.routes import FIRST, OPEN, PLACES, ROUTES, Route

#: Somebody signs in for each of these, which takes a tenth of a second of a core.
pytestmark = pytest.mark.full

#: Everybody who signs in: their role, who they are in the records, and how they stand to Ana, Ben and Cal.
PEOPLE: Mapping[str, tuple[Role, str | None, str | None, Mapping[str, Relation]]] = {
    "tess": ("teacher", "tess", None, {"ana": "own_class", "ben": "own_class"}),
    "tim": ("teacher", "tim", None, {"cal": "own_class"}),
    "cora": ("counselor", "cora", None, {"ana": "caseload"}),
    "hana": ("counselor", "hana", None, {"cal": "school"}),
    "pia": ("principal", "pia", None, {"ana": "school", "ben": "school"}),
    "ana": ("student", "ana", None, {"ana": "self"}),
    "maria": ("guardian", "g-ana", None, {"ana": "own_child"}),
    "dan": ("district_analyst", "dan", None, {}),
    "min": ("ministry", "min", None, {}),
    "sid": ("data_scientist", "sid", None, {}),
    "ada": ("administrator", "ada", None, {"ana": "break_glass"}),
}

#: Of which schools who may see figures, by hand.
OVERSEES: Mapping[str, set[str]] = {
    "cora": {"lincoln"}, "hana": {"harbor"}, "pia": {"lincoln"}, "dan": {"district", "lincoln", "harbor"},
    "min": {"state", "district", "lincoln", "harbor", "college", "sciences"},
}  # fmt: skip
STUDENTS = ("ana", "ben", "cal", "nobody")
CLASSES: Mapping[str, set[str]] = {"lincoln-algebra": {"ana", "ben"}, "harbor-algebra": {"cal"}, "no-class": set()}
SCHOOLS = ("lincoln", "harbor", "district", "state", "nowhere")


def reached(room: Room, asked: Asked) -> Answer:
    return Go("/review", "reached")


@dataclass
class Signed:
    school: School
    accounts: Mapping[str, Account]
    browsers: Mapping[str, Browser]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """Everybody signed in, at a school whose routes do nothing but say that they were reached."""
    rows = the_school()
    nines = {"by": "grade", "grade_level": 9}
    rows["caseloads"] = [{"caseload_id": "c", "staff_id": "cora", "organisation_id": "lincoln", **nines}]
    rows["staff_roles"].append({"staff_id": "hana", "organisation_id": "harbor", "role": "counselor"})
    routes = tuple(replace(route, answer=reached, again="") for route in ROUTES)
    school = School.of(tmp_path_factory.mktemp("school"), records(rows), routes=routes)
    accounts = {name: school.account(role, person, where, login=name) for name, (role, person, where, _) in PEOPLE.items()}
    browsers = {name: school.browser(account) for name, account in accounts.items()}
    token = browsers["ada"].cookies[SESSION]
    ada = sessions.find(school.db, token, MOMENT)
    pia = sessions.find(school.db, browsers["pia"].cookies[SESSION], MOMENT)
    assert ada is not None
    assert pia is not None
    asked = sessions.ask_break_glass(school.db, ada, "ana", "the school office was called about her", MOMENT)
    sessions.approve_break_glass(school.db, pia, asked.id, MOMENT)
    yield Signed(school, accounts, browsers)
    school.db.dispose()


def granted(role: Role, relation: Relation | None, action: str) -> bool:
    """Whether docs/access.md grants it, read as a person reads it."""
    page = page_grants()
    if action in access.WITHOUT_A_STUDENT:
        return page[role.replace("_", " "), action]
    return relation is not None and (role, relation) in COLUMNS and page[COLUMNS[role, relation], action]


def may_reach(name: str, route: Route, parts: Mapping[str, str]) -> bool:
    """Whether somebody may reach a route, by the page on access and by who stands how to whom."""
    role, _, _, stands = PEOPLE[name]
    somehow = any(granted(role, relation, route.right) for relation in (None, *RELATIONS))
    match route.about:
        case "student":
            return granted(role, stands.get(parts["student_id"]), route.right)
        case "section":
            return any(granted(role, stands.get(student), route.right) for student in CLASSES[parts["section_id"]])
        case "organisation":
            return somehow and parts["organisation_id"] in OVERSEES.get(name, set())
        case _:
            return somehow


def addressed(route: Route) -> list[dict[str, str]]:
    """Return the parts of a route's address to try it with: everybody and everything that it can be about."""
    subjects = {"student": ("student_id", STUDENTS), "section": ("section_id", tuple(CLASSES)),
                "organisation": ("organisation_id", SCHOOLS)}  # fmt: skip
    rest = dict.fromkeys(part_names(route.path), "x")
    if route.about not in subjects:
        return [rest]
    name, known = subjects[route.about]
    return [{**rest, name: one} for one in known]


@pytest.mark.full
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.name}")
def test_every_role_reaches_of_every_route_what_the_page_on_access_says_and_nothing_else(signed: Signed, route: Route) -> None:
    for name, browser in signed.browsers.items():
        for parts in addressed(route):
            address = at(route.name, **parts)
            answer = browser.get(address) if route.method == "GET" else browser.post(address)
            if route.name == "caseload" and PEOPLE[name][0] in FIRST:
                assert answer.headers["location"] == ADDRESSES[FIRST[PEOPLE[name][0]]]
                continue
            allowed = may_reach(name, route, parts)
            told = (name, address, answer.status_code)
            if allowed:
                assert (answer.status_code, answer.headers["location"]) == (303, "/review?said=reached&n=1"), told
            else:
                assert answer.status_code in (403, 404), told
                assert "said=reached" not in answer.text
                if route.about in ("student", "section", "organisation") and not any(
                    may_reach(name, route, one) for one in addressed(route)
                ):
                    continue
                if route.about == "student" and PEOPLE[name][3].get(parts["student_id"]) is None:
                    # A student of somebody else and one who does not exist are told alike.
                    assert answer.status_code == 404, told


@pytest.mark.full
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.name}")
def test_nobody_reaches_a_route_without_signing_in_and_no_form_is_taken_without_its_word(signed: Signed, route: Route) -> None:
    address = at(route.name, **dict.fromkeys(part_names(route.path), "ana"))
    stranger = signed.school.stranger()
    answer = stranger.get(address) if route.method == "GET" else stranger.post(address)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?then=")
    if route.method == "POST":
        for browser in signed.browsers.values():
            assert replace(browser, csrf="another").post(address).status_code == 403


def test_every_address_of_a_page_has_a_route_or_is_a_door() -> None:
    routed = {route.name for route in ROUTES}
    assert set(ADDRESSES) == routed | {*DOORS, *AWAY, "style"} | OPEN_DOORS
    assert len({(route.name, route.method) for route in ROUTES}) == len(ROUTES)
    assert {path for path, _ in addresses()} == set(ADDRESSES.values())


#: Pages that open without an account, by something else than a session of the reception: each has tests of its own.
OPEN_DOORS: set[str] = {way.name for way in OPEN}


def test_a_form_that_can_be_refused_has_a_page_to_be_shown_on_again() -> None:
    shown = {route.name for route in ROUTES if route.method == "GET"}
    for route in ROUTES:
        assert route.method == "GET" or route.again in shown, route.name
        assert not (route.sees and route.about != "student"), "a student who is seen is named by the address"


def test_every_page_above_the_others_is_one_that_those_roles_reach(signed: Signed) -> None:
    by_name = {route.name: route for route in ROUTES if route.method == "GET"}
    for place, roles in PLACES.items():
        for name, (role, *_) in PEOPLE.items():
            assert not (role in roles and not may_reach(name, by_name[place], {})), (place, name)
    assert set(PLACES) <= set(by_name)
    assert {role for roles in PLACES.values() for role in roles} <= set(ROLES)


# -- signing in -------------------------------------------------------------------------------------------------------


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    found = School.of(tmp_path, records(the_school()))
    yield found
    found.db.dispose()


def signs_in(browser: Browser, login: str, password: str = PASSWORD, then: str = "/review") -> object:
    page = browser.get(f"/sign-in?then={quote(then, safe='')}")
    assert page.status_code == 200
    form = {"csrf": csrf_in(page.text), "login": login, "password": password, "then": then}
    return browser.post("/sign-in", form)


def test_a_teacher_signs_in_with_a_password_and_goes_on_to_what_they_asked_for(school: School) -> None:
    school.account("teacher", "tess", login="tess")
    browser = school.stranger()
    wanted = browser.get("/review?when=new")
    assert wanted.headers["location"] == "/sign-in?then=%2Freview%3Fwhen%3Dnew"
    answer = signs_in(browser, "tess", then="/review?when=new")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?when=new")
    assert browser.get("/review?when=new").status_code == 200


def test_the_cookie_is_for_this_service_alone_and_no_script_reads_it(school: School) -> None:
    school.account("teacher", "tess", login="tess")
    answer = signs_in(school.stranger(), "tess")
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION)]
    told = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert told == {"httponly", "path=/", "samesite=lax", "secure"}  # and no Domain: the name asks for that
    assert SESSION.startswith("__Host-")


def test_a_wrong_password_an_unknown_name_and_a_closed_account_are_told_alike(school: School) -> None:
    tess = school.account("teacher", "tess", login="tess")
    tim = school.account("teacher", "tim", login="tim")
    people.disable(school.db, "default", tim.id, MOMENT)
    pages = []
    for login, password in ((tess.login, "wrong one here"), ("nobody", PASSWORD), (tim.login, PASSWORD)):
        answer = signs_in(school.stranger(), login, password)
        assert answer.status_code == 422
        assert PASSWORD not in answer.text
        pages.append(re.sub(rf'value="({login}|[\w-]{{43}})"', "", answer.text))
    assert pages[0] == pages[1] == pages[2]


def test_a_sign_in_from_another_site_is_refused(school: School) -> None:
    school.account("teacher", "tess", login="tess")
    browser = school.stranger()
    browser.get("/sign-in")
    answer = browser.post("/sign-in", {"csrf": "theirs", "login": "tess", "password": PASSWORD})
    assert answer.status_code == 403
    assert SESSION not in browser.cookies


def test_a_counselor_sets_up_a_second_factor_before_any_page_opens_and_is_asked_for_it_from_then_on(school: School) -> None:
    school.account("counselor", "cora", login="cora")
    browser = school.stranger()
    answer = signs_in(browser, "cora")
    assert answer.headers["location"] == "/sign-in/set-up?then=%2Freview"
    assert browser.get("/review").headers["location"] == "/sign-in/set-up"
    page = browser.get("/sign-in/set-up")
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)
    assert secret
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(MOMENT)
    assert "<svg" in page.text
    wrong = browser.post("/sign-in/set-up", {"csrf": csrf_in(page.text), "code": "000000"})
    assert wrong.status_code == 422
    # A wrong code shows a new secret: the one before is worth nothing.
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", wrong.text)
    assert secret
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(MOMENT)
    before = browser.cookies[SESSION]
    kept = browser.post("/sign-in/set-up", {"csrf": csrf_in(wrong.text), "code": code})
    assert kept.status_code == 200
    assert kept.text.count("<code>") == 10
    assert browser.cookies[SESSION] != before
    assert browser.get("/review").status_code == 200
    again = school.stranger()
    assert signs_in(again, "cora").headers["location"] == "/sign-in/code?then=%2Freview"
    assert again.get("/review").headers["location"] == "/sign-in/code"
    recovery = re.findall(r"<code>([\w-]+)</code>", kept.text)[0]
    page = again.get("/sign-in/code")
    assert again.post("/sign-in/code", {"csrf": csrf_in(page.text), "code": recovery}).headers["location"] == "/review"
    assert again.get("/review").status_code == 200


def test_whoever_signs_out_is_out_and_the_cookie_is_taken_back(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    kept = dict(browser.cookies)
    answer = browser.post("/sign-out")
    assert answer.headers["location"] == "/sign-in?signed_out=1"
    assert SESSION not in browser.cookies
    assert Browser(school.app, kept).get("/review").status_code == 303


def test_an_account_that_was_closed_is_out_at_the_next_click(school: School) -> None:
    tess = school.account("teacher", "tess")
    browser = school.browser(tess)
    assert browser.get("/review").status_code == 200
    people.disable(school.db, "default", tess.id, MOMENT)
    assert browser.get("/review").headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    "path",
    ["//elsewhere.example", "https://elsewhere.example/review", "/review\\..\\x", "/review/../score", "/score", "/review//x",
     "javascript:alert(1)", "/reviewer", "/review\n/x", ""],
)  # fmt: skip
def test_after_signing_in_nobody_is_led_elsewhere(path: str) -> None:
    assert own_path(path) == "/review"


def test_a_page_of_the_review_is_kept_as_it_was_asked_for() -> None:
    for path in ("/review", "/review?when=due&q=Ana+R", "/review/students/S%2F1"):
        assert own_path(path) == path


# -- what every answer has --------------------------------------------------------------------------------------------


def test_a_page_may_load_its_style_and_send_forms_here_and_nothing_else(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    for answer in (browser.get("/review"), browser.get("/sign-in"), browser.get("/review/nowhere")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "style-src 'self'" in policy
        assert "form-action 'self'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    style = school.stranger().get(ADDRESSES["style"])
    assert (style.status_code, style.content) == (200, STYLE)
    assert "immutable" in style.headers["cache-control"]


def test_a_page_that_is_not_there_or_takes_no_such_method_is_refused_as_a_page_or_to_a_program(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    assert browser.get("/review/nowhere").status_code == 404
    assert browser.post("/review").status_code == 405
    assert browser.get("/score").status_code == 404  # that one is not in this reception


def test_a_form_of_another_kind_or_too_large_is_refused_as_a_page(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    answer = browser.post("/sign-out", {}, **{"Content-Type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert browser.post("/sign-out", {"text": "x" * 200_001}).status_code == 413


def test_every_language_is_offered_kept_and_followed(school: School) -> None:
    browser = school.stranger()
    assert '<html lang="es"' in browser.get("/sign-in", **{"Accept-Language": "es-MX,en;q=.5"}).text
    assert '<html lang="en"' in browser.get("/sign-in").text
    assert '<html lang="es"' in browser.get("/sign-in?language=es").text
    assert '<html lang="es"' in browser.get("/sign-in").text
    assert '<html lang="es"' in browser.get("/sign-in?language=xx").text  # there is none such: what was chosen stays


def test_what_an_address_says_was_done_is_shown_only_where_the_catalogue_knows_it(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    assert "alert" not in browser.get("/review?said=<script>alert(1)</script>").text
    assert 'role="status"' not in browser.get("/review?said=nothing.such").text


# -- what is written down ---------------------------------------------------------------------------------------------


def test_whoever_is_shown_on_a_page_has_a_line_in_the_trail_and_the_chain_holds(school: School) -> None:
    cora = school.account("counselor", "cora")
    browser = school.browser(cora)
    assert browser.get("/review?q=Ana").status_code == 200
    (view,) = [one for one in trail.who_viewed(school.db, "default", "ana") if one.action == "see_in_list"]
    assert (view.account_id, view.role) == (cora.id, "counselor")
    assert trail.who_viewed(school.db, "default", "ben") == ()
    assert trail.verify(school.db, "default") is None


def test_rights_follow_the_records_at_the_next_click(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    assert "Álvarez" in browser.get("/review").text
    rows = the_school()
    rows["teaching"] = [one | {"ends_on": MOMENT.date() - timedelta(days=1)} for one in rows["teaching"]]
    records(rows, "later").write(school.reception.room("default").store.records_folder)
    assert "Álvarez" not in browser.get("/review").text


def test_nobody_sees_a_real_student_before_they_have_practised(tmp_path: Path) -> None:
    school = School.of(tmp_path, records(the_school()), settings=replace(SETTINGS, simulated=False))
    tess = school.account("teacher", "tess")
    browser = school.browser(tess)
    assert browser.get("/review").headers["location"] == ADDRESSES["practice"]
    people.note_practice(school.db, "default", tess.id, MOMENT.date())
    assert browser.get("/review").status_code == 200


def test_a_form_that_was_not_sent_from_a_page_of_today_leads_back(school: School) -> None:
    browser = school.browser(school.account("teacher", "tess"))
    answer = replace(browser, csrf="old").post("/sign-out")
    assert answer.status_code == 403
    assert "Nothing was saved" in answer.text

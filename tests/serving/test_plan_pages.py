"""A learning plan over real requests: beside an adult, signed in, and by a link that opens it once and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from review_school import MOMENT, Browser, School, csrf_in
from test_access import records, the_school

from serving.cases import plans, trail
from serving.cases.plans import Plan
from serving.pages.render import ADDRESSES, at
from serving.review.reception import PLAN, SESSION
from serving.review.routes import OPEN, ROUTES

pytestmark = pytest.mark.full

DAY = timedelta(days=1)
REVIEW = str(MOMENT.date() + 14 * DAY)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    found = School.of(tmp_path, records(the_school()))
    yield found
    found.db.dispose()


def plan_of(school: School, student: str = "ana") -> Plan:
    return plans.plans_of(school.db, "default", student)[0]


def begun(school: School, by: Browser) -> str:
    """Begin a plan and return its address."""
    answer = by.post(at("plans", student_id="ana"))
    address, _, said = answer.headers["location"].partition("?")
    assert said == "said=plan_begun&n=1"
    assert address == at("plan", student_id="ana", plan_id=plan_of(school).id)
    return str(address)


def linked(school: School, by: Browser, plan: str) -> str:
    """Have a link made and return its address."""
    page = by.post(f"{plan}/links")
    assert page.status_code == 200
    found = re.search(r"<code>(/plan/[\w-]{43})</code>", page.text)
    assert found
    return found[1]


def opened(school: School, link: str) -> Browser:
    """Return the browser of somebody without an account who pressed the button behind a link."""
    browser = school.stranger()
    browser.csrf = csrf_in(browser.get(link).text)
    answer = browser.post(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/plan")
    browser.csrf = csrf_in(browser.get("/plan").text)
    return browser


def test_an_adult_begins_offers_and_writes_for_the_student_only_where_they_say_the_student_sits_beside_them(
    school: School,
) -> None:
    tess = school.browser(school.account("teacher", "tess"))
    plan = begun(school, tess)
    page = tess.get(plan).text
    assert page.index("First: the goal") < page.index("Then: what could help") < page.index("Last: the agreement")
    assert f'action="{plan}/choices"' not in page, "nothing can be picked before the goal is written"
    refused = tess.post(f"{plan}/goal", {"version": "1", "goal": "Ratios without a table"})
    assert refused.status_code == 422
    assert "Ratios without a table" in refused.text, "nothing that was typed is lost"
    assert "Only the student can say this" in refused.text
    assert tess.post(f"{plan}/goal", {"version": "1", "goal": "Ratios", "beside": "1"}).headers["location"].startswith(plan)
    assert tess.post(f"{plan}/options", {"version": "2", "text": "With Kim"}).status_code == 303
    option = plan_of(school).options[0].id
    assert tess.post(f"{plan}/begin", {"version": "3", "review_on": REVIEW}).status_code == 422, "nobody has agreed"
    assert plan_of(school).state == "draft"
    stale = tess.post(f"{plan}/choices", {"version": "2", f"option.{option}": "picked", "beside": "1"})
    assert stale.status_code == 422
    assert '<option value="picked" selected>' in stale.text
    assert tess.post(f"{plan}/choices", {"version": "3", f"option.{option}": "picked", "beside": "1"}).status_code == 303
    assert tess.post(f"{plan}/agree", {"version": "4", "beside": "1"}).status_code == 303
    assert tess.post(f"{plan}/begin", {"version": "5", "review_on": REVIEW}).status_code == 303
    assert plan_of(school).state == "active"
    assert "The student, beside an adult" in tess.get(plan).text


def test_a_student_writes_picks_agrees_and_takes_it_back_with_an_account_of_their_own(school: School) -> None:
    tess, ana = (school.browser(school.account(role, who)) for role, who in (("teacher", "tess"), ("student", "ana")))
    plan = begun(school, ana)
    assert ana.post(f"{plan}/goal", {"version": "1", "goal": "Read a whole book"}).status_code == 303
    assert f'action="{plan}/options"' not in ana.get(plan).text, "adults offer"
    tess.post(f"{plan}/options", {"version": "2", "text": "A quiet hour"})
    option = plan_of(school).options[0].id
    assert ana.post(f"{plan}/choices", {"version": "3", f"option.{option}": "refused"}).status_code == 303
    assert ana.post(f"{plan}/agree", {"version": "4"}).status_code == 422, "nothing is picked"
    assert ana.post(f"{plan}/choices", {"version": "4", f"option.{option}": "picked"}).status_code == 303
    assert ana.post(f"{plan}/agree", {"version": "5"}).status_code == 303
    assert plan_of(school).state == "agreed"
    assert ana.post(f"{plan}/withdraw", {"version": "6"}).status_code == 303
    assert plan_of(school).state == "draft"


def test_a_guardian_and_a_principal_read_a_plan_and_write_nothing_in_it(school: School) -> None:
    plan = begun(school, school.browser(school.account("teacher", "tess")))
    for role, who in (("guardian", "g-ana"), ("principal", "pia")):
        browser = school.browser(school.account(role, who))  # type: ignore[arg-type]
        page = browser.get(plan)
        assert page.status_code == 200
        assert f'action="{plan}' not in page.text
        assert browser.post(f"{plan}/goal", {"version": "1", "goal": "x"}).status_code == 403
    assert [one.action for one in trail.who_viewed(school.db, "default", "ana")].count("see_student") == 2


def test_a_link_opens_one_plan_once_for_whoever_presses_the_button(school: School) -> None:
    tess = school.browser(school.account("teacher", "tess"))
    plan = begun(school, tess)
    tess.post(f"{plan}/options", {"version": "1", "text": "With Kim"})
    link = linked(school, tess, plan)
    before = school.stranger()
    for _ in range(3):  # programs of mail and chat look ahead
        assert before.get(link).status_code == 200
    child = opened(school, link)
    used = before.get(link)
    assert used.status_code == 410
    assert "This link opens nothing" in used.text
    page = child.get("/plan")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "Álvarez" not in page.text
    assert "ana" not in re.findall(r'="([^"]*)"', page.text), "no name and no key stands on it"
    written = child.post(ADDRESSES["linked_goal"], {"version": "2", "goal": "Ratios"})
    assert written.headers["location"] == "/plan?said=plan_goal"
    assert "The goal is saved." in child.get("/plan?said=plan_goal").text
    option = plan_of(school).options[0].id
    wrong = child.post(ADDRESSES["linked_choices"], {"version": "2", f"option.{option}": "refused"})
    assert wrong.status_code == 422
    assert '<option value="refused" selected>' in wrong.text
    assert child.post(ADDRESSES["linked_choices"], {"version": "3", f"option.{option}": "picked"}).status_code == 303
    assert child.post(ADDRESSES["linked_agree"], {"version": "4"}).status_code == 303
    mine = plan_of(school)
    assert (mine.state, mine.agreed_how, mine.goal_how) == ("agreed", "link", "link")
    assert child.post(ADDRESSES["linked_withdraw"], {"version": "5"}).status_code == 303
    assert plan_of(school).state == "draft"
    assert child.post(ADDRESSES["linked_leave"]).status_code == 303
    assert child.get("/plan").status_code == 410
    assert trail.verify(school.db, "default") is None


def test_what_a_link_opened_opens_no_other_page_and_its_forms_take_its_own_word(school: School) -> None:
    tess = school.browser(school.account("teacher", "tess"))
    child = opened(school, linked(school, tess, begun(school, tess)))
    assert set(child.cookies) <= {PLAN, "__Host-homeroom-form"}
    for route in ROUTES:
        address = route.path.replace("{student_id}", "ana").replace("{plan_id}", plan_of(school).id)
        address = re.sub(r"\{\w+\}", "x", address)
        answer = child.get(address) if route.method == "GET" else child.post(address)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), route.name
    for way in OPEN:
        if way.method == "POST" and way.opened:
            assert replace(child, csrf="another").post(way.path, {"version": "1", "goal": "x"}).status_code == 403, way.name
    token = tess.cookies[SESSION]
    assert Browser(school.app, {PLAN: token}).get("/plan").status_code == 410, "a session of the pages opens no plan by itself"
    assert Browser(school.app, {PLAN: token}).post(ADDRESSES["linked_goal"], {"goal": "x"}).status_code == 410
    assert plan_of(school).goal == ""


def test_the_cookie_of_a_link_is_for_this_service_alone(school: School) -> None:
    tess = school.browser(school.account("teacher", "tess"))
    link = linked(school, tess, begun(school, tess))
    browser = school.stranger()
    browser.csrf = csrf_in(browser.get(link).text)
    assert replace(browser, csrf="theirs").post(link).status_code == 403, "no other site presses the button"
    (cookie,) = [one for one in browser.post(link).headers.get_list("set-cookie") if one.startswith(PLAN)]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "path=/", "samesite=lax", "secure"}
    assert PLAN.startswith("__Host-")


def test_a_link_that_is_old_was_ended_or_never_was_opens_nothing_and_says_so(school: School) -> None:
    tess = school.browser(school.account("teacher", "tess"))
    plan = begun(school, tess)
    first = linked(school, tess, plan)
    second = linked(school, tess, plan)
    assert school.stranger().get(first).status_code == 410, "a new link ends those before it"
    child = opened(school, second)
    third = linked(school, tess, plan)
    assert child.get("/plan").status_code == 410, "and what they opened"
    tess.post(f"{plan}/links/end")
    for link in (third, f"/plan/{'x' * 43}", "/plan/short"):
        page = school.stranger().get(link)
        assert page.status_code == 410
        assert "Ask for a new one" in page.text
    fourth = linked(school, tess, plan)
    assert not plans.link_is_good(school.db, fourth.removeprefix("/plan/"), MOMENT + timedelta(days=8))


def test_any_student_may_have_a_plan_whatever_a_list_says(school: School) -> None:
    hana = school.browser(school.account("teacher", "tim"))
    answer = hana.post(at("plans", student_id="cal"))
    assert answer.status_code == 303
    assert plan_of(school, "cal").state == "draft"

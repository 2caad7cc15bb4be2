"""What people come to the pages for, done in a real browser on the real service: by mouse, by keyboard, on a narrow screen.

The pages hold no script, and most journeys here are made by a browser that runs none. What a journey comes to is looked at
again by a browser that runs scripts, for axe-core is one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from zipfile import ZipFile

import polars as pl
import pyotp
import pytest
import served_school
from browser import NARROW, Surfing, axe, focused, sideways
from playwright.sync_api import Locator, Page, Request
from pypdf import PdfReader
from served_school import PASSWORD, Served

from serving.cases import casebook
from serving.cases.access import ties
from serving.cases.people import Account

pytestmark = pytest.mark.full

Enter = Callable[..., Page]


@dataclass(frozen=True)
class People:
    """Who signs in here."""

    counselor: Account
    teacher: Account
    principal: Account
    guardian: Account


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service on a small district, begun once for this file."""
    home = tmp_path_factory.mktemp("served") / "home"
    shown = served_school.make(home)
    found = served_school.start(home, shown.as_of)
    yield found
    served_school.stop(found)


@pytest.fixture(scope="module")
def people(served: Served) -> People:
    """A counselor, a teacher and a principal with many students, and a guardian of one child."""
    return People(
        served.account("counselor", served.person("counselor"), "cora@school.example", "Cora Voss"),
        served.account("teacher", served.person("teacher"), "tom@school.example", "Tom Reyes"),
        served.account("principal", served.person("principal"), "petra@school.example", "Petra Holm"),
        served.account("guardian", served.person("guardian", most=1), "gil@home.example", "Gil Marsh"),
    )


@pytest.fixture
def enter(surfing: Surfing, served: Served) -> Iterator[Enter]:
    """Returns a page of somebody signed in, or of a stranger. In the end nothing may have been asked of another host."""
    asked: list[str] = []

    def note(one: Request) -> None:
        asked.append(one.url)

    def enter(account: Account | None = None, **more: object) -> Page:
        page = surfing.reader(address=served.url, **more)  # type: ignore[arg-type]
        page.context.on("request", note)
        if account:
            page.context.add_cookies([served.cookie(account)])  # type: ignore[list-item]
        return page

    yield enter
    assert asked
    assert [one for one in asked if not one.startswith(f"{served.url}/")] == [], "a page asked something of another host"


def whole(page: Page) -> None:
    """Check the page that is shown: nothing for axe to find, and no scrolling sideways, narrow or at twice the size."""
    assert axe(page) == [], page.url
    for one in page.query_selector_all("details"):
        one.evaluate("one => { one.open = true }")
    usual = page.viewport_size
    assert usual
    for width in (NARROW, usual["width"] // 2):
        page.set_viewport_size({"width": width, "height": 400})
        assert sideways(page) == 0, (page.url, width)
    page.set_viewport_size(usual)


def said(page: Page) -> str:
    """Return what the page says was done."""
    return page.get_by_role("status").inner_text()


def unfold(page: Page, summary: str) -> Locator:
    """Open a part of the page that is folded, and return it."""
    part = page.locator("details").filter(has=page.locator("summary", has_text=re.compile(f"^{re.escape(summary)}$")))
    part.locator("summary").click()
    return part


def listed(page: Page, at: int) -> tuple[str, str]:
    """Return the name and the address of somebody on the caseload's list."""
    link = page.locator("tbody th a").nth(at)
    return link.inner_text(), str(link.get_attribute("href"))


# -- sign in ------------------------------------------------------------------------------------------------------------


def test_a_principal_signs_in_with_a_password_and_a_code_and_is_led_to_what_was_asked_for(
    enter: Enter, served: Served, people: People
) -> None:
    page = enter(scripts=False)
    page.goto("/review?when=new")
    assert page.title().startswith("Sign in")
    page.get_by_label("Name of your account").fill(people.principal.login)
    page.get_by_label("Password").fill("not this one at all")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").is_visible()
    assert page.get_by_label("Name of your account").input_value() == people.principal.login
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    assert "/sign-in/code" in page.url
    page.get_by_role("textbox").fill(new_code(served, people.principal))
    page.get_by_role("button", name="Go on").click()
    assert page.url == f"{served.url}/review?when=new"
    assert page.locator("h1").inner_text() == "Your students"
    kept = {one["name"]: one for one in page.context.cookies(served.url.replace("http:", "https:"))}
    assert kept["__Host-homeroom"]["httpOnly"]
    assert kept["__Host-homeroom"]["secure"]
    page.get_by_role("button", name="Sign out").click()
    page.goto("/review")
    assert page.title().startswith("Sign in")


def new_code(served: Served, account: Account) -> str:
    """Return a code that was not used before; each is good once, so that this may take half a minute to come."""
    totp = pyotp.TOTP(served.secrets[account.login])
    used = _USED.setdefault(account.login, set())
    while (code := totp.at(datetime.now(UTC))) in used:
        sleep(0.5)
    used.add(code)
    return code


_USED: dict[str, set[str]] = {}


# -- a case -------------------------------------------------------------------------------------------------------------


def test_a_case_is_worked_from_new_to_support_active_without_scripts(enter: Enter, served: Served, people: People) -> None:
    page = enter(people.counselor, scripts=False)
    page.goto("/review")
    name, address = listed(page, 0)
    page.get_by_role("checkbox", name=f"Choose {name}").check()
    page.get_by_role("button", name="Take them on").click()
    assert "taken on" in said(page)
    page.goto(address)
    assert page.locator("h1").inner_text() == name
    work = page.locator("section[aria-labelledby=h-work]")
    assert "Somebody is looking" in work.inner_text()

    page.get_by_label("Note", exact=True).fill("Says the bus comes late. Mother asked to be called in the evening.")
    page.get_by_label("Next step").select_option(label="Speak with the family")
    page.get_by_role("button", name="Save the note and the next step").click()
    assert said(page) == "The note and the next step are saved."
    assert "Says the bus comes late." in work.inner_text()

    talk = unfold(page, "Record a talk")
    talk.get_by_label("With whom").select_option(label="The family")
    talk.get_by_label("How", exact=True).select_option(label="By telephone")
    talk.get_by_label("What was agreed").fill("An earlier bus from Monday.")
    talk.get_by_role("button").click()
    assert said(page) == "The talk is recorded."

    support = unfold(page, "Begin a support")
    support.get_by_label("Its name, where it is another").fill("An earlier bus")
    support.get_by_label("How often and how long").fill("every day, for six weeks")
    support.get_by_role("button").click()
    assert page.get_by_role("alert").is_visible(), "a support without a goal is refused"
    assert page.get_by_label("Its name, where it is another").input_value() == "An earlier bus", "what was typed is kept"
    page.get_by_label("What for: the goal").fill("At school when the first lesson begins")
    page.get_by_role("button", name="Begin it").click()
    assert said(page) == "The support has begun."
    assert "Support has begun" in work.inner_text()
    assert "An earlier bus" in page.locator("section[aria-labelledby=h-supports]").inner_text()
    case = casebook.cases_of(served.db, "default", [address.rpartition("/")[2]])
    assert [one.state for one in case.values()] == ["support_active"]

    seen = enter(people.counselor)
    seen.goto(address)
    whole(seen)
    seen.goto(f"{address}?language=es")
    assert seen.locator("html").get_attribute("lang") == "es"
    whole(seen)


def test_a_counselor_disagrees_with_what_is_suggested_and_reads_it_on_the_page(enter: Enter, people: People) -> None:
    page = enter(people.counselor, scripts=False)
    page.goto("/review")
    _, address = listed(page, 1)
    page.goto(address)
    part = unfold(page, "Decline, or disagree with what is suggested")
    part.get_by_label("In which way").select_option(label="There is help already")
    part.get_by_label("What you know that the records do not").fill("Works with a tutor on Saturdays.")
    part.get_by_role("button").click()
    assert "never held against anybody" in said(page)
    assert "Works with a tutor on Saturdays." in page.locator("section[aria-labelledby=h-work]").inner_text()
    page.get_by_role("button", name="This is not the real need").click()
    assert "It is not the real need" in page.locator("section[aria-labelledby=h-work]").inner_text()


# -- by keyboard --------------------------------------------------------------------------------------------------------

#: Whether what has the keyboard shows it, inside the window: an outline of two pixels or more.
_SHOWN = """(() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
    && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
})()"""


@dataclass
class Keyboard:
    """Somebody who has no mouse. ``pressed`` counts keys, letters apart."""

    page: Page
    pressed: int = 0

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)
            self.pressed += 1

    def to(self, wanted: str, most: int = 60) -> None:
        """Go on by Tab until something is met; everything on the way must show that it has the keyboard."""
        met = []
        for _ in range(most):
            self.press("Tab")
            met.append(focused(self.page))
            assert self.page.evaluate(_SHOWN), f"it is not to be seen that the keyboard is at {met[-1]}"
            if met[-1].startswith(wanted):
                return
        pytest.fail(f"{wanted} was not met by {most} tabs: {met}")

    def go(self) -> None:
        """Press Enter, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.press("Enter")

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)


def test_the_main_journey_takes_a_keyboard_and_no_mouse(enter: Enter, served: Served, people: People) -> None:
    page = enter()
    page.emulate_media(reduced_motion="reduce")  # else the page is still on its way when it is looked at
    page.goto("/review")
    keys = Keyboard(page)
    keys.to("input login")
    keys.type(people.counselor.login)
    keys.to("input password")
    keys.type(PASSWORD)
    keys.go()
    keys.to("input code")
    keys.type(new_code(served, people.counselor))
    keys.go()
    assert page.locator("h1").inner_text() == "Your students"

    name, _ = listed(page, 2)
    keys.to("a Skip to the content")
    keys.press("Enter")
    keys.to(f"a {name}")
    keys.go()
    assert page.locator("h1").inner_text() == name

    # A note and a next step, from the moment that the page is there: under a minute, the words apart.
    keys.pressed = 0
    keys.to("a What we do")
    keys.press("Enter")
    keys.to("textarea text")
    keys.type("Talked at the gate. Is tired, likes the new club.")
    keys.to("select task")
    keys.type("Look again")
    keys.to("button Save the note")
    keys.go()
    assert said(page) == "The note and the next step are saved."
    assert keys.pressed <= 30
    assert "Talked at the gate." in page.locator("section[aria-labelledby=h-work]").inner_text()

    keys.to("a What we do")
    keys.press("Enter")
    keys.to("button Take it on")
    keys.go()
    assert "taken on" in said(page)
    keys.to("a What we do")
    keys.press("Enter")
    keys.to("summary Begin a support")
    keys.press("Enter")
    keys.to("select intervention_id")
    keys.press("ArrowDown")
    keys.to("input dose")
    keys.type("twice a week, for six weeks")
    keys.to("textarea goal")
    keys.type("Comes on Mondays")
    keys.to("button Begin it")
    keys.go()
    assert said(page) == "The support has begun."
    assert "Support has begun" in page.locator("section[aria-labelledby=h-work]").inner_text()


# -- the meeting --------------------------------------------------------------------------------------------------------


def test_the_meeting_sheet_prints_with_names_and_lines_to_write_on_and_without_menus(
    enter: Enter, people: People, tmp_path: Path
) -> None:
    page = enter(people.counselor, scripts=False)
    page.goto("/review/meeting")
    page.get_by_label("Year").select_option(index=1)
    page.get_by_role("button", name="Make the sheet").click()
    names = [one.inner_text() for one in page.locator(".meeting-item h3 a").all()]
    assert names
    printed = PdfReader(io.BytesIO(page.pdf(path=tmp_path / "sheet.pdf", format="A4")))
    text = re.sub(r"\s+", " ", " ".join(one.extract_text() for one in printed.pages))
    assert [name for name in names if name not in text] == []
    assert text.count("Decision") >= len(names)
    assert "not for placement" in text
    for menu in ("Sign out", "Your students", "Make the sheet", "Skip to the content"):
        assert menu in page.content()
        assert menu not in text
    seen = enter(people.counselor)
    seen.goto(page.url)
    whole(seen)


# -- the class ----------------------------------------------------------------------------------------------------------


def test_tomorrows_groups_are_made_changed_and_checked_and_the_map_follows(enter: Enter, people: People) -> None:
    page = enter(people.teacher, scripts=False)
    page.goto("/review/classes")
    page.locator("main .lines a").first.click()
    lesson = page.url
    blocks = page.locator(".lesson-block").filter(has=page.locator("h3", has_text=re.compile("^Group ")))
    assert blocks.count() >= 2
    first = blocks.nth(0)
    tree = str(re.match(r"Group (\w+):", first.locator("h3").inner_text())[1])  # type: ignore[index]
    skill = first.locator("h3").inner_text().partition(": ")[2]
    moved = blocks.nth(1).locator("tbody th a").first.inner_text()
    members = first.locator("tbody th a").all_inner_texts()
    assert moved not in members

    page.get_by_role("group", name="Move a student").get_by_label("Student").select_option(label=moved)
    page.get_by_role("group", name="Move a student").get_by_label("To").select_option(label=tree)
    page.get_by_role("button", name="Move", exact=True).click()
    assert page.get_by_role("status").is_visible()
    there = page.locator(".lesson-block").filter(has=page.locator("h3", has_text=re.compile(f"^Group {tree}:")))
    assert moved in there.locator("tbody th a").all_inner_texts()
    assert "arranged by hand" in page.locator("section[aria-labelledby=h-groups]").inner_text()

    student = str(there.locator("tbody th a").filter(has_text=members[0]).first.get_attribute("href"))
    page.goto(student)
    assert skill in following(page)
    page.goto(lesson)
    for _ in range(2):  # of one occasion nothing is concluded
        there.get_by_role("group", name=f"What you saw of {members[0]}").get_by_label("Secure", exact=True).check()
        there.get_by_role("button", name=re.compile("^Record the check")).click()
        assert page.get_by_role("status").is_visible()
    assert "Quick check on" in there.inner_text()
    page.goto(student)
    assert skill in page.locator("section[aria-labelledby=h-map]").inner_text()

    page.goto(f"{lesson}?view=projector")
    assert moved in page.locator("main").inner_text()
    for concern in ("check-in", "eye on", "extra signal", "Quick check"):
        assert concern not in page.locator("main").inner_text()
    seen = enter(people.teacher)
    for address in (lesson, f"{lesson}?view=projector", f"{lesson}?view=print", f"{lesson}?language=es"):
        seen.goto(address)
        whole(seen)


def following(page: Page) -> str:
    """Return what is next to learn on a student's map."""
    return page.locator("section[aria-labelledby=h-map] h3:has-text('Next to learn') + ul").inner_text()


# -- plans and families -------------------------------------------------------------------------------------------------


def test_a_plan_is_agreed_by_a_link_that_opens_it_once_and_nothing_else(enter: Enter, people: People) -> None:
    page = enter(people.counselor, scripts=False)
    page.goto("/review")
    name, address = listed(page, 3)
    page.goto(address)
    page.get_by_role("button", name="Begin a learning plan").click()
    plan = page.url.partition("?")[0]
    page.get_by_label("Something to offer").fill("Half an hour with a tutor on Tuesdays")
    page.get_by_role("button", name="Offer it").click()
    assert page.get_by_role("status").is_visible()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("main .notice code").inner_text()

    theirs = enter(scripts=False)
    theirs.goto(link)
    theirs.get_by_role("button", name="Open my plan").click()
    assert theirs.locator("h1").inner_text() == "Your learning plan"
    assert name not in theirs.content()
    assert theirs.get_by_role("button", name="I agree to this plan").count() == 0, "the goal comes first"
    theirs.get_by_label("What I want to learn or reach, in my own words").fill("I want to read aloud without fear.")
    theirs.get_by_role("button", name="Save the goal").click()
    theirs.get_by_label("Half an hour with a tutor on Tuesdays").select_option(label="I pick it")
    theirs.get_by_role("button", name="Save what I pick and refuse").click()
    theirs.get_by_role("button", name="I agree to this plan").click()
    assert "The student has agreed." in theirs.locator("section[aria-labelledby=h-agreement]").inner_text()
    theirs.goto("/review")
    assert theirs.title().startswith("Sign in"), "the link opens the plan and nothing else"

    another = enter()
    another.goto(link)
    assert another.get_by_role("button", name="Open my plan").count() == 0
    whole(another)
    page.goto(plan)
    assert "I want to read aloud without fear." in page.locator("main").inner_text()
    page.get_by_role("button", name="Begin the plan").click()
    assert "Under way." in page.locator("main").inner_text()
    seen = enter(people.counselor)
    for wanted in (plan, f"{plan}?language=es"):
        seen.goto(wanted)
        whole(seen)


def test_a_family_reads_its_page_in_spanish_and_it_prints_without_menus(enter: Enter, served: Served, people: People) -> None:
    guardians = served.records.labels("guardians").filter(pl.col("language") == "es").select("student_id").collect()
    mine = ties(served.records, served.today).frame.filter(pl.col("person_id") == people.counselor.person_id)
    student = mine.join(guardians, on="student_id", how="semi")["student_id"].sort()[0]
    page = enter(people.counselor, scripts=False)
    page.goto(f"/review/students/{student}/family")
    assert page.locator("html").get_attribute("lang") == "es"
    title = page.locator("h1").inner_text()
    assert title.startswith("Para la familia de ")
    printed = PdfReader(io.BytesIO(page.pdf(format="A4")))
    text = re.sub(r"\s+", " ", " ".join(one.extract_text() for one in printed.pages))
    assert title in text
    assert page.get_by_role("navigation").first.inner_text().split("\n")[0] not in text
    seen = enter(people.counselor)
    for wanted in (f"/review/students/{student}/family", f"/review/students/{student}/family?language=en"):
        seen.goto(wanted)
        whole(seen)


def test_a_guardian_takes_away_everything_that_is_held_of_their_child(enter: Enter, people: People, tmp_path: Path) -> None:
    page = enter(people.guardian, scripts=False)
    page.goto("/review/own")
    child = page.url.rpartition("/")[2]
    page.goto(f"/review/students/{child}/family?language=en")
    with page.expect_download() as found:
        page.get_by_role("link", name="Take everything away").click()
    kept = tmp_path / "held.zip"
    found.value.save_as(kept)
    with ZipFile(kept) as held:
        assert held.testzip() is None
        assert held.namelist()
    seen = enter(people.guardian)
    for wanted in (f"/review/students/{child}/family", f"/review/students/{child}/requests"):
        seen.goto(f"{wanted}?language=en")
        whole(seen)


# -- what leaves --------------------------------------------------------------------------------------------------------


def test_a_list_is_taken_away_as_a_table_that_says_what_it_is_not_for(enter: Enter, people: People, tmp_path: Path) -> None:
    page = enter(people.counselor, scripts=False)
    page.goto("/review")
    shown = page.locator("tbody th a").all_inner_texts()
    with page.expect_download() as found:
        page.get_by_role("link", name="Take this list away").click()
    kept = tmp_path / "list.csv"
    found.value.save_as(kept)
    assert found.value.suggested_filename.startswith("students-")
    rows = list(csv.reader(kept.read_text(encoding="utf-8-sig").splitlines()))
    assert set(shown) <= {row[1] for row in rows if len(row) > 1}
    assert "not for placement" in rows[-1][0]


# -- every page ---------------------------------------------------------------------------------------------------------

#: Every page of the menus by who opens it, those that are worked with in both languages.
PAGES = {
    "counselor": ("/review", "/review?language=es", "/review/meeting", "/review/schools", "/review/practice",
                  "/review/practice?language=es", "/review/safeguarding", "/review/cards/course"),
    "teacher": ("/review", "/review/classes", "/review/classes?language=es", "STUDENT", "STUDENT?language=es"),
    "principal": ("/review/office", "/review/schools", "FIGURES", "FIGURES?language=es"),
    "guardian": ("/review/own", "/review/own?language=es"),
    "nobody": ("/sign-in", "/sign-in?language=es"),
}  # fmt: skip


@pytest.mark.parametrize("role", PAGES)
def test_every_page_of_the_menus_is_whole_for_axe_narrow_and_twice_as_large(enter: Enter, people: People, role: str) -> None:
    page = enter(getattr(people, role, None))
    for address in PAGES[role]:
        page.context.clear_cookies(name="__Host-homeroom-language")
        wanted = address
        if address.startswith("STUDENT"):
            page.goto("/review")
            wanted = address.replace("STUDENT", listed(page, 0)[1])
        elif address.startswith("FIGURES"):
            page.goto("/review/schools")
            wanted = address.replace("FIGURES", str(page.locator("main .lines a").last.get_attribute("href")))
        answer = page.goto(wanted)
        assert answer
        assert answer.status == 200, wanted
        assert len(answer.body()) < 100_000, wanted
        assert page.locator("html").get_attribute("lang") == ("es" if "language=es" in wanted else "en")
        whole(page)

"""Every page as a real browser shows it: axe-core finds nothing wrong, by day and by night, and none scrolls sideways."""

from __future__ import annotations

import re
from base64 import b64decode
from functools import cache
from html import unescape
from typing import TYPE_CHECKING

import pytest
from browser import NARROW, Shelf, Surfing, axe, focused, sideways
from review_examples import EXAMPLES

from serving.pages.contexts import PAGES
from serving.pages.render import ADDRESSES, HEADERS, STYLE, STYLE_HEADERS, Pages
from serving.pages.words import open_words

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = pytest.mark.full

WORDS = open_words()

#: Every state in English, and every page in its usual state in the other languages: templates are the same for all.
BOTH = [(state, language) for language in WORDS for state in EXAMPLES if language == "en" or state in PAGES]


@cache
def pages(language: str) -> Pages:
    return Pages(WORDS[language])


#: A form on a page.
FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)

#: States of a student's page that are others by a form and what is said above it: the first of them is looked at as a whole.
ONE_FORM = [state for state in EXAMPLES if state.startswith("student typed ")][1:]

#: A picture of one dot, in the place of every photo.
DOT = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

#: What the browser complained of since a page was asked for.
COMPLAINTS: list[str] = []


@pytest.fixture(scope="module")
def page(chromium: Browser, shelf: Shelf) -> Page:
    """One reader for all pages: to open another for each takes longer than to look at it."""
    shelf.lay(ADDRESSES["style"], dict(STYLE_HEADERS), STYLE)

    def heard(one: ConsoleMessage) -> None:
        if "favicon" not in str(one.location):
            COMPLAINTS.append(one.text)

    made = Surfing(chromium).reader(address=shelf.address)
    made.on("console", heard)
    return made


def show(page: Page, shelf: Shelf, path: str, headers: dict[str, str], html: bytes) -> None:
    """Show a page by day, on a laptop."""
    COMPLAINTS.clear()
    shelf.missed.clear()
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(shelf.lay(path, headers, html))


def new_forms(html: str) -> list[int]:
    """Return which forms of a student's page are not as they are on the usual one, by their numbers."""
    usual = set(FORM.findall(pages("en").render(EXAMPLES["student"])))
    return [number for number, form in enumerate(FORM.findall(html)) if form not in usual]


@pytest.mark.parametrize(("state", "language"), BOTH)
def test_axe_finds_nothing_wrong_by_day_or_night_and_no_page_scrolls_sideways(
    page: Page, shelf: Shelf, state: str, language: str
) -> None:
    html = pages(language).render(EXAMPLES[state])
    for picture in re.findall(r'<img[^>]* src="([^"]+)"', html):
        shelf.lay(unescape(picture), {"Content-Type": "image/png"}, DOT)
    show(page, shelf, f"/{language}/{state.replace(' ', '-')}", dict(HEADERS), html.encode())
    assert COMPLAINTS == [], "the browser refused something of the page"
    new = new_forms(html) if state in ONE_FORM else []
    assert bool(new) is (state in ONE_FORM)
    assert axe(page, forms=new) == []
    for details in page.query_selector_all("details"):
        details.evaluate("one => { one.open = true }")
    page.emulate_media(color_scheme="dark")
    assert axe(page, "color-contrast", forms=new) == []
    page.set_viewport_size({"width": NARROW, "height": 640})
    assert sideways(page) == 0
    assert shelf.missed == [], "a page asked for something that is not of the service"


def test_the_keyboard_meets_the_way_past_the_frame_first_and_then_every_field_in_order(page: Page, shelf: Shelf) -> None:
    show(page, shelf, "/keys", dict(HEADERS), pages("en").render(EXAMPLES["sign_in"]).encode())
    met = []
    for _ in range(4):
        page.keyboard.press("Tab")
        met.append(focused(page))
    assert met == ["a Skip to the content", "input login", "input password", "button Sign in"]


def test_axe_finds_what_is_wrong(page: Page, shelf: Shelf) -> None:
    wrong = b'<!doctype html><html><body><main><img src="/en/x.png"><input><p style="color:#ddd">pale</p></main></body></html>'
    show(page, shelf, "/wrong", {"Content-Type": "text/html"}, wrong)
    assert shelf.missed == ["/en/x.png"]
    planted = {"image-alt", "label", "html-has-lang", "document-title", "color-contrast"}
    assert planted <= {one.split(":")[0] for one in axe(page)}


def test_axe_finds_what_is_wrong_with_a_form_that_alone_is_looked_at(page: Page, shelf: Shelf) -> None:
    right = pages("en").render(EXAMPLES[ONE_FORM[0]])
    (first, *_) = new_forms(right)
    form = FORM.findall(right)[first]
    html = right.replace(form, form.replace("<button", '<p style="color:#ddd">pale</p><input name="x"><button', 1))
    show(page, shelf, "/form", {"Content-Type": "text/html"}, html.encode())
    for details in page.query_selector_all("details"):
        details.evaluate("one => { one.open = true }")
    assert {one.split(":")[0] for one in axe(page, forms=new_forms(html))} == {"label", "color-contrast"}
    assert axe(page, forms=[first + 1]) == [], "nothing else is looked at"


def test_the_pages_policy_is_in_force_while_axe_looks(page: Page, shelf: Shelf) -> None:
    own = b'<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><script>document.title = "run"</script></main>'
    show(page, shelf, "/own", dict(HEADERS), own)
    assert axe(page) == []
    assert page.title() == "x"
    assert any("Content Security Policy" in one for one in COMPLAINTS)


def test_a_page_that_is_too_wide_is_found(page: Page, shelf: Shelf) -> None:
    page.set_viewport_size({"width": NARROW, "height": 640})
    page.goto(shelf.lay("/wide", {"Content-Type": "text/html"}, b"<!doctype html><p style='width:400px'>x</p>"))
    assert sideways(page) > 0


def test_readers_are_what_they_are_said_to_be(
    reader: Page, without_scripts: Page, narrow: Page, zoomed: Page, shelf: Shelf
) -> None:
    address = shelf.lay("/who", {"Content-Type": "text/html"}, b"<!doctype html><p>x<script>document.title = 'run'</script>")
    told = []
    for one in (reader, without_scripts, narrow, zoomed):
        one.goto(address)
        told.append((one.title(), one.evaluate("innerWidth"), one.evaluate("devicePixelRatio")))
    assert told == [("run", 1280, 1), ("", 1280, 1), ("run", 320, 1), ("run", 640, 2)]

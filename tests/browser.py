"""A real browser for tests: Debian's Chromium, driven by Playwright, and axe-core to look at what it shows.

The browser is opened once for a file of tests and not once for all: while Playwright's loop is open, no test of the same
process could run a loop of its own. What is looked at is exactly what a reader gets: the pages' own policy stays in force,
since what Playwright runs in a page does not pass through it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

#: The narrowest screen that a page must fit on (WCAG 2.2, 1.4.10), in CSS pixels, and one of a school's old laptop.
NARROW, LAPTOP = 320, 1280

#: What axe-core is asked for: the standard up to AA, and what is its own good practice.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def executable() -> str:
    """Return Debian's Chromium; without it fail where everything must be tested, and else skip with a word."""
    found = shutil.which("chromium")
    if found:
        return found
    said = "There is no Chromium on this machine (apt install chromium), so no page is tested in a browser."
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, for one file of tests."""
    path = executable()
    from playwright.sync_api import sync_playwright

    # Chromium refuses to shut itself in where it is started as root.
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[*alone, "--disable-dev-shm-usage", "--disable-gpu", "--force-prefers-reduced-motion"],
        )
        yield browser
        browser.close()


@dataclass
class Surfing:
    """Makes browsers of readers who know nothing of each other, and closes them after the test."""

    browser: Browser
    _open: list[BrowserContext] = field(default_factory=list)

    def reader(
        self,
        *,
        scripts: bool = True,
        width: int = LAPTOP,
        zoom: float = 1.0,
        colours: Literal["light", "dark"] = "light",
        language: str = "en",
        address: str = "",
    ) -> Page:
        """Return an empty page of a new reader.

        Args:
            scripts: whether the browser runs scripts. :func:`axe` needs them.
            width: of the screen, in pixels before zooming.
            zoom: how much larger than usual everything is shown: a browser then lays a page out as on a narrower screen.
            colours: what the reader's machine prefers.
            language: what the browser asks for.
            address: where paths begin, such as ``http://127.0.0.1:3000``.

        """
        context = self.browser.new_context(
            java_script_enabled=scripts,
            viewport={"width": round(width / zoom), "height": round(800 / zoom)},
            device_scale_factor=zoom,
            color_scheme=colours,
            locale=language,
            base_url=address or None,
        )
        context.set_default_timeout(60_000)
        self._open.append(context)
        return context.new_page()

    def close(self) -> None:
        """Close everything that was opened."""
        while self._open:
            self._open.pop().close()


@pytest.fixture
def surfing(chromium: Browser) -> Iterator[Surfing]:
    """Readers' browsers for one test."""
    made = Surfing(chromium)
    yield made
    made.close()


@pytest.fixture
def reader(surfing: Surfing) -> Page:
    """A reader at a laptop."""
    return surfing.reader()


@pytest.fixture
def without_scripts(surfing: Surfing) -> Page:
    """A reader whose browser runs no scripts."""
    return surfing.reader(scripts=False)


@pytest.fixture
def narrow(surfing: Surfing) -> Page:
    """A reader at a telephone, 320 pixels wide."""
    return surfing.reader(width=NARROW)


@pytest.fixture
def zoomed(surfing: Surfing) -> Page:
    """A reader at a laptop who has everything shown twice as large."""
    return surfing.reader(zoom=2.0)


@cache
def _axe() -> str:
    from axe_playwright_python.base import AXE_SCRIPT

    return str(AXE_SCRIPT)


def axe(page: Page, *rules: str, forms: Sequence[int] = ()) -> list[str]:
    """Return what axe-core finds wrong with the page that is shown, a line for each place; nothing where all is well.

    ``rules`` are the only ones to look at, such as ``color-contrast``; without them all of :data:`RULES`. ``forms`` are the
    only ones of the page's forms to look at, by their numbers from 0; without them all of the page.
    """
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(_axe())
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(RULES)}
    options = {"runOnly": only, "resultTypes": ["violations"]}
    where = "numbers.length ? {include: numbers.map(one => document.forms[one])} : document"
    found: list[dict[str, Any]] = page.evaluate(
        f"([options, numbers]) => axe.run({where}, options).then(found => found.violations)", [options, list(forms)]
    )
    return [f"{one['id']}: {one['help']}: {' '.join(map(str, node['target']))}" for one in found for node in one["nodes"]]


def sideways(page: Page) -> int:
    """Return by how many pixels the page is wider than its screen: more than 0 means scrolling in two directions."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def focused(page: Page) -> str:
    """Return what has the keyboard: a tag, and its name or its text."""
    told = page.evaluate(
        "(() => { const one = document.activeElement; "
        "return [one.tagName.toLowerCase(), one.getAttribute('name') || one.textContent || ''] })()"
    )
    return re.sub(r"\s+", " ", " ".join(told)).strip()[:80]


@dataclass(frozen=True)
class Shelf:
    """Answers a few addresses over HTTP with what was laid there, as the service would: the same headers, nothing else."""

    address: str
    laid: dict[str, tuple[dict[str, str], bytes]]
    missed: list[str]

    def lay(self, path: str, headers: dict[str, str], body: bytes) -> str:
        """Lay an answer at a path, and return its whole address."""
        self.laid[path] = headers, body
        return f"{self.address}{path}"


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    """A small server of this file of tests."""
    laid: dict[str, tuple[dict[str, str], bytes]] = {}
    missed: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path not in laid and self.path != "/favicon.ico":
                missed.append(self.path)
            headers, body = laid.get(self.path, ({}, b""))
            self.send_response(200 if self.path in laid else 404)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Shelf(f"http://127.0.0.1:{server.server_port}", laid, missed)
    server.shutdown()
    server.server_close()
    thread.join()

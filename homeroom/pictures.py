"""Pictures of the main pages, taken from the demonstration by a browser.

    python -m homeroom.pictures --home HOME --out docs/pictures

``HOME`` is the state folder of `homeroom demo`; of anything else than a simulated district no picture is taken. The folder is
copied first, so that nothing in it changes: no account, no line of the trail. Playwright and Pillow are of the development
environment, and the browser is Debian's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.problems import HomeroomError, NotFound, Problem, Refused, Unavailable
from homeroom import demo
from homeroom.simulate.run import MADE_BY, MANIFEST
from serving.cases.database import open_database
from serving.contract import ServeSettings
from serving.launch import server_command
from serving.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

#: How wide the window is, in pixels, and how much of a page is shown at most.
WIDTH, TALLEST = 1000, 1500

#: How many bytes a picture has at most, and how many colours it keeps, fewer where it would be larger: the pages have few.
LARGEST, COLOURS = 60_000, (24, 16, 12, 8)

#: How long the service may take to start, in seconds.
PATIENCE = 180.0

#: What is not copied: folders that no page reads, and the database, so that pictures show what nobody has touched.
_UNREAD = ("district", "export", "bentoml", "homeroom.db*")


@dataclass(frozen=True)
class Picture:
    """One page: its file's name, who opens it, how they get there, and which part is shown, the whole where none is named."""

    name: str
    role: str
    go: Callable[[Page], object]
    part: str = ""


def _first(page: Page, start: str) -> None:
    """Open the first link of the page that begins with something."""
    page.goto(str(page.locator(f"main a[href^='{start}']").first.get_attribute("href")))


def _student(page: Page) -> None:
    page.goto("/review")
    page.goto(str(page.locator("tbody th a").first.get_attribute("href")))


def _family(page: Page) -> None:
    _student(page)
    page.goto(f"{page.url}/family")


def _class(page: Page) -> None:
    """Open the first class whose work shows skills: of others there is nothing to see."""
    page.goto("/review/classes")
    for address in [str(one.get_attribute("href")) for one in page.locator("main .lines a").all()]:
        page.goto(address)
        if page.locator(".lesson-block").count():
            return


def _projector(page: Page) -> None:
    _class(page)
    page.goto(f"{page.url}?view=projector")


def _meeting(page: Page) -> None:
    page.goto("/review/meeting")
    page.locator("select[name=year]").select_option(index=1)
    page.locator("main form button").click()


def _figures(page: Page) -> None:
    page.goto("/review/schools")
    _first(page, "/review/schools/")


#: What is shown, in the order of the document.
PICTURES: tuple[Picture, ...] = (
    Picture("caseload", "counselor", lambda page: page.goto("/review")),
    Picture("student", "counselor", _student),
    Picture("help", "counselor", _student, part="section[aria-labelledby=h-help]"),
    Picture("class", "teacher", _class),
    Picture("projector", "teacher", _projector),
    Picture("meeting", "counselor", _meeting),
    Picture("figures", "principal", _figures),
    Picture("family", "counselor", _family),
    Picture("practice", "counselor", lambda page: page.goto("/review/practice")),
)


def take(home: Path, out: Path) -> list[Path]:
    """Take every picture of a demonstration's folder, and return their files.

    Raises:
        NotFound: there is no demonstration in the folder, or no Chromium on this machine.
        Refused: the district was not simulated.
        Unavailable: the service did not start.

    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise NotFound("There is no Chromium on this machine. Debian's package is called chromium.")
    made = home / "demo"
    _must_be_simulated(made)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="homeroom-pictures-") as folder:
        copy = Path(folder) / "demo"
        shutil.copytree(made, copy, ignore=shutil.ignore_patterns(*_UNREAD))
        store = Store.of(copy, "default")
        latest = store.latest()
        if latest is None:
            raise NotFound("The demonstration has no list yet: `homeroom demo --no-serve` makes one.")
        doors = demo.entrances(copy, store.records(), latest.as_of, datetime.now(UTC))
        review = {"today": latest.as_of.isoformat(), "simulated": True, "capacity_set_by": "the demonstration",
                  "safeguarding": "nobody: the students are simulated"}  # fmt: skip
        with _served(ServeSettings.from_mapping({"home": str(copy), "review": review})) as address:
            return _taken(chromium, address, {one.role: one for one in doors}, out)


def _must_be_simulated(made: Path) -> None:
    try:
        told = json.loads((made / "district" / MANIFEST).read_text())
    except FileNotFoundError:
        raise NotFound(f"There is no demonstration in {made}: `homeroom demo --no-serve` makes one.") from None
    if told.get("made_by") != MADE_BY:
        raise Refused(
            [Problem("pictures", MANIFEST, "The district was not simulated", "Pictures are taken of simulated students only.")],
            "No picture was taken",
        )


@contextmanager
def _served(settings: ServeSettings) -> Iterator[str]:
    """Serve a folder on a free port, and stop in the end."""
    open_database(settings.database_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = server_command(settings, "127.0.0.1", port)
    root = Path(__file__).resolve().parent.parent
    server = subprocess.Popen(  # noqa: S603 (no shell, and every part is ours)
        command, env=environment, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE
        while not _answers(address):
            if time.monotonic() > until or server.poll() is not None:
                raise Unavailable("The service did not start.")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/livez") as answer:  # noqa: S310 (the address is ours)
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False  # it is not listening yet


def _taken(chromium: str, address: str, doors: Mapping[str, demo.Entrance], out: Path) -> list[Path]:
    from playwright.sync_api import sync_playwright

    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to shut itself in where root starts it
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*alone, "--disable-dev-shm-usage", "--disable-gpu"]
        )
        entered: dict[str, BrowserContext] = {}
        for picture in PICTURES:
            if picture.role not in entered:
                entered[picture.role] = _entered(browser, address, doors[picture.role])
            page = entered[picture.role].new_page()
            picture.go(page)
            file = out / f"{picture.name}.png"
            box = page.locator(picture.part).bounding_box() if picture.part else None
            file.write_bytes(_small(page.screenshot(full_page=True), round(box["y"]) if box else 0))
            page.close()
            found.append(file)
        browser.close()
    return found


def _entered(browser: Browser, address: str, door: demo.Entrance) -> BrowserContext:
    """Sign in as a person does, with a code where one is asked for."""
    context = browser.new_context(
        base_url=address, viewport={"width": WIDTH, "height": 800}, color_scheme="light", locale="en", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.locator("input[name=login]").fill(door.login)
    page.locator("input[name=password]").fill(door.password)
    page.locator("main form button").click()
    if door.codes:
        page.locator("input[name=code]").fill(door.codes[0])
        page.locator("main form button").click()
    page.close()
    return context


def _small(shot: bytes, top: int) -> bytes:
    """Return a picture from ``top`` on, cut to :data:`TALLEST` and to as many of :data:`COLOURS` as fit, as a PNG."""
    from PIL import Image

    whole = Image.open(BytesIO(shot)).convert("RGB")
    kept = whole.crop((0, top, whole.width, min(whole.height, top + TALLEST)))
    found = b""
    for colours in COLOURS:
        out = BytesIO()
        kept.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        found = out.getvalue()
        if len(found) < LARGEST:
            break
    return found


def main(told: Sequence[str] | None = None) -> int:
    """Take the pictures that the command line asks for; return the code to leave with."""
    parser = argparse.ArgumentParser(prog="python -m homeroom.pictures", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", default=os.environ.get("HOMEROOM_HOME", ".homeroom"), help="the state folder")
    parser.add_argument("--out", default="docs/pictures", help="the folder of the pictures")
    given: Any = parser.parse_args(told)
    try:
        for file in take(Path(given.home), Path(given.out)):
            sys.stdout.write(f"{file}  {file.stat().st_size / 1000:.0f} kB\n")
    except HomeroomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

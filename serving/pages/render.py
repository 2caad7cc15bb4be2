"""Makes HTML of a page's values and the words of a language. The only file that imports Jinja2.

Templates escape whatever they show and fail on a name that is not there. Every address is written by :data:`ADDRESSES` with
its parts quoted, so that no key of a school can lead elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.pages.contexts import PAGES, Context
from serving.pages.words import Words

FOLDER = Path(__file__).resolve().parent

#: The one stylesheet. Its address names its content, so that a browser may keep it for ever and never shows an old one.
STYLE = (FOLDER / "style.css").read_bytes()
STYLE_HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable"}
)

ADDRESSES: Mapping[str, str] = MappingProxyType(
    {
        "style": f"/style/{hashlib.sha256(STYLE).hexdigest()[:12]}.css",
        "sign_in": "/sign-in",
        "second_factor": "/sign-in/code",
        "sign_out": "/sign-out",
        "caseload": "/review",
        "caseload_actions": "/review/actions",
        "student": "/review/students/{student_id}",
    }
)

#: What goes with every page. The guard's own policy lets no page load a stylesheet or send a form. A referrer is kept within
#: the service: without any, a browser sends ``Origin: null`` with a form, and nobody could tell it from another site's.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
)

_PART = re.compile(r"\{(\w+)\}")


def at(name: str, **parts: str | int | None) -> str:
    """Return the address of :data:`ADDRESSES` with its parts quoted; parts that it has no place for become the query.

    >>> at("student", student_id="S/1 4"), at("caseload", year="9", q=""), at("caseload")
    ('/review/students/S%2F1%204', '/review?year=9', '/review')
    """
    address = ADDRESSES[name]
    placed = _PART.findall(address)
    for part in placed:
        address = address.replace(f"{{{part}}}", quote(str(parts[part]), safe=""))
    query = urlencode({key: one for key, one in parts.items() if key not in placed and one not in ("", None)})
    return f"{address}?{query}" if query else address


class Pages:
    """The pages in one language. Made once per worker and language: to read the templates takes 50 ms."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._environment.globals.update(
            lang=words.language.replace("_", "-"),
            direction=words.locale.text_direction,
            t=words.say,
            named=words.named,
            near=words.near,
            listed=words.listed,
            at=at,
        )
        self._templates = {
            page.context: self._environment.get_template(page.template, globals={"here": name}) for name, page in PAGES.items()
        }

    def render(self, page: Context) -> str:
        """Return a page as a whole HTML document."""
        return self._templates[type(page)].render(page=page)

"""Cards as people read them: Markdown made into HTML that a browser shows without asking anybody for anything.

Markdown-it reads CommonMark with tables. Links, images and raw HTML are switched off, because a page holds names from a
school's own records, and no name may become a request to somebody else. Tables have headings for rows and columns, so
that a screen reader can tell which cell is which; on paper they do not break in the middle of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from features.problems import Problem, Refused
from training.card_page import AUDIENCES

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

FORMATS = ("json", "html", "md")

#: Which page somebody reads who does not say, by the audience of their key.
BY_KEY: Mapping[str, str] = {"scientist": "engineer", "family": "family"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 48rem; margin: 3rem auto; padding: 0 1rem; color: #1d2733;
  background: #fff; }}
h1 {{ line-height: 1.25; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; }}
th, td {{ border: 1px solid #767f89; padding: .25rem .5rem; text-align: left; vertical-align: top; font-weight: normal; }}
thead th {{ background: #f4f6f8; font-weight: bold; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid #767f89; }}
@media print {{
  body {{ font-size: 10pt; line-height: 1.35; margin: 0; max-width: none; }}
  .table, pre {{ overflow: visible; }}
  pre {{ white-space: pre-wrap; }}
  tr, li, pre {{ break-inside: avoid; }}
  h2 {{ break-after: avoid; }}
}}
</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a card is wanted: its format, and for whom."""

    format: str
    audience: str


def asked(query: Mapping[str, str], accept: str, key: str) -> Asked:
    """Return how a card is wanted, by the query, the ``Accept`` header and the audience of the key.

    Raises :class:`~features.problems.Refused` where the format or the audience is none that there is.
    """
    form = query.get("format", "html" if "text/html" in accept else "json")
    audience = query.get("audience", BY_KEY.get(key, "counselor"))
    audience = "counselor" if audience == "principal" else audience
    problems = [
        Problem("query", name, "there is no such one", f"One of: {', '.join(known)}.")
        for name, told, known in (("format", form, FORMATS), ("audience", audience, tuple(AUDIENCES)))
        if told not in known
    ]
    if problems:
        raise Refused(problems, "The page was refused")
    return Asked(form, audience)


def html(text: str) -> str:
    """Return a page of Markdown as a whole HTML document, named after its first heading."""
    title = next((line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")), "Homeroom")
    return _PAGE.format(title=escape(title), body=_reader().render(text))


@cache
def _reader() -> MarkdownIt:
    """Return Markdown-it without what could lead elsewhere, its tables with headings."""
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

    def headings(state: StateCore) -> None:
        """Make the first cell of each row its heading, and give a wide table room to scroll."""
        first = False
        for token in state.tokens:
            if token.type == "th_open":
                token.attrSet("scope", "col")
            elif token.type == "tr_open":
                first = True
            elif token.type == "td_open" and first:
                token.tag, first = "th", False
                token.attrSet("scope", "row")
        opened: list[bool] = []
        for token in state.tokens:
            if token.type == "td_open":
                opened.append(token.tag == "th")
            elif token.type == "td_close" and opened.pop():
                token.tag = "th"

    found = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink", "reference"])
    found.core.ruler.push("headings", headings)
    found.add_render_rule("table_open", lambda *_: '<div class="table" tabindex="0">\n<table>\n')
    found.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    return found

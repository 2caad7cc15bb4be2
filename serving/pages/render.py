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

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from serving.pages.contexts import PAGES, Context
from serving.pages.words import Words

FOLDER = Path(__file__).resolve().parent

#: The one stylesheet: that of the frame, and after it what single pages need. Its address names its content, so that a
#: browser may keep it for ever and never shows an old one.
_SHEETS = sorted((FOLDER / "style").glob("*.css"), key=lambda path: (path.stem != "frame", path.stem))
STYLE = b"".join(path.read_bytes() for path in _SHEETS)
STYLE_HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable"}
)

ADDRESSES: Mapping[str, str] = MappingProxyType(
    {
        "style": f"/style/{hashlib.sha256(STYLE).hexdigest()[:12]}.css",
        "sign_in": "/sign-in",
        "second_factor": "/sign-in/code",
        "set_up": "/sign-in/set-up",
        "oidc": "/sign-in/oidc",
        "oidc_back": "/sign-in/oidc/back",
        "sign_out": "/sign-out",
        "practice": "/review/practice",
        "caseload": "/review",
        "caseload_actions": "/review/actions",
        "caseload_table": "/review/students.csv",
        "student": "/review/students/{student_id}",
        "own": "/review/own",
        "office": "/review/office",
        "office_ask": "/review/office/ask",
        "office_approve": "/review/office/{break_glass_id}/approve",
        "stop_scoring": "/review/office/stop",
        "start_scoring": "/review/office/start",
        "safeguarding": "/review/safeguarding",
        "safeguarding_send": "/review/safeguarding/send",
        "student_photo": "/review/students/{student_id}/photo",
        "area_card": "/review/cards/{area}",
        "schools": "/review/schools",
        "figures": "/review/schools/{organisation_id}",
        "figures_table": "/review/schools/{organisation_id}/figures.csv",
        "meeting": "/review/meeting",
        "classes": "/review/classes",
        "lesson": "/review/classes/{section_id}",
        "lesson_groups": "/review/classes/{section_id}/groups",
        "lesson_checks": "/review/classes/{section_id}/checks",
        "case_notes": "/review/students/{student_id}/notes",
        "case_note": "/review/students/{student_id}/notes/{note_id}",
        "case_contacts": "/review/students/{student_id}/contacts",
        "case_disagreements": "/review/students/{student_id}/disagreements",
        "case_steps": "/review/students/{student_id}/steps",
        "case_step_done": "/review/students/{student_id}/steps/{step_id}/done",
        "case_raise": "/review/students/{student_id}/raise",
        "case_claim": "/review/students/{student_id}/claim",
        "case_assign": "/review/students/{student_id}/assign",
        "case_questions": "/review/students/{student_id}/questions",
        "case_answers": "/review/students/{student_id}/answers",
        "case_snooze": "/review/students/{student_id}/snooze",
        "case_resume": "/review/students/{student_id}/resume",
        "case_monitor": "/review/students/{student_id}/monitor",
        "case_close": "/review/students/{student_id}/close",
        "case_reopen": "/review/students/{student_id}/reopen",
        "case_supports": "/review/students/{student_id}/supports",
        "case_support_end": "/review/students/{student_id}/supports/{support_id}/end",
        "case_support_review": "/review/students/{student_id}/supports/{support_id}/review",
        "help_accept": "/review/students/{student_id}/help",
        "help_plan": "/review/students/{student_id}/help/plan",
        "help_decline": "/review/students/{student_id}/help/declined",
        "offer_answer": "/review/students/{student_id}/offers/{offer_id}/answer",
        "offer_minutes": "/review/students/{student_id}/offers/{offer_id}/minutes",
        "case_told": "/review/students/{student_id}/told",
        "case_told_end": "/review/students/{student_id}/told/{told_id}/end",
        "plans": "/review/students/{student_id}/plans",
        "plan_goal": "/review/students/{student_id}/plans/{plan_id}/goal",
        "plan_options": "/review/students/{student_id}/plans/{plan_id}/options",
        "plan_choices": "/review/students/{student_id}/plans/{plan_id}/choices",
        "plan_agree": "/review/students/{student_id}/plans/{plan_id}/agree",
        "plan_withdraw": "/review/students/{student_id}/plans/{plan_id}/withdraw",
        "plan_begin": "/review/students/{student_id}/plans/{plan_id}/begin",
        "plan_end": "/review/students/{student_id}/plans/{plan_id}/end",
        "plan_links": "/review/students/{student_id}/plans/{plan_id}/links",
        "plan_links_end": "/review/students/{student_id}/plans/{plan_id}/links/end",
        "plan": "/review/students/{student_id}/plans/{plan_id}",
        "plan_by_link": "/plan/{token}",
        "linked_plan": "/plan",
        "linked_goal": "/plan/write/goal",
        "linked_choices": "/plan/write/choices",
        "linked_agree": "/plan/write/agree",
        "linked_withdraw": "/plan/write/withdraw",
        "linked_leave": "/plan/write/leave",
        "family": "/review/students/{student_id}/family",
        "requests": "/review/students/{student_id}/requests",
        "ask_correction": "/review/students/{student_id}/requests/corrections",
        "objection": "/review/students/{student_id}/requests/objection",
        "objection_end": "/review/students/{student_id}/requests/objection/end",
        "restrict": "/review/students/{student_id}/requests/restrictions",
        "restriction_end": "/review/students/{student_id}/requests/restrictions/{restriction_id}/end",
        "export": "/review/students/{student_id}/export",
        "corrections": "/review/corrections",
        "decide_correction": "/review/students/{student_id}/corrections/{correction_id}",
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


class _Compiled(BytecodeCache):
    """What templates compile to, by their text: the same in every language, and most of the time that pages take to make."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled before, if the template is as it was."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class Pages:
    """The pages in one language. Made once per worker and language: the first takes 0.7 s, another language 10 ms."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False, bytecode_cache=_COMPILED,
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

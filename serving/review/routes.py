"""Every page and every form of the review: its address, who may ask for it, and what answers.

The table is the policy of addresses: :mod:`serving.review.reception` checks what it says before anything is answered, and the
tests try every route as every role. Whoever adds a page adds a line to :data:`ROUTES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from serving.cases.access import Action
from serving.cases.people import Role
from serving.pages.contexts.frame import Place
from serving.pages.render import ADDRESSES
from serving.review import caseload, family, figures, lesson, meeting, offering, office, plan, practice, student, work
from serving.review.room import Answer, Asked, ByLink, Linked, Room

Method = Literal["GET", "POST"]
METHODS: tuple[Method, ...] = ("GET", "POST")

#: What a route is about. Of ``student``, ``{student_id}`` of the address must be somebody whom the reader may see, with the
#: right to what the route does; of ``section``, some student of ``{section_id}`` must be; of ``organisation``, figures of
#: ``{organisation_id}`` must be open to the reader. ``some`` asks that the role has the right to somebody: what is done to
#: whom is then checked one by one by what answers. ``nobody`` asks for a right that is about no student.
About = Literal["nobody", "some", "student", "section", "organisation"]


@dataclass(frozen=True, slots=True)
class Route:
    """One address and method.

    ``name`` is that of the address in :data:`serving.pages.render.ADDRESSES`. ``right`` is what the reader must have. ``sees``
    writes a line into the trail that the reader saw the student; a form writes its own line with what it did. ``again`` names
    the GET route that shows a refused form again, with what was typed. ``practised`` asks that the reader has practised on
    simulated students, where the school wants it.
    """

    name: str
    method: Method
    right: Action
    about: About
    answer: Callable[[Room, Asked], Answer]
    sees: bool = False
    again: str = ""
    practised: bool = True

    @property
    def path(self) -> str:
        """The address, with its parts in braces."""
        return ADDRESSES[self.name]


#: Every route that needs somebody signed in.
ROUTES: tuple[Route, ...] = (
    Route("caseload", "GET", "raise_student", "some", caseload.page),
    Route("caseload_table", "GET", "export_list", "some", caseload.take_away),
    Route("classes", "GET", "see_facts", "some", lesson.classes),
    Route("lesson", "GET", "see_facts", "section", lesson.page),
    Route("lesson_groups", "POST", "record_check", "section", lesson.change, again="lesson"),
    Route("lesson_checks", "POST", "record_check", "section", lesson.check, again="lesson"),
    Route("meeting", "GET", "see_words", "some", meeting.page),
    Route("schools", "GET", "see_aggregates", "nobody", figures.schools_page),
    Route("figures", "GET", "see_aggregates", "organisation", figures.page),
    Route("figures_table", "GET", "export_aggregates", "organisation", figures.take_away),
    *(
        Route(name, "POST", right, "student", do, again="plan" if name.startswith("plan_") else "student")
        for name, right, do in work.FORMS
    ),
    *(Route(name, "POST", right, "student", do, again="student") for name, right, do in offering.FORMS),
    Route("plan", "GET", "see_learning_plan", "student", plan.page, sees=True),
    Route("family", "GET", "see_facts", "student", family.page, sees=True),
    Route("requests", "GET", "ask_correction", "student", family.requests, sees=True),
    Route("ask_correction", "POST", "ask_correction", "student", family.ask_correction, again="requests"),
    Route("objection", "POST", "object", "student", family.object_to_scoring, again="requests"),
    Route("objection_end", "POST", "object", "student", family.withdraw_objection, again="requests"),
    Route("restrict", "POST", "restrict_contact", "student", family.restrict, again="requests"),
    Route("restriction_end", "POST", "restrict_contact", "student", family.lift_restriction, again="requests"),
    Route("export", "GET", "export_own", "student", family.export),
    Route("corrections", "GET", "decide_correction", "some", family.corrections),
    Route("decide_correction", "POST", "decide_correction", "student", family.decide_correction, again="corrections"),
    Route("caseload_actions", "POST", "assign", "some", work.many, again="caseload"),
    Route("practice", "GET", "practise", "nobody", practice.page, practised=False),
    Route("practice", "POST", "practise", "nobody", practice.act, again="practice", practised=False),
    Route("student", "GET", "see_identity", "student", student.page, sees=True),
    Route("student_photo", "GET", "see_photo", "student", student.photo),
    Route("area_card", "GET", "see_words", "some", student.card),
    Route("own", "GET", "export_own", "some", office.own),
    Route("office", "GET", "approve_break_glass", "nobody", office.office, practised=False),
    Route("office_ask", "POST", "ask_break_glass", "nobody", office.ask, again="office", practised=False),
    Route("office_approve", "POST", "approve_break_glass", "nobody", office.approve, again="office", practised=False),
    Route("stop_scoring", "POST", "stop_scoring", "nobody", office.stop_scoring, again="office", practised=False),
    Route("start_scoring", "POST", "stop_scoring", "nobody", office.start_scoring, again="office", practised=False),
    Route("safeguarding", "GET", "raise_safeguarding", "nobody", office.safeguarding, practised=False),
    Route("safeguarding_send", "POST", "raise_safeguarding", "nobody", office.send_safeguarding, again="safeguarding",
          practised=False),
)  # fmt: skip

@dataclass(frozen=True, slots=True)
class Open:
    """One address and method for somebody without an account, who holds a link to one plan.

    ``opened`` asks for the session that the link opened, which opens this and nothing else; without it the address is the
    link itself. ``again`` names the GET address that shows a refused form again. What holds for every page holds for these:
    a form carries the word of its own page, and nothing is kept or loaded from elsewhere.
    """

    name: str
    method: Method
    answer: Callable[[Room, Linked], ByLink]
    opened: bool = True
    again: str = ""

    @property
    def path(self) -> str:
        """The address, with its parts in braces."""
        return ADDRESSES[self.name]


#: Every address that opens by a link. None of them takes or gives a right to anything but the one plan.
OPEN: tuple[Open, ...] = (
    Open("plan_by_link", "GET", plan.link, opened=False),
    Open("plan_by_link", "POST", plan.open_link, opened=False),
    Open("linked_plan", "GET", plan.linked_page),
    Open("linked_goal", "POST", plan.linked_goal, again="linked_plan"),
    Open("linked_choices", "POST", plan.linked_choices, again="linked_plan"),
    Open("linked_agree", "POST", plan.linked_agree, again="linked_plan"),
    Open("linked_withdraw", "POST", plan.linked_withdraw, again="linked_plan"),
    Open("linked_leave", "POST", plan.linked_leave, again="linked_plan"),
)

#: Which pages stand above every page, and for whom.
PLACES: Mapping[Place, tuple[Role, ...]] = MappingProxyType(
    {
        "caseload": ("teacher", "counselor", "principal"),
        "classes": ("teacher", "counselor", "principal"),
        "meeting": ("teacher", "counselor", "principal"),
        "schools": ("counselor", "principal", "district_analyst", "ministry"),
        "corrections": ("counselor", "principal"),
        "own": ("student", "guardian"),
        "office": ("principal", "administrator"),
        "safeguarding": ("teacher", "counselor", "principal", "student", "guardian", "administrator"),
    }
)

#: Where somebody begins who has no caseload.
FIRST: Mapping[Role, Place] = MappingProxyType(
    {"student": "own", "guardian": "own", "administrator": "office", "district_analyst": "schools", "ministry": "schools"}
)


def patterned(path: str) -> re.Pattern[str]:
    """Return what an address must be, its parts by name; each part is one piece, still quoted.

    >>> patterned("/review/students/{student_id}").fullmatch("/review/students/S%2F1").groupdict()
    {'student_id': 'S%2F1'}
    """
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))

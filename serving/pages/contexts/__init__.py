"""What each page is made of: plain values, each with the words that tell a reader of a template what it is.

A page knows no record, no case and no model. Whoever answers a request puts the values together, cut to what its reader
may see, and a template shows them and works nothing out. Sentences about students come as text from
:mod:`serving.wording`; all other words are the catalogue's, chosen by the names here.

One module holds one page and its parts; here they come together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from serving.pages.contexts import (
    caseload,
    family,
    figures,
    frame,
    helping,
    lesson,
    meeting,
    office,
    plan,
    practice,
    sign_in,
    student,
)
from serving.pages.contexts.caseload import Caseload
from serving.pages.contexts.family import Corrections, Family, Requests
from serving.pages.contexts.figures import Figures, Schools
from serving.pages.contexts.frame import Refusal
from serving.pages.contexts.lesson import Classes, Lesson, LessonSheet
from serving.pages.contexts.meeting import Meeting
from serving.pages.contexts.office import Office, Own, Safeguarding
from serving.pages.contexts.plan import LearningPlan, PlanLink
from serving.pages.contexts.practice import Practice
from serving.pages.contexts.sign_in import Recovery, SecondFactor, SetUp, SignIn
from serving.pages.contexts.student import Student

_MODULES: tuple[ModuleType, ...] = (
    frame, sign_in, caseload, lesson, helping, student, practice, office, figures, meeting, family, plan,
)  # fmt: skip

#: Names that the catalogue has a phrase for, by the first part of its key: ``band.keep_an_eye``.
NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {group: names for module in _MODULES for group, names in module.NAMED.items()}
)

Context = (
    SignIn | SecondFactor | SetUp | Recovery | Caseload | Classes | Lesson | LessonSheet | Meeting | Student | Practice | Own
    | Office | Safeguarding | Schools | Figures | Family | Requests | Corrections | LearningPlan | PlanLink | Refusal
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A page that there is: its template, and what the template may use."""

    template: str
    context: type[Context]


#: Every page by its name. Whoever adds one adds a line here; the tests then hold it to what all pages are held to.
PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "sign_in": Page("sign_in.html", SignIn),
        "second_factor": Page("second_factor.html", SecondFactor),
        "set_up": Page("set_up.html", SetUp),
        "recovery": Page("recovery.html", Recovery),
        "caseload": Page("caseload.html", Caseload),
        "classes": Page("classes.html", Classes),
        "lesson": Page("lesson.html", Lesson),
        "lesson_sheet": Page("lesson_sheet.html", LessonSheet),
        "meeting": Page("meeting.html", Meeting),
        "student": Page("student.html", Student),
        "practice": Page("practice.html", Practice),
        "own": Page("own.html", Own),
        "office": Page("office.html", Office),
        "safeguarding": Page("safeguarding.html", Safeguarding),
        "schools": Page("schools.html", Schools),
        "figures": Page("figures.html", Figures),
        "family": Page("family.html", Family),
        "requests": Page("family_requests.html", Requests),
        "corrections": Page("family_corrections.html", Corrections),
        "plan": Page("plan.html", LearningPlan),
        "plan_link": Page("plan_link.html", PlanLink),
        "refusal": Page("refusal.html", Refusal),
    }
)

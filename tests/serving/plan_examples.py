"""The page of a learning plan in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

from lesson_examples import FRAME, TODAY

from serving.cases.plans import CHOICES, RESULTS
from serving.pages.contexts import Context
from serving.pages.contexts.frame import Choice, Reader
from serving.pages.contexts.plan import Form, LearningPlan, Offer, PlanLink, Suggested

BEFORE = date(2026, 11, 2)
OWN = replace(FRAME, reader=Reader(name="Ana Ruiz", role="student"), places=("own",))
NOBODY = replace(FRAME, school="", reader=None, places=(), languages=(Choice(value="es", name="Español"),))

OFFERS = tuple(
    Offer(option_id=f"a{at}", text=f"Work on it with Kim, {at} times a week", by="Ruth Adeyemi" if at else "", choice=choice,
          how="beside" if choice else None, on=TODAY if choice else None, chosen=choice or "")
    for at, choice in enumerate((*CHOICES, None))
)  # fmt: skip

SUGGESTED = Suggested(
    intervention_id="tutor_hd", name="Tutoring three times a week", what="The student works with the same tutor.",
    who="A trained tutor", how_much="Three times a week", evidence="In 89 trials some 61 of 100 did better in tests.",
)  # fmt: skip

PLAN = LearningPlan(
    frame=FRAME, reads="staff", student_id="S/1 4", plan_id="p1", name="Ana Ruiz", version=4, state="draft",
    begun_by="Ben Okoro", begun_on=BEFORE, goal="Use ratios\nwithout a table", goal_how="beside", goal_on=BEFORE, offers=OFFERS,
    agreed_how=None, agreed_on=None, review_on=None, ended_on=None, result=None, forms=get_args(Form), results=RESULTS,
    typed_goal="Use ratios", typed_option="A study period", typed_review="2026-12-28", typed_result="partly",
    suggested=(SUGGESTED,), help_language="en", link="",
    link_days=7,
)  # fmt: skip

EXAMPLES: dict[str, Context] = {
    "plan": PLAN,
    "plan empty": replace(PLAN, goal="", goal_how=None, goal_on=None, offers=(), forms=("goal", "option"), typed_goal=""),
    "plan with a link": replace(PLAN, link=f"/plan/{'x' * 43}", state="active", agreed_how="account", agreed_on=TODAY,
                                review_on=date(2026, 12, 28)),
    "plan agreed": replace(
        PLAN, suggested=(), frame=OWN, reads="student", state="agreed",
        agreed_how="link", agreed_on=TODAY, forms=("goal", "withdraw", "end")
    ),
    "plan over": replace(
        PLAN, frame=OWN, reads="family", suggested=(), state="ended", forms=(), ended_on=TODAY,
        result="reached", offers=OFFERS[:1],
    ),
    "plan by link": replace(
        PLAN, frame=NOBODY, reads="linked", suggested=(), student_id="", name="", forms=("goal", "choices", "agree", "withdraw")
    ),
    "plan_link": PlanLink(frame=NOBODY, token="x" * 43, good=True, minutes=60),
    "plan_link gone": PlanLink(frame=NOBODY, token="", good=False, minutes=60),
}  # fmt: skip

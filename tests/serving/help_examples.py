"""What could help a student, in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

from serving.cases.offers import ANSWERS, WHYS
from serving.cases.told import BARRIERS, BYS
from serving.pages.contexts import helping as shown
from serving.pages.contexts.frame import Choice

DAY, START = date(2026, 11, 2), date(2026, 11, 27)

SHEET = shown.Resource(title="Use ratios: worksheet", language="en", minutes=20, offline=True, licence="CC BY 4.0")
LEARN = shown.Learn(
    skill="Use ratio reasoning", teaches=SHEET,
    checks=replace(SHEET, title="Use ratios: five questions", minutes=None, offline=False, language="", licence=""),
)  # fmt: skip
TALK = shown.Option(
    intervention_id="conversation", name="A talk with a trusted adult", what="Ask Ani what is going on, before anything else.",
    answers_to=(), who="An adult the student trusts", how_much="One talk of 15 minutes", start_by=date(2026, 11, 20),
    evidence="The records cannot tell why. Only the student can.", unknown=(), learn=(), asks=True,
)  # fmt: skip
TEAM = replace(TALK, intervention_id="plan_team", name="To the plan team first", unknown=("Whether it is given.",))
TUTOR = shown.Option(
    intervention_id="tutor_hd", name="Tutoring three times a week", what="The student works with the same tutor.",
    answers_to=("a skill that is not secure yet", "missing or late work"), who="A trained tutor", how_much="Three times a week",
    start_by=START, evidence="In 89 trials, of 100 students some 61 did better in tests than the middle of those without.",
    unknown=("How much of the effect is left here.", "Whether there is a plan is not known here."), learn=(), asks=False,
)  # fmt: skip
UNFIT = replace(LEARN, teaches=None, checks=None)
PRACTICE = replace(TUTOR, intervention_id="resource_skill", name="Practice for one skill", learn=(LEARN, UNFIT), unknown=())
LOAN = replace(TUTOR, intervention_id="access_device", name="A device on loan", answers_to=("access at home",), unknown=())

OFFERED = tuple(
    shown.Offered(offer_id=f"o{at}", name="A mentor at school", on=DAY, drawn=bool(at % 2), answer=answer,
                  why="not_the_need" if answer == "refused" else None, planned=600 if answer == "accepted" else None,
                  given=240 if answer == "accepted" else None)
    for at, answer in enumerate((None, *ANSWERS))
)  # fmt: skip
TOLD = (
    *(shown.Told(told_id=f"t{at}", barrier=one, consent="", told_by=BYS[at % 2], by="Ruth Adeyemi", on=DAY)
      for at, one in enumerate(BARRIERS)),
    shown.Told(told_id="t9", barrier=None, consent="A mentor from the community", told_by="family", by="", on=DAY),
)  # fmt: skip

USUAL = shown.Help(
    language="en", broken=False, options=(TEAM, TALK, PRACTICE), owed=(LOAN,),
    ask=("Whether there is internet at home is not recorded: ask first.",),
    not_chosen=(shown.NotChosen(name="Home visits", why="It ended or was refused on 2026-10-01; again from 2026-12-30 on."),),
    offered=OFFERED, told=TOLD, barriers=BARRIERS,
    consents=(Choice(value="mentor_youth", name="A mentor from the community"),), bys=BYS, whys=get_args(shown.Why),
    answers=get_args(shown.Answer),
)  # fmt: skip
SHORT = replace(USUAL, options=(TALK, TUTOR, PRACTICE), owed=(), ask=(), not_chosen=(), offered=(), told=())
NONE = replace(SHORT, options=())
BROKEN = replace(NONE, broken=True)
assert set(WHYS) == set(USUAL.whys)

"""Learning plans: their page for the student, for the adult beside them, and for whoever came by a link.

The link needs no account. What it opens is a session of its own that knows one plan and nothing else: no name stands on
that page, since a link may come into anybody's hands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import get_args

from features.problems import NotFound
from serving.cases import plans
from serving.cases.plans import LinkedPlan, Plan
from serving.pages.contexts.frame import Frame
from serving.pages.contexts.plan import Form, LearningPlan, Offer, PlanLink, Reads, Suggested
from serving.pages.render import at
from serving.review import helping
from serving.review.room import Asked, ByLink, Go, Gone, Linked, Opens, Room

Sent = Mapping[str, tuple[str, ...]]

#: After how long a plan is proposed to be looked at again.
_REVIEW = timedelta(weeks=6)

#: The forms of somebody who speaks as the student.
_AS_STUDENT: tuple[Form, ...] = ("goal", "choices", "agree", "withdraw")


def page(room: Room, asked: Asked, link: str = "") -> LearningPlan:
    """Return a plan's page, with the link to it in the moment that it was made."""
    student = asked.parts["student_id"]
    found = plans.plan_of(room.db, room.tenant, student, asked.parts["plan_id"])
    role = asked.account.role
    reads: Reads = "student" if role == "student" else "family" if role == "guardian" else "staff"
    forms: tuple[Form, ...] = ()
    if asked.seen.may(student, "write_learning_plan"):
        forms = (*_AS_STUDENT, "end") if reads == "student" else get_args(Form)
    name = room.names(asked).get(student, (student, ""))[0]
    shown = _shown(found, asked.frame, reads, name, asked.today, _now(found, forms), asked.form)
    options = tuple(
        Suggested(intervention_id=one.intervention_id, name=one.name, what=one.what, who=one.who, how_much=one.how_much,
                  evidence=one.evidence)
        for one in (helping.suggested(room, asked, student) if "option" in shown.forms else ())
    )  # fmt: skip
    language = asked.words.facts.code.replace("_", "-")
    return replace(shown, student_id=student, link=link, suggested=options, help_language=language)


def link(room: Room, linked: Linked) -> ByLink:
    """Say what a link opens. Nothing is used up before somebody presses the button."""
    token = linked.parts["token"]
    return _link(linked.frame, token) if plans.link_is_good(room.db, token, linked.now) else _gone(linked.frame)


def open_link(room: Room, linked: Linked) -> ByLink:
    """Use a link up, and open its plan for an hour."""
    try:
        opened = plans.open_by_link(room.db, linked.parts["token"], linked.now)
    except NotFound:
        return _gone(linked.frame)
    return Opens(at("linked_plan"), opened.token)


def linked_page(room: Room, linked: Linked) -> ByLink:
    """Show the plan that a link opened, as its student sees it, without a name."""
    if linked.plan is None:
        return _gone(linked.frame)
    found = plans.plan_of(room.db, linked.plan.tenant, linked.plan.student_id, linked.plan.plan_id)
    return _shown(found, linked.frame, "linked", "", linked.today, _now(found, _AS_STUDENT), linked.form)


def linked_goal(room: Room, linked: Linked) -> ByLink:
    """Write the goal."""
    return _written(
        linked, "plan_goal",
        lambda mine, seen: plans.write_goal(
            room.db, mine, mine.student_id, mine.plan_id, seen, linked.sent("goal"), linked.now
        ),
    )  # fmt: skip


def linked_choices(room: Room, linked: Linked) -> ByLink:
    """Pick and refuse what was offered."""
    return _written(
        linked, "plan_chosen",
        lambda mine, seen: plans.choose(
            room.db, mine, mine.student_id, mine.plan_id, seen, chosen(linked.form), linked.now
        ),
    )  # fmt: skip


def linked_agree(room: Room, linked: Linked) -> ByLink:
    """Agree to the plan."""
    return _written(
        linked, "plan_agreed",
        lambda mine, seen: plans.agree(room.db, mine, mine.student_id, mine.plan_id, seen, linked.now),
    )  # fmt: skip


def linked_withdraw(room: Room, linked: Linked) -> ByLink:
    """Take an agreement back."""
    return _written(
        linked, "plan_withdrawn",
        lambda mine, seen: plans.withdraw(room.db, mine, mine.student_id, mine.plan_id, seen, linked.now),
    )  # fmt: skip


def linked_leave(room: Room, linked: Linked) -> ByLink:
    """Close the plan in this browser."""
    if linked.plan is not None:
        plans.leave(room.db, linked.plan, linked.now)
    return Opens(at("linked_plan"), "")


def chosen(form: Sent) -> dict[str, str]:
    """Return what was picked and refused, by option; what was left open is not among it.

    >>> chosen({"option.a1": ("picked",), "option.b2": ("",), "version": ("3",)})
    {'a1': 'picked'}
    """
    sent = {name.removeprefix("option."): said[0].strip() for name, said in form.items() if name.startswith("option.") and said}
    return {option: said for option, said in sent.items() if said}


def number(sent: str) -> int:
    """Return a version that was sent; what is no number is no version that there is."""
    return int(sent) if sent.isdecimal() and len(sent) < 10 else -1


def _written(linked: Linked, said: str, do: Callable[[LinkedPlan, int], object]) -> ByLink:
    if linked.plan is None:
        return _gone(linked.frame)
    do(linked.plan, number(linked.sent("version")))
    return Go(at("linked_plan"), said)


def _link(frame: Frame, token: str) -> PlanLink:
    return PlanLink(frame=frame, token=token, good=bool(token), minutes=int(plans.LINKED_FOR.total_seconds() // 60))


def _gone(frame: Frame) -> Gone:
    return Gone(_link(frame, ""))


def _now(found: Plan, forms: tuple[Form, ...]) -> tuple[Form, ...]:
    """Return those of a reader's forms that can be sent as the plan stands."""
    if found.state == "ended":
        return ()
    decided = bool(found.options) and all(one.choice for one in found.options)
    open_now: Mapping[Form, bool] = {
        "choices": bool(found.goal and found.options),
        "agree": bool(found.goal and decided and found.agreed_at is None),
        "withdraw": found.agreed_at is not None,
        "begin": found.state == "agreed",
    }
    return tuple(one for one in forms if open_now.get(one, True))


def _shown(
    found: Plan, frame: Frame, reads: Reads, name: str, today: date, forms: tuple[Form, ...], sent: Sent
) -> LearningPlan:  # fmt: skip
    """Return a plan as a page has it. What was typed into a form that was refused stands in its field again."""

    def typed(field: str, before: str) -> str:
        return next(iter(sent[field]), "") if field in sent else before

    offers = tuple(
        Offer(
            option_id=one.id, text=one.text, by=one.offered_by.name, choice=one.choice, how=one.chosen_how,
            on=one.chosen_at.date() if one.chosen_at else None, chosen=typed(f"option.{one.id}", one.choice or ""),
        )
        for one in found.options
    )  # fmt: skip
    return LearningPlan(
        frame=frame, reads=reads, student_id="", plan_id=found.id, name=name, version=found.version,
        state=found.state, begun_by=found.begun_by.name, begun_on=found.begun_at.date(), goal=found.goal,
        goal_how=found.goal_how, goal_on=found.goal_at.date() if found.goal_at else None, offers=offers,
        suggested=(), help_language="",
        agreed_how=found.agreed_how, agreed_on=found.agreed_at.date() if found.agreed_at else None,
        review_on=found.review_on, ended_on=found.ended_at.date() if found.ended_at else None, result=found.result,
        forms=forms, results=plans.RESULTS, typed_goal=typed("goal", found.goal), typed_option=typed("text", ""),
        typed_review=typed("review_on", (today + _REVIEW).isoformat()), typed_result=typed("result", ""), link="",
        link_days=plans.LINK_FOR.days,
    )  # fmt: skip

"""What the forms about help do: help is begun or offered in the learning plan, or declined, and what was said to it is kept.

Every form also sends ``csrf``, which the reception checks. The names on the left are those of
:data:`serving.pages.render.ADDRESSES`::

    help_accept     version, intervention_id, dose, goal, begins_on, review_on
    help_plan       intervention_id
    help_decline    intervention_id, why, words
    offer_answer    answer, why, words
    offer_minutes   minutes, planned
    case_told       what (barrier.NAME or consent.KEY), told_by
    case_told_end   -
"""

from __future__ import annotations

from collections.abc import Callable

from features.problems import Problem, Refused
from serving.cases import casebook, offers, plans, told
from serving.cases.access import Action
from serving.pages.render import at
from serving.recommend import Option
from serving.review import helping, work
from serving.review.room import Answer, Asked, Go, Room


def accept(room: Room, asked: Asked) -> Answer:
    """Begin help that was suggested, and write down that it was offered and accepted, in one action."""
    student, chosen = asked.parts["student_id"], _chosen(room, asked)
    name = helping.named(asked.words, room.help(asked.today).catalogue, chosen.intervention_id)
    begins_on, review_on = work.day_of(asked, "begins_on"), work.day_of(asked, "review_on")
    casebook.start_support(
        room.db, asked.account, student, work.number_of(asked, "version"), intervention_id=chosen.intervention_id, name=name,
        dose=asked.sent("dose"), goal=asked.sent("goal"), begins_on=begins_on, review_on=review_on, today=asked.today,
        now=asked.now, opening=work.opening_of(room, asked),
        beside=lambda connection: offers.put(
            connection, asked.account, student, chosen.intervention_id, asked.now, said="accepted"
        ),
    )  # fmt: skip
    return Go(at("student", student_id=student), "support_begun")


def into_plan(room: Room, asked: Asked) -> Answer:
    """Offer help that was suggested in the student's learning plan, a new one where none is under way: the student picks."""
    student = asked.parts["student_id"]
    if asked.account.role == "student":
        raise Refused([Problem("adults_offer", "option", "Adults offer", "Write it into the goal.")], "Nothing was offered")
    chosen = _chosen(room, asked)
    under_way = next((one.id for one in plans.plans_of(room.db, room.tenant, student) if one.state != "ended"), None)
    plan = under_way or plans.begin_plan(room.db, asked.account, student, asked.now)
    plans.offer(
        room.db, asked.account, student, plan, None, f"{chosen.what} {chosen.how_much}.", asked.now, chosen.intervention_id
    )
    return Go(at("plan", student_id=student, plan_id=plan), "plan_offered")


def decline(room: Room, asked: Asked) -> Answer:
    """Write down that help was refused, or is not what is needed, and why. The next list heeds it, and so does the page."""
    student = asked.parts["student_id"]
    key = asked.sent("intervention_id")
    if key not in room.help(asked.today).catalogue:
        raise Refused([_gone()], "Nothing was written down")
    offers.decline(room.db, asked.account, student, key, asked.sent("why"), asked.sent("words"), asked.now)
    return Go(at("student", student_id=student), "help_declined")


def answered(room: Room, asked: Asked) -> Answer:
    """Write down what was said to an offer."""
    student = asked.parts["student_id"]
    offers.answer(
        room.db, asked.account, asked.parts["offer_id"], asked.sent("answer"), asked.now, student_id=student,
        why=asked.sent("why"), words=asked.sent("words"),
    )  # fmt: skip
    return Go(at("student", student_id=student), "offer_answered")


def given(room: Room, asked: Asked) -> Answer:
    """Write down how many minutes of help were given so far."""
    student = asked.parts["student_id"]
    minutes, planned = work.number_of(asked, "minutes"), work.number_of(asked, "planned")
    offers.deliver(room.db, asked.account, asked.parts["offer_id"], minutes, planned, asked.now, student_id=student)
    return Go(at("student", student_id=student), "minutes_saved")


def tell(room: Room, asked: Asked) -> Answer:
    """Write down what the student or the family said: what stands in the way, or help that they agree to."""
    student = asked.parts["student_id"]
    known = [one.id for one in room.help(asked.today).catalogue.values() if "consent" in one.needs]
    kind, _, what = asked.sent("what").partition(".")
    told.tell(room.db, asked.account, student, kind, what, asked.sent("told_by"), asked.now, known)
    return Go(at("student", student_id=student), "told")


def take_back(room: Room, asked: Asked) -> Answer:
    """Write down that something that was said does not hold any more."""
    student = asked.parts["student_id"]
    told.take_back(room.db, asked.account, student, asked.parts["told_id"], asked.now)
    return Go(at("student", student_id=student), "told_ended")


def _chosen(room: Room, asked: Asked) -> Option:
    """Return the help that a form names, as it is possible for the student now; refuse what is not, or not any more."""
    every = helping.possible(room, asked, asked.parts["student_id"])
    chosen = next((one for one in every if one.intervention_id == asked.sent("intervention_id")), None)
    if chosen is None:
        raise Refused([_gone()], "Nothing was begun")
    return chosen


def _gone() -> Problem:
    return Problem("help_gone", "help", "It is not among what is possible now", "Look at the page again.")


#: Every form of this file: the address's name, the right that it takes, and what answers.
FORMS: tuple[tuple[str, Action, Callable[[Room, Asked], Answer]], ...] = (
    ("help_accept", "start_support", accept),
    ("help_plan", "write_learning_plan", into_plan),
    ("help_decline", "disagree", decline),
    ("offer_answer", "start_support", answered),
    ("offer_minutes", "start_support", given),
    ("case_told", "work_case", tell),
    ("case_told_end", "work_case", take_back),
)

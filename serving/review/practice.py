"""The practice on made-up students that opens real ones, and the one sentence that later tells of what somebody has not used.

Everybody answers the exercises of their role, in order. Something is said about what they answered, and it is kept nowhere: it
goes along in the forms until all are answered, and then the day is noted. That is no line in the trail and on no list: whether
somebody has practised is asked by the reception, of whoever stands before it, and shown to themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from features.problems import NotFound, Problem, Refused
from serving.cases import people, trail
from serving.cases.database import Engine
from serving.cases.people import Account, Role
from serving.pages.contexts.practice import Exercise, Figure, Option, Practice, Reply
from serving.pages.render import at
from serving.review.room import Asked, Go, Room

#: The exercises of each role that works with students or with figures of them, in order.
EXERCISES: Mapping[Role, tuple[Exercise, ...]] = MappingProxyType(
    {
        "teacher": ("reason", "disagree", "personalise"),
        "counselor": ("reason", "disagree", "personalise", "safeguarding"),
        "principal": ("reason", "disagree", "suppressed"),
        "district_analyst": ("reason", "suppressed"),
        "ministry": ("reason", "suppressed"),
    }
)

#: The replies of each exercise, in the order in which they are offered. A reply is named after its exercise.
REPLIES: Mapping[Exercise, tuple[Reply, ...]] = MappingProxyType(
    {one: tuple(reply for reply in get_args(Reply) if reply.startswith(f"{one}_")) for one in get_args(Exercise)}
)

#: Where more than one reply may be chosen, and where words of one's own are asked for.
SEVERAL: frozenset[Exercise] = frozenset({"reason"})
WRITES: frozenset[Exercise] = frozenset({"disagree", "personalise"})

#: A table such as a principal reads: one number is small, and another is hidden so that the small one cannot be worked out.
FIGURES = (
    Figure(year="9", of=61, reached=24, hidden=None),
    Figure(year="10", of=58, reached=None, hidden="small"),
    Figure(year="11", of=70, reached=31, hidden=None),
    Figure(year="12", of=66, reached=None, hidden="with_small"),
)

#: Words of one's own need not be more.
MOST_WRITTEN = 500


@dataclass(frozen=True, slots=True)
class Tip:
    """A sentence for those who have never done something that they may do: its phrase, the trail's word for it, for whom."""

    phrase: str
    action: str
    roles: frozenset[Role]


_ALL: frozenset[Role] = frozenset({"teacher", "counselor", "principal"})

#: What is told of first comes first.
TIPS = (
    Tip("tip.disagree", "disagreed", _ALL),
    Tip("tip.contact_recorded", "contact_recorded", _ALL),
    Tip("tip.step_added", "step_added", _ALL),
    Tip("tip.note_added", "note_added", _ALL),
    Tip("tip.plan_begun", "plan_begun", frozenset({"teacher", "counselor"})),
    Tip("tip.take_away", "take_away", frozenset({"counselor", "principal"})),
)


def practised(db: Engine, account: Account) -> bool:
    """Return whether somebody may see real students: they have practised, or their role has nothing to practise."""
    return account.role not in EXERCISES or people.practised_on(db, account.tenant, account.id) is not None


def tip(db: Engine, account: Account) -> str | None:
    """Return the phrase of what somebody has not used yet, ``None`` once they have used everything.

    It looks at what they themselves did, and is shown to them alone.
    """
    mine = [one for one in TIPS if account.role in one.roles]
    used = trail.actions_of(db, account, [one.action for one in mine])
    return next((one.phrase for one in mine if one.action not in used), None)


def page(room: Room, asked: Asked) -> Practice:
    """Return the exercise that is to be answered next, or the one whose reply was refused, with what was typed."""
    given = _given(asked)
    exercise = _named(asked) or (*_left(asked, given), _mine(asked)[0])[0]
    return _shown(room, asked, exercise, given, frozenset(asked.form.get("reply", ())))


def act(room: Room, asked: Asked) -> Practice | Go:
    """Say something about a reply, go on to the next exercise, or note the day once all are answered.

    Raises :class:`~features.problems.Refused` for a reply that is missing, and for words that are.
    """
    given = _given(asked)
    if asked.sent("do") == "answer" and (exercise := _named(asked)):
        chosen = _chosen(exercise, asked.form.get("reply", ()))
        problems = [] if chosen else [Problem("practice_reply", "reply", "No reply was chosen", "Choose one.")]
        if exercise in WRITES and not asked.sent("written"):
            problems.append(Problem("practice_words", "written", "It is empty", "Write a sentence of your own."))
        if problems:
            raise Refused(problems, "Nothing was answered")
        return _shown(room, asked, exercise, {**given, exercise: chosen}, frozenset(chosen), answered=True)
    if left := _left(asked, given):
        return _shown(room, asked, left[0], given, frozenset())
    people.note_practice(room.db, room.tenant, asked.account.id, asked.now.date())
    return Go(at("practice"), "practised")


def _mine(asked: Asked) -> tuple[Exercise, ...]:
    """Return the exercises of the reader's role. Raises NotFound where there are none: then there is no such page."""
    if asked.account.role not in EXERCISES:
        raise NotFound("There is nothing to practise for this role.")
    return EXERCISES[asked.account.role]


def _named(asked: Asked) -> Exercise | None:
    """Return the exercise that the form is of, if it is one of the reader's."""
    return next((one for one in _mine(asked) if one == asked.sent("exercise")), None)


def _chosen(exercise: Exercise, sent: tuple[str, ...]) -> tuple[Reply, ...]:
    """Return what was chosen of an exercise's replies; nothing where more was chosen than may be."""
    found = tuple(one for one in REPLIES[exercise] if one in sent)
    return found if len(found) <= 1 or exercise in SEVERAL else ()


def _given(asked: Asked) -> dict[Exercise, tuple[Reply, ...]]:
    """Return the replies that were sent along, by exercise."""
    told = {one: _chosen(one, asked.form.get("given", ())) for one in _mine(asked)}
    return {one: replies for one, replies in told.items() if replies}


def _left(asked: Asked, given: Mapping[Exercise, tuple[Reply, ...]]) -> tuple[Exercise, ...]:
    return tuple(one for one in _mine(asked) if one not in given)


def _shown(
    room: Room, asked: Asked, exercise: Exercise, given: Mapping[Exercise, tuple[Reply, ...]], chosen: frozenset[str], *,
    answered: bool = False,
) -> Practice:  # fmt: skip
    mine = _mine(asked)
    return Practice(
        frame=asked.frame,
        exercise=exercise,
        number=mine.index(exercise) + 1,
        of=len(mine),
        several=exercise in SEVERAL,
        writes=exercise in WRITES,
        written=asked.sent("written")[:MOST_WRITTEN],
        options=tuple(Option(name=one, chosen=one in chosen) for one in REPLIES[exercise]),
        figures=FIGURES if exercise == "suppressed" else (),
        answered=answered,
        given=tuple(reply for one in mine for reply in given.get(one, ())),
        done_on=people.practised_on(room.db, room.tenant, asked.account.id),
    )

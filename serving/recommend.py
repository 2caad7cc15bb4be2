"""From what is wrong to help that exists: at most three options for one student, the talk always first.

Options are matched to modifiable factors and to skills that are next, never to who the student is and never to a score: a
:class:`Need` has no place for either. Nothing is multiplied by a probability that it will work, so the hardest cases are
never dropped for being hard.

An option that is not possible is left out with the reason, by the first of these that holds: withdrawn, another year of
school, for a whole class, running, tried lately, contact, consent, staff, device and internet, language, accommodations, the
plan's own, other help that runs, no skill that is next, known not to help, no room in the term. What is left is ordered by
match x expected effect x weight of the evidence x how much of the dose is possible; among the like, what takes less time
comes first. A second option for the same factor counts half, so that two different things that are wrong get an option each.

Where a plan exists (disability, adjustments, language, health), bringing it to the plan team comes before all else. What is
intensive may be owed under the plan: it is never ranked here, and nor is a device, internet or anything else that is owed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType

from serving.catalogue import (
    CONVERSATION,
    FACTORS,
    RESOURCE,
    WHO,
    Catalogue,
    Intervention,
    Measured,
)
from serving.resources import Pair

#: What comes first where there is a plan. It is no help of the catalogue: nobody can withdraw it.
PLAN_TEAM = "plan_team"

MOST_OPTIONS = 3

#: Less of a dose than this is not begun.
LEAST_FIT = 0.25

#: A second option for a factor counts so much.
AGAIN = 0.5

#: The year of school that stands for higher education.
HIGHER = 13

#: Intensive help for one student: under a plan it is for the team that owes it.
INTENSIVE = 3

_STRENGTH: Mapping[int, str] = MappingProxyType(
    {
        1: "Well-designed trials stand behind this.",
        2: "Groups that were alike were compared, without a draw.",
        3: "It went together with better results; whether it caused them is not known.",
        4: "It is reasonable; no study stands behind it here.",
    }
)


@dataclass(frozen=True, slots=True)
class Need:
    """What one student needs, and what is known that decides whether help is possible.

    ``factors`` are codes of :data:`~serving.catalogue.FACTORS` with weights from 0 to 1. None means not known: it is asked,
    never taken for yes or no. ``consents`` are keys of help that consent is recorded for, ``tried`` when help last ended or
    was refused, ``running`` what runs now. ``skills_next`` are skills that the student is ready to learn, the lowest first,
    and ``practice`` what there is to learn them from. ``shared`` are factors that most of the class or year have too, ``staff``
    the kinds of staff that there are (:data:`~serving.catalogue.WHO`), ``ends_on`` the last day of the term, ``minutes_free``
    what a student's week has room for.
    """

    student_id: str
    factors: Mapping[str, float]
    grade_level: int | None = None
    language: str | None = None
    device: bool | None = None
    internet: bool | None = None
    contact_restricted: bool | None = None
    consents: frozenset[str] = frozenset()
    tried: Mapping[str, date] = field(default_factory=dict)
    plan_team: bool | None = None
    accommodations: tuple[str, ...] = ()
    skills_next: tuple[str, ...] = ()
    practice: tuple[Pair, ...] = ()
    running: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    staff: frozenset[str] | None = None
    ends_on: date | None = None
    minutes_free: int | None = None


@dataclass(frozen=True, slots=True)
class NotChosen:
    """Help that answers to a factor of the student's and was not chosen, and why. ``reason`` is a code, ``says`` a sentence."""

    intervention_id: str
    reason: str
    says: str


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that could be done. ``score`` orders options and means nothing else; ``not_chosen`` is the same for all."""

    intervention_id: str
    for_: tuple[str, ...]
    score: float
    what: str
    who: str
    how_much: str
    start_by: date
    evidence: str
    unknown: tuple[str, ...] = ()
    not_chosen: tuple[NotChosen, ...] = ()
    resources: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Considered:
    """All that was considered for a student: what is offered, all that would be possible in order, and what is not.

    ``owed`` is access help for what is known to be wanting. It is raised whatever else is offered and is never counted,
    ranked or drawn; ``ask`` says what of it has to be asked first.
    """

    options: tuple[Option, ...]
    possible: tuple[Option, ...]
    not_chosen: tuple[NotChosen, ...]
    owed: tuple[Option, ...]
    ask: tuple[str, ...]


def match(need: Need, catalogue: Catalogue, today: date) -> tuple[Option, ...]:
    """Return at most three options, the talk first, and before it the plan team where there is a plan."""
    return consider(need, catalogue, today).options


def possible(need: Need, catalogue: Catalogue, today: date) -> tuple[Option, ...]:
    """Return every option that is possible, by score, without the talk: what places are allocated among."""
    return consider(need, catalogue, today).possible


def consider(need: Need, catalogue: Catalogue, today: date) -> Considered:
    """Return what is offered to a student, what else would be possible, and why the rest is not.

    Args:
        need: see :class:`Need`.
        catalogue: the help that there is.
        today: the day from which options begin.

    """
    out: list[NotChosen] = []
    for key, gone in catalogue.withdrawn.items():
        out.append(NotChosen(key, "withdrawn", f"The district has not given it since {gone.on}: {gone.reason}"))
    able: list[tuple[Intervention, float]] = []
    for one in catalogue.values():
        matched = _match(need.factors, one)
        if one.id == CONVERSATION or one.entitlement or matched <= 0:
            continue
        against = _against(need, one, today)
        if against is not None:
            out.append(NotChosen(one.id, *against))
        else:
            able.append((one, matched * one.expected * one.weight * _fit(need, one, today)))
    able.sort(key=lambda pair: (-pair[1], pair[0].minutes_per_week, pair[0].id))
    first = [] if not need.plan_team else [_plan_team(need, today)]
    first.append(_option(need, catalogue[CONVERSATION], 0.0, today))
    chosen = _chosen(need, able, MOST_OPTIONS - len(first), today)
    taken = {one.id for one in chosen}
    scores = {one.id: score for one, score in able}
    names = " and ".join(one.name for one in chosen)
    for one, _ in able:
        if one.id not in taken:
            out.append(NotChosen(one.id, "others_first", f"Others came first: {names}." if names else "There was no room."))
    why = tuple(out)
    options = (*first, *(_option(need, one, scores[one.id], today) for one in chosen))
    owed, ask = _owed(need, catalogue, today)
    return Considered(
        tuple(replace(one, not_chosen=why) for one in options),
        tuple(_option(need, one, score, today) for one, score in able), why, owed, ask,
    )  # fmt: skip


def _match(factors: Mapping[str, float], one: Intervention) -> float:
    """Return how far help answers to what is wrong: of several factors, each adds to what the others leave."""
    left = 1.0
    for factor in one.factors:
        left *= 1.0 - min(max(factors.get(factor, 0.0), 0.0), 1.0)
    return 1.0 - left


def _fit(need: Need, one: Intervention, today: date) -> float:
    """Return how much of the dose is possible, from 0 to 1."""
    fit = 1.0
    if need.ends_on is not None and one.weeks:
        fit *= min(1.0, max((need.ends_on - today).days / 7, 0.0) / one.weeks)
    if need.minutes_free is not None and one.minutes_per_week:
        fit *= min(1.0, max(need.minutes_free, 0) / one.minutes_per_week)
    return fit


def _chosen(need: Need, able: Sequence[tuple[Intervention, float]], room: int, today: date) -> list[Intervention]:
    """Return the best options one by one; what is already answered counts half for the next."""
    factors, chosen = dict(need.factors), list[Intervention]()
    while len(chosen) < room:
        left = [
            (one, _match(factors, one) * one.expected * one.weight * _fit(need, one, today))
            for one, _ in able
            if one not in chosen and not any(one.id in other.excludes or other.id in one.excludes for other in chosen)
        ]
        if not left:
            break
        best = min(left, key=lambda pair: (-pair[1], pair[0].minutes_per_week, pair[0].id))[0]
        chosen.append(best)
        factors |= {factor: AGAIN * factors[factor] for factor in best.factors if factor in factors}
    return chosen


# -- why not ----------------------------------------------------------------------------------------------------------


def _against(need: Need, one: Intervention, today: date) -> tuple[str, str] | None:
    """Return the first reason why help is not possible, as a code and a sentence, or None."""
    return (
        _against_person(need, one, today)
        or _against_home(need, one)
        or _against_plan(need, one)
        or _against_sense(need, one, today)
    )


def _against_person(need: Need, one: Intervention, today: date) -> tuple[str, str] | None:
    if not one.takes(need.grade_level):
        unknown = ", and the year of school is not recorded" if need.grade_level is None else ""
        return "grade", f"It is for {_grades(one)}{unknown}."
    if one.group and need.shared.isdisjoint(one.factors):
        return "group", "It is for a whole class or year, and what is wrong here is not known to be shared by it."
    if one.id in need.running:
        return "running", "It runs already."
    last = need.tried.get(one.id)
    if last is not None and (today - last).days < one.again_after_days:
        return "tried", f"It ended or was refused on {last}; again from {last + timedelta(days=one.again_after_days)} on."
    beside = next((other for other in one.excludes if other in need.running), None)
    if beside is not None:
        return "beside", "Other help runs that it is not given beside."
    return None


def _against_home(need: Need, one: Intervention) -> tuple[str, str] | None:
    if "contact_home" in one.needs and need.contact_restricted:
        return "contact", "Contact with the home is restricted, so a person who knows how decides about any contact."
    if "consent" in one.needs and one.id not in need.consents:
        return "consent", "It needs consent, and none is recorded. Ask first."
    if need.staff is not None and one.who not in need.staff and one.who != "adult":
        return "staff", f"It takes {WHO[one.who]}, and there is nobody here."
    for name, has in (("internet", need.internet), ("device", need.device)):
        if name in one.needs and has is False:
            return name, f"It needs {'internet' if name == 'internet' else 'a device'} at home, and there is none."
    if one.languages and need.language is not None and need.language not in one.languages:
        return "language", "It is not given in the language of the family."
    return None


def _against_plan(need: Need, one: Intervention) -> tuple[str, str] | None:
    recorded = [word.casefold() for word in need.accommodations]
    if any(conflict.casefold() in word for conflict in one.conflicts for word in recorded):
        return "accommodations", "It does not go with an accommodation that is recorded."
    if need.plan_team and one.tier == INTENSIVE:
        return "plan", "There is a plan, under which this may be owed: it is for the plan team, and is not ranked here."
    return None


def _against_sense(need: Need, one: Intervention, today: date) -> tuple[str, str] | None:
    if "skill" in one.needs and not need.skills_next:
        return "skill", "No skill is known to be next."
    if one.id == RESOURCE and not any(pair.teaches or pair.checks for pair in need.practice):
        return "resource", "The library has nothing that fits for the skill that is next."
    if one.expected <= 0:
        return "effect", "What is known of it, here and elsewhere, says that it does not help."
    if _fit(need, one, today) < LEAST_FIT:
        return "room", "Less than a quarter of it would fit into what is left of the term or the week."
    return None


# -- what is said -----------------------------------------------------------------------------------------------------


def _option(need: Need, one: Intervention, score: float, today: date) -> Option:
    wrong = tuple(factor for factor in one.factors if need.factors.get(factor, 0.0) > 0)
    if one.id == CONVERSATION:
        wrong = tuple(sorted(need.factors, key=lambda factor: (-need.factors[factor], factor)))
    resources = need.practice if one.id == RESOURCE else ()
    return Option(
        one.id, wrong, score, one.says, _capital(WHO[one.who]), _capital(one.dose), start_by(today, one.start_within_days),
        evidence(one), tuple(_unknown(need, one)), resources=resources,
    )  # fmt: skip


def _plan_team(need: Need, today: date) -> Option:
    wrong = tuple(sorted(need.factors, key=lambda factor: (-need.factors[factor], factor)))
    return Option(
        PLAN_TEAM, wrong, 0.0,
        "Bring it to the plan team, with the student, before anything new is begun.",
        "The plan team", "One meeting", start_by(today, 14),
        "The student has a plan. What it provides is owed, and is neither ranked nor limited here.",
        ("Whether what the plan provides is being given.",),
    )  # fmt: skip


def _owed(need: Need, catalogue: Catalogue, today: date) -> tuple[tuple[Option, ...], tuple[str, ...]]:
    owed, ask = [], []
    for key, has, what in (
        ("access_device", need.device, "a device"),
        ("access_hotspot", need.internet, "internet"),
    ):
        if has is None:
            ask.append(f"Whether there is {what} at home is not recorded: ask first.")
        elif not has and key in catalogue and key not in need.running:
            owed.append(replace(_option(need, catalogue[key], 0.0, today), for_=("access",)))
    return tuple(owed), tuple(ask)


def evidence(one: Intervention) -> str:
    """Return what is known of help in plain words: what studies found, how strong that is, and what was measured here."""
    told = []
    if one.effect is not None:
        told.append(one.effect.says)
        if not one.effect.checked:
            told.append("Nobody has checked that at its source yet.")
    if one.effect is None or one.effect.checked:
        told.append(_STRENGTH[one.evidence])
    if one.measured is not None:
        told.append(_here(one.measured))
    return " ".join(told)


def _here(own: Measured) -> str:
    way = "by a draw" if own.how == "lottery" else "by comparing students who were alike on record"
    found = "it helped" if own.low > 0 else "it did harm" if own.high < 0 else "no effect could be told from chance"
    return (
        f"Measured in this district on {own.students:,} students, {way}: {found} "
        f"({own.size:+.2f} standard deviations, from {own.low:+.2f} to {own.high:+.2f})."
    )


def _unknown(need: Need, one: Intervention) -> list[str]:
    found = [one.not_known] if one.not_known else []
    if "contact_home" in one.needs and need.contact_restricted is None:
        found.append("Whether contact with the home is restricted is not known here: look first.")
    for name, has in (("internet", need.internet), ("device", need.device)):
        if name in one.needs and has is None:
            found.append(
                f"Whether there is {'internet' if name == 'internet' else 'a device'} at home is not recorded: ask first."
            )
    if one.id != CONVERSATION and need.plan_team is None:
        found.append("Whether there is a plan is not known here; where there is one, the plan team comes first.")
    if one.id != CONVERSATION and need.plan_team and need.accommodations:
        found.append("Whether it goes with every recorded accommodation is for the plan team to say.")
    if "specialist" in one.needs and need.staff is None:
        found.append("Whether a specialist has time is not known here.")
    return found


def names(factors: Sequence[str]) -> str:
    """Return factors in words: "much absence and missing or late work"."""
    told = [FACTORS[one] for one in factors]
    return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else "".join(told)


def start_by(today: date, days: int) -> date:
    """Return a school day by which to begin: the last weekday within so many days."""
    last = today + timedelta(days=days)
    back = timedelta(days=max(last.weekday() - 4, 0))
    return max(last - back, today)


def _grades(one: Intervention) -> str:
    first, last = one.grades
    if first == last:
        return _grade(first)
    if first > 0 and last < HIGHER:
        return f"grades {first} to {last}"
    return f"{_grade(first)} to {_grade(last)}"


def _grade(grade: int) -> str:
    return {0: "kindergarten", HIGHER: "higher education"}.get(grade, f"grade {grade}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

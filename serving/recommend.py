"""From what is wrong to help that exists: at most three options for one student, the talk always first.

Options are matched to modifiable factors and to skills that are next, never to who the student is: a :class:`Need` has no
place for that. Nothing is multiplied by a probability that it will work, so the hardest cases are never dropped for being hard:
what counts is how much is at stake, of which help averts the same share from everybody.

An option that is not possible is left out with the reason, by the first of these that holds: withdrawn, another year of
school, for a whole class, running, tried lately, contact, consent, staff, device and internet, language, accommodations, the
plan's own, other help that runs, no skill that is next, known to do harm, no room in the term. What is left is ordered by
what is at stake of the outcomes that its factors lead to, each counted once x the share of it that it is expected to avert
x weight of the evidence x how much of the dose is possible. That is one unit for all help and all students, so that places
are allocated by it too. Among the like, what takes less time comes first. A second option for the same factor counts half, so
that two different things that are wrong get an option each.

Where a plan exists (disability, adjustments, language, health), bringing it to the plan team comes before all else. What is
intensive may be owed under the plan: it is never ranked here, and nor is a device, internet or anything else that is owed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal, get_args

from features.phrases import ENGLISH, Language, Sentence
from serving.catalogue import (
    CONVERSATION,
    RESOURCE,
    Catalogue,
    Intervention,
    Measured,
    factor_name,
    who_name,
)
from serving.resources import Pair

#: What comes first where there is a plan. It is no help of the catalogue: nobody can withdraw it.
PLAN_TEAM = "plan_team"

MOST_OPTIONS = 3

#: Less of a dose than this is not begun.
LEAST_FIT = 0.25

#: A second option for a factor counts so much.
AGAIN = 0.5

#: What can be lost: a tenth of the days of a year, a course, the way through school.
Outcome = Literal["absence", "failing", "leaving"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

#: Which outcomes each factor leads to. Of what is owed, and of the talk, nothing is ranked.
LEADS_TO: Mapping[str, tuple[Outcome, ...]] = MappingProxyType(
    {
        "attendance_mild": ("absence", "leaving"), "attendance_chronic": ("absence", "leaving"),
        "transport": ("absence", "leaving"), "health": ("absence", "leaving"),
        "coursework": ("failing", "leaving"), "engagement": ("failing", "leaving"),
        "course_failure": ("failing",), "learning_gap": ("failing",),
        "credits": ("leaving",), "behaviour": ("leaving",), "behaviour_intensive": ("leaving",), "exclusion": ("leaving",),
        "persistence": ("leaving",), "advising": ("leaving",),
        "belonging": ("absence", "leaving"), "wellbeing": OUTCOMES, "entry": OUTCOMES,
    }
)  # fmt: skip

#: A factor that nobody is told they have: it says that somebody may leave, and not what is wrong.
UNTOLD = frozenset({"persistence"})

#: The least share that help averts of which nobody knows that it harms: it comes last, and is given where there are places.
LEAST_AVERTED = 0.01

#: The year of school that stands for higher education.
HIGHER = 13

#: Help for everybody, and what a stake beyond the usual counts for it.
UNIVERSAL, BEYOND = 1, 0.25

#: Intensive help for one student: under a plan it is for the team that owes it.
INTENSIVE = 3

#: What is said of options in English, by key; the texts of another language stand in ``words/`` under the same keys.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "strength.1": "Well-designed trials stand behind this.",
        "strength.2": "Groups that were alike were compared, without a draw.",
        "strength.3": "It went together with better results; whether it caused them is not known.",
        "strength.4": "It is reasonable; no study stands behind it here.",
        "evidence.unchecked": "Nobody has checked that at its source yet.",
        "evidence.here": "Measured in this district on {students:,} students, {way}: {found} "
        "({size:+.2f} standard deviations, from {low:+.2f} to {high:+.2f}).",
        "evidence.by_draw": "by a draw",
        "evidence.by_comparing": "by comparing students who were alike on record",
        "evidence.helped": "it helped",
        "evidence.harmed": "it did harm",
        "evidence.cannot_tell": "no effect could be told from chance",
        "option.team_what": "Bring it to the plan team, with the student, before anything new is begun.",
        "option.team_who": "The plan team",
        "option.team_how_much": "One meeting",
        "option.team_evidence": "The student has a plan. What it provides is owed, and is neither ranked nor limited here.",
        "option.team_unknown": "Whether what the plan provides is being given.",
        "unknown.contact": "Whether contact with the home is restricted is not known here: look first.",
        "unknown.at_home": "Whether there is {what} at home is not recorded: ask first.",
        "unknown.internet": "internet",
        "unknown.device": "a device",
        "unknown.plan": "Whether there is a plan is not known here; where there is one, the plan team comes first.",
        "unknown.accommodations": "Whether it goes with every recorded accommodation is for the plan team to say.",
        "unknown.specialist": "Whether a specialist has time is not known here.",
        "against.withdrawn": "The district has not given it since {on}: {reason}",
        "against.others_first": "Others came first: {names}.",
        "against.no_place": "There was no room.",
        "against.grade": "It is for {grades}.",
        "against.grade_unknown": "It is for {grades}, and the year of school is not recorded.",
        "against.group": "It is for a whole class or year, and what is wrong here is not known to be shared by it.",
        "against.running": "It runs already.",
        "against.tried": "It ended or was refused on {last}; again from {again} on.",
        "against.beside": "Other help runs that it is not given beside.",
        "against.contact": "Contact with the home is restricted, so a person who knows how decides about any contact.",
        "against.consent": "It needs consent, and none is recorded. Ask first.",
        "against.staff": "It takes {who}, and there is nobody here.",
        "against.internet": "It needs internet at home, and there is none.",
        "against.device": "It needs a device at home, and there is none.",
        "against.language": "It is not given in the language of the family.",
        "against.accommodations": "It does not go with an accommodation that is recorded.",
        "against.plan": "There is a plan, under which this may be owed: it is for the plan team, and is not ranked here.",
        "against.skill": "No skill is known to be next.",
        "against.resource": "The library has nothing that fits for the skill that is next.",
        "against.effect": "What is known of it, here and elsewhere, says that it does not help.",
        "against.room": "Less than a quarter of it would fit into what is left of the term or the week.",
        "grade.kindergarten": "kindergarten",
        "grade.higher": "higher education",
        "grade.one": "grade {grade}",
        "grade.between": "grades {first} to {last}",
        "grade.from_to": "{first} to {last}",
    }
)


def _told(key: str, **values: object) -> Sentence:
    return Sentence(key, SENTENCES[key], values)


@dataclass(frozen=True, slots=True)
class Need:
    """What one student needs, and what is known that decides whether help is possible.

    ``factors`` are codes of :data:`~serving.catalogue.FACTORS` with weights from 0 to 1. ``stakes`` say how much of each
    outcome is at stake, as a multiple of what is usual; 1 where nothing is told. None means not known: it is asked, never
    taken for yes or no. ``consents`` are keys of help that consent is recorded for, ``tried`` when help last ended or
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
    stakes: Mapping[Outcome, float] = field(default_factory=dict)


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


def match(need: Need, catalogue: Catalogue, today: date, language: Language = ENGLISH) -> tuple[Option, ...]:
    """Return at most three options, the talk first, and before it the plan team where there is a plan."""
    return consider(need, catalogue, today, language).options


def possible(need: Need, catalogue: Catalogue, today: date) -> tuple[Option, ...]:
    """Return every option that is possible, by score, without the talk: what places are allocated among."""
    return consider(need, catalogue, today).possible


def consider(need: Need, catalogue: Catalogue, today: date, language: Language = ENGLISH) -> Considered:
    """Return what is offered to a student, what else would be possible, and why the rest is not.

    Args:
        need: see :class:`Need`.
        catalogue: the help that there is.
        today: the day from which options begin.
        language: what everything is said in; what a district wrote itself stays as it wrote it.

    """
    catalogue = catalogue.told_in(language)
    out: list[NotChosen] = []
    for key, gone in catalogue.withdrawn.items():
        out.append(NotChosen(key, "withdrawn", language.say(_told("against.withdrawn", on=gone.on, reason=gone.reason))))
    able: list[tuple[Intervention, float]] = []
    for one in catalogue.values():
        matched = _match(need, need.factors, one)
        if one.id == CONVERSATION or one.entitlement or matched <= 0:
            continue
        against = _against(need, one, today)
        if against is not None:
            out.append(NotChosen(one.id, against[0], language.say(against[1])))
        else:
            able.append((one, matched * _averted(one) * one.weight * _fit(need, one, today)))
    able.sort(key=lambda pair: (-pair[1], pair[0].minutes_per_week, pair[0].id))
    first = [] if not need.plan_team else [_plan_team(need, today, language)]
    first.append(_option(need, catalogue[CONVERSATION], 0.0, today, language))
    chosen = _chosen(need, able, MOST_OPTIONS - len(first), today)
    taken = {one.id for one in chosen}
    scores = {one.id: score for one, score in able}
    names = language.listed([one.name for one in chosen])
    others = language.say(_told("against.others_first", names=names) if names else _told("against.no_place"))
    out += [NotChosen(one.id, "others_first", others) for one, _ in able if one.id not in taken]
    why = tuple(out)
    options = (*first, *(_option(need, one, scores[one.id], today, language) for one in chosen))
    owed, ask = _owed(need, catalogue, today, language)
    return Considered(
        tuple(replace(one, not_chosen=why) for one in options),
        tuple(_option(need, one, score, today, language) for one, score in able), why, owed, ask,
    )  # fmt: skip


def _match(need: Need, factors: Mapping[str, float], one: Intervention) -> float:
    """Return how much help answers to: what is at stake of the outcomes that its factors lead to, each of them once.

    Help for everybody (tier 1) was studied on everybody, so that what it averts is a share of what is usual. That it averts as
    much of a stake many times that nobody has found: what is beyond the usual counts a quarter, and somebody with much at
    stake is offered more than a letter first.
    """
    most: dict[Outcome, float] = {}
    for factor in one.factors:
        weight = min(max(factors.get(factor, 0.0), 0.0), 1.0)
        for outcome in LEADS_TO.get(factor, ()):
            stake = need.stakes.get(outcome, 1.0)
            most[outcome] = max(most.get(outcome, 0.0), weight * (_usual(stake) if one.tier == UNIVERSAL else stake))
    return sum(most.values()) / len(OUTCOMES)


def _usual(stake: float) -> float:
    return stake if stake <= 1 else 1 + BEYOND * (stake - 1)


def _averted(one: Intervention) -> float:
    """Return the share that help is expected to avert of what is at stake: of each alike, and so of everybody."""
    return max(one.averts, LEAST_AVERTED)


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
            (one, _match(need, factors, one) * _averted(one) * one.weight * _fit(need, one, today))
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


def _against(need: Need, one: Intervention, today: date) -> tuple[str, Sentence] | None:
    """Return the first reason why help is not possible, as a code and a sentence, or None."""
    return (
        _against_person(need, one, today)
        or _against_home(need, one)
        or _against_plan(need, one)
        or _against_sense(need, one, today)
    )


def _against_person(need: Need, one: Intervention, today: date) -> tuple[str, Sentence] | None:
    if not one.takes(need.grade_level):
        key = "against.grade" if need.grade_level is not None else "against.grade_unknown"
        return "grade", _told(key, grades=_grades(one))
    if one.group and need.shared.isdisjoint(one.factors):
        return "group", _told("against.group")
    if one.id in need.running:
        return "running", _told("against.running")
    last = need.tried.get(one.id)
    if last is not None and (today - last).days < one.again_after_days:
        return "tried", _told("against.tried", last=last, again=last + timedelta(days=one.again_after_days))
    beside = next((other for other in one.excludes if other in need.running), None)
    if beside is not None:
        return "beside", _told("against.beside")
    return None


def _against_home(need: Need, one: Intervention) -> tuple[str, Sentence] | None:
    if "contact_home" in one.needs and need.contact_restricted:
        return "contact", _told("against.contact")
    if "consent" in one.needs and one.id not in need.consents:
        return "consent", _told("against.consent")
    if need.staff is not None and one.who not in need.staff and one.who != "adult":
        return "staff", _told("against.staff", who=Sentence(f"who.{one.who}", who_name(one.who)))
    for name, has in (("internet", need.internet), ("device", need.device)):
        if name in one.needs and has is False:
            return name, _told(f"against.{name}")
    if one.languages and need.language is not None and need.language not in one.languages:
        return "language", _told("against.language")
    return None


def _against_plan(need: Need, one: Intervention) -> tuple[str, Sentence] | None:
    recorded = [word.casefold() for word in need.accommodations]
    if any(conflict.casefold() in word for conflict in one.conflicts for word in recorded):
        return "accommodations", _told("against.accommodations")
    if need.plan_team and one.tier == INTENSIVE:
        return "plan", _told("against.plan")
    return None


def _against_sense(need: Need, one: Intervention, today: date) -> tuple[str, Sentence] | None:
    if "skill" in one.needs and not need.skills_next:
        return "skill", _told("against.skill")
    if one.id == RESOURCE and not any(pair.teaches or pair.checks for pair in need.practice):
        return "resource", _told("against.resource")
    if one.known_not_to_help:
        return "effect", _told("against.effect")
    if _fit(need, one, today) < LEAST_FIT:
        return "room", _told("against.room")
    return None


# -- what is said -----------------------------------------------------------------------------------------------------


def _option(need: Need, one: Intervention, score: float, today: date, language: Language) -> Option:
    """Return an option with its words; those of the catalogue's entry are in the language already."""
    wrong = tuple(factor for factor in one.factors if need.factors.get(factor, 0.0) > 0 and factor not in UNTOLD) or ("any",)
    if one.id == CONVERSATION:
        wrong = _told_factors(need)
    resources = need.practice if one.id == RESOURCE else ()
    return Option(
        one.id, wrong, score, one.says, _capital(who_name(one.who, language)), _capital(one.dose),
        start_by(today, one.start_within_days), evidence(one, language), tuple(_unknown(need, one, language)),
        resources=resources,
    )  # fmt: skip


def _told_factors(need: Need) -> tuple[str, ...]:
    """Return a need's factors that are told, the heaviest first."""
    return tuple(sorted(need.factors.keys() - UNTOLD, key=lambda factor: (-need.factors[factor], factor)))


def _plan_team(need: Need, today: date, language: Language) -> Option:
    wrong = _told_factors(need)
    what, who, how_much, known, unknown = (
        language.say(_told(f"option.team_{part}")) for part in ("what", "who", "how_much", "evidence", "unknown")
    )
    return Option(PLAN_TEAM, wrong, 0.0, what, who, how_much, start_by(today, 14), known, (unknown,))


def _owed(
    need: Need, catalogue: Catalogue, today: date, language: Language
) -> tuple[tuple[Option, ...], tuple[str, ...]]:  # fmt: skip
    owed, ask = [], []
    for key, has, what in (
        ("access_device", need.device, "device"),
        ("access_hotspot", need.internet, "internet"),
    ):
        if has is None:
            ask.append(language.say(_at_home(what)))
        elif not has and key in catalogue and key not in need.running:
            owed.append(replace(_option(need, catalogue[key], 0.0, today, language), for_=("access",)))
    return tuple(owed), tuple(ask)


def evidence(one: Intervention, language: Language = ENGLISH) -> str:
    """Return what is known of help in plain words: what studies found, how strong that is, and what was measured here."""
    told = []
    if one.effect is not None:
        told.append(one.effect.says)
        if not one.effect.checked:
            told.append(language.say(_told("evidence.unchecked")))
    if one.effect is None or one.effect.checked:
        told.append(language.say(_told(f"strength.{one.evidence}")))
    if one.measured is not None:
        told.append(language.say(_here(one.measured)))
    return " ".join(told)


def _here(own: Measured) -> Sentence:
    way = "by_draw" if own.how == "lottery" else "by_comparing"
    found = "helped" if own.low > 0 else "harmed" if own.high < 0 else "cannot_tell"
    return _told(
        "evidence.here", students=own.students, way=_told(f"evidence.{way}"), found=_told(f"evidence.{found}"),
        size=own.size, low=own.low, high=own.high,
    )  # fmt: skip


def _unknown(need: Need, one: Intervention, language: Language) -> list[str]:
    found = []
    if "contact_home" in one.needs and need.contact_restricted is None:
        found.append(_told("unknown.contact"))
    found += [_at_home(name) for name, has in (("internet", need.internet), ("device", need.device))
              if name in one.needs and has is None]  # fmt: skip
    if one.id != CONVERSATION and need.plan_team is None:
        found.append(_told("unknown.plan"))
    if one.id != CONVERSATION and need.plan_team and need.accommodations:
        found.append(_told("unknown.accommodations"))
    if "specialist" in one.needs and need.staff is None:
        found.append(_told("unknown.specialist"))
    return [*([one.not_known] if one.not_known else []), *(language.say(told) for told in found)]


def _at_home(what: str) -> Sentence:
    return _told("unknown.at_home", what=_told(f"unknown.{what}"))


def names(factors: Sequence[str], language: Language = ENGLISH) -> str:
    """Return factors in words: "much absence and missing or late work"."""
    return language.listed([factor_name(one, language) for one in told_factors(factors)])


def told_factors(factors: Sequence[str]) -> list[str]:
    """Return the factors that are told: where much absence is, some absence is not told beside it."""
    return [one for one in factors if one != "attendance_mild" or "attendance_chronic" not in factors]


def start_by(today: date, days: int) -> date:
    """Return a school day by which to begin: the last weekday within so many days."""
    last = today + timedelta(days=days)
    back = timedelta(days=max(last.weekday() - 4, 0))
    return max(last - back, today)


def _grades(one: Intervention) -> Sentence:
    first, last = one.grades
    if first == last:
        return _grade(first)
    if first > 0 and last < HIGHER:
        return _told("grade.between", first=first, last=last)
    return _told("grade.from_to", first=_grade(first), last=_grade(last))


def _grade(grade: int) -> Sentence:
    if grade in (0, HIGHER):
        return _told("grade.kindergarten" if grade == 0 else "grade.higher")
    return _told("grade.one", grade=grade)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

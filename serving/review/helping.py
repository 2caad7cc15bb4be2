"""What could help a student, on their page: matched to what the newest list says and to what is known today.

The reasons are the list's, as far as the reader may know of them, and the rest is as of today: what is at home, what runs, what
was refused yesterday. So what was just declined is not suggested again, though the list was made before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl

from features.problems import Refused
from serving import needs, recommend, resources
from serving.answers import first_step
from serving.cases import lessons, offers, told
from serving.cases.access import Action
from serving.catalogue import CONVERSATION, Catalogue, factor_name
from serving.offers import Help, heeded, without_plan, without_told
from serving.pages.contexts import helping as shown
from serving.pages.contexts.frame import Choice
from serving.pages.words import Words
from serving.recommend import PLAN_TEAM, Considered, Need, Option, told_factors
from serving.resources import Pair, Resource
from serving.review.listing import LEAVING
from serving.review.room import Asked, Room
from serving.skills import Skill, SkillMap, skill_map
from serving.withheld import Withheld

Row = Mapping[str, Any]
May = Callable[[Action], bool]

#: So many offers are shown.
MOST_OFFERS = 6


def of_student(
    room: Room, asked: Asked, student_id: str, may: May, rows: Sequence[Row], mapped: SkillMap | None, called: str
) -> shown.Help:
    """Return what could help a student, what was offered to them and what was said of it, cut to the reader.

    Args:
        room: the room.
        asked: the request.
        student_id: whose page it is.
        may: whether the reader has a right to the student.
        rows: those of the newest list that the reader may know of; none where nothing may be said.
        mapped: the student's map of skills, where the reader may see it.
        called: what the student is called.

    """
    words, language = asked.words, asked.words.facts
    told_of = told.of(room.db, room.tenant, student_id) if may("work_case") else ()
    given = offers.of(room.db, room.tenant, student_id) if may("see_supports") else ()
    try:
        help_ = room.help(asked.today)
    except Refused:
        return _shown(language.code, told_of, given, words, None, broken=True)
    found = considered(room, asked, student_id, rows, mapped, help_)
    made = _shown(language.code, told_of, given, words, help_.catalogue, broken=False)
    if found is None:
        return made
    catalogue = help_.catalogue.told_in(language)
    options = (_cut(one, asked, may) for one in found.options)
    return replace(
        made,
        options=tuple(_option(one, words, catalogue, called) for one in options if one is not None),
        owed=tuple(_option(one, words, catalogue, called) for one in found.owed) if may("see_access") else (),
        ask=found.ask if may("see_access") else (),
        not_chosen=tuple(
            shown.NotChosen(name=named(words, catalogue, one.intervention_id), why=one.says) for one in found.not_chosen
        ) if may("see_contact_restriction") and may("work_case") else (),
    )  # fmt: skip


def considered(
    room: Room, asked: Asked, student_id: str, rows: Sequence[Row], mapped: SkillMap | None, help_: Help
) -> Considered | None:
    """Return what was considered for a student, None where nothing that is known asks for help."""
    need = need_of(room, asked.today, student_id, rows, mapped, help_)
    return recommend.consider(need, help_.catalogue, asked.today, asked.words.facts) if need.factors else None


def possible(room: Room, asked: Asked, student_id: str) -> tuple[Option, ...]:
    """Return all help that is possible for a student now, as far as the reader may know of it, and what is owed."""
    found = _now(room, asked, student_id)
    if found is None:
        return ()
    owed = found.owed if asked.seen.may(student_id, "see_access") else ()
    return (*_all_cut(found.possible, asked, student_id), *owed)


def suggested(room: Room, asked: Asked, student_id: str) -> tuple[shown.Option, ...]:
    """Return what is suggested to a student now and can be offered in a learning plan: all but to ask, and what is open."""
    try:
        found = _now(room, asked, student_id)
    except Refused:
        return ()
    if found is None:
        return ()
    catalogue = room.help(asked.today).catalogue.told_in(asked.words.facts)
    open_ = {one.intervention_id for one in offers.of(room.db, room.tenant, student_id) if one.offered and one.answer is None}
    options = [_option(one, asked.words, catalogue, "") for one in _all_cut(found.options, asked, student_id)]
    return tuple(one for one in options if not one.asks and one.intervention_id not in open_)


def _all_cut(options: Sequence[Option], asked: Asked, student_id: str) -> tuple[Option, ...]:
    each = (_cut(one, asked, lambda action: asked.seen.may(student_id, action)) for one in options)
    return tuple(one for one in each if one is not None)


def _now(room: Room, asked: Asked, student_id: str) -> Considered | None:
    """Return what is considered for a student by the newest list, as far as the reader may know of it."""
    help_ = room.help(asked.today)
    school = needs.circumstances(room.records, asked.today).get(student_id, needs.UNKNOWN).organisation_id
    mine = room.of_student(student_id)
    rows: list[Row] = []
    if room.scored is not None and Withheld.of(room.db, room.tenant, mine, asked.today).status(student_id, school) is None:
        found = room.scored.filter(pl.col("student_id") == student_id).iter_rows(named=True)
        rows = [one for one in found if one["target"] != LEAVING or asked.seen.may(student_id, "see_dropout")]
    mapped = None
    if asked.seen.may(student_id, "see_facts") and room.records.holds("skill_results"):
        checks = lessons.checks_of(room.db, room.tenant, [student_id])
        mapped = skill_map(mine, [student_id], asked.today, checks=checks)[student_id]
    return considered(room, asked, student_id, rows, mapped, help_)


def need_of(
    room: Room, today: date, student_id: str, rows: Sequence[Row], mapped: SkillMap | None, help_: Help
) -> Need:
    """Return what a student needs by the rows of a list, and by what the records and the casebook know today."""
    known = needs.circumstances(room.records, today).get(student_id, needs.UNKNOWN)
    factors = needs.of_rows(rows)
    chances = ((row.get("target") or "", row.get("probability")) for row in rows)
    one = needs.need(student_id, factors, known, needs.stakes(chances))
    one = replace(one, shared=room.shared(today).get(needs.year_of(known), frozenset()) & frozenset(one.factors))
    if mapped is not None:
        one = needs.with_practice(one, mapped, help_.library)
    casework = told.helped(room.db, room.tenant, today, [student_id])
    return heeded(one, casework.get(student_id, told.NOTHING))


def together(room: Room, today: date, skill: Skill, maps: Mapping[str, SkillMap]) -> tuple[shown.Learn, ...]:
    """Return what students learn a skill from together; nothing where the library cannot be read or has nothing of it."""
    try:
        library = room.help(today).library
    except Refused:
        return ()
    if not any((relation, skill.skill_id) in library.by_skill for relation in ("teaches", "assesses")):
        return ()
    known = needs.circumstances(room.records, today)
    each = [needs.wanted(needs.need(who, {}, known.get(who, needs.UNKNOWN)), library) for who in maps]
    return (learn(library.pair_together(skill, each, list(maps.values()))),)


def practice(room: Room, today: date, student_id: str, mapped: SkillMap) -> tuple[shown.Learn, ...]:
    """Return what to learn the skill from that is next; nothing where the library cannot be read."""
    try:
        library = room.help(today).library
    except Refused:
        return ()
    known = needs.circumstances(room.records, today).get(student_id, needs.UNKNOWN)
    wanted = needs.wanted(needs.need(student_id, {}, known), library)
    return tuple(map(learn, resources.practice(mapped, library, wanted)))


def learn(pair: Pair) -> shown.Learn:
    """Return what to learn a skill from as a page shows it."""
    return shown.Learn(
        skill=pair.statement, teaches=_resource(pair.teaches), checks=_resource(pair.checks)
    )


def _resource(one: Resource | None) -> shown.Resource | None:
    if one is None:
        return None
    return shown.Resource(
        title=one.title, language=one.language or "", minutes=one.minutes, offline=bool(one.offline), licence=one.licence
    )


def _shown(
    language: str, told_of: Sequence[told.Told], given: Sequence[offers.Offer], words: Words, catalogue: Catalogue | None, *,
    broken: bool,
) -> shown.Help:  # fmt: skip
    consents = [] if catalogue is None else [one.id for one in catalogue.values() if "consent" in one.needs]
    return shown.Help(
        language=language.replace("_", "-"), broken=broken, options=(), owed=(), ask=(), not_chosen=(),
        offered=tuple(
            shown.Offered(
                offer_id=one.id, name=named(words, catalogue, one.intervention_id), on=one.at.date(),
                drawn=one.probability is not None, answer=one.answer, why=one.reason, planned=one.planned_minutes,
                given=one.delivered_minutes,
            )
            for one in given if one.offered
        )[:MOST_OFFERS],
        told=tuple(
            shown.Told(
                told_id=one.id, barrier=_barrier(one),
                consent=named(words, catalogue, one.what) if one.kind == "consent" else "", told_by=one.told_by, by=one.by,
                on=one.at.date(),
            )
            for one in told_of
        ),
        barriers=told.BARRIERS, consents=tuple(Choice(value=key, name=named(words, catalogue, key)) for key in consents),
        bys=told.BYS, whys=offers.WHYS, answers=offers.ANSWERS,
    )  # fmt: skip


def _barrier(one: told.Told) -> told.Barrier | None:
    return next((name for name in told.BARRIERS if one.kind == "barrier" and name == one.what), None)


def _cut(option: Option, asked: Asked, may: May) -> Option | None:
    """Return an option as far as the reader may know of it: what people told a counselor, and that there is a plan."""
    known = option if may("work_case") else without_told(option)
    return known if known is None or may("see_plans") else without_plan(known, asked.words.facts)


def _option(option: Option, words: Words, catalogue: Catalogue, called: str) -> shown.Option:
    first = first_step((), called, words.facts) if option.intervention_id == CONVERSATION else None
    asks = option.intervention_id in (CONVERSATION, PLAN_TEAM)
    return shown.Option(
        intervention_id=option.intervention_id, name=named(words, catalogue, option.intervention_id),
        what=first["text"] if first else option.what,
        answers_to=() if asks else tuple(factor_name(one, words.facts) for one in told_factors(option.for_)), who=option.who,
        how_much=option.how_much, start_by=option.start_by,
        evidence=first["evidence"] if first else option.evidence,
        unknown=() if first else option.unknown, learn=tuple(map(learn, option.resources)), asks=asks,
    )  # fmt: skip


def named(words: Words, catalogue: Catalogue | None, key: str) -> str:
    """Return what help is called: by the words of the pages, else by the catalogue."""
    phrase = f"intervention.{key}"
    if phrase in words.phrases:
        return words.say(phrase)
    if key == PLAN_TEAM:
        return words.say("help.plan_team")
    return catalogue[key].name if catalogue is not None and key in catalogue else key

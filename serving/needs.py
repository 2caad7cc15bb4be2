"""What students need: factors from what was said of them, and what of their circumstances decides which help is possible.

A factor comes from a reason, which is a fact that adds to a score and that equally good models agree on, or from a line of the
published rule (:mod:`training.indicators`). Only what can change counts: history and context have no factor, and no factor is
made of who somebody is. Its weight is the reason's share of the heaviest one; a line of the rule that is met weighs 1. What no
record shows (belonging, health, the way to school) people add, after they asked.

Weights say what matters most to one student. How much is at stake, which can be held beside other students, is told apart from
them (:func:`stakes`): the calibrated chances of missing much school, of failing a course and of leaving.

Circumstances come from the records as known on a day. Of what is restricted only a yes or no is kept here: that there is a
plan and not which, that somebody must not be contacted and not who.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from math import fsum
from types import MappingProxyType
from typing import Any

import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords
from serving import skills, wording
from serving.recommend import Need, Outcome
from serving.resources import Library, Wanted, practice
from serving.scoring import Risk
from training.indicators import INDICATORS, SEVERE

#: Bands in which help is looked for.
CONCERNED = frozenset({"check_in_suggested", "keep_an_eye"})

#: A tenth of the days missed is chronic; from a fifth on, what is for some absence is no answer any more.
CHRONIC, MODERATE = 0.10, SEVERE.value

#: From six incidents in a school year on, help is for one student (the third tier of school-wide support of conduct).
INTENSIVE_INCIDENTS = 6

#: Where more than this of a year group has a factor, it is the year's, and the first answer is for the year.
SHARED = 0.20

#: Somebody came lately: the days since.
LATELY = 60

#: Which factors a concept is, where its fact says no more. History and access are not here: nobody can change the one, and
#: the other is owed whatever a model says.
_CONCEPTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "attendance": ("attendance_mild",),
        "coursework": ("coursework",),
        "marks": ("course_failure",),
        "engagement": ("engagement",),
        "skills": ("learning_gap",),
        "behaviour": ("behaviour",),
    }
)

#: The outcome that a model's chance is of. A skill's next score is at stake in a course, and is not counted twice.
OUTCOME_OF: Mapping[str, Outcome] = MappingProxyType(
    {"chronic_absence": "absence", "course_failure": "failing", "dropout": "leaving"}
)

#: Of so many students each happens to one in an ordinary school year: absence of a tenth of the days to a fifth of all, a
#: course that is failed to a tenth, leaving to one in 30. A stake is a multiple of these, so that where a school is like that
#: each outcome counts as much: who leaves as three failed courses, and as six years of much absence. It is a judgement of
#: what matters how much, and no finding.
USUAL: Mapping[Outcome, float] = MappingProxyType({"absence": 0.20, "failing": 0.10, "leaving": 1 / 30})

#: The factor of whoever may be about to leave, whatever the reasons.
STAYING = "persistence"

_EXCLUSION = frozenset({"suspended_days", "exclusion_days", "suspended"})
_INCIDENTS = frozenset({"incidents", "incidents_45d"})
_RATES = frozenset({"absence_rate", "absence_rate_20d", "absence_rate_45d"})

Weights = dict[str, float]
Stakes = Mapping[Outcome, float]


def stakes(chances: Iterable[tuple[str, float | None]]) -> dict[Outcome, float]:
    """Return how much of each outcome is at stake for one student, as a multiple of what is usual (:data:`USUAL`).

    It is how much there is to lose and never how likely help is to work: the hardest cases have the most at stake.

    Args:
        chances: targets and calibrated chances of one student, some for each class; the mean of a target's counts. An
            outcome without any is left out.

    """
    told: dict[Outcome, list[float]] = {}
    for target, chance in chances:
        if target in OUTCOME_OF and chance is not None:
            told.setdefault(OUTCOME_OF[target], []).append(chance)
    return {outcome: fsum(each) / len(each) / USUAL[outcome] for outcome, each in told.items()}


def stakes_of_risks(risks: Iterable[Risk]) -> dict[Outcome, float]:
    """Return what is at stake for one student by what models say of them, whatever the band."""
    return stakes((risk.model.target.name, risk.probability) for risk in risks)


def stakes_of_list(frame: pl.DataFrame) -> dict[str, dict[Outcome, float]]:
    """Return what is at stake for everybody on a list (``serving.batch.SCHEMA``), by key; the rule's list has no chances."""
    if not {"student_id", "target", "probability"} <= set(frame.columns):
        return {}
    told = frame.filter(pl.col("target").is_in(list(OUTCOME_OF)), pl.col("probability").is_not_null())
    each = told.group_by("student_id").agg("target", "probability")
    return {who: stakes(zip(targets, chances, strict=True)) for who, targets, chances in each.sort("student_id").iter_rows()}


def of_facts(facts: Iterable[tuple[str, str, float | None, float | None]]) -> Weights:
    """Return factors with weights from 0 to 1 of facts: concept, feature, value and contribution.

    A contribution that is None is a line of the rule that is met: it weighs 1.
    """
    each = [one for one in facts if one[0] in _CONCEPTS and (one[3] is None or one[3] > 0)]
    heaviest = max((weight for *_, weight in each if weight is not None), default=1.0)
    found: Weights = {}
    for concept, feature, value, weight in each:
        share = 1.0 if weight is None else weight / heaviest
        for factor, part in _factors(concept, feature, value):
            found[factor] = max(found.get(factor, 0.0), share * part)
    return found


def _factors(concept: str, feature: str, value: float | None) -> list[tuple[str, float]]:
    if concept == "attendance" and feature in _RATES and value is not None and value >= CHRONIC:
        # Between a tenth and a fifth what helps with some absence helps still, if less.
        return [("attendance_chronic", 1.0), *([("attendance_mild", 0.5)] if value < MODERATE else [])]
    if feature in _EXCLUSION:
        return [("exclusion", 1.0), ("behaviour", 0.5)]
    if feature in _INCIDENTS and value is not None and value >= INTENSIVE_INCIDENTS:
        return [("behaviour_intensive", 1.0), ("behaviour", 0.5)]
    if feature == "credits_share":
        return [("credits", 1.0)]
    return [(factor, 1.0) for factor in _CONCEPTS[concept]]


def of_risks(risks: Iterable[Risk]) -> Weights:
    """Return the factors of one student from what models say of them, reasons and lines of the rule alike."""
    found: Weights = {}
    for risk in risks:
        if risk.band not in CONCERNED or risk.skill_id is not None:
            continue
        said = [
            (one.concept, one.feature, one.value, one.contribution)
            for one in wording.reasons(risk, "")
            if risk.model.catalog[one.feature].modifiable
        ]
        found = merged(found, of_facts(said), of_values(risk.values), _of_target(risk.model.target.name))
    return found


def _of_target(target: str | None) -> Weights:
    return {STAYING: 1.0} if OUTCOME_OF.get(target or "") == "leaving" else {}


def of_values(values: Mapping[str, float | None]) -> Weights:
    """Return the factors of the lines of the published rule that a student's values reach."""
    met = []
    for indicator in INDICATORS:
        for sign in indicator.signs:
            value = values.get(sign.feature)
            if value is None:
                continue
            if value < sign.value if sign.below else value >= sign.value:
                met.append((indicator.concept, sign.feature, value, None))
            break
    return of_facts(met)


def of_rows(rows: Iterable[Mapping[str, Any]]) -> Weights:
    """Return the factors of one student from rows of a kept list (``serving.batch.SCHEMA``) or of the rule's list."""
    found: Weights = {}
    for row in rows:
        if row["band"] in CONCERNED and row.get("skill_id") is None:
            said = [(one["concept"], one["feature"], one["value"], one["contribution"]) for one in row["reasons"] or ()]
            found = merged(found, of_facts(said), _of_target(row.get("target")))
    return found


def merged(*each: Mapping[str, float]) -> Weights:
    """Return factors of several origins together: of the same factor the greatest weight."""
    found: Weights = {}
    for weights in each:
        for factor, weight in weights.items():
            found[factor] = max(found.get(factor, 0.0), weight)
    return found


# -- circumstances ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides which help is possible for one student; None where it is not known. See :class:`~serving.recommend.Need`."""

    grade_level: int | None = None
    organisation_id: str | None = None
    language: str | None = None
    device: bool | None = None
    internet: bool | None = None
    contact_restricted: bool | None = None
    plan_team: bool | None = None
    accommodations: tuple[str, ...] = ()
    running: frozenset[str] = frozenset()
    tried: Mapping[str, date] = field(default_factory=dict)
    ends_on: date | None = None
    came_lately: bool = False


UNKNOWN = Circumstances()


def circumstances(records: SchoolRecords, as_of: date) -> Mapping[str, Circumstances]:
    """Return the circumstances of everybody enrolled on a day, by key."""
    if not records.digest:
        return _circumstances(records, as_of)
    return _remembered(_Kept(records.tenant, records.digest, records.buckets, records), as_of)


@dataclass(frozen=True)
class _Kept:
    """Records by the digest that names them."""

    tenant: str
    digest: str
    buckets: int
    records: SchoolRecords = field(compare=False)


@lru_cache(maxsize=4)  # some MB for 5,000 students
def _remembered(kept: _Kept, as_of: date) -> Mapping[str, Circumstances]:
    return _circumstances(kept.records, as_of)


def _circumstances(records: SchoolRecords, as_of: date) -> Mapping[str, Circumstances]:
    found: dict[str, dict[str, Any]] = {}
    here = enrolled(records, pl.DataFrame({"as_of": [as_of]}, schema={"as_of": pl.Date})).stays.lazy().select("enrolment_id")
    stays = records.visible("enrolments", [as_of]).join(here, on="enrolment_id", how="semi")
    columns = ("student_id", "grade_level", "organisation_id", "planned_end_on", "entered_on", "entry_type")
    for who, grade, school, ends, entered, kind in (
        stays.sort("organisation_id", "enrolment_id", descending=True).select(columns).collect().iter_rows()
    ):
        new = kind in ("new", "transfer", "re_entry") and entered is not None and (as_of - entered).days <= LATELY
        found[who] = {"grade_level": grade, "organisation_id": school, "ends_on": ends, "came_lately": new}
    _at_home(records, as_of, found)
    _with_plans(records, as_of, found)
    _with_supports(records, as_of, found)
    return {who: Circumstances(**one) for who, one in found.items()}


def _at_home(records: SchoolRecords, as_of: date, found: Mapping[str, dict[str, Any]]) -> None:
    if records.holds("digital_access"):
        newest = records.visible("digital_access", [as_of]).sort("recorded_on").group_by("student_id").last()
        for who, device, internet in newest.select("student_id", "device", "internet").collect().iter_rows():
            if who in found:
                found[who] |= {"device": _has(device), "internet": _has(internet)}
    if records.holds("guardians"):
        for one in found.values():
            one["contact_restricted"] = False
        rows = records.visible("guardians", [as_of]).select("student_id", "language", "primary", "contact_restriction")
        for who, language, primary, restriction in rows.sort("student_id", "primary", nulls_last=False).collect().iter_rows():
            if who not in found:
                continue
            if (restriction or "none") != "none":
                found[who]["contact_restricted"] = True
            elif language and (primary or "language" not in found[who]):
                found[who]["language"] = language


def _has(word: str | None) -> bool | None:
    return None if word is None or word == "unknown" else word != "none"


def _with_plans(records: SchoolRecords, as_of: date, found: Mapping[str, dict[str, Any]]) -> None:
    if records.holds("plans"):
        for one in found.values():
            one["plan_team"] = False
        stands = pl.col("expires_on").is_null() | (pl.col("expires_on") >= as_of)
        rows = records.visible("plans", [as_of]).filter(pl.col("begins_on") <= as_of, stands).select("student_id")
        for who in rows.collect()["student_id"]:
            if who in found:
                found[who]["plan_team"] = True
    if records.holds("accommodations"):
        rows = (
            records.visible("accommodations", [as_of]).select("student_id", "accommodation").sort("student_id", "accommodation")
        )
        for who, accommodation in rows.collect().iter_rows():
            if who in found:
                found[who]["accommodations"] = (*found[who].get("accommodations", ()), accommodation)


def _with_supports(records: SchoolRecords, as_of: date, found: Mapping[str, dict[str, Any]]) -> None:
    if not records.holds("supports"):
        return
    begun = records.visible("supports", [as_of]).filter(pl.col("begins_on") <= as_of)
    ended = records.visible("support_ends", [as_of]).filter(pl.col("ended_on") <= as_of).select("support_id", "ended_on")
    rows = begun.join(ended, on="support_id", how="left").select("student_id", "intervention_id", "ended_on")
    for who, key, ended_on in rows.sort("student_id", "ended_on").collect().iter_rows():
        if who not in found:
            continue
        if ended_on is None:
            found[who]["running"] = found[who].get("running", frozenset()) | {key}
        else:
            found[who]["tried"] = {**found[who].get("tried", {}), key: ended_on}


# -- together ---------------------------------------------------------------------------------------------------------


def need(
    student_id: str, factors: Mapping[str, float], known: Circumstances = UNKNOWN, at_stake: Stakes = MappingProxyType({})
) -> Need:  # fmt: skip
    """Return the need of one student, without skills: these are added by :func:`with_practice`."""
    weights = merged(factors, {"entry": 1.0} if known.came_lately and factors else {})
    return Need(
        student_id, weights, known.grade_level, known.language, known.device, known.internet, known.contact_restricted,
        tried=known.tried, plan_team=known.plan_team, accommodations=known.accommodations, running=known.running,
        ends_on=known.ends_on, stakes=at_stake,
    )  # fmt: skip


def needs(
    records: SchoolRecords, as_of: date, factors: Mapping[str, Mapping[str, float]], library: Library | None = None,
    checks: Collection[skills.Check] = (), at_stake: Mapping[str, Stakes] = MappingProxyType({}),
) -> dict[str, Need]:  # fmt: skip
    """Return the needs of students, by key.

    Args:
        records: those of the whole school: a factor is the year's where more than a fifth of it has it.
        as_of: the day to look from.
        factors: factors with weights by student, of everybody with any.
        library: what there is to learn from; without it no skill is looked at.
        checks: teachers' checks of skills.
        at_stake: by student what is at stake, from :func:`stakes_of_list`; as much as usual for whom there is nothing.

    """
    known = circumstances(records, as_of)
    shared = shared_by_year(factors, known)
    found = {}
    for who, weights in factors.items():
        mine = known.get(who, UNKNOWN)
        one = need(who, weights, mine, at_stake.get(who, {}))
        found[who] = replace(one, shared=shared.get(year_of(mine), frozenset()) & frozenset(one.factors))
    if library is not None and records.holds("skill_results"):
        maps = skills.skill_map(records, list(found), as_of, checks=checks)
        found = {who: with_practice(one, maps[who], library) for who, one in found.items()}
    return found


def with_practice(one: Need, mapped: skills.SkillMap, library: Library) -> Need:
    """Return a need with the skills that are next, and a pair of resources for the lowest of them.

    How much learning is a factor is the share of skills that are not secure yet, of those of which there is evidence: almost
    everybody has a skill that is next.
    """
    nexts = tuple(known.skill.skill_id for known in mapped.next)
    not_yet = len(nexts) + sum(wait.known.state == "not_yet" for wait in mapped.waits)
    share = not_yet / max(not_yet + len(mapped.secure), 1)
    factors = merged(one.factors, {"learning_gap": share}) if nexts and one.factors else one.factors
    return replace(one, skills_next=nexts, factors=factors, practice=practice(mapped, library, wanted(one, library)))


def wanted(one: Need, library: Library) -> Wanted:
    """Return what a resource has to fit for a student: language, year, internet, and what their accommodations ask for.

    The school's language comes first, which is that of most of its library, and then the family's: what a student reads best
    is not on record.
    """
    tongues = tuple(dict.fromkeys(tongue for tongue in (library.language, one.language) if tongue))
    return Wanted(tongues, one.grade_level, one.internet, accessible=_accessible(one.accommodations))


#: What makes a resource usable for an accommodation, by a word of it.
_ACCESSIBLE: Mapping[str, str] = MappingProxyType(
    {"speech": "read aloud", "read aloud": "read aloud", "large print": "large print", "caption": "captions",
     "keyboard": "keyboard", "colour": "colour", "color": "colour"}
)  # fmt: skip


def _accessible(accommodations: Sequence[str]) -> tuple[str, ...]:
    words = " ".join(accommodations).casefold()
    return tuple(dict.fromkeys(asks for word, asks in _ACCESSIBLE.items() if word in words))


def year_of(known: Circumstances) -> tuple[str | None, int | None]:
    """Return the school and year of school of a student."""
    return known.organisation_id, known.grade_level


def shared_by_year(
    factors: Mapping[str, Mapping[str, float]], known: Mapping[str, Circumstances]
) -> dict[tuple[str | None, int | None], frozenset[str]]:
    """Return the factors that more than a fifth of a year group has, by school and year."""
    sizes: dict[tuple[str | None, int | None], int] = {}
    having: dict[tuple[str | None, int | None], dict[str, int]] = {}
    for who, one in known.items():
        year = year_of(one)
        sizes[year] = sizes.get(year, 0) + 1
        for factor in need(who, factors.get(who, {}), one).factors:
            having.setdefault(year, {})[factor] = having.setdefault(year, {}).get(factor, 0) + 1
    return {
        year: frozenset(factor for factor, count in counts.items() if count > SHARED * sizes[year])
        for year, counts in having.items()
    }

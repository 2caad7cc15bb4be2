"""What goes back to whom: one score per student, in the shape of the interface, cut to its audience.

A teacher gets bands and sentences; a counselor also probability, interval and contributions; a scientist the same
without identity; a family plain words and its rights.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from features.phrases import ENGLISH, Language, Sentence
from serving import offers, whatif, wording
from serving.listed import Before, Changed, Listed
from serving.needs import CONCERNED
from serving.scoring import WITHHELD, Risk
from training.trained import CHECK_IN

if TYPE_CHECKING:
    from serving.flat import Outlook

AUDIENCES = ("teacher", "counselor", "scientist", "family")

#: Who receives probability, interval and contributions.
WITH_NUMBERS = frozenset({"counselor", "scientist"})

#: What is said here in English, by key.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "option.talk": "Ask {whom} what is going on, before anything else.",
        "option.talk_student": "the student",
        "option.talk_name": "{name}",
        "option.talk_evidence": "The records cannot tell why. Only the student can.",
        "family.rights": "You may see what is recorded, have mistakes corrected, ask a person to look again, and object to "
        "being scored. No decision is made by this score: a person who knows the student decides.",
    }
)

RIGHTS = SENTENCES["family.rights"]

#: What sentences begin with where no name is known.
NOBODYS_NAME = "The student"


@dataclass(frozen=True, slots=True)
class Student:
    """Whom an answer is about: the school's key, the name to use in sentences, and what an earlier answer said of them."""

    student_id: str
    name: str = ""
    before: tuple[Before, ...] = ()

    @property
    def listed(self) -> tuple[Listed, ...]:
        """On which lists they were before."""
        return tuple(one.unit for one in self.before if one.band == CHECK_IN)

    @property
    def called(self) -> str:
        """The name to begin a sentence with."""
        return self.name or NOBODYS_NAME


def prediction_id(student: Student, as_of: date, risks: Sequence[Risk | Outlook], secret: bytes) -> str:
    """Return an identifier that names the model versions behind a score, so that their card can be found.

    The same student, day, models and features give the same identifier, and nobody without the secret can tell
    whose it is.
    """
    content = "|".join(
        [student.student_id, as_of.isoformat(), *(f"{risk.enrolment_id}{risk.skill_id}{risk.raw!r}" for risk in risks)]
    )
    versions = {risk.model.target.name: risk.model.version for risk in risks}
    return ".".join([pseudonym(content, secret), *(f"{target}-{version}" for target, version in sorted(versions.items()))])


def version_in(identifier: str, target: str) -> str | None:
    """Return the version of a target's model that a prediction's identifier names, or None."""
    for part in identifier.split(".")[1:]:
        name, _, version = part.rpartition("-")
        if name == target and version.isdigit():
            return version
    return None


def pseudonym(student_id: str, secret: bytes) -> str:
    """Return a stand-in for a student's key that cannot be found by trying all keys (HMAC-SHA-256)."""
    return hmac.new(secret, student_id.encode(), hashlib.sha256).hexdigest()[:20]


def answer(
    student: Student, as_of: date, risks: Sequence[Risk], skills: Mapping[str, str], audience: str, secret: bytes,
    skills_asked: bool = False, around: offers.Around | None = None,
    what_ifs: Mapping[whatif.Key, whatif.WhatIf] = MappingProxyType({}), language: Language = ENGLISH,
    changes: Mapping[whatif.Key, Changed] = MappingProxyType({}),
) -> dict[str, Any]:  # fmt: skip
    """Return one student's score for an audience.

    Args:
        student: whom it is about.
        as_of: the day it looks from.
        risks: what each model says, skills among them.
        skills: statements of skills by their key.
        audience: see :data:`AUDIENCES`.
        secret: the tenant's secret for pseudonyms.
        skills_asked: a model of skills is in use, so that silence on skills has to be explained.
        around: the help that there is, and the student's circumstances; without it the only help is the talk.
        what_ifs: what scores would be were something another, for those who see numbers; said in their language.
        language: what everything is said in.
        changes: what each unit came to before; said in their language.

    """
    scientist = audience == "scientist"
    called = "" if scientist else student.name
    told = _Told(called, audience, language)
    versions = {risk.model.target.name: risk.model.version for risk in risks}
    plain = [risk for risk in risks if risk.skill_id is None]
    gaps = [risk for risk in risks if risk.skill_id is not None]
    found: dict[str, Any] = {
        "prediction_id": prediction_id(student, as_of, risks, secret),
        "student_id": pseudonym(student.student_id, secret) if scientist else student.student_id,
        "as_of": as_of.isoformat(),
        "decision_support_only": True,
        "risks": [
            _risk(risk, told, secret) | _changed(risk, audience, changes) | _what_if(risk, audience, what_ifs) for risk in plain
        ],
        "gaps": [_gap(risk, told, skills, around) for risk in gaps],
        "recommendations": _recommendations(student, risks, told, as_of, around),
        "model": versions,
    }
    if skills_asked and not gaps:
        silent = next((risk for risk in risks if risk.status in WITHHELD), None)
        found |= {"gaps_status": "no_evidence", "gaps_reason": language.say(wording.sentence("not_known.skills"))}
        if silent is not None:
            found |= {"gaps_status": silent.status, "gaps_reason": _status_reason(silent, language)}
    if audience == "family":
        found["rights"] = language.text("family.rights", RIGHTS)
        del found["model"]
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """How an answer is told: what the student is called, empty for nobody's name, to whom, and in which language."""

    called: str
    audience: str
    language: Language


def _risk(risk: Risk, told: _Told, secret: bytes) -> dict[str, Any]:
    enrolment = risk.enrolment_id
    if enrolment is not None and told.audience == "scientist":
        enrolment = pseudonym(enrolment, secret)
    found: dict[str, Any] = {
        "target": risk.model.target.name,
        "enrolment_id": enrolment,
        "section_id": risk.section_id,
        "status": risk.status,
        "band": risk.band,
        "headline": wording.headline(risk.band, risk.status, told.language),
    }
    if risk.status != "scored":
        nothing: dict[str, Any] = {"reasons": [], "strengths": [], "unknowns": wording.unknowns(risk, told.language)}
        return found | {"status_reason": _status_reason(risk, told.language)} | nothing
    return found | _numbers(risk, told.audience) | {"per_100": wording.certainty(risk, told.language)} | _words(risk, told)


def _status_reason(risk: Risk, language: Language) -> str:
    return risk.status_reason if risk.status_told is None else language.say(risk.status_told)


def _changed(risk: Risk, audience: str, changes: Mapping[whatif.Key, Changed]) -> dict[str, Any]:
    """Return what it came to before; a band in place of the number where there is none, or none for this audience."""
    told = changes.get(whatif.key(risk)) if risk.status == "scored" else None
    if told is None:
        return {"changed_since": None}
    day = None if told.as_of is None else told.as_of.isoformat()
    number = told.probability if audience in WITH_NUMBERS else None
    was: dict[str, Any] = {"band": told.band} if number is None else {"probability": number}
    return {"changed_since": {"as_of": day} | was | {"text": told.text}}


def _what_if(risk: Risk, audience: str, what_ifs: Mapping[whatif.Key, whatif.WhatIf]) -> dict[str, Any]:
    told = what_ifs.get(whatif.key(risk)) if audience in WITH_NUMBERS else None
    return {} if told is None else {"what_if": [{"text": told.text, "probability": told.probability, "band": told.band}]}


def _gap(risk: Risk, told: _Told, skills: Mapping[str, str], around: offers.Around | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "skill_id": risk.skill_id,
        "statement": skills.get(str(risk.skill_id), ""),
        "section_id": risk.section_id,
        "status": risk.status,
    }
    if risk.status != "scored":
        why, unknowns = _status_reason(risk, told.language), wording.unknowns(risk, told.language)
        return found | {"status_reason": why, "reasons": [], "unknowns": unknowns}
    found |= _numbers(risk, told.audience)
    if told.audience in WITH_NUMBERS:
        assert risk.expected_interval is not None
        found |= {"expected": risk.expected, "interval": list(risk.expected_interval)}
    ready, blocked_by, pairs = (None, (), ()) if around is None else around.gap(risk.student_id, str(risk.skill_id))
    found |= {"per_100": wording.certainty(risk, told.language), "ready_to_learn": ready, "blocked_by": list(blocked_by)}
    return found | {"resources": offers.listed(pairs, told.audience, told.language)} | _words(risk, told)


def _numbers(risk: Risk, audience: str) -> dict[str, Any]:
    if audience not in WITH_NUMBERS:
        return {}
    assert risk.interval is not None
    return {"probability": risk.probability, "interval": list(risk.interval)}


def _words(risk: Risk, told: _Told) -> dict[str, Any]:
    return {
        "reasons": [plain_reason(one, told.audience) for one in wording.reasons(risk, told.called, told.language)],
        "strengths": [plain_reason(one, told.audience) for one in wording.strengths(risk, told.called, told.language)],
        "unknowns": wording.unknowns(risk, told.language),
    }


def plain_reason(reason: wording.Reason, audience: str) -> dict[str, Any]:
    """Return a reason as plain values, as much of it as an audience may have."""
    found: dict[str, Any] = {"concept": reason.concept, "direction": reason.direction, "text": reason.text}
    if audience != "family":
        found |= {"feature": reason.feature, "value": reason.value, "compared_with": dict(reason.compared_with)}
    if audience in WITH_NUMBERS:
        found["contribution"] = reason.contribution
    return found


def _recommendations(
    student: Student, risks: Sequence[Risk], told: _Told, as_of: date, around: offers.Around | None
) -> list[dict[str, Any]]:
    """Return what could be done, at most three things: to ask first, and before it the plan team where there is one."""
    concerned = [risk for risk in risks if risk.band in CONCERNED]
    if not concerned:
        return []
    concepts = list(dict.fromkeys(reason.concept for risk in concerned for reason in wording.reasons(risk, "")))
    first = first_step(concepts, told.called, told.language)
    if around is None:
        return [first]
    considered = around.considered(student.student_id, concerned, as_of, told.language)
    return offers.plain(considered, told.audience, first, told.language)


def first_step(concepts: Sequence[str], called: str, language: Language = ENGLISH) -> dict[str, Any]:
    """Return the help that comes before any other: to ask. Nobody's name is "The student", or empty."""
    name = "" if called == NOBODYS_NAME else called
    whom = _told("option.talk_name", name=name) if name else _told("option.talk_student")
    return {
        "intervention_id": "conversation",
        "for": list(concepts),
        "text": language.say(_told("option.talk", whom=whom)),
        "evidence": language.say(_told("option.talk_evidence")),
        "resources": [],
    }


def _told(key: str, **values: object) -> Sentence:
    return Sentence(key, SENTENCES[key], values)

"""The catalogue of help: what there is, for what, what studies found of it, and what shrinks that in an ordinary school.

``interventions.toml`` beside this file is the shipped catalogue. A district's own ``interventions.toml`` in its state folder
adds entries, changes shipped ones, withdraws them with a reason and a day, and sets beside the published effect what the
district measured itself. A file is taken whole or refused with everything that is wrong with it.

Effects come in many units: days, grades, shares of students. Ranking needs one, so each entry has a ``size`` in standard
deviations, found by one rule and never by taste: as published where a study gave it so; the Cox index (the log odds ratio
over 1.65, as the What Works Clearinghouse has it) where it gave two shares; where it gave the share averted of what goes wrong
(days missed, courses failed), the log of what was left over 1.65, which is the same index of something rare; the normal
distance of percentile points from the middle where it gave those; otherwise :data:`ASSUMED` where a gain is published in
another unit, and :data:`UNCLAIMED` where none is claimed or where nobody has checked the claim yet. The size is multiplied by
``shrink``, what is left of an effect when it leaves its trial (Kraft, Schueler and Falken 2024 for tutoring), before
anything is ranked by it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from features.phrases import ENGLISH, Language
from features.problems import Problem, Refused

#: The name of a district's own file, in its state folder.
FILE = "interventions.toml"

Tier = Literal[1, 2, 3]
Evidence = Literal[1, 2, 3, 4]
How = Literal["lottery", "doubly_robust"]

#: The talk that comes before any other help.
CONVERSATION = "conversation"

#: Practice for one skill: it is matched through the map of skills.
RESOURCE = "resource_skill"

#: What help answers to, each in words that complete "for". ``any`` is answered whatever it is.
FACTORS: Mapping[str, str] = MappingProxyType(
    {
        "attendance_mild": "some absence",
        "attendance_chronic": "much absence",
        "coursework": "missing or late work",
        "course_failure": "a course below passing",
        "credits": "credits that are wanting",
        "learning_gap": "a skill that is not secure yet",
        "engagement": "little activity online",
        "behaviour": "conduct",
        "behaviour_intensive": "conduct, often and for long",
        "exclusion": "days lost to exclusion",
        "belonging": "belonging",
        "persistence": "staying in school",
        "wellbeing": "wellbeing",
        "entry": "a new school or level",
        "access": "access at home",
        "transport": "the way to school",
        "health": "health",
        "advising": "planning of studies",
        "any": "whatever it is",
    }
)

#: What only people can name: no record shows it, and nothing here infers it.
TOLD_BY_PEOPLE = frozenset({"belonging", "wellbeing", "transport", "health", "advising"})

#: What help may need.
NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "internet": "internet at home",
        "device": "a device at home",
        "consent": "the family's or the student's consent",
        "contact_home": "contact with the home",
        "specialist": "a specialist",
        "skill": "a skill that is next",
    }
)

#: Who gives help.
WHO: Mapping[str, str] = MappingProxyType(
    {
        "adult": "an adult the student trusts",
        "teacher": "a teacher",
        "teachers": "the teachers of a year group",
        "counselor": "a counselor",
        "tutor": "a trained tutor",
        "mentor": "a mentor",
        "volunteer": "a volunteer of a mentoring programme",
        "family_liaison": "whoever works with families",
        "office": "the school office",
        "nurse": "the school nurse or health service",
        "psychologist": "a behaviour specialist",
        "principal": "the principal",
        "it_staff": "whoever lends devices",
        "transport_office": "whoever plans the way to school",
        "adviser": "an adviser",
    }
)

#: What the evidence of a level weighs in the ranking: a trial counts whole, a rationale two fifths.
EVIDENCE_WEIGHTS: Mapping[int, float] = MappingProxyType({1: 1.0, 2: 0.8, 3: 0.6, 4: 0.4})

#: Sizes where no study gives one, in standard deviations: .05 to .20 is a middling effect on tests (Kraft 2020).
ASSUMED, UNCLAIMED = 0.10, 0.05

#: The Cox index: log odds ratios over 1.65 are about standard deviations.
COX = 1.65

#: How far the true effect here may lie from the shrunk published one: standard deviations, before anything was measured here.
SPREAD = 0.10

#: Standard errors below which four fifths of a normal distribution lie.
_FOUR_TO_ONE = NormalDist().inv_cdf(0.8)

_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LEAST_TEXT = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """What a study found.

    ``value`` is in ``metric``, of ``population``, from ``source``; ``says`` tells it in plain words. ``reviewed_on`` is the
    day on which the entry was last held against where it comes from. ``reported`` is the effect in standard deviations where
    the source gives it so, ``before`` and ``after`` two shares, ``averted`` the share averted of what goes wrong, and
    ``percentiles`` points from the middle where it gives those.
    ``checked`` says that somebody has checked the figure at its source: one that nobody has is told as such, and ranks as none.
    """

    value: float
    metric: str
    population: str
    source: str
    reviewed_on: date
    says: str = ""
    reported: float | None = None
    before: float | None = None
    after: float | None = None
    percentiles: float | None = None
    averted: float | None = None
    checked: bool = True

    @property
    def size(self) -> float:
        """The effect in standard deviations, by the rule at the top of this file; below zero where it harmed."""
        if not self.checked:
            return UNCLAIMED
        if self.reported is not None:
            return self.reported
        if self.before is not None and self.after is not None:
            return (_log_odds(self.after) - _log_odds(self.before)) / COX
        if self.averted is not None:
            return -math.log1p(-self.averted) / COX
        if self.percentiles is not None:
            return NormalDist().inv_cdf(0.5 + self.percentiles / 100)
        return ASSUMED

    @property
    def size_from(self) -> str:
        """Where the size comes from, in plain words."""
        if not self.checked:
            return "nobody has checked the figure at its source yet, so it counts as none"
        if self.reported is not None:
            return "as the study gave it"
        if self.before is not None and self.after is not None:
            return "worked out from the two shares"
        if self.averted is not None:
            return "worked out from the share of what goes wrong that was averted"
        if self.percentiles is not None:
            return "worked out from the percentile points"
        return "assumed, because the figure is in another unit"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the district measured itself: ``size`` in standard deviations with the ends of its 95% interval."""

    size: float
    low: float
    high: float
    students: int
    on: date
    how: How

    @property
    def error(self) -> float:
        """The standard error that the interval stands for."""
        return (self.high - self.low) / (2 * 1.96)


@dataclass(frozen=True, slots=True)
class Intervention:
    """One kind of help.

    ``factors`` are codes of :data:`FACTORS`; ``grades`` the first and last year of school, 0 for kindergarten and 13 for higher
    education, and ``also_grades`` others. ``tier`` is 1 for everybody, 3 for one student. ``effect`` is None where none is
    claimed, ``shrink`` what is left of it outside its trial, ``cautions`` what shrinks it and what else to know. ``needs`` are
    of :data:`NEEDS`, ``excludes`` other help that it is not given beside, ``conflicts`` words of a recorded accommodation
    that it cannot be given with. ``entitlement``: it is owed, so nobody ranks, draws or limits it. ``group``: it is for a
    class or a year, not for one student. ``says`` is what happens. ``unchecked`` are claims that nobody has checked yet.
    ``weeks`` is how long it takes, ``start_within_days`` and ``again_after_days`` when it should begin and may be tried again;
    ``languages`` in which it is given, none named where that is no matter.
    """

    id: str
    name: str
    factors: tuple[str, ...]
    grades: tuple[int, int]
    tier: Tier
    evidence: Evidence
    effect: Effect | None
    shrink: float
    dose: str
    who: str
    minutes_per_week: int
    needs: tuple[str, ...]
    excludes: tuple[str, ...]
    entitlement: bool
    group: bool
    says: str
    also_grades: tuple[int, ...] = ()
    conflicts: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    not_known: str = ""
    weeks: int = 0
    start_within_days: int = 14
    again_after_days: int = 90
    languages: tuple[str, ...] = ()
    measured: Measured | None = None

    @property
    def published(self) -> float:
        """The published effect in standard deviations, shrunk."""
        return (UNCLAIMED if self.effect is None else self.effect.size) * self.shrink

    @property
    def expected(self) -> float:
        """What is expected of it here, in standard deviations: the shrunk published effect, corrected by what was measured.

        Both are weighed by how sure they are: a normal prior of :data:`SPREAD` around the first, and the district's own
        estimate with its error. A small or wide estimate moves little, a large one takes over.
        """
        if self.measured is None:
            return self.published
        prior, own = 1 / SPREAD**2, 1 / self.measured.error**2
        return (prior * self.published + own * self.measured.size) / (prior + own)

    @property
    def averts(self) -> float:
        """The share that is expected to be averted of what goes wrong: the size, as odds of something rare (``COX``)."""
        return -math.expm1(-COX * self.expected)

    @property
    def known_not_to_help(self) -> bool:
        """Whether nobody should be given it: published as no help, or by all that is known four times likelier to do harm.

        An estimate of one year is wide: help is not given up for looking useless, and not kept until harm is proven.
        """
        if self.measured is None:
            return self.published <= 0
        return self.expected + _FOUR_TO_ONE / math.sqrt(1 / SPREAD**2 + 1 / self.measured.error**2) < 0

    @property
    def weight(self) -> float:
        """What its evidence weighs: that of its level, or a trial's where the district's own lottery measured it."""
        return EVIDENCE_WEIGHTS[1 if self.measured is not None and self.measured.how == "lottery" else self.evidence]

    def takes(self, grade_level: int | None) -> bool:
        """Whether it is for a year of school; where that is not recorded, only what is for every year is."""
        if grade_level is None:
            return self.grades == (0, 13)
        return self.grades[0] <= grade_level <= self.grades[1] or grade_level in self.also_grades


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An entry that a district gives no longer."""

    id: str
    name: str
    reason: str
    on: date


@dataclass(frozen=True)
class Catalogue(Mapping[str, Intervention]):
    """Help by its key, in the order of the files; ``withdrawn`` is what the district gives no longer."""

    entries: Mapping[str, Intervention]
    withdrawn: Mapping[str, Withdrawn] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Intervention:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def told_in(self, language: Language) -> Catalogue:
        """Return the catalogue with its texts in a language; what a district wrote itself stays as it wrote it."""
        if language is ENGLISH:
            return self
        return Catalogue(MappingProxyType({key: _told_in(one, language) for key, one in self.entries.items()}), self.withdrawn)

    def with_measured(self, measured: Mapping[str, Measured]) -> Catalogue:
        """Return the catalogue with what was measured here beside what was published; keys that are not in it are left out."""
        entries = {key: replace(one, measured=measured.get(key, one.measured)) for key, one in self.entries.items()}
        return Catalogue(MappingProxyType(entries), self.withdrawn)


@lru_cache(maxsize=1)
def shipped() -> Catalogue:
    """Return the catalogue that comes with Homeroom."""
    return read(Path(__file__).with_name(FILE))


def read(path: Path) -> Catalogue:
    """Return the catalogue of a whole file. Raises :class:`Refused` with everything that is wrong with it."""
    problems: list[Problem] = []
    told = _toml(path)
    faults = _Faults(path.name, problems)
    faults.only("", told, ("intervention",))
    rows = faults.tables("intervention", told.get("intervention", {}))
    found = {key: _intervention(key, row, faults) for key, row in rows.items()}
    if not found:
        faults.add("intervention", "there is no help in it", "Write each under [intervention.KEY].")
    elif CONVERSATION not in found:
        faults.add("intervention", f"there is no {CONVERSATION}", "It comes before any other help: add it.")
    _consistent(found, faults)
    _refuse(problems)
    return Catalogue(MappingProxyType(found))


def with_district(shipped: Catalogue, path: Path) -> Catalogue:
    """Return the catalogue as a district's own file leaves it.

    Args:
        shipped: the catalogue that the file adds to.
        path: the file: ``[intervention.KEY]`` adds, ``[change.KEY]`` replaces single values, ``[withdraw.KEY]`` takes out with
            ``reason`` and ``on``, ``[measured.KEY]`` gives the district's own effect with its interval.

    Raises:
        Refused: with everything that is wrong: keys that there are not, values that are none, an entry that is there already
            or is not there, and a withdrawal of what is owed or of the talk that comes first.

    """
    return with_told(shipped, _toml(path), path.name)


def with_told(shipped: Catalogue, told: Mapping[str, Any], file: str = FILE) -> Catalogue:
    """Return the catalogue as what a district wrote leaves it: a file's tables, or what was signed of one.

    A day may be text, as it is in what was signed. Raises :class:`Refused`; see :func:`with_district`.
    """
    problems: list[Problem] = []
    faults = _Faults(file, problems)
    faults.only("", told, ("intervention", "change", "withdraw", "measured"))
    entries = dict(shipped)
    for key, row in faults.tables("intervention", told.get("intervention", {})).items():
        if key in shipped:
            faults.add(f"intervention.{key}", "there is one of this key already", f"Change it under [change.{key}].")
        entries[key] = _intervention(key, row, faults)
    for key, row in faults.tables("change", told.get("change", {})).items():
        if _there(key, shipped, f"change.{key}", faults):
            entries[key] = _changed(shipped[key], row, faults)
    withdrawn = dict(shipped.withdrawn)
    for key, row in faults.tables("withdraw", told.get("withdraw", {})).items():
        where = f"withdraw.{key}"
        faults.only(where, row, ("reason", "on"))
        reason, on = faults.text(where, row, "reason"), faults.day(where, row, "on")
        if not _there(key, shipped, where, faults):
            continue
        if key in told.get("change", {}):
            faults.add(where, "it is changed as well", "Change it or withdraw it.")
        if key == CONVERSATION or shipped[key].entitlement:
            why = "it is owed to whoever needs it" if shipped[key].entitlement else "it comes before any other help"
            faults.add(where, f"it cannot be withdrawn: {why}", "Take this out.")
        withdrawn[key] = Withdrawn(key, shipped[key].name, reason, on)
        del entries[key]
    for key, row in faults.tables("measured", told.get("measured", {})).items():
        if _there(key, entries, f"measured.{key}", faults):
            entries[key] = replace(entries[key], measured=_measured(f"measured.{key}", row, faults))
    _consistent(entries, faults, withdrawn)
    _refuse(problems)
    return Catalogue(MappingProxyType(entries), MappingProxyType(withdrawn))


def of_folder(folder: Path) -> Catalogue:
    """Return the catalogue of a state folder: the shipped one, with the district's own file where there is one.

    Raises:
        Refused: with everything that is wrong with the district's file.

    """
    own = folder / FILE
    return with_district(shipped(), own) if own.exists() else shipped()


# -- in a language ----------------------------------------------------------------------------------------------------


def english() -> dict[str, str]:
    """Return what a language says of help, by key: the shipped texts, what help is for, what it needs and who gives it."""
    found = {f"{kind}.{code}": text for kind, texts in (("factor", FACTORS), ("need", NEEDS), ("who", WHO))
             for code, text in texts.items()}  # fmt: skip
    for one in shipped().values():
        found |= {f"help.{one.id}.{part}": text for part, text in _texts(one).items()}
    return found


def factor_name(code: str, language: Language = ENGLISH) -> str:
    """Return what help answers to in words that complete "for"."""
    return language.text(f"factor.{code}", FACTORS[code])


def need_name(code: str, language: Language = ENGLISH) -> str:
    """Return what help may need in words."""
    return language.text(f"need.{code}", NEEDS[code])


def who_name(code: str, language: Language = ENGLISH) -> str:
    """Return who gives help in words."""
    return language.text(f"who.{code}", WHO[code])


def _texts(one: Intervention) -> dict[str, str]:
    """Return an entry's texts by what they are."""
    found = {"name": one.name, "says": one.says, "dose": one.dose, "not_known": one.not_known,
             "effect": one.effect.says if one.effect is not None else ""}  # fmt: skip
    for part, several in (("caution", one.cautions), ("unchecked", one.unchecked)):
        found |= {f"{part}_{at}": text for at, text in enumerate(several, 1)}
    return {part: text for part, text in found.items() if text}


def _told_in(one: Intervention, language: Language) -> Intervention:
    def told(part: str, text: str) -> str:
        key = f"help.{one.id}.{part}"
        return language.text(key, text) if text and language.has(key, text) else text  # a district's text is no template

    return replace(
        one, name=told("name", one.name), says=told("says", one.says), dose=told("dose", one.dose),
        not_known=told("not_known", one.not_known),
        effect=None if one.effect is None else replace(one.effect, says=told("effect", one.effect.says)),
        cautions=tuple(told(f"caution_{at}", text) for at, text in enumerate(one.cautions, 1)),
        unchecked=tuple(told(f"unchecked_{at}", text) for at, text in enumerate(one.unchecked, 1)),
    )  # fmt: skip


# -- one entry --------------------------------------------------------------------------------------------------------

_KEYS = ("name", "factors", "grades", "also_grades", "tier", "evidence", "effect", "shrink", "cautions", "dose", "who",
         "minutes_per_week", "weeks", "needs", "excludes", "conflicts", "entitlement", "group", "says", "unchecked",
         "not_known", "start_within_days", "again_after_days", "languages")  # fmt: skip
_EFFECT = ("value", "metric", "population", "source", "reviewed_on", "says", "reported", "before", "after", "percentiles",
           "averted", "checked")  # fmt: skip
_MEASURED = ("size", "low", "high", "students", "on", "how")


def _intervention(key: str, row: Mapping[str, Any], faults: _Faults, within: str = "intervention") -> Intervention:
    where = f"{within}.{key}"
    if not _ID.fullmatch(key):
        faults.add(where, "this is no key", "Use 2 to 40 small letters, digits and _, beginning with a letter.")
    faults.only(where, row, _KEYS)
    tier, evidence = faults.whole(where, row, "tier", 1, 3), faults.whole(where, row, "evidence", 1, 4)
    who = faults.text(where, row, "who")
    if who and who not in WHO:
        faults.add(f"{where}.who", "nobody of this kind is known", f"They are: {', '.join(WHO)}.")
    grades = faults.grades(where, row, "grades")
    if len(grades) != 2 or grades[0] > grades[1]:
        faults.add(f"{where}.grades", "these are not a first and a last year of school", "Write [first, last], from 0 to 13.")
        grades = (0, 13)
    factors = faults.words(where, row, "factors", FACTORS, least=1)
    return Intervention(
        key, faults.text(where, row, "name"), factors, (grades[0], grades[1]), cast("Tier", tier), cast("Evidence", evidence),
        _effect(f"{where}.effect", row["effect"], faults) if "effect" in row else None,
        faults.number(where, row, "shrink", 0, 1, 1.0), faults.text(where, row, "dose"), who,
        faults.whole(where, row, "minutes_per_week", 0, 2_400), faults.words(where, row, "needs", NEEDS),
        faults.words(where, row, "excludes"), faults.truth(where, row, "entitlement"), faults.truth(where, row, "group"),
        faults.text(where, row, "says"), faults.grades(where, row, "also_grades", ()), faults.words(where, row, "conflicts"),
        faults.words(where, row, "cautions"), faults.words(where, row, "unchecked"),
        faults.text(where, row, "not_known") if "not_known" in row else "", faults.whole(where, row, "weeks", 0, 200, 0),
        faults.whole(where, row, "start_within_days", 0, 365, 14), faults.whole(where, row, "again_after_days", 0, 3_650, 90),
    )  # fmt: skip


def _changed(one: Intervention, row: Mapping[str, Any], faults: _Faults) -> Intervention:
    """Return an entry with single values replaced; its effect is replaced whole."""
    before = len(faults.problems)
    plain: dict[str, Any] = {name: getattr(one, name) for name in _KEYS if name != "effect"}
    plain |= {name: list(value) for name, value in plain.items() if isinstance(value, tuple)}
    for name in ("not_known",):  # a text that may be empty is left out where it is
        if not plain[name]:
            del plain[name]
    found = _intervention(one.id, plain | dict(row), faults, "change")
    if one.entitlement and not found.entitlement and len(faults.problems) == before:
        faults.add(f"change.{one.id}.entitlement", "what is owed stays owed", "Take this out.")
    return replace(found, effect=found.effect if "effect" in row else one.effect, measured=one.measured)


def _effect(where: str, row: object, faults: _Faults) -> Effect | None:
    if not isinstance(row, dict):
        faults.add(where, "this is no table", f"Write it under [{where}].")
        return None
    faults.only(where, row, _EFFECT)
    shares = ("before" in row, "after" in row)
    if shares[0] != shares[1]:
        faults.add(where, "it has one of two shares", "Give both `before` and `after`, or neither.")
    ends = [faults.number(where, row, name, 0.001, 0.999) if name in row else None for name in ("before", "after")]
    reported = faults.number(where, row, "reported", -3, 3) if "reported" in row else None
    return Effect(
        faults.number(where, row, "value", -1e6, 1e6), faults.text(where, row, "metric"), faults.text(where, row, "population"),
        faults.text(where, row, "source"), faults.day(where, row, "reviewed_on"), faults.text(where, row, "says"), reported,
        ends[0], ends[1], faults.number(where, row, "percentiles", -49, 49) if "percentiles" in row else None,
        faults.number(where, row, "averted", -1, 0.99) if "averted" in row else None,
        faults.truth(where, row, "checked", default=True),
    )  # fmt: skip


def _measured(where: str, row: Mapping[str, Any], faults: _Faults) -> Measured:
    faults.only(where, row, _MEASURED)
    low, high = faults.number(where, row, "low", -3, 3), faults.number(where, row, "high", -3, 3)
    size = faults.number(where, row, "size", -3, 3)
    if not low <= size <= high or low == high:
        faults.add(where, "the effect is not within an interval that has a width", "Write low < high around size.")
    how = faults.text(where, row, "how")
    if how not in get_args(How):
        faults.add(f"{where}.how", "this is no way of measuring", f"They are: {', '.join(get_args(How))}.")
    return Measured(size, low, high, faults.whole(where, row, "students", 1, 10_000_000), faults.day(where, row, "on"),
                    cast("How", how))  # fmt: skip


def _there(key: str, entries: Mapping[str, Intervention], where: str, faults: _Faults) -> bool:
    if key in entries:
        return True
    faults.add(where, "there is no help of this key", f"The keys are: {', '.join(entries)}.")
    return False


def _consistent(
    entries: Mapping[str, Intervention], faults: _Faults, withdrawn: Mapping[str, Withdrawn] = MappingProxyType({})
) -> None:
    for key, one in entries.items():
        for other in one.excludes:
            if (other not in entries and other not in withdrawn) or other == key:
                faults.add(f"{key}.excludes", "it excludes help that there is not", f"The keys are: {', '.join(entries)}.")


# -- what a file says -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Faults:
    """Values of a file's tables, each taken or noted as wrong with its place."""

    file: str
    problems: list[Problem]

    def add(self, where: str, problem: str, hint: str) -> None:
        self.problems.append(Problem("catalogue", where, problem, hint, file=self.file))

    def only(self, where: str, row: Mapping[str, Any], known: Sequence[str]) -> None:
        for name in row:
            if name not in known:
                self.add(f"{where}.{name}".lstrip("."), "there is no such key", f"The keys are: {', '.join(known)}.")

    def tables(self, name: str, told: object) -> Mapping[str, Mapping[str, Any]]:
        if isinstance(told, dict) and all(isinstance(row, dict) for row in told.values()):
            return told
        self.add(name, "these are no tables", f"Write each under [{name}.KEY].")
        return {}

    def text(self, where: str, row: Mapping[str, Any], name: str) -> str:
        found = row.get(name)
        if isinstance(found, str) and len(found.strip()) >= _LEAST_TEXT:
            return found.strip()
        self.add(f"{where}.{name}", "it is missing or no text", "Write text between quotes.")
        return ""

    def number(
        self, where: str, row: Mapping[str, Any], name: str, least: float, most: float, default: float | None = None
    ) -> float:
        found = row.get(name, default)
        if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found) and least <= found <= most:
            return float(found)
        self.add(f"{where}.{name}", f"it is no number from {least:g} to {most:g}", "Write it without a unit.")
        return least

    def whole(self, where: str, row: Mapping[str, Any], name: str, least: int, most: int, default: int | None = None) -> int:
        found = row.get(name, default)
        if isinstance(found, int) and not isinstance(found, bool) and least <= found <= most:
            return found
        self.add(f"{where}.{name}", f"it is no whole number from {least} to {most:,}", "Write it without a unit.")
        return least

    def truth(self, where: str, row: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
        found = row.get(name, default)
        if isinstance(found, bool):
            return found
        self.add(f"{where}.{name}", "it is neither true nor false", "Write true or false.")
        return default

    def words(
        self, where: str, row: Mapping[str, Any], name: str, known: Mapping[str, str] | None = None, least: int = 0
    ) -> tuple[str, ...]:
        found = row.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found) or len(found) < least:
            self.add(f"{where}.{name}", "it is missing or no list of texts", "Write texts between brackets.")
            return ()
        for one in found:
            if known is not None and one not in known:
                self.add(f"{where}.{name}", "one of them is not known here", f"They are: {', '.join(known)}.")
        return tuple(found)

    def grades(self, where: str, row: Mapping[str, Any], name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        found = row.get(name, list(default) if default is not None else None)
        if isinstance(found, list) and all(type(one) is int and 0 <= one <= 13 for one in found):
            return tuple(found)
        self.add(f"{where}.{name}", "these are no years of school", "Write them between brackets, from 0 to 13.")
        return (0, 13) if default is None else default

    def day(self, where: str, row: Mapping[str, Any], name: str) -> date:
        found = row.get(name)
        if type(found) is date:  # a moment is a day too to Python, and none that anybody meant
            return found
        if isinstance(found, str) and _DAY.fullmatch(found):
            with suppress(ValueError):
                return date.fromisoformat(found)
        self.add(f"{where}.{name}", "it is missing or no day", "Write it as YYYY-MM-DD, without quotes.")
        return date.min


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        at = re.search(r"line \d+, column \d+", str(error))
        where = f"{path.name}, {at[0]}" if at else path.name
        wrong = Problem("catalogue", where, "this is not TOML in UTF-8", "Correct the file.", file=path.name)
        raise Refused([wrong], "The catalogue was refused") from None


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(problems, "The catalogue was refused")

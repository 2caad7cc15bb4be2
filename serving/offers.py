"""Help as answers, lists and pages tell it: options in plain values, for one student or for a whole list.

The rules are in :mod:`serving.recommend`, the circumstances in :mod:`serving.needs`; here they meet what models said. Whoever
reads an answer gets no more than they may: why other help was not chosen can tell of a contact restriction, and is for
counselors alone; that there is a plan is told to those who may see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from features.phrases import ENGLISH, Language, Sentence
from features.problems import NotFound
from features.records import SchoolRecords
from serving import catalogue, learned, needs, recommend, resources, skills
from serving.cases import agreements
from serving.cases.database import Engine
from serving.cases.told import NOTHING, Helped
from serving.cases.told import helped as told_of_help
from serving.catalogue import CONVERSATION, Catalogue
from serving.needs import UNKNOWN, Circumstances
from serving.recommend import PLAN_TEAM, Considered, Need, Option
from serving.resources import Library, Pair
from serving.scoring import Risk

#: A column of lists: what could be done for a student, at most three things, the talk first.
RECOMMENDATIONS = pl.List(
    pl.Struct(
        {"intervention_id": pl.String, "for": pl.List(pl.String), "text": pl.String, "who": pl.String, "how_much": pl.String,
         "start_by": pl.Date, "evidence": pl.String, "unknown": pl.List(pl.String), "resources": pl.List(pl.String)}
    )
)  # fmt: skip

#: What is said here in English, by key.
SENTENCES: Mapping[str, str] = MappingProxyType({"option.minutes": "{minutes:n minute}"})

#: Who may be told why other help was not chosen, and who that there is a plan.
_TOLD_WHY = frozenset({"counselor"})
_NO_PLAN = frozenset({"scientist", "teacher"})


@dataclass(frozen=True)
class Help:
    """The help that there is at a school: its catalogue, and its library of resources.

    ``helped`` is what the casebook knows of students' help when a list is made: what runs, what ended or was refused, what
    was agreed to and what stands in the way. An answer asks for it anew (:class:`Around`).
    """

    catalogue: Catalogue
    library: Library
    helped: Mapping[str, Helped] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, as_of: date | None, records: SchoolRecords | None = None, db: Engine | None = None) -> Help:
        """Return the help of a tenant's folder, with the library of its records as known on a day.

        Args:
            folder: the tenant's, whose name is the tenant's key.
            as_of: the day.
            records: the tenant's; without them those that are kept.
            db: where a catalogue was signed and case work is kept; without it neither is known.

        Raises:
            Refused: with everything that is wrong with the district's own catalogue or library.

        """
        try:
            mine = records or SchoolRecords.open(folder / "records")
        except NotFound:
            mine = None
        kept = Library({}) if mine is None or as_of is None else resources.library(mine, as_of, folder)
        helped = {} if db is None or as_of is None else told_of_help(db, folder.name, as_of)
        return cls(catalogue_of(folder, db), kept, helped)


def catalogue_of(folder: Path, db: Engine | None) -> Catalogue:
    """Return the catalogue in force: the newest that was signed, and where none ever was, the district's file as it is.

    What was found here of help (:mod:`serving.learned`) stands in it beside what was published.

    Raises :class:`Refused` with everything that is wrong with it.
    """
    signed = None if db is None else agreements.in_force(db, folder.name, "catalogue", date.max)
    if signed is None:
        return learned.with_own(catalogue.of_folder(folder), folder)
    return learned.with_own(_signed(_Signed(signed.digest, signed.content)), folder)


@dataclass(frozen=True)
class _Signed:
    """What was signed, by the digest that names it."""

    digest: str
    content: Mapping[str, Any] = field(compare=False)


@lru_cache(maxsize=16)
def _signed(one: _Signed) -> Catalogue:
    return catalogue.with_told(catalogue.shipped(), one.content, "the catalogue that was signed")


def stamp(folder: Path, db: Engine | None = None) -> tuple[tuple[str, int | str], ...]:
    """Return what changes when a district's own catalogue or library does, cheap to look at."""
    own = [folder / catalogue.FILE, folder / learned.FILE, *sorted((folder / resources.FOLDER).glob("*"))]
    signed = None if db is None else agreements.in_force(db, folder.name, "catalogue", date.max)
    files = ((one.name, one.stat().st_mtime_ns) for one in own if one.is_file())
    return (*files, *(() if signed is None else (("signed", signed.digest),)))


def heeded(one: Need, known: Helped) -> Need:
    """Return a need with what the casebook knows: what runs and was tried, what was agreed to, what stands in the way."""
    barriers = {barrier: 1.0 for barrier in known.barriers if barrier in catalogue.TOLD_BY_PEOPLE}
    tried = {key: max(on, one.tried.get(key, on)) for key, on in known.tried.items()}
    return replace(
        one, running=one.running | known.running, tried={**one.tried, **tried}, consents=one.consents | known.consents,
        factors=needs.merged(one.factors, barriers),
    )  # fmt: skip


@dataclass(frozen=True)
class Around:
    """What an answer needs beside what models say: the help, and each student's circumstances and map of skills.

    ``maps`` is None where the records do not say which skills come before which. ``helped`` is what the casebook knows.
    """

    help: Help
    known: Mapping[str, Circumstances] = field(default_factory=dict)
    maps: Mapping[str, skills.SkillMap] | None = None
    helped: Mapping[str, Helped] = field(default_factory=dict)

    @classmethod
    def of(
        cls, help_: Help, records: SchoolRecords, student_ids: Sequence[str], as_of: date, asks_skills: bool,
        db: Engine | None = None,
    ) -> Around:  # fmt: skip
        """Return what is around some students, from records as known on a day and from the casebook as it is."""
        maps = None
        if asks_skills and records.holds("skill_prerequisites") and records.holds("skill_results"):
            maps = skills.skill_map(records, student_ids, as_of)
        helped = {} if db is None else told_of_help(db, records.tenant, as_of, student_ids)
        return cls(help_, needs.circumstances(records, as_of), maps, helped)

    def need(self, student_id: str, risks: Sequence[Risk]) -> Need:
        """Return the need of a student from what models say of them."""
        one = needs.need(
            student_id, needs.of_risks(risks), self.known.get(student_id, UNKNOWN), needs.stakes_of_risks(risks)
        )
        mapped = None if self.maps is None else self.maps.get(student_id)
        one = one if mapped is None else needs.with_practice(one, mapped, self.help.library)
        return heeded(one, self.helped.get(student_id, NOTHING))

    def considered(
        self, student_id: str, risks: Sequence[Risk], today: date, language: Language = ENGLISH
    ) -> Considered:  # fmt: skip
        """Return what could be done for a student, said in a language."""
        return recommend.consider(self.need(student_id, risks), self.help.catalogue, today, language)

    def gap(self, student_id: str, skill_id: str) -> tuple[bool | None, tuple[str, ...], tuple[Pair, ...]]:
        """Return whether a student is ready to learn a skill, what it waits for, and what there is to learn from.

        Ready is None where it is not known: the records do not say what comes before, or the skill looks secure on record.
        Where the skill has to wait, the resources are for the lowest of those it waits for that the student is ready for.
        """
        mapped = None if self.maps is None else self.maps.get(student_id)
        if mapped is None:
            return None, (), ()
        open_ = {known.skill.skill_id: known for known in (*mapped.next, *mapped.not_enough_evidence)}
        wanted = needs.wanted(needs.need(student_id, {}, self.known.get(student_id, UNKNOWN)), self.help.library)
        if skill_id in open_:
            return True, (), (self.help.library.pair(open_[skill_id].skill, wanted),)
        waits = {one.known.skill.skill_id: one.waits_for for one in mapped.waits}
        if skill_id not in waits:
            return None, (), ()
        lowest = next((known.skill for known in mapped.next if known.skill.skill_id in _below(skill_id, waits)), None)
        pairs = () if lowest is None else (self.help.library.pair(lowest, wanted),)
        return False, tuple(known.skill.skill_id for known in waits[skill_id]), pairs


def _below(skill_id: str, waits: Mapping[str, Sequence[skills.Known]]) -> set[str]:
    """Return everything that a skill waits for, directly or through others."""
    found: set[str] = set()
    left = [skill_id]
    while left:
        for known in waits.get(left.pop(), ()):
            if known.skill.skill_id not in found:
                found.add(known.skill.skill_id)
                left.append(known.skill.skill_id)
    return found


def plain(
    considered: Considered, audience: str, first: Mapping[str, Any], language: Language = ENGLISH
) -> list[dict[str, Any]]:  # fmt: skip
    """Return options as plain values for an audience, at most three.

    Args:
        considered: what was considered.
        audience: see ``serving.answers.AUDIENCES``.
        first: the talk as it is told of this student; what the option itself says is added to it.
        language: what the minutes of resources are said in; the options have been said in theirs.

    """
    found = []
    for one in considered.options:
        option = one if audience in _TOLD_WHY else without_told(one)
        if option is not None and audience in _NO_PLAN:
            option = without_plan(option, language)
        if option is None:
            continue
        told = _option(option, considered, audience, language)
        found.append({**told, **first, "resources": told["resources"]} if option.intervention_id == CONVERSATION else told)
    return found


def without_told(option: Option) -> Option | None:
    """Return an option without what people told a counselor; None where it answers to nothing else."""
    if option.intervention_id in (CONVERSATION, PLAN_TEAM):
        return replace(option, for_=tuple(one for one in option.for_ if one not in catalogue.TOLD_BY_PEOPLE))
    kept = tuple(one for one in option.for_ if one not in catalogue.TOLD_BY_PEOPLE)
    return replace(option, for_=kept) if kept or not option.for_ else None


def without_plan(option: Option, language: Language = ENGLISH) -> Option | None:
    """Return an option without a word of whether there is a plan; None where it is about nothing else."""
    if option.intervention_id == PLAN_TEAM:
        return None
    hidden = {language.text(key, recommend.SENTENCES[key]) for key in ("unknown.accommodations", "unknown.plan")}
    return replace(option, unknown=tuple(one for one in option.unknown if one not in hidden))


def _option(option: Option, considered: Considered, audience: str, language: Language) -> dict[str, Any]:
    told: dict[str, Any] = {
        "intervention_id": option.intervention_id, "for": list(option.for_), "text": option.what, "evidence": option.evidence,
        "resources": listed(option.resources, audience, language), "who": option.who, "how_much": option.how_much,
        "start_by": option.start_by.isoformat(), "unknown": list(option.unknown),
    }  # fmt: skip
    if audience in _TOLD_WHY:
        told["not_chosen"] = [
            {"intervention_id": one.intervention_id, "reason": one.reason, "text": one.says} for one in considered.not_chosen
        ]
    return told


def listed(pairs: Sequence[Pair], audience: str, language: Language = ENGLISH) -> list[dict[str, Any]]:
    """Return resources as plain values; a family reads how long each takes in words."""
    found = resources.chosen(pairs)
    if audience == "family":
        for one in found:
            minutes = one.pop("minutes")
            told = Sentence("option.minutes", SENTENCES["option.minutes"], {"minutes": minutes})
            one["takes"] = "" if minutes is None else language.say(told)
    return found


# -- a whole list -----------------------------------------------------------------------------------------------------


def needs_of_list(frame: pl.DataFrame, records: SchoolRecords, as_of: date, help_: Help) -> dict[str, Need]:
    """Return the needs of everybody on a list for whom help is looked for, by key.

    Args:
        frame: a scored list (``serving.batch.SCHEMA``), or the rule's.
        records: those of the whole school.
        as_of: the day of the list.
        help_: the help that there is.

    """
    found = needs.needs(
        records, as_of, factors_of_list(frame), help_.library, at_stake=needs.stakes_of_list(frame)
    )
    return {who: heeded(one, help_.helped.get(who, NOTHING)) for who, one in found.items()}


def factors_of_list(frame: pl.DataFrame) -> dict[str, needs.Weights]:
    """Return the factors of everybody on a list for whom help is looked for, by key."""
    rows: dict[str, list[dict[str, Any]]] = {}
    concerned = frame.filter(pl.col("band").is_in(list(needs.CONCERNED)), pl.col("skill_id").is_null())
    columns = [name for name in ("student_id", "band", "skill_id", "reasons", "target") if name in frame.columns]
    for row in concerned.select(columns).iter_rows(named=True):
        rows.setdefault(row["student_id"], []).append(row)
    return {who: needs.of_rows(mine) for who, mine in sorted(rows.items())}


def with_recommendations(frame: pl.DataFrame, records: SchoolRecords, as_of: date, help_: Help) -> pl.DataFrame:
    """Return a list with the column ``recommendations`` filled, for the rows in whose band help is looked for.

    A student's rows all have the same: it answers to everything that is wrong. Rows of skills have none.
    """
    made = []
    for who, need in needs_of_list(frame, records, as_of, help_).items():
        options = recommend.match(need, help_.catalogue, as_of)
        told = (without_told(option) for option in options)  # a list is a file that goes about
        made.append({"student_id": who, "recommendations": [_row(option) for option in told if option is not None]})
    column = pl.DataFrame(made, schema={"student_id": pl.String, "recommendations": RECOMMENDATIONS})
    mine = pl.col("band").is_in(list(needs.CONCERNED)) & pl.col("skill_id").is_null()
    joined = frame.drop("recommendations", strict=False).join(column, on="student_id", how="left", maintain_order="left")
    return joined.with_columns(pl.when(mine).then("recommendations").alias("recommendations")).select(
        *frame.columns, *(() if "recommendations" in frame.columns else ("recommendations",))
    )


def _row(option: Option) -> dict[str, Any]:
    return {
        "intervention_id": option.intervention_id, "for": list(option.for_), "text": option.what, "who": option.who,
        "how_much": option.how_much, "start_by": option.start_by, "evidence": option.evidence, "unknown": list(option.unknown),
        "resources": [one["resource_id"] for one in resources.chosen(option.resources)],
    }  # fmt: skip


def possible(needed: Mapping[str, Need], records: SchoolRecords, help_: Help, as_of: date) -> pl.DataFrame:
    """Return what places are allocated among: ``student_id``, ``intervention_id``, ``score`` and ``school``, a row each.

    Only help that is possible and is for one student has a row; the talk, what is owed, and what is for a plan team have none.
    """
    known = needs.circumstances(records, as_of)
    rows = [
        (who, option.intervention_id, option.score, known.get(who, UNKNOWN).organisation_id)
        for who, one in needed.items()
        for option in recommend.possible(one, help_.catalogue, as_of)
        if not help_.catalogue[option.intervention_id].group
    ]
    schema = {"student_id": pl.String, "intervention_id": pl.String, "score": pl.Float64, "school": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")

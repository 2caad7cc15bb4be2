"""What there is to learn from: resources with the skills they teach, check or take for granted.

A library is made of the tables ``resources`` and ``resource_skills`` of a school's records, and of files in its state folder,
``resources/*.csv`` and ``resources/*.json`` or ``*.jsonld``. CSV has the columns of :data:`COLUMNS`; JSON-LD is schema.org's
``LearningResource`` with the properties of LRMI: ``educationalAlignment`` whose ``alignmentType`` is ``teaches``, ``assesses``
or ``requires``, or ``teaches``, ``assesses`` and ``competencyRequired`` themselves. A skill is named by its key on record, by
a CASE identifier or the address that ends in one, or by its code (``humanCodingScheme``). No address is ever opened.

A student gets one resource that teaches the skill they are ready for and one that checks it. Both fit: not longer than
:data:`MOST_MINUTES`, in a language that they read, not written for a later year than theirs, nothing in it that needs a skill
they do not have, and usable offline where there is no internet at home. Where none fits, that is said; nothing unfit is shown.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl

from features.problems import NotFound, Problem, Refused, shape_of
from features.records import SchoolRecords
from features.tables import TABLES
from serving.skills import Known, Skill, SkillMap

Relation = Literal["teaches", "assesses", "requires"]
RELATIONS: tuple[Relation, ...] = ("teaches", "assesses", "requires")

#: The folder of a state folder in which a school's own resources lie.
FOLDER = "resources"

#: Longer than this, a resource is a lesson of its own.
MOST_MINUTES = 30

#: Fewer than this are helped one by one; more are a class.
LEAST_TOGETHER, MOST_TOGETHER = 2, 8

#: What a CSV file may say of a resource. Several skills, or several words, are parted by ``;``.
COLUMNS = ("resource_id", "title", "teaches", "assesses", "requires", "language", "level", "minutes", "offline", "accessible",
           "format", "url", "licence", "reviewed")  # fmt: skip

_LISTS = frozenset({"teaches", "assesses", "requires", "accessible"})
_TRUTHS: Mapping[str, bool] = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

#: Media that are one file, which can be taken home.
_FILES = frozenset({"application/pdf", "application/epub+zip", "application/zip"})

_DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?")
_PREFIX = re.compile(r"^(?:https?://schema\.org/|https?://purl\.org/dcx/lrmi-terms/|schema:|sdo:|lrmi:)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing to learn from. None is not known. ``skills`` are keys by what the resource has to do with them."""

    id: str
    title: str
    skills: Mapping[Relation, tuple[str, ...]]
    language: str | None = None
    level: int | None = None
    minutes: int | None = None
    offline: bool | None = None
    accessible: tuple[str, ...] = ()
    format: str = ""
    url: str = ""
    licence: str = ""
    reviewed: bool = False

    def does(self, relation: Relation, skill_id: str) -> bool:
        """Whether it teaches, assesses or requires a skill."""
        return skill_id in self.skills.get(relation, ())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a resource has to fit: None where it is not known.

    ``languages`` are those the student reads, the first preferred; none named takes any. ``secure`` are the skills they have,
    None where nobody looked. ``accessible`` are words that a resource should name, such as ``captions``.
    """

    languages: tuple[str, ...] = ()
    grade_level: int | None = None
    internet: bool | None = None
    minutes: int = MOST_MINUTES
    secure: frozenset[str] | None = None
    accessible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """What to learn one skill from: ``teaches`` and ``checks``, None where nothing fits, and why these in ``says``."""

    skill_id: str
    statement: str
    teaches: Resource | None
    checks: Resource | None
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Students who are ready for the same skill: for one lesson together. ``pair`` fits all of them."""

    skill: Skill
    student_ids: tuple[str, ...]
    pair: Pair


@dataclass(frozen=True)
class Library:
    """Resources by key. ``unknown`` are skills that files name and the records do not have, with how often."""

    resources: Mapping[str, Resource]
    unknown: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def by_skill(self) -> Mapping[tuple[Relation, str], tuple[Resource, ...]]:
        """Resources by what they do with which skill."""
        found: dict[tuple[Relation, str], list[Resource]] = {}
        for one in self.resources.values():
            for relation, skills in one.skills.items():
                for skill_id in skills:
                    found.setdefault((relation, skill_id), []).append(one)
        return {key: tuple(each) for key, each in found.items()}

    @cached_property
    def language(self) -> str | None:
        """The language of most of it, None where none is known."""
        counted = Counter(one.language for one in self.resources.values() if one.language)
        return min(counted, key=lambda tongue: (-counted[tongue], tongue), default=None)

    def pair(self, skill: Skill, wanted: Wanted) -> Pair:
        """Return a resource that teaches a skill and another that checks it, as far as any fits."""
        teaches, checks = self.best("teaches", skill, wanted), self.best("assesses", skill, wanted)
        said = []
        if teaches is not None:
            said.append(f"Chosen because it teaches: {skill.statement}.")
        else:
            said.append(self._wanting("teaches", "teaches", skill, wanted))
        if checks is None:
            said.append(self._wanting("assesses", "checks", skill, wanted))
        if wanted.internet is None and any(one is not None and not one.offline for one in (teaches, checks)):
            said.append("It needs internet, and whether there is any at home is not recorded: ask first.")
        return Pair(skill.skill_id, skill.statement, teaches, checks, tuple(said))

    def pair_together(self, skill: Skill, each: Sequence[Wanted], maps: Sequence[SkillMap]) -> Pair:
        """Return a pair that fits everybody of a group: what one of them cannot use, the group does not."""
        return self.pair(skill, _together(each, maps))

    def best(self, relation: Relation, skill: Skill, wanted: Wanted) -> Resource | None:
        """Return the resource that fits best, or None: reviewed ones first, then language, access, level and length."""
        fitting = [one for one in self.by_skill.get((relation, skill.skill_id), ()) if fits(one, wanted)]
        return min(fitting, key=lambda one: _rank(one, skill, wanted), default=None)

    def _wanting(self, relation: Relation, word: str, skill: Skill, wanted: Wanted) -> str:
        every = self.by_skill.get((relation, skill.skill_id), ())
        if not every:
            return f"The library has nothing that {word} this."
        if wanted.internet is False and not any(one.offline for one in every):
            return f"The library has nothing that {word} this without internet."
        return f"The library has nothing that {word} this and fits the student's language, year, time and access."


def fits(one: Resource, wanted: Wanted) -> bool:
    """Whether a resource can be used. What is not known of its language, year or length fits; of offline it does not."""
    if wanted.internet is False and not one.offline:
        return False
    if one.minutes is not None and one.minutes > wanted.minutes:
        return False
    if one.language is not None and wanted.languages and not any(_same(one.language, tongue) for tongue in wanted.languages):
        return False
    if one.level is not None and wanted.grade_level is not None and one.level > wanted.grade_level:
        return False
    return wanted.secure is None or all(skill in wanted.secure for skill in one.skills.get("requires", ()))


def _rank(one: Resource, skill: Skill, wanted: Wanted) -> tuple[Any, ...]:
    place = len(wanted.languages)
    if one.language is not None:
        place = next((at for at, tongue in enumerate(wanted.languages) if _same(one.language, tongue)), place)
    missing = sum(not any(word.casefold() in has.casefold() for has in one.accessible) for word in wanted.accessible)
    away = 0 if one.level is None or skill.grade_level is None else abs(one.level - skill.grade_level)
    online = wanted.internet is not True and not one.offline
    return not one.reviewed, missing, place, online, away, one.minutes or 0, one.id


def practice(one: SkillMap, library: Library, wanted: Wanted, most: int = 1) -> tuple[Pair, ...]:
    """Return what to learn next and from what: the lowest skills that are not secure and before which everything is."""
    secure = frozenset(known.skill.skill_id for known in one.secure)
    mine = replace(wanted, secure=secure if wanted.secure is None else wanted.secure)
    return tuple(library.pair(known.skill, mine) for known in one.next[:most])


def lessons(
    maps: Mapping[str, SkillMap], library: Library, wanted: Mapping[str, Wanted], most: int = MOST_TOGETHER
) -> tuple[Lesson, ...]:
    """Return groups of students for one lesson each, those of most students first.

    Every student is in one group at most: that of the skill they are ready for which most of the others are ready for too,
    among as many the lowest. A student alone is in none. Groups are cut into even parts where they are larger than ``most``.

    Args:
        maps: the students' maps of skills.
        library: what there is to learn from.
        wanted: what resources have to fit, by student; the pair of a group fits every student of it.
        most: students in a group.

    """
    open_: dict[str, list[Known]] = {who: list(one.next) for who, one in maps.items() if one.next}
    found: list[Lesson] = []
    while True:
        ready: dict[str, tuple[Skill, list[str]]] = {}
        for who in sorted(open_):
            for known in open_[who]:
                ready.setdefault(known.skill.skill_id, (known.skill, []))[1].append(who)
        several = [pair for pair in ready.values() if len(pair[1]) >= LEAST_TOGETHER]
        if not several:
            break
        skill, students = min(several, key=lambda pair: (-len(pair[1]), pair[0].place))
        parts = -(-len(students) // most)
        for at in range(parts):
            members = tuple(students[at::parts])
            together = _together([wanted.get(who, Wanted()) for who in members], [maps[who] for who in members])
            found.append(Lesson(skill, members, library.pair(skill, together)))
        for who in students:
            del open_[who]
    return tuple(sorted(found, key=lambda one: (-len(one.student_ids), one.skill.place, one.student_ids)))


def _together(each: Sequence[Wanted], maps: Sequence[SkillMap]) -> Wanted:
    """Return what fits everybody: what one of them cannot use, the group does not."""
    secure = frozenset.intersection(*(frozenset(known.skill.skill_id for known in one.secure) for one in maps))
    common = tuple(one for one in each[0].languages if all(not other.languages or one in other.languages for other in each))
    grades = [one.grade_level for one in each if one.grade_level is not None]
    internet = (
        False if any(one.internet is False for one in each) else None if any(one.internet is None for one in each) else True
    )
    accessible = tuple(dict.fromkeys(word for one in each for word in one.accessible))
    return Wanted(common, min(grades, default=None), internet, min(one.minutes for one in each), secure, accessible)


# -- where they come from ---------------------------------------------------------------------------------------------


def library(records: SchoolRecords, as_of: date, folder: Path | None = None) -> Library:
    """Return a school's library: its records as known on a day, and the files of its state folder.

    A resource of a file takes the place of one on record with the same key.

    Raises:
        Refused: with everything that is wrong with the files.

    """
    found: dict[str, Resource] = {}
    if records.holds("resources") and records.holds("resource_skills"):
        found |= _of_records(records, as_of)
    unknown: dict[str, int] = {}
    if folder is not None and (folder / FOLDER).is_dir():
        keys = _keys(records, as_of)
        for one in read_folder(folder / FOLDER):
            known = {relation: tuple(keys[_code(code)] for code in codes if _code(code) in keys)
                     for relation, codes in one.skills.items()}  # fmt: skip
            for code in (code for codes in one.skills.values() for code in codes if _code(code) not in keys):
                unknown[code] = unknown.get(code, 0) + 1
            found[one.id] = replace(one, skills={relation: skills for relation, skills in known.items() if skills})
    return Library(found, unknown)


def _of_records(records: SchoolRecords, as_of: date) -> dict[str, Resource]:
    skills: dict[str, dict[Relation, list[str]]] = {}
    rows = records.visible("resource_skills", [as_of]).select("resource_id", "skill_id", "relation").collect()
    for resource_id, skill_id, relation in rows.sort("resource_id", "skill_id").iter_rows():
        skills.setdefault(resource_id, {}).setdefault(relation, []).append(skill_id)
    found = {}
    wanted = ("resource_id", "title", "language", "level", "minutes", "offline", "accessible", "format", "url_path")
    table = records.visible("resources", [as_of]).select(wanted).collect().sort("resource_id")
    for key, title, language, level, minutes, offline, accessible, form, path in table.iter_rows():
        taught = {relation: tuple(keys) for relation, keys in skills.get(key, {}).items()}
        words = tuple(word.strip() for word in (accessible or "").split(";") if word.strip())
        found[key] = Resource(key, title or key, taught, language, level, minutes, offline, words, form or "", path or "")
    return found


def _keys(records: SchoolRecords, as_of: date) -> Mapping[str, str]:
    rows = records.visible("skills", [as_of]).select("skill_id").collect()["skill_id"].to_list()
    return {_code(key): key for key in rows}


def _code(text: str) -> str:
    """Return what a skill is found by: the last part of an address, without case."""
    return text.strip().rstrip("/").rpartition("/")[2].rpartition("#")[2].casefold()


def read_folder(folder: Path) -> tuple[Resource, ...]:
    """Return the resources of all files of a folder, whose skills are still as the files name them.

    Raises:
        Refused: with everything that is wrong with any of them, a key that two of them have among it.

    """
    return read_files(sorted(one for one in folder.iterdir() if one.suffix.lower() in _READERS))


def read_files(paths: Iterable[Path]) -> tuple[Resource, ...]:
    """Do the same with some files."""
    return _read_files(tuple((one, one.stat().st_mtime_ns, one.stat().st_size) for one in paths))


@lru_cache(maxsize=8)  # a library is asked for with every answer, and its files change once a term
def _read_files(files: tuple[tuple[Path, int, int], ...]) -> tuple[Resource, ...]:
    problems: list[Problem] = []
    found: dict[str, tuple[Resource, str]] = {}
    for path, _, _ in files:
        for one, where in _READERS[path.suffix.lower()](path, problems):
            if one.id in found:
                hint = f"It is in {found[one.id][1]} already; give each its own."
                problems.append(Problem("twice", where, "another resource has this key", hint, file=path.name))
            found[one.id] = one, where
    if problems:
        raise Refused(problems, "The library was refused")
    return tuple(one for one, _ in found.values())


def read(path: Path) -> tuple[Resource, ...]:
    """Return the resources of one file, CSV or JSON-LD, whose skills are still as the file names them.

    Raises:
        NotFound: there is no such file.
        Refused: with everything that is wrong with it.

    """
    if not path.is_file():
        raise NotFound(f"There is no {path.name}.")
    if path.suffix.lower() not in _READERS:
        known = ", ".join(_READERS)
        raise Refused([Problem("unknown_ending", path.name, "a file of this ending is not read", f"Send one of {known}.",
                               file=path.name)], "The library was refused")  # fmt: skip
    return read_files([path])


def frames(resources: Iterable[Resource]) -> dict[str, pl.DataFrame]:
    """Return resources as rows of the tables ``resources`` and ``resource_skills``, to be sent with an export."""
    each = sorted(resources, key=lambda one: one.id)
    schema = {column.name: column.type for column in TABLES["resources"].columns}
    rows = [
        {"resource_id": one.id, "title": one.title, "language": one.language, "format": one.format or None,
         "url_path": one.url or None, "minutes": one.minutes, "offline": one.offline,
         "accessible": ";".join(one.accessible) or None, "level": one.level}
        for one in each
    ]  # fmt: skip
    taught = [(one.id, skill, relation) for one in each for relation, skills in one.skills.items() for skill in skills]
    columns = ["resource_id", "skill_id", "relation"]
    return {
        "resources": pl.DataFrame(rows, schema=schema),
        "resource_skills": pl.DataFrame(taught, schema=dict.fromkeys(columns, pl.String), orient="row"),
    }


# -- CSV --------------------------------------------------------------------------------------------------------------


def _csv(path: Path, problems: list[Problem]) -> Iterator[tuple[Resource, str]]:
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        problems.append(Problem("unreadable", path.name, "this is not CSV in UTF-8", "Save it so.", file=path.name))
        return
    header = [name.strip() for name in rows[0]] if rows else []
    unknown = [name for name in header if name not in COLUMNS]
    lacking = [name for name in ("resource_id", "title") if name not in header]
    for name in (*unknown, *lacking):
        wrong = "there is no such column" if name in unknown else "the column is missing"
        hint = f"The columns are: {', '.join(COLUMNS)}."
        problems.append(Problem("columns", f"{path.name}, {name}", wrong, hint, file=path.name, column=name))
    if unknown or lacking:
        return
    for line, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path.name}, row {line}"
        if len(cells) != len(header):
            hint = "Put cells with a comma between quotes."
            problems.append(Problem("cells", where, "it has another number of cells than the header", hint, path.name, line))
            continue
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
        told: dict[str, Any] = {
            name: [word.strip() for word in cell.split(";") if word.strip()] if name in _LISTS else cell
            for name, cell in row.items()
        }
        yield _made(told, where, path.name, problems), where


def _made(told: Mapping[str, Any], where: str, file: str, problems: list[Problem]) -> Resource:
    """Return a resource of what a file says of it by the names of :data:`COLUMNS`, and note what is wrong."""

    def wrong(name: str, problem: str, hint: str) -> None:
        shape = shape_of(told[name]) if name in told else ""
        problems.append(Problem("bad_value", f"{where}, {name}", problem, hint, file=file, column=name, value_shape=shape))

    def whole(name: str, most: int) -> int | None:
        text = str(told.get(name, ""))
        if text and not (text.isascii() and text.isdigit() and int(text) <= most):
            wrong(name, f"this is no whole number from 0 to {most:,}", "Write digits only.")
            return None
        return int(text) if text else None

    def truth(name: str) -> bool | None:
        text = str(told.get(name, "")).casefold()
        if text and text not in _TRUTHS:
            wrong(name, "this is neither yes nor no", "Write yes or no.")
        return _TRUTHS.get(text)

    for name in ("resource_id", "title"):
        if not str(told.get(name, "")).strip():
            wrong(name, "it is missing", "Every resource has a key and a title.")
    language = told.get("language")
    if language is not None and not _LANGUAGE.fullmatch(str(language)):
        wrong("language", "this is no code of a language", "Write it as en, es or pt-BR.")
        language = None
    skills: dict[Relation, tuple[str, ...]] = {
        relation: tuple(str(one) for one in told[relation]) for relation in RELATIONS if told.get(relation)
    }
    if not skills:
        problems.append(Problem("no_skill", where, "it has nothing to do with any skill", "Name one it teaches or assesses.",
                                file=file))  # fmt: skip
    return Resource(
        str(told.get("resource_id", "")), str(told.get("title", "")), skills, None if language is None else str(language),
        whole("level", 13), whole("minutes", 10_000), truth("offline"), tuple(str(one) for one in told.get("accessible", ())),
        str(told.get("format", "")), str(told.get("url", "")), str(told.get("licence", "")), truth("reviewed") or False,
    )  # fmt: skip


# -- LRMI in JSON-LD --------------------------------------------------------------------------------------------------


def _jsonld(path: Path, problems: list[Problem]) -> Iterator[tuple[Resource, str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        problems.append(Problem("unreadable", path.name, "this is not JSON in UTF-8", "Send JSON-LD.", file=path.name))
        return
    each = content.get("@graph", [content]) if isinstance(content, dict) else content
    if not isinstance(each, list) or not all(isinstance(one, dict) for one in each):
        hint = "Send one LearningResource, a list of them, or a @graph."
        problems.append(Problem("malformed", path.name, "these are no objects of JSON-LD", hint, file=path.name))
        return
    for at, raw in enumerate(each):
        one = {_PREFIX.sub("", name): value for name, value in raw.items()}
        kinds = {_PREFIX.sub("", str(kind)) for kind in _many(one.get("@type"))}
        told = _lrmi(one)
        # A graph describes frameworks and people too; whatever is aligned with a skill is something to learn from.
        if "LearningResource" not in kinds and not any(told.get(relation) for relation in RELATIONS):
            continue
        where = f"{path.name}[{at}]"
        yield _made(told, where, path.name, problems), where


def _lrmi(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a LearningResource says by the names of :data:`COLUMNS`; what it does not say is left out."""
    skills: dict[str, list[str]] = {relation: [] for relation in RELATIONS}
    for aligned in _many(one.get("educationalAlignment")):
        if isinstance(aligned, dict):
            terms = {_PREFIX.sub("", name): value for name, value in aligned.items()}
            relation = _PREFIX.sub("", _text(terms.get("alignmentType")))
            if relation in skills:
                skills[relation] += [
                    named for named in (_text(terms.get("targetUrl")) or _text(terms.get("targetName")),) if named
                ]
    for name, relation in (("teaches", "teaches"), ("assesses", "assesses"), ("competencyRequired", "requires")):
        skills[relation] += [code for term in _many(one.get(name)) if (code := _term(term))]
    extra = {_text(given.get("name")): given.get("value") for given in _many(one.get("additionalProperty"))
             if isinstance(given, dict)}  # fmt: skip
    media = {_text(one.get("encodingFormat"))} | {
        _text(given.get("encodingFormat")) for given in _many(one.get("encoding")) if isinstance(given, dict)
    }
    offline = extra.get("offline", True if media & _FILES else None)
    found: dict[str, Any] = {
        "resource_id": _text(one.get("identifier")) or _text(one.get("@id")), "title": _text(one.get("name")),
        "language": _text(next(iter(_many(one.get("inLanguage"))), None)), "minutes": _minutes(_text(one.get("timeRequired"))),
        "level": _level(one.get("educationalLevel")),
        "accessible": [_text(word) for word in _many(one.get("accessibilityFeature"))],
        "format": _text(next(iter(_many(one.get("learningResourceType"))), None)), "url": _text(one.get("url")),
        "licence": _text(one.get("license")), "offline": None if offline is None else "yes" if offline in (True, "true", "yes")
        else "no" if offline in (False, "false", "no") else str(offline),
        "reviewed": "yes" if one.get("review") or extra.get("reviewed") in (True, "true", "yes") else None,
        **{relation: list(dict.fromkeys(codes)) for relation, codes in skills.items()},
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _many(value: object) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    """Return a plain value as text; of an object its @value, its @id, or its name."""
    if isinstance(value, dict):
        terms = {_PREFIX.sub("", name): one for name, one in value.items()}
        return next((_text(terms[name]) for name in ("@value", "value", "@id", "url", "name") if name in terms), "")
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def _term(value: object) -> str:
    """Return the code of a skill: of a DefinedTerm its termCode, else its address, else its name."""
    if isinstance(value, dict):
        terms = {_PREFIX.sub("", name): one for name, one in value.items()}
        return next((_text(terms[name]) for name in ("termCode", "identifier", "@id", "url", "name") if name in terms), "")
    return _text(value)


def _minutes(text: str) -> str:
    """Return an ISO 8601 duration in whole minutes, as text; what is no duration is left for the check to refuse."""
    found = _DURATION.fullmatch(text)
    if not text or found is None or not any(found.groups()):
        return text
    days, hours, minutes, seconds = (int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return str(days * 1_440 + hours * 60 + minutes + -(-seconds // 60))


def _level(value: object) -> str:
    """Return the year of school in "Grade 6", "6" or a DefinedTerm of these; other levels have no year and say nothing."""
    text = _term(next(iter(_many(value)), None))
    if re.fullmatch(r"(?i)k|kg|kindergarten", text):
        return "0"
    found = re.fullmatch(r"(?i)(?:grade\s*|year\s*)?(\d{1,2})", text)
    return found[1].lstrip("0") or "0" if found and int(found[1]) <= 13 else ""


def _same(one: str, other: str) -> bool:
    return one.partition("-")[0].casefold() == other.partition("-")[0].casefold()


def chosen(pairs: Collection[Pair]) -> list[dict[str, Any]]:
    """Return the resources of pairs as plain values, for answers and lists."""
    found = []
    for pair in pairs:
        for relation, one in (("teaches", pair.teaches), ("assesses", pair.checks)):
            if one is not None:
                found.append({
                    "resource_id": one.id, "title": one.title, "skill_id": pair.skill_id, "relation": relation,
                    "language": one.language, "minutes": one.minutes, "offline": one.offline,
                    "accessible": list(one.accessible), "url": one.url, "licence": one.licence,
                })  # fmt: skip
    return found


_READERS = {".csv": _csv, ".json": _jsonld, ".jsonld": _jsonld}

#: The endings of files that are read.
ENDINGS = frozenset(_READERS)

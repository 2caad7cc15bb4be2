"""From a request's JSON to records, refused at the door with every problem at once.

A student comes with rows by table, as a list of rows or as columns. What the class is (sections, assignments) comes
along under ``school`` or is taken from the last export that was read. A table that a student does not send is
unknown; one that is sent empty is known to be empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import polars as pl

from features.flat import FlatTable, rows_of
from features.problems import Problem, Refused
from features.records import EVER, SchoolRecords, with_versions
from features.tables import TABLES, Table
from features.validation import LONGEST, MISSING, YEARS, check, day
from serving.answers import Student
from serving.listed import BANDS, Before, Listed
from training.flat_model import FlatModel
from training.targets import TARGETS

#: What a student may send, and what the school may.
STUDENT_TABLES = (
    "enrolments", "exits", "rosters", "submissions", "results", "activity", "attendance", "section_attendance", "incidents",
    "course_marks", "skill_results", "digital_access",
)  # fmt: skip
SCHOOL_TABLES = (
    "organisations", "terms", "calendar", "courses", "sections", "assignments", "skills", "skill_prerequisites",
    "assignment_skills",
)  # fmt: skip

#: Tables of the school that hold little and are read whole; the others come by class or by school.
_WHOLE = ("organisations", "terms", "courses", "skill_prerequisites")

_OTHER_KEYS = frozenset({"student_id", "name", "previous_bands"})

#: What is read of an earlier answer that a student brings as ``previous_bands``; what else it holds is left unread.
PREVIOUS_KEYS = ("target", "enrolment_id", "section_id", "skill_id", "band", "as_of", "probability")
_BODY_KEYS = frozenset({"as_of", "students", "school", "data_through", "language"})
_FLAT_KEYS = frozenset({"as_of", "students", "target"})
_FLAT_STUDENT = frozenset({"student_id", "name", "row"})


@dataclass(frozen=True)
class Asked:
    """A request, ready to be scored: students in groups that sent the same tables."""

    as_of: date
    data_through: date | None
    groups: tuple[tuple[tuple[Student, ...], SchoolRecords], ...]
    skills: Mapping[str, str]


@dataclass(frozen=True)
class School:
    """The school's own tables, ready to be looked up: keys by table, and what belongs to each class."""

    frames: Mapping[str, pl.DataFrame]

    @cached_property
    def known(self) -> Mapping[str, frozenset[str]]:
        """Return the keys of the classes, assignments and skills that exist; a table that is absent knows nothing."""
        tables = [name for name in ("sections", "assignments", "skills") if name in self.frames]
        return {name: frozenset(self.frames[name][TABLES[name].natural_key[0]].to_list()) for name in tables}

    @cached_property
    def _by_section(self) -> Mapping[str, Mapping[str, pl.DataFrame]]:
        parts: dict[str, dict[str, pl.DataFrame]] = {}
        for name in ("sections", "assignments"):
            if name in self.frames:
                for (section,), rows in self.frames[name].partition_by("section_id", as_dict=True).items():
                    parts.setdefault(section, {})[name] = rows
        if "assignment_skills" in self.frames:
            taught = self.frames["assignment_skills"]
            for held in parts.values():
                if "assignments" in held:
                    mine = held["assignments"]["assignment_id"].unique().implode()
                    held["assignment_skills"] = taught.filter(pl.col("assignment_id").is_in(mine))
        return parts

    @cached_property
    def _calendars(self) -> Mapping[str, pl.DataFrame]:
        if "calendar" not in self.frames:
            return {}
        parts = self.frames["calendar"].partition_by("organisation_id", as_dict=True)
        return {organisation: rows for (organisation,), rows in parts.items()}

    def about(self, sections: Iterable[str], organisations: Iterable[str]) -> dict[str, pl.DataFrame]:
        """Return the tables of some classes and schools. A table that the school has is there even without a row of them."""
        parts = [self._by_section[section] for section in sections if section in self._by_section]
        found = {name: self.frames[name] for name in _WHOLE if name in self.frames}
        if "calendar" in self.frames:
            days = [self._calendars[one] for one in organisations if one in self._calendars]
            found["calendar"] = days[0] if len(days) == 1 else pl.concat(days) if days else self.frames["calendar"].clear()
        for name in ("sections", "assignments", "assignment_skills"):
            if name in self.frames:
                rows = [part[name] for part in parts if name in part]
                found[name] = rows[0] if len(rows) == 1 else pl.concat(rows) if rows else self.frames[name].clear()
        return found

    @cached_property
    def statements(self) -> Mapping[str, str]:
        """Return what each skill is, by its key."""
        if "skills" not in self.frames:
            return {}
        return dict(self.frames["skills"].select("skill_id", pl.col("statement").fill_null("")).iter_rows())


def read(body: Mapping[str, Any], tenant: str, reference: School) -> Asked:
    """Read a request.

    Args:
        body: the parsed JSON; its outer form has been checked.
        tenant: whose request it is.
        reference: the school's own tables from the last export, used where the request brings none.

    Raises:
        Refused: with every problem found, each at its place in the JSON.

    """
    problems: list[Problem] = [
        _problem("unknown_key", key, "there is no such key", f"The keys are: {', '.join(sorted(_BODY_KEYS))}.")
        for key in body
        if key not in _BODY_KEYS
    ]
    as_of = date.fromisoformat(str(body["as_of"]))
    through = _day(body, "data_through", problems)
    school = _school(body.get("school"), tenant, reference, problems)
    students, grouped = _students(body["students"], problems)
    groups = []
    for sent, members in grouped.items():
        tables = {name: _frame(name, members, school, tenant, problems) for name in STUDENT_TABLES if name in sent}
        if not problems:
            groups.append((tuple(students[at] for at, _ in members), _records(tenant, tables, school)))
    if problems:
        raise Refused(problems)
    return Asked(as_of, through, tuple(groups), school.statements)


@dataclass(frozen=True)
class FlatAsked:
    """A request about rows of a flat file, ready to be scored: the students, and their rows in the same order."""

    as_of: date
    model: FlatModel
    students: tuple[Student, ...]
    table: FlatTable


def is_flat(body: Mapping[str, Any]) -> bool:
    """Whether a request is about rows of a flat file: it names the target, or some student has a row."""
    return "target" in body or any("row" in who for who in body["students"])


def read_flat(body: Mapping[str, Any], models: Mapping[str, FlatModel]) -> FlatAsked:
    """Read a request about rows of a flat file.

    Args:
        body: the parsed JSON; its outer form has been checked.
        models: the models in use, by the name of their outcome.

    Raises:
        Refused: with every problem found, each at its place in the JSON.

    """
    problems = [
        _problem("unknown_key", key, "there is no such key here", f"The keys are: {', '.join(sorted(_FLAT_KEYS))}.")
        for key in body
        if key not in _FLAT_KEYS
    ]
    target = body.get("target", next(iter(models)) if len(models) == 1 else None)
    if not isinstance(target, str) or target not in models:
        hint = f"The models of flat files in use are: {', '.join(models) or 'none'}."
        raise Refused([*problems, _problem("unknown_target", "target", "no such model of a flat file is in use", hint)])
    model = models[target]
    described = model.description
    columns: dict[str, list[str | None]] = {column.name: [] for column in described.table(labelled=False).columns}
    known = {*described.read, *model.card.get("left_out", ())}
    students: list[Student] = []
    for at, who in enumerate(body["students"]):
        where, key, name, row = f"students[{at}]", who.get("student_id"), who.get("name", ""), who.get("row")
        if not isinstance(key, str) or not key or key in {one.student_id for one in students}:
            what = "this must be text, another for each student"
            problems.append(_problem("bad_value", f"{where}.student_id", what, "Send the school's key of the student, once."))
            key = ""
        if not isinstance(name, str) or len(name) > 100:
            problems.append(_problem("bad_value", f"{where}.name", "this is not a name of at most 100 letters", "Send text."))
            name = ""
        if not isinstance(row, Mapping):
            problems.append(_problem("malformed", f"{where}.row", "this is not a row", "Send its columns by name."))
            row = {}
        problems += [
            _problem("unknown_key", f"{where}.{other}", "this is not taken here", "A student has student_id, name and row.")
            for other in who
            if other not in _FLAT_STUDENT
        ]
        for column, value in row.items():
            if column not in known:
                hint = f"The columns are: {', '.join(columns)}."
                problems.append(_problem("unknown_column", f"{where}.row.{column}", "the file had no such column", hint))
            elif isinstance(value, Mapping | list):
                what = "this is no plain value"
                problems.append(_problem("bad_value", f"{where}.row.{column}", what, "Send text or a number."))
        for column, cells in columns.items():
            value = key if column == described.key else row.get(column)
            cells.append(None if isinstance(value, Mapping | list) else _flat_text(value))
        students.append(Student(key, name))
    if problems:
        raise Refused(problems)
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    checked, table = rows_of(frame, described, "students", labelled=False)
    problems += [
        Problem(one.code, f"students[{(one.row or 2) - 2}].row.{one.column}", one.problem, one.hint,
                value_shape=one.value_shape, rows=one.rows)
        for one in checked.problems
    ]  # fmt: skip
    if problems:
        raise Refused(problems)
    table = replace(table, keys=tuple(one.student_id for one in students))
    return FlatAsked(date.fromisoformat(str(body["as_of"])), model, tuple(students), table)


def _flat_text(value: object) -> str | None:
    """Return a cell as a file holds it: 17.0 is 17, since JSON does not tell whole numbers from others."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else _text(value)


def _problem(code: str, where: str, problem: str, hint: str) -> Problem:
    return Problem(code, where, problem, hint)


def _day(body: Mapping[str, Any], name: str, problems: list[Problem]) -> date | None:
    if body.get(name) is None:
        return None
    found = day(str(body[name]))
    if found is None:
        problems.append(_problem("bad_value", name, "this is not a date", "Write dates as YYYY-MM-DD."))
    return found


def _students(
    sent: Sequence[Mapping[str, Any]], problems: list[Problem]
) -> tuple[list[Student], dict[frozenset[str], list[tuple[int, Mapping[str, Any]]]]]:
    students: list[Student] = []
    seen: set[str] = set()
    grouped: dict[frozenset[str], list[tuple[int, Mapping[str, Any]]]] = {}
    for at, who in enumerate(sent):
        key, name = who.get("student_id"), who.get("name", "")
        where = f"students[{at}]"
        if not isinstance(key, str) or not key:
            problems.append(
                _problem("missing_value", f"{where}.student_id", "this must be text", "Send the school's key of the student.")
            )
            key = ""
        elif key in seen:
            problems.append(
                _problem(
                    "duplicate_key", f"{where}.student_id", "this student is already in the list", "Send each student once."
                )
            )
        seen.add(key)
        if not isinstance(name, str) or len(name) > 100:
            problems.append(_problem("bad_value", f"{where}.name", "this is not a name of at most 100 letters", "Send text."))
            name = ""
        problems.extend(
            _problem(
                "unknown_table",
                f"{where}.{other}",
                "this is not taken here",
                f"A student may send: {', '.join(STUDENT_TABLES)}.",
            )
            for other in who
            if other not in STUDENT_TABLES and other not in _OTHER_KEYS
        )
        if "enrolments" not in who:
            problems.append(
                _problem("missing_table", f"{where}.enrolments", "a student needs an enrolment", "Send at least one.")
            )
        students.append(Student(key, name, _before(who.get("previous_bands", []), f"{where}.previous_bands", problems)))
        grouped.setdefault(frozenset(name for name in STUDENT_TABLES if name in who), []).append((at, who))
    return students, grouped


def _before(sent: object, where: str, problems: list[Problem]) -> tuple[Before, ...]:
    """Return what an earlier answer said: ``target``, ``band``, keys of the unit, and if told ``as_of`` and ``probability``."""
    found = []
    for at, one in enumerate(sent if isinstance(sent, list) else [None]):
        told = {key: one.get(key) for key in PREVIOUS_KEYS} if isinstance(one, Mapping) else {}
        right = told.get("band") in BANDS and told["target"] in TARGETS
        if not right or not all(value is None or isinstance(value, str) for key, value in told.items() if key != "probability"):
            hint = "Send target and band as an earlier answer gave them, and the keys of the unit."
            problems.append(_problem("bad_value", f"{where}[{at}]", "this is not the band of an earlier answer", hint))
            continue
        chance, on = told["probability"], None if told["as_of"] is None else day(told["as_of"])
        share = isinstance(chance, int | float) and not isinstance(chance, bool) and 0 <= chance <= 1
        if chance is not None and not share:
            hint = "Send it as an earlier answer gave it, or leave it out."
            problems.append(_problem("bad_value", f"{where}[{at}].probability", "this is no share between 0 and 1", hint))
        elif told["as_of"] is not None and on is None:
            problems.append(
                _problem("bad_value", f"{where}[{at}].as_of", "this is not a date", "Write dates as YYYY-MM-DD.")
            )
        else:
            unit = Listed(str(told["target"]), told["enrolment_id"], told["section_id"], told["skill_id"])
            found.append(Before(unit, str(told["band"]), on, None if chance is None else float(chance)))
    return tuple(found)


def _school(sent: object, tenant: str, reference: School, problems: list[Problem]) -> School:
    """Return the school's tables: those sent, and those on record for the rest."""
    if sent is None:
        return reference
    if not isinstance(sent, Mapping):
        problems.append(_problem("malformed", "school", "this is not an object", "Send tables by name."))
        return reference
    problems.extend(
        _problem("unknown_table", f"school.{name}", "this is not taken here", f"A school may send: {', '.join(SCHOOL_TABLES)}.")
        for name in sent
        if name not in SCHOOL_TABLES
    )
    frames = dict(reference.frames)
    for name in SCHOOL_TABLES:
        if name in sent:
            columns, places = _columns(TABLES[name], [(f"school.{name}", {}, sent[name])], problems)
            # Only what a score needs: a class without a course or a term is a class.
            relaxed = _without_references(TABLES[name], frozenset({"courses", "terms", "organisations"}))
            frames[name] = _checked(relaxed, columns, places, {}, tenant, problems).frame
    return School(frames)


@cache
def _without_references(table: Table, names: frozenset[str]) -> Table:
    return replace(
        table,
        columns=tuple(replace(one, references="", required=False) if one.references in names else one for one in table.columns),
    )


def _frame(
    name: str, members: Sequence[tuple[int, Mapping[str, Any]]], school: School, tenant: str, problems: list[Problem]
) -> _Rows:
    parts = []
    for at, who in members:
        fixed = {"student_id": str(who.get("student_id", ""))}
        if name != "enrolments":
            fixed |= _only(who, "enrolments", "enrolment_id")
            if name not in ("rosters", "exits"):
                fixed |= _only(who, "rosters", "section_id")
        parts.append((f"students[{at}].{name}", fixed, who[name]))
    columns, places = _columns(TABLES[name], parts, problems)
    known: dict[str, Set[str]] = {"students": {str(who.get("student_id")) for _, who in members}, **school.known}
    known["enrolments"] = {key for _, who in members for key in _keys(who.get("enrolments"), "enrolment_id")}
    unknown = frozenset({"organisations", "terms"} | ({"sections"} if "sections" not in school.frames else set()))
    owners = {key: str(who.get("student_id")) for _, who in members for key in _keys(who.get("enrolments"), "enrolment_id")}
    return _checked(_without_references(TABLES[name], unknown), columns, places, known, tenant, problems, owners)


def _only(who: Mapping[str, Any], table: str, key: str) -> dict[str, str]:
    """Return a key that rows may leave out, because the student has only one."""
    keys = set(_keys(who.get(table), key))
    return {key: next(iter(keys))} if len(keys) == 1 else {}


def _keys(rows: object, key: str) -> list[str]:
    if isinstance(rows, Mapping):
        return [one for one in rows.get(key, []) if isinstance(one, str)] if isinstance(rows.get(key), list) else []
    if isinstance(rows, list):
        return [row[key] for row in rows if isinstance(row, Mapping) and isinstance(row.get(key), str)]
    return []


def _columns(
    table: Table, parts: Sequence[tuple[str, Mapping[str, str], Any]], problems: list[Problem]
) -> tuple[dict[str, list[Any]], list[str]]:
    """Return rows of several students as columns of plain values, and the place of each row in the JSON."""
    names = [column.name for column in table.columns] + ["known_on"]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    places: list[str] = []
    for where, fixed, sent in parts:
        rows = _as_rows(sent)
        if rows is None:
            problems.append(
                _problem("malformed", where, "these are not rows", "Send a list of rows, or columns of equal length.")
            )
            continue
        strange = {key for row in rows for key in row} - columns.keys()
        problems.extend(
            _problem("unknown_column", f"{where}.{key}", "there is no such column", f"The columns are: {', '.join(names)}.")
            for key in sorted(map(str, strange))
        )
        for name in names:
            default = fixed.get(name)
            columns[name].extend([row.get(name, default) for row in rows])
        places.extend([f"{where}[{at}]" for at in range(len(rows))])
    if not any(value is not None for value in columns["known_on"]):
        del columns["known_on"]
    return columns, places


def _as_rows(sent: object) -> list[Mapping[str, Any]] | None:
    if isinstance(sent, list):
        return sent if all(isinstance(row, Mapping) for row in sent) else None
    if isinstance(sent, Mapping) and all(isinstance(column, list) for column in sent.values()):
        lengths = {len(column) for column in sent.values()}
        if len(lengths) <= 1:
            return [dict(zip(sent, row, strict=True)) for row in zip(*sent.values(), strict=True)]
    return None


@dataclass(frozen=True)
class _Rows:
    """A table's rows, complete with their version columns; whether some row has several versions."""

    frame: pl.DataFrame
    versioned: bool = False


def _checked(
    table: Table, columns: dict[str, list[Any]], places: Sequence[str], known: Mapping[str, Set[str]], tenant: str,
    problems: list[Problem], owners: Mapping[str, str] = MappingProxyType({}),
) -> _Rows:  # fmt: skip
    """Return a typed frame, or what could be kept of it and the problems.

    Most requests are sound, so a quick look comes first; what it finds wrong is then checked again in the way that
    an export is, which says what is wrong and where.
    """
    if not places:
        return _Rows(_empty(table.name))
    quick = _quick(table, columns, known, tenant, owners)
    if quick is not None:
        return quick
    frame = pl.DataFrame({name: [_text(value) for value in values] for name, values in columns.items()},
                         schema=dict.fromkeys(columns, pl.String))  # fmt: skip
    references = {name: pl.Series(sorted(keys), dtype=pl.String) for name, keys in known.items()}
    whose = pl.DataFrame({"enrolment_id": list(owners), "student_id": list(owners.values())})
    checked = check(frame, table, table.name, references, owners=whose if owners else None)
    for problem in checked.problems:
        place = places[problem.row - 2] if problem.row is not None else table.name
        problems.append(Problem(problem.code, f"{place}.{problem.column}", problem.problem, problem.hint,
                                value_shape=problem.value_shape, rows=problem.rows))  # fmt: skip
    kept = with_versions(checked.kept, table, tenant)
    key = list(table.natural_key)
    several = bool(key) and kept.height > 1 and bool(kept.select(pl.struct(key).is_duplicated().any()).item())
    return _Rows(kept, several)


@cache
def _empty(table: str) -> pl.DataFrame:
    return pl.DataFrame(schema=TABLES[table].schema)


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


#: The plain types in which JSON brings each kind of column.
_PLAIN: Mapping[type[pl.DataType], frozenset[type]] = MappingProxyType(
    {
        pl.String: frozenset({str}), pl.Date: frozenset({str}), pl.Int32: frozenset({int}),
        pl.Float64: frozenset({int, float}), pl.Boolean: frozenset({bool}),
    }
)  # fmt: skip


_EPOCH = date(1970, 1, 1).toordinal()
_EVER = EVER.toordinal() - _EPOCH


def _quick(  # noqa: PLR0911, PLR0912 (a list of quick looks, each with its own way out)
    table: Table, columns: Mapping[str, list[Any]], known: Mapping[str, Set[str]], tenant: str, owners: Mapping[str, str]
) -> _Rows | None:
    """Return the typed rows where a quick look finds nothing wrong, else None.

    It looks at plain values and builds one frame at the end: a hundred small questions to a frame cost ten times
    as much. Whatever it is not sure of, it leaves to the full check.
    """
    found: dict[str, list[Any]] = {}
    for column in table.columns:
        values = columns[column.name]
        kinds = set(map(type, values))
        empty = type(None) in kinds
        if not kinds <= _PLAIN[type(column.type)] | {type(None)} or (empty and (column.required or column.natural)):
            return None
        distinct = set(values) - {None}
        if column.values and not distinct <= set(column.values):
            return None
        if column.references in known and not distinct <= known[column.references]:
            return None
        if distinct and not isinstance(column.type, pl.String | pl.Date | pl.Boolean):
            least, most = min(distinct), max(distinct)
            if not all(map(math.isfinite, distinct)):
                return None
            if (column.least is not None and least < column.least) or (column.most is not None and most > column.most):
                return None
            if isinstance(column.type, pl.Int32) and not -(2**31) <= least <= most < 2**31:
                return None
        if isinstance(column.type, pl.String) and any(
            value in MISSING or value != value.strip() or len(value) > LONGEST for value in distinct
        ):
            return None
        if isinstance(column.type, pl.Date):
            days = _days(distinct)
            if days is None:
                return None
            values = [days[value] for value in values]
        found[column.name] = values
    rows = len(next(iter(found.values())))
    if owners and "enrolment_id" in found:
        pairs = set(zip(found["enrolment_id"], found["student_id"], strict=True))
        if any(owners.get(enrolment) != student for enrolment, student in pairs):
            return None
    event = found.get(table.event, [None] * rows)
    known_on = [_EVER if day is None else day + table.lag_days for day in event]
    if "known_on" in columns:
        if not set(map(type, columns["known_on"])) <= {str, type(None)}:
            return None
        stated = _days(set(columns["known_on"]) - {None})
        if stated is None:
            return None
        known_on = [
            usual if value is None else stated[value] for value, usual in zip(columns["known_on"], known_on, strict=True)
        ]
    keys = list(zip(*(found[name] for name in table.natural_key), strict=True))
    several = len(set(keys)) < rows
    if several and ("known_on" not in columns or len(set(zip(keys, columns["known_on"], strict=True))) < rows):
        return None
    found |= {"tenant": [tenant] * rows, "known_on": known_on, "deleted": [False] * rows}
    return _Rows(pl.DataFrame([_series(name, found[name], kind) for name, kind in table.schema.items()]), several)


def _series(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    """Return a column of values that are known to fit; days come as numbers, which is twice as quick as dates."""
    if isinstance(kind, pl.Date):
        return pl.Series(name, values, pl.Int32).cast(pl.Date)
    return pl.Series(name, values, kind)


def _days(texts: Set[Any]) -> dict[Any, int | None] | None:
    """Return the day of each text of the form YYYY-MM-DD, counted from 1970, or None where one has another form."""
    days: dict[Any, int | None] = {None: None}
    for text in texts:
        if type(text) is not str or len(text) != 10 or text[4] != "-" or text[7] != "-":
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        if not YEARS[0] <= day.year <= YEARS[1]:
            return None
        days[text] = day.toordinal() - _EPOCH
    return days


def _records(tenant: str, tables: Mapping[str, _Rows], school: School) -> SchoolRecords:
    """Return records of the students sent, with the classes that they are in."""
    frames = {name: rows.frame for name, rows in tables.items()}
    sections: dict[tuple[str, str], set[str]] = {}
    if "rosters" in frames:
        for student, enrolment, section in frames["rosters"].select("student_id", "enrolment_id", "section_id").iter_rows():
            sections.setdefault((student, enrolment), set()).add(section)
    places = frames["enrolments"]["organisation_id"].unique().to_list() if "enrolments" in frames else []
    frames |= school.about(sorted(set().union(*sections.values())), sorted(places))
    single = bool(sections) and all(len(one) == 1 for one in sections.values())
    versioned = frozenset(name for name, rows in tables.items() if rows.versioned)
    return SchoolRecords(tenant, {name: (frame.lazy(),) for name, frame in frames.items()}, versioned, single, few=True)

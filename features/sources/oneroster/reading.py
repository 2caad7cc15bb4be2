"""A OneRoster export from its packages to canonical tables, and what of it was known when.

Packages are applied in order, and after each the canonical tables are made anew of all that holds then. A row of the first
package is known from the day of what it tells, as in every first import: the day on which the export was made says nothing of
when the school knew. A row that a later package adds or changes is known from ``dateLastModified``, never earlier than
what it tells; where a row follows from several rows of the export, such as a stay, from the newest of that package. What
is there no longer is deleted on the package's day, the latest ``dateLastModified`` in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from features import mapping as mappings_of
from features.archive import opened
from features.mapping import Mappings
from features.problems import Problem
from features.records import with_versions
from features.sources import companions, doors
from features.sources.companions import Known
from features.sources.oneroster import classes, gradebook, package, people, rows, who
from features.sources.oneroster.binding import FILES
from features.sources.oneroster.rows import PLACE, STAMP, State
from features.sources.tables import Parts, completed
from features.tables import TABLES
from features.validation import Account, Reading

#: Files of a folder that are the package's own and no companions.
_OWN = ("manifest.csv", *(f"{name}.csv" for name in FILES["1.2"]))


@dataclass(frozen=True)
class OneRoster:
    """Settings of the ``oneroster`` source.

    ``pass_mark``: share of the best score from which a skill is secure. ``exclusive_ends``: ``endDate`` is the day after the
    last, as the binding's words have it; most systems write the last day itself, which is what is read by default.
    """

    pass_mark: float = 0.8
    exclusive_ends: bool = False


def read(path: Path, settings: OneRoster, tenant: str = "default", mapping: Path | None = None) -> Reading:
    """Read a OneRoster export: a zip, a folder with its files, or a folder of packages, the first and what changed since.

    Companion tables lie beside the files in the folder or the zip, or beside the zip.

    Raises:
        Refused: a package is no OneRoster package of a version known here, or files or columns are missing; every such fault
            is named. A mapping or a companion that cannot be read is refused likewise.

    """
    mappings = mappings_of.read(mapping) if mapping else None
    with ExitStack() as stack:
        folder = stack.enter_context(opened(path))
        places = package.places(folder, stack)
        found = _taken(package.read_packages(places), settings, tenant)
        inside = places[0][1] if len(places) == 1 else folder
        outside = [one for one in dict.fromkeys((folder, path.parent if path.is_file() else folder)) if one != inside]
        parts = found.parts
        for place in (inside, *outside):
            here, elsewhere = _divided(mappings, place, place == (outside or [inside])[-1])
            mappings = elsewhere
            own = _OWN if place == inside or package.holds(place) else ()
            beside = [inside, *outside]
            there, documents = companions.find(place, here, own, beside), doors.find(place)
            if place == inside:
                strangers = (*there.strangers, *documents.strangers)
                found.notes.extend(f"{one.name} is no file of the binding and no table: it is not read." for one in strangers)
            if not there.files and not documents.tables:
                continue
            more = completed(there, documents, replace(found.known, tables=parts.tables), tenant)
            parts = Parts(more.tables, (*parts.accounts, *more.accounts), (*parts.problems, *more.problems),
                          {**parts.quarantine, **more.quarantine})  # fmt: skip
    return Reading(parts.tables, parts.accounts, parts.problems, parts.quarantine, notes=tuple(dict.fromkeys(found.notes)))


def identifiers(path: Path, settings: OneRoster) -> pl.DataFrame:
    """Return all the ways in which an export names its students: ``kind``, ``value``, ``key``. Companions are not read.

    Raises:
        Refused: as :func:`read` does of the packages.

    """
    with ExitStack() as stack:
        folder = stack.enter_context(opened(path))
        found = _taken(package.read_packages(package.places(folder, stack)), settings, "default")
    return companions.names_of("student_id", found.known)


def _divided(mappings: Mappings | None, folder: Path, last: bool) -> tuple[Mappings | None, Mappings | None]:
    """Return what of a mapping is about files in a folder, and the rest; in the last folder everything is looked for."""
    if mappings is None or last:
        return mappings, None
    stems = {one.stem for one in folder.iterdir()}
    here = [any(folder.glob(one.file)) if one.file else one.table in stems for one in mappings.tables]
    mine = tuple(one for one, is_here in zip(mappings.tables, here, strict=True) if is_here)
    rest = tuple(one for one, is_here in zip(mappings.tables, here, strict=True) if not is_here)
    return (replace(mappings, tables=mine) if mine else None), (replace(mappings, tables=rest) if rest else None)


@dataclass(frozen=True)
class _Found:
    parts: Parts
    known: Known
    notes: list[str]


@dataclass
class _Made:
    """The canonical tables of all packages so far, each with ``stamp``, and by what the export names people and classes."""

    tables: dict[str, pl.DataFrame]
    students: pl.DataFrame
    staff: pl.DataFrame
    ambiguous: list[str]
    known: Known
    notes: list[str] = field(default_factory=list)


def _taken(packages: list[package.Package], settings: OneRoster, tenant: str) -> _Found:
    state = rows.nothing()
    accounts: list[Account] = []
    problems: list[Problem] = []
    quarantine: dict[str, pl.DataFrame] = {}
    notes: list[str] = []
    versions: _Versions | None = None
    before: _Made | None = None
    for at, one in enumerate(packages):
        taken = rows.take(one, state, first=at == 0)
        accounts += taken.accounts
        problems += taken.problems
        quarantine |= taken.quarantine
        notes += taken.notes
        made = _canonical(state, settings, before)
        tables = {name: _versioned(frame, name, tenant) for name, frame in made.tables.items()}
        if versions is None:
            versions = _Versions(tables)
        else:
            assert taken.day is not None  # a later package without a day was refused
            versions.add(tables, taken.day)
        before = made
    assert before is not None
    assert versions is not None
    notes += before.notes
    if before.ambiguous:
        problems.append(_ambiguous(state["users"], before.ambiguous, len(packages) > 1))
    tables = versions.tables()
    return _Found(Parts(tables, tuple(accounts), tuple(problems), quarantine), replace(before.known, tables=tables), notes)


def _ambiguous(users: pl.DataFrame, whom: list[str], several: bool) -> Problem:
    """Return what is told of rows that may be one person or several; of several packages nobody knows whose row it is."""
    at = [] if several else users.filter(pl.col("sourcedId").is_in(whom))[PLACE].sort().to_list()
    where = f"users.csv, row {at[0]}, column identifier" if at else "users.csv"
    told = f" (rows {_listed(at)})" if at else ""
    return Problem(
        "ambiguous_person", where, f"rows that share an identifier contradict each other in name or day of birth{told}; each "
        "is read as a person of its own", "Correct the identifier of one of them, or what contradicts.", "users.csv",
        at[0] if at else None, "identifier", rows=len(whom),
    )  # fmt: skip


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")


def _canonical(state: State, settings: OneRoster, before: _Made | None) -> _Made:
    """Return the canonical tables that follow from a state."""
    roles = who.roles(state)
    student_ids = roles.filter(pl.col("role") == "student").select("sourcedId").unique()
    staff_ids = roles.filter(pl.col("role").is_in(list(who.STAFF_ROLES))).select("sourcedId").unique()
    users, born = state["users"], rows.births(state)
    pupils = people.resolve(users.join(student_ids, on="sourcedId", how="semi"), born, before.students if before else None)
    adults = people.resolve(users.join(staff_ids, on="sourcedId", how="semi"), born, before.staff if before else None)
    students, staff = pupils.keys, adults.keys
    ours, theirs = users.join(students, on="sourcedId"), users.join(staff, on="sourcedId")
    schools = classes.organisations(state)
    terms = classes.terms(state, settings.exclusive_ends)
    sections = classes.sections(state, terms)
    seated = classes.seats(state, students, sections, "student", settings.exclusive_ends)
    grades, unnumbered = who.grades(ours)
    stays = classes.enrolments(seated, grades)
    work = gradebook.assignments(state, sections)
    scored = gradebook.results(state, students, work, seated)
    tagged = gradebook.assignment_skills(state, work)
    evidence, unmeasured = gradebook.skill_results(state, scored, tagged)
    guardians, lost = who.guardians(state, students, roles)
    last_year = terms.filter(pl.col("kind") == "school_year")["starts_on"].max() or terms["starts_on"].max()
    years = (
        students.select("person")
        .unique()
        .join(
            stays.group_by(pl.col("student_id").alias("person")).agg(pl.col("year_starts_on").max().alias("on")),
            on="person",
            how="left",
        )
        .with_columns(pl.col("on").fill_null(pl.lit(last_year, pl.Date)))
    )
    tables = {
        "organisations": schools,
        "terms": terms,
        "courses": classes.courses(state),
        "sections": sections,
        "students": ours.group_by(pl.col("person").alias("student_id")).agg(pl.col(STAMP).max()),
        "identities": who.identities(ours),
        "demographics": who.demographics(state["demographics"].join(students, on="sourcedId"), years),
        "enrolments": stays,
        "rosters": classes.rosters(seated),
        "assignments": work,
        "submissions": gradebook.hand_ins(scored),
        "results": gradebook.marks(scored),
        "skills": gradebook.skills(state),
        "assignment_skills": tagged,
        "skill_results": evidence,
        "guardians": guardians,
        "staff": who.staff(theirs),
        "staff_roles": who.staff_roles(roles, staff, schools),
        "teaching": classes.seats(state, staff, sections, "teacher", settings.exclusive_ends).select(
            pl.col("person").alias("staff_id"), "section_id", "begins_on", "ends_on", STAMP),
        "resources": gradebook.resources(state),
    }  # fmt: skip
    told = {name: frame for name, frame in tables.items() if _is_sent(name, state)}
    notes = []
    if unnumbered:
        notes.append(
            f"{unnumbered:,} students have no grade, or several, or one without a number; their year of school is unknown."
        )
    if lost:
        notes.append(f"{lost:,} agents are not among the users; they are left out.")
    if wordy := gradebook.wordy(scored):
        notes.append(
            f"{wordy:,} marks are in words for which no scale gives a number; the work counts as handed in, without a mark."
        )
    if unmeasured:
        notes.append(f"{unmeasured:,} marks of work with skills have no best score to be a share of; they are no evidence.")
    return _Made(told, students, staff, [*pupils.ambiguous, *adults.ambiguous], _known(ours, theirs, sections, schools), notes)


#: What must hold a row for a table to be held. Many systems write all files of the binding, and a header alone says
#: nothing: without this a class would seem to have handed in nothing.
_SENT: Mapping[str, tuple[str, ...]] = {
    "demographics": ("demographics",), "assignments": ("lineItems",), "submissions": ("results",), "results": ("results",),
    "skills": ("lineItemLearningObjectiveIds", "resultLearningObjectiveIds"),
    "assignment_skills": ("lineItemLearningObjectiveIds",),
    "skill_results": ("lineItemLearningObjectiveIds", "resultLearningObjectiveIds"), "resources": ("resources",),
}  # fmt: skip


def _is_sent(name: str, state: State) -> bool:
    return name not in _SENT or any(state[file].height for file in _SENT[name])


def _known(ours: pl.DataFrame, theirs: pl.DataFrame, sections: pl.DataFrame, schools: pl.DataFrame) -> Known:
    """Return all the ways in which the export names its students, classes, schools and staff."""
    students = people.names_of(ours).join(ours.select("sourcedId", pl.col("person").alias("student_id")), on="sourcedId")
    staff = people.names_of(theirs).join(theirs.select("sourcedId", pl.col("person").alias("staff_id")), on="sourcedId")
    named = sections.select("section_id", "classCode")
    codes = [named.select(pl.lit(kind).alias("kind"), pl.col(column).alias("value"), "section_id")
             for kind, column in (("source_id", "section_id"), ("classCode", "classCode"))]  # fmt: skip
    schooled = [schools.select(pl.lit(kind).alias("kind"), pl.col(column).alias("value"), "organisation_id")
                for kind, column in (("source_id", "organisation_id"), ("identifier", "identifier"))]  # fmt: skip
    return Known(
        students.select("kind", "value", "student_id").unique(maintain_order=True),
        {},
        pl.concat(codes).drop_nulls(),
        {
            "staff_id": staff.select("kind", "value", "staff_id").unique(maintain_order=True),
            "organisation_id": pl.concat(schooled).drop_nulls(),
        },
    )


def _versioned(frame: pl.DataFrame, name: str, tenant: str) -> pl.DataFrame:
    """Return a table's complete rows, ``stamp`` beside them."""
    stamp = frame[STAMP] if STAMP in frame.columns else pl.Series(STAMP, [None] * frame.height, dtype=pl.Date)
    complete = with_versions(frame, TABLES[name], tenant).with_columns(stamp.cast(pl.Date).alias(STAMP))
    return complete.sort(*TABLES[name].natural_key, "known_on")


class _Versions:
    """The versions of every canonical row over the packages."""

    def __init__(self, first: Mapping[str, pl.DataFrame]) -> None:
        self._latest = dict(first)
        self._versions = {name: frame.drop(STAMP) for name, frame in first.items()}

    def add(self, tables: Mapping[str, pl.DataFrame], day: date) -> None:
        """Take the tables as they are after a package that was known on ``day``."""
        for name in dict.fromkeys([*self._latest, *tables]):
            schema = TABLES[name].schema
            empty = pl.DataFrame(schema={**schema, STAMP: pl.Date()})
            self._add(name, self._latest.get(name, empty), tables.get(name, empty), day)
        self._latest = dict(tables)

    def _add(self, name: str, before: pl.DataFrame, after: pl.DataFrame, day: date) -> None:
        key, columns = list(TABLES[name].natural_key), list(TABLES[name].schema)
        new = after.join(before.select(columns), on=columns, how="anti", nulls_equal=True)
        new = new.with_columns(pl.max_horizontal("known_on", pl.coalesce(STAMP, pl.lit(day))).alias("known_on")).select(columns)
        gone = before.unique(key, keep="last", maintain_order=True).join(after, on=key, how="anti").select(columns)
        gone = gone.with_columns(pl.lit(day).alias("known_on"), pl.lit(value=True).alias("deleted"))
        added = pl.concat([new, gone])
        older = self._versions.get(name, added.clear())
        # What was to be known later than what replaces it was never known.
        since = added.group_by(key).agg(pl.col("known_on").min().alias("since"))
        older = older.join(since, on=key, how="left", maintain_order="left")
        still = older.filter(pl.col("since").is_null() | (pl.col("known_on") < pl.col("since"))).drop("since")
        self._versions[name] = pl.concat([still, added.unique([*key, "known_on"], keep="last", maintain_order=True)])

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the tables in their order, every version of every row."""
        return {name: self._versions[name] for name in TABLES if name in self._versions}

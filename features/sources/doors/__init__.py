"""Further doors: files of JSON beside an export, or alone.

``resources`` reads Ed-Fi's resources as its API gives them, ``assessments`` what they say of skills, ``caliper`` events of
online classrooms, ``case`` frameworks of competencies; ``documents`` is how a file of JSON becomes rows. A resource is known by
its file's name, events and frameworks by their content. ``docs/doors.md`` says what is understood of each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from features.problems import Problem
from features.sources.companions import Known, Maker
from features.sources.doors import assessments, caliper, case, resources
from features.sources.doors.documents import ENDINGS, beginning
from features.tables import TABLES
from features.validation import Account


@dataclass(frozen=True)
class More:
    """What is made when all other tables are known: tables, and the accounts of the files that they are from."""

    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    problems: tuple[Problem, ...] = ()
    quarantine: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Doors:
    """The files of JSON in a folder: Ed-Fi's resources by name, events, frameworks, and what nobody reads."""

    files: resources.Files = field(default_factory=lambda: resources.Files({}))
    events: tuple[Path, ...] = ()
    frameworks: tuple[case.Framework, ...] = ()
    strangers: tuple[Path, ...] = ()
    twice: tuple[Problem, ...] = ()

    @cached_property
    def tables(self) -> frozenset[str]:
        """The canonical tables that they may give."""
        found = {table for name in self.files.paths for table in resources.RESOURCES[name].columns}
        found |= {"activity"} if self.events else set()
        return frozenset(found | ({"skills", "skill_prerequisites"} if self.frameworks else set()))

    @property
    def stems(self) -> frozenset[str]:
        """The names, without their endings, of what corrections may belong to; capitals do not count."""
        names = [name for one in self.frameworks for name in one.names]
        paths = [*self.files.paths.values(), *self.events, *(Path(name) for name in names)]
        return frozenset(path.stem.casefold() for path in paths)

    def problems(self, others: Collection[str]) -> list[Problem]:
        """Return what is wrong with the files before they are read; ``others`` are the tables that companions give.

        Skills may come from several frameworks; of every other table one kind of file holds all rows.
        """
        found = list(self.twice)
        for name, path in self.files.paths.items():
            given = [table for table in resources.RESOURCES[name].columns if table in others and table not in _SEVERAL]
            found += [_two(f"{path.name}, {table}", table, path.name) for table in given]
        if self.events and "activity" in others:
            found.append(_two(f"{self.events[0].name}, activity", "activity", self.events[0].name))
        return found

    def makers(self, known: Known) -> dict[str, list[Maker]]:
        """Return for each table what makes its rows, once the tables before it are known."""
        found = self.files.makers(known)
        for name, more in case.makers(self.frameworks).items():
            found[name] = [*more, *found.get(name, [])]
        return found

    def named(self, table: str, makers: Sequence[Maker]) -> Sequence[Maker]:
        """Return makers whose rows name skills by the keys of the frameworks, where they name them by code."""
        if not self.frameworks or not any("skill" in column.name for column in TABLES[table].columns):
            return makers
        return [case.by_code(one, self.frameworks) for one in makers]

    def more(self, known: Known, tenant: str, accounts: Sequence[Account]) -> More:
        """Return what is made of the other tables: evidence of tests, activity, and the accounts of files that only helped.

        Args:
            known: the names of the main format, and all tables with those of the other files.
            tenant: whose rows they are.
            accounts: those that there are already.

        Raises:
            Refused: a file cannot be read.

        """
        tables: dict[str, pl.DataFrame] = {}
        made: list[Account] = []
        problems: list[Problem] = []
        quarantine: dict[str, pl.DataFrame] = {}
        tested = assessments.read(self.files, known, case.codes_of(self.frameworks), tenant)
        if tested is not None:
            if tested.results.height:
                tables["skill_results"] = _beside(known.tables, "skill_results", tested.results)
                tables["skills"] = _beside(known.tables, "skills", tested.skills, older_wins=True)
            made.append(tested.account)
            problems += tested.problems
            quarantine[tested.account.file] = tested.quarantine
        if self.events:
            done = caliper.read(self.events, known, tenant)
            tables["activity"] = _beside(known.tables, "activity", done.rows)
            made += done.accounts
            problems += done.problems
            quarantine |= done.quarantine
        made += self.files.unread(known, [*accounts, *made])
        return More(tables, tuple(made), tuple(problems), quarantine)


#: Tables of which several files may hold rows: those of two frameworks, of schools and districts, of two parts in incidents.
_SEVERAL = ("skills", "skill_prerequisites", "organisations")


def _two(where: str, table: str, file: str) -> Problem:
    return Problem("two_files", where, f"another file gives {table} too", "Keep one of them.", file=file)


def _beside(tables: Mapping[str, pl.DataFrame], name: str, rows: pl.DataFrame, older_wins: bool = False) -> pl.DataFrame:
    """Return a table's rows with new ones; of those with the same key the new ones stay, or the older."""
    older = tables.get(name)
    if older is None:
        return rows
    first, last = (older, rows) if older_wins else (rows, older)
    key = list(TABLES[name].natural_key)
    return pl.concat([first, last.join(first.select(key).unique(), on=key, how="anti", maintain_order="left")])


def find(folder: Path) -> Doors:
    """Return the files of JSON in a folder, as what each is read."""
    paths: dict[str, Path] = {}
    events, frameworks, strangers, twice = [], [], [], []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS or not path.is_file() or path.name.startswith("."):
            continue
        name = resources.resource_of(path.stem)
        if name and name in paths:
            twice.append(_two(f"{paths[name].name}, {path.name}", name, path.name))
        elif name:
            paths[name] = path
        elif _holds(path, case.is_case):
            frameworks.append(case.Framework(path))
        elif _holds(path, caliper.is_caliper):
            events.append(path)
        else:
            strangers.append(path)
    return Doors(resources.Files(paths), tuple(events), tuple(frameworks), tuple(strangers), tuple(twice))


def _holds(path: Path, what: Callable[[str], bool]) -> bool:
    return what(beginning(path))


def with_identifiers(known: Known, doors: Doors) -> Known:
    """Return what is known where Ed-Fi is the main format: ``studentUniqueId`` and ``sectionIdentifier`` are kinds of names."""
    students, sections = (doors.files.rows(name) for name in ("students", "sections"))
    if students is not None and "studentUniqueId" in students.frame.columns:
        own = students.frame.select(
            pl.lit("studentUniqueId").alias("kind"),
            pl.col("studentUniqueId").alias("value"),
            pl.col("studentUniqueId").alias("student_id"),
        )
        known = replace(known, identifiers=own.drop_nulls().unique(maintain_order=True))
    if sections is not None and "sectionIdentifier" in sections.frame.columns:
        classes = sections.frame.select(
            pl.lit("sectionIdentifier").alias("kind"),
            pl.col("sectionIdentifier").alias("value"),
            resources.section_key(sections.frame).alias("section_id"),
        )
        known = replace(known, sections=classes.drop_nulls().unique(maintain_order=True))
    return known

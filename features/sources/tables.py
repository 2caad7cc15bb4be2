"""The canonical tables as files: ``enrolments.csv`` or ``enrolments.parquet``, one per table, in one folder.

A table may also come under its Ed-Fi name, or under any name through a mapping. Here is the last step of every format too:
rows of all files are checked in the order of :data:`~features.tables.TABLES`, so that a row whose student was set aside is
set aside with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from features import layouts
from features import mapping as mappings_of
from features.archive import opened
from features.mapping import Mappings
from features.problems import Problem, Refused
from features.quarantine import corrected_stem, corrections_in
from features.records import SchoolRecords, with_versions
from features.sources import companions, doors
from features.sources.companions import Companions, Given, Known, Maker
from features.tables import TABLES, Table
from features.validation import Account, Checked, Found, Reading, Rule, check, missing_columns, read_files

#: Without these there is nobody to look at; every other table may be absent, and is then unknown.
REQUIRED = ("organisations", "students", "enrolments")

_UNREADABLE = "The export cannot be read"


@dataclass(frozen=True)
class Tables:
    """Settings of the ``tables`` source. ``pass_mark`` is the share of the best score from which a skill is secure."""

    pass_mark: float = 0.8


@dataclass(frozen=True)
class Parts:
    """What was made of companions: complete canonical frames, and the account of every row of their files."""

    tables: dict[str, pl.DataFrame]
    accounts: tuple[Account, ...]
    problems: tuple[Problem, ...]
    quarantine: dict[str, pl.DataFrame]


def read(path: Path, settings: Tables, tenant: str = "default", mapping: Path | None = None) -> Reading:
    """Read a folder of canonical tables, some of them as a mapping says or under Ed-Fi's names.

    Tables are checked in the order of :data:`~features.tables.TABLES`, so that a row whose student was set aside
    is set aside with it, and the account says why.
    """
    del settings  # nothing in the reading depends on it: it tells the targets where a skill counts as secure
    mappings = mappings_of.read(mapping) if mapping else None
    with opened(path) as folder:
        parts = _read(folder, mappings, [path.parent], tenant)
    return Reading(parts.tables, parts.accounts, parts.problems, parts.quarantine)


def identifiers(path: Path, settings: Tables) -> pl.DataFrame:
    """Return all the ways in which an export names its students: ``kind``, ``value``, ``key``. Only their tables are read."""
    del settings
    found = read_files(path, {name: TABLES[name] for name in ("students", "identities")}, ["students"])
    known = Known(tables={name: check(frame, TABLES[name], file).kept for name, (file, frame) in found.items()})
    return companions.names_of("student_id", known)


def _read(path: Path, mappings: Mappings | None, beside: Sequence[Path], tenant: str) -> Parts:
    problems: list[Problem] = []
    found, more = Companions((), ()), doors.find(path)
    try:
        found = companions.find(path, mappings, beside=beside)
    except Refused as refused:
        problems += refused.problems
    else:
        problems += [
            Problem("missing_file", f"{name}.csv", "this file is not in the folder",
                    f"Put {name}.csv or {name}.parquet beside the others.", file=f"{name}.csv")
            for name in REQUIRED
            if name not in found.tables | more.tables
        ]  # fmt: skip
    hint = f"The tables are: {', '.join(TABLES)}."
    problems = [Problem("unknown_table", one.name, "no table has this name", hint, file=one.name) for one in found.strangers
                if one.is_file()] + problems  # fmt: skip
    read_here = {one.stem.casefold() for one in found.paths} | {one.stem.casefold() for one in found.strangers} | more.stems
    problems += [
        Problem("missing_file", one.name, f"there is no {corrected_stem(one)}.csv beside it that it could correct",
                "Put the two beside each other, or take the corrections away.", file=one.name)
        for one in corrections_in(path) if corrected_stem(one).casefold() not in read_here
    ]  # fmt: skip
    return completed(found, more, Known(), tenant, problems)


def complete(
    folder: Path,
    mappings: Mappings | None,
    known: Known,
    tenant: str,
    taken: Collection[str] = (),
    beside: Sequence[Path] = (),
) -> Parts:
    """Return a main format's tables (``known.tables``) with the companions in ``folder``: found, translated, joined, checked.

    Args:
        folder: the export, unpacked.
        mappings: what the mapping says, if there is one.
        known: what the main format knows; its tables are typed and checked.
        tenant: whose rows they are.
        taken: names of files that the main format reads itself.
        beside: further folders in which a file may lie that the mapping names.

    Returns:
        all tables with their version columns, and the accounts of the companions alone.

    Raises:
        Refused: a file cannot be read, or lacks a column, with every such problem.

    """
    return completed(companions.find(folder, mappings, taken, beside), doors.find(folder), known, tenant)


def completed(found: Companions, more: doors.Doors, known: Known, tenant: str, problems: Sequence[Problem] = ()) -> Parts:
    """Do the same with companions and files of JSON that are found; what is wrong with any is told after ``problems``."""
    problems = [*problems, *more.problems(found.tables)]
    frames: dict[str, list[Given | Maker]] = {}
    for makers in (companions.makers(found, known), more.makers(known)):
        for name, made in makers.items():
            frames.setdefault(name, []).extend(_told(maker, problems) for maker in more.named(name, made))
    parts = check_all(frames, known.tables, tenant)
    try:
        last = more.more(replace(known, tables=parts.tables), tenant, parts.accounts)
    except Refused as refused:
        problems += [one for one in refused.problems if one not in problems]
    if problems:
        raise Refused(problems, _UNREADABLE)
    tables = {**parts.tables, **last.tables}
    parts = Parts({name: tables[name] for name in TABLES if name in tables}, (*parts.accounts, *last.accounts),
                  (*parts.problems, *last.problems), {**parts.quarantine, **last.quarantine})  # fmt: skip
    lookups = tuple(_lookup_account(path, found) for path in found.paths if all(one.path != path for one in found.files))
    return replace(parts, accounts=(*parts.accounts, *lookups))


def _told(maker: Maker, problems: list[Problem]) -> Maker:
    """Return a maker that tells of its file's faults and gives no rows, so that the faults of all files are told at once."""

    def make(tables: Mapping[str, pl.DataFrame]) -> Sequence[Given]:
        try:
            return maker(tables)
        except Refused as refused:
            problems.extend(refused.problems)
            return ()

    return make


def _lookup_account(path: Path, found: Companions) -> Account:
    layout, by = next((layout, by) for one in found.files for other, by, layout in one.beside if other == path)
    rows = layouts.read(path, layout, by).height
    return Account(path.name, rows, rows, 0)


def check_frames(frames: Mapping[str, pl.DataFrame], tenant: str) -> SchoolRecords:
    """Return records over frames given by a program; refuse with every problem, setting nothing aside in silence."""
    strangers = [name for name in frames if name not in TABLES]
    problems = [
        Problem("unknown_table", name, "there is no such table", f"The tables are: {', '.join(TABLES)}.") for name in strangers
    ]
    known = {name: Given(name, frame.rename(str.strip)) for name, frame in frames.items() if name in TABLES}
    for name, one in known.items():
        problems += missing_columns(one.frame.columns, TABLES[name], name)
    if problems:
        raise Refused(problems)
    checked = _Checking({}, tenant)
    for name in TABLES:
        if name in known:
            checked.take(name, [known[name]])
    problems += checked.problems
    if problems:
        raise Refused(problems)
    return SchoolRecords.from_frames(checked.kept, tenant)


def check_all(frames: Mapping[str, Sequence[Given | Maker]], given: Mapping[str, pl.DataFrame], tenant: str) -> Parts:
    """Check rows against each other and against tables that are checked already, in the order of the canonical tables.

    Args:
        frames: for each table its rows, or what makes them once the tables before it are known.
        given: canonical frames, typed and checked, of the main format.
        tenant: whose rows they are.

    Returns:
        all tables with their version columns. Where both have a table the rows of ``frames`` win by their natural key; of
        ``enrolments`` they replace all, and rows of ``given`` are then given the stay that covers their day.

    """
    checking = _Checking(given, tenant)
    for name in TABLES:
        makers = frames.get(name, ())
        rows = [one for maker in makers for one in (maker(checking.seen) if callable(maker) else [maker])]
        if rows:
            checking.take(name, rows)
        elif name in given:
            checking.leave(name)
    tables = {name: checking.tables[name] for name in TABLES if name in checking.tables}
    return Parts(tables, tuple(checking.accounts), tuple(checking.problems), checking.quarantine)


#: A day with fewer rows than this share of the school's middle day is a slip of the pen, and not a day of teaching.
LEAST_OF_MIDDLE = 0.1


def with_calendar(tables: Mapping[str, pl.DataFrame], tenant: str) -> tuple[dict[str, pl.DataFrame], tuple[str, ...]]:
    """Return the tables with a calendar, made of attendance where none was sent, and what is said of that."""
    if "calendar" in tables or "attendance" not in tables or "enrolments" not in tables:
        return dict(tables), ()
    days = school_days(tables["attendance"], tables["enrolments"])
    made = {**tables, "calendar": with_versions(days, TABLES["calendar"], tenant)}
    told = (f"No calendar was sent: the days on which a school's attendance was recorded are taken as its school days "
            f"({days.height:,} days at {days['organisation_id'].n_unique():,} schools).")  # fmt: skip
    return {name: made[name] for name in TABLES if name in made}, (told,)


def school_days(attendance: pl.DataFrame, enrolments: pl.DataFrame) -> pl.DataFrame:
    """Return a calendar made of attendance, for schools that send none: the days on which it was recorded.

    Where only absences are recorded, a day on which nobody was away is not seen: in a small school shares of days missed
    come out somewhat high. A day counts from the day its attendance is known.
    """
    schools = enrolments.select("enrolment_id", "organisation_id").unique("enrolment_id")
    rows = attendance.filter(~pl.col("deleted")).join(schools, on="enrolment_id")
    days = rows.group_by("organisation_id", "on").agg(pl.len().alias("rows"), pl.col("known_on").min())
    middle = pl.col("rows").median().over("organisation_id")
    seen = days.filter(pl.col("rows") >= LEAST_OF_MIDDLE * middle).sort("organisation_id", "on")
    return seen.select("organisation_id", "on", "known_on", instructional=pl.lit(value=True))


class _Checking:
    """Takes one table after the other, each against those before it."""

    def __init__(self, given: Mapping[str, pl.DataFrame], tenant: str) -> None:
        self.given, self.tenant = given, tenant
        self.kept: dict[str, pl.DataFrame] = {}
        self.tables: dict[str, pl.DataFrame] = {}
        self.keys: dict[str, pl.Series] = {}
        self.accounts: list[Account] = []
        self.problems: list[Problem] = []
        self.quarantine: dict[str, pl.DataFrame] = {}
        self.new_stays = False
        self._read: set[str] = set()

    @property
    def seen(self) -> Mapping[str, pl.DataFrame]:
        """The tables so far, and those of the main format that are yet to come."""
        return {**self.given, **self.tables}

    def take(self, name: str, rows: Sequence[Given]) -> None:
        """Check a table's rows and put them beside what the main format has of it."""
        table = TABLES[name]
        kept: list[pl.DataFrame] = []
        for one in rows:
            checked = self._checked(table, one, kept)
            kept.append(checked.kept)
            self._told(one.file, name, checked)
        self.kept[name] = kept[0] if len(kept) == 1 else pl.concat(kept, how="diagonal") if kept else pl.DataFrame()
        mine = with_versions(self.kept[name], table, self.tenant)
        if name == "enrolments" and name in self.given:
            self.new_stays = True
        elif name in self.given:
            theirs = self._own(name)
            older = theirs.join(mine.select(table.natural_key).unique(), on=list(table.natural_key), how="anti")
            mine = pl.concat([older, mine])
        self._known(name, mine)

    def leave(self, name: str) -> None:
        """Take a table as the main format has it."""
        self._known(name, self._own(name))

    def _known(self, name: str, rows: pl.DataFrame) -> None:
        self.tables[name] = rows
        key = TABLES[name].natural_key
        if len(key) == 1:
            self.keys[name] = rows[key[0]].unique()

    def _checked(self, table: Table, one: Given, before: Sequence[pl.DataFrame]) -> Checked:
        origin = one.origin
        if before and origin is not None:
            again = _again(one.frame, table, before)
            column = ", ".join(dict.fromkeys(origin.names.get(name, name) for name in table.natural_key))
            fault = Found("duplicate_key", column, "another file has a row with the same key", "Keep one of them.", again)
            origin = replace(origin, found=(*origin.found, fault)) if again.any() else origin
        owners = self.tables.get("enrolments")
        return check(one.frame, table, one.file, self.keys, _rules(table.name, one.frame), owners=owners, origin=origin)

    def _told(self, file: str, table: str, checked: Checked) -> None:
        """Keep the account of a file. One that gives several tables has an account for each, and one quarantine."""
        account = checked.account
        if file in self._read:
            account = replace(account, file=f"{file} ({table})")
        self._read.add(file)
        self.accounts.append(account)
        self.problems += checked.problems
        older = self.quarantine.get(file)
        aside = checked.quarantined
        self.quarantine[file] = aside if older is None or older.is_empty() else _merged(older, aside)

    def _own(self, name: str) -> pl.DataFrame:
        """Return the main format's rows of a table, each with the stay that it now belongs to."""
        table, rows = TABLES[name], with_versions(self.given[name], TABLES[name], self.tenant)
        if not self.new_stays or name == "enrolments" or "enrolment_id" not in table.schema:
            return rows
        stays = companions.stay_of(rows, table, self.tables)
        told = rows.with_columns(stays.alias("enrolment_id"))
        lost = stays.is_null()
        kept = told.filter(~lost).unique([*table.natural_key, "known_on"], keep="first", maintain_order=True)
        again = rows.height - int(lost.sum()) - kept.height
        if again and not lost.any():
            self.accounts.append(Account(f"{name} of the export", rows.height, kept.height, 0, again, _ONE_STAY))
        if lost.any():
            file = f"{name} of the export"
            count = int(lost.sum())
            reason = "no enrolment that was sent covers the day"
            self.accounts.append(Account(file, rows.height, kept.height, count, again, _ONE_STAY if again else ""))
            self.problems.append(Problem("no_enrolment_on_that_day", file, reason, "Send the enrolment.", rows=count))
            aside = rows.with_row_index("row", offset=1).filter(lost).drop("tenant")
            reasons = pl.lit([f"student_id: no_enrolment_on_that_day: {reason}"], dtype=pl.List(pl.String))
            text = [pl.col(column).cast(pl.String) for column in aside.columns if column != "row"]
            self.quarantine[file] = aside.select("row", reasons.alias("reasons"), *text)
        return kept


_ONE_STAY = "two of them are one in the stays that were sent"


def _again(frame: pl.DataFrame, table: Table, before: Sequence[pl.DataFrame]) -> pl.Series:
    """Return which rows have the key of a row that an earlier file of the same table gave."""
    key = [name for name in table.natural_key if name in frame.columns]
    text = [pl.col(name).cast(pl.String) for name in key]
    older = pl.concat([one.select(text) for one in before if one.width]).unique().with_columns(again=pl.lit(value=True))
    found = frame.select(text).join(older, on=key, how="left", maintain_order="left")
    return found["again"].fill_null(value=False)


def _merged(older: pl.DataFrame, newer: pl.DataFrame) -> pl.DataFrame:
    """Return what is set aside of one file that gives two tables: each row once, with the reasons of both."""
    if newer.is_empty():
        return older
    row, reasons = older.columns[:2]
    both = pl.concat([older, newer], how="diagonal")
    return both.group_by(row, maintain_order=True).agg(
        pl.col(reasons).list.explode(), pl.exclude(row, reasons).first()
    ).sort(row).select(older.columns)  # fmt: skip


def _rules(name: str, frame: pl.DataFrame) -> tuple[Rule, ...]:
    pairs = {"terms": ("starts_on", "ends_on"), "sections": ("starts_on", "ends_on"),
             "enrolments": ("entered_on", "planned_end_on"), "rosters": ("begins_on", "ends_on"),
             "staff_roles": ("begins_on", "ends_on"), "teaching": ("begins_on", "ends_on"),
             "plans": ("begins_on", "expires_on"), "objections": ("recorded_on", "withdrawn_on")}  # fmt: skip
    if name not in pairs or not set(pairs[name]) <= set(frame.columns):
        return ()
    first, last = pairs[name]
    return (
        Rule(
            "ends_before_start",
            last,
            f"it is before {first}",
            "Correct one of the two dates.",
            pl.col(last) < pl.col(first),
        ),
    )

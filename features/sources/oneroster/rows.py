"""A package's files, row by row: what is wrong is set aside, and what is right joins what earlier packages said.

What is kept of all packages so far is a :data:`State`: for each file its rows, typed, with the columns of the binding that
are read and ``stamp``, the day since which a row that came with the newest package is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from features.delimited import own_columns
from features.problems import Problem, Refused
from features.sources.oneroster import people
from features.sources.oneroster.binding import ASKED, COMMON, FILES, LISTS, LOOSE, NO_PLACE, read_columns
from features.sources.oneroster.package import UNREADABLE, File, Package
from features.tables import Column, Table
from features.validation import Account, Checked, Found, Origin, Rule, check, load, row_numbers

State = dict[str, pl.DataFrame]

#: What the rows of every file hold beside the columns of the binding.
STAMP = "stamp"

#: In which row of its file a user stands, for telling who is not sure to be one person.
PLACE = "row"

_KEY = Table("", "", (COMMON[0],))
_GONE = ("tobedeleted", "inactive")
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"
_EXTENSION = r"(?i)^ext:"


def columns_of(name: str) -> dict[str, pl.DataType]:
    """Return the columns that a file's rows have in a :data:`State`, and their types."""
    table = FILES["1.2"][name]
    extra = {"role": pl.String(), "orgSourcedIds": pl.String(), PLACE: pl.Int64()} if name == "users" else {}
    return {one.name: one.type for one in read_columns(table)} | extra | {STAMP: pl.Date()}


def nothing() -> State:
    """Return the state before the first package."""
    return {name: pl.DataFrame(schema=columns_of(name)) for name in FILES["1.2"]}


@dataclass
class Taken:
    """What one package came to: its account, what was set aside and noted, and the day on which it was known."""

    accounts: list[Account] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    quarantine: dict[str, pl.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    day: date | None = None


def take(package: Package, state: State, first: bool) -> Taken:
    """Read a package's files into ``state``.

    Raises:
        Refused: a file cannot be read, or a later package tells no day: neither its rows nor its name.

    """
    taken = Taken(notes=list(package.notes))
    frames, problems = {}, []
    for name, file in package.files.items():
        try:
            frames[name] = load(file.path, file.own_table)
        except Refused as refused:
            problems += [replace(one, file=package.file(one.file)) for one in refused.problems]
    if problems:
        raise Refused(problems, UNREADABLE)
    if package.manifest:
        # A line of the manifest is no row of a table, but a line that was read is accounted for.
        taken.accounts.append(Account(package.file("manifest.csv"), package.properties, package.properties, 0))
    raw = {name: _Raw.of(package, name, frame, first) for name, frame in frames.items()}
    if not first:
        stamps = [one.text[STAMP].max() for one in raw.values()]
        days = [day for day in stamps if isinstance(day, date)]
        taken.day = max(days, default=package.dated)
        if taken.day is None:
            raise Refused(
                [
                    Problem(
                        "undated_package",
                        package.name,
                        "nothing in it tells on which day it was known",
                        "Fill dateLastModified, or give the package a name with its day, such as delta-2026-11-22.",
                    )
                ],
                UNREADABLE,
            )
    for name, frame in state.items():
        state[name] = frame.with_columns(pl.lit(None, pl.Date).alias(STAMP))
    for name in FILES["1.2"]:
        if name in raw:
            _take_file(raw[name], state, taken, first)
    return taken


@dataclass
class _Raw:
    """One file as it was read: the file's own cells, and beside them the binding's columns as text made uniform."""

    name: str
    told: str
    file: File
    content: pl.DataFrame
    text: pl.DataFrame
    notes: list[str]

    @classmethod
    def of(cls, package: Package, name: str, frame: pl.DataFrame, first: bool) -> _Raw:
        file, told = package.files[name], package.file(f"{name}.csv")
        binding = {own: mine for mine, own in file.own.items()}
        text = frame.select(pl.col(one).cast(pl.String).str.strip_chars().alias(binding[one]) for one in own_columns(frame))
        text = text.with_columns(pl.when(pl.col(one).str.len_chars() > 0).then(pl.col(one)) for one in text.columns)
        notes: list[str] = []
        for column in read_columns(file.table):
            if column.name not in text.columns or not (column.values or column.type == pl.Date()):
                continue
            cells = text[column.name]
            uniform = _days(cells) if column.type == pl.Date() else _words(cells, column)
            many = int((uniform != cells).sum() or 0) if uniform is not None else 0
            if uniform is None or not many:
                continue
            text = text.with_columns(uniform.alias(column.name))
            if column.name != "dateLastModified":
                how = "times beside the day" if column.type == pl.Date() else "words in other capitals or spaces"
                notes.append(f"{told}: {many:,} cells of {column.name} have {how}; they are read as the binding's.")
        absent = [one.name for one in COMMON if one.name not in text.columns]
        text = text.with_columns(pl.lit(None, pl.String).alias(one) for one in absent)
        stamp = pl.lit(None, pl.Date) if first else pl.col("dateLastModified").str.to_date("%Y-%m-%d", strict=False)
        if first:
            filled = int(text.select((pl.col("status").is_not_null() | pl.col("dateLastModified").is_not_null()).sum()).item())
            if filled and file.mode == "bulk":
                notes.append(f"{told}: {filled:,} rows have status or dateLastModified filled in a bulk file; it does no harm.")
            text = text.with_columns(pl.lit(None, pl.String).alias("dateLastModified"))
        return cls(name, told, file, frame, text.with_columns(stamp.alias(STAMP)), notes)


def _days(cells: pl.Series) -> pl.Series | None:
    """Return dates without the times beside them, None where there is none."""
    if (cells.str.len_bytes().max() or 0) <= len("2026-11-22"):  # type: ignore[operator]
        return None
    timed = cells.str.contains(_TIMESTAMP)
    return cells.str.slice(0, 10).zip_with(timed.fill_null(value=False), cells)


def _words(cells: pl.Series, column: Column) -> pl.Series | None:
    """Return cells in the binding's own words, whatever their capitals, blanks and hyphens; None where all are."""
    plain = {_plain(word): word for word in column.values}
    strange = [word for word in cells.unique().drop_nulls().to_list() if word not in column.values]
    changed = {word: plain[_plain(word)] for word in strange if _plain(word) in plain}
    return cells.replace(changed) if changed else None


def _plain(word: str) -> str:
    return "".join(sign for sign in word.lower() if sign not in " _-")


def _take_file(raw: _Raw, state: State, taken: Taken, first: bool) -> None:
    name, told = raw.name, raw.told
    taken.notes += raw.notes
    rows = row_numbers(raw.content, told)
    if name in NO_PLACE:
        count = raw.text.height
        taken.accounts.append(Account(told, count, 0, 0, count, NO_PLACE[name] if count else ""))
        return
    gone = raw.text["status"].is_in(_GONE).fill_null(value=False)
    out, why = _left_out(raw, gone, first)
    deleted = _checked(raw, gone & ~out, rows, _KEY, ("sourcedId",), {}, (), 0, "")
    kept = _check_rows(raw, ~gone & ~out, rows, state, int(out.sum()), why, taken)
    for one in (kept, deleted):
        taken.problems += one.problems
    aside = [one.quarantined for one in (kept, deleted) if one.quarantined.height]
    if aside:
        taken.quarantine[told] = pl.concat(aside, how="diagonal")
    taken.accounts.append(_together(kept.account, deleted.account))
    # A row that was there before and is faulty now stays as it was: what is set aside deletes nothing.
    faulty = raw.text.filter(~out)["sourcedId"].drop_nulls().unique()
    _upsert(name, kept.kept, deleted.kept, faulty, raw.file.mode, state)


def _left_out(raw: _Raw, gone: pl.Series, first: bool) -> tuple[pl.Series, str]:
    """Return which rows are not taken on purpose, and why."""
    reasons: list[tuple[str, pl.Series]] = []
    if first and gone.any():
        reasons.append(("rows that were deleted before the first package", gone))
    for column in read_columns(raw.file.table):
        if column.values and column.required and column.name in raw.text.columns:
            extended = raw.text[column.name].str.contains(_EXTENSION).fill_null(value=False) & ~gone
            if extended.any():
                reasons.append((f"{column.name} is a word of the sender's own (ext:)", extended))
    if raw.name == "enrollments" and "role" in raw.text.columns:
        others = raw.text["role"].is_in(["administrator", "aide", "proctor"]).fill_null(value=False) & ~gone
        if others.any():
            reasons.append(("people in a class who neither learn nor teach", others))
    out = pl.Series([False] * raw.text.height, dtype=pl.Boolean)
    for _, which in reasons:
        out = out | which
    return out, "; ".join(why for why, _ in reasons)


def _check_rows(raw: _Raw, which: pl.Series, rows: pl.Series, state: State, left_out: int, why: str, taken: Taken) -> Checked:
    """Check the rows of a file that are to be kept."""
    name = raw.name
    table = raw.file.table
    text = raw.text
    for column in table.columns:
        if column.values and not column.required and column.name in text.columns and column.name != "status":
            extended = pl.col(column.name).str.contains(_EXTENSION)
            text = text.with_columns(pl.when(~extended).then(pl.col(column.name)).alias(column.name))
    raw.text = text
    mine = text.filter(which)
    asked = {one: int(mine[one].null_count()) for one in ASKED.get(name, ()) if one in mine.columns}
    taken.notes += [f"{raw.told}: {many:,} rows have no {one}, which the binding asks for; they are kept."
                    for one, many in asked.items() if many]  # fmt: skip
    mine, found = _references(raw, mine, state, taken)
    match name:
        case "results":
            found += _result_faults(mine, state)
        case "resultLearningObjectiveIds":
            found += _objective_faults(mine, state)
        case _:
            pass
    references = {one.references: state[one.references]["sourcedId"] for one in table.columns if one.references}
    if name in _OWN_REFERENCE:
        references = {key: value for key, value in references.items() if key != name}
    raw.text = raw.text.drop(STAMP)
    checked = _checked(raw, which, rows, _only(table, mine.columns), ("sourcedId",), references, found, left_out, why, mine)
    beside = pl.DataFrame({STAMP: mine[STAMP], PLACE: rows.filter(which)}).filter(checked.taken)
    return replace(checked, kept=checked.kept.hstack(beside))


_OWN_REFERENCE = ("orgs", "academicSessions")


def _only(table: Table, columns: list[str]) -> Table:
    """Return a table with the columns that are read and are there."""
    return Table(table.name, table.says, tuple(one for one in read_columns(table) if one.name in columns))


def _checked(raw: _Raw, which: pl.Series, rows: pl.Series, table: Table, unique: tuple[str, ...],
             references: Mapping[str, pl.Series], found: tuple[Found, ...], left_out: int, why: str,
             mine: pl.DataFrame | None = None) -> Checked:  # fmt: skip
    frame = (raw.text.filter(which) if mine is None else mine).select(one.name for one in table.columns)
    origin = Origin(raw.content.filter(which), rows.filter(which), dict(raw.file.own), found, left_out, why)
    return check(frame, table, raw.told, references, _rules(raw.name, frame), unique, origin=origin)


def _rules(name: str, frame: pl.DataFrame) -> tuple[Rule, ...]:
    pairs = {"academicSessions": ("startDate", "endDate"), "roles": ("beginDate", "endDate"),
             "enrollments": ("beginDate", "endDate")}  # fmt: skip
    if name == "lineItems" and {"resultValueMin", "resultValueMax"} <= set(frame.columns):
        return (Rule("out_of_range", "resultValueMax", "it is below resultValueMin", "Correct one of the two.",
                     pl.col("resultValueMax") < pl.col("resultValueMin")),)  # fmt: skip
    if name not in pairs or not set(pairs[name]) <= set(frame.columns):
        return ()
    first, last = pairs[name]
    return (Rule("ends_before_start", last, f"it is before {first}", "Correct one of the two dates.",
                 pl.col(last) < pl.col(first)),)  # fmt: skip


def _references(raw: _Raw, mine: pl.DataFrame, state: State, taken: Taken) -> tuple[pl.DataFrame, tuple[Found, ...]]:
    """Return the rows with references to nothing taken out where a row can do without, and the faults of lists."""
    found: list[Found] = []
    for column, to in LOOSE.get(raw.name, {}).items():
        if column not in mine.columns:
            continue
        known = pl.concat([state[to]["sourcedId"], mine["sourcedId"]]) if to == raw.name else state[to]["sourcedId"]
        stray = ~pl.col(column).is_in(known.implode())
        many = int(mine.select(stray.sum()).item() or 0)
        if many:
            taken.notes.append(f"{raw.told}: {many:,} rows name with {column} a row of {to}.csv that is not there; "
                               "they are kept without it.")  # fmt: skip
            mine = mine.with_columns(pl.when(~stray).then(pl.col(column)).alias(column))
    for name, to in LISTS.get(raw.name, {}).items():
        if name not in mine.columns:
            continue
        named = listed(mine.with_row_index("at").select("at", name), name)
        there = named.filter(pl.col(name).is_in(state[to]["sourcedId"].implode()))
        if lost := named.height - there.height:
            taken.notes.append(f"{raw.told}: {lost:,} entries of {name} are not in {to}.csv; the others are used.")
        kept = there.group_by("at").agg(pl.col(name).str.join(",").alias("kept"))
        joined = mine.with_row_index("at").join(kept, on="at", how="left", maintain_order="left")
        none = joined["kept"].is_null() & joined[name].is_not_null()
        found.append(Found(f"unknown_{to}", name, f"none of it is among the {to} that were read",
                           f"Send them with the {to}, or correct it.", none))  # fmt: skip
        mine = joined.with_columns(pl.coalesce("kept", name).alias(name)).drop("at", "kept")
    return mine, tuple(one for one in found if one.rows.any())


def listed(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return a row for each entry of a list in one cell, entries without blanks around them, in their order."""
    entries = pl.col(column).str.split(",").list.eval(pl.element().str.strip_chars(" \"'[]"))
    exploded = frame.with_columns(entries.alias(column)).explode(column, empty_as_null=True)
    return exploded.filter(pl.col(column).str.len_chars() > 0).unique(maintain_order=True)


def _result_faults(mine: pl.DataFrame, state: State) -> tuple[Found, ...]:
    """Return what is wrong with results beside their line items and classes."""
    if not {"lineItemSourcedId", "studentSourcedId"} <= set(mine.columns):
        return ()
    work = state["lineItems"].select(pl.col("sourcedId").alias("lineItemSourcedId"), pl.col("classSourcedId").alias("class"),
                                     "resultValueMin", "resultValueMax")  # fmt: skip
    rows = mine.join(work, on="lineItemSourcedId", how="left", maintain_order="left")
    faults = list(_out_of_range(rows))
    if "classSourcedId" in mine.columns:
        other = (rows["classSourcedId"] != rows["class"]).fill_null(value=False)
        faults.append(Found("mismatched_reference", "classSourcedId", "it is not the class of the piece of work",
                            "Correct it, or leave it empty.", other))  # fmt: skip
    seats = (
        state["enrollments"]
        .filter(pl.col("role") == "student")
        .select("userSourcedId", pl.col("classSourcedId").alias("class"))
    )
    pupils = pl.concat([seats["userSourcedId"], mine["studentSourcedId"]]).unique()
    keys = people.resolve(state["users"].filter(pl.col("sourcedId").is_in(pupils.implode())), births(state)).keys
    seats = seats.join(keys, left_on="userSourcedId", right_on="sourcedId").select("person", "class")
    of = rows.join(keys, left_on="studentSourcedId", right_on="sourcedId", how="left", maintain_order="left")
    seated = of.join(seats.unique().with_columns(pl.lit(value=True).alias("seated")), on=["person", "class"], how="left",
                     maintain_order="left")["seated"].fill_null(value=False)  # fmt: skip
    apart = ~seated & of["person"].is_not_null() & of["class"].is_not_null()
    faults.append(Found("not_enrolled", "studentSourcedId", "this student is not enrolled in the class of the piece of work",
                        "Add the enrollment, or correct it.", apart))  # fmt: skip
    return tuple(one for one in faults if one.rows.any())


def _objective_faults(mine: pl.DataFrame, state: State) -> tuple[Found, ...]:
    if not {"resultSourcedId", "score"} <= set(mine.columns):
        return ()
    results = state["results"].select(pl.col("sourcedId").alias("resultSourcedId"), "lineItemSourcedId")
    work = state["lineItems"].select(pl.col("sourcedId").alias("lineItemSourcedId"), "resultValueMin", "resultValueMax")
    rows = mine.join(results, on="resultSourcedId", how="left", maintain_order="left")
    rows = rows.join(work, on="lineItemSourcedId", how="left", maintain_order="left")
    return tuple(one for one in _out_of_range(rows) if one.rows.any())


def _out_of_range(rows: pl.DataFrame) -> tuple[Found, ...]:
    """Return the faults of scores outside of what their line item allows; without a least score it is zero."""
    if "score" not in rows.columns:
        return ()
    score = pl.col("score").cast(pl.Float64, strict=False)
    low, high = pl.col("resultValueMin").fill_null(0.0), pl.col("resultValueMax")
    found = rows.select(
        (score < low).fill_null(value=False).alias("below"), (score > high).fill_null(value=False).alias("above")
    )
    hint = "Correct the score, or the line item's resultValueMin and resultValueMax."
    return (
        Found("out_of_range", "score", "it is below the least that the piece of work allows", hint, found["below"]),
        Found("out_of_range", "score", "it is above the best that the piece of work allows", hint, found["above"]),
    )


def births(state: State) -> pl.DataFrame:
    """Return the day of birth of each user row, where it is known."""
    return state["demographics"].select("sourcedId", "birthDate")


def _together(one: Account, other: Account) -> Account:
    return Account(one.file, one.read + other.read, one.kept + other.kept, one.quarantined + other.quarantined,
                   one.left_out + other.left_out, "; ".join(why for why in (one.why, other.why) if why),
                   one.corrected + other.corrected, one.added + other.added)  # fmt: skip


def _upsert(name: str, rows: pl.DataFrame, deleted: pl.DataFrame, sent: pl.Series, mode: str, state: State) -> None:
    """Put a file's rows in the place of those of the same key; of a bulk file what is not ``sent`` again is gone."""
    wanted = columns_of(name)
    rows = rows.select((pl.col(one) if one in rows.columns else pl.lit(None).alias(one)).cast(dtype)
                       for one, dtype in wanted.items())  # fmt: skip
    if state[name].is_empty():
        state[name] = rows
        return
    older = state[name].filter(pl.col("sourcedId").is_in(sent.implode())) if mode == "bulk" else state[name]
    replaced = pl.concat([rows["sourcedId"], deleted["sourcedId"].cast(pl.String)])
    state[name] = pl.concat([older.filter(~pl.col("sourcedId").is_in(replaced.implode())), rows])

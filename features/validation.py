"""The door: rows are checked against a table's columns, and every row is accounted for.

A fault of structure (a file or a column that is not there) refuses the whole export, because nothing can be said
about rows that cannot be read. A fault of one row sends that row to quarantine with every reason, its own content
kept so that it can be mended, and the rest goes on: read = kept + quarantined, always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path

import polars as pl

from features.problems import Problem, Refused, shape_of
from features.tables import Column, Table

#: Words that some exports write where a value is missing. OULAD writes a question mark.
MISSING = ("", "?")

#: A text with more characters is not a name, a title or a key.
LONGEST = 1_000

#: The first and the last year that a date may be in: 0026 is a slip of the pen, and 9999 a word for never.
YEARS = (1900, 2200)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


def day(text: str) -> date | None:
    """Return the date that a text of the form YYYY-MM-DD names, or None where it names none.

    Python alone would read 20261113 and 2026-W46-5 too, and a settings file or a program that writes dates so is
    more often mistaken than right.
    """
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
    return found if found is not None and YEARS[0] <= found.year <= YEARS[1] else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A check across columns: ``broken`` returns a Boolean expression that is true for a bad row."""

    code: str
    column: str
    problem: str
    hint: str
    broken: pl.Expr


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of one file: ``read == kept + quarantined``."""

    file: str
    read: int
    kept: int
    quarantined: int

    def __post_init__(self) -> None:
        if self.read != self.kept + self.quarantined:
            raise AssertionError(f"{self.file}: {self.read} rows read, but {self.kept} kept and {self.quarantined} set aside")


@dataclass(frozen=True)
class Checked:
    """One file after the door: typed rows kept, rows set aside with their reasons, and the account of both."""

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    account: Account
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Reading:
    """What a source made of an export: canonical frames, and the account of every row of every file."""

    tables: Mapping[str, pl.DataFrame]
    accounts: tuple[Account, ...]
    problems: tuple[Problem, ...]
    quarantine: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    digest: str = ""

    @property
    def quarantined(self) -> int:
        """Number of rows set aside, over all files."""
        return sum(account.quarantined for account in self.accounts)

    def write_quarantine(self, folder: Path) -> list[Path]:
        """Write what was set aside, one Parquet file per file read, and return the paths.

        Of what earlier readings wrote nothing is left; files of somebody else's in the folder stay as they are. All
        files are written before the first takes its place, so that a full disk leaves the older ones whole.
        """
        older = [path for path in folder.glob("*.quarantined*.parquet") if _is_quarantine(path)]
        building: dict[Path, Path] = {}
        try:
            for name, frame in self.quarantine.items():
                if frame.height:
                    folder.mkdir(parents=True, exist_ok=True)
                    path = next(one for one in _names(folder, Path(name).stem) if one in older or not one.exists())
                    building[path] = path.with_name(f".{path.name}.building")
                    frame.write_parquet(building[path], metadata=_QUARANTINE)
            for path, built in building.items():
                built.replace(path)
        finally:
            for built in building.values():
                built.unlink(missing_ok=True)
        for path in older:
            if path not in building:
                path.unlink(missing_ok=True)
        return list(building)


#: What a file that :meth:`Reading.write_quarantine` wrote says of itself: a name alone could be anybody's.
_QUARANTINE = {"homeroom": "quarantine"}


def _is_quarantine(path: Path) -> bool:
    try:
        return pl.read_parquet_metadata(path).get("homeroom") == "quarantine"
    except (OSError, pl.exceptions.PolarsError):
        return False


def _names(folder: Path, stem: str) -> Iterator[Path]:
    """Return names for a quarantine, best first: one that somebody gave to a file of theirs is passed over."""
    yield folder / f"{stem}.quarantined.parquet"
    yield from (folder / f"{stem}.quarantined-{number}.parquet" for number in count(2))


def read_files(folder: Path, tables: Mapping[str, Table], required: Collection[str]) -> dict[str, tuple[str, pl.DataFrame]]:
    """Return the name and the rows of each table's file, CSV or Parquet, the rows as they stand.

    Where both endings exist the Parquet file is read. A folder of the table's name that holds Parquet files is read as
    one file ``<table>.parquet``, its parts in the order of their names. Refuses with every required file that is missing,
    every file that cannot be read and every column that is missing, all at once.
    """
    if not folder.is_dir():
        raise Refused(
            [Problem("missing_folder", folder.name, "there is no such folder", "Give the folder that holds the files.")],
            _UNREADABLE,
        )
    found: dict[str, tuple[str, pl.DataFrame]] = {}
    problems: list[Problem] = []
    for name, table in tables.items():
        paths = [path for ending in (".parquet", ".csv") if (path := folder / f"{name}{ending}").is_file()]
        paths += [folder / name] if any((folder / name).glob("*.parquet")) else []
        if paths:
            try:
                found[name] = (paths[0].name if paths[0].is_file() else f"{name}.parquet", load(paths[0], table))
            except Refused as refused:
                problems += refused.problems
        elif name in required:
            problems.append(
                Problem("missing_file", f"{name}.csv", "this file is not in the folder",
                        f"Put {name}.csv or {name}.parquet beside the others.", file=f"{name}.csv")
            )  # fmt: skip
    if problems:
        raise Refused(problems, _UNREADABLE)
    return found


_UNREADABLE = "The export cannot be read"


def load(path: Path, table: Table) -> pl.DataFrame:
    """Return a file's rows as they stand, CSV as text; refuse with every required column that is missing.

    CSV is read as UTF-8, with Latin-1 tried where that fails, since some published copies are. Columns that the
    table does not know are left behind here and never enter.
    """
    parquet = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []
    try:
        frame = pl.read_parquet(parquet) if parquet else _read_csv(path.read_bytes())
    except pl.exceptions.PolarsError:
        what = "Parquet" if parquet else "a CSV whose rows all have the header's number of columns"
        hint = "Save it as CSV in UTF-8 with commas between columns and quotes around text, or as Parquet."
        # `from None`: what Polars says quotes the cells it stumbled over.
        raise Refused([Problem("unreadable_file", path.name, f"it is not {what}", hint, file=path.name)], _UNREADABLE) from None
    names = [name.strip().lstrip("\ufeff").partition("_duplicated_")[0] for name in frame.columns]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1 and name in table.schema]
    problems = [
        Problem("duplicate_column", f"{path.name}, header", f"the column {name} is there more than once",
                "Keep one of them.", file=path.name, row=1, column=name)
        for name in twice
    ] + missing_columns(names, table, path.name)  # fmt: skip
    if problems:
        raise Refused(problems, _UNREADABLE)
    known = {name: at for at, name in enumerate(names) if name in table.schema and name != "tenant"}
    return frame.select(pl.col(frame.columns[known[name]]).alias(name) for name in table.schema if name in known)


def missing_columns(names: Collection[str], table: Table, file: str) -> list[Problem]:
    """Return a problem for each column that a table must have and ``names`` do not hold."""
    header = f"The header must name: {', '.join(column.name for column in table.columns)}."
    return [
        Problem("missing_column", f"{file}, header", f"the column {column.name} is missing", header,
                file=file, row=1, column=column.name)
        for column in table.columns
        if column.name not in names and (column.required or column.natural)
    ]  # fmt: skip


def _read_csv(raw: bytes) -> pl.DataFrame:
    try:
        return pl.read_csv(raw, infer_schema=False)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.ComputeError:
        return pl.read_csv(raw, infer_schema=False, encoding="latin-1")


def check(
    frame: pl.DataFrame,
    table: Table,
    file: str,
    references: Mapping[str, pl.Series] | None = None,
    rules: Sequence[Rule] = (),
    unique: Sequence[str] | None = None,
    owners: pl.DataFrame | None = None,
) -> Checked:
    """Check every row of a file against its table and return what may come in.

    Args:
        frame: the rows as read, text or typed; no column is missing (see :func:`missing_columns`).
        table: what the rows must be.
        file: the name by which problems speak of it.
        references: for each referenced table, the keys that exist.
        rules: checks across columns, on the typed rows.
        unique: the columns that name a row once; the table's natural key and ``known_on`` by default.
        owners: whose each enrolment is, as ``enrolment_id`` and ``student_id``: a row that names both must agree.

    Returns:
        the typed rows kept, in order, and those set aside with ``row``, ``reasons`` and their content as text.

    """
    first_row = 1 if file.endswith(".parquet") else 2  # a CSV's header is its row 1
    wanted = {column.name: column.type for column in table.columns} | {"known_on": pl.Date(), "deleted": pl.Boolean()}
    cells = _selected(frame, *(_cell(name, dtype) for name, dtype in frame.schema.items()))
    typed = _selected(
        cells,
        *(_cast(pl.col(name), cells.schema[name], wanted[name]).alias(name) for name in frame.columns),
        *(pl.col(name).is_not_null().alias(_given(name)) for name in frame.columns),
    )
    faults = [
        _Fault("bad_value", name, _NOT_A[type(wanted[name])], _WRITE[type(wanted[name])],
               pl.col(name).is_null() & pl.col(_given(name)))
        for name in frame.columns
    ]  # fmt: skip
    for column in table.columns:
        if column.name in frame.columns:
            faults += _column_faults(column, references or {})
    if owners is not None and set(_OWNER) <= set(frame.columns):
        faults += _owner_faults(typed.select(_OWNER), owners.select(_OWNER), references or {})
    faults += [_Fault(rule.code, rule.column, rule.problem, rule.hint, rule.broken) for rule in rules]
    key = list(unique) if unique is not None else [*table.natural_key, *(["known_on"] if "known_on" in frame.columns else [])]
    if key and frame.height > 1:
        named = ~pl.any_horizontal(pl.col(name).is_null() for name in key if name != "known_on")
        again = ~pl.struct(key).is_first_distinct() & named
        faults.append(_Fault("duplicate_key", ", ".join(key), "another row has the same key", "Keep one of them.", again))
    # One query for all faults: a request of one student passes here too, and hundreds of small ones would cost 50 ms.
    bad = _selected(typed, *(fault.bad.fill_null(value=False).alias(str(at)) for at, fault in enumerate(faults)))
    typed = typed.select(frame.columns)
    found = {faults[int(column.name)]: column for column in bad if column.any()}
    if not found:
        return Checked(typed, pl.DataFrame(), Account(file, frame.height, frame.height, 0), ())
    aside = bad.select(pl.any_horizontal(pl.all())).to_series()
    kept = typed.filter(~aside)
    quarantined = _set_aside(frame, aside, found, first_row)
    problems = tuple(_problem(frame, fault, rows, file, first_row) for fault, rows in found.items())
    return Checked(kept, quarantined, Account(file, frame.height, kept.height, quarantined.height), problems)


def _selected(frame: pl.DataFrame, *exprs: pl.Expr) -> pl.DataFrame:
    """Select without optimising the plan: nothing can be saved, and on a few rows it takes longer than the work."""
    return frame.lazy().select(exprs).collect(optimizations=pl.QueryOptFlags.none())


@dataclass(frozen=True, eq=False)
class _Fault:
    code: str
    column: str
    problem: str
    hint: str
    bad: pl.Expr


_NOT_A: Mapping[type[pl.DataType], str] = {
    pl.Date: "this is not a date", pl.Int32: "this is not a whole number", pl.Float64: "this is not a number",
    pl.Boolean: "this is neither true nor false", pl.String: "this is not text",
}  # fmt: skip
_WRITE: Mapping[type[pl.DataType], str] = {
    pl.Date: "Write dates as YYYY-MM-DD.", pl.Int32: "Write it in digits.", pl.Float64: "Write it in digits with a point.",
    pl.Boolean: "Write true or false.", pl.String: "Write text.",
}  # fmt: skip


def _given(name: str) -> str:
    """Return the name of the column that tells whether a cell held anything."""
    return f"{name} was given"


def _cell(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column with what stands for a missing value as null."""
    if not isinstance(dtype, pl.String | pl.Null | pl.Categorical | pl.Enum):
        return pl.col(name)
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(~text.is_in(MISSING)).then(text).alias(name)


def _cast(cell: pl.Expr, dtype: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Return a cell in the wanted type, null where it does not fit exactly."""
    if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object):
        return _nothing(cell, wanted)
    return _CASTS.get(type(wanted), _to_text)(cell, dtype)


def _nothing(cell: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    return pl.when(cell.is_null()).then(pl.lit(None, wanted)).otherwise(pl.lit(None, wanted))


def _to_day(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    day = cell
    if dtype == pl.String:
        # Exactly this form: a lenient parser would read 03/04 as one of two days without saying which.
        day = pl.when(cell.str.len_chars() == 10).then(cell.str.to_date("%Y-%m-%d", strict=False))
    elif isinstance(dtype, pl.Date | pl.Datetime):
        day = cell.cast(pl.Date)
    else:  # a bare number could be counted from any day
        return _nothing(cell, pl.Date())
    return pl.when(day.dt.year().is_between(*YEARS)).then(day)


def _to_yes(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return cell
    low = cell.cast(pl.String, strict=False).str.to_lowercase()
    return pl.when(low.is_in(_TRUE)).then(True).when(low.is_in(_FALSE)).then(False)


def _to_whole(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Int32:
        return cell
    number = cell.cast(pl.Float64, strict=False)
    whole = number.cast(pl.Int32, strict=False)
    return pl.when(number == whole).then(whole)


def _to_real(cell: pl.Expr, _: pl.DataType) -> pl.Expr:
    number = cell.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _to_text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not dtype.is_float():
        return cell.cast(pl.String, strict=False)
    # A key that went through pandas beside an empty cell: 17.0 means 17.
    whole = cell.cast(pl.Int64, strict=False)
    return pl.when(whole == cell).then(whole.cast(pl.String)).otherwise(cell.cast(pl.String))


_CASTS: Mapping[type[pl.DataType], Callable[[pl.Expr, pl.DataType], pl.Expr]] = {
    pl.Date: _to_day, pl.Boolean: _to_yes, pl.Int32: _to_whole, pl.Float64: _to_real,
}  # fmt: skip


def _column_faults(column: Column, references: Mapping[str, pl.Series]) -> list[_Fault]:
    name, value, found = column.name, pl.col(column.name), []
    if column.required or column.natural:
        # A cell that holds something else than a date is not an empty cell.
        empty = ~pl.col(_given(name))
        found.append(_Fault("missing_value", name, "this must not be empty", f"It says: {column.says}", empty))
    if column.type == pl.String:
        long = value.str.len_chars() > LONGEST
        found.append(_Fault("too_long", name, f"this is longer than {LONGEST:,} characters", "Shorten it.", long))
    if column.values:
        words = f"Use one of: {', '.join(column.values)}."
        found.append(_Fault("unknown_word", name, "this word is not known here", words, ~value.is_in(list(column.values))))
    if column.least is not None:
        below = f"this is below {column.least:g}"
        found.append(_Fault("out_of_range", name, below, "Correct the number.", value < column.least))
    if column.most is not None:
        above = f"this is above {column.most:,g}"
        found.append(_Fault("out_of_range", name, above, "Correct the number.", value > column.most))
    if column.references and column.references in references:
        known, where = references[column.references], column.references
        found.append(_Fault(f"unknown_{where}", name, f"it is not among the {where} that were read",
                            f"Send it with the {where}, or correct it.", ~value.is_in(known.implode())))  # fmt: skip
    return found


#: What names an enrolment, and whose it is.
_OWNER = ("enrolment_id", "student_id")


def _owner_faults(rows: pl.DataFrame, owners: pl.DataFrame, references: Mapping[str, pl.Series]) -> list[_Fault]:
    """Return the fault of rows that name one student and the enrolment of another; usually there is none.

    Distinct pairs are compared: of millions of rows there are some thousands. A key that nobody knows is another
    fault, and is told as such.
    """
    wrong = rows.unique().drop_nulls().join(owners.select("enrolment_id").unique(), on="enrolment_id", how="semi")
    wrong = wrong.join(owners.unique(), on=_OWNER, how="anti")
    if "students" in references:
        wrong = wrong.filter(pl.col("student_id").is_in(references["students"].implode()))
    if wrong.is_empty():
        return []
    marked = wrong.with_columns(pl.lit(value=True).alias("wrong"))
    bad = rows.join(marked, on=_OWNER, how="left", maintain_order="left")["wrong"].fill_null(value=False)
    return [_Fault("mismatched_reference", ", ".join(_OWNER), "this enrolment is another student's",
                   "Correct one of the two.", pl.lit(bad))]  # fmt: skip


def _set_aside(frame: pl.DataFrame, aside: pl.Series, faults: Mapping[_Fault, pl.Series], first_row: int) -> pl.DataFrame:
    """Return the bad rows as text with their row numbers and every reason, ready to be mended and sent again."""
    reasons = [
        pl.when(rows).then(pl.lit(f"{fault.column}: {fault.code}: {fault.problem}")).otherwise(None)
        for fault, rows in faults.items()
    ]
    content = frame.with_row_index("row", offset=first_row).with_columns(
        pl.concat_list(reasons).list.drop_nulls().alias("reasons")
    )
    found = content.filter(aside)
    return found.select("row", "reasons", *(_as_text(found[name]) for name in frame.columns))


def _as_text(cells: pl.Series) -> pl.Series:
    if cells.dtype.is_nested() or isinstance(cells.dtype, pl.Binary | pl.Object):
        return pl.Series(cells.name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    return cells.cast(pl.String)


def _problem(frame: pl.DataFrame, fault: _Fault, rows: pl.Series, file: str, first_row: int) -> Problem:
    first = int(rows.arg_true()[0])
    cells = [frame[name][first] for name in fault.column.split(", ") if name in frame.columns]
    return Problem(
        fault.code, f"{file}, row {first + first_row}, column {fault.column}", fault.problem, fault.hint, file,
        first + first_row, fault.column, ", ".join(shape_of(cell) for cell in cells if cell is not None),
        int(rows.sum()),
    )  # fmt: skip

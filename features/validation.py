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
from pathlib import Path

import polars as pl

from features import delimited, quarantine
from features.archive import opened
from features.delimited import CAME, CONTENT, FAULT, FAULTS, KEPT, KEPT_SCHEMA, RAW, ROW, own_columns
from features.problems import Problem, Refused, shape_of
from features.quarantine import as_text, reason_of
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
    """What became of the rows of one file: ``read == kept + quarantined + left_out``.

    ``left_out`` counts rows that are not faulty and not taken, and ``why`` says why. Of the rows read, ``added`` came from
    corrections that lay beside the file and were not in it; ``corrected`` took the place of their old form.
    """

    file: str
    read: int
    kept: int
    quarantined: int
    left_out: int = 0
    why: str = ""
    corrected: int = 0
    added: int = 0

    def __post_init__(self) -> None:
        if self.read != self.kept + self.quarantined + self.left_out:
            told = f"{self.kept} kept, {self.quarantined} set aside and {self.left_out} left out"
            raise AssertionError(f"{self.file}: {self.read} rows read, but {told}")

    def __str__(self) -> str:
        """Return the account as a line that people read."""
        told = f"{self.file}: {self.read:,} rows read = {self.kept:,} kept + {self.quarantined:,} set aside"
        if self.left_out:
            told += f" + {self.left_out:,} left out ({self.why})"
        if self.corrected or self.added:
            told += f"; by corrections beside it {self.corrected:,} mended, {self.added:,} added"
        return told


@dataclass(frozen=True)
class Found:
    """A fault that was found while rows were translated, before they were checked.

    ``column`` is the file's own column, or columns parted by a comma and a blank. ``rows`` is Boolean, true where the row
    has the fault, of the height of what was translated.
    """

    code: str
    column: str
    problem: str
    hint: str
    rows: pl.Series


@dataclass(frozen=True)
class Origin:
    """The rows as their file holds them, beside what was made of them to be checked: same height, same order.

    ``content`` has the file's own columns as text, as :func:`load` returned them: it is what quarantine keeps and sends
    back. ``rows`` are the row numbers in the file. ``names`` leads from a column that is checked to the file's own, as
    problems tell it. ``found`` are faults found while translating. ``left_out`` rows are not in ``content``, on purpose,
    and ``why`` says so.
    """

    content: pl.DataFrame
    rows: pl.Series
    names: Mapping[str, str] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    left_out: int = 0
    why: str = ""


def row_numbers(frame: pl.DataFrame, file: str) -> pl.Series:
    """Return in which row of its file each row of a frame stands that :func:`load` returned: a CSV's header is row 1."""
    if ROW in frame.columns:
        return frame[ROW]
    first = 1 if file.lower().endswith(".parquet") else 2
    return pl.Series(ROW, range(first, first + frame.height), dtype=pl.Int64)


@dataclass(frozen=True)
class Checked:
    """One file after the door: typed rows kept, rows set aside with their reasons, and the account of both.

    ``taken`` is Boolean, true where a row of what was checked is among those kept.
    """

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    account: Account
    problems: tuple[Problem, ...]
    taken: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Boolean))


@dataclass(frozen=True)
class Reading:
    """What a source made of an export: canonical frames, and the account of every row of every file.

    ``notes`` say what was read otherwise than its format asks for, and does no harm: a manifest that is not there, a header
    in another order.
    """

    tables: Mapping[str, pl.DataFrame]
    accounts: tuple[Account, ...]
    problems: tuple[Problem, ...]
    quarantine: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def quarantined(self) -> int:
        """Number of rows set aside, over all files."""
        return sum(account.quarantined for account in self.accounts)

    def write_quarantine(self, folder: Path) -> list[Path]:
        """Write what was set aside as CSVs that can be mended and sent again, and return their paths.

        The last is ``summary.md``, which people read. See :func:`features.quarantine.write`.
        """
        return quarantine.write(folder, self.accounts, self.problems, self.quarantine)


def read_files(path: Path, tables: Mapping[str, Table], required: Collection[str]) -> dict[str, tuple[str, pl.DataFrame]]:
    """Return the name and the rows of each table's file, CSV or Parquet, the rows as :func:`load` returns them.

    ``path`` is a folder, or a zip. Where both endings exist the Parquet file is read. A folder of the table's name that
    holds Parquet files is read as one file ``<table>.parquet``, its parts in the order of their names. A name in other
    capitals is understood, and the account tells it as it is. Refuses with every required file that is missing, every file
    that cannot be read and every column that is missing, all at once.
    """
    with opened(path) as folder:
        found: dict[str, tuple[str, pl.DataFrame]] = {}
        problems = strays(folder)
        for name, table in tables.items():
            try:
                file = _file_of(folder, name)
                if file is not None:
                    found[name] = (file.name if file.is_file() else f"{name}.parquet", load(file, table))
                elif name in required:
                    problems.append(
                        Problem("missing_file", f"{name}.csv", "this file is not in the folder",
                                f"Put {name}.csv or {name}.parquet beside the others.", file=f"{name}.csv")
                    )  # fmt: skip
            except Refused as refused:
                problems += refused.problems
    if problems:
        raise Refused(problems, _UNREADABLE)
    return found


def _file_of(folder: Path, name: str) -> Path | None:
    """Return the file of a table, or the folder of its parts; refuse where two names differ in capitals alone."""
    for ending in (".parquet", ".csv"):
        exact = folder / f"{name}{ending}"
        alike = [one for one in folder.iterdir() if one.name.casefold() == exact.name.casefold() and one.is_file()]
        if len(alike) > 1:
            names = " and ".join(sorted(one.name for one in alike))
            raise Refused([Problem("ambiguous_file", exact.name, f"{names} are one file on many computers", "Keep one of them.",
                                   file=exact.name)], _UNREADABLE)  # fmt: skip
        if alike:
            return alike[0]
    return folder / name if any((folder / name).glob("*.parquet")) else None


def strays(folder: Path) -> list[Problem]:
    """Return a problem for corrections that lie beside no file which they could correct: to pass them over would lose them."""
    stems = {one.stem.casefold() for one in folder.iterdir() if not quarantine.corrected_stem(one)}
    return [
        Problem("missing_file", one.name, f"there is no {quarantine.corrected_stem(one)}.csv beside it that it could correct",
                "Put the two beside each other, or take the corrections away.", file=one.name)
        for one in quarantine.corrections_in(folder) if quarantine.corrected_stem(one).casefold() not in stems
    ]  # fmt: skip


_UNREADABLE = "The export cannot be read"


def load(path: Path, table: Table | None, *, separator: str = "", encoding: str = "", header_row: int = 1) -> pl.DataFrame:
    """Return a file's rows as they stand, CSV as text, with the corrections that lie beside it.

    Args:
        path: a CSV, a Parquet file, or a folder of Parquet files that are parts of one.
        table: what the file must hold. Columns that it does not know, or that are for nobody's use, are left behind here
            and never enter. Without a table all columns are read.
        separator: what stands between the cells of a CSV; the header shows it where it is not given.
        encoding: that of a CSV; seen where it is not given (see :func:`features.delimited.read`).
        header_row: the line in which the header of a CSV stands.

    Returns:
        the columns and, where something is to be kept of rows beside their cells, the columns of
        :data:`features.delimited.KEPT_SCHEMA`. A row that is no row of the table has empty cells and its fault there, and
        :func:`check` sets it aside: whoever translates rows takes these columns along in :attr:`Origin.content`.

    Raises:
        Refused: the file cannot be read, or required columns are missing; all of them are named.

    """
    parquet = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.suffix.lower() == ".parquet" else []
    if parquet:
        try:
            frame = pl.read_parquet(parquet)
        except pl.exceptions.PolarsError:
            hint = "Save it as CSV in UTF-8 with commas between columns and quotes around text, or as Parquet."
            # `from None`: what Polars says quotes the cells it stumbled over.
            problem = Problem("unreadable_file", path.name, "it is not Parquet", hint, file=path.name)
            raise Refused([problem], _UNREADABLE) from None
        names = [name.strip() for name in frame.columns]
        frame.columns = [str(at) for at in range(frame.width)]
    else:
        text = delimited.read(delimited.bytes_of(path), path.name, separator, encoding, header_row)
        frame, names = text.rows, list(text.names)
    frame = _selected_columns(frame, names, table, path.name)
    return quarantine.corrected(frame, path)


def _selected_columns(frame: pl.DataFrame, names: Sequence[str], table: Table | None, file: str) -> pl.DataFrame:
    """Return the columns that may enter under their own names; ``names`` are those of the header, in the frame's order."""
    wanted = None if table is None else [name for name in table.schema if name != "tenant"]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1 and name and (wanted is None or name in wanted)]
    problems = [
        Problem("duplicate_column", f"{file}, header", f"the column {name} is there more than once",
                "Keep one of them.", file=file, row=1, column=name)
        for name in twice
    ] + ([] if table is None else missing_columns(names, table, file))  # fmt: skip
    if not names and table is None:
        problems.append(Problem("empty_file", file, "it is empty", "Send a file with a header and rows.", file=file))
    if problems:
        raise Refused(problems, _UNREADABLE)
    never = {column.name for column in table.columns if column.use == "never"} if table is not None else set()
    known = {name: at for at, name in enumerate(names) if not name.startswith(KEPT) and name not in never}
    chosen = [name for name in known if name] if wanted is None else [name for name in wanted if name in known]
    kept = [name for name in frame.columns if name in KEPT_SCHEMA]
    if never & set(names) and kept:  # in a row that is no row nobody knows which cell is the one that must not be kept
        frame = frame.with_columns(pl.lit(None, pl.String()).alias(RAW))
    columns = frame.columns
    return frame.select(*(pl.col(columns[known[name]]).alias(name) for name in chosen), *kept)


def missing_columns(names: Collection[str], table: Table, file: str) -> list[Problem]:
    """Return a problem for each column that a table must have and ``names`` do not hold."""
    header = f"The header must name: {', '.join(column.name for column in table.columns)}."
    return [
        Problem("missing_column", f"{file}, header", f"the column {column.name} is missing", header,
                file=file, row=1, column=column.name)
        for column in table.columns
        if column.name not in names and (column.required or column.natural)
    ]  # fmt: skip


def check(
    frame: pl.DataFrame,
    table: Table,
    file: str,
    references: Mapping[str, pl.Series] | None = None,
    rules: Sequence[Rule] = (),
    unique: Sequence[str] | None = None,
    owners: pl.DataFrame | None = None,
    origin: Origin | None = None,
) -> Checked:
    """Check every row of a file against its table and return what may come in.

    Args:
        frame: the rows as read, text or typed; no column is missing (see :func:`missing_columns`). What :func:`load` keeps
            of rows beside their cells is heeded.
        table: what the rows must be.
        file: the name by which problems speak of it.
        references: for each referenced table, the keys that exist.
        rules: checks across columns, on the typed rows.
        unique: the columns that name a row once; the table's natural key and ``known_on`` by default.
        owners: whose each enrolment is, as ``enrolment_id`` and ``student_id``: a row that names both must agree.
        origin: the rows as the file holds them, where ``frame`` was made of them: problems then name the file's own rows
            and columns, and quarantine keeps its own cells.

    Returns:
        the typed rows kept, in order, and those set aside with ``row``, ``reasons`` and their content as text.

    """
    beside = _Beside(frame if origin is None else origin.content, file, origin)
    frame = frame.select(own_columns(frame)) if any(name.startswith(KEPT) for name in frame.columns) else frame
    if origin is not None and not frame.height == origin.content.height == len(origin.rows):
        raise AssertionError(f"{file}: what is checked must be as high as what the file holds")
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
    again = _again(key)
    if key and frame.height > 1:
        faults.append(_Fault("duplicate_key", ", ".join(key), "another row has the same key", "Keep one of them.", again))
    # One query for all faults: a request of one student passes here too, and hundreds of small ones would cost 50 ms.
    bad = _selected(typed, *(fault.bad.fill_null(value=False).alias(str(at)) for at, fault in enumerate(faults)))
    typed = typed.select(frame.columns)
    passed = beside.passed(typed, again)
    found = {faults[int(name)]: rows for name, rows in beside.judged(bad, faults, passed) if rows.any()}
    found = beside.faults(passed) | found
    if not found and passed is None:
        taken = pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)
        return Checked(typed, pl.DataFrame(), beside.account(frame.height, 0, None), (), taken)
    aside = (
        pl.DataFrame({str(at): rows for at, rows in enumerate(found.values())} | {"": beside.nobody})
        .select(pl.any_horizontal(pl.all()))
        .to_series()
    )
    taken = ~aside if passed is None else ~(aside | passed)
    quarantined = beside.set_aside(aside, found) if found else pl.DataFrame()
    problems = tuple(beside.problem(frame, fault, rows) for fault, rows in found.items())
    kept = typed.filter(taken)
    return Checked(kept, quarantined, beside.account(kept.height, quarantined.height, passed), problems, taken)


def _again(key: Sequence[str]) -> pl.Expr:
    """Return an expression that is true for the second row of a key; a row without a key is not judged."""
    cells = [pl.col(name) for name in key] or [pl.all()]
    named = [pl.col(name).is_null() for name in key if name != "known_on"]
    again = ~pl.struct(cells).is_first_distinct()
    return again & ~pl.any_horizontal(named) if named else again


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


class _Beside:
    """What a file holds of the rows that are checked: their own cells, their numbers, and what was found before."""

    def __init__(self, content: pl.DataFrame, file: str, origin: Origin | None) -> None:
        self._content, self._file, self._origin = content, file, origin
        self._kept = content.select(list(KEPT_SCHEMA)) if set(KEPT_SCHEMA) <= set(content.columns) else None
        self._names: Mapping[str, str] = origin.names if origin is not None else {}

    @property
    def nobody(self) -> pl.Series:
        """False for every row."""
        return pl.repeat(value=False, n=self._content.height, dtype=pl.Boolean, eager=True)

    def passed(self, typed: pl.DataFrame, again: pl.Expr) -> pl.Series | None:
        """Return which rows of corrections are not needed, or nothing where there are none.

        These are rows that are in the file already, by their key, and rows that nobody mended and the file has no more.
        """
        if self._kept is None or not self._kept[CAME].is_in(["added", "unmended"]).any():
            return None
        there = typed.select(again.alias("again")).to_series()
        passed = (self._kept[CAME] == "unmended") | ((self._kept[CAME] == "added") & there & self._kept[FAULT].is_null())
        passed = passed.fill_null(value=False)
        return passed if passed.any() else None

    def judged(self, bad: pl.DataFrame, faults: Sequence[_Fault], passed: pl.Series | None) -> Iterator[tuple[str, pl.Series]]:
        """Yield the rows of each fault without those of which something is known that explains it."""
        known = self.nobody if passed is None else passed
        if self._kept is not None:
            known |= self._kept[FAULT].is_not_null()
        found = self._origin.found if self._origin is not None else ()
        for column in bad:
            if self._kept is None and not found:
                yield column.name, column
                continue
            own = set(self._told(faults[int(column.name)].column).split(", "))
            explained = known
            for one in found:
                # A cell that was made of a bad one, or of nothing that the file has, is bad because of it.
                if own & set(one.column.split(", ")) or not own & set(self._content.columns):
                    explained = explained | one.rows
            yield column.name, column & ~explained

    def faults(self, passed: pl.Series | None) -> dict[_Fault, pl.Series]:
        """Return what was found before the check: rows that are no rows of the table, and what translating them found."""
        found: dict[_Fault, pl.Series] = {}
        known = self.nobody if passed is None else passed
        if self._kept is not None:
            for code in self._kept[FAULT].drop_nulls().unique(maintain_order=True):
                problem, hint = FAULTS[code]
                rows = (self._kept[FAULT] == code).fill_null(value=False)
                found[_Fault(code, "", problem, hint, pl.lit(rows))] = rows
            known |= self._kept[FAULT].is_not_null()
        for one in self._origin.found if self._origin is not None else ():
            if (rows := one.rows.fill_null(value=False) & ~known).any():
                found[_Fault(one.code, one.column, one.problem, one.hint, pl.lit(rows))] = rows
        return found

    def account(self, kept: int, quarantined: int, passed: pl.Series | None) -> Account:
        left_out, why, corrected, added = 0, [], 0, 0
        if self._origin is not None and self._origin.left_out:
            left_out, why = self._origin.left_out, [self._origin.why]
        if passed is not None:
            left_out += int(passed.sum())
            why.append("corrections that the file has already, or that nobody made")
        if self._kept is not None:
            corrected = int((self._kept[CAME] == "corrected").sum())
            added = int(self._kept[CAME].is_in(["added", "unmended"]).sum())
        return Account(self._file, kept + quarantined + left_out, kept, quarantined, left_out, "; ".join(why), corrected, added)

    def set_aside(self, aside: pl.Series, faults: Mapping[_Fault, pl.Series]) -> pl.DataFrame:
        """Return the bad rows as text with their row numbers and every reason, ready to be mended and sent again."""
        reasons = [
            pl.when(rows).then(pl.lit(reason_of(self._told(fault.column), fault.code, fault.problem)))
            for fault, rows in faults.items()
        ]
        beside = pl.DataFrame({"row": self._numbers}).with_columns(pl.concat_list(reasons).list.drop_nulls().alias("reasons"))
        cells = self._content.filter(aside)
        own = [as_text(cells[name]).alias(quarantine.own_name(name)) for name in own_columns(cells)]
        return beside.filter(aside).hstack([*own, *(cells[name] for name in (CONTENT, RAW) if self._kept is not None)])

    def problem(self, frame: pl.DataFrame, fault: _Fault, rows: pl.Series) -> Problem:
        first = int(rows.arg_true()[0])
        number, told = int(self._numbers[first]), self._told(fault.column)
        from_file = told and set(told.split(", ")) <= set(self._content.columns)
        source, names = (self._content, told) if from_file else (frame, fault.column)
        cells = [source[name][first] for name in names.split(", ") if name in source.columns]
        return Problem(
            fault.code, f"{self._file}, row {number}" + (f", column {told}" if told else ""), fault.problem, fault.hint,
            self._file, number, told, ", ".join(shape_of(cell) for cell in cells if cell is not None), int(rows.sum()),
        )  # fmt: skip

    @property
    def _numbers(self) -> pl.Series:
        return self._origin.rows if self._origin is not None else row_numbers(self._content, self._file)

    def _told(self, column: str) -> str:
        """Return the file's own columns for those that were checked."""
        if not self._names:
            return column
        return ", ".join(dict.fromkeys(self._names.get(name, name) for name in column.split(", ")))

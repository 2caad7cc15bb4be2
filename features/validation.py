"""The door: rows are checked against a table's columns, and every row is accounted for.

A fault of structure (a file or a column that is not there) refuses the whole export, because nothing can be said
about rows that cannot be read. A fault of one row sends that row to quarantine with every reason, its own content
kept so that it can be mended, and the rest goes on: read = kept + quarantined, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from features.problems import Problem, Refused, shape_of
from features.tables import Column, Table

#: Words that some exports write where a value is missing. OULAD writes a question mark.
MISSING = ("", "?")
_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


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
        """Write what was set aside, one Parquet file per file read, and return the paths."""
        written = []
        for name, frame in self.quarantine.items():
            if frame.height:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{Path(name).stem}.quarantined.parquet"
                frame.write_parquet(path)
                written.append(path)
        return written


def find(folder: Path, names: Mapping[str, bool]) -> dict[str, Path]:
    """Return the path of each named file, CSV or Parquet; refuse with every required one that is missing.

    ``names`` maps a file's name without its ending to whether it is required. Where both endings exist the
    Parquet file is read.
    """
    if not folder.is_dir():
        raise Refused(
            [Problem("missing_folder", folder.name, "there is no such folder", "Give the folder that holds the files.")],
            "The export cannot be read",
        )
    found, missing = {}, []
    for name, required in names.items():
        paths = [path for ending in (".parquet", ".csv") if (path := folder / f"{name}{ending}").is_file()]
        if paths:
            found[name] = paths[0]
        elif required:
            missing.append(
                Problem("missing_file", f"{name}.csv", "this file is not in the folder",
                        f"Put {name}.csv or {name}.parquet beside the others.", file=f"{name}.csv")
            )  # fmt: skip
    if missing:
        raise Refused(missing, "The export cannot be read")
    return found


def load(path: Path, table: Table) -> pl.DataFrame:
    """Return a file's rows as they stand, CSV as text; refuse with every required column that is missing.

    CSV is read as UTF-8, with Latin-1 tried where that fails, since some published copies are. Columns that the
    table does not know are left behind here and never enter.
    """
    known = [column.name for column in table.columns]
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
    else:
        raw = path.read_bytes()
        try:
            frame = pl.read_csv(raw, infer_schema=False, truncate_ragged_lines=False)
        except pl.exceptions.NoDataError:
            frame = pl.DataFrame()
        except pl.exceptions.ComputeError:
            frame = _second_try(path, raw)
        frame = frame.rename({name: name.strip().lstrip("\ufeff") for name in frame.columns})
    optional = {"tenant", "known_on", "deleted"}
    missing = [
        Problem(
            "missing_column", f"{path.name}, header", f"the column {name} is missing",
            f"The header must name: {', '.join(known)}.", file=path.name, row=1, column=name,
        )
        for name in known
        if name not in frame.columns and (table.column(name).required or table.column(name).natural)
    ]  # fmt: skip
    if missing:
        raise Refused(missing, "The export cannot be read")
    return frame.select([name for name in (*known, *sorted(optional)) if name in frame.columns])


def _second_try(path: Path, raw: bytes) -> pl.DataFrame:
    try:
        return pl.read_csv(raw, infer_schema=False, encoding="latin-1", truncate_ragged_lines=False)
    except pl.exceptions.PolarsError as error:
        raise Refused(
            [
                Problem("unreadable_file", path.name, "it is not a CSV whose rows all have the header's number of columns",
                        "Save it as CSV in UTF-8 with commas between columns and quotes around text.", file=path.name)
            ],
            "The export cannot be read",
        ) from error  # fmt: skip


def check(
    frame: pl.DataFrame,
    table: Table,
    file: str,
    references: Mapping[str, pl.Series] | None = None,
    rules: Sequence[Rule] = (),
    unique: Sequence[str] | None = None,
) -> Checked:
    """Check every row of a file against its table and return what may come in.

    Args:
        frame: the rows as read, text or typed; a required column is present (see :func:`load`).
        table: what the rows must be.
        file: the name by which problems speak of it.
        references: for each referenced table, the keys that exist.
        rules: checks across columns, on the typed rows.
        unique: the columns that name a row once; the table's natural key and ``known_on`` by default.

    Returns:
        the typed rows kept, in order, and those set aside with ``row``, ``reasons`` and their content as text.

    """
    first_row = 1 if file.endswith(".parquet") else 2  # a CSV's header is its row 1
    typed, faults = _typed(frame, table)
    for column in table.columns:
        if column.name in typed.columns:
            faults += _column_faults(typed, column, references or {})
    faults += [
        _Fault(
            rule.code,
            rule.column,
            rule.problem,
            rule.hint,
            typed.select(rule.broken.fill_null(value=False)).to_series(),
        )
        for rule in rules
    ]
    key = list(unique) if unique is not None else [*table.natural_key, *(["known_on"] if "known_on" in typed.columns else [])]
    if key and typed.height > 1:
        again = typed.select(~pl.struct(key).is_first_distinct()).to_series()
        faults.append(_Fault("duplicate_key", ", ".join(key), "another row has the same key", "Keep one of them.", again))
    faults = [fault for fault in faults if fault.bad.any()]
    if not faults:
        return Checked(typed, pl.DataFrame(), Account(file, frame.height, frame.height, 0), ())
    bad = faults[0].bad
    for fault in faults[1:]:
        bad = bad | fault.bad
    kept = typed.filter(~bad)
    quarantined = _set_aside(frame, bad, faults, first_row)
    problems = tuple(_problem(frame, fault, file, first_row) for fault in faults)
    return Checked(kept, quarantined, Account(file, frame.height, kept.height, quarantined.height), problems)


@dataclass(frozen=True)
class _Fault:
    code: str
    column: str
    problem: str
    hint: str
    bad: pl.Series


def _typed(frame: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, list[_Fault]]:
    """Return the frame in the table's types, a cell that does not fit null and named in a fault."""
    faults, columns = [], []
    wanted = {column.name: column.type for column in table.columns} | {"known_on": pl.Date(), "deleted": pl.Boolean()}
    for name in frame.columns:
        dtype = wanted.get(name, pl.String())
        raw = frame[name]
        if raw.dtype == pl.String:
            text = raw.str.strip_chars()
            raw = text.set(text.is_in(MISSING), None)
        cast = _cast(raw, dtype)
        wrong = cast.is_null() & raw.is_not_null()
        if wrong.any():
            faults.append(_Fault("bad_value", name, _NOT_A[type(dtype)], _WRITE[type(dtype)], wrong))
        columns.append(cast.alias(name))
    return pl.DataFrame(columns), faults


_NOT_A: Mapping[type[pl.DataType], str] = {
    pl.Date: "this is not a date", pl.Int32: "this is not a whole number", pl.Float64: "this is not a number",
    pl.Boolean: "this is neither true nor false", pl.String: "this is not text",
}  # fmt: skip
_WRITE: Mapping[type[pl.DataType], str] = {
    pl.Date: "Write dates as YYYY-MM-DD.", pl.Int32: "Write it in digits.", pl.Float64: "Write it in digits with a point.",
    pl.Boolean: "Write true or false.", pl.String: "Write text.",
}  # fmt: skip


def _cast(raw: pl.Series, dtype: pl.DataType) -> pl.Series:
    if raw.dtype == dtype:
        return raw
    if dtype == pl.Date and raw.dtype == pl.String:
        # Exactly this form: a lenient parser would read 03/04 as one of two days without saying which.
        plain = raw.str.to_date("%Y-%m-%d", strict=False)
        return plain.set(plain.is_not_null() & (raw.str.len_chars() != 10), None)
    if dtype == pl.Boolean and raw.dtype == pl.String:
        low = raw.str.to_lowercase()
        yes, no = low.is_in(_TRUE), low.is_in(_FALSE)
        return pl.select(pl.when(yes).then(True).when(no).then(False)).to_series()
    if dtype == pl.Int32:
        number = raw.cast(pl.Float64, strict=False)
        whole = number.cast(pl.Int32, strict=False)
        return whole.set((number != whole).fill_null(value=False), None)
    cast = raw.cast(dtype, strict=False)
    return cast.set((~cast.is_finite()).fill_null(value=False), None) if dtype == pl.Float64 else cast


def _column_faults(typed: pl.DataFrame, column: Column, references: Mapping[str, pl.Series]) -> list[_Fault]:
    values, name, found = typed[column.name], column.name, []
    if column.required or column.natural:
        found.append(_Fault("missing_value", name, "this must not be empty", f"It says: {column.says}", values.is_null()))
    if column.values:
        wrong = (~values.is_in(list(column.values))).fill_null(value=False)
        found.append(_Fault("unknown_word", name, "this word is not known here", f"Use one of: {', '.join(column.values)}.",
                            wrong))  # fmt: skip
    if column.least is not None:
        found.append(_Fault("out_of_range", name, f"this is below {column.least:g}", "Correct the number.",
                            (values < column.least).fill_null(value=False)))  # fmt: skip
    if column.most is not None:
        found.append(_Fault("out_of_range", name, f"this is above {column.most:g}", "Correct the number.",
                            (values > column.most).fill_null(value=False)))  # fmt: skip
    if column.references and column.references in references:
        unknown = (~values.is_in(references[column.references].implode())).fill_null(value=False)
        found.append(_Fault(f"unknown_{column.references}", name, f"it is not among the {column.references} that were read",
                            f"Send it with the {column.references}, or correct it.", unknown))  # fmt: skip
    return found


def _set_aside(frame: pl.DataFrame, bad: pl.Series, faults: Sequence[_Fault], first_row: int) -> pl.DataFrame:
    """Return the bad rows as text with their row numbers and every reason, ready to be mended and sent again."""
    reasons = [
        pl.when(fault.bad).then(pl.lit(f"{fault.column}: {fault.code}: {fault.problem}")).otherwise(None) for fault in faults
    ]
    content = frame.with_row_index("row", offset=first_row).with_columns(
        pl.concat_list(reasons).list.drop_nulls().alias("reasons")
    )
    return content.filter(bad).select("row", "reasons", pl.col(frame.columns).cast(pl.String))


def _problem(frame: pl.DataFrame, fault: _Fault, file: str, first_row: int) -> Problem:
    first = int(fault.bad.arg_true()[0])
    cells = [frame[name][first] for name in fault.column.split(", ") if name in frame.columns]
    return Problem(
        fault.code, f"{file}, row {first + first_row}, column {fault.column}", fault.problem, fault.hint, file,
        first + first_row, fault.column, ", ".join(shape_of(cell) for cell in cells if cell is not None),
        int(fault.bad.sum()),
    )  # fmt: skip

"""One flat file, CSV or Parquet, described by a TOML file: ``--source tabular FILE --mapping M.toml``.

It is no export: there are no tables to join and no dates to look from, so that it does not become
:class:`~features.records.SchoolRecords` but rows of numbers (:class:`~features.flat.FlatTable`), under a catalogue of
its own. What a row may hold and how every row is accounted for is as at every other door.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.drafting import quoted
from features.flat import Description, Dialect, FlatTable, is_about_who, rows_of
from features.problems import Problem, Refused
from features.validation import MISSING, Reading, missing_columns

#: A draft lists the values of a column that has at most so many; one with more is hardly a category.
MOST_VALUES = 12

#: Words that files write where a value is missing, beside those that are taken so anyway.
_NOTHING = frozenset({"na", "n/a", "nan", "null", "none", "nil", "-", ".", "missing", "unknown"})

_YES_NO = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"1", "0"})


@dataclass(frozen=True)
class FlatReading:
    """What was read of a flat file: its rows as numbers, the account of every row, and the columns that were not read."""

    table: FlatTable
    reading: Reading
    left_out: tuple[str, ...]


def read(path: Path, described: Description, labelled: bool = True) -> FlatReading:
    """Read a flat file.

    Args:
        path: the file, CSV or Parquet.
        described: what its columns mean.
        labelled: whether the outcome is read too; to be scored, a row needs none.

    Raises:
        Refused: the file cannot be read, or lacks a column that the description names.

    """
    frame = _load(path, described.dialect)
    table = described.table(labelled)
    wanted = [column.name for column in table.columns]
    names = [name.partition("_duplicated_")[0] for name in frame.columns]
    problems = [
        Problem("duplicate_column", f"{path.name}, header", f"the column {name} is there more than once", "Keep one of them.",
                file=path.name, row=1, column=name)
        for name in wanted if names.count(name) > 1
    ]  # fmt: skip
    for name in wanted:
        if name not in names:
            hint = f"Correct its name in the description. The header names: {', '.join(names)}."
            problems.append(Problem("missing_column", f"{path.name}, header", f"the column {name} is missing", hint,
                                    file=path.name, row=1, column=name))  # fmt: skip
    problems += [one for one in missing_columns(names, table, path.name) if one.column not in wanted]
    if problems:
        raise Refused(problems, "The file cannot be read")
    checked, rows = rows_of(frame.select(wanted), described, path.name, labelled)
    reading = Reading({}, (checked.account,), checked.problems, {path.name: checked.quarantined}, _digest(path))
    read_for = {*wanted, *described.read}
    return FlatReading(rows, reading, tuple(name for name in names if name not in read_for))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _load(path: Path, dialect: Dialect) -> pl.DataFrame:
    """Return the file's rows as they stand, CSV as text, columns under their trimmed names."""
    if not path.is_file():
        raise _unreadable(path, "there is no such file", "Give one CSV or Parquet file.")
    what = f"a CSV with {dialect.separator!r} between columns, whose rows all have the header's number of columns"
    try:
        if path.suffix == ".parquet":
            what = "Parquet"
            frame = pl.read_parquet(path)
        else:
            text = _text(path, dialect.encoding)
            frame = pl.read_csv(text.encode(), separator=dialect.separator, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise _unreadable(path, "it is empty", "Send a file with a header and rows.") from None
    except pl.exceptions.PolarsError:
        # `from None`: what Polars says quotes the cells it stumbled over.
        raise _unreadable(path, f"it is not {what}", "Correct the file, or [file] in its description.") from None
    return frame.rename(str.strip) if len({name.strip() for name in frame.columns}) == frame.width else frame


def _text(path: Path, encoding: str) -> str:
    raw = path.read_bytes()
    if encoding:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise _unreadable(path, f"there is no encoding {encoding}", "Name another, like windows-1252.") from None
        try:
            return raw.decode(encoding).lstrip("\ufeff")
        except UnicodeDecodeError:
            raise _unreadable(path, f"it is not in {encoding}", "Name its encoding in [file] of the description.") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unreadable(path: Path, problem: str, hint: str) -> Refused:
    return Refused([Problem("unreadable_file", path.name, problem, hint, file=path.name)], "The file cannot be read")


# -- a first draft of a description ---------------------------------------------------------------------------------


def draft(path: Path) -> str:
    """Return a draft of the TOML that describes a file: what can be seen is written, what it means is left open.

    Signs, kinds, ranges and values are seen. Names, sentences, which end of a number is a concern, the outcome and the
    key are for a person: they stand there empty, and a draft is refused until they are filled in.
    """
    dialect = _sniffed(path)
    frame = _load(path, dialect)
    lines = ["# A draft: what stands empty is for you to fill in; a column that is taken out is not read.", "", "[file]"]
    lines += [f"{key} = {quoted(value)}" for key, value in _told(dialect).items()]
    nothing = sorted({word for name in frame.columns for word in _known(frame[name]).unique() if word.lower() in _NOTHING})
    if nothing:
        lines.append(f"missing = [{', '.join(map(quoted, nothing))}]   # read as nothing: take out what is an answer")
    keys = [name for name in frame.columns if _could_be_key(frame[name])]
    if keys:
        lines.append(f"# key = {quoted(keys[0])}   # every row has another value here: is it the student's key?")
    else:
        lines.append("# no column has another value in every row: without a key, the number of the row stands for one")
    lines += [
        "",
        "[label]",
        'name = ""      # of the model: small letters, like final_grade',
        f'column = ""    # one of: {", ".join(frame.columns)}',
        'kind = ""      # regression, binary or multiclass',
        'says = ""',
        'horizon = ""',
    ]
    groups = [name for name in frame.columns if is_about_who(name)]
    for name in frame.columns:
        if name not in groups:
            lines += ["", *_drafted(name, frame[name], dialect)]
    lines += ["", "# Read by the audit and by nothing else: their names are those of columns that tell who a student is.",
              "[groups]", *(f"{quoted(name)} = {quoted(name)}" for name in groups), ""]  # fmt: skip
    return "\n".join(lines)


def _told(dialect: Dialect) -> Mapping[str, str]:
    found = {"separator": dialect.separator}
    if dialect.decimal != ".":
        found["decimal"] = dialect.decimal
    if dialect.encoding:
        found["encoding"] = dialect.encoding
    return found


def _sniffed(path: Path) -> Dialect:
    """Return how a file seems to be written: the sign that parts the header into most columns, and parts all alike."""
    if path.suffix == ".parquet" or not path.is_file():
        return Dialect()
    raw = path.read_bytes()[:200_000]
    try:
        text, encoding = raw.decode("utf-8-sig", errors="strict" if len(raw) < 200_000 else "ignore"), ""
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin-1"), "latin-1"
    lines = [re.sub(r'"[^"]*"', "", line) for line in text.splitlines()[:20] if line.strip()]
    separator = max(",;\t|", key=lambda sign: (min((line.count(sign) for line in lines), default=0), sign == ","))
    decimal = "," if separator != "," and re.search(r"\d,\d", text) and not re.search(r"\d\.\d", text) else "."
    return Dialect(separator, decimal, encoding)


def _known(cells: pl.Series) -> pl.Series:
    text = cells.cast(pl.String).str.strip_chars()
    return text.filter(~text.is_in(list(MISSING)) & text.is_not_null())


def _could_be_key(cells: pl.Series) -> bool:
    known = _known(cells)
    whole = cells.dtype != pl.String or known.str.contains(r"^\d+$").all() or known.str.contains(r"[A-Za-z]").all()
    return len(known) == len(cells) > 1 and known.n_unique() == len(cells) and bool(whole) and not cells.dtype.is_float()


def _drafted(name: str, cells: pl.Series, dialect: Dialect) -> Sequence[str]:
    known = _known(cells).filter(~_known(cells).str.to_lowercase().is_in(list(_NOTHING)))
    values = sorted(known.unique().to_list())
    numbers = known.str.replace_all(dialect.decimal, ".", literal=True).cast(pl.Float64, strict=False)
    head = [f"[columns.{quoted(name)}]", 'name = ""']
    tail = ['concept = ""   # attendance, coursework, marks, engagement, skills, behaviour, history or access',
            "modifiable = true"]  # fmt: skip
    side = 'higher = ""    # concern, strength or context'
    pair = next((pair for pair in _YES_NO if {one.lower() for one in values} == pair and len(values) == 2), None)
    if pair is not None and pair != {"1", "0"}:
        yes, no = sorted(values, key=lambda one: one.lower() in ("no", "n", "false", "f"))
        told = [f"yes = [{quoted(yes)}]", f"no = [{quoted(no)}]"]
        return [*head, 'kind = "yes_no"', *told, 'says = ""', 'says_not = ""', side, *tail]
    if len(known) and numbers.null_count() == 0:
        least, most = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type]
        seen = "" if len(values) > MOST_VALUES else f"  # are these {len(values)} codes and no amounts? Then it is a category"
        return [*head, f'kind = "number"{seen}', f"range = [{least:g}, {most:g}]   # the least and the most that were seen",
                'says = ""      # like: missed {value:.0f} days', side, *tail]  # fmt: skip
    if 0 < len(values) <= MOST_VALUES:
        return [*head, 'kind = "category"', *tail, f"[columns.{quoted(name)}.values]",
                *(f'{quoted(value)} = ""' for value in values)]  # fmt: skip
    return [f"# {quoted(name)} is text with {len(values):,} values: it is left out."]

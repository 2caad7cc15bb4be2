"""A file's own rows made into canonical ones, as a mapping says; what does not fit is told, and never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from features.delimited import FAULT, own_columns
from features.mapping import JOINED, TableMapping, Unit
from features.problems import Problem, Refused
from features.tables import TABLES
from features.validation import MISSING, Found, Origin, row_numbers


@dataclass(frozen=True)
class Translated:
    """Canonical columns (text, dates or numbers) for each row that was taken, and what the file holds of these rows."""

    frame: pl.DataFrame
    origin: Origin


@dataclass(frozen=True)
class Beside:
    """The rows of a lookup, as text: ``name`` as problems tell it, and the columns that both files have."""

    name: str
    frame: pl.DataFrame
    by: tuple[str, ...]


def translate(raw: pl.DataFrame, one: TableMapping, file: str, beside: Iterable[Beside] = ()) -> Translated:
    """Translate a file's rows.

    Args:
        raw: the rows as text, as :func:`features.validation.load` returned them.
        one: what the mapping says of the file.
        file: the name by which problems speak of it.
        beside: the lookups that the mapping names.

    Raises:
        Refused: the file does not have a column that the mapping names.

    """
    cells, faults = _cells(raw, one), []
    for lookup in beside:
        cells, fault = _with_lookup(cells, lookup, one, file)
        faults += fault
    one = _resolved(cells.columns, one, file)
    keep, left = _taken(cells, one)
    if FAULT in raw.columns:  # a row that is no row of the file says nothing, and is set aside for that
        keep |= raw[FAULT].is_not_null()
    content, rows = raw.filter(keep), row_numbers(raw, file).filter(keep)
    cells = cells.filter(keep)
    faults = [Found(f.code, f.column, f.problem, f.hint, f.rows.filter(keep)) for f in faults]
    columns = {}
    coded, otherwise, unknown = _coded(cells, one)
    faults += unknown
    for name in one.gives:
        columns[name], fault = _column(cells, name, one, coded.get(name), otherwise.get(name))
        faults += fault
    frame = pl.DataFrame(columns)
    if one.once and frame.height:
        first = frame.select(pl.struct(pl.all()).is_first_distinct()).to_series() | _faulty(faults, content)
        left["rows that say again what another says"] = int((~first).sum())
        frame, content, rows = frame.filter(first), content.filter(first), rows.filter(first)
        faults = [Found(f.code, f.column, f.problem, f.hint, f.rows.filter(first)) for f in faults]
    coding = {name: [column for column, codes in one.codes.items() if any(name in code.gives for code in codes.values())]
              for name in one.gives}  # fmt: skip
    names = {name: ", ".join(own) for name in one.gives if (own := (*one.columns.get(name, ()), *coding[name]))}
    told = {why: count for why, count in left.items() if count}
    why = "; ".join(f"{count:,} {why}" for why, count in told.items())
    found = tuple(fault for fault in faults if fault.rows.any())
    return Translated(frame, Origin(content, rows, names, found, sum(told.values()), why))


def _faulty(faults: Iterable[Found], content: pl.DataFrame) -> pl.Series:
    """Return which rows are set aside whatever they say: what is wrong with them may differ."""
    bad = content[FAULT].is_not_null() if FAULT in content.columns else pl.repeat(value=False, n=content.height, eager=True)
    for fault in faults:
        bad |= fault.rows
    return bad


def plain(name: str) -> str:
    """Return a name of Ed-Fi without its reference, its namespace and its spelling.

    >>> plain("studentReference.studentUniqueId"), plain("uri://ed-fi.org/AttendanceEventCategoryDescriptor#Excused Absence")
    ('studentuniqueid', 'excusedabsence')
    """
    last = name.rpartition("#")[2] if "://" in name else name.rpartition(".")[2]
    return re.sub(r"[^a-z0-9]", "", last.lower()).removesuffix("descriptor")


def _cells(raw: pl.DataFrame, one: TableMapping) -> pl.DataFrame:
    nothing = [*MISSING, *one.missing]
    names = own_columns(raw)
    text = raw.select(pl.col(name).cast(pl.String).str.strip_chars() for name in names)
    return text.select(pl.when(~pl.col(name).is_in(nothing)).then(pl.col(name)).alias(name) for name in names)


def _with_lookup(cells: pl.DataFrame, lookup: Beside, one: TableMapping, file: str) -> tuple[pl.DataFrame, list[Found]]:
    """Return rows with a lookup's columns beside them; a key that several of its rows have tells nothing for sure."""
    mine = _named(cells.columns, lookup.by, one, file)
    theirs = _named(lookup.frame.columns, lookup.by, one, lookup.name)
    others = [name for name in lookup.frame.columns if name not in theirs.values() and name not in cells.columns]
    right = _cells(lookup.frame, one).select(
        *(pl.col(theirs[key]).alias(f"key {at}") for at, key in enumerate(lookup.by)), *others
    ).unique()  # fmt: skip
    keys = [f"key {at}" for at in range(len(lookup.by))]
    single = right.unique(keys, keep="any").with_columns(
        pl.struct(keys).is_in(right.filter(pl.struct(keys).is_duplicated()).select(pl.struct(keys)).to_series().implode())
        .alias("several"))  # fmt: skip
    joined = cells.with_columns(pl.col(mine[key]).alias(f"key {at}") for at, key in enumerate(lookup.by)).join(
        single, on=keys, how="left", maintain_order="left").drop(keys)  # fmt: skip
    several = joined["several"].fill_null(value=False)
    fault = Found("ambiguous_lookup", ", ".join(mine.values()), f"{lookup.name} has several rows for it that differ",
                  "Keep one of them there.", several)  # fmt: skip
    return joined.drop("several"), [fault]


def _named(header: Iterable[str], names: Iterable[str], one: TableMapping, file: str) -> dict[str, str]:
    """Return the file's own column for each name; raise :class:`Refused` with those that it does not have."""
    found, problems = {}, []
    own = {plain(name) if one.loosely else name: name for name in reversed(list(header))}
    for name in names:
        column = own.get(plain(name) if one.loosely else name)
        if column is None:
            problems.append(_missing(name, header, file))
        else:
            found[name] = column
    if problems:
        raise Refused(problems, "The export cannot be read")
    return found


def _missing(name: str, header: Iterable[str], file: str) -> Problem:
    return Problem("missing_column", f"{file}, header", f"the mapping names a column {name}, and the file has none",
                   f"The file has: {', '.join(header)}.", file=file, column=name)  # fmt: skip


def _resolved(header: list[str], one: TableMapping, file: str) -> TableMapping:
    """Return a mapping in the file's own names. Of one that is ours, for Ed-Fi's names, columns may be absent."""
    if not one.loosely:
        _named(header, one.reads, one, file)
        return one
    own = {plain(name): name for name in reversed(header)}
    columns = {
        name: tuple(own[plain(column)] for column in columns)
        for name, columns in one.columns.items()
        if all(plain(column) in own for column in columns)
    }
    codes = {own[plain(column)]: codes for column, codes in one.codes.items() if plain(column) in own}
    given = replace(one, columns=columns, codes=codes, needs=tuple(name for name in one.needs if name in columns))
    table = TABLES[one.table]
    absent = [
        _missing(", ".join(one.columns.get(column.name, ())) or next(iter(one.codes), column.name), header, file)
        for column in table.columns
        if (column.required or column.natural) and column.name in one.gives and column.name not in given.gives
    ]
    absent += [_missing(", ".join(one.columns[name]), header, file) for name in one.needs if name not in columns]
    if absent:
        raise Refused(absent, "The export cannot be read")
    return given


def _code_of(column: str, one: TableMapping) -> pl.Expr:
    cell = pl.col(column).fill_null("")
    if not one.loosely:
        return cell
    return cell.str.replace(r"^.*://[^#]*#", "").str.to_lowercase().str.replace_all(r"[^a-z0-9]", "")


def _taken(cells: pl.DataFrame, one: TableMapping) -> tuple[pl.Series, dict[str, int]]:
    """Return which rows are taken, and how many are not, by the reason that the mapping gives."""
    keep, left = pl.repeat(value=True, n=cells.height, eager=True, dtype=pl.Boolean), {}
    for column, codes in one.codes.items():
        skipped = [code for code, says in codes.items() if says.skip]
        for code in skipped:
            key = plain(f"://#{code}") if one.loosely else code
            rows = keep & (cells.select(_code_of(column, one)).to_series() == key)
            left[f"with {column} {code or '(empty)'}"] = int(rows.sum())
            keep &= ~rows
    for name in one.needs:
        own = one.columns[name]
        rows = keep & cells.select(pl.all_horizontal(pl.col(column).is_null() for column in own)).to_series()
        left[f"without {', '.join(own)}"] = int(rows.sum())
        keep &= ~rows
    return keep, left


def _coded(cells: pl.DataFrame, one: TableMapping) -> tuple[dict[str, pl.Series], dict[str, pl.Series], list[Found]]:
    """Return the words that codes say, by canonical column, those for empty cells, and the rows of codes not named."""
    words: dict[str, pl.Series] = {}
    otherwise: dict[str, pl.Series] = {}
    faults = []
    for column, codes in one.codes.items():
        code = cells.select(_code_of(column, one).alias(column)).to_series()
        says = {(plain(f"://#{name}") if one.loosely else name): one_code for name, one_code in codes.items()}
        known = code.is_in(list(says)) | (code == "") if "" not in says else code.is_in(list(says))
        faults.append(Found("unknown_code", column, "the mapping does not say what this code means",
                            f"Name it under [{one.table}.codes.{column}], or correct it.", ~known))  # fmt: skip
        for name in sorted({name for one_code in codes.values() for name in one_code.gives}):
            for told, by_code in ((words, {key: one_code.words for key, one_code in says.items()}),
                                  (otherwise, {key: one_code.otherwise for key, one_code in says.items()})):  # fmt: skip
                given = {key: says_it[name] for key, says_it in by_code.items() if name in says_it}
                if given:
                    said = code.replace_strict(given, default=None, return_dtype=pl.String)
                    told[name] = said if name not in told else told[name].zip_with(told[name].is_not_null(), said)
    return words, otherwise, faults


def _column(
    cells: pl.DataFrame, name: str, one: TableMapping, coded: pl.Series | None, otherwise: pl.Series | None
) -> tuple[pl.Series, list[Found]]:
    """Return a canonical column: what a code says, else the cell as it is to be read, else what holds where it is empty."""
    own, faults = one.columns.get(name, ()), []
    read = pl.Series(name, [None] * cells.height, dtype=pl.String)
    given = pl.repeat(value=False, n=cells.height, eager=True, dtype=pl.Boolean)
    column = TABLES[one.table].schema.get(name, pl.String())
    if own:
        joined = pl.concat_str(own, separator=one.joined_by) if len(own) > 1 else pl.col(own[0])
        cell = cells.select(joined.alias(name))
        if one.loosely and column == pl.String() and name not in JOINED:
            cell = cell.select(pl.col(name).str.replace(r"^[a-z]+://[^#]*#", ""))
        if one.loosely and column == pl.Date():  # Ed-Fi's times are in ISO 8601
            cell = cell.select(pl.col(name).str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T[0-9:.]+(?:Z|[-+][0-9:]+)?$", "$1"))
        given, read = cell.to_series().is_not_null(), cell.to_series()
        problem = hint = ""
        if name in one.dates:
            read = cell.select(one.dates[name].read(pl.col(name)).alias(name)).to_series()
            problem, hint = f"this is not a date written {one.dates[name].says}", "Correct it, or the form in the mapping."
        elif column.is_numeric() and (name in one.units or one.decimal != "." or one.thousands):
            read = cells.with_columns(cell).select(_number(pl.col(name), one, one.units.get(name)).alias(name)).to_series()
            problem, hint = "this is not a number as the mapping says", "Correct it, or its unit or marks in the mapping."
        if problem:
            bad = given & read.is_null() & (coded.is_null() if coded is not None else True)
            faults.append(Found("bad_value", ", ".join(own), problem, hint, bad))
    kind = read.dtype
    if coded is not None:
        read = _words(coded, kind).zip_with(coded.is_not_null(), read)
    if otherwise is not None:
        read = read.zip_with(read.is_not_null() | given, _words(otherwise, kind))
    if name in one.values:
        every = pl.repeat(one.values[name], cells.height, eager=True, dtype=pl.String)
        read = read.zip_with(read.is_not_null() | given, _words(every, kind))
    return read.alias(name), faults


def _words(said: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return words of the mapping, which fit their column, in the type of what was read of the cells."""
    return said.str.to_date("%Y-%m-%d") if kind == pl.Date() else said.cast(kind)


def _number(cell: pl.Expr, one: TableMapping, unit: Unit | None) -> pl.Expr:
    """Return text as numbers in the canonical unit, null where it is not written as the mapping says."""
    mark, groups = re.escape(one.decimal), re.escape(one.thousands)
    whole = rf"(?:[0-9]{{1,3}}(?:{groups}[0-9]{{3}})+|[0-9]+)" if one.thousands else "[0-9]+"
    percent = r"\s*%?" if unit and unit.per == 100.0 else ""
    form = rf"^[-+]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+){percent}$"

    def read(text: pl.Expr) -> pl.Expr:
        fits: pl.Expr = pl.when(text.str.contains(form)).then(text)
        if one.thousands:
            fits = fits.str.replace_all(one.thousands, "", literal=True)
        return fits.str.replace(r"\s*%$", "").str.replace(one.decimal, ".", literal=True).cast(pl.Float64, strict=False)

    number = read(cell)
    if unit is None:
        return number
    per = read(pl.col(unit.per)) if isinstance(unit.per, str) else pl.lit(unit.per)
    made = number * unit.times / per
    made = 1 - made if unit.rest else made
    return pl.when(made.is_finite()).then(made)

"""Text with separators, as the systems of schools write it: the rows that can be read, and the rows that cannot.

Polars reads what is well formed, millions of rows in a second or two. It says nothing of a row with too few cells and
refuses a whole file for a stray quotation mark, so what it cannot vouch for is read again by Python's own parser, row by
row: a row that is not a row of this table is kept as the text that it is, with what is wrong with it, and the rest goes on.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from features.problems import Problem, Refused

#: A file with more bytes, or more columns, is not a table of a school's.
MOST_BYTES, MOST_COLUMNS = 8 * 2**30, 1_000

#: A cell with more bytes is a picture, a log or a quotation mark that nobody closed.
LONGEST_CELL = 100_000

#: With more quotation marks that nobody closed, where rows begin is anybody's guess.
MOST_UNCLOSED = 1_000

#: What may stand between cells, where nobody says: the comma first.
SEPARATORS = (",", ";", "\t", "|")

#: Names of what is kept of a row beside its cells. A file's own column of such a name never enters.
KEPT = "homeroom."
ROW, FAULT, RAW, CONTENT, CAME = (KEPT + name for name in ("row", "fault", "raw", "content", "came"))
KEPT_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {ROW: pl.Int64(), FAULT: pl.String(), RAW: pl.String(), CONTENT: pl.String(), CAME: pl.String()}
)

#: What can be wrong with a whole row, and what to do about it.
FAULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "wrong_number_of_cells": (
            "this row has more or fewer cells than the header",
            "Put text that holds a separator between quotation marks, or give the row the cells that it lacks.",
        ),
        "broken_quotes": (
            "a quotation mark in this row is opened and not closed, or closed within a cell",
            "Close it, or write it twice where it belongs to the text.",
        ),
        "huge_cell": (f"a cell of this row has more than {LONGEST_CELL:,} characters", "Shorten it, or leave it out."),
        "broken_text": ("this row holds bytes that are not text", "Export it again, in UTF-8."),
    }
)

#: Of a row that is no row, as much is kept as a person can read.
_SHOWN = 2_000

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
          (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip

_CHUNK, _BYTES = 100_000, 8 * 2**20


@dataclass(frozen=True)
class Text:
    """A file of text as a table.

    ``names`` are the cells of the header, trimmed. ``rows`` has a column of text for each, called by its place (``0``,
    ``1``), and, where not all rows are plain, the columns of :data:`KEPT_SCHEMA`. ``separator`` and ``encoding`` say how
    it was read.
    """

    names: tuple[str, ...]
    rows: pl.DataFrame
    separator: str
    encoding: str


def bytes_of(path: Path) -> bytes:
    """Return what a file holds; raise :class:`~features.problems.Refused` where it is larger than :data:`MOST_BYTES`."""
    if path.stat().st_size > MOST_BYTES:
        raise _refused("too_large", path.name, f"it is larger than {MOST_BYTES // 2**30} GiB", "Send fewer years at once.")
    return path.read_bytes()


def read(raw: bytes, file: str, separator: str = "", encoding: str = "", header_row: int = 1) -> Text:
    """Return a file's header and rows.

    Args:
        raw: the file's bytes.
        file: the name by which problems speak of it.
        separator: what stands between cells; seen in the header where it is not given.
        encoding: UTF-8 where the file is in it, UTF-16 where its mark says so, else Windows-1252, where it is not given.
        header_row: the line in which the header stands; lines before it are not read.

    Raises:
        Refused: the file is not in the encoding named, has more than :data:`MOST_COLUMNS` columns, a header that is no
            row, or too many quotation marks that nobody closed.

    """
    raw, encoding, broken = _as_utf8(raw, file, encoding)
    lines = _Lines(raw)
    for _ in range(header_row - 1):
        next(lines, None)
    names, separator, blank = _header(lines, file, separator)
    if not names:
        return Text((), pl.DataFrame(), separator, encoding)
    first = header_row + blank + 1
    start = sum(len(line.encode()) for line in lines.taken)
    body = raw[start:]
    rows = None if broken and body else _plain(body, len(names), separator)
    if rows is None:
        rows = _by_blocks(body, names, separator, first, file, broken)
    elif first != 2:  # every row lies lower than one would count
        rows = with_kept(rows.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(ROW)))
    return Text(names, rows, separator, encoding)


def with_kept(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with all columns of :data:`KEPT_SCHEMA`, those that it lacks empty."""
    lacking = {name: dtype for name, dtype in KEPT_SCHEMA.items() if name not in frame.columns}
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items())


def own_columns(frame: pl.DataFrame) -> list[str]:
    """Return the names of a frame's columns without those in which something is kept of its rows beside their cells."""
    return [name for name in frame.columns if not name.startswith(KEPT)]


def _as_utf8(raw: bytes, file: str, encoding: str) -> tuple[bytes, str, bool]:
    """Return the bytes as UTF-8 without a mark, the encoding they were in, and whether some of them are no text."""
    if encoding:
        try:
            return raw.decode(encoding).removeprefix("\ufeff").encode(errors="replace"), encoding, False
        except LookupError:
            hint = "Name another, like cp1252."
            raise _refused("unknown_encoding", file, f"there is no encoding {encoding}", hint) from None
        except UnicodeError:
            hint = "Name the encoding that it is in, or save it in UTF-8."
            raise _refused("unreadable_file", file, f"it is not in {encoding}", hint) from None
    mark, name = next((one for one in _MARKS if raw.startswith(one[0])), (b"", ""))
    raw, name = raw[len(mark) :], name or _without_mark(raw[:1_000])
    if name == "utf-8" and raw.isascii():
        return raw, name, False
    try:
        text = raw.decode(name)
        return (raw if name == "utf-8" else text.encode()), name, False
    except UnicodeDecodeError:
        replaced = raw.decode(name, "replace")
    # Text of Windows is hardly ever UTF-8 by chance: where most of what is not ASCII is, some bytes of it were damaged.
    odd = len(replaced) - len(replaced.encode("ascii", "ignore"))
    if mark or name != "utf-8" or 2 * replaced.count("\ufffd") <= odd:
        return replaced.encode(), name, True
    try:
        return raw.decode("cp1252").encode(), "cp1252", False
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode(), "latin-1", False


def _without_mark(start: bytes) -> str:
    """Return the encoding that the first bytes of a file without a mark show: in UTF-16 every other byte is 0."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) * 5 > len(start) and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return "utf-8"


class _Lines:
    """Lines with their ends, one after the other, which can be given back; any of three line ends ends one."""

    def __init__(self, raw: bytes) -> None:
        self._text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")
        self._back: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.pop() if self._back else next(self._text)
        self.taken.append(line)
        return line

    def keep(self, count: int) -> None:
        """Give back all lines taken but the first ``count``."""
        self._back += reversed(self.taken[count:])
        del self.taken[count:]


#: What a line may hold and still be blank. A file from DOS may end with the sign for its end.
_BLANK = " \t\r\n\x1a"

#: A header may have line breaks in its cells, and is not longer than this many lines.
_HEADER_LINES = 20


def _header(lines: _Lines, file: str, separator: str) -> tuple[tuple[str, ...], str, int]:
    """Return the cells of the first row that is not blank, what parts them, and how many lines were blank before it."""
    before = len(lines.taken)
    for line in lines:
        if line.strip(_BLANK):
            break
    for _ in range(_HEADER_LINES):
        next(lines, None)
    head = lines.taken[before:]
    blank = next((at for at, line in enumerate(head) if line.strip(_BLANK)), len(head))
    found: dict[str, tuple[list[str], int]] = {}
    for one in (separator,) if separator else SEPARATORS:
        reader = csv.reader(head[blank:], delimiter=one, strict=True)
        try:
            cells = next(reader, [])
        except csv.Error:
            continue
        found[one] = cells, reader.line_num
    best = max(found, key=lambda one: len(found[one][0]), default="")
    if not found or (len(found[best][0]) < 2 and (separator or ",") not in found):
        raise _refused("unreadable_file", file, "a quotation mark in the header is not closed", "Correct the header.", row=1)
    cells, used = found[best]
    lines.keep(before + blank + used)
    if len(cells) > MOST_COLUMNS:
        hint = "Send the table's own columns."
        raise _refused("too_many_columns", file, f"it has more than {MOST_COLUMNS:,} columns", hint, row=1)
    return tuple(cell.strip() for cell in cells), best, blank


def _plain(body: bytes, width: int, separator: str) -> pl.DataFrame | None:
    """Return the rows where every one is known to be well formed, or nothing, in which case they are read one by one."""
    schema = {str(at): pl.String() for at in range(width)}
    if not body or body.isspace():
        return pl.DataFrame(schema=schema)
    if 0 in body or body.count(b"\r") != body.count(b"\r\n"):
        return None
    if body.endswith(separator.encode()):  # in a last row without a line end Polars passes over one cell too many
        body += b"\n"
    try:
        rows = pl.read_csv(body, has_header=False, schema=schema, infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError:
        return None
    # A row with too few cells is filled up in silence, and a blank line is no row or one of nothing. Polars refuses more cells.
    lines = rows.height - (not body.endswith(b"\n"))
    if _outside(body, separator) != (rows.height * (width - 1), lines) or (width == 1 and rows.to_series().has_nulls()):
        return None
    longest = rows.select(pl.all().str.len_bytes().max()).row(0)
    return None if max(cell or 0 for cell in longest) > LONGEST_CELL else rows


def _outside(body: bytes, separator: str) -> tuple[int, int]:
    """Return how many separators and how many line feeds stand outside of quotation marks."""
    if b'"' not in body:
        return body.count(separator.encode()), body.count(b"\n")
    signs, odd, separators, lines = np.frombuffer(body, np.uint8), np.uint8(0), 0, 0
    for start in range(0, len(signs), _BYTES):
        part = signs[start : start + _BYTES]
        within = np.bitwise_xor.accumulate((part == ord('"')).view(np.uint8)) ^ odd
        outside = within == 0
        separators += int(np.count_nonzero((part == ord(separator)) & outside))
        lines += int(np.count_nonzero((part == ord("\n")) & outside))
        odd = within[-1]
    return separators, lines


def _by_blocks(body: bytes, names: Sequence[str], separator: str, first: int, file: str, broken: bool) -> pl.DataFrame:
    """Return the rows of a file in which some are none; the blocks in which all are well formed are read at once.

    With a quotation mark anywhere nobody knows where blocks may be parted, and the rows are read one by one.
    """
    parts: list[pl.DataFrame] = []
    whole = b'"' in body or len(body) <= _BYTES
    end = 0
    while end < len(body) or not parts:
        start, end = end, len(body) if whole else (body.find(b"\n", end + _BYTES) + 1 or len(body))
        block = body[start:end]
        plain = None if whole or (broken and _REPLACED in block) else _plain(block, len(names), separator)
        if plain is None or plain.is_empty():  # blank lines are no rows, and count as lines
            part, first = _each(block, names, separator, first, file, broken)
        else:
            part = with_kept(plain.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(ROW)))
            first += plain.height
        parts.append(part)
    return pl.concat(parts)


#: What stands in UTF-8 where bytes were no text.
_REPLACED = "\ufffd".encode()


def _each(raw: bytes, names: Sequence[str], separator: str, first: int, file: str, broken: bool) -> tuple[pl.DataFrame, int]:
    """Return the rows one by one, those that are no rows of this table with their fault and their text, and the next number."""
    lines = _Lines(raw)
    full = len(names)
    least = max((at for at, name in enumerate(names, 1) if name), default=full)  # a header may end in empty cells
    schema = {str(at): pl.String() for at in range(full)} | dict(KEPT_SCHEMA)
    chunks: list[pl.DataFrame] = []
    rows: list[tuple[object, ...]] = []

    def flush() -> None:
        chunks.append(pl.DataFrame(rows, schema=schema, orient="row"))
        rows.clear()

    number = first - 1
    for number, (cells, broken_rule) in enumerate(_rows(lines, separator, least, full, file), first):
        if broken_rule is None and _is_blank(cells, full):
            continue
        text, fault = "".join(lines.taken), broken_rule
        if fault is None and max(map(len, cells)) > LONGEST_CELL:
            fault = "huge_cell"
        if "\0" in text or (broken and "\ufffd" in text):
            fault = "broken_text"
        if fault is None:
            filled = [cell or None for cell in cells[:full]] + [None] * (full - len(cells))
            rows.append((*filled, number, None, None, None, None))
        else:
            text = text.rstrip("\r\n")
            shown = text[:_SHOWN].replace("\0", "\u2400")  # a program for tables would stop at a 0
            rows.append((*[None] * full, number, fault, shown, digest_of_text(text), None))
        if len(rows) == _CHUNK:
            flush()
    flush()
    return pl.concat(chunks), number + 1


def _rows(lines: _Lines, separator: str, least: int, full: int, file: str) -> Iterator[tuple[list[str], str | None]]:
    """Yield the cells of each row and its fault, if it has one; ``lines.taken`` is its text.

    A row that breaks the rules of quoting is cut at its first line end, and reading goes on with the next line, so that
    a quotation mark that nobody closed costs one row and not the rest of the file.
    """
    unclosed = 0

    def again(cut: bool) -> Iterator[list[str]]:
        nonlocal unclosed
        unclosed += cut  # each has cost the reading of as much text as a cell may hold
        if unclosed > MOST_UNCLOSED:
            problem = f"more than {MOST_UNCLOSED:,} quotation marks are opened and not closed"
            raise _refused("unreadable_file", file, problem, FAULTS["broken_quotes"][1]) from None
        lines.keep(1)
        return csv.reader(lines, delimiter=separator, strict=True)

    def fits(cells: Sequence[str]) -> bool:
        return least <= len(cells) and not any(cells[full:])

    lines.taken.clear()
    reader = again(cut=False)
    while True:
        lines.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            huge = len(lines.taken) == 1 and len(lines.taken[0]) > LONGEST_CELL
            reader = again(cut=len(lines.taken) > 1)
            yield [], "huge_cell" if huge else "broken_quotes"
            continue
        if fits(cells) or _is_blank(cells, full):
            yield cells, None
        elif len(lines.taken) > 1 and (second := _alone(lines.taken[1], separator)) and fits(second):
            reader = again(cut=True)  # the second line is a row of its own
            yield [], "broken_quotes"
        else:
            yield cells, "wrong_number_of_cells"


def _alone(line: str, separator: str) -> list[str]:
    """Return the cells of a line read by itself, or none where it is no row."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def _is_blank(cells: Sequence[str], width: int) -> bool:
    return not cells or (len(cells) == 1 and width > 1 and not cells[0].strip(_BLANK))


def digest_of_text(text: str) -> str:
    """Return a short name of a text, by which it is found again: one that no spreadsheet takes for a number."""
    return "h-" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _refused(code: str, file: str, problem: str, hint: str, row: int | None = None) -> Refused:
    where = file if row is None else f"{file}, header"
    return Refused([Problem(code, where, problem, hint, file=file, row=row)], "The export cannot be read")

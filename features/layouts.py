"""How a file of rows is laid out where nobody says: what stands between its cells, and in which line its header stands."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from features.delimited import SEPARATORS
from features.validation import load

#: How much of a file is looked at, in bytes and in rows.
_LOOKED_AT, _ROWS = 65_536, 40

_NUMBER = re.compile(r"[-+]?[0-9][0-9.,/:% -]*")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written. What is empty is found out when the file is opened."""

    separator: str = ""
    encoding: str = ""
    header_row: int = 0


def read(path: Path, layout: Layout = Layout(), names: Collection[str] = ()) -> pl.DataFrame:
    """Return a file's rows as they stand, all columns, with the corrections beside it (see :func:`features.validation.load`).

    ``names`` are columns that the header is known to hold: they tell in which line it stands.
    """
    if path.is_dir() or path.suffix.lower() == ".parquet":
        return load(path, None)
    known = seen(path, layout, names)
    return load(path, None, separator=known.separator, encoding=known.encoding, header_row=known.header_row)


def seen(path: Path, layout: Layout = Layout(), names: Collection[str] = ()) -> Layout:
    """Return how a file is written: what ``layout`` says, and the rest as its beginning shows it.

    The header is the line with most of ``names``; without them the first whose cells are all different words, as many as
    most lines have. An encoding that is not given stays open: :func:`features.delimited.read` looks at the whole file.
    """
    with path.open("rb") as file:
        raw = file.read(_LOOKED_AT)
    text = _text(raw, layout.encoding)
    candidates = (layout.separator,) if layout.separator else SEPARATORS
    separator = max(candidates, key=lambda sign: _fits(_rows(text, sign), names))
    return replace(layout, separator=separator, header_row=layout.header_row or _header(_rows(text, separator), names))


def _text(raw: bytes, encoding: str) -> str:
    if not encoding:
        # A byte of zero in every second place is UTF-16, with its mark or without.
        zeros = raw[:1_000:2].count(0), raw[1:1_000:2].count(0)
        encoding = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le" if zeros[1] else "utf-8"
    try:
        return raw.decode(encoding, "replace").lstrip("\ufeff")
    except LookupError:
        return raw.decode("latin-1")  # whoever reads the file tells that there is no such encoding


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the first rows with the numbers of the lines that they begin in."""
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        line = reader.line_num + 1
        for row in reader:
            rows.append((line, [cell.strip() for cell in row]))
            line = reader.line_num + 1
            if len(rows) == _ROWS:
                break
    except csv.Error:  # a cell as long as a book: the rows before it tell enough
        pass
    return rows


def _width(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, int]:
    """Return the number of cells that most rows have, and how many rows these are; one cell counts little."""
    counts = Counter(len(row) for _, row in rows if any(row))
    return max(counts.items(), key=lambda one: (one[0] > 1, one[1], one[0]), default=(0, 0))


def _fits(rows: Sequence[tuple[int, list[str]]], names: Collection[str]) -> tuple[int, float]:
    """Return how well rows were cut: the names found in one of them, then the columns of as many rows as have so many."""
    named = max((len(set(names) & set(row)) for _, row in rows), default=0)
    width, times = _width(rows)
    return named, (width - 1) * times / max(1, len(rows))


def _header(rows: Sequence[tuple[int, list[str]]], names: Collection[str]) -> int:
    line, best = max(rows, key=lambda one: len(set(names) & set(one[1])), default=(1, []))
    if set(names) & set(best):
        return line
    width, _ = _width(rows)
    for line, row in rows:
        words = [cell for cell in row if cell]
        if len(row) == width and len(words) == len(set(words)) >= max(1, width - 1) and not any(map(_NUMBER.fullmatch, words)):
            return line
    return 1

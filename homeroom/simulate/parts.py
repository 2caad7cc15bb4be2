"""Rows on their way to disk: columns of numbers, and of texts as numbers with a list of what they stand for.

A text of a hundred million rows is never built: Parquet keeps each different text once per file, and so does this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import TABLES

Bits = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Text:
    """A column of texts: for each row the place of its text in ``words``, or -1 for none."""

    codes: npt.NDArray[np.integer[Any]]
    words: Sequence[str]


@dataclass(frozen=True, eq=False)
class Maybe:
    """A column of numbers, days or yes and no of which some are missing."""

    values: Bits
    missing: npt.NDArray[np.bool_]


Column = Text | Maybe | Bits
Columns = Mapping[str, Column]

_TYPES = {pl.String: pa.string(), pl.Date: pa.date32(), pl.Int32: pa.int32(), pl.Float64: pa.float64(),
          pl.Boolean: pa.bool_()}  # fmt: skip


class Rows:
    """The rows of one table and bucket, gathered piece by piece (a school year at a time) and written once."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Columns]] = {}

    def add(self, table: str, columns: Columns) -> None:
        """Add rows; every column has the same length. Pieces that share their words share the very same list."""
        self._pieces.setdefault(table, []).append(columns)

    def write(self, folder: Path, part: int) -> dict[str, int]:
        """Write ``folder/<table>/part-<part>.parquet`` for each table and return the number of rows of each."""
        counts = {}
        known: dict[int, Any] = {}
        for table, pieces in self._pieces.items():
            schema = {**TABLES[table].schema} if table in TABLES else None
            names = list(pieces[0])
            arrays = [_array([piece[name] for piece in pieces], schema[name] if schema else None, known) for name in names]
            # A column without a gap says so: the file then need not tell of each row whether it has a value.
            fields = [pa.field(name, array.type, nullable=array.null_count > 0)
                      for name, array in zip(names, arrays, strict=True)]  # fmt: skip
            whole = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
            path = folder / table / f"part-{part:04d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without the Arrow schema a reader sees texts and not numbers of texts. The limit keeps the list of texts
            # whole: beyond it every row would repeat its text, and every group of rows repeats the list.
            pq.write_table(whole, path, compression="lz4", store_schema=False,
                           dictionary_pagesize_limit=1 << 30, row_group_size=1 << 23, write_statistics=False,
                           use_dictionary=[field.name for field in fields if _repeats(field.type)],
                           column_encoding={field.name: "DELTA_BINARY_PACKED" for field in fields
                                            if pa.types.is_date(field.type)})  # fmt: skip
            counts[table] = whole.num_rows
        return counts


def _repeats(kind: Any) -> bool:
    """Whether a column of this kind has few different values: all but days and the reals of the truth."""
    return not (pa.types.is_date(kind) or pa.types.is_float32(kind) or pa.types.is_boolean(kind))


def _array(pieces: Sequence[Column], dtype: pl.DataType | None, known: dict[int, Any]) -> Any:
    first = pieces[0]
    if isinstance(first, Text):
        return _texts([piece for piece in pieces if isinstance(piece, Text)], known)
    missing = None
    if isinstance(first, Maybe):
        missing = np.concatenate([piece.missing for piece in pieces if isinstance(piece, Maybe)])
    values = np.concatenate([piece.values if isinstance(piece, Maybe) else piece for piece in pieces])
    if dtype is None:
        return pa.array(values, mask=missing)
    wanted = _TYPES[type(dtype)]
    if isinstance(dtype, pl.Date):
        return pa.array(values.astype(np.int32, copy=False), pa.int32(), mask=missing).cast(wanted)
    return pa.array(values.astype(wanted.to_pandas_dtype(), copy=False), wanted, mask=missing)


def _texts(pieces: Sequence[Text], known: dict[int, Any]) -> Any:
    """Return a column of texts as numbers; ``known`` keeps lists of texts that several columns share."""
    words, codes = pieces[0].words, [piece.codes for piece in pieces]
    if any(piece.words is not words for piece in pieces):
        offsets = np.cumsum([0, *(len(piece.words) for piece in pieces)])
        words = [word for piece in pieces for word in piece.words]
        codes = [np.where(one < 0, -1, one + offset) for one, offset in zip(codes, offsets[:-1], strict=True)]
        texts, place = _listed(words)
    else:
        if id(words) not in known:
            known[id(words)] = _listed(words)
        texts, place = known[id(words)]
    whole = np.concatenate(codes, dtype=np.int32, casting="unsafe")
    missing = whole < 0 if len(whole) and whole.min() < 0 else None
    if missing is not None:
        whole = np.maximum(whole, 0)
    return pa.DictionaryArray.from_arrays(pa.array(whole if place is None else place[whole], mask=missing), texts)


def _listed(words: Sequence[str]) -> tuple[Any, npt.NDArray[np.int32] | None]:
    """Return different texts once each, and where each text went if any is there twice.

    A list that names a text twice is written in another way each time, though it reads the same.
    """
    once = dict.fromkeys(words)
    if len(once) == len(words):
        return pa.array(words, pa.string()), None
    at = {word: number for number, word in enumerate(once)}
    return pa.array(list(once), pa.string()), np.array([at[word] for word in words], dtype=np.int32)

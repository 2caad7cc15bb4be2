"""Text with separators: whichever way it is read, the same rows come out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import delimited
from features.delimited import FAULT, KEPT_SCHEMA, ROW, read, with_kept
from features.problems import Refused
from features.validation import load

LINE = st.sampled_from(
    ["1,2,3", "a,,", ",,", "é,ü,", "1,2", "1,2,3,4", "1,2,3,", "", "  ", '"x, y",2,3', '5" z,2,3', "\ufffd,1,2"]
)
TEXT = st.lists(LINE, max_size=12)
END = st.sampled_from(["\n", "\r\n", "\r"])


def rows(raw: bytes) -> list[tuple[object, ...]]:
    """Return what is read, rows with all that is kept beside them, whichever way it went."""
    frame = read(raw, "x.csv").rows
    if ROW not in frame.columns:
        frame = with_kept(frame.with_columns(pl.int_range(2, 2 + pl.len(), dtype=pl.Int64).alias(ROW)))
    assert list(KEPT_SCHEMA.items()) == list(frame.schema.items())[-len(KEPT_SCHEMA) :]
    return [tuple(cell or None for cell in row) for row in frame.rows()]


@given(TEXT, END)
def test_rows_read_at_once_in_blocks_and_one_by_one_are_the_same(lines: list[str], end: str) -> None:
    raw = end.join(["a,b,c", *lines]).encode()
    found = rows(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BYTES", 3)
        assert rows(raw) == found
        patch.setattr(delimited, "_plain", lambda *_: None)
        assert rows(raw) == found


@given(TEXT, END)
def test_rows_are_those_of_the_standard_library(lines: list[str], end: str) -> None:
    text = end.join(["a,b,c", *lines])
    listed = [row for row in csv.reader(io.StringIO(text, newline="")) if row and row != ["  "]][1:]
    found = rows(text.encode())
    assert len(found) == len(listed)
    for row, cells in zip(found, listed, strict=True):
        if len(cells) == 3 or (len(cells) == 4 and not cells[3]):
            assert [cell or "" for cell in row[:3]] == cells[:3]
            assert row[4] is None
        else:
            assert row[4] == "wrong_number_of_cells"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        text = read(raw, "x.csv")
    except Refused as refused:
        codes = {problem.code for problem in refused.problems}
    else:
        codes = {"unreadable_file"}
        assert text.rows.width in (len(text.names), len(text.names) + len(KEPT_SCHEMA))
    assert codes == {"unreadable_file"}


@given(st.lists(st.sampled_from(['"', ",", "\n", "a", "\r", "b\n"]), max_size=40))
def test_quotation_marks_anywhere_lose_no_line(parts: list[str]) -> None:
    body = "".join(parts)
    found = read(f"x,y\n{body}".encode(), "x.csv").rows
    lines = [line for line in io.StringIO(body, newline="") if line.strip()]
    kept = found.select("0", "1").fill_null("").rows() if found.height else []
    raws = found["homeroom.raw"].fill_null("").to_list() if FAULT in found.columns else []
    letters = sum(cell.count("a") + cell.count("b") for row in kept for cell in row) + sum(
        raw.count("a") + raw.count("b") for raw in raws
    )
    assert letters == body.count("a") + body.count("b")
    assert found.height <= len(lines)


def test_many_quotation_marks_that_nobody_closed_cost_no_minutes() -> None:
    line = '"open,' + "x" * 200 + "\n"
    with pytest.raises(Refused, match="quotation marks"):
        read(("a,b\n" + line * 20_000).encode(), "x.csv")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("wb") as file:
        file.truncate(delimited.MOST_BYTES + 1)  # takes no room on the disk
    with pytest.raises(Refused) as refused:
        load(tmp_path / "x.csv", None)
    assert [problem.code for problem in refused.value.problems] == ["too_large"]

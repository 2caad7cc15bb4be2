"""Reading a flat file, and drafting its description."""

from __future__ import annotations

import tomllib
from pathlib import Path

import flat_files
import numpy as np
import polars as pl
import pytest

from features.flat import describe
from features.problems import Refused
from features.sources import tabular


def test_every_row_is_accounted_for_and_every_column_that_is_not_read_is_named(tmp_path: Path) -> None:
    found = tabular.read(flat_files.write(tmp_path), flat_files.description("regression"))
    (account,) = found.reading.accounts
    assert (account.read, account.kept, account.quarantined) == (flat_files.ROWS, flat_files.ROWS, 0)
    assert found.left_out == ("hobby", "year", "part", "left", "end")
    assert found.table.groups.columns == ["sex"]
    assert "sex" not in found.table.catalog.names


def test_a_file_to_be_scored_needs_neither_outcome_nor_groups(tmp_path: Path) -> None:
    path = flat_files.write(tmp_path, flat_files.frame().drop("points", "sex"))
    found = tabular.read(path, flat_files.description("regression"), labelled=False)
    assert len(found.table) == flat_files.ROWS
    with pytest.raises(Refused) as caught:
        tabular.read(path, flat_files.description("regression"))
    assert {problem.column for problem in caught.value.problems} == {"points", "sex"}


def test_csv_and_parquet_give_the_same_numbers(tmp_path: Path) -> None:
    rows = flat_files.frame()
    described = flat_files.description("regression")
    csv = tabular.read(flat_files.write(tmp_path, rows), described).table
    mark = pl.col("mark").str.replace(",", ".").cast(pl.Float64, strict=False)
    typed = rows.with_columns(pl.col("missed").cast(pl.Int64), mark)
    typed.write_parquet(tmp_path / "students.parquet")
    np.testing.assert_array_equal(csv.values, tabular.read(tmp_path / "students.parquet", described).table.values)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_an_encoding_is_read_as_it_is_named(tmp_path: Path, encoding: str) -> None:
    rows = flat_files.frame().head(5).with_columns(pl.Series("id", ["Zoë", "b", "c", "d", "e"]))
    path = tmp_path / "students.csv"
    path.write_bytes(rows.write_csv(separator=";").encode(encoding))
    raw = tomllib.loads(flat_files.text("regression"))
    if encoding == "utf-16":
        raw["file"]["encoding"] = encoding
    assert tabular.read(path, describe(raw)).table.keys[0] == "Zoë"


@pytest.mark.parametrize(("content", "code"), [(b"", "unreadable_file"), (b"a;b\n1\n2;3;4\n", "unreadable_file"),
                                               (b"id;mark;mark\n1;2;3\n", "duplicate_column")])  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_without_its_cells(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "students.csv"
    path.write_bytes(content)
    with pytest.raises(Refused) as caught:
        tabular.read(path, flat_files.description("regression"))
    assert code in {problem.code for problem in caught.value.problems}


def test_a_draft_tells_what_can_be_seen_and_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    draft = tabular.draft(flat_files.write(tmp_path))
    raw = tomllib.loads(draft)
    assert raw["file"] == {"separator": ";", "decimal": ",", "missing": ["n/a"]}
    assert raw["groups"] == {"sex": "sex"}
    assert raw["columns"]["club"]["yes"] == ["yes"]
    assert set(raw["columns"]["Way to school"]["values"]) == {"near", "far"}
    assert raw["columns"]["missed"]["kind"] == "number"
    assert "sex" not in raw["columns"]
    assert '# key = "id"' in draft
    with pytest.raises(Refused) as caught:
        describe(raw)
    open_ones = " ".join(problem.where for problem in caught.value.problems)
    for place in ("label.name", "label.column", "columns.mark.says", "columns.mark.higher", "Way to school.values.near"):
        assert place in open_ones


def test_a_draft_that_was_filled_in_reads_its_file(tmp_path: Path) -> None:
    path = flat_files.write(tmp_path, flat_files.frame().drop("year", "part", "left", "end", "id", "hobby"))
    raw = tomllib.loads(tabular.draft(path))
    for name, one in raw["columns"].items():
        one |= {"name": name, "concept": "history"}
        if one["kind"] == "category":
            one["values"] = {value: f"has {value}" for value in one["values"]}
        else:
            one |= {"says": "has {value:.0f}", "higher": "context"}
    raw["label"] |= {"name": "p", "column": "points", "kind": "regression", "says": "x", "horizon": "y", "range": [0, 100],
                     "higher": "strength"}  # fmt: skip
    del raw["columns"]["points"]
    found = tabular.read(path, describe(raw))
    assert found.reading.quarantined == 0
    assert found.table.catalog.names[0] == "mark"

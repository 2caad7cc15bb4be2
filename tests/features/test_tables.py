"""The canonical tables, and the page that is generated from them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from features.tables import GRAIN_KEYS, TABLES, VERSION_COLUMNS, Column, Sensitivity, Table, Use, as_markdown

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    pytest.param(table, column, id=f"{name}.{column.name}") for name, table in TABLES.items() for column in table.columns
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_column_says_what_it_is_and_what_it_may_be_used_for(table: Table, column: Column) -> None:
    found = table.column(column.name)
    assert found.type is not None
    assert found.sensitivity in get_args(Sensitivity)
    assert found.use in get_args(Use)
    assert found.says.endswith(".")
    assert found.references == "" or found.references in TABLES


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_table_has_a_natural_key_and_its_event_is_a_column(table: Table) -> None:
    assert table.natural_key
    assert table.says
    assert len({column.name for column in table.columns}) == len(table.columns)
    if table.event:
        assert str(table.column(table.event).type) == "Date"
    assert set(table.schema) == {column.name for column in table.columns} | set(VERSION_COLUMNS)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_what_identifies_or_groups_people_is_neither_a_feature_nor_a_label(table: Table) -> None:
    for column in table.columns:
        if column.sensitivity == "identity":
            assert column.use == "display_only"
        if column.use == "feature":
            assert column.sensitivity in ("internal", "confidential")
    if table.name == "demographics":
        assert set(table.used_for("audit_only")) == {c.name for c in table.columns} - {"student_id"}


def test_a_referenced_table_is_named_by_the_same_key() -> None:
    for table in TABLES.values():
        for column in table.columns:
            if column.references:
                assert TABLES[column.references].natural_key == (column.name,)


def test_each_grain_adds_one_key_to_the_coarser_one() -> None:
    grains = list(GRAIN_KEYS.values())
    for coarse, fine in pairwise(grains):
        assert fine[:-1] == coarse


def test_an_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="students has no column colour"):
        TABLES["students"].column("colour")


def test_the_page_on_records_is_the_one_that_the_code_writes() -> None:
    written = (ROOT / "docs" / "records.md").read_text()
    assert written == as_markdown(), "write it anew: python -m features.tables > docs/records.md"
    for name, table in TABLES.items():
        assert f"## {name}" in written
        assert all(f"`{column.name}`" in written for column in table.columns)

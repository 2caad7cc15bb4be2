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


def test_a_referenced_table_is_named_by_the_same_key_unless_the_column_says_in_which_part() -> None:
    parts = {("skill_prerequisites", "prerequisite_id"): "skill_id", ("supports", "given_by"): "staff_id"}
    for table in TABLES.values():
        for column in table.columns:
            if column.references:
                assert TABLES[column.references].natural_key == (parts.get((table.name, column.name), column.name),)


def test_a_referenced_table_stands_before_the_one_that_refers_to_it() -> None:
    names = list(TABLES)
    for at, table in enumerate(TABLES.values()):
        for column in table.columns:
            assert column.references not in names[at:], "tables are checked in order, so the keys would not be known yet"


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_the_natural_key_of_a_row_is_always_filled(table: Table) -> None:
    assert all(table.column(name).required for name in table.natural_key)


@pytest.mark.parametrize(
    "name",
    ["accommodations", "demographics", "digital_access", "guardians", "identities", "learning_plans", "objections", "photos",
     "plans", "staff", "student_voice", "support_ends", "supports", "surveys"],
)  # fmt: skip
def test_who_a_student_is_and_what_they_are_owed_given_or_asked_is_no_feature(name: str) -> None:
    assert TABLES[name].used_for("feature", "label") == ()


def test_no_table_holds_why_somebody_was_absent_or_a_story_of_what_they_did() -> None:
    for name in ("attendance", "section_attendance", "incidents"):
        free = {column.name for column in TABLES[name].columns if str(column.type) == "String" and not column.values}
        assert free <= {"student_id", "enrolment_id", "section_id", "incident_id"}
    assert not any("reason" in column.name for table in TABLES.values() for column in table.columns)


def test_what_is_restricted_has_a_name_of_its_own() -> None:
    """A feature's expression knows names only: a name that may be read in one table may be read in all."""
    features = {column.name for table in TABLES.values() for column in table.columns if column.use == "feature"}
    restricted = {
        (table.name, column.name)
        for table in TABLES.values()
        for column in table.columns
        if column.sensitivity in ("restricted", "identity") and column.name in features
    }
    assert restricted == {("exits", "kind")}, "and exits gives a feature no column but the day"


def test_whose_part_an_incident_was_can_be_told_before_anything_is_counted() -> None:
    role = TABLES["incidents"].column("role")
    assert (role.use, role.required) == ("join", True)
    assert {"perpetrator", "victim", "witness"} <= set(role.values)


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

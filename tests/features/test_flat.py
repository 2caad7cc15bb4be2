"""A flat file's description, and the numbers made of its rows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import flat_files
import numpy as np
import polars as pl
import pytest

from features.flat import describe, is_about_who, moments, read_description, rows_of
from features.problems import Refused


def refused(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        describe(raw)
    return [problem.where for problem in caught.value.problems]


def plain(kind: str = "regression") -> dict[str, Any]:
    return tomllib.loads(flat_files.text(kind))


def test_a_column_becomes_a_number_a_yes_or_one_feature_per_value() -> None:
    described = flat_files.description("regression")
    assert described.catalog.inputs == ("mark", "missed", "club", "way_to_school__near", "way_to_school__far")
    rows = pl.DataFrame({"id": ["a", "b"], "mark": ["61,5", "n/a"], "missed": ["3", "0"], "club": ["yes", "no"],
                         "Way to school": ["far", "near"]})  # fmt: skip
    checked, table = rows_of(rows, described, "rows.csv", labelled=False)
    assert checked.account.kept == 2
    np.testing.assert_array_equal(table.values, [[61.5, 3, 1, 0, 1], [np.nan, 0, 0, 1, 0]])
    assert table.keys == ("a", "b")


def test_a_column_that_is_not_sent_is_unknown_and_not_zero() -> None:
    rows = pl.DataFrame({"id": ["a"], "mark": ["61,5"]})
    _, table = rows_of(rows, flat_files.description("regression"), "rows.csv", labelled=False)
    assert np.isnan(table.values[0, 1:]).all()


@pytest.mark.parametrize(("kind", "column", "expected"), [("regression", "points", [40.5, 0.0, np.nan]),
                                                          ("binary", "left", [1.0, 0.0, np.nan]),
                                                          ("multiclass", "end", [2.0, 0.0, np.nan])])  # fmt: skip
def test_an_outcome_that_is_not_known_is_neither_yes_nor_no(kind: str, column: str, expected: list[float]) -> None:
    words = {"points": ["40,5", "0", ""], "left": ["yes", "no", ""], "end": ["H", "L", "?"]}[column]
    rows = flat_files.frame().head(3).with_columns(pl.Series(column, words))
    np.testing.assert_array_equal(flat_files.table(kind, rows=rows).label, expected)


def test_faults_of_rows_are_set_aside_with_their_place_and_without_their_value() -> None:
    rows = flat_files.frame().head(4).with_columns(
        pl.Series("mark", ["61,5", "Ana", "120", "50"]), pl.Series("club", ["yes", "maybe", "no", "no"]),
        pl.Series("id", ["a", "b", "c", "a"]),
    )  # fmt: skip
    checked, table = rows_of(rows, flat_files.description("regression"), "students.csv", labelled=True)
    account = checked.account
    assert (account.read, account.kept, account.quarantined) == (4, 1, 3)
    assert table.keys == ("a",)
    found = {(problem.code, problem.row, problem.column) for problem in checked.problems}
    assert found == {("bad_value", 3, "mark"), ("unknown_word", 3, "club"), ("out_of_range", 4, "mark"),
                     ("duplicate_key", 5, "id")}  # fmt: skip
    assert "Ana" not in " ".join(map(str, checked.problems))


def test_without_a_key_a_row_is_called_by_its_number_whatever_was_set_aside() -> None:
    raw = plain()
    del raw["file"]["key"]
    rows = flat_files.frame().head(4).drop("id").with_columns(pl.Series("missed", ["1", "many", "2", "3"]))
    _, table = rows_of(rows, describe(raw), "students.csv", labelled=True)
    assert table.keys == ("2", "4", "5")


def test_a_description_is_refused_with_everything_that_is_wrong_in_it() -> None:
    raw = plain()
    del raw["columns"]["mark"]["says"], raw["columns"]["missed"]["range"]
    raw["columns"]["club"]["higher"] = "better"
    raw["columns"]["club"]["colour"] = "red"
    raw["columns"]["Way to school"]["concern"] = ["nowhere"]
    raw["label"]["name"] = "Final Points"
    raw["label"]["range"] = [5, 1]
    raw["nonsense"] = 1
    assert set(refused(raw)) == {
        "mapping, columns.mark.says", "mapping, columns.missed.range", "mapping, columns.club.higher",
        "mapping, columns.club.colour", "mapping, columns.Way to school.concern", "mapping, label.name", "mapping, label.range",
        "mapping, nonsense",
    }  # fmt: skip


def test_words_that_cannot_be_filled_are_refused() -> None:
    raw = plain()
    raw["columns"]["mark"]["says"] = "had {points} points"
    assert refused(raw) == ["mapping, columns.mark.says"]


@pytest.mark.parametrize("name", ["Gender", "race/ethnicity", "Mother's qualification", "parental level of education",
                                  "NationalITy", "Age at enrollment", "Educational special needs", "lunch"])  # fmt: skip
def test_a_column_about_who_a_student_is_is_no_input_unless_it_is_said_why(name: str) -> None:
    raw = plain()
    raw["columns"][name] = {"name": "x", "says": "x {value}", "range": [0, 1], "higher": "context", "concept": "history"}
    assert refused(raw) == [f"mapping, columns.{name}"]
    raw["columns"][name]["not_demographic"] = "it is the age of the building"
    assert name in [one.column for one in describe(raw).columns]


@pytest.mark.parametrize("name", ["studytime", "absences", "message", "average", "grace period", "passage", "G1"])
def test_other_columns_are_taken_as_they_come(name: str) -> None:
    assert not is_about_who(name)


def test_a_group_an_outcome_a_key_and_a_split_are_no_inputs() -> None:
    for change in ({"groups": {"mark": "mark"}}, {"label": {"column": "mark"}}, {"file": {"key": "mark"}},
                   {"time": {"column": "mark"}}):  # fmt: skip
        raw = plain()
        for section, keys in change.items():
            raw[section] = {**raw.get(section, {}), **keys}
        assert any("columns.mark" in where for where in refused(raw)), change


def test_two_ways_to_judge_are_one_too_many() -> None:
    assert refused(plain() | {"time": {"column": "year"}, "folds": {"number": 5}}) == ["mapping"]


def test_classes_of_concern_are_some_of_the_classes_and_not_all() -> None:
    for concern in (["X"], ["L", "M", "H"]):
        raw = plain("multiclass")
        raw["label"]["concern"] = concern
        assert refused(raw) == ["mapping, label.concern"]


def test_what_a_model_carries_describes_the_same_file() -> None:
    described = flat_files.description("multiclass", '\n[split]\ncolumn = "part"\ntrain = ["train"]\ntest = ["test"]\n')
    again = describe(described.raw)
    assert again == described
    assert [one.fingerprint for one in again.catalog] == [one.fingerprint for one in described.catalog]


def test_words_may_change_under_a_feature_and_values_may_not() -> None:
    raw = plain()
    before = {one.name: one.fingerprint for one in describe(raw).catalog}
    raw["columns"]["club"] |= {"says": "takes part in a club", "yes": ["yes", "ja"]}
    after = {one.name: one.fingerprint for one in describe(raw).catalog}
    assert {name for name in before if before[name] != after[name]} == {"club"}
    raw = plain()
    raw["columns"]["mark"]["says"] = "got {value:.0f}"
    assert {one.name: one.fingerprint for one in describe(raw).catalog} == before


def test_a_file_that_is_no_toml_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("[label\n")
    for name in ("m.toml", "none.toml"):
        with pytest.raises(Refused) as caught:
            read_description(tmp_path / name)
        assert caught.value.problems[0].file == name
        assert str(tmp_path) not in str(caught.value)


def test_times_are_dates_or_numbers_and_never_both_guessed() -> None:
    np.testing.assert_array_equal(moments(pl.Series(["2024", "2025"])), [2024, 2025])
    found = moments(pl.Series(["1970-01-02", "1970-02-01"]))
    np.testing.assert_array_equal(found, [1, 31])
    assert moments(pl.Series(["03/04/2025"])) is None

"""What is said when records are refused."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from features.problems import Problem, Refused, shape_of

WORDS = st.one_of(st.text(max_size=60), st.text(st.characters(categories=["L", "M", "N"]), max_size=60), st.integers().map(str))


@given(WORDS)
def test_a_shape_holds_no_letter_or_digit_of_the_value(value: str) -> None:
    shape = shape_of(value)
    tail = f"... ({len(value)} characters)" if len(value) > 24 else ""
    assert shape.endswith(tail)
    assert set(shape.removesuffix(tail)) <= set("Xx9*" + string.punctuation + " ")


@given(st.text(string.printable, max_size=24))
def test_a_shape_keeps_the_length_and_the_punctuation(value: str) -> None:
    shape = shape_of(value)
    assert len(shape) == len(value)
    for was, became in zip(value, shape, strict=True):
        assert became == was or became in "Xx9*"
        assert (became == was) or was not in string.punctuation + " "


def test_a_shape_tells_dates_names_and_numbers_apart() -> None:
    assert [shape_of(value) for value in ("2013-13-45", "Ana O'Neill", 17, "Zoë", "安娜 3")] == [
        "9999-99-99", "Xxx X'Xxxxx", "99", "Xxx", "xx 9",
    ]  # fmt: skip


def test_a_refusal_lists_every_problem_with_its_place_and_a_way_out() -> None:
    problems = [
        Problem("bad_value", "a.csv, row 3, column on", "this is not a date", "Write it so.", value_shape="99", rows=7),
        Problem("missing_file", "b.csv", "this file is not in the folder", "Put it there."),
    ]
    said = str(Refused(problems))
    assert said.splitlines() == [
        "The records were refused: 2 problems.",
        "  a.csv, row 3, column on: this is not a date [looks like 99] (7 rows, the first is shown). Write it so.",
        "  b.csv: this file is not in the folder. Put it there.",
    ]
    assert problems[0].as_dict() == {
        "where": "a.csv, row 3, column on", "problem": "this is not a date", "hint": "Write it so.", "code": "bad_value",
        "value_shape": "99", "rows": 7,
    }  # fmt: skip
    assert set(problems[1].as_dict()) == {"where", "problem", "hint", "code"}

"""Classes that share a name in a school and term are told apart by a number in the order of their keys."""

from __future__ import annotations

from datetime import date

from test_access import Rows, records, the_school

from serving.pages.words import open_words
from serving.review.day import Day

WORDS = open_words()
ON = date(2026, 11, 16)


def with_classes(*more: dict[str, object]) -> Rows:
    rows = the_school()
    rows["sections"][0]["title"] = "Algebra"
    rows["sections"] += [{**rows["sections"][0], "section_id": f"zz-{at}", **one} for at, one in enumerate(more, 1)]
    return rows


def test_classes_of_a_course_in_a_school_and_term_are_numbered_in_both_languages() -> None:
    first = the_school()["sections"][0]["section_id"]
    name = "Algebra"
    assert Day.of(records(with_classes()), ON).class_name(first, WORDS["en"]) == name
    day = Day.of(records(with_classes({}, {"title": "Evening class"})), ON)
    assert [day.class_name(one, WORDS["en"]) for one in (first, "zz-1")] == [f"{name}, class 1", f"{name}, class 2"]
    assert day.class_name("zz-1", WORDS["es"]) == f"{name}, clase 2"
    assert day.class_name("zz-2", WORDS["en"]) == "Evening class", "a name of its own needs no number"
    assert day.sections["zz-1"] == name, "a sentence about a course names the course"
    assert day.class_name("of nobody", WORDS["en"]) == "of nobody"


def test_the_tenth_class_of_a_course_stands_after_the_ninth() -> None:
    rows = with_classes(*({"section_id": f"zz-{at:02}"} for at in range(1, 12)))
    day = Day.of(records(rows), ON)
    mine = [one for one in day.sections if one in day.numbers]
    numbers = [day.numbers[one] for one in sorted(mine, key=day.place_of)]
    assert numbers == list(range(1, 13))

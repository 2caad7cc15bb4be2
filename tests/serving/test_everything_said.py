"""Over all routes at once, those that come too: what is refused and done has words, and no page tells what is not its own."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from functools import cache
from typing import get_args

import pytest
from source_paths import ROOT, Place, reached, texts

from serving.cases.casebook import ALL_MOVES
from serving.pages.contexts import figures, lesson
from serving.pages.contexts.student import Happened
from serving.pages.render import ADDRESSES
from serving.pages.words import open_words
from serving.review.routes import OPEN, ROUTES, Open, Route

pytestmark = pytest.mark.full

WORDS = open_words()

#: Refused otherwise than on a page: a right has a page of its own, settings and the tenant come before anybody asks.
NO_PHRASE = {"not_permitted", "setting", "tenant"}

#: Forms that leave no line. Whether somebody has practised is nobody's but their own, and no measure of them may be made of it.
NO_LINE = {"practice"}

#: What says of whom a figure would be a teacher's.
THEIRS = ("staff", "teacher", "taught_by", "section", "class", "roster", "caseload", "account")


def answering(route: Route | Open) -> Place:
    return route.answer.__module__, route.answer.__name__


@cache
def all_reached() -> frozenset[Place]:
    return reached(*(answering(route) for route in (*ROUTES, *OPEN)), ("serving.review.oidc", "back"))


def said(kind: str) -> set[str]:
    """Return the names of the phrases of a kind, as every language has them."""
    named = [{key.removeprefix(f"{kind}.") for key in words.phrases if key.startswith(f"{kind}.")} for words in WORDS.values()]
    assert all(one == named[0] for one in named)
    return named[0]


def test_everything_that_a_form_can_be_refused_for_has_words_and_no_words_stand_idle() -> None:
    codes = set(texts(all_reached(), "Problem", 0, "code"))
    assert {"case_changed", "group_full", "not_the_student", "oidc_unknown"} <= codes, "the walk reaches what is called"
    assert codes - NO_PHRASE == said("problem")


def test_everything_that_is_done_has_words_and_no_words_stand_idle() -> None:
    assert set(texts(all_reached(), "Go", 1, "said")) - {""} == said("said")


def test_everything_that_is_written_down_of_a_case_can_be_told_on_its_page() -> None:
    tree = ast.parse((ROOT / "serving" / "cases" / "casebook.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_note_move"]
    beside = {one.args[3].value for one in calls if isinstance(one.args[3], ast.Constant)}
    assert {"look", "review_support"} == beside
    assert {*ALL_MOVES, *beside} == set(get_args(Happened))


FORMS = [route for route in (*ROUTES, *OPEN) if route.method == "POST"]


@pytest.mark.parametrize("route", FORMS, ids=lambda route: str(route.name))
def test_every_form_can_write_into_the_trail(route: Route | Open) -> None:
    writes = {name for module, name in reached(answering(route)) if module == "serving.cases.trail"}
    assert bool(writes & {"append", "append_all", "record", "record_all"}) != (route.name in NO_LINE)


# -- never by teacher -------------------------------------------------------------------------------------------------


def test_no_address_is_about_a_member_of_staff() -> None:
    parts = {part for address in ADDRESSES.values() for part in re.findall(r"\{(\w+)\}", address)}
    assert {"student_id", "organisation_id", "section_id"} <= parts
    assert not [part for part in parts - {"section_id"} if any(word in part for word in THEIRS)]


def test_a_page_of_a_class_comes_to_no_figure_of_a_school() -> None:
    of_class = [route for route in ROUTES if route.about == "section"]
    assert of_class
    for route in of_class:
        tree = ast.parse((ROOT / f"{answering(route)[0].replace('.', '/')}.py").read_text(encoding="utf-8"))
        imported = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
        whole = {f"{one.module}.{name.name}" for one in imported for name in one.names}
        assert not [one for one in whole if re.match(r"serving\.(figures|effects|goals|suppression|reviews)\b", one)]
        levels = {("serving.cases.casebook", "service_levels"), ("serving.cases.casebook", "reviews")}
        assert not reached(answering(route)) & levels


def test_the_list_of_classes_says_of_each_how_many_and_nothing_of_how_they_do() -> None:
    assert {one.name for one in fields(lesson.ClassLine)} == {"section_id", "title", "school", "students"}


def test_figures_of_groups_have_no_place_for_a_class_or_a_teacher() -> None:
    made = [one for one in vars(figures).values() if isinstance(one, type) and is_dataclass(one)
            and one.__module__ == figures.__name__]  # fmt: skip
    names = {field.name for one in made for field in fields(one)}
    assert {"organisation_id", "said"} & names, sorted(names)
    assert not [name for name in names if any(word in name for word in THEIRS)]


#: Where rows are grouped by class, and for what: never for what became of students.
BY_CLASS = {
    "serving/review/lesson.py": "how many students a class has, and who came to its lessons",
    "serving/review/day.py": "who sits in a class",
    "serving/review/caseload.py": "which classes a list can be cut to, the largest first",
    "serving/review/student.py": "where the pieces of work of a class lie among those of all classes",
    "serving/cases/access.py": "how a class's marks lie, for the page of one of its students",
}


def test_nothing_that_is_served_is_grouped_by_class_or_by_a_member_of_staff() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "serving").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "group_by":
                keys = " ".join(ast.unparse(one) for one in node.args)
                found.setdefault(path.relative_to(ROOT).as_posix(), set()).update(
                    word for word in (*THEIRS, "person_id", "assignee") if word in keys.lower()
                )
    grouped = {path: words for path, words in found.items() if words}
    assert grouped == {path: {"section"} for path in BY_CLASS}


def test_no_answer_over_http_has_a_place_for_a_teacher() -> None:
    for name in ("answers.py", "contract.py", "service.py", "scoring.py"):
        tree = ast.parse((ROOT / "serving" / name).read_text(encoding="utf-8"))
        keys = {key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys
                if isinstance(key, ast.Constant)}  # fmt: skip
        assert not [key for key in keys if isinstance(key, str) and re.search("staff|teacher|by_class|by_section", key)], name

"""Goals: everything that is wrong with a file at once, and progress from nothing but what is published."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from features.problems import NotFound, Refused
from serving.figures import Organisation, Published, key
from serving.goals import AGREED, capacity, check, goals, progress, read
from serving.suppression import Cell

LINCOLN = Organisation("lincoln", "Lincoln", "school", None)
AGREED_BY = {role: ["Ida Lovell"] for role in AGREED}
GOAL: dict[str, Any] = {
    "id": "skills", "measure": "most_skills_secure", "population": "lincoln", "target": 60, "by": date(2027, 6, 30),
    "next_review": date(2027, 1, 31), "agreed_by": AGREED_BY,
}  # fmt: skip


def one(**changed: Any) -> dict[str, Any]:
    return {"goal": [{**GOAL, **changed}]}


def published(measure: str, cell: Cell, year: str = "") -> Published:
    cells = {measure: {key("lincoln", "year", year): cell}}
    return Published(date(2026, 11, 13), {"lincoln": LINCOLN}, {"lincoln": ()}, {}, MappingProxyType(cells), {})


def places(error: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [problem.where for problem in error.value.problems]


def test_goals_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "goals.toml").write_text(
        '[[goal]]\nid = "skills"\nmeasure = "most_skills_secure"\npopulation = "lincoln"\nyear = 9\ntarget = 60\n'
        "by = 2027-06-30\nnext_review = 2027-01-31\n[goal.agreed_by]\n"
        + "".join(f'{role} = ["Ida Lovell", "Ben Okoro"]\n' for role in AGREED)
    )
    (found,) = goals(read(tmp_path / "goals.toml"), ["lincoln"])
    assert (found.year, found.target, found.by, found.next_review) == ("9", 60, date(2027, 6, 30), date(2027, 1, 31))
    assert found.agreed_by["students"] == ("Ida Lovell", "Ben Okoro")


def test_a_file_that_is_not_there_or_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "goals.toml")
    (tmp_path / "goals.toml").write_text("[[goal")
    with pytest.raises(Refused):
        read(tmp_path / "goals.toml")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = {
        "gaol": [],
        "goal": [
            {"id": "a", "measure": "by_teacher", "population": "nowhere", "year": True, "target": 0.6, "by": "soon",
             "owner": "x", "agreed_by": {"curriculum": [], "parents": ["x"], "it": ["x"], "counselors": "x"}},
            {**GOAL, "id": "a", "next_review": date(2027, 7, 1), "section": "ALG-1"},
        ],
    }  # fmt: skip
    with pytest.raises(Refused) as error:
        goals(told, ["lincoln"])
    assert places(error) == [
        "gaol", "goal 1, owner", "goal 1, measure", "goal 1, population", "goal 1, year", "goal 1, target", "goal 1, by",
        "goal 1, next_review", "goal 1, agreed_by.curriculum", "goal 1, agreed_by.counselors", "goal 1, agreed_by.families",
        "goal 1, agreed_by.students", "goal 1, agreed_by.parents", "goal 2, section", "goal 2, next_review", "goal 2, id",
    ]  # fmt: skip


@pytest.mark.parametrize("told", [{}, {"goal": []}, {"goal": "x"}, {"goal": ["x"]}])
def test_a_file_without_goals_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no goal"):
        goals(told)


@pytest.mark.parametrize("target", [4, 96, True, "60"])
def test_a_target_that_no_figure_can_show_is_refused(target: object) -> None:
    with pytest.raises(Refused) as error:
        goals(one(target=target))
    assert places(error) == ["goal 1, target"]


def test_what_is_signed_is_read_again_as_it_was() -> None:
    signed = check("goals", one(year=9), ["lincoln"])
    assert goals(json.loads(json.dumps(signed))) == goals(one(year=9))


@pytest.mark.parametrize(
    ("measure", "cell", "state"),
    [
        ("most_skills_secure", Cell("share", 300, 60, 180), "reached"),
        ("most_skills_secure", Cell("share", 300, 59, 180), "not_yet"),
        ("most_skills_secure", Cell("high", 300, 95), "reached"),
        ("most_skills_secure", Cell("low", 300, 5), "not_yet"),
        ("most_skills_secure", Cell("high", 30, 58), "not_told"),
        ("most_skills_secure", Cell("withheld", 300), "not_told"),
        ("most_skills_secure", Cell("hidden"), "not_told"),
        ("check_in", Cell("share", 300, 60, 180), "reached"),
        ("check_in", Cell("share", 300, 61, 180), "not_yet"),
        ("check_in", Cell("low", 300, 5), "reached"),
        ("check_in", Cell("low", 20, 65), "not_told"),
        ("check_in", Cell("high", 300, 95), "not_yet"),
    ],
)
def test_progress_follows_from_what_is_published_alone(measure: str, cell: Cell, state: str) -> None:
    (found,) = progress(goals(one(measure=measure)), published(measure, cell))
    assert (found.state, found.cell) == (state, cell)


def test_a_goal_of_a_year_looks_at_that_year_and_one_of_nobody_is_not_told() -> None:
    cell = Cell("share", 80, 62, 50)
    (found,) = progress(goals(one(year="9")), published("most_skills_secure", cell, "9"))
    assert found.state == "reached"
    (found,) = progress(goals(one(year="9")), published("most_skills_secure", cell))
    assert (found.state, found.cell) == ("not_told", None)


def test_capacity_names_places_by_support_and_school() -> None:
    places = [{"support": "access_device", "organisation": "lincoln", "places": 12}]
    told = {"students": 20, "set_by": "the principal", "places": places}
    found = capacity(check("capacity", told, ["lincoln"]))
    assert (found.students, found.set_by, dict(found.places)) == (20, "the principal", {("access_device", "lincoln"): 12})


def test_capacity_that_is_wrong_is_told_with_all_its_faults() -> None:
    row = {"support": "access_device", "organisation": "nowhere", "places": -1}
    with pytest.raises(Refused) as error:
        capacity({"students": 0, "rooms": 3, "places": [row, {**row, "places": 2}]}, ["lincoln"])
    assert places(error) == [
        "capacity, rooms", "capacity, students", "capacity, set_by", "places 1, organisation", "places 1, places",
        "places 2, organisation", "places 2, support",
    ]  # fmt: skip
    with pytest.raises(Refused):
        capacity({"set_by": "x", "places": 7})


def test_thresholds_are_those_that_something_reads() -> None:
    assert check("thresholds", {"waiting_days": 7}, []) == {"waiting_days": 7}
    for told in ({"waiting_days": "five"}, {"waiting_days": 0}, {"band": 0.4}, {}):
        with pytest.raises(Refused):
            check("thresholds", told, [])


def test_a_catalogue_is_held_to_what_a_districts_file_is_held_to() -> None:
    own = {"withdraw": {"att_mail": {"reason": "Stopped by the board.", "on": date(2026, 9, 1)}}}
    assert check("catalogue", own, []) == {"withdraw": {"att_mail": {"reason": "Stopped by the board.", "on": "2026-09-01"}}}
    wrong = {"withdraw": {"conversation": {"reason": "x", "on": "soon"}, "none": {}}, "title": "Tutoring"}
    with pytest.raises(Refused) as error:
        check("catalogue", wrong, [])
    assert places(error) == [
        "title", "withdraw.conversation.reason", "withdraw.conversation.on", "withdraw.conversation", "withdraw.none.reason",
        "withdraw.none.on", "withdraw.none",
    ]  # fmt: skip
    with pytest.raises(Refused):
        check("catalogue", {}, [])

"""What a school has agreed to reach, and how far it is: goals, and the capacity that needs are held against.

``goals.toml`` in the state folder is where goals are written. They are in force once somebody has signed them
(:mod:`serving.cases.agreements`): pages show what was signed and not what a file says today. Progress is read from what is
published of groups (:mod:`serving.figures`), so that a goal tells no more of a small group than the page does; and no goal
can be set for a class or for whoever teaches it, since no figure is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from features.problems import NotFound, Problem, Refused
from serving import catalogue
from serving.cases.agreements import Kind
from serving.figures import MEASURES, Published
from serving.suppression import BOTTOM, Cell, coded

FILE = "goals.toml"

#: Who has to have agreed to a goal, by name or as a body.
AGREED = ("curriculum", "it", "counselors", "families", "students")

#: Targets are whole percent of what is told as a number.
LOWEST, HIGHEST = round(100 * BOTTOM), round(100 * (1 - BOTTOM))

#: What a school agrees on as a number, each from the least to the most that it can be: ``waiting_days`` are the school days
#: after which a student has waited too long for a look.
THRESHOLDS: Mapping[str, tuple[int, int]] = MappingProxyType({"waiting_days": (1, 60)})

_GOAL = ("id", "measure", "population", "year", "target", "by", "next_review", "agreed_by")
_CAPACITY = ("students", "set_by", "places")
_PLACES = ("support", "organisation", "places")


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: of the ``population`` (an organisation, and a ``year`` of school or all) ``target`` percent ``by`` a day.

    Whether that is a share to rise to or to fall to follows from the measure. ``agreed_by`` names, for each of
    :data:`AGREED`, who agreed.
    """

    id: str
    measure: str
    population: str
    year: str
    target: int
    by: date
    next_review: date
    agreed_by: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a goal is. ``cell`` is what is published of its population; None where nothing is known of it."""

    goal: Goal
    state: Literal["reached", "not_yet", "not_told"]
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many can be helped: ``students`` in a round of looking (None where not said), and ``places`` of supports.

    ``places`` are by the support's key and the organisation's.
    """

    students: int | None
    set_by: str
    places: Mapping[tuple[str, str], int]


def read(path: Path) -> Mapping[str, Any]:
    """Return what a TOML file says. Raises NotFound where there is none, Refused where it is no TOML in UTF-8."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"There is no {path.name}. docs/goals.md shows one.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Refused([Problem("goals", path.name, "this is not TOML in UTF-8", "Correct the file.", file=path.name)]) from None


def check(kind: Kind, told: Mapping[str, Any], organisations: Collection[str]) -> dict[str, Any]:
    """Return what a school wants to agree on as it is signed: plain values that JSON holds, days as text.

    Raises:
        Refused: with everything that is wrong.

    """
    if kind == "goals":
        return {"goal": [_plain(goal) for goal in goals(told, organisations)]}
    if kind == "capacity":
        capacity(told, organisations)
    elif kind == "catalogue":
        if not told:
            _refuse([_problem(kind, "there is nothing in it", "Write what the district adds, changes, withdraws or measured.")])
        catalogue.with_told(catalogue.shipped(), told)
    else:
        thresholds(told)
    return cast("dict[str, Any]", _json(told))


def goals(told: Mapping[str, Any], organisations: Collection[str] | None = None) -> tuple[Goal, ...]:
    """Return the goals of a file, or of what was signed.

    Args:
        told: ``{"goal": [...]}``.
        organisations: those on record, by key; None takes any, for what was signed when others were.

    Raises:
        Refused: with everything that is wrong: keys that there are not, a measure or an organisation that is not known, a
            target that no figure can show, days that are none or in no order, and whoever has not agreed.

    """
    problems: list[Problem] = []
    rows = told.get("goal", [])
    hint = "Write each goal under [[goal]]."
    problems += [_problem(name, "a file of goals has no such table", hint) for name in told if name != "goal"]
    if not isinstance(rows, list) or not rows or not all(isinstance(one, dict) for one in rows):
        _refuse([*problems, _problem("goal", "there is no goal", hint)])
    found, seen = [], set[str]()
    for number, row in enumerate(rows, 1):
        one = _Row(row, f"goal {number}", problems)
        goal = _goal(one, organisations)
        if goal.id in seen:
            one.fault("id", "another goal has it", "Give each goal an id of its own.")
        seen.add(goal.id)
        found.append(goal)
    _refuse(problems)
    return tuple(found)


def progress(goals: Sequence[Goal], published: Published) -> tuple[Progress, ...]:
    """Return how far each goal is, from what is published and from nothing else."""
    found = []
    for goal in goals:
        found_now = published.cell(goal.measure, goal.population, "year", goal.year)
        cell = coded(found_now) if found_now is not None else None
        state: Literal["reached", "not_yet", "not_told"] = "not_told"
        # A bound says that a goal is reached, or that it is not, where the target lies beyond it.
        if cell is not None and cell.percent is not None and cell.said in ("share", "low", "high"):
            more = MEASURES[goal.measure].better == "more"
            above = cell.said != "low" and cell.percent >= goal.target
            below = cell.said != "high" and cell.percent <= goal.target
            state = "reached" if (above if more else below) else "not_yet" if (below if more else above) else "not_told"
        found.append(Progress(goal, state, cell))
    return tuple(found)


def capacity(told: Mapping[str, Any], organisations: Collection[str] | None = None) -> Capacity:
    """Return the capacity of a file, or of what was signed; see :func:`goals` for ``organisations`` and what is refused."""
    problems: list[Problem] = []
    top = _Row(told, "capacity", problems, _CAPACITY)
    students = top.number("students", 1) if "students" in told else None
    set_by = top.text("set_by")
    rows = told.get("places", [])
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        top.fault("places", "it is no list of tables", "Write each under [[places]].")
        rows = []
    places: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, 1):
        one = _Row(row, f"places {number}", problems, _PLACES)
        at = one.text("support"), one.text("organisation")
        if at[1] and organisations is not None and at[1] not in organisations:
            one.fault("organisation", "no such organisation is on record", "Use its key in the records.")
        if at in places:
            one.fault("support", "the places of this support are told twice", "Tell them once for each organisation.")
        places[at] = one.number("places", 0)
    _refuse(problems)
    return Capacity(students, set_by, MappingProxyType(places))


def thresholds(told: Mapping[str, Any]) -> Mapping[str, int]:
    """Return the thresholds of a file, or of what was signed, by name; raise Refused with everything that is wrong.

    Where a band begins is not among them: it was cut with its version, and the card's figures are of lists cut there.
    """
    problems: list[Problem] = []
    one = _Row(told, "thresholds", problems, tuple(THRESHOLDS))
    found = {name: one.number(name, least, most) for name, (least, most) in THRESHOLDS.items() if name in told}
    if not told:
        problems.append(_problem("thresholds", "there is nothing in it", f"They are: {', '.join(THRESHOLDS)}."))
    _refuse(problems)
    return MappingProxyType(found)


def _goal(one: _Row, organisations: Collection[str] | None) -> Goal:
    measure, population, year = one.text("measure"), one.text("population"), one.row.get("year", "")
    if measure and measure not in MEASURES:
        one.fault("measure", "there is no such measure", f"The measures are: {', '.join(MEASURES)}.")
    if population and organisations is not None and population not in organisations:
        one.fault("population", "no such organisation is on record", "Use its key in the records: a school or a district.")
    if not isinstance(year, str | int) or isinstance(year, bool):
        one.fault("year", "this is no year of school", "Write it as a number, or leave it out for all years.")
    target = one.number("target", LOWEST, HIGHEST)
    by, review = one.day("by"), one.day("next_review")
    if by and review and review > by:
        one.fault("next_review", "it lies after the day by which the goal is to be reached", "Look at it before that day.")
    agreed = one.row.get("agreed_by", {})
    agreed = agreed if isinstance(agreed, dict) else {}
    names: dict[str, tuple[str, ...]] = {}
    for role in AGREED:
        who = agreed.get(role, [])
        if not isinstance(who, list) or not who or not all(isinstance(name, str) and name.strip() for name in who):
            one.fault(f"agreed_by.{role}", "nobody of them has agreed", "Name who agreed, as a list; a goal needs all five.")
        else:
            names[role] = tuple(who)
    for role in agreed:
        if role not in AGREED:
            one.fault(f"agreed_by.{role}", "this is nobody who agrees to goals", f"They are: {', '.join(AGREED)}.")
    days = by or date.min, review or date.min
    return Goal(one.text("id"), measure, population, str(year), target, *days, MappingProxyType(names))


class _Row:
    """One table of a file, whose faults are noted with their place."""

    def __init__(self, row: Mapping[str, Any], where: str, problems: list[Problem], known: Sequence[str] = _GOAL) -> None:
        self.row, self.where, self.problems = row, where, problems
        for name in row:
            if name not in known:
                self.fault(name, "there is no such key", f"The keys are: {', '.join(known)}.")

    def fault(self, name: str, problem: str, hint: str) -> None:
        self.problems.append(_problem(f"{self.where}, {name}", problem, hint))

    def text(self, name: str) -> str:
        found = self.row.get(name)
        if not isinstance(found, str) or not found.strip():
            self.fault(name, "it is missing or no text", "Write text between quotes.")
            return ""
        return found.strip()

    def number(self, name: str, least: int, most: int = 1_000_000) -> int:
        found = self.row.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            self.fault(name, f"it is no whole number from {least} to {most}", "Write it without a sign or unit.")
            return least
        return found

    def day(self, name: str) -> date | None:
        found = self.row.get(name)
        try:
            # A moment is a day too to Python, and none that anybody agreed on.
            return date.fromisoformat(found) if isinstance(found, str) else date.fromisoformat(found.isoformat())  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            self.fault(name, "it is missing or no day", "Write it as YYYY-MM-DD.")
            return None


def _json(told: object) -> object:
    """Return what a file says as JSON holds it: its days as text."""
    if isinstance(told, Mapping):
        return {name: _json(one) for name, one in told.items()}
    if isinstance(told, list):
        return [_json(one) for one in told]
    return told.isoformat() if isinstance(told, date) else told


def _plain(goal: Goal) -> dict[str, Any]:
    return {
        "id": goal.id, "measure": goal.measure, "population": goal.population, "year": goal.year, "target": goal.target,
        "by": goal.by.isoformat(), "next_review": goal.next_review.isoformat(),
        "agreed_by": {role: list(names) for role, names in goal.agreed_by.items()},
    }  # fmt: skip


def _problem(where: str, problem: str, hint: str) -> Problem:
    return Problem("goals", where, problem, hint)


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(list(problems), "This cannot be agreed on")

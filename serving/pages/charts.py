"""The small charts of a student's page as plain numbers: where each mark stands, and what it means in words.

A mark tells what it is by its shape; a colour alone would leave out whoever does not see it, and paper. A template draws the
marks and gives the same as a table. Lengths are in units of the drawing, whose size follows the reader's own letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, get_args

#: What is known of a school day. ``unknown`` is a day of which nothing was recorded where every day should be.
DayState = Literal["present", "part", "absent", "unknown"]

#: What is known of a piece of work.
PieceState = Literal["on_time", "late", "not_in", "in", "excused", "not_due"]

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

#: Sides of a cell and of the space that belongs to it, and the width of a line's name.
CELL, STEP, NAME = 10, 13, 120

#: The width of 0 to 100 of a mark.
SCALE = 200

#: So many pieces of work are drawn of one class: the latest.
MOST_PIECES = 14

#: And of these so many that are not due yet.
MOST_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCell:
    """One school day."""

    state: Annotated[DayState, "What is known of it."]
    x: Annotated[int, "Its left side."]
    y: Annotated[int, "Its upper side."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """One week as a row of the table beside the calendar."""

    begins_on: Annotated[date, "Its Monday."]
    days: Annotated[tuple[DayState | None, ...], "What is known of each day; None where there was no school."]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarChart:
    """The school days of a term: a column a week, a row a weekday."""

    width: Annotated[int, "Its width."]
    height: Annotated[int, "Its height."]
    cell: Annotated[int, "The side of a cell."]
    cells: Annotated[tuple[DayCell, ...], "The days."]
    weekdays: Annotated[tuple[Weekday, ...], "The weekdays that there is school on."]
    weeks: Annotated[tuple[Week, ...], "The same as rows of a table."]
    first: Annotated[date, "The first day that is shown."]
    last: Annotated[date, "The last day of which anything can be known."]
    taught: Annotated[int, "School days of which something is known."]
    present: Annotated[int, "Whole days at school."]
    part: Annotated[int, "Days of which a part was missed."]
    absent: Annotated[int, "Whole days missed."]
    unknown: Annotated[int, "Days of which nothing was recorded."]


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceCell:
    """One piece of work."""

    state: Annotated[PieceState, "What is known of it."]
    x: Annotated[int, "Its middle from the left."]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """The work of one class."""

    course: Annotated[str, "The class's name."]
    y: Annotated[int, "The middle of its line from above."]
    cells: Annotated[tuple[PieceCell, ...], "Its latest pieces by the day they are due, the latest last."]
    on_time: Annotated[int, "How many were handed in on time."]
    late: Annotated[int, "How many were handed in late."]
    not_in: Annotated[int, "How many were due and are not in."]
    other: Annotated[int, "How many are in on a day that is not on record, or were excused."]
    not_due: Annotated[int, "How many are not due yet."]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkChart:
    """The work of the term, class by class."""

    width: Annotated[int, "Its width."]
    height: Annotated[int, "Its height."]
    lines: Annotated[tuple[WorkLine, ...], "The classes."]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLine:
    """The marks of one course, of 100, and where they stand on the line."""

    course: Annotated[str, "The course's name."]
    y: Annotated[int, "The middle of its line from above."]
    now: Annotated[int, "The latest mark."]
    now_x: Annotated[int, "Where it stands."]
    on: Annotated[date, "The day it was given."]
    earlier: Annotated[int | None, "The average of the student's own earlier marks in the subject, where there are any."]
    earlier_x: Annotated[int, "Where it stands."]
    middle: Annotated[int | None, "The middle of the class, where it has ten students or more."]
    middle_x: Annotated[int, "Where it stands."]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksChart:
    """The latest marks, course by course."""

    width: Annotated[int, "Its width."]
    height: Annotated[int, "Its height."]
    left: Annotated[int, "Where 0 stands."]
    right: Annotated[int, "Where 100 stands."]
    lines: Annotated[tuple[MarkLine, ...], "The courses."]


def calendar(days: Mapping[date, DayState]) -> CalendarChart | None:
    """Return the chart of school days, None where there are none.

    >>> chart = calendar({date(2026, 9, 1): "present", date(2026, 9, 7): "absent"})
    >>> [(one.x, one.y) for one in chart.cells], chart.width, chart.absent
    ([(0, 13), (13, 0)], 26, 1)
    """
    if not days:
        return None
    first, last = min(days), max(days)
    weekdays = sorted({day.weekday() for day in days})
    monday = first - timedelta(days=first.weekday())
    weeks = (last - monday).days // 7 + 1
    cells = tuple(
        DayCell(state=days[day], x=STEP * ((day - monday).days // 7), y=STEP * weekdays.index(day.weekday()))
        for day in sorted(days)
    )
    table = []
    for at in range(weeks):
        begins = monday + timedelta(days=7 * at)
        row = tuple(days.get(begins + timedelta(days=weekday)) for weekday in weekdays)
        if any(row):
            table.append(Week(begins_on=begins, days=row))
    states = [one.state for one in cells]
    return CalendarChart(
        width=STEP * weeks, height=STEP * len(weekdays), cell=CELL, cells=cells,
        weekdays=tuple(get_args(Weekday)[weekday] for weekday in weekdays), weeks=tuple(table), first=first, last=last,
        taught=len(states) - states.count("unknown"), present=states.count("present"), part=states.count("part"),
        absent=states.count("absent"), unknown=states.count("unknown"),
    )  # fmt: skip


def work(classes: Mapping[str, Sequence[PieceState]]) -> WorkChart | None:
    """Return the chart of work by class, each class's pieces in the order they are due; None where there is none."""
    lines: list[WorkLine] = []
    for course, pieces in classes.items():
        if not pieces:
            continue
        past, ahead = ([one for one in pieces if (one == "not_due") is later] for later in (False, True))
        drawn = [*past[-(MOST_PIECES - MOST_AHEAD) :], *ahead[:MOST_AHEAD]]
        cells = tuple(PieceCell(state=state, x=NAME + STEP * at + STEP // 2) for at, state in enumerate(drawn))
        lines.append(
            WorkLine(
                course=course,
                y=2 * STEP * len(lines) + STEP,
                cells=cells,
                on_time=pieces.count("on_time"),
                late=pieces.count("late"),
                not_in=pieces.count("not_in"),
                other=pieces.count("in") + pieces.count("excused"),
                not_due=pieces.count("not_due"),
            )
        )
    if not lines:
        return None
    longest = max(len(one.cells) for one in lines)
    return WorkChart(width=NAME + STEP * longest, height=2 * STEP * len(lines), lines=tuple(lines))


@dataclass(frozen=True, slots=True)
class Mark:
    """The marks of one course as shares of the best there is."""

    course: str
    now: float
    on: date
    earlier: float | None
    middle: float | None


def marks(courses: Sequence[Mark]) -> MarksChart | None:
    """Return the chart of marks, None where there are none.

    >>> chart = marks([Mark("Algebra", 0.58, date(2026, 11, 1), 0.73, None)])
    >>> line = chart.lines[0]
    >>> line.now, line.now_x - chart.left, line.earlier, line.middle
    (58, 116, 73, None)
    """
    if not courses:
        return None
    lines = tuple(
        MarkLine(
            course=one.course, y=2 * STEP * at + STEP, on=one.on, now=round(100 * one.now), now_x=_at(one.now),
            earlier=_of_100(one.earlier), earlier_x=_at(one.earlier or 0.0), middle=_of_100(one.middle),
            middle_x=_at(one.middle or 0.0),
        )
        for at, one in enumerate(courses)
    )  # fmt: skip
    return MarksChart(width=NAME + SCALE + CELL, height=2 * STEP * len(lines), left=NAME, right=NAME + SCALE, lines=lines)


def _of_100(share: float | None) -> int | None:
    return None if share is None else round(100 * share)


def _at(share: float) -> int:
    return NAME + round(SCALE * share)

"""The school years of a simulated district, day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from homeroom.simulate.world import Years

#: Months of a school year, from the days of August and September to June.
MONTHS = 10

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Year:
    """One school year.

    ``days`` are the instructional days as days since 1970; ``month``, ``semester`` and ``period`` say in which part
    of the year each lies (from 0), ``weekday`` is 0 on Mondays, ``remote`` tells that the day was taught from afar.
    ``parts`` are first and last day of each semester and of each grading period.
    """

    first: int
    starts_on: date
    ends_on: date
    days: npt.NDArray[np.int32]
    month: npt.NDArray[np.int64]
    semester: npt.NDArray[np.int64]
    period: npt.NDArray[np.int64]
    weekday: npt.NDArray[np.int64]
    remote: npt.NDArray[np.bool_]
    semesters: tuple[tuple[date, date], ...]
    periods: tuple[tuple[date, date], ...]

    @property
    def key(self) -> str:
        """The key of the year's term: ``2024-25``."""
        return f"{self.first}-{(self.first + 1) % 100:02d}"

    def month_starts(self) -> list[date]:
        """Return the first day of each month of the year, the year's own first day for the first."""
        return [self.starts_on, *(date(self.first + (m > 12), (m - 1) % 12 + 1, 1) for m in range(10, 19))]

    def first_day_of_month(self) -> npt.NDArray[np.int64]:
        """Return at which instructional day each month begins, and after the last the number of days."""
        return np.append(np.searchsorted(self.month, np.arange(MONTHS)), len(self.days))


def number(on: date) -> int:
    """Return a day as days since 1970."""
    return (on - date(1970, 1, 1)).days


def of_world(told: Years) -> tuple[Year, ...]:
    """Return the school years of a world, in order."""
    remote = (date.fromisoformat(told.remote_from), date.fromisoformat(told.remote_to)) if told.remote_from else None
    return tuple(_year(told.first + at, remote) for at in range(told.count))


def _year(first: int, remote: tuple[date, date] | None) -> Year:
    starts = _on_or_after(date(first, 8, 24), 0)
    ends = _on_or_after(date(first + 1, 6, 8), 4)
    second = _on_or_after(date(first + 1, 1, 22), 0)
    closed = _holidays(first)
    span = [starts + timedelta(days=at) for at in range((ends - starts).days + 1)]
    taught = [on for on in span if on.weekday() < 5 and on not in closed]
    middle = (date(first, 11, 6), date(first + 1, 4, 8))
    marks = (starts, middle[0], second, middle[1], ends + timedelta(days=1))
    periods = tuple((marks[at], marks[at + 1] - timedelta(days=1)) for at in range(4))
    return Year(
        first, starts, ends,
        np.array([number(on) for on in taught], dtype=np.int32),
        np.array([0 if on.month == 8 else (on.month - 9) % 12 for on in taught]),
        np.array([int(on >= second) for on in taught]),
        np.array([sum(on >= mark for mark in marks[1:4]) for on in taught]),
        np.array([on.weekday() for on in taught]),
        np.array([remote is not None and remote[0] <= on <= remote[1] for on in taught]),
        ((starts, periods[1][1]), (second, ends)),
        periods,
    )  # fmt: skip


def _on_or_after(on: date, weekday: int) -> date:
    return on + timedelta(days=(weekday - on.weekday()) % 7)


def _holidays(first: int) -> frozenset[date]:
    """Return the days without teaching: those that most districts of the United States keep."""
    thanks = _on_or_after(date(first, 11, 22), 3)
    spring = _on_or_after(date(first + 1, 4, 1), 0)
    days = {
        _on_or_after(date(first, 9, 1), 0), _on_or_after(date(first, 10, 8), 0), date(first, 11, 11),
        _on_or_after(date(first + 1, 1, 15), 0), _on_or_after(date(first + 1, 2, 15), 0),
        _on_or_after(date(first + 1, 5, 25), 0),
    }  # fmt: skip
    days |= {thanks + timedelta(days=at) for at in (-1, 0, 1)}
    days |= {spring + timedelta(days=at) for at in range(5)}
    winter = date(first, 12, 23)
    days |= {winter + timedelta(days=at) for at in range((date(first + 1, 1, 2) - winter).days + 1)}
    return frozenset(days)

"""What a school says of its review: how many can be looked after well, who says so, and whom to turn to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

from features.problems import Problem, Refused


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """What is set in ``[review]`` of ``homeroom.toml``.

    ``today`` is the day that the pages are read as, as YYYY-MM-DD; empty for the day it is. Only a demonstration sets it:
    its records end on a day of the past. ``capacity`` is how many students a list is cut to, and ``capacity_set_by`` who
    said so. ``waiting_days`` are the school days after which a student has waited too long for a look. ``safeguarding`` is
    whom to turn to when a child may not be safe; ``safeguarding_folder`` takes concerns in writing, a file each, and should
    be one that whoever keeps children safe reads and nobody else. ``practice`` asks everybody to have practised on simulated
    students before they see real ones. ``simulated`` says that every student here is made up.
    """

    today: str = ""
    capacity: int = 20
    capacity_set_by: str = ""
    waiting_days: int = 5
    safeguarding: str = ""
    safeguarding_folder: str = ""
    practice: bool = True
    simulated: bool = False

    @classmethod
    def from_mapping(cls, given: object) -> ReviewSettings:
        """Return the settings with defaults where nothing is given.

        Raises :class:`~features.problems.Refused` with every key that there is none of and every value of the wrong kind.
        """
        if isinstance(given, ReviewSettings):
            return given
        told: Mapping[str, object] = given if isinstance(given, Mapping) else {"": given}
        known = {one.name: type(one.default) for one in fields(cls)}
        problems = []
        for name, value in told.items():
            if name not in known:
                hint = f"The settings are {', '.join(known)}."
                problems.append(Problem("setting", f"review.{name}", "There is no such setting", hint))
            elif type(value) is not known[name] or (isinstance(value, int) and not isinstance(value, bool) and value < 1):
                wanted = {str: "text", int: "a whole number above 0", bool: "true or false"}[known[name]]
                problems.append(Problem("setting", f"review.{name}", f"It must be {wanted}", "Correct the setting."))
        day = told.get("today", "")
        if isinstance(day, str) and day and not _is_day(day):
            problems.append(Problem("setting", "review.today", "This is not a date", "Write it as YYYY-MM-DD."))
        if problems:
            raise Refused(problems, "The settings of the pages were refused")
        return cls(**told)  # type: ignore[arg-type]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

"""What is said when records are refused: every problem at once, each with its place and a way out.

The family is short on purpose. :class:`HomeroomError` is the root, :class:`Refused` carries problems that the
sender can mend, :class:`NotFound` names something that is not there, and :class:`Unavailable` something that cannot
be asked whether it is. Anything else that is raised is a fault of ours and is allowed to look like one.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHOWN = frozenset(string.punctuation + " ")


class HomeroomError(Exception):
    """The root of what Homeroom raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what was sent.

    ``value_shape`` tells what a value looked like (``9999-99-99``) and never what it was: problems are printed,
    logged and returned over HTTP, and a student's data belongs in none of these places.
    """

    code: str
    where: str
    problem: str
    hint: str
    file: str = ""
    row: int | None = None
    column: str = ""
    value_shape: str = ""
    rows: int = 1

    def __str__(self) -> str:
        """Return the problem as one line that a person can act on."""
        times = f" ({self.rows:,} rows, the first is shown)" if self.rows > 1 else ""
        shape = f" [looks like {self.value_shape}]" if self.value_shape else ""
        return f"{self.where}: {self.problem}{shape}{times}. {self.hint}"

    def as_dict(self) -> dict[str, object]:
        """Return the problem as the HTTP answers and ``--json`` print it."""
        found: dict[str, object] = {"where": self.where, "problem": self.problem, "hint": self.hint, "code": self.code}
        if self.value_shape:
            found["value_shape"] = self.value_shape
        if self.rows > 1:
            found["rows"] = self.rows
        return found


class Refused(HomeroomError):
    """Input that cannot be taken as it is. Holds every problem that was found, not only the first."""

    def __init__(self, problems: Iterable[Problem], what: str = "The records were refused") -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        self.what = what
        super().__init__(what)

    def __str__(self) -> str:
        count = len(self.problems)
        lines = [
            f"{self.what}: {count} problem{'s' if count != 1 else ''}.",
            *(f"  {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


class NotFound(HomeroomError):
    """Something that was asked for by name does not exist here."""


class Unavailable(HomeroomError):
    """A store or a server that Homeroom leans on cannot be reached or read, so that nobody knows what is in it.

    Never to be taken for :class:`NotFound`: a server that cannot reach its registry keeps the models it has.
    """


def shape_of(value: object) -> str:
    """Return what a value looks like without what it says: digits as 9, letters as x or X, at most 24 signs.

    Only signs of ASCII punctuation and blanks are shown as they are; accents, emoji and the like become ``*``.

    >>> shape_of("2013-13-45"), shape_of("Ana O'Neill"), shape_of(17)
    ('9999-99-99', "Xxx X'Xxxxx", '99')
    """

    def sign(c: str) -> str:
        if c.isnumeric():
            return "9"
        if c.isalpha():
            return "X" if c.isupper() else "x"
        return c if c in _SHOWN else "*"

    text = str(value)
    shape = "".join(sign(c) for c in text[:24])
    return shape + (f"... ({len(text)} characters)" if len(text) > len(shape) else "")

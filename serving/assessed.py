"""No score of real students without a data protection impact assessment of the last year (GDPR 35).

Profiling of children takes one. Students who are simulated take none, and neither does research data that was published
for everybody. The list of the published rule is no score; who makes it is told whether an assessment is stated.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from features.problems import Problem, Refused
from features.validation import day as day_of
from training.governance import NOT_STATED
from training.promotion import ASSESSED_WITHIN_DAYS

#: Formats of data that was published for research, of students whom nobody can know.
PUBLIC = frozenset({"oulad"})

#: The file by which a simulated district says what it is, and what it says.
SIMULATED_MANIFEST, SIMULATED_BY = "simulation.json", "homeroom simulate"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The impact assessment as the settings state it: its identifier and its day (YYYY-MM-DD)."""

    dpia_id: str = NOT_STATED
    dpia_date: str = NOT_STATED

    def problems(self, day: date) -> list[Problem]:
        """Return what is wrong with it for scoring on a day; it may be younger than the list."""
        hint = "State governance.dpia_id and governance.dpia_date in homeroom.toml."
        found = []
        if self.dpia_id.strip() in ("", NOT_STATED):
            found.append(Problem("dpia", "governance.dpia_id", "no data protection impact assessment is stated", hint))
        on = day_of(self.dpia_date)
        if on is None:
            found.append(Problem("dpia", "governance.dpia_date", "the day of the impact assessment is not stated", hint))
        elif (day - on).days > ASSESSED_WITHIN_DAYS:
            found.append(Problem("dpia", "governance.dpia_date", "the impact assessment is older than a year",
                                 "Assess again, and state the new day in homeroom.toml."))  # fmt: skip
        return found

    def refuse(self, exempt: str, day: date) -> None:
        """Raise :class:`Refused` where real students may not be scored on a day. ``exempt`` is why none is needed."""
        if not exempt and (found := self.problems(day)):
            raise Refused(found, "Students are not scored without a current impact assessment")


def exempt_of(source: str, path: Path, simulated: bool = False) -> str:
    """Return why an export takes no assessment: ``public``, ``simulated``, or nothing.

    A simulated district says so in a file beside its tables, or inside the zip; ``simulated`` is what the settings say.
    """
    if source in PUBLIC:
        return "public"
    return "simulated" if simulated or _says_simulated(path) else ""


def _says_simulated(path: Path) -> bool:
    try:
        if path.is_dir():
            told = (path / SIMULATED_MANIFEST).read_text(encoding="utf-8")
        else:
            with zipfile.ZipFile(path) as packed:
                told = packed.read(SIMULATED_MANIFEST).decode()
        found = json.loads(told)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False
    return isinstance(found, dict) and found.get("made_by") == SIMULATED_BY

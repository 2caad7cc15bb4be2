"""Ed-Fi alone: a folder or a zip with the resources of its API as JSON, one file for each.

The mappings beside this file read the same resources from CSV; their words serve here too
(:mod:`features.sources.doors.resources`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features import mapping as mappings_of
from features.archive import opened
from features.problems import Problem, Refused
from features.quarantine import corrected_stem
from features.sources import companions, doors
from features.sources.companions import Known
from features.sources.tables import completed
from features.validation import Reading, strays

#: What an export must hold for there to be anybody to look at, and the table that it gives.
REQUIRED = {"organisations": "schools.json", "students": "students.json", "enrolments": "studentSchoolAssociations.json"}

_UNREADABLE = "The export cannot be read"


@dataclass(frozen=True)
class EdFi:
    """Settings of the ``edfi`` source. ``pass_mark`` is the share of the best score from which a skill is secure."""

    pass_mark: float = 0.8


def read(path: Path, settings: EdFi, tenant: str = "default", mapping: Path | None = None) -> Reading:
    """Read an export of Ed-Fi's resources, with companion tables beside them.

    Resources that are not read here, of which the API has hundreds, are named in the notes.

    Raises:
        Refused: schools, students or their stays are missing, or a file is not what its name says; all is told.

    """
    del settings  # nothing in the reading depends on it: it tells the targets where a skill counts as secure
    mappings = mappings_of.read(mapping) if mapping else None
    with opened(path) as folder:
        beside = [path.parent] if path.is_file() else []
        found = doors.find(folder)
        problems = [one for one in strays(folder) if corrected_stem(Path(one.file)).casefold() not in found.stems]
        known, parts = Known(), None
        try:
            there = companions.find(folder, mappings, beside=beside)
            given = found.tables | there.tables
            problems += [
                Problem("missing_file", name, "this file is not in the folder", f"Send the resource as {name}.", file=name)
                for table, name in REQUIRED.items() if table not in given
            ]  # fmt: skip
            known = doors.with_identifiers(known, found)
            parts = completed(there, found, known, tenant)
        except Refused as refused:
            problems += refused.problems
        if problems or parts is None:
            raise Refused(list(dict.fromkeys(problems)), _UNREADABLE)
        unread = tuple(f"{one.name} is no resource that is read here." for one in found.strangers)
    return Reading(parts.tables, parts.accounts, parts.problems, parts.quarantine, notes=unread)


def identifiers(path: Path, settings: EdFi) -> pl.DataFrame:
    """Return all the ways in which an export names its students: ``kind``, ``value``, ``key``. Only students are read."""
    del settings
    with opened(path) as folder:
        return companions.names_of("student_id", doors.with_identifiers(Known(), doors.find(folder)))

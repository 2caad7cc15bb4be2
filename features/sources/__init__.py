"""Formats in which schools hold their records: one file per format, one line each in :data:`SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features.records import digest_of
from features.sources import oulad, tables
from features.tables import TABLES
from features.validation import Reading


@dataclass(frozen=True, slots=True)
class Source:
    """A format: what it is, how it is read, and the settings that its reader takes."""

    says: str
    read: Callable[..., Reading]
    settings: type[Any]


#: Every format by the name that ``--source`` takes.
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "oulad": Source("Open University Learning Analytics Dataset, its own file and column names", oulad.read, oulad.Oulad),
        "tables": Source("the canonical tables, one CSV or Parquet file each", tables.read, tables.Tables),
    }
)


#: Raised by whoever changes what a reader, the checks or the canonical tables make of the same files: records that an
#: older Homeroom kept are then read anew.
FORMAT = 1


def read(source: str, path: Path, settings: object, tenant: str = "default") -> Reading:
    """Read an export in the named format; raise :class:`~features.problems.Refused` where it cannot be taken."""
    return replace(SOURCES[source].read(path, settings, tenant), digest=digest(source, path, settings))


def digest(source: str, path: Path, settings: object) -> str:
    """Return what names an export and the way it is read, without reading it: its files' names, sizes and times."""
    files = sorted(file for file in path.glob("*") if file.suffix in {".csv", ".parquet"})
    files += sorted(part for name in TABLES for part in (path / name).glob("*.parquet"))
    told = [(file.relative_to(path).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return digest_of(FORMAT, source, settings, told)

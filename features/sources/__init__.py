"""Formats in which schools hold their records: one file per format, one line each in :data:`SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features.sources import oulad, tables
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


def read(source: str, path: Path, settings: object, tenant: str = "default") -> Reading:
    """Read an export in the named format; raise :class:`~features.problems.Refused` where it cannot be taken."""
    return SOURCES[source].read(path, settings, tenant)

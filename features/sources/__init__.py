"""Formats in which schools hold their records: one file per format, one line each in :data:`SOURCES`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from features.problems import Problem, Refused
from features.records import digest_of
from features.sources import edfi, oneroster, oulad, tables
from features.sources.companions import mapped_files
from features.sources.doors.documents import ENDINGS
from features.tables import TABLES
from features.validation import Reading


@dataclass(frozen=True, slots=True)
class Source:
    """A format: what it is, how it is read, the settings that its reader takes, and whether it takes a mapping.

    ``identifiers`` returns all the ways in which an export of the format names its students, where it has names for them.
    """

    says: str
    read: Callable[..., Reading]
    settings: type[Any]
    maps: bool = True
    identifiers: Callable[..., pl.DataFrame] | None = None


#: Every format by the name that ``--source`` takes.
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "edfi": Source(
            "Ed-Fi's resources as JSON, one file each as its API gives them, a folder or a zip",
            edfi.read,
            edfi.EdFi,
            identifiers=edfi.identifiers,
        ),
        "oneroster": Source(
            "OneRoster 1.1 and 1.2 CSV, a folder or a zip, with companion tables beside it",
            oneroster.read,
            oneroster.OneRoster,
            identifiers=oneroster.identifiers,
        ),
        "oulad": Source(
            "Open University Learning Analytics Dataset, its own file and column names", oulad.read, oulad.Oulad, maps=False
        ),
        "tables": Source(
            "the canonical tables, one CSV or Parquet file each", tables.read, tables.Tables, identifiers=tables.identifiers
        ),
    }
)


#: Raised by whoever changes what a reader, the checks or the canonical tables make of the same files: records that an
#: older Homeroom kept are then read anew.
FORMAT = 2


#: Endings of the files that count where they lie beside a zip.
_BESIDE = (".csv", ".parquet", *ENDINGS)


def read(source: str, path: Path, settings: object, tenant: str = "default", mapping: Path | None = None) -> Reading:
    """Read an export in the named format, with a mapping for what the school names its own way.

    A calendar that was not sent is made of the attendance.

    Raises:
        Refused: the export cannot be taken, or the format takes no mapping.

    """
    told = () if mapping is None else (mapping,)
    if mapping is not None and not SOURCES[source].maps:
        raise Refused([Problem("no_mapping", mapping.name, f"the source {source} takes no mapping: its columns are fixed",
                               "Leave --mapping out.", file=mapping.name)])  # fmt: skip
    reading = SOURCES[source].read(path, settings, tenant, *told)
    whole, made = tables.with_calendar(reading.tables, tenant)
    notes = (*reading.notes, *made)
    return replace(reading, tables=whole, notes=notes, digest=digest(source, path, settings, mapping))


def identifiers(source: str, path: Path, settings: object) -> pl.DataFrame | None:
    """Return all the ways in which an export names its students (``kind``, ``value``, ``key``), or None."""
    names = SOURCES[source].identifiers
    return names(path, settings) if names is not None else None


def digest(source: str, path: Path, settings: object, mapping: Path | None = None) -> str:
    """Return what names an export and the way it is read, without reading it: its files' names, sizes and times.

    Beside a zip, tables and corrections count too; so do a mapping and the files that it names.
    """
    if path.is_dir():
        top, files = path, [file for depth in ("*", "*/*") for file in path.glob(depth)]
    else:
        top, files = path.parent, [path, *path.with_suffix("").glob("*")]
        files += [file for file in path.parent.glob("*") if file.suffix.lower() in _BESIDE]
        files += [part for name in TABLES for part in (path.parent / name).glob("*.parquet")]
    if mapping is not None:
        files += [mapping, *mapped_files(path, mapping)]
    stats = [(os.path.relpath(file, top), file.stat()) for file in sorted(set(files)) if file.is_file()]
    return digest_of(FORMAT, source, settings, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])

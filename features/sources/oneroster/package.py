"""A OneRoster package: its manifest, its files, and where it stands among others.

What makes data wrong refuses the package, with every fault at once: a manifest that contradicts itself, a version that is
not known, a file that is not there, a column without which rows cannot be placed. What does no harm is noted and read:
files that the manifest calls absent, columns of the sender's own, a header in other capitals or another order.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from features.archive import opened
from features.problems import Problem, Refused
from features.sources.oneroster.binding import FILES, NO_PLACE, REQUIRED, SEALED, SECRETS, VERSIONS, read_columns
from features.tables import TABLES, Column, Table
from features.validation import missing_columns

UNREADABLE = "The OneRoster package cannot be read"

_MODES = ("absent", "bulk", "delta")
_MANIFEST = "manifest.csv"

#: The headers of a version of a file are compared in this many bytes: no header is longer.
_HEADER_BYTES = 1 << 16

#: Files by which a package without a manifest is known: no canonical table has one of these names.
_TELLING = tuple(name for name in FILES["1.2"] if name not in TABLES)


@dataclass(frozen=True)
class File:
    """One file of a package: where it lies, what it must hold, and the file's own name of each column of the binding."""

    path: Path
    table: Table
    mode: str
    own: Mapping[str, str]

    @property
    def own_table(self) -> Table:
        """The columns that are read, under the file's own names, so that no other enters; and those that nobody may read.

        Naming the latter has a row that cannot be cut into cells forgotten whole: nobody knows where in it a password is.
        """
        wanted = [*read_columns(self.table), *(one for one in self.table.columns if one.name in SECRETS)]
        named = [replace(one, name=self.own[one.name]) for one in wanted if one.name in self.own]
        return Table(self.table.name, self.table.says, tuple(named))


@dataclass(frozen=True)
class Package:
    """What one package holds. ``name`` is empty where it is the only one; ``dated`` is a day that its name gives."""

    name: str
    version: str
    files: Mapping[str, File]
    properties: int
    manifest: bool
    notes: tuple[str, ...] = ()
    dated: date | None = None

    def file(self, name: str) -> str:
        """Return the name by which problems and accounts speak of a file."""
        return f"{self.name}/{name}" if self.name else name


def places(folder: Path, stack: ExitStack) -> list[tuple[str, Path]]:
    """Return the packages of a folder in their order, with the folder that holds the files of each.

    The folder's own files come first, then folders and zips inside, by name, with numbers in a name as numbers. But the
    first of them that has all of :data:`~.binding.REQUIRED` goes before all that have not: changes have something to change.
    Zips stay open for as long as ``stack``.
    """
    found = [("", folder)] if holds(folder) else []
    for path in sorted(folder.iterdir(), key=lambda one: _order(one.name)):
        if path.name.startswith(".") or not (path.is_dir() or path.suffix.lower() == ".zip"):
            continue
        place = path if path.is_dir() else stack.enter_context(opened(path))
        if holds(place):
            found.append((path.name, place))
    begins = next((at for at, (_, place) in enumerate(found) if _is_whole(place)), 0)
    found = [*found[begins : begins + 1], *found[:begins], *found[begins + 1 :]]
    if len(found) == 1:
        return [("", found[0][1])]
    return [(name or folder.name, place) for name, place in found] or [("", folder)]


def holds(folder: Path) -> bool:
    """Whether a folder holds a package itself: a manifest, or a file that only OneRoster names so."""
    names = {path.name.lower() for path in folder.iterdir() if path.is_file()}
    return _MANIFEST in names or any(f"{name}.csv".lower() in names for name in _TELLING)


def _order(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name.lower()) if part]


def _is_whole(folder: Path) -> bool:
    names = {path.name.lower() for path in folder.iterdir() if path.is_file()}
    return all(f"{name}.csv".lower() in names for name in REQUIRED)


def read_packages(found: Sequence[tuple[str, Path]]) -> list[Package]:
    """Return the packages with their manifests and headers read; raise :class:`Refused` with all that is wrong with them."""
    problems: list[Problem] = []
    packages = [_Reader(name, folder, at == 0, problems).read() for at, (name, folder) in enumerate(found)]
    if problems:
        raise Refused(problems, UNREADABLE)
    return packages


@dataclass
class _Reader:
    """Reads what a package says of itself, and gathers what is wrong with it."""

    name: str
    folder: Path
    first: bool
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)

    def read(self) -> Package:
        """Return the package; what is wrong is in ``problems``."""
        present = self._present()
        properties = self._manifest(present)
        version = self._version(properties, present)
        modes = self._modes(properties, present)
        files: dict[str, File] = {}
        for name in FILES["1.2"]:
            if name not in present or name in SEALED:
                continue
            header = _header(present[name])
            if not header:
                if self.first and name in REQUIRED:
                    self._fault("empty_file", f"{name}.csv", "the file is empty", "Write its header at least.")
                else:
                    self.notes.append(f"{self._of(name)} is empty, without a header even; it is read as no rows.")
                continue
            files[name] = self._file(name, present[name], header, modes[name], "roles" in present, version)
        if self.first and "roles" not in present and "users" in files and "role" not in files["users"].own:
            self.notes.append("There is no roles.csv, and users.csv tells no role: only classes say who is who.")
        self.notes += [f"{self._of(name)} holds accounts and is not opened." for name in SEALED if name in present]
        if self.first:
            self._required(present, modes)
            if files and all(one.mode == "delta" for one in files.values()):
                self.notes.append("The first package holds deltas only: they are taken as the beginning.")
        return Package(self.name, version, files, len(properties), bool(properties), tuple(self.notes), _day_in(self.name))

    def _of(self, name: str) -> str:
        return f"{self.name}/{name}.csv" if self.name else f"{name}.csv"

    def _fault(self, code: str, file: str, problem: str, hint: str, row: int | None = None, column: str = "") -> None:
        told = f"{self.name}/{file}" if self.name else file
        where = told if row is None else f"{told}, row {row}"
        self.problems.append(Problem(code, where, problem, hint, told, row, column))

    def _present(self) -> dict[str, Path]:
        """Return the files of the binding that are there, whatever their capitals, and the manifest."""
        known = {f"{name}.csv".lower(): name for name in FILES["1.2"]} | {_MANIFEST: "manifest"}
        found: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            name = known.get(path.name.lower())
            if name is None or not path.is_file():
                continue
            if name in found:
                self._fault("ambiguous_file", f"{name}.csv", "there are two files of this name, in other capitals",
                            "Keep one of them.")  # fmt: skip
            found[name] = path
        return found

    def _manifest(self, present: Mapping[str, Path]) -> dict[str, str]:
        if "manifest" not in present:
            self.notes.append(f"There is no {self._of('manifest')}: files are read by their names.")
            return {}
        rows = _rows(present["manifest"].read_bytes())
        if not rows or [cell.strip().lower() for cell in rows[0][:2]] != ["propertyname", "value"]:
            self._fault("manifest", _MANIFEST, "its header is not propertyName,value", "Write the header of the binding.", 1)
            return {}
        found: dict[str, str] = {}
        for at, row in enumerate(rows[1:], start=2):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            key, value = cells[0], cells[1] if len(cells) > 1 else ""
            if found.get(key, value) != value:
                self._fault("manifest", _MANIFEST, f"{key} is there twice, with two values", "Keep one of them.", at, key)
            found[key] = value
        return found

    def _version(self, properties: Mapping[str, str], present: Mapping[str, Path]) -> str:
        if not properties:
            return "1.2" if "roles" in present else "1.1"
        if properties.get("manifest.version", "1.0") != "1.0":
            self._fault("manifest", _MANIFEST, "manifest.version is not 1.0", "Write 1.0: no other is known.",
                        column="manifest.version")  # fmt: skip
        said = properties.get("oneroster.version", "").lower().removeprefix("v")
        version = ".".join(said.split(".")[:2])
        if version not in VERSIONS:
            what = "oneroster.version names no version that is known here" if said else "oneroster.version is missing"
            self._fault("unknown_version" if said else "manifest", _MANIFEST, what, f"Known are: {', '.join(VERSIONS)}.",
                        column="oneroster.version")  # fmt: skip
        return version

    def _modes(self, properties: Mapping[str, str], present: Mapping[str, Path]) -> dict[str, str]:
        """Return the mode of each file that is there: as the manifest says, else as its other files have it."""
        said = {key.removeprefix("file."): value.lower() for key, value in properties.items() if key.startswith("file.")}
        exact = {name.lower(): name for name in FILES["1.2"]}
        modes: dict[str, str] = {}
        for key, value in said.items():
            name = exact.get(key.lower().removesuffix(".csv"))
            if not value.strip() and name not in present:
                self.notes.append(f"{self._of('manifest')} says nothing of file.{key}, which is not there: absent, then.")
            elif value not in _MODES:
                self._fault("manifest", _MANIFEST, f"file.{key} is none of {', '.join(_MODES)}", "Write one of them.",
                            column=f"file.{key}")  # fmt: skip
            elif name is None:
                self.notes.append(f"{self._of('manifest')} names file.{key}, which the binding does not have.")
            else:
                modes[name] = value
                if value != "absent" and name not in present and name not in SEALED:
                    self._fault("missing_file", f"{name}.csv", f"the manifest says {value}, but the file is not there",
                                f"Add {name}.csv, or write absent in the manifest.")  # fmt: skip
        usual = "delta" if "delta" in modes.values() else "bulk"
        named = [name for name in present if name in FILES["1.2"]]
        if not properties and not self.first:
            usual = "delta" if all("status" in map(str.lower, _header(present[name])) for name in named) else "bulk"
        for name in named:
            if properties and modes.get(name, "absent") == "absent":
                what = "calls it absent" if name in modes else "does not name it"
                self.notes.append(f"{self._of(name)} is there though the manifest {what}: it is read.")
            if modes.get(name, "absent") == "absent":
                modes[name] = usual
        missing = [name for name in FILES.get(self._said_version(properties), {}) if f"file.{name}" not in properties]
        if properties and missing:
            self.notes.append(
                f"{self._of('manifest')} does not name {len(missing)} of the binding's files: {', '.join(missing)}."
            )
        return modes

    @staticmethod
    def _said_version(properties: Mapping[str, str]) -> str:
        return ".".join(properties.get("oneroster.version", "").lower().removeprefix("v").split(".")[:2])

    def _required(self, present: Mapping[str, Path], modes: Mapping[str, str]) -> None:
        told = {problem.file for problem in self.problems}
        for name in REQUIRED:
            if name not in present and self._of(name) not in told:
                said = " (the manifest says absent)" if modes.get(name) == "absent" else ""
                self._fault("missing_file", f"{name}.csv", f"this file is not in the package{said}",
                            f"Add {name}.csv: without it nobody can be placed in a class.")  # fmt: skip

    def _file(self, name: str, path: Path, header: Sequence[str], mode: str, roles: bool, version: str) -> File:
        table = _table(name, roles, header)
        usual = FILES.get(version, {}).get(name, table)
        other = {one.name.lower() for each in FILES.values() if name in each for one in each[name].columns}
        exact = {column.name.lower(): column.name for column in table.columns}
        own: dict[str, str] = {}
        strange = []
        for cell in header:
            column = exact.get(cell.strip().lower())
            if column is None:
                named = cell.strip()
                strange += [named] if named and not named.lower().startswith("metadata") and named.lower() not in other else []
            elif column in own:
                self._fault("duplicate_column", f"{name}.csv", f"the column {column} is there more than once",
                            "Keep one of them.", 1, column)  # fmt: skip
            else:
                own[column] = cell.strip()
        # What is left out whole needs no column.
        if name not in NO_PLACE:
            self.problems += missing_columns(set(own), table, self._of(name))
        if strange:
            self.notes.append(
                f"{self._of(name)} has columns that are not the binding's and are not read: {', '.join(strange)}."
            )
        binding = [column.name for column in table.columns]
        if list(own) != [one for one in binding if one in own] or any(mine != theirs for mine, theirs in own.items()):
            self.notes.append(f"{self._of(name)} has its header in another order or in other capitals than the binding.")
        absent = [column.name for column in read_columns(usual) if column.name not in own]
        if absent and name not in NO_PLACE:
            self.notes.append(f"{self._of(name)} lacks the columns {', '.join(absent)}; they are unknown.")
        return File(path, table, mode, own)


def _table(name: str, roles: bool, header: Sequence[str]) -> Table:
    """Return what a file must hold: users name their role themselves in 1.1, and where no file of roles is there."""
    table = FILES["1.2"][name]
    if name != "users":
        return table
    older = FILES["1.1"]["users"]
    theirs = [one for one in older.columns if all(one.name != mine.name for mine in table.columns)]
    there = {cell.strip().lower() for cell in header}
    if roles or "role" not in there:  # without either, the classes say who is a student and who teaches
        theirs = [replace(one, required=False) for one in theirs if one.name.lower() in there]
    columns: tuple[Column, ...] = (*table.columns[:4], *theirs, *table.columns[4:])
    return Table(table.name, table.says, columns)


def _rows(raw: bytes) -> list[list[str]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    # A zero byte is no text: the reader of the standard library stops at it.
    return list(csv.reader(io.StringIO(text.replace("\0", ""), newline="")))


def _header(path: Path) -> list[str]:
    """Return the names of a file's columns; nothing of its rows is kept."""
    with path.open("rb") as file:
        raw = file.read(_HEADER_BYTES)
    lines = raw.splitlines()
    rows = _rows(lines[0]) if lines else []
    return rows[0] if rows and any(cell.strip() for cell in rows[0]) else []


def _day_in(name: str) -> date | None:
    """Return the last day that a package's name holds, written 2026-11-22 or 20261122."""
    days = []
    for year, month, day in re.findall(r"(?<![0-9])(20[0-9]{2})[-_.]?([01][0-9])[-_.]?([0-3][0-9])", name):
        try:
            days.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return days[-1] if days else None

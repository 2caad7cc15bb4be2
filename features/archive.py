"""An export as one thing: a folder, or a zip whose files are laid out in a folder for as long as they are read.

A zip comes from outside and is believed in nothing: not that its names stay in the folder, not that it is as large as it
says, not that two names are two files. What is wrong with it is told at once and nothing is laid out.
"""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from features.problems import Problem, Refused, shape_of
from features.quarantine import corrected_stem, corrections_in

#: No export has more files, and none is larger once unpacked (bytes).
MOST_FILES, MOST_BYTES = 2_000, 16 * 2**30

#: A table of text shrinks to a tenth, one that repeats itself to a hundredth. What shrinks further was made to fill a disk.
TIGHTEST, SMALL = 250, 16 * 2**20

#: Ways of packing that every program knows and that take little memory to undo.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)

#: What one system's own programs leave in a zip.
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")

_UNREADABLE = "The export cannot be read"

_Member = tuple[zipfile.ZipInfo, PurePosixPath]


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the folder that holds an export's files: ``path`` itself, or what a zip holds, removed again afterwards.

    A zip whose files lie in one folder inside yields that folder. Corrections that lie beside a zip
    (``results.quarantined.csv``), or beside it in a folder that is called like it, are laid beside the file that they
    correct. Zips within a zip are left as files.

    Raises:
        Refused: there is nothing at ``path``; it is not a zip, or a damaged or an encrypted one; it holds names that leave
            the folder, links or devices, two files that are one where capitals do not count, too many files, more than
            :data:`MOST_BYTES`, or a file that shrank more than :data:`TIGHTEST` times.

    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise _refused("missing_folder", path.name, "there is no such folder and no such zip",
                       "Give the folder or the zip that holds the files.")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="homeroom-") as made:
        folder = Path(made)
        try:
            with zipfile.ZipFile(path) as packed:
                members = _members(packed, path)
                for info, inside in members:
                    _unpack(packed, info, folder / inside)
        except _DAMAGED as damaged:
            if isinstance(damaged, OSError) and damaged.errno not in _NO_NAME:
                raise  # a full disk is no fault of the zip's
            raise _refused("unreadable_zip", path.name, "it is not a zip, or a damaged one",
                           "Pack the files again, or give the folder that holds them.") from None  # fmt: skip
        innermost = _innermost(folder)
        _lay_corrections(path, innermost)
        yield innermost


#: What reading a zip raises where its bytes are not what they should be. A position before the file is an OSError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, NotImplementedError,
            RuntimeError, OverflowError, OSError)  # fmt: skip

#: What the system says to a place or a name that cannot be.
_NO_NAME = (errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def _members(packed: zipfile.ZipFile, path: Path) -> list[_Member]:
    """Return the files of a zip with the places where they are laid; refuse with everything that is wrong with it."""
    infos = [info for info in packed.infolist() if not info.is_dir() and not _is_litter(_inside(info))]
    problems = _too_much(infos, path)
    members: list[_Member] = []
    seen: dict[str, str] = {}
    for info in infos if not problems else ():
        inside, name = _inside(info), _shown(info.filename)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts or ":" in inside.parts[0]:
            problems.append(_problem("unsafe_name", path.name, f"the file {name} would lie outside of the folder",
                                     "Pack the files again, each under its own name."))  # fmt: skip
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            problems.append(_problem("unsafe_entry", path.name, f"{name} is a link or a device and not a file",
                                     "Pack the file that it points to."))  # fmt: skip
        if info.flag_bits & 0x1:
            problems.append(_problem("encrypted_file", path.name, f"the file {name} is encrypted",
                                     "Unpack it with its password and give the folder."))  # fmt: skip
        elif info.compress_type not in _PACKED:
            problems.append(_problem("unreadable_file", path.name, f"the file {name} is packed in a way not known here",
                                     "Pack the files again as an ordinary zip."))  # fmt: skip
        one = unicodedata.normalize("NFC", str(inside)).casefold()
        if one in seen:
            problems.append(_problem("ambiguous_file", path.name, f"{name} and {seen[one]} are one file on many computers",
                                     "Keep one of them."))  # fmt: skip
        seen[one] = name
        members.append((info, inside))
    if problems:
        raise Refused(problems, _UNREADABLE)
    return members


def _too_much(infos: Sequence[zipfile.ZipInfo], path: Path) -> list[Problem]:
    """Return what is wrong with a zip's size: files that share bytes, or shrank too well, fill a disk from next to nothing."""
    problems: list[Problem] = []
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if len(infos) > MOST_FILES:
        problems.append(_problem("too_many_files", path.name, f"it holds more than {MOST_FILES:,} files",
                                 "Pack only the files of the export."))  # fmt: skip
    if unpacked > MOST_BYTES:
        problems.append(_problem("too_large", path.name, f"unpacked it would take more than {MOST_BYTES // 2**30} GiB",
                                 "Send fewer years at once."))  # fmt: skip
    tight = [info for info in infos if info.file_size > SMALL and info.file_size > TIGHTEST * max(info.compress_size, 1)]
    if tight or packed > path.stat().st_size:
        problems.append(_problem("suspicious_zip", path.name, "its files are packed tighter than any table is",
                                 "Give the folder that holds the files."))  # fmt: skip
    return problems


def _unpack(packed: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    # The name that a zip gives twice would be read from the wrong place, so the entry is opened and not its name.
    to.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(info) as source, to.open("xb") as target:
        shutil.copyfileobj(source, target, 2**20)


def _inside(info: zipfile.ZipInfo) -> PurePosixPath:
    """Return where a file lies in its zip; some programs of Windows part folders with a backslash."""
    return PurePosixPath(info.filename.replace("\\", "/"))


def _is_litter(inside: PurePosixPath) -> bool:
    return inside.name.startswith("._") or any(part in _LITTER for part in inside.parts)


def _innermost(folder: Path) -> Path:
    """Return the folder in which the files lie, where there is nothing but one folder around them."""
    while True:
        entries = list(folder.iterdir())
        if len(entries) != 1 or not entries[0].is_dir() or any(entries[0].glob("*.parquet")):
            return folder
        folder = entries[0]


def _lay_corrections(path: Path, folder: Path) -> None:
    """Lay the corrections that lie beside a zip, or beside it in a folder of its name, beside the files that they correct."""
    stems = {file.stem.casefold() for file in folder.iterdir()}
    named = path.with_suffix("")
    found = corrections_in(path.parent)
    beside = [file for file in found if corrected_stem(file).casefold() in stems]
    if beside and sum(file.suffix.lower() == ".zip" for file in path.parent.iterdir()) > 1:
        hint = f"Put it into its zip, or into a folder beside the zip that is called like it: {named.name} for {path.name}."
        said = "there is more than one zip beside it that it could belong to"
        raise Refused([_problem("ambiguous_file", file.name, said, hint) for file in beside], _UNREADABLE)
    for file in [*beside, *(corrections_in(named) if named.is_dir() else ())]:
        if not (folder / file.name).exists():
            shutil.copyfile(file, folder / file.name)


def _shown(name: str) -> str:
    """Return a name as it may be told: one with signs that no name has is somebody's play with the screen."""
    return name if name.isprintable() and len(name) <= 200 else shape_of(name)


def _problem(code: str, where: str, problem: str, hint: str) -> Problem:
    return Problem(code, where, problem, hint, file=where)


def _refused(code: str, where: str, problem: str, hint: str) -> Refused:
    return Refused([_problem(code, where, problem, hint)], _UNREADABLE)

"""An export as a folder or a zip: what is in it comes out, and nothing else happens."""

from __future__ import annotations

import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from features import archive
from features.archive import opened
from features.problems import Refused

FILES = {"students.csv": "student_id\nana\n", "results.csv": "student_id,score\nana,3\n"}


def pack(path: Path, files: dict[str, str] | None = None, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as packed:
        for name, text in (FILES if files is None else files).items():
            packed.writestr(name, text)
    return path


def held(path: Path) -> dict[str, str]:
    with opened(path) as folder:
        return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def refused(path: Path) -> Refused:
    with pytest.raises(Refused) as error, opened(path):
        pytest.fail("it was opened")
    for problem in error.value.problems:
        assert problem.file
        assert problem.hint
    return error.value


def codes(path: Path) -> list[str]:
    return [problem.code for problem in refused(path).problems]


def test_a_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_is_laid_out_for_as_long_as_it_is_read(tmp_path: Path, packing: int) -> None:
    path = pack(tmp_path / "export.zip", packing=packing)
    with opened(path) as folder:
        assert {file.name: file.read_text() for file in folder.iterdir()} == FILES
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="reader"), opened(path) as folder:
        raise RuntimeError("a fault of the reader's is not the zip's")
    assert not folder.exists()


def test_one_folder_around_the_files_is_looked_into_and_litter_is_passed_over(tmp_path: Path) -> None:
    litter = {"__MACOSX/export/._students.csv": "x", "export/.DS_Store": "x", "export/2026/._results.csv": "x"}
    assert held(pack(tmp_path / "a.zip", {f"export/2026/{name}": text for name, text in FILES.items()} | litter)) == FILES
    assert held(pack(tmp_path / "b.zip", {f"export\\{name}": text for name, text in FILES.items()})) == FILES


def test_a_zip_within_a_zip_is_a_file(tmp_path: Path) -> None:
    pack(tmp_path / "inner.zip")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as packed:
        packed.write(tmp_path / "inner.zip", "inner.zip")
        packed.writestr("students.csv", "x")
    with opened(tmp_path / "outer.zip") as folder:
        assert {file.name for file in folder.iterdir()} == {"inner.zip", "students.csv"}


def test_what_is_not_there_or_no_zip_is_told_without_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_text("student_id\nsecret\n")
    (tmp_path / "empty.zip").write_bytes(b"")
    assert codes(tmp_path / "nowhere.zip") == ["missing_folder"]
    assert codes(tmp_path / "students.csv") == codes(tmp_path / "empty.zip") == ["unreadable_zip"]
    assert str(tmp_path) not in str(refused(tmp_path / "nowhere.zip"))


@pytest.mark.parametrize(
    "name",
    ["../students.csv", "a/../../students.csv", "/etc/students.csv", "C:/students.csv", "..\\students.csv", "C:students.csv"],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    assert codes(pack(tmp_path / "export.zip", {name: "x", "results.csv": "y"})) == ["unsafe_name"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("students.csv")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    assert codes(tmp_path / "export.zip") == ["unsafe_entry"]


@pytest.mark.parametrize(
    "names", [("users.csv", "Users.csv"), ("é.csv", "e\u0301.csv"), ("a/users.csv", "A/USERS.CSV"), ("x.csv", "x.csv")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_that_are_one_on_some_computers_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        for name in names:
            packed.writestr(name, "x")
    assert codes(tmp_path / "export.zip") == ["ambiguous_file"]


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    assert codes(pack(tmp_path / "export.zip", {"a": "x", "a/b.csv": "y"})) == ["unreadable_zip"]
    assert codes(pack(tmp_path / "long.zip", {"a" * 300 + ".csv": "y"})) == ["unreadable_zip"]


def damaged(path: Path, at: int, to: int, *, before: bytes) -> Path:
    """Change a byte of every header of a zip that begins with ``before``."""
    raw = bytearray(path.read_bytes())
    place = raw.find(before)
    while place >= 0:
        raw[place + at] = to
        place = raw.find(before, place + 1)
    path.write_bytes(raw)
    return path


def test_encrypted_files_and_unknown_packings_are_refused(tmp_path: Path) -> None:
    assert codes(damaged(pack(tmp_path / "secret.zip"), 8, 1, before=b"PK\1\2")) == ["encrypted_file"] * 2
    assert codes(damaged(pack(tmp_path / "odd.zip"), 10, 9, before=b"PK\1\2")) == ["unreadable_file"] * 2


def test_too_much_is_refused_before_anything_is_laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 1)
    monkeypatch.setattr(archive, "MOST_BYTES", 10)
    assert codes(pack(tmp_path / "export.zip")) == ["too_many_files", "too_large"]


@pytest.mark.full
def test_a_zip_that_fills_a_disk_from_next_to_nothing_is_refused(tmp_path: Path) -> None:
    bomb = pack(tmp_path / "bomb.zip", {"students.csv": "0" * (archive.SMALL + 1)})
    assert bomb.stat().st_size < 2**16
    assert codes(bomb) == ["suspicious_zip"]
    rows = "".join(f"s-{at % 500:04d},2026-{at % 12 + 1:02d}-{at % 28 + 1:02d},present\n" for at in range(600_000))
    assert len(rows) < archive.SMALL or held(pack(tmp_path / "rows.zip", {"attendance.csv": rows})) == {"attendance.csv": rows}


def test_files_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "export.zip", {f"{at}.csv": f"x\n{at * 7919}\n" * 50 for at in range(20)}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as packed:
        infos = packed.infolist()
    raw = bytearray(path.read_bytes())
    place = raw.find(b"PK\1\2")
    for _ in infos:  # every entry says that it begins where the first begins, and is as large as all of them
        raw[place + 42 : place + 46] = (0).to_bytes(4, "little")
        raw[place + 20 : place + 28] = (len(raw) // 2).to_bytes(4, "little") * 2
        place = raw.find(b"PK\1\2", place + 1)
    path.write_bytes(raw)
    assert codes(path) == ["suspicious_zip"]


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_zip_is_read_as_it_was_or_refused(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    whole = pack(tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "damaged.zip"
    read, said = 0, []
    for _ in range(100):
        raw = bytearray(whole)
        spoil: Callable[[], None] = rng.choice([
            lambda raw=raw: raw.__setitem__(rng.randrange(len(raw)), rng.randrange(256)),  # type: ignore[misc]
            lambda raw=raw: raw.__delitem__(slice(rng.randrange(len(raw)), None)),  # type: ignore[misc]
            lambda raw=raw: raw.__delitem__(rng.randrange(len(raw))),  # type: ignore[misc]
        ])  # fmt: skip
        spoil()
        path.write_bytes(raw)
        try:
            found = held(path)
        except Refused as error:
            said.append(str(error))
        else:
            read += 1
            assert set(found.values()) <= {*FILES.values(), ""}
    assert 0 < read < 90
    assert not any("ana" in text for text in said)


# -- corrections beside a zip -------------------------------------------------------------------------------------------


def test_corrections_beside_a_zip_are_laid_beside_what_they_correct(tmp_path: Path) -> None:
    path = pack(tmp_path / "export.zip")
    (tmp_path / "results.quarantined.csv").write_text("mine")
    (tmp_path / "results.quarantined-2.csv").write_text("newer")
    (tmp_path / "other.quarantined.csv").write_text("of something else")
    corrections = {"results.quarantined.csv": "mine", "results.quarantined-2.csv": "newer"}
    assert held(path) == FILES | corrections
    inside = FILES | {"results.quarantined.csv": "in the zip"}
    assert held(pack(path, inside)) == inside | {"results.quarantined-2.csv": "newer"}


def test_corrections_that_could_belong_to_two_zips_are_refused_and_a_folder_of_its_name_says_to_which(tmp_path: Path) -> None:
    for name in ("lincoln", "harbor"):
        pack(tmp_path / f"{name}.zip")
    correction = tmp_path / "results.quarantined.csv"
    correction.write_text("mine")
    assert codes(tmp_path / "lincoln.zip") == ["ambiguous_file"]
    (tmp_path / "lincoln").mkdir()
    correction.rename(tmp_path / "lincoln" / correction.name)
    assert held(tmp_path / "lincoln.zip") == FILES | {correction.name: "mine"}
    assert held(tmp_path / "harbor.zip") == FILES

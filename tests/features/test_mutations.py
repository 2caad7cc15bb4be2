"""Exports are damaged at random: every row is kept, set aside or left out, or the whole is refused with reasons; never a crash.

Rows are counted here without what is tested: by the lines of a file, whose cells hold no line breaks.
"""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from test_sources import EXPORTS

from features import sources
from features.archive import opened
from features.problems import Problem, Refused
from features.sources import SOURCES
from features.sources.tables import REQUIRED
from features.tables import TABLES
from features.validation import Reading

Files = dict[str, bytes]
Mutation = Callable[[random.Random, Files], None]

#: What is put into cells: a token that must come back in no problem.
TOKEN = "Zq7Wvk"

#: Of every file this many rows are taken, so that hundreds of readings are quick.
ROWS = 14

MUTATIONS: dict[str, Mutation] = {}


def mutation(what: Mutation) -> Mutation:
    MUTATIONS[what.__name__] = what
    return what


# -- on the text of a file ----------------------------------------------------------------------------------------------


def some(rng: random.Random, files: Files) -> str:
    """Return the name of a file with rows, in an encoding that can be damaged further."""
    found = [name for name, raw in files.items() if name.endswith(".csv") and raw.count(b"\n") > 3 and _is_plain(raw)]
    return rng.choice(found)


def _is_plain(raw: bytes) -> bool:
    return b"\0" not in raw and "\ufffd" not in raw.decode(errors="replace")


def lines_of(files: Files, name: str) -> list[str]:
    return files[name].decode().splitlines()


def put(files: Files, name: str, lines: list[str], end: str = "\n") -> None:
    files[name] = "".join(line + end for line in lines).encode()


@mutation
def delete_rows(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = lines_of(files, name)
    put(files, name, [header, *rng.sample(rows, k=rng.randint(0, len(rows)))])


@mutation
def duplicate_rows(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = lines_of(files, name)
    put(files, name, [header, *rows, *rng.choices(rows, k=3)])


@mutation
def shuffle_rows(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = lines_of(files, name)
    put(files, name, [header, *rng.sample(rows, k=len(rows))])


@mutation
def cut_the_file_within_a_row(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    raw = files[name]
    files[name] = raw[: rng.randrange(raw.index(b"\n"), len(raw))]


@mutation
def flip_bytes(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    raw = bytearray(files[name])
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(raw))
        if raw[at] not in b'\n\r",':  # what parts rows and cells is damaged elsewhere, where rows can still be counted
            raw[at] = rng.choice([rng.randrange(128, 256), rng.randrange(33, 127) if raw[at] != 34 else 65, 1, 127])
            raw[at] = raw[at] if raw[at] not in b'",' else 65
    files[name] = bytes(raw)


@mutation
def write_in_another_encoding(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    text = files[name].decode().replace("a", "ä", rng.randint(1, 9))
    files[name] = text.encode(rng.choice(["latin-1", "cp1252", "cp437", "utf-16", "utf-16-le", "utf-32"]))


@mutation
def put_a_byte_order_mark(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    files[name] = b"\xef\xbb\xbf" + files[name]


@mutation
def end_lines_otherwise(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    put(files, name, lines_of(files, name), rng.choice(["\r\n", "\r", "\n\n", "\r\n\r\n"]))


@mutation
def open_a_quotation_mark(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(1, len(lines))
        place = rng.choice([0, *(found.end() for found in re.finditer(",", lines[at]))])
        lines[at] = lines[at][:place] + '"' + lines[at][place:]
    put(files, name, lines)


@mutation
def put_quotation_marks_anywhere(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    at = rng.randrange(1, len(lines))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:place] + '"' + lines[at][place:]
    put(files, name, lines)


@mutation
def put_a_separator(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    for at in rng.sample(range(len(lines)), k=rng.randint(1, 2)):
        lines[at] = rng.choice(
            [lines[at] + f",{TOKEN}", f"{TOKEN},{lines[at]}", lines[at].replace(",", ",,", 1), lines[at] + ",,"]
        )
    put(files, name, lines)


@mutation
def take_a_separator(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    at = rng.randrange(1, len(lines))
    lines[at] = lines[at].replace(",", "", 1)
    put(files, name, lines)


@mutation
def part_cells_by_semicolons(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    files[name] = files[name].replace(b",", b";")


@mutation
def put_blank_lines(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    for _ in range(3):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(["", "", "  "]))
    put(files, name, lines)


@mutation
def empty_a_file(rng: random.Random, files: Files) -> None:
    files[some(rng, files)] = rng.choice([b"", b"\n", b"\xef\xbb\xbf"])


@mutation
def keep_the_header_alone(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    files[name] = files[name].split(b"\n")[0] + rng.choice([b"", b"\n"])


@mutation
def put_bytes_that_are_0(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    lines = lines_of(files, name)
    at = rng.randrange(1, len(lines))
    lines[at] = rng.choice(["\0" * 5_000, lines[at] + "\0", lines[at].replace(",", ",\0", 1)])
    put(files, name, lines)


# -- on its columns and cells -------------------------------------------------------------------------------------------


def table(files: Files, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(files[name].decode())))


def put_table(files: Files, name: str, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files[name] = text.getvalue().encode()


@mutation
def drop_a_column(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    at = rng.randrange(len(table(files, name)[0]))
    put_table(files, name, [row[:at] + row[at + 1 :] for row in table(files, name)])


@mutation
def name_a_column_otherwise(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = table(files, name)
    at = rng.randrange(len(header))
    header[at] = rng.choice([header[at].upper(), f" {header[at]} ", header[at] + "x", "", "homeroom.row", "=cmd"])
    put_table(files, name, [header, *rows])


@mutation
def have_a_column_twice(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    at = rng.randrange(len(table(files, name)[0]))
    put_table(files, name, [[*row, row[at]] for row in table(files, name)])


@mutation
def order_columns_otherwise(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    rows = table(files, name)
    order = rng.sample(range(len(rows[0])), k=len(rows[0]))
    put_table(files, name, [[row[at] for at in order] for row in rows])


@mutation
def swap_headers(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = table(files, name)
    put_table(files, name, [rng.sample(header, k=len(header)), *rows])


def cells(*spoilt: str, where: str = "") -> Mutation:
    """Return a mutation that puts one of some texts into a few cells, of columns whose cells look like ``where``."""

    def spoil(rng: random.Random, files: Files) -> None:
        for _ in range(rng.randint(1, 3)):
            name = some(rng, files)
            header, *rows = table(files, name)
            places = [(at, column) for at, row in enumerate(rows) for column, cell in enumerate(row) if re.search(where, cell)]
            for at, column in rng.sample(places, k=min(2, len(places))):
                rows[at][column] = rng.choice(spoilt).replace("CELL", rows[at][column])
            put_table(files, name, [header, *rows])

    return spoil


DATE, NUMBER, WORD = r"^\d{4}-\d\d-\d\d", r"^-?\d+(\.\d+)?$", r"^[a-z]"
MUTATIONS |= {
    "bad dates": cells(f"31.02.{TOKEN}", "2026-02-30", "02/03/2026", "0001-01-01", "9999-99-99", "20260101", where=DATE),
    "bad numbers": cells("NaN", "-inf", "1e999", "12345678" * 5, f"12{TOKEN}", "1,5", where=NUMBER),
    "negative numbers": cells("-1", "-99999", where=NUMBER),
    "unknown words": cells(TOKEN, "CELLx", where=WORD),
    "dangling references": cells(f"{TOKEN}-1", where=r"\d"),
    "missing values": cells("", "?", "  "),
    "formulas": cells(f"=HYPERLINK({TOKEN})", f"@{TOKEN}", f"+{TOKEN}", f"-{TOKEN}", f"\t={TOKEN}", "'=1", "''-x"),
    "long texts": cells(TOKEN * 400),
    "a huge cell": cells(TOKEN * 20_000),
    "blanks around": cells("  CELL\t"),
    "signs": cells(f"\u202e{TOKEN}'; --", f"{TOKEN}\x7f\x01", "\ufffd", f'"{TOKEN}, CELL"'),
    "lists": cells(f"{TOKEN},CELL", ",,,"),
}


@mutation
def give_a_key_twice(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    header, *rows = table(files, name)
    first, second = rng.sample(range(len(rows)), k=2)
    for at in range(min(rng.randint(1, 3), len(header))):
        rows[second][at] = rows[first][at]
    put_table(files, name, [header, *rows])


# -- on the files -------------------------------------------------------------------------------------------------------


@mutation
def take_a_file_away(rng: random.Random, files: Files) -> None:
    del files[some(rng, files)]


@mutation
def name_a_file_in_other_capitals(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    files[name.swapcase() if rng.random() < 0.5 else name.capitalize()] = files.pop(name)


@mutation
def have_a_file_in_two_capitals(rng: random.Random, files: Files) -> None:
    name = some(rng, files)
    files[name.upper()] = files[name]


@mutation
def add_a_strange_file(rng: random.Random, files: Files) -> None:
    files[rng.choice(["notes.txt", "strange.csv", ".DS_Store", "summary.md"])] = f"a,b\n{TOKEN},1\n".encode()


@mutation
def give_a_file_anothers_content(rng: random.Random, files: Files) -> None:
    files[some(rng, files)] = files[some(rng, files)]


@mutation
def say_something_else_in_the_manifest(rng: random.Random, files: Files) -> None:
    if "manifest.csv" not in files:
        return add_a_strange_file(rng, files)
    header, *rows = table(files, "manifest.csv")
    at = rng.randrange(len(rows))
    rows[at][rng.randrange(2)] = rng.choice(["", "absent", "bulk", "delta", TOKEN, "9.9"])
    if rng.random() < 0.3:
        rows.pop(rng.randrange(len(rows)))
    return put_table(files, "manifest.csv", [header, *rows])


ZIPPED = {"zip_damage": "", "folder_in_a_zip": "export 2026/", "folders_in_a_zip": "a/b/c/"}


# -- the readings -------------------------------------------------------------------------------------------------------


@cache
def whole(name: str, folder: Path) -> Files:
    """Return the first rows of every file of a source's example export."""
    files: Files = {}
    for path in sorted(EXPORTS[name](folder / name).iterdir()):
        lines = path.read_text().splitlines(keepends=True)
        files[path.name] = "".join(lines if path.name == "manifest.csv" else lines[: ROWS + 1]).encode()
    return files


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


def secrets(files: Files) -> set[str]:
    """Return cells that may be told in no problem: all but words of the formats, numbers and what is too short to tell."""
    words = {word for one in TABLES.values() for column in one.columns for word in (column.name, one.name, *column.values)}
    found = {cell for name in files if name.endswith(".csv") and name != "manifest.csv"
             for row in table(files, name)[1:] for cell in row}  # fmt: skip
    return {cell for cell in found if len(cell) > 5 and not cell.isdigit() and cell not in words and not cell.isalpha()}


def rows_in(raw: bytes) -> int:
    """Return the number of rows of a file: lines that are not blank, without the header. In one column blanks are a cell."""
    for mark, encoding in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if raw.startswith(mark):
            text = raw.decode(encoding, "replace")
            break
    else:
        text = raw.decode("utf-16-le" if raw[1:2] == b"\0" else "latin-1")
    lines = [line for line in re.split("\r\n|\n|\r", text) if line.strip(" \t")]
    if lines and not re.search("[,;]", lines[0]):
        lines = [line for line in re.split("\r\n|\n|\r", text) if line]
    return max(0, len(lines) - 1)


def told(reading: Reading) -> Counter[str]:
    """Return how many rows were read of each file, by its name in small letters."""
    found: Counter[str] = Counter()
    for account in reading.accounts:
        assert account.read == account.kept + account.quarantined + account.left_out
        found[re.sub(r" \(\w+\)$", "", account.file).lower()] += account.read - account.added
    return found


def look_at(reading: Reading, files: Files, before: set[str], out: Path) -> list[str]:
    """Look whether every row of a damaged export is accounted for, and return all that people are told."""
    read = told(reading)
    for name, raw in files.items():
        if name.lower() in before and name != "manifest.csv":
            assert name.lower() in read or rows_in(raw) == 0, f"{name} is passed over in silence"
        if name.lower() in read and name != "manifest.csv":
            assert read[name.lower()] == rows_in(raw), name
    assert reading.quarantined == sum(frame.height for frame in reading.quarantine.values())
    codes = {problem.code for problem in reading.problems}
    assert bool(codes) == bool(reading.quarantined)
    written = reading.write_quarantine(out)
    assert sum(_sheet(path, codes) for path in written[:-1]) == reading.quarantined
    return [*map(str, reading.problems), *map(str, reading.accounts), *(path.read_text() for path in written[-1:])]


def _sheet(path: Path, codes: set[str]) -> int:
    """Return the number of rows that were set aside in a file, each with its row, field and code."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert row["homeroom.row"].isdigit()
        assert row["homeroom.content"].startswith("h-")
        assert set(re.findall(r"(?:^|; )[^:]+: (\w+): ", row["homeroom.reasons"])) & codes, row["homeroom.reasons"]
        for cell in row.values():
            assert not re.match(r"[=@\t\r]|[+-](?![\d.,])", cell or ""), "a program for tables would run it"
    return len(rows)


def damaged_zip(rng: random.Random, kind: str, files: Files, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in files.items():
            packed.writestr(ZIPPED[kind] + name, raw)
    if kind == "zip_damage":
        raw = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(raw[: rng.choice([len(raw), rng.randrange(len(raw))])]))
    return path


def damaged(rng: random.Random, kind: str, files: Files, to: Path) -> Path:
    """Damage the files, write them and return where."""
    to.mkdir()
    if kind in ZIPPED:
        return damaged_zip(rng, kind, files, to / "export.zip")
    for _ in range(rng.choice([1, 1, 1, 2])):
        MUTATIONS[kind](rng, files)
    (to / "export").mkdir()
    for name, raw in files.items():
        (to / "export" / name).write_bytes(raw)
    return to / "export"


def read(name: str, path: Path) -> Reading | Refused:
    try:
        with opened(path) as folder:
            return sources.read(name, folder, SOURCES[name].settings(), "lincoln")
    except Refused as refused:
        return refused


def same(one: Reading, other: Reading) -> bool:
    return [(a.file, a.read, a.kept, a.quarantined, a.left_out) for a in one.accounts] == [
        (a.file, a.read, a.kept, a.quarantined, a.left_out) for a in other.accounts
    ]


KINDS = [*MUTATIONS, *ZIPPED]

#: How many damaged exports of a source are read in the first batch, and how many in each of the others: some are slow to
#: read. The first batch of the canonical tables is read on every run, all others in the full part.
COUNTS = {"oulad": (8, 75), "tables": (8, 40), "oneroster": (8, 10)}
SEEDS = range(1, 5)
OTHERS = (8, 10)

#: Exports of CSV and Parquet files; JSON is damaged in ``test_damaged_documents``.
OF_TABLES = [name for name in SOURCES if name != "edfi"]

QUICK = ("tables", 0, COUNTS["tables"][0])
BATCHES = [(name, 0, COUNTS.get(name, OTHERS)[0]) for name in OF_TABLES]
FULL = [one for one in BATCHES if one != QUICK]
FULL += [(name, seed, COUNTS.get(name, OTHERS)[1]) for name in OF_TABLES for seed in SEEDS]


@pytest.mark.parametrize(("name", "seed", "count"), [QUICK, *(pytest.param(*one, marks=pytest.mark.full) for one in FULL)])
def test_damaged_exports_are_accounted_for_or_refused_and_no_value_is_told(
    name: str, seed: int, count: int, folder: Path, tmp_path: Path
) -> None:
    rng = random.Random(f"{name} {seed}")
    original = whole(name, folder)
    hidden = {*secrets(original), TOKEN}
    order = random.Random(name).sample(KINDS, k=len(KINDS))  # each batch goes on where the one before it ended
    start = COUNTS.get(name, OTHERS)[0] + (seed - 1) * count if seed else 0
    kinds = [order[(start + number) % len(order)] for number in range(count)]
    first = read(name, damaged(rng, "shuffle_rows", dict(original), tmp_path / "first"))
    assert isinstance(first, Reading)
    before = set(told(first))
    outcomes: Counter[str] = Counter()
    for number, kind in enumerate(kinds):
        files, to = few(rng, original), tmp_path / str(number)
        path = damaged(rng, kind, files, to)
        found = read(name, path)
        if isinstance(found, Refused):
            outcomes["refused"] += 1
            said = [str(found)]
            assert found.problems, kind
            assert all(complete(problem) for problem in found.problems), kind
        else:
            outcomes["set aside" if found.quarantined else "read"] += 1
            said = look_at(found, files if kind not in ("zip_damage",) else {}, before, to / "out")
            if path.is_dir() and number % 8 == 0:
                unmended(path, to / "out", lambda path=path: read(name, path), found)  # type: ignore[misc]
        for text in said:
            assert not [cell for cell in hidden if cell in text], kind
        shutil.rmtree(to)
    assert outcomes["set aside"] > count // 5
    assert outcomes["refused"] > 0 or count < len(KINDS)


def few(rng: random.Random, files: Files) -> Files:
    """Return a source's files; of the canonical tables, of which there are many, those that must be there and six others."""
    if f"{REQUIRED[0]}.csv" not in files:
        return dict(files)
    required = {f"{name}.csv" for name in REQUIRED}
    chosen = {*required, *rng.sample([name for name in files if name not in required], k=6)}
    return {name: raw for name, raw in files.items() if name in chosen}


def complete(problem: Problem) -> bool:
    return bool(problem.file and problem.hint and problem.code and problem.problem)


def unmended(path: Path, out: Path, again: Callable[[], Reading | Refused], found: Reading) -> None:
    """Look whether rows that nobody mended change nothing where they are sent again."""
    for sheet in _sheets(out):
        shutil.copy(sheet, path / sheet.name)
    second = again()
    assert isinstance(second, Reading)
    assert same(found, second)


def _sheets(out: Path) -> Iterator[Path]:
    yield from out.glob("*.quarantined.csv")


def test_there_are_enough_mutations() -> None:
    assert len(KINDS) > 20
    assert sum(count for _, _, count in [QUICK, *FULL]) >= 500
    assert set(EXPORTS) == set(SOURCES)

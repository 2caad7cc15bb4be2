"""Rows that were set aside: written so that people can mend them, and read again beside the file that they came from.

A row carries a short name of its own cells as they were (``homeroom.content``), by which it is found again in whatever
order or number its file has then. Cells that a spreadsheet would run are written with an apostrophe before them, which
is taken off again: nothing is lost, and nothing runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from features import delimited
from features.delimited import CAME, CONTENT, FAULT, KEPT, KEPT_SCHEMA, RAW, ROW, digest_of_text, own_columns, with_kept
from features.problems import Problem, Refused

if TYPE_CHECKING:
    from features.validation import Account

#: The field of a reason that is about no cell in particular.
WHOLE_ROW = "(the whole row)"

REASONS = f"{KEPT}reasons"

SUMMARY = "summary.md"

#: What a spreadsheet takes for a formula, in the signs of East Asian keyboards too, and blanks that hide one.
_RUNS = r"(?:[\t\r\n]|\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])"
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"

#: Columns of a quarantine in memory; a file's own columns of these names stand under others there.
_OURS = ("row", "reasons")
_OWN = f"{KEPT}own."


def own_name(name: str) -> str:
    """Return the name under which a file's column stands in a quarantine in memory."""
    return f"{_OWN}{name}" if name in _OURS else name


def as_text(cells: pl.Series) -> pl.Series:
    """Return cells as text, whatever they are."""
    if cells.dtype.is_nested() or isinstance(cells.dtype, pl.Binary | pl.Object):
        return pl.Series(cells.name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    return cells.cast(pl.String)


def guarded(cells: pl.Expr) -> pl.Expr:
    """Return text cells with an apostrophe before each that a spreadsheet would run; a plain number is none."""
    runs = cells.str.contains(rf"^'*{_RUNS}") & ~cells.str.contains(rf"^{_NUMBER}$")
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), cells)).otherwise(cells)


def guarded_text(cell: str) -> str:
    """Return one cell as :func:`guarded` does a column of them."""
    runs = re.match(rf"'*{_RUNS}", cell) and not re.fullmatch(_NUMBER, cell)
    return f"'{cell}" if runs else cell


def unguarded(cells: pl.Expr) -> pl.Expr:
    """Return cells as they were before :func:`guarded`."""
    return pl.when(cells.str.contains(rf"^'+{_RUNS}")).then(cells.str.slice(1)).otherwise(cells)


def content_of(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Return a short name of each row's text in the columns named; empty cells, and the order of columns, do not count."""
    if not names:
        return pl.Series(CONTENT, [digest_of_text("")] * frame.height, dtype=pl.String)
    told = {name.removeprefix(_OWN): name for name in names}
    cells = [
        pl.when(pl.col(told[name]) != "").then(pl.concat_str(pl.lit(f"{name}\x1e"), pl.col(told[name])))
        for name in sorted(told)
    ]
    rows = frame.select(pl.concat_str(cells, separator="\x1f", ignore_nulls=True)).to_series()
    return pl.Series(CONTENT, [digest_of_text(row or "") for row in rows], dtype=pl.String)


# -- corrections ------------------------------------------------------------------------------------------------------


_CORRECTIONS = re.compile(r"(.+)\.quarantined(?:-([0-9]{1,9}))?\.csv", re.IGNORECASE)


def corrections_in(folder: Path) -> list[Path]:
    """Return the files of a folder that hold rows which were set aside and are sent again, the newest of a name last."""
    found = {file: _CORRECTIONS.fullmatch(file.name) for file in folder.iterdir() if file.is_file()}
    order = {file: (match[1], int(match[2] or 1)) for file, match in found.items() if match}
    return sorted(order, key=lambda file: order[file])


def corrected_stem(file: Path) -> str:
    """Return of which file a file holds corrections, or nothing.

    >>> corrected_stem(Path("results.quarantined.csv")), corrected_stem(Path("results.csv"))
    ('results', '')
    """
    found = _CORRECTIONS.fullmatch(file.name)
    return found[1] if found else ""


def corrected(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return a file's rows with the corrections that lie beside it.

    A corrected row takes the place of the row whose content it names: of the one in the same place first, else of the last
    of that content. One that the file has no more is added at the end; the check leaves it out where its key is in the file.
    A row that is as it was set aside, or that nobody filled in, changes nothing.
    """
    files = [one for one in corrections_in(path.parent) if corrected_stem(one).casefold() == path.stem.casefold()]
    if not files:
        return frame
    frame = frame.select(
        *(as_text(frame[name]) for name in own_columns(frame)),
        *(frame[name] for name in frame.columns if name.startswith(KEPT)),
    )
    if ROW not in frame.columns:
        first = 1 if path.is_dir() or path.suffix.lower() == ".parquet" else 2
        frame = frame.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(ROW))
    frame = with_kept(frame)
    rows = _sent(files, frame)
    rows = rows.with_columns(_places(rows, frame))
    own = own_columns(frame)
    blank = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).fill_null("") == "" for name in own)) & pl.col(FAULT).is_null()
    rows = rows.with_columns(pl.when(_AT.is_not_null()).then(pl.lit("corrected"))
                             .when(blank).then(pl.lit("unmended")).otherwise(pl.lit("added")).alias(CAME))  # fmt: skip
    placed, more = rows.filter(_AT.is_not_null() & ~blank), rows.filter(_AT.is_null())
    was = frame[placed[_PLACE]]
    same = [placed[name].fill_null("") == was[name].fill_null("") for name in own]
    changed = pl.DataFrame({"": was[FAULT].is_not_null()}).select(
        pl.col("") | ~pl.all_horizontal(pl.lit(value=True), *(pl.lit(one) for one in same))
    ).to_series()  # fmt: skip
    placed = placed.filter(changed).with_columns(was.filter(changed)[ROW])
    columns = [*own, *KEPT_SCHEMA, _PLACE]
    kept = frame.with_row_index(_PLACE).with_columns(_AT.cast(pl.Int64)).filter(~_AT.is_in(placed[_PLACE].implode()))
    mended = pl.concat([kept.select(columns), placed.select(columns)]).sort(_PLACE)
    return pl.concat([mended, more.select(columns)]).drop(_PLACE)


_PLACE = f"{KEPT}place"
_AT = pl.col(_PLACE)


def _sent(files: Sequence[Path], frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that files of corrections hold, in the columns of ``frame``; of one row the last file is heeded."""
    found: list[pl.DataFrame] = []
    for file in files:
        text = delimited.read(delimited.bytes_of(file), file.name)
        names = [re.sub(rf"^'(?='*{_RUNS})", "", name) for name in text.names]
        lacking = [name for name in (ROW, CONTENT) if name not in names]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1 and name in frame.columns]
        if lacking or twice:
            hint = "Keep the header of the file as it was written."
            said = [(name, "missing_column", "is missing") for name in lacking]
            said += [(name, "duplicate_column", "is there more than once") for name in twice]
            problems = [
                Problem(code, f"{file.name}, header", f"the column {name} {what}", hint, file=file.name, row=1, column=name)
                for name, code, what in said
            ]
            raise Refused(problems, "The export cannot be read")
        rows = with_kept(text.rows)
        given = {name: str(at) for at, name in enumerate(names)}
        cells = [
            (unguarded(pl.col(given[name])) if name in given else pl.lit(None, pl.String())).alias(name)
            for name in own_columns(frame)
        ]
        broken = pl.col(FAULT).is_not_null()
        number, content = (pl.col(given[name]).str.strip_chars() for name in (ROW, CONTENT))
        rows = rows.select(
            *cells,
            pl.when(broken).then(pl.col(ROW)).otherwise(number.cast(pl.Int64, strict=False)).alias(ROW),
            FAULT,
            RAW,
            pl.when(broken).then(pl.col(CONTENT)).otherwise(content).alias(CONTENT),
        )
        again = rows.select(ROW, CONTENT).drop_nulls().unique()
        found = [one.join(again, on=[ROW, CONTENT], how="anti", maintain_order="left") for one in found]
        found.append(rows)
    return pl.concat(found)


def _places(rows: pl.DataFrame, frame: pl.DataFrame) -> pl.Series:
    """Return where in ``frame`` each row of the corrections belongs: nowhere, or a place that is no other's.

    The rows in the places that the corrections name are looked at first: names of all rows of a large file take a while.
    """
    places: list[int | None] = [None] * rows.height
    taken: set[int] = set()
    numbered = rows.select(ROW).with_row_index("at").join(
        frame.select(ROW).with_row_index("place").unique(ROW, keep="first"), on=ROW, maintain_order="left"
    )  # fmt: skip
    here = _contents(frame[numbered["place"]])
    for at, place, content in zip(numbered["at"], numbered["place"], here, strict=True):
        if place not in taken and content == rows[CONTENT][at]:
            places[at] = place
            taken.add(place)
    wanted = {content for at, content in enumerate(rows[CONTENT]) if places[at] is None and content and rows[FAULT][at] is None}
    if wanted:
        contents = _contents(frame)
        where = contents.is_in(list(wanted)).arg_true()
        free: dict[str, list[int]] = {}
        for place, content in zip(where, contents[where], strict=True):
            if place not in taken:
                free.setdefault(content, []).append(place)
        for at, content in enumerate(rows[CONTENT]):
            if places[at] is None and rows[FAULT][at] is None and free.get(content):
                places[at] = free[content].pop()
    return pl.Series(_PLACE, places, dtype=pl.Int64)


def _contents(frame: pl.DataFrame) -> pl.Series:
    """Return the names of rows; one that is no row has a name already."""
    return frame[CONTENT].zip_with(frame[CONTENT].is_not_null(), content_of(frame, own_columns(frame)))


# -- writing ----------------------------------------------------------------------------------------------------------


def write(
    folder: Path, accounts: Sequence[Account], problems: Sequence[Problem], quarantine: Mapping[str, pl.DataFrame]
) -> list[Path]:
    """Write what was set aside, one CSV per file read and a summary of them; return the paths, the summary last.

    Of what earlier readings wrote nothing is left; files of somebody else's, and ours that somebody has begun to mend, stay
    as they are. All files are written before the first takes its place, so that a full disk leaves the older ones whole.
    Nothing is written where nothing was set aside.
    """
    older = _written_before(folder)
    building: dict[Path, Path] = {}
    try:
        told: dict[str, str] = {}
        for name, frame in quarantine.items():
            if frame.height:
                place = folder / _place(name)
                place.mkdir(parents=True, exist_ok=True)
                path = next(one for one in _names(place, Path(name).stem, ".quarantined", ".csv")
                            if one not in building and (one in older or not one.exists()))  # fmt: skip
                building[path] = path.with_name(f".{path.name}.building")
                _sheet(frame).write_csv(building[path], include_bom=True)
                told[name] = path.relative_to(folder).as_posix()
        if building:
            path = next(one for one in _names(folder, "summary", "", ".md") if one in older or not one.exists())
            digests = {one.relative_to(folder).as_posix(): _digest(built) for one, built in building.items()}
            building[path] = path.with_name(f".{path.name}.building")
            building[path].write_text(_signed(_summary(accounts, problems, quarantine, told), digests), encoding="utf-8")
        for path, built in building.items():
            built.replace(path)
    finally:
        for built in building.values():
            built.unlink(missing_ok=True)
    for path in older:
        if path not in building:
            path.unlink(missing_ok=True)
    return list(building)


def _place(name: str) -> Path:
    """Return the folder for the rows of a file: that of its package, without the ending of a zip."""
    return Path(*(part.removesuffix(".zip") for part in Path(name).parent.parts if part not in ("..", "/")))


def _names(folder: Path, stem: str, mark: str, ending: str) -> Iterator[Path]:
    """Return names for a file, best first: one that somebody gave to a file of theirs is passed over."""
    yield folder / f"{stem}{mark}{ending}"
    yield from (folder / f"{stem}{mark}-{number}{ending}" for number in count(2))


def _sheet(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a quarantine as it is written."""
    own = [name for name in frame.columns if name not in _OURS and (not name.startswith(KEPT) or name.startswith(_OWN))]
    given = frame[CONTENT] if CONTENT in frame.columns else pl.Series(CONTENT, [None] * frame.height, dtype=pl.String)
    frame = frame.with_columns(given.zip_with(given.is_not_null(), content_of(frame, own)).alias(CONTENT))
    header = pl.DataFrame({"name": [name.removeprefix(_OWN) for name in own]}, schema={"name": pl.String})
    names = header.select(guarded(pl.col("name"))).to_series()
    sheet = frame.select(
        pl.col("row").alias(ROW),
        guarded(pl.col("reasons").list.join("; ")).alias(REASONS),
        CONTENT,
        *(guarded(pl.col(name)).alias(told) for name, told in zip(own, names, strict=True)),
    )
    raw = (
        frame.select(guarded(pl.col(RAW)).alias(RAW))
        if RAW in frame.columns and frame[RAW].is_not_null().any()
        else pl.DataFrame()
    )
    return pl.concat([sheet, raw], how="horizontal")


def _summary(
    accounts: Sequence[Account], problems: Sequence[Problem], quarantine: Mapping[str, pl.DataFrame], told: Mapping[str, str]
) -> str:
    lines = ["# Rows that were set aside", "", "They were read and not taken. No cell of theirs is on this page.", ""]
    lines += ["| file | read | kept | set aside | left out |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(one.file)} | {one.read:,} | {one.kept:,} | {one.quarantined:,} | {one.left_out:,}"
        f"{f': {_cell(one.why)}' if one.left_out else ''} |"
        for one in accounts
    ]
    for name, sheet in told.items():
        frame = quarantine[name]
        hints = {reason_of(one.column, one.code, one.problem): one for one in problems if one.file == name}
        lines += ["", f"## {_cell(name)}", "", f"Set aside: {frame.height:,}, in `{sheet}`.", ""]
        lines += ["| rows | column | what is wrong | code | first rows | what to do |", "|---|---|---|---|---|---|"]
        reasons = frame.select("row", "reasons").explode("reasons").group_by("reasons", maintain_order=True)
        for reason, height, first in reasons.agg(pl.len(), pl.col("row").head(5)).rows():
            one = hints.get(reason)
            column, code, problem = (one.column or WHOLE_ROW, one.code, one.problem) if one else ("", "", str(reason))
            numbers = ", ".join(f"{number}" for number in first) + (" ..." if height > len(first) else "")
            hint = _cell(one.hint) if one else ""
            lines.append(f"| {height:,} | {_cell(column)} | {_cell(problem)} | {code} | {numbers} | {hint} |")
    lines += ["", "## To send them again", "", *_AGAIN]
    return "\n".join(lines) + "\n"


_AGAIN = (
    "1. Correct the cells in a CSV of these, with any program for tables. Leave the columns `homeroom....` as they are: they",
    "   say which row is which. Where the whole row was not understood, its text is in `homeroom.raw` and its cells are empty:",
    "   fill them in.",
    "2. Put the CSV, under its name, beside the file that it belongs to: in the folder, in the zip, or beside the zip. Where",
    "   one lies there already, keep both, the newer one as `....quarantined-2.csv`.",
    "3. Read the export again. Corrected rows take the place of the old ones; the others are set aside as before.",
    "",
    "An apostrophe before `=`, `+`, `-` or `@` keeps a program for tables from running the cell; it is taken off again.",
)


def reason_of(column: str, code: str, problem: str) -> str:
    """Return why a row was set aside, as its row says it."""
    return f"{column or WHOLE_ROW}: {code}: {problem}"


def _cell(text: str) -> str:
    """Return a text that stays in its cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())


_SIGNED = "<!-- homeroom wrote "


def _signed(text: str, digests: Mapping[str, str]) -> str:
    """Return a summary with what was written beside it, and of what content: a name alone could be anybody's."""
    own = hashlib.sha256(text.encode()).hexdigest()
    return f"{text}\n{_SIGNED}{json.dumps({'': own} | dict(digests), sort_keys=True)} -->\n"


def _written_before(folder: Path) -> list[Path]:
    """Return the files of earlier readings that nobody has touched since."""
    found: list[Path] = []
    for summary in folder.glob("summary*.md"):
        text, signed, rest = summary.read_text(encoding="utf-8", errors="replace").rpartition(f"\n{_SIGNED}")
        try:
            digests = json.loads(rest.removesuffix(" -->\n")) if signed else {}
        except json.JSONDecodeError:
            continue
        if not isinstance(digests, dict) or not digests:
            continue
        for name, digest in digests.items():
            path = folder / name
            if name and path.resolve().is_relative_to(folder.resolve()) and path.is_file() and _digest(path) == digest:
                found.append(path)
        if hashlib.sha256(text.encode()).hexdigest() == digests.get(""):
            found.append(summary)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

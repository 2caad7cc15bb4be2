"""A log of responses, CSV or Parquet, described by a TOML file: ``--source responses LOG --mapping M.toml``.

A row is a response, or a response and one of its skills; :mod:`features.responses` says why that matters. Rows that are the
same answer for another skill are joined: those of one student that share the response's own key, or its order (and item),
and those that follow each other and always agree, which tells copies from answers (see :func:`_copies`). Every row is
accounted for as at every other door.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features import delimited, quarantine
from features.drafting import quoted
from features.problems import Problem, Refused
from features.records import digest_of
from features.responses import BESIDE, Ints, ResponseLog
from features.sources.copies import Entries, copies_of, repeated
from features.tables import Column, Table
from features.validation import Found, Origin, Reading, check, load, row_numbers

#: What a column of the file may be. The first three are needed; without ``order``, rows are in order as they stand.
ROLES: Mapping[str, str] = {
    "student": "Key of the student.",
    "skill": "The skill, or several joined by a sign; empty where the response has none.",
    "correct": "Whether the answer is right: 1 or 0, true or false, a share, or words.",
    "order": "A number that grows with time, or a time.",
    "item": "The question.",
    "response": "Key of the response, the same in all rows of one.",
    "split": "Who judges: words, or numbers of folds.",
    "seconds": "How long the answer took, in seconds.",
    "milliseconds": "The same in milliseconds.",
    "attempts": "Attempts that the answer took.",
    "hints": "Hints that were asked for.",
}
NEEDED = ("student", "skill", "correct")

#: Words for a missing cell, in any capitals.
NOTHING = ("na", "n/a", "nan", "null", "none", "nil", "\\n")

#: Words for right and wrong answers, and for who learns and who judges, where the description names no others.
RIGHT = ("1", "1.0", "true", "t", "yes", "y", "right", "correct")
WRONG = ("0", "0.0", "false", "f", "no", "n", "wrong", "incorrect")
LEARN, JUDGE = ("train", "training", "learn", "dev", "valid", "validation", "val"), ("test", "testing", "judge", "holdout")

#: A CSV of more bytes is read by its needed columns alone: 6 million rows of 30 columns would not fit into memory twice.
LARGE = 256 * 2**20


@dataclass(frozen=True)
class LogDescription:
    """What a TOML file says of a log. ``columns`` leads from a role (:data:`ROLES`) to the file's own column.

    ``right`` and ``wrong`` are words of the column ``correct``; where it holds shares, an answer is right from
    ``right_from`` on. ``form`` is how times are written (as in Python's ``strptime``), where not as ISO 8601 has it.
    ``joined_by`` parts several skills in one cell, ``listed_by`` the responses of a row that holds many. ``learn`` and
    ``judge`` are words of the column ``split``; with ``folds`` its values are folds. ``join_copies`` tells whether copies are
    looked for, ``earlier_only`` whether difficulty is learned from responses that were given earlier alone.
    """

    columns: Mapping[str, str]
    name: str = "responses"
    separator: str = ""
    encoding: str = ""
    header: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    right: tuple[str, ...] = RIGHT
    wrong: tuple[str, ...] = WRONG
    right_from: float | None = None
    form: str = ""
    joined_by: str = ""
    listed_by: str = ""
    learn: tuple[str, ...] = LEARN
    judge: tuple[str, ...] = JUDGE
    folds: bool = False
    join_copies: bool = True
    earlier_only: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a model's file."""
        return {name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
                for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)}  # fmt: skip


@dataclass(frozen=True)
class Merged:
    """How many rows were joined to others: the same answer for another skill, and the same row once more.

    ``responses`` of several skills came of it. ``by`` says how they were told.
    """

    copies: int
    repeated: int
    responses: int
    by: str


@dataclass(frozen=True)
class LogReading:
    """What was read of a log: its responses, the account of every row, how copies were joined, columns not read."""

    log: ResponseLog
    described: LogDescription
    reading: Reading
    merged: Merged
    left_out: tuple[str, ...] = field(default=())

    @property
    def notes(self) -> list[str]:
        """What there is to say of the log, in sentences."""
        log, merged = self.log, self.merged
        bare = int((log.tags == 0).sum())
        found = [f"{len(log):,} responses of {len(log.students):,} students on {len(log.skills):,} skills"
                 + (f" and {len(log.items):,} items" if log.items else "")
                 + (f"; {log.right.mean():.1%} of them right" if len(log) else "")]  # fmt: skip
        if merged.copies or merged.repeated:
            found.append(f"{merged.copies:,} rows are the same answer for another skill and were joined to it "
                         f"({merged.responses:,} responses of several skills); {merged.repeated:,} rows stood there twice. "
                         f"Told {merged.by}.")  # fmt: skip
        else:
            found.append(f"No row is the copy of another's answer. {merged.by}".strip())
        if bare:
            found.append(f"{bare:,} responses have no skill: they are history of their students, and nobody is judged by them.")
        return found


# -- reading a description ------------------------------------------------------------------------------------------

_REFUSED = "The description of the log was refused"
_KEYS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "file": {"name": (str,), "separator": (str,), "encoding": (str,), "header": (list,), "missing": (list,)},
    "columns": dict.fromkeys(ROLES, (str,)),
    "correct": {"right": (list,), "wrong": (list,), "right_from": (int, float)},
    "order": {"form": (str,), "earlier_only": (bool,)},
    "skills": {"joined_by": (str,)},
    "sequences": {"joined_by": (str,)},
    "split": {"train": (list,), "test": (list,), "folds": (bool,)},
    "copies": {"join": (bool,)},
}


def read_description(path: Path) -> LogDescription:
    """Read the TOML file that describes a log; raise :class:`Refused` with everything that is wrong in it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise _refused(path.name, [("", what, "Give the file that --mapping names.")]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(path.name, [("", f"it is not TOML in UTF-8 ({error})", "docs/tracing.md shows one.")]) from None
    return describe(raw, path.name)


def _refused(file: str, faults: Iterable[tuple[str, str, str]], what: str = _REFUSED) -> Refused:
    return Refused([Problem("mapping", ", ".join(part for part in (file, where) if part), problem, hint, file=file)
                    for where, problem, hint in faults], what)  # fmt: skip


def describe(raw: Mapping[str, Any], file: str = "mapping") -> LogDescription:
    """Return the description that plain values make; raise :class:`Refused` with every problem."""
    faults: list[tuple[str, str, str]] = []
    parts = {name: _part(name, part, faults) for name, part in raw.items()}
    columns = {role: name.strip() for role, name in parts.get("columns", {}).items() if name.strip()}
    found, correct, split = parts.get("file", {}), parts.get("correct", {}), parts.get("split", {})
    faults += _together(columns, found, correct, bool(split))
    if faults:
        raise _refused(file, faults)

    def words(part: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.lower() for word in part.get(key, default))

    return LogDescription(
        columns, found.get("name", "responses"), found.get("separator", ""), found.get("encoding", ""), found.get("header", ()),
        found.get("missing", ()), words(correct, "right", RIGHT), words(correct, "wrong", WRONG),
        float(correct["right_from"]) if "right_from" in correct else None, parts.get("order", {}).get("form", ""),
        parts.get("skills", {}).get("joined_by", ""), parts.get("sequences", {}).get("joined_by", ""),
        words(split, "train", LEARN), words(split, "test", JUDGE), split.get("folds", False),
        parts.get("copies", {}).get("join", True), parts.get("order", {}).get("earlier_only", False),
    )  # fmt: skip


def _part(name: str, part: Any, faults: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Return one part of a description, lists as words, and note what is wrong in it."""
    if name not in _KEYS or not isinstance(part, dict):
        faults.append((f"[{name}]", "there is no such part", f"The parts are: {', '.join(_KEYS)}."))
        return {}
    found: dict[str, Any] = {}
    for key, value in part.items():
        where, kinds = f"[{name}] {key}", _KEYS[name].get(key)
        if kinds is None:
            faults.append((where, "there is no such key", f"The keys are: {', '.join(_KEYS[name])}."))
        elif not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            faults.append((where, f"this is not {_KIND[kinds[0]]}", f"Write {_KIND[kinds[0]]}."))
        elif isinstance(value, list) and not all(isinstance(one, str | int | float) for one in value):
            faults.append((where, "these are not words", "Write each between quotes, as it stands in the file."))
        else:
            found[key] = tuple(map(str, value)) if isinstance(value, list) else value
    return found


def _together(
    columns: Mapping[str, str], file: Mapping[str, Any], correct: Mapping[str, Any], split: bool
) -> list[tuple[str, str, str]]:
    """Return what is wrong with parts that are sound by themselves."""
    faults = [(f"[columns] {role}", "it names no column", f"Name the file's own. {ROLES[role]}")
              for role in NEEDED if role not in columns]  # fmt: skip
    named = list(columns.values())
    faults += [("[columns]", f"the column {name} is named more than once", "Each is one thing: keep one of them.")
               for name in sorted(set(named)) if named.count(name) > 1]  # fmt: skip
    if {"seconds", "milliseconds"} <= set(columns):
        faults.append(("[columns] milliseconds", "seconds are named too", "Keep one of them."))
    if not _NAME.fullmatch(file.get("name", "responses")):
        faults.append(("[file] name", "this is not a name", "Use at most 41 small letters, digits and underscores."))
    if len(file.get("separator", "").encode()) > 1:
        faults.append(("[file] separator", "this is not one sign", 'Write it like separator = ";".'))
    faults += [(f"[correct] {key}", "it names no word", "Leave it out, or name the words of the file.")
               for key in ("right", "wrong") if correct.get(key) == ()]  # fmt: skip
    if set(correct.get("right", ())) & set(correct.get("wrong", ())):
        faults.append(("[correct]", "one word is right and wrong", "Keep it on one side."))
    if split and "split" not in columns:
        faults.append(("[split]", "no column says who judges", "Name it under [columns] as split."))
    return faults


#: The name is that of the model in every prediction.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

_KIND: Mapping[type, str] = {str: "text between quotes", list: "a list of words", int: "a number", bool: "true or false"}


# -- reading a log ----------------------------------------------------------------------------------------------------


def read(path: Path, described: LogDescription) -> LogReading:
    """Read a log of responses.

    Raises:
        Refused: the file cannot be read, or lacks a column that the description names.

    """
    frame, names = _load(path, described)
    lacking = [name for name in described.columns.values() if name not in frame.columns]
    if lacking:
        hint = f"Correct its name in the description. The header names: {', '.join(names)}."
        raise Refused([Problem("missing_column", f"{path.name}, header", f"the column {name} is missing", hint, file=path.name,
                               row=1, column=name) for name in lacking], "The log cannot be read")  # fmt: skip
    kept = [name for name in frame.columns if name.startswith(delimited.KEPT)]
    frame = frame.select(*dict.fromkeys(described.columns.values()), *kept)
    rows = row_numbers(frame, path.name)
    padding = 0
    if described.listed_by:
        frame, rows, padding = _listed(frame, rows, described)
    made, faults, dated = _translated(frame, described)
    own = {role: described.columns[role] for role in made.columns if role in described.columns}
    if "milliseconds" in described.columns:
        own["seconds"] = described.columns["milliseconds"]
    origin = Origin(frame, rows, own, tuple(faults), padding, "cells that only fill up a row" if padding else "")
    checked = check(made, _table(described, made.columns), path.name, unique=(), origin=origin)
    log, merged = _log(checked.kept, rows.filter(checked.taken), described, dated)
    digest = digest_of(path.stat().st_size, path.stat().st_mtime_ns, described)
    reading = Reading({}, (checked.account,), checked.problems, {path.name: checked.quarantined}, digest)
    return LogReading(log, described, reading, merged, tuple(name for name in names if name not in described.columns.values()))


def _load(path: Path, described: LogDescription) -> tuple[pl.DataFrame, list[str]]:
    """Return the file's rows with the columns that are needed, CSV as text, and the names of all its columns."""
    if not path.is_file():
        raise Refused([Problem("unreadable_file", path.name, "there is no such file", "Give one CSV or Parquet file.",
                               file=path.name)], "The log cannot be read")  # fmt: skip
    wanted = set(described.columns.values())
    if path.suffix.lower() == ".parquet":
        try:
            names = pl.read_parquet_schema(path)
            rows = pl.read_parquet(path, columns=[name for name in names if name.strip() in wanted])
        except pl.exceptions.PolarsError:
            # `from None`: what Polars says quotes the cells it stumbled over.
            raise Refused([Problem("unreadable_file", path.name, "it is not Parquet", "Send a CSV or Parquet file.",
                                   file=path.name)], "The log cannot be read") from None  # fmt: skip
        return quarantine.corrected(rows.rename(str.strip), path), [name.strip() for name in names]
    if path.stat().st_size > LARGE:
        found = _needed_alone(path, described, wanted)
        if found is not None:
            return found
    if described.header:
        head = io.StringIO()
        csv.writer(head, delimiter=described.separator or ",").writerow(described.header)
        raw = head.getvalue().encode(described.encoding or "utf-8") + delimited.bytes_of(path)
        text = delimited.read(raw, path.name, described.separator or ",", described.encoding)
        frame = text.rows.rename({str(at): name for at, name in enumerate(text.names)})
        if delimited.ROW in frame.columns:
            frame = frame.with_columns(pl.col(delimited.ROW) - 1)
        else:
            frame = delimited.with_kept(frame.with_columns(pl.int_range(1, 1 + pl.len(), dtype=pl.Int64).alias(delimited.ROW)))
        return frame, list(text.names)
    frame = load(path, None, separator=described.separator, encoding=described.encoding)
    return frame, delimited.own_columns(frame)


def _needed_alone(path: Path, described: LogDescription, wanted: set[str]) -> tuple[pl.DataFrame, list[str]] | None:
    """Return the needed columns of a large CSV read at once, or nothing where it is not well formed."""
    with path.open("rb") as file:
        start = file.read(1_000_000)
    text = delimited.read(start[: start.rfind(b"\n") + 1], path.name, described.separator, described.encoding)
    names = list(described.header) or list(text.names)
    if text.encoding not in ("utf-8", "cp1252", "latin-1", "iso-8859-1"):
        return None
    try:
        rows = (
            pl.scan_csv(path, separator=text.separator, infer_schema=False, encoding="utf8-lossy",
                        has_header=not described.header, new_columns=names)
            .select(name for name in names if name in wanted)
            .collect(engine="streaming")
        )  # fmt: skip
    except pl.exceptions.PolarsError:
        return None
    return quarantine.corrected(rows, path), names


def _listed(frame: pl.DataFrame, rows: pl.Series, described: LogDescription) -> tuple[pl.DataFrame, pl.Series, int]:
    """Return one row per response of rows that hold a list of them, and how many cells only filled up a row.

    The student and who judges stand once in such a row. A row whose lists differ in length keeps them unparted, so that it is
    set aside for what its cells then are.
    """
    alone = {described.columns.get("student"), described.columns.get("split")}
    lists = [name for name in delimited.own_columns(frame) if name not in alone]
    sign = described.listed_by
    parted = frame.with_columns(pl.col(name).cast(pl.String).str.split(sign) for name in lists).with_columns(
        rows.alias("homeroom.numbers")
    )
    same = pl.all_horizontal(pl.col(name).list.len() == pl.col(lists[0]).list.len() for name in lists)
    alike = parted.filter(same).explode(lists)
    rest = frame.with_columns(rows.alias("homeroom.numbers")).filter(~parted.select(same).to_series().fill_null(value=False))
    whole = pl.concat([alike, rest.select(alike.columns)])
    filler = whole[described.columns["correct"]].str.strip_chars().is_in(["-1"]).fill_null(value=False)
    whole = whole.filter(~filler)
    return whole.drop("homeroom.numbers"), whole["homeroom.numbers"], int(filler.sum())


def _table(described: LogDescription, columns: Sequence[str]) -> Table:
    """Return what a translated row must be."""
    kinds: dict[str, pl.DataType] = {role: pl.String() for role in ROLES}
    kinds |= {role: pl.Float64() for role in ("correct", "order", *BESIDE)}
    words = (*described.learn, *described.judge) if not described.folds else ()
    needed = ("student", "correct", "order", "split")
    made = tuple(
        Column(role, kinds[role], ROLES[role], "confidential", "join", natural=role in needed, required=role in needed,
               values=words if role == "split" else ())
        for role in columns
    )  # fmt: skip
    return Table("responses", "A log of responses.", made)


def _translated(frame: pl.DataFrame, described: LogDescription) -> tuple[pl.DataFrame, list[Found], bool]:
    """Return rows under the names of their roles, numbers as numbers, what could not be understood, and whether it is dated."""
    faults: list[Found] = []
    made: dict[str, pl.Series] = {}
    dated = False
    for role, name in described.columns.items():
        text = _text(frame[name], described)
        if role == "correct":
            made[role], bad = _answers(text, described)
            faults.append(Found("bad_value", name, "this is no answer that the description knows",
                                "Name its words under [correct], or say right_from.", bad))  # fmt: skip
        elif role == "order":
            made[role], bad, dated = _order(frame[name], text, described)
            faults.append(Found("bad_value", name, "this is neither a number nor a time of the form that most rows have",
                                'Say how times are written: [order] form = "%m/%d/%Y %H:%M:%S".', bad))  # fmt: skip
        elif role in ("seconds", "milliseconds", "attempts", "hints"):
            number = text.cast(pl.Float64, strict=False)
            # What is noted beside an answer is not needed: one that cannot be read is not known.
            number = pl.select(pl.when(number.is_finite() & (number >= 0)).then(number)).to_series()
            made["seconds" if role == "milliseconds" else role] = number / 1000 if role == "milliseconds" else number
        elif role == "split":
            made[role] = text if described.folds else text.str.to_lowercase()
        else:
            made[role] = text
    return pl.DataFrame(made), [fault for fault in faults if fault.rows.any()], dated


def _text(cells: pl.Series, described: LogDescription) -> pl.Series:
    """Return cells as text, null where they hold nothing; 17.0 is 17, as a key that went through pandas means it."""
    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        text = (whole == cells).fill_null(value=False)
        cells = whole.cast(pl.String).zip_with(text, cells.cast(pl.String))
    elif cells.dtype.is_nested() or isinstance(cells.dtype, pl.Binary | pl.Object):
        cells = quarantine.as_text(cells)
    text = cells.cast(pl.String).str.strip_chars()
    nothing = text.str.to_lowercase().is_in([*NOTHING, "", "?"]) | text.is_in(list(described.missing))
    return pl.select(pl.when(~nothing).then(text)).to_series()


def _answers(text: pl.Series, described: LogDescription) -> tuple[pl.Series, pl.Series]:
    """Return 1 for a right answer and 0 for a wrong one, and where neither can be said."""
    low = text.str.to_lowercase()
    if described.right_from is not None:
        share = low.replace({"true": "1", "false": "0"}).cast(pl.Float64, strict=False)
        fits = share.is_finite() & (share >= 0)
        answer = pl.select(pl.when(fits).then((share >= described.right_from).cast(pl.Float64))).to_series()
    else:
        answer = pl.select(pl.when(low.is_in(list(described.right))).then(1.0).when(low.is_in(list(described.wrong))).then(0.0)
                           .otherwise(None)).to_series()  # fmt: skip
    return answer, text.is_not_null() & answer.is_null()


#: Forms of a time in which logs write it, the most exact first.
_TIMES = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def _order(cells: pl.Series, text: pl.Series, described: LogDescription) -> tuple[pl.Series, pl.Series, bool]:
    """Return the order as a number, where it is none, and whether it is a time in seconds."""
    if cells.dtype.is_temporal() and cells.dtype != pl.Duration:
        found = cells.cast(pl.Datetime("us"), strict=False).dt.timestamp("us") / 1e6
        return found, cells.is_not_null() & found.is_null(), True
    if not described.form:
        number = text.cast(pl.Float64, strict=False)
        number = pl.select(pl.when(number.is_finite()).then(number)).to_series()
        if 2 * number.count() >= text.count():
            return number, text.is_not_null() & number.is_null(), False
    best = pl.Series([None] * len(text), dtype=pl.Float64)
    for form in (described.form,) if described.form else _TIMES:
        try:
            timed = "%H" in form or "%I" in form
            when = (text.str.to_datetime(form, strict=False, time_unit="us") if timed
                    else text.str.to_date(form, strict=False).cast(pl.Datetime("us")))  # fmt: skip
        except pl.exceptions.PolarsError:
            if described.form:
                raise _refused("mapping", [("[order] form", "this is not a form of times", "Write it like %Y-%m-%d %H:%M:%S.")]
                               ) from None  # fmt: skip
            continue
        found = when.dt.replace_time_zone(None).dt.timestamp("us") / 1e6
        if found.count() > best.count():
            best = found
        if 2 * best.count() >= max(text.count(), 1):
            break
    return best, text.is_not_null() & best.is_null(), True


# -- one response, all its skills ---------------------------------------------------------------------------------------


def _log(kept: pl.DataFrame, rows: pl.Series, described: LogDescription, dated: bool) -> tuple[ResponseLog, Merged]:
    """Return the responses of rows that were kept, with the copies of an answer joined."""
    frame = kept.with_columns(rows.alias("row"))
    for role, kind in (("order", pl.Float64), ("item", pl.String), ("response", pl.String), ("split", pl.String)):
        if role not in frame.columns:
            frame = frame.with_columns(pl.lit(None, kind).alias(role))
    if "order" not in kept.columns:
        frame = frame.with_columns(pl.int_range(pl.len()).cast(pl.Float64).alias("order"))
    students, student = _numbered(frame["student"])
    items, item = _numbered(frame["item"])
    cells, entries = _skills(frame["skill"], described.joined_by)
    skills, tag = _numbered(cells)
    _, response = _numbered(frame["response"])
    order, right = frame["order"].to_numpy().astype(np.float64), frame["correct"].to_numpy().astype(np.float64)
    # Rows that share an order stand together by response and item, in the order in which the file has the first of them.
    together = frame.select(pl.int_range(pl.len()).first().over("student", "order", "response", "item", "correct")).to_series()
    at = np.lexsort((np.arange(len(student)), together.to_numpy(), order, student))
    whole = Entries(student[at], order[at], right[at], item[at], response[at], _first_tag(tag, entries, len(student))[at])
    group, by = np.arange(len(at)), ""
    if described.join_copies:
        group, by = copies_of(whole, "response" in described.columns, "order" in described.columns, "item" in described.columns)
    number, leads = np.unique(group, return_inverse=True)[1], np.unique(group, return_index=True)[1]
    # The skills of each response, each once and in order.
    of_row = np.empty(len(at), dtype=np.int64)
    of_row[at] = number
    pairs = np.unique(np.stack([of_row[entries], tag]), axis=1) if len(tag) else np.empty((2, 0), dtype=np.int64)
    counts = np.bincount(pairs[0], minlength=len(leads))
    lead_rows = at[leads]
    part = _parts(frame["split"], described)[lead_rows]
    beside = {name: frame[name].fill_null(np.nan).to_numpy()[lead_rows] for name in BESIDE if name in kept.columns}
    log = ResponseLog(
        students, skills, items, student[lead_rows], order[lead_rows], right[lead_rows], item[lead_rows], pairs[1],
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), part, frame["row"].to_numpy()[lead_rows], beside, dated,
    )  # fmt: skip
    twice = repeated(whole, number)
    several = (counts > 1) & (np.bincount(number, minlength=len(leads)) > 1)
    return log, Merged(len(at) - len(leads) - twice, twice, int(several.sum()), by)


def _numbered(cells: pl.Series) -> tuple[tuple[str, ...], Ints]:
    """Return the distinct values of a column in order, and for each row the place of its own; -1 for none."""
    names = cells.drop_nulls().unique().sort()
    if not len(names):
        return (), np.full(len(cells), -1, dtype=np.int64)
    found = cells.replace_strict(names, pl.Series(range(len(names)), dtype=pl.Int64), default=-1, return_dtype=pl.Int64)
    return tuple(names.to_list()), found.fill_null(-1).to_numpy().astype(np.int64)


def _skills(cells: pl.Series, joined_by: str) -> tuple[pl.Series, Ints]:
    """Return the skills of all rows one below the other, and of which row each is."""
    if not joined_by:
        there = cells.is_not_null()
        return cells.filter(there), there.arg_true().to_numpy().astype(np.int64)
    parted = pl.DataFrame({"at": np.arange(len(cells)), "skill": cells.str.split(joined_by)}).explode("skill")
    parted = parted.with_columns(pl.col("skill").str.strip_chars()).filter(pl.col("skill") != "")
    return parted["skill"], parted["at"].to_numpy().astype(np.int64)


def _first_tag(tag: Ints, entries: Ints, rows: int) -> Ints:
    found = np.full(rows, -1, dtype=np.int64)
    found[entries[::-1]] = tag[::-1]
    return found


def _parts(cells: pl.Series, described: LogDescription) -> Ints:
    """Return who judges: 0 learns and 1 judges, or the number of a fold; -1 where the log does not say."""
    if "split" not in described.columns:
        return np.full(len(cells), -1, dtype=np.int64)
    if described.folds:
        return _numbered(cells)[1]
    return cells.is_in(list(described.judge)).cast(pl.Int64).fill_null(-1).to_numpy().astype(np.int64)


# -- a first draft of a description -----------------------------------------------------------------------------------

#: Names by which logs call what they hold, the best first: letters and digits alone, in small letters.
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "student": ("studentid", "userid", "anonstudentid", "uid", "student", "user", "learnerid", "learner", "pupilid"),
    "skill": ("skillid", "skill", "skills", "skillids", "kcdefault", "kc", "kcs", "knowledgecomponent", "concepts", "concept",
              "conceptid", "sequenceid", "tags", "tag", "skillname", "topic", "topicid", "standard", "standardid"),
    "correct": ("correct", "iscorrect", "answeredcorrectly", "correctfirstattempt", "responses", "outcome", "right", "isright",
                "score", "result"),
    "order": ("orderid", "order", "logid", "timestamps", "timestamp", "starttime", "problemstarttime", "stepstarttime", "time",
              "timedone", "datetime", "date", "position", "seq", "step", "index", "idx", "row"),
    "item": ("problemid", "itemid", "questionid", "exerciseid", "contentid", "questions", "question", "problem", "item",
             "exercise", "stepid", "stepname"),
    "response": ("responseid",),
    "split": ("split", "fold", "folds", "partition", "subset", "trainortest"),
    "seconds": ("seconds", "timetaken"),
    "milliseconds": ("msfirstresponse", "msfirstresponsetime", "milliseconds"),
    "attempts": ("attemptcount", "attempts"),
    "hints": ("hintcount", "hints"),
}  # fmt: skip

#: Signs by which several skills are joined in one cell, and what joins cells of codes alone.
_JOINS, _CODE_JOINS = ("~~", ";", ",", "|"), ("_", "-")

#: Rows that a draft looks at.
_LOOKED_AT = 200_000


def draft(path: Path) -> tuple[str, list[str]]:
    """Return a draft of the TOML that describes a log, and what there is to say of it.

    Columns are recognised by the names that public logs give them. What is not recognised stands there empty, and a draft with
    an empty column that is needed is refused until it is filled in.
    """
    described = LogDescription({})
    encoding = separator = ""
    if path.suffix.lower() == ".parquet":
        try:
            frame = pl.scan_parquet(path).head(_LOOKED_AT).collect()
        except (pl.exceptions.PolarsError, OSError):
            raise Refused([Problem("unreadable_file", path.name, "it is not Parquet", "Send a CSV or Parquet file.",
                                   file=path.name)], "The log cannot be read") from None  # fmt: skip
        names = frame.columns
    else:
        if not path.is_file():
            raise Refused([Problem("unreadable_file", path.name, "there is no such file", "Give one CSV or Parquet file.",
                                   file=path.name)], "The log cannot be read")  # fmt: skip
        with path.open("rb") as file:
            start = file.read(LARGE // 8)
        whole = len(start) == path.stat().st_size
        text = delimited.read(start if whole else start[: start.rfind(b"\n") + 1], path.name)
        names, separator, encoding = list(text.names), text.separator, text.encoding
        frame = text.rows.select(str(at) for at in range(len(names))).head(_LOOKED_AT)
    cells = {name: _text(frame.to_series(at), described) for at, name in enumerate(names)}
    return _drafted(path, names, cells, separator, encoding)


def _drafted(
    path: Path, names: Sequence[str], cells: Mapping[str, pl.Series], separator: str, encoding: str
) -> tuple[str, list[str]]:
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    found: dict[str, str] = {}
    for role, known in _KNOWN.items():
        name = next((plain[one] for one in known if one in plain and plain[one] not in found.values()), "")
        if name and cells[name].count():
            found[role] = name
    if "seconds" in found:
        found.pop("milliseconds", None)
    lines = ["# A log of responses. What stands empty is for you to fill in; a line that is taken out is not read."]
    lines += ["", "[file]", 'name = "responses"   # of the model']
    if separator and separator != ",":
        lines.append(f"separator = {quoted(separator)}")
    if encoding and encoding != "utf-8":
        lines.append(f"encoding = {quoted(encoding)}")
    lines += ["", "[columns]"]
    lines += [f"{role} = {quoted(found.get(role, ''))}   # {ROLES[role]}" for role in ROLES if role in found or role in NEEDED]
    others = [name for name in names if name not in found.values()]
    lines.append(f"# Not read: {', '.join(others) or 'none'}.")
    sign = _listing(found, cells)
    if sign:
        lines += ["", "[sequences]", f"joined_by = {quoted(sign)}   # a row holds many responses"]
        cells = {name: one.str.split(sign).explode().str.strip_chars() if name not in (found.get("student"), found.get("split"))
                 else one for name, one in cells.items()}  # fmt: skip
    lines += [*_drafted_answers(found, cells), *_drafted_skills(found, cells), *_drafted_split(found, cells)]
    told = [f"{path.name} as a log of responses: {len(found)} of its {len(names)} columns were recognised."]
    told += [f"No column was recognised as the {role}: name it under [columns]." for role in NEEDED if role not in found]
    if "order" not in found:
        told.append("No column tells the order: the rows are taken to stand in it.")
    return "\n".join([*lines, ""]), told


def _listing(found: Mapping[str, str], cells: Mapping[str, pl.Series]) -> str:
    """Return what parts the responses of a row that holds many, or nothing."""
    if "correct" not in found:
        return ""
    answers = cells[found["correct"]].drop_nulls()
    return next((sign for sign in (",", ";", " ") if len(answers) and 2 * answers.str.contains(sign, literal=True).sum()
                 > len(answers)), "")  # fmt: skip


def _drafted_answers(found: Mapping[str, str], cells: Mapping[str, pl.Series]) -> list[str]:
    if "correct" not in found:
        return []
    words = {word.lower() for word in cells[found["correct"]].drop_nulls().unique().to_list()} - {"-1"}
    if words <= {*RIGHT, *WRONG}:
        return []
    shares = pl.Series(sorted(words), dtype=pl.String).cast(pl.Float64, strict=False)
    if shares.null_count() == 0:
        most = 100 if float(shares.max() or 0) > 1 else 1  # type: ignore[arg-type]
        return ["", "[correct]", f"right_from = {most}   # answers are shares here: right from this on"]
    right, wrong = sorted(words & set(RIGHT)), sorted(words & set(WRONG))
    rest = sorted(words - set(RIGHT) - set(WRONG))
    if len(rest) > 20:
        return ["", "[correct]", "right = []   # this column holds many words: is it the answer?", "wrong = []"]
    return ["", "[correct]", f"right = [{', '.join(map(quoted, right))}]",
            f"wrong = [{', '.join(map(quoted, [*wrong, *rest]))}]   # or are some of these right?"]  # fmt: skip


def _drafted_skills(found: Mapping[str, str], cells: Mapping[str, pl.Series]) -> list[str]:
    if "skill" not in found:
        return []
    skills = cells[found["skill"]].drop_nulls().unique()
    for sign in (*_JOINS, *_CODE_JOINS):
        several = skills.filter(skills.str.contains(sign, literal=True))
        if not len(several):
            continue
        parts = several.str.split(sign).explode().str.strip_chars()
        codes = bool(parts.str.contains(r"^[0-9]+$").all())
        # Parts of a name are no skills; parts that are skills by themselves elsewhere are.
        if sign == "~~" or codes or (sign not in _CODE_JOINS and 2 * parts.is_in(skills.implode()).sum() > len(parts)):
            return ["", "[skills]", f"joined_by = {quoted(sign)}"]
    return []


def _drafted_split(found: Mapping[str, str], cells: Mapping[str, pl.Series]) -> list[str]:
    if "split" not in found:
        return []
    words = {word.lower() for word in cells[found["split"]].drop_nulls().unique().to_list()}
    if words <= {*LEARN, *JUDGE}:
        return []
    if all(re.fullmatch(r"-?[0-9]+", word) for word in words):
        return ["", "[split]", "folds = true"]
    return ["", "[split]", "train = []", f"test = []   # words of the column: {', '.join(sorted(words)[:10])}"]

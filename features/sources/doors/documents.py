"""Files of JSON as rows: one array of objects, or one object after the other, as most systems write logs.

Only the fields that are asked for are taken out of an object; what else it holds is never kept, not even for quarantine.
Numbers stay as they are written: 0.10 is not made into 0.1, and an identifier of twenty digits loses none.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never

import polars as pl

from features.delimited import CAME, ROW
from features.problems import Problem, Refused
from features.quarantine import corrected
from features.validation import Found, Origin

UNREADABLE = "The export cannot be read"

#: Endings of the files that are looked at: an array, or objects line by line.
ENDINGS = (".json", ".jsonl", ".ndjson")

#: How much of a file is looked at to see what it is, in bytes.
_LOOKED_AT = 65_536

#: So many places are named where more are wrong.
_NAMED = 10

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object by its path, such as ``studentReference.studentUniqueId``; a list on the way gives several values.

    ``required``: a file in none of whose objects it is found is another file than its name says. ``either`` is another
    path, for versions that have the field elsewhere.
    """

    path: str
    required: bool = False
    either: str = ""


@dataclass(frozen=True)
class Rows:
    """Rows of text, one for each object or for each element of a list in it, with their place in the file beside them.

    ``wrong`` tells for a field the places where it holds an object and not a value.
    """

    file: str
    frame: pl.DataFrame
    wrong: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def faults(self, origin: Origin) -> list[Found]:
        """Return the faults of fields that hold no value, for the rows that were taken."""
        untouched = origin.content[CAME].is_null() if CAME in origin.content.columns else None
        found = []
        for path, places in self.wrong.items():
            rows = origin.rows.is_in(list(places))
            found.append(Found("bad_value", path, "this is not one value", "Send it as text, a number, or true or false.",
                               rows & untouched if untouched is not None else rows))  # fmt: skip
        return [one for one in found if one.rows.any()]


def beginning(path: Path) -> str:
    """Return the first of a file's text, to see what it is; signs that are not in its encoding are passed over."""
    with path.open("rb") as file:
        raw = file.read(_LOOKED_AT)
    return raw.decode(_encoding(raw), "ignore")


def _encoding(raw: bytes) -> str:
    return next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")


def _refused(code: str, file: str, problem: str, hint: str) -> Refused:
    return Refused([Problem(code, file, problem, hint, file=file)], UNREADABLE)


def _no_number(_: str) -> Never:
    raise ValueError("this is not JSON")


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_number)
_BLANK = re.compile(r"\s*")


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with their places, counted from 1.

    Raises:
        Refused: the file is not text in UTF-8 (or UTF-16 with its mark), not JSON, or holds something else than objects.
            The places of what is wrong are named, the first of them where there are many.

    """
    raw = path.read_bytes()
    try:
        text = raw.decode(_encoding(raw)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _refused("unreadable_file", path.name, "it is not text in UTF-8", "Save it as JSON in UTF-8.") from None
    at = _skipped(text, 0)
    if at == len(text):
        raise _refused("empty_file", path.name, "it is empty", "Send [] where there is nothing to send.")
    if text[at] not in "[{":
        raise _refused("not_json", path.name, "it holds no objects of JSON", _HINT)
    yield from _elements(text, at + 1, path.name) if text[at] == "[" else _lines(text, at, path.name)


_HINT = "Send one array of objects, or one object a line."


def _skipped(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins in a place and where it ends; raise :class:`ValueError` where there is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("this is nested too deeply") from None


def _elements(text: str, at: int, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    place, others = 0, []
    at = _skipped(text, at)
    closed = text[at : at + 1] == "]"
    while not closed:
        try:
            value, at = _value(text, at)
        except ValueError:
            raise _broken(text, at, file) from None
        place += 1
        if isinstance(value, dict):
            yield place, value
        else:
            others.append(place)
        at = _skipped(text, at)
        closed = text[at : at + 1] == "]"
        if not closed:
            if text[at : at + 1] != ",":
                raise _broken(text, at, file)
            at = _skipped(text, at + 1)
    if _skipped(text, at + 1) != len(text):
        raise _broken(text, at + 1, file)
    if others:
        raise _refused("not_an_object", file, f"what stands in place {_listed(others)} of the array is not an object", _HINT)


def _lines(text: str, at: int, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    place = 0
    broken: list[int] = []
    while at < len(text):
        try:
            value, at = _value(text, at)
        except ValueError:
            value = None
        if isinstance(value, dict):
            place += 1
            yield place, value
        else:
            broken.append(text.count("\n", 0, at) + 1 if len(broken) < _NAMED else 0)
            # What follows on a broken line is not believed; the next object begins on a line of its own.
            found = text.find("\n{", at)
            at = len(text) if found < 0 else found
        at = _skipped(text, at)
    if broken:
        raise _refused("not_json", file, f"line {_listed(broken)} is not an object of JSON", _HINT)


def _broken(text: str, at: int, file: str) -> Refused:
    line = text.count("\n", 0, at) + 1
    return _refused("not_json", file, f"it is not JSON from line {line:,} on", "Send the whole file again.")


def _listed(places: Sequence[int]) -> str:
    return ", ".join(f"{place:,}" for place in places[:_NAMED]) + (" and others" if len(places) > _NAMED else "")


# -- fields ------------------------------------------------------------------------------------------------------------


def values(one: object, path: str) -> tuple[list[str], bool]:
    """Return the values at a path as text, each once and in order, and whether something else than values stands there."""
    found, right = [one], True
    for name in path.split("."):
        reached: list[object] = []
        for each in found:
            if isinstance(each, dict):
                inner = each.get(name)
                reached += inner if isinstance(inner, list) else [inner]
            elif each is not None:
                right = False
        found = reached
    told = []
    for each in found:
        if isinstance(each, dict | list):
            right = False
        elif each is not None:
            told.append(_text(each))
    return list(dict.fromkeys(one for one in told if one)), right


def value(one: object, path: str) -> str:
    """Return the first value at a path, empty where there is none."""
    found, _ = values(one, path)
    return found[0] if found else ""


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    # Half of a pair of surrogates is no sign, and no table can hold it.
    return str(cell).encode("utf-8", "replace").decode().strip()


#: What stands between several values of one cell.
SEVERAL = " | "


def rows(path: Path, fields: Sequence[Field], each: str = "") -> Rows:
    """Return the fields of every object as text, with the corrections that lie beside the file.

    Args:
        path: the file.
        fields: what is taken; nothing else is.
        each: the name of a list in the object, of which every element is a row of its own.

    Raises:
        Refused: see :func:`objects`; or a required field is in no object, and every such field is named.

    """
    cells: dict[str, list[str | None]] = {one.path: [] for one in fields}
    wrong: dict[str, set[int]] = {}
    places: list[int] = []
    for place, one in objects(path):
        for part in _parts(one, each):
            places.append(place)
            for taken in fields:
                told, right = values(part, taken.path)
                if not told and right and taken.either:
                    told, right = values(part, taken.either)
                if not right:
                    wrong.setdefault(taken.path, set()).add(place)
                cells[taken.path].append(SEVERAL.join(told) if told and right else None)
    return made(path, cells, places, fields, wrong)


def made(
    path: Path,
    cells: Mapping[str, Sequence[str | None]],
    places: Sequence[int],
    fields: Sequence[Field],
    wrong: Mapping[str, set[int]],
) -> Rows:
    """Return rows of a file from their cells; refuse where a required field is nowhere.

    A field that no object has is not there, like a column that a table lacks.
    """
    frame = pl.DataFrame({name: pl.Series(name, cell, dtype=pl.String) for name, cell in cells.items()})
    frame = corrected(frame.with_columns(pl.Series(ROW, places, dtype=pl.Int64)), path)
    absent = [one for one in fields if frame.height and frame[one.path].null_count() == frame.height]
    lacking = [one.path for one in absent if one.required and one.path not in wrong]
    if lacking:
        hint = f"Each should have: {', '.join(one.path for one in fields if one.required)}."
        said = [(name, f"no object has the field {name}") for name in lacking]
        problems = [Problem("missing_column", path.name, what, hint, file=path.name, column=name) for name, what in said]
        raise Refused(problems, UNREADABLE)
    gone = [one.path for one in absent if not one.required and one.path not in wrong]
    return Rows(path.name, frame.drop(gone), {name: frozenset(where) for name, where in wrong.items()})


def _parts(one: dict[str, Any], each: str) -> list[object]:
    if not each:
        return [one]
    inner = one.get(each)
    return [{**one, each: element} for element in inner] if isinstance(inner, list) else []

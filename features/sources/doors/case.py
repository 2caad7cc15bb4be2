"""CASE 1.1 (and 1.0): a framework of competencies as skills, and which of them comes before which.

A package (``CFPackage``) holds items and associations. Every item is a skill under its identifier. Of the associations only
``precedes`` tells what is learned before what: its origin comes first. That an item is part of another (``isChildOf``) says
where it stands in the document, and nothing of what must be known before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import polars as pl

from features.problems import Problem, Refused
from features.sources.companions import Given, Maker
from features.sources.doors.documents import UNREADABLE, Field, Rows, made, objects, values
from features.validation import LONGEST, Found, Origin, row_numbers

_ITEM = (Field("identifier", required=True), Field("humanCodingScheme"), Field("fullStatement"), Field("abbreviatedStatement"),
         Field("educationLevel"), Field("subject"))  # fmt: skip
_LINK = (Field("associationType", required=True), Field("originNodeURI.identifier", required=True),
         Field("destinationNodeURI.identifier", required=True))  # fmt: skip

#: Years of school in the codes of CEDS, which CASE recommends; others (PK, HS, AD ...) have no number.
_LEVELS = {"KG": "0", "K": "0"} | {f"{at:02d}": str(at) for at in range(1, 14)} | {str(at): str(at) for at in range(1, 14)}


def is_case(text: str) -> bool:
    """Return whether the beginning of a file is that of a package."""
    return '"CFItems"' in text or '"CFDocument"' in text


@dataclass(frozen=True)
class Framework:
    """One file with one or more packages, read once. Its items and its associations are told as files of their own."""

    path: Path

    @property
    def names(self) -> tuple[str, str]:
        """The names by which problems, accounts and corrections speak of the items and the associations."""
        return f"{self.path.stem}.CFItems.json", f"{self.path.stem}.CFAssociations.json"

    @cached_property
    def _read(self) -> tuple[Rows, Rows]:
        packages = []
        for _, one in objects(self.path):
            inner = one.get("CFPackage", one)
            if not isinstance(inner, dict) or not isinstance(inner.get("CFItems"), list):
                raise Refused([Problem("not_a_package", self.path.name, "it holds no CFItems", "Send the whole CFPackage.",
                                       file=self.path.name)], UNREADABLE)  # fmt: skip
            packages.append(inner)
        subjects = [next(iter(values(one, "CFDocument.subject")[0]), "") for one in packages]
        items = self._rows(0, _ITEM, ((each, subject) for one, subject in zip(packages, subjects, strict=True)
                                      for each in one["CFItems"]))  # fmt: skip
        links = self._rows(1, _LINK, ((each, "") for one in packages for each in one.get("CFAssociations") or ()))
        return items, links

    def _rows(self, which: int, fields: Sequence[Field], given: Iterator[tuple[Any, str]]) -> Rows:
        cells: dict[str, list[str | None]] = {one.path: [] for one in fields}
        wrong: dict[str, set[int]] = {}
        places: list[int] = []
        for place, (one, subject) in enumerate(given, start=1):
            places.append(place)
            for taken in fields:
                told, right = values(one, taken.path)
                if not told and taken.path.endswith("NodeURI.identifier"):
                    told, right = values(one, taken.path.removesuffix(".identifier"))
                    right = right or not told
                if not right:
                    wrong.setdefault(taken.path, set()).add(place)
                if taken.path == "subject" and not told and subject:
                    told = [subject]
                cells[taken.path].append(" | ".join(told) if told and right else None)
        return made(self.path.with_name(self.names[which]), cells, places, fields, wrong)

    @cached_property
    def codes(self) -> dict[str, str]:
        """The key of each skill by its code, where the code is that of one item alone."""
        items = self._read[0].frame
        if not {"humanCodingScheme", "identifier"} <= set(items.columns):
            return {}
        found: dict[str, set[str]] = {}
        for code, key in items.select("humanCodingScheme", _key("identifier")).drop_nulls().iter_rows():
            found.setdefault(code, set()).add(key)
        return {code: next(iter(keys)) for code, keys in found.items() if len(keys) == 1}

    def skills(self, _: Mapping[str, pl.DataFrame]) -> list[Given]:
        """Return the items as rows of ``skills``."""
        read = self._read[0]
        frame = read.frame.with_columns(pl.lit(None, pl.String).alias(one.path) for one in _ITEM
                                        if one.path not in read.frame.columns)  # fmt: skip
        full = pl.col("fullStatement")
        # A statement as long as a page is told by its short form, or its beginning: the skill is no less a skill.
        short = pl.coalesce("abbreviatedStatement", full.str.slice(0, LONGEST - 4) + " ...")
        statement = pl.when(full.str.len_chars() > LONGEST).then(short).otherwise(full)
        skills = frame.select(
            _key("identifier").alias("skill_id"),
            pl.coalesce(statement, "abbreviatedStatement", "humanCodingScheme").alias("statement"),
            pl.col("subject").str.replace(r" \| .*$", ""),
            pl.col("educationLevel").replace_strict(_LEVELS, default=None, return_dtype=pl.String).alias("grade_level"),
        )
        names = {"skill_id": "identifier", "statement": "fullStatement", "grade_level": "educationLevel"}
        return [self._given(read, skills, read.frame, names)]

    def prerequisites(self, _: Mapping[str, pl.DataFrame]) -> list[Given]:
        """Return the associations that say what comes first as rows of ``skill_prerequisites``; the others are left out."""
        read = self._read[1]
        if read.frame.is_empty():
            return []
        kinds = read.frame["associationType"] if "associationType" in read.frame.columns else None
        first = kinds.str.to_lowercase().fill_null("precedes") == "precedes" if kinds is not None else None
        content = read.frame.filter(first) if first is not None else read.frame
        others = Counter(kinds.filter(~first).to_list()) if kinds is not None and first is not None else Counter[str]()
        pairs = content.select(_key("destinationNodeURI.identifier").alias("skill_id"),
                               _key("originNodeURI.identifier").alias("prerequisite_id"))  # fmt: skip
        new = pairs.select(pl.struct(pl.all()).is_first_distinct() | pl.any_horizontal(pl.all().is_null())).to_series()
        if again := int((~new).sum()):
            others["that say again what another says"] = again
        pairs, content = pairs.filter(new), content.filter(new)
        names = {"skill_id": "destinationNodeURI.identifier", "prerequisite_id": "originNodeURI.identifier"}
        same = pairs.select((pl.col("skill_id") == pl.col("prerequisite_id")).fill_null(value=False)).to_series()
        itself = Found("own_prerequisite", ", ".join(names.values()), "it comes before itself", "Take it away.", same)
        left = sum(others.values()), "; ".join(f"{count:,} {_shown(kind)}" for kind, count in sorted(others.items()))
        return [self._given(read, pairs, content, names, [itself] if itself.rows.any() else [], left)]

    @staticmethod
    def _given(read: Rows, frame: pl.DataFrame, content: pl.DataFrame, names: Mapping[str, str], found: Sequence[Found] = (),
               left: tuple[int, str] = (0, "")) -> Given:  # fmt: skip
        origin = Origin(content, row_numbers(content, read.file), names, tuple(found), *left)
        origin = Origin(content, origin.rows, names, (*found, *read.faults(origin)), *left)
        return Given(read.file, frame, origin)


def _shown(kind: str) -> str:
    """Return a type of associations as it may be told: of one that is no word only that it is another."""
    return kind if re.fullmatch(r"[A-Za-z ]{1,40}", kind) else "of another type"


def _key(path: str) -> pl.Expr:
    """Return an identifier without what some systems put before it: the address of the item, or ``urn:uuid:``."""
    return pl.col(path).str.replace(r"^(?:urn:uuid:|[a-z]+://.*/)", "")


def makers(frameworks: Sequence[Framework]) -> dict[str, list[Maker]]:
    """Return what makes the rows of ``skills`` and ``skill_prerequisites``."""
    return {
        "skills": [one.skills for one in frameworks],
        "skill_prerequisites": [one.prerequisites for one in frameworks],
    } if frameworks else {}  # fmt: skip


def by_code(maker: Maker, frameworks: Sequence[Framework]) -> Maker:
    """Return a maker whose rows name skills by their keys where they named them by the code of one item."""
    return partial(_by_code, maker, frameworks)


def _by_code(maker: Maker, frameworks: Sequence[Framework], tables: Mapping[str, pl.DataFrame]) -> list[Given]:
    codes, own = codes_of(frameworks), {name for one in frameworks for name in one.names}
    found = []
    for one in maker(tables):
        if one.file in own:
            found.append(one)
            continue
        named = [name for name in ("skill_id", "prerequisite_id") if name in one.frame.columns]
        frame = one.frame.with_columns(pl.col(name).cast(pl.String).str.strip_chars().replace(codes) for name in named)
        origin = one.origin or Origin(one.frame, row_numbers(one.frame, one.file))
        found.append(_not_again(Given(one.file, frame, origin), one.frame, frameworks))
    return found


def _not_again(one: Given, before: pl.DataFrame, frameworks: Sequence[Framework]) -> Given:
    """Return rows without those that name by code a skill, or what comes before one, that a framework tells of itself."""
    key = [name for name in ("skill_id", "prerequisite_id") if name in one.frame.columns]
    if set(one.frame.columns) >= {"skill_id", "prerequisite_id"}:
        told = [given.frame.select(key) for framework in frameworks for given in framework.prerequisites({})]
    elif "statement" in one.frame.columns:
        told = [given.frame.select(key) for framework in frameworks for given in framework.skills({})]
    else:
        return one
    coded = pl.any_horizontal(pl.col(name) != before[name].cast(pl.String) for name in key).alias("coded")
    theirs = pl.concat(told).unique().with_columns(told=pl.lit(value=True))
    rows = one.frame.with_columns(coded).join(theirs, on=key, how="left", maintain_order="left")
    again = rows.select(pl.col("coded").fill_null(value=False) & pl.col("told").fill_null(value=False)).to_series()
    count, origin = int(again.sum()), one.origin
    if not count or origin is None:
        return one
    faults = tuple(Found(f.code, f.column, f.problem, f.hint, f.rows.filter(~again)) for f in origin.found)
    why = "; ".join(part for part in (origin.why, f"{count:,} that a framework tells of itself") if part)
    left = Origin(origin.content.filter(~again), origin.rows.filter(~again), origin.names, faults, origin.left_out + count, why)
    return Given(one.file, one.frame.filter(~again), left)


def codes_of(frameworks: Sequence[Framework]) -> dict[str, str]:
    """Return the key of each skill by its code, where it is that of one skill in all frameworks; a key is no code."""
    found: dict[str, set[str]] = {}
    for one in frameworks:
        for code, key in one.codes.items():
            found.setdefault(code, set()).add(key)
    return {code: next(iter(keys)) for code, keys in found.items() if len(keys) == 1}

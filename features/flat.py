"""One flat file, one row per student: what its columns mean, told by a TOML file, and the numbers made of them.

Most who start have such a file and no export. What its columns say of a student nobody can guess, so a description
brings the words, the outcome, the groups for the audit and the way to judge. A :class:`Description` is a value: it
makes a catalogue of its own, travels with the model as data, and turns the same row into the same numbers in training,
in a batch and in a request.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import CONCEPTS, Catalog, Feature, Higher, Words, fingerprint
from features.phrases import fill
from features.problems import Problem, Refused
from features.tables import Column, Table
from features.validation import Checked, check, day

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "yes_no", "category"]
Outcome = Literal["regression", "binary", "multiclass"]
How = Literal["folds", "given_folds", "split", "time"]

#: Parts of the name of a column that is about who a student is: given as an input, it takes a word about why.
_WHO = ("gender", "ethnic", "religio", "disab", "national", "nacional", "citizen", "birth", "marital", "mother", "father",
        "parent", "guardian", "income", "migra", "caste", "orientation", "famsize", "pstatus", "medu", "fedu", "mjob", "fjob",
        "deprivation", "first language", "home language", "native", "special needs", "special education")  # fmt: skip
_WHO_ALONE = frozenset(
    {"sex", "age", "race", "racial", "sen", "iep", "ell", "esl", "zip", "postcode", "address", "lunch", "faith"}
)

#: A label's name is that of its model in the registry and in every prediction's identifier.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

#: Columns that the check of an export gives a meaning of its own.
_TAKEN = ("known_on", "deleted", "tenant")

#: Splits into more folds than this leave nothing to judge in each.
_MOST_FOLDS = 50


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is written. ``missing`` are words for a missing value, beside an empty cell and a question mark."""

    separator: str = ","
    decimal: str = "."
    encoding: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What is predicted, and what is said of it.

    ``happened`` and ``did_not`` complete "Of 100 students with a similar pattern, 31 ...; 69 ...": of a binary outcome,
    of the ``concern`` classes, or of a number beyond ``line``. ``higher`` says which end of a number is a concern.
    ``last`` names the column that is the same measure taken last, which the model must beat.
    """

    name: str
    column: str
    kind: Outcome
    says: str
    horizon: str
    unit: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    higher: Higher = "concern"
    happened: str = ""
    did_not: str = ""
    line: float | None = None
    last: str = ""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=dict)
    concern: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """One column of the file that is read into the model, with its words.

    A ``category`` becomes one feature per value, true or not; ``concern`` and ``strength`` name the values that are
    on a side. ``says_not`` says the other answer of a ``yes_no``.
    """

    column: str
    kind: Kind
    name: str
    says: str
    concept: str
    higher: Higher
    says_not: str = ""
    says_other: str = ""
    unit: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    modifiable: bool = True
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    concern: tuple[str, ...] = ()
    strength: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The only words that a cell may hold; none for a number."""
        return (*self.yes, *self.no) if self.kind == "yes_no" else tuple(self.values)

    def shelf(self) -> list[Feature]:
        """Return the features made of the column."""
        label = slug(self.column)
        if self.kind == "number":
            words = Words(self.name, self.unit, self.says, self.says_other or "{value:g}")
            return [self._feature(label, words, self.range, self.higher, fingerprint(_number, self.column))]
        if self.kind == "yes_no":
            words = Words(self.name, "yes or no", self.says, self.says_not)
            made = fingerprint(_among, self.column, self.yes, self.no)
            return [self._feature(label, words, (0.0, 1.0), self.higher, made)]
        found = []
        for value, says in self.values.items():
            side: Higher = "concern" if value in self.concern else "strength" if value in self.strength else "context"
            made = fingerprint(_among, self.column, (value,), tuple(sorted(self.values)))
            found.append(self._feature(f"{label}__{slug(value)}", Words(f"{self.name}: {value}", "yes or no", says), (0.0, 1.0),
                                       side, made))  # fmt: skip
        return found

    def _feature(self, name: str, words: Words, bounds: tuple[float, float], higher: Higher, made: str) -> Feature:
        return Feature(name, "derived", self.concept, ("student",), bounds, higher, self.modifiable, words, made,
                       f"Of the column {self.column}.")  # fmt: skip

    def numbers(self) -> list[pl.Expr]:
        """Return the expressions that make the features of :meth:`shelf` of a checked column, in the same order."""
        if self.kind == "number":
            return [_number(self.column)]
        if self.kind == "yes_no":
            return [_among(self.column, self.yes)]
        return [_among(self.column, (value,)) for value in self.values]


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64)


def _among(column: str, words: Sequence[str]) -> pl.Expr:
    return pl.col(column).is_in(list(words)).cast(pl.Float64)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who judges: ``time`` and ``split`` name a column whose later or given rows do, ``given_folds`` one that numbers folds.

    ``folds`` cuts students into ``parts`` (0: as many as suit the rows) by a digest of their key. Then nobody is judged later.
    """

    how: How = "folds"
    column: str = ""
    parts: int = 0
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    test_from: str = ""


@dataclass(frozen=True)
class Description:
    """What a TOML file says of a flat file. ``raw`` is the same as plain values, as a model carries it."""

    dialect: Dialect
    key: str
    label: Label
    columns: tuple[Given, ...]
    groups: Mapping[str, str]
    plan: Plan
    raw: Mapping[str, Any] = field(repr=False)

    @cached_property
    def catalog(self) -> Catalog:
        """The features of the file, in the order of the description."""
        return Catalog(tuple(one for given in self.columns for one in given.shelf()))

    @cached_property
    def read(self) -> tuple[str, ...]:
        """The columns that are read for any purpose; whatever else the file holds stays outside."""
        named = (self.key, *(one.column for one in self.columns), *self.groups, self.label.column, self.plan.column)
        return tuple(dict.fromkeys(name for name in named if name))

    def read_as(self, other: Description) -> Description:
        """Return this description of a file that is written as another one says: its signs, encoding and key.

        A model goes on meaning what it learned, whatever was changed in the words of the file since.
        """
        return replace(self, dialect=other.dialect, key=other.key)

    def table(self, labelled: bool) -> Table:
        """Return what a row must be: to learn from, with label and groups, or only to be scored."""
        columns = [Column(self.key, pl.String(), "Key of the student.", "confidential", "join", natural=True, required=True)
                   ] if self.key else []  # fmt: skip
        for one in self.columns:
            bounds = one.range if one.kind == "number" else (None, None)
            kind = pl.Float64() if one.kind == "number" else pl.String()
            columns.append(Column(one.column, kind, one.name, "confidential", "feature", values=one.words, least=bounds[0],
                                  most=bounds[1]))  # fmt: skip
        if labelled:
            columns.append(self._label_column())
            columns += [Column(name, pl.String(), says, "restricted", "audit_only") for name, says in self.groups.items()]
            if self.plan.column and self.plan.column not in {one.name for one in columns}:
                words = (*self.plan.train, *self.plan.test)
                columns.append(Column(self.plan.column, pl.String(), "Who judges.", "internal", "join", required=True,
                                      values=words))  # fmt: skip
        return Table(self.label.name, self.label.says, tuple(columns))

    def _label_column(self) -> Column:
        one = self.label
        if one.kind == "regression":
            return Column(one.column, pl.Float64(), one.says, "restricted", "label", least=one.range[0], most=one.range[1])
        words = tuple(one.classes) if one.kind == "multiclass" else (*one.positive, *one.negative) if one.negative else ()
        return Column(one.column, pl.String(), one.says, "restricted", "label", values=words)


@dataclass(frozen=True)
class FlatTable:
    """Rows of a flat file as numbers.

    ``values`` has a column per feature of the description's catalogue, NaN where unknown. ``label`` is the outcome as a
    number: the value itself, 1 or 0, or the position of the class; NaN where it is not known. ``groups`` are for the
    audit and nothing else; ``plan`` holds the column that says who judges, as text.
    """

    description: Description
    keys: tuple[str, ...]
    values: Floats
    label: Floats
    groups: pl.DataFrame
    plan: pl.Series | None

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Sequence[int]) -> FlatTable:
        """Return some of the rows, by position."""
        plan = None if self.plan is None else self.plan[rows]
        keys = tuple(self.keys[at] for at in rows)
        return replace(self, keys=keys, values=self.values[rows], label=self.label[rows], groups=self.groups[rows], plan=plan)

    @property
    def catalog(self) -> Catalog:
        """The features, in order."""
        return self.description.catalog

    @property
    def frame(self) -> pl.DataFrame:
        """Keys and features as one frame, null where unknown."""
        values = pl.from_numpy(self.values, list(self.catalog.names)).fill_nan(None)
        return pl.DataFrame({"student_id": self.keys}, schema={"student_id": pl.String}).hstack(values)


def rows_of(frame: pl.DataFrame, described: Description, file: str, labelled: bool) -> tuple[Checked, FlatTable]:
    """Check rows and turn those that may come in into numbers.

    Args:
        frame: the columns of :meth:`Description.table`, as text or typed. Those that are not there are unknown.
        described: what the columns mean.
        file: the name by which problems speak of the rows.
        labelled: whether outcome and groups are read.

    Returns:
        the account of every row, and the rows kept.

    """
    table = described.table(labelled)
    cells = frame.select(_cleaned(frame, column, described.dialect) for column in table.columns if column.name in frame.columns)
    first = 1 if file.endswith(".parquet") else 2
    checked = check(cells, table, file)
    kept = checked.kept
    if described.key:
        keys = tuple(kept[described.key].to_list())
    else:  # a row set aside keeps its number, and so do the others
        aside = set(checked.quarantined["row"].to_list()) if checked.quarantined.height else set()
        keys = tuple(str(at) for at in range(first, first + frame.height) if at not in aside)
    missing = [pl.lit(None, column.type).alias(column.name) for column in table.columns if column.name not in kept.columns]
    kept = kept.with_columns(missing)
    exprs = [expr.alias(str(at)) for at, expr in enumerate(e for one in described.columns for e in one.numbers())]
    values = kept.select(exprs).fill_null(float("nan")).to_numpy().astype(np.float64).reshape(kept.height, len(exprs))
    nobody = np.full(kept.height, np.nan)
    return checked, FlatTable(
        described,
        keys,
        np.ascontiguousarray(values),
        _outcomes(kept[described.label.column], described.label) if labelled else nobody,
        kept.select(list(described.groups)) if labelled else pl.DataFrame(),
        kept[described.plan.column].cast(pl.String) if labelled and described.plan.column else None,
    )


def _cleaned(frame: pl.DataFrame, column: Column, dialect: Dialect) -> pl.Expr:
    """Return a column with the file's own words for a missing value as null, and its decimals with a point."""
    cell = pl.col(column.name)
    if frame.schema[column.name] != pl.String:
        return cell
    cell = cell.str.strip_chars()
    cell = pl.when(~cell.is_in(list(dialect.missing))).then(cell)
    if dialect.decimal != "." and column.type == pl.Float64():
        cell = cell.str.replace_all(dialect.decimal, ".", literal=True)
    return cell.alias(column.name)


def _outcomes(cells: pl.Series, label: Label) -> Floats:
    if label.kind == "regression":
        return cells.fill_null(float("nan")).to_numpy().astype(np.float64)
    if label.kind == "binary":
        found = cells.is_in(list(label.positive)).cast(pl.Float64)
    else:
        places = {word: float(at) for at, word in enumerate(label.classes)}
        found = cells.replace_strict(places, default=None, return_dtype=pl.Float64)
    return found.fill_null(float("nan")).to_numpy().astype(np.float64)


def slug(text: str) -> str:
    """Return a name of small letters, digits and underscores, as features are called.

    >>> slug("Mother's qualification ")
    'mother_s_qualification'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_") or "x"


def is_about_who(column: str) -> bool:
    """Whether a column's name is one by which files tell who a student is: sex, age, parents' education and the like.

    >>> is_about_who("Mother's qualification"), is_about_who("studytime")
    (True, False)
    """
    plain = re.sub(r"[^a-z0-9]+", " ", column.lower()).strip()
    return any(part in plain for part in _WHO) or not _WHO_ALONE.isdisjoint(plain.split())


# -- reading a description ------------------------------------------------------------------------------------------


def read_description(path: Path) -> Description:
    """Read the TOML file that describes a flat file.

    Raises:
        Refused: with everything that is missing or wrong in it, at its place.

    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refused([_Fault("", f"it cannot be read ({error.strerror})", "Give the file that --mapping names.")],
                       path.name) from None  # fmt: skip
    except UnicodeDecodeError:
        raise _refused([_Fault("", "it is not in UTF-8", "Save the file in UTF-8.")], path.name) from None
    except tomllib.TOMLDecodeError as error:
        raise _refused([_Fault("", str(error), "Correct the file.")], path.name) from None
    return describe(raw, path.name)


def describe(raw: Mapping[str, Any], file: str = "mapping") -> Description:
    """Return the description that plain values make; raise :class:`Refused` with every problem."""
    plain = cast("dict[str, Any]", json.loads(json.dumps(raw, default=str)))
    faults: list[_Fault] = []
    top = _Section(plain, "", faults)
    dialect = _dialect(top.section("file"))
    key = top.section("file").text("key")
    columns = tuple(_column(name, one) for name, one in top.sections("columns"))
    label = _label(top.section("label"))
    groups = {name: says if isinstance(says, str) else name for name, says in top.mapping("groups").items()}
    plan = _plan(top)
    top.nothing_else()
    _check_together(key, label, columns, groups, plan, faults)
    if faults:
        raise _refused(faults, file)
    return Description(dialect, key, label, columns, groups, plan, plain)


@dataclass(frozen=True, slots=True)
class _Fault:
    where: str
    problem: str
    hint: str


def _refused(faults: Iterable[_Fault], file: str) -> Refused:
    return Refused(
        [Problem("mapping", ", ".join(filter(None, (file, one.where))), one.problem, one.hint, file=file) for one in faults],
        "The description of the file was refused",
    )


class _Section:
    """One table of the TOML, read key by key; what is wrong is noted and reading goes on."""

    def __init__(self, raw: Mapping[str, Any], where: str, faults: list[_Fault]) -> None:
        self.raw, self.where, self.faults = raw, where, faults
        self._read: set[str] = set()

    def fault(self, key: str, problem: str, hint: str) -> None:
        self.faults.append(_Fault(f"{self.where}{'.' if self.where and key else ''}{key}", problem, hint))

    def _take(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        self._read.add(key)
        found = self.raw.get(key)
        if found is None:
            return None
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.fault(key, f"this is not {what}", f"Write {what}.")
            return None
        return found

    def has(self, key: str) -> bool:
        return self.raw.get(key) not in (None, "", [], {})

    def text(self, key: str, default: str = "", required: str = "", one_of: Sequence[str] = ()) -> str:
        found = self._take(key, str, "text between quotes")
        if required and not found and self.raw.get(key) in (None, ""):
            self.fault(key, "this is missing" if key not in self.raw else "this is not filled in yet", required)
        if found and one_of and found not in one_of:
            self.fault(key, "this word is not known here", f"Use one of: {', '.join(one_of)}.")
        return default if found is None or (one_of and found not in one_of) else str(found)

    def number(self, key: str) -> float | None:
        found = self._take(key, (int, float), "a number")
        return None if found is None else float(found)

    def yes(self, key: str, default: bool) -> bool:
        found = self._take(key, bool, "true or false")
        return default if found is None else bool(found)

    def texts(self, key: str, required: str = "") -> tuple[str, ...]:
        found = self._take(key, (list, str, int), "a list of words")
        words = found if isinstance(found, list) else [] if found is None else [found]
        if required and not words:
            self.fault(key, "this is missing", required)
        if any(isinstance(one, list | dict | bool) for one in words):
            self.fault(key, "these are not words", "Write each between quotes, as it stands in the file.")
            return ()
        return tuple(str(one) for one in words)

    def bounds(self, key: str, required: str) -> tuple[float, float]:
        found = self._take(key, list, "a list of two numbers")
        if found is None:
            if key not in self.raw:
                self.fault(key, "this is missing", required)
            return (0.0, 1.0)
        sound = len(found) == 2 and all(isinstance(one, int | float) and not isinstance(one, bool) for one in found)
        if not sound or not found[0] < found[1]:
            self.fault(key, "these are not two numbers, the least first", required)
            return (0.0, 1.0)
        return (float(found[0]), float(found[1]))

    def mapping(self, key: str) -> dict[str, Any]:
        found = self._take(key, dict, f"a table [{key}]")
        return dict(found or {})

    def words(self, key: str, required: str) -> dict[str, str]:
        """Return words for values, each a sentence."""
        found = self.mapping(key)
        if len(found) < 2 and required:
            self.fault(key, "this needs two values or more", required)
        for value, says in found.items():
            if not isinstance(says, str) or not says:
                self.fault(f"{key}.{value}", "this has no words yet", required)
        return {value: str(says) for value, says in found.items()}

    def section(self, key: str) -> _Section:
        self._read.add(key)
        found = self.raw.get(key, {})
        where = f"{self.where}.{key}" if self.where else key
        if not isinstance(found, dict):
            self.faults.append(_Fault(where, "this is not a table", f"Write [{where}] above its keys."))
            found = {}
        return _Section(found, where, self.faults)

    def sections(self, key: str) -> list[tuple[str, _Section]]:
        part = self.section(key)
        return [(name, part.section(name)) for name in part.raw]

    def nothing_else(self) -> None:
        for key in self.raw:
            if key not in self._read:
                self.fault(key, "there is no such key", f"The keys are: {', '.join(sorted(self._read))}.")


def _dialect(part: _Section) -> Dialect:
    separator, decimal = part.text("separator", ","), part.text("decimal", ".", one_of=(".", ","))
    if len(separator) != 1:
        part.fault("separator", "this is not one sign", 'Write the sign between columns, such as ";" or "\\t".')
    if separator == decimal:
        part.fault("decimal", "columns and decimals are parted by the same sign", "Say which sign stands between columns.")
    part.text("key")
    found = Dialect(separator or ",", decimal, part.text("encoding"), part.texts("missing"))
    part.nothing_else()
    return found


_SENTENCE = "Complete a sentence that begins with the student's name; {value} is the number."


def _column(name: str, part: _Section) -> Given:
    kind = cast("Kind", part.text("kind", "number", one_of=("number", "yes_no", "category")))
    number, category = kind == "number", kind == "category"
    says = "" if category else part.text("says", required=_SENTENCE)
    other = part.text("says_other") if number else ""
    for key, text in (("says", says), ("says_other", other)):
        if text and not _fills(text):
            part.fault(key, "this cannot be filled with a number", "Write {value:.0f} where the number belongs.")
    higher: Higher = "context"
    if not category:
        told = part.text("higher", required="Say concern, strength or context: what a higher number (or yes) is.",
                         one_of=("concern", "strength", "context"))  # fmt: skip
        higher = cast("Higher", told or "context")
    found = Given(
        name, kind, part.text("name", required="Give the name of the column in words."), says,
        part.text("concept", required=f"One of: {', '.join(CONCEPTS)}.", one_of=tuple(CONCEPTS)) or "history", higher,
        part.text("says_not") if kind == "yes_no" else "", other, part.text("unit") if number else "",
        part.bounds("range", "Give the least and the most that it can be, like [0, 20].") if number else (0.0, 1.0),
        part.yes("modifiable", default=True),
        part.texts("yes", 'Give the words for yes, like ["yes"].') if kind == "yes_no" else (),
        part.texts("no", 'Give the words for no, like ["no"].') if kind == "yes_no" else (),
        part.words("values", "Give each word of the file a sentence that begins with the student's name.") if category else {},
        part.texts("concern") if category else (), part.texts("strength") if category else (),
    )  # fmt: skip
    for key, values in (("concern", found.concern), ("strength", found.strength)):
        for value in values:
            if value not in found.values:
                part.fault(key, "this names a value that has no words", f"Add it to [{part.where}.values].")
    why = part.text("not_demographic")
    if is_about_who(name) and not why:
        part.fault("", "a column of this name usually tells who a student is, and no model reads that",
                   f'List it under [groups], or say not_demographic = "why" in [{part.where}].')  # fmt: skip
    part.nothing_else()
    return found


def _fills(text: str) -> bool:
    try:
        fill(text, {"value": 1.0})
    except (KeyError, ValueError, IndexError, AttributeError):
        return False
    return True


def _label(part: _Section) -> Label:
    kind = cast("Outcome", part.text("kind", "binary", required="Say regression, binary or multiclass.",
                                     one_of=("regression", "binary", "multiclass")))  # fmt: skip
    regression, several = kind == "regression", kind == "multiclass"
    name = part.text("name", required="Give the model a name, like final_grade.")
    if name and not _NAME.fullmatch(name):
        part.fault("name", "this is not a name", "Use at most 41 small letters, digits and underscores, a letter first.")
    line = part.number("line") if regression else None
    counted = "" if regression and line is None else "Complete: of 100 students with a similar pattern, 31 ..."
    side = part.text("higher", required="Say concern or strength: what a higher number is.", one_of=("concern", "strength")
                     ) if regression else "concern"  # fmt: skip
    found = Label(
        name, part.text("column", required="Name the column of the outcome."), kind,
        part.text("says", required="Say what is predicted, like: the final grade."),
        part.text("horizon", required="Say how far ahead, like: at the end of the year."),
        part.text("unit") if regression else "",
        part.bounds("range", "Give the least and the most that it can be, like [0, 20].") if regression else (0.0, 1.0),
        cast("Higher", side or "concern"), part.text("happened", required=counted), part.text("did_not", required=counted),
        line, part.text("last"),
        part.texts("positive", "Give the words of the file that mean that it happened.") if kind == "binary" else (),
        part.texts("negative") if kind == "binary" else (),
        part.words("classes", "Give each class words, like: Dropout = \"left before the end\".") if several else {},
        part.texts("concern", "Name the classes in which a check-in is wanted.") if several else (),
    )  # fmt: skip
    if several and not set(found.concern) < set(found.classes):
        part.fault("concern", "these are not some of the classes", "Name one class or more, and not all.")
    part.nothing_else()
    return found


def _plan(top: _Section) -> Plan:
    given = [name for name in ("time", "split", "folds") if top.has(name)]
    if len(given) > 1:
        top.fault("", f"there is more than one way to judge: {', '.join(given)}", "Keep one of them.")
    time, split, folds = (top.section(name) for name in ("time", "split", "folds"))
    if "time" in given:
        plan = Plan("time", time.text("column", required="Name the column of the time."), test_from=time.text("test_from"))
        time.nothing_else()
        return plan
    if "split" in given:
        plan = Plan("split", split.text("column", required="Name the column that tells who judges."),
                    train=split.texts("train", "Give the words of the rows to learn from."),
                    test=split.texts("test", "Give the words of the rows to be judged on."))  # fmt: skip
        split.nothing_else()
        return plan
    column, parts = folds.text("column"), folds.number("number")
    if parts is not None and not (parts == int(parts) and 2 <= parts <= _MOST_FOLDS):
        folds.fault("number", "this is no number of folds", f"Give a whole number from 2 to {_MOST_FOLDS}.")
        parts = None
    folds.nothing_else()
    return Plan("given_folds" if column else "folds", column, int(parts or 0))


def _check_together(
    key: str, label: Label, columns: Sequence[Given], groups: Mapping[str, str], plan: Plan, faults: list[_Fault]
) -> None:
    inputs = [one.column for one in columns]
    if not inputs:
        faults.append(_Fault("columns", "no column is described", "Describe each input under [columns.NAME]."))
    for name in inputs:
        where = f"columns.{name}"
        if name in groups:
            faults.append(_Fault(where, "it is an input and a group", "No group reaches a model: keep one."))
        if name in (label.column, key, plan.column):
            faults.append(_Fault(where, "it is an input and the outcome, the key or the split", "Take it out of the inputs."))
        if name in _TAKEN:
            faults.append(_Fault(where, "this name is taken", "Give the column of the file another name."))
    if label.column and label.column in (key, plan.column, *groups):
        faults.append(_Fault("label.column", "it is the key, the split or a group too", "Name another column."))
    if label.last and not any(one.column == label.last and one.kind == "number" for one in columns):
        faults.append(_Fault("label.last", "it is not a number among the columns", "Name a column of numbers."))
    if plan.test_from and day(plan.test_from) is None and not re.fullmatch(r"-?\d+(\.\d+)?", plan.test_from):
        faults.append(_Fault("time.test_from", "this is neither a date nor a number", "Write YYYY-MM-DD, or a year."))
    slugs: dict[str, str] = {}
    for one in columns:
        for feature in one.shelf():
            if feature.name in slugs:
                faults.append(_Fault(f"columns.{one.column}", f"it is called {feature.name}, as is {slugs[feature.name]}",
                                     "Give the column of the file another name."))  # fmt: skip
            slugs[feature.name] = one.column


def moments(cells: pl.Series) -> Floats | None:
    """Return times as numbers that can be ordered: days of dates, or the numbers themselves; None where some is neither."""
    found = []
    for text in cells.to_list():
        when = day(text) if isinstance(text, str) else None
        if when is not None:
            found.append(float((when - date(1970, 1, 1)).days))
        elif isinstance(text, str) and re.fullmatch(r"-?\d+(\.\d+)?", text):
            found.append(float(text))
        else:
            return None
    return np.array(found)

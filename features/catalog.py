"""A feature is a number and its words in one place; a catalogue is an ordered value of features.

Four forms, one body each. A :class:`Frame` prepares the rows of one or more tables once (age in days, due or
not). :func:`feature` is an aggregate over such a frame. :func:`derived` is a row expression over other features.
:func:`of_class` is a fact of the whole class, which no single student's rows hold: it is measured and kept with the norms.
``relative_to="section"`` on either of the first two adds one more without further code: the student's place in the class,
``<name>_vs_class``, read from :mod:`features.norms`.

Aggregates are counts, sums, minima and maxima of whole numbers, and ratios are taken afterwards, row by row. Sums
of whole numbers do not depend on the order of the rows, so a request, a batch and a cluster give the same bits.

>>> from features.standard import STANDARD
>>> late = STANDARD["handed_in_share"]
>>> late.concept, late.higher, late.range
('coursework', 'strength', (0, 1))
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from features.problems import Problem, Refused
from features.records import SchoolRecords, Snapshot
from features.tables import TABLES, Grain

#: Gives a fact of the class for each row of a cohort: shape ``(rows,)``, NaN where unknown.
Measured = Callable[[SchoolRecords, pl.DataFrame], npt.NDArray[np.float64]]

Higher = Literal["concern", "strength", "context"]
Kind = Literal["aggregate", "derived", "relative", "class"]

#: Concepts in the words of a page: what a group of features is about, and what is said when nothing is known of it.
CONCEPTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "attendance": ("Attendance", "Attendance is not in the records, so it is not counted."),
        "coursework": ("Work handed in", "No assignment has come due yet, so nothing is said about work handed in."),
        "marks": ("Marks", "No mark is known yet."),
        "engagement": ("Activity online", "Online activity is not in the records, so it is not counted."),
        "skills": ("Skills", "There is no evidence of this skill yet."),
        "behaviour": ("Conduct", "Conduct is not in the records, so it is not counted."),
        "history": ("Course history", "The course history is not in the records."),
        "access": ("Access at home", "Whether there is a device and internet at home is not recorded: ask first."),
    }
)

#: Silence online says nothing of a student who cannot be online, nor in a class that does not use the tool. Every
#: feature of the concept ``HIDDEN`` is therefore unknown where ``POSSIBLE`` is 0, or where fewer than ``LEAST_USE`` of
#: the class have any ``USED``: four weeks of teaching, so that neither a holiday nor the days before a course begins
#: hide what a class does (before the first day the rule cost .018 of AUC on a presentation of OULAD).
HIDDEN, POSSIBLE, USED, LEAST_USE = "engagement", "engagement_possible", "active_days_28d", 0.6
BEGUN, BEGUN_DAYS = "days_elapsed", 28

#: What may never be a reason, whatever a model makes of it: context is shown, not held against anybody.
RELATIVE_SUFFIX = "_vs_class"


@dataclass(frozen=True, slots=True)
class Words:
    """What a number is called and how it is said.

    ``says`` completes a sentence that begins with the student's name, with ``{value}`` and any other feature of the
    catalogue by its name. ``says_other`` says the same value of somebody else or of another time ("{value} of 14").
    """

    name: str
    unit: str
    says: str = ""
    says_other: str = ""
    earlier_label: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows prepared once and shared by the features that aggregate over them.

    ``prepare`` takes a :class:`~features.records.Snapshot` and returns one row per event with ``row``, the
    position of the unit in the cohort. ``tables`` are what it needs: where one of them is absent from the
    records, every feature of the frame is unknown (null), not zero.
    """

    name: str
    tables: tuple[str, ...]
    prepare: Callable[[Snapshot], pl.LazyFrame]

    def __post_init__(self) -> None:
        for table in self.tables:
            if table not in TABLES:
                raise ValueError(f"frame {self.name} reads the table {table}, which does not exist")


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of the feature table, with its definition, its words and what may be done with it.

    ``range`` bounds the value. ``higher`` says which side is a concern; ``context`` is on neither side.
    ``modifiable`` features may be named as a focus of help. ``own_earlier`` names the feature that holds the same
    measure of the student's own earlier time. ``relative_input`` tells whether the place in the class enters
    models; where not, the norms are still kept, for the middle of the class in a sentence. A feature without words
    (``words.says == ""``) is an ingredient of others and never enters a model. ``monotone`` declares that the field is
    certain of the direction: with everything else as it is, more on the side that ``higher`` calls a concern never
    lowers a score, whatever the training rows happen to say. ``measured`` gives the value of a fact of the class for each
    row of a cohort, from the whole school's ``tables``.
    """

    name: str
    kind: Kind
    concept: str
    grains: tuple[Grain, ...]
    range: tuple[float, float]
    higher: Higher
    modifiable: bool
    words: Words
    fingerprint: str
    doc: str
    frame: Frame | None = field(default=None, repr=False, compare=False)
    expr: pl.Expr | None = field(default=None, repr=False, compare=False)
    needs: tuple[str, ...] = ()
    relative_to: str = ""
    own_earlier: str = ""
    window_days: int | None = None
    model_input: bool = True
    relative_input: bool = True
    monotone: bool = False
    tables: tuple[str, ...] = ()
    measured: Measured | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.monotone and self.higher == "context":
            raise ValueError(f"{self.name} is context, which has no side that a model could be held to")

    @property
    def direction(self) -> int:
        """1 where more never lowers concern, -1 where more never raises it, 0 where a model may go either way."""
        return 0 if not self.monotone else 1 if self.higher == "concern" else -1

    @property
    def said(self) -> bool:
        """Whether the feature has words of its own."""
        return bool(self.words.says)

    def on_concern_side(self, value: float, comparison: float) -> bool:
        """Whether ``value`` lies on the concern side of ``comparison``; never for context.

        >>> from features.standard import STANDARD
        >>> STANDARD["handed_in_share"].on_concern_side(0.2, 0.9)
        True
        """
        if self.higher == "concern":
            return value > comparison
        return self.higher == "strength" and value < comparison

    def on_strength_side(self, value: float, comparison: float) -> bool:
        """Whether ``value`` lies on the strength side of ``comparison``; never for context."""
        if self.higher == "strength":
            return value > comparison
        return self.higher == "concern" and value < comparison

    def card(self) -> dict[str, Any]:
        """Return what a model carries of the feature: everything but the code, which the fingerprint stands for."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            "concept": self.concept,
            "range": list(self.range),
            "higher": self.higher,
            "modifiable": self.modifiable,
            "relative_to": self.relative_to,
            "own_earlier": self.own_earlier,
            "model_input": self.model_input,
            "monotone": self.monotone,
            "doc": self.doc,
            "words": asdict(self.words),
        }


@dataclass(frozen=True)
class Catalog:
    """Features in the order in which a model reads them.

    Raises :class:`ValueError` when two features share a name, when one needs a feature that comes later or not at
    all, or when a model input has no words: a catalogue that exists is sound.
    """

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for one in self.features:
            if one.name in seen:
                raise ValueError(f"two features are called {one.name}")
            missing = [name for name in (*one.needs, *((one.own_earlier,) if one.own_earlier else ())) if name not in seen]
            if missing and one.kind != "relative" and set(missing) - {one.own_earlier}:
                raise ValueError(f"{one.name} needs {', '.join(missing)}, defined later or not at all")
            seen.add(one.name)
        for one in self.features:
            if one.own_earlier and one.own_earlier not in seen:
                raise ValueError(f"{one.name} compares with {one.own_earlier}, which does not exist")
            if one.model_input and not one.said and one.kind != "relative":
                raise ValueError(f"{one.name} would enter a model without words")
            if one.concept not in CONCEPTS:
                raise ValueError(f"{one.name} belongs to {one.concept}, which is not a concept")

    @classmethod
    def of(cls, *shelves: Sequence[Feature]) -> Catalog:
        """Return a catalogue of several shelves; each ``relative_to`` adds its place in the class."""
        found: list[Feature] = []
        for one in (feature for shelf in shelves for feature in shelf):
            found.append(one)
            if one.relative_to:
                found.append(_relative(one))
        return cls(tuple(found))

    def __getitem__(self, name: str) -> Feature:
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        """Features by name."""
        return {one.name: one for one in self.features}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every feature's name, in order."""
        return tuple(one.name for one in self.features)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of what a model reads, in order."""
        return tuple(one.name for one in self.features if one.model_input)

    @cached_property
    def directions(self) -> tuple[int, ...]:
        """For each input, which way the field is certain of: see :attr:`Feature.direction`."""
        return tuple(one.direction for one in self.features if one.model_input)

    @cached_property
    def relative(self) -> tuple[Feature, ...]:
        """The features that place a student beside the class."""
        return tuple(one for one in self.features if one.kind == "relative")

    @cached_property
    def of_class(self) -> tuple[Feature, ...]:
        """The facts of the class."""
        return tuple(one for one in self.features if one.kind == "class")

    @cached_property
    def derived_in_steps(self) -> tuple[tuple[Feature, ...], ...]:
        """The derived features in steps: each needs only what aggregates and earlier steps give."""
        step: dict[str, int] = {one.name: 0 for one in self.features if one.kind == "aggregate"}
        for one in self.features:
            if one.kind == "derived":
                step[one.name] = 1 + max((step[name] for name in one.needs), default=0)
        last = max(step.values(), default=0)
        return tuple(tuple(self.by_name[name] for name in step if step[name] == at) for at in range(1, last + 1))

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Return where the named features stand among all, in the order of the names."""
        key = ("places", names)
        if key not in self.worked_out:
            at = {name: place for place, name in enumerate(self.names)}
            self.worked_out[key] = [at[name] for name in names]
        found: list[int] = self.worked_out[key]
        return found

    @cached_property
    def _parts(self) -> dict[Grain, Catalog]:
        return {}

    @cached_property
    def worked_out(self) -> dict[object, Any]:
        """What others worked out of this catalogue once and for all, such as the pipeline's passes."""
        return {}

    def at(self, unit: Grain) -> Catalog:
        """Return the part that can be known of such a unit: features at its own grain or a coarser one."""
        if unit not in self._parts:
            order: tuple[Grain, ...] = ("student", "enrolment", "section", "skill")
            fine = order.index(unit)
            mine = tuple(one for one in self.features if any(order.index(grain) <= fine for grain in one.grains))
            self._parts[unit] = Catalog(mine)
        return self._parts[unit]

    def within(self, tables: Collection[str]) -> Catalog:
        """Return the part that can be computed from these tables: what a school did not send enters no model of it."""
        kept: dict[str, Feature] = {}
        for one in self.features:
            frames = one.frame is None or set(one.frame.tables) <= set(tables)
            if frames and set(one.tables) <= set(tables) and all(name in kept for name in one.needs):
                kept[one.name] = one
        return Catalog(tuple(one for one in kept.values() if not one.own_earlier or one.own_earlier in kept))

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The features that say nothing where nobody could be seen: see :data:`HIDDEN`."""
        return tuple(one.name for one in self.features if one.concept == HIDDEN)

    def defines(self, other: Catalog) -> bool:
        """Whether every feature of another catalogue is here, by the same definition."""
        return self.definitions >= other.definitions

    @cached_property
    def definitions(self) -> frozenset[tuple[str, str]]:
        """Every feature's name with the fingerprint of its definition."""
        return frozenset((one.name, one.fingerprint) for one in self.features)

    def with_inputs(self, names: Iterable[str]) -> Catalog:
        """Return the catalogue with just ``names`` as model inputs; the others stay as ingredients and words."""
        chosen = set(names)
        unknown = chosen - set(self.names)
        if unknown:
            raise ValueError(f"no such features: {', '.join(sorted(unknown))}")
        return Catalog(tuple(replace(one, model_input=one.name in chosen) for one in self.features))

    def cards(self) -> list[dict[str, Any]]:
        """Return the catalogue as a model carries it."""
        return [one.card() for one in self.features]

    @classmethod
    def carried(cls, cards: Sequence[Mapping[str, Any]], code: Catalog) -> Catalog:
        """Return the catalogue that a model was trained on, its numbers defined by the code that runs now.

        Raises :class:`Refused` naming every feature whose definition is gone or has changed since: a rollback must
        not meet new code in silence. The words are the model's own.
        """
        problems, found = [], []
        for card in cards:
            name = str(card["name"])
            now = code.by_name.get(name)
            if now is None or now.fingerprint != card["fingerprint"]:
                change = "is not defined any more" if now is None else "is defined differently now"
                problems.append(
                    Problem(
                        "feature_changed",
                        f"feature {name}",
                        f"it {change} (trained on {card['fingerprint']}, code has {now.fingerprint if now else 'none'})",
                        "Serve this version with the release it was trained with, or train and promote a new version.",
                    )
                )
                continue
            found.append(replace(now, words=Words(**card["words"]), model_input=bool(card["model_input"])))
        if problems:
            raise Refused(problems, "The model was trained on other feature definitions")
        return cls(tuple(found))


def feature(
    *,
    frame: Frame | None,
    concept: str,
    unit: str,
    range: tuple[float, float],  # noqa: A002 - the field's own word, and the builtin is not used here
    higher: Higher,
    name: str,
    into: list[Feature],
    says: str = "",
    says_other: str = "",
    earlier_label: str = "",
    own_earlier: str = "",
    relative_to: str = "",
    modifiable: bool = True,
    grains: tuple[Grain, ...] = ("enrolment", "section"),
    windows: tuple[int, ...] = (),
    model_input: bool | None = None,
    relative_input: bool = True,
    monotone: bool = False,
    column: str = "",
) -> Callable[[Callable[..., pl.Expr]], Callable[..., pl.Expr]]:
    """Add an aggregate over ``frame`` to the shelf ``into``, once per window, named as the function is.

    ``column`` names it instead where one body serves several. ``{window}`` in the words is the window in days, and
    ``own_earlier`` may hold it too. Without ``frame`` it is a row expression over other features: see
    :data:`derived`.
    """

    def add(function: Callable[..., pl.Expr]) -> Callable[..., pl.Expr]:
        label = column or function.__name__
        for window in windows or (None,):
            expr = function() if window is None else function(window)

            def fill(text: str, window: int | None = window) -> str:
                return text if window is None else text.replace("{window}", str(window))

            into.append(
                Feature(
                    name=label if window is None else f"{label}_{window}d",
                    kind="aggregate" if frame else "derived",
                    concept=concept,
                    grains=grains,
                    range=range,
                    higher=higher,
                    modifiable=modifiable,
                    words=Words(fill(name), unit, fill(says), fill(says_other), fill(earlier_label)),
                    fingerprint=fingerprint(function, window, *((frame.prepare,) if frame else ())),
                    doc=inspect.getdoc(function) or "",
                    frame=frame,
                    expr=expr,
                    needs=() if frame else tuple(expr.meta.root_names()),
                    relative_to=relative_to,
                    own_earlier=fill(own_earlier),
                    window_days=window,
                    model_input=bool(says) if model_input is None else model_input,
                    relative_input=relative_input,
                    monotone=monotone,
                )
            )
        return function

    return add


#: Adds a row expression over features defined before it; declared like a :func:`feature`, without a frame.
derived = partial(feature, frame=None)


def of_class(
    *, tables: tuple[str, ...], concept: str, unit: str, range: tuple[float, float], name: str, says: str,  # noqa: A002
    into: list[Feature], grains: tuple[Grain, ...] = ("enrolment", "section"), model_input: bool = False,
) -> Callable[[Measured], Measured]:  # fmt: skip
    """Add a fact of the class, named as the function is, which takes the records and a cohort's rows and gives its values.

    It is context: nobody's own doing, and the same for the whole class.
    """

    def add(function: Measured) -> Measured:
        assert isinstance(function, FunctionType)
        into.append(
            Feature(
                function.__name__, "class", concept, grains, range, "context", False, Words(name, unit, says),
                fingerprint(function), inspect.getdoc(function) or "", model_input=model_input, tables=tables,
                measured=function,
            )
        )  # fmt: skip
        return function

    return add


def _relative(base: Feature) -> Feature:
    """Return the feature that says where the student stands in the class on ``base``."""
    return replace(
        base,
        name=base.name + RELATIVE_SUFFIX,
        kind="relative",
        range=(0.0, 1.0),
        words=Words(f"{base.words.name}, beside the class", "share of the class below", "", ""),
        fingerprint=hashlib.sha256(f"{base.fingerprint}|relative_to={base.relative_to}".encode()).hexdigest()[:16],
        doc=f"Share of the class whose {base.words.name} is lower (ties count half), by interpolation in the norms.",
        frame=None,
        expr=None,
        needs=(base.name,),
        own_earlier="",
        model_input=base.relative_input,
    )


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits that change when a definition changes.

    A definition is the source of the functions given, without comments and docstrings, and of everything of ours
    that they call or read, together with plain values such as a window. Library versions do not enter.
    """
    text: list[str] = []
    seen: set[str] = set()

    def visit(thing: object) -> None:
        if isinstance(thing, FunctionType):
            label = f"{thing.__module__}.{thing.__qualname__}"
            if label in seen:
                return
            seen.add(label)
            text.append(_source(thing))
            text.extend(repr(cell.cell_contents) for cell in thing.__closure__ or ())
            for used in sorted(_names_in(thing.__code__)):
                # What is computed once and kept (functools.cache) is defined by the function that it wraps.
                value = getattr(thing.__globals__.get(used), "__wrapped__", thing.__globals__.get(used))
                if isinstance(value, FunctionType) and value.__module__.partition(".")[0] == "features":
                    visit(value)
                elif isinstance(value, str | int | float | tuple | Mapping) and not isinstance(value, ModuleType):
                    text.append(f"{used}={dict(value) if isinstance(value, Mapping) else value!r}")
        else:
            text.append(repr(thing))

    for part in parts:
        visit(part)
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def _names_in(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _source(function: FunctionType) -> str:
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise ValueError(f"{function.__qualname__} has no name to be known by: write it with def")
    node.decorator_list = []
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(node)

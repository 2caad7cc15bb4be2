"""What a model's inputs and scores looked like when it was made, kept with it so that later lists can be compared.

A reference is made by day of the term: on the hundredth day more work is missing than on the tenth, every year. It
holds shares of students in cells, shares unknown, and how much one term differed from the others, so that a year like
the last stays quiet. It holds no student's value: a cell has :data:`LEAST_IN_CELL` students or is told as nearly empty,
and an input that fewer than :data:`LEAST_STUDENTS` have is not described at all.

The measure is the population stability index, the sum of both relative entropies of two sets of shares. Of two samples
of the same students it is not zero: it is distributed as ``(1/n + 1/m)`` times a chi-square with a degree of freedom
less than there are cells (Yurdakul and Naranjo 2020), which in a school of a hundred exceeds .2 as often as not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr
from scipy.stats import chi2, norm

from features.catalog import Catalog

if TYPE_CHECKING:
    from training.run import Run
    from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

#: Fewer students have no distribution, and fewer in a cell would be told one by one.
LEAST_STUDENTS, LEAST_IN_CELL = 50, 10

#: Cells at most: tenths, as the index was always cut. Rows of a day at most: more would only take longer.
CELLS, MOST_ROWS = 10, 6_000

#: What moves by so much between two days of the reference is a clock, on another day another number for everybody. It is
#: compared on those days alone.
CLOCKWORK = 2.0

#: A school's share of known values is kept where it differs so much from that of all schools.
DIFFERS = 0.1


#: For so many days after the last day of the term that a reference tells of, what was known then should be known still.
SOON_AFTER = 14


@dataclass(frozen=True, slots=True)
class Shape:
    """One input on one day of the term, among ``students`` who had it.

    ``known`` is the share of rows in which it was known. ``edges`` cut its values into cells, ``shares`` are of those
    rows. ``spread`` is its standard deviation. ``years`` is the index, beyond chance, of the term that differed most from
    the others, and ``known_years`` the largest difference of the share known; both 0 where there was one term.
    ``later`` is the index between this day and the next of the reference, None on the last. ``same`` is the largest share
    that one value had in any school in any term.
    """

    students: int
    known: float
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    spread: float = 0.0
    years: float = 0.0
    known_years: float = 0.0
    later: float | None = None
    same: float = 1.0

    @property
    def described(self) -> bool:
        """Whether enough students had it for a distribution."""
        return bool(self.shares)


@dataclass(frozen=True, slots=True)
class School:
    """One school on one day: ``known`` names the inputs known there to another degree than elsewhere, ``means`` all."""

    students: int
    known: Mapping[str, float]
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Day:
    """The reference of one day of the term: ``labelled`` is the share of rows whose outcome came to be known.

    ``scores`` is the distribution of the probabilities given to students whom the model had not seen, and ``listed`` the
    share of them above the line of the list; None where nobody was judged on this day.
    """

    day: int
    students: int
    terms: int
    labelled: float
    inputs: Mapping[str, Shape]
    schools: Mapping[str, School]
    scores: Shape | None = None
    listed: float | None = None

    def known(self, name: str, school: str | None = None) -> float:
        """Return the share of rows in which an input was known, in one school or in all."""
        there = self.schools.get(school or "")
        overall = self.inputs[name].known
        return overall if there is None else there.known.get(name, overall)


@dataclass(frozen=True)
class Reference:
    """What is kept with a model. ``weights`` are the features' shares of all that moves its scores."""

    days: Mapping[int, Day]
    weights: Mapping[str, float] = field(default_factory=dict)

    def nearest(self, day: int) -> Day:
        """Return the reference whose day of the term is nearest."""
        return self.days[min(self.days, key=lambda one: (abs(one - day), one))]

    def around(self, day: int) -> tuple[Day, ...]:
        """Return the reference of the last day at or before this one and of the first after it.

        None before the first day, or more than :data:`SOON_AFTER` days after the last: of those nothing is told.
        """
        earlier = [one for one in sorted(self.days) if one <= day]
        later = [one for one in sorted(self.days) if one > day]
        if not earlier or (not later and day - earlier[-1] > SOON_AFTER):
            return ()
        return tuple(self.days[one] for one in (*earlier[-1:], *later[:1]))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"format": 1, "weights": dict(self.weights), "days": [_plain(one) for one in self.days.values()]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Reference:
        """Return what :meth:`as_dict` wrote."""
        days = {}
        for one in found["days"]:
            days[int(one["day"])] = Day(
                int(one["day"]), one["students"], one["terms"], one["labelled"],
                {name: _shape_of(shape) for name, shape in one["inputs"].items()},
                {name: School(**school) for name, school in one["schools"].items()},
                _shape_of(one["scores"]) if one["scores"] else None, one["listed"],
            )  # fmt: skip
        return cls(days, found["weights"])


def _plain(day: Day) -> dict[str, Any]:
    found = asdict(day)
    found["inputs"] = {name: _short(shape) for name, shape in day.inputs.items()}
    found["scores"] = _short(day.scores) if day.scores else None
    return found


def _short(shape: Shape) -> dict[str, Any]:
    """Return what differs from an input of which nothing is told: a reference has thousands of them."""
    nothing = Shape(0, 0.0)
    return {name: value for name, value in asdict(shape).items() if value != getattr(nothing, name)}


def _shape_of(found: Mapping[str, Any]) -> Shape:
    told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return replace(Shape(0, 0.0), **told)


@dataclass(frozen=True)
class Rows:
    """Rows of inputs as they are described or compared.

    ``matrix`` has a row per unit and a column per input, NaN where unknown. ``students``, ``schools`` and ``terms`` say
    whose row it is, ``day`` the day of the term; all of shape ``(rows,)``.
    """

    inputs: tuple[str, ...]
    matrix: Floats
    students: npt.NDArray[Any]
    schools: npt.NDArray[Any]
    terms: npt.NDArray[Any]
    day: npt.NDArray[Any]

    def take(self, rows: npt.NDArray[Any]) -> Rows:
        """Return some of the rows, by mask or position."""
        return Rows(
            self.inputs, self.matrix[rows], self.students[rows], self.schools[rows], self.terms[rows], self.day[rows]
        )


def reference_of(run: Run, model: TrainedModel) -> Reference:
    """Return the reference of a model: of everybody in the terms that it learned from, the scores of the test alone.

    A model's scores of students whom it learned from are surer than any that it will give.
    """
    names = watched(run.table.catalog)
    who, term = run.keys["student_id"].to_numpy(), run.keys["term_id"].to_numpy()
    rows = Rows(names, run.table.matrix(names), who, run.schools.fill_null("").to_numpy(), term, run.day)
    # Of a term under way outcomes are not known, and its lists are what is to be compared.
    closed = np.isin(term, np.unique(term[run.fit | run.held | run.test]))
    found = described(rows.take(closed), run.known[closed], run.settings.seed)
    days = dict(found.days)
    judged = model.score(run.table.take(np.flatnonzero(run.test)), explain=False).probability
    for day in np.unique(run.day[run.test]).tolist():
        at = run.day[run.test] == day
        whose = coded(rows.students[run.test][at])
        if day in days and len(np.unique(whose)) >= LEAST_STUDENTS:
            shape = _shape(judged[at], whose, np.zeros(at.sum(), np.intp), np.zeros(at.sum(), np.intp))
            listed = float((judged[at] >= model.bands["check_in_suggested"]).mean())
            days[day] = replace(days[day], scores=shape, listed=round(listed, 4))
    return Reference(days, _weights(run, model))


def watched(catalog: Catalog) -> tuple[str, ...]:
    """Return the features that are compared: a model's inputs, for a place in the class what it is the place of.

    Places are spread evenly over a class whatever happens in it, so that nothing could be seen in them.
    """
    inputs = (catalog[name] for name in catalog.inputs)
    return tuple(dict.fromkeys(one.needs[0] if one.kind == "relative" else one.name for one in inputs))


def _weights(run: Run, model: TrainedModel, most: int = 200) -> dict[str, float]:
    """Return the share of the mean absolute contributions that hangs on each compared feature, over some rows of the test."""
    at = np.flatnonzero(run.test)
    at = np.sort(np.random.default_rng(run.settings.seed).choice(at, min(most, len(at)), replace=False))
    sizes = np.abs(model.score(run.table.take(at)).contributions).mean(axis=0)
    whole, found = float(sizes.sum()) or 1.0, dict.fromkeys(watched(model.catalog), 0.0)
    for name, size in zip(model.inputs, sizes, strict=True):
        one = model.catalog[name]
        found[one.needs[0] if one.kind == "relative" else name] += float(size) / whole
    return {name: round(share, 4) for name, share in found.items()}


def described(rows: Rows, labelled: npt.NDArray[np.bool_] | None = None, seed: int = 7) -> Reference:
    """Return the reference of rows by day of the term, without scores."""
    rng = np.random.default_rng(seed)
    days: dict[int, Day] = {}
    samples: dict[int, Rows] = {}
    for day in np.unique(rows.day).tolist():
        at = np.flatnonzero(rows.day == day)
        if len(np.unique(rows.students[at])) < LEAST_STUDENTS:
            continue
        chosen = at if len(at) <= MOST_ROWS else np.sort(rng.choice(at, MOST_ROWS, replace=False))
        samples[day] = rows.take(chosen)
        known = 1.0 if labelled is None else float(labelled[at].mean())
        days[day] = _day(int(day), rows.take(at), samples[day], known)
    # How far an input moves from one day to the next: a list is seldom made on the very day of the reference.
    for day, following in pairwise(list(days)):
        inputs = {
            name: replace(shape, later=_index(shape, samples[following].matrix[:, number]))
            for number, (name, shape) in enumerate(days[day].inputs.items())
        }
        days[day] = replace(days[day], inputs=inputs)
    return Reference(days)


def _day(day: int, whole: Rows, sample: Rows, labelled: float) -> Day:
    who, terms = coded(sample.students), coded(sample.terms)
    groups = coded(sample.schools) * (terms.max() + 1) + terms
    inputs = {name: _shape(sample.matrix[:, at], who, terms, groups) for at, name in enumerate(sample.inputs)}
    schools = {}
    for name in np.unique(whole.schools).tolist():
        mine = whole.take(whole.schools == name)
        students = len(np.unique(mine.students))
        if name and students >= LEAST_STUDENTS:
            counts = (~np.isnan(mine.matrix)).sum(axis=0)
            shares = {one: _told(int(count), len(mine.day)) for one, count in zip(mine.inputs, counts, strict=True)}
            sums = np.nansum(mine.matrix, axis=0)
            schools[name] = School(
                students,
                {one: share for one, share in shares.items() if abs(share - inputs[one].known) >= DIFFERS},
                {one: _rounded(total / count) for one, total, count in zip(mine.inputs, sums, counts, strict=True)
                 if count >= LEAST_STUDENTS and inputs[one].described},
            )  # fmt: skip
    students = len(np.unique(whole.students))
    return Day(day, students, int(terms.max()) + 1, round(labelled, 4), inputs, schools)


def _shape(values: Floats, who: Codes, terms: Codes, groups: Codes) -> Shape:
    """Return the shape of one input. ``who``, ``terms`` and ``groups`` (school and term) number the rows from 0."""
    known = ~np.isnan(values)
    share = _told(int(known.sum()), len(values))
    by_term = np.bincount(terms[known], minlength=terms.max() + 1) / np.bincount(terms)
    apart = float(np.abs(by_term - known.mean()).max()) if len(by_term) > 1 else 0.0
    values, who, terms, groups = values[known], who[known], terms[known], groups[known]
    students = len(np.unique(who * (int(terms.max(initial=0)) + 1) + terms))
    if len(np.unique(who)) < LEAST_STUDENTS:
        return Shape(0, share, known_years=round(apart, 4))
    edges = _edges(values, who)
    which = np.searchsorted(edges, values)
    counts = np.zeros((int(terms.max()) + 1, len(edges) + 1))
    np.add.at(counts, (terms, which), 1)
    shares = counts.sum(axis=0) / len(values)
    # A share of fewer than ten students is told as that of five.
    few = np.array([len(np.unique(who[which == cell])) < LEAST_IN_CELL for cell in range(len(shares))])
    shares = np.where(few, LEAST_IN_CELL / 2 / len(values), shares)
    return Shape(
        students, share, tuple(float(edge) for edge in edges), tuple(_rounded(one) for one in shares),
        _rounded(float(values.std())), round(_apart(counts, students / len(values)), 4), round(apart, 4),
        same=round(_same(values, who, groups), 4),
    )  # fmt: skip


def _told(known: int, rows: int) -> float:
    """Return the share known, told as none or all where fewer than ten are on the other side."""
    if known < LEAST_IN_CELL:
        return 0.0
    return 1.0 if rows - known < LEAST_IN_CELL else round(known / rows, 4)


def _rounded(value: float) -> float:
    """Return four digits that mean something: more would make a file of them twice as large."""
    return float(f"{value:.4g}")


def _edges(values: Floats, who: Codes) -> Floats:
    """Return where to cut values into cells: tenths, a value that many have by itself, ten students in each.

    Edges lie between values, so that none is a student's. Where nearly all have one value there is a cell of it and
    one on either side, whoever may be in them.
    """
    found, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    cell = np.minimum((middle * CELLS).astype(np.intp), CELLS - 1)
    cell = np.cumsum(np.diff(cell, prepend=cell[0]) > 0)
    heads = np.array([len(np.unique(who[cell[inverse] == one])) for one in range(cell[-1] + 1)])
    while len(heads) > 1 and heads.min() < LEAST_IN_CELL:
        thin = int(heads.argmin())
        into = thin - 1 if thin == len(heads) - 1 or (thin > 0 and heads[thin - 1] <= heads[thin + 1]) else thin
        cell = np.where(cell > into, cell - 1, cell)  # cells ``into`` and the next become one
        heads = np.concatenate([heads[:into], [heads[into] + heads[into + 1]], heads[into + 2 :]])
    last = np.flatnonzero(np.diff(cell))
    if len(last):
        return np.asarray((found[last] + found[last + 1]) / 2, dtype=np.float64)
    usual = float(found[counts.argmax()])
    room = 1e-6 * max(1.0, abs(usual))
    return np.array([usual - room, usual + room])


def _apart(counts: Floats, distinct: float) -> float:
    """Return the index of the term that differs most from all others together, less what chance gives.

    Args:
        counts: rows by term and cell.
        distinct: how many students stand behind a row, at most 1.

    """
    found = [0.0]
    for term in counts:
        rest = counts.sum(axis=0) - term
        if min(term.sum(), rest.sum()) * distinct >= LEAST_STUDENTS:
            chance = (1 / term.sum() + 1 / rest.sum()) / distinct * (len(term) - 1)
            found.append(stability_index(rest / rest.sum(), term, float(rest.sum())) - chance)
    return max(found)


def _same(values: Floats, who: Codes, groups: Codes) -> float:
    """Return the largest share that one value has in a group of enough students."""
    _, code = np.unique(values, return_inverse=True)
    width = int(code.max()) + 1
    pairs, counts = np.unique(groups * width + code, return_counts=True)
    sizes = np.bincount(groups)
    students = np.bincount(np.unique(groups * (int(who.max()) + 1) + who) // (int(who.max()) + 1))
    enough = students[pairs // width] >= LEAST_STUDENTS
    return float((counts / sizes[pairs // width])[enough].max()) if enough.any() else 1.0


def coded(names: npt.NDArray[Any]) -> Codes:
    """Return names as numbers from 0."""
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.intp)


def stability_index(before: Floats, counts: Floats, rows: float) -> float:
    """Return the population stability index of counts against earlier shares, an empty cell counted as half a row.

    Args:
        before: shares by cell, of ``rows`` rows.
        counts: rows by cell.
        rows: how many rows the shares are of.

    >>> stability_index(np.array([0.5, 0.5]), np.array([50.0, 50.0]), 100)
    0.0
    """
    cells = len(before)
    old = (before * rows + 0.5) / ((before * rows + 0.5).sum())
    new = (counts + 0.5) / (counts.sum() + 0.5 * cells)
    return float((rel_entr(new, old) + rel_entr(old, new)).sum())


def _index(shape: Shape, values: Floats) -> float:
    """Return the index of values against a shape, 0 where either has too few."""
    known = values[~np.isnan(values)]
    if not shape.described or len(known) < LEAST_STUDENTS:
        return 0.0
    counts = np.bincount(np.searchsorted(shape.edges, known), minlength=len(shape.shares)).astype(np.float64)
    return _rounded(stability_index(np.array(shape.shares), counts, float(shape.students)))


# -- comparing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is too much. ``false_alarms``: how often a report may hold an alarm though nothing but chance is at work.

    ``index`` and ``missing``: what a difference must reach to matter, however certain it is. ``years``: how many times
    what earlier terms differed by is still nothing new.
    """

    index: float = 0.2
    missing: float = 0.1
    school_shift: float = 1.0
    false_alarms: float = 0.05
    years: float = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """One input, then and now: ``index`` and ``limit`` of its values (None where too few), and the shares known.

    ``known_limit`` is how far the share may lie from what it was.
    """

    name: str
    day: int
    students: int
    known_before: float
    known_now: float
    known_limit: float
    index: float | None = None
    limit: float = math.inf

    @property
    def drifted(self) -> bool:
        """Whether its values are other than before."""
        return self.index is not None and self.index > self.limit

    @property
    def missing(self) -> bool:
        """Whether it is known of fewer students, or of more, than before."""
        return abs(self.known_now - self.known_before) > self.known_limit

    @property
    def excess(self) -> float:
        """How many times its limit it has reached; 1 is the limit itself."""
        values = 0.0 if self.index is None else self.index / self.limit
        return max(values, abs(self.known_now - self.known_before) / self.known_limit)


def compare(reference: Reference, rows: Rows, limits: Limits) -> list[Change]:
    """Compare rows with the reference of their day of the term: one :class:`Change` per input and day.

    Rows are put to the nearest day of the reference. What an input moves by between two such days is allowed for in
    proportion: an index grows with the square of a shift.
    """
    groups = _by_day(reference, rows)
    tests = max(sum(1 for day, _ in groups for shape in day.inputs.values() if shape.described), 1)
    return [
        _change(reference, day, mine, name, at, limits, tests)
        for day, mine in groups
        for at, name in enumerate(mine.inputs)
        if name in day.inputs
    ]


def _by_day(reference: Reference, rows: Rows) -> list[tuple[Day, Rows]]:
    """Return the rows by the nearest day of the reference, where there are enough students."""
    found = []
    nearest = np.array([reference.nearest(int(day)).day for day in rows.day], dtype=np.intp)
    for day in np.unique(nearest).tolist():
        mine = rows.take(nearest == day)
        if len(np.unique(mine.students)) >= LEAST_STUDENTS:
            found.append((reference.days[day], mine))
    return found


def _change(reference: Reference, day: Day, rows: Rows, name: str, at: int, limits: Limits, tests: int) -> Change:
    shape, values = day.inputs[name], rows.matrix[:, at]
    known = ~np.isnan(values)
    between, beside = _between(reference, day, rows, name)
    share = float(known.mean())
    students = len(np.unique(rows.students))
    # Two shares differ by chance with the standard error of a difference, taken where it is largest between them.
    middle = (share + shape.known) / 2
    error = math.sqrt(middle * (1 - middle) * (1 / students + 1 / max(day.students, 1)))
    sure = float(norm.isf(limits.false_alarms / 2 / tests))
    allowed = float(max(limits.missing, sure * error + limits.years * shape.known_years + beside))
    here = len(np.unique(rows.students[known]))
    if not shape.described or here < LEAST_STUDENTS or between >= CLOCKWORK:
        return Change(name, day.day, students, shape.known, share, allowed)
    index = _index(shape, values)
    cells = len(shape.shares)
    chance = (1 / here + 1 / shape.students) * float(chi2.isf(limits.false_alarms / tests, cells - 1))
    limit = float(max(limits.index, chance + limits.years * shape.years + between))
    return Change(name, day.day, students, shape.known, share, allowed, index, limit)


def _between(reference: Reference, day: Day, rows: Rows, name: str) -> tuple[float, float]:
    """Return how much an input may move between the day of the reference and that of the rows: index, and share known.

    It is taken to move as quickly as it does anywhere in the term: a semester that ends, or a holiday, lies between two
    days of the reference and on neither. An index grows with the square of a shift.
    """
    away = abs(float(np.median(rows.day)) - day.day)
    days = list(reference.days)
    if not away or len(days) == 1:
        return 0.0, 0.0
    place = days.index(day.day)
    gap = min(abs(one - day.day) for one in (*days[max(place - 1, 0) : place], *days[place + 1 : place + 2]))
    shapes = [one.inputs[name] for one in reference.days.values()]
    moved = max(one.later or 0.0 for one in shapes)
    known = max(abs(one.known - other.known) for one, other in pairwise(shapes))
    part = 2 * away / gap
    return moved * max(part, part**2), known * max(part, 1.0)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One input at one school, other than it was there: ``shift`` of its mean in standard deviations, and shares known."""

    name: str
    school: str
    students: int
    shift: float
    shift_limit: float
    known_before: float
    known_now: float
    known_limit: float

    @property
    def found(self) -> bool:
        """Whether it is other than before."""
        return abs(self.shift) > self.shift_limit or abs(self.known_now - self.known_before) > self.known_limit


def compare_schools(reference: Reference, rows: Rows, limits: Limits, changes: Iterable[Change]) -> list[Elsewhere]:
    """Compare each school with what it was itself, and return what is other there and not everywhere."""
    everywhere = {(one.name, one.day) for one in changes if one.drifted or one.missing}
    found = []
    for day, mine in _by_day(reference, rows):
        for name in np.unique(mine.schools).tolist():
            at = mine.take(mine.schools == name)
            if len(np.unique(at.students)) >= LEAST_STUDENTS:
                found += [
                    one
                    for one in _at_school(reference, day, at, str(name), limits)
                    if one.found and (one.name, day.day) not in everywhere
                ]
    return found


def _at_school(reference: Reference, day: Day, rows: Rows, school: str, limits: Limits) -> list[Elsewhere]:
    students = len(np.unique(rows.students))
    known = ~np.isnan(rows.matrix)
    shares = known.mean(axis=0)
    there = day.schools.get(school)
    sure = float(norm.isf(limits.false_alarms / 2 / max(len(rows.inputs) * max(len(day.schools), 1), 1)))
    found = []
    for at, name in enumerate(rows.inputs):
        shape = day.inputs.get(name)
        if shape is None:
            continue
        before, here = day.known(name, school), int(known[:, at].sum())
        moved, beside = _between(reference, day, rows, name)
        middle = (float(shares[at]) + before) / 2
        error = math.sqrt(middle * (1 - middle) * (1 / students + 1 / (there.students if there else day.students)))
        allowed = max(2 * limits.missing, sure * error + limits.years * shape.known_years + beside)
        shift, limit = 0.0, math.inf
        if there is not None and name in there.means and here >= LEAST_STUDENTS and shape.spread > 0 and moved < CLOCKWORK:
            shift = (float(np.nanmean(rows.matrix[:, at])) - there.means[name]) / shape.spread
            # Of a normal distribution the index of a shift is its square.
            usual = math.sqrt(limits.years * shape.years + moved)
            limit = max(limits.school_shift, sure * math.sqrt(1 / students + 1 / there.students) + usual)
        found.append(Elsewhere(name, school, students, shift, limit, before, float(shares[at]), allowed))
    return found

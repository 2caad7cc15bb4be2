"""Which of the places that there are is offered to whom: by need, within what the school can give, ties by lot.

An integer program (HiGHS, through scipy) finds the offers with the greatest sum of scores, so that no support, school or
member of staff is asked for more than there is, nobody gets more than two new supports, and everybody on the list is spoken
with by a person. It reads need: a score by student and support, and the school. It takes no other column, so that nothing of
who a student is can enter; what is owed (access, whatever a plan provides) is refused here, because it is given to whoever
it is owed to.

The **line** of a support is the lowest score that a place went to. Whoever is within the tolerance of it, or stands above it
without a place though free for one, is as near to it as makes no difference: these draw lots (:mod:`serving.lottery`), with
equal chances that are known exactly and recorded for every student, whoever won. That costs a little of the sum, which is
told. Settings that cannot be met are refused with what is missing and by how much; nothing is relaxed to make them fit.

Solved is first the linear relaxation, whose value no allocation can pass: it is what the optimality gap is measured against.
Then the program itself, over those pairs that its prices leave in question; where the gap is not small enough, over more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from features.problems import Problem, Refused, Unavailable
from features.tables import TABLES
from serving import lottery
from serving.lottery import Tickets

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

#: What an allocation reads, and all that it reads.
COLUMNS: Mapping[str, Any] = MappingProxyType(
    {"student_id": pl.String, "intervention_id": pl.String, "score": pl.Float64, "school": pl.String}
)

#: What an allocation gives: every pair of a student and a support that was asked for.
ROWS: Mapping[str, Any] = MappingProxyType(
    {
        "student_id": pl.String, "intervention_id": pl.String, "school": pl.String, "score": pl.Float64, "offered": pl.Boolean,
        "probability": pl.Float64, "how": pl.String, "line": pl.Float64, "draw": pl.String,
    }
)  # fmt: skip

#: How it came that a support was offered or not: in words for people in :data:`SAYS`.
How = Literal["contact", "above_the_line", "drawn", "not_drawn", "below_the_line", "has_others", "no_places"]
SAYS: Mapping[str, str] = MappingProxyType(
    {
        "contact": "offered, so that a person speaks with them",
        "above_the_line": "offered: above the line, or with places for all who asked",
        "drawn": "offered: drawn by lot among those at the line",
        "not_drawn": "not offered: at the line, and not drawn",
        "below_the_line": "not offered: below the line",
        "has_others": "not offered: other support comes first",
        "no_places": "not offered: no places are told of at this school",
    }
)

#: Supports that are owed: nobody ranks, draws or limits them.
ENTITLEMENTS = "access_"

#: The share of the sum of scores by which an allocation may be short of the best one before more pairs are looked at.
GAP = 1e-4

#: The same as the solver is told it; smaller, because what talks are worth counts in its sum and not in ours.
_GAP_OF_SOLVER = 1e-6

#: Nobody further from the line than this is at it.
MOST_TOLERANCE = 0.5

#: How far below its price a pair may be, as a share of the highest score, to be looked at first.
LOOK = 0.002

Kind = Literal["places", "hours"]


@dataclass(frozen=True)
class Contacts:
    """That a person speaks with everybody on the list: by ``support``, or by other supports (``by``) that a person gives."""

    support: str = "conversation"
    by: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Staff:
    """The ``hours`` that kinds of staff have, by kind and organisation (None: everywhere), and what ``takes`` of them.

    ``takes`` gives for a support the kind of staff and the minutes that one student takes, in the unit of time of the hours
    (a week, say). A kind of whom no hours are told at all is not limited by hours.
    """

    hours: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    takes: Mapping[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """Where the line of a support lies at some schools: ``places`` given away there, ``score`` of the line, and who drew.

    ``at_line`` students drew for ``drawn`` places; ``score`` is None where nobody was left without.
    """

    intervention_id: str
    schools: tuple[str, ...]
    places: int
    score: float | None
    at_line: int
    drawn: int


@dataclass(frozen=True)
class Allocation:
    """Who is offered what.

    ``rows`` are of :data:`ROWS`, sorted by student and support; ``probability`` is that with which the offer was made: 1
    above the line, 0 below it, the chance of the draw at it, and null where what a school's few hours for talks allow
    decided, which nobody drew. ``draw`` names those that drew for the same places, null for who was in no draw. ``unmet``
    tells by support and school how many asked, were offered and were not. ``total`` is the sum of scores offered,
    ``expected`` its mean over all draws, ``best`` the sum that the program found and ``bound`` what none can pass; ``gap`` is
    how far ``best`` may be from the greatest one, as a share of it.
    """

    rows: pl.DataFrame
    unmet: pl.DataFrame
    lines: tuple[Line, ...]
    total: float
    expected: float
    best: float
    bound: float
    gap: float
    status: Literal["optimal", "stopped"]
    seconds: float
    seed: int
    tolerance: float

    @property
    def offers(self) -> pl.DataFrame:
        """The rows that are offered."""
        return self.rows.filter(pl.col("offered"))


def allocate(
    scores: pl.DataFrame,
    capacity: Mapping[tuple[str, str | None], int],
    *,
    seed: int,
    most_each: int = 2,
    tolerance: float = 0.05,
    contacts: Contacts | None = None,
    staff: Staff | None = None,
    above: Mapping[str, Collection[str]] | None = None,
    apart: Collection[tuple[str, str]] = (),
    entitlements: Collection[str] = (),
    has: Mapping[str, int] | None = None,
    seconds: float = 60.0,
) -> Allocation:
    """Return who is offered which support.

    Args:
        scores: one row per student and support that answers to a need of theirs, of :data:`COLUMNS`; a score of 0 asks for
            nothing. Everybody in it is on the list. A support of ``contacts`` needs no score.
        capacity: places by support and organisation, None for everywhere. Several limits may hold at once. A support has no
            places at a school that none of them covers.
        seed: of the lottery. The same seed and the same needs give the same offers.
        most_each: the most new supports that one student is given; a talk is not counted.
        tolerance: how near the line is at it, as a share of its score.
        contacts: that everybody is spoken with; None asks for nothing.
        staff: hours, and what takes them.
        above: for each school the organisations above it, to whose places its students count too.
        apart: pairs of supports that nobody is given both of.
        entitlements: supports that are owed, beside those that begin with :data:`ENTITLEMENTS`.
        has: new supports that students were offered before and have not refused; they count among ``most_each``.
        seconds: after which the solver is stopped (on the wall), with the best that it has found and its gap.

    Raises:
        Refused: a column too many or too few, rows that are double, scores that are no number or below 0, a support that is
            owed, settings out of range; or that not everybody can be spoken with, with what is missing and by how much.
        Unavailable: nothing was found in the time allowed.

    """
    began = time.perf_counter()
    _check(scores, capacity, most_each, tolerance, staff, entitlements)
    program = _Program.of(scores, capacity, most_each, contacts, staff or Staff(), above or {}, apart, has or {})
    found = _solved(program, seed, tolerance, seconds)
    drawn = _drawn(program, found, seed, tolerance)
    rows = drawn.rows
    score = rows["score"].fill_null(0.0)
    return Allocation(
        rows, _unmet(rows), drawn.lines,
        float((score * rows["offered"]).sum()),
        float((score * rows["probability"].fill_null(rows["offered"].cast(pl.Float64))).sum()),
        found.total, found.total * (1 + found.gap), found.gap, "optimal" if found.gap <= GAP else "stopped",
        round(time.perf_counter() - began, 3), seed, tolerance,
    )  # fmt: skip


def bound(
    scores: pl.DataFrame, capacity: Mapping[tuple[str, str | None], int], *, most_each: int = 2,
    staff: Staff | None = None, above: Mapping[str, Collection[str]] | None = None,
) -> float:  # fmt: skip
    """Return what no allocation of these places can pass: the value of the linear relaxation, without any talks."""
    _check(scores, capacity, most_each, 0.0, staff, ())
    program = _Program.of(scores, capacity, most_each, None, staff or Staff(), above or {}, ())
    return _relaxed(program, program.score).bound


# -- what may enter ---------------------------------------------------------------------------------------------------


def _check(
    scores: pl.DataFrame, capacity: Mapping[tuple[str, str | None], int], most_each: int, tolerance: float,
    staff: Staff | None, entitlements: Collection[str],
) -> None:  # fmt: skip
    problems = _wrong_columns(scores)
    problems = problems or _wrong_rows(scores, entitlements)
    fewer = [f"places of {support} at {at or 'all schools'}" for (support, at), places in capacity.items() if places < 0]
    told = (staff or Staff()).hours.items()
    fewer += [f"hours of {kind} at {at or 'all schools'}" for (kind, at), hours in told if not hours >= 0]
    problems += [_fault(where, "they are fewer than none", "Give 0 or more.") for where in fewer]
    if most_each < 1:
        problems.append(_fault("most_each", "it is below 1", "Let everybody have a support at least."))
    if not 0 <= tolerance <= MOST_TOLERANCE:
        hint = "Give a share of the line's score, such as .05."
        problems.append(_fault("tolerance", f"it is not from 0 to {MOST_TOLERANCE}", hint))
    if problems:
        raise Refused(problems, "This cannot be allocated")


def _fault(where: str, problem: str, hint: str) -> Problem:
    return Problem("allocation", where, problem, hint)


def _wrong_columns(scores: pl.DataFrame) -> list[Problem]:
    problems: list[Problem] = []

    def fault(where: str, problem: str, hint: str) -> None:
        problems.append(_fault(where, problem, hint))

    for name in scores.columns:
        if name not in COLUMNS:
            group = any(name in table.used_for("audit_only") for table in TABLES.values())
            fault(f"column {name}", "it says who a student is" if group else "an allocation reads no such column",
                  f"Give {', '.join(COLUMNS)} and nothing else: offers follow need alone.")  # fmt: skip
    for name, kind in COLUMNS.items():
        if name not in scores.columns:
            fault(f"column {name}", "it is missing", f"Give {', '.join(COLUMNS)}.")
        elif scores.schema[name] != kind:
            fault(f"column {name}", f"it is {scores.schema[name]} and not {kind}", "Cast it.")
        elif scores[name].null_count():
            fault(f"column {name}", f"it is empty in {scores[name].null_count():,} rows", "Fill it, or leave these rows out.")
    return problems


def _wrong_rows(scores: pl.DataFrame, entitlements: Collection[str]) -> list[Problem]:
    problems = []
    if (wrong := scores.filter(~pl.col("score").is_finite() | (pl.col("score") < 0)).height) > 0:
        hint = "A need is a number, and 0 is none."
        problems.append(_fault("column score", f"it is no number from 0 on in {wrong:,} rows", hint))
    if scores.select(pl.struct("student_id", "intervention_id").is_duplicated().any()).item():
        problems.append(_fault("column intervention_id", "a student asks for a support twice", "Give one row for both."))
    if scores.select("student_id", "school").unique()["student_id"].is_duplicated().any():
        problems.append(_fault("column school", "a student is at two schools", "Give the one where they would be helped."))
    return problems + [
        _fault(f"support {name}", "it is owed, so nobody ranks, draws or limits it", "Leave it out: `homeroom access`.")
        for name in sorted(scores["intervention_id"].unique())
        if name.startswith(ENTITLEMENTS) or name in entitlements
    ]


# -- the program ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Limit:
    """One limit: what there is of a support's places, or of a kind of staff's hours (told in minutes), at an organisation."""

    kind: Kind
    name: str
    organisation: str | None
    most: float

    @property
    def where(self) -> str:
        return f"{self.kind} of {self.name} at {self.organisation or 'all schools'}"


@dataclass(frozen=True)
class _Program:
    """The needs and limits as numbers.

    ``pairs`` has the rows of the frame without talks, sorted; of these, ``student``, ``support``, ``school`` are codes,
    ``score`` is the score, and ``open`` says whether there are places at all. ``talks`` has a row per student, ``talk`` says
    whether one is possible, ``room`` how many new supports they may still be given. ``uses`` has a row per limit and a
    column per pair, ``talk_uses`` a column per student.
    """

    pairs: pl.DataFrame
    talks: pl.DataFrame
    student: Codes
    support: Codes
    school: Codes
    score: Floats
    open: Bools
    names: tuple[tuple[str, ...], tuple[str, ...]]
    limits: tuple[_Limit, ...]
    uses: sparse.csr_array
    talk_uses: sparse.csr_array
    talk: Bools
    person: Bools
    contacts: Contacts | None
    most_each: int
    room: Codes
    rivals: tuple[tuple[Codes, Codes], ...]

    @classmethod
    def of(
        cls, scores: pl.DataFrame, capacity: Mapping[tuple[str, str | None], int], most_each: int, contacts: Contacts | None,
        staff: Staff, above: Mapping[str, Collection[str]], apart: Collection[tuple[str, str]],
        has: Mapping[str, int] = MappingProxyType({}),
    ) -> _Program:  # fmt: skip
        talk = contacts.support if contacts else None
        talks = scores.select("student_id", "school").unique().sort("student_id")
        is_talk = pl.col("intervention_id") == talk if talk else pl.lit(value=False)
        pairs = scores.filter(~is_talk, pl.col("score") > 0).select(*COLUMNS).sort("student_id", "intervention_id")
        supports, schools = tuple(sorted(pairs["intervention_id"].unique())), tuple(sorted(talks["school"].unique()))
        at = {name: number for number, name in enumerate(supports)}
        student = talks["student_id"].search_sorted(pairs["student_id"]).to_numpy().astype(np.intp)
        support = np.array([at[one] for one in pairs["intervention_id"].to_list()], dtype=np.intp)
        place = {name: number for number, name in enumerate(schools)}
        of_talk = np.array([place[one] for one in talks["school"].to_list()], dtype=np.intp)
        school = of_talk[student] if len(student) else student
        limits = _limits(capacity, staff)
        covers = [
            np.array([one.organisation is None or one.organisation == name or one.organisation in above.get(name, ())
                      for name in schools], dtype=bool)
            for one in limits
        ]  # fmt: skip

        def takes(one: _Limit, name: str) -> float:
            """Return how much of a limit a support takes."""
            if one.kind == "places":
                return float(one.name == name)
            kind, minutes = staff.takes.get(name, ("", 0))
            return float(minutes) if kind == one.name else 0.0

        # By support (the talk last) and school first: of these there are few, and of pairs very many.
        by_cell = np.zeros((len(limits), (len(supports) + 1) * len(schools)))
        for row, (one, cover) in enumerate(zip(limits, covers, strict=True)):
            by_cell[row] = np.outer([takes(one, name) for name in (*supports, talk or "")], cover).ravel()
        cells = sparse.csc_array(by_cell)

        def rows(each: Codes, where: Codes) -> sparse.csr_array:
            """Return what each pair takes of each limit."""
            return sparse.csr_array(cells[:, each * len(schools) + where])

        counted = {one.name for one in limits if one.kind == "hours"}

        def possible(name: str) -> Bools:
            """Return at which schools there is any of a support."""
            told = [cover for one, cover in zip(limits, covers, strict=True) if one.kind == "places" and one.name == name]
            found = np.any(told, axis=0) if told else np.zeros(len(schools), dtype=bool)
            kind, minutes = staff.takes.get(name, ("", 0))
            if kind in counted and minutes > 0:
                hours = np.any([cover for one, cover in zip(limits, covers, strict=True)
                                if one.kind == "hours" and one.name == kind], axis=0)  # fmt: skip
                # A talk may be told by hours alone; places of other help are counted as places too.
                found = hours & found if told or name != talk else hours
            return np.asarray(found)

        is_open = np.array([possible(name) for name in supports])
        score = pairs["score"].to_numpy()
        person = np.isin(support, [at[name] for name in (contacts.by if contacts else ()) if name in at])
        rivals = []
        for this, that in apart:
            if this in at and that in at:
                mine, theirs = np.flatnonzero(support == at[this]), np.flatnonzero(support == at[that])
                _, first, second = np.intersect1d(student[mine], student[theirs], return_indices=True)
                rivals.append((mine[first], theirs[second]))
        return cls(
            pairs, talks, student, support, school, score, is_open[support, school] if len(score) else score > 0,
            (supports, schools), limits, rows(support, school),
            rows(np.full(len(talks), len(supports), dtype=np.intp), of_talk),
            possible(talk)[of_talk] if talk else np.zeros(len(talks), dtype=bool), person, contacts, most_each,
            np.array([max(most_each - has.get(one, 0), 0) for one in talks["student_id"].to_list()], dtype=np.intp),
            tuple(rivals),
        )  # fmt: skip

    @property
    def most(self) -> Floats:
        """What there is of each limit."""
        return np.array([one.most for one in self.limits])

    @property
    def everybody_talks(self) -> bool:
        """Whether there is a talk for everybody, so that no other help has to stand in for one."""
        return bool(self.talk.all()) and bool((self.talk_uses.sum(axis=1) <= self.most + 1e-9).all())

    def restricted(self, keep: Bools) -> tuple[sparse.csr_array, Floats]:
        """Return the left side and the right of all limits over some of the pairs, talks after them; each is at most."""
        at = np.flatnonzero(keep)
        number = np.full(len(keep), -1)
        number[at] = np.arange(len(at))
        people, columns = len(self.talks), len(at)
        own = sparse.csr_array((np.ones(columns), (self.student[at], np.arange(columns))), shape=(people, columns))
        many = np.flatnonzero(np.bincount(self.student[at], minlength=people) > self.room)
        none = sparse.csr_array
        blocks = [sparse.hstack([self.uses[:, at], self.talk_uses]), sparse.hstack([own[many], none((len(many), people))])]
        right = [self.most, self.room[many].astype(float)]
        for mine, theirs in self.rivals:
            both = keep[mine] & keep[theirs]
            ends = np.concatenate([number[mine[both]], number[theirs[both]]])
            count = int(both.sum())
            pairs = sparse.csr_array((np.ones(2 * count), (np.tile(np.arange(count), 2), ends)), shape=(count, columns))
            blocks.append(sparse.hstack([pairs, none((count, people))]))
            right.append(np.ones(count))
        if self.contacts is not None and not self.everybody_talks:
            spoken = own.multiply(self.person[at][None, :])
            blocks.append(-sparse.hstack([spoken, sparse.eye_array(people)]))
            right.append(-np.ones(people))
        return sparse.csr_array(sparse.vstack(blocks)), np.concatenate(right)

    def worth(self, score: Floats, keep: Bools) -> Floats:
        """Return what the program gains by each pair, and by each talk: where hours are short, a talk more than any help."""
        short = self.contacts is not None and not self.everybody_talks
        talk = 1.0 + self.most_each * float(score.max(initial=0.0)) if short else 0.0
        return np.concatenate([score[keep], np.full(len(self.talks), talk)])

    @property
    def talk_bounds(self) -> tuple[Floats, Floats]:
        """The least and the most talks that each student has."""
        if self.contacts is None:
            return np.zeros(len(self.talks)), np.zeros(len(self.talks))
        return np.full(len(self.talks), float(self.everybody_talks)), self.talk.astype(float)


def _limits(capacity: Mapping[tuple[str, str | None], int], staff: Staff) -> tuple[_Limit, ...]:
    places = [_Limit("places", support, at, float(most)) for (support, at), most in capacity.items()]
    hours = [_Limit("hours", kind, at, 60.0 * most) for (kind, at), most in staff.hours.items()]
    return tuple(sorted([*places, *hours], key=lambda one: (one.kind, one.name, one.organisation or "")))


@dataclass(frozen=True)
class _Relaxed:
    """The linear relaxation: what it is worth, and for each pair how far it is above its price (below zero: under it)."""

    bound: float
    above_price: Floats


@dataclass(frozen=True)
class _Found:
    """What the program found: which pairs, who talks, the sum of scores and the gap."""

    taken: Bools
    talks: Bools
    total: float
    gap: float


def _relaxed(program: _Program, score: Floats) -> _Relaxed:
    keep = program.open
    left, right = program.restricted(keep)
    worth, (least, most) = program.worth(score, keep), program.talk_bounds
    count = int(keep.sum())
    bounds = np.column_stack([np.concatenate([np.zeros(count), least]), np.concatenate([np.ones(count), most])])
    if not count and not most.any():
        if right.min(initial=0.0) < 0:
            raise _infeasible(program)
        return _Relaxed(0.0, np.zeros(0))
    found = linprog(-worth, A_ub=left, b_ub=right, bounds=bounds, method="highs-ds")
    if found.status == _INFEASIBLE:
        raise _infeasible(program)
    if found.x is None:
        raise Unavailable("The solver stopped without an answer. Try again, or with fewer students at once.")
    price = worth + left.T @ found.ineqlin.marginals
    return _Relaxed(float(-found.fun), price[:count])


#: What HiGHS calls it, through scipy.
_INFEASIBLE = 2


def _solved(program: _Program, seed: int, tolerance: float, seconds: float) -> _Found:
    """Return the best offers before any draw."""
    score, until = program.score, time.monotonic() + seconds
    if program.contacts is not None and not program.everybody_talks:
        # Help that stands in for a talk is decided here and not by the draw: so that no key breaks a tie, lots do, within the
        # tolerance.
        lots = lottery.seeded(seed, "contact").random(len(score))
        score = np.where(program.person, score * (1 + tolerance * lots), score)
    relaxed = _relaxed(program, score)
    open_ = np.flatnonzero(program.open)

    def over(least: float) -> _Best | None:
        """Return the best offers among pairs that are no further below their price than this."""
        keep = np.zeros(len(score), dtype=bool)
        keep[open_[relaxed.above_price >= -least]] = True
        return _integer(program, score, keep, max(until - time.monotonic(), 1.0))

    def gap() -> float:
        """Return how far what was found may be from the best, as a share of its sum of scores."""
        total = 0.0 if best is None else float(program.score[best.taken].sum())
        return max(most - best.value, 0.0) / total if best is not None and total > 0 else 0.0

    best, most = over(LOOK * float(score.max(initial=0.0))), relaxed.bound
    if best is None or (gap() > GAP and time.monotonic() < until):
        # A pair so far below its price that the relaxation with it is worth less than what was found is in nothing better:
        # over the others the program's own bound holds.
        again = over(np.inf if best is None else most - best.value)
        if again is None and best is None:
            raise _infeasible(program)
        if again is not None:
            best = again if best is None or again.value >= best.value else best
            most = min(most, max(again.bound, best.value))
    assert best is not None
    return _Found(best.taken, best.talks, float(program.score[best.taken].sum()), gap())


@dataclass(frozen=True)
class _Best:
    """The best offers over some of the pairs: what they are worth, and what none of these pairs can pass."""

    taken: Bools
    talks: Bools
    value: float
    bound: float


def _integer(program: _Program, score: Floats, keep: Bools, seconds: float) -> _Best | None:
    """Return the best offers over some of the pairs, None where there are none; raise Unavailable where time was too short."""
    left, right = program.restricted(keep)
    worth, (least, most) = program.worth(score, keep), program.talk_bounds
    count = int(keep.sum())
    taken = np.zeros(len(keep), dtype=bool)
    if not len(worth):
        return _Best(taken, np.zeros(0, dtype=bool), 0.0, 0.0)
    bounds = Bounds(np.concatenate([np.zeros(count), least]), np.concatenate([np.ones(count), most]))
    found = milp(-worth, integrality=np.ones(len(worth)), bounds=bounds,
                 constraints=[LinearConstraint(left, -np.inf, right)] if left.shape[0] else [],
                 options={"time_limit": seconds, "mip_rel_gap": _GAP_OF_SOLVER})  # fmt: skip
    if found.status == _INFEASIBLE:
        return None
    if found.x is None:
        raise Unavailable(f"No allocation was found within {seconds:.0f} s. Allow more, or allocate fewer students at once.")
    taken[keep] = found.x[:count] > 0.5
    return _Best(taken, found.x[count:] > 0.5, float(-found.fun), float(-found.mip_dual_bound))


# -- why it cannot be done --------------------------------------------------------------------------------------------


def _infeasible(program: _Program) -> Refused:
    """Return what keeps everybody from being spoken with, and by how much.

    Every limit on talks is loosened as far as it has to be, and as little as can be, to find out; nobody is offered anything.
    """
    assert program.contacts is not None
    keep = program.open & program.person
    left, right = program.restricted(keep)
    count, people, limits = int(keep.sum()), len(program.talks), len(program.limits)
    talk_limits = np.flatnonzero(program.talk_uses.sum(axis=1) > 0)
    each = np.array([program.talk_uses[[row]].max() for row in talk_limits])
    # Columns after pairs and talks: how much more of each limit on talks, then who is spoken with by nobody.
    looser = sparse.csr_array((-np.ones(len(talk_limits)), (talk_limits, np.arange(len(talk_limits)))),
                              shape=(left.shape[0], len(talk_limits)))  # fmt: skip
    rows = np.arange(left.shape[0] - people, left.shape[0])
    nobody = sparse.csr_array((-np.ones(people), (rows, np.arange(people))), shape=(left.shape[0], people))
    cost = np.concatenate([np.zeros(count + people), 1 / each, np.full(people, 1e3)])
    highest = np.concatenate([np.ones(count), program.talk, np.full(len(talk_limits), np.inf), ~program.talk])
    whole = np.concatenate([np.ones(count + people), np.zeros(len(talk_limits) + people)])
    found = milp(cost, integrality=whole, bounds=Bounds(0, highest),
                 constraints=LinearConstraint(sparse.hstack([left, looser, nobody]), -np.inf, right))  # fmt: skip
    if found.x is None:
        raise Unavailable("Not everybody on the list can be spoken with, and the solver did not find out what is missing.")
    more, without = found.x[count + people :][: len(talk_limits)], found.x[count + people + len(talk_limits) :] > 0.5
    others = ", ".join(sorted(program.contacts.by)) or "none are named"
    problems = []
    for row, missing in zip(talk_limits.tolist(), more, strict=True):
        if missing > 1e-6:
            one, asked = program.limits[row], int((program.talk_uses[[row]].toarray() > 0).sum())
            has, lacks = (f"{value / 60:,.1f} hours" if one.kind == "hours" else f"{value:,.0f} places"
                          for value in (one.most, missing if one.kind == "hours" else np.ceil(missing - 1e-6)))  # fmt: skip
            problems.append(
                Problem("allocation", one.where, f"{has} are {lacks} too few to speak with {asked:,} students",
                        f"Add them, or places of other help that a person gives ({others}).")
            )  # fmt: skip
    nowhere = program.talks.filter(pl.Series(without)).group_by("school").len().sort("school")
    problems += [
        Problem("allocation", f"talks at {school}", f"no hours and no places are told for them, and {students:,} would be left",
                f"Tell hours or places of {program.contacts.support}, or more places of other help by a person ({others}).")
        for school, students in nowhere.iter_rows()
    ]  # fmt: skip
    assert limits or problems
    return Refused(problems, "Not everybody on the list can be spoken with, so nothing was allocated")


# -- the draw ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drawn:
    rows: pl.DataFrame
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _AtLine:
    """Pairs by what becomes of them before the draw: ``sure`` of a place, and those that draw (``ticket``).

    ``pool`` is each pair's, ``limited`` whether its places run out, ``line`` its score; ``low`` says who is below it.
    """

    pool: Codes
    limited: Bools
    line: Floats
    sure: Bools
    ticket: Bools
    low: Bools


def _drawn(program: _Program, found: _Found, seed: int, tolerance: float) -> _Drawn:
    """Return every pair with what became of it, ties at each line drawn."""
    held = _held(program, found)
    spent = program.talk_uses @ found.talks
    smallest = _smallest(program)
    binding = program.uses @ found.taken + spent + smallest > program.most + 1e-9
    while True:
        at = _at_line(program, found.taken, held, binding, tolerance)
        # Whoever wins, no limit may be passed: where some outcome could, its places are drawn for by themselves.
        could = program.uses @ (at.sure | held | at.ticket) + spent > program.most + 1e-9
        if not (could & ~binding).any():
            break
        binding = binding | could
    where = np.flatnonzero(at.ticket)
    pools, pool = np.unique(at.pool[where], return_inverse=True)
    students, student = np.unique(program.student[where], return_inverse=True)
    fixed = np.bincount(program.student[at.sure | held], minlength=len(program.talks))
    tickets = Tickets(
        pool.astype(np.intp), student.astype(np.intp),
        np.bincount(pool[found.taken[where]], minlength=len(pools)).astype(np.intp),
        (program.room - fixed)[students].astype(np.intp),
    )  # fmt: skip
    chance = lottery.chances(tickets)
    won = lottery.draw(tickets, chance, lottery.seeded(seed, "places"))
    probability = np.where(at.sure | held, 1.0, 0.0)
    probability[where] = chance
    offered = at.sure | held
    offered[where] = won
    drew = at.ticket & (probability > 0) & (probability < 1)
    how = np.select(
        [~program.open, held, drew & offered, drew, offered, at.low],
        ["no_places", "contact", "drawn", "not_drawn", "above_the_line", "below_the_line"], "has_others",
    )  # fmt: skip
    supports, among = program.names[0], dict(zip(where.tolist(), pool.tolist(), strict=True))
    draws = [f"{supports[program.support[pair]]}/{among[pair]}" if drew[pair] else None for pair in range(len(drew))]
    pairs = program.pairs.with_columns(
        pl.Series("offered", offered), pl.Series("draw", draws, pl.String),
        pl.Series("probability", np.where(held, np.nan, probability)).fill_nan(None),
        pl.Series("how", how, pl.String), pl.Series("line", np.where(np.isfinite(at.line), at.line, np.nan)).fill_nan(None),
    )  # fmt: skip
    rows = pl.concat([pairs.select(*ROWS), *_talks(program, found)]).sort("student_id", "intervention_id")
    return _Drawn(rows, _lines(program, at, offered, drew))


def _smallest(program: _Program) -> Floats:
    """Return the least that a pair takes of each limit; infinite where nobody asks for any of it."""
    found = np.full(len(program.limits), np.inf)
    uses = sparse.coo_array(program.uses[:, np.flatnonzero(program.open)])
    np.minimum.at(found, uses.row[uses.data > 0], uses.data[uses.data > 0])
    return found


def _held(program: _Program, found: _Found) -> Bools:
    """Return the help that stands in for a talk: of whoever has no talk, what a person gives them, the best of it."""
    held = np.zeros(len(found.taken), dtype=bool)
    if program.contacts is None:
        return held
    stands = np.flatnonzero(found.taken & program.person & ~found.talks[program.student])
    best_first = stands[np.argsort(-program.score[stands], kind="stable")]
    _, first = np.unique(program.student[best_first], return_index=True)
    held[best_first[first]] = True
    return held


def _at_line(program: _Program, taken: Bools, held: Bools, binding: Bools, tolerance: float) -> _AtLine:
    pool, limited = _pools(program, binding)
    count = int(pool.max(initial=-1)) + 1
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, pool[taken & ~held], program.score[taken & ~held])
    line = lowest[pool]
    sure = taken & ~held & (~limited | (program.score > line * (1 + tolerance)))
    low = limited & (program.score < line * (1 - tolerance))
    free = program.room - np.bincount(program.student[sure | held], minlength=len(program.talks))
    ticket = program.open & limited & ~held & ~sure & ~low & (free[program.student] > 0)
    for mine, theirs in program.rivals:
        for one, other in ((mine, theirs), (theirs, mine)):
            ticket[other[(sure | held)[one] | taken[one]]] = False
        both = ticket[mine] & ticket[theirs]
        first = program.score[mine] >= program.score[theirs]
        ticket[theirs[both & first]] = False
        ticket[mine[both & ~first]] = False
    return _AtLine(pool, limited, line, sure, ticket, low)


def _pools(program: _Program, binding: Bools) -> tuple[Codes, Bools]:
    """Return each pair's pool, and whether its places run out.

    A pool is a support at schools whose students can take each other's place: the same limits that are used up hold for them.
    """
    cell = program.support * len(program.names[1]) + program.school
    cells, first, at = np.unique(cell, return_index=True, return_inverse=True)
    used_up = sparse.csc_array(program.uses[np.flatnonzero(binding)][:, first])
    named: dict[tuple[int, ...], int] = {}
    pool, limited = np.zeros(len(cells), dtype=np.intp), np.zeros(len(cells), dtype=bool)
    for number, pair in enumerate(first.tolist()):
        limits = used_up.indices[used_up.indptr[number] : used_up.indptr[number + 1]]
        limited[number] = len(limits) > 0
        pool[number] = named.setdefault((int(program.support[pair]), *sorted(limits.tolist())), len(named))
    return pool[at], limited[at]


def _talks(program: _Program, found: _Found) -> list[pl.DataFrame]:
    """Return a row per student for the talk; its probability is not known where hours are short, since nobody drew for it."""
    if program.contacts is None:
        return []
    sure = pl.lit(1.0) if program.everybody_talks else pl.lit(None, pl.Float64)
    rows = program.talks.with_columns(
        pl.lit(program.contacts.support).alias("intervention_id"), pl.lit(None, pl.Float64).alias("score"),
        pl.Series("offered", found.talks), sure.alias("probability"), pl.lit(None, pl.Float64).alias("line"),
        pl.lit(None, pl.String).alias("draw"),
    )  # fmt: skip
    how = pl.when("offered").then(pl.lit("contact")).otherwise(pl.lit("has_others"))
    return [rows.with_columns(how.alias("how")).select(*ROWS)]


def _lines(program: _Program, at: _AtLine, offered: Bools, drew: Bools) -> tuple[Line, ...]:
    frame = pl.DataFrame({
        "pool": at.pool, "support": program.support, "school": program.school, "offered": offered, "drew": drew,
        "won": drew & offered, "line": at.line, "left": ~offered & (at.low | drew),
    }).filter(pl.Series(program.open))  # fmt: skip
    each = frame.group_by("pool", "support").agg(
        pl.col("school").unique().sort(), pl.col("offered").sum(), pl.col("line").first(), pl.col("left").any(),
        pl.col("drew").sum(), pl.col("won").sum(),
    ).sort("support", "pool")  # fmt: skip
    supports, schools = program.names
    return tuple(
        Line(supports[one["support"]], tuple(schools[at] for at in one["school"]), one["offered"],
             one["line"] if one["left"] and np.isfinite(one["line"]) else None, one["drew"], one["won"])
        for one in each.iter_rows(named=True)
    )  # fmt: skip


def _unmet(rows: pl.DataFrame) -> pl.DataFrame:
    """Return by support and school how many asked, were offered, have other support first, and are left without."""
    asked = rows.filter(pl.col("score").is_not_null())
    without = pl.col("how").is_in(["not_drawn", "below_the_line", "no_places"])
    return asked.group_by("intervention_id", "school").agg(
        pl.len().alias("asked"), pl.col("offered").sum(), (pl.col("how") == "has_others").sum().alias("has_others"),
        without.sum().alias("unmet"), (pl.col("how") == "no_places").sum().alias("no_places"),
    ).sort("intervention_id", "school")  # fmt: skip

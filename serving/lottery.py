"""Drawing lots for places: chances that are equal, known exactly before the draw, and kept whatever else must hold.

A ticket is one student's chance at one pool of places. A pool gives away all its places, and nobody takes more than they are
free for. :func:`chances` gives everybody at a pool the same chance; only somebody with more tickets than they are free for
has less, by the same amount at each of their pools: of all chances that obey the limits these are the most equal ones (the
least sum of squares). :func:`draw` then draws whole places so that each ticket wins with its chance exactly, every pool gives
away its places and nobody takes too many: no chance has to be estimated from simulated draws.

That chances can be drawn so follows because pools and students are two families of limits of which neither overlaps itself
(Budish, Che, Kojima and Milgrom 2013); the draw is dependent rounding (Gandhi, Khuller, Parthasarathy and Srinivasan 2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

#: In the draw, a chance so near 0 or 1 is settled: what floating point leaves of sums that are whole numbers.
_NEARLY = 1e-7

#: How far the chances of a pool may sum up to another number than its places; a chance so near 0 or 1 is told as that.
_EXACT = 1e-6

#: Halvings after which the share of a student is as exact as floating point.
_HALVINGS = 60


@dataclass(frozen=True)
class Tickets:
    """Who stands in which draw.

    ``pool`` and ``student`` are the codes of each ticket, shape ``(tickets,)``; ``places`` is what each pool gives away, at
    most its tickets, shape ``(pools,)``; ``free`` is how many a student may still take, shape ``(students,)``.
    """

    pool: Codes
    student: Codes
    places: Codes
    free: Codes

    @property
    def count(self) -> Codes:
        """How many tickets there are at each pool."""
        return np.bincount(self.pool, minlength=len(self.places)).astype(np.intp)

    @property
    def rationed(self) -> Bools:
        """Whose tickets are of a student that has more of them than may be taken, by ticket."""
        return (np.bincount(self.student, minlength=len(self.free)) > self.free)[self.student]

    @property
    def plain(self) -> Bools:
        """At which pools nobody has too many tickets, by ticket: there the places are drawn among equals."""
        mixed = np.zeros(len(self.places), dtype=bool)
        mixed[self.pool[self.rationed]] = True
        return ~mixed[self.pool]


def seeded(seed: int, what: str) -> np.random.Generator:
    """Return the generator of a draw: of a seed, and of what is drawn, so that two draws of one seed have nothing in common."""
    return np.random.default_rng([seed, *what.encode()])


def chances(tickets: Tickets) -> Floats:
    """Return each ticket's chance, shape ``(tickets,)``; those of a pool sum up to its places.

    Raises:
        ValueError: there are no such chances: some pool has more places than its students are free to take.

    """
    if not len(tickets.pool):
        return np.zeros(0)
    if (tickets.places > tickets.count).any() or (tickets.places < 0).any():
        raise ValueError("a pool has more places than tickets")
    found = (tickets.places / np.maximum(tickets.count, 1))[tickets.pool]
    mixed = np.flatnonzero(~tickets.plain)
    for together in _together(tickets.pool[mixed], tickets.student[mixed], len(tickets.places), len(tickets.free)):
        some = mixed[together]
        pools, pool = np.unique(tickets.pool[some], return_inverse=True)
        students, student = np.unique(tickets.student[some], return_inverse=True)
        found[some] = _most_equal(pool, student, tickets.places[pools].astype(float), tickets.free[students].astype(float))
    return np.where(found < _EXACT, 0.0, np.where(found > 1 - _EXACT, 1.0, found))


def draw(tickets: Tickets, chance: Floats, rng: np.random.Generator) -> Bools:
    """Return which tickets win: each with its chance, the places of every pool, and for nobody more than they are free for."""
    won = np.zeros(len(tickets.pool), dtype=bool)
    plain = tickets.plain
    order = rng.permutation(len(tickets.pool))
    among = order[plain[order]]
    by_pool = among[np.argsort(tickets.pool[among], kind="stable")]
    first = np.r_[0, np.cumsum(np.bincount(tickets.pool[by_pool], minlength=len(tickets.places)))[:-1]]
    rank = np.arange(len(by_pool)) - first[tickets.pool[by_pool]]
    won[by_pool] = rank < tickets.places[tickets.pool[by_pool]]
    mixed = order[~plain[order]]
    if len(mixed):
        won[mixed] = _rounded(tickets.pool[mixed], tickets.student[mixed], chance[mixed], rng)
    return won


# -- the most equal chances -------------------------------------------------------------------------------------------


def _together(pool: Codes, student: Codes, pools: int, students: int) -> list[Codes]:
    """Return tickets by what hangs together: pools that share a student, at a school for the most part."""
    if not len(pool):
        return []
    shared = sparse.coo_array((np.ones(len(pool)), (pool, pools + student)), shape=(pools + students,) * 2)
    _, part = connected_components(shared, directed=False)
    order = np.argsort(part[pool], kind="stable")
    return np.split(order, np.flatnonzero(np.diff(part[pool][order])) + 1)


def _most_equal(pool: Codes, student: Codes, places: Floats, free: Floats) -> Floats:
    """Return the chances with the least sum of squares: each pool's common chance, less what its student gives up.

    One price a pool is found by Newton's method on the dual, which is smooth and convex; what a student gives up follows.
    """

    def given(price: Floats) -> tuple[Floats, Floats]:
        """Return the chances at some prices, and what each student gives up."""
        asked = price[pool]
        low, high = np.zeros(len(free)), np.zeros(len(free))
        np.maximum.at(high, student, asked)
        over = np.bincount(student, np.clip(asked, 0, 1), len(free)) > free
        high[~over] = 0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            much = np.bincount(student, np.clip(asked - middle[student], 0, 1), len(free)) > free
            low, high = np.where(much, middle, low), np.where(much, high, middle)
        return np.clip(asked - high[student], 0, 1), high

    def dual(price: Floats) -> tuple[float, Floats]:
        chance, _ = given(price)
        value = float(chance @ price[pool] - chance @ chance / 2 - price @ places)
        return value, np.bincount(pool, chance, len(places)) - places

    def curve(price: Floats) -> Floats:
        chance, gives = given(price)
        inner = (chance > 0) & (chance < 1)
        at = (student[inner], pool[inner])
        share = sparse.csr_array((np.ones(len(at[0])), at), shape=(len(free), len(places)))
        moves = np.bincount(at[0], minlength=len(free))
        bound = share[np.flatnonzero((gives > 0) & (moves > 0))]
        among = sparse.diags_array(1 / np.maximum(np.asarray(bound.sum(axis=1)).ravel(), 1))
        found = sparse.diags_array(np.bincount(at[1], minlength=len(places)).astype(float)) - bound.T @ among @ bound
        return np.asarray(found.toarray() + 1e-9 * np.eye(len(places)))

    start = places / np.maximum(np.bincount(pool, minlength=len(places)), 1)
    # On matrices of some hundred rows, two threads wait for each other fifteen times as long as one works.
    with threadpool_limits(1, "blas"):
        found = minimize(dual, start, jac=True, hess=curve, method="trust-exact", options={"gtol": 1e-10, "maxiter": 200})
    chance, _ = given(found.x)
    left = np.abs(np.bincount(pool, chance, len(places)) - places).max()
    if left > _EXACT:
        raise ValueError("a pool has more places than its students are free to take")
    return chance


# -- the draw ---------------------------------------------------------------------------------------------------------

#: A pool or a student, with the sign that tells them apart.
_End = tuple[str, int]


def _rounded(pool: Codes, student: Codes, chance: Floats, rng: np.random.Generator) -> Bools:
    """Return tickets rounded to won or not: along a path or a circle of tickets, what one gains its neighbour loses.

    Every step settles a ticket at least. Paths end at students and never at pools, so that what each pool gives away stays
    the same at every step, and what a student takes never passes the next whole number.
    """
    value = [float(one) for one in chance]
    both_codes = zip(pool.tolist(), student.tolist(), strict=True)
    ends: list[tuple[_End, _End]] = [(("pool", at), ("student", who)) for at, who in both_codes]
    undecided: dict[_End, dict[int, None]] = {}
    for ticket, both in enumerate(ends):
        for end in both if 0 < value[ticket] < 1 else ():
            undecided.setdefault(end, {})[ticket] = None

    def settle(ticket: int) -> None:
        value[ticket] = float(round(value[ticket]))
        for end in ends[ticket]:
            undecided[end].pop(ticket)

    for first in range(len(value)):
        while first in undecided.get(ends[first][0], ()):
            path = _path(first, ends, undecided)
            if len(path) == 1:  # the last of its pool, whose sum is whole: so this chance is, but for floating point
                settle(path[0])
                continue
            up, down = path[::2], path[1::2]
            more = min(*(1 - value[one] for one in up), *(value[one] for one in down))
            less = min(*(value[one] for one in up), *(1 - value[one] for one in down))
            step = more if rng.random() * (more + less) < less else -less
            for one in up:
                value[one] += step
            for one in down:
                value[one] -= step
            for one in path:
                if not _NEARLY < value[one] < 1 - _NEARLY:
                    settle(one)
    return np.asarray(value) > 0.5


def _path(first: int, ends: Sequence[tuple[_End, _End]], undecided: Mapping[_End, Mapping[int, None]]) -> list[int]:
    """Return a circle of undecided tickets, else a path through one that cannot be made longer."""
    path, passed = [first], {end: at for at, end in enumerate(reversed(ends[first]))}
    for _ in range(2):
        while True:
            here = next(reversed(passed))
            ticket = next((one for one in undecided[here] if one != path[-1]), None)
            if ticket is None:
                break
            pool, student = ends[ticket]
            there = student if here == pool else pool
            if there in passed:
                return [*path[passed[there] :], ticket]
            path.append(ticket)
            passed[there] = len(path)
        if here[0] == "pool":
            return path[-1:]
        path.reverse()
        passed = {end: at for at, end in enumerate(reversed(passed))}
    return path

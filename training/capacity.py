"""What a list of the length that people can work through held last year, and the bands that are drawn from it.

Everything here is counted on students whom the model that scored them had not seen. A list is one school's (one
course's or class's, where there is one school): its first twenty are those whom somebody will talk to first. Lists
differ more than chance would have it, because schools do; so the number that had the outcome is taken as
beta-binomial, a share of its own for each list (Skellam 1948). Share and spread are weighed over a grid by how well
they explain last year's lists, with a prior that already lets lists differ by a twentieth (the correlation within a
list): where there is one list only, nothing else could tell. A bootstrap over lists was not taken because of just
that: drawn from two lists it is certain of itself. The plausible range is the shortest that holds the next list's
number four times of five.

Bands follow from the same students: the list ends where capacity does, or sooner where its end held too few who had the
outcome. Whoever is on it leaves only at a lower line, so that nobody comes and goes with the noise of a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import betaln, expit, gammaln

from training.evaluate import log_odds
from training.run import Run

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: How often the number of the next list is to lie within the plausible range.
COVERED = 0.8

#: The share of a list that had the outcome, and the correlation within a list, over which it is weighed.
_SHARES = (np.arange(100) + 0.5) / 100
_SPREADS = np.concatenate([np.geomspace(0.002, 0.05, 8), np.linspace(0.07, 0.45, 8)])
#: Half of lists are taken to have less spread than this before any was seen.
_USUAL_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Looked:
    """The first of one list on one day: how many of them were looked at, and how many later had the outcome."""

    place: str
    day: int
    students: int
    had_it: int


@dataclass(frozen=True)
class Scored:
    """Rows of one or more terms, scored by models that had not seen the student; all of shape ``(rows,)``.

    ``place`` is the school or what stands for it, ``term`` the term, ``share`` which part of that day's students of the
    place the row's list holds (some are held out, or have no outcome), so that twenty students of all are as many of
    these.
    """

    chance: Floats
    label: npt.NDArray[np.int8]
    student: npt.NDArray[Any]
    day: npt.NDArray[Any]
    tie: Floats
    place: npt.NDArray[Any]
    term: npt.NDArray[Any]
    share: Floats


@dataclass(frozen=True)
class Past:
    """What lists held: one list per place, term and judged day. ``places`` tells whether each place has its own."""

    first: int
    places: bool
    lists: tuple[Looked, ...]


def scored(
    keys: pl.DataFrame, schools: pl.Series, at: Bools, label: npt.NDArray[np.int8], tie: Floats, chance: Floats,
    part_of_all: float = 1.0,
) -> Scored:  # fmt: skip
    """Return rows for lists: of each school, or of each course where there is one school.

    Args:
        keys: the feature table's keys with ``course_id``, ``term_id`` and ``day``, of all rows of a cohort.
        schools: the school of each of them, null where none is named.
        at: the rows that are scored and whose outcome is known.
        label: 0 or 1, of all rows.
        tie: see :func:`training.evaluate.ties`, of all rows.
        chance: probabilities of the scored rows, shape ``(at.sum(),)``.
        part_of_all: which part of the students the cohort is; see :func:`part_of_all`.

    """
    place = schools if schools.n_unique() > 1 else keys["course_id"]
    rows = keys.select("student_id", "term_id", "day", place=place.fill_null(""), at=pl.Series(at))
    of_day = ["place", "term_id", "day"]
    rows = rows.with_columns(share=pl.col("at").sum().over(of_day) / pl.len().over(of_day)).filter("at")
    return Scored(
        chance, label[at], rows["student_id"].to_numpy(), rows["day"].to_numpy(), tie[at], rows["place"].to_numpy(),
        rows["term_id"].fill_null("").to_numpy(), rows["share"].to_numpy() * part_of_all,
    )  # fmt: skip


def part_of_all(run: Run) -> float:
    """Return which part of the stays a run's rows are of: less than all where a share of the classes stands for them."""
    if run.keys.height < 0.8 * run.settings.most_rows:
        return 1.0
    terms = run.keys["term_id"].unique()
    stays = run.records.labels("enrolments").filter(pl.col("term_id").is_in(terms.implode())).select("enrolment_id").unique()
    return min(1.0, run.keys["enrolment_id"].n_unique() / max(stays.collect().height, 1))


def past(rows: Scored, first: int, line: float) -> Past:
    """Return what the first of each list held.

    A place has a list of its own if at least so many of its students lie at the line or above; where fewer than two
    places have, all places share one list, and where that is shorter, fewer are looked at first.

    Args:
        rows: the rows.
        first: how many are looked at.
        line: the least probability on the list.

    """
    whole = _lists(rows, rows.place, first, line)
    if len({one.place for one in whole}) >= 2:
        return Past(first, True, tuple(whole))
    together = np.full(len(rows.label), "")
    fewer = first
    while fewer > 1 and not _lists(rows, together, fewer, line):
        fewer -= 1
    return Past(fewer, False, tuple(_lists(rows, together, fewer, line)))


def later(rows: Scored, before: Past, line: float) -> list[Looked]:
    """Return what lists made in the same way held on other rows."""
    places = rows.place if before.places else np.full(len(rows.label), "")
    return _lists(rows, places, before.first, line)


def _lists(rows: Scored, places: npt.NDArray[Any], first: int, line: float) -> list[Looked]:
    found = []
    for term in np.unique(rows.term):
        for day in np.unique(rows.day[rows.term == term]):
            then = np.flatnonzero((rows.term == term) & (rows.day == day))
            for place in np.unique(places[then]):
                at = then[places[then] == place]
                order = at[np.lexsort((rows.tie[at], -rows.chance[at]))]
                # A student is looked at once, where they come first.
                _, once = np.unique(rows.student[order], return_index=True)
                order = order[np.sort(once)]
                room = max(1, round(first * float(rows.share[at].mean())))
                if len(order) >= room and rows.chance[order[room - 1]] >= line:
                    found.append(Looked(str(place), int(day), room, int(rows.label[order[:room]].sum())))
    return found


def plausible(lists: Sequence[Looked], first: int) -> Floats:
    """Return how likely each number from 0 to ``first`` is for the next list, given lists of the past."""
    share, spread = (part.ravel() for part in np.meshgrid(_SHARES, _SPREADS, indexing="ij"))
    a, b = share * (1 - spread) / spread, (1 - share) * (1 - spread) / spread
    width = np.tile(np.gradient(_SPREADS), len(_SHARES))
    # Jeffreys' prior of a share; half a Cauchy of the spread, whose tail gives way to lists that differ more.
    weight = -0.5 * np.log(share * (1 - share)) - np.log1p((spread / _USUAL_SPREAD) ** 2) + np.log(width)
    for one in lists:
        weight = weight + betaln(a + one.had_it, b + one.students - one.had_it) - betaln(a, b)
    weight = np.exp(weight - weight.max())
    numbers = np.arange(first + 1)
    ways = gammaln(first + 1) - gammaln(numbers + 1) - gammaln(first - numbers + 1)
    each = np.exp(ways + betaln(a[:, None] + numbers, b[:, None] + first - numbers) - betaln(a, b)[:, None])
    return np.asarray(weight @ each / weight.sum(), dtype=np.float64)


def shortest(likely: Floats, covered: float = COVERED) -> tuple[int, int]:
    """Return the shortest run of numbers that together are at least so likely; of equal ones the likeliest."""
    total = np.concatenate([[0.0], np.cumsum(likely)])
    for length in range(1, len(likely) + 1):
        mass = total[length:] - total[:-length]
        if mass.max() >= covered - 1e-12 or length == len(likely):
            low = int(mass.argmax())
            return low, low + length - 1
    raise AssertionError("the numbers of no list at all")


def told(before: Past, when: str, happened: str) -> dict[str, Any]:
    """Return the sentence of a card and what it is made of: all days together, and each day.

    Args:
        before: the lists of the past.
        when: how the sentence begins, such as "Last year".
        happened: what it says of those who had the outcome, such as "left before the end".

    """
    by_day, mixed, shares = [], np.zeros(before.first + 1), []
    for day in sorted({one.day for one in before.lists}):
        lists = [one for one in before.lists if one.day == day]
        share = sum(one.had_it for one in lists) / sum(one.students for one in lists)
        likely = plausible(lists, before.first)
        by_day.append({"day": day, "lists": len(lists), **_of(before.first, share, likely)})
        mixed += likely
        shares.append(share)
    if not by_day:
        return {}
    whole = _of(before.first, float(np.mean(shares)), mixed / len(by_day))
    return {
        **whole,
        "lists": len(before.lists),
        "each_place": before.places,
        "says": sentence(when, happened, whole["first"], whole["had_it"], whole["low"], whole["high"]),
        "by_day": by_day,
    }


def _of(first: int, share: float, likely: Floats) -> dict[str, int]:
    low, high = shortest(likely)
    had_it = int(np.floor(first * share + 0.5))
    return {"first": first, "had_it": had_it, "low": min(low, had_it), "high": max(high, had_it)}


def sentence(when: str, happened: str, first: int, had_it: int, low: int, high: int) -> str:
    """Return what last year's lists held, in words that a person can weigh."""
    return (
        f"{when}, of the first {first} students on a list made this way, {had_it or 'none'} later {happened} "
        f"(plausible range {low} to {high})."
    )


def found_inside(lists: Sequence[Looked], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many later lists had a number within the range said for their day, and how many in the mean.

    A list of fewer students, because some have no outcome, is counted by its share.
    """
    ranges = {one["day"]: one for one in said.get("by_day", [])}
    inside, shares = 0, []
    rows = [one for one in lists if one.day in ranges]
    for one in rows:
        number = round(one.had_it / one.students * ranges[one.day]["first"])
        inside += ranges[one.day]["low"] <= number <= ranges[one.day]["high"]
        shares.append(one.had_it / one.students)
    return {
        "lists": len(rows),
        "inside": inside,
        "had_it": round(float(np.mean(shares)) * said["first"], 2) if rows else None,
    }


def when_of(earlier: str, terms: int) -> str:
    """Return how the sentence begins: what is told of is last year, or earlier years or courses."""
    if earlier == "years":
        return "Last year" if terms == 1 else "In earlier years"
    return f"In earlier {earlier}"


# -- bands ------------------------------------------------------------------------------------------------------------

#: In how many parts a list is looked at from its end.
PARTS = 5

#: Where the scores of refits are not known, how much longer the list is for those who are on it; and how much longer at
#: most, however much scores differ.
_LONGER, _MOST = 1.25, 1.5


def bands(
    chance: Floats, label: npt.NDArray[np.int8], capacity: float, least_odds: float, noise: float | None = None
) -> dict[str, float]:
    """Return the least probabilities of each band, from students whom the model had not seen.

    The list (``check_in_suggested``) is as long as capacity allows, and ends sooner where its last fifth had the
    outcome at less than ``least_odds`` times the odds of all students: to name them would be wrong too often for what
    it finds. Its first fifth always stands, since somebody has to be first. ``keep_an_eye`` begins where four of five
    who had the outcome are found, but nobody is in it who had it less often than all. Who is on the list stays on it
    down to ``check_in_kept``.

    Args:
        chance: probabilities, shape ``(rows,)``.
        label: 0 or 1.
        capacity: share of the students that a list holds.
        least_odds: see above.
        noise: how far, in log-odds, scores of equally good models lie apart near the line; see
            :func:`training.stability.noise`.

    """
    order = np.argsort(-chance, kind="stable")
    length = max(1, int(np.ceil(capacity * len(chance))))
    least = odds_of(float(label.mean())) * least_odds
    while length > np.ceil(capacity * len(chance) / PARTS):
        part = order[int(length * (1 - 1 / PARTS)) : length]
        # Half of a student more on each side: a part without any counts as what it might be.
        if odds_of((float(label[part].sum()) + 0.5) / (len(part) + 1)) >= least:
            break
        length = max(1, int(length * (1 - 1 / PARTS)))
    line = float(np.quantile(chance, 1 - length / len(chance)))
    had_it = np.sort(chance[label == 1])[::-1]
    four_of_five = float(had_it[min(int(np.ceil(0.8 * len(had_it))) - 1, len(had_it) - 1)]) if len(had_it) else line
    eye = min(max(four_of_five, float(label.mean())), line)
    longest = float(np.quantile(chance, max(0.0, 1 - _MOST * length / len(chance))))
    if noise is None:
        kept = float(np.quantile(chance, max(0.0, 1 - _LONGER * length / len(chance))))
    else:
        kept = max(float(expit(log_odds(np.array([line]))[0] - noise)), longest)
    return {"check_in_suggested": line, "check_in_kept": min(kept, line), "keep_an_eye": eye}


def odds_of(share: float) -> float:
    """Return the odds of a share."""
    return share / max(1 - share, 1e-9)

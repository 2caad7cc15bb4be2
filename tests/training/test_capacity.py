"""What the first of a list held, how far that can be relied on, and where bands begin and end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from training import capacity, evaluate
from training.capacity import Looked, Scored


def scored(people: int = 200, places: int = 1, share: float = 1.0, days: int = 1) -> Scored:
    """Return students of whom exactly those with an even number among the upper half had the outcome."""
    each = np.arange(people * places)
    chance = (each % people + 1) / (people + 1)
    had_it = ((each % 2 == 0) & (chance > 0.5)).astype(np.int8)
    rows = Scored(chance, had_it, each.astype(str), np.zeros(len(each)), evaluate.ties([str(one) for one in each]),
                  (each // people).astype(str), np.full(len(each), "t1"), np.full(len(each), share))  # fmt: skip
    parts = [replace(rows, day=rows.day + 28 * at) for at in range(days)]
    return Scored(*(np.concatenate([getattr(one, name) for one in parts]) for name in Scored.__dataclass_fields__))


def test_the_first_of_a_list_are_counted_for_each_place_and_day() -> None:
    found = capacity.past(scored(places=3, days=2), 20, 0.8)
    assert found.places
    assert sorted(found.lists, key=lambda one: (one.day, one.place)) == [
        Looked(place, day, 20, 10) for day in (0, 28) for place in "012"
    ]


def test_a_place_without_enough_students_at_the_line_has_no_list_and_where_few_have_all_share_one() -> None:
    rows = scored(places=3)
    low = np.where(rows.place == "2", rows.chance / 2, rows.chance)
    assert {one.place for one in capacity.past(replace(rows, chance=low), 20, 0.8).lists} == {"0", "1"}
    low = np.where(rows.place == "0", rows.chance, rows.chance / 2)
    together = capacity.past(replace(rows, chance=low), 20, 0.8)
    assert (together.places, together.first) == (False, 20)
    assert together.lists == (Looked("", 0, 20, 10),)


def test_where_a_list_is_shorter_than_twenty_fewer_are_looked_at() -> None:
    found = capacity.past(scored(), 20, 190.5 / 201)
    assert (found.first, found.lists) == (10, (Looked("", 0, 10, 5),))


def test_where_a_part_of_the_students_is_held_twenty_of_all_are_as_many_of_these() -> None:
    (one,) = capacity.past(scored(share=0.5), 20, 0.8).lists
    assert (one.students, one.had_it) == (10, 5)


def test_a_student_is_looked_at_once_where_they_come_first() -> None:
    rows = scored()
    twice = replace(rows, student=np.array([str(int(one) // 2) for one in rows.student]))
    (one,) = capacity.past(twice, 20, 0.7).lists
    # Of two rows of a student the second is the higher, and has an odd number.
    assert (one.students, one.had_it) == (20, 0)


def test_ties_on_a_list_are_cut_by_the_fixed_number() -> None:
    rows = scored(40)
    level = replace(rows, chance=np.full(40, 0.5))
    (one,) = capacity.past(level, 10, 0.5).lists
    chosen = np.argsort(level.tie)[:10]
    assert one.had_it == int(level.label[chosen].sum())


# -- the plausible range ----------------------------------------------------------------------------------------------


def test_the_range_is_the_shortest_that_holds_four_of_five() -> None:
    likely = np.array([0.05, 0.1, 0.3, 0.4, 0.1, 0.05])
    assert capacity.shortest(likely) == (1, 3)
    assert capacity.shortest(likely, 0.65) == (2, 3)
    assert capacity.shortest(np.array([1.0])) == (0, 0)
    assert capacity.shortest(np.full(5, 0.2), 1.0) == (0, 4)


def test_what_is_likely_adds_up_and_follows_the_lists() -> None:
    lists = [Looked(str(at), 0, 20, 13 + at % 3 - 1) for at in range(9)]
    likely = capacity.plausible(lists, 20)
    assert likely.sum() == pytest.approx(1)
    assert int(likely.argmax()) == 13
    fewer = capacity.plausible(lists[:1], 20)
    assert np.ptp(capacity.shortest(fewer)) > np.ptp(capacity.shortest(likely)), "one list tells less than nine"
    apart = [Looked(str(at), 0, 20, 20 * (at % 2)) for at in range(8)]
    assert capacity.shortest(capacity.plausible(apart, 20)) == (0, 20) or np.ptp(capacity.shortest(
        capacity.plausible(apart, 20))) >= 16, "lists that are all or nothing leave everything open"  # fmt: skip


@pytest.mark.full
def test_an_eighty_percent_range_holds_the_next_list_about_four_times_of_five() -> None:
    """Lists of schools whose shares differ: of 12 worlds, each drawn 40 times, the mean coverage and each world's.

    Schools are drawn from a beta distribution with the spread of the prior and half and twice as much; ranges are whole
    numbers, so that they hold a little more than they must where chance alone differs.
    """
    rng, inside, of = np.random.default_rng(5), dict[tuple[float, float, int], float](), 40
    for share in (0.3, 0.65):
        for spread in (0.025, 0.05, 0.1):
            for lists in (3, 9):
                a, b = share * (1 - spread) / spread, (1 - share) * (1 - spread) / spread
                hits = 0
                for _ in range(of):
                    *before, after = rng.binomial(20, rng.beta(a, b, lists + 1))
                    past = [Looked(str(at), 0, 20, int(one)) for at, one in enumerate(before)]
                    low, high = capacity.shortest(capacity.plausible(past, 20))
                    hits += low <= after <= high
                inside[share, spread, lists] = hits / of
    # One world's share has a standard error of .06, and the mean of all of .018.
    assert 0.75 < np.mean(list(inside.values())) < 0.88, inside
    assert min(inside.values()) > 0.55, inside


def test_the_sentence_is_one_for_all_days_and_each_day_has_its_own_figures() -> None:
    lists = (*(Looked(p, 0, 20, had) for p, had in zip("abcd", (12, 13, 14, 13), strict=True)),
             *(Looked(p, 28, 20, had) for p, had in zip("abcd", (15, 14, 16, 15), strict=True)))  # fmt: skip
    told = capacity.told(capacity.Past(20, True, lists), "Last year", "left before the end")
    assert [(one["day"], one["had_it"]) for one in told["by_day"]] == [(0, 13), (28, 15)]
    assert (told["first"], told["had_it"]) == (20, 14)
    assert told["low"] < 13
    assert told["high"] > 15
    assert told["says"] == (
        f"Last year, of the first 20 students on a list made this way, 14 later left before the end (plausible range "
        f"{told['low']} to {told['high']})."
    )
    assert "none later" in capacity.sentence("Last year", "left", 20, 0, 0, 2)


@pytest.mark.parametrize(
    ("earlier", "terms", "when"),
    [("years", 1, "Last year"), ("years", 2, "In earlier years"), ("courses", 1, "In earlier courses")],
)
def test_the_sentence_says_when(earlier: str, terms: int, when: str) -> None:
    assert capacity.when_of(earlier, terms) == when


def test_later_lists_are_held_against_the_range_of_their_day() -> None:
    said: dict[str, Any] = {"first": 20, "by_day": [{"day": 0, "first": 20, "low": 8, "high": 12}]}
    lists = [Looked("a", 0, 20, 12), Looked("b", 0, 10, 7), Looked("c", 0, 10, 5), Looked("d", 14, 20, 10)]
    assert capacity.found_inside(lists, said) == {"lists": 3, "inside": 2, "had_it": 12.0}
    assert capacity.found_inside([], said) == {"lists": 0, "inside": 0, "had_it": None}


# -- bands ------------------------------------------------------------------------------------------------------------

CHANCE = (np.arange(1000) + 0.5) / 1000


def label(upper: float, lower: float = 0.05) -> npt.NDArray[np.int8]:
    """Return who had it: among the last tenth this share, and of the rest another, spread evenly."""
    at = np.arange(1000)
    share = np.where(at >= 900, upper, lower)
    return (np.floor((at + 1) * share) > np.floor(at * share)).astype(np.int8)


def test_the_list_is_as_long_as_capacity_where_its_end_is_worth_it() -> None:
    found = capacity.bands(CHANCE, label(0.6), 0.1, 2.0)
    assert (found["check_in_suggested"] <= CHANCE).sum() == 100
    assert found["keep_an_eye"] <= found["check_in_kept"] <= found["check_in_suggested"]


def test_the_list_ends_where_its_end_had_it_too_seldom_but_never_before_its_first_fifth() -> None:
    at, chance = np.arange(10_000), (np.arange(10_000) + 0.5) / 10_000
    only_first = np.where(at >= 9600, at % 2 == 0, at % 20 == 0).astype(np.int8)
    shorter = capacity.bands(chance, only_first, 0.1, 2.0)
    assert 400 <= (chance >= shorter["check_in_suggested"]).sum() <= 500
    nothing_to_it = capacity.bands(chance, (at % 20 == 0).astype(np.int8), 0.1, 2.0)
    assert 150 <= (chance >= nothing_to_it["check_in_suggested"]).sum() <= 200


def test_nobody_is_kept_an_eye_on_who_had_it_less_often_than_all() -> None:
    found = capacity.bands(CHANCE, label(0.6, 0.5), 0.1, 1.0)
    assert found["keep_an_eye"] >= label(0.6, 0.5).mean()


def test_who_is_on_the_list_leaves_it_at_a_lower_line_as_far_below_as_scores_are_noisy() -> None:
    lines = [capacity.bands(CHANCE, label(0.6), 0.1, 2.0, noise)["check_in_kept"] for noise in (0.0, 0.1, 0.2, 5.0)]
    assert lines[0] == pytest.approx(capacity.bands(CHANCE, label(0.6), 0.1, 2.0)["check_in_suggested"])
    assert lines[0] > lines[1] > lines[2] > lines[3]
    assert (lines[3] <= CHANCE).sum() <= 150, "the list is never half as long again"

"""Lots for places: chances known exactly before the draw, and kept by it whatever else must hold."""

from __future__ import annotations

import numpy as np
import pytest

from serving.lottery import Tickets, chances, draw, seeded


def tickets(pairs: list[tuple[int, int]], places: list[int], free: list[int]) -> Tickets:
    pool, student = (np.array(one, dtype=np.intp) for one in zip(*pairs, strict=True))
    return Tickets(pool, student, np.array(places, dtype=np.intp), np.array(free, dtype=np.intp))


def random_tickets(seed: int) -> Tickets:
    """Return tickets of which some students hold more than they are free for; their places can be given away."""
    rng = np.random.default_rng(seed)
    students, pools = int(rng.integers(3, 30)), int(rng.integers(2, 7))
    pairs = [(pool, student) for student in range(students) for pool in range(pools) if rng.random() < 0.6] or [(0, 0)]
    free = rng.integers(1, 3, students)
    left, places = free.copy(), [0] * pools
    for at in rng.permutation(len(pairs)):
        pool, student = pairs[at]
        if left[student] and rng.random() < 0.7:
            left[student] -= 1
            places[pool] += 1
    return tickets(pairs, places, free.tolist())


def test_everybody_at_a_line_has_the_same_chance() -> None:
    mine = tickets([(0, at) for at in range(7)], [3], [2] * 7)
    assert chances(mine).tolist() == [3 / 7] * 7


def test_who_holds_more_tickets_than_they_may_take_has_less_by_the_same_at_each_pool() -> None:
    # Student 0 stands at two pools and may take one place; students 1 to 4 stand at one pool each.
    mine = tickets([(0, 0), (1, 0), (0, 1), (0, 2), (1, 3), (1, 4)], [2, 2], [1] * 5)
    found = chances(mine)
    assert found[:2] == pytest.approx([0.5, 0.5], abs=1e-8)
    assert found[2:] == pytest.approx([0.75] * 4, abs=1e-8)


def test_a_chance_that_the_limits_leave_no_choice_of_is_found() -> None:
    mine = tickets([(0, 0), (1, 0), (1, 1)], [1, 1], [1, 1])  # the place of pool 0 can go to student 0 alone
    assert chances(mine) == pytest.approx([1, 0, 1], abs=1e-6)


@pytest.mark.full
def test_places_that_students_are_not_free_to_take_are_refused() -> None:
    with pytest.raises(ValueError, match="more places than"):
        chances(tickets([(0, 0), (1, 0)], [1, 1], [1]))
    with pytest.raises(ValueError, match="more places than"):
        chances(tickets([(0, 0)], [2], [5]))


@pytest.mark.parametrize("seed", range(25))
def test_chances_add_up_to_the_places_and_a_draw_gives_all_away_and_nobody_too_many(seed: int) -> None:
    mine = random_tickets(seed)
    found = chances(mine)
    pools, students = len(mine.places), len(mine.free)
    assert np.bincount(mine.pool, found, pools) == pytest.approx(mine.places, abs=1e-6)
    assert (np.bincount(mine.student, found, students) <= mine.free + 1e-6).all()
    for number in range(4):
        won = draw(mine, found, seeded(number, "places"))
        assert (np.bincount(mine.pool[won], minlength=pools) == mine.places).all()
        assert (np.bincount(mine.student[won], minlength=students) <= mine.free).all()
        assert not won[found == 0].any()
        assert won[found == 1].all()


@pytest.mark.full
@pytest.mark.parametrize("seed", [3, 8])
def test_over_seeds_each_ticket_wins_as_often_as_its_recorded_chance_says(seed: int) -> None:
    mine, times = random_tickets(seed), 1_500
    found = chances(mine)
    often = np.mean([draw(mine, found, seeded(number, "places")) for number in range(times)], axis=0)
    open_ = (found > 0) & (found < 1)
    assert open_.sum() > 5, "nothing is left to chance here"
    error = np.sqrt(found * (1 - found) / times)
    assert np.abs((often - found)[open_] / error[open_]).max() < 4.5


def test_the_same_seed_gives_the_same_draw_and_another_purpose_another() -> None:
    mine = tickets([(0, at) for at in range(40)], [20], [2] * 40)
    found = chances(mine)
    assert (draw(mine, found, seeded(5, "a")) == draw(mine, found, seeded(5, "a"))).all()
    assert (draw(mine, found, seeded(5, "a")) != draw(mine, found, seeded(5, "b"))).any()
    assert (draw(mine, found, seeded(5, "a")) != draw(mine, found, seeded(6, "a"))).any()

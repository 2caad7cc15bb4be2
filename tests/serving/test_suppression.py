"""What is published of groups: nobody can work out a small one, whatever they add up, take away or lay side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from serving.suppression import BOTTOM, LEAST, Cell, Group, bounds, coded, suppress, tens


def school(**years: tuple[int, int]) -> list[Group]:
    """Return a school by year: of so many students so many have it."""
    whole = [sum(one[at] for one in years.values()) for at in (0, 1)]
    return [Group("school", None, "organisation", *whole), *(Group(key, "school", "year", *one) for key, one in years.items())]


#: A group of which nothing is known is no larger than this.
MOST = 10_000


class Attacker:
    """Knows every published number exactly, unrounded, that parts sum up to their whole, and how shares are coded."""

    def __init__(self, groups: Sequence[Group], cells: Mapping[str, Cell], bottom: float) -> None:
        self.bottom = bottom
        self.groups = [one for one in groups if one.size]
        self.at = {one.key: number for number, one in enumerate(self.groups)}
        count = len(self.groups)
        rows: list[np.ndarray] = []
        families: dict[tuple[str, str], list[str]] = defaultdict(list)
        for one in self.groups:
            if one.above is not None:
                families[one.above, one.dimension].append(one.key)
        for (above, _), parts in families.items():
            for start in (0, count):  # sizes first, then counts
                row = np.zeros(2 * count)
                row[start + self.at[above]] = 1
                row[[start + self.at[part] for part in parts]] = -1
                rows.append(row)
        self.equal = np.array(rows) if rows else None
        self.less = np.hstack([-np.eye(count), np.eye(count)])  # no more have it than there are
        self.box = [self._size(one, cells) for one in self.groups] + [self._count(one, cells) for one in self.groups]

    @staticmethod
    def _size(one: Group, cells: Mapping[str, Cell]) -> tuple[float, float]:
        return (0, MOST) if cells[one.key].said == "hidden" else (one.size, one.size)

    def _count(self, one: Group, cells: Mapping[str, Cell]) -> tuple[float, float]:
        few = max(LEAST - 1, int(np.ceil(self.bottom * one.size)) - 1)
        known: dict[str, tuple[float, float]] = {
            "share": (one.yes, one.yes),
            "low": (0, few),
            "high": (one.size - few, one.size),
            "withheld": (0, one.size),
            "hidden": (0, MOST),
        }
        return known[cells[one.key].said]

    def finds(self, cost: np.ndarray) -> tuple[float, float]:
        """Return the least and the most that a sum of unknowns can be."""
        ends = []
        for sign in (1, -1):
            found = linprog(sign * cost, A_ub=self.less, b_ub=np.zeros(len(self.groups)), A_eq=self.equal,
                            b_eq=None if self.equal is None else np.zeros(len(self.equal)), bounds=self.box)  # fmt: skip
            assert found.status == 0, found.message
            ends.append(sign * found.fun)
        return round(ends[0], 6), round(ends[1], 6)

    def size(self, key: str) -> tuple[float, float]:
        return self.finds(np.eye(2 * len(self.groups))[self.at[key]])

    def yes(self, key: str) -> tuple[float, float]:
        return self.finds(np.eye(2 * len(self.groups))[len(self.groups) + self.at[key]])

    def no(self, key: str) -> tuple[float, float]:
        both = np.eye(2 * len(self.groups))
        return self.finds(both[self.at[key]] - both[len(self.groups) + self.at[key]])


def audit(groups: Sequence[Group], never: Collection[str] = (), bottom: float = BOTTOM) -> None:
    """Hold a publication to its rules, by linear programming and not by what made it."""
    cells = suppress(groups, never, bottom)
    attacker, worked_out = Attacker(groups, cells, bottom), bounds(groups, never, bottom)
    assert not [key for key in never if key in cells and cells[key].said != "hidden"]
    for one in attacker.groups:
        cell = cells[one.key]
        if cell.said == "share":
            assert LEAST <= one.yes <= one.size - LEAST
            assert bottom <= one.yes / one.size <= 1 - bottom
        if cell.said == "hidden":
            for low, high in (attacker.size(one.key), attacker.yes(one.key), attacker.no(one.key)):
                assert high - low >= LEAST - 1, f"{one} can be worked out"
        else:
            assert one.size >= LEAST
            low, high = attacker.yes(one.key)
            assert (worked_out[one.key].low, worked_out[one.key].high) == (low, high), "intervals are as exact as the solver's"
            if cell.said != "share":
                assert high - low >= LEAST - 1, f"{one} can be worked out"
    families = {(one.above, one.dimension) for one in attacker.groups if one.above and cells[one.above].said != "hidden"}
    for above, dimension in sorted(families):
        parts = [one for one in attacker.groups if (one.above, one.dimension) == (above, dimension)]
        rest = [one for one in parts if cells[one.key].said == "hidden"]
        if rest:
            size, count = sum(one.size for one in rest), len(attacker.groups)
            assert len(rest) >= 2
            assert size >= LEAST
            cost = np.zeros(2 * count)
            cost[[count + attacker.at[one.key] for one in rest]] = 1
            low, high = attacker.finds(cost)
            assert high - low >= LEAST - 1 or (low >= LEAST and size - high >= LEAST), "what is left of a total is few"


def said(groups: Sequence[Group]) -> dict[str, str]:
    return {key: cell.said for key, cell in suppress(groups).items()}


def test_groups_of_ten_and_more_with_neither_few_nor_nearly_all_are_told() -> None:
    groups = school(nine=(100, 40), ten=(110, 60), eleven=(90, 30))
    assert set(said(groups).values()) == {"share"}
    assert suppress(groups)["school"] == Cell("share", 300, 43, 130, 170)
    audit(groups)


def test_a_small_group_takes_the_smallest_of_its_neighbours_with_it() -> None:
    groups = school(nine=(100, 40), ten=(110, 60), eleven=(60, 30), twelve=(7, 3))
    assert said(groups) == {"school": "share", "nine": "share", "ten": "share", "eleven": "hidden", "twelve": "hidden"}
    audit(groups)


def test_small_groups_hide_one_another_where_they_are_ten_together() -> None:
    groups = school(nine=(100, 40), ten=(9, 5), eleven=(9, 5), twelve=(9, 4))
    assert said(groups) == {"school": "share", "nine": "share", "ten": "hidden", "eleven": "hidden", "twelve": "hidden"}
    audit(groups)


def test_what_is_left_of_a_total_is_not_few_who_have_it_either() -> None:
    groups = school(nine=(100, 40), ten=(9, 4), eleven=(8, 2), twelve=(8, 2))
    assert said(groups)["nine"] == "withheld", "else 8 of 25 would follow from the school's share"
    audit(groups)


@pytest.mark.parametrize(("yes", "what"), [(0, "low"), (9, "low"), (10, "share"), (190, "share"), (191, "high"), (200, "high")])
def test_shares_are_coded_where_fewer_than_ten_or_a_twentieth_have_it_or_have_it_not(yes: int, what: str) -> None:
    assert said([Group("school", None, "organisation", 200, yes)]) == {"school": what}


def test_a_coded_share_says_no_more_than_its_bound() -> None:
    assert suppress([Group("a", None, "organisation", 1000, 49)])["a"] == Cell("low", 1000, 5)
    assert suppress([Group("a", None, "organisation", 1000, 951)])["a"] == Cell("high", 1000, 95)
    assert suppress([Group("a", None, "organisation", 1830, 1768)])["a"] == Cell("high", 1830, 95)
    assert suppress([Group("a", None, "organisation", 40, 3)])["a"] == Cell("low", 40, 25)
    assert suppress([Group("a", None, "organisation", 15, 3)])["a"] == Cell("withheld", 20, None)
    assert suppress([Group("a", None, "organisation", 9, 3)])["a"] == Cell("hidden", None, None)


def test_a_coded_share_is_not_the_whole_less_the_other_parts() -> None:
    groups = school(nine=(100, 40), ten=(110, 3), eleven=(90, 30))
    assert said(groups) == {"school": "share", "nine": "share", "ten": "low", "eleven": "withheld"}
    audit(groups)


def test_the_years_of_a_school_do_not_tell_what_the_page_of_its_district_does_not() -> None:
    groups = [
        Group("district", None, "organisation", 430, 150),
        Group("hill", "district", "organisation", 230, 100),
        Group("lincoln", "district", "organisation", 200, 50),
        Group("hill 9", "hill", "year", 225, 98),
        Group("hill 10", "hill", "year", 5, 2),
        Group("lincoln 9", "lincoln", "year", 100, 6),
        Group("lincoln 10", "lincoln", "year", 100, 44),
    ]
    found = said(groups)
    assert found["hill 9"] == found["hill 10"] == "hidden"
    assert (found["lincoln 9"], found["lincoln 10"]) == ("low", "withheld")
    audit(groups)


def test_what_another_measure_does_not_tell_is_not_told_as_a_size() -> None:
    groups = school(nine=(100, 40), ten=(110, 60), eleven=(60, 30))
    cells = suppress(groups, never=["nine"])
    assert {key: cell.said for key, cell in cells.items()} == {
        "school": "share", "nine": "hidden", "ten": "share", "eleven": "hidden"
    }  # fmt: skip


def test_the_only_part_of_a_whole_is_hidden_with_it() -> None:
    groups = [Group("d", None, "organisation", 60, 30), Group("a", "d", "organisation", 60, 30)]
    assert {cell.said for cell in suppress(groups, never=["a"]).values()} == {"hidden"}


def test_nothing_is_told_of_what_is_below_a_small_group() -> None:
    groups = [Group("d", None, "organisation", 9, 4), Group("a", "d", "organisation", 9, 4)]
    assert said(groups) == {"d": "hidden", "a": "hidden"}


def test_a_count_that_is_decided_on_is_told_from_ten_on_and_its_share_is_still_shown_coded() -> None:
    few = Group("a", None, "organisation", 1830, 62)
    assert suppress([few], bottom=0)["a"] == Cell("share", 1830, 3, 60, 1770)
    assert coded(suppress([few], bottom=0)["a"]) == Cell("low", 1830, 5)
    assert coded(Cell("share", 1830, 97, 1770)) == Cell("high", 1830, 95)
    assert coded(Cell("share", 1830, 5, 90)) == Cell("share", 1830, 5, 90)
    assert coded(Cell("high", 500, 97)) == Cell("high", 500, 95)
    assert coded(Cell("low", 500, 2)) == Cell("low", 500, 5)
    assert coded(Cell("high", 30, 60)) == Cell("high", 30, 60)
    assert coded(Cell("hidden")) == Cell("hidden")
    assert suppress([Group("a", None, "organisation", 1830, 9)], bottom=0)["a"] == Cell("low", 1830, 1)


def test_parts_that_do_not_sum_up_are_refused() -> None:
    with pytest.raises(ValueError, match="sum up"):
        suppress([Group("s", None, "organisation", 30, 15), Group("a", "s", "year", 20, 15)])
    with pytest.raises(ValueError, match="not there"):
        suppress([Group("a", "nowhere", "year", 20, 15)])


def test_sizes_and_counts_are_told_in_tens() -> None:
    assert [tens(number) for number in (0, 4, 5, 14, 15, 95)] == [0, 0, 10, 10, 20, 100]
    assert suppress([Group("a", None, "organisation", 193, 64)])["a"] == Cell("share", 190, 33, 60, 130)


SIZES = st.one_of(st.integers(0, 14), st.integers(10, 60), st.integers(80, 400))


@st.composite
def districts(draw: st.DrawFn) -> list[Group]:
    """Draw a district of a few schools, each parted by year and by access, with whatever counts."""
    groups: list[Group] = []
    whole = [0, 0]
    for number in range(draw(st.integers(1, 4))):
        years = [(size, draw(st.one_of(st.integers(0, size), st.integers(0, min(size, 12)))))
                 for size in draw(st.lists(SIZES, min_size=1, max_size=4))]  # fmt: skip
        size, yes = (sum(one[at] for one in years) for at in (0, 1))
        key = f"school {number}"
        groups.append(Group(key, "district", "organisation", size, yes))
        groups += [Group(f"{key} year {at}", key, "year", *one) for at, one in enumerate(years)]
        inside = draw(st.integers(0, yes))
        others = draw(st.integers(0, size - yes))
        groups += [Group(f"{key} with", key, "access", inside + others, inside),
                   Group(f"{key} without", key, "access", size - inside - others, yes - inside)]  # fmt: skip
        whole = [whole[0] + size, whole[1] + yes]
    return [Group("district", None, "organisation", *whole), *groups]


@pytest.mark.full
@settings(max_examples=50, deadline=None)
@given(districts(), st.data(), st.sampled_from([BOTTOM, 0.0]))
def test_no_small_count_of_any_district_can_be_worked_out_by_linear_programming(
    groups: list[Group], data: st.DataObject, bottom: float
) -> None:
    keys = [one.key for one in groups if one.above]
    audit(groups, data.draw(st.lists(st.sampled_from(keys), max_size=1)), bottom)


@settings(max_examples=40, deadline=None)
@given(districts())
def test_what_is_published_does_not_depend_on_the_order_of_groups_and_nothing_small_is_told(groups: list[Group]) -> None:
    cells = suppress(groups)
    for one in groups:
        if one.size and cells[one.key].said != "hidden":
            assert one.size >= LEAST
            assert cells[one.key].said != "share" or LEAST <= one.yes <= one.size - LEAST
    assert suppress(groups[::-1]) == cells

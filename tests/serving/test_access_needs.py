"""Devices and internet as what is owed: need by need, unknown is asked first, small schools stand in the same draw."""

from __future__ import annotations

from datetime import date
from itertools import product

import numpy as np
import polars as pl
import pytest
from example_school import Frames, _frame
from scipy.optimize import linprog

from features.records import SchoolRecords
from serving.access_needs import ALL, ANSWERS, Access, access, key, needs, published

TODAY = date(2026, 11, 13)
BEGINS, ENDS = date(2026, 9, 1), date(2027, 6, 30)

#: School, region, and of how many students the internet is recorded as what.
SCHOOLS = (
    ("large", "north", {"broadband": 40, "none": 30, "mobile_only": 6, "unknown": 4, None: 20}),
    ("small", "north", {"broadband": 3, "none": 4}),
    ("other", "south", {"broadband": 60, "none": 12, "unknown": 15}),
)


def frames() -> Frames:
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in ("students", "enrolments", "digital_access", "supports")}
    for school, _, counts in SCHOOLS:
        words = [word for word, many in counts.items() for _ in range(many)]
        for at, word in enumerate(words):
            who = f"{school}-{at:03d}"
            rows["students"].append((who,))
            rows["enrolments"].append((f"stay-{who}", who, school, None, BEGINS, ENDS, 0, None, 9))
            if word is not None:
                rows["digital_access"].append((who, BEGINS, "none" if at % 3 == 0 else "own", word, "family"))
    organisations = [(school, school, "school", None, region) for school, region, _ in SCHOOLS]
    return {"organisations": _frame("organisations", organisations), **{name: _frame(name, one) for name, one in rows.items()}}


@pytest.fixture(scope="module")
def school() -> SchoolRecords:
    return SchoolRecords.from_frames(frames())


def lent(found: Access) -> pl.DataFrame:
    return found.rows.filter(pl.col("state") == "lent")


def test_what_nobody_recorded_is_unknown_and_never_a_yes(school: SchoolRecords) -> None:
    told = needs(school, TODAY).filter(pl.col("kind") == "internet", pl.col("school") == "large")
    assert dict(told["answer"].value_counts().iter_rows()) == {"yes": 46, "no": 30, "unknown": 24}
    found = access(school, TODAY, {"internet": 500}, seed=1)
    asked = found.rows.filter(pl.col("state") == "ask_first")
    assert asked.height == 39
    assert asked["probability"].null_count() == 39
    assert set(lent(found)["need"]) == {1, 2}, "nobody is lent anything of whom it is not known"


def test_none_at_all_comes_before_less_than_enough(school: SchoolRecords) -> None:
    found = access(school, TODAY, {"internet": 48}, seed=1)
    assert dict(lent(found)["need"].value_counts().iter_rows()) == {2: 46, 1: 2}
    assert found.unmet("internet") == (0, 4)


@pytest.mark.full
def test_a_school_with_four_in_need_stands_in_the_same_draw_with_the_same_chance(school: SchoolRecords) -> None:
    found = access(school, TODAY, {"internet": 23}, seed=1)
    of_need = found.rows.filter(pl.col("need") == 2)
    assert of_need["probability"].unique().to_list() == [0.5]
    assert of_need.filter(pl.col("school") == "small").height == 4
    often = np.mean([
        lent(access(school, TODAY, {"internet": 23}, seed=seed)).filter(pl.col("school") == "small").height
        for seed in range(60)
    ])  # fmt: skip
    assert abs(often - 2) < 4.5 * np.sqrt(4 * 0.25 / 60)


def test_a_seed_gives_the_same_draw_and_neither_kind_takes_from_the_other(school: SchoolRecords) -> None:
    found = access(school, TODAY, {"internet": 20, "device": 10}, seed=4)
    assert found.rows.equals(access(school, TODAY, {"internet": 20, "device": 10}, seed=4).rows)
    alone = access(school, TODAY, {"internet": 20, "device": None}, seed=4)
    assert alone.rows.equals(found.rows.filter(pl.col("kind") == "internet"))
    assert lent(found).filter(pl.col("kind") == "device").height == 10


def test_whoever_has_one_on_loan_is_lent_no_other(school: SchoolRecords) -> None:
    has = pl.DataFrame({"student_id": ["small-003", "small-004"], "intervention_id": ["access_hotspot", "tutor_hd"]})
    found = access(school, TODAY, {"internet": 100}, seed=1, has=has)
    state = dict(found.rows.select("student_id", "state").iter_rows())
    assert (state["small-003"], state["small-004"]) == ("has_it", "lent")


def test_the_newest_record_known_on_the_day_counts(school: SchoolRecords) -> None:
    days = {"small-000": date(2026, 11, 1), "small-001": date(2026, 12, 1)}
    later = [(who, on, "own", "none", "family") for who, on in days.items()]
    changed = {**frames(), "digital_access": pl.concat([frames()["digital_access"], _frame("digital_access", later)])}
    told = dict(
        needs(SchoolRecords.from_frames(changed), TODAY).filter(pl.col("kind") == "internet")
        .select("student_id", "answer").iter_rows()
    )  # fmt: skip
    assert (told["small-000"], told["small-001"]) == ("no", "yes")


def test_where_many_lack_it_the_place_comes_first_and_nobody_leaves_the_draw(school: SchoolRecords) -> None:
    found = access(school, TODAY, {"internet": 23}, seed=1, site_share=0.35)
    assert [(one.school, one.lacking, one.known, one.unknown) for one in found.sites] == [("large", 30, 76, 24)]
    there = found.rows.filter(pl.col("school") == "large", pl.col("need") == 2)
    assert there["site_first"].all()
    assert there["probability"].unique().to_list() == [0.5]
    assert access(school, TODAY, {"internet": 23}, seed=1, site_share=0.5).sites == ()


def test_nothing_but_need_decides(school: SchoolRecords) -> None:
    more = frames()
    people = [(who, "female", "11-15", True, "3", "north", None, "x", "y", True) for who in more["students"]["student_id"]]
    told = SchoolRecords.from_frames({**more, "demographics": _frame("demographics", people)})
    assert access(told, TODAY, {"internet": 23}, seed=1).rows.equals(access(school, TODAY, {"internet": 23}, seed=1).rows)


# -- what is published ------------------------------------------------------------------------------------------------


def test_a_small_school_is_a_row_without_figures_and_whole_in_the_list(school: SchoolRecords) -> None:
    found = access(school, TODAY, {"internet": 23}, seed=1)
    cells = published(found.everybody, "internet")
    assert {cell.said for cell in cells[key("north", "small")].values()} == {"hidden"}
    assert found.rows.filter(pl.col("school") == "small").height == 4
    assert cells[key("south", "other")]["no"].count == 10
    assert cells[ALL]["unknown"].count == 40


@pytest.mark.parametrize("seed", range(12))
def test_no_small_answer_follows_from_what_is_published_of_all_three(seed: int) -> None:
    rng = np.random.default_rng(seed)
    schools = [(f"r{at % 2}", f"z{at}") for at in range(int(rng.integers(2, 6)))]
    counts = {one: rng.choice([0, 3, 8, 15, 40, 120], 3, p=[0.15, 0.2, 0.2, 0.2, 0.15, 0.1]) for one in schools}
    everybody = pl.DataFrame(
        [(region, school, "internet", answer) for (region, school), many in counts.items()
         for answer, times in zip(ANSWERS, many, strict=True) for _ in range(times)],
        schema=["region", "school", "kind", "answer"], orient="row",
    )  # fmt: skip
    if everybody.is_empty():
        pytest.skip("nobody is enrolled in this one")
    cells = published(everybody, "internet")
    variables = list(product(schools, ANSWERS))

    def within(at: str) -> list[tuple[str, str]]:
        return [one for one in schools if at in (ALL, key(one[0]), key(*one))]

    rows, right = [], []
    for at, each in cells.items():
        inside = within(at)
        for answer, cell in each.items():
            if cell.said == "share":  # as if it were published exactly
                rows.append([float(one in inside and mine == answer) for one, mine in variables])
                right.append(float(sum(counts[one][ANSWERS.index(answer)] for one in inside)))
        if all(cell.size is not None for cell in each.values()):
            rows.append([float(one in inside) for one, _ in variables])
            right.append(float(sum(int(counts[one].sum()) for one in inside)))
    most = sum(int(many.sum()) for many in counts.values())
    for at, each in cells.items():
        inside = within(at)
        for answer, cell in each.items():
            true = sum(int(counts[one][ANSWERS.index(answer)]) for one in inside)
            if cell.said == "share" or not 0 < true < 10:
                continue
            goal = np.array([float(one in inside and mine == answer) for one, mine in variables])
            low, high = (
                sign * linprog(sign * goal, A_eq=rows or None, b_eq=right or None, bounds=(0, most)).fun for sign in (1, -1)
            )
            assert high - low >= 9 - 1e-6, f"{answer} of {at.replace(chr(10), '/')} follows to within {high - low}"

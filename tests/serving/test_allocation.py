"""Allocation of places: within what there is, by need, ties by lot with the recorded chance, and nothing relaxed in silence."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.problems import Refused
from serving.allocation import COLUMNS, GAP, ROWS, Allocation, Contacts, Staff, allocate, bound

Capacity = dict[tuple[str, str | None], int]


def frame(*rows: tuple[str, str, float, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(COLUMNS), orient="row")


def needs(students: int, supports: int, schools: int, seed: int, places: int | None = None) -> pl.DataFrame:
    """Return needs in which everybody asks for everything; ``places`` after the comma make ties."""
    rng = np.random.default_rng(seed)
    score = rng.gamma(2, 0.3, students)[:, None] * rng.uniform(0.1, 0.3, supports) * rng.uniform(0.3, 1, (students, supports))
    score = score + 0.01 if places is None else np.round(score, places) + 0.01
    return frame(*(
        (f"s{who:04d}", f"help{what:02d}", float(score[who, what]), f"school{who % schools}")
        for who, what in product(range(students), range(supports))
    ))  # fmt: skip


def of(found: Allocation, student: str, support: str) -> dict[str, Any]:
    return found.rows.filter(pl.col("student_id") == student, pl.col("intervention_id") == support).row(0, named=True)


def refused(*given: Any, **settings: Any) -> str:
    with pytest.raises(Refused) as error:
        allocate(*given, seed=1, **settings)
    return str(error.value)


TUTOR: Capacity = {("tutor", "lincoln"): 2}
FOUR = frame(("ana", "tutor", 0.9, "lincoln"), ("ben", "tutor", 0.5, "lincoln"), ("cal", "tutor", 0.5, "lincoln"),
             ("dee", "tutor", 0.1, "lincoln"))  # fmt: skip


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_above_the_line_is_sure_at_it_are_lots_and_below_it_is_nothing() -> None:
    found = allocate(FOUR, TUTOR, seed=1)
    assert {row["student_id"]: (row["probability"], row["how"]) for row in found.rows.iter_rows(named=True)} == {
        "ana": (1.0, "above_the_line"),
        "ben": (0.5, of(found, "ben", "tutor")["how"]),
        "cal": (0.5, of(found, "cal", "tutor")["how"]),
        "dee": (0.0, "below_the_line"),
    }
    assert {of(found, who, "tutor")["how"] for who in ("ben", "cal")} == {"drawn", "not_drawn"}
    assert dict(found.rows.schema) == dict(ROWS)
    (line,) = found.lines
    assert (line.places, line.score, line.at_line, line.drawn) == (2, 0.5, 2, 1)


def test_those_who_draw_for_the_same_places_are_named_together_and_nobody_else_is() -> None:
    two: Capacity = {("tutor", "lincoln"): 1, ("tutor", "harbor"): 1}
    asks = ((at, one) for one in ("harbor", "lincoln") for at in range(3))
    each = frame(*((f"{one}{at}", "tutor", 0.5 if at else 0.1, one) for at, one in asks))
    found = allocate(each, two, seed=1).rows
    draws = {row["student_id"]: row["draw"] for row in found.iter_rows(named=True)}
    assert draws["harbor0"] is None, "below the line"
    assert draws["harbor1"] == draws["harbor2"] != draws["lincoln1"] == draws["lincoln2"]
    assert all(name.startswith("tutor/") for name in draws.values() if name)


def test_what_somebody_was_offered_before_counts_among_the_most_they_may_have() -> None:
    both = frame(("ana", "tutor", 0.9, "lincoln"), ("ana", "mentor", 0.8, "lincoln"), ("ben", "tutor", 0.5, "lincoln"),
                 ("ben", "mentor", 0.5, "lincoln"))  # fmt: skip
    places: Capacity = {("tutor", None): 2, ("mentor", None): 2}
    assert allocate(both, places, seed=1).offers.height == 4
    found = allocate(both, places, seed=1, has={"ana": 1, "ben": 2}).offers
    assert found.select("student_id", "intervention_id").rows() == [("ana", "tutor")]


def test_whoever_is_within_the_tolerance_of_the_line_draws_with_the_same_chance() -> None:
    near = frame(("ana", "tutor", 0.52, "lincoln"), ("ben", "tutor", 0.50, "lincoln"), ("cal", "tutor", 0.48, "lincoln"),
                 ("dee", "tutor", 0.40, "lincoln"))  # fmt: skip
    assert allocate(near, TUTOR, seed=1, tolerance=0.05).rows["probability"].to_list() == pytest.approx([2 / 3] * 3 + [0])
    assert allocate(near, TUTOR, seed=1, tolerance=0.0).rows["probability"].to_list() == [1, 1, 0, 0]


def test_where_there_is_room_for_all_nobody_draws() -> None:
    found = allocate(FOUR, {("tutor", None): 4}, seed=1)
    assert found.rows["probability"].to_list() == [1.0] * 4
    assert found.lines[0].score is None


def test_no_limit_is_passed_nobody_gets_more_than_two_and_the_gap_is_told() -> None:
    scores = needs(120, 6, 4, seed=2, places=2)
    capacity: Capacity = {(f"help{what:02d}", f"school{at}"): 3 + what % 2 for what in range(6) for at in range(3)}
    capacity |= {(f"help{what:02d}", None): 9 for what in range(6)}
    staff = Staff({("mentor", "school0"): 3.0}, {"help00": ("mentor", 40), "help01": ("mentor", 25)})
    found = allocate(scores, capacity, seed=3, staff=staff)
    given = found.offers
    assert given["student_id"].value_counts()["count"].max() <= 2
    for (support, at), most in capacity.items():
        mine = given.filter(pl.col("intervention_id") == support, (pl.col("school") == at) if at else pl.lit(value=True))
        assert mine.height <= most
    hours = given.filter(pl.col("school") == "school0")["intervention_id"].replace_strict(
        {"help00": 40, "help01": 25}, default=0, return_dtype=pl.Int64)  # fmt: skip
    assert hours.sum() <= 180
    assert (found.status, found.gap <= GAP) == ("optimal", True)
    assert found.total <= found.bound + 1e-9
    # What equal chances cost is no more than the width of the line, on both sides.
    assert found.expected >= (1 - 2 * found.tolerance) * found.best


def test_it_finds_what_trying_everything_finds() -> None:
    scores = needs(5, 3, 2, seed=4)
    capacity: Capacity = {("help00", "school0"): 1, ("help00", None): 2, ("help01", None): 2, ("help02", "school1"): 1}
    pairs = list(scores.iter_rows(named=True))

    def value(chosen: tuple[int, ...]) -> float:
        taken = [row for row, yes in zip(pairs, chosen, strict=True) if yes]
        for (support, at), most in {**capacity, ("help02", "school0"): 0}.items():
            if sum(row["intervention_id"] == support and at in (None, row["school"]) for row in taken) > most:
                return -1.0
        if max((sum(row["student_id"] == who for row in taken) for who in scores["student_id"].unique()), default=0) > 2:
            return -1.0
        return float(sum(row["score"] for row in taken))

    best = max(value(chosen) for chosen in product((0, 1), repeat=len(pairs)))
    found = allocate(scores, capacity, seed=1, tolerance=0)
    assert found.total == pytest.approx(best)
    assert bound(scores, capacity) >= best - 1e-9


def test_the_order_of_rows_changes_nothing_and_a_seed_gives_the_same_offers_again() -> None:
    scores = needs(60, 4, 3, seed=5, places=2)
    capacity: Capacity = {(f"help{what:02d}", None): 8 for what in range(4)}
    found = allocate(scores, capacity, seed=9)
    assert found.rows.equals(allocate(scores.sample(fraction=1, shuffle=True, seed=1), capacity, seed=9).rows)
    assert not found.rows["offered"].equals(allocate(scores, capacity, seed=10).rows["offered"])


@pytest.mark.full
def test_over_seeds_each_is_offered_as_often_as_recorded() -> None:
    scores, times = needs(40, 4, 2, seed=6, places=1), 250  # nearly all are ties, and everybody asks for four things
    capacity: Capacity = {(f"help{what:02d}", None): 6 for what in range(4)}
    each = [allocate(scores, capacity, seed=seed).rows for seed in range(times)]
    recorded = each[0]["probability"].to_numpy()
    assert all((rows["probability"].to_numpy() == recorded).all() for rows in each), "the chance hangs on the draw"
    often = np.mean([rows["offered"].to_numpy() for rows in each], axis=0)
    open_ = (recorded > 0) & (recorded < 1)
    assert open_.sum() >= 20
    assert (often[~open_] == recorded[~open_]).all()
    assert np.abs((often - recorded)[open_] / np.sqrt((recorded * (1 - recorded))[open_] / times)).max() < 4.5


def test_schools_that_share_a_limit_draw_together_and_those_with_their_own_do_not() -> None:
    scores = frame(*((f"s{at}", "tutor", 0.5, f"school{at % 2}") for at in range(8)))
    together = allocate(scores, {("tutor", "district"): 2}, seed=1, above={"school0": ["district"], "school1": ["district"]})
    assert together.rows["probability"].to_list() == [0.25] * 8
    assert [line.schools for line in together.lines] == [("school0", "school1")]
    apart = allocate(scores, {("tutor", "school0"): 2, ("tutor", "school1"): 1}, seed=1)
    assert apart.rows["probability"].to_list() == [0.5, 0.25] * 4


def test_no_draw_in_a_district_can_give_a_school_more_than_its_own_places() -> None:
    scores = frame(*((f"s{at}", "tutor", 0.51 if at < 3 else 0.50, "harbor" if at < 3 else "lincoln") for at in range(6)))
    capacity: Capacity = {("tutor", "lincoln"): 1, ("tutor", None): 3}
    for seed in range(20):
        given = allocate(scores, capacity, seed=seed).offers
        assert given.height == 3
        assert given.filter(pl.col("school") == "lincoln").height <= 1


def test_a_school_of_which_no_places_are_told_has_none_and_it_is_said() -> None:
    scores = frame(("ana", "tutor", 0.9, "lincoln"), ("ben", "tutor", 0.5, "harbor"))
    found = allocate(scores, TUTOR, seed=1)
    assert of(found, "ben", "tutor")["how"] == "no_places"
    assert found.unmet.filter(pl.col("school") == "harbor").row(0, named=True) == {
        "intervention_id": "tutor", "school": "harbor", "asked": 1, "offered": 0, "has_others": 0, "unmet": 1, "no_places": 1,
    }  # fmt: skip


def test_supports_that_exclude_each_other_are_not_both_given() -> None:
    scores = frame(*((who, what, 0.5, "lincoln") for who in ("ana", "ben", "cal") for what in ("mentor", "check")))
    for seed in range(10):
        given = allocate(scores, {("mentor", None): 2, ("check", None): 2}, seed=seed, apart=[("check", "mentor")]).offers
        assert given["student_id"].is_unique().all()


# -- somebody speaks with everybody -----------------------------------------------------------------------------------


TALK = Staff({("counselor", "lincoln"): 1.0}, {"conversation": ("counselor", 15)})


def test_where_hours_allow_everybody_is_spoken_with_beside_any_support() -> None:
    found = allocate(FOUR, TUTOR, seed=1, contacts=Contacts(), staff=TALK)
    talks = found.rows.filter(pl.col("intervention_id") == "conversation")
    assert talks.select("offered", "probability", "how").unique().rows() == [(True, 1.0, "contact")]
    assert talks.height == 4
    assert found.total == pytest.approx(1.4), "a talk adds nothing to the sum of scores"


def test_where_hours_are_short_help_by_a_person_stands_in_and_its_probability_is_not_claimed() -> None:
    few = Staff({("counselor", "lincoln"): 0.5}, {"conversation": ("counselor", 15)})
    found = allocate(FOUR, TUTOR, seed=1, contacts=Contacts(by=frozenset({"tutor"})), staff=few)
    spoken = found.offers["student_id"].unique()
    assert set(spoken) == {"ana", "ben", "cal", "dee"}
    held = found.rows.filter(pl.col("intervention_id") == "tutor", pl.col("how") == "contact")
    assert held.height == 2
    assert held["probability"].null_count() == 2


def test_whoever_cannot_be_spoken_with_is_a_refusal_that_says_what_is_missing_and_by_how_much() -> None:
    half = Staff({("counselor", "lincoln"): 0.5}, {"conversation": ("counselor", 15)})
    said = refused(FOUR, TUTOR, contacts=Contacts(), staff=half)
    assert "hours of counselor at lincoln: 0.5 hours are 0.5 hours too few to speak with 4 students" in said
    said = refused(FOUR, TUTOR, contacts=Contacts(by=frozenset({"tutor"})), staff=Staff({}, {}))
    assert "talks at lincoln: no hours and no places are told for them, and 2 would be left" in said
    said = refused(FOUR, {**TUTOR, ("conversation", "lincoln"): 3}, contacts=Contacts())
    assert "places of conversation at lincoln: 3 places are 1 places too few" in said


def test_hours_that_other_help_takes_too_go_to_talks_first() -> None:
    both = Staff({("counselor", "lincoln"): 1.5}, {"conversation": ("counselor", 15), "tutor": ("counselor", 30)})
    found = allocate(FOUR, {("tutor", None): 4}, seed=1, contacts=Contacts(), staff=both)
    assert found.rows.filter(pl.col("intervention_id") == "conversation")["offered"].all()
    assert found.offers.filter(pl.col("intervention_id") == "tutor")["student_id"].to_list() == ["ana"]


# -- what may enter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["sex", "ethnicity", "home_language", "disability", "low_income"])
def test_no_protected_attribute_can_be_passed(column: str) -> None:
    said = refused(FOUR.with_columns(pl.lit("x").alias(column)), TUTOR)
    assert f"column {column}: it says who a student is" in said


def test_no_other_column_can_be_passed_either_and_none_may_be_missing() -> None:
    assert "an allocation reads no such column" in refused(FOUR.with_columns(probability=pl.lit(0.5)), TUTOR)
    assert "column school: it is missing" in refused(FOUR.drop("school"), TUTOR)


def test_everything_that_is_wrong_is_told_at_once_and_no_value_with_it() -> None:
    wrong = frame(("ana", "tutor", -1.0, "lincoln"), ("ana", "tutor", 0.5, "harbor"), ("ben", "access_device", 0.5, "lincoln"))
    said = refused(wrong, {("tutor", None): -2}, most_each=0, tolerance=0.7)
    parts = (
        "no number from 0 on in 1 rows", "asks for a support twice", "at two schools", "support access_device: it is owed",
        "places of tutor at all schools: they are fewer than none", "most_each", "tolerance",
    )  # fmt: skip
    for part in parts:
        assert part in said
    assert "ana" not in said


def test_what_is_owed_is_neither_ranked_nor_limited() -> None:
    owed = FOUR.with_columns(intervention_id=pl.lit("language_plan"))
    assert "support language_plan: it is owed" in refused(owed, TUTOR, entitlements=["language_plan"])


def test_nobody_asks_for_anything_and_nothing_is_offered() -> None:
    found = allocate(frame(("ana", "conversation", 0.0, "lincoln")), {}, seed=1, contacts=Contacts(), staff=TALK)
    assert found.offers["intervention_id"].to_list() == ["conversation"]
    assert (found.total, found.gap, found.status) == (0.0, 0.0, "optimal")

"""What hangs on the draw of the students: lists, scores near the line, and which concepts are told as reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from training import stability
from training.reasons import LEAST_KEPT, Steadiness, foremost, region
from training.train import Result

ADDS = {"marks": 0.3, "history": 0.1}
HERE, THERE = "early, on the list", "late, elsewhere"


def kept(stays: int, rows: int = 20, refits: int = 5, where: str = HERE) -> dict[str, Any]:
    """Return what is said of marks, among the foremost of every row, that stay in so many refits of each."""
    mine = [{"attendance": 0.4, "marks": 0.3}] * rows
    again = [[["attendance", "marks"] if number < stays else ["attendance", "history"]] * rows for number in range(refits)]
    found = {one["concept"]: one for one in stability.kept([where] * rows, mine, again)}
    assert found["attendance"]["kept"] == 1
    return found["marks"]


@pytest.mark.parametrize(("stays", "shown"), [(5, True), (4, True), (3, False), (0, False)])
def test_a_concept_that_stays_in_fewer_than_four_of_five_refits_is_not_shown(stays: int, shown: bool) -> None:
    told = kept(stays)
    assert (told["kept"], told["shown"], told["rows"], told["region"]) == (stays / 5, shown, 20, HERE)


def test_a_concept_is_judged_region_by_region_and_where_rows_are_few_in_all_of_them() -> None:
    where = [HERE] * 20 + [THERE] * 20 + ["early, elsewhere"] * 3
    mine = [{"marks": 0.3}] * 43
    again = [[["marks"] if at < 20 else ["history"] for at in range(43)]] * 5
    told = {one["region"]: one for one in stability.kept(where, mine, again)}
    assert (told[HERE]["shown"], told[THERE]["shown"]) == (True, False)
    assert told["early, elsewhere"]["kept"] == pytest.approx(20 / 43, abs=1e-4)
    assert told["early, elsewhere"]["shown"] is False
    few = stability.kept([HERE] * 9, [{"marks": 0.3}] * 9, [[["history"]] * 9] * 5)
    assert [(one["kept"], one["shown"]) for one in few] == [(None, True)], "of nine rows nothing can be told"


def test_a_concept_that_stays_where_it_adds_much_is_told_there_and_only_there() -> None:
    weights = [0.01 * at for at in range(1, 41)]
    again = [[["marks"] if weight > 0.2 else [] for weight in weights]] * 5
    [told] = stability.kept([HERE] * 40, [{"marks": weight} for weight in weights], again)
    assert (told["shown"], told["rows"]) == (True, 40)
    assert told["from"] == pytest.approx(0.205), "half of the rows: of those from a quarter up, 20 of 30 stay"
    assert told["kept"] == 1
    steady = Steadiness.of({"stability": {"early_until": 0.3, "line": 0.5, "concepts": [told]}})
    assert steady.hidden_at(0.1, 0.7, {"marks": 0.2}) == {"marks"}
    assert steady.hidden_at(0.1, 0.7, {"marks": 0.21}) == steady.hidden_at(0.4, 0.7, {"marks": 0.01}) == frozenset()
    shuffled = [[["marks"] if at % 2 else [] for at in range(40)]] * 5
    [told] = stability.kept([HERE] * 40, [{"marks": weight} for weight in weights], shuffled)
    assert (told["shown"], told["from"], told["kept"]) == (False, None, 0.5)


def test_the_foremost_concepts_add_to_the_score_and_are_no_trifles() -> None:
    assert foremost({"a": 0.5, "b": -2.0, "c": 0.29, "d": 0.2, "e": 1.0}) == ["e", "a"]
    assert foremost({"a": 1.0, "b": 0.9, "c": 0.8, "d": 0.7}) == ["a", "b", "c", "d"]
    assert foremost({}) == foremost({"a": 0.0}) == []


def test_a_region_is_early_or_late_and_from_the_line_up_or_elsewhere() -> None:
    assert region(0.2, 0.5, 0.3, 0.5) == "early, on the list"
    assert region(0.31, 0.49, 0.3, 0.5) == "late, elsewhere"
    assert region(None, 0.9, 0.3, 0.5) == "early, on the list"


def test_what_is_hidden_is_read_from_the_card_and_an_older_card_hides_nothing() -> None:
    concepts = [{"concept": "marks", "region": HERE, "kept": 0.6, "shown": False},
                {"concept": "history", "region": HERE, "kept": 0.9, "shown": True}]  # fmt: skip
    told = Steadiness.of({"stability": {"early_until": 0.3, "line": 0.5, "concepts": concepts}})
    assert told.hidden_at(0.1, 0.7, ADDS) == {"marks"}
    assert told.hidden_at(0.4, 0.7, ADDS) == told.hidden_at(0.1, 0.3, ADDS) == frozenset()
    assert Steadiness.of({}).hidden_at(0.1, 0.7, ADDS) == frozenset()


@pytest.mark.parametrize("name", ["dropout", "course_failure", "learning_gap"])
def test_a_card_tells_how_much_of_list_and_reasons_stays(results: Mapping[str, Result], name: str) -> None:
    card = results[name].model.card
    told = card["stability"]
    assert told["refits"] == 2
    assert 0.3 < told["list_overlap"]["least"] <= told["list_overlap"]["mean"] < 1
    assert told["line"] == card["bands"]["check_in_suggested"]
    assert card["bands"]["keep_an_eye"] <= card["bands"]["check_in_kept"] < card["bands"]["check_in_suggested"]
    regions = {one["region"] for one in told["concepts"]}
    assert regions <= {f"{when}, {where}" for when in ("early", "late") for where in ("on the list", "elsewhere")}
    assert len(regions) >= 3
    for one in told["concepts"]:
        assert one["shown"] is (one["kept"] is None or one["kept"] >= LEAST_KEPT)
    assert f"{told['list_overlap']['mean']:.0%}" in told["says"]


def test_what_was_not_measured_hides_nothing(results: Mapping[str, Result]) -> None:
    model = results["dropout"].model
    bare = replace(model, card={**model.card, "stability": {**model.card["stability"], "concepts": []}})
    assert bare.steadiness.hidden_at(0.1, 0.99, ADDS) == frozenset()
    assert "not measured" in stability.says({"refits": 0})

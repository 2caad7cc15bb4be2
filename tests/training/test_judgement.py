"""A registered model on other data: the same path as in training, so that the same rows give the same figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from trainings import QUICK

from features.problems import Refused
from features.records import SchoolRecords
from homeroom.evaluating import Evaluation, in_practice, with_interval
from training.judgement import Elsewhere, elsewhere
from training.train import Result


@pytest.fixture(scope="module")
def again(results: Mapping[str, Result], large_records: SchoolRecords) -> Elsewhere:
    """The dropout model judged on the term that judged it."""
    model = results["dropout"].model.with_version("4")
    return elsewhere(large_records, model, QUICK, 0.5, date(2026, 1, 5))


@pytest.mark.full
def test_the_rows_that_judged_a_model_give_the_same_figures_again(results: Mapping[str, Result], again: Elsewhere) -> None:
    card = results["dropout"].model.card
    told = again.judgement.figures
    assert card["metrics_interval"].items() >= told["metrics_interval"].items()
    for name in ("metrics", "reliability", "intervals_rest_on"):
        assert told[name] == card[name], name
    for one, same in zip(told["by_day"], card["by_day"], strict=True):
        assert one["lift"] == {"rule": same["lift"]["rule"]}, "of the baselines only the rule is fitted on nothing"
        assert {key: value for key, value in one.items() if key not in ("lift", "interval")} == {
            key: value for key, value in same.items() if key not in ("lift", "interval")
        }
    assert again.lists["on_later_data"] == card["list"]["on_later_data"]


def test_what_is_told_is_plain_and_in_words_of_people(again: Elsewhere) -> None:
    told = Evaluation(again)
    printed = json.loads(json.dumps(told.as_dict()))
    assert set(printed) >= {"target", "model_version", "test", "metrics", "metrics_interval", "by_as_of", "baselines", "list",
                            "reliability", "lift", "intervals_rest_on"}  # fmt: skip
    assert sum(one["rows"] for one in printed["reliability"]) == printed["test"]["rows"] == again.rows
    text = "\n".join(told.lines)
    assert "dropout version 4, judged on" in text
    assert again.lists["says"] in text
    for word in ("nan", "None", "flagged", "risk"):
        assert word not in text


def test_without_a_day_only_terms_after_what_the_model_learned_from_judge(
    results: Mapping[str, Result], large_records: SchoolRecords
) -> None:
    model = results["dropout"].model
    assert model.card["train"]["to"] < "2025-07-07"
    found = elsewhere(large_records, model, replace(QUICK, judged_days=(56,), bootstrap_draws=0), 0.5)
    assert (str(found.begins), str(found.ends)) == ("2025-09-01", "2026-03-02"), "both later terms, on their 56th day"
    assert found.judgement.interval == {}
    with pytest.raises(Refused, match="no term with known outcomes begins on or after 2031-01-01"):
        elsewhere(large_records, model, QUICK, 0.5, date(2031, 1, 1))
    bare = SchoolRecords.from_frames({name: large_records.labels(name).collect() for name in ("enrolments", "terms")})
    with pytest.raises(Refused, match="exits"):
        elsewhere(bare, model, QUICK, 0.5)


@pytest.mark.parametrize("name", ["dropout", "course_failure", "learning_gap"])
def test_a_training_run_tells_of_lists_in_words_without_a_targets_name(results: Mapping[str, Result], name: str) -> None:
    card = results[name].model.card
    lines = in_practice(card)
    assert lines[0].strip() == card["list"]["says"]
    assert results[name].model.target.happened in lines[0]
    assert card["list"]["low"] <= card["list"]["had_it"] <= card["list"]["high"] <= card["list"]["first"]
    assert any("2 origins" in line for line in lines)
    for line in lines:
        assert not any(word in line for word in (name, "flagged", "risk", "nan"))
    assert with_interval(None, None) == "unknown"

"""What is said of students of a flat file: in a list, over the desk, to each audience."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import flat_files
import models
import polars as pl
import pytest

from features.flat import rows_of
from features.problems import NotFound, Refused
from serving import flat
from serving.answers import AUDIENCES, WITH_NUMBERS
from serving.contract import SCORE_EXAMPLE, NoModel
from training.flat import train_flat
from training.flat_model import FlatModel
from training.run import Training

pytestmark = pytest.mark.full  # all of them need a model

KINDS = ("regression", "binary", "multiclass")
EVERY = pytest.mark.parametrize("kind", KINDS)
DAY = date(2026, 11, 13)
INPUTS = ("mark", "missed", "club", "Way to school")


@cache
def model(kind: str) -> FlatModel:
    table = flat_files.table(kind, "\n[folds]\nnumber = 2\n")
    found = train_flat(table, Training(bootstrap_draws=20), left_out=("hobby",), members=flat_files.QUICK)
    return found.model.with_version("4")


def scored(kind: str, **cells: str | None) -> flat.Outlook:
    """Return what is said of a student in the middle of everything but what is given."""
    row = {"id": "S1", "mark": "50", "missed": "20", "club": "no", "Way to school": "near", **cells}
    frame = pl.DataFrame({name: [value] for name, value in row.items()}, schema=dict.fromkeys(row, pl.String))
    return flat.score(rows_of(frame, model(kind).description, "rows.csv", labelled=False)[1], model(kind), DAY)[0]


def body(rows: int = 3, **more: object) -> dict[str, Any]:
    students = [{"student_id": row["id"], "name": "Ana", "row": {name: row[name] for name in INPUTS}}
                for row in flat_files.frame().head(rows).iter_rows(named=True)]  # fmt: skip
    return {"as_of": DAY.isoformat(), "students": students, **more}


def desk(*kinds: str) -> models.FolderDesk:
    opened = models.FolderDesk(models.folder())
    for kind in kinds:
        opened.registry.of("default").put_flat(model(kind))
    return opened


@EVERY
def test_a_request_says_what_the_list_says_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    served = desk(kind)
    secret = served._shelf("default").secret
    listed = flat.run(flat_files.table(kind), model(kind), DAY, tmp_path / "list.parquet", secret).head(3)
    answers = served.score(body(), "default", "counselor")["scores"]
    assert isinstance(answers, list)
    for said, row in zip(answers, listed.iter_rows(named=True), strict=True):
        (risk,) = said["risks"]
        assert (said["prediction_id"], said["student_id"]) == (row["prediction_id"], row["student_id"])
        told = (risk.get("probability"), risk.get("expected"), risk["band"])
        assert told == (row["probability"], row["expected"], row["band"])
        texts = [reason["text"].removeprefix("Ana") for reason in risk["reasons"]]
        assert texts == [reason["text"].removeprefix("The student") for reason in row["reasons"]]


@EVERY
@pytest.mark.parametrize("audience", AUDIENCES)
def test_each_audience_gets_its_own_part(kind: str, audience: str) -> None:
    (said, *_) = desk(kind).score(body(), "default", audience)["scores"]  # type: ignore[misc]
    text = json.dumps(said)
    for number in ("probability", "expected", "interval", "contribution", '"classes"'):
        assert audience in WITH_NUMBERS or number not in text
    assert ("S0000" in text) == (audience != "scientist")
    assert ("Ana" in text) == (audience != "scientist" and bool(said["risks"][0]["reasons"] or said["risks"][0]["strengths"]))
    assert ("rights" in said) == (audience == "family") == ("model" not in said)
    assert ("feature" in text) <= (audience != "family")


def test_a_number_comes_with_its_interval_and_unit_and_classes_with_their_words() -> None:
    (said,) = desk("regression").score(body(1), "default", "counselor")["scores"][0]["risks"]  # type: ignore[index]
    assert said["interval"][0] <= said["expected"] <= said["interval"][1]
    assert said["unit"] == "points"
    (said,) = desk("multiclass").score(body(1), "default", "counselor")["scores"][0]["risks"]  # type: ignore[index]
    assert [one["class"] for one in said["classes"]] == ["L", "M", "H"]
    assert sum(one["probability"] for one in said["classes"]) == pytest.approx(1)
    assert said["probability"] == pytest.approx(said["classes"][0]["probability"])


@EVERY
def test_who_did_badly_is_told_so_in_sentences_and_who_did_well_is_not(kind: str) -> None:
    low, high = scored(kind, mark="12", missed="38"), scored(kind, mark="94", missed="0", club="yes")
    assert (low.concern or 0) > (high.concern or 0)
    assert low.band == "check_in_suggested"
    assert high.band == "no_extra_signal"
    texts = [reason.text for reason in flat.reasons(low, "Ana")]
    assert any(text.startswith("Ana had 12 of 100 points. The middle of earlier students: ") for text in texts)
    assert any(text.startswith("Ana missed 38 days. The middle of earlier students: ") for text in texts)
    assert not {"marks", "attendance"} & {reason.concept for reason in flat.reasons(high, "Ana")}
    assert {"marks", "attendance"} & {reason.concept for reason in flat.strengths(high, "Ana")}


@EVERY
def test_a_reason_lies_on_the_concern_side_of_the_middle_that_is_printed_with_it(kind: str) -> None:
    told = 0
    for outlook in flat.score(flat_files.table(kind), model(kind), DAY):
        for found, side in ((flat.reasons(outlook, "Ana"), "adds_concern"), (flat.strengths(outlook, "Ana"), "protective")):
            for reason in found:
                feature, middle = outlook.model.catalog[reason.feature], reason.compared_with["earlier_students"]
                there = feature.on_concern_side if side == "adds_concern" else feature.on_strength_side
                assert there(reason.value, middle)
                assert reason.direction == side
                assert outlook.model.sign * reason.contribution * (1 if side == "adds_concern" else -1) > 0
                told += 1
    assert told > flat_files.ROWS


def test_context_is_never_a_reason_and_a_value_of_concern_may_be() -> None:
    said = {reason.feature for outlook in flat.score(flat_files.table("binary"), model("binary"), DAY)
            for reason in (*flat.reasons(outlook, "Ana"), *flat.strengths(outlook, "Ana"))}  # fmt: skip
    assert "way_to_school__near" not in said


def test_what_is_not_known_is_said_and_too_little_is_not_scored() -> None:
    assert flat.unknowns(scored("binary", club=None)) == ["Not known, so not counted: club."]
    empty = scored("binary", mark=None, missed=None, club=None)
    assert empty.status == "not_enough_data"
    assert (empty.raw, empty.probability, empty.contributions) == (None, None, {})
    assert flat.reasons(empty, "Ana") == []


def test_the_words_of_a_band_never_speak_of_danger_and_the_past_is_told_as_a_frequency() -> None:
    for kind in KINDS:
        text = flat.certainty(scored(kind, mark="12", missed="38"))
        label = model(kind).description.label
        assert label.happened in text
        assert label.did_not in text
        assert "risk" not in text


def test_a_list_that_is_made_again_is_the_same(tmp_path: Path) -> None:
    made = [flat.run(flat_files.table("binary"), model("binary"), DAY, tmp_path / name, b"x") for name in ("a", "b")]
    assert made[0].equals(made[1])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


# -- requests -------------------------------------------------------------------------------------------------------


def places(caught: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {problem.where for problem in caught.value.problems}


def test_of_several_models_a_request_names_one() -> None:
    served = desk("regression", "binary")
    with pytest.raises(Refused) as caught:
        served.score(body(), "default", "teacher")
    assert places(caught) == {"target"}
    (risk,) = served.score(body(1, target="left_early"), "default", "teacher")["scores"][0]["risks"]  # type: ignore[index]
    assert risk["target"] == "left_early"


def test_a_request_is_refused_with_every_problem_at_its_place_and_without_values() -> None:
    sent = body(3, colour="red")
    sent["students"][0]["row"] |= {"mark": "Ana", "shoe size": 4}
    sent["students"][1]["student_id"] = sent["students"][0]["student_id"]
    sent["students"][2]["row"] = ["x"]
    with pytest.raises(Refused) as caught:
        desk("binary").score(sent, "default", "teacher")
    assert places(caught) == {"colour", "students[0].row.shoe size", "students[1].student_id", "students[2].row"}
    sent = body(2)
    sent["students"][1]["row"]["mark"] = "Ana"
    with pytest.raises(Refused) as caught:
        desk("binary").score(sent, "default", "teacher")
    assert places(caught) == {"students[1].row.mark"}
    assert "Ana" not in str(caught.value)


def test_columns_of_the_file_that_no_model_reads_may_come_along_and_change_nothing() -> None:
    served, plain, more = desk("binary"), body(1), body(1)
    more["students"][0]["row"] |= {"sex": "F", "hobby": "chess", "left": "yes"}
    assert served.score(plain, "default", "counselor") == served.score(more, "default", "counselor")


def test_numbers_of_json_are_read_as_those_of_the_file() -> None:
    served, text, number = desk("binary"), body(1), body(1)
    text["students"][0]["row"] |= {"mark": "61,5", "missed": "4"}
    number["students"][0]["row"] |= {"mark": 61.5, "missed": 4.0}
    assert served.score(text, "default", "counselor") == served.score(number, "default", "counselor")


def test_a_desk_of_flat_models_alone_is_ready_and_takes_no_records() -> None:
    served = desk("multiclass")
    served.example()
    with pytest.raises(NoModel):
        served.score(dict(SCORE_EXAMPLE), "default", "teacher")
    with pytest.raises(NoModel):
        desk().example()


def test_the_card_behind_a_prediction_is_found() -> None:
    served = desk("regression")
    said = served.score(body(1), "default", "teacher")["scores"][0]  # type: ignore[index]
    for identifier in (None, said["prediction_id"]):
        card = served.model_card("final_points", identifier, "default")
        assert (card["target"], card["version"], card["kind"]) == ("final_points", "4", "regression")
    with pytest.raises(NotFound):
        served.model_card("left_early", None, "default")

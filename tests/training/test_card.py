"""The card: its schema, what it lacks, what people read of it, and how hard that is to read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import textstat
from approvals import GOVERNANCE, PROVENANCE, example
from jsonschema import Draft202012Validator
from trainings import COURSE_TARGETS

from features.problems import Refused
from features.standard import STANDARD
from training import card as cards
from training.card_page import AUDIENCES, page
from training.governance import NOT_STATED, Governance
from training.targets import TARGETS
from training.train import Result

ROOT = Path(__file__).resolve().parents[2]

#: What is not said to people about people.
UNSAID = re.compile(r"\b(flag\w*|risk\w*|dropout|course_failure|learning_gap|chronic_absence)\b", re.IGNORECASE)

#: What a complete card of a school's records must hold at its top.
REQUIRED = [*cards.schema()["required"], *cards.schema()["else"]["required"]]


def lacking(card: Mapping[str, Any]) -> list[str]:
    return [one.where for one in cards.missing(card)]


# -- the schema -----------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_a_whole_card_is_valid_under_it() -> None:
    Draft202012Validator.check_schema(cards.schema())
    assert lacking(example()) == []
    cards.check(example())


@pytest.mark.parametrize("name", dict.fromkeys(REQUIRED))
def test_each_part_that_is_missing_is_named_and_crashes_nothing(name: str) -> None:
    card = example()
    if name == "made_from":
        del card[name]
        assert lacking(card) == [name]
        return
    assert lacking({key: value for key, value in card.items() if key != name}) == [name]


@pytest.mark.parametrize("name", cards.schema()["properties"]["governance"]["required"])
@pytest.mark.parametrize("said", [NOT_STATED, "", None])
def test_what_nobody_has_stated_is_named_with_the_setting_that_states_it(name: str, said: str | None) -> None:
    told = {**GOVERNANCE.as_dict(), name: said}
    card = example() | {"governance": {key: value for key, value in told.items() if value is not None}}
    (problem,) = [one for one in cards.missing(card) if one.where.startswith("governance")]
    assert problem.where == f"governance.{name}"
    assert name in problem.hint
    assert "homeroom.toml" in problem.hint


def test_all_that_is_missing_is_named_at_once() -> None:
    card = example()
    del card["audit"], card["leakage"], card["data_sheet"]["source"]
    card["governance"] = Governance().as_dict()
    assert set(lacking(card)) >= {"audit", "leakage", "data_sheet.source", "governance.owner", "governance.dpia_id"}


@pytest.mark.parametrize(
    ("place", "value"),
    [("capacity", 2), ("decision_support_only", False), ("honest", "It works."), ("by_day", "none"), ("leakage", {"passed": 1}),
     ("version", 3), ("sign_offs", [{"role": "friend", "name": "Ana", "day": "2026-11-22"}])],
)  # fmt: skip
def test_a_card_that_says_something_else_is_refused_without_what_it_says(place: str, value: object) -> None:
    with pytest.raises(Refused) as refused:
        cards.check(example() | {place: value})
    assert all(one.where.startswith(place) for one in refused.value.problems)
    assert "Ana" not in str(refused.value)


@pytest.mark.parametrize("name", COURSE_TARGETS)
def test_the_card_of_a_training_is_valid_and_travels_as_json(results: Mapping[str, Result], name: str) -> None:
    card = results[name].model.card
    cards.check(card)
    assert json.loads(json.dumps(dict(card)))["title"] == cards.title(TARGETS[name].says, TARGETS[name].unit)
    assert lacking(card) == []


# -- what a run tells -----------------------------------------------------------------------------------------------


def test_a_run_tells_its_data_its_cost_and_who_answers_for_it(results: Mapping[str, Result]) -> None:
    card = results["dropout"].model.card
    assert card["date"] == PROVENANCE.day
    assert card["governance"]["owner"] == GOVERNANCE.owner
    assert card["train"]["base_rate"] == pytest.approx(card["train"]["positives"] / card["train"]["rows"], abs=1e-4)
    assert (card["train"]["cohorts"], card["test"]["cohorts"], card["test"]["schools"]) == (["t1"], ["t3"], 1)
    sheet = card["data_sheet"]
    assert sheet["rows"]["students"] == 720
    assert 0 < sheet["missing"]["inputs"] < 1
    assert sheet["missing"]["by_school"][0]["missing"] == sheet["missing"]["inputs"], "there is one school"
    assert sheet["lag"]["results"] == {"median_days": 0.0, "ninetieth_days": 0.0}
    cost = card["environmental_cost"]
    assert cost["energy_wh"] == pytest.approx(cost["cpu_seconds"] / 3600 * cards.WATTS, abs=1e-2)
    assert cost["cpu_seconds"] > 0
    assert {one["sensitivity"] for concept in card["concepts"] for one in concept["inputs"]} == {"confidential"}
    read = {one["what"] for concept in card["concepts"] for one in concept["inputs"]}
    assert not read & {one["what"] for one in card["excluded"]}


def test_a_definition_has_a_version_that_changes_with_it_and_with_what_it_calls() -> None:
    versions = {cards.definition_of(target.label)["version"] for target in TARGETS.values()}
    assert len(versions) == len(TARGETS)
    assert cards.definition_of(_one)["version"] != cards.definition_of(_other)["version"]
    assert cards.definition_of(_one)["definition"] == "Return one."
    assert cards.definition_of(_calls)["version"] != cards.definition_of(_one)["version"]


def _one() -> int:
    """Return one."""
    return 1


def _other() -> int:
    """Return one."""
    return 2


def _calls() -> int:
    """Return one."""
    return _one()


def test_what_a_student_has_at_home_is_left_out_on_purpose() -> None:
    told = {one["what"]: one["why"] for one in cards.excluded(STANDARD)}
    assert "barrier" in told["device and internet at home"]
    assert not any(one.model_input for one in STANDARD if one.concept == "access")
    assert "course teach its habits" in told["clicks so far"], "counts of one course are read as places in the class"


def test_versions_are_set_beside_each_other_by_figures_and_inputs() -> None:
    before, now = example() | {"version": "2"}, example()
    assert cards.changes(now, None)["against"] is None
    now["metrics"] = {**now["metrics"], "auc": 0.84}
    more = {"name": "absence_rate", "what": "days missed", "modifiable": True, "sensitivity": "confidential"}
    now["concepts"] = [{"concept": "attendance", "title": "Attendance", "inputs": [more]}]
    told = cards.changes(now, before)
    assert told["against"] == "2"
    assert {"metric": "auc", "before": 0.81, "now": 0.84} in told["metrics"]
    assert (told["inputs_added"], told["inputs_removed"]) == (["days missed"], ["average mark"])
    cards.check(now | {"changes": told})


# -- what people read -----------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text)


def sentences(text: str) -> str:
    """Return the sentences of a page, without headings, marks and the addresses that a school states."""
    told = [line.removeprefix("- ").strip("*") for line in text.splitlines() if line and not line.startswith(("#", "|"))]
    return " ".join(line if line.endswith((".", "?")) else f"{line}." for line in told)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_page_names_the_question_the_honest_sentence_and_whom_to_turn_to(audience: str) -> None:
    text = page(example(), audience)
    assert text.startswith("# ")
    assert "What people do next is what counts" in text or cards.HONEST in text
    assert GOVERNANCE.contest_contact in text
    assert "None" not in text
    assert "nan" not in words(text)


@pytest.mark.parametrize("audience", ["counselor", "family", "public"])
def test_pages_for_people_name_no_identifier_and_label_nobody(audience: str) -> None:
    assert UNSAID.search(page(example(), audience)) is None


def test_pages_are_as_long_as_who_reads_them_has_time() -> None:
    length = {audience: len(words(page(example(), audience))) for audience in AUDIENCES}
    assert length["family"] < 400, "one page"
    assert length["counselor"] < 900, "two pages"
    assert length["family"] < length["counselor"] < length["engineer"]


def test_a_family_can_read_its_page_at_grade_eight() -> None:
    said = sentences(page(example(), "family"))
    assert textstat.automated_readability_index(said) <= 8
    assert textstat.coleman_liau_index(said) <= 8
    hard = "The probability calibration methodology necessitates interpretation of stratified demographic heterogeneity."
    assert textstat.automated_readability_index(hard) > 12, "the measure tells hard from easy"


def test_the_page_of_a_card_with_parts_missing_says_so() -> None:
    card = {name: part for name, part in example().items() if name not in ("audit", "stability", "governance", "list")}
    text = page(card, "engineer")
    assert "- audit: this part of the card is missing" in text
    assert "This has not been checked yet." in page(card, "counselor")
    assert NOT_STATED in page(card, "family")


def test_where_no_group_is_large_enough_nobody_reads_that_all_are_treated_alike() -> None:
    card = example()
    card["audit"]["groups"] = card["audit"]["groups"][2:]
    for audience in ("counselor", "public"):
        assert "is not known" in page(card, audience)
        assert "No group was treated worse" not in page(card, audience)
        assert "held for all" not in page(card, audience)


def test_what_the_public_reads_holds_no_exact_count_and_no_small_group() -> None:
    text = page(example(), "public")
    assert "9,000" in text
    assert "about 9,000" in text
    assert "lincoln" not in text
    assert "X" not in words(text)


def test_the_document_lists_every_field_as_the_schema_does() -> None:
    assert cards.fields_as_markdown() in (ROOT / "docs" / "model_card.md").read_text()

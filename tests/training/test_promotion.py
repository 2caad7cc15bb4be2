"""What keeps a version from serving: told all at once, and set aside by a reason only where a reason may."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from approvals import APPROVED, DAY, DESPITE, SIGNED, example

from training.promotion import ROLES, Approval, SignOff, failed_gates, refusals, unsigned


def refused(
    card: dict[str, Any], passed: bool = True, signed: tuple[SignOff, ...] = SIGNED, by: Approval = APPROVED
) -> list[str]:
    return [one.code for one in refusals(card, passed, signed, by)]


def test_a_whole_card_with_passed_gates_and_two_signatures_may_serve() -> None:
    assert refused(example()) == []


def test_everything_that_is_missing_is_told_at_once() -> None:
    card = example()
    del card["audit"]
    assert refused(card, passed=False, signed=()) == ["gate_failed", "card_incomplete", "not_signed", "not_signed"]


def test_a_reason_sets_a_gate_aside_and_nothing_else() -> None:
    assert refused(example(), passed=False) == ["gate_failed"]
    assert refused(example(), passed=False, by=DESPITE) == []
    card = example() | {"protocol": {"name": "transfer", "origins": []}, "leakage": {**example()["leakage"], "passed": False}}
    del card["limits"]
    told = refused(card, passed=False, signed=SIGNED[:1], by=DESPITE)
    assert {"transfer", "leakage", "card_incomplete", "not_signed"} <= set(told)
    assert "gate_failed" not in told


@pytest.mark.parametrize(
    ("signed", "codes"),
    [
        ((), ["not_signed", "not_signed"]),
        ((("data_science", "Ida"),), ["not_signed"]),
        ((("education", "Ida"), ("data_protection", "Ben")), ["not_signed"]),
        ((("data_science", "Ida"), ("education", " ida ")), ["same_person"]),
        ((("data_science", "Ida"), ("education", "Ida"), ("data_protection", "Ben")), []),
        ((("data_science", "Ida"), ("data_protection", "Ben")), []),
    ],
)
def test_two_people_sign_in_two_roles(signed: tuple[tuple[str, str], ...], codes: list[str]) -> None:
    assert [one.code for one in unsigned([SignOff(role, name, "2026-11-22") for role, name in signed])] == codes


def test_a_signature_needs_a_role_that_there_is_and_a_name() -> None:
    assert refused(example(), signed=(*SIGNED, SignOff("friend", "Ann", "2026-11-22"))) == ["role"]
    assert refused(example(), signed=(*SIGNED, SignOff("data_protection", " ", "2026-11-22"))) == ["name"]
    assert set(ROLES) == {"data_science", "education", "data_protection"}


@pytest.mark.parametrize(("days", "fine"), [(0, True), (365, True), (366, False), (-1, False)])
def test_an_impact_assessment_counts_for_a_year(days: int, fine: bool) -> None:
    card = example()
    card["governance"] = {**card["governance"], "dpia_date": (DAY - timedelta(days=days)).isoformat()}
    assert refused(card) == ([] if fine else ["dpia"])
    assert refused(card, by=replace(APPROVED, day=date(2030, 1, 1))) == ["dpia"]


def test_each_gate_that_failed_is_told_by_name() -> None:
    card = example()
    card["gate"] = {"passed": False, "gains": [{"baseline": "rule", "gain": 0.01, "low": -0.01, "high": 0.03}],
                    "calibration": {"passed": False}, "fairness": False, "leakage": True}  # fmt: skip
    card["audit"]["gates"][0]["passed"] = False
    told = failed_gates(card)
    assert len(told) == 3
    assert "every simple baseline: rule" in told[0]
    assert "recall_ratio" in told[1]
    assert "sex: F" in told[1]
    assert "calibration" in told[2]

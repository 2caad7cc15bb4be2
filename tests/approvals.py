"""What a promotion takes in tests: who answers for a model, two people who sign, and a card on which nothing is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from training import card as cards
from training.governance import Governance, Provenance
from training.promotion import Approval, SignOff

DAY = date(2026, 11, 22)

GOVERNANCE = Governance(
    owner="Student services", licence="CC BY 4.0", legal_basis="public task, education act", dpia_id="DPIA-7",
    contest_contact="the school office", incident_contact="the help desk", dpia_date="2026-09-01",
)  # fmt: skip

PROVENANCE = Provenance(DAY.isoformat(), "tables", "the canonical tables", (), GOVERNANCE)

SIGNED = (SignOff("data_science", "Ida Lovell", DAY.isoformat()), SignOff("education", "Ben Okoro", DAY.isoformat()))

#: An approval that lacks nothing, and one of a version that failed its gate.
APPROVED = Approval(DAY, "a test", SIGNED, GOVERNANCE)
DESPITE = replace(APPROVED, despite_gate="it is a test")

_FIGURES = {"rows": 4000, "positives": 800, "auc": 0.81, "average_precision": 0.52, "precision_at_capacity": 0.65,
            "recall_at_capacity": 0.31, "brier": 0.12, "ece": 0.02}  # fmt: skip

_GROUP = {"attribute": "sex", "n": 2000, "positives": 400, "base_rate": 0.2, "list_rate": 0.1, "recall": 0.31,
          "recall_interval": [0.27, 0.35], "false_positive_rate": 0.04, "assessed": True, "why": ""}  # fmt: skip

#: The sections that judgement fills, as small as they can be.
JUDGED: Mapping[str, Any] = {
    "metrics_interval": {"auc": [0.79, 0.83]},
    "protocol": {"name": "time", "origins": [{"test_from": "2025-09-01", "test_to": "2026-06-12", "train_to": "2025-06-13",
                                              "rows": 4000, "auc": 0.81}]},
    "list": {"first": 20, "had_it": 13, "low": 9, "high": 16,
             "says": "Last year, of the first 20 students on a list made this way, 13 later left (plausible range 9 to 16)."},
    "stability": {"refits": 5, "list_overlap": {"mean": 0.84, "least": 0.79},
                  "concepts": [{"concept": "marks", "region": "check_in_suggested", "kept": 5, "shown": True}]},
    "leakage": {"passed": True, "checks": [{"name": "future_rows", "passed": True, "figure": 0.0, "limit": 0.0,
                                            "says": "Features are the same when later rows are cut away first."}]},
    "audit": {"passed": True, "groups": [{**_GROUP, "group": "F"}, {**_GROUP, "group": "M"},
                                         {"attribute": "sex", "group": "X", "assessed": False, "why": "too few to assess"}],
              "gates": [{"gate": "recall_ratio", "attribute": "sex", "group": "F", "passed": True, "figure": 1.0,
                         "limit": 0.8}]},
}  # fmt: skip


def whole(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card with small sections of judgement in place of those that it lacks."""
    return {**{name: section for name, section in JUDGED.items() if name not in card}, **card}


def example() -> dict[str, Any]:
    """Return a whole card of nobody's model."""
    rows = {"rows": 9000, "positives": 1800, "units": 3000, "from": "2023-09-15", "to": "2025-04-20", "base_rate": 0.2,
            "cohorts": ["2023-24", "2024-25"], "schools": 4, "courses": ["ALG"]}  # fmt: skip
    says = "leaves before the planned end"
    made: dict[str, Any] = {
        **cards.opening(says, "enrolment"),
        **cards.stated(PROVENANCE),
        "target": "dropout", "version": "3", "made_from": "records", "says": says, "unit": "enrolment",
        "horizon": "until the planned end of the stay", "earlier": "years",
        "label": {"definition": "Leaves before the planned end.", "version": "5f5f0833c4a4eadf"},
        "train": rows, "test": {**rows, "from": "2025-09-15", "to": "2026-04-20", "cohorts": ["2025-26"]},
        "calibrated_on": "Calibration and gate use a closed term.", "notes": [], "exclusions": ["12 rows have no outcome."],
        "metrics": _FIGURES, "by_day": [{"day": 42, **_FIGURES}, {"day": 98, **_FIGURES, "auc": 0.86}],
        "by_kind": [{"by": "year of school", "of": "9", "rows": None, "assessed": False}],
        "baselines": {"rule": {"says": "one point for each sign", **_FIGURES}},
        "gate": {"passed": True, "gains": [{"baseline": "rule", "gain": 0.05, "low": 0.02, "high": 0.08}], "fairness": True},
        "capacity": 0.1, "bands": {"check_in_suggested": 0.5, "keep_an_eye": 0.3},
        "concepts": [{"concept": "marks", "title": "Marks", "inputs": [
            {"name": "mark_mean", "what": "average mark", "modifiable": True, "sensitivity": "confidential"}]}],
        "weights": {"marks": 0.4}, "never_read": ["demographics.sex"], "excluded": [{"what": "internet", "why": "a barrier"}],
        "algorithm": {"name": "LightGBM", "trees": 250}, "calibration": {"method": "logistic (Platt)"},
        "interval_coverage": {"nominal": 0.8, "groups": 20, "groups_inside_on_later_data": 15},
        "unknown_outcomes": {"learned_from": {"rows": 12, "share": 0.01},
                             "judged_on": {"rows": 4, "share": 0.001, "if_all": _FIGURES, "if_none": _FIGURES}},
        "explanations": "Exact TreeSHAP, summed by concept.", "limits": cards.limits([{"day": 42, "auc": 0.81},
                                                                                      {"day": 98, "auc": 0.86}]),
        "data_sheet": {"source": "tables", "standard": "the canonical tables", "legal_basis": "public task",
                       "rows": {"students": 3000}, "lag": {"results": {"median_days": 2, "ninetieth_days": 9}},
                       "missing": {"inputs": 0.1, "by_concept": {"marks": 0.1},
                                   "by_school": [{"school": "lincoln", "missing": 0.2, "rows": 800},
                                                 {"school": "tiny", "missing": None, "rows": None}]},
                       "accounts": [{"file": "results.csv", "read": 90, "kept": 88, "set_aside": 2, "left_out": 0}]},
        "environmental_cost": cards.environmental_cost(120.0),
    }  # fmt: skip
    return whole(made)

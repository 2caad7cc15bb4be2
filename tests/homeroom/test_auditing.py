"""What ``homeroom audit`` tells, and that the audit finds what is planted in a simulated district."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.problems import NotFound
from homeroom.auditing import as_lines, kept
from homeroom.simulate.biased import DAY, EXPECTED, OVER, UNDER, Found, audited, even_world, rates, trained, uneven_world
from training.gates import Gates
from training.run import PARAMETERS, Training


def card() -> dict[str, Any]:
    """Return a card's parts that are told."""
    figures = {"base_rate": 0.2, "list_rate": 0.1, "recall": 0.4, "false_positive_rate": 0.03, "false_alarm_rate": 0.2,
               "calibration": 0.01, "missing": 0.0, "not_enough_data": 0.0}  # fmt: skip
    row = {"attribute": "sex", "assessed": True, "why": "", "n": 900, "positives": 180, **figures}
    audit = {
        "passed": False,
        "operating_point": {"list": "the first 10% of each day's students", "band": "a probability of 0.5 and more"},
        "drawn": {"student": 1900},
        "says": ["26 figures of groups were held against their limits."],
        "overall": {**figures, "n": 1900},
        "groups": [{**row, "group": "female"}, {**row, "group": "male", "n": None},
                   {"attribute": "sex", "group": "other", "assessed": False, "n": None, "why": "too few to assess"}],
        "intersections": [],
        "too_few": [{"attribute": "sex & region", "groups": ["other & North"], "why": "too few to assess"}],
        "gates": [{"gate": "recall_ratio", "attribute": "sex & region", "group": "male & North", "at": "list", "figure": 0.5,
                   "passed": False}],
        "ablation": {"rows": 100, "of": 100, "without": {"auc": 0.8, "recall": 0.4}, "with": {"auc": 0.81, "recall": 0.41},
                     "added": ["sex"]},
        "proxies": [{"attribute": "sex", "group": "female", "auc": 0.8, "inputs": ["a"], "recall_cost": 0.0, "drop": True}],
        "behaviour": {"with": {"recall": 0.4}, "without": {"recall": 0.39},
                      "groups": [{"attribute": "sex", "group": "male", "recall_change": -0.01}]},
    }  # fmt: skip
    leakage = {"passed": True, "checks": [{"says": "Nothing of the future changes a feature."}]}
    return {"target": "dropout", "version": "3", "audit": audit, "leakage": leakage}


def test_a_group_too_small_is_named_and_not_counted() -> None:
    told = as_lines(kept(card()))
    assert "  sex: other: too few to assess" in told
    assert any(line.startswith("  sex: male") and " hidden " in line for line in told)
    assert any("male & North" in line and "0.500" in line for line in told)


def test_it_tells_of_leakage_demographics_proxies_and_behaviour() -> None:
    told = "\n".join(as_lines(kept(card())))
    for said in ("leakage passed", "Nothing of the future", "thrown away", "better dropped"):
        assert said in told
    assert "Behaviour finds fewer of sex: male" in told


def test_a_version_without_an_audit_is_told_of() -> None:
    with pytest.raises(NotFound, match="registered without an audit"):
        kept({"target": "dropout", "version": "1"})


def test_rates_count_what_was_missed_and_what_was_wrong() -> None:
    also = ("ethnicity & sex", "x & y", "calibration", "list")
    planted = Found(1, 10, 0, (("ethnicity", OVER, EXPECTED[OVER][0], "list"), also))
    wrong = Found(2, 10, 5, (("sex", "female", "recall_ratio", "list"),))
    found = rates("uneven", [planted, wrong], (OVER, UNDER))
    assert found.missed == {OVER: 0.5, UNDER: 1.0}
    assert (found.alarmed, found.undecided) == (0.5, 0.25)
    assert rates("even", [planted], ()).alarmed == 1.0


@pytest.mark.full
def test_the_audit_finds_what_is_planted_in_a_simulated_district_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    """Two of the districts of ``make bench NAME=fairness``, with a smaller model: one of each world."""
    quick = {"days": (DAY,), "judged_days": (DAY,), "parameters": {**PARAMETERS, "num_threads": 1}}
    settings = Training(**quick, trees=60, refits=0, explained=10, proof_rows=500, proof_dates=1, bootstrap_draws=20)  # type: ignore[arg-type]
    model = trained(uneven_world, 1_500, 1, tmp_path, settings)
    found = audited(model, uneven_world(), 1_600, 1_000, Gates(refits=False, draws=100), settings)
    assert found.found(OVER)
    assert found.found(UNDER)
    assert not found.wrong(planted=True)
    # The same model where everybody's records are alike: it is as good or as bad for all.
    even = audited(model, even_world(), 1_600, 1_000, Gates(refits=False, draws=100), settings)
    assert not [one for one in even.failed if one[2] != "calibration"]

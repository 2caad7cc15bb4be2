"""What students need: factors from what was said of them, and circumstances from the records as known on a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import example_school as school
import models
import polars as pl
import pytest

from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES
from serving import needs
from serving.needs import (
    CONCERNED,
    OUTCOME_OF,
    UNKNOWN,
    USUAL,
    circumstances,
    merged,
    need,
    of_facts,
    of_risks,
    of_rows,
    of_values,
    stakes,
    stakes_of_list,
    stakes_of_risks,
)
from serving.recommend import OUTCOMES
from serving.rules import rule_list
from serving.scoring import Risk
from training.indicators import INDICATORS
from training.targets import TARGETS

TODAY = school.TODAY


def frame(table: str, *rows: Mapping[str, Any]) -> pl.DataFrame:
    known = {name for row in rows for name in row}
    return pl.DataFrame(list(rows), schema={name: kind for name, kind in TABLES[table].schema.items() if name in known})


def with_tables(**more: pl.DataFrame) -> SchoolRecords:
    return school.records({**school.tables(), **more})


def of(records: SchoolRecords, who: str = "ana", day: date = TODAY) -> needs.Circumstances:
    return circumstances(records, day)[who]


# -- factors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "factors"),
    [
        (("attendance", "absence_rate", 0.06, None), {"attendance_mild": 1.0}),
        (("attendance", "absence_rate_45d", 0.15, None), {"attendance_chronic": 1.0, "attendance_mild": 0.5}),
        (("attendance", "absence_rate", 0.30, None), {"attendance_chronic": 1.0}),
        (("attendance", "current_absence_streak", 4.0, None), {"attendance_mild": 1.0}),
        (("behaviour", "exclusion_days", 2.0, None), {"exclusion": 1.0, "behaviour": 0.5}),
        (("behaviour", "incidents", 3.0, None), {"behaviour": 1.0}),
        (("behaviour", "incidents", 6.0, None), {"behaviour_intensive": 1.0, "behaviour": 0.5}),
        (("marks", "core_classes_below_60", 1.0, None), {"course_failure": 1.0}),
        (("marks", "credits_share", 0.4, None), {"credits": 1.0}),
        (("coursework", "missing_28d", 3.0, None), {"coursework": 1.0}),
        (("history", "previous_attempts", 2.0, None), {}),
        (("access", "engagement_possible", 0.0, None), {}),
    ],
)
def test_a_fact_is_the_factor_that_help_answers_to(fact: Any, factors: dict[str, float]) -> None:
    assert of_facts([fact]) == factors


def test_a_factor_weighs_as_its_share_of_the_heaviest_and_what_lowers_a_score_weighs_nothing() -> None:
    facts = [("marks", "mark_mean", 50.0, 0.8), ("coursework", "missing", 3.0, 0.2), ("engagement", "actions_28d", 1.0, -0.5)]
    assert of_facts(facts) == {"course_failure": 1.0, "coursework": 0.25}


def test_every_concept_that_can_change_has_a_factor_and_no_other_has() -> None:
    changing = {one.concept for one in STANDARD if one.modifiable and one.said and one.higher != "context"}
    assert {concept for concept in changing if of_facts([(concept, "", 1.0, 1.0)])} == changing - {"access"}
    assert not {concept for concept in ("history", "access") if of_facts([(concept, "", 1.0, 1.0)])}


def test_lines_of_the_rule_that_are_met_weigh_one() -> None:
    assert of_values({"absence_rate": 0.21, "exclusion_days": 0.0, "core_classes_below_60": 1.0}) == {
        "attendance_chronic": 1.0, "course_failure": 1.0,
    }  # fmt: skip
    assert of_values({"absence_rate": 0.09, "exclusion_days": None}) == {}
    assert {sign.feature for one in INDICATORS for sign in one.signs} <= set(STANDARD.names)


def test_of_a_factor_from_two_origins_the_greater_weight_counts() -> None:
    assert merged({"coursework": 0.3}, {"coursework": 0.7, "credits": 1.0}) == {"coursework": 0.7, "credits": 1.0}


def test_rows_of_the_rules_list_and_of_a_scored_list_have_factors_of_what_they_say() -> None:
    rows = rule_list(school.records(), TODAY).frame
    for who, row in ((one["student_id"], one) for one in rows.iter_rows(named=True)):
        found = of_rows([row])
        assert bool(found) is (row["band"] in CONCERNED), who
    listed = pl.read_parquet(models.scored().out).filter(pl.col("target") != "learning_gap")
    concerned = [one for one in listed.iter_rows(named=True) if one["band"] in CONCERNED and one["reasons"]]
    assert concerned
    for row in concerned[:50]:
        weights = of_rows([row])
        assert max(weights.values()) == 1.0
        assert 0 < min(weights.values()) <= 1.0


def test_a_risk_and_its_row_of_the_list_have_the_same_factors_but_for_lines_of_the_rule() -> None:
    listed = pl.read_parquet(models.scored().out).filter(pl.col("target") == "course_failure")
    rows = {(row["student_id"], row["section_id"]): row for row in listed.iter_rows(named=True)}
    compared = 0
    for risk in models.scored().risks.values():
        if risk.model.target.name != "course_failure" or risk.band not in CONCERNED:
            continue
        row = of_rows([rows[risk.student_id, risk.section_id]])
        assert merged(row, of_values(risk.values)) == of_risks([risk])
        compared += bool(row)
    assert compared > 10


# -- what is at stake -------------------------------------------------------------------------------------------------


def test_a_stake_is_a_chance_as_a_multiple_of_the_usual_and_the_mean_over_classes() -> None:
    told = stakes([("dropout", 0.1), ("course_failure", 0.3), ("course_failure", 0.1), ("chronic_absence", None),
                   ("learning_gap", 0.9)])  # fmt: skip
    assert told == {"leaving": pytest.approx(3.0), "failing": pytest.approx(2.0)}
    assert set(OUTCOME_OF.values()) == set(OUTCOMES) == set(USUAL)
    assert set(OUTCOME_OF) <= set(TARGETS)


def test_a_list_and_the_models_that_made_it_say_the_same_is_at_stake() -> None:
    listed = stakes_of_list(pl.read_parquet(models.scored().out))
    risks: dict[str, list[Risk]] = {}
    for risk in models.scored().risks.values():
        risks.setdefault(risk.student_id, []).append(risk)
    of_models = {who: found for who, each in risks.items() if (found := stakes_of_risks(each))}
    assert of_models
    assert listed == of_models


def test_the_rules_list_has_no_chances_and_so_no_stakes() -> None:
    assert stakes_of_list(rule_list(school.records(), TODAY).frame) == {}


def test_whoever_may_leave_has_the_factor_whatever_the_reasons() -> None:
    row: dict[str, Any] = {"band": "check_in_suggested", "skill_id": None, "reasons": [], "target": "dropout"}
    assert of_rows([row]) == {"persistence": 1.0}
    assert of_rows([row | {"band": "no_concern"}]) == {}


# -- circumstances ----------------------------------------------------------------------------------------------------


def test_what_a_school_does_not_send_is_unknown_and_what_it_sends_without_a_row_is_not() -> None:
    unknown = of(school.records())
    assert (unknown.contact_restricted, unknown.plan_team, unknown.running) == (None, None, frozenset())
    assert (unknown.grade_level, unknown.ends_on) == (9, school.AUTUMN[1])
    told = of(with_tables(guardians=frame("guardians", {"student_id": "ben", "guardian_id": "g"}),
                          plans=frame("plans", {"plan_id": "p", "student_id": "ben", "plan_kind": "health_plan",
                                                "begins_on": date(2026, 9, 1)})))  # fmt: skip
    assert (told.contact_restricted, told.plan_team) == (False, False)


def test_access_at_home_is_the_newest_that_was_known() -> None:
    before, after = date(2026, 11, 30), date(2026, 12, 2)
    assert (of(school.records(), "eli", before).device, of(school.records(), "eli", before).internet) == (True, True)
    assert of(school.records(), "eli", after).internet is False
    assert (of(school.records(), "ben").device, of(school.records(), "ben").internet) == (None, None)


def test_one_guardian_who_must_not_be_reached_restricts_contact_and_gives_no_language() -> None:
    rows = frame(
        "guardians",
        {"student_id": "ana", "guardian_id": "a", "primary": True, "language": "so", "contact_restriction": "no_contact"},
        {"student_id": "ana", "guardian_id": "b", "primary": False, "language": "es", "contact_restriction": "none"},
        {"student_id": "ben", "guardian_id": "c", "primary": False, "language": "vi", "contact_restriction": None},
        {"student_id": "ben", "guardian_id": "d", "primary": True, "language": "es", "contact_restriction": None},
    )
    found = circumstances(with_tables(guardians=rows), TODAY)
    assert (found["ana"].contact_restricted, found["ana"].language) == (True, "es")
    assert (found["ben"].contact_restricted, found["ben"].language) == (False, "es")


@pytest.mark.parametrize(
    ("begins", "expires", "known_on", "stands"),
    [
        (date(2026, 9, 1), None, date(2026, 9, 1), True),
        (date(2026, 9, 1), TODAY, date(2026, 9, 1), True),
        (date(2026, 9, 1), TODAY - timedelta(days=1), date(2026, 9, 1), False),
        (TODAY + timedelta(days=1), None, date(2026, 9, 1), False),
        (date(2026, 9, 1), None, TODAY + timedelta(days=1), False),
    ],
)
def test_a_plan_counts_while_it_stands_and_once_it_is_known(
    begins: date, expires: date | None, known_on: date, stands: bool
) -> None:
    row = {"plan_id": "p", "student_id": "ana", "plan_kind": "disability_plan", "begins_on": begins, "expires_on": expires}
    plans = frame("plans", row).with_columns(known_on=pl.lit(known_on))
    assert of(with_tables(plans=plans)).plan_team is stands


def test_only_that_there_is_a_plan_is_kept_and_not_which() -> None:
    plans = frame("plans", {"plan_id": "p", "student_id": "ana", "plan_kind": "disability_plan", "begins_on": date(2026, 9, 1)})
    assert "disability" not in repr(of(with_tables(plans=plans)))


def test_help_that_runs_and_help_that_ended_are_told_apart() -> None:
    supports = frame("supports", *(
        {"support_id": key, "student_id": "ana", "enrolment_id": "ana-autumn", "intervention_id": what, "begins_on": begins}
        for key, what, begins in (("1", "work_plan", date(2026, 9, 7)), ("2", "tutor_hd", date(2026, 10, 5)),
                                  ("3", "cico", TODAY + timedelta(days=3)))
    ))  # fmt: skip
    ends = frame("support_ends", {"support_id": "1", "student_id": "ana", "ended_on": date(2026, 10, 2), "result": "declined"})
    found = of(with_tables(supports=supports, support_ends=ends))
    assert found.running == {"tutor_hd"}
    assert found.tried == {"work_plan": date(2026, 10, 2)}


def test_a_request_without_a_digest_is_worked_out_each_time_and_a_school_once() -> None:
    assert circumstances(school.records(), TODAY) is not circumstances(school.records(), TODAY)


# -- together ---------------------------------------------------------------------------------------------------------


def test_what_more_than_a_fifth_of_a_year_has_is_the_years() -> None:
    here = [who for who in school.STUDENTS if who != "leo"]
    few = {who: {"course_failure": 1.0} for who in here[:2]}  # 2 of 11
    many = {who: {"course_failure": 1.0} for who in here[:3]}
    assert not needs.needs(school.records(), TODAY, few)["ana"].shared
    assert needs.needs(school.records(), TODAY, many)["ana"].shared == {"course_failure"}


def test_somebody_who_came_lately_has_that_as_a_factor_beside_others_and_never_alone() -> None:
    known = needs.Circumstances(came_lately=True)
    assert need("ana", {"coursework": 0.5}, known).factors == {"coursework": 0.5, "entry": 1.0}
    assert need("ana", {}, known).factors == {}
    assert need("ana", {"coursework": 0.5}, UNKNOWN).factors == {"coursework": 0.5}

"""Options for one student: the talk first, three at most, and a reason for everything that is left out."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest

from serving import recommend
from serving.catalogue import CONVERSATION, Catalogue, Measured, Withdrawn, shipped
from serving.catalogue import FACTORS as ALL_FACTORS
from serving.recommend import LEADS_TO, MOST_OPTIONS, OUTCOMES, PLAN_TEAM, Need, consider, match, possible, start_by
from serving.resources import Pair, Resource

TODAY = date(2026, 11, 13)  # a Friday

PRACTICE = (Pair("ratios", "Use ratios", Resource("r1", "Ratios", {"teaches": ("ratios",)}), None, ()),)

#: Somebody of whom everything is known, and nothing stands against any help.
ANA = Need(
    "ana", {"attendance_chronic": 1.0}, 9, "en", True, True, False, frozenset({"mentor_youth", "fba_bip"}), plan_team=False,
    skills_next=("ratios",), practice=PRACTICE,
)  # fmt: skip


def need(factors: Mapping[str, float], **known: Any) -> Need:
    return replace(ANA, factors=factors, **known)


def ids(one: Need, catalogue: Catalogue | None = None) -> list[str]:
    return [option.intervention_id for option in match(one, catalogue or shipped(), TODAY)]


def why(one: Need, key: str, catalogue: Catalogue | None = None) -> str | None:
    found = consider(one, catalogue or shipped(), TODAY).not_chosen
    return next((reason.reason for reason in found if reason.intervention_id == key), None)


# -- who the student is -----------------------------------------------------------------------------------------------


def test_a_need_has_no_place_for_who_somebody_is_or_for_a_score() -> None:
    named = {one.name for one in fields(Need)}
    assert not named & {
        "sex",
        "ethnicity",
        "low_income",
        "deprivation_band",
        "disability",
        "region",
        "probability",
        "band",
        "risk",
    }
    code = inspect.getsource(recommend)
    assert ".probability" not in code
    assert "demographics" not in code


# -- what is offered --------------------------------------------------------------------------------------------------


FACTORS = ("attendance_mild", "attendance_chronic", "coursework", "course_failure", "learning_gap", "engagement", "behaviour",
           "exclusion", "belonging", "entry", "transport", "health")  # fmt: skip


@pytest.mark.parametrize("factor", FACTORS)
def test_the_talk_comes_first_and_three_things_are_the_most(factor: str) -> None:
    found = match(need({factor: 1.0, "coursework": 0.4}), shipped(), TODAY)
    assert found[0].intervention_id == CONVERSATION
    assert 1 <= len(found) <= MOST_OPTIONS
    for one in found:
        assert one.what
        assert one.who
        assert one.how_much
        assert one.evidence
        assert one.unknown
        assert TODAY <= one.start_by <= TODAY + timedelta(days=60)
        assert one.start_by.weekday() < 5


def test_what_answers_no_factor_is_neither_offered_nor_explained_away() -> None:
    found = consider(need({"coursework": 1.0}), shipped(), TODAY)
    assert [one.intervention_id for one in found.options] == [CONVERSATION, "att_text", "work_plan"]
    assert "tutor_hd" not in {one.intervention_id for one in found.not_chosen}


def test_options_are_ordered_by_match_effect_evidence_and_what_fits_of_the_dose() -> None:
    scores = {one.intervention_id: one.score for one in possible(need({"attendance_chronic": 0.5}), shipped(), TODAY)}
    of_two_outcomes = 0.5 * (1 + 1) / 3  # absence and leaving, as much as usual at stake of each
    assert scores["att_text"] == pytest.approx(of_two_outcomes * (1 - (1 - 0.27) ** 0.7) * 1.0)
    assert scores["att_home"] == pytest.approx(of_two_outcomes * (1 - math.exp(-1.65 * 0.10 * 0.5)) * 0.8)
    soon = need({"attendance_chronic": 0.5}, ends_on=TODAY + timedelta(weeks=13))
    halved = {one.intervention_id: one.score for one in possible(soon, shipped(), TODAY)}
    assert halved["att_home"] == pytest.approx(scores["att_home"] / 2)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_a_second_option_for_the_same_thing_counts_half_so_that_another_thing_gets_one() -> None:
    both = need({"attendance_chronic": 1.0, "behaviour": 0.9}, grade_level=7)
    scores = {one.intervention_id: one.score for one in possible(both, shipped(), TODAY)}
    assert scores["att_text"] > scores["check_connect"] > scores["mentor_youth"] > scores["check_connect"] / 2
    assert ids(both) == [CONVERSATION, "att_text", "mentor_youth"]


def test_help_that_is_not_given_beside_other_help_is_not_offered_beside_it() -> None:
    found = match(need({"behaviour": 1.0, "behaviour_intensive": 1.0}, grade_level=7), shipped(), TODAY)
    assert not {"cico", "fba_bip"} <= {one.intervention_id for one in found}
    assert why(need({"attendance_chronic": 1.0}, running=frozenset({"check_connect"})), "mentor_success") == "beside"


def test_the_hardest_case_is_offered_as_much_as_any_other() -> None:
    """Everything at once at full weight never leaves anybody with less than one thing at a small one."""
    easy, hard = need({"coursework": 0.2}), need(dict.fromkeys(("coursework", "attendance_chronic", "course_failure"), 1.0))
    assert len(ids(hard)) >= len(ids(easy))
    best = {one.intervention_id: one.score for one in possible(hard, shipped(), TODAY)}
    for one in possible(easy, shipped(), TODAY):
        assert best[one.intervention_id] >= one.score


# -- what is at stake -------------------------------------------------------------------------------------------------


def scored(one: Need, catalogue: Catalogue | None = None) -> dict[str, float]:
    return {option.intervention_id: option.score for option in possible(one, catalogue or shipped(), TODAY)}


def test_of_twice_as_much_at_stake_help_for_one_student_averts_twice_as_much_and_help_for_everybody_less() -> None:
    usual, much = ({"absence": times, "failing": times, "leaving": times} for times in (1.0, 3.0))
    few, many = (scored(need({"attendance_chronic": 1.0}, stakes=stakes)) for stakes in (usual, much))
    assert few == scored(need({"attendance_chronic": 1.0}))  # what nobody has told is as usual
    assert many["att_home"] == pytest.approx(3 * few["att_home"])
    assert many["att_text"] == pytest.approx((1 + 0.25 * 2) * few["att_text"])


def test_an_outcome_that_two_factors_lead_to_is_at_stake_once() -> None:
    one = scored(need({"attendance_chronic": 1.0}))["att_text"]
    both = scored(need({"attendance_chronic": 1.0, "attendance_mild": 1.0}))["att_text"]
    assert both == one
    assert scored(need({"attendance_chronic": 1.0, "coursework": 1.0}))["att_text"] == pytest.approx(3 / 2 * one)


def test_somebody_who_may_leave_is_not_told_so_and_gets_what_helps_with_staying() -> None:
    found = consider(need({"persistence": 1.0, "coursework": 0.5}), shipped(), TODAY)
    assert {"check_connect", "mentor_youth"} <= {one.intervention_id for one in found.possible}
    assert not [one for one in (*found.options, *found.possible) if "persistence" in one.for_]
    assert next(one for one in found.possible if one.intervention_id == "mentor_youth").for_ == ("any",)


def test_every_factor_leads_to_an_outcome_but_for_what_is_owed_and_whatever_it_is() -> None:
    assert set(LEADS_TO) == set(ALL_FACTORS) - {"access", "any"}
    assert {outcome for leads in LEADS_TO.values() for outcome in leads} == set(OUTCOMES)


@pytest.mark.parametrize(("size", "wide", "given"), [(-0.3, 0.05, False), (-0.05, 0.3, True), (0.0, 0.1, True)])
def test_help_is_given_up_where_it_is_far_likelier_to_harm_and_not_for_looking_useless(
    size: float, wide: float, given: bool
) -> None:
    own = Measured(size, size - 1.96 * wide, size + 1.96 * wide, 200, TODAY, "lottery")
    catalogue = shipped().with_measured({"att_home": own})
    assert ("att_home" in scored(need({"attendance_chronic": 1.0}), catalogue)) is given
    assert (why(need({"attendance_chronic": 1.0}), "att_home", catalogue) == "effect") is not given


# -- why not ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factors", "known", "key", "reason"),
    [
        ({"behaviour": 1.0}, {"grade_level": 9}, "cico", "grade"),
        ({"coursework": 1.0}, {"grade_level": None}, "work_plan", "grade"),
        ({"course_failure": 1.0}, {}, "barr", "group"),
        ({"coursework": 1.0}, {"running": frozenset({"work_plan"})}, "work_plan", "running"),
        ({"coursework": 1.0}, {"tried": {"work_plan": TODAY - timedelta(days=20)}}, "work_plan", "tried"),
        ({"coursework": 1.0}, {"contact_restricted": True}, "att_text", "contact"),
        ({"belonging": 1.0}, {"consents": frozenset()}, "mentor_youth", "consent"),
        ({"learning_gap": 1.0}, {"staff": frozenset({"teacher"})}, "tutor_hd", "staff"),
        ({"learning_gap": 1.0}, {"skills_next": ()}, "resource_skill", "skill"),
        ({"learning_gap": 1.0}, {"practice": ()}, "resource_skill", "resource"),
        ({"attendance_chronic": 1.0}, {"ends_on": TODAY + timedelta(days=21)}, "att_home", "room"),
        ({"learning_gap": 1.0}, {"minutes_free": 20}, "tutor_hd", "room"),
        ({"behaviour": 1.0}, {"grade_level": 7, "accommodations": ("Behaviour plan",)}, "cico", "accommodations"),
        ({"attendance_chronic": 1.0}, {"plan_team": True}, "check_connect", "plan"),
    ],
)
def test_what_is_not_possible_is_left_out_with_its_reason(
    factors: dict[str, float], known: dict[str, Any], key: str, reason: str
) -> None:
    assert key not in ids(need(factors, **known))
    assert why(need(factors, **known), key) == reason


def test_help_may_be_tried_again_after_a_time() -> None:
    again = shipped()["work_plan"].again_after_days
    for days, offered in ((again - 1, False), (again, True)):
        one = need({"coursework": 1.0}, tried={"work_plan": TODAY - timedelta(days=days)})
        assert ("work_plan" in ids(one)) is offered


def test_what_needs_internet_or_a_device_is_left_out_where_there_is_none_and_asked_where_nobody_knows() -> None:
    online = replace(shipped()["work_plan"], needs=("internet", "device"))
    held = Catalogue({**shipped(), "work_plan": online})
    assert why(need({"coursework": 1.0}, internet=False), "work_plan", held) == "internet"
    assert why(need({"coursework": 1.0}, device=False), "work_plan", held) == "device"
    unknown = match(need({"coursework": 1.0}, internet=None), held, TODAY)
    (plan,) = (one for one in unknown if one.intervention_id == "work_plan")
    assert any("ask first" in one for one in plan.unknown)


def test_help_in_another_language_is_left_out() -> None:
    held = Catalogue({**shipped(), "att_text": replace(shipped()["att_text"], languages=("en", "es"))})
    assert why(need({"coursework": 1.0}, language="so"), "att_text", held) == "language"
    assert "att_text" in ids(need({"coursework": 1.0}, language="es"), held)


def test_help_that_was_found_not_to_help_is_not_offered_however_good_its_name() -> None:
    harms = Measured(-0.4, -0.5, -0.3, 300, date(2026, 6, 30), "lottery")
    held = shipped().with_measured({"tutor_hd": harms})
    assert "tutor_hd" not in ids(need({"learning_gap": 1.0}), held)
    assert why(need({"learning_gap": 1.0}), "tutor_hd", held) == "effect"


def test_what_a_district_withdrew_is_named_with_its_reason_and_day() -> None:
    left = {key: one for key, one in shipped().items() if key != "att_text"}
    held = Catalogue(left, {"att_text": Withdrawn("att_text", "Texts", "Nobody read them.", date(2026, 8, 1))})
    found = consider(need({"coursework": 1.0}), held, TODAY)
    (gone,) = (one for one in found.not_chosen if one.intervention_id == "att_text")
    assert gone.reason == "withdrawn"
    assert "Nobody read them." in gone.says
    assert "2026-08-01" in gone.says


def test_whatever_could_answer_is_offered_or_has_a_reason() -> None:
    factors = dict.fromkeys(
        ("attendance_chronic", "coursework", "course_failure", "behaviour", "learning_gap", "exclusion"), 1.0
    )
    found = consider(need(factors), shipped(), TODAY)
    answering = {key for key, one in shipped().items() if set(one.factors) & set(factors)}
    assert answering == {one.intervention_id for one in (*found.options[1:], *found.not_chosen)}


def test_what_is_shared_by_the_year_is_answered_for_the_year() -> None:
    assert "barr" in ids(need({"course_failure": 1.0}, shared=frozenset({"course_failure"})))


# -- plans, and what is owed ------------------------------------------------------------------------------------------


def test_with_a_plan_the_plan_team_comes_first_and_the_talk_after_it() -> None:
    found = ids(need({"attendance_chronic": 1.0, "coursework": 1.0}, plan_team=True))
    assert found[:2] == [PLAN_TEAM, CONVERSATION]
    assert len(found) == MOST_OPTIONS


def test_what_is_intensive_is_never_ranked_for_somebody_with_a_plan() -> None:
    factors = {"attendance_chronic": 1.0, "behaviour_intensive": 1.0, "behaviour": 1.0}
    ranked = {one.intervention_id for one in possible(need(factors, plan_team=True), shipped(), TODAY)}
    assert not {key for key in ranked if shipped()[key].tier == 3}
    assert "check_connect" in {one.intervention_id for one in possible(need(factors), shipped(), TODAY)}


def test_nobody_can_withdraw_the_plan_team() -> None:
    assert PLAN_TEAM not in shipped()


def test_a_device_and_internet_are_raised_whatever_else_is_and_never_ranked() -> None:
    one = need({"coursework": 1.0, "access": 1.0}, device=False, internet=None)
    found = consider(one, shipped(), TODAY)
    assert [option.intervention_id for option in found.owed] == ["access_device"]
    assert len(found.ask) == 1
    assert "internet" in found.ask[0]
    ranked = {option.intervention_id for option in (*found.options, *found.possible)}
    assert not ranked & {"access_device", "access_hotspot"}
    assert not consider(replace(one, running=frozenset({"access_device"})), shipped(), TODAY).owed


def test_with_nothing_wrong_only_the_talk_is_left() -> None:
    assert ids(need({})) == [CONVERSATION]


# -- words ------------------------------------------------------------------------------------------------------------


def test_nothing_that_is_said_calls_anybody_a_risk_or_flags_them() -> None:
    factors = dict.fromkeys(ALL_FACTORS, 1.0)
    for one in (need(factors), need(factors, plan_team=True, contact_restricted=True, grade_level=None)):
        found = consider(one, shipped(), TODAY)
        said = [text for option in (*found.possible, *found.options, *found.owed)
                for text in (option.what, option.who, option.how_much, option.evidence, *option.unknown)]  # fmt: skip
        said += [reason.says for reason in found.not_chosen]
        assert not [text for text in said if "risk" in text.casefold() or "flag" in text.casefold()]


def test_evidence_says_how_strong_it_is_what_is_not_checked_and_what_was_measured_here() -> None:
    told = recommend.evidence(shipped()["barr"])
    assert "6 more of 100" in told
    assert "Well-designed trials" in told
    assert recommend.evidence(shipped()["cico"]).endswith("Nobody has checked that at its source yet.")
    for size, says in ((0.3, "it helped"), (0.0, "no effect could be told from chance"), (-0.3, "it did harm")):
        own = Measured(size, size - 0.1, size + 0.1, 1_200, date(2026, 6, 30), "lottery")
        told = recommend.evidence(replace(shipped()["barr"], measured=own))
        assert says in told
        assert "1,200 students" in told


@pytest.mark.parametrize(("day", "days", "begins"), [(13, 14, 27), (13, 1, 13), (14, 0, 14), (9, 5, 13)])
def test_help_begins_on_a_weekday(day: int, days: int, begins: int) -> None:
    assert start_by(date(2026, 11, day), days) == date(2026, 11, begins)

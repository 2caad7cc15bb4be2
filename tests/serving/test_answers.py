"""Answers: each audience gets what is meant for it, and nothing else anywhere in the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import models
import pytest
from models import body_of, desk_of, students_on

from serving import answers
from serving.answers import AUDIENCES, Student, answer, prediction_id, pseudonym, version_in
from serving.cases.keys import AUDIENCES as AUDIENCES_OF_KEYS
from serving.desk import Desk
from serving.scoring import Risk

#: A model is trained for these, which takes several seconds.
pytestmark = pytest.mark.full

SECRET, OTHER = b"one school's secret", b"another school's"

#: Keys and a name that cannot be in an answer by chance.
WHO, STAY, NAME = "pupil-Qx7", "stay-Vw3", "Zephyrine"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return desk_of(models.scored().home, models.trained())


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    """Ten students under made-up keys, among them some whom a model suggests to look at."""
    records = models.school()
    concerned = [risk.student_id for risk in models.scored().risks.values() if risk.band == "check_in_suggested"]
    stays = records.labels("enrolments").collect()["student_id"].to_list()
    chosen = list(dict.fromkeys([*concerned[:5], *students_on(records, models.TODAY, 12)]))
    chosen = [one for one in chosen if stays.count(one) == 1][:10]
    text = json.dumps(body_of(records, chosen, models.TODAY))
    for at, student in enumerate(chosen):
        text = re.sub(rf'"(\w+)-2014B-{student}"', rf'"{STAY}-{at}"', text).replace(f'"{student}"', f'"{WHO}-{at}"')
    found: dict[str, Any] = json.loads(text)
    for student in found["students"]:
        student["name"] = NAME
    return found


@pytest.fixture(scope="module")
def told(desk: Desk, body: dict[str, Any]) -> Mapping[str, list[Any]]:
    """What each audience is told of the same students."""
    found = {audience: desk.score(body, "default", audience)["scores"] for audience in AUDIENCES}
    assert all(isinstance(scores, list) and len(scores) == 10 for scores in found.values())
    return found  # type: ignore[return-value]


def walk(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every key and every plain value with its place."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{path}.{key}", None
            yield from walk(one, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from walk(one, f"{path}[{at}]")
    else:
        yield path, value


def keys_in(value: object) -> set[str]:
    return {path.rpartition(".")[2].partition("[")[0] for path, _ in walk(value)}


NUMBERS = {"probability", "interval", "contribution", "expected", "raw", "base", "contributions"}


@pytest.mark.parametrize("audience", ["teacher", "family"])
def test_a_teacher_and_a_family_get_no_probability_in_any_place(told: Mapping[str, list[Any]], audience: str) -> None:
    assert not NUMBERS & keys_in(told[audience])
    secret = {value for path, value in walk(told["counselor"]) if isinstance(value, float) and named(path) in NUMBERS}
    assert len(secret) > 50
    found = {value for _, value in walk(told[audience]) if isinstance(value, float)}
    # The ends of an interval are whole hundredths, which a share in a reason may be as well.
    assert not {value for value in secret & found if round(value, 2) != value}


def named(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path).rpartition(".")[2]


def test_a_family_gets_no_number_but_those_in_its_sentences(told: Mapping[str, list[Any]]) -> None:
    assert [value for _, value in walk(told["family"]) if isinstance(value, int | float) and not isinstance(value, bool)] == []
    assert not {"feature", "value", "compared_with", "model"} & keys_in(told["family"])


def test_a_counselor_gets_probability_interval_and_contributions_of_everything_scored(told: Mapping[str, list[Any]]) -> None:
    reasons = 0
    for score in told["counselor"]:
        assert score["model"] == {"dropout": "1", "course_failure": "1", "learning_gap": "1"}
        assert {risk["target"] for risk in score["risks"]} == {"dropout", "course_failure"}
        for risk in (*score["risks"], *score["gaps"]):
            assert risk["status"] == "scored"
            low, high = risk["interval"]
            middle = risk["expected"] if "expected" in risk else risk["probability"]
            assert 0 <= low <= high <= 1
            assert 0 <= risk["probability"] <= 1
            assert "skill_id" in risk or low <= middle <= high
            for reason in (*risk["reasons"], *risk["strengths"]):
                assert reason["contribution"] * (1 if reason["direction"] == "adds_concern" else -1) > 0
                assert set(reason) == {"concept", "direction", "text", "feature", "value", "compared_with", "contribution"}
                reasons += 1
        assert len(score["gaps"]) == 1
        assert score["gaps"][0]["statement"].startswith("Pass the work of module")
    assert reasons > 20


def test_a_scientist_gets_the_numbers_and_no_identity(told: Mapping[str, list[Any]]) -> None:
    text = json.dumps(told["scientist"])
    for identity in (WHO, STAY, NAME):
        assert identity not in text
        assert identity in json.dumps(told["counselor"])
    assert keys_in(told["scientist"]) >= {"probability", "interval", "contribution"}
    pairs = zip(told["scientist"], told["counselor"], strict=True)
    assert all(mine["risks"][0]["probability"] == theirs["risks"][0]["probability"] for mine, theirs in pairs)


def test_a_pseudonym_is_the_same_each_time_and_no_two_students_share_one(told: Mapping[str, list[Any]], desk: Desk,
                                                                        body: dict[str, Any]) -> None:  # fmt: skip
    again = desk.score(body, "default", "scientist")["scores"]
    assert again == told["scientist"]
    assert len({score["student_id"] for score in told["scientist"]}) == 10


def test_everybody_is_told_that_it_supports_a_decision_and_a_family_its_rights(told: Mapping[str, list[Any]]) -> None:
    for audience, scores in told.items():
        for score in scores:
            assert score["decision_support_only"] is True
            assert score["as_of"] == models.TODAY.isoformat()
            assert ("rights" in score) is (audience == "family")
    rights = told["family"][0]["rights"]
    for right in ("see", "corrected", "look again", "object", "a person"):
        assert right in rights


def test_every_audience_is_told_the_same_facts(told: Mapping[str, list[Any]]) -> None:
    def facts(audience: str) -> list[list[str]]:
        return [[reason["text"].replace(NAME, "The student") for risk in (*score["risks"], *score["gaps"])
                 for reason in (*risk["reasons"], *risk["strengths"])] for score in told[audience]]  # fmt: skip

    assert facts("teacher") == facts("counselor") == facts("family") == facts("scientist")
    assert any(facts("teacher"))


def test_there_is_an_answer_for_every_audience_that_a_key_can_have() -> None:
    assert set(AUDIENCES) == set(AUDIENCES_OF_KEYS)


def test_the_answer_is_json_as_it_stands(told: Mapping[str, list[Any]]) -> None:
    assert json.loads(json.dumps(told["counselor"], allow_nan=False)) == told["counselor"]


# -- recommendations ------------------------------------------------------------------------------------------------


def test_whoever_is_suggested_for_a_check_in_is_first_of_all_asked(told: Mapping[str, list[Any]]) -> None:
    asked = 0
    for score in told["teacher"]:
        concerned = any(risk["band"] in ("check_in_suggested", "keep_an_eye") for risk in score["risks"])
        if not concerned:
            continue
        (first,) = score["recommendations"]
        assert first["intervention_id"] == "conversation"
        assert first["text"].startswith(f"Ask {NAME} ")
        assert len(set(first["for"])) == len(first["for"])
        asked += 1
    assert asked >= 3
    assert all(one["text"].startswith("Ask the student ") for score in told["scientist"] for one in score["recommendations"])


def test_where_there_is_no_signal_nothing_is_recommended() -> None:
    calm = [replace(risk, band="no_extra_signal") for risk in some_risks()]
    assert answer(Student("S"), models.TODAY, calm, {}, "teacher", SECRET)["recommendations"] == []


# -- what was not scored --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", AUDIENCES)
def test_what_was_not_scored_says_why_and_has_no_number(desk: Desk, body: dict[str, Any], audience: str) -> None:
    stale = {**body, "data_through": (models.TODAY - timedelta(days=40)).isoformat()}
    for score in desk.score(stale, "default", audience)["scores"]:  # type: ignore[attr-defined]
        for risk in (*score["risks"], *score["gaps"]):
            assert risk["status"] == "stale_data"
            assert "40 days" in risk["status_reason"]
            assert risk["reasons"] == []
            assert not NUMBERS & keys_in(risk)
            assert "per_100" not in risk
        assert score["recommendations"] == []
        assert all(risk["headline"] == "Not enough data to say" for risk in score["risks"])


# -- identifiers ----------------------------------------------------------------------------------------------------


def some_risks() -> list[Risk]:
    """Return what every model says of one student who takes one module."""
    by_student: dict[str, list[Risk]] = {}
    for risk in models.scored().risks.values():
        by_student.setdefault(risk.student_id, []).append(risk)
    return next(found for found in by_student.values() if len(found) == 3)


def test_a_prediction_is_named_by_what_went_into_it() -> None:
    risks, student = some_risks(), Student("S-104", "Ana")
    name = prediction_id(student, models.TODAY, risks, SECRET)
    assert name == prediction_id(Student("S-104", "Ben"), models.TODAY, list(risks), SECRET)
    others = [
        prediction_id(Student("S-105"), models.TODAY, risks, SECRET),
        prediction_id(student, models.TODAY - timedelta(days=1), risks, SECRET),
        prediction_id(student, models.TODAY, [replace(risks[0], raw=0.123), *risks[1:]], SECRET),
        prediction_id(student, models.TODAY, risks, OTHER),
        prediction_id(student, models.TODAY, [replace(risks[0], model=risks[0].model.with_version("2")), *risks[1:]], SECRET),
    ]
    assert len({name, *others}) == len(others) + 1
    assert "S-104" not in name


def test_a_predictions_name_leads_to_the_versions_that_made_it() -> None:
    versions = {"dropout": "12", "course_failure": "7", "learning_gap": "104"}
    risks = [replace(risk, model=risk.model.with_version(versions[risk.model.target.name])) for risk in some_risks()]
    name = prediction_id(Student("S"), models.TODAY, risks, SECRET)
    assert {target: version_in(name, target) for target in versions} == versions
    only = prediction_id(Student("S"), models.TODAY, [one for one in risks if one.model.target.name == "dropout"], SECRET)
    assert version_in(only, "course_failure") is None
    for nonsense in (
        "",
        "x",
        "dropout-1",
        "a.dropout",
        "a.dropout-",
        "a.dropout-x",
        "a.dropout-1-2",
        "a.-1",
        "../../etc.dropout-/",
    ):
        assert version_in(nonsense, "dropout") is None


def test_a_pseudonym_cannot_be_made_without_the_secret_and_differs_between_schools() -> None:
    assert pseudonym("S-104", SECRET) == pseudonym("S-104", SECRET)
    assert len({pseudonym("S-104", SECRET), pseudonym("S-104", OTHER), pseudonym("S-105", SECRET)}) == 3
    assert re.fullmatch(r"[0-9a-f]{20}", pseudonym("S-104", SECRET))


def test_schools_do_not_share_pseudonyms(desk: Desk, body: dict[str, Any], told: Mapping[str, list[Any]]) -> None:
    for one in models.trained():
        desk.registry.of("douglass").put(one)  # type: ignore[attr-defined]
    school = {name: models.rows_of(models.school(), name) for name in ("sections", "assignments", "skills",
                                                                      "assignment_skills")}  # fmt: skip
    theirs = desk.score({**body, "school": school}, "douglass", "scientist")["scores"]
    ours = told["scientist"]
    assert not {score["student_id"] for score in theirs} & {score["student_id"] for score in ours}  # type: ignore[attr-defined]
    assert not {score["prediction_id"] for score in theirs} & {score["prediction_id"] for score in ours}  # type: ignore[attr-defined]


def test_a_student_without_a_name_is_the_student() -> None:
    assert Student("S-104").called == "The student"
    assert Student("S-104", "Ana").called == "Ana"
    assert answers.Student("S-104", "").called == "The student"


@pytest.mark.parametrize("audience", AUDIENCES)
def test_work_without_skill_tags_is_no_evidence_of_skills_and_says_so(audience: str) -> None:
    risks = [risk for risk in models.scored().risks.values() if risk.skill_id is None][:1]
    told = answer(Student("s"), models.TODAY, risks, {}, audience, b"secret", skills_asked=True)
    assert (told["gaps"], told["gaps_status"]) == ([], "no_evidence")
    assert "no evidence of skills" in told["gaps_reason"]


def test_of_skills_nothing_is_said_where_no_model_asks_or_evidence_answers(desk: Desk, body: dict[str, Any]) -> None:
    risks = [risk for risk in models.scored().risks.values() if risk.skill_id is None][:1]
    assert "gaps_status" not in answer(Student("s"), models.TODAY, risks, {}, "teacher", b"secret")
    assert all("gaps_status" not in score and score["gaps"] for score in desk.score(body, "default", "teacher")["scores"])

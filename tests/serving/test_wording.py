"""Sentences: true of the row that was scored, on the right side of what they compare with, and fit to be read."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import models
import numpy as np
import pytest
from models import desk_of
from trainings import COURSE_TARGETS

from features.catalog import CONCEPTS, Feature
from features.phrases import fill
from features.standard import STANDARD
from serving import answers, wording
from serving.answers import Student, answer
from serving.scoring import Risk
from serving.wording import MOST_REASONS, MOST_STRENGTHS, Reason

NAME = "Ana"

#: Who somebody is, and what they have at home, is never a reason.
WHO = re.compile(
    r"\b(sex|gender|male|female|boys?|girls?|disab\w*|depriv\w*|imd|region\w*|age|ages|aged|ethnic\w*|race|religion|income|"
    r"poor|poverty|prior education|home internet|internet|devices?|laptops?|phones?)\b",
    re.IGNORECASE,
)

#: What is not said to people about people.
UNSAID = re.compile(
    r"\b(flag\w*|risk\w*|dropout|course_failure|learning_gap|will|predict\w*|fail(s|ed|ure)?|at-risk)\b", re.IGNORECASE
)

UNFIT = re.compile(r"[{}]|\bnan\b|\bNone\b|\binf\b|  |(?<![\w.])-0(?![.\d]*[1-9])| [.,;:]|\.\.", re.IGNORECASE)


@pytest.fixture(
    scope="module",
    params=[
        "today",
        pytest.param("other days", marks=pytest.mark.full),
        pytest.param("open university", marks=pytest.mark.full),
    ],
)
def risks(request: pytest.FixtureRequest) -> Sequence[Risk]:
    """What the models say of whole schools: hundreds of rows made up, thousands of the Open University's."""
    if request.param == "today":
        found = models.scored().risks.values()
    elif request.param == "other days":
        found = [risk for days in (-63, -42, -14, 14) for risk in other_day(days)]
    else:
        found = models.some_scored(request.getfixturevalue("oulad_records"))[1].risks.values()
    scored = [risk for risk in found if risk.status == "scored"]
    assert len(scored) > {"today": 500, "other days": 1500, "open university": 4000}[request.param]
    return scored


def other_day(days: int) -> Iterable[Risk]:
    return models.score_school(
        models.school(), models.trained(), models.TODAY + timedelta(days=days), models.folder()
    ).risks.values()


def telling_all(risk: Risk) -> Risk:
    """Return a risk of a model of which nothing is known that equally good models do not agree on."""
    card = {name: value for name, value in risk.model.card.items() if name != "stability"}
    return replace(risk, model=replace(risk.model, card=card))


def facts(risk: Risk) -> list[Reason]:
    return [*wording.reasons(risk, NAME), *wording.strengths(risk, NAME)]


def number(said: str) -> float:
    """Return the number that a sentence prints, a share as a share."""
    if re.match(r"on the day|neither more nor less", said):
        return 0.0
    found = re.match(r"[-+]?\d[\d,]*(\.\d+)?(%?)", said)
    assert found, said
    value = float(found[0].rstrip("%").replace(",", ""))
    if re.match(r"[\d.,]+ \w+ (after|less)", said):
        value = -value
    return value / 100 if found[2] else value


def printed(reason: Reason, feature: Feature) -> dict[str, float]:
    """Return the comparisons that the text prints, as numbers read from the text itself."""
    found = {}
    rest, _, middle = reason.text.replace("year group", "class").partition(" The middle of the class: ")
    if middle:
        found["class_median"] = number(middle)
    label = feature.words.earlier_label
    if label:
        _, _, earlier = rest.partition(f" {label[0].upper()}{label[1:]}: ")
        if earlier:
            found["own_earlier"] = number(earlier)
    return found


# -- what is said is so ---------------------------------------------------------------------------------------------


def test_every_reason_adds_to_the_score_and_lies_on_the_concern_side_of_all_that_is_printed(risks: Sequence[Risk]) -> None:
    assert_on_side(risks, "adds_concern")


def test_every_strength_lowers_the_score_and_lies_on_the_strength_side_of_all_that_is_printed(risks: Sequence[Risk]) -> None:
    assert_on_side(risks, "protective")


def assert_on_side(risks: Sequence[Risk], direction: str) -> None:
    seen = 0
    for risk in risks:
        for reason in wording.reasons(risk, NAME) if direction == "adds_concern" else wording.strengths(risk, NAME):
            assert reason.direction == direction
            assert reason.value == risk.values[reason.feature]
            assert_so(reason, risk.model.catalog[reason.feature])
            seen += 1
    assert seen > len(risks) / 4


def assert_so(reason: Reason, feature: Feature) -> None:
    """Check a fact against its own text: something is compared, and every comparison that is printed lies on its side."""
    sign = 1 if reason.direction == "adds_concern" else -1
    worse = {"concern": 1, "strength": -1}[feature.higher]  # a context has no side: it would be a KeyError
    assert sign * reason.contribution > 0
    value = number(fill(feature.words.says_other, {"value": reason.value}))
    told = printed(reason, feature)
    assert told, reason.text
    for kind, other in told.items():
        assert sign * worse * (reason.value - reason.compared_with[kind]) > 0, reason.text
        assert sign * worse * (value - other) > 0, reason.text
        least = 0 if ":from 0}" in feature.words.says_other else -math.inf
        assert other == pytest.approx(max(reason.compared_with[kind], least), abs=0.51)


def test_what_is_compared_with_is_the_students_own_past_and_the_middle_of_the_class(risks: Sequence[Risk]) -> None:
    kinds = Counter[str]()
    for risk in risks:
        for reason in facts(risk):
            feature = risk.model.catalog[reason.feature]
            expected = {}
            if feature.own_earlier and risk.values[feature.own_earlier] is not None:
                expected["own_earlier"] = risk.values[feature.own_earlier]
            if reason.feature in risk.medians:
                expected["class_median"] = risk.medians[reason.feature]
            assert dict(reason.compared_with) == expected
            kinds.update(expected)
    assert set(kinds) == {"own_earlier", "class_median"}


def test_there_are_at_most_three_reasons_and_two_strengths_and_one_of_a_concept(risks: Sequence[Risk]) -> None:
    for risk in risks:
        for found, most in ((wording.reasons(risk, NAME), MOST_REASONS), (wording.strengths(risk, NAME), MOST_STRENGTHS)):
            concepts = [reason.concept for reason in found]
            assert len(concepts) <= most
            assert len(set(concepts)) == len(concepts)
        assert MOST_REASONS == 3


def test_the_same_fact_is_never_a_reason_and_a_strength(risks: Sequence[Risk]) -> None:
    for risk in risks:
        assert len({reason.feature for reason in facts(risk)}) == len(facts(risk))


def test_reasons_come_with_the_weightiest_concept_first_and_none_is_slight(risks: Sequence[Risk]) -> None:
    for risk in risks:
        weights = [risk.by_concept[reason.concept] for reason in wording.reasons(risk, NAME)]
        assert weights == sorted(weights, reverse=True)
        assert all(weight >= 0.1 * sum(map(abs, risk.by_concept.values())) for weight in weights)


def test_no_context_is_ever_a_reason(risks: Sequence[Risk]) -> None:
    told = {reason.feature for risk in risks for reason in facts(risk)}
    assert len(told) > 8
    assert all(STANDARD[name].higher != "context" for name in told)


# -- what people read -----------------------------------------------------------------------------------------------


def read_by_people(answered: object) -> Iterator[str]:
    """Yield every text of an answer that people read: not keys, identifiers and words for programs."""
    wanted = {"text", "unknowns", "per_100", "headline", "rights", "status_reason", "evidence", "statement"}

    def walk(value: object, name: str) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, one in value.items():
                yield from walk(one, key)
        elif isinstance(value, list):
            for one in value:
                yield from walk(one, name)
        elif isinstance(value, str) and name in wanted:
            yield value

    yield from walk(answered, "")


@pytest.fixture(scope="module")
def texts(risks: Sequence[Risk]) -> set[str]:
    """Every text for every audience."""
    by_student: dict[str, list[Risk]] = {}
    for risk in risks:
        by_student.setdefault(risk.student_id, []).append(risk)
    found: set[str] = set()
    for at, (student, mine) in enumerate(by_student.items()):
        audience = answers.AUDIENCES[at % len(answers.AUDIENCES)]
        skills = {str(risk.skill_id): "Use ratio reasoning" for risk in mine}
        found |= set(read_by_people(answer(Student(student, NAME), mine[0].as_of, mine, skills, audience, b"secret")))
    assert len(found) > 200
    return found


def test_no_text_speaks_of_who_somebody_is_or_of_what_they_have_at_home(texts: set[str]) -> None:
    assert [text for text in texts if WHO.search(text)] == []


def test_no_text_labels_a_student_or_says_what_will_come(texts: set[str]) -> None:
    assert [text for text in texts if UNSAID.search(text)] == []


def test_every_text_is_complete_and_fit_to_be_read(texts: set[str]) -> None:
    assert [text for text in texts if UNFIT.search(text) or text != text.strip()] == []
    sentences = texts - HEADLINES - {"Use ratio reasoning"}
    assert [text for text in sentences if not text.endswith(".") or not text[0].isupper()] == []


HEADLINES = {wording.headline(band) for band in ("check_in_suggested", "keep_an_eye", "no_extra_signal", "not_enough_data")}


def test_every_band_has_a_headline_of_its_own_in_words_of_support() -> None:
    assert len(HEADLINES) == 4
    assert not any(UNSAID.search(one) or WHO.search(one) for one in HEADLINES)


@pytest.mark.parametrize("target", COURSE_TARGETS)
def test_a_frequency_is_told_in_whole_people_and_never_as_none_or_all(target: str) -> None:
    risk = next(one for one in models.scored().risks.values() if one.model.target.name == target)
    calibration = risk.model.calibration
    for happened, students in ((0, 50), (50, 50), (1, 3), (49, 50), (199, 200), (1, 1000), (0, 0), (5, 8)):
        patterns = (replace(calibration.patterns[0], least=0.0, students=students, happened=happened),)
        made_up = replace(risk, model=replace(risk.model, calibration=replace(calibration, patterns=patterns)))
        text = wording.certainty(made_up)
        hundred, some, others = (int(found) for found in re.findall(r"\d+", text))
        assert hundred == 100
        assert some + others == 100
        assert 1 <= some <= 99
        assert not UNFIT.search(text)
        assert not UNSAID.search(text)


def test_every_frequency_adds_up_to_a_hundred(risks: Sequence[Risk]) -> None:
    told = {wording.certainty(risk) for risk in risks}
    assert len(told) > 5
    for text in told:
        hundred, some, others = (int(found) for found in re.findall(r"\d+", text))
        assert (hundred, some + others) == (100, 100)
        assert 0 < some < 100


# -- what equally good models do not agree on ---------------------------------------------------------------------------


def test_a_concept_that_equally_good_models_do_not_agree_on_is_no_reason_and_where_none_is_left_that_is_said() -> None:
    risk = next(one for one in models.scored().risks.values() if len(wording.reasons(one, NAME)) > 1)
    given = [reason.concept for reason in wording.reasons(risk, NAME)]
    assert wording.NO_RELIABLE_REASON not in wording.unknowns(risk)
    bands = risk.model.bands
    where = [f"{when}, {on}" for when in ("early", "late") for on in ("on the list", "elsewhere")]

    def hiding(concepts: Sequence[str], regions: Sequence[str]) -> Risk:
        told = [{"concept": one, "region": place, "shown": False} for one in concepts for place in regions]
        card = {**risk.model.card, "stability": {"early_until": 0.5, "line": bands["check_in_suggested"], "concepts": told}}
        return replace(risk, model=replace(risk.model, card=card))

    left = wording.reasons(hiding(given[:1], where), NAME)
    assert [reason.concept for reason in left][: len(given) - 1] == given[1:]
    every = list(risk.by_concept)
    nothing = hiding(every, where)
    assert wording.reasons(nothing, NAME) == []
    assert wording.NO_RELIABLE_REASON in wording.unknowns(nothing)
    elsewhere = "elsewhere" if risk.band == "check_in_suggested" else "on the list"
    assert wording.reasons(hiding(every, [one for one in where if one.endswith(elsewhere)]), NAME) == [
        replace(reason) for reason in wording.reasons(risk, NAME)
    ], "what is hidden in one region is told in another"
    assert wording.strengths(nothing, NAME) == wording.strengths(risk, NAME)


# -- what is not known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "tables"),
    [("engagement", ("activity",)), ("marks", ("results",)), ("coursework", ("submissions", "results"))],
)
def test_what_is_not_in_the_records_is_said_and_what_is_there_is_not(concept: str, tables: tuple[str, ...]) -> None:
    desk = desk_of(models.scored().home, models.trained())
    student = models.students_on(models.school(), models.TODAY, 1)
    body = models.body_of(models.school(), student, models.TODAY)
    sentence = CONCEPTS[concept][1]
    assert not any(sentence in wording.unknowns(risk) for risk in models.risks_of(desk, body).values())
    for table in tables:
        del body["students"][0][table]
    for risk in models.risks_of(desk, body).values():
        assert sentence in wording.unknowns(risk)
        assert not any(reason.concept == concept for reason in facts(risk))


def test_it_is_said_when_the_class_is_not_known() -> None:
    risk = next(iter(models.scored().risks.values()))
    assert not any("class" in sentence for sentence in wording.unknowns(risk))
    assert any("class" in sentence for sentence in wording.unknowns(replace(risk, medians={})))


def test_a_stay_of_many_classes_is_seen_beside_the_year_group_and_a_class_beside_the_class() -> None:
    risk = telling_all(next(one for one in models.scored().risks.values() if one.section_id is not None))
    name = "active_days_28d"
    far = {"values": {**risk.values, name: 0.0}, "medians": {name: 9.0}, "contributions": {name: 1.0},
           "by_concept": {"engagement": 1.0}}  # fmt: skip
    for section, group, other in ((risk.section_id, "class", "year group"), (None, "year group", "class")):
        beside = replace(risk, section_id=section, **far)
        (reason,) = wording.reasons(beside, NAME)
        assert reason.text.endswith(f" The middle of the {group}: 9 of 28.")
        assert other not in reason.text
        alone = wording.unknowns(replace(beside, medians={}))
        assert f"How the {group} stands is not known here, so nothing is compared with it." in alone
        assert not any(other in sentence for sentence in alone)


def test_a_row_of_which_nothing_is_known_says_so_of_every_concept_that_has_facts() -> None:
    risk = next(one for one in models.scored().risks.values() if one.skill_id is not None)
    nothing = replace(risk, values=dict.fromkeys(risk.values), medians={})
    concepts = {one.concept for one in risk.model.catalog if one.said and one.higher != "context"}
    assert {CONCEPTS[concept][1] for concept in concepts} <= set(wording.unknowns(nothing))
    assert facts(nothing) == []


# -- every feature's words ------------------------------------------------------------------------------------------


def test_every_input_of_every_model_belongs_to_a_feature_with_words() -> None:
    for model in (*models.trained(),):
        for name in model.inputs:
            feature = model.catalog[name]
            base = model.catalog[feature.needs[0]] if feature.kind == "relative" else feature
            assert base.said
            assert base.words.name
            assert base.higher == "context" or base.words.says_other, name
            assert bool(base.own_earlier) == bool(base.words.earlier_label), name


def drawn(feature: Feature, rng: np.random.Generator) -> float:
    """Return a value of a feature, the awkward ones often."""
    least, most = feature.range
    awkward = (least, most, 0.0, -0.0, -0.4, 0.4, -0.04, 0.004, -0.004, 0.5, 0.995, 1.0, 1.4, 2.0, -1.0, 12.5)
    value = (
        float(awkward[rng.integers(len(awkward))]) if rng.random() < 0.6 else float(rng.uniform(least, min(most, least + 500)))
    )
    return min(max(value, least), most)


def fields(text: str) -> set[str]:
    """Return the names that a sentence leaves to be filled in: nothing else of a row can change what it says."""
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


SAID = [one.name for one in STANDARD if one.said and one.higher != "context"]


@pytest.fixture(scope="module")
def of_everything() -> Risk:
    """A risk whose model reads every feature there is; its values are made up by the test."""
    risk = next(one for one in models.scored().risks.values() if one.skill_id is not None)
    return replace(risk, model=replace(risk.model, catalog=STANDARD))


@pytest.mark.parametrize("name", SAID)
def test_a_features_words_are_fit_to_be_read_whatever_its_values(of_everything: Risk, name: str) -> None:
    rng = np.random.default_rng(len(name))
    risk = of_everything
    feature = risk.model.catalog[name]
    needed = [one for one in risk.model.catalog if one.name in {name, feature.own_earlier, *fields(feature.words.says)}]
    said = 0
    for _ in range(60):
        values = {one.name: drawn(one, rng) for one in needed}
        weight = float(rng.choice([-1.0, 1.0]))
        made_up = replace(
            risk, values=values, medians={name: drawn(feature, rng)} if feature.relative_to else {},
            contributions={name: weight}, by_concept={feature.concept: weight},
        )  # fmt: skip
        for reason in facts(made_up):
            assert reason.feature == name
            assert not UNFIT.search(reason.text), reason.text
            assert not WHO.search(reason.text)
            assert not UNSAID.search(reason.text)
            assert reason.text.startswith(f"{NAME} ")
            assert_so(reason, feature)
            said += 1
    # What has neither a class nor an earlier time to be compared with is counted, and never said.
    assert bool(said) == bool(feature.relative_to or feature.own_earlier)


def test_no_sentence_of_the_catalogue_speaks_of_who_somebody_is() -> None:
    words = [
        text for one in STANDARD for text in (one.words.says, one.words.says_other, one.words.earlier_label, one.words.name)
    ]
    assert [text for text in words if WHO.search(text)] == []
    assert [text for text in words if UNSAID.search(text)] == []


def test_a_place_in_the_class_is_no_sentence_of_its_own() -> None:
    assert all(not one.said for one in STANDARD.relative)


def test_a_fact_and_its_place_in_the_class_weigh_together() -> None:
    risk = telling_all(next(iter(models.scored().risks.values())))
    name = "active_days_28d"
    far = {"values": {**risk.values, name: 0.0}, "medians": {name: 9.0}}
    pulls = {name: 0.5, f"{name}_vs_class": -0.7}
    made_up = replace(risk, **far, contributions=pulls, by_concept={"engagement": sum(pulls.values())})
    assert wording.reasons(made_up, NAME) == []
    pulls = {name: -0.5, f"{name}_vs_class": 0.7}
    made_up = replace(risk, **far, contributions=pulls, by_concept={"engagement": sum(pulls.values())})
    (reason,) = wording.reasons(made_up, NAME)
    assert (reason.feature, reason.contribution) == (name, pytest.approx(0.2))


def test_a_sentence_names_the_student_as_told() -> None:
    risk = next(one for one in models.scored().risks.values() if wording.reasons(one, NAME))
    for called in ("Ana", "The student", "Zoë-Marie O'Neill"):
        assert all(reason.text.startswith(f"{called} ") for reason in wording.reasons(risk, called))
        assert wording.as_text(wording.reasons(risk, called)) == [one.text for one in wording.reasons(risk, called)]

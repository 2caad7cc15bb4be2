"""What is said of scores and help, in every language: whole, with the values of the English, and nothing that is never said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from features.languages import Translated, has_words
from features.phrases import ENGLISH, fields
from features.problems import Refused
from serving import catalogue, languages, recommend
from serving.catalogue import CONVERSATION, FACTORS, Catalogue, Measured, Withdrawn
from serving.pages.words import open_words
from serving.recommend import Need, consider

WORDS = open_words()
TODAY = date(2026, 11, 13)

#: Somebody of whom nothing is known but what is wrong, and somebody of whom everything is.
NEEDS = (
    Need("ana", dict.fromkeys(FACTORS, 1.0)),
    Need("ben", dict.fromkeys(FACTORS, 1.0), 9, "en", False, False, True, plan_team=True, accommodations=("a",),
         staff=frozenset({"teacher"}), tried={"work_plan": TODAY}, running=frozenset({"barr"}), ends_on=date(2026, 11, 20)),
)  # fmt: skip


def test_every_sentence_is_said_in_every_language() -> None:
    for code, told in WORDS.items():
        facts = languages.shipped()[code]
        assert told.facts is facts
        if not isinstance(facts, Translated):
            continue
        assert not languages.missing(facts.texts)
        assert not set(facts.texts) - set(languages.english())
        wrong = {key: languages.wrong(key, text, code, told.unsaid) for key, text in facts.texts.items()}
        assert not {key: problem for key, problem in wrong.items() if problem}


@pytest.mark.parametrize("need", NEEDS, ids=["nothing known", "all known"])
def test_help_is_told_in_spanish_with_the_same_options_and_no_english_word(need: Need) -> None:
    measured = {"tutor_hd": Measured(0.2, 0.1, 0.3, 1_200, TODAY, "lottery")}
    help_ = Catalogue(catalogue.shipped().with_measured(measured).entries, {"old": Withdrawn("old", "Old", "Ya no.", TODAY)})
    english, spanish = (consider(need, help_, TODAY, language) for language in (ENGLISH, WORDS["es"].facts))
    assert [one.intervention_id for one in english.options] == [one.intervention_id for one in spanish.options]
    assert [(one.intervention_id, one.reason) for one in english.not_chosen] == [
        (one.intervention_id, one.reason) for one in spanish.not_chosen
    ]
    for one, other in zip((*english.options, *english.possible, *english.owed), (*spanish.options, *spanish.possible,
                          *spanish.owed), strict=True):  # fmt: skip
        pairs = [(one.what, other.what), (one.who, other.who), (one.how_much, other.how_much), (one.evidence, other.evidence)]
        pairs += zip(one.unknown, other.unknown, strict=True)
        assert all(first != second and "{" not in second for first, second in pairs)
        assert not [text for _, second in pairs for text in WORDS["es"].unsaid(second)]
    told = [one.says for one in spanish.not_chosen] + list(spanish.ask)
    assert not [text for text in told if " the " in text or " is " in text or "{" in text]


def test_what_a_district_wrote_itself_stays_as_it_wrote_it() -> None:
    shipped = catalogue.shipped()
    changed = replace(shipped[CONVERSATION], says="Ask {them} first.", name="Our talk")
    told = Catalogue({**shipped, CONVERSATION: changed}).told_in(WORDS["es"].facts)[CONVERSATION]
    assert (told.says, told.name) == ("Ask {them} first.", "Our talk")
    assert told.dose == "una charla de 15 minutos, y otra a las dos semanas"
    assert shipped.told_in(ENGLISH) is shipped


def test_factors_and_people_have_names_in_every_language() -> None:
    spanish = WORDS["es"].facts
    assert recommend.names(["attendance_mild", "health"], spanish) == "algunas ausencias y la salud"
    assert recommend.names(["attendance_mild", "health"]) == "some absence and health"
    assert catalogue.who_name("nurse", spanish) != catalogue.who_name("nurse")
    assert catalogue.need_name("consent", spanish) != catalogue.need_name("consent")


# -- a school's own ---------------------------------------------------------------------------------------------------


def test_a_school_says_some_of_it_otherwise_and_adds_words_for_its_own_help(tmp_path: Path) -> None:
    (tmp_path / "es_MX.toml").write_text(
        '[facts.fact]\nstudent = "La alumna o el alumno"\n[facts.help.chess]\nsays = "Un club de ajedrez."\n', encoding="utf-8"
    )
    words = open_words(tmp_path)
    mine, theirs = words["es_MX"].facts, words["es"].facts
    assert mine.text("fact.student", "The student") == "La alumna o el alumno"
    assert theirs.text("fact.student", "The student") == "El estudiante"
    assert mine.text("help.chess.says", "A chess club.") == "Un club de ajedrez."
    assert mine.text("who.tutor", "a trained tutor") == theirs.text("who.tutor", "a trained tutor")


def test_a_new_language_says_every_fact_or_none() -> None:
    problems: list[str] = []
    told = languages.laid_over(ENGLISH, "fr", "fr", {"fact": {"student": "L'élève"}}, lambda _: [],
                               lambda key, *_: problems.append(key))  # fmt: skip
    assert {"fact.middle_of_class", "feature.missing.says", "who.nurse"} <= set(problems)
    assert "fact.student" not in problems
    assert told.code == "fr"
    whole = {key: text for key, text in languages.english().items() if has_words(text)}
    problems.clear()
    nouns = WORDS["es"].facts
    assert isinstance(nouns, Translated)
    languages.laid_over(ENGLISH, "fr", "fr", {key: nouns.texts[key] for key in whole}, lambda _: [],
                        lambda key, *_: problems.append(key))  # fmt: skip
    assert not problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[facts.fact]\nunheard = "x"', "Nothing of this key is said"),
        ('[facts.fact]\nsays = "{name} {reason}."', "its fields are fact, name"),
        ('[facts.fact]\nsays = "{name"', "a brace is open"),
        ('[facts.fact]\nstudent = 3', "a text is missing"),
        ('[facts.fact]\nstudent = "El alumno en riesgo"', "never said of a student"),
        ('[facts.option]\nminutes = "{minutes:n minuto}"', "one|other"),
        ("facts = 3", "It holds sentences of another language"),
    ],
)
def test_a_wrong_text_of_a_school_is_refused_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "es.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Refused) as refused:
        open_words(tmp_path)
    problem, = refused.value.problems
    assert told in problem.problem
    assert problem.file == "es.toml"


def test_english_stands_in_the_code_alone(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[facts.fact]\nstudent = "x"', encoding="utf-8")
    with pytest.raises(Refused, match="refused"):
        open_words(tmp_path)


def test_no_text_asks_for_a_value_that_its_english_has_not() -> None:
    spanish = WORDS["es"].facts
    assert isinstance(spanish, Translated)
    for key, text in spanish.texts.items():
        if not key.startswith("amount."):
            assert fields(text) == fields(languages.english()[key]), key

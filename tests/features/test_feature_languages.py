"""Facts in other languages: every feature has its words, with the values of the English ones, and the figures stay the same."""

from __future__ import annotations

import re
from datetime import date

import pytest

from features import languages
from features.languages import SHIPPED, Translated, english, has_words, plural_forms, read, wrong
from features.phrases import ENGLISH, Sentence
from features.standard import STANDARD

SPANISH = read(SHIPPED / "es.toml")

SAYS = {
    "count": ("has {value:n piece} of work", "tiene {value:n trabajo|trabajos}"),
    "share": ("{value:.0%}", "{value:.0%}"),
    "number": ("{value:.3g} and {value:.1f}", "{value:.3g} y {value:.1f}"),
    "change": ("{value:+.0f}", "{value:+.0f}"),
    "due": ("handed it in {value:due was}", "lo entregó {value:due}"),
    "lead": ("{value:lead}", "{value:lead}"),
    "more": ("missed {value:more day}", "faltó {value:more día|días}"),
    "least": ("needs {value:from 0}", "necesita {value:from 0}"),
    "many": ("{value:,}", "{value:,}"),
    "day": ("since {value}", "desde el {value}"),
}
ES = Translated("es", "es", {**SPANISH, **{key: text for key, (_, text) in SAYS.items()}},
                {**english(STANDARD), **{key: text for key, (text, _) in SAYS.items()}})  # fmt: skip


def said(key: str, value: object) -> str:
    return ES.text(key, SAYS[key][0], value=value).replace("\xa0", " ")


def test_every_feature_and_every_concept_is_said_in_every_language_with_the_same_values() -> None:
    told = english(STANDARD)
    for path in SHIPPED.glob("*.toml"):
        texts = read(path)
        assert not set(texts) - set(told), "keys of which there is no English"
        assert not {key for key, text in told.items() if has_words(text) and key not in texts}, "not said"
        assert not {key: told for key, text in texts.items() if (told := wrong(key, text, english(STANDARD), path.stem))}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("count", 1, "tiene 1 trabajo"), ("count", 2.0, "tiene 2 trabajos"), ("count", 0, "tiene 0 trabajos"),
        ("count", 1_234_567, "tiene 1234567 trabajos"), ("share", 0.124, "12 %"), ("number", 4.5, "4,5 y 4,5"),
        ("number", 12.0, "12 y 12,0"), ("change", 3.0, "+3"), ("change", -0.2, "+0"), ("change", -2.0, "-2"),
        ("due", 3.0, "lo entregó 3 días antes de la fecha de entrega"),
        ("due", -1.0, "lo entregó 1 día después de la fecha de entrega"),
        ("due", 0.0, "lo entregó el día de la fecha de entrega"), ("lead", 1.5, "1,5 días antes"), ("lead", 0, "el mismo día"),
        ("more", 1.2, "faltó 1,2 días más"), ("more", -1.0, "faltó 1 día menos"), ("more", 0.01, "faltó ni más ni menos"),
        ("least", -4.0, "necesita 0"), ("many", 12_345, "12.345"),
        ("day", date(2026, 11, 3), "desde el 3 de noviembre de 2026"),
    ],
)  # fmt: skip
def test_numbers_plurals_and_days_are_those_of_the_language(key: str, value: object, text: str) -> None:
    assert said(key, value) == text


@pytest.mark.parametrize("key", ["share", "number", "change", "more", "least", "count"])
def test_every_language_tells_the_same_figures(key: str) -> None:
    for value in (0.0, 0.005, 0.125, 0.145, 0.575, 0.995, 1.0, 1.05, 2.5, 3.5, 7.25, 19.95, -0.4, -3.5):
        told = ENGLISH.text(key, SAYS[key][0], value=value)
        assert re.findall(r"[\d.]+", said(key, value).replace(",", ".")) == re.findall(r"[\d.]+", told)


def test_a_noun_has_every_plural_form_that_a_language_counts_with() -> None:
    assert plural_forms("es") == ("one", "other")
    assert plural_forms("pl") == ("one", "few", "many")
    polish = Translated("pl", "pl", {"count": "ma {value:n pracę|prace|prac}"}, {"count": SAYS["count"][0]})
    told = [polish.text("count", SAYS["count"][0], value=value) for value in (1, 3, 5, 22)]
    assert told == ["ma 1 pracę", "ma 3 prace", "ma 5 prac", "ma 22 prace"]
    assert "one|few|many" in wrong("count", "ma {value:n pracę|prac}", {"count": SAYS["count"][0]}, "pl")


def test_an_english_text_that_a_language_does_not_know_stays_english() -> None:
    assert ES.text("count", "carries {value:n piece} of work", value=2) == "carries 2 pieces of work"
    assert ES.text("unheard", "{value:n piece}", value=1) == "1 piece"
    own = Translated("es", "es", {"count": "lleva {value:n trabajo|trabajos}"}, {"count": SAYS["count"][0]}, ["count"])
    assert own.text("count", "another text", value=2) == "lleva 2 trabajos", "what a school said itself stands"


def test_sentences_stand_in_sentences_and_several_as_a_list() -> None:
    one = Sentence("count", SAYS["count"][0], {"value": 1})
    assert ENGLISH.say(Sentence("whole", "{a}; {b}", {"a": one, "b": (one, one)})) == (
        "has 1 piece of work; has 1 piece of work and has 1 piece of work"
    )
    es = Translated("es", "es", {**ES.texts, "whole": "{a}; {b}"}, {**ES.of, "whole": "{a}; {b}"})
    assert es.say(Sentence("whole", "{a}; {b}", {"a": "algo", "b": (one, one, one)})) == (
        "algo; tiene 1 trabajo, tiene 1 trabajo y tiene 1 trabajo"
    )


def test_other_values_than_those_of_the_english_text_are_told() -> None:
    assert wrong("feature.missing.says", "tiene {other:n trabajo|trabajos}", english(STANDARD), "es")
    assert not wrong("feature.missing.says", "tiene {value:n trabajo|trabajos}", english(STANDARD), "es")
    assert languages.flat({"a": {"b": "c"}, "d": "e"}) == {"a.b": "c", "d": "e"}

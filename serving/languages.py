"""Every language in which facts, scores and help are said: the texts beside the code, and over them those of a school.

The English stands in the code that says it. A language is a file more in ``features/words/`` (features and amounts) and one or
more in ``serving/words/`` (the rest), whole or not at all. A school says some of it otherwise, or adds a language, by a table
``facts`` in its own files of words (see :mod:`serving.pages.words`), with the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features import languages
from features.languages import Translated
from features.phrases import ENGLISH, Language, fields
from features.standard import STANDARD
from serving import answers, catalogue, offers, recommend, scoring, whatif, withheld, wording

#: The languages that come with Homeroom, as far as scores and help go: a folder each.
SHIPPED = Path(__file__).with_name("words")

#: What a school may say of help that it adds itself.
OPEN = "help."


@cache
def english() -> Mapping[str, str]:
    """Return everything that is said, in English, by key."""
    found = languages.english(STANDARD)
    parts = (wording.english(), catalogue.english(), recommend.SENTENCES, offers.SENTENCES, whatif.SENTENCES, answers.SENTENCES,
             scoring.SENTENCES, withheld.SENTENCES)  # fmt: skip
    for part in parts:
        assert found.keys().isdisjoint(part), "a key is said twice"
        found |= part
    return MappingProxyType(found)


@cache
def shipped() -> Mapping[str, Language]:
    """Return the languages that come with Homeroom, English first."""
    found: dict[str, Language] = {ENGLISH.code: ENGLISH}
    for folder in sorted(path for path in SHIPPED.iterdir() if path.is_dir()):
        texts = {**languages.read(languages.SHIPPED / f"{folder.name}.toml"), **languages.read(folder)}
        found[folder.name] = Translated(folder.name, folder.name, texts, english())
    return MappingProxyType(found)


def laid_over(
    before: Language, code: str, locale: str, told: Mapping[str, Any], unsaid: Callable[[str], list[str]],
    fault: Callable[[str, str, str], None],
) -> Language:  # fmt: skip
    """Return a language with a school's own texts over it.

    Args:
        before: the language that there is; English where there is none, and then everything has to be said.
        code: the code of the language.
        locale: whose numbers and plurals it has.
        told: the school's table of texts.
        unsaid: returns what a text says that is never said of a student.
        fault: takes a key, what is wrong with it, and what to do.

    """
    own: dict[str, str] = {}
    for key, text in languages.flat(told).items():
        if key not in english() and not key.startswith(OPEN):
            fault(key, "Nothing of this key is said", "The keys are those of serving/words/ and features/words/.")
        elif problem := wrong(key, text, locale, unsaid):
            fault(key, problem, "Correct the text.")
        else:
            own[key] = text
    if not isinstance(before, Translated):
        for key in sorted(missing(own)):
            fault(key, "The sentence is missing", "A new language says every fact, or none.")
        return Translated(code, locale, own, english(), own)
    return Translated(code, locale, {**before.texts, **own}, before.of, {*before.own, *own})


def missing(texts: Mapping[str, str]) -> set[str]:
    """Return the keys that texts of a language lack: what has no words of its own need not be said again."""
    return {key for key, text in english().items() if key not in texts and languages.has_words(text)}


def wrong(key: str, text: object, locale: str, unsaid: Callable[[str], list[str]]) -> str:
    """Return what is wrong with a text, empty where nothing is."""
    if not isinstance(text, str) or not text.strip():
        return "a text is missing"
    try:
        fields(text)
    except ValueError:
        return "a brace is open"
    if never := unsaid(text):
        return f"it says {', '.join(never)}, which is never said of a student"
    return languages.wrong(key, text, english(), locale)

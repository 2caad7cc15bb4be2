"""Facts in other languages than English: a file of texts per language, filled with numbers, plurals and days by its locale.

A language is a TOML file in a folder ``words/`` beside the code that says the English, named after its code. It has a text for
every key, with the fields of the English one. How a field is written is the language's own matter:

``{value:n piece|pieces}``
    a whole number with its noun, in the plural forms of the language that occur up to 1,000, in the order of CLDR.
``{value:due}``, ``{value:lead}``
    days before a due date, by the texts of the table ``amount`` (:data:`AMOUNTS`).
``{value:more day|days}``
    a change.
``{value:from 0}``, ``{value:.0%}``, ``{value:+.0f}``, ``{value:.3g}``, ``{value}``
    as in English, with the signs of the language; a day is written out.

Numbers are rounded as the English text rounds them, so that no two languages tell two figures.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_decimal

from features.catalog import CONCEPTS, Catalog
from features.phrases import Language, Sentence, fields, formatted

#: The languages that come with Homeroom, as far as features go.
SHIPPED = Path(__file__).with_name("words")

#: What a language says of amounts: ``{amount}`` is the number with its noun, which ``day`` gives for days.
AMOUNTS: Mapping[str, str] = MappingProxyType(
    {
        "amount.day": "day|days",
        "amount.before": "{amount} before",
        "amount.after": "{amount} after",
        "amount.on_the_day": "on the day",
        "amount.due_before": "{amount} before it was due",
        "amount.due_after": "{amount} after it was due",
        "amount.due_on_the_day": "on the day it was due",
        "amount.more": "{amount} more",
        "amount.less": "{amount} less",
        "amount.same": "neither more nor less",
    }
)

#: CLDR's names of plural forms, in the order in which nouns are written.
FORMS = ("zero", "one", "two", "few", "many", "other")

#: Sentences count students, days and pieces of work: the plural forms that occur up to here are those a noun must have.
MOST_COUNTED = 1_000


def english(catalog: Catalog) -> dict[str, str]:
    """Return what a language says of features, by key: their names and sentences, and what is said where nothing is known."""
    found = dict(AMOUNTS)
    for concept, (name, unknown) in CONCEPTS.items():
        found |= {f"concept.{concept}.name": name, f"concept.{concept}.unknown": unknown}
    for one in catalog:
        if one.kind != "relative":
            told = {"name": one.words.name, "says": one.words.says, "says_other": one.words.says_other,
                    "earlier": one.words.earlier_label}  # fmt: skip
            found |= {f"feature.{one.name}.{part}": text for part, text in told.items() if text}
    return found


class Translated(Language):
    """A language with texts of its own.

    ``locale`` is whose numbers and plurals it has, ``texts`` are its texts by key, ``of`` the English ones that they say:
    another English text of the same key, such as that of an older model or of a district's own catalogue, has no words here.
    ``own`` are keys that a school said itself, whatever the English text is.
    """

    def __init__(
        self, code: str, locale: str, texts: Mapping[str, str], of: Mapping[str, str], own: Iterable[str] = ()
    ) -> None:
        self.code, self.locale = code, Locale.parse(locale)
        self.texts, self.of, self.own = dict(texts), dict(of), frozenset(own)
        self._filled = _Filled(self)
        self.number = lru_cache(4096)(self._number)  # the same small numbers stand on every page, and one takes 20 microseconds

    def has(self, key: str, english: str) -> bool:
        """Whether this language has its own words for an English text of a key."""
        if key in self.own:
            return True
        return self.of.get(key) == english and (key in self.texts or not has_words(english))

    def say(self, told: Sentence) -> str:
        """Return a sentence in this language, in English where it has no words of its own for it."""
        if not self.has(told.key, told.english):
            return super().say(told)
        values = {name: self._said(value) for name, value in told.values.items()}
        return self._filled.vformat(self.texts.get(told.key, told.english), (), values)

    def listed(self, told: Sequence[str]) -> str:
        """Return several texts as one list."""
        return format_list(list(told), locale=self.locale)

    def _number(self, text: str) -> str:
        """Return a number that is written as Python writes it as this language does.

        The figures stay: what was rounded once is not rounded again.
        """
        percent, plus = text.endswith("%"), text.startswith("+")
        bare = text.strip("%+").replace(",", "")
        decimals = len(bare.partition(".")[2])
        grouped = "#,##0" if "," in text else "0"
        said = format_decimal(Decimal(bare), grouped + ("." + "0" * decimals if decimals else ""), locale=self.locale)
        if percent:
            said = self.locale.percent_formats[None].pattern.partition(";")[0].replace("#,##0", said)
        return f"+{said}" if plus else said

    def counted(self, value: float, nouns: str) -> str:
        """Return a number with the form of its noun, of forms between bars."""
        text = str(int(value)) if float(value).is_integer() else f"{value:g}"
        forms, form = plural_forms(str(self.locale)), self.locale.plural_form(Decimal(text))
        noun = nouns.split("|")[forms.index(form) if form in forms else -1]
        return f"{self.number(text)} {noun}"

    def amount(self, kind: str, value: float, nouns: str) -> str:
        """Return a size to one decimal with its noun, by the texts of one kind."""
        return self.texts[f"amount.{kind}"].format(amount=self.counted(round(abs(value), 1), nouns))


class _Filled(string.Formatter):
    """Formats fields as a language writes them."""

    def __init__(self, language: Translated) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, date):
            return str(format_date(value, "long", locale=self._language.locale))
        kind, _, rest = format_spec.partition(" ")
        return self._ours(kind, float(value), rest) or self._language.number(formatted(value, format_spec))

    def _ours(self, kind: str, value: float, rest: str) -> str:
        """Return a value in one of our own forms, empty where the form is one of Python's."""
        language, nothing = self._language, not round(abs(value), 1)
        if kind == "n":
            return language.counted(round(value), rest)
        if kind in ("lead", "due"):
            which = "on_the_day" if nothing else "before" if value > 0 else "after"
            return language.amount(which if kind == "lead" else f"due_{which}", value, language.texts["amount.day"])
        if kind == "more":
            return language.amount("same" if nothing else "less" if value < 0 else "more", value, rest)
        return language.number(f"{max(value, float(rest)) + 0.0:.0f}") if kind == "from" else ""


@lru_cache(64)
def plural_forms(locale: str) -> tuple[str, ...]:
    """Return the plural forms of a language that occur among the numbers that are counted, in the order of CLDR."""
    parsed = Locale.parse(locale)
    there = {parsed.plural_form(count) for count in range(MOST_COUNTED)}
    return tuple(one for one in FORMS if one in there)


def has_words(template: str) -> bool:
    """Whether a template says anything but its fields, so that another language has to say it otherwise.

    >>> has_words("{value:.0%}"), has_words("{value:.0f} of 7"), has_words("{value:n day}"), has_words("{value:lead}")
    (False, True, True, False)
    """
    return any(
        any(one.isalpha() for one in text) or (spec or "").startswith(("n ", "more ", "due "))
        for text, _, spec, _ in string.Formatter().parse(template)
    )


def wrong(key: str, text: str, english: Mapping[str, str], locale: str) -> str:
    """Return what is wrong with a language's text of a key, empty where nothing is."""
    nouns = [spec.partition(" ")[2] for spec in _specs(text) if spec.startswith(("n ", "more "))]
    nouns += [text] if key == "amount.day" else []
    forms = plural_forms(locale)
    if any(len(one.split("|")) != len(forms) for one in nouns):
        return f"a noun has its forms between bars: {'|'.join(forms)}"
    if key in english and (key != "amount.day") and fields(text) != fields(english[key]):
        return f"its fields are {', '.join(sorted(fields(english[key]))) or 'none'}"
    return ""


def _specs(text: str) -> list[str]:
    return [spec or "" for _, name, spec, _ in string.Formatter().parse(text) if name]


def read(path: Path) -> dict[str, str]:
    """Return the texts of a file, or of every file of a folder, by dotted key."""
    found: dict[str, str] = {}
    for part in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
        found |= flat(tomllib.loads(part.read_text(encoding="utf-8")))
    return found


def flat(told: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return texts by their dotted keys; what is no text is kept as it is, for whoever checks it."""
    found: dict[str, str] = {}
    for name, one in told.items():
        if isinstance(one, dict):
            found |= flat(one, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = one
    return found

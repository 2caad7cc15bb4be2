"""Filling a feature's words with its values, and sentences that can be said in more than one language.

A sentence is a key, its English text and its values. English is said by this file alone. Another language has a text of its
own for each key (:mod:`features.languages`), with the same values; what it has none for is said in English.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any


class _Phrases(string.Formatter):
    """Format fields as Python does, and in five ways of our own, so that nobody has to read a sign.

    ``{value:n piece}``: a whole number with its noun (1 piece, 3 pieces). ``{value:due was}``: days before a due date (2
    days before it was due, 1 day after it was due); ``{value:lead}``: the same in short (2 days before).
    ``{value:more day}``: a change (1.2 days more, 0.5 days less). ``{value:from 0}``: what is below zero is zero.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        kind, _, rest = format_spec.partition(" ")
        if kind in _OWN and not isinstance(value, str):
            return _OWN[kind](float(value), rest)
        return formatted(value, format_spec)


def formatted(value: object, spec: str) -> str:
    """Return a value as Python formats it, but a number that rounds to nothing without a sign: nobody should read "-0"."""
    text = format(value, spec)
    if not isinstance(value, str) and text.startswith("-") and not any(digit in text for digit in "123456789"):
        return ("+" if "+" in spec else "") + text[1:]
    return text


def _counted(value: float, noun: str) -> str:
    count = round(value)
    return f"{count} {noun}" if abs(count) == 1 else f"{count} {noun}s"


def _measured(value: float, noun: str) -> str:
    """Return a size to one decimal, without a sign, with its noun."""
    text = f"{round(abs(value), 1):g}"
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def _lead(value: float, _: str) -> str:
    if not round(abs(value), 1):
        return "on the day"
    return f"{_measured(value, 'day')} {'before' if value > 0 else 'after'}"


def _due(value: float, verb: str) -> str:
    return f"{_lead(value, '')} it {verb} due"


def _more(value: float, noun: str) -> str:
    if not round(abs(value), 1):
        return "neither more nor less"
    return f"{_measured(value, noun)} {'less' if value < 0 else 'more'}"


def _from(value: float, least: str) -> str:
    return f"{max(value, float(least)) + 0.0:.0f}"


_OWN: Mapping[str, Callable[[float, str], str]] = {"n": _counted, "due": _due, "lead": _lead, "more": _more, "from": _from}

_PHRASES = _Phrases()


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return a template with its fields filled.

    >>> fill("has {value:n piece} of work missing", {"value": 1.0})
    'has 1 piece of work missing'
    >>> fill("handed in the latest piece of work {value:due was}", {"value": -7.0})
    'handed in the latest piece of work 7 days after it was due'
    """
    return _PHRASES.vformat(template, (), values)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something to say: ``english`` has a field for each of ``values``, and ``key`` names it in every other language.

    A value is text, a number, a day, another sentence, or several sentences, which are said as a list.
    """

    key: str
    english: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Language:
    """How sentences are said: in English here, in another language where a subclass has the words."""

    code = "en"

    def has(self, key: str, english: str) -> bool:
        """Whether this language has its own words for an English text of a key."""
        return True

    def say(self, told: Sentence) -> str:
        """Return a sentence in this language, in English where it has no words of its own for it.

        >>> ENGLISH.say(Sentence("missing", "{name} has {value:n piece} of work missing", {"name": "Ana", "value": 2}))
        'Ana has 2 pieces of work missing'
        """
        return fill(told.english, {name: self._said(value) for name, value in told.values.items()})

    def text(self, key: str, english: str, **values: object) -> str:
        """Return the text of a key with its values, in this language."""
        return self.say(Sentence(key, english, values))

    def listed(self, told: Sequence[str]) -> str:
        """Return several texts as one list.

        >>> ENGLISH.listed(["a", "b", "c"])
        'a, b and c'
        """
        return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else "".join(told)

    def _said(self, value: object) -> object:
        if isinstance(value, Sentence):
            return self.say(value)
        if isinstance(value, tuple):
            return self.listed([self.say(one) for one in value])
        return value


#: What everything is said in unless another language is asked for.
ENGLISH = Language()


@lru_cache(4096)
def fields(template: str) -> frozenset[str]:
    """Return the names of a template's fields.

    >>> sorted(fields("{done:.0f} of {due:n piece}"))
    ['done', 'due']
    """
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)

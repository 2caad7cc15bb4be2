"""Filling a feature's words with its values."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any


class _Phrases(string.Formatter):
    """Format fields as Python does, and in five ways of our own, so that nobody has to read a sign.

    ``{value:n piece}``: a whole number with its noun (1 piece, 3 pieces). ``{value:due was}``: days before a due date (2
    days before it was due, 1 day after it was due); ``{value:lead}``: the same in short (2 days before).
    ``{value:more day}``: a change (1.2 days more, 0.5 days less). ``{value:from 0}``: what is below zero is zero.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        kind, _, rest = format_spec.partition(" ")
        if kind in _OWN:
            return _OWN[kind](float(value), rest)
        text = format(value, format_spec)
        # A number that rounds to nothing has no sign: "-0" is not a thing to say to anybody.
        if text.startswith("-") and not any(digit in text for digit in "123456789"):
            return ("+" if "+" in format_spec else "") + text[1:]
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

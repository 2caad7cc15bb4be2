"""Filling a feature's words with its values."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any


class _Phrases(string.Formatter):
    """Format fields as Python does, and ``{value:n piece}`` as a whole number with its noun: 1 piece, 3 pieces."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("n "):
            count, noun = round(float(value)), format_spec[2:]
            return f"{count} {noun}" if abs(count) == 1 else f"{count} {noun}s"
        text = format(value, format_spec)
        # A number that rounds to nothing has no sign: "-0" is not a thing to say to anybody.
        if text.startswith("-") and not any(digit in text for digit in "123456789"):
            return ("+" if "+" in format_spec else "") + text[1:]
        return text


_PHRASES = _Phrases()


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return a template with its fields filled.

    >>> fill("has {value:n piece} of work missing", {"value": 1.0})
    'has 1 piece of work missing'
    """
    return _PHRASES.vformat(template, (), values)

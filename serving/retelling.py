"""What a list says, said again in another language: the sentences of a row, kept beside their English text.

A row of a scored list has texts in English and a column ``told`` that holds each of them as its key and its values, as JSON.
Whoever reads the list in another language has the texts made of these; in English they come out as they stand. A list of an
older release has no such column, and a model of an older release may have other words than the code: then the English stands,
and whoever shows it says so (``lang="en"``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from features.phrases import ENGLISH, Language, Sentence, fields
from serving import languages, wording
from serving.scoring import Risk

Row = Mapping[str, Any]

#: What an empty name is called in the English texts of a list.
_NOBODY = wording.SENTENCES["fact.student"]


def told(
    risk: Risk, reasons: Sequence[wording.Reason], strengths: Sequence[wording.Reason], unknowns: Sequence[Sentence],
    certainty: Sentence | None,
) -> str | None:  # fmt: skip
    """Return all that a row says, to be said again in any language; None where its model has words of its own.

    Args:
        risk: what the model says.
        reasons: the reasons that the row gives.
        strengths: what speaks for the student in it.
        unknowns: what is not known.
        certainty: how often it came about of students with similar scores; None without a score.

    """
    found: dict[str, Any] = {"unknowns": [_kept(one) for one in unknowns]}
    for part, facts in (("reasons", reasons), ("strengths", strengths)):
        found[part] = [[_kept(one) for one in fact.told] for fact in facts]
    if certainty is not None:
        found["per_100"] = _kept(certainty)
    elif risk.status_told is not None:
        found["status_reason"] = _kept(risk.status_told)
    return None if _lacks(found) else json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def spoken(rows: Iterable[Row], language: Language) -> Language:
    """Return the language in which these rows can be said: the one that is asked for where all of them can, else English."""
    return language if language is ENGLISH or all(_read(row.get("told")) is not None for row in rows) else ENGLISH


def all_in_language(
    rows: Sequence[Row], language: Language, name: str = "", courses: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], Language]:
    """Return rows with their texts in a language, and the language: English where not all of them can be said in it.

    ``courses`` are what the courses are called that the rows are about, one for each row; "this course" without them.
    """
    about = courses or [""] * len(rows)
    if language is ENGLISH:
        return [_said(row, None, ENGLISH, name, course) for row, course in zip(rows, about, strict=True)], ENGLISH
    kept = [_read(row.get("told")) for row in rows]
    if None in kept:
        return all_in_language(rows, ENGLISH, name, courses)
    return [_said(row, one, language, name, course) for row, one, course in zip(rows, kept, about, strict=True)], language


def in_language(row: Row, language: Language, name: str = "", course: str = "") -> dict[str, Any]:
    """Return a row with its texts in a language, and with names in them; in English where it cannot be said in it.

    Args:
        row: a row of a scored list (``serving.batch.SCHEMA``).
        language: the language.
        name: what the student is called; "the student" where it is empty.
        course: what the course is called that the facts are about; "this course" where it is empty.

    """
    return _said(row, None if language is ENGLISH else _read(row.get("told")), language, name, course)


def _said(row: Row, kept: Mapping[str, Any] | None, language: Language, name: str, course: str = "") -> dict[str, Any]:
    """Return a row with its texts made of what was kept of them, or as they stand in English where that is None."""
    found = dict(row)
    if kept is None:
        for part in ("reasons", "strengths"):
            found[part] = [{**one, "text": named(one["text"], name, course)} for one in row.get(part) or ()]
        return found
    for part in ("reasons", "strengths"):
        facts = zip(row[part] or (), kept[part], strict=True)
        found[part] = [{**one, "text": wording.said(sentences, language, name, course)} for one, sentences in facts]
    found["unknowns"] = [language.say(one) for one in kept["unknowns"]]
    for part in ("per_100", "status_reason"):
        if part in kept:
            found[part] = language.say(kept[part])
    return found


def first(
    part: str, text: str, kept: str | None, language: Language, name: str = "", course: str = ""
) -> str:  # fmt: skip
    """Return the first reason or strength of a row in a language, in English where it cannot be said in it.

    Args:
        part: ``reasons`` or ``strengths``.
        text: its English text.
        kept: the row's ``told``.
        language: the language.
        name: see :func:`in_language`.
        course: see :func:`in_language`.

    """
    written = None if language is ENGLISH or not text else _read(kept)
    return named(text, name, course) if written is None else wording.said(written[part][0], language, name, course)


def named(text: str, name: str = "", course: str = "") -> str:
    """Return an English sentence of a list with the student's name at its beginning, and its course by name.

    >>> named("The student has missed 4 of the last 20 school days.", "Ana")
    'Ana has missed 4 of the last 20 school days.'
    >>> named("The student has 40 of 100 in this course.", "Ana", "Algebra 1")
    'Ana has 40 of 100 in Algebra 1.'
    """
    said = text.replace(" in this course", f" in {course}", 1) if course else text
    return f"{name}{said.removeprefix(_NOBODY)}" if name and said.startswith(f"{_NOBODY} ") else said


def _kept(sentence: Sentence) -> list[Any] | None:
    """Return a sentence as its key and its values, None where it is not said in these words any more."""
    if languages.english().get(sentence.key) != sentence.english:
        return None
    values = {name: _kept(one) if isinstance(one, Sentence) else one for name, one in sentence.values.items()}
    return None if _lacks(values) else [sentence.key, values]


def _lacks(kept: object) -> bool:
    if isinstance(kept, dict):
        return any(_lacks(one) for one in kept.values())
    return kept is None or (isinstance(kept, list) and any(_lacks(one) for one in kept))


def _read(written: str | None) -> dict[str, Any] | None:
    """Return what a row holds to be said again, None where it holds nothing or other sentences than are said now."""
    if not written:
        return None
    try:
        kept: dict[str, Any] = _again(json.loads(written))
    except KeyError:  # a sentence of another release
        return None
    return kept


def _again(kept: Any) -> Any:
    """Return sentences of what was kept of them. Raises :class:`KeyError` for one that is not said any more, or otherwise."""
    if isinstance(kept, dict):
        return {name: _again(one) for name, one in kept.items()}
    if not isinstance(kept, list):
        return kept
    if len(kept) == 2 and isinstance(kept[0], str):
        key, values = kept[0], _again(kept[1])
        english = languages.english()[key]
        if fields(english) - values.keys() - {"name"}:
            raise KeyError(key)
        return Sentence(key, english, values)
    return [_again(one) for one in kept]

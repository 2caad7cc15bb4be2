"""A list said again in another language: the very facts, with the very figures, of everybody on it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import models
import polars as pl
import pytest

from features.phrases import ENGLISH, Language
from serving import retelling
from serving.batch import SCHEMA
from serving.pages.words import open_words
from serving.review.listing import Listing, spoken

WORDS = open_words()
SPANISH = WORDS["es"].facts

#: Words that are English and not Spanish, and stand in most sentences.
ENGLISH_WORDS = re.compile(r"\b(the|of|has|have|was|is|days?|work|this|years?|students?|class|with|not|missed|before|after)\b")


class Copy(Language):
    """English that does not know that it is: everything is made of what is kept."""


@cache
def rows() -> tuple[Mapping[str, Any], ...]:
    return tuple(pl.read_parquet(models.scored().out).iter_rows(named=True))


def texts(row: Mapping[str, Any]) -> list[str]:
    found = [one["text"] for part in ("reasons", "strengths") for one in row[part] or ()]
    return [*found, *(row["unknowns"] or ()), *(row[part] for part in ("per_100", "status_reason") if row[part])]


def figures(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)?", text.replace(",", ".")))


@pytest.mark.full
def test_what_is_kept_of_every_row_says_its_english_text_again() -> None:
    assert len(rows()) > 500
    for row in rows():
        again = retelling.in_language(row, Copy())
        assert {part: again[part] for part in SCHEMA} == dict(row)
        assert texts(again) == texts(row)


@pytest.mark.full
def test_every_row_is_said_in_spanish_with_the_same_figures_and_no_english_word() -> None:
    assert retelling.spoken(rows(), SPANISH) is SPANISH
    seen = 0
    for row in rows():
        told = retelling.in_language(row, SPANISH, "Ana")
        for english, spanish in zip(texts(row), texts(told), strict=True):
            seen += 1
            assert figures(english) == figures(spanish)
            assert not ENGLISH_WORDS.search(spanish.casefold())
            assert not WORDS["es"].unsaid(spanish)
            assert "{" not in spanish
        assert all(one["text"].startswith("Ana ") for part in ("reasons", "strengths") for one in told[part])
    assert seen > 1_000


def row(**other: Any) -> dict[str, Any]:
    told = {"reasons": [[["fact.says", {"fact": ["feature.report_mark.says", {"value": 41.0}]}],
                         ["fact.earlier", {"label": ["feature.report_mark.earlier", {}],
                                           "other": ["feature.report_mark.says_other", {"value": 62.0}]}]]],
            "strengths": [], "unknowns": [["concept.marks.unknown", {}]]}  # fmt: skip
    english = "The student has 41 of 100 in this course on the latest report card. On the report cards before, on average: 62."
    reason = {"concept": "marks", "feature": "report_mark", "value": 41.0, "contribution": 0.2, "text": english}
    return {
        **dict.fromkeys(SCHEMA), "student_id": "ana", "target": "course_failure", "band": "check_in_suggested",
        "prediction_id": "p", "status": "scored", "section_id": "algebra", "probability": 0.4, "reasons": [reason],
        "strengths": [], "unknowns": ["No mark is known yet."], "told": json.dumps(told), **other,
    }  # fmt: skip


def test_a_row_is_said_with_the_name_of_its_student_and_of_its_course() -> None:
    told = retelling.in_language(row(), SPANISH, "Ana", "Álgebra 1")
    assert told["reasons"][0]["text"] == (
        "Ana tiene 41 de 100 en Álgebra 1 en el último boletín. En los boletines anteriores, en promedio: 62."
    )
    assert told["unknowns"] == ["Todavía no se conoce ninguna calificación."]
    nobodys = retelling.in_language(row(), SPANISH)["reasons"][0]["text"]
    assert nobodys.startswith("El estudiante tiene 41 de 100 en esta materia")
    english = retelling.in_language(row(), ENGLISH, "Ana", "Algebra 1")
    assert english["reasons"][0]["text"].startswith("Ana has 41 of 100 in Algebra 1 on the latest report card.")


@pytest.mark.parametrize("key", ["", "gone", "fact.earlier"])
def test_a_list_of_another_release_stays_english_and_says_so(key: str) -> None:
    old = row(told=json.dumps({"reasons": [[[key, {}]]], "strengths": [], "unknowns": []}) if key else None)
    assert retelling.spoken([row(), old], SPANISH) is ENGLISH
    assert retelling.in_language(old, SPANISH, "Ana")["reasons"][0]["text"].startswith("Ana has 41 of 100")
    frame = pl.DataFrame([{**old, "as_of": models.TODAY}], schema=dict(SCHEMA))
    for each in (frame, frame.drop("told")):
        listed = Listing(each, (), models.TODAY).of("ana", leaving=True)
        assert spoken([listed, None], SPANISH) is ENGLISH


def test_the_list_of_people_is_told_in_the_language_of_its_reader() -> None:
    frame = pl.DataFrame([{**row(), "as_of": models.TODAY}], schema=dict(SCHEMA))
    listed = Listing(frame, (), models.TODAY).of("ana", leaving=True)
    assert listed is not None
    assert spoken([listed], SPANISH) is SPANISH
    assert listed.told("Ana", {"algebra": "Álgebra 1"}, SPANISH).startswith("Ana tiene 41 de 100 en Álgebra 1")
    assert listed.told("Ana", {"algebra": "Algebra 1"}).startswith("Ana has 41 of 100 in Algebra 1")
    assert listed.good("Ana", SPANISH) == ""

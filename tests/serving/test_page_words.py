"""What the pages say: two languages that say the same, numbers and dates of the place, and a school's own words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from shutil import copytree
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.problems import Refused
from serving.pages.words import ABOUT, FORMS, SHIPPED, SPECS, Words, _pieces, chosen, open_words

WORDS = open_words()
ENGLISH, SPANISH = WORDS["en"], WORDS["es"]


def phrases(told: Mapping[str, Any], before: str = "") -> dict[str, dict[str, str]]:
    """Return a file's phrases by key and plural form, read without what is tested."""
    found: dict[str, dict[str, str]] = {}
    for name, one in told.items():
        key = f"{before}{name}"
        if isinstance(one, str):
            found[key] = {"other": one}
        elif set(one) <= FORMS:
            found[key] = one
        else:
            found |= phrases(one, f"{key}.")
    return found


def shipped(language: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for path in sorted((SHIPPED / language).glob("*.toml")):
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        more = phrases({name: one for name, one in told.items() if name != ABOUT})
        assert not set(more) & set(found), f"{path.name} says again what another file says"
        found |= more
    return found


def values(text: str) -> set[str]:
    return {f"{name}:{spec}" for _, name, spec, _ in Formatter().parse(text) if name}


def school(folder: Path, **files: str) -> Mapping[str, Words]:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return open_words(folder)


def refused(folder: Path, **files: str) -> list[str]:
    with pytest.raises(Refused) as error:
        school(folder, **files)
    return [f"{one.where}: {one.problem}" for one in error.value.problems]


def test_spanish_says_all_that_english_says_with_the_same_values_and_plurals() -> None:
    english, spanish = shipped("en"), shipped("es")
    assert list(spanish) == list(english)
    for key, forms in english.items():
        assert set(spanish[key]) == set(forms), key
        assert all(values(spanish[key][form]) == values(text) for form, text in forms.items()), key
        words = re.sub(r"\{.*?\}|\W", "", "".join(forms.values()))
        assert spanish[key] != forms or words in ("", "Homeroom", "no"), f"{key} is not translated"


def test_the_catalogue_holds_what_the_files_hold() -> None:
    assert list(WORDS) == ["en", "es"]
    for language, words in WORDS.items():
        assert set(words.phrases) == set(shipped(language))
    assert (ENGLISH.name, SPANISH.name) == ("English", "Español")


@pytest.mark.parametrize(
    ("count", "english", "spanish"),
    [
        (0, "0 students have waited", "0 estudiantes han esperado"),
        (1, "1 student has waited", "1 estudiante ha esperado"),
        (12_345, "12,345 students have waited", "12.345 estudiantes han esperado"),
    ],
)
def test_one_is_not_many_and_numbers_are_written_as_the_language_writes_them(count: int, english: str, spanish: str) -> None:
    assert ENGLISH.say("today.waiting", count=count, days=5) == f"{english} more than 5 school days"
    assert SPANISH.say("today.waiting", count=count, days=5) == f"{spanish} más de 5 días lectivos"


def test_a_million_in_spanish_is_said_though_it_has_a_plural_of_its_own() -> None:
    assert SPANISH.locale.plural_form(1_000_000) == "many"
    assert SPANISH.say("list.left", count=1_000_000) == "Seguirían 1.000.000 más."


def test_dates_are_said_as_the_language_says_them() -> None:
    day = date(2026, 11, 16)
    assert ENGLISH.say("caseload.today", today=day) == "Monday, November 16, 2026."
    assert SPANISH.say("caseload.today", today=day) == "Hoy es lunes, 16 de noviembre de 2026."
    assert "November 16, 2026" in ENGLISH.say("list.caption", as_of=day)


@pytest.mark.parametrize(
    ("day", "english", "spanish"),
    [
        (date(2026, 11, 11), "Wednesday", "miércoles"),
        (date(2026, 11, 10), "Tuesday", "martes"),
        (date(2026, 11, 9), "November 9", "9 de noviembre"),
        (date(2026, 11, 16), "November 16", "16 de noviembre"),
        (date(2026, 11, 17), "November 17", "17 de noviembre"),
        (date(2025, 11, 12), "November 12, 2025", "12 de noviembre de 2025"),
    ],
)
def test_a_weekday_is_said_only_where_it_can_mean_one_day(day: date, english: str, spanish: str) -> None:
    today = date(2026, 11, 16)
    assert (ENGLISH.near(day, today), SPANISH.near(day, today)) == (english, spanish)


def test_names_are_listed_as_the_language_lists_them() -> None:
    assert ENGLISH.listed(["a mentor", "a study period"]) == "a mentor and a study period"
    assert SPANISH.listed(["mentoría", "informes", "estudio"]) == "mentoría, informes y estudio"


def test_what_is_not_said_is_found_as_a_word_and_not_as_a_part_of_one() -> None:
    assert ENGLISH.unsaid("Ana is FLAGGED as high-risk") == ["flagged", "risk", "high-risk"]
    assert ENGLISH.unsaid("a brisk walk in Singapore, agape") == []
    assert SPANISH.unsaid("en riesgo de abandono") == ["riesgo", "abandono"]


@pytest.mark.parametrize("language", WORDS)
def test_no_phrase_says_what_is_never_said(language: str) -> None:
    for key, forms in shipped(language).items():
        for text in forms.values():
            assert WORDS[language].unsaid(text) == [], key
            assert "!" not in text
    assert {"dropout", "course_failure", "learning_gap", "chronic_absence"} <= set(WORDS[language].never)


# -- a school's own words ---------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_school_says_some_phrases_otherwise_and_the_rest_stays(tmp_path: Path) -> None:
    words = school(tmp_path, en='[language]\nlocale = "en_GB"\n[caseload]\ntitle = "Your pupils"\n')
    assert words["en"].say("caseload.title") == "Your pupils"
    assert words["en"].say("today.nothing_due") == "Nothing is due today"
    assert words["en"].say("caseload.today", today=date(2026, 11, 16)) == "Monday, 16 November 2026."
    assert words["es"].say("caseload.title") == SPANISH.say("caseload.title")
    assert ENGLISH.say("caseload.title") == "Your students", "the shipped words are as they were"


def test_a_place_with_words_of_its_own_takes_the_rest_from_its_language(tmp_path: Path) -> None:
    words = school(tmp_path, es_MX='[sign_in]\nlogin = "Usuario"\n')["es_MX"]
    assert (words.say("sign_in.login"), words.say("sign_in.password")) == ("Usuario", "Contraseña")
    assert words.say("list.left", count=12_345) == "Seguirían 12,345 más."


def test_a_new_language_says_everything_or_is_refused_with_all_that_it_lacks(tmp_path: Path) -> None:
    faults = refused(tmp_path, fr='[language]\nname = "Français"\n[frame]\nsign_out = "Quitter"\n')
    assert len(faults) == len(ENGLISH.phrases) - 1
    assert "fr.toml, frame.homeroom: The phrase is missing" in faults


@pytest.mark.full
def test_a_new_language_that_says_everything_is_one_more(tmp_path: Path) -> None:
    copytree(SHIPPED / "es", tmp_path / "gl")
    about = tmp_path / "gl" / "review.toml"
    about.write_text(about.read_text(encoding="utf-8").replace('name = "Español"', 'name = "Galego"'), encoding="utf-8")
    words = open_words(tmp_path)
    assert list(words) == ["en", "es", "gl"]
    assert words["gl"].name == "Galego"


def test_a_folder_that_is_not_there_holds_no_words(tmp_path: Path) -> None:
    assert list(open_words(tmp_path / "words")) == ["en", "es"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[caseload]\ntitel = "x"', "en.toml, caseload.titel: The pages have no such phrase"),
        ('[caseload]\ntitle = ""', "en.toml, caseload.title: A phrase is text that is not empty"),
        ("[caseload]\ntitle = 7", "en.toml, caseload.title: A phrase is text that is not empty"),
        ('[records]\nto = "{school.__class__}"', "en.toml, records.to: A value stands in braces"),
        ('[records]\nto = "{school!r}"', "en.toml, records.to: A value stands in braces"),
        ('[records]\nto = "{school:>99999999}"', "en.toml, records.to: A value stands in braces"),
        ('[records]\nto = "{school"', "en.toml, records.to: A value stands in braces"),
        ('[records]\nto = "{student}"', "en.toml, records.to: The phrase has no value student"),
        ('[list]\nleft = {one = "{count} more"}', "en.toml, list.left: The plural form other is missing"),
        ('[list]\nleft = {one = "One", other = "Some"}', "en.toml, list.left: It has plural forms and counts nothing"),
        ('[band]\ncheck_in_suggested = "High risk"', "en.toml, band.check_in_suggested: It says risk, which is never said"),
        ("[caseload", "words: This is not TOML"),
        ('language = "English"', "en.toml, language: It holds a name"),
        ('[language]\nlocale = "xx_yy_zz"', "en.toml, language: No such language is known"),
    ],
)
def test_words_that_cannot_be_are_refused_with_their_place(tmp_path: Path, text: str, fault: str) -> None:
    found = refused(tmp_path, en=text)
    assert len(found) == 1
    assert found[0].startswith(fault) or fault.startswith("words:")
    assert fault.split(": ")[1] in found[0]


def test_a_file_that_is_named_after_no_language_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, school="[frame]\n") == ["school.toml, language: No such language is known"]


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, en='[caseload]\ntitel = "x"\n[records]\nto = "{who}"\n', es='[case]\nnew = "En riesgo"\n')
    assert [one.split(":")[0] for one in found] == ["en.toml, caseload.titel", "en.toml, records.to", "es.toml, case.new"]


@given(st.text(alphabet="{}:!.[]()_acount% ", max_size=20))
def test_whatever_a_school_writes_is_a_phrase_of_named_values_or_none(text: str) -> None:
    pieces = _pieces(text)
    if pieces is None:
        assert set("{}") & set(text), "text without braces is always a phrase"
        return
    assert all(spec in SPECS and name.replace("_", "a").isalpha() for _, name, spec in pieces if name)
    written = "".join(before.replace("{", "{{").replace("}", "}}") + (f"{{{name}:{spec}}}" if name else "")
                      for before, name, spec in pieces)  # fmt: skip
    assert written.replace(":}", "}") == text.replace(":}", "}")


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        (["es"], "es"), (["es-MX", "en"], "es"), (["fr-CA", "es"], "es"), (["pt_BR"], "en"), ([], "en"), (["*", ""], "en"),
        (["EN-us"], "en"),
    ],
)  # fmt: skip
def test_the_first_language_that_is_wanted_and_known_is_shown(wanted: list[str], language: str) -> None:
    assert chosen(WORDS, wanted) == language

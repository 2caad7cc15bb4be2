"""What the pages say, by language: one catalogue of phrases, each with named values and, where it counts, plural forms.

A language is a folder in ``words/`` with a TOML file for each page or two. English comes first and says which phrases there
are; every other language has all of them, with the same values. A phrase is text, or a table of the plural forms that its
language has (CLDR's ``one``, ``few``, ``many``, ``other``), of which ``{count}`` chooses. Dates, numbers, plurals and lists
are those of the locale, from CLDR by way of Babel.

Sentences about students are said elsewhere (:mod:`serving.languages`); a language of pages knows which language says them.

A school may lay files of its own over these: some phrases of a language that there is, or all of a new one. Its words are held
to the same rules, and to a list in each language's file of what is never said of a student.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal

from features.phrases import ENGLISH, Language
from features.problems import Problem, Refused
from serving import languages

SHIPPED = Path(__file__).with_name("words")

#: The language that the others are held against, and that is shown where nobody's own is known.
FIRST = "en"

#: The table of a file that is about the language and holds no phrase.
ABOUT = "language"

#: The table of a school's file that holds sentences about students: how it says facts and help (:mod:`serving.languages`).
FACTS = "facts"

#: CLDR's names of plural forms. A table with no other keys is one phrase.
FORMS = frozenset({"zero", "one", "two", "few", "many", "other"})

#: A page counts students and days: the plural forms that occur up to here are those a phrase must have.
MOST_COUNTED = 1_000

#: Phrases of which a school may add its own: what the help is called that it gives.
OPEN = "intervention."

#: How a value may be asked for: as its kind is written, a date with its weekday, or a language's code as what it is called.
SPECS = frozenset({"", "full", "language"})

#: So many days back a weekday alone says which day is meant.
NEAR_DAYS = 6

Value = str | int | float | date

_NAME = re.compile(r"[a-z][a-z_]*")
_CODE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase: per plural form its pieces, each a text and after it the name and the form of a value, or neither."""

    forms: Mapping[str, tuple[tuple[str, str, str], ...]]

    @property
    def names(self) -> frozenset[str]:
        """The values that it takes."""
        return frozenset(name for pieces in self.forms.values() for _, name, _ in pieces if name)

    @property
    def counts(self) -> bool:
        """Whether it has plural forms."""
        return set(self.forms) != {"other"}


@dataclass(frozen=True, eq=False)
class Words:
    """Everything that is said in one language.

    ``language`` is its code, as an account and the page's ``lang`` name it; ``name`` is how it calls itself; ``never`` is what
    is not said of students in it. ``facts`` is the language in which sentences about students are said: English where nobody
    has written them in this one.
    """

    language: str
    name: str
    locale: Locale
    never: tuple[str, ...]
    phrases: Mapping[str, Phrase]
    facts: Language = ENGLISH
    _decimal: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        locale = self.locale
        # The same small numbers stand on every row of a page, and a number takes 12 microseconds to write.
        object.__setattr__(self, "_decimal", lru_cache(4096)(lambda number: format_decimal(number, locale=locale)))

    def say(self, key: str, /, **values: Value) -> str:
        """Return a phrase with its values, numbers and dates as its language writes them.

        Raises KeyError for a phrase or a value that is not there: both are checked for all templates by a test.
        """
        phrase = self.phrases[key]
        form = "other"
        if phrase.counts:
            count = values["count"]
            assert isinstance(count, int), f"{key} counts, so its count is a whole number"
            form = self.locale.plural_form(count)
        pieces = phrase.forms[form] if form in phrase.forms else phrase.forms["other"]
        return "".join([text + (self._written(values[name], spec) if name else "") for text, name, spec in pieces])

    def named(self, group: str, name: str, /, **values: Value) -> str:
        """Return the phrase for one of the names of a group, such as a band."""
        return self.say(f"{group}.{name}", **values)

    def near(self, day: date, today: date) -> str:
        """Return a day as it is called from today: by its weekday in the week before, else by its date."""
        if 0 < (today - day).days <= NEAR_DAYS:
            return str(format_date(day, "EEEE", locale=self.locale))
        if day.year == today.year:
            return str(format_skeleton("MMMMd", day, locale=self.locale))
        return str(format_date(day, "long", locale=self.locale))

    def listed(self, names: Sequence[str]) -> str:
        """Return names as a list in a sentence: "a, b, and c"."""
        return format_list(list(names), locale=self.locale)

    def unsaid(self, text: str) -> list[str]:
        """Return what a text says that is not said of students in this language."""
        return _unsaid(text, self.never)

    def _written(self, value: Value, spec: str) -> str:
        if isinstance(value, str):
            return self._tongue(value) if spec == "language" else value
        if isinstance(value, date):
            return str(format_date(value, "full" if spec == "full" else "long", locale=self.locale))
        return str(self._decimal(value))

    def _tongue(self, code: str) -> str:
        """Return what a language is called; its code where CLDR knows none by it."""
        try:
            return Locale.parse(code, sep="-" if "-" in code else "_").get_display_name(self.locale) or code
        except (UnknownLocaleError, ValueError):
            return code


def open_words(own: Path | None = None) -> Mapping[str, Words]:
    """Return every language by its code, English first.

    Args:
        own: a folder with the school's own files: ``es.toml`` for some phrases said otherwise, ``es_MX.toml`` for some said
            otherwise there, ``fr.toml`` or a folder ``fr`` for all of a new language. It need not be there.

    Raises:
        Refused: with every fault of every file: what is no TOML, a phrase that there is none of, one that a new language
            lacks, a value that a phrase cannot have, a plural form that is missing, and what is never said of a student.

    """
    found = dict(_shipped())
    schools = own.iterdir() if own is not None and own.is_dir() else ()
    problems: list[Problem] = []
    _lay_over(found, sorted(path for path in schools if path.is_dir() or path.suffix == ".toml"), problems)
    if problems:
        raise Refused(problems, "The words of the pages were refused")
    return MappingProxyType(found)


@cache
def _shipped() -> Mapping[str, Words]:
    """Return the languages that come with Homeroom, English first: read once, since to read them takes a tenth of a second."""
    found: dict[str, Words] = {}
    problems: list[Problem] = []
    folders = (path for path in SHIPPED.iterdir() if path.is_dir())
    _lay_over(found, sorted(folders, key=lambda path: (path.name != FIRST, path.name)), problems)
    if problems:
        raise Refused(problems, "The words of the pages were refused")
    return found


def _lay_over(found: dict[str, Words], paths: Iterable[Path], problems: list[Problem]) -> None:
    """Lay what files or folders say over the languages that there are; faults go to ``problems``."""
    for path in paths:
        told = _told(path, problems)
        if told is None:
            continue
        before = found.get(path.stem, found.get(path.stem.partition("_")[0]))
        one = _read(path, told, before, found.get(FIRST), problems)
        if one is not None:
            found[path.stem] = one


def chosen(known: Iterable[str], wanted: Sequence[str]) -> str:
    """Return the language to show: the first that is wanted and known, by its whole code or its language alone; else English.

    ``wanted`` are codes in the order of preference, such as an account's and then a browser's: ``["es-MX", "en"]``.
    """
    here = set(known)
    for code in wanted:
        whole = code.strip().replace("-", "_")
        for one in (whole, whole.partition("_")[0].lower()):
            if one in here:
                return one
    return FIRST


def _told(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    """Return what the file of a language says, or all files of its folder together; None, with the fault told, for no TOML.

    Of two files that say the same phrase the later one would win unseen: that is a fault of ours, and stops at once.
    """
    found: dict[str, Any] = {}
    for part in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
        try:
            told = tomllib.loads(part.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            problems.append(Problem("words", part.name, "This is not TOML in UTF-8", "Correct the file.", file=part.name))
            return None
        _join(found, told)
    return found


def _join(found: dict[str, Any], told: Mapping[str, Any]) -> None:
    for name, one in told.items():
        if name not in found:
            found[name] = dict(one) if isinstance(one, dict) else one
        else:
            assert isinstance(found[name], dict), f"{name} is said twice"
            assert isinstance(one, dict), f"{name} is said twice"
            _join(found[name], one)


def _read(
    path: Path, told: Mapping[str, Any], before: Words | None, first: Words | None, problems: list[Problem]
) -> Words | None:  # fmt: skip
    """Return a file's language, laid over what there is of it, or None where it cannot be one; faults go to ``problems``."""

    def fault(key: str, problem: str, hint: str) -> None:
        problems.append(Problem("words", f"{path.name}, {key}", problem, hint, file=path.name, column=key))

    about = _about(told.get(ABOUT, {}), path.stem, before, fault)
    if about is None:
        return None
    name, locale, never = about
    phrases = dict(before.phrases) if before else {}
    for key, text in _flat({name: one for name, one in told.items() if name not in (ABOUT, FACTS)}):
        if first is not None and key not in first.phrases and not key.startswith(OPEN):
            fault(key, "The pages have no such phrase", "The phrases that there are stand in words/en/.")
            continue
        if (phrase := _phrase(key, text, locale, never, fault)) is None:
            continue
        if first is not None and (extra := phrase.names - (first.phrases[key].names if key in first.phrases else frozenset())):
            fault(key, f"The phrase has no value {', '.join(sorted(extra))}", _takes(first.phrases.get(key, phrase)))
        else:
            phrases[key] = phrase
    for key in first.phrases if first is not None else ():
        if key not in phrases and not any(one.column == key and one.file == path.name for one in problems):
            fault(key, "The phrase is missing", "A new language says everything that words/en/ says.")
    facts = _facts(path.stem, told.get(FACTS, {}), before, locale, never, fault)
    return Words(path.stem, name, locale, never, MappingProxyType(phrases), facts)


def _facts(
    code: str, told: object, before: Words | None, locale: Locale, never: Sequence[str], fault: Callable[[str, str, str], None]
) -> Language:  # fmt: skip
    """Return the language in which sentences about students are said, with a school's own texts over it."""
    ours = before.facts if before is not None else languages.shipped().get(code, ENGLISH)
    if not told:
        return ours
    if not isinstance(told, dict) or code == FIRST:
        fault(FACTS, "It holds sentences of another language than English", "The English stands in the code.")
        return ours

    def wrong(key: str, problem: str, hint: str) -> None:
        fault(f"{FACTS}.{key}", problem, hint)

    return languages.laid_over(ours, code, str(locale), told, lambda text: _unsaid(text, never), wrong)


def _about(
    told: object, code: str, before: Words | None, fault: Callable[[str, str, str], None]
) -> tuple[str, Locale, tuple[str, ...]] | None:  # fmt: skip
    """Return a language's name, its locale and what is never said in it, or None with the fault told."""
    given: Mapping[str, Any] = told if isinstance(told, dict) else {"name": told}
    name, locale, never = given.get("name", before.name if before else code), given.get("locale", code), given.get("never", [])
    texts = [name, locale, *never] if isinstance(never, list) else [None]
    if given is not told or set(given) - {"name", "locale", "never"} or not all(isinstance(one, str) for one in texts):
        fault(ABOUT, "It holds a name, a locale and a list of what is never said, and nothing else", "Correct the table.")
        return None
    try:
        parsed = Locale.parse(locale) if _CODE.fullmatch(code) else None
    except (ValueError, UnknownLocaleError):
        parsed = None
    if parsed is None:
        fault(ABOUT, "No such language is known", "Name the file after its code, such as fr.toml or pt_BR.toml.")
        return None
    return name, parsed, (*(before.never if before else ()), *never)


def _phrase(
    key: str, told: object, locale: Locale, never: Sequence[str], fault: Callable[[str, str, str], None]
) -> Phrase | None:  # fmt: skip
    """Return a phrase, or None with the fault told."""
    forms: Mapping[str, Any] = told if isinstance(told, dict) else {"other": told}
    if not all(isinstance(text, str) and text.strip() for text in forms.values()):
        fault(key, "A phrase is text that is not empty", "Write a sentence, or a table of plural forms.")
        return None
    if missing := _forms_of(str(locale)) - set(forms) if len(forms) > 1 or "other" not in forms else None:
        fault(key, f"The plural form {', '.join(sorted(missing))} is missing", "Add it: the language has it.")
        return None
    found = {}
    for form, text in forms.items():
        if said := _unsaid(text, never):
            fault(key, f"It says {', '.join(said)}, which is never said of a student", "Say what is recorded.")
            return None
        pieces = _pieces(text)
        if pieces is None:
            fault(key, "A value stands in braces as {name}, a date as {name:full} too", "Correct the braces.")
            return None
        found[form] = pieces
    phrase = Phrase(MappingProxyType(found))
    if phrase.counts and "count" not in phrase.names:
        fault(key, "It has plural forms and counts nothing", "Use {count} in it, or write one form.")
        return None
    return phrase


def _pieces(text: str) -> tuple[tuple[str, str, str], ...] | None:
    """Return a text cut at its values, or None where a value is not written as one.

    >>> _pieces("{count} of {of} students")
    (('', 'count', ''), (' of ', 'of', ''), (' students', '', ''))
    """
    try:
        cut = list(Formatter().parse(text))
    except ValueError:
        return None
    found = []
    for before, name, spec, conversion in cut:
        if name is not None and (conversion or spec not in SPECS or not _NAME.fullmatch(name)):
            return None
        found.append((before, name or "", spec or ""))
    return tuple(found)


@lru_cache(64)
def _forms_of(locale: str) -> frozenset[str]:
    """Return the plural forms of a language that occur among the numbers a page counts."""
    parsed = Locale.parse(locale)
    return frozenset(parsed.plural_form(count) for count in range(MOST_COUNTED))


def _unsaid(text: str, never: Sequence[str]) -> list[str]:
    return [one for one in never if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text, re.IGNORECASE)]


def _flat(told: Mapping[str, Any], before: str = "") -> list[tuple[str, object]]:
    """Return phrases by their dotted keys: a table whose keys are plural forms is one phrase."""
    found: list[tuple[str, object]] = []
    for name, one in told.items():
        if isinstance(one, dict) and not set(one) <= FORMS:
            found += _flat(one, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", one))
    return found


def _takes(phrase: Phrase) -> str:
    return f"It may use {', '.join(f'{{{name}}}' for name in sorted(phrase.names))}." if phrase.names else "It has none."

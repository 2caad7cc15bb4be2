"""The pages of the review: what they are made of, what they say and do not say, and that anybody can use them."""

from __future__ import annotations

import ast
import colorsys
import re
from collections import Counter
from dataclasses import FrozenInstanceError, fields, replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

import pytest
import textstat
from jinja2 import UndefinedError
from review_examples import EXAMPLES, FRAME, NO_FILTERS, SIGN_IN, TODAY, USUAL, caseload, row
from template_types import Reading, helps, parts_of
from tinyhtml5.parser import HTMLParser as Html5

from features.catalog import CONCEPTS
from serving.learned import OUTCOMES
from serving.pages.contexts import NAMED, PAGES, Context
from serving.pages.contexts.caseload import MOST_NAMES, MOST_ROWS
from serving.pages.contexts.frame import Frame
from serving.pages.render import ADDRESSES, FOLDER, HEADERS, STYLE, STYLE_HEADERS, Pages, at
from serving.pages.words import open_words
from serving.review.routes import patterned
from serving.wording import headline

WORDS = open_words()

ROOT = Path(__file__).resolve().parents[2]

#: The one picture that a page may load, where it was agreed to.
PHOTO = patterned(ADDRESSES["student_photo"])

#: Tags that have no end.
VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})


@cache
def pages(language: str) -> Pages:
    return Pages(WORDS[language])


@cache
def made(state: str, language: str = "en") -> str:
    return pages(language).render(EXAMPLES[state])


class Balance(HTMLParser):
    """Holds every tag to an end tag of its own, in order: a browser would guess the end, and might guess otherwise."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(text)
        self.faults += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} ends at {self.getpos()}")


def parse(text: str) -> tuple[Element, list[Any]]:
    """Return a page as a browser reads it, and what the standard says is wrong with it."""
    parser = Html5(namespace_html_elements=False)
    return parser.parse(text), parser.errors


@cache
def read(state: str, language: str = "en") -> Element:
    return parse(made(state, language))[0]


def text_of(page: Element) -> str:
    return " ".join(" ".join(page.itertext()).split())


def main_of(state: str, language: str = "en") -> Element:
    found = read(state, language).find(".//main")
    assert found is not None
    return found


def links(page: Element) -> list[str]:
    return [one.attrib["href"] for one in page.iter("a")]


#: Every state in English, and every page in the other languages: templates are the same for all.
BOTH = [(state, language) for language in WORDS for state in EXAMPLES if language == "en" or state in PAGES]
#: In a quick run every page in its usual state, in English; the others take their turn in a whole one.
EACH = pytest.mark.parametrize(
    ("state", "language"),
    [pytest.param(*one, marks=() if one[1] == "en" and one[0] in PAGES else pytest.mark.full) for one in BOTH],
)


# -- what pages are made of -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_an_example_of_its_own_context(name: str) -> None:
    assert type(EXAMPLES[name]) is PAGES[name].context


def test_every_example_is_of_a_page() -> None:
    assert {state.split()[0] for state in EXAMPLES} == set(PAGES)
    assert {page.context for page in PAGES.values()} == set(get_args(Context))


@pytest.mark.parametrize("name", PAGES)
def test_every_value_of_a_page_says_what_it_is(name: str) -> None:
    for part in parts_of(PAGES[name].context):
        assert part.__doc__
        for field, says in helps(part).items():
            assert says.endswith("."), f"{part.__name__}.{field} does not say what it is"


@pytest.mark.parametrize("name", PAGES)
def test_the_values_of_a_page_cannot_be_changed(name: str) -> None:
    assert Frame in parts_of(PAGES[name].context), "every page has the frame around it"
    with pytest.raises(FrozenInstanceError):
        setattr(EXAMPLES[name], fields(PAGES[name].context)[0].name, None)


@cache
def reading_of(name: str) -> Reading:
    reading = Reading(pages("en"))
    reading.template(PAGES[name].template, PAGES[name].context)
    return reading


@pytest.mark.full
@pytest.mark.parametrize("name", PAGES)
def test_a_template_uses_only_what_its_page_has_and_says_only_phrases_that_there_are(name: str) -> None:
    reading = reading_of(name)
    assert reading.faults == []
    unused = {(part.__name__, field) for part in parts_of(PAGES[name].context) for field in helps(part)} - {
        (part.__name__, field) for part, field in reading.used
    }
    assert unused == set(), "what no template shows need not be handed in"


def written(*folders: str) -> set[str]:
    """Return every text that stands in the sources of some folders."""
    return {
        node.value
        for folder in folders
        for path in (ROOT / "serving" / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.full
def test_every_phrase_is_said_by_some_page_or_by_what_answers_a_request() -> None:
    known = set(WORDS["en"].phrases)
    on_pages = set().union(*(reading_of(name).said for name in PAGES))
    texts, codes = written("review"), written("")
    by_answers = {key for key in known if key in texts}
    by_answers |= {f"said.{one}" for one in texts} | {f"problem.{one}" for one in codes}
    # In what an effect is told hangs on what the help is for, and what help is called on which a school gives.
    by_answers |= {f"effect_unit.{one}" for one in OUTCOMES}
    by_answers |= {key for key in known if key.startswith("intervention.")}
    assert on_pages <= known
    assert known - on_pages - by_answers == set()


def test_a_template_that_asks_for_what_is_not_there_fails() -> None:
    template = pages("en")._environment.from_string("{{ page.probability }}")
    with pytest.raises(UndefinedError):
        template.render(page=USUAL)


def test_the_check_of_templates_finds_what_a_page_does_not_have() -> None:
    reading = Reading(pages("en"))
    loader = pages("en")._environment.loader
    assert loader is not None
    source = '{% for one in page.rows %}{{ one.probability }}{{ t("list.year") }}{{ named("case", one.band) }}{% endfor %}'
    reading._all(pages("en")._environment.parse(source).body, {"page": type(USUAL)})
    of_a_row, of_a_phrase, of_a_group = reading.faults
    assert of_a_row.endswith("Row'> has no probability")
    assert of_a_phrase.endswith("list.year takes ['year'] and is given [], missing []")
    assert of_a_group.endswith("are not names of case")


def test_no_template_goes_round_the_escaping_or_runs_anything() -> None:
    found = sorted((FOLDER / "templates").glob("*.html"))
    assert {page.template for page in PAGES.values()} <= {path.name for path in found}
    for path in found:
        source = path.read_text()
        assert not re.search(r"\|\s*safe|autoescape|Markup|<script|<style|\bstyle=|\bon[a-z]+=|javascript:", source), path.name


def test_a_name_on_record_becomes_no_tag_no_attribute_and_no_address() -> None:
    name = """"><script>x</script>' onfocus='x"""
    page = replace(USUAL, rows=(replace(row(1), name=name, student_id='../../x?"y', reason=name, supports=(name,)),))
    found, errors = parse(pages("en").render(page))
    assert errors == []
    assert not list(found.iter("script"))
    assert name.replace("\n", " ") in text_of(found)
    assert "/review/students/..%2F..%2Fx%3F%22y" in links(found)
    assert not any(attribute.startswith("on") for one in found.iter() for attribute in one.attrib)


# -- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.full
@EACH
def test_no_page_says_what_is_never_said_of_a_student(state: str, language: str) -> None:
    said = text_of(read(state, language))
    for words in WORDS.values():
        assert words.unsaid(said) == []
    assert "!" not in said
    attributes = " ".join(value for one in read(state, language).iter() for value in one.attrib.values())
    assert not re.search(r"dropout|course_failure|learning_gap|chronic_absence|risk", attributes)


@EACH
def test_every_page_says_what_it_is_not_for_and_that_it_decides_nothing(state: str, language: str) -> None:
    said = text_of(read(state, language))
    assert WORDS[language].say("frame.not_for") in said
    assert WORDS[language].say("frame.supports") in said


def test_in_english_that_is_five_things() -> None:
    for thing in ("placement", "grading", "discipline", "policing", "teacher evaluation"):
        assert thing in WORDS["en"].say("frame.not_for")
    assert "supports a decision and never makes one" in WORDS["en"].say("frame.supports")


def test_a_band_is_named_on_pages_as_in_answers() -> None:
    for band in NAMED["band"]:
        assert WORDS["en"].say(f"band.{band}") == headline(band)


def test_concerns_are_what_features_call_them_and_access_at_home_is_none() -> None:
    assert {one: WORDS["en"].say(f"concern.{one}") for one in NAMED["concern"]} == {
        concept: title for concept, (title, _) in CONCEPTS.items() if concept != "access"
    }


def test_staff_can_read_a_page_in_passing() -> None:
    said = [" ".join(one.itertext()) for one in read("caseload").iter("p") if len(" ".join(one.itertext()).split()) > 5]
    text = " ".join(one if one.endswith(".") else f"{one}." for one in said)
    assert textstat.automated_readability_index(text) <= 8


@pytest.mark.parametrize("language", WORDS)
def test_a_page_in_one_language_says_nothing_of_its_own_in_another(language: str) -> None:
    other = next(one for one in WORDS if one != language)
    said = text_of(read("caseload", language))
    for key in ("today.title", "list.title", "good.title", "names.title", "actions.claim", "filters.clear", "caseload.helps"):
        assert WORDS[other].say(key) not in said


def test_a_sentence_from_the_records_tells_its_language_where_it_is_not_the_pages() -> None:
    spanish = [one for one in main_of("caseload", "es").iter() if one.get("lang") == "en"]
    assert len(spanish) == sum(bool(one.reason) for one in USUAL.rows) + len(USUAL.good)
    assert not [one for one in main_of("caseload").iter() if one.get("lang")]


# -- what stands on the pages -----------------------------------------------------------------------------------------


def test_monday_begins_with_what_is_due_what_is_new_who_waits_and_what_did_not_come() -> None:
    said = text_of(main_of("caseload"))
    begin = said.index("Monday, November 16, 2026")
    places = [said.index(one, begin) for one in (
        "6 things are due today", "6 students are new since Thursday", "2 students have waited more than 5 school days",
        "Lincoln: no attendance since Wednesday", "Hill: no work handed in this term", "First, what a whole group shares",
        "Due today", "Whom to talk to first",
    )]  # fmt: skip
    assert places == sorted(places)


def test_a_group_that_shares_a_concern_comes_before_any_student_and_leads_to_its_own() -> None:
    said = text_of(main_of("caseload"))
    assert "Class Algebra 1 7 of 26 students: Work handed in." in said
    assert said.index("Class Algebra 1") < min(said.index(one.name) for one in USUAL.rows)
    assert at("caseload", section="ALG 1/a", concern="coursework") in links(main_of("caseload"))
    assert at("caseload", year="9", concern="attendance") in links(main_of("caseload"))


def test_the_list_says_how_long_it_is_who_says_so_and_what_such_a_list_held() -> None:
    said = text_of(main_of("caseload"))
    assert "The list is cut to 40 students. This many can be looked after well, says the principal." in said
    assert "23 more would follow." in said
    assert "13 of the first 20 students on a list made this way later left before the end; the others did not." in said
    assert "Plausible range: 9 to 16." in said
    unknown = text_of(parse(pages("en").render(replace(USUAL, yielded=())))[0])
    assert "What such a list held last year is not known yet." in unknown


def test_a_row_says_band_reason_change_support_and_state_in_words() -> None:
    table = next(main_of("caseload").iter("table"))
    found = [text_of(one) for one in table.iter("tr")]
    assert found[0] == "Choose Student What the records say Support now Where it stands"
    assert len(found) == 1 + len(USUAL.rows)
    dean = USUAL.rows[2]
    assert dean.origin == "rule"
    assert found[3] == (
        f"{dean.name} year 9, Lincoln No extra signal from the data By a published rule; not a prediction {dean.reason} "
        "a mentor and a study period A question is open Has waited 6 school days"
    )
    assert "New" in found[1]
    assert "No single reason can be told reliably." in found[1]
    assert "What changed:" in found[2]
    assert "Brought up by a colleague" in found[4]


def test_no_number_of_a_model_is_on_the_page() -> None:
    assert not re.search(r"probabilit|interval|\b0\.\d", text_of(main_of("caseload")), re.IGNORECASE)


def test_where_scores_are_switched_off_the_cases_stay_and_nothing_is_said_of_the_records() -> None:
    said = text_of(main_of("caseload stopped"))
    assert WORDS["en"].say("no_list.stopped") in said
    assert called_in(said) == 3
    assert not any(WORDS["en"].say(f"band.{band}") in said.split("What the records come to")[0] for band in NAMED["band"])
    assert "The list is cut" not in said
    assert "No single reason" not in said


def called_in(said: str) -> int:
    return sum(f"Choose {one.name}" in made("caseload stopped") and one.name in said for one in USUAL.rows[:3])


def test_an_empty_page_says_so_in_words_at_every_place() -> None:
    said = text_of(main_of("caseload empty"))
    for key in ("today.nothing_due", "today.first_visit", "list.not_known_yet", "list.empty", "good.none", "names.nobody"):
        assert WORDS["en"].say(key) in said
    assert "Nobody has waited more than 5 school days" in said
    assert not list(main_of("caseload empty").iter("table"))
    assert WORDS["en"].say("list.nothing_found") in text_of(main_of("caseload nothing found"))


@pytest.mark.full
def test_everything_can_be_done_by_plain_forms_and_every_form_that_changes_something_sends_the_token() -> None:
    for state in EXAMPLES:
        forms = list(read(state).iter("form"))
        for form in forms:
            assert any(patterned(path).fullmatch(form.attrib["action"]) for path in ADDRESSES.values())
            token = [one.get("value") for one in form.iter("input") if one.get("name") == "csrf"]
            assert token == ([EXAMPLES[state].frame.csrf] if form.attrib["method"] == "post" else [])
            assert [one for one in form.iter("button") if "disabled" not in one.attrib], "a form is sent without scripts"
    actions = next(one for one in read("caseload").iter("form") if one.attrib["action"] == ADDRESSES["caseload_actions"])
    first, *others = actions.iter("button")
    assert set(first.attrib) == {"disabled", "hidden"}, "Enter in a field does nothing by itself"
    assert [one.attrib["value"] for one in others] == ["claim", "assign", "snooze"]
    assert [one.attrib["value"] for one in actions.iter("input") if one.get("name") == "student"] == [
        one.student_id for one in USUAL.rows
    ]


def test_a_filter_shows_what_is_chosen_and_the_next_part_keeps_it() -> None:
    chosen = replace(NO_FILTERS, q="an a", band="keep_an_eye", year="9", used=True)
    page, _ = parse(pages("en").render(replace(EXAMPLES["caseload of many"], filters=chosen)))
    form = next(one for one in page.iter("form") if one.get("role") == "search")
    assert [(one.get("value")) for one in form.iter("option") if "selected" in one.attrib] == ["keep_an_eye", "9"]
    after = next(one.attrib["href"] for one in page.iter("a") if one.get("rel") == "next")
    assert parse_qs(urlsplit(after).query) == {"part": ["3"], "q": ["an a"], "band": ["keep_an_eye"], "year": ["9"]}


def test_more_than_a_page_can_hold_is_no_page() -> None:
    with pytest.raises(AssertionError, match="in parts"):
        caseload(400, MOST_ROWS + 1)
    with pytest.raises(AssertionError, match="searched for"):
        replace(USUAL, names=USUAL.names * MOST_NAMES)


def test_signing_in_tells_nobody_which_accounts_there_are_and_gives_no_password_back() -> None:
    said = text_of(main_of("sign_in wrong"))
    assert "The name and the password do not belong together." in said
    assert [one.get("value") for one in read("sign_in wrong").iter("input") if one.get("type") == "password"] == [None]
    for field in ("login", "password"):
        assert [one.get("aria-describedby") for one in read("sign_in wrong").iter("input") if one.get("id") == field] == [
            "problem"
        ]
    assert "Try again in 7 minutes." in text_of(main_of("sign_in locked"))
    assert "Try again in 1 minute." in text_of(main_of("second_factor locked"))
    assert not list(read("sign_in").iter("nav"))[:-1], "before signing in there are no pages to go to, only languages"


def test_a_refusal_says_the_same_of_what_is_not_there_and_of_what_is_anothers_and_leads_on() -> None:
    assert "or that it is not yours to see" in text_of(main_of("refusal not_here"))
    assert links(main_of("refusal")) == ["/review"]
    assert links(main_of("refusal too_old")) == ["/sign-in"]
    assert "give this number: 9f3c1a" in text_of(main_of("refusal not_now"))
    assert "number" not in text_of(main_of("refusal"))


def test_an_address_keeps_what_it_is_given_to_its_own_place() -> None:
    assert at("student", student_id="../a b?c#d") == "/review/students/..%2Fa%20b%3Fc%23d"
    with pytest.raises(KeyError):
        at("student")


# -- that anybody can use them ----------------------------------------------------------------------------------------


@pytest.mark.full
@EACH
def test_a_page_is_whole_html(state: str, language: str) -> None:
    text = made(state, language)
    page, errors = parse(text)
    assert errors == []
    assert Balance(text).faults == []
    ids = Counter(one.attrib["id"] for one in page.iter() if "id" in one.attrib)
    assert [one for one, times in ids.items() if times > 1] == []
    for one in page.iter():
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert set(one.get(name, "").split()) <= set(ids), f"{name} names what is not there"
    assert {one.removeprefix("#") for one in links(page) if one.startswith("#")} <= set(ids)


@EACH
def test_a_page_has_its_language_landmarks_one_first_heading_and_a_way_past_the_frame(state: str, language: str) -> None:
    page = read(state, language)
    assert (page.attrib["lang"], page.attrib["dir"]) == (language, "ltr")
    for landmark in ("header", "main", "footer", "h1", "title"):
        assert len(list(page.iter(landmark))) == 1, landmark
    heading = text_of(next(page.iter("h1")))
    assert text_of(next(page.iter("title"))) == f"{heading} - Homeroom"
    assert links(page)[0] == "#content"
    levels = [int(one.tag[1]) for one in page.iter() if re.fullmatch(r"h\d", str(one.tag))]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    navs = [one.get("aria-label") for one in page.iter("nav")]
    assert all(navs)
    assert len(navs) == len(set(navs))
    assert all("aria-labelledby" in one.attrib for one in page.iter("section"))


@EACH
def test_every_field_and_button_and_link_has_a_name(state: str, language: str) -> None:
    page = read(state, language)
    labelled = {one.attrib["for"] for one in page.iter("label") if text_of(one)}
    for one in [*page.iter("input"), *page.iter("select"), *page.iter("textarea")]:
        if one.get("type") != "hidden":
            assert one.get("id") in labelled or one.get("aria-label"), one.attrib
    for tag in ("button", "a", "summary", "legend", "option"):
        assert all(text_of(one) for one in page.iter(tag) if "hidden" not in one.attrib), tag
    assert not any(int(one.get("tabindex", "0")) > 0 for one in page.iter())


@EACH
def test_every_table_has_a_caption_and_headings_and_keeps_its_roles_when_it_is_stacked(state: str, language: str) -> None:
    roles = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    for table in read(state, language).iter("table"):
        assert text_of(next(table.iter("caption")))
        for one in table.iter():
            assert one.get("role") == roles.get(str(one.tag), one.get("role")), one.tag
        for one in table.iter("th"):
            assert (one.get("scope"), one.get("role")) in (("col", "columnheader"), ("row", "rowheader"))
        rows = [[cell for cell in one if cell.tag in ("td", "th")] for one in table.iter("tr")]
        assert len({len(cells) for cells in rows}) == 1
        assert all(sum(cell.tag == "th" for cell in cells) == 1 for cells in rows[1:])


@EACH
def test_a_page_loads_its_own_style_and_nothing_else(state: str, language: str) -> None:
    page = read(state, language)
    assert [one.attrib for one in page.iter("link")] == [{"rel": "stylesheet", "href": ADDRESSES["style"]}]
    assert not {"script", "style", "iframe", "object", "base", "embed", "svg"} & {one.tag for one in page.iter()}
    assert not any({"style", "srcset", "formaction", "ping"} & set(one.attrib) for one in page.iter())
    for one in page.iter():
        assert "src" not in one.attrib or (one.tag, bool(PHOTO.fullmatch(one.attrib["src"]))) == ("img", True)
    for one in page.iter("img"):
        assert one.get("alt"), "a photo says whose it is"
    for address in links(page):
        assert re.match(r"/[^/]|[#?]", address), address


# -- how they look ----------------------------------------------------------------------------------------------------

STYLE_TEXT = re.sub(r"/\*.*?\*/", "", STYLE.decode(), flags=re.DOTALL)
ROOTS = re.compile(r":root \{(.*?)\}", re.DOTALL)
PALETTES = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in ROOTS.findall(STYLE_TEXT)]

#: What is written or drawn on what, and the least contrast of it (WCAG 2.2, 1.4.3 and 1.4.11).
PAIRS = [
    *((ink, ground, 4.5) for ink in ("text", "quiet", "link") for ground in ("ground", "panel", "note", "good")),
    ("on-link", "link", 4.5),
    *(("line", ground, 3.0) for ground in ("ground", "panel", "note", "good")),
]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("palette", PALETTES[:2], ids=["day", "night"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_text_and_lines_stand_out_by_day_and_by_night(palette: dict[str, str], ink: str, ground: str, least: float) -> None:
    high, low = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least


def test_no_colour_is_red_and_none_stands_outside_the_palettes() -> None:
    assert len(PALETTES) == 3
    assert all(set(one) <= set(PALETTES[0]) for one in PALETTES)
    assert set(PALETTES[1]) == set(PALETTES[0])
    for colour in {colour for palette in PALETTES for colour in palette.values()}:
        hue, _, saturation = colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))
        assert saturation < 0.2 or 20 < 360 * hue < 330, colour
    outside = ROOTS.sub("", STYLE_TEXT)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)|rgb|hsl|\bred\b", outside)


def test_the_style_follows_the_readers_size_screen_paper_and_wish_for_stillness() -> None:
    assert not re.search(r"\b\d*\.?\d+px\b", re.sub(r"[123]px solid|offset: 2px", "", STYLE_TEXT)), "sizes are relative"
    for rule in ("prefers-color-scheme: dark", "prefers-reduced-motion", "@media print", "max-width: 48rem", ":focus-visible"):
        assert rule in STYLE_TEXT
    still = STYLE_TEXT.split("@media (prefers-reduced-motion: no-preference)")
    assert not re.search(r"animation|transition|scroll-behavior", still[0]), "nothing moves for who wants it still"
    assert not re.search(r"url\(|@import|@font-face|position: fixed|user-select", STYLE_TEXT)
    widths = re.findall(r"(?<!max-)width: ([\d.]+)rem", re.sub(r"@media[^{]*", "", STYLE_TEXT))
    assert widths
    assert max(map(float, widths)) <= 320 / 16, "nothing is wider than a telephone"
    assert re.search(r"\.actions \{ min-width: 0;", STYLE_TEXT), "a fieldset is as wide as its contents unless it is told"


def test_a_page_and_its_style_come_with_headers_that_let_it_load_and_send_only_here() -> None:
    policy = {one.split()[0]: one.split()[1:] for one in HEADERS["Content-Security-Policy"].split("; ")}
    assert policy == {"default-src": ["'none'"], "style-src": ["'self'"], "img-src": ["'self'"], "form-action": ["'self'"],
                      "base-uri": ["'none'"], "frame-ancestors": ["'none'"]}  # fmt: skip
    assert HEADERS["Cache-Control"] == "no-store"
    assert re.fullmatch(r"/style/[0-9a-f]{12}\.css", ADDRESSES["style"])
    assert "immutable" in STYLE_HEADERS["Cache-Control"]


# -- how large and how quick ------------------------------------------------------------------------------------------


def test_a_page_of_400_students_is_under_100_kb_and_takes_under_30_ms() -> None:
    page = caseload(400, MOST_ROWS)
    pages("en").render(page)
    took = []
    for _ in range(5):
        started = process_time()
        text = pages("en").render(page)
        took.append(process_time() - started)
    assert len(text.encode()) + len(STYLE) < 100_000
    assert len(re.findall(r'name="student" value=', text)) == MOST_ROWS
    assert text.count('<li><a href="/review/students/') >= 400
    assert min(took) < 0.030


def test_a_frame_belongs_to_whoever_is_signed_in() -> None:
    assert "Ben Okoro, counselor" in text_of(read("caseload"))
    assert "Turn at once to Ida Lovell, room 12." in text_of(read("caseload"))
    assert FRAME.school in text_of(read("caseload"))
    assert [one.get("aria-current") for one in read("caseload").iter("a") if one.get("aria-current")] == ["page"]
    assert SIGN_IN.frame.reader is None
    assert "Sign out" not in text_of(read("sign_in"))
    assert 'max="2026-12-16"' in made("caseload")
    assert TODAY.isoformat() in made("caseload")

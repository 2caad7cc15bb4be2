"""Cards as pages: nothing from elsewhere, tables that can be heard, and each audience its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import textstat
from approvals import GOVERNANCE, example
from models import model, scored

from features.problems import Refused
from serving.answers import AUDIENCES as KEYS
from serving.answers import WITH_NUMBERS, Student, answer
from serving.pages import Asked, asked, html
from serving.system_card import page as system_page
from serving.system_card import system_card
from serving.wording import reasons
from training.card import HONEST
from training.card_page import AUDIENCES, page

#: What is not said to people about people.
UNSAID = re.compile(r"\b(flag\w*|risk\w*|dropout|course_failure|learning_gap|chronic_absence)\b", re.IGNORECASE)


class Read(HTMLParser):
    """What a page is made of: its tags with their attributes, and its headings in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


PAGES = [page(example(), audience) for audience in AUDIENCES] + [
    system_page(system_card([example()]), audience) for audience in AUDIENCES
]


@pytest.mark.parametrize("text", PAGES)
def test_a_page_loads_nothing_from_anywhere(text: str) -> None:
    made = html(text)
    read = Read(made)
    assert not read.of("script", "img", "link", "iframe", "a", "form", "base", "object", "svg")
    assert not any({"src", "href", "action", "style"} & set(attributes) for _, attributes in read.tags)
    assert "url(" not in made
    assert "@import" not in made


@pytest.mark.parametrize("text", PAGES)
def test_a_page_has_a_language_a_title_one_first_heading_and_named_cells(text: str) -> None:
    read = Read(html(text))
    assert read.of("html") == [{"lang": "en"}]
    assert len(read.of("title")) == len(read.of("h1")) == len(read.of("main")) == 1
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h\d", tag)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    heads = read.of("th")
    assert all(one.get("scope") in ("col", "row") for one in heads)
    rows, tables = len(read.of("tr")), len(read.of("table"))
    assert sum(one["scope"] == "row" for one in heads) == rows - tables, "every row but the first of a table has a heading"
    assert len(read.of("thead")) == tables


def test_a_name_on_record_becomes_no_link_no_image_and_no_tag() -> None:
    name = "![x](http://elsewhere/a.png) [y](http://elsewhere) <http://elsewhere> <script>z</script>"
    text = f"# A\n\n| school |\n| --- |\n| {name} |\n"
    read = Read(html(text))
    assert not read.of("img", "a", "script")
    assert "<script>" in read.text


def test_a_bar_in_a_name_moves_no_cell() -> None:
    card = example()
    card["concepts"][0]["inputs"][0]["what"] = "marks | all\nof them"
    assert "| marks / all of them |" in page(card, "engineer").replace("Marks | ", "| ")


@pytest.mark.parametrize(
    ("query", "accept", "key", "wanted"),
    [
        ({}, "*/*", "teacher", Asked("json", "counselor")),
        ({}, "text/html,application/xhtml+xml", "scientist", Asked("html", "engineer")),
        ({}, "text/html", "family", Asked("html", "family")),
        ({"format": "md", "audience": "public"}, "text/html", "counselor", Asked("md", "public")),
        ({"format": "html", "audience": "principal"}, "", "teacher", Asked("html", "counselor")),
    ],
)
def test_a_page_is_given_as_it_is_asked_for(query: dict[str, str], accept: str, key: str, wanted: Asked) -> None:
    assert asked(query, accept, key) == wanted


def test_a_format_or_an_audience_that_there_is_none_of_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused) as refused:
        asked({"format": "pdf", "audience": "press"}, "", "teacher")
    assert [one.where for one in refused.value.problems] == ["format", "audience"]
    assert "pdf" not in str(refused.value)


# -- the system card ------------------------------------------------------------------------------------------------


def test_the_system_card_says_who_decides_who_may_see_and_how_it_is_stopped() -> None:
    card = system_card([example() | {"governance": {**GOVERNANCE.as_dict(), "capacity_set_by": "the principal"}}])
    assert set(card) >= {
        "pipeline", "human_roles", "decision_points", "thresholds", "capacity", "training_required", "access_matrix", "logging",
        "retention", "incident_contacts", "assessments", "monitoring", "kill_switch", "evidence",
    }  # fmt: skip
    assert card["evidence"][0] == HONEST
    assert card["incident_contacts"] == {"staff": GOVERNANCE.incident_contact, "families": GOVERNANCE.contest_contact}
    assert (card["assessments"]["dpia_id"], card["assessments"]["fria_id"]) == ("DPIA-7", "not stated yet")
    assert card["capacity"] == [{"title": example()["title"], "share_of_students": 0.1, "set_by": "the principal"}]
    assert "homeroom stop" in card["kill_switch"]["one_model"]


@pytest.mark.full
def test_the_access_matrix_is_what_answers_hold() -> None:
    matrix = {one["audience"]: one for one in system_card([example()])["access_matrix"]}
    assert set(matrix) == set(KEYS)
    risk = next(one for one in scored().risks.values() if one.skill_id is None and reasons(one, "Ana"))
    for audience in KEYS:
        told = answer(Student(risk.student_id), risk.as_of, [risk], {}, audience, b"secret")
        said = told["risks"][0]
        facts = [*said["reasons"], *said["strengths"]]
        assert facts
        row = matrix[audience]
        assert ("probability" in said) is (audience in WITH_NUMBERS) is (row["probability, interval, contributions"] == "yes")
        assert ("value" in facts[0]) is (row["single values of features"] == "yes")
        assert (told["student_id"] != risk.student_id) is (row["who the student is"] == "a pseudonym")


@pytest.mark.parametrize("audience", ["counselor", "family", "public"])
def test_system_pages_for_people_name_no_identifier(audience: str) -> None:
    assert UNSAID.search(system_page(system_card([example()]), audience)) is None


def test_a_family_can_read_the_systems_page_at_grade_eight() -> None:
    lines = system_page(system_card([example()]), "family").splitlines()
    said = " ".join(line.strip("*") for line in lines if line and not line.startswith("#"))
    assert textstat.automated_readability_index(said) <= 8
    assert textstat.coleman_liau_index(said) <= 8


def test_the_system_card_is_made_of_models_that_were_really_trained() -> None:
    made = system_card([{**model("dropout").card, "version": "1"}])
    assert made["models"][0]["title"] == "Whether a student leaves before the planned end"
    assert made["owner"] == GOVERNANCE.owner
    assert f"{model('dropout').bands['check_in_suggested']:.3f}" in system_page(made, "engineer")

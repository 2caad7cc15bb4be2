"""The pages of schools and districts: cuts of one publication, with goals, needs and what is known of effects."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from postgres import migrated_database
from test_effects import DRAWN
from test_figures import TODAY, facts, rows, tables
from test_goals import AGREED_BY
from test_review_pages import pages

from features.problems import NotFound
from features.records import SchoolRecords
from serving import learned
from serving.cases import agreements
from serving.cases.access import Visible, overseen
from serving.cases.database import open_database
from serving.cases.keys import create_tenant
from serving.cases.people import Account, Role
from serving.cases.sessions import SignedIn
from serving.effects import MOST_DIFFERENCE
from serving.figures import Published
from serving.goals import check
from serving.pages.contexts.figures import Figures
from serving.pages.contexts.frame import Frame
from serving.pages.render import ADDRESSES
from serving.pages.words import open_words
from serving.review import figures
from serving.review.room import Asked, Room
from serving.review.settings import ReviewSettings
from serving.store import Store
from serving.suppression import LEAST

WORDS = open_words()
NOW = datetime(2026, 11, 13, 7, 40, tzinfo=UTC)
IDA = Account("ida", "default", "ida", "Ida Lovell", "principal", "P-1", None)
ROLES = (("P-1", "hill", "principal"), ("A-1", "district", "district_analyst"), ("C-1", "lincoln", "counselor"))
FRAME = Frame(school="", reader=None, places=(), csrf="t", saved=(), refused=(), safeguarding="", languages=())


def records() -> SchoolRecords:
    staff = [{"staff_id": who, "organisation_id": at, "role": role} for who, at, role in ROLES]
    return SchoolRecords.from_frames({**tables(), "staff_roles": rows("staff_roles", *staff)}, digest="of these pages")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    db = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(db, "default")
    made = Room("default", db, Store(tmp_path), records(), None, cast(Any, None), WORDS, ReviewSettings())
    made.__dict__["scored"] = facts().scored  # as if a list were kept
    yield made
    db.dispose()


def asked(role: Role, person: str, at: str = "", language: str = "en") -> Asked:
    account = Account(person, "default", person, "Reader", role, person, None)
    nobody = Visible(account, TODAY, pl.DataFrame(schema={"student_id": pl.String, "relation": pl.String}))
    signed_in, parts = SignedIn(account, "", "t", NOW, NOW, True), {"organisation_id": at}
    return Asked(signed_in, nobody, FRAME, WORDS[language], TODAY, NOW, parts)


def shown(room: Room, at: str, role: Role = "district_analyst", person: str = "A-1") -> Figures:
    return figures.page(room, asked(role, person, at))


def said(page: Figures) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", pages("en").render(page)).split())


def test_everybody_sees_the_organisations_that_they_oversee_and_no_others(room: Room) -> None:
    for role, person, expected in (
        ("principal", "P-1", ["Hill"]),
        ("counselor", "C-1", ["Lincoln"]),
        ("district_analyst", "A-1", ["District", "Hill", "Lincoln"]),
        ("teacher", "P-1", []),
    ):
        found = figures.schools_page(room, asked(cast(Role, role), person))
        assert [one.name for one in found.schools] == expected


def test_a_district_shows_its_schools_and_a_school_its_years_and_leads_only_where_the_reader_may_go(room: Room) -> None:
    district = shown(room, "district")
    assert {one.by for one in district.tables} == {"organisation"}
    (access,) = [one for one in district.tables if one.topic == "access"]
    assert [(one.kind, one.name, one.organisation_id) for one in access.rows] == [
        ("whole", "", ""), ("organisation", "Hill", "hill"), ("organisation", "Lincoln", "lincoln"), ("itself", "", "")
    ]  # fmt: skip
    assert district.above is None, "the state is not theirs"
    school = shown(room, "hill", "principal", "P-1")
    assert {one.by for one in school.tables} == {"year", "access"}
    assert school.above is None
    assert shown(room, "hill").above == figures.Choice(value="district", name="District")


def test_an_organisation_of_nobody_is_not_there(room: Room) -> None:
    with pytest.raises(NotFound):
        shown(room, "empty")


def test_two_readers_are_shown_the_same_of_the_same_group(room: Room) -> None:
    one, other = shown(room, "hill", "principal", "P-1"), shown(room, "district")
    whole = {figure.figure: figure for table in one.tables for figure in table.rows[0].figures}
    for table in other.tables:
        (row,) = [row for row in table.rows if row.name == "Hill"]
        for figure in row.figures:
            assert whole.get(figure.figure, figure) == figure


def test_no_page_and_no_file_tells_of_fewer_than_ten(room: Room) -> None:
    for at in ("state", "district", "hill", "lincoln"):
        page = shown(room, at)
        for figure in (figure for table in page.tables for row in table.rows for figure in row.figures):
            assert figure.size is None or (figure.size >= LEAST and figure.size % 10 == 0)
            assert figure.said != "share" or (figure.percent is not None and 5 <= figure.percent <= 95)
        for need in page.needs:
            assert all(count is None or count % 10 == 0 for count in (need.need, need.reached))


def test_the_file_holds_what_the_page_shows_and_says_what_it_is_not_for(room: Room) -> None:
    page, file = shown(room, "district"), figures.take_away(room, asked("district_analyst", "A-1", "district"))
    found = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    cells = [figure for table in page.tables for row in table.rows for figure in row.figures]
    assert len(found) == 1 + len(cells) + 3
    assert found[0][:2] == ["organisation key", "organisation"]
    assert [row[5:] for row in found[1:-3]] == [["" if one is None else str(one) for one in (cell.percent, cell.size)]
                                                for cell in cells]  # fmt: skip
    assert "teacher evaluation" in found[-1][0]
    assert (file.name, file.student_ids) == ("figures-2026-11-13.csv", ())
    spanish = figures.take_away(room, asked("district_analyst", "A-1", "district", "es"))
    assert "organización" in spanish.content.decode("utf-8-sig")


def test_a_name_on_record_is_no_formula_in_the_file(room: Room) -> None:
    frames = tables()
    frames["organisations"] = frames["organisations"].with_columns(pl.lit("=1+1").alias("name"))
    other = replace(room, records=SchoolRecords.from_frames(frames))
    file = figures.take_away(other, asked("district_analyst", "A-1", "district"))
    assert b"'=1+1" in file.content
    assert b",=1+1" not in file.content


@pytest.mark.full
def test_a_goal_is_shown_once_it_is_signed_with_who_agreed_and_how_far_it_is(room: Room) -> None:
    assert shown(room, "district").goals == ()
    told = {"goal": [
        {"id": at, "measure": "here_in_person", "population": at, "target": 60, "by": date(2027, 6, 30),
         "next_review": date(2027, 1, 31), "agreed_by": AGREED_BY} for at in ("hill", "lincoln")]}  # fmt: skip
    agreements.agree(room.db, "default", IDA, "goals", check("goals", told, ["hill", "lincoln"]), "a new year", NOW)
    district, hill = shown(room, "district"), shown(room, "hill", "principal", "P-1")
    assert [one.school for one in district.goals] == ["Hill", "Lincoln"]
    (goal,) = hill.goals
    assert (goal.state, goal.now.said, goal.target) == ("reached", "share", 60)
    (name,) = hill.signed
    assert (name.kind, name.version, name.name, name.role, name.reason) == ("goals", 1, "Ida Lovell", "principal", "a new year")
    assert "Goals, version 1: Ida Lovell, principal, on November 13, 2026." in said(hill)
    assert "Curriculum: Ida Lovell" in said(hill)


def test_needs_are_held_against_the_places_that_were_signed(room: Room) -> None:
    before = shown(room, "district")
    (device, _) = before.needs
    assert (device.places, device.short) == (None, None)
    assert device.need is not None
    told = {"set_by": "the board", "places": [{"support": "access_device", "organisation": at, "places": 10}
                                              for at in ("hill", "lincoln")]}  # fmt: skip
    agreements.agree(room.db, "default", IDA, "capacity", check("capacity", told, ["hill", "lincoln"]), "a budget", NOW)
    (device, internet) = shown(room, "district").needs
    assert (device.places, device.short) == (20, device.need - 20)
    assert internet.places is None
    assert next(one for one in shown(room, "hill").needs if one.figure == "device_reached").places == 10
    assert room.agreed_capacity(TODAY).set_by == "the board"
    assert room.agreed_capacity(date(2026, 11, 12)).students == room.settings.capacity, "before it was signed, what is set"


@pytest.mark.full
def test_of_every_support_that_runs_we_cannot_tell_yet(room: Room) -> None:
    page = shown(room, "district")
    assert [one.why for one in page.effects] == ["nothing_compared"]
    assert "We cannot tell yet. No places were drawn by lot" in said(page)
    assert learned.estimates(room.store.folder) == {}


def test_an_effect_is_handed_to_a_page_only_where_it_may_be_shown() -> None:
    unlike = replace(DRAWN, design="observed", overlap_ok=True, balance=MOST_DIFFERENCE)
    shown, kept = figures.effects(["drawn", "unlike"], {"drawn": DRAWN, "unlike": unlike}, WORDS["en"])
    assert (shown.why, shown.effect, shown.offered) == (None, DRAWN.effect, 60)
    assert (kept.why, kept.effect, kept.low, kept.high, kept.unit) == ("not_alike", 0, 0, 0, "")


def test_no_address_of_figures_has_a_class_or_a_teacher_in_it() -> None:
    mine = {name: path for name, path in ADDRESSES.items() if "/schools" in path}
    assert set(mine) == {"schools", "figures", "figures_table"}
    assert {part for path in mine.values() for part in re.findall(r"\{(\w+)\}", path)} == {"organisation_id"}


def test_a_page_is_small_and_quick_once_its_day_is_published(room: Room) -> None:
    assert isinstance(figures.publish(room, TODAY), Published)
    text = pages("en").render(shown(room, "district"))
    assert len(text.encode()) < 100_000
    assert overseen(room.records, asked("district_analyst", "A-1").account, TODAY) >= {"district", "hill", "lincoln"}

"""Beside the students: one's own record, a record opened in an emergency, and a concern that leaves by its own path."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from review_school import MOMENT, SETTINGS, Browser, School
from sqlalchemy import text
from test_access import records, the_school

from serving.cases import switches, trail

#: Somebody signs in for each of these, which takes a tenth of a second of a core.
pytestmark = pytest.mark.full


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    settings = replace(SETTINGS, safeguarding_folder=str(tmp_path / "apart"))
    found = School.of(tmp_path / "home", records(the_school()), settings=settings)
    yield found
    found.db.dispose()


def test_a_student_and_a_guardian_of_one_child_are_led_to_the_record(school: School) -> None:
    for role, person in (("student", "ana"), ("guardian", "g-ana")):
        browser = school.browser(school.account(role, person))
        assert browser.get("/review").headers["location"] == "/review/own"
        assert browser.get("/review/own").headers["location"] == "/review/students/ana"


def test_a_guardian_of_two_chooses_and_one_who_is_kept_apart_is_told_of_nobody(tmp_path: Path) -> None:
    rows = the_school()
    rows["guardians"] += [{"student_id": "ben", "guardian_id": "g-ana", "name": "Maria"},
                          {"student_id": "cal", "guardian_id": "g-off", "contact_restriction": "no_contact"}]  # fmt: skip
    school = School.of(tmp_path, records(rows))
    page = school.browser(school.account("guardian", "g-ana")).get("/review/own").text
    assert "/review/students/ana" in page
    assert "/review/students/ben" in page
    assert "/review/students/" not in school.browser(school.account("guardian", "g-off")).get("/review/own").text


def test_an_administrator_opens_one_record_for_an_hour_with_a_reason_that_somebody_else_approved(school: School) -> None:
    ada = school.browser(school.account("administrator", None, "lincoln", login="ada"))
    pia = school.browser(school.account("principal", "pia"))
    assert ada.get("/review").headers["location"] == "/review/office"
    short = ada.post("/review/office/ask", {"student": "ana", "reason": "because"})
    assert short.status_code == 422
    assert 'value="ana"' in short.text  # what was typed is shown again
    why = "the office was called about her and nobody is there"
    assert ada.post("/review/office/ask", {"student": "ana", "reason": why}).status_code == 303
    own = ada.get("/review/office").text
    assert why in own
    assert '/approve"' not in own  # nobody approves their own question
    waiting = pia.get("/review/office").text
    address = waiting.split('action="/review/office/')[1].split('"')[0]
    assert ada.post(f"/review/office/{address}").status_code == 422
    assert pia.post("/review/office/ask", {"student": "ana", "reason": why}).status_code == 403
    assert pia.post(f"/review/office/{address}").headers["location"].endswith("said=approved&n=1")
    assert "/review/students/ana" in ada.get("/review/office").text


def said(browser: Browser, concern: str) -> int:
    return browser.post("/review/safeguarding/send", {"text": concern}).status_code


def test_a_concern_leaves_as_a_file_that_only_its_owner_reads_and_nothing_of_it_stays_here(school: School) -> None:
    tess = school.account("teacher", "tess")
    browser = school.browser(tess)
    assert "Ida, room 12" in browser.get("/review/safeguarding").text
    assert said(browser, "Ana said that she does not dare to go home.") == 303
    assert said(browser, "  ") == 422
    (file,) = (school.home.parent / "apart").iterdir()
    assert "does not dare" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(b"does not dare" in path.read_bytes() for path in school.home.rglob("*") if path.is_file())
    with school.db.connect() as connection:
        rows = connection.execute(text("SELECT account_id, student, why FROM trail WHERE action = 'safeguarding_raised'")).all()
    assert rows == [(tess.id, "", "")]
    assert trail.who_viewed(school.db, "default", "ana") == ()


def test_where_a_school_takes_no_concerns_in_writing_it_says_whom_to_turn_to(tmp_path: Path) -> None:
    school = School.of(tmp_path, records(the_school()), now=MOMENT)
    browser = school.browser(school.account("teacher", "tess"))
    page = browser.get("/review/safeguarding").text
    assert "Ida, room 12" in page
    assert "<textarea" not in page
    assert said(browser, "Ana said something.") == 422


@pytest.mark.full
def test_a_principal_stops_scoring_at_the_own_school_with_a_reason_and_lets_it_go_on(school: School) -> None:
    pia = school.browser(school.account("principal", "pia"))
    ada = school.browser(school.account("administrator", None, "lincoln", login="ada"))
    form = {"organisation": "lincoln", "why": "The absences of October are wrong."}
    assert 'action="/review/office/stop"' not in ada.get("/review/office").text
    assert ada.post("/review/office/stop", form).status_code == 403
    assert pia.post("/review/office/stop", {**form, "organisation": "harbor"}).status_code == 422
    silent = pia.post("/review/office/stop", {**form, "why": " "})
    assert silent.status_code == 422
    assert switches.stops(school.db, "default") == ()
    assert pia.post("/review/office/stop", form).headers["location"].endswith("said=scoring_stopped&n=1")
    assert switches.stopped(school.db, "default").organisations == {"lincoln"}
    assert "The absences of October are wrong." in pia.get("/review/office").text
    assert pia.post("/review/office/start", {"organisation": "lincoln"}).status_code == 303
    assert not switches.stopped(school.db, "default")
    switches.stop(school.db, "default", None, "district", "Everybody waits.", MOMENT)
    assert "goes on again from there" in pia.get("/review/office").text
    assert pia.post("/review/office/start", {"organisation": "lincoln"}).status_code == 404

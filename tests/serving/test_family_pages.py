"""What a family reads and asks for, over real requests: one page to print, corrections, an objection, and the export."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from review_school import MOMENT, Browser, School, list_students, scored
from test_access import records, the_school

from serving.batch import SCHEMA
from serving.cases import casebook, families, people, switches, trail
from serving.cases.casebook import Opening
from serving.cases.families import Correction, Restriction
from serving.contract import Desk
from serving.pages.render import at
from serving.rescoring import take_into_records
from serving.store import Store

pytestmark = pytest.mark.full

DAY = timedelta(days=1)
TODAY = MOMENT.date()
EARLIER = TODAY - 14 * DAY
FAMILY, ASK = at("family", student_id="ana"), at("requests", student_id="ana")
WHY = "She was there: the bus list says so."
PRIVATE = "a thing that only counselors read"


@dataclass
class CardDesk:
    """A desk with cards of models, which lays what was decided over the records and scores nobody."""

    home: Path
    school: School | None = None

    def model_card(self, target: str, prediction_id: str | None, tenant: str) -> Mapping[str, Any]:
        metrics = {"precision_at_capacity": 0.31, "recall_at_capacity": 0.44}
        return {"metrics": metrics, "test": {"to": "2026-01-26"}, "erased_since": {"students": 2, "says": "..."}}

    def corrected(self, tenant: str, asked: Correction | Restriction, today: date) -> int:
        assert self.school is not None
        take_into_records(Store.of(self.home, tenant), self.school.db, asked)
        return 0


def rows() -> dict[str, list[dict[str, object]]]:
    found = the_school()
    found["caseloads"] = [{"caseload_id": f"c-{who}", "staff_id": who, "organisation_id": "lincoln", "by": "grade",
                           "grade_level": 9} for who in ("cora", "carl")]  # fmt: skip
    away = {"student_id": "ana", "enrolment_id": "e-ana", "status": "absent", "absent_share": 1.0}
    found["attendance"] = [away | {"on": TODAY - days * DAY} for days in (3, 20)]
    found["calendar"] = [{"organisation_id": "lincoln", "on": TODAY - days * DAY, "instructional": True}
                         for days in range(1, 40)]  # fmt: skip
    found["guardians"] = [
        {"student_id": "ana", "guardian_id": "g-ana", "name": "Maria", "language": "es", "primary": True},
        {"student_id": "ana", "guardian_id": "g-two", "name": "Marco", "language": "en"},
    ]
    return found


SAID = [
    scored("ana", "dropout", probability=0.313),
    scored("ana", "course_failure", probability=0.517, strength="The student has 81 of 100 in Reading."),
    scored("ana", "chronic_absence", "keep_an_eye", concept="attendance",
           text="The student has missed 2 of the last 20 school days (10%).", unknowns=["Online activity is not known."]),
]  # fmt: skip
BEFORE = [scored("ana", "chronic_absence", "no_extra_signal", as_of=EARLIER),
          scored("ana", "dropout", as_of=EARLIER)]  # fmt: skip


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    desk = CardDesk(tmp_path)
    found = School.of(tmp_path, records(rows()), desk=cast("Desk", desk))
    desk.school = found
    list_students(tmp_path, SAID, BEFORE)
    yield found
    found.db.dispose()


@dataclass
class Everybody:
    maria: Browser
    ana: Browser
    cora: Browser
    pia: Browser
    tess: Browser


@pytest.fixture
def everybody(school: School) -> Everybody:
    who = {"maria": ("guardian", "g-ana"), "ana": ("student", "ana"), "cora": ("counselor", "cora"),
           "pia": ("principal", "pia"), "tess": ("teacher", "tess")}  # fmt: skip
    return Everybody(**{name: school.browser(school.account(*one)) for name, one in who.items()})  # type: ignore[arg-type]


def main_of(page: str) -> str:
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def fill(browser: Browser, subject: str = "missed", **form: str) -> Any:
    """Ask for the correction of the first row that is offered."""
    page = browser.get(f"{ASK}?about={subject}").text
    row = re.search(r'<option value="(\w{16})">', page)
    assert row
    return browser.post(at("ask_correction", student_id="ana"), {"subject": subject, "row": row[1], "why": WHY, **form})


# -- the page ---------------------------------------------------------------------------------------------------------


def test_a_family_reads_the_sentences_that_staff_read_and_no_number_no_rule_and_nothing_of_leaving(
    school: School, everybody: Everybody
) -> None:
    staff, family = everybody.cora.get("/review/students/ana").text, main_of(everybody.maria.get(FAMILY).text)
    for sentence in ("Ana has 3 of the last 4 pieces of work not in.", "Ana has missed 2 of the last 20 school days (10%).",
                     "Ana has 81 of 100 in Reading.", "Online activity is not known."):  # fmt: skip
        assert sentence in staff
        assert sentence in family
    assert "Staying until the end" in staff
    assert not re.search(r"31\.3|51\.7|rule|Staying until the end|before the end|[Pp]robab", family)
    for part in ("A check-in is suggested", "Nothing has been decided.", "December 13, 2026", "counselor cora", "placement",
                 "tutoring", "records of 2 students who were erased"):  # fmt: skip
        assert part in family, part
    assert at("area_card", area="course") in everybody.maria.get(FAMILY).text, "the card opens without a key"
    assert at("export", student_id="ana") in everybody.maria.get(FAMILY).text
    assert at("export", student_id="ana") not in everybody.cora.get(FAMILY).text


def test_staff_print_the_page_in_the_familys_language_and_it_hangs_on_nobody_of_the_staff(
    school: School, everybody: Everybody
) -> None:
    printed = {name: getattr(everybody, name).get(FAMILY) for name in ("tess", "cora", "pia")}
    assert {one.status_code for one in printed.values()} == {200}
    assert all('<html lang="es"' in one.text for one in printed.values())
    told = {name: main_of(one.text) for name, one in printed.items()}
    assert told["tess"] == told["cora"] == told["pia"]
    assert '<html lang="en"' in everybody.cora.get(f"{FAMILY}?language=en").text
    views = [one for one in trail.who_viewed(school.db, "default", "ana") if one.why.startswith("family")]
    assert len(views) == 4, "every look at it is written down"


def test_where_there_is_no_page_in_the_familys_language_it_says_so(tmp_path: Path) -> None:
    told = rows()
    told["guardians"] = [one | {"language": "vi"} for one in told["guardians"]]
    school = School.of(tmp_path, records(told))
    page = school.browser(school.account("counselor", "cora")).get(FAMILY).text
    assert '<html lang="en"' in page
    assert "another language (Vietnamese)" in page


def test_who_decided_what_is_told_with_names_and_days_and_no_note(school: School, everybody: Everybody) -> None:
    cora = people.accounts(school.db, "default")
    account = next(one for one in cora if one.person_id == "cora")
    opening = Opening("list", ("coursework",))
    casebook.claim(school.db, account, "ana", 0, TODAY, MOMENT, opening=opening)
    casebook.add_note(school.db, account, "ana", PRIVATE, TODAY, MOMENT, restricted=True)
    casebook.add_note(school.db, account, "ana", "an open note of staff", TODAY, MOMENT)
    for whom, agreed in (("family", "They call back."), ("student", "We meet on Friday.")):
        casebook.record_contact(school.db, account, "ana", whom=whom, channel="phone", language="es", on=TODAY, agreed=agreed,
                                today=TODAY, now=MOMENT)  # fmt: skip
    case = casebook.cases_of(school.db, "default", ["ana"])["ana"]
    casebook.start_support(school.db, account, "ana", case.version, intervention_id="", name="A mentor", dose="weekly",
                           goal="at school by nine", begins_on=TODAY, review_on=TODAY + 30 * DAY, today=TODAY, now=MOMENT,
                           opening=opening)  # fmt: skip
    mother, child = (main_of(one.get(FAMILY).text) for one in (everybody.maria, everybody.ana))
    for page in (mother, child, main_of(everybody.cora.get(f"{FAMILY}?language=en").text)):
        assert PRIVATE not in page
        assert "an open note of staff" not in page
        assert "A support began. counselor cora" in page
        assert "A mentor since November 13, 2026. weekly." in page
    assert "They call back." in mother
    assert "We meet on Friday." not in mother
    assert "We meet on Friday." in child
    assert "They call back." not in child


def test_the_page_of_an_earlier_day_is_as_it_was_where_its_words_are_kept_else_it_says_that_it_cannot(
    school: School, everybody: Everybody
) -> None:
    gone = main_of(everybody.maria.get(f"{FAMILY}?as_of={EARLIER}").text)
    assert "is kept without its sentences" in gone
    assert "No extra signal from the data" in gone
    assert "Staying until the end" not in gone
    assert "Of 14 school days" not in gone
    words = [scored("ana", str(one["target"]), as_of=EARLIER, text="The student has what it said then.") for one in BEFORE]
    folder = Store.of(school.home, "default").folder / "snapshots" / f"{EARLIER}-t"
    folder.mkdir(parents=True)
    pl.DataFrame([one | {"band": "keep_an_eye"} for one in words], schema=SCHEMA).write_parquet(folder / "scored.parquet")
    then = main_of(everybody.maria.get(f"{FAMILY}?as_of={EARLIER}").text)
    assert "Ana has what it said then." in then
    assert "Ana has missed 2" not in then
    assert "by the list of October 30, 2026. Facts are as known on October 30, 2026." in then
    never = main_of(everybody.maria.get(f"{FAMILY}?as_of=2020-01-01").text)
    assert "No list of that day is kept" in never
    assert "Ana has missed 2 of the last 20 school days (10%)." in main_of(everybody.maria.get(f"{FAMILY}?as_of={TODAY}").text)


def test_where_scores_are_hidden_or_objected_to_the_page_says_so_and_keeps_the_supports(
    school: School, everybody: Everybody
) -> None:
    switches.stop(school.db, "default", None, "lincoln", "A column was wrong.", MOMENT)
    page = main_of(everybody.maria.get(FAMILY).text)
    assert "Ana has missed 2" not in page
    assert "Scores are switched off for this school." in page
    assert "tutoring" in page
    then = main_of(everybody.maria.get(f"{FAMILY}?as_of={EARLIER}").text)
    assert "No extra signal from the data" not in then, "nor what an earlier list came to"
    assert "Scores are switched off for this school." in then


# -- corrections ------------------------------------------------------------------------------------------------------


def test_a_guardian_asks_in_plain_words_somebody_decides_and_the_record_says_so(school: School, everybody: Everybody) -> None:
    page = everybody.maria.get(f"{ASK}?about=missed").text
    assert "November 10, 2026 (the whole day)" in page
    assert "absent_share" not in page
    refused = fill(everybody.maria, value="0", why=" ")
    assert refused.status_code == 422
    assert '<option value="0" selected>' in refused.text, "what was chosen is not lost"
    assert fill(everybody.maria, value="0").headers["location"].endswith("said=correction_asked&n=1")
    (asked,) = families.corrections(school.db, "default", "ana")
    assert (asked.table, asked.column, asked.was, asked.value) == ("attendance", "absent_share", "1.0", "0")
    waiting = everybody.cora.get("/review/corrections").text
    assert WHY in waiting
    assert "December 13, 2026" in waiting
    assert "Not decided yet." in main_of(everybody.maria.get(FAMILY).text)
    decide = at("decide_correction", student_id="ana", correction_id=asked.id)
    assert everybody.maria.post(decide, {"decision": "accept"}).status_code == 403
    assert everybody.tess.post(decide, {"decision": "accept"}).status_code == 403
    silent = everybody.cora.post(decide, {"decision": "refuse", "reason": ""})
    assert silent.status_code == 422
    assert "the family reads it" in silent.text
    assert everybody.cora.post(decide, {"decision": "accept", "reason": "Seen."}).headers["location"].endswith("accepted&n=1")
    assert "No correction waits." in everybody.cora.get("/review/corrections").text
    mine = main_of(everybody.maria.get(FAMILY).text)
    assert "Accepted: the records say so now. counselor cora, November 13, 2026." in mine
    (day,) = [one for one in school.reception.room("default").records.shown("attendance", TODAY).collect().to_dicts()
              if one["on"] == TODAY - 3 * DAY]  # fmt: skip
    assert day["absent_share"] == 0.0
    assert everybody.cora.post(decide, {"decision": "accept"}).status_code == 422, "once is enough"


def test_a_refusal_is_told_with_its_reason_and_a_note_stays_beside_the_record(school: School, everybody: Everybody) -> None:
    fill(everybody.ana, value="0.5")
    (asked,) = families.corrections(school.db, "default", "ana")
    decide = at("decide_correction", student_id="ana", correction_id=asked.id)
    everybody.pia.post(decide, {"decision": "refuse", "reason": "The gate says otherwise."})
    assert "The gate says otherwise." in main_of(everybody.ana.get(FAMILY).text)
    assert [one.state for one in families.disputed(school.db, "default", "ana")] == ["refused"]


def test_who_says_that_the_data_are_wrong_is_led_to_the_correction_and_the_case_says_where_it_stands(
    school: School, everybody: Everybody
) -> None:
    student, wrong = "/review/students/ana", {"kind": "data_wrong", "reason": "She was on a trip."}
    led = everybody.tess.post(at("case_disagreements", student_id="ana"), wrong).headers["location"]
    (said,) = casebook.file_of(school.db, "default", "ana").disagreements
    assert led == f"{ASK}?because={said.id}&said=disagreed_data&n=1"
    form = everybody.tess.get(f"{led}&about=missed").text
    assert "is kept beside it" in form
    assert form.count(f'<input type="hidden" name="because" value="{said.id}">') == 2
    assert f'href="{ASK}?because={said.id}"' in everybody.tess.get(student).text
    assert "because=" not in everybody.cora.get(student).text
    assert "is kept beside it" not in everybody.cora.get(f"{ASK}?because={said.id}&about=missed").text, "she did not say it"
    assert fill(everybody.cora, value="0.5", because=said.id).status_code == 404
    assert families.corrections(school.db, "default", "ana") == ()
    fill(everybody.tess, value="0", because=said.id)
    (asked,) = families.corrections(school.db, "default", "ana")
    assert casebook.file_of(school.db, "default", "ana").disagreements[0].correction_id == asked.id
    assert "A correction was asked for with it. Not decided yet." in main_of(everybody.cora.get(student).text)
    decide = at("decide_correction", student_id="ana", correction_id=asked.id)
    everybody.cora.post(decide, {"decision": "accept", "reason": "So."})
    seen = main_of(everybody.tess.get(student).text)
    assert "A correction was asked for with it. Accepted: the records say so now." in seen


def test_a_note_stands_beside_what_somebody_says_is_wrong_for_everybody_who_may_see_it(
    school: School, everybody: Everybody
) -> None:
    fill(everybody.maria, value="0")
    for browser in (everybody.tess, everybody.pia, everybody.ana):
        page = main_of(browser.get("/review/students/ana").text)
        assert "What somebody says is wrong How much of a school day was missed, November 10, 2026" in page
        assert "it says the whole day, and should say nothing of the day." in page


def test_the_page_of_a_student_leads_to_the_plan_to_the_familys_page_and_to_what_can_be_asked_for(everybody: Everybody) -> None:
    for browser, may_export in ((everybody.maria, True), (everybody.ana, True), (everybody.cora, False)):
        page = browser.get("/review/students/ana").text
        assert f'href="{FAMILY}"' in page
        assert f'href="{ASK}"' in page
        assert (f'href="{at("export", student_id="ana")}"' in page) is may_export
    for browser, may_plan in ((everybody.tess, True), (everybody.ana, True), (everybody.maria, False), (everybody.pia, False)):
        page = browser.get("/review/students/ana").text
        assert (f'action="{at("plans", student_id="ana")}"' in page) is may_plan


def test_a_teacher_who_was_asked_answers_on_the_students_page_and_nobody_else_of_theirs(
    school: School, everybody: Everybody
) -> None:
    accounts = {one.person_id: one for one in people.accounts(school.db, "default")}
    opening, answers = Opening("list", ("coursework",)), at("case_answers", student_id="ana")
    casebook.claim(school.db, accounts["cora"], "ana", 0, TODAY, MOMENT, opening=opening)
    version = casebook.cases_of(school.db, "default", ["ana"])["ana"].version
    casebook.ask(school.db, accounts["cora"], "ana", version, "Was she ill?", TODAY, TODAY, MOMENT, of=accounts["tess"].id,
                 opening=opening)  # fmt: skip
    assert f'action="{answers}"' in everybody.tess.get("/review/students/ana").text
    assert f'action="{answers}"' in everybody.cora.get("/review/students/ana").text
    assert f'action="{answers}"' not in everybody.pia.get("/review/students/ana").text
    version = casebook.cases_of(school.db, "default", ["ana"])["ana"].version
    assert everybody.tess.post(answers, {"version": str(version), "answer": "No."}).status_code == 303


def test_a_support_is_looked_at_again_on_the_students_page(school: School, everybody: Everybody) -> None:
    opening = Opening("list", ("coursework",))
    cora = next(one for one in people.accounts(school.db, "default") if one.person_id == "cora")
    casebook.start_support(school.db, cora, "ana", 0, intervention_id="", name="A mentor", dose="weekly", goal="at school",
                           begins_on=TODAY, review_on=TODAY + 30 * DAY, today=TODAY, now=MOMENT, opening=opening)  # fmt: skip
    (support,) = casebook.file_of(school.db, "default", "ana").supports
    look = at("case_support_review", student_id="ana", support_id=support.id)
    assert f'action="{look}"' in everybody.cora.get("/review/students/ana").text
    wrong = everybody.cora.post(look, {"form": "review_support", "review_on": "2020-01-01"})
    assert wrong.status_code == 422
    assert 'value="2020-01-01"' in wrong.text
    assert everybody.cora.post(look, {"review_on": str(TODAY + 40 * DAY)}).status_code == 303
    (support,) = casebook.file_of(school.db, "default", "ana").supports
    assert support.review_on == TODAY + 40 * DAY


def test_staff_ask_for_a_family_that_came_and_somebody_else_decides(school: School, everybody: Everybody) -> None:
    assert fill(everybody.cora, value="0").status_code == 303
    (asked,) = families.corrections(school.db, "default", "ana")
    assert "so a colleague decides" in everybody.cora.get("/review/corrections").text
    decide = at("decide_correction", student_id="ana", correction_id=asked.id)
    assert everybody.cora.post(decide, {"decision": "accept"}).status_code == 422
    assert everybody.pia.post(decide, {"decision": "accept"}).status_code == 303


@pytest.mark.parametrize(
    ("subject", "value", "kept"),
    [("given_name", "Anna", "Anna"), ("year", "10", "10"), ("pronouns", "she/her", "she/her"), ("excused", "true", "true")],
)
def test_every_kind_of_value_is_taken_in_the_notation_of_its_field(
    school: School, everybody: Everybody, subject: str, value: str, kept: str
) -> None:
    assert fill(everybody.maria, subject, value=value).status_code == 303
    (asked,) = families.corrections(school.db, "default", "ana")
    assert asked.value == kept


@pytest.mark.parametrize(("subject", "row", "value"), [("missed", "0" * 16, "0"), ("", "", ""), ("demographics", "x", "y")])
def test_what_is_not_on_the_page_cannot_be_corrected(
    everybody: Everybody, subject: str, row: str, value: str
) -> None:  # fmt: skip
    form = {"subject": subject, "row": row, "value": value, "why": WHY}
    answer = everybody.maria.post(at("ask_correction", student_id="ana"), form)
    assert answer.status_code == 422
    assert "Choose what is wrong." in answer.text


def test_a_correction_of_what_a_reader_may_not_see_is_told_to_them_nowhere(school: School, everybody: Everybody) -> None:
    held = school.reception.room("default").records
    asked = families.ask_correction(school.db, held, "ana", "incidents", {"incident_id": "i-ana"}, "conduct", "state_offence",
                                    WHY, MOMENT, TODAY, by=None)  # fmt: skip
    assert "state_offence" in main_of(everybody.maria.get(FAMILY).text)
    for address in (FAMILY, ASK, "/review/students/ana"):
        assert "state_offence" not in everybody.tess.get(address).text
    assert "Another record" in everybody.cora.get("/review/corrections").text
    yes = families.ask_correction(school.db, held, "ana", "attendance", {"enrolment_id": "e-ana", "on": str(TODAY - 3 * DAY)},
                                  "excused", "yes", WHY, MOMENT, TODAY, by=None)  # fmt: skip
    assert "should say yes." in main_of(everybody.maria.get(FAMILY).text)
    assert {asked.state, yes.state} == {"open"}


def test_a_correction_is_decided_only_through_its_own_student(school: School, everybody: Everybody) -> None:
    fill(everybody.maria, value="0")
    (asked,) = families.corrections(school.db, "default", "ana")
    decide = at("decide_correction", student_id="ben", correction_id=asked.id)
    assert everybody.pia.post(decide, {"decision": "accept"}).status_code == 404
    assert families.find_correction(school.db, "default", asked.id).state == "open"


# -- objection, export, whom the school reaches -----------------------------------------------------------------------


def test_a_family_objects_with_one_button_scores_go_at_once_and_it_takes_it_back_itself(
    school: School, everybody: Everybody
) -> None:
    objection, end = (at(name, student_id="ana") for name in ("objection", "objection_end"))
    for staff in (everybody.cora, everybody.pia, everybody.tess):
        assert staff.post(objection).status_code == 403
        assert f'action="{objection}"' not in staff.get(ASK).text
    assert everybody.maria.post(objection).headers["location"].endswith("said=objected&n=1")
    assert families.objected(school.db, "default") == {"ana"}
    page = main_of(everybody.ana.get(FAMILY).text)
    assert "An objection is in force since November 13, 2026." in page
    assert "Ana has missed 2" not in page
    assert "tutoring" in page
    assert "Ana has missed 2" not in everybody.cora.get("/review/students/ana").text
    assert everybody.cora.post(end).status_code == 403
    assert everybody.ana.post(end).status_code == 303
    assert "Ana has missed 2" in main_of(everybody.ana.get(FAMILY).text)


def test_a_family_takes_away_everything_in_a_file_that_names_nobody(school: School, everybody: Everybody) -> None:
    answer = everybody.maria.get(at("export", student_id="ana"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="homeroom-record.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        found = json.loads(packed.read("everything.json"))
        assert "records/attendance.csv" in packed.namelist()
    assert found["student_id"] == "ana"
    assert [one["guardian_id"] for one in found["records"]["guardians"]] == ["g-ana"]
    assert [one.action for one in trail.who_viewed(school.db, "default", "ana")] == ["exported_own"]
    assert everybody.cora.get(at("export", student_id="ana")).status_code == 403
    assert everybody.maria.get(at("export", student_id="ben")).status_code == 404


def test_a_counselor_enters_whom_the_school_must_not_reach_and_it_holds_at_once(school: School, everybody: Everybody) -> None:
    restrict = at("restrict", student_id="ana")
    assert everybody.tess.post(restrict, {"guardian": "g-ana", "restriction": "no_contact"}).status_code == 403
    wrong = everybody.cora.post(restrict, {"guardian": "g-ana", "restriction": ""})
    assert wrong.status_code == 422
    assert '<option value="g-ana" selected>' in wrong.text
    assert everybody.cora.post(restrict, {"guardian": "g-nobody", "restriction": "no_contact"}).status_code == 422
    assert everybody.maria.get(FAMILY).status_code == 200
    assert everybody.cora.post(restrict, {"guardian": "g-ana", "restriction": "court_order"}).status_code == 303
    assert everybody.maria.get(FAMILY).status_code == 404
    assert "by order of a court" in everybody.pia.get(ASK).text
    assert "Maria" not in main_of(everybody.tess.get(ASK).text)
    assert '<html lang="en"' in everybody.cora.get(FAMILY).text, "the page is for whom the school reaches"
    (entered,) = families.restrictions(school.db, "default")
    assert everybody.pia.post(at("restriction_end", student_id="ben", restriction_id=entered.id)).status_code == 404
    assert everybody.pia.post(at("restriction_end", student_id="ana", restriction_id=entered.id)).status_code == 303
    assert families.restrictions(school.db, "default") == ()


def test_a_form_from_elsewhere_asks_for_nothing(school: School, everybody: Everybody) -> None:
    assert replace(everybody.maria, csrf="theirs").post(at("objection", student_id="ana")).status_code == 403
    assert families.objected(school.db, "default") == frozenset()

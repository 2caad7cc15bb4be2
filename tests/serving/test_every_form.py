"""A school's week by forms and pages, as a browser sends them: what is written down of it, and what no log holds."""

from __future__ import annotations

import html
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from review_school import MOMENT, SETTINGS, Browser, School, list_students, scored
from sqlalchemy import text
from test_access import records, the_school

from serving.cases import casebook, families, offers, people, plans, sessions, told, trail
from serving.contract import Desk
from serving.pages.render import at
from serving.review.routes import ROUTES

pytestmark = pytest.mark.full

TODAY = MOMENT.date()
DAY = timedelta(days=1)
TENANT = "default"

#: What stands in no record, form or account of this school but where it is put below: whoever finds it in a log found a value.
NAME, SURNAME, GUARDIAN, TYPED = "Xiomaraly", "Quetzalcoatlez", "Wilhelmowna", "zwischendrin"

PEOPLE: Mapping[str, tuple[people.Role, str | None, str | None]] = {
    "tess": ("teacher", "tess", None), "cora": ("counselor", "cora", None), "carl": ("counselor", "carl", None),
    "pia": ("principal", "pia", None), "ana": ("student", "ana", None), "maria": ("guardian", "g-ana", None),
    "ada": ("administrator", None, "lincoln"), "dan": ("district_analyst", "dan", None),
}  # fmt: skip

Form = Mapping[str, str]


@dataclass
class Week:
    """A school with everybody signed in, and what they did."""

    school: School
    accounts: Mapping[str, people.Account]
    browsers: Mapping[str, Browser]
    done: set[str] = field(default_factory=set)

    def rows(self) -> list[tuple[int, str, str]]:
        with self.school.db.connect() as connection:
            found = connection.execute(text("SELECT number, account_id, action FROM trail ORDER BY number")).all()
        return [tuple(one) for one in found]

    def case(self) -> casebook.Case:
        found = self.file().case
        assert found is not None
        return found

    def file(self) -> casebook.CaseFile:
        return casebook.file_of(self.school.db, TENANT, "ana", restricted=True)

    def plan(self) -> plans.Plan:
        return plans.plans_of(self.school.db, TENANT, "ana")[-1]

    def sends(self, who: str, name: str, form: Form | None = None, said: str = "", **parts: str) -> None:
        """Send a form that is taken, and hold that the trail has a line of whoever sent it, and is whole."""
        told = dict(form or {})
        if "version" in told and name.startswith("case_"):
            told["version"] = str(self.file().case.version) if self.file().case else "0"
        if name.startswith("plan_"):
            told["version"] = str(self.plan().version)
        known = {"student_id": "ana", "plan_id": self.plan().id if name.startswith("plan_") else "",
                 "section_id": "lincoln-algebra", **parts}  # fmt: skip
        before = self.rows()
        answer = self.browsers[who].post(at_form(name, known), told)
        assert answer.status_code in (200, 303), (name, answer.status_code, refusals(answer))
        if answer.status_code == 303:
            assert f"said={said}" in answer.headers["location"], (name, answer.headers["location"])
        after = self.rows()
        assert after[: len(before)] == before
        written = [action for _, account, action in after[len(before) :] if account == self.accounts[who].id]
        assert [one for one in written if not one.startswith("see_")], f"{name} left no line"
        self.done.add(name)


def at_form(name: str, known: Mapping[str, str]) -> str:
    (address,) = {route.path for route in ROUTES if route.name == name}
    return at(name, **{part: known[part] for part in re.findall(r"\{(\w+)\}", address)})


def refusals(answer: httpx.Response) -> list[str]:
    return re.findall(r"<li>([^<]+)</li>", answer.text)[:5]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    home = tmp_path_factory.mktemp("school")
    rows = the_school()
    rows["caseloads"] = [{"caseload_id": f"c-{who}", "staff_id": who, "organisation_id": "lincoln", "by": "grade",
                          "grade_level": 9} for who in ("cora", "carl")]  # fmt: skip
    rows["skills"] = [{"skill_id": "ratios", "statement": "Compare two ratios", "subject": "mathematics", "grade_level": 6}]
    rows["identities"][0] |= {"given_name": NAME, "family_name": SURNAME}
    rows["guardians"][0] |= {"name": GUARDIAN}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
        settings = replace(SETTINGS, safeguarding_folder=str(home / "apart"))
        card = {"metrics": {"precision_at_capacity": 0.31, "recall_at_capacity": 0.44}, "test": {"to": "2026-01-26"}}
        desk = cast("Desk", SimpleNamespace(model_card=lambda *_: card))
        school = School.of(home / "home", records(rows), settings=settings, desk=desk)
        accounts = {name: school.account(role, person, where, login=name) for name, (role, person, where) in PEOPLE.items()}
        browsers = {name: school.browser(one) for name, one in accounts.items()}
    list_students(school.home, [scored("ana"), scored("ana", "dropout")])
    yield Week(school, accounts, browsers)
    school.db.dispose()


def a_case(week: Week) -> None:
    """A case, from a colleague's question to its end and back."""
    account = {name: one.id for name, one in week.accounts.items()}
    week.sends("tess", "case_raise", {"reason": f"Sits alone, {TYPED}"}, "raised")
    week.sends("cora", "case_claim", {"version": ""}, "claimed")
    week.sends("cora", "case_assign", {"version": "", "to": account["carl"]}, "assigned")
    question = {"version": "", "question": f"Is it the bus, {TYPED}?", "due_on": str(TODAY), "of": account["tess"]}
    week.sends("cora", "case_questions", question, "question_asked")
    week.sends("tess", "case_answers", {"version": "", "answer": TYPED}, "answered")
    week.sends("cora", "case_snooze", {"version": "", "until": str(TODAY + DAY), "why": TYPED}, "snoozed")
    week.sends("cora", "case_resume", {"version": ""}, "resumed")
    support = {"version": "", "name": f"A mentor, {TYPED}", "dose": "Weekly", "goal": "Here", "begins_on": str(TODAY)}
    week.sends("cora", "case_supports", {**support, "review_on": str(TODAY + 28 * DAY)}, "support_begun")
    running = week.file().supports[0].id
    later = {"review_on": str(TODAY + 9 * DAY)}
    week.sends("cora", "case_support_review", later, "support_reviewed", support_id=running)
    week.sends("cora", "case_monitor", {"version": ""}, "monitored")
    ended = {"version": "", "result": "goal_met", "ended_on": str(TODAY)}
    week.sends("cora", "case_support_end", ended, "support_ended", support_id=running)
    closing = {"version": "", "close_reason": "goal_reached", "decision": TYPED, "consulted": "yes", "outcome": "She comes"}
    week.sends("cora", "case_close", closing, "closed")
    list_students(week.school.home, [scored("ana", concept="attendance"), scored("ana", "dropout")])
    week.sends("cora", "case_reopen", {"version": ""}, "reopened")


def beside_a_case(week: Week) -> None:
    """Notes, talks, steps and what somebody does not agree with."""
    week.sends("tess", "case_notes", {"text": f"Talked, {TYPED}"}, "note_saved")
    week.sends("cora", "case_note", {"seen": "1", "text": f"Talked, {TYPED}!"}, "note_", note_id=week.file().notes[0].id)
    talk = {"whom": "family", "channel": "phone", "language": "es", "on": str(TODAY), "agreed": TYPED}
    week.sends("cora", "case_contacts", talk, "contact_recorded")
    week.sends("tess", "case_disagreements", {"kind": "data_wrong", "reason": TYPED}, "disagreed_data")
    week.sends("cora", "case_steps", {"task": "talk", "due_on": str(TODAY), "text": TYPED}, "step_saved")
    step = next(one.id for one in week.file().steps if one.done_at is None)
    week.sends("cora", "case_step_done", {}, "step_done", step_id=step)
    later = {"action": "snooze", "student": "ana", "until": str(TODAY + DAY), "why": TYPED}
    week.sends("cora", "caseload_actions", later, "snoozed")


def a_plan(week: Week) -> None:
    """A learning plan, written beside the student and agreed to by her."""
    week.sends("tess", "plans", {}, "plan_begun")
    week.sends("tess", "plan_goal", {"goal": TYPED, "beside": "1"}, "plan_goal")
    week.sends("tess", "plan_options", {"text": f"With Kim, {TYPED}"}, "plan_offered")
    offered = week.plan().options[0].id
    week.sends("ana", "plan_choices", {f"option.{offered}": "picked"}, "plan_chosen")
    week.sends("ana", "plan_agree", {}, "plan_agreed")
    week.sends("ana", "plan_withdraw", {}, "plan_withdrawn")
    week.sends("ana", "plan_agree", {}, "plan_agreed")
    week.sends("tess", "plan_begin", {"review_on": str(TODAY + 28 * DAY)}, "plan_active")
    week.sends("tess", "plan_links")
    week.sends("tess", "plan_links_end", {}, "plan_links_ended")
    week.sends("tess", "plan_end", {"result": "reached"}, "plan_over")


def help_is_spoken_of(week: Week) -> None:
    """What was suggested is declined, begun, and put into a plan; a place that was drawn is answered; and what they say."""
    week.sends("cora", "case_told", {"what": "barrier.transport", "told_by": "student"}, "told")
    week.sends("cora", "case_told_end", {}, "told_ended", told_id=told.of(week.school.db, TENANT, "ana")[0].id)
    week.sends("tess", "help_decline", {"intervention_id": "work_plan", "why": "student", "words": TYPED}, "help_declined")
    page = week.browsers["cora"].get("/review/students/ana").text
    first = re.findall(r'name="intervention_id" value="(\w+)"', page)[0]
    begins = {"goal": TYPED, "dose": "Weekly", "begins_on": str(TODAY), "review_on": str(TODAY + 28 * DAY)}
    version = {"version": str(week.file().case.version)}  # type: ignore[union-attr]
    week.sends("cora", "help_accept", {**version, "intervention_id": first, **begins}, "support_begun")
    page = week.browsers["tess"].get("/review/students/ana").text
    assert f'value="{first}"' not in page, "what runs is not suggested again"
    second = re.findall(r'name="intervention_id" value="(\w+)"', page)[0]
    week.sends("tess", "help_plan", {"intervention_id": second}, "plan_offered")
    drawn = [offers.Drawn("ana", "mentor_success", 0.5, True)]
    (place,) = offers.record(week.school.db, TENANT, week.accounts["cora"], "a draw", 7, drawn, MOMENT)
    week.sends("cora", "offer_answer", {"answer": "accepted"}, "offer_answered", offer_id=place)
    week.sends("cora", "offer_minutes", {"minutes": "60", "planned": "600"}, "minutes_saved", offer_id=place)


def a_class(week: Week) -> None:
    week.sends("tess", "lesson_groups", {"action": "afresh", "version": "0"}, "lesson_afresh")
    seen = {"skill": "ratios", "on": str(TODAY), "result.ana": "secure"}
    week.sends("tess", "lesson_checks", seen, "lesson_checked")


def the_office(week: Week) -> None:
    week.sends("ada", "office_ask", {"student": "ana", "reason": f"the office was called about her, {TYPED}"}, "asked")
    (waiting,) = sessions.all_break_glass(week.school.db, TENANT)
    week.sends("pia", "office_approve", {}, "approved", break_glass_id=waiting.id)
    week.sends("tess", "safeguarding_send", {"text": f"A bruise, {TYPED}"}, "safeguarding")


def the_family(week: Week) -> None:
    """What a family asks for, and what staff decide and enter."""
    week.sends("ana", "objection", {}, "objected")
    week.sends("ana", "objection_end", {}, "objection_withdrawn")
    page = week.browsers["maria"].get(f"{at('requests', student_id='ana')}?about=given_name").text
    row = re.findall(r'<option value="([^"]+)"', page.split('name="row"')[1])[0]
    wrong = {"subject": "given_name", "row": html.unescape(row), "value": f"{NAME} {TYPED}", "why": TYPED}
    week.sends("maria", "ask_correction", wrong, "correction_asked")
    (waiting,) = families.corrections(week.school.db, TENANT)
    decision = {"decision": "accept", "reason": f"So it is, {TYPED}"}
    week.sends("cora", "decide_correction", decision, "correction_accepted", correction_id=waiting.id)
    week.sends("cora", "restrict", {"guardian": "g-two", "restriction": "no_contact"}, "restricted")
    (entered,) = families.restrictions(week.school.db, TENANT)
    week.sends("cora", "restriction_end", {}, "restriction_lifted", restriction_id=entered.id)
    week.sends("pia", "stop_scoring", {"organisation": "lincoln", "why": TYPED}, "scoring_stopped")
    week.sends("pia", "start_scoring", {"organisation": "lincoln"}, "scoring_started")


DAYS: tuple[Callable[[Week], None], ...] = (
    a_case, beside_a_case, a_plan, help_is_spoken_of, a_class, the_office, the_family,
)  # fmt: skip

#: Forms that leave no line: nobody may make a measure of who has practised.
NO_LINE = {"practice"}


@pytest.fixture(scope="module")
def lived(week: Week) -> tuple[Week, str]:
    """The whole week, every page looked at by everybody, and all that was logged meanwhile, at the finest."""
    told: list[str] = []
    heard = logging.Handler()
    heard.emit = lambda record: told.append(f"{record.getMessage()} {record.exc_text or ''} {record.exc_info or ''}")  # type: ignore[method-assign]
    known = {"student_id": "ana", "section_id": "lincoln-algebra", "organisation_id": "lincoln", "area": "none", "plan_id": ""}
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        for day in DAYS:
            day(week)
        known["plan_id"] = week.plan().id
        for browser in week.browsers.values():
            for route in ROUTES:
                if route.method == "GET":
                    answer = browser.get(at_form(route.name, known))
                    assert answer.status_code < 500, route.name
                    told += [value for name, value in answer.headers.items() if name in ("location", "content-disposition")]
                elif browser is week.browsers["cora"]:  # what is refused says why, and not what it was about
                    browser.post(at_form(route.name, defaultdict(lambda: "nowhere", student_id="ana")), {"text": TYPED})
    finally:
        root.removeHandler(heard)
        root.setLevel(before)
    return week, "\n".join(told)


def test_every_form_leaves_a_line_of_who_sent_it_and_the_chain_holds(lived: tuple[Week, str]) -> None:
    week, _ = lived
    assert week.done | NO_LINE == {route.name for route in ROUTES if route.method == "POST"}
    assert trail.verify(week.school.db, TENANT) is None


def test_no_line_of_a_log_and_no_address_holds_a_name_or_a_word_that_somebody_wrote(lived: tuple[Week, str]) -> None:
    _, told = lived
    assert len(told.splitlines()) > 100
    for value in (NAME, SURNAME, GUARDIAN, TYPED):
        assert value.lower() not in told.lower()


def test_the_pages_that_were_walked_did_show_these_values(week: Week) -> None:
    page = week.browsers["cora"].get("/review/students/ana").text
    assert NAME in page
    assert SURNAME in page
    assert TYPED in page


def test_no_row_of_the_trail_holds_a_name_or_a_word_that_somebody_wrote(lived: tuple[Week, str]) -> None:
    week, _ = lived
    with week.school.db.connect() as connection:
        whole = " ".join(str(tuple(row)) for row in connection.execute(text("SELECT * FROM trail"))).lower()
    assert "see_student" in whole
    for value in (NAME, SURNAME, GUARDIAN, TYPED):
        assert value.lower() not in whole

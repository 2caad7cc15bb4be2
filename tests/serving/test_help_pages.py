"""What could help, on the pages of a student, a plan and a class: who reads what of it, and what comes of each answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from review_school import MOMENT, Browser, School, list_students, scored
from test_access import records, the_school

from serving.cases import agreements, casebook, offers, people, plans, told
from serving.cases.people import Account
from serving.catalogue import FILE
from serving.contract import Desk
from serving.offers import Help as HelpThatIs
from serving.offers import with_recommendations
from serving.store import Store

pytestmark = pytest.mark.full

TODAY = MOMENT.date()
ANA = "/review/students/ana"

PEOPLE: Mapping[str, tuple[people.Role, str]] = {
    "tess": ("teacher", "tess"), "cora": ("counselor", "cora"), "pia": ("principal", "pia"), "maria": ("guardian", "g-ana"),
}  # fmt: skip


def what_if(_ids: list[str], _tenant: str, audience: str, _language: object = "en") -> dict[str, Any]:
    """Answer as the desk does when it is asked to score a stored student."""
    assert audience == "counselor"
    here = {"target": "course_failure", "enrolment_id": "e-ana", "section_id": "lincoln-algebra"}
    told = [{"text": "Had Ana missed no more, the score would stand for 31 of 100.", "probability": 0.31, "band": "x"}]
    return {"as_of": str(TODAY), "scores": [{"risks": [{**here, "what_if": told}]}]}


@dataclass
class Help:
    """A school at which something is known of Ana, with its people signed in."""

    school: School
    accounts: Mapping[str, Account]
    browsers: Mapping[str, Browser]

    def page(self, who: str, address: str = ANA) -> str:
        answer = self.browsers[who].get(address)
        assert answer.status_code == 200, (who, address, answer.status_code)
        return unescape(answer.text)

    def sends(self, who: str, address: str, form: Mapping[str, str], status: int = 303) -> str:
        answer = self.browsers[who].post(address, form)
        assert answer.status_code == status, (address, answer.status_code, re.findall(r"<li>([^<]+)</li>", answer.text)[:4])
        return answer.headers.get("location", "") or unescape(answer.text)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Help]:
    rows = the_school()
    rows["caseloads"] = [{"caseload_id": f"c{at}", "staff_id": "cora", "organisation_id": "lincoln", "by": "grade",
                          "grade_level": at} for at in (9, 10)]  # fmt: skip
    rows["skills"] = [{"skill_id": "ratios", "statement": "Compare two ratios", "subject": "mathematics", "grade_level": 6}]
    rows["skill_results"] = [
        {"student_id": "ana", "enrolment_id": "e-ana", "section_id": "lincoln-algebra", "skill_id": "ratios",
         "evidence_id": f"q{at}", "occurred_on": TODAY - timedelta(days=9 - at), "score_share": 0.1} for at in range(5)
    ]  # fmt: skip
    rows["resources"] = [{"resource_id": "r1", "title": "Ratios on paper", "language": "en", "minutes": 20, "offline": True,
                          "level": 6}]  # fmt: skip
    rows["resource_skills"] = [{"resource_id": "r1", "skill_id": "ratios", "relation": "teaches"}]
    desk = cast("Desk", SimpleNamespace(
        model_card=lambda *_: {"metrics": {"precision_at_capacity": 0.3, "recall_at_capacity": 0.4},
                               "test": {"to": "2026-01-26"}}, score_stored=what_if))  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
        school = School.of(tmp_path_factory.mktemp("help"), records(rows), desk=desk)
        accounts = {name: school.account(role, person, login=name) for name, (role, person) in PEOPLE.items()}
        browsers = {name: school.browser(one) for name, one in accounts.items()}
    list_students(school.home, [scored("ana", concept="attendance"), scored("ben", "dropout", concept="marks")])
    yield Help(school, accounts, browsers)
    school.db.dispose()


def test_each_reads_of_help_what_is_theirs(built: Help) -> None:
    cora, tess, maria = (built.page(one) for one in ("cora", "tess", "maria"))
    assert cora.index("To the plan team first") < cora.index("Ask Ana what is going on") < cora.index("Why other help")
    assert "What it provides is owed" in cora
    for page in (tess, maria):
        assert "Ask Ana what is going on" in page
        assert "Why other help was not chosen" not in page
    # A health plan is not for teachers; nor is anything that was said of leaving school.
    assert "plan team" not in tess.lower()
    ben = "/review/students/ben"
    assert "Ask Ben what is going on" in built.page("cora", ben)
    assert "Ask Ben what is going on" not in built.page("tess", ben)
    assert "To the plan team first" in maria
    assert "What they told us" in cora
    assert "What they told us" not in tess + maria
    assert 'action="/review/students/ana/help' not in maria


def test_the_skill_that_is_next_has_what_to_learn_it_from(built: Help) -> None:
    for who in ("cora", "tess"):
        page = built.page(who)
        assert "Ratios on paper" in page
        assert "20 minutes." in page
        assert "Works without internet." in page
        assert "nothing that checks it" in page
    assert "Ratios on paper" in built.page("tess", "/review/classes/lincoln-algebra")


def test_what_a_score_would_be_is_for_who_sees_numbers_and_asks(built: Help) -> None:
    assert "what_if=1" in built.page("cora")
    assert "31 of 100" not in built.page("cora")
    assert "31 of 100" in built.page("cora", f"{ANA}?what_if=1")
    for who in ("tess", "pia", "maria"):
        page = built.page(who, f"{ANA}?what_if=1")
        assert "31 of 100" not in page
        assert "what_if=1#" not in page


def test_what_is_declined_or_begun_is_not_suggested_again_and_stands_in_the_offers(built: Help) -> None:
    begun, declined = re.findall(r'name="intervention_id" value="(\w+)"', built.page("cora"))[0], "work_plan"
    built.sends("tess", f"{ANA}/help/declined", {"intervention_id": declined, "why": "nothing"}, 422)
    built.sends("tess", f"{ANA}/help/declined", {"intervention_id": declined, "why": "not_the_need", "words": "They read none"})
    form = {"intervention_id": begun, "goal": "Here by nine", "dose": "Weekly", "begins_on": str(TODAY),
            "review_on": str(TODAY + timedelta(days=28)), "version": "0"}  # fmt: skip
    assert "Write the goal" in built.sends("cora", f"{ANA}/help", {**form, "goal": ""}, 422)
    assert offers.of(built.school.db, "default", "ana")[0].intervention_id == declined, "what was refused left nothing"
    built.sends("cora", f"{ANA}/help", form)
    file = casebook.file_of(built.school.db, "default", "ana")
    assert [one.intervention_id for one in file.supports] == [begun]
    kept = {one.intervention_id: (one.answer, one.reason) for one in offers.of(built.school.db, "default", "ana")}
    assert kept == {declined: ("refused", "not_the_need"), begun: ("accepted", None)}
    page = built.page("cora")
    suggested = re.findall(r'name="intervention_id" value="(\w+)"', page)
    assert not {begun, declined} & set(suggested)
    version = str(file.case.version if file.case else 0)
    built.sends("cora", f"{ANA}/help", {**form, "version": version}, 422)


def test_the_next_list_heeds_what_was_declined_and_begun(built: Help) -> None:
    store, db = Store.of(built.school.home, "default"), built.school.db
    latest = store.latest()
    assert latest is not None
    frame, kept = store.scored(latest), store.records()
    assert frame is not None

    def suggested(help_: HelpThatIs) -> set[str]:
        made = with_recommendations(frame, kept, TODAY, help_).filter(pl.col("student_id") == "ana")
        return {one["intervention_id"] for one in made["recommendations"][0]}

    settled = {one.intervention_id for one in offers.of(db, "default", "ana") if one.answer}
    assert settled
    assert settled & suggested(HelpThatIs.of(store.folder, TODAY, kept)), "else this shows nothing"
    assert not settled & suggested(HelpThatIs.of(store.folder, TODAY, kept, db))


def test_help_goes_into_the_plan_where_the_student_picks_or_refuses_it(built: Help) -> None:
    key = re.findall(r'help/plan"[^$]*?name="intervention_id" value="(\w+)"', built.page("tess"))[0]
    address = built.sends("tess", f"{ANA}/help/plan", {"intervention_id": key}).split("?")[0]
    (plan,) = plans.plans_of(built.school.db, "default", "ana")
    assert address == f"{ANA}/plans/{plan.id}"
    page = built.page("cora", address)
    other = re.findall(r'name="intervention_id" value="(\w+)"', page)
    assert key not in other, "what is offered and open is not suggested beside it"
    (mine,) = (one for one in offers.of(built.school.db, "default", "ana") if one.intervention_id == key)
    assert (mine.answer, mine.probability) == (None, None)
    assert "is not among what is possible" in built.sends(
        "cora", f"{address}/options", {"version": str(plan.version), "intervention_id": "he_advise"}, 422
    )


def test_what_they_said_opens_help_and_takes_a_counselor(built: Help) -> None:
    consent = {"what": "consent.mentor_youth", "told_by": "family"}
    assert built.browsers["tess"].post(f"{ANA}/told", consent).status_code == 403
    wrong = {"what": "barrier.x", "told_by": "family"}
    assert "Choose what stands in the way" in built.sends("cora", f"{ANA}/told", wrong, 422)
    built.sends("cora", f"{ANA}/told", consent)
    built.sends("cora", f"{ANA}/told", {"what": "barrier.belonging", "told_by": "student"})
    page = built.page("cora")
    assert "Agrees to: A mentor from the community." in page
    assert "Not feeling at home at school" in page
    for who in ("tess", "maria"):
        assert "belonging" not in built.page(who)
    first = told.of(built.school.db, "default", "ana")[0]
    built.sends("cora", f"{ANA}/told/{first.id}/end", {})
    assert len(told.of(built.school.db, "default", "ana")) == 1


def test_a_catalogue_that_cannot_be_read_is_said_and_one_that_was_signed_counts(built: Help) -> None:
    own = Store.of(built.school.home, "default").folder / FILE
    own.write_text("[withdraw.none]\n")
    assert "catalogue or library cannot be read" in built.page("cora")
    own.unlink()
    signer = replace(built.accounts["pia"])
    content = {"change": {"mentor_youth": {"name": "A mentor", "says": "A neighbour comes along."}}}
    agreements.agree(built.school.db, "default", signer, "catalogue", content, "The new year", MOMENT)
    assert "cannot be read" not in built.page("cora")
    agreements.agree(built.school.db, "default", signer, "thresholds", {"waiting_days": 9}, "The new year", MOMENT)
    assert "9 school days" in built.page("cora", "/review")

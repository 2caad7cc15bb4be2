"""What forms do: each as a browser sends it, by people of every kind, with what is wrong and what is stale."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import cast

import polars as pl
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from case_actions import DAY
from review_school import MOMENT, School
from test_access import records, the_school

from features.problems import NotFound, Refused
from serving.batch import SCHEMA
from serving.cases import casebook, people, plans
from serving.cases.access import RIGHTS, visible
from serving.cases.casebook import Case, CaseFile
from serving.cases.database import writing
from serving.cases.sessions import SignedIn
from serving.pages.contexts.frame import Frame
from serving.pages.contexts.plan import LearningPlan
from serving.pages.render import ADDRESSES, at
from serving.pages.words import open_words
from serving.review import offering, work
from serving.review.room import Asked, Go, Room

TODAY = MOMENT.date()
WORDS = open_words()
TENANT = "default"


def row(student: str, target: str, prediction: str, *concepts: str, band: str = "check_in_suggested") -> dict[str, object]:
    reasons = [{"concept": one, "feature": one, "value": 1.0, "contribution": 0.1, "text": one} for one in concepts]
    return {
        "prediction_id": prediction, "student_id": student, "target": target, "as_of": TODAY, "status": "scored", "band": band,
        "probability": 0.4, "reasons": reasons, "strengths": [], "unknowns": [], "model_version": "7",
    }  # fmt: skip


LIST = [
    row("ana", "course_failure", "p-course", "marks", "coursework"),
    row("ana", "dropout", "p-leaving", "history"),
    row("ana", "chronic_absence", "p-away", "attendance", band="keep_an_eye"),
    row("cal", "course_failure", "p-cal", "marks"),
]


@dataclass
class Signed:
    school: School
    accounts: Mapping[str, people.Account]

    @property
    def room(self) -> Room:
        return self.school.reception.room(TENANT)

    def asked(self, who: str, form: Mapping[str, str | tuple[str, ...]], **parts: str) -> Asked:
        """Return what a handler gets after everything was checked that its route asks for."""
        account = self.accounts[who]
        sent = {name: (said,) if isinstance(said, str) else said for name, said in form.items()}
        seen = visible(self.room.records, account, TODAY)
        signed_in = SignedIn(account, "", "", MOMENT, MOMENT, second_factor=True)
        nothing_around = cast("Frame", None)  # no form looks at what stands around a page
        return Asked(signed_in, seen, nothing_around, WORDS["en"], TODAY, MOMENT, parts, {}, sent)

    def does(self, who: str, name: str, form: Mapping[str, str | tuple[str, ...]], student: str = "ana", **parts: str) -> str:
        """Send a form and return what is said of it."""
        route = {form_name: (right, do) for form_name, right, do in work.FORMS}
        right, do = route[name]
        asked = self.asked(who, form, student_id=student, **parts)
        asked.seen.require(student, right)
        done = do(self.room, asked)
        assert isinstance(done, Go)
        assert done.address.startswith(at("student", student_id=student))
        assert f"said.{done.said}" in WORDS["en"].phrases
        return done.said

    def refused(
        self, who: str, name: str, form: Mapping[str, str | tuple[str, ...]], student: str = "ana", **parts: str
    ) -> list[str]:
        with pytest.raises(Refused) as error:
            self.does(who, name, form, student, **parts)
        assert all(f"problem.{one.code}" in WORDS["en"].phrases or one.code == "not_permitted" for one in error.value.problems)
        return [one.code for one in error.value.problems]

    def file(self, student: str = "ana") -> CaseFile:
        return casebook.file_of(self.school.db, TENANT, student, restricted=True)

    def case(self, student: str = "ana") -> Case:
        found = self.file(student).case
        assert found is not None
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[School, Mapping[str, people.Account]]]:
    """Lincoln and Harbor with everybody's account; a hash costs a millisecond here."""
    rows = the_school()
    nines = {"organisation_id": "lincoln", "by": "grade", "grade_level": 9}
    rows["caseloads"] = [{"caseload_id": f"c-{who}", "staff_id": who, **nines} for who in ("cora", "carl")]
    rows["staff_roles"].append({"staff_id": "hana", "organisation_id": "harbor", "role": "counselor"})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))
        school = School.of(tmp_path_factory.mktemp("school"), records(rows))
        roles: Mapping[str, people.Role] = {
            "tess": "teacher", "cora": "counselor", "carl": "counselor", "hana": "counselor", "pia": "principal",
            "ana": "student",
        }  # fmt: skip
        accounts = {name: school.account(role, name, login=f"{name}-login") for name, role in roles.items()}
    school.reception.room(TENANT).__dict__["scored"] = pl.DataFrame(LIST, schema=dict(SCHEMA))
    yield school, MappingProxyType(accounts)
    school.db.dispose()


@pytest.fixture
def signed(made: tuple[School, Mapping[str, people.Account]]) -> Iterator[Signed]:
    found = Signed(*made)
    yield found
    with writing(found.school.db) as connection:
        for student in ("ana", "ben", "cal"):
            plans.erase(connection, TENANT, student)
            casebook.erase(connection, TENANT, student)


# -- the case ----------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_case_is_opened_by_what_the_list_says_to_its_reader(signed: Signed) -> None:
    assert signed.does("cora", "case_claim", {"version": "0"}) == "claimed"
    found = signed.case()
    assert (found.state, found.origin, found.evidence) == ("in_review", "list", ("coursework", "history", "marks"))
    signed.does("cora", "case_supports", {
        "version": "2", "intervention_id": "mentor_success", "dose": "Weekly", "goal": "Here", "begins_on": str(TODAY),
        "review_on": str(TODAY + 28 * DAY),
    })  # fmt: skip
    assert signed.file().supports[0].name == WORDS["en"].say("intervention.mentor_success")
    said = casebook.reviews(signed.school.db, TENANT)
    assert dict(said.rows()) == {"p-course": True, "p-leaving": True}


def test_who_may_not_know_of_an_area_opens_nothing_by_it(signed: Signed) -> None:
    assert signed.does("pia", "case_assign", {"version": "0", "to": signed.accounts["cora"].id}) == "assigned"
    assert signed.case().evidence == ("coursework", "marks")


def test_scores_that_are_switched_off_open_nothing(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "hidden", lambda *_: frozenset({"lincoln"}))
    signed.does("cora", "case_claim", {"version": "0"})
    assert (signed.case().origin, signed.case().evidence) == ("colleague", ())


@pytest.mark.full
def test_a_case_goes_its_whole_way_by_forms(signed: Signed) -> None:
    def cora(name: str, form: Mapping[str, str], **parts: str) -> str:
        return signed.does("cora", name, form, **parts)

    assert signed.does("tess", "case_raise", {"reason": "Sits alone"}) == "raised"
    assert signed.refused("tess", "case_claim", {"version": "1"}) == ["not_permitted"]
    asked = {"version": "1", "question": "Is it the bus?", "due_on": str(TODAY), "of": signed.accounts["tess"].id}
    assert cora("case_questions", asked) == "question_asked"
    assert signed.refused("pia", "case_answers", {"version": "2", "answer": "Yes"}) == ["not_permitted"]
    assert signed.does("tess", "case_answers", {"version": "2", "answer": "Yes"}) == "answered"
    assert cora("case_snooze", {"version": "3", "until": str(TODAY + DAY), "why": "A trip"}) == "snoozed"
    assert cora("case_resume", {"version": "4"}) == "resumed"
    support = {"version": "5", "name": "A mentor", "dose": "Weekly", "goal": "Here", "begins_on": str(TODAY)}
    assert signed.refused("cora", "case_supports", support) == ["review_on"]
    assert cora("case_supports", {**support, "review_on": str(TODAY + 28 * DAY)}) == "support_begun"
    assert cora("case_monitor", {"version": "6"}) == "monitored"
    (running,) = signed.file().supports
    assert cora("case_support_review", {"review_on": str(TODAY + 9 * DAY)}, support_id=running.id) == "support_reviewed"
    ended = {"version": "7", "result": "goal_met", "ended_on": str(TODAY)}
    assert cora("case_support_end", ended, support_id=running.id) == "support_ended"
    closing = {"version": "8", "close_reason": "goal_reached", "decision": "Enough", "consulted": "yes"}
    assert signed.refused("cora", "case_close", closing) == ["outcome"]
    assert signed.refused("cora", "case_close", {**closing, "next_review_on": "soon"}) == ["next_review_on"]
    assert signed.refused("cora", "case_close", {**closing, "consulted": "", "outcome": "Well"}) == ["consulted"]
    assert cora("case_close", {**closing, "outcome": "She comes"}) == "closed"
    assert signed.refused("cora", "case_reopen", {"version": "9"}) == ["same_evidence"]
    assert signed.case().state == "closed"


def test_what_a_page_showed_before_a_colleague_changed_it_is_refused(signed: Signed) -> None:
    signed.does("cora", "case_claim", {"version": "0"})
    for version in ("0", "1", "x", "", "-1", "9" * 30):
        assert signed.refused("carl", "case_monitor", {"version": version}) == ["case_changed"]


def test_a_case_is_handed_only_to_who_may_work_it_for_this_student(signed: Signed) -> None:
    for colleague in ("hana", "tess", "pia", "ana"):
        assert signed.refused("cora", "case_assign", {"version": "0", "to": signed.accounts[colleague].id}) == ["assignee"]
    assert signed.refused("cora", "case_assign", {"version": "0", "to": "nobody"}) == ["assignee"]
    assert signed.refused("cora", "case_assign", {"version": "0"}) == ["assignee"]
    step = {"task": "talk", "due_on": str(TODAY)}
    assert signed.refused("cora", "case_steps", {**step, "who": signed.accounts["hana"].id}) == ["assignee"]
    assert signed.does("cora", "case_steps", {**step, "who": signed.accounts["tess"].id}) == "step_saved"
    assert signed.file().case is None


# -- what stands beside it ---------------------------------------------------------------------------------------------


def test_a_note_and_a_next_step_are_one_form(signed: Signed) -> None:
    form = {"text": "Talked at the gate", "task": "contact", "due_on": str(TODAY + DAY)}
    assert signed.does("tess", "case_notes", form) == "note_with_step"
    found = signed.file()
    assert (found.notes[0].restricted, found.steps[0].task, found.steps[0].who.name) == (False, "contact", "teacher tess")
    assert signed.does("tess", "case_step_done", {}, step_id=found.steps[0].id) == "step_done"
    assert signed.does("tess", "case_notes", {"text": "More", "due_on": str(TODAY)}) == "note_saved"
    assert len(signed.file().steps) == 1, "a day alone asks for no step"
    assert signed.refused("tess", "case_notes", {"text": "", "task": "talk", "due_on": "soon"}) == ["text", "due_on"]


def test_restricted_notes_are_written_and_revised_by_counselors_alone(signed: Signed) -> None:
    assert signed.refused("tess", "case_notes", {"text": "x", "restricted": "1"}) == ["not_permitted"]
    signed.does("cora", "case_notes", {"text": "A bruise", "restricted": "1"})
    (note,) = signed.file().notes
    with pytest.raises(NotFound):
        signed.does("tess", "case_note", {"seen": "1", "text": "x"}, note_id=note.id)
    assert signed.does("cora", "case_note", {"seen": "1", "text": "A bruise, seen"}, note_id=note.id) == "note_revised"
    assert signed.does("carl", "case_note", {"seen": "1", "text": "A fall"}, note_id=note.id) == "note_beside"
    assert len(signed.file().notes[0].current) == 2


def test_a_disagreement_names_a_prediction_of_this_student_that_its_writer_may_know(signed: Signed) -> None:
    for who, prediction in (
        ("tess", "p-course"),
        ("tess", "p-leaving"),
        ("cora", "p-leaving"),
        ("tess", "p-cal"),
        ("tess", ""),
    ):
        assert signed.does(who, "case_disagreements", {"kind": "temporary", "prediction_id": prediction}) == "disagreed"
    told = sorted((one.prediction_id, one.model_version) for one in signed.file().disagreements)
    assert told == [("", ""), ("", ""), ("", ""), ("p-course", "7"), ("p-leaving", "7")]
    wrong = {"kind": "data_wrong", "reason": "She was there", "prediction_id": "p-course"}
    assert signed.does("tess", "case_disagreements", wrong) == "disagreed_data"


def test_a_talk_is_recorded(signed: Signed) -> None:
    form = {"whom": "family", "channel": "phone", "language": "es", "on": str(TODAY), "agreed": "A later bus"}
    assert signed.does("tess", "case_contacts", form) == "contact_recorded"
    assert signed.refused("tess", "case_contacts", {**form, "on": "2026-02-30"}) == ["on"]
    assert [one.language for one in signed.file().contacts] == ["es"]


# -- many --------------------------------------------------------------------------------------------------------------


def test_many_are_taken_on_at_once_and_each_is_asked_about(signed: Signed) -> None:
    def many(who: str, *students: str, **form: str) -> Go:
        done = work.many(signed.room, signed.asked(who, {**form, "student": students}))
        assert isinstance(done, Go)
        return done

    assert many("cora", "ana", "ana", action="claim") == Go(at("caseload"), "claimed", 1)
    with pytest.raises(NotFound):
        many("cora", "ana", "cal", action="claim")
    for form, code in (({"action": "claim"}, "not_permitted"), ({"action": "close"}, "not_permitted")):
        with pytest.raises(Refused) as error:
            many("pia", "ana", **form)
        assert error.value.problems[0].code == code
    with pytest.raises(Refused) as error:
        many("carl", "ana", action="claim")
    assert error.value.problems[0].code == "taken"
    with pytest.raises(Refused) as error:
        many("pia", "ana", "ben", action="assign", to=signed.accounts["carl"].id)
    assert error.value.problems[0].code == "assignee", "Ben is not on that caseload"
    assert many("pia", "ana", action="assign", to=signed.accounts["carl"].id).said == "assigned"
    assert many("cora", "ana", action="snooze", until=str(TODAY + DAY), why="A trip").said == "snoozed"
    with pytest.raises(Refused) as error:
        many("cora", action="snooze")
    assert error.value.problems[0].code == "nobody_chosen"


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_goes_its_way_by_forms_of_an_adult_and_of_the_student(signed: Signed) -> None:
    assert signed.does("tess", "plans", {}) == "plan_begun"
    (this,) = plans.plans_of(signed.school.db, TENANT, "ana")
    plan = this.id
    assert signed.refused("tess", "plan_goal", {"version": "1", "goal": "Ratios"}, plan_id=plan) == ["not_the_student"]
    assert signed.does("tess", "plan_goal", {"version": "1", "goal": "Ratios", "beside": "1"}, plan_id=plan) == "plan_goal"
    assert signed.refused("ana", "plan_options", {"version": "2", "text": "x"}, plan_id=plan) == ["adults_offer"]
    assert signed.does("tess", "plan_options", {"version": "2", "text": "With Kim"}, plan_id=plan) == "plan_offered"
    option = plans.plan_of(signed.school.db, TENANT, "ana", plan).options[0].id
    chosen = {"version": "3", f"option.{option}": "picked", "option.other": ""}
    assert signed.does("ana", "plan_choices", chosen, plan_id=plan) == "plan_chosen"
    assert signed.does("ana", "plan_agree", {"version": "4"}, plan_id=plan) == "plan_agreed"
    assert signed.does("ana", "plan_withdraw", {"version": "5"}, plan_id=plan) == "plan_withdrawn"
    assert signed.does("tess", "plan_agree", {"version": "6", "beside": "1"}, plan_id=plan) == "plan_agreed"
    review = {"version": "7", "review_on": str(TODAY + 14 * DAY)}
    assert signed.does("tess", "plan_begin", review, plan_id=plan) == "plan_active"
    asked = signed.asked("tess", {}, student_id="ana", plan_id=plan)
    page = work.plan_link(signed.room, asked)
    assert isinstance(page, LearningPlan)
    token = page.link.removeprefix("/plan/")
    assert plans.link_is_good(signed.school.db, token, MOMENT)
    assert signed.does("tess", "plan_links_end", {}, plan_id=plan) == "plan_links_ended"
    assert not plans.link_is_good(signed.school.db, token, MOMENT)
    assert signed.does("ana", "plan_end", {"version": "8", "result": "reached"}, plan_id=plan) == "plan_over"


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_form_has_an_address_and_a_right() -> None:
    names = [name for name, _, _ in (*work.FORMS, *offering.FORMS)]
    assert len(set(names)) == len(names)
    assert set(names) <= set(ADDRESSES)
    assert all("{student_id}" in ADDRESSES[name] for name in names)
    assert {right for _, right, _ in (*work.FORMS, *offering.FORMS)} <= set(RIGHTS)
    parts = ("case_", "help_", "offer_", "plan")
    mine = {name for name in ADDRESSES if name.startswith(parts) and name not in ("plan", "plan_by_link")}
    assert mine <= set(names), "an address that nothing answers"
    public = {one for _, one in inspect.getmembers(work, inspect.isfunction) if one.__module__ == work.__name__}
    answers = {one for one in public if not one.__name__.startswith("_")}
    read_a_form = {work.day_of, work.number_of, work.opening_of}  # the forms about help read theirs with these
    assert answers - read_a_form == {do for _, _, do in work.FORMS} | {work.many}


def codes_of(module: ModuleType) -> set[str]:
    """Return the codes that a module refuses with, read from its source."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    place = {"_problem": 0, "Problem": 0, "_text": 1, "_one_of": 1, "_day": 1}
    told = [(call, place.get(ast.unparse(call.func), len(call.args))) for call in calls]
    texts = {arg.value for call, first in told for arg in call.args[first : first + 1] if isinstance(arg, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and re.fullmatch("[a-z_]+", text)}


def test_everything_that_is_refused_has_words_in_every_language() -> None:
    codes = codes_of(casebook) | codes_of(plans) | codes_of(work)
    assert {"case_changed", "decision", "goal_first", "assignee"} <= codes
    for words in WORDS.values():
        assert {code for code in codes if f"problem.{code}" not in words.phrases} == set()

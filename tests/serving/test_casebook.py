"""Cases: which steps there are, what two people at once do to each other, what is told of them, and what a kill leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Barrier
from typing import get_args

import case_actions as made
import polars as pl
import pytest
from case_actions import (
    ACTIONS,
    DAY,
    NOW,
    SUSPECT,
    TENANT,
    TODAY,
    WITHOUT_TRAIL,
    World,
    everything,
    populate,
    prepare,
    version,
    writers,
)
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, event, func, insert, select, update

from features import tables
from features.problems import NotFound, Refused
from serving import reviews as told_reviews
from serving.cases import casebook, trail
from serving.cases.casebook import (
    ALL_MOVES,
    LEAST_IN_GROUP,
    LONGEST_SNOOZE,
    MOVES,
    STATES,
    Case,
    Move,
    Opening,
    Promised,
    State,
    SupportResult,
    Task,
    cases_of,
    due,
    file_of,
    legal,
    running_supports,
)
from serving.cases.database import open_database, writing
from serving.cases.schema import CASES, METADATA, TRAIL
from serving.pages.contexts import caseload

ELSE = Opening("list", ("marks",), ("p-2",))
WEEK = 7 * DAY


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def who(db: Engine) -> World:
    return populate(db)


def case(db: Engine, student: str = "ana") -> Case:
    return cases_of(db, TENANT, [student])[student]


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


def refused(do: Callable[[], object]) -> list[str]:
    with pytest.raises(Refused) as error:
        do()
    return codes(error)


def last_line(db: Engine) -> tuple[str, str, str]:
    with db.connect() as connection:
        row = connection.execute(select(TRAIL).order_by(TRAIL.c.number.desc()).limit(1)).one()
    return row.account_id, row.action, row.why


# -- steps -------------------------------------------------------------------------------------------------------------


def test_a_case_goes_from_the_list_to_a_support_and_is_closed_with_what_came_of_it(db: Engine, who: World) -> None:
    made.claim(db, who, "ana")
    found = case(db)
    assert (found.state, found.version, found.origin, found.evidence) == ("in_review", 2, SUSPECT.origin, ("attendance",))
    assert (case(db).state, case(db).assignee, case(db).first_look_at) == (
        "in_review", casebook.Person(who["ruth"].id, "Ruth"), NOW
    )  # fmt: skip
    support = made.support(db, who, "ana")
    assert case(db).state == "support_active"
    assert refused(lambda: made.close(db, who, "ana")) == ["support_runs"]
    casebook.end_support(db, who["pia"], "ana", 3, support, "goal_met", TODAY + DAY, TODAY + DAY, NOW + DAY)
    assert case(db).state == "monitoring"
    casebook.close(
        db, who["ruth"], "ana", 4, "goal_reached", "She comes", consulted=True, today=TODAY + WEEK, now=NOW + WEEK,
        outcome="Present for a week",
    )  # fmt: skip
    found = case(db)
    assert (found.state, found.open, found.version, found.reason) == ("closed", False, 5, "goal_reached")
    told = file_of(db, TENANT, "ana")
    assert [one.action for one in told.moves] == ["close", "end_last_support", "start_support", "claim", "open"]
    assert told.moves[0].by == casebook.Person(who["ruth"].id, "Ruth")
    assert told.moves[0].details == {
        "reason": "goal_reached", "decision": "She comes", "consulted": "yes", "outcome": "Present for a week"
    }  # fmt: skip
    assert (told.supports[0].result, told.supports[0].ended_on, told.supports[0].dose) == (
        "goal_met",
        TODAY + DAY,
        "Once a week",
    )
    assert last_line(db) == (who["ruth"].id, "case_close", "monitoring to closed")
    assert trail.verify(db, TENANT) is None


def moves(db: Engine, who: World, student: str, move: Move) -> None:
    """Try one move as the casebook offers it."""
    seen = version(db, student)
    if move == "raise":
        casebook.raise_student(db, who["ben"], student, "Sits alone at noon", TODAY, NOW)
    elif move == "assign":
        casebook.assign(db, who["ruth"], student, seen, who["omar"].id, TODAY, NOW)
    elif move == "ask":
        casebook.ask(db, who["ruth"], student, seen, "Why?", TODAY, TODAY, NOW)
    elif move == "answer":
        casebook.answer(db, who["ruth"], student, seen, "So", TODAY, NOW)
    elif move == "snooze":
        casebook.snooze(db, who["ruth"], student, seen, TODAY + DAY, "A trip", TODAY, NOW)
    elif move == "start_support":
        casebook.start_support(
            db, who["ruth"], student, seen, intervention_id="m", name="Mentor", dose="Weekly", goal="Here", begins_on=TODAY,
            review_on=TODAY + DAY, today=TODAY, now=NOW,
        )  # fmt: skip
    elif move in ("end_support", "end_last_support"):
        running = running_supports(db, TENANT, [student])[student]
        casebook.end_support(db, who["ruth"], student, seen, running[0].id, "not_met", TODAY, TODAY, NOW)
    elif move == "close":
        casebook.close(db, who["ruth"], student, seen, "left", "Moved", consulted=False, today=TODAY, now=NOW, outcome="Gone")
    elif move == "reopen":
        casebook.reopen(db, who["ruth"], student, seen, ELSE, TODAY, NOW)
    else:
        {"claim": casebook.claim, "resume": casebook.resume, "monitor": casebook.monitor}[move](
            db, who["ruth"], student, seen, TODAY, NOW
        )


@pytest.mark.full
@pytest.mark.parametrize("state", [None, *STATES])
def test_every_step_of_the_table_is_taken_and_every_other_is_refused(db: Engine, who: World, state: State | None) -> None:
    for move in ALL_MOVES:
        if move == "open":
            continue  # the first thing that is done opens a case
        student = f"{state}-{move}"
        if state is not None:
            made.begin(db, who, student)
            runs = {"end_last_support": 1, "end_support": 2}.get(move, 0)
            for _ in range(runs):
                made.support(db, who, student)
            with writing(db) as connection:
                connection.execute(update(CASES).where(CASES.c.student_id == student).values(state=state))
        elif move in ("end_support", "end_last_support"):
            continue  # there is no support to end
        if (state, move) in MOVES:
            moves(db, who, student, move)
            assert case(db, student).state == MOVES[state, move]
        else:
            before = everything(db)
            assert refused(lambda move=move, student=student: moves(db, who, student, move)) == ["illegal_move"]  # type: ignore[misc]
            assert everything(db) == before


def test_what_is_told_as_legal_is_what_the_table_has(db: Engine, who: World) -> None:
    assert set(legal(None)) == {"open", "raise", "claim", "assign", "ask", "snooze", "start_support", "close"}
    made.support(db, who, "ana")
    assert "end_support" in file_of(db, TENANT, "ana").legal()
    found = case(db)
    assert "end_support" not in legal(found)
    assert legal(replace(found, state="closed")) == ("raise", "reopen")
    assert {state for state, _ in MOVES} == {None, *STATES}
    assert {move for _, move in MOVES} == set(ALL_MOVES)


def test_what_opens_nothing_moves_nobody_who_has_no_case(db: Engine, who: World) -> None:
    assert refused(lambda: casebook.claim(db, who["ruth"], "ana", 0, TODAY, NOW)) == ["illegal_move"]
    casebook.claim(db, who["ruth"], "ana", 0, TODAY, NOW, opening=Opening("colleague"))
    assert [one.action for one in file_of(db, TENANT, "ana").moves] == ["claim", "open"]


def test_a_closed_case_is_opened_again_on_new_evidence_only(db: Engine, who: World) -> None:
    casebook.close(
        db, who["ruth"], "ana", 0, "no_action", "Nothing", consulted=False, today=TODAY, now=NOW, evidence=["coursework"],
        next_review_on=TODAY + WEEK, opening=SUSPECT,
    )  # fmt: skip
    same = Opening("list", ("attendance", "coursework"))
    assert refused(lambda: casebook.reopen(db, who["ruth"], "ana", 2, same, TODAY, NOW)) == ["same_evidence"]
    casebook.reopen(db, who["ruth"], "ana", 2, replace(same, evidence=("attendance", "marks")), TODAY, NOW + DAY)
    found = case(db)
    assert (found.state, found.round, found.evidence) == ("new", 2, ("attendance", "marks"))
    assert (found.opened_at, found.first_look_at, found.next_review_on) == (NOW + DAY, None, None)


def test_a_closed_case_is_opened_again_on_the_day_that_was_set(db: Engine, who: World) -> None:
    casebook.close(
        db, who["ruth"], "ana", 0, "other", "Wait", consulted=True, today=TODAY, now=NOW, next_review_on=TODAY + WEEK,
        opening=SUSPECT,
    )  # fmt: skip
    again = Opening("list")
    assert refused(lambda: casebook.reopen(db, who["ruth"], "ana", 2, again, TODAY + 6 * DAY, NOW)) == ["same_evidence"]
    casebook.reopen(db, who["ruth"], "ana", 2, again, TODAY + WEEK, NOW)
    assert case(db).evidence == ("attendance",)


def test_a_colleague_opens_a_closed_case_with_a_new_reason_and_not_with_the_old_one(db: Engine, who: World) -> None:
    casebook.raise_student(db, who["ben"], "ana", "Sits alone at noon", TODAY, NOW)
    assert (case(db).origin, case(db).reason) == ("colleague", "Sits alone at noon")
    casebook.raise_student(db, who["pia"], "ana", "Her bus is late", TODAY, NOW)
    assert case(db).round == 1
    made.close(db, who, "ana")

    def again(said: str) -> None:
        casebook.raise_student(db, who["ben"], "ana", said, TODAY, NOW)

    assert refused(lambda: again("sits  alone at NOON")) == ["same_evidence"]
    assert refused(lambda: again(" ")) == ["reason"]
    again("Fell asleep in class")
    assert (case(db).state, case(db).round) == ("new", 2)


def test_a_raised_case_comes_back_from_its_pause(db: Engine, who: World) -> None:
    made.snooze(db, who, "ana")
    assert case(db).until == TODAY + WEEK
    casebook.raise_student(db, who["ben"], "ana", "Sits alone", TODAY, NOW)
    assert (case(db).state, case(db).until) == ("in_review", None)


@pytest.mark.full
@pytest.mark.parametrize(
    ("do", "wrong"),
    [
        (lambda db, a: casebook.snooze(db, a, "ana", 0, TODAY + (LONGEST_SNOOZE + 1) * DAY, "x", TODAY, NOW), ["until"]),
        (lambda db, a: casebook.snooze(db, a, "ana", 0, TODAY, " ", TODAY, NOW), ["until", "reason"]),
        (lambda db, a: casebook.ask(db, a, "ana", 0, "", None, TODAY, NOW, of="x"), ["question", "due_on", "assignee"]),
        (
            lambda db, a: casebook.close(db, a, "ana", 0, "bored", "", None, TODAY, NOW),
            ["close_reason", "decision", "outcome", "consulted"],
        ),
        (
            lambda db, a: casebook.close(
                db, a, "ana", 0, "left", "x", consulted=True, today=TODAY, now=NOW, next_review_on=TODAY
            ),
            ["next_review_on"],
        ),
        (lambda db, a: casebook.end_support(db, a, "ana", 0, "x", "", None, TODAY, NOW), ["result", "ended_on"]),
        (lambda db, a: casebook.review_support(db, a, "ana", "x", TODAY + DAY, TODAY, NOW), ["support"]),
        (lambda db, a: casebook.add_note(db, a, "ana", "\0", TODAY, NOW, task="x"), ["text", "task", "due_on"]),
        (lambda db, a: casebook.add_note(db, a, "ana", "x" * 10_001, TODAY, NOW), ["text"]),
        (lambda db, a: casebook.add_step(db, a, "ana", "answer", TODAY, TODAY, NOW, who="x"), ["task", "assignee"]),
        (lambda db, a: casebook.disagree(db, a, "ana", "other", NOW), ["reason"]),
        (lambda db, a: casebook.disagree(db, a, "ana", "rude", NOW), ["disagreed"]),
        (lambda db, a: casebook.act_on_many(db, a, "close", {}, TODAY, NOW), ["action", "nobody_chosen"]),
        (
            lambda db, a: casebook.record_contact(
                db, a, "ana", whom="", channel="", language="?", on=TODAY + DAY, agreed="", today=TODAY, now=NOW
            ),
            ["whom", "channel", "language", "on"],
        ),
        (
            lambda db, a: casebook.start_support(
                db, a, "ana", 0, intervention_id="", name="", dose="", goal="", begins_on=None, review_on=TODAY, today=TODAY,
                now=NOW,
            ),
            ["intervention", "dose", "goal", "begins_on", "review_on"],
        ),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_saved(
    db: Engine, who: World, do: Callable[[Engine, object], object], wrong: list[str]
) -> None:
    before = everything(db)
    assert refused(lambda: do(db, who["ruth"])) == wrong
    assert everything(db) == before


def test_a_case_is_handed_only_to_somebody_here_who_works_cases(db: Engine, who: World) -> None:
    populate(db, "roosevelt")
    made.begin(db, who, "ana")
    for to in ("nobody", who["ben"].id, who["pia"].id, "roos-omar"):
        assert refused(lambda to=to: casebook.assign(db, who["ruth"], "ana", 1, to, TODAY, NOW)) == ["assignee"]  # type: ignore[misc]
    casebook.assign(db, who["ruth"], "ana", 1, who["omar"].id, TODAY, NOW)
    assert due(db, TENANT, who["omar"].id, TODAY) == (Promised("ana", "look", TODAY, "Comes in late and tired", ""),)
    casebook.claim(db, who["omar"], "ana", 2, TODAY, NOW)
    assert due(db, TENANT, who["omar"].id, TODAY) == ()


def test_a_question_is_due_until_it_is_answered_and_rests_when_the_case_goes_on_without(db: Engine, who: World) -> None:
    for student in ("ana", "eli"):
        made.ask(db, who, student)
    found = due(db, TENANT, who["ben"].id, TODAY + DAY)
    assert [(one.student_id, one.task, one.text) for one in found] == [
        ("ana", "answer", "Was the bus late?"), ("eli", "answer", "Was the bus late?")
    ]  # fmt: skip
    assert due(db, TENANT, who["ben"].id, TODAY) == ()
    with pytest.raises(NotFound):
        casebook.finish_step(db, who["ben"], "ana", found[0].id, NOW)
    casebook.answer(db, who["ben"], "ana", 2, "It was.", TODAY, NOW)
    made.support(db, who, "eli")
    assert due(db, TENANT, who["ben"].id, TODAY + DAY) == ()
    answers = {student: file_of(db, TENANT, student).steps[0].answer for student in ("ana", "eli")}
    assert answers == {"ana": "It was.", "eli": ""}


def test_what_is_due_is_told_to_whoever_has_to_do_it(db: Engine, who: World) -> None:
    made.snooze(db, who, "ana")
    casebook.snooze(db, who["ruth"], "eli", 0, TODAY + DAY, "A trip", TODAY, NOW, opening=SUSPECT)
    made.claim(db, who, "gus")
    casebook.snooze(db, who["ruth"], "gus", 2, TODAY + WEEK, "A trip", TODAY, NOW)
    support = made.support(db, who, "ida")
    step = casebook.add_step(db, who["ben"], "kim", "talk", TODAY, TODAY, NOW, who=who["ruth"].id)
    later = TODAY + 28 * DAY
    assert [(one.student_id, one.task) for one in due(db, TENANT, who["ruth"].id, later)] == [
        ("kim", "talk"), ("gus", "look_again"), ("ida", "check_support")
    ]  # fmt: skip
    casebook.finish_step(db, who["ruth"], "kim", step, NOW)
    casebook.finish_step(db, who["ben"], "kim", step, NOW + DAY)
    assert file_of(db, TENANT, "kim").steps[0].done_at == NOW
    casebook.review_support(db, who["ruth"], "ida", support, later + WEEK, later, NOW)
    assert [one.student_id for one in due(db, TENANT, who["ruth"].id, later)] == ["gus"]
    assert due(db, TENANT, who["omar"].id, later) == ()
    assert due(db, "roosevelt", who["ruth"].id, later) == ()


def test_what_runs_ends_with_a_student_who_left(db: Engine, who: World) -> None:
    made.support(db, who, "ana")
    assert [one.name for one in running_supports(db, TENANT, ["ana", "eli"])["ana"]] == ["A mentor"]
    casebook.close(db, who["ruth"], "ana", 2, "left", "Moved away", consulted=False, today=TODAY, now=NOW, outcome="Gone")
    assert running_supports(db, TENANT, ["ana", "eli"]) == {}
    assert file_of(db, TENANT, "ana").supports[0].result == "moved_away"


def test_a_support_ends_no_earlier_than_it_began_and_once(db: Engine, who: World) -> None:
    support = made.support(db, who, "ana")

    def end(seen: int, on: date) -> None:
        casebook.end_support(db, who["ruth"], "ana", seen, support, "not_met", on, TODAY, NOW)

    assert refused(lambda: end(2, TODAY - DAY)) == ["ended_on"]
    end(2, TODAY)
    assert refused(lambda: end(3, TODAY)) == ["support"]


# -- two people --------------------------------------------------------------------------------------------------------


def test_whoever_saw_an_older_case_is_refused_and_nothing_of_the_other_is_told(db: Engine, who: World) -> None:
    made.claim(db, who, "ana")
    with pytest.raises(Refused) as error:
        casebook.snooze(db, who["omar"], "ana", 1, TODAY + DAY, "A trip", TODAY, NOW)
    assert codes(error) == ["case_changed"]
    assert not any(name in str(error.value) for name in ("Ruth", "ruth", who["ruth"].id, "review"))
    assert case(db).version == 2


def test_a_look_is_noted_once_and_nobody_has_to_begin_again_for_it(db: Engine, who: World) -> None:
    made.begin(db, who, "ana")
    assert not casebook.note_look(db, who["ben"], "ana", NOW), "a teacher works no cases"
    assert casebook.note_look(db, who["ruth"], "ana", NOW + DAY)
    assert not casebook.note_look(db, who["omar"], "ana", NOW + WEEK)
    assert not casebook.note_look(db, who["omar"], "eli", NOW + WEEK)
    assert (case(db).version, case(db).first_look_at) == (1, NOW + DAY)
    casebook.claim(db, who["omar"], "ana", 1, TODAY, NOW + WEEK)
    assert case(db).first_look_at == NOW + DAY


def at_once(*todo: Callable[[], object]) -> list[object]:
    """Do several things at the same moment and return what each came to."""
    gate = Barrier(len(todo))

    def run(one: Callable[[], object]) -> object:
        gate.wait()
        try:
            return one() or "done"
        except Refused as error:
            return error.problems[0].code

    with ThreadPoolExecutor(len(todo)) as pool:
        return list(pool.map(run, todo))


@pytest.mark.full
def test_of_two_who_move_a_case_at_once_one_is_refused(db: Engine, who: World) -> None:
    for number in range(5):
        student = f"s-{number}"
        made.begin(db, who, student)
        said = at_once(
            lambda student=student: casebook.claim(db, who["ruth"], student, 1, TODAY, NOW),  # type: ignore[misc]
            lambda student=student: casebook.claim(db, who["omar"], student, 1, TODAY, NOW),  # type: ignore[misc]
        )
        assert sorted(map(str, said)) == ["case_changed", "done"]
        assert case(db, student).version == 2


@pytest.mark.full
def test_of_two_who_open_a_case_at_once_one_finds_it_open(db: Engine, who: World) -> None:
    for number in range(5):
        student = f"s-{number}"
        said = at_once(*[lambda student=student, by=by: casebook.claim(db, who[by], student, 0, TODAY, NOW, opening=SUSPECT)
                         for by in ("ruth", "omar")])  # fmt: skip
        assert sorted(map(str, said)) == ["case_changed", "done"]
        assert len(file_of(db, TENANT, student).moves) == 2


@pytest.mark.full
def test_lists_of_students_in_any_order_never_wait_for_each_other_in_a_circle(db: Engine, who: World) -> None:
    students = [f"s-{number:02}" for number in range(20)]
    forth, back = dict.fromkeys(students, SUSPECT), dict.fromkeys(reversed(students), SUSPECT)
    until = TODAY + DAY
    said = at_once(
        lambda: casebook.act_on_many(db, who["ruth"], "snooze", forth, TODAY, NOW, until=until, reason="A trip"),
        lambda: casebook.act_on_many(db, who["omar"], "snooze", back, TODAY, NOW, until=until, reason="A trip"),
    )
    assert sorted(map(str, said)) in (["20", "illegal_move"], ["20", "case_changed"])
    assert {one.state for one in cases_of(db, TENANT, students).values()} == {"snoozed"}


def test_a_note_that_two_revise_at_once_keeps_both_wordings(db: Engine, who: World) -> None:
    note = casebook.add_note(db, who["ben"], "ana", "Talked.", TODAY, NOW)
    assert casebook.revise_note(db, who["ruth"], "ana", note, 1, "Talked at noon.", NOW + DAY)
    assert not casebook.revise_note(db, who["omar"], "ana", note, 1, "Talked at the gate.", NOW + DAY)
    (found,) = file_of(db, TENANT, "ana").notes
    assert [(one.number, one.follows, one.text, one.by.name, one.beside) for one in found.revisions] == [
        (1, 0, "Talked.", "Ben", False),
        (2, 1, "Talked at noon.", "Ruth", False),
        (3, 1, "Talked at the gate.", "Omar", True),
    ]
    assert [one.number for one in found.current] == [2, 3]
    assert last_line(db)[1:] == ("note_revised", "beside another")
    assert casebook.revise_note(db, who["ben"], "ana", note, found.latest, "Talked twice.", NOW + WEEK)
    with pytest.raises(NotFound):
        casebook.revise_note(db, who["ben"], "eli", note, 1, "Of another student", NOW)


@pytest.mark.full
def test_notes_of_many_at_once_are_all_kept(db: Engine, who: World) -> None:
    note = casebook.add_note(db, who["ben"], "ana", "0", TODAY, NOW)
    writes = [
        lambda number=number: casebook.revise_note(db, who["ruth"], "ana", note, 1, str(number), NOW) for number in "1234"
    ]
    adds = [lambda number=number: casebook.add_note(db, who["omar"], "ana", number, TODAY, NOW) for number in "5678"]
    assert None not in at_once(*writes, *adds)
    found = file_of(db, TENANT, "ana").notes
    assert sorted(one.text for note in found for one in note.revisions) == list("012345678")


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_restricted_note_is_read_and_revised_only_where_that_is_asked_for(db: Engine, who: World) -> None:
    note = casebook.add_note(db, who["ruth"], "ana", "A bruise", TODAY, NOW, restricted=True)
    casebook.add_note(db, who["ben"], "ana", "A trip", TODAY, NOW)
    assert "bruise" not in repr(file_of(db, TENANT, "ana"))
    assert len(file_of(db, TENANT, "ana", restricted=True).notes) == 2
    with pytest.raises(NotFound):
        casebook.revise_note(db, who["ben"], "ana", note, 1, "x", NOW)
    with db.connect() as connection:
        assert "bruise" not in repr(casebook.export(connection, TENANT, "ana", restricted=False))
        assert "bruise" in repr(casebook.export(connection, TENANT, "ana", restricted=True))


def test_a_note_and_a_next_step_are_one_action(db: Engine, who: World) -> None:
    made.note(db, who, "ana")
    found = file_of(db, TENANT, "ana", restricted=True)
    assert (found.case, found.notes[0].restricted, found.steps[0].task) == (None, True, "talk")
    assert found.steps[0].who == casebook.Person(who["ruth"].id, "Ruth")
    assert last_line(db) == (who["ruth"].id, "note_added", "restricted with a next step")
    assert refused(lambda: casebook.add_note(db, who["ben"], "ana", "More", TODAY, NOW, task="talk")) == ["due_on"]
    assert len(file_of(db, TENANT, "ana", restricted=True).notes) == 1


def test_contacts_and_disagreements_are_kept_as_they_were_told(db: Engine, who: World) -> None:
    ACTIONS["casebook.record_contact"][1](db, who, "ana")
    ACTIONS["casebook.disagree"][1](db, who, "ana")
    found = file_of(db, TENANT, "ana")
    (contact,), (against,) = found.contacts, found.disagreements
    assert (contact.whom, contact.channel, contact.language, contact.on, contact.agreed, contact.by.name) == (
        "family", "phone", "es", TODAY, "A later bus", "Ben"
    )  # fmt: skip
    assert (against.kind, against.prediction_id, against.model_version, against.correction_id) == (
        "data_wrong",
        "p-1",
        "3",
        None,
    )
    with writing(db) as connection:
        for account, student in ((who["ruth"], "ana"), (who["ben"], "leo")):
            with pytest.raises(NotFound):
                casebook.link_correction(connection, account, student, against.id, "c-1")
        casebook.link_correction(connection, who["ben"], "ana", against.id, "c-1")
        with pytest.raises(NotFound):
            casebook.link_correction(connection, who["ben"], "ana", against.id, "c-2")
    assert file_of(db, TENANT, "ana").disagreements[0].correction_id == "c-1"


def test_another_tenants_casebook_is_empty(db: Engine, who: World) -> None:
    made.support(db, who, "ana")
    made.note(db, who, "ana")
    assert cases_of(db, "roosevelt", ["ana"]) == {}
    assert running_supports(db, "roosevelt", ["ana"]) == {}
    nothing = casebook.CaseFile("ana", None, (), (), (), (), (), ())
    assert file_of(db, "roosevelt", "ana", restricted=True) == nothing
    assert casebook.reviews(db, "roosevelt").is_empty()


def test_the_last_visit_is_of_a_day_before_today(db: Engine, who: World) -> None:
    ruth = who["ruth"]
    assert casebook.last_visit(db, ruth.id, TODAY) is None
    for _ in range(2):
        casebook.note_visit(db, ruth, TODAY, NOW)
        assert casebook.last_visit(db, ruth.id, TODAY) is None
    assert casebook.last_visit(db, ruth.id, TODAY + DAY) == TODAY
    casebook.note_visit(db, ruth, TODAY + WEEK, NOW + WEEK)
    assert casebook.last_visit(db, ruth.id, TODAY + WEEK) == TODAY


def test_a_list_of_400_students_takes_two_queries(tmp_path: Path) -> None:
    db = open_database(migrated_database("sqlite", tmp_path))
    who = populate(db)
    students = [f"s-{number:03}" for number in range(400)]
    made.begin(db, who, students[0])
    with writing(db) as connection:
        first = dict(connection.execute(select(CASES)).mappings().one())
        connection.execute(insert(CASES), [{**first, "student_id": student} for student in students[1:]])
    asked: list[str] = []
    event.listen(db, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert len(cases_of(db, TENANT, students)) == 400
    assert running_supports(db, TENANT, students) == {}
    assert len([one for one in asked if one.startswith("SELECT")]) == 2
    del asked[:]
    file_of(db, TENANT, "s-001")
    assert len([one for one in asked if one.startswith("SELECT")]) <= 8
    best = min(_spent(lambda: cases_of(db, TENANT, students)) for _ in range(5))
    assert best < 0.03, "three times what it takes here"


def _spent(do: Callable[[], object]) -> float:
    begun = time.process_time()
    do()
    return time.process_time() - begun


def test_one_thing_is_done_to_many_or_to_nobody(db: Engine, who: World) -> None:
    made.close(db, who, "eli")
    made.support(db, who, "gus")
    many = dict.fromkeys(("ana", "eli", "gus"), SUSPECT)

    def snooze(students: Mapping[str, Opening]) -> int:
        return casebook.act_on_many(db, who["ruth"], "snooze", students, TODAY, NOW, until=TODAY + DAY, reason="A trip")

    before = everything(db)
    assert refused(lambda: snooze(many)) == ["illegal_move", "same_evidence"]
    assert everything(db) == before
    assert snooze({"ana": SUSPECT, "eli": ELSE}) == 2
    assert (case(db, "ana").state, case(db, "eli").state, case(db, "eli").round) == ("snoozed", "snoozed", 2)


def test_nobodys_case_is_taken_from_them_by_a_list(db: Engine, who: World) -> None:
    made.claim(db, who, "ana")
    assert refused(lambda: casebook.act_on_many(db, who["omar"], "claim", {"ana": SUSPECT}, TODAY, NOW)) == ["taken"]
    casebook.act_on_many(db, who["pia"], "assign", {"ana": SUSPECT}, TODAY, NOW, to=who["omar"].id)
    found = case(db)
    assert found.assignee is not None
    assert found.assignee.name == "Omar"


# -- monitoring --------------------------------------------------------------------------------------------------------


def test_a_disagreement_is_a_no_a_support_a_yes_and_a_claim_neither(db: Engine, who: World) -> None:
    for student, prediction in (("ana", "p-1"), ("eli", "p-2"), ("gus", "p-3")):
        casebook.claim(db, who["ruth"], student, 0, TODAY, NOW, opening=Opening("list", ("marks",), (prediction,)))
    made.support(db, who, "ana")
    made.support(db, who, "eli")
    made.support(db, who, "kim")
    casebook.disagree(db, who["ben"], "eli", "temporary", NOW, prediction_id="p-2")
    casebook.disagree(db, who["ben"], "eli", "temporary", NOW)
    found = casebook.reviews(db, TENANT)
    assert found.rows() == [("p-1", True), ("p-2", False)]
    assert told_reviews.overrides([], found)["available"]


def test_service_levels_are_told_of_groups_of_ten_and_never_of_fewer(db: Engine, who: World) -> None:
    students = [f"s-{number:02}" for number in range(LEAST_IN_GROUP)]
    for number, student in enumerate(students):
        made.begin(db, who, student)
        if number % 2:
            casebook.note_look(db, who["ruth"], student, NOW + 2 * DAY)
    made.begin(db, who, "few")
    groups = pl.DataFrame({"student_id": [*students, "few"], "group": ["lincoln"] * 10 + ["other"]})
    early = casebook.service_levels(db, TENANT, groups, TODAY + 3 * DAY).to_dicts()[0]
    assert (early["looked_within_5_days"], early["support_within_15_days"]) == (None, None), "there is time left"
    for student in students[::2]:
        casebook.note_look(db, who["ruth"], student, NOW + 8 * DAY)
    for student in students[:4]:
        casebook.record_contact(
            db, who["ben"], student, whom="student", channel="in_person", language="en", on=TODAY + DAY, agreed="",
            today=TODAY + DAY, now=NOW,
        )  # fmt: skip
    made.support(db, who, students[0])
    (row,) = casebook.service_levels(db, TENANT, groups, TODAY + 30 * DAY).to_dicts()
    assert row == {
        "group": "lincoln", "cases": 10, "days_to_first_look": 4.0, "looked_within_5_days": 0.5, "talked_with_student": 0.4,
        "support_within_15_days": 0.1, "reopened": None,
    }  # fmt: skip
    assert not {"teacher", "account", "staff", "by"} & set(row)
    assert casebook.service_levels(db, TENANT, groups.head(9), TODAY).is_empty()
    holidays = [TODAY + at * DAY for at in (0, 1, 8)]
    (row,) = casebook.service_levels(db, TENANT, groups, TODAY + WEEK, school_days=lambda _: holidays).to_dicts()
    assert (row["days_to_first_look"], row["looked_within_5_days"]) == (1.5, 1.0), "no day counts on which nobody taught"


def test_who_waited_on_the_list_before_anything_was_done_has_waited_since_the_list_had_them(db: Engine, who: World) -> None:
    students = [f"s-{number:02}" for number in range(LEAST_IN_GROUP)]
    listed = replace(SUSPECT, since=TODAY - WEEK)
    for student in students:
        casebook.claim(db, who["ruth"], student, 0, TODAY, NOW, opening=listed)
    groups = pl.DataFrame({"student_id": students, "group": ["lincoln"] * 10})
    (row,) = casebook.service_levels(db, TENANT, groups, TODAY).to_dicts()
    assert (row["days_to_first_look"], row["looked_within_5_days"]) == (5.0, 1.0)


@pytest.mark.full
def test_what_is_told_of_all_schools_gives_nothing_away_of_one_that_is_not_told(db: Engine, who: World) -> None:
    schools = {f"{school}-{number}": school for school, count in (("a", 12), ("b", 11), ("c", 4), ("d", 7))
               for number in range(count)}  # fmt: skip
    for student in schools:
        made.begin(db, who, student)

    def told(*some: str) -> list[tuple[str, int]]:
        here = {student: school for student, school in schools.items() if school in some}
        groups = pl.DataFrame({"student_id": list(here), "group": list(here.values())})
        return casebook.service_levels(db, TENANT, groups, TODAY + WEEK, "all").select("group", "cases").rows()

    assert told("a", "b") == [("all", 23), ("a", 12), ("b", 11)]
    assert told("a", "b", "c") == [("a", 12), ("b", 11)], "the total less both would be the third"
    assert told("a", "b", "c", "d") == [("all", 34), ("a", 12), ("b", 11)], "two are kept, of eleven together"
    for number in range(10):
        casebook.note_look(db, who["ruth"], f"a-{number}", NOW + DAY)
    whole = pl.DataFrame({"student_id": list(schools), "group": list(schools.values())})
    groups = whole.filter(pl.col("group").is_in(["a", "b"]))
    all_of, a, b = casebook.service_levels(db, TENANT, groups, TODAY + DAY, "all").to_dicts()
    assert (a["days_to_first_look"], b["days_to_first_look"]) == (1.0, None)
    assert all_of["days_to_first_look"] is None, "only the other school's are in it"


def test_a_case_that_was_opened_again_counts_as_that(db: Engine, who: World) -> None:
    students = [f"s-{number:02}" for number in range(LEAST_IN_GROUP)]
    for number, student in enumerate(students):
        made.close(db, who, student)
        if number < 3:
            casebook.reopen(db, who["ruth"], student, 2, ELSE, TODAY, NOW + WEEK)
    groups = pl.DataFrame({"student_id": students, "group": ["lincoln"] * 10})
    (row,) = casebook.service_levels(db, TENANT, groups, TODAY + WEEK).to_dicts()
    assert (row["cases"], row["reopened"]) == (13, 0.3)


# -- what is held, and its end -----------------------------------------------------------------------------------------


def test_what_is_held_is_told_as_plain_values_with_who_did_it(db: Engine, who: World) -> None:
    made.support(db, who, "ana")
    made.note(db, who, "ana")
    made.ask(db, who, "eli")
    with db.connect() as connection:
        held = casebook.export(connection, TENANT, "ana", restricted=True)
        other = casebook.export(connection, TENANT, "eli", restricted=True)
        assert casebook.export(connection, TENANT, "nobody", restricted=True)["case"] is None
    assert json.loads(json.dumps(held)) == held
    assert held["case"]["state"] == "support_active"
    assert held["notes"][0]["revisions"][0]["text"] == "Talked at the gate."
    assert (held["supports"][0]["by"], held["supports"][0]["begins_on"]) == ("Ruth", TODAY.isoformat())
    assert [one["action"] for one in held["moves"]] == ["start_support", "open"]
    assert (other["steps"][0]["who"], other["steps"][0]["text"]) == ("Ben", "Was the bus late?")


def test_erasing_a_student_leaves_nothing_of_them_and_everything_of_others(db: Engine, who: World) -> None:
    before = {name: rows for name, rows in everything(db).items() if not name.startswith("trail")}
    for act in (made.support, made.note, made.step):
        act(db, who, "ana")
    made.ask(db, who, "gus")
    for name in ("casebook.record_contact", "casebook.disagree"):
        ACTIONS[name][1](db, who, "ana")
    others = file_of(db, TENANT, "gus")
    with writing(db) as connection:
        assert casebook.erase(connection, TENANT, "ana") == 10
        assert casebook.erase(connection, TENANT, "ana") == 0
    assert file_of(db, TENANT, "gus") == others
    with writing(db) as connection:
        casebook.erase(connection, TENANT, "gus")
    assert {name: rows for name, rows in everything(db).items() if not name.startswith("trail")} == before


def test_every_table_of_the_casebook_is_erased_and_exported_by_name() -> None:
    theirs = {"case_told"}  # serving.cases.told keeps it: tests/serving/test_told.py
    mine = {name for name in METADATA.tables if name.startswith(("case_", "student_case"))} - theirs
    assert mine == {
        "student_case", "case_move", "case_note", "case_note_revision", "case_contact", "case_support", "case_disagreement",
        "case_step", "case_visit",
    }, "a new table has to be added to erase and to export"  # fmt: skip


# -- words -------------------------------------------------------------------------------------------------------------


def test_the_page_the_records_and_the_casebook_use_the_same_names() -> None:
    assert set(get_args(caseload.Case)) == set(STATES)
    assert set(get_args(caseload.Task)) == set(get_args(Task))
    assert set(tables.SUPPORT_RESULTS) == set(get_args(SupportResult))


# -- kills -------------------------------------------------------------------------------------------------------------


def test_no_action_is_forgotten() -> None:
    assert set(ACTIONS) == set(writers())


@pytest.fixture(scope="module")
def program() -> Iterator[Callable[[str, str, int], str]]:
    """A process that does actions in processes of their own, and kills them."""
    command = [sys.executable, made.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def kill(url: str, name: str, die_before: int) -> str:
            into.write(f"{url}\t{name}\t{die_before}\n")
            into.flush()
            return out.readline().strip()

        yield kill
        into.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def killer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str, int], str]
) -> Iterator[tuple[Engine, Callable[[str, int], str]]]:
    """A database in which every action can be done next, for a student of its own, and what does it and stops it.

    On a file the whole process dies. A server only ever notices that a connection is gone, so there that is what goes.
    """
    url = migrated_database(request.param, tmp_path_factory.mktemp("killed"))
    engine = open_database(url)
    prepare(engine)
    if request.param == "sqlite":
        yield engine, lambda name, step: program(url, name, step)
    else:
        yield engine, lambda name, step: made.cut_off(engine, name, step)
    engine.dispose()


@pytest.mark.full
@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_that_is_killed_between_any_two_statements_happens_wholly_or_not_at_all(
    name: str, killer: tuple[Engine, Callable[[str, int], str]]
) -> None:
    db, kill = killer
    before = everything(db)
    for step in range(1, 100):
        said = kill(name, step)
        if said != "killed":
            break
        assert everything(db) == before, f"something is left of an action that was killed before step {step}"
    assert said == "done"
    assert step > 3, "it was killed somewhere at least"
    after = everything(db)
    changed = {table for table in after if after[table] != before[table]}
    assert changed - {"trail", "trail_head", "trail_key"}, "the action did nothing"
    assert ("trail" in changed) == (name not in WITHOUT_TRAIL)
    assert trail.verify(db, TENANT) is None


def test_the_trail_holds_nothing_that_anybody_wrote(db: Engine, who: World) -> None:
    casebook.raise_student(db, who["ben"], "ana", "Zanzibar", TODAY, NOW)
    casebook.add_note(db, who["ruth"], "ana", "Zanzibar", TODAY, NOW)
    casebook.snooze(db, who["ruth"], "ana", 1, TODAY + DAY, "Zanzibar", TODAY, NOW)
    casebook.disagree(db, who["ruth"], "ana", "other", NOW, reason="Zanzibar")
    rows = everything(db)
    assert "Zanzibar" not in repr(rows["trail"])
    assert "ana" not in repr([row[5:] for row in rows["trail"]])
    with db.connect() as connection:
        assert connection.execute(select(func.count()).select_from(TRAIL)).scalar_one() == 4

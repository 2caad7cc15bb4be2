"""The page of one student: who sees what of it, what the charts count, and why a score is said to have moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any, cast

import example_school as school
import polars as pl
import pytest
from example_school import plus
from postgres import migrated_database
from sqlalchemy import Engine
from student_examples import DAYS

from features.norms import Norms
from features.problems import NotFound
from features.records import SchoolRecords
from serving import lists
from serving.batch import SCHEMA
from serving.cases import casebook, switches
from serving.cases.access import visible
from serving.cases.database import open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import ACCOUNTS
from serving.pages import charts
from serving.pages.contexts.frame import Frame, Reader
from serving.pages.contexts.student import Student
from serving.pages.render import STYLE, Pages
from serving.pages.words import open_words
from serving.review import moved, student
from serving.review.room import Asked, Room
from serving.review.settings import ReviewSettings
from serving.store import Latest, Store

WORDS = open_words()
TODAY = school.TODAY
NOW = datetime(2026, 11, 13, 15, 30, tzinfo=UTC)
BEFORE = date(2026, 10, 30)


def _account(name: str, role: Any, person: str) -> Account:
    return Account(name, "default", name, name.title(), role, person, None)


RUTH, IDA, PAT = (
    _account(*one) for one in (("ruth", "teacher", "T-1"), ("ida", "counselor", "C-1"), ("pat", "principal", "P-1"))
)
ANA, MUM = _account("ana", "student", "ana"), _account("mum", "guardian", "G-1")
EVERYBODY = (RUTH, IDA, PAT, ANA, MUM)


def _rows(*rows: Mapping[str, object]) -> pl.DataFrame:
    return pl.DataFrame([dict(one) for one in rows])


def frames() -> school.Frames:
    """Return the example school with its staff, and what Ana wrote, has and may not be without."""
    since = date(2026, 9, 1)
    said = [("proud_of", "my maps", "my_teachers"), ("nervous_or_stressed", "the bus", "my_counselor"),
            ("other_share", "a secret", "only_me")]  # fmt: skip
    return {
        **school.tables(),
        "teaching": _rows({"staff_id": "T-1", "section_id": "algebra-autumn"}),
        "staff_roles": _rows(*({"staff_id": who, "organisation_id": "lincoln", "role": role} for who, role in
                               (("T-1", "teacher"), ("C-1", "counselor"), ("P-1", "principal")))),
        "guardians": _rows({"student_id": "ana", "guardian_id": "G-1", "name": "Mum", "contact_restriction": None}),
        "student_voice": _rows(*({"student_id": "ana", "prompt": prompt, "says": says, "shared_with": whom,
                                  "recorded_on": since} for prompt, says, whom in said)),
        "photos": _rows({"student_id": "ana", "path": "photos/ana.png", "consent": True, "consented_on": since}),
        "plans": _rows({"plan_id": "p", "student_id": "ana", "plan_kind": "health_plan", "begins_on": since}),
        "accommodations": _rows({"student_id": "ana", "accommodation": "time", "says": "Give more time."}),
        "supports": _rows({"support_id": "s", "student_id": "ana", "enrolment_id": "ana-autumn",
                           "intervention_id": "mentor_success", "begins_on": since}),
    }  # fmt: skip


@cache
def records() -> SchoolRecords:
    return replace(SchoolRecords.from_frames(frames()), digest="the example school of the student page")


def row(target: str, band: str, probability: float, concept: str = "attendance", **other: Any) -> dict[str, Any]:
    reason = {"concept": concept, "feature": "x", "value": 1.0, "contribution": 0.4, "text": f"The student has {concept}."}
    return {
        **dict.fromkeys(SCHEMA), "prediction_id": f"p-{target}", "student_id": "ana", "target": target,
        "enrolment_id": "ana-autumn", "as_of": TODAY, "status": "scored", "band": band, "probability": probability,
        "interval_low": probability / 2, "interval_high": probability, "per_100": f"Of 100 {target}.", "reasons": [reason],
        "strengths": [], "unknowns": ["Online activity is not in the records."], "model_version": "2", **other,
    }  # fmt: skip


ROWS = (
    row("dropout", "check_in_suggested", 0.31, "history"),
    row("chronic_absence", "keep_an_eye", 0.5),
    row("course_failure", "check_in_suggested", 0.62, "coursework", section_id="algebra-autumn"),
    row("course_failure", "no_extra_signal", 0.02, "marks", section_id="reading-autumn"),
    row("learning_gap", "no_extra_signal", 0.2, "skills", section_id="algebra-autumn", skill_id="ratios"),
)
CARD = {"metrics": {"precision_at_capacity": 0.31, "recall_at_capacity": 0.44}, "test": {"to": "2026-01-26"}}


@pytest.fixture
def db(tmp_path: Path) -> Engine:
    engine = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(engine, "default")
    with writing(engine) as connection:
        for one in EVERYBODY:
            connection.execute(ACCOUNTS.insert().values(
                id=one.id, tenant_id="default", login=one.login, name=one.name, role=one.role, language="en", password_hash="",
                created_at=NOW, failed_attempts=0, person_id=one.person_id,
            ))  # fmt: skip
    return engine


def kept(store: Store, day: date, *rows: Mapping[str, Any]) -> None:
    """Keep a list of a day."""
    folder = lists.folder_of(store)
    folder.mkdir(parents=True, exist_ok=True)
    note: dict[str, Any] = {"token": f"t{day}", "pass_mark": None, "promised": {}}
    frame = pl.DataFrame([{**one, "as_of": day} for one in rows], schema=dict(SCHEMA)).select(lists.COLUMNS)
    frame.write_parquet(folder / f"{day}-x.parquet", metadata={"homeroom": json.dumps(note)})


@pytest.fixture
def room(db: Engine, tmp_path: Path) -> Room:
    return room_of(db, tmp_path, ROWS)


def room_of(db: Engine, folder: Path, rows: tuple[Mapping[str, Any], ...], desk: Any = None) -> Room:
    store = Store(folder)
    pl.DataFrame(list(rows), schema=dict(SCHEMA)).write_parquet(folder / "scored.parquet")
    kept(store, TODAY, *rows)
    latest = Latest(TODAY, TODAY, {}, {}, "t", {}, "scored.parquet")
    desk = desk or SimpleNamespace(model_card=lambda *_: CARD)
    return Room("default", db, store, records(), latest, cast(Any, desk), WORDS, ReviewSettings())


def asked(account: Account, whose: str = "ana", of: SchoolRecords | None = None, **query: str) -> Asked:
    frame = Frame(school="", reader=Reader(name=account.name, role=account.role), places=(), csrf="t", saved=(), refused=(),
                  safeguarding="", languages=())  # fmt: skip
    seen = visible(of or records(), account, TODAY)
    return Asked(
        cast(Any, SimpleNamespace(account=account)), seen, frame, WORDS["en"], TODAY, NOW, {"student_id": whose}, query
    )


def page(room: Room, account: Account, **query: str) -> Student:
    return student.page(room, asked(account, of=room.records, **query))


@cache
def pages() -> Pages:
    return Pages(WORDS["en"])


# -- who sees what ------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_students_own_words_reach_those_for_whom_they_were_written(room: Room) -> None:
    found = {one.role: [said.text for said in page(room, one).voice] for one in EVERYBODY}
    assert found == {"teacher": ["my maps"], "counselor": ["my maps", "the bus"], "principal": [],
                     "student": ["my maps", "the bus", "a secret"], "guardian": []}  # fmt: skip


@pytest.mark.full
def test_leaving_and_figures_are_in_the_page_of_a_counselor_and_of_nobody_else(room: Room) -> None:
    for who in EVERYBODY:
        found = page(room, who)
        told: list[Any] = [*found.says, *found.past, *found.cards, *found.changes]
        areas = {one.area for one in told}
        html = pages().render(found)
        assert ("leaving" in areas) == (who is IDA)
        assert ("Of 100 dropout." in html) == (who is IDA)
        assert bool(found.numbers) == found.shows_numbers == (who is IDA)
        assert ("31 of 100" in html) == (who is IDA)
        assert "history" not in {one.concern for one in found.reasons} or who is IDA


@pytest.mark.full
def test_plans_notes_and_forms_follow_rights(room: Room) -> None:
    for who in EVERYBODY:
        found = page(room, who)
        assert bool(found.owed) == (who is not RUTH)
        assert found.accommodations == ("Give more time.",)
        assert (found.case_work is None) == (who in (ANA, MUM))
        assert found.reads == {"student": "student", "guardian": "family"}.get(who.role, "staff")
        assert [one.name for one in found.supports] == ["A mentor at school"]
    assert "claim" not in page(room, RUTH).case_work.forms  # type: ignore[union-attr]
    assert {"note", "raise"} <= set(page(room, RUTH).case_work.forms)  # type: ignore[union-attr]


def test_reasons_are_three_at_most_each_of_another_concept_and_each_chart_is_drawn_once(room: Room) -> None:
    found = page(room, IDA)
    assert [(one.concern, one.chart) for one in found.reasons] == [
        ("history", None), ("coursework", "coursework"), ("attendance", "attendance"),
    ]  # fmt: skip
    assert found.others == ("marks",)
    assert found.reasons[0].text == "Ana has history."
    assert found.quiet == ("Reading",)
    assert [one.area for one in found.says] == ["leaving", "course", "attendance", "skills"]
    assert [one.area for one in page(room, RUTH).says] == ["course", "attendance", "skills"]
    assert found.help is not None
    assert next(one.what for one in found.help.options if one.intervention_id == "conversation").startswith("Ask Ana")


@pytest.mark.full
def test_who_can_see_the_student_is_told_and_a_family_is_told_of_no_other_guardian(room: Room) -> None:
    assert {one.stands for one in page(room, IDA).viewers} == {"teacher", "counselor_of_school", "principal", "the_student",
                                                               "a_guardian"}  # fmt: skip
    assert "a_guardian" not in {one.stands for one in page(room, ANA).viewers}


@pytest.mark.full
def test_a_photo_is_shown_from_its_own_folder_where_it_was_agreed_to(room: Room) -> None:
    assert not page(room, IDA).person.photo
    (room.store.folder / "photos").mkdir()
    (room.store.folder / "photos" / "ana.png").write_bytes(b"picture")
    assert page(room, IDA).person.photo
    assert student.photo(room, asked(IDA)).content == b"picture"
    elsewhere = plus(frames(), "photos", {"student_id": "ana", "path": "photos/../secret.png", "consent": True,
                                          "consented_on": TODAY, "known_on": TODAY})  # fmt: skip
    (room.store.folder / "secret.png").write_bytes(b"no picture")
    other = replace(room, records=SchoolRecords.from_frames(elsewhere))
    with pytest.raises(NotFound):
        student.photo(other, asked(IDA, of=other.records))


def test_the_card_about_leaving_is_for_those_who_read_what_is_said_of_it(room: Room) -> None:
    for who in (RUTH, MUM):
        with pytest.raises(NotFound):
            student.card(room, replace(asked(who), parts={"area": "leaving"}))
    with pytest.raises(NotFound):
        student.card(room, replace(asked(IDA), parts={"area": "dropout"}))


# -- where there is no score --------------------------------------------------------------------------------------------


@pytest.mark.full
def test_where_nothing_is_scored_the_page_says_why_and_shows_the_facts(room: Room, db: Engine) -> None:
    assert page(room, IDA).no_score is None
    switches.stop(db, "default", None, "lincoln", "a review", NOW)
    stopped = page(room, IDA)
    assert (stopped.no_score, stopped.says, stopped.reasons, stopped.numbers) == ("stopped", (), (), ())
    assert stopped.help is not None
    assert stopped.help.options == ()
    assert stopped.calendar is not None
    assert stopped.others == ("attendance", "coursework", "marks")
    switches.start(db, "default", None, "lincoln", NOW)
    no = _rows({"student_id": "ana", "recorded_on": BEFORE, "scope": "profiling"})
    objected = replace(room, records=SchoolRecords.from_frames({**frames(), "objections": no}))
    assert page(objected, IDA).no_score == "objected"
    assert page(replace(room, latest=None), IDA).no_score == "no_list"


@pytest.mark.full
def test_a_student_whom_the_list_leaves_out_is_said_to_be_left_out(db: Engine, tmp_path: Path) -> None:
    other = tuple({**one, "student_id": "ben"} for one in ROWS)
    found = page(room_of(db, tmp_path, other), IDA)
    assert found.no_score == "not_on_list"
    assert pages().render(found)


# -- the facts ----------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_attendance_is_counted_as_the_features_count_it_until_the_last_day_on_record(room: Room) -> None:
    chart = page(room, RUTH).calendar
    assert chart is not None
    # Two days taught in hospital and one online are no absences; today's is known tomorrow.
    assert (chart.absent, chart.part, chart.unknown) == (4, 3, 0)
    # Of the 12th nothing is on record of anybody.
    assert chart.last == date(2026, 11, 11)
    assert chart.taught == chart.present + chart.part + chart.absent == len(chart.cells)
    assert sum(one is not None for week in chart.weeks for one in week.days) == len(chart.cells)


@pytest.mark.full
def test_days_after_the_last_record_of_anybody_are_not_taken_for_days_at_school(room: Room) -> None:
    early = frames()
    early["attendance"] = early["attendance"].filter(pl.col("on") <= date(2026, 10, 9))
    chart = page(replace(room, records=SchoolRecords.from_frames(early)), RUTH).calendar
    assert chart is not None
    assert chart.last <= date(2026, 10, 9)


@pytest.mark.full
def test_work_is_counted_by_how_it_came_in(room: Room) -> None:
    chart = page(room, RUTH).work
    assert chart is not None
    found = {one.course: (one.on_time, one.late, one.not_in, one.other, one.not_due) for one in chart.lines}
    assert found == {"Algebra": (2, 1, 1, 0, 2), "Reading": (1, 0, 0, 0, 1)}


@pytest.mark.parametrize(
    ("due", "handed", "status", "state"),
    [(TODAY, None, None, "not_due"), (None, None, None, "not_due"), (BEFORE, None, None, "not_in"),
     (BEFORE, BEFORE, None, "on_time"), (BEFORE, TODAY, "graded", "late"), (BEFORE, None, "graded", "in"),
     (BEFORE, None, "exempt", "excused"), (BEFORE, None, "not_submitted", "not_in")],
)  # fmt: skip
def test_a_piece_of_work_is_in_only_where_the_records_say_so(due: Any, handed: Any, status: Any, state: str) -> None:
    assert student._piece(due, handed, status, TODAY) == state


@pytest.mark.full
def test_marks_stand_beside_the_own_earlier_ones_and_the_middle_of_a_class_of_ten(room: Room) -> None:
    chart = page(room, RUTH).marks
    assert chart is not None
    algebra = next(one for one in chart.lines if one.course == "Algebra")
    assert (algebra.now, algebra.earlier) == (58, 73)
    marks = school.tables()["course_marks"].filter(
        (pl.col("section_id") == "algebra-autumn") & (pl.col("term_id") == "autumn-1")
    )
    assert marks["student_id"].n_unique() >= 10
    assert algebra.middle == round(100 * cast(float, marks["mark_share"].median()))
    few = frames()
    few["course_marks"] = few["course_marks"].filter(pl.col("student_id").is_in(school.STUDENTS[:9]))
    smaller = page(replace(room, records=SchoolRecords.from_frames(few)), RUTH).marks
    assert smaller is not None
    assert {one.middle for one in smaller.lines} == {None}


@pytest.mark.full
def test_what_there_is_at_home_is_unknown_where_nobody_said_and_is_never_a_reason(room: Room) -> None:
    found = page(room, IDA).home
    assert found is not None
    assert (found.device, found.internet) == ("shared", "mobile_only")
    silent = replace(
        room, records=SchoolRecords.from_frames({**frames(), "digital_access": frames()["digital_access"].clear()})
    )
    unknown = page(silent, IDA).home
    assert unknown is not None
    assert (unknown.device, unknown.internet, unknown.on) == ("unknown", "unknown", None)


def test_every_day_has_its_cell_and_no_two_cells_stand_on_one_another() -> None:
    chart = charts.calendar(DAYS)
    assert chart is not None
    assert len({(one.x, one.y) for one in chart.cells}) == len(DAYS) == len(chart.cells)
    assert all(0 <= one.x <= chart.width - charts.STEP and 0 <= one.y <= chart.height - charts.STEP for one in chart.cells)
    assert charts.calendar({}) is None


# -- why it moved -------------------------------------------------------------------------------------------------------


def changed(room: Room, *, version: str = "2", probability: float = 0.3, why: str = "1") -> Student:
    before = [{**one, "probability": probability, "band": "keep_an_eye", "model_version": version} for one in ROWS]
    kept(room.store, BEFORE, *before)
    return page(room, IDA, why=why)


@pytest.mark.full
def test_a_change_by_the_same_model_without_late_rows_is_what_happened_since(room: Room) -> None:
    found = {one.area: one for one in changed(room).changes}
    assert set(found) == {"leaving", "course", "attendance"}
    assert [(part.cause, part.pull, part.points) for part in found["attendance"].parts] == [
        ("did", "more", 20.0), ("late", "nothing", None), ("model", "nothing", None),
    ]  # fmt: skip
    assert found["course"].course == "Algebra"
    words = {one.area: one for one in page(room, RUTH).changes}
    assert {part.points for one in words.values() for part in one.parts} == {None}
    assert "leaving" not in words


@pytest.mark.full
def test_what_happened_between_the_lists_is_counted(room: Room) -> None:
    since = changed(room).since
    assert since is not None
    # In hospital or online counts as the features count it; a4 and a half day, then two whole days.
    assert (since.missed, since.handed_in, since.came_due, since.arrived_late) == (2.5, 1, 1, 0)


@pytest.mark.full
def test_without_the_old_model_nobody_can_tell_and_nothing_is_guessed(room: Room) -> None:
    parts = changed(room, version="1").changes[0].parts
    assert [(part.cause, part.pull, part.points) for part in parts] == [
        ("did", "unknown", None), ("late", "nothing", None), ("model", "unknown", None),
    ]  # fmt: skip


@pytest.mark.full
def test_what_arrived_late_is_not_told_as_what_the_student_did(room: Room) -> None:
    late = plus(frames(), "attendance", {"student_id": "ana", "enrolment_id": "ana-autumn", "on": date(2026, 10, 20),
                                         "status": "absent", "absent_share": 1.0, "known_on": date(2026, 11, 5)})  # fmt: skip
    with_late = replace(room, records=SchoolRecords.from_frames(late))
    found = changed(with_late)
    assert found.since is not None
    assert found.since.arrived_late == 1
    assert {part.pull for part in found.changes[0].parts if part.cause != "model"} == {"unknown"}


@pytest.mark.full
def test_what_takes_models_a_moment_is_worked_out_when_somebody_asks(room: Room) -> None:
    waits = changed(room, version="1", why="")
    assert (waits.ask_why, waits.changes) == (True, ())
    assert "why=1" in pages().render(waits)
    at_once = changed(room, why="")
    assert not at_once.ask_why
    assert at_once.changes


class Fake:
    """A model that says what share of ten is missed by a count of its own."""

    def __init__(self, says: float) -> None:
        self.says = says
        self.target = SimpleNamespace(unit="enrolment", name="chronic_absence")
        self.catalog = SimpleNamespace(at=lambda _: SimpleNamespace(names=()))


@pytest.mark.full
def test_the_three_parts_add_up_to_the_whole_change(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    late = plus(frames(), "attendance", {"student_id": "ana", "enrolment_id": "ana-autumn", "on": date(2026, 10, 20),
                                         "status": "absent", "absent_share": 1.0, "known_on": date(2026, 11, 5)})  # fmt: skip
    mine = SchoolRecords.from_frames(late)
    desk = SimpleNamespace(model_card=lambda *_: CARD, model=lambda *_: Fake(0.3))
    both = replace(room, records=mine, desk=cast(Any, desk))

    def again(records: SchoolRecords, *_: object) -> dict[moved.Key, float]:
        known = records.visible("attendance", [BEFORE]).filter(pl.col("student_id") == "ana").collect()
        there = date(2026, 10, 20) in known["on"].to_list()
        return {("chronic_absence", "ana-autumn", None, None): 0.34 if there else 0.3}

    monkeypatch.setattr(moved, "_again", again)
    monkeypatch.setattr(moved, "_norms_of", lambda *_: {"enrolment": Norms.none()})
    monkeypatch.setattr(moved, "_by_old_model", lambda *_: 0.42)
    found = {one.area: one for one in changed(both, version="1").changes}["attendance"]
    assert {part.cause: part.points for part in found.parts} == {"late": 4.0, "model": 8.0, "did": 8.0}


def test_records_as_if_known_differ_only_in_what_arrived_late() -> None:
    late = plus(frames(), "attendance", {"student_id": "ana", "enrolment_id": "ana-autumn", "on": date(2026, 10, 20),
                                         "status": "absent", "absent_share": 1.0, "known_on": date(2026, 11, 5)})  # fmt: skip
    with_late, without = SchoolRecords.from_frames(late), records()
    assert with_late.arrived_late(BEFORE, TODAY) == 1
    assert without.arrived_late(BEFORE, TODAY) == 0
    then = with_late.as_if_known(BEFORE, TODAY)
    for name in ("attendance", "results", "submissions"):
        was, would, is_now = (one.visible(name, [BEFORE]).collect().height for one in (without, then, with_late))
        assert was == is_now
        assert would == was + (name == "attendance")


# -- what adults do -----------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_notes_are_cut_until_they_are_opened_and_restricted_ones_reach_counselors_alone(room: Room, db: Engine) -> None:
    long = casebook.add_note(db, RUTH, "ana", "x" * 2_000, TODAY, NOW)
    casebook.add_note(db, IDA, "ana", "for counselors", TODAY, NOW + timedelta(minutes=1), restricted=True)
    work = page(room, IDA).case_work
    assert work is not None
    assert [one.restricted for one in work.notes] == [True, False]
    assert (work.notes[1].cut, len(work.notes[1].wordings[0].text)) == (True, student.MOST_SIGNS)
    mine = page(room, RUTH, note=long).case_work
    assert mine is not None
    assert [(one.opened, one.cut, len(one.wordings[0].text)) for one in mine.notes] == [(True, False, 2_000)]
    assert "for counselors" not in pages().render(page(room, RUTH))


@pytest.mark.full
def test_what_is_older_than_a_school_year_is_hidden_until_somebody_entitled_asks(room: Room, db: Engine) -> None:
    casebook.add_note(db, IDA, "ana", "long ago", date(2024, 10, 1), datetime(2024, 10, 1, 9, tzinfo=UTC))
    casebook.add_note(db, IDA, "ana", "now", TODAY, NOW)
    told = [(one.older, [note.latest.text for note in one.notes]) for who in (IDA, RUTH) if (one := page(room, who).case_work)]
    assert told == [(1, ["now"]), (0, ["now"])]
    shown = [[note.latest.text for note in one.notes] for who in (IDA, RUTH) if (one := page(room, who, older="1").case_work)]
    assert shown == [["now", "long ago"], ["now"]]


@pytest.mark.full
def test_forms_are_those_whose_move_is_possible_now(room: Room, db: Engine) -> None:
    fresh = page(room, IDA).case_work
    assert fresh is not None
    assert (fresh.state, fresh.version) == (None, 0)
    assert not {"answer", "resume", "reopen", "end_support"} & set(fresh.forms)
    casebook.raise_student(db, RUTH, "ana", "She seems tired.", TODAY, NOW)
    begun = page(room, IDA).case_work
    assert begun is not None
    assert begun.state == "new"
    assert {"claim", "snooze", "close"} <= set(begun.forms)
    assert not {"answer", "resume", "end_support"} & set(begun.forms)


@pytest.mark.full
def test_what_was_typed_into_a_refused_form_stands_in_it_again(room: Room) -> None:
    form = {"form": ("note",), "text": ("She came late.",), "task": ("talk",), "due_on": ("soon",), "restricted": ("1",)}
    found = student.page(room, replace(asked(IDA), form=form))
    html = pages().render(found)
    assert "She came late.</textarea>" in html
    assert 'value="soon"' in html
    assert '<option value="talk" selected>' in html
    assert 'name="restricted" value="1" checked' in html


def test_every_form_says_where_each_of_its_fields_stands_again() -> None:
    assert set(student.TYPED) == set(student.FORMS)


# -- in the reader's language -------------------------------------------------------------------------------------------


def retold(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what is needed to say it in any language."""
    fact = ["fact.says", {"fact": ["feature.missing.says", {"value": 3.0}]}]
    says = ["per_100.says", {"earlier": ["per_100.years", {}], "happened": 31, "others": 69,
                             "had_it": [f"outcome.{one['target']}.happened", {}],
                             "did_not": [f"outcome.{one['target']}.did_not", {}]}]  # fmt: skip
    told = {"reasons": [[fact]], "strengths": [], "unknowns": [["concept.engagement.unknown", {}]], "per_100": says}
    return {**one, "told": json.dumps(told)}


@pytest.mark.full
def test_a_spanish_page_says_every_fact_in_spanish_and_one_of_an_older_list_says_that_it_is_english(
    db: Engine, tmp_path: Path
) -> None:
    in_spanish = Pages(WORDS["es"])
    for rows, marked in ((tuple(map(retold, ROWS)), False), (ROWS, True), ((*map(retold, ROWS[1:]), ROWS[0]), True)):
        found = student.page(room_of(db, tmp_path, rows), replace(asked(IDA), words=WORDS["es"]))
        html = in_spanish.render(found)
        assert ('lang="en"' in html) is marked
        assert ("Ana tiene 3 trabajos vencidos sin entregar." in html) is not marked
        assert ("De 100 estudiantes con un patrón parecido en años anteriores, cerca de 31 se fueron" in html) is not marked
        assert ("La actividad en línea no está en los registros, así que no se cuenta." in html) is not marked
        assert "The student" not in html


# -- how large and how quick --------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_page_takes_under_100_ms_and_100_kb(room: Room, db: Engine) -> None:
    for at in range(40):
        casebook.add_note(db, IDA, "ana", f"Note {at} " + "of many words " * 200, TODAY, NOW)
    changed(room)
    took = []
    for _ in range(5):
        started = process_time()
        html = pages().render(page(room, IDA))
        took.append(process_time() - started)
    assert len(html.encode()) + len(STYLE) < 100_000
    assert min(took) < 0.1

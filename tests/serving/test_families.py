"""What a student or a family may ask for: objection, correction, whom the school does not reach, and everything held."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import example_school
import models
import polars as pl
import pytest
import test_access
from postgres import BOTH, migrated_database

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from features.tables import TABLES
from features.validation import Reading
from serving import batch, family_export, intake
from serving.cases import families, offers, told, trail
from serving.cases.access import Visible, read, visible
from serving.cases.database import Database, open_database
from serving.cases.families import (
    Correction,
    ask_correction,
    decide_correction,
    disputed,
    object_to_scoring,
    objected,
    restrict_contact,
    withdraw_objection,
)
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.intake import Change, Door, keep, laid
from serving.rescoring import rescore, take_into_records
from serving.rules import rule_list
from serving.store import Store
from serving.withheld import NOBODY, SAYS, Withheld

ROOT = Path(__file__).resolve().parents[2]
TODAY = example_school.TODAY
NOW = datetime(2026, 11, 13, 9, tzinfo=UTC)
MOTHER = Account("m1", "default", "maria", "Maria Ruiz", "guardian", "g-ana", None)
ANA = Account("s1", "default", "ana", "Ana Ruiz", "student", "ana", None)
CORA = Account("c1", "default", "cora", "Cora Diaz", "counselor", "cora", None)


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    engine = open_database(migrated_database(request.param, tmp_path))
    create_tenant(engine, "default")
    yield engine
    engine.dispose()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Database]:
    engine = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(engine, "default")
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.of(tmp_path / "home", "default")


# -- objection --------------------------------------------------------------------------------------------------------


def test_an_objection_is_in_force_until_the_family_takes_it_back(db: Database) -> None:
    made = object_to_scoring(db, "default", "ana", NOW, by=MOTHER)
    assert (made.account_id, made.role, made.recorded_at, made.in_force) == ("m1", "guardian", NOW, True)
    assert object_to_scoring(db, "default", "ana", NOW + timedelta(days=1), by=ANA) == made
    assert objected(db, "default") == {"ana"}
    assert objected(db, "lincoln") == frozenset()
    withdraw_objection(db, "default", "ana", NOW + timedelta(days=2), by=MOTHER)
    assert objected(db, "default") == frozenset()
    assert [one.in_force for one in families.objections(db, "default", "ana")] == [False]
    with pytest.raises(NotFound):
        withdraw_objection(db, "default", "ana", NOW, by=MOTHER)
    assert [one.action for one in trail.who_viewed(db, "default", "ana")] == ["objection_withdrawn", "objected"]


def test_an_objection_without_an_account_says_who_brought_it(lite: Database) -> None:
    with pytest.raises(Refused):
        object_to_scoring(lite, "default", "ana", NOW, by=None)
    assert object_to_scoring(lite, "default", "ana", NOW, by=None, said_by="the mother, by letter").said_by


def test_an_objection_in_the_records_counts_whatever_day_the_list_is_of(lite: Database) -> None:
    no = {"student_id": "ana", "recorded_on": TODAY, "scope": "profiling", "withdrawn_on": None}
    school = test_access.the_school()
    for rows, day, found in (
        ([no], TODAY - timedelta(days=90), {"ana"}),
        ([{**no, "known_on": TODAY}], TODAY - timedelta(days=90), {"ana"}),
        ([{**no, "withdrawn_on": TODAY}], TODAY, set()),
        ([{**no, "withdrawn_on": TODAY}], TODAY - timedelta(days=1), {"ana"}),
        ([{**no, "scope": "photo"}], TODAY, set()),
    ):
        records = test_access.records({**school, "objections": rows})
        assert NOBODY.with_records(records, day).objected == found
    object_to_scoring(lite, "default", "ben", NOW, by=ANA)
    held = Withheld.of(lite, "default", test_access.records({**school, "objections": [no]}), TODAY)
    assert held.objected == {"ana", "ben"}


def example(objecting: str = "") -> SchoolRecords:
    """Return the example school, with an objection in its own records."""
    frames = example_school.tables()
    if objecting:
        frames["objections"] = pl.DataFrame({"student_id": [objecting], "recorded_on": [TODAY], "scope": ["profiling"]})
    return example_school.records(frames)


@pytest.mark.full
def test_students_who_objected_are_never_in_a_list_as_scored(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = batch.run(example("ben"), models.trained(), TODAY, store, out, withheld=Withheld(frozenset({"ana"})))
    rows = pl.read_parquet(out)
    objecting = pl.col("student_id").is_in(["ana", "ben"])
    theirs, others = rows.filter(objecting), rows.filter(~objecting)
    assert set(theirs["student_id"]) == {"ana", "ben"}
    assert set(theirs["target"]) == {model.target.name for model in models.trained()}
    assert set(theirs["status"]) == {"objected"}
    assert set(theirs["status_reason"]) == {SAYS["objected"]}
    for name in ("probability", "interval_low", "interval_high", "expected", "raw", "per_100"):
        assert theirs[name].is_null().all()
    assert theirs["reasons"].list.len().max() == theirs["strengths"].list.len().max() == 0
    assert set(theirs["band"]) == {"not_enough_data"}
    assert "objected" not in set(others["status"])
    assert done.counts["dropout"]["objected"] == 2
    for part in store.folder.rglob("features-*.parquet"):  # not even a feature was computed
        assert not set(pl.read_parquet(part)["student_id"]) & {"ana", "ben"}


def test_students_who_objected_are_in_the_published_list_without_a_word() -> None:
    rows = rule_list(example("ben"), TODAY, withheld=Withheld(frozenset({"ana"}))).frame
    theirs = rows.filter(pl.col("student_id").is_in(["ana", "ben"]))
    assert theirs.height == 2
    assert set(theirs["status"]) == {"objected"}
    assert theirs["indicators_met"].is_null().all()
    assert theirs["reasons"].list.len().max() == 0


@pytest.mark.full
def test_an_objection_silences_every_request_about_the_student(store: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    models.score_school(example_school.records(), models.trained(), TODAY, home)
    opened = models.desk_of(home, models.trained())
    shelf = opened._shelf("default")
    opened._shelves["default"] = replace(shelf, withheld=Withheld(frozenset({"ana"})))
    stored: Any = opened.score_stored(["ana", "ben"], "default", "counselor")["scores"]
    body = models.body_of(example_school.records(), ["ana", "ben"], TODAY)
    sent: Any = opened.score(body, "default", "counselor")["scores"]
    for answers in (stored, sent):
        ana, ben = answers
        assert {one["status"] for one in (*ana["risks"], *ana["gaps"])} == {"objected"}
        assert {one["headline"] for one in ana["risks"]} == {"Not scored"}
        assert ana["recommendations"] == []
        assert not any("probability" in one for one in (*ana["risks"], *ana["gaps"]))
        assert "objected" not in {one["status"] for one in ben["risks"]}
    # One who had objected when the list was made is found on it, too.
    batch.run(example("ana"), models.trained(), TODAY, Store.of(home, "default"), tmp_path / "again.parquet")
    opened = models.desk_of(home, models.trained())
    stored = opened.score_stored(["ana"], "default", "teacher")["scores"]
    assert {one["status"] for one in stored[0]["risks"]} == {"objected"}


# -- correction -------------------------------------------------------------------------------------------------------

KEY = {"enrolment_id": "ana-autumn", "on": "2026-11-11"}


def asked(db: Database, records: SchoolRecords, value: str = "false", by: Account = MOTHER, **over: Any) -> Correction:
    told = {"table": "attendance", "key": KEY, "column": "exclusion", "value": value, "why": "She was at the dentist.", **over}
    return ask_correction(db, records, "ana", now=NOW, today=TODAY, by=by, **told)


def decided(db: Database, correction: Correction, accepted: bool = True, by: Account = CORA, day: date = TODAY) -> Correction:
    return decide_correction(db, "default", correction.id, accepted, "" if accepted else "The log says so.", NOW, day, by=by)


def test_a_correction_is_decided_within_a_month_by_a_named_person(db: Database) -> None:
    records = example_school.records()
    one = asked(db, records)
    assert (one.was, one.value, one.state, one.due_on) == ("true", "false", "open", date(2026, 12, 13))
    assert one.key == {"student_id": "ana", **KEY}
    for other in (MOTHER, replace(ANA, id="s2")):
        with pytest.raises(Refused, match="member of staff"):
            decided(db, one, by=other)
    with pytest.raises(Refused, match="reason"):
        decide_correction(db, "default", one.id, False, " ", NOW, TODAY, by=CORA)
    done = decided(db, one, accepted=False)
    assert (done.state, done.decided_name, done.decided_on, done.reason) == ("refused", "Cora Diaz", TODAY, "The log says so.")
    with pytest.raises(Refused, match="before"):
        decided(db, one)
    assert [each.action for each in trail.who_viewed(db, "default", "ana")] == ["correction_refused", "correction_asked"]
    assert trail.verify(db, "default") is None


def test_a_record_that_is_disputed_carries_a_note_of_it(lite: Database) -> None:
    records = example_school.records()
    one = asked(lite, records)
    (note,) = disputed(lite, "default", "ana")
    row = {"student_id": "ana", "enrolment_id": "ana-autumn", "on": date(2026, 11, 11)}
    assert note.about("attendance", row)
    assert not note.about("attendance", {**row, "on": date(2026, 11, 10)})
    assert not note.about("results", row)
    decided(lite, one, accepted=False)
    assert disputed(lite, "default", "ana")  # the family's word stays beside it
    decided(lite, asked(lite, records))
    assert len(disputed(lite, "default", "ana")) == 1


@pytest.mark.parametrize(
    ("over", "code"),
    [({"table": "sections"}, "correction_table"), ({"key": {"on": "2026-11-11"}}, "correction_key"),
     ({"column": "on"}, "correction_column"), ({"column": "tenant"}, "correction_column"),
     ({"value": "perhaps"}, "correction_value"), ({"column": "absent_share", "value": "7"}, "correction_value"),
     ({"column": "status", "value": "gone"}, "correction_value"), ({"column": "status", "value": ""}, "correction_value"),
     ({"key": {**KEY, "on": "2026-11-12"}}, "correction_row"), ({"key": {**KEY, "student_id": "ben"}}, "correction_row"),
     ({"value": "yes"}, "correction_same"), ({"why": " "}, "correction_why"),
     ({"key": {**KEY, "on": "yesterday"}}, "correction_key")],
)  # fmt: skip
def test_a_correction_that_makes_no_sense_is_refused(lite: Database, over: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(lite, example_school.records(), **over)
    assert code in {one.code for one in refused.value.problems}
    assert families.corrections(lite, "default") == ()


def reading(frames: dict[str, pl.DataFrame], digest: str = "export") -> Reading:
    return Reading(frames, (), (), digest=digest)


def says(records: SchoolRecords, day: date) -> list[Any]:
    rows = records.visible("attendance", [day]).filter(pl.col("student_id") == "ana", pl.col("on") == date(2026, 11, 11))
    return rows.collect()["exclusion"].to_list()


def with_value(frames: dict[str, pl.DataFrame], value: bool) -> dict[str, pl.DataFrame]:
    mine = (pl.col("student_id") == "ana") & (pl.col("on") == date(2026, 11, 11))
    rows = frames["attendance"].with_columns(exclusion=pl.when(mine).then(pl.lit(value)).otherwise("exclusion"))
    return {**frames, "attendance": rows}


@pytest.mark.full
def test_a_correction_survives_every_import_until_the_source_agrees_and_the_past_stays(lite: Database, store: Store) -> None:
    frames, day = example_school.tables(), date(2026, 11, 20)
    before = keep(store, reading(frames), "default", lite, TODAY).records
    assert before.digest == "export"
    one = decided(lite, asked(lite, before), day=day)
    at_once = take_into_records(store, lite, one)
    assert (says(at_once, date(2026, 11, 19)), says(at_once, day)) == ([True], [False])
    assert at_once.digest != before.digest
    assert at_once.digest == Door.of(lite, "default").digest("export")
    for again in ("export", "a later one"):
        done = keep(store, reading(frames, again), "default", lite, TODAY)
        assert (says(done.records, date(2026, 11, 19)), says(done.records, day)) == ([True], [False])
        assert (done.agreed, done.again) == ((), ())
    # A later version of the source that makes the same mistake does not take it back either.
    late = frames["attendance"].filter(pl.col("student_id") == "ana", pl.col("on") == date(2026, 11, 11))
    versions = pl.concat([frames["attendance"].with_columns(known_on=pl.col("on") + pl.duration(days=1)),
                          late.with_columns(known_on=pl.lit(date(2026, 12, 1)))])  # fmt: skip
    done = keep(store, reading({**frames, "attendance": versions}), "default", lite, TODAY)
    assert says(done.records, date(2026, 12, 2)) == [False]
    # The source says the same: the correction rests, and is laid again when the old mistake comes back.
    done = keep(store, reading(with_value(frames, False)), "default", lite, date(2026, 12, 5))
    assert done.agreed == (one.id,)
    found = families.find_correction(lite, "default", one.id)
    assert (found.state, found.agreed_on) == ("source_agrees", date(2026, 12, 5))
    assert says(done.records, TODAY) == [False]
    done = keep(store, reading(frames), "default", lite, date(2026, 12, 9))
    assert done.again == (one.id,)
    assert families.find_correction(lite, "default", one.id).state == "accepted"
    assert says(done.records, day) == [False]


def test_what_is_laid_over_a_table_changes_one_row_and_no_other() -> None:
    records = example_school.records()
    whole = records.labels("results").collect()
    key = {"student_id": "ana", "enrolment_id": "ana-autumn", "assignment_id": "a1"}
    found = laid(whole, Change("x", "results", key, "score", "18", date(2026, 11, 1)))
    assert found.height == whole.height + 1
    new = found.join(whole, on=whole.columns, how="anti", nulls_equal=True)
    assert new.select("score", "known_on").rows() == [(18.0, date(2026, 11, 1))]
    assert found.join(new, on=found.columns, how="anti", nulls_equal=True).sort(whole.columns).equals(whole.sort(whole.columns))


@pytest.mark.full
def test_an_accepted_correction_scores_the_student_again_at_once(lite: Database, tmp_path: Path) -> None:
    home = shutil.copytree(models.scored().home, tmp_path / "home")
    store, day = Store.of(home, "default"), models.TODAY
    latest = store.latest()
    assert latest
    before = store.scored(latest)
    assert before is not None
    told_of = before.filter(pl.col("target") == "course_failure", pl.col("probability").is_not_null())
    results = store.records().visible("results", [day]).filter(pl.col("score") > 50, pl.col("status") == "graded").collect()
    row = results.join(told_of, on="enrolment_id", how="semi").sort("enrolment_id", "assignment_id").row(0, named=True)
    who, key = row["student_id"], {name: row[name] for name in ("enrolment_id", "assignment_id")}
    one = ask_correction(lite, store.records(), who, "results", key, "score", "1", "It was 1.", NOW, day, by=MOTHER)
    records = take_into_records(store, lite, decided(lite, one, day=day))
    rows = rescore(store, models.trained(), records, [who], one.id, day, NOBODY)
    newest = store.latest()
    assert newest
    after = store.scored(newest)
    assert after is not None
    assert newest.token != latest.token
    mine, was = (frame.filter(pl.col("student_id") == who) for frame in (after, before))
    assert rows == mine.height == was.height
    assert set(mine["correction"]) == {one.id}
    assert after.filter(pl.col("student_id") != who).equals(before.filter(pl.col("student_id") != who))
    rows_then, rows_now = (
        store.snapshot(one, "course_failure").filter(pl.col("student_id") == who).collect() for one in (latest, newest)
    )
    assert rows_then.columns == rows_now.columns
    assert rows_then.height == rows_now.height
    assert not rows_then.equals(rows_now)  # what models read is another mark by now
    # A request about the stored student is told the same, and one with the corrected records in it.
    desk = models.desk_of(home, models.trained())
    stored: Any = desk.score_stored([who], "default", "counselor")["scores"]
    sent: Any = desk.score(models.body_of(records, [who], day), "default", "counselor")["scores"]
    assert stored == sent
    told = sorted((one["target"], one["probability"]) for one in stored[0]["risks"] if one["status"] == "scored")
    plain = mine.filter(pl.col("skill_id").is_null(), pl.col("status") == "scored")
    assert told == sorted(plain.select("target", "probability").rows())
    # And a second correction of the same student takes the place of the first.
    more = ask_correction(lite, records, who, "results", key, "score", "99", "It was 99.", NOW, day, by=MOTHER)
    again = decided(lite, more, day=day)
    rescore(store, models.trained(), take_into_records(store, lite, again), [who], again.id, day, NOBODY)
    newest = store.latest()
    assert newest
    after = store.scored(newest)
    assert after is not None
    assert set(after.filter(pl.col("student_id") == who)["correction"]) == {again.id}


# -- whom the school does not reach, and who reads what -----------------------------------------------------------------


def seen_by(records: SchoolRecords, who: Account) -> Visible:
    return visible(records, who, test_access.TODAY)


def test_a_restriction_that_staff_entered_holds_at_once_and_in_every_later_export(lite: Database, store: Store) -> None:
    rows = {**test_access.the_school(), "students": [{"student_id": "ana"}, {"student_id": "ben"}, {"student_id": "cal"}]}
    school = test_access.records(rows)
    mother = seen_by(school, test_access.MOTHER)
    assert list(mother) == ["ana"]
    one = restrict_contact(lite, "default", "ana", "g-ana", "no_contact", NOW, TODAY, by=CORA)
    held = families.restrictions(lite, "default")
    assert list(families.holding(mother, held)) == []
    counselor = seen_by(school, test_access.COUNSELOR)
    assert families.holding(counselor, held) is counselor
    known = read(school, counselor, "guardians", "ana")
    assert set(families.reachable(known, held, may_know=False)["guardian_id"]) == {"g-two"}
    told = families.reachable(known, held, may_know=True)
    assert dict(told.select("guardian_id", "contact_restriction").rows()) == {"g-ana": "no_contact", "g-two": None}
    # The next export does not know of it, and it holds all the same.
    frames = {name: school.labels(name).collect() for name in school.parts}
    records = keep(store, reading(frames), "default", lite, TODAY).records
    assert list(seen_by(records, test_access.MOTHER)) == []
    teacher = read(records, seen_by(records, test_access.TEACHER), "guardians", "ana")
    assert set(teacher["guardian_id"]) == {"g-two"}
    families.lift_restriction(lite, "default", one.id, NOW, by=CORA)
    records = keep(store, reading(frames), "default", lite, TODAY).records
    assert list(seen_by(records, test_access.MOTHER)) == ["ana"]


def test_what_is_for_nobody_is_read_by_the_student_alone() -> None:
    school = test_access.records(test_access.the_school())
    for who in test_access.EVERYBODY:
        words = read(school, seen_by(school, who), "student_voice")
        assert ("only_me" in set(words["shared_with"])) is (who is test_access.ANA)
        if who is test_access.MOTHER:
            assert words.is_empty()


# -- everything that is held --------------------------------------------------------------------------------------------


@pytest.fixture
def held(lite: Database, store: Store) -> SchoolRecords:
    rows = test_access.the_school()
    rows["demographics"] = [{"student_id": s, "home_language": f"language of {s}"} for s in ("ana", "ben")]
    records = test_access.records(rows)
    store.folder.mkdir(parents=True)
    object_to_scoring(lite, "default", "ana", NOW, by=MOTHER)
    object_to_scoring(lite, "default", "ben", NOW, by=MOTHER)
    trail.record(lite, "default", CORA, "viewed_student", "ana", "caseload", NOW)
    trail.record(lite, "default", replace(MOTHER, id="m2", person_id="g-two"), "viewed_student", "ana", "", NOW)
    offers.decline(lite, CORA, "ana", "att_home", "family", "Grandmother is ill", NOW)
    for kind, what in (("barrier", "family"), ("consent", "mentor_youth")):
        told.tell(lite, CORA, "ana", kind, what, "student", NOW, ["mentor_youth"])
    return records


def taken(db: Database, store: Store, records: SchoolRecords, who: Account) -> dict[str, Any]:
    return family_export.everything(db, store, records, seen_by(records, who), "ana", NOW)


def test_a_family_takes_away_all_that_is_held_of_the_student_and_nothing_of_another(
    lite: Database, store: Store, held: SchoolRecords
) -> None:
    mother, ana = (taken(lite, store, held, who) for who in (test_access.MOTHER, test_access.ANA))
    assert mother["records"]["demographics"][0]["home_language"] == "language of ana"
    assert set(mother["records"]) == {name for name in held.parts if TABLES[name].by_student}
    for found in (mother, ana):
        text = json.dumps(found, default=str)
        assert "ben" not in text
        assert "only_me" not in text or found is ana
        assert "g-two" not in text  # another guardian
        assert found["not_in_this_file"]
    assert [row["guardian_id"] for row in mother["records"]["guardians"]] == ["g-ana"]
    assert mother["records"]["student_voice"] == []
    assert {row["shared_with"] for row in ana["records"]["student_voice"]} == {"my_teachers", "my_counselor", "only_me"}
    assert len(mother["objections"]) == 1
    assert [(one["intervention_id"], one["answer"], one["words"]) for one in mother["offers_of_help"]] == [
        ("att_home", "refused", "Grandmother is ill")
    ]
    assert CORA.id not in json.dumps(mother["offers_of_help"], default=str)
    # What stands in the way at home was told to a counselor, and is in the student's own file alone.
    assert [[one["kind"] for one in found["told"]] for found in (mother, ana)] == [["consent"], ["barrier", "consent"]]
    did = {(one["role"], one["did"], one["on"]) for one in ana["who_looked"]}
    assert did >= {("counselor", "viewed_student", "2026-11-13"), ("guardian", "exported_own", "2026-11-13")}
    assert all(one["who"] == "" for one in ana["who_looked"] if one["role"] == "guardian")
    with pytest.raises(Refused):
        taken(lite, store, held, test_access.COUNSELOR)
    with pytest.raises(NotFound):
        taken(lite, store, held, test_access.account("guardian", "g-else"))


def test_the_zip_holds_the_same_as_tables_that_a_spreadsheet_does_not_run(
    lite: Database, store: Store, held: SchoolRecords
) -> None:
    found = taken(lite, store, held, test_access.ANA)
    found["records"]["student_voice"][0]["says"] = "=1+1"
    with zipfile.ZipFile(io.BytesIO(family_export.as_zip(found))) as packed:
        assert json.loads(packed.read("everything.json"))["student_id"] == "ana"
        names = set(packed.namelist())
        assert {"scores.csv", "who_looked.csv", "records/attendance.csv"} <= names | {"records/attendance.csv"}
        assert b"'=1+1" in packed.read("records/student_voice.csv")


def test_the_fifth_door_is_opened_for_a_family_and_for_erasure_alone() -> None:
    callers = {
        path.relative_to(ROOT).as_posix()
        for room in ("features", "training", "serving", "homeroom")
        for path in (ROOT / room).rglob("*.py")
        if ".everything_of(" in path.read_text()
    }
    assert callers == {"serving/family_export.py", "serving/erasure.py"}
    assert intake.Door().digest("export") == "export"

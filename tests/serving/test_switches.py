"""Scoring that is stopped at a school or everywhere: no number leaves, every case goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import example_school
import models
import polars as pl
import pytest
from postgres import BOTH, migrated_database

from features.problems import NotFound, Refused
from serving import assessed, batch, desk
from serving.assessed import Assessment, exempt_of
from serving.cases import switches, trail
from serving.cases.database import Database, open_database
from serving.cases.switches import start, stop, stopped, stops
from serving.rules import rule_list
from serving.store import Store
from serving.withheld import SAYS, Withheld

NOW = datetime(2026, 11, 13, 9, tzinfo=UTC)
TODAY = example_school.TODAY


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


# -- the switch -------------------------------------------------------------------------------------------------------


def test_a_stop_holds_where_it_was_made_until_scoring_is_started_there(db: Database) -> None:
    stop(db, "lincoln", None, "east", "wrong bell times", NOW)
    stop(db, "lincoln", None, None, "an audit", NOW + timedelta(hours=1))
    assert stopped(db, "lincoln") == switches.Stopped(everywhere=True, organisations=frozenset({"east"}))
    told = [(one.organisation_id, one.reason) for one in stops(db, "lincoln")]
    assert told == [("east", "wrong bell times"), (None, "an audit")]
    assert not stopped(db, "douglass")
    start(db, "lincoln", None, None, NOW + timedelta(hours=2))
    assert stopped(db, "lincoln") == switches.Stopped(organisations=frozenset({"east"}))  # stopped by itself
    start(db, "lincoln", None, "east", NOW + timedelta(hours=2))
    assert not stopped(db, "lincoln")
    assert trail.head(db, "lincoln").number == 4
    assert trail.verify(db, "lincoln") is None


def test_a_stop_takes_a_reason_and_a_second_one_changes_nothing(db: Database) -> None:
    with pytest.raises(Refused, match="reason"):
        stop(db, "lincoln", None, "east", "  ", NOW)
    first = stop(db, "lincoln", None, "east", "wrong bell times", NOW)
    assert stop(db, "lincoln", None, "east", "another", NOW + timedelta(hours=1)) == first
    assert trail.head(db, "lincoln").number == 1
    with pytest.raises(NotFound):
        start(db, "lincoln", None, "west", NOW)


def test_who_is_below_a_stopped_organisation_is_stopped_too() -> None:
    frames = example_school.tables()
    tree = pl.DataFrame([("district", "District", "district", None), ("lincoln", "Lincoln", "school", "district")],
                        schema=["organisation_id", "name", "kind", "parent_id"], orient="row")  # fmt: skip
    records = example_school.records({**frames, "organisations": tree})
    held = Withheld(organisations=frozenset({"district"})).with_records(records, TODAY)
    assert held.status("ana", "lincoln") == "stopped"
    assert held.status("ana", "elsewhere") is None


# -- what is made of it ------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.of(tmp_path / "home", "default")


@pytest.mark.full
def test_no_list_is_made_where_scoring_is_stopped_everywhere(store: Store, tmp_path: Path) -> None:
    held = Withheld(everywhere=True)
    with pytest.raises(Refused, match="stopped"):
        batch.run(example_school.records(), models.trained(), TODAY, store, tmp_path / "out.parquet", withheld=held)
    with pytest.raises(Refused, match="stopped"):
        rule_list(example_school.records(), TODAY, withheld=held)
    assert store.latest() is None


@pytest.mark.full
def test_students_of_a_stopped_school_are_in_the_list_without_a_number(store: Store, tmp_path: Path) -> None:
    held, out = Withheld(organisations=frozenset({"lincoln"})), tmp_path / "out.parquet"
    batch.run(example_school.records(), models.trained(), TODAY, store, out, withheld=held)
    rows = pl.read_parquet(out)
    homes = example_school.tables()["enrolments"].select("enrolment_id", "organisation_id")
    rows = rows.join(homes, on="enrolment_id")
    there = pl.col("organisation_id") == "lincoln"
    theirs, others = rows.filter(there), rows.filter(~there)
    assert set(theirs["status"]) == {"stopped"}
    assert theirs["probability"].is_null().all()
    assert "stopped" not in set(others["status"])
    listed = rule_list(example_school.records(), TODAY, withheld=held).frame
    assert set(listed.join(homes, on="enrolment_id").filter(pl.col("organisation_id") == "lincoln")["status"]) == {"stopped"}


@pytest.mark.full
def test_a_running_desk_hides_scores_within_its_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LOOK_EVERY", 0.02)
    opened = models.desk_of(tmp_path, models.trained())
    opened._database_url = migrated_database("sqlite", tmp_path)
    models.score_school(example_school.records(), models.trained(), TODAY, tmp_path)

    def statuses() -> set[str]:
        found: Any = opened.score_stored(["ana"], "default", "counselor")["scores"]
        return {one["status"] for one in (*found[0]["risks"], *found[0]["gaps"])}

    assert "stopped" not in statuses()
    db = open_database(opened._database_url)
    stop(db, "default", None, "lincoln", "a look at the data", NOW)
    waited = time.monotonic() + 60
    while statuses() != {"stopped"}:
        assert time.monotonic() < waited
        time.sleep(0.02)
    found: Any = opened.score_stored(["ana"], "default", "counselor")["scores"]
    assert {one["status_reason"] for one in found[0]["risks"]} == {SAYS["stopped"]}
    assert "probability" not in str(found)
    start(db, "default", None, "lincoln", NOW)
    while statuses() == {"stopped"}:
        assert time.monotonic() < waited
        time.sleep(0.02)
    db.dispose()


# -- the impact assessment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dpia_id", "dpia_date", "wrong"),
    [("DPIA-7", "2026-02-01", ()), ("DPIA-7", "2025-11-13", ()), ("DPIA-7", "2025-11-12", ("older than a year",)),
     ("", "2026-02-01", ("no data protection",)), ("not stated yet", "soon", ("no data protection", "not stated"))],
)  # fmt: skip
def test_real_students_are_not_scored_without_an_assessment_of_the_last_year(
    dpia_id: str, dpia_date: str, wrong: tuple[str, ...]
) -> None:
    told, day = Assessment(dpia_id, dpia_date), date(2026, 11, 13)
    assert len(told.problems(day)) == len(wrong)
    if not wrong:
        told.refuse("", day)
        return
    with pytest.raises(Refused) as refused:
        told.refuse("", day)
    assert all(one in str(refused.value) for one in wrong)
    told.refuse("simulated", day)


def test_simulated_and_published_students_take_no_assessment(tmp_path: Path) -> None:
    from homeroom.simulate.run import MADE_BY, MANIFEST

    assert (assessed.SIMULATED_MANIFEST, assessed.SIMULATED_BY) == (MANIFEST, MADE_BY)
    assert exempt_of("oulad", tmp_path) == "public"
    assert exempt_of("tables", tmp_path) == ""
    assert exempt_of("tables", tmp_path, simulated=True) == "simulated"
    (tmp_path / MANIFEST).write_text('{"made_by": "somebody else"}')
    assert exempt_of("tables", tmp_path) == ""
    (tmp_path / MANIFEST).write_text(f'{{"made_by": "{MADE_BY}"}}')
    assert exempt_of("tables", tmp_path) == "simulated"


@pytest.mark.full
def test_a_server_gives_no_stored_scores_of_real_students_without_an_assessment(tmp_path: Path) -> None:
    models.score_school(example_school.records(), models.trained(), TODAY, tmp_path)
    opened = models.desk_of(tmp_path, models.trained())
    opened._assessment = Assessment()
    with pytest.raises(Refused, match="impact assessment"):
        opened.score_stored(["ana"], "default", "teacher")
    opened._assessment = Assessment("DPIA-7", "2026-05-01")
    assert opened.score_stored(["ana"], "default", "teacher")

"""Silence online: hidden where a student cannot be there, and where a class does not use the tool; told everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from features import cohort, pipeline
from features.catalog import BEGUN, BEGUN_DAYS, HIDDEN, LEAST_USE, POSSIBLE, USED, Catalog
from features.norms import LEAST, Norms
from features.pipeline import FeatureTable
from features.records import SchoolRecords
from features.standard import STANDARD

STARTS = date(2026, 9, 1)
#: Six weeks on: what a class does is told from four weeks on.
LATER = STARTS + timedelta(days=42)
PUPILS = [f"pupil-{number:02d}" for number in range(20)]

ONLINE = Catalog(tuple(one for one in STANDARD if one.concept in (HIDDEN, "access") or one.name == BEGUN))
TOLD = "active_days_all"


def school(
    active: int, *, pupils: Sequence[str] = PUPILS, on: Sequence[date] = (), cut_off: Sequence[str] = (),
    idle_class: bool = False,
) -> SchoolRecords:  # fmt: skip
    """A class of which the first ``active`` are online on some days, two weeks before LATER by default."""
    classes = ["algebra", "reading"] if idle_class else ["algebra"]
    days = on or [LATER - timedelta(days=14)]
    seats = [(pupil, section) for pupil in pupils for section in classes]
    seen = [(pupil, day) for pupil in pupils[:active] for day in days]
    last = STARTS + timedelta(days=120)
    return SchoolRecords.from_frames(
        {
            "organisations": pl.DataFrame({"organisation_id": ["lincoln"], "kind": ["school"]}),
            "sections": pl.DataFrame({"section_id": classes}).with_columns(
                organisation_id=pl.lit("lincoln"), starts_on=pl.lit(STARTS), ends_on=pl.lit(last)
            ),
            "enrolments": pl.DataFrame({"student_id": pupils, "enrolment_id": pupils}).with_columns(
                organisation_id=pl.lit("lincoln"), entered_on=pl.lit(STARTS), planned_end_on=pl.lit(last)
            ),
            "rosters": pl.DataFrame(seats, schema=["student_id", "section_id"], orient="row").with_columns(
                enrolment_id="student_id", begins_on=pl.lit(STARTS)
            ),
            "activity": pl.DataFrame(seen, schema={"student_id": pl.String, "on": pl.Date}, orient="row").with_columns(
                enrolment_id="student_id", section_id=pl.lit("algebra"), kind=pl.lit("content"), actions=3, resources=1
            ),
            "digital_access": pl.DataFrame({"student_id": cut_off}, schema={"student_id": pl.String}).with_columns(
                recorded_on=pl.lit(STARTS), device=pl.lit("own"), internet=pl.lit("none"), source=pl.lit("family")
            ),
        }
    )


def table(records: SchoolRecords, day: date = LATER, norms: Norms | None = None, stale_days: int = 0) -> FeatureTable:
    return pipeline.build(records, cohort.on_dates(records, [day], "section"), ONLINE, norms, stale_days)


def told(found: FeatureTable, section: str = "algebra") -> set[str]:
    """Return of whom something online is known in a class; of anybody else nothing is, or the test fails."""
    rows = found.frame.filter(section_id=section)
    names = [name for name in found.catalog.hidden if name in rows.columns]
    assert {HIDDEN} == {ONLINE[name].concept for name in names}
    assert any(ONLINE[name].kind == "relative" for name in names)
    known = rows.filter(pl.col(TOLD).is_not_null())
    unknown = rows.filter(pl.col(TOLD).is_null())
    assert unknown.select(pl.col(names).count()).row(0) == (0,) * len(names)
    return set(known["student_id"])


def test_the_features_that_hide_and_are_hidden_are_there_under_their_names() -> None:
    assert {POSSIBLE, USED, BEGUN} <= set(STANDARD.names)
    assert STANDARD[USED].concept == HIDDEN
    assert STANDARD[USED].relative_to, "norms are kept of what has a place in the class"
    assert USED in STANDARD.hidden
    assert f"{USED}_vs_class" in STANDARD.hidden
    assert POSSIBLE not in STANDARD.hidden


def test_who_cannot_be_online_is_not_taken_for_who_does_not_come() -> None:
    cut_off = [PUPILS[0], PUPILS[19]]  # one who was seen all the same, and one who was not
    found = table(school(15, cut_off=cut_off))
    assert told(found) == set(PUPILS) - set(cut_off)
    assert found.frame[POSSIBLE].to_list() == [float(pupil not in cut_off) for pupil in PUPILS]
    assert found.frame[BEGUN].null_count() == 0, "only what is online is hidden"


@pytest.mark.parametrize(("active", "seen"), [(0, False), (11, False), (12, True), (20, True)])
def test_silence_is_told_where_three_of_five_of_the_class_were_online(active: int, seen: bool) -> None:
    assert LEAST_USE == 0.6
    assert told(table(school(active))) == (set(PUPILS) if seen else set())


def test_a_class_that_uses_the_tool_is_told_although_another_of_the_same_students_does_not() -> None:
    found = table(school(20, idle_class=True))
    assert told(found) == set(PUPILS)
    assert told(found, "reading") == set()


def test_who_cannot_be_online_does_not_count_among_the_class() -> None:
    assert told(table(school(6, cut_off=PUPILS[10:]))) == set(PUPILS[:10])
    assert told(table(school(6))) == set()


def test_nothing_is_hidden_before_four_weeks_of_teaching() -> None:
    assert BEGUN_DAYS == 28
    records = school(0)
    for days, seen in ((0, True), (27, True), (28, False), (29, False)):
        found = table(records, STARTS + timedelta(days=days))
        assert found.frame[BEGUN].to_list() == [days] * 20
        assert told(found) == (set(PUPILS) if seen else set())


@pytest.mark.parametrize(("days_ago", "seen"), [(0, True), (27, True), (28, False)])
def test_a_class_uses_the_tool_by_what_it_did_in_the_last_four_weeks(days_ago: int, seen: bool) -> None:
    assert bool(told(table(school(20, on=[LATER - timedelta(days=days_ago)])))) == seen


def test_where_it_is_not_known_what_the_class_does_nothing_is_hidden() -> None:
    records = school(0)
    assert told(table(records)) == set()
    assert told(table(records, norms=Norms.none())) == set(PUPILS)
    few = PUPILS[: LEAST - 1]
    assert told(table(school(0, pupils=few))) == set(few)
    assert told(table(school(0, pupils=few, cut_off=few[:2]))) == set(few[2:])


def test_norms_of_some_days_ago_hide_as_long_as_they_are_not_stale() -> None:
    records = school(0)
    norms = table(records).norms
    for late, seen in ((0, False), (3, False), (4, True)):
        assert bool(told(table(records, LATER + timedelta(days=late), norms, stale_days=3))) == seen


def test_a_student_alone_is_hidden_as_in_the_class() -> None:
    for active in (11, 12):
        records = school(active, cut_off=PUPILS[:1])
        together = table(records)
        for at in (0, 1, 19):
            every = {name: rows.collect() for name, (rows,) in records.parts.items()}
            own = {name: rows.filter(student_id=PUPILS[at]) if "student_id" in rows.columns else rows
                   for name, rows in every.items()}  # fmt: skip
            alone = table(SchoolRecords.from_frames(own), norms=together.norms)
            assert np.array_equal(alone.values, together.values[[at]], equal_nan=True)


def test_without_records_of_access_or_of_activity_nothing_is_made_up() -> None:
    frames = {name: rows.collect() for name, (rows,) in school(15).parts.items()}
    unasked = SchoolRecords.from_frames({name: rows for name, rows in frames.items() if name != "digital_access"})
    assert told(table(unasked)) == set(PUPILS)
    assert table(unasked).frame[POSSIBLE].null_count() == 20
    unseen = SchoolRecords.from_frames({name: rows for name, rows in frames.items() if name != "activity"})
    assert told(table(unseen)) == set()


def test_a_catalogue_without_what_hides_hides_nothing() -> None:
    older = Catalog((STANDARD[TOLD], STANDARD[f"{TOLD}_vs_class"]))
    records = school(0, cut_off=PUPILS[:5])
    found = pipeline.build(records, cohort.on_dates(records, [LATER], "section"), older)
    assert found.frame[TOLD].to_list() == [0.0] * 20

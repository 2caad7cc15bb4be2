"""A score: the same bits on every way to it, and none where it would be a guess."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import example_school
import models
import numpy as np
import oulad_school
import polars as pl
import pytest
from models import FolderDesk, Key, body_of, desk_of, different, risks_of, stored_risks_of, students_on
from trainings import COURSE_TARGETS

from features.catalog import CONCEPTS, Catalog
from features.cohort import enrolled
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES
from serving.desk import Desk
from serving.requests import SCHOOL_TABLES, STUDENT_TABLES
from serving.scoring import Risk, feature_tables, score
from training.targets import TARGETS

TODAY = models.TODAY


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A desk over the school that was scored last night."""
    return desk_of(models.scored().home, models.trained())


@pytest.fixture(scope="module")
def body() -> Mapping[str, Any]:
    """A request of thirty students with everything that the school has of them."""
    return body_of(models.school(), students_on(models.school(), TODAY, 30), TODAY)


@pytest.fixture(scope="module")
def together(desk: Desk, body: Mapping[str, Any]) -> Mapping[Key, Risk]:
    """What the models say of the thirty in one request."""
    return risks_of(desk, body)


def alone(body: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Return the request of one of the students."""
    return {**body, "students": [body["students"][at]]}


# -- the same bits on every way -------------------------------------------------------------------------------------


def test_a_request_of_thirty_gives_the_bits_of_the_nightly_run(together: Mapping[Key, Risk]) -> None:
    assert len({risk.student_id for risk in together.values()}) == 30
    assert {risk.model.target.name for risk in together.values()} == set(COURSE_TARGETS)
    assert {risk.status for risk in together.values()} == {"scored"}
    assert different(together, models.scored().risks) == []


@pytest.mark.parametrize("count", [10, pytest.param(30, marks=pytest.mark.full)])
def test_a_student_alone_gets_the_bits_of_the_nightly_run(desk: Desk, body: Mapping[str, Any], count: int) -> None:
    found: dict[Key, Risk] = {}
    for at in range(count):
        found |= risks_of(desk, alone(body, at))
    assert len(found) >= 3 * count
    assert different(found, models.scored().risks) == []


def test_a_student_alone_gets_the_bits_of_a_request_of_thirty(
    desk: Desk, body: Mapping[str, Any], together: Mapping[Key, Risk]
) -> None:
    for at in range(0, 30, 6):
        assert different(risks_of(desk, alone(body, at)), together) == []


def test_requests_of_two_and_three_give_the_bits_of_the_nightly_run(desk: Desk, body: Mapping[str, Any]) -> None:
    for size in (2, 3):
        assert different(risks_of(desk, {**body, "students": body["students"][:size]}), models.scored().risks) == []


def test_the_stored_rows_give_the_bits_of_the_nightly_run(desk: Desk, together: Mapping[Key, Risk]) -> None:
    stored = stored_risks_of(desk, sorted({risk.student_id for risk in together.values()}))
    assert stored.keys() == together.keys()
    assert different(stored, models.scored().risks) == []


def test_the_stored_rows_of_one_student_give_the_bits_of_the_nightly_run(desk: Desk, body: Mapping[str, Any]) -> None:
    for student in body["students"][:5]:
        assert different(stored_risks_of(desk, [student["student_id"]]), models.scored().risks) == []


# -- a school year: several classes, days at school, conduct, report cards -------------------------------------------

YEAR_TODAY = example_school.TODAY


@dataclass(frozen=True)
class Year:
    """The example school after its nightly run, a desk over it, and one of just the model of a whole stay."""

    night: models.Scored
    desk: FolderDesk
    of_stays: FolderDesk

    def ask(self, *students: str, **more: Any) -> Mapping[Key, Risk]:
        """Return what the models say of students in a request that holds all that the school has of them."""
        return risks_of(self.desk, body_of(example_school.records(), students, YEAR_TODAY) | more)


@pytest.fixture(scope="module")
def year() -> Year:
    """The example school, under models that read what the small ones read and carry every feature there is."""
    everything = [replace(one, catalog=STANDARD.with_inputs(one.inputs)) for one in models.trained()]
    everything.append(replace(everything[0], target=TARGETS["chronic_absence"]))
    night = models.score_school(example_school.records(), everything, YEAR_TODAY, models.folder())
    return Year(night, desk_of(night.home, everything), desk_of(night.home, everything[-1:]))


@pytest.mark.full
def test_a_school_whose_students_take_several_classes_gives_the_same_bits_alone_and_at_night(year: Year) -> None:
    everybody = sorted({risk.student_id for risk in year.night.risks.values()})
    whole = year.ask(*everybody)
    assert whole.keys() == year.night.risks.keys()
    assert {risk.model.target.name for risk in whole.values()} == {*COURSE_TARGETS, "chronic_absence"}
    assert different(whole, year.night.risks) == []
    for student in ("ana", "eli", "kim"):
        assert different(year.ask(student), year.night.risks) == []
    assert different(stored_risks_of(year.desk, everybody), year.night.risks) == []


@pytest.mark.full
def test_every_student_of_a_school_year_alone_gets_the_bits_of_the_nightly_run(year: Year) -> None:
    for student in {risk.student_id for risk in year.night.risks.values()}:
        assert different(year.ask(student), year.night.risks) == []


@pytest.mark.full
def test_all_that_a_school_year_is_told_by_comes_in_with_a_request(year: Year) -> None:
    risks = list(year.ask("ana", "ben", "fay", "gus").values())
    known = {name for risk in risks for name, value in risk.values.items() if value is not None}
    concepts = {one.concept for one in STANDARD if one.kind != "relative" and one.name in known}
    assert concepts == set(CONCEPTS)
    assert {"absence_rate_20d", "section_cut_rate_45d", "incidents_45d", "report_change", "absence_rate_last_year",
            "skill_prereq_gaps", "engagement_possible", "core_classes_below_60", "grade_level"} <= known  # fmt: skip


def test_what_belongs_to_the_school_may_come_with_the_request(year: Year) -> None:
    sent = {name: models.rows_of(example_school.records(), name) for name in SCHOOL_TABLES}
    assert all(sent.values()), "the example school has every one of them"
    assert different(year.ask("ana", "kim", school=sent), year.night.risks) == []
    # Only the school's calendar is another: days without teaching are no days of absence.
    for row in sent["calendar"]:
        row["instructional"] = row["instructional"] and row["on"] < "2026-11-01"
    changed = year.ask("ana", school={"calendar": sent["calendar"]})
    unlike = {name for *_, kind, names in different(changed, year.night.risks) if kind == "values" for name in names}
    assert {"school_days", "absence_rate_20d"} <= unlike
    assert "mark_mean" not in unlike


def test_a_stay_of_many_classes_is_told_beside_the_year_group(year: Year) -> None:
    stays = [risk for risk in year.night.risks.values() if risk.model.target.unit == "enrolment"]
    assert len(stays) == 22
    assert all(risk.section_id is None and risk.medians for risk in stays)
    asked = year.ask("ana")
    (mine,) = (risk for risk in asked.values() if risk.model.target.name == "chronic_absence")
    assert mine.medians == stays[0].medians
    assert mine.values["absence_rate_20d_vs_class"] is not None


#: Rows that would matter if they were known: table, and a row for Ana.
LATE_IN_THE_YEAR: Mapping[str, Mapping[str, Any]] = {
    "attendance": {"on": "2026-11-06", "status": "absent", "absent_share": 1.0, "mode": "in_person", "exclusion": False},
    "section_attendance": {"section_id": "algebra-autumn", "on": "2026-11-06", "status": "absent"},
    "incidents": {"incident_id": "late", "occurred_on": "2026-11-05", "role": "perpetrator", "exclusion": "in_school",
                  "days_excluded": 1.0},
    "course_marks": {"section_id": "algebra-autumn", "term_id": "autumn-2", "mark_share": 0.2, "decided_on": "2026-11-06"},
    "digital_access": {"recorded_on": "2026-11-06", "device": "none", "internet": "none", "source": "family"},
}  # fmt: skip


def with_late_rows(known_on: Mapping[str, date]) -> dict[str, Any]:
    """Return Ana's request with a row more in some tables, known on these days."""
    body = body_of(example_school.records(), ["ana"], YEAR_TODAY)
    for table, day in known_on.items():
        row = {"student_id": "ana", "enrolment_id": "ana-autumn", **LATE_IN_THE_YEAR[table], "known_on": day.isoformat()}
        body["students"][0][table].append({name: value for name, value in row.items() if name in TABLES[table].schema})
    return body


def test_rows_of_a_school_year_that_are_known_a_day_later_change_nothing(year: Year) -> None:
    body = with_late_rows(dict.fromkeys(LATE_IN_THE_YEAR, YEAR_TODAY + timedelta(days=1)))
    assert different(risks_of(year.of_stays, body), year.night.risks) == []


@pytest.mark.parametrize("table", LATE_IN_THE_YEAR)
def test_a_row_of_a_school_year_that_is_known_today_does_change_something(year: Year, table: str) -> None:
    assert different(risks_of(year.of_stays, with_late_rows({table: YEAR_TODAY})), year.night.risks)


def test_tables_of_a_school_year_that_are_not_sent_are_unknown_and_empty_ones_are_not(year: Year) -> None:
    body = body_of(example_school.records(), ["ana"], YEAR_TODAY)
    body["students"][0] |= {table: [] for table in LATE_IN_THE_YEAR}
    (empty,) = risks_of(year.of_stays, body).values()
    for table in LATE_IN_THE_YEAR:
        del body["students"][0][table]
    (unknown,) = risks_of(year.of_stays, body).values()
    for table in LATE_IN_THE_YEAR:
        read = [one.name for one in STANDARD if one.frame and table in one.frame.tables and one.name in empty.values]
        assert read
        assert all(unknown.values[name] is None for name in read)
        # No report card yet is no mark, not a mark of 0.
        assert any(empty.values[name] is not None for name in read) or table == "course_marks"


@pytest.mark.full
def test_norms_of_the_day_before_yesterday_place_the_same_student_the_same_in_any_company(desk: Desk) -> None:
    later = TODAY + timedelta(days=2)
    body = body_of(models.school(), students_on(models.school(), later, 12, seed=5), later)
    whole = risks_of(desk, body)
    assert any(risk.medians for risk in whole.values())
    for at in range(0, 12, 2):
        assert different(risks_of(desk, alone(body, at)), whole) == []


@pytest.mark.full
def test_the_open_universitys_students_get_the_same_bits_alone_together_at_night_and_stored(
    oulad_records: SchoolRecords,
) -> None:
    classes, at_night = models.some_scored(oulad_records)
    opened = desk_of(at_night.home, models.trained())
    chosen = students_on(classes, models.SOME_DAY, 25)
    body = body_of(classes, chosen, models.SOME_DAY)
    whole = risks_of(opened, body)
    assert sum(risk.status == "scored" for risk in whole.values()) >= 60
    assert different(whole, at_night.risks) == []
    assert different(stored_risks_of(opened, chosen), at_night.risks) == []
    for at in range(25):
        assert different(risks_of(opened, alone(body, at)), at_night.risks) == []


#: One order on every run, more in the full part.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in (1, 2, 3))]


# -- what must not matter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_students_and_of_rows_changes_no_bit(
    desk: Desk, body: Mapping[str, Any], together: Mapping[Key, Risk], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mixed = copy.deepcopy(dict(body))
    rng.shuffle(mixed["students"])
    for student in mixed["students"]:
        for table in set(STUDENT_TABLES) & set(student):
            rng.shuffle(student[table])
    assert different(risks_of(desk, mixed), together) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_schools_own_rows_changes_no_bit(
    desk: Desk, body: Mapping[str, Any], together: Mapping[Key, Risk], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    school = {table: models.rows_of(models.school(), table) for table in ("sections", "assignments", "skills",
                                                                         "assignment_skills")}  # fmt: skip
    for rows in school.values():
        rng.shuffle(rows)  # type: ignore[arg-type]
    assert different(risks_of(desk, {**body, "school": school}), together) == []


#: Rows that would matter if they were known: table, and a row for a student of the module AAA.
LATE = {
    "enrolments": {"planned_end_on": "2014-02-02", "previous_attempts": 9, "organisation_id": "open-university"},
    "exits": {"exited_on": "2014-03-01", "kind": "withdrawn"},
    "rosters": {"ends_on": "2014-03-01"},
    "submissions": {"assignment_id": "300", "submitted_on": "2014-02-03"},
    "results": {"assignment_id": "300", "status": "graded", "score": 1.0, "marked_on": "2014-02-03"},
    "activity": {"on": "2014-04-10", "kind": "quiz", "actions": 900, "resources": 90},
    "skill_results": {"skill_id": "AAA", "evidence_id": "300", "occurred_on": "2014-02-03", "score_share": 0.01},
}


def in_module(body: Mapping[str, Any], module: str = "AAA") -> dict[str, Any]:
    """Return the request of a student who takes just this module."""
    chosen = [one for one in body["students"] if [row["section_id"] for row in one["rosters"]] == [f"{module}-2014B"]]
    return {**body, "students": chosen[:1]}


@pytest.mark.parametrize("table", LATE)
def test_a_row_that_is_known_a_day_later_changes_nothing_and_one_known_today_does(
    desk: Desk, body: Mapping[str, Any], table: str
) -> None:
    asked = copy.deepcopy(in_module(body))
    before = risks_of(desk, asked)
    rows = asked["students"][0][table]
    row = {"known_on": (TODAY + timedelta(days=1)).isoformat(), **LATE[table]}
    # A new version of a row that is there, and beside it a row that is not.
    same = [one for one in rows if all(one.get(k) == v for k, v in row.items() if k in ("assignment_id", "evidence_id"))]
    versions = [{**(same or rows)[0], **row}] if table in ("enrolments", "rosters") or same else []
    rows += versions or [row]
    after = risks_of(desk, asked)
    assert after.keys() == before.keys()
    assert different(after, before) == []
    rows[-1]["known_on"] = TODAY.isoformat()
    now = risks_of(desk, asked)
    assert now.keys() != before.keys() or different(now, before)


def test_work_that_is_set_a_day_later_changes_nothing(desk: Desk, body: Mapping[str, Any]) -> None:
    asked = in_module(body)
    listed = models.rows_of(models.school(), "assignments")
    late = {**listed[0], "section_id": "AAA-2014B", "assignment_id": "new", "due_on": "2014-03-01"}
    before = risks_of(desk, {**asked, "school": {"assignments": listed}})
    for known_on, changes in ((TODAY + timedelta(days=1), False), (TODAY, True)):
        more = [*listed, {**late, "known_on": known_on.isoformat()}]
        assert bool(different(risks_of(desk, {**asked, "school": {"assignments": more}}), before)) is changes


def test_contributions_and_the_base_add_up_to_the_raw_score() -> None:
    found = [risk for risk in models.scored().risks.values() if risk.status == "scored"]
    assert len(found) > 500
    for risk in found:
        assert risk.raw is not None
        assert risk.raw == pytest.approx(risk.base + sum(risk.contributions.values()), abs=1e-9)
        assert sum(risk.by_concept.values()) == pytest.approx(sum(risk.contributions.values()), abs=1e-9)


# -- several models -------------------------------------------------------------------------------------------------


def without(names: set[str]) -> Catalog:
    """Return the catalogue of a release that did not have some features yet."""
    return Catalog(tuple(one for one in STANDARD if one.name not in names and not names & set(one.needs)))


def test_models_with_different_catalogues_read_tables_of_their_own() -> None:
    records, trained = models.school(), {one.target.name: one for one in models.trained()}
    older = without({"quiz_days_all", "handed_in_early"})
    assert len(older) < len(STANDARD)
    units = enrolled(records, pl.DataFrame({"as_of": [TODAY]}))
    expected = feature_tables(records, units, [trained["learning_gap"], trained["course_failure"]])
    for name in ("course_failure", "learning_gap"):
        mixed = {**trained, name: replace(trained[name], catalog=older.with_inputs(set(STANDARD.inputs) & set(older.names)))}
        found = feature_tables(records, units, [mixed["learning_gap"], mixed["course_failure"]])
        for target, table in found.items():
            assert table.catalog.names == mixed[target].catalog.at(TARGETS[target].unit).names
            common = [one for one in table.catalog.names if one in expected[target].catalog]
            assert table.frame.select(common).equals(expected[target].frame.select(common))


@pytest.mark.parametrize(
    "order", [("learning_gap", "course_failure", "dropout"), ("dropout", "course_failure", "learning_gap")]
)
def test_the_order_of_models_changes_no_bit(order: tuple[str, ...]) -> None:
    records = models.school()
    units = enrolled(records, pl.DataFrame({"as_of": [TODAY]}))
    tables = feature_tables(records, units, [models.model(name) for name in order])
    for name in order:
        only = feature_tables(records, units, [models.model(name)])[name]
        assert tables[name].frame.equals(only.frame)
        assert tables[name].unit == only.unit


def test_a_definition_that_changed_under_the_same_name_is_computed_anew() -> None:
    records, name = models.school(), "active_days_28d"
    changed = tuple(
        replace(one, expr=one.expr + 1000, fingerprint="0" * 16) if one.name == name and one.expr is not None else one
        for one in STANDARD
    )
    first, second = models.model("learning_gap"), replace(models.model("course_failure"), catalog=Catalog(changed))
    units = enrolled(records, pl.DataFrame({"as_of": [TODAY]}))
    tables = feature_tables(records, units, [first, second])
    assert tables["learning_gap"].frame[name].max() <= 28  # type: ignore[operator]
    assert tables["course_failure"].frame[name].min() >= 1000  # type: ignore[operator]


# -- no score where it would be a guess -----------------------------------------------------------------------------


def assert_says_why(risks: Mapping[Key, Risk], status: str) -> None:
    """Check that every model declines with this status, gives a reason, and no number."""
    assert risks
    for risk in risks.values():
        assert risk.status == status
        assert risk.status_reason.endswith(".")
        numbers = (risk.raw, risk.probability, risk.interval, risk.expected, risk.expected_interval)
        assert numbers == (None,) * 5
        assert not risk.contributions
        assert not risk.by_concept
        assert risk.band == "not_enough_data"


def test_records_that_end_too_early_are_stale_and_those_of_two_weeks_ago_are_not(desk: Desk, body: Mapping[str, Any]) -> None:
    for days, stale in ((14, False), (15, True), (400, True)):
        asked = {**alone(body, 0), "data_through": (TODAY - timedelta(days=days)).isoformat()}
        found = risks_of(desk, asked)
        if stale:
            assert_says_why(found, "stale_data")
            assert all(str(days) in risk.status_reason for risk in found.values())
        else:
            assert {risk.status for risk in found.values()} == {"scored"}


def test_a_student_of_whom_only_the_stay_is_known_is_not_scored(desk: Desk, body: Mapping[str, Any]) -> None:
    student = body["students"][0]
    bare = {name: student[name] for name in ("student_id", "enrolments", "rosters")}
    found = risks_of(desk, {**body, "students": [bare]})
    assert_says_why(found, "not_enough_data")
    assert all("%" in risk.status_reason for risk in found.values())


def test_a_course_that_has_not_begun_is_outside_what_was_learned(desk: Desk) -> None:
    before = oulad_school.BEGINS - timedelta(days=3)
    found = risks_of(desk, body_of(models.school(), students_on(models.school(), before, 5), before))
    assert_says_why(found, "outside_training_population")
    assert {risk.status_reason for risk in found.values()} == {"The course has not begun on that day."}


def test_a_course_further_on_than_any_that_was_learned_from_is_outside(desk: Desk) -> None:
    late = oulad_school.BEGINS + timedelta(days=180)  # learned until day 84 of 200
    found = risks_of(desk, body_of(models.school(), students_on(models.school(), late, 5), late))
    assert_says_why(found, "outside_training_population")
    assert {risk.status_reason for risk in found.values()} == {"The course is further on than any the model was trained on."}


def test_a_student_whose_numbers_are_far_from_all_that_was_seen_is_outside(desk: Desk, body: Mapping[str, Any]) -> None:
    asked = copy.deepcopy(in_module(body))
    student = asked["students"][0]
    student["enrolments"][0] |= {"credits_load": 1900.0, "previous_attempts": 50, "entered_on": "2009-01-01"}
    piece = {"section_id": "AAA-2014B", "kind": "tutor_marked", "weight": 1.0, "max_score": 100.0}
    pieces = [{**piece, "assignment_id": f"p{at}", "due_on": "2014-03-01"} for at in range(60)]
    pieces.append({**piece, "assignment_id": "far", "due_on": "2015-06-01"})
    student["submissions"] = []
    student["results"] = [
        {"assignment_id": f"p{at}", "status": "graded", "score": 0.0, "marked_on": "2014-03-05"} for at in range(20)
    ]
    student["skill_results"] = []
    found = risks_of(desk, {**asked, "school": {"assignments": pieces}})
    assert_says_why(found, "outside_training_population")
    assert {risk.status_reason for risk in found.values()} == {"Too much is unlike the students that the model was trained on."}


def test_one_odd_number_does_not_stop_a_score(desk: Desk, body: Mapping[str, Any]) -> None:
    asked = copy.deepcopy(in_module(body))
    asked["students"][0]["enrolments"][0]["credits_load"] = 1900.0
    found = risks_of(desk, asked)
    assert {risk.status for risk in found.values()} == {"scored"}
    assert any("credits_load" in risk.model.population.outside({"credits_load": 1900.0}) for risk in found.values())


def test_without_the_class_a_student_is_scored_and_compared_with_nobody(tmp_path: Path, body: Mapping[str, Any]) -> None:
    store = models.Store.of(tmp_path, "default")
    models.school().write(store.records_folder)  # records, and no scoring yet: no norms
    found = risks_of(desk_of(tmp_path, models.trained()), alone(body, 0))
    for risk in found.values():
        assert risk.status == "scored"
        assert risk.medians == {}
        assert all(risk.values[one.name] is None for one in risk.model.catalog.relative if one.name in risk.values)


def test_norms_that_are_too_old_are_not_used(desk: Desk) -> None:
    def medians(day: date) -> Iterator[Mapping[str, float]]:
        asked = body_of(models.school(), students_on(models.school(), day, 3), day)
        return (risk.medians for risk in risks_of(desk, asked).values())

    assert all(medians(TODAY + timedelta(days=14)))
    assert not any(medians(TODAY + timedelta(days=15)))


def test_every_row_of_a_table_is_scored_in_its_order() -> None:
    records, model = models.school(), models.model("dropout")
    units = enrolled(records, pl.DataFrame({"as_of": [TODAY]}))
    table = feature_tables(records, units, [model])["dropout"]
    found = score(table, model)
    assert [risk.enrolment_id for risk in found] == units.units("enrolment").frame["enrolment_id"].to_list()

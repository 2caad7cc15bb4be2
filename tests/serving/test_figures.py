"""Figures of groups: what each measure counts, how groups stand below one another, and that none of them is a teacher's."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.records import SchoolRecords
from features.tables import TABLES, VERSION_COLUMNS
from serving import figures
from serving.figures import DIMENSIONS, ITSELF, MEASURES, Facts, Measure, Published, key, publish
from serving.suppression import LEAST, Cell

TODAY = date(2026, 11, 13)
DAYS = [TODAY - timedelta(days=back) for back in range(40, 0, -1) if (TODAY - timedelta(days=back)).weekday() < 5]
YEARS = (9, 10)

#: School, year, and how many students.
SIZES = {("hill", 9): 60, ("hill", 10): 50, ("lincoln", 9): 40, ("lincoln", 10): 7, ("district", 9): 12}
STUDENTS = [(f"{school}-{year}-{number:03}", school, year) for (school, year), size in SIZES.items() for number in range(size)]


def rows(table: str, *found: dict[str, Any]) -> pl.DataFrame:
    schema = {name: kind for name, kind in TABLES[table].schema.items() if name not in VERSION_COLUMNS}
    return pl.DataFrame([{name: one.get(name) for name in schema} for one in found], schema=schema)


def each(table: str, told: Callable[[int, str], dict[str, Any] | None]) -> pl.DataFrame:
    """Return a row of a table for each student of whom there is something to tell, by number and school."""
    found = []
    for number, (student, school, _) in enumerate(STUDENTS):
        more = told(number, school)
        if more is not None:
            found.append({"student_id": student, "enrolment_id": student, **more})
    return rows(table, *found)


def tables() -> dict[str, pl.DataFrame]:
    place = [("state", "national", None), ("district", "district", "state"), ("hill", "school", "district"),
             ("lincoln", "school", "district"), ("empty", "school", "district")]  # fmt: skip
    begun = date(2026, 8, 20)
    return {
        "organisations": rows("organisations", *({"organisation_id": at, "kind": kind, "parent_id": above, "name": at.title()}
                                                 for at, kind, above in place)),
        "calendar": rows("calendar", *({"organisation_id": at, "on": day, "instructional": True}
                                       for at in ("hill", "lincoln") for day in DAYS)),
        "students": each("students", lambda *_: {}),
        "enrolments": rows("enrolments", *(
            {"enrolment_id": student, "student_id": student, "organisation_id": school, "entered_on": begun,
             "planned_end_on": date(2027, 6, 30), "grade_level": year} for student, school, year in STUDENTS)),
        "digital_access": each("digital_access", lambda number, _: {
            "recorded_on": begun, "device": ("own", "none", "shared", "unknown")[number % 4],
            "internet": "broadband" if number % 5 else "none"}),
        "attendance": pl.concat([
            each("attendance", lambda number, _, day=day: {  # type: ignore[misc]
                "on": day, "status": "absent", "absent_share": 1.0, "mode": "in_person"} if number % 3 == 0 else None)
            for day in DAYS[-3:]]),
        "supports": each("supports", lambda number, _: {
            "support_id": f"u{number}", "intervention_id": "access_device", "begins_on": begun, "tier": 1}
            if number % 8 == 1 else None),
        "support_ends": each("support_ends", lambda number, _: {
            "support_id": f"u{number}", "ended_on": date(2026, 10, 1), "result": "goal_met"} if number % 80 == 1 else None),
        "surveys": each("surveys", lambda number, _: {
            "wave": "autumn", "construct": "belonging", "scale_mean": 4.5 if number % 2 else 2.0, "answered_on": begun,
            "declined": number % 10 == 0}),
        "objections": each("objections", lambda number, _: {
            "recorded_on": begun, "scope": "sharing", "withdrawn_on": date(2026, 9, 1) if number == 3 else None}
            if number in (1, 3) else None),
    }  # fmt: skip


@cache
def facts() -> Facts:
    listed = [
        (student, target, "scored", "check_in_suggested" if number % divisor == 0 else "no_extra_signal")
        for number, (student, _, _) in enumerate(STUDENTS)
        for target, divisor in (("course_failure", 2), ("dropout", 1))
    ]
    scored = pl.DataFrame(listed, schema=["student_id", "target", "status", "band"], orient="row")  # fmt: skip
    return Facts(SchoolRecords.from_frames(tables(), digest="a digest"), TODAY, scored)


@cache
def published() -> Published:
    return publish(facts(), "a list")


def told(measure: str, of: Facts | None = None) -> dict[str, bool | None]:
    return dict(MEASURES[measure].told(of or facts()).select("student_id", "has").iter_rows())


# -- what is measured -------------------------------------------------------------------------------------------------


def test_a_device_or_internet_that_is_not_known_counts_neither_way() -> None:
    devices = told("device")
    assert [devices[student] for student, _, _ in STUDENTS[:4]] == [True, False, True, None]
    assert [at for at, _, _ in STUDENTS if facts().students.filter(pl.col("student_id") == at)["access"].item() == "unknown"]
    by_access = facts().students["access"].to_list()
    assert set(by_access) == {"yes", "no", "unknown"}
    assert by_access.count("yes") == sum(number % 4 in (0, 2) and number % 5 != 0 for number in range(len(STUDENTS)))


def test_presence_is_nine_days_in_ten_of_those_of_a_mode_and_a_day_without_a_row_is_one_in_person() -> None:
    here = told("here_in_person")
    assert len(here) == len(STUDENTS) - 12, "where no calendar says when a school taught, nothing is known"
    assert [here[student] for student, _, _ in STUDENTS[:4]] == [False, True, True, False]
    assert told("here_online") == {}
    three = replace(facts(), records=SchoolRecords.from_frames(
        {**tables(), "attendance": each("attendance", lambda number, _: {
            "on": DAYS[-1], "status": "absent", "absent_share": 1.0, "mode": "remote"} if number == 0 else None)}))  # fmt: skip
    assert told("here_online", three) == {STUDENTS[0][0]: None}, "of one day nothing is said"
    assert told("here_in_person", three)[STUDENTS[0][0]] is True


def test_a_school_that_records_every_day_knows_nothing_of_a_day_without_a_row() -> None:
    frames = tables()
    frames["organisations"] = frames["organisations"].with_columns(pl.lit("positive").alias("attendance_method"))
    here = told("here_in_person", replace(facts(), records=SchoolRecords.from_frames(frames)))
    assert here[STUDENTS[0][0]] is False
    assert STUDENTS[1][0] not in here


def test_a_survey_that_was_declined_or_objected_to_is_not_counted() -> None:
    said = told("belonging")
    assert STUDENTS[0][0] not in said
    assert STUDENTS[1][0] not in said
    assert said[STUDENTS[3][0]] is True, "an objection that was taken back stands no longer"
    assert said[STUDENTS[2][0]] is False


def test_a_check_in_that_only_the_list_for_counselors_suggests_is_not_counted() -> None:
    suggested = told("check_in")
    assert [suggested[student] for student, _, _ in STUDENTS[:2]] == [True, False]


def test_reach_is_asked_of_those_with_the_need_and_a_support_that_ended_reaches_nobody() -> None:
    reached = told("device_reached")
    assert set(reached) == {student for student, has in told("device").items() if has is False}
    assert reached[STUDENTS[9][0]] is True
    assert reached[STUDENTS[1][0]] is False, "it ended in October"
    book = pl.DataFrame({"student_id": [STUDENTS[1][0]], "intervention_id": ["access_device"]})
    assert told("device_reached", replace(facts(), casebook=lambda: book))[STUDENTS[1][0]] is True


def test_a_measure_whose_tables_were_not_sent_is_not_told() -> None:
    assert "active_online" not in published().cells
    assert "most_skills_secure" not in published().cells
    assert published().cell("active_online", "hill") is None


# -- which groups -----------------------------------------------------------------------------------------------------


def test_organisations_stand_below_one_another_as_the_records_say_and_empty_ones_are_left_out() -> None:
    assert dict(published().below) == {"state": ("district",), "district": ("hill", "lincoln"), "hill": (), "lincoln": ()}
    assert published().organisations["hill"].above == "district"
    assert published().parts["hill", "year"] == ("9", "10")


def test_a_circle_in_the_records_ends_where_it_began() -> None:
    frames = tables()
    circle = pl.when(pl.col("organisation_id") == "state").then(pl.lit("district")).otherwise("parent_id")
    frames["organisations"] = frames["organisations"].with_columns(circle.alias("parent_id"))
    found = publish(Facts(SchoolRecords.from_frames(frames), TODAY))
    assert sum(one.above is None for one in found.organisations.values()) == 1


def test_students_of_a_district_itself_are_a_part_of_it_beside_its_schools() -> None:
    cell = published().cell("check_in", "district", "organisation", ITSELF)
    assert cell is not None
    assert published().cell("check_in", "state") == published().cell("check_in", "district"), "the state is the district here"


def test_small_groups_and_what_would_tell_of_them_are_hidden_on_every_page() -> None:
    for measure in published().cells:
        ten = published().cell(measure, "lincoln", "year", "10")
        assert ten is None or ten == Cell("hidden")
    assert published().cell("check_in", "lincoln", "year", "9") == Cell("hidden"), "the school less it would be seven"
    whole = published().cell("check_in", "district")
    assert whole is not None
    assert (whole.said, whole.size, whole.percent) == ("share", 170, 50)


def test_where_a_need_is_not_told_its_reach_is_not_either() -> None:
    for name, measure in MEASURES.items():
        for at, cell in published().cells.get(name, {}).items():
            if measure.of is not None and cell.said != "hidden":
                assert published().cells[measure.of[0]][at].said == "share"


def test_that_nobody_has_a_need_is_hidden_as_a_small_number_is() -> None:
    frames = tables()
    needs = frames["digital_access"]
    at_lincoln = pl.col("student_id").str.starts_with("lincoln")
    without = (pl.col("device") == "none") & (at_lincoln | (pl.col("student_id") > "hill-9-010"))
    frames["digital_access"] = needs.with_columns(pl.when(without).then(pl.lit("own")).otherwise("device").alias("device"))
    found = publish(Facts(SchoolRecords.from_frames(frames), TODAY))
    for at in (("hill", "year", "9"), ("hill", "year", "10"), ("lincoln",), ("lincoln", "year", "9")):
        assert found.cell("device_reached", *at) == Cell("hidden"), at  # type: ignore[arg-type]


def test_what_was_published_of_a_day_stays_as_it_was() -> None:
    later = replace(facts(), casebook=lambda: pytest.fail("the casebook is asked once"))
    assert publish(later, "a list") is published()
    assert publish(replace(facts(), casebook=facts().casebook), "another list") is not published()


def test_records_of_schools_with_fewer_than_ten_students_say_no_last_day() -> None:
    frames = tables()
    frames["enrolments"] = frames["enrolments"].filter(~pl.col("enrolment_id").str.starts_with("lincoln-9"))
    found = publish(Facts(SchoolRecords.from_frames(frames), TODAY))
    assert set(found.complete) == {"hill", "district"}
    (attendance, *_) = found.complete["hill"]
    assert (attendance.last_on, attendance.days, attendance.of) == (DAYS[-1], 3, 20)


def test_only_supports_of_ten_students_and_more_are_named() -> None:
    assert published().supports == ("access_device",)
    few = Facts(SchoolRecords.from_frames({**tables(), "supports": tables()["supports"].head(LEAST)}), TODAY)
    assert publish(few).supports == (), "two of the ten ended"


def test_of_nobody_nothing_is_published() -> None:
    frames = {name: frame.clear() for name, frame in tables().items()}
    found = publish(Facts(SchoolRecords.from_frames(frames), TODAY))
    assert (dict(found.cells), dict(found.organisations), dict(found.complete)) == ({}, {}, {})


# -- never by teacher -------------------------------------------------------------------------------------------------

#: Of whom no figure may be: a class is one teacher's.
THEIRS = ("section", "staff", "teach", "class", "roster", "given_by", "team", "caseload")


def test_no_group_is_a_class_or_a_member_of_staff() -> None:
    assert DIMENSIONS == ("organisation", "year", "access")
    assert {dimension for one in MEASURES.values() for dimension in one.by} <= {"year", "access"}
    keys = {at for cells in published().cells.values() for at in cells}
    assert all(part.split("\n")[1] in DIMENSIONS for part in keys if "\n" in part)
    assert key("hill") in keys


def test_nothing_that_makes_a_figure_reads_who_teaches_whom() -> None:
    source = ast.parse(Path(figures.__file__).read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(one, clean=False) for one in ast.walk(source) if isinstance(one, documented)}
    texts = {one.value for one in ast.walk(source) if isinstance(one, ast.Constant) and isinstance(one.value, str)} - docstrings
    assert "organisation_id" in texts
    assert not [text for text in texts if any(word in text.lower() for word in THEIRS)]
    names = [field.name for one in (Measure, Facts, Published) for field in fields(one)]
    assert not [name for name in names if any(word in name for word in THEIRS)]


def test_a_measure_of_a_student_has_no_other_column_to_group_by() -> None:
    for name, measure in MEASURES.items():
        if all(facts().records.holds(table) for table in measure.needs):
            assert measure.told(facts()).columns == ["student_id", "has"], name
    assert set(facts().students.columns) == {"student_id", "enrolment_id", "organisation_id", "entered_on", "year", "access"}

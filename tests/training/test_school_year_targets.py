"""Labels of a school year by hand: who left and who came back, who missed a tenth of it, and the period under way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest

from features.cohort import on_dates
from features.records import SchoolRecords
from features.tables import TABLES
from training.targets import BACK_WITHIN_DAYS, TARGETS

FIRST, LAST, NEXT = date(2024, 8, 26), date(2025, 6, 13), date(2025, 8, 25)
ASKED = date(2024, 11, 1)
FAR = date(2027, 1, 1)


def frame(name: str, *rows: Mapping[str, object]) -> pl.DataFrame:
    kinds = {column.name: column.type for column in TABLES[name].columns} | {"known_on": pl.Date()}
    used = {key for row in rows for key in row} or {column.name for column in TABLES[name].columns}
    return pl.DataFrame(list(rows), schema={key: kind for key, kind in kinds.items() if key in used})


def stay(student: str, year: int, **other: object) -> dict[str, object]:
    first, last = (FIRST, LAST) if year == 1 else (NEXT, date(2026, 6, 12))
    return {"enrolment_id": f"{student}-{year}", "student_id": student, "organisation_id": "lincoln", "term_id": f"y{year}",
            "entered_on": first, "planned_end_on": last, "grade_level": 8 + year, **other}  # fmt: skip


def left(student: str, kind: str, on: date, year: int = 1) -> dict[str, object]:
    return {"enrolment_id": f"{student}-{year}", "student_id": student, "exited_on": on, "kind": kind}


SPRING = date(2025, 3, 3)

STAYS = [
    *(stay(name, 1) for name in ("back", "gone", "moved", "unheard", "shy", "tried", "done", "within", "stranger", "late")),
    *(stay(name, 2) for name in ("back", "shy", "tried")),
    stay("within", 1, enrolment_id="elsewhere", organisation_id="roosevelt", entered_on=SPRING + timedelta(days=9)),
    stay("late", 2) | {"entered_on": LAST + timedelta(days=BACK_WITHIN_DAYS + 1)},
]  # fmt: skip
EXITS = [
    left("gone", "dropout", SPRING), left("moved", "transferred", SPRING), left("unheard", "unknown", LAST),
    left("shy", "no_show", NEXT + timedelta(days=4), 2), left("tried", "withdrawn", SPRING), left("done", "completed", LAST),
    left("within", "transferred", SPRING), left("late", "dropout", LAST),
]  # fmt: skip


def school(**tables: pl.DataFrame) -> SchoolRecords:
    days = [FIRST + timedelta(days=at) for at in range((LAST - FIRST).days + 1)]
    instructional = [day for day in days if day.weekday() < 5][:180]
    terms = [
        {"term_id": "y1", "starts_on": FIRST, "ends_on": LAST, "kind": "school_year"},
        {"term_id": "y2", "starts_on": NEXT, "ends_on": date(2026, 6, 12), "kind": "school_year"},
        {"term_id": "q1", "starts_on": FIRST, "ends_on": date(2024, 10, 31), "kind": "grading_period"},
        {"term_id": "q2", "starts_on": date(2024, 11, 1), "ends_on": date(2025, 1, 24), "kind": "grading_period"},
    ]
    frames = {
        "terms": frame("terms", *terms), "enrolments": frame("enrolments", *STAYS), "exits": frame("exits", *EXITS),
        "calendar": frame("calendar", *({"organisation_id": "lincoln", "on": day, "instructional": day in instructional}
                                        for day in days)),
        **tables,
    }  # fmt: skip
    return SchoolRecords.from_frames(frames)


def by_student(records: SchoolRecords, target: str, as_of: date = ASKED, column: str = "label") -> dict[str, object]:
    asked = on_dates(records, [as_of], TARGETS[target].unit)
    found = TARGETS[target].labels(records, asked, 0.8)[column]
    return dict(zip(asked.frame["student_id"], found, strict=True))


# -- leaving ----------------------------------------------------------------------------------------------------------


def test_leaving_is_an_exit_without_coming_back_or_a_year_that_was_never_taken_up() -> None:
    assert by_student(school(), "dropout") == {
        "back": 0, "gone": 1, "moved": None, "unheard": None, "shy": 1, "tried": 1, "done": 0, "within": 0, "stranger": None,
        "late": 1,
    }  # fmt: skip


def test_who_comes_back_soon_has_not_left() -> None:
    soon = [row for row in STAYS if row["enrolment_id"] != "tried-2"]
    soon.append(stay("tried", 2) | {"entered_on": SPRING + timedelta(days=50), "term_id": "y1"})
    assert by_student(school(enrolments=frame("enrolments", *soon)), "dropout")["tried"] == 0


def test_that_nobody_came_back_is_known_only_when_they_could_have() -> None:
    known = by_student(school(), "dropout", column="known_on")
    assert known["gone"] == SPRING + timedelta(days=BACK_WITHIN_DAYS)
    assert known["shy"] == NEXT + timedelta(days=4)
    assert known["back"] == NEXT
    assert known["done"] == LAST


def test_a_student_who_left_already_is_asked_about_no_more() -> None:
    assert "gone" not in by_student(school(), "dropout", as_of=SPRING + timedelta(days=1))


# -- a tenth of the year -------------------------------------------------------------------------------------------------


def away(student: str, days: int, share: float = 1.0, mode: str = "in_person", **other: object) -> list[dict[str, object]]:
    found = [FIRST + timedelta(days=at) for at in range(400) if (FIRST + timedelta(days=at)).weekday() < 5][:days]
    return [{"student_id": student, "enrolment_id": f"{student}-1", "on": day, "status": "absent", "absent_share": share,
             "mode": mode, **other} for day in found]  # fmt: skip


LATEST = [
    {"student_id": "back", "enrolment_id": "back-1", "on": LAST, "status": "late", "absent_share": 0.0, "mode": "in_person"}
]


def absences(*rows: list[dict[str, object]]) -> SchoolRecords:
    return school(attendance=frame("attendance", *LATEST, *(row for part in rows for row in part)))


def test_a_tenth_of_the_years_school_days_is_chronic_and_part_days_count_in_part() -> None:
    found = by_student(absences(away("shy", 18), away("done", 35, 0.5), away("stranger", 36, 0.5)), "chronic_absence")
    assert (found["shy"], found["done"], found["stranger"], found["back"]) == (1, 0, 1, 0)
    shares = by_student(absences(away("shy", 18)), "chronic_absence", column="value")
    assert shares["shy"] == pytest.approx(0.1)


def test_lessons_at_home_or_in_hospital_are_presence() -> None:
    assert by_student(absences(away("shy", 60, mode="home_or_hospital")), "chronic_absence")["shy"] == 0


def test_a_year_is_judged_when_it_is_over_on_record_and_only_of_those_who_stayed() -> None:
    assert by_student(absences(away("gone", 60)), "chronic_absence")["gone"] is None
    begun = school(attendance=frame("attendance", *away("shy", 60)))
    assert set(by_student(begun, "chronic_absence").values()) == {None}
    assert by_student(absences(), "chronic_absence", column="known_on")["back"] == LAST + timedelta(days=1)


def test_an_absence_that_was_corrected_counts_as_it_stands_now() -> None:
    wrong, right = away("shy", 18), away("shy", 1, share=0.0, known_on=FAR)
    assert by_student(absences(wrong), "chronic_absence")["shy"] == 1
    assert by_student(absences(wrong, right), "chronic_absence")["shy"] == 0


# -- the grading period under way --------------------------------------------------------------------------------------


def test_failing_a_course_is_asked_of_the_grading_period_that_is_running() -> None:
    section = {"section_id": "algebra", "course_id": "alg", "term_id": "y1", "organisation_id": "lincoln", "starts_on": FIRST,
               "ends_on": date(2025, 1, 24)}  # fmt: skip
    seat = {"student_id": "back", "enrolment_id": "back-1", "section_id": "algebra"}
    outcomes = [{**seat, "term_id": term, "result": result, "decided_on": day}
                for term, result, day in (("q1", "fail", date(2024, 11, 5)), ("q2", "pass", date(2025, 1, 29)))]  # fmt: skip
    records = school(
        sections=frame("sections", section), rosters=frame("rosters", {**seat, "begins_on": FIRST}),
        outcomes=frame("outcomes", *outcomes),
    )  # fmt: skip
    assert by_student(records, "course_failure", date(2024, 10, 1)) == {"back": 1}
    assert by_student(records, "course_failure", date(2024, 10, 31)) == {"back": 1}
    assert by_student(records, "course_failure", date(2024, 11, 1)) == {"back": 0}
    # The class is over: nobody sits in it any more, though the roster was never changed.
    assert by_student(records, "course_failure", date(2025, 2, 1)) == {}

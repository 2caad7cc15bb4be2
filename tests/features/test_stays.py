"""A row belongs to the stay that covers its day."""

from __future__ import annotations

from datetime import date

import polars as pl

from features.sources.stays import enrolment_of

STAYS = pl.DataFrame(
    {
        "enrolment_id": ["ana-1", "ana-2", "ben-east", "ben-west", "cal-1"],
        "student_id": ["ana", "ana", "ben", "ben", "cal"],
        "organisation_id": ["east", "east", "east", "west", "east"],
        "entered_on": [date(2025, 9, 1), date(2026, 9, 1), date(2026, 9, 1), date(2026, 9, 7), None],
        "planned_end_on": [date(2026, 6, 26), date(2027, 6, 25)] * 2 + [date(2027, 6, 25)],
    }
).with_columns(planned_end_on=pl.when(pl.col("student_id") == "ben").then(date(2027, 6, 25)).otherwise("planned_end_on"))
EXITS = pl.DataFrame({"enrolment_id": ["ana-2"], "exited_on": [date(2026, 10, 15)]})


def found(rows: list[tuple[str, date | None, str | None]], exits: pl.DataFrame | None = EXITS) -> list[str | None]:
    schema = {"student_id": pl.String, "on": pl.Date, "organisation_id": pl.String}
    return enrolment_of(pl.DataFrame(rows, schema, orient="row"), STAYS, exits).to_list()


def test_a_row_belongs_to_the_stay_that_covers_its_day() -> None:
    assert found([("ana", date(2026, 9, 1), None), ("ana", date(2026, 6, 26), None), ("ana", date(2026, 7, 20), None)]) == [
        "ana-2", "ana-1", None,
    ]  # fmt: skip


def test_a_stay_covers_no_day_after_its_exit() -> None:
    rows = [("ana", date(2026, 10, 15), None), ("ana", date(2026, 10, 16), None)]
    assert found(rows) == ["ana-2", None]
    assert found(rows, None) == ["ana-2", "ana-2"]


def test_of_two_stays_the_one_at_the_rows_school_is_taken_and_else_the_later() -> None:
    assert found([("ben", date(2026, 9, 9), "east"), ("ben", date(2026, 9, 9), "west"), ("ben", date(2026, 9, 9), None)]) == [
        "ben-east", "ben-west", "ben-west",
    ]  # fmt: skip
    assert found([("ben", date(2026, 9, 2), "west")]) == ["ben-east"]  # the only one that had begun


def test_a_row_without_a_day_belongs_to_an_only_stay() -> None:
    assert found([("cal", None, None), ("ana", None, None), ("nobody", None, None)]) == ["cal-1", None, None]


def test_a_stay_without_a_first_day_is_taken_to_have_begun() -> None:
    assert found([("cal", date(2001, 1, 1), None)]) == ["cal-1"]


def test_of_several_versions_of_a_stay_the_latest_counts() -> None:
    moved = STAYS.filter(pl.col("enrolment_id") == "cal-1")
    versions = pl.concat(
        [
            moved.with_columns(known_on=date(2026, 10, 1), planned_end_on=date(2026, 9, 30)),
            moved.with_columns(known_on=date(2026, 9, 1)),
        ],
        how="vertical_relaxed",
    )
    rows = pl.DataFrame({"student_id": ["cal"], "on": [date(2026, 11, 1)]})
    assert enrolment_of(rows, versions).to_list() == [None]
    gone = versions.with_columns(deleted=pl.col("known_on") == date(2026, 10, 1))
    assert enrolment_of(rows.with_columns(on=date(2026, 9, 2)), gone).to_list() == [None]

"""The list of a school without outcomes: facts and lines, the same gate of time, and nothing that looks like a score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import example_school
import numpy as np
import polars as pl
import pytest

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from serving.batch import SCHEMA
from serving.rules import BY, RULE_SCHEMA, RuleList, rule_list
from training.indicators import SEVERE

TODAY = example_school.TODAY
TABLES = example_school.tables()


def listed(records: SchoolRecords | None = None, as_of: date = TODAY) -> RuleList:
    return rule_list(records or example_school.records(), as_of)


def of(found: RuleList, student: str) -> dict[str, Any]:
    return found.frame.row(by_predicate=pl.col("student_id") == student, named=True)


def without(*tables: str, frames: Mapping[str, pl.DataFrame] = TABLES) -> SchoolRecords:
    return example_school.records({name: frame for name, frame in frames.items() if name not in tables})


def away(student: str, days: int) -> SchoolRecords:
    """The school with a student who missed so many of its 47 days whole, and no other day."""
    calendar = TABLES["calendar"].filter(pl.col("instructional"), pl.col("on") >= date(2026, 9, 1))["on"].to_list()[:days]
    kept = TABLES["attendance"].filter(pl.col("student_id") != student)
    rows = [{"student_id": student, "enrolment_id": f"{student}-autumn", "on": day, "status": "absent", "absent_share": 1.0,
             "excused": None, "mode": "in_person", "exclusion": False} for day in calendar]  # fmt: skip
    return example_school.records({**TABLES, "attendance": pl.concat([kept, pl.DataFrame(rows, schema=kept.schema)])})


def test_two_indicators_suggest_a_check_in_and_one_is_worth_an_eye() -> None:
    found = listed()
    ana, ben, cal = of(found, "ana"), of(found, "ben"), of(found, "cal")
    assert (ana["band"], ana["indicators"]) == ("check_in_suggested", ["behaviour", "coursework"])
    assert (ben["band"], ben["indicators"]) == ("check_in_suggested", ["attendance", "behaviour"])
    assert (cal["band"], cal["indicators"], cal["reasons"]) == ("no_extra_signal", [], [])
    assert of(found, "dee")["band"] == "keep_an_eye"
    assert {row["status"] for row in found.frame.iter_rows(named=True)} == {"rule"}


def test_a_tenth_is_an_indicator_and_a_fifth_is_enough_alone() -> None:
    for days, band, said in (
        (4, "no_extra_signal", None),
        (5, "keep_an_eye", "a tenth"),
        (10, "check_in_suggested", "a fifth"),
    ):
        row = of(listed(away("cal", days)), "cal")
        assert row["band"] == band
        text = row["reasons"][0]["text"] if row["reasons"] else None
        assert text == (said and f"The student has missed {days} of 47 school days so far this year. "
                                 f"The rule's line: {said} of the school days.")  # fmt: skip
    assert SEVERE.value == 0.2


def test_reasons_are_facts_in_the_features_own_words() -> None:
    texts = [one["text"] for one in of(listed(), "ana")["reasons"]]
    assert texts == [
        "The student has been kept from class for 1 of this year's school days. The rule's line: one school day.",
        "The student has current marks below 60 of 100 in 1 core course (English, mathematics, science, social studies). "
        "The rule's line: one core course below 60 of 100.",
    ]
    every = " ".join(one["text"] for row in listed().frame["reasons"] for one in row)
    assert not re.search(r"risk|flag|dropout|because|will ", every)


def test_no_row_could_be_taken_for_a_models() -> None:
    frame = listed().frame
    only_models = ["probability", "interval_low", "interval_high", "expected", "expected_low", "expected_high", "per_100",
                   "model_version", "norms", "raw", "prediction_id", "target"]  # fmt: skip
    assert frame.select(only_models).null_count().row(0) == (frame.height,) * len(only_models)
    assert frame["by"].unique().to_list() == [BY]
    assert "by" not in SCHEMA
    assert frame.schema == pl.Schema(RULE_SCHEMA)
    assert list(frame.columns)[: len(SCHEMA)] == list(SCHEMA)
    assert {one["contribution"] for row in frame["reasons"] for one in row} == {None}


def test_rows_known_after_as_of_are_ignored() -> None:
    later = example_school.plus(
        TABLES, "attendance",
        *({"student_id": "cal", "enrolment_id": "cal-autumn", "on": day, "status": "absent", "absent_share": 1.0,
           "known_on": TODAY + timedelta(days=1)} for day in (TODAY - timedelta(days=at) for at in range(30))),
    )  # fmt: skip
    assert of(listed(example_school.records(later)), "cal") == of(listed(), "cal")
    assert of(listed(example_school.records(later), TODAY + timedelta(days=1)), "cal")["band"] == "check_in_suggested"


def test_a_table_that_was_not_sent_is_unknown_and_said_so() -> None:
    found = listed(without("incidents"))
    assert found.looked_at == ("attendance", "coursework")
    assert found.unknown == ("behaviour: Send incidents (StudentDisciplineIncidentBehaviorAssociation in Ed-Fi).",)
    row = of(found, "ben")
    assert (row["indicators_met"], row["indicators_known"], row["band"]) == (1, 2, "keep_an_eye")
    assert row["unknowns"] == ["Conduct is not in the records, so it is not counted."]


def test_without_report_cards_the_average_of_single_marks_stands() -> None:
    found = listed(without("course_marks"))
    row = of(found, "ben")
    assert row["indicators"] == ["attendance", "behaviour", "coursework"]
    assert "an average of 51 of 100" in row["reasons"][2]["text"]
    silent = of(listed(without("course_marks", "results")), "ben")
    assert silent["unknowns"] == ["No mark is known yet."]


def test_a_school_that_says_of_no_course_whether_it_is_core_is_asked_about_all() -> None:
    courses = TABLES["courses"].with_columns(pl.lit(None, pl.Boolean).alias("core"))
    row = of(listed(example_school.records({**TABLES, "courses": courses})), "dee")
    assert [one["feature"] for one in row["reasons"]] == ["classes_below_60"]


def test_most_indicators_come_first_and_the_order_never_changes() -> None:
    found = listed()
    met = found.frame["indicators_met"].to_list()
    assert met == sorted(met, reverse=True)
    rng = np.random.default_rng(1)
    shuffled = {name: frame[rng.permutation(frame.height)] for name, frame in TABLES.items()}
    assert listed(example_school.records(shuffled)).frame.equals(found.frame)


def test_buckets_give_the_same_list(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    cut = rule_list(example_school.records().write(tmp_path / "records", 3), TODAY,
                    progress=lambda _, done, of: steps.append((done, of)))  # fmt: skip
    assert cut.frame.equals(listed().frame)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert (cut.rows, cut.students) == (11, 11)
    assert sum(cut.counts.values()) == cut.rows


def test_nothing_is_said_of_records_that_end_too_long_before() -> None:
    late = listed(without("activity", "assignments", "submissions", "section_attendance"), date(2026, 12, 18))
    assert set(late.frame["status"]) == {"rule"}
    frames = {name: frame for name, frame in TABLES.items() if name in
              {"organisations", "terms", "calendar", "students", "enrolments", "attendance"}}  # fmt: skip
    cut = {**frames, "attendance": TABLES["attendance"].filter(pl.col("on") < date(2026, 10, 1))}
    old = listed(example_school.records(cut)).frame
    assert set(old["status"]) == {"stale_data"}
    assert set(old["band"]) == {"not_enough_data"}
    assert old["indicators_met"].null_count() == old.height


def test_with_no_attendance_behaviour_or_marks_it_refuses_and_says_what_to_send() -> None:
    with pytest.raises(Refused) as refused:
        listed(without("attendance", "incidents", "course_marks", "results"))
    hints = " ".join(problem.hint for problem in refused.value.problems)
    assert [problem.where for problem in refused.value.problems] == ["attendance", "behaviour", "coursework"]
    for table in ("attendance (StudentSchoolAttendanceEvent", "incidents (", "course_marks (Grade"):
        assert table in hints


def test_a_day_on_which_nobody_is_enrolled_has_no_list() -> None:
    with pytest.raises(NotFound, match="Nobody is enrolled on 2027-08-01"):
        listed(as_of=date(2027, 8, 1))


def test_it_is_written_as_parquet_and_as_a_csv_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    renamed = {name: frame.with_columns(pl.col("student_id").str.replace("^ben$", "=1+1")) if "student_id" in frame.columns
               else frame for name, frame in TABLES.items()}  # fmt: skip
    found = listed(example_school.records(renamed))
    for name in ("list.parquet", "list.csv"):
        found.write(tmp_path / "new" / name)
    assert pl.read_parquet(tmp_path / "new" / "list.parquet").equals(found.frame)
    text = (tmp_path / "new" / "list.csv").read_text(encoding="utf-8-sig")
    flat = pl.read_csv(tmp_path / "new" / "list.csv")
    assert flat.height == found.rows
    assert "'=1+1" in flat["student_id"].to_list()
    assert ",=1+1" not in text
    assert set(flat["by"]) == {BY}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["list.csv", "list.parquet"]

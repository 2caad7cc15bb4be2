"""What holds of every feature, now and of any that is added: each is tried on its own."""

from __future__ import annotations

from datetime import date
from functools import cache

import example_school
import polars as pl
import pytest
from example_school import TODAY

from features import cohort, pipeline
from features.catalog import Feature
from features.pipeline import KEYS
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES, Grain

EVERY = pytest.mark.parametrize("one", STANDARD, ids=list(STANDARD.names))
DAYS = [date(2026, 9, 1), date(2026, 9, 16), date(2026, 10, 3), date(2026, 10, 16), TODAY, date(2026, 12, 18)]


def finest(one: Feature) -> Grain:
    return one.grains[-1]


@cache
def table(unit: Grain, change: str = "") -> pl.DataFrame:
    """The features of everybody on several days, of the school as it is or changed in one way."""
    frames = example_school.tables()
    if change == "shuffled":
        frames = {name: frame.sample(fraction=1, shuffle=True, seed=at) for at, (name, frame) in enumerate(frames.items())}
    elif change == "reversed":
        frames = {name: frame.reverse() for name, frame in frames.items()}
    elif change == "without what was known later":
        whole = example_school.records(frames)
        frames = {name: whole.labels(name).filter(pl.col("known_on") <= TODAY).collect() for name in frames}
    records = example_school.records(frames)
    days = [TODAY] if change.startswith("without") else DAYS
    return pipeline.build(records, cohort.on_dates(records, days, unit), STANDARD).frame


@EVERY
def test_a_feature_ignores_what_is_known_later(one: Feature) -> None:
    now = table(finest(one)).filter(pl.col("as_of") == TODAY)
    without = table(finest(one), "without what was known later")
    assert now.select(KEYS).equals(without.select(KEYS))
    assert now[one.name].equals(without[one.name])


@EVERY
def test_the_order_of_rows_changes_no_bit(one: Feature) -> None:
    assert table(finest(one))[one.name].equals(table(finest(one), "shuffled")[one.name])
    assert table(finest(one))[one.name].equals(table(finest(one), "reversed")[one.name])


@EVERY
def test_a_feature_stays_in_its_range(one: Feature) -> None:
    values = table(finest(one))[one.name].drop_nulls()
    assert values.len() > 0, "the example school must know it of somebody"
    assert values.is_finite().all()
    assert values.is_between(*one.range).all(), (values.min(), values.max())


@EVERY
def test_a_feature_tells_students_or_days_apart(one: Feature) -> None:
    same_for_all = {"course_days", "weight_asked"}
    assert table(finest(one))[one.name].n_unique() > 1 or one.name in same_for_all


#: What is there before anybody does anything.
CALENDAR = ("organisations", "terms", "courses", "sections", "students", "enrolments", "rosters", "assignments", "skills",
            "assignment_skills")  # fmt: skip


@cache
def idle(held: bool) -> pl.DataFrame:
    """The school before anybody did anything: the tables of events are held and empty, or were never sent."""
    frames = example_school.tables()
    frames = {name: frame if name in CALENDAR else frame.clear() for name, frame in frames.items() if held or name in CALENDAR}
    records = example_school.records(frames)
    return pipeline.build(records, cohort.on_dates(records, [TODAY], "skill"), STANDARD).frame


@EVERY
def test_a_feature_survives_an_empty_history(one: Feature) -> None:
    values = idle(held=True)[one.name]
    known = values.drop_nulls()
    assert known.is_finite().all()
    assert known.is_between(*one.range).all()


@EVERY
def test_a_feature_of_a_table_that_was_never_sent_is_unknown_and_not_zero(one: Feature) -> None:
    if one.frame is None or set(one.frame.tables) <= set(CALENDAR):
        return
    assert idle(held=False)[one.name].null_count() == idle(held=False).height


def test_counts_over_a_table_that_is_held_and_empty_are_zero() -> None:
    empty = idle(held=True)
    counts = ["active_days_28d", "actions_all", "handed_in", "marks_known", "skill_occasions", "marks_carried_over"]
    assert empty.select(pl.col(counts).sum()).row(0) == (0.0,) * len(counts)
    assert empty.select(pl.col(counts).null_count()).row(0) == (0,) * len(counts)
    unknown = ["days_since_active", "mark_mean", "mark_latest", "lead_mean", "skill_latest", "days_since_hand_in"]
    assert empty.select(pl.col(unknown).count()).row(0) == (0,) * len(unknown)


#: Tables of schools whose features are still to be written. A table that gets one leaves this list.
AWAITING = {"attendance", "calendar", "course_marks", "courses", "incidents", "section_attendance"}


def test_every_table_with_features_is_read_by_some_feature() -> None:
    read = {name for one in STANDARD if one.frame for name in one.frame.tables}
    assert {name for name, table in TABLES.items() if table.used_for("feature")} - read == AWAITING


# -- Ana's autumn, by hand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # a1, a2, a3 and a4 are due; a3 was not handed in, a2 two days late, a1 and a4 a day early.
        ("work_due", 4.0), ("handed_in", 3.0), ("handed_in_share", 0.75), ("missing", 1.0), ("missing_56d", 1.0),
        ("work_due_56d", 3.0), ("missing_share_56d", 1 / 3), ("handed_in_late", 1.0), ("late_share", 1 / 3),
        ("lead_mean", 0.0), ("lead_latest", 1.0), ("lead_least", -2.0), ("days_since_hand_in", 4.0),
        ("days_since_due", 3.0), ("days_passed_by", 0.0), ("days_to_due", 18.0), ("next_handed_in", 0.0),
        # Weights 10, 20, 20, 20, 30 of 100: the exam is no work to hand in.
        ("weight_due", 7000.0), ("weight_missing", 2000.0), ("weight_marked", 5000.0), ("weight_asked", 10_000.0),
        # Marks 80, 50, 60: by weight (10 * 80 + 20 * 50 + 20 * 60) / 50 = 60.
        ("marks_known", 3.0), ("mark_mean", 190 / 3), ("mark_mean_weighted", 60.0), ("mark_latest", 60.0),
        ("mark_earlier_mean", 65.0), ("mark_change", -5.0), ("mark_lowest", 50.0), ("mark_highest", 80.0),
        ("tutor_marked_latest", 80.0), ("tutor_marked_mean", 80.0), ("computer_marked_mean", 55.0), ("marks_below_40", 0.0),
        ("secured", 3000 / 70), ("secured_evenly", 190 / 4), ("needed_for_40", (4000 - 3000) / 30), ("within_reach", 60.0),
        # Online on 28 August, 2 September, 20 October, 2 and 13 November.
        ("active_days_7d", 1.0), ("active_days_14d", 2.0), ("active_days_28d", 3.0), ("active_days_before_28d", 0.0),
        ("active_days_all", 5.0), ("active_days_before_start", 1.0), ("active_weeks", 4.0), ("days_since_active", 0.0),
        ("actions_28d", 18.0), ("actions_all", 31.0), ("pages_14d", 5.0), ("discussion_days_14d", 1.0),
        ("content_days_28d", 2.0), ("quiz_days_all", 1.0), ("actions_per_day", 6.2), ("actions_first_weeks", 10.0),
        ("days_elapsed", 73.0), ("course_days", 108.0), ("registered_ahead", 0.0), ("elapsed_share", 73 / 108),
        # Evidence of ratios: a1 at .8, a2 at .5, a4 at .6.
        ("skill_occasions", 3.0), ("skill_latest", 0.6), ("skill_earlier", 0.65), ("skill_lowest", 0.5),
        ("skill_days_since", 4.0),
    ],
)  # fmt: skip
def test_anas_autumn_by_hand(name: str, value: float) -> None:
    row = table("skill").filter(student_id="ana", section_id="algebra-autumn", skill_id="ratios", as_of=TODAY)
    assert row.height == 1
    assert row[name][0] == pytest.approx(value, abs=1e-12)


def test_exempt_and_banked_work_leaves_the_denominator() -> None:
    row = {"student_id": "ana", "enrolment_id": "ana-autumn", "marked_on": date(2026, 10, 1), "known_on": date(2026, 10, 1)}
    frames = example_school.plus(example_school.tables(), "results", row | {"assignment_id": "a3", "status": "exempt"})
    frames["results"] = frames["results"].with_columns(
        status=pl.when((pl.col("student_id") == "ana") & (pl.col("assignment_id") == "a2"))
        .then(pl.lit("banked"))
        .otherwise("status")
    )
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), STANDARD).frame.row(0, named=True)
    assert (found["work_due"], found["handed_in"], found["missing"]) == (2.0, 2.0, 0.0)
    assert (found["weight_asked"], found["weight_due"], found["mark_mean"]) == (6000.0, 3000.0, 70.0)
    assert found["marks_carried_over"] == 1.0


@pytest.mark.parametrize(
    ("best", "score", "mark"),
    [(100.0, 130.0, 100.0), (0.0, 5.0, None), (None, 5.0, None), (1e-6, 1e6, 100.0), (20.0, 0.0, 0.0)],
)
def test_a_mark_that_cannot_be_of_100_neither_breaks_nor_exceeds_it(
    best: float | None, score: float, mark: float | None
) -> None:
    frames = example_school.tables()
    frames["assignments"] = frames["assignments"].with_columns(max_score=pl.lit(best, pl.Float64))
    frames["results"] = frames["results"].with_columns(score=pl.lit(score))
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), STANDARD).frame
    assert found["mark_highest"].to_list() == [mark]


def test_work_without_weights_counts_alike() -> None:
    frames = example_school.tables()
    frames["assignments"] = frames["assignments"].with_columns(weight=pl.lit(0.0))
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), STANDARD).frame
    assert found["weight_due"].to_list() == [8000.0]


@pytest.mark.parametrize("weights", [[0.3, 6.6, 0.2, 2.2, 9.9], [0.2, 0.7, 1.75, 0.15, 0.4], [1.05, 0.35, 1.0, 0.7, 0.1]])
def test_the_order_of_weights_that_add_up_differently_changes_no_bit(weights: list[float]) -> None:
    """Added up from the other end these sums differ in their last bit, and half a basis point decides what is rounded up."""
    frames = example_school.tables()
    work = frames["assignments"].filter(pl.col("section_id") == "algebra-autumn", pl.col("kind") != "exam")
    work = work.with_columns(pl.Series("weight", weights))
    one, other = (
        pipeline.build(example_school.records({**frames, "assignments": rows}), example_school.one("ana"), STANDARD).frame
        for rows in (work, work.reverse())
    )
    assert one.equals(other)


# -- the real data ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(oulad_records: SchoolRecords) -> pl.DataFrame:
    days = cohort.on_days_of_term(oulad_records, [0, 56, 200], "skill", ["2013J"])
    return pipeline.build(oulad_records, days, STANDARD).frame


@pytest.mark.full
@EVERY
def test_a_feature_stays_in_its_range_on_the_real_data(one: Feature, real: pl.DataFrame) -> None:
    values = real[one.name].drop_nulls()
    assert values.is_finite().all()
    assert values.is_between(*one.range).all(), (values.min(), values.max())
    assert values.len() > 0


@pytest.mark.full
def test_real_records_shuffled_and_in_buckets_give_the_same_bits(
    oulad_records: SchoolRecords, tmp_path_factory: pytest.TempPathFactory
) -> None:
    some = oulad_records.labels("students").head(1500).collect()["student_id"]
    frames = {}
    for name in oulad_records.parts:
        frame = oulad_records.labels(name).collect()
        frames[name] = frame.filter(pl.col("student_id").is_in(some.implode())) if "student_id" in frame.columns else frame
    records = SchoolRecords.from_frames(frames)
    whole = pipeline.build(records, cohort.on_days_of_term(records, [84], "skill"), STANDARD)
    shuffled = SchoolRecords.from_frames({n: f.sample(fraction=1, shuffle=True, seed=1) for n, f in frames.items()})
    again = pipeline.build(shuffled, cohort.on_days_of_term(shuffled, [84], "skill"), STANDARD)
    assert whole.frame.equals(again.frame)
    opened = shuffled.write(tmp_path_factory.mktemp("real") / "records", 3)
    assert pipeline.build(opened, cohort.on_days_of_term(opened, [84], "skill"), STANDARD).frame.equals(whole.frame)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("actions_7d", {date(2026, 11, 12): 0.0, date(2026, 11, 13): 4.0, date(2026, 11, 14): 44.0}),
        ("days_since_active", {date(2026, 11, 13): 0.0, date(2026, 11, 14): 0.0, date(2026, 11, 15): 1.0}),
        # 20 October is the 27th day before 16 November, and outside the 28 days that end on the 17th.
        ("active_days_28d", {date(2026, 11, 16): 4.0, date(2026, 11, 17): 3.0}),
        ("active_days_before_28d", {date(2026, 11, 16): 0.0, date(2026, 11, 17): 1.0}),
        # a4 is due on 10 November, and was handed in the day before.
        ("work_due", {date(2026, 11, 9): 3.0, date(2026, 11, 10): 4.0}),
        ("handed_in_early", {date(2026, 11, 8): 0.0, date(2026, 11, 9): 1.0, date(2026, 11, 10): 0.0}),
        ("missing", {date(2026, 10, 19): 0.0, date(2026, 10, 20): 1.0}),
        # a1's mark is known on 22 September.
        ("marks_known", {date(2026, 9, 21): 0.0, date(2026, 9, 22): 1.0}),
    ],
)
def test_days_are_counted_to_the_end_of_the_day(name: str, values: dict[date, float]) -> None:
    records = example_school.records()
    found = {day: pipeline.build(records, example_school.one("ana", as_of=day), STANDARD).frame[name][0] for day in values}
    assert found == values

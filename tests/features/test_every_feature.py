"""What holds of every feature, now and of any that is added: each is tried on its own."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import example_school
import polars as pl
import pytest
from example_school import TODAY

from features import cohort, pipeline
from features.catalog import BEGUN, POSSIBLE, USED, Catalog, Feature
from features.phrases import fill
from features.pipeline import KEYS
from features.records import Cohort, SchoolRecords
from features.standard import STANDARD
from features.tables import GRAIN_KEYS, TABLES, Grain

ROOT = Path(__file__).resolve().parents[2]

#: A quick run takes every eighth feature, a whole one all of them.
EVERY = pytest.mark.parametrize(
    "one", [pytest.param(one, marks=pytest.mark.full if at % 8 else (), id=one.name) for at, one in enumerate(STANDARD)]
)
DAYS = [date(2026, 9, 1), date(2026, 9, 16), date(2026, 10, 3), date(2026, 10, 16), TODAY, date(2026, 12, 18)]


def finest(one: Feature) -> Grain:
    """The unit at which a feature is looked at: what is known of a student is carried down to the class."""
    return "skill" if one.grains[-1] == "skill" else "section"


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
    asked = [one.name for one in STANDARD if finest(one) == unit]
    return pipeline.build(records, cohort.on_dates(records, days, unit), part(*asked)).frame


@cache
def part(*names: str) -> Catalog:
    """The features of these names, with all that they are made of, compared with or hidden by."""
    wanted = set[str]()
    more = {*names, BEGUN, USED, *(one.name for one in STANDARD if one.needs == (USED,)), POSSIBLE}
    while more:
        wanted |= more
        more = {name for one in wanted for name in (*STANDARD[one].needs, STANDARD[one].own_earlier) if name} - wanted
    return Catalog(tuple(one for one in STANDARD if one.name in wanted))


@EVERY
def test_a_feature_ignores_what_is_known_later(one: Feature) -> None:
    now, without = today(finest(one)), table(finest(one), "without what was known later")
    assert now[one.name].equals(without[one.name])


@cache
def today(unit: Grain) -> pl.DataFrame:
    """The features of everybody on TODAY, who are those that are there without what is known later."""
    now = table(unit).filter(pl.col("as_of") == TODAY)
    assert now.select(KEYS).equals(table(unit, "without what was known later").select(KEYS))
    return now


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
    same_for_all = {"course_days", "weight_asked", "grade_level"}
    assert table(finest(one))[one.name].n_unique() > 1 or one.name in same_for_all


#: What is there before anybody does anything.
CALENDAR = ("organisations", "terms", "courses", "sections", "students", "enrolments", "rosters", "assignments", "skills",
            "assignment_skills", "calendar", "skill_prerequisites")  # fmt: skip


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
    if set(one.frame.tables if one.frame else one.tables) <= set(CALENDAR):
        return
    assert idle(held=False)[one.name].null_count() == idle(held=False).height


def test_counts_over_a_table_that_is_held_and_empty_are_zero() -> None:
    empty = idle(held=True)
    counts = ["handed_in", "marks_known", "skill_occasions", "marks_carried_over", "absent_days", "incidents_45d",
              "current_absence_streak", "skill_prereq_gaps", "suspended"]  # fmt: skip
    assert empty.select(pl.col(counts).sum()).row(0) == (0.0,) * len(counts)
    assert empty.select(pl.col(counts).null_count()).row(0) == (0,) * len(counts)
    # Where nobody is online, the class does not use the tool, and nobody's silence says anything.
    unknown = ["active_days_28d", "days_since_active", "mark_mean", "mark_latest", "lead_mean", "skill_latest",
               "days_since_hand_in", "monday_friday_share", "unexcused_share", "remote_participation", "section_cut_rate_45d",
               "report_mean", "classes_below_60", "credits_share", "skill_mastery"]  # fmt: skip
    assert empty.select(pl.col(unknown).count()).row(0) == (0,) * len(unknown)


def test_every_table_with_features_is_read_by_some_feature() -> None:
    read = {name for one in STANDARD if one.frame for name in one.frame.tables}
    assert {name for name, table in TABLES.items() if table.used_for("feature")} <= read


# -- words ------------------------------------------------------------------------------------------------------------

SAID = pytest.mark.parametrize("one", [one for one in STANDARD if one.said], ids=[one.name for one in STANDARD if one.said])

#: Words that judge, give a cause or foretell.
UNKIND = ("truan", "chronic", "fail", "lazy", "risk", "because they", "disengag", "will ", "problem", "bad", "behind", "offen",
          "delinquen", "!", "cut ")  # fmt: skip


@SAID
def test_a_feature_is_said_of_everybody_it_is_known_of_in_plain_words(one: Feature) -> None:
    asked = [name for _, name, _, _ in string.Formatter().parse(one.words.says) if name and name != "value"]
    rows = table(finest(one)).filter(pl.col(one.name).is_not_null()).select(pl.col(one.name).alias("value"), *asked).unique()
    assert rows.height > 0
    for row in rows.iter_rows(named=True):
        said = fill(one.words.says, row)  # refuses a number that is not known
        assert said[0].islower()
        assert len(said.split()) <= 22
        assert not any(word in said.lower() for word in UNKIND)
        assert "0 %" not in said
        assert "nan" not in said


# -- the honest direction ---------------------------------------------------------------------------------------------

Frames = dict[str, pl.DataFrame]

#: The last three school days of which attendance is known on TODAY, and one at the beginning of term.
AWAY = (date(2026, 9, 3), date(2026, 11, 10), date(2026, 11, 11), date(2026, 11, 12))


def _everybody_away(frames: Frames) -> Frames:
    known = frames["attendance"]
    stays = frames["rosters"].filter(pl.col("section_id") == "reading-autumn").select("student_id", "enrolment_id")
    more = stays.join(pl.DataFrame({"on": AWAY}), how="cross").with_columns(
        status=pl.lit("absent"),
        absent_share=1.0,
        excused=pl.lit(value=False),
        mode=pl.lit("in_person"),
        exclusion=pl.lit(value=False),
    )
    return {"attendance": pl.concat([known.filter(~pl.col("on").is_in(AWAY)), more.select(known.columns)])}


def _changed(name: str, **columns: pl.Expr) -> Callable[[Frames], Frames]:
    return lambda frames: {name: frames[name].with_columns(**columns)}


def _suspended(frames: Frames) -> Frames:
    students = [name for name in example_school.STUDENTS if name != "leo"]
    more = [
        {"incident_id": "new", "student_id": student, "enrolment_id": f"{student}-autumn", "occurred_on": date(2026, 11, 9),
         "role": "perpetrator", "exclusion": "out_of_school", "days_excluded": 3.0}
        for student in students
    ]  # fmt: skip
    away = _everybody_away(frames)["attendance"].with_columns(exclusion=pl.col("on").is_in(AWAY) | pl.col("exclusion"))
    return {"incidents": example_school.plus(frames, "incidents", *more)["incidents"], "attendance": away}


def _nothing_handed_in_since_october(frames: Frames) -> Frames:
    late = frames["submissions"].filter(pl.col("submitted_on") < date(2026, 10, 1))
    return {"submissions": late, "results": frames["results"].join(late, on=["student_id", "assignment_id"], how="semi")}


def _recent_marks_lower(frames: Frames) -> Frames:
    halved = (
        pl.when(pl.col("decided_on") > date(2026, 12, 1)).then(0.5).when(pl.col("decided_on") > date(2026, 10, 1)).then(0.9)
    )
    return {
        "results": frames["results"].with_columns(
            score=pl.col("score") * pl.when(pl.col("marked_on") > date(2026, 10, 24)).then(0.1).otherwise(1.0)
        ),
        "course_marks": frames["course_marks"].with_columns(
            mark_share=pl.col("mark_share") * halved.otherwise(1.0), credits_earned=pl.col("credits_earned") * 0.5
        ),
    }


def _online_less(frames: Frames) -> Frames:
    lately = pl.col("on").is_between(date(2026, 11, 1), TODAY)
    return {"activity": frames["activity"].filter(~lately & (pl.col("on") >= date(2026, 9, 12)))}


#: One change for the worse by concept, and others for what that does not touch, or touches from both sides.
WORSE: dict[str, Callable[[Frames], Frames]] = {
    "attendance": _everybody_away,
    "behaviour": _suspended,
    "coursework": _nothing_handed_in_since_october,
    "marks": _recent_marks_lower,
    "engagement": _online_less,
    "skills": _changed("skill_results", score_share=pl.col("score_share") * 0.3),
    "late": _changed("attendance", status=pl.lit("late")),
    "lessons": _changed(
        "section_attendance", status=pl.when(pl.col("on") > date(2026, 10, 20)).then(pl.lit("absent")).otherwise("status")
    ),
    "remote": _changed("attendance", absent_share=pl.lit(1.0)),
    "due dates": _changed("assignments", due_on=pl.col("due_on") - pl.duration(days=3)),
    "earlier weeks": lambda frames: {"activity": frames["activity"].filter(pl.col("on") >= date(2026, 11, 1))},
    "clicks": _changed("activity", actions=pl.lit(1, pl.Int32), resources=pl.lit(1, pl.Int32)),
    "reports": _changed("course_marks", mark_share=pl.min_horizontal("mark_share", 0.65)),
}
TOUCHED_BY = {"tardy_rate": "late", "section_cut": "lessons", "lessons_missed": "lessons", "remote": "remote",
              "lead_": "due dates", "handed_in_late": "due dates", "late_share": "due dates", "actions": "clicks",
              "pages": "clicks", "classes_60": "reports", "active_days_before": "earlier weeks"}  # fmt: skip

#: What is not seen on TODAY: work handed in ahead of its day, and a second report card.
SEEN_ON = {"handed_in_early": date(2026, 11, 9), "weight_early": date(2026, 11, 9), "next_handed_in": date(2026, 11, 9),
           "report_change": DAYS[-1]}  # fmt: skip


@cache
def on(day: date, unit: Grain, change: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The features that a change touches, on a day: of the school as it is, and worse off in that way."""
    frames = example_school.tables()
    touched = part(*(one.name for one in STANDARD if change == changes(one) and finest(one) == unit))
    before, after = example_school.records(), example_school.records(frames | WORSE[change](frames))
    first, second = (pipeline.build(of, cohort.on_dates(of, [day], unit), touched).frame for of in (before, after))
    return first, second


def changes(one: Feature) -> str:
    """What makes a feature look worse."""
    return next((change for start, change in TOUCHED_BY.items() if one.name.startswith(start)), one.concept)


@pytest.mark.parametrize("one", [one for one in STANDARD if one.said and one.higher != "context"], ids=lambda one: one.name)
def test_a_feature_has_an_honest_direction(one: Feature) -> None:
    before, after = on(SEEN_ON.get(one.name, TODAY), finest(one), changes(one))
    assert before.select(KEYS).equals(after.select(KEYS))
    steps = ((after[one.name] - before[one.name]) * (1 if one.higher == "concern" else -1)).drop_nulls().to_list()
    assert min(steps) >= -1e-9, "it looks better where things are worse"
    assert max(steps) > 0, "it does not notice"


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
    unit = finest(STANDARD[name])
    row = table(unit).join(example_school.one("ana", unit).frame, on=[*GRAIN_KEYS[unit], "as_of"], how="semi")
    assert row.height == 1
    assert row[name][0] == pytest.approx(value, abs=1e-12)


#: What is told by work and its marks.
WORK = part("marks_carried_over", *(one.name for one in STANDARD if one.concept in ("coursework", "marks")))


def test_exempt_and_banked_work_leaves_the_denominator() -> None:
    row = {"student_id": "ana", "enrolment_id": "ana-autumn", "marked_on": date(2026, 10, 1), "known_on": date(2026, 10, 1)}
    frames = example_school.plus(example_school.tables(), "results", row | {"assignment_id": "a3", "status": "exempt"})
    frames["results"] = frames["results"].with_columns(
        status=pl.when((pl.col("student_id") == "ana") & (pl.col("assignment_id") == "a2"))
        .then(pl.lit("banked"))
        .otherwise("status")
    )
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), WORK).frame.row(0, named=True)
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
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), WORK).frame
    assert found["mark_highest"].to_list() == [mark]


def test_work_without_weights_counts_alike() -> None:
    frames = example_school.tables()
    frames["assignments"] = frames["assignments"].with_columns(weight=pl.lit(0.0))
    found = pipeline.build(example_school.records(frames), example_school.one("ana"), WORK).frame
    assert found["weight_due"].to_list() == [8000.0]


@pytest.mark.parametrize("weights", [[0.3, 6.6, 0.2, 2.2, 9.9], [0.2, 0.7, 1.75, 0.15, 0.4], [1.05, 0.35, 1.0, 0.7, 0.1]])
def test_the_order_of_weights_that_add_up_differently_changes_no_bit(weights: list[float]) -> None:
    """Added up from the other end these sums differ in their last bit, and half a basis point decides what is rounded up."""
    frames = example_school.tables()
    work = frames["assignments"].filter(pl.col("section_id") == "algebra-autumn", pl.col("kind") != "exam")
    work = work.with_columns(pl.Series("weight", weights))
    one, other = (
        pipeline.build(example_school.records({**frames, "assignments": rows}), example_school.one("ana"), WORK).frame
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
def test_a_feature_stays_in_its_range_on_the_real_data(one: Feature, real: pl.DataFrame, oulad_records: SchoolRecords) -> None:
    values = real[one.name].drop_nulls()
    assert values.is_finite().all()
    assert values.is_between(*one.range).all(), (values.min(), values.max())
    assert bool(values.len()) == (one.name in STANDARD.within(oulad_records.parts))


@pytest.mark.full
def test_real_records_shuffled_in_buckets_and_on_many_threads_give_the_same_bits(
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
    folder = tmp_path_factory.mktemp("real") / "records"
    opened = shuffled.write(folder, 3)
    assert pipeline.build(opened, cohort.on_days_of_term(opened, [84], "skill"), STANDARD).frame.equals(whole.frame)
    code = (
        "import sys\nfrom pathlib import Path\nimport polars as pl\nfrom features import cohort, pipeline\n"
        "from features.records import SchoolRecords\nfrom features.standard import STANDARD\n"
        "assert pl.thread_pool_size() == 4\nrecords = SchoolRecords.open(Path(sys.argv[1]))\n"
        "cohorts = cohort.on_days_of_term(records, [84], 'skill')\n"
        "pipeline.build(records, cohorts, STANDARD).frame.write_parquet(sys.argv[2])"
    )
    many, built = os.environ | {"POLARS_MAX_THREADS": "4"}, folder.with_name("built.parquet")
    subprocess.run([sys.executable, "-c", code, str(folder), str(built)], env=many, check=True, cwd=ROOT)
    assert pl.read_parquet(built).equals(whole.frame)


#: What is known of Ana as the days go by.
DAY_BY_DAY: list[tuple[str, dict[date, float]]] = [
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
]


@pytest.fixture(scope="module")
def of_ana(school: SchoolRecords) -> dict[date, dict[str, object]]:
    """Ana's features on each of the days."""
    days = sorted({day for _, values in DAY_BY_DAY for day in values})
    asked = [example_school.one("ana", as_of=day).frame for day in days]
    found = pipeline.build(school, Cohort.of(pl.concat(asked), "section"), STANDARD)
    return {row["as_of"]: row for row in found.frame.iter_rows(named=True)}


@pytest.mark.parametrize(("name", "values"), DAY_BY_DAY)
def test_days_are_counted_to_the_end_of_the_day(
    of_ana: dict[date, dict[str, object]], name: str, values: dict[date, float]
) -> None:
    assert {day: of_ana[day][name] for day in values} == values

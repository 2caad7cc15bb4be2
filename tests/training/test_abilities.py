"""What a school's files can give: ready means that training takes them, and what is missing is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import example_school
import polars as pl
import pytest
from trainings import FEW_GATES, QUICK

from features import sources
from features.problems import Refused
from features.records import SchoolRecords
from features.sources.tables import Tables
from features.standard import STANDARD
from features.tables import TABLES
from training.abilities import LEAST_IN_GROUP, NAMES, Ability, abilities, named
from training.run import Training
from training.splits import LEAST_OF_EACH
from training.targets import TARGETS
from training.train import train

Frames = Mapping[str, pl.DataFrame]

PASS = 0.5
LARGE = example_school.large_school()

#: The shortest training there is: whether it is refused does not depend on how long it takes.
SHORT = replace(QUICK, trees=3, bootstrap_draws=3, refits=0, shift_parts=0, explained=1, line=0.0,
                proof_rows=500)  # fmt: skip


def without(*tables: str, frames: Frames = LARGE) -> dict[str, pl.DataFrame]:
    return {name: frame for name, frame in frames.items() if name not in tables}


def asked(frames: Frames) -> dict[str, Ability]:
    return {one.name: one for one in abilities(SchoolRecords.from_frames(frames), PASS, SHORT)}


def ready(found: Mapping[str, Ability]) -> set[str]:
    return {one.target for ability in found.values() for one in ability.targets if one.ready}


def missing_of(found: Mapping[str, Ability], target: str) -> str:
    return " ".join(
        what for ability in found.values() for one in ability.targets if one.target == target for what in one.missing
    )


def terms(*kept: str) -> dict[str, pl.DataFrame]:
    """The large school with some of its terms, and what belongs to them."""
    stays = LARGE["enrolments"].filter(pl.col("term_id").is_in(kept))
    cut = {name: frame.join(stays.select("enrolment_id"), on="enrolment_id", how="semi")
           for name, frame in LARGE.items() if "enrolment_id" in frame.columns}  # fmt: skip
    return {**LARGE, **cut}


def failing(students: int) -> dict[str, pl.DataFrame]:
    """The large school with so many courses not passed before the last term; of the last, nothing is changed."""
    first = ~pl.col("term_id").is_in(["t3"])
    bad = pl.col("result").is_in(["fail", "withdrawn"]) & first
    counted = pl.when(bad & (bad.cum_sum() > students)).then(pl.lit("pass")).otherwise(pl.col("result"))
    return {**LARGE, "outcomes": LARGE["outcomes"].with_columns(counted.alias("result"))}


# -- quick ------------------------------------------------------------------------------------------------------------


def test_a_school_with_records_of_three_terms_is_ready_for_what_it_sent() -> None:
    found = asked(LARGE)
    assert ready(found) == {"dropout", "course_failure", "learning_gap"}
    assert found["check_in_list"].ready
    assert found["check_in_list"].missing == ()
    assert found["access_list"].missing == (named("digital_access"),)
    assert list(found) == ["check_in_list", "course_failure", "skill_gaps", "access_list", "small_groups", "audit_by_group"]


@pytest.mark.parametrize(
    ("target", "table"),
    [("dropout", "exits"), ("dropout", "outcomes"), ("course_failure", "outcomes"), ("course_failure", "terms"),
     ("learning_gap", "skill_results"), ("learning_gap", "assignment_skills"), ("learning_gap", "assignments"),
     ("dropout", "rosters"), ("course_failure", "sections"), ("chronic_absence", "calendar")],
)  # fmt: skip
def test_a_table_that_is_missing_is_named_with_its_usual_file(target: str, table: str) -> None:
    found = asked(without(table))
    assert target not in ready(found)
    assert named(table) in missing_of(found, target)


def test_one_finished_term_needs_one_more() -> None:
    found = asked(terms("t3"))
    assert ready(found) == set()
    for target in ("dropout", "course_failure", "learning_gap"):
        assert "outcomes of one more finished term" in missing_of(found, target)


def test_where_nothing_is_decided_yet_two_terms_are_needed() -> None:
    found = asked({**LARGE, "outcomes": LARGE["outcomes"].clear()})
    assert "outcomes of two finished terms in outcomes" in missing_of(found, "course_failure")
    assert "none is known" in missing_of(found, "course_failure")


def test_too_few_of_a_kind_are_counted_as_the_split_counts_them() -> None:
    few = missing_of(asked(failing(10)), "course_failure")
    count = re.search(r"courses not passed, in outcomes: (\d+) known before 2026-01-05, (\d+) needed", few)
    assert count is not None
    assert 0 < int(count[1]) < LEAST_OF_EACH == int(count[2])
    assert "courses passed" not in few
    assert "course_failure" in ready(asked(failing(40)))


def test_stays_that_name_no_term_are_told_by_their_column() -> None:
    frames = {**LARGE, "enrolments": LARGE["enrolments"].with_columns(pl.lit(None, pl.String).alias("term_id"))}
    assert "column term_id of enrolments" in missing_of(asked(frames), "course_failure")


def test_a_rule_list_stands_in_only_where_nothing_can_be_learned_and_an_indicator_is_there() -> None:
    school = dict(example_school.tables())
    assert asked(school)["check_in_list"].rule
    assert not asked(LARGE)["check_in_list"].rule
    silent = without("attendance", "incidents", "course_marks", "results", "exits", "outcomes", "skill_results", frames=school)
    assert not asked(silent)["check_in_list"].rule


def test_scoring_with_a_model_that_is_there_needs_no_outcomes_but_what_it_reads() -> None:
    found = asked(without("exits", "outcomes", "skill_results"))
    assert not found["course_failure"].ready
    assert found["course_failure"].scores
    assert "could score these files" in found["course_failure"].line
    bare = SchoolRecords.from_frames(without("submissions", "results", "activity", "assignments", "outcomes", "skill_results"))
    assert not any(one.scores for one in abilities(bare, PASS, SHORT))


@pytest.mark.full
def test_a_model_in_use_tells_what_it_reads() -> None:
    carried = {"course_failure": STANDARD.within(set(LARGE))}
    both = [
        {one.name: one for one in abilities(SchoolRecords.from_frames(frames), PASS, SHORT, carried)}["course_failure"].scores
        for frames in (LARGE, without("submissions", "results"))
    ]
    assert both == [True, False]


def test_an_access_list_needs_somebody_of_whom_something_is_known() -> None:
    access = example_school.tables()["digital_access"]
    unknown = access.with_columns(pl.lit("unknown").alias("device"), pl.lit("unknown").alias("internet"))
    assert asked({**LARGE, "digital_access": access})["access_list"].ready
    assert "device and internet" in asked({**LARGE, "digital_access": unknown})["access_list"].missing[0]
    assert asked({**LARGE, "digital_access": access.clear()})["access_list"].missing[0].startswith("rows in")


@pytest.mark.full
def test_small_groups_need_prerequisites_and_rosters() -> None:
    school = example_school.tables()
    assert asked(school)["small_groups"].ready
    for table in ("skills", "skill_prerequisites", "skill_results", "rosters"):
        assert asked(without(table, frames=school))["small_groups"].missing == (named(table),)


def test_an_audit_needs_two_groups_of_one_column_that_are_large_enough() -> None:
    def grouped(of_ten: int) -> Frames:
        rows = LARGE["students"].with_row_index("at").with_columns(
            pl.when(pl.col("at") % 10 < of_ten).then(pl.lit("a")).otherwise(pl.lit("b")).alias("sex")
        )  # fmt: skip
        schema = {column.name: column.type for column in TABLES["demographics"].columns}
        blank = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in {"student_id", "sex"}]
        return {**LARGE, "demographics": rows.with_columns(blank).select(list(schema))}

    assert asked(grouped(5))["audit_by_group"].ready
    assert f"{LEAST_IN_GROUP} students each" in asked(grouped(0))["audit_by_group"].missing[0]
    nothing_learned = without("exits", "outcomes", "skill_results", frames=grouped(5))
    assert "can be learned" in asked(nothing_learned)["audit_by_group"].missing[0]


def test_lines_say_no_identifier_of_a_target_and_nothing_of_risk() -> None:
    for frames in (LARGE, terms("t3"), failing(10), without("exits"), example_school.tables()):
        for one in asked(frames).values():
            assert one.line.startswith(one.says)
            assert not re.search(r"course_failure|chronic_absence|learning_gap|dropout|risk|flag", one.line)
            assert one.as_dict()["missing"] == one.missing


def test_usual_names_are_those_of_tables_that_exist() -> None:
    assert set(NAMES) <= set(TABLES)
    assert set(NAMES) >= {table for target in TARGETS.values() for table in target.needs}


# -- the promise ------------------------------------------------------------------------------------------------------

CUTS: Mapping[str, Frames] = {
    "everything": LARGE,
    "the last term": terms("t3"),
    "two terms": terms("t2", "t3"),
    "ten failed": failing(10),
    "forty failed": failing(40),
    "no exits": without("exits"),
    "no outcomes": without("outcomes"),
    "no skills told": without("assignment_skills"),
    "nothing to learn from but how long": without("activity", "submissions", "results", "assignments", "skill_results"),
    "no rosters": without("rosters"),
    "no sections": without("sections"),
    "the example school": example_school.tables(),
}


def told_and_taken(frames: Frames, settings: Training, pass_mark: float) -> tuple[dict[str, Ability], set[str], dict[str, str]]:
    """Return what was said, which targets training took, and why it left the others out."""
    records, left = SchoolRecords.from_frames(frames), dict[str, str]()
    found = {one.name: one for one in abilities(records, pass_mark, settings)}
    try:
        results = train(records, settings=settings, pass_mark=pass_mark, gates=FEW_GATES,
                        left_out=lambda name, why: left.update({name: str(why)}))  # fmt: skip
    except Refused:
        return found, set(), left
    return found, {one.model.target.name for one in results}, left


@pytest.mark.full
@pytest.mark.parametrize("cut", CUTS)
def test_what_is_said_ready_trains_and_what_is_not_is_refused_or_left_out(cut: str) -> None:
    found, took, left = told_and_taken(CUTS[cut], SHORT, PASS)
    assert took == ready(found)
    for target, why in left.items():
        if f"fewer than {LEAST_OF_EACH} outcomes" in why:
            assert re.search(r"known before|one more finished", missing_of(found, target))


@pytest.mark.full
def test_of_a_district_of_school_years_what_is_said_ready_trains_too(tmp_path: Path) -> None:
    from homeroom.simulate.run import simulate
    from homeroom.simulate.world import World

    simulate(400, 5, tmp_path / "district", World.of({"years": {"first": 2023, "count": 3, "through": "2025-11-30"}}))
    district = sources.read("tables", tmp_path / "district", Tables()).tables

    def since(first: date) -> Frames:
        stays = district["enrolments"].filter(pl.col("entered_on") >= first).select("enrolment_id")
        return {name: frame.join(stays, on="enrolment_id", how="semi") if "enrolment_id" in frame.columns else frame
                for name, frame in district.items()}  # fmt: skip

    years = replace(SHORT, days=(42,), judged_days=(42,), most_rows=6_000)
    cuts = [district, since(date(2024, 7, 1)), since(date(2025, 7, 1))]
    said = []
    for frames in cuts:
        found, took, _ = told_and_taken(frames, years, 0.8)
        assert took == ready(found)
        said.append((took, found))
    assert said[0][0] >= {"course_failure", "chronic_absence", "learning_gap"}
    assert "one more finished school year" in missing_of(said[1][1], "chronic_absence")
    assert said[2][0] == set()
    assert said[2][1]["check_in_list"].rule

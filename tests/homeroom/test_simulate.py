"""The simulated district: what it promises of its rows, its worlds and its truth."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from features import sources
from features.problems import NotFound, Refused
from features.sources.tables import Tables
from features.tables import TABLES
from features.validation import Reading
from homeroom.cli import main
from homeroom.simulate import distributions, layout, run, schools
from homeroom.simulate.curriculum import PREREQUISITES, SKILL_AT, disorder
from homeroom.simulate.planted import planted_world
from homeroom.simulate.run import MANIFEST, simulate
from homeroom.simulate.truth import TABLES as TRUE
from homeroom.simulate.truth import open_truth
from homeroom.simulate.world import World, as_toml

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ROOT / "homeroom" / "simulate" / "worlds"
STUDENTS, SEED, THROUGH = 300, 1, date(2026, 2, 13)

#: Tables that a district has only where it has schools, students or years enough.
MAYBE = {"objections"}


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default world with 300 students."""
    out = tmp_path_factory.mktemp("simulated") / "district"
    simulate(STUDENTS, SEED, out)
    return out


@pytest.fixture(scope="module")
def reading(district: Path) -> Reading:
    """The district as the source of canonical tables reads it."""
    return sources.read("tables", district, Tables())


def small(**told: Any) -> World:
    """Return a world of one school year, in two zones where 200 are asked for."""
    return World.of({"years": {"first": 2024, "count": 1, "through": ""}, "schools": {"zone_students": 100}, **told})


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


# -- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_however_many_zones_are_made_at_once(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        simulate(200, 3, tmp_path / name, small(), workers)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert len(list((tmp_path / "one" / "enrolments").iterdir())) == 2


def test_another_seed_gives_another_district(tmp_path: Path) -> None:
    for seed in (3, 4):
        simulate(60, seed, tmp_path / str(seed), small())
    assert digests(tmp_path / "3")["attendance/part-0000.parquet"] != digests(tmp_path / "4")["attendance/part-0000.parquet"]


def test_a_zone_made_alone_is_the_zone_made_with_others(tmp_path: Path) -> None:
    world = small()
    simulate(200, 3, tmp_path / "whole", world)
    zones = layout.zones(world, 200)
    run._zone(world, 3, 200, *zones[1], len(zones), tmp_path / "alone")
    whole, alone = digests(tmp_path / "whole"), digests(tmp_path / "alone")
    assert {name: whole[name] for name in alone if not name.startswith("truth/")} == {
        name: digest for name, digest in alone.items() if not name.startswith("truth/")
    }


def test_a_support_that_does_nothing_changes_no_row_of_anybody(tmp_path: Path) -> None:
    """Random numbers are drawn by purpose: another world differs by its causes, not by its luck."""
    nothing = small(supports={"mentor_youth": {"connection": 0.0, "spread": 0.9}})
    still = small(supports={"mentor_youth": {"connection": 0.0, "spread": 0.1}})
    simulate(60, 3, tmp_path / "a", nothing)
    simulate(60, 3, tmp_path / "b", still)
    a, b = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert {name for name in a if a[name] != b[name]} == {MANIFEST}


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_source_of_canonical_tables_sets_nothing_aside(reading: Reading) -> None:
    assert reading.problems == ()
    assert reading.quarantined == 0


@pytest.mark.full
@pytest.mark.parametrize("seed", [3, 11, 23])
@pytest.mark.parametrize("world", ["default", "harmful_support", "null_effects", "planted"])
def test_no_row_of_any_world_is_set_aside(tmp_path: Path, world: str, seed: int) -> None:
    told = planted_world() if world == "planted" else World.read(WORLDS / f"{world}.toml")
    simulate(1_000, seed, tmp_path / "district", replace(told, truth_students=0))
    assert sources.read("tables", tmp_path / "district", Tables()).quarantined == 0


@pytest.mark.full
def test_nobody_is_helped_before_the_day_they_come(tmp_path: Path) -> None:
    """Half of the students come during the year, and everybody gets a place: some come after the month's first days."""
    everybody = {"need": "any", "threshold": -5.0, "given": 1.0, "places_per_100": 100.0}
    world = small(schools={"zone_students": 100, "moves_in": 0.5}, supports={"conversation": everybody},
                  years={"first": 2025, "count": 1, "through": "2026-02-13"})  # fmt: skip
    simulate(300, 3, tmp_path / "district", world)
    reading = sources.read("tables", tmp_path / "district", Tables())
    assert reading.quarantined == 0
    both = reading.tables["supports"].join(reading.tables["enrolments"], on="enrolment_id")
    assert both.height == reading.tables["supports"].height
    assert (both["begins_on"] >= both["entered_on"]).all()


def test_every_canonical_table_has_rows(reading: Reading) -> None:
    assert set(reading.tables) == set(TABLES)
    assert {name for name, frame in reading.tables.items() if frame.is_empty()} <= MAYBE


def test_nothing_is_known_after_the_last_day(reading: Reading) -> None:
    for name, frame in reading.tables.items():
        assert frame["known_on"].max() <= THROUGH, name  # type: ignore[operator]


def test_what_happened_is_not_known_before_it_happened(reading: Reading) -> None:
    for name, frame in reading.tables.items():
        event = TABLES[name].event
        if event:
            assert frame.filter(pl.col("known_on") < pl.col(event)).is_empty(), name


def test_some_attendance_is_corrected_and_some_deleted_later(reading: Reading) -> None:
    rows = reading.tables["attendance"]
    versions = rows.group_by("student_id", "enrolment_id", "on").agg(pl.len(), pl.col("deleted").any())
    assert versions.filter(pl.col("len") == 2).height > 100
    assert 0 < versions["deleted"].sum() < 200


def test_the_end_of_a_seat_is_told_no_earlier_than_it_is_known(reading: Reading) -> None:
    seats = reading.tables["rosters"].filter(pl.col("ends_on").is_not_null())
    assert seats.height > 0
    assert seats.filter(pl.col("known_on") < pl.col("ends_on")).is_empty()


def test_a_mark_below_the_pass_mark_fails_and_every_other_passes(reading: Reading) -> None:
    keys = ["enrolment_id", "section_id", "term_id"]
    both = reading.tables["outcomes"].join(reading.tables["course_marks"], on=keys)
    assert both.height == reading.tables["outcomes"].height
    decided = both.filter(pl.col("result") != "incomplete")
    assert ((decided["mark_share"] < 0.6) == (decided["result"] == "fail")).all()


def test_a_photo_without_consent_has_no_picture(reading: Reading) -> None:
    photos = reading.tables["photos"]
    assert (photos["path"].is_null() == ~photos["consent"]).all()
    assert 0 < photos["consent"].sum() < photos.height


def test_days_from_afar_are_recorded_for_everybody_in_the_weeks_of_the_world(reading: Reading) -> None:
    rows = reading.tables["attendance"].filter(pl.col("mode") == "remote")
    told = World().years
    assert rows["on"].min() >= date.fromisoformat(told.remote_from)  # type: ignore[operator]
    assert rows["on"].max() <= date.fromisoformat(told.remote_to)  # type: ignore[operator]
    assert rows["student_id"].n_unique() > 0.9 * STUDENTS


@pytest.mark.full
def test_days_taught_at_home_or_in_hospital_are_days_present_of_students_with_a_health_plan(tmp_path: Path) -> None:
    simulate(400, 3, tmp_path / "district", small(attendance={"elsewhere": 1.0}))
    told = sources.read("tables", tmp_path / "district", Tables()).tables
    rows = told["attendance"].filter(pl.col("mode") == "home_or_hospital")
    ill = set(told["plans"].filter(pl.col("plan_kind") == "health_plan")["student_id"])
    assert set(rows["student_id"].unique()) <= ill
    assert 0.5 * len(ill) < rows["student_id"].n_unique()
    assert rows.select(pl.col("status").eq("present").all(), pl.col("absent_share").eq(0).all()).row(0) == (True, True)
    weeks = rows.group_by("student_id").agg(pl.len())["len"]
    assert 10 < weeks.mean() < 40  # type: ignore[operator]
    assert weeks.max() <= 40  # type: ignore[operator]
    lessons = told["section_attendance"].join(rows, on=["student_id", "on"], how="semi")
    assert lessons.is_empty()


@pytest.mark.full
def test_where_nobody_is_taught_at_home_or_in_hospital_no_row_says_so(tmp_path: Path) -> None:
    simulate(200, 3, tmp_path / "district", small(attendance={"elsewhere": 0.0}))
    rows = sources.read("tables", tmp_path / "district", Tables()).tables["attendance"]
    assert rows.filter(pl.col("mode") == "home_or_hospital").is_empty()


def test_a_semester_of_high_school_brings_half_a_credit_if_its_mean_mark_passes(reading: Reading) -> None:
    grades = reading.tables["enrolments"].select("enrolment_id", "grade_level")
    marks = reading.tables["course_marks"].join(grades, on="enrolment_id")
    assert marks.filter(pl.col("grade_level") < 9)["credits_tried"].is_null().all()
    high = marks.filter(pl.col("grade_level") >= 9)
    ends = high["term_id"].str.slice(-1).is_in(["2", "4"])
    assert (high["credits_tried"].is_not_null() == ends).all()
    assert set(high["credits_tried"].drop_nulls()) == {0.5}
    assert set(high["credits_earned"].drop_nulls()) == {0.0, 0.5}
    means = high.group_by("enrolment_id", "section_id").agg(
        pl.col("mark_share").mean(), pl.col("credits_earned").max(), pl.col("mark_share").is_null().any().alias("open")
    )
    # Thousandths: a mean of exactly .6 is left to rounding.
    means = means.filter(~pl.col("open"), pl.col("credits_earned").is_not_null(), (pl.col("mark_share") - 0.6).abs() > 1e-6)
    assert ((means["mark_share"] > 0.6) == (means["credits_earned"] == 0.5)).all()


def test_one_school_records_every_day_and_another_exceptions_only(reading: Reading) -> None:
    schools = reading.tables["organisations"].filter(pl.col("kind") == "school")
    rows = reading.tables["attendance"].join(reading.tables["enrolments"].select("enrolment_id", "organisation_id"),
                                             on="enrolment_id").filter(pl.col("mode") == "in_person")  # fmt: skip
    present = rows.group_by("organisation_id").agg((pl.col("status") == "present").mean().alias("present"))
    found = dict(schools.join(present, left_on="organisation_id", right_on="organisation_id")
                 .select("attendance_method", "present").iter_rows())  # fmt: skip
    assert found["positive"] > 0.7
    assert found["negative"] == 0


@pytest.mark.full
def test_who_cannot_be_online_at_home_is_online_less(tmp_path: Path) -> None:
    no_loans = {"access_device": {"gives_device": False}, "access_hotspot": {"gives_internet": False}}
    simulate(200, 3, tmp_path / "district", small(supports=no_loans))
    students = open_truth(tmp_path / "district").table("students")
    lacks = students.select("student_id", pl.col("no_device") | pl.col("no_internet"))
    activity = sources.read("tables", tmp_path / "district", Tables()).tables["activity"].group_by("student_id").len("rows")
    both = lacks.join(activity, on="student_id", how="left").with_columns(pl.col("rows").fill_null(0))
    online = dict(both.group_by("no_device").agg(pl.col("rows").mean()).iter_rows())
    assert online[True] < 0.4 * online[False]


# -- worlds -----------------------------------------------------------------------------------------------------------


def test_the_default_file_names_every_setting_of_the_default_world() -> None:
    text = (WORLDS / "default.toml").read_text()
    assert World.read(WORLDS / "default.toml") == World()
    assert text.endswith(as_toml(World()))


@pytest.mark.parametrize("path", sorted(WORLDS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_world_that_is_shipped_can_be_read(path: Path) -> None:
    assert World.read(path).name == path.stem


def test_a_world_is_refused_with_all_its_problems_at_once() -> None:
    with pytest.raises(Refused) as refused:
        World.of({"wether": 1, "leaving": {"strian": 2.0, "strain": "much"}, "supports": {"tutor_hd": {"lerning": 1}},
                  "attendance": {"late": 99.0}, "groups": 3})  # fmt: skip
    assert [problem.where for problem in refused.value.problems] == [
        "wether", "leaving.strian", "leaving.strain", "supports.tutor_hd.lerning", "attendance.late", "groups"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ({"groups": {"Coastal": {"share": 0.9}}}, "groups"),
        ({"years": {"through": "soon"}}, "years.through"),
        ({"years": {"through": "2022-09-01"}}, "years.through"),
        ({"years": {"remote_to": "2024-01-01"}}, "years.remote_to"),
        ({"bias": {"incidents": {"Nobody": 2.0}}}, "bias.incidents.Nobody"),
        ({"bias": {"lost_work": {"Nobody": 0.5}}}, "bias.lost_work.Nobody"),
        ({"bias": {"written_marks": {"Valley": 2.0}}}, "bias.written_marks.Valley"),
        ({"bias": {"marks": {"primary 1": 0.1}}}, "bias.marks.primary 1"),
        ({"planted": {"causes": ["weather"]}}, "planted.causes"),
        ({"supports": {"tutor_hd": {"need": "money"}}}, "supports.tutor_hd.need"),
        ({"supports": {"tutor_hd": {"grades": [5]}}}, "supports.tutor_hd.grades"),
        ({"learning": {"prerequisites": [["MA.6.RATIO", "MA.7.PERCENT"]]}}, "learning.prerequisites"),
        ({"learning": {"prerequisites": [["MA.6.RATIO", "MA.6.MAGIC"]]}}, "learning.prerequisites"),
    ],
)
def test_a_world_that_cannot_be_is_refused(told: dict[str, Any], where: str) -> None:
    with pytest.raises(Refused) as refused:
        World.of(told)
    assert where in [problem.where for problem in refused.value.problems]


def test_the_world_of_the_documents_can_be_read() -> None:
    told = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "simulation.md").read_text(), re.DOTALL)
    assert told
    world = World.of(tomllib.loads(told.group(1)))
    assert world.supports["breakfast"].absence == -0.3
    assert set(world.supports) == {*World().supports, "breakfast"}


def test_no_skill_comes_before_itself_on_any_way() -> None:
    assert disorder(PREREQUISITES) == []
    assert all(SKILL_AT[before] < SKILL_AT[skill] for skill, before in PREREQUISITES)


def test_where_supports_do_nothing_with_and_without_are_the_same(tmp_path: Path) -> None:
    world = replace(small(), supports=World.read(WORLDS / "null_effects.toml").supports)
    simulate(120, 3, tmp_path / "district", world)
    rows = open_truth(tmp_path / "district").table("supports")
    assert rows["received"].any()
    assert (rows["with_probability"] == rows["without_probability"]).all()
    assert (rows["with_outcome"] == rows["without_outcome"]).all()


def test_a_support_that_harms_shows_it_in_the_truth(tmp_path: Path) -> None:
    world = replace(small(), supports=World.read(WORLDS / "harmful_support.toml").supports)
    simulate(300, 3, tmp_path / "district", world)
    rows = open_truth(tmp_path / "district").table("supports")
    mean = rows.group_by("support", "target").agg((pl.col("with_probability") - pl.col("without_probability")).mean())
    found = {(support, target): size for support, target, size in mean.iter_rows()}
    assert found["mentor_success", "dropout"] > 0.002
    assert found["mentor_success", "chronic_absence"] > 0.03
    assert found["tutor_hd", "core_failure"] < -0.03
    assert found["att_home", "chronic_absence"] < -0.01


@pytest.mark.full
def test_a_planted_bias_shows_in_the_records_and_not_in_what_happened(tmp_path: Path) -> None:
    for name, times in (("fair", 1.0), ("biased", 0.0)):
        simulate(120, 3, tmp_path / name, small(bias={"incidents": {"Coastal": times}}))
    counts = {}
    for name in ("fair", "biased"):
        told = sources.read("tables", tmp_path / name, Tables()).tables
        of_group = told["incidents"].filter(pl.col("role") == "perpetrator").join(told["demographics"], on="student_id")
        counts[name] = of_group.filter(pl.col("ethnicity") == "Coastal").height
    assert counts["biased"] == 0 < counts["fair"]


@pytest.mark.full
def test_work_that_is_lost_or_marked_otherwise_in_the_records_changes_no_outcome(tmp_path: Path) -> None:
    told = {}
    for name, bias in (("fair", {}), ("biased", {"lost_work": {"Coastal": 0.5}, "written_marks": {"Highland": 0.1}})):
        simulate(120, 3, tmp_path / name, small(bias=bias))
        told[name] = sources.read("tables", tmp_path / name, Tables()).tables
    for same in ("outcomes", "course_marks", "attendance", "exits"):
        assert told["fair"][same].equals(told["biased"][same]), same
    handed, marked = (
        {name: dict(tables[table].join(tables["demographics"], on="student_id").group_by("ethnicity").agg(of).iter_rows())
         for name, tables in told.items()}
        for table, of in (("submissions", pl.len()), ("skill_results", pl.col("score_share").mean()))
    )  # fmt: skip
    assert handed["biased"]["Coastal"] / handed["fair"]["Coastal"] == pytest.approx(0.5, abs=0.03)
    assert handed["biased"]["Highland"] == handed["fair"]["Highland"]
    assert marked["biased"]["Highland"] > marked["fair"]["Highland"] + 0.04
    assert marked["biased"]["Valley"] == marked["fair"]["Valley"]


@pytest.mark.full
def test_a_planted_cause_shows_from_its_day_on(tmp_path: Path) -> None:
    causes = ["attendance_collapse", "missing_work"]
    simulate(300, 3, tmp_path / "district", small(planted={"share": 0.5, "causes": causes, "lowest_grade": 6}))
    truth = open_truth(tmp_path / "district").table("years").filter(pl.col("planted_cause").is_not_null())
    rows = sources.read("tables", tmp_path / "district", Tables()).tables["attendance"]
    missed = rows.join(truth, on="enrolment_id").filter(pl.col("absent_share") > 0)
    by_cause = missed.group_by("planted_cause").agg(
        (pl.col("on") >= pl.col("planted_on")).sum().alias("after"), (pl.col("on") < pl.col("planted_on")).sum().alias("before")
    )
    found = {cause: (after, before) for cause, after, before in by_cause.iter_rows()}
    assert set(truth["planted_cause"]) == set(causes)
    after, before = found["attendance_collapse"]
    assert after > 8 * before
    assert found["missing_work"][0] < 0.15 * after


# -- truth ------------------------------------------------------------------------------------------------------------


def test_the_truth_holds_what_it_says(district: Path) -> None:
    truth = open_truth(district)
    for name in TRUE:
        assert truth.table(name).height > 0, name
    with pytest.raises(KeyError):
        truth.table("answers")


def test_where_nothing_was_simulated_there_is_no_truth(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_truth(tmp_path)


def test_probabilities_are_probabilities_and_hold_on_average(district: Path) -> None:
    truth = open_truth(district)
    for name in ("leaving", "absence", "courses"):
        rows = truth.table(name)
        assert rows["probability"].is_between(0, 1).all(), name
        assert rows["probability"].mean() == pytest.approx(rows["outcome"].mean(), abs=0.02), name
    leaving = truth.table("leaving")
    assert (leaving["with_summer"] >= leaving["probability"]).all()
    assert leaving["with_summer"].is_between(0, 1).all()
    evidence = truth.table("evidence").with_columns(pl.col("evidence_id").cast(pl.String))
    shown = pl.read_parquet(district / "skill_results" / "*.parquet")
    both = shown.join(evidence, on=["student_id", "enrolment_id", "section_id", "skill_id", "evidence_id"])
    assert both.height == shown.height
    assert both["probability_below"].mean() == pytest.approx((both["score_share"] < 0.8).mean(), abs=0.02)


def test_what_the_truth_says_of_leaving_is_what_the_records_come_to(district: Path, reading: Reading) -> None:
    truth = open_truth(district).table("years").select("student_id", "school_year", "exit")
    left = reading.tables["exits"].filter(pl.col("kind") == "dropout").join(reading.tables["enrolments"], on="enrolment_id")
    found = left.join(truth, left_on=["student_id", "term_id"], right_on=["student_id", "school_year"])
    assert found.height == left.height > 0
    assert (found["exit"] == "dropout").all()


def test_the_source_reads_no_truth_and_does_not_notice_it(district: Path, reading: Reading) -> None:
    assert not any("truth" in account.file for account in reading.accounts)
    before = sources.digest("tables", district, Tables())
    extra = district / "truth" / "leaving" / "part-9999.parquet"
    extra.write_bytes(b"")
    try:
        assert sources.digest("tables", district, Tables()) == before
    finally:
        extra.unlink()


@pytest.mark.full
@pytest.mark.parametrize("floor", ["features", "training", "serving"])
def test_nothing_below_the_roof_names_the_simulation_or_its_truth(floor: str) -> None:
    for path in sorted((ROOT / floor).rglob("*.py")):
        tree = ast.parse(path.read_text())
        told = {id(node.body[0].value) for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
                and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                assert node.value != "truth", path
                assert "truth/" not in node.value, path
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("homeroom"), path
            if isinstance(node, ast.Import):
                assert not any(one.name.startswith("homeroom") for one in node.names), path


# -- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_of_somebody_elses_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused) as refused:
        simulate(10, -1, tmp_path / "theirs", small())
    assert [problem.where for problem in refused.value.problems] == ["--students", "--seed", "--out"]
    assert (tmp_path / "theirs" / "thesis.txt").read_text() == "mine"


def test_a_district_takes_the_place_of_one_that_was_made_before_but_not_of_what_was_put_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "district"
    simulate(60, 1, out, small())
    simulate(60, 2, out, small())
    assert json.loads((out / MANIFEST).read_text())["seed"] == 2
    (out / "notes.txt").write_text("mine")
    with pytest.raises(Refused):
        simulate(60, 3, out, small())
    assert (out / "notes.txt").exists()


def test_a_run_that_ends_early_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schools, "district", torn)
    with pytest.raises(KeyboardInterrupt):
        simulate(60, 1, tmp_path / "district", small())
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text('[years]\nfirst = 2024\ncount = 1\nthrough = ""\n')
    asked = ["simulate", "--home", str(tmp_path / "home"), "--students", "40", "--seed", "1",
             "--world", str(tmp_path / "w.toml"), "--out", str(tmp_path / "district")]  # fmt: skip
    said = CliRunner().invoke(main, asked)
    assert said.exit_code == 0, said.output
    assert "homeroom check --source tables" in said.output
    told = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    assert told["rows"]["students"] == open_truth(tmp_path / "district").table("students").height
    (tmp_path / "w.toml").write_text("[yeers]\n")
    assert CliRunner().invoke(main, asked).exit_code == 1


# -- whether it looks like a district ---------------------------------------------------------------------------------


def test_every_figure_is_computed_from_the_tables(district: Path) -> None:
    found = {one.name: one for one in distributions.figures(district)}
    unknown = [name for name, one in found.items() if one.value is None]
    assert unknown == ["odds of graduating in four years, on track against off track"]
    assert distributions.flags(district).height == 4


def test_a_folder_without_tables_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distributions.main([str(tmp_path)]) == 1
    assert "The district cannot be judged" in capsys.readouterr().err
    assert distributions.main([]) == 2


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default world with as many students as shares of rare things ask for."""
    out = tmp_path_factory.mktemp("large") / "district"
    simulate(8_000, 11, out, replace(World(), truth_students=0))
    return out


@pytest.mark.full
def test_the_default_world_looks_like_published_districts(large: Path) -> None:
    assert {one.name: one.value for one in distributions.figures(large) if one.fits is False} == {}


@pytest.mark.full
def test_who_was_suspended_in_grade_9_leaves_half_as_often_again_and_is_still_few_of_those_who_leave(large: Path) -> None:
    row = distributions.flags(large).row(by_predicate=pl.col("flag") == "suspended", named=True)
    assert row["precision"] > 1.5 * row["base_rate"]
    assert row["sensitivity"] < 0.2


@pytest.mark.full
def test_over_four_whole_years_who_is_on_track_graduates_far_more_often(tmp_path: Path) -> None:
    world = World.of({"years": {"first": 2019, "count": 5, "through": ""}, "truth_students": 0})
    simulate(5_000, 11, tmp_path / "district", world)
    found = {one.name: one for one in distributions.figures(tmp_path / "district")}
    odds = found["odds of graduating in four years, on track against off track"]
    assert odds.value is not None
    assert odds.fits, odds.value
    assert {name: one.value for name, one in found.items() if not one.fits} == {}

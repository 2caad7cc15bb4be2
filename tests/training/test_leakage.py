"""The proof that ships with every model: what each part of it finds when a leak is planted, and that it is quiet without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import example_school
import numpy as np
import polars as pl
import pytest
from trainings import COURSE_TARGETS, QUICK

from features.catalog import Catalog, Feature, Frame, feature
from features.problems import Refused
from features.records import COHORT_COLUMNS, Cohort, SchoolRecords, Snapshot
from features.standard import STANDARD
from training import leakage
from training.baselines import BASELINES
from training.leakage import Check, Proof, least, lines, prove
from training.run import Run, Training, rows_of
from training.splits import Split, by_time, fold_of
from training.targets import TARGETS
from training.train import Result, train

Frames = dict[str, pl.DataFrame]

CHECKS = ("future_cut", "future_changed", "stamps", "students_apart", "outcomes_known", "shuffled_labels", "random_split",
          "auc", "single_input", "missingness")  # fmt: skip

SETTINGS = replace(QUICK, proof_dates=2)


@cache
def frames() -> Frames:
    return example_school.large_school()


@cache
def records() -> SchoolRecords:
    return SchoolRecords.from_frames(frames())


def left() -> list[str]:
    """Return the students who left before the end."""
    return frames()["outcomes"].filter(result="withdrawn")["student_id"].to_list()


def run_of(
    given: SchoolRecords, target: str = "dropout", catalog: Catalog = STANDARD, settings: Training = SETTINGS
) -> Run:  # fmt: skip
    table, keys, labels, terms = rows_of(given, TARGETS[target], settings, None, 0.5, catalog.within(set(given.parts)), {})
    judged = keys["day"].is_in(settings.judged_days).to_numpy()
    return Run.of(given, TARGETS[target], settings, table, keys, labels, by_time(keys, labels, terms, None, 2, judged))


@cache
def honest() -> Run:
    return run_of(records())


def checks_of(run: Run) -> dict[str, Check]:
    proof = prove(run, run.fitted(run.fit))
    assert tuple(one.name for one in proof.checks) == CHECKS
    return {one.name: one for one in proof.checks}


@cache
def of_honest() -> Mapping[str, Check]:
    return checks_of(honest())


def failed(checks: Mapping[str, Check]) -> set[str]:
    return {name for name, one in checks.items() if not one.passed}


# -- without a leak -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", COURSE_TARGETS)
def test_a_model_without_a_leak_passes_and_its_card_shows_every_check(results: Mapping[str, Result], target: str) -> None:
    section = results[target].model.card["leakage"]
    assert section["passed"]
    assert tuple(one["name"] for one in section["checks"]) == CHECKS
    for one in section["checks"]:
        assert set(one) == {"name", "passed", "figure", "limit", "alarm", "says"}
        assert one["passed"]
        assert not one["alarm"]
        assert one["figure"] is not None
        assert one["says"].endswith(".")


def test_the_lines_of_a_proof_say_of_each_check_how_it_came_out() -> None:
    proof = Proof("dropout", (Check("a", True, 0.1, 1, "Fine."), Check("b", True, 2.0, 1, "High.", alarm=True),
                              Check("c", False, 3.0, 1, "Too high.", "Mend it.")))  # fmt: skip
    assert lines(proof.as_dict()) == [
        "Proof against leakage: FAILED, 3 checks.", "- a: passed. Fine.", "- b: look at this. High.", "- c: FAILED. Too high.",
    ]  # fmt: skip


# -- what a feature reads -----------------------------------------------------------------------------------------------


def planted(prepare: Callable[[Snapshot], pl.LazyFrame], table: str) -> Catalog:
    """Return the standard features with one more, which counts the rows of a frame."""
    shelf: list[Feature] = []
    frame = Frame("leak", (table,), prepare)

    @feature(frame=frame, concept="history", unit="", range=(0, 1e9), higher="context", name="leak", says="{value}",
             into=shelf)  # fmt: skip
    def leak() -> pl.Expr:
        return pl.len().cast(pl.Float64)

    return Catalog((*STANDARD.within(set(frames())), *shelf))


def past_the_gate(snapshot: Snapshot) -> pl.LazyFrame:
    """Join exits whenever they became known."""
    exits = snapshot.records._rows("exits").select("student_id")
    return snapshot.units.lazy().join(exits, on="student_id").select("row", "as_of")


def deleted_later(snapshot: Snapshot) -> pl.LazyFrame:
    """Join deletions whenever they became known, of which these records hold none yet."""
    gone = snapshot.records._rows("exits").filter("deleted").select("student_id")
    return snapshot.units.lazy().join(gone, on="student_id").select("row", "as_of")


def through_the_gate(snapshot: Snapshot) -> pl.LazyFrame:
    return snapshot.table("exits").select("row", "as_of")


@pytest.mark.full
@pytest.mark.parametrize(
    ("prepare", "found"),
    [(past_the_gate, {"future_cut", "future_changed"}), (deleted_later, {"future_changed"}), (through_the_gate, set())],
)
def test_a_feature_that_reads_past_the_gate_changes_when_the_future_does(
    prepare: Callable[[Snapshot], pl.LazyFrame], found: set[str]
) -> None:
    checks = checks_of(run_of(records(), catalog=planted(prepare, "exits")))
    assert failed(checks) & {"future_cut", "future_changed"} == found
    for name in found:
        assert "in leak." in checks[name].says


@pytest.mark.full
def test_a_cohort_that_leaves_out_who_will_leave_is_found() -> None:
    run = honest()
    kept = np.flatnonzero(~run.keys["student_id"].is_in(left()[::7]).to_numpy())
    split = Split(*(None if one is None else one[kept] for one in (run.split.fit, run.split.calibrate, run.split.test)),
                  run.split.folds[kept], run.split.test_from, run.split.test_to, 0)  # fmt: skip
    cohort = Cohort(run.keys[kept].select(list(COHORT_COLUMNS)), run.target.unit)
    labels = run.target.labels(run.records, cohort, 0.5)
    fewer = Run.of(run.records, run.target, run.settings, run.table.take(kept), run.keys[kept], labels, split)
    checks = checks_of(fewer)
    assert {"future_cut", "future_changed"} <= failed(checks)
    assert "who is enrolled" in checks["future_cut"].says


@pytest.mark.full
def test_records_of_which_nothing_became_known_later_prove_nothing() -> None:
    ever = {name: honest().records.labels(name).with_columns(known_on=pl.date(1900, 1, 1)) for name in records().parts}
    run = replace(honest(), records=replace(records(), parts={name: (rows,) for name, rows in ever.items()}))
    found = leakage._rebuilding(run)
    assert [one.passed for one in found] == [False, False]
    assert "prove nothing" in found[0].says


@pytest.mark.full
def test_marks_that_claim_to_have_been_known_before_they_were_given_are_found_by_their_stamps() -> None:
    early = frames()["results"].with_columns(known_on=pl.col("marked_on").dt.offset_by("-60d"))
    checks = checks_of(run_of(SchoolRecords.from_frames(frames() | {"results": early})))
    assert "stamps" in failed(checks)
    assert "100.00%" in checks["stamps"].says
    assert not failed(checks) & {"future_cut", "future_changed"}, "to the gate such rows are known"


# -- who teaches and who judges -----------------------------------------------------------------------------------------


def at_random(run: Run) -> Run:
    """Return the run with its rows split at random: of each student, other days are learned from."""
    known = run.fit | run.held | run.test
    chosen = np.random.default_rng(3).random(len(known)) < 0.5
    return replace(run, fit=known & chosen, held=known & chosen, test=known & ~chosen)


def test_students_who_are_in_training_and_test_are_counted() -> None:
    assert leakage._apart(honest()).passed
    found = leakage._apart(at_random(honest()))
    assert not found.passed
    assert (found.figure or 0) > 100


#: Trees that learn by heart what they can; any gap that is surely there is an alarm, since 720 students tell none more closely.
KEEN = replace(SETTINGS, trees=150, proof_gap=0.0, parameters={
    **SETTINGS.parameters, "lambda_l2": 1.0, "min_child_samples": 3, "learning_rate": 0.1, "extra_trees": False,
    "feature_fraction": 1.0, "num_leaves": 31, "max_depth": 8})  # fmt: skip


@pytest.mark.full
def test_an_input_that_tells_who_a_student_is_shows_where_the_same_students_are_in_both() -> None:
    """As rank on exchanged outcomes, which each student keeps; and as the gap that a split at random by rows would hide."""
    number = pl.lit(pl.Series(np.random.default_rng(2).permutation(720) * 1.0))
    few = STANDARD.with_inputs(("credits_load", "active_days_28d", "handed_in_share", "mark_mean"))
    named, nameless = (run_of(school, catalog=few, settings=KEEN) for school in (with_credits(of=number), records()))
    assert not exchanged(at_random(named)).passed
    assert exchanged(at_random(nameless)).passed
    assert exchanged(named).passed, "with no student in both, to know one helps nobody"
    told, quiet = (leakage._random_split(leakage._About.of(run, run.fitted(run.fit))) for run in (named, nameless))
    assert told.alarm
    assert "tell who a student is" in told.says
    assert not quiet.alarm


def exchanged(run: Run) -> Check:
    return leakage._exchanged(leakage._About.of(run, run.fitted(run.fit)))


@pytest.mark.full
def test_test_rows_that_were_learned_from_show_as_rank_on_exchanged_outcomes() -> None:
    run = replace(honest(), settings=replace(SETTINGS, trees=100))
    assert exchanged(run).passed
    found = exchanged(replace(run, fit=run.fit | run.test))
    assert not found.passed
    assert (found.figure or 0) > found.limit > 0.5


def test_outcomes_that_became_known_after_the_test_began_are_found() -> None:
    late = frames()["outcomes"].with_columns(
        known_on=pl.when(pl.col("section_id") == "biology-t2").then(pl.date(2026, 3, 1)).otherwise("decided_on")
    )
    run = replace(honest(), records=SchoolRecords.from_frames(frames() | {"outcomes": late}))
    found = leakage._known_before(run, in_time=True)
    assert not found.passed
    assert (found.figure or 0) > 0.2
    compared = leakage._known_before(run, in_time=False)
    assert compared.passed
    assert compared.alarm, "a model that is only compared with may, and its card says so"


# -- what a model and one input can do ----------------------------------------------------------------------------------


def with_credits(**values: Any) -> SchoolRecords:
    """Return the school with ``credits_load`` written over, as a system might that fills it in at the end."""
    enrolments = frames()["enrolments"].with_columns(credits_load=values["of"])
    return SchoolRecords.from_frames(frames() | {"enrolments": enrolments})


def leavers(share: int = 1) -> pl.Expr:
    """Whether a student left, or one in ``share`` of these."""
    return pl.col("student_id").is_in(left()[::share])


@pytest.mark.full
def test_an_outcome_copied_into_an_input_is_found_though_the_records_claim_that_it_was_known() -> None:
    checks = checks_of(run_of(with_credits(of=pl.when(leavers()).then(60.0).otherwise(30.0))))
    assert {"single_input", "auc"} <= failed(checks)
    assert checks["single_input"].figure == 1.0
    assert "credits_load" in checks["single_input"].says
    assert not failed(checks) & {"future_cut", "future_changed", "stamps"}, "what reads the records cannot know"


@pytest.mark.full
def test_an_input_that_tells_the_outcome_without_rising_or_falling_with_it_is_found() -> None:
    """The code of a reason: 45 for those who left, 30 and 60 for the others."""
    even = pl.int_range(pl.len()) % 2 == 0
    code = pl.when(leavers()).then(45.0).when(even).then(30.0).otherwise(60.0)
    checks = checks_of(run_of(with_credits(of=code)))
    assert "single_input" in failed(checks)
    assert "credits_load" in checks["single_input"].says


@pytest.mark.full
@pytest.mark.parametrize("share", [1, 2])
def test_a_field_that_is_filled_in_only_for_those_who_left_is_found(share: int) -> None:
    """All of them, or every second one: the others then look like those who stayed."""
    checks = checks_of(run_of(with_credits(of=pl.when(leavers(share)).then(30.0))))
    assert "missingness" in failed(checks)
    assert "credits_load" in checks["missingness"].says
    at_random = pl.when(fold(2) == 0).then(30.0)
    assert not failed(checks_of(run_of(with_credits(of=at_random))))


def fold(parts: int) -> pl.Expr:
    """Return a number of each student that has nothing to do with anything."""
    return pl.lit(pl.Series(fold_of(frames()["enrolments"]["student_id"], parts, "nothing")))


@pytest.mark.full
def test_an_input_that_says_how_one_term_went_is_an_alarm_of_the_split_at_random() -> None:
    """A code means another thing each term: a split at random learns it for the test's term, a split in time cannot."""
    code = pl.when(leavers() == (pl.col("term_id") == "t3")).then(30.0).otherwise(60.0)
    noisy = pl.when(fold(5) == 0).then(90.0 - code).otherwise(code)
    told, quiet = checks_of(run_of(with_credits(of=noisy)))["random_split"], of_honest()["random_split"]
    assert told.alarm
    assert "the term is another" in told.says
    assert not quiet.alarm
    assert told.passed, "the split in time shows what such an input is worth: nothing is hidden by it"


def test_the_least_that_an_auc_can_be_believed_to_be_is_lower_with_fewer_students() -> None:
    assert least(1.0, 3, 500) < 0.8 < least(1.0, 20, 500) < 0.95 < least(1.0, 200, 500) < 1
    assert least(0.96, 50, 500) < 0.95 < least(0.96, 1000, 5000) < 0.96
    assert least(0.0, 5, 5) == 0.0


@pytest.mark.full
@pytest.mark.parametrize(
    ("running", "elapsed", "passed"), [("credits_load", 0.9, True), ("credits_load", 0.1, False), ("days_elapsed", 0.9, False)]
)
def test_a_high_figure_is_a_fact_where_the_outcome_is_counted_up_from_what_is_known(
    monkeypatch: pytest.MonkeyPatch, running: str, elapsed: float, passed: bool
) -> None:
    """Not in the first days, when most of the count is still to come, and not by a count that says less."""
    run = counted()
    monkeypatch.setattr(leakage, "RUNNING", {"dropout": running})
    about = replace(leakage._About.of(run, run.fitted(run.fit)), elapsed=np.full(len(run.label), elapsed))
    for found in (leakage._too_good(about), leakage._inputs(about)[0]):
        assert found.alarm
        assert found.passed == passed
        assert ("a fact of the definition" in found.says) == passed


@cache
def counted() -> Run:
    return run_of(with_credits(of=pl.when(leavers()).then(60.0).otherwise(30.0)))


@pytest.mark.full
def test_a_named_person_can_find_a_figure_honest_and_nothing_else() -> None:
    run = replace(counted(), settings=replace(SETTINGS, alarm_accepted="A. Okafor, 2026-11-13: credits fall when they go"))
    about = leakage._About.of(run, run.fitted(run.fit))
    for found in (leakage._too_good(about), leakage._inputs(about)[0]):
        assert found.passed
        assert found.alarm
        assert "Accepted: A. Okafor" in found.says
    assert not leakage._apart(replace(run, fit=run.fit | run.test)).passed


# -- what follows -------------------------------------------------------------------------------------------------------


class Shelf:
    """A registry that holds nothing yet."""

    def __init__(self) -> None:
        self.kept: list[object] = []

    def record(self, *given: object) -> tuple[str, str]:
        self.kept.append(given)
        return "1", "run"


@pytest.mark.full
def test_a_model_that_fails_its_proof_is_refused_with_every_failed_check_and_not_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.train.BASELINES", {"rule": BASELINES["rule"]})
    shelf: Any = Shelf()
    leaking = with_credits(of=pl.when(leavers()).then(60.0).otherwise(30.0))
    with pytest.raises(Refused, match="reads nothing of the future failed") as refused:
        train(leaking, ["dropout"], SETTINGS, pass_mark=0.5, registry=shelf)
    assert {one.where for one in refused.value.problems} == {"dropout: auc", "dropout: single_input"}
    assert all(one.hint and any(sign.isdigit() for sign in one.problem) for one in refused.value.problems)
    assert not shelf.kept

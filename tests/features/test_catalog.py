"""A catalogue that exists is sound, and a definition that changes is noticed."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from features.catalog import CONCEPTS, RELATIVE_SUFFIX, Catalog, Feature, Frame, derived, feature, fingerprint
from features.phrases import fill
from features.problems import Refused
from features.records import Snapshot
from features.standard import STANDARD
from features.tables import TABLES

#: A quick run takes every eighth feature, a whole one all of them.
EVERY = pytest.mark.parametrize(
    "one", [pytest.param(one, marks=pytest.mark.full if at % 8 else (), id=one.name) for at, one in enumerate(STANDARD)]
)
INPUTS = pytest.mark.parametrize("one", [STANDARD[name] for name in STANDARD.inputs], ids=list(STANDARD.inputs))
ROOT = Path(__file__).resolve().parents[2]

COLUMNS = [column for table in TABLES.values() for column in table.columns]

#: What may never be read by a feature: who somebody is, what is only shown, and how it ended.
UNREADABLE = {column.name for column in COLUMNS if column.use in ("audit_only", "label", "display_only")} - {
    column.name for column in COLUMNS if column.use == "feature"
}


def test_the_standard_catalogue_has_unique_names_in_every_concept() -> None:
    assert len(set(STANDARD.names)) == len(STANDARD)
    assert {one.concept for one in STANDARD} == set(CONCEPTS)


@EVERY
def test_no_feature_reads_who_somebody_is_or_how_it_ended(one: Feature) -> None:
    assert {"sex", "age_band", "disability", "region", "result", "title"} <= UNREADABLE
    if one.expr is not None:
        assert not set(one.expr.meta.root_names()) & UNREADABLE
    assert not set(one.frame.tables if one.frame else ()) & {"demographics", "identities", "outcomes"}


@EVERY
def test_a_feature_has_its_words_its_range_and_a_comparison_that_exists(one: Feature) -> None:
    assert one.words.name
    assert one.range[0] < one.range[1]
    assert one.own_earlier == "" or one.own_earlier in STANDARD
    assert one.relative_to in ("", "section")
    if one.window_days:
        assert one.name.removesuffix(RELATIVE_SUFFIX).endswith(f"_{one.window_days}d")
        assert "{window}" not in one.words.name + one.words.says + one.words.says_other + one.words.earlier_label


@INPUTS
def test_a_model_input_can_be_said(one: Feature) -> None:
    if one.kind == "relative":
        assert STANDARD[one.needs[0]].words.name in one.words.name
        return
    fields = {name for _, name, _, _ in string.Formatter().parse(one.words.says) if name}
    assert fields <= {"value", *STANDARD.names}
    for value in (one.range[0], 0.0, 1.0, 2.5, one.range[1]):
        said = fill(one.words.says, dict.fromkeys(STANDARD.names, value) | {"value": value})
        assert said
        assert "{" not in said
        assert not said.endswith(".")
    assert one.words.says_other == "" or fill(one.words.says_other, {"value": 1.0})


def test_a_feature_relative_to_the_class_brings_its_place_in_it() -> None:
    relative = {one.name for one in STANDARD if one.relative_to and one.kind != "relative"}
    assert {one.name for one in STANDARD.relative} == {name + RELATIVE_SUFFIX for name in relative}
    for one in STANDARD.relative:
        base = STANDARD[one.needs[0]]
        assert (one.range, one.concept, one.higher, one.grains) == ((0.0, 1.0), base.concept, base.higher, base.grains)
        assert one.model_input == base.relative_input
        assert one.fingerprint != base.fingerprint
        assert STANDARD.names.index(one.name) == STANDARD.names.index(base.name) + 1


def test_a_unit_is_given_the_features_of_its_own_grain_and_of_coarser_ones() -> None:
    assert not any(one.grains == ("skill",) for one in STANDARD.at("section"))
    assert set(STANDARD.at("skill").names) == set(STANDARD.names)
    assert set(STANDARD.at("student").names) <= set(STANDARD.at("enrolment").names)


def test_which_side_is_a_concern_follows_from_the_direction() -> None:
    more, less = STANDARD["missing"], STANDARD["mark_mean"]
    context = next(one for one in STANDARD if one.higher == "context")
    assert (more.on_concern_side(2, 1), more.on_strength_side(2, 1)) == (True, False)
    assert (less.on_concern_side(40, 60), less.on_strength_side(70, 60)) == (True, True)
    assert not any(side(a, b) for side in (context.on_concern_side, context.on_strength_side) for a, b in ((1, 2), (2, 1)))
    assert not any(one.on_concern_side(1, 1) or one.on_strength_side(1, 1) for one in STANDARD)


# -- what a school did not send ---------------------------------------------------------------------------------------

READ = sorted({table for one in STANDARD if one.frame for table in one.frame.tables})


@pytest.mark.parametrize("gone", [(), *((table,) for table in READ), ("activity", "results"), tuple(READ)], ids=" and ".join)
def test_within_some_tables_there_is_all_that_they_hold_in_order_and_nothing_else(gone: tuple[str, ...]) -> None:
    found = STANDARD.within(set(TABLES) - set(gone))
    assert list(found.names) == [name for name in STANDARD.names if name in found]
    for one in STANDARD:
        read = set(one.frame.tables if one.frame else one.tables)
        needed = {*one.needs, *([one.own_earlier] if one.own_earlier else [])}
        assert (one.name in found) == (not read & set(gone) and needed <= set(found.names)), one.name
    assert (found.names == STANDARD.names) == (not gone)


def test_within_the_tables_of_a_course_nothing_of_a_school_year_enters_a_model() -> None:
    course = {"enrolments", "exits", "rosters", "sections", "assignments", "submissions", "results", "activity"}
    found = STANDARD.within(course)
    assert {one.concept for one in found} == {"coursework", "marks", "engagement", "history"}
    without_calendar = {one.concept for one in STANDARD.within({*course, "attendance"})}
    assert "attendance" not in without_calendar, "of how many days somebody was absent, tells a calendar"
    assert STANDARD.within(()).names == ()


def test_a_feature_goes_with_what_it_is_made_of_and_with_what_it_is_compared_with() -> None:
    shelf: list[Feature] = []
    told = {"concept": "engagement", "unit": "days", "range": (0, 9), "higher": "strength", "says": "{value}", "into": shelf}

    def rows(snapshot: Snapshot) -> pl.LazyFrame:
        return snapshot.table("activity")

    for table in ("activity", "results"):

        @feature(frame=Frame(table, (table,), rows), name=table, column=table, relative_to="section", **told)  # type: ignore[arg-type]
        def count() -> pl.Expr:
            return pl.len()

    @derived(name="both", **told)  # type: ignore[arg-type]
    def both() -> pl.Expr:
        return pl.col("activity") + pl.col("results")

    @derived(name="then", own_earlier="results", **told)  # type: ignore[arg-type]
    def then() -> pl.Expr:
        return pl.col("activity") * 2

    assert Catalog.of(shelf).names == ("activity", "activity_vs_class", "results", "results_vs_class", "both", "then")
    assert Catalog.of(shelf).within({"activity"}).names == ("activity", "activity_vs_class")
    assert Catalog.of(shelf).within({"results"}).names == ("results", "results_vs_class")
    assert Catalog.of(shelf).within({"results", "activity"}).names == Catalog.of(shelf).names


# -- a catalogue refuses what is not sound ----------------------------------------------------------------------------

ONE = STANDARD["missing"]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ((ONE, ONE), "two features are called missing"),
        ((replace(ONE, name="x", kind="derived", needs=("y",)),), "x needs y, defined later or not at all"),
        ((replace(ONE, name="x", kind="derived", needs=("missing",)), ONE), "x needs missing"),
        ((replace(ONE, own_earlier="y"),), "missing compares with y, which does not exist"),
        ((replace(ONE, words=replace(ONE.words, says="")),), "would enter a model without words"),
        ((replace(ONE, concept="zodiac"),), "zodiac, which is not a concept"),
    ],
)
def test_a_catalogue_that_is_not_sound_does_not_come_to_be(features: tuple[Feature, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Catalog(features)


def test_model_inputs_can_be_chosen_and_unknown_ones_are_named() -> None:
    chosen = STANDARD.with_inputs(["missing", "mark_mean"])
    assert set(chosen.inputs) == {"missing", "mark_mean"}
    assert chosen.names == STANDARD.names
    with pytest.raises(ValueError, match="no such features: hair_colour"):
        STANDARD.with_inputs(["hair_colour"])


def test_a_frame_of_a_table_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="reads the table horoscopes"):
        Frame("stars", ("horoscopes",), lambda snapshot: snapshot.table("horoscopes"))


def test_one_body_serves_several_windows_and_names_them() -> None:
    shelf: list[Feature] = []

    def rows(snapshot: Snapshot) -> pl.LazyFrame:
        return snapshot.table("activity")

    @feature(
        frame=Frame("rows", ("activity",), rows),
        concept="engagement",
        unit="days",
        range=(0, 9),
        higher="strength",
        windows=(7, 14),
        name="days in {window}",
        says="{value} of {window}",
        own_earlier="before_{window}d",
        into=shelf,
    )
    def days(window: int) -> pl.Expr:
        """Days."""
        return (pl.col("age") < window).sum()

    @derived(concept="engagement", unit="share", range=(0, 1), higher="strength", name="half", into=shelf)
    def half() -> pl.Expr:
        """Half of it."""
        return pl.col("days_7d") / 2

    assert [one.name for one in shelf] == ["days_7d", "days_14d", "half"]
    assert [one.own_earlier for one in shelf] == ["before_7d", "before_14d", ""]
    assert shelf[0].words.says == "{value} of 7"
    assert [one.model_input for one in shelf] == [True, True, False]
    assert shelf[2].needs == ("days_7d",)
    assert shelf[0].fingerprint != shelf[1].fingerprint
    assert days(7).meta.eq(shelf[0].expr)


# -- fingerprints -----------------------------------------------------------------------------------------------------

BODY = '''
import functools
LIMIT = 4
TABLE = {"a": 1}
def used(x):
    return x + 1
def mark(f):
    return f
def once(window):
    """Words about it."""
    # A reason.
    return used(window) + LIMIT + TABLE["a"]
'''


def module(tmp_path: Path, text: str) -> ModuleType:
    """Import a module as one of the floor's own: what it calls counts as ours."""
    path = tmp_path / f"body_{abs(hash(text))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(f"features.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("LIMIT + TABLE", "LIMIT - TABLE"),
        ("return x + 1", "return x + 2"),
        ("LIMIT = 4", "LIMIT = 5"),
        ('{"a": 1}', '{"a": 2}'),
        ("used(window)", "used(window=0)"),
    ],
    ids=["the body", "a function it calls", "a number it reads", "a table it reads", "an argument"],
)
def test_a_fingerprint_changes_with_the_definition(tmp_path: Path, was: str, becomes: str) -> None:
    assert BODY.count(was) == 1
    before, after = module(tmp_path, BODY), module(tmp_path, BODY.replace(was, becomes))
    assert fingerprint(before.once, 7) != fingerprint(after.once, 7)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("Words about it.", "Other words, over\n    two lines."),
        ("    # A reason.\n", "\n    # A better reason.\n\n"),
        ("def once", "@mark\ndef once"),
        ("return used(window) + LIMIT + TABLE", "return (used(window)\n            + LIMIT + TABLE"),
        ("import functools", "import functools\nUNUSED = 3"),
    ],
    ids=["the docstring", "a comment", "a decorator", "the layout", "what it does not read"],
)
def test_a_fingerprint_does_not_change_with_what_is_only_said(tmp_path: Path, was: str, becomes: str) -> None:
    text = BODY.replace(was, becomes)
    if "(used(window)\n" in text:
        text = text.replace('["a"]\n', '["a"])\n')
    assert text != BODY
    before, after = module(tmp_path, BODY), module(tmp_path, text)
    assert fingerprint(before.once, 7) == fingerprint(after.once, 7)


def test_a_fingerprint_changes_with_the_window_and_with_how_rows_are_prepared(tmp_path: Path) -> None:
    made = module(tmp_path, BODY)
    prints = {fingerprint(made.once, 7), fingerprint(made.once, 14), fingerprint(made.once, 7, made.mark)}
    assert len(prints) == 3


@pytest.mark.full
def test_fingerprints_are_the_same_in_another_process() -> None:
    code = "from features.standard import STANDARD; import json; print(json.dumps([f.fingerprint for f in STANDARD]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, text=True,
                           env={**os.environ, "PYTHONHASHSEED": "4711"})  # fmt: skip
    assert json.loads(found.stdout) == [one.fingerprint for one in STANDARD]


def test_a_function_without_a_name_of_its_own_is_refused() -> None:
    nameless: Callable[[], int] = lambda: 1  # noqa: E731
    with pytest.raises(ValueError, match="write it with def"):
        fingerprint(nameless)


# -- what a model carries ---------------------------------------------------------------------------------------------


def test_a_model_carries_words_and_inputs_and_the_code_gives_the_numbers() -> None:
    cards = json.loads(json.dumps(STANDARD.with_inputs(["missing"]).cards()))
    cards[STANDARD.names.index("missing")]["words"]["says"] = "the words of then"
    carried = Catalog.carried(cards, STANDARD)
    assert carried.names == STANDARD.names
    assert carried.inputs == ("missing",)
    assert carried["missing"].words.says == "the words of then"
    assert carried["missing"].expr is STANDARD["missing"].expr


def test_a_model_of_other_definitions_is_refused_naming_every_one() -> None:
    cards = STANDARD.cards()
    cards[3]["fingerprint"] = "0" * 16
    cards[7]["name"] = "hair_colour"
    with pytest.raises(Refused) as refused:
        Catalog.carried(cards, STANDARD)
    assert [problem.where for problem in refused.value.problems] == [f"feature {cards[3]['name']}", "feature hair_colour"]
    said = str(refused.value)
    assert "is defined differently now" in said
    assert "is not defined any more" in said


def test_no_feature_divides_by_a_constant() -> None:
    """Polars divides one value by a constant, but multiplies several by its reciprocal: other bits for a student alone."""
    for path in sorted((ROOT / "features").glob("*.py")):
        if path.stem not in {one.frame.prepare.__module__.rpartition(".")[2] for one in STANDARD if one.frame}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                called = [part for part in ast.walk(node.right) if isinstance(part, ast.Call)]
                assert called or (isinstance(node.right, ast.Name) and node.right.id.islower()), f"{path.name}:{node.lineno}"

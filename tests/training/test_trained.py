"""A model as it is kept: plain files, the same bits, and whom it knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trainings import COURSE_TARGETS

from features import cohort, pipeline
from features.catalog import Catalog
from features.pipeline import FeatureTable
from features.problems import NotFound, Refused
from features.records import SchoolRecords
from features.standard import STANDARD
from training.expected import Expected
from training.targets import TARGETS
from training.train import Result
from training.trained import Phase, Population, TrainedModel

EVERY = pytest.mark.parametrize("name", COURSE_TARGETS)


@pytest.fixture(scope="module")
def tables(large_records: SchoolRecords) -> dict[str, FeatureTable]:
    units = {target.unit for target in TARGETS.values()}
    return {unit: pipeline.build(large_records, cohort.on_days_of_term(large_records, [56], unit, ["t3"]), STANDARD)
            for unit in units}  # fmt: skip


@EVERY
def test_a_model_written_and_read_gives_the_same_bits(
    results: Mapping[str, Result], tables: dict[str, FeatureTable], tmp_path: Path, name: str
) -> None:
    model = results[name].model
    model.write(tmp_path)
    again = TrainedModel.read(tmp_path, STANDARD, "7")
    table = tables[model.target.unit]
    one, other = model.score(table), again.score(table)
    for field in ("raw", "probability", "contributions", "base", "matrix"):
        assert np.array_equal(getattr(one, field), getattr(other, field), equal_nan=True), field
    assert again.version == "7"
    assert (again.bands, again.population, again.calibration) == (dict(model.bands), model.population, model.calibration)
    assert again.inputs == model.inputs
    assert again.card == json.loads(json.dumps(dict(model.card)))
    if model.expected is not None:
        assert again.expected is not None
        assert np.array_equal(model.expected.value(one.matrix), again.expected.value(other.matrix))
        assert model.expected.interval(0.3) == again.expected.interval(0.3)


@EVERY
def test_a_model_is_text_and_nothing_is_pickled(results: Mapping[str, Result], tmp_path: Path, name: str) -> None:
    results[name].model.write(tmp_path)
    for path in tmp_path.iterdir():
        assert path.suffix in {".txt", ".json", ".md"}
        assert path.read_bytes().decode("utf-8").isprintable() or "\n" in path.read_text()
        if path.suffix == ".json":
            json.loads(path.read_text())
    assert (tmp_path / "card.md").read_text().startswith(f"# {results[name].model.card['title']}")


@EVERY
def test_a_model_says_why_it_scored_as_it_did(
    results: Mapping[str, Result], tables: dict[str, FeatureTable], name: str
) -> None:
    model = results[name].model
    scored = model.score(tables[model.target.unit])
    assert np.abs(scored.base + scored.contributions.sum(axis=1) - scored.raw).max() < 1e-9
    assert np.array_equal(scored.probability, model.calibration.probability(scored.raw))
    assert model.score(tables[model.target.unit], explain=False).contributions.size == 0


def test_a_student_alone_is_scored_with_the_bits_of_the_school(
    results: Mapping[str, Result], tables: dict[str, FeatureTable]
) -> None:
    model, table = results["dropout"].model, tables["enrolment"]
    whole = model.score(table)
    for at in range(0, len(table), 23):
        alone = model.score(table.take(np.array([at])))
        assert np.array_equal(alone.raw, whole.raw[at : at + 1])
        assert np.array_equal(alone.probability, whole.probability[at : at + 1])
        assert np.array_equal(alone.contributions, whole.contributions[at : at + 1])


def test_a_model_meets_no_new_code_in_silence(results: Mapping[str, Result], tmp_path: Path) -> None:
    results["dropout"].model.write(tmp_path)
    changed = Catalog(tuple(replace(one, fingerprint="new") if one.name == "missing" else one for one in STANDARD))
    with pytest.raises(Refused, match="feature missing: it is defined differently now"):
        TrainedModel.read(tmp_path, changed)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
@pytest.mark.parametrize("file", ["model.txt", "expected.txt", "card.json", "card.md"])
def test_a_file_that_is_not_as_it_was_written_is_refused_by_name(
    results: Mapping[str, Result], tmp_path: Path, file: str, damage: str
) -> None:
    results["learning_gap"].model.write(tmp_path)
    path = tmp_path / file
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if damage == "cut" else whole.replace(b"0", b"1", 1).replace(b"a", b"e", 1))
    with pytest.raises(Refused, match="Restore the model's folder") as refused:
        TrainedModel.read(tmp_path, STANDARD)
    (problem,) = refused.value.problems
    assert (problem.code, problem.file, problem.where) == ("damaged_model", file, file)
    path.write_bytes(whole)
    assert TrainedModel.read(tmp_path, STANDARD).target.name == "learning_gap"


def test_every_damaged_file_is_named_at_once(results: Mapping[str, Result], tmp_path: Path) -> None:
    results["learning_gap"].model.write(tmp_path)
    for name in ("model.txt", "expected.txt"):
        (tmp_path / name).write_text("tree\n")
    with pytest.raises(Refused) as refused:
        TrainedModel.read(tmp_path, STANDARD)
    assert {problem.file for problem in refused.value.problems} == {"model.txt", "expected.txt"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', "\udcff"])
def test_a_model_json_that_is_cut_short_is_refused_by_name(results: Mapping[str, Result], tmp_path: Path, content: str) -> None:
    results["dropout"].model.write(tmp_path)
    (tmp_path / "model.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(Refused) as refused:
        TrainedModel.read(tmp_path, STANDARD)
    assert [problem.file for problem in refused.value.problems] == ["model.json"]


def test_a_model_of_an_older_release_is_read_without_sums_and_its_cut_text_is_still_refused(
    results: Mapping[str, Result], tmp_path: Path
) -> None:
    results["dropout"].model.write(tmp_path)
    kept = json.loads((tmp_path / "model.json").read_text())
    del kept["sha256"]
    (tmp_path / "model.json").write_text(json.dumps({**kept, "format": 1}))
    assert TrainedModel.read(tmp_path, STANDARD).target.name == "dropout"
    whole = (tmp_path / "model.txt").read_text()
    (tmp_path / "model.txt").write_text(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="cut short"):
        TrainedModel.read(tmp_path, STANDARD)


def test_where_there_is_no_model_none_is_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model in"):
        TrainedModel.read(tmp_path, STANDARD)


def test_bands_go_by_the_probability(results: Mapping[str, Result]) -> None:
    model = replace(results["dropout"].model, bands={"check_in_suggested": 0.5, "keep_an_eye": 0.2})
    found = [model.band(chance) for chance in (0.5, 0.49, 0.2, 0.19)]
    assert found == ["check_in_suggested", "keep_an_eye", "keep_an_eye", "no_extra_signal"]


@EVERY
def test_the_bands_of_a_trained_model_are_in_order(results: Mapping[str, Result], name: str) -> None:
    bands = results[name].model.bands
    assert 0 < bands["keep_an_eye"] <= bands["check_in_suggested"] < 1


# -- whom it knows ----------------------------------------------------------------------------------------------------

POPULATION = Population(
    {"a": 0.0, "b": 10.0, "flat": 3.0}, {"a": 10.0, "b": 20.0, "flat": 3.0}, (Phase(0.2, ("a",)), Phase(1.0, ("a", "b")))
)


def test_completeness_is_the_share_of_what_is_usually_known_at_that_point() -> None:
    nothing, some = {"a": False, "b": False}, {"a": True, "b": False}
    assert POPULATION.completeness(some, 0.1) == POPULATION.completeness(some, 0.2) == 1.0
    assert POPULATION.completeness(some, 0.5) == 0.5
    assert POPULATION.completeness(nothing, 0.2) == 0.0
    assert POPULATION.completeness(some, 7.0) == 0.5, "after the last phase, the last phase"
    assert POPULATION.completeness(some, None) == 0.5
    assert Population({}, {}, (Phase(1.0, ()),)).completeness({}, 0.5) == 1.0


@pytest.mark.parametrize(
    ("values", "outside"),
    [
        ({"a": 5.0, "b": 15.0, "flat": 3.0, "unheard": 99.0}, []),
        ({"a": -5.0, "b": 25.0, "flat": 4.0}, []),
        ({"a": -5.1, "b": 25.1, "flat": 4.1}, ["a", "b", "flat"]),
        ({"a": float("nan")}, ["a"]),
    ],
)
def test_what_lies_beyond_the_range_by_half_of_it_is_outside(values: dict[str, float], outside: list[str]) -> None:
    assert POPULATION.outside(values) == outside


def test_a_population_is_read_from_the_rows_it_was_trained_on() -> None:
    matrix = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 7.0], [4.0, 9.0]])
    found = Population.of(matrix, ["early", "late"], np.array([0.1, 0.2, 0.8, 0.9]), parts=2)
    assert (found.least, found.most) == ({"early": 1.0, "late": 7.0}, {"early": 4.0, "late": 9.0})
    assert [phase.expected for phase in found.phases] == [("early",), ("early", "late")]
    assert Population.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_an_expected_score_has_an_interval_that_held_four_times_in_five(results: Mapping[str, Result]) -> None:
    trees = results["dropout"].model.trees
    rng = np.random.default_rng(4)
    seen = rng.random(5000)
    truth = np.clip(seen + rng.normal(0, 0.02 + 0.2 * seen), 0, 1)
    expected = Expected.of(trees, seen[:2500], truth[:2500])
    bounds = np.array([expected.interval(float(one)) for one in seen[2500:]])
    inside = ((bounds[:, 0] <= truth[2500:]) & (truth[2500:] <= bounds[:, 1])).mean()
    assert 0.77 < inside < 0.83
    assert ((bounds >= 0) & (bounds <= 1)).all()
    widths = bounds[:, 1] - bounds[:, 0]
    assert widths[seen[2500:] < 0.2].mean() < widths[seen[2500:] > 0.6].mean()

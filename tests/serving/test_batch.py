"""A whole school at one date: everybody who is there, the same file each time, whatever happened on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import example_school
import models
import oulad_school
import polars as pl
import pytest

from features.cohort import on_dates
from features.problems import NotFound
from features.records import SchoolRecords
from serving import batch
from serving.batch import SCHEMA, Run
from serving.scoring import Scoring
from serving.store import Store
from training.trained import TrainedModel

TODAY = example_school.TODAY

#: The secret of the tenant, so that files of different folders can be compared.
SECRET = "5c" * 32


def store_in(folder: Path) -> Store:
    store = Store.of(folder, "default")
    store.folder.mkdir(parents=True)
    (store.folder / "secret").write_text(SECRET)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, bytes]:
    """A run of the example school in two buckets that nothing disturbed."""
    store = store_in(tmp_path_factory.mktemp("usual"))
    return run(in_buckets(store, 2), store)


def run(records: SchoolRecords, store: Store, name: str = "out.parquet", as_of: date = TODAY,
        given: Sequence[TrainedModel] | None = None, settings: Scoring | None = None) -> tuple[Run, bytes]:  # fmt: skip
    """Score the example school, and return the run and the bytes of the file. Progress must be told to the end."""
    out, told = store.folder.parent / name, list[tuple[int, int]]()
    given = given or models.trained()
    done = batch.run(records, given, as_of, store, out, settings, lambda _, done, of: told.append((done, of)))
    steps = records.buckets * (1 + len(given))
    assert told == [(at, steps) for at in range(1, steps + 1)]
    return done, out.read_bytes()


def in_buckets(store: Store, count: int, digest: str = "example") -> SchoolRecords:
    return replace(example_school.records(), digest=digest).write(store.folder / f"records-{count}", count)


@pytest.mark.full
def test_a_repeated_run_finds_all_its_parts_and_writes_the_same_bytes(store: Store, usual: tuple[Run, bytes]) -> None:
    records = in_buckets(store, 2)
    first, written = run(records, store)
    assert (first.parts, first.parts_found) == (8, 0)
    second, again = run(records, store, "again.parquet")
    assert (second.parts, second.parts_found) == (8, 8)
    assert again == written == usual[1]  # in another folder, too
    assert replace(second, parts_found=0) == first == usual[0]


FULL = [pytest.param(at, marks=pytest.mark.full) for at in (1, 2, 3, 4, 6, 7, 8)]


@pytest.mark.full
@pytest.mark.parametrize("killed_at", [*FULL, 5])
def test_a_run_that_is_killed_and_taken_up_again_equals_one_that_was_not(
    store: Store, tmp_path: Path, usual: tuple[Run, bytes], killed_at: int
) -> None:
    class KilledError(BaseException):
        pass

    def die(step: str, done: int, of: int) -> None:
        if done == killed_at:
            raise KilledError

    records = in_buckets(store, 2)
    out = tmp_path / "out.parquet"
    with pytest.raises(KilledError):
        batch.run(records, models.trained(), TODAY, store, out, None, die)
    assert not out.exists()
    assert store.latest() is None
    resumed, written = run(records, store)
    assert resumed.parts_found == killed_at
    assert written == usual[1]
    assert replace(resumed, parts_found=0) == usual[0]


@pytest.mark.full
def test_a_killed_run_is_resumed_although_others_were_finished_since(store: Store, usual: tuple[Run, bytes]) -> None:
    class KilledError(BaseException):
        pass

    def die(step: str, done: int, of: int) -> None:
        if done == 5:
            raise KilledError

    records = in_buckets(store, 2)
    with pytest.raises(KilledError):
        batch.run(records, models.trained(), TODAY, store, store.folder.parent / "out.parquet", None, die)
    for days in (3, 2, 1):
        run(records, store, as_of=TODAY - timedelta(days=days))
    kept = {path.name[:10] for path in (store.folder / "snapshots").iterdir()}
    assert kept == {str(TODAY - timedelta(days=days)) for days in (2, 1, 0)}
    resumed, written = run(records, store)
    assert resumed.parts_found == 5
    assert written == usual[1]
    latest = store.latest()
    assert latest is not None
    assert set(store.norms(latest)) == {"enrolment", "section", "skill"}


@pytest.mark.full
def test_a_part_that_was_half_written_is_written_again(
    store: Store, usual: tuple[Run, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    records, real = in_buckets(store, 2), pl.DataFrame.write_parquet
    written = 0

    def torn(frame: pl.DataFrame, path: Path) -> None:
        nonlocal written
        written += 1
        if written == 9:
            Path(path).write_bytes(b"PAR1 and no more")
            raise OSError("no space left")
        real(frame, path)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", torn)
    with pytest.raises(OSError, match="no space"):
        run(records, store)
    monkeypatch.undo()
    assert run(records, store)[1] == usual[1]


@pytest.mark.parametrize("count", [1, pytest.param(16, marks=pytest.mark.full)])  # of sixteen, some hold nobody
def test_buckets_change_nothing_of_what_is_said(store: Store, usual: tuple[Run, bytes], count: int) -> None:
    found, written = run(in_buckets(store, count), store)
    assert written == usual[1]
    assert (found.counts, found.rows, found.students) == (usual[0].counts, usual[0].rows, usual[0].students)
    again, written = run(in_buckets(store, 2), store)  # where the parts of other buckets lie
    assert written == usual[1]
    assert again.parts_found == 0


@pytest.mark.full
def test_buckets_change_nothing_for_a_school_of_hundreds(tmp_path: Path) -> None:
    school, files = models.school(), []
    for count in (1, 4):
        store = store_in(tmp_path / str(count))
        records = school.write(store.folder / "records", count)
        files.append(run(records, store, as_of=models.TODAY)[1])
    assert files[0] == files[1]


@pytest.mark.full
def test_everybody_who_is_enrolled_is_in_it_and_nobody_else() -> None:
    records, found = models.school(), pl.read_parquet(models.scored().out)
    for target, unit in (("dropout", "enrolment"), ("course_failure", "section"), ("learning_gap", "skill")):
        expected = on_dates(records, [models.TODAY], unit).frame  # type: ignore[arg-type]
        mine = found.filter(pl.col("target") == target)
        assert sorted(mine["enrolment_id"]) == sorted(expected["enrolment_id"])
        assert sum(models.scored().run.counts[target].values()) == mine.height == len(expected)
        assert Counter(mine["status"]) == models.scored().run.counts[target]
    assert models.scored().run.rows == found.height
    assert models.scored().run.students == found["student_id"].n_unique()


@pytest.mark.full
def test_nobody_who_left_is_in_it_and_whoever_comes_later_is_not_in_it_yet(store: Store) -> None:
    records = in_buckets(store, 2)
    run(records, store)
    everybody = set(pl.read_parquet(store.folder.parent / "out.parquet")["student_id"])
    assert everybody == set(example_school.STUDENTS) - {"leo"}
    run(records, store, as_of=date(2026, 10, 1))
    then = set(pl.read_parquet(store.folder.parent / "out.parquet")["student_id"])
    assert then == set(example_school.STUDENTS) - {"kim"}
    exits = models.school().labels("exits").filter(pl.col("exited_on") <= models.TODAY).collect()
    assert exits.height > 20
    assert not set(exits["enrolment_id"]) & set(pl.read_parquet(models.scored().out)["enrolment_id"])


def test_the_file_has_the_columns_that_are_promised_and_a_score_for_whom_it_says_so() -> None:
    found = pl.read_parquet(models.scored().out)
    assert list(found.columns) == list(SCHEMA)
    assert found.schema == pl.Schema(SCHEMA)
    keys = ["target", "student_id", "enrolment_id", "section_id", "skill_id"]
    assert found.select(keys).is_unique().all()
    assert found.equals(found.sort(keys))
    numbers = ("raw", "probability", "interval_low", "interval_high", "per_100")
    scored = found.filter(pl.col("status") == "scored")
    assert scored.select(pl.any_horizontal(pl.col(numbers).is_null()).any()).item() is False
    assert scored.select((pl.col("interval_low") <= pl.col("probability")).all()).item()
    assert scored.select((pl.col("probability") <= pl.col("interval_high")).all()).item()
    assert found["prediction_id"].n_unique() == found.height


@pytest.mark.full
def test_whoever_is_not_scored_has_a_reason_and_no_number(tmp_path: Path) -> None:
    late = oulad_school.BEGINS + timedelta(days=185)
    run(models.school(), store_in(tmp_path), as_of=late)
    found = pl.read_parquet(tmp_path / "data" / "out.parquet")
    assert set(found["status"]) == {"outside_training_population"}
    assert (found["status_reason"] != "").all()
    for name in ("raw", "probability", "interval_low", "interval_high", "expected", "per_100"):
        assert found[name].null_count() == found.height
    assert set(found["band"]) == {"not_enough_data"}
    assert found["reasons"].list.len().sum() == 0


@pytest.mark.full
def test_old_records_make_everybody_stale_and_nobody_disappears(store: Store) -> None:
    whole = example_school.records()
    frames = {name: whole.labels(name).filter(pl.col("known_on") <= date(2026, 12, 4)).collect() for name in whole.parts}
    records = example_school.records(frames).write(store.folder / "records", 2)
    done, _ = run(records, store, settings=Scoring(stale_after_days=1), as_of=date(2026, 12, 11))
    assert {status for counts in done.counts.values() for status in counts} == {"stale_data"}
    assert done.students == 11
    assert done.data_through == date(2026, 12, 4)


@pytest.mark.full
@pytest.mark.parametrize("change", ["records", "day", "settings", "version", "catalogue"])
def test_what_a_part_depends_on_is_in_its_name(store: Store, change: str) -> None:
    given = list(models.trained())
    run(in_buckets(store, 1), store)
    day, settings, digest = TODAY, None, "example"
    match change:
        case "records":
            digest = "another"
        case "day":
            day = TODAY - timedelta(days=1)
        case "settings":
            settings = Scoring(stale_after_days=9)
        case "version":
            given[0] = given[0].with_version("2")
        case _:
            changed = [replace(one, fingerprint="0" * 16) if one.name == "missing" else one for one in given[0].catalog]
            given[0] = replace(given[0], catalog=type(given[0].catalog)(tuple(changed)))
    done, _ = run(in_buckets(store, 1, digest), store, as_of=day, given=given, settings=settings)
    assert done.parts_found == 0


def test_the_newest_scoring_names_the_snapshot_and_the_norms_of_every_target() -> None:
    store, done = models.scored().store, models.scored().run
    latest = store.latest()
    assert latest is not None
    assert (latest.as_of, latest.data_through) == (models.TODAY, done.data_through)
    assert set(latest.snapshots) == set(latest.definitions) == {"dropout", "course_failure", "learning_gap"}
    assert set(store.norms(latest)) == {"enrolment", "section", "skill"}
    for target, counts in done.counts.items():
        assert store.snapshot(latest, target).collect().height == sum(counts.values())
        assert not Path(latest.snapshots[target]).is_absolute()


def test_without_a_model_or_on_a_day_when_nobody_is_there_nothing_is_written(store: Store, tmp_path: Path) -> None:
    records = in_buckets(store, 1)
    with pytest.raises(NotFound, match="No model is promoted"):
        batch.run(records, [], TODAY, store, tmp_path / "out.parquet")
    with pytest.raises(NotFound, match="Nobody is enrolled"):
        batch.run(records, models.trained(), date(2031, 1, 1), store, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    assert store.latest() is None


@pytest.mark.full
def test_a_school_without_skills_is_scored_for_what_it_has(store: Store) -> None:
    frames = {name: frame for name, frame in example_school.tables().items() if "skill" not in name}
    done, _ = run(SchoolRecords.from_frames(frames, digest="no skills"), store)
    assert set(done.counts) == {"dropout", "course_failure"}
    assert done.students == 11

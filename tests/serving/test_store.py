"""What a tenant has on disk: written whole, named in one step, and kept from other eyes."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import example_school
import polars as pl
import pytest

from features.norms import Norms
from features.problems import NotFound
from serving.requests import SCHOOL_TABLES
from serving.store import Latest, Store

LATEST = Latest(date(2026, 11, 13), date(2026, 11, 12), {}, {"dropout": "snapshots/a/features-dropout-*.parquet"}, "first",
                {"dropout": "d1"})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store.of(tmp_path, "lincoln")
    found.folder.mkdir(parents=True)
    return found


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(store: Store) -> None:
    first = store.secret()
    assert len(first) == 32
    assert stat.S_IMODE((store.folder / "secret").stat().st_mode) == 0o600
    assert store.secret() == first
    assert Store(store.folder).secret() == first
    assert [path.name for path in store.folder.iterdir()] == ["secret"]


def test_the_secret_is_made_where_the_tenant_has_no_folder_yet(tmp_path: Path) -> None:
    assert len(Store.of(tmp_path / "new", "lincoln").secret()) == 32


def test_tenants_have_secrets_of_their_own(tmp_path: Path) -> None:
    assert Store.of(tmp_path, "lincoln").secret() != Store.of(tmp_path, "douglass").secret()


def test_workers_that_start_at_once_read_the_same_whole_secret(tmp_path: Path) -> None:
    for attempt in range(20):
        store, ready = Store.of(tmp_path, f"school-{attempt}"), threading.Barrier(4)

        def read(at: Store = store, ready: threading.Barrier = ready) -> bytes:
            ready.wait()
            return at.secret()

        with ThreadPoolExecutor(4) as pool:
            found = {future.result() for future in [pool.submit(read) for _ in range(4)]}
        assert len(found) == 1
        assert len(found.pop()) == 32


def test_before_the_first_scoring_there_is_no_newest(store: Store) -> None:
    assert store.latest() is None
    assert Store(store.folder / "nowhere").latest() is None


@pytest.mark.parametrize("through", [date(2026, 11, 12), None])
def test_the_newest_scoring_is_read_as_it_was_named(store: Store, through: date | None) -> None:
    latest = replace(LATEST, data_through=through)
    store.name_latest(latest)
    assert store.latest() == latest


def test_a_newer_scoring_takes_the_place_of_the_older_in_one_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.name_latest(LATEST)
    newer = replace(LATEST, as_of=date(2026, 11, 14), token="second")
    real, seen = Path.replace, []

    def replaced(building: Path, target: Path) -> Path:
        before = store.latest()  # until the very last step the old one is whole
        found = real(building, target)
        seen.append((before, store.latest()))
        return found

    monkeypatch.setattr(Path, "replace", replaced)
    store.name_latest(newer)
    assert seen == [(LATEST, newer)]
    assert [path.name for path in store.folder.iterdir()] == ["latest.json"]


def test_a_writer_that_dies_leaves_the_older_scoring_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.name_latest(LATEST)

    def full(*_: object, **__: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        store.name_latest(replace(LATEST, token="second"))
    monkeypatch.undo()
    assert store.latest() == LATEST


def scoring_of(store: Store, number: int) -> Latest:
    """Write what a scoring leaves on disk, and return its name."""
    folder = store.folder / "snapshots" / f"s{number}"
    folder.mkdir(parents=True)
    (folder / "features-dropout-0000.parquet").write_bytes(b"")
    store.norms_folder.mkdir(exist_ok=True)
    for digest in (f"n{number}", "shared"):
        (store.norms_folder / f"{digest}.parquet").write_bytes(b"")
    snapshots = {"dropout": f"snapshots/s{number}/features-dropout-*.parquet"}
    return replace(LATEST, token=f"t{number}", snapshots=snapshots, norms={"section": f"n{number}", "skill": "shared"})


def on_disk(store: Store) -> tuple[set[str], set[str]]:
    return {path.name for path in (store.folder / "snapshots").iterdir()}, {path.stem for path in store.norms_folder.iterdir()}


def test_the_newest_scoring_and_the_one_before_it_are_kept_and_older_ones_removed(store: Store) -> None:
    for number in range(4):
        store.name_latest(scoring_of(store, number))
    assert on_disk(store) == ({"s2", "s3"}, {"n2", "n3", "shared"})
    latest = store.latest()
    assert latest is not None
    assert latest.token == "t3"
    store.name_latest(latest)  # the same run once more is no newer one
    assert on_disk(store) == ({"s2", "s3"}, {"n2", "n3", "shared"})


def test_nothing_is_removed_before_the_newest_has_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        store.name_latest(scoring_of(store, number))
    third, seen = scoring_of(store, 2), []
    real = Path.unlink

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        latest = store.latest()
        seen.append(latest.token if latest else None)
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlinked)
    store.name_latest(third)
    assert set(seen) == {"t2"}
    assert on_disk(store)[0] == {"s1", "s2"}


def test_what_a_killed_run_left_stays_for_a_week_and_what_is_given_up_goes(store: Store) -> None:
    scoring_of(store, 7)
    scoring_of(store, 8)
    long_ago = time.time() - 8 * 86_400
    for path in (store.folder / "snapshots" / "s8", store.norms_folder / "n8.parquet"):
        os.utime(path, (long_ago, long_ago))
    for number in range(3):
        store.name_latest(scoring_of(store, number))
    assert on_disk(store) == ({"s1", "s2", "s7"}, {"n1", "n2", "n7", "shared"})


def test_a_removal_that_was_killed_is_finished_the_next_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scoring_of(store, 0)
    for latest in (first, scoring_of(store, 1)):
        store.name_latest(latest)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    store.name_latest(scoring_of(store, 2))
    assert "s0" not in on_disk(store)[0], "no run may go on from half of it"
    monkeypatch.undo()
    store.name_latest(scoring_of(store, 3))
    assert on_disk(store)[0] == {"s2", "s3"}


@pytest.mark.full
def test_a_reader_sees_the_old_whole_or_the_new_whole(store: Store) -> None:
    versions = [replace(LATEST, token=str(at) * 500) for at in range(2)]
    store.name_latest(versions[0])
    done = threading.Event()

    def write() -> None:
        for at in range(200):
            store.name_latest(versions[at % 2])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    looks = 0
    while not done.is_set() or looks < 50:
        assert store.latest() in versions
        looks += 1
    thread.join()


def test_the_schools_own_tables_hold_nothing_of_a_student(store: Store) -> None:
    assert store.reference() == {}
    with pytest.raises(NotFound):
        store.records()
    example_school.records().write(store.records_folder)
    found = store.reference()
    assert set(found) <= set(SCHOOL_TABLES)
    assert {"sections", "assignments", "skills"} <= set(found)
    assert not any("student_id" in frame.columns for frame in found.values())


def test_norms_are_found_by_their_digest(store: Store) -> None:
    norms = Norms.none()
    norms.write(store.norms_folder)
    found = store.norms(replace(LATEST, norms={"section": norms.digest, "enrolment": norms.digest}))
    assert {unit: one.digest for unit, one in found.items()} == {"section": norms.digest, "enrolment": norms.digest}
    with pytest.raises(NotFound):
        store.norms(replace(LATEST, norms={"section": "gone"}))


def test_a_snapshot_is_all_parts_of_one_target(store: Store) -> None:
    folder = store.folder / "snapshots" / "a"
    folder.mkdir(parents=True)
    for target, number in (("dropout", 0), ("dropout", 1), ("course_failure", 0)):
        frame = pl.DataFrame({"student_id": [f"{target}-{number}"]})
        frame.write_parquet(folder / f"features-{target}-{number:04d}.parquet")
    frame.write_parquet(folder / ".features-dropout-0002.parquet.building")  # of a run that was killed
    assert sorted(store.snapshot(LATEST, "dropout").collect()["student_id"]) == ["dropout-0", "dropout-1"]


def test_two_processes_that_name_the_newest_at_once_do_not_share_a_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda building, target: (names.append(building.name), real(building, target))[1])
    for pid in (11, 12):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        store.name_latest(LATEST)
    assert len(set(names)) == 2

"""A simulated district goes out as a OneRoster bundle and comes back as it was."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from features import cohort, pipeline, sources
from features.problems import Refused
from features.records import SchoolRecords
from features.sources.oneroster import OneRoster
from features.sources.oneroster.binding import FILES
from features.sources.tables import Tables
from features.standard import STANDARD
from features.tables import GRAIN_KEYS, TABLES, Grain
from features.validation import Reading
from homeroom.simulate.oneroster import BUNDLE, CARRIED, write
from homeroom.simulate.run import simulate


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(300, 7, tmp_path_factory.mktemp("made") / "district").folder


@pytest.fixture(scope="module")
def own(district: Path) -> Reading:
    return sources.read("tables", district, Tables())


@pytest.fixture(scope="module")
def back(district: Path, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return sources.read("oneroster", write(district, tmp_path_factory.mktemp("out")).bundle, OneRoster())


@pytest.mark.full
def test_every_row_comes_back_as_it_was_but_for_when_it_was_known_that_somebody_left_a_class(
    own: Reading, back: Reading
) -> None:
    assert back.problems == back.notes == ()
    assert all(one.read == one.kept for one in back.accounts)
    assert list(back.tables) == list(own.tables)
    for name in own.tables:
        mine, theirs = own.tables[name], back.tables[name]
        if name == "rosters":  # a second version says that somebody left, and the first is as it was
            key = list(TABLES[name].natural_key)
            mine, theirs = (one.sort("known_on").unique(key, keep="first").drop("ends_on") for one in (mine, theirs))
        assert mine.height == theirs.height, name
        assert mine.join(theirs, on=mine.columns, how="anti", nulls_equal=True).is_empty(), name


def quiet(exits: pl.DataFrame, first: date) -> date:
    """Return the first day from ``first`` on which nobody has left whose leaving the school has yet to learn of."""
    late = exits.filter(pl.col("known_on") > pl.col("exited_on"))
    days = pl.date_range(first, date(first.year + 1, 1, 31), eager=True)
    return next(day for day in days if late.filter(pl.col("exited_on") <= day, pl.col("known_on") > day).is_empty())


@pytest.mark.full
@pytest.mark.parametrize("unit", ["enrolment", "skill"])
def test_the_features_of_a_day_come_back_as_they_were(own: Reading, back: Reading, unit: Grain) -> None:
    day = quiet(own.tables["exits"], date(2023, 11, 10))
    made = []
    for one in (own, back):
        records = SchoolRecords.from_frames(one.tables)
        made.append(pipeline.build(records, cohort.on_dates(records, [day], unit), STANDARD).frame.sort(GRAIN_KEYS[unit]))
    assert made[0].height > 200
    assert made[0].equals(made[1])


@pytest.mark.full
def test_the_older_version_brings_back_what_it_can_carry(district: Path, own: Reading, tmp_path: Path) -> None:
    written = write(district, tmp_path, "1.1")
    assert set(written.rows) <= set(FILES["1.1"])
    assert "assignment_skills" in written.companions
    back = sources.read("oneroster", written.bundle, OneRoster())
    assert back.problems == back.notes == ()
    assert list(back.tables) == list(own.tables)
    changed = {name for name, frame in own.tables.items()
               if frame.join(back.tables[name], on=frame.columns, how="anti", nulls_equal=True).height}  # fmt: skip
    # 1.1 has no weight of a category, no name that somebody prefers, no pronouns and no first day of a role.
    assert changed <= {"assignments", "identities", "rosters"}


@pytest.mark.full
def test_a_small_district_is_written_the_same_twice_and_beside_it_only_what_the_binding_lacks(tmp_path: Path) -> None:
    district = simulate(30, 1, tmp_path / "district").folder
    one, two = (write(district, tmp_path / name) for name in ("one", "two"))
    assert one.bundle.read_bytes() == two.bundle.read_bytes()
    assert {path.name for path in (tmp_path / "one").iterdir()} == {BUNDLE, *one.companions}
    assert not set(one.companions) & set(CARRIED)
    assert {path.name for path in district.iterdir()} & set(TABLES) == {*one.companions, *CARRIED}
    with zipfile.ZipFile(one.bundle) as packed:
        manifest = packed.read("manifest.csv").decode().splitlines()
        assert {f"{name}.csv" for name in one.rows} | {"manifest.csv"} == set(packed.namelist())
        assert {line for line in manifest if line.startswith("file.")} == {
            f"file.{name},{'bulk' if name in one.rows else 'absent'}" for name in FILES["1.2"]}  # fmt: skip
        for name in one.rows:
            header = packed.read(f"{name}.csv").decode().splitlines()[0].split(",")
            assert header == [column.name for column in FILES["1.2"][name].columns]


@pytest.mark.parametrize(("version", "said"), [("1.0", "version"), ("1.2", "nothing")])
def test_what_is_no_district_or_no_version_is_refused(tmp_path: Path, version: str, said: str) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(Refused) as refused:
        write(tmp_path / "nothing", tmp_path / "out", version)
    assert said in refused.value.problems[0].where
    assert not (tmp_path / "out").exists()

"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import example_school
import pytest

from features import sources
from features.records import SchoolRecords
from features.sources.oulad import Oulad
from features.validation import Reading

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def school() -> SchoolRecords:
    """The example school."""
    return example_school.records()


@pytest.fixture(scope="session")
def oulad() -> Path:
    """The folder of the real Open University data."""
    folder = ROOT.parent / "shared" / "data" / "oulad"
    if not folder.is_dir():
        said = "The Open University data are not at ../shared/data/oulad, so nothing is tested on them."
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return folder


@pytest.fixture(scope="session")
def oulad_reading(oulad: Path) -> Reading:
    """The real data as read, marks known when work is handed in: one reading for all tests, since it takes 10 s."""
    return sources.read("oulad", oulad, Oulad(marking_lag_days=0))


@pytest.fixture(scope="session")
def oulad_records(oulad_reading: Reading) -> SchoolRecords:
    """The real data as records."""
    return SchoolRecords.from_frames(oulad_reading.tables, digest=oulad_reading.digest)

"""A state folder with OULAD read, models trained and promoted, made once and used by every benchmark."""

from __future__ import annotations

import tempfile
from datetime import date
from functools import cache
from pathlib import Path

from features.records import SchoolRecords
from features.sources import oulad, read
from serving.batch import run
from serving.store import Store
from training.governance import Governance, Provenance
from training.promotion import Approval, SignOff
from training.registry import Registry
from training.train import Result, train

#: The day that requests and batches look from: sixteen weeks into the October presentations.
AS_OF = date(2014, 1, 20)

#: What a promotion takes, said of a folder that goes when the run is over.
DAY = date(2026, 11, 22)
GOVERNANCE = Governance(
    owner="benchmark", licence="CC BY 4.0", legal_basis="public data", contest_contact="benchmark",
    incident_contact="benchmark", dpia_id="public data", dpia_date=DAY.isoformat(),
)  # fmt: skip
SIGNED = (SignOff("data_science", "one", DAY.isoformat()), SignOff("education", "another", DAY.isoformat()))


@cache
def folder() -> Path:
    """Return a folder that lasts as long as the run."""
    return Path(tempfile.mkdtemp(prefix="homeroom-bench-"))


@cache
def records(path: str) -> SchoolRecords:
    """Return OULAD's records, written and opened as the service does."""
    reading = read("oulad", Path(path), oulad.Oulad())
    return SchoolRecords.from_frames(reading.tables, "default", reading.digest).write(
        Store.of(folder(), "default").records_folder
    )


@cache
def trained(path: str) -> tuple[Result, ...]:
    """Return models of every target, registered and promoted."""
    registry = Registry(folder() / "models")
    provenance = Provenance(DAY.isoformat(), "oulad", "Open University Learning Analytics Dataset", (), GOVERNANCE)
    results = train(records(path), test_from=date(2013, 10, 1), registry=registry, provenance=provenance)
    for result in results:
        approval = Approval(DAY, "benchmark", SIGNED, GOVERNANCE, "benchmark")
        registry.promote(result.model.target.name, result.model.version, approval)
    return tuple(results)


@cache
def scored(path: str) -> Path:
    """Return the list of everybody on :data:`AS_OF`, scored and kept for requests."""
    out = folder() / "scores.parquet"
    run(records(path), [one.model for one in trained(path)], AS_OF, Store.of(folder(), "default"), out)
    return out

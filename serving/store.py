"""What a tenant has here on disk: records, norms, feature snapshots, and the secret for pseudonyms.

Everything is written under a name of its own and then named by ``latest.json``, which is replaced in one step: a
reader sees the old whole or the new whole.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.norms import Norms
from features.problems import NotFound
from features.records import SchoolRecords
from features.tables import Grain
from features.validation import Account
from serving.requests import SCHOOL_TABLES

#: How many scorings are kept. A server goes on reading the one before the newest until it has looked again.
KEPT = 2

#: After how many days without a new part a scoring that was never finished is given up. Until then it can be resumed.
ABANDONED_AFTER_DAYS = 7


#: How the name begins of a folder that is being removed.
_REMOVED = ".removed-"


@dataclass(frozen=True)
class Latest:
    """The newest scoring of a tenant: its date, how far the records reach, norms by unit, and snapshots by target.

    ``definitions`` names, by target, the features that a snapshot holds and how they were defined. ``scored`` is where the
    whole list lies, with its words; empty in a scoring of a release that did not keep it. ``exempt`` is why scoring takes no
    impact assessment: the students are simulated, say; empty where it takes one.
    """

    as_of: date
    data_through: date | None
    norms: Mapping[Grain, str]
    snapshots: Mapping[str, str]
    token: str
    definitions: Mapping[str, str]
    scored: str = ""
    exempt: str = ""

    @property
    def holds(self) -> dict[str, list[str]]:
        """What lies on disk because of this scoring: folders of snapshots, and norms."""
        folders = {Path(pattern).parent.name for pattern in self.snapshots.values()}
        return {"snapshots": sorted(folders), "norms": sorted(set(self.norms.values()))}


@dataclass(frozen=True)
class Store:
    """The folder of one tenant."""

    folder: Path

    @classmethod
    def of(cls, home: Path, tenant: str) -> Store:
        """Return a tenant's store below the state folder."""
        return cls(home / "data" / tenant)

    @property
    def records_folder(self) -> Path:
        """Where the records of the last export lie."""
        return self.folder / "records"

    @property
    def norms_folder(self) -> Path:
        """Where norms lie, each under its digest."""
        return self.folder / "norms"

    def records(self) -> SchoolRecords:
        """Return the records of the last export; raise :class:`NotFound` where there are none."""
        return SchoolRecords.open(self.records_folder)

    def keep_accounts(self, digest: str, accounts: Sequence[Account]) -> None:
        """Keep what became of every row of the export that the records were made of; ``digest`` names the export."""
        told = {"digest": digest, "accounts": [asdict(one) for one in accounts]}
        building = self.folder / f".accounts-{os.getpid()}.json"
        building.write_text(json.dumps(told, indent=1))
        building.replace(self.folder / "accounts.json")

    def accounts(self, digest: str) -> tuple[Account, ...]:
        """Return what became of every row of an export; nothing where it was read by an older release."""
        try:
            told: dict[str, Any] = json.loads((self.folder / "accounts.json").read_text())
        except FileNotFoundError:
            return ()
        same = told["digest"].partition("+")[0] == digest.partition("+")[0]  # what is laid over an export changes no account
        return tuple(Account(**one) for one in told["accounts"]) if same else ()

    def reference(self) -> dict[str, pl.DataFrame]:
        """Return the school's own tables from the last export: classes, assignments, skills."""
        try:
            records = self.records()
        except NotFound:
            return {}
        return {name: records.school_table(name) for name in SCHOOL_TABLES if records.holds(name)}

    def secret(self, name: str = "secret") -> bytes:
        """Return the tenant's secret for pseudonyms, made on first use and readable by its owner only.

        One of another ``name`` is for another purpose: what is made with one says nothing of what is made with the other.
        """
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            building = path.with_name(f".secret-{secrets.token_hex(8)}")
            with os.fdopen(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            # A link appears with its content or not at all: nobody can read a secret that is half written.
            with suppress(FileExistsError):  # another worker made it in this moment; both read the same
                path.hardlink_to(building)
            building.unlink()
        return bytes.fromhex(path.read_text())

    def latest(self) -> Latest | None:
        """Return the newest scoring, or None."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "latest.json").read_text())
        except FileNotFoundError:
            return None
        through = found["data_through"]
        return Latest(
            date.fromisoformat(found["as_of"]), date.fromisoformat(through) if through else None,
            found["norms"], found["snapshots"], found["token"], found.get("definitions", {}), found.get("scored", ""),
            found.get("exempt", ""),
        )  # fmt: skip

    def name_latest(self, latest: Latest) -> None:
        """Make a scoring the newest, in one step, and then remove those that nobody needs any more."""
        holds = latest.holds
        content = {
            "as_of": latest.as_of.isoformat(),
            "data_through": latest.data_through.isoformat() if latest.data_through else None,
            "norms": dict(latest.norms),
            "snapshots": dict(latest.snapshots),
            "token": latest.token,
            "definitions": dict(latest.definitions),
            "scored": latest.scored,
            "exempt": latest.exempt,
            "finished": [holds, *(one for one in self._finished() if one["snapshots"] != holds["snapshots"])],
        }
        building = self.folder / f".latest-{os.getpid()}.json"
        building.write_text(json.dumps(content, indent=1, sort_keys=True))
        building.replace(self.folder / "latest.json")
        self._remove_older()

    def _finished(self) -> list[dict[str, list[str]]]:
        """Return what every scoring holds that was finished and is not yet removed, the newest first."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "latest.json").read_text())
        except FileNotFoundError:
            return []
        return [one for one in found.get("finished", []) if any((self._snapshots / name).exists() for name in one["snapshots"])]

    @property
    def _snapshots(self) -> Path:
        return self.folder / "snapshots"

    def _remove_older(self) -> None:
        """Remove everything but the newest scoring and the one before it.

        A scoring that was never finished may be under way in another process, or be resumed: what it has written
        stays for a week.
        """
        finished = self._finished()
        named = {kind: {name for one in finished[:KEPT] for name in one[kind]} for kind in ("snapshots", "norms")}
        older = {kind: {name for one in finished[KEPT:] for name in one[kind]} for kind in ("snapshots", "norms")}
        given_up = _written(self.folder / "latest.json") - ABANDONED_AFTER_DAYS * 86_400
        # Snapshots last: a scoring is in the list for as long as its folder is there.
        for path in self.norms_folder.glob("*.parquet"):
            if path.stem not in named["norms"] and (path.stem in older["norms"] or _written(path) < given_up):
                path.unlink(missing_ok=True)
        for folder in filter(Path.is_dir, self._snapshots.glob("*")):
            if folder.name not in named["snapshots"] and (folder.name in older["snapshots"] or _written(folder) < given_up):
                # Under another name first: a run must never go on from half of a scoring's parts.
                folder.replace(self._snapshots / f"{_REMOVED}{folder.name.removeprefix(_REMOVED)}")
        for folder in self._snapshots.glob(f"{_REMOVED}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def norms(self, latest: Latest) -> dict[Grain, Norms]:
        """Return the norms of a scoring by unit."""
        read = {digest: Norms.read(self.norms_folder / f"{digest}.parquet") for digest in set(latest.norms.values())}
        return {unit: read[digest] for unit, digest in latest.norms.items()}

    def scored(self, latest: Latest) -> pl.DataFrame | None:
        """Return the whole list of a scoring with its words, None where the release that made it did not keep it."""
        return pl.read_parquet(self.folder / latest.scored) if latest.scored else None

    def snapshot(self, latest: Latest, target: str) -> pl.LazyFrame:
        """Return the feature rows of a scoring for a target, lazily."""
        return pl.scan_parquet(self.folder / latest.snapshots[target])


def _written(path: Path) -> float:
    """Return when something was last written, by the disk's clock; never where it has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf

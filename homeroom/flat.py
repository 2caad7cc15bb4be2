"""What the commands do with ``--source tabular``: one flat file and the TOML file that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from homeroom import promoting

if TYPE_CHECKING:
    from features.sources.tabular import FlatReading
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.store import Store
    from serving.withheld import Withheld
    from training.registry import Registry

#: The name of the source.
FLAT = "tabular"


def _read(path: Path, mapping: Path, labelled: bool) -> FlatReading:
    from features.flat import read_description
    from features.sources.tabular import read

    return read(path, read_description(mapping), labelled)


def _kept(found: FlatReading, say: Say, store: Store) -> FlatReading:
    """Return a reading after what was set aside was written down and told."""
    found.reading.write_quarantine(store.folder / "quarantine")
    if found.reading.quarantined:
        say.lines(f"{found.reading.quarantined:,} rows were set aside; `homeroom check` says why.")
    return found


def check(settings: Settings, say: Say, path: Path, mapping: Path, store: Store) -> None:
    """Account for every row of a flat file, and name the columns that are not read."""
    del settings
    found = _read(path, mapping, labelled=True)
    reading = found.reading
    written = reading.write_quarantine(store.folder / "quarantine")
    say.lines(*map(str, reading.problems))
    for one in reading.accounts:
        say.lines(f"{one.file}: {one.read:,} rows read = {one.kept:,} kept + {one.quarantined:,} set aside")
    groups = ", ".join(found.table.description.groups)
    say.lines(
        f"{len(found.table.description.columns)} columns become {len(found.table.catalog)} features",
        f"Read by the audit alone: {groups or 'nothing'}",
        f"Not read, {len(found.left_out)} columns: {', '.join(found.left_out) or 'none'}",
        *(f"Set aside, with reasons: {file}" for file in written),
    )
    say.result(
        {
            "accounts": [
                {"file": one.file, "read": one.read, "kept": one.kept, "quarantined": one.quarantined}
                for one in reading.accounts
            ],
            "problems": [problem.as_dict() for problem in reading.problems],
            "quarantine": [str(file) for file in written],
            "features": list(found.table.catalog.names),
            "groups": list(found.table.description.groups),
            "left_out": list(found.left_out),
        }
    )


def features(say: Say, path: Path, mapping: Path, out: Path, store: Store) -> None:
    """Write the features of a flat file, one row per student."""
    table = _kept(_read(path, mapping, labelled=False), say, store).table
    out.parent.mkdir(parents=True, exist_ok=True)
    table.frame.write_parquet(out)
    say.lines(f"{len(table):,} rows of {len(table.catalog):,} features in {out}")
    say.result({"rows": len(table), "features": len(table.catalog), "out": str(out)})


def train(settings: Settings, say: Say, path: Path, mapping: Path, store: Store, registry: Registry) -> None:
    """Train a model of the outcome that the description names, judge it, and register it."""
    from training.flat import train_flat
    from training.governance import Governance, Provenance
    from training.run import Training

    told = settings.section("train", Training)
    found = _kept(_read(path, mapping, labelled=True), say, store)
    accounts, governance = found.reading.accounts, settings.section("governance", Governance)
    provenance = Provenance(promoting.today().isoformat(), FLAT, f"one flat file, {path.name}", accounts, governance)
    with say.progress("training") as step:
        one = train_flat(found.table, told, registry, found.left_out, found.reading.digest, step, provenance=provenance)
    say.result(one.as_dict())
    say.lines(
        f"{one.model.target.name} version {one.model.version}: trained on {one.train['rows']:,} rows, judged on "
        f"{one.test['rows']:,}: {one.model.card['judged_on']}",
        f"  {_figures(one.metrics)}",
        *(f"  {name}: {_figures(figures)}" for name, figures in one.baselines.items()),
        f"  {one.model.card['gate']['compared']}:",
        *(f"    against {gain.baseline}: {gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" for gain in one.gains),
        f"  gate {'passed' if one.passed_gate else 'not passed: it stays a candidate'}; {one.seconds['total']:.1f} s",
    )


def _figures(found: Mapping[str, float | int | None]) -> str:
    return ", ".join(
        f"{name} {value:.3f}" for name, value in found.items() if name not in ("rows", "positives") and value is not None
    )


def score(
    say: Say, path: Path, mapping: Path, as_of: date, out: Path, store: Store, registry: Registry, withheld: Withheld
) -> None:
    """Score every row of a flat file by the model in use of the outcome that the description names."""
    from features.flat import read_description
    from features.sources.tabular import read
    from serving.flat import run

    described = read_description(mapping)
    model = registry.load_flat(described.label.name)
    found = _kept(read(path, model.description.read_as(described), labelled=False), say, store)
    withheld.refuse_everywhere()
    listed = run(found.table, model, as_of, out, store.secret(), withheld)
    counts = dict(listed.group_by("status").len().sort("status").iter_rows())
    say.lines(
        f"{model.target.name}: {', '.join(f'{rows:,} {status}' for status, rows in counts.items())}",
        f"{listed.height:,} rows in {out}",
    )
    say.result({"rows": listed.height, "students": listed["student_id"].n_unique(), "counts": {model.target.name: counts},
                "model": {model.target.name: model.version}, "out": str(out)})  # fmt: skip

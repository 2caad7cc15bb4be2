"""A whole school at one date: everybody enrolled, every model in use, bucket by bucket.

Work is cut by bucket of students. A part that is finished lies on disk under a name made of everything that it
depends on, so a killed run goes on where it stopped and a repeated run finds all its parts and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.cohort import enrolled
from features.norms import Norms
from features.phrases import ENGLISH
from features.pipeline import FeatureTable, class_norms, joined, placed
from features.problems import NotFound
from features.records import SchoolRecords, digest_of
from features.tables import Grain
from serving import lists, missing, offers, previous, retelling, wording
from serving.answers import Student, prediction_id
from serving.cases.database import Engine
from serving.monitor import Monitoring
from serving.scoring import Risk, Scoring, feature_tables, score
from serving.store import Latest, Store
from serving.withheld import NOBODY, Withheld
from training.trained import TrainedModel

Progress = Callable[[str, int, int], None]

_REASONS = pl.List(pl.Struct({"concept": pl.String, "feature": pl.String, "value": pl.Float64, "contribution": pl.Float64,
                              "text": pl.String}))  # fmt: skip

#: Changes when parts are written in another way, so that a run never takes up parts of another release.
FORMAT = 6

#: The columns of a scored list. ``correction`` names the accepted correction after which a row was made anew;
#: ``recommendations`` are of the student and not of the row, and only rows in whose band help is looked for have any. ``told``
#: holds the texts of the row so that they can be said in any language (:mod:`serving.retelling`).
SCHEMA: Mapping[str, Any] = {
    "prediction_id": pl.String, "student_id": pl.String, "target": pl.String, "enrolment_id": pl.String,
    "section_id": pl.String, "skill_id": pl.String, "as_of": pl.Date, "status": pl.String, "status_reason": pl.String,
    "band": pl.String, "probability": pl.Float64, "interval_low": pl.Float64, "interval_high": pl.Float64,
    "expected": pl.Float64, "expected_low": pl.Float64, "expected_high": pl.Float64, "per_100": pl.String,
    "reasons": _REASONS, "strengths": _REASONS, "unknowns": pl.List(pl.String), "model_version": pl.String,
    "norms": pl.String, "raw": pl.Float64, "correction": pl.String, "recommendations": offers.RECOMMENDATIONS,
    "told": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a run gave: how many were scored or not, by target and status, and where it lies."""

    rows: int
    students: int
    counts: Mapping[str, Mapping[str, int]]
    parts: int
    parts_found: int
    data_through: date | None


def run(
    records: SchoolRecords,
    models: Sequence[TrainedModel],
    as_of: date,
    store: Store,
    out: Path,
    settings: Scoring | None = None,
    progress: Progress = lambda _step, _done, _of: None,
    monitoring: Monitoring | None = None,
    pass_mark: float | None = None,
    withheld: Withheld = NOBODY,
    exempt: str = "",
    db: Engine | None = None,
) -> Run:
    """Score everybody enrolled on a date, write the list to ``out`` as Parquet, and keep the snapshot for requests.

    Args:
        records: the school's records.
        models: the models in use, one per target.
        as_of: the date to look from.
        store: where parts, norms and the snapshot are kept.
        out: the Parquet file to write, one row per target and unit, sorted.
        settings: see :class:`~serving.scoring.Scoring`.
        progress: called with a step, how many parts are done, and of how many.
        monitoring: see :class:`~serving.monitor.Monitoring`.
        pass_mark: share of the best score from which a skill counts as secure, kept with the list until outcomes come.
        withheld: who is not scored by the database; who is not by the records themselves is found in these.
        exempt: why scoring takes no impact assessment (see :mod:`serving.assessed`), kept with the list.
        db: where a catalogue of help was signed and case work is kept; it decides what help is recommended, and no score.

    Raises:
        NotFound: there are no models, or nobody is enrolled on the date.
        Refused: what models read is newly missing (see :mod:`serving.missing`), scoring is stopped everywhere, or the
            district's own catalogue of help or library is wrong.

    """
    settings, monitoring = settings or Scoring(), monitoring or Monitoring()
    if not models:
        raise NotFound("No model is promoted. Train one with `homeroom train`, then `homeroom promote TARGET VERSION`.")
    withheld.refuse_everywhere()
    withheld = withheld.with_records(records, as_of)
    when = pl.DataFrame({"as_of": [as_of]})
    if enrolled(records, when).stays.is_empty():
        raise NotFound(f"Nobody is enrolled on {as_of}, as far as was known on that day.")
    versions = {model.target.name: model.version for model in models}
    definitions = {model.target.name: definitions_of(model) for model in models}
    help_ = offers.Help.of(store.folder, as_of, records, db)  # before hours of work: what is wrong is refused at once
    token = digest_of(FORMAT, records.digest, records.tenant, records.buckets, as_of, settings, sorted(versions.items()),
                      sorted(definitions.items()), withheld.digest)  # fmt: skip
    folder = store.folder / "snapshots" / f"{as_of}-{token}"
    folder.mkdir(parents=True, exist_ok=True)
    through = records.data_through(as_of)

    # First everything that needs no class, by bucket; then the classes' norms; then places, scores and words.
    steps, found, done = records.buckets * (1 + len(models)), 0, 0
    for number in range(records.buckets):
        paths = {model.target.name: folder / f"base-{model.target.name}-{number:04d}.parquet" for model in models}
        if all(path.exists() for path in paths.values()):
            found += 1
        else:
            _write_bases(records.bucket(number), when, models, settings, withheld, paths)
        done += 1
        progress("features", done, steps)
    secret = store.secret()
    names: dict[Grain, str] = {}
    parts: list[Path] = []
    missing.refuse(records, as_of, models, lambda model: _bases(folder, model, records.buckets), monitoring.accept_missing)
    for model in models:
        target, bases = model.target, list(_bases(folder, model, records.buckets))
        norms = class_norms(joined(bases), records)
        norms.write(store.norms_folder)
        names[target.unit] = norms.digest
        for number, base in enumerate(bases):
            path = folder / f"scored-{target.name}-{number:04d}.parquet"
            if path.exists():
                found += 1
            else:
                table = placed(base, norms)
                write_whole(table.frame, folder / f"features-{target.name}-{number:04d}.parquet")
                write_whole(scored_rows(score(table, model, through, settings), norms.digest, secret), path)
            parts.append(path)
            done += 1
            progress(f"scores: {target.name}", done, steps)
    whole = _with_silent(parts, records, when, models, withheld, secret)
    # Last, so that parts depend on nothing that another run may have written since.
    whole = previous.kept_on(whole, models, previous.listed_before(store, as_of)).pipe(
        offers.with_recommendations, records, as_of, help_
    )
    write_whole(whole, out)
    scored = folder / "scored.parquet"
    write_whole(whole, scored)
    lists.keep(store, whole, models, as_of, token, pass_mark, monitoring.keep_lists_days)
    snapshots = {
        model.target.name: str((folder / f"features-{model.target.name}-*.parquet").relative_to(store.folder))
        for model in models
    }
    store.name_latest(Latest(as_of, through, names, snapshots, token, definitions,
                            str(scored.relative_to(store.folder)), exempt))  # fmt: skip
    return Run(whole.height, whole["student_id"].n_unique(), _counts(whole), steps, found, through)


def _write_bases(
    part: SchoolRecords, when: pl.DataFrame, models: Sequence[TrainedModel], settings: Scoring, withheld: Withheld,
    paths: Mapping[str, Path],
) -> None:  # fmt: skip
    """Write the features of one bucket, of everybody who is scored."""
    kept, _ = withheld.apart(enrolled(part, when), part)
    tables = feature_tables(part, kept, models, {model.target.unit: Norms.none() for model in models}, settings)
    for name, path in paths.items():
        write_whole(tables[name].frame, path)


def _with_silent(
    parts: Sequence[Path], records: SchoolRecords, when: pl.DataFrame, models: Sequence[TrainedModel], withheld: Withheld,
    secret: bytes,
) -> pl.DataFrame:  # fmt: skip
    """Return the whole list in order: the parts that were scored, and those of whom nothing is said."""
    frames = [pl.read_parquet(path) for path in parts]
    if withheld:
        _, gone = withheld.apart(enrolled(records, when), records)
        frames.append(scored_rows(withheld.risks(gone, models), None, secret))
    return pl.concat(frames).sort("target", "student_id", "enrolment_id", "section_id", "skill_id")


def _bases(folder: Path, model: TrainedModel, buckets: int) -> Iterator[FeatureTable]:
    """Yield the features of every bucket as they were written, before anybody is placed in a class."""
    catalog, target = model.catalog.at(model.target.unit), model.target
    for number in range(buckets):
        frame = pl.read_parquet(folder / f"base-{target.name}-{number:04d}.parquet")
        yield FeatureTable.of(frame, catalog, target.unit, Norms.none())


def _counts(whole: pl.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name, status, rows in whole.group_by("target", "status").len().sort("target", "status").iter_rows():
        counts.setdefault(name, {})[status] = rows
    return counts


def definitions_of(model: TrainedModel) -> str:
    """Return what names the features that a model reads, and how each is defined."""
    return digest_of(*((one.name, one.fingerprint) for one in model.catalog))


def scored_rows(risks: Sequence[Risk], norms: str | None, secret: bytes, correction: str | None = None) -> pl.DataFrame:
    """Return what models say of units as rows of a list (:data:`SCHEMA`).

    Args:
        risks: what each model says of each unit.
        norms: the digest of the norms that placed them.
        secret: the tenant's, for the predictions' identifiers.
        correction: what the rows were made anew for.

    """
    return pl.DataFrame([_row(risk, norms, secret) | {"correction": correction} for risk in risks], schema=SCHEMA)


def _row(risk: Risk, norms: str | None, secret: bytes) -> dict[str, Any]:
    student = Student(risk.student_id)
    low, high = risk.interval or (None, None)
    expected_low, expected_high = risk.expected_interval or (None, None)
    certainty = wording.told_certainty(risk) if risk.status == "scored" else None
    unknowns = wording.told_unknowns(risk)
    reasons, strengths = wording.reasons(risk, student.called), wording.strengths(risk, student.called)
    return {
        "prediction_id": prediction_id(student, risk.as_of, [risk], secret), "student_id": risk.student_id,
        "target": risk.model.target.name, "enrolment_id": risk.enrolment_id, "section_id": risk.section_id,
        "skill_id": risk.skill_id, "as_of": risk.as_of, "status": risk.status, "status_reason": risk.status_reason,
        "band": risk.band, "probability": risk.probability, "interval_low": low, "interval_high": high,
        "expected": risk.expected, "expected_low": expected_low, "expected_high": expected_high,
        "per_100": ENGLISH.say(certainty) if certainty else None,
        "reasons": _facts(reasons), "strengths": _facts(strengths), "unknowns": [ENGLISH.say(one) for one in unknowns],
        "told": retelling.told(risk, reasons, strengths, unknowns, certainty),
        "model_version": risk.model.version, "norms": norms, "raw": risk.raw,
    }  # fmt: skip


def _facts(found: Sequence[wording.Reason]) -> list[dict[str, Any]]:
    return [
        {"concept": one.concept, "feature": one.feature, "value": one.value, "contribution": one.contribution, "text": one.text}
        for one in found
    ]


def write_whole(frame: pl.DataFrame, path: Path) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.building")
    frame.write_parquet(building)
    building.replace(path)

"""A student whose record was corrected is scored again at once, by the same code, and the newest list says so.

Only this student's rows are made anew: from the corrected records, the models in use and the norms of the newest scoring.
The list that was made keeps its name as it was judged (:mod:`serving.lists`); a new one takes its place for everybody who
reads the newest, with the correction's identifier in the rows that hang on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords, digest_of
from features.tables import TABLES
from serving import offers, previous
from serving.batch import definitions_of, scored_rows, write_whole
from serving.cases.database import Database
from serving.cases.families import Correction, Restriction
from serving.intake import Change, Door, lay_over_kept
from serving.scoring import Scoring, feature_tables, score
from serving.store import Store
from serving.withheld import Withheld
from training.trained import TrainedModel


def take_into_records(store: Store, db: Database, asked: Correction | Restriction) -> SchoolRecords:
    """Lay an accepted correction, or a restriction of contact, over the records that are kept, and return these."""
    return lay_over_kept(store, Door.of(db, store.folder.name), Change.of(asked))


def rescore(
    store: Store,
    models: Sequence[TrainedModel],
    records: SchoolRecords,
    student_ids: Collection[str],
    correction: str,
    today: date,
    withheld: Withheld,
    settings: Scoring | None = None,
    db: Database | None = None,
) -> int:
    """Score students again from the records as they are, and name the new list the newest.

    Args:
        store: the tenant's store.
        models: the models in use.
        records: the records, the correction among them.
        student_ids: who is scored again.
        correction: what the rows are to name.
        today: the day from which the students are looked at, or that of the newest list where it is later: before the day
            of the decision nobody knew of the correction.
        withheld: who is not scored.
        settings: see :class:`~serving.scoring.Scoring`.
        db: where a catalogue of help was signed and case work is kept.

    Returns:
        how many rows were made anew; 0 where no list was made yet, or none by these models.

    """
    settings, latest = settings or Scoring(), store.latest()
    models = [model for model in models if latest and latest.definitions.get(model.target.name) == definitions_of(model)]
    before = store.scored(latest) if latest else None
    if latest is None or before is None or not models:
        return 0
    as_of = max(today, latest.as_of)
    mine = _only(records, student_ids)
    withheld = withheld.with_records(mine, as_of)
    kept, gone = withheld.apart(enrolled(mine, pl.DataFrame({"as_of": [as_of]})), mine)
    tables = {} if kept.stays.is_empty() else feature_tables(mine, kept, models, store.norms(latest), settings)
    through = records.data_through(as_of)
    parts = [
        scored_rows(score(tables[model.target.name], model, through, settings), latest.norms.get(model.target.unit),
                    store.secret(), correction)
        for model in models if tables
    ]  # fmt: skip
    parts.append(scored_rows(withheld.risks(gone, models), None, store.secret(), correction))
    anew = previous.kept_on(pl.concat(parts), models, previous.listed_before(store, latest.as_of, list(student_ids)))
    anew = offers.with_recommendations(anew, records, as_of, offers.Help.of(store.folder, as_of, records, db))
    others = before.filter(
        ~(pl.col("student_id").is_in(list(student_ids)) & pl.col("target").is_in([model.target.name for model in models]))
    )
    whole = pl.concat([others, anew], how="diagonal").select(anew.columns).sort(
        "target", "student_id", "enrolment_id", "section_id", "skill_id"
    )  # fmt: skip
    token = digest_of(latest.token, correction, sorted(student_ids), records.digest, as_of)
    folder = store.folder / "snapshots" / f"{latest.as_of}-{token}"
    snapshots = dict(latest.snapshots)
    for model in models:
        name = model.target.name
        for path in sorted(store.folder.glob(latest.snapshots[name])):
            _copied(path, folder / path.name, student_ids)
        if tables:
            write_whole(tables[name].frame, folder / f"features-{name}-again-{correction}.parquet")
        folder.mkdir(parents=True, exist_ok=True)
        snapshots[name] = str((folder / f"features-{name}-*.parquet").relative_to(store.folder))
    scored = folder / "scored.parquet"
    write_whole(whole, scored)
    store.name_latest(replace(latest, token=token, snapshots=snapshots, scored=str(scored.relative_to(store.folder))))
    return anew.height


def _only(records: SchoolRecords, student_ids: Collection[str]) -> SchoolRecords:
    """Return records with the rows of some students alone, and all that belongs to no student."""
    mine = pl.col("student_id").is_in(list(student_ids))
    return replace(records, parts={
        name: (pl.concat([part.filter(mine) for part in parts]),) if TABLES[name].by_student else parts
        for name, parts in records.parts.items()
    })  # fmt: skip


def _copied(path: Path, to: Path, without: Collection[str]) -> None:
    frame = pl.read_parquet(path)
    theirs = pl.col("student_id").is_in(list(without))
    to.parent.mkdir(parents=True, exist_ok=True)
    if frame.select(theirs.any()).item():
        write_whole(frame.filter(~theirs), to)
    else:
        shutil.copyfile(path, to)

"""What the commands do with ``--source responses``: a log of responses and the TOML file that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from features.sources.responses import LogReading
    from homeroom.cli import Say
    from serving.store import Store
    from serving.withheld import Withheld

#: The name of the source.
RESPONSES = "responses"


def _read(path: Path, mapping: Path, say: Say, store: Store) -> LogReading:
    """Return a log after what was set aside was written down and told."""
    from features.sources.responses import read, read_description

    found = read(path, read_description(mapping))
    found.reading.write_quarantine(store.folder / "quarantine")
    if found.reading.quarantined:
        say.lines(f"{found.reading.quarantined:,} rows were set aside; `homeroom check` says why.")
    return found


def _folder(store: Store, name: str) -> Path:
    return store.folder / "tracing" / name


def draft(file: Path) -> tuple[str, list[str]]:
    """Return a draft of the TOML that describes a log, and what there is to say of it."""
    from features.sources.responses import draft as drafted

    return drafted(file)


def check(say: Say, path: Path, mapping: Path, store: Store) -> None:
    """Account for every row of a log, and tell which rows are copies of an answer."""
    from features.sources.responses import read, read_description

    found = read(path, read_description(mapping))
    written = found.reading.write_quarantine(store.folder / "quarantine")
    say.lines(
        *map(str, found.reading.problems),
        *map(str, found.reading.accounts),
        *found.notes,
        f"Not read, {len(found.left_out)} columns: {', '.join(found.left_out) or 'none'}",
        *(f"Set aside, with reasons: {file}" for file in written),
    )
    say.result(
        {
            "accounts": [{"file": one.file, "read": one.read, "kept": one.kept, "quarantined": one.quarantined,
                          "left_out": one.left_out, "why": one.why} for one in found.reading.accounts],
            "merged": asdict(found.merged),
            "responses": len(found.log), "students": len(found.log.students), "skills": len(found.log.skills),
            "items": len(found.log.items), "without_skill": int((found.log.tags == 0).sum()),
            "problems": [problem.as_dict() for problem in found.reading.problems],
            "notes": found.notes,
            "quarantine": [str(file) for file in written],
            "left_out": list(found.left_out),
        }
    )  # fmt: skip


def features(say: Say, path: Path, mapping: Path, out: Path, store: Store) -> None:
    """Write what each response's past tells of it, by the model of the log that was trained last."""
    import polars as pl

    from features.tracing import FACTS, features_of
    from training.tracing_model import TracingModel

    found = _read(path, mapping, say, store)
    model = TracingModel.read(_folder(store, found.described.name))
    log = found.log
    matrix = features_of(log.named(model.skills, model.items), model.difficulty)
    keys = pl.DataFrame({"row": log.row, "student_id": [log.students[at] for at in log.student]})
    frame = keys.hstack(pl.from_numpy(matrix, [fact.name for fact in FACTS]).fill_nan(None))
    out.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(out)
    say.lines(f"{frame.height:,} responses of {len(FACTS)} features in {out}")
    say.result({"rows": frame.height, "features": len(FACTS), "out": str(out)})


def train(say: Say, path: Path, mapping: Path, store: Store) -> None:
    """Train a model of the next response, judge it on students that it did not see, and keep it."""
    from training.tracing import train_log
    from training.tracing_judgement import lines

    found = _read(path, mapping, say, store)
    described = found.described
    folder = _folder(store, described.name)
    with say.progress("training") as step:
        one = train_log(found.log, described.name, described.folds, described.earlier_only, merged=asdict(found.merged),
                        progress=step)  # fmt: skip
    one.model.write(folder)
    one.judged.write_parquet(folder / "judged.parquet")
    card = one.model.card
    say.result({**one.as_dict(), "out": str(folder)})
    say.lines(
        *found.notes,
        f"{one.model.name}: trained on {_of(card['train'])}, judged on {_of(card['test'])}: {card['judged_on']}",
        *lines(one.metrics, one.baselines, one.gains),
        f"  gate {'passed' if one.passed_gate else 'not passed'}; {one.seconds['total']:.1f} s",
        f"The model: {folder}; what it says of each response judged: {folder / 'judged.parquet'}",
    )


def _of(facts: Mapping[str, Any]) -> str:
    return f"{facts['responses']:,} responses of {facts['students']:,} students"


def evaluate(say: Say, path: Path, mapping: Path, store: Store) -> None:
    """Judge the model of the log that was trained last on another log, or on what another log says is to be judged."""
    from training.tracing import evaluated
    from training.tracing_judgement import lines
    from training.tracing_model import TracingModel

    found = _read(path, mapping, say, store)
    model = TracingModel.read(_folder(store, found.described.name))
    figures, students = evaluated(model, found.log)
    said = f"{model.name} on {figures.responses:,} responses of {students:,} students:"
    say.lines(*found.notes, said, *lines(figures, {}, ()))
    say.result({"target": model.name, "metrics": asdict(figures), "students": students, "merged": asdict(found.merged)})


def score(say: Say, path: Path, mapping: Path, as_of: date, out: Path, store: Store, withheld: Withheld) -> None:
    """Write how likely each student's next answer is right, on each skill that they practised and that was learned of."""
    import numpy as np

    from training.tracing import next_responses
    from training.tracing_model import TracingModel

    withheld.refuse_everywhere()
    found = _read(path, mapping, say, store)
    model = TracingModel.read(_folder(store, found.described.name))
    open_to = np.array([name not in withheld.objected for name in found.log.students], dtype=bool)
    log = found.log if open_to.all() else found.log.take(open_to[found.log.student])
    listed = next_responses(model, log, as_of)
    out.parent.mkdir(parents=True, exist_ok=True)
    listed.write_parquet(out)
    known = f"by what was known by the end of {as_of}" if found.log.dated else "the log has no dates: all of it is known"
    say.lines(f"{listed.height:,} students and skills in {out}; {known}")
    say.result({"rows": listed.height, "students": listed["student_id"].n_unique(), "skills": listed["skill_id"].n_unique(),
                "out": str(out)})  # fmt: skip

"""How good models are beside the best that could be done: the ranking by what was true all along.

    python -m homeroom.simulate.judge DISTRICT HOME [--json]

``HOME`` is a state folder whose records are of the simulated ``DISTRICT``. The models in use are judged on the term that
their cards name as the test, on students who were held out of training, and the truth on the very same rows:

- Truths of a stay are told on the first days of months. The models are asked on just these days, those nearest to the days
  that they were judged on in training, so that nothing is compared across days.
- A class is joined with the truth of the grading period that is running, a skill with that of its next evidence.
- A row without an outcome on record, or without a truth (a student who had left though the records did not know it yet,
  or one of whom no truth was kept), is left out for both.

The truth is a ranking, not a ceiling: it expects what chance has not decided yet, while records late in a grading
period or a year already hold what it came to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from features.cohort import enrolled
from features.problems import HomeroomError, NotFound, Problem, Refused
from features.records import Cohort, SchoolRecords
from features.sources.tables import Tables
from features.standard import STANDARD
from features.tables import GRAIN_KEYS
from homeroom.simulate.truth import Truth, open_truth
from serving.scoring import feature_tables
from serving.store import Store
from training.evaluate import Metrics, measure, ties
from training.registry import Registry
from training.splits import HELD_OUT_PARTS, fold_of
from training.targets import TARGETS
from training.trained import TrainedModel

#: The share of the students of a day that a list holds.
CAPACITY = 0.1

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A model's figures beside the truth's, on the same rows.

    ``without_truth``: rows with an outcome that were left out for want of a truth. ``card_auc``: what the card says,
    of the days of training's own test.
    """

    target: str
    version: str
    days: tuple[date, ...]
    rows: int
    positives: int
    without_truth: int
    auc: float | None
    best_auc: float | None
    recall: float | None
    best_recall: float | None
    card_auc: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, figures rounded to four places."""
        plain = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return plain | {"days": [day.isoformat() for day in self.days]}


def judge(
    records: SchoolRecords, models: Sequence[TrainedModel], truth: Truth, progress: Progress = lambda _: None
) -> list[Judged]:
    """Judge models beside the truth; see the module.

    Args:
        records: the district's records.
        models: trained on them, one per target.
        truth: what was true in the district.
        progress: called with a sentence when a step begins.

    """
    told = {model.target.name: model for model in models if model.target.name in _TRUE}
    days = {name: _days(records, model, truth) for name, model in told.items()}
    found = []
    for when in sorted(set(days.values())):
        those = [model for name, model in told.items() if days[name] == when]
        progress(f"features of {len(when)} days")
        asked = enrolled(records, pl.DataFrame({"as_of": list(when)}))
        tables = feature_tables(records, asked, those)
        for model in those:
            progress(f"judging {model.target.name}")
            table = tables[model.target.name]
            held = fold_of(table.keys["student_id"], HELD_OUT_PARTS, "held out") == 0
            part = table.take(np.flatnonzero(held))
            rows = part.keys.with_columns(pl.Series("score", model.score(part, explain=False).raw))
            found.append(_judged(records, model, rows, truth))
    return sorted(found, key=lambda one: list(TARGETS).index(one.target))


def _judged(records: SchoolRecords, model: TrainedModel, rows: pl.DataFrame, truth: Truth) -> Judged:
    target = model.target
    labels = target.labels(records, Cohort(rows.drop("score"), target.unit), Tables().pass_mark)
    known = rows.hstack(labels.select("label")).filter(pl.col("label").is_not_null())
    both = _TRUE[target.name](records, known, truth).filter(pl.col("truth").is_not_null())
    mine, best = (_measured(both, name) for name in ("score", "truth"))
    return Judged(
        target.name, model.version, tuple(rows["as_of"].unique().sort()), both.height, int(both["label"].sum()),
        known.height - both.height, mine.auc, best.auc, mine.recall_at_capacity, best.recall_at_capacity,
        model.card["metrics"]["auc"],
    )  # fmt: skip


def _measured(rows: pl.DataFrame, score: str) -> Metrics:
    units = rows.select(pl.concat_str("student_id", pl.col("section_id").fill_null(""), separator="|")).to_series()
    return measure(
        rows[score].to_numpy(), rows["label"].to_numpy().astype(np.int8), rows["as_of"].to_physical().to_numpy(),
        ties(units.to_list()), CAPACITY,
    )  # fmt: skip


def _days(records: SchoolRecords, model: TrainedModel, truth: Truth) -> tuple[date, ...]:
    """Return the first days of months that are nearest to the days of the model's own test."""
    first, last = (date.fromisoformat(model.card["test"][end]) for end in ("from", "to"))
    terms = records.school_table("terms").filter(pl.col("kind") == "school_year").select("starts_on", "ends_on").unique()
    term = terms.filter(pl.col("starts_on") <= first, pl.col("ends_on") >= last).row(0)
    told = truth.table("leaving")["as_of"].unique().sort()
    months = [day for day in told if term[0] <= day <= term[1]]
    asked = [one["day"] for one in model.card["by_day"]]
    return tuple(sorted({min(months, key=lambda day: abs((day - term[0]).days - wanted)) for wanted in asked}))


def _of_stay(table: str, column: str) -> Callable[[SchoolRecords, pl.DataFrame, Truth], pl.DataFrame]:
    def joined(_records: SchoolRecords, rows: pl.DataFrame, truth: Truth) -> pl.DataFrame:
        told = truth.table(table).select(pl.col("enrolment_id").cast(pl.String), "as_of", pl.col(column).alias("truth"))
        return rows.join(told, on=["enrolment_id", "as_of"], how="left", maintain_order="left")

    return joined


def _of_class(records: SchoolRecords, rows: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Join the truth of the grading period that is running."""
    ends = records.school_table("terms").select("term_id", "ends_on").unique("term_id")
    told = (
        truth.table("courses")
        .select(pl.col("enrolment_id", "section_id", "term_id").cast(pl.String), pl.col("probability").alias("truth"))
        .join(ends, on="term_id")
        .sort("ends_on")
    )
    return rows.with_row_index("at").sort("as_of").join_asof(
        told, left_on="as_of", right_on="ends_on", by=["enrolment_id", "section_id"], strategy="forward",
        check_sortedness=False,
    ).sort("at")  # fmt: skip


def _of_skill(records: SchoolRecords, rows: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Join the truth of the next evidence: of the very piece that the label is made of."""
    keys = list(GRAIN_KEYS["skill"])
    evidence = (
        records.labels("skill_results")
        .filter(~pl.col("deleted"))
        .select(*keys, "occurred_on", "evidence_id", "known_on")
        .sort("occurred_on", "evidence_id", "known_on")
        .unique([*keys, "occurred_on"], keep="first", maintain_order=True)
        .sort("occurred_on")
        .collect()
    )
    told = truth.table("evidence").select(
        pl.col(*keys, "evidence_id").cast(pl.String), pl.col("probability_below").alias("truth")
    )
    following = rows.with_row_index("at").sort("as_of").join_asof(
        evidence, left_on="as_of", right_on="occurred_on", by=keys, strategy="forward", allow_exact_matches=False,
        check_sortedness=False,
    )  # fmt: skip
    return following.join(told.unique([*keys, "evidence_id"]), on=[*keys, "evidence_id"], how="left").sort("at")


#: How each target's rows are joined with the truth: rows in, the same rows with the column ``truth`` out.
_TRUE: Mapping[str, Callable[[SchoolRecords, pl.DataFrame, Truth], pl.DataFrame]] = MappingProxyType({
    "dropout": _of_stay("leaving", "with_summer"),
    "course_failure": _of_class,
    "chronic_absence": _of_stay("absence", "probability"),
    "learning_gap": _of_skill,
})  # fmt: skip


def of_folders(district: Path, home: Path, progress: Progress = lambda _: None) -> list[Judged]:
    """Judge the models in use in a state folder.

    Raises:
        NotFound: there is no truth in the district, or no record or model in the state folder.
        Refused: the records are not of this district.

    """
    truth = open_truth(district)
    records, registry = Store.of(home, "default").records(), Registry(home / "models")
    if not _same(records, district):
        problem = Problem("judge", home.name, f"its records are not those of {district.name}", "Give the district they are of.")
        raise Refused([problem], "The models cannot be judged")
    models = [registry.load(name, STANDARD) for name in TARGETS if registry.champion(name) is not None]
    if not models:
        raise NotFound(f"No model is in use in {home.name}. `homeroom demo` makes some, or `homeroom train`.")
    return judge(records, models, truth, progress)


def _same(records: SchoolRecords, district: Path) -> bool:
    """Whether records hold just the stays and exits of a district; two districts of one size may share every key."""
    for table, columns in (("enrolments", ("enrolment_id", "entered_on")), ("exits", ("enrolment_id", "exited_on", "kind"))):
        theirs = pl.read_parquet(district / table / "*.parquet").select(pl.col(columns)).sort(columns)
        mine = records.labels(table).select(pl.col(columns)).sort(columns).collect()
        if not mine.equals(theirs):
            return False
    return True


def as_lines(found: Sequence[Judged]) -> list[str]:
    """Return the figures as lines for a person."""
    lines = [f"{'target':16} {'rows':>8} {'with it':>8} {'AUC':>6} {'best':>6} {'recall':>7} {'best':>6} {'no truth':>10} "
             f"{'AUC on card':>12}"]  # fmt: skip
    for one in found:
        figures = (one.auc, one.best_auc, one.recall, one.best_recall, one.card_auc)
        auc, best, recall, most, card = ("-" if value is None else f"{value:.3f}" for value in figures)
        lines.append(f"{one.target:16} {one.rows:8,} {one.positives:8,} {auc:>6} {best:>6} {recall:>7} {most:>6} "
                     f"{one.without_truth:10,} {card:>12}")  # fmt: skip
    lines.append("")
    for days in dict.fromkeys(one.days for one in found):
        names = ", ".join(one.target for one in found if one.days == days)
        lines.append(f"{names}: held-out students on {', '.join(map(str, days))}")
    lines.append(
        f"Recall is that of a list of {CAPACITY:.0%} of each day's rows; best is the ranking by the simulator's own truth."
    )
    return lines


def _told(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def main(arguments: Sequence[str]) -> int:
    """Print the figures; 0 where it could be done, 1 where refused, 2 where used wrongly."""
    folders = [one for one in arguments if one != "--json"]
    if len(folders) != 2:
        sys.stderr.write("Usage: python -m homeroom.simulate.judge DISTRICT HOME [--json]\n")
        return 2
    try:
        found = of_folders(Path(folders[0]), Path(folders[1]), _told)
    except HomeroomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if "--json" in arguments:
        sys.stdout.write(json.dumps([one.as_dict() for one in found]) + "\n")
    else:
        sys.stdout.write("\n".join(as_lines(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

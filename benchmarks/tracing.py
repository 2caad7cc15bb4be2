"""A log of responses whose truth is known: what can be foreseen at all, what we foresee, and what others do.

Students of several abilities work through skills that build on each other, each until three answers in a row are right, learn
from practice, forget with time and have good days and bad ones; items differ, some need two skills and then stand there twice.
Nobody can foresee better than the true probabilities rank, and they rest on much that answers do not show. The peers are the
baselines of every training run; pyBKT 1.4.3 does not import beside scikit-learn 1.9. The same log with its copies left in
shows what looking at the copy of an answer is worth.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.sources.responses import describe, read
from features.tracing import StudentTrace
from training.evaluate import auc
from training.tracing import TracingResult, train_log

Floats = npt.NDArray[np.float64]

SKILLS, ITEMS_OF_SKILL, STRANDS = 110, 120, 9
DAY = 86_400.0
COLUMNS = {"student": "student", "skill": "skill", "correct": "correct", "order": "order", "item": "item"}


def simulate(students: int, seed: int = 1) -> pl.DataFrame:
    """Return a log with a row per response and skill, and beside it ``chance``, the true probability of a right answer."""
    rng = np.random.default_rng(seed)
    strand = rng.integers(0, STRANDS, SKILLS)
    before = [[t for t in range(max(0, s - 12), s) if strand[t] == strand[s]][-2:] for s in range(SKILLS)]
    hard, gain = rng.normal(-0.3, 0.8, SKILLS), rng.lognormal(-1.6, 0.6, SKILLS)
    lasts = rng.lognormal(np.log(12 * DAY), 0.7, SKILLS)
    items = SKILLS * ITEMS_OF_SKILL
    of_item = np.repeat(np.arange(SKILLS), ITEMS_OF_SKILL)
    hardness, sharp = rng.normal(0, 0.7, items), rng.lognormal(0, 0.3, items)
    guess, slip = rng.uniform(0.02, 0.2, items), rng.uniform(0.01, 0.1, items)
    second = [before[s][-1] if before[s] and rng.random() < 0.15 else -1 for s in of_item]
    liked = rng.lognormal(0, 1.2, items).reshape(SKILLS, ITEMS_OF_SKILL)
    liked /= liked.sum(axis=1, keepdims=True)
    begins = rng.integers(0, SKILLS - 10, students // 25 + 1)
    rows: list[tuple[int, int, list[int], int, float, float]] = []
    for student in range(students):
        ability, pace = rng.normal(0, 0.9) + rng.normal(0, 0.5, STRANDS), rng.lognormal(0, 0.4)
        start = ability[strand] - hard + rng.normal(0, 0.5, SKILLS)
        learned, last = np.zeros(SKILLS), np.full(SKILLS, np.nan)
        now, mood, stage = rng.uniform(0, 200 * DAY), 0.0, int(begins[rng.integers(0, len(begins))])
        first, left = stage, int(np.clip(rng.lognormal(np.log(45), 1.1), 3, 1500))

        def level(skill: int, now: float, start: Floats = start, learned: Floats = learned, last: Floats = last) -> float:
            kept = 0.0 if np.isnan(last[skill]) else learned[skill] * np.exp(-(now - last[skill]) / lasts[skill])
            return float(start[skill] + kept + 0.4 * sum(learned[one] for one in before[skill]) / max(len(before[skill]), 1))

        while left > 0:
            if rng.random() < 0.2 and stage > first:
                skill = int(rng.integers(max(first, stage - 15), stage + 1)) % SKILLS
            else:
                skill, stage = stage % SKILLS, stage + (1 if rng.random() < 0.85 else 2)
            if rng.random() < 0.5:
                now, mood = now + rng.exponential(2.5 * DAY), rng.normal(0, 0.35)
            good, most, enough = 0, int(rng.integers(4, 16)), 3 if rng.random() < 0.8 else 5
            while good < enough and most > 0 and left > 0:
                item = skill * ITEMS_OF_SKILL + int(rng.choice(ITEMS_OF_SKILL, p=liked[skill]))
                skills = [skill] if second[item] < 0 else [skill, second[item]]
                levels = [level(one, now) for one in skills]
                odds = 0.5 * float(np.mean(levels)) + 0.5 * min(levels) + mood
                chance = guess[item] + (1 - guess[item] - slip[item]) / (1 + np.exp(-sharp[item] * (odds - hardness[item])))
                right = int(rng.random() < chance)
                rows.append((student, item, skills, right, now, chance))
                for one in skills:
                    kept = 0.0 if np.isnan(last[one]) else learned[one] * np.exp(-(now - last[one]) / lasts[one])
                    learned[one], last[one] = min(kept + gain[one] * pace * (1.0 if right else 0.8), 3.0), now
                now += rng.lognormal(3.2, 0.7) + rng.exponential(15)
                good, most, left = (good + 1 if right else 0), most - 1, left - 1
    names = ["student", "item", "skill", "correct", "time", "chance"]
    made = pl.DataFrame(rows, schema=names, orient="row").sort("time", maintain_order=True).with_row_index("order")
    return made.explode("skill").sort("skill", "order")


def of_one_more(result: TracingResult, lengths: tuple[int, ...] = (10, 100, 1_000, 10_000)) -> dict[int, float]:
    """Return milliseconds of CPU that one more response of a student costs after so many."""
    trace, found = StudentTrace.of(result.model.difficulty), {}
    for at in range(max(lengths) + 200):
        if at in lengths:
            began = time.process_time()
            for more in range(200):
                trace.features([more % SKILLS], more, float(at))
                trace.after([more % SKILLS], more % 2, more, float(at))
            found[at] = (time.process_time() - began) * 1000 / 200
        trace.after([at % SKILLS], at % 3 == 0, at % 500, float(at))
    return found


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    made = simulate(told.students)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        made.drop("time", "chance").write_parquet(path)
        found = read(path, describe({"columns": COLUMNS}))
        began = time.process_time()
        result = train_log(found.log)
        seconds = time.process_time() - began
        # Numbered anew, each copy is a response of its own, as in logs that were unrolled by skill.
        order = pl.int_range(pl.len())
        copies = made.sort("student", "order").with_columns(order=order, item=pl.format("{}-{}", "item", "skill"))
        copies.drop("time", "chance").write_parquet(path)
        leaking = train_log(read(path, describe({"columns": COLUMNS, "copies": {"join": False}})).log, trees=100)
    truth = made.unique("order").select(row="order", chance="chance")
    rows = pl.DataFrame({"row": found.log.row, "order": found.log.order.astype(np.int64)})
    asked = result.judged.join(rows, on="row").join(truth, left_on="order", right_on=pl.col("row").cast(pl.Int64))
    ceiling = auc(asked["right"].to_numpy().astype(np.float64), asked["chance"].to_numpy())
    figures = {"true probabilities": ceiling, "homeroom": result.metrics.auc,
               **{name: one.auc for name, one in result.baselines.items()},
               "homeroom, copies left in": leaking.metrics.auc}  # fmt: skip
    for name, value in figures.items():
        print(f"{name:28} {'not installed' if value is None else f'{value:.4f}'}")
    cost = of_one_more(result)
    print("one more response, ms of CPU: " + ", ".join(f"after {at:,}: {value:.2f}" for at, value in cost.items()))
    print(f"{found.notes[0]}; read, trained and judged in {seconds:.0f} s of CPU")
    return {"auc": figures, "brier": result.metrics.brier, "ece": result.metrics.ece, "update_ms": cost, "cpu_seconds": seconds,
            "responses": len(found.log), "merged": found.merged.copies}  # fmt: skip

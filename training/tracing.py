"""The story of a log of responses: who learns and who judges, difficulty, features, fit, calibrate, judge, gate, card.

No student is on both sides. Difficulty that a training student's features rest on is learned from the other training
students (cross-fitting by students), as that of a judged student's is from all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from features.problems import Problem, Refused
from features.responses import Floats, Ints, ResponseLog, Rows
from features.tracing import FACTS, Difficulty, Numbers, features_of, next_of
from training import splits
from training.evaluate import Gain
from training.tracing_baselines import BASELINES
from training.tracing_judgement import Figures, by_position, by_practice, by_skill, compared, measure
from training.tracing_model import Scorer, TracingModel, calibrated

Progress = Callable[[str], None]

#: One student in so many judges, where the log does not say who does; and of those who learn, one in so many rehearses:
#: is held apart once to calibrate and to be the gate.
JUDGES, REHEARSES = 5, 6

#: In so many parts of the training students difficulty is cross-fitted.
PARTS = 5

#: Responses that a model learns from, at most: whole students, chosen by a digest of their keys.
MOST_RESPONSES = 1_000_000

#: Fewer students or responses on one side cannot teach, or judge.
LEAST_STUDENTS, LEAST_RESPONSES = 10, 200


@dataclass(frozen=True)
class TracingResult:
    """What training on a log gave. ``judged`` has a row per response that was judged on."""

    model: TracingModel
    metrics: Figures
    by_position: Sequence[Mapping[str, Any]]
    by_practice: Sequence[Mapping[str, Any]]
    by_skill: Sequence[Mapping[str, Any]]
    baselines: Mapping[str, Figures]
    gains: Sequence[Gain]
    judged: pl.DataFrame
    seconds: Mapping[str, float]

    @property
    def passed_gate(self) -> bool:
        """Whether the model ranks better than every baseline, beyond chance."""
        return all(gain.low > 0 for gain in self.gains)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that ``homeroom train --json`` prints."""
        return {"target": self.model.name, "passed_gate": self.passed_gate, **dict(self.model.card),
                "seconds": {name: round(value, 2) for name, value in self.seconds.items()}}  # fmt: skip


@dataclass(frozen=True)
class Sides:
    """Who learns and who judges: masks over responses. ``says`` tells it in words, ``disjoint`` whether by students."""

    learn: Rows
    judge: Rows
    says: str
    disjoint: bool = True


def train_log(
    log: ResponseLog,
    name: str = "responses",
    folds: bool = False,
    earlier_only: bool = False,
    trees: int = 300,
    merged: Mapping[str, Any] | None = None,
    progress: Progress = lambda _: None,
) -> TracingResult:
    """Train and judge a model of the next response.

    Args:
        log: the responses; those without a skill are history, and teach and judge nothing.
        name: of the model.
        folds: whether ``log.part`` numbers folds: each is then judged by a model of the others.
        earlier_only: whether difficulty is learned from responses that were given earlier alone, where one order runs through
            all students; else from all responses of the students who learn.
        trees: how many each half of the model has.
        merged: how copies of answers were joined, for the card.
        progress: called with a sentence when a step begins.

    Raises:
        Refused: too few students or responses are there to learn from, or to judge.

    """
    started = time.perf_counter()
    rounds = _sides(log, folds)
    for sides in rounds:
        _refuse_few(log, sides)
    found: list[_Round] = []
    for number, sides in enumerate(rounds, 1):
        told = f"{name}: fold {number} of {len(rounds)}, " if len(rounds) > 1 else f"{name}: "
        found.append(_round(log, sides, trees, earlier_only, lambda what, told=told: progress(told + what)))  # type: ignore[misc]
    fitted = time.perf_counter()
    progress(f"{name}: judging")
    last = found[-1]
    at = np.concatenate([one.judged for one in found])
    chance = np.concatenate([one.chance for one in found])
    right = log.right[at]
    metrics = measure(right, chance)
    against = {other: measure(right, np.concatenate([one.baselines[other] for one in found])) for other in last.baselines}
    parts = {
        "by_position": by_position(right, chance, log.position[at]),
        "by_practice": by_practice(right, chance, log.over_tags(log.practised.astype(np.float64))[at]),
        "by_skill": by_skill(right, chance, log, at),
    }
    model = TracingModel(name, log.skills, log.items, last.difficulty, last.scorer, {})
    card = {
        "title": f"{name}: the next response",
        "says": "how likely a student's next answer is right",
        "judged_on": " ".join(dict.fromkeys(sides.says for sides in rounds)),
        "user_disjoint": all(sides.disjoint for sides in rounds),
        "difficulty": "learned from earlier responses alone" if earlier_only else "learned from the students who learn",
        "train": _facts(log, rounds[-1].learn),
        "test": _facts(log, np.isin(np.arange(len(log)), at)),
        "copies": dict(merged or {}),
        "metrics": asdict(metrics),
        "metrics_interval": {"auc": list(compared(right, chance, None, log.student[at]))},
        "baselines": {other: {"says": BASELINES[other].says, **asdict(one)} for other, one in against.items()},
        "gate": {"passed": all(gain.low > 0 for one in found for gain in one.gains),
                 "compared": "AUC on students who learn, by a rehearsal that did not see them",
                 "gains": [asdict(gain) for gain in last.gains]},
        "folds": [{"auc": measure(log.right[one.judged], one.chance).auc} for one in found] if len(found) > 1 else [],
        **parts,
        "monotone": "A right answer in place of a wrong one never lowers the next estimate.",
        "limits": ["Says how answers of the past with a similar history came out, never what a student can or cannot learn.",
                   "Students and items unlike those of the log."],
    }  # fmt: skip
    judged = pl.DataFrame({
        "row": log.row[at], "student_id": [log.students[one] for one in log.student[at]], "right": right.astype(np.int8),
        "probability": chance,
    })  # fmt: skip
    seconds = {"fit": fitted - started, "total": time.perf_counter() - started}
    return TracingResult(model.with_card(card), metrics, parts["by_position"], parts["by_practice"], parts["by_skill"], against,
                         last.gains, judged, seconds)  # fmt: skip


# -- who learns, who judges ---------------------------------------------------------------------------------------------


def _sides(log: ResponseLog, folds: bool) -> list[Sides]:
    skilled = log.tags > 0
    if folds:
        numbers = np.unique(log.part[log.part >= 0])
        found = []
        for number in numbers:
            judge = log.part == number
            students = np.unique(log.student[judge])
            both = np.isin(log.student, students) & ~judge
            found.append(Sides(~judge & ~both & skilled, judge & skilled, f"{len(numbers)} folds that the log gives."))
        return found
    if (log.part >= 0).any():
        judge, learn = log.part == 1, log.part == 0
        whose = np.isin(log.student, np.unique(log.student[judge]))
        on_both = len(np.unique(log.student[learn & whose]))
        if not on_both:
            return [Sides(learn & skilled, judge & skilled, "Students that the log sets apart.")]
        if (learn & ~whose).sum() >= learn.sum() / 2:
            says = f"Responses that the log sets apart; what their {on_both:,} students gave beside them is history alone."
            return [Sides(learn & ~whose & skilled, judge & skilled, says)]
        says = (f"Responses that the log sets apart. {on_both:,} students are on both sides: the model has seen other "
                "responses of those it is judged on.")  # fmt: skip
        return [Sides(learn & skilled, judge & skilled, says, disjoint=False)]
    chosen = splits.fold_of(pl.Series(log.students, dtype=pl.String), JUDGES, "judge") == 0
    judge = chosen[log.student]
    return [Sides(~judge & skilled, judge & skilled, f"One student in {JUDGES}, chosen by a digest of their keys.")]


def _refuse_few(log: ResponseLog, sides: Sides) -> None:
    problems = []
    for what, rows in (("to learn from", sides.learn), ("to be judged on", sides.judge)):
        students = len(np.unique(log.student[rows]))
        if students < LEAST_STUDENTS or rows.sum() < LEAST_RESPONSES:
            problems.append(f"there are {int(rows.sum()):,} responses of {students:,} students {what}")
        elif not 0 < log.right[rows].mean() < 1:
            problems.append(f"all answers are alike in the responses {what}")
    if problems:
        hint = f"It takes {LEAST_STUDENTS} students and {LEAST_RESPONSES} responses with a skill, right and wrong ones."
        raise Refused([Problem("too_few", "the log", one, hint) for one in problems], "Nothing can be learned from this log")


# -- fitting ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Round:
    """One split: the model, the responses judged, and what model and baselines say of them."""

    difficulty: Difficulty
    scorer: Scorer
    judged: Ints
    chance: Floats
    baselines: Mapping[str, Floats]
    gains: Sequence[Gain]


def _round(log: ResponseLog, sides: Sides, trees: int, earlier_only: bool, progress: Progress) -> _Round:
    keys = pl.Series(log.students, dtype=pl.String)
    learn = sides.learn & _sampled(log, keys, sides.learn)[log.student]
    part = splits.fold_of(keys, PARTS, "difficulty")
    progress("difficulty and features")
    matrix = np.full((len(log), len(FACTS)), np.nan, dtype=np.float32)
    for number in range(PARTS):
        mine = np.unique(log.student[learn & (part[log.student] == number)])
        _fill(matrix, log, learn & (part[log.student] != number), mine, earlier_only)
    rehearsing = splits.fold_of(keys, REHEARSES, "rehearsal")[log.student] == 0
    first, apart = np.flatnonzero(learn & ~rehearsing), np.flatnonzero(learn & rehearsing)
    progress("a rehearsal")
    draft = Scorer.fit(matrix[first], log.right[first], trees)
    alone, beyond = draft.parts(matrix[apart])
    draft = calibrated(draft, alone, beyond, log.right[apart])
    odds = draft.share * alone + (1 - draft.share) * beyond
    others = {name: one.fit(log, first)(apart) for name, one in BASELINES.items() if log.items or not one.needs_items}
    gains = [Gain(name, *compared(log.right[apart], odds, said, log.student[apart])) for name, said in others.items()]
    progress("fitting")
    at = np.flatnonzero(learn)
    scorer = replace(Scorer.fit(matrix[at], log.right[at], trees, draft.share), slope=draft.slope, intercept=draft.intercept)
    progress("features of those who judge")
    judged = np.flatnonzero(sides.judge)
    matrix = np.full((len(log), len(FACTS)), np.nan, dtype=np.float32)
    # Whoever is on both sides has a past on both, and nothing of a judged response is learned from.
    difficulty = _fill(matrix, log, learn, np.unique(log.student[judged]), earlier_only)
    chance = scorer.chance(matrix[judged])
    said = {name: one.fit(log, at)(judged) for name, one in BASELINES.items() if log.items or not one.needs_items}
    return _Round(difficulty, scorer, judged, chance, said, gains)


def _sampled(log: ResponseLog, keys: pl.Series, rows: Rows) -> Rows:
    """Return which students are learned from: all, or so many of them that their responses are not too many."""
    share = MOST_RESPONSES / max(int(rows.sum()), 1)
    if share >= 1:
        return np.ones(len(keys), dtype=bool)
    return np.asarray(splits.fold_of(keys, 10_000, "sample") < share * 10_000)


#: Into how many parts the time of a log is cut, where difficulty is learned from earlier responses alone.
PERIODS = 6


def _fill(matrix: Numbers, log: ResponseLog, teachers: Rows, students: Ints, earlier_only: bool) -> Difficulty:
    """Fill in the rows of some students, by difficulty learned from some responses; return the difficulty."""
    whole = Difficulty.fit(log, teachers)
    if earlier_only:
        edges = np.unique(np.quantile(log.order[teachers], np.arange(1, PERIODS) / PERIODS))
        later = [(float(edge), Difficulty.fit(log, teachers & (log.order < edge))) for edge in edges]
        found = features_of(log, Difficulty.fit(log, np.zeros(len(log), dtype=bool)), students, later)
    else:
        found = features_of(log, whole, students)
    rows = np.isin(log.student, students)
    matrix[rows] = found[rows]
    return whole


def _facts(log: ResponseLog, rows: Rows) -> dict[str, Any]:
    return {
        "responses": int(rows.sum()),
        "students": len(np.unique(log.student[rows])),
        "right": round(float(log.right[rows].mean()), 4) if rows.any() else None,
        "skills": len(np.unique(log.tag[rows[log.owner]])),
        "items": len(np.unique(log.item[rows & (log.item >= 0)])),
    }


def evaluated(model: TracingModel, log: ResponseLog) -> tuple[Figures, int]:
    """Return a model's figures on a log, and of how many students: of all responses, or of those that the log says judge.

    Raises:
        Refused: there are too few responses to be judged on.

    """
    rows = (log.tags > 0) & ((log.part == 1) if (log.part == 1).any() else np.ones(len(log), dtype=bool))
    if rows.sum() < LEAST_RESPONSES or not 0 < log.right[rows].mean() < 1:
        problem = f"there are {int(rows.sum()):,} responses to be judged on, right and wrong ones together"
        hint = f"It takes {LEAST_RESPONSES}, of both."
        raise Refused([Problem("too_few", "the log", problem, hint)], "Nothing can be judged on this log")
    return measure(log.right[rows], model.chances(log)[rows]), len(np.unique(log.student[rows]))


# -- what comes next ----------------------------------------------------------------------------------------------------


def next_responses(model: TracingModel, log: ResponseLog, as_of: date) -> pl.DataFrame:
    """Return how likely each student's next answer is right, for each skill practised that the model was trained on.

    Args:
        model: the model.
        log: what students answered so far.
        as_of: of a log with dates, what was known by the end of that day counts.

    Returns:
        ``student_id``, ``skill_id``, ``probability``, and how often the skill was ``practised`` and how often ``right``.

    """
    if log.dated:
        end = (datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=1)).timestamp()
        log = log.take(log.order < end)
    known = log.named(model.skills, model.items)
    entries = known.tag < len(model.skills)
    keys = known.student[known.owner[entries]] * len(known.skills) + known.tag[entries]
    pairs, which = np.unique(keys, return_inverse=True)
    student, skill = pairs // len(known.skills), pairs % len(known.skills)
    chance = model.scorer.chance(next_of(known, model.difficulty, student, skill))
    right = np.bincount(which, known.right[known.owner[entries]], len(pairs)).astype(np.int64)
    return pl.DataFrame({
        "student_id": [log.students[at] for at in student], "skill_id": [model.skills[at] for at in skill],
        "probability": chance, "practised": np.bincount(which, minlength=len(pairs)), "right": right,
    })  # fmt: skip

"""Judgement at one origin after another: what a model of each earlier year would have been worth in the next.

A single test is one year's luck. With a schedule (how often a model is trained, how far back rows may be) each past
term is tested by a model that knew only what was known before it: the outcomes of its rows were all known before the
test's first row, and nobody is in both (:func:`training.splits.by_time`). How long outcomes take is not set: each label
says on which day it became known. With a group, models are also judged on schools or courses that they never saw.

Origins before the last refit the target's classifier on at most so many rows. They order students and are judged by
that; what a probability is worth needs students to calibrate on, whom the earliest origins do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from features.problems import Problem, Refused
from training import evaluate, splits
from training.run import Run
from training.splits import Split

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

Protocol = Literal["time", "transfer"]

#: What each protocol means, in the words of a card.
PROTOCOLS: Mapping[str, str] = {
    "time": "Every outcome that the model learned from was known before the first row that it is judged on.",
    "transfer": "The model learned from terms whose outcomes were not yet known when the test began. No school could have "
                "had it then: its figures are there to be compared with others' and it can never serve.",
}  # fmt: skip

#: By what a model may be judged on the unseen.
GROUPS = ("school", "course")


@dataclass(frozen=True)
class Schedule:
    """Settings of judgement in time.

    ``every``: a model is trained anew every so many terms. ``back_days``: rows older than this before the test are not
    learned from; 0 takes all. ``origins``: how many tests at most, the latest first. ``group``: ``school`` or
    ``course``, to judge also on those that a model never saw; ``parts``: into how many parts these are put, each left
    out in turn. ``most_rows``: on how many rows an earlier origin's model is fitted at most.
    """

    every: int = 1
    back_days: int = 0
    origins: int = 4
    group: str = ""
    parts: int = 5
    most_rows: int = 40_000

    def check(self) -> None:
        """Raise :class:`~features.problems.Refused` where a setting cannot be."""
        problems = [
            Problem("settings", f"schedule.{name}", "this is too small", f"Give at least {least}.")
            for name, least in (("every", 1), ("back_days", 0), ("origins", 1), ("parts", 2), ("most_rows", 100))
            if getattr(self, name) < least
        ]
        if self.group and self.group not in GROUPS:
            problems.append(Problem("settings", "schedule.group", "there is no such group", f"Give {' or '.join(GROUPS)}."))
        if problems:
            raise Refused(problems, "The settings were refused")


@dataclass(frozen=True)
class Origin:
    """One test, and the split at it."""

    test_from: date
    split: Split


@dataclass(frozen=True)
class InTime:
    """How a run is judged in time: the protocol, the schedule, and the origins, the run's own first."""

    protocol: Protocol
    schedule: Schedule
    origins: tuple[Origin, ...]


def in_time(
    split: Split, keys: pl.DataFrame, labels: pl.DataFrame, terms: pl.DataFrame, schedule: Schedule, protocol: Protocol,
    folds: int, judged: Rows,
) -> InTime:  # fmt: skip
    """Return the tests of a schedule, the latest first: the run's own, and earlier ones that can be made.

    Args:
        split: the run's own.
        keys: the feature table's keys, with ``term_id``.
        labels: ``label`` and ``known_on``, row by row.
        terms: ``term_id``, ``starts_on``, ``ends_on``.
        schedule: the settings.
        protocol: how the model is trained; ``transfer`` has one test.
        folds: of students, for cross-fitting.
        judged: the rows that may be judged on.

    """
    found = [Origin(split.test_from, split)]
    earlier = sorted({one for one in terms["starts_on"].to_list() if one < split.test_from}, reverse=True)
    for begins in earlier[schedule.every - 1 :: schedule.every] if protocol == "time" else ():
        if len(found) == schedule.origins:
            break
        try:
            found.append(Origin(begins, splits.by_time(keys, labels, terms, begins, folds, judged, schedule.back_days)))
        except Refused:
            continue  # too little was known before that term
    return InTime(protocol, schedule, tuple(found))


def judged_in_turn(run: Run, schools: pl.Series, raw: Floats, how: InTime) -> dict[str, Any]:
    """Return what the card says of the protocol: each origin's figures, and those on schools or courses never seen.

    Args:
        run: the run of the latest origin.
        schools: the school of each row of the run.
        raw: the model's scores of the run's test rows.
        how: the protocol, the schedule and the origins.

    """
    schedule, told = how.schedule, []
    earlier = run.fitted_each([_few(run, _taught(run, origin), schedule) for origin in how.origins[1:]])
    for number, origin in enumerate(how.origins):
        test = origin.split.test & np.isin(run.day, run.settings.judged_days)
        scores = raw if number == 0 else earlier[number - 1].raw(run.matrix[test])
        told.append(_figures(run, origin, test, scores))
    says = [PROTOCOLS[how.protocol]]
    if len(told) > 1:
        says.append(f"Models of {len(told)} origins were judged, each on the term after what it knew.")
    elif how.protocol == "time":
        says.append("Only one origin could be judged: before any earlier term, too few outcomes were known to learn from.")
    return {
        "name": how.protocol,
        "says": " ".join(says),
        "every_terms": schedule.every,
        "back_days": schedule.back_days,
        "most_rows": schedule.most_rows,
        "origins": told,
        **({"transport": _transport(run, schools, raw, schedule)} if schedule.group else {}),
    }


def _figures(run: Run, origin: Origin, test: Rows, raw: Floats) -> dict[str, Any]:
    fit = run.keys.filter(pl.Series(_taught(run, origin)))
    rows = run.keys.filter(pl.Series(test))
    label, day, tie = run.label[test], run.day[test], run.tie[test]
    found = evaluate.measure(raw, label, day, tie, run.settings.capacity, first=run.settings.first).as_dict()
    names = ("auc", "average_precision", "precision_at_capacity", "recall_at_capacity", "precision_at_first")
    known = origin.split.known_by
    return {
        "test_from": str(rows["as_of"].min()),
        "test_to": str(rows["as_of"].max()),
        "train_from": str(fit["as_of"].min()),
        "train_to": str(fit["as_of"].max()),
        "outcomes_known_by": None if known is None else str(known),
        "train_rows": fit.height,
        "rows": rows.height,
        "positives": int(label.sum()),
        **{name: found[name] for name in names},
    }


def _taught(run: Run, origin: Origin) -> Rows:
    """Return the rows that an origin's model is fitted on."""
    return np.asarray(origin.split.fit & np.isin(run.day, run.settings.days) & ~run.left_out, dtype=np.bool_)


def _few(run: Run, rows: Rows, schedule: Schedule) -> Rows:
    """Return at most so many of the rows to fit on, whole students."""
    share = schedule.most_rows / max(int(rows.sum()), 1)
    if share < 1:
        chosen = splits.fold_of(run.keys["student_id"], 10_000, "origin") < share * 10_000
        rows = rows & chosen
    return rows


def _transport(run: Run, schools: pl.Series, raw: Floats, schedule: Schedule) -> dict[str, Any]:
    """Return how well students of schools or courses are ordered that the model never saw, beside those it did.

    The groups are put into parts of about equal size, and each part is scored by a model without its groups. A group
    that has no rows to learn from is never seen by any model.
    """
    group = (schools if schedule.group == "school" else run.keys["course_id"]).fill_null("").to_numpy()
    names, rows = np.unique(group[run.test], return_counts=True)
    parts = min(schedule.parts, len(names))
    if parts < 2:
        return {"by": schedule.group, "groups": len(names), "says": f"There is one {schedule.group}, so none is unseen."}
    # The largest first, each into the part that is smallest so far.
    sizes, part_of = np.zeros(parts), {}
    for at in np.argsort(-rows, kind="stable"):
        part_of[names[at]] = int(sizes.argmin())
        sizes[part_of[names[at]]] += rows[at]
    which = np.array([part_of.get(one, -1) for one in group])
    unseen = np.zeros(len(run.label))
    taught = run.fitted_each([_few(run, run.fit & (which != part), schedule) for part in range(parts)])
    for part, trees in enumerate(taught):
        mine = run.test & (which == part)
        unseen[mine] = trees.raw(run.matrix[mine])
    label, day, tie = run.label[run.test], run.day[run.test], run.tie[run.test]
    capacity, first = run.settings.capacity, run.settings.first
    each = []
    for name in names:
        mine = group[run.test] == name
        if min(int(label[mine].sum()), int((1 - label[mine]).sum())) < _LEAST:
            continue
        figures = [evaluate.measure(one[mine], label[mine], day[mine], tie[mine], capacity).auc
                   for one in (raw, unseen[run.test])]  # fmt: skip
        each.append({"group": str(name), "rows": int(mine.sum()), "auc_seen": figures[0], "auc_unseen": figures[1]})
    figures_of = {
        name: evaluate.measure(score, label, day, tie, capacity, first=first)
        for name, score in (("seen", raw), ("unseen", unseen[run.test]))
    }
    return {
        "by": schedule.group,
        "groups": len(names),
        "fits": parts,
        **{f"{figure}_{name}": getattr(one, figure)
           for figure in ("auc", "recall_at_capacity") for name, one in figures_of.items()},
        "each": each,
        "says": f"Each {schedule.group} was also scored by a model that had never seen it.",
    }  # fmt: skip


#: A group with fewer rows of either outcome has no figure of its own.
_LEAST = 20

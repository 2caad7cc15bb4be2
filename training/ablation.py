"""What would be otherwise if a model read who somebody is, or read less: models that are fitted, measured and thrown away.

Three questions of the fairness audit. What would demographics add (Bird, Castleman and Song 2025 found that leaving them
out can mean less help for those who need it)? Which inputs give a group away, and what would it cost to do without them?
And does behaviour, which somebody has to refer, find more students in every group, or only list more of some? All are
answered with the target's own classifier, on a share of the students where there are many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from training import evaluate, splits
from training.gates import Gates
from training.groups import NOT_RECORDED, Attribute
from training.model import Trees, at_once
from training.run import Run, constraints

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: So many of an attribute's inputs are left out at once, of so many attributes at most.
PROXIES, MOST_ATTRIBUTES = 3, 3

#: Below this loss of recall an input that gives a group away is better dropped.
WORTH_KEEPING = 0.001

#: Trees that predict a group: few and quick, since no student is ever scored by them.
_PROXY_TREES, _PROXY_RATE = 60, 0.1

_PARTS = 10_000


@dataclass(frozen=True)
class _Asked:
    """What every comparison needs: the run, the rows to learn from, and the groups of learned and of judged rows."""

    run: Run
    rows: Bools
    judged: Sequence[Attribute]
    assessed: Collection[tuple[str, str]]

    def figures(self, raw: Floats) -> dict[str, float | None]:
        """Return AUC and recall at capacity of scores of the test."""
        run = self.run
        found = evaluate.measure(raw, run.label[run.test], run.day[run.test], run.tie[run.test], run.settings.capacity)
        return {"auc": _rounded(found.auc), "recall": _rounded(found.recall_at_capacity)}

    def by_group(self, raw: Floats) -> dict[tuple[str, str], dict[str, float]]:
        """Return recall and the share listed of those without the outcome, by group that is assessed."""
        run = self.run
        label = run.label[run.test] == 1
        listed = evaluate.on_list(raw, run.day[run.test], run.tie[run.test], run.settings.capacity)
        found = {}
        for attribute in self.judged:
            for at, group in enumerate(attribute.groups):
                if (attribute.name, group) in self.assessed:
                    mine = attribute.code == at
                    found[attribute.name, group] = {"recall": float(listed[mine & label].mean()),
                                                    "false_positive_rate": float(listed[mine & ~label].mean())}  # fmt: skip
        return found


def comparisons(run: Run, judged: Sequence[Attribute], learned: Sequence[Attribute],
                assessed: Collection[tuple[str, str]], gates: Gates) -> dict[str, Any]:  # fmt: skip
    """Return what stands on a card under ``ablation``, ``proxies`` and ``behaviour``.

    Args:
        run: the training run.
        judged: the attributes of the test's rows.
        learned: the same attributes of the rows to fit on, each group at the same position.
        assessed: attribute and group of those that are large enough for a figure.
        gates: the settings of the audit.

    """
    share = gates.most_rows / max(int(run.fit.sum()), 1)
    chosen = splits.fold_of(run.keys["student_id"], _PARTS, "audit") < share * _PARTS
    asked = _Asked(run, run.fit & chosen, judged, assessed)
    people = [one for one in learned if one.name not in ("school", "district")]
    within = chosen[run.fit]
    behaviour = [one.name for one in run.table.catalog if one.model_input and one.concept == "behaviour"]
    fits = {"plain": partial(_blind, asked, ())}
    if people:
        fits["groups"] = partial(_with_groups, asked, [one.take(within) for one in people])
    if behaviour:
        fits["behaviour"] = partial(_blind, asked, behaviour)
    rows = {"rows": int(asked.rows.sum()), "of": int(run.fit.sum())}
    raws = dict(zip(fits, at_once(list(fits.values()), rows["rows"]), strict=True))
    plain = raws["plain"]
    found: dict[str, Any] = {"ablation": {**rows, "without": asked.figures(plain)}}
    if people:
        raw = raws["groups"]
        found["ablation"] |= {"with": asked.figures(raw), "added": [one.name for one in people],
                              "groups": _changes(asked.by_group(plain), asked.by_group(raw))}  # fmt: skip
    found["proxies"] = _proxies(asked, [one.take(within) for one in people], plain, gates)
    if behaviour:
        raw = raws["behaviour"]
        found["behaviour"] = {"inputs": behaviour, "with": asked.figures(plain), "without": asked.figures(raw),
                              "groups": _changes(asked.by_group(raw), asked.by_group(plain))}  # fmt: skip
    return found


def _with_groups(asked: _Asked, learned: Sequence[Attribute]) -> Floats:
    """Return the test's scores by the classifier with the groups among its inputs."""
    run = asked.run
    judged = [one for one in asked.judged if one.name in {each.name for each in learned}]
    inputs = [*run.table.catalog.inputs, *(f"group_{at}" for at in range(len(learned)))]
    parameters = {"objective": "binary", **constraints(run.table.catalog), **run.parameters}
    if "monotone_constraints" in parameters:
        parameters["monotone_constraints"] = [*parameters["monotone_constraints"], *[0] * len(learned)]
    trees = Trees.fit(np.hstack([run.learned[asked.rows], _columns(learned)]), run.label[asked.rows], inputs, parameters,
                      run.settings.trees)  # fmt: skip
    return trees.raw(np.hstack([run.matrix[run.test], _columns(judged)]))


def _columns(attributes: Sequence[Attribute]) -> Floats:
    """Return a column per attribute: the group's position, NaN where it is not recorded."""
    columns = []
    for one in attributes:
        unknown = [at for at, group in enumerate(one.groups) if group == NOT_RECORDED]
        columns.append(np.where((one.code < 0) | np.isin(one.code, unknown), np.nan, one.code))
    return np.column_stack(columns)


def _blind(asked: _Asked, inputs: Collection[str]) -> Floats:
    """Return the test's scores by the classifier that never sees some inputs."""
    run = asked.run
    places = [at for at, name in enumerate(run.table.catalog.inputs) if name in inputs]
    judged = run.matrix[run.test]
    judged[:, places] = np.nan
    return run.fitted(asked.rows, unread=places).raw(judged)


def _changes(
    before: Mapping[tuple[str, str], Mapping[str, float]], after: Mapping[tuple[str, str], Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Return by how much each figure of a group is higher after than before."""
    return [
        {"attribute": attribute, "group": group,
         **{f"{name}_change": _rounded(after[attribute, group][name] - value) for name, value in figures.items()}}
        for (attribute, group), figures in before.items()
    ]  # fmt: skip


def _proxies(asked: _Asked, learned: Sequence[Attribute], plain: Floats, gates: Gates) -> list[dict[str, Any]]:
    """Return how well each attribute follows from the inputs, and what it costs to do without those that tell it most."""
    run = asked.run
    rows = np.flatnonzero(asked.rows)
    # One row of a student, the latest: more would say the same again.
    frame = pl.DataFrame({"student": run.keys["student_id"].to_numpy()[rows], "as_of": run.keys["as_of"].to_numpy()[rows],
                          "at": np.arange(len(rows))})  # fmt: skip
    last = np.sort(frame.sort("as_of", "at").unique("student", keep="last", maintain_order=True)["at"].to_numpy())
    half = splits.fold_of(run.keys["student_id"][rows[last]], 2, "proxies") == 0
    matrix = run.matrix[rows[last]]
    found = []
    for attribute in learned:
        told = _told(run, matrix, attribute.code[last], half, attribute, gates)
        if told is not None:
            found.append(told)
    found.sort(key=lambda one: -float(one["auc"]))
    whole = asked.figures(plain)["recall"]
    told_well = [one for one in found if one["auc"] >= gates.proxy_auc][:MOST_ATTRIBUTES]
    fits = [partial(_blind, asked, one["inputs"]) for one in told_well]
    for one, raw in zip(told_well, at_once(fits, len(rows)), strict=True):
        without = asked.figures(raw)["recall"]
        if whole is not None and without is not None:
            cost = round(whole - without, 4)
            one |= {"recall_without": without, "recall_cost": cost, "drop": cost < WORTH_KEEPING}
    return found


def _told(run: Run, matrix: Floats, code: npt.NDArray[np.intp], half: Bools, attribute: Attribute,
          gates: Gates) -> dict[str, Any] | None:  # fmt: skip
    """Return the group of an attribute that is told best from the inputs, how well, and by which of them.

    A linear screen over all groups chooses the group, trees on the same half of the students measure it on the other.
    """
    sizes = np.bincount(code[code >= 0], minlength=len(attribute.groups))
    groups = [at for at, group in enumerate(attribute.groups)
              if group != NOT_RECORDED and gates.least_students <= sizes[at] <= len(code) - gates.least_students]  # fmt: skip
    if not groups:
        return None
    screened = _screened(matrix, code, half, groups)
    best = groups[int(np.argmax(screened))]
    label = (code == best).astype(np.int8)
    if not 0 < label[half].sum() < half.sum() or not 0 < label[~half].sum() < (~half).sum():
        return None
    parameters = {**run.parameters, "objective": "binary", "learning_rate": _PROXY_RATE}
    trees = Trees.fit(matrix[half], label[half], run.table.catalog.inputs, parameters, _PROXY_TREES)
    auc = max(_auc(trees.raw(matrix[~half]), label[~half]), float(np.max(screened)))
    weights = trees.importance()
    inputs = [run.table.catalog.inputs[at] for at in np.argsort(-weights)[:PROXIES] if weights[at] > 0]
    return {"attribute": attribute.name, "group": attribute.groups[best], "students": len(code), "auc": round(auc, 4),
            "inputs": inputs}  # fmt: skip


def _screened(matrix: Floats, code: npt.NDArray[np.intp], half: Bools, groups: Sequence[int]) -> Floats:
    """Return the AUC at which a ridge regression tells each group from all others, learned on half of the students."""
    known = ~np.isnan(matrix)
    middle = np.where(known, matrix, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.hstack([np.where(known, matrix, middle), ~known])
    spread = filled[half].std(axis=0)
    filled = (filled - filled[half].mean(axis=0)) / np.where(spread > 0, spread, 1)
    wanted = (code[:, None] == np.array(groups)).astype(np.float64)
    left = filled[half].T @ filled[half] + 10.0 * np.eye(filled.shape[1])
    weights = np.linalg.solve(left, filled[half].T @ (wanted[half] - wanted[half].mean(axis=0)))
    scores = filled[~half] @ weights
    return np.array([_auc(scores[:, at], wanted[~half, at].astype(np.int8)) for at in range(len(groups))])


def _auc(score: Floats, label: npt.NDArray[np.int8]) -> float:
    rows = np.zeros(len(score))
    return evaluate.measure(score, label, rows, rows, 0.1).auc or 0.5


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

"""LightGBM, and a line beside it: fit, predict, read and write. The only file that imports it.

Trees are shallow (31 leaves, depth 5 and fewer). That costs no accuracy on these data and makes exact explanations
of one student take well under a millisecond.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from features.problems import Problem, Refused
from training.linear import Linear

Floats = npt.NDArray[np.float64]

#: Settings under which exact explanations do not hold, and are refused.
_UNEXPLAINABLE: Mapping[str, tuple[str, ...]] = {
    "zero_as_missing": ("1", "true"),
    "use_missing": ("0", "false"),
    "linear_tree": ("1", "true"),
}

#: Fewer rows are fitted on one core: on two, 250 rounds on 13,000 rows took 1.7 s, and on one .7 s, to the same bits.
FEW_ROWS = 100_000

#: So many fits at once, where each takes one core: more of them would hold as many copies of their rows.
MOST_AT_ONCE = 4


def at_once[Fitted](fits: Sequence[Callable[[], Fitted]], most_rows: int) -> list[Fitted]:
    """Return what fits return that do not need each other, a few of them at a time where each takes one core.

    What is fitted is the same whether alone or beside others.

    Args:
        fits: what to call.
        most_rows: on how many rows the largest of them is fitted.

    """
    if most_rows >= FEW_ROWS:
        return [fit() for fit in fits]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_AT_ONCE)) as pool:
        return list(pool.map(lambda fit: fit(), fits))


@dataclass(frozen=True)
class Trees:
    """A fitted ensemble, alone or with a straight line beside it.

    With a line, a score is ``(1 - share) * trees + share * line``: both err, and not in the same places. Hand it arrays,
    not frames: a frame costs 0.7 ms a call in conversion.
    """

    booster: lightgbm.Booster = field(repr=False)
    line: Linear | None = field(default=None, repr=False)
    share: float = 0.0

    @classmethod
    def fit(
        cls,
        matrix: Floats,
        label: npt.NDArray[Any],
        names: Sequence[str],
        parameters: Mapping[str, Any],
        trees: int,
        weight: Floats | None = None,
        start: Floats | None = None,
    ) -> Trees:
        """Fit an ensemble.

        Args:
            matrix: shape ``(rows, inputs)``, NaN where unknown.
            label: shape ``(rows,)``.
            names: the inputs' names, in order.
            parameters: LightGBM's own parameters.
            trees: number of boosting rounds.
            weight: weight of each row.
            start: raw scores to begin from, which the ensemble adds to and does not contain.

        """
        data = lightgbm.Dataset(matrix, label, weight=weight, init_score=start, feature_name=list(names),
                               free_raw_data=True)  # fmt: skip
        quiet = {"verbosity": -1, "deterministic": True, "force_row_wise": True,
                 "num_threads": 1 if len(matrix) < FEW_ROWS else 0, **parameters}
        return cls(lightgbm.train(quiet, data, num_boost_round=trees))

    def raw(self, matrix: Floats, threads: int = 0) -> Floats:
        """Return raw scores, shape ``(rows,)``: log-odds for a classifier, the value itself for a regression."""
        scores: Floats = self.booster.predict(matrix, raw_score=True, num_threads=threads)
        return scores if self.line is None else (1 - self.share) * scores + self.share * self.line.raw(matrix)

    def own_contributions(self, matrix: Floats) -> Floats:
        """Return LightGBM's own TreeSHAP values with the line's part, shape ``(rows, inputs + 1)``, the base value last."""
        values: Floats = self.booster.predict(matrix, pred_contrib=True)
        return self.with_line(matrix, values)

    def with_line(self, matrix: Floats, values: Floats) -> Floats:
        """Return what inputs add to the score, given what they add to the trees' part of it, the base value last."""
        if self.line is None:
            return values
        added = np.hstack([self.line.contributions(matrix), np.full((len(matrix), 1), self.line.intercept)])
        return np.asarray((1 - self.share) * values + self.share * added, dtype=np.float64)

    def beside(self, line: Linear, share: float) -> Trees:
        """Return the same trees with a line beside them, which makes ``share`` of the score."""
        return replace(self, line=line, share=share)

    def complete_at_training(self) -> npt.NDArray[np.bool_]:
        """Return which inputs had no missing value at training: LightGBM reads NaN as 0.0 there."""
        listed = self.booster.dump_model(num_iteration=1)["feature_infos"]
        names = self.booster.feature_name()
        complete = np.zeros(len(names), dtype=bool)
        missing = _missing_types(self.booster)
        for at, name in enumerate(names):
            # An input that no tree splits on has no default branch to follow, so either reading is right.
            complete[at] = name in listed and missing.get(at, "None") == "None"
        return complete

    def refuse_unexplainable(self) -> None:
        """Raise :class:`Refused` where the ensemble was fitted under settings that break exact explanations."""
        text = self.booster.model_to_string(num_iteration=1)
        settings = dict(line.strip("[]").split(": ", 1) for line in text.splitlines() if line.startswith("[") and ": " in line)
        problems = [
            Problem("unexplainable", name, f"the model was fitted with {name}={settings[name]}",
                    "Fit it without: explanations would not add up to the score.")
            for name, refused in _UNEXPLAINABLE.items()
            if settings.get(name, "").lower() in refused
        ]  # fmt: skip
        if problems:
            raise Refused(problems, "This model cannot be explained exactly")

    def text(self) -> str:
        """Return the ensemble as LightGBM's own text, without the line: a model is files, not a pickle."""
        return str(self.booster.model_to_string())

    @classmethod
    def from_text(cls, text: str) -> Trees:
        """Return the ensemble that :meth:`text` wrote; raise :class:`Refused` where the text is not whole.

        LightGBM ends the whole process on half a model, and a server with it: so the end is looked for first.
        """
        if not text.startswith("tree\n") or "\nend of trees\n" not in text or "\nend of parameters\n" not in text:
            raise Refused(
                [Problem("broken_model", "model text", "it is cut short or no LightGBM model", "Train the model again.")],
                "This model cannot be read",
            )
        return cls(lightgbm.Booster(model_str=text))

    def importance(self) -> Floats:
        """Return the total gain of each input, shape ``(inputs,)``."""
        gains: Floats = self.booster.feature_importance("gain").astype(np.float64)
        return gains


def _missing_types(booster: lightgbm.Booster) -> dict[int, str]:
    """Return how each split input treats missing values, read from the trees themselves."""
    found: dict[int, str] = {}

    def walk(node: Mapping[str, Any]) -> None:
        if "split_feature" in node:
            found[node["split_feature"]] = node["missing_type"]
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    return found

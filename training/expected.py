"""An expected number beside a probability, such as the next score, with an interval whose coverage is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.model import Trees

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """An expected number beside a probability, such as the next score, with an 80% interval.

    The interval adds to the expectation the tenth and ninetieth percentile of past errors at similar expectations
    (split conformal, by fifths), measured on students whom the model did not see.
    """

    trees: Trees
    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def value(self, matrix: Floats) -> Floats:
        """Return expectations, shape ``(rows,)``, as shares of the best score."""
        return np.clip(self.trees.raw(matrix), 0.0, 1.0)

    def interval(self, value: float) -> tuple[float, float]:
        """Return the 80% interval around an expectation."""
        at = int(np.searchsorted(self.edges, value, side="right"))
        return max(0.0, value + self.low[at]), min(1.0, value + self.high[at])

    @classmethod
    def of(cls, trees: Trees, seen: Floats, truth: Floats, parts: int = 5) -> Expected:
        """Return the expectation of ``trees`` with intervals from out-of-fold values ``seen`` and the ``truth``."""
        edges = np.unique(np.quantile(seen, np.linspace(0, 1, parts + 1)[1:-1]))
        which = np.searchsorted(edges, seen, side="right")
        bounds = [np.quantile((truth - seen)[which == at], [0.1, 0.9]) for at in range(len(edges) + 1)]
        return cls(trees, tuple(edges), tuple(float(b[0]) for b in bounds), tuple(float(b[1]) for b in bounds))

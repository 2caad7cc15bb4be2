"""An expected number beside a probability, such as the next score, with an interval whose coverage is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.model import Trees

Floats = npt.NDArray[np.float64]

#: Of fewer past errors, the tenth percentile is the least or next to it.
LEAST_IN_GROUP = 20


@dataclass(frozen=True)
class Expected:
    """An expected number beside a probability, such as the next score, with an 80% interval.

    The interval adds to the expectation the tenth and ninetieth percentile of past errors at similar expectations,
    measured on students whom the model did not see: split conformal prediction, with a quantile for each fifth of the
    expectations (Mondrian; Vovk, Gammerman and Shafer 2005). On later terms it held nearer to 80% than conformalised
    quantile regression, with narrower intervals (``docs/calibration.md``).
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
        low, high = self.bounds(np.array([value]))
        return float(low[0]), float(high[0])

    def bounds(self, value: Floats) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the 80% interval around expectations, shape ``(rows,)``."""
        at = np.searchsorted(self.edges, value, side="right")
        low, high = np.asarray(self.low)[at], np.asarray(self.high)[at]
        return np.maximum(value + low, 0.0), np.minimum(value + high, 1.0)

    @classmethod
    def of(cls, trees: Trees, seen: Floats, truth: Floats, parts: int = 5) -> Expected:
        """Return the expectation of ``trees`` with intervals from out-of-fold values ``seen`` and the ``truth``."""
        edges = _edges(seen, parts)
        which = np.searchsorted(edges, seen, side="right")
        # Of n errors and one more to come, each place in their order is as likely: (n + 1) q, which "weibull" interpolates.
        found = [np.quantile((truth - seen)[which == at], [0.1, 0.9], method="weibull") for at in range(len(edges) + 1)]
        # Where expectations were all too low or too high, the interval still begins or ends at the expectation.
        low, high = (min(float(one[0]), 0.0) for one in found), (max(float(one[1]), 0.0) for one in found)
        return cls(trees, tuple(edges), tuple(low), tuple(high))


def _edges(seen: Floats, parts: int) -> list[float]:
    """Return where groups of similar expectations begin; fewer where a group would hold too few for a tenth of it."""
    ordered, found = np.sort(seen), [-np.inf]
    for edge in np.unique(np.quantile(seen, np.linspace(0, 1, parts + 1)[1:-1], method="inverted_cdf")):
        begins, ends = np.searchsorted(ordered, [found[-1], edge])
        if min(ends - begins, len(seen) - ends) >= LEAST_IN_GROUP:
            found.append(float(edge))
    return found[1:]

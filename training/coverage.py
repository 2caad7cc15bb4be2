"""How often intervals held what came later, told on the card: of probabilities by groups, of expected numbers one by one.

What is covered is a frequency: students of one later term, day and school (course, where there is one school) are put in
groups of about 100 with similar scores, and the share of each that had the outcome is looked for in the interval of their
mean probability. One student's outcome is 0 or 1, and no interval of a probability can hold that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from training import calibrate, shift
from training.calibrate import NOMINAL, OF, Calibration
from training.expected import Expected
from training.run import Run

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Names = npt.NDArray[Any]

#: Lower and upper bounds of intervals of some probabilities, for a number of students.
Bounds = Callable[[Floats, Any], tuple[Floats, Floats]]

#: Students in order of their probability (or of the number expected) are told in so many parts.
_PARTS = 5


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many frequencies of later groups lay inside the interval that their students were given.

    ``rows`` in so many ``cells`` of similar scores, ``left_out`` in cells of too few; ``inside`` of the cells held their
    frequency, with an interval for as many students as there were. ``mean_width`` is that of the interval for 100.
    """

    rows: int
    left_out: int
    cells: int
    inside: int
    mean_width: float | None

    @property
    def share(self) -> float | None:
        """Share of the cells whose frequency lay inside, or None where there was none."""
        return self.inside / self.cells if self.cells else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, shares rounded to four places."""
        share, width = self.share, self.mean_width
        return {**asdict(self), "share": None if share is None else round(share, 4),
                "mean_width": None if width is None else round(width, 4)}  # fmt: skip


def coverage(
    chance: Floats, interval: Bounds, label: Labels, groups: Names | Sequence[Any], within: Names | Sequence[Any] | None = None
) -> dict[str, Coverage]:
    """Return how often intervals held the frequency of later students with similar scores, for each group.

    Args:
        chance: calibrated probabilities of rows whose outcome is known, shape ``(rows,)``.
        interval: what gives bounds of probabilities and a number of students, such as :meth:`Calibration.bounds`.
        label: 0 or 1.
        groups: each row's group, by which coverage is told: a day, a school, an attribute.
        within: what a cell must not mix, such as school and day.

    """
    groups = np.asarray(groups, dtype=str)
    apart = groups if within is None else calibrate.joined(groups, np.asarray(within))
    found = {}
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        cells = calibrate.cells(chance[rows], apart[rows])
        if not cells:
            found[str(group)] = Coverage(0, len(rows), 0, 0, None)
            continue
        size, middle, frequency = calibrate.summed(cells, chance[rows], label[rows])
        inside = int(calibrate.inside(interval(middle, size), frequency).sum())
        low, high = interval(middle, OF)
        counted = int(size.sum())
        width = float((size * (high - low)).sum() / counted)
        found[str(group)] = Coverage(counted, len(rows) - counted, len(cells), inside, width)
    return found


def agreement(calibration: Calibration, chance: Floats) -> float:
    """Return the share of rows whose frequency of the past, as it is said of 100, lies inside their interval."""
    least = np.array([one.least for one in calibration.patterns])
    which = np.clip(np.searchsorted(least, chance, side="right") - 1, 0, None)
    share = np.array([one.share for one in calibration.patterns])[which]
    return float(calibrate.inside(calibration.bounds(chance), np.round(100 * share) / 100).mean())


def of_probability(run: Run, calibration: Calibration, chance: Floats) -> dict[str, Any]:
    """Return the card's section on the interval of the probability.

    Args:
        run: what was learned from; its test rows are judged.
        calibration: what gives the intervals.
        chance: calibrated probabilities of the test rows.

    """
    label, day, place, new = _test(run)
    within = calibrate.joined(place, day)
    everybody = np.full(len(label), "all")
    whole = coverage(chance, calibration.bounds, label, everybody, within)["all"]
    plain = coverage(chance, replace(calibration, shift=None).bounds, label, everybody, within)["all"]
    groups = {"score": _part_of(chance, "probabilities"), "day": day, "place": place,
              "seen": np.where(new, "not seen in training", "seen in training")}  # fmt: skip
    told = whole.as_dict()
    return {
        "nominal": NOMINAL,
        "of": OF,
        "covers": f"the frequency among {OF} students with similar scores on one day of one later term and school or course",
        "on_later_data": told["share"],
        **{key: told[key] for key in ("cells", "rows", "left_out", "mean_width")},
        "with_chance_alone": plain.as_dict()["share"],
        "past_frequency_inside": round(agreement(calibration, chance), 4),
        "shift": None if calibration.shift is None else asdict(calibration.shift),
        "groups": [
            {"by": by, "group": group, **one.as_dict()}
            for by, names in groups.items()
            for group, one in coverage(chance, calibration.bounds, label, names, within).items()
        ],
        "says": _says(calibration, whole),
    }


def _says(calibration: Calibration, whole: Coverage) -> str:
    """Return what the interval held and what it does not cover."""
    if whole.share is None:
        held = f"Too few later students are alike to say how often the interval holds; it is meant to hold {NOMINAL:.0%}."
    else:
        held = (f"Of {whole.cells:,} groups of later students with similar scores, the interval held the frequency of "
                f"{whole.share:.0%}; it is meant to hold {NOMINAL:.0%}.")  # fmt: skip
    found = calibration.shift
    if found is None:
        return f"{held} It covers chance and not how much terms, schools or courses differ: of that, the past says too little."
    return f"{held} How much terms, schools and courses differ was learned by leaving out {found.levels} {found.by} in turn."


def of_expected(run: Run, expected: Expected) -> dict[str, Any]:
    """Return the card's section on the expected number and its interval."""
    _, day, place, new = _test(run)
    value = run.value[run.test]
    guess = expected.value(run.matrix[run.test])
    low, high = expected.bounds(guess)
    inside = (low <= value) & (value <= high)
    groups = {"expected": _part_of(guess, "expectations"), "day": day, "place": place,
              "seen": np.where(new, "not seen in training", "seen in training")}  # fmt: skip
    return {
        "mean_absolute_error": round(float(np.abs(guess - value).mean()), 4),
        "interval": NOMINAL,
        "coverage_on_later_data": round(float(inside.mean()), 4),
        "mean_width": round(float((high - low).mean()), 4),
        "groups": [
            {"by": by, "group": group, **one}
            for by, names in groups.items()
            for group, one in held(low, high, value, names).items()
        ],
    }


def held(low: Floats, high: Floats, value: Floats, groups: Names | Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Return rows, the share of numbers that lay inside their interval, and its mean width, for each group.

    A group of fewer than 20 rows is counted, and no share is told of it.
    """
    groups = np.asarray(groups, dtype=str)
    inside = (low <= value) & (value <= high)
    found: dict[str, Mapping[str, Any]] = {}
    for group in np.unique(groups):
        mine = groups == group
        few = int(mine.sum()) < calibrate.LEAST_ROWS
        found[str(group)] = {
            "rows": int(mine.sum()),
            "share": None if few else round(float(inside[mine].mean()), 4),
            "mean_width": None if few else round(float((high - low)[mine].mean()), 4),
        }
    return found


def _test(run: Run) -> tuple[Labels, Names, Names, npt.NDArray[np.bool_]]:
    """Return of the test rows: label, day, school or course, and whether training never saw that."""
    place = shift.places_of(run)
    return run.label[run.test], run.day[run.test], place[run.test], ~np.isin(place[run.test], np.unique(place[run.fit]))


def _part_of(number: Floats, what: str) -> Names:
    """Return in which fifth, from the lowest on, each number lies."""
    edges = np.quantile(number, np.linspace(0, 1, _PARTS + 1)[1:-1])
    names = np.array([f"{at} of {_PARTS} by {what}" for at in range(1, _PARTS + 1)])
    return np.asarray(names[np.searchsorted(edges, number, side="right")])

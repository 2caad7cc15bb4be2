"""The model of a flat file as it is kept and served: its description, its scores, and how they become what is said.

On disk it is a folder of plain files as every model is: one text per ensemble, ``model.json`` with the description of
the file it was learned from (columns, words and outcome as data, since no code defines them), ``card.json`` and
``card.md``. Loading refuses files that are not as they were written, and features that are made in another way now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.catalog import Catalog
from features.flat import Description, FlatTable, describe
from features.problems import NotFound, Problem, Refused
from training.blend import Blend
from training.calibrate import Calibration
from training.linear import Softmax
from training.model import Trees
from training.trained import Population, read_whole, write_whole

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FlatTarget:
    """The outcome of a flat file, named as other targets are. ``unit`` is always a student."""

    name: str
    says: str
    horizon: str
    happened: str
    did_not: str
    unit: str = "student"


@dataclass(frozen=True)
class Spread:
    """How far a number came out from what was expected: an 80% interval around an expectation.

    The tenth and ninetieth percentile of past errors at similar expectations (split conformal, Papadopoulos et al.
    2002), on students whom the model did not see.
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    range: tuple[float, float]

    @classmethod
    def of(cls, seen: Floats, truth: Floats, bounds: tuple[float, float]) -> Spread:
        """Measure on unseen students: in fifths of the expectation, or in fewer parts of at least 40 students."""
        parts = int(np.clip(len(seen) // 40, 1, 5))
        edges = np.unique(np.quantile(seen, np.linspace(0, 1, parts + 1)[1:-1]))
        which = np.searchsorted(edges, seen, side="right")
        errors = [(truth - seen)[which == at] for at in range(len(edges) + 1)]
        found = [np.quantile(one, [0.1, 0.9]) if len(one) else np.zeros(2) for one in errors]
        return cls(tuple(edges.tolist()), tuple(float(one[0]) for one in found), tuple(float(one[1]) for one in found), bounds)

    def interval(self, value: float) -> tuple[float, float]:
        """Return the 80% interval around an expectation, within the outcome's range and around the expectation."""
        at = int(np.searchsorted(self.edges, value, side="right"))
        least, most = self.range
        return max(least, min(value, value + self.low[at])), min(most, max(value, value + self.high[at]))


@dataclass(frozen=True)
class FlatScored:
    """What a model says of rows.

    ``contributions`` has a column per input; with ``base`` they add up to ``raw``: log-odds, the outcome's unit, or how
    far the logits of the classes of concern lie above the others'. ``outcome`` has a column per class for classes, else
    one: a probability or an expected number. ``concern`` orders rows, the higher the more concern.
    """

    raw: Floats
    contributions: Floats
    base: Floats
    outcome: Floats
    concern: Floats


@dataclass(frozen=True)
class FlatModel:
    """A model of one flat file's outcome.

    ``blends`` has one score per class for classes, else one. ``calibration`` makes a probability of a binary score and
    holds the table of the past: how many students of similar concern had the outcome that is a concern. It is None where
    a number has no line beyond which it is one. ``middles`` are the middle of each number and the share of each yes among
    the students that were learned from.
    """

    description: Description
    blends: tuple[Blend, ...]
    calibration: Calibration | None
    softmax: Softmax | None
    spread: Spread | None
    population: Population
    middles: Mapping[str, float]
    bands: Mapping[str, float]
    card: Mapping[str, Any]
    version: str = ""

    @cached_property
    def target(self) -> FlatTarget:
        """What is predicted."""
        one = self.description.label
        return FlatTarget(one.name, one.says, one.horizon, one.happened, one.did_not)

    @property
    def catalog(self) -> Catalog:
        """The features with their words."""
        return self.description.catalog

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model reads, in order."""
        return self.catalog.inputs

    @property
    def trees(self) -> Trees:
        """The first ensemble: what a registry shows of the model."""
        return self.blends[0].trees[0]

    @property
    def sign(self) -> float:
        """1 where a higher score is more concern, else -1."""
        return -1.0 if self.description.label.higher == "strength" else 1.0

    def score(self, table: FlatTable, explain: bool = True) -> FlatScored:
        """Score rows, and explain exactly those rows; without ``explain``, contributions are empty."""
        return self.score_matrix(table.values, explain)

    def score_matrix(self, matrix: Floats, explain: bool = True) -> FlatScored:
        """Do the same with the numbers alone, shape ``(rows, inputs)``."""
        scores = np.column_stack([one.raw(matrix) for one in self.blends])
        weight, added = np.ones(1), 0.0
        if self.softmax is None:
            raw = scores[:, 0]
        else:
            contrast = self._contrast
            weight, added = self.softmax.weight @ contrast, float(self.softmax.intercept @ contrast)
            raw = (scores * weight).sum(axis=1) + added
        outcome, concern = self.outcome_of(scores)
        found, base = np.empty((len(matrix), 0)), np.empty(0)
        if explain:
            found, base = np.zeros(matrix.shape), np.full(len(matrix), added)
            for share, one in zip(weight, self.blends, strict=True):
                part, start = one.contributions(matrix)
                found += share * part
                base += share * start
        return FlatScored(raw, found, base, outcome, concern)

    def outcome_of(self, scores: Floats) -> tuple[Floats, Floats]:
        """Return what scores, one column per blend, come to: outcomes, and the concern that orders rows."""
        if self.softmax is not None:
            chances = self.softmax.probability(scores)
            return chances, chances[:, self.of_concern].sum(axis=1)
        if self.description.label.kind == "binary":
            assert self.calibration is not None
            chance = self.calibration.probability(scores[:, 0])
            return chance[:, None], chance
        expected = np.clip(scores[:, 0], *self.description.label.range)
        return expected[:, None], self.sign * expected

    @cached_property
    def of_concern(self) -> list[int]:
        """The positions of the classes of concern."""
        label = self.description.label
        return [at for at, name in enumerate(label.classes) if name in label.concern]

    @cached_property
    def _contrast(self) -> Floats:
        """The mean of the classes of concern, less the mean of the others."""
        count = len(self.description.label.classes)
        mine = np.isin(np.arange(count), self.of_concern)
        return np.where(mine, 1 / mine.sum(), -1 / (~mine).sum())

    def band(self, concern: float) -> str:
        """Return the band of a concern, by how long a list can be and not by a fixed number."""
        for name in ("check_in_suggested", "keep_an_eye"):
            if concern >= self.bands[name]:
                return name
        return "no_extra_signal"

    def with_version(self, version: str) -> FlatModel:
        """Return the model under the registry's version."""
        return replace(self, version=version)

    def write(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        from training.card_page import markdown

        files = {"card.json": json.dumps(dict(self.card), indent=1), "card.md": markdown(self.card)}
        for at, blend in enumerate(self.blends):
            files |= {f"model-{at}-{number}.txt": one.text() for number, one in enumerate(blend.trees)}
        kept: dict[str, Any] = {
            "format": 2,
            "target": self.target.name,
            "description": dict(self.description.raw),
            "catalog": self.catalog.cards(),
            "blends": [one.as_dict() for one in self.blends],
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "softmax": None if self.softmax is None else self.softmax.as_dict(),
            "spread": None if self.spread is None else asdict(self.spread),
            "population": self.population.as_dict(),
            "middles": dict(self.middles),
            "bands": dict(self.bands),
        }
        write_whole(folder, files, kept)

    @classmethod
    def read(cls, folder: Path, version: str = "") -> FlatModel:
        """Return the model in a folder.

        Raises:
            NotFound: the folder holds no model of a flat file.
            Refused: a feature is made in another way than when the model was trained, or a file is not as it was written.

        """
        if not (folder / "model.json").exists():
            raise NotFound(f"There is no model in {folder.name}.")
        kept = read_whole(folder)
        if "description" not in kept:
            raise NotFound(f"The model in {folder.name} was not learned from a flat file.")
        described = describe(kept["description"], "the model's description")
        carried = Catalog.carried(kept["catalog"], described.catalog)
        if carried.inputs != described.catalog.inputs:
            what = Problem("feature_changed", "model.json", "its features are not those of its description", "Train it again.")
            raise Refused([what], "The model was trained on other feature definitions")
        blends = []
        for at, one in enumerate(kept["blends"]):
            texts = [(folder / f"model-{at}-{number}.txt").read_text() for number in range(len(one["weights"]))]
            blends.append(Blend.from_dict(one, [Trees.from_text(text) for text in texts]))
        spread = kept["spread"]
        return cls(
            described,
            tuple(blends),
            None if kept["calibration"] is None else Calibration.from_dict(kept["calibration"]),
            None if kept["softmax"] is None else Softmax.from_dict(kept["softmax"]),
            None if spread is None else Spread(**{key: tuple(value) for key, value in spread.items()}),
            Population.from_dict(kept["population"]),
            kept["middles"],
            kept["bands"],
            json.loads((folder / "card.json").read_text()),
            version,
        )

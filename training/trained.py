"""A model as it is kept and served: trees, the catalogue it was trained on, calibration, and whom it knows.

On disk it is a folder of plain files: ``model.txt`` (LightGBM's text), ``model.json`` (everything else, the line beside
the trees included, and the SHA-256 of the other files), ``card.json`` and ``card.md``. Nothing is pickled. Loading
refuses a feature whose definition has changed since, and a file that is not as it was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.catalog import Catalog
from features.pipeline import FeatureTable
from features.problems import NotFound, Problem, Refused
from training.calibrate import Calibration
from training.drift import Reference
from training.expected import Expected
from training.explain import Explainer
from training.linear import Linear
from training.model import Trees
from training.reasons import Steadiness
from training.targets import TARGETS, Target

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: The band that is the list.
CHECK_IN = "check_in_suggested"

#: Of the inputs that training rows of the same phase had, a row must have this share to be scored.
LEAST_KNOWN = 0.6


@dataclass(frozen=True)
class Phase:
    """A stretch of the course: until this share of it, these inputs were known for at least 95% of training rows."""

    until: float
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Population:
    """Whom the model was trained on: the range of each input, and what is usually known in each phase."""

    least: Mapping[str, float]
    most: Mapping[str, float]
    phases: tuple[Phase, ...]

    @classmethod
    def of(cls, matrix: Floats, inputs: Sequence[str], elapsed: Floats, parts: int = 5) -> Population:
        """Describe training rows, given how far the course was on each (``elapsed``, a share)."""
        known = ~np.isnan(matrix)
        some = known.any(axis=0)
        least = {name: float(np.nanmin(matrix[:, at])) for at, name in enumerate(inputs) if some[at]}
        most = {name: float(np.nanmax(matrix[:, at])) for at, name in enumerate(inputs) if some[at]}
        edges = np.unique(np.quantile(elapsed, np.linspace(0, 1, parts + 1)[1:]))
        phases, before = [], -np.inf
        for edge in edges:
            rows = (elapsed > before) & (elapsed <= edge)
            usual = known[rows].mean(axis=0) >= 0.95
            phases.append(Phase(float(edge), tuple(name for at, name in enumerate(inputs) if usual[at])))
            before = edge
        return cls(least, most, tuple(phases))

    def completeness(self, known: Mapping[str, bool], elapsed: float | None) -> float:
        """Return the share of the inputs usual at this point of the course that a row has, in [0, 1]."""
        phase = self.phases[-1]
        if elapsed is not None:
            phase = next((one for one in self.phases if elapsed <= one.until), phase)
        return sum(known[name] for name in phase.expected) / len(phase.expected) if phase.expected else 1.0

    def outside(self, values: Mapping[str, float]) -> list[str]:
        """Return the inputs of a row that lie far outside what training saw: beyond its range by half of it."""
        found = []
        for name, value in values.items():
            if name not in self.least:
                continue
            room = 0.5 * (self.most[name] - self.least[name]) or 1.0
            if not self.least[name] - room <= value <= self.most[name] + room:
                found.append(name)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the model's file."""
        return {"least": dict(self.least), "most": dict(self.most), "phases": [asdict(one) for one in self.phases]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Population:
        """Return what :meth:`as_dict` wrote."""
        phases = tuple(Phase(one["until"], tuple(one["expected"])) for one in found["phases"])
        return cls(found["least"], found["most"], phases)


@dataclass(frozen=True)
class Scored:
    """What a model says of rows. ``contributions`` has a column per input; with ``base`` they add up to ``raw``."""

    raw: Floats
    probability: Floats
    contributions: Floats
    base: Floats
    matrix: Floats


@dataclass(frozen=True)
class TrainedModel:
    """One model of one target, ready to score and to say why.

    ``bands`` are the least probabilities of ``check_in_suggested`` and ``keep_an_eye``, and of ``check_in_kept``, down to
    which whoever is on the list stays on it; older models have no such line. ``version`` is the
    registry's number, empty before registration. ``reference`` is what inputs and scores looked like when it was made,
    None of a model that was made before references were kept.
    """

    target: Target
    trees: Trees
    catalog: Catalog
    calibration: Calibration
    population: Population
    bands: Mapping[str, float]
    card: Mapping[str, Any]
    expected: Expected | None = None
    version: str = ""
    reference: Reference | None = None
    explainer: Explainer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explainer", Explainer(self.trees))

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model reads, in order."""
        return self.catalog.inputs

    def score(self, table: FeatureTable, explain: bool = True) -> Scored:
        """Score the rows of a feature table, and explain exactly those rows.

        Args:
            table: features that include the model's inputs.
            explain: whether contributions are wanted; without, they are empty.

        """
        matrix = table.matrix(self.inputs)
        # One thread: a row's bits must not depend on how many rows came with it, and a request has one anyway.
        raw = self.trees.raw(matrix, threads=1)
        found, base = self.explainer.contributions(matrix, raw) if explain else (np.empty((len(raw), 0)), np.empty(0))
        return Scored(raw, self.calibration.probability(raw), found, base, matrix)

    @cached_property
    def steadiness(self) -> Steadiness:
        """Which concepts are no reasons where, since models as good as this one do not agree on them."""
        return Steadiness.of(self.card)

    def band(self, probability: float, previous: str = "") -> str:
        """Return the band of a probability, by last year's precision at capacity and not by a fixed number.

        Args:
            probability: the calibrated probability.
            previous: the band of the same unit the time before, where it is known: whoever was on the list leaves it
                only below a lower line.

        """
        if previous == CHECK_IN and probability >= self.bands.get("check_in_kept", self.bands[CHECK_IN]):
            return CHECK_IN
        for name in (CHECK_IN, "keep_an_eye"):
            if probability >= self.bands[name]:
                return name
        return "no_extra_signal"

    def with_version(self, version: str) -> TrainedModel:
        """Return the model under the registry's version."""
        return replace(self, version=version)

    def write(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        from training.card_page import markdown

        files = {
            "model.txt": self.trees.text(),
            "card.json": json.dumps(dict(self.card), indent=1),
            "card.md": markdown(self.card),
        }
        kept: dict[str, Any] = {
            "format": 3,
            "target": self.target.name,
            "catalog": self.catalog.cards(),
            "line": None if self.trees.line is None else {"share": self.trees.share, **self.trees.line.as_dict()},
            "calibration": self.calibration.as_dict(),
            "population": self.population.as_dict(),
            "bands": dict(self.bands),
        }
        if self.reference is not None:
            files["reference.json"] = json.dumps(self.reference.as_dict())
        if self.expected is not None:
            files["expected.txt"] = self.expected.trees.text()
            kept["expected"] = {key: list(getattr(self.expected, key)) for key in ("edges", "low", "high")}
        write_whole(folder, files, kept)

    @classmethod
    def read(cls, folder: Path, code: Catalog, version: str = "") -> TrainedModel:
        """Return the model in a folder, its features defined by ``code``.

        Raises:
            NotFound: the folder holds no model.
            Refused: a feature's definition has changed since the model was trained, or a file is not as it was written.

        """
        if not (folder / "model.json").exists():
            raise NotFound(f"There is no model in {folder.name}.")
        kept = read_whole(folder)
        expected = None
        if "expected" in kept:
            parts = {key: tuple(value) for key, value in kept["expected"].items()}
            expected = Expected(Trees.from_text((folder / "expected.txt").read_text()), **parts)
        reference = folder / "reference.json"
        trees = Trees.from_text((folder / "model.txt").read_text())
        if kept.get("line") is not None:  # before format 3 a model was trees alone
            trees = trees.beside(Linear.from_dict(kept["line"]), kept["line"]["share"])
        return cls(
            TARGETS[kept["target"]],
            trees,
            Catalog.carried(kept["catalog"], code),
            Calibration.from_dict(kept["calibration"]),
            Population.from_dict(kept["population"]),
            kept["bands"],
            json.loads((folder / "card.json").read_text()),
            expected,
            version,
            Reference.from_dict(json.loads(reference.read_text())) if reference.is_file() else None,
        )


def write_whole(folder: Path, files: Mapping[str, str], kept: Mapping[str, Any]) -> None:
    """Write a model's files into an existing folder, and ``model.json`` with their sums beside what it is to hold."""
    content = {name: text.encode() for name, text in files.items()}
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    for name, raw in content.items():
        (folder / name).write_bytes(raw)
    (folder / "model.json").write_text(json.dumps({**kept, "sha256": sums}, indent=1))


def read_whole(folder: Path) -> dict[str, Any]:
    """Return what ``model.json`` holds; raise :class:`Refused` naming every file that is not as it was written."""
    try:
        kept: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
        # Models of format 1 were written without sums, and are read as they were.
        sums: dict[str, str] = kept["sha256"] if kept["format"] > 1 else {}
    except (ValueError, KeyError, TypeError):
        raise _damaged({"model.json": "it is cut short or was changed"}) from None
    wrong = {}
    for name, kept_sum in sums.items():
        if not (folder / name).is_file():
            wrong[name] = "this file is missing"
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != kept_sum:
            wrong[name] = "it was changed or cut short since the model was written"
    if wrong:
        raise _damaged(wrong)
    return kept


def _damaged(wrong: Mapping[str, str]) -> Refused:
    hint = "Restore the model's folder from a copy, promote another version, or train the model again."
    problems = [Problem("damaged_model", name, problem, hint, file=name) for name, problem in wrong.items()]
    return Refused(problems, "The model cannot be read as it was written")

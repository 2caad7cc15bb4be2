"""What one target is learned from: settings, rows of past terms, and who teaches, calibrates, gates and judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.catalog import Catalog
from features.cohort import on_days_of_term
from features.pipeline import FeatureTable, Memo, build
from features.problems import Problem, Refused
from features.records import Cohort, SchoolRecords
from training import evaluate, splits, treated
from training.baselines import Sample
from training.linear import Linear
from training.model import Trees, at_once
from training.splits import Split
from training.targets import Target

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

#: LightGBM's parameters: shallow, slow and many trees, with few inputs and random thresholds (``extra_trees``), so that
#: no single course's habits win. Leaving one course out within the training term chose them, not the test.
PARAMETERS: Mapping[str, Any] = {
    "learning_rate": 0.04,
    "num_leaves": 15,
    "max_depth": 5,
    "min_child_samples": 100,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "extra_trees": True,
    "seed": 7,
}

#: What differs for one target: where more is known, larger trees help.
PARAMETERS_OF: Mapping[str, Mapping[str, Any]] = {
    "course_failure": {"learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 50, "feature_fraction": 0.5,
                       "feature_fraction_bynode": 0.5},
}  # fmt: skip


#: How much of a score is a straight line's, beside the trees'.
LINE = 0.4

#: From how many classes on a model learns by itself what sets classes apart. Fewer teach nothing of that: then the share of
#: a class that left lately has a weight by target, in log-odds per log-odds. Where the hazard of leaving is some times as
#: high, it was so before and will be after, which is a weight of 1; half of it, since what was before does not last
#: wholly. Of those who do not pass a course about every third leaves it.
ENOUGH_CLASSES = 30
CLASS_WEIGHT: Mapping[str, float] = {"dropout": 0.5, "course_failure": 0.17}

#: As-of points to learn on and to be judged on. A course from its first day; a school year from two weeks on, judged
#: from the day after 1 October, when it is known who came back.
DAYS_OF: Mapping[bool, tuple[tuple[int, ...], tuple[int, ...]]] = {
    False: (tuple(range(0, 113, 14)), (0, 14, 28, 56, 84, 112)),
    True: ((14, 42, 70, 98, 154, 210), (42, 98, 154, 210)),
}


@dataclass(frozen=True)
class Training:
    """Settings of training.

    ``days``: as-of points after a term's start on which the model learns, one model for all. ``judged_days``: those
    on which it is judged. Left empty, they are those of :data:`DAYS_OF`, by the kind of term that stays belong to.
    ``most_rows``: above this, a share of the classes stands for all, each of them whole. ``capacity``: share of the
    students of a day that a school can look at. ``norms_hidden``: share of training rows whose place in the class is
    hidden, so that its absence is learned. ``line``: how much of a score is a penalised line's, beside the trees'.
    ``first``: how many of a list are looked at first. ``least_odds``: a list
    ends where those at its end had the outcome at less than so many times the odds of all. ``refits`` on at most
    ``refit_rows`` rows show what hangs on the draw of the students (:mod:`training.stability`), with the reasons of so
    many rows ``explained`` on the list and as many elsewhere. ``shift_parts``: in how many parts at most terms, schools or
    courses are left out, to learn how much they differ (:mod:`training.shift`); 0 leaves that unknown. ``treated`` says
    whether a model learns from rows of students who were given help: ``keep`` or ``leave_out`` (:mod:`training.treated`).
    A search of parameters (:mod:`training.tune`) looks at ``tune_rows`` rows at most.

    Of the proof against leakage (:mod:`training.leakage`): ``proof_rows`` to refit on and to look at inputs in,
    ``proof_dates`` on which rows are built again; the AUC that is an alarm, and the gap to a split at random that is.
    ``alarm_accepted`` names who found an alarm honest, and why: it is kept on the card.
    """

    days: tuple[int, ...] = ()
    judged_days: tuple[int, ...] = ()
    most_rows: int = 250_000
    capacity: float = 0.10
    folds: int = 3
    trees: int = 250
    line: float = LINE
    norms_hidden: float = 0.07
    bootstrap_draws: int = 500
    seed: int = 7
    first: int = 20
    least_odds: float = 2.0
    refits: int = 5
    refit_rows: int = 40_000
    shift_parts: int = 5
    explained: int = 400
    proof_rows: int = 20_000
    proof_dates: int = 5
    proof_auc: float = 0.95
    proof_gap: float = 0.05
    alarm_accepted: str = ""
    treated: str = "keep"
    tune_rows: int = 40_000
    parameters: Mapping[str, Any] = field(default_factory=lambda: dict(PARAMETERS))

    def check(self) -> None:
        """Raise :class:`Refused` where a setting is none of those that there are."""
        if self.treated not in treated.WAYS:
            hint = f"Give one of {', '.join(treated.WAYS)}."
            raise Refused([Problem("settings", "train.treated", "there is no such way with treated rows", hint)],
                          "The settings were refused")  # fmt: skip


def rows_of(
    records: SchoolRecords, target: Target, settings: Training, test_from: date | None, pass_mark: float,
    catalog: Catalog, memo: Memo,
) -> tuple[FeatureTable, pl.DataFrame, pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return features, keys, labels and terms: every term up to the test, on the days that it is needed for."""
    terms = terms_of(records)
    if test_from is not None:
        first = terms.filter(pl.col("starts_on") >= test_from)["starts_on"].min()
        terms = terms.filter(pl.col("starts_on") <= first) if first is not None else terms
    days = sorted({*settings.days, *settings.judged_days})
    cohort = sampled(on_record(records, on_days_of_term(records, days, target.unit, terms["term_id"].to_list())), settings)
    table = build(records, cohort, catalog, memo=memo)
    sections = records.labels("sections").select("section_id", "course_id").collect().unique("section_id")
    stays = records.labels("enrolments").select("enrolment_id", "term_id").unique("enrolment_id").collect()
    stays = stays.join(terms.select("term_id", term_start="starts_on"), on="term_id")
    keys = (
        table.keys.join(sections, on="section_id", how="left", maintain_order="left")
        .join(stays, on="enrolment_id", how="left", maintain_order="left")
        # A stay of many classes has no course of its own: its year group stands for it.
        .with_columns(pl.coalesce("course_id", "peers").alias("course_id"))
        .with_columns((pl.col("as_of") - pl.col("term_start")).dt.total_days().alias("day"))
    )
    return table, keys, target.labels(records, cohort, pass_mark), terms


def on_record(records: SchoolRecords, cohort: Cohort) -> Cohort:
    """Return the rows whose date the records reach: of a term under way, nothing is known of its later days."""
    through = records.data_through(date.max)
    return Cohort(cohort.frame.filter(pl.col("as_of") <= through), cohort.unit) if through is not None else cohort


def sampled(cohort: Cohort, settings: Training) -> Cohort:
    """Return all rows, or where there are too many those of a share of the classes, whole: norms are measured on them."""
    share = settings.most_rows / max(len(cohort), 1)
    if share >= 1:
        return cohort
    # A class of this year is another than last year's: the share is one of classes, not of teachers or rooms.
    chosen = splits.fold_of(cohort.frame["peers"].fill_null(""), _PARTS, "sample") < share * _PARTS
    return Cohort(cohort.frame.filter(pl.Series(chosen)), cohort.unit)


#: Into how many parts classes are cut to choose a share of them.
_PARTS = 10_000


def terms_of(records: SchoolRecords) -> pl.DataFrame:
    """Return the terms that stays belong to, in order: of a year, its semesters and its periods, one kind."""
    used = records.labels("enrolments").select("term_id").unique()
    return records.labels("terms").join(used, on="term_id", how="semi").collect().unique("term_id").sort("starts_on", "term_id")


def with_schools(records: SchoolRecords, keys: pl.DataFrame) -> pl.DataFrame:
    """Return keys with the ``organisation_id`` of each row's stay, null where a row has none."""
    schools = records.labels("enrolments").select("enrolment_id", "organisation_id").unique("enrolment_id").collect()
    return keys.join(schools, on="enrolment_id", how="left", maintain_order="left")


def with_days(settings: Training, records: SchoolRecords) -> Training:
    """Return the settings with as-of points that suit the terms that stays belong to."""
    days, judged = DAYS_OF["school_year" in terms_of(records)["kind"]]
    return replace(settings, days=settings.days or days, judged_days=settings.judged_days or judged)


@dataclass(frozen=True)
class Run:
    """What one target is learned from: the rows, who teaches, who is held apart to calibrate and gate, and who judges.

    ``helped`` are the rows of students who were given help (:func:`training.treated.helped`). ``tuned`` are LightGBM's
    parameters as a search found them, which win over those of the settings and of the target.
    """

    records: SchoolRecords
    target: Target
    settings: Training
    table: FeatureTable
    keys: pl.DataFrame
    split: Split
    label: npt.NDArray[np.int8]
    value: Floats
    day: npt.NDArray[Any]
    units: npt.NDArray[Any]
    tie: Floats
    learned: Floats
    fit: Rows
    held: Rows
    test: Rows
    known: Rows
    helped: Rows
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, records: SchoolRecords, target: Target, settings: Training, table: FeatureTable, keys: pl.DataFrame,
        labels: pl.DataFrame, split: Split,
    ) -> Run:  # fmt: skip
        """Return the run with its rows told apart.

        Raises:
            Refused: without the rows of students who were given help too few are left to learn from.

        """
        day = keys["day"].to_numpy()
        judged = np.isin(day, settings.judged_days)
        units = keys.select(pl.concat_str("student_id", pl.col("section_id").fill_null(""), separator="|")).to_series()
        label = labels["label"].fill_null(0).to_numpy().astype(np.int8)
        helped = treated.helped(records, keys, labels["known_on"])
        fit = split.fit & np.isin(day, settings.days)
        if settings.treated == "leave_out" and helped.any():
            fit &= ~helped
            splits.refuse_too_few(label, fit)
        return cls(
            records, target, settings, table, keys, split, label, labels["value"].fill_null(0.0).to_numpy(),
            day, units.to_numpy(), evaluate.ties(units.to_list()), hide_norms(table, keys, settings),
            fit,
            # Rows that calibrate and gate are seen by models that did not see the student.
            (split.fit if split.calibrate is None else split.calibrate) & judged,
            split.test & judged,
            labels["label"].is_not_null().to_numpy(),
            helped,
        )  # fmt: skip

    @cached_property
    def matrix(self) -> Floats:
        """The inputs as they are scored; ``learned`` has the place in the class hidden in some rows."""
        return self.table.matrix()

    @cached_property
    def schools(self) -> pl.Series:
        """The school of each row's stay, null where a row has none."""
        return with_schools(self.records, self.keys)["organisation_id"]

    @cached_property
    def who(self) -> npt.NDArray[np.intp]:
        """Each row's student, numbered from 0."""
        return np.asarray(np.unique(self.keys["student_id"].to_numpy(), return_inverse=True)[1], dtype=np.intp)

    @cached_property
    def by_years(self) -> bool:
        """Whether stays are years of school, and not courses."""
        return "school_year" in terms_of(self.records)["kind"]

    @property
    def parameters(self) -> dict[str, Any]:
        """LightGBM's parameters for this target."""
        return {**self.settings.parameters, **PARAMETERS_OF.get(self.target.name, {}), **self.tuned}

    @property
    def left_out(self) -> Rows:
        """The rows that no model learns from, because their students were given help."""
        return self.helped if self.settings.treated == "leave_out" else np.zeros_like(self.helped)

    @property
    def algorithm(self) -> dict[str, Any]:
        """All that the fitting hangs on, as a card and the registry tell it.

        ``monotone_inputs``: how many are held to a direction. ``class_weight``: the weight that was given and not learned,
        None where there is none.
        """
        given = self._given(self.fit)
        return {
            "trees": self.settings.trees,
            "line": self.settings.line,
            "monotone_inputs": sum(1 for one in self.table.catalog.directions if one),
            "class_weight": next(iter(given.values()), None) if self.settings.line else None,
            **self.parameters,
        }

    def fitted(self, rows: Rows, label: npt.NDArray[Any] | None = None, unread: Sequence[int] = ()) -> Trees:
        """Return the target's classifier, fitted on some rows.

        Args:
            rows: which.
            label: other labels than their own.
            unread: positions of inputs that it does not read.

        """
        what, share, given = self.label if label is None else label, self.settings.line, self._given(rows)
        trees = self.trees(rows, what, "binary", (*given, *unread))
        if not share or len(np.unique(what[rows])) < 2:
            return trees
        inward = {at: weight / share for at, weight in given.items() if at not in unread}
        matrix = self.learned[rows]
        matrix[:, list(unread)] = np.nan
        return trees.beside(Linear.held(matrix, what[rows], self.table.catalog.directions, inward), share)

    def fitted_each(self, parts: Sequence[Rows]) -> list[Trees]:
        """Return the target's classifier fitted on each of some sets of rows."""
        fits = [partial(self.fitted, rows) for rows in parts]
        return at_once(fits, max((int(rows.sum()) for rows in parts), default=0))

    def _given(self, rows: Rows) -> dict[int, float]:
        """Return the weights that are not learned, by the position of their input: see :data:`CLASS_WEIGHT`."""
        catalog = self.table.catalog
        named = [at for at, name in enumerate(catalog.inputs) if catalog[name].kind == "class"]
        classes = self.keys.filter(pl.Series(rows))["peers"].n_unique()
        if not named or classes >= ENOUGH_CLASSES:
            return {}
        # Whoever leaves a school has moved, mostly: of that the outcome says nothing. Leaving a course is what it is about.
        # Of one class it tells nothing but the day, and would only set days apart.
        told = not self.by_years and classes > 1
        return dict.fromkeys(named, CLASS_WEIGHT.get(self.target.name, 0.0) if told else 0.0)

    def trees(self, rows: Rows, what: npt.NDArray[Any], objective: str, hidden: Sequence[int] = ()) -> Trees:
        """Fit trees on some rows: for an outcome, or for the number that comes with it, a score that is better if higher.

        They do not learn from the inputs at the positions ``hidden``.
        """
        catalog, matrix = self.table.catalog, self.learned[rows]
        matrix[:, list(hidden)] = np.nan
        parameters = {"objective": objective, **constraints(catalog, -1 if objective == "regression" else 1), **self.parameters}
        return Trees.fit(matrix, what[rows], catalog.inputs, parameters, self.settings.trees)

    def sample(self, rows: Rows) -> Sample:
        """Return rows as a baseline takes them."""
        part = self.table.frame.with_columns(self.keys["course_id"]).filter(pl.Series(rows))
        return Sample(part, self.matrix[rows], self.label[rows])


def constraints(catalog: Catalog, sign: int = 1) -> dict[str, Any]:
    """Return LightGBM's parameters that hold trees to what the field is certain of (``Feature.monotone``).

    The basic method: with ``extra_trees`` the advanced one is not defined, and it forgoes no accuracy here.
    """
    directions = [sign * one for one in catalog.directions]
    return {"monotone_constraints": directions, "monotone_constraints_method": "basic"} if any(directions) else {}


def hide_norms(table: FeatureTable, keys: pl.DataFrame, settings: Training) -> Floats:
    """Return the inputs with the place in the class hidden in some rows: a request may come without classmates."""
    matrix = table.matrix().copy()
    relative = [at for at, name in enumerate(table.catalog.inputs) if table.catalog[name].kind == "relative"]
    hidden = np.random.default_rng(settings.seed).random(keys.height) < settings.norms_hidden
    matrix[np.ix_(hidden, relative)] = np.nan
    return matrix


def shuffled(labels: pl.DataFrame, keys: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return labels with outcomes exchanged among the students of a day, who knew what when left in place."""
    rng = np.random.default_rng(seed)
    label = labels["label"].to_numpy().copy()
    for rows in keys.with_row_index("at").group_by("as_of", maintain_order=True).agg("at")["at"]:
        at = rows.to_numpy()
        at = at[~np.isnan(label[at])]
        label[at] = label[rng.permutation(at)]
    return labels.with_columns(pl.Series("label", label, nan_to_null=True).cast(pl.Int8))



"""Whether the help of this school helps: what came of everybody who was in a draw, what that says, and where it is kept.

What came is read from the school's records, after the draw and for whoever was in it, offered a place or not. Each help is
looked at by the outcome that it is given for (:func:`outcome_of`); which one stands here before anybody has looked at any.
The estimates are those of :mod:`serving.estimation`: from lotteries, and where there was none from what was observed.

``effects.json`` in the state folder holds what was found: figures of supports and nothing of one student. From there it goes
beside the published effect in the catalogue (:func:`with_own`), and to the page of figures (:func:`estimates`). What a
district measured and wrote into its own catalogue itself comes first.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from features.records import SchoolRecords
from serving import estimation
from serving.cases import offers
from serving.cases.database import Database
from serving.cases.offers import Offer
from serving.catalogue import CONVERSATION, Catalogue, Intervention, Measured
from serving.effects import Estimate, Why, effect_shown
from serving.estimation import Finding
from serving.figures import Facts
from serving.suppression import LEAST

Floats = npt.NDArray[np.float64]

#: The file of a state folder that says what was found.
FILE = "effects.json"

#: An outcome is looked at so many days after the draw at the earliest.
LEAST_DAYS = 42

#: What came before is looked at over so many days: lately, and in a year.
DAYS_BEFORE = (42, 365)

#: A difference before the help began that chance makes this rarely says that both sides were not alike.
NOT_BY_CHANCE = 0.05

#: Of fewer school days, or of less marked work, nothing is said of a student.
LEAST_TAUGHT, LEAST_MARKED = 10, 3

#: Help that begins within so many days of a day counts as given then, where what was observed is looked at.
BEGINS_WITHIN = 42

OutcomeName = Literal["days_missed", "mark", "incidents"]


@dataclass(frozen=True)
class Outcome:
    """What is looked at. ``of`` gives ``student_id`` and ``value`` between two days (the first is not counted)."""

    name: OutcomeName
    higher_is_better: bool
    needs: tuple[str, ...]
    of: Callable[[SchoolRecords, pl.DataFrame, date, date], pl.DataFrame]


def _taught(records: SchoolRecords, stays: pl.DataFrame, since: date, until: date) -> pl.LazyFrame:
    """Return each student's school days: ``student_id``, ``enrolment_id``, ``on``; none after they left."""
    days = records.visible("calendar", [until]).filter(pl.col("instructional"), pl.col("on") > since, pl.col("on") <= until)
    each = stays.lazy().join(days.select("organisation_id", "on"), on="organisation_id")
    if records.holds("exits"):
        left = records.visible("exits", [until]).select("enrolment_id", "exited_on")
        each = each.join(left, on="enrolment_id", how="left").filter(
            pl.col("exited_on").is_null() | (pl.col("on") <= pl.col("exited_on"))
        )
    return each.select("student_id", "enrolment_id", "on")


def _days_missed(records: SchoolRecords, stays: pl.DataFrame, since: date, until: date) -> pl.DataFrame:
    """Return the days missed of a hundred; a day without a row was missed by nobody where only exceptions are recorded."""
    rules = records.visible("organisations", [until]).select("organisation_id", "attendance_method")
    rule = stays.lazy().select("student_id", "organisation_id").join(rules, on="organisation_id", how="left")
    seen = records.visible("attendance", [until]).select("enrolment_id", "on", "absent_share")
    each = _taught(records, stays, since, until).join(seen, on=["enrolment_id", "on"], how="left").join(rule, on="student_id")
    recorded = (pl.col("attendance_method").fill_null("negative") == "negative") | pl.col("absent_share").is_not_null()
    each = each.filter(recorded).group_by("student_id").agg(pl.len(), pl.col("absent_share").fill_null(0.0).mean())
    enough = each.filter(pl.col("len") >= LEAST_TAUGHT)
    return enough.select("student_id", (100 * pl.col("absent_share")).alias("value")).collect()


def _mark(records: SchoolRecords, stays: pl.DataFrame, since: date, until: date) -> pl.DataFrame:
    """Return the mean mark out of a hundred of the work that was marked."""
    best = records.school_table("assignments").lazy().sort("known_on").group_by("assignment_id").last()
    best = best.filter(pl.col("max_score") > 0).select("assignment_id", "max_score")
    rows = records.visible("results", [until]).filter(pl.col("marked_on") > since, pl.col("score").is_not_null())
    each = rows.join(best, on="assignment_id").join(stays.lazy().select("student_id"), on="student_id", how="semi")
    each = each.group_by("student_id").agg(pl.len(), (100 * pl.col("score") / pl.col("max_score")).mean().alias("value"))
    return each.filter(pl.col("len") >= LEAST_MARKED).select("student_id", "value").collect()


def _incidents(records: SchoolRecords, stays: pl.DataFrame, since: date, until: date) -> pl.DataFrame:
    """Return the incidents of a student's own doing in a hundred school days."""
    rows = records.visible("incidents", [until]).filter(pl.col("occurred_on") > since, pl.col("role") == "perpetrator")
    counted = rows.group_by("student_id").agg(pl.len().alias("incidents"))
    days = _taught(records, stays, since, until).group_by("student_id").agg(pl.len().alias("days"))
    each = days.filter(pl.col("days") >= LEAST_TAUGHT).join(counted, on="student_id", how="left")
    value = (100 * pl.col("incidents").fill_null(0) / pl.col("days")).alias("value")
    return each.select("student_id", value).collect()


#: What is looked at, and the tables without which nothing is said of it.
OUTCOMES: Mapping[OutcomeName, Outcome] = MappingProxyType(
    {
        "days_missed": Outcome("days_missed", False, ("attendance", "calendar", "organisations"), _days_missed),
        "mark": Outcome("mark", True, ("results", "assignments"), _mark),
        "incidents": Outcome("incidents", False, ("incidents", "calendar"), _incidents),
    }
)

#: By which outcome help for a factor is looked at, in the order in which the first that a help names decides.
_BY_FACTOR: Mapping[str, OutcomeName] = MappingProxyType(
    {
        "attendance_chronic": "days_missed", "attendance_mild": "days_missed", "course_failure": "mark", "coursework": "mark",
        "credits": "mark", "learning_gap": "mark", "behaviour_intensive": "incidents", "behaviour": "incidents",
        "exclusion": "incidents",
    }
)  # fmt: skip


def outcome_of(one: Intervention) -> Outcome:
    """Return the outcome that a help is looked at by: that of the first of its factors that has one, else days missed."""
    return OUTCOMES[next((_BY_FACTOR[factor] for factor in one.factors if factor in _BY_FACTOR), "days_missed")]


# -- what came --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """What was found of one support. ``why`` an effect is not shown, None where it is; ``claimed`` among all looked at."""

    finding: Finding | None
    outcome: OutcomeName
    measured: Measured | None
    why: Why | None
    claimed: bool = False


def came(
    records: SchoolRecords, db: Database, tenant: str, catalogue: Catalogue, until: date, now: datetime
) -> Mapping[str, int]:
    """Record what came of everybody who was in a draw, as known on a day; return how many outcomes are new, by support.

    A draw of fewer than :data:`LEAST_DAYS` days ago is too early. What is on record already and is the same stays as it is.
    """
    found: dict[str, int] = {}
    stays: dict[date, pl.DataFrame] = {}
    told: dict[tuple[date, str], dict[str, float]] = {}
    for support in _drawn_for(catalogue):
        outcome = outcome_of(catalogue[support])
        new: dict[str, float] = {}
        for one in offers.in_draws(db, tenant, support):
            since = _of_round(one)
            if since is None or (until - since).days < LEAST_DAYS:
                continue
            if (since, outcome.name) not in told:
                stays.setdefault(since, _stays(records, since))
                told[since, outcome.name] = _values(records, outcome, stays[since], since, until)
            value = told[since, outcome.name].get(one.student_id)
            if value is not None and (one.outcome, one.outcome_unit, one.outcome_on) != (value, outcome.name, until):
                new[one.id] = value
        if new:
            found[support] = offers.came(db, tenant, None, new, outcome.name, until, now)
    return found


def _drawn_for(catalogue: Catalogue) -> Sequence[str]:
    return [key for key, one in catalogue.items() if key != CONVERSATION and not one.entitlement]


def _of_round(one: Offer) -> date | None:
    """Return the day of the list that an offer was drawn from; None where nobody drew."""
    if one.probability is None or not 0 < one.probability < 1:
        return None
    try:
        return date.fromisoformat(one.draw.partition("/")[0])
    except ValueError:
        return None  # a draw that was recorded otherwise: its outcomes are recorded by whoever did


def _stays(records: SchoolRecords, on: date) -> pl.DataFrame:
    return Facts(records, on).students.select("student_id", "enrolment_id", "organisation_id", "year")


def _values(records: SchoolRecords, outcome: Outcome, stays: pl.DataFrame, since: date, until: date) -> dict[str, float]:
    if not all(records.holds(table) for table in outcome.needs):
        return {}
    return {who: round(value, 6) for who, value in outcome.of(records, stays, since, until).iter_rows()}


def before(records: SchoolRecords, stays: pl.DataFrame, on: date) -> dict[str, tuple[float, ...]]:
    """Return what was known of students before a day: every outcome lately and in a year, and the year of school.

    What is not known is the middle of what is. Nothing of who a student is enters.
    """
    frame = stays.select("student_id", pl.col("year").cast(pl.Float64, strict=False))
    for days in DAYS_BEFORE:
        for name, outcome in OUTCOMES.items():
            known = _values(records, outcome, stays, on - timedelta(days=days), on)
            column = pl.DataFrame({"student_id": list(known), f"{name}_{days}": list(known.values())},
                                  schema={"student_id": pl.String, f"{name}_{days}": pl.Float64})  # fmt: skip
            frame = frame.join(column, on="student_id", how="left")
    columns = [name for name in frame.columns if name != "student_id" and frame[name].null_count() < frame.height]
    frame = frame.select("student_id", *(pl.col(name).fill_null(pl.col(name).median()) for name in columns))
    return {row[0]: tuple(row[1:]) for row in frame.iter_rows()}


# -- what it says -----------------------------------------------------------------------------------------------------


def look(
    records: SchoolRecords, db: Database | None, tenant: str, catalogue: Catalogue, until: date, since: date | None = None
) -> Mapping[str, Looked]:
    """Return what is found of every support of which there is anything: from lotteries, else from what was observed.

    Args:
        records: the school's records.
        db: the database, in which what came of draws is recorded already (:func:`came`); None where there is none.
        tenant: whose students they are.
        catalogue: the help that there is.
        until: the day on which outcomes are looked at.
        since: the day from which help that was not drawn for is looked at, given or not; None leaves it out.

    """
    spreads = _Spreads(records, until)
    found: dict[str, Looked] = {}
    for support in _drawn_for(catalogue) if db is not None else ():
        assert db is not None
        drew = [one for one in offers.in_draws(db, tenant, support) if _of_round(one) is not None]
        if any(one.outcome is not None for one in drew):
            outcome = outcome_of(catalogue[support])
            finding = estimation.of_offers(drew, _before_draws(records, drew))
            found[support] = _looked(finding, outcome, spreads, until)
    if since is not None and (until - since).days >= LEAST_DAYS and records.holds("supports"):
        for support, (observed, alike) in _observed(records, catalogue, since, until, frozenset(found)).items():
            found[support] = _looked(observed, outcome_of(catalogue[support]), spreads, until, alike=alike)
    claims = estimation.claimed([one.finding for one in found.values() if one.finding is not None and one.why is None])
    return {key: replace(one, claimed=key in claims) for key, one in sorted(found.items())}


def wave(records: SchoolRecords, until: date) -> date | None:
    """Return the day after which most help began that can be looked at: within a year, and long enough before a day.

    Schools begin with help in waves, after a report or a round of talks. None where no help is on record.
    """
    if not records.holds("supports"):
        return None
    begun = records.visible("supports", [until]).select("begins_on").collect()["begins_on"]
    days = [one for one in begun if until - timedelta(days=365) <= one <= until - timedelta(days=LEAST_DAYS)]
    within = timedelta(days=BEGINS_WITHIN)
    counts = {start - timedelta(days=1): sum(start <= one < start + within for one in days) for start in sorted(set(days))}
    return max(counts, key=lambda day: (counts[day], day), default=None)


def _before_draws(records: SchoolRecords, drew: Sequence[Offer]) -> dict[str, tuple[float, ...]] | None:
    """Return what was known before of everybody in some draws: of the newest draw, for whoever was in several."""
    days = sorted({day for one in drew if (day := _of_round(one)) is not None})
    found: dict[str, tuple[float, ...]] = {}
    for day in days:
        found |= before(records, _stays(records, day), day)
    widths = {len(row) for row in found.values()}
    return found if len(widths) == 1 else None  # years whose records hold other tables cannot be laid side by side


#: Over so many days a district's outcomes are spread.
_SPREAD_DAYS = 120


@dataclass
class _Spreads:
    """The standard deviation of each outcome among the students of the district, over the days before one."""

    records: SchoolRecords
    until: date

    def __call__(self, outcome: Outcome) -> float:
        since = self.until - timedelta(days=_SPREAD_DAYS)
        values = list(_values(self.records, outcome, _stays(self.records, since), since, self.until).values())
        return float(np.std(values)) if values else 0.0


def _looked(finding: Finding | None, outcome: Outcome, spread: _Spreads, until: date, *, alike: bool = True) -> Looked:
    why = effect_shown(finding.estimate if finding else None).why
    why = "not_alike" if why is None and not alike else why
    if finding is None or why is not None:
        return Looked(finding, outcome.name, None, why)
    own = finding.measured(spread(outcome), until, higher_is_better=outcome.higher_is_better)
    return Looked(finding, outcome.name, own, None)


def _observed(
    records: SchoolRecords, catalogue: Catalogue, since: date, until: date, drawn: frozenset[str]
) -> dict[str, tuple[Finding, bool]]:
    """Return what is found of help that nobody drew for, of those whose help began soon after a day and of all others.

    Whoever had the same help by that day, or began with it later, is left out: they are neither. Beside each finding stands
    whether both sides were alike before by the same comparison, made of the weeks before anybody had the help (a negative
    control: Lipsitch, Tchetgen Tchetgen and Cohen 2010). What differs then was not made by the help: staff gave it by
    something that the records do not hold, which no weighing takes out.
    """
    stays = _stays(records, since)
    earlier = since - timedelta(days=DAYS_BEFORE[0])
    known, known_earlier = before(records, stays, since), before(records, stays, earlier)
    begun = records.visible("supports", [until]).select("student_id", "intervention_id", "begins_on").collect()
    soon = pl.col("begins_on").is_between(since, since + timedelta(days=BEGINS_WITHIN), closed="right")
    lately = pl.col("begins_on") > since - timedelta(days=365)
    found: dict[str, tuple[Finding, bool]] = {}
    for support in _drawn_for(catalogue):
        mine = begun.filter(pl.col("intervention_id") == support)
        had, other = set(mine.filter(soon)["student_id"]), set(mine.filter(~soon & lately)["student_id"])
        if support in drawn or len(had) < LEAST:
            continue
        outcome = outcome_of(catalogue[support])

        def compared(
            what: Mapping[str, tuple[float, ...]], first: date, last: date, had: set[str] = had, other: set[str] = other,
            outcome: Outcome = outcome, support: str = support,
        ) -> Finding | None:  # fmt: skip
            values = _values(records, outcome, stays, first, last)
            here = [who for who in stays["student_id"] if who in values and (who in had or who not in other)]
            if not here:
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # DoubleML's, of bounds for what is not on record: nobody asks for these
                return estimation.from_observed(
                    support, np.array([who in had for who in here]), np.array([values[who] for who in here]),
                    np.array([what[who] for who in here], dtype=np.float64), outcome.name,
                )  # fmt: skip

        finding = compared(known, since, until)
        if finding is not None:
            nothing = compared(known_earlier, earlier, since) if effect_shown(finding.estimate).says == "shown" else None
            found[support] = finding, nothing is not None and nothing.p > NOT_BY_CHANCE
    return found


# -- where it is kept -------------------------------------------------------------------------------------------------


def keep(folder: Path, looked: Mapping[str, Looked], on: date) -> None:
    """Keep what was found in a tenant's folder, in the place of what was found before."""
    rows = {}
    for key, one in looked.items():
        found = {} if one.finding is None else asdict(one.finding.estimate)
        estimate = {name: _plain(value) for name, value in found.items()} or None
        measured = None if one.measured is None else {**asdict(one.measured), "on": one.measured.on.isoformat()}
        rows[key] = {"estimate": estimate, "p": _plain(one.finding.p) if one.finding else None, "outcome": one.outcome,
                     "measured": measured, "why": one.why, "claimed": one.claimed}  # fmt: skip
    building = folder / f".{FILE}"
    building.write_text(json.dumps({"on": on.isoformat(), "supports": rows}, indent=1, sort_keys=True))
    building.replace(folder / FILE)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kept(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / FILE
    found: dict[str, dict[str, Any]] = json.loads(path.read_text())["supports"] if path.exists() else {}
    return found


def estimates(folder: Path) -> Mapping[str, Estimate]:
    """Return what was found of supports, by key, as it was last kept in a tenant's folder.

    Where both sides differed before the help, the balance is infinite: nothing of it may be shown (:mod:`serving.effects`).
    """
    found = {}
    for key, row in _kept(folder).items():
        if row["estimate"] is not None:
            told: dict[str, Any] = {name: math.nan if value is None else value for name, value in row["estimate"].items()}
            found[key] = Estimate(**{**told, "balance": math.inf} if row["why"] == "not_alike" else told)
    return found


def with_own(catalogue: Catalogue, folder: Path) -> Catalogue:
    """Return a catalogue with what was found here beside what was published, where the district wrote down nothing itself."""
    own = {
        key: Measured(**{**row["measured"], "on": date.fromisoformat(row["measured"]["on"])})
        for key, row in _kept(folder).items()
        if row["measured"] is not None and key in catalogue and catalogue[key].measured is None
    }
    return catalogue.with_measured(own) if own else catalogue

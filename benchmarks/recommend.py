"""What recommendations are worth on simulated districts whose true effects are known, beside five other ways to give help.

Each seed is a district of its own. On 1 October of its last year help is given out in six ways, with the same places: none;
at random; to those with the highest scores first; by a rules table (top factor to entry); as recommended and allocated here;
and as well as could be done by somebody who knows what each support would do for each student. Then the year is run again
under each, on the same luck, by :mod:`homeroom.simulate.helping`; what is recommended sees records and nothing else.

What was averted is told in three ways: of all days missed, core marks failed and students leaving that were to be expected
without help the share averted, each outcome counting as much (``burden``, the first figure); the sum of the chances of
leaving, of a tenth of the days missed and of a core mark failed, of which each can be averted once (``chances``); and days.

``ours`` is what is recommended and allocated, by the steps of a school's list, and ``ours_after_a_lottery`` the same with
effects measured here. Three ways show what keeps them from the best: ``true_effects`` is ours with the share of each outcome
that each support truly averts on average, ``true_stakes`` with what every student truly had to lose as it stood on that day,
``both`` with both. ``foreseen`` is the best plan for somebody who knew every trait and all strain of every student on that day
and nothing yet to come: more than that nobody could do. ``highest_first`` gives the strongest help by the catalogue first.

In the year before, places are drawn by lot among those for whom a support is possible, and the probabilities recorded. From
who was offered what and what came of them each effect is estimated, and the recommendations are made again with it.

Whether intervals hold what they should is asked of many small districts without models (:func:`drawn`): offers by lot, help
given by what is on record (where the doubly robust estimate has all it needs), and help as staff gave it by what they saw,
of which the records hold a part.

With ``--arrays FOLDER`` each district's figures are kept, and a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords
from features.sources.tables import Tables
from homeroom.simulate.biased import records_of
from homeroom.simulate.helping import Replay, replays
from homeroom.simulate.run import simulate
from homeroom.simulate.truth import Seen
from homeroom.simulate.world import World
from homeroom.simulate.years import of_world
from serving import catalogue, estimation, needs, recommend
from serving.allocation import allocate
from serving.catalogue import Catalogue
from serving.effects import effect_shown
from serving.estimation import Finding
from serving.recommend import Need
from serving.scoring import Risk, feature_tables, score
from training.run import PARAMETERS, Training
from training.train import train
from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Students of a district, of the one that the models are learned from, and its seed and the first of the others'.
STUDENTS, TAUGHT, TEACHES, FIRST = 700, 2_000, 900, 3_000

#: Students of a district in which estimates alone are looked at, its seeds, and how many of them for each of ``--seeds``.
SMALL, FIRST_SMALL, TIMES_MORE = 600, 20_000, 5

#: How often offers are dealt again: enough for one in twenty among ten supports.
DEALS = 499

#: Of which supports doubly robust estimates are looked at in these: by what is on record, and as staff gave them.
BY_RECORD, BY_STAFF = ("att_text", "tutor_hd"), ("att_mail", "att_text")

WORLDS = ("default", "null_effects", "harmful_support", "wrong_effects", "misattributed", "other_prerequisites")
FOLDER = Path(__file__).resolve().parents[1] / "homeroom" / "simulate" / "worlds"

GOAL_OF_BEST, GOAL_OF_HIGHEST = 0.8, 1.3

#: The most new supports that one student is given; how many of those offered a place refuse it, and the least dose of the rest.
MOST_EACH, REFUSES, LEAST_DOSE = 2, 0.15, 0.6

TARGETS = ("dropout", "chronic_absence", "course_failure")
TEACHING = Training(days=(14, 42), judged_days=(42,), refits=0, explained=20, proof_rows=4_000, bootstrap_draws=40,
                    shift_parts=0, parameters={**PARAMETERS, "num_threads": 1})  # fmt: skip

#: What each support is looked at by: the outcome that it is given for, and whether more of it is better.
LOOKED_AT = {"tutor_hd": "mark", "work_plan": "mark"}

#: The rules table: what is done for the factor that weighs most, the first that has a place left.
TABLE: Mapping[str, tuple[str, ...]] = {
    "attendance_chronic": ("att_home", "mentor_success", "check_connect"), "attendance_mild": ("att_mail", "att_text"),
    "coursework": ("work_plan", "att_text"), "course_failure": ("tutor_hd",), "learning_gap": ("tutor_hd",),
    "behaviour": ("cico", "mentor_youth"), "behaviour_intensive": ("check_connect",), "exclusion": ("restorative",),
}  # fmt: skip

POLICIES = (
    "random",
    "highest_first",
    "rules_table",
    "ours",
    "ours_after_a_lottery",
    "true_effects",
    "true_stakes",
    "both",
    "foreseen",
    "best",
)


# -- what is known on a day ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Known:
    """What the records of a district say on a day, by student of a year: needs, scores, and covariates known before.

    ``here`` tells who is enrolled on that day.
    """

    needs: tuple[Need, ...]
    score: Floats
    before: Floats
    day: date
    here: Flags


def known(records: SchoolRecords, year: Replay, day: date, models: Sequence[TrainedModel]) -> Known:
    """Read what is known on a day of the students of a year, by the same steps as a list of a school."""
    rows = {key: at for at, key in enumerate(year.enrolments)}
    tables = feature_tables(records, enrolled(records, pl.DataFrame({"as_of": [day]})), models)
    chance = np.full((len(TARGETS), len(year)), np.nan)
    risks: dict[int, list[Risk]] = {}
    for number, model in enumerate(models):
        table = tables[model.target.name]
        mine = np.array([rows.get(key, -1) for key in table.keys["enrolment_id"].to_list()])
        told = model.score(table, explain=False).probability
        sums = np.bincount(mine[mine >= 0], weights=told[mine >= 0], minlength=len(year))
        counts = np.bincount(mine[mine >= 0], minlength=len(year))
        chance[number] = np.divide(sums, counts, out=chance[number], where=counts > 0)
        # Only of whom something is suggested are reasons looked for, so only they are explained.
        listed = np.flatnonzero((mine >= 0) & [model.band(float(one)) in needs.CONCERNED for one in told])
        for risk in score(table.take(listed), model) if len(listed) else ():
            risks.setdefault(rows[risk.enrolment_id or ""], []).append(risk)
    here = np.isfinite(chance).any(axis=0)
    table = tables["chronic_absence"]
    place = np.array([rows.get(key, -1) for key in table.keys["enrolment_id"].to_list()])
    facts = np.full((len(BEFORE), len(year)), np.nan)
    for number, name in enumerate(BEFORE):
        facts[number, place[place >= 0]] = table.values[place >= 0, table.catalog.names.index(name)]
    factors = {year.students[at]: needs.of_risks(each) for at, each in risks.items()}
    stakes = {who: needs.stakes((name, float(one)) for name, one in zip(TARGETS, each, strict=True) if np.isfinite(one))
              for who, each in zip(year.students, chance.T, strict=True)}  # fmt: skip
    columns = np.vstack([chance, facts])
    middle = np.array([np.nanmedian(column) if np.isfinite(column).any() else 0.0 for column in columns])
    return Known(
        _needs(records, day, year, factors, stakes),
        np.nan_to_num(chance).mean(axis=0), np.where(np.isnan(columns), middle[:, None], columns).T, day, here,
    )  # fmt: skip


#: What is taken out of outcomes before offers are compared, beside the models' chances: all of it known on the day.
BEFORE = ("absence_rate", "absence_rate_last_year", "report_mean_before", "missing_share_56d", "grade_level")


def _needs(records: SchoolRecords, day: date, year: Replay, factors: Mapping[str, Mapping[str, float]],
           stakes: Mapping[str, needs.Stakes]) -> tuple[Need, ...]:  # fmt: skip
    """Return everybody's needs, consent asked for and given: whoever is offered a place may still refuse it."""
    found = needs.needs(records, day, factors, at_stake=stakes)
    said = frozenset(year.supports)
    return tuple(replace(found[who], consents=said) if who in found else Need(who, {}) for who in year.students)


# -- ways to give help --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Places:
    """How many places of each support each school has, and who could be given which."""

    supports: tuple[str, ...]
    schools: tuple[str, ...]
    places: Mapping[tuple[str, str | None], int]
    able: Flags


def places(year: Replay, entries: Catalogue, here: Flags) -> Places:
    """Return the places of a year: the world's for each support that the catalogue has too. What is owed is no place."""
    given = year.world.supports
    names = tuple(one for one in year.supports
                  if one in entries and one != catalogue.CONVERSATION and not entries[one].entitlement)  # fmt: skip
    counts = {school: year.schools.count(school) for school in sorted(set(year.schools))}
    room: dict[tuple[str, str | None], int] = {
        (name, school): round(given[name].places_per_100 / 100 * count)
        for name in names for school, count in counts.items()
    }  # fmt: skip
    able = np.array([np.isin(year.grades, given[name].grades) for name in names]).T & here[:, None]
    return Places(names, year.schools, room, able)


def in_turn(told: Places, order: npt.NDArray[np.intp], wishes: Callable[[int], Sequence[str]], most: int) -> Flags:
    """Give help in an order: each gets what they wish for, in the order of their wishes, while there are places."""
    left, at = dict(told.places), {name: number for number, name in enumerate(told.supports)}
    gets = np.zeros(told.able.shape, bool)
    for who in order.tolist():
        for name in wishes(who):
            if gets[who].sum() >= most:
                break
            if told.able[who, at[name]] and left[name, told.schools[who]] > 0:
                gets[who, at[name]] = True
                left[name, told.schools[who]] -= 1
    return gets


def allocated(told: Places, scores: Floats, students: Sequence[str], seed: int) -> Flags:
    """Give help as the integer program allocates it, by a score for each student and support."""
    who, what = np.nonzero((scores > 0) & told.able)
    frame = pl.DataFrame({
        "student_id": [students[at] for at in who.tolist()], "intervention_id": [told.supports[at] for at in what.tolist()],
        "score": scores[who, what].astype(np.float64), "school": [told.schools[at] for at in who.tolist()],
    }, schema_overrides={"score": pl.Float64})  # fmt: skip
    gets = np.zeros(told.able.shape, bool)
    if frame.height:
        rows, columns = {key: at for at, key in enumerate(students)}, {key: at for at, key in enumerate(told.supports)}
        offers = allocate(frame, dict(told.places), seed=seed, most_each=MOST_EACH, tolerance=0.0).offers
        for student, support in offers.select("student_id", "intervention_id").iter_rows():
            gets[rows[student], columns[support]] = True
    return gets


def recommended(wants: Sequence[Need], day: date, told: Places, entries: Catalogue) -> Floats:
    """Return the score of each support for each student, 0 where it is not possible: as recommendations rank them."""
    scores, at = np.zeros(told.able.shape), {name: number for number, name in enumerate(told.supports)}
    for who, need in enumerate(wants):
        for option in recommend.possible(need, entries, day):
            if option.intervention_id in at:
                scores[who, at[option.intervention_id]] = option.score
    return scores


def knowing(year: Replay, wants: Sequence[Need], scores: Floats, told: Places, entries: Catalogue, *, effects: bool,
            stakes: bool) -> Floats:  # fmt: skip
    """Return scores as ours would be by somebody who knew true effects, or what each student truly had to lose, or both.

    What is possible for whom stays as it is, and so does what each factor leads to unless effects are known.
    """
    nothing = np.zeros((len(year), len(year.supports)), bool)
    foreseen, alone, none = year.foreseen().outcome(nothing), year.alone(), year.outcome(nothing)
    had = dict(zip(recommend.OUTCOMES, _amounts(foreseen), strict=True))
    share = {name: [float((before - after).sum() / before.sum()) for before, after in
                    zip(_amounts(none), _amounts(alone[name]), strict=True)] for name in told.supports}  # fmt: skip
    found = np.zeros(scores.shape)
    for who, at in zip(*np.nonzero(scores > 0), strict=True):
        one = entries[told.supports[at]]
        for number, outcome in enumerate(recommend.OUTCOMES):
            mine = had[outcome][who] / had[outcome].mean() if stakes else wants[who].stakes.get(outcome, 1.0)
            leads = any(outcome in recommend.LEADS_TO.get(name, ()) for name in one.factors if name in wants[who].factors)
            found[who, at] += mine * (share[one.id][number] if effects else leads * one.averts * one.weight)
    return np.maximum(found, 0)


def _amounts(seen: Seen) -> tuple[Floats, ...]:
    """Return what was to be expected of each of :data:`~serving.recommend.OUTCOMES`, by student."""
    return (np.asarray(seen.expected_days, float), np.asarray(seen.expected_failed, float),
            np.asarray(seen.probability[:, 0], float))  # fmt: skip


# -- what it is worth ---------------------------------------------------------------------------------------------------


def averted(none: Seen, some: Seen) -> dict[str, float]:
    """Return what was averted of what was to be expected without help."""
    of = {"days": (none.expected_days, some.expected_days), "marks": (none.expected_failed, some.expected_failed),
          "leaving": (none.probability[:, 0], some.probability[:, 0])}  # fmt: skip
    shares = {name: float((before - after).sum() / before.sum()) for name, (before, after) in of.items()}
    return {
        "burden": float(np.mean(list(shares.values()))), **{f"burden_{name}": share for name, share in shares.items()},
        "chances": float((none.probability - some.probability).sum()),
        "days_gained": float((none.expected_days - some.expected_days).sum()),
    }  # fmt: skip


def worth(year: Replay, told: Places, by: str) -> Floats:
    """Return what each support alone is worth to each student, by one way of telling: known to nobody but the best."""
    none, alone = year.outcome(np.zeros((len(year), len(year.supports)), bool)), year.alone()
    found = np.zeros(told.able.shape)
    for at, name in enumerate(told.supports):
        some = alone[name]
        if by == "chances":
            found[:, at] = (none.probability - some.probability).sum(axis=1)
        else:
            found[:, at] = ((none.expected_days - some.expected_days) / none.expected_days.sum()
                            + (none.expected_failed - some.expected_failed) / none.expected_failed.sum()
                            + (none.probability[:, 0] - some.probability[:, 0]) / none.probability[:, 0].sum()) / 3  # fmt: skip
    return found


def whole(year: Replay, told: Places, gets: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a plan of some supports as one of all."""
    found = np.zeros((len(year), len(year.supports)), gets.dtype)
    found[:, [year.supports.index(name) for name in told.supports]] = gets
    return found


# -- learning whether it helps ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Learned:
    """What a year of lotteries found: by support the finding, the true effect of the same offers, and the catalogue after.

    ``size`` is the true effect in standard deviations of the outcome, above zero where it helps.
    """

    findings: tuple[Finding, ...]
    true: Mapping[str, float]
    size: Mapping[str, float]
    entries: Catalogue


def lottery_year(year: Replay, then: Known, entries: Catalogue, seed: int) -> Learned:
    """Draw the places of a year by lot among those for whom a support is possible, and estimate what it did.

    One in seven refuses, the others have from six tenths of the dose on. Who has two offers already is in no further draw,
    and the probability recorded is that of the draw each was in.
    """
    told, rng = places(year, entries, then.here), np.random.default_rng([seed, 7])
    possible = (recommended(then.needs, then.day, told, entries) > 0) & told.able
    offered, chance = np.zeros(told.able.shape, bool), np.zeros(told.able.shape)
    in_draw, schools = np.zeros(told.able.shape, bool), np.array(told.schools)
    for at in rng.permutation(len(told.supports)):
        for school in sorted(set(told.schools)):
            pool = np.flatnonzero(possible[:, at] & (schools == school) & (offered.sum(axis=1) < MOST_EACH))
            room = min(told.places[told.supports[at], school], len(pool))
            if 0 < room < len(pool):
                chance[pool, at], in_draw[pool, at] = room / len(pool), True
                offered[rng.choice(pool, room, replace=False), at] = True
    dose = np.where(rng.random(offered.shape) < REFUSES, 0.0, LEAST_DOSE + (1 - LEAST_DOSE) * rng.random(offered.shape))
    came = year.outcome(whole(year, told, offered * dose))
    findings, true, size, measured = [], {}, {}, {}
    for at, name in enumerate(told.supports):
        pool = np.flatnonzero(in_draw[:, at])
        if not len(pool):
            continue
        by = LOOKED_AT.get(name, "days")
        outcome = np.asarray(getattr(came, by), np.float64)
        found = estimation.from_lottery(
            name, offered[pool, at], outcome[pool], list(schools[pool]), chance[pool, at], by, then.before[pool], seed=seed,
        )  # fmt: skip
        findings.append(found)
        ends = []
        for everybody in (1.0, 0.0):
            gets = offered * dose
            gets[pool, at] = everybody * dose[pool, at]
            ends.append(np.asarray(getattr(year.outcome(whole(year, told, gets)), by), np.float64)[pool])
        true[name] = float(np.nanmean(ends[0] - ends[1]))
        here = np.asarray(getattr(came, by), np.float64)[then.here]
        size[name] = (1 if by == "mark" else -1) * true[name] / float(np.nanstd(here))
        own = found.measured(float(np.nanstd(here)), then.day, higher_is_better=by == "mark")
        if own is not None:
            measured[name] = own
    return Learned(tuple(findings), true, size, entries.with_measured(measured))


def told_of(findings: Sequence[Finding], true: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return findings as plain values, each beside the truth."""
    return [{"support": one.estimate.support, "effect": one.estimate.effect, "low": one.estimate.low, "high": one.estimate.high,
             "true": true[one.estimate.support], "p": one.p, "offered": one.estimate.n_offered,
             "shown": effect_shown(one.estimate).says, "why": effect_shown(one.estimate).why} for one in findings]  # fmt: skip


def drawn(world: World, seed: int, staff: bool) -> dict[str, list[dict[str, Any]]]:
    """Look for effects in one small district in three ways, without any model; return each finding beside the truth.

    What is known before is last year's days and mark and the grade. Places are drawn by lot among everybody whom a support
    is for; or are the likelier the more was missed last year and the lower the mark was, which is all on record; or are
    given as staff gave them, where that is asked for: it takes the records, and so twice as long.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = replays(world, SMALL, seed, Path(folder) / "district", (-2, -3))
        records = records_of(Path(folder) / "district") if staff else None
    year, last, rng = made[-2], made[-3], np.random.default_rng([seed, 13])
    before = _before(year, last)
    drive = 0.3 * before[:, 0] - 0.3 * before[:, 1]
    told = places(year, catalogue.shipped(), np.ones(len(year), bool))
    schools = np.array(told.schools)
    dose = np.where(rng.random(told.able.shape) < REFUSES, 0.0, LEAST_DOSE + (1 - LEAST_DOSE) * rng.random(told.able.shape))
    offered, chance, had = np.zeros(told.able.shape, bool), np.zeros(told.able.shape), np.zeros(told.able.shape, bool)
    for at, name in enumerate(told.supports):
        for school in sorted(set(told.schools)):
            pool = np.flatnonzero(told.able[:, at] & (schools == school))
            room = min(2 * told.places[name, school], len(pool) // 2)
            chance[pool, at] = room / max(len(pool), 1)
            offered[rng.choice(pool, room, replace=False), at] = True
        had[:, at] = told.able[:, at] & (rng.random(len(year)) < 1 / (1 + np.exp(1.5 - drive)))
    found: dict[str, list[dict[str, Any]]] = {}
    by_lot, by_record = (year.outcome(whole(year, told, gets)) for gets in (offered * dose, had))
    by_staff = year.as_given()
    given, other = (np.zeros(told.able.shape, bool),) * 2 if records is None else _by_staff(year, records, told)
    findings: dict[str, tuple[list[Finding], dict[str, float]]] = {way: ([], {}) for way in ("lottery", "record", "staff")}
    for at, name in enumerate(told.supports):
        by = LOOKED_AT.get(name, "days")
        pool = np.flatnonzero(told.able[:, at])

        def true(plan: Floats, mine: npt.NDArray[np.intp], size: Floats, at: int = at, by: str = by) -> float:
            ends = []
            for dealt in (size, np.zeros(len(size))):
                gets = plan.copy()
                gets[mine, at] = dealt[mine]
                ends.append(np.asarray(getattr(year.outcome(whole(year, told, gets)), by), np.float64)[mine])
            return float(np.nanmean(ends[0] - ends[1]))

        if 0 < offered[pool, at].sum() < len(pool):
            outcome = np.asarray(getattr(by_lot, by), np.float64)
            findings["lottery"][0].append(estimation.from_lottery(
                name, offered[pool, at], outcome[pool], list(schools[pool]), chance[pool, at], by, before[pool], deals=DEALS,
                seed=seed))  # fmt: skip
            findings["lottery"][1][name] = true(offered * dose, pool, dose[:, at])
        if name in BY_RECORD:
            outcome = np.asarray(getattr(by_record, by), np.float64)
            findings["record"][0].append(estimation.from_observed(name, had[pool, at], outcome[pool], before[pool], by))
            findings["record"][1][name] = true(had.astype(float), np.flatnonzero(had[:, at]), np.ones(len(year)))
        kept = np.flatnonzero(told.able[:, at] & ~other[:, at])
        if name in BY_STAFF and given[kept, at].any():
            outcome = np.asarray(getattr(by_staff, by), np.float64)
            findings["staff"][0].append(estimation.from_observed(name, given[kept, at], outcome[kept], before[kept], by))
            without = np.asarray(getattr(year.as_given(but=name), by), np.float64)
            findings["staff"][1][name] = float(np.nanmean((outcome - without)[given[:, at]]))
    for way, (each, truth) in findings.items():
        claims = estimation.claimed(each)
        found[way] = [{**one, "claimed": one["support"] in claims} for one in told_of(each, truth)]
    return found


def _before(year: Replay, last: Replay) -> Floats:
    """Return last year's days and mean mark in standard deviations, whether they are on record, and the grade."""
    came = last.as_given()
    rows = {who: at for at, who in enumerate(last.students)}
    at = np.array([rows.get(who, -1) for who in year.students])
    columns = []
    for each in (came.days, came.mark):
        value = np.where(at >= 0, np.asarray(each, np.float64)[at], np.nan)
        value = np.where(np.isnan(value), np.nanmedian(value), value)
        columns.append((value - value.mean()) / max(float(value.std()), 1e-9))
    return np.stack([*columns, (at < 0).astype(float), year.grades.astype(float)], axis=1)


def _by_staff(year: Replay, records: SchoolRecords, told: Places) -> tuple[Flags, Flags]:
    """Return to whom staff gave each support from the first round of the year on, and to whom later."""
    begun = records.labels("supports").select("student_id", "intervention_id", "begins_on").unique().collect()
    first = date(int(year.year[:4]), 10, 1)
    begun = begun.filter(pl.col("begins_on").is_between(first, date(first.year + 1, 7, 1)))
    rows, columns = ({key: at for at, key in enumerate(each)} for each in (year.students, told.supports))
    given, other = np.zeros(told.able.shape, bool), np.zeros(told.able.shape, bool)
    for student, support, on in begun.iter_rows():
        if student in rows and support in columns:
            (given if on.month == first.month else other)[rows[student], columns[support]] = True
    return given, other & ~given


# -- one district -------------------------------------------------------------------------------------------------------


def district(world: World, seed: int, models: Sequence[TrainedModel]) -> dict[str, Any]:
    """Give help out in one district in every way, and return what each averted and what the lotteries found."""
    entries, years = catalogue.shipped(), of_world(world.years)
    with tempfile.TemporaryDirectory() as folder:
        made = replays(world, STUDENTS, seed, Path(folder) / "district", (-1, -2))
        records = records_of(Path(folder) / "district")
    year, last = made[-1], made[-2]
    now = known(records, year, date(years[-1].first, 10, 1), models)
    then = known(records, last, date(years[-2].first, 10, 1), models)
    learned = lottery_year(last, then, entries, seed)
    told, rng = places(year, entries, now.here), np.random.default_rng([seed, 11])
    strongest = sorted(told.supports, key=lambda name: -entries[name].published * entries[name].weight)
    order, here = np.argsort(-now.score, kind="stable"), np.flatnonzero(now.here)
    order = order[now.here[order]]
    scores = recommended(now.needs, now.day, told, entries)
    plans = {
        "random": in_turn(told, rng.permutation(here), lambda _: list(rng.permutation(told.supports)), MOST_EACH),
        "highest_first": in_turn(told, order, lambda _: strongest, MOST_EACH),
        "rules_table": in_turn(told, order, lambda who: _by_table(now.needs[who]), 1),
        "ours": allocated(told, scores, year.students, seed),
        "ours_after_a_lottery": allocated(told, recommended(now.needs, now.day, told, learned.entries), year.students, seed),
        **{
            name: allocated(
                told, 1e3 * knowing(year, now.needs, scores, told, entries, effects=effects, stakes=stakes), year.students, seed
            )
            for name, effects, stakes in (("true_effects", True, False), ("true_stakes", False, True), ("both", True, True))
        },
        "foreseen": allocated(told, np.maximum(worth(year.foreseen(), told, "burden"), 0) * 1e3, year.students, seed),
    }
    none = year.outcome(np.zeros((len(year), len(year.supports)), bool))
    found = {name: averted(none, year.outcome(whole(year, told, gets))) for name, gets in plans.items()}
    best = {by: averted(none, year.outcome(whole(year, told, allocated(told, np.maximum(worth(year, told, by), 0) * 1e3,
                                                                         year.students, seed))))
            for by in ("burden", "chances")}  # fmt: skip
    found["best"] = best["burden"] | {"chances": best["chances"]["chances"]}
    return {
        "seed": seed, "averted": found, "given": {name: int(gets.sum()) for name, gets in plans.items()},
        "claimed": sorted(estimation.claimed(learned.findings)),
        "effects": [{"support": one.estimate.support, "effect": one.estimate.effect, "low": one.estimate.low,
                     "high": one.estimate.high, "true": learned.true[one.estimate.support], "p": one.p,
                     "truth": learned.size[one.estimate.support], "published": entries[one.estimate.support].published,
                     "after": learned.entries[one.estimate.support].expected} for one in learned.findings],
    }  # fmt: skip


def _by_table(need: Need) -> Sequence[str]:
    if not need.factors:
        return ()
    top = max(need.factors, key=lambda name: (need.factors[name], name))
    return TABLE.get(top, ())


# -- all of them --------------------------------------------------------------------------------------------------------


def taught(folder: Path) -> list[TrainedModel]:
    """Return models of a district of the default world that is none of those that are judged."""
    simulate(TAUGHT, TEACHES, folder / "taught", World(), workers=1)
    records, years = records_of(folder / "taught"), of_world(World().years)
    return [one.model for one in train(records, TARGETS, TEACHING, years[-2].starts_on, Tables().pass_mark)]


def interval(values: Floats, draws: int = 2_000) -> tuple[float, float]:
    """Return a 95% interval of a mean by drawing seeds again."""
    rng = np.random.default_rng(1)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def of_ratio(above: Floats, below: Floats, draws: int = 2_000) -> tuple[float, float, float]:
    """Return a ratio of sums over seeds, with its 95% interval."""
    rng = np.random.default_rng(1)
    at = rng.integers(0, len(above), (draws, len(above)))
    ratios = above[at].sum(axis=1) / below[at].sum(axis=1)
    return float(above.sum() / below.sum()), float(np.quantile(ratios, 0.025)), float(np.quantile(ratios, 0.975))


def summary(found: Sequence[Mapping[str, Any]], by: str) -> dict[str, Any]:
    """Return the means of each way over the seeds, and the ratios that are asked for where there is anything to gain."""
    value = {name: np.array([one["averted"][name][by] for one in found]) for name in POLICIES}
    told: dict[str, Any] = {name: (float(each.mean()), *interval(each)) for name, each in value.items()}
    if value["best"].mean() > 0:
        for name in POLICIES[:-1]:
            told[f"{name}_of_best"] = of_ratio(value[name], value["best"])
        for name in POLICIES[2:8]:
            told[f"{name}_of_highest_first"] = of_ratio(value[name], value["highest_first"])
    return told


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    found: dict[str, Any] = {"goal": {"of_best": GOAL_OF_BEST, "of_highest_first": GOAL_OF_HIGHEST}, "students": STUDENTS,
                             "seeds": told.seeds, "worlds": {}}  # fmt: skip
    keep = Path(told.arrays) if told.arrays else None
    worlds = {name: World.read(FOLDER / f"{name}.toml") for name in WORLDS}
    many = range(FIRST_SMALL, FIRST_SMALL + TIMES_MORE * told.seeds)
    for name in ("default", "null_effects"):
        each = [_kept(keep, f"drawn-{name}-{seed}", partial(drawn, worlds[name], seed, seed % TIMES_MORE == 0))
                for seed in many]  # fmt: skip
        found["worlds"][name] = {"estimates": _estimates(name, each)}
    with tempfile.TemporaryDirectory() as folder:
        models = taught(Path(folder))
    for name, world in worlds.items():
        began = time.perf_counter()
        each = [_kept(keep, f"{name}-{seed}", partial(district, world, seed, models))
                for seed in range(FIRST, FIRST + told.seeds)]  # fmt: skip
        effects = [one for district_ in each for one in district_["effects"]]
        covered = float(np.mean([one["low"] <= one["true"] <= one["high"] for one in effects]))
        claims = float(np.mean([bool(one["claimed"]) for one in each]))
        figures = {by: summary(each, by) for by in ("burden", "chances", "days_gained")}
        off = [float(np.mean([abs(one[which] - one["truth"]) for one in effects])) for which in ("published", "after")]
        found["worlds"][name] = {**found["worlds"].get(name, {}), "figures": figures, "intervals_hold": covered,
                                 "claims": claims, "distance_published": off[0], "distance_after": off[1],
                                 "looked_at": len(effects), "seconds": time.perf_counter() - began}  # fmt: skip
        _print(name, figures, covered, len(effects), claims)
        print(f"  from the true effect: {off[0]:.3f} standard deviations as published, {off[1]:.3f} after a year of lots")
    ratios = found["worlds"]["default"]["figures"]["burden"]
    found["ratio"] = min(ratios["ours_of_best"][0] / GOAL_OF_BEST, ratios["ours_of_highest_first"][0] / GOAL_OF_HIGHEST)
    return found


def _kept(folder: Path | None, name: str, make: Callable[[], Any]) -> Any:
    """Return what was kept under a name in a folder, or make and keep it."""
    path = None if folder is None else folder / f"recommend-{name}.json"
    if path is not None and path.exists():
        return json.loads(path.read_text())
    made = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made))
    return made


def _estimates(name: str, each: Sequence[Mapping[str, Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """Return and print by way of giving help how many intervals may be shown and hold the truth, and how often one claims."""
    found = {}
    for way in ("lottery", "record", "staff"):
        seen = [one for district_ in each for one in district_[way]]
        shown = [one for one in seen if one["shown"] == "shown"]
        held = [one["low"] <= one["true"] <= one["high"] for one in shown]
        claims = [any(one["claimed"] for one in district_[way]) for district_ in each if district_[way]]
        low, high = interval(np.array(claims, float))
        found[way] = {"estimates": len(seen), "shown": len(shown), "hold": float(np.mean(held)) if held else None,
                      "none_claimed": 1 - float(np.mean(claims)), "none_claimed_interval": [1 - high, 1 - low],
                      "hold_by_support": {support: float(np.mean([at for one, at in zip(shown, held, strict=True)
                                                                  if one["support"] == support]))
                                          for support in sorted({one["support"] for one in shown})}}  # fmt: skip
        share = f"{np.mean(held):.1%}" if held else "none"
        print(
            f"{name}, {way}: {len(shown):,} of {len(seen):,} may be shown, of which {share} hold the truth; "
            f"none claimed in {1 - np.mean(claims):.0%} of {len(claims)} districts ({1 - high:.0%} to {1 - low:.0%})"
        )
    return found


def _print(name: str, figures: Mapping[str, Mapping[str, Any]], covered: float, estimates: int, claims: float) -> None:
    print(f"{name}: an effect claimed in {claims:.0%} of seeds; {covered:.1%} of {estimates} intervals hold the truth")
    for by, told in figures.items():
        unit = 100 if by == "burden" else 1
        print(f"  {by:12}" + "".join(f"{policy} {unit * told[policy][0]:.2f}  " for policy in POLICIES))
        if "ours_of_best" in told:
            for ratio in [one for one in told if "_of_" in one]:
                middle, low, high = told[ratio]
                print(f"    {ratio:40} {middle:.2f} ({low:.2f} to {high:.2f})")

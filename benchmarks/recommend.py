"""What recommendations are worth on simulated districts whose true effects are known, beside five other ways to give help.

Each seed is a district of its own. On 1 October of its last year help is given out in six ways, with the same places: none;
at random; to those with the highest scores first; by a rules table (top factor to entry); as recommended and allocated here;
and as well as could be done by somebody who knows what each support would do for each student. Then the year is run again
under each, on the same luck, by :mod:`homeroom.simulate.helping`; what is recommended sees records and nothing else.

What was averted is told in three ways: of all days missed, core marks failed and students leaving that were to be expected
without help the share averted, each outcome counting as much (``burden``, the first figure); the sum of the chances of
leaving, of a tenth of the days missed and of a core mark failed, of which each can be averted once (``chances``); and days.

``ours`` is what is recommended and allocated, by the steps of a school's list. ``by_stake`` is the same but for the weights of
factors (:func:`at_stake`), ``..._after_a_lottery`` with effects measured here, ``..._unless_harmful`` with help given up only
where it is known to do harm. ``foreseen`` is the best plan for somebody who knew every trait and all strain of every student on
that day, and nothing yet to come: more than that nobody could do.

In the year before, places are drawn by lot among those for whom a support is possible, and the probabilities recorded. From
who was offered what and what came of them each effect is estimated, and the recommendations are made again with it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
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
from serving.estimation import Finding, beside
from serving.recommend import Need
from serving.scoring import Risk, feature_tables, score
from training.run import PARAMETERS, Training
from training.train import train
from training.trained import TrainedModel

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Students of a district, of the one that the models are learned from, and its seed and the first of the others'.
STUDENTS, TAUGHT, TEACHES, FIRST = 700, 2_000, 900, 1_000

#: Students of a district in which effects are looked for in what was observed: some ten a support are too few.
OBSERVED = 1_200

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

POLICIES = ("random", "highest_first", "rules_table", "ours", "ours_after_a_lottery", "by_stake", "by_stake_after_a_lottery",
            "by_stake_unless_harmful", "foreseen", "best")


# -- what is known on a day ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Known:
    """What the records of a district say on a day, by student of a year: needs, scores, and covariates known before.

    ``stakes`` are the same needs with factors weighed by :func:`at_stake`; ``here`` tells who is enrolled on that day.
    """

    needs: tuple[Need, ...]
    stakes: tuple[Need, ...]
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
    stakes = at_stake(chance, [factors.get(who, {}) for who in year.students])
    columns = np.vstack([chance, facts])
    middle = np.array([np.nanmedian(column) if np.isfinite(column).any() else 0.0 for column in columns])
    return Known(
        _needs(records, day, year, factors), _needs(records, day, year, dict(zip(year.students, stakes, strict=True))),
        np.nan_to_num(chance).mean(axis=0), np.where(np.isnan(columns), middle[:, None], columns).T, day, here,
    )  # fmt: skip


#: What is taken out of outcomes before offers are compared, beside the models' chances: all of it known on the day.
BEFORE = ("absence_rate", "absence_rate_last_year", "report_mean_before", "missing_share_56d", "grade_level")


def _needs(records: SchoolRecords, day: date, year: Replay, factors: Mapping[str, Mapping[str, float]]) -> tuple[Need, ...]:
    """Return everybody's needs, consent asked for and given: whoever is offered a place may still refuse it."""
    found = needs.needs(records, day, factors)
    said = frozenset(year.supports)
    return tuple(replace(found[who], consents=said) if who in found else Need(who, {}) for who in year.students)


def at_stake(chance: Floats, factors: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return factors weighed by how much is at stake: a student's share of what is to be expected in the whole district.

    The weights of :mod:`serving.needs` say what matters most to one student, so that somebody with one small trouble has it
    as fully as somebody with a great one, and places are drawn among all of them. These say how great the trouble is: of each
    outcome that a factor leads to the student's chance as a multiple of the mean, summed. A factor counts where it is a
    reason, or where more than the usual is at stake. It reads no chance that help will work.
    """
    share = np.nan_to_num(chance) / np.nanmean(chance, axis=1, keepdims=True)
    weight = {name: sum(share[TARGETS.index(one)] for one in leads) / len(leads) for name, leads in LEADS_TO.items()}
    most = max(float(np.max(one)) for one in weight.values())
    return [{name: float(one[at]) / most for name, one in weight.items() if one[at] >= 1 or name in mine}
            for at, mine in enumerate(factors)]  # fmt: skip


#: What each factor leads to, of the outcomes that are predicted.
LEADS_TO: Mapping[str, tuple[str, ...]] = {
    "attendance_mild": ("chronic_absence", "dropout"), "attendance_chronic": ("chronic_absence", "dropout"),
    "coursework": ("course_failure", "dropout"), "engagement": ("course_failure", "dropout"),
    "course_failure": ("course_failure",), "learning_gap": ("course_failure",),
    "behaviour": ("dropout",), "behaviour_intensive": ("dropout",), "exclusion": ("dropout",), "persistence": ("dropout",),
}  # fmt: skip


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
    """What a year of lotteries found: by support the finding, the true effect of the same offers, and the catalogue after."""

    findings: tuple[Finding, ...]
    true: Mapping[str, float]
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
    findings, true, measured = [], {}, {}
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
        own = found.measured(float(np.nanstd(here)), then.day, higher_is_better=by == "mark")
        if own is not None:
            measured[name] = own
    return Learned(tuple(findings), true, entries.with_measured(measured))


def observed_year(year: Replay, then: Known, records: SchoolRecords) -> tuple[tuple[Finding, ...], dict[str, float]]:
    """Estimate what the help of a year did to those who had it from October on, and what it truly did to them.

    Staff gave it by what they saw, of which the records hold a part: it is the harder case, and a harder one than it looks.
    """
    begun = records.labels("supports").select("student_id", "intervention_id", "begins_on").unique().collect()
    begun = begun.filter(pl.col("begins_on").is_between(then.day, date(then.day.year + 1, 7, 1)))
    rows = {key: at for at, key in enumerate(year.students)}
    came, findings, true = year.as_given(), [], {}
    for name in year.supports:
        had, other = np.zeros(len(year), bool), np.zeros(len(year), bool)
        for student, on in begun.filter(pl.col("intervention_id") == name).select("student_id", "begins_on").iter_rows():
            if student in rows:
                (had if on.month == then.day.month else other)[rows[student]] = True
        by = LOOKED_AT.get(name, "days")
        kept = np.flatnonzero(then.here & ~other)
        if not had[kept].any():
            continue
        outcome = np.asarray(getattr(came, by), np.float64)
        findings.append(estimation.from_observed(name, had[kept], outcome[kept], then.before[kept], by))
        without = np.asarray(getattr(year.as_given(but=name), by), np.float64)
        mine = had & then.here
        true[name] = float(np.nanmean((outcome - without)[mine]))
    return tuple(findings), true


def told_of(findings: Sequence[Finding], true: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return findings as plain values, each beside the truth."""
    return [{"support": one.estimate.support, "effect": one.estimate.effect, "low": one.estimate.low, "high": one.estimate.high,
             "true": true[one.estimate.support], "p": one.p, "offered": one.estimate.n_offered,
             "shown": effect_shown(one.estimate).says, "why": effect_shown(one.estimate).why} for one in findings]  # fmt: skip


def learning(world: World, seed: int, models: Sequence[TrainedModel], students: int = STUDENTS) -> dict[str, Any]:
    """Make one district and learn from a year of it, by lottery and from what was observed."""
    years = of_world(world.years)
    with tempfile.TemporaryDirectory() as folder:
        year = replays(world, students, seed, Path(folder) / "district", (-2,))[-2]
        records = records_of(Path(folder) / "district")
    then = known(records, year, date(years[-2].first, 10, 1), models)
    learned = lottery_year(year, then, catalogue.shipped(), seed)
    observed, true = observed_year(year, then, records)
    return {"seed": seed, "lottery": told_of(learned.findings, learned.true),
            "claimed": sorted(estimation.claimed(learned.findings)), "observed": told_of(observed, true),
            "claimed_observed": sorted(estimation.claimed(observed))}  # fmt: skip


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
    plans = {
        "random": in_turn(told, rng.permutation(here), lambda _: list(rng.permutation(told.supports)), MOST_EACH),
        "highest_first": in_turn(told, order, lambda _: strongest, MOST_EACH),
        "rules_table": in_turn(told, order, lambda who: _by_table(now.needs[who]), 1),
        **{name: allocated(told, recommended(wants, now.day, told, known_of), year.students, seed)
           for name, wants, known_of in (("ours", now.needs, entries), ("ours_after_a_lottery", now.needs, learned.entries),
                                         ("by_stake", now.stakes, entries),
                                         ("by_stake_after_a_lottery", now.stakes, learned.entries),
                                         ("by_stake_unless_harmful", now.stakes, unless_harmful(learned.entries)))},
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
                     "published": entries[one.estimate.support].published,
                     "after": learned.entries[one.estimate.support].expected} for one in learned.findings],
    }  # fmt: skip


def unless_harmful(entries: Catalogue) -> Catalogue:
    """Return a catalogue in which help is given up only where it is known to do harm: others come last, and are given.

    An estimate of one year is wide. Where what is expected falls below zero but its interval does not, it is put just above.
    """
    found = {}
    for key, one in entries.items():
        if one.measured is not None and one.expected <= 0 < beside(one).high:
            prior, own = 1 / catalogue.SPREAD**2, 1 / one.measured.error**2
            size = (LAST * (prior + own) - prior * one.published) / own
            found[key] = replace(one, measured=replace(one.measured, size=size))
        else:
            found[key] = one
    return Catalogue(found, entries.withdrawn)


#: What is expected of help that nobody knows to help or to harm, so that it comes last.
LAST = 0.005


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
        for name in POLICIES[3:8]:
            told[f"{name}_of_highest_first"] = of_ratio(value[name], value["highest_first"])
    return told


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    found: dict[str, Any] = {"goal": {"of_best": GOAL_OF_BEST, "of_highest_first": GOAL_OF_HIGHEST}, "students": STUDENTS,
                             "seeds": told.seeds, "worlds": {}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        models = taught(Path(folder))
    for name in WORLDS:
        began = time.perf_counter()
        world = World.read(FOLDER / f"{name}.toml")
        each = [district(world, seed, models) for seed in range(FIRST, FIRST + told.seeds)]
        effects = [one for district_ in each for one in district_["effects"]]
        covered = float(np.mean([one["low"] <= one["true"] <= one["high"] for one in effects]))
        claims = float(np.mean([bool(one["claimed"]) for one in each]))
        figures = {by: summary(each, by) for by in ("burden", "chances", "days_gained")}
        found["worlds"][name] = {"figures": figures, "intervals_hold": covered, "estimates": len(effects), "claims": claims,
                                 "seconds": time.perf_counter() - began, "districts": each}  # fmt: skip
        _print(name, figures, covered, len(effects), claims)
        if name in ("default", "null_effects"):
            found["worlds"][name]["observed"] = _observed(world, told.seeds // 4, models)
    ratios = found["worlds"]["default"]["figures"]["burden"]
    found["ratio"] = min(ratios["ours_of_best"][0] / GOAL_OF_BEST, ratios["ours_of_highest_first"][0] / GOAL_OF_HIGHEST)
    return found


def _observed(world: World, seeds: int, models: Sequence[TrainedModel]) -> dict[str, Any]:
    """Learn from what was observed in larger districts, and print how often that may be shown, holds and is claimed."""
    each = [learning(world, seed, models, OBSERVED) for seed in range(FIRST, FIRST + seeds)]
    effects = [one for district_ in each for one in district_["observed"]]
    shown = [one for one in effects if one["shown"] == "shown"]
    held = float(np.mean([one["low"] <= one["true"] <= one["high"] for one in shown])) if shown else None
    claims = float(np.mean([bool(one["claimed_observed"]) for one in each])) if each else None
    print(f"  observed, {OBSERVED:,} students: {len(shown)} of {len(effects)} may be shown, of which {held} hold the truth; "
          f"an effect claimed in {claims} of {seeds} seeds")  # fmt: skip
    return {"seeds": seeds, "shown": len(shown), "estimates": len(effects), "intervals_hold": held, "claims": claims}


def _print(name: str, figures: Mapping[str, Mapping[str, Any]], covered: float, estimates: int, claims: float) -> None:
    print(f"{name}: an effect claimed in {claims:.0%} of seeds; {covered:.1%} of {estimates} intervals hold the truth")
    for by, told in figures.items():
        unit = 100 if by == "burden" else 1
        print(f"  {by:12}" + "".join(f"{policy} {unit * told[policy][0]:.2f}  " for policy in POLICIES))
        if "ours_of_best" in told:
            for ratio in [one for one in told if "_of_" in one]:
                middle, low, high = told[ratio]
                print(f"    {ratio:40} {middle:.2f} ({low:.2f} to {high:.2f})")

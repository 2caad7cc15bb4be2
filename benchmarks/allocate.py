"""Allocation of places: 10,000 students and 20 supports, its optimality gap, and what a greedy allocation gives of the same.

Two bounds stand beside it in the same run, on the same needs and places: the linear relaxation, which nothing can pass, and
what is usually done, which is to go down the list and give each student the best of what is left. Everybody asks for
everything, and there is a talk for everybody, so that no run is easier than a school's. Scores come with ties and without.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from serving.allocation import COLUMNS, Allocation, Contacts, Staff, allocate, bound

SUPPORTS, SCHOOLS, ALLOWED = 20, 25, 30.0

#: Supports that mentors give, by hours; all others are limited by places alone.
MENTORED = 5

Places = Mapping[tuple[str, str | None], int]


def needs(students: int, seed: int, digits: int | None) -> pl.DataFrame:
    """Return what students ask for: need times effect times fit, rounded to ``digits`` where there are to be ties."""
    rng = np.random.default_rng(seed)
    need, effect = rng.gamma(2, 0.3, students), rng.uniform(0.05, 0.3, SUPPORTS)
    score = need[:, None] * effect * rng.uniform(0.3, 1, (students, SUPPORTS))
    score = score if digits is None else np.round(score, digits)
    at, support = np.divmod(np.arange(students * SUPPORTS), SUPPORTS)
    school = rng.integers(0, SCHOOLS, students)
    return pl.DataFrame(
        {
            "student_id": [f"s{one:06d}" for one in at], "intervention_id": [f"help{one:02d}" for one in support],
            "score": score.ravel(), "school": [f"school{one:02d}" for one in school[at]],
        },
        schema=dict(COLUMNS),
    )  # fmt: skip


def limits(students: int, seed: int) -> tuple[Places, Staff]:
    """Return places by support at every school and in the district, hours of mentors, and talks for everybody."""
    rng = np.random.default_rng(seed)
    each, share = students / SCHOOLS, students / 100
    names, schools = [f"help{at:02d}" for at in range(SUPPORTS)], [f"school{at:02d}" for at in range(SCHOOLS)]
    places: dict[tuple[str, str | None], int] = {
        (name, school): int(rng.integers(1, max(2, round(each * 0.07)) + 1)) for name in names for school in schools
    }
    places |= {(name, None): int(rng.integers(round(share), round(4 * share) + 1)) for name in names}
    hours: dict[tuple[str, str | None], float] = {("mentor", school): each * 0.04 for school in schools}
    hours["counselor", None] = students / 4
    takes = {name: ("mentor", int(15 * rng.integers(2, 5))) for name in names[:MENTORED]}
    return places, Staff(hours, {**takes, "conversation": ("counselor", 15)})


def greedy(scores: pl.DataFrame, places: Places, staff: Staff, most_each: int = 2) -> float:
    """Return the sum of scores when pairs are taken from the highest down as long as there is a place."""
    left = {**places}
    minutes = {at: 60 * hours for at, hours in staff.hours.items()}
    got: Counter[str] = Counter()
    total = 0.0
    for row in scores.sort("score", "student_id", descending=[True, False]).iter_rows():
        student, support, score, school = row
        kind, takes = staff.takes.get(support, ("", 0))
        here, everywhere, hours = (support, school), (support, None), (kind, school)
        if got[student] < most_each and left.get(here, 0) and left[everywhere] and minutes.get(hours, takes) >= takes:
            got[student] += 1
            left[here] -= 1
            left[everywhere] -= 1
            if takes:
                minutes[hours] -= takes
            total += score
    return total


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    found = []
    print(f"{'students':>9} {'ties':>5} {'CPU s':>7} {'wall s':>7} {'gap':>9} {'of the bound':>13} {'over greedy':>12} "
          f"{'drew lots':>10} {'lots cost':>10}")  # fmt: skip
    for students in sorted({1_000, told.allocated}):
        for digits in (None, 2):
            scores, (places, staff) = needs(students, 1, digits), limits(students, 2)
            wall, before = time.perf_counter(), time.process_time()
            made = allocate(scores, places, seed=3, contacts=Contacts(), staff=staff)
            processor, wall = time.process_time() - before, time.perf_counter() - wall
            figures = _figures(made, scores, places, staff)
            print(f"{students:9,} {'no' if digits is None else 'yes':>5} {processor:7.1f} {wall:7.1f} {made.gap:9.6f} "
                  f"{figures['of_the_bound']:13.5f} {figures['over_greedy']:12.4f} {figures['drew']:10,} "
                  f"{figures['lots_cost']:10.5f}", flush=True)  # fmt: skip
            found.append({
                "students": students, "supports": SUPPORTS, "ties": digits is not None, "status": made.status,
                "processor_seconds": round(processor, 2), "wall_seconds": round(wall, 2), "gap": made.gap, **figures,
            })  # fmt: skip
    slowest = max(one["processor_seconds"] for one in found)
    print(f"the slowest took {slowest:.1f} s of a processor; allowed are {ALLOWED:.0f} s on two cores")
    return {"runs": found, "allowed_seconds": ALLOWED, "slowest_processor_seconds": slowest, "cores": os.cpu_count()}


def _figures(made: Allocation, scores: pl.DataFrame, places: Places, staff: Staff) -> dict[str, Any]:
    """Return the sum beside its peers. What lots cost is the sum that equal chances at the line give up."""
    relaxed, simple = bound(scores, places, staff=staff), greedy(scores, places, staff)
    drew = made.rows.filter(pl.col("how").is_in(["drawn", "not_drawn"])).height
    return {"total": round(made.total, 4), "best": round(made.best, 4), "relaxation": round(relaxed, 4),
            "greedy": round(simple, 4), "of_the_bound": made.best / relaxed, "over_greedy": made.best / simple, "drew": drew,
            "offers": made.offers.height, "lots_cost": 1 - made.expected / made.best}  # fmt: skip

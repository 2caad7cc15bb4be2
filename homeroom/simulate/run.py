"""A simulated district, made bucket by bucket and put in place whole.

Each zone is a bucket: its rows follow from the seed, the world, the number of students and the zone's number alone, so
that it does not matter how many are made at once, or in which order.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from features.problems import Problem, Refused
from features.tables import TABLES
from homeroom.simulate import days, folk, layout, schools, truth, work
from homeroom.simulate.days import Missed, Names
from homeroom.simulate.layout import Draws
from homeroom.simulate.oneroster import BUNDLE
from homeroom.simulate.parts import Rows
from homeroom.simulate.seasons import Season, State, begin, end
from homeroom.simulate.students import draw
from homeroom.simulate.work import Marked
from homeroom.simulate.world import World
from homeroom.simulate.years import number, of_world

Progress = Callable[[str, int, int], None]
Told = Callable[[int, Season, Missed, Marked, Names], None]

#: Raised by whoever changes what is made of the same seed and world.
FORMAT = 3

#: A zone in the making takes 0.7 GB: more at once would take more memory than a laptop has to spare.
MOST_AT_ONCE = 4

#: Fewer students make no school.
FEWEST = 30

#: The file that tells what a district was made of, and the word in it by which it is known again.
MANIFEST, MADE_BY = "simulation.json", "homeroom simulate"


@dataclass(frozen=True)
class District:
    """What was made, and where it lies."""

    folder: Path
    students: int
    seed: int
    world: str
    zones: int
    rows: Mapping[str, int]
    truth: Mapping[str, int]


def simulate(
    students: int,
    seed: int,
    out: Path,
    world: World | None = None,
    workers: int | None = None,
    progress: Progress = lambda _step, _done, _of: None,
    told: Told = lambda _zone, _season, _lost, _marked, _names: None,
) -> District:
    """Make a district and write it to ``out``: a folder of canonical tables in parts, and its truth.

    Args:
        students: about how many are enrolled in a school year, 30 at least.
        seed: the same seed, world and number of students give the same bytes.
        out: the folder; made anew, or in place of a district that was made before.
        world: what is true; the default world by default.
        workers: zones made at once; by default as many as there are cores, up to four.
        progress: called with a step, how many zones are done, and of how many.
        told: called with a zone's number and each of its school years once it is over, for what is to be run again on it.

    Raises:
        Refused: too few students, or ``out`` holds something that was not made here.

    """
    world = world or World()
    refuse(students, seed, out)
    zones = layout.zones(world, students)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        counts: dict[str, int] = {}
        # Threads: nearly all of the time is spent in numpy and in writing Parquet, which let each other work.
        with ThreadPoolExecutor(workers or min(len(zones), os.cpu_count() or 1, MOST_AT_ONCE)) as pool:
            waiting = [pool.submit(_zone, world, seed, students, at, size, len(zones), building, told) for at, size in zones]
            try:
                for done, one in enumerate(as_completed(waiting)):
                    for name, rows in one.result().items():
                        counts[name] = counts.get(name, 0) + rows
                    progress("zones", done + 1, len(zones))
            finally:
                pool.shutdown(cancel_futures=True)
        shared = Rows()
        schools.district(world, of_world(world.years), len(zones), shared)
        for name, rows in shared.write(building, len(zones)).items():
            counts[name] = counts.get(name, 0) + rows
        found = District(
            out, students, seed, world.name, len(zones),
            {name: counts[name] for name in TABLES if name in counts},
            {name: counts[f"truth/{name}"] for name in truth.TABLES},
        )  # fmt: skip
        (building / MANIFEST).write_text(
            json.dumps({"made_by": MADE_BY, "format": FORMAT, "students": students, "seed": seed,
                        "world": world.name, "world_digest": world.digest, "rows": found.rows, "truth": found.truth}, indent=1)
        )  # fmt: skip
        if out.exists():
            shutil.rmtree(out)
        building.chmod(0o755)
        building.rename(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return found


def refuse(students: int, seed: int, out: Path) -> None:
    """Refuse, with every reason at once, what cannot be simulated or has no place to go."""
    problems = []
    if students < FEWEST:
        problems.append(Problem("simulate", "--students", "these are too few to make a school", f"Ask for {FEWEST} or more."))
    if seed < 0:
        problems.append(Problem("simulate", "--seed", "this is below zero", "Take any whole number from zero."))
    if out.exists() and not _ours(out):
        problems.append(Problem("simulate", "--out", f"{out.name} holds something that was not simulated",
                                "Give a folder that is empty or not there, or remove this one yourself."))  # fmt: skip
    if problems:
        raise Refused(problems, "Nothing was simulated")


def _ours(out: Path) -> bool:
    """Whether a folder is empty, or a district that was made here with nothing of anybody else's in it."""
    if not out.is_dir():
        return False
    names = {path.name for path in out.iterdir()}
    try:
        made = json.loads((out / MANIFEST).read_text(encoding="utf-8")) if MANIFEST in names else {}
    except ValueError:
        return False
    return not names or (made.get("made_by") == MADE_BY and names <= {*TABLES, truth.FOLDER, MANIFEST, BUNDLE})


def _zone(world: World, seed: int, all_students: int, at: int, size: int, zones: int, folder: Path,
          told: Told = lambda _zone, _season, _lost, _marked, _names: None) -> dict[str, int]:  # fmt: skip
    """Make one zone and write its part of every table; return the number of rows of each."""
    draws, rows = Draws(seed, at), Rows()
    years = of_world(world.years)
    place = layout.zone(world, at, size, draws)
    sections = layout.sections(place, years)
    students = draw(world, place, len(years), draws)
    state = State(world, students, draws)
    through = number(date.fromisoformat(world.years.through)) if world.years.through else 1 << 30
    watched = draws("watched").random(len(students)) * all_students < world.truth_students
    uses = draws("uses online").random(len(sections)) < world.online.classes
    names = Names(students.keys, [], sections.keys, sections.work)
    givers, staff = schools.school_rows(world, place, sections, years, schools.districts(world, zones), rows, draws, through)
    come = np.zeros(len(students), bool)
    for number_, year in enumerate(years):
        if number(year.starts_on) > through:
            break
        season = begin(world, place, students, state, year, number_, draws, len(names.stays))
        yy = f"{year.first % 100:02d}"
        names.stays.extend(f"E{students.keys[one][1:]}-{yy}" for one in season.who.tolist())
        names.stays.extend(f"E{students.keys[one][1:]}-{yy}b" for one in season.who[season.moves].tolist())
        seated = work.classes(season, sections, students, draws)
        out = days.excluded(world, students, season, names, rows, draws, at, through)
        lost = days.missed(world, season, out, draws)
        days.attendance(world, place, students, season, lost, out, names, rows, draws, through)
        days.cuts(place, season, lost, seated.section, names, rows, draws, through)
        days.online(world, season, lost, seated.section, uses, names, rows, draws, through)
        marked = work.taught(world, place, season, students, seated, lost, state, names, rows, draws, through, watched)
        summer = end(world, students, state, season, marked.core_means(), draws)
        entered = np.where(season.enters == 0, number(year.starts_on),
                           year.days[np.minimum(season.enters, len(year.days) - 1)])  # fmt: skip
        come[season.who[entered <= through]] = True
        folk.stays(place, season, summer, names, rows, through)
        folk.seats(season, seated.section, names, rows, through)
        folk.joins(world, students, season, names, rows, draws, through)
        folk.asked(world, students, season, names, rows, draws, through)
        folk.helped(world, season, givers, staff, names, rows, draws, through)
        folk.plans_to_learn(season, state, names, rows, draws, through)
        truth.of_season(world, season, lost, marked, seated.section, names, rows, watched)
        told(at, season, lost, marked, names)
    everybody = np.flatnonzero(come)
    folk.families(world, students, everybody, names, rows, draws, at)
    schools.caseload_rows(place, students, season, come, staff, givers, rows)
    truth.of_students(students, everybody, names, rows)
    return rows.write(folder, at)

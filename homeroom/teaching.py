"""What ``homeroom resources`` and ``homeroom lessons`` do: what there is to learn from, and who is ready to learn the same."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeroom.cli import Say
    from serving.resources import Library, Pair
    from serving.store import Store


def resources(say: Say, store: Store, file: Path | None, as_of: date) -> None:
    """Take a file of resources into the library, and tell what is in it; without a file only that.

    A file of the same name is replaced. One that is refused is not taken, and nothing changes.

    Raises:
        NotFound: there is no such file, or no export was read yet.
        Refused: with everything that is wrong with the file, or with it beside those that are there.

    """
    from serving import resources as library

    records, folder = store.records(), store.folder / library.FOLDER
    if file is not None:
        mine = library.read(file)
        others = [one for one in sorted(folder.glob("*")) if one.name != file.name]
        library.read_files([*(one for one in others if one.suffix.lower() in library.ENDINGS), file])
        folder.mkdir(parents=True, exist_ok=True)
        building = folder / f".{file.name}.part"
        shutil.copyfile(file, building)
        building.replace(folder / file.name)
    found = library.library(records, as_of, store.folder)
    say.lines(*([f"{file.name}: taken, {len(mine):,} resources."] if file is not None else []), *_told(found))
    say.result({"taken": len(mine) if file is not None else 0, "resources": len(found.resources),
                "skills": len({skill for _, skill in found.by_skill}), "unknown_skills": dict(found.unknown)})  # fmt: skip


def _told(found: Library) -> list[str]:
    each = found.resources.values()
    taught, checked = (len({skill for kind, skill in found.by_skill if kind == one}) for one in ("teaches", "assesses"))
    lines = [
        f"{len(found.resources):,} resources: {sum(one.offline is True for one in each):,} can be used offline, "
        f"{sum(one.reviewed for one in each):,} were reviewed by an educator.",
        f"{taught:,} skills are taught and {checked:,} checked.",
    ]
    if found.unknown:
        lines.append(f"{len(found.unknown):,} skills that files name are not on record: nothing is found by them.")
    return lines


def lessons(say: Say, store: Store, section_id: str, as_of: date) -> None:
    """Tell whom of a class one lesson would help, by the skill that each is ready for, and from what to learn it.

    Raises:
        NotFound: no such class is on record on that day, or the records do not tell of skills.

    """
    import polars as pl

    from features.problems import NotFound
    from serving import needs, skills
    from serving import resources as library

    records = store.records()
    if not records.holds("skill_prerequisites") or not records.holds("skill_results"):
        raise NotFound("The records do not say which skills come before which, or nothing of who has them.")
    begun = pl.col("begins_on").is_null() | (pl.col("begins_on") <= as_of)
    here = (begun, pl.col("ends_on").is_null() | (pl.col("ends_on") >= as_of))
    roster = records.visible("rosters", [as_of]).filter(pl.col("section_id") == section_id, *here).select("student_id")
    students = sorted(roster.unique().collect()["student_id"])
    if not students:
        raise NotFound("No student sits in this class on that day, or it is not on record.")
    known, mine = needs.circumstances(records, as_of), library.library(records, as_of, store.folder)
    present = [who for who in students if who in known]
    of_class = [one.skill_id for one in skills.skills_of(records, section_id, as_of)]
    maps = skills.skill_map(records, present, as_of, skills=of_class or None)
    wanted = {who: needs.wanted(needs.need(who, {}, known[who]), mine) for who in present}
    found = library.lessons(maps, mine, wanted)
    alone = len(present) - sum(len(one.student_ids) for one in found)
    for number, one in enumerate(found, 1):
        say.lines(f"{number}. {one.skill.statement}: {', '.join(one.student_ids)}", *_pair(one.pair))
    say.lines(f"{alone:,} of {len(present):,} are in no group: nobody else is ready for the same, or nothing known is next.")
    say.result({"section_id": section_id, "as_of": as_of, "lessons": [
        {"skill_id": one.skill.skill_id, "statement": one.skill.statement, "student_ids": one.student_ids,
         "resources": library.chosen([one.pair]), "says": one.pair.says}
        for one in found
    ], "alone": alone})  # fmt: skip


def _pair(pair: Pair) -> list[str]:
    lines = []
    for word, one in (("learn from", pair.teaches), ("check with", pair.checks)):
        if one is not None:
            minutes = f"{one.minutes} min" if one.minutes is not None else ""
            facts = [one.language or "", minutes, "offline" if one.offline else "", one.licence]
            lines.append(f"   {word}: {one.title} ({', '.join(fact for fact in facts if fact)})")
    return [*lines, *(f"   {said}" for said in pair.says)]


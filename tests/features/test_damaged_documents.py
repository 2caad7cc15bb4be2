"""JSON of Ed-Fi, Caliper and CASE is damaged at random: read and accounted for, or refused with reasons; never a crash."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edfi_json
import pytest
import test_caliper
import test_case

from features import sources
from features.problems import Refused
from features.sources.edfi import EdFi
from features.validation import Reading

#: What is put in the place of a value; the token must come back in no problem.
TOKEN = "Zq7Wvk"
VALUES = (None, "", 5, 1e400, -1, True, [], {}, [1], {"a": 1}, TOKEN * 300, TOKEN, "a|b", " | ", f"={TOKEN}", "2026-13-01",
          "uri://x#y", [[]], [None], {"id": None}, "\0", "NaN", 10**30)  # fmt: skip
BYTES = (b"", b"\xff", b"}", b"{", b"\n", b"[", b'"', b",")
FRAMEWORK = "framework.json"


def places(found: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a document."""
    for key, value in found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ():
        yield (*here, key)
        yield from places(value, (*here, key))


def damage(document: Any, rng: random.Random) -> None:
    """Take a value out, put another in its place, or write one twice."""
    ways = list(places(document))
    if not ways:
        return
    *way, last = rng.choice(ways)
    inside = document
    for key in way:
        inside = inside[key]
    match rng.randrange(3):
        case 0:
            del inside[last]
        case 1:
            inside[last] = copy.deepcopy(rng.choice(VALUES))
        case _ if isinstance(inside, list):
            inside.append(copy.deepcopy(rng.choice(inside)))
        case _:
            inside[last] = copy.deepcopy(rng.choice(list(inside.values())))


def damaged(folder: Path, rng: random.Random) -> None:
    """Write a school's documents with one to five damages, now and then one file less and one with broken bytes."""
    who = {"actor": {"id": "1", "type": "Person"}, "group": {"id": "S1", "type": "CourseSection"}}
    files: dict[str, Any] = copy.deepcopy(edfi_json.school())
    files["events.jsonl"] = [test_caliper.event(at, **who) for at in range(4)]
    framework = test_case.package()
    name = rng.choice([*files, FRAMEWORK])
    for _ in range(rng.choice([1, 1, 2, 5])):
        damage(framework if name == FRAMEWORK else files[name], rng)
    if rng.random() < 0.15:
        files.pop(rng.choice(list(files)))
    edfi_json.write(folder, files)
    (folder / FRAMEWORK).write_text(json.dumps(framework))
    if rng.random() < 0.2:
        path = rng.choice(sorted(folder.iterdir()))
        raw = bytearray(path.read_bytes())
        if raw:
            at = rng.randrange(len(raw))
            raw[at : at + rng.choice([0, 1, 5])] = rng.choice(BYTES)
        path.write_bytes(raw)


def taken(folder: Path) -> Reading | Refused:
    try:
        return sources.read("edfi", folder, EdFi(), "lincoln")
    except Refused as refused:
        return refused


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_damaged_documents_are_accounted_for_or_refused_and_no_value_is_told(seed: int, tmp_path: Path) -> None:
    rng, what = random.Random(seed), Counter[str]()
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        damaged(folder, rng)
        found = taken(folder)
        if isinstance(found, Refused):
            assert found.problems
            assert all(problem.hint and (problem.file or problem.where) for problem in found.problems)
            assert TOKEN not in str(found)
            what["refused"] += 1
            continue
        assert TOKEN not in "".join(map(str, found.problems)) + "".join(found.notes)
        told = {one.file.partition(" (")[0] for one in found.accounts} | {note.split(" ")[0] for note in found.notes}
        assert {path.name for path in folder.iterdir()} - told <= {FRAMEWORK}
        aside = sum(frame.height for frame in found.quarantine.values())
        assert aside <= found.quarantined
        found.write_quarantine(folder / "aside")
        what["read"] += 1
    assert what["read"]
    assert what["refused"]

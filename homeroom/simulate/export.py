"""A simulated district as its schools' system exports it: simulated, written as OneRoster, its truth kept apart."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from homeroom.simulate import oneroster, truth
from homeroom.simulate.oneroster import Written
from homeroom.simulate.run import MANIFEST, District, Progress, refuse, simulate
from homeroom.simulate.world import World


def export(
    students: int, seed: int, out: Path, world: World | None = None, progress: Progress = lambda _step, _done, _of: None
) -> tuple[District, Written]:
    """Make a district and write it to ``out`` as a OneRoster bundle with companion tables.

    What is true in it goes to ``out/truth``, as with canonical tables. The folder appears whole or not at all.

    Raises:
        Refused: too few students, or ``out`` holds something that was not made here.

    """
    refuse(students, seed, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        made = simulate(students, seed, building / "district", world, progress=progress)
        progress("writing OneRoster", 0, 1)
        written = oneroster.write(made.folder, building / "export")
        (made.folder / truth.FOLDER).rename(building / "export" / truth.FOLDER)
        told = json.loads((made.folder / MANIFEST).read_text())
        (building / "export" / MANIFEST).write_text(json.dumps({**told, "form": "oneroster"}, indent=1))
        if out.exists():
            shutil.rmtree(out)
        (building / "export").chmod(0o755)
        (building / "export").rename(out)
        progress("writing OneRoster", 1, 1)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return replace(made, folder=out), replace(written, bundle=out / oneroster.BUNDLE)

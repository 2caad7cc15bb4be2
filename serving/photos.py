"""Photos of students: taken in from a folder, without what a camera writes into them, and only where they were agreed to.

The table ``photos`` names a picture for each student who agreed, or whose family did. A picture is drawn anew and smaller
before it is kept, so that nothing of its file is left but what it shows: where and when it was taken stands in most of them.
What is agreed to no longer, or was objected to, is removed by the same command.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from features.problems import Problem, Refused
from features.records import SchoolRecords
from serving.store import Store

#: Where pictures lie in a tenant's folder.
FOLDER = "photos"

#: Formats by how a file's name ends.
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}

#: A larger file is not read (bytes), and one that says it has more dots is not drawn: it could fill the memory.
MOST_BYTES, MOST_DOTS = 10_000_000, 40_000_000

#: A picture is kept at so many dots on its longer side: a page shows 96, on paper and a sharp screen four times as many.
LONGEST_SIDE = 384


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the pictures that records name: how many were kept, were not in the folder, and were removed."""

    kept: int
    missing: int
    removed: int


def place(store: Store, path: str) -> Path | None:
    """Return where the picture lies that records name, None where that would be elsewhere than pictures lie, or no picture."""
    root = (store.folder / FOLDER).resolve()
    told = path.replace("\\", "/").removeprefix(f"{FOLDER}/")
    found = (root / told).resolve()
    return found if found.is_relative_to(root) and found != root and found.suffix.lower() in FORMATS else None


def take_in(store: Store, records: SchoolRecords, folder: Path, today: date) -> Taken:
    """Keep the pictures of a folder that records name and that were agreed to by a day, and remove every other that is kept.

    Raises :class:`Refused`, with every file that is no picture or too large, by its number: nothing is changed then.
    """
    rows = records.visible("photos", [today]).collect()
    no = records.visible("objections", [today]).filter(
        pl.col("scope") == "photo", pl.col("recorded_on") <= today,
        pl.col("withdrawn_on").is_null() | (pl.col("withdrawn_on") > today),
    )  # fmt: skip
    agreed = rows.filter(pl.col("consent"), pl.col("path").is_not_null()).join(no.collect(), on="student_id", how="anti")
    root, problems, missing = folder.resolve(), list[Problem](), 0
    drawn: dict[Path, bytes] = {}
    wanted = set[Path]()
    for number, path in enumerate(agreed.sort("student_id")["path"], 1):
        to = place(store, path)
        if to is None:
            hint = "Name a .jpg or .png inside of it."
            problems.append(_problem(number, "its name is that of no picture in the folder", hint))
            continue
        wanted.add(to)
        told = to.relative_to((store.folder / FOLDER).resolve())
        found = next((one for one in (root / told, root / FOLDER / told) if one.is_file()), None)
        if found is None or not found.resolve().is_relative_to(root):
            missing += 1
            continue
        try:
            drawn[to] = redrawn(found)
        except (OSError, ValueError):
            hint = f"A JPEG or PNG of at most {MOST_BYTES // 1_000_000} MB and {MOST_DOTS // 1_000_000} million dots."
            problems.append(_problem(number, "it cannot be read as a picture", hint))
    if problems:
        raise Refused(problems, "No photo was taken in")
    for to, content in drawn.items():
        to.parent.mkdir(parents=True, exist_ok=True)
        building = to.with_name(f".{to.name}.building")
        building.write_bytes(content)
        building.replace(to)
    kept = [one for one in (store.folder / FOLDER).rglob("*") if one.is_file()]
    gone = [one for one in kept if one.resolve() not in wanted]
    for one in gone:
        one.unlink()
    return Taken(len(drawn), missing, len(gone))


def redrawn(path: Path) -> bytes:
    """Return a picture as a file of nothing but its dots, small and the right way up.

    Raises OSError or ValueError where it is none of :data:`FORMATS`, or too large.
    """
    from PIL import Image, ImageOps  # pages look for photos too, and draw none

    if path.stat().st_size > MOST_BYTES:
        raise ValueError("too large a file")
    kind = FORMATS[path.suffix.lower()]
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as opened:
            if opened.width * opened.height > MOST_DOTS:
                raise ValueError("too many dots")
            turned = ImageOps.exif_transpose(opened).convert("RGB")
    except (SyntaxError, Image.DecompressionBombError) as error:  # a broken PNG is the former, says Pillow
        raise ValueError("no picture") from error
    turned.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    plain = Image.new("RGB", turned.size)
    plain.paste(turned)  # a new picture has no words of the old one
    out = io.BytesIO()
    plain.save(out, kind)
    return out.getvalue()


def _problem(number: int, what: str, hint: str) -> Problem:
    return Problem("photo", f"photo {number} of those agreed to", what, hint)

"""The pictures of the pages: which there are, and how small; taking them is the journeys' business."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

from features.problems import NotFound, Refused
from homeroom.pictures import PICTURES, WIDTH, main, take

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"


def test_every_picture_that_a_document_names_is_there_and_no_other() -> None:
    named = {one for text in (ROOT / "docs").glob("*.md") for one in re.findall(r"\]\(pictures/(\S+)\)", text.read_text())}
    assert named == {f"{one.name}.png" for one in PICTURES}
    assert named == {one.name for one in FOLDER.iterdir()}


def test_every_picture_is_small_as_wide_as_said_and_has_words_for_who_does_not_see_it() -> None:
    for one in PICTURES:
        held = (FOLDER / f"{one.name}.png").read_bytes()
        assert len(held) < 60_000, one.name
        assert struct.unpack(">I", held[16:20]) == (WIDTH,), one.name
    words = re.findall(r"!\[([^]]*)\]\(pictures/", (ROOT / "docs" / "pages.md").read_text())
    assert len(words) == len(PICTURES)
    assert all(len(one) > 20 for one in words)


def test_no_picture_is_taken_of_anybody_who_was_not_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/chromium")
    with pytest.raises(NotFound, match="There is no demonstration"):
        take(tmp_path, tmp_path / "out")
    (tmp_path / "demo" / "district").mkdir(parents=True)
    (tmp_path / "demo" / "district" / "simulation.json").write_text(json.dumps({"made_by": "a school"}))
    with pytest.raises(Refused, match="was not simulated"):
        take(tmp_path, tmp_path / "out")
    assert main(["--home", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "No picture was taken" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

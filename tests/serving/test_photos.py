"""Photos: what is kept of a file is what it shows, of those alone who agreed, and no longer than they do."""

from __future__ import annotations

import io
import zipfile
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from features.problems import Refused
from features.records import SchoolRecords
from serving import family_export, photos
from serving.photos import Taken, take_in
from serving.store import Store

TODAY = date(2026, 11, 13)
SECRET = "Taken at Maple Street 5"


def picture(path: Path, size: tuple[int, int] = (800, 600)) -> None:
    """Write a picture that says where it was taken, on its side as cameras leave it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.new("RGB", size, (200, 30, 30))
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = SECRET, 6
    made.save(path, exif=exif)


def records(*, consents: bool = True, objects: bool = False, path: str = "ana.jpg") -> SchoolRecords:
    paths = [path, "photos/ben.png"]
    rows = {"student_id": ["ana", "ben"], "path": paths, "consent": [consents, True], "consented_on": [TODAY] * 2}
    kinds = {"student_id": pl.String, "recorded_on": pl.Date, "scope": pl.String, "withdrawn_on": pl.Date}
    objections = pl.DataFrame([("ana", TODAY, "photo", None)] if objects else [], schema=kinds, orient="row")
    return SchoolRecords.from_frames({"photos": pl.DataFrame(rows), "objections": objections})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    picture(tmp_path / "in" / "ana.jpg")
    return Store(tmp_path / "home")


def test_what_is_kept_is_small_the_right_way_up_and_says_nothing_of_where_it_was_taken(store: Store, tmp_path: Path) -> None:
    assert SECRET.encode() in (tmp_path / "in" / "ana.jpg").read_bytes()
    assert take_in(store, records(), tmp_path / "in", TODAY) == Taken(kept=1, missing=1, removed=0)
    kept = photos.place(store, "ana.jpg")
    assert kept is not None
    assert SECRET.encode() not in kept.read_bytes()
    with Image.open(kept) as found:
        assert (found.size, found.format, dict(found.getexif())) == ((288, 384), "JPEG", {})


def test_who_did_not_agree_or_objects_has_no_photo_and_one_that_was_kept_is_removed(store: Store, tmp_path: Path) -> None:
    for no in (records(consents=False), records(objects=True)):
        take_in(store, records(), tmp_path / "in", TODAY)
        assert take_in(store, no, tmp_path / "in", TODAY) == Taken(kept=0, missing=1, removed=1)
        assert not list(store.folder.rglob("*.jpg"))
    take_in(store, records(), tmp_path / "in", TODAY - timedelta(days=1))
    assert not list(store.folder.rglob("*.jpg")), "it is agreed to from tomorrow on"


@pytest.mark.parametrize("path", ["../ana.jpg", "photos/../../ana.jpg", "/etc/ana.jpg", "ana.svg", "ana.webp", "ana"])
def test_a_name_that_leads_elsewhere_or_is_of_no_picture_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    picture(tmp_path / "ana.jpg")
    with pytest.raises(Refused) as caught:
        take_in(store, records(path=path), tmp_path / "in", TODAY)
    assert [one.code for one in caught.value.problems] == ["photo"]
    assert "ana" not in str(caught.value)
    assert not store.folder.exists() or not list(store.folder.rglob("*.*"))


def test_what_is_no_picture_is_named_by_its_number_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    take_in(store, records(), tmp_path / "in", TODAY)
    before = [one.read_bytes() for one in store.folder.rglob("*.jpg")]
    picture(tmp_path / "in" / "ana.jpg", (8, 8))
    (tmp_path / "in" / "ben.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    with pytest.raises(Refused, match="photo 2 of those agreed to"):
        take_in(store, records(), tmp_path / "in", TODAY)
    assert [one.read_bytes() for one in store.folder.rglob("*.jpg")] == before
    (tmp_path / "in" / "ben.png").write_bytes(b"\0" * (photos.MOST_BYTES + 1))
    with pytest.raises(Refused):
        take_in(store, records(), tmp_path / "in", TODAY)


def test_a_family_takes_the_photo_away_with_everything_else(store: Store, tmp_path: Path) -> None:
    take_in(store, records(), tmp_path / "in", TODAY)
    found = {"records": {"photos": [{"path": "ana.jpg"}]}, "scores": [], "earlier_lists": [], "who_looked": []}
    kept = family_export.photo_of(store, found)
    assert kept == photos.place(store, "ana.jpg")
    with zipfile.ZipFile(io.BytesIO(family_export.as_zip(found, kept))) as packed:
        assert packed.read("photo.jpg") == kept.read_bytes()
    assert family_export.photo_of(store, {"records": {"photos": [{"path": None}, {"path": "gone.jpg"}]}}) is None

"""Erasure: afterwards no byte of the state folder knows the student, and nobody else has lost a row."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import example_school
import models
import polars as pl
import pytest
from postgres import migrated_database
from sqlalchemy import Table, insert, inspect, select

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from features.validation import Reading
from serving import batch, erasure
from serving.cases import casebook, erased, families, offers, schema, told, trail
from serving.cases.database import Database, open_database, writing
from serving.cases.people import Account, create_account
from serving.cases.schema import ACCOUNTS, BREAK_GLASS, METADATA, TOMBSTONES
from serving.erasure import confirm, erase, erased_members, note_members, with_erased
from serving.intake import keep, tombstone
from serving.rescoring import rescore, take_into_records
from serving.store import Store
from serving.withheld import NOBODY

ROOT = Path(__file__).resolve().parents[2]
TODAY = models.TODAY
NOW = datetime(2026, 11, 13, 9, tzinfo=UTC)

#: The student who is erased, and what of theirs can be searched for: nobody else has any of it.
WHO = "zoe-qx71"
NAMES = ("Zoequilla", "Vandersnoop", "Zoeqpref", "Gretelmarie Vandersnoop")
NOTE, WHY = "Plays the theorbo in a basement", "The bus of the Vandersnoops was late"
NUMBER = 77.125


def school() -> dict[str, pl.DataFrame]:
    """Return the school that the models know, and in it, under another key and with names, one of those enrolled today."""
    records = models.school()
    frames = {name: records.labels(name).collect() for name in records.parts}
    was = models.students_on(records, TODAY, 1)[0]
    for name, frame in frames.items():
        if "student_id" in frame.columns:
            theirs = pl.col("student_id") == was
            frames[name] = frame.with_columns(
                pl.when(theirs).then(pl.col(key).str.replace(f"^{re.escape(was)}", WHO)).otherwise(key).alias(key)
                for key in ("student_id", "enrolment_id") if key in frame.columns
            )  # fmt: skip
    mine = (pl.col("student_id") == WHO) & (pl.int_range(pl.len()).over("student_id") == 0)
    frames["results"] = frames["results"].with_columns(score=pl.when(mine).then(NUMBER).otherwise("score"))
    frames["identities"] = pl.DataFrame({"student_id": [WHO], "source_id": ["SIS-99120"], "given_name": [NAMES[0]],
                                         "family_name": [NAMES[1]], "preferred_name": [NAMES[2]]})  # fmt: skip
    frames["guardians"] = pl.DataFrame({"student_id": [WHO], "guardian_id": ["g-zoe-qx71"], "name": [NAMES[3]]})
    frames["photos"] = pl.DataFrame({"student_id": [WHO], "path": ["zoe.svg"], "consent": [True], "consented_on": [TODAY]})
    return frames


def words(found: Any) -> Iterator[str]:
    """Yield every text in a value of a Parquet file, however deep."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for one in found.values():
            yield from words(one)
    elif isinstance(found, list):
        for one in found:
            yield from words(one)


def mentions(home: Path, needles: tuple[str, ...]) -> list[str]:
    """Return where in a state folder any needle stands: in the bytes of every file, and inside of every Parquet file."""
    found = []
    for path in sorted(one for one in home.rglob("*") if one.is_file()):
        content = path.read_bytes().lower()
        found += [f"{path.relative_to(home)}: {one}" for one in needles if one.lower().encode() in content]
        if ".parquet" in path.name:
            texts = {text.lower() for row in pl.read_parquet(path).to_dicts() for text in words(row)}
            texts |= {str(text).lower() for text in pl.read_parquet_metadata(path).values()}
            found += [f"in {path.relative_to(home)}: {one}" for one in needles if any(one.lower() in text for text in texts)]
        found += [f"name {path.relative_to(home)}: {one}" for one in needles if one.lower() in path.name.lower()]
    return found


def reading(frames: dict[str, pl.DataFrame]) -> Reading:
    aside = pl.DataFrame({"row": [7, 9], "reasons": [["Date: no date"]] * 2, "Student": ["SIS-99120", "S-2"],
                          "Date": ["yesterday", "never"]})  # fmt: skip
    return Reading(frames, (), (), {"absences.csv": aside}, "export")


#: What was said when help was declined.
DECLINED = "not while grandmother naps"

NEEDLES = (WHO, "SIS-99120", *NAMES, NOTE, WHY, "zoe.signin", "pacing at night", DECLINED, str(NUMBER))


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which the student has records, scores, a case, notes, accounts and everything else."""
    home = tmp_path_factory.mktemp("lived-in")
    url = migrated_database("sqlite", home)
    shutil.move(url.removeprefix("sqlite:///"), home / "homeroom.db")
    db, store = open_database(f"sqlite:///{home / 'homeroom.db'}"), Store.of(home, "default")
    store.folder.mkdir(parents=True)
    create_account(db, "default", login="cora.one", name="Cora Diaz", role="counselor", password="violet tram under snow",
                   now=NOW, person_id="cora")  # fmt: skip
    with db.connect() as connection:
        cora = connection.execute(select(ACCOUNTS.c.id)).scalar_one()
    staff = Account(cora, "default", "cora.one", "Cora Diaz", "counselor", "cora", None)
    for login, role, person in (("zoe.signin", "student", WHO), ("maria.v", "guardian", "g-zoe-qx71")):
        create_account(db, "default", login=login, name=NAMES[3], role=role, password="violet tram under snow", now=NOW,
                       person_id=person)  # fmt: skip
    records = keep(store, reading(school()), "default", db, TODAY).records
    (store.folder / "photos").mkdir()
    (store.folder / "photos" / "zoe.svg").write_text(f"<svg><title>{NAMES[0]}</title></svg>")
    for day in (TODAY - timedelta(days=7), TODAY):
        batch.run(records, models.trained(), day, store, home / f"list-{day}.parquet")
    note_members(store, records, {"dropout": "1"})
    with writing(db) as connection:
        connection.execute(insert(BREAK_GLASS).values(
            id="b1", tenant_id="default", account_id=cora, student_id=WHO, reason="pacing at night", salt="s", asked_at=NOW,
            expires_at=NOW,
        ))  # fmt: skip
    families.object_to_scoring(db, "default", WHO, NOW, by=None, said_by=NAMES[3])
    families.withdraw_objection(db, "default", WHO, NOW, by=None)
    families.restrict_contact(db, "default", WHO, "g-zoe-qx71", "no_contact", NOW, TODAY, by=staff)
    row = records.visible("results", [TODAY]).filter(pl.col("student_id") == WHO, pl.col("score").is_not_null()).collect()
    key = {name: row[name][0] for name in ("enrolment_id", "assignment_id")}
    asked = families.ask_correction(db, records, WHO, "results", key, "score", "12.5", WHY, NOW, TODAY, by=None)
    done = families.decide_correction(db, "default", asked.id, True, "", NOW, TODAY, by=staff)
    rescore(store, models.trained(), take_into_records(store, db, done), [WHO], done.id, TODAY, NOBODY)
    _work(db, staff)
    trail.record(db, "default", staff, "viewed_student", WHO, "caseload", NOW)
    trail.record(db, "default", staff, "viewed_student", "somebody-else", "caseload", NOW)
    db.dispose()
    return home


def _work(db: Database, staff: Account) -> None:
    """Raise the student, write a note, and keep what was said of help."""
    casebook.raise_student(db, staff, WHO, "Somebody should look.", TODAY, NOW)
    casebook.add_note(db, staff, WHO, NOTE, TODAY, NOW, restricted=True)
    offers.decline(db, staff, WHO, "att_home", "family", DECLINED, NOW)
    told.tell(db, staff, WHO, "barrier", "health", "student", NOW, [])


@pytest.fixture
def home(lived_in: Path, tmp_path: Path) -> Path:
    return shutil.copytree(lived_in, tmp_path / "home")


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    engine = open_database(f"sqlite:///{home / 'homeroom.db'}")
    yield engine
    engine.dispose()


@pytest.mark.full
def test_after_an_erasure_no_byte_of_the_state_folder_knows_the_student(home: Path, db: Database) -> None:
    store = Store.of(home, "default")
    before = {needle: bool(mentions(home, (needle,))) for needle in NEEDLES if needle != str(NUMBER)}
    assert all(before.values()), before  # the search finds what is there
    rows = {path: _counted(pl.read_parquet(path)) for path in home.rglob("*.parquet")}
    done = erase(home, store, db, WHO, NOW, TODAY)
    db.dispose()
    assert mentions(home, NEEDLES) == []
    assert (done.left, done.clean, done.accounts) == ((), True, 2)
    assert done.rows > 50
    assert NUMBER not in [value for path in home.rglob("*.parquet") for value in _numbers(path)]
    # Nobody else lost a row; of norms, all that stood beside the student went.
    for path, (height, mine) in rows.items():
        if path.parent != store.norms_folder:
            assert pl.scan_parquet(path).select(pl.len()).collect().item() == height - mine, path
        else:
            assert 0 < pl.read_parquet(path)["group"].n_unique() < mine, path
    assert trail.verify(db, "default") is None
    assert trail.who_viewed(db, "default", WHO) == ()
    assert trail.who_viewed(db, "default", "somebody-else")
    assert erased.begun(db, "default") == ()


def _counted(frame: pl.DataFrame) -> tuple[int, int]:
    """Return how many rows there are and how many are the student's; of norms, how many groups."""
    if "group" in frame.columns:
        return frame.height, frame["group"].n_unique()
    return frame.height, int((frame["student_id"] == WHO).sum()) if "student_id" in frame.columns else 0


def _numbers(path: Path) -> Iterator[float]:
    frame = pl.read_parquet(path)
    for name, kind in frame.schema.items():
        column = frame[name].explode() if kind == pl.List(pl.Float64) else frame[name]
        if column.dtype == pl.Float64:
            yield from column.drop_nulls().unique()


@pytest.mark.full
def test_a_later_export_does_not_bring_the_student_back(home: Path, db: Database) -> None:
    store, frames = Store.of(home, "default"), school()
    erase(home, store, db, WHO, NOW, TODAY)
    kept = store.records()
    done = keep(store, reading(frames), "default", db, TODAY)
    mine = sum(frame.filter(pl.col("student_id") == WHO).height for frame in frames.values() if "student_id" in frame.columns)
    assert (done.dropped_students, done.dropped_rows) == (1, mine + 1)  # and the row that was set aside
    assert kept.digest == done.records.digest
    batch.run(done.records, models.trained(), TODAY, store, home / "again.parquet")
    db.dispose()
    assert mentions(home, NEEDLES) == []
    with db.connect() as connection:
        digests = set(connection.execute(select(TOMBSTONES.c.digest)).scalars())
    assert digests == {tombstone(store, WHO), tombstone(store, "SIS-99120")}


@pytest.mark.full
def test_an_erasure_that_was_killed_is_ended_by_the_same_call(
    home: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    store, real = Store.of(home, "default"), erasure.write_anew

    def killed_after(writes: int) -> None:
        left = [writes]

        def dying(frame: pl.DataFrame, path: Path) -> None:
            if not left[0]:
                raise KilledError
            left[0] -= 1
            real(frame, path)

        monkeypatch.setattr(erasure, "write_anew", dying)
        with pytest.raises(KilledError):
            erase(home, store, db, WHO, NOW, TODAY)
        assert erased.begun(db, "default") == (WHO,)

    killed_after(3)
    killed_after(20)
    monkeypatch.setattr(erasure, "write_anew", real)
    erase(home, store, db, WHO, NOW, TODAY)
    db.dispose()
    assert mentions(home, NEEDLES) == []


@pytest.mark.full
def test_the_card_says_of_how_many_erased_students_a_version_was_made(home: Path, db: Database) -> None:
    store = Store.of(home, "default")
    assert erased_members(store, db, "dropout", "1") == 0
    assert erased_members(store, db, "dropout", "2") is None
    erase(home, store, db, WHO, NOW, TODAY)
    assert erased_members(store, db, "dropout", "1") == 1
    card = with_erased({"limits": ["One."]}, 1)
    assert card["erased_since"] == {"students": 1, "says": card["limits"][1]}  # type: ignore[index]
    assert "they leave it at the next training" in str(card)
    assert with_erased({"limits": ["One."]}, None) == {"limits": ["One."]}
    opened = models.desk_of(home, models.trained())
    opened._database_url = f"sqlite:///{home / 'homeroom.db'}"
    told: Any = opened.model_card("dropout", None, "default")
    assert told["erased_since"]["students"] == 1


def test_every_table_that_names_a_student_is_emptied_or_named_here() -> None:
    by_student = {table.name for table in METADATA.sorted_tables if "student_id" in table.c}
    assert all("tenant_id" in METADATA.tables[name].c for name in by_student)
    assert "trail_key" in by_student
    # What hangs on a student's row by another key must be erased by its own room, before the row itself.
    rooms = [(ROOT / f"{room.replace('.', '/')}.py").read_text().partition("def erase")[2] for room in erased.ERASED_BY]
    named = {one.name: name for name, one in vars(schema).items() if isinstance(one, Table)}
    for table in METADATA.sorted_tables:
        if "student_id" not in table.c and {key.column.table.name for key in table.foreign_keys} & by_student:
            assert any(named[table.name] in text for text in rooms), table.name


def test_a_key_is_typed_twice_and_a_student_whom_nobody_knows_is_not_erased(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        confirm("ana", "anna")
    store = Store.of(tmp_path, "default")
    example_school.records().write(store.records_folder)
    db = open_database(migrated_database("sqlite", tmp_path))
    with pytest.raises(NotFound):
        erase(tmp_path, store, db, "nobody", NOW, TODAY)
    assert erased.tombstones(db, "default") == frozenset()
    assert inspect(db).has_table("tombstone")
    assert isinstance(SchoolRecords.open(store.records_folder), SchoolRecords)
    assert json.loads((store.records_folder / "manifest.json").read_text())["rows"]["students"] == 12
    db.dispose()

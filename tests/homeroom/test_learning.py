"""From a draw to what it says: places are drawn, answered and given, a term passes, and what came stands beside the trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from click.testing import CliRunner
from example_school import _frame

from features.records import SchoolRecords
from homeroom.cli import main
from serving import catalogue, learned, recommend
from serving.batch import SCHEMA
from serving.cases import offers, people, trail
from serving.cases.database import Database, open_database
from serving.cases.given import with_given
from serving.cases.people import Account
from serving.learned import FILE, LEAST_DAYS
from serving.offers import catalogue_of
from serving.store import Latest, Store
from training import treated

TODAY, BEGINS, ENDS, UNTIL = date(2026, 11, 13), date(2026, 9, 1), date(2027, 6, 30), date(2027, 2, 12)
NOW = datetime(2026, 11, 13, 9, tzinfo=UTC)
STUDENTS = [f"s{at:03d}" for at in range(160)]
DAYS = [day for at in range((UNTIL - BEGINS).days + 1) if (day := BEGINS + timedelta(days=at)).weekday() < 5]
Run = Callable[..., tuple[int, str, str]]

#: Of a hundred days, so many fewer are missed by whoever was offered weekly texts.
TRUE = -6.0

PLACES = """
set_by = "the board"
[[places]]
support = "att_text"
organisation = "lincoln"
places = 80
[[hours]]
staff = "counselor"
organisation = "lincoln"
hours = 40
"""


def school(helped: frozenset[str] = frozenset()) -> SchoolRecords:
    """Return a school in which students miss days as they do, and those who were helped fewer after the day of the list."""
    rng = np.random.default_rng(5)
    usual, luck = rng.uniform(0.08, 0.25, len(STUDENTS)), rng.random((len(STUDENTS), len(DAYS)))
    away: list[tuple[Any, ...]] = []
    for at, who in enumerate(STUDENTS):
        for number, day in enumerate(DAYS):
            if luck[at, number] < usual[at] + (TRUE / 100 if who in helped and day > TODAY else 0):
                away.append((who, f"stay-{who}", day, "absent", 1.0, False, "in_person", False))
    stays: list[tuple[Any, ...]] = [(f"stay-{who}", who, "lincoln", None, BEGINS, ENDS, 0, None, 9) for who in STUDENTS]
    return SchoolRecords.from_frames({
        "students": _frame("students", [(who,) for who in STUDENTS]),
        "enrolments": _frame("enrolments", stays),
        "organisations": _frame("organisations", [("lincoln", "Lincoln", "school", None)]),
        "calendar": _frame("calendar", [("lincoln", day, True) for day in DAYS]),
        "attendance": _frame("attendance", away),
    })  # fmt: skip


def listed() -> pl.DataFrame:
    reasons = [{"concept": "attendance", "feature": "absence_rate", "value": 0.12, "contribution": 1.0, "text": "."}]
    rows = [{"student_id": who, "target": "chronic_absence", "enrolment_id": f"stay-{who}", "as_of": TODAY, "status": "scored",
             "band": "check_in_suggested", "probability": 0.5, "reasons": reasons} for who in STUDENTS]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={name: SCHEMA[name] for name in rows[0]}).select(
        *(pl.col(name) if name in rows[0] else pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items())
    )


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_HASHER", PasswordHasher.from_parameters(CHEAPEST))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = Store.of(tmp_path / "home", "default")
    school().write(store.records_folder)
    listed().write_parquet(store.folder / "list.parquet")
    store.name_latest(Latest(TODAY, TODAY, {}, {}, "token", {}, "list.parquet"))
    return tmp_path / "home"


@pytest.fixture
def db(home: Path) -> Database:
    return open_database(f"sqlite:///{home / 'homeroom.db'}")


@pytest.fixture
def ben(db: Database) -> Account:
    return people.create_account(db, "default", login="ben", name="Ben Hale", role="counselor", person_id="T-2", now=NOW,
                                 password="seven quiet otters cross")  # fmt: skip


@pytest.fixture
def run(home: Path) -> Run:
    def one(*words: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, [*map(str, words), "--home", str(home)])
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        return done.exit_code, done.stdout, done.stderr

    return one


def given(tmp_path: Path, rows: Mapping[str, str]) -> Path:
    path = tmp_path / "given.csv"
    lines = [f"{who},att_text,{told}" for who, told in rows.items()]
    path.write_text("\n".join(["student_id,intervention_id,answer,delivered_minutes,planned_minutes", *lines]))
    return path


@pytest.mark.full
def test_what_a_draw_did_is_learned_and_stands_beside_what_was_published(
    run: Run, home: Path, db: Database, ben: Account, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(PLACES)
    assert run("allocate", "--capacity", tmp_path / "c.toml")[0] == 0
    drew = offers.in_draws(db, "default", "att_text")
    assert (len(drew), {one.probability for one in drew}) == (160, {0.5})
    had = [one.student_id for one in drew if one.offered]
    told = {who: "refused,," if at % 8 == 0 else f"accepted,{90 - at},100" for at, who in enumerate(had)}
    code, out, _ = run("delivered", given(tmp_path, told), "--as", "ben")
    assert (code, "80 answers and 70 doses are new" in out) == (0, True)
    head = trail.head(db, "default")
    assert "0 answers and 0 doses" in run("delivered", given(tmp_path, told), "--as", "ben")[1]
    assert trail.head(db, "default") == head, "what is on record already is left as it is"

    assert "There is nothing to look at yet" in run("effects", "--until", "2026-12-18")[1], "five weeks are too few"
    school(frozenset(had)).write(Store.of(home, "default").records_folder)
    code, out, _ = run("effects", "--json")
    found = json.loads(out)
    assert (code, found["new"]) == (0, {"att_text": 160})
    one = found["effects"]["att_text"]
    assert (one["outcome"], one["why"], one["claimed"], one["estimate"]["design"]) == ("days_missed", None, True, "lottery")
    assert one["estimate"]["low"] < TRUE < one["estimate"]["high"] < 0
    head = trail.head(db, "default")
    assert json.loads(run("effects", "--json")[1])["new"] == {}
    assert trail.head(db, "default") == head, "to look again records nothing again"
    assert "80 offered, 10 refused" in run("effects")[1]

    folder = Store.of(home, "default").folder
    shown = learned.estimates(folder)["att_text"]
    assert (shown.n_offered, shown.n_control, round(shown.effect, 6)) == (80, 80, round(one["estimate"]["effect"], 6))
    own, shipped = catalogue_of(folder, db)["att_text"], catalogue.shipped()["att_text"]
    assert shipped.published < own.expected < own.measured.size, "fewer days missed is above zero"  # type: ignore[union-attr]
    line = recommend.evidence(own)
    assert line.startswith(recommend.evidence(shipped).split(" Well-designed")[0])
    assert "160 students" in line


@pytest.mark.full
def test_a_file_of_what_was_delivered_is_refused_with_everything_wrong_and_records_nothing(
    run: Run, db: Database, ben: Account, tmp_path: Path
) -> None:
    offers.record(db, "default", None, "2026-11-13/x", 3, [offers.Drawn("s001", "att_text", 0.5, True),
                                                            offers.Drawn("s002", "att_text", 0.5, False)], NOW)  # fmt: skip
    rows = {"s001": "accepted,10,100", "s002": "accepted,,", "s003": "maybe,x,0"}
    code, _, err = run("delivered", given(tmp_path, rows), "--as", "ben")
    assert code == 1
    for part in ("row 3: this student was offered no place", "row 4: there is no such answer", "row 4: these are no minutes"):
        assert part in err
    assert "s003" not in err
    assert "maybe" not in err
    assert [one.answer for one in offers.in_draws(db, "default", "att_text")] == [None, None]
    code, _, err = run("delivered", given(tmp_path, {"s001": "refused,10,100"}), "--as", "ben")
    assert (code, "it was refused" in err) == (1, True)
    code, _, err = run("delivered", given(tmp_path, rows), "--as", "eve")
    assert (code, "No account has the login eve" in err) == (1, True)


def test_where_nothing_was_looked_at_the_catalogue_is_as_it_was(tmp_path: Path) -> None:
    assert learned.with_own(catalogue.shipped(), tmp_path) is catalogue.shipped()
    assert learned.estimates(tmp_path) == {}
    assert not (tmp_path / FILE).exists()


def test_each_help_is_looked_at_by_the_outcome_it_is_given_for() -> None:
    entries = catalogue.shipped()
    told = {key: learned.outcome_of(entries[key]).name for key in ("att_text", "tutor_hd", "work_plan", "cico", "mentor_youth")}
    assert told == {"att_text": "days_missed", "tutor_hd": "mark", "work_plan": "mark", "cico": "incidents",
                    "mentor_youth": "incidents"}  # fmt: skip
    assert LEAST_DAYS >= 28


@pytest.mark.full
def test_places_that_were_delivered_make_a_row_treated_when_a_model_is_trained_again(db: Database, ben: Account) -> None:
    ids = offers.record(db, "default", ben, "x", 3, [offers.Drawn("s001", "tutor_hd", 0.5, True),
                                                      offers.Drawn("s002", "tutor_hd", 0.5, True),
                                                      offers.Drawn("s003", "tutor_hd", 0.5, False)], NOW)  # fmt: skip
    offers.answer(db, ben, ids[0], "accepted", NOW)
    offers.deliver(db, ben, ids[0], 40, 100, NOW)
    offers.answer(db, ben, ids[1], "refused", NOW)
    keys = pl.DataFrame({"student_id": STUDENTS[1:4], "as_of": [date(2026, 10, 1)] * 3})
    records = with_given(school(), db, "default", catalogue.shipped())
    assert treated.helped(records, keys, pl.Series([UNTIL] * 3)).tolist() == [True, False, False]
    assert treated.helped(records, keys, pl.Series([date(2026, 11, 1)] * 3)).tolist() == [False] * 3, "not yet known then"
    assert with_given(school(), None, "default", catalogue.shipped()).holds("supports") is False


def observed(helped: frozenset[str], crisis: bool) -> learned.Looked:
    """Return what is found of home visits for some; in a crisis these miss more days from some weeks before on."""
    rng, since = np.random.default_rng(7), date(2026, 11, 30)
    usual, luck = rng.uniform(0.05, 0.15, len(STUDENTS)), rng.random((len(STUDENTS), len(DAYS)))
    worse = np.array([0.06 if crisis and who in helped else 0.0 for who in STUDENTS])
    late = np.array([day > since - timedelta(days=learned.DAYS_BEFORE[0]) for day in DAYS])
    away = np.argwhere(luck < usual[:, None] + worse[:, None] * late)
    rows: list[tuple[Any, ...]] = [
        (STUDENTS[at], f"stay-{STUDENTS[at]}", DAYS[day], "absent", 1.0, False, "in_person", False) for at, day in away
    ]
    given: list[tuple[Any, ...]] = [(f"help-{who}", who, None, "att_home", since + timedelta(days=3), 2) for who in helped]
    told = {name: pl.concat(parts).collect() for name, parts in school().parts.items()}
    told |= {"attendance": _frame("attendance", rows), "supports": _frame("supports", given)}
    records = SchoolRecords.from_frames(told)
    return learned.look(records, None, "default", catalogue.shipped(), UNTIL, since)["att_home"]


@pytest.mark.full
def test_whom_staff_chose_in_a_crisis_tells_of_no_effect_and_whom_they_chose_by_nothing_does() -> None:
    rng = np.random.default_rng(11)
    some = frozenset(np.array(STUDENTS)[rng.permutation(len(STUDENTS))[:50]].tolist())
    crisis, by_nothing = observed(some, crisis=True), observed(some, crisis=False)
    assert crisis.finding is not None
    assert crisis.finding.estimate.low > 0, "it looks as if visits did harm, whatever is weighed"
    assert (crisis.why, crisis.measured, crisis.claimed) == ("not_alike", None, False)
    assert by_nothing.why is None
    assert by_nothing.measured is not None
    assert by_nothing.measured.low < 0 < by_nothing.measured.high

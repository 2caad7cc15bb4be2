"""``homeroom allocate`` and ``homeroom access``: a file read whole, offers by need, the audit, who answers for a release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from example_school import _frame

from features.problems import Refused
from features.records import SchoolRecords
from homeroom.allocating import LENT_NOTED, NOTED, RELEASED, read_capacity
from homeroom.auditing import of_allocation
from homeroom.cli import main
from serving import catalogue
from serving.allocation import COLUMNS, ROWS, allocate
from serving.batch import SCHEMA
from serving.cases import offers, people, trail
from serving.cases.database import open_database
from serving.store import Latest, Store

TODAY, BEGINS, ENDS = date(2026, 11, 13), date(2026, 9, 1), date(2027, 6, 30)
STUDENTS = [f"s{at:02d}" for at in range(60)]
Run = Callable[..., tuple[int, str, str]]

ENOUGH = """
set_by = "the board"
[[places]]
support = "tutor_hd"
organisation = "district"
places = 30
[[places]]
support = "mentor_success"
organisation = "lincoln"
places = 4
[[places]]
support = "access_device"
organisation = "district"
places = 1
[[hours]]
staff = "counselor"
organisation = "district"
hours = 20
"""

UNEQUAL = ENOUGH.replace('organisation = "district"\nplaces = 30', 'organisation = "lincoln"\nplaces = 30')


def school() -> SchoolRecords:
    """Return a district of two schools; at harbor everybody speaks Somali at home, and at lincoln English."""
    names = ("students", "enrolments", "demographics", "digital_access")
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in names}
    for at, who in enumerate(STUDENTS):
        here = "lincoln" if at % 2 else "harbor"
        rows["students"].append((who,))
        rows["enrolments"].append((f"stay-{who}", who, here, None, BEGINS, ENDS, 0, None, 9))
        told = (who, "female" if at % 4 < 2 else "male", None, None, None, None, None, None, "en" if at % 2 else "so")
        rows["demographics"].append(told)
        rows["digital_access"].append((who, BEGINS, "own", "none" if at < 12 else "broadband", "family"))
    organisations = [("district", "District", "district", None), ("lincoln", "L", "school", "district"),
                     ("harbor", "H", "school", "district")]  # fmt: skip
    plans = [("p1", "s00", "disability_plan", BEGINS, ENDS)]
    frames = {name: _frame(name, one) for name, one in rows.items()}
    return SchoolRecords.from_frames({
        **frames, "organisations": _frame("organisations", organisations), "plans": _frame("plans", plans),
    })  # fmt: skip


def listed() -> pl.DataFrame:
    """Return a list that suggests a check-in with the first fifty, for marks and absence alike."""
    reasons = [
        {"concept": "marks", "feature": "mark_share", "value": 0.4, "contribution": 1.0, "text": "."},
        {"concept": "attendance", "feature": "absence_rate", "value": 0.12, "contribution": 0.9, "text": "."},
    ]
    rows = [
        {"student_id": who, "target": "course_failure", "enrolment_id": f"stay-{who}", "as_of": TODAY, "status": "scored",
         "band": "check_in_suggested" if at < 50 else "no_sign", "reasons": reasons}
        for at, who in enumerate(STUDENTS)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={name: SCHEMA[name] for name in rows[0]}).select(
        *(pl.col(name) if name in rows[0] else pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items())
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = Store.of(tmp_path / "home", "default")
    school().write(store.records_folder)
    listed().write_parquet(store.folder / "list.parquet")
    store.name_latest(Latest(TODAY, TODAY, {}, {}, "token", {}, "list.parquet"))
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    def one(*words: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, [*map(str, words), "--home", str(home)])
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        return done.exit_code, done.stdout, done.stderr

    return one


def told(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "capacity.toml"
    path.write_text(text)
    return path


def noted(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "data" / "default" / NOTED).read_text().splitlines()]


def test_a_capacity_file_is_refused_with_everything_that_is_wrong_with_it(tmp_path: Path) -> None:
    wrong = ENOUGH.replace('"the board"', '""').replace("tutor_hd", "tutoring").replace('"lincoln"', '"linkoln"')
    wrong = wrong.replace("hours = 20", "hours = -1").replace('"counselor"', '"wizard"')
    wrong += '[lottery]\ntolerance = 3\nluck = 1\n[talk]\nminutes = "long"\n'
    with pytest.raises(Refused) as error:
        read_capacity(told(tmp_path, wrong), ["district", "lincoln"], catalogue.shipped())
    assert len(error.value.problems) == 8
    said = str(error.value)
    for part in ("set_by", "places 2, organisation", "hours 1, staff", "hours 1, hours", "lottery, tolerance", "lottery, luck",
                 "talk, minutes", "places of tutoring"):  # fmt: skip
        assert part in said


@pytest.mark.full
def test_offers_are_by_need_released_and_kept_with_their_chances(run: Run, home: Path, tmp_path: Path) -> None:
    even = ENOUGH.replace("places = 30", "places = 50").replace("places = 4", "places = 0")
    code, out, _ = run("allocate", "--capacity", told(tmp_path, even), "--out", tmp_path / "offers.parquet", "--seed", 7)
    assert code == 0, out
    assert "50 students on the list; a talk for 50" in out
    rows = pl.read_parquet(tmp_path / "offers.parquet")
    assert set(ROWS) <= set(rows.columns)
    assert rows["seed"].unique().to_list() == [7]
    assert rows.filter(pl.col("intervention_id") == "conversation")["offered"].sum() == 50
    assert rows.filter(pl.col("intervention_id") == "tutor_hd", pl.col("offered")).height >= 49
    owed = rows.filter(pl.col("how") == "owed")
    assert set(owed["intervention_id"]) == {"access_hotspot", "plan_team"}
    assert owed.filter(pl.col("intervention_id") == "access_hotspot").height == 12, "one place for a device limits nothing owed"
    (file,) = (home / "data" / "default" / RELEASED).glob("*.parquet")
    assert pl.read_parquet(file).equals(rows)
    (one,) = noted(home)
    assert (one["seed"], one["held"], one["set_by"], one["status"]) == (7, False, "the board", "optimal")
    made = offers.made(open_database(url(home)), "default", datetime(2000, 1, 1, tzinfo=UTC))
    assert sum(map(len, made.values())) == rows.filter(pl.col("how") != "owed")["offered"].sum(), "what is owed is no offer"


def url(home: Path) -> str:
    return f"sqlite:///{home / 'homeroom.db'}"


@pytest.mark.full
def test_a_release_that_was_killed_is_ended_and_to_repeat_it_changes_nothing(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = told(tmp_path, ENOUGH.replace("places = 30", "places = 10").replace("places = 4", "places = 0"))
    with monkeypatch.context() as killed:
        killed.setattr(offers, "record", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        CliRunner().invoke(main, ["allocate", "--capacity", str(file), "--home", str(home)])
    db = open_database(url(home))
    assert not offers.in_draws(db, "default", "tutor_hd")
    (kept,) = (home / "data" / "default" / RELEASED).glob("*.parquet")
    before = kept.read_bytes()
    assert run("allocate", "--capacity", file)[0] == 0
    drew = offers.in_draws(db, "default", "tutor_hd")
    assert (len(drew), sum(one.offered for one in drew)) == (50, 10)
    assert {one.probability for one in drew} == {0.2}
    assert all(one.draw.startswith(f"{TODAY}/") and one.draw.endswith("/tutor_hd/0") for one in drew)
    head, code = trail.head(db, "default"), run("allocate", "--capacity", file)[0]
    assert (code, trail.head(db, "default"), len(noted(home)), kept.read_bytes()) == (0, head, 1, before)
    code, _, err = run("allocate", "--capacity", file, "--seed", 1)
    assert (code, "A draw is not repeated" in err) == (1, True)
    store = Store.of(home, "default")
    newest = store.latest()
    assert newest is not None
    store.name_latest(replace(newest, token="scored again"))
    code, _, err = run("allocate", "--capacity", file)
    assert (code, "they were given out from the list of 2026-11-13" in err) == (1, True)
    # Other places: what stands is not offered again, and counts among the two that somebody may have.
    more = told(tmp_path, ENOUGH.replace("places = 30", "places = 60").replace("places = 4", "places = 0"))
    assert run("allocate", "--capacity", more, "--decided-by", "Ida", "--reason", "more")[0] == 0
    each = [one.student_id for one in offers.in_draws(db, "default", "tutor_hd") if one.offered]
    assert len(each) == len(set(each))


@pytest.mark.full
def test_a_group_outside_the_limits_holds_the_release_until_somebody_answers(run: Run, home: Path, tmp_path: Path) -> None:
    file, out = told(tmp_path, UNEQUAL), tmp_path / "offers.parquet"
    code, _, err = run("allocate", "--capacity", file, "--out", out)
    assert code == 1
    assert "home_language: so: it can expect 0.00 of what its need says; by chance it would lie from" in err
    assert not out.exists()
    assert not (home / "data" / "default" / RELEASED).exists()
    code, _, _ = run("allocate", "--capacity", file, "--out", out, "--decided-by", "Ida")
    assert code == 1, "a name without a reason answers for nothing"
    assert len(noted(home)) == 1, "the same run is noted once"
    db = open_database(url(home))
    roles: dict[people.Role, str] = {"principal": "Ida Lovell", "teacher": "Tom Reed"}
    ida, tom = (
        people.create_account(db, "default", login=name[:3], name=name, role=role, password="seven quiet otters cross",
                              now=datetime(2026, 11, 13, tzinfo=UTC), person_id="T-1")
        for role, name in roles.items()
    )  # fmt: skip
    why = ("--reason", "harbor has its own")
    code, _, err = run("allocate", "--capacity", file, "--out", out, "--decided-by", "nobody", *why)
    assert (code, "No account has the login nobody" in err) == (1, True)
    code, _, err = run("allocate", "--capacity", file, "--out", out, "--decided-by", tom.login, *why)
    assert (code, "a teacher does not sign for a school" in err) == (1, True)
    code, _, _ = run("allocate", "--capacity", file, "--out", out, "--decided-by", ida.login, *why)
    assert (code, out.exists()) == (0, True)
    runs = noted(home)
    assert [one["held"] for one in runs] == [True, False]
    assert (runs[1]["decided_by"], runs[1]["role"], runs[1]["reason"]) == ("Ida Lovell", "principal", "harbor has its own")
    assert len({one["seed"] for one in runs}) == 1, "to draw again is to get the same draw"
    assert trail.actions_of(db, ida, ["allocation_released"]) == {"allocation_released"}


@pytest.mark.full
def test_too_few_hours_are_explained_and_nothing_is_offered(run: Run, home: Path, tmp_path: Path) -> None:
    few = ENOUGH.replace("hours = 20", "hours = 2").replace("places = 30", "places = 3")
    code, _, err = run("allocate", "--capacity", told(tmp_path, few), "--out", tmp_path / "offers.parquet")
    assert code == 1
    # Fifty talks of a quarter of an hour, less three tutors' and four mentors' students: 10.75 hours.
    assert "hours of counselor at district: 2.0 hours are 8.8 hours too few to speak with 50 students" in err
    assert not (tmp_path / "offers.parquet").exists()
    assert not (home / "data" / "default" / NOTED).exists()


def test_a_list_of_another_day_is_not_taken_for_the_newest(run: Run, tmp_path: Path) -> None:
    code, _, err = run("allocate", "--capacity", told(tmp_path, ENOUGH), "--as-of", "2026-11-01")
    assert code == 1
    assert f"The newest list is of {TODAY}" in err


def test_the_audit_holds_need_equal_before_it_compares() -> None:
    """Group "so" has half the need and half the offers: given need it is treated like the other."""
    rows = pl.DataFrame(
        [(who, "tutor", "x", 0.2 if at % 2 else 0.1, bool(at % 2) or at % 4 == 0, None, "drawn", None, None)
         for at, who in enumerate(STUDENTS)],
        schema=dict(ROWS), orient="row",
    )  # fmt: skip
    found = {(one["attribute"], one["group"]): one for one in of_allocation(school(), rows, TODAY, 2)}
    assert [found["home_language", group]["ratio"] for group in ("so", "en")] == [1.0, 1.0]
    unlike = rows.with_columns(score=pl.lit(0.2))
    same = {(one["attribute"], one["group"]): one for one in of_allocation(school(), unlike, TODAY, 2)}
    assert same["home_language", "so"]["ratio"] == pytest.approx(0.5 / 0.75, abs=1e-3)
    assert same["home_language", "so"]["outside"]
    assert same["home_language", "so"]["about"] == 30


def test_the_luck_of_a_draw_holds_nothing_and_is_told() -> None:
    """Everybody draws with the same chance; that all who won speak English at home was luck."""
    rows = pl.DataFrame(
        [(who, "tutor", "x", 0.2, at % 2 == 1, 0.5, "drawn" if at % 2 else "not_drawn", None, "tutor/0")
         for at, who in enumerate(STUDENTS)],
        schema=dict(ROWS), orient="row",
    )  # fmt: skip
    found = {(one["attribute"], one["group"]): one for one in of_allocation(school(), rows, TODAY, 2)}
    assert (found["home_language", "so"]["ratio"], found["home_language", "so"]["drawn"]) == (1.0, 0.0)
    assert not any(one["outside"] for one in found.values())


def allocated(seed: int, passed_over: str = "") -> list[dict[str, Any]]:
    """Return the audit of fifteen places for sixty students whose needs differ; a group may be passed over half the time."""
    rng = np.random.default_rng(seed)
    need = rng.gamma(2, 0.3, len(STUDENTS)) + 0.01
    rows = [(who, "tutor", float(need[at]), "x") for at, who in enumerate(STUDENTS)]
    scores = pl.DataFrame(rows, schema=dict(COLUMNS), orient="row")
    less = scores if not passed_over else scores.with_columns(
        score=pl.Series([row[2] * (0.2 if (at % 2 == 0) and rng.random() < 0.8 else 1) for at, row in enumerate(rows)])
    )  # fmt: skip
    made = allocate(less, {("tutor", None): 15}, seed=seed).rows
    given = made.drop("score").join(scores.select("student_id", "score"), on="student_id").select(*ROWS)
    return of_allocation(school(), given, TODAY, 2)


@pytest.mark.full
def test_few_places_given_by_need_alone_are_seldom_held_and_a_rule_that_passes_over_a_group_is() -> None:
    fair = [allocated(seed) for seed in range(30)]
    assert sum(any(one["outside"] for one in audit) for audit in fair) <= 1, "at most 5% of 30"
    swings = sum(any(not 0.8 <= one["ratio"] <= 1.25 for one in audit) for audit in fair)
    assert swings > 10, "by the ratio alone half of them would have been held"
    unfair = [allocated(seed, passed_over="so") for seed in range(10)]
    held = [one for audit in unfair for one in audit if one["outside"] and (one["group"], one["ratio"] < 1) == ("so", True)]
    assert len(held) >= 8


@pytest.mark.full
def test_access_lends_by_need_writes_a_whole_list_and_publishes_no_small_figure(run: Run, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "lend.csv"
    code, text, _ = run("access", "--hotspots", 5, "--out", out, "--seed", 3)
    assert code == 0
    first = out.read_bytes()
    assert run("access", "--hotspots", 5, "--out", out, "--seed", 3)[:2] == (0, text)
    assert out.read_bytes() == first
    assert len((home / "data" / "default" / LENT_NOTED).read_text().splitlines()) == 1, "the same run is noted once"
    assert "Left waiting: fewer than 10 who have none" in text
    rows = pl.read_csv(out)
    assert (rows.filter(pl.col("state") == "lent").height, rows.height) == (5, 12)
    assert "s00" in rows["student_id"].to_list()
    assert "s00" not in text
    line = next(line for line in text.splitlines() if "harbor" in line)
    assert "under 10" in line or "not shown" in line
    code, _, err = run("access", "--hotspots", 5, "--as-of", "2026-09-01", "--json")
    assert code == 0, err

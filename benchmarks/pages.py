"""Every page that staff open, for a counselor of 400 students in a school of 5,000: at the service, over HTTP, and its size."""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio.from_thread
import httpx
import numpy as np
import polars as pl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import school
from benchmarks.request import _until_ready
from features.records import SchoolRecords
from features.sources import read
from features.sources.tables import Tables
from homeroom.simulate.run import simulate
from homeroom.simulate.world import World
from serving.batch import run as score
from serving.cases import people, sessions
from serving.cases.access import ties
from serving.cases.database import Engine, open_database
from serving.cases.keys import Keyring
from serving.cases.people import Account, Role
from serving.contract import ServeSettings
from serving.desk import Desk
from serving.guard import CALL, Boundary, Entry, Guard
from serving.launch import server_command
from serving.pages.render import ADDRESSES
from serving.review.reception import SESSION, Reception, addresses
from serving.scoring import Scoring
from serving.store import Store
from training.governance import Provenance
from training.promotion import Approval
from training.registry import Registry
from training.run import Training
from training.train import train

#: A district of two schools, the high school of which has about 5,000 students.
STUDENTS, SEED = 8_750, 7
WORLD: Mapping[str, Mapping[str, object]] = {"schools": {"zone_students": 9_000, "middle_size": 4_000, "high_size": 5_000}}
THROUGH = date(2026, 2, 13)

#: How many a counselor looks after here.
CASELOAD = 400

#: What is learned matters to no page: a small training, and only of what the pages show.
TRAINING = Training(most_rows=20_000, trees=40, bootstrap_draws=20, refits=0, shift_parts=0, explained=40, proof_dates=1)

#: A page may take so long at the service (ms, half of the times it is asked for) and be so large (bytes).
AIM_MS, AIM_BYTES = 100.0, 100_000

PASSWORD = "seven quiet otters cross"  # noqa: S105 (of accounts that go when the run is over)


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    home = Path(tempfile.mkdtemp(prefix="homeroom-pages-"))
    records = _records(home)
    _listed(home, records)
    settings = ServeSettings.from_mapping({
        "home": str(home), "review": {"today": THROUGH.isoformat(), "simulated": True, "capacity": 20, "safeguarding": "x"}
    })  # fmt: skip
    db = open_database(settings.database_url)
    tokens = {role: _token(db, records, role) for role in ("counselor", "teacher", "principal")}
    asked = _asked(records)
    rounds = max(told.requests // 50, 5)
    inside = _inside(settings, asked, tokens, rounds)
    outside, still = _outside(settings, asked, tokens, rounds)
    print(f"{'page':28} {'bytes':>8} {'first ms':>9} {'p50 ms':>8} {'p95 ms':>8} {'HTTP p50':>9} {'HTTP p95':>9}")
    pages: dict[str, Any] = {}
    for name, one in inside.items():
        times, over = one["ms"], outside[name]
        pages[name] = {
            "bytes": one["bytes"], "first_ms": round(one["first"], 1), "p50_ms": _at(times, 50), "p95_ms": _at(times, 95),
            "http_p50_ms": _at(over, 50), "http_p95_ms": _at(over, 95),
        }  # fmt: skip
        print(f"{name:28} {one['bytes']:8,} {one['first']:9.1f} {_at(times, 50):8.1f} {_at(times, 95):8.1f} "
              f"{_at(over, 50):9.1f} {_at(over, 95):9.1f}")  # fmt: skip
    missed = sorted(name for name, one in pages.items() if one["p50_ms"] > AIM_MS or one["bytes"] > AIM_BYTES)
    slowest = max(one["http_p50_ms"] for one in pages.values())
    print(f"the stylesheet, a file of the same service: p50 {_at(still, 50):.1f} ms; the slowest page takes "
          f"{slowest / _at(still, 50):.0f} times as long")  # fmt: skip
    print(f"over the aim of {AIM_MS:.0f} ms and {AIM_BYTES / 1000:.0f} kB: {', '.join(missed) or 'none'}")
    return {"pages": pages, "missed": missed, "students": STUDENTS, "caseload": CASELOAD,
            "still_p50_ms": _at(still, 50), "ratio": slowest / _at(still, 50),
            "aim": {"p50_ms": AIM_MS, "bytes": AIM_BYTES}}  # fmt: skip


def _at(values: Sequence[float], percent: int) -> float:
    return round(float(np.percentile(values, percent)), 1)


def _records(home: Path) -> SchoolRecords:
    """Return the district's records, in which one counselor of the high school looks after :data:`CASELOAD` students."""
    district = home / "district"
    simulate(STUDENTS, SEED, district, World.of(WORLD))
    reading = read("tables", district, Tables())
    frames = dict(reading.tables)
    large = _largest(frames["enrolments"])
    counselor = str(frames["caseloads"].filter(pl.col("organisation_id") == large)["staff_id"].sort()[0])
    stays = frames["enrolments"].filter(
        pl.col("organisation_id") == large, pl.col("entered_on") > THROUGH - timedelta(days=200)
    )
    gone = frames["exits"]["enrolment_id"].implode()
    theirs = stays.filter(~pl.col("enrolment_id").is_in(gone))["student_id"].unique().sort().head(CASELOAD)
    one = frames["caseloads"].filter(pl.col("staff_id") == counselor).head(1)
    one = one.with_columns(pl.lit("student").alias("by"), pl.lit(None, one.schema["grade_level"]).alias("grade_level"))
    others = frames["caseloads"].filter(pl.col("staff_id") != counselor)
    listed = pl.DataFrame({"caseload_id": [str(one["caseload_id"][0])] * len(theirs), "student_id": theirs})
    like = frames["caseload_students"].head(1).drop("caseload_id", "student_id")
    frames["caseloads"] = pl.concat([others, one])
    frames["caseload_students"] = pl.concat(
        [frames["caseload_students"], listed.join(like, how="cross").select(frames["caseload_students"].columns)]
    )
    made = SchoolRecords.from_frames(frames, "default", reading.digest)
    return made.write(Store.of(home, "default").records_folder)


def _largest(enrolments: pl.DataFrame) -> str:
    return str(enrolments.group_by("organisation_id").len().sort("len")["organisation_id"][-1])


def _listed(home: Path, records: SchoolRecords) -> None:
    """Train, promote, and make the lists of two weeks ago and of today."""
    registry = Registry(home / "models")
    provenance = Provenance(school.DAY.isoformat(), "tables", "a simulated district", (), school.GOVERNANCE)
    results = train(records, settings=TRAINING, registry=registry, provenance=provenance, left_out=lambda *_: None)
    for result in results:
        approval = Approval(school.DAY, "benchmark", school.SIGNED, school.GOVERNANCE, "benchmark")
        registry.promote(result.model.target.name, result.model.version, approval)
    models = [result.model for result in results]
    for day in (THROUGH - timedelta(days=14), THROUGH):
        score(records, models, day, Store.of(home, "default"), home / "scores.parquet", Scoring(), exempt="simulated")


def _token(db: Engine, records: SchoolRecords, role: Role) -> str:
    """Return the session of one of a role: the counselor of 400, and of others whoever sees the most students."""
    mine = ties(records, THROUGH).frame.filter(pl.col("role") == role)
    counted = mine.group_by("person_id").agg(pl.col("student_id").n_unique().alias("students")).sort("person_id")
    wanted = counted.filter(pl.col("students") == CASELOAD) if role == "counselor" else counted.sort("students").tail(1)
    account = people.create_account(
        db, "default", login=f"{role}@pages.example", name=role, role=role, person_id=str(wanted["person_id"][0]),
        password=PASSWORD, now=datetime.now(UTC),
    )  # fmt: skip
    return _signed_in(db, account)


def _signed_in(db: Engine, account: Account) -> str:
    now = datetime.now(UTC)
    token, signed_in = sessions.sign_in(db, account.tenant, account.login, PASSWORD, now)
    if signed_in.missing:
        begun = people.begin_second_factor(db, account.tenant, account.id, now)
        token, _, _ = sessions.confirm_second_factor(db, signed_in, people.shown_code(begun.secret, now), now)
    return token


def _asked(records: SchoolRecords) -> dict[str, tuple[str, list[str]]]:
    """Return who opens each page, and its addresses: of a page of a student or of a class, of several one after another."""
    tied = ties(records, THROUGH).frame
    counselor = tied.filter(pl.col("role") == "counselor")
    person = counselor.group_by("person_id").len().filter(pl.col("len") == CASELOAD)["person_id"][0]
    students = counselor.filter(pl.col("person_id") == person)["student_id"].sort().to_list()[:: CASELOAD // 40]
    teacher = tied.filter(pl.col("role") == "teacher").group_by("person_id").agg(pl.col("student_id").n_unique().alias("of"))
    teaches = str(teacher.sort("person_id").sort("of")["person_id"][-1])
    taught = tied.filter(pl.col("person_id") == teaches)["student_id"].unique().sort().to_list()[:20]
    large = _largest(records.labels("enrolments").collect())
    classes = records.reference("teaching", THROUGH).filter(pl.col("staff_id") == teaches)["section_id"]
    begun = records.reference("sections", THROUGH).filter(pl.col("ends_on") >= THROUGH, pl.col("starts_on") <= THROUGH)
    here = [one for one in classes.unique().sort().to_list() if one in set(begun["section_id"])][:5]
    return {
        "caseload": ("counselor", ["/review"]),
        "caseload, searched": ("counselor", ["/review?q=an"]),
        "caseload as a table": ("counselor", ["/review/students.csv"]),
        "student": ("counselor", [f"/review/students/{quote(one, safe='')}" for one in students]),
        "team meeting": ("counselor", ["/review/meeting?year=9", "/review/meeting?year=10"]),
        "teacher's students": ("teacher", ["/review"]),
        "student, by a teacher": ("teacher", [f"/review/students/{quote(one, safe='')}" for one in taught]),
        "classes": ("teacher", ["/review/classes"]),
        "class": ("teacher", [f"/review/classes/{quote(one, safe='')}" for one in here]),
        "principal's students": ("principal", ["/review"]),
        "schools": ("principal", ["/review/schools"]),
        "figures of a school": ("principal", [f"/review/schools/{quote(large, safe='')}"]),
        "practice": ("counselor", ["/review/practice"]),
        "a child's safety": ("counselor", ["/review/safeguarding"]),
    }


def _times(get: Callable[[str, str], tuple[int, int]], asked: Mapping[str, tuple[str, list[str]]],
           tokens: Mapping[str, str], rounds: int) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return how long pages take: the first time that one is asked for, and each time after it."""
    found: dict[str, dict[str, Any]] = {}
    for name, (role, paths) in asked.items():
        first, times, sizes = 0.0, [], []
        for at, path in enumerate([*paths, *(paths[turn % len(paths)] for turn in range(max(rounds, len(paths))))]):
            began = time.perf_counter()
            status, size = get(path, tokens[role])
            taken = 1000 * (time.perf_counter() - began)
            if status != httpx.codes.OK:
                raise SystemExit(f"{path} was answered with {status}")
            if at == 0:
                first = taken
            else:
                times.append(taken)
            sizes.append(size)
        found[name] = {"first": first, "ms": times, "bytes": max(sizes)}
    return found


def _inside(settings: ServeSettings, asked: Mapping[str, tuple[str, list[str]]], tokens: Mapping[str, str],
            rounds: int) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Measure in this process: the guard, the reception and the page, and no connection."""
    desk, db = Desk(settings.home, settings.home / "models"), open_database(settings.database_url)
    reception = Reception(settings.home, "default", lambda: db, lambda: desk, settings.review, lambda: datetime.now(UTC))

    def answer(request: Request) -> Response:
        call = CALL.get()
        with Boundary(call):
            return reception.answer(request, call.form, call.request_id)
        return Response(status_code=500)

    app = Guard(
        Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST"])]), settings=settings,
        keys=Keyring(settings.database_url), measure=lambda *_: None,
        entries=tuple(Entry(path, method, page=True) for path, method in addresses()), refused=reception.refused,
    )  # fmt: skip

    # One loop for all: to begin one takes longer than some pages.
    with anyio.from_thread.start_blocking_portal() as portal:
        transport = httpx.ASGITransport(app=cast("Any", app))
        client = httpx.AsyncClient(transport=transport, base_url="https://school.example", timeout=120)

        def get(path: str, token: str) -> tuple[int, int]:
            got = portal.call(lambda: client.get(path, headers={"Cookie": f"{SESSION}={token}"}))
            return got.status_code, len(got.content)

        return _times(get, asked, tokens, rounds)


def _outside(settings: ServeSettings, asked: Mapping[str, tuple[str, list[str]]], tokens: Mapping[str, str],
             rounds: int) -> tuple[dict[str, list[float]], list[float]]:  # fmt: skip
    """Measure over HTTP from another process than the service's, and a file of the service beside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = server_command(settings, "127.0.0.1", port)
    root = Path(__file__).resolve().parent.parent
    server = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            _until_ready(client, server)

            def get(path: str, token: str) -> tuple[int, int]:
                got = client.get(path, headers={"Cookie": f"{SESSION}={token}"})
                return got.status_code, len(got.content)

            # A service reads what its pages need as soon as it has begun; what is measured is what comes after.
            for role, paths in asked.values():
                get(paths[0], tokens[role])
            pages = {name: one["ms"] for name, one in _times(get, asked, tokens, rounds).items()}
            still = _times(get, {"style": ("counselor", [ADDRESSES["style"]])}, tokens, 10 * rounds)["style"]["ms"]
            return pages, still
    finally:
        server.terminate()
        server.wait(timeout=60)

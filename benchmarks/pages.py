"""Every page of the route table, for a counselor of 400 students in a school of 5,000: at the service, over HTTP, its size.

A page of a student or of a class is asked for one after another, none of which was opened before: what takes longest is then
told, and not what is at hand. The peer of every page is a file of the same service, its stylesheet.
"""

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
from serving.cases import people, plans, sessions
from serving.cases.access import ties
from serving.cases.database import Engine, open_database
from serving.cases.keys import Keyring
from serving.cases.people import Account, Role
from serving.contract import ServeSettings
from serving.desk import Desk
from serving.guard import CALL, Boundary, Entry, Guard
from serving.launch import server_command
from serving.pages.render import ADDRESSES, at
from serving.review.reception import SESSION, Reception, _warmed, addresses
from serving.review.routes import ROUTES, patterned
from serving.scoring import Scoring
from serving.store import Store
from training.governance import Provenance
from training.promotion import Approval
from training.registry import Registry
from training.run import Training
from training.train import train

#: A district of two schools, the high school of which has about 5,000 students.
STUDENTS, SEED = 8_750, 7
WORLD: Mapping[str, Mapping[str, object]] = {
    "schools": {"zone_students": 9_000, "middle_size": 4_000, "high_size": 5_000}, "years": {"first": 2023, "count": 3},
}  # fmt: skip
THROUGH = date(2026, 2, 13)

#: How many a counselor looks after here.
CASELOAD = 400

#: What is learned matters to no page: a small training, of the one target that three school years have enough of.
TRAINING = Training(most_rows=20_000, trees=40, bootstrap_draws=20, refits=0, shift_parts=0, explained=40, proof_dates=1)
TARGETS = ("course_failure",)

#: GET routes that are no pages, the office of those who see no student, and what leads whoever has one child on to it.
NO_PAGES = ("caseload_table", "figures_table", "export", "student_photo", "area_card", "office", "own")

#: A page may take so long at the service (ms, half of the times it is asked for) and be so large (bytes).
AIM_MS, AIM_BYTES = 100.0, 100_000

#: Who opens pages here.
ROLES: tuple[Role, ...] = ("counselor", "teacher", "principal", "guardian")

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
    accounts = {role: _account(db, records, role) for role in ROLES}
    tokens = {role: _signed_in(db, account) for role, account in accounts.items()}
    asked = _asked(db, records, accounts)
    rounds = max(told.requests // 50, 5)
    inside = _inside(settings, asked, tokens, rounds)
    outside, still = _outside(settings, asked, tokens, rounds)
    heads = ("first ms", "p50 ms", "p95 ms", "CPU p50", "HTTP p50", "HTTP p95")
    print(f"{'page':28} {'bytes':>8} {' '.join(f'{one:>9}' for one in heads)}")
    pages: dict[str, Any] = {}
    for name, one in inside.items():
        times, over = one["ms"], outside[name]
        pages[name] = {"bytes": one["bytes"], "first_ms": round(one["first"], 1)} | {
            "p50_ms": _percentile(times, 50), "p95_ms": _percentile(times, 95), "cpu_p50_ms": _percentile(one["cpu"], 50),
            "http_p50_ms": _percentile(over, 50), "http_p95_ms": _percentile(over, 95),
        }  # fmt: skip
        print(f"{name:28} {one['bytes']:8,} {' '.join(f'{ms:9.1f}' for ms in list(pages[name].values())[1:])}")
    missed = sorted(name for name, one in pages.items() if one["p50_ms"] > AIM_MS or one["bytes"] > AIM_BYTES)
    slowest = max(one["http_p50_ms"] for one in pages.values())
    print(f"the stylesheet, a file of the same service: p50 {_percentile(still, 50):.1f} ms; the slowest page takes "
          f"{slowest / _percentile(still, 50):.0f} times as long")  # fmt: skip
    print(f"over the aim of {AIM_MS:.0f} ms and {AIM_BYTES / 1000:.0f} kB: {', '.join(missed) or 'none'}")
    return {"pages": pages, "missed": missed, "students": STUDENTS, "caseload": CASELOAD,
            "still_p50_ms": _percentile(still, 50), "ratio": slowest / _percentile(still, 50),
            "aim": {"p50_ms": AIM_MS, "bytes": AIM_BYTES}}  # fmt: skip


def _percentile(values: Sequence[float], percent: int) -> float:
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
    results = train(records, TARGETS, settings=TRAINING, registry=registry, provenance=provenance, left_out=lambda *_: None)
    for result in results:
        approval = Approval(school.DAY, "benchmark", school.SIGNED, school.GOVERNANCE, "benchmark")
        registry.promote(result.model.target.name, result.model.version, approval)
    models = [result.model for result in results]
    for day in (THROUGH - timedelta(days=14), THROUGH):
        score(records, models, day, Store.of(home, "default"), home / "scores.parquet", Scoring(), exempt="simulated")


def _account(db: Engine, records: SchoolRecords, role: Role) -> Account:
    """Return the account of one of a role: the counselor of 400, and of others whoever sees the most students."""
    mine = ties(records, THROUGH).frame.filter(pl.col("role") == role)
    counted = mine.group_by("person_id").agg(pl.col("student_id").n_unique().alias("students")).sort("person_id")
    wanted = counted.filter(pl.col("students") == CASELOAD) if role == "counselor" else counted.sort("students").tail(1)
    return people.create_account(
        db, "default", login=f"{role}@pages.example", name=role, role=role, person_id=str(wanted["person_id"][0]),
        password=PASSWORD, now=datetime.now(UTC),
    )  # fmt: skip


def _signed_in(db: Engine, account: Account) -> str:
    now = datetime.now(UTC)
    token, signed_in = sessions.sign_in(db, account.tenant, account.login, PASSWORD, now)
    if signed_in.missing:
        begun = people.begin_second_factor(db, account.tenant, account.id, now)
        token, _, _ = sessions.confirm_second_factor(db, signed_in, people.shown_code(begun.secret, now), now)
    return token


def _asked(db: Engine, records: SchoolRecords, accounts: Mapping[Role, Account]) -> dict[str, tuple[Role, list[str]]]:
    """Return who opens each page, and its addresses: of a page of a student or of a class, of several one after another.

    Raises SystemExit where the table of routes has a page that is not among them.
    """
    tied = ties(records, THROUGH).frame

    def theirs(role: Role) -> list[str]:
        mine = tied.filter(pl.col("person_id") == accounts[role].person_id, pl.col("role") == role)
        return mine["student_id"].unique().sort().to_list()

    looked_after = theirs("counselor")
    # Each kind of page has students of its own: what one of them read is not at hand for the next.
    student, family, wanted, planned = (looked_after[at::10] for at in range(4))
    child = theirs("guardian")[0]
    plan_of = {one: plans.begin_plan(db, accounts["counselor"], one, datetime.now(UTC)) for one in planned[:20]}
    large = _largest(records.labels("enrolments").collect())
    taught = records.reference("teaching", THROUGH).filter(pl.col("staff_id") == accounts["teacher"].person_id)["section_id"]
    held = records.reference("sections", THROUGH).filter(pl.col("ends_on") >= THROUGH, pl.col("starts_on") <= THROUGH)
    here = [one for one in taught.unique().sort().to_list() if one in set(held["section_id"])][:5]
    asked: dict[str, tuple[Role, list[str]]] = {
        "caseload": ("counselor", [at("caseload")]),
        "caseload, searched": ("counselor", [at("caseload", q="an")]),
        "caseload as a table": ("counselor", [at("caseload_table")]),
        "student": ("counselor", [at("student", student_id=one) for one in student]),
        "plan": ("counselor", [at("plan", student_id=one, plan_id=plan) for one, plan in plan_of.items()]),
        "family page": ("counselor", [at("family", student_id=one) for one in family]),
        "what can be asked for": ("counselor", [at("requests", student_id=one) for one in wanted]),
        "rows to be corrected": ("counselor", [at("requests", student_id=one, about="missed") for one in wanted]),
        "corrections": ("counselor", [at("corrections")]),
        "team meeting": ("counselor", [at("meeting", year=9), at("meeting", year=10)]),
        "counselor's classes": ("counselor", [at("classes")]),
        "practice": ("counselor", [at("practice")]),
        "a child's safety": ("counselor", [at("safeguarding")]),
        "teacher's students": ("teacher", [at("caseload")]),
        "student, by a teacher": ("teacher", [at("student", student_id=one) for one in theirs("teacher")[:20]]),
        "teacher's classes": ("teacher", [at("classes")]),
        "class": ("teacher", [at("lesson", section_id=one) for one in here]),
        "class, to print": ("teacher", [at("lesson", section_id=one, view="print") for one in here]),
        "principal's students": ("principal", [at("caseload")]),
        "principal's classes": ("principal", [at("classes")]),
        "student, by a principal": ("principal", [at("student", student_id=one) for one in theirs("principal")[5:1000:50]]),
        "schools": ("principal", [at("schools")]),
        "figures of a school": ("principal", [at("figures", organisation_id=large)]),
        "student, by a guardian": ("guardian", [at("student", student_id=child)]),
        "family page, by a guardian": ("guardian", [at("family", student_id=child)]),
    }
    patterns = {route.name: patterned(route.path) for route in ROUTES if route.method == "GET" and route.name not in NO_PAGES}
    paths = [path.partition("?")[0] for _, several in asked.values() for path in several]
    if missing := [name for name, pattern in patterns.items() if not any(map(pattern.fullmatch, paths))]:
        raise SystemExit(f"not measured: {', '.join(missing)}")
    return asked


def _times(get: Callable[[str, str], tuple[int, int]], asked: Mapping[str, tuple[Role, list[str]]],
           tokens: Mapping[Role, str], rounds: int) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return how long pages take: the first time that one is asked for, and each of several after it.

    Where there are several addresses each is asked for once, so that no student or class was opened before.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, (role, paths) in asked.items():
        first, times, spent, sizes = 0.0, [], [], []
        for turn, path in enumerate(paths if len(paths) > 2 else paths * (1 + rounds)):
            began, worked = time.perf_counter(), time.process_time()
            status, size = get(path, tokens[role])
            taken = 1000 * (time.perf_counter() - began)
            if status != httpx.codes.OK:
                raise SystemExit(f"{path} was answered with {status}")
            if turn == 0:
                first = taken
            else:
                times.append(taken)
                spent.append(1000 * (time.process_time() - worked))
            sizes.append(size)
        found[name] = {"first": first, "ms": times, "cpu": spent, "bytes": max(sizes)}
    return found


def _inside(settings: ServeSettings, asked: Mapping[str, tuple[Role, list[str]]], tokens: Mapping[Role, str],
            rounds: int) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Measure in this process: the guard, the reception and the page, and no connection."""
    desk, db = Desk(settings.home, settings.home / "models"), open_database(settings.database_url)
    reception = Reception(settings.home, "default", lambda: db, lambda: desk, settings.review, lambda: datetime.now(UTC))
    _warmed(reception.room("default"), THROUGH)  # as the service does in a thread when it begins

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


def _outside(settings: ServeSettings, asked: Mapping[str, tuple[Role, list[str]]], tokens: Mapping[Role, str],
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

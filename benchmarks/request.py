"""One student's request to the running service: its own time by stage, and the whole over HTTP from another process."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from benchmarks import school
from features.records import SchoolRecords
from serving.cases.database import open_database
from serving.cases.keys import create_key
from serving.contract import ServeSettings
from serving.desk import Desk
from serving.launch import server_command

TABLES = ("enrolments", "exits", "rosters", "submissions", "results", "activity", "skill_results")


def bodies(records: SchoolRecords, as_of: date, count: int, scores: Path) -> list[dict[str, Any]]:
    """Return requests of enrolled students of one course each, with all that was known: 200 to 300 days by kind."""
    rows = records._rows("activity").filter(pl.col("known_on") <= as_of).group_by("student_id").len().collect()
    single = records._rows("enrolments").group_by("student_id").len().filter(pl.col("len") == 1).collect()
    usual = rows.filter(pl.col("len").is_between(200, 300)).join(single, on="student_id", how="semi")
    here = pl.read_parquet(scores, columns=["student_id"])
    wanted = usual.join(here, on="student_id", how="semi")["student_id"].sort().head(count).to_list()
    found: dict[str, dict[str, Any]] = {student: {"student_id": student} for student in wanted}
    for table in TABLES:
        known = records._rows(table).filter(pl.col("student_id").is_in(wanted), pl.col("known_on") <= as_of).collect()
        kept = known.drop("tenant", "deleted", *([] if table in ("results", "skill_results") else ["known_on"]))
        for student in wanted:
            mine = kept.filter(pl.col("student_id") == student).drop("student_id")
            found[student][table] = mine.with_columns(pl.col(pl.Date).cast(pl.String)).to_dicts()
    return [{"as_of": as_of.isoformat(), "students": [one]} for one in found.values()]


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Measure, print a table, and return every figure."""
    scores = school.scored(told.oulad)
    records, home = school.records(told.oulad), school.folder()
    asked = bodies(records, school.AS_OF, 40, scores)
    desk = Desk(home, home / "models")
    stages: dict[str, list[float]] = {}
    for turn in range(12):
        for body in asked:
            _, seconds = desk.score_timed(body, "default", "counselor")
            if turn > 1:
                for stage, value in seconds.items():
                    stages.setdefault(stage, []).append(1000 * value)
    whole = _over_http(home, asked, told.requests)
    print(f"one student: {np.mean([len(one['students'][0]['activity']) for one in asked]):.0f} rows of activity, "
          f"{np.mean([len(json.dumps(one)) for one in asked]) / 1000:.0f} kB of JSON")  # fmt: skip
    print(f"{'stage':24} {'p50 ms':>8} {'p99 ms':>8}")
    for stage, values in [*stages.items(), ("over HTTP, whole", whole)]:
        print(f"{stage:24} {np.percentile(values, 50):8.2f} {np.percentile(values, 99):8.2f}")
    figures = {stage: {"p50_ms": _at(values, 50), "p99_ms": _at(values, 99)} for stage, values in stages.items()}
    return {"stages": figures, "http": {"p50_ms": _at(whole, 50), "p99_ms": _at(whole, 99), "requests": len(whole)},
            "aim": {"p50_ms": 10, "p99_ms": 30}}  # fmt: skip


def _at(values: list[float], percent: int) -> float:
    return round(float(np.percentile(values, percent)), 2)


def _over_http(home: Path, asked: list[dict[str, Any]], requests: int) -> list[float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ServeSettings.from_mapping({"home": str(home)})
    key = create_key(open_database(settings.database_url), "default", "counselor", "benchmark")
    command, environment = server_command(settings, "127.0.0.1", port)
    root = Path(__file__).resolve().parent.parent
    server = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # The client is this process; the server is another, as a school's system and Homeroom are.
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as client:
            _until_ready(client, server)
            payloads = [json.dumps(one).encode() for one in asked]
            headers = {"Content-Type": "application/json"}
            times = []
            for turn in range(requests + 100):
                started = time.perf_counter()
                answer = client.post("/score", content=payloads[turn % len(payloads)], headers=headers)
                if turn >= 100:
                    times.append(1000 * (time.perf_counter() - started))
                answer.raise_for_status()
            return times
    finally:
        server.terminate()
        server.wait(timeout=60)


def _until_ready(client: httpx.Client, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}")
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it is not listening yet
        time.sleep(0.5)
    sys.exit(f"the server {os.getpid()} was not ready after two minutes")

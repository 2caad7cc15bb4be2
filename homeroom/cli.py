"""The command line: every command in one line of help, quick to answer, the same exit codes.

0: done. 1: refused, with reasons. 2: used wrongly. Heavy frameworks are imported by the command that needs them, so
``homeroom --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from features.problems import Refused
    from features.records import SchoolRecords
    from features.validation import Reading
    from homeroom.settings import Settings
    from serving.store import Store
    from training.registry import Registry

SOURCE_NAMES = ("oulad", "tables")
AUDIENCE_NAMES = ("teacher", "counselor", "scientist", "family")
TARGET_NAMES = ("dropout", "course_failure", "chronic_absence", "learning_gap")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="homeroom")
def main() -> None:
    """Read a school's records, learn which students are drifting, and say so in sentences a teacher can check."""


def command(*arguments: Callable[..., Any]) -> Callable[[Callable[..., None]], click.Command]:
    """Register a command with the options that every command has: --home, --json, --set."""

    def register(body: Callable[..., None]) -> click.Command:
        @wraps(body)
        def run(home: str | None, sets: tuple[str, ...], as_json: bool, **given: Any) -> None:
            from features.problems import HomeroomError
            from homeroom.settings import read

            try:
                body(read(home, sets), Say(as_json), **given)
            except HomeroomError as error:
                Say(as_json).refused(error)
                sys.exit(1)

        decorated: Callable[..., Any] = run
        for argument in reversed(arguments):
            decorated = argument(decorated)
        decorated = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per result, for machines.")(
            decorated
        )
        decorated = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Any setting, for this command.")(
            decorated
        )
        decorated = click.option("--home", metavar="DIR", help="The state folder (default: HOMEROOM_HOME or .homeroom).")(
            decorated
        )
        return main.command(name=body.__name__.rstrip("_"))(decorated)

    return register


class Say:
    """Speaks to a person on a terminal or to a machine, one or the other."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def lines(self, *lines: str) -> None:
        """Print lines for a person."""
        if not self.as_json:
            for line in lines:
                click.echo(line)

    def result(self, found: object) -> None:
        """Print an object for a machine."""
        if self.as_json:
            import orjson

            click.echo(orjson.dumps(found, default=str).decode())

    def refused(self, error: Exception) -> None:
        """Print what was refused and why."""
        from features.problems import Refused

        if self.as_json:
            problems = [problem.as_dict() for problem in error.problems] if isinstance(error, Refused) else []
            message = error.what if isinstance(error, Refused) else str(error)
            self.result({"error": {"code": type(error).__name__.lower(), "message": message, "problems": problems}})
        else:
            click.echo(str(error), err=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[..., None]]:
        """Show what is being done, on a terminal only; yields a function of a step, parts done and parts in all."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=self.as_json or not console.is_terminal) as bar:
            task = bar.add_task(title, total=None)

            def step(what: str, done: int | None = None, of: int | None = None) -> None:
                bar.update(task, description=f"{title}: {what}", completed=done, total=of)

            yield step


_SOURCE = click.option("--source", type=click.Choice(SOURCE_NAMES), required=True, help="The format of the export.")
_PATH = click.argument("path", type=click.Path(path_type=Path))


def _date(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    if value is None:
        return None
    from features.validation import day

    def one(text: str) -> date:
        found = day(text)
        if found is None:
            raise click.BadParameter(f"{text} is not a date of the form YYYY-MM-DD")
        return found

    return tuple(map(one, value)) if isinstance(value, tuple) else one(value)


def _read(settings: Settings, source: str, path: Path) -> tuple[Reading, Any]:
    from features.sources import SOURCES, read

    told = settings.section("source", SOURCES[source].settings)
    return read(source, path, told, settings.tenant), told


def _store(settings: Settings) -> Store:
    from serving.store import Store

    return Store.of(settings.home, settings.tenant)


def _registry(settings: Settings) -> Registry:
    from training.registry import Registry

    return Registry(settings.home / "models", settings.tenant, settings.mlflow_uri)


def _records(settings: Settings, say: Say, source: str, path: Path) -> tuple[SchoolRecords, Any]:
    """Return the records of an export, kept in the state folder; what was set aside is kept beside them.

    An export that was read before, in the same way, and has not changed since is not read again.
    """
    from features.problems import NotFound
    from features.records import SchoolRecords
    from features.sources import SOURCES, digest

    store, told = _store(settings), settings.section("source", SOURCES[source].settings)
    try:
        kept = store.records()
    except NotFound:
        kept = None  # the first export of this tenant
    if kept is not None and kept.digest == digest(source, path, told):
        return kept, told
    with say.progress("reading") as step:
        step(source)
        reading, _ = _read(settings, source, path)
        records = SchoolRecords.from_frames(reading.tables, settings.tenant, reading.digest).write(store.records_folder)
        reading.write_quarantine(store.folder / "quarantine")
    if reading.quarantined:
        say.lines(f"{reading.quarantined:,} rows were set aside; `homeroom check` says why.")
    return records, told


@command(_SOURCE, _PATH)
def check(settings: Settings, say: Say, source: str, path: Path) -> None:
    """Read and validate a school's export, and account for every row."""
    with say.progress("reading") as step:
        step(source)
        reading, _ = _read(settings, source, path)
    written = reading.write_quarantine(_store(settings).folder / "quarantine")
    for problem in reading.problems:
        say.lines(str(problem))
    for one in reading.accounts:
        say.lines(f"{one.file}: {one.read:,} rows read = {one.kept:,} kept + {one.quarantined:,} set aside")
    for file in written:
        say.lines(f"Set aside, with reasons: {file}")
    say.result(
        {
            "accounts": [
                {"file": one.file, "read": one.read, "kept": one.kept, "quarantined": one.quarantined}
                for one in reading.accounts
            ],
            "problems": [problem.as_dict() for problem in reading.problems],
            "quarantine": [str(file) for file in written],
        }
    )


@command(
    _SOURCE,
    _PATH,
    click.option(
        "--as-of",
        "dates",
        multiple=True,
        required=True,
        callback=_date,
        metavar="DATE",
        help="The day to look from; repeatable.",
    ),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="The Parquet file to write."),
)
def features(settings: Settings, say: Say, source: str, path: Path, dates: tuple[date, ...], out: Path) -> None:
    """Write the feature table: one row per enrolment and date, as known on that day."""
    from features.cohort import on_dates
    from features.pipeline import build
    from features.standard import STANDARD

    records, _ = _records(settings, say, source, path)
    with say.progress("features") as step:
        step(f"{len(dates)} dates")
        table = build(records, on_dates(records, dates, "enrolment"), STANDARD)
    out.parent.mkdir(parents=True, exist_ok=True)
    table.frame.write_parquet(out)
    say.lines(f"{len(table):,} rows of {len(table.catalog):,} features in {out}")
    say.result({"rows": len(table), "features": len(table.catalog), "out": str(out), "norms": table.norms.digest})


@command(
    _SOURCE,
    _PATH,
    click.option(
        "--target", "targets", multiple=True, type=click.Choice(TARGET_NAMES), help="What to predict; all by default."
    ),
    click.option(
        "--test-from", callback=_date, metavar="DATE", help="First day of the test; its outcomes are later than all training."
    ),
)
def train(settings: Settings, say: Say, source: str, path: Path, targets: tuple[str, ...], test_from: date | None) -> None:
    """Train a model per target, judge it on later data and against simple baselines, and register it."""
    from training import train as training

    told = settings.section("train", training.Training)
    records, source_told = _records(settings, say, source, path)
    with say.progress("training") as step:
        results = training.train(
            records, targets, told, test_from, source_told.pass_mark, _registry(settings), progress=step,
            left_out=lambda name, why: _left_out(say, name, why),
        )  # fmt: skip
    for one in results:
        say.result(one.as_dict())
        auc = [f"day {row['day']}: {_figure(row['auc'])}" for row in one.by_day]
        learned, judged = (f"{part['rows']:,} rows ({part['from']} to {part['to']})" for part in (one.train, one.test))
        precision, recall, error = map(
            _figure, (one.metrics.precision_at_capacity, one.metrics.recall_at_capacity, one.metrics.ece)
        )
        say.lines(
            f"{one.model.target.name} version {one.model.version}: trained on {learned}, judged on {judged}",
            f"  AUC {', '.join(auc)}",
            f"  list of {told.capacity:.0%}: precision {precision}, recall {recall}; calibration error {error}",
            *(
                f"  against {gain.baseline}: recall {gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
                for gain in one.gains
            ),
            f"  gate {'passed' if one.passed_gate else 'not passed: it stays a candidate'}; {one.seconds['total']:.1f} s",
        )


def _left_out(say: Say, target: str, why: Refused) -> None:
    say.lines(f"{target}: left out. {why}")
    say.result({"target": target, "left_out": [problem.as_dict() for problem in why.problems]})


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


@command(click.argument("target", required=False, type=click.Choice(TARGET_NAMES)))
def models(settings: Settings, say: Say, target: str | None) -> None:
    """List the registered models, newest first."""
    found = _registry(settings).versions(target)
    for one in found:
        auc = one.metrics.get("auc", float("nan"))
        marks = [*(["in use"] if one.champion else []), "gate passed" if one.passed_gate else "gate not passed"]
        say.lines(
            f"{one.target} version {one.version}: AUC {auc:.3f}, {', '.join(marks)}"
            if auc
            else f"{one.target} version {one.version}"
        )
        say.result({"target": one.target, "version": one.version, "run_id": one.run_id, "passed_gate": one.passed_gate,
                    "champion": one.champion, "metrics": dict(one.metrics)})  # fmt: skip
    if not found:
        say.lines("No model is registered yet. `homeroom train` makes one.")


@command(
    click.argument("target", type=click.Choice(TARGET_NAMES)),
    click.argument("version"),
    click.option("--despite-gate", default="", metavar="REASON", help="Why a version that failed its gate may serve."),
)
def promote(settings: Settings, say: Say, target: str, version: str, despite_gate: str) -> None:
    """Let a version serve."""
    _registry(settings).promote(target, version, despite_gate)
    say.lines(f"{target}: version {version} serves now.")
    say.result({"target": target, "version": version})


@command(click.argument("target", type=click.Choice(TARGET_NAMES)))
def rollback(settings: Settings, say: Say, target: str) -> None:
    """Let the version serve that served before."""
    version = _registry(settings).rollback(target)
    say.lines(f"{target}: version {version} serves again.")
    say.result({"target": target, "version": version})


@command(
    _SOURCE,
    _PATH,
    click.option("--as-of", "as_of", required=True, callback=_date, metavar="DATE", help="The day to look from."),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="The Parquet file to write."),
)
def score(settings: Settings, say: Say, source: str, path: Path, as_of: date, out: Path) -> None:
    """Score everybody enrolled on a day, with reasons. Safe to repeat; goes on where it was stopped."""
    from features.problems import NotFound
    from features.standard import STANDARD
    from serving.batch import run
    from serving.scoring import Scoring

    told, registry = settings.section("score", Scoring), _registry(settings)
    loaded = [registry.load(target, STANDARD) for target in TARGET_NAMES if registry.champion(target) is not None]
    if not loaded:
        raise NotFound("No model is promoted. Train one with `homeroom train`, then `homeroom promote TARGET VERSION`.")
    records, _ = _records(settings, say, source, path)
    with say.progress("scoring") as step:
        done = run(records, loaded, as_of, _store(settings), out, told, step)
    for target, counts in done.counts.items():
        say.lines(f"{target}: {', '.join(f'{rows:,} {status}' for status, rows in counts.items())}")
    say.lines(f"{done.rows:,} rows for {done.students:,} students in {out}; records reach to {done.data_through}")
    say.result({"rows": done.rows, "students": done.students, "counts": done.counts, "parts": done.parts,
                "parts_found": done.parts_found, "data_through": done.data_through, "out": str(out)})  # fmt: skip


@command(
    click.option("--students", type=int, required=True, help="About how many are enrolled in a school year."),
    click.option("--seed", type=int, required=True, help="Another seed, another district; the same seed, the same bytes."),
    click.option("--world", "world_file", type=click.Path(path_type=Path), help="A TOML file of what is true there."),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write."),
)
def simulate(settings: Settings, say: Say, students: int, seed: int, world_file: Path | None, out: Path) -> None:
    """Write a simulated district as canonical tables, and apart from them what is true in it."""
    import time

    from homeroom.simulate.run import simulate as run
    from homeroom.simulate.world import World

    del settings  # a district depends on its own arguments alone
    world, began = World.read(world_file) if world_file else World(), time.perf_counter()
    with say.progress("simulating") as step:
        made = run(students, seed, out, world, progress=step)
    seconds = round(time.perf_counter() - began, 1)
    say.lines(
        f"World {made.world}, seed {seed}: {sum(made.rows.values()):,} rows in {len(made.rows)} tables, {seconds} s",
        *(f"  {name}: {made.rows[name]:,}" for name in _SHOWN if name in made.rows),
        f"What is true lies apart, in {out / 'truth'}: nothing that learns or scores reads it.",
        "Next:",
        f"  homeroom check --source tables {out}",
        f"  homeroom train --source tables {out}",
        f"  python -m homeroom.simulate.distributions {out}",
    )
    say.result({"out": str(out), "world": made.world, "students": students, "seed": seed, "zones": made.zones,
                "rows": dict(made.rows), "truth": dict(made.truth), "seconds": seconds})  # fmt: skip


#: The tables whose rows are told of a district that was made.
_SHOWN = ("students", "enrolments", "exits", "attendance", "submissions", "results", "skill_results", "activity", "outcomes",
          "supports")  # fmt: skip


@command(
    click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
    click.option("--port", default=3000, show_default=True, help="The port to listen on."),
)
def serve(settings: Settings, say: Say, host: str, port: int) -> None:
    """Serve scores over HTTP."""
    from serving.launch import serve as launch

    say.lines(f"Homeroom at http://{host}:{port}. Stop with Ctrl-C.")
    launch(settings.serve(), host, port)


@command(
    click.option(
        "--audience", type=click.Choice(AUDIENCE_NAMES), default="teacher", show_default=True, help="What an answer may hold."
    ),
    click.option("--label", default="", help="What the key is for."),
)
def key(settings: Settings, say: Say, audience: str, label: str) -> None:
    """Make an API key. It is shown once and kept only as a hash."""
    from serving.cases.database import open_database
    from serving.cases.keys import create_key

    secret = create_key(open_database(settings.database_url), settings.tenant, audience, label)
    say.lines(secret)
    say.result({"key": secret, "audience": audience, "tenant": settings.tenant})


@command()
def keys(settings: Settings, say: Say) -> None:
    """List the API keys, without their secrets."""
    from serving.cases.database import open_database
    from serving.cases.keys import list_keys

    for one in list_keys(open_database(settings.database_url), settings.tenant):
        say.lines(f"{one.id}  {one.audience}  {one.label}")
        say.result({"id": one.id, "audience": one.audience, "label": one.label})


@command(click.argument("key_id"))
def revoke(settings: Settings, say: Say, key_id: str) -> None:
    """Revoke an API key; servers forget it within half a minute."""
    from serving.cases.database import open_database
    from serving.cases.keys import revoke_key

    revoke_key(open_database(settings.database_url), settings.tenant, key_id)
    say.lines(f"Key {key_id} is revoked.")
    say.result({"revoked": key_id})


@command(
    click.option("--students", default=2_000, show_default=True, help="How many students the district has."),
    click.option("--seed", default=7, show_default=True, help="Another seed, another district."),
    click.option("--no-serve", is_flag=True, help="Stop after scoring."),
    click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
    click.option("--port", default=3000, show_default=True, help="The port to listen on."),
)
def demo(settings: Settings, say: Say, students: int, seed: int, no_serve: bool, host: str, port: int) -> None:
    """Show all of it on a simulated district: simulate, train, promote, score, serve."""
    import time
    from dataclasses import replace

    from homeroom.demo import ROWS, curl, prepare, told
    from homeroom.settings import read
    from training.train import Training

    home, began = settings.home / "demo", time.perf_counter()
    with say.progress("demo") as step:
        named = ""

        def progress(what: str, done: int | None = None, of: int | None = None) -> None:
            nonlocal named
            step(what, done, of)
            if what != named:
                say.lines(f"{time.perf_counter() - began:6.1f} s  {what}")
                named = what

        training = settings.section("train", Training)
        if "most_rows" not in settings.given.get("train", {}):
            training = replace(training, most_rows=ROWS)
        shown = prepare(home, students, seed, training, progress)
    for one in shown.results:
        say.lines(f"{one.model.target.name} version {one.model.version}: AUC {_figure(one.metrics.auc)} on the later year, "
                  f"gate {'passed' if one.passed_gate else 'not passed'}")  # fmt: skip
    say.lines(*told(shown), "", f"The list: {shown.scores}", f"An API key for a counselor: {shown.key}",
              f"Ask for a student: {curl(shown, host, port)}")  # fmt: skip
    say.result({"home": str(home), "as_of": shown.as_of, "versions": shown.versions, "scores": str(shown.scores),
                "students": shown.students, "key": shown.key, "seconds": round(time.perf_counter() - began, 1)})  # fmt: skip
    if not no_serve:
        from serving.launch import serve as launch

        say.lines("", f"Open http://{host}:{port}. Stop with Ctrl-C.")
        launch(read(str(home), ()).serve(), host, port)


if __name__ == "__main__":
    main()

"""The command line: every command in one line of help, quick to answer, the same exit codes.

0: done. 1: refused, with reasons. 2: used wrongly. Heavy frameworks are imported by the command that needs them, so
``homeroom --help`` answers at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from homeroom import agreeing, allocating, flat, learning, monitoring, people, promoting, responses, rights, teaching
from homeroom.flat import FLAT
from homeroom.responses import RESPONSES

if TYPE_CHECKING:
    from features.problems import Refused
    from features.records import SchoolRecords
    from features.validation import Reading
    from homeroom.settings import Settings
    from serving.cases.agreements import Kind
    from serving.scoring import Scoring
    from serving.store import Store
    from training.governance import Provenance
    from training.registry import Registry

SOURCE_NAMES = ("edfi", "oneroster", "oulad", "responses", "tables", "tabular")
AUDIENCE_NAMES = ("teacher", "counselor", "scientist", "family")
CARD_AUDIENCES = ("engineer", "counselor", "family", "public")
ROLE_NAMES = ("teacher", "counselor", "principal", "district_analyst", "ministry", "student", "guardian", "data_scientist",
              "administrator")  # fmt: skip
SIGNING_ROLES = ("data_science", "education", "data_protection")
AGREED_KINDS = ("goals", "capacity", "thresholds", "catalogue")
TARGET_NAMES = ("dropout", "course_failure", "chronic_absence", "learning_gap")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="homeroom")
def main() -> None:
    """Read a school's records, learn which students are drifting, and say so in sentences a teacher can check."""


def _told(body: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that every command has: --home, --json, --set."""
    body = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per result, for machines.")(body)
    body = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Any setting, for this command.")(body)
    return click.option("--home", metavar="DIR", help="The state folder (default: HOMEROOM_HOME or .homeroom).")(body)


def family(name: str, says: str) -> click.Group:
    """Register a command that has commands of its own. What all commands can be told stands before theirs or after it."""

    def run(context: click.Context, home: str | None, sets: tuple[str, ...], as_json: bool) -> None:
        context.obj = home, sets, as_json

    return main.group(name=name, help=says)(_told(click.pass_context(run)))


def command(
    *arguments: Callable[..., Any], of: click.Group | None = None, named: str = ""
) -> Callable[[Callable[..., None]], click.Command]:
    """Register a command, or a command of a family, with the options that every command has: --home, --json, --set."""

    def register(body: Callable[..., None]) -> click.Command:
        @wraps(body)
        def run(home: str | None, sets: tuple[str, ...], as_json: bool, **given: Any) -> None:
            from features.problems import HomeroomError
            from homeroom.settings import read

            before = click.get_current_context().obj or (None, (), False)
            home, sets, as_json = home or before[0], (*before[1], *sets), as_json or before[2]
            try:
                body(read(home, sets), Say(as_json), **given)
            except HomeroomError as error:
                Say(as_json).refused(error)
                sys.exit(1)

        decorated: Callable[..., Any] = run
        for argument in reversed(arguments):
            decorated = argument(decorated)
        return (of or main).command(name=named or body.__name__.rstrip("_"))(_told(decorated))

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


#: Read before the other options, since what they may be depends on it.
_SOURCE = click.option("--source", type=click.Choice(SOURCE_NAMES), required=True, is_eager=True,
                       help="The format of the export.")  # fmt: skip
_PATH = click.argument("path", type=click.Path(path_type=Path))


def _described(context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """Return the mapping, without which a flat file cannot be read."""
    if context.params.get("source") == FLAT and value is None:
        raise click.UsageError("A flat file needs --mapping: the TOML file that says what its columns mean.", context)
    if context.params.get("source") == RESPONSES and value is None:
        raise click.UsageError("A log of responses needs --mapping: `homeroom map LOG --source responses` drafts it.", context)
    return value


_MAPPING = click.option("--mapping", type=click.Path(path_type=Path), callback=_described, metavar="FILE",
                        help="The TOML file that says what columns, dates and codes mean; see `homeroom map`.")  # fmt: skip


def _target(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a model: a target, or the outcome of a flat file."""
    if value is not None and not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        known = f"the targets are {', '.join(TARGET_NAMES)}, beside those of flat files"
        raise click.BadParameter(f"{value} is not a name: {known}")
    return value


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


def _head(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, str] | None:
    """Return where a trail ended, as `homeroom trail head` told it."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", value)
    if found is None:
        raise click.BadParameter("it is not NUMBER:DIGEST, as `homeroom trail head` prints it")
    return int(found[1]), found[2]


def _read(settings: Settings, source: str, path: Path, mapping: Path | None) -> tuple[Reading, Any]:
    from features.sources import SOURCES, read

    told = settings.section("source", SOURCES[source].settings)
    return read(source, path, told, settings.tenant, mapping), told


def _store(settings: Settings) -> Store:
    from serving.store import Store

    return Store.of(settings.home, settings.tenant)


def _registry(settings: Settings) -> Registry:
    from training.registry import Registry

    return Registry(settings.home / "models", settings.tenant, settings.mlflow_uri)


def _records(settings: Settings, say: Say, source: str, path: Path, mapping: Path | None = None) -> tuple[SchoolRecords, Any]:
    """Return the records of an export, kept in the state folder; what was set aside is kept beside them.

    An export that was read before, in the same way, and has not changed since is not read again.
    """
    from features.problems import NotFound
    from features.sources import SOURCES, digest
    from serving.intake import Door, keep

    store, told, cases = _store(settings), settings.section("source", SOURCES[source].settings), rights.cases(settings)
    try:
        kept = store.records()
    except NotFound:
        kept = None  # the first export of this tenant
    if kept is not None and kept.digest == Door.of(cases, settings.tenant).digest(digest(source, path, told, mapping)):
        return kept, told
    with say.progress("reading") as step:
        step(source)
        reading, _ = _read(settings, source, path, mapping)
        done = keep(store, reading, settings.tenant, cases, promoting.today())
    if reading.quarantined:
        say.lines(f"{reading.quarantined:,} rows were set aside; `homeroom check` says why.")
    if done.dropped_rows:
        say.lines(f"{done.dropped_rows:,} rows were left out: their students were erased ({done.dropped_students:,}).")
    return done.records, told


@command(_SOURCE, _PATH, _MAPPING)
def check(settings: Settings, say: Say, source: str, path: Path, mapping: Path | None) -> None:
    """Read and validate a school's export, and account for every row."""
    if source == FLAT and mapping is not None:
        flat.check(settings, say, path, mapping, _store(settings))
        return
    if source == RESPONSES and mapping is not None:
        responses.check(say, path, mapping, _store(settings))
        return
    from features.records import SchoolRecords
    from serving.intake import Door, without_erased
    from training.abilities import abilities
    from training.run import Training

    with say.progress("reading") as step:
        step(source)
        reading, told = _read(settings, source, path, mapping)
        reading, _, _ = without_erased(reading, _store(settings), Door.of(rights.cases(settings), settings.tenant).erased)
        written = reading.write_quarantine(_store(settings).folder / "quarantine")
        step("what these files can give")
        records = SchoolRecords.from_frames(reading.tables, settings.tenant, reading.digest)
        found = abilities(records, told.pass_mark, settings.section("train", Training))
    say.lines(
        *map(str, reading.problems),
        *reading.notes,
        *map(str, reading.accounts),
        *(f"Set aside, with reasons: {file}" for file in written),
        "",
        "What these files can give:",
        *(f"  {one.line}" for one in found),
    )
    say.result(
        {
            "accounts": [
                {"file": one.file, "read": one.read, "kept": one.kept, "quarantined": one.quarantined,
                 "left_out": one.left_out, "why": one.why, "corrected": one.corrected, "added": one.added}
                for one in reading.accounts
            ],
            "problems": [problem.as_dict() for problem in reading.problems],
            "notes": reading.notes,
            "quarantine": [str(file) for file in written],
            "abilities": [one.as_dict() for one in found],
        }
    )  # fmt: skip


@command(
    click.argument("file", type=click.Path(path_type=Path)),
    click.argument("export", type=click.Path(path_type=Path), required=False),
    click.option("--out", type=click.Path(path_type=Path), help="The TOML file to write; the draft is printed without it."),
    click.option("--table", default="", metavar="NAME", help="The canonical table it is, where its columns leave that open."),
    click.option("--source", type=click.Choice(SOURCE_NAMES),
                 help="The format of EXPORT; `tabular` or `responses`: FILE is all there is."),
)
def map_(
    settings: Settings, say: Say, file: Path, export: Path | None, out: Path | None, table: str, source: str | None
) -> None:
    """Draft a mapping for a file whose columns, dates and codes are local.

    What is not certain is left for you to fill. With EXPORT it tells which of the export's identifiers the file uses.
    """
    told: dict[str, object] = {}
    if source == FLAT:
        from features.sources.tabular import draft as flat_draft

        text, lines = flat_draft(file), [f"A draft for {file.name} as one flat file. Say what is predicted."]
    elif source == RESPONSES:
        text, lines = responses.draft(file)
    else:
        from dataclasses import asdict

        from features.drafting import draft

        if (source is None) != (export is None):
            raise click.UsageError("--source and EXPORT go together: the format, and the export whose students these are.")
        known = None
        if source is not None and export is not None:
            from features.sources import SOURCES, identifiers

            known = identifiers(source, export, settings.section("source", SOURCES[source].settings))
        made = draft(file, known=known, table=table)
        text, lines, told = made.text, list(made.told), {name: value for name, value in asdict(made).items() if name != "text"}
    if out is not None:
        if out.exists():
            raise click.UsageError(f"{out} is there already: a mapping that somebody filled is not written over.")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        lines += ["", f"The draft: {out}. Fill what is empty, then give it with --mapping {out}."]
    else:
        lines += ["", text]
    say.lines(*lines)
    say.result({"file": file.name, "out": str(out) if out else None, "draft": text, **told})


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
    _MAPPING,
)
def features(
    settings: Settings, say: Say, source: str, path: Path, dates: tuple[date, ...], out: Path, mapping: Path | None
) -> None:
    """Write the feature table: one row per enrolment and date, as known on that day."""
    if source == FLAT and mapping is not None:
        flat.features(say, path, mapping, out, _store(settings))
        return
    if source == RESPONSES and mapping is not None:
        responses.features(say, path, mapping, out, _store(settings))
        return
    from features.cohort import on_dates
    from features.pipeline import build
    from features.standard import STANDARD

    records, _ = _records(settings, say, source, path, mapping)
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
    click.option(
        "--protocol", type=click.Choice(["time", "transfer"]), default="time", show_default=True,
        help="transfer learns from terms whose outcomes were not known yet: to be compared, never to serve.",
    ),
    click.option(
        "--tune", "trials", type=click.IntRange(min=1), metavar="N",
        help="Try N sets of parameters first, within the training period; goes on where an earlier search stopped.",
    ),
    _MAPPING,
)
def train(
    settings: Settings, say: Say, source: str, path: Path, targets: tuple[str, ...], test_from: date | None,
    protocol: Literal["time", "transfer"], trials: int | None, mapping: Path | None,
) -> None:  # fmt: skip
    """Train a model per target, judge it on later data and against simple baselines, and register it."""
    if source == FLAT and mapping is not None:
        if targets or test_from or protocol != "time" or trials:
            raise click.UsageError("Of a flat file, its description says what is predicted and who judges.")
        flat.train(settings, say, path, mapping, _store(settings), _registry(settings))
        return
    if source == RESPONSES and mapping is not None:
        if targets or test_from or protocol != "time" or trials:
            raise click.UsageError("Of a log of responses the next answer is predicted, and its description says who judges.")
        responses.train(say, path, mapping, _store(settings))
        return
    from homeroom.evaluating import in_practice
    from serving.cases.given import with_given
    from serving.erasure import note_members
    from serving.offers import catalogue_of
    from training import train as training
    from training.gates import Gates
    from training.rolling import Schedule
    from training.run import Training
    from training.tune import Search

    told = settings.section("train", Training)
    search = Search(trials, settings.home / "models" / "tuning") if trials else None
    records, source_told = _records(settings, say, source, path, mapping)
    cases, folder = rights.cases(settings), _store(settings).folder
    records = with_given(records, cases, settings.tenant, catalogue_of(folder, cases))
    with say.progress("training") as step:
        results = training.train(
            records, targets, told, test_from, source_told.pass_mark, _registry(settings), progress=step,
            left_out=lambda name, why: _left_out(say, name, why), provenance=_provenance(settings, source, records.digest),
            protocol=protocol, schedule=settings.section("schedule", Schedule), gates=settings.section("audit", Gates),
            search=search,
        )  # fmt: skip
    note_members(_store(settings), records, {one.model.target.name: one.model.version for one in results})
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
            *([f"  {one.model.card['tuning']['says']}"] if "tuning" in one.model.card else []),
            *in_practice(one.model.card),
            f"  gate {'passed' if one.passed_gate else 'not passed: it stays a candidate'}; {one.seconds['total']:.1f} s",
        )


def _provenance(settings: Settings, source: str, digest: str) -> Provenance:
    """Return where an export's records came from, and who answers for what is learned from them."""
    from features.sources import SOURCES
    from training.governance import Governance, Provenance

    accounts, governance = _store(settings).accounts(digest), settings.section("governance", Governance)
    return Provenance(promoting.today().isoformat(), source, SOURCES[source].says, accounts, governance)


@command(
    _SOURCE,
    _PATH,
    click.option("--target", type=click.Choice(TARGET_NAMES), help="What the model predicts."),
    click.option("--model", "version", metavar="VERSION", help="The registered version."),
    click.option("--test-from", callback=_date, metavar="DATE",
                 help="Judge on terms from this day on (default: all that are later than what the model learned from)."),
    _MAPPING,
)
def evaluate(
    settings: Settings, say: Say, source: str, path: Path, target: str | None, version: str | None, test_from: date | None,
    mapping: Path | None,
) -> None:  # fmt: skip
    """Judge a registered model on other data than it was judged on, or on later ones."""
    if source == FLAT:
        raise click.UsageError("A flat file is judged when its model is trained.")
    if source == RESPONSES and mapping is not None:
        responses.evaluate(say, path, mapping, _store(settings))
        return
    if not target or not version:
        raise click.UsageError("Name the model: --target and --model.")
    from features.standard import STANDARD
    from homeroom.evaluating import evaluation
    from training.run import Training

    model = _registry(settings).load(target, STANDARD, version)
    records, told = _records(settings, say, source, path, mapping)
    with say.progress("judging") as step:
        found = evaluation(records, model, settings.section("train", Training), told.pass_mark, test_from, step)
    say.lines(*found.lines)
    say.result(found.as_dict())


@command(
    click.option("--source", type=click.Choice(SOURCE_NAMES), is_eager=True, help="The format of an export to audit."),
    click.argument("path", type=click.Path(path_type=Path), required=False),
    click.option("--target", required=True, type=click.Choice(TARGET_NAMES), help="What the model predicts."),
    click.option("--model", "version", required=True, metavar="VERSION", help="The registered version."),
    click.option("--test-from", callback=_date, metavar="DATE",
                 help="Audit terms from this day on (default: all that are later than what the model learned from)."),
    _MAPPING,
)
def audit(
    settings: Settings, say: Say, source: str | None, path: Path | None, target: str, version: str, test_from: date | None,
    mapping: Path | None,
) -> None:  # fmt: skip
    """Show how a model treats groups of students, and what proves that it does not leak.

    It shows the audit that the version was registered with. With --source and PATH an export is audited anew.
    """
    from homeroom.auditing import as_lines, kept

    if (source is None) != (path is None) or source in {FLAT, RESPONSES}:
        raise click.UsageError("--source and PATH go together; a flat file or a log of responses has its audit on the card.")
    registry = _registry(settings)
    if source is None or path is None:
        found = kept(registry.card(target, version))
    else:
        from features.standard import STANDARD
        from training.fairness import of_export
        from training.gates import Gates
        from training.run import Training

        model = registry.load(target, STANDARD, version)
        records, told = _records(settings, say, source, path, mapping)
        with say.progress("auditing") as step:
            step(target)
            anew = of_export(records, model, settings.section("train", Training), settings.section("audit", Gates),
                             told.pass_mark, test_from)  # fmt: skip
        found = {"target": target, "model_version": version, "audit": anew, "leakage": model.card.get("leakage")}
    say.lines(*as_lines(found))
    say.result(found)


def _left_out(say: Say, target: str, why: Refused) -> None:
    say.lines(f"{target}: left out. {why}")
    say.result({"target": target, "left_out": [problem.as_dict() for problem in why.problems]})


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


_BY = click.option("--by", default="", metavar="NAME", help="Who does it, for the history (default: your account's name).")


@command(click.argument("target", required=False, callback=_target))
def models(settings: Settings, say: Say, target: str | None) -> None:
    """List the registered models, newest first; of one TARGET, who signed, promoted and stopped what, too."""
    promoting.models(say, _registry(settings), target)


@command(
    click.argument("target", required=False, callback=_target),
    click.option("--version", default="champion", metavar="VERSION", help="Another version than the one that serves."),
    click.option("--audience", type=click.Choice(CARD_AUDIENCES), default="engineer", show_default=True, help="Who reads it."),
    click.option("--out", type=click.Path(path_type=Path), help="The file to write: .html, .md or .json (default: print it)."),
)
def card(settings: Settings, say: Say, target: str | None, version: str, audience: str, out: Path | None) -> None:
    """Show a model's card; without TARGET, the system card of all models in use."""
    from serving.erasure import erased_members, with_erased

    def told(card: dict[str, Any]) -> dict[str, Any]:
        gone = erased_members(_store(settings), rights.cases(settings), card["target"], card["version"])
        return with_erased(card, gone)

    promoting.card(say, _registry(settings), target, version, audience, out, told)


@command(
    click.argument("target", callback=_target),
    click.argument("version"),
    click.option("--role", type=click.Choice(SIGNING_ROLES), required=True, help="In which role."),
    click.option("--name", required=True, help="The person who answers for it."),
    _BY,
)
def sign(settings: Settings, say: Say, target: str, version: str, role: str, name: str, by: str) -> None:
    """Sign that a version may serve. A promotion needs two people: data science, and education or data protection."""
    promoting.sign(say, _registry(settings), target, version, role, name, by)


@command(
    click.argument("target", callback=_target),
    click.argument("version"),
    click.option("--signed", multiple=True, metavar="ROLE=NAME", help="A signature, as `homeroom sign` keeps it; repeatable."),
    click.option("--despite-gate", default="", metavar="REASON", help="Why a version that failed its gate may serve."),
    _BY,
)
def promote(
    settings: Settings, say: Say, target: str, version: str, signed: tuple[str, ...], despite_gate: str, by: str
) -> None:
    """Let a version serve: its card complete, its gates passed, signed by two people."""
    from training.governance import Governance

    governance = settings.section("governance", Governance)
    promoting.promote(say, _registry(settings), target, version, signed, despite_gate, governance, by)


@command(click.argument("target", callback=_target), _BY, click.option("--why", default="", help="Why, for the history."))
def rollback(settings: Settings, say: Say, target: str, by: str, why: str) -> None:
    """Let the version serve that served before."""
    promoting.rollback(say, _registry(settings), target, by, why)


@command(click.argument("target", callback=_target), click.option("--why", required=True, help="Why, for the history."), _BY)
def stop(settings: Settings, say: Say, target: str, why: str, by: str) -> None:
    """Take a model out of use: nothing is scored by it until a version is promoted again."""
    promoting.stop(say, _registry(settings), target, why, by)


@command(
    _SOURCE,
    _PATH,
    click.option("--as-of", "as_of", required=True, callback=_date, metavar="DATE", help="The day to look from."),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="The Parquet file to write."),
    _MAPPING,
)
def score(settings: Settings, say: Say, source: str, path: Path, as_of: date, out: Path, mapping: Path | None) -> None:
    """Score everybody enrolled on a day, with reasons. Safe to repeat; goes on where it was stopped."""
    if source == FLAT and mapping is not None:
        rights.assess(settings, source, path)
        flat.score(say, path, mapping, as_of, out, _store(settings), _registry(settings), rights.withheld(settings))
        return
    if source == RESPONSES and mapping is not None:
        rights.assess(settings, source, path)
        responses.score(say, path, mapping, as_of, out, _store(settings), rights.withheld(settings))
        return
    from features.standard import STANDARD
    from serving.batch import run
    from serving.monitor import Monitoring
    from serving.scoring import Scoring

    told, registry, watch = settings.section("score", Scoring), _registry(settings), settings.section("monitor", Monitoring)
    loaded = [registry.load(target, STANDARD) for target in TARGET_NAMES if registry.champion(target) is not None]
    exempt = rights.assess(settings, source, path) if loaded else ""
    records, source_told = _records(settings, say, source, path, mapping)
    if not loaded:
        _score_by_rule(settings, say, records, source_told.pass_mark, as_of, out, told)
        say.lines(*rights.not_assessed(settings, source, path))
        return
    with say.progress("scoring") as step:
        done = run(records, loaded, as_of, _store(settings), out, told, step, watch, source_told.pass_mark,
                   rights.withheld(settings), exempt, rights.cases(settings))  # fmt: skip
    for model in loaded:
        if model.target.unit == "skill" and model.target.name not in done.counts:
            say.lines(f"{model.target.name}: no evidence; no work of these classes is tagged with a skill")
    for target, counts in done.counts.items():
        say.lines(f"{target}: {', '.join(f'{rows:,} {status}' for status, rows in counts.items())}")
    lists = {model.target.name: model.card["list"] for model in loaded if "list" in model.card}
    say.lines(*(f"{target}: {one['says']}" for target, one in lists.items()))
    say.lines(f"{done.rows:,} rows for {done.students:,} students in {out}; records reach to {done.data_through}")
    say.result({"rows": done.rows, "students": done.students, "counts": done.counts, "parts": done.parts,
                "parts_found": done.parts_found, "data_through": done.data_through, "out": str(out),
                "lists": {target: one["says"] for target, one in lists.items()}})  # fmt: skip


@command(
    click.option("--source", type=click.Choice(SOURCE_NAMES), is_eager=True, help="The format of a later export to read."),
    click.argument("path", type=click.Path(path_type=Path), required=False),
    click.option("--reviews", type=click.Path(path_type=Path, exists=True),
                 help="What people thought, in the place of the casebook: prediction_id, agrees."),
    click.option("--out", type=click.Path(path_type=Path), help="The page to write (default: into the state folder)."),
    _MAPPING,
)
def monitor(
    settings: Settings, say: Say, source: str | None, path: Path | None, reviews: Path | None, out: Path | None,
    mapping: Path | None,
) -> None:  # fmt: skip
    """Compare what came in and went out with the model's card, and earlier lists with their outcomes.

    It looks at the newest list. With --source and PATH a later export is read first, which holds more outcomes.
    """
    from serving.monitor import Monitoring

    if (source is None) != (path is None) or source in {FLAT, RESPONSES}:
        raise click.UsageError("--source and PATH go together; a flat file's model is not monitored.")
    store, pass_mark = _store(settings), None
    if source is not None and path is not None:
        records, source_told = _records(settings, say, source, path, mapping)
        pass_mark = source_told.pass_mark
    else:
        records = store.records()
    told = settings.section("monitor", Monitoring)
    monitoring.monitor(say, store, _registry(settings), records, told, pass_mark, reviews, out, rights.cases(settings),
                       settings.tenant, promoting.today())  # fmt: skip


def _score_by_rule(
    settings: Settings, say: Say, records: SchoolRecords, pass_mark: float, as_of: date, out: Path, told: Scoring
) -> None:
    """Write the published rule's list, where there are no outcomes yet that a model could learn from."""
    from features.problems import NotFound
    from serving.offers import Help
    from serving.rules import BY, rule_list
    from training.abilities import abilities
    from training.run import Training

    found = abilities(records, pass_mark, settings.section("train", Training))
    if any(one.ready for ability in found for one in ability.targets):
        raise NotFound("No model is promoted. Train one with `homeroom train`, then `homeroom promote TARGET VERSION`.")
    with say.progress("the published rule") as step:
        help_ = Help.of(_store(settings).folder, as_of, records, rights.cases(settings))
        listed = rule_list(records, as_of, told, step, rights.withheld(settings), help_)
    listed.write(out)
    say.lines(
        "No model is promoted, and there are too few outcomes to learn from: this is the published list of attendance,",
        f"behaviour and coursework. {BY[0].upper()}{BY[1:]}.",
        *(f"  {band}: {rows:,}" for band, rows in listed.counts.items()),
        *listed.unknown,
        f"{listed.rows:,} rows for {listed.students:,} students in {out}; records reach to {listed.data_through}",
    )
    say.result({"by": BY, "rows": listed.rows, "students": listed.students, "counts": listed.counts,
                "looked_at": listed.looked_at, "unknown": listed.unknown, "data_through": listed.data_through,
                "out": str(out)})  # fmt: skip


@command(
    click.option("--students", type=int, required=True, help="About how many are enrolled in a school year."),
    click.option("--seed", type=int, required=True, help="Another seed, another district; the same seed, the same bytes."),
    click.option("--world", "world_file", type=click.Path(path_type=Path), help="A TOML file of what is true there."),
    click.option(
        "--as",
        "form",
        type=click.Choice(["tables", "oneroster"]),
        default="tables",
        show_default=True,
        help="Canonical tables, or a OneRoster 1.2 bundle with companion tables beside it.",
    ),
    click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write."),
)
def simulate(
    settings: Settings, say: Say, students: int, seed: int, world_file: Path | None, form: str, out: Path
) -> None:  # fmt: skip
    """Write a simulated district, and apart from its records what is true in it."""
    import time

    from homeroom.simulate.export import export
    from homeroom.simulate.run import simulate as run
    from homeroom.simulate.world import World

    del settings  # a district depends on its own arguments alone
    world, began = World.read(world_file) if world_file else World(), time.perf_counter()
    with say.progress("simulating") as step:
        if form == "oneroster":
            made, _ = export(students, seed, out, world, step)
        else:
            made = run(students, seed, out, world, progress=step)
    seconds = round(time.perf_counter() - began, 1)
    say.lines(
        f"World {made.world}, seed {seed}: {sum(made.rows.values()):,} rows in {len(made.rows)} tables, {seconds} s",
        *(f"  {name}: {made.rows[name]:,}" for name in _SHOWN if name in made.rows),
        f"What is true lies apart, in {out / 'truth'}: nothing that learns or scores reads it.",
        "Next:",
        f"  homeroom check --source {form} {out}",
        f"  homeroom train --source {form} {out}",
        f"  python -m homeroom.simulate.distributions {out}",
    )
    say.result({"out": str(out), "form": form, "world": made.world, "students": students, "seed": seed, "zones": made.zones,
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


accounts = family("accounts", "Make, list and change the accounts of people who sign in.")
_LOGIN = click.argument("login")
_ASK = click.option("--ask-password", is_flag=True, help="Ask for the password (default: make one, and show it once).")


@command(
    _LOGIN,
    click.option("--name", required=True, help="Who it is, as pages name them."),
    click.option("--role", type=click.Choice(ROLE_NAMES), required=True, help="What they are at the school."),
    click.option("--person", default=None, metavar="ID", help="Their key in the records: of staff, student or guardian."),
    click.option("--organisation", default=None, metavar="ID", help="Whose figures they see, of somebody not on record."),
    click.option("--language", default="en", show_default=True, help="The language of their pages, such as en or es-MX."),
    _ASK,
    of=accounts,
    named="add",
)
def accounts_add(
    settings: Settings, say: Say, login: str, name: str, role: str, person: str | None, organisation: str | None,
    language: str, ask_password: bool,
) -> None:  # fmt: skip
    """Make an account."""
    people.add(say, settings, login, name, role, person, organisation, language, _password(ask_password))


@command(of=accounts, named="list")
def accounts_list(settings: Settings, say: Say) -> None:
    """List the accounts."""
    people.list_(say, settings)


@command(_LOGIN, of=accounts, named="disable")
def accounts_disable(settings: Settings, say: Say, login: str) -> None:
    """Let nobody in with an account any more."""
    people.disable(say, settings, login)


@command(_LOGIN, of=accounts, named="enable")
def accounts_enable(settings: Settings, say: Say, login: str) -> None:
    """Let a disabled account sign in again."""
    people.enable(say, settings, login)


@command(_LOGIN, _ASK, of=accounts, named="password")
def accounts_password(settings: Settings, say: Say, login: str, ask_password: bool) -> None:
    """Set another password; whoever is signed in with the account signs in again."""
    people.password(say, settings, login, _password(ask_password))


@command(_LOGIN, of=accounts, named="second-factor-reset")
def accounts_second_factor_reset(settings: Settings, say: Say, login: str) -> None:
    """Forget a second factor that was lost, so that its owner sets up another."""
    people.reset_second_factor(say, settings, login)


def _password(ask: bool) -> str | None:
    """Return a password that was typed twice without showing it, or None where one is to be made."""
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)) if ask else None


trail = family("trail", "Read and check the trail of who saw which student, and who did what.")


@command(
    click.option("--known", default=None, callback=_head, metavar="NUMBER:DIGEST", help="An end that was noted before."),
    of=trail,
    named="verify",
)
def trail_verify(settings: Settings, say: Say, known: tuple[int, str] | None) -> None:
    """Check that no row was changed, left out or put in."""
    people.verify(say, settings, known)


@command(of=trail, named="head")
def trail_head(settings: Settings, say: Say) -> None:
    """Tell where the trail ends now, to be noted elsewhere."""
    people.head(say, settings)


@command(click.argument("student"), of=trail, named="views")
def trail_views(settings: Settings, say: Say, student: str) -> None:
    """Tell who saw a student or did something about them, the newest first."""
    people.views(say, settings, student)


@command(
    click.option("--school", metavar="KEY", help="The organisation_id of a school, or of what lies above it (default: all)."),
    click.option("--why", help="The reason, which everybody reads who works with the list. Without it: where it is stopped."),
)
def pause(settings: Settings, say: Say, school: str | None, why: str | None) -> None:
    """Stop scoring and hide scores, at one school or everywhere. Cases and supports go on."""
    rights.pause(say, settings, school, why)


@command(click.option("--school", metavar="KEY", help="The school at which scoring was stopped (default: everywhere)."))
def resume(settings: Settings, say: Say, school: str | None) -> None:
    """Let scoring go on where it was stopped."""
    rights.resume(say, settings, school)


families = family("families", "Do what a student or a family asked for in person: object, withdraw, erase.")

_STUDENT = click.argument("student")


@command(
    _STUDENT,
    click.option("--said-by", required=True, metavar="WHO", help="Who asked, such as: the mother, by letter of 3 May."),
    of=families,
    named="object",
)
def families_object(settings: Settings, say: Say, student: str, said_by: str) -> None:
    """Stop scoring of a student, and nothing else, until the family takes it back."""
    rights.object_(say, settings, _store(settings), student, said_by)


@command(_STUDENT, of=families, named="withdraw")
def families_withdraw(settings: Settings, say: Say, student: str) -> None:
    """Take an objection back, as the family asked."""
    rights.withdraw(say, settings, student)


@command(
    _STUDENT,
    click.option("--confirm", required=True, metavar="STUDENT", help="The student's key once more: there is no way back."),
    of=families,
    named="erase",
)
def families_erase(settings: Settings, say: Say, student: str, confirm: str) -> None:
    """Erase a student from the state folder and the database, for good. No scoring may run meanwhile."""
    rights.erase(say, settings, _store(settings), student, confirm)


@command(of=families, named="corrections")
def families_corrections(settings: Settings, say: Say) -> None:
    """List the corrections that wait for a decision, those due first."""
    rights.corrections(say, settings)


@command(click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False)))
def photos(settings: Settings, say: Say, folder: Path) -> None:
    """Take in the photos of FOLDER that the records name and that were agreed to, and remove every other that is kept."""
    rights.photos(say, _store(settings), folder)


@command()
def goals(settings: Settings, say: Say) -> None:
    """Check goals.toml, and tell which goals, capacity, thresholds and catalogue are in force and who signed them."""
    agreeing.goals(settings, say)


@command(
    click.argument("kind", type=click.Choice(AGREED_KINDS)),
    click.argument("file", type=click.Path(path_type=Path), required=False),
    click.option("--as", "login", required=True, metavar="LOGIN", help="The account in whose name it is signed."),
    click.option("--reason", required=True, help="Why the school wants this; everybody reads it."),
)
def agree(settings: Settings, say: Say, kind: Kind, file: Path | None, login: str, reason: str) -> None:
    """Sign a file as what is agreed on from now (default: KIND.toml in the state folder; the tenant's interventions.toml)."""
    agreeing.agree(settings, say, kind, file, login, reason)


_SEED = click.option("--seed", type=click.IntRange(min=0), help="Of the lottery (default: one of its own for these needs).")


@command(
    click.option("--capacity", "file", type=click.Path(path_type=Path), required=True, metavar="C.toml",
                 help="The places and hours that there are; docs/allocation.md."),
    click.option("--as-of", "as_of", callback=_date, metavar="DATE", help="The day of the list (default: the newest)."),
    click.option("--out", type=click.Path(path_type=Path), help="The Parquet file to write, beside the one that is kept."),
    _SEED,
    click.option("--decided-by", default="", metavar="LOGIN", help="The account that answers for a release the audit holds."),
    click.option("--reason", default="", help="Why it may be released so."),
)
def allocate(
    settings: Settings, say: Say, file: Path, as_of: date | None, out: Path | None, seed: int | None, decided_by: str,
    reason: str,
) -> None:  # fmt: skip
    """Offer the places that there are to everybody on the newest list, by need alone; ties are drawn, and the draw is kept."""
    allocating.allocate(settings, say, _store(settings), file, as_of, out, seed, decided_by, reason)


@command(
    click.argument("file", type=click.Path(path_type=Path), required=False),
    click.option("--as-of", "as_of", callback=_date, metavar="DATE", help="The day (default: that of the newest list)."),
)
def resources(settings: Settings, say: Say, file: Path | None, as_of: date | None) -> None:
    """Take a CSV or LRMI JSON-LD file of things to learn from into the library, and tell what is in it."""
    teaching.resources(say, _store(settings), file, as_of or _newest(settings))


@command(
    click.argument("section_id", metavar="SECTION"),
    click.option("--as-of", "as_of", callback=_date, metavar="DATE", help="The day (default: that of the newest list)."),
)
def lessons(settings: Settings, say: Say, section_id: str, as_of: date | None) -> None:
    """Group a class by the skill that each student is ready for, with what to learn it from and to check it with."""
    teaching.lessons(say, _store(settings), section_id, as_of or _newest(settings))


def _newest(settings: Settings) -> date:
    """Return the day of the newest list, or today where there is none."""
    latest = _store(settings).latest()
    return latest.as_of if latest else promoting.today()


@command(
    click.argument("file", type=click.Path(path_type=Path)),
    click.option("--as", "login", required=True, metavar="LOGIN", help="The account in whose name it is recorded."),
)
def delivered(settings: Settings, say: Say, file: Path, login: str) -> None:
    """Record from a CSV file what was said to places that were offered, and how many minutes were given of them."""
    learning.delivered(settings, say, file, login)


@command(
    click.option("--until", callback=_date, metavar="DATE", help="The day to look at outcomes (default: the records' last)."),
    click.option("--since", callback=_date, metavar="DATE",
                 help="Help that began soon after it, and nobody drew for, is looked at too (default: when most began)."),
)
def effects(settings: Settings, say: Say, until: date | None, since: date | None) -> None:
    """Tell whether help helps here: from lotteries, else from what was observed; kept beside what was published."""
    learning.effects(settings, say, _store(settings), until, since)


@command(
    click.option("--hotspots", type=click.IntRange(min=0), required=True, help="How many there are to lend."),
    click.option("--devices", type=click.IntRange(min=0), help="How many there are to lend (default: not asked about)."),
    click.option("--as-of", "as_of", callback=_date, metavar="DATE", help="The day (default: that of the newest list)."),
    click.option("--out", type=click.Path(path_type=Path),
                 help="The list for those who hand out: .csv or .parquet. It names every student with a need."),
    _SEED,
    click.option("--site-share", type=click.FloatRange(0, 1), default=0.4, show_default=True,
                 help="From which share of a school without internet an option for the place comes first."),
)
def access(
    settings: Settings, say: Say, hotspots: int, devices: int | None, as_of: date | None, out: Path | None, seed: int | None,
    site_share: float,
) -> None:  # fmt: skip
    """Tell who has internet and a device at home, lend what there is by need alone, and say what stays unmet."""
    on = as_of or _newest(settings)
    allocating.access(settings, say, _store(settings), hotspots, devices, on, out, seed, site_share, rights.cases(settings))


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

    from homeroom.demo import ROWS, curl, doors, prepare, serving, told
    from homeroom.settings import read
    from training.run import Training

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
              f"Ask for a student: {curl(shown, host, port)}", "", *doors(shown, host, port))  # fmt: skip
    say.result({"home": str(home), "as_of": shown.as_of, "versions": shown.versions, "scores": str(shown.scores),
                "students": shown.students, "key": shown.key, "seconds": round(time.perf_counter() - began, 1)})  # fmt: skip
    if not no_serve:
        from serving.launch import serve as launch

        say.lines("", f"Open http://{host}:{port}. Stop with Ctrl-C.")
        launch(serving(shown, read(str(home), ()).serve()), host, port)


if __name__ == "__main__":
    main()

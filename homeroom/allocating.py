"""What ``homeroom allocate`` and ``homeroom access`` do: limited places by need, devices and internet by what is owed.

``allocate`` reads the newest list and a file of places and hours, allocates (:mod:`serving.allocation`), and then has the
audit look at what came out, group by group. Where a group of ten or more can expect less than .8 or more than 1.25 of what
its need says, and chance does not explain it, nothing is released until somebody says by name that it may be, and why. Every
run is noted with its seed, those that were held among them, so that nobody can draw again until they like it. Without a seed
of its own a draw's follows from the list, the places and a secret of the tenant's: to repeat it is to get the same one.

A **round** is a list and the places of a file. It is released once. What was offered lies first in a file, whose note beside it
makes it released, and then in the database, from which effects are learned: the same command ends a release that was killed in
between, and after that changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from features.problems import Problem
    from features.records import SchoolRecords
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.allocation import Allocation, Staff
    from serving.cases.database import Database
    from serving.cases.offers import Drawn
    from serving.catalogue import Catalogue
    from serving.goals import Capacity
    from serving.store import Latest, Store

#: Where runs are noted, and the folder of what was released, in the tenant's folder.
NOTED, RELEASED = "allocations.jsonl", "allocations"

#: An offer of the last so many days stands until it is refused: nobody is offered the same again, or more than they may have.
STANDS_FOR_DAYS = 180

#: Staff who meet the student: what they give is a human contact.
PERSONS = frozenset({"adult", "counselor", "tutor", "mentor", "volunteer", "psychologist", "adviser", "nurse"})

#: Who holds the talks, where the file does not say.
TALKER, TALK_MINUTES = "counselor", 15

_OWN = ("hours", "talk", "lottery")
_HOURS = ("staff", "organisation", "hours")
_MOST_HOURS = 100_000


@dataclass(frozen=True)
class Told:
    """What a capacity file says: places as agreed (:mod:`serving.goals`), hours of a week, the talk, and the lottery."""

    capacity: Capacity
    hours: Mapping[tuple[str, str], float]
    talk: tuple[str, int]
    most_each: int
    tolerance: float
    digest: str


def read_capacity(path: Path, organisations: Collection[str], catalogue: Catalogue) -> Told:
    """Return what a capacity file says: ``[[places]]`` as in docs/goals.md, ``[[hours]]``, ``[talk]`` and ``[lottery]``.

    Raises:
        NotFound: there is no such file.
        Refused: with everything that is wrong with it.

    """
    from features.problems import Refused
    from serving import goals
    from serving.catalogue import WHO

    raw: dict[str, Any] = dict(goals.read(path))
    own = {name: raw.pop(name) for name in _OWN if name in raw}
    problems: list[Problem] = []
    agreed = None
    try:
        agreed = goals.capacity(raw, organisations)
    except Refused as refused:
        problems += refused.problems
    rows = raw.get("places", [])
    supports = {one["support"] for one in rows if isinstance(one, dict) and isinstance(one.get("support"), str)}
    hint = "Use its key there."
    problems += [
        _fault(f"places of {support}", "there is no such help in the catalogue", hint)
        for support in sorted(supports - set(catalogue))
    ]
    hours = _hours(own.get("hours", []), organisations, set(WHO), problems)
    talk = _table(own, "talk", {"staff": TALKER, "minutes": TALK_MINUTES}, problems)
    lottery = _table(own, "lottery", {"most_each": 2, "tolerance": 0.05}, problems)
    if talk["staff"] not in WHO:
        problems.append(_fault("talk, staff", "there is no such staff", f"They are: {', '.join(WHO)}."))
    if not 1 <= talk["minutes"] <= _MOST_HOURS:
        problems.append(_fault("talk, minutes", "they are no whole number from 1 on", "Write how long a talk takes."))
    if not 1 <= lottery["most_each"] <= len(catalogue):
        problems.append(_fault("lottery, most_each", "it is below 1 or above all help there is", "Write 2, say."))
    if not 0 <= lottery["tolerance"] <= 0.5:
        problems.append(_fault("lottery, tolerance", "it is no share from 0 to .5", "Write .05, say."))
    if problems or agreed is None:
        raise Refused(problems, "The capacity was refused")
    digest = hashlib.sha256(repr(sorted(raw.items()) + sorted(own.items())).encode()).hexdigest()
    return Told(agreed, hours, (talk["staff"], talk["minutes"]), lottery["most_each"], float(lottery["tolerance"]), digest)


def _fault(where: str, problem: str, hint: str) -> Problem:
    from features.problems import Problem

    return Problem("capacity", where, problem, hint)


def _table(own: Mapping[str, Any], name: str, usual: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return one of the file's own tables, with what is usual where it says nothing or nothing that can be read."""
    told = own.get(name, {})
    if not isinstance(told, dict):
        problems.append(_fault(name, "it is no table", f"Write it under [{name}]."))
        return dict(usual)
    found = dict(usual)
    kinds = {key: (int, float) if isinstance(value, float) else (type(value),) for key, value in usual.items()}
    for key, value in told.items():
        if key not in usual:
            problems.append(_fault(f"{name}, {key}", "there is no such key", f"The keys are: {', '.join(usual)}."))
        elif isinstance(value, bool) or not isinstance(value, kinds[key]):
            problems.append(_fault(f"{name}, {key}", "it is not of the right kind", f"It is usually {usual[key]}."))
        else:
            found[key] = value
    return found


def _hours(
    rows: Any, organisations: Collection[str], staff: Collection[str], problems: list[Problem]
) -> dict[tuple[str, str], float]:
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        problems.append(_fault("hours", "it is no list of tables", "Write each under [[hours]]."))
        return {}
    found: dict[tuple[str, str], float] = {}
    for number, row in enumerate(rows, 1):
        where = f"hours {number}"
        hint = f"The keys are: {', '.join(_HOURS)}."
        problems += [_fault(f"{where}, {key}", "there is no such key", hint) for key in row if key not in _HOURS]
        who, at, many = (row.get(key) for key in _HOURS)
        if who not in staff:
            problems.append(_fault(f"{where}, staff", "there is no such staff", f"They are: {', '.join(sorted(staff))}."))
        if at not in organisations:
            hint = "Use its key in the records."
            problems.append(_fault(f"{where}, organisation", "no such organisation is on record", hint))
        if isinstance(many, bool) or not isinstance(many, int | float) or not 0 <= many <= _MOST_HOURS:
            problems.append(_fault(f"{where}, hours", "they are no number from 0 on", "Write the hours of a week."))
            continue
        if (str(who), str(at)) in found:
            problems.append(_fault(where, "the hours of this staff are told twice", "Tell them once for each organisation."))
        found[str(who), str(at)] = float(many)
    return found


# -- who needs what ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """Everybody on the list: ``scores`` as :func:`serving.allocation.allocate` takes them, the talk among them.

    ``owed`` gives ``student_id``, ``intervention_id`` and ``school`` of what is raised whatever else is offered; ``has`` how
    many new supports somebody was offered lately and has not refused.
    """

    scores: pl.DataFrame
    owed: pl.DataFrame
    has: Mapping[str, int]


def asked(records: SchoolRecords, store: Store, latest: Latest, db: Database | None, tenant: str) -> Asked:
    """Return what everybody on the newest list needs: those of whom it suggests a check-in.

    Raises:
        NotFound: the list was not kept, or suggests a check-in with nobody.
        Refused: the district's own catalogue or library is wrong.

    """
    import polars as pl

    from features.problems import NotFound
    from serving import needs, recommend
    from serving.allocation import COLUMNS
    from serving.cases import offers
    from serving.cases.told import NOTHING
    from serving.catalogue import CONVERSATION
    from serving.offers import Help, heeded

    listed = store.scored(latest)
    if listed is None:
        raise NotFound("The newest list was made by an older release, which did not keep it. Run `homeroom score` again.")
    # A skill that is next is answered by resources, and is no reason by itself to be looked at.
    here = listed.filter(pl.col("band").is_in(list(needs.CONCERNED)), pl.col("skill_id").is_null())
    wanted = here.filter(pl.col("band") == "check_in_suggested")["student_id"].unique().sort().to_list()
    if not wanted:
        raise NotFound("The newest list suggests a check-in with nobody.")
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in here.filter(pl.col("student_id").is_in(wanted)).iter_rows(named=True):
        rows[row["student_id"]].append(row)
    help_ = Help.of(store.folder, latest.as_of, records, db)
    known = needs.circumstances(records, latest.as_of)
    factors = {who: needs.of_rows(rows[who]) for who in wanted}
    each = needs.needs(records, latest.as_of, factors, help_.library, at_stake=needs.stakes_of_list(listed))
    since = datetime.now(UTC) - timedelta(days=STANDS_FOR_DAYS)
    made = offers.made(db, tenant, since) if db is not None else {}
    scores, owed, has = [], [], {}
    for who in wanted:
        school = known[who].organisation_id if who in known else None
        if school is None:
            continue  # left since the list was made
        stands = {one.intervention_id for one in made.get(who, ()) if one.answer != "refused"}
        has[who] = len(stands - {CONVERSATION})
        need = heeded(each[who], help_.helped.get(who, NOTHING))
        found = recommend.consider(replace(need, running=need.running | stands), help_.catalogue, latest.as_of)
        scores.append((who, CONVERSATION, 0.0, school))
        # What is for a whole class or year has no places for one student.
        alone = [one for one in found.possible if not help_.catalogue[one.intervention_id].group]
        scores += [(who, one.intervention_id, max(one.score, 0.0), school) for one in alone]
        raised = [*(one for one in found.options if one.intervention_id == recommend.PLAN_TEAM), *found.owed]
        owed += [(who, one.intervention_id, school) for one in raised]
    return Asked(
        pl.DataFrame(scores, schema=dict(COLUMNS), orient="row"),
        pl.DataFrame(owed, schema=dict.fromkeys(("student_id", "intervention_id", "school"), pl.String), orient="row"),
        {who: count for who, count in has.items() if count},
    )


def above(records: SchoolRecords, as_of: date) -> dict[str, tuple[str, ...]]:
    """Return for each organisation those above it."""
    if not records.holds("organisations"):
        return {}
    parent = dict(records.reference("organisations", as_of).select("organisation_id", "parent_id").iter_rows())
    found = {}
    for one, first in parent.items():
        chain: list[str] = []
        at = first
        while at is not None and at not in chain and at != one:
            chain.append(at)
            at = parent.get(at)
        found[one] = tuple(chain)
    return found


def staff(told: Told, catalogue: Catalogue) -> Staff:
    """Return the hours of a file, and what the catalogue's help takes of them."""
    from serving.allocation import Staff
    from serving.catalogue import CONVERSATION

    takes = {one.id: (one.who, one.minutes_per_week) for one in catalogue.values() if one.minutes_per_week}
    return Staff({(who, at): hours for (who, at), hours in told.hours.items()}, {**takes, CONVERSATION: told.talk})


# -- the commands -----------------------------------------------------------------------------------------------------


def allocate(
    settings: Settings, say: Say, store: Store, file: Path, as_of: date | None, out: Path | None, seed: int | None,
    decided_by: str, reason: str,
) -> None:  # fmt: skip
    """Allocate the places of a file to everybody on the newest list, tell what came out, and release it or hold it.

    What was released of this list and these places already is told again, and nothing changes.

    Raises:
        NotFound: there is no list, or none of the day that was asked for; or no account of this login.
        Refused: the file is wrong, or not everybody can be spoken with; or the audit holds the release; or the places were
            drawn for already with another seed, or given out from another list.

    """
    from features.problems import NotFound, Problem, Refused
    from homeroom import rights
    from homeroom.auditing import of_allocation
    from serving import allocation
    from serving.catalogue import CONVERSATION
    from serving.offers import catalogue_of

    latest = store.latest()
    if latest is None or (as_of is not None and latest.as_of != as_of):
        newest = f"The newest list is of {latest.as_of}." if latest else "There is no list yet."
        raise NotFound(f"{newest} Run `homeroom score` first.")
    records, db = store.records(), rights.cases(settings)
    catalogue = catalogue_of(store.folder, db)
    told = read_capacity(file, _organisations(records), catalogue)
    done = _released(store, latest, told)
    if done is not None:
        _repeat(settings, say, store, done, seed, out)
        return
    _refuse_again(store, told)
    name, role = _decider(db, settings.tenant, decided_by)
    owed = [key for key, one in catalogue.items() if one.entitlement]
    with say.progress("allocating") as step:
        step("needs")
        who = asked(records, store, latest, db, settings.tenant)
        step("places")
        # A pair that excludes each other stands in the catalogue once or twice.
        apart = {(min(one.id, other), max(one.id, other)) for one in catalogue.values() for other in one.excludes}
        by = frozenset(one.id for one in catalogue.values() if one.who in PERSONS and not one.group and one.id != CONVERSATION)
        drawn = allocation.allocate(
            who.scores, {key: places for key, places in told.capacity.places.items() if key[0] not in owed},
            seed=_seed(store, latest, told) if seed is None else seed, most_each=told.most_each, tolerance=told.tolerance,
            contacts=allocation.Contacts(CONVERSATION, by), staff=staff(told, catalogue),
            above=above(records, latest.as_of), apart=sorted(apart), entitlements=owed, has=who.has,
        )  # fmt: skip
        step("the audit")
        audit = of_allocation(records, drawn.rows, latest.as_of, told.most_each)
    outside = [one for one in audit if one["outside"]]
    held = bool(outside) and not (name and reason.strip())
    decision = {"decided_by": name, "role": role, "reason": reason.strip()} if outside and not held else {}
    found = {**_note(latest, told, drawn, audit), "held": held, **decision}
    where = [] if held else _release(settings, store, drawn, who, found, out)
    say.lines(*_lines(drawn, who, told, audit))
    if held:
        _add(store, found)
        say.result({**found, "outside": [f"{one['attribute']}: {one['group']}" for one in outside]})
        raise Refused(
            [
                Problem("audit", f"{one['attribute']}: {one['group']}",
                        f"it can expect {one['ratio']:.2f} of what its need says; by chance it would lie from "
                        f"{one['low']:.2f} to {one['high']:.2f}",
                        "Look at why. If it is to be released so, say who answers for it: --decided-by LOGIN --reason WHY.")
                for one in outside
            ],
            "The allocation is held until a named person decides; nothing was written",
        )  # fmt: skip
    say.lines(*(f"Written: {path}" for path in where))
    say.result({**found, "out": [str(path) for path in where]})


def _decider(db: Database | None, tenant: str, login: str) -> tuple[str, str]:
    """Return the name and role of whoever answers for a release; nothing where nobody was named.

    Where people have accounts it is one of them, and one who may sign for a school. Before that a name is taken as written.

    Raises:
        NotFound: no account has this login.
        Refused: whoever has it may not decide.

    """
    from features.problems import NotFound, Problem, Refused
    from serving.cases.agreements import SIGNERS
    from serving.cases.people import accounts, find_login

    if not login.strip() or db is None or not accounts(db, tenant):
        return login.strip(), ""
    found = find_login(db, tenant, login.strip())
    if found is None:
        raise NotFound(f"No account has the login {login.strip()}. `homeroom accounts list` tells which there are.")
    if found.disabled or found.role not in SIGNERS:
        hint = f"Ask one of these: {', '.join(sorted(SIGNERS))}."
        why = "the account is disabled" if found.disabled else f"a {found.role} does not sign for a school"
        raise Refused([Problem("allocation", "--decided-by", why, hint)], "The allocation was not released")
    return found.name, found.role


def _organisations(records: SchoolRecords) -> Sequence[str]:
    return sorted(set(records.school_table("organisations")["organisation_id"]) if records.holds("organisations") else ())


def _seed(store: Store, latest: Latest, told: Told) -> int:
    """Return the seed of a list and its places: the same for the same, and known to nobody before."""
    what = f"{latest.as_of}\n{latest.token}\n{told.digest}"
    return int.from_bytes(hmac.new(store.secret("lottery"), what.encode(), hashlib.sha256).digest()[:6])


def _round(latest: Latest, told: Told) -> str:
    """Return what names a list and the places given out from it."""
    return f"{latest.as_of}/{hashlib.sha256(f'{latest.token}{told.digest}'.encode()).hexdigest()[:10]}"


def _note(latest: Latest, told: Told, drawn: Allocation, audit: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is noted of a run; nothing of one student is."""
    return {
        "round": _round(latest, told), "at": datetime.now(UTC).isoformat(timespec="seconds"), "as_of": latest.as_of.isoformat(),
        "list": latest.token, "capacity": told.digest, "set_by": told.capacity.set_by, "seed": drawn.seed,
        "tolerance": drawn.tolerance, "status": drawn.status, "gap": drawn.gap, "bound": drawn.bound, "best": drawn.best,
        "total": drawn.total, "expected": drawn.expected, "seconds": drawn.seconds,
        "students": drawn.rows["student_id"].n_unique(), "offers": int(drawn.rows["offered"].sum()), "audit": list(audit),
    }  # fmt: skip


#: What differs between two runs that are the same.
_OF_A_RUN = ("at", "seconds")


def _add(store: Store, found: Mapping[str, Any], name: str = NOTED) -> None:
    """Note a run unless the last that was noted is the same."""
    path = store.folder / name
    lines = path.read_text().splitlines() if path.exists() else []
    last = json.loads(lines[-1]) if lines else {}

    def essence(run: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in run.items() if name not in _OF_A_RUN}

    if essence(last) != essence(json.loads(json.dumps(found))):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(found) + "\n")


def _files(store: Store, round_: str) -> tuple[Path, Path]:
    """Return the file of a round's offers, and the note that makes it released."""
    path = store.folder / RELEASED / f"{round_.replace('/', '-')}.parquet"
    return path, path.with_suffix(".json")


def _refuse_again(store: Store, told: Told) -> None:
    """Raise Refused where the places of this very file were given out lately from another list: they are no longer there."""
    from features.problems import Problem, Refused

    since = datetime.now(UTC) - timedelta(days=STANDS_FOR_DAYS)
    for note in sorted((store.folder / RELEASED).glob("[!.]*.json")):
        found = json.loads(note.read_text())
        if found["capacity"] == told.digest and datetime.fromisoformat(found["at"]) > since:
            hint = "Write what is left, or what is new, and allocate that."
            raise Refused([Problem("allocation", "places", f"they were given out from the list of {found['as_of']}", hint)],
                          "The places of this file are given away")  # fmt: skip


def _released(store: Store, latest: Latest, told: Told) -> dict[str, Any] | None:
    """Return the note of a list and places that were released, None where they were not."""
    _, note = _files(store, _round(latest, told))
    found: dict[str, Any] | None = json.loads(note.read_text()) if note.exists() else None
    return found


def _release(
    settings: Settings, store: Store, drawn: Allocation, who: Asked, found: Mapping[str, Any], out: Path | None
) -> list[Path]:
    """Write who is offered what, into the state folder, the database and where it was asked for; return where."""
    import polars as pl

    owed = who.owed.with_columns(offered=pl.lit(value=True), probability=pl.lit(1.0), how=pl.lit("owed"))
    rows = pl.concat([drawn.rows, owed], how="diagonal").sort("student_id", "intervention_id")
    as_of = pl.lit(found["as_of"]).str.to_date()
    rows = rows.with_columns(as_of.alias("as_of"), pl.lit(drawn.seed).alias("seed"), pl.lit(found["round"]).alias("round"))
    path, note = _files(store, found["round"])
    path.parent.mkdir(parents=True, exist_ok=True)
    for to, write in ((path, rows.write_parquet), (note, lambda to: to.write_text(json.dumps(found)))):
        building = to.with_name(f".{to.name}")
        write(building)
        building.replace(to)
    return _end(settings, store, found, out)


def _end(settings: Settings, store: Store, found: Mapping[str, Any], out: Path | None) -> list[Path]:
    """Do what is left of a release whose files are written: note it, record it in the database, copy it."""
    import polars as pl

    from serving.cases import offers
    from serving.cases.database import open_database
    from serving.cases.keys import create_tenant
    from serving.cases.people import accounts

    _add(store, found)
    path, _ = _files(store, found["round"])
    rows = pl.read_parquet(path)
    db, round_ = open_database(settings.database_url), found["round"]
    drew = rows["draw"].drop_nulls().unique()
    if not offers.recorded(db, settings.tenant, round_, drew):
        create_tenant(db, settings.tenant)
        name, role = found.get("decided_by", ""), found.get("role", "")
        decider = next((one for one in accounts(db, settings.tenant) if role and (one.name, one.role) == (name, role)), None)
        offers.record(db, settings.tenant, decider, round_, found["seed"], _drawn(rows), datetime.now(UTC),
                      released=_trail_word(round_, found))  # fmt: skip
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(out)
    return [path, *([out] if out else [])]


def _drawn(rows: pl.DataFrame) -> list[Drawn]:
    """Return the rows of a release that the database keeps: all that was offered but what is owed, and all that drew lots."""
    import polars as pl

    from serving.cases.offers import Drawn

    kept = rows.filter(pl.col("how") != "owed", pl.col("offered") | pl.col("draw").is_not_null())
    columns = kept.select("student_id", "intervention_id", "probability", "offered", pl.col("draw").fill_null(""))
    return [Drawn(*one) for one in columns.iter_rows()]


def _trail_word(round_: str, found: Mapping[str, Any]) -> str:
    """Return what stands in the trail of a release: its round, and the digest of its note, which says who decided and why."""
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return f"{round_}, note {digest[:32]}{', decided' if found.get('decided_by') else ''}"


def _repeat(settings: Settings, say: Say, store: Store, done: Mapping[str, Any], seed: int | None, out: Path | None) -> None:
    """Tell of a round that was released before; end it where it was killed, and change nothing else.

    Raises:
        Refused: it was drawn with another seed than is asked for now.

    """
    from features.problems import Problem, Refused

    if seed is not None and seed != done["seed"]:
        hint = "A draw is not repeated. Other places are another file, and a later list another draw."
        raise Refused([Problem("allocation", "--seed", f"these places were drawn for with seed {done['seed']}", hint)],
                      "These places were given out from this list already")  # fmt: skip
    where = _end(settings, store, done, out)
    say.lines(f"These places were given out from this list at {done['at']}: {done['offers']:,} offers to {done['students']:,} "
              "students. Nothing was drawn again.", *(f"Written: {path}" for path in where))  # fmt: skip
    say.result({**done, "repeated": True, "out": [str(path) for path in where]})


def _lines(drawn: Allocation, who: Asked, told: Told, audit: Sequence[Mapping[str, Any]]) -> list[str]:
    import polars as pl

    from homeroom.auditing import HIGH, LOW

    talks = drawn.rows.filter(pl.col("score").is_null())
    each = drawn.unmet.group_by("intervention_id").agg(pl.col("asked", "offered", "has_others", "unmet", "no_places").sum())
    drew = drawn.rows.filter(pl.col("how").is_in(["drawn", "not_drawn"])).height
    lines = [
        f"{talks.height:,} students on the list; a talk for {talks['offered'].sum():,}. Places set by {told.capacity.set_by}.",
        f"{'support':24} {'asked':>7} {'offered':>8} {'has others':>11} {'without':>8}",
    ]
    for one in each.sort("intervention_id").iter_rows(named=True):
        none = "  no places are told" if one["no_places"] == one["asked"] else ""
        lines.append(f"{one['intervention_id']:24} {one['asked']:7,} {one['offered']:8,} {one['has_others']:11,} "
                     f"{one['unmet']:8,}{none}")  # fmt: skip
    lines += [
        f"{who.owed.height:,} things are owed, and are neither ranked, drawn nor limited here (see `homeroom access`).",
        f"Sum of scores {drawn.total:.3f}; the best found {drawn.best:.3f}, none can pass {drawn.bound:.3f}: "
        f"gap {drawn.gap:.4%} ({drawn.status}), {drawn.seconds:.1f} s.",
        f"{drew:,} stood at a line, within {drawn.tolerance:.0%} of it, and drew lots with seed {drawn.seed}.",
        "Chances given need, by group (1.00: as its need says; in brackets where chance alone keeps it, and after the draw):",
    ]
    for group in audit:
        after = "-" if group["drawn"] is None else f"{group['drawn']:.2f}"
        odd = not LOW <= group["ratio"] <= HIGH
        told_of = f"  outside {LOW:g} to {HIGH:g}" + ("" if group["outside"] else ", as chance would have it") if odd else ""
        lines.append(f"  {group['attribute']}: {group['group']}: {group['ratio']:.2f} "
                     f"({group['low']:.2f} to {group['high']:.2f}; {after}){told_of}")  # fmt: skip
    if not audit:
        lines.append("  no group of ten or more is on record")
    return lines


# -- devices and internet ---------------------------------------------------------------------------------------------

#: Where runs of ``homeroom access`` are noted.
LENT_NOTED = "access.jsonl"

_KINDS = {"internet": "internet at home", "device": "a device at home"}
_LENT = {"internet": "hotspots", "device": "devices"}


def access(
    settings: Settings, say: Say, store: Store, hotspots: int | None, devices: int | None, as_of: date, out: Path | None,
    seed: int | None, site_share: float, db: Database | None,
) -> None:  # fmt: skip
    """Tell who has internet and a device, lend what there is by need, and say what stays unmet.

    Raises:
        NotFound: no export was read yet, or it says nothing of what there is at home.

    """
    import polars as pl

    from features.problems import NotFound
    from serving import access_needs
    from serving.cases import casebook
    from serving.figures import Facts

    records = store.records()
    if not records.holds("digital_access"):
        raise NotFound("The records say nothing of devices and internet at home: the table digital_access is missing.")
    items: dict[access_needs.Kind, int | None] = {"internet": hotspots, "device": devices}
    if seed is None:
        what = f"access\n{as_of}\n{records.digest}\n{sorted(items.items())}"
        seed = int.from_bytes(hmac.new(store.secret("lottery"), what.encode(), hashlib.sha256).digest()[:6])
    running = casebook.running_supports(db, settings.tenant, Facts(records, as_of).students["student_id"]) if db else {}
    has = pl.DataFrame(
        [(who, one.intervention_id) for who, mine in running.items() for one in mine],
        schema={"student_id": pl.String, "intervention_id": pl.String}, orient="row",
    )  # fmt: skip
    found = access_needs.access(records, as_of, items, seed=seed, site_share=site_share, has=has)
    states = {kind: dict(found.rows.filter(pl.col("kind") == kind).group_by("state").len().iter_rows()) for kind in items}
    asked = [kind for kind, there in items.items() if there is not None]
    noted = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "as_of": as_of.isoformat(), "records": records.digest,
        "seed": seed, "items": {kind: items[kind] for kind in asked}, "site_share": site_share,
        "states": {kind: states[kind] for kind in asked},
    }  # fmt: skip
    _add(store, noted, LENT_NOTED)
    for kind in asked:
        say.lines(*_access_lines(found, kind, states[kind]))
    if hotspots is not None:
        say.lines(*_site_lines(found))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".csv":
            found.rows.write_csv(out)
        else:
            found.rows.write_parquet(out)
        say.lines(f"The list for those who hand out, with every student and school, however small: {out}")
    told = {kind: {at.removeprefix(f"{access_needs.ALL}").replace("\n", " / ").strip(" /") or access_needs.ALL:
                   {answer: _cell(cell) for answer, cell in cells.items()}
                   for at, cells in access_needs.published(found.everybody, kind).items()} for kind in asked}  # fmt: skip
    say.result({**noted, "states": {kind: {state: _few(many) for state, many in states[kind].items()} for kind in asked},
                "published": told, "out": str(out) if out else None})  # fmt: skip


def _few(many: int) -> int | str:
    """Return a count as it is told where it may be passed on."""
    from serving.suppression import LEAST

    return many if many >= LEAST or many == 0 else f"fewer than {LEAST}"


def _cell(cell: Any) -> str:
    """Return what is published of a count."""
    if cell.said == "share":
        return f"about {cell.count:,}"
    return "under 10" if cell.said == "low" else "not shown"


def _access_lines(found: Any, kind: Any, states: Mapping[str, int]) -> list[str]:
    from serving.access_needs import ALL, ANSWERS, LESSER, published

    (none, less), lent, lesser = found.unmet(kind), states.get("lent", 0), LESSER[kind].replace("_", " ")
    lines = [
        f"{_KINDS[kind].capitalize()}, on {found.as_of}. Unknown means ask first: it is never counted as a yes.",
        f"{'region / school':40} {'no':>12} {'unknown':>12} {'yes':>12}",
    ]
    for at, cells in published(found.everybody, kind).items():
        parts = at.split("\n")
        name = {1: ALL, 2: f"  {parts[-1]}", 3: f"    {parts[-1]}"}[len(parts)]
        lines.append(f"{name:40} " + " ".join(f"{_cell(cells[answer]):>12}" for answer in ANSWERS))
    lines += [
        "What is not shown is small, or would tell of what is; the list for those who hand out (--out) leaves nothing out.",
        f"{found.items[kind]:,} {_LENT[kind]}: lent {lent if lent == found.items[kind] else _few(lent)}. Left waiting: "
        f"{_few(none)} who have none, {_few(less)} with {lesser}.",
        f"To be asked first: {_few(states.get('ask_first', 0))}. On loan already: {_few(states.get('has_it', 0))}.",
        f"Whoever has none comes first, then {lesser}; within the same need lots were drawn, at "
        f"whatever school, with seed {found.seed}.",
    ]  # fmt: skip
    return lines


def _site_lines(found: Any) -> list[str]:
    from serving.access_needs import key, published

    if not found.sites:
        return [f"At no school do {found.site_share:.0%} or more of those who are known lack internet."]
    cells = published(found.everybody, "internet")
    told = [one for one in found.sites if cells[key(one.region, one.school)]["no"].said == "share"]
    lines = [
        f"Where {found.site_share:.0%} or more of those who are known lack internet, an option for the place comes first:",
        "a bus with Wi-Fi, the library's hours. Nobody there leaves the draw: nobody knows yet whether it will be built.",
        *(f"  {one.school} ({one.region})" for one in told),
    ]
    if len(told) < len(found.sites):
        lines.append("  The list for those who hand out names more, of which the figures are not shown.")
    return lines

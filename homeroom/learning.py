"""What ``homeroom delivered`` and ``homeroom effects`` do: what was said to offers and given of them, and whether it helped."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from features.problems import Problem
    from homeroom.cli import Say
    from homeroom.settings import Settings
    from serving.cases.database import Database
    from serving.cases.offers import Offer
    from serving.learned import Looked
    from serving.store import Store

#: The columns of a file of what was delivered; the last two may be empty together, and so may the answer.
COLUMNS = ("student_id", "intervention_id", "answer", "delivered_minutes", "planned_minutes")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row that is right: the offer, what was said to it, and minutes given and planned."""

    offer: Offer
    answer: str
    minutes: tuple[int, int] | None


def delivered(settings: Settings, say: Say, file: Path, login: str) -> None:
    """Record what was said to places that were offered and what was given of them, from a file; all of it or nothing.

    A row is of the newest place that its student was offered of its support. What is on record already is left as it is.

    Raises:
        NotFound: no account has this login, or there is no such file.
        Refused: with everything that is wrong with the file.

    """
    from features.problems import NotFound, Refused
    from homeroom import rights
    from serving.cases import offers
    from serving.cases.people import find_login

    db = rights.cases(settings)
    account = find_login(db, settings.tenant, login) if db is not None else None
    if db is None or account is None:
        raise NotFound(f"No account has the login {login}. `homeroom accounts list` tells which there are.")
    problems: list[Problem] = []
    rows = _rows(file, offers.made(db, settings.tenant, _EVER), problems)
    if problems:
        raise Refused(problems, "Nothing was recorded")
    now, answers, doses = datetime.now(UTC), 0, 0
    for row in rows:
        one = row.offer
        if row.answer and row.answer != one.answer:
            offers.answer(db, account, one.id, row.answer, now)
            answers += 1
        if row.minutes is not None and row.minutes != (one.delivered_minutes, one.planned_minutes):
            offers.deliver(db, account, one.id, *row.minutes, now)
            doses += 1
    say.lines(f"{len(rows):,} rows: {answers:,} answers and {doses:,} doses are new; the others are on record already.")
    say.result({"rows": len(rows), "answers": answers, "doses": doses})


_EVER = datetime(2000, 1, 1, tzinfo=UTC)


def _rows(file: Path, made: Mapping[str, Sequence[Offer]], problems: list[Problem]) -> list[_Row]:
    from features.problems import NotFound, Problem
    from serving.cases.offers import ANSWERS, MOST_MINUTES

    if not file.is_file():
        raise NotFound(f"There is no {file.name}.")

    def wrong(line: int, column: str, problem: str, hint: str) -> None:
        where = f"{file.name}, row {line}"
        problems.append(Problem("delivered", where, problem, hint, file=file.name, row=line, column=column))

    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            problems.append(Problem("columns", file.name, "the columns are other ones", f"They are: {', '.join(COLUMNS)}.",
                                    file=file.name))  # fmt: skip
            return []
        found: list[_Row] = []
        for line, row in enumerate(reader, start=2):
            before = len(problems)
            who, support, said = ((row[name] or "").strip() for name in COLUMNS[:3])
            minutes = [(row[name] or "").strip() for name in COLUMNS[3:]]
            offer = next((one for one in reversed(made.get(who, ())) if one.intervention_id == support), None)
            if offer is None:
                wrong(line, "intervention_id", "this student was offered no place of it", "Look into the file of the release.")
            if said and said not in ANSWERS:
                wrong(line, "answer", "there is no such answer", f"They are: {', '.join(ANSWERS)}; or leave it empty.")
            whole = all(one.isascii() and one.isdigit() and int(one) <= MOST_MINUTES for one in minutes)
            if any(minutes) and (not whole or int(minutes[1]) == 0):
                wrong(line, "delivered_minutes", "these are no minutes", "Write whole numbers in both, planned ones above 0.")
            elif any(minutes) and int(minutes[0]) > 0 and (said or (offer.answer if offer else "")) == "refused":
                wrong(line, "delivered_minutes", "it was refused", "Correct the answer, if it was accepted after all.")
            elif not said and not any(minutes):
                wrong(line, "answer", "nothing is told", "Give an answer, or minutes.")
            if offer is not None and len(problems) == before:
                found.append(_Row(offer, said, (int(minutes[0]), int(minutes[1])) if any(minutes) else None))
        twice = len(found) - len({one.offer.id for one in found})
        if twice:
            problems.append(Problem("delivered", file.name, f"{twice} rows are of an offer that another row is of",
                                    "Tell each once.", file=file.name))  # fmt: skip
    return found


# -- whether it helped ------------------------------------------------------------------------------------------------


def effects(settings: Settings, say: Say, store: Store, until: date | None, since: date | None) -> None:
    """Record what came of everybody who was in a draw, estimate what each help did, and keep and tell it.

    Raises:
        NotFound: no export was read yet, or it tells of nothing.
        Refused: the district's own catalogue is wrong.

    """
    from features.problems import NotFound
    from homeroom import rights
    from serving import learned
    from serving.cases.given import with_given
    from serving.offers import catalogue_of

    records, db = store.records(), rights.cases(settings)
    on = until or records.data_through(date.max)
    if on is None:
        raise NotFound("The records tell of no day.")
    catalogue = catalogue_of(store.folder, db)
    records = with_given(records, db, settings.tenant, catalogue)
    with say.progress("effects") as step:
        step("what came")
        new = learned.came(records, db, settings.tenant, catalogue, on, datetime.now(UTC)) if db is not None else {}
        step("estimates")
        found = learned.look(records, db, settings.tenant, catalogue, on, since or learned.wave(records, on))
        learned.keep(store.folder, found, on)
    given = _given(db, settings.tenant, tuple(found))
    after = learned.with_own(catalogue_of(store.folder, db), store.folder)
    say.lines(f"Outcomes up to {on}; {sum(new.values()):,} are new.")
    for key, one in found.items():
        say.lines(*_lines(key, one, given.get(key, ""), after[key].published, after[key].expected))
    if not found:
        early = f"A draw is looked at {learned.LEAST_DAYS} days after it at the earliest."
        say.lines(f"There is nothing to look at yet: no outcome of a draw, and no help that ten or more began with. {early}")
    say.result({"until": on, "new": new, "effects": {key: _plain(one, after[key].expected) for key, one in found.items()}})


def _given(db: Database | None, tenant: str, supports: Sequence[str]) -> dict[str, str]:
    """Return in words what was said to the offers of each support and given of them; nothing of fewer than ten."""
    from serving.cases import offers
    from serving.suppression import LEAST

    found = {}
    for support in supports if db is not None else ():
        assert db is not None
        made = [one for one in offers.in_draws(db, tenant, support) if one.offered]
        doses = [one.dose for one in made if one.dose is not None]
        if len(made) >= LEAST:
            refused = sum(one.answer == "refused" for one in made)
            told = f"{refused:,}" if refused >= LEAST or not refused else f"fewer than {LEAST}"
            share = f"; of what was planned {sum(doses) / len(doses):.0%} was given" if len(doses) >= LEAST else ""
            found[support] = f"{len(made):,} offered, {told} refused{share}"
    return found


_WHY = {
    "nothing_compared": "nobody was compared", "too_few": "fewer than ten on one side",
    "no_overlap": "too few others are like those who had it", "not_alike": "both sides were not alike before",
    "no_interval": "the comparison came to no interval",
}  # fmt: skip
_OUTCOMES = {"days_missed": "days missed of 100", "mark": "marks out of 100", "incidents": "incidents in 100 days"}


def _lines(key: str, one: Looked, given: str, published: float, expected: float) -> list[str]:
    if one.finding is None or one.why is not None:
        return [f"{key}: we cannot tell yet: {_WHY[one.why or 'nothing_compared']}.", *([f"  {given}"] if given else [])]
    told = one.finding.estimate
    way = "by lottery" if told.design == "lottery" else "from what was observed, doubly robust"
    sure = "it is no chance finding among all that were looked at" if one.claimed else "chance alone could have done it"
    lines = [
        f"{key}: {told.effect:+.2f} {_OUTCOMES[one.outcome]} ({told.low:+.2f} to {told.high:+.2f}), {way}: {sure}",
        f"  {told.n_offered:,} with it, {told.n_control:,} without{f'; {given}' if given else ''}",
    ]
    if one.measured is not None:
        lines.append(f"  in standard deviations, above 0 where it helped: {one.measured.size:+.2f} here, {published:+.2f} "
                     f"published and shrunk; both together {expected:+.2f}")  # fmt: skip
    return lines


def _plain(one: Looked, expected: float) -> dict[str, Any]:
    from dataclasses import asdict

    estimate = asdict(one.finding.estimate) if one.finding is not None and one.why is None else None
    return {"outcome": one.outcome, "why": one.why, "claimed": one.claimed, "estimate": estimate,
            "p": one.finding.p if one.finding is not None and one.why is None else None,
            "measured": asdict(one.measured) if one.measured else None, "expected": expected}  # fmt: skip

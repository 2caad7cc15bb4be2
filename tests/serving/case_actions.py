"""Every action of the casebook and of learning plans, each with a student for whom it can be done; and one who kills them.

Run as a program it reads lines of URL, ACTION and STEP, tabs between them, does the action in a process of its own that dies
before that statement (or before the commit), and answers with what became of it: ``killed``, ``done`` or ``raised``.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from types import ModuleType

from sqlalchemy import Connection, Engine, event, insert, select

from serving.cases import casebook, people, plans
from serving.cases.casebook import Opening
from serving.cases.database import open_database, writing
from serving.cases.people import Account, Role
from serving.cases.plans import Beside, LinkedPlan
from serving.cases.schema import ACCOUNTS, LEARNING_PLAN_SESSIONS, METADATA, TENANTS

TENANT = "lincoln"
TODAY = date(2026, 11, 16)
NOW = datetime(2026, 11, 16, 7, 40, tzinfo=UTC)
DAY = timedelta(days=1)
SUSPECT = Opening("list", ("attendance",), ("p-1",))
PEOPLE: Mapping[str, Role] = {
    "ruth": "counselor", "omar": "counselor", "ben": "teacher", "pia": "principal", "ada": "administrator", "ana": "student",
}  # fmt: skip

World = Mapping[str, Account]
Act = Callable[[Engine, World, str], object]


def populate(db: Engine, tenant: str = TENANT) -> World:
    """Make a tenant with an account of each kind. Nobody can sign in with them: that is tested elsewhere."""
    with writing(db) as connection:
        connection.execute(insert(TENANTS).values(id=tenant, name=tenant, created_at=NOW))
        for login, role in PEOPLE.items():
            connection.execute(
                insert(ACCOUNTS).values(
                    id=f"{tenant[:4]}-{login}", tenant_id=tenant, login=login, name=login.capitalize(), role=role,
                    person_id=login, language="en", password_hash="-", created_at=NOW, failed_attempts=0,
                )
            )  # fmt: skip
    return world(db, tenant)


def world(db: Engine, tenant: str = TENANT) -> World:
    return {one.login: one for one in people.accounts(db, tenant)}


def version(db: Engine, student: str) -> int:
    found = casebook.cases_of(db, TENANT, [student])
    return found[student].version if found else 0


# -- what is done, and what was done before --------------------------------------------------------------------------------


def begin(db: Engine, who: World, student: str) -> None:
    casebook.raise_student(db, who["ben"], student, "Comes in late and tired", TODAY, NOW)


def claim(db: Engine, who: World, student: str) -> None:
    casebook.claim(db, who["ruth"], student, version(db, student), TODAY, NOW, opening=SUSPECT)


def support(db: Engine, who: World, student: str) -> str:
    return casebook.start_support(
        db, who["ruth"], student, version(db, student), intervention_id="mentor", name="A mentor", dose="Once a week",
        goal="Here on four days of five", begins_on=TODAY, review_on=TODAY + 28 * DAY, today=TODAY, now=NOW, opening=SUSPECT,
    )  # fmt: skip


def ask(db: Engine, who: World, student: str) -> str:
    return casebook.ask(
        db, who["ruth"], student, version(db, student), "Was the bus late?", TODAY + DAY, TODAY, NOW, of=who["ben"].id,
        opening=SUSPECT,
    )  # fmt: skip


def snooze(db: Engine, who: World, student: str) -> None:
    until = TODAY + 7 * DAY
    casebook.snooze(db, who["ruth"], student, version(db, student), until, "On a trip", TODAY, NOW, opening=SUSPECT)


def close(db: Engine, who: World, student: str) -> None:
    casebook.close(
        db, who["ruth"], student, version(db, student), "no_action", "Nothing to do", consulted=True, today=TODAY, now=NOW,
        outcome="All is well", opening=SUSPECT,
    )  # fmt: skip


def note(db: Engine, who: World, student: str) -> str:
    return casebook.add_note(
        db, who["ruth"], student, "Talked at the gate.", TODAY, NOW, task="talk", due_on=TODAY + DAY, restricted=True
    )


def step(db: Engine, who: World, student: str) -> str:
    return casebook.add_step(db, who["ruth"], student, "contact", TODAY + DAY, TODAY, NOW)


def plan(db: Engine, who: World, student: str) -> str:
    return plans.begin_plan(db, who["ben"], student, NOW)


def goal(db: Engine, who: World, student: str) -> None:
    this = the_plan(db, student)
    plans.write_goal(db, Beside(who["ben"]), student, this.id, this.version, "Ratios by winter", NOW)


def offer(db: Engine, who: World, student: str) -> None:
    this = the_plan(db, student)
    plans.offer(db, who["ben"], student, this.id, this.version, "Twenty minutes with Kim", NOW)


def choose(db: Engine, who: World, student: str) -> None:
    this = the_plan(db, student)
    picked = {one.id: "picked" for one in this.options}
    plans.choose(db, Beside(who["ben"]), student, this.id, this.version, picked, NOW)


def agree(db: Engine, who: World, student: str) -> None:
    this = the_plan(db, student)
    plans.agree(db, Beside(who["ben"]), student, this.id, this.version, NOW)


def link(db: Engine, who: World, student: str) -> str:
    return plans.make_link(db, who["ben"], student, the_plan(db, student).id, NOW)


def the_plan(db: Engine, student: str) -> plans.Plan:
    return plans.plans_of(db, TENANT, student)[0]


def running(db: Engine, student: str) -> str:
    return casebook.running_supports(db, TENANT, [student])[student][0].id


def _reopen(db: Engine, who: World, student: str) -> None:
    casebook.reopen(db, who["ruth"], student, version(db, student), Opening("list", ("marks",), ("p-2",)), TODAY, NOW)


def _end_support(db: Engine, who: World, student: str) -> None:
    casebook.end_support(db, who["ruth"], student, version(db, student), running(db, student), "goal_met", TODAY, TODAY, NOW)


def _many(db: Engine, who: World, student: str) -> None:
    casebook.act_on_many(db, who["ruth"], "claim", {student: SUSPECT, f"{student}-2": SUSPECT}, TODAY, NOW)


def _contact(db: Engine, who: World, student: str) -> None:
    casebook.record_contact(
        db, who["ben"], student, whom="family", channel="phone", language="es", on=TODAY, agreed="A later bus", today=TODAY,
        now=NOW,
    )  # fmt: skip


def _revise(db: Engine, who: World, student: str) -> None:
    this = casebook.file_of(db, TENANT, student, restricted=True).notes[0]
    casebook.revise_note(db, who["omar"], student, this.id, 1, "Talked at noon.", NOW, restricted=True)


def _finish(db: Engine, who: World, student: str) -> None:
    this = casebook.file_of(db, TENANT, student).steps[0]
    casebook.finish_step(db, who["ruth"], student, this.id, NOW)


def _open_by_link(db: Engine, who: World, student: str) -> None:
    plans.open_by_link(db, TOKENS[student], NOW)


def _leave(db: Engine, who: World, student: str) -> None:
    this = the_plan(db, student)
    with db.connect() as connection:
        mine = LEARNING_PLAN_SESSIONS.c.plan_id == this.id
        row = connection.execute(select(LEARNING_PLAN_SESSIONS).where(mine)).one()
    plans.leave(db, LinkedPlan(TENANT, student, this.id, "", row.csrf, row.expires_at), NOW)


#: A link's token is kept nowhere, so that whoever uses it in a process of its own has to be told: this one is no secret.
TOKENS = {"s-plans.open_by_link": "x" * 43, "s-plans.leave": "y" * 43}


def _known_link(db: Engine, who: World, student: str) -> None:
    made, plans.secrets.token_urlsafe = plans.secrets.token_urlsafe, lambda _: TOKENS[student]  # type: ignore[attr-defined]
    try:
        link(db, who, student)
    finally:
        plans.secrets.token_urlsafe = made  # type: ignore[attr-defined]


def _in_plan(do: Callable[[Engine, World, str, plans.Plan], object]) -> Act:
    return lambda db, who, student: do(db, who, student, the_plan(db, student))


#: Every action: what has to be there before it, and the action itself.
ACTIONS: Mapping[str, tuple[tuple[Act, ...], Act]] = {
    "casebook.raise_student": (
        (close,),
        lambda db, who, student: casebook.raise_student(db, who["ben"], student, "Sits alone", TODAY, NOW),
    ),
    "casebook.reopen": ((close,), _reopen),
    "casebook.note_look": ((begin,), lambda db, who, student: casebook.note_look(db, who["ruth"], student, NOW)),
    "casebook.claim": ((), claim),
    "casebook.assign": (
        (begin,),
        lambda db, who, student: casebook.assign(db, who["pia"], student, version(db, student), who["omar"].id, TODAY, NOW),
    ),
    "casebook.ask": ((), ask),
    "casebook.answer": (
        (ask,),
        lambda db, who, student: casebook.answer(db, who["ben"], student, version(db, student), "It was.", TODAY, NOW),
    ),
    "casebook.snooze": ((), snooze),
    "casebook.resume": (
        (snooze,),
        lambda db, who, student: casebook.resume(db, who["ruth"], student, version(db, student), TODAY, NOW),
    ),
    "casebook.monitor": (
        (support,),
        lambda db, who, student: casebook.monitor(db, who["ruth"], student, version(db, student), TODAY, NOW),
    ),
    "casebook.close": ((ask,), close),
    "casebook.start_support": ((), support),
    "casebook.review_support": (
        (support,),
        lambda db, who, student: casebook.review_support(
            db, who["ruth"], student, running(db, student), TODAY + 40 * DAY, TODAY, NOW
        ),
    ),
    "casebook.end_support": ((support,), _end_support),
    "casebook.act_on_many": ((), _many),
    "casebook.add_note": ((), note),
    "casebook.revise_note": ((note,), _revise),
    "casebook.record_contact": ((), _contact),
    "casebook.disagree": (
        (),
        lambda db, who, student: casebook.disagree(
            db, who["ben"], student, "data_wrong", NOW, reason="She was on a trip", prediction_id="p-1", model_version="3"
        ),
    ),
    "casebook.add_step": ((), step),
    "casebook.finish_step": ((step,), _finish),
    "casebook.note_visit": ((), lambda db, who, student: casebook.note_visit(db, who["ruth"], TODAY, NOW)),
    "plans.begin_plan": ((), plan),
    "plans.write_goal": ((plan,), goal),
    "plans.offer": ((plan,), offer),
    "plans.choose": ((plan, goal, offer), choose),
    "plans.agree": ((plan, goal, offer, choose), agree),
    "plans.withdraw": (
        (plan, goal, offer, choose, agree),
        _in_plan(lambda db, who, student, one: plans.withdraw(db, Beside(who["ben"]), student, one.id, one.version, NOW)),
    ),
    "plans.activate": (
        (plan, goal, offer, choose, agree),
        _in_plan(
            lambda db, who, student, one: plans.activate(
                db, who["ben"], student, one.id, one.version, TODAY + 14 * DAY, TODAY, NOW
            )
        ),
    ),
    "plans.end_plan": (
        (plan, link),
        _in_plan(lambda db, who, student, one: plans.end_plan(db, who["ben"], student, one.id, one.version, "reached", NOW)),
    ),
    "plans.make_link": ((plan, link), link),
    "plans.end_links": (
        (plan, link),
        _in_plan(lambda db, who, student, one: plans.end_links(db, who["ben"], student, one.id, NOW)),
    ),
    "plans.open_by_link": ((plan, _known_link), _open_by_link),
    "plans.leave": ((plan, _known_link, _open_by_link), _leave),
}

#: What writes no line into the trail: it is about the reader alone.
WITHOUT_TRAIL = {"casebook.note_visit"}


def writers() -> Iterator[str]:
    """Name every public function that opens a transaction which writes."""
    modules: tuple[ModuleType, ...] = (casebook, plans)
    for module in modules:
        for name, one in inspect.getmembers(module, inspect.isfunction):
            mine = one.__module__ == module.__name__ and not name.startswith("_")
            if mine and "writing(db)" in inspect.getsource(one):
                yield f"{module.__name__.rpartition('.')[2]}.{name}"


def prepare(db: Engine) -> None:
    """Make a student for every action, for whom it can be done next."""
    who = populate(db)
    for name, (before, _) in ACTIONS.items():
        for one in before:
            one(db, who, f"s-{name}")


def everything(db: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table."""
    with db.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in METADATA.sorted_tables
        }


class CutOff(BaseException):
    """The connection is gone, as it is when whoever held it was killed."""


def act(db: Engine, name: str, stop_before: int, stop: Callable[[Connection], None]) -> None:
    """Do an action, and stop before its n-th statement since it began to write, its commit counted among them."""
    who, steps = world(db), 0

    def count(connection: Connection, *_: object) -> None:
        nonlocal steps
        steps += connection.get_execution_options().get("homeroom_writes", False)
        if steps == stop_before:
            stop(connection)

    event.listen(db, "before_cursor_execute", count)
    event.listen(db, "commit", count)
    try:
        ACTIONS[name][1](db, who, f"s-{name}")
    finally:
        event.remove(db, "before_cursor_execute", count)
        event.remove(db, "commit", count)


def cut_off(db: Engine, name: str, stop_before: int) -> str:
    """Do an action on a connection that is cut before the n-th statement, and return what became of it."""

    def cut(connection: Connection) -> None:
        connection.invalidate()
        raise CutOff

    try:
        act(db, name, stop_before, cut)
    except CutOff:
        return "killed"
    return "done"


def main() -> None:
    for line in sys.stdin:
        url, name, die_before = line.rstrip("\n").split("\t")
        child = os.fork()  # nothing here has threads or an open database, so that a fork is whole
        if child == 0:
            try:
                act(open_database(url), name, int(die_before), lambda _: os._exit(9))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the one who asked has to hear of it
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write({0: "done", 9: "killed"}.get(status, "raised") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

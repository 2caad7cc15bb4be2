"""Pages beside the students: the way to one's own record, a record opened in an emergency, and a concern for safety."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from features.problems import Problem, Refused
from serving.cases import people, sessions, switches, trail
from serving.cases.access import may, overseen
from serving.cases.sessions import SHORTEST_REASON, BreakGlass
from serving.pages.contexts.office import Child, Emergency, Office, Opening, Own, Safeguarding, Scoring, Stands
from serving.pages.render import at
from serving.review.room import Answer, Asked, Go, Room

#: A concern for safety may be so long.
LONGEST_CONCERN = 10_000


def own(room: Room, asked: Asked) -> Answer:
    """Lead to the only record that the reader may open as their own or their child's, or let them choose among several."""
    mine = list(asked.seen.relations)
    if len(mine) == 1:
        return Go(at("student", student_id=mine[0]))
    names = room.names(asked)
    children = tuple(Child(student_id=one, name=names.get(one, (one, ""))[0]) for one in mine)
    return Own(frame=asked.frame, children=children)


def office(room: Room, asked: Asked) -> Answer:
    """Show what was asked for in an emergency, to whoever may ask or approve."""
    names = {one.id: one.name for one in people.accounts(room.db, room.tenant)}
    told = sessions.all_break_glass(room.db, room.tenant)
    return Office(
        frame=asked.frame,
        may_ask=may(asked.account.role, None, "ask_break_glass"),
        emergencies=tuple(_emergency(one, names.get(one.account_id, ""), asked) for one in told),
        student_id=asked.sent("student"),
        reason=asked.sent("reason"),
        least=SHORTEST_REASON,
        scoring=_scoring(room, asked),
    )


def ask(room: Room, asked: Asked) -> Answer:
    """Ask to open one record for an hour."""
    sessions.ask_break_glass(room.db, asked.signed_in, asked.sent("student"), asked.sent("reason"), asked.now)
    return Go(at("office"), "asked")


def approve(room: Room, asked: Asked) -> Answer:
    """Let somebody else open the record that they asked for."""
    sessions.approve_break_glass(room.db, asked.signed_in, asked.parts["break_glass_id"], asked.now)
    return Go(at("office"), "approved")


def stop_scoring(room: Room, asked: Asked) -> Answer:
    """Stop scoring at a school of the reader's own, and hide its scores."""
    switches.stop(room.db, room.tenant, asked.account, _own_school(room, asked), asked.sent("why"), asked.now)
    return Go(at("office"), "scoring_stopped")


def start_scoring(room: Room, asked: Asked) -> Answer:
    """Let scoring go on at a school of the reader's own."""
    switches.start(room.db, room.tenant, asked.account, _own_school(room, asked), asked.now)
    return Go(at("office"), "scoring_started")


def _own_school(room: Room, asked: Asked) -> str:
    """Return the school that a form names; refuse one that is not the reader's own."""
    school = asked.sent("organisation")
    if school not in overseen(room.records, asked.account, asked.today):
        raise Refused([Problem("organisation", "school", "it is not your own", "Choose a school of your own.")],
                      "Nothing was changed")  # fmt: skip
    return school


def _scoring(room: Room, asked: Asked) -> tuple[Scoring, ...]:
    """Return how scoring stands at the schools of a reader who may stop it."""
    if not may(asked.account.role, None, "stop_scoring"):
        return ()
    stops = {one.organisation_id: one for one in switches.stops(room.db, room.tenant)}
    everywhere, hidden = None in stops, room.hidden(asked.today)
    found = []
    for school in sorted(overseen(room.records, asked.account, asked.today)):
        stop = stops.get(school)
        stands: Stands = "stopped" if stop else "stopped_above" if everywhere or school in hidden else "on"
        found.append(
            Scoring(
                organisation_id=school, name=room.day(asked.today).schools.get(school, school), stands=stands,
                reason=stop.reason if stop else "", since=stop.stopped_at.date() if stop else None,
                typed=asked.sent("why") if asked.sent("organisation") == school else "",
            )
        )  # fmt: skip
    return tuple(found)


def safeguarding(room: Room, asked: Asked) -> Answer:
    """Show whom to turn to when a child may not be safe."""
    return Safeguarding(frame=asked.frame, taken=bool(room.settings.safeguarding_folder), text=asked.form.get("text", ("",))[0])


def send_safeguarding(room: Room, asked: Asked) -> Answer:
    """Let a concern leave: as a file of its own in a folder that nothing here reads, with no trace of whom it is about.

    The trail says that somebody raised one, and not of whom. Raises :class:`~features.problems.Refused` for an empty one.
    """
    text = asked.sent("text")
    if not text or len(text) > LONGEST_CONCERN or not room.settings.safeguarding_folder:
        raise Refused([Problem("empty", "text", "Nothing was written", "Write what you saw or heard.")], "Nothing has left")
    folder = Path(room.settings.safeguarding_folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{asked.now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.txt"
    building = folder / f".{name}"
    with os.fdopen(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{asked.account.name} ({asked.account.login}), {asked.now:%Y-%m-%d %H:%M} UTC\n\n{text}\n")
        file.flush()
        os.fsync(file.fileno())
    building.rename(folder / name)
    trail.record(room.db, room.tenant, asked.account, "safeguarding_raised", None, "", asked.now)
    return Go(at("safeguarding"), "safeguarding")


def _emergency(one: BreakGlass, who: str, asked: Asked) -> Emergency:
    opening: Opening = "over" if one.expires_at <= asked.now else "open" if one.granted_at else "waiting"
    return Emergency(
        id=one.id, student_id=one.student_id, who=who, reason=one.reason, opening=opening,
        until=one.expires_at.date(), clock=f"{one.expires_at:%H:%M}", own=one.account_id == asked.account.id,
    )  # fmt: skip

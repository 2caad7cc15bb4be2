"""The world that is simulated: every cause, its strength and its sign, as values that a file may override.

A world is a tree of frozen dataclasses whose defaults are the default world. A TOML file names what differs from
it; what it does not name stays. Every key and value is checked before anything is simulated, and all problems are
told at once.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from features.problems import Problem, Refused
from features.records import digest_of
from features.validation import day
from homeroom.simulate.curriculum import PREREQUISITES, SKILLS, disorder

#: What a planted cause can be: the one thing that makes a student's leaving likelier.
CAUSES = ("attendance_collapse", "missing_work", "marks_falling", "inactivity", "incidents", "prior_year_absence")

#: What a support can be given for: the need that its places are given out by.
NEEDS = ("attendance", "coursework", "learning", "conduct", "belonging", "device", "internet", "any")


def _number(default: float, least: float = -math.inf, most: float = math.inf) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


def _whole(default: int, least: int, most: int) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


def _share(default: float) -> Any:
    return _number(default, 0, 1)


def _rate(default: float) -> Any:
    return _number(default, 0, 100)


@dataclass(frozen=True, slots=True)
class Years:
    """Which school years there are.

    ``through`` is the last day that anything is known of (nothing: every year is complete). ``remote_from`` and
    ``remote_to`` bound the weeks of remote teaching (nothing: there are none).
    """

    first: int = _whole(2022, 1990, 2100)
    count: int = _whole(4, 1, 10)
    through: str = "2026-02-13"
    remote_from: str = "2024-01-22"
    remote_to: str = "2024-02-02"


@dataclass(frozen=True, slots=True)
class Schools:
    """How many go to a school, and how they come and go.

    ``zone_students``: students of one zone, a middle and high schools that feed each other; a zone is a bucket.
    ``positive_share``: share of schools that record every day. Moves are shares of the students of a year.
    """

    zone_students: int = _whole(2_600, 100, 10_000)
    middle_size: int = _whole(560, 50, 5_000)
    high_size: int = _whole(750, 50, 5_000)
    class_size: int = _whole(25, 5, 200)
    positive_share: float = _share(0.125)
    moves_in: float = _share(0.06)
    moves_out: float = _share(0.045)
    moves_within: float = _share(0.02)
    district_from: int = _whole(50_000, 1_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of families, and what differs for it on average.

    ``stability`` and ``connection`` shift the means of the traits (in standard deviations), ``no_device`` and
    ``no_internet`` add to the log-odds of being without, ``unrecorded`` is the share of its rows of attendance and of
    its answers that never reach the records on top of everybody's.
    """

    share: float = _share(0.25)
    low_income: float = _share(0.42)
    stability: float = _number(0.0, -3, 3)
    connection: float = _number(0.0, -3, 3)
    no_device: float = _number(0.0, -5, 5)
    no_internet: float = _number(0.0, -5, 5)
    unrecorded: float = _share(0.0)


@dataclass(frozen=True, slots=True)
class Traits:
    """How students differ for good, and how strain comes and goes. In standard deviations unless said otherwise.

    ``shared_ability``: correlation of a student's abilities in two subjects. ``strain_memory``: how much of a month's
    strain is left in the next. ``low_income_strain`` and ``stability_strain`` shift its level.
    """

    shared_ability: float = _share(0.6)
    ability_connection: float = _number(0.2, -0.9, 0.9)
    low_income_stability: float = _number(-0.35, -3, 3)
    strain_memory: float = _number(0.8, 0, 0.99)
    stability_strain: float = _number(-0.45, -3, 3)
    health_strain: float = _number(-0.1, -3, 3)


@dataclass(frozen=True, slots=True)
class Attendance:
    """Log-odds of missing a day, and how it is recorded.

    ``elsewhere``: the share of the students with a health plan who are taught at home or in hospital for two to eight weeks
    of a year.
    """

    base: float = _number(-2.98, -8, 3)
    by_grade: float = _number(0.05, -1, 1)
    strain: float = _number(0.42, -3, 3)
    connection: float = _number(-0.25, -3, 3)
    health: float = _number(-0.3, -3, 3)
    habit: float = _rate(0.95)
    monday_friday: float = _number(0.2, -3, 3)
    in_spells: float = _share(0.25)
    late: float = _number(-3.3, -8, 3)
    excused: float = _share(0.55)
    part_day: float = _share(0.12)
    elsewhere: float = _share(0.2)
    unrecorded: float = _share(0.01)
    unrecorded_worst_school: float = _share(0.08)
    corrected: float = _share(0.02)
    deleted: float = _share(0.003)


@dataclass(frozen=True, slots=True)
class Coursework:
    """Log-odds of handing in, and what marks are made of.

    ``missing_counts``: the share of the best score that missing work counts in a report-card mark.
    """

    base: float = _number(3.1, -5, 8)
    strain: float = _number(-0.55, -3, 3)
    connection: float = _number(0.4, -3, 3)
    ability: float = _number(0.35, -3, 3)
    habit: float = _rate(0.45)
    absent: float = _number(-1.4, -8, 8)
    no_device: float = _number(-0.35, -8, 8)
    late: float = _share(0.12)
    exempt: float = _share(0.012)
    missing_counts: float = _share(0.45)
    noise: float = _number(0.09, 0.001, 1)
    severity: float = _rate(0.02)
    pass_mark: float = _share(0.6)


@dataclass(frozen=True, slots=True)
class Learning:
    """Mastery of a skill, in log-odds, and how it grows. ``prerequisites`` lists pairs of a skill and one before it."""

    start: float = _number(0.4, -5, 5)
    ability: float = _number(0.95, -3, 3)
    prerequisite: float = _number(0.4, -3, 3)
    own: float = _rate(0.35)
    practice: float = _number(0.26, -3, 3)
    absence: float = _number(-1.5, -10, 10)
    prerequisites: tuple[tuple[str, str], ...] = PREREQUISITES


@dataclass(frozen=True, slots=True)
class Online:
    """Activity in the online classroom: log-odds of being active on a day the class uses it."""

    classes: float = _share(0.8)
    base: float = _number(-0.75, -8, 8)
    strain: float = _number(-0.4, -3, 3)
    connection: float = _number(0.35, -3, 3)
    absent: float = _number(-1.0, -8, 8)
    at_school_only: float = _share(0.12)
    habit: float = _rate(0.5)


@dataclass(frozen=True, slots=True)
class Access:
    """Log-odds of having no device or no internet at home, and how well it is recorded."""

    no_device: float = _number(-3.6, -8, 8)
    no_internet: float = _number(-3.2, -8, 8)
    low_income: float = _number(1.6, -8, 8)
    shared_device: float = _share(0.22)
    mobile_only: float = _share(0.1)
    unknown: float = _share(0.06)
    unrecorded: float = _share(0.08)


@dataclass(frozen=True, slots=True)
class Conduct:
    """Log of incidents a month, and what follows."""

    base: float = _number(-4.25, -12, 3)
    strain: float = _number(0.8, -3, 3)
    connection: float = _number(-0.6, -3, 3)
    habit: float = _rate(0.7)
    out_of_school: float = _share(0.2)
    in_school: float = _share(0.25)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Log of the monthly hazard of leaving for good.

    ``absence`` and ``work`` are per log-odds by which a month's absence and hand-ins differ from the base, ``conduct``
    per log of incidents, ``failed`` per core course failed last year.
    """

    base: float = _number(-7.55, -20, 3)
    middle_school: float = _number(-2.5, -20, 3)
    by_grade: float = _number(0.12, -3, 3)
    strain: float = _number(0.4, -3, 3)
    connection: float = _number(-0.3, -3, 3)
    ability: float = _number(-0.3, -3, 3)
    absence: float = _number(0.75, -3, 3)
    work: float = _number(-0.4, -3, 3)
    conduct: float = _number(0.3, -3, 3)
    failed: float = _number(0.35, -3, 3)
    over_age: float = _number(0.6, -3, 3)
    summer: float = _rate(1.5)
    repeats_below: float = _share(0.6)
    repeats: float = _share(0.4)


@dataclass(frozen=True, slots=True)
class Records:
    """What reaches the records of what families and students are asked, as shares."""

    survey_nonresponse: float = _share(0.2)
    survey_declined: float = _share(0.06)
    voice: float = _share(0.55)
    photo_consent: float = _share(0.62)
    photo_asked: float = _share(0.8)
    objections: float = _share(0.006)
    contact_restricted: float = _share(0.02)
    exits_unknown: float = _share(0.14)


@dataclass(frozen=True, slots=True)
class Bias:
    """Error of measurement that depends on who or where: what an audit should find.

    ``incidents`` multiplies how often the same behaviour of a group is written down; ``marks`` adds to every
    score given at the schools of a place in their zone (``middle 1``, ``high 2`` and so on). ``lost_work`` is the share
    of what a group hands in that never reaches the records, so that it looks missing; ``written_marks`` is
    added to each of its scores as they are written down, and not to what the report card counts: the work looks better,
    or worse, than it was found to be.
    """

    incidents: Mapping[str, float] = field(default_factory=dict, metadata={"least": 0, "most": 20})
    marks: Mapping[str, float] = field(default_factory=dict, metadata={"least": -1, "most": 1})
    lost_work: Mapping[str, float] = field(default_factory=dict, metadata={"least": 0, "most": 1})
    written_marks: Mapping[str, float] = field(default_factory=dict, metadata={"least": -1, "most": 1})


@dataclass(frozen=True, slots=True)
class Planted:
    """Students for whom one named cause, and nothing else, makes leaving likelier from a day on.

    ``share`` of the students of the grades named, once each; ``leaving`` is added to the log of their hazard. ``alone``:
    in that year all their traits are on the good side, so that nothing else is against them; without it they are
    students like any other, as is wanted where nothing else makes anybody leave.
    """

    share: float = _share(0.012)
    alone: bool = True
    causes: tuple[str, ...] = CAUSES
    leaving: float = _number(5.0, -10, 10)
    lowest_grade: int = _whole(9, 6, 12)
    absence: float = _number(2.6, 0, 8)
    work: float = _number(-3.2, -8, 0)
    marks: float = _number(-0.32, -1, 0)
    activity: float = _number(-3.5, -8, 0)
    conduct: float = _number(3.6, 0, 8)


@dataclass(frozen=True, slots=True)
class Support:
    """A help that schools give: what it does, to whom it is given, and how long it lasts.

    What it does is added, while it lasts, to: ``absence`` (log-odds of missing a day), ``work`` (log-odds of handing
    in), ``learning`` (log-odds of mastery, a month), ``strain`` and ``connection`` (standard deviations), ``conduct``
    (log of incidents a month), ``leaving`` (log of the monthly hazard). ``spread`` is how much what it does differs
    between students, as a share of it. ``gives_device`` and ``gives_internet`` end the lack at home.

    It is given to a share (``given``) of those whose need is above ``threshold`` (standard deviations of what staff
    can see of the need ``need``), no more than ``places_per_100`` of a school on average; ``by_lot`` is the share of
    places given by lot instead, to anybody of the grades.
    """

    says: str = ""
    need: str = "any"
    threshold: float = _number(1.0, -5, 5)
    given: float = _share(0.5)
    places_per_100: float = _number(5.0, 0, 100)
    by_lot: float = _share(0.1)
    months: int = _whole(4, 1, 10)
    tier: int = _whole(2, 1, 3)
    grades: tuple[int, ...] = (6, 7, 8, 9, 10, 11, 12)
    absence: float = _number(0.0, -5, 5)
    work: float = _number(0.0, -5, 5)
    learning: float = _number(0.0, -2, 2)
    strain: float = _number(0.0, -3, 3)
    connection: float = _number(0.0, -3, 3)
    conduct: float = _number(0.0, -5, 5)
    leaving: float = _number(0.0, -5, 5)
    spread: float = _share(0.3)
    gives_device: bool = False
    gives_internet: bool = False


def _groups() -> Mapping[str, Group]:
    return {
        "Coastal": Group(share=0.4, low_income=0.34),
        "Highland": Group(share=0.3, low_income=0.4, no_internet=0.3),
        "Valley": Group(share=0.2, low_income=0.55, stability=-0.1, no_device=0.3, no_internet=0.4, unrecorded=0.02),
        "Island": Group(share=0.1, low_income=0.5, connection=-0.1, no_internet=0.6),
    }


def _supports() -> Mapping[str, Support]:
    return {
        "conversation": Support("A conversation with an adult whom the student trusts", "any", 0.9, 0.5, 8.0, months=2, tier=1,
                                connection=0.1),
        "att_mail": Support("Letters to the family that count the days missed", "attendance", 0.6, 0.6, 14.0, 0.3, 8, 1,
                            absence=-0.07),
        "att_text": Support("Weekly messages about missed work, marks and classes", "coursework", 0.7, 0.5, 10.0, 0.2, 6, 1,
                            absence=-0.1, work=0.3),
        "att_home": Support("A visit at home to get to know the family", "attendance", 1.5, 0.5, 3.0, months=6, tier=3,
                            absence=-0.45, connection=0.15),
        "mentor_success": Support("A mentor who greets the student every day", "attendance", 1.2, 0.4, 4.0, months=7,
                                  absence=-0.3, connection=0.2, strain=-0.1),
        "check_connect": Support("A monitor who stays with the student for the year", "attendance", 1.6, 0.4, 2.0, months=9,
                                 tier=3, grades=(8, 9, 10, 11, 12), absence=-0.15, work=0.15, leaving=-0.35),
        "mentor_youth": Support("A mentor from the community", "belonging", 1.2, 0.3, 3.0, months=8, connection=0.3),
        "tutor_hd": Support("Tutoring in a small group, three times a week", "learning", 1.0, 0.4, 5.0, 0.2, 5,
                            learning=0.08),
        "work_plan": Support("A plan for missing work, a study period and one adult", "coursework", 1.0, 0.5, 6.0, months=3,
                             work=0.6),
        "cico": Support("Checking in and out with an adult each day", "conduct", 1.2, 0.5, 3.0, months=4,
                        grades=(6, 7, 8), conduct=-0.4),
        "restorative": Support("A restorative conference in place of exclusion", "conduct", 1.3, 0.4, 3.0, months=3,
                               conduct=-0.25, connection=0.1),
        "access_device": Support("A device on loan", "device", 0.5, 0.7, 6.0, 0.0, 10, 1, gives_device=True),
        "access_hotspot": Support("A hotspot on loan", "internet", 0.5, 0.5, 6.0, 0.0, 10, 1, gives_internet=True),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is true in a simulated district. The defaults are the default world."""

    name: str = "default"
    truth_students: int = _whole(20_000, 0, 10_000_000)
    years: Years = field(default_factory=Years)
    schools: Schools = field(default_factory=Schools)
    traits: Traits = field(default_factory=Traits)
    attendance: Attendance = field(default_factory=Attendance)
    coursework: Coursework = field(default_factory=Coursework)
    learning: Learning = field(default_factory=Learning)
    online: Online = field(default_factory=Online)
    access: Access = field(default_factory=Access)
    conduct: Conduct = field(default_factory=Conduct)
    leaving: Leaving = field(default_factory=Leaving)
    records: Records = field(default_factory=Records)
    bias: Bias = field(default_factory=Bias)
    planted: Planted = field(default_factory=Planted)
    groups: Mapping[str, Group] = field(default_factory=_groups)
    supports: Mapping[str, Support] = field(default_factory=_supports)

    @classmethod
    def read(cls, path: Path) -> World:
        """Return the world of a TOML file: what it names, and of everything else the default.

        Raises:
            Refused: the file cannot be read, a key is unknown, or a value cannot be; with every problem at once.

        """
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise _refused([_problem(path.name, f"it cannot be read ({error.strerror})", "Give another --world.")]) from None
        except UnicodeDecodeError:
            raise _refused([_problem(path.name, "it is not in UTF-8", "Save the file in UTF-8.")]) from None
        except tomllib.TOMLDecodeError as error:
            raise _refused([_problem(path.name, str(error), "Correct the file.")]) from None
        return cls.of(given)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> World:
        """Return the world of a table of settings; raise :class:`Refused` as :meth:`read` does."""
        problems: list[Problem] = []
        world: World = _filled(cls(), given, "", problems)
        if not problems:
            problems = _faults(world)
        if problems:
            raise _refused(problems)
        return world

    @property
    def digest(self) -> str:
        """What names this world: two worlds with the same digest are the same."""
        return digest_of(as_toml(self))


def as_toml(world: World) -> str:
    """Return a world as the file that :meth:`World.read` reads, every setting named."""
    plain = [f"{one.name} = {_toml(getattr(world, one.name))}" for one in dataclasses.fields(world)
             if not _is_table(getattr(world, one.name))]  # fmt: skip
    parts = ["\n".join(plain)]
    for one in dataclasses.fields(world):
        value = getattr(world, one.name)
        if isinstance(value, Mapping):
            parts += [_table(f"{one.name}.{name}", entry) for name, entry in value.items()]
        elif _is_table(value):
            parts.append(_table(one.name, value))
    return "\n\n".join(parts) + "\n"


def _table(name: str, value: Any) -> str:
    lines = [f"[{name}]"]
    after = []
    for one in dataclasses.fields(value):
        inner = getattr(value, one.name)
        if isinstance(inner, Mapping):
            after.append("\n".join([f"\n[{name}.{one.name}]", *(f'"{key}" = {_toml(entry)}' for key, entry in inner.items())]))
        else:
            lines.append(f"{one.name} = {_toml(inner)}")
    return "\n".join([*lines, *after])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        pairs = bool(value) and isinstance(value[0], tuple)
        inside = [_toml(one) for one in value]
        return "[\n" + "".join(f"  {one},\n" for one in inside) + "]" if pairs else f"[{', '.join(inside)}]"
    return repr(value)


def _is_table(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or isinstance(value, Mapping)


def _problem(where: str, problem: str, hint: str) -> Problem:
    return Problem("world", where, problem, hint)


def _refused(problems: Sequence[Problem]) -> Refused:
    return Refused(problems, "The world was refused")


def _filled(default: Any, given: Mapping[str, Any], where: str, problems: list[Problem]) -> Any:
    """Return a dataclass with the values given in place of its own, noting every problem on the way."""
    hints = get_type_hints(type(default))
    fields = {one.name: one for one in dataclasses.fields(default)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        place = f"{where}{key}"
        if key not in fields:
            problems.append(_problem(place, "there is no such setting", f"There are: {', '.join(fields)}."))
            continue
        mine, wanted = getattr(default, key), hints[key]
        if get_origin(wanted) is not None and issubclass(get_origin(wanted), Mapping):
            values[key] = _mapping(mine, value, wanted, place, fields[key].metadata, problems)
        elif dataclasses.is_dataclass(mine):
            if isinstance(value, Mapping):
                values[key] = _filled(mine, value, f"{place}.", problems)
            else:
                problems.append(_problem(place, "this is a table of settings", f"Write [{place}]."))
        else:
            values[key] = _value(value, wanted, place, fields[key].metadata, problems)
    return dataclasses.replace(default, **values)


def _mapping(
    mine: Mapping[str, Any], value: Any, wanted: Any, place: str, bounds: Mapping[str, Any], problems: list[Problem]
) -> Mapping[str, Any]:
    """Return a table of named entries: an entry that is there is changed, another is added."""
    if not isinstance(value, Mapping):
        problems.append(_problem(place, "this is a table", f"Write [{place}]."))
        return mine
    kind: type[Any] = get_args(wanted)[1]
    found = dict(mine)
    for name, entry in value.items():
        if not dataclasses.is_dataclass(kind):
            found[name] = _value(entry, kind, f"{place}.{name}", bounds, problems)
        elif isinstance(entry, Mapping):
            found[name] = _filled(mine[name] if name in mine else kind(), entry, f"{place}.{name}.", problems)
        else:
            problems.append(_problem(f"{place}.{name}", "this is a table of settings", f"Write [{place}.{name}]."))
    return found


def _value(value: Any, wanted: Any, place: str, bounds: Mapping[str, Any], problems: list[Problem]) -> Any:
    if get_origin(wanted) is tuple:
        inner = get_args(wanted)[0]
        if isinstance(value, list):
            return tuple(_value(one, inner, place, {}, problems) for one in value)
        problems.append(_problem(place, "this is not a list", "Write it between [ and ]."))
        return ()
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        problems.append(_problem(place, f"this is not of the kind {wanted.__name__}", "Correct the value."))
    elif isinstance(value, int | float) and not bounds.get("least", -math.inf) <= value <= bounds.get("most", math.inf):
        problems.append(
            _problem(place, "this is out of bounds", f"It must lie from {bounds['least']:g} to {bounds['most']:g}.")
        )
    elif isinstance(value, float) and not math.isfinite(value):
        problems.append(_problem(place, "this is no finite number", "Correct the value."))
    return value


def _faults(world: World) -> list[Problem]:
    """Return what is wrong with a world whose every value is of the right kind."""
    found: list[Problem] = []
    for name in ("through", "remote_from", "remote_to"):
        text = getattr(world.years, name)
        if text and day(text) is None:
            found.append(_problem(f"years.{name}", "this is not a date", "Write it as YYYY-MM-DD, or leave it empty."))
    if not found and world.years.through and world.years.through < f"{world.years.first}-09-30":
        found.append(_problem("years.through", "it is before the first October", "Take a later day, or fewer years."))
    if bool(world.years.remote_from) != bool(world.years.remote_to) or world.years.remote_to < world.years.remote_from:
        found.append(_problem("years.remote_to", "it does not end what remote_from begins", "Give both in order, or neither."))
    total = sum(group.share for group in world.groups.values())
    if abs(total - 1) > 1e-6:
        found.append(_problem("groups", f"the shares add up to {total:g}", "Let the shares of all groups add up to 1."))
    found += [_problem(f"bias.{what}.{name}", "there is no such group", f"There are: {', '.join(world.groups)}.")
              for what in ("incidents", "lost_work", "written_marks")
              for name in getattr(world.bias, what) if name not in world.groups]  # fmt: skip
    found += [_problem(f"bias.marks.{name}", "this names no place of a school", "Write middle or high and a number: high 1.")
              for name in world.bias.marks if not _is_place(name)]  # fmt: skip
    found += [_problem("planted.causes", f"{name} is no cause", f"There are: {', '.join(CAUSES)}.")
              for name in world.planted.causes if name not in CAUSES]  # fmt: skip
    for name, support in world.supports.items():
        if support.need not in NEEDS:
            found.append(_problem(f"supports.{name}.need", "there is no such need", f"There are: {', '.join(NEEDS)}."))
        if not support.grades or not set(support.grades) <= set(range(6, 13)):
            found.append(_problem(f"supports.{name}.grades", "these are not grades of the district", "Take some of 6 to 12."))
    found += [
        _problem("learning.prerequisites", what, f"The skills are, in order: {', '.join(skill.key for skill in SKILLS)}.")
        for what in disorder(world.learning.prerequisites)
    ]
    return found


def _is_place(name: str) -> bool:
    level, _, number = name.partition(" ")
    return level in {"middle", "high"} and number.isdecimal()

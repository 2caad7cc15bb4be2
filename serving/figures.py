"""Figures of schools and districts: what is measured of groups, and what of it is published.

A measure says of each student whether something is so, or that it is not known; what is not known counts neither way. Groups
are organisations as the records stand them below one another, and the parts of a school by :data:`DIMENSIONS`. No measure
knows a class, a course or a member of staff, so that nothing here can be added up by teacher.

Everything of a day is published at once (:class:`Published`), by :mod:`serving.suppression`, and a page shows a cut of it.
Lists of who needs something are not made here: whoever hands out devices sees names, under rights of their own.

Groups that students belong to by who they are (``demographics``) are left out: the records give them to the fairness audit
and to nothing else, and its report says how lists fall out by group.

To add a measure is to add an entry to :data:`MEASURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Literal, get_args

import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords
from features.tables import CONSTRUCTS
from serving import skills
from serving.suppression import BOTTOM, HIDDEN, LEAST, Cell, Group, suppress

#: By what groups are parted. A class is one teacher's, so there is none; nor is there one by staff.
Dimension = Literal["organisation", "year", "access"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

#: What measures are about, in the order in which pages show them.
Topic = Literal["participation", "learning", "access", "voice", "support"]
TOPICS: tuple[Topic, ...] = get_args(Topic)

#: How much is looked back on: school days of attendance, days online, months of evidence of skills.
SCHOOL_DAYS, ONLINE_DAYS = 20, 28

#: At school on so much of the days counts as taking part.
PRESENT = 0.9

#: So many days of a mode are the least of which that is said.
LEAST_DAYS = 3

#: Of so many skills with evidence it is said whether most are secure.
LEAST_SKILLS = 3

#: From so much of a scale of 1 to 5 on an answer is a yes.
SCALE_YES = 4.0

#: The key of those students of an organisation who belong to none of those below it.
ITSELF = "itself"

#: Records whose completeness is told: the table, and the day of a row.
RECORDED: Mapping[str, str] = MappingProxyType(
    {
        "attendance": "on",
        "submissions": "submitted_on",
        "results": "marked_on",
        "activity": "on",
        "skill_results": "occurred_on",
    }
)

Side = Literal["yes", "no"]


_RUNNING = {"student_id": pl.String(), "intervention_id": pl.String()}


@dataclass(frozen=True)
class Facts:
    """What measures are made of: the records as known on a day, and what is not in them.

    ``scored`` is the newest list (``serving.batch.SCHEMA``), None where there is none. ``casebook`` gives ``student_id`` and
    ``intervention_id`` of supports that run by the casebook, beside those of the records; it is asked once.
    """

    records: SchoolRecords
    as_of: date
    scored: pl.DataFrame | None = None
    casebook: Callable[[], pl.DataFrame] = lambda: pl.DataFrame(schema=dict(_RUNNING))

    def rows(self, table: str) -> pl.LazyFrame:
        """Return a table as known on the day."""
        return self.records.visible(table, [self.as_of])

    @cached_property
    def students(self) -> pl.DataFrame:
        """Everybody enrolled: ``student_id``, ``enrolment_id``, ``organisation_id``, ``entered_on``, ``year``, ``access``.

        Somebody with two stays is counted once, at the first by key, so that schools sum up to their district.
        """
        when = pl.DataFrame({"as_of": [self.as_of]}, schema={"as_of": pl.Date})
        here = enrolled(self.records, when).stays.lazy().select("enrolment_id")
        stays = self.rows("enrolments").join(here, on="enrolment_id", how="semi")
        one = stays.sort("organisation_id", "enrolment_id").unique("student_id", keep="first", maintain_order=True)
        at_home = self.access.lazy().select("student_id", pl.col("connected").alias("access"))
        return (
            one.join(at_home, on="student_id", how="left")
            .select(
                "student_id", "enrolment_id", "organisation_id", "entered_on",
                pl.col("grade_level").cast(pl.String).fill_null("unknown").alias("year"),
                pl.col("access").fill_null("unknown"),
            )
            .sort("student_id")
            .collect()
        )  # fmt: skip

    @cached_property
    def access(self) -> pl.DataFrame:
        """What the newest record says of learning at home: ``device`` and ``internet`` (null where unknown), ``connected``."""
        newest = self.rows("digital_access").sort("recorded_on").group_by("student_id").last()
        device = pl.when(pl.col("device") != "unknown").then(pl.col("device") != "none").alias("device")
        internet = pl.when(pl.col("internet") != "unknown").then(pl.col("internet") != "none").alias("internet")
        both = pl.col("device") & pl.col("internet")  # known to be without one of them is known
        connected = pl.when(both).then(pl.lit("yes")).when(~both).then(pl.lit("no")).otherwise(pl.lit("unknown"))
        return newest.select("student_id", device, internet).with_columns(connected.alias("connected")).collect()

    @cached_property
    def school_days(self) -> pl.DataFrame:
        """The last :data:`SCHOOL_DAYS` days before the day on which each school taught: ``organisation_id``, ``on``."""
        taught = self.rows("calendar").filter(pl.col("instructional"), pl.col("on") < self.as_of)
        return taught.sort("on").group_by("organisation_id").agg(pl.col("on").tail(SCHOOL_DAYS)).explode("on").collect()

    @cached_property
    def days(self) -> pl.DataFrame:
        """Each student's school days: ``student_id``, ``mode`` (null where not known) and ``missed``, a share of the day.

        At a school that records exceptions only, a day without a row is one in person, from the first day enrolled on.
        """
        rule = self.rows("organisations").select("organisation_id", "attendance_method")
        each = self.students.lazy().join(self.school_days.lazy(), on="organisation_id")
        entered = pl.col("entered_on").is_null() | (pl.col("on") >= pl.col("entered_on"))
        each = each.join(rule, on="organisation_id", how="left").filter(entered)
        seen = self.rows("attendance").select("enrolment_id", "on", "absent_share", pl.col("mode").fill_null("in_person"))
        unseen = pl.when(pl.col("attendance_method").fill_null("negative") == "negative").then(pl.lit("in_person"))
        return (
            each.join(seen, on=["enrolment_id", "on"], how="left")
            .select("student_id", pl.coalesce("mode", unseen), pl.col("absent_share").fill_null(0.0).alias("missed"))
            .collect()
        )

    @cached_property
    def running(self) -> pl.DataFrame:
        """Supports that run on the day: ``student_id``, ``intervention_id``."""
        begun = self.rows("supports").filter(pl.col("begins_on") <= self.as_of)
        ended = self.rows("support_ends").filter(pl.col("ended_on") <= self.as_of).select("support_id")
        known = begun.join(ended, on="support_id", how="anti").select("student_id", "intervention_id").collect()
        return pl.concat([known, self.casebook().select("student_id", "intervention_id")]).unique()


#: What a measure gives: ``student_id`` and ``has``, null where it is not known.
Told = Callable[[Facts], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is so of a student, or not.

    ``needs`` are the tables without which it says nothing. ``by`` are the dimensions it is parted by, below organisations.
    ``of`` names the measure, and the side of it, whose students are all that it is asked of: where that count is not
    published, neither is this. ``better`` says which way is wished for, and ``support`` what helps those it counts.
    ``counted`` lets a count of ten or more be told where it is a small share of all: what is handed out is decided on counts,
    and its share is then coded where it is shown.
    """

    name: str
    topic: Topic
    told: Told
    needs: tuple[str, ...]
    better: Literal["more", "fewer"] = "more"
    by: tuple[Dimension, ...] = ("year",)
    of: tuple[str, Side] | None = None
    support: str = ""
    counted: bool = False


def _present(facts: Facts, *modes: str, each: bool = False) -> pl.DataFrame:
    """Return who was at school on nine days in ten of those taught in some modes; of few such days nothing is known."""
    of_mode = [(pl.col("mode") == mode).sum().alias(mode) for mode in modes]
    counted = facts.days.filter(pl.col("mode").is_in(modes)).group_by("student_id")
    found = counted.agg(pl.len().alias("days"), pl.col("missed").sum(), *of_mode)
    enough = pl.min_horizontal(modes) if each else pl.col("days")
    has = pl.when(enough >= LEAST_DAYS).then(pl.col("missed") <= (1 - PRESENT) * pl.col("days") + 1e-9)
    return found.select("student_id", has.alias("has"))


def _active(facts: Facts) -> pl.DataFrame:
    """Return who was active online; where there is known to be no way to be, silence says nothing."""
    since = facts.as_of - timedelta(days=ONLINE_DAYS)
    seen = facts.rows("activity").filter(pl.col("on") > since, pl.col("actions") > 0).select("student_id").unique().collect()
    known = facts.students.filter(pl.col("access") != "no")
    return known.select("student_id", pl.col("student_id").is_in(seen["student_id"].implode()).alias("has"))


def _secure(facts: Facts) -> pl.DataFrame:
    """Return of whom most skills are secure, of those of which there is enough evidence."""
    rows = []
    for student_id, one in skills.skill_map(facts.records, facts.students["student_id"].to_list(), facts.as_of).items():
        not_yet = sum(known.state == "not_yet" for known in (*one.next, *(wait.known for wait in one.waits)))
        secure = len(one.secure)
        if secure + not_yet >= LEAST_SKILLS:
            rows.append((student_id, 2 * secure > secure + not_yet))
    return pl.DataFrame(rows, schema={"student_id": pl.String, "has": pl.Boolean}, orient="row")


def _at_home(column: str) -> Told:
    return lambda facts: facts.access.select("student_id", pl.col(column).alias("has"))


def _voice(construct: str) -> Told:
    def told(facts: Facts) -> pl.DataFrame:
        """Return what students said in the newest wave, but for those who declined or object to such use."""
        stands = pl.col("withdrawn_on").is_null() | (pl.col("withdrawn_on") > facts.as_of)
        against = facts.rows("objections").filter(pl.col("scope").is_in(["profiling", "sharing"]), stands).select("student_id")
        rows = facts.rows("surveys").filter(pl.col("construct") == construct, ~pl.col("declined").fill_null(value=False))
        found = rows.filter(pl.col("scale_mean").is_not_null()).join(against, on="student_id", how="anti").collect()
        newest = found.filter(pl.col("wave") == found.sort("answered_on", "wave")["wave"].last()) if found.height else found
        return newest.select("student_id", (pl.col("scale_mean") >= SCALE_YES).alias("has"))

    return told


def _suggested(facts: Facts) -> pl.DataFrame:
    """Return for whom a check-in is suggested by any list but that of leaving school, which is for counselors alone."""
    if facts.scored is None:
        return pl.DataFrame(schema={"student_id": pl.String, "has": pl.Boolean})
    rows = facts.scored.filter(pl.col("target") != "dropout", pl.col("status") == "scored")
    return rows.group_by("student_id").agg((pl.col("band") == "check_in_suggested").any().alias("has"))


def _reached(need: Told, side: Side, *supports: str) -> Told:
    """Return who of those with a need has a support that runs; of ``supports``, or any where none are named."""

    def told(facts: Facts) -> pl.DataFrame:
        wanted = need(facts).filter(pl.col("has") == (side == "yes"))
        running = facts.running.filter(pl.col("intervention_id").is_in(supports)) if supports else facts.running
        return wanted.select("student_id", pl.col("student_id").is_in(running["student_id"].implode()).alias("has"))

    return told


#: Everything that is measured, by topic. A new figure is a new entry, and two phrases in the words of ``figures``.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        one.name: one
        for one in (
            Measure("here_in_person", "participation", lambda facts: _present(facts, "in_person"), ("attendance", "calendar")),
            Measure("here_online", "participation", lambda facts: _present(facts, "remote"), ("attendance", "calendar")),
            Measure("here_mixed", "participation", lambda facts: _present(facts, "in_person", "remote", each=True),
                    ("attendance", "calendar")),
            Measure("active_online", "participation", _active, ("activity",)),
            Measure("most_skills_secure", "learning", _secure, ("skill_results", "skills")),
            Measure("device", "access", _at_home("device"), ("digital_access",), counted=True),
            Measure("internet", "access", _at_home("internet"), ("digital_access",), counted=True),
            *(Measure(construct, "voice", _voice(construct), ("surveys",)) for construct in CONSTRUCTS),
            Measure("check_in", "support", _suggested, (), better="fewer", by=("year", "access")),
            Measure("check_in_reached", "support", _reached(_suggested, "yes"), ("supports",), by=("year", "access"),
                    of=("check_in", "yes")),
            Measure("device_reached", "support", _reached(_at_home("device"), "no", "access_device"),
                    ("digital_access", "supports"), of=("device", "no"), support="access_device"),
            Measure("internet_reached", "support", _reached(_at_home("internet"), "no", "access_hotspot"),
                    ("digital_access", "supports"), of=("internet", "no"), support="access_hotspot"),
        )
    }
)  # fmt: skip


# -- what is published ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Organisation:
    """A ministry, district or school with students in it or below it. ``above`` is None at the top."""

    id: str
    name: str
    kind: str
    above: str | None


@dataclass(frozen=True, slots=True)
class Complete:
    """How far records of one kind reach at a school: the last day, and on how many of the last school days there are any."""

    source: str
    last_on: date | None
    days: int
    of: int


@dataclass(frozen=True)
class Published:
    """All figures of a day. ``cells`` has, for each measure that can be told, a cell by the key of :func:`key`.

    ``parts`` names, for each organisation, the values that it is parted by, and ``supports`` those that at least ten students
    have now. Nothing here is of one student.
    """

    as_of: date
    organisations: Mapping[str, Organisation]
    below: Mapping[str, tuple[str, ...]]
    parts: Mapping[tuple[str, Dimension], tuple[str, ...]]
    cells: Mapping[str, Mapping[str, Cell]]
    complete: Mapping[str, tuple[Complete, ...]]
    supports: tuple[str, ...] = ()

    def cell(self, measure: str, organisation: str, dimension: Dimension = "organisation", value: str = "") -> Cell | None:
        """Return what is published of a group; None where the measure is not told or there is nobody of whom it is known."""
        return self.cells.get(measure, {}).get(key(organisation, dimension, value))


def key(organisation: str, dimension: Dimension = "organisation", value: str = "") -> str:
    """Return the key of a group: of an organisation, or of a part of it."""
    return organisation if not value else f"{organisation}\n{dimension}\n{value}"


@dataclass(frozen=True)
class _Kept:
    """Facts by what names them, so that what was published of them is found again and not worked out anew."""

    tenant: str
    digest: str
    token: str
    as_of: date
    facts: Facts = field(compare=False)


def publish(facts: Facts, token: str = "") -> Published:
    """Return what is published of a day: worked out once for records with a digest and a list with a ``token``.

    What the casebook says of supports is taken as it was when that was done. Figures that followed it by the minute would
    tell, from one minute to the next, of the one student who was meanwhile helped.
    """
    if not facts.records.digest:
        return _publish(facts)
    return _remembered(_Kept(facts.records.tenant, facts.records.digest, token, facts.as_of, facts))


@lru_cache(maxsize=8)  # a few days of a few schools; without what it was made of, under 1 MB each
def _remembered(kept: _Kept) -> Published:
    return _publish(kept.facts)


def _publish(facts: Facts) -> Published:
    students = facts.students
    organisations = _organisations(facts.records, facts.as_of, set(students["organisation_id"]))
    below: dict[str, list[str]] = {one: [] for one in organisations}
    for one in organisations.values():
        if one.above is not None:
            below[one.above].append(one.id)
    cells: dict[str, Mapping[str, Cell]] = {}
    for name, measure in MEASURES.items():
        if not all(facts.records.holds(table) for table in measure.needs):
            continue
        known = measure.told(facts).drop_nulls().join(students, on="student_id")
        if known.is_empty():
            continue
        groups = _groups(known, measure, organisations, below)
        if measure.of is None:
            cells[name] = suppress(groups, bottom=0 if measure.counted else BOTTOM)
        else:
            base = cells.get(measure.of[0], {})
            untold = [one.key for one in groups if one.key not in base or base[one.key].said != "share"]
            # A group that is not there at all would tell that nobody in it has the need.
            cells[name] = MappingProxyType({**dict.fromkeys(base, HIDDEN), **suppress(groups, untold)})
    schools = students.group_by("organisation_id").len().filter(pl.col("len") >= LEAST)["organisation_id"].to_list()
    here = facts.running.join(students, on="student_id", how="semi")
    common = here.group_by("intervention_id").len().filter(pl.col("len") >= LEAST)
    return Published(
        facts.as_of, organisations, MappingProxyType({one: tuple(parts) for one, parts in below.items()}),
        _parts(students), MappingProxyType(cells), _complete(facts, sorted(schools)),
        tuple(sorted(common["intervention_id"])),
    )  # fmt: skip


def _organisations(records: SchoolRecords, as_of: date, attended: set[str]) -> Mapping[str, Organisation]:
    """Return those organisations that have students, in them or below, by name; a circle in the records ends at its start."""
    rows = {row["organisation_id"]: row for row in records.reference("organisations", as_of).iter_rows(named=True)}
    above: dict[str, str | None] = {}
    for at in sorted(attended):
        seen: list[str] = []
        here: str | None = at
        while here is not None and here not in seen and here not in above:
            seen.append(here)
            parent = rows[here]["parent_id"] if here in rows else None
            here = parent if parent in rows else None
        for one, parent in zip(seen, [*seen[1:], here], strict=True):
            above[one] = None if parent in seen[: seen.index(one) + 1] else parent
    found = [
        Organisation(one, rows.get(one, {}).get("name") or one, rows.get(one, {}).get("kind") or "school", up)
        for one, up in above.items()
    ]
    return MappingProxyType({one.id: one for one in sorted(found, key=lambda one: (one.name, one.id))})


def _groups(
    known: pl.DataFrame, measure: Measure, organisations: Mapping[str, Organisation], below: Mapping[str, Sequence[str]]
) -> list[Group]:
    """Return the tree of groups of a measure, with ``known`` one row per student of whom it is known."""
    own = known.group_by("organisation_id").agg(pl.len(), pl.col("has").sum())
    counts = {at: (size, yes) for at, size, yes in own.iter_rows()}
    groups: list[Group] = []

    def whole(at: str) -> tuple[int, int]:
        mine = counts.get(at, (0, 0))
        theirs = [whole(one) for one in below[at]]
        if theirs and mine[0]:
            groups.append(Group(key(at, "organisation", ITSELF), at, "organisation", *mine))
        size, yes = (mine[side] + sum(one[side] for one in theirs) for side in (0, 1))
        groups.append(Group(at, organisations[at].above, "organisation", size, yes))
        return size, yes

    for one in organisations.values():
        if one.above is None:
            whole(one.id)
    for dimension in measure.by:
        parts = known.group_by("organisation_id", dimension).agg(pl.len(), pl.col("has").sum())
        for at, value, size, yes in parts.iter_rows():
            above = key(at, "organisation", ITSELF) if below[at] else at
            groups.append(Group(key(at, dimension, value), above, dimension, size, yes))
    return groups


def _parts(students: pl.DataFrame) -> Mapping[tuple[str, Dimension], tuple[str, ...]]:
    found: dict[tuple[str, Dimension], tuple[str, ...]] = {}
    by: tuple[Dimension, ...] = ("year", "access")
    for dimension in by:
        for (at,), one in students.group_by("organisation_id"):
            values = one[dimension].unique().to_list()
            found[str(at), dimension] = tuple(sorted(values, key=_in_order))
    return MappingProxyType(found)


def _in_order(value: str) -> tuple[bool, int, str]:
    """Years by number, and what is not known last."""
    return value == "unknown", int(value) if value.isdigit() else 0, value


def _complete(facts: Facts, schools: Sequence[str]) -> Mapping[str, tuple[Complete, ...]]:
    """Return how complete the records of schools are. Of fewer than ten students the last day would tell of one of them."""
    days = facts.school_days
    open_on = {str(at): set(one["on"]) for (at,), one in days.group_by("organisation_id")}
    where = facts.rows("enrolments").select("enrolment_id", "organisation_id")
    found: dict[str, list[Complete]] = {school: [] for school in schools}
    for table, on in RECORDED.items():
        if not facts.records.holds(table):
            continue
        rows = facts.rows(table).filter(pl.col(on) <= facts.as_of).select("enrolment_id", pl.col(on).alias("on"))
        seen = rows.join(where, on="enrolment_id").select("organisation_id", "on").unique().collect()
        by_school = {str(at): set(one["on"]) for (at,), one in seen.group_by("organisation_id")}
        for school in schools:
            dates, taught = by_school.get(school, set()), open_on.get(school, set())
            found[school].append(Complete(table, max(dates, default=None), len(dates & taught), len(taught)))
    return MappingProxyType({school: tuple(rows) for school, rows in found.items()})

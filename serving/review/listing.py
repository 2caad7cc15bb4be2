"""The newest list, by student: what the records come to for whoever may know what, and which reason weighs most.

A model says something of an enrolment, of a student in a course, or of a skill; a list of people needs one row for each. A
student stands on it by the highest place among the areas that its reader may know of. Skills are on the class page, and put
nobody on this list.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import groupby
from types import MappingProxyType

import polars as pl
from scipy.stats import betabinom

from features.phrases import ENGLISH, Language
from features.records import SchoolRecords
from serving import retelling
from serving.lists import Kept
from serving.pages.contexts.caseload import BANDS, Band, Concern, Fresh, Group, Outcome, Shared, Source, Yielded
from serving.pages.words import Words
from serving.review.day import Day
from serving.scoring import WITHHELD
from training.targets import TARGETS

#: Which outcome a list looks for, as the catalogue says it.
OUTCOMES: Mapping[str, Outcome] = {
    "dropout": "left",
    "course_failure": "did_not_pass",
    "chronic_absence": "missed_a_tenth",
}

#: The target that only some may know of.
LEAVING = "dropout"

#: How much each band weighs: the list most.
WEIGHTS: Mapping[str, int] = {band: len(BANDS) - at for at, band in enumerate(BANDS)}

#: A group is looked at before its students when more than this share of it has the same concern (EWIMS, step 4).
SHARED = 0.2
#: Of fewer nothing is said of a group.
LEAST_IN_GROUP = 10
#: No page shows more groups than these, those with the largest share first.
MOST_GROUPS = 6

#: In how many of a student's areas, the most weighty first, a first reason is looked for.
MOST_AREAS = 3

#: The tables that tell how far records reach, and what they are called. None is dated by a plan.
SOURCES: Mapping[str, tuple[Source, str]] = {
    "attendance": ("attendance", "on"),
    "submissions": ("coursework", "submitted_on"),
    "results": ("marks", "marked_on"),
    "activity": ("engagement", "on"),
    "incidents": ("behaviour", "occurred_on"),
}

#: Records that came until then have stopped when nothing new has come for so many school days. Incidents are rare.
USUAL_DAYS: Mapping[Source, int] = {"attendance": 1, "coursework": 5, "marks": 10, "engagement": 3}


_NO_CLASSES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Listed:
    """What the newest list says of a student, cut to what a reader may know."""

    student_id: str
    band: Band
    place: float
    concern: Concern | None
    reason: str
    strength: str
    before: Band | None
    prediction_ids: tuple[str, ...]
    section_id: str | None = None
    reason_told: str | None = None
    strength_told: str | None = None

    def told(self, name: str, classes: Mapping[str, str] = _NO_CLASSES, language: Language = ENGLISH) -> str:
        """Return the weightiest reason with the student's name, and the class that it is about by its name."""
        course = classes.get(self.section_id or "", "")
        return retelling.first("reasons", self.reason, self.reason_told, language, name, course)

    def good(self, name: str, language: Language = ENGLISH) -> str:
        """Return the fact that speaks for the student first, with their name."""
        return retelling.first("strengths", self.strength, self.strength_told, language, name)


def spoken(found: Iterable[Listed | None], language: Language) -> Language:
    """Return the language in which these can be told: the one that is asked for where all of them can, else English."""
    texts = [text for one in found if one for said, text in ((one.reason, one.reason_told), (one.strength, one.strength_told))
             if said]  # fmt: skip
    return retelling.spoken(({"told": text} for text in texts), language)


@dataclass(frozen=True)
class Listing:
    """The newest list of a school, worked out once. ``rows`` are those of :data:`serving.batch.SCHEMA`."""

    rows: pl.DataFrame
    kept: tuple[Kept, ...]
    as_of: date

    @cached_property
    def _shared(self) -> dict[tuple[date, frozenset[str]], list[tuple[float, Shared, frozenset[str]]]]:
        return {}

    @cached_property
    def _people(self) -> pl.DataFrame:
        """Every row of a person's area with its place among all of that area: 1 is first, near 0 last.

        A row that says of nobody anything, because it was objected to or scoring was stopped, is none of them.
        """
        withheld = pl.col("status").is_in(list(WITHHELD))
        mine = self.rows.filter(pl.col("target").is_in(list(OUTCOMES)), ~withheld)
        return mine.with_columns(
            place=(pl.col("probability").rank("average") / pl.col("probability").count()).over("target").fill_null(0.0),
            weight=pl.col("band").replace_strict(WEIGHTS, default=0, return_dtype=pl.Int32),
        )

    @cached_property
    def before(self) -> Kept | None:
        """The list before this one, if one is kept."""
        return self._earlier[-1] if self._earlier else None

    @property
    def _earlier(self) -> list[Kept]:
        return [one for one in self.kept if one.as_of < self.as_of]

    @cached_property
    def first_listed(self) -> Mapping[tuple[str, str], date]:
        """Since when a student has been on the list of an area without a break, by student and area."""
        found: dict[tuple[str, str], date] = {}
        for one in self._earlier:
            on = one.rows.filter(pl.col("band") == BANDS[0], pl.col("target").is_in(list(OUTCOMES)))
            now = set(on.select("student_id", "target").unique().iter_rows())
            found = {key: found.get(key, one.as_of) for key in now}
        on = self._people.filter(pl.col("band") == BANDS[0]).select("student_id", "target").unique()
        return {key: found.get(key, self.as_of) for key in on.iter_rows()}

    @cached_property
    def _summaries(self) -> Mapping[bool, Mapping[str, Listed]]:
        """What is said of each student to those who may know of leaving, and to those who may not."""
        return {leaving: self._summary(leaving=leaving) for leaving in (True, False)}

    def of(self, student_id: str, *, leaving: bool) -> Listed | None:
        """Return what is said of a student, to a reader who may know of leaving school or may not; None where nothing is."""
        return self._summaries[leaving].get(student_id)

    def _summary(self, *, leaving: bool) -> dict[str, Listed]:
        rows = self._people if leaving else self._people.filter(pl.col("target") != LEAVING)
        rows = rows.sort("student_id", "weight", "place", "target", "enrolment_id", "section_id",
                         descending=[False, True, True, False, False, False])  # fmt: skip
        earlier = self._bands_before(leaving=leaving)
        if "told" not in rows.columns:  # a list of an older release
            rows = rows.with_columns(told=pl.lit(None, pl.String))
        told = rows.select("student_id", "target", "band", "place", "prediction_id", "section_id", "told",
                           first=pl.col("reasons").list.first(),
                           strength=pl.col("strengths").list.first().struct.field("text"))  # fmt: skip
        found: dict[str, Listed] = {}
        for student, mine in groupby(told.iter_rows(named=True), key=lambda one: str(one["student_id"])):
            areas = list(mine)
            at, first = next(((one, one["first"]) for one in areas[:MOST_AREAS] if one["first"]), (areas[0], None))
            good = next((one for one in areas if one["strength"]), areas[0])
            listed = [one for one in areas if one["band"] == BANDS[0]]
            # Who is on the lists of two areas comes before somebody who stands as high on one of them.
            more = 0.01 * max(len({one["target"] for one in listed}) - 1, 0)
            found[student] = Listed(
                student, areas[0]["band"], areas[0]["place"] + more, first["concept"] if first else None,
                first["text"] if first else "", good["strength"] or "", earlier.get(student),
                tuple(one["prediction_id"] for one in listed), at["section_id"], at["told"], good["told"],
            )  # fmt: skip
        return found

    def _bands_before(self, *, leaving: bool) -> dict[str, Band]:
        if self.before is None:
            return {}
        rows = self.before.rows.filter(pl.col("target").is_in([one for one in OUTCOMES if leaving or one != LEAVING]))
        weighed = rows.with_columns(weight=pl.col("band").replace_strict(WEIGHTS, default=0, return_dtype=pl.Int32))
        best = weighed.sort("weight", descending=True).unique("student_id", keep="first")
        return dict(best.select("student_id", "band").iter_rows())

    @cached_property
    def concerns(self) -> pl.DataFrame:
        """Each student with each first reason of a row on the list or near it. Leaving counts nothing here."""
        rows = self._people.filter(pl.col("band").is_in(BANDS[:2]), pl.col("target") != LEAVING)
        first = rows.select("student_id", pl.col("reasons").list.first().struct.field("concept").alias("concern"))
        return first.drop_nulls().unique().sort("student_id", "concern")

    def shared(
        self, day: Day, students: Iterable[str], words: Words, objected: frozenset[str] = frozenset()
    ) -> tuple[Shared, ...]:  # fmt: skip
        """Return the groups of some students in which more than a fifth share a concern, the largest share first.

        A group is counted whole, whoever of it a reader may see, and none of fewer than ten is told of. Nothing is counted of
        those who ``objected`` since the list was made.
        """
        theirs = set(students)
        mine = [(share, one) for share, one, members in self._sharing(day, objected) if not members.isdisjoint(theirs)]
        best = sorted(mine, key=lambda one: (-one[0], one[1].kind, *_place(day, one[1]), one[1].concern))
        told = [one for _, one in best[:MOST_GROUPS]]
        return tuple(replace(one, name=day.class_name(one.group_id, words)) if one.kind == "section" else one for one in told)

    def _sharing(self, day: Day, objected: frozenset[str]) -> list[tuple[float, Shared, frozenset[str]]]:
        """Return every group that shares a concern, with the share and with who is in it: worked out once for a day."""
        found = self._shared.get((day.on, objected))
        if found is None:
            self._shared.clear()
            self._shared[day.on, objected] = found = self._all_sharing(day, objected)
        return found

    def _all_sharing(self, day: Day, objected: frozenset[str]) -> list[tuple[float, Shared, frozenset[str]]]:
        stays = day.stays.with_columns(pl.col("grade_level").cast(pl.String))
        groups: list[tuple[Group, pl.DataFrame, Mapping[str, str]]] = [
            ("section", day.seats.select("student_id", pl.col("section_id").alias("group")), day.sections),
            ("grade", stays.select("student_id", (pl.col("organisation_id") + "/" + pl.col("grade_level")).alias("group")), {}),
            ("school", stays.select("student_id", pl.col("organisation_id").alias("group")), day.schools),
        ]
        concerns = self.concerns.filter(~pl.col("student_id").is_in(list(objected)))
        found = []
        for kind, members, names in groups:
            whole = members.drop_nulls().unique()
            sizes = whole.group_by("group").agg(pl.col("student_id").n_unique().alias("of"), pl.col("student_id").alias("who"))
            counts = whole.join(concerns, on="student_id").group_by("group", "concern").agg(
                pl.col("student_id").n_unique().alias("count")
            )
            told = counts.join(sizes, on="group").filter(
                pl.col("of") >= LEAST_IN_GROUP, pl.col("count") > SHARED * pl.col("of"), pl.col("concern") != "access"
            )
            found += [
                (one["count"] / one["of"], Shared(
                    kind=kind, group_id=one["group"].split("/")[-1] if kind == "grade" else one["group"],
                    name=_called(kind, one["group"], names, day), concern=one["concern"], count=one["count"], of=one["of"],
                ), frozenset(one["who"]))
                for one in told.iter_rows(named=True)
            ]  # fmt: skip
        return found

    def yielded(self, first: int, *, leaving: bool) -> tuple[Yielded, ...]:
        """Return what a list made in the same way held on later data, of so many from its top, by outcome.

        The range is that of counts in which 80 of 100 such lists would lie, were they made again: it holds the chance
        among so few and how few were looked at (a beta-binomial, from Jeffreys' prior).
        """
        newest = next((one for one in reversed(self.kept) if one.as_of == self.as_of), None)
        if newest is None or first < 1:
            return ()
        found = []
        for target, outcome in OUTCOMES.items():
            told = newest.promised.get(target)
            if told is None or told["precision"] is None or (target == LEAVING and not leaving):
                continue
            held = told["precision"] * told["rows"]
            spread = betabinom(first, held + 0.5, told["rows"] - held + 0.5)
            low, high = (int(spread.ppf(at)) for at in (0.1, 0.9))
            count = round(told["precision"] * first)
            found.append(Yielded(outcome=outcome, first=first, count=count, low=min(low, count), high=max(high, count)))
        return tuple(found)


def _place(day: Day, one: Shared) -> tuple[str, int, str]:
    return day.place_of(one.group_id) if one.kind == "section" else (one.name, 0, one.group_id)


def _called(kind: Group, group: str, names: Mapping[str, str], day: Day) -> str:
    if kind != "grade":
        return names.get(group, group)
    school, _, year = group.partition("/")
    return f"{year}, {day.schools.get(school, school)}" if len(set(day.stays["organisation_id"])) > 1 else year


def freshness(records: SchoolRecords, day: Day) -> Mapping[str, tuple[Fresh, ...]]:
    """Return how far the records of each school reach on a day, by school: of every source that it ever sent anything of.

    Records of attendance that hold exceptions only say nothing on a day on which everybody was there. A school of more than
    a hundred has no such days.
    """
    found: dict[str, list[Fresh]] = {school: [] for school in day.stays["organisation_id"].unique().sort().to_list()}
    stays = day.stays.select("enrolment_id", "organisation_id").lazy()
    for table, (source, on) in SOURCES.items():
        if not records.holds(table):
            continue
        rows = records.visible(table, [day.on]).filter(pl.col(on) <= day.on).join(stays, on="enrolment_id")
        last = dict(rows.group_by("organisation_id").agg(pl.col(on).max()).collect().iter_rows())
        for school, told in found.items():
            told.append(Fresh(school=day.schools.get(school, school), source=source, last_on=last.get(school)))
    return {school: tuple(told) for school, told in found.items()}


def stopped(records: SchoolRecords, day: Day, known: Mapping[str, tuple[Fresh, ...]]) -> Mapping[str, tuple[Fresh, ...]]:
    """Return those records that have not come as they usually do, by school: by the school's own calendar of school days."""
    open_days = school_days(records, day.on)
    found = {}
    for school, told in known.items():
        days = open_days.get(school, ())
        late = []
        for one in told:
            limit = USUAL_DAYS.get(one.source)
            if limit is None:
                continue
            missed = [on for on in days if (one.last_on is None or on > one.last_on) and on < day.on]
            if len(missed) > limit:
                late.append(one)
        found[school] = tuple(late)
    return found


def school_days(records: SchoolRecords, until: date) -> Mapping[str, tuple[date, ...]]:
    """Return the days of the last ten weeks on which each school taught, until a day; weekdays where there is no calendar."""
    since = until - timedelta(days=70)
    rows = records.reference("calendar", until) if records.holds("calendar") else None
    if rows is None or rows.is_empty():
        return _Weekdays(since, until)
    taught = rows.filter(pl.col("instructional"), pl.col("on") > since, pl.col("on") <= until).sort("on")
    return {str(school): tuple(one["on"]) for (school,), one in taught.group_by("organisation_id", maintain_order=True)}


class _Weekdays(dict[str, tuple[date, ...]]):
    """The same weekdays for every school."""

    def __init__(self, since: date, until: date) -> None:
        super().__init__()
        days = (since + timedelta(days=at) for at in range((until - since).days + 1))
        self._days = tuple(one for one in days if one.weekday() < 5)

    def get(self, key: str, default: object = None) -> tuple[date, ...]:
        return self._days


def waited(days: tuple[date, ...], since: date, today: date) -> int:
    """Return how many school days have gone by since a day, the day itself and today not counted."""
    return max(bisect_left(days, today) - bisect_right(days, since), 0)


assert set(OUTCOMES) <= set(TARGETS), "a list looks for what no target is"

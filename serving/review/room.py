"""What the pages of one school are made with, and what one request for a page is.

A :class:`Room` is opened once for a scoring and an export and read by many requests; an :class:`Asked` is one of them, after
everything that a route asks for was checked: who it is, that they may, and that a form came from our own page.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any

import polars as pl

from features.records import SchoolRecords
from serving import goals, lists, needs, offers, resources
from serving.cases import agreements, casebook, families, switches
from serving.cases.access import Visible, may, read
from serving.cases.database import Engine
from serving.cases.people import Account
from serving.cases.plans import LinkedPlan
from serving.cases.sessions import SignedIn
from serving.contract import Desk
from serving.goals import Capacity
from serving.offers import Help
from serving.pages.contexts import Context
from serving.pages.contexts.caseload import Fresh, Part
from serving.pages.contexts.frame import Frame
from serving.pages.words import Words
from serving.review import listing
from serving.review.day import Day
from serving.review.listing import Listing
from serving.review.settings import ReviewSettings
from serving.store import Latest, Store
from serving.withheld import Withheld

#: What is worked out for a day is let go when a day so far from it is asked for: a room lives for as long as its export.
DAYS_KEPT = 3

#: The records of so many students are kept at a time, some 100 kB each.
MOST_KEPT = 64

#: Tables of students of which no page shows anything and that no feature is made of.
NOT_READ = ("demographics", "outcomes")


@dataclass(frozen=True)
class Room:
    """What every page of a school is made with.

    ``latest`` is None until a list was made. ``desk`` knows the models in use and their cards.
    """

    tenant: str
    db: Engine
    store: Store
    records: SchoolRecords
    latest: Latest | None
    desk: Desk
    words: Mapping[str, Words]
    settings: ReviewSettings

    @cached_property
    def scored(self) -> pl.DataFrame | None:
        """The whole newest list with its words (``serving.batch.SCHEMA``), None where none was made or kept.

        Sentences are English and begin with "The student": :mod:`serving.retelling` says them again, with names.
        """
        return self.store.scored(self.latest) if self.latest else None

    @property
    def as_of(self) -> date | None:
        """The day that the newest list looks from."""
        return self.latest.as_of if self.latest else None

    @cached_property
    def name(self) -> str:
        """What the school or district is called: its name where there is one at the top, else nothing."""
        if not self.records.holds("organisations"):
            return ""
        known = self.records.school_table("organisations").sort("known_on").unique("organisation_id", keep="last")
        top = known.filter(pl.col("parent_id").is_null() | ~pl.col("parent_id").is_in(known["organisation_id"].implode()))
        named = top["name"].drop_nulls().to_list()
        return str(named[0]) if len(named) == 1 else ""

    @cached_property
    def listing(self) -> Listing | None:
        """The newest list by student, None where none was made or kept."""
        if self.latest is None or self.scored is None:
            return None
        return Listing(self.scored, tuple(lists.kept(self.store)), self.latest.as_of)

    def freshness(self, on: date) -> Mapping[str, tuple[Fresh, ...]]:
        """Return how far the records of each school reach on a day, by school."""
        return self._once("freshness", on, lambda: listing.freshness(self.records, self.day(on)))

    def stopped_records(self, on: date) -> Mapping[str, tuple[Fresh, ...]]:
        """Return the records that have not come as they usually do, by school."""
        return self._once("stopped", on, lambda: listing.stopped(self.records, self.day(on), self.freshness(on)))

    def school_days(self, on: date) -> Mapping[str, tuple[date, ...]]:
        """Return the days of the last ten weeks on which each school taught, until a day."""
        return self._once("school days", on, lambda: listing.school_days(self.records, on))

    def hidden(self, on: date) -> frozenset[str]:
        """Return the schools whose scores are switched off at this moment: asked of the database each time."""
        stopped = switches.stopped(self.db, self.tenant)
        if not stopped:
            return frozenset()
        above: dict[str, set[str]] = {}
        for school in (schools := self.day(on).schools):
            above[school], at = {school}, school
            while (at := self.day(on).parents.get(at, "")) and at not in above[school]:
                above[school].add(at)
        return frozenset(one for one in schools if stopped.everywhere or above[one] & stopped.organisations)

    def objected(self, on: date) -> frozenset[str]:
        """Return the students of whom an objection to scoring is in force at this moment: asked of the database each time."""
        of_records = self._once("objected", on, lambda: Withheld().with_records(self.records, on).objected)
        return families.objected(self.db, self.tenant) | of_records

    def capacity(self, on: date) -> tuple[int, str]:
        """Return how many students a list is cut to on a day, and who said so: what was signed, else what is set."""
        agreed = self.agreed_capacity(on)
        return agreed.students or self.settings.capacity, agreed.set_by

    def agreed_capacity(self, on: date) -> Capacity:
        """Return the capacity in force on a day, with the places of supports: what was signed, else what is set."""
        version = agreements.in_force(self.db, self.tenant, "capacity", on)
        if version is None:
            return Capacity(self.settings.capacity, self.settings.capacity_set_by, {})
        return goals.capacity(version.content)

    def waiting_days(self, on: date) -> int:
        """Return after how many school days somebody has waited too long on a day: what was signed, else what is set."""
        version = agreements.in_force(self.db, self.tenant, "thresholds", on)
        agreed = {} if version is None else goals.thresholds(version.content)
        return agreed.get("waiting_days", self.settings.waiting_days)

    def help(self, on: date) -> Help:
        """Return the help that there is on a day: the catalogue in force, and the library.

        Raises Refused with everything that is wrong with the district's own.
        """
        stamp = offers.stamp(self.store.folder, self.db)
        kept: tuple[object, Help] | None = self._worked_out.get(("help", on))
        if kept is None or kept[0] != stamp:
            library = resources.library(self.records, on, self.store.folder)
            kept = stamp, Help(offers.catalogue_of(self.store.folder, self.db), library)
            self._worked_out["help", on] = kept
        return kept[1]

    def shared(self, on: date) -> Mapping[tuple[str | None, int | None], frozenset[str]]:
        """Return, by school and year, what of the newest list more than a fifth of the year has, as known on a day."""

        def work() -> Mapping[tuple[str | None, int | None], frozenset[str]]:
            factors = {} if self.scored is None else offers.factors_of_list(self.scored)
            return needs.shared_by_year(factors, needs.circumstances(self.records, on))

        return self._once("shared", on, work)

    def names(self, asked: Asked) -> Mapping[str, tuple[str, str]]:
        """Return what each student is called whom the reader sees, by the name they prefer, and their pronouns."""

        def work() -> Mapping[str, tuple[str, str]]:
            found = read(self.records, asked.seen, "identities")
            first = pl.coalesce("preferred_name", "given_name", "student_id")
            called = first + pl.lit(" ") + pl.col("family_name").fill_null("")
            rows = found.select("student_id", called.str.strip_chars().alias("name"), pl.col("pronouns").fill_null(""))
            return {student: (name, pronouns) for student, name, pronouns in rows.iter_rows()}

        return self._for_reader("names", asked.seen, work)

    def supports(self, asked: Asked) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the supports that run, of those whom the reader sees: of the records and of the casebook."""

        def work() -> list[tuple[str, str]]:
            begun = read(self.records, asked.seen, "supports").filter(pl.col("begins_on") <= asked.today)
            ended = read(self.records, asked.seen, "support_ends").filter(pl.col("ended_on") <= asked.today)
            running = begun.join(ended.select("support_id"), on="support_id", how="anti").sort("student_id", "begins_on")
            return running.select("student_id", "intervention_id").rows()

        begun = self._for_reader("supports", asked.seen, work)
        called = {one: intervention_name(asked.words, one) for one in {intervention for _, intervention in begun}}
        found: dict[str, list[str]] = {}
        for student, intervention in begun:
            found.setdefault(student, []).append(called[intervention])
        role, relations = asked.account.role, asked.seen.relations
        granted = {tie for tie in set(relations.values()) if may(role, tie, "see_supports")}
        theirs = [one for one, tie in relations.items() if tie in granted]
        for student, mine in casebook.running_supports(self.db, self.tenant, theirs).items():
            found.setdefault(student, []).extend(one.name for one in mine)
        return {student: tuple(dict.fromkeys(names)) for student, names in found.items()}

    @cached_property
    def of_student(self) -> Callable[[str], SchoolRecords]:
        """What returns the records of one student, and keeps them: after every form the same page is shown again.

        What neither a page nor a model reads, such as demographics, is not among them.
        """
        at_hand = self.records.at_hand()
        tables = [one for one in at_hand.parts if one not in NOT_READ]
        return lru_cache(maxsize=MOST_KEPT)(lambda student_id: at_hand.of_student(student_id, tables))

    @cached_property
    def _read_for(self) -> OrderedDict[tuple[str, str, date, int], Any]:
        return OrderedDict()

    def _for_reader[Found](self, what: str, seen: Visible, work: Callable[[], Found]) -> Found:
        """Return what was read of those whom somebody sees, kept for as long as they see the very same, so and not otherwise.

        To read names and supports of a whole school takes 50 ms of each page; the room goes when other records come.
        """
        key = what, seen.account.id, seen.as_of, hash(frozenset(seen.relations.items()))
        found: Found | None = self._read_for.get(key)
        if found is None:  # several threads may come here at once: each goes on with what it read itself
            self._read_for[key] = found = work()
            while len(self._read_for) > MOST_KEPT:
                self._read_for.popitem(last=False)
        return found

    @cached_property
    def _worked_out(self) -> dict[tuple[str, date], Any]:
        return {}

    def _once[Found](self, what: str, on: date, work: Callable[[], Found]) -> Found:
        """Return what is worked out once for a day of these records. Earlier days are let go when another one is asked for."""
        found: Found | None = self._worked_out.get((what, on))
        if found is None:
            self._worked_out[what, on] = found = work()
            for key in [key for key in self._worked_out if key[0] == what and abs((key[1] - on).days) > DAYS_KEPT]:
                self._worked_out.pop(key, None)
        return found

    def day(self, on: date) -> Day:
        """Return who is where on a day, worked out once."""
        return self._once("day", on, lambda: Day.of(self.records, on))


def part_of(told: str, rows: int, most: int) -> Part | None:
    """Return which part of so many rows is shown, ``most`` of them at a time; None where all are.

    >>> part_of("2", 130, 60)
    Part(first=61, last=120, of=130, before=1, after=3)
    """
    if rows <= most:
        return None
    last = -(-rows // most)
    number = min(max(int(told) if told.isdecimal() and len(told) < 5 else 1, 1), last)
    first = (number - 1) * most + 1
    return Part(first=first, last=min(first + most - 1, rows), of=rows, before=number - 1 if number > 1 else None,
                after=number + 1 if number < last else None)  # fmt: skip


def sent(form: Mapping[str, tuple[str, ...]], name: str) -> str:
    """Return a field of a form, without blanks around it; empty where it was not sent."""
    return next(iter(form.get(name, ())), "").strip()


@dataclass(frozen=True)
class Asked:
    """One request for a page, by somebody who may make it.

    ``parts`` are those of the address, ``query`` what follows the question mark, ``form`` what a form sent, each field with
    all its values. ``today`` is the day that records and rights are looked at, ``now`` the moment that is written down.
    ``seen`` are the students whom the reader may see today. ``frame`` is what stands around the answer.
    """

    signed_in: SignedIn
    seen: Visible
    frame: Frame
    words: Words
    today: date
    now: datetime
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        """Who asks."""
        return self.signed_in.account

    def sent(self, name: str) -> str:
        """Return a field of the form, without blanks around it; empty where it was not sent."""
        return sent(self.form, name)


@dataclass(frozen=True, slots=True)
class Go:
    """Leads on to another page after something was done. ``said`` names what was done (``said.claimed``), and of how many."""

    address: str
    said: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class File:
    """Something to take away. ``name`` never holds a name of a student; ``student_ids`` are those in it, for the trail.
    ``shown`` says that a browser shows it in the place of keeping it.
    """

    content: bytes
    media_type: str
    name: str
    student_ids: tuple[str, ...] = ()
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Shows:
    """A page on which several students are seen: each of them gets a line in the trail.

    ``language`` is the one that it is written in, where that is not the reader's own.
    """

    page: Context
    student_ids: tuple[str, ...] = ()
    language: str = ""


Answer = Context | Shows | Go | File


@dataclass(frozen=True)
class Linked:
    """One request by somebody without an account, who came by a link to one plan. ``plan`` is None where none is open."""

    plan: LinkedPlan | None
    frame: Frame
    words: Words
    today: date
    now: datetime
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def sent(self, name: str) -> str:
        """Return a field of the form, without blanks around it; empty where it was not sent."""
        return sent(self.form, name)


@dataclass(frozen=True, slots=True)
class Opens:
    """Leads on to what a link opened. ``token`` is for the browser alone; empty closes it again."""

    address: str
    token: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A page that says that what was asked for is no longer there."""

    page: Context


#: What comes of a request by a link.
ByLink = Context | Opens | Go | Gone


def intervention_name(words: Words, intervention_id: str) -> str:
    """Return what an intervention is called, or its key where the catalogue has no name for it."""
    key = f"intervention.{intervention_id}"
    return words.say(key) if key in words.phrases else intervention_id

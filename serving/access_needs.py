"""Who has no internet or no device at home, school by school, and who is lent what there is: owed by need, whatever a score.

What is on record says yes, no, or nothing. Nothing is **unknown**: such a student is asked first, and is never counted as
connected. Whoever has none comes first; whoever has only a telephone's connection, or shares a device, comes after all of
these. Within the same need everybody has the same chance, at whatever school: where there are too few, lots are drawn and the
chances recorded. So a school with four children in need is not passed over for being small. Nothing of how a student is doing
enters, nor who they are.

Where many at one school lack internet, an option for the place (a bus with Wi-Fi, the library's hours) is named first: it
reaches those too who were never asked. It takes nobody out of the draw, because nobody knows yet whether it will be built.

The fulfilment list, for those who hand things out, names everybody. What is published of regions and schools is suppressed
(:mod:`serving.suppression`), its three answers together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import polars as pl

from features.records import SchoolRecords
from serving import lottery
from serving.figures import Facts
from serving.lottery import Tickets
from serving.suppression import LEAST, Cell, Group, suppress

Kind = Literal["internet", "device"]
Answer = Literal["no", "unknown", "yes"]

#: What is lent for each kind, by its key in the catalogue of help.
LENT: Mapping[Kind, str] = MappingProxyType({"internet": "access_hotspot", "device": "access_device"})

#: The words of the records that are less than enough: no need like having none, and a need still.
LESSER: Mapping[Kind, str] = MappingProxyType({"internet": "mobile_only", "device": "shared"})

#: Those whose answer is withheld last, where one has to be: what is missing, before what is there.
ANSWERS: tuple[Answer, ...] = ("no", "unknown", "yes")

#: From this share of a school's known students on, an option for the place comes first; and of at least so many.
SITE_SHARE, SITE_LEAST = 0.4, LEAST

#: What a region is called that no record names.
NO_REGION = "no region on record"

#: What becomes of each student with a need.
State = Literal["lent", "waits", "has_it", "ask_first"]

#: The columns of the fulfilment list.
ROWS: Mapping[str, Any] = MappingProxyType(
    {
        "student_id": pl.String, "region": pl.String, "school": pl.String, "kind": pl.String, "on_record": pl.String,
        "recorded_on": pl.Date, "need": pl.Int8, "state": pl.String, "probability": pl.Float64, "site_first": pl.Boolean,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A school where many lack internet: ``lacking`` of ``known`` students, and how many were not asked."""

    region: str
    school: str
    lacking: int
    known: int
    unknown: int


@dataclass(frozen=True)
class Access:
    """What is lent to whom. ``rows`` are of :data:`ROWS`, of everybody who lacks something or has to be asked.

    ``everybody`` has a row per student enrolled and kind (``answer``), ``sites`` are by how many lack internet. ``seed`` is the
    lottery's, ``items`` how many there were of each kind; None: that kind was not asked about.
    """

    rows: pl.DataFrame
    everybody: pl.DataFrame
    sites: tuple[Site, ...]
    items: Mapping[Kind, int | None]
    site_share: float
    seed: int
    as_of: date

    def unmet(self, kind: Kind) -> tuple[int, int]:
        """How many are left waiting: of those known to have none, and of those known to have less than enough."""
        waits = self.rows.filter(pl.col("kind") == kind, pl.col("state") == "waits")["need"]
        return int((waits == 2).sum()), int((waits == 1).sum())


def needs(records: SchoolRecords, as_of: date, has: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return what is on record of everybody enrolled: a row per student and kind.

    ``student_id``, ``region``, ``school``, ``kind``, ``on_record`` (the record's own word, null where there is none),
    ``recorded_on``, ``answer`` (yes, no or unknown), ``need`` (2: none, 1: less than enough, 0: enough, null: unknown) and
    ``has_it``, whether a loan of that kind runs already.

    Args:
        records: the school's records.
        as_of: the day to look from.
        has: supports that run by the casebook, beside those of the records: ``student_id``, ``intervention_id``.

    """
    facts = Facts(records, as_of, casebook=lambda: has) if has is not None else Facts(records, as_of)
    schools = records.reference("organisations", as_of).select("organisation_id", pl.col("region").fill_null(NO_REGION))
    newest = facts.rows("digital_access").sort("recorded_on").group_by("student_id").last()
    told = newest.select("student_id", "recorded_on", "device", "internet").collect()
    each = facts.students.select("student_id", pl.col("organisation_id").alias("school"))
    each = each.join(schools, left_on="school", right_on="organisation_id", how="left").join(told, on="student_id", how="left")
    frames = []
    for kind, lent in LENT.items():
        word = pl.col(kind)
        lesser = pl.when(word == LESSER[kind]).then(1)
        unknown = word.is_null() | (word == "unknown")
        loans = facts.running.filter(pl.col("intervention_id") == lent)["student_id"]
        frames.append(each.select(
            "student_id", pl.col("region").fill_null(NO_REGION), "school", pl.lit(kind).alias("kind"),
            word.alias("on_record"), "recorded_on",
            pl.when(unknown).then(pl.lit("unknown")).when(word == "none").then(pl.lit("no")).otherwise(pl.lit("yes"))
            .alias("answer"),
            pl.when(unknown).then(None).when(word == "none").then(2).otherwise(lesser.otherwise(0)).cast(pl.Int8).alias("need"),
            pl.col("student_id").is_in(loans.implode()).alias("has_it"),
        ))  # fmt: skip
    return pl.concat(frames).sort("kind", "student_id")


def access(
    records: SchoolRecords, as_of: date, items: Mapping[Kind, int | None], *, seed: int, site_share: float = SITE_SHARE,
    has: pl.DataFrame | None = None,
) -> Access:  # fmt: skip
    """Return who is lent what there is, who waits, who has to be asked, and where an option for the place comes first.

    Args:
        records: the school's records.
        as_of: the day to look from.
        items: hotspots (``internet``) and devices there are; None leaves that kind as it is on record.
        seed: of the lottery among those of the same need.
        site_share: share of a school's known students without internet from which the place comes first.
        has: see :func:`needs`.

    """
    everybody, frames = needs(records, as_of, has), []
    sites = _sites(everybody, site_share)
    everybody = everybody.with_columns(pl.col("school").is_in([one.school for one in sites]).alias("site_first"))
    for kind, there in items.items():
        if there is not None:
            mine = everybody.filter(pl.col("kind") == kind, pl.col("need").is_null() | (pl.col("need") > 0))
            frames.append(_lent(mine, there, seed, kind))
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=dict(ROWS))
    rows = rows.sort("kind", "region", "school", "student_id")
    return Access(rows, everybody, sites, MappingProxyType(dict(items)), site_share, seed, as_of)


def _lent(mine: pl.DataFrame, there: int, seed: int, kind: Kind) -> pl.DataFrame:
    """Return what becomes of everybody with a need of a kind: need by need, and within one by lot."""
    state, chance = np.full(mine.height, "ask_first", dtype=object), np.full(mine.height, np.nan)
    need, has = mine["need"].fill_null(0).to_numpy(), mine["has_it"].to_numpy()
    state[has] = "has_it"
    for level in (2, 1):
        at = np.flatnonzero((need == level) & ~has)
        places = min(there, len(at))
        tickets = Tickets(np.zeros(len(at), dtype=np.intp), np.arange(len(at)), np.array([places]),
                          np.ones(len(at), dtype=np.intp))  # fmt: skip
        chance[at] = lottery.chances(tickets)
        won = lottery.draw(tickets, chance[at], lottery.seeded(seed, f"{kind} {level}"))
        state[at] = np.where(won, "lent", "waits")
        there -= places
    drawn = mine.with_columns(pl.Series("state", state, pl.String), pl.Series("probability", chance).fill_nan(None))
    return drawn.select(*ROWS)


def _sites(everybody: pl.DataFrame, share: float) -> tuple[Site, ...]:
    mine = everybody.filter(pl.col("kind") == "internet").group_by("region", "school")
    counted = mine.agg(*((pl.col("answer") == answer).sum().alias(answer) for answer in ANSWERS))
    known = pl.col("no") + pl.col("yes")
    many = counted.filter(pl.col("no") >= SITE_LEAST, pl.col("no") >= share * known)
    ordered = many.sort(["no", "school"], descending=[True, False])
    return tuple(Site(one["region"], one["school"], one["no"], one["no"] + one["yes"], one["unknown"])
                 for one in ordered.iter_rows(named=True))  # fmt: skip


# -- what is published ------------------------------------------------------------------------------------------------

#: The key of everybody.
ALL = "all"


def key(region: str, school: str = "") -> str:
    """Return the key of a region, or of a school in it."""
    return f"{ALL}\n{region}\n{school}" if school else f"{ALL}\n{region}"


def published(everybody: pl.DataFrame, kind: Kind) -> Mapping[str, Mapping[Answer, Cell]]:
    """Return what may be published of the answers of a kind, by :data:`ALL`, region and school (:func:`key`).

    Each answer is a measure of everybody enrolled. The three add up, so that of a group either all are told or at most one is:
    where one is withheld, the least needed of the others is too, until nothing follows from what is left.
    """
    counted = everybody.filter(pl.col("kind") == kind).group_by("region", "school").agg(
        pl.len(), *((pl.col("answer") == answer).sum().alias(answer) for answer in ANSWERS)
    )  # fmt: skip
    hidden: dict[Answer, set[str]] = {answer: set() for answer in ANSWERS}
    trees = {answer: _tree(counted, answer) for answer in ANSWERS}
    while True:
        cells = {answer: suppress(trees[answer], sorted(hidden[answer]), bottom=0) for answer in ANSWERS}
        more = False
        for one in trees["no"]:
            told = [answer for answer in ANSWERS if one.key in cells[answer] and cells[answer][one.key].said == "share"]
            if len(told) == len(ANSWERS) - 1:
                hidden[told[-1]].add(one.key)
                more = True
        if not more:
            return MappingProxyType({one.key: {answer: cells[answer].get(one.key, Cell("hidden")) for answer in ANSWERS}
                                     for one in trees["no"]})  # fmt: skip


def _tree(counted: pl.DataFrame, answer: Answer) -> Sequence[Group]:
    schools = counted.select("region", "school", "len", answer).sort("region", "school")
    regions = counted.group_by("region").agg(pl.col("len").sum(), pl.col(answer).sum())
    whole = counted.select(pl.col("len").sum(), pl.col(answer).sum()).row(0)
    return [
        Group(ALL, None, "all", *whole),
        *(Group(key(region), ALL, "region", size, yes) for region, size, yes in regions.sort("region").iter_rows()),
        *(Group(key(region, school), key(region), "school", size, yes)
          for region, school, size, yes in schools.iter_rows()),
    ]  # fmt: skip

"""The pages of schools, districts and countries: cuts of what is published of groups, with goals, needs and effects.

Figures look from the day of the newest list. All pages of a day show one publication, whoever reads them, so that two people
with different rights cannot lay two of them side by side and see more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import get_args

import polars as pl

from features.problems import NotFound
from features.quarantine import guarded_text
from serving import figures as published_figures
from serving import goals as agreed_goals
from serving import learned
from serving.cases import agreements, casebook
from serving.cases.access import may, overseen
from serving.cases.agreements import KINDS
from serving.effects import Estimate, effect_shown
from serving.figures import ITSELF, MEASURES, TOPICS, Dimension, Facts, Measure, Published
from serving.goals import Capacity, Goal
from serving.pages.contexts.figures import (
    Agreed,
    Body,
    Complete,
    Effect,
    Figure,
    FigureName,
    Figures,
    GoalRow,
    Need,
    OrganisationKind,
    PartKind,
    Recorded,
    Row,
    School,
    Schools,
    Signed,
    Table,
)
from serving.pages.contexts.frame import Choice
from serving.pages.words import Words
from serving.review.room import Asked, File, Room, intervention_name
from serving.suppression import Cell, coded, tens


def schools_page(room: Room, asked: Asked) -> Schools:
    """Return the organisations whose figures the reader may see."""
    published = publish(room, asked.today)
    mine = overseen(room.records, asked.account, asked.today)
    rows = [
        School(organisation_id=one.id, name=one.name, kind=_kind(one.kind))
        for one in published.organisations.values()
        if one.id in mine
    ]
    return Schools(frame=asked.frame, as_of=published.as_of, schools=tuple(rows))


def page(room: Room, asked: Asked) -> Figures:
    """Return what is published of one organisation. The route has checked that the reader oversees it."""
    published, at = publish(room, asked.today), asked.parts["organisation_id"]
    if at not in published.organisations:
        raise NotFound("There is nobody enrolled there of whom figures could be made.")
    one = published.organisations[at]
    mine = overseen(room.records, asked.account, asked.today)
    above = published.organisations[one.above] if one.above in mine and one.above in published.organisations else None
    below = _below(published, at)
    return Figures(
        frame=asked.frame, as_of=published.as_of, organisation_id=at, name=one.name,
        above=Choice(value=above.id, name=above.name) if above else None,
        may_export=may(asked.account.role, None, "export_aggregates"),
        tables=tuple(_tables(published, at, mine)),
        needs=tuple(_needs(published, below, room.agreed_capacity(asked.today), asked.words)),
        goals=tuple(_goals(published, below, goals(room, asked.today))),
        signed=tuple(_signed(room, asked.today)),
        effects=tuple(_effects(room, published, asked.words)),
        complete=tuple(_complete(published, below)),
    )  # fmt: skip


def take_away(room: Room, asked: Asked) -> File:
    """Return what the page of an organisation shows of groups, as a table for spreadsheets."""
    shown, say = page(room, asked), asked.words.say
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([say("figures_column.organisation_id"), say("figures_column.organisation"), say("figures_column.part"),
                     say("figures_column.figure"), say("figures_column.said"), say("figures_column.percent"),
                     say("figures_column.size")])  # fmt: skip
    for table in shown.tables:
        for row in table.rows:
            part = asked.words.named("part", row.kind, name=row.name)
            for one in row.figures:
                said = asked.words.named("shown", one.said, percent=one.percent or 0, size=one.size or 0)
                cells = (shown.organisation_id, shown.name, part, asked.words.named("figure", one.figure), said)
                writer.writerow([*map(guarded_text, cells), one.percent, one.size])
    writer.writerow([])
    writer.writerow([say("figures.as_of", on=shown.as_of), say("figures.small")])
    writer.writerow([f"{say('frame.supports')} {say('frame.not_for')}"])
    return File(out.getvalue().encode("utf-8-sig"), "text/csv; charset=utf-8", f"figures-{shown.as_of}.csv")


def publish(room: Room, today: date) -> Published:
    """Return what is published of the newest list's day: worked out once, which takes seconds of a large district.

    Whoever opens the room may call it ahead of the first reader.
    """

    def running() -> pl.DataFrame:
        students = room.records.visible("students", [today]).select("student_id").collect()["student_id"].to_list()
        found = casebook.running_supports(room.db, room.tenant, students)
        rows = [(student, one.intervention_id) for student, mine in found.items() for one in mine]
        return pl.DataFrame(rows, schema={"student_id": pl.String, "intervention_id": pl.String}, orient="row")

    facts = Facts(room.records, room.as_of or today, room.scored, running)
    return published_figures.publish(facts, room.latest.token if room.latest else "")


def goals(room: Room, today: date) -> tuple[Goal, ...]:
    """Return the goals in force on a day: those that were signed."""
    version = agreements.in_force(room.db, room.tenant, "goals", today)
    return agreed_goals.goals(version.content) if version else ()


def _effects(room: Room, published: Published, words: Words) -> list[Effect]:
    """Return what may be said of the supports that run now, and of those that were looked at."""
    found = learned.estimates(room.store.folder)
    return effects(sorted({*published.supports, *found}), found, words)


def effects(supports: Sequence[str], estimates: Mapping[str, Estimate], words: Words) -> list[Effect]:
    """Return what may be said of whether each support helps; nothing of an effect that may not be shown."""
    found = []
    for support in supports:
        estimate = estimates.get(support)
        verdict = effect_shown(estimate)
        told = estimate if estimate is not None and verdict.says == "shown" else None
        found.append(
            Effect(
                support=intervention_name(words, support), why=verdict.why,
                effect=round(told.effect, 2) if told else 0.0, low=round(told.low, 2) if told else 0.0,
                high=round(told.high, 2) if told else 0.0, unit=_unit(told.unit, words) if told else "",
                offered=tens(told.n_offered) if told else 0,
                control=tens(told.n_control) if told else 0,
            )
        )  # fmt: skip
    return found


def _unit(unit: str, words: Words) -> str:
    return words.named("effect_unit", unit) if unit in learned.OUTCOMES else unit


# -- tables -----------------------------------------------------------------------------------------------------------


def _below(published: Published, at: str) -> list[str]:
    """Return an organisation and all below it."""
    found = [at]
    for one in found:
        found += published.below[one]
    return found


def _tables(published: Published, at: str, mine: frozenset[str]) -> list[Table]:
    found = []
    by: tuple[Dimension, ...] = ("organisation",) if published.below[at] else ("year", "access")
    for topic in TOPICS:
        for dimension in by:
            measures = [
                one
                for name, one in MEASURES.items()
                if one.topic == topic and name in published.cells and (dimension == "organisation" or dimension in one.by)
            ]
            if measures:
                whole = _row(published, measures, at, "organisation", "", mine)
                rows = [whole, *_parts(published, measures, at, dimension, mine)]
                names = tuple(_name(one.name) for one in measures)
                found.append(Table(topic=topic, by=dimension, columns=names, rows=tuple(rows)))
    return found


def _parts(published: Published, measures: Sequence[Measure], at: str, dimension: Dimension, mine: frozenset[str]) -> list[Row]:
    if dimension != "organisation":
        values = published.parts.get((at, dimension), ())
        return [_row(published, measures, at, dimension, value, mine) for value in values]
    rows = [_row(published, measures, one, "organisation", "", mine, part=True) for one in published.below[at]]
    itself = _row(published, measures, at, "organisation", ITSELF, mine)
    return rows if all(one.said == "nobody" for one in itself.figures) else [*rows, itself]


def _row(
    published: Published, measures: Sequence[Measure], at: str, dimension: Dimension, value: str, mine: frozenset[str],
    *, part: bool = False,
) -> Row:  # fmt: skip
    kind, name = _part(published, at, dimension, value, part=part)
    shown = tuple(figure(_name(one.name), published.cell(one.name, at, dimension, value)) for one in measures)
    return Row(kind=kind, name=name, organisation_id=at if part and at in mine else "", figures=shown)


def _part(published: Published, at: str, dimension: Dimension, value: str, *, part: bool = False) -> tuple[PartKind, str]:
    """Return what a group is, and its name where the records have one."""
    if not value:
        return ("organisation", published.organisations[at].name) if part else ("whole", "")
    if dimension == "year":
        return ("year_unknown", "") if value == "unknown" else ("year", value)
    kinds: Mapping[str, PartKind] = {
        ITSELF: "itself", "yes": "access_yes", "no": "access_no", "unknown": "access_unknown"
    }  # fmt: skip
    return kinds[value], ""


def figure(name: FigureName, cell: Cell | None) -> Figure:
    """Return what is shown of a group: shares near none and near all as such, whatever was published of their count."""
    if cell is None:
        return Figure(figure=name, said="nobody", percent=None, size=None)
    shown = coded(cell)
    return Figure(figure=name, said=shown.said, percent=shown.percent, size=shown.size)


def _name(name: str) -> FigureName:
    return next(one for one in get_args(FigureName) if one == name)


def _kind(kind: str) -> OrganisationKind:
    return next(one for one in get_args(OrganisationKind) if one == kind)


# -- what was agreed, and what is known -------------------------------------------------------------------------------


def _needs(published: Published, below: Sequence[str], agreed: Capacity, words: Words) -> list[Need]:
    at, found = below[0], []
    for name, measure in MEASURES.items():
        if measure.of is None or not measure.support:
            continue
        base, reached = published.cell(measure.of[0], at), published.cell(name, at)
        told = base is not None and base.said == "share"
        need = (base.count if measure.of[1] == "yes" else base.without) if base is not None and told else None
        places = [number for (support, where), number in agreed.places.items() if support == measure.support and where in below]
        total = sum(places) if places else None
        found.append(
            Need(
                figure=_name(name), support=intervention_name(words, measure.support), need=need,
                reached=reached.count if reached else None, places=total,
                short=None if need is None or total is None else max(0, tens(need - total)),
            )
        )  # fmt: skip
    return found if any(one.need is not None or one.places is not None for one in found) else []


def _goals(published: Published, below: Sequence[str], signed: Sequence[Goal]) -> list[GoalRow]:
    found = []
    for one in agreed_goals.progress([goal for goal in signed if goal.population in below], published):
        goal = one.goal
        kind, name = _part(published, goal.population, "year", goal.year)
        found.append(
            GoalRow(
                kind=kind, name=name, school=published.organisations[goal.population].name,
                way=MEASURES[goal.measure].better, target=goal.target, by=goal.by, next_review=goal.next_review,
                state=one.state, now=figure(_name(goal.measure), one.cell),
                agreed=tuple(Agreed(body=body, names=goal.agreed_by[body]) for body in get_args(Body)),
            )
        )  # fmt: skip
    return found


def _signed(room: Room, today: date) -> list[Signed]:
    in_force = [agreements.in_force(room.db, room.tenant, kind, today) for kind in KINDS]
    return [
        Signed(kind=version.kind, version=version.number, name=one.name, role=one.role, on=one.at.date(), reason=one.reason)
        for version in in_force
        if version is not None
        for one in version.signed
    ]


def _complete(published: Published, below: Sequence[str]) -> list[Complete]:
    return [
        Complete(school=published.organisations[school].name, source=source, last_on=one.last_on, days=one.days, of=one.of)
        for school in below
        for one in published.complete.get(school, ())
        for source in get_args(Recorded)
        if source == one.source
    ]

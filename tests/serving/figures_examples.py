"""Pages of figures in several states. Everybody here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

from serving.pages.contexts import Context
from serving.pages.contexts.figures import (
    NAMED,
    Agreed,
    Body,
    Complete,
    Effect,
    Effectless,
    Figure,
    FigureName,
    Figures,
    GoalRow,
    GoalState,
    Need,
    OrganisationKind,
    Recorded,
    Row,
    School,
    Schools,
    Shown,
    Signed,
    Table,
)
from serving.pages.contexts.frame import Choice, Frame, Reader

AS_OF = date(2026, 11, 13)
FRAME = Frame(
    school="Three Rivers", reader=Reader(name="Dara Lind", role="district_analyst"), places=(), csrf="t0ken", saved=(),
    refused=(), safeguarding="", languages=(),
)  # fmt: skip
NAMES = get_args(FigureName)
SAID = get_args(Shown)


def figure(name: FigureName, number: int) -> Figure:
    said: Shown = SAID[number % len(SAID)]
    percents = {"share": 43, "low": 5, "high": 95}
    return Figure(figure=name, said=said, percent=percents.get(said), size=None if said in ("hidden", "nobody") else 310)


def row(number: int, columns: tuple[FigureName, ...], **about: str) -> Row:
    told = {"kind": "whole", "name": "", "organisation_id": "", **about}
    return Row(figures=tuple(figure(one, number + at) for at, one in enumerate(columns)), **told)  # type: ignore[arg-type]


def table(topic: str, by: str, columns: tuple[FigureName, ...], parts: list[dict[str, str]]) -> Table:
    rows = (row(0, columns), *(row(at, columns, **about) for at, about in enumerate(parts, 1)))
    return Table(topic=topic, by=by, columns=columns, rows=rows)  # type: ignore[arg-type]


SCHOOLS = [{"kind": "organisation", "name": name, "organisation_id": key}
           for name, key in (("Lincoln", "lincoln"), ("Hill", "hill/1"))] + [{"kind": "itself"}]  # fmt: skip
YEARS = [{"kind": "year", "name": str(year)} for year in range(9, 13)] + [{"kind": "year_unknown"}]
ACCESS = [{"kind": f"access_{one}"} for one in ("yes", "no", "unknown")]


def goal(state: GoalState, number: int) -> GoalRow:
    return GoalRow(
        kind="year" if number % 2 else "whole", name="9" if number % 2 else "", school="Lincoln",
        way="fewer" if number % 2 else "more", target=60, by=date(2027, 6, 30), next_review=date(2027, 1, 31), state=state,
        now=figure("most_skills_secure", number),
        agreed=tuple(Agreed(body=body, names=("Ida Lovell", "Ben Okoro")) for body in get_args(Body)),
    )  # fmt: skip


def effect(why: Effectless | None, support: str) -> Effect:
    return Effect(support=support, why=why, effect=0.08, low=0.02, high=0.14, unit="of skills secure", offered=60, control=60)


DISTRICT = Figures(
    frame=FRAME, as_of=AS_OF, organisation_id="three rivers", name="Three Rivers",
    above=Choice(value="state", name="The state"),
    may_export=True,
    tables=tuple(table(topic, "organisation", columns, SCHOOLS) for topic, columns in (
        ("participation", NAMES[:4]), ("learning", NAMES[4:5]), ("access", NAMES[5:7]), ("voice", NAMES[7:14]),
        ("support", NAMES[14:]))),
    needs=(Need(figure="device_reached", support="a device on loan", need=60, reached=30, places=20, short=40),
           Need(figure="internet_reached", support="a hotspot on loan", need=None, reached=None, places=None, short=None)),
    goals=tuple(goal(state, number) for number, state in enumerate(get_args(GoalState))),
    signed=tuple(Signed(kind=kind, version=2, name="Ida Lovell", role="principal", on=date(2026, 9, 1), reason="A new year.")
                 for kind in NAMED["agreed_kind"]),  # type: ignore[arg-type]
    effects=(effect(None, "tutoring"), *(effect(why, f"support {number}") for number, why in enumerate(get_args(Effectless)))),
    complete=tuple(Complete(school="Lincoln", source=one, last_on=AS_OF, days=18, of=20) for one in get_args(Recorded)),
)  # fmt: skip
SCHOOL = replace(
    DISTRICT, organisation_id="lincoln", name="Lincoln", above=None, may_export=False,
    tables=(table("learning", "year", NAMES[4:5], YEARS), table("support", "year", NAMES[14:], YEARS),
            table("support", "access", NAMES[14:16], ACCESS)),
    complete=(Complete(school="Lincoln", source="attendance", last_on=None, days=0, of=0),),
)  # fmt: skip
OVERSEEN = Schools(
    frame=FRAME, as_of=AS_OF,
    schools=tuple(School(organisation_id=f"o/{kind}", name=f"The {kind}", kind=kind) for kind in get_args(OrganisationKind)),
)  # fmt: skip

#: Pages by name and state. Every page has its usual state first.
EXAMPLES: dict[str, Context] = {
    "schools": OVERSEEN,
    "schools none": replace(OVERSEEN, schools=()),
    "figures": DISTRICT,
    "figures of a school": SCHOOL,
    "figures of nothing": replace(SCHOOL, tables=(), needs=(), goals=(), signed=(), effects=(), complete=()),
}

"""Activity online: how much, of what kind, how lately, against the student's own earlier weeks and the class.

Counts of active days are steadier than counts of clicks (one page can take one click or fifty), so sentences speak
of days; clicks and different pages enter the models beside them. Learning-management measures predict best relative
to the course (OAAI; Open Education Analytics), hence ``relative_to``.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from features.catalog import Feature, Frame, derived, feature
from features.records import Snapshot

FEATURES: list[Feature] = []

#: A student's clicks in a year stay below this on a very busy site.
MOST_ACTIONS = 1e6


def by_kind(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit, day and kind of page.

    ``age``: days ago, 0 on the as-of day itself. ``course_day``: days since teaching began, negative before.
    """
    starts = snapshot.reference("sections").select("section_id", "as_of", "starts_on")
    return snapshot.table("activity").join(starts, on=["section_id", "as_of"], how="left").select(_event())


@cache
def _event() -> list[pl.Expr]:
    return [
        pl.col("row"),
        (pl.col("as_of") - pl.col("on")).dt.total_days().cast(pl.Int32).alias("age"),
        (pl.col("on") - pl.col("starts_on")).dt.total_days().cast(pl.Int32).alias("course_day"),
        pl.col("kind"),
        pl.col("actions").cast(pl.Int64),
        pl.col("resources").cast(pl.Int64),
    ]


def by_day(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and active day."""
    return (
        by_kind(snapshot)
        .group_by("row", "age")
        .agg(pl.col("course_day").max(), pl.col("actions").sum(), pl.col("resources").sum())
    )


ACTIVITY = Frame("activity", ("activity", "sections"), by_kind)
ACTIVE_DAYS = Frame("active_days", ("activity", "sections"), by_day)


def _age(window: int, before: int = 0) -> pl.Expr:
    """Return whether a row lies in the last ``window`` days, or in the window that ended ``before`` days ago."""
    return pl.col("age").is_between(before, before + window - 1)


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="days", range=(0, 28), higher="strength", windows=(7, 14, 28),
         name="days active online in the {window} days before the last {window}", into=FEATURES, model_input=False,
         says="was active online on {value:.0f} of the {window} days before the last {window}",
         says_other="{value:.0f} of {window}")  # fmt: skip
def active_days_before(window: int) -> pl.Expr:
    """Days with any activity one window earlier: the student's own earlier pattern."""
    return _age(window, before=window).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="days", range=(0, 28), higher="strength", windows=(7, 14, 28),
         name="days active online in the last {window} days",
         says="was active online on {value:.0f} of the last {window} days",
         says_other="{value:.0f} of {window}", earlier_label="in the {window} days before",
         own_earlier="active_days_before_{window}d", relative_to="section", model_input=False,
         into=FEATURES)  # fmt: skip
def active_days(window: int) -> pl.Expr:
    """Days with any activity in the window that ends with the as-of day."""
    return _age(window).sum()


@derived(concept="engagement", unit="days", range=(-28, 28), higher="strength", windows=(28,), model_input=False,
         name="change in active days, last {window} days against the {window} before",
         says="was active online on {active_days_{window}d:.0f} of the last {window} days, {value:+.0f} against before",
         says_other="{value:+.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def active_days_change(window: int) -> pl.Expr:
    """Active days of the window minus those of the window before it."""
    return pl.col(f"active_days_{window}d") - pl.col(f"active_days_before_{window}d")


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="days", range=(0, 1000), higher="strength", model_input=False,
         name="days active online so far", says="has been active online on {value:n day} so far",
         says_other="{value:.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def active_days_all() -> pl.Expr:
    """Days with any activity on record, before the first day of teaching included."""
    return pl.len()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="days", range=(0, 1000), higher="strength", model_input=False,
         name="days active online before teaching began", says="was active online on {value:n day} before teaching began",
         says_other="{value:.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def active_days_before_start() -> pl.Expr:
    """Days with any activity before the first day of teaching."""
    return (pl.col("course_day") < 0).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="weeks", range=(0, 200), higher="strength", model_input=False,
         name="weeks active online since teaching began",
         says="has been active online in {value:n week} since teaching began", says_other="{value:.0f}",
         relative_to="section", into=FEATURES)  # fmt: skip
def active_weeks() -> pl.Expr:
    """Weeks of the course with any activity."""
    return (pl.col("course_day").filter(pl.col("course_day") >= 0) // 7).n_unique()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="days", range=(0, 2000), higher="concern",
         name="days since last active online", says="was last active online {value:n day} ago",
         says_other="{value:n day}", relative_to="section", into=FEATURES)  # fmt: skip
def days_since_active() -> pl.Expr:
    """Days since the last activity, 0 for the as-of day; null where there never was any."""
    return pl.col("age").min()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="clicks", range=(0, MOST_ACTIONS), higher="strength",
         windows=(7, 28), name="clicks in the last {window} days", model_input=False,
         says="made {value:n click} in the last {window} days", says_other="{value:.0f}", relative_to="section",
         into=FEATURES)  # fmt: skip
def actions(window: int) -> pl.Expr:
    """Clicks or events in the window."""
    return pl.col("actions").filter(_age(window)).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="clicks", range=(0, MOST_ACTIONS), higher="strength",
         name="clicks so far", says="has made {value:n click} so far", says_other="{value:.0f}", model_input=False,
         relative_to="section", into=FEATURES)  # fmt: skip
def actions_all() -> pl.Expr:
    """Clicks or events on record."""
    return pl.col("actions").sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="clicks", range=(0, MOST_ACTIONS), higher="strength",
         name="clicks before teaching began", says="made {value:n click} before teaching began",
         says_other="{value:.0f}", model_input=False, relative_to="section", into=FEATURES)  # fmt: skip
def actions_before_start() -> pl.Expr:
    """Clicks or events before the first day of teaching."""
    return pl.col("actions").filter(pl.col("course_day") < 0).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="clicks", range=(0, MOST_ACTIONS), higher="strength",
         name="clicks in the first two weeks", says="made {value:n click} in the first two weeks of teaching",
         says_other="{value:.0f}", model_input=False, relative_to="section", into=FEATURES)  # fmt: skip
def actions_first_weeks() -> pl.Expr:
    """Clicks or events in the first fortnight of teaching, as far as it has gone."""
    return pl.col("actions").filter(pl.col("course_day").is_between(0, 13)).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="pages", range=(0, MOST_ACTIONS), higher="strength",
         windows=(7, 14, 28), name="pages opened in the last {window} days, each counted once a day", model_input=False,
         says="opened {value:n page} in the last {window} days", says_other="{value:.0f}", relative_to="section",
         into=FEATURES)  # fmt: skip
def pages(window: int) -> pl.Expr:
    """Different pages per day, added up over the window: steadier than clicks."""
    return pl.col("resources").filter(_age(window)).sum()


@feature(frame=ACTIVE_DAYS, concept="engagement", unit="pages", range=(0, MOST_ACTIONS), higher="strength",
         name="pages opened so far, each counted once a day", says="has opened {value:n page} so far",
         says_other="{value:.0f}", model_input=False, relative_to="section", into=FEATURES)  # fmt: skip
def pages_all() -> pl.Expr:
    """Different pages per day, added up over everything on record."""
    return pl.col("resources").sum()


@derived(concept="engagement", unit="clicks", range=(0, MOST_ACTIONS), higher="strength", name="clicks per active day",
         says="makes {value:n click} on a day that is active", says_other="{value:.0f}", model_input=False,
         relative_to="section", into=FEATURES)  # fmt: skip
def actions_per_day() -> pl.Expr:
    """Clicks over active days; null where there were none."""
    return pl.when(pl.col("active_days_all") > 0).then(pl.col("actions_all") / pl.col("active_days_all"))


@derived(concept="engagement", unit="pages", range=(0, 10_000), higher="strength", name="pages per active day",
         says="opens {value:.1f} pages on a day that is active", says_other="{value:.1f}", model_input=False,
         relative_to="section", into=FEATURES)  # fmt: skip
def pages_per_day() -> pl.Expr:
    """Pages over active days; null where there were none."""
    return pl.when(pl.col("active_days_all") > 0).then(pl.col("pages_all") / pl.col("active_days_all"))


_KINDS = {"content": "course pages", "discussion": "discussions", "quiz": "quizzes", "navigation": "the home page"}


def _days_by_kind(kind: str, what: str) -> None:
    """Register the days on which one kind of page was opened: lately, and so far."""

    @feature(frame=ACTIVITY, concept="engagement", unit="days", range=(0, 28), higher="strength", windows=(14, 28),
             column=f"{kind}_days", name=f"days on {what} in the last {{window}} days", model_input=False,
             says=f"was on {what} on {{value:.0f}} of the last {{window}} days", says_other="{value:.0f} of {window}",
             relative_to="section", into=FEATURES)  # fmt: skip
    def lately(window: int) -> pl.Expr:
        return (_age(window) & (pl.col("kind") == kind)).sum()

    @feature(frame=ACTIVITY, concept="engagement", unit="days", range=(0, 1000), higher="strength",
             column=f"{kind}_days_all", name=f"days on {what} so far", model_input=False,
             says=f"has been on {what} on {{value:n day}} so far", says_other="{value:.0f}",
             relative_to="section", into=FEATURES)  # fmt: skip
    def so_far() -> pl.Expr:
        return (pl.col("kind") == kind).sum()

    del lately, so_far  # registered; the names are not needed


for _kind, _what in _KINDS.items():
    _days_by_kind(_kind, _what)


# -- whether silence says anything ------------------------------------------------------------------------------------


def at_home(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and record of what there is at home: ``age`` in days, and whether the student is ``cut_off``."""
    return snapshot.table("digital_access").select(
        "row",
        (pl.col("as_of") - pl.col("recorded_on")).dt.total_days().cast(pl.Int64).alias("age"),
        ((pl.col("device") == "none") | (pl.col("internet") == "none")).alias("cut_off"),
    )


AT_HOME = Frame("at_home", ("digital_access",), at_home)


@feature(frame=AT_HOME, concept="access", unit="yes or no", range=(0, 1), higher="context", modifiable=False,
         grains=("student",), name="the student can be online at home", model_input=False, into=FEATURES)  # fmt: skip
def engagement_possible() -> pl.Expr:
    """0 where the latest record says that there is no device or no internet at home, else 1.

    It hides what is online, so that who cannot be there is not taken for who does not come. It is no sign of risk:
    it enters no model and has no words.
    """
    cut_off = (pl.col("cut_off") & (pl.col("age") == pl.col("age").min())).any()
    return pl.when(cut_off).then(0.0).otherwise(1.0)

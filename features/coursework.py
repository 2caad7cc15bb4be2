"""Work that was due and what became of it, and the marks it earned.

Exempt and banked work leaves the denominator: it was not asked of this student. A mark counts from the day it is
known, not from the hand-in. Weights are whole basis points of the course's work, scores whole basis points of the
best, so that sums are exact; where a course gives its work no weight, every piece weighs the same. Exams are not
work to hand in and stay outside.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import polars as pl

from features.catalog import Feature, Frame, derived, feature
from features.records import Snapshot

FEATURES: list[Feature] = []

#: A share is counted in parts of this.
WHOLE = 10_000

#: The weights of one class's work add up to this at most, rounding included; those of a stay, to that of its classes.
ONE_CLASS, CLASSES = WHOLE + 100, 50 * WHOLE

#: Basis points to points of 100, and to a share. Numbers to multiply by: Polars divides one value by a constant, but
#: multiplies several by its reciprocal, and a student alone must get the bits that the whole school gives.
OF_100, OF_ONE = 0.01, 0.0001


def work(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and piece of work asked of it, due or not.

    ``due_age``: days since it was due, negative before. ``handed_in``: a hand-in is known. ``lead``: days before
    the due date, negative when late. ``weight``: basis points of the course's work. ``score``: basis points of the
    best, null until the mark is known; extra credit counts up to the best.
    """
    course = ["section_id", "as_of"]
    asked, listed, weighed, kept, columns = _steps()
    listed_work = snapshot.reference("assignments").filter(asked).with_columns(listed).with_columns(weighed)
    rows = snapshot.table("rosters").select("row", *course).join(listed_work, on=course)
    handed = snapshot.table("submissions").select("row", "assignment_id", "submitted_on")
    rows = rows.join(handed, on=["row", "assignment_id"], how="left")
    if snapshot.holds("results"):
        marks = snapshot.table("results").select("row", "assignment_id", "status", "score", "marked_on")
        rows = rows.join(marks, on=["row", "assignment_id"], how="left")
    else:
        rows = rows.with_columns(pl.lit(None, pl.String).alias("status"), pl.lit(None, pl.Float64).alias("score"),
                                 pl.lit(None, pl.Date).alias("marked_on"))  # fmt: skip
    return rows.filter(kept).select(columns)


@cache
def _steps() -> tuple[pl.Expr, pl.Expr, pl.Expr, pl.Expr, list[pl.Expr]]:
    """Return the expressions of :func:`work`, made once: making them costs a request more than running them."""
    asked = (pl.col("kind") != "exam") & pl.col("due_on").is_not_null()
    # In whole millionths, so that their sum does not depend on the order of the rows.
    listed = (pl.col("weight") * 1_000_000).round().cast(pl.Int64)
    course = ["section_id", "as_of"]
    total = pl.col("weight").sum().over(course)
    share_of_course = pl.when(total > 0).then(pl.col("weight") / total).otherwise(1 / pl.len().over(course))
    weighed = (share_of_course * WHOLE).round().cast(pl.Int64).alias("weight")
    kept = ~pl.col("status").is_in(["exempt", "banked"]).fill_null(value=False)
    best = pl.when(pl.col("max_score") > 0).then(pl.col("max_score"))
    columns = [
        pl.col("row"),
        pl.col("kind"),
        pl.col("weight"),
        _days("as_of", "due_on").alias("due_age"),
        _days("as_of", "submitted_on").alias("handed_age"),
        _days("due_on", "submitted_on").clip(-60, 60).alias("lead"),
        # A mark is proof of a hand-in even where the export lists no hand-in.
        (pl.col("submitted_on").is_not_null() | pl.col("score").is_not_null()).alias("handed_in"),
        (pl.col("score") / best * WHOLE).clip(0, WHOLE).round().cast(pl.Int64).alias("score"),
        _days("as_of", "marked_on").alias("marked_age"),
    ]
    return asked, listed, weighed, kept, columns


def _days(later: str, earlier: str) -> pl.Expr:
    return (pl.col(later) - pl.col(earlier)).dt.total_days().cast(pl.Int64)


WORK = Frame("work", ("rosters", "assignments", "submissions"), work)
MARKS = Frame("marks", ("rosters", "assignments", "submissions", "results"), work)


def due(window: int | None = None) -> pl.Expr:
    """Return whether work is due by the end of the as-of day (and came due in the last ``window`` days)."""
    return pl.col("due_age") >= 0 if window is None else pl.col("due_age").is_between(0, window - 1)


def missing(window: int | None = None) -> pl.Expr:
    """Return whether work is due and no hand-in is known."""
    return due(window) & ~pl.col("handed_in")


def marked() -> pl.Expr:
    """Return whether a mark is known."""
    return pl.col("score").is_not_null()


def share(part: str, whole: str) -> pl.Expr:
    """Return a ratio of two features, null where the whole is nothing."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


# -- what was due, and what became of it ------------------------------------------------------------------------------


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="context", name="pieces of work due so far",
         into=FEATURES)  # fmt: skip
def work_due() -> pl.Expr:
    """Pieces of work that have come due."""
    return due().sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="context", windows=(28, 56),
         name="pieces of work due in the last {window} days", into=FEATURES, column="work_due")  # fmt: skip
def work_due_lately(window: int) -> pl.Expr:
    """Pieces of work that came due in the window."""
    return due(window).sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="strength",
         name="pieces of due work handed in", into=FEATURES)  # fmt: skip
def handed_in() -> pl.Expr:
    """Pieces of due work with a hand-in, late ones included."""
    return (due() & pl.col("handed_in")).sum()


@derived(concept="coursework", unit="share", range=(0, 1), higher="strength", name="share of due work handed in",
         says="has handed in {handed_in:.0f} of {work_due:n piece} of work due so far ({value:.0%})", says_other="{value:.0%}",
         relative_to="section", relative_input=False, model_input=False, monotone=True, into=FEATURES)  # fmt: skip
def handed_in_share() -> pl.Expr:
    """Share of the work due so far that was handed in."""
    return share("handed_in", "work_due")


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="concern",
         name="pieces of work missing", says="has {value:n piece} of due work not handed in", says_other="{value:.0f}",
         relative_to="section", monotone=True, into=FEATURES, column="missing")  # fmt: skip
def missing_so_far() -> pl.Expr:
    """Pieces of work due and not handed in."""
    return missing().sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="concern", windows=(28, 56),
         name="pieces of work of the last {window} days missing", column="missing",
         says="has not handed in {value:.0f} of {work_due_{window}d:n piece} of work due in the last {window} days",
         says_other="{value:.0f}", relative_to="section", relative_input=False, model_input=False, monotone=True,
         into=FEATURES)  # fmt: skip
def missing_lately(window: int) -> pl.Expr:
    """Pieces of work that came due in the window and are not handed in."""
    return missing(window).sum()


@feature(frame=WORK, concept="coursework", unit="basis points", range=(0, CLASSES), higher="context",
         name="weight of the work due so far", into=FEATURES)  # fmt: skip
def weight_due() -> pl.Expr:
    """Weight of the work due so far, in basis points of the course's work."""
    return pl.col("weight").filter(due()).sum()


@feature(frame=WORK, concept="coursework", unit="basis points", range=(0, CLASSES), higher="concern",
         name="weight of the missing work", into=FEATURES)  # fmt: skip
def weight_missing() -> pl.Expr:
    """Weight of the work due and not handed in."""
    return pl.col("weight").filter(missing()).sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="concern",
         name="pieces of due work handed in late", says="handed in {value:n piece} of work after the due date",
         says_other="{value:.0f}", relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def handed_in_late() -> pl.Expr:
    """Pieces of due work handed in after their day."""
    return (due() & (pl.col("lead") < 0)).sum()


@derived(concept="coursework", unit="share", range=(0, 1), higher="concern", name="share of the work handed in that was late",
         says="handed in {handed_in_late:.0f} of {handed_in:n piece} of work after the due date ({value:.0%})",
         says_other="{value:.0%}", relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def late_share() -> pl.Expr:
    """Late pieces over pieces handed in."""
    return share("handed_in_late", "handed_in")


@feature(frame=WORK, concept="coursework", unit="days", range=(-60_000, 60_000), higher="strength",
         name="days before the due date, added up", into=FEATURES)  # fmt: skip
def lead_total() -> pl.Expr:
    """Days before due dates, added up over hand-ins; late ones count below zero."""
    return pl.col("lead").filter(pl.col("handed_age") >= 0).sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="context",
         name="hand-ins with a date", into=FEATURES)  # fmt: skip
def lead_count() -> pl.Expr:
    """Hand-ins whose day is known."""
    return (pl.col("handed_age") >= 0).sum()


@derived(concept="coursework", unit="days", range=(-60, 60), higher="strength", name="days before the due date, on average",
         says="hands work in {value:due is}, on average", says_other="{value:lead}",
         relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def lead_mean() -> pl.Expr:
    """Average of days before the due date over hand-ins."""
    return share("lead_total", "lead_count")


@feature(frame=WORK, concept="coursework", unit="days", range=(-60, 60), higher="strength",
         name="days before the due date, latest hand-in",
         says="handed in the latest piece of work {value:due was}", says_other="{value:lead}", relative_to="section",
         model_input=False, into=FEATURES)  # fmt: skip
def lead_latest() -> pl.Expr:
    """Lead of the latest hand-in; of several on one day, the best."""
    return pl.col("lead").filter(pl.col("handed_age") == pl.col("handed_age").min()).max()


@feature(frame=WORK, concept="coursework", unit="days", range=(0, 2000), higher="concern",
         name="days since the latest hand-in", says="handed in work {value:n day} ago for the last time",
         says_other="{value:n day}", relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def days_since_hand_in() -> pl.Expr:
    """Days since the latest hand-in; null where there was none."""
    return pl.col("handed_age").min()


@feature(frame=WORK, concept="coursework", unit="days", range=(0, 2000), higher="context",
         name="days since work last came due", model_input=False, says="had work come due {value:n day} ago",
         into=FEATURES)  # fmt: skip
def days_since_due() -> pl.Expr:
    """Days since a piece of work last came due."""
    return pl.col("due_age").filter(due()).min()


@feature(frame=WORK, concept="coursework", unit="days", range=(0, 2000), higher="context",
         name="days since work came due that was handed in", into=FEATURES)  # fmt: skip
def days_since_kept_due() -> pl.Expr:
    """Days since the due date of the latest due piece that was handed in."""
    return pl.col("due_age").filter(due() & pl.col("handed_in")).min()


@derived(concept="coursework", unit="days", range=(-10, 2000), higher="concern", name="days of due dates passed by",
         says="last kept a due date {value:n day} before the latest one", says_other="{value:n day}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def days_passed_by() -> pl.Expr:
    """Days from the latest due date that was kept to the latest due date; from the start where none was kept."""
    return pl.coalesce("days_since_kept_due", "days_elapsed") - pl.col("days_since_due")


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="context",
         name="pieces of work due more than {window} days ago", windows=(28, 56), into=FEATURES)  # fmt: skip
def work_due_before(window: int) -> pl.Expr:
    """Pieces of work that came due before the window."""
    return (pl.col("due_age") >= window).sum()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="concern",
         name="pieces of work due more than {window} days ago and missing", windows=(28, 56), into=FEATURES)  # fmt: skip
def missing_before(window: int) -> pl.Expr:
    """Pieces of work that came due before the window and are not handed in."""
    return ((pl.col("due_age") >= window) & ~pl.col("handed_in")).sum()


@derived(concept="coursework", unit="share", range=(0, 1), higher="concern", windows=(28, 56),
         name="share of the work missing that was due more than {window} days ago", into=FEATURES)  # fmt: skip
def missing_share_before(window: int) -> pl.Expr:
    """The student's own earlier level: missing pieces over due pieces before the window."""
    return share(f"missing_before_{window}d", f"work_due_before_{window}d")


@derived(concept="coursework", unit="share", range=(0, 1), higher="concern", windows=(28, 56),
         name="share of the last {window} days' work missing",
         says="has not handed in {missing_{window}d:.0f} of {work_due_{window}d:n piece} of work due in the last "
              "{window} days ({value:.0%})",
         says_other="{value:.0%}", earlier_label="of the work due before", own_earlier="missing_share_before_{window}d",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def missing_share(window: int) -> pl.Expr:
    """Missing pieces over due pieces of the window."""
    return share(f"missing_{window}d", f"work_due_{window}d")


@feature(frame=WORK, concept="coursework", unit="days", range=(-60, 60), higher="strength",
         name="days before the due date, least",
         says="handed in one piece of work {value:due was}, the closest to its date or the latest after it",
         says_other="{value:lead}", relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def lead_least() -> pl.Expr:
    """The least lead of any hand-in."""
    return pl.col("lead").filter(pl.col("handed_age") >= 0).min()


@feature(frame=WORK, concept="coursework", unit="pieces", range=(0, 1000), higher="strength",
         name="pieces of work handed in before they are due",
         says="has handed in {value:n piece} of work that are not due yet", says_other="{value:.0f}",
         relative_to="section", model_input=False, into=FEATURES)  # fmt: skip
def handed_in_early() -> pl.Expr:
    """Pieces that are handed in and not due yet."""
    return (~due() & pl.col("handed_in")).sum()


@feature(frame=WORK, concept="coursework", unit="days", range=(0, 2000), higher="context",
         name="days until the next due date whose work is handed in", into=FEATURES)  # fmt: skip
def days_to_kept_due() -> pl.Expr:
    """Days until the next due date for which work is already handed in."""
    return (-pl.col("due_age")).filter(~due() & pl.col("handed_in")).min()


@feature(frame=WORK, concept="coursework", unit="days", range=(0, 2000), higher="context",
         name="days until the next work is due", says="has work due in {value:n day}", into=FEATURES)  # fmt: skip
def days_to_due() -> pl.Expr:
    """Days until the next piece of work is due; null where nothing more is."""
    return (-pl.col("due_age")).filter(~due()).min()


@derived(concept="coursework", unit="yes or no", range=(0, 1), higher="strength", name="the next work is handed in already",
         says="has handed in {value:.0%} of the work due next", says_other="{value:.0%}", relative_to="section",
         into=FEATURES)  # fmt: skip
def next_handed_in() -> pl.Expr:
    """1 where work of the next due date is already handed in, 0 where not, null where nothing more is due."""
    ready = (pl.col("days_to_kept_due") == pl.col("days_to_due")).fill_null(value=False)
    return pl.when(pl.col("days_to_due").is_not_null()).then(ready.cast(pl.Float64))


@feature(frame=WORK, concept="coursework", unit="basis points", range=(0, CLASSES), higher="strength",
         name="weight of work handed in before it is due", into=FEATURES, relative_to="section", model_input=False,
         says="has already handed in work that is not due yet ({value:.0f} of 10,000 parts of a course's work)",
         says_other="{value:.0f}")  # fmt: skip
def weight_early() -> pl.Expr:
    """Weight of work that is handed in and not due yet."""
    return pl.col("weight").filter(~due() & pl.col("handed_in")).sum()


# -- marks ------------------------------------------------------------------------------------------------------------


@feature(frame=MARKS, concept="marks", unit="marks", range=(0, 1000), higher="context", name="marks known", into=FEATURES)
def marks_known() -> pl.Expr:
    """Number of marks known."""
    return marked().sum()


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, CLASSES), higher="context",
         name="weight of the work marked", into=FEATURES)  # fmt: skip
def weight_marked() -> pl.Expr:
    """Weight of the work whose mark is known."""
    return pl.col("weight").filter(marked()).sum()


@feature(frame=MARKS, concept="marks", unit="basis points squared", range=(0, 5e9), higher="strength",
         name="marks times weights", into=FEATURES)  # fmt: skip
def points() -> pl.Expr:
    """Marks times weights, added up."""
    return (pl.col("weight") * pl.col("score")).sum()


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, 1e8), higher="strength", name="marks added up",
         into=FEATURES)  # fmt: skip
def marks_total() -> pl.Expr:
    """Marks added up."""
    return pl.col("score").sum()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="average mark",
         says="has an average of {value:.0f} of 100 over {marks_known:n mark}", says_other="{value:.0f}",
         relative_to="section", relative_input=False, model_input=False, monotone=True, into=FEATURES)  # fmt: skip
def mark_mean() -> pl.Expr:
    """Average of the known marks, each counted once."""
    return share("marks_total", "marks_known") * OF_100


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="average mark by weight",
         says="has an average mark of {value:.0f} of 100, heavier work counting more", says_other="{value:.0f}",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def mark_mean_weighted() -> pl.Expr:
    """Average of the known marks, counted by weight."""
    return share("points", "weight_marked") * OF_100


def _latest_mark() -> pl.Expr:
    """Return the mark that became known last; of several on one day, the best."""
    return pl.col("score").filter(pl.col("marked_age") == pl.col("marked_age").filter(marked()).min()).max()


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         name="latest mark, in basis points", into=FEATURES)  # fmt: skip
def mark_latest_points() -> pl.Expr:
    """The latest mark in basis points."""
    return _latest_mark()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="average of the marks before the latest",
         into=FEATURES)  # fmt: skip
def mark_earlier_mean() -> pl.Expr:
    """Average of the marks before the latest: the student's own earlier pattern."""
    earlier = pl.col("marks_known") - 1
    return pl.when(earlier > 0).then((pl.col("marks_total") - pl.col("mark_latest_points")) / earlier * OF_100)


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="latest mark",
         says="got {value:.0f} of 100 for the latest work marked", says_other="{value:.0f}",
         earlier_label="average of the marks before", own_earlier="mark_earlier_mean", relative_to="section",
         monotone=True, into=FEATURES)  # fmt: skip
def mark_latest() -> pl.Expr:
    """The mark that became known last."""
    return pl.col("mark_latest_points") * OF_100


@derived(concept="marks", unit="points", range=(-100, 100), higher="strength", name="latest mark against own earlier marks",
         says="got {mark_latest:.0f} of 100 for the latest work marked, {value:+.0f} against the marks before",
         says_other="{value:+.0f}", relative_to="section", into=FEATURES)  # fmt: skip
def mark_change() -> pl.Expr:
    """Latest mark minus the average of those before it."""
    return pl.col("mark_latest") - pl.col("mark_earlier_mean")


@feature(frame=MARKS, concept="marks", unit="marks", range=(0, 1000), higher="context", windows=(28,),
         name="marks that became known in the last {window} days", into=FEATURES, column="marks_known")  # fmt: skip
def marks_known_lately(window: int) -> pl.Expr:
    """Number of marks that became known in the window."""
    return (marked() & (pl.col("marked_age") < window)).sum()


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, 1e8), higher="strength", windows=(28,),
         name="marks of the last {window} days added up", into=FEATURES, column="marks_total")  # fmt: skip
def marks_total_lately(window: int) -> pl.Expr:
    """Marks that became known in the window, added up."""
    return pl.col("score").filter(marked() & (pl.col("marked_age") < window)).sum()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", windows=(28,),
         name="average of the marks that were known {window} days ago", into=FEATURES)  # fmt: skip
def mark_mean_before(window: int) -> pl.Expr:
    """The student's own earlier level: average of the marks known before the window."""
    earlier = pl.col("marks_known") - pl.col(f"marks_known_{window}d")
    return pl.when(earlier > 0).then((pl.col("marks_total") - pl.col(f"marks_total_{window}d")) / earlier * OF_100)


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", windows=(28,),
         name="average of the marks of the last {window} days",
         says="has an average of {value:.0f} of 100 over the {marks_known_{window}d:n mark} of the last {window} days",
         says_other="{value:.0f}", earlier_label="average of the marks before", own_earlier="mark_mean_before_{window}d",
         relative_to="section", monotone=True, into=FEATURES, column="mark_mean")  # fmt: skip
def mark_mean_lately(window: int) -> pl.Expr:
    """Average of the marks that became known in the window."""
    return share(f"marks_total_{window}d", f"marks_known_{window}d") * OF_100


@derived(concept="marks", unit="points", range=(-100, 100), higher="strength", windows=(28,),
         name="average of the marks of the last {window} days against those before",
         says="has an average of {mark_mean_{window}d:.0f} of 100 over the marks of the last {window} days, {value:+.0f} "
              "against those before",
         says_other="{value:+.0f}", relative_to="section", relative_input=False, into=FEATURES,
         column="mark_mean_change")  # fmt: skip
def mark_mean_change(window: int) -> pl.Expr:
    """Average of the marks of the window minus that of the marks before."""
    return pl.col(f"mark_mean_{window}d") - pl.col(f"mark_mean_before_{window}d")


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         name="lowest mark, in basis points", into=FEATURES)  # fmt: skip
def mark_lowest_points() -> pl.Expr:
    """The lowest mark in basis points."""
    return pl.col("score").min()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="lowest mark",
         says="has a lowest mark of {value:.0f} of 100", says_other="{value:.0f}", relative_to="section", relative_input=False,
         monotone=True, into=FEATURES)  # fmt: skip
def mark_lowest() -> pl.Expr:
    """The lowest mark known."""
    return pl.col("mark_lowest_points") * OF_100


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         name="highest mark, in basis points", into=FEATURES)  # fmt: skip
def mark_highest_points() -> pl.Expr:
    """The highest mark in basis points."""
    return pl.col("score").max()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="highest mark",
         says="has a highest mark of {value:.0f} of 100", says_other="{value:.0f}", relative_to="section",
         monotone=True, into=FEATURES)  # fmt: skip
def mark_highest() -> pl.Expr:
    """The highest mark known."""
    return pl.col("mark_highest_points") * OF_100


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         name="latest tutor-marked mark, in basis points", into=FEATURES)  # fmt: skip
def tutor_marked_latest_points() -> pl.Expr:
    """The latest mark that a person gave, in basis points."""
    by_person = marked() & (pl.col("kind") == "tutor_marked")
    return pl.col("score").filter(by_person & (pl.col("marked_age") == pl.col("marked_age").filter(by_person).min())).max()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", name="latest tutor-marked mark",
         says="got {value:.0f} of 100 for the latest tutor-marked work", says_other="{value:.0f}", relative_to="section",
         model_input=False, monotone=True, into=FEATURES)  # fmt: skip
def tutor_marked_latest() -> pl.Expr:
    """The latest mark that a person gave."""
    return pl.col("tutor_marked_latest_points") * OF_100


@feature(frame=MARKS, concept="marks", unit="marks", range=(0, 1000), higher="concern", name="marks below 40 of 100",
         says="has {value:n mark} below 40 of 100", says_other="{value:.0f}", relative_to="section", relative_input=False,
         monotone=True, into=FEATURES)  # fmt: skip
def marks_below_40() -> pl.Expr:
    """Marks below 40 of 100."""
    return (pl.col("score") < 4_000).sum()


def _mean_of(kind: str, what: str) -> None:
    """Register the average mark of one kind of work."""

    @feature(frame=MARKS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
             column=f"{kind}_points_mean", name=f"average {what} mark, in basis points", into=FEATURES)  # fmt: skip
    def mean() -> pl.Expr:
        # A mean of whole numbers below 2**53 is one exact sum and one division: the order of rows cannot matter.
        return pl.col("score").filter(pl.col("kind") == kind).mean()

    @derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", column=f"{kind}_mean",
             name=f"average {what} mark", says=f"has an average of {{value:.0f}} of 100 in {what} work",
             says_other="{value:.0f}", relative_to="section", relative_input=kind == "computer_marked",
             monotone=True, into=FEATURES)  # fmt: skip
    def hundredths() -> pl.Expr:
        return pl.col(f"{kind}_points_mean") * OF_100

    del mean, hundredths


for _kind, _what in {"tutor_marked": "tutor-marked", "computer_marked": "computer-marked"}.items():
    _mean_of(_kind, _what)


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength",
         name="marks secured so far, missing work as zero",
         says="has {value:.0f} of 100 so far when missing work counts as zero",
         says_other="{value:.0f}", relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def secured() -> pl.Expr:
    """Points over the weight that was marked or is missing: what the marks so far are worth."""
    settled = pl.col("weight_marked") + pl.col("weight_missing")
    return pl.when(settled > 0).then(pl.col("points") / settled * OF_100)


@feature(frame=MARKS, concept="marks", unit="basis points squared", range=(0, 5e9), higher="strength",
         name="marks times weights of due work", into=FEATURES)  # fmt: skip
def points_due() -> pl.Expr:
    """Marks times weights over work that is due."""
    return (pl.col("weight") * pl.col("score")).filter(due()).sum()


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, CLASSES), higher="context",
         name="weight of the due work marked", into=FEATURES)  # fmt: skip
def weight_due_marked() -> pl.Expr:
    """Weight of the due work whose mark is known."""
    return pl.col("weight").filter(due() & marked()).sum()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength",
         name="marks secured in due work, missing work as zero",
         says="has {value:.0f} of 100 over the due work that is marked or missing, missing work counted as zero",
         says_other="{value:.0f}", relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def secured_due() -> pl.Expr:
    """The same as :func:`secured` over due work only."""
    settled = pl.col("weight_due_marked") + pl.col("weight_missing")
    return pl.when(settled > 0).then(pl.col("points_due") / settled * OF_100)


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength",
         name="average mark, each piece alike, missing work as zero",
         says="has an average of {value:.0f} of 100 when each missing piece counts as zero", says_other="{value:.0f}",
         relative_to="section", model_input=False, monotone=True, into=FEATURES)  # fmt: skip
def secured_evenly() -> pl.Expr:
    """Average over marked and missing pieces, each counted once."""
    settled = pl.col("marks_known") + pl.col("missing")
    return pl.when(settled > 0).then(pl.col("marks_total") / settled * OF_100)


@feature(frame=MARKS, concept="marks", unit="basis points", range=(0, CLASSES), higher="context",
         name="weight of all work asked of the student", into=FEATURES)  # fmt: skip
def weight_asked() -> pl.Expr:
    """Weight of all work, due or not; exempt and banked work is not asked."""
    return pl.col("weight").sum()


@derived(concept="marks", unit="of 100", range=(-100, 300), higher="concern",
         name="average mark needed in the remaining work to reach 40",
         says="needs an average of {value:from 0} of 100 in the remaining work to reach 40",
         says_other="{value:from 0}", relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def needed_for_40() -> pl.Expr:
    """What the work that is neither marked nor missing must bring on average for 40 in all; capped at -100 and 300."""
    left = pl.col("weight_asked") - pl.col("weight_marked") - pl.col("weight_missing")
    return pl.when(left > 0).then(((4_000 * pl.col("weight_asked") - pl.col("points")) / left * OF_100).clip(-100, 300))


@derived(concept="marks", unit="of 100", range=(-2, 100), higher="strength", name="best course mark still within reach",
         says="can still reach {value:.0f} of 100 in the course's work", says_other="{value:.0f}", relative_to="section",
         relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def within_reach() -> pl.Expr:
    """100 minus what marks and missing work have already cost, by weight; of several classes, on average."""
    lost, asked = WHOLE * (pl.col("weight_marked") + pl.col("weight_missing")) - pl.col("points"), pl.col("weight_asked")
    one = 100 - lost * (OF_100 * OF_ONE)
    return pl.when(asked <= ONE_CLASS).then(one).otherwise(100 - lost / asked * OF_100)


# -- report cards -----------------------------------------------------------------------------------------------------

#: Report-card marks in basis points: below the first a class is below passing, below the second it is close to that.
PASSING, CLOSE = 6_000, 7_000

#: Credits are counted in hundredths.
CREDIT = 100


def reports(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and report-card mark of a class.

    ``place``: its grading period, 1 for the latest of which any mark is known. ``order``: higher for what is newer.
    ``current``: the newest mark of a class that the student was still in when the latest period began. Credits are
    whole hundredths.
    """
    marks, newest, left, columns = _reports()
    day = "as_of"
    periods = snapshot.reference("terms").select("term_id", day, pl.col("starts_on").alias("period"))
    classes = snapshot.reference("sections").select("section_id", "course_id", day, pl.col("ends_on").alias("class_ends"))
    courses = snapshot.reference("courses").select("course_id", "core", day)
    seats = snapshot.table("rosters").select("row", "enrolment_id", "section_id", pl.col("ends_on").alias("seat_ends"))
    rows = (
        snapshot.table("course_marks")
        .join(periods, on=["term_id", day])
        .join(classes, on=["section_id", day])
        .join(courses, on=["course_id", day], how="left")
        .join(seats, on=["row", "enrolment_id", "section_id"], how="left")
    )
    return rows.with_columns(marks).with_columns(newest).with_columns(left).select(columns)


@cache
def _reports() -> tuple[list[pl.Expr], list[pl.Expr], pl.Expr, list[pl.Expr]]:
    a_class = ["row", "enrolment_id", "section_id"]
    mark = (pl.col("mark_share") * WHOLE).round().cast(pl.Int64)
    # By period, then by the day of the decision, then the better mark: one number, so that one row is the newest.
    days = [pl.col(name).to_physical().cast(pl.Int64) for name in ("period", "decided_on")]
    order = (days[0] * 100_000 + days[1]) * (WHOLE + 1) + mark
    # A class without a mark, such as one taken for credit only, is no report of a mark.
    marks = [
        mark.alias("mark"),
        order.alias("order"),
        pl.when(mark.is_not_null()).then(pl.col("period")).alias("marked_period"),
    ]
    newest = [
        pl.col("marked_period").rank("dense", descending=True).over("row").cast(pl.Int64).alias("place"),
        pl.col("marked_period").max().over("row").alias("latest_period"),
        (pl.col("order").rank("ordinal", descending=True).over(a_class) == 1).alias("latest"),
    ]
    left = pl.min_horizontal("class_ends", "seat_ends").alias("left_on")
    columns = [
        *(pl.col(name) for name in ("row", "course_id", "mark", "order", "core", "place")),
        (pl.col("latest") & (pl.col("left_on") >= pl.col("latest_period"))).fill_null(value=False).alias("current"),
        (pl.col("credits_tried") * CREDIT).round().cast(pl.Int64).alias("tried"),
        (pl.col("credits_earned") * CREDIT).round().cast(pl.Int64).alias("earned"),
    ]
    return marks, newest, left, columns


def reports_of_course(snapshot: Snapshot) -> pl.LazyFrame:
    """One row per unit and report-card mark of its course, also in the class that taught it in the term before."""
    courses = snapshot.reference("sections").select("section_id", "as_of", "course_id")
    mine = snapshot.units.lazy().select("row", "section_id", "as_of").join(courses, on=["section_id", "as_of"])
    return reports(replace(snapshot, grain="student")).join(
        mine.select("row", "course_id"), on=["row", "course_id"], how="semi"
    )


REPORTS = Frame("reports", ("course_marks", "terms", "sections", "courses", "rosters"), reports)
REPORTS_OF_COURSE = Frame("reports_of_course", REPORTS.tables, reports_of_course)


def _current(what: pl.Expr) -> pl.Expr:
    """Return how many classes of the latest report are so; unknown without a report."""
    return pl.when(pl.col("current").any()).then((pl.col("current") & what).sum())


@feature(frame=REPORTS_OF_COURSE, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         grains=("section",), name="latest report-card mark in the course, in basis points", into=FEATURES)  # fmt: skip
def report_points() -> pl.Expr:
    """The newest report-card mark in the course."""
    return pl.col("mark").filter(pl.col("order") == pl.col("order").max()).max()


@feature(frame=REPORTS_OF_COURSE, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength",
         grains=("section",), name="average report-card mark in the course before the latest, in basis points",
         into=FEATURES)  # fmt: skip
def report_points_earlier() -> pl.Expr:
    """Average of the earlier report-card marks in the course."""
    return pl.col("mark").filter(pl.col("order") < pl.col("order").max()).mean()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", grains=("section",),
         name="average report-card mark in the course before the latest", into=FEATURES)  # fmt: skip
def report_mark_earlier() -> pl.Expr:
    """The student's own earlier report-card marks in the course."""
    return pl.col("report_points_earlier") * OF_100


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", grains=("section",),
         name="latest report-card mark in the course", says="has {value:.0f} of 100 in this course on the latest report card",
         says_other="{value:.0f}", earlier_label="on the report cards before, on average", own_earlier="report_mark_earlier",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def report_mark() -> pl.Expr:
    """The newest report-card mark in the course."""
    return pl.col("report_points") * OF_100


@derived(concept="marks", unit="points", range=(-100, 100), higher="strength", grains=("section",),
         name="latest report-card mark in the course against the earlier ones",
         says="has {report_mark:.0f} of 100 in this course on the latest report card, {value:+.0f} against those before",
         says_other="{value:+.0f}", relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def report_change() -> pl.Expr:
    """Latest report-card mark minus the average of the earlier ones."""
    return pl.col("report_mark") - pl.col("report_mark_earlier")


@feature(frame=REPORTS, concept="marks", unit="classes", range=(0, 50), higher="context", grains=("student",),
         name="classes on the latest report card", into=FEATURES)  # fmt: skip
def classes_reported() -> pl.Expr:
    """Classes of the latest grading period with a report-card mark."""
    return _current(pl.lit(value=True))


@feature(frame=REPORTS, concept="marks", unit="classes", range=(0, 50), higher="concern", grains=("student",),
         name="classes with a mark below 60 on the latest report card",
         says="has current marks below 60 of 100 in {value:.0f} of {classes_reported:n course}", says_other="{value:.0f}",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def classes_below_60() -> pl.Expr:
    """Classes below passing (60 of 100) on the latest report card."""
    return _current(pl.col("mark") < PASSING)


@feature(frame=REPORTS, concept="marks", unit="classes", range=(0, 50), higher="concern", grains=("student",),
         name="core classes with a mark below 60 on the latest report card",
         says="has current marks below 60 of 100 in {value:n core course} (English, mathematics, science, social studies)",
         says_other="{value:.0f}", relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def core_classes_below_60() -> pl.Expr:
    """Core classes below passing; null where the school says of no class whether it is core."""
    return pl.when(pl.col("core").is_not_null().any()).then(_current((pl.col("mark") < PASSING) & pl.col("core")))


@feature(frame=REPORTS, concept="marks", unit="classes", range=(0, 50), higher="concern", grains=("student",),
         name="classes with a mark from 60 to 69 on the latest report card",
         says="has current marks from 60 to 69 of 100 in {value:.0f} of {classes_reported:n course}", says_other="{value:.0f}",
         relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def classes_60_to_69() -> pl.Expr:
    """Classes just above passing on the latest report card."""
    return _current(pl.col("mark").is_between(PASSING, CLOSE - 1))


@feature(frame=REPORTS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength", grains=("student",),
         name="average mark on the latest report card, in basis points", into=FEATURES)  # fmt: skip
def report_points_mean() -> pl.Expr:
    """Average over the classes of the latest report card: one exact sum, one division."""
    return pl.col("mark").filter(pl.col("current")).mean()


@feature(frame=REPORTS, concept="marks", unit="basis points", range=(0, WHOLE), higher="strength", grains=("student",),
         name="average mark of the two grading periods before, in basis points", into=FEATURES)  # fmt: skip
def report_points_mean_before() -> pl.Expr:
    """Average over all marks of the two grading periods before the latest, last year's included."""
    return pl.col("mark").filter(pl.col("place").is_between(2, 3)).mean()


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", grains=("student",),
         name="average mark of the two grading periods before", into=FEATURES)  # fmt: skip
def report_mean_before() -> pl.Expr:
    """The student's own earlier level over all classes."""
    return pl.col("report_points_mean_before") * OF_100


@derived(concept="marks", unit="of 100", range=(0, 100), higher="strength", grains=("student",),
         name="average mark on the latest report card",
         says="has an average of {value:.0f} of 100 over {classes_reported:n course} on the latest report card",
         says_other="{value:.0f}", earlier_label="in the two grading periods before", own_earlier="report_mean_before",
         relative_to="section", monotone=True, into=FEATURES)  # fmt: skip
def report_mean() -> pl.Expr:
    """Average over the classes of the latest report card."""
    return pl.col("report_points_mean") * OF_100


@derived(concept="marks", unit="points", range=(-100, 100), higher="strength", grains=("student",),
         name="average mark on the latest report card against the two grading periods before",
         says="has an average of {report_mean:.0f} of 100 on the latest report card, {value:+.0f} against the two grading "
              "periods before",
         says_other="{value:+.0f}", relative_to="section", relative_input=False, into=FEATURES)  # fmt: skip
def report_mean_change() -> pl.Expr:
    """Average of the latest report card minus that of the two grading periods before."""
    return pl.col("report_mean") - pl.col("report_mean_before")


@feature(frame=REPORTS, concept="marks", unit="hundredths of credits", range=(0, 1e6), higher="context", grains=("student",),
         name="hundredths of credits tried", into=FEATURES)  # fmt: skip
def credit_parts_tried() -> pl.Expr:
    """Hundredths of the credits that classes were taken for, where it is known what these brought.

    Whether every report brings its part of a class's credits or the last one all of them, the sum is the same.
    """
    return pl.col("tried").filter(pl.col("earned").is_not_null()).sum()


@feature(frame=REPORTS, concept="marks", unit="hundredths of credits", range=(0, 1e6), higher="strength", grains=("student",),
         name="hundredths of credits earned", into=FEATURES)  # fmt: skip
def credit_parts_earned() -> pl.Expr:
    """Hundredths of the credits that classes brought, where it is known what these were taken for."""
    return pl.col("earned").filter(pl.col("tried").is_not_null()).sum()


@derived(concept="marks", unit="credits", range=(0, 1e4), higher="context", grains=("student",), name="credits tried",
         into=FEATURES)  # fmt: skip
def credits_tried() -> pl.Expr:
    """Credits that classes were taken for."""
    return pl.col("credit_parts_tried") * OF_100


@derived(concept="marks", unit="credits", range=(0, 1e4), higher="strength", grains=("student",), name="credits earned",
         into=FEATURES)  # fmt: skip
def credits_earned() -> pl.Expr:
    """Credits that classes brought."""
    return pl.col("credit_parts_earned") * OF_100


@derived(concept="marks", unit="share", range=(0, 1), higher="strength", grains=("student",),
         name="credits earned of those tried",
         says="has earned {credits_earned:.3g} of {credits_tried:.3g} credits tried so far ({value:.0%})",
         says_other="{value:.0%}",
         relative_to="section", relative_input=False, monotone=True, into=FEATURES)  # fmt: skip
def credits_share() -> pl.Expr:
    """Credits earned over credits tried; null where none is reported."""
    return share("credit_parts_earned", "credit_parts_tried").clip(0, 1)

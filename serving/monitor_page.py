"""A monitoring report as people read it: a few lines for a terminal, and a page that can be printed."""

from __future__ import annotations

from collections.abc import Iterator

from serving.lists import Outcome
from serving.monitor import Report, TargetReport
from serving.pages import html
from training.drift import LEAST_IN_CELL, LEAST_STUDENTS

#: Changed inputs told in a terminal; the page has all.
MOST_LINES = 12


def lines(report: Report) -> Iterator[str]:
    """Return the report as lines for a terminal, for each target what matters most first."""
    yield f"The list of {report.as_of}; records reach to {report.data_through}"
    for one in report.targets:
        yield f"{one.target} version {one.version}: {one.rows:,} rows, {one.not_scored:.0%} not scored, {_compared(one)}"
        for finding in one.findings[:MOST_LINES]:
            yield f"  {'retrain: ' if finding.retrain else ''}{finding.says}"
        if len(one.findings) > MOST_LINES:
            yield f"  and {len(one.findings) - MOST_LINES} more, on the page"
        if not one.findings:
            yield "  nothing is other than it was when the model was made"
        for other in one.outcomes:
            yield f"  {_outcome(other)}"
        for note in one.notes:
            yield f"  {note}"
    yield str(report.overrides["says"])
    for rate in report.overrides["targets"]:
        yield f"  {rate['target']}, {rate['band']}: {_share(rate['rate'])} disagreed"
    for level in report.looked_after:
        looked = _share(level["looked_within_5_days"])
        yield f"  {level['group']}: {level['cases']:,} cases, {looked} looked at within 5 school days"


def page(report: Report) -> str:
    """Return the report as an HTML page that loads nothing."""
    return html("\n".join(_markdown(report)) + "\n")


def _markdown(report: Report) -> Iterator[str]:
    yield "# What came in and went out"
    yield ""
    yield (f"The list of {report.as_of}, beside what the models were made of. Records reach to {report.data_through}. "
           f"Counts are of at least {LEAST_IN_CELL} students and distributions of at least {LEAST_STUDENTS}; nothing here "
           "is about one student.")  # fmt: skip
    for one in report.targets:
        yield from _of_target(one)
    yield from ("", "## What people thought of it", "", str(report.overrides["says"]), "")
    if report.overrides["targets"]:
        yield from _table(
            ("about", "band", "reviews", "disagreed"),
            [(rate["target"], rate["band"], _number(rate["reviews"]), _share(rate["rate"]))
             for rate in report.overrides["targets"]],
        )  # fmt: skip
    if report.looked_after:
        yield from ("", "## How soon somebody looked", "")
        yield (f"By school, from the casebook, in school days since a student came on the list or was brought up; a support "
               f"within days of the calendar. A school with cases of fewer than {LEAST_IN_CELL} "
               f"students is left out, a share of fewer than {LEAST_IN_CELL} cases is not told, and of all together nothing "
               "that would tell it. Nothing here is about who looked.")  # fmt: skip
        yield ""
        yield from _table(
            ("school", "cases", "school days to the first look", "within 5", "talked with the student",
             "support within 15 days", "opened again"),
            [(level["group"], f"{level['cases']:,}", _days(level["days_to_first_look"]),
              *(_share(level[name]) for name in ("looked_within_5_days", "talked_with_student", "support_within_15_days",
                                                 "reopened"))) for level in report.looked_after],
        )  # fmt: skip


def _of_target(one: TargetReport) -> Iterator[str]:
    yield from ("", f"## Who {one.says} (version {one.version})", "")
    told = [finding for finding in one.findings if finding.retrain]
    if told:
        yield from ("**A new model is called for:**", "", *(f"- {finding.says}" for finding in told), "")
    else:
        yield from ("Nothing calls for a new model.", "")
    others = [finding for finding in one.findings if not finding.retrain and finding.kind != "input"]
    if others:
        yield from (*(f"- {finding.says}" for finding in others), "")
    yield from (*one.notes, "") if one.notes else ()
    yield from ("### The list", "")
    scores = one.scores
    yield from _table(
        ("figure", "now", "when the model was made"),
        [
            ("rows", f"{one.rows:,}", ""),
            *((name.replace("_", " "), _counted(count), "") for name, count in one.status.items()),
            ("on the list", _share(scores.listed), _share(scores.listed_before)),
            ("mean probability", _share(scores.mean), ""),
            ("index of the probabilities", _figure(scores.index), f"limit {_figure(scores.limit)}"),
        ],
    )
    yield from ("", f"### Inputs: {_compared(one)}", "")
    if one.changes:
        yield from _table(
            ("input", "index", "limit", "known now", "known earlier", "share of the scores"),
            [(one.names[change.name], _figure(change.index), _figure(change.limit if change.index is not None else None),
              _share(change.known_now), _share(change.known_before), _share(one.weights.get(change.name)))
             for change in one.changes],
        )  # fmt: skip
    if one.schools:
        yield from ("", "### Other at one school than it was there", "")
        yield from _table(
            ("school", "input", "standard deviations", "known now", "known earlier"),
            [(other.school, one.names[other.name], f"{other.shift:+.1f}", _share(other.known_now), _share(other.known_before))
             for other in one.schools],
        )  # fmt: skip
    if one.outcomes:
        yield from ("", "### What became of earlier lists", "")
        yield from _table(
            ("list", "version", "outcomes known", "said", "came", "Brier", "slope", "of the list", "card"),
            [_outcome_cells(other) for other in one.outcomes],
        )


def _outcome_cells(one: Outcome) -> tuple[str, ...]:
    slope = "" if one.slope is None or one.slope_interval is None else (
        f"{one.slope:.2f} ({one.slope_interval[0]:.2f} to {one.slope_interval[1]:.2f})"
    )  # fmt: skip
    had = "" if one.share is None or one.share_interval is None else (
        f"{one.had_it} of {one.listed} ({one.share_interval[0]:.0%} to {one.share_interval[1]:.0%})"
    )  # fmt: skip
    known = f"{one.known:.0%}{'' if one.settled else ', wait'}{', made later' if one.hindsight else ''}"
    return (
        one.as_of.isoformat(), one.version, known, _share(one.probability), _share(one.frequency), _figure(one.brier), slope,
        had, _share(one.promised),
    )  # fmt: skip


def _outcome(one: Outcome) -> str:
    start = f"the list of {one.as_of} (version {one.version}): {one.known:.0%} of outcomes are known"
    if not one.settled:
        return f"{start}, {one.expected:.0%} will be; it is judged then"
    if one.frequency is None:
        return f"{start}, of fewer than {LEAST_STUDENTS} students"
    told = f"{start}; said {_share(one.probability)}, came {_share(one.frequency)}, Brier {_figure(one.brier)}"
    if one.slope is not None:
        told += f", slope {one.slope:.2f}"
    if one.share is not None:
        told += f"; of the list {one.share:.0%}, the card said {_share(one.promised)}"
    return told + ("; the model was made later and may have learned from these outcomes" if one.hindsight else "")


def _compared(one: TargetReport) -> str:
    changed = len({change.name for change in one.changes})
    return f"{changed} of {one.compared} compared are other than before" if one.compared else "inputs not compared"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield _row(head)
    yield _row(tuple("---" for _ in head))
    yield from map(_row, rows)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _share(value: float | None) -> str:
    return "not told" if value is None else f"{value:.1%}"


def _figure(value: float | None) -> str:
    return "not told" if value is None else f"{value:.3f}"


def _days(value: float | None) -> str:
    return "not told" if value is None else f"{value:.1f}"


def _number(value: int | None) -> str:
    return f"fewer than {LEAST_IN_CELL}" if value is None else f"{value:,}"


def _counted(count: int) -> str:
    return _number(None if 0 < count < LEAST_IN_CELL else count)

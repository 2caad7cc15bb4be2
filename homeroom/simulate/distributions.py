"""Whether a simulated district looks like real ones: its figures beside published ones, from its tables alone.

python -m homeroom.simulate.distributions DIR
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.problems import HomeroomError, Problem, Refused

#: Exits that count as leaving for good (as labels of dropout count them); an unknown one counts neither way.
LEAVING = ("dropout", "withdrawn", "expelled", "no_show")
CORE = ("english", "mathematics", "science", "social_studies")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the district (null where its records do not hold it) beside what is published.

    ``least`` and ``most`` bound what counts as alike; they are ours, drawn around what is published.
    """

    name: str
    value: float | None
    published: str
    least: float
    most: float

    @property
    def fits(self) -> bool | None:
        """Whether the figure lies within the bounds; null where it is not known."""
        return None if self.value is None else self.least <= self.value <= self.most


def figures(folder: Path) -> list[Figure]:
    """Return every figure of a district of canonical tables in parts.

    Raises:
        Refused: a table that is needed is not there.

    """
    tables = _tables(folder)
    stays = _stays(tables)
    years = _years(tables, stays)
    first = _first_days(tables, stays, years)
    marks = _marks(tables, stays)
    grade_9 = _on_track(marks, stays)
    whole = years.filter("complete")
    high = whole.filter(pl.col("grade_level") >= 9)
    few = first.filter(pl.col("missed").is_between(2, 4))
    many = first.filter(pl.col("missed") > 4)
    periods = marks.filter("core")
    return [
        Figure("chronic absence, share of student-years", _mean(whole["chronic"]),
               "15% before 2020, 28% in 2022, 24% in 2024 (Return to Learn Tracker); 10 and 14% (EWIMS trial)", 0.12, 0.28),
        Figure("mean share of days missed", _mean(whole["share"]), "none in our sources", 0.04, 0.10),
        Figure("chronically absent, of 2-4 absences in the first 20 days", _mean(few["chronic"]),
               "about half (Baltimore, Olson 2014)", 0.35, 0.65),
        Figure("chronically absent, of more than 4 in the first 20 days", _mean(many["chronic"]),
               "about 9 in 10 (Baltimore, Olson 2014)", 0.8, 1.0),
        Figure("left for good in a year, grades 9-12", _mean(high["left"]),
               "about 2 to 5% a year (not checked against a source)", 0.02, 0.05),
        Figure("left for good in a year, grades 6-8", _mean(whole.filter(pl.col("grade_level") < 9)["left"]),
               "far below grades 9-12", 0.0, 0.01),
        Figure("on track in grade 9", _mean(grade_9["on_track"]),
               "59% in Chicago (Allensworth & Easton 2007: from its sensitivity and specificity at its base rate)", 0.5, 0.9),
        Figure("odds of not having left, on track against off track in grade 9", _odds(grade_9),
               "more than 3.5 times as likely to graduate (Allensworth & Easton)", 3.5, 40.0),
        Figure("odds of graduating in four years, on track against off track", _odds_of_graduating(grade_9, tables, stays),
               "the same source: a ratio of shares, at a base rate of .43", 3.5, 80.0),
        Figure("course marks below passing, core courses", _mean(periods["failed"]), "none in our sources", 0.03, 0.16),
        Figure("students with a core F in a grading period", _mean(
            periods.group_by("enrolment_id", "term_id").agg(pl.col("failed").any())["failed"]),
            "20 to 26% failed a core course in grade 9 (BARR trial: 74 to 80% pass all)", 0.12, 0.35),
        Figure("evidence of a skill below .8", _below(tables), "none in our sources", 0.25, 0.65),
        Figure("suspended out of school in a year", _suspended(tables, whole), "none in our sources", 0.01, 0.1),
    ]  # fmt: skip


def flags(folder: Path) -> pl.DataFrame:
    """Return how well single flags of grade 9 tell who left later, beside what is published of such flags.

    Columns: ``flag``, ``base_rate``, ``precision``, ``sensitivity``, ``specificity``, ``balanced`` (their mean) and
    ``published`` (the same five of the study, at its own base rate).
    """
    tables = _tables(folder)
    stays = _stays(tables)
    years = _years(tables, stays)
    pupils = _on_track(_marks(tables, stays), stays).join(
        years.select("student_id", "school_year", "share", "suspended"), on=["student_id", "school_year"], how="left"
    )
    published = {
        "off track": (~pl.col("on_track"), "Allensworth & Easton 2007, grade 9: .43, .78, .75, .84, .80"),
        "a core F": (pl.col("core_f") > 0, "3 or more Fs, grade 9, the same: .41, .81, .65, .89, .77"),
        "attended 80% or less": (pl.col("share") >= 0.2, "Balfanz 2007, grade 6: .57, .83, .23, .94, .58"),
        "suspended": (pl.col("suspended"), "Balfanz 2007, grade 6: .57, .80, .10, .97, .53"),
    }
    rows = []
    for name, (flag, says) in published.items():
        seen = pupils.select(flag.fill_null(value=False).alias("flag"), pl.col("left").alias("left"))
        hit = int((seen["flag"] & seen["left"]).sum())
        positive, flagged, total = int(seen["left"].sum()), int(seen["flag"].sum()), seen.height
        clear = total - positive - flagged + hit
        sensitivity = hit / positive if positive else None
        specificity = clear / (total - positive) if total > positive else None
        balanced = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
        rows.append({"flag": name, "base_rate": positive / total if total else None,
                     "precision": hit / flagged if flagged else None, "sensitivity": sensitivity,
                     "specificity": specificity, "balanced": balanced, "published": says})  # fmt: skip
    return pl.DataFrame(rows)


_NEEDED = ("calendar", "terms", "courses", "sections", "enrolments", "exits", "attendance", "incidents", "course_marks",
           "skill_results")  # fmt: skip


def _tables(folder: Path) -> Mapping[str, pl.LazyFrame]:
    missing = [name for name in _NEEDED if not any((folder / name).glob("part-*.parquet"))]
    if missing:
        raise Refused(
            [Problem("missing_table", name, "this table is not in the folder", "Give a folder that `homeroom simulate` wrote.")
             for name in missing],
            "The district cannot be judged",
        )  # fmt: skip
    return {name: pl.concat([pl.scan_parquet(part) for part in sorted((folder / name).glob("part-*.parquet"))])
            for name in _NEEDED}  # fmt: skip


def _stays(tables: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return each enrolment with its first and last day, how it ended, and whether its year was over."""
    through = tables["attendance"].select(pl.col("on").max()).collect().item()
    return (
        tables["enrolments"]
        .join(tables["exits"].select("enrolment_id", "exited_on", "kind"), on="enrolment_id", how="left")
        .select("enrolment_id", "student_id", pl.col("term_id").alias("school_year"), "grade_level", "entered_on",
                pl.coalesce("exited_on", "planned_end_on").alias("until"), "kind",
                (pl.col("planned_end_on") <= through).alias("complete"))
        .collect()
    )  # fmt: skip


def _years(tables: Mapping[str, pl.LazyFrame], stays: pl.DataFrame) -> pl.DataFrame:
    """Return each student's school year: share of days missed, whether they left for good, were suspended."""
    taught = tables["calendar"].filter("instructional").select("on").unique().sort("on").collect()["on"]
    days = taught.to_physical().to_numpy()
    counted = stays.with_columns(
        pl.Series("days", np.searchsorted(days, stays["until"].to_physical().to_numpy(), side="right")
                  - np.searchsorted(days, stays["entered_on"].to_physical().to_numpy()))
    )  # fmt: skip
    missed = _attendance(tables).group_by("enrolment_id").agg(pl.col("absent_share").sum(), pl.col("exclusion").any()).collect()
    return (
        counted.join(missed, on="enrolment_id", how="left")
        .filter(pl.col("kind").is_null() | (pl.col("kind") != "no_show") | (pl.col("days") > 0))
        .group_by("student_id", "school_year")
        .agg(pl.col("days").sum(), pl.col("absent_share").sum(), pl.col("grade_level").max(), pl.col("complete").all(),
             pl.col("kind").is_in(LEAVING).any().fill_null(value=False).alias("left"),
             pl.col("exclusion").any().fill_null(value=False).alias("suspended"),
             (pl.col("kind") == "no_show").any().fill_null(value=False).alias("no_show"))
        .with_columns(pl.when(~pl.col("no_show") & (pl.col("days") >= 30))
                      .then(pl.col("absent_share") / pl.col("days")).alias("share"))
        .with_columns((pl.col("share") >= 0.1).alias("chronic"))
    )  # fmt: skip


def _attendance(tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return attendance as it stands at last: the latest version of each row, without what was deleted."""
    latest = tables["attendance"].sort("known_on").unique(["student_id", "enrolment_id", "on"], keep="last")
    return latest.filter(~pl.col("deleted"))


def _first_days(tables: Mapping[str, pl.LazyFrame], stays: pl.DataFrame, years: pl.DataFrame) -> pl.DataFrame:
    """Return days missed of the first twenty, for who came on the first day and whose year is over."""
    calendar = tables["calendar"].filter("instructional").select("on").unique().sort("on").collect()["on"]
    starts = stays.group_by("school_year").agg(pl.col("entered_on").min().alias("begins"))
    starts = starts.with_columns(pl.Series("ends", [_nth(calendar, begins, 20) for begins in starts["begins"]], dtype=pl.Date))
    there = stays.join(starts, on="school_year").filter(pl.col("entered_on") == pl.col("begins"), "complete",
                                                         pl.col("until") > pl.col("ends"))  # fmt: skip
    missed = (
        _attendance(tables).join(there.lazy().select("enrolment_id", "begins", "ends"), on="enrolment_id")
        .filter(pl.col("on").is_between("begins", "ends"), pl.col("absent_share") > 0)
        .group_by("enrolment_id").len("missed").collect()
    )  # fmt: skip
    return (
        there.join(missed, on="enrolment_id", how="left")
        .with_columns(pl.col("missed").fill_null(0))
        .join(years.select("student_id", "school_year", "chronic"), on=["student_id", "school_year"])
    )


def _nth(days: pl.Series, begins: date, count: int) -> date:
    found = days.filter(days >= begins)
    last: date = found[min(count, len(found)) - 1]
    return last


def _marks(tables: Mapping[str, pl.LazyFrame], stays: pl.DataFrame) -> pl.DataFrame:
    courses = (
        tables["sections"]
        .select("section_id", "course_id")
        .join(tables["courses"].select("course_id", "core", "subject"), on="course_id")
    )
    return (
        tables["course_marks"]
        .filter(pl.col("mark_share").is_not_null())
        .join(courses, on="section_id")
        .select("student_id", "enrolment_id", "term_id", "core", "subject", "mark_share", "credits_earned",
                (pl.col("mark_share") < 0.6).alias("failed"))
        .collect()
        .join(stays.select("enrolment_id", "school_year", "grade_level", "complete"), on="enrolment_id")
    )  # fmt: skip


def _on_track(marks: pl.DataFrame, stays: pl.DataFrame) -> pl.DataFrame:
    """Return each first year in grade 9 that is over: on track, semester Fs in core courses, whether they left later.

    On track: five credits of full-year courses and at most one F of a semester in a core course.
    """
    nine = marks.filter(pl.col("grade_level") == 9, "complete")
    half = (pl.col("term_id").str.slice(-1).cast(pl.Int32) + 1) // 2
    fails = (
        nine.filter("core").group_by("student_id", "school_year", "subject", half.alias("semester"))
        .agg((pl.col("mark_share").mean() < 0.6).alias("f"))
        .group_by("student_id", "school_year").agg(pl.col("f").sum().alias("core_f"))
    )  # fmt: skip
    credits_ = nine.group_by("student_id", "school_year").agg(pl.col("credits_earned").sum(), pl.len().alias("rows"))
    later = stays.filter(pl.col("kind").is_in(LEAVING)).group_by("student_id").agg(pl.col("until").max().alias("left_on"))
    return (
        credits_.join(fails, on=["student_id", "school_year"], how="left")
        .sort("school_year").unique("student_id", keep="first")
        .join(later, on="student_id", how="left")
        .with_columns(((pl.col("credits_earned") >= 5) & (pl.col("core_f") <= 1)).alias("on_track"),
                      pl.col("left_on").is_not_null().alias("left"))
        .sort("student_id")
    )  # fmt: skip


def _odds(grade_9: pl.DataFrame) -> float | None:
    return _ratio_of_odds(grade_9, ~pl.col("left"))


def _odds_of_graduating(grade_9: pl.DataFrame, tables: Mapping[str, pl.LazyFrame], stays: pl.DataFrame) -> float | None:
    """Return the odds ratio of graduating within four years, where the records hold four years and the student stayed."""
    years = sorted(stays.filter("complete")["school_year"].unique().to_list())
    if len(years) < 4:
        return None
    in_time = dict(zip(years, years[3:], strict=False))
    done = tables["exits"].filter(pl.col("kind") == "completed").select("enrolment_id").collect()
    graduated = stays.join(done, on="enrolment_id", how="semi").select("student_id", pl.col("school_year").alias("graduated"))
    moved = stays.filter(pl.col("kind") == "transferred", pl.col("student_id").is_in(graduated["student_id"].implode()).not_())
    cohort = (
        grade_9.filter(pl.col("school_year").is_in(list(in_time)))
        .join(moved, on="student_id", how="anti")
        .join(graduated, on="student_id", how="left")
        .with_columns(pl.col("school_year").replace(in_time).alias("by"))
    )
    return _ratio_of_odds(cohort, (pl.col("graduated") <= pl.col("by")).fill_null(value=False))


def _ratio_of_odds(frame: pl.DataFrame, good: pl.Expr) -> float | None:
    counts = {}
    for on_track in (True, False):
        seen = frame.filter(pl.col("on_track") == on_track).select(good.alias("good"))["good"]
        counts[on_track] = (int(seen.sum()), int(len(seen) - seen.sum()))
    if not all(sum(pair) >= 10 for pair in counts.values()):
        return None
    # Half a student more in every cell: an empty one would make the ratio boundless.
    (a, b), (c, d) = counts[True], counts[False]
    return ((a + 0.5) / (b + 0.5)) / ((c + 0.5) / (d + 0.5))


def _below(tables: Mapping[str, pl.LazyFrame]) -> float | None:
    found = tables["skill_results"].select((pl.col("score_share") < 0.8).mean()).collect().item()
    return None if found is None else float(found)


def _suspended(tables: Mapping[str, pl.LazyFrame], years: pl.DataFrame) -> float | None:
    kept_out = (
        tables["incidents"].filter(pl.col("exclusion") == "out_of_school").select("enrolment_id").unique()
        .join(tables["enrolments"].select("enrolment_id", "student_id", pl.col("term_id").alias("school_year")),
              on="enrolment_id").select("student_id", "school_year").unique().collect()
    )  # fmt: skip
    return years.join(kept_out, on=["student_id", "school_year"], how="semi").height / years.height if years.height else None


def _mean(values: pl.Series) -> float | None:
    found = values.cast(pl.Float64).mean()
    return None if found is None else float(found)  # type: ignore[arg-type]


def as_lines(found: Sequence[Figure], single: pl.DataFrame) -> list[str]:
    """Return figures and flags as lines for a person."""
    said = {None: "unknown", True: "", False: "OUT OF BOUNDS"}
    lines = [f"{one.name}: {'-' if one.value is None else f'{one.value:.3f}'} "
             f"(alike: {one.least:g} to {one.most:g}) {said[one.fits]}".rstrip() + f"\n    published: {one.published}"
             for one in found]  # fmt: skip
    lines += ["", "Flags of grade 9 for leaving later: base rate, precision, sensitivity, specificity, balanced accuracy"]
    for row in single.iter_rows(named=True):
        numbers = ", ".join("-" if row[name] is None else f"{row[name]:.2f}" for name in
                            ("base_rate", "precision", "sensitivity", "specificity", "balanced"))  # fmt: skip
        lines.append(f"{row['flag']}: {numbers}\n    published: {row['published']}")
    return lines


def main(arguments: Sequence[str]) -> int:
    """Print the figures of the district in a folder; 0 where all are within bounds, else 1, 2 where used wrongly."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m homeroom.simulate.distributions DIR\n")
        return 2
    try:
        found, single = figures(Path(arguments[0])), flags(Path(arguments[0]))
    except HomeroomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(as_lines(found, single)) + "\n")
    return int(any(one.fits is False for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

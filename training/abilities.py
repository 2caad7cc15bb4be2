"""What the files of a school can give: for each ability, ready or exactly what is missing.

Nothing is trained here. Whether a target can be learned is asked of the very rules by which training refuses: the tables
that its labels are made of, and the split in time with its least numbers of outcomes. The labels are made of the rows
that training would ask about, or of a part of the students where there are more of these than training takes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from features.catalog import Catalog
from features.cohort import on_days_of_term
from features.problems import Refused
from features.records import SchoolRecords
from features.standard import STANDARD
from features.tables import TABLES, Grain
from training import splits
from training.indicators import PROGRESS, computable, tables_of
from training.targets import TARGETS, Target

if TYPE_CHECKING:
    from training.run import Training

#: What the tables are called in the exports that schools have: in OneRoster, where it carries them, and in Ed-Fi.
NAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "organisations": ("orgs.csv", "School"),
        "terms": ("academicSessions.csv", "Session"),
        "calendar": ("", "CalendarDate"),
        "courses": ("courses.csv", "Course"),
        "sections": ("classes.csv", "Section"),
        "students": ("users.csv", "Student"),
        "demographics": ("demographics.csv", "StudentEducationOrganizationAssociation"),
        "enrolments": ("enrollments.csv", "StudentSchoolAssociation"),
        "exits": ("", "StudentSchoolAssociation with ExitWithdrawType"),
        "rosters": ("enrollments.csv", "StudentSectionAssociation"),
        "attendance": ("", "StudentSchoolAttendanceEvent"),
        "incidents": ("", "StudentDisciplineIncidentBehaviorAssociation"),
        "assignments": ("lineItems.csv", "GradebookEntry"),
        "submissions": ("results.csv", "StudentGradebookEntry"),
        "results": ("results.csv", "StudentGradebookEntry"),
        "course_marks": ("", "Grade"),
        "skills": ("", "LearningStandard"),
        "skill_prerequisites": ("", ""),
        "assignment_skills": ("lineItemLearningObjectiveIds.csv (1.2)", "GradebookEntry with LearningStandardReference"),
        "skill_results": ("resultLearningObjectiveIds.csv (1.2)", "StudentObjectiveAssessment"),
        "outcomes": ("", "CourseTranscript with CourseAttemptResult"),
        "digital_access": ("", "StudentEducationOrganizationAssociation with InternetAccessInResidence"),
    }
)

#: How an audit's groups must be filled: students of a group, and how many of them had the outcome. Fewer say nothing.
LEAST_IN_GROUP, LEAST_WITH_OUTCOME = 100, 20

#: At most how many rows are looked at first, of students chosen by their key. Where these have too few outcomes of a kind,
#: more are looked at: so many times what training takes at most, for rows are counted before those of classes that are over
#: fall away. A school with fewer rows is looked at whole.
FIRST_LOOK, SECOND_LOOK = 50_000, 2

#: Into how many parts students are cut to look at a share of them.
_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """Whether training would take one target, and if not, what it lacks.

    ``says`` completes the sentence of people; ``missing`` names files, columns or outcomes. ``scores``: a model that is
    trained already could score these files, since that takes no outcomes.
    """

    target: str
    says: str
    ready: bool
    missing: tuple[str, ...]
    scores: bool


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that Homeroom can do for a school, and whether these files are enough for it.

    ``rule`` tells that a published rule list stands in; ``scores`` that a model that is trained already, here or
    elsewhere, could score these files. ``targets`` are the questions behind it, where it is learned.
    """

    name: str
    says: str
    ready: bool
    missing: tuple[str, ...]
    rule: bool = False
    scores: bool = False
    targets: tuple[Lesson, ...] = ()

    @property
    def line(self) -> str:
        """The ability in one line for people."""
        if not self.targets or not self.ready:
            found = "ready." if self.ready else f"not yet. Missing: {'; '.join(self.missing)}."
        else:
            learned = " and ".join(one.says for one in self.targets if one.ready)
            found = f"ready to learn {learned}."
            found += "".join(f" For {one.says}: {'; '.join(one.missing)}." for one in self.targets if not one.ready)
        if self.rule:
            found += " Until then a published list stands in (rule, not a prediction)."
        if self.scores and not self.ready:
            found += " A model that is trained already could score these files."
        return f"{self.says}: {found}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for machines."""
        return asdict(self)


def named(table: str) -> str:
    """Return a table with the names that its file has in the usual exports."""
    roster, ed_fi = NAMES.get(table, ("", ""))
    known = [f"{name} in {where}" for name, where in ((roster, "OneRoster"), (ed_fi, "Ed-Fi")) if name]
    return f"{table} ({'; '.join(known)})" if known else table


def abilities(
    records: SchoolRecords,
    pass_mark: float = 0.4,
    settings: Training | None = None,
    carried: Mapping[str, Catalog] | None = None,
) -> tuple[Ability, ...]:
    """Return what these records are enough for, in the order in which a school asks.

    Args:
        records: the school's records.
        pass_mark: share of the best score from which a skill counts as secure; a setting of the source.
        settings: of training, which must be those that training will be given.
        carried: the catalogue of the model in use, by target; without one, a model is thought of that reads more than
            the history of the stay.

    """
    from training.run import Training

    school = _School.of(records, pass_mark, settings or Training())
    found = {name: _lesson(school, target, (carried or {}).get(name)) for name, target in TARGETS.items()}
    lessons = {name: lesson for name, (lesson, _) in found.items()}
    learned = [asked for lesson, asked in found.values() if lesson.ready and asked is not None]
    early = (lessons["dropout"], lessons["chronic_absence"])
    failure, gaps = lessons["course_failure"], lessons["learning_gap"]
    stands_in = bool(computable(records)) and not any(one.ready for one in lessons.values())
    return (
        Ability("check_in_list", "Check-in list", any(one.ready for one in early), _of(early), stands_in,
                any(one.scores for one in early), early),
        Ability("course_failure", "Course failure", failure.ready, failure.missing, False, failure.scores, (failure,)),
        Ability("skill_gaps", "Skill gaps", gaps.ready, gaps.missing, False, gaps.scores, (gaps,)),
        _simple("access_list", "Access list", _access(records)),
        _simple("small_groups", "Small groups",
                _absent(records, ("skills", "skill_prerequisites", "skill_results", "sections", "rosters"))),
        _simple("audit_by_group", "Audit by group", _groups(records, learned)),
    )  # fmt: skip


def _simple(name: str, says: str, missing: tuple[str, ...]) -> Ability:
    return Ability(name, says, not missing, missing)


def _of(lessons: tuple[Lesson, ...]) -> tuple[str, ...]:
    """Return what several targets lack, each told apart, unless one of them is ready."""
    if any(one.ready for one in lessons):
        return ()
    wanted: dict[str, list[str]] = {}
    for one in lessons:
        for what in one.missing:
            wanted.setdefault(what, []).append(one.says)
    return tuple(what if len(whose) == len(lessons) else f"for {' and '.join(whose)}: {what}" for what, whose in wanted.items())


# -- what is learned --------------------------------------------------------------------------------------------------

#: What is said of each target to people, of those who had the outcome, and of those who had not.
_WORDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "dropout": ("leaving before the planned end", "students who left", "students who stayed or came back"),
        "chronic_absence": ("missing a tenth of the year", "students who missed a tenth of a year", "students who missed less"),
        "course_failure": ("not passing a course", "courses not passed", "courses passed"),
        "learning_gap": ("work below the mark on a skill", "work below the mark", "work at or above the mark"),
    }
)

#: What a unit of each kind is made of, beside the tables of its label.
_UNITS: Mapping[Grain, tuple[str, ...]] = MappingProxyType(
    {
        "student": (),
        "enrolment": (),
        "section": (),
        "skill": ("assignments", "assignment_skills"),
    }
)


@dataclass(frozen=True)
class _School:
    """What all targets share: the records, the settings that suit their terms, and how far the records reach."""

    records: SchoolRecords
    settings: Training
    terms: pl.DataFrame
    through: date | None
    pass_mark: float

    @classmethod
    def of(cls, records: SchoolRecords, pass_mark: float, settings: Training) -> _School:
        from training.run import terms_of, with_days

        return cls(records, with_days(settings, records), terms_of(records), records.data_through(date.max), pass_mark)

    @property
    def by_year(self) -> bool:
        """Whether stays are years of school."""
        return "school_year" in self.terms["kind"]

    @property
    def days(self) -> list[int]:
        """As-of points after a term's start."""
        return sorted({*self.settings.days, *self.settings.judged_days})


@dataclass(frozen=True)
class _Asked:
    """The rows that training would ask about for one target: keys and labels, and of which share of the students."""

    school: _School
    target: Target
    keys: pl.DataFrame
    labels: pl.DataFrame
    share: float

    @classmethod
    def of(cls, school: _School, target: Target, most: int) -> _Asked:
        """Look at about so many rows at most."""
        from training.run import sampled

        all_rows = _rows(school.records, target.unit, len(school.days))
        share = min(1.0, most / max(all_rows, 1))
        part = school.records if share == 1 else _of_some(school.records, target, share)
        cohort = on_days_of_term(part, school.days, target.unit, school.terms["term_id"].to_list())
        if school.through is not None:
            cohort = replace(cohort, frame=cohort.frame.filter(pl.col("as_of") <= school.through))
        cohort = sampled(cohort, school.settings)
        stays = part.labels("enrolments").select("enrolment_id", "term_id").unique("enrolment_id").collect()
        stays = stays.join(school.terms.select("term_id", term_start="starts_on"), on="term_id")
        keys = cohort.frame.join(stays, on="enrolment_id", how="left", maintain_order="left").with_columns(
            (pl.col("as_of") - pl.col("term_start")).dt.total_days().alias("day")
        )
        return cls(school, target, keys, target.labels(part, cohort, school.pass_mark), share)


def _rows(records: SchoolRecords, unit: Grain, days: int) -> int:
    """Return at most how many rows training would have to choose from."""
    seats = records.labels("rosters").select("section_id")
    if unit == "enrolment":
        found = records.labels("enrolments").select(pl.len())
    elif unit == "section":
        found = seats.select(pl.len())
    else:
        taught = (
            records.labels("assignments").select("assignment_id", "section_id")
            .join(records.labels("assignment_skills").select("assignment_id", "skill_id"), on="assignment_id")
            .group_by("section_id").agg(pl.col("skill_id").n_unique().alias("taught"))
        )  # fmt: skip
        found = (
            seats.group_by("section_id").len().join(taught, on="section_id").select((pl.col("len") * pl.col("taught")).sum())
        )
    return int(found.collect().item() or 0) * days


def _of_some(records: SchoolRecords, target: Target, share: float) -> SchoolRecords:
    """Return what a target's rows and labels are made of, of a share of the students and of their classes."""
    students = records.labels("enrolments").select("student_id").unique().collect().sort("student_id")
    chosen = students.filter(pl.Series(splits.fold_of(students["student_id"], _PARTS, "abilities") < share * _PARTS)).lazy()
    tables = [name for name in dict.fromkeys((*_COHORT, *_UNITS[target.unit], *_decided(target))) if records.holds(name)]
    own = [name for name in tables if TABLES[name].by_student]
    mine = [records.labels(name).join(chosen, on="student_id", how="semi") for name in own]
    frames = dict(zip(own, pl.collect_all(mine), strict=True))
    frames |= {name: records.labels(name).collect() for name in tables if name not in frames}
    for name, key, kept_by in _CLASSES:
        if name in frames and kept_by in frames:
            frames[name] = frames[name].join(frames[kept_by].select(key), on=key, how="semi")
    return replace(records, parts={name: (frame.lazy(),) for name, frame in frames.items()})


#: What a cohort is made of, whatever its unit.
_COHORT = ("terms", "enrolments", "exits", "rosters", "sections")

#: What is cut to the classes of the students looked at: a table, the key, and the table whose keys stay.
_CLASSES = (("sections", "section_id", "rosters"), ("assignments", "section_id", "rosters"),
            ("assignment_skills", "assignment_id", "assignments"))  # fmt: skip


def _lesson(school: _School, target: Target, carried: Catalog | None) -> tuple[Lesson, _Asked | None]:
    """Return whether training would take a target, and the rows by which that was found."""
    missing, asked = _lacking(school, target), None
    if not missing:
        asked = _Asked.of(school, target, FIRST_LOOK)
        missing, countable = _refused(asked)
        if missing and countable and asked.share < 1:
            asked = _Asked.of(school, target, SECOND_LOOK * school.settings.most_rows)
            missing, _ = _refused(asked)
    scores = _can_score(school.records, target, carried)
    return Lesson(target.name, _WORDS[target.name][0], not missing, missing, scores), asked


def _refused(asked: _Asked) -> tuple[tuple[str, ...], bool]:
    """Return why the split in time refuses the rows, and whether it is for numbers that more students could add to."""
    settings = asked.school.settings
    judged = asked.keys["day"].is_in(settings.judged_days).to_numpy()
    try:
        splits.by_time(asked.keys, asked.labels, asked.school.terms, None, settings.folds, judged)
    except Refused as refused:
        short, countable = _short(asked)
        return short or tuple(problem.problem for problem in refused.problems), countable
    return (), False


def _lacking(school: _School, target: Target) -> tuple[str, ...]:
    """Return tables and columns without which there are no rows or no labels."""
    needs = target.needs if school.by_year else (*target.needs, *_decided(target, by_year=False))
    tables = dict.fromkeys((*needs, "terms", *tables_of(PROGRESS), *_UNITS[target.unit]))
    found = [named(table) for table in tables if not school.records.holds(table)]
    if not found and school.terms.is_empty():
        found = [f"column term_id of {named('enrolments')}, which names a term of {named('terms')}"]
    return tuple(found)


def _decided(target: Target, *, by_year: bool | None = None) -> tuple[str, ...]:
    """Return the tables that decide a target: of a year, exits tell who left; of a course, its outcome does."""
    if target.name == "dropout" and by_year is not None:
        return ("exits", "enrolments") if by_year else ("outcomes", "terms")
    return (*target.needs, "outcomes") if target.name == "dropout" else target.needs


def _short(asked: _Asked) -> tuple[tuple[str, ...], bool]:
    """Return which outcomes are too few as the split counts them: rows, of one student one for each date.

    And whether it is a count that falls short, and not a whole term.
    """
    school = asked.school
    term = "school year" if school.by_year else "term"
    rows = asked.keys.select("student_id", "as_of", "term_id").hstack(asked.labels.select("label", "known_on"))
    known = rows.group_by("term_id").agg(pl.col("label").is_not_null().mean().alias("share"))
    closed = school.terms.join(known.filter(pl.col("share") > splits.LEAST_CLOSED), on="term_id", how="semi")
    decided = _decided(asked.target, by_year=school.by_year)
    what = " and ".join(table for table in decided if table not in {"terms", "calendar"})
    if closed.is_empty():
        so_far = f"of none more than {splits.LEAST_CLOSED:.0%} are known" if rows["label"].count() else "none is known"
        return (f"outcomes of two finished {term}s in {what}, one to learn from, a later one to be judged by; {so_far}",), False
    first: date = closed["starts_on"].max()  # type: ignore[assignment]
    before = _taught(asked, rows, first)
    if before.is_empty():
        return (f"outcomes of one more finished {term} in {what}, before the one that began on {first}",), False
    positives = int(before["label"].sum())
    counts = zip(_WORDS[asked.target.name][1:], (positives, before.height - positives), strict=True)
    return tuple(
        f"{who}, in {what}: {have:,} known before {first}, {splits.LEAST_OF_EACH} needed (one for each date learned from)"
        for who, have in counts
        if have < splits.LEAST_OF_EACH
    ), True


def _taught(asked: _Asked, rows: pl.DataFrame, test_from: date) -> pl.DataFrame:
    """Return the rows that :func:`training.splits.by_time` would teach from, were they enough."""
    judged = asked.keys["day"].is_in(asked.school.settings.judged_days)
    terms = asked.school.terms.filter(pl.col("starts_on") == test_from)["term_id"].implode()
    tested = rows.filter(judged & rows["term_id"].is_in(terms) & rows["label"].is_not_null())
    begins = max(test_from, tested["as_of"].min() or test_from)
    closed = rows.filter(pl.col("label").is_not_null(), ~pl.col("term_id").is_in(terms), pl.col("known_on") < begins)
    others = closed.join(tested.select("student_id").unique(), on="student_id", how="anti")
    if closed.height - others.height <= splits.MOST_LEFT_OUT * closed.height:
        return others
    return closed.filter(pl.Series(splits.fold_of(closed["student_id"], splits.HELD_OUT_PARTS, "held out") != 0))


def _can_score(records: SchoolRecords, target: Target, carried: Catalog | None) -> bool:
    """Whether a trained model of the target would find what it reads: rows, and enough of its inputs."""
    from training.trained import LEAST_KNOWN

    units = {"enrolment": (), "section": ("sections", "rosters"), "skill": ("sections", "rosters", *_UNITS["skill"])}
    if not all(_has_rows(records, table) for table in ("enrolments", *units[target.unit])):
        return False
    catalog = (carried or STANDARD).at(target.unit)
    held = catalog.within(frozenset(table for table in records.parts if _has_rows(records, table) or table == "incidents"))
    if carried is not None:
        return len(set(held.inputs) & set(catalog.inputs)) >= LEAST_KNOWN * len(catalog.inputs)
    return any(held[name].concept != "history" for name in held.inputs)


# -- what is looked up ------------------------------------------------------------------------------------------------


def _has_rows(records: SchoolRecords, table: str) -> bool:
    return records.holds(table) and records.labels(table).filter(~pl.col("deleted")).head(1).collect().height > 0


def _absent(records: SchoolRecords, tables: Collection[str]) -> tuple[str, ...]:
    return tuple(
        named(table) if not records.holds(table) else f"rows in {named(table)}"
        for table in tables
        if not _has_rows(records, table)
    )


def _access(records: SchoolRecords) -> tuple[str, ...]:
    absent = _absent(records, ("digital_access",))
    if absent:
        return absent
    said = records.labels("digital_access").filter(
        ~pl.col("deleted"), (pl.col("device") != "unknown") | (pl.col("internet") != "unknown")
    )
    if said.head(1).collect().height:
        return ()
    return ("columns device and internet of digital_access: both are unknown of everybody",)


def _groups(records: SchoolRecords, asked: list[_Asked]) -> tuple[str, ...]:
    """Return what an audit lacks: two groups of one column that are large enough, with outcomes to compare."""
    absent = _absent(records, ("demographics",))
    if absent or not asked:
        return (*absent, *(() if asked else ("a target that can be learned: see above",)))
    if any(_filled(records, one) for one in asked):
        return ()
    return (f"demographics: two groups of one column with {LEAST_IN_GROUP} students each, {LEAST_WITH_OUTCOME} of them with "
            "the outcome",)  # fmt: skip


def _filled(records: SchoolRecords, asked: _Asked) -> bool:
    """Whether some column of demographics has two groups that can be compared on one target."""
    from training import fairness

    outcome = asked.keys.select("student_id").with_columns(asked.labels["label"]).filter(pl.col("label").is_not_null())
    # Where a share of the students was looked at, the whole has that many times more of them.
    return fairness.comparable(records, outcome, LEAST_IN_GROUP * asked.share, LEAST_WITH_OUTCOME * asked.share)

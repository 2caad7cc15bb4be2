"""The page of one student: what its reader may see of them, put together.

Everything of the records passes :func:`serving.cases.access.read`, cut to the reader. A score is worked out nowhere here: what
is said comes from the newest list, and why it moved from :mod:`serving.review.moved`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, get_args

import polars as pl

from features.attendance import LAG
from features.phrases import Language
from features.problems import HomeroomError, NotFound
from features.records import SchoolRecords
from serving import photos, retelling
from serving.cases import access, casebook, families, lessons, people, plans
from serving.cases.access import CALLED, Action, Viewer
from serving.cases.casebook import CaseFile
from serving.contract import NoModel
from serving.pages import cards, charts
from serving.pages.charts import CalendarChart, DayState, Mark, MarksChart, PieceState, WorkChart
from serving.pages.contexts import student as shown
from serving.pages.contexts.frame import Choice
from serving.pages.contexts.helping import Learn
from serving.pages.contexts.student import Area, Student
from serving.review import corrected, helping, moved
from serving.review.room import Asked, File, Room, intervention_name
from serving.scoring import WITHHELD
from serving.skills import Known, SkillMap, skill_map
from serving.withheld import Withheld
from serving.wording import of_100
from training import card_page

Row = Mapping[str, Any]

#: Which target is which area of a page, in the order in which areas are told.
AREAS: Mapping[str, Area] = {
    "dropout": "leaving", "chronic_absence": "attendance", "course_failure": "course", "learning_gap": "skills",
}  # fmt: skip

#: Bands from the one to look at first.
BANDS = ("check_in_suggested", "keep_an_eye", "no_extra_signal", "not_enough_data")

#: Which chart shows the facts of a concept.
CHARTS: Mapping[str, shown.Chart] = {"attendance": "attendance", "coursework": "coursework", "marks": "marks"}

#: So many days of school are shown at most: a year of them.
MOST_DAYS = 200

#: So many signs of a note are shown before somebody opens it.
MOST_SIGNS = 600

#: Work counts as done well from here on.
DONE_WELL = 0.9

#: Pictures that a browser shows and that can hold nothing but a picture.
_PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}

#: A school year where the records name none.
_YEAR = timedelta(days=365)

#: After how many weeks a support is proposed to be looked at again: six to eight are usual (see the design's review).
_REVIEW = timedelta(weeks=6)


@dataclass(frozen=True)
class Summary:
    """What the page of a student and the one that is printed for the family both tell, cut to a reader."""

    person: shown.Person
    facts_language: str
    strengths: tuple[str, ...]
    supports: tuple[shown.Support, ...]
    ended: tuple[shown.Support, ...]
    as_of: date | None
    no_score: shown.NoScore | None
    says: tuple[shown.Says, ...]
    quiet: tuple[str, ...]
    reasons: tuple[shown.Reason, ...]
    calendar: CalendarChart | None
    work: WorkChart | None
    marks: MarksChart | None
    unknowns: tuple[str, ...]
    missing: tuple[shown.Missing, ...]
    viewers: tuple[shown.Viewer, ...]
    cards: tuple[shown.Card, ...]


def summary(room: Room, asked: Asked) -> Summary:
    """Return what a page tells of the student of the address to a reader who only reads."""
    reader = _Reader.of(room, asked)
    facts = _Facts(room, asked, reader)
    file = casebook.file_of(room.db, room.tenant, reader.student_id, restricted=reader.may("see_restricted_note"))
    return _summary(room, asked, facts, _Said.of(room, asked, reader, facts), file, _viewers(room, asked, reader))


def _summary(room: Room, asked: Asked, facts: _Facts, said: _Said, file: CaseFile, viewers: Sequence[Viewer]) -> Summary:
    reader = said.reader
    running, ended = _supports(asked, reader, facts, file)
    calendar, work, marks = facts.charts()
    reasons = tuple(
        shown.Reason(concern=one["concept"], text=one["text"], chart=chart, skill=one["skill"])
        for one, chart in _with_charts(said.reasons(), calendar, work, marks)
    )
    return Summary(
        person=facts.person(), facts_language=said.language.code, strengths=said.strengths(), supports=running, ended=ended,
        as_of=room.as_of if said.rows else None, no_score=said.no_score, says=said.says(), quiet=said.quiet(), reasons=reasons,
        calendar=calendar, work=work, marks=marks, unknowns=said.unknowns(), missing=facts.missing(calendar, work, marks),
        viewers=tuple(
            shown.Viewer(name=one.account.name, stands=CALLED[one.account.role, one.relation]) for one in viewers
        ) if reader.may("see_viewers") else (),
        cards=_cards(room, said),
    )  # fmt: skip


def page(room: Room, asked: Asked) -> Student:
    """Return the page of the student of the address."""
    reader = _Reader.of(room, asked)
    facts = _Facts(room, asked, reader)
    said = _Said.of(room, asked, reader, facts)
    if reader.may("work_case"):
        casebook.note_look(room.db, asked.account, reader.student_id, asked.now)
    file = casebook.file_of(room.db, room.tenant, reader.student_id, restricted=reader.may("see_restricted_note"))
    viewers = _viewers(room, asked, reader)
    both = _summary(room, asked, facts, said, file, viewers)
    calendar, work, marks, reasons = both.calendar, both.work, both.marks, both.reasons
    drawn = {one.chart for one in reasons}
    there = {"attendance": calendar, "coursework": work, "marks": marks}
    others = tuple(chart for chart in get_args(shown.Chart) if there[chart] is not None and chart not in drawn)
    return Student(
        frame=asked.frame, student_id=reader.student_id, today=asked.today, reads=reader.reads,
        facts_language=both.facts_language,
        person=both.person, voice=facts.voice(), strengths=both.strengths, went_well=facts.went_well(both.ended),
        supports=both.supports, ended=both.ended, goals=facts.goals(), plans=_plans(room, reader),
        may_plan=reader.may("write_learning_plan"), disputed=_disputed(room, asked, reader),
        may_ask=reader.may("ask_correction"), may_export=reader.may("export_own"), owed=facts.owed(),
        accommodations=facts.accommodations(),
        home=facts.home(), as_of=both.as_of, no_score=both.no_score, says=both.says,
        quiet=both.quiet,
        reasons=reasons, others=others, calendar=calendar, work=work, marks=marks, unknowns=both.unknowns,
        missing=both.missing, numbers=said.numbers(), map=facts.map(), past=said.past(),
        shows_numbers=reader.may("see_numbers"), since=said.since(), changes=said.changes(),
        ask_why=said.ask_why,
        help=helping.of_student(room, asked, reader.student_id, reader.may, said.rows, facts.mapped(), reader.name)
        if reader.may("see_words") else None,
        learn=facts.learn(), what_ifs=said.what_ifs(), ask_what_if=said.ask_what_if, asked_what_if=said.what_if,
        prediction_id=said.prediction_id, case_work=_case_work(room, asked, reader, file, viewers),
        viewers=both.viewers,
        cards=both.cards,
    )  # fmt: skip


def warm(room: Room, today: date) -> None:
    """Read what belongs to no student, and the small tables of all, ahead of the first page of a student."""
    _school(room.records, today)
    room.of_student("")


def photo(room: Room, asked: Asked) -> File:
    """Return the photo of a student, where it was agreed to. Raises :class:`NotFound` where there is none to show."""
    found = _photo(room, room.records.of_student(asked.parts["student_id"], ("photos", "objections")), asked)
    if found is None:
        raise NotFound("There is no photo of this student that may be shown.")
    return File(found.read_bytes(), _PICTURES[found.suffix.lower()], f"photo{found.suffix.lower()}", shown=True)


def card(room: Room, asked: Asked) -> File:
    """Return the card of the model of an area as a page; raise :class:`NotFound` where no such model is in use.

    The one about leaving is for those who read what is said of it.
    """
    area, role = asked.parts["area"], asked.account.role
    target = next((name for name, one in AREAS.items() if one == area), "")
    held = access.RIGHTS["see_dropout" if area == "leaving" else "see_words"]
    if not target or role not in {one for one, _ in held}:
        raise NotFound("There is no such card.")
    reads = "family" if role in ("student", "guardian") else "counselor"
    told = room.desk.model_card(target, None, room.tenant)
    return File(cards.html(card_page.page(told, reads)).encode(), "text/html; charset=utf-8", "model-card.html", shown=True)


# -- who reads ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """Whose page it is, and what its reader may do."""

    student_id: str
    relation: access.Relation | None
    role: people.Role
    records: SchoolRecords
    identity: Row

    @classmethod
    def of(cls, room: Room, asked: Asked) -> _Reader:
        student_id = asked.parts["student_id"]
        mine = room.of_student(student_id)
        identity = next(access.read(mine, asked.seen, "identities", student_id).iter_rows(named=True), {})
        return cls(student_id, asked.seen.relation(student_id), asked.account.role, mine, identity)

    def may(self, action: Action) -> bool:
        """Whether the reader has a right to this student."""
        return access.may(self.role, self.relation, action)

    @property
    def reads(self) -> shown.Reads:
        """Who reads: staff, the student or the family."""
        return "student" if self.role == "student" else "family" if self.role == "guardian" else "staff"

    @property
    def name(self) -> str:
        """What the student is called, with which sentences begin."""
        return self.identity.get("preferred_name") or self.identity.get("given_name") or "The student"

    @property
    def named(self) -> bool:
        """Whether the reader may know a name."""
        return bool(self.identity.get("preferred_name") or self.identity.get("given_name"))


# -- the facts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """Records by the digest that names them, so that what was worked out of them can be found again."""

    tenant: str
    digest: str
    buckets: int
    records: SchoolRecords = field(compare=False)


@dataclass(frozen=True)
class _School:
    """What belongs to no student, as known on a day: names, days, and the work of classes.

    ``assignments`` has the work class by class; ``places`` tells where that of a class begins, and how much it is.
    """

    organisations: Mapping[str, Row]
    courses: Mapping[str, tuple[str, str]]
    years: Sequence[tuple[date, date]]
    days: Mapping[str, frozenset[date]]
    through: date | None
    assignments: pl.DataFrame
    places: Mapping[str, tuple[int, int]]
    skills: Mapping[str, str]

    def work_of(self, section_id: str) -> list[dict[str, Any]]:
        """Return the work of a class of the last year."""
        return self.assignments.slice(*self.places.get(section_id, (0, 0))).to_dicts()


def _school(records: SchoolRecords, day: date) -> _School:
    if not records.digest:
        return _read_school(records, day)
    return _remembered_school(_Kept(records.tenant, records.digest, records.buckets, records), day)


@lru_cache(maxsize=4)  # of 5,000 students about 15 MB a day, most of it the year's work
def _remembered_school(kept: _Kept, day: date) -> _School:
    return _read_school(kept.records, day)


def _read_school(records: SchoolRecords, day: date) -> _School:
    organisations = {one["organisation_id"]: one for one in records.reference("organisations", day).iter_rows(named=True)}
    courses = records.reference("courses", day).select("course_id", "title", "subject")
    sections = records.reference("sections", day).join(courses, on="course_id", how="left", suffix="_of_course")
    titled = sections.select(
        "section_id",
        pl.coalesce("title_of_course", "title", "course_id"),
        pl.coalesce("subject", "course_id"),
    )
    terms = records.reference("terms", day).filter(pl.col("kind") == "school_year").select("starts_on", "ends_on")
    begun = day - MOST_DAYS * timedelta(days=2)
    held = records.reference("calendar", day).filter(pl.col("instructional"), pl.col("on").is_between(begun, day))
    days = {str(school): frozenset(one["on"]) for (school,), one in held.group_by("organisation_id")}
    newest = records.visible("attendance", [day]).filter(pl.col("on") <= day).select(pl.col("on").max()).collect().item()
    recent = sections.filter(pl.col("ends_on") >= day - _YEAR, pl.col("starts_on") <= day).select("section_id")
    assignments = (
        records.visible("assignments", [day])
        .join(recent.lazy(), on="section_id", how="semi")
        .select("assignment_id", "section_id", "title", "due_on", "max_score")
        .sort("section_id", "assignment_id")
        .collect()
    )
    counts = assignments.group_by("section_id", maintain_order=True).len()
    places = counts.select("section_id", pl.col("len").cum_sum() - pl.col("len"), pl.col("len").alias("count"))
    skills = records.reference("skills", day).select("skill_id", pl.coalesce("statement", "skill_id"))
    return _School(
        organisations, {one[0]: (one[1], one[2]) for one in titled.iter_rows()}, tuple(terms.iter_rows()), days, newest,
        assignments, {section: (begins, count) for section, begins, count in places.iter_rows()}, dict(skills.iter_rows()),
    )  # fmt: skip


class _Facts:
    """What the records hold of a student, as far as the reader may see it."""

    def __init__(self, room: Room, asked: Asked, reader: _Reader) -> None:
        self._room, self._asked, self._reader = room, asked, reader
        self._day = asked.today
        self.school = _school(room.records, asked.today)
        self._tables: dict[str, list[dict[str, Any]]] = {}
        stays = [one for one in self.rows("enrolments") if one["entered_on"] is None or one["entered_on"] <= self._day]
        here = {str(one) for one in self._here()}
        stays.sort(key=lambda one: (one["enrolment_id"] in here, one["entered_on"] or date.min))
        self.stay: Row = stays[-1] if stays else {}
        self.enrolled = bool(here)

    def _here(self) -> pl.Series:
        stays = self._room.day(self._day).stays
        return stays.filter(pl.col("student_id") == self._reader.student_id)["enrolment_id"]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table that the reader may be shown."""
        if table not in self._tables:
            found = access.read(self._reader.records, self._asked.seen, table, self._reader.student_id)
            self._tables[table] = found.to_dicts()
        return self._tables[table]

    def course(self, section_id: str | None) -> str:
        """Return what a class teaches, in words."""
        return self.school.courses.get(section_id or "", (section_id or "", ""))[0]

    def person(self) -> shown.Person:
        """Return who the student is."""
        told = self._reader.identity
        name, family = self._reader.name, told.get("family_name") or ""
        grade, school = self.stay.get("grade_level"), self.school.organisations.get(self.stay.get("organisation_id", ""), {})
        return shown.Person(
            name=f"{name} {family}".strip() if told else self._reader.student_id, called=name,
            initials=f"{name[:1]}{family[:1]}".upper() if told else "", photo=self._photo() is not None,
            pronouns=told.get("pronouns") or "", year="" if grade is None else str(grade), school=school.get("name") or "",
        )  # fmt: skip

    def _photo(self) -> Path | None:
        return _photo(self._room, self._reader.records, self._asked)

    def voice(self) -> tuple[shown.Said, ...]:
        """Return what the student wrote for this reader."""
        order = get_args(shown.Prompt)
        rows = [one for one in self.rows("student_voice") if one["prompt"] in order]
        rows.sort(key=lambda one: order.index(one["prompt"]))
        return tuple(shown.Said(prompt=one["prompt"], text=one["says"], shared_with=one["shared_with"]) for one in rows)

    def goals(self) -> tuple[shown.Goal, ...]:
        """Return the student's goals, those that were not withdrawn."""
        rows = sorted(self.rows("learning_plans"), key=lambda one: one["recorded_on"], reverse=True)
        return tuple(
            shown.Goal(text=one["goal"], status=one["status"], check_on=one["next_check_on"])
            for one in rows[:3]
            if one["status"] != "withdrawn"
        )

    def owed(self) -> tuple[shown.Owed, ...]:
        """Return the plans in force."""
        return tuple(
            shown.Owed(kind=one["plan_kind"], since=one["begins_on"], until=one["expires_on"])
            for one in self.rows("plans")
            if one["begins_on"] <= self._day and (one["expires_on"] is None or one["expires_on"] >= self._day)
        )

    def accommodations(self) -> tuple[str, ...]:
        """Return what staff are to do."""
        return tuple(one["says"] or one["accommodation"] for one in self.rows("accommodations"))

    def home(self) -> shown.Home | None:
        """Return what there is to learn with at home; what was never said is unknown."""
        if not self._reader.may("see_access"):
            return None
        rows = [one for one in self.rows("digital_access") if one["recorded_on"] <= self._day]
        if not rows:
            return shown.Home(device="unknown", internet="unknown", on=None)
        one = max(rows, key=lambda row: row["recorded_on"])
        return shown.Home(device=one["device"], internet=one["internet"], on=one["recorded_on"])

    def went_well(self, ended: Sequence[shown.Support]) -> shown.WentWell | None:
        """Return the newest thing on record that went well."""
        found = [
            shown.WentWell(kind="support", what=one.name, on=one.ended_on)
            for one in ended
            if one.ended_on and one.result in ("goal_met", "goal_reached")
        ]
        found += [
            shown.WentWell(kind="plan", what=one["goal"], on=one["recorded_on"])
            for one in self.rows("learning_plans")
            if one["status"] == "completed"
        ]
        found += [
            shown.WentWell(kind="skill", what=one.skill.statement, on=one.last_on)
            for one in self._map.secure
            if one.last_on
        ] if self._reader.may("see_facts") else []  # fmt: skip
        best = {one["assignment_id"]: one for one in self.work_rows}
        for one in self.rows("results"):
            piece = best.get(one["assignment_id"])
            if piece and one["status"] == "graded" and piece["max_score"] and one["score"] >= DONE_WELL * piece["max_score"]:
                course = self.course(piece["section_id"])
                what = f"{course}: {piece['title']}" if piece["title"] else course
                found.append(shown.WentWell(kind="work", what=what, on=one["marked_on"]))
        return max(found, key=lambda one: (one.on, one.kind), default=None)

    # -- charts ----------------------------------------------------------------------------------------------------------

    def charts(self) -> tuple[CalendarChart | None, WorkChart | None, MarksChart | None]:
        """Return the charts of the facts, None where the reader may not see them or there are none."""
        if not self._reader.may("see_facts"):
            return None, None, None
        return charts.calendar(self._days()), charts.work(self._pieces()), charts.marks(self._marks())

    def missing(
        self, calendar: CalendarChart | None, work: WorkChart | None, marks: MarksChart | None
    ) -> tuple[shown.Missing, ...]:  # fmt: skip
        """Return which records there are none of."""
        if not self._reader.may("see_facts"):
            return ()
        found: list[shown.Missing] = []
        if calendar is None:
            found.append("attendance" if not self._room.records.holds("attendance") else "calendar")
        found += ["work"] if work is None else []
        found += ["marks"] if marks is None else []
        found += [] if self.rows("skill_results") else ["skills"]
        return tuple(found)

    def _days(self) -> dict[date, DayState]:
        """Return what is known of each school day of this stay, none after the last on which anything was recorded."""
        school, first = self.stay.get("organisation_id", ""), self.stay.get("entered_on")
        if first is None or not self._room.records.holds("attendance") or self.school.through is None:
            return {}
        last = min(self._day - timedelta(days=LAG), self.school.through, self.stay["planned_end_on"])
        held = sorted(day for day in self.school.days.get(school, ()) if first <= day <= last)[-MOST_DAYS:]
        told = {one["on"]: one for one in self.rows("attendance") if one["enrolment_id"] == self.stay["enrolment_id"]}
        every_day = self.school.organisations.get(school, {}).get("attendance_method") == "positive"
        return {day: _state(told.get(day), every_day=every_day) for day in held}

    @cached_property
    def work_rows(self) -> list[dict[str, Any]]:
        """Return the work of the classes that the student is or was in during this stay."""
        found = [
            work
            for seat in self.rows("rosters") if seat["enrolment_id"] == self.stay.get("enrolment_id")
            for work in self.school.work_of(seat["section_id"])
            if (seat["begins_on"] or date.min) <= (work["due_on"] or date.max)
            and (work["due_on"] or date.min) <= (seat["ends_on"] or date.max)
        ]  # fmt: skip
        return sorted(found, key=lambda one: (one["due_on"] or date.max, one["assignment_id"]))

    def _pieces(self) -> dict[str, list[PieceState]]:
        if not self._room.records.holds("submissions") and not self._room.records.holds("results"):
            return {}
        handed = {one["assignment_id"]: one["submitted_on"] for one in self.rows("submissions")}
        marked = {one["assignment_id"]: one["status"] for one in self.rows("results")}
        found: dict[str, list[PieceState]] = {}
        for one in self.work_rows:
            piece = one["assignment_id"]
            state = _piece(one["due_on"], handed.get(piece), marked.get(piece), self._day)
            found.setdefault(self.course(one["section_id"]), []).append(state)
        return dict(sorted(found.items()))

    def _marks(self) -> list[Mark]:
        rows = [one for one in self.rows("course_marks") if one["mark_share"] is not None]
        rows.sort(key=lambda one: one["decided_on"])
        latest: dict[str, dict[str, Any]] = {}
        for one in rows:
            if one["enrolment_id"] == self.stay.get("enrolment_id"):
                latest[self.course(one["section_id"])] = one
        if not latest:
            return []
        middles = {
            (section, term): middle
            for section, term, middle in access.class_middles(self._room.records, self._day)
            .filter(pl.col("section_id").is_in([one["section_id"] for one in latest.values()]))
            .iter_rows()
        }
        found = []
        for course, one in sorted(latest.items()):
            subject = self.school.courses.get(one["section_id"], ("", ""))[1]
            before = [
                other["mark_share"]
                for other in rows
                if other["decided_on"] < one["decided_on"]
                and self.school.courses.get(other["section_id"], ("", None))[1] == subject
            ]
            earlier = sum(before) / len(before) if before else None
            middle = middles.get((one["section_id"], one["term_id"]))
            found.append(Mark(course, one["mark_share"], one["decided_on"], earlier, middle))
        return found

    # -- skills ----------------------------------------------------------------------------------------------------------

    @cached_property
    def _map(self) -> SkillMap:
        student = self._reader.student_id
        checks = lessons.checks_of(self._room.db, self._room.tenant, [student])
        return skill_map(self._reader.records, [student], self._day, checks=checks, school=self._room.records)[student]

    def mapped(self) -> SkillMap | None:
        """Return the map of skills, None where the reader may not see it or no skill was ever looked at."""
        return self._map if self._reader.may("see_facts") and self._room.records.holds("skill_results") else None

    def learn(self) -> tuple[Learn, ...]:
        """Return what to learn the lowest skill from that is not secure and before which everything is."""
        mapped = self.mapped()
        if mapped is None or not mapped.next:
            return ()
        return helping.practice(self._room, self._day, self._reader.student_id, mapped)

    def map(self) -> shown.Map | None:
        """Return the map of skills, each part cut to what a page holds."""
        if not self._reader.may("see_facts") or not (self.rows("skill_results") or self._map.secure or self._map.next):
            return None
        most, found = shown.MOST_SKILLS, self._map
        secure = sorted(found.secure, key=lambda one: (one.seen_on or date.min, one.skill.skill_id), reverse=True)
        waits = [_skill(one.known, tuple(before.skill.statement for before in one.waits_for)) for one in found.waits]
        return shown.Map(
            secure=tuple(map(_skill, secure[:most])), secure_more=max(0, len(secure) - most),
            following=tuple(map(_skill, found.next[:most])), waits=tuple(waits[:most]), waits_more=max(0, len(waits) - most),
            unclear=tuple(map(_skill, found.not_enough_evidence[:most])),
            unclear_more=max(0, len(found.not_enough_evidence) - most),
        )  # fmt: skip


def _photo(room: Room, mine: SchoolRecords, asked: Asked) -> Path | None:
    """Return where the photo lies that may be shown; None where there is none, or it lies elsewhere than photos do."""
    rows = access.read(mine, asked.seen, "photos", asked.parts["student_id"])
    path = rows["path"].to_list()[-1] if len(rows) else None
    found = photos.place(room.store, path) if path else None
    return found if found is not None and found.is_file() else None


def _state(row: Row | None, *, every_day: bool) -> DayState:
    """Return what is known of a school day, counted as the features count it: taught at home or in hospital is present."""
    if row is None:
        return "unknown" if every_day else "present"
    missed = 0.0 if row["mode"] == "home_or_hospital" else row["absent_share"]
    if missed >= 1:
        return "absent"
    return "part" if missed > 0 or row["status"] == "late" else "present"


def _piece(due_on: date | None, handed_on: date | None, status: str | None, day: date) -> PieceState:
    """Return what is known of a piece of work."""
    if status == "exempt":
        return "excused"
    if handed_on is not None:
        return "late" if due_on is not None and handed_on > due_on else "on_time"
    if status in ("graded", "banked", "submitted", "partial"):
        return "in"
    return "not_due" if due_on is None or due_on >= day else "not_in"


def _skill(known: Known, waits_for: tuple[str, ...] = ()) -> shown.Skill:
    count = known.occasions + (1 if known.check else 0)
    return shown.Skill(statement=known.skill.statement, count=count, on=known.seen_on, waits_for=waits_for)


def _with_charts(
    reasons: Iterable[Row], calendar: CalendarChart | None, work: WorkChart | None, marks: MarksChart | None
) -> list[tuple[Row, shown.Chart | None]]:
    """Return reasons with the chart of their facts, each chart once."""
    there = {"attendance": calendar, "coursework": work, "marks": marks}
    found: list[tuple[Row, shown.Chart | None]] = []
    for one in reasons:
        chart = CHARTS.get(one["concept"])
        drawn = chart is None or there[chart] is None or any(chart == other for _, other in found)
        found.append((one, None if drawn else chart))
    return found


# -- what the records come to -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """The rows of the newest list that a reader may know of, the one to look at first first."""

    room: Room
    reader: _Reader
    facts: _Facts
    rows: tuple[Row, ...]
    no_score: shown.NoScore | None
    why: bool
    what_if: bool
    language: Language

    @classmethod
    def of(cls, room: Room, asked: Asked, reader: _Reader, facts: _Facts) -> _Said:
        status = Withheld.of(room.db, room.tenant, reader.records, asked.today).status(
            reader.student_id, facts.stay.get("organisation_id")
        )
        rows: list[Row] = []
        if room.scored is not None and status is None and reader.may("see_words"):
            found = room.scored.filter(pl.col("student_id") == reader.student_id)
            # A list that was made while an objection stood says nothing of them; the next one will.
            said = (one for one in found.iter_rows(named=True) if one["status"] not in WITHHELD)
            rows = [one for one in said if _open(one["target"], reader)]
            rows.sort(key=lambda one: (BANDS.index(one["band"]), list(AREAS).index(one["target"]), -(one["probability"] or 0)))
        courses = [facts.course(one["section_id"]) if one["section_id"] else "" for one in rows]
        told, language = retelling.all_in_language(rows, asked.words.facts, reader.name if reader.named else "", courses)
        no_score: shown.NoScore | None = (
            "no_list" if room.scored is None else "not_on_list" if not rows else None
        )  # fmt: skip
        if status is not None:
            no_score = "objected" if status == "objected" else "stopped"
        return cls(room, reader, facts, tuple(told), no_score, asked.query.get("why") == "1", asked.query.get("what_if") == "1",
                   language)  # fmt: skip

    def name(self, row: Row) -> str:
        """Return which course or skill a row is about, empty where it is about neither."""
        if row["target"] == "learning_gap":
            return self.facts.school.skills.get(row["skill_id"], row["skill_id"])
        return self.facts.course(row["section_id"]) if row["target"] == "course_failure" and row["section_id"] else ""

    def says(self) -> tuple[shown.Says, ...]:
        """Return what the records come to: each area, of courses those with something to say, of skills the foremost."""
        found: list[shown.Says] = []
        for row in self.rows:
            area = AREAS[row["target"]]
            if area == "course" and row["band"] == "no_extra_signal":
                continue
            if area == "skills" and any(one.area == "skills" for one in found):
                continue
            sure = "" if area == "skills" else row["per_100"] or ""
            found.append(shown.Says(area=area, course="" if area == "skills" else self.name(row), band=row["band"], sure=sure))
        return tuple(found)

    def quiet(self) -> tuple[str, ...]:
        """Return the courses without an extra signal."""
        return tuple(sorted({self.name(one) for one in self._of("course_failure") if one["band"] == "no_extra_signal"}))

    def _of(self, target: str) -> list[Row]:
        return [one for one in self.rows if one["target"] == target]

    def reasons(self) -> list[Row]:
        """Return three facts at most, each of another concept, of what is worth looking at."""
        found: dict[str, Row] = {}
        for row in self.rows:
            if row["band"] in BANDS[:2]:
                for one in row["reasons"]:
                    found.setdefault(one["concept"], {**one, "skill": self._skill(row, one)})
        known = shown.NAMED_CONCERNS
        return [one for concept, one in found.items() if concept in known][:3]

    def strengths(self) -> tuple[str, ...]:
        """Return what speaks for the student, two facts at most."""
        told = [(one, self._skill(row, one)) for row in reversed(self.rows) for one in row["strengths"]]
        return tuple({one["concept"]: f"{skill}: {one['text']}" if skill else one["text"] for one, skill in told}.values())[:2]

    def _skill(self, row: Row, fact: Row) -> str:
        """Return which skill a fact tells of, empty where of none: a sentence says "this skill"."""
        return self.name(row) if row["target"] == "learning_gap" and fact["concept"] == "skills" else ""

    def unknowns(self) -> tuple[str, ...]:
        """Return what is not known."""
        return tuple(dict.fromkeys(text for row in self.rows for text in row["unknowns"] or ()))

    def numbers(self) -> tuple[shown.Number, ...]:
        """Return the figures of each area, of skills those of the foremost six."""
        if not self.reader.may("see_numbers"):
            return ()
        scored = [one for one in self.rows if one["probability"] is not None]
        skills = [one for one in scored if one["target"] == "learning_gap"][:6]
        return tuple(
            shown.Number(
                area=AREAS[row["target"]], course=self.name(row), per_100=round(100 * row["probability"], 1),
                low=round(100 * row["interval_low"], 1), high=round(100 * row["interval_high"], 1),
                weights=tuple(
                    shown.Weight(concern=one["concept"], log_odds=round(one["contribution"], 2))
                    for one in (*row["reasons"], *row["strengths"])
                    if one["concept"] in shown.NAMED_CONCERNS
                ),
                version=row["model_version"],
            )
            for row in (*(one for one in scored if one["target"] != "learning_gap"), *skills)
        )  # fmt: skip

    @property
    def prediction_id(self) -> str:
        """The row that a disagreement is about: the one to look at first."""
        return str(self.rows[0]["prediction_id"]) if self.rows else ""

    # -- what if ---------------------------------------------------------------------------------------------------------

    @property
    def ask_what_if(self) -> bool:
        """Whether models could say what attendance as in September would make of a score, and nobody asked for it yet."""
        return bool(self.numbers()) and not self.what_if and any(
            one["band"] in BANDS[:2] and any(reason["concept"] == "attendance" for reason in one["reasons"] or ())
            for one in self.rows
        )

    def what_ifs(self) -> tuple[shown.WhatIf, ...]:
        """Return what scores would be had attendance stayed as in September, where somebody asked who sees numbers."""
        if not self.what_if or not self.numbers():
            return ()
        try:
            told: Any = self.room.desk.score_stored(
                [self.reader.student_id], self.room.tenant, "counselor", self.language.code
            )  # fmt: skip
        except HomeroomError:  # nothing is in use any more, or it may not be: then nothing is told
            return ()
        known = {(one["target"], one["enrolment_id"], one["section_id"]): self.name(one) for one in self.rows}
        return tuple(
            shown.WhatIf(area=AREAS[one["target"]], course=known[key], text=told_of["text"])
            for one in told["scores"][0]["risks"] for told_of in one.get("what_if", ())
            if (key := (one["target"], one["enrolment_id"], one["section_id"])) in known
        )  # fmt: skip

    # -- why it moved ----------------------------------------------------------------------------------------------------

    @cached_property
    def _history(self) -> moved.History:
        if self.room.latest is None or not self.rows:
            return moved.History()
        return moved.history(self.room.store, self.reader.student_id, self.room.latest.as_of)

    def past(self) -> tuple[shown.Past, ...]:
        """Return what kept lists said, the newest first, of each area the foremost row."""
        numbers = self.reader.may("see_numbers")
        found: dict[tuple[date, Area], shown.Past] = {}
        for row in self._history.rows:
            if not _open(row["target"], self.reader):
                continue
            key = row["as_of"], AREAS[row["target"]]
            one = shown.Past(
                on=key[0], area=key[1], band=row["band"], version=row["model_version"],
                per_100=_of_100(row["probability"]) if numbers else None,
            )  # fmt: skip
            if key not in found or BANDS.index(one.band) < BANDS.index(found[key].band):
                found[key] = one
        order = get_args(Area)
        return tuple(sorted(found.values(), key=lambda one: (-one.on.toordinal(), order.index(one.area))))

    @cached_property
    def ask_why(self) -> bool:
        """Whether to work out why it moved takes models longer than a page may, and nobody asked for it."""
        history = self._history
        if self.why or len(history.days) < 2 or not self.reader.may("see_facts"):
            return False
        made = {(row["as_of"], row["target"], row["model_version"]) for row in history.rows if row["as_of"] in history.days[:2]}
        other = len({(target, version) for _, target, version in made}) > len({target for _, target, _ in made})
        return other or self._late > 0

    @cached_property
    def _late(self) -> int:
        """How many rows arrived between the last two lists that are about the time before."""
        later, earlier = self._history.days[:2]
        return self.reader.records.arrived_late(earlier, later)

    def since(self) -> shown.Since | None:
        """Return what happened between the last two lists."""
        days = self._history.days
        if len(days) < 2 or not self.reader.may("see_facts"):
            return None
        later, earlier = days[0], days[1]
        between = [one for one in self.facts.rows("attendance") if earlier <= one["on"] < later]
        due = [one for one in self.facts.work_rows if one["due_on"] is not None and earlier <= one["due_on"] < later]
        missed = sum(0.0 if one["mode"] == "home_or_hospital" else one["absent_share"] for one in between)
        return shown.Since(
            earlier=earlier, later=later, missed=round(missed, 1), came_due=len(due),
            handed_in=sum(earlier < one["submitted_on"] <= later for one in self.facts.rows("submissions")),
            arrived_late=self._late,
        )  # fmt: skip

    def changes(self) -> tuple[shown.Change, ...]:
        """Return why it moved between the last two lists, of the areas and of the course to look at first."""
        history, numbers = self._history, self.reader.may("see_numbers")
        if len(history.days) < 2 or self.ask_why or not self.reader.may("see_facts"):
            return ()
        foremost: dict[Area, Row] = {}
        for row in self.rows:
            if row["target"] != "learning_gap":
                foremost.setdefault(AREAS[row["target"]], row)
        found: list[shown.Change] = []
        parts = moved.splits(self.room, self.reader.records, history, list(foremost.values()), late=self._late > 0)
        for (area, row), split in zip(foremost.items(), parts, strict=True):
            if split is None:
                continue
            told = tuple(
                shown.Part(cause=cause, pull=moved.pull(points), points=_of_100(points) if numbers and points else None)
                for cause, points in _by_cause(split)
            )
            found.append(shown.Change(area=area, course=self.name(row), before=split.before, after=row["band"], parts=told))
        return tuple(found)


def _by_cause(split: moved.Split) -> tuple[tuple[shown.Cause, float | None], ...]:
    return ("did", split.did), ("late", split.late), ("model", split.model)


def _of_100(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1) + 0.0  # a zero is never below zero


def _open(target: str, reader: _Reader) -> bool:
    """Whether a reader may know of a target at all."""
    return target in AREAS and (target != "dropout" or reader.may("see_dropout"))


# -- what adults do -----------------------------------------------------------------------------------------------------


def _supports(
    asked: Asked, reader: _Reader, facts: _Facts, file: CaseFile
) -> tuple[tuple[shown.Support, ...], tuple[shown.Support, ...]]:
    """Return help that runs and help that is over, of the records and of the casebook."""
    if not reader.may("see_supports"):
        return (), ()
    ends = {one["support_id"]: one for one in facts.rows("support_ends") if one["ended_on"] <= asked.today}
    found = []
    for one in facts.rows("supports"):
        if one["begins_on"] <= asked.today:
            end = ends.get(one["support_id"], {})
            found.append(
                shown.Support(
                    name=intervention_name(asked.words, one["intervention_id"]),
                    since=one["begins_on"],
                    dose="",
                    goal="",
                    review_on=None,
                    support_id="",
                    ended_on=end.get("ended_on"),
                    result=end.get("result"),
                )
            )
    found += [
        shown.Support(
            name=ours.name, since=ours.begins_on, dose=ours.dose, goal=ours.goal,
            review_on=ours.review_on if ours.running else None,
            support_id=ours.id if ours.running and reader.may("start_support") else "", ended_on=ours.ended_on,
            result=ours.result,
        )
        for ours in file.supports
    ]  # fmt: skip
    found.sort(key=lambda one: one.since, reverse=True)
    running = tuple(one for one in found if one.ended_on is None)
    ended = sorted((one for one in found if one.ended_on), key=lambda one: one.ended_on or date.min, reverse=True)
    return running, tuple(ended[:5])


def _plans(room: Room, reader: _Reader) -> tuple[shown.OwnPlan, ...]:
    """Return the learning plans that were begun here; what the records hold of others stands beside them."""
    if not reader.may("see_learning_plan"):
        return ()
    found = plans.plans_of(room.db, room.tenant, reader.student_id)
    return tuple(shown.OwnPlan(plan_id=one.id, goal=one.goal, state=one.state) for one in found[: shown.MOST_TOLD])


def _disputed(room: Room, asked: Asked, reader: _Reader) -> tuple[shown.Disputed, ...]:
    """Return what somebody says is wrong and still stands, of what the reader may see."""
    return tuple(
        shown.Disputed(
            about=asked.words.named("requests.about", one.about), row=one.row, was=one.was, should=one.should,
            refused=one.state == "refused",
        )
        for one in corrected.disputes(room, asked, reader.student_id)
    )  # fmt: skip


def _viewers(room: Room, asked: Asked, reader: _Reader) -> list[Viewer]:
    """Return who can see the student."""
    if not reader.may("see_viewers"):
        return []
    known = people.accounts(room.db, room.tenant)
    return access.who_can_see(room.records, known, reader.student_id, asked.today, now=asked.now, reader=asked.account)


#: Which right each form takes, and which move of the case it makes, where it makes one.
FORMS: Mapping[shown.Form, tuple[Action, casebook.Move | None]] = {
    "note": ("write_note", None),
    "revise": ("write_note", None),
    "contact": ("record_contact", None),
    "disagree": ("disagree", None),
    "step": ("write_note", None),
    "raise": ("raise_student", "raise"),
    "claim": ("claim", "claim"),
    "assign": ("assign", "assign"),
    "ask": ("work_case", "ask"),
    "answer": ("write_note", "answer"),
    "snooze": ("work_case", "snooze"),
    "resume": ("work_case", "resume"),
    "monitor": ("work_case", "monitor"),
    "close": ("work_case", "close"),
    "reopen": ("work_case", "reopen"),
    "start_support": ("start_support", "start_support"),
    "end_support": ("start_support", "end_support"),
    "review_support": ("start_support", None),
    "accept_help": ("start_support", "start_support"),
    "plan_help": ("write_learning_plan", None),
    "decline_help": ("disagree", None),
    "answer_offer": ("start_support", None),
    "give_minutes": ("start_support", None),
    "tell": ("work_case", None),
}


def _case_work(room: Room, asked: Asked, reader: _Reader, file: CaseFile, viewers: Sequence[Viewer]) -> shown.Work | None:
    """Return where the case stands, what was done, and the forms for what may be done; None for who has no part in it."""
    if not reader.may("see_note"):
        return None
    legal = file.legal()
    # Whoever was asked answers, and whoever works the case.
    asked_of = {one.who.id for one in file.steps if one.task == "answer" and one.done_at is None}
    answers = reader.may("work_case") or asked.account.id in asked_of
    forms = tuple(
        form for form, (right, move) in FORMS.items()
        if reader.may(right) and (move is None or move in legal) and (form != "answer" or answers)
    )  # fmt: skip
    begun = next((first for first, last in _school(room.records, asked.today).years if first <= asked.today <= last), None)
    since = begun or asked.today - _YEAR
    entitled = reader.may("see_conduct")
    older = entitled and asked.query.get("older") == "1"
    opened = asked.query.get("note", "")

    def recent(day: date) -> bool:
        return older or day >= since

    notes = [one for one in file.notes if recent(one.revisions[-1].at.date())]
    talks = [one for one in file.contacts if recent(one.on)]
    moves = [one for one in file.moves if recent(one.at.date())]
    objected = [one for one in file.disagreements if recent(one.at.date())]
    everything = len(file.notes) + len(file.contacts) + len(file.moves) + len(file.disagreements)
    hidden = everything - len(notes) - len(talks) - len(moves) - len(objected)
    most, case = shown.MOST_TOLD, file.case
    became = _corrections(room, asked, reader, objected)
    return shown.Work(
        state=case.state if case else None, with_whom=case.assignee.name if case and case.assignee else "",
        until=case.until if case else None, version=case.version if case else 0, forms=forms,
        restricted=reader.may("write_restricted_note"),
        steps=tuple(
            shown.Step(step_id=one.id, task=one.task, text=one.text, on=one.due_on, who=one.who.name)
            for one in sorted(file.steps, key=lambda one: one.due_on) if one.done_at is None
        )[:most],
        notes=tuple(_note(one, whole=one.id == opened) for one in notes[:most] if one.id == opened or not opened),
        talks=tuple(
            shown.Talk(on=one.on, whom=one.whom, channel=one.channel, agreed=one.agreed, by=one.by.name) for one in talks[:most]
        ),
        objected=tuple(
            shown.Objected(
                kind=one.kind, text=one.reason, by=one.by.name, on=one.at.date(),
                correction=became.get(one.correction_id or ""), ask=one.id if _may_ask(asked, reader, one) else "",
            ) for one in objected[:most]
        ),
        moves=tuple(_move(one) for one in moves[:most]),
        older=hidden if entitled else 0, shows_older=older,
        colleagues=tuple(
            Choice(value=one.account.id, name=one.account.name) for one in viewers
            if access.may(one.account.role, one.relation, "work_case")
        ),
        interventions=_interventions(asked), tasks=get_args(shown.Next), channels=casebook.CHANNELS, kinds=casebook.DISAGREED,
        close_reasons=casebook.CLOSE_REASONS, results=casebook.SUPPORT_RESULTS, next_day=_next_school_day(asked.today),
        last_snooze=asked.today + timedelta(days=casebook.LONGEST_SNOOZE), review_day=asked.today + _REVIEW,
        typed=_typed(asked),
    )  # fmt: skip


def _may_ask(asked: Asked, reader: _Reader, one: casebook.Disagreement) -> bool:
    """Whether the reader disagreed so, asked for no correction with it yet, and may."""
    mine = one.kind == "data_wrong" and one.by.id == asked.account.id
    return mine and one.correction_id is None and reader.may("ask_correction")


def _corrections(
    room: Room, asked: Asked, reader: _Reader, said: Sequence[casebook.Disagreement]
) -> Mapping[str, families.State]:
    """Return where the corrections stand that were asked for with disagreements, of those that the reader may know of."""
    wanted = {one.correction_id for one in said if one.correction_id}
    known = families.corrections(room.db, room.tenant, reader.student_id) if wanted else ()
    return {one.id: one.state for one in known if one.id in wanted and corrected.readable(asked, reader.student_id, one)}


def _interventions(asked: Asked) -> tuple[Choice, ...]:
    """Return the supports that the catalogue has a name for."""
    known = sorted(key for key in asked.words.phrases if key.startswith("intervention."))
    return tuple(Choice(value=key.partition(".")[2], name=asked.words.say(key)) for key in known)


def _next_school_day(today: date) -> date:
    """Return the next weekday, which a next step is proposed for."""
    return today + timedelta(days={4: 3, 5: 2}.get(today.weekday(), 1))


def _note(note: casebook.Note, *, whole: bool) -> shown.Note:
    def wording(one: casebook.Revision) -> shown.Wording:
        return shown.Wording(text=one.text if whole else one.text[:MOST_SIGNS], by=one.by.name, on=one.at.date())

    now = note.current
    return shown.Note(
        note_id=note.id, restricted=note.restricted, wordings=tuple(map(wording, now)), latest=wording(note.revisions[-1]),
        earlier=tuple(wording(one) for one in note.revisions if one not in now) if whole else (),
        revised=len(note.revisions) - 1, seen=note.latest, cut=not whole and any(len(one.text) > MOST_SIGNS for one in now),
        opened=whole,
    )  # fmt: skip


def _move(one: casebook.Moved) -> shown.Moved:
    told = [one.details.get(name, "") for name in ("question", "answer", "decision", "outcome")]
    reason = one.details.get("reason", "")
    told += [reason] if reason not in casebook.CLOSE_REASONS else []
    what: Any = one.action
    return shown.Moved(on=one.at.date(), by=one.by.name, what=what, text=" ".join(text for text in told if text))


#: Which field of each form stands where in :class:`~serving.pages.contexts.student.Typed`.
TYPED: Mapping[shown.Form, Mapping[str, str]] = {
    "note": {"text": "text", "choice": "task", "on": "due_on", "ticked": "restricted"},
    "revise": {"text": "text"},
    "contact": {"text": "agreed", "choice": "whom", "other": "channel", "second": "language", "on": "on"},
    "disagree": {"text": "reason", "choice": "kind"},
    "step": {"text": "text", "on": "due_on"},
    "raise": {"text": "reason"},
    "claim": {},
    "assign": {"choice": "to"},
    "ask": {"text": "question", "on": "due_on", "choice": "of"},
    "answer": {"text": "answer"},
    "snooze": {"text": "why", "until": "until"},
    "resume": {},
    "monitor": {},
    "close": {"text": "decision", "second": "outcome", "choice": "close_reason", "other": "consulted",
              "until": "next_review_on"},
    "reopen": {},
    "start_support": {"text": "goal", "second": "name", "third": "dose", "choice": "intervention_id", "on": "begins_on",
                      "until": "review_on"},
    "end_support": {"choice": "result", "on": "ended_on"},
    "review_support": {"until": "review_on"},
    "accept_help": {"choice": "intervention_id", "text": "goal", "third": "dose", "on": "begins_on", "until": "review_on"},
    "plan_help": {},
    "decline_help": {"choice": "intervention_id", "other": "why", "text": "words"},
    "answer_offer": {"choice": "answer", "other": "why", "text": "words", "second": "offer"},
    "give_minutes": {"text": "minutes", "third": "planned", "second": "offer"},
    "tell": {"choice": "what", "other": "told_by"},
}  # fmt: skip


def _typed(asked: Asked) -> shown.Typed:
    """Return what was typed into the form that was sent, if one was: nobody types twice what was refused once."""
    form = next((one for one in get_args(shown.Form) if one == asked.sent("form")), None)
    stands = TYPED[form] if form else {}
    told = {name: asked.sent(stands[name]) if name in stands else "" for name in ("text", "second", "third", "choice", "other",
                                                                                "on", "until")}  # fmt: skip
    return shown.Typed(form=form, ticked=bool(asked.sent(stands.get("ticked", "-"))), **told)


def _cards(room: Room, said: _Said) -> tuple[shown.Card, ...]:
    """Return what the cards of the models say that the page rests on."""
    found: list[shown.Card] = []
    for target, area in AREAS.items():
        if not said._of(target):
            continue
        try:
            told: Any = room.desk.model_card(target, None, room.tenant)
        except (NotFound, NoModel):  # it was taken out of use since the list was made
            continue
        metrics = told["metrics"]
        found.append(
            shown.Card(
                area=area,
                listed=of_100(metrics["precision_at_capacity"]),
                found=of_100(metrics["recall_at_capacity"]),
                to=date.fromisoformat(told["test"]["to"]),
            )
        )
    return tuple(found)

"""Whom no score is made of: students of whom an objection is in force, and schools where scoring is stopped.

Whoever scores cuts its students by one :class:`Withheld` before a single feature is computed. Those who are cut stay in
the list with a status and a sentence instead of a number, so that nobody takes silence for good news; their features
enter neither a score nor what their class is measured by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

import polars as pl

from features.cohort import Enrolled
from features.phrases import Sentence
from features.problems import Problem, Refused
from features.records import SchoolRecords, digest_of
from serving.cases import families, switches
from serving.cases.database import Database
from serving.scoring import OBJECTED, STOPPED, Risk, Status
from training.trained import TrainedModel

#: What is said in the place of a score.
SAYS = MappingProxyType(
    {
        OBJECTED: "The student or the family objected to being scored, so nothing was computed. Every support stays open.",
        STOPPED: "Scoring is stopped at this school, so nothing was computed.",
    }
)

#: The same, by the keys of other languages.
SENTENCES = MappingProxyType({f"status.{status}": says for status, says in SAYS.items()})

#: The last day there is: to look from it is to see the newest version of every row, whenever it became known.
_NEWEST = date(9999, 12, 31)


@dataclass(frozen=True)
class Withheld:
    """Who is not scored: students by key, everybody at some ``organisations`` or below them, or ``everywhere``."""

    objected: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    everywhere: bool = False

    def __bool__(self) -> bool:
        return bool(self.objected or self.organisations or self.everywhere)

    @property
    def digest(self) -> str:
        """What names it, for naming what was made under it; empty where nobody is withheld."""
        return digest_of(sorted(self.objected), sorted(self.organisations), self.everywhere) if self else ""

    @classmethod
    def of(cls, db: Database | None, tenant: str, records: SchoolRecords | None = None, as_of: date | None = None) -> Withheld:
        """Return who is withheld now, by the database and by the records, as far as either is there."""
        found = cls()
        if db is not None:
            stopped = switches.stopped(db, tenant)
            found = cls(families.objected(db, tenant), stopped.organisations, stopped.everywhere)
        return found if records is None else found.with_records(records, as_of or _NEWEST)

    def with_records(self, records: SchoolRecords, as_of: date) -> Withheld:
        """Return the same with the objections to profiling that the records themselves hold, and schools below those named.

        An objection counts from when it is known, also for a list of an earlier day. One that was taken back counts until
        the day on which it was.
        """
        objections = (
            records.visible("objections", [_NEWEST])
            .filter(pl.col("scope") == "profiling", pl.col("withdrawn_on").is_null() | (pl.col("withdrawn_on") > as_of))
            .select("student_id")
            .collect()
        )
        return Withheld(self.objected | set(objections["student_id"]), self._below(records), self.everywhere)

    def _below(self, records: SchoolRecords) -> frozenset[str]:
        if not self.organisations or not records.holds("organisations"):
            return self.organisations
        found = set(self.organisations)
        pairs = records.reference("organisations", _NEWEST).select("organisation_id", "parent_id").rows()
        while more := {one for one, above in pairs if above in found} - found:
            found |= more
        return frozenset(found)

    def status(self, student_id: str, organisation_id: str | None = None) -> Status | None:
        """Return why nothing is said of a student at a school, ``None`` where something is."""
        if student_id in self.objected:
            return OBJECTED
        return STOPPED if self.everywhere or organisation_id in self.organisations else None

    def reason(self, student_id: str) -> Status:
        """Return why a student is not scored who is known not to be."""
        return OBJECTED if student_id in self.objected else STOPPED

    def apart(self, enrolled: Enrolled, records: SchoolRecords) -> tuple[Enrolled, Enrolled]:
        """Return those who are scored and those who are not, both as they are enrolled."""
        if not self:
            return enrolled, replace(enrolled, stays=enrolled.stays.clear(), seats=enrolled.seats.clear())
        out = pl.lit(self.everywhere) | pl.col("student_id").is_in(list(self.objected))
        stays = enrolled.stays
        if self.organisations:
            days = stays["as_of"].unique().to_list()
            closed = (
                records.visible("enrolments", days)
                .filter(pl.col("organisation_id").is_in(list(self.organisations)))
                .select("enrolment_id")
                .collect()
            )
            out = out | pl.col("enrolment_id").is_in(closed["enrolment_id"].unique().to_list())
        gone = stays.filter(out)
        kept = stays.filter(~out)

        def of(part: pl.DataFrame) -> Enrolled:
            seats = enrolled.seats.join(part, on=["enrolment_id", "as_of"], how="semi", maintain_order="left")
            return replace(enrolled, stays=part, seats=seats)

        return of(kept), of(gone)

    def rows_apart(self, rows: pl.DataFrame, records: SchoolRecords) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return rows of a list or a snapshot of those who are scored, and of those who are not."""
        units = rows.select("student_id", "enrolment_id", "as_of")
        _, gone = self.apart(Enrolled(units, units.clear(), pl.LazyFrame()), records)
        out = rows.join(gone.stays.unique(), on=["student_id", "enrolment_id", "as_of"], how="semi", nulls_equal=True)
        kept = rows.join(gone.stays.unique(), on=["student_id", "enrolment_id", "as_of"], how="anti", nulls_equal=True,
                         maintain_order="left")  # fmt: skip
        return kept, out

    def risks(self, gone: Enrolled, models: Sequence[TrainedModel]) -> list[Risk]:
        """Return what every model does not say of those who are not scored: a status and a sentence, unit by unit."""
        return [
            self.risk(model, keys["student_id"], keys["enrolment_id"], keys["section_id"], keys["skill_id"], keys["as_of"])
            for model in models
            for keys in (gone.units(model.target.unit).frame.iter_rows(named=True) if len(gone.stays) else ())
        ]

    def risk(
        self, model: TrainedModel, student_id: str, enrolment_id: str | None, section_id: str | None, skill_id: str | None,
        as_of: date,
    ) -> Risk:  # fmt: skip
        """Return that one unit is not scored, and why."""
        status = self.reason(student_id)
        return Risk(model, student_id, enrolment_id, section_id, skill_id, as_of, status, SAYS[status], {}, {}, {}, {},
                    status_told=Sentence(f"status.{status}", SAYS[status]))  # fmt: skip

    def refuse_everywhere(self) -> None:
        """Raise :class:`Refused` where scoring is stopped everywhere, so that there is nothing to be made."""
        if self.everywhere:
            raise Refused(
                [Problem("scoring_stopped", "scoring", "it is stopped everywhere",
                         "`homeroom pause` without a reason says since when and why, `homeroom resume` lets it go on.")],
                "No list was made",
            )  # fmt: skip


#: Nobody is withheld.
NOBODY = Withheld()

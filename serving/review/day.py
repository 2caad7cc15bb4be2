"""Who is where on a day: schools, years and classes, as known on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords


@dataclass(frozen=True)
class Day:
    """Who is where on a day, as known on it.

    ``stays`` has ``student_id``, ``enrolment_id``, ``organisation_id`` and ``grade_level`` of everybody enrolled, ``seats``
    has ``student_id`` and ``section_id`` of every class they are in. ``sections`` and ``schools`` hold names by key, and
    ``parents`` what a school or district belongs to.
    """

    on: date
    stays: pl.DataFrame
    seats: pl.DataFrame
    sections: Mapping[str, str]
    schools: Mapping[str, str]
    parents: Mapping[str, str]

    @classmethod
    def of(cls, records: SchoolRecords, on: date) -> Day:
        """Return a day of a school's records."""
        found = enrolled(records, pl.DataFrame({"as_of": [on]}, schema={"as_of": pl.Date}))
        known = records.visible("enrolments", [on]).select("enrolment_id", "student_id", "organisation_id", "grade_level")
        stays = known.join(found.stays.lazy().select("enrolment_id"), on="enrolment_id", how="semi").collect()
        seats = found.seats.join(stays.select("enrolment_id", "student_id"), on="enrolment_id", how="inner")
        courses = records.reference("courses", on).select("course_id", pl.col("title").alias("course"))
        classes = records.reference("sections", on).join(courses, on="course_id", how="left")
        titled = classes.select("section_id", pl.coalesce("title", "course", "section_id"))
        here = records.reference("organisations", on)
        schools = here.select("organisation_id", pl.coalesce("name", "organisation_id"))
        parents = here.select("organisation_id", "parent_id").drop_nulls()
        return cls(
            on,
            stays.sort("student_id", "enrolment_id"),
            seats.select("student_id", "section_id").unique().sort("student_id", "section_id"),
            dict(titled.iter_rows()),
            dict(schools.iter_rows()),
            dict(parents.iter_rows()),
        )

    @cached_property
    def _in_class(self) -> Mapping[str, tuple[str, ...]]:
        return {str(section): tuple(one["student_id"]) for (section,), one in self.seats.group_by("section_id")}

    def students_of(self, section_id: str) -> tuple[str, ...]:
        """Return who is in a class, nobody for one that there is not."""
        return self._in_class.get(section_id, ())

"""Who is where on a day: schools, years and classes, as known on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

from features.cohort import enrolled
from features.records import SchoolRecords

if TYPE_CHECKING:
    from serving.pages.words import Words


@dataclass(frozen=True)
class Day:
    """Who is where on a day, as known on it.

    ``stays`` has ``student_id``, ``enrolment_id``, ``organisation_id`` and ``grade_level`` of everybody enrolled, ``seats``
    has ``student_id`` and ``section_id`` of every class they are in. ``sections`` and ``schools`` hold names by key, and
    ``parents`` what a school or district belongs to. ``numbers`` tells classes of the same name in a school and term apart, in
    the order of their keys; a class whose name is its own has none.
    """

    on: date
    stays: pl.DataFrame
    seats: pl.DataFrame
    sections: Mapping[str, str]
    schools: Mapping[str, str]
    parents: Mapping[str, str]
    numbers: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, records: SchoolRecords, on: date) -> Day:
        """Return a day of a school's records."""
        found = enrolled(records, pl.DataFrame({"as_of": [on]}, schema={"as_of": pl.Date}))
        known = records.visible("enrolments", [on]).select("enrolment_id", "student_id", "organisation_id", "grade_level")
        stays = known.join(found.stays.lazy().select("enrolment_id"), on="enrolment_id", how="semi").collect()
        seats = found.seats.join(stays.select("enrolment_id", "student_id"), on="enrolment_id", how="inner")
        courses = records.reference("courses", on).select("course_id", pl.col("title").alias("course"))
        classes = records.reference("sections", on).join(courses, on="course_id", how="left")
        titled = classes.select(
            "section_id", "organisation_id", "term_id", pl.coalesce("title", "course", "section_id").alias("called")
        )
        alike = ("organisation_id", "term_id", "called")
        numbered = titled.sort("section_id").select(
            "section_id", pl.int_range(1, pl.len() + 1).over(alike).alias("number"), pl.len().over(alike).alias("of")
        )
        here = records.reference("organisations", on)
        schools = here.select("organisation_id", pl.coalesce("name", "organisation_id"))
        parents = here.select("organisation_id", "parent_id").drop_nulls()
        return cls(
            on,
            stays.sort("student_id", "enrolment_id"),
            seats.select("student_id", "section_id").unique().sort("student_id", "section_id"),
            dict(titled.select("section_id", "called").iter_rows()),
            dict(schools.iter_rows()),
            dict(parents.iter_rows()),
            dict(numbered.filter(pl.col("of") > 1).select("section_id", "number").iter_rows()),
        )

    def class_name(self, section_id: str, words: Words) -> str:
        """Return what a class is called where it stands beside others: with a number where its name is not enough."""
        name, number = self.sections.get(section_id, section_id), self.numbers.get(section_id)
        return name if number is None else words.say("classes.numbered", name=name, number=number)

    def place_of(self, section_id: str) -> tuple[str, int, str]:
        """Return the place of a class among others: by its name, its number and its key."""
        return self.sections.get(section_id, section_id), self.numbers.get(section_id, 0), section_id

    @cached_property
    def _in_class(self) -> Mapping[str, tuple[str, ...]]:
        return {str(section): tuple(one["student_id"]) for (section,), one in self.seats.group_by("section_id")}

    def students_of(self, section_id: str) -> tuple[str, ...]:
        """Return who is in a class, nobody for one that there is not."""
        return self._in_class.get(section_id, ())

"""The map of skills: what is secure, what is next, what waits for it, and of what too little was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import example_school as school
import polars as pl
import pytest

from features.records import SchoolRecords
from features.skills import SECURE
from features.tables import TABLES
from serving.skills import MARK, Check, SkillMap, known, skill_map, skills_of

TODAY = date(2026, 11, 13)
BEGAN = date(2026, 9, 1)

#: count -> add -> fractions -> ratios, and add -> lines -> graphs.
STEPS = (("add", "count"), ("fractions", "add"), ("ratios", "fractions"), ("lines", "add"), ("graphs", "lines"))

Shown = Sequence[tuple[str, str, date, float]]


def records(shown: Shown, steps: Sequence[tuple[str, str]] = STEPS) -> SchoolRecords:
    """Return records in which students showed skills on days, with a share of the best score."""
    skills = sorted({one for step in steps for one in step})
    rows = [(who, f"{who}-1", "class", skill, f"e{number}", on, share) for number, (who, skill, on, share) in enumerate(shown)]
    keys = ("student_id", "enrolment_id", "section_id", "skill_id", "evidence_id", "occurred_on", "score_share")
    kinds = {name: TABLES["skill_results"].schema[name] for name in keys}
    return SchoolRecords.from_frames(
        {
            "skills": pl.DataFrame({"skill_id": skills, "statement": [one.title() for one in skills]}),
            "skill_prerequisites": pl.DataFrame(list(steps), schema=["skill_id", "prerequisite_id"], orient="row"),
            "skill_results": pl.DataFrame(rows, schema=kinds, orient="row"),
            "assignments": pl.DataFrame(
                {"assignment_id": ["w1", "w2"], "section_id": ["class"] * 2, "kind": ["quiz"] * 2,
                 "due_on": [TODAY, TODAY + timedelta(days=1)]}
            ),
            "assignment_skills": pl.DataFrame({"assignment_id": ["w1", "w2"], "skill_id": ["lines", "graphs"]}),
        }
    )  # fmt: skip


def twice(who: str, skill: str, share: float, on: date = BEGAN) -> Shown:
    return [(who, skill, on, share), (who, skill, on + timedelta(days=1), share)]


def names(found: Sequence[object]) -> list[str]:
    return [one.skill.skill_id for one in found]  # type: ignore[attr-defined]


def one_map(shown: Shown, *asked: str, checks: Sequence[Check] = (), as_of: date = TODAY) -> SkillMap:
    return skill_map(records(shown), ["ana"], as_of, skills=asked, checks=checks)["ana"]


def test_the_lowest_skill_that_is_not_secure_with_all_before_it_secure_comes_next_and_the_rest_waits_for_it() -> None:
    shown = [
        *twice("ana", "count", 0.9),
        *twice("ana", "add", 0.5),
        *twice("ana", "fractions", 0.9),
        *twice("ana", "ratios", 0.4),
    ]
    found = one_map(shown, "ratios", "lines")
    assert names(found.secure) == ["count", "fractions"]
    assert names(found.next) == ["add", "ratios"], "nobody is sent back below what is secure"
    assert found.ready_for is not None
    assert (found.ready_for.skill.skill_id, found.ready_for.seen_on) == ("add", BEGAN + timedelta(days=1))
    assert [(one.known.skill.skill_id, names(one.waits_for)) for one in found.waits] == [("lines", ["add"])]


def test_secure_is_what_the_sentences_call_secure() -> None:
    assert MARK == SECURE / 10_000 == 0.8
    at_the_mark = one_map(twice("ana", "count", 0.8), "count")
    below = one_map(twice("ana", "count", 0.79), "count")
    assert (names(at_the_mark.secure), names(below.secure), names(below.next)) == (["count"], [], ["count"])


def test_what_is_recent_counts_more() -> None:
    long_ago, lately = TODAY - timedelta(days=100), TODAY - timedelta(days=3)
    better = one_map([*twice("ana", "count", 0.3, long_ago), *twice("ana", "count", 0.9, lately)], "count")
    worse = one_map([*twice("ana", "count", 0.9, long_ago), *twice("ana", "count", 0.3, lately)], "count")
    assert (better.secure[0].occasions, better.secure[0].last_on) == (4, lately + timedelta(days=1))
    assert better.secure[0].level == pytest.approx((2 * 0.3 + 16 * 0.9) / 18)
    assert names(worse.next) == ["count"]


def test_of_a_skill_that_was_shown_less_than_twice_nothing_is_said() -> None:
    once = one_map([("ana", "count", BEGAN, 0.1)], "count")
    assert (names(once.next), names(once.not_enough_evidence)) == ([], ["count"])
    never = one_map([], "add")
    assert (names(never.not_enough_evidence), names(never.next)) == (["count"], [])
    assert [one.known.skill.skill_id for one in never.waits] == ["add"]
    assert never.not_enough_evidence[0].seen_on is None


def test_who_has_secured_all_that_was_asked_is_ready_for_what_builds_on_it_alone() -> None:
    found = one_map([*twice("ana", "count", 0.9), *twice("ana", "add", 0.9)], "count", "add")
    assert found.ready_for_more
    assert names(found.more) == ["fractions", "lines"]
    assert not one_map([], "add").ready_for_more
    assert not one_map([]).ready_for_more, "of whom nothing was asked nothing is said"


def test_a_check_counts_until_the_records_hold_evidence_of_a_later_day() -> None:
    checked = Check("ana", "count", BEGAN + timedelta(days=20), "secure", "Ruth")
    before = one_map(twice("ana", "count", 0.2), "count", checks=[checked])
    assert (names(before.secure), before.secure[0].check, before.secure[0].seen_on) == (["count"], checked, checked.on)
    after = one_map(
        [*twice("ana", "count", 0.2), ("ana", "count", checked.on + timedelta(days=1), 0.2)], "count", checks=[checked]
    )
    assert (names(after.secure), names(after.next)) == ([], ["count"])
    assert after.next[0].check is None
    assert names(one_map([], "count", checks=[checked]).secure) == ["count"], "a check is evidence where there is no other"
    not_yet = Check("ana", "count", checked.on + timedelta(days=2), "not_yet")
    assert names(one_map([], "count", checks=[not_yet, checked]).next) == ["count"], "the newest check counts"


def test_not_seen_says_nothing_and_a_check_to_come_is_not_known() -> None:
    shown = twice("ana", "count", 0.9)
    absent = Check("ana", "count", TODAY, "not_seen")
    to_come = Check("ana", "count", TODAY + timedelta(days=1), "not_yet")
    of_nobody_here = Check("ben", "count", TODAY, "not_yet")
    found = one_map(shown, "count", checks=[absent, to_come, of_nobody_here, Check("ana", "no such", TODAY, "secure")])
    assert (names(found.secure), found.secure[0].check) == (["count"], None)


def test_evidence_after_the_day_is_not_known() -> None:
    shown = [*twice("ana", "count", 0.9), ("ana", "count", TODAY + timedelta(days=1), 0.0)]
    assert one_map(shown, "count").secure[0].occasions == 2
    assert names(one_map(shown, "count", as_of=BEGAN).not_enough_evidence) == ["count"]


def test_skills_in_a_circle_leave_nobody_ready_for_nothing() -> None:
    steps = (("a", "b"), ("b", "c"), ("c", "a"))
    found = skill_map(records(twice("ana", "a", 0.1), steps), ["ana"], TODAY, skills=["a", "b", "c"])["ana"]
    assert found.next or found.not_enough_evidence


def test_without_a_question_a_map_is_of_what_was_shown_in_a_year() -> None:
    old = TODAY - timedelta(days=400)
    shown = [*twice("ana", "graphs", 0.1, old), *twice("ana", "count", 0.9), *twice("ana", "add", 0.9)]
    found = skill_map(records(shown), ["ana", "nobody"], TODAY)
    assert (names(found["ana"].secure), names(found["ana"].more)) == (["count", "add"], ["fractions", "lines"])
    assert found["nobody"] == SkillMap("nobody", (), (), (), (), ())


def test_one_student_has_the_same_map_alone_and_in_a_class() -> None:
    here = school.records()
    alone = skill_map(here, ["ana"], TODAY)["ana"]
    assert skill_map(here, school.STUDENTS, TODAY)["ana"] == alone
    assert alone == skill_map(here, ["ana"], TODAY)["ana"]


def test_a_class_has_come_to_the_skills_of_work_that_was_due_and_of_its_evidence() -> None:
    assert [one.skill_id for one in skills_of(records(twice("ana", "ratios", 0.5)), "class", TODAY)] == ["lines", "ratios"]
    assert skills_of(records([]), "another", TODAY) == ()


def test_what_is_known_of_given_skills_is_told_without_looking_at_what_comes_before() -> None:
    found = known(records(twice("ana", "ratios", 0.9)), ["ana"], ["ratios", "add", "no such"], TODAY)
    assert {skill: one.state for skill, one in found["ana"].items()} == {"ratios": "secure", "add": "not_enough_evidence"}

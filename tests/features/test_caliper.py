"""Events of Caliper become activity by day and kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.problems import Refused
from features.sources import tables
from features.sources.companions import Known
from features.sources.tables import Parts

#: Every test reads files; the quick run has those that read every source alike.
pytestmark = pytest.mark.full

DAYS = {"starts_on": [date(2026, 8, 24)], "ends_on": [date(2026, 12, 18)]}
LMS = "https://lms.example"


def known(**more: pl.DataFrame) -> Known:
    """Two students, known by number and address, a teacher, and one class."""
    frames = {
        "organisations": pl.DataFrame({"organisation_id": ["east"], "kind": ["school"]}),
        "terms": pl.DataFrame({"term_id": ["f26"], **DAYS}),
        "courses": pl.DataFrame({"course_id": ["alg"]}),
        "sections": pl.DataFrame({"section_id": ["c1"], "course_id": ["alg"], "term_id": ["f26"], "organisation_id": ["east"],
                                  **DAYS}),
        "students": pl.DataFrame({"student_id": ["u1", "u2"]}),
        "enrolments": pl.DataFrame({"enrolment_id": ["e1", "e2"], "student_id": ["u1", "u2"],
                                    "organisation_id": ["east"] * 2, "entered_on": DAYS["starts_on"] * 2,
                                    "planned_end_on": DAYS["ends_on"] * 2}),
        "staff": pl.DataFrame({"staff_id": ["t1"], "email": ["tom@school.example"]}),
    } | more  # fmt: skip
    names = [("identifier", "554433", "u1"), ("identifier", "554434", "u2"), ("email", "ana@school.example", "u1"),
             ("userIds.bus", "7", "u1"), ("userIds.lunch", "7", "u2")]  # fmt: skip
    return Known(pl.DataFrame(names, {"kind": pl.String, "value": pl.String, "student_id": pl.String}, orient="row"), frames,
                 pl.DataFrame({"kind": ["classCode"], "value": ["ALG-1"], "section_id": ["c1"]}))  # fmt: skip


def event(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2", "id": f"urn:uuid:{number}", "type": "NavigationEvent",
        "actor": {"id": f"{LMS}/users/554433", "type": "Person", "name": "Ana Okafor"}, "action": "NavigatedTo",
        "object": {"id": f"{LMS}/pages/{number}", "type": "WebPage"}, "eventTime": "2026-09-02T10:15:00.000Z",
        "group": {"id": f"{LMS}/courses/7/sections/ALG-1", "type": "CourseSection"},
        "membership": {"id": f"{LMS}/m/1", "type": "Membership", "roles": ["Learner"]},
    }  # fmt: skip
    return {name: value for name, value in (made | changes).items() if value is not None}


def envelope(*data: Mapping[str, Any]) -> dict[str, Any]:
    return {"sensor": f"{LMS}/sensor", "sendTime": "2026-09-02T10:20:00.000Z",
            "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p1", "data": list(data)}  # fmt: skip


def complete(folder: Path, objects: Sequence[Any], of: Known | None = None, name: str = "events.jsonl") -> Parts:
    (folder / name).write_text("\n".join(json.dumps(one) for one in objects))
    parts = tables.complete(folder, None, of or known(), "lincoln")
    assert all(one.read == one.kept + one.quarantined + one.left_out for one in parts.accounts)
    return parts


def counts(parts: Parts, file: str = "events.jsonl") -> tuple[int, int, int, int]:
    return next((one.read, one.kept, one.quarantined, one.left_out) for one in parts.accounts if one.file == file)


def rows(parts: Parts) -> list[tuple[object, ...]]:
    return parts.tables["activity"].select("student_id", "section_id", "on", "kind", "actions", "resources").sort(
        "student_id", "on", "kind").rows()  # fmt: skip


def reasons(parts: Parts, file: str = "events.jsonl") -> list[list[str]]:
    return [[re.sub(r": [^:]*$", "", one) for one in row] for row in parts.quarantine[file]["reasons"].to_list()]


def person(key: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "type": "Person", **more}


def test_events_are_counted_by_day_and_kind(tmp_path: Path) -> None:
    quiz = {"id": f"{LMS}/quizzes/1", "type": "Assessment"}
    parts = complete(tmp_path, [
        event(1), event(2), event(3, object={"id": f"{LMS}/pages/1", "type": "Page"}),
        event(4, type="AssessmentEvent", action="Started", object=quiz),
        event(5, object=quiz), event(6, type="MessageEvent", action="Posted", object={"id": "m", "type": "Message"}),
        event(7, eventTime="2026-09-03T23:59:59Z"), event(8, actor=person(f"{LMS}/users/554434")),
        event(9, type="http://purl.imsglobal.org/caliper/v1/ToolUseEvent", object={"id": "t", "type": "SoftwareApplication"}),
        event(10, object=f"{LMS}/courses/7", type="ViewEvent"),
    ])  # fmt: skip
    day = date(2026, 9, 2)
    assert rows(parts) == [
        ("u1", "c1", day, "content", 3, 2), ("u1", "c1", day, "discussion", 1, 1), ("u1", "c1", day, "other", 2, 2),
        ("u1", "c1", day, "quiz", 2, 1), ("u1", "c1", date(2026, 9, 3), "content", 1, 1),
        ("u2", "c1", day, "content", 1, 1)]  # fmt: skip
    assert counts(parts) == (10, 10, 0, 0)
    assert parts.problems == ()
    assert set(parts.tables["activity"]["enrolment_id"]) == {"e1", "e2"}
    assert dict(parts.tables["activity"].schema)["actions"] == pl.Int32


def test_envelopes_arrays_and_files_together_count_each_event_once(tmp_path: Path) -> None:
    (tmp_path / "later.json").write_text(json.dumps([event(2), event(3)], indent=1))
    parts = complete(tmp_path, [envelope(event(1), {"id": "x", "type": "Person"}), envelope(event(1), event(2)), event(4)])
    assert counts(parts) == (5, 3, 0, 2)
    assert counts(parts, "later.json") == (2, 1, 0, 1)
    assert rows(parts)[0][4] == 4


@pytest.mark.parametrize(
    ("actor", "whose"),
    [
        (person("554433"), "u1"), (person(f"{LMS}/users/554434/"), "u2"), ("urn:x:user:554434", "u2"),
        (person("mailto:Ana@school.example"), "u1"),
        (person("urn:lms:1", otherIdentifiers=[{"identifier": "554434", "identifierType": "SisSourcedId"}]), "u2"),
        (person("urn:lms:1", extensions={"com.instructure.canvas": {"user_sis_id": "554434", "entity_id": "99"}}), "u2"),
        # The whole name and what stands beside it count before its last part.
        (person(f"{LMS}/users/554433", otherIdentifiers=[{"identifier": "554434"}]), "u2"),
    ],
)  # fmt: skip
def test_an_actor_is_joined_through_the_identifiers(tmp_path: Path, actor: Any, whose: str) -> None:
    assert rows(complete(tmp_path, [event(1, actor=actor)]))[0][0] == whose


def test_an_actor_of_the_same_envelope_may_be_named_alone(tmp_path: Path) -> None:
    ana = person("urn:lms:1", otherIdentifiers=[{"identifier": "554433"}])
    assert rows(complete(tmp_path, [envelope(ana, event(1, actor="urn:lms:1"))]))[0][0] == "u1"


def test_names_that_begin_alike_are_looked_up_in_one_kind(tmp_path: Path) -> None:
    parts = complete(tmp_path, [event(1), event(2, actor=person(f"{LMS}/users/7"))])
    assert reasons(parts) == [["actor.id: unknown_student"]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actor": person(f"{LMS}/users/1")}, "actor.id: unknown_student"),
        ({"actor": person("7")}, "actor.id: ambiguous_student"),
        ({"actor": None}, "actor.id: missing_value"),
        ({"actor": {"type": "Person"}}, "actor.id: bad_value"),
        ({"group": {"id": "urn:other", "type": "CourseSection"}}, "group.id: unknown_section"),
        ({"eventTime": "yesterday"}, "eventTime: bad_value"),
        ({"eventTime": None}, "eventTime: missing_value"),
        ({"eventTime": "2027-09-02T10:15:00Z"}, "actor.id, eventTime: no_enrolment_on_that_day"),
        ({"object": None}, "object.id: missing_value"),
        ({"id": {"a": 1}}, "id: bad_value"),
    ],
)
def test_a_faulty_event_is_set_aside_with_its_place_and_field(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    parts = complete(tmp_path, [event(1), event(2, **changes)])
    assert counts(parts) == (2, 1, 1, 0)
    assert parts.quarantine["events.jsonl"]["row"].to_list() == [2]
    assert reasons(parts) == [[reason]]
    assert "Okafor" not in str([*parts.quarantine["events.jsonl"].rows(), *parts.problems])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"membership": {"roles": ["Instructor"]}}, "of others than learners"),
        ({"actor": person("t1"), "membership": None}, "of others than learners"),
        ({"actor": person("mailto:tom@school.example"), "membership": None}, "of others than learners"),
        ({"actor": {"id": "app", "type": "SoftwareApplication"}}, "of programs and groups"),
        ({"type": "GradeEvent"}, "that give a mark"),
        ({"group": None}, "outside of a class"),
        ({"id": "urn:uuid:1"}, "sent more than once"),
    ],
)
def test_what_is_no_work_of_a_learner_in_a_class_is_left_out_and_told(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    parts = complete(tmp_path, [event(1), event(2, **changes)])
    assert counts(parts) == (2, 1, 0, 1)
    assert next(one.why for one in parts.accounts) == f"1 {why}"


def test_a_team_is_of_the_class_that_it_is_part_of(tmp_path: Path) -> None:
    team = {"id": "team", "type": "Group", "subOrganizationOf": {"id": "urn:ALG-1", "type": "CourseSection"}}
    offering = {"id": "urn:course", "type": "CourseOffering", "courseNumber": "ALG-1"}
    member = {"organization": "urn:ALG-1", "roles": ["Learner"]}
    parts = complete(tmp_path, [event(1, group=team), event(2, group=offering), event(3, group=None, membership=member)])
    assert rows(parts)[0][4] == 3


def test_corrected_events_come_in_again(tmp_path: Path) -> None:
    broken = [event(1), event(2, eventTime="2026-09-31T10:00:00Z")]
    parts = complete(tmp_path, broken)
    aside = parts.quarantine["events.jsonl"]
    from features import quarantine

    quarantine.write(tmp_path, parts.accounts, parts.problems, {"events.jsonl": aside})
    sheet = tmp_path / "events.quarantined.csv"
    sheet.write_text(sheet.read_text("utf-8-sig").replace("2026-09-31", "2026-09-30"))
    again = complete(tmp_path, broken)
    assert counts(again) == (2, 2, 0, 0)
    assert [one[2] for one in rows(again)] == [date(2026, 9, 2), date(2026, 9, 30)]


def test_activity_of_the_main_format_stays_where_events_tell_nothing_of_it(tmp_path: Path) -> None:
    theirs = pl.DataFrame({"student_id": ["u1"] * 2, "enrolment_id": ["e1"] * 2, "section_id": ["c1"] * 2,
                           "on": [date(2026, 9, 1), date(2026, 9, 2)], "kind": ["content"] * 2, "actions": [9, 9],
                           "resources": [9, 9]})  # fmt: skip
    parts = complete(tmp_path, [event(1)], known(activity=theirs))
    assert [one[2:5] for one in rows(parts)] == [(date(2026, 9, 1), "content", 9), (date(2026, 9, 2), "content", 1)]


def test_a_broken_line_and_a_second_file_of_activity_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{json.dumps(event(1))}\n{json.dumps(event(2))[:-9]}\n{json.dumps(event(3))}\n")
    (tmp_path / "activity.csv").write_text("student_id\nu1\n")
    with pytest.raises(Refused) as caught:
        tables.complete(tmp_path, None, known(), "lincoln")
    assert {(one.code, one.file) for one in caught.value.problems} >= {("two_files", "events.jsonl"),
                                                                      ("not_json", "events.jsonl")}  # fmt: skip
    assert any("line 2 " in str(one) for one in caught.value.problems)

"""Who sees what: the policy as one table, and relations that follow rosters, roles and caseloads."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cohort import enrolled
from features.problems import NotFound, Refused
from features.records import FACTS, SchoolRecords
from features.tables import TABLES
from serving.cases import access
from serving.cases.access import ACTIONS, RELATIONS, RIGHTS, STANDINGS, Action, Grant, Relation, Visible, may, refusal, visible
from serving.cases.people import ROLES, Account, Role

ROOT = Path(__file__).resolve().parents[2]

#: The day on which most tests look at the school, in the middle of a term.
TODAY = date(2026, 11, 13)
NOON = datetime(2026, 11, 13, 12, tzinfo=UTC)
BEFORE, YESTERDAY, TOMORROW, LATER = date(2026, 9, 1), date(2026, 11, 12), date(2026, 11, 14), date(2027, 6, 25)

Rows = dict[str, list[dict[str, object]]]


def account(role: Role, person: str | None, organisation: str | None = None, number: str = "1") -> Account:
    return Account(f"{role}-{person}-{number}", "default", f"{role}-{person}", f"{role} {person}", role, person, organisation)


TEACHER, COUNSELOR, PRINCIPAL = account("teacher", "tess"), account("counselor", "cora"), account("principal", "pia")
ANALYST, MINISTRY = account("district_analyst", "dan"), account("ministry", "min")
SCIENTIST, ADMINISTRATOR = account("data_scientist", "sid"), account("administrator", "ada")
ANA, MOTHER = account("student", "ana"), account("guardian", "g-ana")
EVERYBODY = (TEACHER, COUNSELOR, PRINCIPAL, ANALYST, MINISTRY, SCIENTIST, ADMINISTRATOR, ANA, MOTHER)


def the_school() -> Rows:
    """Lincoln and Harbor, two schools of a district. Ana and Ben are at Lincoln, in grades 9 and 10, Cal is at Harbor."""
    homes = {"ana": ("lincoln", 9, "Álvarez"), "ben": ("lincoln", 10, "O'Brien"), "cal": ("harbor", 9, "McDonald")}
    stay = {"entered_on": BEFORE, "planned_end_on": LATER}
    roles = [("tess", "lincoln", "teacher"), ("tim", "harbor", "teacher"), ("cora", "lincoln", "counselor"),
             ("carl", "lincoln", "counselor"), ("pia", "lincoln", "principal"), ("dora", "state", "principal"),
             ("dan", "district", "district_analyst"), ("min", "state", "ministry_analyst"),
             ("sid", "district", "data_scientist"), ("ada", "lincoln", "administrator")]  # fmt: skip
    said = {"my_teachers": "proud_of", "my_counselor": "nervous_or_stressed", "only_me": "trusted_adult"}
    return {
        "organisations": [
            {"organisation_id": "state", "kind": "state"},
            {"organisation_id": "district", "kind": "district", "parent_id": "state"},
            {"organisation_id": "lincoln", "kind": "school", "parent_id": "district"},
            {"organisation_id": "harbor", "kind": "school", "parent_id": "district"},
            {"organisation_id": "college", "kind": "university", "parent_id": "state"},
            {"organisation_id": "sciences", "kind": "department", "parent_id": "college"},
        ],
        "sections": [
            {"section_id": f"{school}-{name}", "course_id": name, "term_id": "2026", "organisation_id": school,
             "starts_on": BEFORE, "ends_on": LATER}
            for school in ("lincoln", "harbor") for name in ("algebra", "reading")
        ],
        "students": [{"student_id": student} for student in homes],
        "identities": [{"student_id": s, "given_name": s.title(), "family_name": name} for s, (_, _, name) in homes.items()],
        "enrolments": [{"enrolment_id": f"e-{s}", "student_id": s, "organisation_id": school, "grade_level": grade, **stay}
                       for s, (school, grade, _) in homes.items()],
        "exits": [],
        "rosters": [{"student_id": s, "enrolment_id": f"e-{s}", "section_id": f"{school}-algebra", "begins_on": BEFORE}
                    for s, (school, _, _) in homes.items()],
        "staff_roles": [{"staff_id": who, "organisation_id": where, "role": what, "begins_on": BEFORE}
                        for who, where, what in roles],
        "teaching": [{"staff_id": "tess", "section_id": "lincoln-algebra", "begins_on": BEFORE},
                     {"staff_id": "tim", "section_id": "harbor-algebra", "begins_on": BEFORE}],
        "caseloads": [],
        "caseload_students": [],
        "guardians": [{"student_id": "ana", "guardian_id": "g-ana", "name": "Maria", "contact_restriction": "none"},
                      {"student_id": "ana", "guardian_id": "g-two", "name": "Marco"}],
        "student_voice": [{"student_id": s, "prompt": prompt, "says": f"{s} {word}", "shared_with": word, "recorded_on": BEFORE}
                          for s in homes for word, prompt in said.items()],
        "photos": [{"student_id": s, "path": f"{s}.svg", "consent": True, "consented_on": BEFORE} for s in homes],
        "objections": [],
        "surveys": [{"student_id": s, "enrolment_id": f"e-{s}", "wave": "autumn", "construct": "belonging", "scale_mean": 3.0,
                     "answered_on": BEFORE} for s in homes],
        "plans": [{"plan_id": f"p-{s}", "student_id": s, "plan_kind": "health_plan", "begins_on": BEFORE} for s in homes],
        "accommodations": [{"student_id": s, "accommodation": "more time", "plan_id": f"p-{s}"} for s in homes],
        "course_marks": [{"student_id": s, "enrolment_id": f"e-{s}", "section_id": f"{homes[s][0]}-algebra", "term_id": "2026",
                          "letter": "B", "decided_on": BEFORE} for s in homes],
        "incidents": [{"incident_id": f"i-{s}", "student_id": s, "enrolment_id": f"e-{s}", "conduct": "other",
                       "role": "perpetrator", "occurred_on": BEFORE} for s in homes],
        "supports": [{"support_id": f"s-{s}", "student_id": s, "enrolment_id": f"e-{s}", "intervention_id": "tutoring",
                      "begins_on": BEFORE} for s in homes],
        "support_ends": [{"support_id": f"s-{s}", "student_id": s, "ended_on": YESTERDAY, "result": "goal_met"} for s in homes],
        "learning_plans": [{"learning_plan_id": f"l-{s}", "student_id": s, "goal": "fractions", "status": "agreed",
                            "recorded_on": BEFORE} for s in homes],
    }  # fmt: skip


def records(rows: Mapping[str, Iterable[Mapping[str, object]]], digest: str = "") -> SchoolRecords:
    """Return records of rows, each known since long ago unless it says otherwise."""
    whole = {"tenant": "default", "known_on": date(1900, 1, 1), "deleted": False}
    frames = {
        name: pl.DataFrame([{**whole, **row} for row in found], schema=TABLES[name].schema, orient="row")
        for name, found in rows.items()
    }
    return SchoolRecords.from_frames(frames, digest=digest)


def relations(rows: Rows, who: Account, day: date = TODAY) -> dict[str, Relation]:
    found = visible(records(rows), who, day)
    return dict(found.students.iter_rows())


# -- the policy -------------------------------------------------------------------------------------------------------


@cache
def page_grants() -> dict[tuple[str, str], bool]:
    """Read the two tables of docs/access.md: (heading of a column, action) and whether it says yes."""
    found: dict[tuple[str, str], bool] = {}
    heads: list[str] = []
    for line in (ROOT / "docs" / "access.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "right":
            heads = cells[2:]
        elif heads and cells[0].startswith("`"):
            found |= {(head, cells[0].strip("`")): cell == "yes" for head, cell in zip(heads, cells[2:], strict=True)}
    return found


COLUMNS: dict[tuple[Role, Relation], str] = {
    ("teacher", "own_class"): "teacher",
    ("counselor", "caseload"): "counselor, caseload",
    ("counselor", "school"): "counselor, school",
    ("principal", "school"): "principal",
    ("student", "self"): "student",
    ("guardian", "own_child"): "guardian",
    ("administrator", "break_glass"): "administrator, opened",
}


def test_the_page_on_access_is_the_one_that_the_code_writes() -> None:
    written = (ROOT / "docs" / "access.md").read_text()
    assert written == access.as_markdown(), "write it anew: python -m serving.cases.access > docs/access.md"


@pytest.mark.parametrize("action", ACTIONS)
def test_every_role_and_relation_is_granted_or_refused_as_the_page_says(action: Action) -> None:
    page = page_grants()
    for role, relation in product(ROLES, (*RELATIONS, None)):
        if action in access.WITHOUT_A_STUDENT:
            granted = page[role.replace("_", " "), action]
        else:
            granted = relation is not None and (role, relation) in COLUMNS and page[COLUMNS[role, relation], action]
        assert may(role, relation, action) is granted, (role, relation)
        if granted:
            assert action in access.allowed(role, relation)
            with pytest.raises(ValueError, match="nothing is refused"):
                refusal(role, relation, action)
        else:
            assert refusal(role, relation, action).endswith(".")


def test_every_action_role_and_relation_has_its_place_in_the_policy() -> None:
    assert list(RIGHTS) == list(ACTIONS) == list(access.SAYS)
    assert set(access.REACH) == set(ROLES)
    assert {relation for _, relation in STANDINGS} == set(RELATIONS)
    for action, held in RIGHTS.items():
        assert held, action
        assert {relation is None for _, relation in held} == {action in access.WITHOUT_A_STUDENT}, action
        assert held <= set(STANDINGS) | {(role, None) for role in ROLES}, action
    assert set(access.VOICE) == set(TABLES["student_voice"].column("shared_with").values)
    assert {role for role, _ in STANDINGS} | {"district_analyst", "ministry", "data_scientist"} == set(ROLES)


def test_numbers_and_leaving_are_for_counselors_and_figures_of_groups_for_those_who_see_no_student() -> None:
    for action in ("see_numbers", "see_dropout", "see_restricted_note"):
        assert {role for role, _ in RIGHTS[action]} == {"counselor"}
    assert RIGHTS["see_voice_for_nobody"] == {("student", "self")}
    assert {role for role, _ in RIGHTS["see_pseudonymous"]} == {"data_scientist"}
    for role in ("district_analyst", "ministry", "data_scientist"):
        assert not any((role, relation) in held for held in RIGHTS.values() for relation in RELATIONS)
    opened = set(access.allowed("administrator", "break_glass")) - access.WITHOUT_A_STUDENT
    assert all(action.startswith("see_") for action in opened)
    assert not opened & {"see_numbers", "see_dropout", "see_note", "see_restricted_note", *access.VOICE.values()}


def test_every_table_of_students_that_has_something_to_show_takes_a_right() -> None:
    to_show = {name for name, table in TABLES.items() if table.by_student and (table.used_for("display_only") or name in FACTS)}
    assert to_show == {*access.SHOWN, "student_voice"}


def test_what_people_read_states_rights_without_words_that_judge() -> None:
    told = [*access.SAYS.values(), *access.REACH.values(), *STANDINGS.values()]
    told += [refusal(role, tie, action) for role, tie, action in product(ROLES, (*RELATIONS, None), ACTIONS)
             if not may(role, tie, action)]  # fmt: skip
    for words in told:
        assert not re.search(r"risk|flag|dropout|\bgaps?\b|_", words, re.IGNORECASE), words
    assert refusal("teacher", "own_class", "see_numbers") == (
        "Only the student's counselor may open the probability and what went into it."
    )
    assert refusal("guardian", "own_child", "administer_accounts") == "Only administrators may make, change and close accounts."


# -- relations --------------------------------------------------------------------------------------------------------


def test_a_teacher_sees_who_is_in_their_classes_and_nobody_else() -> None:
    assert relations(the_school(), TEACHER) == {"ana": "own_class", "ben": "own_class"}
    assert relations(the_school(), account("teacher", "tim")) == {"cal": "own_class"}
    assert relations(the_school(), account("teacher", "nobody")) == {}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("sections", {"ends_on": YESTERDAY}),
        ("teaching", {"ends_on": YESTERDAY}),
        ("teaching", {"begins_on": LATER}),
        ("staff_roles", {"ends_on": YESTERDAY}),
        ("rosters", {"ends_on": YESTERDAY}),
        ("enrolments", {"planned_end_on": YESTERDAY}),
        ("students", {"deleted": True}),
    ],
)
def test_a_teacher_sees_nobody_once_the_class_the_work_or_the_stay_is_over(table: str, change: dict[str, object]) -> None:
    rows = the_school()
    for row in rows[table]:
        row.update(change)
    assert relations(rows, TEACHER) == {}
    for row in rows[table]:
        row["known_on"] = TOMORROW
    rows[table] += the_school()[table]
    assert relations(rows, TEACHER) == {"ana": "own_class", "ben": "own_class"}
    assert relations(rows, TEACHER, TOMORROW) == {}


def test_the_last_day_of_work_is_one_of_work() -> None:
    rows = the_school()
    rows["teaching"][0]["ends_on"] = rows["staff_roles"][0]["ends_on"] = TODAY
    assert relations(rows, TEACHER)
    assert not relations(rows, TEACHER, TOMORROW)


def test_where_no_roles_were_sent_a_class_makes_a_teacher_and_nothing_makes_a_principal() -> None:
    rows = the_school()
    del rows["staff_roles"]
    assert relations(rows, TEACHER) == {"ana": "own_class", "ben": "own_class"}
    assert relations(rows, PRINCIPAL) == relations(rows, COUNSELOR) == {}
    rows["staff_roles"] = []
    assert relations(rows, TEACHER) == {}
    rows["staff_roles"] = [{"staff_id": "tess", "organisation_id": "lincoln", "role": "interventionist"}]
    assert relations(rows, TEACHER) == {}


def test_a_student_who_left_is_seen_by_no_staff_and_still_sees_their_own_record() -> None:
    rows = the_school()
    rows["exits"] = [{"enrolment_id": "e-ana", "student_id": "ana", "exited_on": YESTERDAY, "kind": "transferred"}]
    for who in (TEACHER, COUNSELOR, PRINCIPAL):
        assert "ana" not in relations(rows, who)
        assert "ben" in relations(rows, who)
    assert relations(rows, ANA) == {"ana": "self"}
    assert relations(rows, MOTHER) == {"ana": "own_child"}


LISTED: dict[str, object] = {"caseload_id": "c1", "staff_id": "cora", "organisation_id": "lincoln", "by": "student"}


def test_a_counselor_sees_the_school_where_it_keeps_no_caseloads() -> None:
    assert relations(the_school(), COUNSELOR) == {"ana": "school", "ben": "school"}


def test_a_caseload_that_is_handed_over_moves_its_students_and_opens_nothing() -> None:
    rows = the_school()
    rows["caseloads"] = [LISTED, {**LISTED, "staff_id": "carl", "known_on": TOMORROW}]
    rows["caseload_students"] = [{"caseload_id": "c1", "student_id": student} for student in ("ana", "cal")]
    carl = account("counselor", "carl")
    assert relations(rows, COUNSELOR) == {"ana": "caseload"}, "Cal is at another school than the caseload"
    assert relations(rows, carl) == {}
    assert relations(rows, COUNSELOR, TOMORROW) == {}
    assert relations(rows, carl, TOMORROW) == {"ana": "caseload"}


def test_a_caseload_of_somebody_who_is_no_counselor_there_gives_nothing() -> None:
    rows = the_school()
    rows["caseloads"] = [{**LISTED, "staff_id": "tim"}, {**LISTED, "caseload_id": "c2", "by": "grade", "grade_level": 9}]
    rows["caseload_students"] = [{"caseload_id": "c1", "student_id": "ana"}]
    assert relations(rows, account("counselor", "tim")) == {}
    for row in rows["staff_roles"]:
        row["ends_on"] = YESTERDAY
    assert relations(rows, COUNSELOR) == {}


@pytest.mark.parametrize(
    ("says", "whom"),
    [
        ({"by": "grade", "grade_level": 9}, {"ana"}),
        ({"by": "grade"}, set()),
        ({"by": "surname", "surname_from": "A", "surname_to": "A"}, {"ana"}),
        ({"by": "surname", "surname_from": "a", "surname_to": "o"}, {"ana", "ben"}),
        ({"by": "surname", "surname_from": "Ob", "surname_to": "Oz"}, {"ben"}),
        ({"by": "surname", "surname_from": "Oc", "surname_to": "Oz"}, set()),
        ({"by": "surname", "surname_from": "A"}, set()),
        ({"by": "surname", "surname_from": "-", "surname_to": "z"}, set()),
        ({"by": "surname", "surname_from": "A", "surname_to": "Z", "organisation_id": "district"}, {"ana", "ben"}),
    ],
)
def test_a_caseload_covers_the_grade_or_the_letters_that_it_says(says: dict[str, object], whom: set[str]) -> None:
    rows = the_school()
    rows["caseloads"] = [{**LISTED, **says}]
    assert relations(rows, COUNSELOR) == dict.fromkeys(whom, "caseload")


def test_a_counselor_of_the_district_reaches_the_schools_of_their_caseload() -> None:
    rows = the_school()
    rows["staff_roles"].append({"staff_id": "dee", "organisation_id": "district", "role": "counselor"})
    rows["caseloads"] = [{**LISTED, "staff_id": "dee", "organisation_id": "district", "by": "grade", "grade_level": 9}]
    assert relations(rows, account("counselor", "dee")) == {"ana": "caseload", "cal": "caseload"}


def test_a_principal_sees_their_own_school_and_one_above_it_sees_no_student() -> None:
    assert relations(the_school(), PRINCIPAL) == {"ana": "school", "ben": "school"}
    assert relations(the_school(), account("principal", "dora", "lincoln")) == {}


@pytest.mark.parametrize("who", [ANALYST, MINISTRY, SCIENTIST, ADMINISTRATOR], ids=lambda who: str(who.role))
def test_who_works_with_figures_or_accounts_sees_no_student(who: Account) -> None:
    assert relations(the_school(), replace(who, organisation_id="lincoln")) == {}


def test_the_role_of_an_account_decides_and_not_all_that_a_person_is() -> None:
    assert relations(the_school(), account("principal", "tess")) == {}
    assert relations(the_school(), account("student", "g-ana")) == {}
    assert relations(the_school(), account("guardian", "ana")) == {}


def test_a_guardian_sees_their_child_unless_a_restriction_stands() -> None:
    rows = the_school()
    assert relations(rows, account("guardian", "g-two")) == {"ana": "own_child"}
    rows["guardians"][0] |= {"contact_restriction": "court_order", "known_on": TODAY}
    assert relations(rows, MOTHER, YESTERDAY) == {}
    rows["guardians"].append(the_school()["guardians"][0])
    assert relations(rows, MOTHER, YESTERDAY) == {"ana": "own_child"}
    assert relations(rows, MOTHER) == {}


@pytest.mark.parametrize("place", ["college", "sciences"])
def test_at_a_university_the_records_are_the_students_alone(place: str) -> None:
    rows = the_school()
    rows["enrolments"].append({**rows["enrolments"][0], "enrolment_id": "e-two", "organisation_id": place})
    assert relations(rows, MOTHER) == {}
    assert relations(rows, ANA) == {"ana": "self"}


def test_an_account_that_is_disabled_elsewhere_or_of_nobody_sees_nobody() -> None:
    school = records(the_school(), "access-accounts")
    assert [len(visible(school, who, TODAY)) for who in EVERYBODY] == [2, 2, 2, 0, 0, 0, 0, 1, 1]
    for who in EVERYBODY:
        for other in (replace(who, disabled=True), replace(who, tenant="other"), replace(who, person_id=None)):
            assert len(visible(school, other, TODAY)) == 0


GRANT = Grant(ADMINISTRATOR.id, "ana", "no counselor is in the house", PRINCIPAL.id, NOON)


def test_a_grant_opens_one_record_for_an_hour() -> None:
    school = records(the_school())
    for minutes, whom in ((-1, []), (0, ["ana"]), (59, ["ana"]), (60, [])):
        now = NOON + timedelta(minutes=minutes)
        assert list(visible(school, ADMINISTRATOR, TODAY, grants=[GRANT], now=now)) == whom
        assert access.relation(school, ADMINISTRATOR, "ana", TODAY, grants=[GRANT], now=now) == (
            "break_glass" if whom else None
        )
    assert not visible(school, ADMINISTRATOR, TODAY, grants=[GRANT])


@pytest.mark.parametrize(
    "grant",
    [
        replace(GRANT, approved_by=ADMINISTRATOR.id),
        replace(GRANT, approved_by=""),
        replace(GRANT, reason=" "),
        replace(GRANT, account_id="somebody else"),
        replace(GRANT, student_id="nobody"),
    ],
)
def test_a_grant_without_a_reason_approved_by_the_reader_or_for_somebody_else_opens_nothing(grant: Grant) -> None:
    assert not visible(records(the_school()), ADMINISTRATOR, TODAY, grants=[grant], now=NOON)


def test_a_grant_opens_nothing_to_who_is_no_administrator() -> None:
    grant = replace(GRANT, account_id=ANALYST.id)
    assert not visible(records(the_school()), ANALYST, TODAY, grants=[grant], now=NOON)


def test_what_is_not_seen_is_told_in_the_words_of_what_is_not_there() -> None:
    seen = visible(records(the_school()), TEACHER, TODAY)
    assert seen.require("ana", "see_words") == "own_class"
    assert seen.require("cal", "raise_safeguarding") is None
    told = []
    for student in ("cal", "there is no such student"):
        with pytest.raises(NotFound) as missing:
            seen.require(student, "see_words")
        told.append(str(missing.value))
    assert told[0] == told[1]
    with pytest.raises(Refused, match="Only the student's counselor may") as refused:
        seen.require("ana", "see_numbers")
    assert "ana" not in str(refused.value)
    assert [one.code for one in refused.value.problems] == ["not_permitted"]


def test_who_can_see_a_student_is_told_with_the_relation() -> None:
    school = records(the_school())
    strangers = [replace(TEACHER, id="off", disabled=True), replace(TEACHER, id="far", tenant="other")]
    everybody = [*EVERYBODY, account("guardian", "g-two"), *strangers]
    found = access.who_can_see(school, everybody, "ana", TODAY, grants=[GRANT], now=NOON)
    second = account("guardian", "g-two")
    assert [(one.account, one.relation) for one in found] == [
        (TEACHER, "own_class"), (COUNSELOR, "school"), (PRINCIPAL, "school"), (ANA, "self"), (MOTHER, "own_child"),
        (second, "own_child"), (ADMINISTRATOR, "break_glass"),
    ]  # fmt: skip
    assert found[0].sentence == "teacher tess teaches a class that the student is in now."
    for one in found:
        assert access.relation(school, one.account, "ana", TODAY, grants=[GRANT], now=NOON) == one.relation
    assert access.who_can_see(school, everybody, "nobody", TODAY) == []
    for reader in (ANA, MOTHER):
        told = [one.account for one in access.who_can_see(school, everybody, "ana", TODAY, reader=reader)]
        assert second not in told
        assert (MOTHER in told) is (reader == MOTHER)


def test_figures_of_groups_are_of_the_own_school_or_of_all_below() -> None:
    rows = the_school()
    below = {"lincoln", "harbor", "district"}
    assert access.overseen(records(rows), PRINCIPAL, TODAY) == {"lincoln"}
    assert access.overseen(records(rows), ANALYST, TODAY) == below
    assert access.overseen(records(rows), MINISTRY, TODAY) == {*below, "state", "college", "sciences"}
    outside = account("ministry", None, "district")
    assert access.overseen(records(rows), outside, TODAY) == below
    nowhere = (replace(outside, organisation_id=None), replace(outside, disabled=True), replace(outside, tenant="other"))
    for who in (TEACHER, SCIENTIST, ADMINISTRATOR, ANA, MOTHER, *nowhere, account("principal", None, "lincoln")):
        assert access.overseen(records(rows), who, TODAY) == set()
    rows["staff_roles"] = []
    assert access.overseen(records(rows), replace(ANALYST, organisation_id="district"), TODAY) == set()


def test_organisations_that_run_in_a_circle_take_no_page_with_them() -> None:
    rows = the_school()
    rows["organisations"][0]["parent_id"] = "district"
    assert access.overseen(records(rows), ANALYST, TODAY) >= {"lincoln", "state"}
    assert relations(rows, PRINCIPAL) == {"ana": "school", "ben": "school"}


# -- what is shown ----------------------------------------------------------------------------------------------------


def shown(rows: Rows, who: Account, table: str, student: str | None = None) -> pl.DataFrame:
    school = records(rows)
    return access.read(school, visible(school, who, TODAY), table, student)


def test_words_of_a_student_reach_those_for_whom_they_were_written() -> None:
    words = {
        who.role: set(shown(the_school(), who, "student_voice", "ana")["shared_with"])
        for who in (TEACHER, COUNSELOR, PRINCIPAL, ANA, MOTHER)
    }
    assert words == {
        "teacher": {"my_teachers"},
        "counselor": {"my_teachers", "my_counselor"},
        "principal": set(),
        "student": {"my_teachers", "my_counselor", "only_me"},
        "guardian": set(),
    }


def test_a_photo_is_shown_where_it_was_agreed_to_and_nobody_objects() -> None:
    rows = the_school()
    no = {"student_id": "ana", "recorded_on": BEFORE, "scope": "photo"}
    assert shown(rows, TEACHER, "photos")["student_id"].to_list() == ["ana", "ben"]
    rows["objections"] = [no, {**no, "student_id": "ben", "scope": "profiling"}]
    assert shown(rows, TEACHER, "photos")["student_id"].to_list() == ["ben"]
    for over in ({"withdrawn_on": TODAY}, {"recorded_on": TOMORROW}):
        rows["objections"] = [{**no, **over}]
        assert shown(rows, TEACHER, "photos")["student_id"].to_list() == ["ana", "ben"]
    rows["photos"][0]["consent"] = False
    assert shown(rows, TEACHER, "photos")["student_id"].to_list() == ["ben"]
    assert shown(rows, ADMINISTRATOR, "photos").is_empty()


def test_whom_the_school_must_not_reach_is_shown_to_those_who_have_to_know() -> None:
    rows = the_school()
    rows["guardians"][1]["contact_restriction"] = "no_contact"
    assert shown(rows, TEACHER, "guardians")["guardian_id"].to_list() == ["g-ana"]
    assert shown(rows, COUNSELOR, "guardians")["guardian_id"].to_list() == ["g-ana", "g-two"]
    assert shown(rows, MOTHER, "guardians").is_empty()


def test_a_survey_that_was_declined_is_not_shown() -> None:
    rows = the_school()
    rows["surveys"][0]["declined"] = True
    assert shown(rows, COUNSELOR, "surveys")["student_id"].to_list() == ["ben"]
    assert shown(rows, TEACHER, "surveys").is_empty()


@pytest.mark.parametrize("table", ["demographics", "outcomes", "exits", "objections", "staff"])
def test_nothing_else_of_a_student_is_shown(table: str) -> None:
    with pytest.raises(ValueError, match=f"nothing of {table} is shown"):
        shown(the_school(), COUNSELOR, table)


# -- any school -------------------------------------------------------------------------------------------------------

#: The end of a thing, and when a row is known: long ago, yesterday, the day itself, tomorrow.
_DAYS = (BEFORE, YESTERDAY, TODAY, TOMORROW)
_STAFF, _SCHOOLS = ("s1", "s2", "s3"), ["lincoln", "harbor", "district"]


def any_school(dice: random.Random) -> Rows:
    """Return a school whose people, dates and versions are drawn: much of it over, not begun, or known too late."""
    rows = {name: found for name, found in the_school().items() if name in ("organisations", "sections")}
    students = [f"st{at}" for at in range(5)]

    def pick(*among: object) -> object:
        return dice.choice(among)

    def span() -> dict[str, object]:
        return {"begins_on": pick(None, *[BEFORE] * 5, TODAY, TOMORROW), "ends_on": pick(*[None] * 7, *_DAYS[1:])}

    def versions(row: dict[str, object], **other: object) -> list[dict[str, object]]:
        known = sorted(dice.sample([BEFORE] * 12 + list(_DAYS[1:]), 1) + dice.sample(_DAYS[1:], dice.random() < 0.25))
        changed = [row, {**row, **other, "deleted": dice.random() < 0.4}]
        return [{**one, "known_on": day} for one, day in zip(changed, dict.fromkeys(known), strict=False)]

    rows["students"] = [one for s in students for one in versions({"student_id": s})]
    names = ("Abel", "Ørsted", "Müller", "de la Cruz", None)
    rows["identities"] = [one for s in students for one in versions({"student_id": s, "family_name": dice.choice(names)},
                                                                    family_name=dice.choice(names))]  # fmt: skip
    for name in ("enrolments", "exits", "rosters", "staff_roles", "teaching", "caseloads", "caseload_students", "guardians"):
        rows[name] = []
    for s in students:
        stay = {"enrolment_id": f"e-{s}", "student_id": s, "organisation_id": pick(*_SCHOOLS[:2] * 3, "sciences"),
                "grade_level": pick(9, 10, None), "entered_on": pick(None, *[BEFORE] * 5, TOMORROW),
                "planned_end_on": pick(*[LATER] * 5, YESTERDAY)}  # fmt: skip
        rows["enrolments"] += versions(stay, organisation_id=pick(*_SCHOOLS[:2]))
        if dice.random() < 0.15:
            rows["exits"] += versions({"enrolment_id": f"e-{s}", "student_id": s, "exited_on": pick(*_DAYS), "kind": "other"})
        for section in dice.sample([one["section_id"] for one in rows["sections"]], 2):
            rows["rosters"] += versions({"student_id": s, "enrolment_id": f"e-{s}", "section_id": section, **span()}, **span())
        restriction = {"contact_restriction": pick(None, "none", "court_order")}
        for guardian in ("g1", "g2"):
            rows["guardians"] += versions({"student_id": s, "guardian_id": guardian, **restriction}, contact_restriction="none")
    for section in rows["sections"]:
        section["ends_on"] = pick(*[LATER] * 5, YESTERDAY)
        rows["teaching"] += versions({"staff_id": dice.choice(_STAFF), "section_id": section["section_id"], **span()}, **span())
    for staff, role, at in product(_STAFF, ("teacher", "counselor", "principal"), _SCHOOLS):
        if dice.random() < 0.4:
            continue
        row = {"staff_id": staff, "organisation_id": at, "role": role, **span()}
        rows["staff_roles"] += versions(row, **span())
    for number in range(dice.choice((0, 2, 6))):
        caseload = {"caseload_id": f"c{number}", "staff_id": pick(*_STAFF), "organisation_id": pick(*_SCHOOLS),
                    "by": pick("student", "grade", "surname"), "grade_level": pick(9, 10, 9, 10, None),
                    "surname_from": pick("A", "A", "d", "Del", None), "surname_to": pick("D", "m", "Z", "Z", None)}  # fmt: skip
        rows["caseloads"] += versions(caseload, staff_id=pick(*_STAFF))
        for s in dice.sample(students, 4):
            rows["caseload_students"] += versions({"caseload_id": f"c{number}", "student_id": s})
    return rows


def known(rows: Rows, table: str) -> list[dict[str, object]]:
    """Return the latest versions by the end of the day, those deleted left out, one row at a time."""
    latest: dict[tuple[object, ...], dict[str, object]] = {}
    for row in sorted(rows[table], key=lambda one: one.get("known_on", date(1900, 1, 1))):  # type: ignore[arg-type,return-value]
        if row.get("known_on", BEFORE) <= TODAY:  # type: ignore[operator]
            latest[tuple(row[name] for name in TABLES[table].natural_key)] = row
    return [row for row in latest.values() if not row.get("deleted")]


def by_hand(rows: Rows) -> set[tuple[object, ...]]:
    """Work out who stands how to whom, person by person, from the words of docs/access.md."""
    above = {"lincoln": ("lincoln", "district"), "harbor": ("harbor", "district"), "sciences": ("sciences", "college")}
    letters = {"Abel": "ABEL", "Ørsted": "ØRSTED", "Müller": "MULLER", "de la Cruz": "DELACRUZ"}
    begun = {None, BEFORE, YESTERDAY, TODAY}

    def on(row: Mapping[str, object]) -> bool:
        return row["begins_on"] in begun and row["ends_on"] not in {BEFORE, YESTERDAY}

    gone = {row["enrolment_id"] for row in known(rows, "exits") if row["exited_on"] != TOMORROW}
    stays = [row for row in known(rows, "enrolments") if row["entered_on"] in begun
             and row["planned_end_on"] != YESTERDAY and row["enrolment_id"] not in gone]  # fmt: skip
    over = {row["section_id"] for row in rows["sections"] if row["ends_on"] == YESTERDAY}
    roles = [row for row in known(rows, "staff_roles") if on(row)]
    held = {(row["staff_id"], row["role"], row["organisation_id"]) for row in roles}
    caseloads = known(rows, "caseloads")
    listed = {(row["caseload_id"], row["student_id"]) for row in known(rows, "caseload_students")}
    names = {row["student_id"]: letters.get(str(row["family_name"])) for row in known(rows, "identities")}
    found: set[tuple[object, ...]] = set()
    for stay in stays:
        student, school = stay["student_id"], str(stay["organisation_id"])
        seats = {row["section_id"] for row in known(rows, "rosters") if row["enrolment_id"] == stay["enrolment_id"]
                 and row["begins_on"] in begun and row["ends_on"] not in {BEFORE, YESTERDAY, TODAY}} - over  # fmt: skip
        for row in known(rows, "teaching"):
            if on(row) and row["section_id"] in seats and any(r[:2] == (row["staff_id"], "teacher") for r in held):
                found.add((row["staff_id"], "teacher", student, "own_class"))
        mine = [one for one in caseloads if one["organisation_id"] in above[school]]
        for staff, role, at in held:
            if at == school and (role == "principal" or (role == "counselor" and not mine)):
                found.add((staff, role, student, "school"))
        for one in mine:
            first, last, name = one["surname_from"], one["surname_to"], names.get(student)
            covers = {
                "student": (one["caseload_id"], student) in listed,
                "grade": one["grade_level"] is not None and one["grade_level"] == stay["grade_level"],
                "surname": None not in (first, last, name)
                and str(name)[: len(str(first))] >= str(first).upper() and str(name)[: len(str(last))] <= str(last).upper(),
            }[str(one["by"])]  # fmt: skip
            if covers and any((one["staff_id"], "counselor", at) in held for at in above[school]):
                found.add((one["staff_id"], "counselor", student, "caseload"))
    at_university = {row["student_id"] for row in known(rows, "enrolments") if row["organisation_id"] == "sciences"}
    found |= {(row["guardian_id"], "guardian", row["student_id"], "own_child") for row in known(rows, "guardians")
              if row["contact_restriction"] in (None, "none") and row["student_id"] not in at_university}  # fmt: skip
    on_record = {row["student_id"] for row in known(rows, "students")}
    found |= {(student, "student", student, "self") for student in on_record}
    return {row for row in found if row[2] in on_record}


def test_the_schools_that_are_drawn_hold_every_relation_and_many_of_each() -> None:
    found = Counter(str(row[3]) for seed in range(30) for row in by_hand(any_school(random.Random(seed))))
    assert set(found) == set(RELATIONS) - {"break_glass"}
    assert min(found.values()) > 20


@given(st.integers(0, 10**9))
def test_everybody_sees_whom_the_records_give_them_and_nobody_else(seed: int) -> None:
    rows = any_school(random.Random(seed))
    found = access.ties(records(rows), TODAY)
    assert found.frame.height == found.frame.unique().height
    assert set(found.frame.select("person_id", "role", "student_id", "relation").iter_rows()) == by_hand(rows)


@pytest.mark.full
@given(st.integers(0, 10**9))
def test_rows_known_after_as_of_change_nobodys_rights(seed: int) -> None:
    rows = any_school(random.Random(seed))
    before = {name: [row for row in found if row.get("known_on", BEFORE) <= TODAY]  # type: ignore[operator]
              for name, found in rows.items()}  # fmt: skip
    with_later, without = records(rows), records(before)
    columns = ["person_id", "role", "student_id", "relation"]
    assert access.ties(with_later, TODAY).frame.sort(columns).equals(access.ties(without, TODAY).frame.sort(columns))
    everybody = pl.DataFrame({"student_id": [f"st{at}" for at in range(5)], "relation": ["caseload"] * 5})
    for table in ("identities", "guardians"):
        shows = [access.read(school, Visible(COUNSELOR, TODAY, everybody), table) for school in (with_later, without)]
        assert shows[0].equals(shows[1])


@given(st.sampled_from([*EVERYBODY]), st.sets(st.sampled_from(["ana", "ben", "cal"])), st.integers(0, 10**9))
def test_what_is_refused_is_never_shown(who: Account, restricted: set[str], seed: int) -> None:
    dice, rows = random.Random(seed), the_school()
    for row in rows["guardians"]:
        row["contact_restriction"] = "court_order" if row["student_id"] in restricted else dice.choice(["none", None])
    for row in rows["student_voice"]:
        row["shared_with"] = dice.choice(list(access.VOICE))
    for row in rows["photos"]:
        row["consent"] = dice.random() < 0.5
    school = records(rows)
    relation: Relation | None = dice.choice([*(tie for role, tie in STANDINGS if role == who.role), None])
    whom = pl.DataFrame({"student_id": ["ana"], "relation": [relation]} if relation else None,
                        schema={"student_id": pl.String, "relation": pl.String})  # fmt: skip
    seen = Visible(who, TODAY, whom)
    for table in (*access.SHOWN, "student_voice"):
        found = access.read(school, seen, table)
        assert set(found["student_id"]) <= {"ana"}
        for row in found.iter_rows(named=True):
            action = access.VOICE[str(row["shared_with"])] if table == "student_voice" else access.SHOWN[table]
            assert may(who.role, relation, action), (table, action)
            if table == "guardians" and row["contact_restriction"] == "court_order":
                assert may(who.role, relation, "see_contact_restriction")
            assert row.get("consent", True)
        if relation is None:
            assert found.is_empty()


# -- at the size of a school ------------------------------------------------------------------------------------------


def test_records_of_one_digest_are_worked_out_once_a_day() -> None:
    school = records(the_school(), "access-once")
    first = access.ties(school, TODAY)
    again = access.ties(records(the_school(), "access-once"), TODAY)
    assert again is first
    assert access.ties(school, TOMORROW) is not first
    assert access.ties(records(the_school(), "access-other"), TODAY) is not first
    nameless = records(the_school())
    assert access.ties(nameless, TODAY) is not access.ties(nameless, TODAY)


def large(students: int = 5_000, years: int = 4) -> SchoolRecords:
    """Return a school in which everybody sits in six classes a year."""
    rows = the_school()
    who = [f"s{at:05d}" for at in range(students)]
    stays = pl.concat([
        pl.DataFrame({"student_id": who}).with_columns(
            pl.concat_str("student_id", pl.lit(f"-{year}")).alias("enrolment_id"), organisation_id=pl.lit("lincoln"),
            grade_level=pl.int_range(pl.len()) % 4 + 9, entered_on=pl.lit(date(2026 - year, 9, 1)),
            planned_end_on=pl.lit(date(2027 - year, 6, 25)), year=pl.lit(year))
        for year in range(years)
    ])  # fmt: skip
    seats = stays.join(pl.DataFrame({"slot": range(6)}), how="cross").with_columns(
        section_id=pl.format("{}-{}-{}", "year", "slot", pl.col("student_id").str.slice(1).cast(pl.Int64) // 25),
        begins_on=pl.col("entered_on"),
    )
    sections = seats.group_by("section_id").agg(pl.col("entered_on").first().alias("starts_on"),
                                                pl.col("planned_end_on").first().alias("ends_on"))  # fmt: skip
    teachers = sections.select("section_id", staff_id=pl.concat_str(pl.lit("of "), "section_id"), begins_on=pl.lit(BEFORE))
    roles = teachers.select("staff_id", organisation_id=pl.lit("lincoln"), role=pl.lit("teacher"))
    cora = pl.DataFrame({"staff_id": ["cora"], "organisation_id": ["lincoln"], "role": ["counselor"]})
    frames = {
        "organisations": pl.DataFrame(rows["organisations"]), "students": pl.DataFrame({"student_id": who}),
        "identities": pl.DataFrame({"student_id": who, "family_name": [f"{chr(65 + at % 26)}x" for at in range(students)]}),
        "enrolments": stays.drop("year"), "rosters": seats.select("student_id", "enrolment_id", "section_id", "begins_on"),
        "sections": sections, "teaching": teachers, "staff_roles": pl.concat([roles, cora]),
        "caseloads": pl.DataFrame([{**LISTED, "by": "surname", "surname_from": "A", "surname_to": "M"}]),
        "guardians": pl.DataFrame({"student_id": who, "guardian_id": [f"g{student}" for student in who]}),
    }  # fmt: skip
    return SchoolRecords.from_frames(frames)


@pytest.mark.full
def test_a_school_of_5_000_is_worked_out_in_less_than_100_ms_and_asked_in_a_few() -> None:
    school = large()
    took = []
    for _ in range(5):
        started = time.process_time()
        found = access.ties(school, TODAY)
        took.append(time.process_time() - started)
    assert min(took) < 0.1
    seated = enrolled(school, pl.DataFrame({"as_of": [TODAY]})).seats.height
    assert seated == found.frame.filter(pl.col("relation") == "own_class").height == 30_000
    assert found.frame.filter(pl.col("relation") == "caseload").height == sum(at % 26 < 13 for at in range(5_000))
    kept = replace(school, digest="five thousand")
    visible(kept, TEACHER, TODAY)
    started = time.process_time()
    for at in range(20):
        assert len(visible(kept, account("teacher", f"of 0-{at % 6}-{at}"), TODAY)) == 25
    assert (time.process_time() - started) / 20 < 0.02

"""Requests: what is sound comes in the same in every form, what is not is refused at its place, and no value leaks."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import example_school
import models
import numpy as np
import polars as pl
import pytest

from features.problems import Refused
from features.records import SchoolRecords
from features.tables import TABLES
from serving import requests
from serving.contract import SCORE_EXAMPLE
from serving.requests import SCHOOL_TABLES, STUDENT_TABLES, Asked, School, read

TODAY = example_school.TODAY

#: What no text about a problem may hold: keys, names, and the values that mutations write.
SECRETS = ("Qx7", "Vw3", "Zephyrine", "ecret", "867530", "1931")


def reference() -> School:
    records = example_school.records()
    return School({name: records.school_table(name) for name in SCHOOL_TABLES if records.holds(name)})


REFERENCE = reference()
NOTHING = School({})


def body_of(count: int = 3, most: int = 60) -> dict[str, Any]:
    """Return a sound request of some students of the example school, under keys that appear nowhere else."""
    students = example_school.STUDENTS[:count]
    text = json.dumps(models.body_of(example_school.records(), students, TODAY))
    for at, student in enumerate(students):
        text = text.replace(f'"{student}-', f'"stay-Vw3-{at}-').replace(f'"{student}"', f'"pupil-Qx7-{at}"')
    found: dict[str, Any] = json.loads(text)
    for student in found["students"]:
        student["name"] = "Zephyrine"
        for table in STUDENT_TABLES:
            student[table] = student[table][:most]
    return found


WHOLE, BODY, SMALL = body_of(5), body_of(5, 20), body_of(2, 6)


def asked(body: Mapping[str, Any], school: School = REFERENCE) -> Asked:
    return read(body, "default", school)


def frames(found: Asked) -> list[tuple[object, ...]]:
    """Return what was read, in a form that can be compared."""
    return [
        (students, records.tenant, records.versioned, records.single_section,
         {name: [(one.schema, one.rows()) for one in pl.collect_all(list(parts))] for name, parts in records.parts.items()})
        for students, records in found.groups
    ]  # fmt: skip


def problems(body: Mapping[str, Any], school: School = REFERENCE) -> list[Any]:
    with pytest.raises(Refused) as refused:
        asked(body, school)
    return list(refused.value.problems)


def places(body: Mapping[str, Any], school: School = REFERENCE) -> set[str]:
    return {problem.where for problem in problems(body, school)}


def changed(change: Callable[[dict[str, Any]], object], body: Mapping[str, Any] = BODY) -> dict[str, Any]:
    found = copy.deepcopy(dict(body))
    change(found)
    return found


# -- one meaning in every form --------------------------------------------------------------------------------------


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def test_rows_and_columns_mean_the_same() -> None:
    columns = copy.deepcopy(BODY)
    for student in columns["students"]:
        for table in STUDENT_TABLES:
            student[table] = as_columns(student[table])
    assert frames(asked(columns)) == frames(asked(BODY))
    school = {name: models.rows_of(example_school.records(), name) for name in SCHOOL_TABLES}
    rows = asked({**BODY, "school": school}, NOTHING)
    assert frames(rows) == frames(asked({**BODY, "school": {name: as_columns(one) for name, one in school.items()}}, NOTHING))


def test_the_schools_tables_sent_or_on_record_mean_the_same() -> None:
    school = {name: models.rows_of(example_school.records(), name) for name in SCHOOL_TABLES}
    sent, held = asked({**BODY, "school": school}, NOTHING), asked(BODY)
    assert sent.skills == held.skills
    assert sent.skills["ratios"] == "Use ratio reasoning"
    assert frames(sent) == frames(held)


def test_keys_that_can_only_be_one_may_be_left_out() -> None:
    full = {**WHOLE, "students": [copy.deepcopy(WHOLE["students"][0])]}
    student = full["students"][0]
    autumn = student["enrolments"] = [row for row in student["enrolments"] if row["enrolment_id"].endswith("autumn")]
    student["rosters"] = [row for row in student["rosters"] if row["section_id"] == "algebra-autumn"]
    assert len(autumn) == len(student["rosters"]) == 1
    for table in STUDENT_TABLES[1:]:
        mine = autumn[0]["enrolment_id"]
        student[table] = [row for row in student[table] if row.get("enrolment_id", mine) == mine]
        student[table] = [row for row in student[table] if row.get("section_id", "algebra-autumn") == "algebra-autumn"]
        assert student[table] or table == "exits"
    short = copy.deepcopy(full)
    for table in STUDENT_TABLES:
        for row in short["students"][0][table]:
            row.pop("student_id")
            if table != "enrolments":
                row.pop("enrolment_id", None)
            if table not in ("enrolments", "rosters"):
                row.pop("section_id", None)
    assert frames(asked(short)) == frames(asked(full))


def test_keys_that_could_be_several_must_be_sent() -> None:
    first = BODY["students"][1]  # two stays, three classes
    assert len(first["enrolments"]) == 2

    def drop(body: dict[str, Any]) -> None:
        body["students"][1]["submissions"][2].pop("enrolment_id")
        body["students"][1]["activity"][3].pop("section_id")

    assert places(changed(drop)) == {"students[1].submissions[2].enrolment_id", "students[1].activity[3].section_id"}


def test_a_table_that_is_not_sent_is_unknown_and_an_empty_one_is_empty() -> None:
    def sent(how: Callable[[dict[str, Any]], object]) -> SchoolRecords:
        body = changed(lambda body: how(body["students"][0]), {**BODY, "students": BODY["students"][:1]})
        ((_, records),) = asked(body).groups
        return records

    empty, unknown = sent(lambda who: who.update(activity=[])), sent(lambda who: who.pop("activity"))
    assert empty.holds("activity")
    assert not unknown.holds("activity")
    assert sent(lambda who: who.update(activity={})).holds("activity")


def test_an_empty_table_is_zero_in_a_score_and_one_not_sent_is_unknown() -> None:
    desk = models.desk_of(models.scored().home, models.trained())
    student = models.students_on(models.school(), models.TODAY, 1)
    whole = models.body_of(models.school(), student, models.TODAY)

    def value(body: Mapping[str, Any], feature: str) -> set[float | None]:
        return {risk.values[feature] for risk in models.risks_of(desk, body).values()}

    assert not value(whole, "active_days_28d") & {0.0, None}
    assert value(changed(put("students[0].activity", []), whole), "active_days_28d") == {0.0}
    assert value(changed(lambda body: body["students"][0].pop("activity"), whole), "active_days_28d") == {None}
    assert not value(whole, "marks_known") & {0.0, None}
    assert value(changed(put("students[0].results", []), whole), "marks_known") == {0.0}
    assert value(changed(lambda body: body["students"][0].pop("results"), whole), "marks_known") == {None}


def test_students_who_send_different_tables_are_read_apart_and_keep_their_names() -> None:
    body = changed(lambda body: body["students"][2].pop("activity"))
    groups = asked(body).groups
    assert [[student.student_id for student in students] for students, _ in groups] == [
        ["pupil-Qx7-0", "pupil-Qx7-1", "pupil-Qx7-3", "pupil-Qx7-4"], ["pupil-Qx7-2"],
    ]  # fmt: skip
    assert {student.name for students, _ in groups for student in students} == {"Zephyrine"}


def test_the_example_of_the_reference_is_sound() -> None:
    assert len(asked(SCORE_EXAMPLE, NOTHING).groups) == 1
    assert len(asked(SCORE_EXAMPLE).groups) == 1  # whatever the school has on record


def test_what_is_known_since_when_is_as_in_an_export() -> None:
    ((_, records),) = asked({**WHOLE, "students": WHOLE["students"][:1]}).groups
    at_home = example_school.records()
    for table in STUDENT_TABLES:
        mine = records.labels(table).collect()
        theirs = at_home.labels(table).filter(pl.col("student_id") == "ana").collect()
        assert sorted(mine["known_on"].to_list(), key=str) == sorted(theirs["known_on"].to_list(), key=str)


# -- what is refused, and where -------------------------------------------------------------------------------------


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return a change that writes a value at a place of the JSON."""

    def change(body: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.replace("[", ".").replace("]", "").split(".")]
        at: Any = body
        for part in way:
            at = at[part]
        at[last] = value

    return change


#: A place, and a value that cannot stand there.
BAD = [
    ("students[3].activity[17].on", "2026-13-01"),
    ("students[3].activity[17].on", "01.09.2026"),
    ("students[3].activity[17].on", 20260901),
    ("students[3].activity[17].on", None),
    ("students[3].activity[17].on", ["2026-09-01"]),
    ("students[0].activity[0].kind", "Secret"),
    ("students[0].activity[0].actions", "Secret"),
    ("students[0].activity[0].actions", -1),
    ("students[0].activity[0].actions", 8675309),
    ("students[0].activity[0].actions", 1.5),
    ("students[0].activity[0].actions", {"Secret": 1}),
    ("students[4].results[1].score", -0.5),
    ("students[4].results[1].score", "8675309e999"),
    ("students[4].results[1].score", float("nan")),
    ("students[4].results[1].score", float("inf")),
    ("students[4].results[1].status", "Secret"),
    ("students[4].results[1].assignment_id", "Secret"),
    ("students[1].enrolments[0].planned_end_on", None),
    ("students[1].enrolments[0].planned_end_on", ""),
    ("students[1].enrolments[0].previous_attempts", 51),
    ("students[1].rosters[0].section_id", "Secret"),
    ("students[1].rosters[0].enrolment_id", "Secret"),
    ("students[1].skill_results[0].skill_id", "Secret"),
    ("students[1].skill_results[0].score_share", 1.01),
    ("students[2].submissions[1].known_on", "1931-7-19"),
    ("students[2].submissions[1].student_id", "Secret"),
    ("students[2].student_id", ""),
    ("students[2].student_id", 8675309),
    ("students[2].student_id", None),
    ("students[2].student_id", "pupil-Qx7-1"),
    ("students[2].name", "Secret" * 20),
    ("students[2].name", 8675309),
    ("students[2].activity", "Secret"),
    ("students[2].activity", 8675309),
    ("students[2].activity", ["Secret"]),
    ("students[2].activity", {"on": ["1931-07-19"], "kind": []}),
    ("students[2].activity", {"on": "1931-07-19"}),
    ("students[2].activity", None),
    ("data_through", "yesterday"),
    ("data_through", 8675309),
    ("school", "Secret"),
    ("school", []),
]


@pytest.mark.parametrize(
    ("path", "value"), BAD, ids=[f"{path}={type(value).__name__}-{at}" for at, (path, value) in enumerate(BAD)]
)
def test_what_cannot_stand_there_is_refused_at_its_place(path: str, value: object) -> None:
    found = problems(changed(put(path, value)))
    assert path in {problem.where for problem in found}
    assert_silent(found)


def assert_silent(found: list[Any]) -> None:
    """Check that every problem names its place and a way out, and repeats no value."""
    assert found
    for problem in found:
        assert problem.where
        assert problem.problem
        assert problem.hint.endswith(".")
        text = f"{problem} {problem.as_dict()} {problem.file}"
        assert not [secret for secret in SECRETS if secret in text], text


@pytest.mark.parametrize("table", ["demographics", "identities", "outcomes", "students", "surveys", "Activity"])
def test_what_is_not_asked_for_is_refused(table: str) -> None:
    rows = [{"student_id": "pupil-Qx7-0", "sex": "Secret"}]
    assert places(changed(put(f"students[1].{table}", rows))) == {f"students[1].{table}"}
    assert places(changed(put("school", {table: rows}))) == {f"school.{table}"}
    assert_silent(problems(changed(put(f"students[1].{table}", rows))))


@pytest.mark.parametrize("column", ["sex", "disability", "tenant", "deleted", "ethnicity", "ON"])
def test_a_column_that_there_is_not_is_refused(column: str) -> None:
    assert places(changed(put(f"students[0].activity[3].{column}", "Secret"))) == {f"students[0].activity.{column}"}


def test_a_key_that_there_is_not_is_refused() -> None:
    assert places({**BODY, "tenant": "Secret"}) == {"tenant"}


def test_a_student_without_an_enrolment_is_refused() -> None:
    assert "students[1].enrolments" in places(changed(lambda body: body["students"][1].pop("enrolments")))


def test_a_row_that_is_there_twice_is_refused_at_the_second() -> None:
    def twice(body: dict[str, Any]) -> None:
        body["students"][1]["activity"].append(dict(body["students"][1]["activity"][4]))

    (problem,) = problems(changed(twice))
    last = len(BODY["students"][1]["activity"])
    assert problem.where.startswith(f"students[1].activity[{last}].")
    assert problem.code == "duplicate_key"


OF_A_STAY = [name for name in STUDENT_TABLES if "enrolment_id" in TABLES[name].schema and name != "enrolments"]


@pytest.mark.parametrize("table", OF_A_STAY)
def test_a_row_of_one_student_that_names_the_stay_of_another_is_refused_at_its_place(table: str) -> None:
    body = changed(put(f"students[0].{table}", []), {**BODY, "students": BODY["students"][:3]})
    row = next(row for student in BODY["students"] for row in student.get(table, []))
    theirs = body["students"][2]["enrolments"][-1]["enrolment_id"]
    body["students"][0][table] = [{**row, "student_id": "pupil-Qx7-0", "enrolment_id": theirs}]
    assert asked(
        changed(put(f"students[0].{table}[0].enrolment_id", BODY["students"][0]["enrolments"][-1]["enrolment_id"]), body)
    )
    (problem,) = problems(body)
    assert problem.code == "mismatched_reference"
    assert problem.where.startswith(f"students[0].{table}[0].")
    assert_silent([problem])


def test_the_stay_of_a_student_who_sends_other_tables_is_not_known_to_a_row() -> None:
    body = changed(lambda body: body["students"][2].pop("activity"))
    theirs = body["students"][2]["enrolments"][-1]["enrolment_id"]
    assert places(changed(put("students[0].submissions[0].enrolment_id", theirs), body)) == {
        "students[0].submissions[0].enrolment_id"
    }


def test_a_stay_that_two_students_say_is_theirs_is_refused() -> None:
    mine = BODY["students"][0]["enrolments"][-1]["enrolment_id"]
    found = problems(changed(put("students[2].enrolments[0].enrolment_id", mine)))
    assert {problem.where.partition(".")[0] for problem in found} & {"students[0]", "students[2]"}
    assert_silent(found)


def test_two_versions_of_a_row_with_days_of_their_own_are_taken() -> None:
    def corrected(body: dict[str, Any]) -> None:
        row = dict(body["students"][1]["results"][0])
        body["students"][1]["results"].append({**row, "score": 1.0, "known_on": "2026-11-01"})

    groups = asked(changed(corrected)).groups
    assert any("results" in records.versioned for _, records in groups)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = copy.deepcopy(BODY)
    chosen = {path: value for path, value in reversed(BAD) if path.count(".") == 2 and "student_id" not in path}
    for path, value in chosen.items():
        put(path, value)(wrong)
    wrong["colour"] = "Secret"
    wrong["students"][0]["demographics"] = []
    wrong["data_through"] = "soon"
    wrong["school"] = {"assignments": [{"assignment_id": "new", "section_id": "algebra-autumn", "kind": "Secret"}], "x": []}
    found = {problem.where for problem in problems(wrong)}
    assert {"colour", "students[0].demographics", "data_through", "school.assignments[0].kind", "school.x"} <= found
    # Of one fault in one table, the first row is told with how many there are; here every fault is another.
    missing = {path for path in chosen if path not in found and "assignment_id" not in path}
    assert not missing
    assert_silent(problems(wrong))


def test_one_fault_in_many_rows_is_one_problem_that_says_how_many() -> None:
    def all_of_them(body: dict[str, Any]) -> None:
        for student in body["students"]:
            for row in student["activity"]:
                row["on"] = "Secret"

    (problem,) = problems(changed(all_of_them))
    assert problem.where == "students[0].activity[0].on"
    assert problem.rows == sum(len(student["activity"]) for student in BODY["students"])


def test_a_school_of_ones_own_is_checked_at_its_place() -> None:
    body = {**SCORE_EXAMPLE, "school": copy.deepcopy(SCORE_EXAMPLE["school"])}
    body["school"]["assignments"][2]["due_on"] = "soon"  # type: ignore[index]
    body["school"]["sections"][0].pop("starts_on")  # type: ignore[index]
    assert {"school.assignments[2].due_on", "school.sections[0].starts_on"} <= places(body, NOTHING)


def test_a_class_that_is_nowhere_on_record_is_refused_and_one_of_no_school_is_taken() -> None:
    assert places(changed(put("students[0].rosters[0].section_id", "Secret"))) == {"students[0].rosters[0].section_id"}
    stay = {"enrolment_id": "E", "organisation_id": "o", "planned_end_on": "2027-01-01"}
    student = {"student_id": "S", "enrolments": [stay], "rosters": [{"section_id": "X"}]}
    bare = {"as_of": "2026-11-13", "students": [student]}
    assert asked(bare, NOTHING).groups


# -- thousands of ways to be wrong ----------------------------------------------------------------------------------

CELLS: list[object] = [
    None, "", " ", "?", "Secret", " Secret ", "8675309", "-8675309", "12", " 12", "1.5", "1e3", "NaN", "inf", "true",
    True, False, 0, 1, -1, 50, 51, 8675309, 2**31, -(2**31) - 1, 10**30, 0.5, 1.0, 1.0000001, -0.0, 1e308, float("nan"),
    float("inf"), [], ["Secret"], {}, {"Secret": 1}, "2026-09-01", "2026-9-1", "1931-07-19", "1899-12-31", "2201-01-01",
    "0001-01-01", "9999-12-31", "2026-02-29", "20260901", "2026-W36-2", "2026-09-01T00:00:00", "\uff12026-09-01", "2026-09-01 ",
    "graded", "quiz", "GRADED", "a1", "algebra-autumn", "ratios", "x" * 1001, "Secret\u0000", "S\u00e9cret",
]  # fmt: skip


def mutate(body: dict[str, Any], rng: np.random.Generator) -> str:  # noqa: PLR0912 (one branch for each kind of change)
    """Change one thing of a request, at random, and return what kind of change it was."""
    kinds = ("cell", "cell", "cell", "no cell", "strange cell", "no table", "empty table", "not a table", "columns", "ragged",
             "twice", "version", "order", "student", "stranger", "key", "through", "school", "foreign", "name")  # fmt: skip
    kind = kinds[rng.integers(len(kinds))]
    who = body["students"][rng.integers(len(body["students"]))]
    held = [table for table in STUDENT_TABLES if isinstance(who.get(table), list) and who[table]]
    table = held[rng.integers(len(held))] if held else "enrolments"
    rows = who.get(table)
    row = rows[rng.integers(len(rows))] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    columns = [column.name for column in TABLES[table].columns] + ["known_on"]
    value = CELLS[rng.integers(len(CELLS))]
    match kind:
        case "cell":
            row[columns[rng.integers(len(columns))]] = value
        case "no cell" if row:
            row.pop(sorted(row)[rng.integers(len(row))])
        case "strange cell":
            row[f"column{rng.integers(9)}"] = value
        case "no table":
            who.pop(table, None)
        case "empty table":
            who[table] = [] if rng.random() < 0.5 else {}
        case "not a table":
            who[table] = value
        case "columns" if isinstance(rows, list) and all(isinstance(one, dict) for one in rows):
            who[table] = as_columns(rows)
        case "ragged" if isinstance(rows, list) and all(isinstance(one, dict) for one in rows):
            who[table] = {name: one[: rng.integers(len(one) + 1)] for name, one in as_columns(rows).items()}
        case "twice" if isinstance(rows, list):
            rows.append(copy.deepcopy(row))
        case "version" if isinstance(rows, list):
            rows.append({**row, "known_on": (TODAY + timedelta(days=int(rng.integers(-9, 9)))).isoformat()})
        case "order" if isinstance(rows, list):
            rng.shuffle(rows)  # type: ignore[arg-type]
        case "student":
            who["student_id"] = value
        case "stranger":
            who[("demographics", "identities", "outcomes", "colour")[rng.integers(4)]] = [{"sex": "Secret"}]
        case "key":
            body[f"key{rng.integers(9)}"] = value
        case "through":
            body["data_through"] = value
        case "school":
            sent = body.setdefault("school", {})
            if isinstance(sent, dict):
                name = SCHOOL_TABLES[rng.integers(len(SCHOOL_TABLES))]
                listed = copy.deepcopy(SCHOOL[name])
                listed[rng.integers(len(listed))][TABLES[name].columns[rng.integers(len(TABLES[name].columns))].name] = value
                sent[name] = listed
        case "foreign":
            row["enrolment_id"] = f"stay-Vw3-{rng.integers(3)}-autumn"
        case "name":
            who["name"] = value
    return kind


SCHOOL = {name: models.rows_of(example_school.records(), name) for name in SCHOOL_TABLES}


def outcome(body: Mapping[str, Any], school: School) -> tuple[str, object]:
    """Return what became of a request: read, or refused with which problems. Nothing else may happen."""
    try:
        found = read(body, "default", school)
    except Refused as refused:
        return "refused", list(refused.problems)
    return "read", (found.as_of, found.data_through, dict(found.skills), frames(found))


def mutated(seed: int) -> tuple[list[str], dict[str, Any], School]:
    rng = np.random.default_rng(seed)
    body = copy.deepcopy(SMALL)
    kinds = [mutate(body, rng) for _ in range(1 if rng.random() < 0.7 else int(rng.integers(2, 5)))]
    return kinds, body, REFERENCE if rng.random() < 0.8 else NOTHING


SEEDS = [range(25), pytest.param(range(25, 500), marks=pytest.mark.full)]


@pytest.mark.parametrize("seeds", SEEDS, ids=["some", "many"])
def test_whatever_is_changed_a_request_is_read_or_refused_and_no_value_is_repeated(seeds: range) -> None:
    became, seen = Counter[str](), Counter[str]()
    for seed in seeds:
        kinds, body, school = mutated(seed)
        seen.update(kinds)
        what, found = outcome(body, school)
        became[what] += 1
        if what == "refused":
            assert isinstance(found, list)
            assert_silent(found)
            assert all(one.where.startswith(("students[", "school", "data_through", "key")) for one in found)
    assert len(seen) >= 12
    assert min(became["read"], became["refused"]) > len(seeds) / 8


@pytest.mark.full
@pytest.mark.parametrize("seeds", SEEDS, ids=["some", "many"])
def test_the_quick_look_takes_exactly_what_the_full_check_takes(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table of every request is checked in both ways, but a table that has been before: most are as they were."""
    checked, quick = requests._checked, requests._quick
    done: dict[str, tuple[Any, list[Any]]] = {}
    taken = 0

    def counted(*given: Any) -> Any:
        nonlocal taken
        found = quick(*given)
        taken += found is not None
        return found

    def result(looked: Callable[..., Any], given: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        problems: list[Any] = []
        monkeypatch.setattr(requests, "_quick", looked)
        return checked(*given[:5], problems, *given[6:]), problems

    def both(*given: Any) -> Any:
        table, columns, places, known, _, problems, *owners = given
        links = sorted({column.references for column in table.columns} & set(known))
        name = repr((table.name, columns, places, [sorted(known[one]) for one in links], owners))
        if name not in done:
            done[name] = result(counted, given)
            told = [
                repr((found.frame.schema, found.frame.rows(), found.versioned, wrong))
                for found, wrong in (done[name], result(lambda *_: None, given))
            ]
            assert told[0] == told[1], (seed, kinds)
        found, wrong = done[name]
        problems.extend(wrong)
        return found

    monkeypatch.setattr(requests, "_checked", both)
    for seed in seeds:
        kinds, body, school = mutated(seed)
        outcome(body, school)
    assert len(seeds) / 4 < taken < len(done)

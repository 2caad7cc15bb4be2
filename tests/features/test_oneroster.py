"""OneRoster: what a bundle becomes, what is wrong with one, and what does no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import oneroster_export as export
import polars as pl
import pytest
from oneroster_export import Files

from features.problems import Problem, Refused
from features.records import EVER
from features.sources.oneroster import OneRoster, binding, read
from features.validation import Reading

ROOT = Path(__file__).resolve().parents[2]

#: Every test reads a bundle or more; the quick run has those that read every source alike.
pytestmark = pytest.mark.full

STAMP = "2026-11-02T08:00:00.000Z"


def changed(name: str, key: str, **cells: object) -> Files:
    """Return the example's files with cells of one row changed."""
    files = export.files()
    frame = files[name]
    assert key in frame["sourcedId"]
    files[name] = frame.with_columns(
        pl.when(pl.col("sourcedId") == key)
        .then(pl.lit(None if cell is None else str(cell), pl.String))
        .otherwise(column)
        .alias(column)
        for column, cell in cells.items()
    )
    return files


def several(name: str, changes: Mapping[str, Mapping[str, object]]) -> Files:
    """Return the example's files with cells of several rows of one file changed."""
    files = export.files()
    for key, cells in changes.items():
        files[name] = changed(name, key, **cells)[name].filter(sourcedId=key).pipe(
            lambda row, key=key: pl.concat([files[name].filter(pl.col("sourcedId") != key), row]))  # fmt: skip
    return files


def added(name: str, **cells: object) -> Files:
    """Return the example's files with a row more."""
    files = export.files()
    files[name] = pl.concat([files[name], export.rows(name, cells)])
    return files


def reading(folder: Path, files: Files | None = None, version: str = "1.2", settings: OneRoster | None = None) -> Reading:
    return read(export.write(folder, files, version, beside=False), settings or OneRoster())


def only(frame: pl.DataFrame, **where: str) -> dict[str, object]:
    found = frame.filter(*(pl.col(name) == value for name, value in where.items()))
    assert found.height == 1, found
    return found.row(0, named=True)


def told(problems: tuple[Problem, ...]) -> set[tuple[str, str, str, int]]:
    return {(one.code, one.file, one.column, one.rows) for one in problems}


def refused(folder: Path) -> set[tuple[str, str]]:
    with pytest.raises(Refused) as found:
        read(folder, OneRoster())
    return {(one.code, one.file) for one in found.value.problems}


# -- what it becomes -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return read(export.write(tmp_path_factory.mktemp("whole")), OneRoster())


def test_a_clean_bundle_has_no_problems_and_no_notes(whole: Reading) -> None:
    assert whole.problems == ()
    assert whole.notes == ()
    assert all(one.read == one.kept for one in whole.accounts)


def test_a_zip_gives_what_its_folder_gives_also_from_a_folder_inside_it(whole: Reading, tmp_path: Path) -> None:
    folder = export.write(tmp_path / "export")
    for inside in ("", "nightly/"):
        zipped = read(export.packed(folder, tmp_path / "export.zip", inside), OneRoster())
        assert zipped.accounts == whole.accounts
        for name, frame in whole.tables.items():
            assert zipped.tables[name].equals(frame), name


def test_companions_are_read_from_beside_a_zip(whole: Reading, tmp_path: Path) -> None:
    folder = export.write(tmp_path / "export", beside=False)
    path = export.packed(folder, tmp_path / "export.zip")
    assert "activity" not in read(path, OneRoster()).tables
    export.activity().write_parquet(tmp_path / "activity.parquet")
    for place in (path, tmp_path):
        if place == tmp_path:
            for file in folder.iterdir():
                file.unlink()
        assert read(place, OneRoster()).tables["activity"].equals(whole.tables["activity"])


def test_a_stay_is_a_student_a_school_and_a_year(whole: Reading) -> None:
    stays = whole.tables["enrolments"]
    assert stays.height == len(export.STUDENTS)
    ana = only(stays, student_id="u01")
    assert ana["enrolment_id"] == "u01/s/y"
    assert (ana["organisation_id"], ana["term_id"], ana["grade_level"]) == ("s", "y", 9)
    # She has a class that names no first day, and is then in it from the first day of its session.
    assert (ana["entered_on"], ana["planned_end_on"]) == (date(2026, 8, 24), date(2027, 6, 11))
    ben = only(stays, student_id="u03")  # only classes with a day, and one of spring
    assert ben["entered_on"] == ben["known_on"] == date(2026, 8, 26)


def test_that_somebody_left_a_class_is_known_when_they_left(whole: Reading) -> None:
    seats = whole.tables["rosters"].filter(student_id="u05", section_id="c-alg").sort("known_on")
    assert seats["ends_on"].to_list() == [None, date(2026, 10, 30)]
    assert seats["known_on"].to_list() == [date(2026, 8, 26), date(2026, 10, 30)]


def test_a_class_is_of_the_shortest_session_that_covers_all_it_names(tmp_path: Path) -> None:
    files = changed("classes", "c-alg", termSourcedIds="autumn, spring")
    section = only(reading(tmp_path, files).tables["sections"], section_id="c-alg")
    assert (section["term_id"], section["starts_on"], section["ends_on"]) == ("y", date(2026, 8, 24), date(2027, 6, 11))


def test_the_last_day_is_the_one_before_where_ends_are_exclusive(tmp_path: Path) -> None:
    made = reading(tmp_path, settings=OneRoster(exclusive_ends=True)).tables
    assert only(made["terms"], term_id="autumn")["ends_on"] == date(2027, 1, 21)
    assert date(2026, 10, 29) in made["rosters"].filter(student_id="u05")["ends_on"].to_list()


def test_a_course_is_core_only_where_its_subject_leaves_no_doubt(tmp_path: Path) -> None:
    told_of = (
        ("Crafts", "02052", True), ("Crafts", "02", True), ("English", None, True), ("Social-Studies", None, True),
        ("Crafts", "05101", False), ("Music", None, False), ("Crafts", None, None), ("Crafts", "0201", None),
        ("Music,Algebra", "05,02", True), ("English", "05101", False), (None, None, None),
    )  # fmt: skip
    files = export.files()
    rows = (
        {"sourcedId": f"k{at}", "subjects": subjects, "subjectCodes": codes} for at, (subjects, codes, _) in enumerate(told_of)
    )
    files["courses"] = pl.concat([files["courses"], export.rows("courses", *rows)])
    made = reading(tmp_path, files).tables["courses"]
    assert [only(made, course_id=f"k{at}")["core"] for at in range(len(told_of))] == [core for *_, core in told_of]


def test_grades_are_read_in_the_codes_of_ceds_and_others_are_unknown_and_noted(tmp_path: Path) -> None:
    levels = {"KG": 0, "09": 9, "9": 9, "12": 12, "PK": None, "UG": None, "09,10": None, None: None}
    students = dict(zip(export.STUDENTS, levels, strict=False))
    made = reading(tmp_path, several("users", {one: {"grades": grade} for one, grade in students.items()}))
    stays = made.tables["enrolments"]
    assert {grade: only(stays, student_id=one)["grade_level"] for one, grade in students.items()} == levels
    assert len(made.notes) == 1
    assert made.notes[0].startswith("3 students have no grade")


def test_groups_are_read_for_the_audit_and_age_is_that_of_the_first_day_of_school(whole: Reading) -> None:
    groups = whole.tables["demographics"]
    assert {only(groups, student_id=f"u0{at}")["ethnicity"] for at in (3, 4, 6)} == {
        "two or more",
        "white",
        "hispanic or latino",
    }
    # Born on 15 September 2011 and on 15 August 2011: 14 and 15 years old on 24 August 2026, in one band.
    assert only(groups, student_id="u08")["age_band"] == only(groups, student_id="u07")["age_band"] == "14-15"


def test_a_birthday_counts_from_the_day_itself(tmp_path: Path) -> None:
    born = {"u01": ("2012-08-24", "14-15"), "u02": ("2012-08-25", "11-13"), "u03": ("2008-08-24", "18 and over")}
    made = reading(tmp_path, several("demographics", {one: {"birthDate": day} for one, (day, _) in born.items()}))
    bands = made.tables["demographics"]
    assert {one: only(bands, student_id=one)["age_band"] for one in born} == {one: band for one, (_, band) in born.items()}


def test_an_adult_is_found_from_the_student_or_the_other_way_round(whole: Reading, tmp_path: Path) -> None:
    adult = only(whole.tables["guardians"], student_id="u01")
    assert (adult["guardian_id"], adult["relation"], adult["name"]) == ("p01", "parent", "Eva Familyu01")
    files = changed("users", "u01", agentSourcedIds=None)
    files["users"] = files["users"].with_columns(
        pl.when(pl.col("sourcedId") == "p01").then(pl.lit("u01,u02")).otherwise("agentSourcedIds").alias("agentSourcedIds")
    )
    assert reading(tmp_path, files).tables["guardians"]["student_id"].to_list() == ["u01", "u02"]


def test_who_runs_the_system_is_staff_without_a_role_that_opens_records(tmp_path: Path) -> None:
    files = changed("roles", "role-t02", role="systemAdministrator")
    made = reading(tmp_path, files).tables
    assert set(made["staff"]["staff_id"]) == {"t01", "t02"}
    assert set(made["staff_roles"]["staff_id"]) == {"t01"}


# -- the gradebook --------------------------------------------------------------------------------------------------------


def test_a_categorys_weight_is_spread_over_its_work_by_points(whole: Reading, tmp_path: Path) -> None:
    work = whole.tables["assignments"]
    assert [only(work, assignment_id=one)["weight"] for one in ("w1", "w2", "w3", "w4")] == [10, 60, 30, 40]
    assert [only(work, assignment_id=one)["kind"] for one in ("w1", "w2")] == ["homework", "quiz"]
    without = reading(tmp_path, changed("categories", "hw", title="Participation", weight=None)).tables["assignments"]
    assert [only(without, assignment_id=one)["weight"] for one in ("w1", "w2", "w5")] == [None, None, 60]
    assert only(without, assignment_id="w1")["kind"] == "other"


RESULT = "r-w1-u02"


def test_a_result_says_what_its_words_say_and_nothing_earlier_than_its_day(tmp_path: Path) -> None:
    due, day = date(2026, 9, 10), date(2026, 9, 14)
    said: tuple[tuple[dict[str, object], str, float | None, date | None], ...] = (
        ({"scoreStatus": "fully graded", "score": 4, "late": None}, "graded", 4, None),
        ({"scoreStatus": "fully graded", "score": 4, "late": "false"}, "graded", 4, due),
        ({"scoreStatus": "fully graded", "score": 4, "late": "true"}, "graded", 4, date(2026, 9, 11)),
        ({"scoreStatus": "Partially_Graded", "score": 3, "late": None}, "partial", 3, None),
        ({"scoreStatus": "submitted", "score": None, "late": None}, "submitted", None, due),
        ({"scoreStatus": "submitted", "late": None, "scoreDate": "2026-09-08"}, "submitted", None, date(2026, 9, 8)),
        ({"scoreStatus": "exempt", "late": None}, "exempt", None, None),
        ({"scoreStatus": "not submitted", "score": 0}, "not_submitted", None, None),
        ({"scoreStatus": "fully graded", "score": 0, "missing": "true", "late": "true"}, "not_submitted", None, None),
    )
    students = export.files()["results"].filter(lineItemSourcedId="w1")["studentSourcedId"].to_list()
    cells = {f"r-w1-{one}": {"scoreDate": day, **row} for one, (row, *_) in zip(students, said, strict=False)}
    made = reading(tmp_path, several("results", cells))
    assert made.problems == ()
    for one, (row, status, score, handed) in zip(students, said, strict=False):
        mark = only(made.tables["results"], student_id=one, assignment_id="w1")
        assert (mark["status"], mark["score"]) == (status, score), row
        graded_on = date.fromisoformat(str(row.get("scoreDate", day)))
        assert mark["marked_on"] == mark["known_on"] == graded_on
        hands = made.tables["submissions"].filter(student_id=one, assignment_id="w1")
        assert hands["submitted_on"].to_list() == ([] if handed is None else [handed]), row
        assert all(known >= graded_on for known in hands["known_on"])


def test_a_mark_in_words_counts_where_a_scale_gives_a_number_for_it(tmp_path: Path) -> None:
    words = {RESULT: "b", "r-w1-u03": "C"}
    files = several("results", {key: {"score": None, "textScore": word, "late": None} for key, word in words.items()})
    unknown = reading(tmp_path / "none", files)
    assert only(unknown.tables["results"], student_id="u02", assignment_id="w1")["score"] is None
    assert any("2 marks are in words" in note for note in unknown.notes)
    # It was handed in all the same.
    assert unknown.tables["submissions"].filter(student_id="u02", assignment_id="w1").height == 1
    files["scoreScales"] = export.rows(
        "scoreScales",
        {
            "sourcedId": "x",
            "title": "Letters",
            "type": "letter",
            "orgSourcedId": "s",
            "courseSourcedId": "k-alg",
            "classSourcedId": "c-alg",
            "scoreScaleValue": "{A:10},{B:8.5},{C:pass}",
        },
    )
    scaled = reading(tmp_path / "scaled", files)
    assert only(scaled.tables["results"], student_id="u02", assignment_id="w1")["score"] == 8.5
    assert only(scaled.tables["results"], student_id="u03", assignment_id="w1")["score"] is None


def test_work_is_evidence_of_the_skills_that_it_is_tied_to_and_of_no_other(whole: Reading) -> None:
    assert set(whole.tables["skills"]["skill_id"]) == {"ratios", "main-idea"}
    evidence = whole.tables["skill_results"]
    assert set(evidence["evidence_id"]) == {"w1", "w2", "w4"}
    one = only(evidence, student_id="u02", evidence_id="w1")
    assert (one["score_share"], one["section_id"], one["occurred_on"]) == (0.2, "c-alg", date(2026, 9, 12))


def test_a_mark_for_a_skill_is_evidence_instead_of_the_mark_for_the_work(tmp_path: Path) -> None:
    files = export.files()
    files["resultLearningObjectiveIds"] = export.rows(
        "resultLearningObjectiveIds",
        {"sourcedId": "x", "resultSourcedId": RESULT, "source": "case", "learningObjectiveId": "urn:uuid:abc", "score": 7},
    )
    made = reading(tmp_path, files).tables
    mine = made["skill_results"].filter(student_id="u02", evidence_id="w1")
    assert mine.select("skill_id", "score_share").rows() == [("abc", 0.7)]
    assert "abc" in made["skills"]["skill_id"]


def test_an_export_without_skills_gives_no_evidence_of_any(tmp_path: Path) -> None:
    files = export.files()
    del files["lineItemLearningObjectiveIds"]
    assert not {"skills", "skill_results", "assignment_skills"} & set(reading(tmp_path, files).tables)


# -- 1.1 ------------------------------------------------------------------------------------------------------------------


def test_the_older_version_gives_the_same_school_without_what_it_cannot_say(whole: Reading, tmp_path: Path) -> None:
    older = read(export.write(tmp_path, version="1.1"), OneRoster())
    assert older.problems == older.notes == ()
    for name in (
        "organisations",
        "terms",
        "courses",
        "sections",
        "students",
        "demographics",
        "enrolments",
        "rosters",
        "results",
        "guardians",
        "staff",
        "teaching",
        "activity",
    ):
        assert older.tables[name].equals(whole.tables[name]), name
    # No word on lateness: a mark alone is proof of a hand-in, and of no day.
    assert older.tables["submissions"].is_empty()
    assert older.tables["assignments"]["weight"].null_count() == 5
    assert older.tables["identities"]["preferred_name"].null_count() == 30
    assert set(older.tables["staff_roles"].filter(staff_id="t01")["organisation_id"]) == {"d", "s"}


# -- people ---------------------------------------------------------------------------------------------------------------


def twice(**cells: object) -> Files:
    """Return the example with a second row for its first student, at another school, as Ed-Fi's emitter writes it."""
    files = added("users", sourcedId="z01", enabledUser="true", username="second", givenName="Givenu01", familyName="Familyu01",
                  identifier="S-u01", grades="09", **cells)  # fmt: skip
    files["orgs"] = pl.concat([files["orgs"], export.rows("orgs", {"sourcedId": "s2", "name": "Second", "type": "school"})])
    files["classes"] = pl.concat([files["classes"], export.rows("classes", {
        "sourcedId": "c-two", "title": "Two", "courseSourcedId": "k-geo", "classType": "scheduled", "schoolSourcedId": "s2",
        "termSourcedIds": "autumn"})])  # fmt: skip
    files["roles"] = pl.concat(
        [
            files["roles"],
            export.rows(
                "roles",
                {
                    "sourcedId": "role-z01",
                    "userSourcedId": "z01",
                    "roleType": "primary",
                    "role": "student",
                    "orgSourcedId": "s2",
                },
            ),
        ]
    )
    files["enrollments"] = pl.concat(
        [
            files["enrollments"],
            export.rows(
                "enrollments",
                {
                    "sourcedId": "e-z01",
                    "classSourcedId": "c-two",
                    "schoolSourcedId": "s2",
                    "userSourcedId": "z01",
                    "role": "student",
                },
            ),
        ]
    )
    return files


def test_several_rows_with_one_identifier_are_one_student_with_a_stay_at_each_school(tmp_path: Path) -> None:
    made = reading(tmp_path, twice())
    assert made.problems == ()
    assert made.tables["students"].height == 30
    assert set(made.tables["enrolments"].filter(student_id="u01")["enrolment_id"]) == {"u01/s/y", "u01/s2/y"}


def test_every_row_of_a_person_still_names_them_to_companions(tmp_path: Path) -> None:
    folder = export.write(tmp_path, twice(), beside=False)
    pl.DataFrame(
        {"student_id": ["z01", "u02"], "on": ["2026-09-02"] * 2, "status": ["late"] * 2, "absent_share": [0, 0]}
    ).write_csv(folder / "attendance.csv")
    made = read(folder, OneRoster())
    assert made.problems == ()
    assert set(made.tables["attendance"]["student_id"]) == {"u01", "u02"}


@pytest.mark.parametrize(
    "contradiction", [{"born": "2010-01-01"}, {"given": "Luis"}], ids=["another day of birth", "another given name"]
)
def test_rows_that_share_an_identifier_and_contradict_each_other_are_two_and_told(
    tmp_path: Path, contradiction: dict[str, str]
) -> None:
    files = twice()
    if "born" in contradiction:
        files["demographics"] = pl.concat([files["demographics"], export.rows("demographics", {
            "sourcedId": "z01", "birthDate": contradiction["born"]})])  # fmt: skip
    else:
        files["users"] = files["users"].with_columns(
            pl.when(pl.col("sourcedId") == "z01").then(pl.lit("Luis")).otherwise("givenName").alias("givenName"))  # fmt: skip
    made = reading(tmp_path, files)
    assert told(made.problems) == {("ambiguous_person", "users.csv", "identifier", 2)}
    assert "(rows 2, 35)" in made.problems[0].problem
    assert made.quarantined == 0
    assert {"u01", "z01"} <= set(made.tables["students"]["student_id"])


def test_a_longer_form_of_a_name_is_no_contradiction(tmp_path: Path) -> None:
    files = twice(preferredGivenName="Ana")
    files["users"] = files["users"].with_columns(
        pl.when(pl.col("sourcedId") == "z01").then(pl.lit("Anabel")).otherwise("givenName").alias("givenName"))  # fmt: skip
    assert reading(tmp_path, files).problems == ()


# -- what nobody reads ----------------------------------------------------------------------------------------------------


def test_a_password_is_in_no_table_no_quarantine_and_no_error(tmp_path: Path) -> None:
    secret = "open-sesame"
    files = added("users", sourcedId="u01", givenName="Twin", password=secret)  # the same key again: set aside
    files["roles"] = files["roles"].with_columns(
        pl.when(pl.col("sourcedId") == "role-u02").then(pl.lit("nobody")).otherwise("userSourcedId").alias("userSourcedId")
    )
    folder = export.write(tmp_path / "export", files, beside=False)
    header = ",".join(column.name for column in binding.FILES["1.2"]["userProfiles"].columns)
    (folder / "userProfiles.csv").write_text(f"{header}\n1,,,u01,x,v,,,login,name,{secret}\n")
    with (folder / "users.csv").open("a") as users:
        users.write(f"u99,,,true,x,,Given,Family,,,,,,{secret},,{secret},,,,,,,too,many,{secret}\r\n")
    made = read(folder, OneRoster())
    assert {("duplicate_key", "sourcedId"), ("wrong_number_of_cells", "")} <= {(p.code, p.column) for p in made.problems}
    assert "userProfiles" not in {one.file.removesuffix(".csv") for one in made.accounts}
    assert any("userProfiles.csv" in note for note in made.notes)
    for path in made.write_quarantine(tmp_path / "aside"):
        assert secret.encode() not in path.read_bytes()
    said = [*map(str, made.problems), *made.notes, *(str(frame.write_json()) for frame in made.quarantine.values()),
            *(str(frame.write_json()) for frame in made.tables.values())]  # fmt: skip
    assert not [text for text in said if secret in text]
    assert secret in (folder / "users.csv").read_text()


# -- what does no harm ----------------------------------------------------------------------------------------------------


def recased(folder: Path) -> None:
    path = folder / "orgs.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].upper(), *lines[1:]]))


def reordered(folder: Path) -> None:
    frame = pl.read_csv(folder / "users.csv", infer_schema=False)
    frame.select(reversed(frame.columns)).write_csv(folder / "users.csv")


def marked(folder: Path) -> None:
    path = folder / "users.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def renamed(folder: Path) -> None:
    (folder / "orgs.csv").rename(folder / "Orgs.CSV")


def extended(folder: Path) -> None:
    frame = pl.read_csv(folder / "orgs.csv", infer_schema=False)
    frame.with_columns(pl.lit("x").alias("local_code"), pl.lit("y").alias("metadata.code")).write_csv(folder / "orgs.csv")


def filled(folder: Path) -> None:
    frame = pl.read_csv(folder / "orgs.csv", infer_schema=False)
    frame.with_columns(pl.lit("Active").alias("status"), pl.lit("2026-01-01").alias("dateLastModified")).write_csv(
        folder / "orgs.csv"
    )


def capitals(folder: Path) -> None:
    frame = pl.read_csv(folder / "demographics.csv", infer_schema=False)
    frame.with_columns(pl.col("asian").str.to_uppercase(), pl.col("sex").str.to_uppercase()).write_csv(
        folder / "demographics.csv"
    )


def times(folder: Path) -> None:
    frame = pl.read_csv(folder / "results.csv", infer_schema=False)
    frame.with_columns(pl.col("scoreDate") + "T14:05:00.000Z").write_csv(folder / "results.csv")


def without_manifest(folder: Path) -> None:
    (folder / "manifest.csv").unlink()


def short_manifest(folder: Path) -> None:
    path = folder / "manifest.csv"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "userResources" not in line))


def called_absent(folder: Path) -> None:
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("file.demographics,bulk", "file.demographics,absent"))


def empty_optional(folder: Path) -> None:
    (folder / "scoreScales.csv").write_text("")


def other_ending(folder: Path) -> None:
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("oneroster.version,1.2", "oneroster.version,V1.2.1").replace("bulk", "Bulk"))


#: What does no harm, and a part of the note that tells it (none where there is nothing to tell); one reading for each group.
HARMLESS: tuple[dict[Callable[[Path], None], str], ...] = (
    {recased: "orgs.csv has its header", reordered: "users.csv has its header", filled: "does no harm", extended: "LOCAL_CODE"},
    {capitals: "sex have words", times: "times beside the day", called_absent: "calls it absent", empty_optional: "is empty"},
    {short_manifest: "userResources"},
    {without_manifest: "no manifest"},
    {marked: "", renamed: "", other_ending: ""},
)


@pytest.mark.parametrize("group", HARMLESS)
def test_what_makes_no_data_wrong_is_read_and_noted(
    whole: Reading, tmp_path: Path, group: dict[Callable[[Path], None], str]
) -> None:
    export.write(tmp_path)
    for harmless in reversed(group):
        harmless(tmp_path)
    made = read(tmp_path, OneRoster())
    assert made.problems == ()
    for name, frame in whole.tables.items():
        assert made.tables[name].equals(frame), name
    for noted in group.values():
        assert any(noted in note for note in made.notes) if noted else made.notes == ()


def test_files_with_a_header_alone_say_nothing(tmp_path: Path) -> None:
    files = export.files() | {name: export.rows(name) for name in ("results", "demographics", "resources", "classResources")}
    made = reading(tmp_path, files)
    assert made.problems == made.notes == ()
    assert not {"results", "submissions", "demographics", "resources"} & set(made.tables)


def test_rows_that_have_no_place_are_counted_with_the_reason(tmp_path: Path) -> None:
    files = export.files()
    files["classResources"] = export.rows(
        "classResources", {"sourcedId": "1", "classSourcedId": "c-alg", "resourceSourcedId": "r"}
    )
    seat = {"classSourcedId": "c-alg", "schoolSourcedId": "s", "userSourcedId": "t02"}
    files["enrollments"] = pl.concat(
        [
            files["enrollments"],
            export.rows(
                "enrollments", {**seat, "sourcedId": "1", "role": "proctor"}, {**seat, "sourcedId": "2", "role": "ext:coach"}
            ),
        ]
    )
    made = reading(tmp_path, files)
    accounts = {one.file: one for one in made.accounts}
    assert accounts["classResources.csv"].left_out == 1
    assert "skills" in accounts["classResources.csv"].why
    assert accounts["enrollments.csv"].left_out == 2
    assert accounts["enrollments.csv"].kept == 83
    assert made.problems == ()


# -- what is wrong with a row ---------------------------------------------------------------------------------------------

#: File, row, what is changed, the fault and its column; one reading for each group, so that no fault hides another.
WRONG: tuple[tuple[tuple[str, str, dict[str, object], str, str], ...], ...] = (
    (
        ("orgs", "d", {"type": "kindergarten"}, "unknown_word", "type"),
        ("academicSessions", "spring", {"startDate": "01/25/2027"}, "bad_value", "startDate"),
        ("roles", "role-u01", {"role": "wizard"}, "unknown_word", "role"),
        ("enrollments", "e-u01-c-alg", {"userSourcedId": "nobody"}, "unknown_users", "userSourcedId"),
        ("demographics", "u01", {"asian": "perhaps"}, "bad_value", "asian"),
        ("categories", "hw", {"weight": -1}, "out_of_range", "weight"),
        ("results", "r-w1-u02", {"score": 11}, "out_of_range", "score"),
        ("lineItemLearningObjectiveIds", "lo-w1", {"learningObjectiveId": None}, "missing_value", "learningObjectiveId"),
    ),
    (
        ("academicSessions", "spring", {"endDate": "2027-01-01"}, "ends_before_start", "endDate"),
        ("courses", "k-geo", {"sourcedId": None}, "missing_value", "sourcedId"),
        ("lineItems", "w1", {"resultValueMin": 30}, "out_of_range", "resultValueMax"),
        ("results", "r-w4-u02", {"studentSourcedId": "u03"}, "not_enrolled", "studentSourcedId"),
    ),
    (
        ("courses", "k-geo", {"sourcedId": "k-alg"}, "duplicate_key", "sourcedId"),
        ("classes", "c-read", {"schoolSourcedId": None}, "missing_value", "schoolSourcedId"),
        ("results", "r-w1-u02", {"scoreStatus": "done"}, "unknown_word", "scoreStatus"),
    ),
    (
        ("classes", "c-geo", {"courseSourcedId": "nothing"}, "unknown_courses", "courseSourcedId"),
        ("enrollments", "e-u02-c-read", {"beginDate": "soon"}, "bad_value", "beginDate"),
        ("results", "r-w1-u02", {"scoreDate": None}, "missing_value", "scoreDate"),
    ),
    (
        ("classes", "c-geo", {"termSourcedIds": "nothing"}, "unknown_academicSessions", "termSourcedIds"),
        ("results", "r-w1-u02", {"classSourcedId": "c-read"}, "mismatched_reference", "classSourcedId"),
    ),
    (("results", "r-w1-u02", {"studentSourcedId": "t01"}, "not_enrolled", "studentSourcedId"),),
    (("results", "r-w1-u02", {"score": -1}, "out_of_range", "score"),),
)


@pytest.mark.parametrize("group", WRONG)
def test_a_row_that_is_wrong_is_set_aside_with_its_reason(
    tmp_path: Path, group: tuple[tuple[str, str, dict[str, object], str, str], ...]
) -> None:
    files = export.files()
    for name, key, cells, _, _ in group:
        files[name] = changed(name, key, **cells)[name]
    made = reading(tmp_path, files)
    for name, key, cells, code, column in group:
        row = export.files()[name]["sourcedId"].to_list().index(key) + 2
        found = next(one for one in made.problems if one.file == f"{name}.csv" and one.code == code)
        assert (found.column, found.row, found.rows) == (column, row, 1)
        account = next(one for one in made.accounts if one.file == f"{name}.csv")
        assert account.read == files[name].height
        assert account.quarantined == made.quarantine[f"{name}.csv"].height >= 1
        assert all(cell is None or str(cell) not in str(found) or isinstance(cell, int) for cell in cells.values())


def test_rows_whose_class_was_set_aside_are_set_aside_with_it_and_told(tmp_path: Path) -> None:
    made = reading(tmp_path, changed("courses", "k-geo", sourcedId=None))
    codes = {(one.code, one.file, one.rows) for one in made.problems}
    assert codes == {("missing_value", "courses.csv", 1), ("unknown_courses", "classes.csv", 1),
                     ("unknown_classes", "enrollments.csv", 31), ("unknown_classes", "lineItems.csv", 1),
                     ("unknown_lineItems", "results.csv", 25)}  # fmt: skip


def test_what_a_row_can_do_without_is_noted_and_the_row_is_kept(tmp_path: Path) -> None:
    loose = (("orgs", "s", {"parentSourcedId": "nothing"}), ("lineItems", "w1", {"categorySourcedId": "nothing"}),
             ("courses", "k-alg", {"title": None}), ("classes", "c-alg", {"termSourcedIds": "autumn,nothing"}))  # fmt: skip
    files = export.files()
    for name, key, cells in loose:
        files[name] = changed(name, key, **cells)[name]
    del files["roles"]
    made = reading(tmp_path, files)
    assert made.problems == ()
    assert len(made.notes) == 5
    assert made.notes[0].startswith("There is no roles.csv")
    for name, _, _ in loose:
        assert any(note.startswith(f"{name}.csv: 1 ") for note in made.notes), name
    # Classes say who is a student and who teaches; whom nobody names is nobody here.
    assert made.tables["students"].height == 30
    assert made.tables["staff"]["staff_id"].to_list() == ["t01"]


def test_a_row_that_was_set_aside_is_taken_once_it_lies_corrected_beside_the_export(tmp_path: Path) -> None:
    export.write(tmp_path / "made", changed("results", RESULT, score=77), beside=False)
    path = export.packed(tmp_path / "made", tmp_path / "export.zip")
    read(path, OneRoster()).write_quarantine(tmp_path)
    aside = tmp_path / "results.quarantined.csv"
    aside.write_text(aside.read_text().replace(",77,", ",7,"))
    made = read(path, OneRoster())
    assert made.problems == ()
    assert only(made.tables["results"], student_id="u02", assignment_id="w1")["score"] == 7
    assert next(one for one in made.accounts if one.file == "results.csv").corrected == 1


def test_companions_may_name_a_school_by_its_number_and_a_class_by_its_code(tmp_path: Path) -> None:
    export.write(tmp_path / "made", beside=False)
    (tmp_path / "made" / "days.csv").write_text("building,day,open\n0042,2026-09-07,no\n")
    (tmp_path / "made" / "cuts.csv").write_text("student,course,day\nS-u02,c-alg-9,2026-09-08\n")
    (tmp_path / "map.toml").write_text("""
[calendar]
file = "days.csv"
columns = { organisation_id = "building", on = "day", instructional = "open" }
joins = { organisation_id = "identifier" }
[section_attendance]
file = "cuts.csv"
columns = { student_id = "student", section_id = "course", on = "day" }
joins = { student_id = "identifier", section_id = "classCode" }
values = { status = "absent" }
""")
    made = read(tmp_path / "made", OneRoster(), mapping=tmp_path / "map.toml")
    assert made.problems == made.notes == ()
    assert made.tables["calendar"].select("organisation_id", "on", "instructional").rows() == [("s", date(2026, 9, 7), False)]
    cut = made.tables["section_attendance"].row(0, named=True)
    assert (cut["student_id"], cut["enrolment_id"], cut["section_id"]) == ("u02", "u02/s/y", "c-alg")


# -- what is wrong with a package -------------------------------------------------------------------------------------------


def test_every_fault_of_structure_is_told_at_once(tmp_path: Path) -> None:
    export.write(tmp_path)
    (tmp_path / "orgs.csv").unlink()
    (tmp_path / "classes.csv").write_text("")
    (tmp_path / "enrollments.csv").write_text("sourcedId,classSourcedId\n1,c-alg\n")
    path = tmp_path / "manifest.csv"
    path.write_text(
        path.read_text().replace("file.users,bulk", "file.users,full").replace("oneroster.version,1.2", "oneroster.version,9")
    )
    assert refused(tmp_path) == {
        ("missing_file", "orgs.csv"), ("empty_file", "classes.csv"), ("missing_column", "enrollments.csv"),
        ("manifest", "manifest.csv"), ("unknown_version", "manifest.csv"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "instead", "code"),
    [
        ("oneroster.version,1.2", "oneroster.version,1.0", "unknown_version"),
        ("oneroster.version,1.2\n", "", "manifest"),
        ("manifest.version,1.0", "manifest.version,2.0", "manifest"),
        ("propertyName,value", "a,b", "manifest"),
        ("file.orgs,bulk", "file.orgs,bulk\nfile.orgs,delta", "manifest"),
        ("file.resources,absent", "file.resources,bulk", "missing_file"),
    ],
)
def test_a_manifest_that_cannot_be_true_refuses_the_package(tmp_path: Path, line: str, instead: str, code: str) -> None:
    export.write(tmp_path)
    path = tmp_path / "manifest.csv"
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, instead))
    assert code in {found for found, _ in refused(tmp_path)}


def test_an_empty_folder_lacks_every_file_that_is_needed(tmp_path: Path) -> None:
    assert refused(tmp_path) == {("missing_file", f"{name}.csv") for name in binding.REQUIRED}


def test_two_files_that_differ_in_capitals_are_refused(tmp_path: Path) -> None:
    export.write(tmp_path)
    (tmp_path / "ORGS.csv").write_bytes((tmp_path / "orgs.csv").read_bytes())
    assert refused(tmp_path) == {("ambiguous_file", "orgs.csv")}


# -- packages in a row ------------------------------------------------------------------------------------------------------


def stamped(name: str, *rows: dict[str, object], stamp: str = STAMP, status: str = "active") -> pl.DataFrame:
    return export.rows(name, *({"status": status, "dateLastModified": stamp, **row} for row in rows))


def seat(one: str, section: str) -> dict[str, object]:
    return {"sourcedId": f"e-{one}-{section}", "classSourcedId": section, "schoolSourcedId": "s", "userSourcedId": one,
            "role": "student"}  # fmt: skip


def row_of(name: str, key: str) -> dict[str, object]:
    return export.files()[name].filter(sourcedId=key).row(0, named=True)


@pytest.fixture
def nightly(tmp_path: Path) -> Path:
    """A folder whose first package is the example."""
    export.packed(export.write(tmp_path / "made", beside=False), tmp_path / "00-bulk.zip")
    for file in (tmp_path / "made").iterdir():
        file.unlink()
    (tmp_path / "made").rmdir()
    return tmp_path


def test_a_changed_row_is_a_version_from_the_day_it_was_changed(nightly: Path) -> None:
    later = {**row_of("results", RESULT), "score": 9, "status": "active", "dateLastModified": STAMP}
    export.delta(nightly / "delta-1", {"results": export.rows("results", later)})
    made = read(nightly, OneRoster())
    assert made.problems == ()
    marks = made.tables["results"].filter(student_id="u02", assignment_id="w1").sort("known_on")
    assert marks.select("score", "known_on", "deleted").rows() == [
        (2.0, date(2026, 9, 12), False), (9.0, date(2026, 11, 2), False)]  # fmt: skip
    assert {one.file for one in made.accounts} >= {"00-bulk.zip/results.csv", "delta-1/results.csv"}
    # Everything else is as it was.
    assert made.tables["rosters"].filter(pl.col("known_on") == date(2026, 11, 2)).is_empty()


def test_a_row_to_be_deleted_is_a_version_that_deletes_what_follows_from_it(nightly: Path) -> None:
    export.delta(
        nightly / "delta-1", {"enrollments": stamped("enrollments", {"sourcedId": "e-u02-c-alg"}, status="tobedeleted")}
    )
    made = read(nightly, OneRoster())
    assert made.problems == ()
    seats = made.tables["rosters"].filter(student_id="u02", section_id="c-alg").sort("known_on")
    assert seats.select("known_on", "deleted").rows() == [(date(2026, 8, 26), False), (date(2026, 11, 2), True)]
    assert made.tables["results"].filter(student_id="u02", assignment_id="w1")["deleted"].to_list() == [False, True]


def test_a_new_row_is_known_from_its_day_or_from_what_it_tells_if_that_is_later(nightly: Path) -> None:
    user = {"sourcedId": "u99", "enabledUser": "true", "username": "new", "givenName": "New", "familyName": "One"}
    export.delta(nightly / "delta-1", {
        "users": stamped("users", user, stamp="2026-10-01T00:00:00.000Z"),
        "enrollments": stamped("enrollments", seat("u99", "c-alg"), seat("u99", "c-geo"), stamp="2026-10-05T00:00:00.000Z"),
    })  # fmt: skip
    made = read(nightly, OneRoster())
    assert made.problems == ()
    assert only(made.tables["students"], student_id="u99")["known_on"] == date(2026, 10, 1)
    assert only(made.tables["enrolments"], student_id="u99")["known_on"] == date(2026, 10, 5)
    seats = made.tables["rosters"].filter(student_id="u99").sort("section_id")
    assert seats["known_on"].to_list() == [date(2026, 10, 5), date(2027, 1, 25)]


def test_packages_follow_each_other_by_name_with_numbers_as_numbers(nightly: Path) -> None:
    for number, score in ((2, 3), (10, 7)):
        later = {
            **row_of("results", RESULT),
            "score": score,
            "status": "active",
            "dateLastModified": f"2026-11-{number:02d}T00:00:00Z",
        }
        export.delta(nightly / f"delta-{number}", {"results": export.rows("results", later)})
    made = read(nightly, OneRoster())
    marks = made.tables["results"].filter(student_id="u02", assignment_id="w1").sort("known_on")
    assert marks["score"].to_list() == [2.0, 3.0, 7.0]


def test_a_later_bulk_file_is_all_there_is_but_a_faulty_row_deletes_nothing(nightly: Path) -> None:
    files = changed("results", RESULT, score=99)
    files = {"results": files["results"].filter(pl.col("sourcedId") != "r-w1-u03")}
    export.write(nightly / "bulk-2026-11-02", files, beside=False)
    made = read(nightly, OneRoster())
    assert told(made.problems) == {("out_of_range", "bulk-2026-11-02/results.csv", "score", 1)}
    marks = made.tables["results"]
    assert marks.filter(student_id="u02", assignment_id="w1").select("score", "deleted").rows() == [(2.0, False)]
    gone = marks.filter(student_id="u03", assignment_id="w1").sort("known_on")
    assert gone.select("known_on", "deleted").rows() == [(date(2026, 9, 13), False), (date(2026, 11, 2), True)]


def test_a_later_package_that_tells_no_day_is_refused(nightly: Path) -> None:
    export.write(nightly / "second", {"results": export.files()["results"]}, beside=False)
    assert refused(nightly) == {("undated_package", "")}


def test_a_person_keeps_their_key_when_a_row_that_sorts_before_is_added(nightly: Path) -> None:
    user = {"sourcedId": "a00", "enabledUser": "true", "username": "a", "givenName": "Givenu01", "familyName": "Familyu01",
            "identifier": "S-u01"}  # fmt: skip
    export.delta(
        nightly / "delta-1", {"users": stamped("users", user), "enrollments": stamped("enrollments", seat("a00", "c-read"))}
    )
    made = read(nightly, OneRoster())
    assert "a00" not in made.tables["students"]["student_id"]
    assert not made.tables["students"]["deleted"].any()


def test_deltas_alone_are_the_beginning_and_that_is_told(tmp_path: Path) -> None:
    files = {
        name: frame.with_columns(status=pl.lit("active"), dateLastModified=pl.lit(STAMP))
        for name, frame in export.files().items()
    }
    made = read(export.delta(tmp_path, files), OneRoster())
    assert made.problems == ()
    assert any("taken as the beginning" in note for note in made.notes)
    # When the export was made says nothing of when the school knew.
    assert only(made.tables["results"], student_id="u02", assignment_id="w1")["known_on"] == date(2026, 9, 12)
    assert set(made.tables["students"]["known_on"]) == {EVER}


# -- a real bundle, and the page ------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_real_bundle_of_deltas_is_read(roster_sample: Path) -> None:
    made = read(roster_sample, OneRoster())
    assert made.problems == ()
    assert made.tables["students"]["student_id"].to_list() == ["USER_0"]
    stay = only(made.tables["enrolments"], student_id="USER_0")
    assert (stay["entered_on"], stay["planned_end_on"]) == (date(2023, 9, 4), date(2024, 1, 26))
    assert not any("not-a-secret" in str(frame.write_json()) for frame in made.tables.values())


def test_the_page_lists_every_file_and_column_of_the_binding() -> None:
    page = (ROOT / "docs" / "oneroster.md").read_text()
    assert binding.as_markdown() in page
    for version in binding.VERSIONS:
        for name, table in binding.FILES[version].items():
            part = re.search(rf"^### {name}\.csv\n(.*?)(?=^###? |\Z)", page, re.DOTALL | re.MULTILINE)
            assert part, name
            assert all(f"`{column.name}`" in part.group(1) for column in table.columns[3:])


@pytest.mark.parametrize("version", binding.VERSIONS)
def test_secrets_are_in_no_column_that_is_read(version: str) -> None:
    named = {one.name for table in binding.FILES[version].values() for one in binding.read_columns(table)}
    assert not {"password", "credentialType", "sms", "phone"} & named


def test_a_manifest_that_leaves_a_mode_empty_means_that_the_file_is_absent(tmp_path: Path) -> None:
    folder = export.write(tmp_path)
    manifest = folder / "manifest.csv"
    text = manifest.read_text().replace("file.scoreScales,absent", "file.scoreScales,")
    assert "file.scoreScales,\n" in text.replace("\r", "")
    manifest.write_text(text)
    found = read(folder, OneRoster())
    assert found.problems == ()
    assert any("says nothing of file.scoreScales" in note for note in found.notes)


def test_a_file_of_events_is_read_where_it_is_all_that_lies_beside_an_export_and_others_are_named(tmp_path: Path) -> None:
    folder = export.write(tmp_path, beside=False)
    one = export.activity().row(0, named=True)
    said = {"id": "urn:uuid:1", "type": "NavigationEvent", "action": "NavigatedTo", "eventTime": f"{one['on']}T10:15:00.000Z",
            "actor": {"id": one["student_id"], "type": "Person"}, "object": {"id": "p", "type": "WebPage"},
            "group": {"id": one["section_id"], "type": "CourseSection"}}  # fmt: skip
    (folder / "events.jsonl").write_text(json.dumps(said))
    (folder / "diary.json").write_text('{"a": 1}')
    found = read(folder, OneRoster())
    assert found.problems == ()
    assert found.tables["activity"].select("student_id", "section_id").rows() == [(one["student_id"], one["section_id"])]
    assert {account.file for account in found.accounts} >= {"events.jsonl"}
    assert any("diary.json" in note for note in found.notes)

"""A small OneRoster export: a school of two semesters and thirty students, and a table that OneRoster cannot carry."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from features.sources.oneroster.binding import FILES

Files = dict[str, pl.DataFrame]

STUDENTS = tuple(f"u{number:02d}" for number in range(1, 31))

#: Class, its course, its session.
CLASSES = (("c-alg", "k-alg", "autumn"), ("c-read", "k-read", "autumn"), ("c-geo", "k-geo", "spring"))

#: Line item, class, category, due, best score, skill.
WORK = (
    ("w1", "c-alg", "hw", date(2026, 9, 10), 10, "ratios"),
    ("w2", "c-alg", "quiz", date(2026, 9, 17), 20, "ratios"),
    ("w3", "c-alg", "hw", date(2026, 9, 24), 30, None),
    ("w4", "c-read", "hw", date(2026, 9, 15), 10, "main-idea"),
    ("w5", "c-geo", "quiz", date(2027, 2, 22), 20, None),
)

AGENT = "p01"


def rows(name: str, *listed: Mapping[str, object], version: str = "1.2") -> pl.DataFrame:
    """Return rows of a file in the binding's columns, what is not given empty."""
    columns = [column.name for column in FILES[version][name].columns]
    return pl.DataFrame(
        {column: [None if row.get(column) is None else str(row[column]) for row in listed] for column in columns},
        schema=dict.fromkeys(columns, pl.String),
    )


def files() -> Files:
    """Return the files of version 1.2."""
    users = [
        {
            "sourcedId": one,
            "enabledUser": "true",
            "username": f"name{one}",
            "userIds": f"{{state:{one}}}",
            "givenName": f"Given{one}",
            "familyName": f"Family{one}",
            "identifier": f"S-{one}",
            "email": f"{one}@school.example",
            "grades": "09",
            "password": "open-sesame",
            "agentSourcedIds": AGENT if one == "u01" else None,
            "pronouns": "they" if one == "u02" else None,
            "preferredGivenName": "Ana" if one == "u01" else None,
        }
        for one in STUDENTS
    ]
    others = [
        {
            "sourcedId": one,
            "enabledUser": "true",
            "username": one,
            "givenName": given,
            "familyName": family,
            "email": f"{one}@school.example",
        }
        for one, given, family in ((AGENT, "Eva", "Familyu01"), ("t01", "Tom", "Teacher"), ("t02", "Nia", "Counselor"))
    ]
    roles = [(one, "student") for one in STUDENTS] + [(AGENT, "parent"), ("t01", "teacher"), ("t02", "counselor")]
    seats = [
        (one, section, "student") for one in STUDENTS for section, _, _ in CLASSES if section != "c-read" or int(one[1:]) % 3
    ]
    seats += [("t01", section, "teacher") for section, _, _ in CLASSES]
    results = [
        (f"r-{item}-{one}", item, one, int(one[1:]), due, best)
        for item, section, _, due, best, _ in WORK
        for one, where, _ in seats
        if where == section and one in STUDENTS and (int(one[1:]) + best) % 7
    ]
    return {
        "orgs": rows(
            "orgs",
            {"sourcedId": "d", "name": "District", "type": "district"},
            {"sourcedId": "s", "name": "Lincoln", "type": "school", "parentSourcedId": "d", "identifier": "0042"},
        ),
        "academicSessions": rows(
            "academicSessions",
            {
                "sourcedId": "y",
                "title": "2026-27",
                "type": "schoolYear",
                "startDate": "2026-08-24",
                "endDate": "2027-06-11",
                "schoolYear": 2027,
            },
            {
                "sourcedId": "autumn",
                "title": "Autumn",
                "type": "semester",
                "startDate": "2026-08-24",
                "endDate": "2027-01-22",
                "parentSourcedId": "y",
                "schoolYear": 2027,
            },
            {
                "sourcedId": "spring",
                "title": "Spring",
                "type": "semester",
                "startDate": "2027-01-25",
                "endDate": "2027-06-11",
                "parentSourcedId": "y",
                "schoolYear": 2027,
            },
        ),
        "courses": rows(
            "courses",
            {
                "sourcedId": "k-alg",
                "title": "Algebra",
                "orgSourcedId": "s",
                "subjects": "Algebra,Functions",
                "subjectCodes": "02052",
            },
            {"sourcedId": "k-read", "title": "Reading", "orgSourcedId": "s", "subjects": "English"},
            {"sourcedId": "k-geo", "title": "Design", "orgSourcedId": "s", "subjects": "Making things"},
        ),
        "classes": rows(
            "classes",
            *(
                {
                    "sourcedId": section,
                    "title": f"Class {section}",
                    "courseSourcedId": course,
                    "classCode": f"{section}-9",
                    "classType": "scheduled",
                    "schoolSourcedId": "s",
                    "termSourcedIds": term,
                }
                for section, course, term in CLASSES
            ),
        ),
        "users": rows("users", *users, *others),
        "roles": rows(
            "roles",
            *(
                {"sourcedId": f"role-{one}", "userSourcedId": one, "roleType": "primary", "role": role, "orgSourcedId": "s"}
                for one, role in roles
            ),
        ),
        "enrollments": rows(
            "enrollments",
            *(
                {
                    "sourcedId": f"e-{one}-{section}",
                    "classSourcedId": section,
                    "schoolSourcedId": "s",
                    "userSourcedId": one,
                    "role": role,
                    "primary": "true" if role == "teacher" else None,
                    "beginDate": "2026-08-26" if section == "c-alg" else None,
                    "endDate": "2026-10-30" if (one, section) == ("u05", "c-alg") else None,
                }
                for one, section, role in seats
            ),
        ),
        "demographics": rows(
            "demographics",
            *(
                {
                    "sourcedId": one,
                    "birthDate": f"2011-{1 + int(one[1:]) % 12:02d}-15",
                    "sex": ("male", "female")[int(one[1:]) % 2],
                    "asian": "true" if one == "u03" else "false",
                    "white": "true" if one in {"u03", "u04"} else "false",
                    "hispanicOrLatinoEthnicity": "true" if one == "u06" else "false",
                }
                for one in STUDENTS
            ),
        ),
        "categories": rows(
            "categories",
            {"sourcedId": "hw", "title": "Homework", "weight": 40},
            {"sourcedId": "quiz", "title": "Quizzes", "weight": 60},
        ),
        "lineItems": rows(
            "lineItems",
            *(
                {
                    "sourcedId": item,
                    "title": f"Work {item}",
                    "assignDate": due - timedelta(days=7),
                    "dueDate": due,
                    "classSourcedId": section,
                    "categorySourcedId": category,
                    "schoolSourcedId": "s",
                    "academicSessionSourcedId": "spring" if section == "c-geo" else "autumn",
                    "resultValueMin": 0,
                    "resultValueMax": best,
                }
                for item, section, category, due, best, _ in WORK
            ),
        ),
        "results": rows(
            "results",
            *(
                {
                    "sourcedId": key,
                    "lineItemSourcedId": item,
                    "studentSourcedId": one,
                    "scoreStatus": "fully graded",
                    "score": number % (best + 1),
                    "scoreDate": due + timedelta(days=number % 9),
                    "late": ("true" if number % 4 == 0 else "false") if number % 5 else None,
                }
                for key, item, one, number, due, best in results
            ),
        ),
        "lineItemLearningObjectiveIds": rows(
            "lineItemLearningObjectiveIds",
            *(
                {"sourcedId": f"lo-{item}", "lineItemSourcedId": item, "source": "unknown", "learningObjectiveId": skill}
                for item, _, _, _, _, skill in WORK
                if skill
            ),
        ),
    }


def older() -> Files:
    """Return the same school as version 1.1 has it."""
    made = files()
    role = {row["userSourcedId"]: row["role"] for row in made.pop("roles").iter_rows(named=True)}
    made.pop("lineItemLearningObjectiveIds")
    people = [{**row, "role": role[row["sourcedId"]], "orgSourcedIds": "d,s" if row["sourcedId"] == "t01" else "s"}
              for row in made["users"].iter_rows(named=True)]  # fmt: skip
    found = {name: rows(name, *frame.iter_rows(named=True), version="1.1") for name, frame in made.items()}
    return found | {"users": rows("users", *people, version="1.1")}


def activity() -> pl.DataFrame:
    """Return what OneRoster does not carry: days online, under the canonical name; the stay is found by the day."""
    days = [date(2026, 8, 26) + timedelta(days=at) for at in range(0, 60, 4)]
    listed = [(one, "c-alg", day, "content", 1 + int(one[1:]) % 5, 1) for one in STUDENTS for day in days]
    return pl.DataFrame(listed, schema=["student_id", "section_id", "on", "kind", "actions", "resources"], orient="row")


def manifest(named: Mapping[str, pl.DataFrame], version: str = "1.2", mode: str = "bulk") -> str:
    """Return a manifest that names every file of the binding."""
    lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    lines += [f"file.{name},{mode if name in named else 'absent'}" for name in FILES[version]]
    return "\r\n".join(lines) + "\r\n"


def write(folder: Path, made: Files | None = None, version: str = "1.2", mode: str = "bulk", *, beside: bool = True) -> Path:
    """Write an export, with its table of activity unless it is a package among others, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = (files() if version == "1.2" else older()) if made is None else made
    for name, frame in made.items():
        frame.write_csv(folder / f"{name}.csv", line_terminator="\r\n")
    (folder / "manifest.csv").write_text(manifest(made, version, mode), newline="")
    if beside:
        activity().write_csv(folder / "activity.csv")
    return folder


def delta(folder: Path, made: Files) -> Path:
    """Write a package of changes; its frames have ``status`` and ``dateLastModified`` filled."""
    return write(folder, made, mode="delta", beside=False)


def packed(folder: Path, at: Path, inside: str = "") -> Path:
    """Pack a folder's files into a zip, in a folder inside it where one is named."""
    with zipfile.ZipFile(at, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                made.write(path, f"{inside}{path.relative_to(folder)}")
    return at

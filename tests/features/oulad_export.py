"""A small export in the Open University's own files: two module presentations, thirty students."""

from __future__ import annotations

from pathlib import Path

import polars as pl

AAA, BBB = ("AAA", "2013B"), ("BBB", "2013J")

#: Module, presentation, assessment, kind, day due, weight.
ASSESSMENTS = (
    (*AAA, 101, "TMA", 20, 40.0),
    (*AAA, 102, "CMA", 40, 60.0),
    (*AAA, 103, "Exam", None, 100.0),
    (*BBB, 201, "TMA", 30, 100.0),
    (*BBB, 202, "Exam", 230, 100.0),
)

#: Assessment, student, day handed in, banked, score: written out for the student 1, who is in both modules.
BY_HAND = (
    (101, 1, 18, 0, 80.0),  # early: known 14 days after it was due
    (102, 1, 45, 0, 35.0),  # late, but a computer marks it: known that day
    (103, 1, 240, 0, 55.0),
    (201, 1, -1, 1, 70.0),  # banked: known when the module starts
    (202, 1, 232, 0, None),  # no score on record
)


def frames() -> dict[str, pl.DataFrame]:
    """Return the seven files, null where the export writes a question mark."""
    students = [(AAA, number) for number in range(1, 16)] + [(BBB, number) for number in (1, *range(16, 30))]
    results = ("Pass", "Fail", "Withdrawn", "Distinction")
    left = {(AAA, 3): 60, (AAA, 7): -5, (BBB, 18): 12}
    pages = [(11, *AAA, "oucontent"), (12, *AAA, "forumng"), (13, *AAA, "homepage"), (21, *BBB, "quiz"), (22, *BBB, "newkind")]
    handed = [
        (piece, number, due - number % 5 + 1, 0, float((number * 13) % 101))
        for module, presentation, piece, _, due, _ in ASSESSMENTS
        for (where, number) in students
        if where == (module, presentation) and number != 1 and due is not None and due < 100 and (number + piece) % 4
    ]
    clicks = [
        (*where, number, page[0], day, 1 + (day * number) % 7)
        for where, number in students
        for page in pages
        if page[1:3] == where
        for day in range(-3, 120, 5 + number % 7)
        if (where, number) not in left or day < left[where, number]
    ]
    clicks.append(clicks[0])  # the dataset counts the visits of a day in pieces
    return {
        "courses": _frame(["code_module", "code_presentation", "module_presentation_length"], [(*AAA, 240), (*BBB, 234)]),
        "assessments": _frame(
            ["code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight"], ASSESSMENTS
        ),
        "vle": _frame(["id_site", "code_module", "code_presentation", "activity_type"], pages),
        "studentInfo": _frame(
            ["code_module", "code_presentation", "id_student", "gender", "region", "highest_education", "imd_band", "age_band",
             "num_of_prev_attempts", "studied_credits", "disability", "final_result"],
            [(*where, number, "MF"[number % 2], "Région", "A Level", None if number % 6 == 0 else "20-30%", "0-35",
              number % 3, 60 + 30 * (number % 2), "NY"[number % 4 == 0],
              "Withdrawn" if (where, number) in left else results[number % 2])
             for where, number in students],
        ),
        "studentRegistration": _frame(
            ["code_module", "code_presentation", "id_student", "date_registration", "date_unregistration"],
            [(*where, number, None if number == 5 else -30 + number, left.get((where, number))) for where, number in students],
        ),
        "studentAssessment": _frame(
            ["id_assessment", "id_student", "date_submitted", "is_banked", "score"], [*BY_HAND, *handed]
        ),
        "studentVle": _frame(["code_module", "code_presentation", "id_student", "id_site", "date", "sum_click"], clicks),
    }  # fmt: skip


def _frame(names: list[str], rows: object) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=names, orient="row")


def write(
    folder: Path, files: dict[str, pl.DataFrame] | None = None, *, parquet: bool = False, encoding: str = "utf-8"
) -> Path:
    """Write the export and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (files or frames()).items():
        if parquet:
            frame.write_parquet(folder / f"{name}.parquet")
        else:
            (folder / f"{name}.csv").write_bytes(frame.write_csv(null_value="?").encode(encoding))
    return folder

"""Logs of responses: what is read, how copies of an answer are told, and what is said of what cannot be read."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import response_logs
from response_logs import COLUMNS, described, frame, write

from features.problems import Refused
from features.responses import ResponseLog, earlier
from features.sources.responses import LogReading, describe, draft, read

PLAIN = {"student": "user", "skill": "skill", "correct": "correct", "order": "order"}


def plain(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user", "skill", "correct", "order"], orient="row")


def reading(folder: Path, made: pl.DataFrame, raw: dict[str, object] | None = None) -> LogReading:
    return read(write(folder, made), describe({"columns": PLAIN} | (raw or {})))


def skills_of(log: ResponseLog, at: int) -> list[str]:
    return [log.skills[one] for one in log.tag[log.tag_from[at] : log.tag_from[at + 1]]]


# -- copies -----------------------------------------------------------------------------------------------------------


def test_rows_of_one_response_become_one_with_all_its_skills(tmp_path: Path) -> None:
    made = frame()
    found = read(write(tmp_path, made), described())
    answers = made.unique(["user_id", "order_id"])
    assert len(found.log) == answers.height < made.height
    assert found.merged.copies == made.height - answers.height
    assert found.merged.responses == int((found.log.tags == 2).sum()) > 0
    assert found.reading.accounts[0].kept == made.height
    assert found.log.right.sum() == answers["correct"].sum()
    assert any("same answer for another skill" in note for note in found.notes)


def test_a_student_s_responses_are_in_their_order_however_the_file_is_sorted(tmp_path: Path) -> None:
    log = read(write(tmp_path, frame().sample(fraction=1, shuffle=True, seed=1)), described()).log
    assert (np.diff(log.order)[np.diff(log.student) == 0] > 0).all()
    assert log.position[log.begins[:-1]].sum() == 0


def test_a_row_that_stands_there_twice_is_one(tmp_path: Path) -> None:
    found = read(write(tmp_path, pl.concat([frame(), frame().head(30)])), described())
    assert (len(found.log), found.merged.repeated) == (len(read(write(tmp_path), described()).log), 30)


@pytest.mark.full
def test_copies_that_share_no_order_are_told_by_always_agreeing(tmp_path: Path) -> None:
    made = frame(students=120).sort("user_id", "order_id", "skill_id")
    numbered = made.select(user="user_id", skill="skill_id", correct="correct", order=pl.int_range(pl.len()).over("user_id"))
    found = reading(tmp_path, numbered)
    answers = made.unique(["user_id", "order_id"]).height
    # A few answers to two questions are joined too, where one skill sometimes follows the other and they agree by chance.
    assert abs(len(found.log) - answers) < 0.02 * answers
    assert "always agree" in found.merged.by
    assert len(reading(tmp_path, numbered, {"copies": {"join": False}}).log) == made.height


def test_answers_that_only_follow_each_other_stay_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [(f"u{at // 50}", f"s{at % 2}", int(rng.random() < 0.7), at) for at in range(4_000)]
    found = reading(tmp_path, plain(*rows))
    assert len(found.log) == 4_000
    assert any("No row is the copy" in note for note in found.notes)


def test_an_order_that_is_a_day_tells_no_response_from_another(tmp_path: Path) -> None:
    rows = [(f"u{at // 60}", f"s{at % 3}", 1, f"2026-10-{1 + at % 60 // 12:02d}") for at in range(600)]
    found = reading(tmp_path, plain(*rows))
    assert len(found.log) == 600
    assert found.log.dated


def test_the_key_of_a_response_joins_its_rows_wherever_they_stand(tmp_path: Path) -> None:
    made = pl.DataFrame([("u", "a", 1, 5, "r1"), ("u", "b", 0, 6, "r2"), ("u", "c", 1, 5, "r1")],
                        schema=["user", "skill", "correct", "order", "key"], orient="row")  # fmt: skip
    log = reading(tmp_path, made, {"columns": {**PLAIN, "response": "key"}}).log
    assert [skills_of(log, at) for at in range(len(log))] == [["a", "c"], ["b"]]


def test_a_copy_of_an_answer_is_no_history_of_itself(tmp_path: Path) -> None:
    log = read(write(tmp_path), described()).log
    assert (log.tags == 2).any()
    assert earlier(log.student * 10_000 + log.order.astype(int)).max() == 0


# -- what a log may look like -------------------------------------------------------------------------------------------


def _latin(path: Path, made: pl.DataFrame) -> None:
    path.write_bytes(made.write_csv().encode("latin-1"))


def _parquet(path: Path, made: pl.DataFrame) -> None:
    made.write_parquet(path)


def _semicolons(path: Path, made: pl.DataFrame) -> None:
    made.write_csv(path, separator=";")


@pytest.mark.parametrize(("write_as", "name"), [(_latin, "log.csv"), (_parquet, "log.parquet"), (_semicolons, "log.csv")])
def test_a_log_is_the_same_log_in_every_form(
    tmp_path: Path, write_as: Callable[[Path, pl.DataFrame], None], name: str
) -> None:
    made = frame().with_columns(pl.col("skill_id").str.replace("skill", "équation"))
    write_as(tmp_path / name, made)
    log, same = read(tmp_path / name, described()).log, read(write(tmp_path, made, "plain.csv"), described()).log
    assert log.skills == same.skills
    assert all(np.array_equal(getattr(log, one), getattr(same, one)) for one in ("student", "tag", "right", "order", "item"))


def test_the_columns_of_a_large_log_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(write(tmp_path), described())
    monkeypatch.setattr("features.sources.responses.LARGE", 100)
    found = read(write(tmp_path), described())
    assert found.left_out == whole.left_out
    assert np.array_equal(found.log.tag, whole.log.tag)
    assert found.reading.accounts == whole.reading.accounts


@pytest.mark.parametrize(
    ("cells", "raw", "right"),
    [
        (["1", "0", "1.0", "True"], {}, [1, 0, 1, 1]),
        (["CORRECT", "HINT", "INCORRECT", "correct"], {"correct": {"right": ["correct"], "wrong": ["incorrect", "hint"]}},
         [1, 0, 0, 1]),
        (["1", "0.75", "0.25", "0"], {"correct": {"right_from": 0.75}}, [1, 1, 0, 0]),
    ],
)  # fmt: skip
def test_answers_are_told_in_words_numbers_and_shares(
    tmp_path: Path, cells: list[str], raw: dict[str, object], right: list[int]
) -> None:
    log = reading(tmp_path, plain(*((f"u{at}", "s", cell, at) for at, cell in enumerate(cells))), raw).log
    assert log.right.tolist() == right


@pytest.mark.parametrize(
    ("cells", "raw", "seconds"),
    [
        (["2012-10-01 13:00:01.5", "2012-10-01 13:00:00"], {}, 1.5),
        (["2012-10-01T13:00:01", "2012-10-01T13:00:00"], {}, 1.0),
        (["2012-10-02", "2012-10-01"], {}, 86_400.0),
        (["10/1/2012 13:30:00", "10/1/2012 13:00:00"], {"order": {"form": "%m/%d/%Y %H:%M:%S"}}, 1_800.0),
        (["20120002", "20120001"], {}, 1.0),
    ],
)
def test_an_order_is_a_number_or_a_time(tmp_path: Path, cells: list[str], raw: dict[str, object], seconds: float) -> None:
    log = reading(tmp_path, plain(*(("u", f"s{at}", 1, cell) for at, cell in enumerate(cells))), raw).log
    assert np.diff(log.order).tolist() == [seconds]
    assert skills_of(log, 0) == ["s1"]


def test_a_response_without_a_skill_is_history_alone(tmp_path: Path) -> None:
    log = reading(tmp_path, plain(("u", "a", 1, 1), ("u", "NA", 0, 2), ("u", None, 1, 3))).log
    assert log.tags.tolist() == [1, 0, 0]
    assert log.skills == ("a",)


def test_several_skills_in_one_cell_are_parted_and_each_stands_once(tmp_path: Path) -> None:
    log = reading(tmp_path, plain(("u", "b~~a~~b", 1, 1)), {"skills": {"joined_by": "~~"}}).log
    assert skills_of(log, 0) == ["a", "b"]


def test_a_row_that_holds_many_responses_is_unrolled_and_its_filling_left_out(tmp_path: Path) -> None:
    rows = [("u", "4,5,4", "1,0,1", "7,8,9"), ("v", "5,-1,-1", "0,-1,-1", "1,-1,-1")]
    made = plain(*rows)
    found = reading(tmp_path, made, {"sequences": {"joined_by": ","}})
    assert found.log.right.tolist() == [1, 0, 1, 0]
    assert str(found.reading.accounts[0]).startswith("log.csv: 6 rows read = 4 kept + 0 set aside + 2 left out")


def test_a_log_without_a_header_is_given_one(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,a,1,1\nu,b,x,2\n")
    found = read(tmp_path / "log.csv", describe({"columns": PLAIN, "file": {"header": ["user", "skill", "correct", "order"]}}))
    assert len(found.log) == 1
    assert "log.csv, row 2, column correct" in str(found.reading.problems[0])


def test_who_judges_is_read_where_the_log_says_so(tmp_path: Path) -> None:
    made = plain(("u", "a", 1, 1), ("v", "a", 0, 1), ("w", "a", 0, 1)).with_columns(split=pl.Series(["train", "Test", "valid"]))
    raw: dict[str, object] = {"columns": {**PLAIN, "split": "split"}}
    assert reading(tmp_path, made, raw).log.part.tolist() == [0, 1, 0]
    folds = made.with_columns(split=pl.Series([0, 1, 2]))
    assert reading(tmp_path, folds, raw | {"split": {"folds": True}}).log.part.tolist() == [0, 1, 2]
    aside = reading(tmp_path, made.with_columns(split=pl.lit("somewhere")), raw)
    assert aside.reading.quarantined == 3


# -- what cannot be read ------------------------------------------------------------------------------------------------


def test_every_row_is_accounted_for_and_no_cell_is_in_a_problem(tmp_path: Path) -> None:
    secret = "Ana Lopez-secret"
    rows = [("u", "a", "1", "1"), (None, "a", "1", "2"), ("u", "a", secret, "3"), ("u", "a", None, "4"),
            ("u", "a", "0", secret), ("u", "b", "0", "6")]  # fmt: skip
    found = reading(tmp_path, plain(*rows))
    account = found.reading.accounts[0]
    assert (account.read, account.kept, account.quarantined) == (6, 2, 4)
    assert len(found.log) == 2
    said = " ".join(map(str, found.reading.problems))
    assert secret not in said
    assert "Xxx Xxxxx-xxxxxx" in said
    written = found.reading.write_quarantine(tmp_path / "aside")
    assert secret in written[0].read_text(encoding="utf-8-sig")


def test_a_missing_column_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as why:
        read(write(tmp_path, frame().drop("skill_id", "correct")), described())
    assert [one.column for one in why.value.problems] == ["skill_id", "correct"]
    with pytest.raises(Refused, match="there is no such file"):
        read(tmp_path / "nothing.csv", described())
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(Refused, match="not Parquet"):
        read(tmp_path / "x.parquet", described())


def test_a_description_is_refused_with_all_that_is_wrong_in_it() -> None:
    columns = {"student": "a", "skill": "a", "seconds": "s", "milliseconds": "t", "mood": "m"}
    raw: dict[str, object] = {"columns": columns, "file": {"separator": ";;"}, "split": {"folds": True}, "more": {},
                              "correct": {"right": [], "right_from": "much"}}  # fmt: skip
    with pytest.raises(Refused) as why:
        describe(raw)
    said = str(why.value)
    for part in ("[columns] mood", "[columns] correct", "the column a is named more than once", "milliseconds", "separator",
                 "[correct] right:", "[correct] right_from", "[split]", "[more]"):  # fmt: skip
        assert part in said


# -- drafts -------------------------------------------------------------------------------------------------------------


def test_a_draft_of_a_public_log_needs_nothing_more(tmp_path: Path) -> None:
    text, told = draft(write(tmp_path))
    raw = tomllib.loads(text)
    assert raw["columns"] == COLUMNS
    assert "7 of its 7 columns" in told[0]
    assert len(read(tmp_path / "log.csv", describe(raw)).log)


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("log_id,user_id,sequence_id,correct", "1,2,3,1", {"student": "user_id", "skill": "sequence_id", "order": "log_id"}),
        ("Anon Student Id\tProblem Name\tStep Name\tStep Start Time\tCorrect First Attempt\tKC(Default)",
         "a\tb\tc\t2005-09-09 12:24:35.0\t0\tx~~y",
         {"student": "Anon Student Id", "skill": "KC(Default)", "item": "Step Name", "order": "Step Start Time"}),
        ("fold,uid,questions,concepts,responses,timestamps", '0,7,"1,2","3,4","1,0","5,6"',
         {"student": "uid", "skill": "concepts", "correct": "responses", "item": "questions", "split": "fold"}),
        ("user,skill,correct,order,split", "a,b,1,2,train", {"student": "user", "split": "split", "order": "order"}),
    ],
)  # fmt: skip
def test_the_columns_of_public_logs_are_recognised(tmp_path: Path, header: str, row: str, columns: dict[str, str]) -> None:
    (tmp_path / "log.csv").write_text(f"{header}\n{row}\n")
    raw = tomllib.loads(draft(tmp_path / "log.csv")[0])
    assert columns.items() <= raw["columns"].items()
    assert len(read(tmp_path / "log.csv", describe(raw)).log) > 0


def test_a_draft_leaves_open_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("who,what,came\n1,2,3\n")
    text, told = draft(tmp_path / "log.csv")
    with pytest.raises(Refused, match="names no column"):
        describe(tomllib.loads(text))
    assert sum("No column was recognised" in one for one in told) == 3


def test_a_log_is_named_by_another_log_s_skills(tmp_path: Path) -> None:
    log = response_logs.of(frame(), tmp_path)
    other = log.named(("skill 3", "skill 0"), ("P0-1",))
    assert other.skills[:2] == ("skill 3", "skill 0")
    assert sorted(other.skills) == sorted(log.skills)
    assert [other.skills[one] for one in other.tag] == [log.skills[one] for one in log.tag]
    assert {log.items[one] for one in log.item[other.item == 0]} == {"P0-1"}
    assert (other.item == -1).sum() == len(log) - (other.item == 0).sum()

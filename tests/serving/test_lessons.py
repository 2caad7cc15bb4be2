"""Groups that a teacher arranged, and quick checks: nothing is lost, nobody is in two groups, and what is erased is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, func, select

from features.problems import Refused
from serving.cases import lessons
from serving.cases.database import leave_no_traces, open_database, writing
from serving.cases.keys import create_tenant
from serving.cases.lessons import MOST_IN_GROUP, NAMES, Arranged, Group, arrange, arranged, dissolved, moved, renamed, suggested
from serving.cases.people import Account
from serving.cases.schema import LESSON_CHECKS, METADATA
from serving.cases.trail import head, verify, who_viewed
from serving.pages.contexts.lesson import Tree
from serving.skills import Check, Known, Result, Skill, SkillMap

NOW = datetime(2026, 11, 16, 15, 30, tzinfo=UTC)
TODAY = date(2026, 11, 16)
TOMORROW = TODAY + timedelta(days=1)
RUTH = Account("ruth", "lincoln", "ruth", "Ruth Okoro", "teacher", "T-1", None)
BEN = Account("ben", "lincoln", "ben", "Ben Hale", "teacher", "T-2", None)
GROUPS = (Group("cedar", "ratios", ("S-1", "S-2", "S-3")), Group("oak", "lines", ("S-4", "S-5")))


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    create_tenant(engine, "lincoln")
    yield engine
    engine.dispose()


def skill(name: str, depth: int = 0) -> Skill:
    return Skill(name, name.title(), "mathematics", None, depth)


def ready(who: str, *skills: Skill) -> SkillMap:
    return SkillMap(who, (), tuple(Known(one, "not_yet", 2, TODAY, 0.5) for one in skills), (), (), ())


def codes(caught: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [one.code for one in caught.value.problems]


def keep(db: Engine, version: int = 0, groups: Sequence[Group] = GROUPS, account: Account = RUTH, **more: date) -> Arranged:
    day = more.get("today", TODAY)
    stands_on = more.get("stands_on", TOMORROW)
    return arrange(db, "lincoln", account, "alg/1", version, groups, stands_on, ("S-1",), "move", day, NOW)


def checked(db: Engine, results: Mapping[str, Result], on: date = TODAY, account: Account = RUTH) -> int:
    return lessons.record_checks(db, "lincoln", account, "alg/1", "ratios", results, on, TODAY, NOW)


# -- suggestions ------------------------------------------------------------------------------------------------------

RATIOS, LINES, GRAPHS = skill("ratios", 1), skill("lines", 2), skill("graphs", 3)


@pytest.mark.parametrize("count", range(2, 37))
def test_a_group_has_two_to_six_and_everybody_who_is_ready_for_the_same_is_in_one(count: int) -> None:
    maps = {f"S-{at:02}": ready(f"S-{at:02}", RATIOS) for at in range(count)}
    groups = suggested(maps)
    sizes = [len(one.students) for one in groups]
    assert all(2 <= size <= MOST_IN_GROUP for size in sizes)
    assert max(sizes) - min(sizes) <= 1
    assert sorted(who for one in groups for who in one.students) == sorted(maps)
    assert len({one.name for one in groups}) == len(groups)


def test_the_same_maps_give_the_same_groups_in_whatever_order_they_come() -> None:
    maps = {f"S-{at}": ready(f"S-{at}", (RATIOS, LINES, GRAPHS)[at % 3]) for at in range(20)}
    assert suggested(maps) == suggested(dict(reversed(maps.items())))
    assert {one.skill_id for one in suggested(maps)} == {"ratios", "lines", "graphs"}


def test_who_would_be_alone_joins_another_skill_that_they_are_ready_for_and_no_other() -> None:
    maps = {"a": ready("a", RATIOS, LINES), "b": ready("b", LINES), "c": ready("c", GRAPHS), "d": ready("d")}
    (group,) = suggested(maps)
    assert (group.skill_id, group.students) == ("lines", ("a", "b"))


def test_a_group_is_called_after_a_tree_and_the_same_from_day_to_day() -> None:
    assert get_args(Tree) == NAMES
    maps = {f"S-{at}": ready(f"S-{at}", RATIOS) for at in range(4)}
    more = maps | {f"T-{at}": ready(f"T-{at}", GRAPHS) for at in range(4)}
    name = suggested(maps)[0].name
    assert [one.name for one in suggested(more) if one.skill_id == "ratios"] == [name]


def test_a_class_of_very_many_has_as_many_groups_as_there_are_names() -> None:
    groups = suggested({f"S-{at:03}": ready(f"S-{at:03}", RATIOS) for at in range(500)})
    assert len(groups) == len(NAMES)


# -- changes ----------------------------------------------------------------------------------------------------------


def test_a_student_is_moved_out_of_one_group_into_another_a_new_one_or_none() -> None:
    there = moved(GROUPS, "S-1", "oak")
    assert [one.students for one in there] == [("S-2", "S-3"), ("S-4", "S-5", "S-1")]
    new = moved(GROUPS, "S-1", "willow", "lines")
    assert [(one.name, one.students) for one in new] == [
        ("cedar", ("S-2", "S-3")),
        ("willow", ("S-1",)),
        ("oak", ("S-4", "S-5")),
    ]
    assert [one.students for one in moved(GROUPS, "S-1", "")] == [("S-2", "S-3"), ("S-4", "S-5")]
    assert moved(moved(GROUPS, "S-4", "cedar"), "S-5", "cedar") == (
        Group("cedar", "ratios", ("S-1", "S-2", "S-3", "S-4", "S-5")),
    )


def test_a_full_group_takes_nobody_more_and_there_is_no_group_of_any_name() -> None:
    full = (Group("cedar", "ratios", tuple(f"S-{at}" for at in range(6))),)
    with pytest.raises(Refused) as caught:
        moved(full, "S-9", "cedar")
    assert codes(caught) == ["group_full"]
    with pytest.raises(Refused) as caught:
        moved(full, "S-9", "the slow ones", "ratios")
    assert codes(caught) == ["no_such_group"]


def test_a_group_is_named_by_one_of_the_names_that_nobody_else_has() -> None:
    assert [one.name for one in renamed(GROUPS, "oak", "birch")] == ["cedar", "birch"]
    for name, to, code in (
        ("oak", "cedar", "name_taken"),
        ("oak", "Ana's", "no_such_name"),
        ("birch", "alder", "no_such_group"),
    ):
        with pytest.raises(Refused) as caught:
            renamed(GROUPS, name, to)
        assert codes(caught) == [code]


def test_a_group_that_is_dissolved_is_gone_and_its_students_are_in_none() -> None:
    assert dissolved(GROUPS, "cedar") == GROUPS[1:]
    with pytest.raises(Refused):
        dissolved(GROUPS, "birch")


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_an_arrangement_stands_until_its_day_and_then_groups_are_suggested_again(db: Engine) -> None:
    assert arranged(db, "lincoln", "alg/1", TODAY) is None
    kept = keep(db)
    assert kept == Arranged(1, TOMORROW, GROUPS)
    assert arranged(db, "lincoln", "alg/1", TODAY) == arranged(db, "lincoln", "alg/1", TOMORROW) == kept
    assert arranged(db, "lincoln", "alg/1", TOMORROW + timedelta(days=1)) is None
    assert arranged(db, "lincoln", "alg/2", TODAY) is None
    later = TODAY + timedelta(days=9)
    again = keep(db, 0, GROUPS[:1], today=later, stands_on=later)
    assert (again.version, again.groups) == (2, GROUPS[:1]), "a version is never used twice"


def test_whoever_changes_what_a_colleague_has_changed_meanwhile_is_told_and_nothing_is_lost(db: Engine) -> None:
    keep(db)
    with pytest.raises(Refused) as caught:
        keep(db, 0, (), BEN)
    assert codes(caught) == ["changed_meanwhile"]
    assert arranged(db, "lincoln", "alg/1", TODAY) == Arranged(1, TOMORROW, GROUPS)
    assert keep(db, 1, GROUPS[1:], BEN).version == 2
    with pytest.raises(Refused):
        lessons.afresh(db, "lincoln", RUTH, "alg/1", 1, TODAY, NOW)
    lessons.afresh(db, "lincoln", RUTH, "alg/1", 2, TODAY, NOW)
    assert arranged(db, "lincoln", "alg/1", TODAY) is None


def test_of_two_who_change_the_same_groups_at_the_same_moment_one_is_told(db: Engine) -> None:
    done: list[str] = []
    start = threading.Barrier(2)

    def work(account: Account, groups: tuple[Group, ...]) -> None:
        start.wait()
        try:
            done.append(f"kept {keep(db, 0, groups, account).version}")
        except Refused as error:
            done.append(error.problems[0].code)

    threads = [threading.Thread(target=work, args=(RUTH, GROUPS)), threading.Thread(target=work, args=(BEN, GROUPS[1:]))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(done) == ["changed_meanwhile", "kept 1"]


@pytest.mark.parametrize("days", [-1, 15])
def test_groups_are_kept_for_a_day_to_come_and_not_for_long(db: Engine, days: int) -> None:
    with pytest.raises(Refused) as caught:
        keep(db, stands_on=TODAY + timedelta(days=days))
    assert codes(caught) == ["bad_day"]
    assert arranged(db, "lincoln", "alg/1", TODAY) is None


def test_a_check_is_kept_with_its_day_and_who_and_the_same_form_twice_writes_once(db: Engine) -> None:
    assert checked(db, {"S-1": "secure", "S-2": "not_yet", "S-3": "not_seen"}) == 3
    assert checked(db, {"S-1": "secure", "S-2": "not_yet", "S-3": "not_seen"}) == 0
    assert checked(db, {"S-1": "not_yet"}) == 1
    with db.connect() as connection:
        assert connection.execute(select(func.count()).select_from(LESSON_CHECKS)).scalar() == 4
        assert set(connection.execute(select(LESSON_CHECKS.c.account_id)).scalars()) == {"ruth"}
    found = lessons.checks_of(db, "lincoln", ["S-1", "S-2"])
    assert {one for one in found if one.student_id == "S-2"} == {Check("S-2", "ratios", TODAY, "not_yet")}
    assert lessons.checks_of(db, "roosevelt", ["S-1"]) == ()
    assert [one.action for one in who_viewed(db, "lincoln", "S-1")] == ["record_check", "record_check"]


def test_the_newest_check_comes_last(db: Engine) -> None:
    checked(db, {"S-1": "secure"})
    checked(db, {"S-1": "not_yet"}, TODAY - timedelta(days=3))
    assert [one.result for one in lessons.checks_of(db, "lincoln", ["S-1"])] == ["not_yet", "secure"]


def test_of_checks_of_one_moment_the_one_that_was_written_later_comes_last(db: Engine) -> None:
    results: list[Result] = ["secure", "not_yet", "secure", "not_yet", "secure", "not_yet"]
    for one in results:
        assert checked(db, {"S-1": one}) == 1
    assert [one.result for one in lessons.checks_of(db, "lincoln", ["S-1"])] == results


def test_a_check_of_nothing_of_no_kind_or_of_a_day_out_of_reach_is_refused_and_writes_nothing(db: Engine) -> None:
    for results, on, code in (
        ({}, TODAY, ["nothing_checked"]),
        ({"S-1": "secure"}, TOMORROW, ["bad_day"]),
        ({"S-1": "secure"}, TODAY - timedelta(days=15), ["bad_day"]),
        ({"S-1": "brilliant"}, TOMORROW, ["no_such_result", "bad_day"]),
    ):
        with pytest.raises(Refused) as caught:
            checked(db, results, on)
        assert codes(caught) == code
    assert head(db, "lincoln").number == 0


def test_what_is_done_and_its_row_in_the_trail_are_one(db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("serving.cases.trail.append", fails)
    with pytest.raises(ZeroDivisionError):
        keep(db)
    with pytest.raises(ZeroDivisionError):
        checked(db, {"S-1": "secure"})
    monkeypatch.undo()
    assert arranged(db, "lincoln", "alg/1", TODAY) is None
    assert lessons.checks_of(db, "lincoln", ["S-1"]) == ()
    keep(db)
    assert [one.action for one in who_viewed(db, "lincoln", "S-1")] == ["arrange_lesson"]
    assert verify(db, "lincoln") is None


def test_what_is_held_of_a_student_is_exported_and_erased_and_the_others_stay(db: Engine) -> None:
    keep(db)
    checked(db, {"S-1": "secure", "S-2": "not_yet"})
    with writing(db) as connection:
        held = lessons.export(connection, "lincoln", "S-1")
        assert held["lesson_groups"] == [{"section_id": "alg/1", "name": "cedar"}]
        assert [(one["skill_id"], one["result"]) for one in held["lesson_checks"]] == [("ratios", "secure")]
        assert lessons.erase(connection, "lincoln", "S-1") == 2
        assert lessons.export(connection, "lincoln", "S-1") == {"lesson_groups": [], "lesson_checks": []}
    found = arranged(db, "lincoln", "alg/1", TODAY)
    assert found is not None
    assert found.groups[0].students == ("S-2", "S-3")
    assert [one.student_id for one in lessons.checks_of(db, "lincoln", ["S-1", "S-2"])] == ["S-2"]


def test_a_group_of_which_everybody_was_erased_is_no_group(db: Engine) -> None:
    keep(db)
    with writing(db) as connection:
        for who in ("S-4", "S-5"):
            lessons.erase(connection, "lincoln", who)
    found = arranged(db, "lincoln", "alg/1", TODAY)
    assert found is not None
    assert found.groups == GROUPS[:1]


def test_an_erased_student_is_in_no_byte_of_the_folder(tmp_path: Path) -> None:
    db = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(db, "lincoln")
    keep(db, groups=(Group("cedar", "ratios", ("STUDENT-077", "S-1")),))
    checked(db, {"STUDENT-077": "secure"})
    from serving.cases.trail import unlink

    with writing(db) as connection:
        lessons.erase(connection, "lincoln", "STUDENT-077")
        unlink(connection, "lincoln", "STUDENT-077")
    assert leave_no_traces(db)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"STUDENT-077" not in path.read_bytes(), path
    db.dispose()


def test_no_column_of_a_lesson_holds_what_somebody_wrote_of_a_child() -> None:
    held = {(table.name, column.name) for table in METADATA.sorted_tables if table.name.startswith("lesson_")
            for column in table.columns}  # fmt: skip
    assert {name for _, name in held} == {
        "tenant_id", "section_id", "version", "stands_on", "changed_by", "changed_at", "name", "skill_id", "student_id", "id",
        "seen_on", "result", "account_id", "at", "number",
    }  # fmt: skip

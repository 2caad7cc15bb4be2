"""The class page: who may open it, what it is made of, what a check changes at once, and what is for everybody's eyes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import example_school as school
import polars as pl
import pytest
from lesson_examples import EXAMPLES, FRAME, USUAL
from lesson_examples import lesson as example
from postgres import migrated_database
from sqlalchemy import Engine
from template_types import hints, parts_of
from tinyhtml5.parser import HTMLParser as Html5

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from serving.cases import lessons
from serving.cases.access import RIGHTS, STAFF, TEACHER, visible
from serving.cases.database import open_database
from serving.cases.keys import create_tenant
from serving.cases.people import Account
from serving.cases.schema import METADATA
from serving.pages.contexts import NAMED, PAGES
from serving.pages.contexts.caseload import Part
from serving.pages.contexts.lesson import MOST_CLASSES, Lesson, LessonSheet
from serving.pages.render import ADDRESSES, STYLE, Pages
from serving.pages.words import open_words
from serving.review import lesson
from serving.review.room import Asked, Go, Room, part_of
from serving.review.settings import ReviewSettings
from serving.store import Store

WORDS = open_words()
TODAY = school.TODAY
NOW = datetime(2026, 11, 13, 15, 30, tzinfo=UTC)
RUTH = Account("ruth", "default", "ruth", "Ruth Okoro", "teacher", "T-1", None)
BEN = Account("ben", "default", "ben", "Ben Hale", "teacher", "T-2", None)
IDA = Account("ida", "default", "ida", "Ida Lovell", "counselor", "C-1", None)
PAT = Account("pat", "default", "pat", "Pat Chen", "principal", "P-1", None)
ALGEBRA = "algebra-autumn"


@cache
def usual() -> SchoolRecords:
    return replace(records_of(school.tables()), digest="the example school of the class page")


def records_of(frames: Mapping[str, pl.DataFrame]) -> SchoolRecords:
    """Return the example school with its staff: Ruth teaches algebra, Ben reading."""
    staff = {
        "teaching": pl.DataFrame({"staff_id": ["T-1", "T-2"], "section_id": [ALGEBRA, "reading-autumn"]}),
        "staff_roles": pl.DataFrame({"staff_id": ["T-1", "T-2", "C-1", "P-1"], "organisation_id": ["lincoln"] * 4,
                                     "role": ["teacher", "teacher", "counselor", "principal"]}),
    }  # fmt: skip
    return SchoolRecords.from_frames({**frames, **staff})


@cache
def pages(language: str) -> Pages:
    return Pages(WORDS[language])


@pytest.fixture
def db(tmp_path: Path) -> Engine:
    engine = open_database(migrated_database("sqlite", tmp_path))
    create_tenant(engine, "default")
    return engine


@pytest.fixture
def room(db: Engine, tmp_path: Path) -> Room:
    return Room("default", db, Store(tmp_path), usual(), None, cast(Any, None), WORDS, ReviewSettings())


def asked(
    room: Room, account: Account = RUTH, section: str = ALGEBRA, view: str = "", today: date = TODAY, **form: str
) -> Asked:
    return Asked(
        cast(Any, SimpleNamespace(account=account)), visible(room.records, account, today), FRAME, WORDS["en"], today, NOW,
        {"section_id": section}, {"view": view} if view else {}, {name: (told,) for name, told in form.items()},
    )  # fmt: skip


def check(room: Room, skill: str, on: date = TODAY, account: Account = RUTH, **results: str) -> Go:
    form = {f"result.{who}": result for who, result in results.items()}
    return lesson.check(room, asked(room, account, skill=skill, on=on.isoformat(), **form))


def page(room: Room, account: Account = RUTH, **more: Any) -> Lesson:
    found = lesson.page(room, asked(room, account, **more)).page
    assert isinstance(found, Lesson)
    return found


def sheet(room: Room, view: str) -> LessonSheet:
    found = lesson.page(room, asked(room, view=view)).page
    assert isinstance(found, LessonSheet)
    return found


def text(found: Lesson | LessonSheet, language: str = "en") -> str:
    html = pages(language).render(found)
    main = Html5(namespace_html_elements=False).parse(html).find(".//main")
    assert main is not None
    return " ".join(" ".join(main.itertext()).split())


def working(found: Lesson) -> dict[tuple[str, str], list[str]]:
    """Return who works on what."""
    groups: dict[tuple[str, str], list[str]] = {}
    for block in found.blocks:
        groups.setdefault((block.work, block.skill_id), []).extend(one.student_id for one in block.members)
    return groups


def codes(caught: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [one.code for one in caught.value.problems]


# -- who may open it --------------------------------------------------------------------------------------------------


def test_a_teacher_opens_the_classes_that_they_teach_and_no_other_of_the_same_students(room: Room) -> None:
    assert page(room).students == 11, "Leo has left"
    for account, section in ((RUTH, "reading-autumn"), (BEN, ALGEBRA), (RUTH, "algebra-spring"), (RUTH, "no such class")):
        with pytest.raises(NotFound):
            lesson.page(room, asked(room, account, section))
        with pytest.raises(NotFound):
            lesson.change(room, asked(room, account, section, action="keep", version="0", until=TODAY.isoformat()))
        with pytest.raises(NotFound):
            lesson.check(room, asked(room, account, section, skill="ratios", on=TODAY.isoformat(), **{"result.ana": "secure"}))


@pytest.mark.full
def test_a_counselor_and_a_principal_open_the_classes_of_their_students_and_change_nothing(room: Room) -> None:
    for account in (IDA, PAT):
        found = page(room, account)
        assert (found.students, found.may_change) == (11, False)
        assert '<form method="post" action="/review/classes' not in pages("en").render(found)
        with pytest.raises(Refused) as caught:
            check(room, "ratios", account=account, ana="secure")
        assert codes(caught) == ["no_such_student"]
    assert RIGHTS["record_check"] == {TEACHER}


def test_the_list_of_classes_is_of_those_that_are_the_readers_own(room: Room) -> None:
    assert [one.section_id for one in lesson.classes(room, asked(room)).classes] == [ALGEBRA]
    assert [one.section_id for one in lesson.classes(room, asked(room, IDA)).classes] == [ALGEBRA, "reading-autumn"]
    assert [one.students for one in lesson.classes(room, asked(room, PAT)).classes] == [11, 11]
    nobody = replace(RUTH, id="zed", person_id="T-9")
    assert lesson.classes(room, asked(room, nobody)).classes == ()


def test_a_class_is_found_by_its_name_its_key_or_its_school_and_many_are_shown_in_parts(room: Room) -> None:
    def found(**query: str) -> list[str]:
        return [one.section_id for one in lesson.classes(room, replace(asked(room, IDA), query=query)).classes]

    assert found(q="READ") == ["reading-autumn"]
    assert found(q=" algebra-") == [ALGEBRA]
    assert found(q="no such class") == []
    assert part_of("", MOST_CLASSES, MOST_CLASSES) is None
    told = part_of("9", 2 * MOST_CLASSES + 1, MOST_CLASSES)
    assert told == Part(first=2 * MOST_CLASSES + 1, last=2 * MOST_CLASSES + 1, of=2 * MOST_CLASSES + 1, before=2, after=None)
    for language in ("en", "es"):
        html = pages(language).render(EXAMPLES["classes in parts"])
        assert 'rel="prev" href="/review/classes?part=1"' in html
        assert 'rel="next" href="/review/classes?part=3"' in html


def test_everybody_who_is_seen_on_the_page_is_named_for_the_trail(room: Room) -> None:
    shown = lesson.page(room, asked(room))
    assert set(shown.student_ids) == set(school.STUDENTS) - {"leo"}


# -- what it says -----------------------------------------------------------------------------------------------------


def test_every_student_of_the_class_stands_in_exactly_one_place(room: Room) -> None:
    found = page(room)
    placed = [one.student_id for block in found.blocks for one in block.members]
    placed += [one.student_id for one in (*found.more, *found.left)]
    assert sorted(placed) == sorted(set(school.STUDENTS) - {"leo"})
    assert found.skills == ("Add fractions", "Use ratio reasoning")
    assert all(2 <= len(block.members) <= 6 for block in found.blocks if block.work == "group")


def test_a_check_is_kept_with_day_and_name_and_the_map_is_another_at_once(room: Room) -> None:
    before = working(page(room))
    first = next(who for who in before["check_first", "counting"])
    assert check(room, "counting", **{first: "secure"}) == Go("/review/classes/algebra-autumn", "lesson_checked", 1)
    after = working(page(room))
    assert first not in after.get(("check_first", "counting"), [])
    assert any(first in students for (_, skill), students in after.items() if skill == "fractions")
    check(room, "fractions", **{first: "not_yet"})
    block = next(one for one in page(room).blocks if first in [who.student_id for who in one.members])
    seen = next(one for one in block.members if one.student_id == first)
    assert (block.work, block.skill_id) in {("alone", "fractions"), ("group", "fractions")}
    assert (seen.checked, seen.last_on) == ("not_yet", TODAY)
    assert "Quick check on November 13: Not yet." in text(page(room))


def test_the_evidence_of_every_student_is_dated(room: Room) -> None:
    for block in page(room).blocks:
        assert all((one.last_on is None) == (one.occasions == 0) for one in block.members)
    assert re.search(r"\d occasions, the last on \w+", text(page(room)))


def test_a_check_makes_somebody_ready_for_more_and_counts_as_newly_secure(room: Room) -> None:
    for skill in ("counting", "fractions", "ratios"):
        check(room, skill, ana="secure", ben="secure")
    found = page(room)
    assert {"ana", "ben"} <= {one.student_id for one in found.more}
    assert {one.student_id: one.skills for one in found.progress}["ana"][-2:] == ("Add fractions", "Use ratio reasoning")
    assert found.newly_secure == sum(len(one.skills) for one in found.progress)
    assert (found.unit, found.unit_name, found.unit_began) == ("term", "autumn-2", date(2026, 10, 31))
    assert "Since autumn-2 began, on October 31, 2026" in text(found)


def test_progress_is_told_by_name_and_in_no_order_of_how_much(room: Room) -> None:
    for who in ("ana", "ida"):
        check(room, "counting", **{who: "secure"})
    check(room, "fractions", ida="secure")
    names = [one.name for one in page(room).progress]
    assert names == sorted(names)


def test_the_groups_are_for_the_next_day_of_school(room: Room) -> None:
    assert page(room).lesson_on == date(2026, 11, 16), "the 13th is a Friday"
    without = {name: frame for name, frame in school.tables().items() if name != "calendar"}
    assert page(replace(room, records=records_of(without))).lesson_on == date(2026, 11, 16)


def test_a_class_whose_work_names_no_skills_says_so_and_suggests_nothing(room: Room) -> None:
    found = page(room, BEN, section="reading-autumn")
    assert (found.skills, found.blocks, found.more) == ((), (), ())
    assert WORDS["en"].say("lesson.no_skills") in text(found)
    with pytest.raises(Refused) as caught:
        lesson.change(room, asked(room, BEN, "reading-autumn", action="move", version="0", student="ana", to="new"))
    assert codes(caught) == ["no_such_skill"]


# -- how the class took part ------------------------------------------------------------------------------------------


def test_how_the_class_took_part_is_told_by_lessons_and_days_elsewhere(room: Room) -> None:
    told = {one.mode: one for one in page(room).took_part}
    assert told["lessons"].of == 44, "four lessons of eleven students"
    assert 0 < told["lessons"].came < 44
    assert told["remote"].of >= told["remote"].came
    assert "in_person" not in told


def test_without_a_record_of_lessons_days_at_school_are_counted(room: Room) -> None:
    frames = {name: frame for name, frame in school.tables().items() if name != "section_attendance"}
    told = {one.mode: one for one in page(replace(room, records=records_of(frames))).took_part}
    elsewhere = sum(told[mode].of for mode in ("remote", "home_or_hospital") if mode in told)
    assert told["in_person"].of == 11 * 15 - elsewhere, "a week of holidays is in the four weeks"
    assert 0 < told["in_person"].came < told["in_person"].of


def online(cut_off: int, active: int) -> dict[str, pl.DataFrame]:
    """Return the school with so many of its students cut off from the internet and so many of the others active."""
    here = [one for one in school.STUDENTS if one != "leo"]
    access = [{"student_id": who, "recorded_on": TODAY, "device": "own", "internet": "none"} for who in here[:cut_off]]
    rows = [
        {"student_id": who, "enrolment_id": f"{who}-autumn", "section_id": ALGEBRA, "on": TODAY - timedelta(days=2),
         "kind": "quiz", "actions": 1, "resources": 1} for who in here[cut_off : cut_off + active]
    ]  # fmt: skip
    frames = school.tables()
    return {**frames, "digital_access": pl.DataFrame(access), "activity": pl.DataFrame(rows)}


def test_who_cannot_be_online_at_home_is_not_counted_as_silent(room: Room) -> None:
    found = page(replace(room, records=records_of(online(cut_off=3, active=6))))
    told = {one.mode: one for one in found.took_part}
    assert (told["online"].came, told["online"].of, found.without_access, found.online_unused) == (6, 8, 3, False)


def test_a_class_that_hardly_uses_its_online_classroom_is_told_nothing_of_it(room: Room) -> None:
    found = page(replace(room, records=records_of(online(cut_off=1, active=5))))
    assert "online" not in {one.mode for one in found.took_part}
    assert (found.online_unused, found.without_access) == (True, 0)
    assert "Fewer than six in ten" in text(found)


# -- changing groups --------------------------------------------------------------------------------------------------


def ready(room: Room) -> Lesson:
    """Return the page after checks that make one group of everybody."""
    check(room, "counting", **dict.fromkeys(set(school.STUDENTS) - {"leo"}, "secure"))
    check(room, "fractions", **dict.fromkeys(("ana", "ben", "cal", "dee", "eli"), "not_yet"))
    return page(room)


def test_a_teacher_moves_names_dissolves_keeps_and_gives_up_groups_by_plain_forms(room: Room) -> None:
    found = ready(room)
    group = found.blocks[0]
    assert (group.work, group.skill_id, len(group.members)) == ("group", "fractions", 5)
    assert group.tree is not None
    go = lesson.change(room, asked(room, action="move", version="0", student="ana", to="new"))
    assert (go.said, page(room).version, page(room).stands_on) == ("lesson_arranged", 1, date(2026, 11, 16))
    assert sorted(len(one.members) for one in page(room).blocks if one.work == "group") == [1, 4]
    lesson.change(room, asked(room, action="move", version="1", student="ana", to=group.tree))
    lesson.change(room, asked(room, action="name", version="2", group=group.tree, called=found.free[0]))
    assert page(room).blocks[0].tree == found.free[0]
    lesson.change(room, asked(room, action="keep", version="3", until="2026-11-20"))
    assert page(room, today=date(2026, 11, 20)).version == 4
    lesson.change(room, asked(room, action="move", version="4", student="ana", to="none"))
    assert "ana" in working(page(room))["alone", "fractions"]
    lesson.change(room, asked(room, action="dissolve", version="5", group=found.free[0]))
    assert page(room).trees == ()
    assert lesson.change(room, asked(room, action="afresh", version="6")).said == "lesson_afresh"
    assert page(room).blocks == found.blocks


def test_what_was_arranged_stands_though_the_map_moves_on_and_says_who_has(room: Room) -> None:
    ready(room)
    lesson.change(room, asked(room, action="keep", version="0", until="2026-11-20"))
    check(room, "fractions", ana="secure")
    ana = next(one for one in page(room).blocks[0].members if one.student_id == "ana")
    assert (ana.moved_on, ana.checked) == (True, "secure")
    assert "Secure by now" in text(page(room))


def test_whoever_was_slower_is_told_and_sees_what_they_typed(room: Room) -> None:
    ready(room)
    lesson.change(room, asked(room, action="keep", version="0", until="2026-11-20"))
    form = {"action": "move", "version": "0", "student": "ben", "to": "none", "group": "", "until": "2026-11-19"}
    with pytest.raises(Refused) as caught:
        lesson.change(room, asked(room, **form))
    assert codes(caught) == ["changed_meanwhile"]
    again = page(room, **form)
    assert (again.typed.student, again.typed.to, again.typed.until, again.version) == ("ben", "none", "2026-11-19", 1)
    html = pages("en").render(again)
    assert '<option value="ben" selected>' in html
    assert 'value="2026-11-19"' in html


def test_a_check_that_was_refused_comes_back_with_what_was_chosen(room: Room) -> None:
    ready(room)
    form = {"skill": "fractions", "on": "2026-11-20", "result.ana": "secure", "result.ben": "not_seen"}
    with pytest.raises(Refused) as caught:
        lesson.check(room, asked(room, **form))
    assert codes(caught) == ["bad_day"]
    typed = {one.student_id: one.typed for one in page(room, **form).blocks[0].members}
    assert (typed["ana"], typed["ben"], typed["cal"]) == ("secure", "not_seen", None)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"action": "move", "student": "zoe", "to": "none"}, "no_such_student"),
        ({"action": "move", "student": "leo", "to": "none"}, "no_such_student"),
        ({"action": "move", "student": "ana", "to": "cypress the wise"}, "no_such_group"),
        ({"action": "name", "group": "", "called": "oak"}, "no_such_group"),
        ({"action": "dissolve", "group": "x"}, "no_such_group"),
        ({"action": "keep", "until": "soon"}, "bad_day"),
        ({"action": "keep", "until": "2027-01-01"}, "bad_day"),
        ({"action": "sort by mark"}, "no_such_action"),
        ({"action": "keep", "until": "2026-11-16", "version": "x"}, "changed_meanwhile"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_phrase_in_every_language(room: Room, form: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        lesson.change(room, asked(room, **{"version": "0", **form}))
    assert codes(caught) == [code]
    assert all(f"problem.{code}" in words.phrases for words in WORDS.values())
    assert lessons.arranged(room.db, "default", ALGEBRA, TODAY) is None


def test_every_fault_of_a_check_is_told_at_once(room: Room) -> None:
    with pytest.raises(Refused) as caught:
        check(room, "no such", leo="brilliant")
    assert codes(caught) == ["no_such_skill", "no_such_student", "no_such_result"]
    with pytest.raises(Refused) as caught:
        check(room, "ratios")
    assert codes(caught) == ["nothing_checked"]
    for words in WORDS.values():
        for code in ("no_such_skill", "no_such_student", "no_such_result", "nothing_checked", "group_full", "name_taken",
                     "no_such_name", "too_many_groups"):  # fmt: skip
            assert f"problem.{code}" in words.phrases
        for said in ("lesson_arranged", "lesson_afresh", "lesson_checked"):
            assert words.phrases[f"said.{said}"].names <= {"count"}


# -- what is for everybody's eyes -------------------------------------------------------------------------------------

#: What would tell a child, or a classmate, how somebody stands.
CONCERN = ("band", "concern", "quick_check", "origin", "case", "task")


@pytest.mark.full
@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("view", NAMED["sheet"])
def test_no_sheet_shows_a_band_a_reason_or_how_somebody_stands(room: Room, view: str, language: str) -> None:
    ready(room)
    check(room, "ratios", ana="not_yet", ida="secure")
    found, words = sheet(room, view), WORDS[language]
    said = text(found, language)
    for key, phrase in words.phrases.items():
        if key.split(".")[0] in CONCERN:
            assert not any(
                piece in said for pieces in phrase.forms.values() for piece, name, _ in pieces if piece.strip() and not name
            ), key
    for key in (
        "lesson.more",
        "lesson.never_shown",
        "lesson.moved_on",
        "lesson.evidence",
        "work_why.check_first",
        "lesson.check",
    ):
        assert words.say(key) not in said
    html = pages(language).render(found)
    assert "/review/students/" not in html
    assert not re.search(r"occasion|ocasi|evidence|evidencia|level|\d{2,3} (of|de) 100", said, re.IGNORECASE)


def test_the_class_page_itself_shows_no_band_on_paper() -> None:
    html = pages("en").render(USUAL)
    bands = [one.band for block in USUAL.blocks for one in block.members if one.band]
    assert bands
    assert (
        html.count('<small class="lesson-band">')
        == len(bands)
        == sum(html.count(f">{WORDS['en'].say(f'band.{band}')}<") for band in NAMED["band"])
    )
    assert ".lesson-band { display: none; }" in STYLE.decode().split("The class page.")[1].split("@media print")[1]


def test_a_sheet_can_hold_nothing_of_how_somebody_stands() -> None:
    held = {field.name for part in parts_of(LessonSheet) if part.__module__.endswith("lesson") for field in fields(part)}
    assert held == {"frame", "view", "section_id", "title", "lesson_on", "groups", "together", "tree", "skill", "names"}


def test_nobody_is_alone_beside_a_skill_on_a_sheet_and_everybody_is_on_it(room: Room) -> None:
    ready(room)
    lesson.change(room, asked(room, action="move", version="0", student="ana", to="new"))
    for view in NAMED["sheet"]:
        found = sheet(room, view)
        assert all(len(one.names) > 1 for one in found.groups)
        assert "Ana Okafor" in found.together
        names = [name for one in found.groups for name in one.names]
        assert len(names) + len(found.together) == 11
        assert not any(name in found.together for name in names)


def test_a_group_is_called_by_what_it_does_tomorrow(room: Room) -> None:
    found = ready(room)
    tree = found.blocks[0].tree
    assert tree is not None
    assert f"Group {WORDS['en'].say(f'tree.{tree}')}: Add fractions" in text(sheet(room, "projector"))


# -- what there is nowhere --------------------------------------------------------------------------------------------


def test_no_page_address_or_column_sets_teachers_or_classes_beside_each_other() -> None:
    assert not any(re.search(r"teacher|staff", path) for path in ADDRESSES.values())
    for name, one in PAGES.items():
        for part in parts_of(one.context):
            figures = {field for field, kind in hints(part).items() if {int, float} & {kind, *get_args(kind)}}
            adults = {field for field in hints(part) if re.search(r"teacher|staff|taught_by", field)}
            assert not (figures and adults), f"{name}: {part.__name__} has a figure beside an adult"
    ours = {field for part in (Lesson, LessonSheet) for one in parts_of(part) for field in hints(one)}
    assert not ours & {"rank", "place", "percentile", "mean", "average", "level", "probability"}
    for table in METADATA.sorted_tables:
        assert not {column.name for column in table.columns} & {"teacher", "teacher_id", "staff_id", "rank"}, table.name
    kept = {column.name for column in METADATA.tables["lesson_check"].columns}
    assert "account_id" in kept, "who recorded a check is kept with it"
    for path in sorted(Path(lesson.__file__).parents[1].glob("**/*.py")):
        source = path.read_text()
        assert not re.search(r"group_by\([^)]*(staff_id|account_id|teacher)", source), f"{path.name} adds up by teacher"


def test_the_list_of_classes_tells_of_a_class_no_more_than_its_name_and_how_many_are_in_it() -> None:
    lines = next(part for part in parts_of(PAGES["classes"].context) if part.__name__ == "ClassLine")
    assert {one.name for one in fields(lines)} == {"section_id", "title", "school", "students"}


def test_only_staff_see_the_facts_that_the_page_is_made_of() -> None:
    assert set(STAFF) <= RIGHTS["see_facts"]
    assert not any(
        role in ("district_analyst", "ministry", "data_scientist", "administrator") for role, _ in RIGHTS["see_facts"]
    )


def test_a_page_of_a_large_class_is_under_100_kb() -> None:
    html = pages("es").render(example(44))
    assert len(html.encode()) + len(STYLE) < 100_000
    assert html.count('type="radio"') == 3 * (36 + 3)


def test_the_radio_buttons_of_one_student_are_one_question_with_a_name() -> None:
    html = pages("en").render(USUAL)
    found = Html5(namespace_html_elements=False).parse(html)
    sets = [one for one in found.iter("fieldset") if one.get("class") == "lesson-check"]
    assert sets
    for one in sets:
        assert "".join(next(one.iter("legend")).itertext()).startswith("What you saw of ")
        assert len({radio.get("name") for radio in one.iter("input")}) == 1
        assert [radio.get("value") for radio in one.iter("input")] == list(NAMED["quick_check"])
    assert isinstance(EXAMPLES["lesson"], Lesson)

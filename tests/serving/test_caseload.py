"""Monday, 7:40: whom to see first, cut to what its reader may know of those whom they may see."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from review_school import MOMENT, SETTINGS, Browser, School, list_students, scored
from test_access import Rows, records, the_school
from test_review_pages import parse

from serving.cases import casebook, families, switches
from serving.cases.people import Account
from serving.pages.contexts.caseload import BANDS, Fresh
from serving.pages.words import open_words
from serving.review import listing
from serving.review.day import Day
from serving.review.listing import waited

#: Somebody signs in for each of these, which takes a tenth of a second of a core.
pytestmark = pytest.mark.full

LEFT = "The student has been at school on 2 of the last 20 school days. The middle of the year group: 20."


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    found = School.of(tmp_path, records(the_school()))
    yield found
    found.db.dispose()


def of(school: School, role: str, person: str) -> tuple[Account, Browser]:
    account = school.account(role, person)  # type: ignore[arg-type]
    return account, school.browser(account)


def rows_of(page: str) -> list[str]:
    """Return the text of every row of the list."""
    body = parse(page)[0].findall(".//{*}tbody/{*}tr") or parse(page)[0].findall(".//tbody/tr")
    return [" ".join("".join(row.itertext()).split()) for row in body]


def test_the_list_says_band_and_first_reason_with_the_students_name(school: School) -> None:
    list_students(school.home, [scored("ana"), scored("ben", band="keep_an_eye")])
    _, browser = of(school, "counselor", "cora")
    (row,) = rows_of(browser.get("/review").text)
    assert "Ana Álvarez" in row
    assert "A check-in is suggested" in row
    assert "Ana Álvarez has 3 of the last 4 pieces of work not in." in row
    assert "Ben" in browser.get("/review?band=keep_an_eye").text


def test_what_is_said_of_leaving_reaches_counselors_only(school: School) -> None:
    leaving = scored("ana", "dropout", concept="attendance", text=LEFT)
    list_students(school.home, [leaving, scored("ana", band="no_extra_signal")])
    _, counselor = of(school, "counselor", "cora")
    assert "2 of the last 20" in counselor.get("/review").text
    for role, person in (("teacher", "tess"), ("principal", "pia")):
        _, browser = of(school, role, person)
        page = browser.get("/review?band=no_extra_signal").text
        assert "2 of the last 20" not in page
        assert "left before the end" not in page
        assert "2 of the last 20" not in browser.get("/review").text


def test_no_number_of_a_model_and_no_name_of_a_target_is_on_the_page_or_in_the_table(school: School) -> None:
    list_students(school.home, [scored("ana", probability=0.7734), scored("ben", "dropout", probability=0.6621)])
    _, browser = of(school, "counselor", "cora")
    for address in ("/review", "/review/students.csv"):
        text = browser.get(address).text
        for said in ("0.77", "77%", "0.66", "dropout", "course_failure", "p-ana"):
            assert said not in text, (address, said)


def test_a_list_is_cut_to_capacity_and_says_who_set_it_and_what_such_a_list_held(school: School) -> None:
    rows = the_school()
    _more(rows, 9)
    records(rows, "more").write(school.reception.room("default").store.records_folder)
    list_students(school.home, [scored(f"s{at}", probability=0.9 - at / 100) for at in range(9)])
    _, browser = of(school, "counselor", "cora")
    page = browser.get("/review").text
    assert len(rows_of(page)) == SETTINGS.capacity == 2
    assert [row.split()[1] for row in rows_of(page)] == ["S0", "S1"]
    assert "7 more would follow" in page
    assert "says Pia" in page
    assert "1 of the first 2 students" in page  # .6 of 2, on later data


def test_a_case_that_has_begun_stays_on_the_page_beyond_the_capacity_and_without_a_list(school: School) -> None:
    account, browser = of(school, "counselor", "cora")
    casebook.raise_student(school.db, account, "ben", "He sleeps in class.", MOMENT.date(), MOMENT)
    page = browser.get("/review").text
    (row,) = rows_of(page)
    assert "Ben O'Brien" in row
    assert "Brought up by a colleague" in row
    assert "No list has been made yet" in page


def test_what_is_new_since_the_last_visit_is_counted_from_the_day_of_that_visit(school: School) -> None:
    account, browser = of(school, "counselor", "cora")
    list_students(school.home, [scored("ana"), scored("ben")], before=[scored("ben")])
    week_ago = MOMENT - timedelta(days=7)
    casebook.note_visit(school.db, account, week_ago.date(), week_ago)
    page = browser.get("/review").text
    assert "1 student is new since" in page
    (row,) = rows_of(browser.get("/review?when=new").text)
    assert "Ana" in row


def test_who_has_waited_longer_than_five_school_days_is_counted_until_somebody_has_looked(school: School) -> None:
    account, browser = of(school, "counselor", "cora")
    list_students(school.home, [scored("ana"), scored("ben")], before=[scored("ben")])
    assert "1 student has waited more than 5 school days" in browser.get("/review").text
    casebook.raise_student(school.db, account, "ben", "He sleeps in class.", MOMENT.date(), MOMENT)
    version = casebook.cases_of(school.db, "default", ["ben"])["ben"].version
    casebook.claim(school.db, account, "ben", version, MOMENT.date(), MOMENT)
    page = browser.get("/review").text
    assert "Nobody has waited" in page
    assert "With counselor cora" in page


def test_who_objected_is_on_no_list_from_that_moment_and_the_page_says_so_where_a_case_shows_them(school: School) -> None:
    account, browser = of(school, "counselor", "cora")
    withheld = scored("ben", band="not_enough_data", status="objected", probability=None, reasons=[])
    list_students(school.home, [scored("ana"), withheld])
    assert len(rows_of(browser.get("/review").text)) == 1
    assert "objected" not in browser.get("/review").text
    said = families.object_to_scoring(school.db, "default", "ben", MOMENT, by=None, said_by="his mother")
    families.object_to_scoring(school.db, "default", "ana", MOMENT, by=None, said_by="his mother")
    assert rows_of(browser.get("/review").text) == []
    casebook.raise_student(school.db, account, "ben", "He sleeps in class.", MOMENT.date(), MOMENT)
    (row,) = rows_of(browser.get("/review").text)
    assert "objected to being scored" in row
    assert "Not enough data" not in row
    assert "se opuso" in rows_of(browser.get("/review?language=es").text)[0]
    assert "objected to being scored" in browser.get("/review/students.csv?case=new&language=en").text
    assert said.in_force
    families.withdraw_objection(school.db, "default", "ben", MOMENT, by=None)
    (row,) = (one for one in rows_of(browser.get("/review").text) if "Ben" in one)
    assert "objected" not in row, "it was taken back"
    assert "Not enough data" not in row, "the list that was made meanwhile says nothing of him"


def test_good_news_is_who_left_the_list_and_has_something_to_show_for_it(school: School) -> None:
    praise = "The student has been at school on each of the last 20 school days."
    list_students(school.home, [scored("ana", band="no_extra_signal", strength=praise), scored("ben", band="no_extra_signal")],
                  before=[scored("ana"), scored("ben")])  # fmt: skip
    _, browser = of(school, "counselor", "cora")
    page = browser.get("/review").text
    assert "Ana Álvarez has been at school on each of the last 20 school days." in page
    assert "1 piece of good news" in page


def test_where_scores_are_switched_off_nothing_is_said_of_the_records_and_the_cases_stay(school: School) -> None:
    list_students(school.home, [scored("ana")])
    account, browser = of(school, "counselor", "cora")
    casebook.raise_student(school.db, account, "ben", "He sleeps in class.", MOMENT.date(), MOMENT)
    assert "A check-in is suggested" in rows_of(browser.get("/review").text)[-1] + rows_of(browser.get("/review").text)[0]
    switches.stop(school.db, "default", account, "district", "the list is being looked into", MOMENT)
    page = browser.get("/review").text
    assert "Scores are switched off" in page
    assert "pieces of work not in" not in page
    (row,) = rows_of(page)
    assert "Ben" in row


def test_a_page_counts_only_students_whom_its_reader_sees(school: School) -> None:
    list_students(school.home, [scored("ana"), scored("ben"), scored("cal")])
    _, tess = of(school, "teacher", "tess")
    page = tess.get("/review").text
    assert "2 students" in page
    assert "Cal" not in page
    assert rows_of(tess.get("/review?q=cal").text) == []


def test_the_table_to_take_away_holds_what_the_page_shows_and_what_it_is_not_for(school: School) -> None:
    rows = the_school()
    rows["identities"][0]["given_name"] = "=cmd()"
    records(rows, "formula").write(school.reception.room("default").store.records_folder)
    list_students(school.home, [scored("ana"), scored("ben")])
    _, browser = of(school, "counselor", "cora")
    answer = browser.get("/review/students.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="students-2026-11-13.csv"'
    told = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[0] for row in told[1:3]] == ["ana", "ben"]
    assert told[1][1].startswith("'=")  # no spreadsheet runs a name
    assert "not for placement, grading, discipline, policing or teacher evaluation" in told[-1][0]


def test_filters_cut_the_list_and_one_that_there_is_none_of_cuts_nothing(school: School) -> None:
    list_students(school.home, [scored("ana", concept="attendance"), scored("ben")])
    _, browser = of(school, "counselor", "cora")
    assert len(rows_of(browser.get("/review?concern=attendance").text)) == 1
    assert len(rows_of(browser.get("/review?year=10").text)) == 1
    assert len(rows_of(browser.get("/review?section=lincoln-algebra").text)) == 2
    assert len(rows_of(browser.get("/review?concern=shoes&band=red&part=x").text)) == 2


# -- the parts of it ----------------------------------------------------------------------------------------------------


def test_no_more_classes_are_offered_than_a_page_can_hold_and_the_chosen_one_always_is(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_students(school.home, [scored("ana")])
    _, browser = of(school, "counselor", "cora")

    def offered(page: str) -> list[str]:
        options = re.search(r'<select id="f-section".*?</select>', page, re.DOTALL)
        assert options
        return [one for one in re.findall(r'value="([^"]*)"', options[0]) if one]

    assert offered(browser.get("/review").text) == ["lincoln-algebra"]
    monkeypatch.setattr("serving.review.caseload.MOST_CLASSES", 0)
    assert offered(browser.get("/review").text) == []
    assert offered(browser.get("/review?section=lincoln-algebra").text) == ["lincoln-algebra"]


def _more(rows: Rows, count: int, grade: int = 9) -> None:
    """Add students s0, s1 and so on to Lincoln's algebra."""
    for at in range(count):
        student = f"s{at}"
        rows["students"].append({"student_id": student})
        rows["identities"].append({"student_id": student, "given_name": f"Sam {student.upper()}", "family_name": "Lee"})
        rows["enrolments"].append({**rows["enrolments"][0], "enrolment_id": f"e-{student}", "student_id": student,
                                   "grade_level": grade})  # fmt: skip
        rows["rosters"].append({**rows["rosters"][0], "student_id": student, "enrolment_id": f"e-{student}"})


def test_a_group_of_ten_in_which_more_than_a_fifth_share_a_concern_comes_first(school: School) -> None:
    rows = the_school()
    _more(rows, 8)
    day = Day.of(records(rows), MOMENT.date())

    def shared(count: int) -> list[tuple[str, str, int, int]]:
        list_students(school.home, [scored(f"s{at}", concept="coursework") for at in range(count)])
        made = school.reception.room("default").listing
        assert made is not None
        return [(one.kind, one.concern, one.count, one.of) for one in made.shared(day, ["ana"], open_words()["en"])]

    assert shared(2) == []
    assert shared(3) == [("school", "coursework", 3, 10), ("section", "coursework", 3, 10)]


def test_records_that_stopped_are_told_by_the_schools_own_calendar(school: School) -> None:
    rows = the_school()
    rows["attendance"] = [{"student_id": "ana", "enrolment_id": "e-ana", "on": date(2026, 11, 10), "status": "absent"}]
    taught = {day: day != 12 for day in range(9, 14)}
    rows["calendar"] = [{"organisation_id": "lincoln", "on": date(2026, 11, day), "instructional": open_}
                        for day, open_ in taught.items()]  # fmt: skip
    day = Day.of(records(rows), MOMENT.date())
    known = listing.freshness(records(rows), day)
    assert known["lincoln"][0] == Fresh(school="lincoln", source="attendance", last_on=date(2026, 11, 10))
    # The 11th was a school day and the 12th was none: one day without attendance is nothing yet.
    assert listing.stopped(records(rows), day, known)["lincoln"] == ()
    rows["calendar"][3]["instructional"] = True
    assert [one.source for one in listing.stopped(records(rows), day, known)["lincoln"]] == ["attendance"]


def test_waiting_counts_school_days_between(school: School) -> None:
    days = tuple(date(2026, 11, day) for day in (9, 10, 11, 12, 13))
    assert waited(days, date(2026, 11, 9), date(2026, 11, 13)) == 3
    assert waited(days, date(2026, 11, 13), date(2026, 11, 13)) == 0


def test_a_student_stands_on_the_list_by_the_highest_place_of_the_areas_their_reader_may_know(school: School) -> None:
    list_students(school.home, [scored("ana", probability=0.2, band="keep_an_eye"), scored("ana", "dropout"), scored("ben")])
    made = school.reception.room("default").listing
    assert made is not None
    told = [made.of("ana", leaving=leaving) for leaving in (True, False)]
    assert [one.band for one in told if one] == [BANDS[0], BANDS[1]]
    assert [one.prediction_ids for one in told if one] == [("p-ana.dropout-1",), ()]

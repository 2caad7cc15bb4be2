"""Things to learn from: which fit whom, who can learn together, and how a library is read from files."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.problems import NotFound, Refused
from features.records import SchoolRecords
from features.tables import TABLES
from homeroom.simulate import curriculum
from serving import resources, skills
from serving.resources import Library, Resource, Wanted, chosen, frames, lessons, library, practice, read
from serving.skills import Skill, skill_map

TODAY = date(2026, 11, 13)
BEGAN = date(2026, 9, 1)
STEPS = (("add", "count"), ("fractions", "add"), ("ratios", "fractions"))
CASE = "6f9bd5a1-7c3e-4a0e-9f57-0d6f2f1b7e11"
RATIOS = Skill("ratios", "Use ratios", "mathematics", 6, 3)


def records(shown: dict[str, dict[str, float]], **more: pl.DataFrame) -> SchoolRecords:
    """Return records in which students showed each skill twice, with a share of the best score."""
    names = sorted({one for step in STEPS for one in step} | {CASE})
    rows = [(who, f"{who}-1", "class", skill, f"e{at}", BEGAN + timedelta(days=at), share)
            for who, each in shown.items() for skill, share in each.items() for at in range(2)]  # fmt: skip
    keys = ("student_id", "enrolment_id", "section_id", "skill_id", "evidence_id", "occurred_on", "score_share")
    kinds = {name: TABLES["skill_results"].schema[name] for name in keys}
    return SchoolRecords.from_frames(
        {
            "skills": pl.DataFrame({"skill_id": names, "statement": [one.title() for one in names]}),
            "skill_prerequisites": pl.DataFrame(list(STEPS), schema=["skill_id", "prerequisite_id"], orient="row"),
            "skill_results": pl.DataFrame(rows, schema=kinds, orient="row"),
            **more,
        }
    )


def made(name: str, relation: str = "teaches", skill: str = "ratios", **known: Any) -> Resource:
    fitting = {"language": "en", "level": 6, "minutes": 15, "offline": True}
    return Resource(name, name.title(), {relation: (skill,)}, **(fitting | known))  # type: ignore[dict-item]


def held(*each: Resource) -> Library:
    return Library({one.id: one for one in each})


def best(wanted: Wanted, *each: Resource) -> str | None:
    found = held(*each).best("teaches", RATIOS, wanted)
    return found and found.id


# -- what fits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "unfit"),
    [
        (Wanted(internet=False), {"offline": False}),
        (Wanted(internet=False), {"offline": None}),
        (Wanted(), {"minutes": 31}),
        (Wanted(languages=("en",)), {"language": "es"}),
        (Wanted(grade_level=5), {"level": 6}),
    ],
)
def test_what_does_not_fit_is_not_shown_even_where_there_is_nothing_else(wanted: Wanted, unfit: dict[str, Any]) -> None:
    assert best(wanted, made("unfit", **unfit)) is None
    assert best(wanted, made("unfit", **unfit), made("zz", level=5)) == "zz"
    said = held(made("unfit", **unfit)).pair(RATIOS, wanted).says
    assert any(one.startswith("The library has nothing that teaches this") for one in said)


def test_what_takes_a_skill_for_granted_that_is_not_secure_is_not_shown() -> None:
    hard = Resource("hard", "Hard", {"teaches": ("ratios",), "requires": ("fractions",)}, "en", 6, 10, True)
    assert best(Wanted(secure=frozenset()), hard) is None
    assert best(Wanted(secure=frozenset({"fractions"})), hard) == "hard"


@pytest.mark.parametrize(
    ("wanted", "first", "second"),
    [
        (Wanted(), {"reviewed": True, "minutes": 29}, {"minutes": 5}),
        (Wanted(accessible=("captions",)), {"accessible": ("open captions",), "minutes": 29}, {"minutes": 5}),
        (Wanted(languages=("en", "es")), {"language": "en-GB", "minutes": 29}, {"language": "es", "minutes": 5}),
        (Wanted(internet=None), {"offline": True, "minutes": 29}, {"offline": False, "minutes": 5}),
        (Wanted(), {"level": 6, "minutes": 29}, {"level": 3, "minutes": 5}),
        (Wanted(), {"minutes": 5}, {"minutes": 29}),
    ],
)
def test_of_what_fits_the_best_is_chosen(wanted: Wanted, first: dict[str, Any], second: dict[str, Any]) -> None:
    assert best(wanted, made("z-first", **first), made("a-second", **second)) == "z-first"


def test_where_internet_is_not_known_what_needs_it_says_ask_first() -> None:
    online = held(made("film", offline=False))
    assert any("ask first" in one for one in online.pair(RATIOS, Wanted()).says)
    assert not any("ask first" in one for one in online.pair(RATIOS, Wanted(internet=True)).says)
    assert "without internet" in " ".join(online.pair(RATIOS, Wanted(internet=False)).says)


def test_the_lowest_skill_that_is_next_gets_one_resource_that_teaches_and_one_that_checks() -> None:
    shown = {"ana": {"count": 0.9, "add": 0.3, "fractions": 0.2, "ratios": 0.1}}
    mapped = skill_map(records(shown), ["ana"], TODAY)["ana"]
    shelf = held(made("r"), made("a", skill="add"), made("c", "assesses", "add"), made("f", skill="fractions"))
    (pair,) = practice(mapped, shelf, Wanted())
    assert pair.skill_id == "add"
    assert pair.teaches is not None
    assert pair.checks is not None
    assert (pair.teaches.id, pair.checks.id) == ("a", "c")
    assert pair.says == ("Chosen because it teaches: Add.",)
    assert [(one["resource_id"], one["relation"]) for one in chosen([pair])] == [("a", "teaches"), ("c", "assesses")]


# -- together ---------------------------------------------------------------------------------------------------------


def test_students_who_are_ready_for_the_same_skill_learn_together_each_in_one_group() -> None:
    low, high = {"count": 0.9, "add": 0.2}, {"count": 0.9, "add": 0.9, "fractions": 0.2}
    shown = {**{f"l{at}": low for at in range(11)}, "h1": high, "h2": high, "alone": {"count": 0.1}}
    maps = skill_map(records(shown), list(shown), TODAY)
    shelf = held(made("a", skill="add", offline=False), made("b", skill="add", minutes=29), made("f", skill="fractions"))
    found = lessons(maps, shelf, {"l0": Wanted(internet=False), "l1": Wanted(internet=True)})
    assert [(one.skill.skill_id, len(one.student_ids)) for one in found] == [("add", 6), ("add", 5), ("fractions", 2)]
    grouped = [who for one in found for who in one.student_ids]
    assert sorted(grouped) == sorted(set(shown) - {"alone"})
    # Where one of a group has no internet, the group's resource needs none.
    with_l0 = next(one for one in found if "l0" in one.student_ids)
    assert with_l0.pair.teaches is not None
    assert with_l0.pair.teaches.id == "b"


def test_a_group_never_needs_a_skill_that_one_of_it_lacks() -> None:
    shown = {"ana": {"count": 0.9, "add": 0.2, CASE: 0.9}, "ben": {"count": 0.9, "add": 0.2, CASE: 0.1}}
    maps = skill_map(records(shown), list(shown), TODAY)
    hard = Resource("hard", "Hard", {"teaches": ("add",), "requires": (CASE,)}, "en", 6, 10, True)
    (one,) = (each for each in lessons(maps, held(hard), {}) if each.skill.skill_id == "add")
    assert one.student_ids == ("ana", "ben")
    assert one.pair.teaches is None


# -- the school's own tables ------------------------------------------------------------------------------------------


def test_a_library_is_made_of_the_records_as_known_on_a_day() -> None:
    table = frames([made("r1", accessible=("captions", "large print")), made("r2", "assesses", offline=None)])
    later = {name: frame.with_columns(known_on=pl.lit(TODAY + timedelta(days=1))) for name, frame in table.items()}
    assert library(records({}, **table), TODAY).resources == {
        "r1": made("r1", accessible=("captions", "large print")), "r2": made("r2", "assesses", offline=None),
    }  # fmt: skip
    assert library(records({}, **later), TODAY).resources == {}
    assert library(records({}), TODAY).resources == {}


# -- files ------------------------------------------------------------------------------------------------------------

CSV = """resource_id,title,teaches,assesses,requires,language,level,minutes,offline,accessible,format,url,licence,reviewed
w1,Ratios,ratios,,fractions;add,en,6,20,yes,large print; captions,worksheet,library/w1,CC0-1.0,yes
w2,"Ratios, checked",,ratios,,es,,,,,,,,
"""

LRMI: dict[str, Any] = {
    "@context": "https://schema.org/",
    "@graph": [
        {
            "@type": "LearningResource", "@id": "https://library.example/film", "name": "Ratios in pictures",
            "inLanguage": "en-GB", "timeRequired": "PT12M30S", "educationalLevel": "Grade 6", "learningResourceType": "film",
            "license": "https://creativecommons.org/publicdomain/zero/1.0/", "url": "https://library.example/film.html",
            "accessibilityFeature": ["captions"],
            "educationalAlignment": [
                {"@type": "AlignmentObject", "alignmentType": "teaches", "targetName": "6.RP.3",
                 "targetUrl": f"https://case.example/ims/case/v1p1/CFItems/{CASE.upper()}"},
                {"@type": "AlignmentObject", "alignmentType": "educationalSubject", "targetName": "Mathematics"},
            ],
        },
        {
            "@type": ["CreativeWork", "schema:LearningResource"], "schema:identifier": "pages",
            "schema:name": {"@value": "Pages"},
            "schema:assesses": {"@type": "DefinedTerm", "termCode": "ratios"}, "schema:competencyRequired": ["add", "nowhere"],
            "schema:encodingFormat": "application/pdf", "schema:educationalLevel": {"@type": "DefinedTerm", "name": "7"},
        },
        {"@type": "Person", "name": "Somebody"},
    ],
}  # fmt: skip


def test_csv_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(CSV, encoding="utf-8")
    one, other = read(tmp_path / "own.csv")
    assert one == Resource("w1", "Ratios", {"teaches": ("ratios",), "requires": ("fractions", "add")}, "en", 6, 20, True,
                           ("large print", "captions"), "worksheet", "library/w1", "CC0-1.0", True)  # fmt: skip
    assert other == Resource("w2", "Ratios, checked", {"assesses": ("ratios",)}, "es")


def test_lrmi_is_read_by_its_alignments_and_by_schema_orgs_own_properties(tmp_path: Path) -> None:
    (tmp_path / "own.jsonld").write_text(json.dumps(LRMI), encoding="utf-8")
    film, pages = read(tmp_path / "own.jsonld")
    assert film.id == "https://library.example/film"
    assert (film.language, film.level, film.minutes, film.format, film.accessible) == ("en-GB", 6, 13, "film", ("captions",))
    assert film.licence.endswith("zero/1.0/")
    assert (pages.id, pages.title, pages.level, pages.offline) == ("pages", "Pages", 7, True)


def test_skills_of_files_are_found_by_key_code_or_the_address_of_a_case_item(tmp_path: Path) -> None:
    (tmp_path / resources.FOLDER).mkdir()
    (tmp_path / resources.FOLDER / "own.jsonld").write_text(json.dumps(LRMI), encoding="utf-8")
    (tmp_path / resources.FOLDER / "notes.txt").write_text("no resource", encoding="utf-8")
    found = library(records({}), TODAY, tmp_path)
    assert found.resources["https://library.example/film"].skills == {"teaches": (CASE,)}
    assert found.resources["pages"].skills == {"assesses": ("ratios",), "requires": ("add",)}
    assert found.unknown == {"nowhere": 1}


def test_a_file_takes_the_place_of_the_same_resource_on_record(tmp_path: Path) -> None:
    (tmp_path / resources.FOLDER).mkdir()
    (tmp_path / resources.FOLDER / "own.csv").write_text("resource_id,title,teaches\nr1,Another,add\n", encoding="utf-8")
    found = library(records({}, **frames([made("r1")])), TODAY, tmp_path)
    assert found.resources == {"r1": Resource("r1", "Another", {"teaches": ("add",)})}


def test_what_is_read_can_be_sent_with_an_export_again() -> None:
    table = frames([made("r1", accessible=("captions",))])
    assert table["resources"].columns == [column.name for column in TABLES["resources"].columns]
    assert table["resource_skills"].rows() == [("r1", "ratios", "teaches")]


def test_everything_that_is_wrong_with_all_files_is_said_at_once_and_no_cell_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / resources.FOLDER
    folder.mkdir()
    (folder / "a.csv").write_text(
        "resource_id,title,teaches,minutes,offline,language\nr1,Ana Ruiz,ratios,12 min,perhaps,english please\n,x,,\n"
        "r1,Again,ratios,5,yes,en\nr3,No skill,,,,\n", encoding="utf-8",
    )  # fmt: skip
    (folder / "b.csv").write_text("resource_id,name\nr9,x\n", encoding="utf-8")
    (folder / "c.json").write_text("{", encoding="utf-8")
    (folder / "d.jsonld").write_text(json.dumps([{"@type": "LearningResource", "teaches": "ratios"}]), encoding="utf-8")
    (folder / "e.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(Refused) as refused:
        library(records({}), TODAY, tmp_path)
    told = str(refused.value)
    assert "Ana" not in told
    assert "perhaps" not in told
    wheres = {(one.file, one.code, one.column) for one in refused.value.problems}
    assert wheres >= {
        ("a.csv", "bad_value", "minutes"), ("a.csv", "bad_value", "offline"), ("a.csv", "bad_value", "language"),
        ("a.csv", "cells", ""), ("a.csv", "twice", ""), ("a.csv", "no_skill", ""), ("b.csv", "columns", "name"),
        ("b.csv", "columns", "title"), ("c.json", "unreadable", ""), ("d.jsonld", "bad_value", "title"),
        ("e.json", "malformed", ""),
    }  # fmt: skip


def test_a_file_of_another_kind_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "own.csv")
    (tmp_path / "own.xlsx").write_bytes(b"")
    with pytest.raises(Refused, match="not read"):
        read(tmp_path / "own.xlsx")


def test_no_address_of_a_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    (tmp_path / "own.jsonld").write_text(json.dumps({**LRMI, "@context": "http://library.example/context"}), encoding="utf-8")
    assert len(read(tmp_path / "own.jsonld")) == 2


def test_a_skill_that_looks_secure_gets_nothing_to_learn() -> None:
    mapped = skill_map(records({"ana": {"count": 0.9}}), ["ana"], TODAY)["ana"]
    assert mapped.ready_for_more
    assert practice(mapped, held(made("r", skill="count")), Wanted()) == ()
    assert skills.MARK <= 0.9


def test_the_open_library_of_the_simulated_school_fits_its_skills_and_is_in_the_public_domain() -> None:
    path = Path(curriculum.__file__).with_name("library.jsonld")
    found = read(path)
    assert all(one.licence == "https://creativecommons.org/publicdomain/zero/1.0/" for one in found)
    assert all(one.offline and (one.minutes or 99) <= resources.MOST_MINUTES for one in found)
    taught = {skill for one in found for codes in one.skills.values() for skill in codes}
    assert taught <= {one.key for one in curriculum.SKILLS}
    both = [{skill for one in found for skill in one.skills.get(relation, ())} for relation in ("teaches", "assesses")]
    assert both[0] == both[1] == {"MA.6.FRACTION", "MA.6.RATIO", "MA.7.PERCENT"}
    for one in json.loads(path.read_text(encoding="utf-8"))["@graph"]:
        assert len(one["text"]) > 150

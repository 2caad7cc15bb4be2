"""Frameworks in CASE become skills and what comes before them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from features import quarantine
from features.problems import Refused
from features.sources import tables
from features.sources.companions import Known
from features.sources.tables import Parts

RATIO, SUM, DOMAIN = "a8a0c5c0-6a5e-11e7-b9f6-f33a5f6d0c9f", "b8b1d6d1-7b6f-22f8-c0d7-d44b6d7e1d0a", "domain"


def item(key: str, **more: Any) -> dict[str, Any]:
    return {"identifier": key, "uri": f"https://case.example/CFItems/{key}", "fullStatement": f"Can do {key[:2]}", **more}


def link(kind: str, origin: str, destination: str) -> dict[str, Any]:
    return {"identifier": f"{kind}{origin}", "associationType": kind,
            "originNodeURI": {"title": "x", "identifier": origin, "uri": f"https://case.example/CFItems/{origin}"},
            "destinationNodeURI": {"title": "y", "identifier": destination}}  # fmt: skip


def package(items: Sequence[Any] = (), links: Sequence[Any] = ()) -> dict[str, Any]:
    own = [item(RATIO, humanCodingScheme="6.RP.3", educationLevel=["06"], subject=["Ratios"]),
           item(SUM, humanCodingScheme="5.NF.4", educationLevel=["KG", "01"]), item(DOMAIN, educationLevel=["HS"])]  # fmt: skip
    ties = [link("precedes", SUM, RATIO), link("isChildOf", RATIO, DOMAIN), link("isChildOf", SUM, DOMAIN)]
    return {"CFDocument": {"identifier": "d", "title": "Standards", "subject": ["Mathematics"]}, "CFItems": [*own, *items],
            "CFAssociations": [*ties, *links], "CFDefinitions": {}}  # fmt: skip


def complete(folder: Path, given: Any, of: Known | None = None) -> Parts:
    (folder / "framework.json").write_text(given if isinstance(given, str) else json.dumps(given))
    parts = tables.complete(folder, None, of or Known(), "lincoln")
    assert all(one.read == one.kept + one.quarantined + one.left_out for one in parts.accounts)
    return parts


def counts(parts: Parts, file: str) -> tuple[int, int, int, int, str]:
    return next((one.read, one.kept, one.quarantined, one.left_out, one.why) for one in parts.accounts if one.file == file)


def reasons(parts: Parts, file: str) -> list[list[str]]:
    return [[re.sub(r": [^:]*$", "", one) for one in row] for row in parts.quarantine[file]["reasons"].to_list()]


def test_items_are_skills_with_statement_subject_and_year(tmp_path: Path) -> None:
    parts = complete(tmp_path, package())
    assert parts.tables["skills"].select("skill_id", "statement", "subject", "grade_level").rows() == [
        (RATIO, "Can do a8", "Ratios", 6), (SUM, "Can do b8", "Mathematics", None),
        (DOMAIN, "Can do do", "Mathematics", None)]  # fmt: skip
    assert counts(parts, "framework.CFItems.json") == (3, 3, 0, 0, "")


def test_only_what_precedes_is_a_prerequisite(tmp_path: Path) -> None:
    parts = complete(tmp_path, package(links=[link("isRelatedTo", RATIO, SUM), link("precedes", SUM, RATIO)]))
    assert parts.tables["skill_prerequisites"].select("skill_id", "prerequisite_id").rows() == [(RATIO, SUM)]
    assert counts(parts, "framework.CFAssociations.json") == (
        5, 1, 0, 4, "2 isChildOf; 1 isRelatedTo; 1 that say again what another says")  # fmt: skip


def test_a_package_within_another_object_and_several_of_them_are_read(tmp_path: Path) -> None:
    parts = complete(tmp_path, [{"CFPackage": package()}, {"CFDocument": {}, "CFItems": [item("more")]}])
    assert parts.tables["skills"].height == 4


def test_identifiers_lose_their_address(tmp_path: Path) -> None:
    near = {"associationType": "precedes", "originNodeURI": f"https://case.example/CFItems/{DOMAIN}",
            "destinationNodeURI": {"identifier": f"urn:uuid:{RATIO}"}}  # fmt: skip
    parts = complete(tmp_path, package(links=[near]))
    assert parts.tables["skill_prerequisites"].select("skill_id", "prerequisite_id").rows()[1] == (RATIO, DOMAIN)


def test_a_skill_may_be_named_by_its_code_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "resource_skills.csv").write_text(f"resource_id,skill_id,relation\nr,6.RP.3,teaches\nr,{SUM},teaches\n"
                                                  "r,twice,teaches\nr,9.X,teaches\n")  # fmt: skip
    (tmp_path / "resources.csv").write_text("resource_id,title\nr,Film\n")
    twice = [item("c1", humanCodingScheme="twice"), item("c2", humanCodingScheme="twice")]
    parts = complete(tmp_path, package(twice))
    assert parts.tables["resource_skills"]["skill_id"].to_list() == [RATIO, SUM]
    assert reasons(parts, "resource_skills.csv") == [["skill_id: unknown_skills"]] * 2
    assert parts.quarantine["resource_skills.csv"]["skill_id"].to_list() == ["twice", "9.X"]


def test_what_a_framework_tells_itself_is_not_read_again_from_another_file(tmp_path: Path) -> None:
    (tmp_path / "skills.csv").write_text("skill_id,statement\n6.RP.3,Ratios\nours,Something else\n")
    (tmp_path / "skill_prerequisites.csv").write_text("skill_id,prerequisite_id\n6.RP.3,5.NF.4\n5.NF.4,ours\n")
    parts = complete(tmp_path, package())
    assert counts(parts, "skills.csv") == (2, 1, 0, 1, "1 that a framework tells of itself")
    assert counts(parts, "skill_prerequisites.csv")[:4] == (2, 1, 0, 1)
    assert set(parts.tables["skills"]["skill_id"]) == {RATIO, SUM, DOMAIN, "ours"}
    assert set(parts.tables["skill_prerequisites"].select("skill_id", "prerequisite_id").rows()) == {
        (RATIO, SUM),
        (SUM, "ours"),
    }


def test_faults_have_their_place_and_field(tmp_path: Path) -> None:
    links = [link("precedes", RATIO, "unknown"), link("precedes", SUM, SUM), {"associationType": "precedes"}, 5]
    parts = complete(tmp_path, package([item(RATIO), item("", humanCodingScheme="x"), "text"], links))
    assert parts.quarantine["framework.CFItems.json"]["row"].to_list() == [4, 5, 6]
    assert [one[0] for one in reasons(parts, "framework.CFItems.json")] == [
        "identifier: duplicate_key", "identifier: missing_value", "identifier: bad_value"]  # fmt: skip
    first = [one[0].rpartition(": ")[2] for one in reasons(parts, "framework.CFAssociations.json")]
    assert first == ["unknown_skills", "own_prerequisite", "missing_value", "bad_value"]
    assert counts(parts, "framework.CFAssociations.json")[:4] == (7, 1, 4, 2)


def test_a_very_long_statement_is_shortened(tmp_path: Path) -> None:
    parts = complete(tmp_path, package([item("long", fullStatement="word " * 300),
                                        item("short", fullStatement="word " * 300, abbreviatedStatement="word")]))  # fmt: skip
    told = dict(parts.tables["skills"].select("skill_id", "statement").rows())
    assert (len(told["long"]), told["long"][-4:], told["short"]) == (1000, " ...", "word")


def test_corrected_associations_come_in_again(tmp_path: Path) -> None:
    given = package(links=[link("precedes", RATIO, "unknown")])
    parts = complete(tmp_path, given)
    quarantine.write(tmp_path, parts.accounts, parts.problems, parts.quarantine)
    sheet = tmp_path / "framework.CFAssociations.quarantined.csv"
    sheet.write_text(sheet.read_text("utf-8-sig").replace(",unknown\n", f",{DOMAIN}\n"))
    again = complete(tmp_path, given)
    assert counts(again, "framework.CFAssociations.json")[:4] == (4, 2, 0, 2)


@pytest.mark.parametrize(
    ("given", "code"),
    [({"CFDocument": {}}, "not_a_package"), ('{"CFItems": [', "not_json"), ({"CFItems": [{"uri": "x"}]}, "missing_column")],
)
def test_what_is_no_package_is_refused(tmp_path: Path, given: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        complete(tmp_path, given)
    assert {one.code for one in caught.value.problems} == {code}

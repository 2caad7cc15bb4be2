"""What the demonstration says of five students, as a person would read it.

    python -m homeroom.examples HOME > docs/students.md

``HOME`` is the state folder of `homeroom demo`. The students are chosen by rule and not by hand. Their names are invented,
and come from the simulated district itself; of anything else than a simulated district nothing is written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from features.catalog import CONCEPTS
from features.norms import Norms
from features.pipeline import FeatureTable
from features.problems import HomeroomError, NotFound, Problem, Refused
from features.standard import STANDARD
from homeroom.simulate.run import MADE_BY, MANIFEST
from serving import offers, whatif
from serving.answers import Student, answer
from serving.requests import School
from serving.scoring import Risk, score
from serving.store import Latest, Store
from training.registry import Registry
from training.targets import TARGETS

#: For whom the pages are written: who talks with the student, and sees numbers beside words.
AUDIENCE = "counselor"
MOST_SKILLS = 2

#: Of which target a student's place among all is: the first question of a counselor.
FIRST = "dropout"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A student and the rule by which they were chosen."""

    student_id: str
    rule: str


def choose(scores: pl.DataFrame, access: pl.DataFrame) -> list[Chosen]:
    """Choose five students by rule, each once: who was chosen already makes room for the next.

    Args:
        scores: the scored list of everybody.
        access: ``student_id`` and ``internet`` at home, as last recorded.

    """
    first = scores.filter(pl.col("target") == FIRST)
    ranked = first.filter(pl.col("probability").is_not_null()).sort("probability", "student_id", descending=[True, False])
    ids = ranked["student_id"].to_list()
    if not ids:
        raise NotFound(f"Nobody was scored for {FIRST}, so there is nobody to choose.")
    middle = len(ids) // 2
    unscored = first.filter(pl.col("probability").is_null()).sort("student_id")["student_id"].to_list()
    thin = first.sort(pl.col("unknowns").list.len(), "student_id", descending=[True, False])["student_id"].to_list()
    without = set(access.filter(pl.col("internet") == "none")["student_id"])
    rules = [
        ("The highest probability of leaving of all who were scored", ids),
        ("The middle of all who were scored", [*ids[middle:], *ids[:middle]]),
        ("The lowest probability of leaving of all who were scored", ids[::-1]),
        ("Not enough on record to say", unscored) if unscored else ("The least on record", thin),
        ("No internet at home, the highest of these", [one for one in ids if one in without]),
    ]
    found: list[Chosen] = []
    for rule, candidates in rules:
        taken = {one.student_id for one in found}
        student = next((one for one in candidates if one not in taken), None)
        if student is not None:
            found.append(Chosen(student, rule))
    return found


def page(home: Path) -> str:
    """Return the page for the demonstration in a state folder.

    Raises:
        Refused: its students were not simulated.
        NotFound: nothing has been scored there yet.

    """
    district = home / "district"
    _refuse_real(district)
    store, registry = Store.of(home, "default"), Registry(home / "models")
    latest = store.latest()
    if latest is None or not (home / "scores.parquet").exists():
        raise NotFound(f"Nobody has been scored in {home.name}. Run `homeroom demo --no-serve --home {home.name}` first.")
    whom = choose(pl.read_parquet(home / "scores.parquet"), _access(district, latest))
    names = _names(district, [one.student_id for one in whom])
    models = [registry.load(name, STANDARD) for name in TARGETS if name in latest.snapshots]
    risks: dict[str, list[Risk]] = {one.student_id: [] for one in whom}
    norms = store.norms(latest)
    what_ifs: dict[whatif.Key, whatif.WhatIf] = {}
    for model in models:
        rows = store.snapshot(latest, model.target.name).filter(pl.col("student_id").is_in(list(risks))).collect()
        unit = model.target.unit
        table = FeatureTable.of(rows, model.catalog.at(unit), unit, norms.get(unit, Norms.none()))
        scored = list(score(table, model, latest.data_through))
        what_ifs |= whatif.where_it_matters(scored, table)
        for risk in scored:
            risks[risk.student_id].append(risk)
    school = School(store.reference())
    titles = dict(pl.read_parquet(district / "sections" / "*.parquet").select("section_id", "title").iter_rows())
    records = store.records()
    help_ = offers.Help.of(store.folder, latest.as_of, records)
    around = offers.Around.of(help_, records, list(risks), latest.as_of, any(one.target.unit == "skill" for one in models))
    told = [
        answer(Student(one.student_id, names[one.student_id]), latest.as_of, _few(risks[one.student_id]), school.statements,
               AUDIENCE, store.secret(), around=around, what_ifs=what_ifs)
        for one in whom
    ]  # fmt: skip
    return "\n".join(_lines(whom, told, names, titles, latest)) + "\n"


def _refuse_real(district: Path) -> None:
    try:
        made = json.loads((district / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made = {}
    if made.get("made_by") != MADE_BY:
        problem = Problem("examples", district.name, "this was not simulated, and no such page is written of real people",
                          "Give the state folder of `homeroom demo`.")  # fmt: skip
        raise Refused([problem], "No page was written")


def _access(district: Path, latest: Latest) -> pl.DataFrame:
    """Return what each student has at home, as last recorded by the day of the scores."""
    rows = pl.read_parquet(district / "digital_access" / "*.parquet").filter(pl.col("recorded_on") <= latest.as_of)
    return rows.sort("recorded_on").unique("student_id", keep="last").select("student_id", "internet")


def _names(district: Path, students: Sequence[str]) -> dict[str, str]:
    """Return the name each student wants to be called by."""
    rows = pl.read_parquet(district / "identities" / "*.parquet").filter(pl.col("student_id").is_in(list(students)))
    return dict(rows.select("student_id", pl.coalesce("preferred_name", "given_name")).iter_rows())


def _few(risks: Sequence[Risk]) -> list[Risk]:
    """Return a student's risks with one class, the weakest, and at most two skills, those least secure."""

    def weight(risk: Risk) -> float:
        return -1.0 if risk.probability is None else risk.probability

    classes = sorted((one for one in risks if one.model.target.unit == "section"), key=weight, reverse=True)
    skills = sorted((one for one in risks if one.skill_id is not None), key=weight, reverse=True)
    rest = [one for one in risks if one.model.target.unit not in ("section", "skill")]
    return [*rest, *classes[:1], *skills[:MOST_SKILLS]]


#: What each target's part is headed by: the question, never a verdict.
HEADS: Mapping[str, str] = {
    "dropout": "Staying at school",
    "course_failure": "The class with most to look at",
    "chronic_absence": "Days at school",
    "learning_gap": "Skills",
}


def _lines(
    whom: Sequence[Chosen], told: Sequence[Mapping[str, Any]], names: Mapping[str, str], titles: Mapping[str, str],
    latest: Latest,
) -> list[str]:  # fmt: skip
    """Return the page's lines."""
    found = [
        "# Five students",
        "",
        "What a counselor reads of five students of the simulated district, as of "
        f"{latest.as_of}. Everybody here is invented, names included. `python -m homeroom.examples HOME` writes this page "
        "from the state folder of `homeroom demo`.",
        "",
        "Beside each sentence of an answer stands the number that it was made of; the last part shows one answer as a program "
        "receives it.",
    ]
    for one, said in zip(whom, told, strict=True):
        found += ["", f"## {names[one.student_id]}", "", f"*{one.rule}.*"]
        for risk in sorted(said["risks"], key=lambda part: list(HEADS).index(part["target"])):
            where = f" ({titles.get(risk['section_id'], '')})" if risk["section_id"] else ""
            found += ["", f"### {HEADS[risk['target']]}{where}", "", *_risk(risk)]
        if said["gaps"]:
            found += ["", f"### {HEADS['learning_gap']}"]
            for gap in said["gaps"]:
                found += ["", f"**{gap['statement']}** ({titles.get(gap['section_id'], '')})", "", *_gap(gap)]
        if said["recommendations"]:
            found += ["", "### What could help"]
            found += [line for step in said["recommendations"] for line in ("", *_step(step))]
    found += ["", f"## One answer as a program receives it: {names[whom[0].student_id]}", "", "```json",
              json.dumps(told[0], indent=1, ensure_ascii=False), "```"]  # fmt: skip
    return found


def _risk(risk: Mapping[str, Any]) -> list[str]:
    if risk["status"] != "scored":
        return [f"**{risk['headline']}.** {risk['status_reason']}", *_list("What is not known", risk["unknowns"])]
    low, high = risk["interval"]
    numbers = f"(probability {risk['probability']:.2f}, interval {low:.2f} to {high:.2f})"
    what_if = [line for one in risk.get("what_if", ()) for line in ("", one["text"])]
    return [f"**{risk['headline']}.** {risk['per_100']} {numbers}", *_facts(risk), *what_if]


def _step(step: Mapping[str, Any]) -> list[str]:
    by = f" {step['who']}. {step['how_much']}. Start by {step['start_by']}." if "who" in step else ""
    unknown = "".join(f" Not known: {one}" for one in step.get("unknown", ()) if one not in step["evidence"])
    return [f"- **{step['text']}**{by} {step['evidence']}{unknown}", *_learn(step["resources"])]


def _learn(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    words = {"teaches": "Teaches it", "assesses": "Checks it"}
    return [f"  - {words.get(one['relation'], 'For it')}: {one['title']}." for one in resources]


def _gap(gap: Mapping[str, Any]) -> list[str]:
    if gap["status"] != "scored":
        return [gap["status_reason"], *_list("What is not known", gap["unknowns"])]
    low, high = gap["interval"]
    numbers = (
        f"(probability {gap['probability']:.2f}; next score about {gap['expected']:.0%}, interval {low:.0%} to {high:.0%})"
    )
    learn = ["", "To learn it from:", "", *(line.strip() for line in _learn(gap["resources"]))] if gap["resources"] else []
    return [f"{gap['per_100']} {numbers}", *_facts(gap), *learn]


def _facts(said: Mapping[str, Any]) -> list[str]:
    reasons = [f"{CONCEPTS[one['concept']][0]}: {one['text']}" for one in said["reasons"]]
    strengths = [f"{CONCEPTS[one['concept']][0]}: {one['text']}" for one in said["strengths"]]
    return [*_list("What stands out", reasons), *_list("What speaks for them", strengths),
            *_list("What is not known", said["unknowns"])]  # fmt: skip


def _list(title: str, items: Sequence[str]) -> list[str]:
    return ["", f"{title}:", "", *(f"- {item}" for item in items)] if items else []


def main(arguments: Sequence[str]) -> int:
    """Print the page; 0 where it could be written, 1 where refused, 2 where used wrongly."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m homeroom.examples HOME\n")
        return 2
    try:
        text = page(Path(arguments[0]))
    except HomeroomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

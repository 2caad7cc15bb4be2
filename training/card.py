"""The model card: what a model is for, on whom it was trained, how well it does, and where it should not be believed.

The sections follow Mitchell et al. (2019). The card is generated from the training run and travels with the model, so
that the card of the very version behind a score can always be read. ``card_schema.json`` says what is on it: a card that
is valid under it is complete, and only a complete one may serve. What people read of it is in :mod:`training.card_page`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from features.catalog import CONCEPTS, Catalog, Feature, fingerprint
from features.problems import Problem, Refused
from features.tables import TABLES, Sensitivity
from training.governance import NOT_STATED, Governance, Provenance

OUT_OF_SCOPE = (
    "placement, grading, discipline or admission",
    "judging teachers",
    "insurance or law enforcement",
    "messages sent to students or families without a person's decision",
)

HONEST = "Early warning lists on their own have not been shown to improve outcomes; what adults do next has."

USERS = ("teachers, counselors and principals who know the student", "data and protection officers who answer for its use")
USES = (
    "to decide whom to talk to first",
    "to see what a conversation could begin with",
    "to plan how much help a school needs",
)

CONTEST = (
    "Say what is wrong in the records. They are corrected, and the score is made anew.",
    "Ask a person to look again. A person decides in any case.",
    "Object to being scored. Help from the staff goes on without it.",
)

#: What a busy core draws with its share of memory and cooling, and what a kilowatt hour emits: the world's mean of 2023
#: (Ember, Global Electricity Review 2024). Assumptions, said as such on the card.
WATTS, GRAMS_PER_KWH = 15.0, 480.0

_ORDER: tuple[Sensitivity, ...] = ("internal", "confidential", "restricted")

#: The figures by which one version is set beside another.
_COMPARED = (
    "auc",
    "average_precision",
    "precision_at_capacity",
    "recall_at_capacity",
    "brier",
    "ece",
    "rmse",
    "mae",
    "log_loss",
)


# -- what must be on it ---------------------------------------------------------------------------------------------


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of a complete card."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "card_schema.json").read_text(encoding="utf-8"))
    return found


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())


def missing(card: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each part of a complete card that this one lacks, or of which nobody has said anything."""
    return [
        Problem(
            "card_incomplete", where, "this part of the card is missing" if absent else "this is not stated yet", _hint(where)
        )
        for where, absent, lacking in _faults(card)
        if lacking
    ]


def check(card: Mapping[str, Any]) -> None:
    """Refuse a card that says something other than it may, with every place at once; what is missing is no fault here."""
    problems = [
        Problem("card", where, "this part of the card is not of its form", f"See {where} in training/card_schema.json.")
        for where, _, lacking in _faults(card)
        if not lacking
    ]
    if problems:
        raise Refused(problems, "The model card was refused")


def _faults(card: Mapping[str, Any]) -> list[tuple[str, bool, bool]]:
    """Return where a card is not as its schema says; whether that is absent; and whether it lacks rather than errs."""
    # As JSON has it: a tuple is a list there, and a number of NumPy's a number.
    plain = json.loads(json.dumps(dict(card), default=_plain))
    found: dict[str, tuple[str, bool, bool]] = {}
    for error in _validator().iter_errors(plain):
        path = [str(part) for part in error.absolute_path]
        if error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    where = ".".join([*path, name])
                    found[where] = (where, True, True)
        else:
            where = ".".join(path)
            found.setdefault(where, (where, False, error.instance in ("", NOT_STATED)))
    return list(found.values())


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value that it does not know: NumPy's numbers, and dates."""
    return value.item() if hasattr(value, "item") else str(value)


def _hint(where: str) -> str:
    first, _, rest = where.partition(".")
    if first == "governance" and rest:
        return f"Set {rest} in the section [governance] of homeroom.toml."
    if first in ("date", "data_sheet"):
        return "Train it with `homeroom train`, or with a provenance."
    return "Train it again."


def fields_as_markdown() -> str:
    """Return the table of a card's fields that stands in ``docs/model_card.md``."""
    rules = schema()
    of_records, of_flat = rules["else"]["required"], rules["then"]["required"]
    lines = ["| field | what it says | must be there |", "|---|---|---|"]
    for name, told in rules["properties"].items():
        when = "always" if name in rules["required"] else "of a school's records" if name in of_records else ""
        when = when or ("of a flat file" if name in of_flat else "where there is one")
        lines.append(f"| `{name}` | {told['description']} | {when} |")
    return "\n".join(lines)


# -- what is said alike on every card -------------------------------------------------------------------------------


def opening(says: str, unit: str = "") -> dict[str, Any]:
    """Return how every card begins: what it is for and not for, and the honest sentence."""
    return {
        "title": title(says, unit),
        "decision_support_only": True,
        "honest": HONEST,
        "intended_users": list(USERS),
        "intended_uses": list(USES),
        "out_of_scope": list(OUT_OF_SCOPE),
    }


def title(says: str, unit: str = "") -> str:
    """Return the question in words: a page is not named after a model's identifier.

    >>> title("leaves before the planned end", "enrolment")
    'Whether a student leaves before the planned end'
    """
    return f"Whether {says}" if unit == "skill" else f"Whether a student {says}" if unit else f"An estimate of {says}"


def concepts(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the model's inputs by concept, in the words of a page."""
    found = []
    for concept, (heading, _) in CONCEPTS.items():
        mine = [one for one in catalog if one.model_input and one.concept == concept]
        if mine:
            inputs = [
                {
                    "name": one.name,
                    "what": one.words.name,
                    "modifiable": one.modifiable,
                    "sensitivity": sensitivity(one, catalog),
                }
                for one in mine
            ]
            found.append({"concept": concept, "title": heading, "inputs": inputs})
    return found


def sensitivity(one: Feature, catalog: Catalog) -> Sensitivity:
    """Return how sensitive a feature is: as the most sensitive column that features read in the tables it is made of."""
    labels: set[Sensitivity] = set()

    def visit(feature: Feature) -> None:
        for table in feature.frame.tables if feature.frame is not None else ():
            labels.update(column.sensitivity for column in TABLES[table].columns if column.use == "feature")
        for name in feature.needs:
            if name in catalog:
                visit(catalog[name])

    visit(one)
    return max(labels, key=_ORDER.index, default="confidential")


def excluded(catalog: Catalog) -> list[dict[str, str]]:
    """Return the features with words that a model could read and does not, and why."""
    found = {"device and internet at home": "what a student has at home is a barrier to remove, and no sign of anything"}
    for one in catalog:
        if one.said and not one.model_input and one.kind != "relative":
            if one.relative_to and any(other.needs == (one.name,) and other.model_input for other in catalog.relative):
                why = "its place in the class is read instead: counts of one course teach its habits"
            else:
                why = "it is shown beside others in sentences, and adds nothing that these do not hold"
            found[one.words.name] = why
    return [{"what": what, "why": why} for what, why in found.items()]


def definition_of(label: Callable[..., Any]) -> dict[str, str]:
    """Return an outcome's definition in words, and 16 hex digits that change when the definition does."""
    parts: dict[str, FunctionType] = {}

    def visit(function: Any) -> None:
        if isinstance(function, FunctionType) and function.__name__ not in parts:
            parts[function.__name__] = function
            for name in function.__code__.co_names:
                used = function.__globals__.get(name)
                if isinstance(used, FunctionType) and used.__module__ == function.__module__:
                    visit(used)

    visit(label)
    said = re.sub(r"\s+", " ", inspect.getdoc(label) or "").replace("``", "").strip()
    return {"definition": said, "version": fingerprint(*(parts[name] for name in sorted(parts)))}


def contest(governance: Governance) -> dict[str, Any]:
    """Return how a family or a student objects, and where."""
    return {"how": list(CONTEST), "contact": governance.contest_contact}


def environmental_cost(cpu_seconds: float) -> dict[str, Any]:
    """Return what so many seconds of a processor took, with the assumptions by which."""
    hours = cpu_seconds / 3600
    said = f"{WATTS:g} W for a busy core with its share of memory and cooling, {GRAMS_PER_KWH:g} g of CO2 equivalents a kWh."
    return {"cpu_seconds": round(cpu_seconds, 1), "energy_wh": round(hours * WATTS, 3),
            "co2e_grams": round(hours * WATTS / 1000 * GRAMS_PER_KWH, 3), "assumption": said}  # fmt: skip


def stated(provenance: Provenance) -> dict[str, Any]:
    """Return what people stated of a run, and what is kept with a version after it: nobody has signed yet."""
    return {
        "date": provenance.day,
        "run_id": "",
        "governance": provenance.governance.as_dict(),
        "contest": contest(provenance.governance),
        "changes": changes({}, None),
        "sign_offs": [],
        "rollback_to": None,
        "despite_gate": "",
    }


# -- what changed ---------------------------------------------------------------------------------------------------


def changes(card: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what differs from the card of the version that served before, None where none did."""
    if before is None:
        nothing: dict[str, Any] = {"metrics": [], "inputs_added": [], "inputs_removed": []}
        return {"against": None, "says": "No version served before this one.", **nothing}
    was, now = before.get("metrics", {}), card.get("metrics", {})
    metrics = [
        {"metric": name, "before": was[name], "now": now[name]}
        for name in _COMPARED
        if was.get(name) is not None and now.get(name) is not None
    ]
    old, new = _inputs(before), _inputs(card)
    added, removed = (
        [what for name, what in new.items() if name not in old],
        [what for name, what in old.items() if name not in new],
    )
    moved = "" if before.get("test") == card.get("test") else " It was judged on other rows, so its figures are not comparable."
    says = f"Against version {before.get('version', '')}: {len(added)} inputs added, {len(removed)} removed.{moved}"
    return {"against": str(before.get("version", "")), "says": says, "metrics": metrics, "inputs_added": added,
            "inputs_removed": removed}  # fmt: skip


def _inputs(card: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one["what"] for concept in card.get("concepts", ()) for one in concept["inputs"]}


def limits(by_day: Sequence[Mapping[str, Any]], others: Iterable[str] = ()) -> list[str]:
    """Return where a model should not be believed, with its own figures where it has them."""
    known = [one for one in by_day if one.get("auc") is not None]
    found = ["Least reliable near the line of the list: students just above it and just below are alike."]
    if len(known) > 1:
        first, last = known[0], known[-1]
        found.append(f"Early it knows little: on day {first['day']} its AUC was {first['auc']:.2f}, on day {last['day']} "
                     f"{last['auc']:.2f}.")  # fmt: skip
    found.append("Students enrolled for less than 30 days: few of their records are there yet.")
    found.append("Terms, courses or schools that it was not trained on, new ones first of all.")
    return [*found, *others, "It says what past students with similar records did, never what this student will do."]

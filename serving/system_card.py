"""The system card: not what one model does but what becomes of it, who decides, and how it is stopped.

It is made of the cards of the models in use and of the rules that the code obeys, so that it says what is so. What the
school alone can know (contacts, assessments, who sets the length of a list) is what was stated when a version was
promoted, and is said to be missing where nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.card import HONEST
from training.governance import NOT_STATED, Governance
from training.promotion import ASSESSED_WITHIN_DAYS, NEEDED, ROLES

PIPELINE = """export of the school's system
  -> checked row by row; what is wrong is set aside with its reason
  -> records, each with the day since which it is known
  -> features: one row per student and day, made only of what was known by then
  -> scores and contributions, one per row
  -> sentences that can be checked, cut to who asks
  -> a person looks, talks with the student, and decides
groups (sex, age, disability, ...) -> the audit of a model, and nothing else"""

EVIDENCE = (
    HONEST,
    "In a randomised trial in 4,000 schools of Guatemala, a manual and training lowered the share of students who left by 1.2 "
    "points of 34, and adding a list of names added nothing (Adelman, Haimovich, Romero and Vazquez, forthcoming).",
    "The list of a US state, in use for ten years, sorted students well; that it raised the share who graduate could not be "
    "shown (Perdomo and others 2023).",
)


def system_card(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the system card of the models in use, given their cards."""
    # Here and below: what is imported for a page takes seconds, and who only shows one needs none of it.
    from serving.store import ABANDONED_AFTER_DAYS, KEPT

    governance = _governance(cards)
    return {
        "title": "How scores come about here, and who decides",
        "decision_support_only": True,
        "honest": HONEST,
        "pipeline": PIPELINE.splitlines(),
        "models": [
            {
                "title": one["title"],
                "target": one["target"],
                "version": one.get("version", ""),
                "made": one.get("date", NOT_STATED),
                "list": one.get("list", {}).get("says", ""),
                "despite_gate": one.get("despite_gate", ""),
                "rollback_to": one.get("rollback_to"),
                "signed_by": [f"{each['name']} ({ROLES[each['role']]})" for each in one.get("sign_offs", ())],
            }
            for one in cards
        ],
        "human_roles": _roles(),
        "decision_points": _decisions(governance),
        "thresholds": _thresholds(cards, governance),
        "capacity": [
            {"title": one["title"], "share_of_students": one["capacity"], "set_by": governance.capacity_set_by} for one in cards
        ],
        "training_required": governance.training_required,
        "access_matrix": _access(),
        "logging": [
            "Of a request: its address as a pattern, its status and its time. Never its content, a student's key or a value.",
            "Of a failure: the kind of error and the places in the code. Never its words, which could quote a record.",
            "Of each version: who signed, promoted, rolled back or stopped it, on which day (`homeroom models TARGET`).",
        ],
        "retention": {
            "records": "the last export alone; the next one takes its place",
            "requests": "nothing of a request is kept",
            "scorings": f"the newest {KEPT} and, for {ABANDONED_AFTER_DAYS} days, one that was not finished",
            "models": "every version with its card, until the folder is cleaned by hand; no student's value is in them",
            "by the school": governance.retention,
        },
        "incident_contacts": {"staff": governance.incident_contact, "families": governance.contest_contact},
        "assessments": {
            "dpia_id": governance.dpia_id,
            "dpia_date": governance.dpia_date,
            "fria_id": governance.fria_id,
            "fria_date": governance.fria_date,
            "legal_basis": governance.legal_basis,
        },
        "monitoring": [
            "after each scoring: `homeroom monitor` sets what came in and went out beside the model's card",
            "at all times: /readyz scores an example, /metrics counts requests and times",
            "by the school: how soon somebody talked to a student, what help followed, how often staff saw it otherwise",
        ],
        "kill_switch": {
            "one_model": "homeroom stop TARGET --why REASON",
            "effect": "No version serves. The service takes it out within seconds and gives no score of it; where no model is "
            "left it answers 503. Scoring a school leaves it out.",
            "back": "homeroom promote TARGET VERSION, or homeroom rollback TARGET while one serves",
        },
        "evidence": list(EVIDENCE),
        "owner": governance.owner,
    }


def _governance(cards: Sequence[Mapping[str, Any]]) -> Governance:
    """Return what is stated: by the version promoted last where versions state different things."""
    found = Governance()
    for one in sorted(cards, key=lambda card: max((each["day"] for each in card.get("sign_offs", ())), default="")):
        found = Governance(**one["governance"]).over(found.as_dict()) if "governance" in one else found
    return found


def _roles() -> list[dict[str, str]]:
    told = {
        "teacher": "reads sentences and bands of students they teach, checks the facts, talks first",
        "counselor": "reads numbers too, decides with the student what follows, notes where they see it otherwise",
        "principal": "answers for who works with the list and for how much help there is",
        "data scientist": "trains, judges and signs for the figures; sees no names",
        "education or data protection": "reads the card, signs that it may be used, hears objections",
        "operator": "runs the service, makes keys, can stop a model at any time",
        "student and family": "see what is recorded, have it corrected, may object",
    }
    return [{"role": role, "does": does} for role, does in told.items()]


def _decisions(governance: Governance) -> list[dict[str, str]]:
    both = " and ".join(" or ".join(ROLES[role] for role in group) for group in NEEDED)
    told = {
        "what is asked, and how long a list is": governance.capacity_set_by,
        "whether a version may serve": f"two people sign: {both}",
        "whether it may serve although a gate failed": "the same two, with a reason that stands on its card",
        "whom to talk to first": "a person who knows the student",
        "what help follows": "that person, with the student and the family",
        "whether an objection is heard": governance.contest_contact,
        "whether it is stopped": "the operator, at once and without asking",
    }
    return [{"decision": what, "who": who} for what, who in told.items()]


def _thresholds(cards: Sequence[Mapping[str, Any]], governance: Governance) -> list[dict[str, str]]:
    from serving.scoring import MOST_OUTSIDE, Scoring
    from training.trained import LEAST_KNOWN

    told = Scoring()
    found = [
        {"what": f"{one['title']}: a check-in is suggested from", "value": f"{one['bands']['check_in_suggested']:.3f}",
         "set_by": f"the capacity of {one['capacity']:.0%}: {governance.capacity_set_by}"}
        for one in cards
    ]  # fmt: skip
    audited = {limit for card in cards for limit in card.get("audit", {}).get("limits", {}).items()}
    found += [{"what": f"audit of groups: {name.replace('_', ' ')}", "value": str(limit), "set_by": "the settings of the audit"}
              for name, limit in sorted(audited, key=str)]  # fmt: skip
    return [
        *found,
        {"what": "least share of the usual inputs that must be known", "value": f"{LEAST_KNOWN:.0%}", "set_by": "Homeroom"},
        {"what": "most inputs that may lie outside of what was learned from", "value": f"{MOST_OUTSIDE:.0%}",
         "set_by": "Homeroom"},
        {"what": "days after which records are too old", "value": f"{told.stale_after_days} by default",
         "set_by": "score.stale_after_days"},
        {"what": "days after which an impact assessment must be made again", "value": str(ASSESSED_WITHIN_DAYS),
         "set_by": "Homeroom"},
    ]  # fmt: skip


def _access() -> list[dict[str, str]]:
    """Return what an answer holds for each audience of a key, as :mod:`serving.answers` cuts it."""
    from serving.answers import AUDIENCES, WITH_NUMBERS

    return [
        {
            "audience": audience,
            "who the student is": "a pseudonym" if audience == "scientist" else "the school's own key",
            "bands and sentences": "yes",
            "probability, interval, contributions": "yes" if audience in WITH_NUMBERS else "no",
            "single values of features": "no" if audience == "family" else "yes",
            "groups (sex, age, ...)": "no",
        }
        for audience in AUDIENCES
    ]


# -- pages ----------------------------------------------------------------------------------------------------------


def page(card: Mapping[str, Any], audience: str) -> str:
    """Return the system card as Markdown for one of :data:`training.card_page.AUDIENCES`."""
    if audience == "family":
        return _family(card)
    whole = audience == "engineer"
    lines = [f"# {card['title']}", "", f"**{HONEST}**", "", f"Owner: {card['owner']}.", ""]
    lines += ["## From records to a conversation", "", "```text", *card["pipeline"], "```", ""]
    lines += ["## Models in use", ""]
    for one in card["models"]:
        named = f" ({one['target']})" if whole else ""
        despite = f" It serves although a gate failed: {one['despite_gate']}" if one["despite_gate"] else ""
        signed = f" Signed by {', '.join(one['signed_by'])}." if one["signed_by"] and audience != "public" else ""
        lines.append(f"- {one['title']}{named}, version {one['version']} of {one['made']}. {one['list']}{signed}{despite}")
    parts: list[tuple[str, bool, list[str]]] = [
        ("Who does what", True, _rows(("role", "does"), card["human_roles"])),
        ("Who decides", True, _rows(("decision", "who"), card["decision_points"])),
        ("Thresholds, and who sets them", audience != "public", _rows(("what", "value", "set_by"), card["thresholds"])),
        ("What to learn before", audience != "public", [card["training_required"]]),
        ("Who may see what", True, _rows(tuple(card["access_matrix"][0]), card["access_matrix"])),
        ("What is logged", whole, _bullets(card["logging"])),
        ("How long it is kept", True, _bullets(f"{name}: {text}" for name, text in card["retention"].items())),
        ("Whom to turn to", True, _bullets(f"{name}: {text}" for name, text in card["incident_contacts"].items())),
        ("Assessments", True, _bullets(f"{_words(name)}: {text}" for name, text in card["assessments"].items())),
        ("How it is watched", whole, _bullets(card["monitoring"])),
        ("How it is stopped", True, _stopped(card["kill_switch"], audience)),
        ("What is known of lists like this", True, _bullets(card["evidence"])),
    ]
    for title, shown, body in parts:
        if shown:
            lines += ["", f"## {title}", "", *body]
    return "\n".join([*lines, ""])


def _family(card: Mapping[str, Any]) -> str:
    lines = [
        "# Who decides at your school, and how",
        "",
        "Your school keeps records of school days and of work. A computer reads these and makes a short list. The list says "
        "whom to talk to first. It does not say why, and it can be wrong.",
        "",
        "## Who decides",
        "",
        "A person does. A teacher or a counselor checks the facts and talks with your child. No grade, no class and no rule is "
        "set by the list.",
        "",
        "## Who can see it",
        "",
        "Staff who work with your child can see it. You can ask to see it too. You can have wrong records put right.",
        "",
        "## How it can be stopped",
        "",
        "You can say no to it for your child. The school can stop it for all at any time.",
        "",
        f"To ask or to say no, turn to: {card['incident_contacts']['families']}.",
        "",
        "**Lists like this have not been shown to help on their own. What people do next is what counts.**",
        "",
    ]
    return "\n".join(lines)


def _stopped(told: Mapping[str, str], audience: str) -> list[str]:
    if audience == "engineer":
        return [f"`{told['one_model']}`. {told['effect']}", "", f"Back: {told['back']}."]
    return ["One command of the operator takes a model out of use within seconds. Nothing is scored by it then."]


def _words(name: str) -> str:
    return name.replace("_", " ").replace("dpia", "data protection impact assessment,").replace(
        "fria", "fundamental rights impact assessment,")  # fmt: skip


def _rows(names: Sequence[str], found: Iterable[Mapping[str, Any]]) -> list[str]:
    told = [[str(one[name]).replace("|", "/") for name in names] for one in found]
    return [f"| {' | '.join(row)} |" for row in [[name.replace("_", " ") for name in names], ["---"] * len(names), *told]]


def _bullets(found: Iterable[str]) -> list[str]:
    return [f"- {one}" for one in found]

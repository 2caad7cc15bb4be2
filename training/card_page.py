"""The model card as people read it: whole for engineers, two pages for counselors, one for families, and for the public.

Every page is Markdown and is made of the card alone. What is not on the card yet is said, not passed over. Only the
engineer's page names the model by its identifier; the others say in words what is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from training import flat_card
from training.card import HONEST, missing
from training.governance import NOT_STATED

Card = Mapping[str, Any]

#: Metrics by name, in the words of a table.
FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "auc": "AUC", "average_precision": "average precision", "recall_at_capacity": "recall at capacity",
        "precision_at_capacity": "precision at capacity", "brier": "Brier", "ece": "ECE",
    }
)  # fmt: skip

#: What people state, in the words of a table.
STATED: Mapping[str, str] = MappingProxyType(
    {
        "owner": "who answers for it", "licence": "licence", "legal_basis": "legal basis", "contest_contact": "for families",
        "incident_contact": "for staff", "dpia_id": "data protection impact assessment", "dpia_date": "its day",
        "fria_id": "fundamental rights impact assessment", "fria_date": "its day", "capacity_set_by": "who sets the length",
        "training_required": "to learn before", "retention": "how long the school keeps lists",
    }
)  # fmt: skip

#: What is said where no group was large enough: that nothing was found would be another thing.
NOT_COMPARED = "No two groups were large enough to compare, so whether it treats groups alike is not known."

#: As many schools are told by name on a page, those with most missing first; the card itself has all.
MOST_SCHOOLS = 10


def markdown(card: Card) -> str:
    """Return the whole card as a page of text, as it lies beside the model."""
    return page(card, "engineer")


def page(card: Card, audience: str) -> str:
    """Return a card as Markdown for one of :data:`AUDIENCES`."""
    return "\n".join([*AUDIENCES[audience](card), ""])


# -- the engineer's -------------------------------------------------------------------------------------------------


def _engineer(card: Card) -> list[str]:
    flat = card.get("made_from") == "flat file"
    parts: list[tuple[str, list[str]]] = [
        ("Which model this is", _identity(card)),
        ("For and not for", _uses(card)),
        ("Who answers for it", _answerable(card)),
        ("Trained and judged on", flat_card.rows(card) if flat else _rows(card)),
        ("How well it does", flat_card.figures(card) if flat else _figures(card)),
        ("Against simple ways to make the list", _gate(card)),
        ("By group", flat_card.groups(card) if flat else _groups(card)),
        ("How steady it is", _stability(card)),
        ("How sure it is", _sure(card)),
        ("Proof that nothing later is read", _leakage(card)),
        ("Outcomes that nobody knows", _unknown(card)),
        ("Students who were given help", _treated(card)),
        ("What it reads", _reads(card)),
        ("How it was made", _made(card)),
        ("How a reason is found", [str(card.get("explanations", ""))]),
        ("Known limits", _bullets(card.get("limits", ()))),
        ("The data", _data(card)),
        ("What training took", _cost(card)),
        ("How to contest it", _contest(card)),
        ("What changed", _changes(card)),
        ("Not on this card yet", _bullets(f"{one.where}: {one.problem}" for one in missing(card))),
    ]
    lines = [*_head(card), f"One row is one {card.get('unit', 'student')} at one date." if not flat else flat_card.ROW]
    for title, body in parts:
        if body:
            lines += ["", f"## {title}", "", *body]
    return lines


def _head(card: Card) -> list[str]:
    return [f"# {card['title']}", "", f"**{HONEST}**", "", f"Answers: {card['says']}, {card['horizon']}."]


def _identity(card: Card) -> list[str]:
    label = card.get("label", {})
    told = [
        ("model", f"{card['target']}, version {card.get('version') or 'not registered'}"),
        ("run", card.get("run_id") or "not registered"),
        ("day", card.get("date", NOT_STATED)),
        ("outcome, version of its definition", label.get("version", NOT_STATED)),
        ("outcome, definition", label.get("definition", NOT_STATED)),
    ]
    return _table(("what", "which"), told)


def _uses(card: Card) -> list[str]:
    return [
        f"For {', '.join(card.get('intended_users', ()))}: {'; '.join(card.get('intended_uses', ()))}. It decides nothing.",
        "",
        f"Not for: {'; '.join(card.get('out_of_scope', ()))}.",
    ]


def _answerable(card: Card) -> list[str]:
    governance = card.get("governance", {})
    told = [(STATED.get(name, name), text) for name, text in governance.items()]
    lines = _table(("what", "as stated"), told) if told else [f"Who answers for it is {NOT_STATED}."]
    signed = [f"{one['name']} ({one['role'].replace('_', ' ')}), {one['day']}" for one in card.get("sign_offs", ())]
    lines += ["", f"Signed by: {'; '.join(signed) or 'nobody yet'}."]
    if card.get("despite_gate"):
        lines.append(f"It serves although a gate failed. The reason given: {card['despite_gate']}")
    back = card.get("rollback_to")
    lines.append(f"`homeroom rollback` brings back version {back}." if back else "No other version has served before it.")
    return lines


def _rows(card: Card) -> list[str]:
    lines = []
    for name, said in (("train", "Trained on"), ("test", "Judged on later data:")):
        part = card[name]
        where = f" of {part['schools']:,} schools" if part.get("schools", 0) > 1 else ""
        rate = f", a share of {part['base_rate']:.1%}" if "base_rate" in part else ""
        lines += [f"{said} {part['rows']:,} rows of {part['units']:,} {card['unit']}s{where} from {part['from']} to "
                  f"{part['to']}, {part['positives']:,} of the rows with the outcome{rate}.", ""]  # fmt: skip
    lines += [card.get("calibrated_on", ""), ""]
    protocol = card.get("protocol", {})
    if protocol.get("name") == "transfer":
        lines += ["Trained for comparison on outcomes that nobody knew when the test began: it must never serve.", ""]
    lines += [protocol["says"], ""] if "says" in protocol else []
    if protocol.get("origins"):
        told = [(one.get("train_to", "-"), one.get("test_from", "-"), one.get("test_to", "-"), _count(one.get("rows")),
                 _number(one.get("auc"))) for one in protocol["origins"]]  # fmt: skip
        lines += ["Judged again with the cut in time at other days:", ""]
        lines += [*_table(("trained to", "judged from", "judged to", "rows", "AUC"), told), ""]
    return [*lines, *_bullets(card.get("exclusions", card.get("notes", ())))]


def _figures(card: Card) -> list[str]:
    metrics, interval = card["metrics"], card.get("metrics_interval", {})
    told = [(said, _number(metrics.get(name)), _between(interval.get(name))) for name, said in FIGURES.items()]
    listed = card.get("list", {})
    lines = [listed["says"], ""] if "says" in listed else []
    lines += [*_table(("figure", "value", "95% interval"), told), ""]
    names = [name for name in FIGURES if any(one.get(name) is not None for one in card["by_day"])]
    head = ("day", "rows", "with the outcome", *(FIGURES[name] for name in names))
    days = [(one["day"], _count(one["rows"]), _count(one["positives"]), *(_number(one.get(name)) for name in names))
            for one in card["by_day"]]  # fmt: skip
    lines += _table(head, days)
    lines += ["", f"Among the first {card['capacity']:.0%} of a day's list, {_share(metrics['precision_at_capacity'])} had the "
                  f"outcome; they were {_share(metrics['recall_at_capacity'])} of all who had it. A check-in is suggested from "
                  f"a probability of {card['bands']['check_in_suggested']:.3f}."]  # fmt: skip
    if card.get("by_kind"):
        rows = [(one["by"], one["of"], _count(one["rows"]), _number(one.get("auc")), _number(one.get("recall_at_capacity")),
                 _number(one.get("precision_at_capacity"))) if one["assessed"] else
                (one["by"], one["of"], _count(one["rows"]), "too few to say", "-", "-") for one in card["by_kind"]]  # fmt: skip
        lines += ["", *_table(("by", "of", "rows", "AUC", "recall at capacity", "precision at capacity"), rows)]
    return lines


def _gate(card: Card) -> list[str]:
    gate = card["gate"]
    compared = gate.get("compared", "gain in recall at the same length of list")
    says = {name: one.get("says", "") for name, one in card.get("baselines", {}).items()}
    rows = [(one["baseline"], says.get(one["baseline"], ""), f"{one['gain']:+.3f}", f"{one['low']:+.3f} to {one['high']:+.3f}")
            for one in gate["gains"]]  # fmt: skip
    alone = {name: told.get("passed") if isinstance(told, Mapping) else told for name, told in gate.items()
             if name != "passed" and isinstance(told, bool | Mapping)}  # fmt: skip
    others = [(name.replace("_", " "), "passed" if passed else "not passed") for name, passed in alone.items()]
    lines = [f"What is compared: {compared}, on students the model did not see.", "",
             *_table(("against", "what it is", "gain", "95% interval"), rows), ""]  # fmt: skip
    if others:
        lines += [*_table(("gate", "result"), others), ""]
    return [*lines, f"Gate: {'passed' if gate['passed'] else 'not passed: it stays a candidate'}."]


def _groups(card: Card) -> list[str]:
    audit = card.get("audit")
    if not audit:
        return []
    told = []
    for one in audit["groups"]:
        figures = [_number(one.get(name)) for name in ("base_rate", "list_rate", "recall", "false_positive_rate")]
        figures[2] += f" ({_between(one['recall_interval'])})" if one.get("recall_interval") else ""
        cells = figures if one["assessed"] else [one.get("why") or "too few to say", "-", "-", "-"]
        told.append((one["attribute"], one["group"], _count(one.get("n")), *cells))
    head = ("by", "group", "rows", "with the outcome", "on the list", "found of those with it", "on the list of those without")
    lines = _table(head, told) if told else []
    # Of dozens of gates those are told that hold something back; the card itself has all.
    gates = [(one["gate"].replace("_", " "), one["attribute"], one["group"], _number(one.get("figure")),
              _number(one.get("limit")), "too little to tell" if one["passed"] else "not passed")
             for one in audit["gates"] if not one["passed"] or not one.get("decided", True)]  # fmt: skip
    if gates:
        lines += ["", *_table(("gate", "by", "group", "figure", "limit", "result"), gates)]
    lines += ["", *audit["says"]] if isinstance(audit.get("says"), list) else []
    return [*lines, "", f"All gates of the audit: {'passed' if audit['passed'] else 'not passed'}."]


def _stability(card: Card) -> list[str]:
    told = card.get("stability")
    if not told:
        return []
    overlap = told["list_overlap"]
    lines = [f"Refitted {told['refits']} times, the lists shared {_share(overlap['mean'])} of their students on average, "
             f"{_share(overlap['least'])} at the least."]  # fmt: skip
    rows = [
        (one["concept"], one.get("region", "everywhere"), _number(one["kept"]), _shown(one))
        for one in told["concepts"]
    ]
    return (
        [*lines, "", *_table(("concept", "where", "kept among the first reasons", "shown as a reason"), rows)]
        if rows
        else lines
    )


def _shown(one: Mapping[str, Any]) -> str:
    if not one["shown"]:
        return "no"
    return f"from {_number(one['from'])} log-odds on" if one.get("from") else "yes"


def _sure(card: Card) -> list[str]:
    lines = [f"Calibration: {card['calibration']['method']}."] if "method" in card.get("calibration", {}) else []
    for name, said in (("interval_coverage", "Intervals"), ("expected", "The expected number")):
        told = card.get(name) or {}
        plain = {k: v for k, v in told.items() if isinstance(v, int | float | str)}
        if "says" in told:
            lines.append(str(told["says"]))
        elif plain:
            lines += [f"{said}: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in plain.items()) + "."]
    return _bullets(lines)


def _leakage(card: Card) -> list[str]:
    told = card.get("leakage")
    if not told:
        return []
    rows = [(one["name"], one["says"], _number(one.get("figure")), _number(one.get("limit")),
             "failed" if not one["passed"] else "passed, look at this" if one.get("alarm") else "passed")
            for one in told["checks"]]  # fmt: skip
    return _table(("check", "what was found", "figure", "limit", "result"), rows)


def _unknown(card: Card) -> list[str]:
    told = card.get("unknown_outcomes")
    if not told:
        return []
    judged = told["judged_on"]
    lines = [f"Of the rows learned from, {told['learned_from']['share']:.1%} have no known outcome; of those judged on, "
             f"{judged['share']:.1%}."]  # fmt: skip
    if "if_all" in judged:
        rows = [("as judged", card["metrics"]), ("if all of them had the outcome", judged["if_all"]),
                ("if none of them had", judged["if_none"])]  # fmt: skip
        names = ("auc", "recall_at_capacity", "precision_at_capacity", "brier")
        head = ("judged", *(FIGURES[name] for name in names))
        lines += ["", *_table(head, [(said, *(_number(one.get(name)) for name in names)) for said, one in rows])]
    return lines


def _treated(card: Card) -> list[str]:
    told = card.get("treated")
    if not told:
        return []
    lines = [str(told["says"])]
    rows = [(said, told[name]) for said, name in (("all", "all"), ("without help", "untreated")) if told.get(name)]
    if len(rows) > 1:
        names = ("auc", "recall_at_capacity", "precision_at_capacity", "brier", "ece")
        head = ("judged on", *(FIGURES[name] for name in names))
        lines += ["", *_table(head, [(said, *(_number(one.get(name)) for name in names)) for said, one in rows])]
    return lines


def _reads(card: Card) -> list[str]:
    rows = [(one["title"], each["what"], "yes" if each["modifiable"] else "no", each.get("sensitivity", NOT_STATED))
            for one in card["concepts"] for each in one["inputs"]]  # fmt: skip
    weights = [(one["title"], _number(card["weights"].get(one["concept"]))) for one in card["concepts"]]
    lines = _table(("about", "mean weight in scores"), weights)
    lines += ["", *_table(("about", "what is read", "can be changed", "sensitivity"), rows)]
    lines += ["", f"Never read: {', '.join(card['never_read']) or 'no group is in the file'}."]
    if card.get("left_out"):
        lines.append(f"In the file and not read at all: {', '.join(card['left_out'])}.")
    if card.get("excluded"):
        lines += [
            "",
            "Left out on purpose:",
            "",
            *_table(("what", "why"), [(one["what"], one["why"]) for one in card["excluded"]]),
        ]
    return lines


def _made(card: Card) -> list[str]:
    plain = [(name, value) for name, value in card["algorithm"].items() if isinstance(value, int | float | str)]
    lines = _table(("parameter", "value"), plain)
    tuning = card.get("tuning", {})
    return [*lines, "", str(tuning["says"])] if "says" in tuning else lines


def _data(card: Card) -> list[str]:
    sheet = card.get("data_sheet")
    if not sheet:
        return []
    lag = sheet.get("lag", {})
    lines = [f"Source: {sheet['source']}, {sheet['standard']}. Legal basis: {sheet['legal_basis']}.", ""]
    rows = [(name, _count(count), *(f"{lag[name][key]:g}" if name in lag else "-" for key in ("median_days", "ninetieth_days")))
            for name, count in sheet["rows"].items()]  # fmt: skip
    lines += _table(("table", "rows", "half are known after (days)", "nine in ten after (days)"), rows)
    accounts = sheet.get("accounts", ())
    if accounts:
        told = [(one["file"], *(_count(one[key]) for key in ("read", "kept", "set_aside", "left_out"))) for one in accounts]
        lines += ["", *_table(("file", "rows read", "kept", "set aside by a rule", "left out"), told)]
    missing_ = sheet["missing"]
    lines += ["", f"Of all that could be known of the rows learned from, {missing_['inputs']:.1%} is missing."]
    if missing_.get("by_concept"):
        lines += ["", *_table(("about", "missing"), [(name, f"{share:.1%}") for name, share in missing_["by_concept"].items()])]
    schools = missing_.get("by_school", ())
    if len(schools) > 1:
        worst = sorted(schools, key=lambda one: -(one["missing"] or 0))[:MOST_SCHOOLS]
        told = [(one["school"], _count(one["rows"]), "too few to say" if one["missing"] is None else f"{one['missing']:.1%}")
                for one in worst]  # fmt: skip
        said = f"Of {len(schools):,} schools, those with most missing:" if len(schools) > len(worst) else "By school:"
        lines += ["", said, "", *_table(("school", "rows", "missing"), told)]
    return lines


def _cost(card: Card) -> list[str]:
    told = card.get("environmental_cost")
    if not told:
        return []
    return [f"{told['cpu_seconds']:,} s of a processor: about {told['energy_wh']:g} Wh and {told['co2e_grams']:g} g of CO2 "
            f"equivalents. Assumed: {told['assumption']}"]  # fmt: skip


def _contest(card: Card) -> list[str]:
    told = card.get("contest")
    return [*_bullets(told["how"]), "", f"Turn to: {told['contact']}."] if told else []


def _changes(card: Card) -> list[str]:
    told = card.get("changes")
    if not told:
        return []
    lines = [told["says"]]
    if told["metrics"]:
        rows = [
            (FIGURES.get(one["metric"], one["metric"]), _number(one["before"]), _number(one["now"])) for one in told["metrics"]
        ]
        lines += ["", *_table(("figure", "before", "now"), rows)]
    for name, said in (("inputs_added", "Read now and not before"), ("inputs_removed", "Read before and not now")):
        if told[name]:
            lines += ["", f"{said}: {', '.join(told[name])}."]
    return lines


# -- the counselor's and principal's --------------------------------------------------------------------------------


def _counselor(card: Card) -> list[str]:
    governance, listed = card.get("governance", {}), card.get("list", {})
    return [
        *_head(card),
        "",
        "## What a list made this way came to",
        "",
        listed.get("says") or _of_100(card),
        "",
        f"A list holds the first {card['capacity']:.0%} of the students of a day: as many as a school can look at. Who sets "
        f"its length: {_stated(governance, 'capacity_set_by')}.",
        "",
        "## What it is for",
        "",
        *_bullets(card.get("intended_uses", ())),
        "",
        f"It is not for {'; '.join(card.get('out_of_scope', ()))}. Nothing is decided by it: a person who knows the student "
        "decides, and may set the score aside without giving a reason.",
        "",
        "## What it looks at",
        "",
        *_bullets(f"{one['title']}: {_some([each['what'] for each in one['inputs']])}" for one in card["concepts"]),
        "",
        f"{_never(card)} Such facts are used for one thing, to check whether the list treats groups alike.",
        "",
        "## What a reason is",
        "",
        "A reason is a fact from the records that added to the score, with the days it is about and what it is compared "
        "with. It is not why something happened. Check it before you speak of it, and ask the student first.",
        "",
        "## Whether it treats groups alike",
        "",
        *_alike(card),
        "",
        "## Where to believe it less",
        "",
        *_bullets(_plainly(card)),
        "",
        "## When you see it otherwise",
        "",
        "Say so, and say why: wrong records are corrected and the score is made anew. You may set a score aside; what you "
        "decide stands. Families may object to scores; help goes on without them.",
        "",
        "## Before you use it, and whom to ask",
        "",
        *_bullets(
            [
                f"What to learn first: {_stated(governance, 'training_required')}",
                f"When something goes wrong: {_stated(governance, 'incident_contact')}",
                f"When a family objects: {_stated(governance, 'contest_contact')}",
                f"Who answers for it: {_stated(governance, 'owner')}",
                f"Data protection impact assessment: {_stated(governance, 'dpia_id')}, {_stated(governance, 'dpia_date')}",
                f"Signed by: {', '.join(one['name'] for one in card.get('sign_offs', ())) or 'nobody yet'}",
                f"Version {card.get('version') or 'not registered'}, made on {card.get('date', NOT_STATED)}",
            ]
        ),
    ]


def _of_100(card: Card) -> str:
    precision = card["metrics"].get("precision_at_capacity")
    if precision is None:
        return "How many of a list had the outcome is not known."
    had = round(100 * precision)
    return f"Of 100 students on a list made this way, about {had} had the outcome; {100 - had} did not."


def _alike(card: Card) -> list[str]:
    """Return what the audit found, as sentences and one table of groups that are large enough."""
    audit = card.get("audit")
    if not audit:
        if card.get("groups"):
            return ["Figures by group are on the full card."]
        return ["This has not been checked yet."]
    assessed = [one for one in audit["groups"] if one["assessed"]]
    if not assessed:
        return [NOT_COMPARED]
    failed = [one for one in audit["gates"] if not one["passed"]]
    few = len(audit["groups"]) - len(assessed)
    lines = [f"{len(assessed)} groups were large enough to check, {few} were not."]
    worse = "; ".join(dict.fromkeys(f"{one['attribute']}, {one['group']}" for one in failed))
    lines.append(f"Limits were not held for: {worse}." if worse else "No group was treated worse than the limits allow.")
    shares = ("list_rate", "recall", "false_positive_rate")
    rows = [(one["attribute"], one["group"], *(_of(one.get(name)) for name in shares)) for one in assessed]
    head = ("by", "group", "of 100 students, on the list", "of 100 who had the outcome, on it", "of 100 who had it not, on it")
    return [*lines, "", *_table(head, rows)] if rows else lines


def _of(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}"


def _plainly(card: Card) -> list[str]:
    """Return the limits without figures that only an engineer can read."""
    found = ["In the first weeks of a course or a year, when little is known." if "AUC" in one else one
             for one in card.get("limits", ())]  # fmt: skip
    coverage = card.get("unknown_outcomes", {}).get("learned_from", {}).get("share", 0)
    return [*found, f"Of {coverage:.0%} of the earlier rows nobody knows what became of them."] if coverage else found


# -- the family's ---------------------------------------------------------------------------------------------------


def _family(card: Card) -> list[str]:
    governance = card.get("governance", {})
    about = "in this kind of work" if card.get("unit") == "skill" else "at school"
    return [
        "# How your school uses this score",
        "",
        f"Your school looks at its own records to see who may need a talk or some help {about}. A computer helps to put these "
        "records in order. This page says how.",
        "",
        "## What it does",
        "",
        "It looks at what past students did. Then it looks for the same signs in the records of today. It makes a short "
        "list of students. A teacher or a counselor reads the list and decides whom to talk to first.",
        "",
        f"It asks for this: {card['title'][0].lower()}{card['title'][1:]}. It can be wrong. It does not know why things are "
        "as they are. It does not say what your child will do.",
        "",
        "**Lists like this have not been shown to help on their own. What people do next is what counts.**",
        "",
        "## What it looks at",
        "",
        *_bullets(f"{one['title']}" for one in card["concepts"]),
        "",
        _never(card),
        "",
        "## What it is not used for",
        "",
        "It gives no grade and no mark. It places no one in a class or a school. It is not used to punish, and it does not "
        "send you mail. A person makes each choice.",
        "",
        "## What you can do",
        "",
        *_bullets(
            [
                "You can ask to see what is on record.",
                "You can ask to have a wrong record put right. The score is then made again.",
                "You can ask that a person look again.",
                "You can say no to the score. Your child will still get help from the staff.",
            ]
        ),
        "",
        f"To ask or to say no, turn to: {_stated(governance, 'contest_contact')}.",
        "",
        f"The people who answer for it: {_stated(governance, 'owner')}.",
        "",
        f"This page is about version {card.get('version') or '-'}, made on {card.get('date', NOT_STATED)}.",
    ]


# -- the public's ---------------------------------------------------------------------------------------------------


def _public(card: Card) -> list[str]:
    governance, train = card.get("governance", {}), card["train"]
    audit = card.get("audit")
    rate = f" Of 100 of these rows, about {100 * train['base_rate']:.0f} had the outcome." if "base_rate" in train else ""
    assessed = sum(one["assessed"] for one in audit["groups"]) if audit else 0
    held = "held for all of them" if audit and audit["passed"] else "not held for all of them"
    checked = f"{assessed} groups of students were compared at the length of the list; the limits were {held}."
    if not assessed:
        checked = NOT_COMPARED if audit else "Whether groups are treated alike has not been published yet."
    return [
        *_head(card),
        "",
        "## How well it does",
        "",
        card.get("list", {}).get("says") or _of_100(card),
        "",
        f"It learned from {_rounded(train['rows'])} rows of earlier students and was judged on "
        f"{_rounded(card['test']['rows'])} rows that it had not seen.{rate}",
        "",
        checked,
        "",
        "## What it reads, and what it never reads",
        "",
        *_bullets(one["title"] for one in card["concepts"]),
        "",
        _never(card),
        "",
        "## What it is not used for",
        "",
        *_bullets(card.get("out_of_scope", ())),
        "",
        "## Where to believe it less",
        "",
        *_bullets(_plainly(card)),
        "",
        "## Who answers for it",
        "",
        *_bullets(
            [
                f"Owner: {_stated(governance, 'owner')}",
                f"Legal basis: {_stated(governance, 'legal_basis')}",
                f"Data protection impact assessment: {_stated(governance, 'dpia_id')}, {_stated(governance, 'dpia_date')}",
                f"Fundamental rights impact assessment: {_stated(governance, 'fria_id')}",
                f"To object or to ask: {_stated(governance, 'contest_contact')}",
                f"Version {card.get('version') or '-'}, made on {card.get('date', NOT_STATED)}",
            ]
        ),
    ]


def _never(card: Card) -> str:
    """Return what is never read, in words for everybody: of a flat file, the columns of groups that it named."""
    if card.get("made_from") == "flat file":
        return f"It does not read: {', '.join(card['never_read']) or 'no column of the file says who a student is'}."
    return "It does not read who a student is: no name, no sex, no age, no home language, no disability, no income."


def _rounded(rows: int) -> str:
    """Return a count as a round number: what is public names no exact one."""
    return f"about {round(rows, -2):,}" if rows >= 1000 else "fewer than 1,000"


#: Who a page is for, and what makes it.
AUDIENCES: Mapping[str, Callable[[Card], list[str]]] = MappingProxyType(
    {"engineer": _engineer, "counselor": _counselor, "family": _family, "public": _public}
)


# -- pieces ---------------------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a table's lines; a cell's own bars and line ends are no part of the table."""
    told = [[str(cell).replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *told]]


def _bullets(found: Iterable[str]) -> list[str]:
    return [f"- {one}" for one in found]


def _stated(governance: Mapping[str, str], name: str) -> str:
    return governance.get(name) or NOT_STATED


def _some(names: Sequence[str], most: int = 4) -> str:
    told = list(dict.fromkeys(name.removesuffix(", beside the class") for name in names))
    return "; ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.0%}"


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


def _count(value: int | None) -> str:
    return "too few to say" if value is None else f"{value:,}"


def _between(value: Sequence[float | None] | None) -> str:
    return "-" if not value or value[0] is None else f"{value[0]:.3f} to {value[1]:.3f}"

"""What is told of a model's audit: how it treats groups of students, and what proves that it does not leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.problems import NotFound

#: What is shown of a group, by the name on the card.
_COLUMNS: Mapping[str, str] = {
    "base_rate": "had it", "list_rate": "on list", "recall": "recall", "false_positive_rate": "FPR",
    "false_alarm_rate": "false alarms", "calibration": "p - rate", "interval_held": "80% held",
    "missing": "missing", "not_enough_data": "no score",
}  # fmt: skip


def kept(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the audits that a version was registered with; raise :class:`NotFound` where it has none."""
    if "audit" not in card:
        raise NotFound(
            f"{card['target']} version {card['version']} was registered without an audit. Give an export to audit it on."
        )
    return {"target": card["target"], "model_version": card["version"], "audit": card["audit"], "leakage": card.get("leakage")}


def as_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the audits as lines for a person."""
    audit, leakage = found["audit"], found.get("leakage")
    lines = [
        f"{found['target']} version {found['model_version']}: fairness {_word(audit['passed'])}",
        f"  the list: {audit['operating_point']['list']}; the band: {audit['operating_point']['band']}",
        f"  intervals are drawn over {' or '.join(f'{count:,} {by}s' for by, count in audit['drawn'].items())}",
        *(f"  {one}" for one in audit["says"]),
        "",
        *_table([{"attribute": "everybody", "group": "", "assessed": True, **audit["overall"]}, *audit["groups"]]),
    ]
    small = [one for one in audit["groups"] if not one["assessed"]]
    lines += ["", *(f"  {one['attribute']}: {one['group']}: {one['why']}" for one in small)] if small else []
    few = sum(len(one["groups"]) for one in audit["too_few"])
    lines += ["", f"  {len(audit['intersections']):,} two-way intersections were assessed; {few:,} are too few to assess.",
              *_intersections(audit)]  # fmt: skip
    lines += [*_ablation(audit), *_proxies(audit), *_behaviour(audit)]
    if leakage:
        lines += ["", f"leakage {_word(leakage['passed'])}", *(f"  {one['says']}" for one in leakage["checks"])]
    return lines


def _word(passed: bool) -> str:
    return "passed" if passed else "not passed"


def _table(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each group that is large enough."""
    shown = [one for one in groups if one["assessed"]]
    width = max(len(f"{one['attribute']}: {one['group']}") for one in shown)
    head = f"  {'':{width}} {'n':>8} " + " ".join(f"{title:>12}" for title in _COLUMNS.values())
    lines = [head]
    for one in shown:
        name = f"{one['attribute']}: {one['group']}" if one["group"] else one["attribute"]
        count = "hidden" if one["n"] is None else f"{one['n']:,}"
        lines.append(f"  {name:{width}} {count:>8} " + " ".join(f"{_figure(one.get(key)):>12}" for key in _COLUMNS))
    return lines


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _intersections(audit: Mapping[str, Any]) -> list[str]:
    failed = [one for one in audit["gates"] if not one["passed"] and "&" in one["attribute"]]
    return [f"    {one['gate']}, {one['attribute']}: {one['group']} ({one['at']}): {_figure(one['figure'])}" for one in failed]


def _ablation(audit: Mapping[str, Any]) -> list[str]:
    told = audit.get("ablation", {})
    if "with" not in told:
        return []
    return [
        "",
        f"  Without demographics: AUC {_figure(told['without']['auc'])}, recall {_figure(told['without']['recall'])}; with "
        f"{', '.join(told['added'])}: AUC {_figure(told['with']['auc'])}, recall {_figure(told['with']['recall'])}.",
        f"  Both on {told['rows']:,} of {told['of']:,} rows; the model that reads them was thrown away.",
    ]


def _proxies(audit: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in audit.get("proxies", ()):
        line = f"  {one['attribute']} ({one['group']}) follows from the inputs with an AUC of {one['auc']:.3f}"
        if "recall_cost" in one:
            advice = "better dropped" if one["drop"] else "worth keeping"
            line += f"; without {', '.join(one['inputs'])} recall is {one['recall_cost']:.4f} lower: {advice}"
        lines.append(f"{line}.")
    return ["", *lines] if lines else []


def _behaviour(audit: Mapping[str, Any]) -> list[str]:
    told = audit.get("behaviour", {})
    if not told:
        return []
    less = [f"{one['attribute']}: {one['group']}" for one in told["groups"] if (one["recall_change"] or 0) < 0]
    return [
        "",
        f"  With behaviour: recall {_figure(told['with']['recall'])}; without: {_figure(told['without']['recall'])}. "
        + (f"Behaviour finds fewer of {', '.join(less)}." if less else "No group is found less often for it."),
    ]

"""What is told of a model's audit: how it treats groups of students, and what proves that it does not leak; and of an
allocation's: whether groups are offered what their need says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from features.problems import NotFound

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from features.records import SchoolRecords

    Floats = npt.NDArray[np.float64]

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


# -- of an allocation -------------------------------------------------------------------------------------------------

#: Offers given need beside everybody's: outside these a named person decides before anything is released.
LOW, HIGH = 0.8, 1.25

#: A group of fewer students is not told of.
LEAST_STUDENTS = 10

#: Needs are parted into at most so many bands, of at least so many students each.
_BANDS, _LEAST_OF_BAND = 20, 20

#: How often groups are dealt out anew among students of like need, and how many deals are looked at together (memory).
_DEALS, _TOGETHER = 1_999, 200

#: In so many allocations in which group and chance have nothing to do with each other, any group at all is outside.
_FALSELY = 0.02


def of_allocation(records: SchoolRecords, rows: pl.DataFrame, as_of: date, most_each: int) -> list[dict[str, Any]]:
    """Return what each group could expect to be offered beside what its need says, the lowest first.

    A student's need is the sum of the scores of what could be given at most; students are parted into bands of it, and what
    a group's need says is what it would expect at the rate of everybody in the same bands (indirect standardisation).
    ``ratio`` is what it can expect before the draw over that: the sum of its chances, so that the luck of a lottery counts
    neither way. ``drawn`` is the same of what came out of the draw.

    Few places swing by chance even so, since who is in a group and stands above a line are few. So groups are dealt out anew
    among students of the same band: ``low`` to ``high`` is where every group's ratio stays in 98% of these deals, all groups
    together (the largest deviation counts: Westfall and Young 1993). ``outside`` is a ratio below :data:`LOW` or above
    :data:`HIGH` that lies outside that too. Where group and chance have nothing to do with each other, at most one allocation
    in fifty has any such group. A group in which chance explains more than these limits is told with its range.

    Args:
        records: the school's records, whose groups the audit alone may read.
        rows: an allocation's rows (``serving.allocation.ROWS``).
        as_of: the day of the list.
        most_each: the most supports that one student is given.

    """
    import numpy as np
    import polars as pl

    from serving.figures import Facts
    from serving.suppression import tens
    from training.fairness import attributes

    asked = rows.filter(pl.col("score").is_not_null())
    each = asked.group_by("student_id").agg(
        pl.min_horizontal(pl.len(), pl.lit(most_each)).cast(pl.Float64).alias("wanted"),
        pl.col("score").top_k(most_each).sum().alias("need"),
        pl.col("offered").sum().cast(pl.Float64).alias("got"),
        pl.coalesce("probability", pl.col("offered").cast(pl.Float64)).sum().alias("chances"),
    )  # fmt: skip
    stays = Facts(records, as_of).students.select("student_id", "enrolment_id")
    each = each.join(stays, on="student_id").sort("need", "student_id")
    if each.is_empty():
        return []
    bands = max(1, min(_BANDS, each.height // _LEAST_OF_BAND))
    band = (pl.col("need").rank("average") * bands / (pl.len() + 1)).floor()
    each = each.with_columns(band.alias("band")).with_columns(
        *((pl.col("wanted") * pl.col(name).sum().over("band") / pl.col("wanted").sum().over("band")).alias(f"say_{name}")
          for name in ("got", "chances"))
    )  # fmt: skip
    keys = each.select("student_id", "enrolment_id", pl.lit(as_of).alias("as_of"))
    found, members = [], []
    for attribute in attributes(records, keys):
        for at, group in enumerate(attribute.groups):
            mine = attribute.code == at
            sums = each.filter(pl.Series(mine)).select(pl.col("got", "chances", "say_got", "say_chances").sum())
            got, chances, say_got, say = sums.row(0)
            if mine.sum() < LEAST_STUDENTS or say <= 0:
                continue
            members.append(mine)
            found.append({
                "attribute": attribute.name, "group": group, "about": tens(int(mine.sum())), "ratio": chances / say,
                "drawn": round(got / say_got, 3) if say_got > 0 else None, "say": say,
            })  # fmt: skip
    if not found:
        return []
    left = (each["chances"] - each["say_chances"]).to_numpy()
    spread, farthest = _by_chance(left, each["band"].to_numpy(), np.array(members, dtype=np.float64))
    for one, swing in zip(found, spread.tolist(), strict=True):
        ratio, reach = one["ratio"], farthest * swing / one.pop("say")
        one["outside"] = bool(not LOW <= ratio <= HIGH and abs(ratio - 1) > reach + 1e-9)
        one |= {"ratio": round(ratio, 3), "low": round(max(1 - reach, 0.0), 3), "high": round(1 + reach, 3)}
    return sorted(found, key=lambda one: (one["ratio"], one["attribute"], one["group"]))


def _by_chance(left: Floats, band: Floats, members: Floats) -> tuple[Floats, float]:
    """Return how far each group's sum swings, and how many such swings the farthest of all groups reaches by chance.

    Args:
        left: what each student expects beyond what their need says, shape ``(students,)``; of a band it adds up to 0.
        band: whom groups are dealt out among, shape ``(students,)``.
        members: 1 of whoever is in a group, shape ``(groups, students)``.

    Returns:
        The standard deviation of each group's sum over all deals, which is known exactly (sampling without replacement),
        and the 98th percentile of the largest of all groups' deviations in units of it.

    """
    import numpy as np

    _, where, size = np.unique(band, return_inverse=True, return_counts=True)
    of_band = np.eye(len(size))[where]
    some = members @ of_band
    squares = (left**2) @ of_band
    spread = np.sqrt((some * (size - some) / np.maximum(size - 1, 1) * squares / size).sum(axis=1))
    swings = spread > 1e-9
    if not swings.any():
        return spread, 0.0
    rng, farthest, order = np.random.default_rng(len(left)), [], np.argsort(where, kind="stable")
    for start in range(0, _DEALS, _TOGETHER):
        deals = rng.random((min(_TOGETHER, _DEALS - start), len(left)))
        # Sorted by band and within it by lot: whoever stands at a place of a band is dealt to another of the same band.
        dealt = np.empty_like(deals)
        dealt[:, order] = left[np.argsort(where + deals, axis=1)]
        farthest.append((np.abs(dealt @ members[swings].T) / spread[swings]).max(axis=1))
    return spread, float(np.quantile(np.concatenate(farthest), 1 - _FALSELY, method="higher"))

"""What is told of a model's judgement on a terminal: a registered model on other data, and a training run's lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from features.records import SchoolRecords
from training.judgement import Elsewhere, elsewhere
from training.run import Training
from training.stability import says as stability_says
from training.trained import TrainedModel


@dataclass(frozen=True)
class Evaluation:
    """A registered model's judgement on other data, and its lines for people."""

    found: Elsewhere

    def as_dict(self) -> dict[str, Any]:
        """Return the object for machines."""
        return self.found.as_dict()

    @property
    def lines(self) -> list[str]:
        """Return the lines for people."""
        found = self.found
        told, model = found.judgement.figures, found.model
        interval = told.get("metrics_interval", {})
        names = {
            "auc": "AUC", "average_precision": "average precision", "precision_at_capacity": "precision of the list",
            "recall_at_capacity": "recall of the list", "precision_at_first": "precision of the first",
            "brier": "Brier score", "ece": "calibration error", "calibration_slope": "calibration slope",
            "calibration_intercept": "calibration intercept",
        }  # fmt: skip
        return [
            f"{model.target.name} version {model.version}, judged on {found.rows:,} rows ({found.begins} to {found.ends}), "
            f"{found.positives:,} with the outcome",
            *(f"  {says}: {with_interval(told['metrics'][name], interval.get(name))}" for name, says in names.items()),
            *(f"  times as many on the list as by {name}: {value:.2f}" for name, value in told["lift"].items()),
            "  by day:",
            *(
                f"    day {row['day']}: {row['rows']:,} rows, AUC {with_interval(row['auc'], row['interval'].get('auc'))}, "
                f"precision {with_interval(row['precision_at_capacity'], None)}, "
                f"recall {with_interval(row['recall_at_capacity'], None)}"
                for row in told["by_day"]
            ),
            "  where it says, and what happened:",
            *(
                f"    {one['probability']:.3f}: {one['share']:.3f} of {one['rows']:,} rows"
                for one in told["reliability"]
            ),
            *([f"  {found.lists['says']}", later_lists(found.lists)] if found.lists else []),
            f"  {told['intervals_rest_on']}",
        ]  # fmt: skip


def evaluation(
    records: SchoolRecords, model: TrainedModel, settings: Training, pass_mark: float, test_from: date | None,
    step: Callable[[str], None],
) -> Evaluation:  # fmt: skip
    """Judge a registered model on other data; see :func:`training.judgement.elsewhere`."""
    step(model.target.name)
    return Evaluation(elsewhere(records, model, settings, pass_mark, test_from))


def in_practice(card: Mapping[str, Any]) -> list[str]:
    """Return what a training run's card says of lists, of what hangs on the draw, and of earlier origins."""
    protocol = card["protocol"]
    origins = [
        f"    from {one['test_from']}: AUC {with_interval(one['auc'], None)}, learned from {one['train_rows']:,} rows up to "
        f"{one['train_to']}"
        for one in protocol["origins"]
    ]
    transport = protocol.get("transport", {})
    return [
        f"  {card['list']['says']}",
        later_lists(card["list"]),
        f"  {stability_says(card['stability'])}",
        f"  {protocol['says']}",
        *(origins if len(origins) > 1 else []),
        *([f"  {transport['says']} AUC {transport['auc_unseen']:.3f}, and {transport['auc_seen']:.3f} where it had."]
          if "auc_unseen" in transport else []),
    ]  # fmt: skip


def later_lists(told: Mapping[str, Any]) -> str:
    """Return how many later lists came out as the sentence lets one expect."""
    after = told["on_later_data"]
    if not after["lists"]:
        return "  No list of that length could be made on the data it is judged on."
    return (
        f"  On the data it is judged on, {after['inside']} of {after['lists']} such lists lie within their day's range; "
        f"{after['had_it']:.1f} of the first had it in the mean."
    )


def with_interval(value: float | None, interval: list[float] | None) -> str:
    """Return a figure with its interval, where it has one."""
    if value is None:
        return "unknown"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")

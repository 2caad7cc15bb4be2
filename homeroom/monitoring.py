"""What ``homeroom monitor`` does: compare the newest list with its models' cards, keep the figures, write the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.records import SchoolRecords
    from homeroom.cli import Say
    from serving.monitor import Monitoring
    from serving.store import Store
    from training.registry import Registry


def monitor(
    say: Say, store: Store, registry: Registry, records: SchoolRecords, told: Monitoring, pass_mark: float | None,
    reviews: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Report on the newest list, and on earlier ones whose outcomes are known by now."""
    from features.standard import STANDARD
    from serving.monitor import PAGE, keep, report
    from serving.monitor_page import lines, page
    from serving.reviews import read_reviews

    with say.progress("monitoring") as step:
        step("the newest list and its outcomes")
        found = report(
            store, records, lambda target, version: registry.load(target, STANDARD, version), told, pass_mark,
            None if reviews is None else read_reviews(reviews),
        )  # fmt: skip
        text = page(found)
        keep(store, found, text)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text, encoding="utf-8")
    say.lines(*lines(found), f"The report as a page: {out or store.folder / PAGE}")
    say.result({**found.as_dict(), "page": str(out or store.folder / PAGE)})

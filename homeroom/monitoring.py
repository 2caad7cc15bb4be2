"""What ``homeroom monitor`` does: compare the newest list with its models' cards, keep the figures, write the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from features.records import SchoolRecords
    from homeroom.cli import Say
    from serving.cases.database import Engine
    from serving.monitor import Monitoring
    from serving.store import Store
    from training.registry import Registry


def monitor(
    say: Say, store: Store, registry: Registry, records: SchoolRecords, told: Monitoring, pass_mark: float | None,
    reviews: Path | None, out: Path | None, cases: Engine | None, tenant: str, today: date,
) -> None:  # fmt: skip
    """Report on the newest list, and on earlier ones whose outcomes are known by now.

    What people thought is read from the casebook, where no table of reviews is given.
    """
    from features.standard import STANDARD
    from serving.monitor import PAGE, keep, report
    from serving.monitor_page import lines, page
    from serving.reviews import looked_after, of_casebook, read_reviews

    with say.progress("monitoring") as step:
        step("the newest list and its outcomes")
        latest = store.latest()
        found = report(
            store, records, lambda target, version: registry.load(target, STANDARD, version), told, pass_mark,
            of_casebook(cases, tenant) if reviews is None else read_reviews(reviews),
            looked_after(cases, tenant, records, latest.as_of if latest else today, today),
        )  # fmt: skip
        text = page(found)
        keep(store, found, text)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text, encoding="utf-8")
    say.lines(*lines(found), f"The report as a page: {out or store.folder / PAGE}")
    say.result({**found.as_dict(), "page": str(out or store.folder / PAGE)})

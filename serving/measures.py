"""What the service counts about itself, for Prometheus. Labels are routes as written, never paths as sent.

BentoML's own metrics take the raw path for a label: each id in an address would become a line that stays until the
process ends, and would show who was looked at.

Beside the counts stand the figures of the last ``homeroom monitor``: shares and indices of whole lists, of all schools
together. Whoever reads /metrics shows no key, so a school or a student is no label, and a district is told by a name that
its own secret makes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

#: What the last monitoring of a tenant measured, in its folder. Here, since to import what monitors takes seconds.
FIGURES = "monitor.json"


class Measures:
    """Counts and times of requests, summed over the workers through the folder that BentoML gives them.

    Made in a worker and not at import: where ``prometheus_client`` keeps its numbers is decided when it is imported,
    by a variable that only the workers have. ``home`` is the state folder, whose tenants' monitoring is told.
    """

    def __init__(self, home: Path | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        self._registry = registry
        self._monitored = None if home is None else Monitored(home)
        if self._monitored is not None:
            registry.register(self._monitored)
        self._requests = Counter("homeroom_requests", "Requests answered.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "homeroom_request_seconds",
            "Time from the first byte to the last.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def page(self) -> tuple[bytes, str]:
        """Return what Prometheus reads, of all workers together, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            if self._monitored is not None:
                registry.register(self._monitored)
        return generate_latest(registry), CONTENT_TYPE_LATEST


class Monitored:
    """The gauges of monitoring, read from the tenants' folders whenever they are asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def collect(self) -> Iterator[Metric]:
        """Yield one family: its labels are district, target, version and measure."""
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(
            "homeroom_monitor", "What the last monitoring measured, by target, version and measure.",
            labels=["district", "target", "version", "measure"],
        )  # fmt: skip
        for path in sorted(self._home.glob(f"data/*/{FIGURES}")):
            found = json.loads(path.read_bytes())
            for one in found["gauges"]:
                family.add_metric([found["district"], one["target"], one["version"], one["measure"]], one["value"])
        yield family

"""What this server counts of itself, for Prometheus. No label ever carries a tenant's key, name or id, a path, or a statement.

One registry an application. Under `slicehouse serve` PROMETHEUS_MULTIPROC_DIR names a folder that all workers write to, so that any
of them can answer for all; without it the figures are of this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

MEDIA = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
Facts = Callable[[], Iterable[Metric]]


class Metrics:
    """Counters of one process. Routes are templates, so the labels are a bounded set."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("slicehouse_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry)
        self._seconds = Histogram(
            "slicehouse_http_request_seconds", "From the first byte to the last.", ("route",), registry=self._registry, buckets=_SECONDS
        )
        self._refusals = Counter("slicehouse_refusals", "Problems answered, by code.", ("code",), registry=self._registry)
        self._cache = Counter("slicehouse_result_cache", "Answers looked up: hit or miss.", ("outcome",), registry=self._registry)
        self.running = Gauge("slicehouse_statements_running", "At work.", registry=self._registry, multiprocess_mode="livesum")
        self.queued = Gauge(
            "slicehouse_statements_queued", "Waiting for the executor.", registry=self._registry, multiprocess_mode="livesum"
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """One problem went out."""
        self._refusals.labels(code).inc()

    def looked_up(self, hit: bool) -> None:
        """The cache of results was asked."""
        self._cache.labels("hit" if hit else "miss").inc()

    def render(self, facts: Facts) -> bytes:
        """The text of all workers' figures, and of `facts`, which are the same whoever answers."""
        registry = CollectorRegistry()
        registry.register(_Given(facts))
        if FOLDER in os.environ:
            _forget_the_dead(Path(os.environ[FOLDER]))
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry) + generate_latest(registry)


class _Given(Collector):
    """Figures read when they are asked for."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        yield from self._facts()

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: registering must not read the catalog."""
        return iter(())


def _forget_the_dead(folder: Path) -> None:
    """A worker that was killed leaves its gauges behind: statements that nobody runs any more. Its counters stay true."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]

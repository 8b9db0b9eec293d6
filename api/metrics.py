"""What is counted, for Prometheus (text format 1.0.0): of requests, and of the ledger as it stands.

::

    provenance_requests_total{route="/v1/artifacts/{ref}/proofs",method="POST",status="200"} 1027.0
    provenance_log_entries 42.0
    provenance_anchor_timestamp_seconds{chain="main"} 1.795e+09

Labels have few values, whatever is asked for: a route as OpenAPI has it, a method that is known.
The counts are of this process, and begin anew when it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.limits import Limits
from provenance.ledger.ledger import Ledger

__all__ = ["Metrics"]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "OPTIONS", "PUT", "DELETE"})

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the histogram."""


class Metrics:
    """The figures of one ledger and of what it is asked for, in this process."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "provenance_requests",
            "Requests, by the route that they met; status 0: whoever asked went away.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "provenance_request_seconds",
            "From a request's arrival until the last byte of its answer was handed on.",
            ("route", "method"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Figures(ledger, limits))

    def count(self, route: str | None, method: str, status: int | None, seconds: float) -> None:
        """Count a request that was answered."""
        labels = (route or "none", method if method in METHODS else "other")
        self._requests.labels(*labels, str(status or 0)).inc()
        self._seconds.labels(*labels).observe(seconds)

    def text(self) -> bytes:
        """Return all of it, with the ledger as it stands now.

        Raises:
            ProvenanceError: the ledger cannot be read.
        """
        return generate_latest(self._registry)


class _Figures(Collector):
    """What is looked up when it is asked for."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._ledger = ledger
        self._limits = limits

    def describe(self) -> Iterable[Metric]:
        """Name nothing: what `collect` would, is not known before a ledger is read."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each figure."""
        limited = CounterMetricFamily(
            "provenance_limited", "Requests refused with 429, by the limit.", labels=["limit"]
        )
        for kind, count in self._limits.refused.items():
            limited.add_metric([kind], count)
        yield limited
        status = self._ledger.status()
        yield GaugeMetricFamily("provenance_log_entries", "Entries of the log.", value=status.size)
        yield GaugeMetricFamily(
            "provenance_checkpoint_entries",
            "Entries that the newest checkpoint covers.",
            value=status.checkpoint_size or 0,
        )
        covered = GaugeMetricFamily(
            "provenance_anchor_entries",
            "Entries that the newest anchor in a block covers.",
            labels=["chain"],
        )
        anchored = GaugeMetricFamily(
            "provenance_anchor_timestamp_seconds",
            "Time of the newest anchor's block; its age is time() less this.",
            labels=["chain"],
        )
        for chain in status.chains:
            covered.add_metric([chain.name], chain.size)
            if chain.block_time is not None:
                anchored.add_metric([chain.name], chain.block_time.timestamp())
        yield from (covered, anchored)

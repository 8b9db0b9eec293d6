"""What is counted, for Prometheus (text format 1.0.0): of requests, and of the ledger as it stands.

::

    provenance_requests_total{route="/v1/artifacts/{ref}/proofs",method="POST",status="200"} 1027.0
    provenance_log_entries 42.0
    provenance_anchor_timestamp_seconds{chain="main"} 1.795e+09

Labels have few values, whatever is asked for: a route as OpenAPI has it, a method that is known.
The counts begin anew when the service does. Of several workers they are added up, whichever is
asked: each writes its own into a file of a folder that all read (`shared_by_workers`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.limits import Kind
from provenance.ledger.ledger import Ledger

__all__ = ["Metrics", "shared_by_workers"]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "OPTIONS", "PUT", "DELETE"})

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the histogram."""


_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client, as it is imported, knows that there are workers."""


class Metrics:
    """The figures of one ledger and of what it is asked for.

    Args:
        ledger: that is served.
        project: its name, by which its counts are told from those of others.
    """

    def __init__(self, ledger: Ledger, project: str | None = None) -> None:
        own = CollectorRegistry()
        self._project = project or ""
        self._requests = Counter(
            "provenance_requests",
            "Requests, by the route that they met; status 0: whoever asked went away.",
            ("project", "route", "method", "status"),
            registry=own,
        )
        self._seconds = Histogram(
            "provenance_request_seconds",
            "From a request's arrival until the last byte of its answer was handed on.",
            ("project", "route", "method"),
            buckets=SECONDS,
            registry=own,
        )
        self._limited = Counter(
            "provenance_limited",
            "Requests refused with 429, by the limit.",
            ("project", "limit"),
            registry=own,
        )
        for kind in get_args(Kind):
            self._limited.labels(self._project, kind)
        folder = os.environ.get(_FOLDER)
        counted: Collector = own
        if folder is not None:
            counted = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(counted, self._project))
        self._registry.register(_Figures(ledger))

    def count(self, route: str | None, method: str, status: int | None, seconds: float) -> None:
        """Count a request that was answered."""
        labels = (self._project, route or "none", method if method in METHODS else "other")
        self._requests.labels(*labels, str(status or 0)).inc()
        self._seconds.labels(*labels).observe(seconds)

    def count_refused(self, kind: Kind) -> None:
        """Count a request that was refused by this limit."""
        self._limited.labels(self._project, kind).inc()

    def text(self) -> bytes:
        """Return all of it, with the ledger as it stands now.

        Raises:
            ProvenanceError: the ledger cannot be read.
        """
        return generate_latest(self._registry)


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """Have the processes that are started meanwhile add up what they count."""
    with TemporaryDirectory(prefix="provenance-metrics-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


class _Counts(Collector):
    """What was counted for one project."""

    def __init__(self, counted: Collector, project: str) -> None:
        self._counted = counted
        self._project = project

    def describe(self) -> Iterable[Metric]:
        """Name nothing, as `_Figures` does."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each count, without the name of the project."""
        for metric in self._counted.collect():
            own = []
            for sample in metric.samples:
                labels = dict(sample.labels)
                if labels.pop("project") == self._project and not sample.name.endswith("_created"):
                    own.append(sample._replace(labels=labels))
            metric.samples = own
            yield metric


class _Figures(Collector):
    """How the ledger stands when it is asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> Iterable[Metric]:
        """Name nothing: what `collect` would, is not known before a ledger is read."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each figure."""
        status = self._ledger.status()
        yield GaugeMetricFamily("provenance_log_entries", "Entries of the log.", value=status.size)
        yield GaugeMetricFamily(
            "provenance_checkpoint_entries",
            "Entries that the newest checkpoint covers.",
            value=status.checkpoint_size or 0,
        )
        if self._ledger.access_log.is_on:
            yield GaugeMetricFamily(
                "provenance_uses_waiting_bytes",
                "Bytes of uses that are recorded and not signed yet.",
                value=self._ledger.access_log.waiting(),
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

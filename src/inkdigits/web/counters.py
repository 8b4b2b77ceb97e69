"""Counters and histograms of the service, exported in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TILES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one application. Applications in the same process share none."""

    def __init__(self, count_waiting: Callable[[], int], count_active: Callable[[], int]) -> None:
        """Registers the metrics.

        Args:
            count_waiting: Returns the number of calls in the network's queue.
            count_active: Returns the number of requests in progress.
        """
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "inkdigits_requests_total",
            "Requests answered, by route and status; 499 if the client disconnected",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "inkdigits_request_seconds",
            "Seconds from the headers of a request to the end of its response",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._rejected = Counter(
            "inkdigits_refusals_total",
            "Requests answered with a status of 400 or more, by status",
            ("status",),
            registry=self._registry,
        )
        self._batches = Histogram(
            "inkdigits_batch_tiles",
            "Tiles in each batch of the network",
            buckets=_TILES,
            registry=self._registry,
        )
        for name, documentation, count in (
            ("inkdigits_queue_depth", "Calls in the network's queue", count_waiting),
            ("inkdigits_active_requests", "Requests in progress", count_active),
        ):
            Gauge(name, documentation, registry=self._registry).set_function(count)
        # Looking up a labelled counter takes longer than incrementing it.
        self._by_response: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def report_request(self, route: str, status: int, seconds: float) -> None:
        """Counts one request.

        Args:
            route: The path pattern of its route; one label value for each, so their number is
                bounded.
            status: The status of the response.
            seconds: The duration of the request.
        """
        found = self._by_response.get((route, status))
        if found is None:
            found = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._by_response[route, status] = found
        found[0].inc()
        found[1].observe(seconds)
        if status >= 400:
            self._rejected.labels(str(status)).inc()

    def report_batch(self, n_tiles: int) -> None:
        """Counts one batch."""
        self._batches.observe(n_tiles)

    def to_text(self) -> bytes:
        """Returns all metrics in the Prometheus text format."""
        return generate_latest(self._registry)

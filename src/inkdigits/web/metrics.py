"""What the service counts, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TILES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one application, apart from those of others in the same process."""

    def __init__(self, count_waiting: Callable[[], int], count_active: Callable[[], int]) -> None:
        """Takes what tells how many calls wait for the network, and requests for their answer."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "inkdigits_requests_total",
            "Requests answered, by route and status; 499 where the client had gone",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "inkdigits_request_seconds",
            "From the headers of a request to the end of its answer",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._refusals = Counter(
            "inkdigits_refusals_total",
            "Requests that were refused, by status",
            ("status",),
            registry=self._registry,
        )
        self._batches = Histogram(
            "inkdigits_batch_tiles",
            "Tiles that the network saw at once",
            buckets=_TILES,
            registry=self._registry,
        )
        for name, documentation, count in (
            ("inkdigits_queue_depth", "Calls that wait for the network", count_waiting),
            ("inkdigits_active_requests", "Requests that wait for their answer", count_active),
        ):
            Gauge(name, documentation, registry=self._registry).set_function(count)
        # Finding a counter by its labels takes longer than counting.
        self._by_answer: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def report_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request.

        Args:
            route: The pattern of its path, of which there are few.
            status: Of the answer.
            seconds: That it took.
        """
        found = self._by_answer.get((route, status))
        if found is None:
            found = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._by_answer[route, status] = found
        found[0].inc()
        found[1].observe(seconds)
        if status >= 400:
            self._refusals.labels(str(status)).inc()

    def report_batch(self, n_tiles: int) -> None:
        """Counts a batch."""
        self._batches.observe(n_tiles)

    def to_text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)

"""The server's metrics for Prometheus.

In: requests and batches as they end.  Out: the text that a scraper reads.
Not here: what is counted when (auth.py, app.py, batcher.py).
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from liftune.server.queue import Batch
from liftune.server.sums import Snapshot, snapshot_of

#: Upper ends of the histograms' buckets.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class ServerMetrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "liftune_requests", "Requests, by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = self._histogram(
            "liftune_request_seconds", "Seconds from a request to its response.", _SECONDS, ("route",)
        )
        self._texts = Counter("liftune_texts", "Texts classified, by model.", ("model",), registry=self._registry)
        self._tokens = Counter("liftune_tokens", "Tokens computed.", registry=self._registry)
        self._batch_rows = self._histogram("liftune_batch_rows", "Rows of a batch.", _ROWS)
        self._batch_tokens = self._histogram("liftune_batch_tokens", "Tokens of a batch.", _TOKENS)
        self._batch_models = self._histogram("liftune_batch_models", "Models that shared a batch.", _ROWS)
        self._batch_seconds = self._histogram(
            "liftune_batch_seconds", "Seconds that a batch took to compute.", _SECONDS
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], by: tuple[str, ...] = ()) -> Histogram:
        return Histogram(name, text, by, buckets=buckets, registry=self._registry)

    def add_gauges(self, rows: Callable[[], float], models: Callable[[], float]) -> None:
        """Register gauges that are read whenever a scraper asks: waiting rows, and the number of models."""
        Gauge("liftune_queue_rows", "Rows waiting.", registry=self._registry).set_function(rows)
        Gauge("liftune_models", "Models loaded.", registry=self._registry).set_function(models)

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request has ended."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, batch: Batch, seconds: float) -> None:
        """One batch was computed."""
        self._tokens.inc(batch.tokens)
        self._batch_rows.observe(len(batch.entries))
        self._batch_tokens.observe(batch.tokens)
        self._batch_models.observe(len({id(entry.work.model) for entry in batch.entries}))
        self._batch_seconds.observe(seconds)

    def texts(self, model: str, count: int) -> None:
        """Texts were classified."""
        self._texts.labels(model).inc(count)

    def forget(self, model: str) -> None:
        """A model was unloaded: its counter goes too, so that old names do not pile up."""
        try:
            self._texts.remove(model)
        except KeyError:
            return

    def snapshot(self) -> Snapshot:
        """As it can be sent to another process."""
        return snapshot_of(self._registry)

    def page(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

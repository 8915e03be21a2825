"""A server's metrics for Prometheus. Each app has a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from openedai.http.exchange import Exchange
from openedai.scheduling.pool import ModelPool
from openedai.serving.usage.kinds import COMPLETIONS, FINE_TUNING, TRANSCRIPTIONS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HAVE_FIRST_TOKEN = (COMPLETIONS, TRANSCRIPTIONS)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Writer(Protocol):
    """Its length is how many records wait to be written; `dropped` is how many never will be."""

    dropped: int

    def __len__(self) -> int: ...


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "openedai_requests", "Finished requests.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "openedai_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "openedai_tokens",
            "Tokens read and written.",
            ("model", "kind"),
            registry=self.registry,
        )
        self._images = Counter(
            "openedai_images", "Images made.", ("model",), registry=self.registry
        )
        self._first_token = Histogram(
            "openedai_time_to_first_token_seconds",
            "Time from a request's arrival to its first token.",
            ("model",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._wait = Histogram(
            "openedai_queue_seconds",
            "Time a request waited for its model to be loaded and free.",
            ("model",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def add_pool(self, pool: ModelPool) -> None:
        """Include the state of this pool, which is read at each scrape."""
        self.registry.register(_PoolCollector(pool))

    def add_usage(self, writer: Writer) -> None:
        """Include the records that wait to be written."""
        self.registry.register(_UsageCollector(writer))

    def record_request(self, exchange: Exchange, route: str) -> None:
        """Count a finished request to the route with this path."""
        self._requests.labels(route, str(exchange.status)).inc()
        self._seconds.labels(route).observe(exchange.seconds)
        self.record_uses(exchange)

    def record_uses(self, exchange: Exchange) -> None:
        """Count what a finished request, or an attempt at a job, used of models."""
        for use in exchange.uses.values():
            if use.kind == FINE_TUNING:
                self._tokens.labels(use.spec, "trained").inc(use.prompt_tokens)
                continue
            self._tokens.labels(use.spec, "prompt").inc(use.prompt_tokens)
            self._tokens.labels(use.spec, "cached").inc(use.cached_tokens)
            self._tokens.labels(use.spec, "completion").inc(use.completion_tokens)
            if use.images:
                self._images.labels(use.spec).inc(use.images)
            if use.kind in _HAVE_FIRST_TOKEN and use.first_event_at is not None:
                self._first_token.labels(use.spec).observe(use.first_event_at)

    def record_wait(self, model: str, seconds: float) -> None:
        """Record the seconds that a request waited for its model."""
        self._wait.labels(model).observe(seconds)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _UsageCollector(Collector):
    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "openedai_usage_waiting",
            "Records of usage that are not written yet.",
            value=len(self.writer),
        )
        yield CounterMetricFamily(
            "openedai_usage_dropped",
            "Records of usage that were dropped, as the database could not be used for long.",
            value=self.writer.dropped,
        )


class _PoolCollector(Collector):
    def __init__(self, pool: ModelPool) -> None:
        self.pool = pool

    def collect(self) -> Iterator[Metric]:
        status = self.pool.snapshot()
        yield GaugeMetricFamily(
            "openedai_memory_budget_bytes",
            "Memory that loaded models may take together.",
            value=status.memory_budget,
        )
        gauges = {
            "memory": ("openedai_model_memory_bytes", "Resident memory of a loaded model."),
            "running": ("openedai_model_running", "Slots of the model that work now."),
            "waiting": ("openedai_model_waiting", "Requests that wait for the model."),
            "slots": ("openedai_model_slots", "Slots that the loaded model has."),
        }
        counters = {
            "refused": ("openedai_model_refused", "Requests refused because the queue was full."),
            "timeouts": ("openedai_model_queue_timeouts", "Requests that waited too long."),
            "loads": ("openedai_model_loads", "Times the model was loaded."),
            "failed_loads": ("openedai_model_failed_loads", "Times it could not be loaded."),
            "evictions": ("openedai_model_evictions", "Times it left for lack of memory or use."),
            "crashes": ("openedai_model_crashes", "Times its process died."),
        }
        loaded = GaugeMetricFamily("openedai_model_loaded", "1 if loaded.", labels=["model"])
        for model in status.models:
            loaded.add_metric([model.id], float(model.state == "ready"))
        yield loaded
        for field, (name, description) in gauges.items():
            gauge = GaugeMetricFamily(name, description, labels=["model"])
            for model in status.models:
                gauge.add_metric([model.id], getattr(model, field))
            yield gauge
        for field, (name, description) in counters.items():
            counter = CounterMetricFamily(name, description, labels=["model"])
            for model in status.models:
                counter.add_metric([model.id], getattr(model, field))
            yield counter

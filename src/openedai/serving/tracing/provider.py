"""Exports spans as the standard variables `OTEL_…` say."""

from __future__ import annotations

import asyncio
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from openedai import __version__
from openedai.config import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_CLOSE_SECONDS = 5.0
_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def make_provider(exporter: SpanExporter | None = None) -> TracerProvider:
    """A provider whose spans are sent in groups by a thread of its own, over OTLP and HTTP unless
    another exporter is given. Raises ConfigError without the extra.
    """
    if not all(_is_there(module) for module in _MODULES):
        raise ConfigError("traces: they need an extra: pip install 'openedai[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from openedai.serving.tracing.ids import SpanIds

    # A name in OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES wins.
    defaults = Resource({"service.name": "openedai", "service.version": __version__})
    provider = TracerProvider(
        resource=defaults.merge(_from_environment()), shutdown_on_exit=False, id_generator=SpanIds()
    )
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return provider


async def close(provider: TracerProvider) -> None:
    """Send what is left, but do not wait long for an endpoint that is down."""
    thread = threading.Thread(target=provider.shutdown, name="traces-end", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, _CLOSE_SECONDS)


def _from_environment() -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector

    return OTELResourceDetector().detect()


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False

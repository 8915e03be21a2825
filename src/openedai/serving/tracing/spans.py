"""Spans of finished requests, with the conventions for HTTP and for generative AI.

They are made at the end of a request from the times recorded in its exchange, so they cost nothing
while it is served.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from openedai.http.exchange import Exchange
from openedai.http.uses import Use
from openedai.serving.tracing.context import client_trace
from openedai.serving.tracing.provider import close
from openedai.serving.usage.kinds import COMPLETIONS, EMBEDDINGS

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from openedai.serving.tracing.ids import SpanIds

_PROVIDER = "openedai"
_TEXT_ROUTES = ("/completions", "/text_completion", "/generate", "/edits")
_SECOND = 1_000_000_000  # nanoseconds


class Tracing:
    """A `Recorder` that makes spans. `server` is the host and the port of the server."""

    def __init__(self, provider: TracerProvider, server: tuple[str, int]) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self.ids = cast("SpanIds", provider.id_generator)
        self._tracer = provider.get_tracer("openedai")
        self._propagator = TraceContextTextMapPropagator()
        self._server: dict[str, Any] = {"server.address": server[0], "server.port": server[1]}

    def record(self, exchange: Exchange, route: str) -> None:
        """Make a span for the request, and below it spans for the models and tools that it used."""
        trace = _Trace(self, exchange, time.time_ns())
        trace.request(route)

    def headers(self, exchange: Exchange) -> dict[str, str]:
        """The headers that tell another server the trace of a request; its spans go below the
        request's own.
        """
        from opentelemetry.sdk.trace.sampling import Decision
        from opentelemetry.trace import NoOpTracer, SpanKind, get_current_span

        if isinstance(self._tracer, NoOpTracer):  # OTEL_SDK_DISABLED
            return client_trace(exchange)
        parent = self.parent(exchange)
        client = get_current_span(parent).get_span_context()
        if not exchange.span:
            trace = client.trace_id if client.is_valid else self.ids.generate_trace_id()
            exchange.span[:] = trace, self.ids.generate_span_id()
        trace, span = exchange.span
        sampled = self._provider.sampler.should_sample(
            parent, trace, exchange.method, SpanKind.SERVER
        )
        flags = "01" if sampled.decision is Decision.RECORD_AND_SAMPLE else "00"
        headers = {"traceparent": f"00-{trace:032x}-{span:016x}-{flags}"}
        if sampled.trace_state:
            headers["tracestate"] = sampled.trace_state.to_header()
        return headers

    async def close(self) -> None:
        """Send what is left."""
        await close(self._provider)

    def parent(self, exchange: Exchange) -> Context:
        """The client's trace, if it has sent one."""
        # An empty context: what runs in this task does not belong to another trace.
        from opentelemetry.context import Context

        return self._propagator.extract(client_trace(exchange), Context())

    def span(
        self, name: str, parent: Context, began: int, attributes: Mapping[str, Any], *, server: bool
    ) -> Span:
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(
            name,
            parent,
            SpanKind.SERVER if server else SpanKind.INTERNAL,
            {**self._server, **attributes},
            start_time=began,
        )


class _Trace:
    """Makes the spans of one request that ended at `now`, in nanoseconds since 1970."""

    def __init__(self, tracing: Tracing, exchange: Exchange, now: int) -> None:
        self._tracing = tracing
        self._exchange = exchange
        self._end = now
        self._start = now - int(exchange.seconds * _SECOND)

    def request(self, route: str) -> None:
        exchange = self._exchange
        attributes: dict[str, Any] = {
            "http.request.method": exchange.method,
            "http.route": route,
            "http.response.status_code": exchange.status,
            "openedai.request.id": exchange.id,
        }
        optional = {
            "openedai.project": exchange.identity.project,
            "openedai.key": exchange.identity.key_id,
            "openedai.origin": exchange.origin,
            "error.type": str(exchange.status) if exchange.status >= 500 else "",
        }
        attributes |= {name: value for name, value in optional.items() if value}
        self._tracing.ids.next_has(exchange.span)
        span = self._tracing.span(
            *(f"{exchange.method} {route}", self._tracing.parent(exchange), self._start),
            attributes,
            server=not exchange.origin,
        )
        if not span.is_recording():  # the client or the sampler wants none
            return
        context = self._below(span)
        for use in exchange.uses.values():
            self._use(use, context, route)
        for tool in exchange.tools:
            began, ended = self._at(tool.began_at), self._at(tool.ended_at)
            self._part(
                *(f"execute_tool {tool.name}", context, began, ended),
                {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool.name},
            )
        self._finish(span, self._end)

    def _use(self, use: Use, parent: Context, route: str) -> None:
        operation = _operation(use.kind, route)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.request.model": use.model,
            "gen_ai.response.model": use.model,
            "gen_ai.usage.input_tokens": use.prompt_tokens,
            "gen_ai.usage.output_tokens": use.completion_tokens,
        }
        optional: dict[str, Any] = {
            "gen_ai.usage.cache_read.input_tokens": use.cached_tokens,
            "gen_ai.usage.reasoning.output_tokens": use.reasoning_tokens,
            "gen_ai.response.finish_reasons": use.finish_reasons,
            "gen_ai.response.time_to_first_chunk": use.first_event_at,
            "openedai.audio_seconds": use.audio_seconds,
            "openedai.characters": use.characters,
            "openedai.images": use.images,
        }
        attributes |= {name: value for name, value in optional.items() if value}
        began, ended = self._at(use.queued_at or 0.0), self._at(use.last_event_at)
        span = self._tracing.span(
            f"{operation} {use.model}", parent, began, attributes, server=False
        )
        context = self._below(span)
        if use.queued_at is not None and use.leased_at is not None:
            ready = self._at(use.leased_at)
            if use.loading is None:
                self._part("queue", context, began, ready, {})
            else:
                load, loaded = map(self._at, use.loading)
                self._part("queue", context, began, load, {})
                self._part("load", context, load, loaded, {})
            self._part("generation", context, ready, ended, {})
        self._finish(span, ended)

    def _part(
        self, name: str, parent: Context, began: int, ended: int, attributes: Mapping[str, Any]
    ) -> None:
        self._tracing.span(name, parent, began, attributes, server=False).end(ended)

    def _finish(self, span: Span, at: int) -> None:
        from opentelemetry.trace import StatusCode

        if self._exchange.status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(at)

    def _below(self, span: Span) -> Context:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span, Context())

    def _at(self, seconds: float | None) -> int:
        """A time of the exchange; its end if that did not happen."""
        return self._end if seconds is None else self._start + int(seconds * _SECOND)


def _operation(kind: str, route: str) -> str:
    if kind == COMPLETIONS:
        text = route.endswith(_TEXT_ROUTES) and not route.endswith("/chat/completions")
        return "text_completion" if text else "chat"
    return "embeddings" if kind == EMBEDDINGS else kind

"""Ids of spans. It imports OpenTelemetry."""

from __future__ import annotations

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class SpanIds(RandomIdGenerator):
    """Random ones, but for a span whose ids another server was told before the span is made."""

    def __init__(self) -> None:
        self._told: list[int] = []

    def next_has(self, ids: list[int]) -> None:
        """The next span has these ids of its trace and of its own, if there are any."""
        self._told = list(ids)

    def generate_trace_id(self) -> int:
        return self._told[0] if self._told else super().generate_trace_id()

    def generate_span_id(self) -> int:
        told, self._told = self._told, []
        return told[1] if told else super().generate_span_id()

"""Ids of spans. This module imports OpenTelemetry."""

from __future__ import annotations

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class SpanIds(RandomIdGenerator):
    """Random ids, except for a span whose ids were sent to another server before it was made."""

    def __init__(self) -> None:
        self._next: list[int] = []

    def next_has(self, ids: list[int]) -> None:
        """Give the next span these ids of its trace and of itself, if there are any."""
        self._next = list(ids)

    def generate_trace_id(self) -> int:
        return self._next[0] if self._next else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids, self._next = self._next, []
        return ids[1] if ids else super().generate_span_id()

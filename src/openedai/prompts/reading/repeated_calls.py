"""Ends an answer whose tool calls repeat endlessly, as those of small models sometimes do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from openedai.contract.generate import TextDelta, ToolCallDelta


class RepeatedCalls:
    """Ends the calls of an answer before one that is equal to the call before it, or before the
    one after the first `limit`. A call is held back for as long as it may become such a one.
    """

    def __init__(self, limit: int) -> None:
        self.done = False
        self._limit = limit
        self._index = -1
        self._count = 0
        self._before = ("", "")
        self._name = ""
        self._arguments = ""
        self._held: list[ToolCallDelta] | None = None

    def feed(
        self, events: Iterable[TextDelta | ToolCallDelta]
    ) -> Iterator[TextDelta | ToolCallDelta]:
        """The events that belong to the answer."""
        for event in events:
            if self.done:
                return
            if isinstance(event, TextDelta):
                yield event
            else:
                yield from self._call(event)

    def flush(self) -> Iterator[ToolCallDelta]:
        """What was held back. Call this when no more events come."""
        if not self.done:
            yield from self._held or ()
        self._held = None

    def _call(self, event: ToolCallDelta) -> Iterator[ToolCallDelta]:
        if event.index != self._index:
            yield from self.flush()
            self._begin(event)
        if self.done:
            return
        self._arguments += event.arguments
        if self._held is None:
            yield event
            return
        self._held.append(event)
        before = self._before[1]
        if self._arguments == before:
            self.done = True
        elif not before.startswith(self._arguments):
            yield from self.flush()

    def _begin(self, event: ToolCallDelta) -> None:
        self._before = (self._name, self._arguments)
        self._index, self._name, self._arguments = event.index, event.name, ""
        self._count += 1
        self.done = self._count > self._limit
        if self._count > 1 and event.name == self._before[0]:
            self._held = []

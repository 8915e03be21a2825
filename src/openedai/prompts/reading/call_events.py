"""The events of an answer with text and tool calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from openedai.contract.generate import TextDelta, ToolCallDelta
from openedai.prompts.reading.json_scanner import is_object

CallEvent = TextDelta | ToolCallDelta


def new_call_id() -> str:
    """A random id for a call, of the official API's form."""
    return f"call_{secrets.token_hex(12)}"


class ToolCallEvents:
    """Collects the events. White space is held back until something follows: next to a call it is
    dropped.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.started = 0
        """How many calls have started."""
        self.complete = 0
        """How many of them have arguments that are a complete JSON object."""
        self._new_id = new_id
        self._events: list[CallEvent] = []
        self._arguments: list[str] = []
        self._space = ""
        self._after_call = False

    def take(self) -> list[CallEvent]:
        """The events since the last call of this method."""
        events, self._events = self._events, []
        return events

    def add_text(self, text: str) -> None:
        stripped = text.rstrip()
        if stripped:
            self._events.append(TextDelta(text=self._space + stripped))
            self._space = ""
            self._after_call = False
        self._space += text[len(stripped) :]

    def end(self) -> None:
        """No more text comes."""
        if self._space and not self._after_call:
            self._events.append(TextDelta(text=self._space))

    def begin_call(self, name: str) -> None:
        self._events.append(ToolCallDelta(index=self.started, id=self._new_id(), name=name))
        self.started += 1
        self._arguments = []
        self._space = ""
        self._after_call = True

    def add_arguments(self, delta: str) -> None:
        """Add a part of the arguments of the call that started last."""
        self._arguments.append(delta)
        self._events.append(ToolCallDelta(index=self.started - 1, arguments=delta))

    def end_call(self) -> None:
        """The arguments of the call end here."""
        self.complete += is_object("".join(self._arguments))

"""The events of an answer that has text and calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from openedai.contract.generate import TextDelta, ToolCallDelta
from openedai.prompts.reading.json_pieces import is_object

CallEvent = TextDelta | ToolCallDelta


def new_call_id() -> str:
    """A random id for a call, of the official API's form."""
    return f"call_{secrets.token_hex(12)}"


class CallEvents:
    """Collects them. White space waits for what follows: beside a call it is dropped."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.begun = 0
        """How many calls began."""
        self.whole = 0
        """How many of them have arguments that are a JSON object."""
        self._new_id = new_id
        self._events: list[CallEvent] = []
        self._arguments: list[str] = []
        self._space = ""
        self._beside_call = False

    def take(self) -> list[CallEvent]:
        """What was added since the last time."""
        events, self._events = self._events, []
        return events

    def text(self, text: str) -> None:
        said = text.rstrip()
        if said:
            self._events.append(TextDelta(text=self._space + said))
            self._space = ""
            self._beside_call = False
        self._space += text[len(said) :]

    def end(self) -> None:
        """No more text comes."""
        if self._space and not self._beside_call:
            self._events.append(TextDelta(text=self._space))

    def begin_call(self, name: str) -> None:
        self._events.append(ToolCallDelta(index=self.begun, id=self._new_id(), name=name))
        self.begun += 1
        self._arguments = []
        self._space = ""
        self._beside_call = True

    def arguments(self, piece: str) -> None:
        """A piece of the arguments of the call that began last."""
        self._arguments.append(piece)
        self._events.append(ToolCallDelta(index=self.begun - 1, arguments=piece))

    def end_call(self) -> None:
        """The arguments are over."""
        self.whole += is_object("".join(self._arguments))

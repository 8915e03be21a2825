"""The tool calls of one generation, while the model writes them."""

from __future__ import annotations

from typing import Any

from openedai.api.openai.assistants.served.code import CODE, CodeRan
from openedai.api.openai.assistants.served.search import SEARCH, Searched
from openedai.api.parameters.chats.custom_inputs import InputReader
from openedai.contract.generate import ToolCallDelta

SERVED = (SEARCH, CODE)
"""The tools that the server runs."""

Result = Searched | CodeRan


class OpenCall:
    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self.arguments = ""
        self._reader = InputReader("code") if name == CODE else None

    @property
    def code(self) -> str:
        return "" if self._reader is None else self._reader.text

    def shown(self) -> dict[str, Any]:
        """The call so far, as its step shows it."""
        if self.name == SEARCH:
            return {"id": self.id, "type": SEARCH, SEARCH: {}}
        if self.name == CODE:
            return {"id": self.id, "type": CODE, CODE: {"input": self.code, "outputs": []}}
        return self.waiting(output=None)

    def waiting(self, **output: Any) -> dict[str, Any]:
        """The call of a function, as the run waits for its output."""
        function = {"name": self.name, "arguments": self.arguments, **output}
        return {"id": self.id, "type": "function", "function": function}

    def feed(self, arguments: str) -> dict[str, Any] | None:
        """What the next part of the arguments adds, as streams show it; None for nothing."""
        self.arguments += arguments
        if self.name == SEARCH:
            return None
        if self._reader is not None:
            return _code_delta(self._reader.feed(arguments))
        return {"type": "function", "function": {"arguments": arguments}}

    def end(self) -> dict[str, Any] | None:
        """The rest of the code, if its arguments were not as expected."""
        return None if self._reader is None else _code_delta(self._reader.end())


def _code_delta(text: str) -> dict[str, Any] | None:
    return {"type": CODE, CODE: {"input": text}} if text else None


class OpenCalls:
    def __init__(self) -> None:
        self.all: list[OpenCall] = []

    def add(self, delta: ToolCallDelta) -> dict[str, Any] | None:
        """What a delta adds, as streams show it; None for nothing."""
        if delta.index < len(self.all):
            added = self.all[delta.index].feed(delta.arguments)
        else:
            call = OpenCall(delta.id or "", delta.name or "")
            self.all.append(call)
            call.feed(delta.arguments)
            added = call.shown()
        return None if added is None else {"index": delta.index, **added}

    def end(self) -> list[dict[str, Any]]:
        """What is added at the end of the generation."""
        ended = [(index, call.end()) for index, call in enumerate(self.all)]
        return [{"index": index, **added} for index, added in ended if added is not None]

    def served(self) -> list[OpenCall]:
        """The calls that the server answers."""
        return [call for call in self.all if call.name in SERVED]

    def shown(self) -> list[dict[str, Any]]:
        return [call.shown() for call in self.all]

    def ran(self, found: dict[str, Result]) -> list[dict[str, Any]]:
        """What running the code has added, as streams show it."""
        return [
            {
                "index": index,
                "type": CODE,
                CODE: {"outputs": [{"index": n, **one} for n, one in enumerate(ran.outputs())]},
            }
            for index, call in enumerate(self.all)
            if isinstance(ran := found.get(call.id), CodeRan) and ran.outputs()
        ]

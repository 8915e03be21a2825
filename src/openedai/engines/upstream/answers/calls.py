"""Reads the tool calls in the chunks of an upstream's stream, which servers number in many ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.contract.generate import ToolCallDelta
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.prompts.reading.call_events import new_call_id


class FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode()
        return self.arguments or ""


class CallDelta(msgspec.Struct):
    """Some servers have the fields of the function here."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


@dataclass
class _Call:
    """A call so far. `theirs` is the upstream's id for it."""

    number: int
    theirs: str
    name: str
    arguments: str = ""

    @property
    def complete(self) -> bool:
        """Whether the arguments are a whole object."""
        if not self.arguments.rstrip().endswith("}"):
            return False
        try:
            msgspec.json.decode(self.arguments, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return False
        return True


class ToolCalls:
    """Numbers tool calls from 0, whatever indices and ids the upstream gives them."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._ids: set[str] = set()
        self._unnamed: dict[int | None, str] = {}

    @property
    def started(self) -> bool:
        return bool(self._calls)

    def add(self, part: CallDelta) -> ToolCallDelta | None:
        """The event of the next part of a call, if it says anything. Raises MalformedAnswer."""
        function = part.function or FunctionDelta(part.name, part.arguments)
        call, text = self._continued(part, function), function.text
        if call is None:
            return self._start(part, function.name, text)
        if not text or (function.name and call.complete and text == call.arguments):
            return None
        call.arguments += text
        return ToolCallDelta(index=call.number, arguments=text)

    def complete_arguments(self, single: bool) -> Iterator[ToolCallDelta]:
        """An empty JSON object for each call that has no arguments."""
        for call in self._calls[: 1 if single else None]:
            if not call.arguments:
                yield ToolCallDelta(index=call.number, arguments="{}")

    def end(self) -> None:
        """Raises MalformedAnswer for a call that never got a name."""
        if self._unnamed:
            raise MalformedAnswer("began a call of a tool without its name")

    def _continued(self, part: CallDelta, function: FunctionDelta) -> _Call | None:
        """The call that `part` continues; None if it starts one."""
        call = self._by_index.get(part.index) if part.index is not None else None
        if part.index is None and not (function.name and not part.id):
            call = self._calls[-1] if self._calls else None
        if part.id and (call is None or part.id != call.theirs):
            known = [one for one in self._calls if one.theirs == part.id]
            call = known[-1] if known and (part.index is None or not function.name) else None
        if call is None or not function.name:
            return call
        return None if self._begins_another(part, function, call) else call

    def _begins_another(self, part: CallDelta, function: FunctionDelta, call: _Call) -> bool:
        """Whether a part with a name is another call under the index or id of `call`.

        Some servers repeat the name or even the whole call, and some give all calls the same index.
        """
        if function.name != call.name:
            return True
        repeated = function.text in ("", call.arguments)
        return call.complete and not (part.id and repeated)

    def _start(self, part: CallDelta, name: str | None, arguments: str) -> ToolCallDelta | None:
        key, id = part.index, part.id
        if not name:
            if arguments:
                raise MalformedAnswer("began a call of a tool without its name")
            self._unnamed[key] = id or ""
            return None
        theirs = id or self._unnamed.get(key, "")
        self._unnamed.pop(key, None)
        unused = theirs and theirs not in self._ids
        call = _Call(len(self._calls), theirs, name, arguments)
        self._calls.append(call)
        self._by_index[call.number if key is None else key] = call
        self._ids.add(given := theirs if unused else new_call_id())
        return ToolCallDelta(index=call.number, id=given, name=name, arguments=arguments)

"""Reads the tool calls in the text of a model, in any of the formats that models write:

- Hermes, Qwen: `<tool_call>{"name": "f", "arguments": {…}}</tool_call>`
- Qwen3-Coder: `<tool_call><function=f><parameter=x>…</parameter></function></tool_call>`
- Llama 3: `{"name": "f", "parameters": {…}}; {…}`, also after `<|python_tag|>`
- Llama 3.1: `<function=f>{…}</function>`
- Mistral: `[TOOL_CALLS][{"name": "f", "arguments": {…}}, …]`, newer `[TOOL_CALLS]f[ARGS]{…}`
- DeepSeek V3.1: `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}…`
- many small models: `{"name": "f", "arguments": {…}}` or a list of these, bare or in a code fence
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from openedai.contract.chat import Tool
from openedai.prompts.reading.bare_values import json_argument, json_text
from openedai.prompts.reading.call_events import CallEvent, ToolCallEvents
from openedai.prompts.reading.incoming import IncomingText, Reading
from openedai.prompts.reading.json_scanner import JsonScanner, object_text

FENCE = "```"
CALL_OPENINGS = {
    "<tool_call>": "</tool_call>",
    "<tools>": "</tools>",
    "<|python_tag|>": "",
    "[TOOL_CALLS]": "",
    "<｜tool▁calls▁begin｜>": "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>": "<｜tool▁call▁end｜>",
    FENCE: FENCE,
}
"""The marks before calls, and the marks that then close them."""

_LANGUAGES = ("json", "tool_call", "xml")
_KEYS = {
    '"name"': "name",
    '"function"': "name",
    '"tool_name"': "name",
    '"arguments"': "arguments",
    '"parameters"': "arguments",
    '"type"': "other",
    '"id"': "other",
}
_SPACE = " \t\r\n"
_MAY_CALL = re.compile(r"[<\[{`]")
_SCALAR_END = re.compile(r"[^\w.+-]")
_NAME_FORMATS = ("<function={}>", "{}[ARGS]", "{}<｜tool▁sep｜>")
_PARAMETER, _PARAMETER_END, _FUNCTION_END = "<parameter=", "</parameter>", "</function>"
_XML_TAGS = (_PARAMETER, _FUNCTION_END)


class _Fields(msgspec.Struct):
    """The fields of a call that are known before its first event."""

    name: str = ""
    arguments: str = ""


class ToolCallReader:
    """Splits an answer into text and calls of the tools. The chunks may be split anywhere.

    A call needs the name of a tool; everything else is text, unchanged except for white space next
    to calls. Once the name is known and the arguments have started, they are passed on as they
    come. Text that may still become a call is held back; ordinary text is not. Without `parallel`
    only the first call is read, and what follows it is dropped.
    """

    def __init__(self, tools: Sequence[Tool], parallel: bool, new_id: Callable[[], str]) -> None:
        self._parallel = parallel
        self._quoted = {f'"{tool.name}"': tool.name for tool in tools}
        self._tools = {name.format(tool.name): tool for tool in tools for name in _NAME_FORMATS}
        self._incoming = IncomingText()
        self._events = ToolCallEvents(new_id)
        self._closings: list[str] = []
        self._reading = self._read()

    @property
    def has_complete_calls(self) -> bool:
        """Whether there are calls, and all that started are complete."""
        return 0 < self._events.started == self._events.complete

    @property
    def done(self) -> bool:
        """Whether further text cannot change the answer."""
        return self.has_complete_calls and not self._parallel

    def feed(self, text: str) -> list[CallEvent]:
        """The events for the next chunk."""
        self._incoming.add(text)
        next(self._reading, None)
        return self._events.take()

    def flush(self) -> list[CallEvent]:
        """The events for the text that was held back. Call this when no more text comes."""
        self._incoming.end()
        next(self._reading, None)
        return self._events.take()

    def _read(self) -> Reading[None]:
        while (yield from self._incoming.more()):
            may_call = self._incoming.skip_to(_MAY_CALL)
            self._events.add_text(self._incoming.take())
            if may_call:
                yield from self._read_calls()
            if self._events.started and not self._parallel:
                yield from self._drop_all()
        self._events.end()

    def _drop_all(self) -> Reading[None]:
        while (yield from self._incoming.more()):
            self._incoming.position = len(self._incoming.text)
            self._incoming.take()

    def _read_calls(self) -> Reading[None]:
        """Read the consecutive calls at this position; if there are none, some text."""
        self._closings = []
        while (yield from self._read_call()) and self._parallel:
            yield from self._read_closings()
            yield from self._incoming.skip(_SPACE)
            yield from self._incoming.word((",", ";"))
            yield from self._incoming.skip(_SPACE)

    def _read_call(self) -> Reading[bool]:
        """Read a call with the marks before it. False if there is none: then some text is read."""
        marked = yield from self._read_openings()
        word = yield from self._incoming.word(self._tools)
        if word and (yield from self._read_named(word)):
            return True
        if not word and (yield from self._incoming.peek()) in ("{", "["):
            return (yield from self._read_json(marked))
        self._events.add_text(self._incoming.take_some())
        return False

    def _read_openings(self) -> Reading[bool]:
        marked = False
        while opening := (yield from self._incoming.word(CALL_OPENINGS)):
            marked = True
            if CALL_OPENINGS[opening]:
                self._closings.append(CALL_OPENINGS[opening])
            if opening == FENCE:
                yield from self._incoming.word(_LANGUAGES)
            yield from self._incoming.skip(_SPACE)
        return marked

    def _read_closings(self) -> Reading[None]:
        while self._closings:
            yield from self._incoming.skip(_SPACE)
            if not (yield from self._incoming.word(self._closings[-1:])):
                return
            self._closings.pop()
            self._incoming.take()

    def _start_call(self, name: str) -> None:
        self._incoming.take()
        self._events.begin_call(name)

    # A name between tags, then arguments.

    def _read_named(self, word: str) -> Reading[bool]:
        tool = self._tools[word]
        yield from self._incoming.skip(_SPACE)
        if (yield from self._incoming.peek()) != "{":
            return (yield from self._read_parameters(tool))
        self._start_call(tool.name)
        yield from self._stream_arguments()
        if word.startswith("<"):
            self._closings.append(_FUNCTION_END)
        return True

    def _read_parameters(self, tool: Tool) -> Reading[bool]:
        """Read `<parameter=x>value</parameter>` …, `</function>`, passed on as JSON."""
        tag = yield from self._incoming.word(_XML_TAGS)
        if not tag:
            return False
        self._start_call(tool.name)
        before = "{"
        while tag == _PARAMETER:
            name = yield from self._incoming.until(">")
            value = yield from self._incoming.until(_PARAMETER_END)
            self._incoming.take()
            if name is None or value is None:
                return True
            value = value.removeprefix("\n").removesuffix("\n")
            argument = json_argument(tool.parameters, name, value)
            self._events.add_arguments(f"{before}{json_text(name)}: {argument}")
            before = ", "
            yield from self._incoming.skip(_SPACE)
            tag = yield from self._incoming.word(_XML_TAGS)
        if tag == _FUNCTION_END:
            self._incoming.take()
            self._events.add_arguments("{}" if before == "{" else "}")
            self._events.end_call()
        return True

    # An object with a name and arguments.

    def _read_json(self, marked: bool) -> Reading[bool]:
        """Read an object, or the first one of a list. If it is not a call, all of it is text."""
        start, started = self._incoming.position, self._events.started
        if (yield from self._incoming.word(("[",))):
            self._closings.append("]")
            yield from self._incoming.skip(_SPACE)
        yield from self._read_object(marked, nested=False)
        if self._events.started > started:
            return True
        self._incoming.position = start
        yield from self._read_value(JsonScanner(), self._events.add_text)
        return False

    def _read_object(self, marked: bool, nested: bool) -> Reading[None]:
        """Read an object, which starts a call if it is one."""
        fields, started = _Fields(), self._events.started
        more = yield from self._incoming.word(("{",))
        while more and (yield from self._read_field(fields, marked, nested)):
            if self._events.started > started:
                yield from self._skip_rest_of_object()
                return
            yield from self._incoming.skip(_SPACE)
            more = yield from self._incoming.word((",",))
        if marked and fields.name and (yield from self._incoming.word(("}",))):
            self._add_call(fields.name, "{}")

    def _read_field(self, fields: _Fields, marked: bool, nested: bool) -> Reading[bool]:
        """Read a field, and start the call once it is known. False if it is no such field."""
        key = yield from self._read_key()
        following = yield from self._incoming.peek()
        if key == "name" and following == "{" and not nested:
            yield from self._read_object(marked, nested=True)
        elif key == "name":
            word = yield from self._incoming.word(self._quoted)
            fields.name = self._quoted.get(word, "")
            if not word:
                return False
        elif key == "arguments" and fields.name and following == "{":
            self._start_call(fields.name)
            yield from self._stream_arguments()
            return True
        elif key == "arguments":
            fields.arguments = object_text((yield from self._hold_value()))
            if not fields.arguments:
                return False
        else:
            return bool(key and (yield from self._hold_value()))
        if fields.name and fields.arguments:
            self._add_call(fields.name, fields.arguments)
        return True

    def _read_key(self) -> Reading[str]:
        """Read a key up to its value; returns its meaning, empty if it has none in a call."""
        yield from self._incoming.skip(_SPACE)
        key = yield from self._incoming.word(_KEYS)
        if not key:
            return ""
        yield from self._incoming.skip(_SPACE)
        colon = yield from self._incoming.word((":",))
        yield from self._incoming.skip(_SPACE)
        return _KEYS[key] if colon else ""

    def _add_call(self, name: str, arguments: str) -> None:
        """Add a call whose arguments were held back."""
        self._start_call(name)
        self._events.add_arguments(arguments)
        self._events.end_call()

    def _stream_arguments(self) -> Reading[None]:
        yield from self._read_value(JsonScanner(), self._events.add_arguments)
        self._events.end_call()

    def _hold_value(self) -> Reading[str]:
        """Read and return any value; empty if there is none."""
        start = self._incoming.position
        if (yield from self._incoming.peek()) in ("{", "[", '"'):
            yield from self._read_value(JsonScanner(), None)
        else:
            while not self._incoming.skip_to(_SCALAR_END) and (yield from self._incoming.more()):
                pass
        return self._incoming.text[start : self._incoming.position]

    def _skip_rest_of_object(self) -> Reading[None]:
        yield from self._incoming.skip(_SPACE)
        if (yield from self._incoming.peek()) in ("}", ","):
            yield from self._read_value(JsonScanner(inside="}"), None)
        self._incoming.take()

    def _read_value(
        self, scanner: JsonScanner, pass_on: Callable[[str], None] | None
    ) -> Reading[None]:
        """Read up to the end of a JSON value, or to where it stops being valid."""
        while not (scanner.ended or scanner.failed) and (yield from self._incoming.more()):
            self._incoming.position = scanner.feed(self._incoming.text, self._incoming.position)
            if pass_on and self._incoming.position:
                pass_on(self._incoming.take())

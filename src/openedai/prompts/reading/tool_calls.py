"""The calls in what a model wrote, in whatever form it writes them.

- Hermes, Qwen: `<tool_call>{"name": "f", "arguments": {…}}</tool_call>`
- Qwen3-Coder: `<tool_call><function=f><parameter=x>…</parameter></function></tool_call>`
- Llama 3: `{"name": "f", "parameters": {…}}; {…}`, also behind `<|python_tag|>`
- Llama 3.1: `<function=f>{…}</function>`
- Mistral: `[TOOL_CALLS][{"name": "f", "arguments": {…}}, …]`, newer `[TOOL_CALLS]f[ARGS]{…}`
- DeepSeek V3.1: `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}…`
- many small models: `{"name": "f", "arguments": {…}}` or a list of these, bare or in a fence
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from openedai.contract.chat import Tool
from openedai.prompts.reading.bare_values import json_argument, json_text
from openedai.prompts.reading.call_events import CallEvent, CallEvents
from openedai.prompts.reading.incoming import Incoming, Reading
from openedai.prompts.reading.json_pieces import JsonEnd, object_text

FENCE = "```"
OPENINGS = {
    "<tool_call>": "</tool_call>",
    "<tools>": "</tools>",
    "<|python_tag|>": "",
    "[TOOL_CALLS]": "",
    "<｜tool▁calls▁begin｜>": "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>": "<｜tool▁call▁end｜>",
    FENCE: FENCE,
}
"""What stands in front of calls, and what then closes them."""

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
_NAMED = ("<function={}>", "{}[ARGS]", "{}<｜tool▁sep｜>")
_PARAMETER, _PARAMETER_END, _FUNCTION_END = "<parameter=", "</parameter>", "</function>"
_XML_TAGS = (_PARAMETER, _FUNCTION_END)


class _Fields(msgspec.Struct):
    """What is known of a call before it begins."""

    name: str = ""
    arguments: str = ""


class CallReader:
    """Splits an answer into text and calls of the tools, wherever it is cut into pieces.

    A call counts only if its name is that of a tool; all else stays text, to the letter, but for
    white space beside calls. Once the name is known and the arguments have begun, they are passed
    on as they come. What may still become a call is held back, ordinary text is not. Without
    `parallel` only the first call is read, and what follows it is dropped.
    """

    def __init__(self, tools: Sequence[Tool], parallel: bool, new_id: Callable[[], str]) -> None:
        self._parallel = parallel
        self._quoted = {f'"{tool.name}"': tool.name for tool in tools}
        self._named = {form.format(tool.name): tool for tool in tools for form in _NAMED}
        self._incoming = Incoming()
        self._events = CallEvents(new_id)
        self._closings: list[str] = []
        self._reading = self._read()

    @property
    def called(self) -> bool:
        """Whether there is a call, and every one that began is whole."""
        return 0 < self._events.begun == self._events.whole

    @property
    def done(self) -> bool:
        """Whether nothing that still comes can count."""
        return self.called and not self._parallel

    def feed(self, text: str) -> list[CallEvent]:
        """What can be said with this piece."""
        self._incoming.add(text)
        next(self._reading, None)
        return self._events.take()

    def flush(self) -> list[CallEvent]:
        """What is still held back, when no more text comes."""
        self._incoming.end()
        next(self._reading, None)
        return self._events.take()

    def _read(self) -> Reading[None]:
        while (yield from self._incoming.more()):
            may_call = self._incoming.skip_to(_MAY_CALL)
            self._events.text(self._incoming.take())
            if may_call:
                yield from self._read_calls()
            if self._events.begun and not self._parallel:
                yield from self._drop_all()
        self._events.end()

    def _drop_all(self) -> Reading[None]:
        while (yield from self._incoming.more()):
            self._incoming.position = len(self._incoming.text)
            self._incoming.take()

    def _read_calls(self) -> Reading[None]:
        """The calls that follow one another here; text up to where the next one may begin."""
        self._closings = []
        while (yield from self._read_call()) and self._parallel:
            yield from self._read_closings()
            yield from self._incoming.skip(_SPACE)
            yield from self._incoming.word((",", ";"))
            yield from self._incoming.skip(_SPACE)

    def _read_call(self) -> Reading[bool]:
        """A call with what opens it. What is none becomes text: then False."""
        marked = yield from self._read_openings()
        word = yield from self._incoming.word(self._named)
        if word and (yield from self._read_named(word)):
            return True
        if not word and (yield from self._incoming.peek()) in ("{", "["):
            return (yield from self._read_json(marked))
        self._events.text(self._incoming.take_some())
        return False

    def _read_openings(self) -> Reading[bool]:
        marked = False
        while opening := (yield from self._incoming.word(OPENINGS)):
            marked = True
            if OPENINGS[opening]:
                self._closings.append(OPENINGS[opening])
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

    def _begin(self, name: str) -> None:
        self._incoming.take()
        self._events.begin_call(name)

    # A name between tags, then arguments.

    def _read_named(self, word: str) -> Reading[bool]:
        tool = self._named[word]
        yield from self._incoming.skip(_SPACE)
        if (yield from self._incoming.peek()) != "{":
            return (yield from self._read_parameters(tool))
        self._begin(tool.name)
        yield from self._stream_arguments()
        if word.startswith("<"):
            self._closings.append(_FUNCTION_END)
        return True

    def _read_parameters(self, tool: Tool) -> Reading[bool]:
        """`<parameter=x>value</parameter>` …, `</function>`, passed on as JSON."""
        tag = yield from self._incoming.word(_XML_TAGS)
        if not tag:
            return False
        self._begin(tool.name)
        before = "{"
        while tag == _PARAMETER:
            name = yield from self._incoming.until(">")
            value = yield from self._incoming.until(_PARAMETER_END)
            self._incoming.take()
            if name is None or value is None:
                return True
            value = value.removeprefix("\n").removesuffix("\n")
            argument = json_argument(tool.parameters, name, value)
            self._events.arguments(f"{before}{json_text(name)}: {argument}")
            before = ", "
            yield from self._incoming.skip(_SPACE)
            tag = yield from self._incoming.word(_XML_TAGS)
        if tag == _FUNCTION_END:
            self._incoming.take()
            self._events.arguments("{}" if before == "{" else "}")
            self._events.end_call()
        return True

    # An object with a name and arguments.

    def _read_json(self, marked: bool) -> Reading[bool]:
        """An object, or the first one of a list. Other JSON becomes text, as a whole."""
        start, begun = self._incoming.position, self._events.begun
        if (yield from self._incoming.word(("[",))):
            self._closings.append("]")
            yield from self._incoming.skip(_SPACE)
        yield from self._read_object(marked, nested=False)
        if self._events.begun > begun:
            return True
        self._incoming.position = start
        yield from self._read_value(JsonEnd(), self._events.text)
        return False

    def _read_object(self, marked: bool, nested: bool) -> Reading[None]:
        """Begins a call, if the object is one."""
        fields, begun = _Fields(), self._events.begun
        more = yield from self._incoming.word(("{",))
        while more and (yield from self._read_field(fields, marked, nested)):
            if self._events.begun > begun:
                yield from self._skip_rest_of_object()
                return
            yield from self._incoming.skip(_SPACE)
            more = yield from self._incoming.word((",",))
        if marked and fields.name and (yield from self._incoming.word(("}",))):
            self._call(fields.name, "{}")

    def _read_field(self, fields: _Fields, marked: bool, nested: bool) -> Reading[bool]:
        """Begins the call, if this was missing. False if it is no field of a call."""
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
            self._begin(fields.name)
            yield from self._stream_arguments()
            return True
        elif key == "arguments":
            fields.arguments = object_text((yield from self._hold_value()))
            if not fields.arguments:
                return False
        else:
            return bool(key and (yield from self._hold_value()))
        if fields.name and fields.arguments:
            self._call(fields.name, fields.arguments)
        return True

    def _read_key(self) -> Reading[str]:
        """What a field means, up to its value; empty if it means nothing here."""
        yield from self._incoming.skip(_SPACE)
        key = yield from self._incoming.word(_KEYS)
        if not key:
            return ""
        yield from self._incoming.skip(_SPACE)
        colon = yield from self._incoming.word((":",))
        yield from self._incoming.skip(_SPACE)
        return _KEYS[key] if colon else ""

    def _call(self, name: str, arguments: str) -> None:
        """A call whose arguments were held back."""
        self._begin(name)
        self._events.arguments(arguments)
        self._events.end_call()

    def _stream_arguments(self) -> Reading[None]:
        yield from self._read_value(JsonEnd(), self._events.arguments)
        self._events.end_call()

    def _hold_value(self) -> Reading[str]:
        """Any value; empty if there is none."""
        start = self._incoming.position
        if (yield from self._incoming.peek()) in ("{", "[", '"'):
            yield from self._read_value(JsonEnd(), None)
        else:
            while not self._incoming.skip_to(_SCALAR_END) and (yield from self._incoming.more()):
                pass
        return self._incoming.text[start : self._incoming.position]

    def _skip_rest_of_object(self) -> Reading[None]:
        yield from self._incoming.skip(_SPACE)
        if (yield from self._incoming.peek()) in ("}", ","):
            yield from self._read_value(JsonEnd(inside="}"), None)
        self._incoming.take()

    def _read_value(self, end: JsonEnd, pass_on: Callable[[str], None] | None) -> Reading[None]:
        """Up to the end of a JSON value, or to where it stops being one."""
        while not (end.ended or end.failed) and (yield from self._incoming.more()):
            self._incoming.position = end.feed(self._incoming.text, self._incoming.position)
            if pass_on and self._incoming.position:
                pass_on(self._incoming.take())

"""The features of a chat template, found by rendering small conversations with marked texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openedai.prompts.chat_template.template import JinjaTemplate, TemplateFailed, TooCostly

Messages = Sequence[Mapping[str, Any]]
ReasoningField = Literal["reasoning_content", "thinking", "reasoning", "block"]
"""Where a template reads the reasoning of a message: a field, or a part of the content."""

_FIELDS: tuple[ReasoningField, ...] = ("reasoning_content", "thinking", "reasoning", "block")
_MARK = "markedText"
_CALLED = ("firstValue", "secondValue")
_KEY = "probeKey"
_TOOL = {
    "type": "function",
    "function": {
        "name": "probe_function",
        "description": "A function.",
        "parameters": {
            "type": "object",
            "properties": {_KEY: {"type": "string", "description": "A text."}},
            "required": [_KEY],
        },
    },
}
_USER = {"role": "user", "content": "A question"}
_ASSISTANT = {"role": "assistant", "content": "An answer"}


@dataclass(frozen=True)
class Capabilities:
    """What a template renders correctly.

    Content is a string or, typed, a list of parts. Arguments of tool calls are objects instead of
    JSON text if `supports_object_arguments`. `reasoning` is None for a template without it, and
    `requires_reasoning` if each message of the assistant must have some, at least "".
    """

    supports_string_content: bool
    supports_typed_content: bool
    supports_system_role: bool
    supports_tools: bool
    supports_tool_calls: bool
    supports_parallel_tool_calls: bool
    supports_tool_results: bool
    supports_object_arguments: bool
    supports_reasoning_effort: bool
    reasoning: ReasoningField | None
    requires_reasoning: bool


def find_capabilities(template: JinjaTemplate) -> Capabilities:
    """Renders some twenty short conversations."""
    probe = _Probe(template)
    calls = probe.render_calls()
    return Capabilities(
        supports_string_content=probe.string_content,
        supports_typed_content=probe.typed_content,
        supports_system_role=_MARK in probe.render({"role": "system", "content": _MARK}, _USER),
        supports_tools=_TOOL["function"]["name"] in probe.render(_USER, tools=True),  # type: ignore[index]
        supports_tool_calls=_CALLED[0] in calls,
        supports_parallel_tool_calls=_CALLED[0] in calls and _CALLED[1] in calls,
        supports_tool_results=_MARK in calls,
        supports_object_arguments=probe.object_arguments,
        supports_reasoning_effort=not template.names.isdisjoint(
            ("reasoning_effort", "reasoning_strength")
        ),
        reasoning=probe.find_reasoning(),
        requires_reasoning=probe.requires_reasoning,
    )


class _Probe:
    """Tries a template. What is found first is needed to find the rest."""

    def __init__(self, template: JinjaTemplate) -> None:
        self._template: JinjaTemplate | None = template
        self.string_content = True
        self.requires_reasoning = False
        self.string_content = _MARK in self.render({"role": "user", "content": _MARK})
        self.typed_content = self._renders_parts()
        self.requires_reasoning = not self.render(_USER, _ASSISTANT, _USER) and bool(
            self.render(_USER, _ASSISTANT | {"reasoning_content": ""}, _USER)
        )
        self.object_arguments = self._renders_object_arguments()

    def render(self, *messages: Mapping[str, Any], tools: bool = False, answer: bool = True) -> str:
        """The text for these messages; empty if the template fails, or was too costly before."""
        variables = {
            "messages": [self._mended(message) for message in messages],
            "tools": [_TOOL] if tools else None,
            "add_generation_prompt": answer,
            "enable_thinking": True,
            "bos_token": "",
            "eos_token": "",
        }
        try:
            return self._template.render(variables) if self._template else ""
        except TooCostly:
            self._template = None
            return ""
        except TemplateFailed:
            return ""

    def _mended(self, message: Mapping[str, Any]) -> dict[str, Any]:
        mended = dict(message)
        if not self.string_content and self.typed_content and isinstance(message["content"], str):
            mended["content"] = [{"type": "text", "text": message["content"]}]
        if self.requires_reasoning and message["role"] == "assistant":
            mended.setdefault("reasoning_content", "")
        return mended

    def _renders_parts(self) -> bool:
        self.typed_content = False
        part = {"type": "text", "text": _MARK}
        rendered = self.render({"role": "user", "content": [part]})
        return _MARK in rendered and not _shows_object(rendered, "text", _MARK)

    def _renders_object_arguments(self) -> bool:
        self.object_arguments = True
        rendered = self.render_calls(1)
        return _CALLED[0] in rendered and not _shows_object(rendered, _KEY, _CALLED[0], quotes="'")

    def render_calls(self, number: int = 2) -> str:
        """The text of a conversation with this many calls and their results."""
        ids = ("call00001", "call00002")[:number]  # Mistral's ids have 9 letters and digits
        calls = [self._call(*one) for one in zip(ids, _CALLED, strict=False)]
        results = [{"role": "tool", "content": _MARK, "tool_call_id": one} for one in ids]
        assistant = {"role": "assistant", "content": "", "tool_calls": calls}
        rendered = self.render(_USER, assistant, *results, _ASSISTANT, _USER, tools=True)
        return self.render_calls(1) if number > 1 and not rendered else rendered

    def _call(self, call_id: str, value: str) -> dict[str, Any]:
        arguments: Any = {_KEY: value} if self.object_arguments else f'{{"{_KEY}": "{value}"}}'
        function = {"name": "probe_function", "arguments": arguments}
        return {"type": "function", "function": function, "id": call_id}

    def find_reasoning(self) -> ReasoningField | None:
        return next((field for field in _FIELDS if self._renders_reasoning(field)), None)

    def _renders_reasoning(self, field: ReasoningField) -> bool:
        """Whether reasoning is rendered. Some templates render it only next to a call, others only
        at the end, or everywhere.
        """
        reasoning: dict[str, Any] = {field: _MARK}
        if field == "block":
            parts = [{"type": "thinking", "thinking": _MARK}, {"type": "text", "text": "An answer"}]
            reasoning = {"content": parts}
        answer = _ASSISTANT | reasoning
        call = {"role": "assistant", "content": "", "tool_calls": [self._call("call00001", "x")]}
        result = {"role": "tool", "content": "", "tool_call_id": "call00001"}
        texts = (
            self.render(_USER, answer, answer=False),
            self.render(_USER, answer, _USER),
            self.render(_USER, call | reasoning, result, tools=True),
        )
        return any(_MARK in text and not _shows_object(text, "thinking", _MARK) for text in texts)


def _shows_object(text: str, key: str, value: str, quotes: str = "'\"") -> bool:
    """Whether the text contains the object itself, in Python's notation or in JSON."""
    return any(f"{quote}{key}{quote}: {quote}{value}" in text for quote in quotes)

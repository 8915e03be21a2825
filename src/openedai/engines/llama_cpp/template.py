"""The features of a model's chat template, and the prompt that it renders from a conversation.

llama.cpp renders the template. This adds what a template may lack: a model that was not trained
for tools gets them in its system message, and their results in a message of the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.contract.chat import Chat, Tool
from openedai.engines.llama_cpp.server.api import LlamaApi
from openedai.engines.messages import message_fields
from openedai.errors import PARAM, APIError, Unsupported
from openedai.prompts.reading.reasoning import REASONING_TAGS, opens_reasoning
from openedai.prompts.tool_call_formats import (
    DEFAULT_FORMAT,
    ToolCallFormat,
    detect_native_format,
    format_with_grammar,
)
from openedai.prompts.tool_prompt import render_tools_as_text

_PROBE = Tool(name="probe_function", parameters={"type": "object", "properties": {}})


class Capabilities(msgspec.Struct, frozen=True):
    """The features of the template, as llama.cpp found by trying it."""

    supports_tools: bool = False
    supports_tool_calls: bool = False
    supports_reasoning_effort: bool = False


class Modalities(msgspec.Struct, frozen=True):
    """The inputs of the model besides text. `video` is true if llama.cpp was built with ffmpeg."""

    vision: bool = False
    video: bool = False


class SlotDefaults(msgspec.Struct, frozen=True):
    """`n_ctx` is in tokens, for each slot."""

    n_ctx: int


class Properties(msgspec.Struct, frozen=True):
    """The answer of the server to `GET /props`."""

    default_generation_settings: SlotDefaults
    chat_template: str = ""
    chat_template_caps: Capabilities = Capabilities()
    bos_token: str = ""
    modalities: Modalities = Modalities()
    media_marker: str = "<__media__>"


@dataclass(frozen=True)
class Rendered:
    """A prompt, whether it ends inside a block of reasoning, and the format of tool calls."""

    prompt: str
    reasoning_open: bool
    tool_call_format: ToolCallFormat


class ChatTemplate:
    """The chat template of one model, which its server renders."""

    def __init__(self, model: str, api: LlamaApi, properties: Properties) -> None:
        self._model = model
        self._api = api
        self._source = properties.chat_template
        self._capabilities = properties.chat_template_caps
        self._native_format: str | None = None

    @property
    def reasons(self) -> bool:
        """Whether the model was trained to reason before it answers."""
        return (
            any(tag in self._source for tag in REASONING_TAGS) or "enable_thinking" in self._source
        )

    async def render(self, chat: Chat) -> Rendered:
        """Raises InvalidRequest for a conversation that the template refuses, and Unsupported for a
        reasoning effort that it does not support.
        """
        messages, tools, tool_call_format = chat.messages, chat.tools, DEFAULT_FORMAT
        if tools or any(message.tool_calls for message in messages):
            native = await self._detect_native_format()
            certain = chat.call_required or any(tool.strict for tool in tools)
            if native is None or (certain and format_with_grammar(native) is None):
                messages = render_tools_as_text(
                    messages, tools, required=chat.call_required, parallel=chat.parallel_calls
                )
                tools = ()
            else:
                tool_call_format = format_with_grammar(native) or DEFAULT_FORMAT
        body: dict[str, Any] = {
            "messages": [message_fields(one, ("reasoning_content",)) for one in messages]
        }
        if tools:
            body["tools"] = [_tool_fields(tool) for tool in tools]
        if arguments := self._arguments(chat):
            body["chat_template_kwargs"] = arguments
        prompt = await self._api.apply_template(body)
        return Rendered(prompt, opens_reasoning(prompt), tool_call_format)

    async def _detect_native_format(self) -> str | None:
        """The format in which the template renders calls; None if it is not a known one."""
        if self._native_format is None:
            self._native_format = await self._probe() or ""
        return self._native_format or None

    async def _probe(self) -> str | None:
        if not (self._capabilities.supports_tools and self._capabilities.supports_tool_calls):
            return None
        call = {"name": _PROBE.name, "arguments": '{"probe_key":"probe_value"}'}
        calls = [{"id": "call_probe", "type": "function", "function": call}]
        messages = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "tool_calls": calls},
        ]
        body = {"messages": messages, "tools": [_tool_fields(_PROBE)]}
        try:
            return detect_native_format(await self._api.apply_template(body))
        except APIError:
            return None

    def _arguments(self, chat: Chat) -> dict[str, Any]:
        """The arguments of the template besides messages and tools."""
        effort, given = chat.reasoning_effort, chat.template_arguments
        if effort is None:
            return given
        if "enable_thinking" in self._source:
            return {"enable_thinking": effort != "none"} | given
        if self._capabilities.supports_reasoning_effort or "reasoning_effort" in self._source:
            return {"reasoning_effort": effort} | given
        if chat.effort_optional or (effort == "none" and not self.reasons):
            return given
        raise Unsupported(
            f"Unsupported parameter: '{PARAM}' is not supported by the model `{self._model}`.",
            code="unsupported_parameter",
            param="reasoning_effort",
        )


def _tool_fields(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}

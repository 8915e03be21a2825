"""The prompt that a model's chat template renders from a conversation.

This adds what a template may lack: a model that was not trained for tools gets them in its system
message, and their results in a user message.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from openedai.contract.chat import Chat, Tool
from openedai.engines.messages import message_fields
from openedai.errors import PARAM, EngineFailed, InvalidRequest, Unsupported, invalid_value
from openedai.prompts.chat_template.conversation import ConversationTemplate
from openedai.prompts.chat_template.template import ConversationRefused, TemplateFailed
from openedai.prompts.reading.reasoning import REASONING_TAGS, opens_reasoning
from openedai.prompts.tool_call_formats import (
    DEFAULT_FORMAT,
    ToolCallFormat,
    detect_native_format,
    format_with_grammar,
)
from openedai.prompts.tool_prompt import render_tools_as_text

_PROBE = Tool(name="probe_function", parameters={"type": "object", "properties": {}})


@dataclass(frozen=True)
class Rendered:
    """A prompt, whether it ends inside a block of reasoning, and the format of tool calls."""

    prompt: str
    reasoning_open: bool
    tool_call_format: ToolCallFormat


class ChatTemplate:
    """The chat template of one model. It can be used in several threads at once."""

    def __init__(
        self,
        model: str,
        source: str,
        *,
        bos_token: str = "",
        eos_token: str = "",
        adds_bos: bool = False,
        adds_eos: bool = False,
    ) -> None:
        """`adds_bos` and `adds_eos` are whether the tokeniser puts these tokens around a text.

        Raises EngineFailed for a source that is not a Jinja template.
        """
        self._model = model
        self.source = source
        try:
            self._template = ConversationTemplate(
                source,
                bos_token=bos_token,
                eos_token=eos_token,
                adds_bos=adds_bos,
                adds_eos=adds_eos,
            )
        except ValueError as error:
            raise EngineFailed(
                f"The model `{model}` could not be loaded: its chat template is not valid: {error}."
            ) from error

    @property
    def reasons(self) -> bool:
        """Whether the model was trained to reason before it answers."""
        return any(tag in self.source for tag in REASONING_TAGS) or "enable_thinking" in self.source

    def render(self, chat: Chat) -> Rendered:
        """Raises InvalidRequest for a conversation that the template refuses, and Unsupported for a
        reasoning effort that it does not support.
        """
        messages, tools, tool_call_format = chat.messages, chat.tools, DEFAULT_FORMAT
        end = f"end-{secrets.token_hex(16)}"  # so that no other text contains it
        if chat.continue_last:
            last = messages[-1]
            messages = (*messages[:-1], replace(last, content=last.content + end))
        if tools or any(message.tool_calls for message in messages):
            native = self._native_format
            certain = chat.call_required or any(tool.strict for tool in tools)
            if native is None or (certain and format_with_grammar(native) is None):
                messages = render_tools_as_text(
                    messages, tools, required=chat.call_required, parallel=chat.parallel_calls
                )
                tools = ()
            else:
                tool_call_format = format_with_grammar(native) or DEFAULT_FORMAT
        fields = [message_fields(one, ("reasoning_content",)) for one in messages]
        prompt = self._render(fields, [_tool_fields(tool) for tool in tools], chat)
        if chat.continue_last:
            prompt, found, _ = prompt.rpartition(end)
            if not found:
                raise InvalidRequest(
                    f"The model `{self._model}` cannot continue this message: its chat template "
                    "leaves out the text of it.",
                    code="invalid_value",
                    param="messages",
                )
        return Rendered(prompt, opens_reasoning(prompt), tool_call_format)

    def _render(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], chat: Chat
    ) -> str:
        invite = chat.invite_answer and not chat.continue_last
        arguments = self._arguments(chat)
        try:
            return self._template.render(messages, tools, arguments, add_generation_prompt=invite)
        except ConversationRefused as error:
            why = f"The model refused the request: {error}"
        except TemplateFailed as error:
            why = (
                f"The model `{self._model}` cannot be given these messages: its chat template "
                f"failed: {error}."
            )
        raise InvalidRequest(why, code="invalid_value", param="messages")

    @cached_property
    def _native_format(self) -> str | None:
        """The format in which the template renders calls; None if it is unknown."""
        capabilities = self._template.capabilities
        if not (capabilities.supports_tools and capabilities.supports_tool_calls):
            return None
        call = {"name": _PROBE.name, "arguments": '{"probe_key":"probe_value"}'}
        calls = [{"id": "call_probe", "type": "function", "function": call}]
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "", "tool_calls": calls},
        ]
        try:
            return detect_native_format(self._template.render(messages, [_tool_fields(_PROBE)]))
        except TemplateFailed:
            return None

    def _arguments(self, chat: Chat) -> dict[str, Any]:
        """The arguments of the template besides messages and tools."""
        effort, given = chat.reasoning_effort, chat.template_arguments
        if isinstance(given.get("enable_thinking"), str):  # templates would take "false" as true
            raise invalid_value("chat_template_kwargs.enable_thinking", "it must be a boolean")
        if effort is None:
            return given
        if "enable_thinking" in self.source:
            return {"enable_thinking": effort != "none"} | given
        if (
            self._template.capabilities.supports_reasoning_effort
            or "reasoning_effort" in self.source
        ):
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

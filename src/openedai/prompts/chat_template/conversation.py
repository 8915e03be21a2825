"""Renders the prompt of a conversation, with its messages adapted to what the template supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from openedai.bounded_json import read_json
from openedai.prompts.chat_template.capabilities import Capabilities, find_capabilities
from openedai.prompts.chat_template.limits import SECONDS
from openedai.prompts.chat_template.template import JinjaTemplate
from openedai.prompts.reading.reasoning import REASONING_TAGS

# The name of arguments that are not an object.
_NO_OBJECT = "arguments"
_HARMONY = "<|channel|>"
_LANGUAGES = ("source_lang_code", "target_lang_code")
_KEEPS_REASONING = ("preserve_thinking",)
_DROPS_REASONING = ("clear_thinking", "truncate_history_thinking", "drop_thinking")


class ConversationTemplate:
    """A model's chat template, with what it needs of the vocabulary.

    `adds_bos` and `adds_eos` are whether the tokeniser puts these tokens around a text; then the
    prompt leaves them out. It can be used in several threads at once.
    """

    def __init__(
        self,
        source: str,
        *,
        bos_token: str = "",
        eos_token: str = "",
        adds_bos: bool = False,
        adds_eos: bool = False,
        seconds: float = SECONDS,
    ) -> None:
        """Raises ValueError for text that is not a Jinja template."""
        self.source = source
        self._template = JinjaTemplate(source, seconds=seconds)
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._before = bos_token if adds_bos else ""
        self._after = eos_token if adds_eos else ""

    @cached_property
    def capabilities(self) -> Capabilities:
        """The template's capabilities, found when they are first needed."""
        return find_capabilities(self._template)

    @cached_property
    def _reasons(self) -> bool:
        """Whether the template has reasoning to enable."""
        return self.capabilities.reasoning is not None or any(
            tag in self.source for tag in REASONING_TAGS
        )

    @property
    def _translates(self) -> bool:
        """Whether each user text needs its language, and the language of its translation."""
        return all(name in self.source for name in _LANGUAGES)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        arguments: Mapping[str, Any] | None = None,
        *,
        add_generation_prompt: bool = True,
    ) -> str:
        """The prompt for messages and tools in the shape of the OpenAI API.

        `arguments` are further variables of the template. Raises ConversationRefused and
        TemplateFailed.
        """
        arguments = arguments or {}
        given = {
            "messages": self._adapted(messages, arguments),
            "tools": list(tools) or None,
            "add_generation_prompt": add_generation_prompt,
        }
        defaults = self._tokens | {"documents": None, "enable_thinking": self._reasons} | _dates()
        prompt = self._template.render(defaults | _aliases(arguments) | given)
        return prompt.removeprefix(self._before).removesuffix(self._after)

    def _adapted(
        self, messages: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        capabilities = self.capabilities
        adapted = [self._adapted_message(message) for message in messages]
        if not capabilities.supports_system_role:
            adapted = _without_system(adapted)
        if self._translates:
            _put_languages_into_content(adapted, arguments)
        elif capabilities.supports_typed_content and not capabilities.supports_string_content:
            for message in adapted:
                message["content"] = [{"type": "text", "text": message["content"]}]
        if capabilities.reasoning == "block":
            for message in adapted:
                _put_reasoning_into_content(message)
        return adapted

    def _adapted_message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        adapted = {name: value for name, value in message.items() if value not in ("", None)}
        adapted["content"] = message.get("content") or ""
        if message["role"] == "developer" and _HARMONY not in self.source:
            adapted["role"] = "system"
        if self.capabilities.supports_object_arguments and message.get("tool_calls"):
            adapted["tool_calls"] = [_with_object_arguments(one) for one in message["tool_calls"]]
        if message["role"] == "assistant":
            self._adapt_reasoning(adapted)
        return adapted

    def _adapt_reasoning(self, message: dict[str, Any]) -> None:
        reasoning, field = message.get("reasoning_content"), self.capabilities.reasoning
        if reasoning and field in ("thinking", "reasoning"):
            message[field] = reasoning
        if reasoning is None and self.capabilities.requires_reasoning:
            message["reasoning_content"] = ""


def _dates() -> dict[str, str]:
    now = datetime.now()
    return {"date_string": now.strftime("%d %b %Y"), "datetime": now.strftime("%b %d %Y")}


def _aliases(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, also under the other names that templates use for them."""
    aliases: dict[str, Any] = {}
    effort, keep = arguments.get("reasoning_effort"), arguments.get("preserve_reasoning")
    if isinstance(effort, str):
        aliases["reasoning_strength"] = effort
    if isinstance(keep, bool):
        aliases |= dict.fromkeys(_KEEPS_REASONING, keep) | dict.fromkeys(_DROPS_REASONING, not keep)
    return aliases | dict(arguments)


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, where a system message at the start becomes part of the next message, or a user
    message.
    """
    if not messages or messages[0]["role"] != "system":
        return messages
    system, *others = messages
    if not others:
        return [system | {"role": "user"}]
    content = f"{system['content']}\n{others[0]['content']}"
    return [others[0] | {"content": content}, *others[1:]]


def _put_languages_into_content(
    messages: list[dict[str, Any]], arguments: Mapping[str, Any]
) -> None:
    languages = {name: arguments.get(name, "en-GB") for name in _LANGUAGES}
    for message in messages:
        if message["role"] == "user":
            message["content"] = [{"type": "text", "text": message["content"], **languages}]


def _put_reasoning_into_content(message: dict[str, Any]) -> None:
    reasoning = message.pop("reasoning_content", None)
    if reasoning:
        content = message["content"]
        text = [{"type": "text", "text": content}] if isinstance(content, str) else content
        message["content"] = [{"type": "thinking", "thinking": reasoning}, *text]


def _with_object_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    """The call with its arguments as an object, whatever the model wrote."""
    function = dict(call["function"])
    arguments = function.get("arguments")
    if not isinstance(arguments, Mapping):
        function["arguments"] = _as_object(arguments)
    return {**call, "function": function}


def _as_object(arguments: Any) -> dict[str, Any]:
    """The arguments as an object. If a limit cut them off, they end where the text does; anything
    but an object becomes a value in one.
    """
    if not isinstance(arguments, str):
        return {} if arguments is None else {_NO_OBJECT: arguments}
    if not arguments.strip():
        return {}
    try:
        value = read_json(arguments, allow_partial="trailing-strings")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {_NO_OBJECT: arguments}

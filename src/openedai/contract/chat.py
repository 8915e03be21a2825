"""Conversations: messages, the images in them, and the tools that the model may call."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openedai.contract.struct import Struct


class ToolCall(Struct, frozen=True):
    """A call that the model made. `arguments` is JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


class Image(Struct, frozen=True):
    """An image in a message.

    `raw` is a complete file of the type `media_type`, such as `image/png`. The image is after the
    first `at` characters of the message's content. `detail` is the resolution at which the model
    sees it, in the official API's words: "auto", "low" or "high".
    """

    raw: bytes
    media_type: str
    at: int
    detail: str = "auto"


class Message(Struct, frozen=True):
    """One message of a conversation.

    `content` and `reasoning` are plain text. `images` are in ascending order of `at`. `name` is the
    author's. `tool_calls` are those of an assistant's message, and `tool_call_id` is the id of the
    call whose result this message is. None means that the message does not have one.
    """

    role: str
    content: str = ""
    images: tuple[Image, ...] = ()
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class InputGrammar(Struct, frozen=True):
    """A grammar in the notation of Lark, or a regular expression that matches a text as a whole."""

    syntax: Literal["lark", "regex"]
    definition: str


class Tool(Struct, frozen=True):
    """A function that the model may call.

    `parameters` is the JSON Schema of its arguments, an object; None means no arguments. With
    `strict` the arguments of every call validate against it: an engine that cannot enforce that
    raises InvalidRequest. Then the text `input`, the only argument, also follows `input_grammar` if
    there is one.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool = False
    input_grammar: InputGrammar | None = None


class Chat(Struct, frozen=True, tag="chat"):
    """A conversation, which the engine renders with the model's own chat template.

    With `call_required` the answer is one or more tool calls and no text. Without `parallel_calls`
    it has at most one call.

    `reasoning_effort` is in the official API's words, such as "none" or "low"; None is the model's
    default. For a model that does not support it, the engine raises Unsupported, or ignores it with
    `effort_optional`. `template_arguments` are extra variables for the template.

    With `continue_last` the answer goes on with the last message, which has no tool calls. Without
    `invite_answer` the prompt ends after the last message, without the start of another.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    call_required: bool = False
    parallel_calls: bool = True
    reasoning_effort: str | None = None
    effort_optional: bool = False
    continue_last: bool = False
    invite_answer: bool = True
    template_arguments: dict[str, Any] = msgspec.field(default_factory=dict)

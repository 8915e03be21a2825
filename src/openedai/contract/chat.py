"""A conversation: its messages, the images in them, and the tools that may be called."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.struct import Struct


class ToolCall(Struct, frozen=True):
    """A call that the model made. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Image(Struct, frozen=True):
    """A picture in a message: a whole file of the type `media_type`, such as `image/png`.

    It stands behind the first `at` characters of the message's content. `detail` is how closely
    the model should look, in the official API's words.
    """

    raw: bytes
    media_type: str
    at: int
    detail: str = "auto"


class Message(Struct, frozen=True):
    """One turn of a conversation. `content` and `reasoning` are plain text; `images` are in the
    order in which they stand in it.
    """

    role: str
    content: str = ""
    images: tuple[Image, ...] = ()
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(Struct, frozen=True):
    """A function that the model may call. `parameters` is a JSON Schema; None takes no arguments.

    The arguments of a `strict` tool follow the schema, or the request is refused.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool = False


class Chat(Struct, frozen=True, tag="chat"):
    """A conversation; the engine renders it with the model's own chat template.

    With `call_required` the answer is at least one call of the tools, and nothing else. Without
    `parallel_calls` it has at most one call. `template_arguments` are given to the template. A
    model that knows no `reasoning_effort` refuses it, or with `effort_optional` leaves it out.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    call_required: bool = False
    parallel_calls: bool = True
    reasoning_effort: str | None = None
    effort_optional: bool = False
    template_arguments: dict[str, Any] = msgspec.field(default_factory=dict)

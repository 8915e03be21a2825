"""Stored chat completions: the parameters in their URLs, and their objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.pages import Query
from openedai.http.body import Body
from openedai.store.conversations.chats import StoredChat

_OTHERS = ("tool_calls", "tool_call_id", "function_call", "audio", "reasoning_content")


class ChatListQuery(Query):
    order: Literal["asc", "desc"] = "asc"
    model: Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")] | None = None
    metadata: Metadata | None = None


class ChatMessagesQuery(Query):
    order: Literal["asc", "desc"] = "asc"


class ChatUpdateRequest(Body):
    metadata: Metadata | None


class StoredMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An input message with an id. `content_parts` is the content if it was given in parts."""

    id: str
    role: str
    content: str | None
    name: str | None
    content_parts: list[Any] | None
    tool_calls: Any = msgspec.UNSET
    tool_call_id: str | msgspec.UnsetType = msgspec.UNSET
    function_call: Any = msgspec.UNSET
    audio: Any = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


def chat_json(chat: StoredChat) -> msgspec.Raw:
    """The completion with its metadata."""
    return msgspec.Raw(f'{chat.completion[:-1]},"metadata":{chat.metadata}}}'.encode())


def stored_messages(chat: StoredChat) -> Iterator[StoredMessage]:
    """The input messages, in the order of the conversation."""
    for number, fields in enumerate(msgspec.json.decode(chat.messages)):
        content = fields.pop("content", None)
        whole = content is None or isinstance(content, str)
        others = {name: fields[name] for name in _OTHERS if fields.get(name) is not None}
        yield StoredMessage(
            id=f"{chat.id}-{number}",
            role=fields["role"],
            content=content if whole else None,
            name=fields.get("name"),
            content_parts=None if whole else content,
            **others,
        )

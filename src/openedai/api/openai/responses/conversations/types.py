"""The bodies of `/v1/conversations`, the parameters in its URLs, and its objects."""

from __future__ import annotations

import msgspec
from pydantic import Field

from openedai.api.openai.responses.input.items import (
    AnyItem,
    CompactionTrigger,
    InputItem,
    ItemReference,
)
from openedai.api.openai.responses.types import Includable
from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.pages import Query
from openedai.errors import Unsupported
from openedai.http.body import Body
from openedai.store.conversations.conversations import Conversation

MAX_ITEMS = 20  # at a time


def _check_items(items: list[AnyItem] | None) -> None:
    for number, item in enumerate(items or ()):
        if isinstance(item, ItemReference | CompactionTrigger):
            raise Unsupported(
                f"Unsupported value: 'items[{number}]' is no item that a conversation can keep.",
                code="unsupported_value",
                param=f"items[{number}].type",
            )


class ConversationCreateRequest(Body):
    items: list[InputItem] | None = Field(None, max_length=MAX_ITEMS)
    metadata: Metadata | None = None

    def check(self) -> None:
        _check_items(self.items)


class ConversationUpdateRequest(Body):
    metadata: Metadata | None


class ItemCreateRequest(Body):
    items: list[InputItem] = Field(min_length=1, max_length=MAX_ITEMS)

    def check(self) -> None:
        _check_items(self.items)


class ItemQuery(Body):
    include: list[Includable] | None = None


class ItemListQuery(Query):
    include: list[Includable] | None = None


class ConversationObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "conversation"
    created_at: int
    metadata: msgspec.Raw

    @classmethod
    def of(cls, conversation: Conversation) -> ConversationObject:
        return cls(
            id=conversation.id,
            created_at=int(conversation.created_at),
            metadata=msgspec.Raw(conversation.metadata.encode()),
        )

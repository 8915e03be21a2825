"""What a request refers to: earlier responses, conversations and items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from openedai.api.openai.responses.input.items import AnyItem
from openedai.http.exchange import Exchange


class History(Protocol):
    """The stored items that belong to the exchange's caller.

    Its methods raise NotFound, naming the parameter.
    """

    async def of_response(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        """All items up to the end of a response, for `previous_response_id`."""

    async def of_conversation(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        """All items of a conversation, for `conversation`."""

    async def items(self, exchange: Exchange, ids: Sequence[str]) -> Mapping[str, AnyItem]:
        """The items that references in the input name."""

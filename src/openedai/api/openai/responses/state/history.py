"""What requests refer to, read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from openedai.api.openai.responses.input.items import AnyItem, item_reader
from openedai.errors import NotFound
from openedai.http.exchange import Exchange
from openedai.serving.responses.keeping import ResponseKeeping


class StoredHistory:
    """Only what belongs to the owner of the exchange."""

    def __init__(self, keeping: ResponseKeeping) -> None:
        self._responses = keeping.responses
        self._conversations = keeping.conversations
        self._reader = item_reader()

    async def of_response(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        try:
            turns = await self._responses.history(exchange.owner, id)
        except NotFound as error:
            raise NotFound(
                f"Previous {error.message[0].lower()}{error.message[1:]}",
                code="previous_response_not_found",
                param="previous_response_id",
            ) from None
        return self._read(array[1:-1] for turn in turns for array in turn)

    async def of_conversation(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        return self._read(await self._conversations.all(exchange.owner, id))

    async def items(self, exchange: Exchange, ids: Sequence[str]) -> Mapping[str, AnyItem]:
        found: dict[str, AnyItem] = {}
        for id in dict.fromkeys(ids):
            item = await self._responses.item(exchange.owner, id)
            item = item or await self._conversations.find_item(exchange.owner, id)
            if item is None:
                raise NotFound(f"Item with id '{id}' not found.", param="input")
            found[id] = self._read([item])[0]
        return found

    def _read(self, texts: Iterable[str]) -> list[AnyItem]:
        """The items in the JSON of one item, or of several with commas between them."""
        return self._reader.validate_json(f"[{','.join(filter(None, texts))}]")

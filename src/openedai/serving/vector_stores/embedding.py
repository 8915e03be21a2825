"""Embeds the texts of vector stores, each with the model that the store remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from openedai.catalog.catalog import Catalog
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Text
from openedai.errors import InvalidRequest, ModelNotFound
from openedai.http.exchange import Exchange
from openedai.search.segments import halved, unit
from openedai.serving.call import Call
from openedai.serving.embedding import Embedding, input_type_of
from openedai.store.vector_stores.stores import VectorStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# One group is being embedded while the next one is prepared.
GROUP = 64
_PROBE = "The quick brown fox jumps over the lazy dog."
# The vectors of the same model in another weight format are at least this similar.
_ALIKE = 0.98
_CHECKED = 10_000

Purpose = Literal["document", "query"]


class StoreEmbedding:
    def __init__(self, catalog: Catalog, embedding: Embedding) -> None:
        self._catalog = catalog
        self._embedding = embedding
        self._checked: dict[tuple[str, bytes], None] = {}

    async def embed(
        self, store: VectorStore, exchange: Exchange, texts: Sequence[str], purpose: Purpose
    ) -> NDArray[np.float32]:
        """Vectors of length 1: [len(texts), dimensions].

        Raises InvalidRequest if the store's vectors were made by a different model, and what the
        engine raises.
        """
        await self.check(store, exchange)
        return await self._vectors(store, exchange, texts, purpose)

    async def probe(self, store: VectorStore, exchange: Exchange) -> bytes:
        """The model's vector of a fixed text, as float16."""
        return await asyncio.to_thread(
            halved, await self._vectors(store, exchange, [_PROBE], "document")
        )

    async def check(self, store: VectorStore, exchange: Exchange) -> None:
        """Raise InvalidRequest if the model's vectors cannot be compared with the store's.

        The model is asked once for each store while the server runs.
        """
        probe = store.fields.probe
        if probe is None or (store.id, probe) in self._checked:
            return
        found = await self.probe(store, exchange)
        if not await asyncio.to_thread(_similar, probe, found):
            raise InvalidRequest(
                f"The model `{store.fields.model}` is not the one that embedded the files of this "
                "vector store: their vectors cannot be compared. Add the files to a new store.",
                code="embedding_model_changed",
                param="vector_store_id",
            )
        if len(self._checked) >= _CHECKED:
            self._checked.clear()
        self._checked[store.id, probe] = None

    async def _vectors(
        self, store: VectorStore, exchange: Exchange, texts: Sequence[str], purpose: Purpose
    ) -> NDArray[np.float32]:
        call = self._call(store, exchange)
        inputs = tuple(Text(text=text) for text in texts)
        request = EmbedRequest(inputs=inputs, input_type=input_type_of(call, purpose))
        result = await self._embedding.run(call, request)
        return await asyncio.to_thread(_rows, result.data, result.dimensions)

    def _call(self, store: VectorStore, exchange: Exchange) -> Call[Any]:
        try:
            model = self._catalog.resolve(store.fields.model)
        except ModelNotFound as error:
            raise InvalidRequest(
                f"The model `{store.fields.model}`, which embedded the files of this vector store, "
                "is not there any more.",
                code="model_not_found",
                param="vector_store_id",
            ) from error
        return Call(None, model, exchange)


def _rows(data: bytes, dimensions: int) -> NDArray[np.float32]:
    import numpy as np

    return unit(np.frombuffer(data, "<f4").reshape(-1, dimensions))


def _similar(first: bytes, second: bytes) -> bool:
    import numpy as np

    if len(first) != len(second):
        return False
    rows = unit(np.stack([np.frombuffer(one, "<f2") for one in (first, second)]))
    return float(rows[0] @ rows[1]) >= _ALIKE

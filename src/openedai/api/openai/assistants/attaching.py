"""Files that are attached to messages: they go into the vector store of the thread."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from openedai.serving.vector_stores.service import NewFile, VectorStoreService
from openedai.store.assistants.messages import Message
from openedai.store.assistants.threads import ThreadFields
from openedai.store.vector_stores.files import Chunking
from openedai.store.vector_stores.stores import StoreFields

_DAYS = 7  # after which a store that was made for attachments expires, unless it is used


class Attaching:
    def __init__(self, stores: VectorStoreService) -> None:
        self._stores = stores

    async def attach(
        self, owner: str, fields: ThreadFields, messages: Sequence[Message]
    ) -> ThreadFields:
        """The fields of a thread that is to have these messages, with a store of their files.

        Raises NotFound for a file that is not the owner's.
        """
        ids = [file["file_id"] for one in messages for file in one.fields.attachments]
        files = [NewFile(id, {}, Chunking()) for id in dict.fromkeys(ids)]
        if not files:
            return fields
        if fields.stores:
            await self._stores.add_batch(owner, fields.stores[0], files)
            return fields
        made = await self._stores.create(owner, StoreFields(days=_DAYS, model=""), files, None)
        return msgspec.structs.replace(fields, stores=[made.id])

"""Makes vector stores along with assistants and threads, and for files that are attached to
messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import msgspec

from openedai.api.openai.assistants.served.code import CODE
from openedai.api.openai.assistants.served.search import SEARCH
from openedai.api.openai.assistants.tools import MAX_CODE_FILES, refused_tool
from openedai.api.openai.assistants.types import NewStore
from openedai.errors import ModelNotFound, NotFound, invalid_value
from openedai.identity import Identity
from openedai.serving.containers.service import ContainerService
from openedai.serving.vector_stores.service import NewFile, VectorStoreService
from openedai.store.assistants.messages import Message
from openedai.store.assistants.threads import ThreadFields
from openedai.store.vector_stores.files import Chunking
from openedai.store.vector_stores.stores import StoreFields

_RESOURCES = "tool_resources"
_DAYS = 7  # after which the store of a thread expires, unless it is used


class StoreMaking:
    """Makes the stores of one request. Everything here raises ModelNotFound if the key may not use
    the embedding model.
    """

    def __init__(
        self, stores: VectorStoreService, containers: ContainerService, identity: Identity
    ) -> None:
        self._stores = stores
        self._containers = containers
        self._identity = identity
        self._made: list[str] = []

    async def make(
        self, new: NewStore | None, days: int | None = None, param: str = _RESOURCES
    ) -> list[str]:
        """Make the store that a request describes in `param`, if it describes one. Returns its id.
        Raises NotFound for a file of another owner.
        """
        if new is None:
            return []
        fields = StoreFields(metadata=new.metadata or {}, days=days, model="")
        with _refused_at(param):
            return [await self._make(fields, new.files())]

    async def attach(
        self, fields: ThreadFields, messages: Sequence[Message], param: str
    ) -> ThreadFields:
        """The fields of a thread that is about to get these messages, with a store of their files,
        and with their files for code. The messages are the request's `param`.

        Raises NotFound for a file of another owner.
        """
        if code := _attached(messages, CODE):
            await check_code_files(self._containers, self._identity.project, code, param)
            code = list(dict.fromkeys([*(fields.code_files or ()), *code]))
            if len(code) > MAX_CODE_FILES:
                raise invalid_value(param, f"a thread can have {MAX_CODE_FILES} files for '{CODE}'")
            fields = msgspec.structs.replace(fields, code_files=code)
        files = [NewFile(id, {}, Chunking()) for id in _attached(messages, SEARCH)]
        if not files:
            return fields
        with _refused_at(param):
            if fields.stores:
                await self._stores.add_batch(self._identity, fields.stores[0], files)
                return fields
            made = await self._make(StoreFields(days=_DAYS, model=""), files)
        return msgspec.structs.replace(fields, stores=[made])

    async def fields(
        self,
        fields: ThreadFields,
        new: NewStore | None,
        messages: Sequence[Message],
        within: str = "",
    ) -> ThreadFields:
        """The fields of a new thread. The store that a request describes and the store of its
        messages' files are the same if there are both. `within` is the parameter that contains
        those of the thread.
        """
        if new is not None:
            stores = await self.make(new, _DAYS, f"{within}{_RESOURCES}")
            fields = msgspec.structs.replace(fields, stores=stores)
        return await self.attach(fields, messages, f"{within}messages")

    def keep(self) -> None:
        """Keep what was made, whatever becomes of the request, because something refers to it
        now.
        """
        self._made.clear()

    async def undo(self) -> None:
        """Delete what was made."""
        for id in self._made:
            try:
                await self._stores.delete(self._identity.project, id)
            except NotFound:
                continue

    async def _make(self, fields: StoreFields, files: Sequence[NewFile]) -> str:
        made = await self._stores.create(self._identity, fields, files, None)
        self._made.append(made.id)
        return made.id


def _attached(messages: Sequence[Message], tool: str) -> list[str]:
    """The files of messages for a tool."""
    ids = [
        file["file_id"]
        for one in messages
        for file in one.fields.attachments
        if any(given["type"] == tool for given in file["tools"])
    ]
    return list(dict.fromkeys(ids))


async def check_code_files(
    containers: ContainerService, owner: str, ids: Sequence[str], param: str
) -> None:
    """Raise NotFound for a file of another owner, and InvalidRequest if this server runs no
    code.
    """
    if not ids:
        return
    if (why := await containers.unavailable()) is not None:
        raise refused_tool(CODE, param, why)
    for id in ids:
        await containers.kept_file(owner, id, param)


@contextmanager
def _refused_at(param: str) -> Iterator[None]:
    """Refuse a model that the key may not use with an error about the parameter that needs it."""
    try:
        yield
    except ModelNotFound as error:
        error.param = param
        raise


@asynccontextmanager
async def making(
    stores: VectorStoreService, containers: ContainerService, identity: Identity
) -> AsyncIterator[StoreMaking]:
    """What makes stores for a request. If the request fails, they are deleted."""
    made = StoreMaking(stores, containers, identity)
    try:
        yield made
    except BaseException:
        await made.undo()
        raise

"""Vector stores: creates, changes and deletes them and the files in them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING
from openedai.catalog.models import Model
from openedai.contract.engine import Embedder
from openedai.engines.registry import capabilities_of
from openedai.errors import InvalidRequest, ModelNotFound, Unsupported, invalid_value
from openedai.identity import Identity
from openedai.jobs.jobs import Jobs
from openedai.store.database import Query
from openedai.store.files import FileRecord, Files
from openedai.store.ids import ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.files import (
    BATCH,
    Attributes,
    Chunking,
    FileBatch,
    StoreFile,
    VectorStoreFiles,
    new_entries,
    new_store_file,
)
from openedai.store.vector_stores.stores import (
    Counts,
    StoreFields,
    VectorStore,
    new_store,
    no_such_store,
)

KIND = "vector_store_file"
MAX_FILES = 10_000  # of one store


@dataclass(frozen=True)
class NewFile:
    """A file that is to be added to a store."""

    file: str
    attributes: Attributes
    chunking: Chunking


class VectorStoreService:
    """Each store is seen by its owner only."""

    def __init__(
        self,
        store: Store,
        files: VectorStoreFiles,
        uploaded: Files,
        jobs: Jobs,
        catalog: Catalog,
    ) -> None:
        self.stores = files.stores
        self.files = files
        self.most_files = MAX_FILES
        self._store = store
        self._uploaded = uploaded
        self._jobs = jobs
        self._catalog = catalog

    async def create(
        self, identity: Identity, fields: StoreFields, files: Sequence[NewFile], model: str | None
    ) -> VectorStore:
        """A new store whose files and queries are embedded by `model`, or else by the default
        model.

        Raises NotFound for a file or model that does not exist, also for a model that the key may
        not use, and Unsupported for a model that does not embed texts.
        """
        fields = msgspec.structs.replace(fields, model=self._model(identity, model))
        made = new_store(identity.project, fields)
        records = await self._records(identity.project, files)
        async with (await self._store.database()).write() as query:
            await self.stores.insert(query, made)
            for entry, record, file in zip(new_entries(len(files)), records, files, strict=True):
                await self._add(query, entry, made.id, record, file, None)
        self._jobs.wake()
        return made

    async def counts(self, store: VectorStore) -> Counts:
        return (await self.stores.counts([store.id]))[store.id]

    async def update(self, owner: str, id: str, **fields: object) -> VectorStore:
        """The store with changed fields. Raises NotFound."""
        await self.stores.find(owner, id)
        async with (await self._store.database()).write() as query:
            found = await self.stores.lock(query, id)
            found = found.changed(msgspec.structs.replace(found.fields, **fields))
            await self.stores.update(query, found)
        return found

    async def delete(self, owner: str, id: str) -> None:
        """Delete a store. Whoever works on its files loses the jobs. Raises NotFound."""
        await self.stores.find(owner, id)
        await self._clear(id, delete=True)

    async def add_file(self, identity: Identity, id: str, new: NewFile) -> StoreFile:
        """Raises NotFound for the store, the file and a model that the key may not use, and
        InvalidRequest if there is no room.
        """
        (added,) = await self._add_all(identity, id, [new], None)
        return added

    async def add_batch(self, identity: Identity, id: str, new: Sequence[NewFile]) -> FileBatch:
        """Add several files as a batch, which can be queried as a whole. Raises as `add_file`."""
        batch = FileBatch(ordered_id(BATCH), id, time.time(), cancelled=False)
        await self._add_all(identity, id, new, batch)
        return batch

    async def batch(self, owner: str, id: str, batch: str) -> tuple[FileBatch, Counts]:
        """A batch, and its files by their status. Raises NotFound."""
        await self.stores.find(owner, id)
        found = await self.files.batch(id, batch)
        return found, (await self.stores.batch_counts([batch]))[batch]

    async def cancel_batch(self, owner: str, id: str, batch: str) -> None:
        """Cancel the files of a batch that are not done. Raises NotFound."""
        await self.batch(owner, id, batch)
        async with (await self._store.database()).write() as query:
            for entry in await self.files.unfinished(query, "batch", batch):
                await self._jobs.remove(query, entry)
            keys = await self.files.cancel(query, batch)
        await self._store.contents.discard(keys)
        self._jobs.wake()

    async def file(self, owner: str, id: str, file: str) -> StoreFile:
        """Raises NotFound."""
        await self.stores.find(owner, id)
        return await self.files.find(id, file)

    async def set_attributes(
        self, owner: str, id: str, file: str, attributes: Attributes
    ) -> StoreFile:
        """The file with new attributes. Raises NotFound."""
        await self.file(owner, id, file)
        async with (await self._store.database()).write() as query:
            await self.stores.lock(query, id)
            found = await self.files.lock(query, id, file)
            await self.files.set_attributes(query, found, attributes)
        return await self.files.find(id, file)

    async def remove_file(self, owner: str, id: str, file: str) -> None:
        """Remove a file from a store; the file itself is kept. Raises NotFound."""
        found = await self.file(owner, id, file)
        async with (await self._store.database()).write() as query:
            await self._jobs.remove(query, found.entry)
            keys = await self.files.remove(query, id, file)
        await self._store.contents.discard(keys)
        self._jobs.wake()

    async def sweep(self) -> None:
        """Delete the files of stores that have expired."""
        for id in await self.stores.expired():
            await self._clear(id, delete=False)

    def _model(self, identity: Identity, name: str | None) -> str:
        model = self._catalog.default(EMBEDDING) if name is None else self._resolved(name)
        if model is None:
            raise Unsupported(
                "This server has no model for embeddings, which vector stores need.",
                code="unsupported_model",
                param="embedding_model",
            )
        if Embedder not in capabilities_of(model.spec.engine, model.spec.options):
            raise invalid_value("embedding_model", f"the model `{model.id}` embeds no texts")
        if not self._catalog.permits(identity, model.id):
            raise ModelNotFound(name or model.id, param="embedding_model")
        return model.id

    def _resolved(self, name: str) -> Model:
        try:
            return self._catalog.resolve(name)
        except ModelNotFound as error:
            raise ModelNotFound(name, param="embedding_model") from error

    async def _add_all(
        self, identity: Identity, id: str, new: Sequence[NewFile], batch: FileBatch | None
    ) -> list[StoreFile]:
        store = await self.stores.find(identity.project, id)
        check_usable(store)
        if not self._catalog.permits(identity, store.fields.model):
            raise ModelNotFound(store.fields.model, param="vector_store_id")
        records = await self._records(identity.project, new)
        added: list[StoreFile] = []
        keys: list[str] = []
        async with (await self._store.database()).write() as query:
            found = await self.stores.lock(query, id)
            await self.stores.update(query, found.active())
            if batch is not None:
                await self.files.add_batch(query, batch)
            for entry, record, file in zip(new_entries(len(new)), records, new, strict=True):
                one, removed = await self._add(query, entry, id, record, file, batch)
                added.append(one)
                keys += removed
            await self._check_room(query, id)
        await self._store.contents.discard(keys)
        self._jobs.wake()
        return added

    async def _add(
        self,
        query: Query,
        entry: str,
        id: str,
        record: FileRecord,
        new: NewFile,
        batch: FileBatch | None,
    ) -> tuple[StoreFile, list[str]]:
        """The file in the store, with its job, and the keys of the blobs that it had before."""
        added = new_store_file(
            *(entry, id, record.id, record.filename, None if batch is None else batch.id),
            attributes=new.attributes,
            chunking=new.chunking,
        )
        keys = await self.files.add(query, added)
        await self._jobs.add(query, KIND, added.entry, {"store": id, "file": record.id})
        return added, keys

    async def _check_room(self, query: Query, id: str) -> None:
        counted = "select count(*) from vector_store_files where store=$1"
        ((count,),) = await query(counted, id)
        if count > self.most_files:
            raise InvalidRequest(
                f"A vector store has at most {self.most_files} files.",
                code="too_many_files",
                param="file_id",
            )

    async def _records(self, owner: str, new: Sequence[NewFile]) -> list[FileRecord]:
        return [await self._uploaded.find(owner, one.file) for one in new]

    async def _clear(self, id: str, *, delete: bool) -> None:
        """Remove the files of a store and, with `delete`, the store itself."""
        async with (await self._store.database()).write() as query:
            for entry in await self.files.unfinished(query, "store", id):
                await self._jobs.remove(query, entry)
            keys = await self.files.remove(query, id)
            if delete and not await self.stores.delete(query, id):
                raise no_such_store(id)
        await self._store.contents.discard(keys)
        self._jobs.wake()


def file_remover(
    files: VectorStoreFiles, jobs: Jobs
) -> Callable[[Query, str], Awaitable[list[str]]]:
    """A function that removes a deleted file from all stores, in the same transaction, and returns
    the keys of blobs that are no longer used. Whoever works on the file loses the job.
    """

    async def remove(query: Query, file: str) -> list[str]:
        for entry in await files.unfinished(query, "file", file):
            await jobs.remove(query, entry)
        return await files.remove_file(query, file)

    return remove


def check_usable(store: VectorStore) -> None:
    """Raise InvalidRequest for a store that has expired."""
    if store.expired:
        raise InvalidRequest(
            f"Vector store '{store.id}' has expired.",
            code="vector_store_expired",
            param="vector_store_id",
        )

"""A file of a vector store as a job: reads its text, divides it into chunks and embeds them."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from openedai.errors import InvalidRequest, NotFound, Unavailable
from openedai.extract.text import Limits, NotReadable, Text, extract
from openedai.http.dialect import Dialect
from openedai.http.exchange import Background, Exchange
from openedai.identity import Identity
from openedai.jobs.handler import RunningJob
from openedai.search.chunks import Divider, Span, parts_of
from openedai.search.segments import Segment, encode, halved
from openedai.serving.usage.ends import Ends
from openedai.serving.vector_stores.embedding import GROUP, StoreEmbedding
from openedai.serving.vector_stores.saving import SAVED_TEXTS, SavedVectors
from openedai.serving.vector_stores.service import KIND
from openedai.store.contents import Writing
from openedai.store.database import Query
from openedai.store.files import Files
from openedai.store.ids import ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.files import SEGMENT, FileError, StoreFile, VectorStoreFiles
from openedai.store.vector_stores.stores import VectorStore

log = logging.getLogger("openedai.vector_stores")

# Files at once on one server: small ones share the batches of the engine.
_SLOTS = 8
MAX_TOKENS = 5_000_000  # of one file
# Groups of one file that the engine embeds at once.
_GROUPS = 2
_VECTOR_BYTES = 2  # for each dimension, in a segment
# No file is still being read at this age.
_LEFT_SECONDS = 86400.0
# The seconds after which it is tried again, within one attempt at the job.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class VectorStoreHandler:
    """`folder` is for files while their text is read."""

    kind: ClassVar[str] = KIND

    def __init__(
        self,
        store: Store,
        files: VectorStoreFiles,
        uploaded: Files,
        embedding: StoreEmbedding,
        folder: Path,
        dialect: Dialect,
        limits: Limits,
        ends: Ends,
    ) -> None:
        self.slots = _SLOTS
        self._store = store
        self._files = files
        self._uploaded = uploaded
        self._embedding = embedding
        self._folder = folder
        self._dialect = dialect
        self._limits = limits
        self._ends = ends

    async def run(self, job: RunningJob) -> None:
        """If the store or the model cannot be used now, the file is delayed."""
        for pause in _PAUSES:
            try:
                await self._run(job)
                return
            except Unavailable as error:
                log.warning("%s waits %g s: %s", job.id, pause, error.message)
            await asyncio.sleep(pause)
        await self._run(job)

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        error = FileError("server_error", reason)
        await self._files.fail(query, input["store"], input["file"], id, error)

    async def _run(self, job: RunningJob) -> None:
        try:
            store = await self._files.stores.load(job.input["store"])
            file = await self._files.find(store.id, job.input["file"])
            if file.entry == job.id and file.status == "in_progress":
                await self._ingest(job, store, file)
                return
        except NotReadable as error:
            await self._fail(job, FileError(error.code, error.message))
        except InvalidRequest as error:  # the model, or something that was deleted
            await self._fail(job, FileError("server_error", error.message))
        else:  # it is done, or was added again
            async with job.step() as query:
                await job.end(query, "completed")

    async def _fail(self, job: RunningJob, error: FileError) -> None:
        async with job.step() as query:
            store, file = job.input["store"], job.input["file"]
            keys = await self._files.fail(query, store, file, job.id, error)
            await job.end(query, "failed", error.message)
        await self._store.contents.discard(keys)

    async def _ingest(self, job: RunningJob, store: VectorStore, file: StoreFile) -> None:
        found = await self._text(store, file)
        spans = await asyncio.to_thread(_chunks, found.text, file)
        exchange = Exchange(
            *(job.id, "POST", "/v1/vector_stores", self._dialect),
            caller=store.id,
            identity=Identity(project=store.owner),
            origin="vector_store",
            background=Background(),
        )
        with self._ends.attempt(exchange):
            store = await self._known(job, store, exchange)
            texts, owners = await asyncio.to_thread(parts_of, found.text, spans)
            vectors = await self._vectors(job, store, exchange, texts)
        dimensions = _dimensions(store)
        sections = [(section.name, section.start) for section in found.sections]
        segment = Segment(found.text, sections, spans, owners, dimensions, vectors)
        data = await asyncio.to_thread(encode, segment)
        async with self._store.contents.writing() as content:
            await content.add(data)
            await content.end()
            await self._complete(job, file, content)

    async def _complete(self, job: RunningJob, file: StoreFile, content: Writing) -> None:
        segment = ordered_id(SEGMENT)
        async with job.step() as query:
            if not await self._files.complete(query, file, segment, content.size):
                raise NotFound("The file was taken out of the vector store.")
            await self._store.contents.record(query, segment, content)
            keys = await self._store.contents.remove(query, job.id)
            await job.end(query, "completed")
        await self._store.contents.discard(keys)

    async def _text(self, store: VectorStore, file: StoreFile) -> Text:
        record = await self._uploaded.find(store.owner, file.file)
        async with self._temporary() as path, aclosing(self._uploaded.read(record)) as chunks:
            with path.open("wb") as copy:
                async for chunk in chunks:
                    await asyncio.to_thread(copy.write, chunk)
            return await extract(path, record.filename, self._limits)

    @asynccontextmanager
    async def _temporary(self) -> AsyncIterator[Path]:
        await asyncio.to_thread(self._folder.mkdir, 0o700, True, True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="file-") as folder:
            yield Path(folder, "content")

    async def _known(self, job: RunningJob, store: VectorStore, exchange: Exchange) -> VectorStore:
        """The store, including its model's vector of a fixed text, which its first file sets.

        Raises InvalidRequest if the model is not the same as before.
        """
        if store.fields.probe is None:
            probe = await self._embedding.probe(store, exchange)
            async with job.step() as query:
                store = await self._files.stores.lock(query, store.id)
                if store.fields.probe is None:
                    fields = msgspec.structs.replace(
                        store.fields, probe=probe, dimensions=len(probe) // 2
                    )
                    store = store.changed(fields)
                    await self._files.stores.update(query, store)
        await self._embedding.check(store, exchange)
        return store

    async def _vectors(
        self, job: RunningJob, store: VectorStore, exchange: Exchange, texts: Sequence[str]
    ) -> bytes:
        """The vectors of all texts, as `Segment.data`. The engine always has the next group.

        If there are many texts, vectors are saved meanwhile; what was saved is not embedded again.
        """
        size = _VECTOR_BYTES * _dimensions(store)
        saved = await asyncio.to_thread(SavedVectors, self._store, job, texts, size)
        data = bytearray(await saved.load())
        kept = len(data)
        starts = range(len(data) // size, len(texts), GROUP)
        turns = asyncio.Semaphore(_GROUPS)

        async def embed(group: Sequence[str]) -> bytes:
            async with turns:
                rows = await self._embedding.embed(store, exchange, group, "document")
                return await asyncio.to_thread(halved, rows)

        tasks = [asyncio.create_task(embed(texts[at : at + GROUP])) for at in starts]
        try:
            for task in tasks:
                data += await task
                if len(data) - kept >= SAVED_TEXTS * size and task is not tasks[-1]:
                    await saved.add(bytes(memoryview(data)[kept:]))
                    kept = len(data)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return bytes(data)


def _dimensions(store: VectorStore) -> int:
    """The dimensions of a store that has had a file."""
    assert store.fields.dimensions is not None
    return store.fields.dimensions


async def delete_left(folder: Path) -> None:
    """Delete what killed servers left behind of files that they were reading."""
    await asyncio.to_thread(_delete_old, folder)


def _delete_old(folder: Path) -> None:
    for left in folder.glob("file-*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                shutil.rmtree(left)


def _chunks(text: str, file: StoreFile) -> list[Span]:
    """Raises NotReadable."""
    divider = Divider(text)
    if not divider.tokens:
        raise NotReadable("invalid_file", "The file has no text.")
    if divider.tokens > MAX_TOKENS:
        raise NotReadable(
            "invalid_file",
            f"The file has {divider.tokens} tokens; the maximum is {MAX_TOKENS}.",
        )
    chunking = file.fields.chunking
    return list(divider.spans(chunking.size, chunking.overlap))

"""Saves the vectors of a large file as they are made, for the server that continues if this one
dies.

They are a content held by the job; whatever finishes or removes the job removes them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from openedai.errors import APIError, Unavailable
from openedai.jobs.handler import RunningJob
from openedai.store.store import Store

# Vectors are saved after this many more texts: some seconds of a model's time.
SAVED_TEXTS = 512


class SavedVectors:
    """`texts` are all that are embedded for the file, `size` the bytes of a vector."""

    def __init__(self, store: Store, job: RunningJob, texts: Sequence[str], size: int) -> None:
        self._store = store
        self._job = job
        self._size = size
        self._digest = _digest(texts, size) if len(texts) > SAVED_TEXTS or job.progress else ""

    async def load(self) -> bytes:
        """The vectors of the first texts, as `Segment.data` has them. Raises Unavailable."""
        progress = self._job.progress
        if progress is None:
            return b""
        data = bytearray()
        if progress["digest"] == self._digest:
            database = await self._store.database()
            try:
                async for chunk in self._store.contents.read(database, self._job.id):
                    data += chunk
            except Unavailable:
                raise
            except APIError:  # it is missing
                data.clear()
        if len(data) == progress["vectors"] * self._size:
            return bytes(data)
        async with self._job.step() as query:  # the file is read differently now
            keys = await self._store.contents.remove(query, self._job.id)
            await self._job.save(query, None)
        await self._store.contents.discard(keys)
        return b""

    async def add(self, data: bytes) -> None:
        """Save the next vectors. Raises Unavailable and LeaseLost."""
        contents, job = self._store.contents, self._job
        known = job.progress["vectors"] if job.progress else 0
        async with contents.writing() as content:
            await content.add(data)
            await content.end()
            async with job.step() as query:
                await contents.append(query, job.id, content)
                vectors = known + len(data) // self._size
                await job.save(query, {"digest": self._digest, "vectors": vectors})


def _digest(texts: Sequence[str], size: int) -> str:
    found = hashlib.sha256(str(size).encode())
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()

"""Stored files that a request refers to."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from openedai.errors import NotFound
from openedai.store.files import FileRecord, Files


@dataclass(frozen=True)
class FileId:
    """A file that was stored before, by its id."""

    id: str


class KeptFiles:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def find(self, owner: str, file: FileId, param: str) -> FileRecord:
        """Raises NotFound, about `param`."""
        try:
            return await self._files.find(owner, file.id)
        except NotFound as error:
            raise NotFound(error.message, param=param) from None

    async def read(self, record: FileRecord) -> bytes:
        """All of its bytes. Raises Unavailable and APIError."""
        async with aclosing(self._files.read(record)) as chunks:
            return b"".join([chunk async for chunk in chunks])

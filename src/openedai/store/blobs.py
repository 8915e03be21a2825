"""Immutable bytes under random keys, in a folder or in a bucket, by obstore."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.errors import DISK_FULL, APIError, ContentMissing, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

log = logging.getLogger("openedai.store")

_KEY_BYTES = 20
_READ_BYTES = 1 << 20
_NO_SPACE_TEXT = ("No space left", "Disk quota exceeded")
# How long to wait for a cancelled write, so that what it wrote can be deleted.
_CANCEL_SECONDS = 5


class Blobs:
    """`place` is a folder, or the URL of a bucket such as `s3://bucket/prefix`.

    A blob is written in one go, so it should have only some MB. Nothing is imported or connected
    before the first use.
    """

    def __init__(self, place: Path | str) -> None:
        self._place = place
        self._opened: ObjectStore | None = None

    @property
    def in_use(self) -> bool:
        """Whether this server has read or written a blob."""
        return self._opened is not None

    async def put(self, data: bytes | bytearray) -> str:
        """Store the bytes and return their key. Raises Unavailable."""
        import obstore

        store = await self._store()
        name = secrets.token_hex(_KEY_BYTES)
        key = f"{name[:2]}/{name[2:]}"
        writing = asyncio.ensure_future(
            obstore.put_async(store, key, bytes(data), use_multipart=False)
        )
        try:
            with _translate_errors():
                await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_CANCEL_SECONDS)
            await self.delete([key])
            raise
        return key

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, exclusive, in chunks of at most some MB.

        Raises Unavailable, and ContentMissing.
        """
        import obstore

        store = await self._store()
        with _translate_errors():
            found = await obstore.get_async(store, key, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=_READ_BYTES):
                yield bytes(chunk)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs. If one remains because the store failed, the sweep deletes it."""
        import obstore

        for key in keys:
            try:
                await obstore.delete_async(await self._store(), key)
            except FileNotFoundError:
                continue
            except Exception as error:
                log.warning("a blob could not be deleted: %s", _first_line(error))

    async def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        """The keys of all blobs of at least this age, some at a time."""
        import obstore

        store = await self._store()
        limit = time.time() - seconds
        with _translate_errors():
            async for metas in obstore.list(store, chunk_size=500):
                yield [one["path"] for one in metas if one["last_modified"].timestamp() < limit]

    async def delete_parts(self, seconds: float) -> None:
        """Delete incomplete blobs of killed servers that are at least this old."""
        if isinstance(self._place, Path):
            await asyncio.to_thread(_delete_parts, self._place, time.time() - seconds)

    async def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = await asyncio.to_thread(_open, self._place)
        return self._opened


def _open(place: Path | str) -> ObjectStore:
    from obstore.store import LocalStore, from_url

    if isinstance(place, Path):
        with _translate_errors():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalStore(place)
    try:
        return from_url(
            place,
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
        )
    except Exception as error:
        raise APIError(f"The URL of the blobs cannot be used: {_first_line(error)}.") from error


def _delete_parts(folder: Path, limit: float) -> None:
    """obstore writes `key#1` and renames it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):
                if "#" in name and path.stat().st_mtime < limit:
                    path.unlink()


@contextmanager
def _translate_errors() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        log.error("a blob is missing: %s", _first_line(error))
        raise ContentMissing from error
    except (BaseError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        if full or any(text in str(error) for text in _NO_SPACE_TEXT):
            raise Unavailable("The server has no space left for files.") from error
        log.error("the store of files failed: %s", _first_line(error))
        raise Unavailable("The server cannot use its store of files now.", retry_after=1) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

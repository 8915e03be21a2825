"""Images whose URLs are in answers: files in a folder, until they expire.

The name of a file is random, and has the time when it expires. So a restart of the server forgets
nothing, and several servers can share the folder.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from openedai.errors import DISK_FULL, APIError, NotFound, Unavailable
from openedai.images.decode import ImageFile

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_TOKEN_BYTES = 24
_NAME = re.compile(r"[A-Za-z0-9_-]{32}-(?P<expires>[0-9]{1,12})\.(?P<format>png|jpeg|webp)")
_PART = ".part"
_PART_SECONDS = 3600  # after which an incomplete file is deleted


class ImageStore:
    """`lifetime` is in seconds."""

    def __init__(self, folder: Path, lifetime: float) -> None:
        self._folder = folder
        self._lifetime = lifetime

    async def save(self, image: ImageFile) -> str:
        """Store the image and return its name.

        Raises Unavailable if the disk is full, and APIError if the folder cannot be written.
        """
        expires = int(time.time() + self._lifetime) + 1
        name = f"{secrets.token_urlsafe(_TOKEN_BYTES)}-{expires}.{image.format}"
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, name, image.data))
        try:
            with _translate_errors():
                await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.gather(writing, return_exceptions=True)
            self.discard(name)
            raise
        return name

    def find(self, name: str) -> tuple[Path, str, int]:
        """The file with this name, its media type, and the seconds until it expires.

        Raises NotFound if there is none, or if it has expired.
        """
        match = _NAME.fullmatch(name)
        path = self._folder / name
        remaining = 0 if match is None else int(match["expires"]) - int(time.time())
        if match is None or remaining <= 0 or not path.is_file():
            raise NotFound("This image does not exist, or its URL has expired.")
        return path, MEDIA_TYPES[match["format"]], remaining

    def read_url(self, url: str) -> bytes | None:
        """The image that a URL from an answer names, whatever its host; None if it names none.

        Blocking. The names are secret, so whoever has one may read the file.
        """
        try:
            return self.find(urlsplit(url).path.rpartition("/")[2])[0].read_bytes()
        except (NotFound, ValueError, FileNotFoundError):
            return None

    def discard(self, name: str) -> None:
        """Delete an image that no answer refers to."""
        (self._folder / name).unlink(missing_ok=True)

    async def sweep(self) -> None:
        """Delete what has expired."""
        await asyncio.to_thread(self._sweep)

    def _write(self, name: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        part = self._folder / f"{name}{_PART}"
        try:
            part.write_bytes(data)
            part.rename(self._folder / name)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _sweep(self) -> None:
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if _is_over(entry):
                    Path(entry.path).unlink(missing_ok=True)


def _is_over(entry: os.DirEntry[str]) -> bool:
    now = time.time()
    match = _NAME.fullmatch(entry.name)
    if match is not None:
        return int(match["expires"]) <= now
    if not entry.name.endswith(_PART):
        return False
    with suppress(FileNotFoundError):
        return entry.stat().st_mtime < now - _PART_SECONDS
    return False


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Unavailable("The server has no space for the images of the answer.") from error
        raise APIError("The server could not store the images of the answer.") from error

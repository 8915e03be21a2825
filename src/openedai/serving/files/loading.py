"""Loads the files in a call's conversation, before its requests to the engine are made.

A model reads the text of a file, and looks at an image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from openedai.errors import APIError, EngineFailed, PayloadTooLarge, Unsupported, invalid_value
from openedai.extract.formats.plain import source_text
from openedai.extract.text import Limits, NotReadable, extract
from openedai.media.files import decode_file_data, is_image
from openedai.media.images import ImageRef
from openedai.prompts.attached_file import attached_file
from openedai.serving.files.kept import FileId, KeptFiles
from openedai.store.files import Files

_UNNAMED = "file"
_LIMITS = Limits(seconds=20.0, memory=1 << 30, characters=4_000_000)
_READ_AT_ONCE = 2  # documents of all requests


@dataclass(frozen=True)
class FileRef:
    """A file in a request: a stored one, or its bytes in base64 or a data URL.

    Without a `name` a stored file has its own. For errors, `param` is the parameter that has the id
    or the bytes, and `type_param` the one that says that it is a file.
    """

    source: FileId | str
    name: str | None
    param: str
    type_param: str
    image_only: bool = False


@dataclass(frozen=True)
class LoadedFiles:
    """Texts as a model reads them, by the `param` of their references, and images to load."""

    texts: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[ImageRef] = ()


class FileLoading:
    """`max_bytes` is for all files of a request together."""

    def __init__(self, files: Files, max_bytes: int) -> None:
        self._kept = KeptFiles(files)
        self._max_bytes = max_bytes
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)

    async def load(self, owner: str, refs: Sequence[FileRef]) -> LoadedFiles:
        """The contents of `refs`; stored files must belong to the owner.

        Raises NotFound for a file that does not exist, PayloadTooLarge, Unsupported for one that is
        neither an image nor has a text that can be read, and InvalidRequest for broken files and
        bytes that cannot be decoded.
        """
        texts: dict[str, str] = {}
        images: list[ImageRef] = []
        remaining = self._max_bytes
        for ref in refs:
            name, raw = await self._read(owner, ref, remaining)
            remaining -= len(raw)
            if is_image(raw):
                images.append(ImageRef(raw, ref.param, ref.type_param))
                continue
            if ref.image_only:
                raise _unsupported(ref.param, name, "It is not an image.")
            texts[ref.param] = attached_file(name, await self._text(ref.param, name, raw))
        return LoadedFiles(texts, images)

    async def _text(self, param: str, name: str, raw: bytes) -> str:
        """A text file as it is written, or the text of a document."""
        text = await asyncio.to_thread(source_text, raw, name)
        if text is not None:
            return text
        async with self._reading:
            with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                path = Path(folder, "file")
                await asyncio.to_thread(path.write_bytes, raw)
                try:
                    return (await extract(path, name, _LIMITS)).text
                except NotReadable as error:
                    raise _not_readable(param, name, error) from None

    async def _read(self, owner: str, ref: FileRef, limit: int) -> tuple[str, bytes]:
        """The name and the bytes of a file."""
        if isinstance(ref.source, str):
            raw = await asyncio.to_thread(decode_file_data, ref.source, ref.param)
            self._check_size(len(raw), limit, ref.param)
            return ref.name or _UNNAMED, raw
        record = await self._kept.find(owner, ref.source, ref.param)
        self._check_size(record.bytes, limit, ref.param)
        return ref.name or record.filename, await self._kept.read(record)

    def _check_size(self, size: int, limit: int, param: str) -> None:
        if size > limit:
            raise PayloadTooLarge(
                f"The files of a request may have {self._max_bytes} bytes together.",
                code="request_too_large",
                param=param,
            )


def _not_readable(param: str, name: str, error: NotReadable) -> APIError:
    if error.code == "unsupported_file":
        return _unsupported(param, name, error.message)
    if error.code == "invalid_file":
        reason = error.message.removesuffix(".")
        return invalid_value(param, f"'{name[:255]}' cannot be read. {reason}")
    return EngineFailed(error.message)


def _unsupported(param: str, name: str, reason: str) -> Unsupported:
    message = f"Unsupported file: '{name[:255]}'. {reason}"
    return Unsupported(message, code="unsupported_value", param=param)

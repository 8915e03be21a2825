"""The files in a call's conversation, loaded before its requests to the engine are made.

A model reads the text of a file, and looks at an image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openedai.errors import PayloadTooLarge, Unsupported
from openedai.media.files import decode_file_data, file_text, format_name, is_image
from openedai.media.images import ImageRef
from openedai.prompts.attached_file import attached_file
from openedai.serving.files.kept import FileId, KeptFiles
from openedai.store.files import Files

_UNNAMED = "file"


@dataclass(frozen=True)
class FileRef:
    """A file in a request: a kept one, or its bytes in base64 or a data URL.

    Without a `name` a kept file has its own. For errors, `param` is the parameter that has the id
    or the bytes, and `type_param` the one that says that it is a file.
    """

    source: FileId | str
    name: str | None
    param: str
    type_param: str
    image_only: bool = False


@dataclass(frozen=True)
class LoadedFiles:
    """Texts as a model reads them, by `param` of their references, and images to load."""

    texts: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[ImageRef] = ()


class FileLoading:
    """`max_bytes` is for all files of a request together."""

    def __init__(self, files: Files, max_bytes: int) -> None:
        self._kept = KeptFiles(files)
        self._max_bytes = max_bytes

    async def load(self, owner: str, refs: Sequence[FileRef]) -> LoadedFiles:
        """The contents of `refs`; kept files must be the owner's.

        Raises NotFound for a file that does not exist, PayloadTooLarge, Unsupported for one that is
        neither text nor an image, and InvalidRequest for bytes that cannot be decoded.
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
            text = None if ref.image_only else await asyncio.to_thread(file_text, raw)
            if text is None:
                raise _unsupported(name, raw, ref)
            texts[ref.param] = attached_file(name, text)
        return LoadedFiles(texts, images)

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


def _unsupported(name: str, raw: bytes, ref: FileRef) -> Unsupported:
    wanted = "images" if ref.image_only else "texts in UTF-8 and images"
    return Unsupported(
        f"Unsupported file: '{name[:255]}' is {format_name(raw)}. Only {wanted} are supported.",
        code="unsupported_value",
        param=ref.param,
    )

"""The images that a request edits or varies: files in its form, or references."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from openedai.errors import InvalidRequest
from openedai.http.upload import Upload
from openedai.images.bad_image import BadImage
from openedai.images.decode import ImageFile, upright_png
from openedai.images.masks import mask_from_file, split_alpha
from openedai.images.threads import ImageThreads
from openedai.media.images import ImageRef, Images
from openedai.serving.files.kept import FileId, KeptFiles
from openedai.serving.images.store import ImageStore
from openedai.store.files import Files

T = TypeVar("T")

MAX_FILE_BYTES = 50 << 20


@dataclass(frozen=True)
class ImageInput:
    """An image of a request: an uploaded or a stored file, or a data, http or https URL.

    `param` is its parameter.
    """

    file: Upload | FileId | str
    param: str


@dataclass(frozen=True)
class ImageSources:
    """The images and the mask, as an `ImageRequest` has them."""

    images: tuple[bytes, ...] = ()
    mask: bytes | None = None


class ImageInputs:
    """`max_pixels` is for all images of a request together."""

    def __init__(
        self,
        images: Images,
        store: ImageStore,
        files: Files,
        threads: ImageThreads,
        max_pixels: int,
    ) -> None:
        self._kept = KeptFiles(files)
        self._images = images
        self._store = store
        self._threads = threads
        self._max_pixels = max_pixels

    async def load(
        self,
        inputs: Sequence[ImageInput],
        mask: ImageInput | None = None,
        *,
        owner: str,
        own_mask: bool = False,
    ) -> ImageSources:
        """The images, upright; the mask belongs to the first. Stored files must belong to the
        owner.

        With `own_mask` the transparent parts of the first image are the mask, unless there is one.
        Raises InvalidRequest for an image that cannot be used, and NotFound for a file that does
        not exist.
        """
        files: list[ImageFile] = []
        remaining = self._max_pixels
        for one in inputs:
            files.append(
                await self._checked(owner, one, partial(upright_png, max_pixels=remaining))
            )
            remaining -= files[-1].width * files[-1].height
        made: bytes | None = None
        if mask is not None:
            check = partial(mask_from_file, image=files[0], max_pixels=self._max_pixels)
            made = await self._checked(owner, mask, check)
        elif own_mask and files[0].transparent:
            files[0], made = await self._threads.run(split_alpha, files[0])
        return ImageSources(tuple(file.data for file in files), made)

    async def _checked(self, owner: str, one: ImageInput, check: Callable[[bytes], T]) -> T:
        """What `check` makes of the file, which is read in the same thread."""
        file = one.file
        if isinstance(file, str):
            raw = await asyncio.to_thread(self._store.read_url, file)
            if raw is None:
                (loaded,) = await self._images.load_all([ImageRef(file, one.param)])
                raw = loaded.raw
            with self._translate_errors(one.param):
                return await self._threads.run(check, raw)
        if isinstance(file, FileId):
            record = await self._kept.find(owner, file, one.param)
            _check_size(record.bytes, one.param)
            kept = await self._kept.read(record)
            with self._translate_errors(one.param):
                return await self._threads.run(check, kept)
        _check_size(file.size, one.param)
        path = file.path
        with self._translate_errors(one.param):
            return await self._threads.run(lambda: check(path.read_bytes()))

    @contextmanager
    def _translate_errors(self, param: str) -> Iterator[None]:
        try:
            yield
        except BadImage as error:
            message = error.message
            if error.code == "image_too_large":
                message = f"The images of a request may have {self._max_pixels} pixels together."
            raise InvalidRequest(message, code=error.code, param=param) from error


def _check_size(size: int, param: str) -> None:
    if size > MAX_FILE_BYTES:
        raise InvalidRequest(
            f"The image has {size} bytes: at most {MAX_FILE_BYTES} are allowed.",
            code="image_file_too_large",
            param=param,
        )

"""Loads the images of requests, from files, data URLs and http or https URLs.

Each loaded image has a known type and a bounded number of bytes and pixels. Anything else is an
InvalidRequest that names the parameter.
"""

from __future__ import annotations

import asyncio
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openedai.errors import InvalidRequest
from openedai.images.bad_image import BadImage
from openedai.images.formats import check_data, image_size, media_type
from openedai.media.addresses import HostPolicy
from openedai.media.budget import Budget

if TYPE_CHECKING:
    from openedai.media.fetch import Fetcher

_DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_MAX_CONCURRENT = 4


@dataclass(frozen=True)
class ImageLimits:
    """`max_bytes` and `max_pixels` are for all images of a request together; `timeout` is in
    seconds, for each fetch.
    """

    max_count: int
    max_bytes: int
    max_pixels: int
    timeout: float


@dataclass(frozen=True)
class LoadedImage:
    """An image file. `media_type` is detected from its contents."""

    raw: bytes
    media_type: str


@dataclass(frozen=True)
class ImageRef:
    """An image in a request: a data URL, one of http or https, or the bytes of a file.

    For errors, `param` is the parameter that has the image, and `type_param` the one that says that
    it is an image.
    """

    source: str | bytes
    param: str
    type_param: str = ""


class Images:
    """Loads the images of requests. Without a `policy`, only data URLs."""

    def __init__(self, limits: ImageLimits, policy: HostPolicy | None) -> None:
        self._limits = limits
        self._policy = policy
        self._fetcher: Fetcher | None = None

    def close(self) -> None:
        if self._fetcher is not None:
            self._fetcher.close()

    async def load_all(self, refs: Sequence[ImageRef]) -> list[LoadedImage]:
        """The images of one request, in the order of `refs`; several are loaded at a time.

        If one fails, or this call is cancelled, the others are cancelled. Raises InvalidRequest.
        """
        if len(refs) > self._limits.max_count:
            raise InvalidRequest(
                f"Too many images: a request may have {self._limits.max_count}, and this one has "
                f"{len(refs)}.",
                code="invalid_value",
                param=refs[self._limits.max_count].param,
            )
        budget = self._budget()
        semaphore = asyncio.Semaphore(_MAX_CONCURRENT)

        async def load(ref: ImageRef) -> LoadedImage:
            async with semaphore:
                return await self._load(ref.source, ref.param, budget)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(load(ref)) for ref in refs]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _get_fetcher(self) -> Fetcher:
        """The fetcher, imported and created on first use."""
        if self._policy is None:
            raise BadImage(
                "Invalid image URL: this server fetches no images. Send it as a data URL with "
                "base64.",
                code="invalid_image_url",
            )
        if self._fetcher is None:
            from openedai.media.fetch import Fetcher

            self._fetcher = Fetcher(self._policy, self._limits.timeout)
        return self._fetcher

    def _budget(self) -> Budget:
        return Budget(self._limits.max_bytes, self._limits.max_pixels)

    async def _load(self, source: str | bytes, param: str, budget: Budget) -> LoadedImage:
        with _translate_errors(param):
            if isinstance(source, bytes):
                budget.take_bytes(len(source))
                raw = source
            elif source[:5].lower() == "data:":
                return await asyncio.to_thread(_decode_data_url, source, budget)
            else:
                raw = await self._get_fetcher().fetch(source, budget)
            return await asyncio.to_thread(_check, raw, budget)


@contextmanager
def _translate_errors(param: str) -> Iterator[None]:
    try:
        yield
    except BadImage as error:
        raise InvalidRequest(error.message, code=error.code, param=param) from error


def _decode_data_url(url: str, budget: Budget) -> LoadedImage:
    head = _DATA_URL.match(url)
    if head is None:
        raise BadImage(
            "Invalid image URL: expected 'data:image/...;base64,' and the image in base64.",
            code="invalid_image_url",
        )
    return _decode_base64(url[head.end() :], budget)


def _decode_base64(data: str, budget: Budget) -> LoadedImage:
    budget.require_bytes(len(data) * 3 // 4 - 2)
    try:
        if len(data) % 4 or data.endswith("==="):
            raise ValueError(data[-4:])
        raw = binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise BadImage("The image is not valid base64.", code="invalid_base64_image") from None
    budget.take_bytes(len(raw))
    return _check(raw, budget)


def _check(raw: bytes, budget: Budget) -> LoadedImage:
    detected = media_type(raw)
    width, height = image_size(raw)
    budget.take_pixels(width * height)
    check_data(raw)
    return LoadedImage(raw, detected)

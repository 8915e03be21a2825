"""Images that requests bring: in a data URL, or behind an http or https URL.

What comes out is a file of a known type, of bounded size, whose picture has a bounded number of
pixels. What is wrong is an InvalidRequest that names the place in the request.
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
from openedai.media.addresses import Permission
from openedai.media.budget import Budget
from openedai.media.image_formats import check_data, media_type, size
from openedai.media.problem import BadImage

if TYPE_CHECKING:
    from openedai.media.fetch import Fetcher

_DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_AT_ONCE = 4


@dataclass(frozen=True)
class Limits:
    """`max_bytes` and `max_pixels` are for all images of a request together; `timeout` is in
    seconds, for one that is fetched.
    """

    max_count: int
    max_bytes: int
    max_pixels: int
    timeout: float


@dataclass(frozen=True)
class LoadedImage:
    """`media_type` is what the file is, whatever it was said to be."""

    raw: bytes
    media_type: str


@dataclass(frozen=True)
class ImageRef:
    """An image that a request names: a data URL, or one of http or https.

    For errors, `param` is the field that has the URL, and `type_param` the one that says that
    it is an image.
    """

    url: str
    param: str
    type_param: str = ""


class Images:
    """`permission` None fetches nothing."""

    def __init__(self, limits: Limits, permission: Permission | None) -> None:
        self._limits = limits
        self._permission = permission
        self._fetcher: Fetcher | None = None

    def close(self) -> None:
        if self._fetcher is not None:
            self._fetcher.close()

    async def load_all(self, wanted: Sequence[ImageRef]) -> list[LoadedImage]:
        """Those of one request, several at a time, in their order.

        If one cannot be had, or this call is cancelled, the others are given up. Raises
        InvalidRequest.
        """
        if len(wanted) > self._limits.max_count:
            raise InvalidRequest(
                f"Too many images: a request may have {self._limits.max_count}, and this one has "
                f"{len(wanted)}.",
                code="invalid_value",
                param=wanted[self._limits.max_count].param,
            )
        budget = self._budget()
        turn = asyncio.Semaphore(_AT_ONCE)

        async def load(one: ImageRef) -> LoadedImage:
            async with turn:
                return await self._load(one.url, one.param, budget)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(load(one)) for one in wanted]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _fetching(self) -> Fetcher:
        """Made when it is needed: what it imports is large."""
        if self._permission is None:
            raise BadImage(
                "Invalid image URL: this server fetches no images. Send it as a data URL with "
                "base64.",
                code="invalid_image_url",
            )
        if self._fetcher is None:
            from openedai.media.fetch import Fetcher

            self._fetcher = Fetcher(self._permission, self._limits.timeout)
        return self._fetcher

    def _budget(self) -> Budget:
        return Budget(self._limits.max_bytes, self._limits.max_pixels)

    async def _load(self, url: str, param: str, budget: Budget) -> LoadedImage:
        with _explained(param):
            if url[:5].lower() == "data:":
                return await asyncio.to_thread(_from_data_url, url, budget)
            raw = await self._fetching().fetch(url, budget)
            return await asyncio.to_thread(_checked, raw, budget)


@contextmanager
def _explained(param: str) -> Iterator[None]:
    try:
        yield
    except BadImage as error:
        raise InvalidRequest(error.message, code=error.code, param=param) from error


def _from_data_url(url: str, budget: Budget) -> LoadedImage:
    head = _DATA_URL.match(url)
    if head is None:
        raise BadImage(
            "Invalid image URL: expected 'data:image/...;base64,' and the image in base64.",
            code="invalid_image_url",
        )
    return _decoded(url[head.end() :], budget)


def _decoded(data: str, budget: Budget) -> LoadedImage:
    budget.require_bytes(len(data) * 3 // 4 - 2)
    try:
        if len(data) % 4 or data.endswith("==="):
            raise ValueError(data[-4:])
        raw = binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise BadImage("The image is not valid base64.", code="invalid_base64_image") from None
    budget.take_bytes(len(raw))
    return _checked(raw, budget)


def _checked(raw: bytes, budget: Budget) -> LoadedImage:
    kind = media_type(raw)
    width, height = size(raw)
    budget.take_pixels(width * height)
    check_data(raw)
    return LoadedImage(raw, kind)

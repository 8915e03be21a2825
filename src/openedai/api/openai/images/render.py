"""Turns generated images into the `ImagesResponse`, or into the events of its stream."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from openedai.api.openai.images.files import ImageLinks
from openedai.contract.images import ImagesFinish, ImageUsage
from openedai.http.respond import data_frame
from openedai.images.decode import ImageFile
from openedai.serving.images.making import Made, Making, Preview

# Qualities of older models, by the names that answers have.
_QUALITIES = {"standard": "medium", "hd": "high"}


class InputDetails(msgspec.Struct):
    text_tokens: int
    image_tokens: int


class OutputDetails(msgspec.Struct):
    text_tokens: int
    image_tokens: int


class UsageObject(msgspec.Struct):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ImageObject(msgspec.Struct, omit_defaults=True):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesObject(msgspec.Struct):
    created: int
    data: list[ImageObject]
    background: str
    output_format: str
    quality: str | None
    size: str
    usage: UsageObject


class ImageEventObject(msgspec.Struct, omit_defaults=True):
    type: str
    b64_json: str
    background: str
    created_at: int
    output_format: str
    quality: str
    size: str
    partial_image_index: int | None = None
    usage: UsageObject | None = None


@dataclass(frozen=True)
class ImageRenderer:
    """`event` is the first part of the names of events: `image_generation` or `image_edit`.

    `quality` is the requested one. `links` gives images their URLs; None to send them in base64.
    """

    event: str
    quality: str | None
    links: ImageLinks | None = None

    async def whole(self, events: AsyncGenerator[Making, None]) -> ImagesObject:
        try:
            return await self._whole(events)
        except BaseException:
            if self.links is not None:
                self.links.discard()
            raise

    async def _whole(self, events: AsyncGenerator[Making, None]) -> ImagesObject:
        data: list[ImageObject] = []
        first: ImageFile | None = None
        usage: ImageUsage | None = None
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Made):
                    first = first or event.image
                    data.append(await self._object(event))
                elif isinstance(event, ImagesFinish):
                    usage = event.usage
        assert first is not None, "the finish comes after the images"
        return ImagesObject(
            created=int(time.time()),
            data=data,
            background=_background(first),
            output_format=first.format,
            quality=self._quality(),
            size=_size(first),
            usage=_usage(usage),
        )

    async def chunks(self, events: AsyncGenerator[Making, None]) -> AsyncGenerator[bytes, None]:
        """The usage is in the last event: an image waits until it is known to be the last."""
        last: Made | None = None
        async with aclosing(events):
            async for event in events:
                match event:
                    case Preview():
                        if last is not None:
                            yield self._completed(last, None)
                            last = None
                        yield self._preview(event)
                    case Made():
                        if last is not None:
                            yield self._completed(last, None)
                        last = event
                    case ImagesFinish(usage=usage):
                        assert last is not None, "the finish comes after the images"
                        yield self._completed(last, usage)

    async def _object(self, made: Made) -> ImageObject:
        if self.links is None:
            return ImageObject(_base64(made.image), revised_prompt=made.revised_prompt)
        url = await self.links.add(made.image)
        return ImageObject(url=url, revised_prompt=made.revised_prompt)

    def _preview(self, preview: Preview) -> bytes:
        event = self._event("partial_image", preview.image)
        event.partial_image_index = preview.number
        return _frame(event)

    def _completed(self, made: Made, usage: ImageUsage | None) -> bytes:
        event = self._event("completed", made.image)
        event.usage = _usage(usage)
        return _frame(event)

    def _event(self, name: str, image: ImageFile) -> ImageEventObject:
        return ImageEventObject(
            type=f"{self.event}.{name}",
            b64_json=_base64(image),
            background=_background(image),
            created_at=int(time.time()),
            output_format=image.format,
            quality=self._quality() or "auto",
            size=_size(image),
        )

    def _quality(self) -> str | None:
        quality = None if self.quality == "auto" else self.quality
        return _QUALITIES.get(quality or "", quality)


def _frame(event: ImageEventObject) -> bytes:
    return f"event: {event.type}\n".encode() + data_frame(event)


def _base64(image: ImageFile) -> str:
    return base64.b64encode(image.data).decode()


def _background(image: ImageFile) -> str:
    return "transparent" if image.transparent else "opaque"


def _size(image: ImageFile) -> str:
    return f"{image.width}x{image.height}"


def _usage(usage: ImageUsage | None) -> UsageObject:
    """All zero for an engine that counts no tokens."""
    usage = usage or ImageUsage()
    inputs = usage.input_text_tokens + usage.input_image_tokens
    return UsageObject(
        input_tokens=inputs,
        input_tokens_details=InputDetails(usage.input_text_tokens, usage.input_image_tokens),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputDetails(0, usage.output_tokens),
        total_tokens=inputs + usage.output_tokens,
    )

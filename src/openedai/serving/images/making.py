"""Making images: runs a call's request to an engine, and converts the images as the client
asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import ImageMaker
from openedai.contract.generate import Usage
from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    ImageUsage,
    MadeImage,
    PartialImage,
)
from openedai.errors import EngineFailed
from openedai.images.bad_image import BadImage
from openedai.images.decode import ImageFile
from openedai.images.encode import Output, convert
from openedai.images.threads import ImageThreads
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import IMAGES


@dataclass(frozen=True)
class Preview:
    """As `PartialImage`, in the requested format."""

    index: int
    number: int
    image: ImageFile


@dataclass(frozen=True)
class Made:
    """As `MadeImage`, in the requested format and size."""

    index: int
    image: ImageFile
    revised_prompt: str | None


Making = Preview | Made | ImagesFinish


class ImageMaking:
    def __init__(self, leases: Leases, threads: ImageThreads) -> None:
        self._leases = leases
        self._threads = threads

    async def run(self, call: Call[Any], request: ImageRequest) -> AsyncGenerator[Making, None]:
        """The previews and images, in order, then the finish.

        Each image is checked, and has the requested format and size; with a mask, the black parts
        equal the source. Closing the iterator cancels the work. Raises as `Leases.lease` and the
        engine do, and EngineFailed for anything other than images.
        """
        made = 0
        request = replace(request, variant=call.model.variant)
        async with (
            self._leases.lease(call, ImageMaker, engine_request=request) as engine,
            aclosing(engine.make_images(request)) as events,
        ):
            use = call.use(IMAGES)
            use.size = "" if request.size is None else "{}x{}".format(*request.size)
            async for event in events:
                if isinstance(event, MadeImage):
                    made += 1
                    use.images += 1
                if isinstance(event, ImagesFinish):
                    _require_all(request.count, made)
                    use.add(_usage(event.usage))
                yield await self._converted(event, request)

    async def _converted(self, event: ImageEvent, request: ImageRequest) -> Making:
        try:
            match event:
                case PartialImage(index=index, number=number, data=data):
                    image = await self._threads.run(convert, data, _preview_output(request))
                    return Preview(index, number, image)
                case MadeImage(index=index, data=data, revised_prompt=prompt):
                    image = await self._threads.run(convert, data, _output(request))
                    return Made(index, image, prompt)
                case ImagesFinish():
                    return event
        except BadImage as error:
            raise EngineFailed("The model returned an image that cannot be read.") from error


def _preview_output(request: ImageRequest) -> Output:
    return Output(request.format, request.compression, opaque=request.background == "opaque")


def _output(request: ImageRequest) -> Output:
    source = None if request.mask is None else request.images[0]
    return Output(
        request.format,
        request.compression,
        opaque=request.background == "opaque",
        size=request.size,
        source=source,
        mask=request.mask,
    )


def _require_all(count: int, made: int) -> None:
    if made != count:
        raise EngineFailed(f"The model made {made} images, though {count} were requested.")


def _usage(usage: ImageUsage | None) -> Usage:
    usage = usage or ImageUsage()
    return Usage(
        prompt_tokens=usage.input_text_tokens + usage.input_image_tokens,
        completion_tokens=usage.output_tokens,
    )

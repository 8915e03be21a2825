"""The tool `image_generation`, by the models that make images."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from openedai.api.openai.responses.input.served import ImageGenerationTool
from openedai.api.openai.responses.input.served_calls import IMAGE_MADE
from openedai.api.openai.responses.output.open_image import ImageResult
from openedai.api.openai.responses.tools import CallableTool
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.image_sizes import image_size
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import IMAGE
from openedai.catalog.models import Model
from openedai.contract.images import ImageFormat, ImageRequest
from openedai.errors import ModelNotFound
from openedai.serving.call import Call
from openedai.serving.images.making import ImageMaking, Made, Preview
from openedai.serving.tools.failed import ToolFailed

_MAX_PROMPT = 32_000  # characters


class ImageRunner:
    def __init__(self, catalog: Catalog, making: ImageMaking) -> None:
        self._catalog = catalog
        self._making = making

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[Preview | ImageResult, None]:
        prompt, served = arguments.get("prompt"), tool.served
        assert isinstance(served, ImageGenerationTool)
        if not isinstance(prompt, str) or not prompt.strip():
            raise ToolFailed("The argument 'prompt' is missing, or is not a text.")
        making = call.within(self._model(call, served))
        events = self._making.run(making, _request(served, prompt[:_MAX_PROMPT]))
        async with aclosing(events) as made:
            async for event in made:
                if isinstance(event, Preview):
                    yield event
                elif isinstance(event, Made):
                    shown = event.revised_prompt or prompt
                    yield ImageResult(IMAGE_MADE, image=event.image, prompt=shown)

    def _model(self, call: Call[ResponseRequest], tool: ImageGenerationTool) -> Model:
        """The tool's model, or the default one, to which the names of the official models refer."""
        default = self._catalog.default(IMAGE)
        if tool.model is None and default is not None:
            return default
        try:
            return self._catalog.resolve_for(call.exchange.identity, tool.model or "")
        except ModelNotFound as error:
            raise ToolFailed(error.message) from None


def _request(tool: ImageGenerationTool, prompt: str) -> ImageRequest:
    return ImageRequest(
        prompt=prompt,
        count=1,
        size=image_size(tool.size, "size"),
        format=cast("ImageFormat", tool.output_format or "png"),
        compression=tool.output_compression if tool.output_format in ("jpeg", "webp") else None,
        quality=_unless_auto(tool.quality),
        background=_unless_auto(tool.background),
        moderation=_unless_auto(tool.moderation),
        partial_images=tool.partial_images or 0,
    )


def _unless_auto(value: str | None) -> str | None:
    return None if value == "auto" else value

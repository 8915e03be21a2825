"""The item of `image_generation`: its events, and the completed item."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from openedai.api.openai.responses.input.served import ImageGenerationTool
from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import ImageError, ImageGenerationCallItem
from openedai.api.openai.responses.output.open_served import Ended, OpenServed, ToolResult
from openedai.api.openai.responses.output.place import Place
from openedai.api.parameters.ids import new_id
from openedai.images.decode import ImageFile
from openedai.serving.images.making import Preview


@dataclass(frozen=True)
class ImageResult(ToolResult):
    """`prompt` is the prompt that the image was made from."""

    image: ImageFile | None = None
    prompt: str = ""


class OpenImage(OpenServed):
    def __init__(self, place: Place, key: str, tool: ImageGenerationTool) -> None:
        super().__init__(place, key)
        self._id = new_id("ig_")
        self._tool = tool

    def open(self) -> list[e.Event]:
        place = self._place
        added = place.added(ImageGenerationCallItem(self._id, "in_progress"))
        return [added, e.ImageBegun(*place.of(self._id))]

    def written(self) -> list[e.Event]:
        return [e.ImageGenerating(*self._place.of(self._id))]

    def progress(self, update: Any) -> list[e.Event]:
        assert isinstance(update, Preview)
        data = b64encode(update.image.data).decode()
        fields = self._fields(update.image)
        return [e.ImagePartial(*self._place.of(self._id), update.number, data, **fields)]

    def end(self, result: ToolResult) -> Ended:
        place, image = self._place, None
        if isinstance(result, ImageResult):
            image = result.image
        if image is None or not isinstance(result, ImageResult):
            error = ImageError(result.failed or "")
            item = ImageGenerationCallItem(self._id, "failed", error=error)
            return item, [place.done(item)]
        item = ImageGenerationCallItem(
            self._id,
            "completed",
            b64encode(image.data).decode(),
            revised_prompt=result.prompt,
            **self._fields(image),
        )
        return item, [e.ImageEnded(*place.of(self._id)), place.done(item)]

    def abandon(self) -> Ended:
        item = ImageGenerationCallItem(self._id, "failed")
        return item, [self._place.done(item)]

    def _fields(self, image: ImageFile) -> dict[str, Any]:
        """The properties of the image, besides its content."""
        return {
            "background": "transparent" if image.transparent else "opaque",
            "output_format": image.format,
            "quality": self._tool.quality or "auto",
            "size": f"{image.width}x{image.height}",
        }

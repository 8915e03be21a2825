"""Images for llama.cpp: the file that lets a model see, and the places of images in a prompt.

llama.cpp takes a prompt as text with a mark for each image, and the files beside it, in the order
of the marks. The mark is text as any other for the chat template; llama.cpp puts what the model
wants to read around an image in its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from openedai.contract.chat import Chat, Image, Message
from openedai.engines.llama_cpp.template import Properties
from openedai.errors import EngineFailed, InvalidRequest, NoVision


def projector(model: str, weights: Path, mmproj: str | None) -> str | None:
    """The path that the option means; None without it. Blocking. Raises EngineFailed."""
    if mmproj is None:
        return None
    path = weights.parent / Path(mmproj).expanduser()
    if not path.is_file():
        raise EngineFailed(
            f"The model `{model}` could not be loaded: there is no file {path}, which its option "
            "`mmproj` names."
        )
    return str(path.absolute())


class Sight:
    """What a model's server can do with images."""

    def __init__(self, model: str, properties: Properties) -> None:
        self._model = model
        self._sees = properties.modalities.vision
        self._mark = properties.media_marker
        # llama.cpp reads WebP by these programs.
        self._webp = properties.modalities.video and all(map(shutil.which, ("ffmpeg", "ffprobe")))

    def marked(self, chat: Chat) -> tuple[Chat, list[Image]]:
        """The conversation with a mark in its text for each image, and the images in order.

        Raises NoVision, and InvalidRequest for a kind of image that cannot be read.
        """
        images = [image for message in chat.messages for image in message.images]
        if not images:
            return chat, []
        if not self._sees:
            raise NoVision(self._model)
        if any(image.media_type == "image/webp" for image in images) and not self._webp:
            raise InvalidRequest(
                "Unsupported image. This server reads WebP only where ffmpeg is installed; "
                "send PNG, JPEG, GIF or BMP.",
                code="invalid_image_format",
                param="messages",
            )
        return replace(chat, messages=tuple(map(self._with_marks, chat.messages))), images

    def _with_marks(self, message: Message) -> Message:
        pieces, before = [], 0
        for image in message.images:
            pieces += [message.content[before : image.at], self._mark]
            before = image.at
        content = "".join([*pieces, message.content[before:]])
        return replace(message, content=content, images=())

    def prompt(self, text: str, images: Sequence[Image]) -> str | dict[str, Any]:
        """The prompt as the server wants it. Raises InvalidRequest if it would not be read so."""
        if not images:
            return text
        if text.count(self._mark) != len(images):
            raise InvalidRequest(
                f"The model `{self._model}` cannot be shown these messages: its chat template "
                "leaves images out, or a text has llama.cpp's mark for images in it.",
                code="invalid_value",
                param="messages",
            )
        return {"prompt_string": text, "multimodal_data": [image.raw for image in images]}

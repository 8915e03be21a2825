"""Images for llama.cpp: the projector file of a model, and the positions of images in a prompt.

llama.cpp takes a prompt as text with a marker for each image, and the image files in the same
order. To the chat template, a marker is ordinary text; llama.cpp replaces it by the image and the
tokens that the model expects around one.
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


def projector_path(model: str, weights: Path, mmproj: str | None) -> str | None:
    """The absolute path that the option `mmproj` names; None without it. Blocking. Raises
    EngineFailed if there is no such file.
    """
    if mmproj is None:
        return None
    path = weights.parent / Path(mmproj).expanduser()
    if not path.is_file():
        raise EngineFailed(
            f"The model `{model}` could not be loaded: there is no file {path}, which its option "
            "`mmproj` names."
        )
    return str(path.absolute())


class ImagePrompt:
    """Puts images into prompts, as far as the model's server supports it."""

    def __init__(self, model: str, properties: Properties) -> None:
        self._model = model
        self._supports_images = properties.modalities.vision
        self._marker = properties.media_marker
        # llama.cpp reads WebP through these programs.
        self._reads_webp = properties.modalities.video and all(
            map(shutil.which, ("ffmpeg", "ffprobe"))
        )

    def insert_markers(self, chat: Chat) -> tuple[Chat, list[Image]]:
        """The conversation with a marker in its text for each image, and the images in order.

        Raises NoVision, and InvalidRequest for an image format that cannot be read.
        """
        images = [image for message in chat.messages for image in message.images]
        if not images:
            return chat, []
        if not self._supports_images:
            raise NoVision(self._model)
        if any(image.media_type == "image/webp" for image in images) and not self._reads_webp:
            raise InvalidRequest(
                "Unsupported image. This server reads WebP only where ffmpeg is installed; "
                "send PNG, JPEG, GIF or BMP.",
                code="invalid_image_format",
                param="messages",
            )
        return replace(chat, messages=tuple(map(self._with_markers, chat.messages))), images

    def _with_markers(self, message: Message) -> Message:
        parts, start = [], 0
        for image in message.images:
            parts += [message.content[start : image.at], self._marker]
            start = image.at
        content = "".join([*parts, message.content[start:]])
        return replace(message, content=content, images=())

    def attach(self, text: str, images: Sequence[Image]) -> str | dict[str, Any]:
        """The `prompt` field of a request: the rendered text with its images.

        Raises InvalidRequest if the text does not have one marker for each image.
        """
        if not images:
            return text
        if text.count(self._marker) != len(images):
            raise InvalidRequest(
                f"The model `{self._model}` cannot be shown these messages: its chat template "
                "leaves images out, or a text has llama.cpp's mark for images in it.",
                code="invalid_value",
                param="messages",
            )
        return {"prompt_string": text, "multimodal_data": [image.raw for image in images]}

"""Conversations with images for engines that render them as text."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from openedai.contract.chat import Chat, Message
from openedai.errors import PARAM, InvalidRequest


class MarkedChat:
    """A conversation, `chat`, with a text in place of each of its `images`."""

    def __init__(self, chat: Chat) -> None:
        self._marker = f"image-{secrets.token_hex(16)}"  # so that no other text contains it
        self.images = tuple(image for message in chat.messages for image in message.images)
        self.chat = replace(chat, messages=tuple(map(self._marked, chat.messages)))

    def split(self, prompt: str) -> list[str]:
        """The texts of the rendered conversation before, between and after the images.

        Raises InvalidRequest if an image is missing.
        """
        texts = prompt.split(self._marker)
        if len(texts) != len(self.images) + 1:
            raise InvalidRequest(
                f"Invalid '{PARAM}': the model's chat template leaves images out of them.",
                code="invalid_value",
                param="messages",
            )
        return texts

    def _marked(self, message: Message) -> Message:
        parts, start = [], 0
        for image in message.images:
            parts += [message.content[start : image.at], self._marker]
            start = image.at
        content = "".join([*parts, message.content[start:]])
        return replace(message, content=content, images=())

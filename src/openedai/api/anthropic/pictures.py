"""The pictures of a conversation, loaded before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable

from openedai.api.anthropic.blocks import ImageBlock
from openedai.api.anthropic.conversation import Pictures
from openedai.errors import Unsupported


async def load_pictures(blocks: Iterable[tuple[str, ImageBlock]]) -> Pictures:
    """Raises InvalidRequest for a picture that cannot be had."""
    for where, _ in blocks:
        raise Unsupported(
            f"Unsupported value: '{where}.type' does not support 'image' on this server.",
            code="unsupported_value",
            param=f"{where}.type",
        )
    return {}

"""Options that the engines for servers of images share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openedai.engines.image_server.pictures import Size

PixelSize = Annotated[str, Meta(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]


def size_from(text: str) -> Size:
    """Width and height from a PixelSize."""
    width, height = text.split("x")
    return int(width), int(height)

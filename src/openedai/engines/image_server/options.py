"""Options that the engines for servers of images share, and their checks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from openedai.engines.image_server.image_files import Size
from openedai.engines.remote.options import NO_COMPRESSION, Seconds, header_value

PixelSize = Annotated[str, Meta(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]


class ImageServerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times are in seconds. A header that begins with `$` names a variable of the environment."""

    url: str | None = None
    urls: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    checkpoint: str | None = None
    size: PixelSize = "512x512"
    steps: Annotated[int, Meta(ge=1, le=150)] = 20
    guidance_scale: Annotated[float, Meta(ge=0, le=100)] = 7.0
    negative_prompt: str = ""
    strength: Annotated[float, Meta(ge=0, le=1)] = 0.75
    max_pixels: Annotated[int, Meta(ge=4096)] = 1 << 22
    connect_timeout: Seconds = 5.0
    busy_timeout: Seconds = 300.0
    timeout: Seconds = 600.0
    idle_timeout: Seconds = 60.0
    poll_interval: Seconds = 0.5
    health_interval: Annotated[float, Meta(ge=0)] = 10.0

    def request_headers(self, model: str) -> dict[str, str]:
        """The headers of every request. Raises EngineFailed."""
        headers = {name: header_value(model, name, text) for name, text in self.headers.items()}
        return {**NO_COMPRESSION, **headers}


def size_from(text: str) -> Size:
    """Width and height from a PixelSize."""
    width, height = text.split("x")
    return int(width), int(height)
